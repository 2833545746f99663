/* The jail checker on memory operands of 64-bit blocks: see checker64.h. */
#include "translator/checker64.h"

#include "translator/bt_offsets.h"

enum { STACK_NEAR = 1 << 20 }; /* bytes from RSP, without an index */

static enum place bad(struct check64 *k, const char *why)
{
    k->why = why;
    return PLACE_BAD;
}

/* They do not access their memory operand, or not always. */
static bool may_not_touch(const struct check64 *k)
{
    return k->in.meta.category == ZYDIS_CATEGORY_PREFETCH ||
           k->in.mnemonic == ZYDIS_MNEMONIC_VMASKMOVPS ||
           k->in.mnemonic == ZYDIS_MNEMONIC_VMASKMOVPD ||
           k->in.mnemonic == ZYDIS_MNEMONIC_VPMASKMOVD ||
           k->in.mnemonic == ZYDIS_MNEMONIC_VPMASKMOVQ;
}

/* ---- addresses of the guest ---- */

static const struct held absent;

/* The parts besides the delta: a register's value, or none. False: not the guest's. */
static bool part(const struct check64 *k, int r, const struct held **h)
{
    *h = r < 0 ? &absent : &k->now.r[r];
    return r < 0 || (r != RSP && held_clean(*h));
}

/* [a constant address + the delta of its piece], or an array there */
static bool constant_address(const struct check64 *k, const ZydisDecodedOperand *o, int base,
                             int index)
{
    uint64_t lin = (uint64_t)o->mem.disp.value, piece = k->now.r[base].value;
    const struct held *i;

    if (!part(k, index, &i))
        return false;
    if (index >= 0 && checker64_near_piece(i, o->mem.scale, o->mem.disp.value, piece))
        return true;
    if (index >= 0 && (i->what != HELD_CONST || o->mem.scale != 1))
        return false;
    lin += index >= 0 ? i->value : 0;
    return (lin >> 32 & (SMMU_PIECES - 1)) == piece;
}

static bool reached(const struct held *delta, const struct span *d)
{
    return d->lo - delta->at - delta->slack >= -CHECKER_REACH &&
           d->hi - delta->at + delta->slack <= CHECKER_REACH;
}

/* When it does access, and how far it is from what was looked up is known, this address is in the
 * slot of the delta number `id`. */
static void accessed(struct check64 *k, uint32_t id, const struct span *d)
{
    if (may_not_touch(k) || !d->exact)
        return;
    for (unsigned r = 0; r < NGPR + BT_DELTAS; r++) {
        struct held *h = r < NGPR ? &k->now.r[r] : &k->now.word[r - NGPR];

        if (h->what == HELD_DELTA && h->id == id) {
            h->at = d->lo;
            h->slack = 0;
        }
    }
}

/* [address + delta] */
static bool direct(struct check64 *k, const ZydisDecodedOperand *o, const struct held *base,
                   const struct held *delta)
{
    struct span d;

    if (!checker64_distance(k, delta->of, base, &absent, 1, o->mem.disp.value, &d) ||
        !reached(delta, &d))
        return false;
    accessed(k, delta->id, &d);
    return true;
}

static bool translated(struct check64 *k, const ZydisDecodedOperand *o, int base, int index)
{
    const struct held *b, *i;
    struct held rest = {0}; /* what of the address is in HELD_PARTLY */
    struct span d;

    if (kind64(k, base) == HELD_SEGMENT)
        return index < 0;
    if (kind64(k, base) == HELD_DELTA_AT)
        return constant_address(k, o, base, index);
    if (kind64(k, index) == HELD_DELTA)
        return o->mem.scale == 1 && base >= 0 && part(k, base, &b) &&
               direct(k, o, b, &k->now.r[index]);
    if ((kind64(k, base) != HELD_DELTA && kind64(k, base) != HELD_PARTLY) || !part(k, index, &i))
        return false;
    rest.id = k->now.r[base].with;
    if (!(rest.id || i->id) ||
        !checker64_distance(k, k->now.r[base].of, &rest, i, o->mem.scale, o->mem.disp.value, &d) ||
        !reached(&k->now.r[base], &d))
        return false;
    accessed(k, rest.id ? (uint32_t)k->now.r[base].value : k->now.r[base].id, &d);
    return true;
}

