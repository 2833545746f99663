/* How a kick stops translated code that goes round without leaving: there are no polls.
 *
 * The kicker, any thread:            The vCPU's thread:
 *   cpu.kick = 1                       inside = true
 *   the empty context                  the context; a fence
 *   if inside: a signal                if cpu.kick: don't enter
 *
 * All sequentially consistent: who is not signalled sees the kick. The handler runs on the vCPU's
 * thread, between two instructions of what it interrupts:
 *
 *   a block           Its exits are aimed at their own stubs (it is *held*), so it leaves by one of
 *                     them, by a callout, which looks at cpu.kick, or by an indirect branch, which
 *                     finds the empty context.
 *   a look-up in a    The old context may be in a register, so any block may come next. The look-up
 *   context, or our   goes on in single steps (TF), until there is a block, which is held before
 *   assembly          its first instruction, or C.
 *   C                 Nothing: assembly looks at cpu.kick when C is done.
 *
 * Look-ups are SITE_CHECK in a block's map. Nothing in them or in the assembly (section bt_text)
 * saves TF, or faults. What is held is let go when the cache has been left, before anybody else
 * looks at exits.
 */
#include "translator/bt_priv.h"

#include <pthread.h>
#include <signal.h>

enum { EF_TF_HOST = 1 << 8 };

/* Of the linker: the section of all assembly that leads into the cache. */
extern const uint8_t __start_bt_text[], __stop_bt_text[];

static bool in_assembly(const struct engine *e, uint64_t pc)
{
    uint64_t from = (uint64_t)(uintptr_t)__start_bt_text;

    return pc - from < (uint64_t)(uintptr_t)__stop_bt_text - from ||
           pc - (uint64_t)(uintptr_t)e->code.rx < e->code_keep;
}

static void hold(struct engine *e, struct bt_block *b)
{
    if (e->held)
        bt_release(e, e->held);
    e->held = b;
    bt_hold(e, b);
    e->stats.holds++;
}

static void stop_at(struct engine *e, ucontext_t *uc)
{
    greg_t *r = uc->uc_mcontext.gregs;
    uint64_t pc = (uint64_t)r[REG_RIP];
    struct bt_block *b = codemem_contains(&e->code, pc) ? bt_block_at(e, pc) : NULL;
    const struct bt_map *m = b ? bt_map_at(b, pc) : NULL;

    r[REG_EFL] &= ~(greg_t)EF_TF_HOST;
    if (in_assembly(e, pc) || (m && m->kind == SITE_CHECK))
        r[REG_EFL] |= EF_TF_HOST;
    else if (b)
        hold(e, b);
}

void bt_interrupted(void *opaque, ucontext_t *uc)
{
    struct engine *e = opaque;

    if (e->inside && e->cpu->kick)
        stop_at(e, uc);
}

bool bt_stepped(struct engine *e, ucontext_t *uc)
{
    if (!e->inside)
        return false;
    stop_at(e, uc);
    return true;
}

void bt_stop_arm(struct engine *e)
{
    if (e->inside)
        return;
    e->thread = pthread_self();
    __atomic_store_n(&e->inside, true, __ATOMIC_SEQ_CST);
}

/* A thread stops itself by looking at cpu.kick. */
void bt_stop(struct engine *e)
{
    if (__atomic_load_n(&e->inside, __ATOMIC_SEQ_CST) && !pthread_equal(e->thread, pthread_self()))
        pthread_kill(e->thread, SIGFAULT_INTERRUPT);
}

void bt_stop_left(struct engine *e)
{
    struct bt_block *b = e->held;

    __atomic_store_n(&e->inside, false, __ATOMIC_RELEASE);
    if (!b)
        return;
    e->held = NULL;
    bt_release(e, b);
    bt_edges_found(e, b);
    if (b->mode & MODE_CS64)
        bt_loop_found(e, b);
}
