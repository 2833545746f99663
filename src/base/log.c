#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

/* The vector state that libc may touch, in XCR0's bits (SDM 1 13.1): x87, SSE, AVX and the three
 * of AVX-512. In the standard format their areas end below 3 KiB on every CPU. */
enum {
    VECTOR_STATE = 0xE7,
    XSAVE_AREA = 4096,
    XSAVE_HEADER = 512,
    MXCSR_DEFAULT = 0x1F80,
};

struct vector_save {
    uint8_t area[XSAVE_AREA] __attribute__((aligned(64)));
    bool xsave;
    uint32_t mask;
};

/* A host with AVX has it in XCR0, so XSAVE works; one without has only the FXSAVE state. The
 * answer comes from a table of libgcc: CPUID would trap in a virtual machine, at every line. */
static bool host_has_xsave(void)
{
    return __builtin_cpu_supports("avx");
}

static uint32_t enabled_state(void)
{
    uint32_t lo, hi;

    __asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
    return lo;
}

/* The state is the guest's when translated code called: save it, and give libc the control words
 * that the ABI promises it. */
static void vector_enter(struct vector_save *v)
{
    const uint32_t mxcsr = MXCSR_DEFAULT;

    v->xsave = host_has_xsave();
    if (v->xsave) {
        v->mask = enabled_state() & VECTOR_STATE;
        /* XSAVE writes only the first 8 bytes of the header, XRSTOR wants the rest zero. In asm: a
         * memset() of libc's would use the registers that are about to be saved. */
        void *header = v->area + XSAVE_HEADER;
        uint64_t words = 8;

        __asm__ volatile("rep stosq" : "+D"(header), "+c"(words) : "a"(UINT64_C(0)) : "memory");
        __asm__ volatile("xsave64 %0" : "+m"(v->area) : "a"(v->mask), "d"(0));
    } else {
        __asm__ volatile("fxsave64 %0" : "=m"(v->area));
    }
    __asm__ volatile("fninit\n\tldmxcsr %0" : : "m"(mxcsr));
}

static void vector_leave(const struct vector_save *v)
{
    if (v->xsave)
        __asm__ volatile("xrstor64 %0" : : "m"(v->area), "a"(v->mask), "d"(0));
    else
        __asm__ volatile("fxrstor64 %0" : : "m"(v->area));
}

void log_printf(const struct log *log, enum log_item item, const char *fmt, ...)
{
    struct vector_save v;
    int saved_errno = errno;
    va_list ap;

    if (!log_on(log, item))
        return;
    vector_enter(&v);
    va_start(ap, fmt);
    vfprintf(log->out, fmt, ap);
    va_end(ap);
    vector_leave(&v);
    errno = saved_errno;
}

static const struct {
    const char *name;
    enum log_item item;
    const char *meaning;
} items[] = {
    {"in_asm", LOG_IN_ASM, "guest code of each translation unit"},
    {"out_asm", LOG_OUT_ASM, "translated code of each unit"},
    {"int", LOG_INT, "exceptions and interrupts as delivered"},
    {"cpu_reset", LOG_CPU_RESET, "CPU state at reset and triple fault"},
    {"exec", LOG_EXEC, "each block entered from the dispatcher"},
    {"guest_errors", LOG_GUEST_ERRORS, "odd things the guest did"},
    {"mmu", LOG_MMU, "shadow fills, traces, evictions"},
    {"stats", LOG_STATS, "counters by cause, at exit"},
    {"unimp", LOG_UNIMP, "what the guest asked for and is missing here"},
};

int log_parse_items(const char *list, uint32_t *mask, const char **bad)
{
    uint32_t got = 0;
    const char *word = list;

    for (;;) {
        size_t len = strcspn(word, ",");
        unsigned i = 0;

        while (i < ARRAY_SIZE(items) &&
               (strlen(items[i].name) != len || memcmp(items[i].name, word, len) != 0))
            i++;
        if (i == ARRAY_SIZE(items)) {
            *bad = word;
            return -EINVAL;
        }
        got |= items[i].item;
        if (word[len] == '\0')
            break;
        word += len + 1;
    }
    *mask = got;
    return 0;
}

void log_print_items(FILE *out)
{
    for (unsigned i = 0; i < ARRAY_SIZE(items); i++)
        fprintf(out, "  %-14s %s\n", items[i].name, items[i].meaning);
}
