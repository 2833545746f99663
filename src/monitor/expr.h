/* expr.h - what a human writes for a number: 0x1000, $eip + 4, 'a', and * / % + - &
 * | ^ ~ and parentheses, 64 bits wide.
 *
 * As in QEMU * / % bind tightest, then & | ^, then + -.
 */
#ifndef DRAGOMAN_MONITOR_EXPR_H
#define DRAGOMAN_MONITOR_EXPR_H

#include "cpu/cpu.h"

/* Reads as much of s as makes sense; *end is the rest. 0, or -EINVAL with *bad: a constant
 * sentence. c may be NULL: there are no registers then. */
int mon_expr(const char *s, const struct cpu *c, uint64_t *value, const char **end,
             const char **bad) MUST_CHECK;

#endif
