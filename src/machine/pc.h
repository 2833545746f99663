/* pc.h - the PC board: which chip sits where and how they are wired. The one place to add a device.
 *
 *   8259A pair 20h A0h 4D0h     8254 40h             port B 61h       RTC 70h
 *   i8042 60h 64h               port A 92h           COM1 3F8h IRQ 4  PCI CF8h
 *   COM2 2F8h IRQ 3             LPT1 378h IRQ 7, when they are wanted
 *   ACPI PM 600h B2h            debug consoles E9h 402h                POST 80h EDh
 *   8237A pair 00h C0h 81h      floppy 3F0h IRQ 6, when there is one
 *   x87 error F0h IRQ 13        fw_cfg 510h, with firmware
 *   local APIC FEE00000h        I/O APIC FEC00000h                     HPET FED00000h
 *
 *   PCI 00:00.0 82441FX  00:01.0 82371SB  00:01.1 its IDE  00:01.3 82371AB power management
 *       00:02.0 VGA
 *
 * ISA interrupt n goes to input n of the 8259A pair and to pin n of the I/O APIC, but IRQ 0 to
 * pin 2. The pair's INTR is LINT0 of the local APIC, whose output is the CPU's interrupt input.
 * Without a local APIC (and then without an I/O APIC) INTR is. With HPET legacy replacement the
 * 8254 and the RTC are cut off from IRQ 0 and 8.
 */
#ifndef DRAGOMAN_MACHINE_PC_H
#define DRAGOMAN_MACHINE_PC_H

#include "bus/bus.h"
#include "bus/clock.h"
#include "bus/physmem.h"
#include "devices/acpi_pm.h"
#include "devices/acpi_tables.h"
#include "devices/debug_exit.h"
#include "devices/debugcon.h"
#include "devices/fdc.h"
#include "devices/fpu_error.h"
#include "devices/fw_cfg.h"
#include "devices/hpet.h"
#include "devices/i440fx.h"
#include "devices/i8042.h"
#include "devices/i8237.h"
#include "devices/ioapic.h"
#include "devices/kvmclock.h"
#include "devices/lapic.h"
#include "devices/parallel.h"
#include "devices/pci_host.h"
#include "devices/pic8259.h"
#include "devices/piix3.h"
#include "devices/piix3_ide.h"
#include "devices/piix4_pm.h"
#include "devices/pit8254.h"
#include "devices/port61.h"
#include "devices/port92.h"
#include "devices/post_port.h"
#include "devices/reset_cf9.h"
#include "devices/rtc_mc146818.h"
#include "devices/uart16550.h"
#include "devices/vga.h"

/* ACPI tables lie here, in the area guests search. */
enum {
    PC_ACPI_BASE = 0xe0000,
    PC_COM1 = 0x3f8,
    PC_COM1_IRQ = 4,
    PC_COM2 = 0x2f8,
    PC_COM2_IRQ = 3,
    PC_LPT1 = 0x378,
    PC_LPT1_IRQ = 7,
    PC_COMS = ACPI_COM_PORTS,
    PC_IDE_IRQ = 14,
    PC_VGA_DEVFN = 2 << 3
};

/* Where PCI memory ends, and where base addresses begin when no firmware sets them. */
#define PC_PCI_LAST      UINT32_C(0xfebfffff)
#define PC_PCI_FIRST_BAR UINT32_C(0xfd000000)
enum { PC_PCI_FIRST_PORT = 0xc000 };

struct pc {
    struct pic_pair pic;
    struct apic_bus apics;
    struct lapic lapic;
    struct ioapic ioapic;
    struct hpet hpet;
    struct kvmclock kvmclock;
    bool has_apic, has_hpet, has_kvmclock;
    bool replaced;                /* HPET legacy replacement is on */
    bool chip[2], hpet_legacy[2]; /* who drives IRQ 0 and 8: levels of 8254 and RTC, of the HPET */
    struct pit8254 pit;
    struct rtc rtc;
    bool has_com[PC_COMS], has_lpt;
    struct uart16550 com[PC_COMS];
    struct parallel lpt;
    struct i8042 kbd;
    struct port61 port61;
    struct port92 port92;
    struct post_port post;
    struct i8237 dma;
    bool has_fdc;
    struct fdc fdc;
    struct fpu_error fpu_error;
    struct reset_cf9 cf9;
    struct pci_host pci;
    struct i440fx bridge;
    struct piix3 isa;
    struct piix4_pm pm;
    struct ide ide;
    struct piix3_ide ide_fn;
    bool has_vga;
    struct vga vga;
    struct pci_function vga_fn;
    struct rom vga_rom;
    struct acpi_pm acpi;
    struct fw_cfg fw_cfg;
    bool a20[2]; /* what port 92h and the i8042 say */
    struct debug_exit debug_exit;
    struct debugcon debugcon, debugcon402;
};

