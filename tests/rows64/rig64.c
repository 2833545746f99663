#include "rig64.h"

#include <err.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "cpu/exception.h"
#include "cpu/model.h"
#include "rows/state.h"
#include "shadowmmu/smmu.h"
#include "translator/decode.h"
#include "translator/engine.h"
#include "translator/x_host.h"

enum {
    RAM_BYTES = 32 << 20,
    TEST_PHYS = 0x200000, /* struct mem64 */
    SYS_PHYS = 0x1500000,
    SYS_GDT = 0,
    SYS_IDT = 0x1000,
    SYS_HANDLERS = 0x2000, /* 16 bytes per vector */
    SYS_TSS = 0x3000,
    SYS_IST_TOP = 0x6000,
    SYS_BYTES = 0x6000,
    TABLES_PHYS = 0x1600000,
    PTE_P = 1,
    PTE_W = 2,
    PTE_U = 4,
    CODE_CACHE = 4 << 20,
    WATCH_SECONDS = 2, /* a test that runs longer hangs */
    TRACE_MAX = 1 << 20,
    SEL_KERNEL_CS = 0x10,
    SEL_USER_DS = 0x2b,
    SEL_USER_CS = 0x33,
    SEL_TSS = 0x40,
    ATTR_CODE64 = ATTR_P | ATTR_S | ATTR_CODE | ATTR_W | ATTR_A | ATTR_L | ATTR_G,
    ATTR_DATA = ATTR_P | ATTR_S | ATTR_W | ATTR_A | ATTR_DB | ATTR_G,
    ATTR_DPL3 = 3 << ATTR_DPL_SHIFT,
};

#define SYS_LIN   UINT64_C(0xffffffffa3700000)
#define PTE_NX    (UINT64_C(1) << 63)
#define PTE_FRAME UINT64_C(0xffffffffff000)

struct rig64 {
    int fd;
    hva_t ram;
    struct bus mmio;
    struct physmem pm;
    struct log log;
    const struct cpu_model *model;
    struct cpu *c;
    struct smmu *mmu;
    struct engine *engine;
    pthread_t watcher;
    sem_t closing;
    volatile uint32_t running; /* number of the current run, 0: none */
    uint32_t runs;
    gpa_t next_table;
    bool fresh;
};

static void on_paging_changed(void *opaque, struct cpu *c)
{
    smmu_paging_changed(((struct rig64 *)opaque)->mmu, c);
}

static void on_cr3_written(void *opaque, struct cpu *c)
{
    smmu_cr3_written(((struct rig64 *)opaque)->mmu, c);
}

static void on_invlpg(void *opaque, struct cpu *c, gva_t lin)
{
    smmu_invlpg(((struct rig64 *)opaque)->mmu, c, lin);
}

/* A test that changes its own code may come to use a port at CPL 0. */
static uint32_t on_io_read(void *opaque, uint16_t port, unsigned size)
{
    (void)opaque;
    (void)size;
    return port;
}

static void on_io_write(void *opaque, uint16_t port, unsigned size, uint32_t val)
{
    (void)opaque;
    (void)port;
    (void)size;
    (void)val;
}

static uint64_t on_tsc(void *opaque)
{
    (void)opaque;
    return __builtin_ia32_rdtsc();
}

static void put(struct rig64 *r, gpa_t pa, const void *buf, size_t len)
{
    if (physmem_write(&r->pm, pa, buf, len) < 0)
        errx(2, "the test machine has no RAM at %lx", (unsigned long)pa);
}

static void put64(struct rig64 *r, gpa_t pa, uint64_t v)
{
    put(r, pa, &v, 8);
}

static uint64_t descriptor(uint32_t attr)
{
    return UINT64_C(0xf00000000ffff) | (uint64_t)(attr & 0xff) << 40 |
           (uint64_t)(attr >> 12 & 15) << 52;
}

static void put_gate(struct rig64 *r, unsigned vector)
{
    uint64_t target = SYS_LIN + SYS_HANDLERS + 16 * vector;
    unsigned dpl = vector == VEC_BP || vector == VEC_OF || vector == 0x80 ? 3 : 0;
    gpa_t pa = SYS_PHYS + SYS_IDT + 16 * vector;

    put64(r, pa,
          (target & 0xffff) | SEL_KERNEL_CS << 16 | UINT64_C(1) << 32 |
              (uint64_t)(0x8e | dpl << 5) << 40 | (target >> 16 & 0xffff) << 48);
    put64(r, pa + 8, target >> 32);
}

