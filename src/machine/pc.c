#include "machine/pc.h"

#include <errno.h>

static void wire(struct pc *pc, const struct pc_config *cfg)
{
    const struct line a20 = {
        0}; /* A20 is always open: no guest of today's boards depends on the wrap */
    const struct rtc_config rtc = {
        .clock = cfg->clock,
        .irq8 = pic_irq_line(&pc->pic, 8),
        .realtime = cfg->realtime,
        .opaque = cfg->opaque,
        .low_ram = cfg->mem->low_end,
        .high_ram = cfg->mem->size - cfg->mem->low_end,
    };
    const struct i8042_lines kbd = {
        .irq1 = pic_irq_line(&pc->pic, 1),
        .irq12 = pic_irq_line(&pc->pic, 12),
        .a20 = a20,
        .reset = cfg->reset,
    };
    const struct acpi_pm_lines acpi = {.sci = pic_irq_line(&pc->pic, ACPI_SCI_IRQ),
                                       .power = cfg->power};

    pic_init(&pc->pic, cfg->intr);
    pit_init(&pc->pit, cfg->clock, pic_irq_line(&pc->pic, 0));
    rtc_init(&pc->rtc, &rtc);
    uart_init(&pc->com1, cfg->clock, pic_irq_line(&pc->pic, PC_COM1_IRQ), cfg->serial);
    i8042_init(&pc->kbd, &kbd);
    port61_init(&pc->port61, cfg->clock, &pc->pit);
    port92_init(&pc->port92, a20, cfg->reset);
    post_port_init(&pc->post);
    fpu_error_init(&pc->fpu_error, pic_irq_line(&pc->pic, 13), cfg->ignne);
    reset_cf9_init(&pc->cf9, cfg->reset);
    pci_host_init(&pc->pci, &pc->cf9);
    acpi_pm_init(&pc->acpi, cfg->clock, &acpi, true);
    debug_exit_init(&pc->debug_exit, cfg->exit_hook);
    debugcon_init(&pc->debugcon, cfg->debugcon);
    debugcon_init(&pc->debugcon402, cfg->debugcon);
}

int pc_init(struct pc *pc, const struct pc_config *cfg)
{
    struct bus *b = cfg->ports;
    int err = 0;

    wire(pc, cfg);
    if (pic_attach(&pc->pic, b) < 0 || pit_attach(&pc->pit, b) < 0 || rtc_attach(&pc->rtc, b) < 0 ||
        i8042_attach(&pc->kbd, b) < 0 || port61_attach(&pc->port61, b) < 0 ||
        port92_attach(&pc->port92, b) < 0 || post_port_attach(&pc->post, b) < 0 ||
        fpu_error_attach(&pc->fpu_error, b) < 0 || pci_host_attach(&pc->pci, b) < 0 ||
        acpi_pm_attach(&pc->acpi, b, ACPI_PM_BASE) < 0)
        return -EBUSY;
    if (cfg->has_serial)
        err = uart_attach(&pc->com1, b, PC_COM1);
    if (err == 0 && cfg->debugcon)
        err = debugcon_attach(&pc->debugcon, b, 0xe9);
    if (err == 0 && cfg->debugcon)
        err = debugcon_attach(&pc->debugcon402, b, 0x402);
    if (err == 0 && cfg->has_debug_exit)
        err = debug_exit_attach(&pc->debug_exit, b, cfg->debug_exit_base, cfg->debug_exit_ports);
    return err;
}

int pc_acpi_tables(struct pc *pc, struct physmem *mem, bool has_serial, gpa_t *rsdp)
{
    const struct acpi_config cfg = {
        .pm_base = ACPI_PM_BASE,
        .timer_32bit = pc->acpi.timer_bits == 32,
        .com1_base = has_serial ? PC_COM1 : 0,
        .com1_irq = PC_COM1_IRQ,
        .pci_first = (uint32_t)PHYSMEM_HOLE,
        .pci_last = 0xfebfffff,
    };

    return acpi_tables_build(mem, PC_ACPI_BASE, ACPI_TABLES_MAX_BYTES, &cfg, rsdp);
}

void pc_reset(struct pc *pc)
{
    pic_class.reset(&pc->pic);
    pit_class.reset(&pc->pit);
    rtc_class.reset(&pc->rtc);
    uart_class.reset(&pc->com1);
    i8042_class.reset(&pc->kbd);
    port61_class.reset(&pc->port61);
    port92_class.reset(&pc->port92);
    post_port_class.reset(&pc->post);
    fpu_error_class.reset(&pc->fpu_error);
    reset_cf9_class.reset(&pc->cf9);
    pci_host_class.reset(&pc->pci);
    acpi_pm_class.reset(&pc->acpi);
}
