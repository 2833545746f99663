#include "explain.h"

#include <stdlib.h>
#include <string.h>

#include <Zydis/Mnemonic.h>

#include "base/bits.h"
#include "compare.h"
#include "cpu/cpu.h"
#include "rig.h"
#include "translator/decode.h"

#define M(name) ZYDIS_MNEMONIC_##name

enum { FSW_TOP = 7 << 11, M80_STORED = 8, M80_BYTES = 10, YMM_BYTES = 32 };

/* Two outcomes that ended at the same instruction; a class may change both. */
struct pair {
    struct outcome want, got;
    struct insn insn;
};

static const struct opnd *memory(const struct insn *i)
{
    for (unsigned k = 0; k < i->nops; k++)
        if (i->op[k].kind == OPND_MEM)
            return &i->op[k];
    return NULL;
}

/* Of the operand without a vector index. The faulting instruction has changed no GPR. */
static uint32_t operand_address(const struct insn *i, const struct test_state *s)
{
    uint32_t ea = (uint32_t)i->disp + (i->base < 8 ? s->gpr[i->base] : 0);

    if (i->index < 8 && !i->vsib)
        ea += s->gpr[i->index] * i->scale;
    return i->adsize == 2 ? (uint16_t)ea : ea;
}

static bool both_page_fault(const struct pair *p)
{
    return p->want.state.end == VEC_PF && p->got.state.end == VEC_PF &&
           ((p->want.state.err ^ p->got.state.err) & ~(uint32_t)PF_I) == 0;
}

/* An access across 4 GiB may or may not be a limit violation (SDM 3A 5.3): one engine says #GP(0)
 * or #SS(0), the other finds no page there, or a misaligned operand. */
static bool settle_wrap(struct pair *p)
{
    const struct test_state *want = &p->want.state;
    struct test_state *got = &p->got.state;
    uint32_t ea = want->end == VEC_PF ? want->cr2 : operand_address(&p->insn, want);

    if ((got->end != VEC_GP && got->end != VEC_SS) || got->err != 0 || want->end == got->end ||
        (want->end != VEC_PF && want->end != VEC_GP) || ea <= UINT32_MAX - YMM_BYTES)
        return false;
    got->end = want->end;
    got->err = want->err;
    got->cr2 = want->cr2;
    return true;
}

/* Registers stay where they are, ST(i) is counted from TOP 0, all tags are valid. */
static void enter_mmx(struct vec_state *v)
{
    unsigned top = (v->fsw & FSW_TOP) >> 11;
    uint8_t st[8][10];

    memcpy(st, v->st, sizeof(st));
    for (unsigned reg = 0; reg < 8; reg++)
        memcpy(v->st[reg], st[(reg - top) & 7], sizeof(st[0]));
    v->fsw &= (uint16_t)~FSW_TOP;
    v->ftw = 0xff;
}

/* An MMX instruction that faults may have made the transition to MMX state before (SDM 1 9.5.1 says
 * what there is after each MMX instruction, not after one that did not complete). */
static bool settle_mmx(struct pair *p)
{
    struct vec_state *want = &p->want.state.vec, *got = &p->got.state.vec;
    bool mmx = false;

    for (unsigned k = 0; k < p->insn.nops; k++)
        mmx |= p->insn.op[k].kind == OPND_MMX;
    if (!mmx || (((want->fsw ^ got->fsw) & FSW_TOP) == 0 && want->ftw == got->ftw))
        return false;
    enter_mmx(want);
    enter_mmx(got);
    return true;
}

struct gather {
    unsigned size, index_size, count;
    uint8_t *dst[2], *mask[2]; /* want's and got's */
    const uint8_t *index;
};

static bool mask_is(const struct gather *g, unsigned who, unsigned n, uint8_t byte)
{
    const uint8_t *m = g->mask[who] + n * g->size;

    return m[0] == byte && memcmp(m, m + 1, g->size - 1) == 0;
}

static uint32_t element_address(const struct pair *p, const struct gather *g, unsigned n)
{
    uint32_t index = ld32(g->index + n * g->index_size); /* addresses have 32 bits */

    return operand_address(&p->insn, &p->want.state) + index * p->insn.scale;
}