static void make_tables(struct rig64 *r)
{
    uint64_t tss = SYS_LIN + SYS_TSS;
    uint8_t hlt = HLT64;

    put64(r, SYS_PHYS + SYS_GDT + SEL_KERNEL_CS, descriptor(ATTR_CODE64));
    put64(r, SYS_PHYS + SYS_GDT + (SEL_USER_DS & ~7), descriptor(ATTR_DATA | ATTR_DPL3));
    put64(r, SYS_PHYS + SYS_GDT + (SEL_USER_CS & ~7), descriptor(ATTR_CODE64 | ATTR_DPL3));
    put64(r, SYS_PHYS + SYS_GDT + SEL_TSS,
          0x67 | (tss & 0xffffff) << 16 | UINT64_C(0x8b) << 40 | (tss >> 24 & 0xff) << 56);
    put64(r, SYS_PHYS + SYS_GDT + SEL_TSS + 8, tss >> 32);
    put64(r, SYS_PHYS + SYS_TSS + 0x60, UINT64_C(0x68) << 48); /* no I/O permission map */
    put64(r, SYS_PHYS + SYS_TSS + 4, SYS_LIN + SYS_IST_TOP);
    put64(r, SYS_PHYS + SYS_TSS + 36, SYS_LIN + SYS_IST_TOP); /* IST1 */
    for (unsigned v = 0; v < 256; v++) {
        put_gate(r, v);
        put(r, SYS_PHYS + SYS_HANDLERS + 16 * v, &hlt, 1);
    }
}

/* The entry for lin in the table at pa of this level; a missing table is made. */
static gpa_t next_level(struct rig64 *r, gpa_t pa, unsigned level, uint64_t lin)
{
    gpa_t entry = pa + (lin >> (12 + 9 * level) & 511) * 8;
    uint64_t v;

    memcpy(&v, r->ram + entry, 8);
    if (!(v & PTE_P)) {
        v = r->next_table | PTE_P | PTE_W | PTE_U;
        r->next_table += PAGE_SIZE;
        put64(r, entry, v);
    }
    return v & PTE_FRAME;
}

static void map_page(struct rig64 *r, uint64_t lin, gpa_t pa, uint64_t rights)
{
    gpa_t table = TABLES_PHYS;

    for (unsigned level = 3; level > 0; level--)
        table = next_level(r, table, level, lin);
    put64(r, table + (lin >> 12 & 511) * 8, pa | rights | PTE_P);
}

static void make_page_tables(struct rig64 *r)
{
    r->next_table = TABLES_PHYS + PAGE_SIZE;
    for (unsigned i = 0; i < NREGIONS64; i++) {
        const struct region64 *g = &regions64[i];

        for (uint32_t o = 0; o < g->size; o += PAGE_SIZE)
            map_page(r, g->base + o, TEST_PHYS + g->offset + o,
                     PTE_U | (g->writable ? PTE_W : 0) | (g->code ? 0 : PTE_NX));
    }
    for (uint32_t o = 0; o < SYS_BYTES; o += PAGE_SIZE)
        map_page(r, SYS_LIN + o, SYS_PHYS + o, PTE_W);
}

/* A test that hangs is kicked out of the engine and fails. */
static void *watch(void *opaque)
{
    struct rig64 *r = opaque;
    struct timespec until;
    uint32_t seen = 0;

    for (;;) {
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec += WATCH_SECONDS;
        if (sem_timedwait(&r->closing, &until) == 0)
            return NULL;
        if (r->running && r->running == seen)
            engine_kick(r->engine);
        seen = r->running;
    }
}

static void start_watch(struct rig64 *r)
{
    sigset_t all, old;

    sem_init(&r->closing, 0, 0);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    if (pthread_create(&r->watcher, NULL, watch, r) != 0)
        errx(2, "can't start the watchdog thread");
    pthread_sigmask(SIG_SETMASK, &old, NULL);
}

static void make_ram(struct rig64 *r)
{
    r->fd = memfd_create("rig64", MFD_CLOEXEC);
    if (r->fd < 0 || ftruncate(r->fd, RAM_BYTES) < 0)
        err(2, "guest RAM");
    r->ram = mmap(NULL, RAM_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, r->fd, 0);
    if (r->ram == MAP_FAILED)
        err(2, "guest RAM");
    r->log.out = stderr;
    bus_init(&r->mmio, "mmio", &r->log);
    physmem_init(&r->pm, r->ram, r->fd, RAM_BYTES, &r->mmio);
}

