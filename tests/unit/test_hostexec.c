/* test_hostexec.c - x87, MMX, SSE and AVX rows run on the host with a guest's state, and the
 * instructions that show that state as memory. Guest: 32-bit flat, paging on, linear 0-4 MiB mapped
 * 1:1, 4-8 MiB absent. */
#include "translator/hostexec.h"

#include <check.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include "bus/physmem.h"
#include "cpu/control.h"
#include "cpu/exception.h"
#include "cpu/model.h"
#include "shadowmmu/access.h"
#include "shadowmmu/smmu.h"
#include "translator/row.h"
#include "translator/x_host.h"

enum {
    RAM_BYTES = 8 << 20,
    PAGE_DIR = 0x1000,
    MAPPED_END = 4 << 20,
    DATA = 0x10000,
    CODE = 0x2000,
    CS_SEL = 0x60,
    DS_SEL = 0x7b,
};

static struct bus mmio;
static struct physmem pm;
static struct smmu *mmu;
static struct cpu *c;
static struct cpu_model model;
static struct hostexec *hx;
static unsigned ferr_raised;

/* What sigfault.c and btfault.c do in the product. */
static void on_signal(int sig, siginfo_t *si, void *ctx)
{
    ucontext_t *uc = ctx;
    greg_t *r = uc->uc_mcontext.gregs;
    uint64_t resume = hostexec_signal(hx, (uint64_t)r[REG_RIP], (unsigned)r[REG_TRAPNO]);

    (void)si;
    if (resume) {
        r[REG_RIP] = (greg_t)resume;
        return;
    }
    signal(sig, SIG_DFL);
}

static void on_ferr(void *opaque, bool level)
{
    (void)opaque;
    ferr_raised += level;
}

static void flat_segments(void)
{
    for (unsigned s = 0; s < NSEG; s++) {
        c->seg[s] = (struct seg){.sel = s == SEG_CS ? CS_SEL : DS_SEL,
                                 .attr = s == SEG_CS ? 0xc09b : 0xc093,
                                 .limit = 0xffffffff,
                                 .usable = true};
    }
    c->cpl = 0;
    cpu_update_mode(c);
}

static void setup(void)
{
    struct sigaction sa = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO};
    struct smmu_config cfg = {.max_maps = 1000};
    int fd = memfd_create("ram", 0);
    char err[128];

    sigaction(SIGSEGV, &sa, NULL);
    sigaction(SIGFPE, &sa, NULL);
    sigaction(SIGILL, &sa, NULL);
    ck_assert_int_eq(ftruncate(fd, RAM_BYTES), 0);
    hva_t ram = mmap(NULL, RAM_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    ck_assert_ptr_ne(ram, MAP_FAILED);
    physmem_init(&pm, ram, fd, RAM_BYTES, &mmio);
    ck_assert_int_eq(smmu_create(&mmu, &pm, &cfg, NULL), 0);
    ck_assert_int_eq(cpu_model_init(&model, NULL, err, sizeof(err)), 0);
    c = aligned_alloc(64, align_up(sizeof(*c), 64));
    memset(c, 0, sizeof(*c));
    c->model = &model;
    ck_assert_int_eq(hostexec_create(&hx), 0);
    c->hostexec = hx;
    c->hooks.ferr = on_ferr;
    smmu_attach(mmu, c);
    cpu_reset(c);
    cpu_fpu_init(c);
    flat_segments();
    st32(pm.hva + PAGE_DIR, 0x87); /* one 4 MiB page: P RW US PS */
    c->cr4 = CR4_PSE;
    c->cr3 = PAGE_DIR;
    ck_assert(cpu_write_cr(c, 0, CR0_PE | CR0_PG | CR0_NE | CR0_ET | CR0_MP));
    c->cr4 |= CR4_OSFXSR | CR4_OSXMMEXCPT | (model_has(&model, FEAT_XSAVE) ? CR4_OSXSAVE : 0);
    c->xcr0 = model.xcr0_allowed & 7;
    flat_segments();
    c->gpr[RSP] = 0x8000;
    c->gpr[RBX] = DATA;
    c->rip = CODE;
    ferr_raised = 0;
}

