#include "rig.h"

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
#include "shadowmmu/smmu.h"
#include "translator/engine.h"
#include "translator/x_host.h"

enum {
    PTE_P = 1,
    PTE_W = 2,
    PTE_U = 4,
    RIG_CODE_CACHE = 4 << 20,
    WATCH_SECONDS = 2,   /* a test that runs longer hangs */
    TRACE_MAX = 1 << 20, /* so does one with more instructions */
    DPL3_DATA = ATTR_P | ATTR_S | ATTR_W | ATTR_A | ATTR_DB | ATTR_G | 3 << ATTR_DPL_SHIFT,
    DPL0_DATA = ATTR_P | ATTR_S | ATTR_W | ATTR_A | ATTR_DB | ATTR_G,
};

struct rig {
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
    volatile bool timed_out;
    volatile uint32_t running; /* number of the current run, 0: none */
    uint32_t runs;
    uint8_t gdt[128]; /* as it was made: LTR and loads write to it */
    bool fresh;
};

static void on_paging_changed(void *opaque, struct cpu *c)
{
    smmu_paging_changed(((struct rig *)opaque)->mmu, c);
}

static void on_cr3_written(void *opaque, struct cpu *c)
{
    smmu_cr3_written(((struct rig *)opaque)->mmu, c);
}

static bool on_load_pdptes(void *opaque, struct cpu *c)
{
    return smmu_load_pdptes(((struct rig *)opaque)->mmu, c);
}

static void on_invlpg(void *opaque, struct cpu *c, gva_t lin)
{
    smmu_invlpg(((struct rig *)opaque)->mmu, c, lin);
}

