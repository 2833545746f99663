/* The translator's dispatcher: look up -> translate -> enter -> handle the exit. */
#include "translator/bt_priv.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "cpu/exception.h"
#include "translator/bt_offsets.h"
#include "translator/xlate.h"

#define OFFSET_IS(type, member, value) _Static_assert(offsetof(type, member) == (value), #member)
OFFSET_IS(struct cpu, gpr, CPU_GPR);
OFFSET_IS(struct cpu, rip, CPU_RIP);
OFFSET_IS(struct cpu, rflags, CPU_RFLAGS);
OFFSET_IS(struct cpu, iflag, CPU_IFLAG);
OFFSET_IS(struct bt_hot, ctx, HOT_CTX);
OFFSET_IS(struct bt_hot, irq_ptr, HOT_IRQ);
OFFSET_IS(struct bt_hot, view_table, HOT_VIEWTAB);
OFFSET_IS(struct bt_hot, base, HOT_BASE);
OFFSET_IS(struct bt_hot, window, HOT_WINDOW);
OFFSET_IS(struct bt_hot, seg_window, HOT_SEGWIN);
OFFSET_IS(struct bt_hot, seg_base, HOT_SEGBASE);
OFFSET_IS(struct bt_hot, sel, HOT_SEL);
OFFSET_IS(struct bt_hot, flags_other, HOT_OTHER);
OFFSET_IS(struct bt_hot, host_rsp, HOT_RSP);
OFFSET_IS(struct bt_hot, exit_kind, HOT_EXIT_KIND);
OFFSET_IS(struct bt_hot, exit_arg, HOT_EXIT_ARG);
OFFSET_IS(struct bt_hot, landings, HOT_LANDINGS);
OFFSET_IS(struct bt_hot, branch, HOT_BRANCH);
OFFSET_IS(struct bt_hot, not_landed, HOT_NOT_LANDED);
OFFSET_IS(struct bt_hot, fault_rip, HOT_FAULT_RIP);
OFFSET_IS(struct bt_hot, df, HOT_DF);
OFFSET_IS(struct bt_hot, home, HOT_HOME);
OFFSET_IS(struct bt_hot, rsp, HOT_GRSP);
OFFSET_IS(struct bt_hot, rsp_not, HOT_RSP_NOT);
OFFSET_IS(struct bt_hot, seg_lin, HOT_SEGLIN);
OFFSET_IS(struct bt_hot, seg_host, HOT_SEGHOST);
OFFSET_IS(struct bt_hot, str_src, HOT_STRSRC);
OFFSET_IS(struct bt_hot, str_dst, HOT_STRDST);
OFFSET_IS(struct bt_hot, cpu, HOT_CPU);
OFFSET_IS(struct bt_hot, engine, HOT_ENGINE);
OFFSET_IS(struct bt_hot, site, HOT_SITE);
OFFSET_IS(struct bt_hot, seg_mem, HOT_SEGMEM);
OFFSET_IS(struct bt_hot, poison, HOT_POISON);
OFFSET_IS(struct bt_hot, seg_odd, HOT_SEGODD);
OFFSET_IS(struct bt_hot, seg_room, HOT_SEGROOM);
OFFSET_IS(struct bt_hot, seg_typed, HOT_SEGTYPED);
OFFSET_IS(struct bt_hot, seg_null, HOT_SEGNULL);
OFFSET_IS(struct bt_hot, delta, HOT_DELTA);
OFFSET_IS(struct bt_ctx, landing, 0);
OFFSET_IS(struct bt_ctx, neg_tag, CTX_TAGS);
OFFSET_IS(struct bt_ctx, host, CTX_HOSTS);
OFFSET_IS(struct bt_ctx, neg_word, CTX_WORDS);
_Static_assert(BT_JCACHE == 1 << (32 - BT_SHIFT) && BT_SHIFT == JCACHE_SHIFT, "15 bits");
_Static_assert((int)SMMU_VIEW_SHIFT == (int)BT_SHIFT, "R13 serves both");
_Static_assert(BT_PAGE_HASH == 1 << 16, "the upper 16 bits");

/* Slot 0 of the window area: reserved, never mapped (host/slots.h). */
#define POISON ((const uint8_t *)(uintptr_t)(UINT64_C(1) << 40))

