#include "explain64.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <Zydis/Mnemonic.h>

#include "base/bits.h"
#include "cpu/cpu.h"
#include "rows/state.h"
#include "translator/decode.h"

#define M(name)         ZYDIS_MNEMONIC_##name
#define LINUX_TASK_SIZE UINT64_C(0x7ffffffff000)

enum {
    COMPARED = EF_ARITH | EF_TF | EF_IF | EF_DF | EF_IOPL | EF_NT | EF_AC | EF_ID,
    MAX_MEMORY_LINES = 8,
    FSW_TOP = 7 << 11,
    M80_STORED = 8,
    M80_BYTES = 10,
};

const char *const gpr64_names[16] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
                                     "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};

static unsigned differs(FILE *out, const char *name, uint64_t got, uint64_t want)
{
    if (got == want)
        return 0;
    fprintf(out, "  %s %" PRIx64 ", not %" PRIx64 "\n", name, got, want);
    return 1;
}

static void print_bytes(FILE *out, const uint8_t *p, size_t n)
{
    while (n--)
        fprintf(out, "%02x", p[n]);
}

static unsigned register_differs(FILE *out, const char *name, unsigned reg, const uint8_t *got,
                                 const uint8_t *want, size_t len)
{
    if (memcmp(got, want, len) == 0)
        return 0;
    fprintf(out, "  %s%u ", name, reg);
    print_bytes(out, got, len);
    fprintf(out, ", not ");
    print_bytes(out, want, len);
    fprintf(out, "\n");
    return 1;
}

static unsigned compare_vectors(const struct vec64 *want, const struct vec64 *got, FILE *out)
{
    unsigned n =
        differs(out, "mxcsr", got->mxcsr, want->mxcsr) + differs(out, "fcw", got->fcw, want->fcw) +
        differs(out, "ftw", got->ftw, want->ftw) + differs(out, "fsw", got->fsw, want->fsw);

    for (unsigned i = 0; i < 8; i++)
        n += register_differs(out, "st", i, got->st[i], want->st[i], 10);
    for (unsigned i = 0; i < 16; i++)
        n += register_differs(out, "ymm", i, got->ymm[i], want->ymm[i], 32);
    return n;
}

static unsigned compare_states(const struct state64 *want, const struct state64 *got, unsigned cpl,
                               FILE *out)
{
    uint32_t err = cpl == 0 && want->end == VEC_PF ? want->err & ~(uint32_t)PF_U : want->err;
    unsigned n = differs(out, "end", (uint64_t)got->end, (uint64_t)want->end);

    n += differs(out, "rip", got->rip, want->rip);
    if (want->end >= 0)
        n += differs(out, "error code", got->err, err);
    if (want->end == VEC_PF)
        n += differs(out, "cr2", got->cr2, want->cr2);
    for (unsigned i = 0; i < 16; i++)
        n += differs(out, gpr64_names[i], got->gpr[i], want->gpr[i]);
    n += differs(out, "rflags", got->rflags & COMPARED, want->rflags & COMPARED);
    n += differs(out, "fs base", got->fs_base, want->fs_base);
    n += differs(out, "gs base", got->gs_base, want->gs_base);
    return n + compare_vectors(&want->vec, &got->vec, out);
}

static unsigned compare_memory(const struct mem64 *want, const struct mem64 *got, FILE *out)
{
    unsigned n = 0;

    if (test_mem_same(want->bytes, got->bytes, MEM64_BYTES))
        return 0;
    for (unsigned i = 0; i < NREGIONS64; i++) {
        const struct region64 *r = &regions64[i];

        for (uint32_t o = 0; o < r->size; o++) {
            uint8_t w = want->bytes[r->offset + o], g = got->bytes[r->offset + o];

            if (w != g && n++ < MAX_MEMORY_LINES)
                fprintf(out, "  [%s+%x] %02x, not %02x\n", r->name, o, g, w);
        }
    }
    if (n > MAX_MEMORY_LINES)
        fprintf(out, "  and %u more bytes\n", n - MAX_MEMORY_LINES);
    return n;
}

unsigned compare64(const struct outcome64 *want, const struct outcome64 *got, unsigned cpl,
                   FILE *out)
{
    return compare_states(&want->state, &got->state, cpl, out) +
           compare_memory(&want->mem, &got->mem, out);
}

/* Two outcomes that ended at the same instruction; a class may change both. */
struct pair {
    struct outcome64 want, got;
    struct insn insn;
    unsigned cpl;
};

static const struct opnd *memory(const struct insn *i)
{
    for (unsigned k = 0; k < i->nops; k++)
        if (i->op[k].kind == OPND_MEM)
            return &i->op[k];
    return NULL;
}

