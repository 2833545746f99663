#include "differ.h"

#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "base/bits.h"
#include "rows/state.h"
#include "rows/undef.h"

/* Eight bytes at a time: the core's memcmp() is written to be small. */
static bool same_words(const void *a, const void *b, size_t len)
{
    const uint64_t *x = a, *y = b;
    uint64_t diff = 0;

    for (size_t i = 0; i < len / 8; i++)
        diff |= x[i] ^ y[i];
    return diff == 0;
}

struct part {
    const char *name;
    uint16_t offset, size, count;
};

#define ONE(m)                                                                                     \
    {                                                                                              \
#m, offsetof(struct cpu, m), sizeof(((struct cpu *)0)->m), 1                               \
    }
#define ARRAY(m)                                                                                   \
    {                                                                                              \
#m, offsetof(struct cpu, m), sizeof(((struct cpu *)0)->m[0]),                              \
            ARRAY_SIZE(((struct cpu *)0)->m)                                                       \
    }
#define SEGMENT(name, n)                                                                           \
    {name ".sel", offsetof(struct cpu, seg[n].sel), 2, 1},                                         \
        {name ".attr", offsetof(struct cpu, seg[n].attr), 2, 1},                                   \
        {name ".limit", offsetof(struct cpu, seg[n].limit), 4, 1},                                 \
        {name ".base", offsetof(struct cpu, seg[n].base), 8, 1},                                   \
        {name ".usable", offsetof(struct cpu, seg[n].usable), 1, 1},                               \
    {                                                                                              \
        name ".flat", offsetof(struct cpu, seg[n].flat), 1, 1                                      \
    }

static const struct part parts[] = {
    ARRAY(gpr),
    ONE(rip),
    ONE(rflags),
    ONE(iflag),
    ONE(cpl),
    ONE(intr),
    ONE(intr_shadow),
    ONE(mode),
    ONE(halted),
    ONE(shutdown),
    ONE(nmi_pending),
    ONE(nmi_blocked),
    ONE(debug_trap),
    ONE(pending_dr6),
    SEGMENT("es", SEG_ES),
    SEGMENT("cs", SEG_CS),
    SEGMENT("ss", SEG_SS),
    SEGMENT("ds", SEG_DS),
    SEGMENT("fs", SEG_FS),
    SEGMENT("gs", SEG_GS),
    SEGMENT("ldtr", SEG_LDTR),
    SEGMENT("tr", SEG_TR),
    ONE(gdtr.base),
    ONE(gdtr.limit),
    ONE(idtr.base),
    ONE(idtr.limit),
    ONE(cr0),
    ONE(cr2),
    ONE(cr3),
    ONE(cr4),
    ONE(cr8),
    ONE(efer),
    ARRAY(pdpte),
    ARRAY(dr),
    ONE(xcr0),
    ONE(tsc_offset),
    ONE(tsc_adjust),
    ONE(sysenter_cs),
    ONE(sysenter_esp),
    ONE(sysenter_eip),
    ONE(star),
    ONE(lstar),
    ONE(cstar),
    ONE(fmask),
    ONE(kernel_gs_base),
    ONE(tsc_aux),
    ONE(pat),
    ONE(misc_enable),
    ONE(apic_base),
    ONE(mtrr_def_type),
    ARRAY(mtrr_fixed),
    ARRAY(mtrr_var),
    ONE(spec_ctrl),
    ONE(debugctl),
    ONE(bios_sign_id),
    ONE(delivering),
};

static const uint8_t *at(const struct cpu *c, const struct part *f, unsigned i)
{
    return (const uint8_t *)c + f->offset + i * f->size;
}

static bool same_part(const struct cpu *a, const struct cpu *b, const struct part *f)
{
    return memcmp(at(a, f, 0), at(b, f, 0), (size_t)f->size * f->count) == 0;
}

static bool same_parts(const struct cpu *a, const struct cpu *b)
{
    for (unsigned i = 0; i < ARRAY_SIZE(parts); i++)
        if (!same_part(a, b, &parts[i]))
            return false;
    return true;
}

_Static_assert(offsetof(struct cpu, seg) % 8 == 0 && offsetof(struct cpu, fault) % 8 == 0 &&
                   offsetof(struct cpu, next_rip) % 8 == 0,
               "same_words()");
