/* interp_rig.h - a machine with RAM, a CPU in flat 32-bit protected mode at CPL 0 and an
 * interpreter. */
#ifndef DRAGOMAN_TESTS_INTERP_RIG_H
#define DRAGOMAN_TESTS_INTERP_RIG_H

#include "mmu_rig.h"

#include "cpu/model.h"
#include "translator/interp.h"
#include "translator/row.h"

enum { CODE_AT = 0x1000, STACK_AT = 0x8000 };

struct irig {
    struct rig r;
    struct cpu *c;
    struct interp *it;
    struct cpu_model model;
    int vector; /* what INTA gives; -1: nothing */
    uint32_t port_value;
    unsigned port_reads, port_writes;
};

static inline struct seg flat_segment(uint16_t sel, bool code)
{
    return (struct seg){
        .sel = sel,
        .attr = (uint16_t)(ATTR_A | ATTR_W | (code ? ATTR_CODE : 0) | ATTR_S | ATTR_P | ATTR_DB |
                           ATTR_G),
        .limit = 0xffffffff,
        .usable = true,
    };
}

static inline int irig_intr_ack(void *opaque)
{
    struct irig *q = opaque;
    int v = q->vector;

    q->c->intr = 0;
    q->vector = -1;
    return v;
}

static inline uint32_t irig_io_read(void *opaque, uint16_t port, unsigned size)
{
    struct irig *q = opaque;

    (void)port;
    (void)size;
    q->port_reads++;
    return q->port_value++;
}

static inline void irig_io_write(void *opaque, uint16_t port, unsigned size, uint32_t val)
{
    struct irig *q = opaque;

    (void)port;
    (void)size;
    q->port_writes++;
    q->port_value = val;
}

static inline void irig_flat32(struct cpu *c)
{
    c->cr0 = CR0_PE | CR0_ET | CR0_NE;
    c->rflags = EF_R1;
    c->cpl = 0;
    for (unsigned s = 0; s < NSEG; s++)
        c->seg[s] = flat_segment(s == SEG_CS ? 0x10 : 0x18, s == SEG_CS);
    c->gpr[RSP] = STACK_AT;
    c->rip = CODE_AT;
    cpu_update_mode(c);
}

static inline void irig_open(struct irig *q)
{
    static const struct smmu_config cfg = {.max_maps = 1000};
    char err[128];

    memset(q, 0, sizeof(*q));
    q->vector = -1;
    rig_open(&q->r);
    q->c = q->r.c;
    ck_assert_int_eq(cpu_model_init(&q->model, NULL, err, sizeof(err)), 0);
    q->c->model = &q->model;
    q->c->log = &q->r.log;
    cpu_reset(q->c);
    rig_start(&q->r, &cfg);
    q->c->hooks.intr_ack = irig_intr_ack;
    q->c->hooks.io_read = irig_io_read;
    q->c->hooks.io_write = irig_io_write;
    q->c->hooks.opaque = q;
    irig_flat32(q->c);
    smmu_paging_changed(q->r.m, q->c);
    ck_assert_int_eq(interp_create(&q->it, q->r.m), 0);
}

static inline void irig_close(struct irig *q)
{
    interp_destroy(q->it);
    rig_close(&q->r);
}

static inline void irig_code(struct irig *q, const void *bytes, size_t n)
{
    ck_assert_int_eq(physmem_write(&q->r.pm, CODE_AT, bytes, n), 0);
    q->c->rip = CODE_AT;
}

#define CODE(q, ...)                                                                               \
    irig_code(q, (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

static inline void irig_steps(struct irig *q, unsigned n)
{
    while (n--)
        interp_one(q->it, q->c);
}

static inline uint32_t irig_peek(struct irig *q, gpa_t pa)
{
    return peek32(&q->r, pa);
}

/* IDT at 9000h whose 256 interrupt gates lead to A000h + vector * 16; GDT at 9800h. */
static inline void irig_tables(struct irig *q)
{
    put64(&q->r, 0x9810, UINT64_C(0x00cf9b000000ffff));
    put64(&q->r, 0x9818, UINT64_C(0x00cf93000000ffff));
    put64(&q->r, 0x9820, UINT64_C(0x00cffb000000ffff)); /* DPL 3 code, data */
    put64(&q->r, 0x9828, UINT64_C(0x00cff3000000ffff));
    q->c->gdtr = (struct dtable){0x9800, 0x7f};
    q->c->idtr = (struct dtable){0x9000, 0x7ff};
    for (unsigned v = 0; v < 256; v++) {
        uint32_t to = 0xa000 + v * 16;

        put32(&q->r, 0x9000 + v * 8, 0x10 << 16 | (to & 0xffff));
        put32(&q->r, 0x9004 + v * 8, (to & 0xffff0000) | 0xee00);
    }
}

#endif
