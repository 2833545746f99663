/* The window: what it shows, keys and mouse, grabbing, closing; on SDL's dummy driver, whose events
 * the test makes. */
#include "vga_rig.h"

#include <errno.h>
#include <unistd.h>

#include "display/display.h"
#include "display/hid_keys.h"

START_TEST(test_hid_keys)
{
    ck_assert_uint_eq(hid_key_of(0x04), 0x1e); /* A */
    ck_assert_uint_eq(hid_key_of(0x27), 0x0b); /* 0 */
    ck_assert_uint_eq(hid_key_of(0x45), 0x58); /* F12 */
    ck_assert_uint_eq(hid_key_of(0x52), 0xc8); /* up */
    ck_assert_uint_eq(hid_key_of(0x65), 0xdd); /* menu */
    ck_assert_uint_eq(hid_key_of(0xe6), 0xb8); /* right Alt */
    ck_assert_uint_eq(hid_key_of(0), 0);
    ck_assert_uint_eq(hid_key_of(3), 0);
    ck_assert_uint_eq(hid_key_of(0x66), 0);
    ck_assert_uint_eq(hid_key_of(0xe8), 0);
    ck_assert_uint_eq(hid_key_of(UINT32_MAX), 0);
}
END_TEST

#ifdef DRAGOMAN_SDL

#define SDL_MAIN_HANDLED
#include <SDL2/SDL.h>

struct screen {
    struct vga_rig *g;
    struct display *display;
    struct display_config cfg;
    char log[256];
    volatile unsigned wakes;
};

static void note(struct screen *s, const char *fmt, int a, int b, int c, unsigned d)
{
    size_t len = strlen(s->log);

    snprintf(s->log + len, sizeof(s->log) - len, fmt, a, b, c, d);
}

static void on_key(void *opaque, unsigned key, bool down)
{
    note(opaque, "%c%02x ", down ? '+' : '-', (int)key, 0, 0);
}

static void on_mouse(void *opaque, int dx, int dy, int dz, unsigned buttons)
{
    note(opaque, "%d,%d,%d,%u ", dx, dy, dz, buttons);
}

static void on_close(void *opaque)
{
    note(opaque, "closed", 0, 0, 0, 0);
}

static void on_wake(void *opaque)
{
    ((struct screen *)opaque)->wakes++;
}

static struct screen *open_screen(void)
{
    struct screen *s = calloc(1, sizeof(*s));
    struct display_error err;

    s->g = vga_rig_open();
    set_mode(s->g, MODE_13);
    set_dac(s->g);
    s->cfg = (struct display_config){.vga = &s->g->vga,
                                     .clock = &s->g->r.clock,
                                     .input = {.key = on_key, .mouse = on_mouse, .opaque = s},
                                     .wake = on_wake,
                                     .close = on_close,
                                     .opaque = s,
                                     .name = "test",
                                     .sdl = true};
    setenv("SDL_VIDEODRIVER", "dummy", 1);
    ck_assert_msg(display_open(&s->display, &s->cfg, &err) == 0, "%s", err.text);
    return s;
}

static void close_screen(struct screen *s)
{
    display_close(s->display);
    vga_rig_close(s->g);
    free(s);
}

static void await(struct screen *s, const char *want)
{
    for (unsigned i = 0; i < 1000 && strcmp(s->log, want); i++) {
        usleep(5000);
        display_pump(s->display);
    }
    ck_assert_str_eq(s->log, want);
    s->log[0] = 0;
}

static void push_key(bool down, SDL_Scancode code, unsigned mod)
{
    SDL_Event e = {.key = {.type = down ? SDL_KEYDOWN : SDL_KEYUP,
                           .keysym = {.scancode = code, .mod = (uint16_t)mod}}};

    ck_assert_int_eq(SDL_PushEvent(&e), 1);
}

static void push_button(bool down, uint8_t button)
{
    SDL_Event e = {
        .button = {.type = down ? SDL_MOUSEBUTTONDOWN : SDL_MOUSEBUTTONUP, .button = button}};

    ck_assert_int_eq(SDL_PushEvent(&e), 1);
}

static void push_motion(int x, int y)
{
    SDL_Event e = {.motion = {.type = SDL_MOUSEMOTION, .xrel = x, .yrel = y}};

    ck_assert_int_eq(SDL_PushEvent(&e), 1);
}

static void push_wheel(int y)
{
    SDL_Event e = {.wheel = {.type = SDL_MOUSEWHEEL, .y = y}};

    ck_assert_int_eq(SDL_PushEvent(&e), 1);
}

START_TEST(test_keys)
{
    struct screen *s = open_screen();

    push_key(true, SDL_SCANCODE_A, 0);
    push_key(false, SDL_SCANCODE_A, 0);
    push_key(true, SDL_SCANCODE_RCTRL, KMOD_RCTRL);
    await(s, "+1e -1e +9d ");
    push_key(true, SDL_SCANCODE_LALT, KMOD_RCTRL | KMOD_LALT);
    push_key(true, SDL_SCANCODE_G, KMOD_RCTRL | KMOD_LALT); /* releases all that is held */
    push_key(false, SDL_SCANCODE_G, KMOD_RCTRL | KMOD_LALT);
    await(s, "+38 -38 -9d ");
    close_screen(s);
}
END_TEST

