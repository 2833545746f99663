/* Every unprivileged integer instruction form against the host CPU, run there in compatibility mode
 * from the same addresses with the same bytes, registers and memory. */
#include <signal.h>

#include <Zydis/Zydis.h>

#include "interp_rig.h"

enum {
    STATE_AT = 0x1000000,
    HOST_CODE_AT = 0x1001000,
    DATA_AT = 0x1010000,
    DATA_LEN = 0x2000,
    BEFORE = 160, /* room for the code around the instruction */
    ROUNDS = 3,
};

/* At STATE_AT, written and read by the stub. */
struct host_state {
    uint32_t gpr[8];
    uint32_t eflags, pad;
    uint64_t rsp;
    uint32_t far_off;
    uint16_t far_sel;
};

static struct host_state *const host = (struct host_state *)(uintptr_t)STATE_AT;
static sigjmp_buf host_fault;
static uint8_t signal_stack[65536];

static void on_signal(int sig)
{
    siglongjmp(host_fault, sig);
}

static uint8_t *put_bytes(uint8_t *p, const void *b, size_t n)
{
    memcpy(p, b, n);
    return p + n;
}

/* opcode bytes followed by the address of a state field */
static uint8_t *put_abs(uint8_t *p, const char *op, size_t n, size_t field)
{
    uint32_t at = STATE_AT + (uint32_t)field;

    p = put_bytes(p, op, n);
    return put_bytes(p, &at, 4);
}

#define ABS(p, op, field) put_abs(p, op, sizeof(op) - 1, field)

/* 64-bit entry -> compatibility mode -> load everything -> instruction -> save everything -> back.
 */
/* Kept out of the caller, whose locals must survive siglongjmp(). */
__attribute__((noinline)) static void host_run(const uint8_t *insn, unsigned len)
{
    static const char load[8][3] = {"\x8b\x05", "\x8b\x0d", "\x8b\x15", "\x8b\x1d",
                                    "\x8b\x25", "\x8b\x2d", "\x8b\x35", "\x8b\x3d"};
    uint8_t *p = (uint8_t *)(uintptr_t)HOST_CODE_AT, *at32, *tail;
    uint32_t stack = STATE_AT + 0x800, v;

    p = put_bytes(p, "\x53\x55\x41\x54\x41\x55\x41\x56\x41\x57", 10);
    p = ABS(p, "\x48\x89\x24\x25", offsetof(struct host_state, rsp));
    p = ABS(p, "\xff\x2c\x25", offsetof(struct host_state, far_off));
    at32 = p;
    p = put_bytes(p, "\xb8\x2b\x00\x00\x00\x8e\xd8\x8e\xc0\xbc", 10);
    p = put_bytes(p, &stack, 4);
    p = ABS(p, "\xff\x35", offsetof(struct host_state, eflags));
    p = put_bytes(p, "\x9d", 1);
    for (unsigned r = 0; r < 9; r++) { /* ESP last */
        unsigned reg = r == 8 ? 4 : r;

        if (r != 4)
            p = put_abs(p, load[reg], 2, reg * 4);
    }
    p = put_bytes(p, insn, len);
    for (unsigned r = 0; r < 8; r++) {
        char store[2] = {(char)0x89, load[r][1]};

        p = put_abs(p, store, 2, r * 4);
    }
    p = put_bytes(p, "\xbc", 1);
    p = put_bytes(p, &stack, 4);
    p = put_bytes(p, "\x9c", 1);
    p = ABS(p, "\x8f\x05", offsetof(struct host_state, eflags));
    tail = p + 7;
    v = (uint32_t)(uintptr_t)tail;
    p = put_bytes(p, "\xea", 1);
    p = put_bytes(p, &v, 4);
    p = put_bytes(p, "\x33\x00", 2);
    p = ABS(p, "\x48\x8b\x24\x25", offsetof(struct host_state, rsp));
    put_bytes(p, "\xfc\x41\x5f\x41\x5e\x41\x5d\x41\x5c\x5d\x5b\xc3", 12);
    host->far_off = (uint32_t)(uintptr_t)at32;
    host->far_sel = 0x23;
    ((void (*)(void))(uintptr_t)HOST_CODE_AT)();
}

