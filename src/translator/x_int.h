/* x_int.h - what the integer meanings (x_*.c) share: operands, flags, stack, branch targets.
 *
 * Contract of a meaning: check everything that can fault, then commit; `false` means a fault is
 * recorded and no register has changed. Registers are written last because memory is what faults.
 *
 * Arithmetic is done by the host's own instruction on flags in LAHF/SETO form (`struct cpu` keeps
 * EFLAGS bits 0-7 where LAHF puts them), so undefined flags come out as they do on the host CPU.
 */
#ifndef DRAGOMAN_TRANSLATOR_X_INT_H
#define DRAGOMAN_TRANSLATOR_X_INT_H

#include "cpu/control.h"
#include "cpu/exception.h"
#include "cpu/segment.h"
#include "shadowmmu/access.h"
#include "translator/decode.h"

#define ALWAYS_INLINE inline __attribute__((always_inline))
#define unlikely(x)   __builtin_expect(!!(x), 0)

/* c->intr_shadow: what opened it. MOV SS and POP SS also hold back debug traps (SDM 3A 6.8.3). */
enum { SHADOW_STI = 1, SHADOW_SS = 2 };

/* ---- meanings, by file ---- */
#define MEANING(name) bool name(struct cpu *c, const struct insn *i)
/* x_arith.c */
MEANING(x_add);
MEANING(x_or);
MEANING(x_adc);
MEANING(x_sbb);
MEANING(x_and);
MEANING(x_sub);
MEANING(x_xor);
MEANING(x_cmp);
MEANING(x_test);
MEANING(x_inc);
MEANING(x_dec);
MEANING(x_neg);
MEANING(x_not);
MEANING(x_xadd);
MEANING(x_cmpxchg);
MEANING(x_cmpxchg8b);
MEANING(x_adcx);
MEANING(x_adox);
/* x_mul.c */
MEANING(x_mul);
MEANING(x_imul);
MEANING(x_mulx);
MEANING(x_div);
MEANING(x_idiv);
/* x_shift.c */
MEANING(x_rol);
MEANING(x_ror);
MEANING(x_rcl);
MEANING(x_rcr);
MEANING(x_shl);
MEANING(x_shr);
MEANING(x_sar);
MEANING(x_shld);
MEANING(x_shrd);
MEANING(x_rorx);
MEANING(x_sarx);
MEANING(x_shlx);
MEANING(x_shrx);
/* x_bits.c */
MEANING(x_bt);
MEANING(x_bts);
MEANING(x_btr);
MEANING(x_btc);
MEANING(x_bsf);
MEANING(x_bsr);
MEANING(x_tzcnt);
MEANING(x_lzcnt);
MEANING(x_popcnt);
MEANING(x_bswap);
MEANING(x_movbe);
MEANING(x_crc32);
MEANING(x_andn);
MEANING(x_bextr);
MEANING(x_blsi);
MEANING(x_blsmsk);
MEANING(x_blsr);
MEANING(x_bzhi);
MEANING(x_pdep);
MEANING(x_pext);
/* x_bcd.c */
MEANING(x_aaa);
MEANING(x_aad);
MEANING(x_aam);
MEANING(x_aas);
MEANING(x_daa);
MEANING(x_das);
MEANING(x_salc);
/* x_data.c */
MEANING(x_mov);
MEANING(x_movzx);
MEANING(x_movsx);
MEANING(x_lea);
MEANING(x_xchg);
MEANING(x_cmov);
MEANING(x_setcc);
MEANING(x_cbw);
MEANING(x_cwd);
MEANING(x_xlat);
MEANING(x_lahf);
MEANING(x_sahf);
MEANING(x_clc);
MEANING(x_stc);
MEANING(x_cmc);
MEANING(x_cld);
MEANING(x_std);
MEANING(x_nop);
MEANING(x_clflush);
MEANING(x_mov_from_seg);
MEANING(x_mov_to_seg);
MEANING(x_load_far);
MEANING(x_bound);
MEANING(x_rdrand);
MEANING(x_rdseed);
/* x_stack.c */
MEANING(x_push);
MEANING(x_pop);
MEANING(x_push_seg);
MEANING(x_pop_seg);
MEANING(x_pusha);
MEANING(x_popa);
MEANING(x_enter);
MEANING(x_leave);
MEANING(x_pushf);
MEANING(x_popf);
/* x_branch.c */
MEANING(x_jmp);
MEANING(x_jcc);
MEANING(x_jcxz);
MEANING(x_loop);
MEANING(x_loope);
MEANING(x_loopne);
MEANING(x_call);
MEANING(x_ret);
MEANING(x_jmp_far);
MEANING(x_call_far);
MEANING(x_ret_far);
MEANING(x_int);
MEANING(x_int1);
MEANING(x_int3);
MEANING(x_into);
MEANING(x_iret);
MEANING(x_ud);
/* x_string.c, x_stringio.c */
MEANING(x_movs);
MEANING(x_stos);
MEANING(x_lods);
MEANING(x_cmps);
MEANING(x_scas);
MEANING(x_ins);
MEANING(x_outs);
MEANING(x_in);
MEANING(x_out);
/* x_system.c */
MEANING(x_cli);
MEANING(x_sti);
MEANING(x_hlt);
MEANING(x_clts);
MEANING(x_lmsw);
MEANING(x_smsw);
MEANING(x_sgdt);
MEANING(x_sidt);
MEANING(x_lgdt);
MEANING(x_lidt);
MEANING(x_sldt);
MEANING(x_str);
MEANING(x_lldt);
MEANING(x_ltr);
MEANING(x_lar);
MEANING(x_lsl);
MEANING(x_verr);
MEANING(x_verw);
MEANING(x_arpl);
MEANING(x_mov_from_cr);
MEANING(x_mov_to_cr);
MEANING(x_mov_from_dr);
MEANING(x_mov_to_dr);
MEANING(x_invlpg);
MEANING(x_invpcid);
MEANING(x_rdtsc);
MEANING(x_rdtscp);
MEANING(x_rdpid);
MEANING(x_rdpmc);
MEANING(x_rdmsr);
MEANING(x_wrmsr);
MEANING(x_cpuid);
MEANING(x_stac);
MEANING(x_clac);
MEANING(x_sysenter);
MEANING(x_sysexit);
MEANING(x_syscall);
MEANING(x_sysret);
MEANING(x_swapgs);
MEANING(x_rdfsbase);
MEANING(x_rdgsbase);
MEANING(x_wrfsbase);
MEANING(x_wrgsbase);
#undef MEANING

