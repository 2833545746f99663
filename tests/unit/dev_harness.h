/* dev_harness.h - what device tests stand on: a hand-driven clock, a port bus, recording lines, a
 * memory backend, and the save/restore round trip every dev_class must survive. */
#ifndef DRAGOMAN_TESTS_DEV_HARNESS_H
#define DRAGOMAN_TESTS_DEV_HARNESS_H

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/backend.h"
#include "bus/bus.h"
#include "bus/clock.h"
#include "bus/device.h"
#include "bus/line.h"

struct rig {
    uint64_t ns;
    struct clock clock;
    struct bus ports;
};

static inline uint64_t rig_now(void *opaque)
{
    return ((struct rig *)opaque)->ns;
}

static inline void rig_init(struct rig *r)
{
    memset(r, 0, sizeof(*r));
    r->clock.now = rig_now;
    r->clock.opaque = r;
    bus_init(&r->ports, "ports", NULL);
}

/* Lets time pass, with every timer on time. */
static inline void rig_pass(struct rig *r, uint64_t ns)
{
    uint64_t end = r->ns + ns;

    while (clock_deadline(&r->clock) <= end) {
        if (clock_deadline(&r->clock) > r->ns)
            r->ns = clock_deadline(&r->clock);
        clock_run(&r->clock);
    }
    r->ns = end;
}

static inline void outb(struct rig *r, uint8_t val, uint16_t port)
{
    bus_write(&r->ports, port, 1, val);
}

static inline uint8_t inb(struct rig *r, uint16_t port)
{
    return (uint8_t)bus_read(&r->ports, port, 1);
}

/* A line that remembers. */
struct probe {
    bool level;
    unsigned rises, falls;
};

static inline void probe_set(void *dst, int pin, bool level)
{
    struct probe *p = dst;

    (void)pin;
    p->rises += level && !p->level;
    p->falls += !level && p->level;
    p->level = level;
}

static inline struct line probe_line(struct probe *p)
{
    return (struct line){probe_set, p, 0};
}

struct capture {
    struct chardev chr;
    uint8_t out[256];
    size_t len;
    unsigned ready; /* calls of sink_ready */
};

static inline void capture_write(void *opaque, const uint8_t *buf, size_t len)
{
    struct capture *c = opaque;

    for (size_t i = 0; i < len && c->len < sizeof(c->out); i++)
        c->out[c->len++] = buf[i];
}

static inline void capture_ready(void *opaque)
{
    ((struct capture *)opaque)->ready++;
}

static inline void capture_init(struct capture *c)
{
    memset(c, 0, sizeof(*c));
    c->chr.write = capture_write;
    c->chr.sink_ready = capture_ready;
    c->chr.opaque = c;
}

/* `fresh` is a second instance, initialized and wired like `dev`; afterwards it has the state of
 * `dev`, which must differ from `fresh` before when `changed`. */
static inline void round_trip(const struct dev_class *cls, void *dev, void *fresh, bool changed)
{
    size_t n = field_bytes(cls->fields);
    uint8_t *a = malloc(n + 1), *b = malloc(n + 1);

    ck_assert_ptr_nonnull(cls->name);
    ck_assert_ptr_nonnull(cls->reset);
    field_save(cls->fields, fresh, b);
    field_save(cls->fields, dev, a);
    if (changed)
        ck_assert_int_ne(memcmp(a, b, n), 0);
    field_load(cls->fields, fresh, a);
    if (cls->restored)
        cls->restored(fresh);
    field_save(cls->fields, fresh, b);
    ck_assert_int_eq(memcmp(a, b, n), 0);
    free(a);
    free(b);
}

/* Reset must bring back the state of a device that was only initialized. */
static inline void reset_equals_fresh(const struct dev_class *cls, void *dev, void *fresh)
{
    size_t n = field_bytes(cls->fields);
    uint8_t *a = malloc(n + 1), *b = malloc(n + 1);

    cls->reset(dev);
    field_save(cls->fields, dev, a);
    field_save(cls->fields, fresh, b);
    ck_assert_int_eq(memcmp(a, b, n), 0);
    free(a);
    free(b);
}

static inline int run_tests(const char *name, const TTest *const *tests, size_t n)
{
    Suite *suite = suite_create(name);
    TCase *tc = tcase_create(name);
    SRunner *runner;
    int failed;

    for (size_t i = 0; i < n; i++)
        tcase_add_test(tc, tests[i]);
    suite_add_tcase(suite, tc);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

#endif
