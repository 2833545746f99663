/* stack.c - pushes and pops, and the stack frames of far transfers and events. */
#include "cpu/control.h"
#include "cpu/desc.h"

#include "base/bits.h"

void stack_init(struct stack *st, const struct seg *ss, uint64_t sp, unsigned cpl, unsigned width,
                uint32_t err)
{
    st->ss = ss;
    st->mask = stack_mask(ss);
    st->sp = sp & st->mask;
    st->user = cpl == 3;
    st->width = (uint8_t)width;
    st->n = 0;
    st->err = err;
}

void stack_init_64(struct stack *st, uint64_t sp, unsigned cpl, unsigned width, uint32_t err)
{
    *st = (struct stack){
        .sp = sp, .mask = UINT64_MAX, .user = cpl == 3, .width = (uint8_t)width, .err = err};
}

void stack_init_current(const struct cpu *c, struct stack *st, unsigned width)
{
    if (cpu_cs64(c))
        stack_init_64(st, c->gpr[RSP], c->cpl, width, 0);
    else
        stack_init(st, &c->seg[SEG_SS], c->gpr[RSP], c->cpl, width, 0);
}

void stack_put(struct stack *st, uint64_t val)
{
    st->val[st->n++] = val;
}

/* A push after the other meets the missing page: CR2 is the address of the first that does. */
static bool probe_pushes(struct cpu *c, const struct stack *st, unsigned len, gva_t lin)
{
    if (c->mem->probe_write(c, lin, len, st->user))
        return true;
    for (unsigned at = len; at != 0; at -= st->width) {
        gva_t item = lin + at - st->width;

        if (!c->mem->probe_write(c, st->ss ? (uint32_t)item : item, st->width, st->user))
            break;
    }
    return false;
}

static bool probe_span(struct cpu *c, const struct stack *st, uint64_t off, unsigned len,
                       gva_t *lin)
{
    if (st->ss ? !st->ss->usable || !seg_holds(st->ss, off, len)
               : !canonical(off) || !canonical(off + len - 1))
        return cpu_raise(c, VEC_SS, st->err);
    *lin = st->ss ? (uint32_t)(st->ss->base + off) : off;
    return probe_pushes(c, st, len, *lin);
}

/* The stack pointer wraps inside the frame: every item has its own place. */
static bool write_wrapped(struct cpu *c, struct stack *st)
{
    gva_t lin[STACK_MAX];

    for (unsigned i = 0; i < st->n; i++) {
        uint64_t off = (st->sp - (i + 1) * st->width) & st->mask;

        if (!probe_span(c, st, off, st->width, &lin[i]))
            return false;
    }
    for (unsigned i = 0; i < st->n; i++)
        if (!c->mem->write(c, lin[i], &st->val[i], st->width, st->user))
            return false;
    st->sp = (st->sp - st->n * st->width) & st->mask;
    return true;
}

bool stack_write(struct cpu *c, struct stack *st)
{
    unsigned total = st->n * st->width;
    uint64_t top = st->sp ? st->sp : st->mask + 1;
    uint8_t image[STACK_MAX * 8];
    gva_t lin;

    if (top < total)
        return write_wrapped(c, st);
    if (!probe_span(c, st, top - total, total, &lin))
        return false;
    for (unsigned i = 0; i < st->n; i++) {
        uint8_t *at = image + total - (i + 1) * st->width;

        if (st->width == 2)
            st16(at, (uint16_t)st->val[i]);
        else if (st->width == 4)
            st32(at, (uint32_t)st->val[i]);
        else
            st64(at, st->val[i]);
    }
    if (!c->mem->write(c, lin, image, total, st->user))
        return false;
    st->sp = top - total;
    return true;
}

bool stack_peek(struct cpu *c, unsigned off, unsigned width, uint64_t *val)
{
    gva_t lin;

    *val = 0;
    return cpu_linear(c, SEG_SS, (c->gpr[RSP] + off) & stack_width_mask(c), width, SEG_READ,
                      &lin) &&
           c->mem->read(c, lin, val, width, c->cpl == 3);
}

void stack_set_sp(struct cpu *c, uint64_t sp)
{
    uint64_t mask = stack_width_mask(c);

    c->gpr[RSP] = mask == 0xffff ? (c->gpr[RSP] & ~mask) | (sp & mask) : sp & mask;
}

bool stack_from_tss(struct cpu *c, unsigned cpl, uint32_t ext, struct seg *ss, uint32_t *esp)
{
    const struct seg *tr = &c->seg[SEG_TR];
    bool wide = tr->attr & SYS_32;
    unsigned at = wide ? 4 + 8 * cpl : 2 + 4 * cpl;
    unsigned len = wide ? 6 : 4;
    uint8_t raw[6];
    uint16_t sel;
    struct desc d;

    if (!tr->usable || at + len - 1 > tr->limit)
        return raise_sel(c, VEC_TS, tr->sel, ext);
    if (!c->mem->read(c, (uint32_t)(tr->base + at), raw, len, MEM_SYSTEM))
        return false;
    *esp = wide ? ld32(raw) : ld16(raw);
    sel = ld16(raw + len - 2);
    if (!seg_check_stack(c, sel, cpl, VEC_TS, ext, &d))
        return false;
    seg_from_desc(ss, sel, &d);
    return true;
}

bool stack_from_tss64(struct cpu *c, unsigned at, uint32_t ext, uint64_t *rsp)
{
    const struct seg *tr = &c->seg[SEG_TR];

    if (!tr->usable || at + 7 > tr->limit)
        return raise_sel(c, VEC_TS, tr->sel, ext);
    return c->mem->read(c, tr->base + at, rsp, sizeof(*rsp), MEM_SYSTEM);
}

bool cpu_push(struct cpu *c, uint64_t val, unsigned len)
{
    uint64_t mask = stack_width_mask(c);
    uint64_t sp = (c->gpr[RSP] - len) & mask;
    gva_t lin;

    if (!cpu_linear(c, SEG_SS, sp, len, SEG_WRITE, &lin) ||
        !c->mem->write(c, lin, &val, len, c->cpl == 3))
        return false;
    if (c->mode & MODE_DR7)
        cpu_check_data_bp(c, lin, len, true);
    c->gpr[RSP] = mask == 0xffff ? (c->gpr[RSP] & ~mask) | sp : sp;
    return true;
}

bool cpu_pop(struct cpu *c, uint64_t *val, unsigned len)
{
    uint64_t mask = stack_width_mask(c);
    uint64_t sp = c->gpr[RSP] & mask;
    uint64_t got = 0;
    gva_t lin;

    if (!cpu_linear(c, SEG_SS, sp, len, SEG_READ, &lin) ||
        !c->mem->read(c, lin, &got, len, c->cpl == 3))
        return false;
    if (c->mode & MODE_DR7)
        cpu_check_data_bp(c, lin, len, false);
    stack_set_sp(c, sp + len);
    *val = got;
    return true;
}
