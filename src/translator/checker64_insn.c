/* The jail checker on what instructions of 64-bit blocks do to registers: see checker64.h. */
#include "translator/checker64.h"

#include "translator/bt_offsets.h"

static int reg_of(const ZydisDecodedOperand *o)
{
    return o->type == ZYDIS_OPERAND_TYPE_REGISTER ? checker_gpr(o->reg.value) : -1;
}

/* The monitor takes R10 or R11 over: the guest's value must be at home. */
static bool release(struct check64 *k, int r)
{
    if (k->now.home[r].id != k->now.r[r].id)
        return breach64(k, "the guest's R10 or R11 is lost");
    k->now.here &= (uint16_t) ~(1u << r);
    return true;
}

static bool set(struct check64 *k, int r, struct held h)
{
    if (r == RSP)
        return breach64(k, "RSP written");
    if ((k->now.here >> r & 1) && (site_kind(k) == SITE_CHECK || h.what == HELD_OWN) &&
        !release(k, r))
        return false;
    k->now.r[r] = h;
    return true;
}

static bool readable(struct check64 *k, int r)
{
    return r != RSP && held_clean(&k->now.r[r])
               ? true
               : breach64(k, "a host value where the guest's is expected");
}

/* ---- everything that has no rule of its own: guest's values in, guest's values out ---- */

/* The monitor's words as an operand: those that hold guest state. */
static bool word_operand(struct check64 *k, const ZydisDecodedOperand *o)
{
    struct held h;

    if (checker_writes(o))
        return breach64(k, "write to monitor memory");
    if (!checker64_load(k, o, PLACE_HOT, &h))
        return false;
    return h.what == HELD_GUEST ? true : breach64(k, "a host value as an operand");
}

static bool memory_operand(struct check64 *k, const ZydisDecodedOperand *o)
{
    enum place at = checker64_place(k, o);

    if (at == PLACE_HOT)
        return word_operand(k, o);
    if (at == PLACE_BAD)
        return false;
    return at == PLACE_GUEST ? true : breach64(k, "monitor memory as an operand");
}

static bool reads_ok(struct check64 *k)
{
    for (unsigned i = 0; i < k->in.operand_count; i++) {
        const ZydisDecodedOperand *o = &k->op[i];
        int r = reg_of(o);

        if (o->type == ZYDIS_OPERAND_TYPE_MEMORY && !memory_operand(k, o))
            return false;
        if (r >= 0 && checker_reads(o) && !readable(k, r))
            return false;
    }
    return true;
}

/* BSF and its like may leave their destination as it was, whatever is said of them. */
static bool keeps_part(const struct check64 *k, const ZydisDecodedOperand *o)
{
    return o->size < 32 || (o->actions & ZYDIS_OPERAND_ACTION_CONDWRITE) ||
           k->in.mnemonic == ZYDIS_MNEMONIC_BSF || k->in.mnemonic == ZYDIS_MNEMONIC_BSR;
}

static bool writes_ok(struct check64 *k)
{
    struct held h;

    for (unsigned i = 0; i < k->in.operand_count; i++) {
        const ZydisDecodedOperand *o = &k->op[i];
        int r = reg_of(o);

        if (r < 0 || !checker_writes(o))
            continue;
        if (keeps_part(k, o) && !readable(k, r))
            return false;
        h = held_new(k, HELD_GUEST);
        checker64_result(k, o, &k->now.r[r], &h);
        checker64_note_bytes(k, &h);
        if (!set(k, r, h))
            return false;
    }
    return true;
}

static bool is_vector(const ZydisDecodedOperand *o)
{
    ZydisRegisterClass c = o->type == ZYDIS_OPERAND_TYPE_REGISTER
                               ? ZydisRegisterGetClass(o->reg.value)
                               : ZYDIS_REGCLASS_INVALID;

    return c == ZYDIS_REGCLASS_X87 || c == ZYDIS_REGCLASS_MMX || c == ZYDIS_REGCLASS_XMM ||
           c == ZYDIS_REGCLASS_YMM;
}

