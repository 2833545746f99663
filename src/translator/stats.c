/* Counters by cause, as text: -d stats and Ctrl-A s. */
#include <Zydis/Zydis.h>
#include <inttypes.h>

#include "translator/bt_priv.h"

enum { MILLION = 1000000 };

static void line(FILE *out, const char *name, uint64_t value)
{
    fprintf(out, "  %-28s %14" PRIu64 "\r\n", name, value);
}

static void print_mmu(const struct smmu_stats *s, FILE *out)
{
    fprintf(out, "shadow MMU\r\n");
    line(out, "hidden faults", s->hidden_faults);
    line(out, "true faults", s->true_faults);
    line(out, "other-view faults", s->view_faults);
    line(out, "traced writes", s->traced_writes);
    line(out, "writes to code pages", s->code_writes);
    line(out, "mmio faults", s->mmio);
    line(out, "map calls", s->maps);
    line(out, "pages mapped", s->map_pages);
    line(out, "unmap calls", s->unmaps);
    line(out, "protect calls", s->protects);
    line(out, "live mappings", s->live_maps);
    line(out, "evictions", s->evictions);
    line(out, "spaces made", s->spaces_made);
    line(out, "space switches", s->space_switches);
    line(out, "table syncs", s->syncs);
    line(out, "entries synced", s->synced_entries);
    line(out, "walks", s->walks);
    line(out, "software TLB fills", s->tlb_fills);
}

/* The most frequent callouts: what a lowering of its own would save. */
static void print_callouts(const struct bt_stats *s, FILE *out)
{
    uint64_t below = UINT64_MAX;

    fprintf(out, "callouts by instruction\r\n");
    for (int rank = 0; rank < 16; rank++) {
        unsigned best = 0;

        for (unsigned i = 1; i < ARRAY_SIZE(s->callout_by_mnemonic); i++)
            if (s->callout_by_mnemonic[i] < below &&
                s->callout_by_mnemonic[i] > s->callout_by_mnemonic[best])
                best = i;
        if (best == 0 || s->callout_by_mnemonic[best] == 0)
            return;
        line(out, ZydisMnemonicGetString((ZydisMnemonic)best), s->callout_by_mnemonic[best]);
        below = s->callout_by_mnemonic[best];
    }
}

static void print_bt(const struct engine *e, FILE *out)
{
    const struct bt_stats *s = &e->stats;

    fprintf(out, "translator\r\n");
    line(out, "blocks translated", s->blocks);
    line(out, "blocks copied from elsewhere", s->cloned);
    line(out, "blocks moved elsewhere", s->moved);
    line(out, "guest instructions", s->guest_insns);
    line(out, "  of a shape seen before", decode_cache_hits(e->decodings));
    line(out, "  cycles each", s->translate_cycles / (s->guest_insns ? s->guest_insns : 1));
    line(out, "host bytes", s->host_bytes);
    line(out, "million cycles translating", s->translate_cycles / MILLION);
    line(out, "  handling host faults", s->fault_cycles / MILLION);
    line(out, "cache flushes", s->flushes);
    line(out, "blocks invalidated", s->invalidated);
    line(out, "  code written", s->overwritten);
    line(out, "pages churning", s->churned);
    line(out, "chains made", s->links);
    line(out, "  within loops", s->open_links);
    line(out, "pairs of pages chained", s->edges);
    line(out, "  unchecked at once", s->edges_open);
    line(out, "  unchecked later", s->edges_opened);
    line(out, "  checked again", s->edges_closed);
    line(out, "loops found", s->loops);
    line(out, "dispatcher look-ups", s->lookups);
    line(out, "  found", s->lookup_hits);
    line(out, "context switches", s->ctx_switches);
    line(out, "look-ups behind landings", e->hot->not_landed);
    line(out, "level changes in the cache", e->hot->crossings);
    line(out, "exits: direct, unlinked", s->exits[BT_EXIT_DIRECT]);
    line(out, "exits: jump-cache miss", s->exits[BT_EXIT_INDIRECT]);
    line(out, "exits: page-word miss", s->exits[BT_EXIT_WORD]);
    line(out, "exits: callout", s->exits[BT_EXIT_CALLOUT]);
    line(out, "callouts that went elsewhere", s->gone_on);
    line(out, "exits: fault", s->exits[BT_EXIT_FAULT]);
    line(out, "blocks stopped by kicks", s->holds);
    line(out, "host traps", s->host_traps);
    line(out, "callouts", s->callouts);
    line(out, "instructions interpreted", s->interp_steps);
    line(out, "  for their mode", s->interp_modes);
    line(out, "sites: view by address", s->adapted[ADAPT_VIEW]);
    line(out, "sites: simulated", s->adapted[ADAPT_SIMULATE]);
    line(out, "sites: wrap at 4 GiB", s->adapted[ADAPT_WRAP]);
    line(out, "  for faults of the guest", s->adapted_for[SMMU_TRUE]);
    line(out, "  and no longer", s->reverted);
    line(out, "  for mmio", s->adapted_for[SMMU_MMIO]);
    line(out, "  for traced tables", s->adapted_for[SMMU_TRACED]);
    line(out, "  for code", s->adapted_for[SMMU_CODE]);
    line(out, "  for remapped pages", s->adapted_for[SMMU_REMAPPED]);
    line(out, "faults: mapped", s->faults[SMMU_MAPPED]);
    line(out, "faults: true", s->faults[SMMU_TRUE]);
    line(out, "faults: other view", s->faults[SMMU_VIEW]);
    line(out, "faults: mmio", s->faults[SMMU_MMIO]);
    line(out, "faults: traced", s->faults[SMMU_TRACED]);
    line(out, "faults: code", s->faults[SMMU_CODE]);
    line(out, "faults: remapped page", s->faults[SMMU_REMAPPED]);
    print_callouts(s, out);
}

void engine_print_stats(struct engine *e, FILE *out)
{
    fprintf(out, "engine %s\r\n", engine_name(e->cfg.kind));
    line(out, "instructions interpreted", interp_count(e->interp));
    if (e->cfg.kind == ENGINE_BT)
        print_bt(e, out);
    print_mmu(smmu_stats(e->mmu), out);
}
