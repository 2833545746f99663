/* What registers hold after an instruction. */
#include "translator/checker32.h"

/* The look-up of a landing, or in the jump cache, speaks of R8, R9 and R11: a new value in one is
 * another look-up. */
static void end_lookup(struct facts *f, int r)
{
    if (r != H_R8 && r != H_R9 && r != H_R11)
        return;
    f->tag_ok = false;
    for (unsigned i = 0; i < 16; i++) {
        struct fact *x = &f->r[i];

        if (x->what == K_TAG64 || x->what == K_MATCH64 || (r == H_R8 && x->what == K_LANDING))
            x->what = K_ANY;
        else if (x->what == K_TARGET || x->what == K_FROM_HERE)
            x->what = r == H_R8 ? K_U32 : x->what;
        else if (r == H_R8 && (x->what == K_HASH || x->what == K_INDEX))
            x->what = x->what == K_INDEX ? K_SHIFTED : K_U32;
    }
}
bool checker32_control_register(const struct check *k, const ZydisDecodedOperand *o, int index)
{
    int64_t at = o->mem.disp.value;

    bool selector = o->size == 16 && (at == CPU_SEG + 24 * SEG_LDTR || at == CPU_SEG + 24 * SEG_TR);
    bool control = o->size == 32 && at >= CPU_CR0 && at <= CPU_CR4 && at % 8 == 0;

    return index < 0 && !checker_writes(o) && (selector || control) &&
           !(k->b->mode & (MODE_CPL3 | MODE_CPL12));
}

/* Words of the monitor that hold guest state: the guest may have them. */
static bool is_guest_word(const struct check *k, const ZydisDecodedOperand *m)
{
    int64_t off = m->mem.disp.value;

    if (m->mem.index != ZYDIS_REGISTER_NONE)
        return false;
    if (checker_gpr(m->mem.base) == H_R14)
        return (off == CPU_IFLAG && m->size == 8) || checker32_control_register(k, m, -1);
    if (off >= HOT_SEGMEM && off < HOT_SEGMEM + NSEG * 16) /* the base; windows are 4 GiB aligned */
        return off % 8 == 0 && m->size == 32;
    if (m->size == 32 && off >= HOT_DESCLIN && off < HOT_FRAME)
        return true;
    if (off >= HOT_SEGODD && off < HOT_SEGODD + NSEG)
        return m->size == 8;
    if (m->size == 32 && off >= HOT_DESCLIN && off < HOT_FRAME)
        return true;
    return ((off == HOT_GDT || off == HOT_TSC_AUX) && m->size == 32) ||
           (off == HOT_DF && m->size == 8) ||
           (off >= HOT_SEGBASE && off + m->size / 8 <= HOT_OTHER + 4 && m->size <= 32);
}

static unsigned hot_pointer(const struct check *k, int64_t off)
{
    bool user = k->b->mode & MODE_CPL3;

    if (off == HOT_CTX)
        return K_CTX;
    if (off == HOT_LANDINGS)
        return bt_segmented(k->b->mode) ? K_ANY : K_LANDINGS; /* they know no base of CS */
    if (off == HOT_VIEWTAB)
        return user ? K_ANY : K_VIEWS;
    if (off == HOT_TSC_OFF)
        return K_WIDE;
    if (off == HOT_IRQ || off == HOT_POISON)
        return K_POLL;
    if (((off >= HOT_SEGMEM && off < HOT_SEGMEM + NSEG * 16) ||
         (off >= HOT_SEGTYPED && off < HOT_SEGTYPED + NSEG * 16) || off == HOT_SEGNULL) &&
        off % 8 == 0)
        return bt_segmented(k->b->mode) ? K_SEGMENT : K_ANY; /* of no meaning in flat code */
    if (off >= HOT_WINDOW && off < HOT_SEGBASE)
        return K_WINDOW;
    /* user code may not choose a window: all but its own show supervisor pages */
    return off >= HOT_BASE && off < HOT_WINDOW && !user ? K_WINDOW : K_ANY;
}

static bool is_tag(const struct check *k, const ZydisDecodedOperand *m)
{
    return checker_gpr(m->mem.base) == H_R11 && checker_gpr(m->mem.index) == H_R9 &&
           kind(k, H_R11) == K_CTX && kind(k, H_R9) == K_INDEX && m->mem.scale == 8 &&
           m->mem.disp.value == CTX_TAGS && m->size == 64;
}