static enum place guest_place(struct check64 *k, const ZydisDecodedOperand *o, int base, int index)
{
    if (checker_is_bit_string(&k->in) && k->op[1].type == ZYDIS_OPERAND_TYPE_REGISTER) {
        if (!checker64_bit_string(k, o))
            return bad(k, "a bit string of any length");
    } else if (!translated(k, o, base, index)) {
        return bad(k, "memory operand of no allowed form");
    }
    return checker64_fault_state(k, SITE_PLAIN) ? PLACE_GUEST : PLACE_BAD;
}

/* A fault at a probe goes on four bytes further (bt64.c), when the address is in the slot. */
static bool probe_ok(struct check64 *k, const ZydisDecodedOperand *o)
{
    int r = k->op[0].type == ZYDIS_OPERAND_TYPE_REGISTER ? checker_gpr(k->op[0].reg.value) : -1;

    if (k->in.mnemonic != ZYDIS_MNEMONIC_MOV || k->in.length != 4 || k->op[0].size != 64 ||
        o->mem.disp.value != 0 || r < 0 || r == RSP || (k->now.here >> r & 1))
        return breach64(k, "a probe that cannot be skipped");
    return checker64_fault_state(k, SITE_PROBE);
}

/* An array on the stack. */
static bool near_stack(const struct check64 *k, const ZydisDecodedOperand *o, int index)
{
    const struct held *i;
    struct span s;

    return part(k, index, &i) && checker64_span(i, o->mem.scale, o->mem.disp.value, &s) &&
           s.lo >= -CHECKER_REACH && s.hi <= CHECKER_REACH;
}

static enum place stack_place(struct check64 *k, const ZydisDecodedOperand *o, int index)
{
    if (index >= 0 && !near_stack(k, o, index))
        return bad(k, "memory operand of no allowed form");
    if (index < 0 && (o->mem.disp.value >= STACK_NEAR || o->mem.disp.value <= -STACK_NEAR))
        return bad(k, "far from RSP");
    if (checker_is_bit_string(&k->in) && k->op[1].type == ZYDIS_OPERAND_TYPE_REGISTER)
        return bad(k, "a bit string of any length");
    if (index < 0 && !may_not_touch(k))
        k->stack_touch = o->mem.disp.value;
    if (site_kind(k) == SITE_PROBE)
        return probe_ok(k, o) ? PLACE_GUEST : PLACE_BAD;
    return checker64_fault_state(k, SITE_PLAIN) ? PLACE_GUEST : PLACE_BAD;
}

/* ---- the monitor's memory ---- */

/* Words of the hot structure that generated code reads. */
static const struct hot_word {
    int32_t off;
    uint8_t bytes, what;
} hot_words[] = {
    {HOT_CTX, 8, HELD_CTX},
    {HOT_LANDINGS, 8, HELD_LANDINGS},
    {HOT_IRQ, 8, HELD_POLL},
    {HOT_CPU, 8, HELD_CPU},
    {HOT_RSP_NOT, 8, HELD_RSP_NOT},
    {HOT_OTHER, 4, HELD_GUEST},
    {HOT_DF, 1, HELD_GUEST},
    {HOT_SEL + 4 * SEG_ES, 2, HELD_GUEST},
    {HOT_SEL + 4 * SEG_CS, 2, HELD_GUEST},
    {HOT_SEL + 4 * SEG_SS, 2, HELD_GUEST},
    {HOT_SEL + 4 * SEG_DS, 2, HELD_GUEST},
    {HOT_SEL + 4 * SEG_FS, 2, HELD_GUEST},
    {HOT_SEL + 4 * SEG_GS, 2, HELD_GUEST},
    {HOT_SEL + 4 * SEG_ES, 4, HELD_GUEST},
    {HOT_SEL + 4 * SEG_CS, 4, HELD_GUEST},
    {HOT_SEL + 4 * SEG_SS, 4, HELD_GUEST},
    {HOT_SEL + 4 * SEG_DS, 4, HELD_GUEST},
    {HOT_SEL + 4 * SEG_FS, 4, HELD_GUEST},
    {HOT_SEL + 4 * SEG_GS, 4, HELD_GUEST},
    {HOT_SEGLIN + 8 * SEG_FS, 8, HELD_GUEST},
    {HOT_SEGLIN + 8 * SEG_GS, 8, HELD_GUEST},
    {HOT_DESCLIN, 8, HELD_GUEST},
    {HOT_TSC_OFF, 8, HELD_GUEST},
    {HOT_TSC_AUX, 4, HELD_GUEST},
    {HOT_DESCLIN + 8, 8, HELD_GUEST},
    {HOT_DESCLIN + 16, 8, HELD_GUEST},
    {HOT_DESCLIN + 24, 8, HELD_GUEST},
    {HOT_SEGHOST + 8 * SEG_FS, 8, HELD_SEGMENT},
    {HOT_SEGHOST + 8 * SEG_GS, 8, HELD_SEGMENT},
};

