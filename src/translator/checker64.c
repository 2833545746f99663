/* The jail checker's walk over a block of 64-bit code: see checker64.h. Where control goes, and
 * what must be true there. */
#include "translator/checker64.h"

#include "translator/bt_offsets.h"

/* ---- facts ---- */

static bool equal(const struct held *a, const struct held *b)
{
    return a->what == b->what && a->id == b->id && a->of == b->of && a->with == b->with &&
           a->value == b->value && a->at == b->at && a->slack == b->slack;
}

static void meet(struct check64 *k, struct held *to, const struct held *h)
{
    if (!equal(to, h))
        *to = held_new(k, held_clean(to) && held_clean(h) ? HELD_GUEST : HELD_ANY);
}

static void join(struct check64 *k, struct facts64 *to, const struct facts64 *f)
{
    if (!to->reachable) {
        *to = *f;
        return;
    }
    for (unsigned r = 0; r < NGPR; r++) {
        meet(k, &to->r[r], &f->r[r]);
        meet(k, &to->home[r], &f->home[r]);
        if (to->in[r] != f->in[r])
            to->in[r] = 0;
    }
    for (unsigned n = 0; n < BT_DELTAS; n++)
        meet(k, &to->word[n], &f->word[n]);
    for (unsigned s = 0; s < 2; s++)
        if (to->str[s] != f->str[s])
            to->str[s] = STR_UNKNOWN;
    to->here &= f->here;
    to->rsp_true &= f->rsp_true && to->rsp_since == f->rsp_since;
    if (f->rsp_far > to->rsp_far)
        to->rsp_far = f->rsp_far;
    if (to->branch != f->branch)
        to->branch = 0;
    to->words &= f->words;
}

/* What the engine, other blocks and callouts promise: the guest's registers where lower64.h has
 * them, and nothing else. */
static struct facts64 border(struct check64 *k, uint64_t rsp_far, uint8_t words)
{
    struct facts64 f = {.str = {STR_UNKNOWN, STR_UNKNOWN},
                        .rsp_true = true,
                        .rsp_far = rsp_far,
                        .words = words,
                        .reachable = true};

    for (unsigned r = 0; r < NGPR; r++) {
        bool at_home = r == R10 || r == R11;
        struct held h = held_new(k, HELD_GUEST);

        f.in[r] = h.id;
        if (r == RSP)
            continue;
        f.r[r] = at_home ? held_new(k, HELD_ANY) : h;
        f.home[r] = at_home ? h : held_new(k, HELD_ANY);
    }
    for (unsigned n = 0; n < BT_DELTAS; n++)
        f.word[n] = held_new(k, HELD_ANY);
    f.rsp_since = ++k->next_id;
    return f;
}

/* ---- the guest's state ---- */

static bool words_ok(struct check64 *k)
{
    return k->now.words == (k->b->page2 ? 3 : 1)
               ? true
               : breach64(k, "before the words of its pages were compared");
}

static bool is_pointer(int r)
{
    return r == RSI || r == RDI;
}

bool checker64_fault_state(struct check64 *k, enum bt_site_kind kind)
{
    if (site_kind(k) != kind)
        return breach64(k, "an access of another kind than the fault map says");
    if (!words_ok(k))
        return false;
    if (!k->now.rsp_true)
        return breach64(k, "a fault would find hot.rsp_not untrue");
    for (int r = 0; r < NGPR; r++) {
        bool home = k->b->borrowed >> r & 1;

        if (r == RSP || ((r == R10 || r == R11) && !(k->b->loaded >> r & 1)))
            continue;
        if ((k->b->loaded >> r & 1) && !(k->now.here >> r & 1))
            return breach64(k, "a fault would find no guest value in R10 or R11");
        if (home && k->now.home[r].id != k->now.in[r])
            return breach64(k, "a fault would find a borrowed register's value lost");
        if (!home && !held_clean(&k->now.r[r]) &&
            !(kind == SITE_STRING && is_pointer(r) && k->now.r[r].what == HELD_HOST))
            return breach64(k, "a fault would find a host value in a guest register");
    }
    return true;
}

/* For a stub, or another block. */
static bool leaving(struct check64 *k)
{
    if (!k->now.rsp_true)
        return breach64(k, "leaves with hot.rsp_not untrue");
    for (int r = 0; r < NGPR; r++) {
        if (r == RSP)
            continue;
        if (r == R10 || r == R11) {
            if ((k->now.here >> r & 1) && k->now.home[r].id != k->now.r[r].id)
                return breach64(k, "leaves with R10 or R11 not at home");
            continue;
        }
        if (!held_clean(&k->now.r[r]))
            return breach64(k, "a guest register holds a host value where control leaves");
        if ((k->b->borrowed >> r & 1) && k->now.r[r].id != k->now.in[r])
            return breach64(k, "leaves without a borrowed register's value");
    }
    return true;
}

