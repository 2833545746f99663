/* x_fpustate.c - instructions that show the guest its FPU state as memory: environment, FSAVE,
 * FXSAVE, XSAVE. Plain C on the image, because the host would show its own pointers and 64-bit
 * layouts (pitfalls A14). SDM 1 8.1.10 (environment), 10.5 (FXSAVE), 13.4-13.11 (XSAVE). */
#include <string.h>

#include "translator/row.h"
#include "translator/x_host.h"
#include "translator/x_int.h"

enum {
    ST_BYTES = 10,
    ENV_MAX = 28,
    FSAVE_MAX = ENV_MAX + 8 * ST_BYTES,
    FXSAVE_BYTES = 512,
    LEGACY_USED = IMG_XMM + 16 * 16,
    REX_W = 8,
    FCW_MASKS = 0x3f,
    FSW_TOP_SHIFT = 11,
};

/* ---- the image ---- */

static void init_x87(struct cpu *c)
{
    memset(c->fpu, 0, IMG_MXCSR);
    memset(c->fpu + IMG_ST, 0, IMG_XMM - IMG_ST);
    st16(c->fpu + IMG_FCW, FCW_INIT);
}

void fpu_init_component(struct cpu *c, unsigned n)
{
    if (n == 0)
        init_x87(c);
    else if (n == 1)
        memset(c->fpu + IMG_XMM, 0, 16 * 16);
    else
        memset(c->fpu + c->model->xsave_offset[n], 0, c->model->xsave_len[n]);
}

static bool in_image(const struct cpu *c, unsigned n)
{
    const struct cpu_model *m = c->model;

    return n < 2 || ((m->xcr0_allowed >> n & 1) && m->xsave_len[n] &&
                     m->xsave_offset[n] + m->xsave_len[n] <= FPU_AREA_BYTES);
}

void cpu_fpu_init(struct cpu *c)
{
    memset(c->fpu, 0, sizeof(c->fpu));
    init_x87(c);
    st32(c->fpu + IMG_MXCSR, MXCSR_INIT);
    c->fcs = c->fds = 0;
}

void fpu_mark(struct cpu *c, uint64_t bits)
{
    st64(c->fpu + IMG_XSTATE_BV, ld64(c->fpu + IMG_XSTATE_BV) | bits);
}

void fpu_open(struct cpu *c)
{
    uint64_t used;

    cpu_fpu_sync(c);
    used = ld64(c->fpu + IMG_XSTATE_BV);
    for (unsigned n = 0; n < NCOMPONENTS; n++)
        if (!(used >> n & 1) && in_image(c, n))
            fpu_init_component(c, n);
}

/* FSW.ES and B follow from the flags and the masks. */
static void update_summary(struct cpu *c)
{
    uint16_t fcw = ld16(c->fpu + IMG_FCW), fsw = ld16(c->fpu + IMG_FSW);

    fsw &= (uint16_t) ~(FSW_ES | FSW_B);
    if (fsw & ~fcw & FCW_MASKS)
        fsw |= FSW_ES | FSW_B;
    st16(c->fpu + IMG_FSW, fsw);
    if (!(fsw & FSW_ES) && !(c->cr0 & CR0_NE) && c->hooks.ferr)
        c->hooks.ferr(c->hooks.opaque, false);
}

bool fpu_pending(struct cpu *c, bool *done)
{
    *done = (ld64(c->fpu + IMG_XSTATE_BV) & XCR0_X87) && (ld16(c->fpu + IMG_FSW) & FSW_ES);
    if (c->ignne && !(c->cr0 & CR0_NE))
        *done = false;
    if (!*done)
        return true;
    if (c->cr0 & CR0_NE)
        return cpu_raise(c, VEC_MF, 0);
    /* SDM 3A 8.7.2: FERR# is asserted and the processor waits for the interrupt it causes */
    if (c->hooks.ferr)
        c->hooks.ferr(c->hooks.opaque, true);
    c->next_rip = c->rip;
    return true;
}