static int home_at(int64_t off)
{
    return off >= HOT_HOME && off < HOT_HOME + 8 * NGPR && off % 8 == 0
               ? (int)((off - HOT_HOME) / 8)
               : -1;
}

static int word_at(int64_t off)
{
    return off >= HOT_DELTA && off < HOT_DELTA + 8 * BT_DELTAS && off % 8 == 0
               ? (int)((off - HOT_DELTA) / 8)
               : -1;
}

static bool in_table(int64_t off)
{
    return off >= SMMU_BLOCK_TABLE && off < SMMU_BLOCK_TABLE + 8 * SMMU_PIECES && off % 8 == 0;
}

static enum place gs_place(struct check64 *k, const ZydisDecodedOperand *o, int index)
{
    if (o->mem.base != ZYDIS_REGISTER_NONE)
        return bad(k, "a register in the block's addresses");
    if (checker_is_bit_string(&k->in))
        return bad(k, "a bit string in monitor memory");
    if (index >= 0)
        return kind64(k, index) == HELD_PIECE && o->mem.scale == 8 && o->size == 64 &&
                       o->mem.disp.value == SMMU_BLOCK_TABLE
                   ? PLACE_TABLE
                   : bad(k, "an index that is not 16 bits of an address");
    if (in_table(o->mem.disp.value) && o->size == 64)
        return PLACE_TABLE;
    return o->mem.disp.value >= 0 && o->mem.disp.value + o->size / 8 <= (int)sizeof(struct bt_hot)
               ? PLACE_HOT
               : bad(k, "beyond the hot structure and the table");
}

static enum place pointed_place(struct check64 *k, int base, int index)
{
    if (index >= 0 || checker_is_bit_string(&k->in))
        return bad(k, "monitor memory by an index");
    switch (kind64(k, base)) {
    case HELD_CPU:
        return PLACE_CPU;
    case HELD_POLL:
        return checker64_fault_state(k, SITE_PLAIN) ? PLACE_POLL : PLACE_BAD;
    default:
        return PLACE_CTX;
    }
}

enum place checker64_place(struct check64 *k, const ZydisDecodedOperand *o)
{
    int base = checker_gpr(o->mem.base), index = checker_gpr(o->mem.index);
    enum held_kind what = kind64(k, base);

    if (o->mem.type != ZYDIS_MEMOP_TYPE_MEM || o->size > 512)
        return bad(k, "memory operand of no allowed form");
    if (k->in.address_width != 64)
        return bad(k, "a truncated address");
    if ((base < 0 && o->mem.base != ZYDIS_REGISTER_NONE) ||
        (index < 0 && o->mem.index != ZYDIS_REGISTER_NONE))
        return bad(k, "an address relative to the host's RIP");
    if (o->mem.segment == ZYDIS_REGISTER_GS)
        return gs_place(k, o, index);
    if (o->mem.segment == ZYDIS_REGISTER_FS)
        return bad(k, "the host's FS");
    if (base == RSP)
        return stack_place(k, o, index);
    if (what == HELD_CPU || what == HELD_POLL || what == HELD_CTX)
        return pointed_place(k, base, index);
    return guest_place(k, o, base, index);
}

