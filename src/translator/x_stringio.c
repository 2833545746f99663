/* x_stringio.c - IN, OUT, INS, OUTS. */
#include "translator/x_string.h"

static bool port_open(struct cpu *c, uint16_t port, unsigned size)
{
    if (!cpu_io_allowed(c, port, size))
        return false;
    if (c->mode & MODE_DR7)
        cpu_check_io_bp(c, port, size);
    return true;
}

static uint16_t port_operand(const struct cpu *c, const struct opnd *o, const struct insn *i)
{
    return o->kind == OPND_IMM ? (uint8_t)i->imm : (uint16_t)c->gpr[RDX];
}

bool x_in(struct cpu *c, const struct insn *i)
{
    unsigned size = i->op[0].size;
    uint16_t port = port_operand(c, &i->op[1], i);

    if (!port_open(c, port, size))
        return false;
    gpr_write(c, RAX, size, c->hooks.io_read(c->hooks.opaque, port, size));
    return true;
}

bool x_out(struct cpu *c, const struct insn *i)
{
    unsigned size = i->op[1].size;
    uint16_t port = port_operand(c, &i->op[0], i);

    if (!port_open(c, port, size))
        return false;
    c->hooks.io_write(c->hooks.opaque, port, size, (uint32_t)gpr_read(c, RAX, size));
    return true;
}

/* The destination is probed first: reading a port can't be undone. */
static bool ins_step(struct cpu *c, const struct insn *i)
{
    uint16_t port = (uint16_t)c->gpr[RDX];
    struct softtlb_entry *e;
    gva_t dst;

    if (!port_open(c, port, i->opsize) ||
        !data_linear(c, SEG_ES, string_index(c, i, RDI), i->opsize, SEG_WRITE, &dst))
        return false;
    e = softtlb_slot(c, dst, c->cpl == 3);
    if ((e->write_tag != (dst & ~(gva_t)PAGE_MASK) || (dst & PAGE_MASK) + i->opsize > PAGE_SIZE) &&
        !mem_probe_write(c, dst, i->opsize, c->cpl == 3))
        return false;
    if (!mem_write(c, dst, i->opsize, c->hooks.io_read(c->hooks.opaque, port, i->opsize)))
        return false;
    string_advance(c, i, RDI, 1);
    return true;
}

bool x_ins(struct cpu *c, const struct insn *i)
{
    return string_run(c, i, ins_step, NULL, END_COUNT);
}

static bool outs_step(struct cpu *c, const struct insn *i)
{
    uint16_t port = (uint16_t)c->gpr[RDX];
    gva_t src;
    uint64_t v;

    if (!port_open(c, port, i->opsize) ||
        !data_linear(c, i->seg, string_index(c, i, RSI), i->opsize, SEG_READ, &src) ||
        !mem_read(c, src, i->opsize, &v))
        return false;
    c->hooks.io_write(c->hooks.opaque, port, i->opsize, (uint32_t)v);
    string_advance(c, i, RSI, 1);
    return true;
}

bool x_outs(struct cpu *c, const struct insn *i)
{
    return string_run(c, i, outs_step, NULL, END_COUNT);
}