unsigned fpu_hide_pending(struct cpu *c)
{
    uint16_t fsw = ld16(c->fpu + IMG_FSW);

    if (!(ld64(c->fpu + IMG_XSTATE_BV) & XCR0_X87) || !(fsw & FSW_ES))
        return 0;
    st16(c->fpu + IMG_FSW, fsw & (uint16_t) ~(FSW_ES | FSW_B | FCW_MASKS));
    return fsw & FCW_MASKS;
}

void fpu_show_pending(struct cpu *c, unsigned flags)
{
    if (!flags)
        return;
    fpu_mark(c, XCR0_X87);
    st16(c->fpu + IMG_FSW, (uint16_t)(ld16(c->fpu + IMG_FSW) | flags));
    update_summary(c);
}

static bool waits(struct cpu *c, bool *done)
{
    fpu_open(c);
    return fpu_pending(c, done);
}

/* ---- tag word: abridged in the image, two bits per register in the environment ---- */

enum tag { TAG_VALID, TAG_ZERO, TAG_SPECIAL, TAG_EMPTY };

static enum tag classify(const uint8_t *st)
{
    uint64_t sig = ld64(st);
    unsigned exp = ld16(st + 8) & 0x7fff;

    if (exp == 0 && sig == 0)
        return TAG_ZERO;
    return exp == 0 || exp == 0x7fff || !(sig >> 63) ? TAG_SPECIAL : TAG_VALID;
}

static uint16_t tags_full(const struct cpu *c)
{
    unsigned top = ld16(c->fpu + IMG_FSW) >> FSW_TOP_SHIFT & 7;
    uint16_t full = 0;

    for (unsigned r = 0; r < 8; r++) {
        enum tag t = TAG_EMPTY;

        if (c->fpu[IMG_FTW] >> r & 1)
            t = classify(c->fpu + IMG_ST + 16 * ((r - top) & 7));
        full |= (uint16_t)(t << (2 * r));
    }
    return full;
}

static uint8_t tags_abridged(uint16_t full)
{
    uint8_t abridged = 0;

    for (unsigned r = 0; r < 8; r++)
        if ((full >> (2 * r) & 3) != TAG_EMPTY)
            abridged |= (uint8_t)(1 << r);
    return abridged;
}

/* ---- the environment: 16- and 32-bit, protected and real/V86 formats (SDM 1 figures 8-9 to 8-12)
 * ---- */

static bool linear_pointers(const struct cpu *c)
{
    return cpu_real(c) || cpu_vm86(c);
}

static unsigned env_bytes(const struct insn *i)
{
    return i->opsize == 2 ? 14 : ENV_MAX;
}

/* Alignment checking sees words or doublewords (SDM 3A table 6-7). */
static bool env_linear(struct cpu *c, const struct insn *i, unsigned len, unsigned access,
                       gva_t *lin)
{
    if (!x_host_linear(c, i, len, access, lin))
        return false;
    if ((c->mode & MODE_AC) && (*lin & (i->opsize == 2 ? 1 : 3)))
        return cpu_raise(c, VEC_AC, 0);
    return true;
}

static void env_store16(const struct cpu *c, uint8_t *p)
{
    uint32_t ip = (uint32_t)ld64(c->fpu + IMG_FIP), dp = (uint32_t)ld64(c->fpu + IMG_FDP);
    uint16_t cs = c->fcs, ds = c->fds;

    if (linear_pointers(c)) {
        ip += (uint32_t)cs << 4;
        dp += (uint32_t)ds << 4;
        cs = (uint16_t)((ip >> 4 & 0xf000) | (ld16(c->fpu + IMG_FOP) & 0x7ff));
        ds = (uint16_t)(dp >> 4 & 0xf000);
    }
    st16(p, ld16(c->fpu + IMG_FCW));
    st16(p + 2, ld16(c->fpu + IMG_FSW));
    st16(p + 4, tags_full(c));
    st16(p + 6, (uint16_t)ip);
    st16(p + 8, cs);
    st16(p + 10, (uint16_t)dp);
    st16(p + 12, ds);
}

