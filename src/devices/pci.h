/* pci.h - a PCI function: configuration space, base address registers, interrupt pin (PCI 2.1,
 * chapter 6).
 *
 * What a data sheet says of a function is constant: struct pci_model. The function's own registers
 * are rows of reset value and writable bits; one that does more is told by `written`. A base
 * address register is a row of struct pci_bar: registers for a bus, or something that moves itself
 * (RAM). The function decodes a bar when COMMAND enables its space; a bar whose place is taken (by
 * another device of the board, or no place at all) answers nowhere until it is moved.
 *
 * pci_function_init() before the function is given to pci_host_add(); the host then maps bars on
 * its buses. pci_intx_line() is what the device behind the function drives.
 */
#ifndef DRAGOMAN_DEVICES_PCI_H
#define DRAGOMAN_DEVICES_PCI_H

#include "base/types.h"
#include "bus/bus.h"
#include "bus/line.h"

enum { PCI_CONFIG_BYTES = 256, PCI_DEVFNS = 256, PCI_BARS = 7, PCI_BAR_ROM = 6, PCI_PINS = 4 };

enum { /* configuration header */
       PCI_VENDOR = 0x00,
       PCI_DEVICE = 0x02,
       PCI_COMMAND = 0x04,
       PCI_STATUS = 0x06,
       PCI_REVISION = 0x08,
       PCI_PROG_IF = 0x09,
       PCI_CLASS = 0x0a,
       PCI_LATENCY = 0x0d,
       PCI_HEADER = 0x0e,
       PCI_BAR0 = 0x10,
       PCI_SUBSYSTEM_VENDOR = 0x2c,
       PCI_SUBSYSTEM = 0x2e,
       PCI_ROM = 0x30,
       PCI_INTERRUPT_LINE = 0x3c,
       PCI_INTERRUPT_PIN = 0x3d,
};

enum {
    PCI_COMMAND_IO = 1 << 0,
    PCI_COMMAND_MEMORY = 1 << 1,
    PCI_COMMAND_MASTER = 1 << 2,
    PCI_COMMAND_SERR = 1 << 8,
    PCI_COMMAND_INTX_OFF = 1 << 10,
    PCI_MULTIFUNCTION = 0x80,
    PCI_DEVFN_SHIFT = 3, /* devfn is device << 3 | function */
};

/* Register of `size` bytes: its value after reset, and the bits that software changes. */
struct pci_reg {
    uint8_t at, size;
    uint32_t value, writable;
};

struct pci_model {
    const char *name;
    uint16_t vendor, device, class;
    uint8_t prog_if, revision;
    uint8_t header;   /* PCI_MULTIFUNCTION */
    uint8_t pin;      /* 1 to 4: INTA to INTD; 0: none */
    uint16_t command; /* bits of COMMAND that software changes */
    const struct pci_reg *regs;
    unsigned nregs;
};

enum pci_space { PCI_NO_BAR, PCI_IO, PCI_MEMORY, PCI_MEMORY_PREFETCH };

struct pci_bar {
    enum pci_space space;
    uint32_t size;            /* a power of two, at least 16; memory: a page */
    const struct io_ops *ops; /* registers; NULL: moved() instead */
    void *dev;
    void (*moved)(void *dev, gpa_t base, bool shown);

    bool mapped; /* kept by the host */
    gpa_t base;
};

struct pci_host;

struct pci_function {
    uint8_t config[PCI_CONFIG_BYTES];
    uint8_t writable[PCI_CONFIG_BYTES]; /* mask per byte */
    uint8_t intx;                       /* what the device drives */

    const struct pci_model *model;                           /* wiring */
    void (*written)(void *dev, unsigned reg, unsigned size); /* after a write; may be NULL */
    void *dev;
    struct pci_bar bar[PCI_BARS];
    uint8_t devfn;
    struct pci_host *host;
};

/* Without bars and hook; the caller fills these in, then resets. */
void pci_function_init(struct pci_function *fn, const struct pci_model *model);
/* Registers to their reset values; bars unmapped by the host's next look. */
void pci_function_reset(struct pci_function *fn);
void pci_function_write(struct pci_function *fn, unsigned reg, unsigned size, uint32_t val);
uint32_t pci_function_read(const struct pci_function *fn, unsigned reg, unsigned size);
/* Where bar n is to answer; false: nowhere. */
bool pci_bar_place(const struct pci_function *fn, unsigned n, gpa_t *base);

#endif