static bool load_hot(struct check64 *k, const ZydisDecodedOperand *m, struct held *out)
{
    int64_t off = m->mem.disp.value;
    int r = home_at(off);

    if (r >= 0 && m->size == 64) {
        *out = k->now.home[r];
        return true;
    }
    if (word_at(off) >= 0 && m->size == 64) {
        *out = k->now.word[word_at(off)];
        return true;
    }
    for (unsigned i = 0; i < ARRAY_SIZE(hot_words); i++) {
        const struct hot_word *w = &hot_words[i];

        if (off != w->off || m->size != w->bytes * 8)
            continue;
        *out = held_new(k, w->what);
        out->of = k->now.rsp_since;
        out->value = (uint64_t)off;
        return true;
    }
    return breach64(k, "a word of the hot structure that is not for blocks");
}

static const struct bt_page *page_of(const struct check64 *k, unsigned n)
{
    return n ? k->b->page2 : k->b->page;
}

static bool load_ctx(struct check64 *k, const ZydisDecodedOperand *m, struct held *out)
{
    int64_t off = m->mem.disp.value;

    for (unsigned n = 0; n < 2; n++) {
        const struct bt_page *p = page_of(k, n);

        if (!p || off != CTX_WORDS + (int64_t)(p->vpn % BT_WORDS) * 4 || m->size != 32)
            continue;
        *out = held_new(k, HELD_WORD);
        out->with = n;
        /* two pages may share a word: what is added says which is meant */
        out->value = p->vpn % BT_WORDS;
        return true;
    }
    return breach64(k, "not a word of the block's pages");
}

/* IF; what kernels may read: control registers, selectors of LDTR and TR, the GDT's base. */
static bool cpu_word(const struct check64 *k, const ZydisDecodedOperand *m)
{
    int64_t at = m->mem.disp.value;

    if (at == CPU_IFLAG && m->size == 8)
        return true;
    if (k->b->mode & (MODE_CPL3 | MODE_CPL12))
        return false;
    if (at == CPU_SEG + 24 * SEG_LDTR || at == CPU_SEG + 24 * SEG_TR)
        return m->size == 16;
    return (m->size == 64 && at == CPU_GDTR) ||
           ((m->size == 64 || m->size == 32) && at >= CPU_CR0 && at <= CPU_CR8 && at % 8 == 0);
}

bool checker64_load(struct check64 *k, const ZydisDecodedOperand *m, enum place at,
                    struct held *out)
{
    int index = checker_gpr(m->mem.index);

    switch (at) {
    case PLACE_GUEST:
        *out = held_new(k, site_kind(k) == SITE_PROBE ? HELD_ANY : HELD_GUEST);
        return true;
    case PLACE_HOT:
        return load_hot(k, m, out);
    case PLACE_TABLE:
        *out = held_new(k, index >= 0 ? HELD_DELTA : HELD_DELTA_AT);
        if (index >= 0)
            out->of = k->now.r[index].of;
        else
            out->value = (uint64_t)(m->mem.disp.value - SMMU_BLOCK_TABLE) / 8;
        return true;
    case PLACE_CTX:
        return load_ctx(k, m, out);
    case PLACE_CPU:
        *out = held_new(k, HELD_GUEST);
        return cpu_word(k, m) ? true : breach64(k, "CPU state");
    case PLACE_POLL:
        *out = held_new(k, HELD_GUEST);
        return m->mem.disp.value == 0 && m->size == 8 ? true
                                                      : breach64(k, "a poll of more than its byte");
    default:
        return false;
    }
}

/* ---- stores to it ---- */

static bool store_home(struct check64 *k, int home, int r)
{
    if (r != home || r == RSP || !held_clean(&k->now.r[r]))
        return breach64(k, "home of another register, or of a host value");
    if ((k->b->borrowed >> r & 1) && k->now.r[r].id != k->now.in[r])
        return breach64(k, "a borrowed register goes home with another value");
    if ((r == R10 || r == R11) && !(k->now.here >> r & 1))
        return breach64(k, "home of R10 or R11 without the guest's value");
    k->now.home[r] = k->now.r[r];
    return true;
}