static void env_store32(const struct cpu *c, uint8_t *p)
{
    uint32_t ip = (uint32_t)ld64(c->fpu + IMG_FIP), dp = (uint32_t)ld64(c->fpu + IMG_FDP);
    uint32_t fop = ld16(c->fpu + IMG_FOP) & 0x7ff;

    st32(p, 0xffff0000 | ld16(c->fpu + IMG_FCW));
    st32(p + 4, 0xffff0000 | ld16(c->fpu + IMG_FSW));
    st32(p + 8, 0xffff0000 | tags_full(c));
    if (linear_pointers(c)) {
        ip += (uint32_t)c->fcs << 4;
        dp += (uint32_t)c->fds << 4;
        st32(p + 12, 0xffff0000 | (ip & 0xffff));
        st32(p + 16, (ip >> 16) << 12 | fop);
        st32(p + 20, 0xffff0000 | (dp & 0xffff));
        st32(p + 24, (dp >> 16) << 12);
        return;
    }
    st32(p + 12, ip);
    st32(p + 16, fop << 16 | c->fcs);
    st32(p + 20, dp);
    st32(p + 24, 0xffff0000 | c->fds);
}

static void set_pointers(struct cpu *c, uint64_t ip, uint16_t cs, uint64_t dp, uint16_t ds)
{
    st64(c->fpu + IMG_FIP, ip);
    st64(c->fpu + IMG_FDP, dp);
    c->fcs = cs;
    c->fds = ds;
}

static void env_load16(struct cpu *c, const uint8_t *p)
{
    uint16_t ip = ld16(p + 6), cs = ld16(p + 8), dp = ld16(p + 10), ds = ld16(p + 12);

    if (linear_pointers(c)) {
        st16(c->fpu + IMG_FOP, cs & 0x7ff);
        set_pointers(c, (uint32_t)(cs & 0xf000) << 4 | ip, 0, (uint32_t)(ds & 0xf000) << 4 | dp, 0);
        return;
    }
    st16(c->fpu + IMG_FOP, 0);
    set_pointers(c, ip, cs, dp, ds);
}

static void env_load32(struct cpu *c, const uint8_t *p)
{
    uint32_t ip = ld32(p + 12), cs = ld32(p + 16), dp = ld32(p + 20), ds = ld32(p + 24);

    if (linear_pointers(c)) {
        st16(c->fpu + IMG_FOP, cs & 0x7ff);
        set_pointers(c, (cs >> 12 & 0xffff) << 16 | (ip & 0xffff), 0,
                     (ds >> 12 & 0xffff) << 16 | (dp & 0xffff), 0);
        return;
    }
    st16(c->fpu + IMG_FOP, cs >> 16 & 0x7ff);
    set_pointers(c, ip, (uint16_t)cs, dp, (uint16_t)ds);
}

static void env_store(const struct cpu *c, const struct insn *i, uint8_t *p)
{
    if (i->opsize == 2)
        env_store16(c, p);
    else
        env_store32(c, p);
}

void fpu_set_top(struct cpu *c, unsigned top)
{
    uint16_t fsw = ld16(c->fpu + IMG_FSW);
    uint8_t st[8][16];

    memcpy(st, c->fpu + IMG_ST, sizeof(st));
    for (unsigned n = 0; n < 8; n++)
        memcpy(c->fpu + IMG_ST + 16 * n, st[(n + top - (fsw >> 11)) & 7], sizeof(st[0]));
    st16(c->fpu + IMG_FSW, (uint16_t)((fsw & ~(7 << 11)) | top << 11));
}

