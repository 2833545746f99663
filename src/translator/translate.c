/* From guest bytes to a block. Read bt_make() first: it names the passes. */
#include "translator/xlate.h"

#include <Zydis/Zydis.h>

#include <assert.h>
#include <string.h>

#include "translator/bt_offsets.h"
#include "translator/lower64.h"
#include "translator/lowerseg.h"

/* Bytes of what compares the page's word: a landing comes behind. */
enum { BEFORE_LANDING = 37, BEFORE_LANDING64 = 46 };

_Static_assert((int)EMIT_R13 == (int)BT_SHIFT, "R13 is the base and the count");

static lower_fn *const lowerings[NLOWER] = {
    [LOWER_COPY] = lower_copy,
    [LOWER_XCHG] = lower_copy,
    [LOWER_LEA] = lower_lea,
    [LOWER_PUSH] = lower_push,
    [LOWER_POP] = lower_pop,
    [LOWER_LEAVE] = lower_leave,
    [LOWER_STRING] = lower_string,
    [LOWER_JMP] = lower_jmp,
    [LOWER_JCC] = lower_jcc,
    [LOWER_JCXZ] = lower_jcxz,
    [LOWER_LOOP] = lower_loop,
    [LOWER_CALL] = lower_call,
    [LOWER_RET] = lower_ret,
    [LOWER_CLI] = lower_cli,
    [LOWER_STI] = lower_sti,
    [LOWER_NOP] = lower_nop,
    [LOWER_DF] = lower_df,
    [LOWER_PUSHF] = lower_pushf,
    [LOWER_POPF] = lower_popf,
    [LOWER_PUSH_SEG] = lower_push_seg,
    [LOWER_MOV_FROM_SEG] = lower_mov_from_seg,
    [LOWER_RDTSC] = lower_rdtsc,
    [LOWER_RDTSCP] = lower_rdtscp,
    [LOWER_LOAD_SEG] = lower_load_seg,
    [LOWER_POP_SEG] = lower_pop_seg,
    [LOWER_MOV_FROM_CR] = lower_mov_from_cr,
    [LOWER_SYSENTER] = lower_sysenter,
    [LOWER_SYSEXIT] = lower_sysexit,
    [LOWER_IRET] = lower_iret,
    [LOWER_PUSHA] = lower_pusha,
    [LOWER_POPA] = lower_popa,
    [LOWER_STORE_SYSTEM] = lower_store_system,
    [LOWER_LOAD_TABLE] = lower_load_table,
    [LOWER_MOV_TO_CR] = lower_mov_to_cr,
    [LOWER_CLTS] = lower_clts,
    [LOWER_RDMSR] = lower_rdmsr,
    [LOWER_WRMSR] = lower_wrmsr,
    [LOWER_CPUID] = lower_cpuid,
};

void xlate_mark(struct xlate *x, enum bt_site_kind kind)
{
    assert(x->nmap < ARRAY_SIZE(x->map));
    x->map[x->nmap++] = (struct bt_map){
        .host = (uint32_t)(x->em.p - x->start),
        .guest = (uint16_t)(x->rip - x->b->rip),
        .kind = (uint8_t)kind,
        .esp = (int8_t)(x->esp / 4),
    };
}

void xlate_to_stub(struct xlate *x, uint8_t *rel32, unsigned stub)
{
    emit_patch32(rel32, x->e->code.rw + stub * STUB_BYTES);
    xlate_moves(x, MOVE_STUB, rel32);
}

bool xlate_call_stub(struct xlate *x, const struct insn *i, unsigned stub)
{
    struct insn *kept = bt_alloc(x->e, sizeof(*kept));

    if (!kept) {
        x->arena_full = true;
        return false;
    }
    *kept = *i;
    emit_imm64(&x->em, H_R8, (uint64_t)(uintptr_t)kept);
    xlate_moves(x, MOVE_INSN, x->em.p - 8);
    emit_imm32(&x->em, H_R9, (uint32_t)x->rip);
    xlate_moves(x, MOVE_RIP32, x->em.p - 4);
    xlate_to_stub(x, emit_call(&x->em), stub);
    return true;
}

