#include "translator/hostexec.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cpu/exception.h"
#include "cpu/segment.h"
#include "shadowmmu/access.h"
#include "translator/hostexec_asm.h"
#include "translator/reencode.h"
#include "translator/row.h"
#include "translator/x_host.h"
#include "translator/x_int.h"

_Static_assert(offsetof(struct hx_frame, flags) == HXF_FLAGS, "hostexec_asm.S");
_Static_assert(offsetof(struct hx_frame, image) == HXF_IMAGE, "hostexec_asm.S");
_Static_assert(offsetof(struct hx_frame, mask) == HXF_MASK, "hostexec_asm.S");
_Static_assert(offsetof(struct hx_frame, use_flags) == HXF_USE_FLAGS, "hostexec_asm.S");
_Static_assert(offsetof(struct hx_frame, faulted) == HXF_FAULTED, "hostexec_asm.S");

enum {
    STUB_BYTES = 16, /* an instruction of at most 15 bytes, and RET */
    STUB_COUNT = 4096,
    STUB_PROBES = 8,
    OPCODE_INT3 = 0xcc, /* no stub begins with it: marks a free slot */
    OPCODE_RET = 0xc3,
    BOUNCE_REG = 9, /* R9: no register of a 32-bit guest lives there */
    RSP_REG = 12,   /* R12: where its ESP is */
    /* A 64-bit guest's instruction leaves at least one of two free: it names at most one GPR. */
    BOUNCE_REG_64 = 10,
    BOUNCE_REG_64_OTHER = 9,
    RSP_REG_64 = 8,
    BOUNCE_ALIGN = 64,
    BOUNCE_BYTES = 2 * BOUNCE_ALIGN,
    NO_TRAP = 0xff,
};

/* The stubs are their own hash table: a slot's bytes are the key. */
struct hostexec {
    uint8_t bounce[BOUNCE_BYTES] __attribute__((aligned(BOUNCE_ALIGN)));
    uint8_t *rw;
    const uint8_t *rx;
    volatile unsigned trap; /* set by hostexec_signal() */
};

/* One instruction on its way through hostexec_run(). */
struct hx_run {
    struct hx_frame f;
    const struct opnd *mem;
    gva_t lin;
    unsigned bounce_reg, rsp_reg;
    uint8_t pointers[IMG_MXCSR - IMG_FOP]; /* FOP, FIP, FDP before */
    bool x87;
    bool store_last; /* a store that is looked at only when there is something to store */
    bool withheld;   /* and there is nothing */
    uint8_t x87_before[IMG_XMM]; /* of an x87 store_last: FCW to ST(7) */
    uint64_t in_use_before;
    uint16_t fcs_before, fds_before;
};

enum { STUBS_SIZE = STUB_BYTES * STUB_COUNT };

static int map_stubs(struct hostexec *h)
{
    int fd = memfd_create("dragoman-hostexec", MFD_CLOEXEC);
    void *rw, *rx;
    int err = 0;

    if (fd < 0)
        return -errno;
    if (ftruncate(fd, STUBS_SIZE) < 0)
        err = -errno;
    rw = mmap(NULL, STUBS_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    rx = mmap(NULL, STUBS_SIZE, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
    close(fd);
    h->rw = rw == MAP_FAILED ? NULL : rw;
    h->rx = rx == MAP_FAILED ? NULL : rx;
    if (!err && (!h->rw || !h->rx))
        err = -ENOMEM;
    return err;
}

int hostexec_create(struct hostexec **out)
{
    struct hostexec *h = aligned_alloc(BOUNCE_ALIGN, align_up(sizeof(*h), BOUNCE_ALIGN));
    int err;

    if (!h)
        return -ENOMEM;
    memset(h, 0, sizeof(*h));
    err = map_stubs(h);
    if (err) {
        hostexec_destroy(h);
        return err;
    }
    memset(h->rw, OPCODE_INT3, STUBS_SIZE);
    *out = h;
    return 0;
}

void hostexec_destroy(struct hostexec *h)
{
    if (!h)
        return;
    if (h->rw)
        munmap(h->rw, STUBS_SIZE);
    if (h->rx)
        munmap((void *)(uintptr_t)h->rx, STUBS_SIZE);
    free(h);
}

uint64_t hostexec_signal(struct hostexec *h, uint64_t pc, unsigned trapno)
{
    if (pc - (uintptr_t)h->rx >= STUBS_SIZE)
        return 0;
    h->trap = trapno;
    return (uintptr_t)hostexec_fault;
}

/* Code written through one linear address and executed through another needs a serializing
 * instruction in between (SDM 3A 8.1.3). */
static void serialize(void)
{
    uint32_t a = 0, b, c = 0, d;

    __asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d) : : "memory");
}

