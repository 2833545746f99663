#include "devices/pic8259.h"

#include "dev_harness.h"

struct board {
    struct rig rig;
    struct pic_pair pic;
    struct probe intr;
};

static void set_irq(struct board *b, int n, bool level)
{
    struct line l = pic_irq_line(&b->pic, n);

    line_set(&l, level);
}

static void pulse(struct board *b, int n)
{
    set_irq(b, n, false);
    set_irq(b, n, true);
}

/* What Linux's init_8259A() writes: vectors 30h and 38h, everything masked but the cascade. */
static void start(struct board *b)
{
    memset(b, 0, sizeof(*b));
    rig_init(&b->rig);
    pic_init(&b->pic, probe_line(&b->intr));
    ck_assert_int_eq(pic_attach(&b->pic, &b->rig.ports), 0);
    outb(&b->rig, 0x11, 0x20);
    outb(&b->rig, 0x30, 0x21);
    outb(&b->rig, 0x04, 0x21);
    outb(&b->rig, 0x01, 0x21);
    outb(&b->rig, 0x11, 0xa0);
    outb(&b->rig, 0x38, 0xa1);
    outb(&b->rig, 0x02, 0xa1);
    outb(&b->rig, 0x01, 0xa1);
}

START_TEST(test_linux_mask_probe)
{
    struct board b;

    start(&b);
    outb(&b.rig, 0xff, 0xa1);
    outb(&b.rig, 0xfb, 0x21);
    ck_assert_uint_eq(inb(&b.rig, 0x21), 0xfb);
    ck_assert_uint_eq(inb(&b.rig, 0xa1), 0xff);
    set_irq(&b, 0, true);
    ck_assert(!b.intr.level);
    outb(&b.rig, 0xfa, 0x21);
    ck_assert(b.intr.level);
    ck_assert_int_eq(pic_ack(&b.pic), 0x30);
    ck_assert(!b.intr.level);
}
END_TEST

START_TEST(test_edge_needs_a_new_edge)
{
    struct board b;

    start(&b);
    set_irq(&b, 4, true);
    ck_assert_uint_eq(inb(&b.rig, 0x20), 0x10); /* IRR */
    ck_assert_int_eq(pic_ack(&b.pic), 0x34);
    ck_assert_uint_eq(inb(&b.rig, 0x20), 0);
    outb(&b.rig, 0x0b, 0x20);
    ck_assert_uint_eq(inb(&b.rig, 0x20), 0x10); /* ISR */
    outb(&b.rig, 0x64, 0x20);                   /* specific EOI, still high: no second interrupt */
    ck_assert_uint_eq(inb(&b.rig, 0x20), 0);
    ck_assert(!b.intr.level);
    pulse(&b, 4);
    ck_assert(b.intr.level);
    set_irq(&b, 4, false); /* withdrawn before INTA */
    ck_assert(!b.intr.level);
    ck_assert_int_eq(pic_ack(&b.pic), 0x37);
    ck_assert_uint_eq(inb(&b.rig, 0x20), 0); /* a spurious interrupt is not in service */
}
END_TEST

START_TEST(test_priorities_nest)
{
    struct board b;

    start(&b);
    set_irq(&b, 4, true);
    ck_assert_int_eq(pic_ack(&b.pic), 0x34);
    set_irq(&b, 5, true);
    ck_assert(!b.intr.level); /* lower than what is in service */
    set_irq(&b, 1, true);
    ck_assert(b.intr.level);
    ck_assert_int_eq(pic_ack(&b.pic), 0x31);
    outb(&b.rig, 0x20, 0x20); /* non-specific EOI: of IRQ 1 */
    ck_assert(!b.intr.level);
    outb(&b.rig, 0x20, 0x20);
    ck_assert_int_eq(pic_ack(&b.pic), 0x35);
}
END_TEST

