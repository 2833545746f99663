/* What reaches a running engine from outside of the instruction stream, under both engines: NMI
 * (the board has no source of it) and a device's DMA into code that has run. */
#include "mmu_rig.h"

#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <time.h>

#include "cpu/model.h"
#include "translator/bt_priv.h"
#include "translator/engine.h"
#include "translator/x_host.h"

enum {
    CODE_AT = 0x1000,
    STACK_AT = 0x8000,
    IDT_AT = 0x9000,
    GDT_AT = 0x9800,
    HANDLERS_AT = 0xa000, /* of vector v: + v * 16 */
    TSS_A = 0xc000,
    TSS_B = 0xd000,
    CODE_CACHE = 4 << 20,
    SEL_CODE = 0x10,
    SEL_DATA = 0x18,
    SEL_TSS_A = 0x20,
    SEL_TSS_B = 0x28,
    HLT = 0xf4,
    NOP = 0x90,
};

struct machine {
    struct rig r;
    struct cpu *c;
    struct cpu_model model;
    struct engine *e;
    int vector; /* what INTA gives */
};

static struct machine m;

static int intr_ack(void *opaque)
{
    (void)opaque;
    m.c->intr = 0;
    return m.vector;
}

static void hook_paging(void *opaque, struct cpu *c)
{
    (void)opaque;
    smmu_paging_changed(m.r.m, c);
}

static void hook_cr3(void *opaque, struct cpu *c)
{
    (void)opaque;
    smmu_cr3_written(m.r.m, c);
}

static void put_desc(unsigned sel, uint32_t base, uint32_t limit, uint16_t attr)
{
    put64(&m.r, GDT_AT + sel,
          (limit & 0xffff) | (uint64_t)(base & 0xffffff) << 16 | (uint64_t)(attr & 0xff) << 40 |
              (uint64_t)(attr >> 12) << 52 | (uint64_t)(limit >> 16 & 15) << 48);
}

static void put_gate(unsigned vector, unsigned sel, uint32_t at, unsigned type)
{
    put64(&m.r, IDT_AT + 8 * vector,
          (at & 0xffff) | (uint64_t)sel << 16 | (uint64_t)(0x80 | type) << 40);
}

static struct seg flat(uint16_t sel, bool code)
{
    return (struct seg){.sel = sel,
                        .attr = (uint16_t)(ATTR_A | ATTR_W | (code ? ATTR_CODE : 0) | ATTR_S |
                                           ATTR_P | ATTR_DB | ATTR_G),
                        .limit = 0xffffffff,
                        .usable = true};
}

static void put_code(gpa_t at, const char *bytes, size_t n)
{
    ck_assert_int_eq(physmem_write(&m.r.pm, at, bytes, n), 0);
}
#define CODE(at, bytes) put_code(at, bytes, sizeof(bytes) - 1)

/* Every vector leads to a HLT of its own. */
static void make_tables(void)
{
    put_desc(SEL_CODE, 0, 0xfffff, 0xc09b);
    put_desc(SEL_DATA, 0, 0xfffff, 0xc093);
    put_desc(SEL_TSS_A, TSS_A, 0x67, 0x8b);
    put_desc(SEL_TSS_B, TSS_B, 0x67, 0x89);
    for (unsigned v = 0; v < 256; v++) {
        put_gate(v, SEL_CODE, HANDLERS_AT + v * 16, 14);
        CODE(HANDLERS_AT + v * 16, "\xf4");
    }
    m.c->gdtr = (struct dtable){GDT_AT, 0x7f};
    m.c->idtr = (struct dtable){IDT_AT, 0x7ff};
    m.c->seg[SEG_TR] =
        (struct seg){.sel = SEL_TSS_A, .attr = 0x8b, .limit = 0x67, .base = TSS_A, .usable = true};
}

static void make_cpu(void)
{
    char err[128];

    m.c = m.r.c;
    ck_assert_int_eq(cpu_model_init(&m.model, NULL, err, sizeof(err)), 0);
    m.c->model = &m.model;
    m.c->log = &m.r.log;
    m.c->hooks = (struct cpu_hooks){
        .intr_ack = intr_ack, .paging_changed = hook_paging, .cr3_written = hook_cr3};
    cpu_reset(m.c);
    m.c->cr0 = CR0_PE | CR0_ET | CR0_NE;
    for (unsigned s = 0; s < NSEG; s++)
        m.c->seg[s] = flat(s == SEG_CS ? SEL_CODE : SEL_DATA, s == SEG_CS);
    m.c->gpr[RSP] = STACK_AT;
    cpu_update_mode(m.c);
}

