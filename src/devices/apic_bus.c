#include "devices/apic_bus.h"

#include <assert.h>

#include "devices/lapic.h"

void apic_bus_add(struct apic_bus *b, struct lapic *l)
{
    assert(b->ncpus < APIC_BUS_CPUS);
    b->cpu[b->ncpus++] = l;
}

/* Lowest priority: of those addressed, the one that does the least important work; the first of
 * several (SDM 3A 11.6.2.4). */
static bool send_lowest(struct apic_bus *b, const struct apic_msg *m)
{
    struct lapic *best = NULL;

    for (unsigned i = 0; i < b->ncpus; i++) {
        struct lapic *l = b->cpu[i];

        if (lapic_enabled(l) && lapic_matches(l, m->dest, m->logical) &&
            (!best || lapic_priority(l) < lapic_priority(best)))
            best = l;
    }
    return best && lapic_receive(best, m);
}

bool apic_bus_send(struct apic_bus *b, const struct apic_msg *m)
{
    bool taken = false;

    if (m->delivery == APIC_LOWEST)
        return send_lowest(b, m);
    for (unsigned i = 0; i < b->ncpus; i++)
        if (lapic_matches(b->cpu[i], m->dest, m->logical))
            taken |= lapic_receive(b->cpu[i], m);
    return taken;
}
