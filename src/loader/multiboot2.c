/* Multiboot 2 (Multiboot2 Specification 2.0): the header's tags say what the image wants, the
 * information is a list of tags, too. The machine state is the one of i386 (section 3.3).
 *
 * What the EFI tags want applies on EFI firmware only, so they ask for nothing here. */
#include "loader/load_job.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"

#define BOOTLOADER_MAGIC 0x36D76289u /* in EAX when the image is entered */
#define LOAD_FROM_START  UINT32_MAX  /* load_addr: the file from its beginning */

/* Tags of the header, section 3.1. */
enum header_tag {
    HT_END = 0,
    HT_INFORMATION = 1,
    HT_ADDRESS = 2,
    HT_ENTRY = 3,
    HT_CONSOLE = 4,
    HT_FRAMEBUFFER = 5,
    HT_ALIGNMENT = 6,
    HT_EFI_SERVICES = 7,
    HT_EFI_ENTRY_I386 = 8,
    HT_EFI_ENTRY_AMD64 = 9,
    HT_RELOCATABLE = 10,
    HT_OPTIONAL = 1 << 0, /* flag */
    CONSOLE_REQUIRED = 1 << 0,
    HIGHEST = 2, /* preference of a relocatable image */
    HEADER_SIZE = 16,
    TAG_HEAD = 8,
    TAG_ALIGN = 8,
};

/* Tags of the information, section 3.6. */
enum info_tag {
    IT_END = 0,
    IT_CMDLINE = 1,
    IT_LOADER_NAME = 2,
    IT_MODULE = 3,
    IT_MEMORY = 4,
    IT_MMAP = 6,
    IT_ACPI_OLD = 14,
    IT_ACPI_NEW = 15,
    IT_LOAD_BASE = 21,
    MMAP_HEAD = 16,
    MMAP_ENTRY = 24,
    RSDP_REVISION = 15, /* ACPI 6.4, section 5.2.5.3 */
    RSDP_OLD_SIZE = 20,
    RSDP_NEW_SIZE = 36,
};

/* What the header asks for. */
struct wishes {
    uint32_t off; /* of the header in the file */
    struct multiboot_addresses addr;
    bool has_addr, has_entry, relocatable;
    uint32_t min, max, align, preference; /* max: of the last byte */
};

/* The information while it is written. */
struct tags {
    uint8_t *buf;
    size_t len, cap;
};

static int fail(struct load_job *job, const char *why)
{
    return load_fail(job->err, -ENOEXEC, job->img.path, "%s", why);
}

/* ---- the header ---- */

static int refuse_console(struct load_job *job)
{
    return fail(job, "this multiboot 2 image demands a screen (console or framebuffer tag), and "
                     "the machine has none, only a serial port; mark the tag optional");
}

static int take_information(struct load_job *job, struct wishes *w, const uint8_t *tag,
                            uint32_t size)
{
    static const uint8_t known[] = {IT_CMDLINE, IT_LOADER_NAME, IT_MODULE,   IT_MEMORY,
                                    IT_MMAP,    IT_ACPI_OLD,    IT_ACPI_NEW, IT_LOAD_BASE};

    (void)w;
    for (uint32_t at = TAG_HEAD; at + 4 <= size; at += 4) {
        uint32_t want = ld32(tag + at);

        if (want > UINT8_MAX || !memchr(known, (int)want, sizeof(known)))
            return load_fail(job->err, -ENOEXEC, job->img.path,
                             "this multiboot 2 image demands information of type %u, which does "
                             "not exist here; mark the request optional",
                             want);
    }
    return 0;
}

static int take_address(struct load_job *job, struct wishes *w, const uint8_t *tag, uint32_t size)
{
    (void)job;
    (void)size;
    w->has_addr = true;
    w->addr.header = ld32(tag + 8);
    w->addr.load = ld32(tag + 12);
    w->addr.load_end = ld32(tag + 16);
    w->addr.bss_end = ld32(tag + 20);
    if (w->addr.load == LOAD_FROM_START)
        w->addr.load = w->addr.header - w->off;
    return 0;
}