START_TEST(test_mouse)
{
    struct screen *s = open_screen();

    push_motion(9, 9);
    push_wheel(1);
    push_button(true, SDL_BUTTON_LEFT);
    push_button(false, SDL_BUTTON_LEFT); /* grabs, and is not the guest's */
    push_key(true, SDL_SCANCODE_B, 0);
    await(s, "+30 "); /* SDL drops movement from before the grab */
    push_motion(3, -4);
    push_button(true, SDL_BUTTON_LEFT);
    push_button(true, SDL_BUTTON_RIGHT);
    push_button(false, SDL_BUTTON_LEFT);
    push_button(false, SDL_BUTTON_RIGHT);
    push_button(true, SDL_BUTTON_MIDDLE);
    push_button(false, SDL_BUTTON_MIDDLE);
    push_wheel(1);
    push_button(true, 99);
    await(s, "3,-4,0,0 0,0,0,1 0,0,0,3 0,0,0,2 0,0,0,0 0,0,0,4 0,0,0,0 0,0,-1,0 0,0,0,0 ");
    push_key(true, SDL_SCANCODE_G, KMOD_LCTRL | KMOD_LALT);
    await(s, "-30 ");
    push_motion(3, -4);
    push_key(true, SDL_SCANCODE_B, 0);
    await(s, "+30 ");
    ck_assert_uint_gt(s->wakes, 0);
    close_screen(s);
}
END_TEST

START_TEST(test_close)
{
    struct screen *s = open_screen();
    SDL_Event e = {.type = SDL_QUIT};

    SDL_PushEvent(&e);
    await(s, "closed");
    close_screen(s);
}
END_TEST

/* The window's memory, looked at while nobody else does. */
static bool same_picture(struct screen *s)
{
    SDL_Window *window = SDL_GetWindowFromID(1);
    SDL_Surface *surface = window ? SDL_GetWindowSurface(window) : NULL;

    draw(s->g);
    if (!surface || (unsigned)surface->w != s->g->s.width ||
        (unsigned)surface->h != s->g->s.height || surface->format->BytesPerPixel != 4)
        return false;
    for (unsigned y = 0; y < s->g->s.height; y++)
        for (unsigned x = 0; x < s->g->s.width; x++) {
            const uint8_t *line = (const uint8_t *)surface->pixels + (size_t)surface->pitch * y;

            if ((((const uint32_t *)line)[x] & 0xffffff) != s->g->s.pixels[y * s->g->s.stride + x])
                return false;
        }
    return true;
}

static void await_picture(struct screen *s)
{
    bool same = false;

    for (unsigned i = 0; i < 200 && !same; i++) {
        rig_pass(&s->g->r, 33000000);
        display_pump(s->display);
        usleep(20000);
        same = same_picture(s);
    }
    ck_assert(same);
}

START_TEST(test_pictures)
{
    struct screen *s = open_screen();
    uint64_t seed = 5;

    for (unsigned i = 0; i < 64000; i++)
        poke(s->g, 0xa0000 + i, (uint8_t)next(&seed));
    await_picture(s);
    poke(s->g, 0xa0000 + 320 * 50, (uint8_t)(peek(s->g, 0xa0000 + 320 * 50) + 1));
    poke(s->g, 0xa0000 + 320 * 150, (uint8_t)(peek(s->g, 0xa0000 + 320 * 150) + 1));
    await_picture(s);
    set_mode(s->g, MODE_3);
    out_attr(s->g, 0x10, 0x04); /* nothing blinks */
    out_index(s->g, 0x3d4, 0x0a, 0x20);
    await_picture(s);
    close_screen(s);
}
END_TEST

START_TEST(test_no_desktop)
{
    struct screen s = {.g = vga_rig_open()};
    struct display_error err;

    s.cfg = (struct display_config){.vga = &s.g->vga,
                                    .clock = &s.g->r.clock,
                                    .input = {.key = on_key, .opaque = &s},
                                    .wake = on_wake,
                                    .opaque = &s,
                                    .name = "test",
                                    .sdl = true};
    setenv("SDL_VIDEODRIVER", "nothing", 1);
    ck_assert_int_eq(display_open(&s.display, &s.cfg, &err), -ENODEV);
    ck_assert_ptr_nonnull(strstr(err.text, "SDL"));
    vga_rig_close(s.g);
}
END_TEST

#endif

int main(void)
{
    const TTest *const tests[] = {
        test_hid_keys,
#ifdef DRAGOMAN_SDL
        test_keys,     test_mouse, test_close, test_pictures, test_no_desktop,
#endif
    };

    return run_tests("sdl", tests, ARRAY_SIZE(tests));
}
