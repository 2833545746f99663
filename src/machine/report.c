/* What the user sees when a guest or the monitor ends badly. */
#include <capstone/capstone.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "machine/exit_status.h"
#include "machine/machine.h"
#include "shadowmmu/walk.h"

static const char *const vector_names[32] = {
    [VEC_DE] = "#DE divide error",
    [VEC_DB] = "#DB debug",
    [VEC_NMI] = "NMI",
    [VEC_BP] = "#BP breakpoint",
    [VEC_OF] = "#OF overflow",
    [VEC_BR] = "#BR bound range",
    [VEC_UD] = "#UD invalid opcode",
    [VEC_NM] = "#NM no math",
    [VEC_DF] = "#DF double fault",
    [VEC_TS] = "#TS invalid TSS",
    [VEC_NP] = "#NP not present",
    [VEC_SS] = "#SS stack fault",
    [VEC_GP] = "#GP general protection",
    [VEC_PF] = "#PF page fault",
    [VEC_MF] = "#MF x87 error",
    [VEC_AC] = "#AC alignment check",
    [VEC_MC] = "#MC machine check",
    [VEC_XM] = "#XM SIMD error",
};

static void report_fault(const struct fault *f, unsigned n, FILE *out)
{
    const char *name =
        f->vector < 32 && vector_names[f->vector] ? vector_names[f->vector] : "interrupt";

    fprintf(out, "  %u. %s (vector %u)", n, name, f->vector);
    if (f->has_err)
        fprintf(out, ", error code %04x", f->err);
    if (f->vector == VEC_PF)
        fprintf(out, ", address %08" PRIx64 ": %s %s of a %s page", f->cr2,
                f->err & PF_U ? "user" : "supervisor",
                f->err & PF_I   ? "fetch"
                : f->err & PF_W ? "write"
                                : "read",
                f->err & PF_P ? "protected" : "not-present");
    fprintf(out, "\n");
}

/* Bytes at CS:rip through the guest's page tables, without touching A bits. */
static size_t code_bytes(const struct machine *m, uint8_t *buf, size_t max)
{
    const struct cpu *c = m->cpu;
    size_t n = 0;
    struct walk w;
    hva_t p;

    for (; n < max; n++) {
        gva_t at = cpu_linear_rip(c) + n;

        if (!mmu_walk(c, (struct physmem *)&m->mem, cpu_cs64(c) ? at : (uint32_t)at, WALK_PEEK, &w))
            break;
        p = physmem_ptr(&m->mem, w.pa);
        if (!p)
            break;
        buf[n] = *p;
    }
    return n;
}

static cs_mode code_mode(uint32_t mode)
{
    if (mode & MODE_CS64)
        return CS_MODE_64;
    return mode & MODE_CS32 ? CS_MODE_32 : CS_MODE_16;
}

static void report_code(const struct machine *m, FILE *out)
{
    uint8_t buf[48];
    size_t len = code_bytes(m, buf, sizeof(buf)), n;
    cs_insn *insn;
    csh cs;

    if (len == 0) {
        fprintf(out, "code: not readable\n");
        return;
    }
    if (cs_open(CS_ARCH_X86, code_mode(m->cpu->mode), &cs) != CS_ERR_OK)
        return;
    n = cs_disasm(cs, buf, len, m->cpu->rip, 6, &insn);
    fprintf(out, "code:\n");
    for (size_t i = 0; i < n; i++)
        fprintf(out, "  %08" PRIx64 "  %s %s\n", insn[i].address, insn[i].mnemonic, insn[i].op_str);
    cs_free(insn, n);
    cs_close(&cs);
}

void machine_report_shutdown(const struct machine *m, FILE *out)
{
    const struct cpu *c = m->cpu;

    fprintf(
        out,
        "\ndragoman: triple fault: the guest's CPU shut down. The exceptions that led to it:\n");
    for (unsigned i = 0; i < c->nchain; i++)
        report_fault(&c->chain[i], i + 1, out);
    cpu_dump(c, out);
    report_code(m, out);
}

void machine_fatal(void *opaque, int sig, ucontext_t *uc)
{
    const struct machine *m = opaque;
    char text[256];
    int len;

    terminal_restore_hooked();
    fflush(m->log.out); /* not safe here, but the log is worth the risk: we are dying */
    len = snprintf(text, sizeof(text),
                   "\ndragoman: a bug in the monitor itself: signal %d at %llx, address %llx, "
                   "guest eip %llx. Please report it.\n",
                   sig, (unsigned long long)uc->uc_mcontext.gregs[REG_RIP],
                   (unsigned long long)uc->uc_mcontext.gregs[REG_CR2],
                   (unsigned long long)m->cpu->rip);
    if (write(STDERR_FILENO, text, (size_t)len) < 0)
        return;
    if (!getenv("DRAGOMAN_CORE"))
        _exit(EXIT_MONITOR_BUG);
}
