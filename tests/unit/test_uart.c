#include "devices/uart16550.h"

#include "dev_harness.h"

enum {
    BASE = 0x3f8,
    DATA = BASE,
    IER = BASE + 1,
    IIR = BASE + 2,
    LCR = BASE + 3,
    MCR = BASE + 4,
    LSR = BASE + 5,
    MSR = BASE + 6,
    SCR = BASE + 7
};

struct board {
    struct rig rig;
    struct uart16550 uart;
    struct probe irq;
    struct capture port;
};

static void start(struct board *b)
{
    memset(b, 0, sizeof(*b));
    rig_init(&b->rig);
    capture_init(&b->port);
    uart_init(&b->uart, &b->rig.clock, probe_line(&b->irq), &b->port.chr);
    ck_assert_int_eq(uart_attach(&b->uart, &b->rig.ports, BASE), 0);
}

static void type(struct board *b, const char *s)
{
    struct chardev_sink *k = &b->port.chr.sink;

    k->receive(k->dev, (const uint8_t *)s, strlen(s));
}

static size_t room(struct board *b)
{
    return b->port.chr.sink.can_receive(b->port.chr.sink.dev);
}

/* autoconfig() of Linux's 8250 driver, in its order. */
START_TEST(test_linux_autoconfig)
{
    struct board b;

    start(&b);
    outb(&b.rig, 0, IER);
    ck_assert_uint_eq(inb(&b.rig, IER) & 0x0f, 0);
    outb(&b.rig, 0x0f, IER);
    ck_assert_uint_eq(inb(&b.rig, IER), 0x0f);
    outb(&b.rig, 0, IER);
    outb(&b.rig, 0x10 | 0x0a, MCR); /* loop test: RTS and OUT2 come back as CTS and DCD */
    ck_assert_uint_eq(inb(&b.rig, MSR) & 0xf0, 0x90);
    outb(&b.rig, 0, MCR);
    outb(&b.rig, 0xbf, LCR); /* EFR probe: DLAB is on, the IIR answers */
    outb(&b.rig, 0, IIR);
    outb(&b.rig, 0, LCR);
    outb(&b.rig, 1, IIR);
    ck_assert_uint_eq(inb(&b.rig, IIR) >> 6, 3); /* 16550A */
    outb(&b.rig, 0xbf, LCR);
    ck_assert_uint_ne(inb(&b.rig, IIR), 0);
    outb(&b.rig, 0x80, LCR); /* a 16750 would show bit 5 */
    outb(&b.rig, 0x21, IIR);
    ck_assert_uint_eq(inb(&b.rig, IIR) >> 5, 6);
    outb(&b.rig, 0, LCR);
    outb(&b.rig, 0x40, IER); /* an XScale would keep UUE */
    ck_assert_uint_eq(inb(&b.rig, IER), 0);
    outb(&b.rig, 0x55, SCR);
    ck_assert_uint_eq(inb(&b.rig, SCR), 0x55);
}
END_TEST

/* serial8250_do_startup(): the THRE and TXEN tests. */
START_TEST(test_linux_thre_probe)
{
    struct board b;

    start(&b);
    outb(&b.rig, 0x08, MCR);
    for (unsigned i = 0; i < 2; i++) {
        outb(&b.rig, 0x02, IER);
        ck_assert(b.irq.level);
        ck_assert_uint_eq(inb(&b.rig, IIR) & 0x0f, 0x02);
        ck_assert(!b.irq.level); /* reading IIR took it away */
        ck_assert_uint_eq(inb(&b.rig, IIR) & 0x0f, 0x01);
        outb(&b.rig, 0x00, IER);
    }
    outb(&b.rig, 0x02, IER);
    ck_assert_uint_eq(inb(&b.rig, LSR) & 0x60, 0x60);
    ck_assert_uint_eq(inb(&b.rig, IIR) & 0x0f, 0x02);
    outb(&b.rig, 'x', DATA); /* sent at once: the next interrupt */
    ck_assert(b.irq.level);
    ck_assert_uint_eq(b.port.len, 1);
    outb(&b.rig, 0, MCR); /* OUT2 gates the line */
    ck_assert(!b.irq.level);
    outb(&b.rig, 0x08, MCR);
    ck_assert(b.irq.level);
    outb(&b.rig, 0, IER);
    ck_assert(!b.irq.level);
}
END_TEST

START_TEST(test_transmit)
{
    struct board b;

    start(&b);
    for (const char *s = "boot"; *s; s++)
        outb(&b.rig, (uint8_t)*s, DATA);
    ck_assert_uint_eq(b.port.len, 4);
    ck_assert_int_eq(memcmp(b.port.out, "boot", 4), 0);
}
END_TEST

