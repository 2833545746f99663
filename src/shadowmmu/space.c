#include "shadowmmu/shadow.h"

#include <assert.h>

#include "cpu/model.h"

/* Bits that change what an entry means for a window: not A, D, G, PWT, PCD, available, PAT. */
#define SIG_32  UINT64_C(0xffffe087)
#define SIG_PAE UINT64_C(0x80fffffffffff087) /* long mode: bits 55:52 are available, too */

uint64_t pde_signature(const struct smmu *m, uint64_t pde)
{
    uint64_t sig;

    if (!(pde & PTE_P))
        return 0;
    if (smmu_pae(m))
        return pde & SIG_PAE;
    sig = pde & (m->paging & PB_PSE ? SIG_32 : SIG_32 & ~(uint64_t)PTE_PS);
    /* Bit 12 is address or, in a large page, PAT. */
    return sig & PTE_PS ? sig : sig | (pde & 0x1000);
}

/* The directory entry above region r: raw. */
static uint64_t raw_pde(const struct smmu *m, const struct smmu_space *s, unsigned r)
{
    uint32_t frame = s->pd[smmu_pae(m) ? r / 512 : 0];

    if (!(m->paging & PB_PG))
        return PTE_P | PTE_W | PTE_U | PTE_A | PTE_D | PTE_PS;
    return frame == NO_FRAME ? 0 : table_read(m, frame, smmu_pae(m) ? r % 512 : r / 2);
}

uint64_t space_pde(const struct smmu *m, const struct smmu_space *s, unsigned r)
{
    return pde_signature(m, raw_pde(m, s, r));
}

/* Whether what a live region shows is still allowed by this directory entry; of a large page, which
 * has A and D there, also shown only as far as these are set. */
bool region_stands(const struct smmu *m, const struct region *rg, uint64_t pde)
{
    if (rg->pde != pde_signature(m, pde))
        return false;
    return rg->table != NO_FRAME || ((pde & PTE_A) && (!rg->large_w || (pde & PTE_D)));
}

/* Space s no longer agrees with the KERNEL view about region r. A kernel range that is really per
 * space (a recursive map) differs all the time and becomes PRIVATE for good; one that is filled
 * lazily (Linux' vmalloc) is absent here and present there for a while, which is no reason to give
 * up sharing soon. */
static void kernel_diverged(struct smmu *m, unsigned r, bool present)
{
    unsigned weight = present && m->kernel->region[r].pde ? DIVERGE_REAL : 1;

    if (m->diverged[r] + weight < DIVERGE_LIMIT)
        m->diverged[r] = (uint8_t)(m->diverged[r] + weight);
    else
        m->diverged[r] = DIVERGE_LIMIT;
    if (m->diverged[r] == DIVERGE_LIMIT && m->log)
        log_printf(m->log, LOG_MMU, "mmu: kernel range %08x is private to each space\n",
                   r << REGION_SHIFT);
    region_release(m, m->kernel, r);
}

static void kernel_check(struct smmu *m, struct smmu_space *s)
{
    if (s->checked == m->kernel_version)
        return;
    for (unsigned w = 0; w < ARRAY_SIZE(m->kernel->live); w++) {
        uint64_t bits = m->kernel->live[w];

        for (; bits; bits &= bits - 1) {
            unsigned r = w * 64 + (unsigned)__builtin_ctzll(bits);
            uint64_t pde = raw_pde(m, s, r);
            const struct region *rg = &m->kernel->region[r];

            if (!rg->live || region_stands(m, rg, pde))
                continue;
            if (rg->pde == pde_signature(m, pde))
                region_release(m, m->kernel, r);
            else
                kernel_diverged(m, r, pde & PTE_P);
        }
    }
    s->checked = m->kernel_version;
}

/* A second address space appeared: what it may see differs, so U/S=1 pages leave the KERNEL view.
 */
static void split(struct smmu *m)
{
    struct view *k = m->kernel;

    m->unified = false;
    for (unsigned r = 0; r < NREGIONS; r++) {
        for (uint32_t i = 0; i < REGION_PAGES && k->region[r].live; i++) {
            uint32_t vpn = r * REGION_PAGES + i, n = 0;

            while (i + n < REGION_PAGES && (*view_entry(m, k, vpn + n) & E_USER))
                n++;
            if (n)
                view_drop(m, k, vpn, n);
            i += n;
        }
    }
}