/* ---- registers ---- */

static inline uint64_t gpr_read(const struct cpu *c, unsigned reg, unsigned size)
{
    switch (size) {
    case 1:
        return reg < 16 ? (uint8_t)c->gpr[reg] : (uint8_t)(c->gpr[reg - 16] >> 8);
    case 2:
        return (uint16_t)c->gpr[reg];
    case 4:
        return (uint32_t)c->gpr[reg];
    default:
        return c->gpr[reg];
    }
}

/* 32-bit writes clear the upper half, narrower ones merge. */
static inline void gpr_write(struct cpu *c, unsigned reg, unsigned size, uint64_t v)
{
    switch (size) {
    case 1:
        if (reg < 16)
            c->gpr[reg] = (c->gpr[reg] & ~UINT64_C(0xff)) | (uint8_t)v;
        else
            c->gpr[reg - 16] = (c->gpr[reg - 16] & ~UINT64_C(0xff00)) | (v & 0xff) << 8;
        break;
    case 2:
        c->gpr[reg] = (c->gpr[reg] & ~UINT64_C(0xffff)) | (uint16_t)v;
        break;
    case 4:
        c->gpr[reg] = (uint32_t)v;
        break;
    default:
        c->gpr[reg] = v;
        break;
    }
}

/* ---- memory operands ---- */

/* Alignment check and data breakpoints of one access; only when c->mode asks for either. */
bool x_check_access(struct cpu *c, gva_t lin, unsigned len, bool write);

/* Logical to linear with every check but paging. */
static inline bool data_linear(struct cpu *c, unsigned seg, uint64_t off, unsigned len,
                               unsigned access, gva_t *lin)
{
    if (!cpu_linear(c, seg, off, len, access, lin))
        return false;
    if (unlikely(c->mode & (MODE_AC | MODE_DR7)))
        return x_check_access(c, *lin, len, access & SEG_WRITE);
    return true;
}

static inline uint64_t addr_trunc(const struct insn *i, uint64_t off)
{
    return i->adsize == 4 ? (uint32_t)off : i->adsize == 2 ? (uint16_t)off : off;
}

