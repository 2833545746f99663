/* Unprivileged integer instructions of 64-bit code against the host CPU, run there natively from
 * the same addresses with the same bytes, registers and memory. */
#include <signal.h>

#include <Zydis/Zydis.h>

#include "long_rig.h"

enum {
    STATE_AT = 0x1000000,
    HOST_CODE_AT = 0x1001000,
    DATA_AT = 0x1010000,
    DATA_LEN = 0x2000,
    NREGS = 16,
    ROUNDS = 3,
};

/* At STATE_AT, written and read by the stub. */
struct host_state {
    uint64_t gpr[NREGS];
    uint64_t rflags, rsp;
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

/* MOV between register r and [state + field]; opcode 8Bh loads, 89h stores. */
static uint8_t *put_mov(uint8_t *p, uint8_t opcode, unsigned r, size_t field)
{
    uint32_t at = STATE_AT + (uint32_t)field;
    const uint8_t b[] = {(uint8_t)(0x48 | (r >> 3) << 2), opcode, (uint8_t)((r & 7) << 3 | 4),
                         0x25};

    return put_bytes(put_bytes(p, b, sizeof(b)), &at, 4);
}

/* PUSH (FFh /6) or POP (8Fh /0) of [state + rflags]. */
static uint8_t *put_flags(uint8_t *p, const char op[3])
{
    uint32_t at = STATE_AT + (uint32_t)offsetof(struct host_state, rflags);

    return put_bytes(put_bytes(p, op, 3), &at, 4);
}

/* Kept out of the caller, whose locals must survive siglongjmp(). */
__attribute__((noinline)) static void host_run(const uint8_t *insn, unsigned len)
{
    uint8_t *p = (uint8_t *)(uintptr_t)HOST_CODE_AT;
    uint64_t stack = STATE_AT + 0x800;

    p = put_bytes(p, "\x53\x55\x41\x54\x41\x55\x41\x56\x41\x57", 10);
    p = put_mov(p, 0x89, RSP, offsetof(struct host_state, rsp));
    p = put_bytes(p, "\x48\xbc", 2); /* mov rsp, imm64 */
    p = put_bytes(p, &stack, 8);
    p = put_flags(p, "\xff\x34\x25");
    p = put_bytes(p, "\x9d", 1);
    for (unsigned r = 0; r < NREGS; r++)
        p = put_mov(p, 0x8b, r, r * 8);
    p = put_bytes(p, insn, len);
    for (unsigned r = 0; r < NREGS; r++)
        p = put_mov(p, 0x89, r, r * 8);
    p = put_bytes(p, "\x48\xbc", 2);
    p = put_bytes(p, &stack, 8);
    p = put_bytes(p, "\x9c", 1);
    p = put_flags(p, "\x8f\x04\x25");
    p = put_mov(p, 0x8b, RSP, offsetof(struct host_state, rsp));
    put_bytes(p, "\xfc\x41\x5f\x41\x5e\x41\x5d\x41\x5c\x5d\x5b\xc3", 12);
    ((void (*)(void))(uintptr_t)HOST_CODE_AT)();
}

static void host_open(void)
{
    stack_t ss = {.ss_sp = signal_stack, .ss_size = sizeof(signal_stack)};
    struct sigaction sa = {.sa_handler = on_signal, .sa_flags = SA_ONSTACK | SA_NODEFER};
    static const int signals[] = {SIGFPE, SIGSEGV, SIGILL, SIGBUS};

    ck_assert(mmap((void *)(uintptr_t)STATE_AT, 0x20000, PROT_READ | PROT_WRITE | PROT_EXEC,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) != MAP_FAILED);
    sigaltstack(&ss, NULL);
    for (unsigned n = 0; n < ARRAY_SIZE(signals); n++)
        sigaction(signals[n], &sa, NULL);
}

static uint64_t seed = 1;

static uint32_t rnd(void)
{
    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(seed >> 32);
}

/* Values that matter more often than chance. */
static uint64_t rnd_value(void)
{
    static const uint64_t edge[] = {0,
                                    1,
                                    2,
                                    0x7f,
                                    0x80,
                                    0xff,
                                    0x7fff,
                                    0x8000,
                                    0xffff,
                                    0x7fffffff,
                                    0x80000000,
                                    0xffffffff,
                                    0x3f,
                                    0x40,
                                    0x1f,
                                    INT64_MAX,
                                    (uint64_t)INT64_MIN,
                                    UINT64_MAX};

    return rnd() % 3 ? (uint64_t)rnd() << 32 | rnd() : edge[rnd() % ARRAY_SIZE(edge)];
}

static bool comparable(const struct insn *i, const struct cpu_model *m)
{
    const struct row *r = i->row;

    if (!r->valid || !model_has(m, r->feature) || strncmp(r->name, "RD", 2) == 0 ||
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
        return strcmp(r->name, "XLAT") == 0 || strcmp(r->name, "ENTER") == 0;
    }
}

/* A memory operand that is accessed. */
static bool has_mem(const struct insn *i)
{
    for (unsigned n = 0; n < i->nops; n++)
        if (i->op[n].kind == OPND_MEM)
            return true;
    return false;
}

/* Registers that make the operand lie in the data; false: no such. */
static bool aim(struct cpu *c, const struct insn *i)
{
    bool bits = i->map == 1 && (i->opcode & 0xe7) == 0xa3;
    uint64_t target = DATA_AT + 0x800 + (rnd() & 0x1ff), scaled = 0;

    if (!has_mem(i)) /* LEA of an address near the code: that is elsewhere */
        return i->base != BASE_RIP;
    if (i->mnemonic == ZYDIS_MNEMONIC_CMPXCHG16B)
        target &= ~UINT64_C(15);
    if (bits && i->op[1].kind == OPND_GPR)
        c->gpr[i->op[1].reg] = (uint64_t)((int64_t)(rnd() & 0xfff) - 0x800);
    if (i->base >= NREGS || i->seg >= SEG_FS)
        return i->base == NO_REG && i->index == NO_REG && i->disp >= DATA_AT &&
               i->disp < DATA_AT + DATA_LEN - 16;
    if (i->index < NREGS) {
        c->gpr[i->index] = rnd() & 7;
        scaled = c->gpr[i->index] * i->scale;
    }
    c->gpr[i->base] = target - scaled - (uint64_t)i->disp;
    if (i->adsize == 4) /* the upper half does not count */
        c->gpr[i->base] = (c->gpr[i->base] & 0xffffffff) | (uint64_t)rnd() << 32;
    return i->base != i->index && !(bits && i->op[1].kind == OPND_GPR &&
                                    (i->op[1].reg == i->base || i->op[1].reg == i->index));
}

static bool random_registers(struct irig *q, const struct insn *i)
{
    struct cpu *c = q->c;
    uint32_t flags = rnd() & (EF_ARITH | (i->row->lower == LOWER_STRING ? EF_DF : 0));

    for (unsigned r = 0; r < NREGS; r++)
        c->gpr[r] = rnd_value();
    if (i->prefixes & (PFX_REP | PFX_REPNE))
        c->gpr[RCX] = rnd() & 63;
    if (i->row->lower == LOWER_STRING) {
        c->gpr[RSI] = DATA_AT + 0x600 + (rnd() & 0x3ff);
        c->gpr[RDI] = DATA_AT + 0xa00 + (rnd() & 0x3ff);
    }
    c->gpr[RSP] = DATA_AT + 0x1400 + (rnd() & 0xf8);
    c->gpr[RBP] = DATA_AT + 0x1600 + (rnd() & 0xf8);
    if (i->mnemonic == ZYDIS_MNEMONIC_XLAT)
        c->gpr[RBX] = DATA_AT + 0x700;
    cpu_set_rflags(c, EF_R1 | flags);
    return aim(c, i);
}

static void random_memory(struct irig *q)
{
    uint64_t *guest = (uint64_t *)(void *)physmem_ptr(&q->r.pm, DATA_AT);

    for (unsigned n = 0; n < DATA_LEN / 8; n++)
        guest[n] = rnd_value();
    memcpy((void *)(uintptr_t)DATA_AT, guest, DATA_LEN);
}

static uint32_t undefined_flags(const uint8_t *b, unsigned len)
{
    ZydisDecoder d;
    ZydisDecoderContext ctx;
    ZydisDecodedInstruction z;

    ZydisDecoderInit(&d, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    if (ZYAN_FAILED(ZydisDecoderDecodeInstruction(&d, &ctx, b, len, &z)))
        return 0;
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
    uint32_t mask = EF_ARITH & ~undefined_flags(i->bytes, i->len);
    uint64_t before[NREGS];
    volatile bool faulted = false;
    bool done;

    random_memory(q);
    if (!random_registers(q, i))
        return false;
    for (unsigned r = 0; r < NREGS; r++)
        before[r] = host->gpr[r] = c->gpr[r];
    host->rflags = cpu_rflags(c);
    if (sigsetjmp(host_fault, 1) == 0)
        host_run(i->bytes, i->len);
    else
        faulted = true;
    __asm__ volatile("cld");
    c->next_rip = c->rip + i->len;
    done = i->exec(c, i);
    while (done && c->in_rep)
        done = i->exec(c, i);
    ck_assert_msg(done != faulted, "%s (len %u) host %s, guest %s v=%u cr2=%lx", text_of(i), i->len,
                  faulted ? "faults" : "runs", done ? "runs" : "faults", c->fault.vector,
                  (unsigned long)c->fault.cr2);
    if (faulted)
        return false;
    for (unsigned r = 0; r < NREGS; r++)
        ck_assert_msg(c->gpr[r] == host->gpr[r], "%s reg %u before %lx: host %lx guest %lx",
                      text_of(i), r, (unsigned long)before[r], (unsigned long)host->gpr[r],
                      (unsigned long)c->gpr[r]);
    ck_assert_msg(((c->rflags ^ host->rflags) & mask) == 0, "%s flags (mask %x): host %lx guest %x",
                  text_of(i), mask, (unsigned long)host->rflags, c->rflags);
    ck_assert_msg(memcmp((void *)(uintptr_t)DATA_AT, physmem_ptr(&q->r.pm, DATA_AT), DATA_LEN) == 0,
                  "%s memory", text_of(i));
    return true;
}

/* Prefix bytes, some REX, opcode, ModRM and random immediates; moffs and ENTER need sane ones. */
static bool make(struct insn *i, const char *prefix, unsigned rex, unsigned map, unsigned op,
                 unsigned modrm)
{
    uint8_t b[40], *p = b;
    uint64_t moffs = DATA_AT + 0x300 + (rnd() & 0xff);

    for (; *prefix; prefix++)
        *p++ = (uint8_t)*prefix;
    if (rex)
        *p++ = (uint8_t)(0x40 | rex);
    if (map)
        *p++ = 0x0f;
    if (map >= 2)
        *p++ = map == 2 ? 0x38 : 0x3a;
    *p++ = (uint8_t)op;
    if (map == 0 && op >= 0xa0 && op <= 0xa3)
        p = put_bytes(p, &moffs, 8);
    else if (map == 0 && op == 0xc8)
        p = put_bytes(p, (const uint8_t[]){rnd() & 0x3c, 0, (uint8_t)(rnd() & 3)}, 3);
    else
        *p++ = (uint8_t)modrm;
    for (unsigned n = 0; n < 12; n++)
        *p++ = rnd() % 4 ? (uint8_t)rnd() : (uint8_t)(rnd() & 0x9f);
    return decode_insn(b, 15, 64, i) == DECODE_OK;
}

static unsigned compare_opcode(struct irig *q, const char *prefix, unsigned map, unsigned op)
{
    unsigned done = 0;

    for (unsigned n = 0; n < 96 * ROUNDS; n++) {
        unsigned rex = rnd() % 4 ? rnd() & 15 : 0;
        struct insn i;

        if (make(&i, prefix, rex, map, op, rnd() & 0xff) && i.map == map && i.opcode == op &&
            i.enc == ENC_LEGACY && comparable(&i, &q->model))
            done += compare(q, &i);
    }
    return done;
}

static const struct {
    const char *prefix;
    unsigned map;
} maps[] = {
    {"", 0}, {"\x66", 0}, {"\x67", 0}, {"\xf0", 0}, {"\xf3", 0},     {"\xf2", 0},
    {"", 1}, {"\x66", 1}, {"\x67", 1}, {"\xf0", 1}, {"\xf3", 1},     {"\x66\xf3", 1},
    {"", 2}, {"\x66", 2}, {"\xf2", 2}, {"\xf3", 2}, {"\x66\xf2", 2},
};

START_TEST(test_map)
{
    struct irig q;
    unsigned done = 0;

    host_open();
    long_open(&q);
    for (unsigned op = 0; op < 256; op++)
        done += compare_opcode(&q, maps[_i].prefix, maps[_i].map, op);
    ck_assert_uint_gt(done, 20);
    irig_close(&q);
}
END_TEST

/* VEX: BMI1, BMI2 with sixteen registers and both widths. */
START_TEST(test_vex)
{
    struct irig q;
    unsigned done = 0;

    host_open();
    long_open(&q);
    for (unsigned n = 0; n < 300000; n++) {
        uint8_t b[15] = {0xc4,
                         (uint8_t)((rnd() & 0xe0) | (rnd() % 2 ? 2 : 3)),
                         (uint8_t)(rnd() & 0xfb),
                         (uint8_t)(0xf0 | (rnd() & 7)),
                         (uint8_t)rnd(),
                         (uint8_t)rnd(),
                         (uint8_t)rnd()};
        struct insn i;

        if (decode_insn(b, 15, 64, &i) == DECODE_OK && comparable(&i, &q.model))
            done += compare(&q, &i);
    }
    ck_assert_uint_gt(done, 1000);
    irig_close(&q);
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("host64");

    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, test_map, 0, ARRAY_SIZE(maps));
    tcase_add_test(tc, test_vex);
    return rig_main("interp_host64", tc);
}
