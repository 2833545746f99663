/* One block at a time, for lockstep: nothing but the block can be entered, and what it executed is
 * counted from the way it left. */
#include "translator/bt_priv.h"

#include <errno.h>

int bt_step_init(struct engine *e)
{
    for (unsigned wide = 0; wide < 2; wide++) {
        e->step_ctx[wide] = bt_ctx_map(e, wide);
        if (!e->step_ctx[wide])
            return -ENOMEM;
    }
    return 0;
}

void bt_step_fini(struct engine *e)
{
    for (unsigned wide = 0; wide < 2; wide++)
        if (e->step_ctx[wide])
            bt_ctx_unmap(e->step_ctx[wide]);
}

/* A block that straddles checks its second page's word itself; all other words stay false. */
static void set_word(struct engine *e, const struct bt_block *b, bool valid)
{
    const struct bt_page *page = b->page2;

    if (page)
        e->step_ctx[bt_wide(b->mode)]->neg_word[page->vpn % BT_WORDS] = valid ? 0u - page->id : 0;
}

void bt_step_arm(struct engine *e, const uint8_t *entry)
{
    e->step_block = bt_block_at(e, (uint64_t)(uintptr_t)entry);
    set_word(e, e->step_block, true);
    bt_use_ctx(e, e->step_ctx[bt_wide(e->step_block->mode)]);
}

/* Instructions of the block that begin before offset `end`. Every instruction has a map entry; some
 * have several, and a poll behind one bears the address of the next. */
static unsigned begun_before(const struct bt_block *b, unsigned end)
{
    unsigned n = 0, last = UINT32_MAX;

    for (unsigned k = 0; k < b->nmap; k++) {
        unsigned g = b->map[k].guest;

        if (b->map[k].kind == SITE_SIDE)
            break;
        if (g != last && g < end && g < b->guest_len)
            n++;
        last = g;
    }
    return n;
}

static unsigned executed(struct engine *e, const struct bt_block *b)
{
    const struct bt_exit *x = (const struct bt_exit *)(uintptr_t)e->hot->exit_arg;
    uint64_t jump;

    switch (e->hot->exit_kind) {
    case BT_EXIT_DIRECT: /* the jump belongs to the last instruction executed */
        jump = (uint64_t)(uintptr_t)codemem_to_rx(&e->code, x->jump);
        return begun_before(b, bt_map_at(b, jump)->guest + 1u);
    case BT_EXIT_CALLOUT:
        return begun_before(b, (unsigned)(e->callout_rip - b->rip) + 1);
    case BT_EXIT_FAULT: /* not executed */
        return begun_before(b, (unsigned)(e->hot->fault_rip - b->rip));
    case BT_EXIT_INDIRECT: /* always the last instruction */
        return begun_before(b, b->guest_len);
    default:
        return 0;
    }
}

unsigned bt_step_count(struct engine *e)
{
    struct bt_block *b = e->step_block;

    set_word(e, b, false);
    return executed(e, b);
}

/* Single steps and breakpoints are seen between the iterations of a REP. */
void bt_step_finish(struct engine *e)
{
    struct cpu *c = e->cpu;

    while (c->in_rep && !(c->mode & (MODE_TF | MODE_DR7))) {
        c->in_rep = 0;
        bt_fpu_save(e, c);
        interp_step(e->interp, c);
    }
}

void engine_follow(struct engine *e, const struct engine_step *s)
{
    struct cpu *c = e->cpu;

    if (s->one) {
        interp_one(e->interp, c);
        bt_step_finish(e);
        return;
    }
    for (unsigned k = 0; k < s->insns; k++) {
        c->in_rep = 0;
        interp_step(e->interp, c);
        bt_step_finish(e);
    }
}
