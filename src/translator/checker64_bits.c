/* The jail checker on bit strings with their offset in a register: see checker64.h. */
#include "translator/checker64.h"

static int reg_of(const ZydisDecodedOperand *o)
{
    return o->type == ZYDIS_OPERAND_TYPE_REGISTER ? checker_gpr(o->reg.value) : -1;
}

static const struct held *clean_of(const struct check64 *k, int r)
{
    return r >= 0 && r != RSP && held_clean(&k->now.r[r]) ? &k->now.r[r] : NULL;
}

static void add(struct check64 *k, struct bytes b)
{
    if (k->nbytes < MAX_BYTES)
        k->bytes[k->nbytes++] = b;
}

void checker64_note_bytes(struct check64 *k, const struct held *h)
{
    bool sarx = k->in.mnemonic == ZYDIS_MNEMONIC_SARX;
    const struct held *from =
        sarx || k->in.mnemonic == ZYDIS_MNEMONIC_MOVSXD ? clean_of(k, reg_of(&k->op[1])) : NULL;
    int count = sarx ? reg_of(&k->op[2]) : -1;
    unsigned bits = k->op[0].size;

    if (kind64(k, count) == HELD_CONST && k->now.r[count].value == 3 && from)
        add(k, (struct bytes){h->id, from->id, (uint8_t)bits, bits == 64});
    if (!from || sarx || bits != 64)
        return;
    for (unsigned n = k->nbytes; n > 0; n--)
        if (k->bytes[n - 1].id == from->id && !k->bytes[n - 1].extended) {
            add(k, (struct bytes){h->id, k->bytes[n - 1].of, 32, true});
            return;
        }
}

/* The operand with the bit begins at most seven bytes before the byte that has it. */
static bool of_that_byte(const struct check64 *k, const struct held *base, const struct held *delta,
                         const struct held *offset, unsigned bits)
{
    struct span d;

    for (unsigned n = k->nbytes; n > 0; n--) {
        const struct bytes *b = &k->bytes[n - 1];
        const struct held byte = {.what = HELD_GUEST, .id = b->id};

        if (b->of == offset->id && b->bits == bits && b->extended &&
            checker64_distance(k, delta->of, base, &byte, 1, 0, &d) && d.exact && d.lo == 0)
            return delta->at == 0 && delta->slack == 0;
    }
    return false;
}

bool checker64_bit_string(struct check64 *k, const ZydisDecodedOperand *o)
{
    const struct held *base = clean_of(k, checker_gpr(o->mem.base));
    const struct held *offset = clean_of(k, reg_of(&k->op[1]));
    int index = checker_gpr(o->mem.index);

    return base && offset && kind64(k, index) == HELD_DELTA && o->mem.scale == 1 &&
           o->mem.disp.value == 0 && k->op[1].size >= 32 &&
           of_that_byte(k, base, &k->now.r[index], offset, k->op[1].size);
}
