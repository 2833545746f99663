#include "monitor/address.h"

#include <errno.h>
#include <string.h>

static int fail(const char **bad, const char *why)
{
    *bad = why;
    return -EINVAL;
}

static bool is_word(const char *s, size_t len, const char *word)
{
    return strlen(word) == len && memcmp(s, word, len) == 0;
}

/* Words behind the place; QEMU's old spelling and its new one. */
static const struct {
    const char *word;
    size_t at; /* a bool of struct monitor_address */
    bool value;
} flags[] = {
    {"server", offsetof(struct monitor_address, server), true},
    {"server=on", offsetof(struct monitor_address, server), true},
    {"server=off", offsetof(struct monitor_address, server), false},
    {"nowait", offsetof(struct monitor_address, wait), false},
    {"wait", offsetof(struct monitor_address, wait), true},
    {"wait=off", offsetof(struct monitor_address, wait), false},
    {"wait=on", offsetof(struct monitor_address, wait), true},
};

static bool parse_flag(struct monitor_address *a, const char *word, size_t len)
{
    for (unsigned i = 0; i < ARRAY_SIZE(flags); i++) {
        if (!is_word(word, len, flags[i].word))
            continue;
        *(bool *)((char *)a + flags[i].at) = flags[i].value;
        return true;
    }
    return false;
}

static int parse_flags(struct monitor_address *a, const char *s, const char **bad)
{
    while (*s == ',') {
        size_t len = strcspn(++s, ",");

        if (!parse_flag(a, s, len))
            return fail(bad, "behind the address there are only server, nowait, server=on|off and "
                             "wait=on|off");
        s += len;
    }
    return 0;
}

static int parse_unix(struct monitor_address *a, const char *s, const char **bad)
{
    size_t len = strcspn(s, ",");

    if (len == 0 || len >= sizeof(a->path))
        return fail(bad, "the path of a socket has 1 to 107 bytes and no comma");
    memcpy(a->path, s, len);
    return parse_flags(a, s + len, bad);
}

static int parse_tcp(struct monitor_address *a, const char *s, const char **bad)
{
    static const char *const loopback[] = {"", "127.0.0.1", "localhost"};
    size_t len = strcspn(s, ":,");
    unsigned port = 0;
    bool ours = false;

    for (unsigned i = 0; i < ARRAY_SIZE(loopback); i++)
        ours |= is_word(s, len, loopback[i]);
    if (!ours || s[len] != ':')
        return fail(bad, "a monitor listens on this host only: tcp:127.0.0.1:PORT");
    s += len + 1;
    len = strspn(s, "0123456789");
    for (size_t i = 0; i < len && i < 6; i++)
        port = port * 10 + (unsigned)(s[i] - '0');
    if (len == 0 || len > 5 || port == 0 || port > UINT16_MAX || (s[len] && s[len] != ','))
        return fail(bad, "a port is a number from 1 to 65535");
    a->port = (uint16_t)port;
    return parse_flags(a, s + len, bad);
}

int monitor_parse_address(struct monitor_address *a, const char *spec, const char **bad)
{
    memset(a, 0, sizeof(*a));
    a->wait = true;
    if (strcmp(spec, "none") == 0 || strcmp(spec, "null") == 0)
        return 0;
    if (strcmp(spec, "stdio") == 0 || strcmp(spec, "mon:stdio") == 0) {
        a->kind = MONITOR_STDIO;
        return 0;
    }
    if (strncmp(spec, "unix:", 5) == 0) {
        a->kind = MONITOR_UNIX;
        return parse_unix(a, spec + 5, bad);
    }
    if (strncmp(spec, "tcp:", 4) == 0) {
        a->kind = MONITOR_TCP;
        return parse_tcp(a, spec + 4, bad);
    }
    return fail(bad,
                "use stdio, unix:PATH,server,nowait, tcp:127.0.0.1:PORT,server,nowait or none");
}
