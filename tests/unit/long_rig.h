/* long_rig.h - interp_rig.h's machine in 64-bit mode at CPL 0: the first GiB of memory seen at 0
 * and once more at HIGH, everything U/S=1 at 0 and supervisor at HIGH. */
#ifndef DRAGOMAN_TESTS_LONG_RIG_H
#define DRAGOMAN_TESTS_LONG_RIG_H

#include "interp_rig.h"

#include "cpu/control.h"

enum {
    L_PML4 = 0x20000,
    L_PDPT = 0x21000,
    L_PDPT_HIGH = 0x22000,
    L_PD = 0x23000,
    L_PT = 0x24000,
    L_PDPT_PAGE = 0x25000
};
enum { L_CODE64 = 0x28, L_DATA = 0x18, L_CODE32 = 0x10, L_UDATA = 0x3b, L_UCODE64 = 0x43 };
#define HIGH UINT64_C(0xffff888000000000)
/* One 4 KiB page, wherever its PTE at L_PT points. */
#define PAGE_LIN UINT64_C(0x8000000000)

static inline void long_tables(struct irig *q)
{
    put64(&q->r, L_PML4, L_PDPT | P | W | U);
    put64(&q->r, L_PML4 + (HIGH >> 39 & 511) * 8, L_PDPT_HIGH | P | W);
    put64(&q->r, L_PML4 + 8, L_PDPT_PAGE | P | W | U);
    put64(&q->r, L_PDPT_PAGE, L_PD | P | W | U);
    put64(&q->r, L_PD, L_PT | P | W | U);
    put64(&q->r, L_PDPT, P | W | U | PS);
    put64(&q->r, L_PDPT_HIGH, P | W | PS);
    irig_tables(q);
    put64(&q->r, 0x9828, UINT64_C(0x00af9b000000ffff)); /* 28h: 64-bit code, CPL 0 */
    put64(&q->r, 0x9830, UINT64_C(0x00cffb000000ffff)); /* 30h: 32-bit code, CPL 3 */
    put64(&q->r, 0x9838, UINT64_C(0x00cff3000000ffff)); /* 38h: data, CPL 3 */
    put64(&q->r, 0x9840, UINT64_C(0x00affb000000ffff)); /* 40h: 64-bit code, CPL 3 */
}

static inline void long_open(struct irig *q)
{
    struct cpu *c;

    irig_open(q);
    long_tables(q);
    c = q->c;
    c->cr3 = L_PML4;
    ck_assert(cpu_write_cr(c, 4, CR4_PAE | CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_FSGSBASE));
    ck_assert(cpu_wrmsr(c, 0xc0000080, EFER_LME | EFER_SCE | EFER_NXE));
    ck_assert(cpu_write_cr(c, 0, c->cr0 | CR0_PG | CR0_WP));
    c->hooks.opaque = q;
    c->seg[SEG_CS].sel = L_CODE64;
    c->seg[SEG_CS].attr = (uint16_t)((c->seg[SEG_CS].attr & ~ATTR_DB) | ATTR_L);
    cpu_update_mode(c);
    ck_assert(cpu_cs64(c));
    smmu_paging_changed(q->r.m, c);
}

#endif
