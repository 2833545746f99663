/* The jail checker (invariant 1): an independent walk over the host code of a fresh block, before it is ever entered or
 * linked. It shares nothing with the emitter but the offsets of struct bt_hot, and knows four kinds of memory operand:
 *
 *   gs:[32-bit address]        the guest's window; 67h makes it wrap inside
 *   [R14|R15 + constant]       the monitor's words that generated code may use
 *   [R11 + ..]                 look-up tables, R11 just loaded from R15, read only
 *   [window + 32-bit register] window base from R15, index last written as 32 bits (strings: RSI/RDI so made)
 *
 * R13, R14, R15 and RSP are never written; branches go to an instruction of the block, a fixed stub, or through
 * the jump cache; nothing enters the host kernel.
 */
#include <Zydis/Zydis.h>
#include <inttypes.h>
#include <stdlib.h>

#include "translator/bt_offsets.h"
#include "translator/xlate.h"

/* What a register is known to hold at a point of the block's straight-line code. */
enum known { K_ANY, K_32BIT, K_WINDOW, K_TABLE, K_POLL, K_STRING, K_CTX };

struct check {
    const struct engine *e;
    const struct bt_block *b;
    ZydisDecodedInstruction in;
    ZydisDecodedOperand op[ZYDIS_MAX_OPERAND_COUNT];
    uint8_t known[16];
    uint64_t pc;
    const char *why;
};

static bool breach(struct check *k, const char *why)
{
    k->why = why;
    return false;
}

static int gpr64(ZydisRegister r)
{
    return r == ZYDIS_REGISTER_NONE
               ? -1
               : (int)ZydisRegisterGetId(ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, r));
}

static bool is_plain_category(ZydisInstructionCategory c)
{
    switch (c) {
    case ZYDIS_CATEGORY_SYSCALL:
    case ZYDIS_CATEGORY_SYSTEM:
    case ZYDIS_CATEGORY_SYSRET:
    case ZYDIS_CATEGORY_IO:
    case ZYDIS_CATEGORY_IOSTRINGOP:
    case ZYDIS_CATEGORY_INTERRUPT:
    case ZYDIS_CATEGORY_RDWRFSGS:
    case ZYDIS_CATEGORY_SEGOP:
    case ZYDIS_CATEGORY_VTX:
    case ZYDIS_CATEGORY_PKU:
    case ZYDIS_CATEGORY_UINTR:
    case ZYDIS_CATEGORY_AMX_TILE:
    case ZYDIS_CATEGORY_SGX:
        return false;
    default:
        return true;
    }
}

static bool hot_readable(int64_t disp)
{
    return disp >= 0 && disp < (int64_t)sizeof(struct bt_hot);
}

static bool monitor_word(struct check *k, const ZydisDecodedOperand *o, int base)
{
    bool write = o->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE;
    int64_t d = o->mem.disp.value;

    if (o->mem.index != ZYDIS_REGISTER_NONE) /* base[view]: RBX.. hold the index 0..2 from the view table */
        return base == H_R15 && !write && d == HOT_BASE && o->mem.scale == 8 &&
                       k->known[gpr64(o->mem.index)] == K_TABLE
                   ? true
                   : breach(k, "indexed access to monitor memory");
    if (base == H_R14)
        return d == CPU_IFLAG && o->size == 8 ? true : breach(k, "CPU state");
    if (write)
        return d == HOT_DF && o->size == 8 ? true : breach(k, "write to the hot structure");
    return hot_readable(d) ? true : breach(k, "beyond the hot structure");
}

static bool string_operand(const struct check *k, int base)
{
    return k->in.meta.category == ZYDIS_CATEGORY_STRINGOP && (base == H_RSI || base == H_RDI) &&
           k->known[base] == K_STRING;
}

static bool memory_ok(struct check *k, const ZydisDecodedOperand *o)
{
    int base = gpr64(o->mem.base), index = gpr64(o->mem.index);
    bool write = o->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE;

    if (o->mem.type == ZYDIS_MEMOP_TYPE_AGEN)
        return true;
    if (string_operand(k, base))
        return true;
    if (k->in.address_width == 32)
        return o->mem.segment == ZYDIS_REGISTER_GS ? true : breach(k, "32-bit address outside GS");
    if (o->mem.segment == ZYDIS_REGISTER_GS || o->mem.segment == ZYDIS_REGISTER_FS)
        return breach(k, "64-bit address with a segment");
    if (base == H_R14 || base == H_R15)
        return monitor_word(k, o, base);
    if (base == H_R11 && !write && (k->known[H_R11] == K_CTX || k->known[H_R11] == K_TABLE))
        return true;
    if (base == H_R8 && index < 0 && !write && k->known[H_R8] == K_POLL && o->mem.disp.value == 0)
        return true;
    if (base == H_R9 && index == H_R8 && k->known[H_R9] == K_WINDOW && k->known[H_R8] == K_32BIT &&
        o->mem.disp.value == 0 && o->mem.scale <= 1)
        return true;
    return breach(k, "memory operand of no allowed form");
}

static bool branch_ok(struct check *k, const ZydisDecodedOperand *o)
{
    uint64_t target, stubs = (uint64_t)(uintptr_t)k->e->code.rx, code = (uint64_t)(uintptr_t)k->b->code;

    if (o->type == ZYDIS_OPERAND_TYPE_MEMORY)
        return gpr64(o->mem.base) == H_R11 && gpr64(o->mem.index) == H_R9 && o->mem.disp.value == CTX_HOSTS &&
                       k->known[H_R11] == K_CTX
                   ? true
                   : breach(k, "indirect branch not through the jump cache");
    if (o->type != ZYDIS_OPERAND_TYPE_IMMEDIATE)
        return breach(k, "branch through a register");
    ZydisCalcAbsoluteAddress(&k->in, o, k->pc, &target);
    if (target - stubs < NSTUBS * STUB_BYTES)
        return (target - stubs) % STUB_BYTES == 0 ? true : breach(k, "branch into a stub");
    if (target - code >= k->b->code_len)
        return breach(k, "branch out of the block");
    return true;
}