/* Element n has been gathered by one of the two only, and rightly. */
static bool gathered_by_one(const struct pair *p, const struct gather *g, unsigned n)
{
    unsigned done = mask_is(g, 1, n, 0);
    uint32_t lin = element_address(p, g, n);
    const uint8_t *from = test_mem_at((struct test_mem *)&p->want.mem, lin, g->size);

    return mask_is(g, done, n, 0) && mask_is(g, !done, n, 0xff) && from &&
           memcmp(g->dst[done] + n * g->size, from, g->size) == 0;
}

/* Elements above the one that faults may have been gathered (SDM 2C VGATHERDPS: "elements to the
 * left of a faulting one may be gathered before the fault is delivered"). */
static bool settle_gather(struct pair *p)
{
    const struct insn *i = &p->insn;
    struct gather g = {.size = i->vex_w ? 8 : 4, .index_size = i->opcode & 1 ? 8 : 4};
    unsigned fault = 0, settled = 0;

    if (!i->vsib || i->nops != 3 || !both_page_fault(p))
        return false;
    g.count = (i->vex_l ? 32u : 16u) / (g.size > g.index_size ? g.size : g.index_size);
    g.index = p->want.state.vec.ymm[i->index & 7];
    g.dst[0] = p->want.state.vec.ymm[i->op[0].reg & 7];
    g.dst[1] = p->got.state.vec.ymm[i->op[0].reg & 7];
    g.mask[0] = p->want.state.vec.ymm[i->op[2].reg & 7];
    g.mask[1] = p->got.state.vec.ymm[i->op[2].reg & 7];
    while (fault < g.count && mask_is(&g, 0, fault, 0) && mask_is(&g, 1, fault, 0))
        fault++;
    if (fault == g.count || p->want.state.cr2 - element_address(p, &g, fault) >= g.size)
        return false;
    for (unsigned n = fault + 1; n < g.count; n++) {
        if (!gathered_by_one(p, &g, n))
            continue;
        memcpy(g.dst[1] + n * g.size, g.dst[0] + n * g.size, g.size);
        memcpy(g.mask[1] + n * g.size, g.mask[0] + n * g.size, g.size);
        settled++;
    }
    return settled != 0;
}

static const uint8_t indefinite[M80_STORED] = {0, 0, 0, 0, 0, 0, 0, 0xc0};

/* FSTP stores ST(0) as it is, or the indefinite when it is empty. */
static bool fstp_bytes(const struct vec_state *v, const uint8_t *b)
{
    bool valid = v->ftw >> (v->fsw >> 11 & 7) & 1;

    return memcmp(b, valid ? v->st[0] : indefinite, M80_STORED) == 0;
}

/* FBSTP stores digits, or the indefinite. */
static bool fbstp_bytes(const struct vec_state *v, const uint8_t *b)
{
    (void)v;
    if (memcmp(b, indefinite, sizeof(indefinite)) == 0)
        return true;
    for (unsigned k = 0; k < M80_STORED; k++)
        if ((b[k] & 15) > 9 || b[k] >> 4 > 9)
            return false;
    return true;
}

/* FSTP m80, FBSTP: the first eight bytes may have been stored when the other two fault (SDM 3A
 * 8.1.1: "some of the accesses may complete"). */
static bool settle_m80(struct pair *p)
{
    const struct insn *i = &p->insn;
    const struct vec_state *v = &p->want.state.vec;
    uint32_t ea = operand_address(i, &p->want.state), room = 0x1000 - (ea & 0xfff);
    bool fstp = i->mnemonic == M(FSTP), fbstp = i->mnemonic == M(FBSTP);
    bool (*stored)(const struct vec_state *, const uint8_t *) = fstp ? fstp_bytes : fbstp_bytes;
    uint8_t *want = test_mem_at(&p->want.mem, ea, M80_STORED);
    uint8_t *got = test_mem_at(&p->got.mem, ea, M80_STORED);

    if ((!fstp && !fbstp) || !memory(i) || memory(i)->size != M80_BYTES || !both_page_fault(p) ||
        p->want.state.cr2 != ea + room || room < M80_STORED || room >= M80_BYTES || !want)
        return false;
    if (memcmp(want, got, M80_STORED) == 0 || (!stored(v, want) && !stored(v, got)))
        return false;
    memcpy(got, want, M80_STORED);
    return true;
}

