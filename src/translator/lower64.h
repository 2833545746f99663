/* lower64.h - how 64-bit guest code uses the host's registers (private to the translator).
 *
 * At block boundaries:
 *   R10, R11         the monitor's; the guest's are in hot.home[]
 *   RSP              guest RSP + delta of its region (hot.rsp_not = ~delta)
 *   all others       the guest's, and RFLAGS, x87, vectors
 *   GS base          the block of this address space and CPL (shadowmmu/smmu.h): hot at 0, deltas
 *                    at SMMU_BLOCK_TABLE
 * Within a block S0 and S1 are scratch: R10 and R11 where the block's code does not use them, else
 * others it does not use, *borrowed* (their values go to hot.home[]). R10 and R11 are *loaded* by a
 * block that uses them. x64_open() and x64_close() convert. A block whose instructions need only
 * one, S1, or none (x64_need.c) has no more: all it uses besides are slots.
 *
 * A memory operand becomes [register + delta..]: x64_resolve(). The delta is looked up by bits
 * 47..32 of an address that is known to differ from the operand's by X64_REACH at most; one that
 * leaves its slot nevertheless faults in the gap (pitfalls A3). Deltas stay in the *slots*, scratch
 * registers of which S1 is the first, for the values they were looked up for: the block numbers
 * what the guest's registers hold, knows what was added to it, and between what bounds it lies
 * (x64_value.c), so that p[1], p++, p[i] with an int i and q = &p[i] need one look-up in all. When
 * there are more than slots, the others wait in words of the hot structure (x64_word.c).
 *
 * Loops (loops.c): the blocks of a loop agree on scratch registers, on whether they load R10 and
 * R11, and on addresses of the guest's, *keys*, whose deltas stay in slots all the way round. Such
 * a block has an inner entry behind x64_open() and the keys' look-ups; its exits within the loop
 * have an open form, before x64_close(), which goes there. R10 and R11 go home where the loop is
 * left only. Either way each key's slot holds the
 * delta of an address at most X64_NEAR from the key: so a pointer may step, if it is used before
 * the next round.
 *
 * RSP: PUSH, POP, CALL, RET and [RSP+disp] run as they are. Constant steps of up to 1 MiB in all
 * are taken unchecked if the block touches [RSP] after them; all other writes look up again
 * (pitfalls A4).
 */
#ifndef DRAGOMAN_TRANSLATOR_LOWER64_H
#define DRAGOMAN_TRANSLATOR_LOWER64_H

#include "translator/xlate.h"

extern lower_fn *const lowerings64[NLOWER];
/* lower64_bits.c */
lower_fn lower64_bit_string;
/* lower64_branch.c */
lower_fn lower64_jmp, lower64_jcc, lower64_jcxz, lower64_loop, lower64_call, lower64_ret;
/* lower64_sys.c */
lower_fn lower64_syscall, lower64_sysret, lower64_iret, lower64_swapgs, lower64_rdtsc,
    lower64_rdtscp;
/* lower64_light.c */
lower_fn lower64_mov_from_cr, lower64_store_system, lower64_load_table, lower64_mov_to_cr,
    lower64_clts, lower64_rdmsr, lower64_wrmsr, lower64_cpuid, lower64_read_base,
    lower64_write_base, lower64_popf, lower64_load_seg, lower64_watched_store;

/* What a slot holds: the delta of a value, or of a piece; the translated base of FS or GS. */
enum x64_slot_kind { X64_NOTHING, X64_DELTA, X64_CONST, X64_SEG };

enum {
    X64_MAX_DRIFT = 1 << 20,
    X64_NEAR = 1 << 20,
    X64_SCRATCH = 2,
    X64_R10_R11 = 1 << R10 | 1 << R11,
    X64_NEVER = BT_MAX_INSNS, /* x64_word_next_use() */
};

/* From an address that is in a slot; a gap less what NEAR and operands may add. */
#define X64_REACH ((int64_t)(26 * GIB))

/* Bytes that are added to an address, at least and at most. */
struct x64_span {
    int64_t lo, hi;
};

/* x64_need.c: how many of S0 and S1 the instruction at rip needs, at most. */
unsigned x64_need(const struct xlate *x, const struct insn *i, uint64_t rip);
/* Registers that are not among `used`, in the order in which they serve best as scratch; at most
 * max.
 */
