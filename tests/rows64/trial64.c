#include "trial64.h"

#include "cpu/cpu.h"
#include "explain64.h"
#include "native64.h"

const struct attempt64 attempts64[NATTEMPTS64] = {
    {ENGINE_INTERP, 3, INTERP64_RUNS, "interp"},
    {ENGINE_BT, 3, BT64_RUNS, "bt, cpl 3"},
    {ENGINE_BT, 0, BT64_RUNS, "bt, cpl 0"},
};

void trial64_native(struct native64 *n, struct trial64 *t)
{
    t->native = t->begin;
    t->usable = native64_run(n, &t->native) && t->native.state.end >= END64_HLT;
}

/* INT n of a gate for CPL 0 works there. */
bool trial64_fit(const struct trial64 *t, const struct attempt64 *a)
{
    return t->usable && (a->cpl == 3 || !t->user_only);
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
    return count;
}
