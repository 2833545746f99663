#include "devices/i8042.h"

#include <string.h>

#include "devices/ps2_keys.h"

enum { /* status register (IBM PS/2 Technical Reference, keyboard and auxiliary device controller)
        */
       STS_OBF = 1 << 0,
       STS_SYS = 1 << 2,
       STS_CMD = 1 << 3,
       STS_UNLOCKED = 1 << 4,
       STS_AUX = 1 << 5,
};

enum { /* command byte */
       CTR_KBD_INT = 1 << 0,
       CTR_AUX_INT = 1 << 1,
       CTR_SYS = 1 << 2,
       CTR_KBD_OFF = 1 << 4,
       CTR_AUX_OFF = 1 << 5,
       CTR_XLATE = 1 << 6,
};

enum { /* controller commands */
       CMD_READ_RAM = 0x20,
       CMD_WRITE_RAM = 0x60,
       CMD_TEST_PASSWORD = 0xa4,
       CMD_AUX_OFF = 0xa7,
       CMD_AUX_ON = 0xa8,
       CMD_AUX_TEST = 0xa9,
       CMD_SELF_TEST = 0xaa,
       CMD_KBD_TEST = 0xab,
       CMD_KBD_OFF = 0xad,
       CMD_KBD_ON = 0xae,
       CMD_READ_INPUT = 0xc0,
       CMD_READ_OUTPUT = 0xd0,
       CMD_WRITE_OUTPUT = 0xd1,
       CMD_WRITE_KBD_BUF = 0xd2,
       CMD_WRITE_AUX_BUF = 0xd3,
       CMD_WRITE_AUX = 0xd4,
       CMD_A20_OFF = 0xdd,
       CMD_A20_ON = 0xdf,
       CMD_READ_TEST = 0xe0,
       CMD_PULSE = 0xf0,
       NO_PASSWORD = 0xf1,
       SELF_TEST_OK = 0x55,
       INPUT_PORT = 0xa0, /* not locked, colour display */
       TEST_INPUTS = 0x00,
};

enum { OUT_NO_RESET = 1 << 0, OUT_A20 = 1 << 1, OUT_AUX_IRQ = 1 << 5, OUT_KBD_IRQ = 1 << 4 };

enum { /* keyboard commands and answers */
       KBD_SET_LEDS = 0xed,
       KBD_ECHO = 0xee,
       KBD_SCAN_SET = 0xf0,
       KBD_IDENTIFY = 0xf2,
       KBD_SET_RATE = 0xf3,
       KBD_ENABLE = 0xf4,
       KBD_DISABLE = 0xf5,
       KBD_DEFAULTS = 0xf6,
       KBD_ALL_KEYS_FIRST = 0xf7, /* F7-FA: scan set 3, all keys; FB-FD: one key */
       KBD_ONE_KEY_FIRST = 0xfb,
       KBD_ONE_KEY_LAST = 0xfd,
       KBD_RESEND = 0xfe,
       KBD_RESET = 0xff,
       KBD_ACK = 0xfa,
       KBD_BAT_OK = 0xaa,
       BREAK = 0xf0,            /* scan set 2 */
       KBD_RATE_DEFAULT = 0x2b, /* 10.9 per second after 500 ms */
};

enum { EMPTY, FROM_KBD, FROM_AUX };