static void host_open(void)
{
    stack_t ss = {.ss_sp = signal_stack, .ss_size = sizeof(signal_stack)};
    struct sigaction sa = {.sa_handler = on_signal, .sa_flags = SA_ONSTACK | SA_NODEFER};

    ck_assert(mmap((void *)(uintptr_t)STATE_AT, 0x20000, PROT_READ | PROT_WRITE | PROT_EXEC,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) != MAP_FAILED);
    sigaltstack(&ss, NULL);
    sigaction(SIGFPE, &sa, NULL);
    sigaction(SIGSEGV, &sa, NULL);
    sigaction(SIGILL, &sa, NULL);
    sigaction(SIGBUS, &sa, NULL);
}

static uint64_t seed = 1;

static uint32_t rnd(void)
{
    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(seed >> 32);
}

/* Values that matter more often than chance. */
static uint32_t rnd_value(void)
{
    static const uint32_t edge[] = {0,      1,      2,      0x7f,       0x80,       0xff,
                                    0x7fff, 0x8000, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff,
                                    0x99,   9,      0x1f,   0x20,       0x21};

    return rnd() % 3 ? rnd() : edge[rnd() % ARRAY_SIZE(edge)];
}

static bool on_list(const char *name, const char *const *list)
{
    for (; *list; list++)
        if (strcmp(name, *list) == 0)
            return true;
    return false;
}

/* Forms that mean the same in a user process and depend on nothing else. */
static bool comparable(const struct insn *i, const struct cpu_model *m)
{
    static const char *const more[] = {"AAA",  "AAD",   "AAM",   "AAS",   "DAA",
                                       "DAS",  "SALC",  "XLAT",  "PUSHA", "PUSHAD",
                                       "POPA", "POPAD", "ENTER", "BOUND", NULL};
    static const char *const less[] = {"RDRAND", "RDSEED", "POPCNT16", NULL};
    const struct row *r = i->row;

    if (!r->valid || !model_has(m, r->feature) || on_list(r->name, less) ||
        (r->traits & (T_FPU | T_MMX | T_SSE | T_AVX | T_CPL0)))
        return false;
    switch (r->lower) {
    case LOWER_COPY:
    case LOWER_PUSH:
    case LOWER_POP:
    case LOWER_LEAVE:
    case LOWER_STRING:
    case LOWER_LEA:
    case LOWER_XCHG:
    case LOWER_DF:
    case LOWER_NOP:
        return true;
    default:
        return on_list(r->name, more);
    }
}

static void random_registers(struct irig *q, const struct insn *i)
{
    struct cpu *c = q->c;
    uint32_t flags = rnd() & (EF_ARITH | (i->row->lower == LOWER_STRING ? EF_DF : 0));

    for (unsigned r = 0; r < 8; r++)
        c->gpr[r] = rnd_value();
    if (i->map == 1 && (i->opcode & 0xe7) == 0xa3) /* bit strings reach far */
        for (unsigned r = 0; r < 8; r++)
            c->gpr[r] = (uint32_t)((int32_t)(rnd() & 0xfff) - 0x800);
    if (i->prefixes & (PFX_REP | PFX_REPNE))
        c->gpr[RCX] = rnd() & 63;
    c->gpr[RBX] = DATA_AT + 0x700 + (rnd() & 0x1ff);
    c->gpr[RSP] = DATA_AT + 0xc00 + (rnd() & 0xfc);
    c->gpr[RBP] = DATA_AT + 0xe00 + (rnd() & 0xfc);
    c->gpr[RSI] = DATA_AT + 0x400 + (rnd() & 0x3ff);
    c->gpr[RDI] = DATA_AT + 0x600 + (rnd() & 0x3ff);
    cpu_set_rflags(c, EF_R1 | flags);
}

static void random_memory(struct irig *q)
{
    uint32_t *guest = (uint32_t *)(void *)physmem_ptr(&q->r.pm, DATA_AT);

    for (unsigned n = 0; n < DATA_LEN / 4; n++)
        guest[n] = rnd_value();
    memcpy((void *)(uintptr_t)DATA_AT, guest, DATA_LEN);
}

