/* cpu.c - reset, the derived mode bits, the register dump. */
#include "cpu/cpu.h"

#include <inttypes.h>
#include <string.h>

#include "base/bits.h"
#include "cpu/debug.h"
#include "cpu/desc.h"
#include "cpu/model.h"

enum {
    EF_ALL = EF_ARITH | EF_TF | EF_DF | EF_IOPL | EF_NT | EF_RF | EF_VM | EF_AC | EF_VIF | EF_VIP |
             EF_ID, /* but IF, which lives in iflag */
    MISC_FAST_STRINGS = 1 << 0,
    MISC_NO_BTS = 1 << 11,
    MISC_NO_PEBS = 1 << 12,
    APIC_RESET = 0x900, /* enabled, bootstrap processor */
};

static const uint64_t pat_reset = UINT64_C(0x0007040600070406);
static const uint64_t ucode_rev = UINT64_C(1) << 32;

/* Offsets in the legacy XSAVE area (SDM 1 table 10-2, 13.4). */
enum { XS_FCW = 0, XS_FTW = 4, XS_MXCSR = 24, XS_MXCSR_MASK = 28, XS_XSTATE_BV = 512 };

static void reset_fpu(struct cpu *c)
{
    memset(c->fpu, 0, sizeof(c->fpu));
    st16(c->fpu + XS_FCW, 0x0040);
    c->fpu[XS_FTW] = 0xff; /* abridged: all eight registers hold +0.0 (FTW 5555h) */
    st32(c->fpu + XS_MXCSR, 0x1f80);
    st32(c->fpu + XS_MXCSR_MASK, 0xffff);
    st64(c->fpu + XS_XSTATE_BV, 3);
    c->fcs = 0;
    c->fds = 0;
    c->fpu_live = 0;
}

static void reset_segments(struct cpu *c)
{
    const uint16_t data = ATTR_P | ATTR_S | ATTR_W | ATTR_A;

    for (unsigned i = 0; i < NSEG; i++)
        c->seg[i] = (struct seg){.attr = data, .limit = 0xffff, .usable = true};
    c->seg[SEG_CS].sel = 0xf000;
    c->seg[SEG_CS].base = 0xffff0000;
    c->seg[SEG_LDTR] = (struct seg){.attr = ATTR_P | SYS_LDT, .limit = 0xffff, .usable = true};
    c->seg[SEG_TR] = (struct seg){.attr = ATTR_P | SYS_TSS32_BUSY, .limit = 0xffff, .usable = true};
    c->gdtr = (struct dtable){.limit = 0xffff};
    c->idtr = (struct dtable){.limit = 0xffff};
}

static void reset_msrs(struct cpu *c)
{
    c->efer = 0;
    c->xcr0 = 1;
    c->tsc_offset = c->hooks.tsc ? -c->hooks.tsc(c->hooks.opaque) : 0;
    c->sysenter_cs = c->sysenter_esp = c->sysenter_eip = 0;
    c->star = c->lstar = c->cstar = c->fmask = c->kernel_gs_base = c->tsc_aux = 0;
    c->pat = pat_reset;
    c->misc_enable = MISC_FAST_STRINGS | MISC_NO_BTS | MISC_NO_PEBS;
    c->apic_base = c->model && model_has(c->model, FEAT_APIC) ? 0xfee00000 | APIC_RESET : 0;
    c->mtrr_def_type = 0;
    memset(c->mtrr_fixed, 0, sizeof(c->mtrr_fixed));
    memset(c->mtrr_var, 0, sizeof(c->mtrr_var));
    c->spec_ctrl = c->debugctl = 0;
    c->bios_sign_id = ucode_rev;
}

static void reset_events(struct cpu *c)
{
    c->intr = c->intr_shadow = c->halted = c->shutdown = 0;
    c->nmi_pending = c->nmi_blocked = c->in_rep = c->debug_trap = 0;
    c->pending_dr6 = 0;
    c->delivering = 0;
    c->nchain = 0;
    memset(&c->fault, 0, sizeof(c->fault));
    memset(c->chain, 0, sizeof(c->chain));
}

void cpu_reset(struct cpu *c)
{
    memset(c->gpr, 0, sizeof(c->gpr));
    c->gpr[RDX] = c->model ? c->model->signature : 0;
    c->rip = c->next_rip = 0xfff0;
    c->iflag = 0;
    c->cpl = 0;
    reset_segments(c);
    c->cr0 = CR0_CD | CR0_NW | CR0_ET;
    c->cr2 = c->cr3 = c->cr4 = c->cr8 = 0;
    memset(c->pdpte, 0, sizeof(c->pdpte));
    memset(c->dr, 0, sizeof(c->dr));
    c->dr[6] = DR6_FIXED;
    c->dr[7] = DR7_ONE;
    reset_msrs(c);
    reset_fpu(c);
    reset_events(c);
    cpu_set_rflags(c, EF_R1);
    if (c->log && log_on(c->log, LOG_CPU_RESET)) {
        log_printf(c->log, LOG_CPU_RESET, "CPU Reset\n");
        cpu_dump(c, c->log->out);
    }
}

