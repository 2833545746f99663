#include "devices/uart16550.h"

#include <string.h>

enum { RBR_THR = 0, IER = 1, IIR_FCR = 2, LCR = 3, MCR = 4, LSR = 5, MSR = 6, SCR = 7 };

enum { /* register bits (data sheet, table II) */
       IER_RDA = 1 << 0,
       IER_THRE = 1 << 1,
       IER_RLS = 1 << 2,
       IER_MS = 1 << 3,
       IER_ALL = 0x0f,
       IIR_NONE = 0x01,
       IIR_MS = 0x00,
       IIR_THRE = 0x02,
       IIR_RDA = 0x04,
       IIR_RLS = 0x06,
       IIR_TIMEOUT = 0x0c,
       IIR_FIFO = 0xc0,
       FCR_ENABLE = 1 << 0,
       FCR_CLEAR_RX = 1 << 1,
       FCR_DMA = 1 << 3,
       FCR_TRIGGER = 0xc0,
       LCR_WLS = 3,
       LCR_STB = 1 << 2,
       LCR_PEN = 1 << 3,
       LCR_BREAK = 1 << 6,
       LCR_DLAB = 1 << 7,
       MCR_DTR = 1 << 0,
       MCR_RTS = 1 << 1,
       MCR_OUT1 = 1 << 2,
       MCR_OUT2 = 1 << 3,
       MCR_LOOP = 1 << 4,
       MCR_ALL = 0x1f,
       LSR_DR = 1 << 0,
       LSR_OE = 1 << 1,
       LSR_BI = 1 << 4,
       LSR_THRE = 1 << 5,
       LSR_TEMT = 1 << 6,
       LSR_FIFO_ERR = 1 << 7,
       MSR_TERI = 1 << 2,
       MSR_CTS = 1 << 4,
       MSR_DSR = 1 << 5,
       MSR_RI = 1 << 6,
       MSR_DCD = 1 << 7,
       MSR_DELTAS = 0x0f,
};

#define UART_CLOCK_HZ UINT64_C(1843200)

static const uint8_t trigger_level[4] = {1, 4, 8, 14};

static bool fifo_on(const struct uart16550 *u)
{
    return u->fcr & FCR_ENABLE;
}

static unsigned rx_room(const struct uart16550 *u)
{
    return (fifo_on(u) ? UART_FIFO_SIZE : 1u) - u->rx_count;
}

static bool rx_ready(const struct uart16550 *u)
{
    return u->rx_count >= (fifo_on(u) ? trigger_level[u->fcr >> 6] : 1);
}

static uint8_t line_status(const struct uart16550 *u)
{
    uint8_t any = 0, val = LSR_THRE | LSR_TEMT;

    for (unsigned i = 0; i < u->rx_count; i++)
        any |= u->rx_err[(u->rx_head + i) % UART_FIFO_SIZE];
    if (u->overrun)
        val |= LSR_OE;
    if (u->rx_count) /* errors show when their character is at the top */
        val |= LSR_DR | u->rx_err[u->rx_head];
    if (fifo_on(u) && any)
        val |= LSR_FIFO_ERR;
    return val;
}

/* The pending interrupt of highest priority (table III). */
static uint8_t int_id(const struct uart16550 *u)
{
    bool rls = u->overrun || (u->rx_count && u->rx_err[u->rx_head]);

    if ((u->ier & IER_RLS) && rls)
        return IIR_RLS;
    if ((u->ier & IER_RDA) && rx_ready(u))
        return IIR_RDA;
    if ((u->ier & IER_RDA) && u->timeout)
        return IIR_TIMEOUT;
    if ((u->ier & IER_THRE) && u->thr_int)
        return IIR_THRE;
    if ((u->ier & IER_MS) && (u->msr & MSR_DELTAS))
        return IIR_MS;
    return IIR_NONE;
}

/* In loop mode the OUT2 pin is forced inactive, whatever MCR says. */
static void update(struct uart16550 *u)
{
    bool out2 = (u->mcr & (MCR_OUT2 | MCR_LOOP)) == MCR_OUT2;

    line_set(&u->irq, out2 && int_id(u) != IIR_NONE);
    timer_set(u->clock, &u->timer, u->timeout_at);
}

/* Four character times without a character coming or going raise the timeout. */
static void restart_timeout(struct uart16550 *u)
{
    uint64_t bits = 1u + 5u + (u->lcr & LCR_WLS) + !!(u->lcr & LCR_PEN) + 1u + !!(u->lcr & LCR_STB);
    uint64_t divisor = u->divisor ? u->divisor : 1;

    u->timeout = 0;
    u->timeout_at = CLOCK_NEVER;
    if (fifo_on(u) && u->rx_count)
        u->timeout_at =
            clock_now(u->clock) + muldiv64(4 * bits * 16 * divisor, NS_PER_SEC, UART_CLOCK_HZ);
}