/* Scan set 2 to set 1, as in the controller's ROM; codes above 7Fh pass, but for 83h and 84h. */
static const uint8_t set1_of[128] = {
    0xff, 0x43, 0x41, 0x3f, 0x3d, 0x3b, 0x3c, 0x58, 0x64, 0x44, 0x42, 0x40, 0x3e, 0x0f, 0x29, 0x59,
    0x65, 0x38, 0x2a, 0x70, 0x1d, 0x10, 0x02, 0x5a, 0x66, 0x71, 0x2c, 0x1f, 0x1e, 0x11, 0x03, 0x5b,
    0x67, 0x2e, 0x2d, 0x20, 0x12, 0x05, 0x04, 0x5c, 0x68, 0x39, 0x2f, 0x21, 0x14, 0x13, 0x06, 0x5d,
    0x69, 0x31, 0x30, 0x23, 0x22, 0x15, 0x07, 0x5e, 0x6a, 0x72, 0x32, 0x24, 0x16, 0x08, 0x09, 0x5f,
    0x6b, 0x33, 0x25, 0x17, 0x18, 0x0b, 0x0a, 0x60, 0x6c, 0x34, 0x35, 0x26, 0x27, 0x19, 0x0c, 0x61,
    0x6d, 0x73, 0x28, 0x74, 0x1a, 0x0d, 0x62, 0x6e, 0x3a, 0x36, 0x1c, 0x1b, 0x75, 0x2b, 0x63, 0x76,
    0x55, 0x56, 0x77, 0x78, 0x79, 0x7a, 0x0e, 0x7b, 0x7c, 0x4f, 0x7d, 0x4b, 0x47, 0x7e, 0x7f, 0x6f,
    0x52, 0x53, 0x50, 0x4c, 0x4d, 0x48, 0x01, 0x45, 0x57, 0x4e, 0x51, 0x4a, 0x37, 0x49, 0x46, 0x54,
};

static uint8_t translate(uint8_t code)
{
    if (code == 0x83)
        return 0x41;
    if (code == 0x84)
        return 0x54;
    return code < 0x80 ? set1_of[code] : code;
}

static void drive_irqs(struct i8042 *k)
{
    line_set(&k->wiring.irq1, k->full == FROM_KBD && (k->ram[0] & CTR_KBD_INT));
    line_set(&k->wiring.irq12, k->full == FROM_AUX && (k->ram[0] & CTR_AUX_INT));
}

/* Each byte is an edge of its own on the interrupt line. */
static void put(struct i8042 *k, uint8_t byte, uint8_t source)
{
    k->full = EMPTY;
    drive_irqs(k);
    k->outbuf = byte;
    k->full = source;
}

static bool take(uint8_t *queue, uint8_t *n, uint8_t *byte)
{
    if (!*n)
        return false;
    *byte = queue[0];
    --*n;
    memmove(queue, queue + 1, *n);
    return true;
}

static bool kbd_read(struct ps2_keyboard *kbd, uint8_t *byte)
{
    if (!take(kbd->queue, &kbd->queued, byte) &&
        (!kbd->scanning || kbd->awaiting || !take(kbd->keys, &kbd->nkeys, byte)))
        return false;
    kbd->last = *byte;
    return true;
}

/* In translation F0h, which comes before the code of a released key, is no byte of its own but bit
 * 7 of the next. False: nothing to say. */
static bool next_code(struct i8042 *k, uint8_t *byte)
{
    bool some = kbd_read(&k->kbd, byte);

    if (some && (k->ram[0] & CTR_XLATE) && *byte == BREAK) {
        k->released = 0x80;
        some = kbd_read(&k->kbd, byte);
    }
    if (!some || !(k->ram[0] & CTR_XLATE))
        return some;
    *byte = translate(*byte) | k->released;
    k->released = 0;
    return true;
}

/* A device sends when its clock is not held and the buffer is free. */
static void update(struct i8042 *k)
{
    uint8_t byte;

    if (k->full == EMPTY && !(k->ram[0] & CTR_KBD_OFF) && next_code(k, &byte))
        put(k, byte, FROM_KBD);
    if (k->full == EMPTY && !(k->ram[0] & CTR_AUX_OFF) && ps2_mouse_read(&k->mouse, &byte))
        put(k, byte, FROM_AUX);
    drive_irqs(k);
    line_set(&k->wiring.a20, k->outport & OUT_A20);
    line_set(&k->wiring.reset, !(k->outport & OUT_NO_RESET));
}

static void kbd_send(struct ps2_keyboard *kbd, uint8_t byte)
{
    if (kbd->queued < KBD_QUEUE_SIZE)
        kbd->queue[kbd->queued++] = byte;
}