/* Ports answer with their number. */
static uint32_t on_io_read(void *opaque, uint16_t port, unsigned size)
{
    (void)opaque;
    return size == 4 ? port | (uint32_t)port << 16 : port;
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

static void put(struct rig *r, gpa_t pa, const void *buf, size_t len)
{
    if (physmem_write(&r->pm, pa, buf, len) < 0)
        errx(2, "the test machine has no RAM at %lx", (unsigned long)pa);
}

static void put_desc(struct rig *r, unsigned sel, uint32_t base, uint32_t limit, uint32_t attr)
{
    uint64_t d = (limit & 0xffff) | (uint64_t)(base & 0xffffff) << 16 |
                 (uint64_t)(attr & 0xff) << 40 | (uint64_t)(limit >> 16 & 15) << 48 |
                 (uint64_t)(attr >> 12 & 15) << 52 | (uint64_t)(base >> 24) << 56;

    put(r, SYS_GDT + (sel & ~7u), &d, 8);
}

static void put_gate(struct rig *r, gpa_t pa, uint32_t target, unsigned type, unsigned dpl)
{
    uint64_t d = (target & 0xffff) | UINT64_C(0x08) << 16 |
                 (uint64_t)(0x80 | dpl << 5 | type) << 40 | (uint64_t)(target >> 16) << 48;

    put(r, pa, &d, 8);
}

static void make_tables(struct rig *r)
{
    static const struct {
        uint16_t sel, attr;
        uint32_t base, limit;
    } gdt[] = {
        {0x08, 0xc09b, 0, 0xfffff},    {0x10, 0xc093, 0, 0xfffff},
        {0x18, 0xc09f, 0, 0xfffff},    {0x20, 0xc0fb, 0, 0xfffff},
        {0x28, 0xc0f3, 0, 0xfffff},    {0x30, 0x008b, SYS_TSS, 0x67},
        {0x38, 0xc073, 0, 0xfffff},    {0x40, 0x40f3, DATA_BASE, 0xfff},
        {0x48, 0xc0f1, 0, 0xfffff},    {0x50, 0xc0f9, 0, 0xfffff},
        {0x58, 0x40f7, 0, 0xfff},      {0x68, 0x0082, SYS_GDT, 0x7f},
        {0x70, 0x0089, SYS_TSS, 0x67},
    };
    uint32_t esp0 = SYS_STACK0, ss0 = 0x10, iomap = 0x68;
    uint8_t hlt = HLT;

    for (size_t i = 0; i < ARRAY_SIZE(gdt); i++)
        put_desc(r, gdt[i].sel, gdt[i].base, gdt[i].limit, gdt[i].attr);
    put_gate(r, SYS_GDT + 0x60, SYS_GATE, 12, 3);
    put(r, SYS_GATE, &hlt, 1);
    for (unsigned v = 0; v < 256; v++) {
        put_gate(r, SYS_IDT + 8 * v, SYS_HANDLERS + 16 * v, 14,
                 v == VEC_BP || v == VEC_OF || v == 0x80 ? 3 : 0);
        put(r, SYS_HANDLERS + 16 * v, &hlt, 1);
    }
    put(r, SYS_TSS + 4, &esp0, 4);
    put(r, SYS_TSS + 8, &ss0, 4);
    put(r, SYS_TSS + 102, (uint8_t *)&iomap, 2);
}

static void map_identity(struct rig *r, uint32_t base, size_t size, uint32_t rights)
{
    for (uint32_t a = base; a < base + size; a += PAGE_SIZE) {
        uint32_t pte = a | rights | PTE_P;
        uint32_t table = SYS_PAGE_TABLES + (a >> 22) * (uint32_t)PAGE_SIZE,
                 pde = table | PTE_P | PTE_W | PTE_U;

        put(r, table + (a >> 12 & 1023) * 4, &pte, 4);
        put(r, SYS_PAGE_DIR + (a >> 22) * 4, &pde, 4);
    }
}

static void make_page_tables(struct rig *r)
{
    for (unsigned i = 0; i < NREGIONS; i++)
        map_identity(r, test_regions[i].base, test_regions[i].size,
                     PTE_U | (test_regions[i].writable ? PTE_W : 0));
    map_identity(r, SUP_BASE, PAGE_SIZE, PTE_W);
    map_identity(r, SYS_BASE, SYS_BYTES, PTE_W);
}

/* A test that hangs is kicked out of the engine and fails. */
static void *watch(void *opaque)
{
    struct rig *r = opaque;
    struct timespec until;
    uint32_t seen = 0;

    for (;;) {
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec += WATCH_SECONDS;
        if (sem_timedwait(&r->closing, &until) == 0)
            return NULL;
        if (r->running && r->running == seen) {
            r->timed_out = true;
            engine_kick(r->engine);
        }
        seen = r->running;
    }
}

static void start_watch(struct rig *r)
{
    sigset_t all, old;

    sem_init(&r->closing, 0, 0);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    if (pthread_create(&r->watcher, NULL, watch, r) != 0)
        errx(2, "can't start the watchdog thread");
    pthread_sigmask(SIG_SETMASK, &old, NULL);
}

static void make_ram(struct rig *r)
{
    r->fd = memfd_create("rig", MFD_CLOEXEC);
    if (r->fd < 0 || ftruncate(r->fd, RIG_RAM) < 0)
        err(2, "guest RAM");
    r->ram = mmap(NULL, RIG_RAM, PROT_READ | PROT_WRITE, MAP_SHARED, r->fd, 0);
    if (r->ram == MAP_FAILED)
        err(2, "guest RAM");
    r->log.out = stderr;
    bus_init(&r->mmio, "mmio", &r->log);
    physmem_init(&r->pm, r->ram, r->fd, RIG_RAM, &r->mmio);
}

static void make_cpu(struct rig *r)
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
        .load_pdptes = on_load_pdptes,
        .invlpg = on_invlpg,
        .io_read = on_io_read,
        .io_write = on_io_write,
        .tsc = on_tsc,
        .opaque = r,
    };
}

struct rig *rig_open(enum engine_kind kind, const struct cpu_model *model, bool check)
{
    const struct smmu_config mcfg = {.max_maps = 8192};
    const struct engine_config ecfg = {
        .kind = kind, .code_bytes = RIG_CODE_CACHE, .check_blocks = check};
    struct rig *r = calloc(1, sizeof(*r));