static void uart_timeout(void *dev, uint64_t now)
{
    struct uart16550 *u = dev;

    (void)now;
    u->timeout = 1;
    u->timeout_at = CLOCK_NEVER;
    update(u);
}

static void push_rx(struct uart16550 *u, uint8_t ch, uint8_t err)
{
    unsigned at;

    if (!rx_room(u)) {
        u->overrun = 1;
        if (fifo_on(u)) /* the FIFO keeps what it has, the holding register does not */
            return;
        u->rx_count = 0;
    }
    at = (u->rx_head + u->rx_count) % UART_FIFO_SIZE;
    u->rx[at] = ch;
    u->rx_err[at] = err;
    u->rx_count++;
}

static uint8_t pop_rx(struct uart16550 *u)
{
    if (u->rx_count) {
        u->rbr = u->rx[u->rx_head];
        u->rx_head = (u->rx_head + 1) % UART_FIFO_SIZE;
        u->rx_count--;
        restart_timeout(u);
    }
    return u->rbr;
}

/* The serial input is disconnected in loop mode: the backend keeps its bytes meanwhile. */
static size_t uart_can_receive(void *dev)
{
    struct uart16550 *u = dev;

    return u->mcr & MCR_LOOP ? 0 : rx_room(u);
}

static void uart_receive(void *dev, const uint8_t *buf, size_t len)
{
    struct uart16550 *u = dev;

    for (size_t i = 0; i < len; i++)
        push_rx(u, buf[i], 0);
    if (len)
        restart_timeout(u);
    update(u);
}

static void offer_room(struct uart16550 *u)
{
    if (uart_can_receive(u))
        chardev_sink_ready(u->chr);
}

static void transmit(struct uart16550 *u, uint8_t ch)
{
    u->thr_int = 1; /* the holding register is empty again */
    if (u->mcr & MCR_LOOP) {
        push_rx(u, ch, 0);
        restart_timeout(u);
    } else {
        chardev_write(u->chr, &ch, 1);
    }
}

/* The modem inputs as MSR shows them: a connected backend is always there and ready. */
static void update_modem(struct uart16550 *u)
{
    uint8_t in = u->chr ? MSR_DCD | MSR_DSR | MSR_CTS : 0, changed;

    if (u->mcr & MCR_LOOP)
        in = (uint8_t)((u->mcr & MCR_RTS ? MSR_CTS : 0) | (u->mcr & MCR_DTR ? MSR_DSR : 0) |
                       (u->mcr & MCR_OUT1 ? MSR_RI : 0) | (u->mcr & MCR_OUT2 ? MSR_DCD : 0));
    changed = (u->msr ^ in) & (MSR_CTS | MSR_DSR | MSR_DCD);
    u->msr = (u->msr & MSR_DELTAS) | (changed >> 4) | in |
             ((u->msr & MSR_RI) && !(in & MSR_RI) ? MSR_TERI : 0);
}

static uint8_t read_rbr(struct uart16550 *u)
{
    return u->lcr & LCR_DLAB ? (uint8_t)u->divisor : pop_rx(u);
}

static uint8_t read_iir(struct uart16550 *u)
{
    uint8_t id = int_id(u);

    if (id == IIR_THRE) /* reported: reset (table III) */
        u->thr_int = 0;
    return id | (fifo_on(u) ? IIR_FIFO : 0);
}

static uint8_t read_lsr(struct uart16550 *u)
{
    uint8_t val = line_status(u);

    u->overrun = 0;
    if (u->rx_count)
        u->rx_err[u->rx_head] = 0;
    return val;
}

static uint8_t read_msr(struct uart16550 *u)
{
    uint8_t val = u->msr;

    u->msr &= (uint8_t)~MSR_DELTAS;
    return val;
}

static uint8_t read_register(struct uart16550 *u, uint32_t off)
{
    switch (off) {
    case RBR_THR:
        return read_rbr(u);
    case IER:
        return u->lcr & LCR_DLAB ? (uint8_t)(u->divisor >> 8) : u->ier;
    case IIR_FCR:
        return read_iir(u);
    case LCR:
        return u->lcr;
    case MCR:
        return u->mcr;
    case LSR:
        return read_lsr(u);
    case MSR:
        return read_msr(u);
    default:
        return u->scr;
    }
}