static void open_with(const struct engine_config *ecfg)
{
    static const struct smmu_config mcfg = {.max_maps = 1000};

    memset(&m, 0, sizeof(m));
    rig_open(&m.r);
    make_cpu();
    rig_start(&m.r, &mcfg);
    ck_assert_int_eq(engine_create(&m.e, m.c, m.r.m, &m.r.pm, ecfg, &m.r.log), 0);
    cpu_fpu_init(m.c);
    make_tables();
    smmu_paging_changed(m.r.m, m.c);
}

static void open_machine(enum engine_kind kind)
{
    open_with(&(struct engine_config){.kind = kind, .code_bytes = CODE_CACHE});
}

static void close_machine(void)
{
    engine_destroy(m.e);
    rig_close(&m.r);
}

/* Until HLT; the address behind it. */
static uint64_t run(uint64_t at)
{
    m.c->rip = at;
    m.c->halted = 0;
    ck_assert_int_eq(engine_run(m.e), RUN_HALT);
    return m.c->rip;
}

static uint64_t handler(unsigned vector)
{
    return HANDLERS_AT + vector * 16 + 1;
}

static uint32_t stack(unsigned n)
{
    return peek32(&m.r, (uint32_t)m.c->gpr[RSP] + 4 * n);
}

static enum engine_kind kind_of(int i)
{
    return i ? ENGINE_BT : ENGINE_INTERP;
}

START_TEST(test_nmi)
{
    open_machine(kind_of(_i));
    CODE(CODE_AT, "\x90\x90\xf4");
    m.c->nmi_pending = 1; /* IF is clear */
    ck_assert_uint_eq(run(CODE_AT), handler(VEC_NMI));
    ck_assert_uint_eq(stack(0), CODE_AT);
    ck_assert(m.c->nmi_blocked);
    ck_assert(!m.c->nmi_pending);
    close_machine();
}
END_TEST

/* Another one waits for IRET, and comes before the instruction IRET goes back to. */
START_TEST(test_nmi_blocked_until_iret)
{
    open_machine(kind_of(_i));
    CODE(CODE_AT, "\x90\x90\xf4");
    m.c->nmi_pending = 1;
    ck_assert_uint_eq(run(CODE_AT), handler(VEC_NMI));
    m.c->nmi_pending = 1;
    CODE(0x2000, "\x40\x41\xcf"); /* inc eax; inc ecx; iret, to CODE_AT */
    ck_assert_uint_eq(run(0x2000), handler(VEC_NMI));
    ck_assert_uint_eq(stack(0), CODE_AT);
    ck_assert_uint_eq(m.c->gpr[RAX], 1);
    ck_assert(m.c->nmi_blocked);
    close_machine();
}
END_TEST

/* One that is blocked does not wake HLT. */
START_TEST(test_nmi_blocked_halt)
{
    open_machine(kind_of(_i));
    m.c->nmi_blocked = 1;
    m.c->nmi_pending = 1;
    CODE(CODE_AT, "\x40\xf4");
    ck_assert_uint_eq(run(CODE_AT), CODE_AT + 2);
    ck_assert(m.c->nmi_pending);
    close_machine();
}
END_TEST

/* It wakes HLT, where the return address is behind it, and goes before INTR. */
START_TEST(test_nmi_wakes_and_goes_first)
{
    open_machine(kind_of(_i));
    CODE(CODE_AT, "\xf4\x90\xf4");
    ck_assert_uint_eq(run(CODE_AT), CODE_AT + 1);
    m.c->nmi_pending = 1;
    m.c->intr = 1;
    m.vector = 0x40;
    m.c->iflag = 1;
    ck_assert_int_eq(engine_run(m.e), RUN_HALT);
    ck_assert_uint_eq(m.c->rip, handler(VEC_NMI));
    ck_assert_uint_eq(stack(0), CODE_AT + 1);
    ck_assert(m.c->intr); /* the gate cleared IF */
    close_machine();
}
END_TEST

/* A trap gate leaves IF: INTR gets in, NMI does not. */
START_TEST(test_nmi_trap_gate)
{
    open_machine(kind_of(_i));
    put_gate(VEC_NMI, SEL_CODE, 0x3000, 15);
    CODE(0x3000, "\x90\xf4");
    m.c->nmi_pending = 1;
    m.c->intr = 1;
    m.vector = 0x40;
    m.c->iflag = 1;
    ck_assert_uint_eq(run(CODE_AT), handler(0x40));
    ck_assert_uint_eq(stack(0), 0x3000);
    ck_assert_uint_eq(stack(3), CODE_AT);
    ck_assert(m.c->nmi_blocked);
    close_machine();
}
END_TEST