/* Modes translated code can be made for; all others are interpreted. */
static bool mode_ok(uint32_t mode)
{
    const uint32_t never = MODE_AC | MODE_TF | MODE_DR7;

    if (mode & never)
        return false;
    /* Compatibility mode has a window at CPL 3 only. */
    return (mode & MODE_CS64) || !(mode & MODE_LMA) || (mode & MODE_CPL3);
}

/* What a load in real mode or V86 leaves of the segment's attributes (SDM 3A 20.1.2, 20.2). */
static uint16_t loaded_attr(const struct cpu *c, const struct seg *g)
{
    uint16_t data = ATTR_P | ATTR_S | ATTR_W | ATTR_A;

    return c->mode & MODE_VM ? data | 3 << ATTR_DPL_SHIFT : data | (g->attr & (ATTR_DB | ATTR_G));
}

static bool is_typed(const struct cpu *c)
{
    return (c->mode & (MODE_PE | MODE_VM)) == MODE_PE;
}

/* Protected mode: the null slot for what the type does not allow, and for segments that expand
 * down. */
static void refresh_typed_segment(struct engine *e, unsigned s, uint64_t at)
{
    const struct seg *g = &e->cpu->seg[s];
    bool down = (g->attr & (ATTR_CODE | ATTR_E)) == ATTR_E;
    bool code = g->attr & ATTR_CODE, w = g->attr & ATTR_W;

    e->hot->seg_typed[s][0] = g->usable && !down && (!code || w) ? at : e->hot->seg_null;
    e->hot->seg_typed[s][1] = g->usable && !down && !code && w ? at : e->hot->seg_null;
}

/* The segment's first byte in the window; the null slot, if not every access by 16-bit offsets
 * ([0]) or by any ([1]) may go there. The type has no say in real mode and V86 (SDM 3A 20.1, 20.2).
 */
static void refresh_segment_memory(struct engine *e, unsigned s)
{
    const struct cpu *c = e->cpu;
    const struct seg *g = &c->seg[s];
    bool typed = is_typed(c), data = !(g->attr & (ATTR_CODE | ATTR_E));
    uint64_t at = e->hot->window + (uint32_t)g->base, null = (uint64_t)(uintptr_t)POISON;
    bool open = typed ? g->usable && data && (g->attr & ATTR_W) : data || (g->attr & ATTR_CODE);

    e->hot->seg_mem[s][0] = open && g->limit >= 0xffff ? at : null;
    e->hot->seg_mem[s][1] = open && g->limit == UINT32_MAX ? at : null;
    e->hot->seg_room[s] = -(int64_t)g->limit - 1;
    if (typed)
        refresh_typed_segment(e, s, at);
    e->hot->seg_odd[s] = typed || g->limit != 0xffff || g->attr != loaded_attr(c, g);
}

/* FS and GS accesses add a base; one that is not simply "base + 4 GiB" is aimed at the null slot
 * and interpreted. */
static void refresh_segments(struct engine *e)
{
    const struct cpu *c = e->cpu;

    for (unsigned s = SEG_FS; s <= SEG_GS; s++) {
        const struct seg *g = &c->seg[s];
        e->hot->seg_base[s] = (uint32_t)g->base;
        e->hot->seg_window[s] = bt_seg_plain(g) ? e->hot->window : (uint64_t)(uintptr_t)POISON;
    }
}

static void refresh_all_segments(struct engine *e)
{
    e->hot->seg_null = (uint64_t)(uintptr_t)POISON;
    for (unsigned s = 0; s < NSEG; s++)
        refresh_segment_memory(e, s);
}

/* The copies of CPU state that generated code reads; callouts may have changed the originals. */
static void refresh_copies(struct engine *e)
{
    const struct cpu *c = e->cpu;

    for (unsigned s = 0; s < NSEG; s++)
        e->hot->sel[s] = c->seg[s].sel;
    e->hot->tsc_offset = c->tsc_offset;
    e->hot->tsc_aux = (uint32_t)c->tsc_aux;
    e->hot->flags_other = c->rflags & ~(uint32_t)(EF_ARITH | EF_DF | EF_RF | EF_VM);
    refresh_segments(e);
    if (bt_segmented(c->mode))
        refresh_all_segments(e);
    bt32_see_gdt(e);
    bt_light_refresh(e);
}