enum { COLD_FROM = offsetof(struct cpu, seg), COLD_TO = offsetof(struct cpu, fault) };

/* Padding is equal nearly always, so most comparisons end here. */
static bool same_bytes(const struct cpu *a, const struct cpu *b)
{
    return same_words(a, b, offsetof(struct cpu, next_rip)) && a->rflags == b->rflags &&
           a->iflag == b->iflag && a->cpl == b->cpl && a->intr == b->intr &&
           a->intr_shadow == b->intr_shadow && a->mode == b->mode && a->halted == b->halted &&
           a->debug_trap == b->debug_trap && a->nmi_pending == b->nmi_pending &&
           same_words((const uint8_t *)a + COLD_FROM, (const uint8_t *)b + COLD_FROM,
                      COLD_TO - COLD_FROM);
}

/* Arithmetic flags that the last step leaves undefined. */
static uint32_t undefined_now(struct pair *p)
{
    const struct pair_past *last = pair_last(p);
    uint8_t code[1024];
    unsigned bits = last->mode & MODE_CS64 ? 64 : 32;
    size_t len = pair_read_code(p->a, last->rip, code, sizeof(code)), end = 0;
    struct insn i;

    for (unsigned n = 0; n < last->step.insns; n++) {
        if (decode_insn(code + end, len - end, bits, &i) != DECODE_OK)
            return 0;
        end += i.len;
    }
    return undef_flags_of_code(code, end, bits);
}

static void forgive_flags(struct differ *d, struct pair *p)
{
    struct cpu *a = p->a->cpu, *b = p->b->cpu;
    uint32_t diff = a->rflags ^ b->rflags;

    if (!diff || (diff & ~(uint32_t)EF_ARITH) || (diff & ~undefined_now(p)))
        return;
    b->rflags = a->rflags;
    d->flags_undefined++;
}

static void vec_of(struct vec_state *v, const struct machine *m)
{
    vec_from_xsave(v, m->cpu->fpu, m->model.xcr0_allowed & 4 ? m->model.xsave_offset[2] : 0);
}

enum { XS_MXCSR = 24, XS_ST = 32, XS_XMM = 160, XS_BV = 512, EIGHT_REGS = 128 };

/* A component that the header leaves out is in its initial state, whatever the area holds (SDM 1
 * 13.6). */
static const uint8_t *component(const uint8_t *area, unsigned bit, unsigned offset)
{
    static const uint8_t initial[XS_BV] __attribute__((aligned(8))) = {0x7f, 0x03};

    if (ld64(area + XS_BV) >> bit & 1)
        return area + offset;
    return initial + (bit == 0 ? offset : XS_XMM);
}

static bool same_component(const uint8_t *a, const uint8_t *b, unsigned bit, unsigned offset)
{
    return same_words(component(a, bit, offset), component(b, bit, offset), EIGHT_REGS);
}

/* What struct vec_state holds, in place. */
static bool same_images(const struct cpu_model *m, const uint8_t *a, const uint8_t *b)
{
    const uint8_t *fa = component(a, 0, 0), *fb = component(b, 0, 0);

    return ld32(fa) == ld32(fb) && fa[4] == fb[4] && ld32(a + XS_MXCSR) == ld32(b + XS_MXCSR) &&
           same_component(a, b, 0, XS_ST) && same_component(a, b, 1, XS_XMM) &&
           (!(m->xcr0_allowed & 4) || same_component(a, b, 2, m->xsave_offset[2]));
}

static bool same_vectors(const struct pair *p)
{
    struct vec_state a, b;

    if (same_images(&p->a->model, p->a->cpu->fpu, p->b->cpu->fpu))
        return true;
    vec_of(&a, p->a);
    vec_of(&b, p->b);
    return memcmp(&a, &b, sizeof(a)) == 0;
}

/* Equal registers in different images: B takes A's pointers and component bits over. */
static void forgive_image(struct differ *d, struct pair *p)
{
    struct cpu *a = p->a->cpu, *b = p->b->cpu;

    memcpy(b->fpu, a->fpu, p->a->model.xsave_size);
    b->fcs = a->fcs;
    b->fds = a->fds;
    d->images++;
}

