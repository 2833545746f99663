/* fuzz_interp.c - any bytes as code of any mode, with any registers, run by the interpreter in 2
 * MiB of RAM.
 *
 *   bytes 0-3   how the CPU is set up     4-67  registers     rest: code, at 4000h; the page
 * tables, descriptor tables and stack around it are good ones, but the code may write over them
 */
#include <sys/mman.h>
#include <unistd.h>

#include "cpu/exception.h"
#include "cpu/model.h"
#include "fuzz.h"
#include "shadowmmu/smmu.h"
#include "translator/bt_priv.h"
#include "translator/x_host.h"

enum {
    RAM = 2 << 20,
    GDT = 0x1000,
    IDT = 0x1800,
    TSS = 0x2200,
    PD = 0x3000,
    CODE = 0x4000,
    STEPS = 100,
    INPUTS = 500,
    RAM_USED = 0x10000
};

enum setup_bit {
    S_PAGING = 1,
    S_CPL3 = 2,
    S_CODE16 = 4,
    S_REAL = 8,
    S_V86 = 16,
    S_TF = 32,
    S_AC = 64,
    S_EM = 128
};

struct box {
    struct log log;
    struct bus mmio, ports;
    struct physmem pm;
    int fd;
    struct cpu_model model;
    struct cpu *c;
    struct smmu *m;
    struct engine *e;
    uint64_t tsc;
    unsigned inputs;
};

static uint64_t box_tsc(void *opaque)
{
    return ((struct box *)opaque)->tsc += 100;
}

static uint32_t box_in(void *opaque, uint16_t port, unsigned size)
{
    (void)opaque;
    (void)size;
    return port * 0x01010101u;
}

static void box_out(void *opaque, uint16_t port, unsigned size, uint32_t val)
{
    (void)opaque;
    (void)port;
    (void)size;
    (void)val;
}

static int box_ack(void *opaque)
{
    ((struct box *)opaque)->c->intr = 0;
    return 0x20;
}

static void on_paging(void *opaque, struct cpu *c)
{
    smmu_paging_changed(((struct box *)opaque)->m, c);
}

static void on_cr3(void *opaque, struct cpu *c)
{
    smmu_cr3_written(((struct box *)opaque)->m, c);
}

static bool on_pdptes(void *opaque, struct cpu *c)
{
    return smmu_load_pdptes(((struct box *)opaque)->m, c);
}

static void on_invlpg(void *opaque, struct cpu *c, gva_t lin)
{
    smmu_invlpg(((struct box *)opaque)->m, c, lin);
}

static void open_once(struct box *b)
{
    char err[256];

    if (b->c)
        return;
    b->log.out = stderr;
    b->fd = memfd_create("fuzz-ram", 0);
    FUZZ_CHECK(b->fd >= 0 && ftruncate(b->fd, RAM) == 0, "memfd");
    bus_init(&b->mmio, "mmio", NULL);
    physmem_init(&b->pm, mmap(NULL, RAM, PROT_READ | PROT_WRITE, MAP_SHARED, b->fd, 0), b->fd, RAM,
                 &b->mmio);
    FUZZ_CHECK(cpu_model_init(&b->model, "max", err, sizeof(err)) == 0, "%s", err);
    b->c = aligned_alloc(64, align_up(sizeof(*b->c), 64));
}

/* Creating a machine costs more than running one: it serves many inputs, and everything an input
 * can have changed is put back. */
static void create(struct box *b)
{
    static const struct smmu_config mcfg = {.max_maps = 1000};
    static const struct engine_config ecfg = {.kind = ENGINE_INTERP};
    struct cpu *c = b->c;

    memset(c, 0, sizeof(*c));
    c->model = &b->model;
    c->log = &b->log;
    c->hooks = (struct cpu_hooks){
        .paging_changed = on_paging,
        .cr3_written = on_cr3,
        .load_pdptes = on_pdptes,
        .invlpg = on_invlpg,
        .intr_ack = box_ack,
        .io_read = box_in,
        .io_write = box_out,
        .tsc = box_tsc,
        .opaque = b,
    };
    b->pm.written = NULL;
    FUZZ_CHECK(smmu_create(&b->m, &b->pm, &mcfg, &b->log) == 0, "smmu");
    smmu_attach(b->m, c);
    b->pm.written = smmu_guest_written;
    b->pm.opaque = b->m;
    FUZZ_CHECK(engine_create(&b->e, c, b->m, &b->pm, &ecfg, &b->log) == 0, "engine");
}

static void start(struct box *b)
{
    if (b->inputs++ % INPUTS == 0) {
        if (b->e) {
            engine_destroy(b->e);
            smmu_destroy(b->m);
        }
        create(b);
    }
    cpu_reset(b->c);
    cpu_fpu_init(b->c);
    b->tsc = 0;
    smmu_paging_changed(b->m, b->c);
    FUZZ_CHECK(physmem_fill(&b->pm, 0, 0, RAM_USED) == 0, "RAM");
}

/* Descriptors 08h code 10h data 18h code DPL 3 20h data DPL 3 28h TSS; gates to CODE + vector;
 * identity page tables. */