static void teardown(void)
{
    hostexec_destroy(hx);
    smmu_destroy(mmu);
    munmap(pm.hva, RAM_BYTES);
    close(pm.fd);
    free(c);
}

/* One instruction. False: c->fault. */
static bool run_bits(const char *hex, unsigned bits)
{
    uint8_t b[MAX_INSN] = {0};
    unsigned n = 0;
    struct insn i;

    for (const char *s = hex; *s; s += *s == ' ')
        b[n++] = (uint8_t)strtoul(s, (char **)&s, 16);
    ck_assert_msg(decode_insn(b, n, bits, &i) == DECODE_OK && i.len == n, "%s does not decode",
                  hex);
    ck_assert_msg(i.row->valid, "%s has no row", hex);
    c->next_rip = c->rip + n;
    if (!i.exec(c, &i))
        return false;
    c->rip = c->next_rip;
    return true;
}

static void run(const char *hex)
{
    ck_assert_msg(run_bits(hex, 32), "%s raises %u", hex, c->fault.vector);
}

static void run_faults(const char *hex, unsigned vector)
{
    ck_assert_msg(!run_bits(hex, 32), "%s does not fault", hex);
    ck_assert_uint_eq(c->fault.vector, vector);
}

static uint8_t *xmm(unsigned n)
{
    return c->fpu + IMG_XMM + 16 * n;
}

static uint8_t *ymmh(unsigned n)
{
    return c->fpu + model.xsave_offset[2] + 16 * n;
}

static uint8_t *data(unsigned off)
{
    return pm.hva + DATA + off;
}

static void set_floats(void *p, float a, float b, float d, float e)
{
    float v[4] = {a, b, d, e};

    memcpy(p, v, sizeof(v));
    fpu_mark(c, 7);
}

static float float_at(const void *p, unsigned n)
{
    float v;

    memcpy(&v, (const uint8_t *)p + 4 * n, 4);
    return v;
}

static void put_double(void *p, double v)
{
    memcpy(p, &v, 8);
}

static double double_at(const void *p)
{
    double v;

    memcpy(&v, p, 8);
    return v;
}

START_TEST(sse_arithmetic)
{
    set_floats(xmm(0), 1, 2, 3, 4);
    set_floats(xmm(1), 10, 20, 30, 40);
    run("0f 58 c1"); /* addps xmm0, xmm1 */
    ck_assert(float_at(xmm(0), 0) == 11 && float_at(xmm(0), 3) == 44);
    set_floats(data(0x20), 2, 4, 5, 8);
    run("0f 5e 4b 20"); /* divps xmm1, [ebx+20h] */
    ck_assert(float_at(xmm(1), 0) == 5 && float_at(xmm(1), 2) == 6);
    c->gpr[RSP] = 77;
    run("f2 0f 2a d4"); /* cvtsi2sd xmm2, esp */
    ck_assert(double_at(xmm(2)) == 77);
    put_double(xmm(2), -5.5);
    run("f2 0f 2c e2"); /* cvttsd2si esp, xmm2 */
    ck_assert_uint_eq(c->gpr[RSP], (uint32_t)-5);
    run("0f 50 e1"); /* movmskps esp, xmm1 */
    ck_assert_uint_eq(c->gpr[RSP], 0);
    put_double(xmm(3), 4);
    run("66 0f 2f d3"); /* comisd xmm2, xmm3: below */
    ck_assert_uint_eq(c->rflags & EF_ARITH, EF_CF);
    run("66 0f 2f db");
    ck_assert_uint_eq(c->rflags & EF_ARITH, EF_ZF);
    run("66 0f ef ff"); /* pxor xmm7, xmm7 */
    ck_assert_uint_eq(ld64(xmm(7)), 0);
}
END_TEST