bool checker32_is_guest_memory(const struct check *k, const ZydisDecodedOperand *m)
{
    int base = checker_gpr(m->mem.base);

    if (m->mem.segment == ZYDIS_REGISTER_GS)
        return true;
    return base != H_R14 && base != H_R15 && kind(k, base) != K_CTX && kind(k, base) != K_VIEWS &&
           kind(k, base) != K_POLL;
}

/* MOV and MOVZX from memory. */
static struct fact loaded(const struct check *k, const ZydisDecodedOperand *m, unsigned size)
{
    int base = checker_gpr(m->mem.base);
    unsigned what = K_SECRET;

    if (size == 64 && is_tag(k, m))
        what = K_TAG64;
    else if (size == 64 && (m->mem.segment == ZYDIS_REGISTER_GS || kind(k, base) == K_BASE))
        what = K_WIDE;
    else if (size == 64)
        what = base == H_R15 && m->size == 64 ? hot_pointer(k, m->mem.disp.value) : K_ANY;
    else if (checker32_is_guest_memory(k, m) || kind(k, base) == K_POLL)
        what = K_U32;
    else if (kind(k, base) == K_VIEWS)
        what = m->size == 8 ? K_VIEW : K_SECRET;
    else if (kind(k, base) == K_CTX)
        what = K_SECRET;
    else if (is_guest_word(k, m))
        what = K_U32;
    return (struct fact){.what = (uint8_t)what};
}

/* MOV keeps what the source was; 32 bits of a host pointer are a secret, of a string pointer the
 * guest's own. */
static struct fact moved(const struct check *k, const ZydisDecodedOperand *s, unsigned size)
{
    int r;

    if (s->type == ZYDIS_OPERAND_TYPE_IMMEDIATE)
        return (struct fact){K_CONST, size == 32 ? (uint32_t)s->imm.value.u : s->imm.value.u};
    if (s->type == ZYDIS_OPERAND_TYPE_MEMORY)
        return loaded(k, s, size);
    r = checker_gpr(s->reg.value);
    if (r < 0) /* MOVD and the like: guest data */
        return (struct fact){.what = size == 32 ? K_U32 : K_ANY};
    if (size == 32 && s->size == 16 && is_clean(&k->now.r[r]))
        return (struct fact){.what = K_U16};
    if (kind(k, r) == K_BASE)
        return (struct fact){.what = size == 32 && s->size == 32 ? K_SEED : K_ANY};
    if (s->size == size && (size == 64 || is_u32(&k->now.r[r])))
        return k->now.r[r];
    if (size == 64)
        return (struct fact){.what = K_ANY};
    return (struct fact){.what =
                             is_guests(&k->now.r[r]) || kind(k, r) == K_STRING ? K_U32 : K_SECRET};
}

/* index * 2 + a constant below 2^8, which bounds what is behind the operand's first byte. */
static bool is_sum(const struct check *k, const ZydisDecodedOperand *m, int index)
{
    return index >= 0 && m->mem.base == ZYDIS_REGISTER_NONE && m->mem.scale == 2 &&
           m->mem.disp.value >= 0 && m->mem.disp.value < 1 << 8 && k->in.address_width == 64 &&
           is_clean(&k->now.r[index]);
}

/* A base of CS where a key has it. */
static bool is_high(const struct check *k, int r)
{
    return kind(k, r) == K_HIGH || (kind(k, r) == K_CONST && !(k->now.r[r].value << 32));
}

static unsigned computed64(const struct check *k, const ZydisDecodedOperand *m, int dst)
{
    int base = checker_gpr(m->mem.base), index = checker_gpr(m->mem.index);
    bool plain = index >= 0 && base >= 0 && m->mem.scale == 1 && m->mem.disp.value == 0;

    if (is_sum(k, m, index))
        return K_SUM33;
    if ((dst == H_RSI || dst == H_RDI) && kind(k, base) == K_BASE && index == dst &&
        m->mem.scale == 1 && m->mem.disp.value == -BT_SHIFT && is_clean(&k->now.r[dst]))
        return K_STRING;
    if (!plain)
        return K_ANY;
    if ((dst == H_RSI || dst == H_RDI) && base == dst && is_clean(&k->now.r[base]) &&
        (kind(k, index) == K_WINDOW || kind(k, index) == K_SEGMENT))
        return K_STRING;
    if (bt_segmented(k->b->mode) && kind(k, base) == K_WINDOW && is_clean(&k->now.r[index]))
        return K_SEGMENT;
    if (base == H_R8 && is_clean(&k->now.r[base]) && is_high(k, index))
        return K_KEY;
    if (is_guests(&k->now.r[base]) && is_guests(&k->now.r[index]))
        return K_WIDE;
    return kind(k, base) == K_TAG64 && index == H_R8 ? K_MATCH64 : K_ANY;
}

