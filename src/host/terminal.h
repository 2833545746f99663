/* terminal.h - the user's terminal as a character device, and the keys that leave it.
 *
 * Owns the mode of the input terminal: raw from terminal_enter_raw() to
 * terminal_restore(), which may be called any number of times, from signal handlers
 * too. terminal_hook_signals() makes sure that a fatal signal restores it as well.
 *
 * Input: terminal_pump() never blocks. It reads whatever there is, takes the escape
 * keys out and feeds the rest to the device behind `dev`; what the device does not
 * take yet waits in `queue`. So Ctrl-A x is seen even when the guest reads nothing.
 * Input may be a pipe or a file: its end is no reason to leave, there is just no more.
 * Any other descriptor works too: output to a file is a terminal with in_fd -1.
 * While `to_other` is set, what is typed goes to `other` instead of the device's queue.
 *
 * Everything but terminal_restore() and the signal hook runs on the vCPU thread.
 */
#ifndef DRAGOMAN_HOST_TERMINAL_H
#define DRAGOMAN_HOST_TERMINAL_H

#include <signal.h>
#include <termios.h>

#include "base/backend.h"
#include "base/types.h"

enum terminal_event {
    TERMINAL_NOTHING, /* no key of ours was pressed           */
    TERMINAL_QUIT,    /* Ctrl-A x                             */
    TERMINAL_HELP,    /* Ctrl-A h, Ctrl-A ?                   */
    TERMINAL_STATS,   /* Ctrl-A s                             */
    TERMINAL_MONITOR, /* Ctrl-A c: between guest and monitor  */
};

/* The escape parser: a pure state machine. */
struct escape {
    bool armed; /* the last byte was Ctrl-A */
};

/* Takes one byte. Returns the key's event, if it was one. *to_guest says whether the guest shall
 * get the byte; Ctrl-A a and Ctrl-A Ctrl-A give it one Ctrl-A, which is then in *byte. Unknown
 * keys after Ctrl-A are dropped. */
enum terminal_event escape_feed(struct escape *e, uint8_t *byte, bool *to_guest);

enum { TERMINAL_QUEUE = 65536 }; /* a power of two */
enum { TERMINAL_LEAVE_BYTES = 128 };

struct terminal {
    struct chardev dev;        /* the guest's device connects here */
    struct chardev_sink other; /* takes whatever it gets */
    bool to_other;
    int in_fd;   /* -1: no input */
    bool in_end; /* there is no more input */
    int out_fd;
    bool escapes;  /* look for Ctrl-A keys */
    bool is_tty;   /* in_fd is a terminal */
    int out_error; /* errno of the first failed write (a full disk..); 0: all is well */
    volatile sig_atomic_t raw;
    struct termios original, raw_mode;
    char leave[TERMINAL_LEAVE_BYTES]; /* what terminal_restore() writes first */
    volatile sig_atomic_t leave_len;
    struct escape escape;
    uint8_t chunk[256]; /* read, but not looked at: [chunk_at, chunk_len) */
    uint16_t chunk_at, chunk_len;
    uint32_t head, tail; /* queue[tail .. head) waits for the guest, modulo TERMINAL_QUEUE */
    uint8_t queue[TERMINAL_QUEUE];
};

/* Descriptors stay the caller's. Changes nothing. */
void terminal_init(struct terminal *t, int in_fd, int out_fd, bool escapes);

/* Raw mode, when in_fd is a terminal; else does nothing. Returns 0 or -errno. */
int terminal_enter_raw(struct terminal *t) MUST_CHECK;

/* Bytes, fewer than TERMINAL_LEAVE_BYTES, that undo what was done to the screen. */
void terminal_set_leave(struct terminal *t, const char *text);

/* Back to the mode before. Async-signal-safe, idempotent. */
void terminal_restore(struct terminal *t);

/* SIGTERM, SIGINT, SIGHUP, SIGQUIT and SIGABRT restore the terminal and then do what they do;
 * SIGCONT makes it raw again; SIGPIPE is ignored. The process's only hook: one terminal at a
 * time. Handlers run on the alternate stack when there is one. NULL: unhooks. Whoever handles
 * SIGSEGV, SIGBUS, SIGILL or SIGFPE itself calls terminal_restore_hooked() before dying. */
int terminal_hook_signals(struct terminal *t) MUST_CHECK;
void terminal_restore_hooked(void);

/* Reads, looks for keys, feeds the device. Call when in_fd is readable, until it returns
 * TERMINAL_NOTHING: it returns at each key, and keeps what follows. A device that was full gets
 * the rest when it calls dev.sink_ready. */
enum terminal_event terminal_pump(struct terminal *t);

/* True when in_fd is worth polling: there is input to come and room for it. */
bool terminal_wants_input(const struct terminal *t);

/* Writes all of it to out_fd, waiting when it is full. Errors go to out_error. */
void terminal_write(struct terminal *t, const void *buf, size_t len);

/* Text for the user, from the monitor itself: ends each line with CR LF while raw. */
void terminal_say(struct terminal *t, const char *text);

/* What Ctrl-A h shows. */
extern const char terminal_help[];

#endif
