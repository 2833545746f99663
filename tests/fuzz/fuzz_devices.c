/* fuzz_devices.c - the whole PC board: accesses of all widths to ports and registers, MSRs, time,
 * serial input, resets.
 *
 * An operation is five bytes: what, where (a range of the bus), offset or port, value (2). Time is
 * the test's own.
 */
#include <sys/mman.h>

#include "fuzz.h"
#include "cpu/control.h"
#include "machine/pc.h"

enum { RAM = 2 << 20, MAX_OPS = 2000 };

enum op {
    OP_READ,
    OP_WRITE,
    OP_WRITE_READ,
    OP_TIME,
    OP_ACK,
    OP_SERIAL,
    OP_RESET,
    OP_READ_ANY_PORT,
    OP_MMIO_READ,
    OP_MMIO_WRITE,
    OP_MSR,
    OP_IRQ,
    OP_WRITE_ANY_PORT = 15,
    NOPS
};

struct board {
    struct physmem pm;
    struct bus ports, mmio;
    struct clock clock;
    struct pc pc;
    struct chardev serial, debugcon;
    uint64_t now, deadline, tsc_offset;
    uint8_t cr8;
    bool intr;
    unsigned bytes_out;
};

static uint64_t board_now(void *opaque)
{
    return ((struct board *)opaque)->now;
}

static void board_deadline(void *opaque, uint64_t deadline)
{
    ((struct board *)opaque)->deadline = deadline;
}

static int64_t board_realtime(void *opaque)
{
    return 1700000000 + (int64_t)(((struct board *)opaque)->now / 1000000000);
}

static void board_intr(void *dst, int pin, bool level)
{
    (void)pin;
    ((struct board *)dst)->intr = level;
}

static uint64_t board_tsc(void *opaque)
{
    const struct board *b = opaque;

    return b->now * 3 + b->tsc_offset;
}

static uint64_t board_wallclock(void *opaque)
{
    return (uint64_t)board_realtime(opaque) * 1000000000;
}

static void board_tpr(void *opaque, uint8_t tpr)
{
    ((struct board *)opaque)->cr8 = tpr >> 4;
}

static void board_line(void *dst, int pin, bool level)
{
    (void)dst;
    (void)pin;
    (void)level;
}

static void board_write(void *opaque, const uint8_t *buf, size_t len)
{
    (void)buf;
    ((struct board *)opaque)->bytes_out += (unsigned)len;
}

static void board_exit(void *opaque, int code)
{
    (void)opaque;
    FUZZ_CHECK(code & 1, "exit status %d", code);
}

static void board_open(struct board *b, hva_t ram)
{
    static const uint8_t bios[64 << 10] = {0xea};
    struct pc_config cfg = {
        .bios = {bios, sizeof(bios)},
        .ports = &b->ports,
        .mmio = &b->mmio,
        .clock = &b->clock,
        .mem = &b->pm,
        .intr = {board_intr, b, 0},
        .power = {board_line, b, 0},
        .reset = {board_line, b, 0},
        .cpu = {.has_apic = true,
                .has_tsc_deadline = true,
                .has_kvmclock = true,
                .apic_hz = 1000000000,
                .tsc_khz = 3000000,
                .tsc = board_tsc,
                .tpr_changed = board_tpr,
                .nmi = {board_line, b, 0}},
        .has_hpet = true,
        .has_vga = true,
        .realtime = board_realtime,
        .wallclock = board_wallclock,
        .opaque = b,
        .has_com = {true, true},
        .has_lpt = true,
        .com = {&b->serial},
        .lpt = &b->debugcon,
        .debugcon = &b->debugcon,
        .has_debug_exit = true,
        .debug_exit_base = 0xf4,
        .debug_exit_ports = 4,
        .exit_hook = {board_exit, b},
    };

    memset(b, 0, sizeof(*b));
    b->serial.write = b->debugcon.write = board_write;
    b->serial.opaque = b->debugcon.opaque = b;
    b->clock = (struct clock){.now = board_now, .deadline_changed = board_deadline, .opaque = b};
    bus_init(&b->mmio, "mmio", NULL);
    bus_init(&b->ports, "ports", NULL);
    physmem_init(&b->pm, ram, -1, RAM, &b->mmio);
    physmem_add_area(&b->pm, VGA_VRAM_BYTES);
    FUZZ_CHECK(pc_init(&b->pc, &cfg) == 0, "pc_init");
    pc_reset(&b->pc);
}

/* Every width reads no more bits than it has. */
static void read_port(struct board *b, uint16_t port, unsigned size)
{
    uint64_t v = bus_read(&b->ports, port, size);

    FUZZ_CHECK(size == 4 ? v <= UINT32_MAX : v < UINT64_C(1) << size * 8, "port %x gave %llx", port,
               (unsigned long long)v);
}

