/* pc.h - the PC board: which chip sits where and how they are wired. The one place to add a device.
 *
 *   8259A pair 20h A0h 4D0h     8254 40h             port B 61h       RTC 70h
 *   i8042 60h 64h               port A 92h           COM1 3F8h IRQ 4  PCI CF8h
 *   ACPI PM 600h B2h            debug consoles E9h 402h                POST 80h EDh
 *   x87 error F0h IRQ 13
 *
 * No APIC: INTR of the master 8259A is the CPU's only interrupt input.
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
#include "devices/fpu_error.h"
#include "devices/i8042.h"
#include "devices/pci_host.h"
#include "devices/pic8259.h"
#include "devices/pit8254.h"
#include "devices/port61.h"
#include "devices/port92.h"
#include "devices/post_port.h"
#include "devices/reset_cf9.h"
#include "devices/rtc_mc146818.h"
#include "devices/uart16550.h"

/* ACPI tables lie here, in the area guests search. */
enum { PC_ACPI_BASE = 0xe0000, PC_COM1 = 0x3f8, PC_COM1_IRQ = 4 };

struct pc {
    struct pic_pair pic;
    struct pit8254 pit;
    struct rtc rtc;
    struct uart16550 com1;
    struct i8042 kbd;
    struct port61 port61;
    struct port92 port92;
    struct post_port post;
    struct fpu_error fpu_error;
    struct reset_cf9 cf9;
    struct pci_host pci;
    struct acpi_pm acpi;
    struct debug_exit debug_exit;
    struct debugcon debugcon, debugcon402;
};

struct pc_config {
    struct bus *ports;
    struct clock *clock;
    struct physmem *mem;
    struct line intr, ignne, power, reset;
    int64_t (*realtime)(void *opaque);
    void *opaque;
    bool has_serial;
    struct chardev *serial, *debugcon; /* NULL: nothing behind it */
    bool has_debug_exit;
    uint16_t debug_exit_base;
    unsigned debug_exit_ports;
    struct debug_exit_hook exit_hook;
};

/* Wires and resets everything. 0, or -EBUSY: two devices claim a port (only the user's debug exit
 * can). */
int pc_init(struct pc *pc, const struct pc_config *cfg) MUST_CHECK;
/* Builds the ACPI tables; *rsdp and *len say where. */
int pc_acpi_tables(struct pc *pc, struct physmem *mem, bool has_serial, gpa_t *rsdp) MUST_CHECK;
void pc_reset(struct pc *pc);

#endif
