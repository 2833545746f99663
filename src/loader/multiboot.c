/* Multiboot 1 (Multiboot Specification 0.6.96). Modules go right behind the image, in order;
 * the information structure and what it points to below 640 KiB. */
#include "loader/load_job.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"

#define BOOTLOADER_MAGIC 0x2BADB002u /* in EAX when the image is entered */

/* Header flags, section 3.1.2. Bits 0-15 are demands: an unknown one must be refused. Page-aligned
 * modules and a memory map are what we do anyway; a video mode (bit 2) is a wish. */
enum {
    KNOWN_DEMANDS = 0x0007,
    DEMANDS = 0xFFFF,
    HAS_ADDRESSES = 1 << 16,
};

/* Offsets in the header. */
enum {
    H_FLAGS = 4,
    H_HEADER = 12,
    H_LOAD = 16,
    H_LOAD_END = 20,
    H_BSS_END = 24,
    H_ENTRY = 28,
    H_SIZE = 32
};

/* Offsets in the information structure, section 3.3, and its flags. */
enum {
    I_FLAGS = 0,
    I_MEM_LOWER = 4,
    I_MEM_UPPER = 8,
    I_CMDLINE = 16,
    I_MODS_COUNT = 20,
    I_MODS_ADDR = 24,
    I_MMAP_LENGTH = 44,
    I_MMAP_ADDR = 48,
    I_LOADER_NAME = 64,
    I_SIZE = 120,
    HAVE_MEM = 1 << 0,
    HAVE_CMDLINE = 1 << 2,
    HAVE_MODS = 1 << 3,
    HAVE_MMAP = 1 << 6,
    HAVE_LOADER_NAME = 1 << 9,
};

enum { MODULE_SIZE = 16, MMAP_ENTRY = 24 };

static int fail(struct load_job *job, const char *why)
{
    return load_fail(job->err, -ENOEXEC, job->img.path, "%s", why);
}

/* Also called the "a.out kludge". */
int load_by_addresses(struct load_job *job, uint32_t off, const struct multiboot_addresses *a)
{
    uint64_t start, filled, len;

    if (a->header < a->load || a->header - a->load > off)
        return fail(job, "the multiboot header's load address lies before the start of the file");
    start = off - (a->header - a->load);
    if (a->load_end != 0 && a->load_end < a->load)
        return fail(job, "the multiboot header's load_end_addr lies below its load_addr");
    filled = a->load_end ? a->load_end - a->load : job->img.size - start;
    if (filled > job->img.size - start)
        return fail(job, "this multiboot image is truncated: its header promises more bytes than "
                         "the file has; copy it again");
    if (a->bss_end != 0 && a->bss_end < a->load + filled)
        return fail(job, "the multiboot header's bss_end_addr lies below the end of its data");
    len = a->bss_end ? a->bss_end - a->load : filled;
    if (a->entry < a->load || a->entry - a->load >= len)
        return fail(job, "the multiboot header's entry address lies outside of the image");
    return load_segment(job, a->load, job->img.data + start, filled, len, "the multiboot image");
}

static int load_by_header(struct load_job *job, uint32_t off, uint32_t *entry)
{
    const uint8_t *h = job->img.data + off;
    struct multiboot_addresses a;

    if (off + (uint64_t)H_SIZE > job->img.size)
        return fail(job, "the multiboot header is truncated; copy the file again");
    a = (struct multiboot_addresses){
        .header = ld32(h + H_HEADER),
        .load = ld32(h + H_LOAD),
        .load_end = ld32(h + H_LOAD_END),
        .bss_end = ld32(h + H_BSS_END),
        .entry = ld32(h + H_ENTRY),
    };
    *entry = a.entry;
    return load_by_addresses(job, off, &a);
}

/* ELF64, too: its entry point is 32-bit code then, as for GRUB. */
static int load_by_segments(struct load_job *job, uint32_t *entry)
{
    struct elf_info info;
    int rc = load_elf_scan(job, &job->img, &info);

    if (rc == 0 && info.is64)
        rc = load_need_long_mode(job);
    if (rc == 0 && info.entry > UINT32_MAX)
        return fail(job, "this multiboot image's entry point lies above 4 GiB");
    if (rc == 0)
        rc = load_elf_segments(job, &job->img, 0);
    *entry = (uint32_t)info.entry;
    return rc;
}

