/* command.h - a command of both monitors: a name, typed arguments, a function.
 *
 * The human monitor takes arguments by place, QMP by name; a command sees values. What it returns
 * to a human it prints to `out`; QMP answers {} then. Queries, which return data, are rows of their
 * own (info.c, qmp_query.c).
 */
#ifndef DRAGOMAN_MONITOR_COMMAND_H
#define DRAGOMAN_MONITOR_COMMAND_H

#include "monitor/machine.h"
#include "monitor/text.h"

enum mon_type {
    MON_NO_ARG, /* ends a list */
    MON_WORD,   /* to the next blank, or in quotes; QMP: a string */
    MON_REST,   /* the rest of the line */
    MON_EXPR,   /* what expr.h understands; QMP: an integer */
    MON_INT,    /* a signed number */
    MON_FLAG,   /* -x, x being the name's first letter; QMP: a boolean */
    MON_FORMAT, /* /fmt */
    MON_JSON,   /* QMP only: anything, for the command to look at */
};

enum { MON_OPTIONAL = 1, MON_QMP_ONLY = 2 };

struct mon_arg {
    const char *name;
    enum mon_type type;
    unsigned how;
};

enum { MON_ARGS = 7, MON_WORD_BYTES = 1024 };

/* /fmt of x, xp and print. */
struct mon_format {
    unsigned count, size; /* size in bytes */
    char as;              /* x d u o c i */
};

struct mon_value {
    bool set;
    char text[MON_WORD_BYTES]; /* WORD, REST */
    uint64_t n;                /* EXPR, INT, FLAG */
    struct mon_format format;
    const void *json;
};

enum mon_error_class { MON_GENERIC, MON_NO_COMMAND, MON_NO_DEVICE, MON_NOT_NEGOTIATED };

/* Keys that sendkey holds. */
enum { MON_HELD_KEYS = 16 };

struct mon_keys {
    struct timer release;
    const struct monitor_machine *machine;
    unsigned key[MON_HELD_KEYS], n;
    unsigned mouse_buttons; /* as last set */
};

struct mon_call {
    const struct monitor_machine *machine;
    struct mon_keys *keys;
    struct mon_value arg[MON_ARGS]; /* as the row has them */
    struct mon_text *out;
    enum mon_error_class class;
    char error[1024];
};

struct mon_command {
    const char *hmp; /* names with | between; NULL: none */
    const char *qmp; /* NULL: none */
    struct mon_arg arg[MON_ARGS];
    int (*run)(struct mon_call *c); /* 0, or mon_fail() */
    const char *params, *help;      /* for humans */
};

extern const struct mon_command mon_commands[];
extern const unsigned mon_ncommands;

/* `info`: word and what it prints. */
struct mon_info {
    const char *name;
    void (*print)(struct mon_call *c);
    const char *help;
};

extern const struct mon_info mon_infos[];
extern const unsigned mon_ninfos;

/* Fills in c->error; returns -EINVAL. */
int mon_fail(struct mon_call *c, const char *fmt, ...) PRINTF_LIKE(2, 3);
int mon_fail_device(struct mon_call *c, const char *name);

/* The row of a human's word, or of a QMP name; NULL: there is none. */
const struct mon_command *mon_find_hmp(const char *word);
const struct mon_command *mon_find_qmp(const char *name);

const char *mon_state_name(enum monitor_state s);
bool mon_state_runs(enum monitor_state s);
/* QMP's word for the medium's format. */
const char *mon_drive_format(const struct monitor_drive *d);

/* By QEMU's name of the drive; *n is its number. */
int mon_find_drive(struct mon_call *c, const char *id, struct monitor_drive *d, unsigned *n);

/* keys.c: QEMU's names (QKeyCode) of keys as devices/ps2_keys.h numbers them. */
bool mon_key_of(const char *name, size_t len, unsigned *key);
/* Presses them in order, releases them after hold_ms of the guest's time. */
int mon_press_keys(struct mon_call *c, const unsigned *key, unsigned n, uint64_t hold_ms);
void mon_release_keys(struct mon_keys *k);

/* The functions of the rows. */
int mon_memsave(struct mon_call *c);
int mon_pmemsave(struct mon_call *c);
int mon_x(struct mon_call *c);
int mon_xp(struct mon_call *c);
int mon_print_value(struct mon_call *c);
int mon_sendkey(struct mon_call *c);
int mon_mouse_move(struct mon_call *c);
int mon_mouse_button(struct mon_call *c);
int mon_screendump(struct mon_call *c);
int mon_eject(struct mon_call *c);
int mon_change(struct mon_call *c);
int mon_commit(struct mon_call *c);

void mon_info_mem(struct mon_call *c);
void mon_info_tlb(struct mon_call *c);
void mon_info_mtree(struct mon_call *c);
void mon_info_pic(struct mon_call *c);
void mon_info_irq(struct mon_call *c);
void mon_info_pci(struct mon_call *c);

#endif
