#include "warp.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pair.h"
#include "shadowmmu/smmu.h"

struct warp {
    struct cpu_hooks hooks; /* A's own */
    struct bus mmio;        /* in front of A's own: the devices all lie below 4 GiB */
    struct warp_event *event;
    size_t n, room;
};

void warp_note(struct warp *w, struct warp_event ev)
{
    if (w->n == w->room) {
        w->room = w->room ? w->room * 2 : 4096;
        w->event = realloc(w->event, w->room * sizeof(*w->event));
        if (!w->event) {
            perror("lockstep");
            abort();
        }
    }
    w->event[w->n++] = ev;
}

static struct pair *pair_of(void *opaque)
{
    return ((struct machine *)opaque)->time->opaque;
}

static void note(struct pair *p, enum warp_kind kind, uint32_t where, unsigned size, uint64_t value)
{
    warp_note(p->warp, (struct warp_event){p->now, value, where, (uint8_t)kind, (uint8_t)size});
}

static uint32_t noted_read(void *opaque, uint16_t port, unsigned size)
{
    struct pair *p = pair_of(opaque);

    note(p, WARP_READ, port, size, 0);
    return p->warp->hooks.io_read(opaque, port, size);
}

static void noted_write(void *opaque, uint16_t port, unsigned size, uint32_t value)
{
    struct pair *p = pair_of(opaque);

    note(p, WARP_WRITE, port, size, value);
    p->warp->hooks.io_write(opaque, port, size, value);
}

static uint32_t noted_mmio_read(void *dev, uint32_t off, unsigned size)
{
    struct pair *p = dev;

    note(p, WARP_MMIO_READ, off, size, 0);
    return (uint32_t)bus_read(&p->a->mmio, off, size);
}

static void noted_mmio_write(void *dev, uint32_t off, unsigned size, uint32_t value)
{
    struct pair *p = dev;

    note(p, WARP_MMIO_WRITE, off, size, value);
    bus_write(&p->a->mmio, off, size, value);
}

static const struct io_ops noted_mmio = {noted_mmio_read, noted_mmio_write, 1, 4};

static uint64_t noted_msr_read(void *opaque, uint32_t index)
{
    struct pair *p = pair_of(opaque);

    note(p, WARP_MSR_READ, index, 0, 0);
    return p->warp->hooks.msr_read(opaque, index);
}

static void noted_msr_written(void *opaque, uint32_t index, uint64_t value)
{
    struct pair *p = pair_of(opaque);

    note(p, WARP_MSR_WRITE, index, 0, value);
    p->warp->hooks.msr_written(opaque, index, value);
}

static void noted_cr8(void *opaque, uint8_t cr8)
{
    struct pair *p = pair_of(opaque);

    note(p, WARP_CR8, 0, 0, cr8);
    p->warp->hooks.cr8_written(opaque, cr8);
}

static void noted_tsc(void *opaque)
{
    struct pair *p = pair_of(opaque);

    note(p, WARP_TSC, 0, 0, p->a->cpu->tsc_offset);
    p->warp->hooks.tsc_moved(opaque);
}

static int noted_ack(void *opaque)
{
    struct pair *p = pair_of(opaque);

    note(p, WARP_ACK, 0, 0, 0);
    return p->warp->hooks.intr_ack(opaque);
}

static void noted_ferr(void *opaque, bool level)
{
    struct pair *p = pair_of(opaque);

    note(p, WARP_FERR, 0, 0, level);
    p->warp->hooks.ferr(opaque, level);
}

static void repeat(struct machine *b, const struct warp_event *ev)
{
    const struct cpu_hooks *h = &b->cpu->hooks;

    switch (ev->kind) {
    case WARP_TIMERS:
        clock_run(&b->clock);
        break;
    case WARP_READ:
        h->io_read(h->opaque, (uint16_t)ev->where, ev->size);
        break;
    case WARP_WRITE:
        h->io_write(h->opaque, (uint16_t)ev->where, ev->size, (uint32_t)ev->value);
        break;
    case WARP_MMIO_READ:
        bus_read(&b->mmio, ev->where, ev->size);
        break;
    case WARP_MMIO_WRITE:
        bus_write(&b->mmio, ev->where, ev->size, ev->value);
        break;
    case WARP_MSR_READ:
        h->msr_read(h->opaque, ev->where);
        break;
    case WARP_MSR_WRITE:
        h->msr_written(h->opaque, ev->where, ev->value);
        break;
    case WARP_CR8:
        h->cr8_written(h->opaque, (uint8_t)ev->value);
        break;
    case WARP_TSC:
        b->cpu->tsc_offset = ev->value;
        h->tsc_moved(h->opaque);
        break;
    case WARP_ACK:
        h->intr_ack(h->opaque);
        break;
    case WARP_FERR:
        h->ferr(h->opaque, ev->value);
        break;
    }
}

static void repeat_all(struct pair *p)
{
    uint64_t now = p->now;

    for (size_t i = 0; i < p->warp->n; i++) {
        p->now = p->warp->event[i].now;
        repeat(p->b, &p->warp->event[i]);
    }
    p->now = now;
}

static void copy_ram(struct pair *p)
{
    off_t from = 0, to, end = (off_t)p->a->mem.size;

    while ((from = lseek(p->a->ram_fd, from, SEEK_DATA)) >= 0 && from < end) {
        to = lseek(p->a->ram_fd, from, SEEK_HOLE);
        to = to < 0 ? end : to;
        memcpy(p->b->mem.hva + from, p->a->mem.hva + from, (size_t)(to - from));
        from = to;
    }
}

/* All but what belongs to the machine. */
static void copy_cpu(struct pair *p)
{
    const struct cpu *a = p->a->cpu;
    struct cpu *b = p->b->cpu;
    size_t to = offsetof(struct cpu, mem), from = offsetof(struct cpu, fpu);

    memcpy(b, a, to);
    memcpy((uint8_t *)b + from, (const uint8_t *)a + from, sizeof(*b) - from);
    smmu_paging_changed(p->b->mmu, b);
}

static void put_hooks(struct pair *p)
{
    struct cpu_hooks *h = &p->a->cpu->hooks;
    int err;

    h->io_read = noted_read;
    h->io_write = noted_write;
    h->msr_read = noted_msr_read;
    h->msr_written = noted_msr_written;
    h->cr8_written = noted_cr8;
    h->tsc_moved = noted_tsc;
    h->intr_ack = noted_ack;
    h->ferr = noted_ferr;
    bus_init(&p->warp->mmio, "mmio", NULL);
    err = bus_add(&p->warp->mmio, 0, PHYSMEM_HIGH, &noted_mmio, p, "noted");
    assert(!err);
    p->a->mem.mmio = &p->warp->mmio;
}

enum pair_end pair_warp(struct pair *p, uint64_t insns)
{
    struct warp w = {.hooks = p->a->cpu->hooks};
    enum pair_end end = PAIR_RUNNING;

    p->warp = &w;
    put_hooks(p);
    while (end == PAIR_RUNNING && p->insns < insns)
        end = pair_step(p);
    p->a->cpu->hooks = w.hooks;
    p->a->mem.mmio = &p->a->mmio;
    repeat_all(p);
    p->warp = NULL;
    copy_ram(p);
    copy_cpu(p);
    free(w.event);
    return end;
}
