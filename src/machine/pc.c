#include "machine/pc.h"

#include <errno.h>
#include <string.h>

#include "cpu/control.h"

/* ---- interrupts ---- */

enum { PIC_IRQ0_PIN = 2 }; /* pin of the I/O APIC; the MADT says so too */

static void isa_set(void *dst, int irq, bool level)
{
    struct pc *pc = dst;
    struct line pic = pic_irq_line(&pc->pic, irq);
    struct line pin = ioapic_line(&pc->ioapic, irq ? irq : PIC_IRQ0_PIN);

    line_set(&pic, level);
    if (pc->has_apic)
        line_set(&pin, level);
}

struct line pc_isa_line(struct pc *pc, int n)
{
    return (struct line){isa_set, pc, n};
}

/* Lines 0 and 1 are IRQ 0 and IRQ 8, for which the HPET competes. */
static void drive_shared(struct pc *pc, int n)
{
    isa_set(pc, n * 8, pc->replaced ? pc->hpet_legacy[n] : pc->chip[n]);
}

static void chip_set(void *dst, int n, bool level)
{
    struct pc *pc = dst;

    pc->chip[n] = level;
    drive_shared(pc, n);
}

static void hpet_legacy_set(void *dst, int n, bool level)
{
    struct pc *pc = dst;

    pc->hpet_legacy[n] = level;
    drive_shared(pc, n);
}

static void hpet_replaces(void *dst, int pin, bool on)
{
    struct pc *pc = dst;

    (void)pin;
    pc->replaced = on;
    drive_shared(pc, 0);
    drive_shared(pc, 1);
}

static void hpet_gsi(void *opaque, int n, bool level)
{
    struct pc *pc = opaque;
    struct line pin = ioapic_line(&pc->ioapic, n);

    if (pc->has_apic)
        line_set(&pin, level);
}

static int inta(void *opaque)
{
    return pic_ack(&((struct pc *)opaque)->pic);
}

int pc_intr_ack(struct pc *pc)
{
    return pc->has_apic ? lapic_ack(&pc->lapic) : pic_ack(&pc->pic);
}

uint64_t pc_msr_read(struct pc *pc, uint32_t index)
{
    if (index == MSR_TSC_DEADLINE)
        return lapic_timer_deadline(&pc->lapic.timer);
    return kvmclock_read(&pc->kvmclock, index);
}

void pc_msr_written(struct pc *pc, uint32_t index, uint64_t val)
{
    if (index == MSR_APIC_BASE)
        lapic_set_base(&pc->lapic, val);
    else if (index == MSR_TSC_DEADLINE)
        lapic_timer_set_deadline(&pc->lapic.timer, val);
    else
        kvmclock_write(&pc->kvmclock, index, val);
}

void pc_tsc_moved(struct pc *pc)
{
    if (pc->has_apic)
        lapic_timer_tsc_moved(&pc->lapic.timer);
    if (pc->has_kvmclock)
        kvmclock_tsc_moved(&pc->kvmclock);
}

void pc_cr8_written(struct pc *pc, uint8_t cr8)
{
    if (pc->has_apic)
        lapic_set_tpr(&pc->lapic, (uint8_t)(cr8 << 4));
}

/* ---- the board ---- */

/* Whoever spoke last is heard: firmware switches A20 by port 92h alone and expects that to do
 * (SeaBIOS, set_a20()), while the i8042's output stays high. */
static void a20_set(void *dst, int n, bool open)
{
    struct pc *pc = dst;

    if (pc->a20[n] == open)
        return;
    pc->a20[n] = open;
    physmem_set_a20(pc->bridge.mem, open);
}

/* The CPU's side of the interrupt system. */
static void wire_apics(struct pc *pc, const struct pc_config *cfg)
{
    const struct lapic_config lapic = {
        .clock = cfg->clock,
        .bus = &pc->apics,
        .intr = cfg->intr,
        .nmi = cfg->cpu.nmi,
        .init = cfg->reset, /* the bootstrap processor starts over, in firmware */
        .inta = inta,
        .inta_opaque = pc,
        .tpr_changed = cfg->cpu.tpr_changed,
        .tsc = cfg->cpu.tsc,
        .opaque = cfg->opaque,
        .timer_hz = cfg->cpu.apic_hz,
        .tsc_khz = cfg->cpu.tsc_khz,
        .tsc_deadline = cfg->cpu.has_tsc_deadline,
    };

    pc->apics = (struct apic_bus){0};
    pc->has_apic = cfg->cpu.has_apic;
    if (pc->has_apic)
        lapic_init(&pc->lapic, &lapic);
    ioapic_init(&pc->ioapic, &pc->apics);
    pic_init(&pc->pic, pc->has_apic ? lapic_lint_line(&pc->lapic, 0) : cfg->intr);
}

