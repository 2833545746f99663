#include "apic_rig.h"

enum {
    ID = 0x20,
    VERSION = 0x30,
    PPR = 0xa0,
    LDR = 0xd0,
    DFR = 0xe0,
    ISR = 0x100,
    TMR = 0x180,
    IRR = 0x200,
    ESR = 0x280,
    ICR = 0x300,
    ICR_HIGH = 0x310,
    LVT_FIRST = 0x320,
    LVT_ERROR_REG = 0x370,
};

START_TEST(test_reset_state)
{
    struct arig a;

    arig_init(&a);
    ck_assert_uint_eq(arig_read(&a, ID), 0);
    ck_assert_uint_eq(arig_read(&a, VERSION), 0x50014);
    ck_assert_uint_eq(arig_read(&a, LAPIC_SVR), 0xff);
    ck_assert_uint_eq(arig_read(&a, DFR), 0xffffffff);
    for (uint32_t reg = LVT_FIRST; reg <= LVT_ERROR_REG; reg += 0x10)
        ck_assert_uint_eq(arig_read(&a, reg), 0x10000);
    arig_write(&a, LVT_FIRST, 0x20); /* software-disabled: the mask stays */
    ck_assert_uint_eq(arig_read(&a, LVT_FIRST), 0x10020);
    arig_self(&a, 0x40);
    ck_assert(!a.intr[0].level);
    ck_assert_uint_eq(a.cpu[0].base, 0xfee00900);
    ck_assert_uint_eq(a.cpu[1].base, 0xfee00800);
}
END_TEST

START_TEST(test_priorities)
{
    struct arig a;

    arig_start(&a);
    arig_self(&a, 0x41);
    arig_self(&a, 0x52);
    arig_self(&a, 0x45);
    ck_assert(a.intr[0].level);
    ck_assert_uint_eq(arig_read(&a, IRR + 0x20), 1 << 1 | 1 << 5 | 1 << 18);
    ck_assert_int_eq(lapic_ack(&a.cpu[0]), 0x52);
    ck_assert(!a.intr[0].level); /* lower classes wait */
    ck_assert_uint_eq(arig_read(&a, PPR), 0x50);
    ck_assert_uint_eq(arig_read(&a, ISR + 0x20), 1 << 18);
    arig_self(&a, 0x53); /* the same class as well */
    ck_assert(!a.intr[0].level);
    arig_self(&a, 0x60);
    ck_assert_int_eq(lapic_ack(&a.cpu[0]), 0x60);
    arig_write(&a, LAPIC_EOI, 0);
    ck_assert(!a.intr[0].level);
    arig_write(&a, LAPIC_EOI, 0);
    ck_assert_int_eq(lapic_ack(&a.cpu[0]), 0x53);
    arig_write(&a, LAPIC_EOI, 0);
    arig_write(&a, LAPIC_TPR, 0x4f);
    ck_assert(!a.intr[0].level);
    ck_assert_uint_eq(arig_read(&a, PPR), 0x4f);
    arig_write(&a, LAPIC_TPR, 0x3f);
    ck_assert(a.intr[0].level);
    ck_assert_int_eq(lapic_ack(&a.cpu[0]), 0x45);
    arig_write(&a, LAPIC_EOI, 0);
    ck_assert_int_eq(lapic_ack(&a.cpu[0]), 0x41);
    arig_write(&a, LAPIC_EOI, 0);
    arig_write(&a, LAPIC_EOI, 0); /* nothing in service: ignored */
    ck_assert_int_eq(lapic_ack(&a.cpu[0]), 0xff);
}
END_TEST

START_TEST(test_tpr_is_cr8)
{
    struct arig a;

    arig_start(&a);
    arig_write(&a, LAPIC_TPR, 0x52);
    ck_assert_uint_eq(a.tpr, 0x52);
    arig_self(&a, 0x51);
    ck_assert(!a.intr[0].level);
    lapic_set_tpr(&a.cpu[0], 0x40);
    ck_assert(a.intr[0].level);
    ck_assert_uint_eq(arig_read(&a, LAPIC_TPR), 0x40);
}
END_TEST

