/* fuzz_monitor.c - what clients send: the first byte says which monitor, the rest is its input, in
 * pieces. Nothing they send gets out of the session. */
#include "fuzz.h"

#include "../unit/monitor_rig.h"

enum { HUMAN = 1, TERMINAL = 2, MAX_PIECE = 64 };

/* Files would be written where a mutant says. */
static bool names_a_file(const uint8_t *data, size_t size)
{
    static const char *const words[] = {"save", "screendump"};

    for (unsigned i = 0; i < ARRAY_SIZE(words); i++)
        if (memmem(data, size, words[i], strlen(words[i])))
            return true;
    return false;
}

/* A guest with page tables, some of them in circles. */
static void furnish(struct monitor_rig *r)
{
    for (unsigned i = 0; i < 1024; i++) {
        uint32_t e = i % 5 ? i << 12 | (i & 0x1e7) : 0x10007;

        memcpy(r->ram + 0x10000 + 4 * i, &e, 4);
    }
    r->cpu.cr3 = 0x10000;
    r->cpu.cr0 |= CR0_PE | CR0_PG;
    cpu_update_mode(&r->cpu);
}

static void feed(struct mon_session *s, const uint8_t *data, size_t size)
{
    while (size) {
        size_t piece = size < MAX_PIECE ? size : MAX_PIECE, n;

        n = mon_session_feed(s, data, piece);
        FUZZ_CHECK(n <= piece && s->out.len <= s->out.limit, "%zu of %zu", n, piece);
        FUZZ_CHECK(!s->out.data || s->out.data[s->out.len] == 0 || !s->out.len, "no end");
        if (n < piece && s->out.len <= MON_OUT_BUSY)
            return; /* closing */
        mon_drop(&s->out, s->out.len);
        data += n;
        size -= n;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct monitor_rig *r;
    struct mon_session s;

    if (size < 1 || names_a_file(data, size))
        return 0;
    r = monitor_rig_start();
    furnish(r);
    mon_session_init(&s,
                     data[0] & HUMAN || !mon_session_knows(MONITOR_QMP) ? MONITOR_HMP : MONITOR_QMP,
                     &r->machine, &r->keys);
    s.echo = data[0] & TERMINAL;
    s.negotiated = true;
    feed(&s, data + 1, size - 1);
    mon_session_event(&s, "STOP", NULL);
    r->now += NS_PER_SEC * 100;
    clock_run(&r->clock);
    FUZZ_CHECK(r->keys.n == 0, "%u keys are still held", r->keys.n);
    mon_session_fini(&s);
    monitor_rig_end(r);
    return 0;
}
