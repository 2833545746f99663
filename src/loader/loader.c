#include "loader/loader.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "base/bits.h"
#include "loader/load_job.h"

#define LOW_TABLES                                                                                 \
    UINT64_C(0x1000) /* keeps clear of the real-mode vectors and the BIOS data area */
#define LOW_END UINT64_C(0x9FC00)
enum { STACK_SIZE = 16 * 1024, RFLAGS_FIXED = 1 << 1 };

/* Segment descriptors, SDM 3A 3.4.5: present, DPL 0, 4 KiB granularity, accessed. */
#define CODE32 UINT64_C(0x00CF9B000000FFFF)
#define CODE64 UINT64_C(0x00AF9B000000FFFF)
#define DATA   UINT64_C(0x00CF93000000FFFF)

static const uint64_t boot_gdt32[] = {0, 0, CODE32, DATA};
static const uint64_t boot_gdt64[] = {0, 0, CODE64, DATA};

/* Page tables of 4-level paging, SDM 3A 4.5: the first 4 GiB, in pages of 2 MiB. */
enum {
    PML4_AT = 0,
    PDPT_AT = PAGE_SIZE,
    PD_AT = 2 * PAGE_SIZE,
    PD_COUNT = 4,
    TABLES_SIZE = PD_AT + PD_COUNT * PAGE_SIZE,
    PTE_P = 1 << 0,
    PTE_W = 1 << 1,
    PTE_PS = 1 << 7,
    PTE_BYTES = 8,
    PTE_COUNT = PAGE_SIZE / PTE_BYTES,
};

int load_claim(struct load_job *job, gpa_t base, uint64_t len, const char *what)
{
    const char *obstacle = layout_conflict(&job->layout, base, len);

    if (obstacle)
        return load_fail(job->err, -ENOEXEC, job->img.path,
                         "%s wants guest memory %#llx to %#llx, but there is %s. The guest has "
                         "%llu MiB of RAM: give more with -m, or link the image elsewhere",
                         what, (unsigned long long)base, (unsigned long long)(base + len), obstacle,
                         (unsigned long long)(job->pm->size / MIB));
    if (layout_claim(&job->layout, base, len, what) < 0)
        return load_fail(job->err, -ENOEXEC, job->img.path, "the image has more than %d parts",
                         LAYOUT_MAX);
    return 0;
}

int load_write(struct load_job *job, gpa_t base, const void *data, uint64_t len)
{
    if (len == 0 || physmem_write(job->pm, base, data, len) == 0)
        return 0;
    return load_fail(job->err, -EFAULT, job->img.path, "guest memory at %#llx is no RAM",
                     (unsigned long long)base);
}

/* The host gives memory to many pages at once for less than a fault for each. When it does not,
 * they fault. */
static void populate(const struct load_job *job, gpa_t base, uint64_t len)
{
    uintptr_t first = (uintptr_t)physmem_ptr(job->pm, base);
    uintptr_t page = align_up(first, PAGE_SIZE);

    if (first && len >= MIB)
        madvise((void *)page, align_down(first + len - page, PAGE_SIZE), MADV_POPULATE_WRITE);
}

int load_segment(struct load_job *job, gpa_t base, const uint8_t *data, uint64_t filled,
                 uint64_t len, const char *what)
{
    int rc;

    if (len == 0)
        return 0;
    rc = load_claim(job, base, len, what);
    if (rc == 0)
        populate(job, base, filled);
    if (rc == 0)
        rc = load_write(job, base, data, filled);
    if (rc == 0 && len > filled)
        rc = physmem_fill(job->pm, base + filled, 0, len - filled);
    return rc;
}

int load_place_table(struct load_job *job, uint64_t len, const char *what, gpa_t *at)
{
    *at = layout_place_top(&job->layout, len, 16, LOW_TABLES, LOW_END, what);
    if (*at == LAYOUT_NONE)
        *at = layout_place_top(&job->layout, len, 16, LOW_TABLES, PHYSMEM_HIGH, what);
    if (*at != LAYOUT_NONE)
        return 0;
    return load_fail(job->err, -ENOMEM, job->img.path,
                     "the image leaves no room in the guest's RAM for %s (%llu bytes); give the "
                     "guest more with -m",
                     what, (unsigned long long)len);
}

int load_table(struct load_job *job, const void *data, uint64_t len, const char *what, gpa_t *at)
{
    int rc = load_place_table(job, len, what, at);

    return rc < 0 ? rc : load_write(job, *at, data, len);
}

int load_string(struct load_job *job, const char *text, const char *what, gpa_t *at)
{
    return load_table(job, text, strlen(text) + 1, what, at);
}

static int enter(struct load_job *job, const uint64_t gdt[4], uint64_t rip)
{
    struct boot_state *bs = job->bs;
    gpa_t stack;
    int rc = load_table(job, gdt, sizeof(boot_gdt32), "the GDT", &bs->gdt_base);

    if (rc == 0)
        rc = load_place_table(job, STACK_SIZE, "the boot stack", &stack);
    if (rc < 0)
        return rc;
    bs->gdt_limit = sizeof(boot_gdt32) - 1;
    bs->gpr[BOOT_SP] = stack + STACK_SIZE;
    bs->rip = rip;
    bs->rflags = RFLAGS_FIXED;
    bs->protected_flat = true;
    bs->cs = BOOT_CS;
    bs->ds = BOOT_DS;
    return 0;
}

