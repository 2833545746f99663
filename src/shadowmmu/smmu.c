#include "shadowmmu/smmu.h"

#include <assert.h>
#include <errno.h>
#include <sys/mman.h>

#include "shadowmmu/shadow.h"

/* Tables sized by the machine's RAM are reserved whole and touched as needed. */
static void *reserve(uint64_t bytes)
{
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                   -1, 0);

    return p == MAP_FAILED ? NULL : p;
}

static void unreserve(void *p, uint64_t bytes)
{
    if (p)
        munmap(p, bytes);
}

static uint64_t frame_bytes(const struct smmu *m)
{
    return m->pm->nframes * sizeof(struct frame);
}

static void release_tables(struct smmu *m)
{
    unreserve(m->frame, frame_bytes(m));
    unreserve(m->node, m->node_limit * sizeof(struct node));
    unreserve(m->page, m->page_limit * sizeof(*m->page));
    unreserve(m->views, MAX_VIEWS * sizeof(struct view));
    unreserve(m, sizeof(*m));
}

static int reserve_tables(struct smmu *m)
{
    /* RAM mapped once by the kernel and a few times by processes before eviction. */
    m->node_limit = (uint32_t)(4 * m->pm->nframes + (1u << 18));
    m->page_limit = 1u << 15;
    m->frame = reserve(frame_bytes(m));
    m->node = reserve(m->node_limit * sizeof(struct node));
    m->page = reserve(m->page_limit * sizeof(*m->page));
    m->views = reserve(MAX_VIEWS * sizeof(struct view));
    if (!m->frame || !m->node || !m->page || !m->views)
        return -ENOMEM;
    m->node_top = m->page_top = 1; /* 0 means none */
    m->nodes_left = m->node_limit - 1;
    m->pages_left = m->page_limit - 1;
    return 0;
}

/* The windows without which nothing runs. */
static int reserve_windows(struct smmu *m)
{
    int err;

    slots_init(&m->slots);
    m->kernel = &m->views[0];
    err = view_init(m, m->kernel, VIEW_KERNEL, NULL);
    for (unsigned i = 0; i < 2 && err == 0; i++)
        err = view_init(m, &m->views[1 + i], i ? VIEW_PRIVATE : VIEW_USER, &m->space[0]);
    m->space[0].user = &m->views[1];
    m->space[0].priv = &m->views[2];
    return err;
}

int smmu_create(struct smmu **out, struct physmem *pm, const struct smmu_config *cfg,
                struct log *log)
{
    struct smmu *m = reserve(sizeof(*m));
    int err;

    if (!m)
        return -ENOMEM;
    assert(pm->nframes <= E_FRAME);
    m->pm = pm;
    m->cfg = *cfg;
    m->log = log;
    m->rng = UINT64_C(0x9e3779b97f4a7c15);
    m->kernel_version = 1;
    softtlb_reset(&m->tlb);
    pieces_init(m);
    err = reserve_tables(m);
    if (err < 0)
        goto fail;
    err = reserve_windows(m);
    if (err < 0)
        goto fail_slots;
    *out = m;
    return 0;
fail_slots:
    slots_fini(&m->slots);
fail:
    release_tables(m);
    return err;
}

void smmu_destroy(struct smmu *m)
{
    if (!m)
        return;
    blocks_fini(m);
    slots_fini(&m->slots);
    release_tables(m);
}

void smmu_add_listener(struct smmu *m, const struct smmu_listener *l)
{
    assert(m->nlisteners < SMMU_MAX_LISTENERS);
    m->listener[m->nlisteners++] = *l;
}

void smmu_attach(struct smmu *m, struct cpu *c)
{
    c->mmu = m;
    c->mem = &mem_ops;
    m->cpu = c;
    smmu_paging_changed(m, c);
}

void emit_code_written(struct smmu *m, uint64_t frame, unsigned off, unsigned len)
{
    for (unsigned i = 0; i < m->nlisteners; i++)
        if (m->listener[i].code_written)
            m->listener[i].code_written(m->listener[i].opaque, frame, off, len);
}

void emit_code_unmapped(struct smmu *m, struct smmu_space *s, uint64_t vpn)
{
    for (unsigned i = 0; i < m->nlisteners; i++)
        if (m->listener[i].code_unmapped)
            m->listener[i].code_unmapped(m->listener[i].opaque, s, vpn);
}

void emit_space_switched(struct smmu *m)
{
    for (unsigned i = 0; i < m->nlisteners; i++)
        if (m->listener[i].space_switched)
            m->listener[i].space_switched(m->listener[i].opaque);
}

void emit_space_freed(struct smmu *m, struct smmu_space *s)
{
    for (unsigned i = 0; i < m->nlisteners; i++)
        if (m->listener[i].space_freed)
            m->listener[i].space_freed(m->listener[i].opaque, s);
}

uint64_t smmu_base(struct smmu *m, enum smmu_view v)
{
    const struct view *got = smmu_long(m) && v == VIEW_USER ? piece_window(m) : view_get(m, v);

    return got ? got->base : slot_base(0);
}

const uint8_t *smmu_view_table(struct smmu *m)
{
    return m->view_table;
}

/* Strings run on 64-bit pointers in both directions, so half a gap on either side is the window's
 * too. */
bool smmu_locate(struct smmu *m, uint64_t host, enum smmu_view *v, uint64_t *lin, bool *in_gap)
{
    uint64_t half_gap = (SLOT_PITCH - SLOT_BYTES) / 2;

    for (unsigned i = 0; i < NVIEWS; i++) {
        const struct view *got = view_get(m, (enum smmu_view)i);

        if (!got || host - (got->base - half_gap) >= SLOT_PITCH)
            continue;
        *v = (enum smmu_view)i;
        *lin = host - got->base;
        *in_gap = *lin >= SLOT_BYTES;
        return true;
    }
    return false;
}

struct smmu_space *smmu_current(struct smmu *m)
{
    return m->cur;
}

void **smmu_space_cookie(struct smmu_space *s)
{
    return &s->cookie;
}

const struct smmu_stats *smmu_stats(const struct smmu *m)
{
    return &m->stats;
}
