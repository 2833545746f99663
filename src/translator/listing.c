/* -d in_asm,out_asm: guest and host code of a block side by side, through Capstone; and what
 * -check-blocks finds. */
#include "translator/bt_priv.h"

#include <capstone/capstone.h>
#include <inttypes.h>
#include <stdlib.h>

static void list_guest(struct engine *e, const struct bt_block *b, csh cs)
{
    unsigned off = (unsigned)bt_linear(b->rip, b->mode) & PAGE_MASK;
    const uint8_t *bytes = e->pm->hva + (b->page->frame << PAGE_SHIFT) + off;
    size_t len = b->page2 ? PAGE_SIZE - off : b->guest_len;
    cs_insn *insn;
    size_t n = cs_disasm(cs, bytes, len, b->rip, 0, &insn);

    log_printf(e->log, LOG_IN_ASM, "---- guest %08" PRIx64 "  mode %05x  %u instructions\n", b->rip,
               b->mode, b->ninsns);
    for (size_t i = 0; i < n; i++)
        log_printf(e->log, LOG_IN_ASM, "  %08" PRIx64 "  %-8s %s\n", insn[i].address,
                   insn[i].mnemonic, insn[i].op_str);
    cs_free(insn, n);
}

/* The guest address is printed before the host code made from it. */
static void list_host(struct engine *e, const struct bt_block *b, csh cs)
{
    cs_insn *insn;
    size_t n = cs_disasm(cs, b->code, b->code_len, (uint64_t)(uintptr_t)b->code, 0, &insn);
    uint32_t m = 0;

    log_printf(e->log, LOG_OUT_ASM, "---- host for %08" PRIx64 "  %u bytes\n", b->rip, b->code_len);
    for (size_t i = 0; i < n; i++) {
        while (m < b->nmap && (uint64_t)(uintptr_t)b->code + b->map[m].host <= insn[i].address)
            log_printf(e->log, LOG_OUT_ASM, "  ; %08" PRIx64 "\n", b->rip + b->map[m++].guest);
        log_printf(e->log, LOG_OUT_ASM, "    %012" PRIx64 "  %-8s %s\n", insn[i].address,
                   insn[i].mnemonic, insn[i].op_str);
    }
    cs_free(insn, n);
}

static cs_mode guest_bits(const struct bt_block *b)
{
    switch (bt_code_bits(b->mode)) {
    case 64:
        return CS_MODE_64;
    case 32:
        return CS_MODE_32;
    default:
        return CS_MODE_16;
    }
}

void bt_list_block(struct engine *e, const struct bt_block *b)
{
    csh cs;

    if (log_on(e->log, LOG_IN_ASM) && cs_open(CS_ARCH_X86, guest_bits(b), &cs) == CS_ERR_OK) {
        list_guest(e, b, cs);
        cs_close(&cs);
    }
    if (log_on(e->log, LOG_OUT_ASM) && cs_open(CS_ARCH_X86, CS_MODE_64, &cs) == CS_ERR_OK) {
        list_host(e, b, cs);
        cs_close(&cs);
    }
}

void bt_check_block(struct engine *e, const struct bt_block *b)
{
    uint64_t where;
    const char *why;

    if (bt_block_in_jail(e, b, &why, &where)) {
        if (bt_check_moves(e, b))
            return;
        why = "a copy is not what a translation would be";
        where = (uint64_t)(uintptr_t)b->code;
    }
    e->log->mask |= LOG_IN_ASM | LOG_OUT_ASM;
    bt_list_block(e, b);
    fprintf(stderr,
            "dragoman: jail checker: %s at %" PRIx64 " in the block for guest %08" PRIx64 "\n", why,
            where, b->rip);
    abort();
}
