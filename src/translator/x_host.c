#include "translator/x_host.h"

#include <string.h>

#include "translator/hostexec.h"
#include "translator/row.h"
#include "translator/x_int.h"

enum { VEC_MAX = 32, MASKMOV_MAX = 16, COMP_AVX = 2, COMP_ZMM_HI256 = 6 };

uint64_t x_host_offset(const struct cpu *c, const struct insn *i)
{
    if (!i->vsib)
        return op_ea(c, i);
    return (uint64_t)i->disp + (i->base < NGPR ? c->gpr[i->base] : 0);
}

bool x_host_linear(struct cpu *c, const struct insn *i, unsigned len, unsigned access, gva_t *lin)
{
    return data_linear(c, i->seg, x_host_offset(c, i), len, access, lin);
}

static bool has_operand(const struct insn *i, enum opnd_kind kind)
{
    for (unsigned n = 0; n < i->nops; n++)
        if (i->op[n].kind == kind)
            return true;
    return false;
}

/* Where forms with one mnemonic, thus one row, belong to different extensions: PADDB of MMX and XMM
 * registers, AES and PCLMULQDQ of 128 and 256 bits. */
static bool form_allowed(const struct cpu *c, const struct insn *i)
{
    const struct row *r = i->row;

    if (!r)
        return true;
    if ((r->traits & T_MMX) && has_operand(i, OPND_XMM))
        return (c->cr4 & CR4_OSFXSR) && model_has(c->model, FEAT_SSE2);
    if ((r->feature == FEAT_AES || r->feature == FEAT_PCLMULQDQ) && has_operand(i, OPND_YMM))
        return model_has(c->model, r->feature == FEAT_AES ? FEAT_VAES : FEAT_VPCLMULQDQ);
    return true;
}

bool x_host(struct cpu *c, const struct insn *i)
{
    if (!form_allowed(c, i))
        return cpu_raise(c, VEC_UD, 0);
    return hostexec_run(c->hostexec, c, i);
}

/* Reports what is pending; TS matters only together with MP (SDM 3A 2.5). */
bool x_fwait(struct cpu *c, const struct insn *i)
{
    bool done;

    (void)i;
    if ((c->cr0 & (CR0_MP | CR0_TS)) == (CR0_MP | CR0_TS))
        return cpu_raise(c, VEC_NM, 0);
    cpu_fpu_sync(c);
    return fpu_pending(c, &done);
}

/* ---- vector registers in the image ---- */

static void vec_read(const struct cpu *c, unsigned reg, unsigned len, uint8_t out[VEC_MAX])
{
    memcpy(out, c->fpu + IMG_XMM + 16 * reg, 16);
    if (len > 16)
        memcpy(out + 16, c->fpu + c->model->xsave_offset[COMP_AVX] + 16 * reg, 16);
}

/* As a VEX instruction writes: everything above len is cleared. */
static void vec_write(struct cpu *c, unsigned reg, unsigned len, const uint8_t in[VEC_MAX])
{
    uint64_t allowed = c->model->xcr0_allowed;

    memcpy(c->fpu + IMG_XMM + 16 * reg, in, 16);
    if (allowed & XCR0_AVX) {
        uint8_t *hi = c->fpu + c->model->xsave_offset[COMP_AVX] + 16 * reg;

        if (len > 16)
            memcpy(hi, in + 16, 16);
        else
            memset(hi, 0, 16);
    }
    if (allowed & 1 << COMP_ZMM_HI256)
        memset(c->fpu + c->model->xsave_offset[COMP_ZMM_HI256] + 32 * reg, 0, 32);
    fpu_mark(c, XCR0_SSE | (allowed & XCR0_AVX));
}

/* In compatibility mode registers 8 to 15 stay (SDM 2C VZEROALL); the host would clear them. */
static bool vzero(struct cpu *c, const struct insn *i, bool all)
{
    uint8_t val[VEC_MAX] = {0};

    if (!cpu_long(c) || cpu_cs64(c))
        return x_host(c, i);
    fpu_open(c);
    for (unsigned reg = 0; reg < 8; reg++) {
        if (!all)
            vec_read(c, reg, 16, val);
        vec_write(c, reg, 16, val);
    }
    return true;
}