static void set_gs(struct engine *e, uint64_t base)
{
    if (e->gs_base == base)
        return;
    __asm__ volatile("wrgsbase %0" ::"r"(base));
    e->gs_base = base;
}

/* 32-bit windows move with the address space only. */
static void find_windows(struct engine *e)
{
    for (unsigned v = 0; v < NVIEWS && !e->windows_known; v++)
        e->hot->base[v] = smmu_base(e->mmu, v);
    e->windows_known = !cpu_long(e->cpu);
    e->hot->window = e->hot->base[e->cpu->cpl == 3 ? VIEW_USER : VIEW_KERNEL];
}

/* What memory accesses go by: the windows, or the block of 64-bit code. */
static void find_memory(struct engine *e)
{
    e->table_seen = smmu_table_of(e->cpu);
    if (cpu_cs64(e->cpu))
        e->hot->window = smmu_block(e->mmu, e->table_seen);
    else
        find_windows(e);
}

/* Makes the hot structure agree with the CPU's mode and address space. False: no memory for a
 * context. */
static bool refresh_space(struct engine *e)
{
    struct cpu *c = e->cpu;
    struct bt_ctx *x;

    if (!e->space_changed && e->cur_ctx && e->cur_ctx->mode == bt_mode(c) &&
        (!cpu_long(c) ||
         (e->deltas_seen == smmu_deltas_changed(e->mmu) && e->table_seen == smmu_table_of(c))))
        return true;
    if (e->space_changed)
        e->cross.valid = e->windows_known = false;
    find_memory(e);
    e->deltas_seen = smmu_deltas_changed(e->mmu);
    x = bt_ctx_get(e, bt_mode(c));
    if (!x)
        return false;
    e->cur_ctx = x;
    e->space_changed = false;
    e->stats.ctx_switches++;
    return true;
}

/* Arms the hot structure for entry; a kick that comes after the fence finds it and disarms it
 * again. */
static bool arm(struct engine *e)
{
    struct cpu *c = e->cpu;

    e->hot->irq_ptr = c->intr ? POISON : &e->hot->quiet;
    e->hot->poison = POISON;
    bt_use_ctx(e, e->cur_ctx);
    e->empty_now = e->empty_ctx[cpu_cs64(c)];
    e->code_changed = false;
    bt_stop_arm(e);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    return !c->kick;
}

void engine_kick(struct engine *e)
{
    __atomic_store_n(&e->cpu->kick, 1, __ATOMIC_SEQ_CST);
    bt_use_ctx(e, e->empty_now);
    bt_stop(e);
}

/* The jump cache knows the way already; not when a chain is to be made. */
static const uint8_t *cached_entry(const struct engine *e)
{
    return bt_ctx_entry(e->cur_ctx, bt_key(e->cpu));
}

/* Nothing waits for the dispatcher at this boundary. */
static bool undisturbed(const struct engine *e)
{
    const struct cpu *c = e->cpu;

    return !c->kick && !c->halted && !c->shutdown && !c->intr_shadow && !c->debug_trap &&
           !cpu_intr_ready(c) && !(c->nmi_pending && !c->nmi_blocked) && !e->cfg.stepped &&
           !e->cfg.flush_every && !log_on(e->log, LOG_EXEC);
}

/* The callout has gone elsewhere, to another privilege level perhaps: what the dispatcher would do
 * when the context knows the way. NULL: it has to. */
static const uint8_t *go_on_elsewhere(struct engine *e, bool was64)
{
    struct cpu *c = e->cpu;
    const uint8_t *entry;

    if (!undisturbed(e) || !mode_ok(c->mode) || cpu_cs64(c) != was64 || !refresh_space(e))
        return NULL;
    set_gs(e, e->hot->window); /* at once: bt64_see_crossing() compares the two */
    entry = cached_entry(e);
    if (!entry)
        return NULL;
    refresh_copies(e);
    bt_fpu_restore(e, c);
    c->rflags &= ~(uint32_t)EF_RF; /* as in enter() */
    e->stats.gone_on++;
    if (!was64)
        bt32_prepare_crossings(e);
    return arm(e) ? entry : NULL;
}

