#include "bus/clock.h"

void timer_init(struct timer *t, void (*fire)(void *dev, uint64_t now), void *dev)
{
    *t = (struct timer){.deadline = CLOCK_NEVER, .fire = fire, .dev = dev};
}

uint64_t clock_deadline(const struct clock *c)
{
    return c->armed ? c->armed->deadline : CLOCK_NEVER;
}

static void unlink_timer(struct clock *c, struct timer *t)
{
    struct timer **at = &c->armed;

    while (*at && *at != t)
        at = &(*at)->next;
    if (*at)
        *at = t->next;
    t->next = NULL;
    t->deadline = CLOCK_NEVER;
}

/* Equal deadlines fire in the order in which they were armed. */
static void link_timer(struct clock *c, struct timer *t, uint64_t deadline)
{
    struct timer **at = &c->armed;

    while (*at && (*at)->deadline <= deadline)
        at = &(*at)->next;
    t->deadline = deadline;
    t->next = *at;
    *at = t;
}

static void tell_if_changed(struct clock *c, uint64_t before)
{
    if (c->deadline_changed && clock_deadline(c) != before)
        c->deadline_changed(c->opaque, clock_deadline(c));
}

void timer_set(struct clock *c, struct timer *t, uint64_t deadline)
{
    uint64_t before = clock_deadline(c);

    if (t->deadline == deadline)
        return;
    if (t->deadline != CLOCK_NEVER)
        unlink_timer(c, t);
    if (deadline != CLOCK_NEVER)
        link_timer(c, t, deadline);
    tell_if_changed(c, before);
}

/* `now` is read once: a callback that re-arms for later than `now` ends the run. The host is told
 * of the new deadline once, at the end, because telling it costs a system call. */
void clock_run(struct clock *c)
{
    void (*tell)(void *, uint64_t) = c->deadline_changed;
    uint64_t before = clock_deadline(c), now = clock_now(c);

    c->deadline_changed = NULL;
    while (c->armed && c->armed->deadline <= now) {
        struct timer *t = c->armed;

        unlink_timer(c, t);
        t->fire(t->dev, now);
    }
    c->deadline_changed = tell;
    tell_if_changed(c, before);
}
