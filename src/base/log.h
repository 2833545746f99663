/* log.h - the trace log of one machine (-d items, -D file).
 *
 * A machine owns one struct log and hands a pointer to every part. Nothing here
 * is global. log_on() is the cheap test; log_printf() may be called anywhere,
 * translated-code callouts included: it preserves vector state by itself.
 */
#ifndef DRAGOMAN_BASE_LOG_H
#define DRAGOMAN_BASE_LOG_H

#include <stdio.h>

#include "base/types.h"

enum log_item {
    LOG_IN_ASM = 1 << 0,       /* guest code of each translation unit         */
    LOG_OUT_ASM = 1 << 1,      /* translated code of each unit                */
    LOG_INT = 1 << 2,          /* exceptions and interrupts as delivered      */
    LOG_CPU_RESET = 1 << 3,    /* state at reset and triple fault             */
    LOG_EXEC = 1 << 4,         /* each block entered from the dispatcher      */
    LOG_GUEST_ERRORS = 1 << 5, /* odd things a guest did                      */
    LOG_MMU = 1 << 6,          /* shadow fills, traces, evictions             */
    LOG_STATS = 1 << 7,        /* counters by cause at exit                   */
    LOG_UNIMP = 1 << 8,        /* what the guest asked for and we don't have  */
};

struct log {
    FILE *out; /* borrowed; stderr unless -D */
    uint32_t mask;
};

static inline bool log_on(const struct log *log, enum log_item item)
{
    return __builtin_expect((log->mask & item) != 0, 0);
}

/* Writes the message when `item` is on. No newline is added. */
void log_printf(const struct log *log, enum log_item item, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* Parses "in_asm,int,..." into *mask. Returns 0, or -EINVAL with *bad set to the unknown word
 * (points into `list`, ends at the next comma). */
int log_parse_items(const char *list, uint32_t *mask, const char **bad);

/* "name  meaning" lines of all items, for --help. */
void log_print_items(FILE *out);

#endif