bool xlate_callout(struct xlate *x, const struct insn *i)
{
    return xlate_call_stub(x, i, STUB_CALLOUT);
}

void xlate_exit(struct xlate *x, uint8_t *jump, uint64_t rip)
{
    x->opens[x->nexits] = (struct bt_open){0};
    x->exits[x->nexits++] = (struct bt_exit){.jump = jump, .from = x->b, .rip = rip};
}

void xlate_probe(struct xlate *x, int32_t hot_ptr)
{
    emit_ld64_b(&x->em, H_R8, H_R15, hot_ptr);
    emit_rex(&x->em, false, H_R8, 0, H_R8); /* movzx r8d, byte [r8] */
    emit8(&x->em, 0x0f);
    emit8(&x->em, 0xb6);
    emit8(&x->em, 0x00);
}

void xlate_irq_after(struct xlate *x, const struct insn *i)
{
    x->rip += i->len;
    xlate_mark(x, SITE_POLL);
    xlate_probe(x, HOT_IRQ);
    xlate_mark(x, SITE_PLAIN);
    x->rip -= i->len;
}

/* R8D = target, which is this block's address, or stray. Returns the place of a rel8, to be taken
 * with RCX in R10. */
static uint8_t *emit_landing(struct xlate *x)
{
    struct emit *em = &x->em;
    uint8_t *here;

    x->b->landing = codemem_to_rx(&x->e->code, em->p);
    emit_mov64(em, H_R10, H_RCX);
    emit_lea32_field(em, H_RCX, H_R8, (int32_t)(0 - (uint32_t)x->b->rip));
    xlate_moves(x, MOVE_MINUS_RIP32, em->p - 4);
    here = emit_jecxz(em);
    xlate_to_stub(x, emit_jmp(em), STUB_STRAY);
    return here;
}

/* The context must map the page as this translation assumes; else leave with the block's rip. A
 * landing behind that shares its end. */
static void emit_word_check(struct xlate *x, const struct bt_page *page, bool landing)
{
    struct emit *em = &x->em;
    uint8_t *ok;

    emit_ld64_b(em, H_R11, H_R15, HOT_CTX);
    emit_mov64(em, H_R10, H_RCX);
    emit_ld32_b(em, H_RCX, H_R11, bt_word_offset(page));
    xlate_moves(x, MOVE_WORD, em->p - 4);
    emit_lea32_field(em, H_RCX, H_RCX, (int32_t)page->id);
    xlate_moves(x, MOVE_PAGE_ID, em->p - 4);
    ok = emit_jecxz(em);
    emit_mov64(em, H_RCX, H_R10);
    emit_imm32(em, H_R8, (uint32_t)x->b->rip);
    xlate_moves(x, MOVE_RIP32, em->p - 4);
    xlate_to_stub(x, emit_jmp(em), STUB_WORD);
    if (landing) {
        uint8_t *here = emit_landing(x);

        emit_patch8(here, em->p);
    }
    emit_patch8(ok, em->p);
    emit_mov64(em, H_RCX, H_R10);
}

/* Without the feature F3 0F BC/BD are BSF and BSR, which the meaning knows and the host does not.
 */
static bool is_bit_scan_gone(const struct xlate *x, const struct insn *i)
{
    const struct cpu_model *m = x->e->cpu->model;

    return (i->mnemonic == ZYDIS_MNEMONIC_TZCNT && !model_has(m, FEAT_BMI1)) ||
           (i->mnemonic == ZYDIS_MNEMONIC_LZCNT && !model_has(m, FEAT_ABM));
}

/* PADDB and its like are MMX or SSE2 by their operands. */
static bool uses_xmm(const struct insn *i)
{
    for (unsigned k = 0; k < i->nops; k++)
        if (i->op[k].kind == OPND_XMM)
            return true;
    return false;
}