/* MP specification 3.6.2: PIC mode after reset, then what firmware sets up. */
START_TEST(test_virtual_wire)
{
    struct arig a;
    struct line lint0, lint1;

    arig_init(&a);
    lint0 = lapic_lint_line(&a.cpu[0], 0);
    lint1 = lapic_lint_line(&a.cpu[0], 1);
    line_set(&lint0, true);
    ck_assert(!a.intr[0].level); /* masked */
    arig_write(&a, LAPIC_SVR, 0x1ff);
    arig_write(&a, LAPIC_LVT_LINT0, 0x700);
    arig_write(&a, LAPIC_LVT_LINT1, 0x400);
    ck_assert(a.intr[0].level);
    arig_write(&a, LAPIC_TPR, 0xff); /* ExtINT has no priority */
    ck_assert(a.intr[0].level);
    ck_assert_int_eq(lapic_ack(&a.cpu[0]), ARIG_PIC_VECTOR);
    ck_assert_uint_eq(arig_read(&a, ISR + 0x30), 0);
    line_set(&lint0, false);
    ck_assert(!a.intr[0].level);
    line_set(&lint1, true);
    line_set(&lint1, false);
    ck_assert_uint_eq(a.nmi[0].rises, 1);
    /* Disabled in IA32_APIC_BASE: the pins are INTR and NMI. */
    lapic_set_base(&a.cpu[0], LAPIC_BASE | LAPIC_MSR_BSP);
    line_set(&lint0, true);
    ck_assert(a.intr[0].level);
    ck_assert_int_eq(lapic_ack(&a.cpu[0]), ARIG_PIC_VECTOR);
    line_set(&lint1, true);
    ck_assert_uint_eq(a.nmi[0].rises, 2);
    ck_assert_uint_eq(arig_read(&a, VERSION), 0xffffffff);
    lapic_set_base(&a.cpu[0], LAPIC_BASE | LAPIC_MSR_BSP | LAPIC_MSR_ENABLE);
    ck_assert_uint_eq(arig_read(&a, LAPIC_SVR), 0xff);
    ck_assert(!a.intr[0].level);
}
END_TEST

START_TEST(test_lint0_fixed)
{
    struct arig a;
    struct line lint0;

    arig_start(&a);
    lint0 = lapic_lint_line(&a.cpu[0], 0);
    arig_write(&a, LAPIC_LVT_LINT0, 0x31);
    line_set(&lint0, true);
    ck_assert_int_eq(lapic_ack(&a.cpu[0]), 0x31);
    arig_write(&a, LAPIC_EOI, 0);
    ck_assert(!a.intr[0].level); /* an edge */
    arig_write(&a, LAPIC_LVT_LINT0, 0x8031);
    ck_assert_uint_eq(arig_read(&a, LAPIC_LVT_LINT0), 0xc031); /* remote IRR */
    ck_assert_int_eq(lapic_ack(&a.cpu[0]), 0x31);
    ck_assert(!a.intr[0].level);
    arig_write(&a, LAPIC_EOI, 0);
    ck_assert(a.intr[0].level); /* still asserted */
    ck_assert_int_eq(lapic_ack(&a.cpu[0]), 0x31);
    line_set(&lint0, false);
    arig_write(&a, LAPIC_EOI, 0);
    ck_assert(!a.intr[0].level);
    ck_assert_uint_eq(arig_read(&a, LAPIC_LVT_LINT0), 0x8031);
}
END_TEST

static void send(struct arig *a, uint8_t dest, uint32_t low)
{
    arig_write(a, ICR_HIGH, (uint32_t)dest << 24);
    arig_write(a, ICR, low);
}

/* Takes and ends what is pending on CPU n; -1: nothing. */
static int take(struct arig *a, unsigned n)
{
    int v = a->intr[n].level ? lapic_ack(&a->cpu[n]) : -1;

    memset(a->cpu[n].isr, 0, sizeof(a->cpu[n].isr));
    return v;
}

