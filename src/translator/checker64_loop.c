/* The jail checker on the blocks of a loop, which go from one to the other with what they agree on
 * in their scratch registers: see checker64.h. */
#include "translator/bt_offsets.h"
#include "translator/checker64.h"

enum { KEY_NEAR = 1 << 20, BORROWABLE = 0xffff & ~(1 << RSP | 1 << R10 | 1 << R11) };

static const struct held nothing_held;

static const struct held *part(const struct facts64 *f, unsigned reg)
{
    return reg == NO_REG ? &nothing_held : &f->r[reg];
}

void checker64_loop_facts(struct check64 *k, struct facts64 *f)
{
    const struct bt_loop *l = k->b->loop;

    for (unsigned r = 0; r < NGPR; r++) {
        if (r == RSP)
            continue;
        if (l->borrowed >> r & 1) {
            f->home[r] = f->r[r];
            f->r[r] = held_new(k, HELD_ANY);
        }
        if (l->loaded >> r & 1) {
            f->r[r] = f->home[r];
            f->here |= (uint16_t)(1u << r);
        }
        if (l->written >> r & 1)
            f->home[r] = held_new(k, HELD_ANY);
    }
    for (unsigned n = 0; n < l->nkeys; n++) {
        const struct bt_key *key = &l->key[n];
        struct held sum = held_new(k, HELD_GUEST), delta = held_new(k, HELD_DELTA);

        checker64_add_sum(k, (struct sum){.id = sum.id,
                                          .base = part(f, key->base)->id,
                                          .index = part(f, key->index)->id,
                                          .scale = key->scale,
                                          .disp = key->disp});
        delta.of = sum.id;
        delta.slack = KEY_NEAR;
        f->r[l->slot[n]] = delta;
    }
}

/* The slot's register holds the delta of an address at most KEY_NEAR from the key. */
static bool key_kept(struct check64 *k, unsigned n)
{
    const struct bt_key *key = &k->b->loop->key[n];
    const struct held *delta = &k->now.r[k->b->loop->slot[n]];
    const struct held *base = part(&k->now, key->base), *index = part(&k->now, key->index);
    struct span d;

    return delta->what == HELD_DELTA &&
           checker64_distance(k, delta->of, base, index, key->scale, key->disp, &d) &&
           d.hi - delta->at + delta->slack <= KEY_NEAR &&
           delta->at - d.lo + delta->slack <= KEY_NEAR;
}

/* Where the guest's registers are. */
static bool registers_kept(struct check64 *k)
{
    const struct bt_loop *l = k->b->loop;

    for (unsigned r = 0; r < NGPR; r++) {
        bool loaded = l->loaded >> r & 1, borrowed = l->borrowed >> r & 1;
        bool old = l->written >> r & 1;

        if (r == RSP)
            continue;
        if (borrowed && k->now.home[r].id != k->now.in[r])
            return breach64(k, "a loop's borrowed register is not at home");
        if (loaded && (!(k->now.here >> r & 1) || !held_clean(&k->now.r[r])))
            return breach64(k, "a loop's R10 or R11 is not here");
        if (loaded && !old && k->now.home[r].id != k->now.r[r].id)
            return breach64(k, "a loop's R10 or R11 is not both here and at home");
        if ((r == R10 || r == R11) && !loaded && (k->now.here >> r & 1) &&
            k->now.home[r].id != k->now.r[r].id)
            return breach64(k, "R10 or R11 of a loop that does not load it");
        if (!borrowed && r != R10 && r != R11 && !held_clean(&k->now.r[r]))
            return breach64(k, "a host value in a guest register within a loop");
    }
    return true;
}

bool checker64_loop_kept(struct check64 *k)
{
    if (!k->b->loop)
        return breach64(k, "an inner entry without a loop");
    if (!k->now.rsp_true || k->now.rsp_far > RSP_NEAR)
        return breach64(k, "RSP unproven within a loop");
    if (k->now.words != 1 || k->b->page2)
        return breach64(k, "a loop before the words of its pages were compared");
    if (!registers_kept(k))
        return false;
    for (unsigned n = 0; n < k->b->loop->nkeys; n++)
        if (!key_kept(k, n))
            return breach64(k, "a loop's slot without the delta of its key");
    return true;
}

