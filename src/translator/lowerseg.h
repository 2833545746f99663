/* lowerseg.h - translating segmented code: real mode, V86, 16-bit code, and 32-bit code with a data
 * or stack segment that is not flat.
 *
 * An operand is [R9 + R8]: R8D is its offset, R9 where its segment's first byte is in the window,
 * or the null slot when it may not be accessed there. An access to the null slot faults and is
 * interpreted, which knows all limits, types and wraps; so is what wraps at 4 GiB, which ends in
 * the window's gap. A site that does so often becomes a callout. Nothing of a data segment is part
 * of the block: it is all in the hot structure. No flag is touched to find out.
 *
 * Real mode and V86 have three classes of segments:
 *
 *   limit        operand ends below 64 KiB     above
 *   FFFFh        seg_mem[0]: the window        seg_mem[1]: the null slot
 *   FFFFFFFFh    the window                    the window
 *   others       as FFFFh, if larger           the null slot
 *                the null slot, if smaller     the null slot
 *
 * "Above" is bit 16 and up of the operand's last byte: offset * 2 is shifted right by R13, 17. With
 * a 16-bit offset that is 0 or 1, an index into seg_mem; else it decides a JRCXZ.
 *
 * Protected mode has every limit and type: offset + size - 1 + seg_room is negative inside, all
 * ones when turned by 32; seg_typed knows the type. A flat segment with 32-bit offsets is not
 * checked.
 *
 * Code: a block assumes CS's limit. FFFFh needs no look, any other (MODE_ODD_CS) is compared
 * wherever the block is entered from afar. Branches beyond the limit, and the last instruction
 * before it, are interpreted.
 */
#ifndef DRAGOMAN_TRANSLATOR_LOWERSEG_H
#define DRAGOMAN_TRANSLATOR_LOWERSEG_H

#include "translator/bt_offsets.h"
#include "translator/xlate.h"

/* Offset of hot.seg_mem[seg]. */
static inline int32_t seg_place(unsigned seg)
{
    return HOT_SEGMEM + (int32_t)seg * 16;
}

/* What is shifted right by R13 has been shifted left by this much. */
enum { SEG_LOG2 = BT_SHIFT - 16 };

extern lower_fn *const lowerings_seg[NLOWER];

lower_fn seg_copy, seg_lea, seg_push, seg_pop, seg_leave, seg_pushf, seg_popf, seg_push_seg,
    seg_mov_from_seg, seg_mov_to_seg, seg_pop_seg, seg_load_far, seg_string;
lower_fn seg_jmp, seg_jcc, seg_jcxz, seg_loop, seg_call, seg_ret, seg_far_jmp, seg_far_call,
    seg_far_ret;

/* R8D = offset ea, R9 = base, for an operand of `size` bytes with offsets of adsize bytes. R10 is
 * used. */
struct seg_access {
    uint8_t seg, adsize, size;
    bool write;
};
void seg_address(struct xlate *x, const struct seg_access *a, const struct gmem *ea);
/* The same for the memory operand of i. False: not addressable that way. */
bool seg_operand(struct xlate *x, const struct insn *i, unsigned size, bool write);
/* For size bytes at rSP + disp. */
void seg_stack(struct xlate *x, int32_t disp, unsigned size);
/* A stack instruction of 16 or 32 bits. */
bool seg_stack_ok(const struct xlate *x, const struct insn *i);
/* rSP += by. R8 is used. */
void seg_move_sp(struct xlate *x, int32_t by);

/* `from` -> a register of the guest's: all 32 bits, or 16. */
void seg_put_gpr(struct xlate *x, unsigned reg, unsigned size, unsigned from);

/* R11D = size bytes (2 or 4) at [R9 + R8]; the same stored there. */
void seg_load_r11(struct xlate *x, unsigned size);
void seg_store_r11(struct xlate *x, unsigned size);

/* To the code whose key is R9 + R8, through the jump cache. */
void seg_find_key(struct xlate *x);

/* R8D is a target: one beyond the limit faults on the poison, and the branch is interpreted. */
void seg_check_target(struct xlate *x, unsigned opsize);
/* The block's CS still has the limit that the translation assumes; else leave. */
void seg_check_code(struct xlate *x);

/* RCX = (src + add) >> 16, in 64 bits; R10 is the guest's. R9 is used. */
void seg_above(struct xlate *x, unsigned src, int32_t add);

#endif