START_TEST(test_slave)
{
    struct board b;

    start(&b);
    set_irq(&b, 14, true);
    set_irq(&b, 12, true);
    ck_assert(b.intr.level);
    ck_assert_int_eq(pic_ack(&b.pic), 0x3c);
    ck_assert(!b.intr.level);
    outb(&b.rig, 0x64, 0xa0); /* specific EOI 12 */
    ck_assert(!b.intr.level); /* master still has IR2 in service */
    outb(&b.rig, 0x62, 0x20);
    ck_assert(b.intr.level);
    ck_assert_int_eq(pic_ack(&b.pic), 0x3e);
    outb(&b.rig, 0x20, 0xa0);
    outb(&b.rig, 0x20, 0x20);
    ck_assert(!b.intr.level);
    set_irq(&b, 9, true);
    outb(&b.rig, 0xff, 0xa1); /* masked meanwhile: nothing left */
    ck_assert(!b.intr.level);
    ck_assert_int_eq(pic_ack(&b.pic), 0x37);
}
END_TEST

START_TEST(test_spurious_15)
{
    struct board b;

    start(&b);
    outb(&b.rig, 0x19, 0x20); /* level-triggered master, vectors kept */
    outb(&b.rig, 0x30, 0x21);
    outb(&b.rig, 0x04, 0x21);
    outb(&b.rig, 0x01, 0x21);
    b.pic.chip[0].level |= 1 << PIC_CASCADE; /* the slave's INT glitches */
    ck_assert_int_eq(pic_ack(&b.pic), 0x3f);
    outb(&b.rig, 0x0b, 0xa0);
    ck_assert_uint_eq(inb(&b.rig, 0xa0), 0);
    outb(&b.rig, 0x0b, 0x20);
    ck_assert_uint_eq(inb(&b.rig, 0x20), 0x04); /* the master did serve IR2 */
}
END_TEST

START_TEST(test_level_triggered)
{
    struct board b;

    start(&b);
    outb(&b.rig, 0xff, 0x4d0);
    outb(&b.rig, 0xff, 0x4d1);
    ck_assert_uint_eq(inb(&b.rig, 0x4d0), 0xf8);
    ck_assert_uint_eq(inb(&b.rig, 0x4d1), 0xde);
    set_irq(&b, 9, true);
    ck_assert_int_eq(pic_ack(&b.pic), 0x39);
    outb(&b.rig, 0x20, 0xa0);
    outb(&b.rig, 0x20, 0x20);
    ck_assert(b.intr.level); /* still high: again */
    set_irq(&b, 9, false);
    ck_assert(!b.intr.level);
}
END_TEST

START_TEST(test_rotation)
{
    struct board b;

    start(&b);
    outb(&b.rig, 0xc0 | 4, 0x20); /* IR4 lowest: IR5 highest */
    set_irq(&b, 0, true);
    set_irq(&b, 5, true);
    set_irq(&b, 4, true);
    ck_assert_int_eq(pic_ack(&b.pic), 0x35);
    outb(&b.rig, 0xa0, 0x20); /* rotate on non-specific EOI: IR5 lowest */
    ck_assert_int_eq(pic_ack(&b.pic), 0x30);
    outb(&b.rig, 0xe0, 0x20); /* rotate on specific EOI of 0: IR0 lowest */
    ck_assert_uint_eq(b.pic.chip[0].lowest, 0);
    ck_assert_int_eq(pic_ack(&b.pic), 0x34);
}
END_TEST

START_TEST(test_special_mask)
{
    struct board b;

    start(&b);
    set_irq(&b, 1, true);
    ck_assert_int_eq(pic_ack(&b.pic), 0x31);
    set_irq(&b, 6, true);
    ck_assert(!b.intr.level);
    outb(&b.rig, 0x02, 0x21); /* mask the level in service */
    ck_assert(!b.intr.level);
    outb(&b.rig, 0x68, 0x20); /* special mask mode */
    ck_assert(b.intr.level);
    ck_assert_int_eq(pic_ack(&b.pic), 0x36);
    outb(&b.rig, 0x20, 0x20); /* non-specific EOI passes over masked levels */
    outb(&b.rig, 0x0b, 0x20);
    ck_assert_uint_eq(inb(&b.rig, 0x20), 0x02);
    outb(&b.rig, 0x48, 0x20);
    pulse(&b, 6);
    ck_assert(!b.intr.level);
}
END_TEST

