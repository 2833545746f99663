/* The board and its firmware: what it is told, and what is done in its place when there is none. */
#include "machine/pc.h"

#include <errno.h>

#include "base/bits.h"
#include "devices/acpi_script.h"
#include "devices/smbios.h"

/* What PIRQA to D are routed to, as SeaBIOS does it (pci_irqs[] of pciinit.c). */
static const uint8_t pirq_irq[PCI_PINS] = {10, 10, 11, 11};

static struct acpi_config acpi_config(const struct pc *pc)
{
    return (struct acpi_config){
        .pm_base = ACPI_PM_BASE,
        .timer_32bit = pc->acpi.timer_bits == 32,
        .has_vga = pc->has_vga,
        .com = {{pc->has_com[0] ? PC_COM1 : 0, PC_COM1_IRQ},
                {pc->has_com[1] ? PC_COM2 : 0, PC_COM2_IRQ}},
        .lpt = {pc->has_lpt ? PC_LPT1 : 0, PC_LPT1_IRQ},
        .apics = pc->has_apic ? pc->apics.ncpus : 0,
        .local_apic = (uint32_t)LAPIC_BASE,
        .io_apic = (uint32_t)IOAPIC_BASE,
        .hpet = pc->has_hpet ? (uint32_t)HPET_BASE : 0,
        .hpet_id = HPET_ID,
        .pci_first = (uint32_t)PHYSMEM_HOLE,
        .pci_last = PC_PCI_LAST,
        .pirq = {pirq_irq[0], pirq_irq[1], pirq_irq[2], pirq_irq[3]},
    };
}

/* ---- with firmware ---- */

enum { E820_ENTRY_BYTES = 20, E820_RAM = 1, MAX_CPUS = 1, ONE_CPU = 1 };

static int tell_memory(struct pc *pc, const struct physmem *mem)
{
    uint8_t e820[2 * E820_ENTRY_BYTES] = {0};
    uint64_t high = mem->size - mem->low_end;
    int err;

    st64(e820 + 8, mem->low_end);
    st32(e820 + 16, E820_RAM);
    st64(e820 + E820_ENTRY_BYTES, PHYSMEM_HIGH);
    st64(e820 + E820_ENTRY_BYTES + 8, high);
    st32(e820 + E820_ENTRY_BYTES + 16, E820_RAM);
    err = fw_cfg_add_file(&pc->fw_cfg, "etc/e820", e820, (high ? 2 : 1) * E820_ENTRY_BYTES);
    if (err == 0)
        err = fw_cfg_add_number(&pc->fw_cfg, FW_CFG_RAM_SIZE, mem->size, 8);
    return err;
}

/* A file of a little-endian 64-bit number, as SeaBIOS's romfile_loadint() reads them. */
static int tell_number(struct pc *pc, const char *file, uint64_t val)
{
    uint8_t bytes[8];

    st64(bytes, val);
    return fw_cfg_add_file(&pc->fw_cfg, file, bytes, sizeof(bytes));
}

static int tell_smbios(struct pc *pc, const struct pc_config *cfg)
{
    const struct smbios_config smbios = {
        .low_ram = cfg->mem->low_end,
        .high_ram = cfg->mem->size - cfg->mem->low_end,
        .cpu_vendor = cfg->cpu.vendor,
        .cpu_brand = cfg->cpu.brand,
        .cpu_signature = cfg->cpu.signature,
        .cpu_features = cfg->cpu.features,
        .cpu_mhz = (uint16_t)(cfg->cpu.tsc_khz / 1000),
    };
    struct smbios_tables tables;

    smbios_make(&tables, &smbios);
    return smbios_add(&pc->fw_cfg, &tables);
}

int pc_tell_firmware(struct pc *pc, const struct pc_config *cfg)
{
    const struct acpi_config acpi = acpi_config(pc);
    struct acpi_tables tables;
    int err = tell_memory(pc, cfg->mem);

    if (err == 0)
        err = fw_cfg_add_number(&pc->fw_cfg, FW_CFG_CPUS, ONE_CPU, 2);
    if (err == 0)
        err = fw_cfg_add_number(&pc->fw_cfg, FW_CFG_MAX_CPUS, MAX_CPUS, 2);
    if (err == 0)
        err = fw_cfg_add_number(&pc->fw_cfg, FW_CFG_BOOT_MENU, cfg->boot_menu, 2);
    if (err == 0 && cfg->serial_screen)
        err = tell_number(pc, "etc/sercon-port", PC_COM1);
    if (err == 0)
        err = acpi_tables_make(&tables, ACPI_TABLES_MAX_BYTES, &acpi);
    if (err == 0)
        err = acpi_script_add(&pc->fw_cfg, &tables);
    if (err == 0)
        err = tell_smbios(pc, cfg);
    return err;
}