/* What the local APIC and the paravirtual clock must know of the CPU. */
struct pc_cpu {
    bool has_apic, has_tsc_deadline;
    bool has_kvmclock, kvmclock_stable;
    uint32_t apic_hz, tsc_khz;
    uint32_t signature, features; /* CPUID leaf 1, EAX and EDX */
    const char *vendor, *brand;
    uint64_t (*tsc)(void *opaque); /* the guest's */
    void (*tpr_changed)(void *opaque, uint8_t tpr);
    struct line nmi;
};

struct pc_config {
    struct bus *ports, *mmio;
    struct clock *clock;
    struct physmem *mem;
    struct line intr, ignne, power, reset;
    struct pc_cpu cpu;
    int64_t (*realtime)(void *opaque);
    uint64_t (*wallclock)(void *opaque); /* the same in ns */
    void *opaque;
    struct rom bios; /* firmware; len 0: none, an image is entered directly. The caller's */
    uint8_t boot[RTC_BOOT_DEVICES];
    bool boot_menu;
    struct ide_drive_config drive[IDE_CHANNELS][IDE_DRIVES];
    struct block *floppy[FDC_DRIVES]; /* NULL: no drive */
    bool has_vga;                     /* then mem has an area of VGA_VRAM_BYTES */
    struct rom vga_rom;               /* its firmware; the caller's */
    bool serial_screen;               /* the firmware shows its screen on COM1 */
    bool has_hpet;
    bool has_com[PC_COMS], has_lpt;
    /* NULL: nothing behind it */
    struct chardev *com[PC_COMS], *lpt, *debugcon;
    bool has_debug_exit;
    uint16_t debug_exit_base;
    unsigned debug_exit_ports;
    struct debug_exit_hook exit_hook;
};

/* Wires and resets everything. 0, -ENOMEM, or -EBUSY: two devices claim a port (only the user's
 * debug exit can). */
int pc_init(struct pc *pc, const struct pc_config *cfg) MUST_CHECK;
void pc_fini(struct pc *pc);
void pc_reset(struct pc *pc);

/* pc_pci.c: the bridges and functions of bus 0. */
int pc_pci_init(struct pc *pc, const struct pc_config *cfg) MUST_CHECK;

/* pc_firmware.c: what the firmware is told through fw_cfg. */
int pc_tell_firmware(struct pc *pc, const struct pc_config *cfg) MUST_CHECK;
/* Without firmware: what it would have done. First the PCI configuration: all of C0000h-FFFFFh is
 * RAM, PIRQs and base addresses are set. */
void pc_configure_pci(struct pc *pc);
/* Then the ACPI tables; *rsdp says where. */
int pc_acpi_tables(struct pc *pc, struct physmem *mem, gpa_t *rsdp) MUST_CHECK;
/* Last, what it programs before it starts an operating system: level-triggered interrupts, APIC
 * IDs, virtual wire mode (MP specification 1.4, 3.6.2.2). */
void pc_firmware(struct pc *pc, struct bus *ports, struct bus *mmio);

/* INTA: the vector of the interrupt that the CPU takes. */
int pc_intr_ack(struct pc *pc);
/* ISA interrupt request n, 0-15 but 2. */
struct line pc_isa_line(struct pc *pc, int n);

/* MSRs outside the CPU (cpu_hooks). */
uint64_t pc_msr_read(struct pc *pc, uint32_t index);
void pc_msr_written(struct pc *pc, uint32_t index, uint64_t val);
void pc_tsc_moved(struct pc *pc);
void pc_cr8_written(struct pc *pc, uint8_t cr8);

#endif
