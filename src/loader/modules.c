/* What -initrd names: the modules of multiboot, the one file that Linux and PVH take. */
#include "loader/load_job.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

/* One "file args". */
static int add_module(struct load_job *job, struct modules *mods, const char *spec)
{
    size_t path_len = strcspn(spec, " ");
    struct image img;
    char path[4096];
    gpa_t at;
    int rc;

    snprintf(path, sizeof(path), "%.*s", (int)path_len, spec);
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
    else
        rc = load_write(job, at, img.data, img.size);
    mods->item[mods->n].at = at;
    mods->item[mods->n].size = img.size;
    mods->item[mods->n].spec = spec;
    mods->item[mods->n].args = spec + path_len + (spec[path_len] == ' ');
    mods->n++;
    image_free(&img);
    return rc;
}

int load_modules(struct load_job *job, struct modules *mods)
{
    char *rest;
    int rc = 0;

    mods->n = 0;
    mods->text = NULL;
    if (!job->cfg->initrd)
        return 0;
    mods->text = strdup(job->cfg->initrd);
    if (!mods->text)
        return load_fail(job->err, -ENOMEM, job->img.path, "out of host memory");
    rest = mods->text;
    while (rest && rc == 0)
        rc = add_module(job, mods, next_item(&rest));
    return rc;
}

void load_modules_free(struct modules *mods)
{
    free(mods->text);
    mods->text = NULL;
}

int load_initrd(struct load_job *job, gpa_t min, gpa_t end, gpa_t *at, uint64_t *size)
{
    struct image rd;
    int rc;

    *at = 0;
    *size = 0;
    if (!job->cfg->initrd)
        return 0;
    rc = image_read(&rd, job->cfg->initrd, "initrd", job->pm->size, job->err);
    if (rc < 0)
        return rc;
    *size = rd.size;
    *at = layout_place_top(&job->layout, rd.size, PAGE_SIZE, min,
                           end < PHYSMEM_HIGH ? end : PHYSMEM_HIGH, "the initrd");
    if (image_is_linux(&rd))
        rc = load_fail(job->err, -ENOEXEC, rd.path,
                       "this is a Linux kernel, not an initrd; were -kernel and -initrd swapped?");
    else if (*at == LAYOUT_NONE)
        rc = load_fail(
            job->err, -ENOMEM, rd.path,
            "the initrd (%llu KiB) does not fit: the kernel needs memory up to %llu MiB, "
            "and reaches the initrd up to %llu MiB. The guest has %llu MiB of RAM; give "
            "it more with -m, or a smaller initrd",
            (unsigned long long)(rd.size / KIB), (unsigned long long)((min + MIB - 1) / MIB),
            (unsigned long long)(end / MIB), (unsigned long long)(job->pm->size / MIB));
    else
        rc = load_write(job, *at, rd.data, rd.size);
    image_free(&rd);
    return rc;
}
