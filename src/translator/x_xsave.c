/* x_xsave.c - XSAVE, XSAVEOPT, XSAVEC, XSAVES, XRSTOR, XRSTORS on the image (SDM 1 13.4-13.12),
 * XGETBV, XSETBV. IA32_XSS is always zero: XSAVES and XRSTORS know no more components. */
#include <string.h>

#include "translator/row.h"
#include "translator/x_host.h"
#include "translator/x_int.h"

enum { XSAVE_HEADER = 64, XCOMP_BIT = 63 };

/* Where the components are in the guest's area. */
struct xlayout {
    uint32_t offset[NCOMPONENTS];
    uint32_t size;
};

static void layout_standard(const struct cpu *c, uint64_t rfbm, struct xlayout *l)
{
    *l = (struct xlayout){.size = IMG_EXTENDED};
    for (unsigned n = 2; n < NCOMPONENTS; n++) {
        if (!(rfbm >> n & 1))
            continue;
        l->offset[n] = c->model->xsave_offset[n];
        if (l->offset[n] + c->model->xsave_len[n] > l->size)
            l->size = l->offset[n] + c->model->xsave_len[n];
    }
}

/* Compacted: present components one after the other. None of the components 2-7 asks for alignment
 * (leaf 0Dh, ECX bit 1). */
static void layout_compacted(const struct cpu *c, uint64_t present, struct xlayout *l)
{
    *l = (struct xlayout){.size = IMG_EXTENDED};
    for (unsigned n = 2; n < NCOMPONENTS; n++) {
        if (!(present >> n & 1))
            continue;
        l->offset[n] = l->size;
        l->size += c->model->xsave_len[n];
    }
}

static bool xsave_available(struct cpu *c)
{
    if (!(c->cr4 & CR4_OSXSAVE))
        return cpu_raise(c, VEC_UD, 0);
    return c->cr0 & CR0_TS ? cpu_raise(c, VEC_NM, 0) : true;
}

static uint64_t edx_eax(const struct cpu *c)
{
    return (uint32_t)c->gpr[RAX] | c->gpr[RDX] << 32;
}

static uint64_t requested(const struct cpu *c)
{
    return edx_eax(c) & c->xcr0 & ((1 << NCOMPONENTS) - 1);
}

/* Outside 64-bit mode the registers above 7 are neither in memory nor loaded (SDM 1 13.5):
 * components 2 and 6 (upper halves) count half, 7 (ZMM16-31) not at all. */
static uint32_t component_len(const struct cpu *c, unsigned n)
{
    uint32_t len = c->model->xsave_len[n];

    if (cpu_cs64(c))
        return len;
    if (n == 2 || n == 6)
        return len / 2;
    return n == 7 ? 0 : len;
}

static bool store_component(struct cpu *c, unsigned n, const struct xlayout *l, gva_t lin)
{
    bool user = c->cpl == 3;

    if (n == 1)
        return mem_write_slow(c, lin + IMG_XMM, c->fpu + IMG_XMM, fpu_xmm_bytes(c), user);
    if (!component_len(c, n))
        return true;
    return mem_write_slow(c, lin + l->offset[n], c->fpu + c->model->xsave_offset[n],
                          component_len(c, n), user);
}

static bool store_legacy(struct cpu *c, const struct insn *i, uint64_t which, bool mxcsr, gva_t lin)
{
    uint8_t buf[IMG_XMM];
    bool user = c->cpl == 3;

    fpu_legacy_store(c, i, buf);
    fpu_store_mxcsr(c, buf);
    if ((which & XCR0_X87) &&
        (!mem_write_slow(c, lin, buf, IMG_MXCSR, user) ||
         !mem_write_slow(c, lin + IMG_ST, buf + IMG_ST, IMG_XMM - IMG_ST, user)))
        return false;
    return !mxcsr || mem_write_slow(c, lin + IMG_MXCSR, buf + IMG_MXCSR, 8, user);
}

static bool store_components(struct cpu *c, const struct insn *i, uint64_t which, bool mxcsr,
                             const struct xlayout *l, gva_t lin)
{
    if (!store_legacy(c, i, which, mxcsr, lin))
        return false;
    for (unsigned n = 1; n < NCOMPONENTS; n++)
        if ((which >> n & 1) && !store_component(c, n, l, lin))
            return false;
    return true;
}