static int take_entry(struct load_job *job, struct wishes *w, const uint8_t *tag, uint32_t size)
{
    (void)job;
    (void)size;
    w->has_entry = true;
    w->addr.entry = ld32(tag + 8);
    return 0;
}

static int take_console(struct load_job *job, struct wishes *w, const uint8_t *tag, uint32_t size)
{
    (void)w;
    (void)size;
    return ld32(tag + 8) & CONSOLE_REQUIRED ? refuse_console(job) : 0;
}

static int take_framebuffer(struct load_job *job, struct wishes *w, const uint8_t *tag,
                            uint32_t size)
{
    (void)w;
    (void)tag;
    (void)size;
    return refuse_console(job);
}

static int take_relocatable(struct load_job *job, struct wishes *w, const uint8_t *tag,
                            uint32_t size)
{
    (void)size;
    w->relocatable = true;
    w->min = ld32(tag + 8);
    w->max = ld32(tag + 12);
    w->align = ld32(tag + 16);
    w->preference = ld32(tag + 20);
    if (w->align == 0 || (w->align & (w->align - 1)))
        return fail(job, "the multiboot 2 header is damaged: its alignment is no power of two");
    return 0;
}

/* Without a function: nothing to do about it. An optional tag that cannot be had is left out. */
static const struct {
    uint8_t min_size;
    int (*take)(struct load_job *job, struct wishes *w, const uint8_t *tag, uint32_t size);
} header_tags[] = {
    [HT_INFORMATION] = {TAG_HEAD, take_information},
    [HT_ADDRESS] = {24, take_address},
    [HT_ENTRY] = {12, take_entry},
    [HT_CONSOLE] = {12, take_console},
    [HT_FRAMEBUFFER] = {20, take_framebuffer},
    [HT_ALIGNMENT] = {TAG_HEAD, NULL}, /* modules are page-aligned anyway */
    [HT_EFI_SERVICES] = {TAG_HEAD, NULL},
    [HT_EFI_ENTRY_I386] = {TAG_HEAD, NULL},
    [HT_EFI_ENTRY_AMD64] = {TAG_HEAD, NULL},
    [HT_RELOCATABLE] = {24, take_relocatable},
};

static int take_tag(struct load_job *job, struct wishes *w, const uint8_t *tag, uint32_t size)
{
    unsigned type = ld16(tag);
    bool optional = ld16(tag + 2) & HT_OPTIONAL;
    int rc;

    if (type >= ARRAY_SIZE(header_tags) || type == HT_END) {
        if (optional)
            return 0;
        return load_fail(job->err, -ENOEXEC, job->img.path,
                         "this multiboot 2 image demands a feature that does not exist here "
                         "(header tag %u)",
                         type);
    }
    if (size < header_tags[type].min_size)
        return load_fail(job->err, -ENOEXEC, job->img.path,
                         "the multiboot 2 header is damaged: its tag %u is too short", type);
    if (!header_tags[type].take)
        return 0;
    rc = header_tags[type].take(job, w, tag, size);
    return optional ? 0 : rc;
}

static int read_header(struct load_job *job, struct wishes *w)
{
    const uint8_t *h = job->img.data + w->off;
    uint64_t len = ld32(h + 8);

    if (ld32(h + 4) != 0)
        return fail(job, "this multiboot 2 image is for another CPU; give one for i386");
    if (len < HEADER_SIZE || len > job->img.size - w->off)
        return fail(job, "the multiboot 2 header is truncated; copy the file again");
    for (uint64_t at = HEADER_SIZE; at + TAG_HEAD <= len;) {
        uint32_t size = ld32(h + at + 4);
        int rc;

        if (ld16(h + at) == HT_END && size == TAG_HEAD)
            return 0;
        if (size < TAG_HEAD || size > len - at)
            return fail(job, "the multiboot 2 header is damaged: a tag's size is wrong");
        rc = take_tag(job, w, h + at, size);
        if (rc < 0)
            return rc;
        at = align_up(at + size, TAG_ALIGN);
    }
    return fail(job, "the multiboot 2 header is damaged: it has no end tag");
}

/* ---- the image ---- */

