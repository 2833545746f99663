#include "monitor/session.h"

#include <stdlib.h>
#include <string.h>

struct protocol {
    void (*greet)(struct mon_session *s);
    void (*feed)(struct mon_session *s, uint8_t byte);
    void (*event)(struct mon_session *s, const char *name, const char *data); /* may be NULL */
};

static const struct protocol protocols[] = {
    [MONITOR_HMP] = {mon_hmp_greet, mon_hmp_feed, NULL},
#ifdef DRAGOMAN_QMP
    [MONITOR_QMP] = {mon_qmp_greet, mon_qmp_feed, mon_qmp_event},
#endif
};

bool mon_session_knows(enum monitor_kind kind)
{
    return kind < ARRAY_SIZE(protocols) && protocols[kind].greet;
}

void mon_session_init(struct mon_session *s, enum monitor_kind kind,
                      const struct monitor_machine *machine, struct mon_keys *keys)
{
    memset(s, 0, sizeof(*s));
    s->kind = kind;
    s->machine = machine;
    s->keys = keys;
    s->out.limit = MON_OUT_LIMIT;
}

void mon_session_fini(struct mon_session *s)
{
    for (unsigned i = 0; i < s->line.nhistory; i++)
        free(s->line.history[i]);
    json_frame_free(&s->frame);
    mon_free(&s->out);
}

void mon_session_greet(struct mon_session *s)
{
    protocols[s->kind].greet(s);
}

void mon_session_event(struct mon_session *s, const char *name, const char *data)
{
    if (protocols[s->kind].event)
        protocols[s->kind].event(s, name, data);
}

size_t mon_session_feed(struct mon_session *s, const uint8_t *data, size_t len)
{
    size_t n = 0;

    while (n < len && !s->closing && s->out.len <= MON_OUT_BUSY)
        protocols[s->kind].feed(s, data[n++]);
    return n;
}
