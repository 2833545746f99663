#include "devices/i8042.h"

#include "dev_harness.h"

struct board {
    struct rig rig;
    struct i8042 kbc;
    struct probe irq1, irq12, a20, reset;
};

static void start(struct board *b)
{
    memset(b, 0, sizeof(*b));
    rig_init(&b->rig);
    i8042_init(&b->kbc, &(struct i8042_lines){probe_line(&b->irq1), probe_line(&b->irq12),
                                              probe_line(&b->a20), probe_line(&b->reset)});
    ck_assert_int_eq(i8042_attach(&b->kbc, &b->rig.ports), 0);
}

static void command(struct board *b, uint8_t cmd)
{
    ck_assert_uint_eq(inb(&b->rig, 0x64) & 2, 0); /* input buffer empty */
    outb(&b->rig, cmd, 0x64);
}

/* The next byte, which must be there and come from where `aux` says. */
static uint8_t answer(struct board *b, bool aux)
{
    uint8_t status = inb(&b->rig, 0x64);

    ck_assert_uint_eq(status & 1, 1);
    ck_assert_int_eq(!!(status & 0x20), aux);
    return inb(&b->rig, 0x60);
}

static void nothing_left(struct board *b)
{
    ck_assert_uint_eq(inb(&b->rig, 0x64) & 1, 0);
}

/* i8042_controller_check(), i8042_controller_init(), i8042_controller_selftest(). */
START_TEST(test_linux_controller_probe)
{
    struct board b;

    start(&b);
    nothing_left(&b);
    ck_assert_uint_eq(inb(&b.rig, 0x64) & 0x10, 0x10); /* no keylock */
    command(&b, 0x20);
    ck_assert_uint_eq(answer(&b, false), 0x45);
    command(&b, 0x60);
    outb(&b.rig, 0x74, 0x60); /* keyboard and its interrupt off */
    command(&b, 0x20);
    ck_assert_uint_eq(answer(&b, false), 0x74);
    command(&b, 0xaa);
    ck_assert_uint_eq(answer(&b, false), 0x55);
    command(&b, 0xab);
    ck_assert_uint_eq(answer(&b, false), 0x00);
    command(&b, 0x6a);
    outb(&b.rig, 0x5c, 0x60);
    command(&b, 0x2a);
    ck_assert_uint_eq(answer(&b, false), 0x5c);
    nothing_left(&b);
}
END_TEST

/* i8042_check_aux() with its test of interrupt delivery, then psmouse asking who is there. */
START_TEST(test_linux_aux_probe)
{
    struct board b;

    start(&b);
    command(&b, 0xd3);
    outb(&b.rig, 0x5a, 0x60);
    ck_assert_uint_eq(answer(&b, true), 0x5a);
    command(&b, 0xa9);
    ck_assert_uint_eq(answer(&b, false), 0x00);
    command(&b, 0xa7);
    command(&b, 0x20);
    ck_assert_uint_eq(answer(&b, false) & 0x20, 0x20);
    command(&b, 0xa8);
    command(&b, 0x20);
    ck_assert_uint_eq(answer(&b, false) & 0x20, 0);
    command(&b, 0x60);
    outb(&b.rig, 0x47, 0x60);
    command(&b, 0xd3);
    outb(&b.rig, 0xa5, 0x60);
    ck_assert(b.irq12.level);
    ck_assert(!b.irq1.level);
    ck_assert_uint_eq(answer(&b, true), 0xa5);
    ck_assert(!b.irq12.level);
    command(&b, 0xd4);
    outb(&b.rig, 0xf2, 0x60);
    ck_assert_uint_eq(answer(&b, true), 0xfa);
    ck_assert_uint_eq(answer(&b, true), 0x00);
    nothing_left(&b);
}
END_TEST

static void mouse_says(struct board *b, const uint8_t *bytes, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        ck_assert_uint_eq(answer(b, true), bytes[i]);
    nothing_left(b);
}

