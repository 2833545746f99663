/* The text screen in the user's terminal: ncurses draws; keys come as bytes from host/terminal,
 * which has taken its own out and puts the terminal's mode back on every way out. */
#define NCURSES_WIDECHAR 1
#include "display/viewer.h"

#include <curses.h>
#include <errno.h>
#include <langinfo.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "display/cp437.h"
#include "display/termkeys.h"

struct curses {
    struct display_config cfg;
    struct keyboard keyboard;
    struct termkeys keys;
    unsigned idle; /* refreshes since the last byte */
    SCREEN *screen;
    FILE *out;
    bool unicode, drawn;
    unsigned lines, columns; /* of the terminal */
    struct vga_text now, shown;
};

/* ---- drawing ---- */

/* What a terminal without Unicode shows. */
static wchar_t plain(unsigned character)
{
    static const char lines[] = "|++++++|+++++++++-++++++++-+++++++++++++";

    if (character >= ' ' && character < 0x7f)
        return (wchar_t)character;
    if (character >= 0xb3 && character < 0xb3 + sizeof(lines) - 1)
        return lines[character - 0xb3];
    if (character >= 0xb0 && character <= 0xdf)
        return '#';
    return cp437[character] == ' ' ? ' ' : '?';
}

/* The VGA counts blue, green, red; terminals red, green, blue. */
static unsigned swap(unsigned color)
{
    return (color & 1) << 2 | (color & 2) | (color >> 2 & 1);
}

/* Pair 0 is the terminal's own: light grey on black. */
static short pair_of(unsigned attr)
{
    return (short)((swap(attr & 7) ^ 7) | swap(attr >> 4 & 7) << 3);
}

static void init_colors(void)
{
    if (!has_colors() || start_color() == ERR)
        return;
    for (unsigned attr = 0; attr < 128; attr++)
        if (!(attr & 8) && pair_of(attr) > 0 && pair_of(attr) < COLOR_PAIRS)
            init_pair(pair_of(attr), (short)swap(attr & 7), (short)swap(attr >> 4));
}

static void draw_cell(const struct curses *c, int y, int x, uint16_t cell)
{
    wchar_t text[2] = {0};
    attr_t attr = cell >> 8 & 8 ? A_BOLD : A_NORMAL;
    short pair = has_colors() ? pair_of(cell >> 8) : 0;
    cchar_t out;

    text[0] = c->unicode ? (wchar_t)cp437[cell & 0xff] : plain(cell & 0xff);
    if (!has_colors() && (cell >> 12 & 7) > (cell >> 8 & 7))
        attr |= A_REVERSE;
    setcchar(&out, text, attr, pair < COLOR_PAIRS ? pair : 0, NULL);
    mvadd_wch(y, x, &out);
}

/* A terminal that is too small shows the rows that end at the cursor's. */
static unsigned first_row(const struct curses *c)
{
    unsigned rows = c->now.rows, last = c->now.cursor ? c->now.cursor_row + 1 : rows;

    if (rows <= c->lines)
        return 0;
    return last > c->lines ? last - c->lines : 0;
}

static void draw_text(struct curses *c)
{
    unsigned top = first_row(c), rows = c->now.rows - top;

    for (unsigned y = 0; y < rows && y < c->lines; y++)
        for (unsigned x = 0; x < c->now.columns && x < c->columns; x++)
            draw_cell(c, (int)y, (int)x, c->now.cell[top + y][x]);
    curs_set(c->now.cursor);
    if (c->now.cursor)
        move((int)(c->now.cursor_row - top), (int)c->now.cursor_column);
}

static void draw_notice(struct curses *c)
{
    unsigned width, height;

    vga_size(c->cfg.vga, &width, &height);
    curs_set(0);
    mvprintw(0, 0, "[graphics, or the screen is off: %u x %u]", width, height);
}

static bool same_text(const struct vga_text *a, const struct vga_text *b)
{
    if (a->columns != b->columns || a->rows != b->rows || a->cursor != b->cursor ||
        a->cursor_row != b->cursor_row || a->cursor_column != b->cursor_column)
        return false;
    for (unsigned y = 0; y < a->rows; y++)
        for (unsigned x = 0; x < a->columns; x++)
            if (a->cell[y][x] != b->cell[y][x])
                return false;
    return true;
}

/* ncurses' own handler of SIGWINCH is not installed: see quiet_newterm(). */
static void follow_size(struct curses *c)
{
    struct winsize size;

    if (ioctl(fileno(c->out), TIOCGWINSZ, &size) < 0 || !size.ws_row || !size.ws_col)
        size = (struct winsize){.ws_row = 24, .ws_col = 80};
    if (size.ws_row == c->lines && size.ws_col == c->columns)
        return;
    c->lines = size.ws_row;
    c->columns = size.ws_col;
    resizeterm(size.ws_row, size.ws_col);
    c->drawn = false;
}