/* XSAVE, XSAVEOPT: `init` is the init optimization: components not in use are left out of memory.
 */
static bool save_standard(struct cpu *c, const struct insn *i, bool init)
{
    uint64_t rfbm, used, old;
    struct xlayout l;
    gva_t lin;
    bool user = c->cpl == 3;

    if (!xsave_available(c))
        return false;
    fpu_open(c);
    rfbm = requested(c);
    used = ld64(c->fpu + IMG_XSTATE_BV) & rfbm;
    layout_standard(c, rfbm, &l);
    if (!fpu_image_linear(c, i, l.size, 64, SEG_WRITE, &lin) ||
        !mem_probe_write(c, lin, l.size, user) ||
        !mem_read_as(c, lin + IMG_XSTATE_BV, 8, &old, user))
        return false;
    return store_components(c, i, init ? used : rfbm, rfbm & (XCR0_SSE | XCR0_AVX), &l, lin) &&
           mem_write_as(c, lin + IMG_XSTATE_BV, 8, (old & ~rfbm) | used, user);
}

bool x_xsave(struct cpu *c, const struct insn *i)
{
    return save_standard(c, i, false);
}

bool x_xsaveopt(struct cpu *c, const struct insn *i)
{
    return save_standard(c, i, true);
}

static bool save_compacted(struct cpu *c, const struct insn *i)
{
    uint64_t rfbm, used;
    struct xlayout l;
    gva_t lin;
    bool user = c->cpl == 3;

    fpu_open(c);
    rfbm = requested(c);
    used = ld64(c->fpu + IMG_XSTATE_BV) & rfbm;
    if ((rfbm & XCR0_SSE) && ld32(c->fpu + IMG_MXCSR) != MXCSR_INIT)
        used |= XCR0_SSE; /* SDM 1 13.6: MXCSR counts as SSE state in use */
    layout_compacted(c, rfbm, &l);
    if (!fpu_image_linear(c, i, l.size, 64, SEG_WRITE, &lin) ||
        !mem_probe_write(c, lin, l.size, user))
        return false;
    return store_components(c, i, used, used & XCR0_SSE, &l, lin) &&
           mem_write_as(c, lin + IMG_XSTATE_BV, 8, used, user) &&
           mem_write_as(c, lin + IMG_XCOMP_BV, 8, rfbm | UINT64_C(1) << XCOMP_BIT, user);
}

bool x_xsavec(struct cpu *c, const struct insn *i)
{
    return xsave_available(c) && save_compacted(c, i);
}

/* #UD and #NM come before the privilege check, so the row can't make it. */
static bool supervisor_available(struct cpu *c)
{
    return xsave_available(c) && (c->cpl == 0 || cpu_raise(c, VEC_GP, 0));
}

bool x_xsaves(struct cpu *c, const struct insn *i)
{
    return supervisor_available(c) && save_compacted(c, i);
}

/* SDM 1 13.8: what makes XRSTOR raise #GP. */
static bool header_valid(const struct cpu *c, const uint8_t *header)
{
    uint64_t bv = ld64(header), comp = ld64(header + 8);
    unsigned zero_to = comp >> XCOMP_BIT ? XSAVE_HEADER : 24;

    if (comp >> XCOMP_BIT) {
        comp &= ~(UINT64_C(1) << XCOMP_BIT);
        if (!model_has(c->model, FEAT_XSAVEC) || (comp & ~c->xcr0) || (bv & ~comp))
            return false;
    } else if (comp || (bv & ~c->xcr0)) {
        return false;
    }
    for (unsigned n = 16; n < zero_to; n++)
        if (header[n])
            return false;
    return true;
}

/* The guest's area, as far as it is looked at. */
struct xarea {
    uint8_t bytes[FPU_AREA_BYTES];
    struct xlayout l;
    uint64_t used;
    bool compacted;
};

static void load_component(struct cpu *c, const struct insn *i, const struct xarea *a, unsigned n)
{
    if (n == 0)
        fpu_legacy_load(c, i, a->bytes);
    else if (n == 1)
        memcpy(c->fpu + IMG_XMM, a->bytes + IMG_XMM, fpu_xmm_bytes(c));
    else
        memcpy(c->fpu + c->model->xsave_offset[n], a->bytes + a->l.offset[n], component_len(c, n));
}