START_TEST(test_poll)
{
    struct board b;

    start(&b);
    outb(&b.rig, 0x0c, 0x20);
    ck_assert_uint_eq(inb(&b.rig, 0x20), 0);
    set_irq(&b, 3, true);
    outb(&b.rig, 0x0c, 0x20);
    ck_assert_uint_eq(inb(&b.rig, 0x20), 0x83);
    ck_assert(!b.intr.level);
    outb(&b.rig, 0x0b, 0x20);
    ck_assert_uint_eq(inb(&b.rig, 0x20), 0x08);
}
END_TEST

START_TEST(test_auto_eoi)
{
    struct board b;

    start(&b);
    outb(&b.rig, 0x11, 0x20);
    ck_assert(!b.intr.level);
    outb(&b.rig, 0x30, 0x21);
    outb(&b.rig, 0x04, 0x21);
    outb(&b.rig, 0x03, 0x21);
    outb(&b.rig, 0x80, 0x20); /* rotate in automatic EOI mode */
    set_irq(&b, 3, true);
    set_irq(&b, 5, true);
    ck_assert_int_eq(pic_ack(&b.pic), 0x33);
    ck_assert_uint_eq(b.pic.chip[0].lowest, 3);
    ck_assert(b.intr.level);
    ck_assert_int_eq(pic_ack(&b.pic), 0x35);
    set_irq(&b, 10, true);
    set_irq(&b, 11, true);
    ck_assert_int_eq(pic_ack(&b.pic), 0x3a);
    outb(&b.rig, 0x20, 0xa0);
    ck_assert(b.intr.level); /* the slave's next request is a new edge */
    ck_assert_int_eq(pic_ack(&b.pic), 0x3b);
}
END_TEST

START_TEST(test_special_fully_nested)
{
    struct board b;

    start(&b);
    outb(&b.rig, 0x11, 0x20);
    outb(&b.rig, 0x30, 0x21);
    outb(&b.rig, 0x04, 0x21);
    outb(&b.rig, 0x11, 0x21);
    set_irq(&b, 12, true);
    ck_assert_int_eq(pic_ack(&b.pic), 0x3c);
    set_irq(&b, 3, true);
    ck_assert(!b.intr.level);
    set_irq(&b, 9, true); /* higher on the same slave */
    ck_assert(b.intr.level);
    ck_assert_int_eq(pic_ack(&b.pic), 0x39);
}
END_TEST

START_TEST(test_icw1_resets)
{
    struct board b;

    start(&b);
    outb(&b.rig, 0xff, 0x21);
    set_irq(&b, 3, true);
    outb(&b.rig, 0x13, 0x20); /* single, ICW4 */
    outb(&b.rig, 0x40, 0x21);
    outb(&b.rig, 0x01, 0x21);
    ck_assert_uint_eq(inb(&b.rig, 0x21), 0); /* mask cleared, ICW3 skipped */
    ck_assert(!b.intr.level);                /* edge sense cleared */
    pulse(&b, 3);
    ck_assert_int_eq(pic_ack(&b.pic), 0x43);
}
END_TEST

START_TEST(test_round_trip)
{
    struct board b, c;

    start(&b);
    start(&c);
    set_irq(&b, 4, true);
    pic_ack(&b.pic);
    set_irq(&b, 1, true);
    outb(&b.rig, 0x40, 0x4d1);
    outb(&b.rig, 0xc5, 0xa0);
    round_trip(&pic_class, &b.pic, &c.pic, true);
    ck_assert(c.intr.level);
    ck_assert_int_eq(pic_ack(&c.pic), 0x31);
    set_irq(&b, 1, false);
    set_irq(&b, 4, false);
    pic_class.reset(&b.pic);
    ck_assert(!b.intr.level);
    ck_assert_uint_eq(inb(&b.rig, 0x21), 0xff);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {test_linux_mask_probe,
                                  test_edge_needs_a_new_edge,
                                  test_priorities_nest,
                                  test_slave,
                                  test_spurious_15,
                                  test_level_triggered,
                                  test_rotation,
                                  test_special_mask,
                                  test_poll,
                                  test_auto_eoi,
                                  test_special_fully_nested,
                                  test_icw1_resets,
                                  test_round_trip};

    return run_tests("pic", tests, ARRAY_SIZE(tests));
}
