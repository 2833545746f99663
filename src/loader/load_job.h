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
int load_elf(struct load_job *job) MUST_CHECK;
int load_flat(struct load_job *job) MUST_CHECK;

/* Loads the segments of an ELF32 i386 executable; *entry becomes a physical address. */
int load_elf_segments(struct load_job *job, uint32_t *entry) MUST_CHECK;

/* Claims [base, +len) for a part of the image; the error names the range and the obstacle. */
int load_claim(struct load_job *job, gpa_t base, uint64_t len, const char *what) MUST_CHECK;
/* Claims and fills: `filled` bytes of data, then zeros up to len. */
int load_segment(struct load_job *job, gpa_t base, const uint8_t *data, uint64_t filled,
                 uint64_t len, const char *what) MUST_CHECK;
/* Copies to a place already claimed. */
int load_write(struct load_job *job, gpa_t base, const void *data, uint64_t len) MUST_CHECK;
/* Finds room below 640 KiB or, failing that, anywhere below 4 GiB. */
int load_place_table(struct load_job *job, uint64_t len, const char *what, gpa_t *at) MUST_CHECK;
/* GDT, stack and segment registers; every other register zero. */
int load_enter_flat(struct load_job *job, uint32_t eip) MUST_CHECK;

#endif