/* Of the operand without a vector index. The faulting instruction has changed no GPR. */
static uint64_t operand_address(const struct insn *i, const struct state64 *s)
{
    uint64_t ea = (uint64_t)i->disp, seg = i->seg == SEG_FS   ? s->fs_base
                                           : i->seg == SEG_GS ? s->gs_base
                                                              : 0;

    if (i->base < NGPR)
        ea += s->gpr[i->base];
    else if (i->base == BASE_RIP)
        ea += s->rip + i->len;
    if (i->index < NGPR && !i->vsib)
        ea += s->gpr[i->index] * i->scale;
    return (i->adsize == 4 ? (uint32_t)ea : ea) + seg;
}

static bool both_page_fault(const struct pair *p)
{
    uint32_t may_differ = PF_U | (p->want.state.cr2 >= LINUX_TASK_SIZE ? PF_P : 0);

    return p->want.state.end == VEC_PF && p->got.state.end == VEC_PF &&
           ((p->want.state.err ^ p->got.state.err) & ~may_differ) == 0;
}

/* Linux tells a program that all of the kernel's half is present (and leaves the rest of the error
 * code); the page before it can't be mapped. Also where RIP itself is there. */
static bool settle_kernel(struct pair *p)
{
    const struct state64 *want = &p->want.state;
    struct state64 *got = &p->got.state;

    if (want->end != VEC_PF || got->end != VEC_PF || want->cr2 < LINUX_TASK_SIZE ||
        want->cr2 != got->cr2 || !((want->err ^ got->err) & PF_P))
        return false;
    got->err ^= PF_P;
    return true;
}

/* Neither aligned nor canonical, by way of RBP or RSP: #GP(0) for the one and #SS(0) for the other
 * (SDM 2, "Exceptions"), of one priority. */
static bool settle_ss(struct pair *p)
{
    uint64_t ea = operand_address(&p->insn, &p->want.state);

    if (p->want.state.end != VEC_GP || p->got.state.end != VEC_SS || p->insn.seg != SEG_SS ||
        !memory(&p->insn) || memory(&p->insn)->size < 16 ||
        (ea & (memory(&p->insn)->size - 1u)) == 0 || (uint64_t)((int64_t)(ea << 16) >> 16) == ea)
        return false;
    p->got.state.end = VEC_GP;
    return true;
}

/* Registers stay where they are, ST(i) is counted from TOP 0, all tags are valid. */
static void enter_mmx(struct vec64 *v)
{
    unsigned top = (v->fsw & FSW_TOP) >> 11;
    uint8_t st[8][10];

    memcpy(st, v->st, sizeof(st));
    for (unsigned reg = 0; reg < 8; reg++)
        memcpy(v->st[reg], st[(reg - top) & 7], sizeof(st[0]));
    v->fsw &= (uint16_t)~FSW_TOP;
    v->ftw = 0xff;
}