static void make_tables(struct box *b)
{
    static const uint64_t gdt[] = {0,
                                   UINT64_C(0x00cf9b000000ffff),
                                   UINT64_C(0x00cf93000000ffff),
                                   UINT64_C(0x00cffb000000ffff),
                                   UINT64_C(0x00cff3000000ffff),
                                   UINT64_C(0x00008b0000000067) | (uint64_t)TSS << 16};
    uint8_t *ram = b->pm.hva;

    memcpy(ram + GDT, gdt, sizeof(gdt));
    for (unsigned v = 0; v < 256; v++)
        st64(ram + IDT + v * 8, UINT64_C(0x0000ee0000080000) | (CODE + v));
    st32(ram + TSS + 4, 0x7000);
    st32(ram + TSS + 8, 0x10);
    st32(ram + PD, 0x83 | 4); /* 4 MiB, user */
    st32(ram + PD + 4, PD | 7);
    physmem_written(&b->pm, 0, CODE);
}

static struct seg flat(uint16_t sel, unsigned type, unsigned dpl, bool big)
{
    return (struct seg){.sel = sel,
                        .attr = (uint16_t)(type | ATTR_S | dpl << ATTR_DPL_SHIFT | ATTR_P | ATTR_G |
                                           (big ? ATTR_DB : 0)),
                        .limit = UINT32_MAX,
                        .usable = true};
}

static void set_segments(struct cpu *c, unsigned how)
{
    unsigned dpl = how & S_CPL3 ? 3 : 0;
    bool real = how & (S_REAL | S_V86);

    for (unsigned s = 0; s < NSEG; s++) {
        bool code = s == SEG_CS;

        c->seg[s] = real ? (struct seg){.sel = 0,
                                        .attr = 0x93 | (how & S_V86 ? 0x60 : 0),
                                        .limit = 0xffff,
                                        .usable = true}
                         : flat((uint16_t)((code ? 8 : 16) + (dpl ? 16 : 0) + dpl), code ? 11 : 3,
                                dpl, !(how & S_CODE16));
    }
    c->seg[SEG_TR] =
        (struct seg){.sel = 0x28, .attr = 0x8b, .limit = 0x67, .base = TSS, .usable = true};
    c->gdtr = (struct dtable){GDT, 0x2f};
    c->idtr = (struct dtable){IDT, 0x7ff};
    c->cpl = (uint8_t)(how & S_V86 ? 3 : how & S_REAL ? 0 : dpl);
}

static void set_cpu(struct box *b, struct fuzz_bytes *in)
{
    struct cpu *c = b->c;
    unsigned how = (unsigned)fuzz_take(in, 1), flags = (unsigned)fuzz_take(in, 1),
             more = (unsigned)fuzz_take(in, 1);
    unsigned intr = (unsigned)fuzz_take(in, 1);

    if (how & S_REAL)
        how &= ~(unsigned)(S_PAGING | S_V86 | S_CPL3);
    set_segments(c, how);
    c->cr0 = CR0_ET | CR0_NE | (how & S_REAL ? 0 : CR0_PE) | (how & S_AC ? CR0_AM : 0) |
             (how & S_EM ? CR0_EM : 0) | (how & S_PAGING ? CR0_PG | CR0_WP : 0) |
             (more & 1 ? CR0_TS : 0);
    c->cr4 = CR4_PSE | (more & 2 ? CR4_OSFXSR | CR4_OSXMMEXCPT : 0) | (more & 4 ? CR4_OSXSAVE : 0) |
             (more & 8 ? CR4_VME : 0) | (more & 16 ? CR4_PVI : 0) | (more & 32 ? CR4_TSD : 0);
    c->xcr0 = more & 64 ? 7 : 1;
    c->cr3 = PD;
    if (more & 128) {
        c->dr[7] = 0x703 | flags << 16;
        c->dr[0] = CODE + 3;
    }
    for (unsigned r = 0; r < 8; r++)
        c->gpr[r] = (uint32_t)fuzz_take(in, 4);
    if (!(intr & 2))
        c->gpr[RSP] = 0x6000;
    c->rip = CODE;
    c->intr = intr & 1;
    smmu_paging_changed(b->m, c);
    cpu_set_rflags(c, EF_R1 | (flags & 0xd5) | (flags & 2 ? EF_DF : 0) | (flags & 8 ? EF_OF : 0) |
                          (flags & 32 ? EF_IF : 0) | (how & S_TF ? EF_TF : 0) |
                          (how & S_AC ? EF_AC : 0) | (how & S_V86 ? EF_VM : 0) |
                          (intr & 4 ? EF_IOPL : 0) | (intr & 8 ? EF_NT : 0));
    cpu_update_mode(c);
}

static void check_cpu(const struct cpu *c)
{
    FUZZ_CHECK(!(c->rflags & EF_IF) && (c->rflags & EF_R1), "rflags %x", c->rflags);
    FUZZ_CHECK(c->cpl <= 3 && c->iflag <= 1, "cpl %u", c->cpl);
    if (c->mode & MODE_CS64)
        return;
    FUZZ_CHECK(c->rip <= UINT32_MAX, "rip %llx", (unsigned long long)c->rip);
    for (unsigned r = 0; r < 8; r++)
        FUZZ_CHECK(c->gpr[r] <= UINT32_MAX, "register %u is %llx", r,
                   (unsigned long long)c->gpr[r]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct box b;
    struct fuzz_bytes in = {data, size};
    size_t n;

    open_once(&b);
    start(&b);
    make_tables(&b);
    set_cpu(&b, &in);
    n = in.left < 0x1000 ? in.left : 0x1000;
    FUZZ_CHECK(physmem_write(&b.pm, CODE, in.p, n) == 0, "code");
    for (unsigned i = 0; i < STEPS && !b.c->shutdown && !b.c->halted; i++) {
        b.c->kick = 1;
        interp_one(b.e->interp, b.c);
        check_cpu(b.c);
    }
    return 0;
}
