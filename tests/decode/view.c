#include "view.h"

#include <Zydis/Zydis.h>
#include <stdio.h>
#include <string.h>

#include "base/types.h"

static const char *const kind_names[NKINDS] = {"zydis-only", "capstone-only", "length",  "mnemonic",
                                               "count",      "register",      "address", "segment",
                                               "imm",        "memsize"};

const char *view_kind_name(unsigned kind)
{
    return kind_names[kind];
}

static uint64_t low_bytes(uint64_t v, unsigned bytes)
{
    return bytes && bytes < 8 ? v & ((UINT64_C(1) << (8 * bytes)) - 1) : v;
}

static bool same_address(const struct view *v, const struct vop *a, const struct vop *b)
{
    return a->base == b->base && a->index == b->index && a->vsib == b->vsib &&
           (a->index == 0 || a->scale == b->scale) &&
           low_bytes((uint64_t)a->disp, v->adsize) == low_bytes((uint64_t)b->disp, v->adsize);
}

static unsigned compare_op(const struct view *v, const struct vop *a, const struct vop *b)
{
    unsigned kinds = 0;

    if (a->kind != b->kind)
        return 1u << KIND_COUNT;
    switch (a->kind) {
    case VOP_REG:
        return a->reg != b->reg ? 1u << KIND_REG : 0;
    case VOP_MEM:
        kinds |= same_address(v, a, b) ? 0 : 1u << KIND_ADDRESS;
        kinds |= a->agen || a->seg == b->seg ? 0 : 1u << KIND_SEGMENT;
        kinds |= a->agen || a->size == b->size ? 0 : 1u << KIND_MEMSIZE;
        return kinds;
    case VOP_FAR:
        return a->imm != b->imm || a->selector != b->selector ? 1u << KIND_IMM : 0;
    default:
        return low_bytes(a->imm ^ b->imm, a->kind == VOP_REL ? a->size : b->size) ? 1u << KIND_IMM
                                                                                  : 0;
    }
}

static bool is_implied(const struct view *a, const struct vop *b)
{
    for (unsigned n = 0; n < a->nops; n++)
        if (a->op[n].implied && compare_op(a, &a->op[n], b) == 0)
            return true;
    return false;
}

static unsigned count_explicit(const struct view *v)
{
    unsigned n = 0;

    for (unsigned k = 0; k < v->nops; k++)
        n += !v->op[k].implied;
    return n;
}

/* a's explicit operands against b's, in order; b may list implied ones too. */
static unsigned compare_operands(const struct view *a, const struct view *b)
{
    unsigned explicit = count_explicit(a), kinds = 0, j = 0;
    unsigned surplus = b->nops > explicit ? b->nops - explicit : 0;

    for (unsigned n = 0; n < a->nops; n++) {
        if (a->op[n].implied)
            continue;
        while (surplus && compare_op(a, &a->op[n], &b->op[j]) && is_implied(a, &b->op[j])) {
            surplus--;
            j++;
        }
        if (j == b->nops)
            return 1u << KIND_COUNT;
        kinds |= compare_op(a, &a->op[n], &b->op[j++]);
    }
    for (; j < b->nops; j++)
        if (!is_implied(a, &b->op[j]))
            return 1u << KIND_COUNT;
    return kinds & 1u << KIND_COUNT ? 1u << KIND_COUNT : kinds;
}

unsigned view_compare(const struct view *a, const struct view *b)
{
    if (a->valid != b->valid)
        return a->valid ? 1u << KIND_FIRST_ONLY : 1u << KIND_SECOND_ONLY;
    if (!a->valid)
        return 0;
    if (a->len != b->len)
        return 1u << KIND_LENGTH;
    return compare_operands(a, b);
}

unsigned view_compare_names(struct decoders *d, const struct view *z, const struct view *c)
{
    unsigned kinds = view_compare(z, c);

    if (z->valid && c->valid && z->len == c->len && !decoders_same_name(d, z, c))
        kinds |= 1u << KIND_MNEMONIC;
    return kinds;
}

const char *zydis_name(const struct view *v)
{
    return v->valid ? ZydisMnemonicGetString((ZydisMnemonic)v->mnemonic) : "-";
}

static const char *reg_name(unsigned r)
{
    const char *name = r ? ZydisRegisterGetString((ZydisRegister)r) : NULL;

    return name ? name : "none";
}

static int print_op(const struct vop *o, char *out, unsigned size)
{
    switch (o->kind) {
    case VOP_REG:
        return snprintf(out, size, "%s", reg_name(o->reg));
    case VOP_MEM:
        return snprintf(out, size, "%u@%s:%s+%s*%u%+lld%s", o->size, reg_name(o->seg),
                        reg_name(o->base), reg_name(o->index), o->scale, (long long)o->disp,
                        o->agen ? "(agen)" : "");
    case VOP_FAR:
        return snprintf(out, size, "%x:%llx", o->selector, (unsigned long long)o->imm);
    default:
        return snprintf(out, size, "%s%u#%llx", o->kind == VOP_REL ? "rel" : "", o->size,
                        (unsigned long long)o->imm);
    }
}

void view_print(struct decoders *d, const struct view *v, bool capstone, char *out, unsigned size)
{
    int n;

    if (!v->valid) {
        snprintf(out, size, "#UD");
        return;
    }
    n = snprintf(out, size, "%u %s", v->len, capstone ? capstone_name(d, v) : zydis_name(v));
    for (unsigned k = 0; k < v->nops; k++) {
        if ((unsigned)n + 2 >= size)
            return;
        n += snprintf(out + n, size - (unsigned)n, v->op[k].implied ? " ~" : " ");
        n += print_op(&v->op[k], out + n, size > (unsigned)n ? size - (unsigned)n : 0);
    }
}