/* Not an instruction that is always a callout, or when it is not as mostly. */
static bool is_simulated(uint32_t mode, const struct insn *i)
{
    return i->row->lower != LOWER_CALLOUT && i->row->lower < LOWER_LOAD_SEG &&
           bt_has_lowering(mode, i);
}

bool bt_keeps_copies(const struct insn *i)
{
    const uint64_t plain = 1 << LOWER_COPY | 1 << LOWER_PUSH | 1 << LOWER_POP | 1 << LOWER_LEAVE |
                           1 << LOWER_PUSHA | 1 << LOWER_POPA | 1 << LOWER_STRING | 1 << LOWER_LEA |
                           1 << LOWER_XCHG | 1 << LOWER_PUSHF;

    return (i->row->traits & T_PLAIN) || (plain >> i->row->lower & 1);
}

/* Instructions behind this one in the block must wait. */
static bool goes_elsewhere(const struct engine *e, const struct insn *i, uint64_t next,
                           uint32_t mode)
{
    const struct cpu *c = e->cpu;

    return c->rip != next || c->mode != mode || c->kick || c->halted || c->shutdown ||
           c->intr_shadow || cpu_intr_ready(c) || (c->nmi_pending && !c->nmi_blocked) ||
           e->space_changed || e->code_changed || !i->row->valid || i->row->lower == LOWER_EXIT ||
           (i->row->traits & T_ENDS);
}

static bool loads_segment(const struct insn *i)
{
    return i->row->lower == LOWER_LOAD_SEG || i->row->lower == LOWER_POP_SEG;
}

/* What the instruction may have changed of what generated code has copies of. */
static void see_change(struct engine *e, const struct insn *i, bool cs64)
{
    if (cs64 && e->table_seen != smmu_table_of(e->cpu)) { /* STAC, CLAC, POPF */
        find_memory(e);
        set_gs(e, e->hot->window);
    }
    refresh_copies(e);
    if (loads_segment(i))
        bt32_remember_load(e, i->op[0].reg);
}

const uint8_t *bt_callout(struct cpu *c, const struct insn *i, struct bt_hot *hot,
                          const uint8_t *resume)
{
    struct engine *e = hot->engine;
    uint64_t next = c->rip + i->len;
    uint32_t mode = c->mode, leaf = (uint32_t)c->gpr[RAX], subleaf = (uint32_t)c->gpr[RCX];
    bool cs64 = mode & MODE_CS64, light = i->row->traits & T_LIGHT;
    bool simulated = is_simulated(mode, i);
    uint64_t watched = smmu_stats(e->mmu)->watched;

    bt_see_crossing(e);
    e->callout_rip = c->rip;
    e->stats.callouts++;
    e->stats.callout_by_mnemonic[i->mnemonic % ARRAY_SIZE(e->stats.callout_by_mnemonic)]++;
    if (!cs64)
        next = (uint32_t)next;
    if (!light)
        bt_fpu_save(e, c);
    interp_exec(c, i);
    if (simulated && e->trials)
        bt_trial_ran(e, e->callout_rip, resume,
                     (c->rip != next && !(i->row->traits & T_ENDS)) ||
                         watched != smmu_stats(e->mmu)->watched,
                     light);
    if (goes_elsewhere(e, i, next, mode))
        return go_on_elsewhere(e, cs64);
    if (!bt_keeps_copies(i))
        see_change(e, i, cs64);
    if (i->row->lower == LOWER_CPUID)
        bt_light_remember_cpuid(e, leaf, subleaf);
    hot->irq_ptr = c->intr ? POISON : &hot->quiet;
    bt_fpu_restore(e, c);
    return resume;
}

/* The frame behind the linear page of rip, remembered per context. NULL: #PF recorded, or not RAM
 * (*odd). */
static struct bt_page *code_page(struct engine *e, uint64_t rip, bool *odd)
{
    uint64_t vpn = rip >> PAGE_SHIFT, w = vpn % BT_WORDS;
    struct bt_ctx *x = e->cur_ctx;
    struct bt_page *p = x->page[w];
    struct code_page cp;

