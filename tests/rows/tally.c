#include "tally.h"

#include <err.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/bits.h"
#include "cpu/cpu.h"
#include "translator/row.h"
#include "translator/row_form.h"

void tally_init(struct tally *t, unsigned bits)
{
    *t = (struct tally){.reached = calloc(row_count(), sizeof(bool)), .bits = bits};
    if (!t->reached)
        errx(2, "no memory");
    if (bits == 64)
        ZydisDecoderInit(&t->decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    else
        ZydisDecoderInit(&t->decoder, ZYDIS_MACHINE_MODE_LEGACY_32, ZYDIS_STACK_WIDTH_32);
    /* hint NOPs in no model's CPUID: as decode.c has it */
    ZydisDecoderEnableMode(&t->decoder, ZYDIS_DECODER_MODE_MPX, ZYAN_FALSE);
    ZydisDecoderEnableMode(&t->decoder, ZYDIS_DECODER_MODE_CET, ZYAN_FALSE);
    ZydisDecoderEnableMode(&t->decoder, ZYDIS_DECODER_MODE_CLDEMOTE, ZYAN_FALSE);
}

void tally_free(struct tally *t)
{
    free(t->reached);
}

static const struct opnd *memory(const struct insn *i)
{
    for (unsigned k = 0; k < i->nops; k++)
        if (i->op[k].kind == OPND_MEM)
            return &i->op[k];
    return NULL;
}

static bool straddles(const struct cpu *c, const struct insn *i, const struct opnd *mem)
{
    uint64_t ea = (uint64_t)i->disp + (i->base < NGPR ? c->gpr[i->base] : 0);

    if (i->index < NGPR && !i->vsib)
        ea += c->gpr[i->index] * i->scale;
    if (i->base == BASE_RIP)
        ea += c->rip + i->len;
    return !i->vsib && (ea & PAGE_MASK) + mem->size > PAGE_SIZE;
}

static void tally_form(struct tally *t, const struct cpu *c, const struct insn *i)
{
    const struct opnd *mem = memory(i);

    t->by_kind[TALLY_MEMORY] += mem != NULL;
    t->by_kind[TALLY_STRADDLING] += mem && straddles(c, i, mem);
    t->by_kind[TALLY_ADDRESS16] += mem && i->adsize == 2;
    t->by_kind[TALLY_OPSIZE] += (i->prefixes & PFX_OPSIZE) != 0;
    t->by_kind[TALLY_SEGMENT] += (i->prefixes & PFX_SEG) != 0;
    t->by_kind[TALLY_REP] += (i->prefixes & (PFX_REP | PFX_REPNE)) != 0;
    t->by_kind[TALLY_LOCK] += (i->prefixes & PFX_LOCK) != 0;
}

void tally_insn(struct tally *t, const struct cpu *c, const uint8_t *bytes)
{
    ZydisDecodedInstruction d;
    struct insn i;

    t->insns++;
    if (!ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(&t->decoder, NULL, bytes, MAX_INSN, &d)) ||
        decode_insn(bytes, MAX_INSN, t->bits, &i) != DECODE_OK) {
        t->by_isa[ZYDIS_ISA_EXT_INVALID]++;
        return;
    }
    t->by_isa[d.meta.isa_ext]++;
    tally_form(t, c, &i);
    t->reached[row_index(&i)] = true;
}

static int by_count(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;

    return x[1] < y[1] ? 1 : x[1] > y[1] ? -1 : 0;
}

static void print_isa(const struct tally *t)
{
    uint64_t order[ARRAY_SIZE(t->by_isa)][2];

    for (unsigned k = 0; k < ARRAY_SIZE(order); k++) {
        order[k][0] = k;
        order[k][1] = t->by_isa[k];
    }
    qsort(order, ARRAY_SIZE(order), sizeof(order[0]), by_count);
    printf("by extension:");
    for (unsigned k = 0; k < ARRAY_SIZE(order) && order[k][1]; k++)
        printf(" %s %" PRIu64, ZydisISAExtGetString((ZydisISAExt)order[k][0]), order[k][1]);
    printf("\n");
}

/* Rows a user program could reach: those that no generated stream has are generated nowhere, or
 * rare. */
static void print_rows(const struct tally *t, const struct cpu_model *model, bool list_missing)
{
    unsigned valid = 0, reached = 0, n = row_count();
    uint16_t not_here = T_CPL0 | (t->bits == 64 ? T_NOT64 : T_ONLY64);

    for (unsigned k = 0; k < n; k++) {
        const struct row *row = row_of(k);

        if (!row->valid || (row->traits & not_here) || !model_has(model, row->feature))
            continue;
        valid++;
        reached += t->reached[k];
        if (!t->reached[k] && list_missing)
            printf("not reached: %s\n", row->name);
    }
    printf("table rows reached: %u of %u that a user program can execute\n", reached, valid);
}

void tally_print(const struct tally *t, const struct cpu_model *model, bool list_missing)
{
    static const char *const names[NTALLY] = {[TALLY_MEMORY] = "memory operand",
                                              [TALLY_STRADDLING] = "crossing a page",
                                              [TALLY_ADDRESS16] = "16-bit address",
                                              [TALLY_OPSIZE] = "66h",
                                              [TALLY_SEGMENT] = "segment override",
                                              [TALLY_REP] = "REP",
                                              [TALLY_LOCK] = "LOCK"};

    print_isa(t);
    printf("by form:");
    for (unsigned k = 0; k < NTALLY; k++)
        printf("%s %s %" PRIu64, k ? "," : "", names[k], t->by_kind[k]);
    printf("\n");
    print_rows(t, model, list_missing);
}
