/* Creation, destruction and counters of an engine; bt.c and interp.c run it. */
#include "translator/engine.h"

#include <cpuid.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "translator/hostexec.h"
#include "translator/xlate.h"

enum { CODE_BYTES_DEFAULT = 128 << 20 };

const char *engine_name(enum engine_kind kind)
{
    return kind == ENGINE_BT ? "bt" : "interp";
}

static void emit_stub(struct engine *e, unsigned n, void (*target)(void))
{
    struct emit em = {e->code.rw + n * STUB_BYTES};

    emit8(&em, 0xff); /* jmp [rip+0] */
    emit8(&em, 0x25);
    emit32(&em, 0);
    emit64(&em, (uint64_t)(uintptr_t)target);
}

static void emit_stubs(struct engine *e)
{
    emit_stub(e, STUB_DIRECT, bt_stub_direct);
    emit_stub(e, STUB_INDIRECT, bt_stub_indirect);
    emit_stub(e, STUB_STRAY, bt_stub_stray);
    emit_stub(e, STUB_WORD, bt_stub_word);
    emit_stub(e, STUB_CALLOUT, bt_stub_callout);
    emit_stub(e, STUB_SYSENTER, bt_stub_sysenter);
    emit_stub(e, STUB_SYSEXIT, bt_stub_sysexit);
    emit_stub(e, STUB_IRET, bt_stub_iret);
    emit_stub(e, STUB_LOAD_SEG, bt_stub_load_seg);
    emit_stub(e, STUB_POP_SEG, bt_stub_pop_seg);
    emit_stub(e, STUB64_DIRECT, bt64_stub_direct);
    emit_stub(e, STUB64_STRAY, bt64_stub_stray);
    emit_stub(e, STUB64_WORD, bt64_stub_word);
    emit_stub(e, STUB64_CALLOUT, bt64_stub_callout);
    emit_stub(e, STUB64_SYSCALL, bt64_stub_syscall);
    emit_stub(e, STUB64_SYSRET, bt64_stub_sysret);
    emit_stub(e, STUB64_IRET, bt64_stub_iret);
    emit_stub(e, STUB64_SWAPGS, bt64_stub_swapgs);
    emit_stub(e, STUB_CLTS, bt_stub_clts);
    emit_stub(e, STUB_MOV_CR0, bt_stub_mov_cr0);
    emit_stub(e, STUB_LGDT, bt_stub_lgdt);
    emit_stub(e, STUB_LIDT, bt_stub_lidt);
    emit_stub(e, STUB_RDMSR, bt_stub_rdmsr);
    emit_stub(e, STUB_WRMSR, bt_stub_wrmsr);
    emit_stub(e, STUB_CPUID, bt_stub_cpuid);
    emit_stub(e, STUB_STORE, bt_stub_store);
    emit_stub(e, STUB64_STORE, bt64_stub_store);
    emit_stub(e, STUB64_CLTS, bt64_stub_clts);
    emit_stub(e, STUB64_MOV_CR0, bt64_stub_mov_cr0);
    emit_stub(e, STUB64_LGDT, bt64_stub_lgdt);
    emit_stub(e, STUB64_LIDT, bt64_stub_lidt);
    emit_stub(e, STUB64_RDMSR, bt64_stub_rdmsr);
    emit_stub(e, STUB64_WRMSR, bt64_stub_wrmsr);
    emit_stub(e, STUB64_CPUID, bt64_stub_cpuid);
    emit_stub(e, STUB64_POPF, bt64_stub_popf);
    emit_stub(e, STUB64_LOAD_SEG, bt64_stub_load_seg);
    emit_stub(e, STUB64_WRFSBASE, bt64_stub_wrfsbase);
    emit_stub(e, STUB64_WRGSBASE, bt64_stub_wrgsbase);
    codemem_commit(&e->code, NSTUBS * STUB_BYTES);
    e->code_keep = e->code.used;
}

static void on_code_written(void *opaque, uint64_t frame, unsigned off, unsigned len)
{
    struct engine *e = opaque;

    bt_invalidate_range(e, frame, off, len);
    if (!e->frame_blocks[frame] && !interp_page_cached(e->interp, frame))
        smmu_clear_code(e->mmu, frame);
}

static bool has_blocks(void *opaque, uint64_t frame)
{
    return ((struct engine *)opaque)->frame_blocks[frame] != NULL;
}