    *odd = false;
    if (p && p->vpn == vpn)
        return p;
    if (!smmu_fetch(e->mmu, e->cpu, rip, &cp))
        return NULL;
    *odd = cp.frame == SMMU_ALL_PAGES;
    if (*odd)
        return NULL;
    p = bt_page_find(e, vpn, cp.frame);
    if (!p)
        p = bt_page_move(e, vpn, cp.frame);
    if (!p)
        p = bt_page_get(e, vpn, cp.frame);
    if (!p) {
        bt_flush(e);
        p = bt_page_get(e, vpn, cp.frame);
    }
    bt_ctx_set_page(e, x, p);
    return p;
}

const uint8_t *bt_frame_bytes(struct engine *e, uint64_t frame)
{
    return e->pm->hva + (frame << PAGE_SHIFT);
}

/* Linear addresses wrap where the mode's do. */
static uint64_t next_page(const struct engine *e, uint64_t rip)
{
    uint64_t next = (rip | PAGE_MASK) + 1;

    return cpu_cs64(e->cpu) ? next : (uint32_t)next;
}

enum found { FOUND, FOUND_FAULT, FOUND_INTERPRET };

/* Bytes from rip on, to the end of the page or, for an instruction that straddles, past it. */
static enum found gather(struct engine *e, uint64_t rip, struct bt_page *page,
                         struct bt_page **page2, uint8_t buf[2 * MAX_INSN], const uint8_t **bytes,
                         unsigned *avail)
{
    struct insn probe;
    bool odd;

    *page2 = NULL;
    *bytes = bt_frame_bytes(e, page->frame) + (rip & PAGE_MASK);
    *avail = PAGE_SIZE - (rip & PAGE_MASK);
    if (*avail >= MAX_INSN ||
        decode_insn(*bytes, *avail, bt_code_bits(e->cpu->mode), &probe) != DECODE_SHORT)
        return FOUND;
    *page2 = code_page(e, next_page(e, rip), &odd);
    if (!*page2)
        return odd ? FOUND_INTERPRET : FOUND_FAULT;
    memcpy(buf, *bytes, *avail);
    memcpy(buf + *avail, bt_frame_bytes(e, (*page2)->frame), MAX_INSN);
    *bytes = buf;
    *avail += MAX_INSN;
    return FOUND;
}

void bt_made_block(struct engine *e, const struct bt_block *b)
{
    if (!e->cfg.check_blocks && !e->perf_map && !log_on(e->log, LOG_IN_ASM) &&
        !log_on(e->log, LOG_OUT_ASM))
        return;
    bt_fpu_save(e, e->cpu);
    if (e->cfg.check_blocks)
        bt_check_block(e, b);
    if (log_on(e->log, LOG_IN_ASM) || log_on(e->log, LOG_OUT_ASM))
        bt_list_block(e, b);
    bt_perf_map_add(e, b);
}

/* Code is write-protected before its bytes are read (pitfalls A17): a store since the last fetch of
 * the page may have released the frame. */
static bool protect(struct engine *e, uint64_t rip, bool both)
{
    struct code_page cp;

    return smmu_fetch(e->mmu, e->cpu, rip, &cp) &&
           (!both || smmu_fetch(e->mmu, e->cpu, next_page(e, rip), &cp));
}

/* Bytes of code from rip on, as CS has them. */
static uint64_t inside_limit(const struct cpu *c)
{
    uint64_t limit = c->seg[SEG_CS].limit;

    if (c->mode & (MODE_FLAT_CS | MODE_CS64))
        return UINT64_MAX;
    return c->rip <= limit ? limit + 1 - c->rip : 0;
}

/* The block is of no use any more when CS has another limit now than then. */
static struct bt_block *find_known(struct engine *e, uint64_t key, uint32_t mode,
                                   const struct bt_page *page)
{
    struct bt_block *b = bt_find(e, key, mode, page);

    if (!b || !(mode & MODE_ODD_CS) || b->cs_limit == e->cpu->seg[SEG_CS].limit)
        return b;
    bt_invalidate(e, b);
    return NULL;
}

static enum found find_block(struct engine *e, struct bt_block **out)
{
    struct cpu *c = e->cpu;
    uint64_t key = bt_key(c), rip = bt_linear(key, c->mode), inside = inside_limit(c);
    uint32_t mode = bt_mode(c);
    uint8_t buf[2 * MAX_INSN];
    struct bt_page *page, *page2;
    const uint8_t *bytes;
    unsigned avail;
    uint64_t flushes, from;
    bool odd, interpret;
    enum found f;