static void kbd_defaults(struct ps2_keyboard *kbd)
{
    kbd->scan_set = 2;
    kbd->rate = KBD_RATE_DEFAULT;
    kbd->awaiting = 0;
    kbd->nkeys = 0;
}

static void kbd_argument(struct ps2_keyboard *kbd, uint8_t arg)
{
    uint8_t cmd = kbd->awaiting;

    kbd->awaiting = 0;
    if (cmd == KBD_SCAN_SET && arg > 3) {
        kbd_send(kbd, KBD_RESEND);
        return;
    }
    kbd_send(kbd, KBD_ACK);
    if (cmd == KBD_SET_LEDS)
        kbd->leds = arg & 7;
    else if (cmd == KBD_SET_RATE)
        kbd->rate = arg & 0x7f;
    else if (cmd == KBD_SCAN_SET && arg)
        kbd->scan_set = arg;
    else if (cmd == KBD_SCAN_SET)
        kbd_send(kbd, kbd->scan_set);
}

static void kbd_reset(struct ps2_keyboard *kbd)
{
    kbd_defaults(kbd);
    kbd->leds = 0;
    kbd->scanning = 1;
}

static void kbd_identify(struct ps2_keyboard *kbd)
{
    kbd_send(kbd, KBD_ACK);
    kbd_send(kbd, 0xab);
    kbd_send(kbd, 0x83);
}

static void kbd_simple_command(struct ps2_keyboard *kbd, uint8_t cmd)
{
    if (cmd == KBD_DEFAULTS || cmd == KBD_DISABLE)
        kbd_defaults(kbd);
    if (cmd == KBD_ENABLE || cmd == KBD_DISABLE)
        kbd->scanning = cmd == KBD_ENABLE;
    if (cmd == KBD_RESET)
        kbd_reset(kbd);
    kbd_send(kbd, KBD_ACK);
    if (cmd == KBD_RESET)
        kbd_send(kbd, KBD_BAT_OK);
}

static void kbd_command(struct ps2_keyboard *kbd, uint8_t cmd)
{
    bool has_argument = cmd == KBD_SET_LEDS || cmd == KBD_SCAN_SET || cmd == KBD_SET_RATE ||
                        (cmd >= KBD_ONE_KEY_FIRST && cmd <= KBD_ONE_KEY_LAST);
    bool simple = cmd == KBD_ENABLE || cmd == KBD_DISABLE || cmd == KBD_DEFAULTS ||
                  cmd == KBD_RESET || (cmd >= KBD_ALL_KEYS_FIRST && cmd < KBD_ONE_KEY_FIRST);

    kbd->awaiting = has_argument ? cmd : 0;
    if (has_argument)
        kbd_send(kbd, KBD_ACK);
    else if (simple)
        kbd_simple_command(kbd, cmd);
    else if (cmd == KBD_IDENTIFY)
        kbd_identify(kbd);
    else if (cmd == KBD_ECHO)
        kbd_send(kbd, KBD_ECHO);
    else if (cmd == KBD_RESEND)
        kbd_send(kbd, kbd->last);
    else
        kbd_send(kbd, KBD_RESEND);
}

/* A byte from the host aborts what the keyboard was about to say. */
static void kbd_write(struct ps2_keyboard *kbd, uint8_t byte)
{
    kbd->queued = 0;
    if (kbd->awaiting && byte < KBD_SET_LEDS)
        kbd_argument(kbd, byte);
    else
        kbd_command(kbd, byte);
}

static void set_ctr(struct i8042 *k, uint8_t ctr)
{
    k->ram[0] = ctr;
    k->status = (k->status & (uint8_t)~STS_SYS) | (ctr & CTR_SYS ? STS_SYS : 0);
}

static uint8_t output_port(const struct i8042 *k)
{
    return 0xcc | k->outport | (k->full == FROM_KBD ? OUT_KBD_IRQ : 0) |
           (k->full == FROM_AUX ? OUT_AUX_IRQ : 0);
}

/* Writing to a device releases its clock. */
static void write_aux(struct i8042 *k, uint8_t val)
{
    k->ram[0] &= (uint8_t)~CTR_AUX_OFF;
    ps2_mouse_write(&k->mouse, val);
}