static unsigned stub_hash(uint64_t lo, uint64_t hi)
{
    uint64_t x = (lo ^ (hi << 29 | hi >> 35)) * UINT64_C(0x9e3779b97f4a7c15);

    return (unsigned)(x >> 40) % STUB_COUNT;
}

/* The stub with these bytes, made on first use. When its neighbourhood is full, all stubs go: none
 * is running here, and refilling costs less than keeping track. */
static const void *stub_get(struct hostexec *h, const uint8_t code[STUB_BYTES])
{
    uint64_t lo = ld64(code), hi = ld64(code + 8);
    unsigned first = stub_hash(lo, hi);
    unsigned slot = first;

    for (unsigned n = 0; n < STUB_PROBES; n++) {
        slot = (first + n) % STUB_COUNT;
        const uint8_t *s = h->rw + slot * STUB_BYTES;

        if (ld64(s) == lo && ld64(s + 8) == hi)
            return h->rx + slot * STUB_BYTES;
        if (s[0] == OPCODE_INT3)
            break;
        if (n == STUB_PROBES - 1) {
            memset(h->rw, OPCODE_INT3, STUBS_SIZE);
            slot = first;
        }
    }
    memcpy(h->rw + slot * STUB_BYTES, code, STUB_BYTES);
    serialize();
    return h->rx + slot * STUB_BYTES;
}

static bool names_gpr(const struct insn *i, unsigned reg)
{
    for (unsigned n = 0; n < i->nops; n++)
        if (i->op[n].kind == OPND_GPR && i->op[n].reg == reg)
            return true;
    return false;
}

static bool encode_stub(const struct cpu *c, const struct insn *i, struct hx_run *r, uint8_t *code,
                        unsigned *len)
{
    static const struct remem bounce = {.kind = REMEM_BASE, .base = BOUNCE_REG};

    r->bounce_reg = BOUNCE_REG;
    r->rsp_reg = RSP_REG;
    if (!cpu_cs64(c))
        return reencode(i, &bounce, code, len);
    r->bounce_reg = names_gpr(i, BOUNCE_REG_64) ? BOUNCE_REG_64_OTHER : BOUNCE_REG_64;
    r->rsp_reg = RSP_REG_64;
    return reencode_long(i, r->bounce_reg, r->rsp_reg, code, len);
}

static const void *stub_of(struct hostexec *h, const struct cpu *c, const struct insn *i,
                           struct hx_run *r)
{
    uint8_t code[REENCODE_MAX + 1];
    unsigned len;

    if (!encode_stub(c, i, r, code, &len) || len >= STUB_BYTES)
        return NULL;
    code[len++] = OPCODE_RET;
    memset(code + len, OPCODE_INT3, STUB_BYTES - (len < STUB_BYTES ? len : STUB_BYTES));
    return stub_get(h, code);
}

static bool is_x87(const struct insn *i)
{
    return i->enc == ENC_LEGACY && i->map == 0 && i->opcode >= 0xd8 && i->opcode <= 0xdf;
}

/* x87 control instructions leave the instruction and data pointers alone (SDM 1 8.1.8). */
static bool is_x87_control(const struct insn *i)
{
    unsigned reg = i->modrm >> 3 & 7;

    if (i->modrm >> 6 == 3)
        return (i->opcode == 0xdb && reg == 4) || (i->opcode == 0xdf && i->modrm == 0xe0);
    return (i->opcode == 0xd9 && reg >= 4) || (i->opcode == 0xdd && (reg == 4 || reg >= 6));
}

/* Components the instruction can read or write. A legacy SSE instruction leaves the upper halves
 * alone, so they need not be loaded; a VEX one clears them up to the greatest vector length there
 * is. */
