#include "loader/firmware.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bits.h"

#define BIOS_UNIT (64 * KIB)
#define BIOS_MAX  (16 * MIB)
#define ROM_MAX   (64 * KIB)

enum { ROM_SIGNATURE = 0xaa55 };

/* Debian's packages: seabios, qemu-system-data. */
static const char *const packaged[] = {"/usr/share/seabios", "/usr/share/qemu"};

/* The path of dir/name when that can be read; NULL otherwise. The caller frees it. */
static char *readable(const char *dir, const char *name)
{
    char *path;

    if (asprintf(&path, "%s/%s", dir, name) < 0)
        return NULL;
    if (access(path, R_OK) == 0)
        return path;
    free(path);
    return NULL;
}

static char *find(const char *name, const struct firmware_dirs *dirs)
{
    char *path = NULL;

    if (strchr(name, '/') || access(name, R_OK) == 0)
        return strdup(name);
    for (unsigned i = 0; i < dirs->n && !path; i++)
        path = readable(dirs->dir[i], name);
    for (unsigned i = 0; i < ARRAY_SIZE(packaged) && !path; i++)
        path = readable(packaged[i], name);
    return path;
}

static int read_found(struct image *img, const char *name, const struct firmware_dirs *dirs,
                      uint64_t limit, struct load_error *err)
{
    char *path = find(name, dirs);
    int rc;

    *img = (struct image){.path = name};
    if (!path)
        return load_fail(err, -ENOENT, name,
                         "no such firmware in the -L folders, /usr/share/seabios or "
                         "/usr/share/qemu. A machine that starts from a disk needs it: "
                         "apt install seabios, or name the file with -bios");
    rc = image_read(img, path, "firmware", limit, err);
    img->path = name;
    free(path);
    return rc;
}

int firmware_read_bios(struct image *img, const char *name, const struct firmware_dirs *dirs,
                       struct load_error *err)
{
    int rc = read_found(img, name, dirs, BIOS_MAX, err);

    if (rc == 0 && img->size % BIOS_UNIT) {
        rc = load_fail(err, -ENOEXEC, name,
                       "%zu bytes is no PC firmware: its size is a multiple of 64 KiB", img->size);
        image_free(img);
    }
    return rc;
}

int firmware_read_rom(struct image *img, const char *name, const struct firmware_dirs *dirs,
                      struct load_error *err)
{
    int rc = read_found(img, name, dirs, ROM_MAX, err);

    if (rc == 0 && (img->size < 2 || ld16(img->data) != ROM_SIGNATURE)) {
        rc = load_fail(err, -ENOEXEC, name, "not an option ROM: it does not begin with 55 AA");
        image_free(img);
    }
    return rc;
}
