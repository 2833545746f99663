/* row.c - the instruction table, from rows_*.def. */
#include "translator/row.h"

#include <Zydis/Mnemonic.h>

#include "translator/row_form.h"
#include "translator/x_host.h"
#include "translator/x_int.h"

#define INSN(name, meaning, lowering, feat, tr)                                                    \
    [ZYDIS_MNEMONIC_##name] = {#name, meaning, lowering, feat, tr, true},
#define FORM(name, meaning, lowering, feat, tr)                                                    \
    [FORM_##name] = {#name, meaning, lowering, feat, tr, true},

static const struct row rows[FORM_END] = {
    [ZYDIS_MNEMONIC_INVALID] = {"(none)", x_ud, LOWER_EXIT, FEAT_BASE, T_LIGHT | T_ENDS, false},
#include "translator/rows_int.def"
#include "translator/rows_vec.def"
};

#undef INSN
#undef FORM

const struct row *row_of(unsigned mnemonic)
{
    return mnemonic < FORM_END && rows[mnemonic].valid ? &rows[mnemonic]
                                                       : &rows[ZYDIS_MNEMONIC_INVALID];
}

unsigned row_count(void)
{
    return FORM_END;
}