static uint64_t components(const struct cpu *c, const struct insn *i)
{
    uint64_t upper = c->model->xcr0_allowed & 0xe4;
    uint64_t mask = is_x87(i) || (i->map == 0 && i->opcode == 0x9b) ? XCR0_X87 : 0;

    if (i->map == 1 && i->opcode == 0x77)
        return i->enc == ENC_VEX ? XCR0_SSE | upper : XCR0_X87; /* VZERO*, EMMS */
    if (i->map == 1 && i->opcode == 0xae)
        return XCR0_SSE; /* LDMXCSR, STMXCSR */
    for (unsigned n = 0; n < i->nops; n++) {
        unsigned kind = i->op[n].kind;

        if (kind == OPND_MMX)
            mask |= XCR0_X87;
        else if (kind == OPND_XMM || kind == OPND_YMM)
            mask |= i->enc == ENC_VEX ? XCR0_SSE | upper : XCR0_SSE;
    }
    if (i->row->traits & (T_SSE | T_AVX))
        mask |= XCR0_SSE; /* MXCSR, also without a vector register (CVTSD2SI r32, m64) */
    return mask;
}

/* Host address of an operand that lies in one page with a software TLB entry for the access; or
 * NULL. */
static uint8_t *tlb_ptr(struct cpu *c, gva_t lin, unsigned size, bool write)
{
    const struct softtlb_entry *e = softtlb_slot(c, lin, c->cpl == 3);
    uint64_t tag = write ? e->write_tag : e->read_tag;

    if (tag != (lin & ~(gva_t)PAGE_MASK) || (lin & PAGE_MASK) + size > PAGE_SIZE)
        return NULL;
    return (uint8_t *)(uintptr_t)(lin + e->addend);
}

static bool read_operand(struct cpu *c, struct hx_run *r)
{
    const uint8_t *p = tlb_ptr(c, r->lin, r->mem->size, false);

    if (!p)
        return mem_read_slow(c, r->lin, r->f.bounce, r->mem->size, c->cpl == 3);
    memcpy(r->f.bounce, p, r->mem->size);
    return true;
}

static bool write_operand(struct cpu *c, const struct hx_run *r)
{
    uint8_t *p = tlb_ptr(c, r->lin, r->mem->size, true);

    if (!p)
        return mem_write_slow(c, r->lin, r->f.bounce, r->mem->size, c->cpl == 3);
    memcpy(p, r->f.bounce, r->mem->size);
    return true;
}

/* Legacy SSE operands of 16 bytes and the VMOVAs: #GP(0) comes before a page fault of the same
 * access. The exceptions are MOVUPS, MOVUPD, MOVDQU, LDDQU and the PCMPxSTRx (SDM 1 11.3, 2
 * "Exceptions type 4"). */
static bool must_be_aligned(const struct insn *i, unsigned size)
{
    if (size < 16)
        return false;
    if (i->enc == ENC_VEX)
        return i->map == 1 ? i->opcode == 0x28 || i->opcode == 0x29 || i->opcode == 0x2b ||
                                 i->opcode == 0xe7 ||
                                 ((i->opcode == 0x6f || i->opcode == 0x7f) && i->mand == 0x66)
                           : i->map == 2 && i->opcode == 0x2a;
    if (i->map == 3)
        return i->opcode < 0x60 || i->opcode > 0x63;
    return i->map != 1 || !(i->opcode == 0x10 || i->opcode == 0x11 || i->opcode == 0xf0 ||
                            ((i->opcode == 0x6f || i->opcode == 0x7f) && i->mand == 0xf3));
}

static bool is_vcvtps2ph(const struct insn *i)
{
    return i->enc == ENC_VEX && i->map == 3 && i->opcode == 0x1d;
}

/* Stores whose numeric exceptions come before any fault of the destination, which an unmasked one
 * leaves untouched (SDM 1 8.5, 11.5.2). */
static bool stores_last(const struct insn *i, const struct opnd *mem)
{
    return (mem->access & 3) == 2 && ((is_x87(i) && !is_x87_control(i)) || is_vcvtps2ph(i));
}

/* Checks the operand and brings it into the bounce buffer, at its own offset modulo 64, so that the
 * host finds the same misalignment. */