/* What the destination register holds after this instruction. */
static void learn(struct check *k)
{
    const ZydisDecodedOperand *d = &k->op[0], *s = &k->op[1];
    int r;

    for (unsigned i = 0; i < k->in.operand_count; i++)
        if (k->op[i].type == ZYDIS_OPERAND_TYPE_REGISTER && (k->op[i].actions & ZYDIS_OPERAND_ACTION_MASK_WRITE) &&
            ZydisRegisterGetClass(k->op[i].reg.value) >= ZYDIS_REGCLASS_GPR8 &&
            ZydisRegisterGetClass(k->op[i].reg.value) <= ZYDIS_REGCLASS_GPR64)
            k->known[gpr64(k->op[i].reg.value)] =
                ZydisRegisterGetClass(k->op[i].reg.value) == ZYDIS_REGCLASS_GPR32 ? K_32BIT : K_ANY;
    if (d->type != ZYDIS_OPERAND_TYPE_REGISTER || s->type != ZYDIS_OPERAND_TYPE_MEMORY || k->in.operand_count < 2)
        return;
    r = gpr64(d->reg.value);
    if (k->in.mnemonic == ZYDIS_MNEMONIC_MOV && gpr64(s->mem.base) == H_R15 && d->size == 64) {
        int64_t off = s->mem.disp.value;

        if (off == HOT_CTX)
            k->known[r] = K_CTX;
        else if (off == HOT_VIEWTAB)
            k->known[r] = K_TABLE;
        else if (off == HOT_POLL || off == HOT_IRQ)
            k->known[r] = K_POLL;
        else if (off >= HOT_BASE && off < HOT_SEGBASE)
            k->known[r] = K_WINDOW;
    } else if (k->in.mnemonic == ZYDIS_MNEMONIC_MOVZX && gpr64(s->mem.base) == H_R11 && k->known[H_R11] == K_TABLE) {
        k->known[r] = K_TABLE;
    } else if (k->in.mnemonic == ZYDIS_MNEMONIC_LEA && (r == H_RSI || r == H_RDI) && d->size == 64 &&
               gpr64(s->mem.base) == r && gpr64(s->mem.index) == H_R9 && k->known[H_R9] == K_WINDOW) {
        k->known[r] = K_STRING;
    }
}

static bool registers_ok(struct check *k)
{
    for (unsigned i = 0; i < k->in.operand_count; i++) {
        const ZydisDecodedOperand *o = &k->op[i];
        int r;

        if (o->type != ZYDIS_OPERAND_TYPE_REGISTER || !(o->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE))
            continue;
        if (ZydisRegisterGetClass(o->reg.value) == ZYDIS_REGCLASS_SEGMENT)
            return breach(k, "segment register written");
        if (ZydisRegisterGetClass(o->reg.value) < ZYDIS_REGCLASS_GPR8 ||
            ZydisRegisterGetClass(o->reg.value) > ZYDIS_REGCLASS_GPR64)
            continue;
        r = gpr64(o->reg.value);
        if ((r == H_RSP && k->in.mnemonic != ZYDIS_MNEMONIC_CALL) || r >= H_R13)
            return breach(k, "monitor register written");
    }
    return true;
}

static bool instruction_ok(struct check *k)
{
    bool branch = k->in.meta.category == ZYDIS_CATEGORY_UNCOND_BR || k->in.meta.category == ZYDIS_CATEGORY_COND_BR ||
                  k->in.meta.category == ZYDIS_CATEGORY_CALL;

    if (!is_plain_category(k->in.meta.category) || k->in.meta.branch_type == ZYDIS_BRANCH_TYPE_FAR ||
        k->in.meta.category == ZYDIS_CATEGORY_RET)
        return breach(k, "instruction of a forbidden kind");
    if (!registers_ok(k))
        return false;
    if (branch)
        return branch_ok(k, &k->op[0]);
    for (unsigned i = 0; i < k->in.operand_count; i++)
        if (k->op[i].type == ZYDIS_OPERAND_TYPE_MEMORY && !memory_ok(k, &k->op[i]))
            return false;
    learn(k);
    return true;
}

static bool walk(struct check *k)
{
    const uint8_t *code = k->b->code;
    ZydisDecoder dec;

    ZydisDecoderInit(&dec, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    for (uint32_t off = 0; off < k->b->code_len; off += k->in.length) {
        k->pc = (uint64_t)(uintptr_t)code + off;
        if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(&dec, code + off, k->b->code_len - off, &k->in, k->op)))
            return breach(k, "undecodable bytes");
        if (!instruction_ok(k))
            return false;
    }
    return true;
}

bool bt_block_in_jail(const struct engine *e, const struct bt_block *b, const char **why, uint64_t *where)
{
    struct check k = {.e = e, .b = b};
    bool ok = walk(&k);

    *why = k.why;
    *where = k.pc;
    return ok;
}

void bt_check_block(struct engine *e, const struct bt_block *b)
{
    uint64_t where;
    const char *why;

    if (bt_block_in_jail(e, b, &why, &where))
        return;
    e->log->mask |= LOG_IN_ASM | LOG_OUT_ASM;
    bt_list_block(e, b);
    fprintf(stderr, "dragoman: jail checker: %s at %" PRIx64 " in the block for guest %08x\n", why, where, b->eip);
    abort();
}