bool differ_cpus(struct differ *d, struct pair *p)
{
    const struct cpu *a = p->a->cpu, *b = p->b->cpu;

    if (!same_bytes(a, b) && !same_parts(a, b)) {
        forgive_flags(d, p);
        if (!same_parts(a, b))
            return false;
    }
    if (same_words(a->fpu, b->fpu, p->a->model.xsave_size & ~7u) && a->fcs == b->fcs &&
        a->fds == b->fds)
        return true;
    if (!same_vectors(p))
        return false;
    forgive_image(d, p);
    return true;
}

static bool explain_page(struct pair *p, uint64_t off, uint64_t *gpa)
{
    for (uint64_t o = off; o < off + PAGE_SIZE; o += 4) {
        uint32_t a = ld32(p->a->mem.hva + o), b = ld32(p->b->mem.hva + o);
        gpa_t pa = o < p->a->mem.low_end ? o : o - p->a->mem.low_end + PHYSMEM_HIGH;

        if (a == b)
            continue;
        *gpa = pa;
        if (!pair_copy_ad(p, pa))
            return false;
    }
    return true;
}

static bool same_extent(struct pair *p, uint64_t from, uint64_t to, uint64_t *gpa)
{
    for (uint64_t o = from; o < to; o += PAGE_SIZE)
        if (!same_words(p->a->mem.hva + o, p->b->mem.hva + o, PAGE_SIZE) &&
            !explain_page(p, o, gpa))
            return false;
    return true;
}

/* Pages that `owner` ever touched; the rest are zero on both sides or the other one's. */
static bool same_populated(struct pair *p, const struct machine *owner, uint64_t *gpa)
{
    off_t from = 0, to, end = (off_t)owner->mem.size;

    while ((from = lseek(owner->ram_fd, from, SEEK_DATA)) >= 0 && from < end) {
        to = lseek(owner->ram_fd, from, SEEK_HOLE);
        to = to < 0 ? end : to;
        if (!same_extent(p, (uint64_t)from, (uint64_t)to, gpa))
            return false;
        from = to;
    }
    return true;
}

bool differ_ram(struct differ *d, struct pair *p, uint64_t *gpa)
{
    d->ram++;
    return same_populated(p, p->a, gpa) && same_populated(p, p->b, gpa);
}

static uint64_t number(const uint8_t *p, unsigned size)
{
    uint64_t v = 0;

    memcpy(&v, p, size);
    return v;
}

static void print_hex(FILE *out, const char *name, const uint8_t *a, const uint8_t *b, size_t len)
{
    if (memcmp(a, b, len) == 0)
        return;
    fprintf(out, "  %-16s bt ", name);
    for (size_t i = len; i--;)
        fprintf(out, "%02x", a[i]);
    fprintf(out, "  interp ");
    for (size_t i = len; i--;)
        fprintf(out, "%02x", b[i]);
    fputc('\n', out);
}

static void print_vectors(struct pair *p, FILE *out)
{
    struct vec_state a, b;
    char name[16];

    vec_of(&a, p->a);
    vec_of(&b, p->b);
    print_hex(out, "fcw", (uint8_t *)&a.fcw, (uint8_t *)&b.fcw, 2);
    print_hex(out, "fsw", (uint8_t *)&a.fsw, (uint8_t *)&b.fsw, 2);
    print_hex(out, "ftw", &a.ftw, &b.ftw, 1);
    print_hex(out, "mxcsr", (uint8_t *)&a.mxcsr, (uint8_t *)&b.mxcsr, 4);
    for (unsigned i = 0; i < 8; i++) {
        snprintf(name, sizeof(name), "st(phys %u)", i);
        print_hex(out, name, a.st[i], b.st[i], 10);
        snprintf(name, sizeof(name), "ymm%u", i);
        print_hex(out, name, a.ymm[i], b.ymm[i], 32);
    }
}

void differ_print(struct pair *p, FILE *out)
{
    const struct cpu *a = p->a->cpu, *b = p->b->cpu;

    for (unsigned i = 0; i < ARRAY_SIZE(parts); i++)
        for (unsigned k = 0; k < parts[i].count; k++) {
            uint64_t va = number(at(a, &parts[i], k), parts[i].size);
            uint64_t vb = number(at(b, &parts[i], k), parts[i].size);

            if (va != vb)
                fprintf(out, "  %-12s[%u]  bt %08" PRIx64 "  interp %08" PRIx64 "\n", parts[i].name,
                        k, va, vb);
        }
    print_vectors(p, out);
}
