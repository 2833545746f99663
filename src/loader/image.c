#include "loader/image.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bits.h"

enum {
    BOOT_SIGNATURE = 0x1FE, /* AA55h: end of a boot sector, of a disk or of a kernel */
    LINUX_MAGIC = 0x202,    /* "HdrS", Documentation/arch/x86/boot.rst               */
    PE_OFFSET = 0x3C,
    MULTIBOOT_SEARCH = 8192,   /* Multiboot 0.6.96, section 3.1 */
    MULTIBOOT2_SEARCH = 32768, /* Multiboot 2.0, section 3.1.1  */
};
#define MULTIBOOT_MAGIC  0x1BADB002u
#define MULTIBOOT2_MAGIC 0xE85250D6u

int load_fail(struct load_error *err, int code, const char *path, const char *fmt, ...)
{
    size_t len;
    va_list ap;

    /* A path may be longer than the message: its end tells more than its beginning. */
    if (strlen(path) > 160)
        snprintf(err->text, sizeof(err->text), "...%s: ", path + strlen(path) - 160);
    else
        snprintf(err->text, sizeof(err->text), "%s: ", path);
    len = strlen(err->text);
    va_start(ap, fmt);
    vsnprintf(err->text + len, sizeof(err->text) - len, fmt, ap);
    va_end(ap);
    return code;
}

/* Room for the next read: the known rest of a regular file, else doubling. */
static int grow(struct image *img, size_t *cap, uint64_t limit)
{
    uint64_t want = *cap == 0 ? 64 * KIB : (uint64_t)*cap * 2;
    uint8_t *p;

    if (want > limit + 1)
        want = limit + 1;
    p = realloc(img->data, want);
    if (!p)
        return -ENOMEM;
    img->data = p;
    *cap = want;
    return 0;
}