START_TEST(test_divisor)
{
    struct board b;

    start(&b);
    outb(&b.rig, 0x83, LCR);
    outb(&b.rig, 0x01, DATA);
    outb(&b.rig, 0x02, IER);
    ck_assert_uint_eq(inb(&b.rig, DATA), 0x01);
    ck_assert_uint_eq(inb(&b.rig, IER), 0x02);
    ck_assert_uint_eq(b.port.len, 0);
    outb(&b.rig, 0x03, LCR);
    ck_assert_uint_eq(inb(&b.rig, LCR), 0x03);
    ck_assert_uint_eq(inb(&b.rig, IER), 0);
    ck_assert_uint_eq(b.uart.divisor, 0x201);
}
END_TEST

START_TEST(test_receive_without_fifo)
{
    struct board b;

    start(&b);
    outb(&b.rig, 0x08, MCR);
    outb(&b.rig, 0x01, IER);
    ck_assert_uint_eq(room(&b), 1);
    type(&b, "a");
    ck_assert_uint_eq(room(&b), 0);
    ck_assert(b.irq.level);
    ck_assert_uint_eq(inb(&b.rig, IIR), 0x04);
    ck_assert_uint_eq(inb(&b.rig, LSR), 0x61);
    ck_assert_uint_eq(inb(&b.rig, DATA), 'a');
    ck_assert_uint_eq(b.port.ready, 1);
    ck_assert(!b.irq.level);
    ck_assert_uint_eq(inb(&b.rig, LSR), 0x60);
    ck_assert_uint_eq(inb(&b.rig, DATA), 'a'); /* the buffer keeps it */
    type(&b, "bc");                            /* a backend that does not ask overruns */
    ck_assert_uint_eq(inb(&b.rig, LSR), 0x63);
    ck_assert_uint_eq(inb(&b.rig, LSR), 0x61);
    ck_assert_uint_eq(inb(&b.rig, DATA), 'c');
}
END_TEST

START_TEST(test_fifo_trigger_and_timeout)
{
    struct board b;

    start(&b);
    outb(&b.rig, 0x83, LCR);
    outb(&b.rig, 1, DATA); /* 115200 8N1: four characters take 347 us */
    outb(&b.rig, 0x03, LCR);
    outb(&b.rig, 0x81, IIR); /* trigger at 8 */
    outb(&b.rig, 0x08, MCR);
    outb(&b.rig, 0x01, IER);
    type(&b, "1234567");
    ck_assert(!b.irq.level);
    ck_assert_uint_eq(inb(&b.rig, LSR) & 1, 1);
    type(&b, "8");
    ck_assert(b.irq.level);
    ck_assert_uint_eq(inb(&b.rig, IIR), 0xc4);
    ck_assert_uint_eq(inb(&b.rig, DATA), '1');
    ck_assert(!b.irq.level);
    rig_pass(&b.rig, 340000);
    ck_assert(!b.irq.level);
    rig_pass(&b.rig, 10000);
    ck_assert(b.irq.level);
    ck_assert_uint_eq(inb(&b.rig, IIR), 0xcc);
    ck_assert_uint_eq(inb(&b.rig, DATA), '2'); /* a read takes it away.. */
    ck_assert(!b.irq.level);
    rig_pass(&b.rig, 350000); /* ..until the next pause */
    ck_assert(b.irq.level);
    for (char c = '3'; c <= '8'; c++)
        ck_assert_uint_eq(inb(&b.rig, DATA), (uint8_t)c);
    ck_assert(!b.irq.level);
    ck_assert_uint_eq(inb(&b.rig, LSR) & 1, 0);
    ck_assert(clock_deadline(&b.rig.clock) == CLOCK_NEVER);
    type(&b, "0123456789abcdef");
    ck_assert_uint_eq(room(&b), 0);
    outb(&b.rig, 0x83, IIR); /* clear the receiver */
    ck_assert_uint_eq(room(&b), 16);
    ck_assert_uint_eq(inb(&b.rig, LSR) & 1, 0);
    outb(&b.rig, 0x00, IIR);
    ck_assert_uint_eq(inb(&b.rig, IIR), 0x01);
}
END_TEST