/* #DE, #MF, #XM: without a memory operand, too. */
static bool may_trap(const struct check64 *k)
{
    bool vector = k->in.meta.category == ZYDIS_CATEGORY_X87_ALU;

    for (unsigned i = 0; i < k->in.operand_count; i++)
        vector |= is_vector(&k->op[i]);
    return vector || k->in.mnemonic == ZYDIS_MNEMONIC_DIV || k->in.mnemonic == ZYDIS_MNEMONIC_IDIV;
}

static bool general(struct check64 *k)
{
    if (may_trap(k) && !checker64_fault_state(k, SITE_PLAIN))
        return false;
    return reads_ok(k) && writes_ok(k);
}

/* ---- MOV, MOVZX ---- */

static bool load(struct check64 *k, int r, const ZydisDecodedOperand *m)
{
    enum place at = checker64_place(k, m);
    struct held h;
    bool homecoming;

    if (at == PLACE_BAD || !checker64_load(k, m, at, &h))
        return false;
    if (h.what == HELD_GUEST && m->size < 64)
        checker64_bound(&h, 0, (int64_t)((UINT64_C(1) << m->size) - 1));
    if (!set(k, r, h))
        return false;
    homecoming = at == PLACE_HOT && m->mem.disp.value == HOT_HOME + 8 * r;
    if ((r == R10 || r == R11) && homecoming && (k->b->loaded >> r & 1))
        k->now.here |= (uint16_t)(1u << r);
    return true;
}

static bool store(struct check64 *k)
{
    enum place at = checker64_place(k, &k->op[0]);
    int r = reg_of(&k->op[1]);

    if (at == PLACE_BAD)
        return false;
    if (at != PLACE_GUEST)
        return checker64_store(k, &k->op[0], at, &k->op[1]);
    return r < 0 || readable(k, r);
}

static struct held constant(struct check64 *k, uint64_t v)
{
    struct held h = held_new(k, checker64_own(k, v) ? HELD_OWN : HELD_CONST);

    h.value = v;
    checker64_bound(&h, (int64_t)v, (int64_t)v);
    return h;
}

/* 16 bits of the value in place of 16 that are zero. */
static bool landing_of(struct check64 *k, int r, int from)
{
    struct held h = held_new(k, HELD_LANDING);

    if (from < 0 || !readable(k, from))
        return k->why ? false : breach64(k, "the landing of no register");
    h.of = k->now.r[from].id;
    return set(k, r, h);
}

static bool mov(struct check64 *k)
{
    const ZydisDecodedOperand *d = &k->op[0], *s = &k->op[1];
    int r = reg_of(d), from = reg_of(s);
    struct held h;

    if (d->type == ZYDIS_OPERAND_TYPE_MEMORY)
        return store(k);
    if (d->size == 16 && kind64(k, r) == HELD_LANDINGS)
        return landing_of(k, r, from);
    if (r < 0 || d->size < 32)
        return general(k);
    if (s->type == ZYDIS_OPERAND_TYPE_IMMEDIATE)
        return set(k, r, constant(k, d->size == 32 ? (uint32_t)s->imm.value.u : s->imm.value.u));
    if (s->type == ZYDIS_OPERAND_TYPE_MEMORY)
        return load(k, r, s);
    if (from < 0 || from == RSP)
        return breach64(k, "a host value where the guest's is expected");
    h = k->now.r[from];
    if (d->size == 32 && !held_clean(&h))
        return breach64(k, "half a host value");
    if (d->size == 32 && !(h.what == HELD_CONST && h.value <= UINT32_MAX)) {
        bool whole = h.bounded && h.lo >= 0 && h.hi <= UINT32_MAX;
        int64_t lo = whole ? h.lo : 0, hi = whole ? h.hi : UINT32_MAX;

        h = held_new(k, HELD_GUEST);
        checker64_bound(&h, lo, hi);
    }
    return set(k, r, h);
}