/* Through a task gate: blocked in the task, open again when its IRET has gone back. */
START_TEST(test_nmi_task)
{
    open_machine(kind_of(_i));
    put_gate(VEC_NMI, SEL_TSS_B, 0, 5);
    put32(&m.r, TSS_B + 0x20, 0x3000);
    put32(&m.r, TSS_B + 0x24, EF_R1);
    put32(&m.r, TSS_B + 0x38, STACK_AT - 0x1000);
    for (unsigned i = 0; i < NSEG; i++)
        put32(&m.r, TSS_B + 0x48 + 4 * i, i == SEG_CS ? SEL_CODE : SEL_DATA);
    CODE(0x3000, "\xf4\xcf");
    CODE(CODE_AT, "\x40\xf4");
    m.c->nmi_pending = 1;
    ck_assert_uint_eq(run(CODE_AT), 0x3001);
    ck_assert_uint_eq(m.c->seg[SEG_TR].sel, SEL_TSS_B);
    ck_assert_uint_eq(peek32(&m.r, TSS_A + 0x20), CODE_AT);
    ck_assert(m.c->nmi_blocked);
    ck_assert_uint_eq(run(0x3001), CODE_AT + 2);
    ck_assert_uint_eq(m.c->gpr[RAX], 1);
    ck_assert(!m.c->nmi_blocked);
    close_machine();
}
END_TEST

/* IRET opens NMIs even when it faults (SDM 3A 6.7.1). */
START_TEST(test_nmi_opened_by_a_faulting_iret)
{
    open_machine(kind_of(_i));
    m.c->nmi_blocked = 1;
    put32(&m.r, STACK_AT, CODE_AT);
    put32(&m.r, STACK_AT + 4, 0); /* CS null */
    CODE(CODE_AT, "\xcf");
    ck_assert_uint_eq(run(CODE_AT), handler(VEC_GP));
    ck_assert(!m.c->nmi_blocked);
    close_machine();
}
END_TEST

/* MOV SS holds it back for an instruction. */
START_TEST(test_nmi_shadow)
{
    open_machine(kind_of(_i));
    CODE(CODE_AT, "\x40\x40\xf4"); /* inc eax twice */
    m.c->intr_shadow = INTR_SHADOW_SS;
    m.c->nmi_pending = 1;
    ck_assert_uint_eq(run(CODE_AT), handler(VEC_NMI));
    ck_assert_uint_eq(stack(0), CODE_AT + 1);
    ck_assert_uint_eq(m.c->gpr[RAX], 1);
    close_machine();
}
END_TEST

/* Translated, an interrupt that comes right behind STI; rip afterwards, behind a handler's HLT. */
static uint64_t interrupt_behind_sti(uint32_t sti)
{
    struct engine_step step;

    m.c->rip = sti;
    m.c->iflag = m.c->halted = m.c->intr = 0;
    m.c->gpr[RSP] = STACK_AT;
    for (unsigned k = 0; k < 9 && !m.c->halted; k++) {
        engine_step(m.e, &step);
        m.c->intr |= m.c->rip == sti + 1;
        m.c->kick = 0;
    }
    ck_assert(m.c->halted);
    return m.c->rip;
}

/* It waits for one instruction, also when that one is not of the same block: it is in the next
 * page, or cannot be decoded. */
START_TEST(test_sti_shadow)
{
    open_with(
        &(struct engine_config){.kind = ENGINE_BT, .code_bytes = CODE_CACHE, .stepped = true});
    m.vector = 0x40;
    CODE(0x1fff, "\xfb\x40\xf4"); /* sti; inc eax; hlt */
    ck_assert_uint_eq(interrupt_behind_sti(0x1fff), handler(0x40));
    ck_assert_uint_eq(stack(0), 0x2001);
    ck_assert_uint_eq(m.c->gpr[RAX], 1);
    CODE(0x3000, "\xfb\x0f\x0a"); /* sti; no instruction */
    ck_assert_uint_eq(interrupt_behind_sti(0x3000), handler(VEC_UD));
    ck_assert_uint_eq(stack(0), 0x3001);
    close_machine();
}
END_TEST

/* A gate that is no gate: #GP with EXT, as for any external event. */
START_TEST(test_nmi_bad_gate)
{
    open_machine(kind_of(_i));
    put64(&m.r, IDT_AT + 8 * VEC_NMI, 0);
    m.c->nmi_pending = 1;
    ck_assert_uint_eq(run(CODE_AT), handler(VEC_GP));
    ck_assert_uint_eq(stack(0), VEC_NMI * 8 + 2 + 1);
    ck_assert_uint_eq(stack(1), CODE_AT);
    close_machine();
}
END_TEST

