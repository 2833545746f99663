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

/* Code page 437, the PC's character set. */
static const uint16_t cp437[256] = {
    0x0020, 0x263a, 0x263b, 0x2665, 0x2666, 0x2663, 0x2660, 0x2022, 0x25d8, 0x25cb, 0x25d9, 0x2642,
    0x2640, 0x266a, 0x266b, 0x263c, 0x25ba, 0x25c4, 0x2195, 0x203c, 0x00b6, 0x00a7, 0x25ac, 0x21a8,
    0x2191, 0x2193, 0x2192, 0x2190, 0x221f, 0x2194, 0x25b2, 0x25bc, 0x0020, 0x0021, 0x0022, 0x0023,
    0x0024, 0x0025, 0x0026, 0x0027, 0x0028, 0x0029, 0x002a, 0x002b, 0x002c, 0x002d, 0x002e, 0x002f,
    0x0030, 0x0031, 0x0032, 0x0033, 0x0034, 0x0035, 0x0036, 0x0037, 0x0038, 0x0039, 0x003a, 0x003b,
    0x003c, 0x003d, 0x003e, 0x003f, 0x0040, 0x0041, 0x0042, 0x0043, 0x0044, 0x0045, 0x0046, 0x0047,
    0x0048, 0x0049, 0x004a, 0x004b, 0x004c, 0x004d, 0x004e, 0x004f, 0x0050, 0x0051, 0x0052, 0x0053,
    0x0054, 0x0055, 0x0056, 0x0057, 0x0058, 0x0059, 0x005a, 0x005b, 0x005c, 0x005d, 0x005e, 0x005f,
    0x0060, 0x0061, 0x0062, 0x0063, 0x0064, 0x0065, 0x0066, 0x0067, 0x0068, 0x0069, 0x006a, 0x006b,
    0x006c, 0x006d, 0x006e, 0x006f, 0x0070, 0x0071, 0x0072, 0x0073, 0x0074, 0x0075, 0x0076, 0x0077,
    0x0078, 0x0079, 0x007a, 0x007b, 0x007c, 0x007d, 0x007e, 0x2302, 0x00c7, 0x00fc, 0x00e9, 0x00e2,
    0x00e4, 0x00e0, 0x00e5, 0x00e7, 0x00ea, 0x00eb, 0x00e8, 0x00ef, 0x00ee, 0x00ec, 0x00c4, 0x00c5,
    0x00c9, 0x00e6, 0x00c6, 0x00f4, 0x00f6, 0x00f2, 0x00fb, 0x00f9, 0x00ff, 0x00d6, 0x00dc, 0x00a2,
    0x00a3, 0x00a5, 0x20a7, 0x0192, 0x00e1, 0x00ed, 0x00f3, 0x00fa, 0x00f1, 0x00d1, 0x00aa, 0x00ba,
    0x00bf, 0x2310, 0x00ac, 0x00bd, 0x00bc, 0x00a1, 0x00ab, 0x00bb, 0x2591, 0x2592, 0x2593, 0x2502,
    0x2524, 0x2561, 0x2562, 0x2556, 0x2555, 0x2563, 0x2551, 0x2557, 0x255d, 0x255c, 0x255b, 0x2510,
    0x2514, 0x2534, 0x252c, 0x251c, 0x2500, 0x253c, 0x255e, 0x255f, 0x255a, 0x2554, 0x2569, 0x2566,
    0x2560, 0x2550, 0x256c, 0x2567, 0x2568, 0x2564, 0x2565, 0x2559, 0x2558, 0x2552, 0x2553, 0x256b,
    0x256a, 0x2518, 0x250c, 0x2588, 0x2584, 0x258c, 0x2590, 0x2580, 0x03b1, 0x00df, 0x0393, 0x03c0,
    0x03a3, 0x03c3, 0x00b5, 0x03c4, 0x03a6, 0x0398, 0x03a9, 0x03b4, 0x221e, 0x03c6, 0x03b5, 0x2229,
    0x2261, 0x00b1, 0x2265, 0x2264, 0x2320, 0x2321, 0x00f7, 0x2248, 0x00b0, 0x2219, 0x00b7, 0x221a,
    0x207f, 0x00b2, 0x25a0, 0x0020,
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