static uint32_t undefined_flags(const uint8_t *b, unsigned len)
{
    ZydisDecoder d;
    ZydisDecoderContext ctx;
    ZydisDecodedInstruction z;

    ZydisDecoderInit(&d, ZYDIS_MACHINE_MODE_LEGACY_32, ZYDIS_STACK_WIDTH_32);
    if (ZYAN_FAILED(ZydisDecoderDecodeInstruction(&d, &ctx, b, len, &z)))
        return 0; /* hint NOPs that Zydis takes for MPX by default */
    return z.cpu_flags ? (uint32_t)z.cpu_flags->undefined : 0;
}

static const char *text_of(const struct insn *i)
{
    static char buf[128];
    int n = snprintf(buf, sizeof(buf), "%s:", i->row->name);

    for (unsigned k = 0; k < i->len; k++)
        n += snprintf(buf + n, sizeof(buf) - (size_t)n, " %02x", i->bytes[k]);
    return buf;
}

/* True when the instruction ran to completion in both. */
static bool compare(struct irig *q, const struct insn *i)
{
    struct cpu *c = q->c;
    uint32_t mask = EF_ARITH & ~undefined_flags(i->bytes, i->len), before[8];
    volatile bool faulted = false;
    bool done;

    random_memory(q);
    random_registers(q, i);
    for (unsigned r = 0; r < 8; r++)
        before[r] = host->gpr[r] = (uint32_t)c->gpr[r];
    host->eflags = cpu_rflags(c);
    if (sigsetjmp(host_fault, 1) == 0)
        host_run(i->bytes, i->len);
    else
        faulted = true;
    __asm__ volatile("cld");
    c->next_rip = c->rip + i->len;
    done = i->exec(c, i);
    while (done && c->in_rep)
        done = i->exec(c, i);
    ck_assert_msg(done != faulted, "%s (len %u) host %s, guest %s v=%u", text_of(i), i->len,
                  faulted ? "faults" : "runs", done ? "runs" : "faults", c->fault.vector);
    if (faulted)
        return false;
    for (unsigned r = 0; r < 8; r++)
        ck_assert_msg(c->gpr[r] == host->gpr[r],
                      "%s reg %u before %x: host %x guest %x (eax %x ecx %x edx %x)", text_of(i), r,
                      before[r], host->gpr[r], (uint32_t)c->gpr[r], before[0], before[1],
                      before[2]);
    ck_assert_msg(((c->rflags ^ host->eflags) & mask) == 0, "%s flags (mask %x): host %x guest %x",
                  text_of(i), mask, host->eflags, c->rflags);
    ck_assert_msg(memcmp((void *)(uintptr_t)DATA_AT, physmem_ptr(&q->r.pm, DATA_AT), DATA_LEN) == 0,
                  "%s memory", text_of(i));
    return true;
}

/* Prefixes, opcode, ModRM and random immediates; moffs and ENTER need sane ones. */
static bool make(struct insn *i, const char *prefix, unsigned map, unsigned op, unsigned modrm)
{
    uint8_t b[32], *p = b;
    uint32_t moffs = DATA_AT + 0x300 + (rnd() & 0xff);

    for (; *prefix; prefix++)
        *p++ = (uint8_t)*prefix;
    if (map)
        *p++ = 0x0f;
    if (map >= 2)
        *p++ = map == 2 ? 0x38 : 0x3a;
    *p++ = (uint8_t)op;
    if (map == 0 && op >= 0xa0 && op <= 0xa3)
        p = put_bytes(p, &moffs, 4);
    else if (map == 0 && op == 0xc8)
        p = put_bytes(p, (const uint8_t[]){rnd() & 0x3c, 0, (uint8_t)rnd()}, 3);
    else
        *p++ = (uint8_t)modrm;
    for (unsigned n = 0; n < 8; n++)
        *p++ = rnd() % 4 ? (uint8_t)rnd() : (uint8_t)(rnd() & 0x9f);
    return decode_insn(b, 15, 32, i) == DECODE_OK;
}

