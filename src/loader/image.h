/* image.h - the file that is being loaded: reading it, naming what it is.
 *
 * The content decides, never the name. Recognition only looks; the loaders of the
 * formats check everything they use by themselves.
 */
#ifndef DRAGOMAN_LOADER_IMAGE_H
#define DRAGOMAN_LOADER_IMAGE_H

#include "base/types.h"
#include "loader/loader.h"

/* A whole file in memory. Owned by whoever called image_read(). */
struct image {
    const char *path;
    uint8_t *data;
    size_t size;
};

/* Reads at most `limit` bytes. Returns 0 or -errno with err filled in; also refuses an empty file
 * and one that is larger. `role` is what the user meant it to be ("kernel", "initrd"). */
int image_read(struct image *img, const char *path, const char *role, uint64_t limit,
               struct load_error *err) MUST_CHECK;
void image_free(struct image *img);

bool image_is_linux(const struct image *img); /* bzImage or zImage with a 2.00+ header */
bool image_is_elf(const struct image *img);
/* File offset of a multiboot 1 header; -1 when there is none. */
int image_multiboot_offset(const struct image *img);
int image_multiboot2_offset(const struct image *img);
/* Says "Linux version ..", as every Linux kernel does. */
bool image_has_linux_banner(const struct image *img);
/* Fills err with what the file is, as far as it can be told, and what to do. Returns -ENOEXEC. */
int image_refuse(const struct image *img, struct load_error *err);

/* Writes "path: ..." to err->text; returns code (a negative errno). */
int load_fail(struct load_error *err, int code, const char *path, const char *fmt, ...)
    PRINTF_LIKE(4, 5);

#endif