static int load_image(struct load_job *job, uint32_t *entry)
{
    int off = image_multiboot_offset(&job->img);
    uint32_t flags = ld32(job->img.data + off + H_FLAGS);

    if (flags & DEMANDS & ~KNOWN_DEMANDS)
        return load_fail(job->err, -ENOEXEC, job->img.path,
                         "this multiboot image demands features that do not exist here (flags %#x)",
                         flags);
    if (flags & HAS_ADDRESSES)
        return load_by_header(job, (uint32_t)off, entry);
    if (!image_is_elf(&job->img))
        return fail(job, "this multiboot image is no ELF file and has no load addresses either");
    return load_by_segments(job, entry);
}

static int place_mmap(struct load_job *job, uint8_t *info)
{
    uint8_t table[MEMMAP_MAX * MMAP_ENTRY];
    uint32_t len = job->map.n * MMAP_ENTRY;
    gpa_t at;
    int rc;

    for (unsigned i = 0; i < job->map.n; i++) {
        uint8_t *e = table + i * MMAP_ENTRY;

        st32(e, MMAP_ENTRY - 4); /* the size field does not count itself */
        st64(e + 4, job->map.entry[i].base);
        st64(e + 12, job->map.entry[i].len);
        st32(e + 20, job->map.entry[i].type);
    }
    rc = load_table(job, table, len, "the multiboot memory map", &at);
    st32(info + I_MMAP_LENGTH, len);
    st32(info + I_MMAP_ADDR, (uint32_t)at);
    return rc;
}

/* By convention (GRUB's) the first word is the image's own name. */
static int place_cmdline(struct load_job *job, uint8_t *info)
{
    const char *args = job->cfg->cmdline ? job->cfg->cmdline : "";
    size_t len = strlen(job->img.path) + strlen(args) + 2;
    char *line = malloc(len);
    gpa_t at = 0;
    int rc;

    if (!line)
        return load_fail(job->err, -ENOMEM, job->img.path, "out of host memory");
    snprintf(line, len, "%s%s%s", job->img.path, *args ? " " : "", args);
    rc = load_string(job, line, "the command line", &at);
    free(line);
    st32(info + I_CMDLINE, (uint32_t)at);
    return rc;
}

static int place_module_list(struct load_job *job, const struct modules *mods, uint8_t *info)
{
    uint8_t table[MAX_MODULES * MODULE_SIZE] = {0};
    gpa_t at = 0;
    int rc = 0;

    for (unsigned i = 0; rc == 0 && i < mods->n; i++) {
        uint8_t *row = table + i * MODULE_SIZE;
        gpa_t string = 0;

        rc = load_string(job, mods->item[i].spec, "a module's command line", &string);
        st32(row, (uint32_t)mods->item[i].at);
        st32(row + 4, (uint32_t)(mods->item[i].at + mods->item[i].size));
        st32(row + 8, (uint32_t)string);
    }
    if (rc == 0 && mods->n > 0)
        rc = load_table(job, table, mods->n * MODULE_SIZE, "the multiboot module list", &at);
    st32(info + I_MODS_COUNT, mods->n);
    st32(info + I_MODS_ADDR, (uint32_t)at);
    return rc;
}

static int place_modules(struct load_job *job, uint8_t *info)
{
    struct modules mods;
    int rc = load_modules(job, &mods);

    if (rc == 0)
        rc = place_module_list(job, &mods, info);
    load_modules_free(&mods);
    return rc;
}

static int place_info(struct load_job *job, gpa_t *at)
{
    uint8_t info[I_SIZE] = {0};
    gpa_t name = 0;
    int rc = load_place_table(job, sizeof(info), "the multiboot information", at);

    if (rc == 0)
        rc = place_cmdline(job, info);
    if (rc == 0)
        rc = place_modules(job, info);
    if (rc == 0)
        rc = place_mmap(job, info);
    if (rc == 0)
        rc = load_string(job, "dragoman", "the boot loader's name", &name);
    if (rc < 0)
        return rc;
    st32(info + I_LOADER_NAME, (uint32_t)name);
    st32(info + I_MEM_LOWER, (uint32_t)(memmap_ram_from(&job->map, 0) / KIB));
    st32(info + I_MEM_UPPER, (uint32_t)(memmap_ram_from(&job->map, MIB) / KIB));
    st32(info + I_FLAGS, HAVE_MEM | HAVE_CMDLINE | HAVE_MODS | HAVE_MMAP | HAVE_LOADER_NAME);
    return load_write(job, *at, info, sizeof(info));
}

int load_multiboot(struct load_job *job)
{
    uint32_t entry = 0;
    gpa_t info;
    int rc = load_image(job, &entry);

    if (rc == 0)
        rc = place_info(job, &info);
    if (rc == 0)
        rc = load_enter_flat(job, entry);
    if (rc < 0)
        return rc;
    job->bs->gpr[BOOT_AX] = BOOTLOADER_MAGIC;
    job->bs->gpr[BOOT_BX] = info;
    return 0;
}
