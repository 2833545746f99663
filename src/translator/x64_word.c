/* Deltas of 64-bit code that wait in memory, and how many slots that makes worth having: see
 * lower64.h. */
#include "translator/bt_offsets.h"
#include "translator/lower64.h"

/* ---- how many slots ---- */

/* The base register of a memory operand that wants a delta; RSP: none. */
static unsigned base_of(const struct insn *i)
{
    return insn_mem(i) && i->base < NGPR && i->seg != SEG_FS && i->seg != SEG_GS ? i->base : RSP;
}

/* How many instructions until a register among `regs` is the base of an operand, and none but
 * constants were added to it since. X64_NEVER: none is. */
static unsigned next_use(const struct xlate *x, const struct insn *i, uint16_t regs)
{
    const struct insn *first = i, *end = x->insns + x->n;

    for (; regs && i + 1 < end; i++) {
        if (!x64_steps(i))
            regs &= (uint16_t)~x64_written(i);
        if (base_of(i + 1) != RSP && (regs >> i[1].base & 1))
            return (unsigned)(i + 1 - first);
    }
    return X64_NEVER;
}

/* Pointers of a block on their way through n slots: values that operands are about. */
struct trace {
    uint32_t pointer[BT_MAX_INSNS], slot[BT_SLOTS];
    unsigned npointers, n;
};

static void trace(struct xlate *x, struct trace *t)
{
    x->w.next_value = 0;
    x64_values_init(x);
    t->npointers = 0;
    for (unsigned k = 0; k < x->n; k++) {
        if (base_of(&x->insns[k]) != RSP)
            t->pointer[t->npointers++] = x->w.value[base_of(&x->insns[k])].root;
        x64_track(x, &x->insns[k]);
    }
}

/* When it comes up again after `at`. */
static unsigned again(const struct trace *t, unsigned at, uint32_t pointer)
{
    unsigned k = at + 1;

    while (k < t->npointers && t->pointer[k] != pointer)
        k++;
    return k;
}

static bool seen(const struct trace *t, unsigned at, uint32_t pointer)
{
    unsigned k = 0;

    while (k < at && t->pointer[k] != pointer)
        k++;
    return k < at;
}

/* Loads from words, with n slots. */
static unsigned returns(struct trace *t, unsigned n)
{
    unsigned sum = 0;

    for (unsigned s = 0; s < n; s++)
        t->slot[s] = 0;
    for (unsigned k = 0; k < t->npointers; k++) {
        unsigned best = 0, s = 0;

        while (s < n && t->slot[s] != t->pointer[k])
            s++;
        if (s < n)
            continue;
        for (s = 1; s < n; s++)
            if (again(t, k, t->slot[s]) > again(t, k, t->slot[best]))
                best = s;
        sum += seen(t, k, t->pointer[k]);
        t->slot[best] = t->pointer[k];
    }
    return sum;
}

/* Operands by a base register that is not the last one's. */
static unsigned changes(const struct xlate *x)
{
    unsigned n = 0, last = RSP;

    for (unsigned k = 0; k < x->n; k++) {
        unsigned b = base_of(&x->insns[k]);

        n += b != RSP && b != last;
        last = b != RSP ? b : last;
    }
    return n;
}

/* A borrowed register costs a store and a load, as one return does, or a little more: a load that
 * an address waits for, and the first time a store. */
unsigned x64_word_slots(struct xlate *x, unsigned gratis, unsigned max)
{
    unsigned least = gratis < 1 ? 1 : gratis < BT_SLOTS ? gratis : BT_SLOTS, best = least;
    unsigned cost, c;
    struct trace t;

    if (least >= max || changes(x) < least + 2)
        return least;
    trace(x, &t);
    cost = 2 * returns(&t, least);
    for (unsigned n = least + 1; n <= max && n <= BT_SLOTS && cost > 3 * (n - least); n++) {
        c = 2 * returns(&t, n) + 3 * (n - least);
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
        return X64_NEVER;
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
        if (x64_word_next_use(x, s) == X64_NEVER)
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