    e->stats.lookups++;
    if (inside < MAX_INSN) /* an instruction over the limit is the interpreter's */
        return FOUND_INTERPRET;
    page = code_page(e, rip, &odd);
    if (!page)
        return odd ? FOUND_INTERPRET : FOUND_FAULT;
    *out = find_known(e, key, mode, page);
    if (*out && !(*out)->page2) {
        e->stats.lookup_hits++;
        return FOUND;
    }
    if (bt_churning(e, page->frame))
        return FOUND_INTERPRET;
    if (!*out && (*out = bt_clone(e, rip, c->mode, page)) != NULL) {
        bt_made_block(e, *out);
        bt_clone_page(e, e->cur_ctx, page);
        return FOUND;
    }
    bt_fpu_save(e, c);
    for (int attempt = 0; attempt < 2; attempt++) {
        flushes = e->stats.flushes;
        f = gather(e, rip, page, &page2, buf, &bytes, &avail);
        if (f != FOUND)
            return f;
        if (*out && (*out)->page2 == page2)
            return FOUND;
        if (flushes != e->stats.flushes || !protect(e, rip, page2 != NULL))
            return FOUND_INTERPRET;
        avail = avail < inside ? avail : (unsigned)inside;
        from = __builtin_ia32_rdtsc();
        *out = bt_translate(e, key, mode, page, page2, bytes, avail, &interpret);
        e->stats.translate_cycles += __builtin_ia32_rdtsc() - from;
        if (*out) {
            bt_made_block(e, *out);
            bt_chain(e, e->cur_ctx, *out);
            return FOUND;
        }
        if (interpret)
            return FOUND_INTERPRET;
        bt_flush(e);
        page = code_page(e, rip, &odd);
        if (!page)
            return odd ? FOUND_INTERPRET : FOUND_FAULT;
    }
    return FOUND_INTERPRET;
}

static void interpret_one(struct engine *e)
{
    e->stats.interp_steps++;
    interp_step(e->interp, e->cpu);
}

/* What the exit from the cache asked for. A direct exit may be linked to the block found next. */
static struct bt_exit *handle_exit(struct engine *e)
{
    struct bt_exit *x;

    e->stats.exits[e->hot->exit_kind]++;
    switch (e->hot->exit_kind) {
    case BT_EXIT_DIRECT:
        x = (struct bt_exit *)(uintptr_t)e->hot->exit_arg;
        e->cpu->rip = bt_rip(x->rip, x->from->mode);
        return x;
    case BT_EXIT_INDIRECT:
        if (bt64_undo_branch(e))
            interpret_one(e);
        return NULL;
    case BT_EXIT_FAULT:
        if (e->fault_prepare)
            bt64_prepare(e);
        if (e->fault_emulate)
            interpret_one(e);
        if (e->retranslate)
            bt_retranslate(e, e->retranslate);
        e->retranslate = NULL;
        return NULL;
    default:
        return NULL;
    }
}

/* Events that the CPU must see before its next instruction. True: c->rip may have changed. */
static bool take_events(struct engine *e)
{
    struct cpu *c = e->cpu;

    if (c->intr_shadow || (c->nmi_pending && !c->nmi_blocked) || c->debug_trap) {
        bt_fpu_save(e, c);
        interp_one(e->interp, c);
        return true;
    }
    if (cpu_intr_ready(c)) {
        cpu_interrupt(c, (uint8_t)c->hooks.intr_ack(c->hooks.opaque));
        return true;
    }
    return false;
}

static void log_entry(const struct engine *e)
{
    log_printf(e->log, LOG_EXEC, "%08" PRIx64 " mode %05x\n", e->cpu->rip, e->cpu->mode);
}

static void enter(struct engine *e, const uint8_t *entry, struct bt_exit **from)
{
    refresh_copies(e);
    set_gs(e, e->hot->window);
    bt_fpu_restore(e, e->cpu);
    if (!arm(e)) {
        bt_stop_left(e);
        return;
    }
    if (log_on(e->log, LOG_EXEC))
        log_entry(e);
    /* RF lasts one instruction, and matters to code breakpoints only: with those enabled nothing is
     * translated. */
    e->cpu->rflags &= ~(uint32_t)EF_RF;
    if (e->cfg.stepped)
        bt_step_arm(e, entry);
    if (cpu_cs64(e->cpu)) {
        bt64_refresh(e);
        bt64_enter(e->cpu, e->hot, entry);
    } else {
        bt32_prepare_crossings(e);
        bt_enter(e->cpu, e->hot, entry);
    }
    bt_stop_left(e);
    bt_see_crossing(e);
    *from = handle_exit(e);
}

