/* session.h - one client's side of a monitor, without the wire: bytes in, text out.
 *
 *   mon_session_init -> mon_session_feed .. -> mon_session_fini
 *
 * Bytes are a client's and hostile: lines and JSON values have limits, what is not understood is
 * answered with an error. Answers are appended to `out`; whoever owns the wire takes them from
 * there, and feeds nothing while more than MON_OUT_BUSY wait. `closing`: the client gets what waits
 * and is then dropped.
 */
#ifndef DRAGOMAN_MONITOR_SESSION_H
#define DRAGOMAN_MONITOR_SESSION_H

#include "monitor/command.h"
#include "monitor/json_frame.h"

enum monitor_kind { MONITOR_HMP, MONITOR_QMP };

enum {
    MON_LINE_BYTES = 4096,
    MON_HISTORY = 16,
    MON_OUT_BUSY = 64 * 1024,
    MON_ANSWER_LIMIT = 512 * 1024, /* of one command */
    MON_OUT_LIMIT = 2 * 1024 * 1024,
};

/* A line that a human edits. */
struct mon_line {
    char text[MON_LINE_BYTES];
    size_t len;
    bool too_long;
    uint8_t escape; /* bytes of a key's sequence so far */
    char *history[MON_HISTORY];
    unsigned nhistory, shown; /* shown: nhistory when none is */
};

struct mon_session {
    enum monitor_kind kind;
    const struct monitor_machine *machine;
    struct mon_keys *keys;
    struct mon_text out;
    bool closing;

    bool echo; /* a raw terminal: shows what is typed */
    struct mon_line line;

    bool pretty, negotiated;
    struct json_frame frame;
};

/* False: QMP, built without its library. */
bool mon_session_knows(enum monitor_kind kind);
void mon_session_init(struct mon_session *s, enum monitor_kind kind,
                      const struct monitor_machine *machine, struct mon_keys *keys);
void mon_session_fini(struct mon_session *s);
/* What a client sees first. */
void mon_session_greet(struct mon_session *s);
/* Something that the machine did; `data` is a JSON object or NULL. */
void mon_session_event(struct mon_session *s, const char *name, const char *data);
/* Returns how much was taken: all, unless the session is closing or much waits in `out` already. */
size_t mon_session_feed(struct mon_session *s, const uint8_t *data, size_t len);

/* hmp.c */
void mon_hmp_greet(struct mon_session *s);
void mon_hmp_feed(struct mon_session *s, uint8_t byte);
/* One line without its end; what it prints goes to out. */
void mon_hmp_run(const struct monitor_machine *machine, struct mon_keys *keys, const char *line,
                 struct mon_text *out);

/* qmp.c */
void mon_qmp_greet(struct mon_session *s);
void mon_qmp_feed(struct mon_session *s, uint8_t byte);
/* Nothing for a client that has not negotiated. */
void mon_qmp_event(struct mon_session *s, const char *name, const char *data);

#endif