static bool writable(const struct outcome *o, uint32_t lin)
{
    return lin - RO_BASE >= RO_BYTES && test_mem_at((struct test_mem *)&o->mem, lin, 1);
}

/* Masked stores: CR2 is some byte of the operand in a page that faults; the manual does not say
 * which. */
static bool settle_masked(struct pair *p)
{
    static const uint16_t stores[] = {M(VMASKMOVPS), M(VMASKMOVPD), M(VPMASKMOVD), M(VPMASKMOVQ),
                                      M(MASKMOVQ),   M(MASKMOVDQU), M(VMASKMOVDQU)};
    const struct insn *i = &p->insn;
    uint32_t want = p->want.state.cr2, got = p->got.state.cr2;
    uint32_t ea = operand_address(i, &p->want.state), size = i->op[0].size;
    bool masked = false;

    for (size_t k = 0; k < ARRAY_SIZE(stores); k++)
        masked |= stores[k] == i->mnemonic;
    if (i->op[0].kind != OPND_MEM) {
        masked &= i->op[0].kind == OPND_MMX || i->nops == 2; /* not a load */
        ea = i->adsize == 2 ? (uint16_t)p->want.state.gpr[RDI] : p->want.state.gpr[RDI];
    }
    if (!masked || !both_page_fault(p) || want == got || want - ea >= size || got - ea >= size ||
        writable(&p->want, want) || writable(&p->want, got))
        return false;
    p->got.state.cr2 = want;
    return true;
}

/* The rig's tables are supervisor pages; natively there is nothing at their addresses. */
static bool settle_rig(struct pair *p)
{
    uint32_t lin = p->want.state.cr2;

    if (p->want.state.end != VEC_PF || p->got.state.end != VEC_PF || p->got.state.cr2 != lin ||
        (lin - SYS_BASE >= SYS_BYTES && lin - SUP_BASE >= PAGE_SIZE) ||
        (p->want.state.err ^ p->got.state.err) != PF_P || (p->want.state.err & PF_P))
        return false;
    p->got.state.err = p->want.state.err;
    return true;
}

static const struct {
    const char *name;
    bool (*settle)(struct pair *p);
} classes[NEXPLAINED] = {
    [EXPLAINED_WRAP] = {"access across 4 GiB", settle_wrap},
    [EXPLAINED_MMX] = {"MMX state at a fault", settle_mmx},
    [EXPLAINED_GATHER] = {"gather at a fault", settle_gather},
    [EXPLAINED_M80] = {"m80 store at a fault", settle_m80},
    [EXPLAINED_MASKED] = {"CR2 of a masked store", settle_masked},
    [EXPLAINED_RIG] = {"supervisor page of the rig", settle_rig},
};

const char *explained_name(enum explained e)
{
    return classes[e].name;
}

static unsigned compare(const struct outcome *want, const struct outcome *got, FILE *out)
{
    static const struct compare how = {.native = true};

    return compare_states(&want->state, &got->state, &how, out) +
           compare_memory(&want->mem, &got->mem, &how, out);
}

static bool same_fault(struct pair *p)
{
    const uint8_t *code = test_mem_at(&p->want.mem, p->want.state.eip, MAX_INSN);

    return p->want.state.end >= 0 && p->got.state.end >= 0 &&
           p->want.state.eip == p->got.state.eip && code &&
           decode_insn(code, MAX_INSN, 32, &p->insn) == DECODE_OK;
}

unsigned explain_differences(const struct outcome *want, const struct outcome *got, unsigned *why,
                             FILE *out)
{
    unsigned n = compare(want, got, out);
    struct pair *p;
    FILE *null;

    *why = 0;
    if (!n)
        return 0;
    p = malloc(sizeof(*p));
    if (!p)
        return n;
    p->want = *want;
    p->got = *got;
    if (same_fault(p))
        for (unsigned e = 0; e < NEXPLAINED; e++)
            *why |= (unsigned)classes[e].settle(p) << e;
    null = *why ? fopen("/dev/null", "w") : NULL;
    if (null && compare(&p->want, &p->got, null) == 0)
        n = 0;
    if (null)
        fclose(null);
    free(p);
    return n;
}
