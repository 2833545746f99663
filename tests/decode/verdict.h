/* verdict.h - the table of disagreements (verdicts.txt): which there are, who is right, and what
 * Dragoman does.
 *
 * A record is a name in brackets and lines of a keyword and text:
 *
 *   [sib-no-base]
 *   match    mode=64 pfx=67 rex=B,WRXB sib=25,65 kind=address    (one or more; all keys must match)
 *   zydis    what Zydis says
 *   capstone what Capstone says
 *   right    capstone: why, with the place in the manual
 *   dragoman own: what src/translator/decode.c makes of it
 *
 * Keys: mode, map, op, modrm, sib, reg, form (r, m), pfx, rex, vex (0, 2, 3), pp, l, w, vvvv, kind.
 * Values are lists of names (pfx, rex, map, kind), numbers (mode, reg, vex, pp, l, w) or of hex
 * numbers and ranges (op, modrm, sib, vvvv). right begins with zydis, capstone, both or neither;
 * dragoman with one or more of enum verdict_outcome.
 */
#ifndef DRAGOMAN_TESTS_DECODE_VERDICT_H
#define DRAGOMAN_TESTS_DECODE_VERDICT_H

#include "view.h"

/* What Dragoman makes of an encoding, as far as the disagreement goes. */
enum verdict_outcome { OUTCOME_UD, OUTCOME_ZYDIS, OUTCOME_OWN, NOUTCOMES };

enum verdict_right { RIGHT_ZYDIS, RIGHT_CAPSTONE, RIGHT_BOTH, RIGHT_NEITHER, NRIGHTS };

enum { NAME_MAX_LEN = 48, TEXT_MAX = 512 };

struct verdict {
    char name[NAME_MAX_LEN];
    char zydis[TEXT_MAX], capstone[TEXT_MAX], right_text[TEXT_MAX], dragoman[TEXT_MAX];
    uint8_t right;    /* enum verdict_right */
    uint8_t outcomes; /* bit per enum verdict_outcome: declared */
    uint8_t seen;     /* and found */
    uint64_t count;   /* disagreements of this class */
};

struct verdict_table;

/* NULL: the file can't be read or has an error, which is printed. */
struct verdict_table *verdicts_read(const char *path);
void verdicts_free(struct verdict_table *t);

/* The first record with a line that matches; counts it. NULL: not in the table. */
struct verdict *verdicts_find(struct verdict_table *t, const struct encoding *e, unsigned kind,
                              unsigned outcome);

unsigned verdicts_count(const struct verdict_table *t);
const struct verdict *verdicts_get(const struct verdict_table *t, unsigned n);

/* Prints what the walk has refuted: lines that matched nothing, outcomes other than declared,
 * Dragoman following a Zydis that is wrong. Returns how many. */
unsigned verdicts_check(const struct verdict_table *t);

const char *verdict_outcome_name(unsigned outcome);
const char *verdict_right_name(unsigned right);

#endif