int load_enter_flat(struct load_job *job, uint32_t eip)
{
    return enter(job, boot_gdt32, eip);
}

/* From the bottom: the top of low memory is what Linux's decompressor clears for its trampoline
 * (find_trampoline_placement()) while it still runs on these tables. */
static int place_page_tables(struct load_job *job)
{
    uint8_t tables[TABLES_SIZE] = {0};
    gpa_t at = layout_place_bottom(&job->layout, sizeof(tables), PAGE_SIZE, LOW_TABLES,
                                   PHYSMEM_HIGH, "the page tables");

    if (at == LAYOUT_NONE)
        return load_fail(job->err, -ENOMEM, job->img.path,
                         "the image leaves no room in the guest's RAM for page tables (%zu bytes); "
                         "give the guest more with -m",
                         sizeof(tables));
    st64(tables + PML4_AT, (at + PDPT_AT) | PTE_P | PTE_W);
    for (unsigned i = 0; i < PD_COUNT; i++)
        st64(tables + PDPT_AT + i * PTE_BYTES, (at + PD_AT + i * PAGE_SIZE) | PTE_P | PTE_W);
    for (uint64_t i = 0; i < PD_COUNT * PTE_COUNT; i++)
        st64(tables + PD_AT + i * PTE_BYTES, i * 2 * MIB | PTE_P | PTE_W | PTE_PS);
    job->bs->cr3 = at;
    return load_write(job, at, tables, sizeof(tables));
}

int load_enter_long(struct load_job *job, uint64_t rip)
{
    int rc = place_page_tables(job);

    if (rc == 0)
        rc = enter(job, boot_gdt64, rip);
    job->bs->long_mode = rc == 0;
    return rc;
}

int load_flat(struct load_job *job)
{
    gpa_t addr = job->cfg->flat_addr;
    int rc;

    if (addr > UINT32_MAX)
        return load_fail(job->err, -EINVAL, job->img.path,
                         "-flat %#llx is above 4 GiB; 32-bit code cannot run there",
                         (unsigned long long)addr);
    if (job->cfg->initrd)
        return load_fail(job->err, -EINVAL, job->img.path,
                         "a flat binary has no boot protocol that could take an -initrd");
    rc = load_segment(job, addr, job->img.data, job->img.size, job->img.size, "the flat binary");
    if (rc < 0)
        return rc;
    return load_enter_flat(job, (uint32_t)addr);
}

static enum load_format recognise(const struct load_job *job, bool *known)
{
    *known = true;
    if (job->cfg->flat)
        return LOAD_FLAT;
    if (image_is_linux(&job->img))
        return LOAD_LINUX;
    if (image_multiboot_offset(&job->img) >= 0)
        return LOAD_MULTIBOOT;
    if (image_multiboot2_offset(&job->img) >= 0)
        return LOAD_MULTIBOOT2;
    if (image_is_elf(&job->img))
        return LOAD_ELF;
    *known = false;
    return LOAD_FLAT;
}

static const struct {
    const char *name;
    int (*load)(struct load_job *job);
} formats[] = {
    [LOAD_LINUX] = {"Linux bzImage", load_linux},
    [LOAD_VMLINUX] = {"Linux vmlinux", load_elf},
    [LOAD_MULTIBOOT] = {"multiboot image", load_multiboot},
    [LOAD_MULTIBOOT2] = {"multiboot 2 image", load_multiboot2},
    [LOAD_PVH] = {"PVH image", load_elf},
    [LOAD_ELF] = {"ELF32 image", load_elf},
    [LOAD_FLAT] = {"flat binary", load_flat},
};

const char *loader_format_name(enum load_format format)
{
    return formats[format].name;
}

static int load_image(struct load_job *job)
{
    bool known;
    int rc = memmap_mark(&job->map, job->cfg->acpi_base, job->cfg->acpi_len, MEM_ACPI);

    if (rc < 0)
        return load_fail(job->err, rc, job->img.path, "the machine's ACPI range is impossible");
    layout_init(&job->layout, &job->map);
    job->bs->format = recognise(job, &known);
    if (!known)
        return image_refuse(&job->img, job->err);
    return formats[job->bs->format].load(job);
}

int loader_load(struct physmem *pm, const struct load_config *cfg, struct boot_state *bs,
                struct load_error *err)
{
    struct load_job job = {.pm = pm, .cfg = cfg, .bs = bs, .err = err};
    int rc;

    memset(bs, 0, sizeof(*bs));
    memmap_init(&job.map, pm);
    rc = image_read(&job.img, cfg->image, "image", pm->size, err);
    if (rc < 0)
        return rc;
    rc = load_image(&job);
    image_free(&job.img);
    return rc;
}
