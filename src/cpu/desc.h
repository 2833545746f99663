/* desc.h - descriptors and stack frames, shared by the files of src/cpu and by nobody else.
 *
 * A descriptor is read as the two dwords of SDM 3A 3.4.5. Error codes are the selector without its
 * RPL, plus EXT when an event is being delivered (SDM 3A 6.13); callers pass `ext` as 0 or 1.
 * A struct stack collects what a transfer pushes; stack_write() checks and probes all of it before
 * the first byte is written, so that a transfer either happens or leaves no trace.
 */
#ifndef DRAGOMAN_CPU_DESC_H
#define DRAGOMAN_CPU_DESC_H

#include "cpu/exception.h"
#include "cpu/segment.h"

struct desc {
    uint32_t lo, hi;
    gva_t lin; /* where it lives: for the accessed and busy bits */
};

/* System descriptor types (SDM 3A table 3-2). */
enum sys_type {
    SYS_TSS16 = 1,
    SYS_LDT = 2,
    SYS_TSS16_BUSY = 3,
    SYS_CALL16 = 4,
    SYS_TASK_GATE = 5,
    SYS_INT16 = 6,
    SYS_TRAP16 = 7,
    SYS_TSS32 = 9,
    SYS_TSS32_BUSY = 11,
    SYS_CALL32 = 12,
    SYS_INT32 = 14,
    SYS_TRAP32 = 15,
    SYS_BUSY = 2, /* the bit that makes a TSS type busy */
    SYS_32 = 8,   /* the bit that makes a gate or TSS a 32-bit one */
};

enum desc_result { DESC_OK, DESC_OUTSIDE, DESC_FAULT };

static inline bool sel_null(uint16_t sel)
{
    return !(sel & 0xfffc);
}

static inline uint16_t desc_attr(const struct desc *d)
{
    return (d->hi >> 8) & 0xf0ff;
}

static inline unsigned desc_type(const struct desc *d)
{
    return (d->hi >> 8) & 15;
}

static inline unsigned desc_dpl(const struct desc *d)
{
    return (d->hi >> 13) & 3;
}

static inline bool desc_present(const struct desc *d)
{
    return (d->hi >> 8) & ATTR_P;
}

static inline bool desc_system(const struct desc *d)
{
    return !((d->hi >> 8) & ATTR_S);
}

static inline bool desc_code(const struct desc *d)
{
    return (desc_attr(d) & (ATTR_S | ATTR_CODE)) == (ATTR_S | ATTR_CODE);
}

static inline bool desc_conforming(const struct desc *d)
{
    return desc_code(d) && (desc_attr(d) & ATTR_E);
}

static inline bool desc_writable(const struct desc *d)
{
    return (desc_attr(d) & (ATTR_S | ATTR_CODE | ATTR_W)) == (ATTR_S | ATTR_W);
}

static inline bool desc_readable(const struct desc *d)
{
    return !desc_system(d) && (!desc_code(d) || (desc_attr(d) & ATTR_W));
}

/* L: 64-bit code, which long mode alone knows. */
static inline bool desc_code64(const struct cpu *c, const struct desc *d)
{
    return cpu_long(c) && (desc_attr(d) & ATTR_L);
}

static inline uint32_t desc_base(const struct desc *d)
{
    return d->lo >> 16 | (d->hi & 0xff) << 16 | (d->hi & 0xff000000);
}

uint32_t desc_limit(const struct desc *d);

static inline uint16_t gate_sel(const struct desc *d)
{
    return (uint16_t)(d->lo >> 16);
}

static inline uint32_t gate_offset(const struct desc *d)
{
    uint32_t low = d->lo & 0xffff;

    return desc_type(d) & SYS_32 ? low | (d->hi & 0xffff0000) : low;
}

/* Linear addresses of tables and stacks: 64 bits wide in long mode, compatibility mode included. */
static inline gva_t sys_linear(const struct cpu *c, uint64_t lin)
{
    return cpu_long(c) ? lin : (uint32_t)lin;
}

/* A TSS type, busy or not. */
static inline bool sys_is_tss(unsigned type)
{
    return (type & ~(unsigned)(SYS_BUSY | SYS_32)) == SYS_TSS16;
}

/* Records v(sel & ~3 | ext); false. */
bool raise_sel(struct cpu *c, enum vector v, uint16_t sel, uint32_t ext);

/* Reads the descriptor of a non-null selector from the GDT or LDT. */
enum desc_result desc_fetch(struct cpu *c, uint16_t sel, struct desc *d);
/* The same; outside of the table is v(sel | ext). */
bool desc_read(struct cpu *c, uint16_t sel, struct desc *d, enum vector v, uint32_t ext);
/* Long mode: LDT, TSS and call gate descriptors have 16 bytes (SDM 3A 3.5.2). *high: bits 64-95;
 * the type field above them must be zero, v(sel | ext). */
bool desc_read_high(struct cpu *c, uint16_t sel, const struct desc *d, enum vector v, uint32_t ext,
                    uint32_t *high);
/* A code segment may be entered: L and D are not both set in long mode. #GP(sel | ext). */
bool desc_check_size(struct cpu *c, uint16_t sel, const struct desc *d, uint32_t ext);
/* *rip lies inside the code segment, or is canonical for 64-bit code. To other code it is EIP: the
 * upper half goes, as on the host CPU. */
