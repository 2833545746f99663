/* fuzz_loader.c - an image, an initrd and a command line from nowhere good, loaded into 4 MiB.
 *
 *   byte 0  bits 0-1: repair the magic numbers of (nothing, bzImage, ELF, multiboot), 2: initrd,
 *           3: flat (its address: bits 5-7), 4: long mode, and ELF64 or multiboot 2 is repaired
 *   byte 1  length of the command line, which follows
 *   rest    the image; its last quarter is the initrd's
 */
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz.h"
#include "loader/loader.h"

enum { RAM = 4 << 20, MAX_IMAGE = 1 << 16 };

struct file {
    int fd;
    char path[32];
};

struct loader_fuzz {
    struct physmem pm;
    struct bus mmio;
    struct file image, initrd;
};

static void open_file(struct file *f)
{
    f->fd = memfd_create("fuzz", 0);
    snprintf(f->path, sizeof(f->path), "/proc/self/fd/%d", f->fd);
}

static void fill_file(const struct file *f, const uint8_t *p, size_t n)
{
    FUZZ_CHECK(ftruncate(f->fd, 0) == 0 && pwrite(f->fd, p, n, 0) == (ssize_t)n, "memfd");
}

static void open_once(struct loader_fuzz *z)
{
    if (z->pm.hva)
        return;
    bus_init(&z->mmio, "mmio", NULL);
    physmem_init(&z->pm,
                 mmap(NULL, RAM, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), -1,
                 RAM, &z->mmio);
    open_file(&z->image);
    open_file(&z->initrd);
}

static void repair_elf(uint8_t *p, bool is64)
{
    static const uint8_t elf[] = {0x7f, 'E', 'L', 'F', 1, 1, 1}, elf2[] = {2, 0, 3, 0, 1, 0, 0, 0};

    memcpy(p, elf, sizeof(elf));
    memcpy(p + 16, elf2, sizeof(elf2));
    if (is64) {
        p[4] = 2;
        p[18] = 62; /* EM_X86_64 */
    }
}

static void repair_multiboot(uint8_t *p, size_t n, bool second)
{
    size_t step = second ? 8 : 4;
    size_t at = p[0] * step + 16 <= n ? p[0] * step : 0;

    st32(p + at, second ? 0xe85250d6 : 0x1badb002);
    st32(p + at + (second ? 12 : 8),
         0u - ld32(p + at) - ld32(p + at + 4) - (second ? ld32(p + at + 8) : 0));
}

/* Without its magic no mutant gets past the first look. */
static void repair(uint8_t *p, size_t n, unsigned kind, bool newer)
{
    if (kind == 1 && n > 0x208) {
        memcpy(p + 0x1fe, "\x55\xaa", 2);
        memcpy(p + 0x202, "HdrS", 4);
        p[0x207] |= 2; /* version 2.xx and later */
    } else if (kind == 2 && n > 0x34) {
        repair_elf(p, newer);
    } else if (kind == 3 && n > 16) {
        repair_multiboot(p, n, newer);
    }
}

static void check_state(const struct loader_fuzz *z, const struct boot_state *bs)
{
    FUZZ_CHECK(bs->protected_flat, "format %d", bs->format);
    FUZZ_CHECK(bs->long_mode || bs->rip <= UINT32_MAX, "rip %llx", (unsigned long long)bs->rip);
    for (gpa_t a = bs->cr3; bs->long_mode && a < bs->cr3 + 6 * PAGE_SIZE; a += PAGE_SIZE)
        FUZZ_CHECK(physmem_ptr(&z->pm, a), "page tables at %llx", (unsigned long long)bs->cr3);
    for (gpa_t a = bs->gdt_base; a <= bs->gdt_base + bs->gdt_limit; a++)
        FUZZ_CHECK(physmem_ptr(&z->pm, a), "GDT at %llx", (unsigned long long)bs->gdt_base);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct loader_fuzz z;
    static uint8_t image[MAX_IMAGE];
    struct fuzz_bytes in = {data, size};
    unsigned how = (unsigned)fuzz_take(&in, 1), len = (unsigned)fuzz_take(&in, 1);
    char cmdline[256] = "";
    struct load_config cfg = {
        .cmdline = cmdline, .acpi_base = 0xe0000, .acpi_len = 0x4000, .acpi_rsdp = 0xe0000};
    struct boot_state bs;
    struct load_error err;
    size_t rest;
    int rc;

    open_once(&z);
    len = len < in.left ? len : (unsigned)in.left;
    memcpy(cmdline, in.p, len);
    rest = in.left - len < MAX_IMAGE ? in.left - len : MAX_IMAGE;
    memcpy(image, in.p + len, rest);
    repair(image, rest, how & 3, how & 16);
    madvise(z.pm.hva, RAM, MADV_DONTNEED);
    fill_file(&z.image, image, rest);
    fill_file(&z.initrd, image + rest - rest / 4, rest / 4);
    cfg.image = z.image.path;
    cfg.initrd = how & 4 ? z.initrd.path : NULL;
    cfg.flat = how & 8;
    cfg.flat_addr = cfg.flat ? (gpa_t)(how >> 5) << 19 : 0;
    cfg.cpu_has_long_mode = how & 16;
    memset(&err, 0, sizeof(err));
    rc = loader_load(&z.pm, &cfg, &bs, &err);
    if (rc < 0)
        FUZZ_CHECK(err.text[0] && memchr(err.text, 0, sizeof(err.text)), "no message, rc %d", rc);
    else
        check_state(&z, &bs);
    return 0;
}
