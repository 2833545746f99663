/* The jail checker (invariant 1): an independent walk over the host code of a fresh block, before
 * it is ever entered or linked. It shares nothing with the emitter but the structures of bt_priv.h,
 * and accepts only what it can prove.
 *
 * Instructions: those of the listed Zydis category and ISA set; everything else is refused, so a
 * new instruction of the host is refused until somebody has thought about it.
 *
 * Memory operands:
 *   gs:[32-bit address]          the guest's window; 67h makes it wrap inside
 *   [R13 + register * 1, 2, 4 + constant]   the same but that it does not wrap: the gaps around the
 * window are wider than it can be missed by
 *   [window + 32-bit register + constant]   base from R15, for FS, GS and other views. An operand
 * of at most 64 bytes, or a bit string's +-256 MiB, ends in the gap between slots [RSI], [RDI] of
 * strings window + 32 bits; a repetition walks into the gap and faults there [R14|R15 + constant]
 * the monitor's words that generated code may use [context | view table + ..]  look-up tables whose
 * index has a proven bound; read only
 *
 * R13, R14, R15 and RSP are never written. Upper halves of guest registers are zero, and no monitor
 * pointer is in one, wherever control leaves the block. Branches go forward to an instruction of
 * the block, to a fixed stub with the arguments it expects, or through the context's landings at an
 * index of 16 bits, each of which is a block's landing or a look-up (landing.c). A landing leads
 * into the block only where R8D is its address. Nothing runs off the end; nothing enters the host
 * kernel.
 *
 * Segmented code (lowerseg.h) has two forms more: [segment + 32-bit register], [segment +
 * constant], where the segment's place in a window is loaded from hot.seg_mem, and ends in the gap
 * as above. An index into seg_mem is 0 or 1 by construction. It has no landings, but goes through
 * the jump cache itself after its tag has matched, all 64 bits, where the key is CS's base of the
 * block and 32 bits of the guest's.
 *
 * What registers hold is followed along every path: facts(at a label) = facts that all ways to it
 * agree on.
 */
#include "translator/checker32.h"
#include "translator/checker64.h"

static struct fact meet(struct fact a, struct fact b)
{
    if (a.what == b.what && a.value == b.value)
        return a;
    if (is_clean(&a) && is_clean(&b))
        return (struct fact){.what = K_U32};
    return (struct fact){.what = is_u32(&a) && is_u32(&b) ? K_SECRET : K_ANY};
}

static void join(struct facts *to, const struct facts *f)
{
    if (!to->reachable) {
        *to = *f;
        return;
    }
    for (unsigned r = 0; r < 16; r++)
        to->r[r] = meet(to->r[r], f->r[r]);
    to->tag_ok &= f->tag_ok;
}

/* What the engine and the callouts promise about the registers: guest state, and nothing about
 * scratch. */
static void forget_scratch(struct facts *f)
{
    for (int r = 0; r < 16; r++)
        f->r[r] = (struct fact){.what = is_guest(r) ? K_U32 : K_ANY};
    f->r[H_R13].what = K_BASE;
    f->tag_ok = false;
}
static bool guests_clean(struct check *k)
{
    for (int r = 0; r < 16; r++)
        if (is_guest(r) && !is_clean(&k->now.r[r]))
            return breach(k, "a guest register holds a host value where control leaves");
    return true;
}
/* ---- memory operands ---- */

/* What is stored to the guest is the guest's own. */
static bool sources_clean(struct check *k)
{
    for (unsigned i = 0; i < k->in.operand_count; i++) {
        const ZydisDecodedOperand *o = &k->op[i];
        int r = o->type == ZYDIS_OPERAND_TYPE_REGISTER ? checker_gpr(o->reg.value) : -1;

        if (r >= 0 && (o->actions & ZYDIS_OPERAND_ACTION_MASK_READ) && !is_clean(&k->now.r[r]))
            return breach(k, "a host value goes to the guest");
    }
    return true;
}

