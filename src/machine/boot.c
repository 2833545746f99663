/* Power-on: chips reset, the image loaded, the CPU in the state its boot protocol asks for. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpu/control.h"
#include "cpu/segment.h"
#include "machine/machine.h"
#include "shadowmmu/smmu.h"
#include "translator/x_host.h"

static struct seg flat_segment(uint16_t sel, unsigned attr)
{
    return (struct seg){
        .sel = sel,
        .attr = (uint16_t)(ATTR_P | ATTR_S | ATTR_A | ATTR_W | ATTR_G | attr),
        .limit = UINT32_MAX,
        .usable = true,
    };
}

static void enter_protected(struct cpu *c, const struct boot_state *bs)
{
    c->cr0 |= CR0_PE;
    c->gdtr = (struct dtable){.base = bs->gdt_base, .limit = bs->gdt_limit};
    c->seg[SEG_CS] = flat_segment(bs->cs, ATTR_CODE | (bs->long_mode ? ATTR_L : ATTR_DB));
    for (unsigned s = 0; s < NSEG; s++)
        if (s != SEG_CS)
            c->seg[s] = flat_segment(bs->ds, ATTR_DB);
    c->cpl = 0;
}

/* What SDM 3A 10.8.5 has software do, in one step. */
static void enter_long(struct cpu *c, const struct boot_state *bs)
{
    c->cr4 |= CR4_PAE;
    c->cr3 = bs->cr3;
    c->efer |= EFER_LME | EFER_LMA;
    c->cr0 |= CR0_PG;
}

/* What a PC's firmware leaves behind and kernels rely on: interrupts, memory types (SDM
 * 3A 11.11). RAM is write-back, the VGA hole and the space below 4 GiB are uncached. */
static void firmware_duties(struct machine *m)
{
    enum { TYPE_WB = 6, MTRR_E = 0x800, MTRR_FE = 0x400, MTRR_VALID = 0x800 };
    const uint64_t all_wb = UINT64_C(0x0606060606060606);
    struct cpu *c = m->cpu;

    pc_firmware(&m->pc, &m->ports, &m->mmio);
    if (!model_has(&m->model, FEAT_MTRR))
        return;
    for (unsigned i = 0; i < ARRAY_SIZE(c->mtrr_fixed); i++)
        c->mtrr_fixed[i] = i == 2 ? 0 : all_wb; /* 2: A0000h-BFFFFh */
    c->mtrr_var[0] = PHYSMEM_HOLE;
    c->mtrr_var[1] =
        (((UINT64_C(1) << m->model.phys_bits) - 1) & ~(PHYSMEM_HIGH - PHYSMEM_HOLE - 1)) |
        MTRR_VALID;
    c->mtrr_def_type = MTRR_E | MTRR_FE | TYPE_WB;
}

/* Where programs keep what they can make again (XDG Base Directory Specification). False: nowhere.
 */
static bool find_cache(char *path, size_t room)
{
    const char *dir = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    int n = -1;

    if (dir && dir[0] == '/')
        n = snprintf(path, room, "%s/dragoman/unpacked", dir);
    else if (home && home[0] == '/')
        n = snprintf(path, room, "%s/.cache/dragoman/unpacked", home);
    return n > 0 && (size_t)n < room;
}

/* An image is loaded and entered; what a firmware would have done before is done here. */
static int enter_image(struct machine *m, struct machine_error *err)
{
    struct load_config lc = {
        .image = m->kernel,
        .initrd = m->opt->initrd,
        .cmdline = m->opt->append,
        .flat = m->opt->flat,
        .flat_addr = m->opt->flat_addr,
        .unpack_in_guest = m->opt->kaslr,
        .cpu_has_long_mode = model_has(&m->model, FEAT_LM),
        .acpi_base = PC_ACPI_BASE,
        .acpi_len = ACPI_TABLES_MAX_BYTES,
    };
    struct cpu *c = m->cpu;
    struct boot_state bs;
    struct load_error le;
    char cache[PATH_MAX];
    int e;

    pc_configure_pci(&m->pc);
    e = pc_acpi_tables(&m->pc, &m->mem, &lc.acpi_rsdp);
    if (e < 0) {
        snprintf(err->text, sizeof(err->text),
                 "guest RAM is too small for the firmware tables: use -m 2 or more");
        return e;
    }
    if (!m->opt->no_unpack_cache && find_cache(cache, sizeof(cache)))
        lc.unpack_cache = cache;
    e = loader_load(&m->mem, &lc, &bs, &le);
    if (e < 0) {
        snprintf(err->text, sizeof(err->text), "%s", le.text);
        return e;
    }
    firmware_duties(m);
    memcpy(c->gpr, bs.gpr, sizeof(c->gpr));
    c->rip = bs.rip;
    if (bs.protected_flat)
        enter_protected(c, &bs);
    if (bs.long_mode)
        enter_long(c, &bs);
    cpu_set_rflags(c, (uint32_t)bs.rflags);
    return 0;
}

/* With firmware the CPU simply starts: at its reset vector, which is in the ROM. */
int machine_boot(struct machine *m, struct machine_error *err)
{
    struct cpu *c = m->cpu;
    int e = 0;

    pc_reset(&m->pc);
    cpu_reset(c);
    cpu_fpu_init(c);
    cpu_update_mode(c);
    smmu_paging_changed(m->mmu, c);
    if (m->kernel)
        e = enter_image(m, err);
    cpu_update_mode(c);
    smmu_paging_changed(m->mmu, c);
    return e;
}