static unsigned compare_opcode(struct irig *q, const char *prefix, unsigned map, unsigned op)
{
    unsigned done = 0;

    for (unsigned modrm = 0; modrm < 256; modrm++) {
        struct insn i;

        bool far_bits =
            map == 1 && (op & 0xe7) == 0xa3 && (modrm >> 3 & 7) > 2; /* index is a pointer here */

        if (modrm < 0xc0 && ((modrm & 0xc7) != 3 || far_bits)) /* memory: [ebx] is enough */
            continue;
        for (unsigned n = 0; n < ROUNDS; n++)
            if (make(&i, prefix, map, op, modrm) && i.map == map && i.opcode == op &&
                i.enc == ENC_LEGACY && comparable(&i, &q->model) && i.disp < 0x800 &&
                i.disp > -0x800)
                done += compare(q, &i);
    }
    return done;
}

static void compare_map(const char *prefix, unsigned map)
{
    struct irig q;
    unsigned done = 0;

    host_open();
    irig_open(&q);
    for (unsigned op = 0; op < 256; op++)
        done += compare_opcode(&q, prefix, map, op);
    ck_assert_uint_gt(done, 20);
    irig_close(&q);
}

START_TEST(test_one_byte)
{
    compare_map("", 0);
}
END_TEST

START_TEST(test_one_byte_16)
{
    compare_map("\x66", 0);
}
END_TEST

START_TEST(test_one_byte_lock)
{
    compare_map("\xf0", 0);
}
END_TEST

START_TEST(test_rep)
{
    compare_map("\xf3", 0);
    seed += 99;
}
END_TEST

START_TEST(test_repne)
{
    compare_map("\xf2", 0);
}
END_TEST

START_TEST(test_rep_16)
{
    compare_map("\x66\xf3", 0);
}
END_TEST

START_TEST(test_two_byte)
{
    compare_map("", 1);
}
END_TEST

START_TEST(test_two_byte_16)
{
    compare_map("\x66", 1);
}
END_TEST

START_TEST(test_two_byte_f3)
{
    compare_map("\xf3", 1);
}
END_TEST

START_TEST(test_two_byte_f3_16)
{
    compare_map("\x66\xf3", 1);
}
END_TEST

START_TEST(test_0f38)
{
    compare_map("", 2);
}
END_TEST

START_TEST(test_0f38_f2)
{
    compare_map("\xf2", 2);
}
END_TEST

START_TEST(test_0f38_66)
{
    compare_map("\x66", 2);
}
END_TEST

START_TEST(test_0f38_f3)
{
    compare_map("\xf3", 2);
}
END_TEST

START_TEST(test_0f38_f2_16)
{
    compare_map("\x66\xf2", 2);
}
END_TEST

/* VEX: BMI1, BMI2. */
START_TEST(test_vex)
{
    struct irig q;
    unsigned done = 0;

    host_open();
    irig_open(&q);
    for (unsigned n = 0; n < 300000; n++) {
        uint8_t b[15] = {0xc4,
                         (uint8_t)(0xe0 | (rnd() % 2 ? 2 : 3)),
                         (uint8_t)(rnd() & 0x3b),
                         (uint8_t)(0xf0 | (rnd() & 7)),
                         (uint8_t)rnd(),
                         (uint8_t)rnd()};
        struct insn i;

        b[2] |= 0x40; /* vvvv bit 3 is ignored, but keep it canonical */
        if (b[4] < 0xc0)
            b[4] = (b[4] & 0x38) | 3;
        if (decode_insn(b, 15, 32, &i) == DECODE_OK && comparable(&i, &q.model))
            done += compare(&q, &i);
    }
    ck_assert_uint_gt(done, 1000);
    irig_close(&q);
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("host");

    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, test_one_byte);
    tcase_add_test(tc, test_one_byte_16);
    tcase_add_test(tc, test_one_byte_lock);
    tcase_add_test(tc, test_rep);
    tcase_add_test(tc, test_repne);
    tcase_add_test(tc, test_rep_16);
    tcase_add_test(tc, test_two_byte);
    tcase_add_test(tc, test_two_byte_16);
    tcase_add_test(tc, test_two_byte_f3);
    tcase_add_test(tc, test_two_byte_f3_16);
    tcase_add_test(tc, test_0f38);
    tcase_add_test(tc, test_0f38_f2);
    tcase_add_test(tc, test_0f38_66);
    tcase_add_test(tc, test_0f38_f3);
    tcase_add_test(tc, test_0f38_f2_16);
    tcase_add_test(tc, test_vex);
    return rig_main("interp_host", tc);
}