static bool movzx(struct check64 *k)
{
    const ZydisDecodedOperand *s = &k->op[1];
    int r = reg_of(&k->op[0]), from = reg_of(s);
    struct held h;

    if (k->op[0].size < 32)
        return general(k);
    if (s->type == ZYDIS_OPERAND_TYPE_MEMORY)
        return load(k, r, s);
    if (!readable(k, from))
        return false;
    h = held_new(k, s->size == 16 && k->now.r[from].what == HELD_ROTATED ? HELD_PIECE : HELD_GUEST);
    h.of = k->now.r[from].of;
    checker64_bound(&h, 0, s->size == 8 ? UINT8_MAX : UINT16_MAX);
    return set(k, r, h);
}

/* ---- the arithmetic of look-ups ---- */

static bool rorx(struct check64 *k)
{
    int r = reg_of(&k->op[0]), from = reg_of(&k->op[1]);
    struct held h;

    if (k->op[0].size != 64 || from < 0 || k->op[2].imm.value.u != 32)
        return general(k);
    if (!readable(k, from))
        return false;
    h = held_new(k, HELD_ROTATED);
    h.of = k->now.r[from].id;
    return set(k, r, h);
}

static bool not64(struct check64 *k)
{
    int r = reg_of(&k->op[0]);
    struct held h;

    if (k->op[0].size != 64 || kind64(k, r) != HELD_DELTA)
        return general(k);
    h = held_new(k, HELD_NOT_DELTA);
    h.of = k->now.r[r].of;
    return set(k, r, h);
}

/* ---- LEA ---- */

struct lea {
    int r, base, index;
    unsigned size, scale;
    int64_t disp;
};

/* base + index, nothing else */
static bool plain_sum(const struct lea *l)
{
    return l->size == 64 && l->index >= 0 && l->scale == 1 && l->disp == 0;
}

static bool move_rsp(struct check64 *k, const struct lea *l)
{
    uint64_t far = (uint64_t)(l->disp < 0 ? -l->disp : l->disp);

    if (l->index >= 0)
        return breach64(k, "RSP moved by a register");
    k->now.rsp_far += far;
    return k->now.rsp_far <= RSP_FAR ? true : breach64(k, "RSP moved too far without a touch");
}

/* RSP = address + its delta. From here to the store of hot.rsp_not nothing may fault or leave. */
static bool set_rsp(struct check64 *k, const struct lea *l)
{
    if (l->size != 64)
        return breach64(k, "half of RSP");
    if (l->base == RSP)
        return move_rsp(k, l);
    if (l->base < 0 || kind64(k, l->index) != HELD_DELTA || l->scale != 1 || l->disp < 0 ||
        l->disp > 8 || !held_clean(&k->now.r[l->base]) ||
        k->now.r[l->index].of != k->now.r[l->base].id)
        return breach64(k, "RSP from what was not looked up");
    k->now.rsp_of = k->now.r[l->index].of;
    k->now.rsp_true = false;
    k->now.rsp_far = (uint64_t)l->disp;
    return true;
}

/* The guest's RSP: host's + hot.rsp_not + 1. */
static bool guest_rsp(struct check64 *k, const struct lea *l)
{
    if (l->size != 64 || kind64(k, l->index) != HELD_RSP_NOT || l->scale != 1 || l->disp != 1 ||
        !k->now.rsp_true || k->now.r[l->index].of != k->now.rsp_since)
        return breach64(k, "RSP as a value");
    return set(k, l->r, held_new(k, HELD_GUEST));
}

/* What a sum of one or two host values may be. HELD_ANY: nothing. */
static struct held host_sum(const struct check64 *k, const struct lea *l)
{
    static const struct held none;
    const struct held *b = l->base < 0 ? &none : &k->now.r[l->base];
    const struct held *i = l->index < 0 ? &none : &k->now.r[l->index];
    bool plain = plain_sum(l), pointer = l->r == l->base && (l->r == RSI || l->r == RDI);

    if (plain && pointer && held_clean(b) && i->what == HELD_DELTA && i->of == b->id)
        return (struct held){.what = HELD_HOST, .of = i->of};
    if (l->size == 64 && l->scale == 1 && l->disp == 1 && b->what == HELD_HOST &&
        i->what == HELD_NOT_DELTA && i->of == b->of)
        return (struct held){.what = HELD_GUEST};
    if (plain && b->what == HELD_DELTA && held_clean(i))
        return (struct held){.what = HELD_PARTLY,
                             .of = b->of,
                             .with = i->id,
                             .value = b->id,
                             .at = b->at,
                             .slack = b->slack};
    return none;
}