static unsigned bucket_of(const uint64_t key[4])
{
    uint64_t h = key[0] ^ key[1] << 7 ^ key[2] << 14 ^ key[3] << 21;

    return (unsigned)((h >> 12) * UINT64_C(0x9e3779b97f4a7c15) >> 56) % SPACE_BUCKETS;
}

static void key_of(const struct smmu *m, const struct cpu *c, uint64_t key[4])
{
    for (unsigned i = 0; i < 4; i++) {
        key[i] = 0;
        if (smmu_pae(m) && !smmu_long(m) && (c->pdpte[i] & PTE_P))
            key[i] = c->pdpte[i] & UINT64_C(0xffffffffff001);
    }
    if (!(m->paging & PB_PG))
        key[0] = UINT64_MAX;
    else if (smmu_long(m))
        key[0] = c->cr3 & UINT64_C(0xffffffffff000);
    else if (!smmu_pae(m))
        key[0] = c->cr3 & 0xfffff000;
}

static struct smmu_space *space_find(struct smmu *m, const uint64_t key[4])
{
    for (uint32_t i = m->bucket[bucket_of(key)]; i; i = m->space[i - 1].hash_next) {
        struct smmu_space *s = &m->space[i - 1];

        if (s->key[0] == key[0] && s->key[1] == key[1] && s->key[2] == key[2] &&
            s->key[3] == key[3])
            return s;
    }
    return NULL;
}

static void space_unhash(struct smmu *m, struct smmu_space *s)
{
    uint32_t *link = &m->bucket[bucket_of(s->key)];

    while (*link != s->id + 1u)
        link = &m->space[*link - 1].hash_next;
    *link = s->hash_next;
}

struct smmu_space *space_lru(struct smmu *m)
{
    struct smmu_space *lru = NULL;

    for (unsigned i = 0; i < MAX_SPACES; i++) {
        struct smmu_space *s = &m->space[i];

        if (s->used && s != m->cur && (!lru || s->stamp < lru->stamp))
            lru = s;
    }
    return lru;
}

static void wipe_quietly(struct smmu *m, struct view *v)
{
    if (!v)
        return;
    v->quiet = true;
    view_wipe(m, v);
    v->quiet = false;
}

void space_wipe(struct smmu *m, struct smmu_space *s)
{
    wipe_quietly(m, s->user);
    wipe_quietly(m, s->priv);
    pieces_wipe(m, s->pieces);
}

void kernel_wipe(struct smmu *m)
{
    wipe_quietly(m, m->kernel);
    pieces_wipe(m, m->pieces.kernel);
    emit_code_unmapped(m, NULL, SMMU_ALL_PAGES);
}

void space_free(struct smmu *m, struct smmu_space *s)
{
    space_wipe(m, s);
    pieces_free(m, s);
    blocks_reset(s);
    for (unsigned q = 0; q < 4; q++)
        if (s->pd[q] != NO_FRAME)
            table_unuse(m, s->pd[q], s->pd_use[q]);
    space_unhash(m, s);
    s->used = false;
    m->removals++; /* whoever walks lists of uses must start over */
    emit_space_freed(m, s);
    s->cookie = NULL;
}

/* Two windows, made once per id. */
static int space_views(struct smmu *m, struct smmu_space *s)
{
    int err;

    if (!s->user) {
        err = view_init(m, &m->views[1 + 2 * s->id], VIEW_USER, s);
        if (err < 0)
            return err;
        s->user = &m->views[1 + 2 * s->id];
    }
    if (!s->priv) {
        err = view_init(m, &m->views[2 + 2 * s->id], VIEW_PRIVATE, s);
        if (err < 0)
            return err;
        s->priv = &m->views[2 + 2 * s->id];
    }
    return 0;
}

/* What an id must own before a space can have it. */
static int space_equip(struct smmu *m, struct smmu_space *s)
{
    return smmu_long(m) ? blocks_make(m, s) : space_views(m, s);
}

/* Every space has two slots or two blocks, and each costs mappings for as long as the machine
 * lives. */
static unsigned space_limit(const struct smmu *m)
{
    uint64_t limit = m->cfg.max_maps / 32;

    return limit < 2 ? 2 : limit < MAX_SPACES ? (unsigned)limit : MAX_SPACES;
}

/* An unused one, equipped; the least recently used one is given up when there is none to be had.
 */
