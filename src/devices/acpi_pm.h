/* acpi_pm.h - ACPI fixed hardware: PM1a event and control blocks, PM timer, GPE0, SMI command port
 * (ACPI 2.0, chapter 4.7).
 *
 * The register blocks lie where acpi_pm_move() puts them (the PIIX4's PMBA), at the offsets below;
 * the FADT that acpi_tables.c builds says ACPI_PM_BASE. There is no SMM: writing ACPI_PM_ENABLE or
 * ACPI_PM_DISABLE to the command port sets or clears SCI_EN at once.
 *
 * `sci` is a level: SCI_EN and an enabled event. `power` rises when the guest enters S5; the
 * machine listens to it.
 */
#ifndef DRAGOMAN_DEVICES_ACPI_PM_H
#define DRAGOMAN_DEVICES_ACPI_PM_H

#include "base/types.h"
#include "bus/bus.h"
#include "bus/clock.h"
#include "bus/device.h"
#include "bus/line.h"

enum {
    ACPI_PM_BASE = 0x600, /* where firmware puts the blocks (SeaBIOS, PORT_ACPI_PM_BASE) */
    ACPI_PM_EVT = 0x00,   /* 4 bytes */
    ACPI_PM_CNT = 0x04,   /* 2 bytes */
    ACPI_PM_TMR = 0x08,   /* 4 bytes */
    ACPI_PM_GPE0 = 0x20,  /* 4 bytes */
    ACPI_PM_BYTES = 0x40,
    ACPI_SMI_CMD = 0xb2,
    ACPI_PM_ENABLE = 0xf1,
    ACPI_PM_DISABLE = 0xf0,
    ACPI_SLP_TYP_S5 = 5,
    ACPI_SCI_IRQ = 9,
};

#define ACPI_PM_TIMER_HZ UINT64_C(3579545)

/* A status register of write-one-to-clear bits and its enable register. */
struct acpi_events {
    uint16_t sts, en;
};

struct acpi_pm {
    struct acpi_events pm1, gpe0;
    uint16_t cnt;
    uint8_t smi[2];   /* command and status latches */
    uint64_t toggles; /* how often the timer's top bit has changed */

    struct clock *clock; /* wiring */
    struct timer timer;
    struct line sci, power;
    uint8_t timer_bits; /* 24 or 32 */
    uint8_t mapped;     /* register blocks that answer, at base */
    uint16_t base;
};

struct acpi_pm_lines {
    struct line sci, power;
};

extern const struct dev_class acpi_pm_class;

void acpi_pm_init(struct acpi_pm *pm, struct clock *clock, const struct acpi_pm_lines *lines,
                  bool timer_32bit);
/* The SMI command port. */
int acpi_pm_attach(struct acpi_pm *pm, struct bus *ports) MUST_CHECK;
/* The register blocks answer at base; 0: nowhere, which is where they start. */
void acpi_pm_move(struct acpi_pm *pm, struct bus *ports, uint16_t base);

/* The user pressed the power button: PWRBTN_STS. */
void acpi_pm_press_power(struct acpi_pm *pm);

#endif