/* An MMX instruction that faults may have made the transition to MMX state before (SDM 1 9.5.1). */
static bool settle_mmx(struct pair *p)
{
    struct vec64 *want = &p->want.state.vec, *got = &p->got.state.vec;
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

static uint64_t element_address(const struct pair *p, const struct gather *g, unsigned n)
{
    const uint8_t *at = g->index + n * g->index_size;
    uint64_t index = g->index_size == 8 ? ld64(at) : (uint64_t)(int64_t)(int32_t)ld32(at);
    uint64_t ea = operand_address(&p->insn, &p->want.state) + index * p->insn.scale;

    return p->insn.adsize == 4 ? (uint32_t)ea : ea;
}

/* Element n has been gathered by one of the two only, and rightly. */
static bool gathered_by_one(struct pair *p, const struct gather *g, unsigned n)
{
    unsigned done = mask_is(g, 1, n, 0);
    const uint8_t *from = mem64_at(&p->want.mem, element_address(p, g, n), g->size);

    return mask_is(g, done, n, 0) && mask_is(g, !done, n, 0xff) && from &&
           memcmp(g->dst[done] + n * g->size, from, g->size) == 0;
}

/* Elements above the one that faults may have been gathered (SDM 2C VGATHERDPS). */
static bool settle_gather(struct pair *p)
{
    const struct insn *i = &p->insn;
    struct gather g = {.size = i->vex_w ? 8 : 4, .index_size = i->opcode & 1 ? 8 : 4};
    unsigned settled = 0;

    if (!i->vsib || i->nops != 3 || p->want.state.end != p->got.state.end)
        return false;
    g.count = (i->vex_l ? 32u : 16u) / (g.size > g.index_size ? g.size : g.index_size);
    g.index = p->want.state.vec.ymm[i->index & 15];
    g.dst[0] = p->want.state.vec.ymm[i->op[0].reg & 15];
    g.dst[1] = p->got.state.vec.ymm[i->op[0].reg & 15];
    g.mask[0] = p->want.state.vec.ymm[i->op[2].reg & 15];
    g.mask[1] = p->got.state.vec.ymm[i->op[2].reg & 15];
    for (unsigned n = 0; n < g.count; n++) {
        if (!gathered_by_one(p, &g, n))
            continue;
        memcpy(g.dst[1] + n * g.size, g.dst[0] + n * g.size, g.size);
        memcpy(g.mask[1] + n * g.size, g.mask[0] + n * g.size, g.size);
        settled++;
    }
    return settled != 0;
}

/* FSTP m80, FBSTP: the first eight bytes may have been stored when the other two fault (SDM 3A
 * 8.1.1: "some of the accesses may complete"). */
static bool settle_m80(struct pair *p)
{
    const struct insn *i = &p->insn;
    uint64_t ea = operand_address(i, &p->want.state), room = PAGE64 - (ea & (PAGE64 - 1));
    uint8_t *want = mem64_at(&p->want.mem, ea, M80_STORED);
    uint8_t *got = mem64_at(&p->got.mem, ea, M80_STORED);

    if ((i->mnemonic != M(FSTP) && i->mnemonic != M(FBSTP)) || !memory(i) ||
        memory(i)->size != M80_BYTES || p->want.state.end != p->got.state.end ||
        room < M80_STORED || room >= M80_BYTES || !want || memcmp(want, got, M80_STORED) == 0)
        return false;
    memcpy(got, want, M80_STORED);
    return true;
}

static bool writable(uint64_t lin)
{
    const struct region64 *r = region64_of(lin);

    return r && r->writable;
}

/* Masked stores: CR2 is some byte of the operand in a page that faults; the manual does not say
 * which. */
static bool settle_masked(struct pair *p)
{
    static const uint16_t stores[] = {M(VMASKMOVPS), M(VMASKMOVPD), M(VPMASKMOVD), M(VPMASKMOVQ),
                                      M(MASKMOVQ),   M(MASKMOVDQU), M(VMASKMOVDQU)};
    const struct insn *i = &p->insn;
    uint64_t want = p->want.state.cr2, got = p->got.state.cr2;
    uint64_t ea = operand_address(i, &p->want.state), size = i->op[0].size;
    bool masked = false;

    for (size_t k = 0; k < ARRAY_SIZE(stores); k++)
        masked |= stores[k] == i->mnemonic;
    if (i->op[0].kind != OPND_MEM) {
        masked &= i->op[0].kind == OPND_MMX || i->nops == 2; /* not a load */
        ea = i->adsize == 4 ? (uint32_t)p->want.state.gpr[RDI] : p->want.state.gpr[RDI];
        ea += i->seg == SEG_FS   ? p->want.state.fs_base
              : i->seg == SEG_GS ? p->want.state.gs_base
                                 : 0;
    }
    if (!masked || !both_page_fault(p) || want == got || want - ea >= size || got - ea >= size ||
        writable(want) || writable(got))
        return false;
    p->got.state.cr2 = want;
    return true;
}

static bool settle_nothing(struct pair *p)
{
    (void)p;
    return false;
}

static const struct {
    const char *name;
    bool (*settle)(struct pair *p);
} classes[NEXPLAINED64] = {
    [EXPLAINED64_SS] = {"#GP or #SS", settle_ss},
    [EXPLAINED64_MMX] = {"MMX state at a fault", settle_mmx},
    [EXPLAINED64_GATHER] = {"gather at a fault", settle_gather},
    [EXPLAINED64_M80] = {"m80 store at a fault", settle_m80},
    [EXPLAINED64_MASKED] = {"CR2 of a masked store", settle_masked},
    [EXPLAINED64_KERNEL] = {"the kernel's half", settle_kernel},
    [EXPLAINED64_FLAGS] = {"undefined flags of changed code", settle_nothing},
};

const char *explained64_name(enum explained64 e)
{
    return classes[e].name;
}

static bool same_fault(struct pair *p)
{
    uint64_t rip = p->want.state.rip;
    const struct region64 *r = region64_of(rip);
    uint64_t room = r ? r->size - (rip - r->base) : 0;

    return p->want.state.end >= 0 && p->got.state.end >= 0 && rip == p->got.state.rip && r &&
           decode_insn(mem64_at(&p->want.mem, rip, 1), room < MAX_INSN ? room : MAX_INSN, 64,
                       &p->insn) == DECODE_OK;
}

unsigned explain64_differences(const struct outcome64 *want, const struct outcome64 *got,
                               unsigned cpl, unsigned *why, FILE *out)
{
    unsigned n = compare64(want, got, cpl, out);
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
    p->cpl = cpl;
    if (same_fault(p))
        for (unsigned e = 0; e < NEXPLAINED64; e++)
            *why |= (unsigned)classes[e].settle(p) << e;
    else
        *why |= (unsigned)settle_kernel(p) << EXPLAINED64_KERNEL;
    null = *why ? fopen("/dev/null", "w") : NULL;
    if (null && compare64(&p->want, &p->got, cpl, null) == 0)
        n = 0;
    if (null)
        fclose(null);
    free(p);
    return n;
}
