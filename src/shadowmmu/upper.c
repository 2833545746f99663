/* Long mode's tables above the leaf ones. They are always traced: the PML4 by its space (trace.c),
 * the others by each view that shows something below them. A view covers four entries of one PDPT
 * and the four directories under them. */
#include <assert.h>

#include "shadowmmu/shadow.h"

#define ENTRY_ADDRESS UINT64_C(0xffffffffff000)
#define RIGHTS        UINT64_C(6) /* PTE_W, PTE_U: all levels must give them */

enum { QUARTER_REGIONS = NREGIONS / 4 };

static uint32_t dir_key(const struct view *v, unsigned which)
{
    return KEY_DIR | (uint32_t)v->id << 3 | which;
}

uint64_t upper_top(const struct smmu *m, const struct smmu_space *s, unsigned idx)
{
    uint32_t frame = s->pd[0];

    return frame == NO_FRAME ? 0 : pde_signature(m, table_read(m, frame, idx));
}

/* Entry idx of the table that an entry leads to. */
static uint64_t entry_below(const struct smmu *m, uint64_t entry, unsigned idx)
{
    uint32_t frame = entry & PTE_P ? frame_of(m, entry & ENTRY_ADDRESS) : NO_FRAME;

    return frame == NO_FRAME ? 0 : table_read(m, frame, idx);
}

/* A lower entry with the rights that all levels down to it leave (SDM 3A 4.6.1). */
static uint64_t combine(uint64_t above, uint64_t entry)
{
    return (entry & (above | ~RIGHTS)) | (above & PTE_NX);
}

static unsigned pdpt_index(const struct view *v, unsigned q)
{
    return (unsigned)(v->origin >> 30 & 511) + q;
}

static uint64_t pdpte_of(const struct smmu *m, const struct view *v, unsigned q)
{
    return entry_below(m, v->up.top, pdpt_index(v, q));
}

/* The directory entry (or that of a 1 GiB page) above region r as it is now, with the rights of all
 * levels. */
uint64_t upper_pde(const struct smmu *m, const struct view *v, unsigned r)
{
    uint64_t e = combine(v->up.top, pdpte_of(m, v, r / QUARTER_REGIONS));

    if (!(e & PTE_P) || (e & PTE_PS))
        return e;
    return combine(e, entry_below(m, e, r % QUARTER_REGIONS));
}

bool upper_present(const struct smmu *m, gva_t lin)
{
    uint64_t top = upper_top(m, m->cur, (unsigned)(lin >> 39 & 511));
    uint64_t any = 0;

    for (unsigned q = 0; q < 4; q++)
        any |= entry_below(m, top, (unsigned)(lin >> 30 & 511) + q);
    return any & PTE_P;
}

/* From here on what region r hangs on is traced. The walk that led here found these tables in RAM.
 */
void upper_open(struct smmu *m, struct view *v, unsigned r)
{
    unsigned q = r / QUARTER_REGIONS;
    struct upper *u = &v->up;
    uint64_t e;
    uint32_t frame;

    if (!u->pdpt_use) {
        u->pdpt = frame_of(m, u->top & ENTRY_ADDRESS);
        assert(u->pdpt != NO_FRAME);
        u->pdpt_use = table_use(m, u->pdpt, dir_key(v, UPPER_PDPT));
    }
    e = pde_signature(m, pdpte_of(m, v, q));
    if (u->pdpte[q] == e)
        return;
    upper_close_quarter(m, v, q);
    if (!(e & PTE_PS)) {
        frame = frame_of(m, e & ENTRY_ADDRESS);
        assert(frame != NO_FRAME);
        u->pd[q] = frame;
        u->pd_use[q] = table_use(m, frame, dir_key(v, UPPER_PD0 + q));
    }
    u->pdpte[q] = e;
}

static bool quarter_shows(const struct view *v, unsigned q)
{
    const uint64_t *w = &v->live[q * (QUARTER_REGIONS / 64)];
    uint64_t any = 0;

    for (unsigned i = 0; i < QUARTER_REGIONS / 64; i++)
        any |= w[i];
    return any != 0;
}

void upper_close_quarter(struct smmu *m, struct view *v, unsigned q)
{
    struct upper *u = &v->up;

    if (quarter_shows(v, q))
        for (unsigned i = 0; i < QUARTER_REGIONS; i++)
            region_release(m, v, q * QUARTER_REGIONS + i);
    if (u->pd_use[q])
        table_unuse(m, u->pd[q], u->pd_use[q]);
    u->pd_use[q] = 0;
    u->pdpte[q] = 0;
}

void upper_close(struct smmu *m, struct view *v)
{
    for (unsigned q = 0; q < 4; q++)
        upper_close_quarter(m, v, q);
    if (v->up.pdpt_use)
        table_unuse(m, v->up.pdpt, v->up.pdpt_use);
    v->up.pdpt_use = 0;
}

/* The table of this use is none any more. */
void upper_untrace(struct smmu *m, uint32_t key)
{
    struct view *v = &m->views[key >> 3 & (MAX_VIEWS - 1)];

    if ((key & 7) == UPPER_PDPT)
        upper_close(m, v);
    else
        upper_close_quarter(m, v, key & 7);
}

static void recheck_quarter(struct smmu *m, struct view *v, unsigned q)
{
    for (unsigned i = 0; i < QUARTER_REGIONS; i++)
        if (v->region[q * QUARTER_REGIONS + i].live)
            region_recheck(m, v, q * QUARTER_REGIONS + i, upper_pde(m, v, q * QUARTER_REGIONS + i));
}

/* Entries that became present, and A, PWT and the like, change nothing. */
static void pdpt_written(struct smmu *m, struct view *v, unsigned first, unsigned last)
{
    for (unsigned q = 0; q < 4; q++) {
        uint64_t e;

        if (!v->up.pdpte[q] || pdpt_index(v, q) < first || pdpt_index(v, q) > last)
            continue;
        e = pdpte_of(m, v, q);
        if (pde_signature(m, e) != v->up.pdpte[q])
            upper_close_quarter(m, v, q);
        else if (e & PTE_PS) /* A and D count */
            recheck_quarter(m, v, q);
    }
}

bool upper_written(struct smmu *m, uint32_t key, unsigned first, unsigned last)
{
    struct view *v = &m->views[key >> 3 & (MAX_VIEWS - 1)];
    unsigned which = key & 7;
    bool shows = false;

    if (which == UPPER_PDPT) {
        for (unsigned q = 0; q < 4; q++)
            shows |= quarter_shows(v, q);
        pdpt_written(m, v, first, last);
        return shows;
    }
    shows = quarter_shows(v, which);
    for (unsigned i = first; i <= last; i++) {
        unsigned r = which * QUARTER_REGIONS + i;

        if (v->region[r].live)
            region_recheck(m, v, r, upper_pde(m, v, r));
    }
    return shows;
}

void pml4_written(struct smmu *m, struct smmu_space *s, unsigned idx)
{
    uint64_t top = upper_top(m, s, idx);

    for (uint16_t id = s->pieces; id; id = m->views[id].next) {
        struct view *v = &m->views[id];

        if (piece_top(v) != idx || v->up.top == top)
            continue;
        upper_close(m, v);
        v->up.top = 0;
    }
    if (s == m->cur && idx >= NTOPS)
        kernel_point(m, idx - NTOPS, top);
}