static bool window_part(struct check *k, ZydisRegister reg)
{
    int r = checker_gpr(reg);

    if (reg == ZYDIS_REGISTER_NONE || (r < 0 && ZydisRegisterGetClass(reg) != ZYDIS_REGCLASS_IP))
        return true;
    if (r < 0)
        return breach(k, "an address relative to the host's EIP");
    if ((!is_guest(r) && !is_scratch(r)) || !is_clean(&k->now.r[r]))
        return breach(k, "a guest address from a host value");
    return true;
}

static bool string_pointers_live(const struct check *k)
{
    return kind(k, H_RSI) == K_STRING || kind(k, H_RDI) == K_STRING;
}

static bool window_operand(struct check *k, const ZydisDecodedOperand *o)
{
    if (o->mem.segment != ZYDIS_REGISTER_GS)
        return breach(k, "32-bit address outside GS");
    if (string_pointers_live(k))
        return breach(k, "a guest access while RSI or RDI is a host pointer");
    return window_part(k, o->mem.base) && window_part(k, o->mem.index) && sources_clean(k);
}

/* [segment + 32 bits], [segment + constant] */
static bool segment_operand(struct check *k, const ZydisDecodedOperand *o, int index)
{
    bool fixed = index < 0 && o->mem.disp.value >= 0 && o->mem.disp.value <= UINT16_MAX;

    if (!fixed && (index < 0 || o->mem.scale != 1 || o->mem.disp.value != 0))
        return breach(k, "a segment's address that is not base and offset");
    if (index >= 0 && !is_clean(&k->now.r[index]))
        return breach(k, "a segment's address with more than 32 bits");
    if (o->mem.type != ZYDIS_MEMOP_TYPE_MEM ||
        (checker_is_bit_string(&k->in) && k->op[1].type != ZYDIS_OPERAND_TYPE_IMMEDIATE))
        return breach(k, "a bit string or a vector of addresses in a segment");
    if (string_pointers_live(k))
        return breach(k, "a guest access while RSI or RDI is a host pointer");
    return sources_clean(k);
}

/* [R13 + index * 1, 2, 4 + disp]: from 17 MiB below the window to less than 19 GiB above, of at
 * most 64 bytes, or a bit string's +-256 MiB. The gaps are 28 GiB. */
static bool r13_operand(struct check *k, const ZydisDecodedOperand *o, int index)
{
    const int64_t disp = o->mem.disp.value;

    if (o->mem.type != ZYDIS_MEMOP_TYPE_MEM || (index >= 0 && o->mem.scale > 4) ||
        disp < -(INT64_C(1) << 24) - BT_SHIFT)
        return breach(k, "an address beyond the gaps around the window");
    if (index >= 0 && ((!is_guest(index) && !is_scratch(index)) || !is_clean(&k->now.r[index])))
        return breach(k, "a guest address from a host value");
    if (checker_is_bit_string(&k->in) && k->in.operand_width > 32)
        return breach(k, "a bit string that reaches further than the gap");
    if (string_pointers_live(k))
        return breach(k, "a guest access while RSI or RDI is a host pointer");
    return sources_clean(k);
}

/* [window + 32 bits]: the only other register-addressed 64-bit form. */
static bool based_operand(struct check *k, const ZydisDecodedOperand *o, int base, int index)
{
    bool swapped = kind(k, base) != K_WINDOW && kind(k, index) == K_WINDOW;
    int offset = swapped ? base : index;

    if (kind(k, base) != K_WINDOW && !swapped)
        return breach(k, "memory operand of no allowed form");
    if (offset < 0 || o->mem.scale != 1 || o->mem.disp.value < -(INT64_C(1) << 24) ||
        o->mem.type != ZYDIS_MEMOP_TYPE_MEM)
        return breach(k, "a window address that is not base and register");
    if (!is_clean(&k->now.r[offset]))
        return breach(k, "a window address with more than 32 bits");
    if (checker_is_bit_string(&k->in) && k->in.operand_width > 32)
        return breach(k, "a bit string that reaches further than the gap");
    if (string_pointers_live(k))
        return breach(k, "a guest access while RSI or RDI is a host pointer");
    return sources_clean(k);
}