static void serial_input(struct board *b, uint32_t val)
{
    const struct chardev_sink *s = &b->serial.sink;
    uint8_t bytes[16];
    size_t room = s->receive ? s->can_receive(s->dev) : 0;
    size_t n = room < val % 16 ? room : val % 16;

    memset(bytes, (int)(val >> 8), sizeof(bytes));
    if (n)
        s->receive(s->dev, bytes, n);
}

static void pass_time(struct board *b, unsigned scale, uint32_t val)
{
    uint64_t d = clock_deadline(&b->clock);

    b->now += (uint64_t)val << scale % 40;
    if (scale & 128 && d != CLOCK_NEVER && d > b->now)
        b->now = d; /* exactly when the next timer fires */
    clock_run(&b->clock);
}

/* Most registers are 32 bits wide on 16-byte boundaries; those of the APICs and the HPET end at
 * 3F0h. */
static uint64_t mmio_address(struct board *b, uint8_t where, uint8_t off, unsigned size)
{
    const struct bus_range *r = &b->mmio.range[where % b->mmio.nranges];
    uint64_t at = (where & 0x40 ? off * 4u : off * 16u) + (where & 0x80 ? size : 0);

    return r->base + at % r->len;
}

static void use_msr(struct board *b, uint8_t where, uint8_t off, uint32_t val)
{
    static const uint32_t msr[] = {MSR_APIC_BASE, MSR_TSC_DEADLINE, MSR_KVM_WALL_CLOCK,
                                   MSR_KVM_SYSTEM_TIME};
    uint32_t index = msr[off % 4];
    uint64_t v = (uint64_t)val << off % 37;

    if (where & 1)
        v = board_tsc(b) + val * UINT64_C(1000);
    if (index == MSR_APIC_BASE) /* what the CPU lets through */
        v = where & 2 ? LAPIC_BASE | 0x900 : (v & 0xfffffffff000) | (val & 0x900);
    if (where & 4) {
        b->tsc_offset += v;
        pc_tsc_moved(&b->pc);
    } else if (where & 8 || index == MSR_APIC_BASE) {
        pc_msr_written(&b->pc, index, index < MSR_KVM_WALL_CLOCK ? v : v & ~UINT64_C(2));
    } else {
        pc_msr_read(&b->pc, index);
    }
    if (where & 16)
        pc_cr8_written(&b->pc, val & 15);
}

static void pulse_irq(struct board *b, uint8_t where, uint32_t val)
{
    unsigned n = where % 16 == 2 ? 3 : where % 16;
    struct line irq = pc_isa_line(&b->pc, (int)n);

    line_set(&irq, val & 1);
    line_set(&irq, val & 2);
}

static void operate(struct board *b, struct fuzz_bytes *in)
{
    uint8_t what = (uint8_t)fuzz_take(in, 1), where = (uint8_t)fuzz_take(in, 1),
            off = (uint8_t)fuzz_take(in, 1);
    uint32_t val = (uint32_t)fuzz_take(in, 2);
    const struct bus_range *r = &b->ports.range[where % b->ports.nranges];
    uint16_t port = (uint16_t)(r->base + off % r->len);
    unsigned size = 1u << (what >> 4) % 3;

    switch (what % NOPS) {
    case OP_READ:
        read_port(b, port, size);
        break;
    case OP_WRITE:
        bus_write(&b->ports, port, size, val);
        break;
    case OP_WRITE_READ:
        bus_write(&b->ports, port, size, val);
        read_port(b, port, size);
        break;
    case OP_TIME:
        pass_time(b, where, val);
        break;
    case OP_ACK:
        if (b->intr)
            FUZZ_CHECK(pc_intr_ack(&b->pc) < 256, "vector");
        break;
    case OP_SERIAL:
        serial_input(b, val);
        break;
    case OP_RESET:
        if (val < 64)
            pc_reset(&b->pc);
        break;
    case OP_READ_ANY_PORT:
        read_port(b, (uint16_t)val, size);
        break;
    case OP_WRITE_ANY_PORT:
        bus_write(&b->ports, (uint16_t)val, size, where);
        break;
    case OP_MMIO_READ:
        bus_read(&b->mmio, mmio_address(b, where, off, 2 * size), 2 * size);
        break;
    case OP_MMIO_WRITE:
        bus_write(&b->mmio, mmio_address(b, where, off, 2 * size), 2 * size,
                  where & 0x20 ? (uint64_t)val << 16 : val);
        break;
    case OP_MSR:
        use_msr(b, where, off, val);
        break;
    case OP_IRQ:
        pulse_irq(b, where, val);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct board b;
    static hva_t ram;
    struct fuzz_bytes in = {data, size};

    if (!ram)
        ram = mmap(NULL, RAM + VGA_VRAM_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                   -1, 0);
    board_open(&b, ram);
    for (unsigned n = 0; in.left && n < MAX_OPS; n++) {
        operate(&b, &in);
        FUZZ_CHECK(clock_deadline(&b.clock) == CLOCK_NEVER || clock_deadline(&b.clock) > 0,
                   "deadline 0");
    }
    pc_fini(&b.pc);
    return 0;
}