    if (!r)
        errx(2, "no memory");
    r->model = model;
    make_ram(r);
    make_tables(r);
    memcpy(r->gdt, r->ram + SYS_GDT, sizeof(r->gdt));
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

void rig_close(struct rig *r)
{
    sem_post(&r->closing);
    pthread_join(r->watcher, NULL);
    engine_destroy(r->engine);
    smmu_destroy(r->mmu);
    munmap(r->ram, RIG_RAM);
    close(r->fd);
    free(r->c);
    free(r);
}

static void load_memory(struct rig *r, const struct test_mem *mem)
{
    for (unsigned i = 0; i < NREGIONS; i++) {
        const struct test_region *g = &test_regions[i];
        const uint8_t *src = (const uint8_t *)mem + g->offset;

        for (size_t o = 0; o < g->size; o += PAGE_SIZE)
            if (!test_mem_same(r->ram + g->base + o, src + o, PAGE_SIZE))
                put(r, g->base + o, src + o, PAGE_SIZE);
    }
}

static void restore_gdt(struct rig *r)
{
    if (memcmp(r->ram + SYS_GDT, r->gdt, sizeof(r->gdt)) != 0)
        put(r, SYS_GDT, r->gdt, sizeof(r->gdt));
}

static void store_memory(struct rig *r, struct test_mem *mem)
{
    for (unsigned i = 0; i < NREGIONS; i++)
        memcpy((uint8_t *)mem + test_regions[i].offset, r->ram + test_regions[i].base,
               test_regions[i].size);
}

static void load_segments(struct cpu *c, const struct rig_setup *setup)
{
    bool user = setup->cpl == 3;
    uint16_t data = user ? 0x2b : 0x10, attr = user ? DPL3_DATA : DPL0_DATA;

    for (unsigned s = 0; s < NSEG; s++) {
        const struct rig_seg *g = &setup->seg[s];

        c->seg[s] = (struct seg){.sel = data, .attr = attr, .limit = UINT32_MAX, .usable = true};
        if (s == SEG_CS) {
            c->seg[s].sel = user ? 0x23 : 0x08;
            c->seg[s].attr |= ATTR_CODE;
        } else if (s == SEG_FS || s == SEG_GS) {
            c->seg[s] = (struct seg){0};
        }
        if (g->set)
            c->seg[s] = (struct seg){.sel = g->sel,
                                     .attr = g->attr,
                                     .limit = g->limit,
                                     .base = g->base,
                                     .usable = (g->sel & ~3) != 0};
    }
    c->seg[SEG_LDTR] = (struct seg){0};
    c->seg[SEG_TR] =
        (struct seg){.sel = 0x30, .attr = 0x8b, .limit = 0x67, .base = SYS_TSS, .usable = true};
    c->cpl = setup->cpl;
}

static uint32_t initial_cr0(const struct rig_setup *setup)
{
    uint32_t v = CR0_PE | CR0_MP | CR0_ET | CR0_NE | CR0_WP | CR0_AM | (setup->paging ? CR0_PG : 0);

    return (v | setup->cr0_set) & ~setup->cr0_clear;
}

static uint32_t initial_cr4(const struct rig *r, const struct rig_setup *setup)
{
    uint32_t v = CR4_OSFXSR | CR4_OSXMMEXCPT | (model_has(r->model, FEAT_AVX) ? CR4_OSXSAVE : 0);

    return (v | setup->cr4_set) & ~setup->cr4_clear;
}

static void load_control(struct rig *r, const struct rig_setup *setup)
{
    struct cpu *c = r->c;
    uint64_t cr0 = c->cr0, cr4 = c->cr4;

    cpu_reset(c);
    cpu_fpu_init(c);
    c->gdtr = (struct dtable){.base = SYS_GDT, .limit = 0x7f};
    c->idtr = (struct dtable){.base = SYS_IDT, .limit = 0x7ff};
    c->cr0 = initial_cr0(setup);
    c->cr4 = initial_cr4(r, setup);
    c->cr3 = SYS_PAGE_DIR;
    c->xcr0 = model_has(r->model, FEAT_AVX) ? 7 : 1;
    c->kick = 0;
    if (r->fresh || c->cr0 != cr0 || c->cr4 != cr4)
        smmu_paging_changed(r->mmu, c);
    r->fresh = false;
}

void rig_initial(const struct rig *r, const struct rig_setup *setup, struct test_state *s)
{
    struct cpu c;

    load_segments(&c, setup);
    for (unsigned i = 0; i < 6; i++)
        s->sel[i] = c.seg[i].sel;
    s->cr0 = initial_cr0(setup);
    s->cr4 = initial_cr4(r, setup);
}

static unsigned ymm_offset(const struct rig *r)
{
    return model_has(r->model, FEAT_AVX) ? r->model->xsave_offset[2] : 0;
}

static void load_state(struct rig *r, const struct rig_setup *setup, const struct test_state *s)
{
    struct cpu *c = r->c;

    load_control(r, setup);
    load_segments(c, setup);
    for (unsigned i = 0; i < 8; i++)
        c->gpr[i] = s->gpr[i];
    c->rip = s->eip;
    vec_to_xsave(&s->vec, c->fpu, ymm_offset(r));
    cpu_set_rflags(c, s->eflags);
    cpu_update_mode(c);
}

static bool pushes_error(unsigned vector)
{
    return vector == VEC_DF || (vector >= VEC_TS && vector <= VEC_PF) || vector == VEC_AC;
}

/* The test ended in a handler: what it had is in the frame. */
static void read_frame(struct rig *r, struct test_state *s)
{
    struct cpu *c = r->c;
    uint32_t frame[6], esp = (uint32_t)(c->seg[SEG_SS].base + c->gpr[RSP]);
    bool has_err = pushes_error((unsigned)s->end);

    if (physmem_read(&r->pm, esp, frame, sizeof(frame)) < 0)
        return;
    s->err = has_err ? frame[0] : 0;
    if (has_err) {
        esp += 4;
        memmove(frame, frame + 1, 5 * sizeof(frame[0]));
    }
    s->cr2 = s->end == VEC_PF ? (uint32_t)c->cr2 : 0;
    s->eip = frame[0];
    s->eflags = frame[2];
    s->sel[SEG_CS] = (uint16_t)frame[1];
    s->gpr[RSP] = (uint32_t)(esp - c->seg[SEG_SS].base) + 12;
    if ((frame[1] & 3) > c->cpl) {
        s->gpr[RSP] = frame[3];
        s->sel[SEG_SS] = (uint16_t)frame[4];
    }
}

static void store_state(struct rig *r, struct test_state *s)
{
    struct cpu *c = r->c;
    uint32_t at = (uint32_t)c->rip - 1;

    for (unsigned i = 0; i < 8; i++)
        s->gpr[i] = (uint32_t)c->gpr[i];
    for (unsigned i = 0; i < 6; i++)
        s->sel[i] = c->seg[i].sel;
    s->cr0 = (uint32_t)c->cr0;
    s->cr4 = (uint32_t)c->cr4;
    s->eflags = cpu_rflags(c);
    s->eip = at;
    s->err = s->cr2 = 0;
    vec_from_xsave(&s->vec, c->fpu, ymm_offset(r));
    if (at - SYS_HANDLERS < 256 * 16 && at % 16 == 0) {
        s->end = (int)((at - SYS_HANDLERS) / 16);
        read_frame(r, s);
    }
}

static void begin(struct rig *r, const struct rig_setup *setup, const struct test_mem *mem,
                  const struct test_state *s)
{
    load_memory(r, mem);
    restore_gdt(r);
    load_state(r, setup, s);
}

static void finish(struct rig *r, int end, struct test_mem *mem, struct test_state *s)
{
    s->end = end;
    store_state(r, s);
    store_memory(r, mem);
    test_name_end(mem, s);
}

void rig_run(struct rig *r, const struct rig_setup *setup, struct test_mem *mem,
             struct test_state *s)
{
    enum run_exit why;

    begin(r, setup, mem, s);
    r->timed_out = false;
    r->running = ++r->runs;
    why = engine_run(r->engine);
    r->running = 0;
    finish(r, why == RUN_SHUTDOWN ? END_SHUTDOWN : why == RUN_KICK ? END_TIMEOUT : END_HLT, mem, s);
}

void rig_trace(struct rig *r, const struct rig_setup *setup, struct test_mem *mem,
               struct test_state *s, rig_seen *seen, void *opaque)
{
    static const struct engine_step one = {.one = true};
    struct cpu *c = r->c;
    unsigned n = 0;

    begin(r, setup, mem, s);
    while (!c->halted && !c->shutdown && n++ < TRACE_MAX) {
        if (c->cpl == setup->cpl && c->rip < RIG_RAM - MAX_INSN)
            seen(opaque, c, r->ram + c->rip);
        engine_follow(r->engine, &one);
    }
    finish(r, c->shutdown ? END_SHUTDOWN : c->halted ? END_HLT : END_TIMEOUT, mem, s);
}