static void write_data(struct i8042 *k, uint8_t val)
{
    uint8_t cmd = k->awaiting;

    k->awaiting = 0;
    k->status &= (uint8_t)~STS_CMD;
    if (cmd == CMD_WRITE_RAM) {
        set_ctr(k, val);
    } else if (cmd > CMD_WRITE_RAM && cmd < CMD_WRITE_RAM + 32) {
        k->ram[cmd - CMD_WRITE_RAM] = val;
    } else if (cmd == CMD_WRITE_OUTPUT) {
        k->outport = val & (OUT_NO_RESET | OUT_A20);
    } else if (cmd == CMD_WRITE_KBD_BUF) {
        put(k, val, FROM_KBD);
    } else if (cmd == CMD_WRITE_AUX_BUF) {
        put(k, val, FROM_AUX);
    } else if (cmd == CMD_WRITE_AUX) {
        write_aux(k, val);
    } else {
        k->ram[0] &= (uint8_t)~CTR_KBD_OFF;
        kbd_write(&k->kbd, val);
    }
}

static bool wants_data(uint8_t cmd)
{
    return (cmd >= CMD_WRITE_RAM && cmd < CMD_WRITE_RAM + 32) || cmd == CMD_WRITE_OUTPUT ||
           cmd == CMD_WRITE_KBD_BUF || cmd == CMD_WRITE_AUX_BUF || cmd == CMD_WRITE_AUX;
}

/* Commands that answer with one byte: 0-255, or -1 when `cmd` is none of them. */
static int answer_to(const struct i8042 *k, uint8_t cmd)
{
    if (cmd >= CMD_READ_RAM && cmd < CMD_READ_RAM + 32)
        return k->ram[cmd - CMD_READ_RAM];
    switch (cmd) {
    case CMD_TEST_PASSWORD:
        return NO_PASSWORD;
    case CMD_SELF_TEST:
        return SELF_TEST_OK;
    case CMD_AUX_TEST:
    case CMD_KBD_TEST:
        return 0; /* clock and data lines are free */
    case CMD_READ_INPUT:
        return INPUT_PORT;
    case CMD_READ_OUTPUT:
        return output_port(k);
    case CMD_READ_TEST:
        return TEST_INPUTS;
    default:
        return -1;
    }
}

static void pulse_outputs(struct i8042 *k, uint8_t cmd)
{
    if (cmd & OUT_NO_RESET) /* a 1 leaves the pin alone */
        return;
    line_set(&k->wiring.reset, true);
    line_set(&k->wiring.reset, false);
}

static void write_command(struct i8042 *k, uint8_t cmd)
{
    int answer = answer_to(k, cmd);

    k->status |= STS_CMD;
    k->awaiting = wants_data(cmd) ? cmd : 0;
    if (answer >= 0)
        put(k, (uint8_t)answer, FROM_KBD);
    if (cmd == CMD_SELF_TEST)
        set_ctr(k, k->ram[0] | CTR_SYS);
    else if (cmd == CMD_AUX_OFF)
        k->ram[0] |= CTR_AUX_OFF;
    else if (cmd == CMD_AUX_ON)
        k->ram[0] &= (uint8_t)~CTR_AUX_OFF;
    else if (cmd == CMD_KBD_OFF)
        k->ram[0] |= CTR_KBD_OFF;
    else if (cmd == CMD_KBD_ON)
        k->ram[0] &= (uint8_t)~CTR_KBD_OFF;
    else if (cmd == CMD_A20_OFF)
        k->outport &= (uint8_t)~OUT_A20;
    else if (cmd == CMD_A20_ON)
        k->outport |= OUT_A20;
    else if (cmd >= CMD_PULSE)
        pulse_outputs(k, cmd);
}

static uint32_t data_read(void *dev, uint32_t off, unsigned size)
{
    struct i8042 *k = dev;
    uint8_t val = k->outbuf;

    (void)off;
    (void)size;
    k->full = EMPTY;
    update(k);
    return val;
}