/* Offset of the memory operand, wrapped to the address size. */
static inline uint64_t op_ea(const struct cpu *c, const struct insn *i)
{
    uint64_t off = (uint64_t)i->disp;

    if (i->base < NGPR)
        off += c->gpr[i->base];
    else if (unlikely(i->base == BASE_RIP))
        off += c->rip + i->len;
    if (i->index < NGPR)
        off += c->gpr[i->index] * i->scale;
    return addr_trunc(i, off);
}

static inline bool memop_linear(struct cpu *c, const struct insn *i, unsigned size, unsigned access,
                                gva_t *lin)
{
    return data_linear(c, i->seg, op_ea(c, i), size, access, lin);
}

static inline bool memop_read(struct cpu *c, const struct insn *i, unsigned size, uint64_t *v)
{
    gva_t lin;

    return memop_linear(c, i, size, SEG_READ, &lin) && mem_read(c, lin, size, v);
}

/* Two data one behind the other, each aligned on its own (SDM 3A table 6-7): far pointers, bounds.
 */
static inline bool memop_read_pair(struct cpu *c, const struct insn *i, unsigned size,
                                   unsigned size2, uint64_t *v, uint64_t *v2)
{
    uint64_t off = op_ea(c, i);
    gva_t lin, lin2;

    return data_linear(c, i->seg, off, size, SEG_READ, &lin) &&
           data_linear(c, i->seg, off + size, size2, SEG_READ, &lin2) &&
           mem_read(c, lin, size, v) && mem_read(c, lin2, size2, v2);
}

static inline bool memop_write(struct cpu *c, const struct insn *i, unsigned size, uint64_t v)
{
    gva_t lin;

    return memop_linear(c, i, size, SEG_WRITE, &lin) && mem_write(c, lin, size, v);
}

/* Operand n as a value: register, memory or immediate. */
static inline bool op_read(struct cpu *c, const struct insn *i, unsigned n, uint64_t *v)
{
    const struct opnd *o = &i->op[n];

    if (o->kind == OPND_GPR) {
        *v = gpr_read(c, o->reg, o->size);
        return true;
    }
    if (o->kind == OPND_MEM)
        return memop_read(c, i, o->size, v);
    *v = i->imm;
    return true;
}

static inline bool op_write(struct cpu *c, const struct insn *i, unsigned n, uint64_t v)
{
    const struct opnd *o = &i->op[n];

    if (o->kind == OPND_GPR) {
        gpr_write(c, o->reg, o->size, v);
        return true;
    }
    return memop_write(c, i, o->size, v);
}

/* ---- read-modify-write of operand 0 ---- */

struct rmw {
    uint64_t val;
    gva_t lin;
    void *p; /* where the datum is, when the software TLB allows writing it */
};

static inline bool rmw_mem_begin(struct cpu *c, gva_t lin, unsigned size, struct rmw *r)
{
    const struct softtlb_entry *e = softtlb_slot(c, lin, c->cpl == 3);

    r->lin = lin;
    if (e->write_tag == (lin & ~(gva_t)PAGE_MASK) && (lin & PAGE_MASK) + size <= PAGE_SIZE) {
        r->p = (void *)(uintptr_t)(lin + e->addend);
        switch (size) {
        case 1:
            r->val = *(const uint8_t *)r->p;
            return true;
        case 2:
            r->val = ld16(r->p);
            return true;
        case 4:
            r->val = ld32(r->p);
            return true;
        default:
            r->val = ld64(r->p);
            return true;
        }
    }
    r->p = NULL;
    /* The fault of a read-modify-write says "write" (SDM 3A 4.7), and comes before the read. */
    return mem_probe_write(c, lin, size, c->cpl == 3) && mem_read(c, lin, size, &r->val);
}

static inline bool rmw_mem_end(struct cpu *c, unsigned size, const struct rmw *r, uint64_t v)
{
    if (!r->p)
        return mem_write(c, r->lin, size, v);
    switch (size) {
    case 1:
        *(uint8_t *)r->p = (uint8_t)v;
        return true;
    case 2:
        st16(r->p, (uint16_t)v);
        return true;
    case 4:
        st32(r->p, (uint32_t)v);
        return true;
    default:
        st64(r->p, v);
        return true;
    }
}

static inline bool rmw_begin(struct cpu *c, const struct insn *i, struct rmw *r)
{
    const struct opnd *o = &i->op[0];
    gva_t lin;

    if (o->kind == OPND_GPR) {
        r->val = gpr_read(c, o->reg, o->size);
        return true;
    }
    return memop_linear(c, i, o->size, SEG_READ | SEG_WRITE, &lin) &&
           rmw_mem_begin(c, lin, o->size, r);
}