static void load_components(struct cpu *c, const struct insn *i, const struct xarea *a,
                            uint64_t rfbm)
{
    uint64_t bv = ld64(c->fpu + IMG_XSTATE_BV);

    for (unsigned n = 0; n < NCOMPONENTS; n++) {
        if (!(rfbm >> n & 1))
            continue;
        if (a->used >> n & 1) {
            load_component(c, i, a, n);
        } else {
            fpu_init_component(c, n);
            if (n == 0)
                c->fcs = c->fds = 0;
        }
    }
    st64(c->fpu + IMG_XSTATE_BV, (bv & ~rfbm) | (a->used & rfbm));
}

/* The standard form loads MXCSR with SSE or AVX whatever XSTATE_BV says; the compacted form treats
 * it as part of SSE (SDM 1 13.8.1, 13.8.2). */
static bool new_mxcsr(const struct cpu *c, const struct xarea *a, uint64_t rfbm, uint32_t *v)
{
    bool loaded = a->compacted ? rfbm & a->used & XCR0_SSE : rfbm & (XCR0_SSE | XCR0_AVX);

    *v = ld32(c->fpu + IMG_MXCSR);
    if (loaded)
        *v = ld32(a->bytes + IMG_MXCSR);
    else if (a->compacted && (rfbm & XCR0_SSE))
        *v = MXCSR_INIT;
    return !(*v & ~(uint32_t)MXCSR_VALID);
}

static bool read_area(struct cpu *c, const struct insn *i, uint64_t rfbm, struct xarea *a)
{
    bool user = c->cpl == 3;
    gva_t lin;

    if (!fpu_image_linear(c, i, IMG_EXTENDED, 64, SEG_READ, &lin) ||
        !mem_read_slow(c, lin, a->bytes, IMG_EXTENDED, user))
        return false;
    if (!header_valid(c, a->bytes + IMG_XSTATE_BV))
        return cpu_raise(c, VEC_GP, 0);
    a->used = ld64(a->bytes + IMG_XSTATE_BV);
    a->compacted = a->bytes[IMG_XCOMP_BV + 7] >> 7;
    if (a->compacted)
        layout_compacted(c, ld64(a->bytes + IMG_XCOMP_BV), &a->l);
    else
        layout_standard(c, rfbm & a->used, &a->l);
    if (a->l.size > sizeof(a->bytes))
        return cpu_raise(c, VEC_GP, 0);
    return a->l.size == IMG_EXTENDED ||
           (fpu_image_linear(c, i, a->l.size, 64, SEG_READ, &lin) &&
            mem_read_slow(c, lin + IMG_EXTENDED, a->bytes + IMG_EXTENDED, a->l.size - IMG_EXTENDED,
                          user));
}

/* `compacted`: no other form will do. */
static bool restore(struct cpu *c, const struct insn *i, bool compacted)
{
    uint64_t rfbm;
    struct xarea a;
    uint32_t mxcsr;

    fpu_open(c);
    rfbm = requested(c);
    if (!read_area(c, i, rfbm, &a))
        return false;
    if (compacted > a.compacted || !new_mxcsr(c, &a, rfbm, &mxcsr))
        return cpu_raise(c, VEC_GP, 0);
    load_components(c, i, &a, rfbm);
    st32(c->fpu + IMG_MXCSR, mxcsr);
    return true;
}

bool x_xrstor(struct cpu *c, const struct insn *i)
{
    return xsave_available(c) && restore(c, i, false);
}

bool x_xrstors(struct cpu *c, const struct insn *i)
{
    return supervisor_available(c) && restore(c, i, true);
}

bool x_xgetbv(struct cpu *c, const struct insn *i)
{
    uint64_t v;

    (void)i;
    if (!(c->cr4 & CR4_OSXSAVE))
        return cpu_raise(c, VEC_UD, 0);
    if (!cpu_xgetbv(c, (uint32_t)c->gpr[RCX], &v))
        return false;
    c->gpr[RAX] = (uint32_t)v;
    c->gpr[RDX] = v >> 32;
    return true;
}

/* #UD comes before the privilege check, so the row can't make it. */
bool x_xsetbv(struct cpu *c, const struct insn *i)
{
    (void)i;
    if (!(c->cr4 & CR4_OSXSAVE))
        return cpu_raise(c, VEC_UD, 0);
    if (c->cpl != 0)
        return cpu_raise(c, VEC_GP, 0);
    return cpu_xsetbv(c, (uint32_t)c->gpr[RCX], edx_eax(c));
}