static struct smmu_space *space_alloc(struct smmu *m)
{
    struct smmu_space *s;

    for (unsigned i = 0; i < space_limit(m); i++) {
        s = &m->space[i];
        s->id = (uint16_t)i;
        if (!s->used && space_equip(m, s) == 0)
            return s;
    }
    s = space_lru(m);
    assert(s); /* space 0 has what it needs since smmu_create() and smmu_use_blocks() */
    space_free(m, s);
    m->stats.evictions++;
    return s;
}

/* Directories are traced for as long as the space lives. */
static void trace_directories(struct smmu *m, struct smmu_space *s)
{
    for (unsigned q = 0; q < 4; q++) {
        bool there = smmu_pae(m) && !smmu_long(m) ? (s->key[q] & PTE_P) : q == 0;

        s->pd[q] = NO_FRAME;
        if (!(m->paging & PB_PG) || !there)
            continue;
        s->pd[q] = frame_of(m, s->key[q] & ~(uint64_t)PAGE_MASK);
        if (s->pd[q] != NO_FRAME)
            s->pd_use[q] = table_use(m, s->pd[q], KEY_PD | (uint32_t)s->id << 2 | q);
    }
}

static struct smmu_space *space_make(struct smmu *m, const uint64_t key[4])
{
    struct smmu_space *s;
    unsigned b = bucket_of(key);

    evict_for_fill(m);
    s = space_alloc(m);
    for (unsigned i = 0; i < 4; i++)
        s->key[i] = key[i];
    s->used = true;
    s->hash_next = m->bucket[b];
    m->bucket[b] = s->id + 1u;
    s->checked = 0;
    m->stats.spaces_made++;
    trace_directories(m, s);
    if ((m->paging & PB_PG) && m->space_seen && m->unified && !smmu_long(m))
        split(m);
    m->space_seen = m->paging & PB_PG;
    return s;
}

/* What CPL 0-2 fetched from views that change with the space. */
static void report_kfetch(struct smmu *m)
{
    if (m->kfetch_overflow)
        emit_code_unmapped(m, NULL, SMMU_ALL_PAGES);
    else
        for (unsigned i = 0; i < m->nkfetch; i++)
            emit_code_unmapped(m, NULL, m->kfetch[i]);
    m->kfetch_overflow = false;
    m->nkfetch = 0;
}

static void enter_space(struct smmu *m, const struct cpu *c)
{
    uint64_t key[4];
    struct smmu_space *s, *from = NULL;

    key_of(m, c, key);
    s = space_find(m, key);
    if (!s) {
        s = space_make(m, key);
        from = m->cur;
    }
    s->stamp = ++m->stamp;
    s->floods = 0;
    if (s != m->cur) {
        report_kfetch(m);
        m->cur = s;
        m->stats.space_switches++;
        if (smmu_long(m))
            pieces_enter(m);
        else
            kernel_check(m, s);
        if (smmu_long(m) && from)
            pieces_inherit(m, from);
        emit_space_switched(m);
    }
    sync_all(m);
}

void smmu_cr3_written(void *opaque, struct cpu *c)
{
    struct smmu *m = opaque;

    softtlb_flush(m);
    if (m->paging & PB_PG)
        enter_space(m, c);
    else if (m->paging & PB_SOFT)
        emit_code_unmapped(m, NULL, SMMU_ALL_PAGES);
}

static unsigned paging_of(const struct smmu *m, const struct cpu *c)
{
    bool pae = c->cr4 & CR4_PAE;
    unsigned bits;

    if (!(c->cr0 & CR0_PG))
        return 0;
    if (cpu_long(c) && !m->blocks.on)
        return PB_SOFT;
    bits = PB_PG | (pae ? PB_PAE : 0) | (pae && (c->efer & EFER_NXE) ? PB_NXE : 0) |
           (c->cr0 & CR0_WP ? PB_WP : 0) | (c->cr4 & CR4_SMEP ? PB_SMEP : 0) |
           (c->cr4 & CR4_SMAP ? PB_SMAP : 0);
    if (cpu_long(c))
        return bits | PB_LONG;
    return bits | (c->cr4 & CR4_PSE ? PB_PSE : 0);
}

