/* debug.c - debug registers and breakpoints (SDM 3B 17.2, 17.3). */
#include "cpu/debug.h"

#include "cpu/control.h"
#include "cpu/exception.h"

enum bp_kind { BP_EXEC = 0, BP_WRITE = 1, BP_IO = 2, BP_ACCESS = 3 };

/* DR4 and DR5 are DR6 and DR7 unless CR4.DE; DR7.GD makes every access a fault. */
static bool check_dr(struct cpu *c, unsigned *n)
{
    if (*n > 7)
        return cpu_raise(c, VEC_UD, 0);
    if (*n == 4 || *n == 5) {
        if (c->cr4 & CR4_DE)
            return cpu_raise(c, VEC_UD, 0);
        *n += 2;
    }
    return !(c->dr[7] & DR7_GD) || cpu_raise_db(c, DR6_BD);
}

bool cpu_read_dr(struct cpu *c, unsigned n, uint64_t *val)
{
    if (!check_dr(c, &n))
        return false;
    *val = c->dr[n];
    return true;
}

bool cpu_write_dr(struct cpu *c, unsigned n, uint64_t val)
{
    if (!check_dr(c, &n))
        return false;
    if (n >= 6 && val >> 32)
        return cpu_raise(c, VEC_GP, 0);
    if (n == 6)
        val = (val & DR6_WRITABLE) | DR6_FIXED;
    else if (n == 7)
        val = (val & DR7_WRITABLE) | DR7_ONE;
    c->dr[n] = val;
    cpu_update_mode(c);
    return true;
}

static bool bp_enabled(const struct cpu *c, unsigned i)
{
    return c->dr[7] >> (2 * i) & 3;
}

static enum bp_kind bp_kind(const struct cpu *c, unsigned i)
{
    return (enum bp_kind)(c->dr[7] >> (16 + 4 * i) & 3);
}

/* The breakpoint's range, aligned to its length as the CPU does, meets [at, at + len). */
static bool bp_meets(const struct cpu *c, unsigned i, uint64_t at, unsigned len)
{
    static const uint8_t lengths[] = {1, 2, 8, 4};
    uint64_t size = lengths[c->dr[7] >> (18 + 4 * i) & 3];
    uint64_t start = c->dr[i] & ~(size - 1);

    return start < at + len && at < start + size;
}

static void report(struct cpu *c, unsigned i)
{
    c->debug_trap = 1;
    c->pending_dr6 |= 1u << i;
}

void cpu_check_data_bp(struct cpu *c, gva_t lin, unsigned len, bool write)
{
    for (unsigned i = 0; i < 4; i++) {
        enum bp_kind kind = bp_kind(c, i);

        if (bp_enabled(c, i) && (kind == BP_ACCESS || (kind == BP_WRITE && write)) &&
            bp_meets(c, i, lin, len))
            report(c, i);
    }
}

void cpu_check_io_bp(struct cpu *c, uint16_t port, unsigned size)
{
    if (!(c->cr4 & CR4_DE))
        return;
    for (unsigned i = 0; i < 4; i++)
        if (bp_enabled(c, i) && bp_kind(c, i) == BP_IO && bp_meets(c, i, port, size))
            report(c, i);
}

bool cpu_check_code_bp(struct cpu *c, gva_t lin)
{
    uint32_t bits = 0;

    /* Behind MOV SS and POP SS as with RF (SDM 3B 17.3.1.1). */
    if ((c->rflags & EF_RF) || c->intr_shadow == INTR_SHADOW_SS)
        return true;
    for (unsigned i = 0; i < 4; i++)
        if (bp_enabled(c, i) && bp_kind(c, i) == BP_EXEC && c->dr[i] == lin)
            bits |= 1u << i;
    return !bits || cpu_raise_db(c, bits);
}
