/* Pictures: following the VGA's size, and PNG files that say what is on the screen. */
#include "vga_rig.h"

#include <errno.h>
#include <png.h>
#include <sys/stat.h>
#include <unistd.h>

#include "display/picture.h"

START_TEST(test_follows_size)
{
    struct vga_rig *g = vga_rig_open();
    struct picture p = {0};
    struct vga_rows rows;

    ck_assert_int_eq(picture_update(&p, &g->vga, &rows), 0);
    ck_assert_uint_eq(p.surface.width, 640);
    ck_assert_uint_eq(rows.end, 480);
    ck_assert_int_eq(picture_update(&p, &g->vga, &rows), 0);
    ck_assert_uint_eq(rows.end, 0);
    set_mode(g, MODE_3);
    ck_assert_int_eq(picture_update(&p, &g->vga, &rows), 0);
    ck_assert_uint_eq(p.surface.width, 720);
    ck_assert_uint_eq(p.surface.height, 400);
    ck_assert_uint_eq(rows.end, 400);
    picture_free(&p);
    vga_rig_close(g);
}
END_TEST

/* The file, decoded: 00RRGGBBh. */
static uint32_t *read_png(const char *path, unsigned *width, unsigned *height)
{
    png_image image = {.version = PNG_IMAGE_VERSION};
    uint32_t *pixels;

    ck_assert(png_image_begin_read_from_file(&image, path));
    image.format = PNG_FORMAT_BGRA;
    *width = image.width;
    *height = image.height;
    pixels = malloc(PNG_IMAGE_SIZE(image));
    ck_assert(png_image_finish_read(&image, NULL, pixels, 0, NULL));
    return pixels;
}

START_TEST(test_screendump)
{
    struct vga_rig *g = vga_rig_open();
    char path[] = "/tmp/dragoman-screen-XXXXXX";
    unsigned width, height;
    uint32_t *got;
    uint64_t seed = 11;

    close(mkstemp(path));
    set_mode(g, MODE_3);
    set_dac(g);
    for (unsigned i = 0; i < 4000; i++)
        poke(g, 0xb8000 + i, (uint8_t)next(&seed));
    for (unsigned i = 0; i < 32768; i++)
        g->vram[i * 4 + 2] = (uint8_t)next(&seed);
    ck_assert_int_eq(picture_screendump(&g->vga, path), 0);
    draw(g);
    got = read_png(path, &width, &height);
    ck_assert_uint_eq(width, 720);
    ck_assert_uint_eq(height, 400);
    for (unsigned y = 0; y < height; y++)
        for (unsigned x = 0; x < width; x++)
            expect(g, x, y, got[y * width + x] & 0xffffff);
    free(got);
    unlink(path);
    vga_rig_close(g);
}
END_TEST

START_TEST(test_text_dump)
{
    struct vga_rig *g = vga_rig_open();
    char path[] = "/tmp/dragoman-screen-XXXXXX.txt", text[256];
    FILE *in;

    close(mkstemps(path, 4));
    set_mode(g, MODE_3);
    for (unsigned i = 0; i < 4000; i += 2)
        poke(g, 0xb8000 + i, ' ');
    poke(g, 0xb8000, 'A');
    poke(g, 0xb8004, 0xe4);       /* two bytes of UTF-8 */
    poke(g, 0xb8000 + 160, 0xb3); /* three */
    ck_assert_int_eq(picture_screendump(&g->vga, path), 0);
    in = fopen(path, "re");
    text[fread(text, 1, sizeof(text) - 1, in)] = 0;
    fclose(in);
    ck_assert_str_eq(text, "A \u03a3\n\u2502\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n");
    set_mode(g, MODE_13);
    ck_assert_int_eq(picture_screendump(&g->vga, path), 0);
    in = fopen(path, "re");
    ck_assert_int_eq(getc(in), EOF);
    fclose(in);
    unlink(path);
    vga_rig_close(g);
}
END_TEST

START_TEST(test_screendump_fails)
{
    struct vga_rig *g = vga_rig_open();
    struct stat st;

    ck_assert_int_eq(picture_screendump(&g->vga, "/nonexistent/screen.png"), -ENOENT);
    ck_assert_int_eq(picture_screendump(&g->vga, "/dev/full"), -ENOSPC);
    ck_assert_int_eq(stat("/dev/full", &st), 0); /* only files are removed */
    vga_rig_close(g);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {test_follows_size, test_screendump, test_text_dump,
                                  test_screendump_fails};

    return run_tests("picture", tests, ARRAY_SIZE(tests));
}