static inline bool rmw_end(struct cpu *c, const struct insn *i, const struct rmw *r, uint64_t v)
{
    const struct opnd *o = &i->op[0];

    if (o->kind == OPND_GPR) {
        gpr_write(c, o->reg, o->size, v);
        return true;
    }
    return rmw_mem_end(c, o->size, r, v);
}

/* ---- flags ---- */

/* AX as LAHF and SETO AL leave it. */
static inline uint32_t flags_load(const struct cpu *c)
{
    return (c->rflags & 0xff) << 8 | (c->rflags >> 11 & 1);
}

static inline void flags_store(struct cpu *c, uint32_t ax)
{
    c->rflags = (c->rflags & ~(uint32_t)EF_ARITH) | (ax >> 8 & (EF_ARITH & 0xff)) | (ax & 1) << 11;
}

static inline void flags_set(struct cpu *c, uint32_t mask, uint32_t v)
{
    c->rflags = (c->rflags & ~mask) | (v & mask);
}

/* AX -> flags, before the instruction; 7Fh + 1 overflows, 7Fh + 0 does not. */
#define ASM_FLAGS_IN  "addb $0x7f, %%al\n\tsahf\n\t"
#define ASM_FLAGS_OUT "\n\tlahf\n\tseto %%al"

/* Condition code cc (opcode bits 0-3; SDM 1 appendix B). SF != OF goes to the unused bit 3 first.
 */
static inline bool flags_cond(const struct cpu *c, unsigned cc)
{
    static const uint8_t low[8] = {0, EF_CF, EF_ZF, EF_CF | EF_ZF, EF_SF, EF_PF, 8, EF_ZF | 8};
    uint32_t f = (c->rflags & 0xf7) | ((c->rflags >> 7 ^ c->rflags >> 11) & 1) << 3;
    bool yes = cc < 2 ? (c->rflags & EF_OF) != 0 : (f & low[cc >> 1]) != 0;

    return yes != (cc & 1);
}

/* ---- stack ---- */

static inline uint64_t stack_mask(const struct cpu *c)
{
    return c->mode & MODE_CS64 ? UINT64_MAX : c->mode & MODE_SS32 ? UINT32_MAX : UINT64_C(0xffff);
}

/* Moves the stack pointer without touching what is above its width. */
static inline void stack_set(struct cpu *c, uint64_t mask, uint64_t sp)
{
    c->gpr[RSP] = mask == 0xffff ? (c->gpr[RSP] & ~mask) | (sp & mask) : sp & mask;
}

static inline bool stack_read(struct cpu *c, uint64_t sp, unsigned size, uint64_t *v)
{
    gva_t lin;

    return data_linear(c, SEG_SS, sp, size, SEG_READ, &lin) && mem_read(c, lin, size, v);
}

static inline bool stack_write(struct cpu *c, uint64_t sp, unsigned size, uint64_t v)
{
    gva_t lin;

    return data_linear(c, SEG_SS, sp, size, SEG_WRITE, &lin) && mem_write(c, lin, size, v);
}

static inline bool stack_push(struct cpu *c, uint64_t v, unsigned size)
{
    uint64_t mask = stack_mask(c), sp = (c->gpr[RSP] - size) & mask;

    if (!stack_write(c, sp, size, v))
        return false;
    stack_set(c, mask, sp);
    return true;
}

/* Reads the top of stack; the caller moves RSP with stack_drop() when nothing can fault any more.
 */
static inline bool stack_top(struct cpu *c, unsigned size, uint64_t *v)
{
    return stack_read(c, c->gpr[RSP] & stack_mask(c), size, v);
}

static inline void stack_drop(struct cpu *c, uint64_t bytes)
{
    stack_set(c, stack_mask(c), c->gpr[RSP] + bytes);
}

/* ---- branches ---- */

/* Checks a near target and makes it next_rip: masked by operand size, inside CS or canonical. */
static inline bool branch_to(struct cpu *c, uint64_t target, unsigned opsize)
{
    if (opsize < 8)
        target = trunc_bytes(target, opsize);
    else if ((uint64_t)((int64_t)(target << 16) >> 16) != target)
        return cpu_raise(c, VEC_GP, 0);
    if (!(c->mode & (MODE_FLAT_CS | MODE_CS64)) && target > c->seg[SEG_CS].limit)
        return cpu_raise(c, VEC_GP, 0);
    c->next_rip = target;
    return true;
}

#endif
