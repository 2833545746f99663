/* x_string.c - MOVS, STOS, LODS, CMPS, SCAS.
 *
 * REP MOVS and REP STOS go a page at a time when both sides are plain RAM; everything else goes one
 * element at a time. A fault leaves the registers of the iterations done (SDM 2B, REP).
 */
#include "translator/x_string.h"

/* Iterations between looks at the kick flag. */
enum { STRING_SLICE = 1024 };

static bool must_stop(const struct cpu *c)
{
    return c->kick || (c->intr && c->iflag) || c->nmi_pending || c->debug_trap ||
           (c->mode & (MODE_TF | MODE_DR7));
}

static bool leave_half_way(struct cpu *c)
{
    c->next_rip = c->rip;
    c->in_rep = 1;
    return true;
}

static bool zf_ends(const struct cpu *c, const struct insn *i)
{
    bool zf = c->rflags & EF_ZF;

    return i->prefixes & PFX_REPNE ? zf : !zf;
}

/* What was done by one step or batch; 0: a fault. */
static uint64_t advance_some(struct cpu *c, const struct insn *i, string_step *step,
                             string_batch *batch, uint64_t count)
{
    uint64_t done = 0;

    if (batch && !(c->mode & (MODE_TF | MODE_DR7 | MODE_AC)))
        done = batch(c, i, count);
    return done ? done : step(c, i);
}

bool string_run(struct cpu *c, const struct insn *i, string_step *step, string_batch *batch,
                enum string_end end)
{
    uint64_t count = addr_trunc(i, c->gpr[RCX]), done;
    int64_t slice = STRING_SLICE;
    uint32_t flags = c->rflags;

    c->in_rep = 0;
    if (!(i->prefixes & (PFX_REP | PFX_REPNE)))
        return step(c, i);
    while (count) {
        done = advance_some(c, i, step, batch, count);
        if (!done) {
            c->rflags = flags; /* a fault restores what CMPS and SCAS set (SDM 2B, REP) */
            return false;
        }
        count -= done;
        gpr_write(c, RCX, i->adsize, count);
        if (end == END_ZF && zf_ends(c, i))
            break;
        slice -= done > 1 ? STRING_SLICE / 4 : 1; /* a batch costs as much as many steps */
        if (count && ((c->mode & (MODE_TF | MODE_DR7)) || slice <= 0)) {
            if (must_stop(c))
                return leave_half_way(c);
            slice = STRING_SLICE;
        }
    }
    return true;
}

/* Elements of one side that lie in its page and below the wrap of the index register, in the
 * direction of DF. */
static uint64_t side_room(const struct insn *i, uint64_t off, gva_t lin, bool down)
{
    uint64_t page = lin & PAGE_MASK, room = down ? page + i->opsize : PAGE_SIZE - page;
    uint64_t wrap = i->adsize == 2 ? UINT64_C(0x10000) : UINT64_C(0x100000000);

    if (down)
        room = room < off + i->opsize ? room : off + i->opsize;
    else if (i->adsize != 8)
        room = room < wrap - off ? room : wrap - off;
    return room / i->opsize;
}

/* Host pointer to n elements of a side, at the lowest address; NULL: not plainly accessible. */
static hva_t side_ptr(struct cpu *c, const struct insn *i, unsigned seg, uint64_t off, uint64_t n,
                      bool write)
{
    unsigned len = (unsigned)n * i->opsize;
    gva_t lin;

    if (c->rflags & EF_DF)
        off -= len - i->opsize;
    if (!cpu_linear(c, seg, off, len, write ? SEG_WRITE : SEG_READ, &lin))
        return NULL;
    return mem_ptr(c, lin, len, write, c->cpl == 3);
}

/* Segment base plus offset, to find the page; checks come with side_ptr(). */
static gva_t side_lin(const struct cpu *c, unsigned seg, uint64_t off)
{
    return cpu_cs64(c) && seg < SEG_FS ? off : c->seg[seg].base + off;
}

#define COPY(insn) __asm__ volatile(insn : "+D"(dst), "+S"(src), "+c"(n) : : "memory")

static void copy_up(hva_t dst, hva_t src, uint64_t n, unsigned size)
{
    switch (size) {
    case 1:
        COPY("rep movsb");
        break;
    case 2:
        COPY("rep movsw");
        break;
    case 4:
        COPY("rep movsl");
        break;
    default:
        COPY("rep movsq");
        break;
    }
}

static void copy_down(hva_t dst, hva_t src, uint64_t n, unsigned size)
{
    dst += (n - 1) * size;
    src += (n - 1) * size;
    switch (size) {
    case 1:
        COPY("std; rep movsb; cld");
        break;
    case 2:
        COPY("std; rep movsw; cld");
        break;
    case 4:
        COPY("std; rep movsl; cld");
        break;
    default:
        COPY("std; rep movsq; cld");
        break;
    }
}

static uint64_t movs_batch(struct cpu *c, const struct insn *i, uint64_t count)
{
    uint64_t so = string_index(c, i, RSI), d_o = string_index(c, i, RDI), n, room;
    bool down = c->rflags & EF_DF;
    hva_t src, dst;

    n = side_room(i, so, side_lin(c, i->seg, so), down);
    room = side_room(i, d_o, side_lin(c, SEG_ES, d_o), down);
    n = n < room ? n : room;
    n = n < count ? n : count;
    if (n < 2)
        return 0;
    src = side_ptr(c, i, i->seg, so, n, false);
    dst = src ? side_ptr(c, i, SEG_ES, d_o, n, true) : NULL;
    if (!dst)
        return 0;
    if (down)
        copy_down(dst, src, n, i->opsize);
    else
        copy_up(dst, src, n, i->opsize);
    string_advance(c, i, RSI, n);
    string_advance(c, i, RDI, n);
    return n;
}

