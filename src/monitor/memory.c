/* Looking at memory: x, xp, print, memsave, pmemsave. Nothing here changes the guest: no accessed
 * bits, no reads of devices' registers. */
#include <capstone/capstone.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "monitor/command.h"
#include "shadowmmu/walk.h"

enum { MAX_ITEMS = 65536, MAX_INSN = 15, LINE = 16 };

static bool peek_byte(const struct mon_call *c, bool linear, uint64_t at, uint8_t *out)
{
    struct physmem *mem = c->machine->mem;
    gpa_t pa = at;
    struct walk w;

    if (linear) {
        if (!cpu_long(c->machine->cpu))
            at = (uint32_t)at;
        if (!mmu_walk(c->machine->cpu, mem, at, WALK_PEEK, &w))
            return false;
        pa = w.pa;
    }
    return physmem_read(mem, pa, out, 1) == 0;
}

/* Bytes that can be read from there on, at most len. */
static size_t peek(const struct mon_call *c, bool linear, uint64_t at, uint8_t *buf, size_t len)
{
    size_t n = 0;

    while (n < len && peek_byte(c, linear, at + n, &buf[n]))
        n++;
    return n;
}

static int64_t sign_extend(uint64_t v, unsigned size)
{
    unsigned shift = 64 - 8 * size;

    return (int64_t)(v << shift) >> shift;
}

static void print_character(struct mon_text *out, uint8_t v)
{
    if (v >= ' ' && v < 0x7f)
        mon_printf(out, "'%c'", v);
    else
        mon_printf(out, "'\\x%02x'", v);
}

static void print_value(struct mon_text *out, const struct mon_format *f, uint64_t v)
{
    switch (f->as) {
    case 'd':
        mon_printf(out, "%" PRId64, sign_extend(v, f->size));
        return;
    case 'u':
        mon_printf(out, "%" PRIu64, v);
        return;
    case 'o':
        mon_printf(out, "0%" PRIo64, v);
        return;
    case 'c':
        print_character(out, (uint8_t)v);
        return;
    default:
        mon_printf(out, "0x%0*" PRIx64, (int)(2 * f->size), v);
    }
}

static cs_mode code_mode(const struct cpu *c)
{
    if (c->mode & MODE_CS64)
        return CS_MODE_64;
    return c->mode & MODE_CS32 ? CS_MODE_32 : CS_MODE_16;
}

static int disassemble(struct mon_call *c, bool linear, uint64_t at, unsigned count)
{
    csh cs;

    if (cs_open(CS_ARCH_X86, code_mode(c->machine->cpu), &cs) != CS_ERR_OK)
        return mon_fail(c, "the disassembler does not start");
    while (count--) {
        uint8_t code[MAX_INSN];
        size_t len = peek(c, linear, at, code, sizeof(code));
        cs_insn *insn;

        if (len == 0) {
            mon_printf(c->out, "0x%08" PRIx64 ":  Cannot access memory\n", at);
            break;
        }
        if (cs_disasm(cs, code, len, at, 1, &insn) == 0) {
            mon_printf(c->out, "0x%08" PRIx64 ":  .byte 0x%02x\n", at++, code[0]);
            continue;
        }
        mon_printf(c->out, "0x%08" PRIx64 ":  %s %s\n", at, insn->mnemonic, insn->op_str);
        at += insn->size;
        cs_free(insn, 1);
    }
    cs_close(&cs);
    return 0;
}

static void dump(struct mon_call *c, bool linear, uint64_t at, const struct mon_format *f)
{
    for (unsigned i = 0; i < f->count; i++) {
        uint64_t v = 0;

        if (i * f->size % LINE == 0)
            mon_printf(c->out, "%s%016" PRIx64 ":", i ? "\n" : "", at + i * f->size);
        if (peek(c, linear, at + i * f->size, (uint8_t *)&v, f->size) < f->size) {
            mon_puts(c->out, " Cannot access memory");
            break;
        }
        mon_puts(c->out, " ");
        print_value(c->out, f, v);
    }
    mon_puts(c->out, "\n");
}

static int examine(struct mon_call *c, bool linear)
{
    struct mon_format f = c->arg[0].format;

    if (f.count > MAX_ITEMS)
        return mon_fail(c, "at most %d at once", MAX_ITEMS);
    f.count = f.count ? f.count : 1;
    if (f.as == 'i')
        return disassemble(c, linear, c->arg[1].n, f.count);
    if (!f.size)
        f.size = f.as == 'c' ? 1 : 4;
    dump(c, linear, c->arg[1].n, &f);
    return 0;
}

int mon_x(struct mon_call *c)
{
    return examine(c, true);
}

int mon_xp(struct mon_call *c)
{
    return examine(c, false);
}

int mon_print_value(struct mon_call *c)
{
    struct mon_format f = c->arg[0].format;

    if (f.as == 'i' || f.count)
        return mon_fail(c, "print has the formats x d u o c");
    f.size = f.size ? f.size : 8;
    if (f.as == 'x' || !f.as)
        mon_printf(c->out, "%#" PRIx64, c->arg[1].n);
    else
        print_value(c->out, &f, c->arg[1].n);
    mon_puts(c->out, "\n");
    return 0;
}

/* ---- to files ---- */

static int write_all(int fd, const uint8_t *buf, size_t len)
{
    while (len) {
        ssize_t n = write(fd, buf, len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        buf += n;
        len -= (size_t)n;
    }
    return 0;
}

/* The run of memory at `at` in one page. */
static size_t page_at(struct mon_call *c, bool linear, uint64_t at, size_t len, uint8_t *buf)
{
    size_t n = PAGE_SIZE - (at & PAGE_MASK);
    gpa_t pa = at;
    struct walk w;

    n = n < len ? n : len;
    if (linear) {
        if (!mmu_walk(c->machine->cpu, c->machine->mem, at, WALK_PEEK, &w))
            return 0;
        pa = w.pa;
    }
    return physmem_read(c->machine->mem, pa, buf, n) == 0 ? n : 0;
}

static int copy_out(struct mon_call *c, bool linear, int fd)
{
    uint64_t at = c->arg[0].n, left = c->arg[1].n;
    uint8_t buf[PAGE_SIZE];
    int err;

    while (left) {
        size_t n = page_at(c, linear, at, left < PAGE_SIZE ? (size_t)left : PAGE_SIZE, buf);

        if (n == 0)
            return mon_fail(c, "Invalid addr 0x%016" PRIx64 "/size %" PRIu64 " specified",
                            c->arg[0].n, c->arg[1].n);
        err = write_all(fd, buf, n);
        if (err < 0)
            return mon_fail(c, "'%s': %s", c->arg[2].text, strerror(-err));
        at += n;
        left -= n;
    }
    return 0;
}

/* A FIFO without a reader would keep the machine waiting, so O_NONBLOCK. */
static int save(struct mon_call *c, bool linear)
{
    const char *path = c->arg[2].text;
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NONBLOCK, 0666), rc;

    if (fd < 0)
        return mon_fail(c, "Could not open '%s': %s", path, strerror(errno));
    rc = copy_out(c, linear, fd);
    if (close(fd) < 0 && rc == 0)
        rc = mon_fail(c, "'%s': %s", path, strerror(errno));
    return rc;
}

int mon_memsave(struct mon_call *c)
{
    if (c->arg[3].set && c->arg[3].n != 0)
        return mon_fail(c, "Invalid parameter 'cpu-index': there is one CPU, 0");
    return save(c, true);
}

int mon_pmemsave(struct mon_call *c)
{
    return save(c, false);
}