static uint32_t uart_read(void *dev, uint32_t off, unsigned size)
{
    struct uart16550 *u = dev;
    unsigned room = rx_room(u);
    uint8_t val = read_register(u, off);

    (void)size;
    update(u);
    if (rx_room(u) > room)
        offer_room(u);
    return val;
}

static void write_ier(struct uart16550 *u, uint8_t val)
{
    /* Enabling with an empty holding register interrupts at once; drivers count on it. */
    if ((val & IER_THRE) && !(u->ier & IER_THRE))
        u->thr_int = 1;
    u->ier = val & IER_ALL;
}

static void clear_rx(struct uart16550 *u)
{
    u->rx_head = 0;
    u->rx_count = 0;
    restart_timeout(u);
}

static void write_fcr(struct uart16550 *u, uint8_t val)
{
    bool toggled = (val ^ u->fcr) & FCR_ENABLE;

    u->fcr = val & FCR_ENABLE ? val & (FCR_ENABLE | FCR_DMA | FCR_TRIGGER) : 0;
    if (toggled || ((val & FCR_ENABLE) && (val & FCR_CLEAR_RX)))
        clear_rx(u);
}

static void write_lcr(struct uart16550 *u, uint8_t val)
{
    bool break_begins = (val & LCR_BREAK) && !(u->lcr & LCR_BREAK);

    u->lcr = val;
    if (break_begins && (u->mcr & MCR_LOOP)) {
        push_rx(u, 0, LSR_BI);
        restart_timeout(u);
    }
}

static void write_register(struct uart16550 *u, uint32_t off, uint8_t val)
{
    bool dlab = u->lcr & LCR_DLAB;

    switch (off) {
    case RBR_THR:
        if (dlab)
            u->divisor = (u->divisor & 0xff00) | val;
        else
            transmit(u, val);
        break;
    case IER:
        if (dlab)
            u->divisor = (uint16_t)(val << 8 | (u->divisor & 0xff));
        else
            write_ier(u, val);
        break;
    case IIR_FCR:
        write_fcr(u, val);
        break;
    case LCR:
        write_lcr(u, val);
        break;
    case MCR:
        u->mcr = val & MCR_ALL;
        update_modem(u);
        break;
    case SCR:
        u->scr = val;
        break;
    default: /* LSR and MSR: factory test only */
        break;
    }
}

static void uart_write(void *dev, uint32_t off, unsigned size, uint32_t val)
{
    struct uart16550 *u = dev;
    size_t room = uart_can_receive(u);

    (void)size;
    write_register(u, off, (uint8_t)val);
    update(u);
    if (uart_can_receive(u) > room)
        offer_room(u);
}

/* Master reset (table I); the divisor survives it on the chip and starts at 9600 baud. */
static void uart_reset(void *dev)
{
    struct uart16550 *u = dev;

    u->ier = 0;
    u->fcr = 0;
    u->lcr = 0;
    u->mcr = 0;
    u->overrun = 0;
    u->thr_int = 0;
    clear_rx(u);
    update_modem(u);
    u->msr &= (uint8_t)~MSR_DELTAS;
    update(u);
}

static void uart_restored(void *dev)
{
    update(dev);
}

void uart_init(struct uart16550 *u, struct clock *clock, struct line irq, struct chardev *chr)
{
    memset(u, 0, sizeof(*u));
    u->clock = clock;
    u->irq = irq;
    u->chr = chr;
    u->divisor = 12;
    timer_init(&u->timer, uart_timeout, u);
    if (chr)
        chr->sink = (struct chardev_sink){uart_can_receive, uart_receive, u};
    uart_reset(u);
}

static const struct io_ops uart_ops = {uart_read, uart_write, 1, 1};

int uart_attach(struct uart16550 *u, struct bus *ports, uint16_t base)
{
    return bus_add(ports, base, 8, &uart_ops, u, "uart");
}

static const struct field uart_fields[] = {
    FIELD(struct uart16550, ier),
    FIELD(struct uart16550, fcr),
    FIELD(struct uart16550, lcr),
    FIELD(struct uart16550, mcr),
    FIELD(struct uart16550, msr),
    FIELD(struct uart16550, scr),
    FIELD(struct uart16550, divisor),
    FIELD(struct uart16550, overrun),
    FIELD(struct uart16550, thr_int),
    FIELD(struct uart16550, timeout),
    FIELD(struct uart16550, timeout_at),
    FIELD(struct uart16550, rx),
    FIELD(struct uart16550, rx_err),
    FIELD(struct uart16550, rx_head),
    FIELD(struct uart16550, rx_count),
    FIELD(struct uart16550, rbr),
    FIELD_END,
};

const struct dev_class uart_class = {
    .name = "16550A", .fields = uart_fields, .reset = uart_reset, .restored = uart_restored};