START_TEST(test_ipis)
{
    struct arig a;

    arig_start(&a);
    send(&a, 1, 0x41); /* physical */
    ck_assert_int_eq(take(&a, 0), -1);
    ck_assert_int_eq(take(&a, 1), 0x41);
    send(&a, 0xff, 0x42); /* broadcast */
    ck_assert_int_eq(take(&a, 0), 0x42);
    ck_assert_int_eq(take(&a, 1), 0x42);
    send(&a, 2, 0x843); /* logical, flat */
    ck_assert_int_eq(take(&a, 0), -1);
    ck_assert_int_eq(take(&a, 1), 0x43);
    send(&a, 3, 0x844);
    ck_assert_int_eq(take(&a, 0), 0x44);
    ck_assert_int_eq(take(&a, 1), 0x44);
    send(&a, 3, 0x945); /* lowest priority */
    ck_assert_int_eq(take(&a, 0), 0x45);
    ck_assert_int_eq(take(&a, 1), -1);
    arig_write(&a, LAPIC_TPR, 0x20);
    send(&a, 3, 0x945);
    ck_assert_int_eq(take(&a, 0), -1);
    ck_assert_int_eq(take(&a, 1), 0x45);
    send(&a, 0, 0x80046); /* all including self */
    ck_assert_int_eq(take(&a, 0), 0x46);
    ck_assert_int_eq(take(&a, 1), 0x46);
    send(&a, 0, 0xc0047); /* all excluding self */
    ck_assert_int_eq(take(&a, 0), -1);
    ck_assert_int_eq(take(&a, 1), 0x47);
    send(&a, 9, 0x48); /* nobody */
    ck_assert_int_eq(take(&a, 0), -1);
    ck_assert_uint_eq(arig_read(&a, ICR), 0x48);
    ck_assert_uint_eq(arig_read(&a, ICR_HIGH), 9u << 24);
}
END_TEST

START_TEST(test_cluster)
{
    struct arig a;

    arig_start(&a);
    a.cpu[1].dfr = 0x0fffffff;
    a.cpu[1].ldr = 0x31u << 24; /* cluster 3, member 0 */
    arig_write(&a, DFR, 0);
    ck_assert_uint_eq(arig_read(&a, DFR), 0x0fffffff);
    arig_write(&a, LDR, 0x32u << 24);
    send(&a, 0x31, 0x841);
    ck_assert_int_eq(take(&a, 0), -1);
    ck_assert_int_eq(take(&a, 1), 0x41);
    send(&a, 0x33, 0x842);
    ck_assert_int_eq(take(&a, 0), 0x42);
    ck_assert_int_eq(take(&a, 1), 0x42);
    send(&a, 0x23, 0x843);
    ck_assert_int_eq(take(&a, 0), -1);
    ck_assert_int_eq(take(&a, 1), -1);
}
END_TEST

START_TEST(test_other_modes)
{
    struct arig a;

    arig_start(&a);
    send(&a, 1, 0x400);
    ck_assert_uint_eq(a.nmi[1].rises, 1);
    send(&a, 1, 0x4500); /* INIT, assert */
    ck_assert_uint_eq(a.init[1].rises, 1);
    send(&a, 1, 0x8500); /* INIT level de-assert: nothing */
    ck_assert_uint_eq(a.init[1].rises, 1);
    send(&a, 1, 0x608); /* STARTUP of a CPU that runs: nothing */
    send(&a, 1, 0x200); /* SMI: nobody */
    send(&a, 1, 0x700);
    send(&a, 0, 0x40400); /* NMI to self is no valid combination */
    ck_assert_uint_eq(a.nmi[0].rises, 0);
    ck_assert_int_eq(take(&a, 1), -1);
}
END_TEST

START_TEST(test_errors)
{
    struct arig a;

    arig_start(&a);
    arig_write(&a, LVT_ERROR_REG, 0xfe);
    arig_self(&a, 0x0f);
    ck_assert_uint_eq(arig_read(&a, ESR), 0); /* written first, then read */
    ck_assert_int_eq(take(&a, 0), 0xfe);
    arig_write(&a, ESR, 0);
    ck_assert_uint_eq(arig_read(&a, ESR), 1 << 5);
    arig_read(&a, 0x40);
    ck_assert_int_eq(take(&a, 0), 0xfe);
    arig_write(&a, 0x3f0, 0);
    ck_assert_int_eq(take(&a, 0), -1); /* the same error again */
    arig_write(&a, ESR, 0);
    ck_assert_uint_eq(arig_read(&a, ESR), 1 << 7);
    arig_write(&a, LVT_ERROR_REG, 0x05); /* an illegal vector for errors */
    arig_read(&a, 0x40);
    arig_write(&a, LAPIC_LVT_LINT0, 0x01);
    line_set(&(struct line){lapic_lint_line(&a.cpu[0], 0).set, &a.cpu[0], 0}, true);
    arig_write(&a, ESR, 0);
    ck_assert_uint_eq(arig_read(&a, ESR), 1 << 7 | 1 << 6);
    ck_assert_int_eq(take(&a, 0), -1);
    arig_write(&a, ESR, 0);
    ck_assert_uint_eq(arig_read(&a, ESR), 0);
}
END_TEST