static void on_code_unmapped(void *opaque, struct smmu_space *space, uint64_t vpn)
{
    bt_ctx_page_unmapped(opaque, space, vpn);
}

static void on_space_switched(void *opaque)
{
    ((struct engine *)opaque)->space_changed = true;
}

static void on_space_freed(void *opaque, struct smmu_space *space)
{
    bt_ctx_space_freed(opaque, space);
}

static void on_fpu_sync(void *opaque, struct cpu *c)
{
    (void)opaque;
    bt_fpu_save(c->engine, c);
}

/* A page that generated code reaches wherever its GS base or R15 is. */
static int hot_create(struct engine *e)
{
    void *p;

    _Static_assert(sizeof(struct bt_hot) <= PAGE_SIZE, "one page");
    e->hot_fd = memfd_create("dragoman-hot", MFD_CLOEXEC);
    if (e->hot_fd < 0 || ftruncate(e->hot_fd, PAGE_SIZE) < 0)
        return -errno;
    p = mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, e->hot_fd, 0);
    if (p == MAP_FAILED)
        return -errno;
    e->hot = p;
    e->hot->engine = e;
    e->hot->cpu = e->cpu;
    return 0;
}

static int bt_create(struct engine *e)
{
    int err = bt_cache_init(e, e->cfg.code_bytes ? e->cfg.code_bytes : CODE_BYTES_DEFAULT,
                            e->pm->nframes);
    struct smmu_listener l = {
        .code_written = on_code_written,
        .code_unmapped = on_code_unmapped,
        .space_switched = on_space_switched,
        .space_freed = on_space_freed,
        .opaque = e,
    };

    if (err < 0)
        return err;
    e->sites = calloc(SITE_HASH, sizeof(*e->sites));
    e->xlate = calloc(1, sizeof(*e->xlate));
    e->decodings = decode_cache_create();
    if (!e->sites || !e->xlate || !e->decodings)
        return -ENOMEM;
    err = bt_landing_init(e);
    if (err < 0)
        return err;
    emit_stubs(e);
    bt_light_init(e);
    err = smmu_use_blocks(e->mmu, e->hot_fd, PAGE_SIZE);
    if (err < 0)
        return err;
    e->hot->view_table = smmu_view_table(e->mmu);
    bt_use_ctx(e, e->empty_ctx[0]);
    e->space_changed = true;
    e->xsave_mask = e->cpu->model->xcr0_allowed | 3;
    e->cpu->hooks.fpu_sync = on_fpu_sync;
    smmu_add_listener(e->mmu, &l);
    interp_share_code(e->interp, has_blocks, e);
    if (e->cfg.stepped && bt_step_init(e) < 0)
        return -ENOMEM;
    return bt_perf_map_open(e);
}

int engine_create(struct engine **out, struct cpu *c, struct smmu *mmu, struct physmem *pm,
                  const struct engine_config *cfg, struct log *log)
{
    struct engine *e = calloc(1, sizeof(*e));
    int err;

    if (!e)
        return -ENOMEM;
    e->cpu = c;
    e->mmu = mmu;
    e->pm = pm;
    e->log = log;
    e->cfg = *cfg;
    e->hot_fd = e->landings_fd[0] = e->landings_fd[1] = -1;
    c->engine = e;
    err = hot_create(e);
    if (err == 0)
        err = hostexec_create(&c->hostexec);
    if (err == 0)
        err = interp_create(&e->interp, mmu);
    if (err == 0 && cfg->kind == ENGINE_BT)
        err = bt_create(e);
    else if (err == 0)
        interp_share_code(e->interp, NULL, NULL);
    if (err == 0)
        err = bt_fault_init(e);
    if (err < 0) {
        engine_destroy(e);
        return err;
    }
    *out = e;
    return 0;
}

void engine_destroy(struct engine *e)
{
    if (e->fault.registered)
        bt_fault_fini(e);
    if (e->arena)
        bt_cache_fini(e);
    bt_ctx_fini(e);
    bt_step_fini(e);
    bt_landing_fini(e);
    bt_perf_map_close(e);
    if (e->interp)
        interp_destroy(e->interp);
    if (e->cpu->hostexec)
        hostexec_destroy(e->cpu->hostexec);
    e->cpu->hostexec = NULL;
    if (e->hot)
        munmap(e->hot, PAGE_SIZE);
    if (e->hot_fd >= 0)
        close(e->hot_fd);
    free(e->sites);
    free(e->xlate);
    decode_cache_destroy(e->decodings);
    free(e);
}
