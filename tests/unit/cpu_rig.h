/* cpu_rig.h - a CPU in flat protected mode with a megabyte of flat memory behind it, for
 * test_cpu_*.c.
 *
 * Linear addresses are offsets into `ram`; pages can be made absent, which gives #PF as a walker
 * would. The GDT has one entry of every kind the tests ask for, see enum rig_sel.
 */
#ifndef DRAGOMAN_TESTS_CPU_RIG_H
#define DRAGOMAN_TESTS_CPU_RIG_H

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "cpu/control.h"
#include "cpu/exception.h"
#include "cpu/model.h"
#include "cpu/segment.h"

enum {
    RIG_RAM = 1 << 20,
    RIG_GDT = 0x1000,
    RIG_IDT = 0x2000,
    RIG_TSS_A = 0x3000, /* 32-bit, with I/O bitmap; current */
    RIG_LDT = 0x6000,
    RIG_TSS_B = 0x7000, /* 32-bit, no bitmap */
    RIG_TSS_C = 0x8000, /* 16-bit */
    RIG_STACK0 = 0x20000,
    RIG_STACK3 = 0x30000,
    RIG_HANDLER = 0x40000, /* handler of vector v: RIG_HANDLER + v * 16 */
};

enum rig_sel {
    K_CODE = 0x08,
    K_DATA = 0x10,
    U_CODE = 0x1b,
    U_DATA = 0x23,
    S_TSS_A = 0x28,
    S_TSS_B = 0x30,
    CONFORMING = 0x38,
    NP_CODE = 0x40,
    NP_DATA = 0x48,
    S_LDT = 0x50,
    GATE32 = 0x58,
    S_TSS_C = 0x60,
    EXPAND_DOWN = 0x68,
    TASK_GATE_B = 0x70,
    SMALL_CODE = 0x78,
    EXEC_ONLY = 0x80,
    READ_ONLY = 0x88,
    SMALL_STACK = 0x90,
    GATE16 = 0x98,
    GATE_DPL0 = 0xa0,
    U_DATA16 = 0xab,
    NP_GATE = 0xb0,
    R1_CODE = 0xb9,
    R1_DATA = 0xc1,
    EXPAND_DOWN16 = 0xc8,
    NP_U_CODE = 0xd3,
    NP_U_DATA = 0xdb,
    GDT_BYTES = 0xe0,
};

struct rig {
    struct cpu c;
    struct cpu_model model;
    uint8_t *ram;
    uint8_t absent[RIG_RAM >> 12];
    unsigned paging_changed, cr3_written, pdpte_loads, invlpgs;
    gva_t invlpg_at;
    bool pdptes_bad;
    uint64_t tsc;
};

static inline struct rig *rig_of(struct cpu *c)
{
    return container_of(c, struct rig, c);
}

static inline bool rig_check(struct cpu *c, gva_t lin, unsigned len, bool write, enum mem_rights as)
{
    struct rig *r = rig_of(c);

    for (unsigned i = 0; i < len; i++) {
        gva_t at = (uint32_t)(lin + i);

        if (at >= RIG_RAM || r->absent[at >> 12])
            return cpu_raise_pf(c, at, (write ? PF_W : 0) | (as == MEM_USER ? PF_U : 0));
    }
    return true;
}

static inline bool rig_read(struct cpu *c, gva_t lin, void *buf, unsigned len, enum mem_rights as)
{
    if (!rig_check(c, lin, len, false, as))
        return false;
    memcpy(buf, rig_of(c)->ram + lin, len);
    return true;
}

static inline bool rig_write(struct cpu *c, gva_t lin, const void *buf, unsigned len,
                             enum mem_rights as)
{
    if (!rig_check(c, lin, len, true, as))
        return false;
    memcpy(rig_of(c)->ram + lin, buf, len);
    return true;
}

static inline bool rig_probe(struct cpu *c, gva_t lin, unsigned len, enum mem_rights as)
{
    return rig_check(c, lin, len, true, as);
}

static const struct cpu_mem_ops rig_mem = {rig_read, rig_write, rig_probe};

static inline void rig_invlpg(void *opaque, struct cpu *c, gva_t lin)
{
    struct rig *r = opaque;

    (void)c;
    r->invlpgs++;
    r->invlpg_at = lin;
}

static inline void rig_paging_changed(void *opaque, struct cpu *c)
{
    (void)c;
    ((struct rig *)opaque)->paging_changed++;
}

static inline void rig_cr3_written(void *opaque, struct cpu *c)
{
    (void)c;
    ((struct rig *)opaque)->cr3_written++;
}

static inline bool rig_load_pdptes(void *opaque, struct cpu *c)
{
    struct rig *r = opaque;

    (void)c;
    r->pdpte_loads++;
    return !r->pdptes_bad;
}