bool x_vzeroall(struct cpu *c, const struct insn *i)
{
    return vzero(c, i, true);
}

bool x_vzeroupper(struct cpu *c, const struct insn *i)
{
    return vzero(c, i, false);
}

static bool element_set(const uint8_t *mask, unsigned n, unsigned size)
{
    return mask[n * size + size - 1] & 0x80;
}

/* The element of a masked access that is n bytes into it. Its offset wraps on its own, but in
 * 64-bit code: there 67h wraps that of the whole operand only. */
static bool element_linear(struct cpu *c, const struct insn *i, uint64_t off, unsigned n,
                           unsigned size, unsigned access, gva_t *lin)
{
    uint64_t at = addr_trunc(i, off) + n;

    return data_linear(c, i->seg, cpu_cs64(c) ? at : addr_trunc(i, at), size, access, lin);
}

/* ---- MASKMOVQ, MASKMOVDQU, VMASKMOVDQU ---- */

/* A transition to MMX state: TOP 0, all tags valid (SDM 1 9.2.1). */
static void mmx_enter(struct cpu *c)
{
    fpu_set_top(c, 0);
    c->fpu[IMG_FTW] = 0xff;
    fpu_mark(c, XCR0_X87);
}

/* Bytes with a clear mask bit are not accessed at all; all others are checked before one is
 * written. */
static bool store_bytes(struct cpu *c, const struct insn *i, const uint8_t *src,
                        const uint8_t *mask, unsigned len)
{
    gva_t lin[MASKMOV_MAX];
    bool user = c->cpl == 3;

    for (unsigned n = 0; n < len; n++) {
        if (!element_set(mask, n, 1))
            continue;
        if (!element_linear(c, i, c->gpr[RDI] + n, 0, 1, SEG_WRITE, &lin[n]) ||
            !mem_probe_write(c, lin[n], 1, user))
            return false;
    }
    for (unsigned n = 0; n < len; n++)
        if (element_set(mask, n, 1) && !mem_write(c, lin[n], 1, src[n]))
            return false;
    return true;
}

bool x_maskmov(struct cpu *c, const struct insn *i)
{
    unsigned src = i->op[0].reg, mask = i->op[1].reg;
    bool mmx = i->enc == ENC_LEGACY && i->mand != 0x66, done;

    fpu_open(c);
    if (!mmx)
        return store_bytes(c, i, c->fpu + IMG_XMM + 16 * src, c->fpu + IMG_XMM + 16 * mask, 16);
    bool result = fpu_pending(c, &done);

    if (done)
        return result;
    /* MMn is physical register n; the image holds stack registers */
    unsigned top = ld16(c->fpu + IMG_FSW) >> 11 & 7;
    const uint8_t *st = c->fpu + IMG_ST;
    uint8_t s[8], m[8];

    memcpy(s, st + 16 * ((src - top) & 7), 8);
    memcpy(m, st + 16 * ((mask - top) & 7), 8);
    if (!store_bytes(c, i, s, m, 8))
        return false;
    mmx_enter(c);
    return true;
}

/* ---- VMASKMOVPS/PD, VPMASKMOVD/Q: op is (reg, mask, mem) or (mem, mask, reg) ---- */

static unsigned masked_element(const struct insn *i)
{
    if (i->opcode >= 0x8c) /* VPMASKMOV: VEX.W */
        return i->vex_w ? 8 : 4;
    return i->opcode & 1 ? 8 : 4; /* 2C, 2E: PS; 2D, 2F: PD */
}

static bool masked_load(struct cpu *c, const struct insn *i, const uint8_t *mask, unsigned len)
{
    unsigned size = masked_element(i);
    uint64_t off = x_host_offset(c, i);
    uint8_t dst[VEC_MAX] = {0};
    gva_t lin;

    for (unsigned n = 0; n < len / size; n++) {
        uint64_t v;

        if (!element_set(mask, n, size))
            continue;
        if (!element_linear(c, i, off, n * size, size, SEG_READ, &lin) ||
            !mem_read(c, lin, size, &v))
            return false;
        memcpy(dst + n * size, &v, size);
    }
    vec_write(c, i->op[0].reg, len, dst);
    return true;
}

