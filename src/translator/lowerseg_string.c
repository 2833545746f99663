/* Strings of segmented code. */
#include "translator/lowerseg.h"

/* With 16-bit addresses, on 64-bit pointers, for ES:DI takes no override. The guest's ESI, EDI and
 * ECX are in R8, R9 and R10 meanwhile, where a fault finds them (SITE_SEG_STRING, btfault.c).
 */

struct string {
    bool src, dst, rep;
    uint8_t size, seg;
};

static bool string_of(const struct xlate *x, const struct insn *i, struct string *s)
{
    s->rep = i->prefixes & (PFX_REP | PFX_REPNE);
    s->size = i->opsize;
    s->seg = i->seg;
    return xlate_string_form(i, &s->src, &s->dst) && i->adsize == 2 && i->opsize <= 4 &&
           !(i->prefixes & PFX_LOCK) && x->adapt == ADAPT_NONE;
}

/* reg = (16 bits of `index` + CX * size) >> 16: 0 if no element reaches over FFFFh, and the index
 * does not wrap. RCX holds CX. */
static void span(struct xlate *x, unsigned reg, unsigned index, unsigned size)
{
    struct emit *em = &x->em;

    emit_movzx16(em, reg, index);
    emit_op_sib(em, false, 0x8d, reg, reg, H_RCX, (unsigned)__builtin_ctz(size), 0);
    emit_lea_scaled(em, false, reg, reg, SEG_LOG2, 0);
    emit_shrx(em, reg, reg, H_R13);
}

/* A repetition that goes down, or comes to the end of a segment, is a callout. Returns its jump. */
static uint8_t *check_repetition(struct xlate *x, const struct insn *i, const struct string *s)
{
    struct emit *em = &x->em;
    uint8_t *plain, *done;

    emit_movzx16(em, H_RCX, H_R10);
    if (s->src)
        span(x, H_RSI, H_R8, s->size);
    if (s->dst)
        span(x, H_RDI, H_R9, s->size);
    emit_ldzx8_b(em, H_RCX, H_R15, HOT_DF);
    if (s->src)
        emit_add_lea(em, false, H_RCX, H_RCX, H_RSI);
    if (s->dst)
        emit_add_lea(em, false, H_RCX, H_RCX, H_RDI);
    plain = emit_jecxz(em);
    emit_mov32(em, H_RSI, H_R8);
    emit_mov32(em, H_RDI, H_R9);
    emit_mov32(em, H_RCX, H_R10);
    if (!xlate_callout(x, i))
        return NULL;
    done = emit_jmp(em);
    emit_patch8(plain, em->p);
    return done;
}

/* reg = host address of the element at 16 bits of `index` in the segment. */
static void point(struct xlate *x, const struct string *s, unsigned reg, unsigned index,
                  unsigned seg)
{
    struct emit *em = &x->em;

    emit_movzx16(em, reg, index);
    if (s->rep || s->size == 1) {
        emit_ld64_b(em, H_R11, H_R15, seg_place(seg));
    } else {
        emit_lea_scaled(em, false, H_R11, reg, SEG_LOG2, (s->size - 1) << SEG_LOG2);
        emit_shrx(em, H_R11, H_R11, H_R13);
        emit_op_sib(em, true, 0x8b, H_R11, H_R15, H_R11, 3, seg_place(seg));
    }
    emit_add_lea(em, true, reg, reg, H_R11);
}

/* And back: 16 bits of it less the segment's base into `kept`, the register as it was. NOT leaves
 * the flags alone: ~(~a + b) = a - b. */
static void unpoint(struct xlate *x, unsigned reg, unsigned kept, unsigned seg)
{
    struct emit *em = &x->em;

    emit_mov32(em, reg, reg);
    emit_not32(em, reg);
    emit_ld32_b(em, H_R11, H_R15, seg_place(seg));
    emit_add_lea(em, false, reg, reg, H_R11);
    emit_not32(em, reg);
    emit_mov16(em, kept, reg);
    emit_mov32(em, reg, kept);
}

static void string_itself(struct xlate *x, const struct insn *i, const struct string *s)
{
    struct emit *em = &x->em;

    if (s->src)
        point(x, s, H_RSI, H_R8, s->seg);
    if (s->dst)
        point(x, s, H_RDI, H_R9, SEG_ES);
    if (s->rep)
        emit_movzx16(em, H_RCX, H_R10);
    xlate_mark(x, (enum bt_site_kind)(SITE_SEG_STRING + s->seg));
    if (s->rep)
        emit8(em, i->prefixes & PFX_REP ? 0xf3 : 0xf2);
    if (i->opsize == 2)
        emit8(em, 0x66);
    emit8(em, i->opcode);
    if (s->src)
        unpoint(x, H_RSI, H_R8, s->seg);
    if (s->dst)
        unpoint(x, H_RDI, H_R9, SEG_ES);
    if (s->rep) {
        emit_mov16(em, H_R10, H_RCX);
        emit_mov32(em, H_RCX, H_R10);
    }
}

bool seg_string(struct xlate *x, const struct insn *i)
{
    struct emit *em = &x->em;
    uint8_t *done = NULL;
    struct string s;

    if (i->adsize == 4)
        return lower_string(x, i);
    if (!string_of(x, i, &s))
        return false;
    emit_mov32(em, H_R8, H_RSI);
    emit_mov32(em, H_R9, H_RDI);
    emit_mov32(em, H_R10, H_RCX);
    if (s.rep) {
        done = check_repetition(x, i, &s);
        if (!done)
            return false;
    }
    string_itself(x, i, &s);
    if (done)
        emit_patch32(done, em->p);
    return true;
}