static inline uint64_t rig_tsc(void *opaque)
{
    return ((struct rig *)opaque)->tsc;
}

/* access: bits 8-15 of the second dword; flags: bits 20-23. */
static inline void rig_desc(struct rig *r, gva_t table, uint16_t sel, uint32_t base, uint32_t limit,
                            uint8_t access, uint8_t flags)
{
    uint8_t *d = r->ram + table + (sel & ~7u);

    st32(d, (limit & 0xffff) | base << 16);
    st32(d + 4, (base >> 16 & 0xff) | (uint32_t)access << 8 | (limit & 0xf0000) |
                    (uint32_t)flags << 20 | (base & 0xff000000));
}

static inline void rig_gate(struct rig *r, gva_t at, uint16_t sel, uint32_t off, uint8_t access,
                            uint8_t params)
{
    st32(r->ram + at, (uint32_t)sel << 16 | (off & 0xffff));
    st32(r->ram + at + 4, (off & 0xffff0000) | (uint32_t)access << 8 | params);
}

static inline void rig_idt(struct rig *r, unsigned vector, uint16_t sel, uint32_t off,
                           uint8_t access)
{
    rig_gate(r, RIG_IDT + vector * 8, sel, off, access, 0);
}

static inline void rig_fill_gdt(struct rig *r)
{
    static const struct {
        uint16_t sel;
        uint32_t base, limit;
        uint8_t access, flags;
    } rows[] = {
        {K_CODE, 0, 0xfffff, 0x9a, 0xc},       {K_DATA, 0, 0xfffff, 0x92, 0xc},
        {U_CODE, 0, 0xfffff, 0xfa, 0xc},       {U_DATA, 0, 0xfffff, 0xf2, 0xc},
        {S_TSS_A, RIG_TSS_A, 0x20ff, 0x8b, 0}, {S_TSS_B, RIG_TSS_B, 0x67, 0x89, 0},
        {CONFORMING, 0, 0xfffff, 0x9e, 0xc},   {NP_CODE, 0, 0xfffff, 0x1a, 0xc},
        {NP_DATA, 0, 0xfffff, 0x12, 0xc},      {S_LDT, RIG_LDT, 0x1f, 0x82, 0},
        {S_TSS_C, RIG_TSS_C, 0x2b, 0x81, 0},   {EXPAND_DOWN, 0, 0xfff, 0x96, 0x4},
        {SMALL_CODE, 0, 0xff, 0x9a, 0x4},      {EXEC_ONLY, 0, 0xfffff, 0x98, 0xc},
        {READ_ONLY, 0, 0xfffff, 0x90, 0xc},    {SMALL_STACK, 0x50000, 0xff, 0x92, 0x4},
        {U_DATA16, 0, 0xffff, 0xf2, 0},        {R1_CODE, 0, 0xfffff, 0xba, 0xc},
        {R1_DATA, 0, 0xfffff, 0xb2, 0xc},      {EXPAND_DOWN16, 0, 0xfff, 0x96, 0},
        {NP_U_CODE, 0, 0xfffff, 0x7a, 0xc},    {NP_U_DATA, 0, 0xfffff, 0x72, 0xc},
    };

    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++)
        rig_desc(r, RIG_GDT, rows[i].sel, rows[i].base, rows[i].limit, rows[i].access,
                 rows[i].flags);
    rig_gate(r, RIG_GDT + GATE32, K_CODE, 0x12345, 0xec, 2);
    rig_gate(r, RIG_GDT + GATE16, K_CODE, 0x5678, 0xe4, 2);
    rig_gate(r, RIG_GDT + GATE_DPL0, K_CODE, 0x12345, 0x8c, 0);
    rig_gate(r, RIG_GDT + NP_GATE, K_CODE, 0x12345, 0x6c, 0);
    rig_gate(r, RIG_GDT + TASK_GATE_B, S_TSS_B, 0, 0xe5, 0);
    rig_desc(r, RIG_LDT, 0, 0, 0xfffff, 0xf2, 0xc);
}