/* Entries mean something else now: nothing survives. */
static void restart(struct smmu *m, unsigned paging)
{
    if (m->log)
        log_printf(m->log, LOG_MMU, "mmu: paging mode %02x -> %02x\n", m->paging, paging);
    m->cur = NULL;
    m->nkfetch = 0;
    m->kfetch_overflow = false;
    for (unsigned i = 0; i < MAX_SPACES; i++)
        if (m->space[i].used)
            space_free(m, &m->space[i]);
    pieces_free(m, NULL);
    kernel_wipe(m);
    for (unsigned r = 0; r < NREGIONS; r++)
        *(volatile uint8_t *)&m->diverged[r] = 0; /* volatile: not a call of memset */
    for (unsigned i = 0; i < ARRAY_SIZE(m->view_table); i++)
        *(volatile uint8_t *)&m->view_table[i] = VIEW_KERNEL;
    m->unified = true;
    m->space_seen = false;
}

static uint64_t reserved_bits(const struct cpu *c, unsigned paging)
{
    unsigned phys = c->model && c->model->phys_bits ? c->model->phys_bits : 36;

    if (!(paging & PB_PAE))
        return 0;
    return (UINT64_C(1) << (paging & PB_LONG ? 52 : 63)) - (UINT64_C(1) << phys) +
           (paging & PB_NXE ? 0 : PTE_NX);
}

/* The views of a space that depend on CPL 0-2's rights. */
static void supervisor_wipe(struct smmu *m, struct smmu_space *s)
{
    if (s->priv)
        view_wipe(m, s->priv);
    for (uint16_t id = s->pieces; id; id = m->views[id].next)
        if (m->views[id].kind == VIEW_PRIVATE)
            view_wipe(m, &m->views[id]);
}

void smmu_paging_changed(void *opaque, struct cpu *c)
{
    struct smmu *m = opaque;
    unsigned now = paging_of(m, c), diff = now ^ m->paging;

    softtlb_flush(m);
    if (!m->cur || (diff & (PB_PG | PB_PAE | PB_PSE | PB_NXE | PB_LONG | PB_SOFT | PB_SMAP))) {
        restart(m, now); /* under the old mode: what is dropped was made under it */
    } else if (diff & (PB_WP | PB_SMEP)) {
        kernel_wipe(m);
        for (unsigned i = 0; i < MAX_SPACES; i++)
            if (m->space[i].used)
                supervisor_wipe(m, &m->space[i]);
        report_kfetch(m);
    } else if (now & PB_SOFT) {
        emit_code_unmapped(m, NULL, SMMU_ALL_PAGES);
    }
    m->paging = now;
    m->rsvd = reserved_bits(c, now);
    enter_space(m, c);
}

/* Segments that RAM answers but does not take writes to. */
static void mark_rom(struct smmu *m)
{
    const struct physmem *pm = m->pm;
    gpa_t end = PHYSMEM_SEGMENTS_START + PHYSMEM_SEGMENTS_BYTES;

    for (gpa_t pa = PHYSMEM_SEGMENTS_START; pa < end && pa < pm->low_end; pa += PAGE_SIZE) {
        struct frame *f = &m->frame[pa >> PAGE_SHIFT];

        f->flags &= (uint8_t)~F_ROM;
        if (!physmem_segment_bit(pm->writable, pa))
            f->flags |= F_ROM;
    }
}

void smmu_map_changed(void *opaque)
{
    struct smmu *m = opaque;

    softtlb_flush(m);
    restart(m, m->paging);
    mark_rom(m);
    enter_space(m, m->cpu);
}

/* SDM 3A 4.4.1: loaded at MOV CR3 and when paging or its bits change; reserved bits give #GP and
 * change nothing. */
bool smmu_load_pdptes(void *opaque, struct cpu *c)
{
    struct smmu *m = opaque;
    unsigned phys = c->model && c->model->phys_bits ? c->model->phys_bits : 36;
    uint64_t rsvd = 0x1e6 | ~((UINT64_C(1) << phys) - 1);
    uint64_t val[4];

    for (unsigned i = 0; i < 4; i++) {
        hva_t p = physmem_ptr(m->pm, (c->cr3 & 0xffffffe0) + i * 8);

        val[i] = p ? ld64(p) : 0;
        if ((val[i] & PTE_P) && (val[i] & rsvd))
            return false;
    }
    for (unsigned i = 0; i < 4; i++)
        c->pdpte[i] = val[i];
    return true;
}
