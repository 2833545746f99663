#include "trial64.h"

#include "cpu/cpu.h"
#include "explain64.h"
#include "native64.h"
#include "rows/state.h"
#include "translator/decode.h"
#include "translator/row.h"

const struct attempt64 attempts64[NATTEMPTS64] = {
    {ENGINE_INTERP, 3, INTERP64_RUNS, "interp"},
    {ENGINE_BT, 3, BT64_RUNS, "bt, cpl 3"},
    {ENGINE_BT, 0, BT64_RUNS, "bt, cpl 0"},
};

static bool uses_port(const struct insn *i)
{
    return i->map == 0 && ((i->opcode & 0xf4) == 0xe4 || (i->opcode & 0xfc) == 0x6c);
}

/* #GP that CPL 0 would not have had: an instruction of its own, a port, a gate. HLT under TF is
 * one too: there it completes, and the trap comes. */
static bool for_the_kernel(struct outcome64 *o)
{
    const uint8_t *code = mem64_at(&o->mem, o->state.rip, MAX_INSN);
    struct insn i;

    if (o->state.end == END64_HLT)
        return o->state.rflags & EF_TF;
    return o->state.end == VEC_GP && (!code || decode_insn(code, MAX_INSN, 64, &i) != DECODE_OK ||
                                      (i.row->traits & (T_CPL0 | T_IOPL)) || uses_port(&i) ||
                                      i.row->lower == LOWER_EXIT || i.row->lower == LOWER_IRET);
}

void trial64_native(struct native64 *n, struct trial64 *t)
{
    t->native = t->begin;
    t->usable = native64_run(n, &t->native) && t->native.state.end >= END64_HLT;
    t->user_only |= t->usable && for_the_kernel(&t->native);
}

bool trial64_fit(const struct trial64 *t, const struct attempt64 *a)
{
    return t->usable && (a->cpl == 3 || !t->user_only);
}

static bool code_changed(const struct trial64 *t)
{
    for (unsigned i = 0; i < NREGIONS64; i++)
        if (regions64[i].code &&
            !test_mem_same(t->begin.mem.bytes + regions64[i].offset,
                           t->native.mem.bytes + regions64[i].offset, regions64[i].size))
            return true;
    return false;
}

unsigned trial64_run(struct native64 *n, struct rig64 *rig, const struct attempt64 *a,
                     struct trial64 *t, rig64_seen *trace, void *opaque, FILE *out)
{
    static struct outcome64 got;
    unsigned count, why;

    got = t->begin;
    if (trace)
        rig64_trace(rig, a->cpl, &got, trace, opaque);
    else
        rig64_run(rig, a->cpl, &got);
    if (got.state.end == VEC_PF && native64_foreign(n, got.state.cr2)) {
        t->usable = false; /* natively there is no fault, and the test went on */
        return 0;
    }
    count = explain64_differences(&t->native, &got, a->cpl, &why, out);
    t->why |= why;
    if (count && code_changed(t)) { /* of its CMPs, too: undefined flags may be left */
        got.state.rflags &= ~(uint64_t)EF_ARITH;
        got.state.rflags |= t->native.state.rflags & EF_ARITH;
        count = explain64_differences(&t->native, &got, a->cpl, &why, out);
        t->why |= why | (count ? 0 : 1u << EXPLAINED64_FLAGS);
    }
    return count;
}