static inline void rig_fill_tss(struct rig *r)
{
    uint8_t *a = r->ram + RIG_TSS_A, *b = r->ram + RIG_TSS_B, *s = r->ram + RIG_TSS_C;

    st32(a + 4, RIG_STACK0);
    st16(a + 8, K_DATA);
    st32(a + 12, RIG_STACK0);
    st16(a + 16, R1_DATA);
    st16(a + 0x66, 0x88); /* 32 bytes of redirection bitmap below */
    st32(b + 0x20, 0x4567);
    st32(b + 0x24, 0x202);
    for (unsigned i = 0; i < 8; i++) {
        st32(b + 0x28 + 4 * i, 0x1000 * (i + 1));
        st16(s + 0x12 + 2 * i, (uint16_t)(0x100 * (i + 1)));
    }
    for (unsigned i = 0; i < 6; i++)
        st16(b + 0x48 + 4 * i, i == SEG_CS ? K_CODE : K_DATA);
    st32(b + 0x1c, 0x9000);
    st16(s + 0x0e, 0x3456);
    st16(s + 0x10, 0x0002);
    for (unsigned i = 0; i < 4; i++)
        st16(s + 0x22 + 2 * i, i == SEG_CS ? K_CODE : K_DATA);
}

static inline void rig_set(struct rig *r, unsigned cpl)
{
    struct cpu *c = &r->c;
    uint16_t data = cpl == 3 ? U_DATA : K_DATA;

    c->cpl = (uint8_t)cpl;
    for (unsigned i = 0; i < NSEG; i++)
        c->seg[i] = (struct seg){.sel = data,
                                 .attr = (uint16_t)(0xc093 | cpl << 5),
                                 .limit = UINT32_MAX,
                                 .usable = true};
    c->seg[SEG_CS].sel = cpl == 3 ? U_CODE : K_CODE;
    c->seg[SEG_CS].attr |= ATTR_CODE;
    c->gpr[RSP] = cpl == 3 ? RIG_STACK3 : RIG_STACK0;
    cpu_update_mode(c);
}

/* Ring `cpl`, flat, every vector on a 32-bit interrupt gate of DPL 0 (3 and 80h: DPL 3). */
static inline struct rig *rig_new(unsigned cpl)
{
    struct rig *r = calloc(1, sizeof(*r));
    struct cpu *c = &r->c;
    char err[256];

    ck_assert_ptr_nonnull(r);
    r->ram = calloc(1, RIG_RAM);
    ck_assert_ptr_nonnull(r->ram);
    ck_assert_int_eq(cpu_model_init(&r->model, "qemu32,+nx", err, sizeof(err)), 0);
    c->mem = &rig_mem;
    c->model = &r->model;
    c->hooks = (struct cpu_hooks){.paging_changed = rig_paging_changed,
                                  .cr3_written = rig_cr3_written,
                                  .load_pdptes = rig_load_pdptes,
                                  .invlpg = rig_invlpg,
                                  .tsc = rig_tsc,
                                  .opaque = r};
    cpu_reset(c);
    rig_fill_gdt(r);
    rig_fill_tss(r);
    for (unsigned v = 0; v < 256; v++)
        rig_idt(r, v, K_CODE, RIG_HANDLER + v * 16, v == 3 || v == 0x80 ? 0xee : 0x8e);
    c->gdtr = (struct dtable){RIG_GDT, GDT_BYTES - 1};
    c->idtr = (struct dtable){RIG_IDT, 0x7ff};
    c->cr0 = CR0_PE | CR0_ET;
    c->seg[SEG_TR] = (struct seg){S_TSS_A, 0x8b, 0x20ff, RIG_TSS_A, true, false};
    c->seg[SEG_LDTR].usable = false;
    rig_set(r, cpl);
    c->rip = 0x1000;
    c->next_rip = 0x1002;
    return r;
}

static inline void rig_free(struct rig *r)
{
    free(r->ram);
    free(r);
}

/* V86 mode at 1000:0010 with stack 2000:0100. */
static inline struct rig *rig_new_vm86(unsigned iopl)
{
    struct rig *r = rig_new(3);
    struct cpu *c = &r->c;

    for (unsigned i = 0; i < NSEG; i++) {
        uint16_t sel = (uint16_t)(i == SEG_CS ? 0x1000 : i == SEG_SS ? 0x2000 : 0x100 * i + 0x800);

        c->seg[i] = (struct seg){
            .sel = sel, .attr = 0xf3, .limit = 0xffff, .base = sel * 16u, .usable = true};
    }
    c->gpr[RSP] = 0x100;
    c->rip = 0x10;
    c->next_rip = 0x12;
    cpu_set_rflags(c, EF_VM | EF_IF | iopl << 12);
    return r;
}

static inline uint32_t rig_stack(const struct rig *r, unsigned i)
{
    return ld32(r->ram + r->c.seg[SEG_SS].base + (uint32_t)r->c.gpr[RSP] + 4 * i);
}

static inline void rig_expect_fault(const struct rig *r, unsigned vector, uint32_t err,
                                    const char *what)
{
    ck_assert_msg(r->c.fault.vector == vector && r->c.fault.err == err,
                  "%s: fault %d(%x), expected %u(%x)", what, r->c.fault.vector, r->c.fault.err,
                  vector, err);
}

#endif