/* What the guest gets back at a fault in a string of segmented code. */
static bool kept_registers(struct check *k)
{
    for (int r = H_R8; r <= H_R10; r++)
        if (!is_clean(&k->now.r[r]))
            return breach(k, "a fault would leave host pointers in RSI and RDI");
    return true;
}

static bool string_operand(struct check *k, const ZydisDecodedOperand *o, int base)
{
    const struct bt_map *m = bt_map_at(k->b, k->pc);

    if (k->in.address_width != 64 || o->mem.segment == ZYDIS_REGISTER_GS ||
        o->mem.segment == ZYDIS_REGISTER_FS)
        return breach(k, "a string instruction with a host segment or a truncated address");
    if ((base != H_RSI && base != H_RDI) || kind(k, base) != K_STRING)
        return breach(k, "a string instruction without a window address");
    if (m && m->kind >= SITE_SEG_STRING)
        return kept_registers(k);
    return m && m->kind == SITE_STRING
               ? true
               : breach(k, "a fault would leave host pointers in RSI and RDI");
}

/* Largest value of an index, or UINT64_MAX. */
static uint64_t bound_of(const struct check *k, int r)
{
    switch (kind(k, r)) {
    case K_INDEX:
    case K_SHIFTED:
        return BT_JCACHE - 1;
    case K_VIEW:
        return NVIEWS - 1;
    case K_BIT:
        return 1;
    default:
        return UINT64_MAX;
    }
}

static bool inside(struct check *k, const ZydisDecodedOperand *o, int index, uint64_t size)
{
    uint64_t bytes = o->size / 8, last = (uint64_t)o->mem.disp.value;

    if (o->mem.disp.value < 0 || last > size || checker_is_bit_string(&k->in) ||
        o->mem.type != ZYDIS_MEMOP_TYPE_MEM)
        return breach(k, "beyond a structure of the monitor");
    if (index >= 0) {
        if (bound_of(k, index) == UINT64_MAX)
            return breach(k, "an index without a bound");
        last += bound_of(k, index) * o->mem.scale;
    }
    return last + bytes <= size ? true : breach(k, "beyond a structure of the monitor");
}

/* An entry of hot.base for a view, of hot.seg_mem for a bit. */
static bool is_entry(const struct check *k, const ZydisDecodedOperand *o, int index)
{
    int64_t off = o->mem.disp.value - HOT_SEGMEM;

    if (o->mem.scale != 8)
        return false;
    if (kind(k, index) == K_VIEW)
        return o->mem.disp.value == HOT_BASE;
    return kind(k, index) == K_BIT && off >= 0 && off < NSEG * 16 && off % 16 == 0;
}

/* Loads of segment registers in real mode and V86: selector, base, and where that is in the window.
 */
static bool is_segment_load(const struct check *k, const ZydisDecodedOperand *o, int base)
{
    static const uint8_t loadable = ~(1u << SEG_SS) & 0x3f; /* SS opens a shadow */
    const ZydisDecodedOperand *s = &k->op[1];
    int64_t off = o->mem.disp.value, at = off - CPU_SEG;
    int r = s->type == ZYDIS_OPERAND_TYPE_REGISTER ? checker_gpr(s->reg.value) : -1;

    if ((k->b->mode & (MODE_PE | MODE_VM | MODE_CS64)) == MODE_PE || r < 0 || s->size != o->size ||
        k->in.mnemonic != ZYDIS_MNEMONIC_MOV || o->mem.index != ZYDIS_REGISTER_NONE)
        return false;
    if (base == H_R14)
        return at >= 0 && at < NSEG * 24 && (loadable >> at / 24 & 1) && is_clean(&k->now.r[r]) &&
               ((at % 24 == 0 && o->size == 16) || (at % 24 == SEG_BASE && o->size == 64));
    if (off >= HOT_SEL && off < HOT_SEL + NSEG * 4)
        return off % 4 == HOT_SEL % 4 && (loadable >> (off - HOT_SEL) / 4 & 1) && o->size == 32 &&
               is_clean(&k->now.r[r]);
    off -= HOT_SEGMEM;
    return off >= 0 && off < NSEG * 16 && off % 16 == 0 && (loadable >> off / 16 & 1) &&
           o->size == 64 && kind(k, r) == K_SEGMENT;
}

