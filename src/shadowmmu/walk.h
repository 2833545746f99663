/* walk.h - the one page walker: pure but for A/D bits (SDM 3A chapter 4). 32-bit, PAE (with PSE,
 * NX, WP, reserved bits, SMEP/SMAP) and 4-level with pages of 4 KiB, 2 MiB and 1 GiB. Used for
 * faults, software access, debugger, tests.
 */
#ifndef DRAGOMAN_SHADOWMMU_WALK_H
#define DRAGOMAN_SHADOWMMU_WALK_H

#include "bus/physmem.h"
#include "cpu/cpu.h"

enum walk_flag {
    WALK_WRITE = 1,
    WALK_USER = 2,
    WALK_EXEC = 4,
    WALK_NO_AD = 8,     /* set no A/D bits: debugger */
    WALK_IMPLICIT = 16, /* a supervisor access that EFLAGS.AC says nothing about (CR4.SMAP) */
};

struct walk {
    gpa_t pa; /* of the byte asked for; valid when ok */
    bool ok;
    bool user, writable, nx, global; /* effective rights of the page */
    bool dirty;                      /* D set (after this walk) */
    uint8_t levels;                  /* entries visited */
    uint8_t page_shift;              /* 12, 21, 22 or 30 */
    uint64_t entry[4];               /* entries read, top first (after A/D updates) */
    gpa_t entry_pa[4]; /* where they live: the shadow traces these pages; PAE level 0 is the latched
                          PDPTE (pa 0) */
    uint32_t err;      /* #PF error code when !ok */
};

/* Walks for `lin` with the paging state of c. Sets A (and D for writes) with a locked
 * compare-and-swap on guest RAM and reports them through physmem_written(). Returns w->ok. */
bool mmu_walk(const struct cpu *c, struct physmem *pm, gva_t lin, unsigned flags, struct walk *w);

#endif
