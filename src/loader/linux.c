/* Linux: bzImage, and vmlinux as an ELF file, through the 32-bit and the 64-bit boot protocol
 * (Documentation/arch/x86/boot.rst).
 *
 *   < 640 KiB       1 MiB              run_end                     initrd_max / end of RAM
 *   | zero page,    | protected-mode   | (room the kernel needs    |   initrd |
 *   | cmdline, GDT  | code             |  to unpack itself)        |          |
 *
 * The kernel in a bzImage is an ELF file, which the decompressor unpacks, loads and enters with
 * the same registers as it was entered with itself. Unpacking it here instead is many times
 * faster. What the decompressor does besides is KASLR: the kernel then lies where it was linked.
 */
#include "loader/load_job.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "loader/unpack_cache.h"

/* Offsets in the file and, alike, in the zero page. The protocol version in which a field
 * appeared stands behind it. */
enum {
    HDR_SETUP_SECTS = 0x1F1,
    HDR_SYSSIZE = 0x1F4, /* 16-byte units; 32 bits wide since 2.04 */
    HDR_VID_MODE = 0x1FA,
    HDR_JUMP = 0x200, /* EB xx: the header ends at 0x202 + xx */
    HDR_VERSION = 0x206,
    HDR_TYPE_OF_LOADER = 0x210,
    HDR_LOADFLAGS = 0x211,
    HDR_CODE32_START = 0x214,
    HDR_RAMDISK_IMAGE = 0x218,
    HDR_RAMDISK_SIZE = 0x21C,
    HDR_CMD_LINE_PTR = 0x228,     /* 2.02 */
    HDR_INITRD_ADDR_MAX = 0x22C,  /* 2.03 */
    HDR_KERNEL_ALIGNMENT = 0x230, /* 2.05 */
    HDR_RELOCATABLE = 0x234,      /* 2.05 */
    HDR_XLOADFLAGS = 0x236,       /* 2.12 */
    HDR_CMDLINE_SIZE = 0x238,     /* 2.06 */
    HDR_PAYLOAD_OFFSET = 0x248,   /* 2.08 */
    HDR_PAYLOAD_LENGTH = 0x24C,   /* 2.08 */
    HDR_PREF_ADDRESS = 0x258,     /* 2.10 */
    HDR_INIT_SIZE = 0x260,        /* 2.10 */
    HDR_END = 0x290,              /* the zero page has other things from here on */
    HDR_MIN_END = 0x224,          /* end of what 2.00 has */
    SETUP_SECTS_DEFAULT = 4,      /* "for backwards compatibility, 0 means 4" */
    SECTOR = 512,
};

/* The zero page: Documentation/arch/x86/zero-page.rst. */
enum {
    ZP_EXT_MEM_K = 0x002,
    ZP_OLD_CL_MAGIC = 0x020,
    ZP_OLD_CL_OFFSET = 0x022,
    ZP_ACPI_RSDP = 0x070, /* 2.14 */
    ZP_ALT_MEM_K = 0x1E0,
    ZP_E820_ENTRIES = 0x1E8,
    ZP_E820_TABLE = 0x2D0,
    E820_ENTRY_SIZE = 20,
    OLD_CL_MAGIC = 0xA33F,
};

enum {
    LOADED_HIGH = 1 << 0, /* loadflags */
    KEEP_SEGMENTS = 1 << 6,
    XLF_KERNEL_64 = 1 << 0, /* only kernels built for x86-64 set it */
    ENTRY_64 = 0x200,       /* of such a kernel's decompressor, from its 32-bit entry */
    LOADER_UNREGISTERED = 0xFF,
    VID_MODE_NORMAL = 0xFFFF,
};

#define LOAD_ADDR        UINT64_C(0x100000) /* where protected-mode code of a bzImage goes */
#define OLD_ZERO_PAGE    UINT64_C(0x90000)  /* before 2.02 the kernel looks for it there itself */
#define OLD_CMDLINE_ROOM UINT64_C(0x99000)