/* Instructions whose unit, feature or privilege is not available now raise their fault in the
 * callout. */
static bool available(const struct xlate *x, const struct insn *i)
{
    const struct row *r = i->row;

    if (!r->valid || !model_has(x->e->cpu->model, r->feature) || is_bit_scan_gone(x, i))
        return false;
    if ((r->traits & (T_PROT | T_AVX)) && (x->mode & (MODE_PE | MODE_VM)) != MODE_PE)
        return false;
    if ((r->traits & (T_FPU | T_MMX)) && (x->mode & MODE_NOFPU))
        return false;
    if (((r->traits & T_SSE) || uses_xmm(i)) && !(r->traits & T_AVX) && (x->mode & MODE_NOSSE))
        return false;
    if ((r->traits & T_AVX) && (x->mode & MODE_NOAVX))
        return false;
    return true;
}

static bool ends_block(const struct insn *i)
{
    return !i->row->valid || i->row->lower == LOWER_EXIT || (i->row->traits & T_ENDS);
}

/* A block goes on behind a forward conditional branch: the way not taken then costs no jump.
 * Backward ones close loops. */
static bool goes_on_after(struct xlate *x, const struct insn *i)
{
    bool near = x->seg || i->opsize == (x->w.on ? 8 : 4);

    return i->row->lower == LOWER_JCC && near && (int64_t)i->imm >= 0 &&
           x->side_exits++ < BT_MAX_SIDE_EXITS;
}

static void word_check(struct xlate *x, const struct bt_page *page, bool landing)
{
    if (x->w.on)
        x64_word_check(x, page, landing);
    else
        emit_word_check(x, page, landing);
}

/* What the monitor needs as scratch are registers that the block's code does not use. */
static bool registers_left(struct xlate *x, const struct insn *i, uint64_t rip)
{
    uint16_t used = x->used | i->gpr_used | i->gpr_written;
    unsigned need = x64_need(x, i, rip);

    if (need < x->w.need)
        need = x->w.need;
    if (i->row->lower == LOWER_PUSHF)
        used |= 1 << RAX; /* lower64_pushf() */
    if (NGPR - 1 - (unsigned)__builtin_popcount(used & ~(1u << RSP)) < need)
        return false;
    x->used = used;
    x->w.need = (uint8_t)need;
    x->w.written |= i->gpr_written;
    return true;
}

/* One virtual CPU is the only user of guest RAM that LOCK would keep out, and does nothing between
 * an instruction's load and its store. XCHG locks by itself (decision 13). */
static void drop_lock(const struct xlate *x, struct insn *i)
{
    if (!x->e->cfg.keep_lock && (i->row->traits & T_LOCK) && i->op[0].kind == OPND_MEM)
        i->prefixes &= (uint8_t)~PFX_LOCK;
}

/* Pass 1: decode up to a terminator, the page's end or the cap. The first instruction may straddle:
 * then it is the whole block. */
static unsigned scan_block(struct xlate *x, const uint8_t *bytes, unsigned avail, bool straddles)
{
    unsigned off = 0;

    x->n = 0;
    while (x->n < BT_MAX_INSNS && off < avail) {
        struct insn *i = &x->insns[x->n];
        enum decode_status st = decode_cached(x->e->decodings, bytes + off,
                                              avail - off < MAX_INSN ? avail - off : MAX_INSN,
                                              bt_code_bits(x->mode), i);

        if (st != DECODE_OK || (x->w.on && !registers_left(x, i, x->rip + off)))
            break;
        drop_lock(x, i);
        off += i->len;
        x->n++;
        if (straddles || (ends_block(i) && !goes_on_after(x, i)))
            break;
    }
    return off;
}

/* CPL 3 never looks a view up: it may only see its own (isolation, not speed). */
static enum bt_adapt adaptation(const struct xlate *x)
{
    unsigned off = (unsigned)bt_linear(x->rip, x->mode) & PAGE_MASK;
    enum bt_adapt a = x->sites ? bt_adapt_of(x->e, x->b->page->frame, off) : ADAPT_NONE;