unsigned x64_free_registers(uint16_t used, uint8_t *reg, unsigned max);
/* Pass 1 to 2: scratch registers, given all registers used. */
void x64_choose(struct xlate *x);
/* Registers as the block's body has them, and as its neighbours want them. */
void x64_open(struct xlate *x);
void x64_close(struct xlate *x);
/* The keys' deltas, and the inner entry. */
void x64_open_loop(struct xlate *x);
/* Do the slots hold what the loop's other blocks expect? */
bool x64_keys_held(const struct xlate *x);
/* The two halves of x64_close(): what was loaded, and what was borrowed. */
void x64_send_home(struct xlate *x);
void x64_give_back(struct xlate *x);
/* Has RSP proven when it has moved. Before anything that leaves the block. */
void x64_settle(struct xlate *x);
void x64_word_check(struct xlate *x, const struct bt_page *page, bool landing);
bool x64_callout(struct xlate *x, const struct insn *i);
/* By way of another stub that takes a struct bt_callout. */
bool x64_call_stub(struct xlate *x, const struct insn *i, unsigned stub);
void x64_probe(struct xlate *x, int32_t hot_ptr);
/* The ways out that had to wait for the end of the block. */
void x64_finish_sides(struct xlate *x);

/* x64_word.c: deltas that no slot has room for wait in words of the hot structure, which a block
 * writes before it reads them. */
/* How many slots serve the block's pointers best, given how many there are, and how many of them
 * for nothing. */
unsigned x64_word_slots(struct xlate *x, unsigned gratis, unsigned max);
/* How many instructions until an operand wants what the slot holds, as far as can be guessed. */
unsigned x64_word_next_use(const struct xlate *x, const struct x64_slot *s);
/* The slot is going to hold something else. */
void x64_word_leave(struct xlate *x, const struct x64_slot *s);
/* A word with the delta of `at`, or of an address known to be about the guest's `reg` (RSP: no
 * register), that serves for the span. NULL: none. */
struct x64_slot *x64_word_find(struct xlate *x, const struct x64_sum *at, unsigned reg,
                               const struct x64_span *s);
/* From the word to the slot. */
void x64_word_return(struct xlate *x, struct x64_slot *word, struct x64_slot *s);

/* loops.c: does it move its first operand by a constant, and write nothing else? */
bool x64_steps(const struct insn *i);

/* x64_value.c */
void x64_values_init(struct xlate *x);
/* Registers that instruction i may change. */
uint16_t x64_written(const struct insn *i);
/* After instruction i: what its results are known to be. */
void x64_track(struct xlate *x, const struct insn *i);

/* lower64_branch.c: the way out to a block at `target`, whatever comes next. */
void x64_exit_to(struct xlate *x, uint64_t target);

/* All slots, or the one whose register is `reg`, hold nothing. */
void x64_forget(struct xlate *x, unsigned reg);
void x64_forget_all(struct xlate *x);

/* lower64_mem.c */
/* The address of the key, now. */
struct x64_sum x64_sum_of(const struct xlate *x, const struct bt_key *key);
/* Does the slot hold the delta of what differs from that sum by a constant only? */
bool x64_slot_of(const struct x64_slot *s, const struct x64_sum *sum);
/* Does a slot with the delta of what is `at` - d->sum.off away serve for the span about it? */
bool x64_slot_reaches(const struct x64_slot *d, int64_t at, const struct x64_span *s);
/* Has it the delta of an address that is known to be about `reg`, and serves? */
bool x64_slot_kin(const struct xlate *x, const struct x64_slot *d, unsigned reg,
                  const struct x64_span *s);
/* Slot s gets the delta of the key. */
void x64_fill_slot(struct xlate *x, struct x64_slot *s, const struct bt_key *key);
bool x64_resolve(struct xlate *x, const struct insn *i, struct hea *a);
/* dst = the guest's RSP */
void x64_guest_rsp(struct xlate *x, unsigned dst);
/* RSP = what the guest address in `src` translates to; `tmp` is clobbered */
void x64_set_rsp(struct xlate *x, unsigned src, unsigned tmp);
/* RSP += n, to be proven later. False: too far. */
bool x64_move_rsp(struct xlate *x, int64_t n);
/* The instruction used [RSP + about 0]. */
static inline void x64_touched(struct xlate *x)
{
    x->w.drift = 0;
}

static inline uint64_t x64_next(const struct xlate *x, const struct insn *i)
{
    return x->rip + i->len;
}

#endif
