/* The text screen in a terminal: what a pseudo terminal gets, which keys come back, and that it is
 * left as it was found. */
#include "vga_rig.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "display/display.h"

struct screen {
    struct vga_rig *g;
    int master, slave;
    struct termios before;
    struct terminal terminal;
    struct display *display;
    char keys[512];
    bool full; /* the guest's keyboard takes nothing */
    char out[65536];
};

static void on_key(void *opaque, unsigned key, bool down)
{
    struct screen *s = opaque;

    snprintf(s->keys + strlen(s->keys), sizeof(s->keys) - strlen(s->keys), "%c%02x ",
             down ? '+' : '-', key);
}

static bool ready(void *opaque)
{
    return !((struct screen *)opaque)->full;
}

/* All that came out so far. */
static const char *output(struct screen *s)
{
    struct pollfd p = {.fd = s->master, .events = POLLIN};
    size_t n = 0;

    while (poll(&p, 1, 50) > 0 && n < sizeof(s->out) - 1) {
        ssize_t got = read(s->master, s->out + n, sizeof(s->out) - 1 - n);

        if (got <= 0)
            break;
        n += (size_t)got;
    }
    s->out[n] = 0;
    return s->out;
}

static struct display_config config(struct screen *s)
{
    return (struct display_config){.vga = &s->g->vga,
                                   .clock = &s->g->r.clock,
                                   .input = {.key = on_key, .ready = ready, .opaque = s},
                                   .terminal = &s->terminal};
}

static void text(struct screen *s, unsigned at, const char *text, uint8_t attr)
{
    for (unsigned i = 0; text[i]; i++)
        bus_write(&s->g->mmio, 0xb8000 + 2 * (at + i), 2, (unsigned)attr << 8 | (uint8_t)text[i]);
}

static struct screen *open_screen(const char *term, const char *locale, unsigned rows)
{
    struct screen *s = calloc(1, sizeof(*s));
    struct winsize size = {.ws_row = (unsigned short)rows, .ws_col = 80};
    struct display_config cfg;
    struct display_error err;

    s->g = vga_rig_open();
    set_mode(s->g, MODE_3);
    for (unsigned i = 0; i < 2000; i++)
        text(s, i, " ", 7);
    setenv("TERM", term, 1);
    setenv("LC_ALL", locale, 1);
    ck_assert_int_eq(openpty(&s->master, &s->slave, NULL, NULL, &size), 0);
    tcgetattr(s->slave, &s->before);
    terminal_init(&s->terminal, s->slave, s->slave, true);
    cfg = config(s);
    ck_assert_int_eq(display_open(&s->display, &cfg, &err), 0);
    ck_assert_int_eq(terminal_enter_raw(&s->terminal), 0);
    return s;
}

static void close_screen(struct screen *s)
{
    struct termios after;

    display_close(s->display);
    terminal_restore(&s->terminal);
    tcgetattr(s->slave, &after);
    ck_assert_uint_eq(after.c_lflag, s->before.c_lflag);
    ck_assert_uint_eq(after.c_oflag, s->before.c_oflag);
    ck_assert_uint_eq(after.c_iflag, s->before.c_iflag);
    close(s->master);
    close(s->slave);
    vga_rig_close(s->g);
    free(s);
}

static void ck_has(const char *out, const char *what)
{
    ck_assert_msg(strstr(out, what) != NULL, "no \"%s\" in \"%s\"", what, out);
}

START_TEST(test_shows_text)
{
    struct screen *s = open_screen("xterm", "C.UTF-8", 25);

    text(s, 5, "Hello", 0x07);
    text(s, 85, "\xc9\xcd\xbb\xb0", 0x1e);
    rig_pass(&s->g->r, NS_PER_SEC / 10);
    ck_has(output(s), "Hello");
    ck_has(s->out, "╔═╗░");
    ck_has(s->out, "1m\033[33m\033[44m"); /* bright yellow on blue */
    rig_pass(&s->g->r, NS_PER_SEC / 10);
    ck_assert_str_eq(output(s), ""); /* nothing changed */
    text(s, 160, "more", 0x07);
    rig_pass(&s->g->r, NS_PER_SEC / 10);
    ck_has(output(s), "more");
    ck_assert_ptr_null(strstr(s->out, "Hello"));
    set_mode(s->g, MODE_12);
    rig_pass(&s->g->r, NS_PER_SEC / 10);
    ck_has(output(s), "640 x 480");
    close_screen(s);
}
END_TEST

START_TEST(test_without_unicode)
{
    struct screen *s = open_screen("vt100", "C", 25);

    text(s, 5, "\xc9\xcd\xbb\x01\xdb", 0x07);
    rig_pass(&s->g->r, NS_PER_SEC / 10);
    ck_has(output(s), "+-+?#");
    close_screen(s);
}
END_TEST