/* mov eax, imm32; hlt */
static void put_mov(gpa_t at, uint32_t imm)
{
    CODE(at, "\xb8");
    put32(&m.r, at + 1, imm);
    CODE(at + 5, "\xf4");
}

START_TEST(test_dma_into_code)
{
    open_machine(kind_of(_i));
    put_mov(CODE_AT, 1);
    for (uint32_t n = 2; n < 50; n++) {
        uint8_t page[4096];

        run(CODE_AT);
        ck_assert_uint_eq(m.c->gpr[RAX], n - 1);
        if (n % 3 == 0) {
            put_mov(CODE_AT, n);
            continue;
        }
        /* a whole sector or page at once, of which the code is a part */
        memset(page, NOP, sizeof(page));
        page[0] = 0xb8;
        st32(page + 1, n);
        page[5] = HLT;
        ck_assert_int_eq(physmem_write(&m.r.pm, CODE_AT, page, n % 3 == 1 ? sizeof(page) : 512), 0);
    }
    close_machine();
}
END_TEST

/* Over a page boundary either half; beside the code, nothing. */
START_TEST(test_dma_over_a_boundary)
{
    open_machine(kind_of(_i));
    put_mov(0x5ffd, 0x11111111);
    for (unsigned n = 0; n < 20; n++) {
        run(0x5ffd);
        ck_assert_uint_eq(m.c->gpr[RAX], peek32(&m.r, 0x5ffe));
        if (n % 4 == 3)
            put32(&m.r, 0x6100, n);
        else
            CODE(0x5ffe + n % 4 * 2 - (n % 4 == 2), "\x5a");
        put32(&m.r, 0x5ff0, n);
    }
    close_machine();
}
END_TEST

/* The block that the DMA changes is linked to from others. */
START_TEST(test_dma_into_linked_code)
{
    open_machine(kind_of(_i));
    CODE(0x1000, "\xb9\x64\x00\x00\x00" /* mov ecx, 100 */
                 "\xe8\xf6\x0f\x00\x00" /* l: call 2000h */
                 "\x49\x75\xf8\xf4");   /* dec ecx; jnz l; hlt */
    CODE(0x2000, "\x83\xc0\x01\xc3");   /* add eax, 1; ret */
    run(0x1000);
    ck_assert_uint_eq(m.c->gpr[RAX], 100);
    CODE(0x2002, "\x03");
    run(0x1000);
    ck_assert_uint_eq(m.c->gpr[RAX], 400);
    CODE(0x2001, "\xe8"); /* sub */
    run(0x1000);
    ck_assert_uint_eq(m.c->gpr[RAX], 100);
    close_machine();
}
END_TEST

/* The same address is other memory, or none, from one run to the next. */
START_TEST(test_map_changes_under_code)
{
    const uint32_t ram = PHYSMEM_ALL_SEGMENTS & ~PHYSMEM_VGA_SEGMENTS;

    open_machine(kind_of(_i));
    put_mov(0x1000, 1);
    put_mov(0x101000, 2);
    CODE(0xf0000, "\xe8\xfb\x0f\x01\x00\xf4"); /* call 101000h; hlt */
    CODE(0x101005, "\xc3");
    CODE(0x1005, "\xc3");
    for (unsigned i = 0; i < 3; i++) {
        physmem_set_a20(&m.r.pm, true);
        run(0xf0000);
        ck_assert_uint_eq(m.c->gpr[RAX], 2);
        physmem_set_a20(&m.r.pm, false);
        run(0xf0000);
        ck_assert_uint_eq(m.c->gpr[RAX], 1);
        physmem_set_segments(&m.r.pm, ram & ~(1u << 20), ram); /* no RAM at F0000h: FFh there */
        ck_assert(physmem_offset(&m.r.pm, 0xf0000) == UINT64_MAX);
        physmem_set_segments(&m.r.pm, ram, ram & ~(1u << 20));
        run(0xf0000);
        ck_assert_uint_eq(m.c->gpr[RAX], 1);
        physmem_set_segments(&m.r.pm, ram, ram);
    }
    close_machine();
}
END_TEST