static struct fact computed(const struct check *k, const ZydisDecodedOperand *m, int dst,
                            unsigned size)
{
    int base = checker_gpr(m->mem.base), index = checker_gpr(m->mem.index);

    if (size == 64)
        return (struct fact){.what = (uint8_t)computed64(k, m, dst)};
    if (is_sum(k, m, index) && kind(k, index) == K_U16)
        return (struct fact){.what = K_SUM17};
    if (base == H_R8 && index < 0 && kind(k, base) == K_TARGET &&
        (uint32_t)m->mem.disp.value == 0 - (uint32_t)k->b->rip)
        return (struct fact){.what = K_FROM_HERE};
    if ((base >= 0 && !is_clean(&k->now.r[base])) || (index >= 0 && !is_clean(&k->now.r[index])))
        return (struct fact){.what = K_SECRET};
    return (struct fact){.what = K_U32};
}

/* The arithmetic of the jump cache and of the view table. */
static unsigned lookup_step(const struct check *k, int dst)
{
    const ZydisDecodedOperand *s = &k->op[1], *c = &k->op[2];

    if (s->type != ZYDIS_OPERAND_TYPE_REGISTER)
        return K_U32;
    if (k->in.mnemonic == ZYDIS_MNEMONIC_CRC32 && kind(k, dst) == K_SEED && s->size == 64 &&
        checker_gpr(s->reg.value) == H_R8 && (is_u32(&k->now.r[H_R8]) || kind(k, H_R8) == K_KEY))
        return K_HASH;
    if (k->in.mnemonic != ZYDIS_MNEMONIC_SHRX || c->type != ZYDIS_OPERAND_TYPE_REGISTER ||
        checker_gpr(c->reg.value) != H_R13)
        return K_U32;
    switch (kind(k, checker_gpr(s->reg.value))) {
    case K_HASH:
        return K_INDEX;
    case K_SUM17:
        return K_BIT;
    default:
        return K_SHIFTED;
    }
}

/* SHRX by R13 of 33 bits and a little: 16 bits and a little. */
static bool is_shifted_sum(const struct check *k)
{
    const ZydisDecodedOperand *s = &k->op[1], *c = &k->op[2];

    return k->in.mnemonic == ZYDIS_MNEMONIC_SHRX && s->type == ZYDIS_OPERAND_TYPE_REGISTER &&
           kind(k, checker_gpr(s->reg.value)) == K_SUM33 &&
           c->type == ZYDIS_OPERAND_TYPE_REGISTER && checker_gpr(c->reg.value) == H_R13;
}

/* RORX of 32 bits by 32. */
static bool is_turned(const struct check *k)
{
    const ZydisDecodedOperand *s = &k->op[1];

    return k->in.mnemonic == ZYDIS_MNEMONIC_RORX && s->type == ZYDIS_OPERAND_TYPE_REGISTER &&
           k->op[2].type == ZYDIS_OPERAND_TYPE_IMMEDIATE && k->op[2].imm.value.u == 32 &&
           is_clean(&k->now.r[checker_gpr(s->reg.value)]);
}

static bool may_not_write(ZydisMnemonic m)
{
    return m == ZYDIS_MNEMONIC_BSF || m == ZYDIS_MNEMONIC_BSR || m == ZYDIS_MNEMONIC_CMPXCHG ||
           m == ZYDIS_MNEMONIC_NOP;
}

/* Some source is a host value. */
static bool has_secret(const struct check *k)
{
    for (unsigned i = 0; i < k->in.operand_count; i++) {
        const ZydisDecodedOperand *o = &k->op[i];
        int r = o->type == ZYDIS_OPERAND_TYPE_REGISTER ? checker_gpr(o->reg.value) : -1;

        if (!(o->actions & ZYDIS_OPERAND_ACTION_MASK_READ))
            continue;
        if (r >= 0 && !is_clean(&k->now.r[r]))
            return true;
        if (o->type == ZYDIS_OPERAND_TYPE_MEMORY && o->mem.type != ZYDIS_MEMOP_TYPE_AGEN &&
            !checker32_is_guest_memory(k, o) && !is_guest_word(k, o))
            return true;
    }
    return false;
}