    return a == ADAPT_VIEW && (x->mode & MODE_CPL3) && !x->w.on ? ADAPT_NONE : a;
}

static lower_fn *lowering_of(uint32_t mode, const struct insn *i)
{
    if (mode & MODE_CS64)
        return lowerings64[i->row->lower];
    return (bt_segmented(mode) ? lowerings_seg : lowerings)[i->row->lower];
}

/* In place of a callout. */
static lower_fn *simulation_of(const struct xlate *x)
{
    if (x->w.on)
        return lower64_watched_store;
    return x->seg ? NULL : lower_watched_store;
}

bool bt_has_lowering(uint32_t mode, const struct insn *i)
{
    return lowering_of(mode, i) != NULL;
}

static void lower_one(struct xlate *x, struct insn *i)
{
    uint8_t *before;
    unsigned nmap, nexits = x->nexits, nmoves = x->nmoves;
    struct x64_state was;
    int32_t esp;
    lower_fn *lower;

    x->insn = i;
    if (!xlate_rides_esp(x, i))
        xlate_settle_esp(x);
    xlate_mark(x, SITE_PLAIN);
    before = x->em.p;
    nmap = x->nmap;
    esp = x->esp;
    if (x->w.on)
        memcpy(&was, &x->w, offsetof(struct x64_state, side));
    x->adapt = adaptation(x);
    lower = x->adapt == ADAPT_SIMULATE ? simulation_of(x) : lowering_of(x->mode, i);
    if (available(x, i) && lower && lower(x, i)) {
        if (x->w.on)
            x64_track(x, i);
    } else {
        x->em.p = before;
        x->nmap = nmap;
        x->nexits = nexits;
        x->nmoves = nmoves;
        if (x->w.on)
            memcpy(&x->w, &was, offsetof(struct x64_state, side));
        x->esp = esp;
        xlate_settle_esp(x);
        if (!(x->w.on ? x64_callout(x, i) : xlate_callout(x, i)))
            return;
        if (ends_block(i)) {
            emit8(&x->em, 0x0f); /* UD2: a terminator's callout always leaves */
            emit8(&x->em, 0x0b);
            x->ended = true;
        }
    }
}

/* Pass 2 */
static void lower_block(struct xlate *x)
{
    x->rip = x->b->rip;
    for (unsigned k = 0; k < x->n && !x->ended && !x->arena_full; k++) {
        lower_one(x, &x->insns[k]);
        x->rip += x->insns[k].len;
    }
    if (!x->ended) {
        xlate_mark(x, SITE_PLAIN);
        if (x->w.on) {
            x64_settle(x);
            x64_exit_to(x, x->rip);
        } else {
            xlate_settle_esp(x);
            xlate_exit(x, emit_jmp(&x->em), xlate_key(x, (uint32_t)x->rip));
        }
    }
    if (x->w.on)
        x64_finish_sides(x);
}

static bool keep_open(struct xlate *x, unsigned k)
{
    struct bt_open *o;

    if (!x->opens[k].jump)
        return true;
    o = bt_alloc(x->e, sizeof(*o));
    if (o)
        *o = x->opens[k];
    x->b->exits[k].open = o;
    return o;
}

/* Pass 3: exit stubs, map, commit. */
static struct bt_block *seal_block(struct xlate *x)
{
    struct bt_block *b = x->b;
    struct codemem *cm = &x->e->code;