START_TEST(host_state_is_kept)
{
    uint32_t mxcsr;
    uint16_t fcw, fsw;

    st32(data(0), 0x9fc0);
    run("0f ae 13"); /* ldmxcsr [ebx] */
    st16(data(0), 0x0f7f);
    run("d9 2b"); /* fldcw [ebx] */
    run("d9 e8");
    ck_assert_uint_eq(ld32(c->fpu + IMG_MXCSR), 0x9fc0);
    ck_assert_uint_eq(ld16(c->fpu + IMG_FCW), 0x0f7f);
    __asm__ volatile("stmxcsr %0; fnstcw %1; fnstsw %2" : "=m"(mxcsr), "=m"(fcw), "=m"(fsw));
    ck_assert_uint_eq(mxcsr & ~0x3fu, 0x1f80);
    ck_assert_uint_eq(fcw, 0x37f);
    ck_assert_uint_eq(fsw, 0);
    run("0f ae 5b 04"); /* stmxcsr [ebx+4] */
    ck_assert_uint_eq(ld32(data(4)), 0x9fc0);
}
END_TEST

START_TEST(memory_operands)
{
    for (unsigned n = 0; n < 64; n++)
        *data(n) = (uint8_t)n;
    run("0f 10 43 03"); /* movups xmm0, [ebx+3] */
    ck_assert_mem_eq(xmm(0), data(3), 16);
    run_faults("0f 28 43 03", VEC_GP); /* movaps */
    run_faults("66 0f fc 43 08", VEC_GP);
    run("0f 28 43 10");
    ck_assert_mem_eq(xmm(0), data(16), 16);
    run("0f 11 43 21"); /* movups [ebx+21h], xmm0 */
    ck_assert_mem_eq(data(0x21), xmm(0), 16);
    ck_assert_uint_eq(*data(0x20), 0x20);
    ck_assert_uint_eq(*data(0x31), 0x31);
    /* straddles two pages */
    run("0f 11 83 f9 0f 00 00");
    ck_assert_mem_eq(data(0xff9), xmm(0), 16);
    /* last bytes are not there: nothing is stored */
    c->gpr[RBX] = MAPPED_END - 8;
    memset(pm.hva + MAPPED_END - 8, 0x55, 8);
    run_faults("0f 11 03", VEC_PF);
    ck_assert_uint_eq(c->fault.cr2, MAPPED_END);
    ck_assert_uint_eq(*(pm.hva + MAPPED_END - 8), 0x55);
    run_faults("0f 10 0b", VEC_PF);
    run("66 0f d6 03"); /* movq [ebx], xmm0 fits */
    ck_assert_mem_eq(pm.hva + MAPPED_END - 8, xmm(0), 8);
}
END_TEST

START_TEST(simd_exceptions)
{
    set_floats(xmm(0), 1, 1, 1, 1);
    set_floats(xmm(1), 1, 0, 1, 1);
    st32(c->fpu + IMG_MXCSR, MXCSR_INIT & ~(1u << 9)); /* divide-by-zero unmasked */
    run_faults("0f 5e c1", VEC_XM);
    ck_assert(float_at(xmm(0), 1) == 1);
    ck_assert_uint_eq(ld32(c->fpu + IMG_MXCSR) & 4, 4);
    c->cr4 &= ~(uint64_t)CR4_OSXMMEXCPT;
    run_faults("0f 5e c1", VEC_UD);
    st32(c->fpu + IMG_MXCSR, MXCSR_INIT);
    run("0f 5e c1");
    ck_assert(isinf(float_at(xmm(0), 1)));
    /* the unit works on after a fault */
    run("0f 58 c1");
}
END_TEST

START_TEST(mmx)
{
    st64(data(0), 0x0102030405060708);
    st64(data(8), 0x1010101010101010);
    run("0f 6f 03");    /* movq mm0, [ebx] */
    run("0f fc 43 08"); /* paddb mm0, [ebx+8] */
    run("0f 7f 43 10");
    ck_assert_uint_eq(ld64(data(16)), 0x1112131415161718);
    ck_assert_uint_eq(c->fpu[IMG_FTW], 0xff);
    run("0f 77"); /* emms */
    ck_assert_uint_eq(c->fpu[IMG_FTW], 0);
    run("f3 0f d6 c8"); /* movq2dq xmm1, mm0 */
    ck_assert_uint_eq(ld64(xmm(1)), 0x1112131415161718);
}
END_TEST

