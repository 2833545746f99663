/* firmware.h - the PC's firmware: where its files are, reading and checking them.
 *
 * A name with a '/' in it, and one that is a file in the current directory, is that file; another
 * is looked for in the given folders and then where Debian's packages put firmware.
 */
#ifndef DRAGOMAN_LOADER_FIRMWARE_H
#define DRAGOMAN_LOADER_FIRMWARE_H

#include "base/types.h"
#include "loader/image.h"

enum { FIRMWARE_MAX_DIRS = 8 };

struct firmware_dirs {
    const char *dir[FIRMWARE_MAX_DIRS]; /* -L, in order */
    unsigned n;
};

#define FIRMWARE_BIOS "bios-256k.bin"
#define FIRMWARE_VGA  "vgabios-stdvga.bin"

/* A system firmware: a multiple of 64 KiB up to 16 MiB. 0, or -errno with err->text. */
int firmware_read_bios(struct image *img, const char *name, const struct firmware_dirs *dirs,
                       struct load_error *err) MUST_CHECK;
/* An option ROM (55AAh, up to 64 KiB). */
int firmware_read_rom(struct image *img, const char *name, const struct firmware_dirs *dirs,
                      struct load_error *err) MUST_CHECK;

#endif