/* What an instruction of kernels finds in the guest's memory, for its stub. */
static bool iret_word(const struct check *k, const ZydisDecodedOperand *o, int index)
{
    int64_t at = o->mem.disp.value;
    int r = k->op[1].type == ZYDIS_OPERAND_TYPE_REGISTER ? checker_gpr(k->op[1].reg.value) : -1;

    return index < 0 && o->size == 64 && checker_gpr(o->mem.base) == H_R15 && at >= HOT_FRAME &&
           at < HOT_CROSSINGS && at % 8 == 0 && !(k->b->mode & (MODE_CPL3 | MODE_CPL12)) &&
           k->in.mnemonic == ZYDIS_MNEMONIC_MOV && r >= 0 && is_guests(&k->now.r[r]);
}

static bool monitor_operand(struct check *k, const ZydisDecodedOperand *o, int base, int index)
{
    bool flag_byte =
        index < 0 && o->size == 8 && o->mem.disp.value == (base == H_R14 ? CPU_IFLAG : HOT_DF);

    if (o->mem.segment == ZYDIS_REGISTER_GS || o->mem.segment == ZYDIS_REGISTER_FS ||
        k->in.address_width != 64)
        return breach(k, "monitor memory through a segment");
    if (checker_is_bit_string(&k->in))
        return breach(k, "a bit string in monitor memory");
    if (flag_byte && base == H_R14 && checker_writes(o) && !(k->b->mode & MODE_IOPL_OK) &&
        (k->b->mode & (MODE_CPL3 | MODE_CPL12)))
        return breach(k, "IF without the right to it");
    if (flag_byte || (checker_writes(o) && is_segment_load(k, o, base)))
        return true;
    if (base == H_R14)
        return checker32_control_register(k, o, index) ? true : breach(k, "CPU state");
    if (checker_writes(o))
        return iret_word(k, o, index) ? true : breach(k, "write to monitor memory");
    if (base == H_R15 && index >= 0 && !is_entry(k, o, index))
        return breach(k, "indexed access to the hot structure");
    if (base == H_R15)
        return inside(k, o, index, sizeof(struct bt_hot));
    return inside(k, o, index, kind(k, base) == K_CTX ? sizeof(struct bt_ctx) : SMMU_VIEW_ENTRIES);
}

static bool memory_ok(struct check *k, const ZydisDecodedOperand *o)
{
    int base = checker_gpr(o->mem.base), index = checker_gpr(o->mem.index);

    if (o->mem.type == ZYDIS_MEMOP_TYPE_AGEN || k->in.meta.category == ZYDIS_CATEGORY_WIDENOP)
        return true;
    if (k->in.meta.category == ZYDIS_CATEGORY_STRINGOP)
        return string_operand(k, o, base);
    if (base == H_R14 || base == H_R15 || kind(k, base) == K_CTX || kind(k, base) == K_VIEWS)
        return monitor_operand(k, o, base, index);
    if (k->in.address_width == 32)
        return window_operand(k, o);
    if (o->mem.segment == ZYDIS_REGISTER_GS || o->mem.segment == ZYDIS_REGISTER_FS)
        return breach(k, "64-bit address with a segment");
    if (base < 0)
        return breach(k, "memory operand of no allowed form");
    if (kind(k, base) == K_POLL)
        return index < 0 && !checker_writes(o) && o->size == 8 && o->mem.disp.value == 0
                   ? true
                   : breach(k, "a poll of more than its byte");
    if (kind(k, base) == K_BASE)
        return r13_operand(k, o, index);
    if (kind(k, base) == K_SEGMENT)
        return segment_operand(k, o, index);
    return based_operand(k, o, base, index);
}
/* ---- branches ---- */