START_TEST(x87_and_pointers)
{
    long double want;

    model.fdp_on_exception = false;
    put_double(data(0), 2);
    c->rip = 0x1234;
    run("dd 03"); /* fld qword [ebx] */
    ck_assert_uint_eq(ld64(c->fpu + IMG_FIP), 0x1234);
    ck_assert_uint_eq(ld64(c->fpu + IMG_FDP), DATA);
    ck_assert_uint_eq(c->fcs, CS_SEL);
    ck_assert_uint_eq(c->fds, DS_SEL);
    run("d9 7b 40"); /* fnstcw [ebx+40h]: control, pointers stay */
    ck_assert_uint_eq(ld64(c->fpu + IMG_FIP), 0x1234);
    c->rip = 0x2222;
    run("d9 fa"); /* fsqrt */
    ck_assert_uint_eq(ld64(c->fpu + IMG_FIP), 0x2222);
    ck_assert_uint_eq(ld64(c->fpu + IMG_FDP), DATA);
    want = sqrtl(2);
    ck_assert_mem_eq(c->fpu + IMG_ST, &want, 10);
    run("d9 fe"); /* fsin */
    __asm__("fsin" : "=t"(want) : "0"(want));
    ck_assert_mem_eq(c->fpu + IMG_ST, &want, 10);
    run("db 7b 20"); /* fstp m80 */
    ck_assert_mem_eq(data(0x20), &want, 10);
    run("d9 e8");
    run("d9 ee");
    run("db f1"); /* fcomi st1 */
    ck_assert_uint_eq(c->rflags & (EF_CF | EF_ZF | EF_PF), EF_CF);
    c->gpr[RAX] = 0xdead0000;
    run("df e0"); /* fnstsw ax */
    ck_assert_uint_eq(c->gpr[RAX], 0xdead0000 | ld16(c->fpu + IMG_FSW));
}
END_TEST

/* 1 / 0 with ZM clear: reported by the next waiting instruction, not by a non-waiting one. */
static void divide_by_zero(void)
{
    st16(data(0), 0x37b);
    run("d9 2b");
    run("d9 e8");
    run("d9 ee");
    run("de f9"); /* fdivp */
    ck_assert_uint_eq(ld16(c->fpu + IMG_FSW) & (FSW_ES | 4), FSW_ES | 4);
}

START_TEST(x87_exceptions)
{
    divide_by_zero();
    run("dd 7b 10"); /* fnstsw */
    ck_assert_uint_eq(ld16(data(16)) & FSW_ES, FSW_ES);
    run_faults("d9 e8", VEC_MF);
    run_faults("9b", VEC_MF);
    run_faults("0f 77", VEC_MF);
    run("0f 58 c1"); /* SSE does not care */
    run("db e2");    /* fnclex */
    ck_assert_uint_eq(ld16(c->fpu + IMG_FSW) & 0x80ff, 0);
    run("9b");
    run("d9 e8");
    c->cr0 |= CR0_TS;
    run_faults("9b", VEC_NM);
    c->cr0 &= ~(uint64_t)CR0_MP;
    run("9b");
}
END_TEST

START_TEST(x87_exception_by_ferr)
{
    c->cr0 &= ~(uint64_t)CR0_NE;
    divide_by_zero();
    uint64_t rip = c->rip;

    run("d9 e8");
    ck_assert_uint_eq(c->rip, rip); /* waits for the interrupt */
    ck_assert_uint_ge(ferr_raised, 1);
    run("db e2");
    run("d9 e8");
    ck_assert_uint_ne(c->rip, rip);
}
END_TEST