static void wire_clocks(struct pc *pc, const struct pc_config *cfg)
{
    const struct hpet_config hpet = {
        .clock = cfg->clock,
        .gsi = hpet_gsi,
        .opaque = pc,
        .legacy = {{hpet_legacy_set, pc, 0}, {hpet_legacy_set, pc, 1}},
        .replaces = {hpet_replaces, pc, 0},
    };
    const struct kvmclock_config kvmclock = {
        .clock = cfg->clock,
        .mem = cfg->mem,
        .tsc = cfg->cpu.tsc,
        .wallclock = cfg->wallclock,
        .opaque = cfg->opaque,
        .tsc_khz = cfg->cpu.tsc_khz,
        .stable = cfg->cpu.kvmclock_stable,
    };

    pc->has_hpet = cfg->has_hpet;
    pc->has_kvmclock = cfg->cpu.has_kvmclock;
    if (pc->has_hpet)
        hpet_init(&pc->hpet, &hpet);
    if (pc->has_kvmclock)
        kvmclock_init(&pc->kvmclock, &kvmclock);
}

static void wire_ports(struct pc *pc, const struct pc_config *cfg)
{
    static const int irq[PC_COMS] = {PC_COM1_IRQ, PC_COM2_IRQ};

    for (unsigned i = 0; i < PC_COMS; i++) {
        pc->has_com[i] = cfg->has_com[i];
        uart_init(&pc->com[i], cfg->clock, pc_isa_line(pc, irq[i]), cfg->com[i]);
    }
    pc->has_lpt = cfg->has_lpt;
    parallel_init(&pc->lpt, pc_isa_line(pc, PC_LPT1_IRQ), cfg->lpt);
}

static int attach_ports(struct pc *pc, struct bus *b)
{
    static const uint16_t base[PC_COMS] = {PC_COM1, PC_COM2};
    int err = 0;

    for (unsigned i = 0; i < PC_COMS && err == 0; i++)
        if (pc->has_com[i])
            err = uart_attach(&pc->com[i], b, base[i]);
    return err == 0 && pc->has_lpt ? parallel_attach(&pc->lpt, b, PC_LPT1) : err;
}

static uint8_t floppy_type(const struct block *blk)
{
    return blk ? fdc_geometry(block_sectors(blk))->type : FDC_NO_DRIVE;
}

static void wire(struct pc *pc, const struct pc_config *cfg)
{
    const struct rtc_config rtc = {
        .clock = cfg->clock,
        .irq8 = {chip_set, pc, 1},
        .realtime = cfg->realtime,
        .opaque = cfg->opaque,
        .low_ram = cfg->mem->low_end,
        .high_ram = cfg->mem->size - cfg->mem->low_end,
        .boot = {cfg->boot[0], cfg->boot[1], cfg->boot[2]},
        .floppy = {floppy_type(cfg->floppy[0]), floppy_type(cfg->floppy[1])},
    };
    const struct i8042_lines kbd = {
        .irq1 = pc_isa_line(pc, 1),
        .irq12 = pc_isa_line(pc, 12),
        .a20 = {a20_set, pc, 1},
        .reset = cfg->reset,
    };
    const struct acpi_pm_lines acpi = {.sci = pc_isa_line(pc, ACPI_SCI_IRQ), .power = cfg->power};

    i440fx_init(&pc->bridge, cfg->mem, &cfg->bios);
    wire_apics(pc, cfg);
    wire_clocks(pc, cfg);
    pit_init(&pc->pit, cfg->clock, (struct line){chip_set, pc, 0});
    rtc_init(&pc->rtc, &rtc);
    wire_ports(pc, cfg);
    i8042_init(&pc->kbd, &kbd);
    port61_init(&pc->port61, cfg->clock, &pc->pit);
    port92_init(&pc->port92, (struct line){a20_set, pc, 0}, cfg->reset);
    post_port_init(&pc->post);
    i8237_init(&pc->dma, cfg->mem);
    fdc_init(&pc->fdc, &pc->dma, pc_isa_line(pc, FDC_IRQ), cfg->floppy);
    fpu_error_init(&pc->fpu_error, pc_isa_line(pc, 13), cfg->ignne);
    reset_cf9_init(&pc->cf9, cfg->reset);
    acpi_pm_init(&pc->acpi, cfg->clock, &acpi, true);
    debug_exit_init(&pc->debug_exit, cfg->exit_hook);
    debugcon_init(&pc->debugcon, cfg->debugcon);
    debugcon_init(&pc->debugcon402, cfg->debugcon);
    fw_cfg_init(&pc->fw_cfg, cfg->mem);
}