/* Too few rows: those at the cursor. */
START_TEST(test_small_terminal)
{
    struct screen *s = open_screen("xterm", "C.UTF-8", 10);
    struct winsize size = {.ws_row = 25, .ws_col = 80};

    text(s, 0, "first", 7);
    text(s, 20 * 80, "prompt", 7);
    out_index(s->g, 0x3d4, 0x0a, 13);
    out_index(s->g, 0x3d4, 0x0e, 1606 >> 8);
    out_index(s->g, 0x3d4, 0x0f, 1606 & 255);
    rig_pass(&s->g->r, NS_PER_SEC / 10);
    ck_has(output(s), "prompt");
    ck_assert_ptr_null(strstr(s->out, "first"));
    ioctl(s->slave, TIOCSWINSZ, &size);
    rig_pass(&s->g->r, NS_PER_SEC / 10);
    ck_has(output(s), "first");
    close_screen(s);
}
END_TEST

START_TEST(test_keys)
{
    struct screen *s = open_screen("xterm", "C.UTF-8", 25);

    ck_assert_int_eq(write(s->master, "aB\033[A", 5), 5);
    terminal_pump(&s->terminal);
    ck_assert_str_eq(s->keys, "+1e -1e +2a +30 -30 -2a +c8 -c8 ");
    s->keys[0] = 0;
    s->full = true; /* waits until there is room */
    ck_assert_int_eq(write(s->master, "c", 1), 1);
    terminal_pump(&s->terminal);
    ck_assert_str_eq(s->keys, "");
    s->full = false;
    rig_pass(&s->g->r, NS_PER_SEC / 10);
    ck_assert_str_eq(s->keys, "+2e -2e ");
    s->keys[0] = 0;
    ck_assert_int_eq(write(s->master, "\033", 1), 1);
    terminal_pump(&s->terminal);
    ck_assert_str_eq(s->keys, "");
    rig_pass(&s->g->r, NS_PER_SEC / 5); /* nothing follows: the key */
    ck_assert_str_eq(s->keys, "+01 -01 ");
    ck_assert_int_eq(write(s->master, "\001x", 2), 2);
    ck_assert_int_eq(terminal_pump(&s->terminal), TERMINAL_QUIT);
    close_screen(s);
}
END_TEST

/* A fatal signal's way out: terminal_restore() alone leaves the alternate screen. */
START_TEST(test_leaves_screen)
{
    struct screen *s = open_screen("xterm", "C.UTF-8", 25);

    ck_has(output(s), "\033[?1049h");
    terminal_restore(&s->terminal);
    ck_has(output(s), "\033[?1049l");
    close_screen(s);
    s = open_screen("xterm", "C.UTF-8", 25);
    output(s);
    display_close(s->display);
    s->display = NULL;
    ck_has(output(s), "\033[?1049l");
    close_screen(s);
}
END_TEST

/* ncurses' handlers would run on the guest's stack. */
START_TEST(test_no_signal_handlers)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGTSTP, SIGWINCH};
    struct sigaction before[ARRAY_SIZE(signals)], after;
    struct screen *s;

    for (unsigned i = 0; i < ARRAY_SIZE(signals); i++)
        sigaction(signals[i], NULL, &before[i]);
    s = open_screen("xterm", "C.UTF-8", 25);
    for (unsigned i = 0; i < ARRAY_SIZE(signals); i++) {
        sigaction(signals[i], NULL, &after);
        ck_assert(after.sa_handler == before[i].sa_handler);
    }
    close_screen(s);
}
END_TEST

START_TEST(test_refusals)
{
    struct screen s = {.g = vga_rig_open()};
    struct display_config cfg = config(&s);
    struct display_error err;
    int fd = open("/dev/null", O_RDWR);

    terminal_init(&s.terminal, fd, fd, true);
    ck_assert_int_eq(display_open(&s.display, &cfg, &err), -ENOTTY);
    ck_has(err.text, "needs a terminal");
    ck_assert_int_eq(openpty(&s.master, &s.slave, NULL, NULL, NULL), 0);
    terminal_init(&s.terminal, s.slave, s.slave, true);
    setenv("TERM", "no-such-terminal", 1);
    ck_assert_int_eq(display_open(&s.display, &cfg, &err), -ENOTTY);
    ck_has(err.text, "no-such-terminal");
    close(fd);
    vga_rig_close(s.g);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {test_shows_text, test_without_unicode, test_small_terminal,
                                  test_keys,       test_leaves_screen,   test_no_signal_handlers,
                                  test_refusals};

    return run_tests("curses", tests, ARRAY_SIZE(tests));
}