static void env_load(struct cpu *c, const struct insn *i, const uint8_t *p)
{
    unsigned step = i->opsize == 2 ? 2 : 4;

    fpu_set_top(c, ld16(p + step) >> 11 & 7);
    /* bit 6 of FCW reads as one, bits 7 and 13-15 as zero on every x87 since the 387 */
    st16(c->fpu + IMG_FCW, (ld16(p) & 0x1f3f) | 0x40);
    st16(c->fpu + IMG_FSW, ld16(p + step));
    c->fpu[IMG_FTW] = tags_abridged(ld16(p + 2 * step));
    if (i->opsize == 2)
        env_load16(c, p);
    else
        env_load32(c, p);
    update_summary(c);
    fpu_mark(c, XCR0_X87);
}

bool x_fninit(struct cpu *c, const struct insn *i)
{
    (void)i;
    fpu_open(c);
    /* the registers keep their values: only the tags say empty */
    fpu_set_top(c, 0);
    memset(c->fpu, 0, IMG_MXCSR);
    st16(c->fpu + IMG_FCW, FCW_INIT);
    c->fcs = c->fds = 0;
    update_summary(c);
    fpu_mark(c, XCR0_X87);
    return true;
}

bool x_fnclex(struct cpu *c, const struct insn *i)
{
    (void)i;
    fpu_open(c);
    st16(c->fpu + IMG_FSW, ld16(c->fpu + IMG_FSW) & 0x7f00);
    update_summary(c);
    return true;
}

bool x_fnstenv(struct cpu *c, const struct insn *i)
{
    uint8_t env[ENV_MAX];
    gva_t lin;

    fpu_open(c);
    if (!env_linear(c, i, env_bytes(i), SEG_WRITE, &lin))
        return false;
    env_store(c, i, env);
    if (!mem_write_slow(c, lin, env, env_bytes(i), c->cpl == 3))
        return false;
    st16(c->fpu + IMG_FCW, ld16(c->fpu + IMG_FCW) | FCW_MASKS);
    update_summary(c);
    fpu_mark(c, XCR0_X87);
    return true;
}

bool x_fldenv(struct cpu *c, const struct insn *i)
{
    uint8_t env[ENV_MAX];
    gva_t lin;
    bool done, result = waits(c, &done);

    if (done)
        return result;
    if (!env_linear(c, i, env_bytes(i), SEG_READ, &lin) ||
        !mem_read_slow(c, lin, env, env_bytes(i), c->cpl == 3))
        return false;
    env_load(c, i, env);
    return true;
}

bool x_fnsave(struct cpu *c, const struct insn *i)
{
    unsigned env = env_bytes(i), len = env + 8 * ST_BYTES;
    uint8_t buf[FSAVE_MAX];
    gva_t lin;

    fpu_open(c);
    if (!env_linear(c, i, len, SEG_WRITE, &lin))
        return false;
    env_store(c, i, buf);
    for (unsigned n = 0; n < 8; n++)
        memcpy(buf + env + ST_BYTES * n, c->fpu + IMG_ST + 16 * n, ST_BYTES);
    return mem_write_slow(c, lin, buf, len, c->cpl == 3) && x_fninit(c, i);
}

bool x_frstor(struct cpu *c, const struct insn *i)
{
    unsigned env = env_bytes(i), len = env + 8 * ST_BYTES;
    uint8_t buf[FSAVE_MAX];
    gva_t lin;
    bool done, result = waits(c, &done);

    if (done)
        return result;
    if (!env_linear(c, i, len, SEG_READ, &lin) || !mem_read_slow(c, lin, buf, len, c->cpl == 3))
        return false;
    env_load(c, i, buf);
    memset(c->fpu + IMG_ST, 0, IMG_XMM - IMG_ST);
    for (unsigned n = 0; n < 8; n++)
        memcpy(c->fpu + IMG_ST + 16 * n, buf + env + ST_BYTES * n, ST_BYTES);
    return true;
}

/* ---- the legacy region of FXSAVE and XSAVE ---- */

