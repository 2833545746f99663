/* Faults of 64-bit code. */
#include "shadowmmu/shadow.h"

bool smmu_locate_long(struct smmu *m, uint64_t host, gva_t *lin, bool *in_gap)
{
    uint64_t half_gap = (SLOT_PITCH - SLOT_BYTES) / 2;
    uint64_t off = host - SLOT_ORIGIN + half_gap;
    const struct view *v;

    *in_gap = host - SLOT_ORIGIN >= SLOT_PITCH && host - SLOT_ORIGIN < NSLOTS * SLOT_PITCH &&
              (host - SLOT_ORIGIN) % SLOT_PITCH >= SLOT_BYTES;
    if (off / SLOT_PITCH >= NSLOTS || !m->pieces.of_slot[off / SLOT_PITCH])
        return false;
    v = &m->views[m->pieces.of_slot[off / SLOT_PITCH]];
    if (!view_current(m, v))
        return false;
    *lin = v->origin + (host - v->base);
    *in_gap = host - v->base >= SLOT_BYTES;
    return true;
}

enum smmu_verdict smmu_fault_long(struct smmu *m, struct cpu *c, gva_t lin, unsigned access)
{
    uint64_t changes = m->blocks.changes;
    struct view *v = NULL;
    enum smmu_verdict res = fill_fault(m, c, lin, access, &v);

    if (res != SMMU_MAPPED)
        return res;
    m->stats.hidden_faults++;
    return changes == m->blocks.changes ? SMMU_MAPPED : SMMU_TABLE;
}