/* For another block. */
static bool chaining(struct check64 *k)
{
    if (k->now.rsp_far > RSP_NEAR)
        return breach64(k, "leaves with RSP moved and not touched");
    return words_ok(k) && leaving(k);
}

/* ---- branches ---- */

static bool add_label(struct check64 *k, uint32_t off, const struct facts64 *f)
{
    for (unsigned i = 0; i < k->nlabels; i++)
        if (k->label[i].off == off) {
            join(k, &k->label[i].f, f);
            return true;
        }
    if (k->nlabels == MAX_LABELS64)
        return breach64(k, "more branches than the checker follows");
    k->label[k->nlabels++] = (struct label64){off, *f};
    return true;
}

static const struct bt_exit *exit_at(const struct check64 *k, uint64_t p)
{
    for (unsigned i = 0; i < k->b->nexits; i++)
        if (p == (uint64_t)(uintptr_t)&k->b->exits[i])
            return &k->b->exits[i];
    return NULL;
}

/* Kept for this block: between the block and its exits in the arena. */
static const struct bt_callout *callout_at(const struct check64 *k, uint64_t p)
{
    uint64_t first = (uint64_t)(uintptr_t)k->b, last = (uint64_t)(uintptr_t)k->b->exits;

    return p > first && p < last && p % 64 == 0 && p + sizeof(struct bt_callout) <= last
               ? (const struct bt_callout *)(uintptr_t)p
               : NULL;
}

bool checker64_own(const struct check64 *k, uint64_t p)
{
    return exit_at(k, p) || callout_at(k, p);
}

/* Control comes back at `resume`, right behind the jump. */
static bool callout_ok(struct check64 *k, const struct held *r11, uint64_t rsp_far)
{
    const struct bt_callout *c = r11->what == HELD_OWN ? callout_at(k, r11->value) : NULL;
    struct facts64 f;

    if (!c)
        return breach64(k, "a callout that is not the block's own");
    if ((uint64_t)(uintptr_t)c->resume != k->pc + k->in.length ||
        c->rip - k->b->rip >= k->b->guest_len)
        return breach64(k, "a callout of another place");
    if (!words_ok(k))
        return false;
    f = border(k, rsp_far, k->now.words);
    return add_label(k, k->off + k->in.length, &f);
}

/* The stubs that change the privilege level, or are for CPL 0, don't ask. */
static bool level_ok(struct check64 *k, bool user)
{
    return (k->b->mode & (MODE_CPL3 | MODE_CPL12)) == (user ? MODE_CPL3 : 0)
               ? true
               : breach64(k, "a stub for another privilege level");
}

/* RCX is in R10, and the landing had no use for anything else. */
static bool stray_ok(struct check64 *k)
{
    if (!k->landing || k->now.r[R11].id != k->target)
        return breach64(k, "a stray that did not land here");
    k->now.r[RCX] = k->now.r[R10];
    return k->now.r[RCX].id == k->now.in[RCX] ? leaving(k) : breach64(k, "a stray without its RCX");
}

/* A fixed stub with what it takes in R11 (bt64_asm.S). */
static bool stub_ok(struct check64 *k, unsigned stub)
{
    const struct held *r11 = &k->now.r[R11];

    if (k->in.mnemonic != ZYDIS_MNEMONIC_JMP)
        return breach64(k, "a conditional branch to a stub");
    if (stub == STUB64_STRAY)
        return stray_ok(k);
    if (!leaving(k))
        return false;
    switch (stub) {
    case STUB64_DIRECT:
        return words_ok(k) && r11->what == HELD_OWN && exit_at(k, r11->value)
                   ? true
                   : breach64(k, "a direct exit that is not the block's own");
    case STUB64_WORD:
        return r11->what == HELD_CONST && r11->value == k->b->rip
                   ? true
                   : breach64(k, "a word exit to another address");
    case STUB64_CALLOUT:
        return callout_ok(k, r11, 0); /* RSP is looked up again */
    case STUB64_SYSCALL:
        return level_ok(k, true) && callout_ok(k, r11, 0);
    case STUB64_SYSRET:
    case STUB64_IRET:
        return level_ok(k, false) && callout_ok(k, r11, 0);
    case STUB64_CPUID:
    case STUB64_WRFSBASE:
    case STUB64_WRGSBASE:
        return callout_ok(k, r11, k->now.rsp_far);
    case STUB64_SWAPGS:
    case STUB64_CLTS:
    case STUB64_MOV_CR0:
    case STUB64_LGDT:
    case STUB64_LIDT:
    case STUB64_RDMSR:
    case STUB64_WRMSR:
    case STUB64_LOAD_SEG:
    case STUB64_STORE:
        return level_ok(k, false) && callout_ok(k, r11, k->now.rsp_far);
    case STUB64_POPF: /* RSP += 8 */
        return level_ok(k, false) && callout_ok(k, r11, k->now.rsp_far + 8);
    default:
        return breach64(k, "a stub of 32-bit code");
    }
}