/* RCX = R11 - the block's address, at its landing. */
static bool is_from_here(const struct check64 *k, const struct lea *l)
{
    const struct held *b = &k->now.r[l->base], *i = &k->now.r[l->index < 0 ? RSP : l->index];
    uint64_t minus = 0 - k->b->rip;

    if (!k->landing || l->r != RCX || l->size != 64)
        return false;
    if (l->index < 0)
        return b->id == k->target && (uint64_t)l->disp == minus;
    return plain_sum(l) && b->what == HELD_CONST && b->value == minus && i->id == k->target;
}

/* The word of a page plus the page's id. */
static bool word_sum(const struct check64 *k, const struct lea *l, struct held *h)
{
    const struct held *b = &k->now.r[l->base];

    for (unsigned n = 0; n < 2; n++) {
        const struct bt_page *p = n ? k->b->page2 : k->b->page;

        if (p && l->size == 32 && l->index < 0 && p->vpn % BT_WORDS == b->value &&
            l->disp == (int32_t)p->id) {
            *h = (struct held){.what = HELD_WORD_SUM, .with = n};
            return true;
        }
    }
    return false;
}

static bool guest_sum(struct check64 *k, const struct lea *l)
{
    struct held h = held_new(k, HELD_GUEST);
    struct sum s = {.id = h.id, .scale = (uint8_t)l->scale, .disp = l->disp};

    if ((l->base >= 0 && !readable(k, l->base)) || (l->index >= 0 && !readable(k, l->index)))
        return false;
    s.base = l->base < 0 ? 0 : k->now.r[l->base].id;
    s.index = l->index < 0 ? 0 : k->now.r[l->index].id;
    if (l->size < 32 && !readable(k, l->r))
        return false;
    if (l->size == 32)
        checker64_bound(&h, 0, UINT32_MAX);
    else if (l->size == 64 && k->in.address_width == 64 && l->base >= 0 && l->index < 0)
        checker64_moved(k, &k->now.r[l->base], l->disp, &h);
    else if (l->size == 64 && k->in.address_width == 64 && l->base >= 0)
        checker64_add(k, &k->now.r[l->base], &k->now.r[l->index], l->scale, l->disp, &h);
    else if (l->size == 64 && k->in.address_width == 64)
        checker64_add_sum(k, s);
    return set(k, l->r, h);
}

static bool lea(struct check64 *k)
{
    const ZydisDecodedOperand *m = &k->op[1];
    struct lea l = {.r = reg_of(&k->op[0]),
                    .base = checker_gpr(m->mem.base),
                    .index = checker_gpr(m->mem.index),
                    .size = k->op[0].size,
                    .scale = m->mem.scale,
                    .disp = m->mem.disp.value};
    struct held h;

    if ((l.base < 0 && m->mem.base != ZYDIS_REGISTER_NONE))
        return breach64(k, "an address relative to the host's RIP");
    if (k->in.address_width == 64 && l.r == RSP)
        return set_rsp(k, &l);
    if (k->in.address_width == 64 && l.base == RSP)
        return guest_rsp(k, &l);
    if (k->in.address_width == 64) {
        h = host_sum(k, &l);
        if (l.base >= 0 && is_from_here(k, &l))
            h.what = HELD_FROM_HERE;
        if (kind64(k, l.base) == HELD_WORD && !word_sum(k, &l, &h))
            return breach64(k, "not the id of the word's page");
        if (h.what != HELD_ANY) {
            h.id = ++k->next_id;
            return set(k, l.r, h);
        }
    }
    return guest_sum(k, &l);
}

/* ---- stack and strings ---- */