/* For an ELF file without a header: the protocol the kernel may think it was started with. */
enum { VMLINUX_VERSION = 0x20F, VMLINUX_CMDLINE_MAX = 2047, BOOT_FLAG = 0x1FE, HDR_MAGIC = 0x202 };

struct setup {
    unsigned version;    /* 0x20C: 2.12 */
    uint64_t setup_size; /* real-mode part of the file; the rest is protected-mode code */
    uint64_t code_size;
    uint64_t run_end; /* what the kernel occupies while it unpacks itself ends here */
    uint64_t entry;
    bool long_mode;       /* entered in it */
    uint32_t cmdline_max; /* without the NUL */
    uint64_t initrd_end;  /* exclusive */
};

static int fail(struct load_job *job, const char *why)
{
    return load_fail(job->err, -ENOEXEC, job->img.path, "%s", why);
}

static int check_sizes(struct load_job *job, struct setup *s)
{
    const uint8_t *h = job->img.data;
    unsigned sects = h[HDR_SETUP_SECTS] ? h[HDR_SETUP_SECTS] : SETUP_SECTS_DEFAULT;
    uint64_t declared = s->version >= 0x204 ? (uint64_t)ld32(h + HDR_SYSSIZE) * 16 : 0;

    s->setup_size = (sects + 1) * (uint64_t)SECTOR;
    if (job->img.size <= s->setup_size)
        return load_fail(job->err, -ENOEXEC, job->img.path,
                         "this Linux kernel is truncated: its setup code alone is %llu bytes, the "
                         "file has %zu; copy it again",
                         (unsigned long long)s->setup_size, job->img.size);
    s->code_size = job->img.size - s->setup_size;
    if (s->version >= 0x208) {
        uint64_t end = (uint64_t)ld32(h + HDR_PAYLOAD_OFFSET) + ld32(h + HDR_PAYLOAD_LENGTH);

        declared = end > declared ? end : declared;
    }
    /* Old build tools rounded syssize up: the last 16-byte unit may be incomplete. */
    if (declared > s->code_size + 15)
        return load_fail(job->err, -ENOEXEC, job->img.path,
                         "this Linux kernel is truncated: its header promises %llu bytes, the file "
                         "has %zu; copy it again",
                         (unsigned long long)(s->setup_size + declared), job->img.size);
    return 0;
}

static int check_kind(struct load_job *job, const struct setup *s)
{
    const uint8_t *h = job->img.data;

    if (s->version < 0x200)
        return fail(job, "this Linux kernel is older than boot protocol 2.00 (Linux 1.3.73)");
    if (!(h[HDR_LOADFLAGS] & LOADED_HIGH))
        return fail(job, "this Linux kernel is a zImage, which loads below 640 KiB; only bzImages "
                         "are supported");
    if (s->version >= 0x20C && (ld16(h + HDR_XLOADFLAGS) & XLF_KERNEL_64) &&
        !job->cfg->cpu_has_long_mode)
        return fail(job, "this Linux kernel is for another CPU: x86-64. The guest's CPU is 32-bit; "
                         "give a kernel for i386 (Debian: linux-image-686 or -686-pae)");
    return 0;
}

/* Where the decompressor puts the kernel, and so what must be RAM and stay free ("init_size" in
 * boot.rst gives the formula). */