static bool fetch_operand(struct hostexec *h, struct cpu *c, const struct insn *i, struct hx_run *r)
{
    unsigned access = r->mem->access & 3, size = r->mem->size;

    if (size > BOUNCE_ALIGN)
        return cpu_raise(c, VEC_UD, 0);
    r->store_last = stores_last(i, r->mem);
    if (r->store_last)
        return true;
    if (!x_host_linear(c, i, size, access & 2 ? SEG_WRITE | (access & 1) : SEG_READ, &r->lin))
        return false;
    if ((r->lin & (size - 1)) && must_be_aligned(i, size))
        return cpu_raise(c, VEC_GP, 0);
    r->f.bounce = h->bounce + (r->lin & (BOUNCE_ALIGN - 1));
    if ((access & 2) && !tlb_ptr(c, r->lin, size, true) &&
        !mem_probe_write(c, r->lin, size, c->cpl == 3))
        return false;
    return !(access & 1) || read_operand(c, r);
}

static void save_x87(const struct cpu *c, struct hx_run *r)
{
    memcpy(r->x87_before, c->fpu, sizeof(r->x87_before));
    r->in_use_before = ld64(c->fpu + IMG_XSTATE_BV);
    r->fcs_before = c->fcs;
    r->fds_before = c->fds;
}

static void restore_x87(struct cpu *c, const struct hx_run *r)
{
    memcpy(c->fpu, r->x87_before, sizeof(r->x87_before));
    st64(c->fpu + IMG_XSTATE_BV, r->in_use_before);
    c->fcs = r->fcs_before;
    c->fds = r->fds_before;
}

/* The instruction is waiting: ES was clear before it, or hidden. #P alone is reported after the
 * store. */
static bool store_withheld(const struct cpu *c)
{
    unsigned fsw = ld16(c->fpu + IMG_FSW), fcw = ld16(c->fpu + IMG_FCW);

    return (fsw & FSW_ES) && (fsw & ~fcw & (FSW_IE | FSW_OE | FSW_UE));
}

/* A fault leaves the x87 state as it was. VCVTPS2PH's sticky flags stay: they do on the host. */
static bool store_operand_last(struct cpu *c, const struct insn *i, struct hx_run *r)
{
    if (r->withheld)
        return true;
    if (x_host_linear(c, i, r->mem->size, SEG_WRITE, &r->lin) && write_operand(c, r))
        return true;
    if (r->x87)
        restore_x87(c, r);
    return false;
}

static bool store_operand(struct cpu *c, const struct insn *i, struct hx_run *r)
{
    return r->store_last ? store_operand_last(c, i, r) : write_operand(c, r);
}

static bool raise_trap(struct cpu *c, unsigned trap)
{
    bool done;

    switch (trap) {
    case VEC_DE:
        return cpu_raise(c, VEC_DE, 0);
    case VEC_UD:
        return cpu_raise(c, VEC_UD, 0);
    case VEC_MF:
        return fpu_pending(c, &done);
    case VEC_XM: /* SDM 3A 2.5: without OSXMMEXCPT an unmasked SIMD exception is #UD */
        return cpu_raise(c, c->cr4 & CR4_OSXMMEXCPT ? VEC_XM : VEC_UD, 0);
    default:
        return cpu_raise(c, VEC_GP, 0);
    }
}

/* The host recorded its own pointers: the stub's address and opcode. Put the guest's in (pitfalls
 * A14), or what was there before when the instruction doesn't change them: newer CPUs keep FDP and
 * FOP but for an unmasked exception (SDM 1 8.1.8, CPUID.7.EBX[6]; 8.1.9.1). FOP was cleared before:
 * no stub has that opcode, FADD [RAX]. */
