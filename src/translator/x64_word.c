/* Deltas of 64-bit code that wait in memory, and how many slots that makes worth having: see
 * lower64.h. */
#include "translator/bt_offsets.h"
#include "translator/lower64.h"

enum { NEVER = BT_MAX_INSNS };

/* ---- how many slots ---- */

/* The base register of a memory operand that wants a delta; RSP: none. */
static unsigned base_of(const struct insn *i)
{
    return insn_mem(i) && i->base < NGPR && i->seg != SEG_FS && i->seg != SEG_GS ? i->base : RSP;
}

/* How many instructions until a register among `regs` is the base of an operand, and none but
 * constants were added to it since. NEVER: none is. */
static unsigned next_use(const struct xlate *x, const struct insn *i, uint16_t regs)
{
    const struct insn *first = i, *end = x->insns + x->n;

    for (; regs && i + 1 < end; i++) {
        if (!x64_steps(i))
            regs &= (uint16_t)~x64_written(i);
        if (base_of(i + 1) != RSP && (regs >> i[1].base & 1))
            return (unsigned)(i + 1 - first);
    }
    return NEVER;
}

/* Pointers of a block on their way through n slots. */
struct trace {
    uint8_t slot[BT_SLOTS]; /* RSP: nothing */
    uint16_t known;         /* in a slot or a word */
    unsigned n, returns;
};

static void touch(const struct xlate *x, struct trace *t, const struct insn *i)
{
    unsigned reg = base_of(i), best = 0, late = 0;

    for (unsigned k = 0; k < t->n; k++)
        if (t->slot[k] == reg)
            return;
    for (unsigned k = 0; k < t->n; k++) {
        unsigned next = next_use(x, i, (uint16_t)(1u << t->slot[k]));

        if (next > late) {
            late = next;
            best = k;
        }
    }
    t->returns += t->known >> reg & 1;
    t->known |= (uint16_t)(1u << reg);
    t->slot[best] = (uint8_t)reg;
}

/* Loads from words, with n slots. */
static unsigned returns(const struct xlate *x, unsigned n)
{
    struct trace t = {.n = n};

    for (unsigned k = 0; k < n; k++)
        t.slot[k] = RSP;
    for (unsigned k = 0; k < x->n; k++) {
        const struct insn *i = &x->insns[k];

        if (base_of(i) != RSP)
            touch(x, &t, i);
        if (!x64_steps(i))
            t.known &= (uint16_t)~x64_written(i);
        for (unsigned s = 0; s < n; s++)
            if (!(t.known >> t.slot[s] & 1))
                t.slot[s] = RSP;
    }
    return t.returns;
}

/* A borrowed register costs a store and a load, as one return does, or a little more: a load that
 * an address waits for, and the first time a store. */
unsigned x64_word_slots(const struct xlate *x, unsigned gratis, unsigned max)
{
    unsigned least = gratis < 1 ? 1 : gratis < BT_SLOTS ? gratis : BT_SLOTS, best = least;
    unsigned cost = 2 * returns(x, least), c;

    for (unsigned n = least + 1; n <= max && n <= BT_SLOTS && cost > 2 * (n - least); n++) {
        c = 2 * returns(x, n) + 3 * (n - least);
        if (c < cost) {
            cost = c;
            best = n;
        }
    }
    return best;
}

/* ---- words ---- */

/* Registers of the guest's whose operands the slot serves. */
static uint16_t served(const struct xlate *x, const struct x64_slot *s)
{
    uint16_t regs = 0;

    for (unsigned r = 0; r < NGPR; r++)
        if (r != RSP && ((s->root && x->w.value[r].root == s->root) ||
                         (!s->sum.of2 && x->w.value[r].id == s->sum.of)))
            regs |= (uint16_t)(1u << r);
    return regs;
}

/* Is the register part of the slot's sum of two? */
static bool is_part(const struct xlate *x, const struct x64_slot *s, unsigned reg)
{
    return reg < NGPR && reg != RSP && s->sum.of2 &&
           (x->w.value[reg].id == s->sum.of || x->w.value[reg].id == s->sum.of2);
}

/* A guess: all it costs is time. */
unsigned x64_word_next_use(const struct xlate *x, const struct x64_slot *s)
{
    if (s->kind != X64_DELTA)
        return NEVER;
    for (const struct insn *i = x->insn + 1; s->sum.of2 && i < x->insns + x->n; i++) {
        if (insn_mem(i) && is_part(x, s, i->base) && is_part(x, s, i->index))
            return (unsigned)(i - x->insn);
    }
    return next_use(x, x->insn, served(x, s));
}

/* The one that nobody has used for longest. */
static struct x64_slot *take_word(struct xlate *x)
{
    struct x64_slot *w = &x->w.word[0];

    for (unsigned k = 0; k < BT_DELTAS; k++) {
        if (x->w.word[k].kind == X64_NOTHING)
            return &x->w.word[k];
        if (x->w.word[k].used < w->used)
            w = &x->w.word[k];
    }
    return w;
}

static uint8_t number_of(const struct xlate *x, const struct x64_slot *word)
{
    return (uint8_t)(word - x->w.word + 1);
}

static int32_t place_of(const struct xlate *x, const struct x64_slot *word)
{
    return HOT_DELTA + 8 * (int32_t)(word - x->w.word);
}

void x64_word_leave(struct xlate *x, const struct x64_slot *s)
{
    struct x64_slot *w = s->word ? &x->w.word[s->word - 1] : NULL;

    if (s->kind != X64_DELTA)
        return;
    if (!w) {
        if (x64_word_next_use(x, s) == NEVER)
            return;
        w = take_word(x);
        for (unsigned k = 0; k < x->w.nslots; k++)
            if (x->w.slot[k].word == number_of(x, w))
                x->w.slot[k].word = 0;
        emit_gs_st(&x->em, s->reg, place_of(x, w));
    }
    *w = *s;
    w->word = number_of(x, w);
}

struct x64_slot *x64_word_find(struct xlate *x, const struct x64_sum *at, unsigned reg,
                               const struct x64_span *s)
{
    for (unsigned k = 0; k < BT_DELTAS; k++) {
        struct x64_slot *w = &x->w.word[k];

        if ((x64_slot_of(w, at) && x64_slot_reaches(w, at->off, s)) ||
            (reg != RSP && x64_slot_kin(x, w, reg, s))) {
            w->used = (unsigned)(x->insn - x->insns) + 1;
            return w;
        }
    }
    return NULL;
}

void x64_word_return(struct xlate *x, struct x64_slot *word, struct x64_slot *s)
{
    struct x64_slot was = *s;

    emit_gs_ld(&x->em, s->reg, place_of(x, word));
    *s = *word;
    s->reg = was.reg;
    s->kept = was.kept;
    s->used = was.used;
}