/* What kernels read and write most, and to the end in our own code. */
static void mark_light(struct bus *ports)
{
    static const uint16_t base[] = {0x20, 0x40, 0x80, 0xa0, 0xed};

    for (unsigned i = 0; i < ARRAY_SIZE(base); i++)
        bus_set_light(ports, base[i]);
}

int pc_init(struct pc *pc, const struct pc_config *cfg)
{
    struct bus *b = cfg->ports;
    int err = 0;

    memset(pc, 0, sizeof(*pc));
    pc->has_vga = cfg->has_vga;
    pc->has_fdc = cfg->floppy[0] || cfg->floppy[1];
    wire(pc, cfg);
    if (pic_attach(&pc->pic, b) < 0 || pit_attach(&pc->pit, b) < 0 || rtc_attach(&pc->rtc, b) < 0 ||
        i8042_attach(&pc->kbd, b) < 0 || port61_attach(&pc->port61, b) < 0 ||
        port92_attach(&pc->port92, b) < 0 || post_port_attach(&pc->post, b) < 0 ||
        i8237_attach(&pc->dma, b) < 0 || fpu_error_attach(&pc->fpu_error, b) < 0 ||
        pc_pci_init(pc, cfg) < 0 || acpi_pm_attach(&pc->acpi, b) < 0)
        return -EBUSY;
    mark_light(b);
    if (pc->has_fdc)
        err = fdc_attach(&pc->fdc, b);
    if (err == 0 && cfg->bios.len)
        err = fw_cfg_attach(&pc->fw_cfg, b);
    if (err == 0 && pc->has_apic)
        err = lapic_attach(&pc->lapic, cfg->mmio);
    if (err == 0 && pc->has_apic)
        err = ioapic_attach(&pc->ioapic, cfg->mmio);
    if (err == 0 && pc->has_hpet)
        err = hpet_attach(&pc->hpet, cfg->mmio);
    if (err == 0)
        err = attach_ports(pc, b);
    if (err == 0 && cfg->debugcon)
        err = debugcon_attach(&pc->debugcon, b, 0xe9);
    if (err == 0 && cfg->debugcon)
        err = debugcon_attach(&pc->debugcon402, b, 0x402);
    if (err == 0 && cfg->has_debug_exit)
        err = debug_exit_attach(&pc->debug_exit, b, cfg->debug_exit_base, cfg->debug_exit_ports);
    if (err == 0 && cfg->bios.len)
        err = pc_tell_firmware(pc, cfg);
    return err;
}

void pc_fini(struct pc *pc)
{
    fw_cfg_fini(&pc->fw_cfg);
}

void pc_reset(struct pc *pc)
{
    pic_class.reset(&pc->pic);
    ioapic_class.reset(&pc->ioapic);
    if (pc->has_apic)
        lapic_class.reset(&pc->lapic);
    if (pc->has_hpet)
        hpet_class.reset(&pc->hpet);
    if (pc->has_kvmclock)
        kvmclock_class.reset(&pc->kvmclock);
    pit_class.reset(&pc->pit);
    rtc_class.reset(&pc->rtc);
    for (unsigned i = 0; i < PC_COMS; i++)
        uart_class.reset(&pc->com[i]);
    parallel_class.reset(&pc->lpt);
    i8042_class.reset(&pc->kbd);
    port61_class.reset(&pc->port61);
    port92_class.reset(&pc->port92);
    post_port_class.reset(&pc->post);
    i8237_class.reset(&pc->dma);
    fdc_class.reset(&pc->fdc);
    fpu_error_class.reset(&pc->fpu_error);
    reset_cf9_class.reset(&pc->cf9);
    pci_host_class.reset(&pc->pci);
    acpi_pm_class.reset(&pc->acpi);
    ide_class.reset(&pc->ide);
    if (pc->has_vga)
        vga_class.reset(&pc->vga);
    fw_cfg_class.reset(&pc->fw_cfg);
    pc->a20[0] = pc->a20[1] = true;
    physmem_set_a20(pc->bridge.mem, true);
}