static bool store_rsp_not(struct check64 *k, int r)
{
    if (kind64(k, r) != HELD_NOT_DELTA || k->now.rsp_true || k->now.r[r].of != k->now.rsp_of)
        return breach64(k, "hot.rsp_not is not that of RSP");
    k->now.rsp_true = true;
    k->now.rsp_since = ++k->next_id;
    return true;
}

static bool store_str(struct check64 *k, unsigned which, const ZydisDecodedOperand *src, int r)
{
    if (src->type == ZYDIS_OPERAND_TYPE_IMMEDIATE && src->imm.value.u == 0) {
        k->now.str[which] = 0;
        return true;
    }
    if (kind64(k, r) != HELD_DELTA)
        return breach64(k, "a string's delta that is none");
    k->now.str[which] = k->now.r[r].of;
    return true;
}

static bool store_word(struct check64 *k, int word, int r)
{
    if (kind64(k, r) != HELD_DELTA)
        return breach64(k, "a word for deltas gets something else");
    k->now.word[word] = k->now.r[r];
    return true;
}

static bool store_flag(struct check64 *k, const ZydisDecodedOperand *m,
                       const ZydisDecodedOperand *src)
{
    return m->size == 8 && src->type == ZYDIS_OPERAND_TYPE_IMMEDIATE && src->imm.value.u <= 1
               ? true
               : breach64(k, "a flag that is not 0 or 1");
}

/* What IRET's stub looks at: hot.frame, then hot.desc. */
static bool for_iret(int64_t off)
{
    return off >= HOT_FRAME && off < HOT_DESC + 4 * 8 && off % 8 == 0;
}

/* Where it is in the code memory, and what it does to RSP. */
static bool store_branch(struct check64 *k, const ZydisDecodedOperand *m,
                         const ZydisDecodedOperand *src)
{
    uint64_t at = k->pc - (uint64_t)(uintptr_t)k->e->code.rx;
    uint32_t name = (uint32_t)src->imm.value.u;

    if (m->size != 32 || src->type != ZYDIS_OPERAND_TYPE_IMMEDIATE ||
        name >> BT_BRANCH_SHIFT != at || name % (1 << BT_BRANCH_SHIFT) > BT_RETURNED)
        return breach64(k, "the name of another branch");
    k->now.branch = site_branch(k);
    return true;
}

static bool store_clean(struct check64 *k, int r)
{
    return r >= 0 && r != RSP && held_clean(&k->now.r[r])
               ? true
               : breach64(k, "a host value where the guest's is expected");
}

bool checker64_store(struct check64 *k, const ZydisDecodedOperand *m, enum place at,
                     const ZydisDecodedOperand *src)
{
    int r = src->type == ZYDIS_OPERAND_TYPE_REGISTER ? checker_gpr(src->reg.value) : -1;
    int64_t off = m->mem.disp.value;

    if (at == PLACE_CPU && off == CPU_IFLAG)
        return k->b->mode & MODE_IOPL_OK ? store_flag(k, m, src)
                                         : breach64(k, "IF without the right to it");
    if (at == PLACE_HOT && off == HOT_DF)
        return store_flag(k, m, src);
    if (at == PLACE_HOT && off == HOT_BRANCH)
        return store_branch(k, m, src);
    if (at != PLACE_HOT || m->size != 64)
        return breach64(k, "write to monitor memory");
    if (home_at(off) >= 0)
        return store_home(k, home_at(off), r);
    if (word_at(off) >= 0)
        return store_word(k, word_at(off), r);
    if (off == HOT_RSP_NOT)
        return store_rsp_not(k, r);
    if (for_iret(off))
        return store_clean(k, r);
    if (off == HOT_STRSRC || off == HOT_STRDST)
        return store_str(k, off == HOT_STRDST, src, r);
    return breach64(k, "write to monitor memory");
}
