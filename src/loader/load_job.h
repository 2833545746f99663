/* load_job.h - what the loaders of the formats share. Private to src/loader.
 *
 * loader.c recognises the image and calls one load_*(); that one claims room in the
 * layout for each thing it places, writes it to guest RAM and fills in the boot state.
 * The order is always: the image first (it cannot choose its place), our tables after.
 */
#ifndef DRAGOMAN_LOADER_LOAD_JOB_H
#define DRAGOMAN_LOADER_LOAD_JOB_H

#include "loader/image.h"
#include "loader/loader.h"
#include "loader/memmap.h"

struct load_job {
    struct physmem *pm;
    const struct load_config *cfg;
    struct image img;
    struct memmap map;
    struct layout layout;
    struct boot_state *bs;
    struct load_error *err;
};

int load_linux(struct load_job *job) MUST_CHECK;
int load_multiboot(struct load_job *job) MUST_CHECK;
int load_multiboot2(struct load_job *job) MUST_CHECK;
/* Decides between the three kinds of ELF file by what is in it, and corrects boot_state.format. */
int load_elf(struct load_job *job) MUST_CHECK;
int load_flat(struct load_job *job) MUST_CHECK;

/* What an ELF executable says of itself. */
struct elf_info {
    bool is64;        /* ELF64 for x86-64; else ELF32 for i386                             */
    bool higher_half; /* a segment's virtual address is not its physical one               */
    bool has_pvh;
    uint64_t pvh_entry;
    uint64_t entry; /* physical                                                          */
    gpa_t base;     /* [base, end): what its segments occupy, with room between them     */
    gpa_t end;
};

/* Reads and checks; nothing is loaded. `img` is the ELF file: job's own or one found in it. */
int load_elf_scan(struct load_job *job, const struct image *img, struct elf_info *info) MUST_CHECK;
/* Loads the segments of a file that was scanned, each `shift` bytes above its own address. */
int load_elf_segments(struct load_job *job, const struct image *img, uint64_t shift) MUST_CHECK;
int load_vmlinux(struct load_job *job, const struct elf_info *info) MUST_CHECK;
int load_pvh(struct load_job *job, const struct elf_info *info) MUST_CHECK;

/* The address fields of both multiboot headers: where the file as it is belongs. */
struct multiboot_addresses {
    uint32_t header, load, load_end, bss_end, entry;
};

/* `off` is the header's offset in the file. */
int load_by_addresses(struct load_job *job, uint32_t off,
                      const struct multiboot_addresses *a) MUST_CHECK;

/* The modules of -initrd, loaded page-aligned and in order: "file args,file2 args". */
enum { MAX_MODULES = 16 };

struct modules {
    struct {
        gpa_t at;
        uint64_t size;
        const char *spec; /* "file args"                  */
        const char *args; /* its end: what follows "file " */
    } item[MAX_MODULES];
    unsigned n;
    char *text; /* what the strings point into */
};

int load_modules(struct load_job *job, struct modules *mods) MUST_CHECK;
void load_modules_free(struct modules *mods);
/* Puts cfg->initrd, one file, as high as possible into [min, end). Without one *size is 0. */
int load_initrd(struct load_job *job, gpa_t min, gpa_t end, gpa_t *at, uint64_t *size) MUST_CHECK;
/* What Linux reaches when nothing says otherwise ("initrd_addr_max" in boot.rst), exclusive. */
#define INITRD_END_DEFAULT UINT64_C(0x38000000)

/* Claims [base, +len) for a part of the image; the error names the range and the obstacle. */
int load_claim(struct load_job *job, gpa_t base, uint64_t len, const char *what) MUST_CHECK;
/* Claims and fills: `filled` bytes of data, then zeros up to len. */
int load_segment(struct load_job *job, gpa_t base, const uint8_t *data, uint64_t filled,
                 uint64_t len, const char *what) MUST_CHECK;
/* Copies to a place already claimed. */
int load_write(struct load_job *job, gpa_t base, const void *data, uint64_t len) MUST_CHECK;
/* Finds room below 640 KiB or, failing that, anywhere below 4 GiB. */
int load_place_table(struct load_job *job, uint64_t len, const char *what, gpa_t *at) MUST_CHECK;
/* The same, and writes it there. */
int load_table(struct load_job *job, const void *data, uint64_t len, const char *what,
               gpa_t *at) MUST_CHECK;
int load_string(struct load_job *job, const char *text, const char *what, gpa_t *at) MUST_CHECK;
/* GDT, stack and segment registers; every other register zero. */
int load_enter_flat(struct load_job *job, uint32_t eip) MUST_CHECK;
/* The same in long mode, the first 4 GiB mapped to themselves. */
int load_enter_long(struct load_job *job, uint64_t rip) MUST_CHECK;

/* For ELF files: a message when the guest's CPU cannot run one for x86-64. */
int load_need_long_mode(struct load_job *job) MUST_CHECK;

#endif