#define MOUSE_SAYS(b, ...)                                                                         \
    mouse_says(b, (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

static void to_mouse(struct board *b, uint8_t byte)
{
    command(b, 0xd4);
    outb(&b->rig, byte, 0x60);
}

static void mouse_rate(struct board *b, uint8_t rate)
{
    to_mouse(b, 0xf3);
    MOUSE_SAYS(b, 0xfa);
    to_mouse(b, rate);
    MOUSE_SAYS(b, 0xfa);
}

/* psmouse: reset, IntelliMouse, IntelliMouse Explorer. */
START_TEST(test_mouse_identities)
{
    struct board b;

    start(&b);
    to_mouse(&b, 0xff);
    MOUSE_SAYS(&b, 0xfa, 0xaa, 0x00);
    mouse_rate(&b, 200);
    mouse_rate(&b, 200);
    mouse_rate(&b, 80);
    to_mouse(&b, 0xf2);
    MOUSE_SAYS(&b, 0xfa, 0x00); /* the wheel comes first */
    mouse_rate(&b, 200);
    mouse_rate(&b, 100);
    mouse_rate(&b, 80);
    to_mouse(&b, 0xf2);
    MOUSE_SAYS(&b, 0xfa, 0x03);
    mouse_rate(&b, 200);
    mouse_rate(&b, 200);
    mouse_rate(&b, 80);
    to_mouse(&b, 0xf2);
    MOUSE_SAYS(&b, 0xfa, 0x04);
    to_mouse(&b, 0xe8);
    MOUSE_SAYS(&b, 0xfa);
    to_mouse(&b, 0x03);
    MOUSE_SAYS(&b, 0xfa);
    to_mouse(&b, 0xe7);
    MOUSE_SAYS(&b, 0xfa);
    i8042_mouse(&b.kbc, 0, 0, 0, 1);
    to_mouse(&b, 0xe9);
    MOUSE_SAYS(&b, 0xfa, 0x14, 0x03, 80);
    to_mouse(&b, 0x12);
    MOUSE_SAYS(&b, 0xfe);
    to_mouse(&b, 0xff);
    MOUSE_SAYS(&b, 0xfa, 0xaa, 0x00);
}
END_TEST

START_TEST(test_mouse_moves)
{
    struct board b;

    start(&b);
    command(&b, 0x60);
    outb(&b.rig, 0x47, 0x60);
    i8042_mouse(&b.kbc, 5, 5, 0, 0); /* not enabled */
    nothing_left(&b);
    to_mouse(&b, 0xf4);
    MOUSE_SAYS(&b, 0xfa);
    i8042_mouse(&b.kbc, 5, 3, 0, 1);
    ck_assert(b.irq12.level);
    MOUSE_SAYS(&b, 0x29, 5, 0xfd);
    ck_assert(!b.irq12.level);
    i8042_mouse(&b.kbc, 300, -1, 0, 0);
    i8042_mouse(&b.kbc, -50, 0, 0, 0); /* while the first packet is on its way */
    MOUSE_SAYS(&b, 0x08, 255, 1, 0x18, 0xfb, 0);
    i8042_mouse(&b.kbc, 0, 0, 1, 0); /* no wheel yet */
    nothing_left(&b);
    mouse_rate(&b, 200);
    mouse_rate(&b, 100);
    mouse_rate(&b, 80);
    i8042_mouse(&b.kbc, 0, 0, -1, 4);
    MOUSE_SAYS(&b, 0x0c, 0, 0, 0xff);
    to_mouse(&b, 0xfe);
    MOUSE_SAYS(&b, 0x0c, 0, 0, 0xff);
    to_mouse(&b, 0xf0); /* remote: on request only */
    MOUSE_SAYS(&b, 0xfa);
    i8042_mouse(&b.kbc, 1, 0, 0, 0);
    nothing_left(&b);
    to_mouse(&b, 0xeb);
    MOUSE_SAYS(&b, 0xfa, 0x08, 1, 0, 0);
    to_mouse(&b, 0xee);
    MOUSE_SAYS(&b, 0xfa);
    to_mouse(&b, 0xf4);
    MOUSE_SAYS(&b, 0xf4); /* echoed */
    to_mouse(&b, 0xec);
    MOUSE_SAYS(&b, 0xfa);
    i8042_mouse(&b.kbc, INT32_MIN, INT32_MIN, INT32_MAX, UINT32_MAX);
    i8042_mouse(&b.kbc, INT32_MIN, INT32_MIN, INT32_MAX, 0);
    to_mouse(&b, 0xeb);
    MOUSE_SAYS(&b, 0xfa, 0x18, 0x01, 0xff, 7);
}
END_TEST

START_TEST(test_keys)
{
    struct board b;

    start(&b);
    i8042_key(&b.kbc, 0x1e, true); /* A, set 2 translated */
    ck_assert(b.irq1.level);
    ck_assert_uint_eq(answer(&b, false), 0x1e);
    i8042_key(&b.kbc, 0x1e, false);
    ck_assert_uint_eq(answer(&b, false), 0x9e);
    i8042_key(&b.kbc, 0xcb, true); /* Left: E0h and its code */
    i8042_key(&b.kbc, 0xcb, false);
    ck_assert_uint_eq(answer(&b, false), 0xe0);
    ck_assert_uint_eq(answer(&b, false), 0x4b);
    ck_assert_uint_eq(answer(&b, false), 0xe0);
    ck_assert_uint_eq(answer(&b, false), 0xcb);
    nothing_left(&b);
}
END_TEST

START_TEST(test_keys_wait)
{
    struct board b;

    start(&b);
    command(&b, 0x60);
    outb(&b.rig, 0x05, 0x60); /* as the keyboard says it */
    i8042_key(&b.kbc, 0x1e, true);
    i8042_key(&b.kbc, 0x1f, true);
    ck_assert_uint_eq(answer(&b, false), 0x1c);
    outb(&b.rig, 0xed,
         0x60); /* S, sent already, comes before the answer; B waits for the argument */
    i8042_key(&b.kbc, 0x30, true);
    ck_assert_uint_eq(answer(&b, false), 0x1b);
    ck_assert_uint_eq(answer(&b, false), 0xfa);
    nothing_left(&b);
    outb(&b.rig, 0x00, 0x60);
    ck_assert_uint_eq(answer(&b, false), 0xfa);
    ck_assert_uint_eq(answer(&b, false), 0x32);
    outb(&b.rig, 0xf5, 0x60); /* not scanning */
    ck_assert_uint_eq(answer(&b, false), 0xfa);
    i8042_key(&b.kbc, 0x1e, true);
    nothing_left(&b);
    outb(&b.rig, 0xf4, 0x60);
    ck_assert_uint_eq(answer(&b, false), 0xfa);
    for (unsigned i = 0; i < 1000; i++)
        i8042_key(&b.kbc, 0x1e, true);
    ck_assert(!i8042_keys_ready(&b.kbc));
    for (unsigned i = 0; i <= KBD_KEYS_SIZE; i++)
        ck_assert_uint_eq(answer(&b, false), 0x1c);
    nothing_left(&b);
    ck_assert(i8042_keys_ready(&b.kbc));
}
END_TEST

/* atkbd_probe(): reset, identify, LEDs, scan set; one interrupt per byte. */
START_TEST(test_keyboard)
{
    struct board b;
    unsigned before;

    start(&b);
    outb(&b.rig, 0xff, 0x60);
    ck_assert(b.irq1.level);
    before = b.irq1.rises;
    ck_assert_uint_eq(answer(&b, false), 0xfa);
    ck_assert_uint_eq(b.irq1.rises, before + 1);
    ck_assert_uint_eq(answer(&b, false), 0xaa);
    ck_assert(!b.irq1.level);
    outb(&b.rig, 0xf2, 0x60);
    ck_assert_uint_eq(answer(&b, false), 0xfa);
    ck_assert_uint_eq(answer(&b, false), 0xab);
    ck_assert_uint_eq(answer(&b, false), 0x41); /* 83h, translated */
    outb(&b.rig, 0xed, 0x60);
    ck_assert_uint_eq(answer(&b, false), 0xfa);
    outb(&b.rig, 0x05, 0x60);
    ck_assert_uint_eq(answer(&b, false), 0xfa);
    ck_assert_uint_eq(b.kbc.kbd.leds, 5);
    outb(&b.rig, 0xf3, 0x60);
    ck_assert_uint_eq(answer(&b, false), 0xfa);
    outb(&b.rig, 0x00, 0x60);
    ck_assert_uint_eq(answer(&b, false), 0xfa);
    outb(&b.rig, 0xf0, 0x60);
    ck_assert_uint_eq(answer(&b, false), 0xfa);
    outb(&b.rig, 0x00, 0x60);
    ck_assert_uint_eq(answer(&b, false), 0xfa);
    ck_assert_uint_eq(answer(&b, false), 0x41); /* set 2, translated */
    outb(&b.rig, 0xf0, 0x60);
    answer(&b, false);
    outb(&b.rig, 0x03, 0x60);
    answer(&b, false);
    ck_assert_uint_eq(b.kbc.kbd.scan_set, 3);
    outb(&b.rig, 0xee, 0x60);
    ck_assert_uint_eq(answer(&b, false), 0xee);
    outb(&b.rig, 0xfe, 0x60);
    ck_assert_uint_eq(answer(&b, false), 0xee); /* resent */
    outb(&b.rig, 0xf5, 0x60);
    ck_assert_uint_eq(answer(&b, false), 0xfa);
    ck_assert(!b.kbc.kbd.scanning);
    ck_assert_uint_eq(b.kbc.kbd.scan_set, 2);
    outb(&b.rig, 0xf4, 0x60);
    ck_assert_uint_eq(answer(&b, false), 0xfa);
    ck_assert(b.kbc.kbd.scanning);
    outb(&b.rig, 0x12, 0x60); /* no command */
    ck_assert_uint_eq(answer(&b, false), 0xfe);
    nothing_left(&b);
}
END_TEST

START_TEST(test_keyboard_untranslated_and_held)
{
    struct board b;

    start(&b);
    command(&b, 0x60);
    outb(&b.rig, 0x05, 0x60);
    outb(&b.rig, 0xf2, 0x60);
    ck_assert_uint_eq(answer(&b, false), 0xfa);
    command(&b, 0xad); /* clock held: ABh had been sent, 83h waits */
    ck_assert_uint_eq(answer(&b, false), 0xab);
    nothing_left(&b);
    ck_assert(!b.irq1.level);
    command(&b, 0xae);
    ck_assert(b.irq1.level);
    ck_assert_uint_eq(answer(&b, false), 0x83);
    command(&b, 0xad);
    outb(&b.rig, 0xee, 0x60); /* writing releases the clock */
    ck_assert_uint_eq(answer(&b, false), 0xee);
}
END_TEST

START_TEST(test_output_port)
{
    struct board b;

    start(&b);
    ck_assert(b.a20.level);
    command(&b, 0xd1);
    outb(&b.rig, 0xdd, 0x60); /* the classic way to close A20 */
    ck_assert(!b.a20.level);
    command(&b, 0xd1);
    outb(&b.rig, 0xdf, 0x60);
    ck_assert(b.a20.level);
    command(&b, 0xdd);
    ck_assert(!b.a20.level);
    command(&b, 0xd0);
    ck_assert_uint_eq(answer(&b, false) & 3, 1);
    command(&b, 0xdf);
    ck_assert(b.a20.level);
    ck_assert_uint_eq(b.reset.rises, 0);
    command(&b, 0xff); /* pulses nothing */
    ck_assert_uint_eq(b.reset.rises, 0);
    command(&b, 0xfe);
    ck_assert_uint_eq(b.reset.rises, 1);
    ck_assert_uint_eq(b.reset.falls, 1);
    command(&b, 0xd1);
    outb(&b.rig, 0x02, 0x60);
    ck_assert(b.reset.level);
    i8042_class.reset(&b.kbc);
    ck_assert(!b.reset.level);
}
END_TEST

START_TEST(test_buffer_commands)
{
    struct board b;

    start(&b);
    command(&b, 0xd2);
    outb(&b.rig, 0x1e, 0x60);
    ck_assert(b.irq1.level);
    ck_assert_uint_eq(answer(&b, false), 0x1e);
    ck_assert_uint_eq(inb(&b.rig, 0x64) & 8, 0); /* last write was data */
    command(&b, 0xa4);
    ck_assert_uint_eq(answer(&b, false), 0xf1);
    ck_assert_uint_eq(inb(&b.rig, 0x64) & 8, 8);
    command(&b, 0xc0);
    ck_assert_uint_eq(answer(&b, false) & 0x80, 0x80);
    command(&b, 0xe0);
    answer(&b, false);
    for (unsigned i = 0; i < 256; i++) { /* every command, then any byte: no trap anywhere */
        outb(&b.rig, (uint8_t)i, 0x64);
        for (unsigned j = 0; j < 256; j++)
            outb(&b.rig, (uint8_t)j, 0x60);
        inb(&b.rig, 0x60);
    }
}
END_TEST

START_TEST(test_round_trip)
{
    struct board b, c;

    start(&b);
    start(&c);
    command(&b, 0xdd);
    outb(&b.rig, 0xf2, 0x60);
    round_trip(&i8042_class, &b.kbc, &c.kbc, true);
    ck_assert(c.irq1.level);
    ck_assert(!c.a20.level);
    ck_assert_uint_eq(answer(&c, false), 0xfa);
    ck_assert_uint_eq(answer(&c, false), 0xab);
    ck_assert_uint_eq(answer(&c, false), 0x41);
    start(&c);
    reset_equals_fresh(&i8042_class, &b.kbc, &c.kbc);
    ck_assert(!b.irq1.level);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {test_linux_controller_probe,
                                  test_linux_aux_probe,
                                  test_mouse_identities,
                                  test_mouse_moves,
                                  test_keys,
                                  test_keys_wait,
                                  test_keyboard,
                                  test_keyboard_untranslated_and_held,
                                  test_output_port,
                                  test_buffer_commands,
                                  test_round_trip};

    return run_tests("i8042", tests, ARRAY_SIZE(tests));
}