/* A store that met a device often is simulated until it meets memory. */
START_TEST(test_device_then_memory)
{
    uint64_t callouts;

    open_machine(ENGINE_BT);
    CODE(0x1000, "\x89\x0f\x49\x75\xfb\xf4"); /* l: mov [edi], ecx; dec ecx; jnz l; hlt */
    m.c->gpr[RDI] = 0xa0000;
    m.c->gpr[RCX] = 10;
    run(0x1000);
    m.c->gpr[RDI] = 0x400000;
    m.c->gpr[RCX] = 0x100000;
    callouts = m.e->stats.callouts;
    run(0x1000);
    ck_assert_uint_ge(m.e->stats.callouts - callouts, 200);
    ck_assert_uint_lt(m.e->stats.callouts - callouts, 1000);
    ck_assert_uint_eq(m.e->stats.reverted, 1);
    close_machine();
}
END_TEST

/* ---- kicks ---- */

/* As many as there is time for: on a busy host the two threads may rarely run at once. */
enum { KICKS = 2000, SECONDS = 1 };

/* Loops that count in EAX and ECX; EDX leads to their beginning. */
static const struct {
    const char *what, *code;
    size_t n;
} loops[] = {
    {"a block", "\x40\x41\xeb\xfc", 4},
    {"a conditional branch", "\x40\x41\x85\xd2\x75\xfa", 6},
    {"an indirect jump", "\x40\x41\xff\xe2", 4},
    {"CALL and RET", "\x40\x41\xe8\x02\x00\x00\x00\xeb\xf7\xc3", 10},
    {"another page", "\x40\x41\xe9\xf9\x0f\x00\x00", 7},
    {"a callout", "\x40\x41\x0f\x09\xeb\xfa", 6},
};

static volatile unsigned round_of_kicks;

static void *kicker(void *unused)
{
    uint32_t seed = 1;

    (void)unused;
    for (unsigned n = 1; n <= KICKS; n++) {
        while (round_of_kicks < n)
            if (seed & 1 << 20)
                sched_yield();
        if (round_of_kicks > KICKS)
            break;
        seed = seed * 1103515245 + 12345;
        for (volatile unsigned wait = seed >> (seed & 1 << 21 ? 18 : 22); wait > 0; wait--)
            ;
        engine_kick(m.e);
    }
    return NULL;
}

/* Wherever a kick from another thread finds it, translated code leaves, between two instructions.
 * One that is missed is a time-out. */
START_TEST(test_kicks)
{
    time_t from = time(NULL);
    pthread_t thread;
    uint64_t at;

    open_machine(ENGINE_BT);
    put_code(CODE_AT, loops[_i].code, loops[_i].n);
    CODE(CODE_AT + PAGE_SIZE, "\xe9\xfb\xef\xff\xff");
    m.c->rip = m.c->gpr[RDX] = CODE_AT;
    m.c->gpr[RAX] = m.c->gpr[RCX] = 0;
    round_of_kicks = 0;
    ck_assert_int_eq(pthread_create(&thread, NULL, kicker, NULL), 0);
    for (unsigned n = 1; n <= KICKS && time(NULL) - from <= SECONDS; n++) {
        m.c->kick = 0;
        round_of_kicks = n;
        ck_assert_int_eq(engine_run(m.e), RUN_KICK);
        at = m.c->rip - CODE_AT;
        ck_assert_msg((uint32_t)(m.c->gpr[RAX] - m.c->gpr[RCX]) == (at == 1), "%s: at %" PRIx64,
                      loops[_i].what, at);
    }
    round_of_kicks = KICKS + 1;
    pthread_join(thread, NULL);
    ck_assert_uint_gt(m.c->gpr[RAX], 0);
    close_machine();
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {test_nmi,
                                  test_nmi_blocked_until_iret,
                                  test_nmi_wakes_and_goes_first,
                                  test_nmi_trap_gate,
                                  test_nmi_task,
                                  test_nmi_opened_by_a_faulting_iret,
                                  test_nmi_shadow,
                                  test_nmi_bad_gate,
                                  test_dma_into_code,
                                  test_dma_over_a_boundary,
                                  test_dma_into_linked_code,
                                  test_map_changes_under_code};
    TCase *tc = tcase_create("engine events");

    for (unsigned i = 0; i < ARRAY_SIZE(tests); i++)
        tcase_add_loop_test(tc, tests[i], 0, 2);
    tcase_add_loop_test(tc, test_nmi_blocked_halt, 0, 2);
    tcase_add_test(tc, test_sti_shadow);
    tcase_add_test(tc, test_device_then_memory);
    tcase_add_loop_test(tc, test_kicks, 0, (int)ARRAY_SIZE(loops));
    tcase_set_timeout(tc, 60);
    return rig_main("engine_events", tc);
}
