/* x_bcd.c - decimal adjustment (not in 64-bit mode). Pseudocode of SDM 2A/2B; undefined flags are
 * left as Intel CPUs leave them where that is simple. */
#include "translator/x_int.h"

static void set_al(struct cpu *c, uint8_t al)
{
    gpr_write(c, RAX, 1, al);
}

/* SF, ZF, PF of a byte. */
static uint32_t result_flags(uint8_t v)
{
    return (v ? 0 : EF_ZF) | (v & 0x80 ? EF_SF : 0) | (__builtin_parity(v) ? 0 : EF_PF);
}

static bool ascii_adjust(struct cpu *c, int by)
{
    uint16_t ax = (uint16_t)c->gpr[RAX];
    bool adjust = (ax & 15) > 9 || (c->rflags & EF_AF);

    if (adjust)
        ax = (uint16_t)(ax + by);
    ax &= 0xff0f;
    gpr_write(c, RAX, 2, ax);
    flags_set(c, EF_ARITH, (adjust ? EF_AF | EF_CF : 0) | result_flags((uint8_t)ax));
    return true;
}

bool x_aaa(struct cpu *c, const struct insn *i)
{
    (void)i;
    return ascii_adjust(c, 0x106);
}

bool x_aas(struct cpu *c, const struct insn *i)
{
    (void)i;
    return ascii_adjust(c, -0x106);
}

bool x_aam(struct cpu *c, const struct insn *i)
{
    uint8_t al = (uint8_t)c->gpr[RAX], base = (uint8_t)i->imm;

    if (base == 0)
        return cpu_raise(c, VEC_DE, 0);
    gpr_write(c, RAX, 2, (uint64_t)(al / base) << 8 | al % base);
    flags_set(c, EF_ARITH, result_flags(al % base));
    return true;
}

bool x_aad(struct cpu *c, const struct insn *i)
{
    uint16_t ax = (uint16_t)c->gpr[RAX];
    uint8_t al = (uint8_t)((ax & 0xff) + (ax >> 8) * (uint8_t)i->imm);

    gpr_write(c, RAX, 2, al);
    flags_set(c, EF_ARITH, result_flags(al));
    return true;
}

static bool decimal_adjust(struct cpu *c, int sign)
{
    uint8_t old = (uint8_t)c->gpr[RAX], al = old;
    bool old_cf = c->rflags & EF_CF, cf = false;
    bool low = (al & 15) > 9 || (c->rflags & EF_AF);

    if (low) {
        cf = old_cf || (sign > 0 ? al > 0xff - 6 : al < 6);
        al = (uint8_t)(al + sign * 6);
    }
    if (old > 0x99 || old_cf) {
        al = (uint8_t)(al + sign * 0x60);
        cf = true;
    } else if (sign > 0) {
        cf = false; /* DAA clears CF here, DAS keeps the borrow of the low digit */
    }
    set_al(c, al);
    flags_set(c, EF_ARITH, (cf ? EF_CF : 0) | (low ? EF_AF : 0) | result_flags(al));
    return true;
}

bool x_daa(struct cpu *c, const struct insn *i)
{
    (void)i;
    return decimal_adjust(c, 1);
}

bool x_das(struct cpu *c, const struct insn *i)
{
    (void)i;
    return decimal_adjust(c, -1);
}

bool x_salc(struct cpu *c, const struct insn *i)
{
    (void)i;
    set_al(c, c->rflags & EF_CF ? 0xff : 0);
    return true;
}