/* Its own place when the header allows it and it is free, else one that the header prefers. The
 * layout is searched on a copy: the segments claim their parts themselves. */
static int choose_base(struct load_job *job, const struct wishes *w, const struct elf_info *info,
                       gpa_t *base)
{
    struct layout trial = job->layout;
    uint64_t len = info->end - info->base;
    uint64_t end = (uint64_t)w->max + 1;

    *base = info->base;
    if (info->base >= w->min && info->end <= end && (info->base & (w->align - 1)) == 0 &&
        !layout_conflict(&trial, info->base, len))
        return 0;
    *base = w->preference == HIGHEST
                ? layout_place_top(&trial, len, w->align, w->min, end, "the image")
                : layout_place_bottom(&trial, len, w->align, w->min, end, "the image");
    if (*base != LAYOUT_NONE)
        return 0;
    return load_fail(job->err, -ENOMEM, job->img.path,
                     "this relocatable multiboot 2 image (%llu KiB) finds no place between %#x "
                     "and %#x in the guest's %llu MiB of RAM; give it more with -m",
                     (unsigned long long)(len / KIB), w->min, w->max,
                     (unsigned long long)(job->pm->size / MIB));
}

static int load_by_segments(struct load_job *job, const struct wishes *w, uint64_t *entry,
                            gpa_t *base)
{
    struct elf_info info;
    int rc = load_elf_scan(job, &job->img, &info);

    if (rc == 0 && info.is64)
        rc = load_need_long_mode(job);
    if (rc < 0)
        return rc;
    *base = info.base;
    if (w->relocatable)
        rc = choose_base(job, w, &info, base);
    *entry = w->has_entry ? w->addr.entry : info.entry;
    if (rc == 0 && (*entry < info.base || *entry >= info.end))
        return fail(job, "the multiboot 2 header's entry address lies outside of the image");
    *entry += *base - info.base;
    if (rc == 0 && *entry > UINT32_MAX)
        return fail(job, "this multiboot 2 image's entry point lies above 4 GiB");
    return rc < 0 ? rc : load_elf_segments(job, &job->img, *base - info.base);
}

static int load_image(struct load_job *job, const struct wishes *w, uint64_t *entry, gpa_t *base)
{
    *entry = w->addr.entry;
    *base = w->addr.load;
    if (w->has_addr && !w->has_entry)
        return fail(job, "the multiboot 2 header has an address tag, but no entry address tag");
    if (w->has_addr)
        return load_by_addresses(job, w->off, &w->addr);
    if (!image_is_elf(&job->img))
        return fail(job, "this multiboot 2 image is no ELF file and has no load addresses either");
    return load_by_segments(job, w, entry, base);
}

/* ---- the information ---- */

/* Appends a tag with room for `size` bytes behind its head, all zero. NULL: out of memory. */
static uint8_t *add_tag(struct tags *t, uint32_t type, size_t size)
{
    size_t need = align_up(TAG_HEAD + size, TAG_ALIGN);
    uint8_t *tag;

    if (t->cap - t->len < need) {
        size_t cap = (t->cap + need) * 2;
        uint8_t *buf = realloc(t->buf, cap);

        if (!buf)
            return NULL;
        t->buf = buf;
        t->cap = cap;
    }
    tag = t->buf + t->len;
    memset(tag, 0, need);
    st32(tag, type);
    st32(tag + 4, (uint32_t)(TAG_HEAD + size));
    t->len += need;
    return tag + TAG_HEAD;
}

static bool add_bytes(struct tags *t, uint32_t type, const void *data, size_t size)
{
    uint8_t *tag = add_tag(t, type, size);

    if (tag)
        memcpy(tag, data, size);
    return tag;
}

static bool add_string(struct tags *t, uint32_t type, const char *text)
{
    return add_bytes(t, type, text, strlen(text) + 1);
}

static bool add_modules(struct tags *t, const struct modules *mods)
{
    for (unsigned i = 0; i < mods->n; i++) {
        size_t len = strlen(mods->item[i].args) + 1;
        uint8_t *tag = add_tag(t, IT_MODULE, 8 + len);

        if (!tag)
            return false;
        st32(tag, (uint32_t)mods->item[i].at);
        st32(tag + 4, (uint32_t)(mods->item[i].at + mods->item[i].size));
        memcpy(tag + 8, mods->item[i].args, len);
    }
    return true;
}

