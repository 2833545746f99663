/* The guest's x87/vector state between host registers and struct cpu. */
#include "base/bits.h"
#include "translator/bt_priv.h"

/* XSAVE area offsets (SDM 1 10.5.1.1, 13.4): legacy region of the 64-bit form. */
enum { AREA_FSW = 2, AREA_FOP = 6, AREA_FIP = 8, AREA_FDP = 16, FSW_ES_BIT = 1 << 7 };

/* Of the x87 instruction at p, behind its prefixes (SDM 1 8.1.9). */
static uint16_t opcode_at(const uint8_t *p)
{
    unsigned k = 0;

    while (k < MAX_INSN - 2 && (p[k] & 0xf8) != 0xd8)
        k++;
    return (uint16_t)((p[k] & 7) << 8 | p[k + 1]);
}

static void xsave(void *area, uint64_t mask)
{
    __asm__ volatile("xsave64 (%0)" ::"r"(area), "a"((uint32_t)mask), "d"((uint32_t)(mask >> 32))
                     : "memory");
}

static void xrstor(const void *area, uint64_t mask)
{
    __asm__ volatile("xrstor64 (%0)" ::"r"(area), "a"((uint32_t)mask), "d"((uint32_t)(mask >> 32))
                     : "memory");
}

/* The guest's bytes from linear address lin on that belong to b's pages. */
static unsigned guest_bytes(struct engine *e, const struct bt_block *b, uint64_t lin,
                            uint8_t bytes[MAX_INSN])
{
    unsigned off = lin & PAGE_MASK, n = 0;
    const struct bt_page *page = b->page;

    for (; n < MAX_INSN; n++, off++) {
        if (off == PAGE_SIZE) {
            page = b->page2;
            off = 0;
            if (!page)
                break;
        }
        bytes[n] = e->pm->hva[(page->frame << PAGE_SHIFT) + off];
    }
    return n;
}

/* The x87 instruction at lin, where the host has recorded its opcode and operand: for every one, or
 * only for one that raised an unmasked exception (SDM 1 8.1.9.1). */
static bool recorded_insn(struct engine *e, struct cpu *c, const struct bt_block *b, uint64_t lin,
                          struct insn *i)
{
    uint8_t bytes[MAX_INSN] = {0};

    if (c->model->fdp_on_exception && !(ld16(c->fpu + AREA_FSW) & FSW_ES_BIT))
        return false;
    return decode_insn(bytes, guest_bytes(e, b, lin, bytes), bt_code_bits(b->mode), i) ==
               DECODE_OK &&
           i->map == 0 && (i->opcode & 0xf8) == 0xd8;
}

/* The host recorded the ModRM byte of the re-encoded instruction. */
static void fix_opcode(struct cpu *c, uint64_t host, const struct insn *i)
{
    if (ld16(c->fpu + AREA_FOP) == opcode_at((const uint8_t *)(uintptr_t)host))
        st16(c->fpu + AREA_FOP, (uint16_t)((i->opcode & 7) << 8 | i->modrm));
}

/* The host recorded where *it* ran the last x87 instruction; the guest must see its own addresses
 * (pitfalls A14). */
static void fix_pointers(struct engine *e, struct cpu *c)
{
    uint64_t fip, fdp, host;
    struct bt_block *b;
    const struct bt_map *m;
    struct insn i;
    enum smmu_view v;
    uint64_t lin, base = 0;
    bool in_gap;

    __builtin_memcpy(&fip, c->fpu + AREA_FIP, 8);
    __builtin_memcpy(&fdp, c->fpu + AREA_FDP, 8);
    if (codemem_contains(&e->code, fip)) {
        b = bt_block_at(e, fip);
        m = b ? bt_map_at(b, fip) : NULL;
        host = fip;
        fip = m ? bt_rip(b->rip + m->guest, b->mode) : 0;
        __builtin_memcpy(c->fpu + AREA_FIP, &fip, 8);
        if (m && recorded_insn(e, c, b, bt_linear(b->rip + m->guest, b->mode), &i)) {
            fix_opcode(c, host, &i);
            if (i.modrm >> 6 != 3) /* FDP is an offset into the segment (SDM 1 8.1.8) */
                base = c->seg[i.seg].base;
        }
        c->fcs = c->seg[SEG_CS].sel;
    }
    if (cpu_long(c) ? smmu_locate_long(e->mmu, fdp, &lin, &in_gap)
                    : smmu_locate(e->mmu, fdp, &v, &lin, &in_gap)) {
        lin = cpu_long(c) ? lin - base : (uint32_t)(lin - base);
        __builtin_memcpy(c->fpu + AREA_FDP, &lin, 8);
        c->fds = c->seg[SEG_DS].sel;
    }
}

void bt_fpu_save(struct engine *e, struct cpu *c)
{
    static const uint32_t default_mxcsr = 0x1f80;

    if (!c->fpu_live)
        return;
    xsave(c->fpu, e->xsave_mask);
    c->fpu_live = 0;
    __asm__ volatile("ldmxcsr %0" ::"m"(default_mxcsr));
    fix_pointers(e, c);
}

void bt_fpu_restore(struct engine *e, struct cpu *c)
{
    if (c->fpu_live)
        return;
    xrstor(c->fpu, e->xsave_mask);
    c->fpu_live = 1;
}