void fpu_legacy_store(const struct cpu *c, const struct insn *i, uint8_t *p)
{
    memcpy(p, c->fpu, IMG_FIP);
    p[5] = 0;
    st64(p + IMG_FIP, ld64(c->fpu + IMG_FIP));
    st64(p + IMG_FDP, ld64(c->fpu + IMG_FDP));
    if (!(i->rex & REX_W)) {
        st32(p + IMG_FIP + 4, c->fcs);
        st32(p + IMG_FDP + 4, c->fds);
    }
    memcpy(p + IMG_ST, c->fpu + IMG_ST, IMG_XMM - IMG_ST);
}

void fpu_legacy_load(struct cpu *c, const struct insn *i, const uint8_t *p)
{
    memcpy(c->fpu, p, IMG_FIP);
    st16(c->fpu + IMG_FCW, (ld16(p) & 0x1f3f) | 0x40);
    c->fpu[5] = 0;
    st16(c->fpu + IMG_FOP, ld16(p + 6) & 0x7ff);
    if (i->rex & REX_W)
        set_pointers(c, ld64(p + IMG_FIP), 0, ld64(p + IMG_FDP), 0);
    else
        set_pointers(c, ld32(p + 8), ld16(p + 12), ld32(p + 16), ld16(p + 20));
    for (unsigned n = 0; n < 8; n++) {
        memset(c->fpu + IMG_ST + 16 * n, 0, 16);
        memcpy(c->fpu + IMG_ST + 16 * n, p + IMG_ST + 16 * n, ST_BYTES);
    }
    update_summary(c);
    fpu_mark(c, XCR0_X87);
}

void fpu_store_mxcsr(const struct cpu *c, uint8_t *p)
{
    st32(p + IMG_MXCSR, ld32(c->fpu + IMG_MXCSR));
    st32(p + IMG_MXCSR_MASK, MXCSR_VALID);
}

bool fpu_image_linear(struct cpu *c, const struct insn *i, unsigned len, unsigned align,
                      unsigned access, gva_t *lin)
{
    if (!cpu_linear(c, i->seg, x_host_offset(c, i), len, access, lin))
        return false;
    return *lin & (align - 1) ? cpu_raise(c, VEC_GP, 0) : true;
}

bool x_fxsave(struct cpu *c, const struct insn *i)
{
    uint8_t buf[LEGACY_USED];
    gva_t lin;
    bool user = c->cpl == 3;

    fpu_open(c);
    if (!fpu_image_linear(c, i, FXSAVE_BYTES, 16, SEG_WRITE, &lin) ||
        !mem_probe_write(c, lin, FXSAVE_BYTES, user))
        return false;
    fpu_legacy_store(c, i, buf);
    fpu_store_mxcsr(c, buf);
    memcpy(buf + IMG_XMM, c->fpu + IMG_XMM, fpu_xmm_bytes(c));
    return mem_write_slow(c, lin, buf, IMG_XMM + fpu_xmm_bytes(c), user);
}

bool x_fxrstor(struct cpu *c, const struct insn *i)
{
    uint8_t buf[FXSAVE_BYTES];
    gva_t lin;

    fpu_open(c);
    if (!fpu_image_linear(c, i, FXSAVE_BYTES, 16, SEG_READ, &lin) ||
        !mem_read_slow(c, lin, buf, FXSAVE_BYTES, c->cpl == 3))
        return false;
    if (ld32(buf + IMG_MXCSR) & ~(uint32_t)MXCSR_VALID)
        return cpu_raise(c, VEC_GP, 0);
    fpu_legacy_load(c, i, buf);
    st32(c->fpu + IMG_MXCSR, ld32(buf + IMG_MXCSR));
    memcpy(c->fpu + IMG_XMM, buf + IMG_XMM, fpu_xmm_bytes(c));
    fpu_mark(c, XCR0_SSE);
    return true;
}