static bool movs_step(struct cpu *c, const struct insn *i)
{
    gva_t src, dst;
    uint64_t v;

    if (!data_linear(c, i->seg, string_index(c, i, RSI), i->opsize, SEG_READ, &src) ||
        !mem_read(c, src, i->opsize, &v) ||
        !data_linear(c, SEG_ES, string_index(c, i, RDI), i->opsize, SEG_WRITE, &dst) ||
        !mem_write(c, dst, i->opsize, v))
        return false;
    string_advance(c, i, RSI, 1);
    string_advance(c, i, RDI, 1);
    return true;
}

bool x_movs(struct cpu *c, const struct insn *i)
{
    return string_run(c, i, movs_step, movs_batch, END_COUNT);
}

static void fill_elements(hva_t dst, uint64_t v, uint64_t n, unsigned size)
{
    switch (size) {
    case 1:
        __asm__ volatile("rep stosb" : "+D"(dst), "+c"(n) : "a"(v) : "memory");
        break;
    case 2:
        __asm__ volatile("rep stosw" : "+D"(dst), "+c"(n) : "a"(v) : "memory");
        break;
    case 4:
        __asm__ volatile("rep stosl" : "+D"(dst), "+c"(n) : "a"(v) : "memory");
        break;
    default:
        __asm__ volatile("rep stosq" : "+D"(dst), "+c"(n) : "a"(v) : "memory");
        break;
    }
}

static uint64_t stos_batch(struct cpu *c, const struct insn *i, uint64_t count)
{
    uint64_t off = string_index(c, i, RDI), n;
    hva_t dst;

    n = side_room(i, off, side_lin(c, SEG_ES, off), c->rflags & EF_DF);
    n = n < count ? n : count;
    if (n < 2)
        return 0;
    dst = side_ptr(c, i, SEG_ES, off, n, true);
    if (!dst)
        return 0;
    fill_elements(dst, c->gpr[RAX], n, i->opsize);
    string_advance(c, i, RDI, n);
    return n;
}

static bool stos_step(struct cpu *c, const struct insn *i)
{
    gva_t dst;

    if (!data_linear(c, SEG_ES, string_index(c, i, RDI), i->opsize, SEG_WRITE, &dst) ||
        !mem_write(c, dst, i->opsize, c->gpr[RAX]))
        return false;
    string_advance(c, i, RDI, 1);
    return true;
}

bool x_stos(struct cpu *c, const struct insn *i)
{
    return string_run(c, i, stos_step, stos_batch, END_COUNT);
}

static bool lods_step(struct cpu *c, const struct insn *i)
{
    gva_t src;
    uint64_t v;

    if (!data_linear(c, i->seg, string_index(c, i, RSI), i->opsize, SEG_READ, &src) ||
        !mem_read(c, src, i->opsize, &v))
        return false;
    gpr_write(c, RAX, i->opsize, v);
    string_advance(c, i, RSI, 1);
    return true;
}

bool x_lods(struct cpu *c, const struct insn *i)
{
    return string_run(c, i, lods_step, NULL, END_COUNT);
}

static void compare_flags(struct cpu *c, uint64_t a, uint64_t b, unsigned size)
{
    unsigned shift = 64 - size * 8;
    uint32_t ax;

    /* AF comes from bit 3 and PF from the low byte: take those from a byte comparison. */
    __asm__("cmpb %b[b], %b[a]\n\tlahf" : "=a"(ax) : [a] "q"(a), [b] "q"(b) : "cc");
    flags_set(c, EF_AF | EF_PF, ax >> 8);
    __asm__("cmpq %[b], %[a]" ASM_FLAGS_OUT
            : "=a"(ax)
            : [a] "r"(a << shift), [b] "r"(b << shift)
            : "cc");
    flags_set(c, EF_CF | EF_ZF | EF_SF, ax >> 8);
    flags_set(c, EF_OF, (ax & 1) << 11);
}

static bool cmps_step(struct cpu *c, const struct insn *i)
{
    gva_t src, dst;
    uint64_t a, b;

    if (!data_linear(c, i->seg, string_index(c, i, RSI), i->opsize, SEG_READ, &src) ||
        !mem_read(c, src, i->opsize, &a) ||
        !data_linear(c, SEG_ES, string_index(c, i, RDI), i->opsize, SEG_READ, &dst) ||
        !mem_read(c, dst, i->opsize, &b))
        return false;
    compare_flags(c, a, b, i->opsize);
    string_advance(c, i, RSI, 1);
    string_advance(c, i, RDI, 1);
    return true;
}

bool x_cmps(struct cpu *c, const struct insn *i)
{
    return string_run(c, i, cmps_step, NULL, END_ZF);
}

static bool scas_step(struct cpu *c, const struct insn *i)
{
    gva_t dst;
    uint64_t v;

    if (!data_linear(c, SEG_ES, string_index(c, i, RDI), i->opsize, SEG_READ, &dst) ||
        !mem_read(c, dst, i->opsize, &v))
        return false;
    compare_flags(c, gpr_read(c, RAX, i->opsize), v, i->opsize);
    string_advance(c, i, RDI, 1);
    return true;
}

bool x_scas(struct cpu *c, const struct insn *i)
{
    return string_run(c, i, scas_step, NULL, END_ZF);
}