START_TEST(x87_store_with_unmasked_exception)
{
    st16(data(0), 0x377); /* overflow unmasked */
    run("d9 2b");
    put_double(data(8), 1e300);
    run("dd 43 08");
    st32(data(16), 0x12345678);
    run("d9 5b 10"); /* fstp m32: overflows, stores nothing */
    ck_assert_uint_eq(ld32(data(16)), 0x12345678);
    ck_assert_uint_eq(ld16(c->fpu + IMG_FSW) & FSW_ES, FSW_ES);
}
END_TEST

/* CPUs that promise it in leaf 7 keep FDP but for an unmasked exception (SDM 1 8.1.8). */
START_TEST(data_pointer_on_exception)
{
    model.fdp_on_exception = true;
    st64(c->fpu + IMG_FDP, 0x4444);
    c->fds = 0x44;
    put_double(data(0), 2);
    put_double(data(8), 0);
    run("dd 03"); /* fld qword [ebx] */
    ck_assert_uint_eq(ld64(c->fpu + IMG_FDP), 0x4444);
    ck_assert_uint_eq(c->fds, 0x44);
    run("dc 73 08"); /* fdiv qword [ebx+8]: ZE, masked */
    ck_assert_uint_eq(ld64(c->fpu + IMG_FDP), 0x4444);
    st16(c->fpu, 0x37b); /* ZM clear */
    run("db e2");        /* fnclex */
    run("dd 03");
    run("dc 73 08");
    ck_assert_uint_eq(ld16(c->fpu + IMG_FSW) & FSW_ES, FSW_ES);
    ck_assert_uint_eq(ld64(c->fpu + IMG_FDP), DATA + 8);
    ck_assert_uint_eq(c->fds, DS_SEL);
}
END_TEST

START_TEST(environment)
{
    uint8_t before[IMG_MXCSR];

    model.fdp_on_exception = false;
    put_double(data(0), 0.5);
    c->rip = 0x77770000;
    run("dd 03");
    run("d9 ee");
    run("d9 7b 30");
    memcpy(before, c->fpu, sizeof(before));
    run("d9 73 40"); /* fnstenv [ebx+40h] */
    ck_assert_uint_eq(ld32(data(0x40)), 0xffff037f);
    ck_assert_uint_eq(ld32(data(0x44)), 0xffff3000);
    ck_assert_uint_eq(ld32(data(0x48)), 0xffff1fff); /* ST0 zero, ST1 valid */
    ck_assert_uint_eq(ld32(data(0x4c)), 0x77770002);
    ck_assert_uint_eq(ld16(data(0x50)), CS_SEL);
    ck_assert_uint_eq(ld32(data(0x54)), DATA);
    ck_assert_uint_eq(ld32(data(0x58)), 0xffff0000 | DS_SEL);
    run("db e3"); /* fninit */
    ck_assert_uint_eq(ld64(c->fpu + IMG_FIP), 0);
    run("d9 63 40"); /* fldenv */
    ck_assert_mem_eq(c->fpu, before, IMG_FOP);
    ck_assert_uint_eq(ld64(c->fpu + IMG_FIP), 0x77770002);
    run("66 d9 b3 80 00 00 00"); /* 16-bit format */
    ck_assert_uint_eq(ld16(data(0x80)), 0x37f);
    ck_assert_uint_eq(ld16(data(0x84)), 0x1fff);
    ck_assert_uint_eq(ld16(data(0x86)), 0x0002);
    ck_assert_uint_eq(ld16(data(0x88)), CS_SEL);
    ck_assert_uint_eq(ld16(data(0x8c)), DS_SEL);
}
END_TEST

START_TEST(environment_real_mode)
{
    c->cr0 &= ~(uint64_t)CR0_PE;
    c->fcs = 0x1000;
    c->fds = 0x2000;
    st64(c->fpu + IMG_FIP, 0x345);
    st64(c->fpu + IMG_FDP, 0xabcd);
    fpu_mark(c, 1);
    run("66 d9 33");
    ck_assert_uint_eq(ld16(data(6)), 0x0345);
    ck_assert_uint_eq(ld16(data(8)), 0x1000);
    ck_assert_uint_eq(ld16(data(10)), 0xabcd);
    ck_assert_uint_eq(ld16(data(12)), 0x2000);
    run("66 d9 23");
    ck_assert_uint_eq(ld64(c->fpu + IMG_FIP), 0x10345);
}
END_TEST