static bool push_pop(struct check64 *k)
{
    const ZydisDecodedOperand *o = &k->op[0];
    bool pop = k->in.mnemonic == ZYDIS_MNEMONIC_POP;
    int r = reg_of(o);

    if (!checker64_fault_state(k, SITE_PLAIN))
        return false;
    if (o->type == ZYDIS_OPERAND_TYPE_MEMORY && pop && checker_gpr(o->mem.base) == RSP)
        return breach64(k, "POP to where RSP will be");
    if (o->type == ZYDIS_OPERAND_TYPE_MEMORY && checker64_place(k, o) != PLACE_GUEST)
        return k->why ? false : breach64(k, "monitor memory as an operand");
    k->stack_touch = 8;
    if (r < 0)
        return true;
    if ((!pop || k->in.operand_width < 32) && !readable(k, r))
        return false;
    return !pop || set(k, r, held_new(k, HELD_GUEST));
}

static bool pointer_operand(struct check64 *k, const ZydisDecodedOperand *o)
{
    int base = checker_gpr(o->mem.base);

    if (k->in.address_width != 64 || o->mem.segment == ZYDIS_REGISTER_GS ||
        o->mem.segment == ZYDIS_REGISTER_FS)
        return breach64(k, "a string instruction with a host segment or a truncated address");
    return (base == RSI || base == RDI) && kind64(k, base) == HELD_HOST
               ? true
               : breach64(k, "a string instruction on what was not looked up");
}

/* The handler takes hot.str_* off both. */
static bool remembered(struct check64 *k, int r, unsigned which)
{
    const struct held *h = &k->now.r[r];

    return k->now.str[which] == (h->what == HELD_HOST ? h->of : 0)
               ? true
               : breach64(k, "a fault would leave a host pointer in RSI or RDI");
}

static bool string(struct check64 *k)
{
    if (!checker64_fault_state(k, SITE_STRING) || !remembered(k, RSI, 0) || !remembered(k, RDI, 1))
        return false;
    for (unsigned i = 0; i < k->in.operand_count; i++) {
        const ZydisDecodedOperand *o = &k->op[i];
        int r = reg_of(o);

        if (o->type == ZYDIS_OPERAND_TYPE_MEMORY && !pointer_operand(k, o))
            return false;
        if (r < 0 || r == RSI || r == RDI) /* still a pointer into the slot or its gap */
            continue;
        if (!readable(k, r))
            return false;
        if (checker_writes(o) && !set(k, r, held_new(k, HELD_GUEST)))
            return false;
    }
    return true;
}

/* ---- */

static const struct {
    uint16_t mnemonic;
    bool (*check)(struct check64 *k);
} rules[] = {
    {ZYDIS_MNEMONIC_MOV, mov},      {ZYDIS_MNEMONIC_MOVZX, movzx}, {ZYDIS_MNEMONIC_LEA, lea},
    {ZYDIS_MNEMONIC_RORX, rorx},    {ZYDIS_MNEMONIC_NOT, not64},   {ZYDIS_MNEMONIC_PUSH, push_pop},
    {ZYDIS_MNEMONIC_POP, push_pop},
};

static bool by_rule(struct check64 *k)
{
    if (k->in.meta.category == ZYDIS_CATEGORY_STRINGOP)
        return string(k);
    for (unsigned i = 0; i < ARRAY_SIZE(rules); i++)
        if (rules[i].mnemonic == k->in.mnemonic)
            return rules[i].check(k);
    return general(k);
}

bool checker64_insn(struct check64 *k)
{
    uint64_t far;

    for (unsigned i = 0; i < k->in.operand_count; i++)
        if (k->op[i].type == ZYDIS_OPERAND_TYPE_REGISTER && checker_is_system(k->op[i].reg.value))
            return breach64(k, "a system register");
    k->stack_touch = NOT_TOUCHED;
    if (!by_rule(k))
        return false;
    if (k->stack_touch != NOT_TOUCHED) {
        /* it was an access, so the address is in a slot */
        far = (uint64_t)(k->stack_touch < 0 ? -k->stack_touch : k->stack_touch) + 64;
        k->now.rsp_far = far < k->now.rsp_far ? far : k->now.rsp_far;
    }
    return true;
}