static int find_run_end(struct load_job *job, struct setup *s)
{
    const uint8_t *h = job->img.data;
    uint64_t runtime = LOAD_ADDR;
    uint64_t pref, align;

    s->run_end = LOAD_ADDR + s->code_size;
    if (s->version < 0x20A)
        return 0;
    pref = ld64(h + HDR_PREF_ADDRESS);
    if (h[HDR_RELOCATABLE]) {
        align = ld32(h + HDR_KERNEL_ALIGNMENT);
        if (align == 0 || (align & (align - 1)))
            return fail(job, "this Linux kernel's header is damaged (kernel_alignment is no power "
                             "of two); copy the file again");
        runtime = align_up(runtime, align);
    }
    if (pref > runtime)
        runtime = pref;
    if (runtime > UINT32_MAX)
        return fail(job, "this Linux kernel wants to run above 4 GiB; a 32-bit one cannot (is its "
                         "header damaged?)");
    if (runtime + ld32(h + HDR_INIT_SIZE) > s->run_end)
        s->run_end = runtime + ld32(h + HDR_INIT_SIZE);
    return 0;
}

static int find_entry(struct load_job *job, struct setup *s)
{
    const uint8_t *h = job->img.data;
    uint64_t entry = ld32(h + HDR_CODE32_START);

    s->long_mode = s->version >= 0x20C && (ld16(h + HDR_XLOADFLAGS) & XLF_KERNEL_64);
    s->entry = entry + (s->long_mode ? ENTRY_64 : 0);
    if (entry < LOAD_ADDR || s->entry - LOAD_ADDR >= s->code_size)
        return load_fail(job->err, -ENOEXEC, job->img.path,
                         "this Linux kernel's entry point %#llx lies outside of its code; the "
                         "header is damaged, copy the file again",
                         (unsigned long long)s->entry);
    return 0;
}

static int read_setup(struct load_job *job, struct setup *s)
{
    const uint8_t *h = job->img.data;
    int rc;

    if (job->img.size < HDR_END)
        return fail(job, "this Linux kernel is truncated inside its header; copy it again");
    s->version = ld16(h + HDR_VERSION);
    rc = check_kind(job, s);
    if (rc == 0)
        rc = check_sizes(job, s);
    if (rc == 0)
        rc = find_run_end(job, s);
    if (rc == 0)
        rc = find_entry(job, s);
    if (rc < 0)
        return rc;
    s->cmdline_max = s->version >= 0x206 ? ld32(h + HDR_CMDLINE_SIZE) : 255;
    s->initrd_end =
        s->version >= 0x203 ? ld32(h + HDR_INITRD_ADDR_MAX) + UINT64_C(1) : INITRD_END_DEFAULT;
    return 0;
}

static int place_decompressor(struct load_job *job, const struct setup *s)
{
    int rc =
        load_claim(job, LOAD_ADDR, s->run_end - LOAD_ADDR, "the Linux kernel (unpacking itself)");

    if (rc < 0)
        return rc;
    return load_write(job, LOAD_ADDR, job->img.data + s->setup_size, s->code_size);
}

static int place_elf(struct load_job *job, const struct image *elf, struct setup *s,
                     const struct elf_info *info)
{
    s->entry = info->entry;
    s->long_mode = info->is64;
    if (info->end > s->run_end)
        s->run_end = info->end;
    return load_elf_segments(job, elf, 0);
}

/* Leaves `elf` empty when that is the decompressor's business: an unknown compression, or a
 * payload that is no ELF file, as before Linux 2.6.26. */
static int unpack(struct load_job *job, const struct setup *s, struct image *elf)
{
    const uint8_t *h = job->img.data;
    uint64_t off, len;
    int rc;

    *elf = (struct image){.path = job->img.path};
    if (s->version < 0x208 || job->cfg->unpack_in_guest)
        return 0;
    off = ld32(h + HDR_PAYLOAD_OFFSET);
    len = ld32(h + HDR_PAYLOAD_LENGTH);
    if (len == 0 || off + len > s->code_size)
        return 0;
    rc = unpack_cached(job->cfg->unpack_cache, h + s->setup_size + off, len, job->pm->size,
                       &elf->data, &elf->size);
    if (rc == -EBADMSG)
        return fail(job, "this Linux kernel is damaged: its compressed part cannot be unpacked; "
                         "copy the file again");
    if (rc == 0 && !image_is_elf(elf))
        image_free(elf);
    return 0;
}

