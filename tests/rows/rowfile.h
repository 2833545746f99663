/* rowfile.h - one line of a .rows file: an instruction, the state before it, the state after it.
 *
 *   bytes | before => after ; comment
 *
 *   01 d8 | eax=7fffffff ebx=1 => eax=80000000 cf=0 pf=1 af=1 zf=0 sf=1 of=1 ; add eax, ebx
 *
 * Several instructions may stand in a row; execution ends where it reaches a byte that is not the
 * row's. Numbers are hexadecimal. A value may begin with a region of state.h, or `ip` (the first
 * byte of the row): data+10, stack-4, ip+2.
 *
 * before  eax..edi, cf pf af zf sf tf if df of iopl nt ac id, st0-7 (20 digits) mm0-7 xmm0-7
 * ymm0-7, fcw fsw ftw mxcsr, memory [addr]=dword [addr].b= [addr].w= [addr].x=BYTES (in memory
 * order); at=OFFSET in the code page, cpl=0 or 3 and paging=0 or 1 (default: the row is run with
 * each; one that expects a #PF with paging only), ds.base= ds.limit= ds.attr= ds.sel=, cr0.ts= and
 * its like. Defaults: row_defaults() in rowfile.c. after   the same fields; REG=undef, FLAG=undef,
 * [addr]=undef or [addr].LENGTH=undef; eip=+N from the row's start; cs= ds=.. (selectors), cr0=
 * cr4=, fault=NAME or NAME(ERROR), cr2=. What is not named has not changed; eip is behind the row,
 * or with a fault its start. The U bit of a #PF error code follows the CPL by itself. marks -native
 * -interp -bt: not there.
 */
#ifndef DRAGOMAN_TESTS_ROWS_ROWFILE_H
#define DRAGOMAN_TESTS_ROWS_ROWFILE_H

#include "rig.h"
#include "state.h"

enum row_mark { NOT_NATIVE = 1, NOT_INTERP = 2, NOT_BT = 4 };

enum { ROW_BYTES = 96, ROW_PATCHES = 24, PATCH_BYTES = 512 };

struct row_patch {
    uint32_t lin;
    unsigned len;
    bool undef;
    uint8_t bytes[PATCH_BYTES];
};

struct test_row {
    const char *file;
    int line;
    char *text;        /* the line */
    size_t before_end; /* length of what stands before "=>" or the comment */
    char *comment;     /* in text, behind ';', or NULL */
    char why[128];     /* what is wrong with the line, empty: nothing */

    uint8_t bytes[ROW_BYTES];
    unsigned len;
    uint32_t start;
    unsigned marks;
    bool any_cpl, any_paging, has_after, eip_given;
    struct rig_setup setup;
    struct test_state before, after;
    struct row_patch *patches; /* [npatches] before, then [nafter] after */
    unsigned npatches, nafter;
    uint32_t flags_undef;
    uint8_t gpr_undef;
    bool fsw_undef, cr0_named, cr4_named;
    uint8_t sels_named; /* by enum seg_reg */
};

/* Parses one line; false: nothing in it (blank, comment). Errors are in row->why. */
bool row_parse(struct test_row *row, const char *file, int line, const char *text);
void row_free(struct test_row *row);
/* Memory as it is before the row, and as it must be after it (undefined places taken from `got`).
 */
void row_memory(const struct test_row *row, struct test_mem *m);
void row_memory_after(const struct test_row *row, struct test_mem *m, const struct test_mem *got);

const char *row_vector_name(int vector);
extern const char *const row_gpr_names[8];

struct row_flag {
    const char *name;
    uint32_t mask;
};
enum { NROW_FLAGS = 13 };
extern const struct row_flag row_flags[NROW_FLAGS];

#endif