START_TEST(test_software_disable)
{
    struct arig a;

    arig_start(&a);
    arig_write(&a, LVT_FIRST, 0x20030);
    arig_self(&a, 0x40);
    arig_write(&a, LAPIC_SVR, 0xff);
    ck_assert_uint_eq(arig_read(&a, LVT_FIRST), 0x30030);
    ck_assert(a.intr[0].level); /* what was accepted is still delivered */
    ck_assert_int_eq(take(&a, 0), 0x40);
    arig_self(&a, 0x41);
    ck_assert_int_eq(take(&a, 0), -1);
    send(&a, 1, 0x42); /* and messages go out */
    ck_assert_int_eq(take(&a, 1), 0x42);
    arig_write(&a, LAPIC_SVR, 0x1ff);
    ck_assert_uint_eq(arig_read(&a, LVT_FIRST), 0x30030);
}
END_TEST

START_TEST(test_relocation)
{
    struct arig a;

    arig_start(&a);
    lapic_set_base(&a.cpu[0], 0xd0000000 | LAPIC_MSR_ENABLE);
    ck_assert_uint_eq(arig_read(&a, VERSION), 0xffffffff);
    ck_assert_uint_eq(bus_read(&a.mmio, 0xd0000000 + VERSION, 4), 0x50014);
    ck_assert_uint_eq(bus_read(&a.mmio, 0xd0000000 + LAPIC_SVR, 4), 0x1ff);
    lapic_set_base(&a.cpu[0], IOAPIC_BASE | LAPIC_MSR_ENABLE); /* taken: reachable nowhere */
    ck_assert_uint_eq(bus_read(&a.mmio, 0xd0000000 + VERSION, 4), 0xffffffff);
    ck_assert_uint_eq(bus_read(&a.mmio, IOAPIC_BASE + 0x10, 4), 0);
    lapic_set_base(&a.cpu[0], LAPIC_BASE | LAPIC_MSR_ENABLE);
    ck_assert_uint_eq(arig_read(&a, LAPIC_SVR), 0x1ff);
}
END_TEST

START_TEST(test_access_sizes)
{
    struct arig a;

    arig_start(&a);
    ck_assert_uint_eq(bus_read(&a.mmio, LAPIC_BASE + VERSION, 1), 0x14);
    ck_assert_uint_eq(bus_read(&a.mmio, LAPIC_BASE + VERSION + 2, 1), 5);
    ck_assert(bus_read(&a.mmio, LAPIC_BASE + VERSION, 8) == 0x50014);
    bus_write(&a.mmio, LAPIC_BASE + LAPIC_TPR, 1, 0x30);
    ck_assert_uint_eq(arig_read(&a, LAPIC_TPR), 0x30);
    arig_write(&a, LAPIC_TPR + 4, 0xff); /* between two registers */
    ck_assert_uint_eq(arig_read(&a, LAPIC_TPR), 0x30);
    arig_write(&a, TMR, 1); /* read-only */
    arig_write(&a, VERSION, 0);
    ck_assert_uint_eq(arig_read(&a, VERSION), 0x50014);
    arig_write(&a, ESR, 0);
    ck_assert_uint_eq(arig_read(&a, ESR), 0);
}
END_TEST

START_TEST(test_round_trip)
{
    struct arig a, b;

    arig_start(&a);
    arig_init(&b);
    arig_self(&a, 0x41);
    arig_write(&a, LVT_FIRST, 0x20030);
    arig_write(&a, 0x380, 100000);
    b.rig.ns = a.rig.ns;
    round_trip(&lapic_class, &a.cpu[0], &b.cpu[0], true);
    ck_assert(b.intr[0].level);
    ck_assert(clock_deadline(&a.rig.clock) == clock_deadline(&b.rig.clock));
    arig_init(&b);
    reset_equals_fresh(&lapic_class, &a.cpu[0], &b.cpu[0]);
    ck_assert(!a.intr[0].level);
    ck_assert(clock_deadline(&a.rig.clock) == CLOCK_NEVER);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {test_reset_state,      test_priorities,  test_tpr_is_cr8,
                                  test_virtual_wire,     test_lint0_fixed, test_ipis,
                                  test_cluster,          test_other_modes, test_errors,
                                  test_software_disable, test_relocation,  test_access_sizes,
                                  test_round_trip};

    return run_tests("lapic", tests, ARRAY_SIZE(tests));
}