/* ---- open exits ---- */

static uint64_t rx_of(const struct check64 *k, const uint8_t *rw)
{
    return (uint64_t)(uintptr_t)codemem_to_rx(&k->e->code, rw);
}

int checker64_open_at(const struct check64 *k)
{
    for (unsigned i = 0; i < k->b->nexits; i++) {
        const struct bt_open *o = k->b->exits[i].open;

        if (o && rx_of(k, o->jump) == k->pc + k->in.length - 4)
            return (int)i;
    }
    return -1;
}

/* Unlinked, an open form does nothing, goes to its exit's other form, or is that itself. */
bool checker64_open_ok(struct check64 *k, unsigned exit)
{
    const struct bt_exit *x = &k->b->exits[exit];
    const ZydisDecodedOperand *o = &k->op[0];
    uint64_t target = 0;

    if (k->opens_seen >> exit & 1)
        return breach64(k, "two open forms of one exit");
    k->opens_seen |= 1u << exit;
    if (x->open->jump == x->jump || x->open->side) {
        if (k->in.raw.imm[0].size != 32 || o->type != ZYDIS_OPERAND_TYPE_IMMEDIATE)
            return breach64(k, "an open exit that is no branch");
        ZydisCalcAbsoluteAddress(&k->in, o, k->pc, &target);
        if (x->open->jump != x->jump && target != (uint64_t)(uintptr_t)x->open->side)
            return breach64(k, "an open exit that does not go to its side");
    } else if (k->in.mnemonic != ZYDIS_MNEMONIC_NOP || k->in.length != sizeof(emit_nop5)) {
        return breach64(k, "an open exit that is no NOP");
    }
    return checker64_loop_kept(k);
}

bool checker64_opens_seen(struct check64 *k)
{
    for (unsigned i = 0; i < k->b->nexits; i++)
        if (k->b->exits[i].open && !(k->opens_seen >> i & 1))
            return breach64(k, "an open exit without its branch");
    return true;
}

static bool is_scratch(const struct bt_loop *l, unsigned reg)
{
    return reg == R10 || reg == R11 ? !(l->loaded >> reg & 1)
                                    : reg < NGPR && (l->borrowed >> reg & 1);
}

static bool is_guests(const struct bt_loop *l, unsigned reg)
{
    return reg == NO_REG || (reg < NGPR && reg != RSP && !is_scratch(l, reg));
}

static bool key_sane(const struct bt_loop *l, const struct bt_key *key)
{
    return is_guests(l, key->base) && is_guests(l, key->index) &&
           !(key->base == NO_REG && key->index == NO_REG) && key->scale <= 8;
}

bool checker64_loop_sane(struct check64 *k)
{
    const struct bt_loop *l = k->b->loop;
    uint16_t slots = 0;

    for (unsigned i = 0; i < k->b->nexits; i++)
        if (k->b->exits[i].open && !l)
            return breach64(k, "an open exit of no loop");
    if (!l)
        return k->b->inner ? breach64(k, "an inner entry without a loop") : true;
    if (l->borrowed != k->b->borrowed || l->loaded != k->b->loaded || (l->borrowed & ~BORROWABLE) ||
        (l->written & ~l->loaded) || l->nkeys > BT_KEYS)
        return breach64(k, "scratch registers that are not the loop's");
    for (unsigned n = 0; n < l->nkeys; n++) {
        if (!is_scratch(l, l->slot[n]) || (slots >> l->slot[n] & 1) || !key_sane(l, &l->key[n]))
            return breach64(k, "a loop with a key in no register of its own");
        slots |= (uint16_t)(1u << l->slot[n]);
    }
    return true;
}