static bool add_label(struct check *k, uint32_t off, const struct facts *f)
{
    for (unsigned i = 0; i < k->nlabels; i++)
        if (k->label[i].off == off) {
            join(&k->label[i].f, f);
            return true;
        }
    if (k->nlabels == MAX_LABELS)
        return breach(k, "more branches than the checker follows");
    k->label[k->nlabels++] = (struct label){off, *f};
    return true;
}

static bool is_own_exit(const struct check *k, uint64_t p)
{
    for (unsigned i = 0; i < k->b->nexits; i++)
        if (p == (uint64_t)(uintptr_t)&k->b->exits[i])
            return true;
    return false;
}

static bool is_kept_insn(const struct check *k, uint64_t p)
{
    uint64_t arena = (uint64_t)(uintptr_t)k->e->arena;

    return p >= arena && p % 16 == 0 && p - arena + sizeof(struct insn) <= k->e->arena_used;
}

static bool is_callout(unsigned stub)
{
    return stub >= STUB_CALLOUT && stub <= STUB_STORE;
}

/* SYSENTER and CPUID may come from anywhere; all else that is done without a callout takes CPL 0.
 */
static bool crossing_ok(struct check *k, unsigned stub, const struct fact *r8)
{
    const struct insn *i = (const struct insn *)(uintptr_t)r8->value;
    bool loads = stub == STUB_LOAD_SEG || stub == STUB_POP_SEG;

    if (stub != STUB_CALLOUT && stub != STUB_SYSENTER && stub != STUB_CPUID &&
        (k->b->mode & (MODE_CPL3 | MODE_CPL12)))
        return breach(k, "a stub of kernels");
    if (stub != STUB_CALLOUT && stub != STUB_CPUID && (k->b->mode & MODE_LMA))
        return breach(k, "a stub of another mode");
    if (!loads)
        return true;
    if (i->op[0].kind != OPND_SEG || i->op[0].reg >= NSEG || i->op[0].reg == SEG_CS ||
        i->op[0].reg == SEG_SS)
        return breach(k, "not a load of a segment register");
    return is_clean(&k->now.r[H_R10]) ? true : breach(k, "a selector that is the monitor's");
}

/* A fixed stub with the arguments it takes (bt_asm.S). */
static bool stub_ok(struct check *k, unsigned stub)
{
    const struct fact *r8 = &k->now.r[H_R8], *r9 = &k->now.r[H_R9];
    bool call = k->in.mnemonic == ZYDIS_MNEMONIC_CALL;

    if (call != is_callout(stub))
        return breach(k, "CALL is for callouts and callouts are CALLed");
    if (!guests_clean(k))
        return false;
    if (stub >= STUB64_DIRECT)
        return breach(k, "a stub of 64-bit code");
    if (is_callout(stub) &&
        !(r8->what == K_CONST && is_kept_insn(k, r8->value) && r9->what == K_CONST && is_u32(r9)))
        return breach(k, "a callout without its instruction");
    if (is_callout(stub) && !crossing_ok(k, stub, r8))
        return false;
    if (stub == STUB_DIRECT && !(r8->what == K_CONST && is_own_exit(k, r8->value)))
        return breach(k, "a direct exit that is not the block's own");
    if (stub == STUB_STRAY && (kind(k, H_R8) != K_TARGET || !is_clean(&k->now.r[H_R10])))
        return breach(k, "a stray that did not land here");
    if ((stub == STUB_INDIRECT || stub == STUB_WORD) && !is_clean(r8) &&
        !(stub == STUB_INDIRECT && r8->what == K_KEY))
        return breach(k, "an exit without a guest address");
    return true;
}