static bool add_memory(struct tags *t, const struct memmap *map)
{
    uint8_t *basic = add_tag(t, IT_MEMORY, 8);
    uint8_t *tag;

    if (!basic)
        return false;
    st32(basic, (uint32_t)(memmap_ram_from(map, 0) / KIB));
    st32(basic + 4, (uint32_t)(memmap_ram_from(map, MIB) / KIB));
    tag = add_tag(t, IT_MMAP, MMAP_HEAD - TAG_HEAD + map->n * MMAP_ENTRY);
    if (!tag)
        return false;
    st32(tag, MMAP_ENTRY); /* the version behind it is 0 */
    for (unsigned i = 0; i < map->n; i++) {
        uint8_t *e = tag + MMAP_HEAD - TAG_HEAD + i * MMAP_ENTRY;

        st64(e, map->entry[i].base);
        st64(e + 8, map->entry[i].len);
        st32(e + 16, map->entry[i].type);
    }
    return true;
}

/* Copies of the RSDP, of its first part as ACPI 1.0 defined it and of the whole. */
static bool add_acpi(struct tags *t, const struct load_job *job)
{
    uint8_t rsdp[RSDP_NEW_SIZE];

    if (job->cfg->acpi_rsdp == 0 ||
        physmem_read(job->pm, job->cfg->acpi_rsdp, rsdp, sizeof(rsdp)) < 0)
        return true;
    return add_bytes(t, IT_ACPI_OLD, rsdp, RSDP_OLD_SIZE) &&
           (rsdp[RSDP_REVISION] < 2 || add_bytes(t, IT_ACPI_NEW, rsdp, RSDP_NEW_SIZE));
}

static bool add_load_base(struct tags *t, gpa_t base)
{
    uint8_t *tag = add_tag(t, IT_LOAD_BASE, 4);

    if (tag)
        st32(tag, (uint32_t)base);
    return tag;
}

/* Command lines without the file's name in front, as GRUB 2 gives them. */
static bool add_all(struct tags *t, const struct load_job *job, const struct modules *mods,
                    const gpa_t *base)
{
    return add_tag(t, 0, 0) && /* becomes the head: total size, reserved */
           add_string(t, IT_CMDLINE, job->cfg->cmdline ? job->cfg->cmdline : "") &&
           add_string(t, IT_LOADER_NAME, "dragoman") && add_modules(t, mods) &&
           add_memory(t, &job->map) && add_acpi(t, job) && (!base || add_load_base(t, *base)) &&
           add_tag(t, IT_END, 0);
}

static int place_info(struct load_job *job, const gpa_t *base, gpa_t *at)
{
    struct tags t = {0};
    struct modules mods;
    int rc = load_modules(job, &mods);

    if (rc == 0 && !add_all(&t, job, &mods, base))
        rc = load_fail(job->err, -ENOMEM, job->img.path, "out of host memory");
    if (rc == 0) {
        st32(t.buf, (uint32_t)t.len);
        st32(t.buf + 4, 0);
        rc = load_table(job, t.buf, t.len, "the multiboot 2 information", at);
    }
    load_modules_free(&mods);
    free(t.buf);
    return rc;
}

int load_multiboot2(struct load_job *job)
{
    struct wishes w = {.off = (uint32_t)image_multiboot2_offset(&job->img)};
    uint64_t entry = 0;
    gpa_t base = 0, info;
    int rc = read_header(job, &w);

    if (rc == 0)
        rc = load_image(job, &w, &entry, &base);
    if (rc == 0)
        rc = place_info(job, w.relocatable ? &base : NULL, &info);
    if (rc == 0)
        rc = load_enter_flat(job, (uint32_t)entry);
    if (rc < 0)
        return rc;
    job->bs->gpr[BOOT_AX] = BOOTLOADER_MAGIC;
    job->bs->gpr[BOOT_BX] = info;
    return 0;
}