static bool flat_range(const struct seg *s)
{
    return s->usable && s->base == 0 && s->limit == UINT32_MAX;
}

/* Data: writable, expand-up. CS: readable code, or the data-like CS of real mode. */
static bool is_flat(const struct seg *s, bool cs)
{
    uint16_t kind = s->attr & (ATTR_P | ATTR_S | ATTR_CODE | ATTR_E | ATTR_W);
    uint16_t data = ATTR_P | ATTR_S | ATTR_W;

    if (cs)
        kind &= ~(kind & ATTR_CODE ? ATTR_CODE | ATTR_E : 0);
    return flat_range(s) && kind == data;
}

/* In 64-bit code CS, SS, DS and ES are flat whatever they hold (SDM 1 3.4.2.1), also a null SS. */
static uint32_t segment_mode(struct cpu *c)
{
    uint32_t m = 0;

    for (unsigned i = 0; i < NSEG; i++)
        c->seg[i].flat = is_flat(&c->seg[i], i == SEG_CS);
    if (cpu_long(c) && (c->seg[SEG_CS].attr & ATTR_L))
        return MODE_LMA | MODE_CS64 | (c->cr4 & CR4_FSGSBASE ? MODE_FSGSBASE : 0);
    m |= c->seg[SEG_CS].flat ? MODE_FLAT_CS : 0;
    m |= c->seg[SEG_SS].flat ? MODE_FLAT_SS : 0;
    m |= c->seg[SEG_DS].flat ? MODE_FLAT_DS : 0;
    m |= c->seg[SEG_ES].flat ? MODE_FLAT_ES : 0;
    m |= c->seg[SEG_CS].attr & ATTR_DB ? MODE_CS32 : 0;
    m |= c->seg[SEG_SS].attr & ATTR_DB ? MODE_SS32 : 0;
    m |= cpu_long(c) ? MODE_LMA : 0;
    return m;
}

static uint32_t privilege_mode(const struct cpu *c)
{
    uint32_t m = 0;

    if (c->cpl)
        m |= c->cpl == 3 ? MODE_CPL3 : MODE_CPL12;
    if (c->rflags & EF_VM)
        m |= MODE_VM;
    if (c->rflags & EF_TF)
        m |= MODE_TF;
    if (c->cpl <= cpu_iopl(c))
        m |= MODE_IOPL_OK;
    if (c->cpl == 3 && (c->cr0 & CR0_AM) && (c->rflags & EF_AC))
        m |= MODE_AC;
    if (c->cpl && (c->cr4 & CR4_TSD))
        m |= MODE_TSD;
    return m;
}

static uint32_t unit_mode(const struct cpu *c)
{
    enum { XCR0_SSE_AVX = 6 };
    uint32_t m = 0;

    if (c->cr0 & (CR0_TS | CR0_EM))
        m |= MODE_NOFPU | MODE_NOSSE;
    if (!(c->cr4 & CR4_OSFXSR))
        m |= MODE_NOSSE;
    if (!(c->cr4 & CR4_OSXSAVE) || (c->xcr0 & XCR0_SSE_AVX) != XCR0_SSE_AVX || (c->cr0 & CR0_TS))
        m |= MODE_NOAVX;
    return m;
}

void cpu_update_mode(struct cpu *c)
{
    uint32_t m = segment_mode(c) | privilege_mode(c) | unit_mode(c);

    m |= c->cr0 & CR0_PE ? MODE_PE : 0;
    m |= c->cr0 & CR0_PG ? MODE_PG : 0;
    m |= c->cr0 & CR0_WP ? MODE_WP : 0;
    m |= c->dr[7] & DR7_ENABLES ? MODE_DR7 : 0;
    c->mode = m;
}

void cpu_update_data_segment(struct cpu *c, unsigned seg)
{
    static const uint32_t mode_bit[NSEG] = {[SEG_ES] = MODE_FLAT_ES, [SEG_DS] = MODE_FLAT_DS};

    c->seg[seg].flat = is_flat(&c->seg[seg], false);
    c->mode &= ~mode_bit[seg];
    if (c->seg[seg].flat && !cpu_cs64(c))
        c->mode |= mode_bit[seg];
}

void cpu_set_rflags(struct cpu *c, uint32_t v)
{
    c->rflags = (v & EF_ALL) | EF_R1;
    c->iflag = v >> 9 & 1;
    cpu_update_mode(c);
}