bool desc_fit_rip(const struct cpu *c, const struct desc *d, uint64_t *rip);
/* Set the accessed bit; set or clear the busy bit. In memory and in *d. */
bool desc_set_accessed(struct cpu *c, struct desc *d);
bool desc_set_busy(struct cpu *c, struct desc *d, bool busy);

void seg_from_desc(struct seg *s, uint16_t sel, const struct desc *d);
void seg_set_null(struct seg *s, uint16_t sel);
/* Base 0, limit 4 GiB - 1 (SYSENTER and its like). */
void seg_set_flat(struct seg *s, uint16_t sel, uint16_t attr);
/* Real and V86 mode: base = sel * 16. */
void seg_load_real(struct cpu *c, unsigned seg, uint16_t sel);
/* V86 mode whatever the current mode is. */
void seg_load_vm86(struct cpu *c, unsigned seg, uint16_t sel);
/* [off, off + len) lies inside the segment. */
bool seg_holds(const struct seg *s, uint64_t off, unsigned len);
/* Checks of a stack segment of privilege level `cpl`: v(sel|ext) for a bad one, #SS for an absent
 * one. Sets its accessed bit. */
bool seg_check_stack(struct cpu *c, uint16_t sel, unsigned cpl, enum vector v, uint32_t ext,
                     struct desc *d);
/* After a return to an outer level: data segments that it may not use become null (SDM 3A 5.8.6).
 */
void seg_drop_inner(struct cpu *c);

enum { STACK_MAX = 36 }; /* SS, ESP, 31 parameters, CS, EIP, one spare */

struct stack {
    const struct seg *ss; /* NULL: 64-bit code's, without base and limit */
    uint64_t sp, mask;
    bool user;     /* pushed with CPL-3 rights */
    uint8_t width; /* bytes per item, 2, 4 or 8 */
    uint8_t n;
    uint32_t err;            /* of the #SS when the limit is exceeded */
    uint64_t val[STACK_MAX]; /* in the order of pushing */
};

static inline uint64_t stack_mask(const struct seg *ss)
{
    return ss->attr & ATTR_DB ? 0xffffffff : 0xffff;
}

/* Of the stack pointer in the current mode: 64-bit code has no segmented stack (SDM 1 6.2.5). */
static inline uint64_t stack_width_mask(const struct cpu *c)
{
    return cpu_cs64(c) ? UINT64_MAX : stack_mask(&c->seg[SEG_SS]);
}

void stack_init(struct stack *st, const struct seg *ss, uint64_t sp, unsigned cpl, unsigned width,
                uint32_t err);
/* The same for the stack of 64-bit code. */
void stack_init_64(struct stack *st, uint64_t sp, unsigned cpl, unsigned width, uint32_t err);
/* The current stack, in the current mode. */
void stack_init_current(const struct cpu *c, struct stack *st, unsigned width);
void stack_put(struct stack *st, uint64_t val);
/* Writes all items; st->sp is then the new stack pointer. */
bool stack_write(struct cpu *c, struct stack *st);
/* Reads `width` bytes at SS:SP + off without popping. */
bool stack_peek(struct cpu *c, unsigned off, unsigned width, uint64_t *val);
/* Writes the stack pointer as the stack's width allows: a 16-bit stack keeps ESP[31:16]. The mode
 * must be up to date. */
void stack_set_sp(struct cpu *c, uint64_t sp);
/* SS:ESP of privilege level `cpl` from the TSS, checked: #TS and #SS (SDM 3A 5.8.5). */
bool stack_from_tss(struct cpu *c, unsigned cpl, uint32_t ext, struct seg *ss, uint32_t *esp);

/* Slots of the 64-bit TSS: RSP0-2 and IST1-7 (SDM 3A figure 7-11). */
enum { TSS64_RSP0 = 4, TSS64_IST1 = 0x24 };
/* The stack pointer at offset `at` of the 64-bit TSS; #TS. */
bool stack_from_tss64(struct cpu *c, unsigned at, uint32_t ext, uint64_t *rsp);

/* An event on its way through the IDT. */
struct event {
    uint8_t vector;
    bool soft; /* INT n, INT3, INTO: the gate's DPL counts, EXT is clear */
    bool rf;   /* RF in the pushed EFLAGS */
    bool has_err;
    uint32_t err;
    uint64_t ret; /* address pushed */
};

/* Through the IVT, a gate or a task gate; sets next_rip. False: nothing changed, unless a task
 * switch was already committed (then rip is the new task's). */
bool gate_deliver(struct cpu *c, const struct event *e);
/* INT n in V86 mode with CR4.VME. *done: handled through the 8086 IVT. False: fault. */
bool gate_vme_redirect(struct cpu *c, uint8_t vector, bool *done);

struct task_request {
    uint16_t sel;
    enum task_source src;
    uint32_t ext;
    uint32_t eip, eflags; /* what the old task resumes with */
    bool push_err;
    uint32_t err;
};

bool task_switch(struct cpu *c, const struct task_request *r);
/* IRET with NT set. */
bool task_return(struct cpu *c);

#endif
