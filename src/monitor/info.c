/* `info`: the table, and what needs no file of its own. */
#include <inttypes.h>

#include "base/bits.h"
#include "base/version.h"
#include "monitor/command.h"

static void dump_cpu(const void *what, FILE *out)
{
    cpu_dump(what, out);
}

/* The XSAVE image (SDM 1 13.4): what a component's XSTATE_BV bit leaves out is in its first state.
 */
enum {
    IMAGE_FSW = 2,
    IMAGE_FTW = 4,
    IMAGE_MXCSR = 24,
    IMAGE_ST = 32,
    IMAGE_XMM = 160,
    IMAGE_XSTATE_BV = 512,
    HAS_X87 = 1,
    HAS_SSE = 2,
    FCW_INIT = 0x37f,
};

static void vector_registers(struct mon_text *out, const struct cpu *cpu, bool used)
{
    unsigned n = cpu_cs64(cpu) ? 16 : 8;

    for (unsigned i = 0; i < n; i++) {
        const uint8_t *r = cpu->fpu + IMAGE_XMM + 16 * i;

        mon_printf(out, "XMM%02u=%016" PRIx64 "%016" PRIx64 "%s", i, used ? ld64(r + 8) : 0,
                   used ? ld64(r) : 0, i % 2 ? "\n" : " ");
    }
}

static void registers(struct mon_call *c)
{
    const struct cpu *cpu = c->machine->cpu;
    const uint8_t *f = cpu->fpu;
    uint64_t has = ld64(f + IMAGE_XSTATE_BV);
    bool x87 = has & HAS_X87;

    mon_print(c->out, dump_cpu, cpu);
    mon_printf(c->out, "FCW=%04x FSW=%04x FTW=%02x MXCSR=%08x\n", x87 ? ld16(f) : FCW_INIT,
               x87 ? ld16(f + IMAGE_FSW) : 0, x87 ? f[IMAGE_FTW] : 0, ld32(f + IMAGE_MXCSR));
    for (unsigned i = 0; i < 8; i++)
        mon_printf(c->out, "ST%u=%04x %016" PRIx64 "%s", i,
                   x87 ? ld16(f + IMAGE_ST + 16 * i + 8) : 0, x87 ? ld64(f + IMAGE_ST + 16 * i) : 0,
                   i % 2 ? "\n" : " ");
    vector_registers(c->out, cpu, has & HAS_SSE);
}

static void cpus(struct mon_call *c)
{
    const struct cpu *cpu = c->machine->cpu;

    mon_printf(c->out, "* CPU #0: pc=0x%016" PRIx64 "%s\n", cpu->rip,
               cpu->halted ? " (halted)" : "");
}

static void version(struct mon_call *c)
{
    mon_puts(c->out, "dragoman " DRAGOMAN_VERSION "\n");
}

static void name(struct mon_call *c)
{
    if (c->machine->name)
        mon_printf(c->out, "%s\n", c->machine->name);
}

static void status(struct mon_call *c)
{
    enum monitor_state s = c->machine->ops->state(c->machine->opaque);

    mon_printf(c->out, "VM status: %s", mon_state_runs(s) ? "running" : "paused");
    if (s != MONITOR_RUNNING && s != MONITOR_PAUSED)
        mon_printf(c->out, " (%s)", mon_state_name(s));
    mon_puts(c->out, "\n");
}

static void block(struct mon_call *c)
{
    struct monitor_drive d;

    for (unsigned n = 0; n < MONITOR_DRIVES; n++) {
        if (!c->machine->ops->drive(c->machine->opaque, n, &d))
            continue;
        if (d.blk)
            mon_printf(c->out, "%s: %s (%s%s)\n", d.id, block_name(d.blk), mon_drive_format(&d),
                       block_read_only(d.blk) ? ", read-only" : "");
        else
            mon_printf(c->out, "%s: [not inserted]\n", d.id);
        if (d.removable)
            mon_printf(c->out, "    Removable device: %slocked, tray %s\n", d.locked ? "" : "not ",
                       d.tray_open ? "open" : "closed");
        if (d.blk && block_stalled(d.blk))
            mon_puts(c->out, "    I/O status: nospace\n");
    }
}

static void blockstats(struct mon_call *c)
{
    struct monitor_drive d;
    struct block_stats s;

    for (unsigned n = 0; n < MONITOR_DRIVES; n++) {
        if (!c->machine->ops->drive(c->machine->opaque, n, &d) || !d.blk)
            continue;
        block_get_stats(d.blk, &s);
        mon_printf(c->out,
                   "%s: rd_bytes=%" PRIu64 " wr_bytes=%" PRIu64 " rd_operations=%" PRIu64
                   " wr_operations=%" PRIu64 " flush_operations=%" PRIu64 " errors=%" PRIu64
                   " stalls=%" PRIu64 "\n",
                   d.id, s.bytes[BLOCK_READ], s.bytes[BLOCK_WRITE], s.requests[BLOCK_READ],
                   s.requests[BLOCK_WRITE], s.requests[BLOCK_FLUSH],
                   s.errors[BLOCK_READ] + s.errors[BLOCK_WRITE] + s.errors[BLOCK_FLUSH], s.stalls);
    }
}

static void jit(struct mon_call *c)
{
    mon_print(c->out, c->machine->ops->print_stats, c->machine->opaque);
}

const struct mon_info mon_infos[] = {
    {"registers", registers, "the CPU's registers"},
    {"cpus", cpus, "the CPUs"},
    {"mem", mon_info_mem, "what the page tables map, by rights"},
    {"tlb", mon_info_tlb, "what the page tables map, page by page"},
    {"mtree", mon_info_mtree, "what answers at physical addresses and ports"},
    {"pic", mon_info_pic, "interrupt controllers"},
    {"irq", mon_info_irq, "interrupts taken so far, by vector"},
    {"pci", mon_info_pci, "PCI functions"},
    {"block", block, "disks and what is in the drives"},
    {"blockstats", blockstats, "what disks have done"},
    {"jit", jit, "the engine's counters"},
    {"status", status, "running or paused"},
    {"name", name, "the machine's name (-name)"},
    {"version", version, "the program's version"},
};

const unsigned mon_ninfos = ARRAY_SIZE(mon_infos);