static void data_write(void *dev, uint32_t off, unsigned size, uint32_t val)
{
    (void)off;
    (void)size;
    write_data(dev, (uint8_t)val);
    update(dev);
}

static uint32_t status_read(void *dev, uint32_t off, unsigned size)
{
    struct i8042 *k = dev;

    (void)off;
    (void)size;
    return k->status | STS_UNLOCKED | (k->full != EMPTY ? STS_OBF : 0) |
           (k->full == FROM_AUX ? STS_AUX : 0);
}

static void command_write(void *dev, uint32_t off, unsigned size, uint32_t val)
{
    (void)off;
    (void)size;
    write_command(dev, (uint8_t)val);
    update(dev);
}

static void i8042_reset(void *dev)
{
    struct i8042 *k = dev;

    memset(k->ram, 0, sizeof(k->ram));
    memset(&k->kbd, 0, sizeof(k->kbd));
    kbd_reset(&k->kbd);
    ps2_mouse_reset(&k->mouse);
    k->status = 0;
    k->outbuf = 0;
    k->full = EMPTY;
    k->awaiting = 0;
    k->released = 0;
    k->outport = OUT_NO_RESET | OUT_A20;
    set_ctr(k, CTR_KBD_INT | CTR_SYS | CTR_XLATE);
    update(k);
}

static void i8042_restored(void *dev)
{
    update(dev);
}

void i8042_init(struct i8042 *k, const struct i8042_lines *lines)
{
    memset(k, 0, sizeof(*k));
    k->wiring = *lines;
    i8042_reset(k);
}

void i8042_key(struct i8042 *k, unsigned key, bool down)
{
    struct ps2_keyboard *kbd = &k->kbd;
    uint8_t bytes[PS2_KEY_BYTES];
    unsigned n = ps2_key_bytes(kbd->scan_set == 1 ? 1 : 2, key, down, bytes);

    if (!kbd->scanning || kbd->nkeys + n > KBD_KEYS_SIZE)
        return;
    memcpy(kbd->keys + kbd->nkeys, bytes, n);
    kbd->nkeys += (uint8_t)n;
    update(k);
}

bool i8042_keys_ready(const struct i8042 *k)
{
    return k->kbd.nkeys <= KBD_KEYS_SIZE - 4 * PS2_KEY_BYTES;
}

void i8042_mouse(struct i8042 *k, int dx, int dy, int dz, unsigned buttons)
{
    ps2_mouse_move(&k->mouse, dx, dy, dz, buttons);
    update(k);
}

static const struct io_ops data_ops = {data_read, data_write, 1, 1};
static const struct io_ops command_ops = {status_read, command_write, 1, 1};

int i8042_attach(struct i8042 *k, struct bus *ports)
{
    int err = bus_add(ports, 0x60, 1, &data_ops, k, "i8042 data");

    return err ? err : bus_add(ports, 0x64, 1, &command_ops, k, "i8042 command");
}

static const struct field i8042_fields[] = {
    FIELD(struct i8042, ram),
    FIELD(struct i8042, status),
    FIELD(struct i8042, outbuf),
    FIELD(struct i8042, full),
    FIELD(struct i8042, released),
    FIELD(struct i8042, mouse),
    FIELD(struct i8042, awaiting),
    FIELD(struct i8042, outport),
    FIELD(struct i8042, kbd.queue),
    FIELD(struct i8042, kbd.keys),
    FIELD(struct i8042, kbd.nkeys),
    FIELD(struct i8042, kbd.queued),
    FIELD(struct i8042, kbd.last),
    FIELD(struct i8042, kbd.awaiting),
    FIELD(struct i8042, kbd.scan_set),
    FIELD(struct i8042, kbd.leds),
    FIELD(struct i8042, kbd.rate),
    FIELD(struct i8042, kbd.scanning),
    FIELD_END,
};

const struct dev_class i8042_class = {
    .name = "i8042", .fields = i8042_fields, .reset = i8042_reset, .restored = i8042_restored};