/* The exit leads to b from now on. */
static bool link_to(struct engine *e, struct bt_exit *x, struct bt_block *b)
{
    if (!x->from->valid || e->cfg.no_chain || x->from->mode != b->mode || x->rip != b->rip)
        return false;
    if (x->target && bt_link_waits(x))
        bt_unlink(e, x);
    if (!x->target)
        bt_link(e, x, b);
    return x->target == b;
}

/* One turn: find the block at rip and run translated code until it leaves. */
static void turn(struct engine *e, struct bt_exit **from)
{
    struct cpu *c = e->cpu;
    uint64_t flushes = e->stats.flushes;
    struct bt_exit *link = *from;
    const uint8_t *entry;
    struct bt_block *b;
    bool linked;

    *from = NULL;
    if (!refresh_space(e)) {
        interpret_one(e);
        return;
    }
    entry = link || (e->cur_ctx->mode & MODE_ODD_CS) ? NULL : cached_entry(e);
    if (entry) {
        enter(e, entry, from);
        return;
    }
    switch (find_block(e, &b)) {
    case FOUND_FAULT:
        cpu_deliver(c);
        return;
    case FOUND_INTERPRET:
        interpret_one(e);
        return;
    case FOUND:
        break;
    }
    linked = link && flushes == e->stats.flushes && link_to(e, link, b);
    if (link && e->cfg.loops_at_once && (b->mode & MODE_CS64) && link->target == b &&
        b->rip <= link->from->rip)
        bt_loop_tail(e, link->from);
    if (!b->valid)
        return; /* it will be translated as of the loop */
    if (!linked)
        bt_ctx_asked(e->cur_ctx, b);
    enter(e, b->entry, from);
}

static void interpret_mode(struct engine *e)
{
    uint64_t before = interp_count(e->interp);

    bt_fpu_save(e, e->cpu);
    interp_some(e->interp, e->cpu);
    e->stats.interp_modes += interp_count(e->interp) - before;
}

static enum run_exit bt_run(struct engine *e)
{
    struct cpu *c = e->cpu;
    struct bt_exit *from = NULL;

    for (;;) {
        if (c->shutdown)
            return RUN_SHUTDOWN;
        if (c->kick)
            return RUN_KICK;
        if (take_events(e)) {
            from = NULL;
            continue;
        }
        if (c->halted)
            return RUN_HALT;
        if (!mode_ok(c->mode)) {
            interpret_mode(e);
            from = NULL;
            continue;
        }
        if (e->cfg.flush_every && e->stats.lookups % e->cfg.flush_every == e->cfg.flush_every - 1) {
            bt_flush(e);
            from = NULL;
        }
        turn(e, &from);
    }
}

enum run_exit engine_run(struct engine *e)
{
    enum run_exit r;

    if (e->cfg.kind == ENGINE_INTERP)
        return interp_run(e->interp, e->cpu);
    r = bt_run(e);
    /* Device code and libc run next: the guest's vector state goes home first. */
    bt_fpu_save(e, e->cpu);
    return r;
}

void engine_step(struct engine *e, struct engine_step *s)
{
    struct cpu *c = e->cpu;
    uint64_t before = interp_count(e->interp);
    struct bt_exit *from = NULL;

    *s = (struct engine_step){.one = true};
    if (!take_events(e)) {
        s->one = !mode_ok(c->mode);
        e->step_block = NULL;
        c->in_rep = 0;
        if (s->one) {
            bt_fpu_save(e, c);
            interp_one(e->interp, c);
        } else {
            turn(e, &from);
        }
    }
    s->block = !s->one && e->step_block;
    if (s->block)
        s->insns = bt_step_count(e) + (unsigned)(interp_count(e->interp) - before);
    else if (!s->one)
        s->insns = 1; /* interpreted, or its fetch faulted */
    bt_step_finish(e);
    bt_fpu_save(e, c);
}
