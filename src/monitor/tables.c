/* The guest's page tables as a whole: info mem, info tlb. */
#include <inttypes.h>
#include <string.h>

#include "monitor/command.h"

enum { PTE_P = 1, PTE_W = 2, PTE_U = 4, PTE_A = 32, PTE_D = 64, PTE_PS = 128, PTE_G = 256 };
#define PTE_NX   (UINT64_C(1) << 63)
#define PTE_ADDR UINT64_C(0x000ffffffffff000)

/* Tables may point at themselves, and so at 2^36 pages: after that many entries it ends. */
enum { MAX_ENTRIES = 1 << 21, LEVELS = 4 };

/* One level of a paging mode (SDM 3A 4.3 to 4.5), from the leaf up. */
struct level {
    uint8_t shift, bits;
    bool may_be_leaf;
};

struct mode {
    unsigned top; /* index of the highest level */
    unsigned entry_bytes;
    struct level level[LEVELS];
};

static const struct mode modes[] = {
    {1, 4, {{12, 10, true}, {22, 10, true}}},
    {2, 8, {{12, 9, true}, {21, 9, true}, {30, 2, false}}},
    {3, 8, {{12, 9, true}, {21, 9, true}, {30, 9, true}, {39, 9, false}}},
};

struct leaf {
    gva_t start;
    uint64_t bytes, entry; /* entry: the leaf's */
    gpa_t pa;
    bool user, writable;
};

struct tables {
    const struct cpu *cpu;
    struct physmem *mem;
    const struct mode *mode;
    struct mon_text *out;
    void (*show)(struct tables *t, const struct leaf *l);
    unsigned entries;
    struct leaf run; /* info mem: not printed yet; bytes 0: none */
};

static gva_t canonical_of(const struct tables *t, gva_t at)
{
    return t->mode == &modes[2] ? (gva_t)((int64_t)(at << 16) >> 16) : at;
}

static uint64_t entry_at(const struct tables *t, unsigned level, gpa_t table, unsigned i)
{
    uint64_t e = 0;

    if (t->mode == &modes[1] && level == 2)
        return t->cpu->pdpte[i];
    if (physmem_read(t->mem, table + i * t->mode->entry_bytes, &e, t->mode->entry_bytes) < 0)
        return 0;
    return e;
}

/* PSE-36 puts address bits 32 to 39 into bits 13 to 20 (SDM 3A table 4-4). */
static gpa_t leaf_address(const struct tables *t, unsigned level, uint64_t e)
{
    gpa_t pa = e & PTE_ADDR & ~((UINT64_C(1) << t->mode->level[level].shift) - 1);

    if (t->mode == &modes[0] && level == 1)
        pa |= (e >> 13 & 0xff) << 32;
    return pa;
}

static bool is_leaf(const struct tables *t, unsigned level, uint64_t e)
{
    if (level == 0)
        return true;
    if (!t->mode->level[level].may_be_leaf || !(e & PTE_PS))
        return false;
    return t->mode != &modes[0] || (t->cpu->cr4 & CR4_PSE);
}

/* PDPTEs of PAE have no rights (table 4-8). */
static uint64_t rights_of(const struct tables *t, unsigned level, uint64_t e)
{
    return t->mode == &modes[1] && level == 2 ? PTE_W | PTE_U : e & (PTE_W | PTE_U);
}

static void walk_table(struct tables *t, unsigned level, gpa_t table, gva_t base, uint64_t rights)
{
    const struct level *l = &t->mode->level[level];

    for (unsigned i = 0; i < 1u << l->bits && t->entries < MAX_ENTRIES && !t->out->cut; i++) {
        uint64_t e = entry_at(t, level, table, i), r = rights & rights_of(t, level, e);
        gva_t at = base + ((gva_t)i << l->shift);

        t->entries++;
        if (!(e & PTE_P))
            continue;
        if (!is_leaf(t, level, e)) {
            walk_table(t, level - 1, e & PTE_ADDR, at, r);
            continue;
        }
        t->show(t, &(struct leaf){.start = canonical_of(t, at),
                                  .bytes = UINT64_C(1) << l->shift,
                                  .entry = e,
                                  .pa = leaf_address(t, level, e),
                                  .user = r & PTE_U,
                                  .writable = r & PTE_W});
    }
}

static void show_tlb(struct tables *t, const struct leaf *l)
{
    uint64_t e = l->entry;

    mon_printf(t->out, "%016" PRIx64 ": %016" PRIx64 " %c%c%c%c%c%c%c%c%c\n", l->start, l->pa,
               e & PTE_NX ? 'X' : '-', e & PTE_G ? 'G' : '-', l->bytes > PAGE_SIZE ? 'P' : '-',
               e & PTE_D ? 'D' : '-', e & PTE_A ? 'A' : '-', e & 16 ? 'C' : '-', e & 8 ? 'T' : '-',
               l->user ? 'U' : '-', l->writable ? 'W' : '-');
}

static void end_run(struct tables *t)
{
    const struct leaf *r = &t->run;

    if (r->bytes)
        mon_printf(t->out, "%016" PRIx64 "-%016" PRIx64 " %016" PRIx64 " %cr%c\n", r->start,
                   r->start + r->bytes, r->bytes, r->user ? 'u' : '-', r->writable ? 'w' : '-');
    t->run.bytes = 0;
}

static void show_mem(struct tables *t, const struct leaf *l)
{
    struct leaf *r = &t->run;

    if (r->bytes && r->start + r->bytes == l->start && r->user == l->user &&
        r->writable == l->writable) {
        r->bytes += l->bytes;
        return;
    }
    end_run(t);
    *r = *l;
}

static void show_tables(struct mon_call *c, void (*show)(struct tables *t, const struct leaf *l))
{
    const struct cpu *cpu = c->machine->cpu;
    struct tables t = {.cpu = cpu, .mem = c->machine->mem, .out = c->out, .show = show};
    unsigned n = cpu_long(cpu) ? 2 : (cpu->cr4 & CR4_PAE) != 0;

    if (!(cpu->cr0 & CR0_PG)) {
        mon_puts(c->out, "PG disabled\n");
        return;
    }
    t.mode = &modes[n];
    walk_table(&t, t.mode->top, cpu->cr3 & (n ? PTE_ADDR : UINT32_C(0xfffff000)), 0, PTE_W | PTE_U);
    end_run(&t);
    if (t.entries == MAX_ENTRIES)
        mon_puts(c->out, "[the tables go on]\n");
}

void mon_info_mem(struct mon_call *c)
{
    show_tables(c, show_mem);
}

void mon_info_tlb(struct mon_call *c)
{
    show_tables(c, show_tlb);
}
