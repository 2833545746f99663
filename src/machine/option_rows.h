/* option_rows.h - one row per option: its name, its help and the function that sets it.
 *
 * Private to options.c (which splits the words) and option_rows.c (which understands the
 * values). Adding an option is one row and one function there.
 */
#ifndef DRAGOMAN_MACHINE_OPTION_ROWS_H
#define DRAGOMAN_MACHINE_OPTION_ROWS_H

#include "base/types.h"
#include "machine/options.h"

enum option_group {
    OPTION_BOOT,
    OPTION_MACHINE,
    OPTION_DEVICES,
    OPTION_MONITOR,
    OPTION_DEBUG,
    OPTION_ACCEPTED,
    OPTION_OTHER,
    OPTION_GROUPS,
};

struct option_parse;

struct option_row {
    const char *name;
    const char *value; /* how help calls it; NULL: the option has none */
    enum option_group group;
    int (*set)(struct option_parse *p, const char *value); /* 0, or option_fail() */
    const char *help;                                      /* NULL: another spelling, not listed */
    const char *only; /* the one value that is accepted; NULL: set() decides */
    bool may_be_empty;
};

/* -chardev: what -mon names. */
struct option_chardev {
    char id[64];
    struct monitor_address at;
};

struct option_parse {
    struct options *o;
    struct options_error *err;
    const struct option_row *row; /* the option at hand; NULL: none */
    bool engine_chosen, serial_chosen, com2_chosen;
    const char *foreign_engine; /* first one asked for that is QEMU's, not ours */
    bool image_by_option;
    struct option_chardev chardev[MONITOR_MAX];
    unsigned nchardevs;
};

extern const struct option_row option_rows[];
extern const unsigned option_nrows;
extern const char option_engines[]; /* a sentence that names the engines */

/* Fills in err->text, which starts with the option at hand. Returns -EINVAL. */
int option_fail(struct option_parse *p, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* A number, decimal or 0x..; *end is what follows. False: there is none, or it is too large. */
bool option_number(const char *s, uint64_t *n, const char **end);
bool option_has_prefix(const char *s, const char *prefix);

/* option_drives.c: the functions of its rows. */
int option_set_boot(struct option_parse *p, const char *value);
int option_set_disk(struct option_parse *p, const char *value);
int option_set_drive(struct option_parse *p, const char *value);

/* option_display.c: the functions of its rows, and what fits together when all are known. */
int option_set_display(struct option_parse *p, const char *value);
int option_set_vnc(struct option_parse *p, const char *value);
int option_set_nographic(struct option_parse *p, const char *value);
int option_set_screendump(struct option_parse *p, const char *value);
int option_check_display(struct option_parse *p);

/* option_monitor.c: the same. */
int option_set_monitor(struct option_parse *p, const char *value);
int option_set_qmp(struct option_parse *p, const char *value);
int option_set_qmp_pretty(struct option_parse *p, const char *value);
int option_set_start_paused(struct option_parse *p, const char *value);
int option_set_no_shutdown(struct option_parse *p, const char *value);
int option_set_chardev(struct option_parse *p, const char *value);
int option_set_mon(struct option_parse *p, const char *value);
int option_check_monitor(struct option_parse *p);

/* True when the len characters at s are `word`. */
bool option_is_word(const char *s, size_t len, const char *word);

#endif
