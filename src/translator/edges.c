/* Which chains between pages go unchecked: edges.h. */
#include "translator/edges.h"

#include "translator/bt_priv.h"

enum { FEW = 64 }; /* edges that a kick looks at, of a page */

static bool knows(const struct bt_ctx *x, const struct bt_page *p)
{
    return x->page[p->vpn % BT_WORDS] == p;
}

static struct bt_edge *find(const struct bt_page *from, const struct bt_page *to, uint32_t mode)
{
    struct bt_edge *d = from->out;

    while (d && !(d->to == to && d->mode == mode))
        d = d->next_out;
    return d;
}

static bool open_between(const struct bt_page *from, const struct bt_page *to, uint32_t mode)
{
    const struct bt_edge *d = from == to ? NULL : find(from, to, mode);

    return from == to || (d && d->open);
}

bool bt_edge_open(const struct bt_block *from, const struct bt_block *to)
{
    return open_between(from->page, to->page, to->mode) &&
           (!to->page2 || open_between(to->page, to->page2, to->mode)) &&
           (from->page == to->page || !(to->mode & MODE_ODD_CS));
}

/* Who knows the one page knows the other. There is one kernel context of a mode. */
static bool implied(const struct engine *e, const struct bt_edge *d)
{
    const struct bt_ctx *x;
    uint32_t left = d->from->uses;

    if (d->mode & MODE_CPL3) {
        for (x = e->all_ctx; x && left; x = x->all_next) {
            if (!knows(x, d->from))
                continue;
            left--;
            if (x->mode == d->mode && !knows(x, d->to))
                return false;
        }
        return true;
    }
    for (x = e->kernel_ctx; x && left; x = x->next)
        if (x->mode == d->mode)
            return !knows(x, d->from) || knows(x, d->to);
    return true;
}

static void need(struct engine *e, struct bt_page *from, struct bt_page *to, uint32_t mode)
{
    struct bt_edge *d;

    if (from == to || find(from, to, mode))
        return;
    d = bt_alloc(e, sizeof(*d));
    if (!d)
        return;
    *d = (struct bt_edge){
        .from = from, .to = to, .mode = mode, .next_out = from->out, .next_in = to->in};
    d->open = implied(e, d);
    from->out = to->in = d;
    e->stats.edges++;
    e->stats.edges_open += d->open;
}

void bt_edge_need(struct engine *e, const struct bt_block *from, const struct bt_block *to)
{
    need(e, from->page, to->page, to->mode);
    if (to->page2)
        need(e, to->page, to->page2, to->mode);
}

/* `other`: its end that aim_out() or aim_in() is not called for. */
static void set_open(struct engine *e, struct bt_edge *d, bool open, struct bt_page *other)
{
    d->open = open;
    other->marked = true;
    if (open)
        e->stats.edges_opened++;
    else
        e->stats.edges_closed++;
    d->closed += !open && d->closed < EDGE_TIRED;
}

static void aim_incoming(struct engine *e, const struct bt_block *b)
{
    for (struct bt_exit *x = b->incoming; x; x = x->next_incoming)
        bt_aim(e, x);
}

/* Aims what goes out of the page to pages that are marked. */
static void aim_out(struct engine *e, struct bt_page *page)
{
    for (struct bt_block *b = e->frame_blocks[page->frame]; b;
         b = bt_next_in_frame(b, page->frame)) {
        if (b->page != page)
            continue;
        for (unsigned k = 0; k < b->nexits; k++)
            if (b->exits[k].target && b->exits[k].target->page->marked)
                bt_aim(e, &b->exits[k]);
        if (b->page2 && b->page2->marked)
            aim_incoming(e, b);
    }
    for (struct bt_edge *d = page->out; d; d = d->next_out)
        d->to->marked = false;
}

/* What comes from marked pages into the page. */
static void aim_in(struct engine *e, struct bt_page *page)
{
    for (struct bt_block *b = e->frame_blocks[page->frame]; b;
         b = bt_next_in_frame(b, page->frame)) {
        if (b->page2 == page && b->page->marked)
            aim_incoming(e, b);
        for (struct bt_exit *x = b->page == page ? b->incoming : NULL; x; x = x->next_incoming)
            if (x->from->page->marked)
                bt_aim(e, x);
    }
    for (struct bt_edge *d = page->in; d; d = d->next_in)
        d->from->marked = false;
}

/* Cheap to find out, and likely to last. */
static bool may_open(const struct engine *e, const struct bt_edge *d)
{
    return !d->open && d->closed < EDGE_TIRED && (!(d->mode & MODE_CPL3) || d->from->uses == 1) &&
           implied(e, d);
}

void bt_edges_known(struct engine *e, struct bt_ctx *x, struct bt_page *page)
{
    bool out = false, in = false;

    for (struct bt_edge *d = page->out; d; d = d->next_out)
        if (d->mode == x->mode && (d->open ? !knows(x, d->to) : may_open(e, d))) {
            set_open(e, d, !d->open, d->to);
            out = true;
        }
    if (out)
        aim_out(e, page);
    for (struct bt_edge *d = page->in; d; d = d->next_in)
        if (d->mode == x->mode && knows(x, d->from) && may_open(e, d)) {
            set_open(e, d, true, d->from);
            in = true;
        }
    if (in)
        aim_in(e, page);
}

void bt_edges_forgotten(struct engine *e, const struct bt_ctx *x, struct bt_page *page)
{
    bool in = false;

    for (struct bt_edge *d = page->in; d; d = d->next_in)
        if (d->open && d->mode == x->mode && knows(x, d->from)) {
            set_open(e, d, false, d->from);
            in = true;
        }
    if (in)
        aim_in(e, page);
}

static bool try(struct engine *e, struct bt_edge *d, uint32_t mode, struct bt_page *other)
{
    if (d->open || d->mode != mode || !implied(e, d))
        return false;
    set_open(e, d, true, other);
    return true;
}

static void open_out(struct engine *e, struct bt_page *page, uint32_t mode)
{
    bool any = false;
    unsigned n = 0;

    for (struct bt_edge *d = page->out; d && n < FEW; d = d->next_out, n++)
        any |= try(e, d, mode, d->to);
    if (any)
        aim_out(e, page);
}

/* Time is spent about here. */
void bt_edges_found(struct engine *e, const struct bt_block *b)
{
    bool any = false;
    unsigned n = 0;

    if (!b->valid)
        return;
    open_out(e, b->page, b->mode);
    for (struct bt_edge *d = b->page->out; d && n < FEW; d = d->next_out, n++)
        open_out(e, d->to, b->mode);
    n = 0;
    for (struct bt_edge *d = b->page->in; d && n < FEW; d = d->next_in, n++)
        any |= try(e, d, b->mode, d->from);
    if (any)
        aim_in(e, b->page);
}
