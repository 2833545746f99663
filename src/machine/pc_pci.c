/* What sits on PCI bus 0. */
#include "machine/pc.h"

#include <string.h>

static void wire_bridges(struct pc *pc, const struct pc_config *cfg)
{
    struct line isa[PIIX3_ISA_IRQS] = {{0}}, pirq[PCI_PINS];

    for (int n = 0; n < PIIX3_ISA_IRQS; n++)
        if (n != 2)
            isa[n] = pc_isa_line(pc, n);
    piix3_init(&pc->isa, isa);
    for (int n = 0; n < PCI_PINS; n++)
        pirq[n] = piix3_pirq_line(&pc->isa, n);
    pci_host_init(&pc->pci, cfg->ports, cfg->mmio, &pc->cf9, pirq);
    piix4_pm_init(&pc->pm, &pc->acpi, cfg->ports);
}

static void wire_ide(struct pc *pc, const struct pc_config *cfg)
{
    struct ide_config ide = {
        .mem = cfg->mem,
        .irq = {pc_isa_line(pc, PC_IDE_IRQ), pc_isa_line(pc, PC_IDE_IRQ + 1)},
    };

    memcpy(ide.drive, cfg->drive, sizeof(ide.drive));
    ide_init(&pc->ide, &ide);
    piix3_ide_init(&pc->ide_fn, &pc->ide, cfg->ports);
}

static const struct pci_model vga_model = {
    .name = "VGA",
    .vendor = VGA_PCI_VENDOR,
    .device = VGA_PCI_DEVICE,
    .class = VGA_PCI_CLASS,
    .revision = VGA_PCI_REVISION,
    .command = PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER,
};

static void move_vram(void *dev, gpa_t base, bool shown)
{
    physmem_show_area(dev, base, shown);
}

static uint32_t power_of_two(uint32_t n)
{
    uint32_t size = PAGE_SIZE;

    while (size < n)
        size *= 2;
    return size;
}

static void wire_vga(struct pc *pc, const struct pc_config *cfg)
{
    const struct vga_config vga = {
        .vram = cfg->mem->hva + cfg->mem->area.offset,
        .vram_bytes = VGA_VRAM_BYTES,
        .clock = cfg->clock,
    };

    vga_init(&pc->vga, &vga);
    pc->vga_rom = cfg->vga_rom;
    pci_function_init(&pc->vga_fn, &vga_model);
    pc->vga_fn.bar[0] = (struct pci_bar){
        .space = PCI_MEMORY_PREFETCH, .size = VGA_VRAM_BYTES, .dev = cfg->mem, .moved = move_vram};
    pc->vga_fn.bar[2] = (struct pci_bar){
        .space = PCI_MEMORY, .size = VGA_MMIO_BYTES, .ops = &vga_mmio_ops, .dev = &pc->vga};
    if (pc->vga_rom.len)
        pc->vga_fn.bar[PCI_BAR_ROM] = (struct pci_bar){.space = PCI_MEMORY,
                                                       .size = power_of_two(pc->vga_rom.len),
                                                       .ops = &rom_ops,
                                                       .dev = &pc->vga_rom};
}

static int attach_vga(struct pc *pc, const struct pc_config *cfg)
{
    int err;

    wire_vga(pc, cfg);
    err = vga_attach(&pc->vga, cfg->ports, cfg->mmio);
    return err < 0 ? err : pci_host_add(&pc->pci, PC_VGA_DEVFN, &pc->vga_fn);
}

int pc_pci_init(struct pc *pc, const struct pc_config *cfg)
{
    int err;

    wire_bridges(pc, cfg);
    wire_ide(pc, cfg);
    err = pci_host_attach(&pc->pci, cfg->ports);
    if (err == 0)
        err = i440fx_attach(&pc->bridge, &pc->pci, cfg->mmio);
    if (err == 0)
        err = piix3_attach(&pc->isa, &pc->pci);
    if (err == 0)
        err = piix3_ide_attach(&pc->ide_fn, &pc->pci);
    if (err == 0)
        err = piix4_pm_attach(&pc->pm, &pc->pci);
    if (err == 0 && pc->has_vga)
        err = attach_vga(pc, cfg);
    return err;
}