    b->exits = bt_alloc(x->e, x->nexits * sizeof(*b->exits));
    if (!b->exits)
        return NULL;
    memcpy(b->exits, x->exits, x->nexits * sizeof(*b->exits));
    b->nexits = (uint8_t)x->nexits;
    for (unsigned k = 0; k < b->nexits; k++) {
        struct bt_exit *ex = &b->exits[k];

        if (!keep_open(x, k))
            return NULL;
        ex->stub = codemem_to_rx(cm, x->em.p);
        emit_patch32(ex->jump, x->em.p);
        emit_imm64(&x->em, x->w.on ? H_R11 : H_R8, (uint64_t)(uintptr_t)ex);
        xlate_to_stub(x, emit_jmp(&x->em), x->w.on ? STUB64_DIRECT : STUB_DIRECT);
    }
    b->map = bt_alloc(x->e, x->nmap * sizeof(*b->map));
    if (!b->map)
        return NULL;
    memcpy(b->map, x->map, x->nmap * sizeof(*b->map));
    b->nmap = x->nmap;
    if (!bt_keep_moves(x))
        return NULL;
    b->code_len = (uint32_t)(x->em.p - x->start);
    bt_landing_commit(x->e, b);
    return b;
}

static struct bt_block *start_block(struct xlate *x, uint64_t rip, uint32_t mode,
                                    struct bt_page *page, struct bt_page *page2)
{
    struct engine *e = x->e;
    uint8_t *room = bt_landing_begin(e, BT_BLOCK_ROOM, x->w.on ? BEFORE_LANDING64 : BEFORE_LANDING);
    struct bt_block *b = bt_alloc(e, sizeof(*b));

    if (!room || !b || e->nblocks == e->max_blocks)
        return NULL;
    *b = (struct bt_block){.rip = rip, .mode = mode, .page = page, .page2 = page2};
    x->b = b;
    x->start = x->em.p = room;
    b->code = b->checked = codemem_to_rx(&e->code, room);
    return b;
}

struct bt_block *bt_make(struct engine *e, uint64_t rip, uint32_t mode, struct bt_page *page,
                         struct bt_page *page2, const uint8_t *bytes, unsigned avail,
                         bool *interpret)
{
    struct xlate *x = e->xlate;
    struct bt_block *b;
    unsigned len;

    /* what is behind is counted */
    memset(x, 0, mode & MODE_CS64 ? offsetof(struct xlate, exits) : offsetof(struct xlate, w.slot));
    x->e = e;
    x->mode = mode;
    x->sites = bt_adapt_any(e, page->frame);
    x->w.on = mode & MODE_CS64;
    x->seg = bt_segmented(mode);
    x->limit = bt_code_limit(mode, e->cpu->seg[SEG_CS].limit);
    x->rip = rip;
    len = scan_block(x, bytes, avail, page2 != NULL); /* 1 decode */
    *interpret = x->n == 0;
    if (*interpret)
        return NULL;
    b = start_block(x, rip, mode, page, page2);
    if (!b)
        return NULL;
    b->guest_len = (uint16_t)len;
    b->ninsns = (uint16_t)x->n;
    b->cs_limit = x->limit;
    xlate_mark(x, SITE_CHECK);
    word_check(x, page, !x->seg);
    assert(x->seg || (uintptr_t)b->landing % 64 == 0);
    b->entry = codemem_to_rx(&e->code, x->em.p);
    if (x->seg)
        b->landing = b->entry;
    if (page2)
        word_check(x, page2, false);
    if (mode & MODE_ODD_CS)
        seg_check_code(x);
    b->body = codemem_to_rx(&e->code, x->em.p);
    if (x->w.on) {
        x64_choose(x);
        x64_open(x);
        x64_open_loop(x);
        xlate_mark(x, SITE_PLAIN);
    }
    lower_block(x);                      /* 2 host code */
    if (x->arena_full || !seal_block(x)) /* 3 exits, map, commit */
        return NULL;
    return b;
}

struct bt_block *bt_translate(struct engine *e, uint64_t rip, uint32_t mode, struct bt_page *page,
                              struct bt_page *page2, const uint8_t *bytes, unsigned avail,
                              bool *interpret)
{
    struct bt_block *b = bt_make(e, rip, mode, page, page2, bytes, avail, interpret);

    if (!b)
        return NULL;
    bt_insert(e, b);
    e->stats.blocks++;
    e->stats.guest_insns += b->ninsns;
    e->stats.host_bytes += b->code_len;
    return b;
}