START_TEST(test_loopback)
{
    struct board b;

    start(&b);
    outb(&b.rig, 0x01, IIR);
    outb(&b.rig, 0x10, MCR);
    ck_assert_uint_eq(room(&b), 0); /* disconnected */
    for (unsigned i = 0; i < 17; i++)
        outb(&b.rig, (uint8_t)('A' + i), DATA);
    ck_assert_uint_eq(b.port.len, 0);
    ck_assert_uint_eq(inb(&b.rig, LSR), 0x63); /* overrun: the seventeenth is lost */
    for (unsigned i = 0; i < 16; i++)
        ck_assert_uint_eq(inb(&b.rig, DATA), 'A' + i);
    outb(&b.rig, 0x43, LCR); /* break comes back as a zero with BI */
    ck_assert_uint_eq(inb(&b.rig, LSR), 0xf1);
    ck_assert_uint_eq(inb(&b.rig, LSR), 0x61);
    ck_assert_uint_eq(inb(&b.rig, DATA), 0);
    b.port.ready = 0;
    outb(&b.rig, 0x00, MCR);
    ck_assert_uint_eq(b.port.ready, 1);
    ck_assert_uint_eq(room(&b), 16);
}
END_TEST

START_TEST(test_line_status_interrupt)
{
    struct board b;

    start(&b);
    outb(&b.rig, 0x08, MCR);
    outb(&b.rig, 0x07, IER);
    inb(&b.rig, IIR);
    type(&b, "xy");                            /* overrun */
    ck_assert_uint_eq(inb(&b.rig, IIR), 0x06); /* above received data */
    inb(&b.rig, LSR);
    ck_assert_uint_eq(inb(&b.rig, IIR), 0x04);
}
END_TEST

START_TEST(test_modem_status)
{
    struct board b;
    struct uart16550 lone;

    start(&b);
    ck_assert_uint_eq(inb(&b.rig, MSR), 0xb0); /* connected: DCD, DSR, CTS */
    outb(&b.rig, 0x10 | 0x04, MCR);
    ck_assert_uint_eq(inb(&b.rig, MSR), 0x4b);
    ck_assert_uint_eq(inb(&b.rig, MSR), 0x40);
    outb(&b.rig, 0x10, MCR); /* RI falls */
    ck_assert_uint_eq(inb(&b.rig, MSR), 0x04);
    outb(&b.rig, 0x08, IER);
    outb(&b.rig, 0x08, MCR);
    ck_assert(b.irq.level);
    ck_assert_uint_eq(inb(&b.rig, IIR), 0x00);
    ck_assert_uint_eq(inb(&b.rig, MSR), 0xbb);
    ck_assert(!b.irq.level);
    uart_init(&lone, &b.rig.clock, probe_line(&b.irq), NULL);
    ck_assert_int_eq(uart_attach(&lone, &b.rig.ports, 0x2f8), 0);
    ck_assert_uint_eq(inb(&b.rig, 0x2fe), 0);
    outb(&b.rig, 'x', 0x2f8);
    ck_assert_uint_eq(b.port.len, 0);
}
END_TEST

START_TEST(test_round_trip)
{
    struct board b, c;

    start(&b);
    start(&c);
    outb(&b.rig, 0x83, LCR);
    outb(&b.rig, 1, DATA);
    outb(&b.rig, 0x03, LCR);
    outb(&b.rig, 0xc1, IIR);
    outb(&b.rig, 0x0b, MCR);
    outb(&b.rig, 0x01, IER);
    type(&b, "hello");
    round_trip(&uart_class, &b.uart, &c.uart, true);
    ck_assert(!c.irq.level);
    rig_pass(&c.rig, 350000); /* the timeout was armed again */
    ck_assert(c.irq.level);
    ck_assert_uint_eq(inb(&c.rig, DATA), 'h');
    rig_pass(&b.rig, 350000);
    uart_class.reset(&b.uart);
    ck_assert(!b.irq.level);
    ck_assert_uint_eq(inb(&b.rig, IIR), 0x01);
    ck_assert_uint_eq(inb(&b.rig, LSR), 0x60);
    ck_assert_uint_eq(inb(&b.rig, MCR), 0);
    ck_assert_uint_eq(room(&b), 1);
    start(&c);
    start(&b);
    outb(&b.rig, 0x1f, MCR);
    outb(&b.rig, 0x0f, IER);
    outb(&b.rig, 0xc1, IIR);
    outb(&b.rig, 0x1b, LCR);
    reset_equals_fresh(&uart_class, &b.uart, &c.uart);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        test_linux_autoconfig, test_linux_thre_probe,      test_transmit,
        test_divisor,          test_receive_without_fifo,  test_fifo_trigger_and_timeout,
        test_loopback,         test_line_status_interrupt, test_modem_status,
        test_round_trip};

    return run_tests("uart", tests, ARRAY_SIZE(tests));
}
