#include "monitor/expr.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_DEPTH = 64 };

struct parse {
    const char *at;
    const struct cpu *cpu;
    const char *bad; /* NULL: fine so far */
    unsigned depth;
};

static uint64_t sum(struct parse *p);

static uint64_t fail(struct parse *p, const char *why)
{
    if (!p->bad)
        p->bad = why;
    return 0;
}

static void skip_blanks(struct parse *p)
{
    while (*p->at == ' ' || *p->at == '\t')
        p->at++;
}

#define REG(member) offsetof(struct cpu, member), sizeof(((struct cpu *)NULL)->member)

static const struct {
    char name[8];
    uint32_t offset, size;
} registers[] = {
    {"rax", REG(gpr[RAX])},
    {"rcx", REG(gpr[RCX])},
    {"rdx", REG(gpr[RDX])},
    {"rbx", REG(gpr[RBX])},
    {"rsp", REG(gpr[RSP])},
    {"rbp", REG(gpr[RBP])},
    {"rsi", REG(gpr[RSI])},
    {"rdi", REG(gpr[RDI])},
    {"r8", REG(gpr[R8])},
    {"r9", REG(gpr[R9])},
    {"r10", REG(gpr[R10])},
    {"r11", REG(gpr[R11])},
    {"r12", REG(gpr[R12])},
    {"r13", REG(gpr[R13])},
    {"r14", REG(gpr[R14])},
    {"r15", REG(gpr[R15])},
    {"rip", REG(rip)},
    {"cr0", REG(cr0)},
    {"cr2", REG(cr2)},
    {"cr3", REG(cr3)},
    {"cr4", REG(cr4)},
    {"efer", REG(efer)},
    {"es", REG(seg[SEG_ES].sel)},
    {"cs", REG(seg[SEG_CS].sel)},
    {"ss", REG(seg[SEG_SS].sel)},
    {"ds", REG(seg[SEG_DS].sel)},
    {"fs", REG(seg[SEG_FS].sel)},
    {"gs", REG(seg[SEG_GS].sel)},
    {"es.base", REG(seg[SEG_ES].base)},
    {"cs.base", REG(seg[SEG_CS].base)},
    {"ss.base", REG(seg[SEG_SS].base)},
    {"ds.base", REG(seg[SEG_DS].base)},
    {"fs.base", REG(seg[SEG_FS].base)},
    {"gs.base", REG(seg[SEG_GS].base)},
};

static uint64_t value_of(const struct cpu *c, uint32_t offset, uint32_t size)
{
    uint64_t v = 0;

    memcpy(&v, (const char *)c + offset, size);
    return v;
}

static uint64_t named(struct parse *p, const char *name)
{
    for (unsigned i = 0; i < ARRAY_SIZE(registers); i++)
        if (strcmp(name, registers[i].name) == 0)
            return value_of(p->cpu, registers[i].offset, registers[i].size);
    return fail(p, "there is no such register");
}

/* $eax is the low half of $rax, as $eip of $rip. */
static uint64_t reg(struct parse *p)
{
    char name[8];
    size_t n = 0;

    while (isalnum((unsigned char)p->at[n]) || p->at[n] == '.')
        n++;
    if (!p->cpu || n == 0 || n >= sizeof(name))
        return fail(p, "there is no such register");
    memcpy(name, p->at, n);
    name[n] = '\0';
    p->at += n;
    if (strcmp(name, "eflags") == 0 || strcmp(name, "rflags") == 0)
        return cpu_rflags(p->cpu);
    if (strcmp(name, "pc") == 0)
        return p->cpu->rip;
    if (name[0] == 'e' && n == 3) {
        name[0] = 'r';
        return (uint32_t)named(p, name);
    }
    return named(p, name);
}

static uint64_t number(struct parse *p)
{
    char *end;
    uint64_t v;

    if (!isdigit((unsigned char)*p->at))
        return fail(p, *p->at ? "that is no number" : "a number is missing");
    errno = 0;
    v = strtoull(p->at, &end, 0);
    if (errno == ERANGE)
        return fail(p, "the number is too large");
    p->at = end;
    return v;
}

static uint64_t unary(struct parse *p)
{
    uint64_t v;

    skip_blanks(p);
    switch (*p->at) {
    case '+':
        p->at++;
        return ++p->depth < MAX_DEPTH ? unary(p) : fail(p, "that is too deep");
    case '-':
        p->at++;
        return ++p->depth < MAX_DEPTH ? -unary(p) : fail(p, "that is too deep");
    case '~':
        p->at++;
        return ++p->depth < MAX_DEPTH ? ~unary(p) : fail(p, "that is too deep");
    case '(':
        p->at++;
        if (++p->depth >= MAX_DEPTH)
            return fail(p, "that is too deep");
        v = sum(p);
        if (*p->at != ')')
            return fail(p, "')' is missing");
        p->at++;
        return v;
    case '\'':
        if (!p->at[1] || p->at[2] != '\'')
            return fail(p, "a character is written 'a'");
        v = (uint8_t)p->at[1];
        p->at += 3;
        return v;
    case '$':
        p->at++;
        return reg(p);
    default:
        return number(p);
    }
}

static uint64_t product(struct parse *p)
{
    uint64_t v = unary(p);

    for (;;) {
        char op;
        uint64_t w;

        skip_blanks(p);
        op = *p->at;
        if (p->bad || (op != '*' && op != '/' && op != '%'))
            return v;
        p->at++;
        w = unary(p);
        if (op == '*')
            v *= w;
        else if (w == 0)
            return fail(p, "a division by zero");
        else
            v = op == '/' ? v / w : v % w;
    }
}

static uint64_t logic(struct parse *p)
{
    uint64_t v = product(p);

    for (;;) {
        char op;
        uint64_t w;

        skip_blanks(p);
        op = *p->at;
        if (p->bad || (op != '&' && op != '|' && op != '^'))
            return v;
        p->at++;
        w = product(p);
        v = op == '&' ? v & w : op == '|' ? v | w : v ^ w;
    }
}

static uint64_t sum(struct parse *p)
{
    uint64_t v = logic(p);

    for (;;) {
        char op;
        uint64_t w;

        skip_blanks(p);
        op = *p->at;
        if (p->bad || (op != '+' && op != '-'))
            return v;
        p->at++;
        w = logic(p);
        v = op == '+' ? v + w : v - w;
    }
}

int mon_expr(const char *s, const struct cpu *c, uint64_t *value, const char **end,
             const char **bad)
{
    struct parse p = {.at = s, .cpu = c};

    *value = sum(&p);
    skip_blanks(&p);
    *end = p.at;
    *bad = p.bad;
    return p.bad ? -EINVAL : 0;
}