/* 16 bits of R8 in place of 16 that are zero. */
static bool is_landing(const struct check *k, const ZydisDecodedOperand *d, int r)
{
    const ZydisDecodedOperand *s = &k->op[1];

    return k->in.mnemonic == ZYDIS_MNEMONIC_MOV && d == &k->op[0] && kind(k, r) == K_LANDINGS &&
           s->type == ZYDIS_OPERAND_TYPE_REGISTER && checker_gpr(s->reg.value) == H_R8;
}

static struct fact result(const struct check *k, const ZydisDecodedOperand *d, int r, unsigned size)
{
    const struct fact *old = &k->now.r[r];
    ZydisMnemonic m = k->in.mnemonic;
    unsigned what;

    if (d == &k->op[0] && size >= 32 && (m == ZYDIS_MNEMONIC_MOV || m == ZYDIS_MNEMONIC_MOVZX))
        return moved(k, &k->op[1], size);
    if (d == &k->op[0] && size >= 32 && m == ZYDIS_MNEMONIC_LEA)
        return computed(k, &k->op[1], r, size);
    if (k->in.meta.category == ZYDIS_CATEGORY_STRINGOP)
        return *old; /* RSI, RDI stay in the window or its gap, RCX counts down; EAX of LODS */
    if (size == 64 && d == &k->op[0] && lookup_step(k, r) == K_HASH)
        return (struct fact){.what = K_HASH};
    if (size == 64 && d == &k->op[0] && is_shifted_sum(k))
        return (struct fact){.what = K_U32};
    if (size == 64 && is_turned(k))
        return (struct fact){.what = K_HIGH};
    if (size == 64 && m == ZYDIS_MNEMONIC_RORX && k->op[1].type == ZYDIS_OPERAND_TYPE_REGISTER &&
        is_guests(&k->now.r[checker_gpr(k->op[1].reg.value)]))
        return (struct fact){.what = K_WIDE};
    if (size == 16 && is_landing(k, d, r))
        return (struct fact){.what = K_LANDING};
    if (size == 64 || ((size < 32 || may_not_write(m)) && !is_u32(old)))
        return (struct fact){.what = K_ANY};
    what = size == 32 && d == &k->op[0] ? lookup_step(k, r) : K_U32;
    if (what == K_U32 && (has_secret(k) || (size < 32 && !is_clean(old))))
        what = K_SECRET;
    return (struct fact){.what = (uint8_t)what};
}

static bool register_write(struct check *k, const ZydisDecodedOperand *d, struct facts *next)
{
    unsigned size = d->size;
    int r = checker_gpr(d->reg.value);

    if (r == H_RSP && k->in.mnemonic == ZYDIS_MNEMONIC_CALL)
        return true;
    if (!is_guest(r) && !is_scratch(r))
        return breach(k, "a register of the monitor is written");
    next->r[r] = result(k, d, r, size);
    end_lookup(next, r);
    if (is_guest(r) && !is_u32(&next->r[r]) && next->r[r].what != K_STRING &&
        !(r == H_RCX && (next->r[r].what == K_TAG64 || next->r[r].what == K_MATCH64)))
        return breach(k, "upper half of a guest register");
    return true;
}

bool checker32_registers_ok(struct check *k)
{
    struct facts next = k->now;

    for (unsigned i = 0; i < k->in.operand_count; i++) {
        const ZydisDecodedOperand *o = &k->op[i];
        ZydisRegisterClass c;

        if (o->type != ZYDIS_OPERAND_TYPE_REGISTER)
            continue;
        c = ZydisRegisterGetClass(o->reg.value);
        if (checker_is_system(o->reg.value))
            return breach(k, "a system register");
        if (c < ZYDIS_REGCLASS_GPR8 || c > ZYDIS_REGCLASS_GPR64)
            continue;
        if (k->in.mnemonic != ZYDIS_MNEMONIC_CALL &&
            (checker_gpr(o->reg.value) == H_RSP || checker_gpr(o->reg.value) >= H_R14))
            return breach(k, "a pointer of the monitor as an operand");
        if (checker_writes(o) && !register_write(k, o, &next))
            return false;
    }
    k->now = next;
    return true;
}