static int place_kernel(struct load_job *job, struct setup *s)
{
    struct elf_info info;
    struct image elf;
    int rc;

    if (memmap_ram_from(&job->map, LOAD_ADDR) < s->run_end - LOAD_ADDR)
        return load_fail(
            job->err, -ENOMEM, job->img.path,
            "this Linux kernel needs %llu MiB of RAM to start, the guest has %llu MiB; "
            "give it more with -m (64M or more is sensible)",
            (unsigned long long)((s->run_end + MIB - 1) / MIB),
            (unsigned long long)(job->pm->size / MIB));
    rc = unpack(job, s, &elf);
    if (rc < 0 || !elf.data)
        return rc < 0 ? rc : place_decompressor(job, s);
    rc = load_elf_scan(job, &elf, &info);
    if (rc == 0 && info.is64)
        rc = load_need_long_mode(job);
    if (rc == 0)
        rc = place_elf(job, &elf, s, &info);
    image_free(&elf);
    return rc;
}

static int place_cmdline(struct load_job *job, const struct setup *s, uint8_t *zp)
{
    const char *text = job->cfg->cmdline ? job->cfg->cmdline : "";
    size_t len = strlen(text);
    gpa_t at;
    int rc;

    if (len > s->cmdline_max)
        return load_fail(job->err, -E2BIG, job->img.path,
                         "-append is %zu characters long; this kernel takes at most %u", len,
                         s->cmdline_max);
    if (s->version < 0x202) {
        at = layout_place_top(&job->layout, len + 1, 16, OLD_ZERO_PAGE, OLD_CMDLINE_ROOM,
                              "the command line");
        if (at == LAYOUT_NONE)
            return fail(job, "there is no room for the kernel command line below 640 KiB");
        st16(zp + ZP_OLD_CL_MAGIC, OLD_CL_MAGIC);
        st16(zp + ZP_OLD_CL_OFFSET, (uint16_t)(at - OLD_ZERO_PAGE));
        return load_write(job, at, text, len + 1);
    }
    rc = load_place_table(job, len + 1, "the command line", &at);
    if (rc < 0)
        return rc;
    st32(zp + HDR_CMD_LINE_PTR, (uint32_t)at);
    return load_write(job, at, text, len + 1);
}

static int place_initrd(struct load_job *job, const struct setup *s, uint8_t *zp)
{
    uint64_t size;
    gpa_t at;
    int rc = load_initrd(job, s->run_end, s->initrd_end, &at, &size);

    st32(zp + HDR_RAMDISK_IMAGE, (uint32_t)at);
    st32(zp + HDR_RAMDISK_SIZE, (uint32_t)size);
    return rc;
}

/* Also the two older ways to tell the size of RAM, INT 15h E801h (in KiB above 1 MiB) and 88h:
 * kernels that know E820h ignore them. */
static void fill_memory(const struct load_job *job, uint8_t *zp)
{
    uint64_t ext_k = memmap_ram_from(&job->map, LOAD_ADDR) / KIB;

    st16(zp + ZP_EXT_MEM_K, (uint16_t)(ext_k > 0xFC00 ? 0xFC00 : ext_k));
    st32(zp + ZP_ALT_MEM_K, (uint32_t)ext_k);
    zp[ZP_E820_ENTRIES] = (uint8_t)job->map.n;
    for (unsigned i = 0; i < job->map.n; i++) {
        uint8_t *e = zp + ZP_E820_TABLE + i * E820_ENTRY_SIZE;

        st64(e, job->map.entry[i].base);
        st64(e + 8, job->map.entry[i].len);
        st32(e + 16, job->map.entry[i].type);
    }
}

/* The zero page starts as zeros and the kernel's own header. screen_info stays zero: no columns,
 * no lines, no VGA; the kernel then writes to no text screen. */
