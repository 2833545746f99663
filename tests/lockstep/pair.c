#include "pair.h"

#include <stdio.h>
#include <string.h>

#include "base/bits.h"
#include "shadowmmu/walk.h"
#include "warp.h"

/* Monday 1 January 2024, 00:00 UTC: any, but always the same. */
enum { BOOT_DATE = 1704067200, TSC_KHZ = 2800000 };

static uint64_t virtual_now(void *opaque)
{
    return ((struct pair *)opaque)->now;
}

static uint64_t virtual_tsc(void *opaque)
{
    return muldiv64(((struct pair *)opaque)->now, TSC_KHZ, 1000000);
}

static int64_t virtual_date(void *opaque)
{
    return BOOT_DATE + (int64_t)(((struct pair *)opaque)->now / 1000000000);
}

static void keep(struct pair_output *o, const uint8_t *buf, size_t len)
{
    if (len > sizeof(o->bytes) - o->len) {
        len = sizeof(o->bytes) - o->len;
        o->full = true;
    }
    memcpy(o->bytes + o->len, buf, len);
    o->len += len;
}

static void print_a(void *opaque, const uint8_t *buf, size_t len)
{
    struct pair *p = opaque;

    keep(&p->out_a, buf, len);
    if (!p->quiet) {
        fwrite(buf, 1, len, stdout);
        fflush(stdout);
    }
}

static void print_b(void *opaque, const uint8_t *buf, size_t len)
{
    keep(&((struct pair *)opaque)->out_b, buf, len);
}

static void redirect(struct pair *p, struct machine *m,
                     void (*print)(void *opaque, const uint8_t *buf, size_t len))
{
    struct chardev *d[] = {&m->console.dev, &m->stdio_out, &m->chars[MACHINE_COM1].dev,
                           &m->chars[MACHINE_DEBUGCON].dev};

    for (unsigned i = 0; i < ARRAY_SIZE(d); i++) {
        d[i]->write = print;
        d[i]->sink_ready = NULL; /* there is no input */
        d[i]->opaque = p;
    }
}

static void note_walked(void *opaque, gpa_t pa, size_t len)
{
    struct pair_walked *w = opaque;

    for (size_t o = 0; o < len && len <= 8 && w->n < ARRAY_SIZE(w->at); o += 4)
        w->at[w->n++] = pa + o;
    w->written(w->opaque, pa, len);
}

static void pass_map_change(void *opaque)
{
    struct pair_walked *w = opaque;

    w->map_changed(w->opaque);
}

static void watch_walks(struct machine *m, struct pair_walked *w)
{
    w->written = m->mem.written;
    w->map_changed = m->mem.map_changed;
    m->mem.map_changed = pass_map_change;
    w->opaque = m->mem.opaque;
    m->mem.written = note_walked;
    m->mem.opaque = w;
}

/* Is the difference of two dwords one that a TLB explains? */
static bool only_ad(uint32_t a, uint32_t b)
{
    enum { P = 1, A = 0x20, D = 0x40 };

    return (a & b & P) && !((a ^ b) & ~(uint32_t)(A | D));
}

bool pair_copy_ad(struct pair *p, gpa_t pa)
{
    const void *from = physmem_ptr(&p->a->mem, pa);
    void *to = physmem_ptr(&p->b->mem, pa);
    uint32_t a, b;

    if (!from || !to)
        return false;
    a = ld32(from);
    b = ld32(to);
    if (a == b || !only_ad(a, b))
        return a == b;
    p->a_ad += (a & ~b) != 0;
    p->b_ad += (b & ~a) != 0;
    st32(to, a);
    p->walked_b.written(p->walked_b.opaque, pa, 4);
    return true;
}

static void settle_walks(struct pair *p)
{
    struct pair_walked *walked[] = {&p->walked_a, &p->walked_b};

    for (unsigned i = 0; i < ARRAY_SIZE(walked); i++) {
        for (unsigned n = 0; n < walked[i]->n && !p->warp; n++)
            (void)pair_copy_ad(p, walked[i]->at[n]);
        walked[i]->n = 0;
    }
}

static void share_output(struct char_target *t)
{
    if (t->kind == CHAR_FILE || t->kind == CHAR_MON_STDIO)
        t->kind = CHAR_STDIO;
}

int pair_create(struct pair *p, const struct options *opt, uint64_t ns_per_insn,
                struct machine_error *err)
{
    struct host_limits limits;
    struct host_error host;
    int e;