START_TEST(save_and_restore_x87)
{
    uint8_t st[128];

    for (unsigned n = 0; n < 6; n++)
        run("d9 eb"); /* fldpi */
    run("d9 e0");
    memcpy(st, c->fpu + IMG_ST, sizeof(st));
    run("dd b3 00 01 00 00"); /* fnsave [ebx+100h] */
    ck_assert_uint_eq(c->fpu[IMG_FTW], 0);
    ck_assert_uint_eq(ld16(c->fpu + IMG_FCW), FCW_INIT);
    ck_assert_mem_eq(data(0x100 + 28), st, 10);
    run("d9 e8");
    run("dd a3 00 01 00 00"); /* frstor */
    for (unsigned n = 0; n < 8; n++)
        ck_assert_mem_eq(c->fpu + IMG_ST + 16 * n, st + 16 * n, 10);
    ck_assert_uint_eq(c->fpu[IMG_FTW], 0xfc);
    run("d9 c9"); /* fxch: the host accepts it */
}
END_TEST

START_TEST(fxsave)
{
    run("d9 eb");
    set_floats(xmm(7), 1, 2, 3, 4);
    memset(data(0), 0xee, 512);
    run("0f ae 03");
    ck_assert_uint_eq(ld16(data(0)), 0x37f);
    ck_assert_uint_eq(*data(4), 0x80);
    ck_assert_uint_eq(ld32(data(8)), CODE);
    ck_assert_uint_eq(ld16(data(12)), CS_SEL);
    ck_assert_uint_eq(ld32(data(24)), MXCSR_INIT);
    ck_assert_mem_eq(data(IMG_XMM + 7 * 16), xmm(7), 16);
    ck_assert_uint_eq(*data(IMG_XMM + 8 * 16), 0xee); /* XMM8: not outside 64-bit mode */
    run("db e3");
    run("0f 57 ff");
    run("0f ae 0b"); /* fxrstor */
    ck_assert(float_at(xmm(7), 3) == 4);
    ck_assert_uint_eq(c->fpu[IMG_FTW], 0x80);
    ck_assert_uint_eq(ld64(c->fpu + IMG_FIP), CODE);
    st32(data(24), 0x10000);
    run_faults("0f ae 0b", VEC_GP);
    run_faults("0f ae 43 08", VEC_GP);
}
END_TEST

START_TEST(xsave)
{
    if (!model_has(&model, FEAT_AVX))
        return;
    set_floats(xmm(1), 1, 2, 3, 4);
    set_floats(ymmh(1), 5, 6, 7, 8);
    memset(data(0), 0, 1024);
    c->gpr[RAX] = 7;
    c->gpr[RDX] = 0;
    run("0f ae 23"); /* xsave */
    ck_assert_uint_eq(ld64(data(512)) & 6, 6);
    ck_assert_mem_eq(data(model.xsave_offset[2] + 16), ymmh(1), 16);
    run("c5 fc 77"); /* vzeroall */
    ck_assert_uint_eq(ld64(xmm(1)) | ld64(ymmh(1)), 0);
    run("0f ae 2b"); /* xrstor */
    ck_assert(float_at(xmm(1), 3) == 4 && float_at(ymmh(1), 3) == 8);
    /* a component absent from XSTATE_BV is initialized; others are left alone */
    st64(data(512), 2);
    c->gpr[RAX] = 4;
    run("0f ae 2b");
    ck_assert_uint_eq(ld64(ymmh(1)), 0);
    ck_assert(float_at(xmm(1), 3) == 4);
    st64(data(512), 1u << 20);
    run_faults("0f ae 2b", VEC_GP);
    st64(data(512), 7);
    st64(data(520), 1);
    run_faults("0f ae 2b", VEC_GP);
    run_faults("0f ae 6b 10", VEC_GP);
    c->cr4 &= ~(uint64_t)CR4_OSXSAVE;
    run_faults("0f ae 23", VEC_UD);
}
END_TEST