static void fill_header(const struct load_job *job, uint8_t *zp)
{
    const uint8_t *h = job->img.data;
    size_t end = HDR_JUMP + 2 + h[HDR_JUMP + 1];

    if (end < HDR_MIN_END)
        end = HDR_MIN_END;
    if (end > HDR_END)
        end = HDR_END;
    memcpy(zp + HDR_SETUP_SECTS, h + HDR_SETUP_SECTS, end - HDR_SETUP_SECTS);
    zp[HDR_TYPE_OF_LOADER] = LOADER_UNREGISTERED;
    zp[HDR_LOADFLAGS] &= (uint8_t)~KEEP_SEGMENTS;
    st16(zp + HDR_VID_MODE, VID_MODE_NORMAL);
    st32(zp + HDR_RAMDISK_IMAGE, 0);
    st32(zp + HDR_RAMDISK_SIZE, 0);
}

/* Reserves the page before anything else is placed below 640 KiB: old kernels look for it at a
 * fixed address. */
static int place_zero_page(struct load_job *job, const struct setup *s, gpa_t *at)
{
    *at = OLD_ZERO_PAGE;
    if (s->version < 0x202)
        return load_claim(job, *at, PAGE_SIZE, "the Linux zero page");
    return load_place_table(job, PAGE_SIZE, "the Linux zero page", at);
}

/* The kernel is placed; `zp` has the header. */
static int start(struct load_job *job, const struct setup *s, uint8_t zp[PAGE_SIZE])
{
    gpa_t at;
    int rc = place_zero_page(job, s, &at);

    if (rc < 0)
        return rc;
    fill_memory(job, zp);
    if (s->version >= 0x20E)
        st64(zp + ZP_ACPI_RSDP, job->cfg->acpi_rsdp);
    rc = place_cmdline(job, s, zp);
    if (rc == 0)
        rc = place_initrd(job, s, zp);
    if (rc == 0)
        rc = load_write(job, at, zp, PAGE_SIZE);
    if (rc == 0)
        rc = s->long_mode ? load_enter_long(job, s->entry)
                          : load_enter_flat(job, (uint32_t)s->entry);
    /* EBP, EDI and EBX must be zero, (E|R)SI points to the zero page. */
    job->bs->gpr[BOOT_SI] = at;
    return rc;
}

int load_linux(struct load_job *job)
{
    uint8_t zp[PAGE_SIZE] = {0};
    struct setup s = {0};
    int rc = read_setup(job, &s);

    if (rc == 0)
        rc = place_kernel(job, &s);
    if (rc < 0)
        return rc;
    fill_header(job, zp);
    return start(job, &s, zp);
}

/* A vmlinux has no header for the zero page; it gets the one that a loader of our kind writes. */
int load_vmlinux(struct load_job *job, const struct elf_info *info)
{
    uint8_t zp[PAGE_SIZE] = {0};
    struct setup s = {
        .version = VMLINUX_VERSION,
        .cmdline_max = VMLINUX_CMDLINE_MAX,
        .initrd_end = INITRD_END_DEFAULT,
    };
    int rc = place_elf(job, &job->img, &s, info);

    if (rc < 0)
        return rc;
    st16(zp + BOOT_FLAG, 0xAA55);
    memcpy(zp + HDR_MAGIC, "HdrS", 4);
    st16(zp + HDR_VERSION, VMLINUX_VERSION);
    st16(zp + HDR_VID_MODE, VID_MODE_NORMAL);
    zp[HDR_TYPE_OF_LOADER] = LOADER_UNREGISTERED;
    zp[HDR_LOADFLAGS] = LOADED_HIGH;
    st32(zp + HDR_CMDLINE_SIZE, VMLINUX_CMDLINE_MAX);
    st32(zp + HDR_INITRD_ADDR_MAX, INITRD_END_DEFAULT - 1);
    return start(job, &s, zp);
}
