/* row_form.h - rows for forms that Zydis gives the mnemonic of another instruction.
 *
 * MOV to a control register is no MOV for anyone who translates it, and MOVSD is a string
 * instruction or an SSE one. Such forms have rows of their own, numbered after the last mnemonic;
 * the decoder picks the row, insn.mnemonic stays what Zydis says. In rows_*.def: FORM(name,
 * meaning, translation, feature, traits).
 */
#ifndef DRAGOMAN_TRANSLATOR_ROW_FORM_H
#define DRAGOMAN_TRANSLATOR_ROW_FORM_H

#include <Zydis/Mnemonic.h>

#include "translator/decode.h"

enum row_form {
    FORM_FIRST = ZYDIS_MNEMONIC_MAX_VALUE + 1,
    FORM_MOVSD_STR = FORM_FIRST,
    FORM_CMPSD_STR,
    FORM_MOV_FROM_SEG,
    FORM_MOV_TO_SEG,
    FORM_MOV_TO_SS, /* opens an interrupt shadow */
    FORM_MOV_FROM_CR,
    FORM_MOV_TO_CR,
    FORM_MOV_FROM_DR,
    FORM_MOV_TO_DR,
    FORM_PUSH_SEG,
    FORM_POP_SEG,
    FORM_POP_SS,
    FORM_JMP_FAR,
    FORM_CALL_FAR,
    FORM_RET_FAR,
    FORM_END,
};

/* The row index of a decoded instruction: its mnemonic, or the form it really is. */
unsigned row_index(const struct insn *i);

#endif