static void make_cpu(struct rig64 *r)
{
    r->c = aligned_alloc(64, (sizeof(*r->c) + 63) & ~(size_t)63);
    if (!r->c)
        errx(2, "no memory");
    memset(r->c, 0, sizeof(*r->c));
    r->c->model = r->model;
    r->c->log = &r->log;
    r->c->hooks = (struct cpu_hooks){
        .paging_changed = on_paging_changed,
        .cr3_written = on_cr3_written,
        .invlpg = on_invlpg,
        .io_read = on_io_read,
        .io_write = on_io_write,
        .tsc = on_tsc,
        .opaque = r,
    };
}

struct rig64 *rig64_open(enum engine_kind kind, const struct cpu_model *model, bool check)
{
    const struct smmu_config mcfg = {.max_maps = 8192};
    const struct engine_config ecfg = {
        .kind = kind, .code_bytes = CODE_CACHE, .check_blocks = check, .loops_at_once = check};
    struct rig64 *r = calloc(1, sizeof(*r));

    if (!r)
        errx(2, "no memory");
    r->model = model;
    make_ram(r);
    make_tables(r);
    make_page_tables(r);
    make_cpu(r);
    if (smmu_create(&r->mmu, &r->pm, &mcfg, &r->log) < 0)
        errx(2, "can't make a shadow MMU");
    smmu_attach(r->mmu, r->c);
    r->pm.written = smmu_guest_written;
    r->pm.opaque = r->mmu;
    cpu_reset(r->c);
    if (engine_create(&r->engine, r->c, r->mmu, &r->pm, &ecfg, &r->log) < 0)
        errx(2, "can't make an engine");
    r->fresh = true;
    start_watch(r);
    return r;
}

void rig64_close(struct rig64 *r)
{
    sem_post(&r->closing);
    pthread_join(r->watcher, NULL);
    engine_destroy(r->engine);
    smmu_destroy(r->mmu);
    munmap(r->ram, RAM_BYTES);
    close(r->fd);
    free(r->c);
    free(r);
}

static void load_memory(struct rig64 *r, const struct mem64 *mem)
{
    for (size_t o = 0; o < MEM64_BYTES; o += PAGE_SIZE)
        if (!test_mem_same(r->ram + TEST_PHYS + o, mem->bytes + o, PAGE_SIZE))
            put(r, TEST_PHYS + o, mem->bytes + o, PAGE_SIZE);
}

static void load_segments(struct cpu *c, unsigned cpl, const struct state64 *s)
{
    bool user = cpl == 3;

    for (unsigned k = 0; k < NSEG; k++)
        c->seg[k] = (struct seg){0};
    c->seg[SEG_CS] = (struct seg){.sel = user ? SEL_USER_CS : SEL_KERNEL_CS,
                                  .attr = ATTR_CODE64 | (user ? ATTR_DPL3 : 0),
                                  .limit = UINT32_MAX,
                                  .usable = true};
    if (user)
        c->seg[SEG_SS] = (struct seg){
            .sel = SEL_USER_DS, .attr = ATTR_DATA | ATTR_DPL3, .limit = UINT32_MAX, .usable = true};
    c->seg[SEG_FS].base = s->fs_base;
    c->seg[SEG_GS].base = s->gs_base;
    c->seg[SEG_LDTR] = (struct seg){0};
    c->seg[SEG_TR] = (struct seg){
        .sel = SEL_TSS, .attr = 0x8b, .limit = 0x67, .base = SYS_LIN + SYS_TSS, .usable = true};
    c->cpl = (uint8_t)cpl;
}

static void load_control(struct rig64 *r)
{
    bool avx = model_has(r->model, FEAT_AVX);
    struct cpu *c = r->c;

    cpu_reset(c);
    cpu_fpu_init(c);
    c->gdtr = (struct dtable){.base = SYS_LIN + SYS_GDT, .limit = SEL_TSS + 15};
    c->idtr = (struct dtable){.base = SYS_LIN + SYS_IDT, .limit = 0xfff};
    c->cr0 = CR0_PE | CR0_MP | CR0_ET | CR0_NE | CR0_WP | CR0_AM | CR0_PG;
    c->cr4 = CR4_PAE | CR4_OSFXSR | CR4_OSXMMEXCPT | (avx ? CR4_OSXSAVE : 0) |
             (model_has(r->model, FEAT_FSGSBASE) ? CR4_FSGSBASE : 0);
    c->cr3 = TABLES_PHYS;
    c->efer = EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE;
    c->xcr0 = avx ? 7 : 1;
    c->kick = 0;
    if (r->fresh)
        smmu_paging_changed(r->mmu, c);
    r->fresh = false;
}

