#include "display/picture.h"

#include <errno.h>
#include <png.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "display/cp437.h"

void picture_free(struct picture *p)
{
    free(p->surface.pixels);
    free(p->shown);
    memset(p, 0, sizeof(*p));
}

/* What is there stays when there is no memory for more: others may be reading it. */
static int resize(struct picture *p, unsigned width, unsigned height)
{
    struct picture bigger = {.surface = {.width = width, .height = height, .stride = width}};

    bigger.surface.pixels = calloc((size_t)width * height, sizeof(*bigger.surface.pixels));
    bigger.shown = calloc(1, sizeof(*bigger.shown));
    if (!bigger.surface.pixels || !bigger.shown) {
        picture_free(&bigger);
        return -ENOMEM;
    }
    picture_free(p);
    *p = bigger;
    return 0;
}

int picture_update(struct picture *p, const struct vga *v, struct vga_rows *rows)
{
    unsigned width, height;
    int err = 0;

    *rows = (struct vga_rows){0, 0};
    vga_size(v, &width, &height);
    if (width != p->surface.width || height != p->surface.height)
        err = resize(p, width, height);
    if (err == 0)
        *rows = vga_render(v, p->shown, &p->surface);
    return err;
}

/* ---- PNG ---- */

static void silent(png_structp png, png_const_charp text)
{
    (void)png;
    (void)text;
}

static void fail(png_structp png, png_const_charp text)
{
    (void)text;
    png_longjmp(png, 1);
}

static void pack_row(const struct vga_surface *s, unsigned y, uint8_t *row)
{
    const uint32_t *pixels = s->pixels + y * s->stride;

    for (unsigned x = 0; x < s->width; x++) {
        row[3 * x] = (uint8_t)(pixels[x] >> 16);
        row[3 * x + 1] = (uint8_t)(pixels[x] >> 8);
        row[3 * x + 2] = (uint8_t)pixels[x];
    }
}

static void write_rows(png_structp png, png_infop info, const struct vga_surface *s, uint8_t *row)
{
    png_set_IHDR(png, info, s->width, s->height, 8, PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_write_info(png, info);
    for (unsigned y = 0; y < s->height; y++) {
        pack_row(s, y, row);
        png_write_row(png, row);
    }
    png_write_end(png, NULL);
}

int picture_write_png(const struct vga_surface *s, FILE *out)
{
    uint8_t *row = malloc((size_t)s->width * 3 + 1);
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, fail, silent);
    png_infop info = png ? png_create_info_struct(png) : NULL;
    volatile int err = -ENOMEM;

    errno = 0;
    if (row && info && setjmp(png_jmpbuf(png)) == 0) { /* libpng's errors come back here */
        png_init_io(png, out);
        write_rows(png, info, s, row);
        err = 0;
    }
    if (ferror(out) || fflush(out))
        err = errno ? -errno : -EIO;
    png_destroy_write_struct(&png, &info);
    free(row);
    return err;
}

/* netpbm, ppm(5): P6. */
static int write_ppm(const struct vga_surface *s, FILE *out)
{
    uint8_t *row = malloc((size_t)s->width * 3 + 1);

    if (!row)
        return -ENOMEM;
    errno = 0;
    fprintf(out, "P6\n%u %u\n255\n", s->width, s->height);
    for (unsigned y = 0; y < s->height; y++) {
        pack_row(s, y, row);
        fwrite(row, 3, s->width, out);
    }
    free(row);
    if (ferror(out) || fflush(out))
        return errno ? -errno : -EIO;
    return 0;
}

/* ---- text ---- */

static void write_utf8(uint16_t c, FILE *out)
{
    if (c >= 0x800) {
        putc(0xe0 | c >> 12, out);
        putc(0x80 | (c >> 6 & 0x3f), out);
        putc(0x80 | (c & 0x3f), out);
    } else if (c >= 0x80) {
        putc(0xc0 | c >> 6, out);
        putc(0x80 | (c & 0x3f), out);
    } else {
        putc(c, out);
    }
}

int picture_write_text(const struct vga *v, FILE *out)
{
    struct vga_text *t = calloc(1, sizeof(*t));

    if (!t)
        return -ENOMEM;
    vga_text(v, t);
    for (unsigned y = 0; y < t->rows; y++) {
        unsigned end = t->columns;

        while (end && cp437[t->cell[y][end - 1] & 0xff] == ' ')
            end--;
        for (unsigned x = 0; x < end; x++)
            write_utf8(cp437[t->cell[y][x] & 0xff], out);
        putc('\n', out);
    }
    free(t);
    return ferror(out) || fflush(out) ? -errno : 0;
}

/* ---- files ---- */

static int write_picture(const struct vga *v, FILE *out,
                         int (*write_surface)(const struct vga_surface *s, FILE *out))
{
    struct picture p = {0};
    struct vga_rows rows;
    int err = picture_update(&p, v, &rows);

    if (err == 0)
        err = write_surface(&p.surface, out);
    picture_free(&p);
    return err;
}

static int dump_png(const struct vga *v, FILE *out)
{
    return write_picture(v, out, picture_write_png);
}

static int dump_ppm(const struct vga *v, FILE *out)
{
    return write_picture(v, out, write_ppm);
}

/* Devices and pipes stay. */
static void remove_file(FILE *out, const char *path)
{
    struct stat st;

    if (fstat(fileno(out), &st) == 0 && S_ISREG(st.st_mode))
        unlink(path);
}

static int dump(const struct vga *v, const char *path, int (*write)(const struct vga *v, FILE *out))
{
    FILE *out = fopen(path, "wbe");
    int err;

    if (!out)
        return -errno;
    err = write(v, out);
    if (err < 0)
        remove_file(out, path);
    if (fclose(out) && err == 0)
        err = -errno;
    return err;
}

int picture_screendump(const struct vga *v, const char *path)
{
    size_t len = strlen(path);
    bool text = len >= 4 && strcmp(path + len - 4, ".txt") == 0;

    return dump(v, path, text ? picture_write_text : dump_png);
}

int picture_screendump_ppm(const struct vga *v, const char *path)
{
    return dump(v, path, dump_ppm);
}