/* R11 = target, hot.branch = this one: bt64_undo_branch() makes guest state of it. */
static bool indirect_ok(struct check64 *k, const ZydisDecodedOperand *o)
{
    const struct held *at = &k->now.r[R10], *target = &k->now.r[R11];

    if (k->in.mnemonic != ZYDIS_MNEMONIC_JMP || k->in.address_width != 64 ||
        o->mem.segment == ZYDIS_REGISTER_GS || o->mem.segment == ZYDIS_REGISTER_FS ||
        o->mem.base != ZYDIS_REGISTER_NONE || checker_gpr(o->mem.index) != R10 ||
        o->mem.scale != 8 || o->mem.disp.value != 0 || at->what != HELD_LANDING)
        return breach64(k, "indirect branch not through the landings");
    if (!held_clean(target) || target->id != at->of)
        return breach64(k, "the landing of another target");
    if (!k->now.branch || k->now.branch != site_branch(k))
        return breach64(k, "an indirect branch that is not named");
    return chaining(k);
}

/* A branch that will be aimed at other blocks; now it goes to its stub. */
static bool exit_branch_ok(struct check64 *k, unsigned n, uint64_t target)
{
    if (k->exits_seen >> n & 1)
        return breach64(k, "two branches of one exit");
    k->exits_seen |= 1u << n;
    if (checker64_open_at(k) >= 0 && checker64_open_at(k) != (int)n)
        return breach64(k, "an exit that is another's open form");
    if (target != (uint64_t)(uintptr_t)k->b->exits[n].stub)
        return breach64(k, "an exit that is not aimed at its stub");
    return chaining(k);
}

/* Which exit's rel32 ends here? */
static int exit_of_branch(const struct check64 *k)
{
    uint64_t rel32 = k->pc + k->in.length - 4;

    for (unsigned i = 0; i < k->b->nexits; i++)
        if (k->in.raw.imm[0].size == 32 &&
            (uint64_t)(uintptr_t)codemem_to_rx(&k->e->code, k->b->exits[i].jump) == rel32)
            return (int)i;
    return -1;
}

/* JECXZ and JRCXZ tell what RCX holds; where they go it is zero. */
static bool counter_ok(struct check64 *k, struct facts64 *taken)
{
    const struct held *c = &k->now.r[RCX];

    if (k->in.mnemonic == ZYDIS_MNEMONIC_JECXZ && c->what == HELD_WORD_SUM)
        taken->words |= (uint8_t)(1u << c->with);
    else if (k->in.mnemonic == ZYDIS_MNEMONIC_JRCXZ && c->what == HELD_FROM_HERE)
        taken->words |= 1;
    else if (!held_clean(c))
        return breach64(k, "a branch on a host value");
    return true;
}

static bool local_ok(struct check64 *k, uint64_t target)
{
    uint64_t code = (uint64_t)(uintptr_t)k->b->code;
    struct facts64 taken = k->now;

    if (target - code >= k->b->code_len || target <= k->pc)
        return breach64(k, "branch out of the block, or backward");
    if ((k->in.mnemonic == ZYDIS_MNEMONIC_JECXZ || k->in.mnemonic == ZYDIS_MNEMONIC_JRCXZ) &&
        !counter_ok(k, &taken))
        return false;
    if (k->landing && !(taken.words & 1))
        return breach64(k, "a landing that was not looked for");
    return add_label(k, (uint32_t)(target - code), &taken);
}

static bool branch_ok(struct check64 *k)
{
    const ZydisDecodedOperand *o = &k->op[0];
    uint64_t target = 0, stubs = (uint64_t)(uintptr_t)k->e->code.rx;
    int n;

    if (k->in.meta.branch_type == ZYDIS_BRANCH_TYPE_FAR)
        return breach64(k, "far branch");
    if (k->in.attributes & ZYDIS_ATTRIB_HAS_OPERANDSIZE)
        return breach64(k, "a near branch with 66h");
    if (o->type == ZYDIS_OPERAND_TYPE_MEMORY)
        return indirect_ok(k, o);
    if (o->type != ZYDIS_OPERAND_TYPE_IMMEDIATE)
        return breach64(k, "branch through a register");
    ZydisCalcAbsoluteAddress(&k->in, o, k->pc, &target);
    n = exit_of_branch(k);
    if (n >= 0 && !exit_branch_ok(k, (unsigned)n, target))
        return false;
    if (target - stubs < NSTUBS * STUB_BYTES)
        return (target - stubs) % STUB_BYTES == 0
                   ? stub_ok(k, (unsigned)(target - stubs) / STUB_BYTES)
                   : breach64(k, "branch into a stub");
    return local_ok(k, target);
}