    memset(p, 0, sizeof(*p));
    p->ns_per_insn = ns_per_insn;
    p->time = (struct machine_time){virtual_now, virtual_tsc, TSC_KHZ, virtual_date, p};
    e = host_check(&host_probe_real, &limits, &host);
    if (e < 0) {
        snprintf(err->text, sizeof(err->text), "%s", host.text);
        return e;
    }
    p->opt_a = *opt;
    share_output(&p->opt_a.serial);
    share_output(&p->opt_a.debugcon);
    p->opt_a.engine = ENGINE_BT;
    p->opt_b = p->opt_a;
    p->opt_b.engine = ENGINE_INTERP;
    p->opt_b.log_items = 0;
    p->opt_b.log_file = p->opt_b.perf_map = NULL;
    e = machine_create_stepped(&p->a, &p->opt_a, &limits, &p->time, err);
    if (e == 0)
        e = machine_create_stepped(&p->b, &p->opt_b, &limits, &p->time, err);
    if (e < 0) {
        pair_destroy(p);
        return e;
    }
    p->b->model = p->a->model; /* the host's answers may differ from core to core */
    redirect(p, p->a, print_a);
    redirect(p, p->b, print_b);
    watch_walks(p->a, &p->walked_a);
    watch_walks(p->b, &p->walked_b);
    return 0;
}

void pair_destroy(struct pair *p)
{
    if (p->b)
        machine_destroy(p->b);
    if (p->a)
        machine_destroy(p->a);
    p->a = p->b = NULL;
}

const struct pair_past *pair_last(const struct pair *p)
{
    return &p->past[(p->steps - 1) % PAIR_HISTORY];
}

static void run_timers(struct pair *p)
{
    if (clock_deadline(&p->a->clock) <= p->now) {
        clock_run(&p->a->clock);
        if (p->warp)
            warp_note(p->warp, (struct warp_event){.now = p->now, .kind = WARP_TIMERS});
    }
    if (!p->warp && clock_deadline(&p->b->clock) <= p->now)
        clock_run(&p->b->clock);
}

static bool wakes(const struct cpu *c)
{
    return (c->intr && c->iflag) || (c->nmi_pending && !c->nmi_blocked);
}

/* Sleeps until the next timer. False: there is none. */
static bool skip_time(struct pair *p)
{
    uint64_t deadline = clock_deadline(&p->a->clock);

    if (deadline == CLOCK_NEVER || !p->a->cpu->iflag)
        return false;
    p->now = deadline;
    run_timers(p);
    return true;
}

static bool same_output(struct pair *p)
{
    bool same = p->out_a.len == p->out_b.len && p->out_a.full == p->out_b.full &&
                memcmp(p->out_a.bytes, p->out_b.bytes, p->out_a.len) == 0;

    if (same)
        p->out_a.len = p->out_b.len = 0;
    return same;
}

static enum pair_end look_around(struct pair *p)
{
    struct machine *a = p->a, *b = p->b;
    struct machine_error err;

    if (p->warp) {
        a->cpu->kick = 0;
        return a->stopped || a->reset_asked || a->cpu->shutdown ? PAIR_STOPPED : PAIR_RUNNING;
    }
    if (!same_output(p) || a->stopped != b->stopped || a->status != b->status ||
        a->reset_asked != b->reset_asked || a->cpu->shutdown != b->cpu->shutdown)
        return PAIR_APART;
    if (a->stopped || (a->reset_asked && a->opt->no_reboot))
        return PAIR_STOPPED;
    if (a->cpu->shutdown)
        return PAIR_SHUTDOWN;
    if (a->reset_asked) {
        a->reset_asked = b->reset_asked = false;
        if (machine_boot(a, &err) < 0 || machine_boot(b, &err) < 0)
            return PAIR_STOPPED;
    }
    a->cpu->kick = b->cpu->kick = 0;
    return PAIR_RUNNING;
}

enum pair_end pair_step(struct pair *p)
{
    struct cpu *c = p->a->cpu;
    struct pair_past *past;

    run_timers(p);
    while (c->halted && !wakes(c))
        if (!skip_time(p))
            return PAIR_STUCK;
    past = &p->past[p->steps++ % PAIR_HISTORY];
    *past = (struct pair_past){.insns = p->insns, .rip = cpu_linear_rip(c), .mode = c->mode};
    engine_step(p->a->engine, &past->step);
    if (!p->warp)
        engine_follow(p->b->engine, &past->step);
    settle_walks(p);
    p->trail =
        (p->trail ^ past->rip ^ (uint64_t)past->step.insns << 32) * UINT64_C(0x9e3779b97f4a7c15);
    p->blocks += past->step.block;
    p->events += past->step.one;
    /* An event or an interpreted instruction takes time as well: a guest that does nothing else
     * must see its timer. */
    p->insns += past->step.one ? 1 : past->step.insns;
    p->now += (past->step.one ? 1 : past->step.insns) * p->ns_per_insn;
    return look_around(p);
}

size_t pair_read_code(struct machine *m, gva_t lin, uint8_t *buf, size_t len)
{
    size_t done = 0;

    while (done < len) {
        gva_t at = cpu_long(m->cpu) ? lin + done : (uint32_t)(lin + done);
        size_t n = PAGE_SIZE - (size_t)(at & PAGE_MASK);
        struct walk w;
        hva_t from =
            mmu_walk(m->cpu, &m->mem, at, WALK_PEEK, &w) ? physmem_ptr(&m->mem, w.pa) : NULL;

        if (!from)
            break;
        n = n < len - done ? n : len - done;
        memcpy(buf + done, from, n);
        done += n;
    }
    return done;
}