/* Reads to the end or to one byte past the limit, which shows that there is more. */
static int read_all(struct image *img, int fd, size_t size_hint, uint64_t limit)
{
    size_t cap = 0;

    if (size_hint > 0 && size_hint <= limit) {
        img->data = malloc(size_hint + 1);
        if (!img->data)
            return -ENOMEM;
        cap = size_hint + 1;
    }
    while (img->size <= limit) {
        ssize_t n;

        if (img->size == cap) {
            int rc = grow(img, &cap, limit);

            if (rc < 0)
                return rc;
        }
        n = read(fd, img->data + img->size, cap - img->size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            return 0;
        img->size += (size_t)n;
    }
    return -EFBIG;
}

static int fail_read(struct load_error *err, int rc, const char *path, const char *role)
{
    switch (-rc) {
    case ENOENT:
        return load_fail(err, rc, path, "no such file (wanted as the %s); check the path", role);
    case EISDIR:
        return load_fail(err, rc, path, "is a directory; give the %s itself", role);
    case EFBIG:
        return load_fail(err, rc, path,
                         "the %s is larger than the guest's RAM; give the guest more with -m",
                         role);
    default:
        return load_fail(err, rc, path, "cannot read the %s: %s", role, strerror(-rc));
    }
}

int image_read(struct image *img, const char *path, const char *role, uint64_t limit,
               struct load_error *err)
{
    struct stat st;
    int rc = 0;
    int fd;

    *img = (struct image){.path = path};
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return fail_read(err, -errno, path, role);
    if (fstat(fd, &st) < 0)
        rc = -errno;
    else if (S_ISDIR(st.st_mode))
        rc = -EISDIR;
    else if (S_ISREG(st.st_mode) && (uint64_t)st.st_size > limit)
        rc = -EFBIG;
    else
        rc = read_all(img, fd, S_ISREG(st.st_mode) ? (size_t)st.st_size : 0, limit);
    close(fd);
    if (rc == 0 && img->size == 0)
        rc = load_fail(err, -ENOEXEC, path, "the %s is an empty file; was its copy interrupted?",
                       role);
    else if (rc < 0)
        rc = fail_read(err, rc, path, role);
    if (rc < 0)
        image_free(img);
    return rc;
}

void image_free(struct image *img)
{
    free(img->data);
    img->data = NULL;
    img->size = 0;
}

static bool has(const struct image *img, size_t off, const char *magic, size_t len)
{
    return img->size >= off + len && memcmp(img->data + off, magic, len) == 0;
}

bool image_is_linux(const struct image *img)
{
    return has(img, BOOT_SIGNATURE, "\x55\xAA", 2) && has(img, LINUX_MAGIC, "HdrS", 4);
}

bool image_is_elf(const struct image *img)
{
    return has(img, 0, "\177ELF", 4);
}

int image_multiboot_offset(const struct image *img)
{
    size_t end = img->size < MULTIBOOT_SEARCH ? img->size : MULTIBOOT_SEARCH;

    for (size_t off = 0; off + 12 <= end; off += 4) {
        const uint8_t *p = img->data + off;

        if (ld32(p) == MULTIBOOT_MAGIC && ld32(p) + ld32(p + 4) + ld32(p + 8) == 0)
            return (int)off;
    }
    return -1;
}

int image_multiboot2_offset(const struct image *img)
{
    size_t end = img->size < MULTIBOOT2_SEARCH ? img->size : MULTIBOOT2_SEARCH;

    for (size_t off = 0; off + 16 <= end; off += 8) {
        const uint8_t *p = img->data + off;

        if (ld32(p) == MULTIBOOT2_MAGIC && ld32(p) + ld32(p + 4) + ld32(p + 8) + ld32(p + 12) == 0)
            return (int)off;
    }
    return -1;
}

bool image_has_linux_banner(const struct image *img)
{
    static const char banner[] = "Linux version ";

    return memmem(img->data, img->size, banner, sizeof(banner) - 1) != NULL;
}

/* What people hand to a virtual machine by mistake. The first match wins, so what can hide inside
 * another format comes first (a hybrid ISO starts with a boot sector). */
static const struct {
    uint16_t off;
    uint8_t len;
    const char *magic;
    const char *what; /* continues "this is ..." */
} foreign[] = {
    {0x8001, 5, "CD001", "a CD image (ISO 9660); give it with -cdrom"},
    {0, 4, "QFI\xFB", "a qcow2 disk image; give it with -hda"},
    {0, 4, "KDMV", "a VMDK disk image; convert it (qemu-img convert) and give it with -hda"},
    {0x40, 4, "\x7F\x10\xDA\xBE",
     "a VDI disk image; convert it (qemu-img convert) and give it with -hda"},
    {0, 3, "\x1F\x8B\x08", "gzip-compressed data; unpack it first (gzip -d) or give it as -initrd"},
    {0, 6,
     "\xFD"
     "7zXZ\0",
     "xz-compressed data; unpack it first (xz -d) or give it as -initrd"},
    {0, 4, "\x28\xB5\x2F\xFD",
     "zstd-compressed data; unpack it first (zstd -d) or give it as -initrd"},
    {0, 3, "BZh", "bzip2-compressed data; unpack it first (bzip2 -d) or give it as -initrd"},
    {0, 4, "\x02\x21\x4C\x18",
     "lz4-compressed data; unpack it first (lz4 -d) or give it as -initrd"},
    {0, 4, "\x04\x22\x4D\x18",
     "lz4-compressed data; unpack it first (lz4 -d) or give it as -initrd"},
    {0, 5, "07070", "a cpio archive; give it as -initrd, together with a kernel"},
    {0, 8, "!<arch>\n",
     "an archive (perhaps a Debian package: dpkg-deb -x unpacks it); give the "
     "kernel inside it"},
    {0, 2, "#!", "a script; give a kernel image"},
    {0x38, 4, "ARM\x64", "a kernel for another CPU (arm64); give one for x86"},
    {0x24, 4, "\x18\x28\x6F\x01", "a kernel for another CPU (arm); give one for x86"},
    {0x38, 4, "RSC\x05", "a kernel for another CPU (riscv); give one for x86"},
    {0, 4, "\x27\x05\x19\x56", "a U-Boot image; give a Linux bzImage, multiboot or ELF file"},
    {0, 4, "\xD6\x50\x52\xE8", "a multiboot 2 header, but its checksum is wrong; build it again"},
    {0, 4, "\xCA\xFE\xBA\xBE", "Java or Mach-O code; give a kernel image"},
    {0x1FE, 2, "\x55\xAA", "a disk image or boot sector; give it with -hda"},
};

static const char *name_pe(const struct image *img)
{
    uint32_t off;

    if (!has(img, 0, "MZ", 2))
        return NULL;
    off = img->size >= PE_OFFSET + 4 ? ld32(img->data + PE_OFFSET) : UINT32_MAX;
    return has(img, off, "PE\0\0", 4)
               ? "a Windows or EFI program (PE); give a Linux bzImage, multiboot or ELF file"
               : "a DOS program (MZ); give a Linux bzImage, multiboot or ELF file";
}

static const char *name_foreign(const struct image *img)
{
    for (unsigned i = 0; i < ARRAY_SIZE(foreign); i++)
        if (has(img, foreign[i].off, foreign[i].magic, foreign[i].len))
            return foreign[i].what;
    return NULL;
}

static bool is_text(const struct image *img)
{
    size_t n = img->size < 256 ? img->size : 256;

    for (size_t i = 0; i < n; i++)
        if (img->data[i] >= 0x7F || (img->data[i] < ' ' && !strchr("\n\r\t\f", img->data[i])) ||
            img->data[i] == 0)
            return false;
    return true;
}

int image_refuse(const struct image *img, struct load_error *err)
{
    const char *what = name_pe(img);
    char start[3 * 4 + 1] = "";

    if (!what)
        what = name_foreign(img);
    if (!what && is_text(img))
        what = "a text file; give a kernel image";
    if (what)
        return load_fail(err, -ENOEXEC, img->path, "this is %s", what);
    for (size_t i = 0; i < 4 && i < img->size; i++)
        snprintf(start + 3 * i, sizeof(start) - 3 * i, " %02X", img->data[i]);
    return load_fail(err, -ENOEXEC, img->path,
                     "nothing known starts with%s: it is no Linux bzImage, multiboot or ELF file. "
                     "If it is raw 32-bit code, name its load address: -flat ADDR",
                     start);
}