/* ---- the walk ---- */

static bool instruction_ok(struct check64 *k)
{
    ZydisInstructionCategory c = k->in.meta.category;
    bool jump = c == ZYDIS_CATEGORY_UNCOND_BR;
    int open = checker64_open_at(k);

    if (open >= 0 && !checker64_open_ok(k, (unsigned)open))
        return false;
    if (open >= 0 && k->in.mnemonic == ZYDIS_MNEMONIC_NOP)
        return true;
    if (!checker_isa_allows64(&k->in))
        return breach64(k, "instruction of a forbidden kind");
    if (jump || c == ZYDIS_CATEGORY_COND_BR) {
        if (!branch_ok(k))
            return false;
        k->now.reachable = !jump;
        return true;
    }
    if (!checker64_insn(k))
        return false;
    k->now.reachable = k->in.mnemonic != ZYDIS_MNEMONIC_UD2;
    return true;
}

/* From here on nothing is known but what the loop's other blocks promise as well. */
static bool inner_entry(struct check64 *k)
{
    if (!k->now.reachable || !checker64_loop_kept(k))
        return k->why ? false : breach64(k, "an inner entry that nothing leads to");
    k->now = border(k, RSP_NEAR, 1);
    checker64_loop_facts(k, &k->now);
    k->inner_seen = true;
    return true;
}

/* Nothing leads here but other blocks: R11 is where they wanted to go. */
static bool landing(struct check64 *k)
{
    if (k->now.reachable)
        return breach64(k, "a landing that the block runs into");
    k->now = k->enter;
    k->now.r[R11] = held_new(k, HELD_GUEST);
    k->target = k->now.r[R11].id;
    k->landing = k->landed = true;
    return true;
}

/* Labels that end here add their facts. One that was passed over pointed into an instruction. */
static bool arrive(struct check64 *k)
{
    unsigned kept = 0;

    if (k->pc == (uint64_t)(uintptr_t)k->b->landing && !landing(k))
        return false;
    if (k->pc == (uint64_t)(uintptr_t)k->b->entry && !(k->now.reachable && (k->now.words & 1)))
        return breach64(k, "an entry that the word's comparison does not lead to");
    for (unsigned i = 0; i < k->nlabels; i++) {
        if (k->label[i].off < k->off)
            return breach64(k, "branch into an instruction");
        if (k->label[i].off == k->off)
            join(k, &k->now, &k->label[i].f);
        else
            k->label[kept++] = k->label[i];
    }
    k->nlabels = kept;
    if (k->pc == (uint64_t)(uintptr_t)k->b->inner && !inner_entry(k))
        return false;
    return k->now.reachable ? true : breach64(k, "code that nothing leads to");
}

/* The block's entries: checked, landing, entry. */
static bool enter(struct check64 *k)
{
    uint64_t entry = (uint64_t)(k->b->entry - k->b->code);
    struct facts64 f;

    if (k->b->checked != k->b->code || entry == 0 || entry >= k->b->code_len)
        return breach64(k, "entries of no block");
    f = k->now = k->enter = border(k, RSP_NEAR, 0);
    f.words = 1;
    return add_label(k, (uint32_t)entry, &f);
}

bool checker64_block(struct check64 *k)
{
    const uint8_t *code = k->b->code;
    ZydisDecoder dec;

    ZydisDecoderInit(&dec, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    k->pc = (uint64_t)(uintptr_t)code;
    if (!checker64_loop_sane(k) || !enter(k))
        return false;
    for (k->off = 0; k->off < k->b->code_len; k->off += k->in.length) {
        k->pc = (uint64_t)(uintptr_t)code + k->off;
        if (!arrive(k))
            return false;
        if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(&dec, code + k->off, k->b->code_len - k->off,
                                                 &k->in, k->op)))
            return breach64(k, "undecodable bytes");
        if (!instruction_ok(k))
            return false;
        k->landing &= k->now.reachable;
    }
    if (k->nlabels)
        return breach64(k, "branch into an instruction");
    if (!k->landed)
        return breach64(k, "a block without a landing");
    if (k->exits_seen != (1u << k->b->nexits) - 1)
        return breach64(k, "an exit without its branch");
    if (k->inner_seen != (k->b->loop != NULL))
        return breach64(k, "a loop's block without an inner entry");
    if (!checker64_opens_seen(k))
        return false;
    return k->now.reachable ? breach64(k, "control runs off the end") : true;
}