static unsigned ymm_offset(const struct rig64 *r)
{
    return model_has(r->model, FEAT_AVX) ? r->model->xsave_offset[2] : 0;
}

static void begin(struct rig64 *r, unsigned cpl, const struct outcome64 *o)
{
    struct cpu *c = r->c;

    load_memory(r, &o->mem);
    load_control(r);
    load_segments(c, cpl, &o->state);
    memcpy(c->gpr, o->state.gpr, sizeof(c->gpr));
    c->rip = o->state.rip;
    vec64_to_xsave(&o->state.vec, c->fpu, ymm_offset(r));
    cpu_set_rflags(c, (uint32_t)o->state.rflags);
    cpu_update_mode(c);
}

static bool pushes_error(unsigned vector)
{
    return vector == VEC_DF || (vector >= VEC_TS && vector <= VEC_PF) || vector == VEC_AC;
}

/* The test ended in a handler: what it had is in the frame. */
static void read_frame(struct rig64 *r, struct state64 *s)
{
    uint64_t frame[6], at = r->c->gpr[RSP] - SYS_LIN;
    const uint64_t *f = frame;

    s->err = 0;
    if (at > SYS_IST_TOP - sizeof(frame) && at != SYS_IST_TOP - 40)
        errx(2, "an exception's frame is at %lx", (unsigned long)r->c->gpr[RSP]);
    memcpy(frame, r->ram + SYS_PHYS + at, at == SYS_IST_TOP - 40 ? 40 : sizeof(frame));
    if (pushes_error((unsigned)s->end))
        s->err = (uint32_t)*f++;
    s->rip = f[0];
    s->rflags = f[2];
    s->gpr[RSP] = f[3];
    s->cr2 = s->end == VEC_PF ? r->c->cr2 : 0;
}

static void finish(struct rig64 *r, int end, struct outcome64 *o)
{
    struct state64 *s = &o->state;
    struct cpu *c = r->c;
    uint64_t at = c->rip - 1 - (SYS_LIN + SYS_HANDLERS);

    memcpy(s->gpr, c->gpr, sizeof(s->gpr));
    s->rflags = cpu_rflags(c);
    s->rip = c->rip - 1;
    s->fs_base = c->seg[SEG_FS].base;
    s->gs_base = c->seg[SEG_GS].base;
    s->err = 0;
    s->cr2 = 0;
    s->end = end;
    vec64_from_xsave(&s->vec, c->fpu, ymm_offset(r));
    if (at < 256 * 16 && at % 16 == 0) {
        s->end = (int)(at / 16);
        read_frame(r, s);
    }
    memcpy(o->mem.bytes, r->ram + TEST_PHYS, MEM64_BYTES);
    state64_name_end(&o->mem, s);
}

void rig64_run(struct rig64 *r, unsigned cpl, struct outcome64 *o)
{
    enum run_exit why;

    begin(r, cpl, o);
    r->running = ++r->runs;
    why = engine_run(r->engine);
    r->running = 0;
    finish(r,
           why == RUN_SHUTDOWN ? END64_SHUTDOWN
           : why == RUN_KICK   ? END64_TIMEOUT
                               : END64_HLT,
           o);
}

/* The bytes at c->rip, up to the end of its region. */
static void fetch(struct rig64 *r, const struct cpu *c, uint8_t bytes[MAX_INSN])
{
    const struct region64 *g = region64_of(c->rip);

    memset(bytes, HLT64, MAX_INSN);
    for (unsigned k = 0; g && k < MAX_INSN && c->rip - g->base + k < g->size; k++)
        bytes[k] = r->ram[TEST_PHYS + g->offset + (c->rip - g->base) + k];
}

void rig64_trace(struct rig64 *r, unsigned cpl, struct outcome64 *o, rig64_seen *seen, void *opaque)
{
    static const struct engine_step one = {.one = true};
    uint8_t bytes[MAX_INSN];
    struct cpu *c = r->c;
    unsigned n = 0;

    begin(r, cpl, o);
    while (!c->halted && !c->shutdown && n++ < TRACE_MAX) {
        if (region64_of(c->rip)) {
            fetch(r, c, bytes);
            seen(opaque, c, bytes);
        }
        engine_follow(r->engine, &one);
    }
    finish(r, c->shutdown ? END64_SHUTDOWN : c->halted ? END64_HLT : END64_TIMEOUT, o);
}