/* 64-bit code has RAX, all other EAX. */
static char width_letter(const struct cpu *c)
{
    return cpu_cs64(c) ? 'R' : 'E';
}

static int width_digits(const struct cpu *c)
{
    return cpu_cs64(c) ? 16 : 8;
}

static void dump_flags(const struct cpu *c, FILE *out)
{
    uint32_t f = cpu_rflags(c);

    fprintf(out,
            "%cIP=%0*" PRIx64 " %cFL=%08" PRIx32
            " [%c%c%c%c%c%c%c] CPL=%d II=%d HLT=%d IOPL=%u%s%s\n",
            width_letter(c), width_digits(c), c->rip, width_letter(c), f, f & EF_DF ? 'D' : '-',
            f & EF_OF ? 'O' : '-', f & EF_SF ? 'S' : '-', f & EF_ZF ? 'Z' : '-',
            f & EF_AF ? 'A' : '-', f & EF_PF ? 'P' : '-', f & EF_CF ? 'C' : '-', c->cpl,
            c->intr_shadow, c->halted, cpu_iopl(c), f & EF_IF ? " IF" : "", f & EF_VM ? " VM" : "");
}

static const char *segment_kind(const struct cpu *c, const struct seg *s)
{
    if (!(s->attr & ATTR_CODE))
        return s->attr & ATTR_DB ? "DS" : "DS16";
    if (cpu_long(c) && (s->attr & ATTR_L))
        return "CS64";
    return s->attr & ATTR_DB ? "CS32" : "CS16";
}

static void dump_segment(const struct cpu *c, const char *name, const struct seg *s, FILE *out)
{
    const char *kind = segment_kind(c, s);

    fprintf(out, "%-3s=%04x %08" PRIx64 " %08" PRIx32 " %08x", name, s->sel, s->base, s->limit,
            (unsigned)s->attr << 8);
    if (!s->usable)
        fprintf(out, " unusable\n");
    else if (s->attr & ATTR_S)
        fprintf(out, " DPL=%d %-4s [%c%c%c]\n", (s->attr >> ATTR_DPL_SHIFT) & 3, kind,
                s->attr & ATTR_E ? (s->attr & ATTR_CODE ? 'C' : 'E') : '-',
                s->attr & ATTR_W ? (s->attr & ATTR_CODE ? 'R' : 'W') : '-',
                s->attr & ATTR_A ? 'A' : '-');
    else
        fprintf(out, " DPL=%d type %d\n", (s->attr >> ATTR_DPL_SHIFT) & 3, s->attr & 15);
}

void cpu_dump(const struct cpu *c, FILE *out)
{
    static const char *const gpr[] = {"AX", "CX", "DX", "BX", "SP", "BP", "SI", "DI"};
    static const uint8_t order[] = {RAX, RBX, RCX, RDX, RSI, RDI, RBP, RSP};
    static const char *const seg[] = {"ES", "CS", "SS", "DS", "FS", "GS", "LDT", "TR"};

    for (unsigned i = 0; i < ARRAY_SIZE(order); i++)
        fprintf(out, "%c%s=%0*" PRIx64 "%c", width_letter(c), gpr[order[i]], width_digits(c),
                c->gpr[order[i]], i % 4 == 3 ? '\n' : ' ');
    for (unsigned i = R8; cpu_long(c) && i < NGPR; i++)
        fprintf(out, "R%-2u=%0*" PRIx64 "%c", i, width_digits(c), c->gpr[i],
                i % 4 == 3 ? '\n' : ' ');
    dump_flags(c, out);
    for (unsigned i = 0; i < ARRAY_SIZE(seg); i++)
        dump_segment(c, seg[i], &c->seg[i], out);
    fprintf(out, "GDT=     %08" PRIx64 " %08x\n", c->gdtr.base, c->gdtr.limit);
    fprintf(out, "IDT=     %08" PRIx64 " %08x\n", c->idtr.base, c->idtr.limit);
    fprintf(out, "CR0=%08" PRIx64 " CR2=%08" PRIx64 " CR3=%08" PRIx64 " CR4=%08" PRIx64 "\n",
            c->cr0, c->cr2, c->cr3, c->cr4);
    fprintf(out, "DR0=%08" PRIx64 " DR1=%08" PRIx64 " DR2=%08" PRIx64 " DR3=%08" PRIx64 "\n",
            c->dr[0], c->dr[1], c->dr[2], c->dr[3]);
    fprintf(out, "DR6=%08" PRIx64 " DR7=%08" PRIx64 " EFER=%016" PRIx64 " XCR0=%" PRIx64 "\n",
            c->dr[6], c->dr[7], c->efer, c->xcr0);
}
