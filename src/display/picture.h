/* picture.h - the VGA's picture with its pixels, and as a file: PNG or text.
 *
 * A picture belongs to one viewer. It follows the VGA's size, so `surface` may change with every
 * picture_update(). Only the vCPU thread may update one.
 */
#ifndef DRAGOMAN_DISPLAY_PICTURE_H
#define DRAGOMAN_DISPLAY_PICTURE_H

#include <stdio.h>

#include "devices/vga.h"

struct picture {
    struct vga_surface surface; /* zero until the first update */
    struct vga_shown *shown;
};

/* Draws what changed since the last time; *rows says where, all of it after a change of the size.
 * 0 or -ENOMEM: the picture stays as it was. */
int picture_update(struct picture *p, const struct vga *v, struct vga_rows *rows) MUST_CHECK;
void picture_free(struct picture *p);

/* 8 bits per colour, no alpha. 0 or -errno. */
int picture_write_png(const struct vga_surface *s, FILE *out) MUST_CHECK;

/* The characters of a text mode in UTF-8, a line per row without blanks at its end; in graphics
 * modes nothing. 0 or -errno. */
int picture_write_text(const struct vga *v, FILE *out) MUST_CHECK;

/* The screen as it is now to a file: text when its name ends in .txt, else PNG. It is removed when
 * it can't be written whole. 0 or -errno. */
int picture_screendump(const struct vga *v, const char *path) MUST_CHECK;
/* The same as PPM, which programs read that know QEMU's. */
int picture_screendump_ppm(const struct vga *v, const char *path) MUST_CHECK;

#endif