START_TEST(avx)
{
    if (!model_has(&model, FEAT_AVX2))
        return;
    set_floats(xmm(1), 1, 2, 3, 4);
    set_floats(ymmh(1), 5, 6, 7, 8);
    set_floats(xmm(2), 1, 1, 1, 1);
    set_floats(ymmh(2), 1, 1, 1, 1);
    run("c5 f4 58 c2"); /* vaddps ymm0, ymm1, ymm2 */
    ck_assert(float_at(xmm(0), 0) == 2 && float_at(ymmh(0), 3) == 9);
    run("c5 f0 58 c2"); /* vaddps xmm0: clears the upper half */
    ck_assert(float_at(xmm(0), 3) == 5);
    ck_assert_uint_eq(ld64(ymmh(0)) | ld64(ymmh(0) + 8), 0);
    run("0f 58 ca"); /* legacy addps xmm1: keeps it */
    ck_assert(float_at(ymmh(1), 3) == 8);
    run("c5 fc 11 4b 05"); /* vmovups [ebx+5], ymm1 */
    ck_assert_mem_eq(data(5), xmm(1), 16);
    ck_assert_mem_eq(data(21), ymmh(1), 16);
    run_faults("c5 fc 29 4b 05", VEC_GP); /* vmovaps */
    run("c4 e3 fd 00 d9 1b");             /* vpermq ymm3, ymm1, 1bh */
    ck_assert_mem_eq(xmm(3), ymmh(1) + 8, 8);
    ck_assert_mem_eq(ymmh(3) + 8, xmm(1), 8);
}
END_TEST

START_TEST(masked_moves)
{
    for (unsigned n = 0; n < 16; n++) {
        xmm(1)[n] = (uint8_t)(0x40 + n);
        xmm(2)[n] = n & 1 ? 0x80 : 0x7f;
    }
    fpu_mark(c, 2);
    memset(data(0), 0, 64);
    c->gpr[RDI] = DATA + 3;
    run("66 0f f7 ca"); /* maskmovdqu xmm1, xmm2 */
    for (unsigned n = 0; n < 16; n++)
        ck_assert_uint_eq(*data(3 + n), n & 1 ? 0x40 + n : 0);
    if (!model_has(&model, FEAT_AVX2))
        return;
    /* elements beyond the end of memory are masked out: no fault */
    c->gpr[RBX] = MAPPED_END - 8;
    memset(xmm(2), 0, 16);
    xmm(2)[3] = xmm(2)[7] = 0x80;
    run("c4 e2 69 2e 0b"); /* vmaskmovps [ebx], xmm2, xmm1 */
    ck_assert_mem_eq(pm.hva + MAPPED_END - 8, xmm(1), 8);
    memset(xmm(3), 0xff, 16);
    run("c4 e2 69 2c 1b"); /* vmaskmovps xmm3, xmm2, [ebx] */
    ck_assert_mem_eq(xmm(3), xmm(1), 8);
    ck_assert_uint_eq(ld64(xmm(3) + 8), 0);
    xmm(2)[11] = 0x80;
    run_faults("c4 e2 69 2e 0b", VEC_PF);
    ck_assert_uint_eq(c->fault.cr2, MAPPED_END);
}
END_TEST

START_TEST(mmx_masked_move)
{
    st64(data(0), 0x1122334455667788);
    st64(data(8), 0x80008000800080ff);
    run("0f 6f 03");
    run("0f 6f 4b 08");
    c->gpr[RDI] = DATA + 0x20;
    st64(data(0x20), 0);
    run("0f f7 c1"); /* maskmovq mm0, mm1 */
    ck_assert_uint_eq(ld64(data(0x20)), 0x1100330055007788);
}
END_TEST