static bool masked_store(struct cpu *c, const struct insn *i, const uint8_t *mask, unsigned len)
{
    unsigned size = masked_element(i);
    uint64_t off = x_host_offset(c, i);
    uint8_t src[VEC_MAX];
    gva_t lin[VEC_MAX / 4];

    vec_read(c, i->op[2].reg, len, src);
    for (unsigned n = 0; n < len / size; n++)
        if (element_set(mask, n, size) &&
            (!element_linear(c, i, off, n * size, size, SEG_WRITE, &lin[n]) ||
             !mem_probe_write(c, lin[n], size, c->cpl == 3)))
            return false;
    for (unsigned n = 0; n < len / size; n++) {
        uint64_t v = size == 4 ? ld32(src + n * size) : ld64(src + n * size);

        if (element_set(mask, n, size) && !mem_write(c, lin[n], size, v))
            return false;
    }
    return true;
}

bool x_vmaskmov(struct cpu *c, const struct insn *i)
{
    unsigned len = i->vex_l ? 32 : 16;
    uint8_t mask[VEC_MAX];

    fpu_open(c);
    vec_read(c, i->op[1].reg, len, mask);
    return i->op[0].kind == OPND_MEM ? masked_store(c, i, mask, len) : masked_load(c, i, mask, len);
}

/* ---- gathers: op is (dst, vsib mem, mask) ---- */

struct gather {
    unsigned index_size, size, count;
    uint8_t dst[VEC_MAX], index[VEC_MAX], mask[VEC_MAX];
    bool loaded; /* an element of dst */
};

static bool gather_element(struct cpu *c, const struct insn *i, struct gather *g, unsigned n)
{
    int64_t index =
        g->index_size == 4 ? (int32_t)ld32(g->index + 4 * n) : (int64_t)ld64(g->index + 8 * n);
    uint64_t off = x_host_offset(c, i) + (uint64_t)index * i->scale, v;
    gva_t lin;

    if (element_set(g->mask, n, g->size)) {
        if (!element_linear(c, i, off, 0, g->size, SEG_READ, &lin) ||
            !mem_read(c, lin, g->size, &v))
            return false;
        memcpy(g->dst + n * g->size, &v, g->size);
        g->loaded = true;
    }
    memset(g->mask + n * g->size, 0, g->size);
    return true;
}

/* SDM 2C VGATHER: first the mask, all of it, becomes ones and zeros; then elements complete from
 * the lowest up. At a fault, those done are in the destination and have a clear mask. That is
 * committed state. What is above a 128-bit destination is cleared with the first element that
 * arrives (so does the host; the manual only says when none faults). */
bool x_gather(struct cpu *c, const struct insn *i)
{
    unsigned len = i->vex_l ? 32 : 16;
    struct gather g = {.index_size = i->opcode & 1 ? 8 : 4, .size = i->vex_w ? 8 : 4};
    unsigned d = i->op[0].reg, m = i->op[2].reg, n, used;

    if (d == m || d == i->index || m == i->index)
        return cpu_raise(c, VEC_UD, 0);
    fpu_open(c);
    g.count = len / (g.index_size > g.size ? g.index_size : g.size);
    used = g.count * g.size;
    vec_read(c, d, len, g.dst);
    vec_read(c, i->index, len, g.index);
    vec_read(c, m, len, g.mask);
    for (n = 0; n < len / g.size; n++)
        memset(g.mask + n * g.size, element_set(g.mask, n, g.size) ? 0xff : 0, g.size);
    for (n = 0; n < g.count; n++)
        if (!gather_element(c, i, &g, n))
            break;
    if (n == g.count) {
        memset(g.mask, 0, sizeof(g.mask));
        memset(g.dst + used, 0, sizeof(g.dst) - used);
    }
    if (n == g.count || g.loaded)
        vec_write(c, d, len, g.dst);
    vec_write(c, m, len, g.mask);
    return n == g.count;
}