static void set_pointers(struct cpu *c, const struct insn *i, const struct hx_run *r)
{
    uint8_t *img = c->fpu;
    uint16_t fop = (uint16_t)((i->opcode & 7) << 8 | i->modrm);

    if (!r->x87 || is_x87_control(i)) {
        memcpy(img + IMG_FOP, r->pointers, sizeof(r->pointers));
        return;
    }
    if (ld16(img + IMG_FOP))
        st16(img + IMG_FOP, fop);
    else
        memcpy(img + IMG_FOP, r->pointers, 2);
    st64(img + IMG_FIP, c->rip);
    c->fcs = c->seg[SEG_CS].sel;
    if (r->mem && (!c->model->fdp_on_exception || (ld16(img + IMG_FSW) & FSW_ES))) {
        st64(img + IMG_FDP, x_host_offset(c, i));
        c->fds = c->seg[i->seg].sel;
    } else {
        memcpy(img + IMG_FDP, r->pointers + (IMG_FDP - IMG_FOP), 8);
    }
    fpu_mark(c, XCR0_X87);
}

static void load_frame(struct cpu *c, const struct insn *i, struct hx_run *r)
{
    struct hx_frame *f = &r->f;

    memcpy(f->gpr, c->gpr, sizeof(f->gpr));
    if (!cpu_cs64(c) || names_gpr(i, RSP))
        f->gpr[r->rsp_reg] = c->gpr[RSP];
    f->gpr[r->bounce_reg] = (uintptr_t)f->bounce;
    f->image = c->fpu;
    f->use_flags = i->flags_read || i->flags_written;
    f->flags = (c->rflags & EF_ARITH) | EF_R1;
    f->faulted = 0;
    if (f->mask & XCR0_X87) {
        memcpy(r->pointers, c->fpu + IMG_FOP, sizeof(r->pointers));
        st16(c->fpu + IMG_FOP, 0);
    }
}

/* PCMPESTRI, PCMPISTRI: the index goes to ECX, which is no operand. */
static bool writes_ecx(const struct insn *i)
{
    return i->map == 3 && (i->opcode == 0x61 || i->opcode == 0x63);
}

static void commit_gprs_64(struct cpu *c, const struct insn *i, const struct hx_run *r)
{
    for (unsigned n = 0; n < i->nops; n++) {
        const struct opnd *o = &i->op[n];

        if (o->kind == OPND_GPR && (o->access & 2))
            gpr_write(c, o->reg, o->size, r->f.gpr[o->reg == RSP ? r->rsp_reg : o->reg]);
    }
    if (writes_ecx(i))
        c->gpr[RCX] = (uint32_t)r->f.gpr[RCX];
}

static void commit(struct cpu *c, const struct insn *i, const struct hx_run *r)
{
    const struct hx_frame *f = &r->f;

    if (cpu_cs64(c)) {
        commit_gprs_64(c, i, r);
    } else {
        for (unsigned n = 0; n < 8; n++)
            c->gpr[n] = (uint32_t)f->gpr[n == RSP ? RSP_REG : n];
    }
    if (i->flags_written)
        c->rflags = (c->rflags & ~(uint32_t)EF_ARITH) | ((uint32_t)f->flags & EF_ARITH);
}

bool hostexec_run(struct hostexec *h, struct cpu *c, const struct insn *i)
{
    struct hx_run r;
    unsigned pending = 0;
    const void *stub;
    bool done, waits;

    cpu_fpu_sync(c); /* first: what follows uses libc */
    stub = stub_of(h, c, i, &r);
    if (!stub)
        return cpu_raise(c, VEC_UD, 0);
    r.f.mask = components(c, i);
    r.x87 = is_x87(i);
    waits = (r.f.mask & XCR0_X87) && i->row && (i->row->traits & T_WAITS);
    if (waits) {
        bool result = fpu_pending(c, &done);

        if (done)
            return result;
    }
    r.mem = insn_mem(i);
    r.f.bounce = h->bounce;
    r.store_last = false;
    if (r.mem && !fetch_operand(h, c, i, &r))
        return false;
    if (r.store_last && r.x87)
        save_x87(c, &r);
    if (waits)
        pending = fpu_hide_pending(c);
    load_frame(c, i, &r);
    h->trap = NO_TRAP;
    hostexec_enter(&r.f, stub);
    if (r.f.mask & XCR0_X87)
        set_pointers(c, i, &r);
    r.withheld = r.store_last && r.x87 && store_withheld(c);
    fpu_show_pending(c, pending);
    if (r.f.faulted)
        return raise_trap(c, h->trap);
    if (r.mem && (r.mem->access & 2) && !store_operand(c, i, &r))
        return false;
    commit(c, i, &r);
    return true;
}