/* ---- without ---- */

static void set_base(struct pc *pc, struct pci_function *fn, unsigned n, uint32_t base)
{
    unsigned reg = n == PCI_BAR_ROM ? PCI_ROM : PCI_BAR0 + 4 * n;

    pci_host_program(&pc->pci, fn->devfn, reg, 4, base);
}

/* Base addresses one behind the other, each aligned to its size; ROMs stay off. */
static void place_bars(struct pc *pc, struct pci_function *fn, uint32_t *memory, uint32_t *io)
{
    uint16_t command = ld16(fn->config + PCI_COMMAND);

    for (unsigned n = 0; n < PCI_BAR_ROM; n++) {
        const struct pci_bar *b = &fn->bar[n];
        uint32_t *next = b->space == PCI_IO ? io : memory;

        if (b->space == PCI_NO_BAR)
            continue;
        *next = (uint32_t)align_up(*next, b->size);
        set_base(pc, fn, n, *next);
        *next += b->size;
        command |= b->space == PCI_IO ? PCI_COMMAND_IO : PCI_COMMAND_MEMORY;
    }
    pci_host_program(&pc->pci, fn->devfn, PCI_COMMAND, 2, command);
    if (fn->model->pin && fn != &pc->pm.fn)
        pci_host_program(&pc->pci, fn->devfn, PCI_INTERRUPT_LINE, 1,
                         pirq_irq[pci_pirq_of(fn->devfn, fn->model->pin - 1u)]);
}

void pc_configure_pci(struct pc *pc)
{
    uint32_t memory = PC_PCI_FIRST_BAR, io = PC_PCI_FIRST_PORT;

    pci_host_program(&pc->pci, I440FX_DEVFN, I440FX_PAM0, 1, I440FX_PAM0_RAM);
    for (unsigned i = 1; i < I440FX_PAMS; i++)
        pci_host_program(&pc->pci, I440FX_DEVFN, I440FX_PAM0 + i, 1, I440FX_PAM_RAM);
    for (unsigned i = 0; i < PCI_PINS; i++)
        pci_host_program(&pc->pci, PIIX3_DEVFN, PIIX3_PIRQRC + i, 1, pirq_irq[i]);
    pci_host_program(&pc->pci, PIIX4_PM_DEVFN, PIIX4_PMBA, 4, ACPI_PM_BASE);
    pci_host_program(&pc->pci, PIIX4_PM_DEVFN, PIIX4_PMREGMISC, 1, PIIX4_PMIOSE);
    for (unsigned i = 0; i < IDE_CHANNELS; i++)
        pci_host_program(&pc->pci, PIIX3_IDE_DEVFN, PIIX3_IDETIM + 2 * i, 2, PIIX3_IDETIM_ON);
    for (unsigned i = 0; i < PCI_DEVFNS; i++)
        if (pc->pci.bus0[i])
            place_bars(pc, pc->pci.bus0[i], &memory, &io);
}

int pc_acpi_tables(struct pc *pc, struct physmem *mem, gpa_t *rsdp)
{
    const struct acpi_config cfg = acpi_config(pc);
    struct acpi_tables tables;
    int err = acpi_tables_make(&tables, ACPI_TABLES_MAX_BYTES, &cfg);

    *rsdp = PC_ACPI_BASE;
    return err < 0 ? err : acpi_tables_place(&tables, mem, PC_ACPI_BASE);
}

void pc_firmware(struct pc *pc, struct bus *ports, struct bus *mmio)
{
    enum { ELCR2 = 0x4d1, SPURIOUS = 0xff };
    unsigned level = 1u << ACPI_SCI_IRQ;

    for (unsigned i = 0; i < PCI_PINS; i++)
        level |= 1u << pirq_irq[i];
    bus_write(ports, ELCR2, 1, level >> 8);
    if (!pc->has_apic)
        return;
    bus_write(mmio, IOAPIC_BASE, 4, IOAPIC_REG_ID);
    bus_write(mmio, IOAPIC_BASE + IOAPIC_WINDOW, 4, pc->apics.ncpus << 24);
    bus_write(mmio, LAPIC_BASE + LAPIC_SVR, 4, LAPIC_SVR_ENABLE | SPURIOUS);
    bus_write(mmio, LAPIC_BASE + LAPIC_LVT_LINT0, 4, APIC_EXTINT << 8);
    bus_write(mmio, LAPIC_BASE + LAPIC_LVT_LINT1, 4, APIC_NMI << 8);
}