/* jmp [r9 * 8] */
static bool landing_ok(struct check *k, const ZydisDecodedOperand *o)
{
    if (k->in.mnemonic != ZYDIS_MNEMONIC_JMP || k->in.address_width != 64 ||
        o->mem.segment == ZYDIS_REGISTER_GS || o->mem.segment == ZYDIS_REGISTER_FS ||
        o->mem.base != ZYDIS_REGISTER_NONE || checker_gpr(o->mem.index) != H_R9 ||
        o->mem.scale != 8 || o->mem.disp.value != 0 || kind(k, H_R9) != K_LANDING ||
        !is_clean(&k->now.r[H_R8]))
        return breach(k, "indirect branch not through the landings");
    return guests_clean(k);
}

static bool jump_cache_ok(struct check *k, const ZydisDecodedOperand *o)
{
    if (k->in.mnemonic != ZYDIS_MNEMONIC_JMP || k->in.address_width != 64 ||
        o->mem.segment == ZYDIS_REGISTER_GS || o->mem.segment == ZYDIS_REGISTER_FS ||
        checker_gpr(o->mem.base) != H_R11 || checker_gpr(o->mem.index) != H_R9 ||
        o->mem.scale != 8 || o->mem.disp.value != CTX_HOSTS || kind(k, H_R11) != K_CTX ||
        kind(k, H_R9) != K_INDEX)
        return breach(k, "indirect branch not through the jump cache");
    if (!k->now.tag_ok)
        return breach(k, "jump cache before its tag has matched");
    return guests_clean(k);
}

static bool branch_ok(struct check *k)
{
    const ZydisDecodedOperand *o = &k->op[0];
    uint64_t target = 0, stubs = (uint64_t)(uintptr_t)k->e->code.rx,
             code = (uint64_t)(uintptr_t)k->b->code;
    struct facts taken = k->now;

    if (k->in.meta.branch_type == ZYDIS_BRANCH_TYPE_FAR)
        return breach(k, "far branch");
    /* Intel ignores 66h here, AMD cuts RIP to 16 bits and the displacement too (pitfalls B1) */
    if (k->in.attributes & ZYDIS_ATTRIB_HAS_OPERANDSIZE)
        return breach(k, "a near branch with 66h");
    if (o->type == ZYDIS_OPERAND_TYPE_MEMORY)
        return bt_segmented(k->b->mode) ? jump_cache_ok(k, o) : landing_ok(k, o);
    if (o->type != ZYDIS_OPERAND_TYPE_IMMEDIATE)
        return breach(k, "branch through a register");
    if (string_pointers_live(k))
        return breach(k, "a branch while RSI or RDI is a host pointer");
    ZydisCalcAbsoluteAddress(&k->in, o, k->pc, &target);
    if (target - stubs < NSTUBS * STUB_BYTES)
        return (target - stubs) % STUB_BYTES == 0
                   ? stub_ok(k, (unsigned)(target - stubs) / STUB_BYTES)
                   : breach(k, "branch into a stub");
    if (k->in.mnemonic == ZYDIS_MNEMONIC_CALL)
        return breach(k, "CALL is for callouts and callouts are CALLed");
    if (target - code >= k->b->code_len || target <= k->pc)
        return breach(k, "branch out of the block, or backward");
    if (k->landing && !(k->in.mnemonic == ZYDIS_MNEMONIC_JECXZ && kind(k, H_RCX) == K_FROM_HERE))
        return breach(k, "a landing that was not looked for");
    /* RCX is zero where JRCXZ goes */
    if (k->in.mnemonic == ZYDIS_MNEMONIC_JRCXZ && kind(k, H_RCX) == K_MATCH64)
        taken.tag_ok = kind(k, H_R8) == K_KEY;
    return add_label(k, (uint32_t)(target - code), &taken);
}

/* ---- the walk ---- */

