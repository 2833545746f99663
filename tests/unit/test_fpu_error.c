/* Port F0h between FERR#, IRQ 13 and IGNNE#. */
#include "dev_harness.h"

#include "devices/fpu_error.h"

struct board {
    struct rig r;
    struct fpu_error s;
    struct probe irq13, ignne;
    struct line ferr;
};

static void start(struct board *b)
{
    memset(b, 0, sizeof(*b));
    rig_init(&b->r);
    fpu_error_init(&b->s, probe_line(&b->irq13), probe_line(&b->ignne));
    ck_assert_int_eq(fpu_error_attach(&b->s, &b->r.ports), 0);
    b->ferr = fpu_error_ferr(&b->s);
}

START_TEST(test_request_is_latched)
{
    struct board b;

    start(&b);
    line_set(&b.ferr, true);
    line_set(&b.ferr, true);
    ck_assert(b.irq13.level);
    ck_assert_uint_eq(b.irq13.rises, 1);
    ck_assert(!b.ignne.level);
    line_set(&b.ferr, false); /* FNCLEX: the request stays until F0h is written */
    ck_assert(b.irq13.level);
    outb(&b.r, 0, 0xf0);
    ck_assert(!b.irq13.level);
    ck_assert(!b.ignne.level);
    line_set(&b.ferr, true);
    ck_assert_uint_eq(b.irq13.rises, 2);
}
END_TEST

START_TEST(test_ignne_lasts_as_long_as_ferr)
{
    struct board b;

    start(&b);
    outb(&b.r, 0, 0xf0); /* no error: nothing to ignore */
    ck_assert(!b.ignne.level);
    line_set(&b.ferr, true);
    outb(&b.r, 0, 0xf1);
    ck_assert(b.irq13.level);
    outb(&b.r, 0, 0xf0);
    ck_assert(!b.irq13.level);
    ck_assert(b.ignne.level);
    line_set(&b.ferr, false);
    ck_assert(!b.ignne.level);
}
END_TEST

START_TEST(test_state)
{
    struct board b, c;

    start(&b);
    line_set(&b.ferr, true);
    outb(&b.r, 0, 0xf0);
    start(&c);
    round_trip(&fpu_error_class, &b.s, &c.s, true);
    ck_assert(c.ignne.level);
    start(&c);
    reset_equals_fresh(&fpu_error_class, &b.s, &c.s);
    ck_assert(!b.ignne.level);
    ck_assert_uint_eq(inb(&b.r, 0xf0), 0xff);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {test_request_is_latched, test_ignne_lasts_as_long_as_ferr,
                                  test_state};

    return run_tests("fpu_error", tests, ARRAY_SIZE(tests));
}