static void show(struct curses *c)
{
    bool text = vga_text(c->cfg.vga, &c->now);

    follow_size(c);
    if (c->drawn && same_text(&c->now, &c->shown))
        return;
    if (!c->drawn || c->now.columns != c->shown.columns || c->now.rows != c->shown.rows)
        clear();
    if (text)
        draw_text(c);
    else
        draw_notice(c);
    refresh();
    c->shown = c->now;
    c->drawn = true;
}

/* ---- keys ---- */

static size_t can_receive(void *dev)
{
    struct curses *c = dev;

    return keyboard_ready(&c->keyboard) ? 1 : 0;
}

static void receive(void *dev, const uint8_t *buf, size_t len)
{
    struct curses *c = dev;
    struct termkey key;

    c->idle = 0;
    for (size_t i = 0; i < len; i++)
        if (termkeys_feed(&c->keys, buf[i], &key))
            keyboard_type(&c->keyboard, key.keysym, key.modifiers);
}

static uint64_t curses_refresh(void *viewer)
{
    enum { ESCAPE_REFRESHES = 2 }; /* 33 to 66 ms: a sequence has come whole by then */
    struct curses *c = viewer;
    struct termkey key;

    chardev_sink_ready(&c->cfg.terminal->dev);
    if (++c->idle == ESCAPE_REFRESHES && termkeys_idle(&c->keys, &key))
        keyboard_type(&c->keyboard, key.keysym, key.modifiers);
    show(c);
    return VIEWER_REFRESH_NS;
}

/* ---- begin and end ---- */

/* ncurses installs signal handlers without SA_ONSTACK. Where translated code has its own stack
 * pointer, such a handler would run on the guest's stack: all of them are taken out again. */
static SCREEN *quiet_newterm(FILE *out)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGTSTP, SIGWINCH};
    struct sigaction before[ARRAY_SIZE(signals)];
    SCREEN *screen;

    for (unsigned i = 0; i < ARRAY_SIZE(signals); i++)
        sigaction(signals[i], NULL, &before[i]);
    screen = newterm(NULL, out, stdin);
    for (unsigned i = 0; i < ARRAY_SIZE(signals); i++)
        sigaction(signals[i], &before[i], NULL);
    return screen;
}

/* What a signal handler writes in endwin()'s place; delays ($<5>) are for terminals of paper. */
static void note_leave(struct terminal *t)
{
    static const char *const caps[] = {"rmkx", "sgr0", "cnorm", "rmcup"};
    char text[TERMINAL_LEAVE_BYTES] = "";

    for (unsigned i = 0; i < ARRAY_SIZE(caps); i++) {
        char name[8];
        const char *cap;

        snprintf(name, sizeof(name), "%s", caps[i]);
        cap = tigetstr(name);
        if (cap && cap != (const char *)-1)
            strncat(text, cap,
                    strcspn(cap, "$") < sizeof(text) - 1 - strlen(text) ? strcspn(cap, "$") : 0);
    }
    terminal_set_leave(t, text);
}

static void curses_close(void *viewer)
{
    struct curses *c = viewer;

    c->cfg.terminal->dev.sink = (struct chardev_sink){0};
    if (c->screen) {
        endwin();
        delscreen(c->screen);
        terminal_set_leave(c->cfg.terminal, "");
    }
    if (c->out)
        fclose(c->out);
    free(c);
}

static int start(struct curses *c, struct display_error *err)
{
    const struct terminal *t = c->cfg.terminal;
    int fd;

    if (!t->is_tty || !isatty(t->out_fd))
        return viewer_fail(err, -ENOTTY, "the curses display needs a terminal");
    fd = dup(t->out_fd);
    c->out = fd >= 0 ? fdopen(fd, "w") : NULL;
    if (!c->out)
        return viewer_fail(err, -errno, "the terminal: %s", strerror(errno));
    setlocale(LC_CTYPE, "");
    c->unicode = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
    c->screen = quiet_newterm(c->out);
    if (!c->screen) {
        const char *name = getenv("TERM");

        return viewer_fail(err, -ENOTTY, "ncurses knows no terminal of type \"%s\" (TERM)",
                           name ? name : "");
    }
    init_colors();
    nonl();
    leaveok(stdscr, FALSE);
    note_leave(c->cfg.terminal);
    return 0;
}

static int curses_open(void **viewer, const struct display_config *cfg, struct display_error *err)
{
    struct curses *c;
    int rc;

    if (!cfg->terminal)
        return 0;
    c = calloc(1, sizeof(*c));
    if (!c)
        return viewer_fail(err, -ENOMEM, "no memory for the display");
    c->cfg = *cfg;
    c->keyboard.sink = cfg->input;
    rc = start(c, err);
    if (rc < 0) {
        curses_close(c);
        return rc;
    }
    cfg->terminal->dev.sink = (struct chardev_sink){can_receive, receive, c};
    *viewer = c;
    return 0;
}

const struct viewer_ops viewer_curses = {curses_open, curses_refresh, curses_close};