static bool instruction_ok(struct check *k)
{
    ZydisInstructionCategory c = k->in.meta.category;
    bool jump = c == ZYDIS_CATEGORY_UNCOND_BR;

    if (!checker_isa_allows(&k->in) && k->in.mnemonic != ZYDIS_MNEMONIC_JRCXZ &&
        k->in.mnemonic != ZYDIS_MNEMONIC_RDTSC)
        return breach(k, "instruction of a forbidden kind");
    if (jump || c == ZYDIS_CATEGORY_COND_BR || c == ZYDIS_CATEGORY_CALL) {
        if (!branch_ok(k))
            return false;
        if (c == ZYDIS_CATEGORY_CALL)
            forget_scratch(&k->now);
        k->now.reachable = !jump;
        return true;
    }
    for (unsigned i = 0; i < k->in.operand_count; i++)
        if (k->op[i].type == ZYDIS_OPERAND_TYPE_MEMORY && !memory_ok(k, &k->op[i]))
            return false;
    if (!checker32_registers_ok(k))
        return false;
    k->now.reachable = k->in.mnemonic != ZYDIS_MNEMONIC_UD2;
    return true;
}

/* Nothing leads here but other blocks: R8D is where they wanted to go. */
static bool landing(struct check *k)
{
    if (k->now.reachable)
        return breach(k, "a landing that the block runs into");
    forget_scratch(&k->now);
    k->now.r[H_R8].what = K_TARGET;
    k->now.reachable = k->landing = k->landed = true;
    return true;
}

/* Labels that end here add their facts. One that was passed over pointed into an instruction.
 */
static bool arrive(struct check *k)
{
    unsigned kept = 0;

    if (k->pc == (uint64_t)(uintptr_t)k->b->landing && !bt_segmented(k->b->mode) && !landing(k))
        return false;
    if (k->landing && k->pc == (uint64_t)(uintptr_t)k->b->entry)
        return breach(k, "a landing that runs into the block");
    for (unsigned i = 0; i < k->nlabels; i++) {
        if (k->label[i].off < k->off)
            return breach(k, "branch into an instruction");
        if (k->label[i].off == k->off)
            join(&k->now, &k->label[i].f);
        else
            k->label[kept++] = k->label[i];
    }
    k->nlabels = kept;
    return k->now.reachable ? true : breach(k, "code that nothing leads to");
}

static bool walk(struct check *k)
{
    const uint8_t *code = k->b->code;
    ZydisDecoder dec;

    ZydisDecoderInit(&dec, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    k->pc = (uint64_t)(uintptr_t)code;
    forget_scratch(&k->now);
    k->now.reachable = true;
    for (k->off = 0; k->off < k->b->code_len; k->off += k->in.length) {
        k->pc = (uint64_t)(uintptr_t)code + k->off;
        if (!arrive(k))
            return false;
        if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(&dec, code + k->off, k->b->code_len - k->off,
                                                 &k->in, k->op)))
            return breach(k, "undecodable bytes");
        if (!instruction_ok(k))
            return false;
        k->landing &= k->now.reachable;
    }
    if (k->nlabels)
        return breach(k, "branch into an instruction");
    if (!k->landed && !bt_segmented(k->b->mode))
        return breach(k, "a block without a landing");
    return k->now.reachable ? breach(k, "control runs off the end") : true;
}

static bool long_block_in_jail(const struct engine *e, const struct bt_block *b, const char **why,
                               uint64_t *where)
{
    struct check64 k = {.e = e, .b = b};
    bool ok = checker64_block(&k);

    *why = k.why;
    *where = k.pc;
    return ok;
}

bool bt_block_in_jail(const struct engine *e, const struct bt_block *b, const char **why,
                      uint64_t *where)
{
    struct check k = {.e = e, .b = b};
    bool ok;

    /* chains within a page skip no more than the look at CS's limit */
    if (b->body < b->entry || b->body >= b->code + b->code_len ||
        (b->body != b->entry && !b->page2 && !(b->mode & MODE_ODD_CS))) {
        *why = "a body that is not behind the entry";
        *where = (uint64_t)(uintptr_t)b->code;
        return false;
    }
    if (b->mode & MODE_CS64)
        return long_block_in_jail(e, b, why, where);
    ok = walk(&k);
    *why = k.why;
    *where = k.pc;
    return ok;
}
