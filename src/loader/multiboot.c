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

enum { MAX_MODULES = 16, MODULE_SIZE = 16, MMAP_ENTRY = 24 };

struct modules {
    uint8_t table[MAX_MODULES * MODULE_SIZE];
    unsigned n;
};

static int fail(struct load_job *job, const char *why)
{
    return load_fail(job->err, -ENOEXEC, job->img.path, "%s", why);
}

/* The address fields say where the file as it is belongs (the "a.out kludge"). */
static int load_by_addresses(struct load_job *job, uint32_t off, uint32_t *entry)
{
    const uint8_t *h = job->img.data + off;
    uint32_t header, load, load_end, bss_end;
    uint64_t start, filled, len;

    if (off + (uint64_t)H_SIZE > job->img.size)
        return fail(job, "the multiboot header is truncated; copy the file again");
    header = ld32(h + H_HEADER);
    load = ld32(h + H_LOAD);
    load_end = ld32(h + H_LOAD_END);
    bss_end = ld32(h + H_BSS_END);
    *entry = ld32(h + H_ENTRY);
    if (header < load || header - load > off)
        return fail(job, "the multiboot header's load address lies before the start of the file");
    start = off - (header - load);
    if (load_end != 0 && load_end < load)
        return fail(job, "the multiboot header's load_end_addr lies below its load_addr");
    filled = load_end ? load_end - load : job->img.size - start;
    if (filled > job->img.size - start)
        return fail(job, "this multiboot image is truncated: its header promises more bytes than "
                         "the file has; copy it again");
    if (bss_end != 0 && bss_end < load + filled)
        return fail(job, "the multiboot header's bss_end_addr lies below the end of its data");
    len = bss_end ? bss_end - load : filled;
    if (*entry < load || *entry - load >= len)
        return fail(job, "the multiboot header's entry address lies outside of the image");
    return load_segment(job, load, job->img.data + start, filled, len, "the multiboot image");
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
        return load_by_addresses(job, (uint32_t)off, entry);
    if (!image_is_elf(&job->img))
        return fail(job, "this multiboot image is no ELF file and has no load addresses either");
    return load_elf_segments(job, entry);
}

static int place_string(struct load_job *job, const char *text, const char *what, uint32_t *at)
{
    size_t len = strlen(text) + 1;
    gpa_t where;
    int rc = load_place_table(job, len, what, &where);

    if (rc < 0)
        return rc;
    *at = (uint32_t)where;
    return load_write(job, where, text, len);
}

/* One "file args" of -initrd. */
static int add_module(struct load_job *job, struct modules *mods, char *spec)
{
    uint8_t *row = mods->table + mods->n * MODULE_SIZE;
    uint32_t string;
    struct image img;
    char path[4096];
    gpa_t at;
    int rc;

    snprintf(path, sizeof(path), "%.*s", (int)strcspn(spec, " "), spec);
    if (mods->n == MAX_MODULES)
        return load_fail(job->err, -E2BIG, path, "at most %d multiboot modules fit", MAX_MODULES);
    rc = image_read(&img, path, "multiboot module", job->pm->size, job->err);
    if (rc < 0)
        return rc;
    at = layout_place_bottom(&job->layout, img.size, PAGE_SIZE, MIB, PHYSMEM_HIGH,
                             "a multiboot module");
    if (at == LAYOUT_NONE)
        rc = load_fail(job->err, -ENOMEM, path,
                       "the module (%zu KiB) does not fit into the guest's %llu MiB of RAM; give "
                       "it more with -m",
                       img.size / 1024, (unsigned long long)(job->pm->size / MIB));
    if (rc == 0)
        rc = load_write(job, at, img.data, img.size);
    if (rc == 0)
        rc = place_string(job, spec, "a module's command line", &string);
    if (rc == 0) {
        st32(row, (uint32_t)at);
        st32(row + 4, (uint32_t)(at + img.size));
        st32(row + 8, string);
        st32(row + 12, 0);
        mods->n++;
    }
    image_free(&img);
    return rc;
}

/* Cuts the next item off *rest, in place: items end at a comma, two commas stand for one. */
static char *next_item(char **rest)
{
    char *item = *rest;
    char *to = item;
    char *from = item;

    while (*from && (from[0] != ',' || from[1] == ',')) {
        if (*from == ',')
            from++;
        *to++ = *from++;
    }
    *rest = *from ? from + 1 : NULL;
    *to = '\0';
    return item;
}

static int add_modules(struct load_job *job, struct modules *mods)
{
    char *list, *rest;
    int rc = 0;

    if (!job->cfg->initrd)
        return 0;
    list = strdup(job->cfg->initrd);
    if (!list)
        return load_fail(job->err, -ENOMEM, job->img.path, "out of host memory");
    rest = list;
    while (rest && rc == 0)
        rc = add_module(job, mods, next_item(&rest));
    free(list);
    return rc;
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
    rc = load_place_table(job, len, "the multiboot memory map", &at);
    if (rc < 0)
        return rc;
    st32(info + I_MMAP_LENGTH, len);
    st32(info + I_MMAP_ADDR, (uint32_t)at);
    return load_write(job, at, table, len);
}

/* By convention (GRUB's) the first word is the image's own name. */
static int place_cmdline(struct load_job *job, uint8_t *info)
{
    const char *args = job->cfg->cmdline ? job->cfg->cmdline : "";
    size_t len = strlen(job->img.path) + strlen(args) + 2;
    char *line = malloc(len);
    uint32_t at = 0;
    int rc;

    if (!line)
        return load_fail(job->err, -ENOMEM, job->img.path, "out of host memory");
    snprintf(line, len, "%s%s%s", job->img.path, *args ? " " : "", args);
    rc = place_string(job, line, "the command line", &at);
    free(line);
    st32(info + I_CMDLINE, at);
    return rc;
}

static int place_modules(struct load_job *job, uint8_t *info)
{
    struct modules mods = {.n = 0};
    gpa_t at = 0;
    int rc = add_modules(job, &mods);

    if (rc == 0 && mods.n > 0)
        rc = load_place_table(job, mods.n * MODULE_SIZE, "the multiboot module list", &at);
    if (rc < 0)
        return rc;
    st32(info + I_MODS_COUNT, mods.n);
    st32(info + I_MODS_ADDR, (uint32_t)at);
    return load_write(job, at, mods.table, mods.n * MODULE_SIZE);
}

static int place_info(struct load_job *job, gpa_t *at)
{
    uint8_t info[I_SIZE] = {0};
    uint32_t name = 0;
    int rc = load_place_table(job, sizeof(info), "the multiboot information", at);

    if (rc == 0)
        rc = place_cmdline(job, info);
    if (rc == 0)
        rc = place_modules(job, info);
    if (rc == 0)
        rc = place_mmap(job, info);
    if (rc == 0)
        rc = place_string(job, "dragoman", "the boot loader's name", &name);
    if (rc < 0)
        return rc;
    st32(info + I_LOADER_NAME, name);
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