START_TEST(gathers)
{
    static const uint32_t index[4] = {3, 0, 1u << 20, 1};

    if (!model_has(&model, FEAT_AVX2))
        return;
    for (unsigned n = 0; n < 8; n++)
        st32(data(4 * n), 0x1000 + n);
    memcpy(xmm(1), index, 16);
    memset(xmm(2), 0x80, 16);
    memset(xmm(0), 0xaa, 16);
    fpu_mark(c, 6);
    run_faults("c4 e2 69 90 04 8b", VEC_PF); /* vpgatherdd xmm0, [ebx+xmm1*4], xmm2 */
    ck_assert_uint_eq(c->fault.cr2, DATA + (4 << 20));
    ck_assert_uint_eq(ld32(xmm(0)), 0x1003);
    ck_assert_uint_eq(ld32(xmm(0) + 4), 0x1000);
    ck_assert_uint_eq(ld32(xmm(0) + 8), 0xaaaaaaaa);
    ck_assert_uint_eq(ld64(xmm(2)), 0);
    ck_assert_uint_eq(ld64(xmm(2) + 8), UINT64_MAX);
    st32(xmm(1) + 8, 7);
    run("c4 e2 69 90 04 8b");
    ck_assert_uint_eq(ld32(xmm(0) + 8), 0x1007);
    ck_assert_uint_eq(ld32(xmm(0) + 12), 0x1001);
    ck_assert_uint_eq(ld64(xmm(2) + 8), 0);
}
END_TEST

START_TEST(segment_limits)
{
    c->seg[SEG_DS].limit = DATA + 15;
    c->seg[SEG_DS].attr &= (uint16_t)~ATTR_G;
    cpu_update_mode(c);
    run("0f 10 03");
    run_faults("0f 10 43 01", VEC_GP);
    run_faults("d9 73 01", VEC_GP);
    run_faults("0f ae 03", VEC_GP);
}
END_TEST

START_TEST(sixteen_bit_code)
{
    set_floats(xmm(0), 1, 2, 3, 4);
    set_floats(data(0), 1, 1, 1, 1);
    c->gpr[RBX] = 0x8000;
    c->gpr[RSI] = 0x8000;
    c->seg[SEG_DS].base = DATA;
    cpu_update_mode(c);
    ck_assert(run_bits("0f 58 00", 16)); /* addps xmm0, [bx+si]: wraps to 0 */
    ck_assert(float_at(xmm(0), 3) == 5);
}
END_TEST

/* More different stubs than there is room for. */
START_TEST(stub_cache_overflow)
{
    for (unsigned round = 0; round < 2; round++)
        for (unsigned imm = 0; imm < 256; imm++)
            for (unsigned reg = 0; reg < 32; reg++) {
                char hex[32];

                set_floats(xmm(0), 1, 2, 3, 4);
                snprintf(hex, sizeof(hex), "0f c6 %02x %02x", 0xc0 | reg, imm);
                run(hex);
                if (reg == 0)
                    ck_assert(float_at(xmm(0), 0) == (float)(1 + (imm & 3)));
            }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("hostexec");
    TCase *t = tcase_create("hostexec");
    SRunner *r;
    int failed;

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, sse_arithmetic);
    tcase_add_test(t, host_state_is_kept);
    tcase_add_test(t, memory_operands);
    tcase_add_test(t, simd_exceptions);
    tcase_add_test(t, mmx);
    tcase_add_test(t, x87_and_pointers);
    tcase_add_test(t, data_pointer_on_exception);
    tcase_add_test(t, x87_exceptions);
    tcase_add_test(t, x87_exception_by_ferr);
    tcase_add_test(t, x87_store_with_unmasked_exception);
    tcase_add_test(t, environment);
    tcase_add_test(t, environment_real_mode);
    tcase_add_test(t, save_and_restore_x87);
    tcase_add_test(t, fxsave);
    tcase_add_test(t, xsave);
    tcase_add_test(t, avx);
    tcase_add_test(t, masked_moves);
    tcase_add_test(t, mmx_masked_move);
    tcase_add_test(t, gathers);
    tcase_add_test(t, segment_limits);
    tcase_add_test(t, sixteen_bit_code);
    tcase_add_test(t, stub_cache_overflow);
    suite_add_tcase(s, t);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
