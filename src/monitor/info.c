/* `info`: the table, and what needs no file of its own. */
#include <inttypes.h>

#include "base/version.h"
#include "monitor/command.h"

static void dump_cpu(const void *what, FILE *out)
{
    cpu_dump(what, out);
}

static void registers(struct mon_call *c)
{
    mon_print(c->out, dump_cpu, c->machine->cpu);
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
                   s.requests[BLOCK_WRITE], s.requests[BLOCK_FLUSH], s.errors, s.stalls);
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
