#include "machine/operator.h"

#include <string.h>
#include <unistd.h>

#include "machine/drives.h"
#include "machine/exit_status.h"
#include "machine/pause.h"
#include "machine/screen.h"
#include "monitor/monitor.h"

static enum monitor_state op_state(void *opaque)
{
    return ((struct machine *)opaque)->pause.state;
}

static void op_stop(void *opaque)
{
    machine_pause(opaque, MONITOR_PAUSED);
}

static void op_cont(void *opaque)
{
    machine_resume(opaque);
}

static void op_reset(void *opaque)
{
    struct machine *m = opaque;

    m->reset_asked = m->reset_by_user = true;
}

static void op_power_button(void *opaque)
{
    struct machine *m = opaque;

    acpi_pm_press_power(&m->pc.acpi);
    operator_event(m, "POWERDOWN", NULL);
}

static void op_quit(void *opaque)
{
    struct machine *m = opaque;

    m->shutdown = "host-qmp-quit";
    machine_stop(m, EXIT_POWER_OFF);
}

static bool op_drive(void *opaque, unsigned n, struct monitor_drive *out)
{
    return drives_find(opaque, n, out);
}

static int op_change(void *opaque, unsigned n, const struct monitor_medium *medium,
                     struct monitor_error *err)
{
    return drives_change(opaque, n, medium, err);
}

static int op_commit(void *opaque, unsigned n, struct monitor_error *err)
{
    return drives_commit(opaque, n, err);
}

static void op_print_stats(const void *opaque, FILE *out)
{
    engine_print_stats(((const struct machine *)opaque)->engine, out);
}

static const struct monitor_ops ops = {
    .state = op_state,
    .stop = op_stop,
    .cont = op_cont,
    .reset = op_reset,
    .power_button = op_power_button,
    .quit = op_quit,
    .drive = op_drive,
    .change = op_change,
    .commit = op_commit,
    .print_stats = op_print_stats,
};

static struct monitor_machine view(struct machine *m)
{
    return (struct monitor_machine){
        .name = m->opt->name,
        .cpu = m->cpu,
        .thread_id = (int)gettid(),
        .mem = &m->mem,
        .ports = &m->ports,
        .clock = &m->clock,
        .pic = &m->pc.pic,
        .ioapic = m->pc.has_apic ? &m->pc.ioapic : NULL,
        .lapic = m->pc.has_apic ? &m->pc.lapic : NULL,
        .pci = &m->pc.pci,
        .vga = m->pc.has_vga ? &m->pc.vga : NULL,
        .interrupts = m->interrupts,
        .input = screen_input(m),
        .ops = &ops,
        .opaque = m,
    };
}

int operator_open(struct machine *m, struct machine_error *err)
{
    const struct options *o = m->opt;
    struct monitor_setup setup = {
        .n = o->nmonitors,
        .machine = view(m),
        .terminal = &m->console,
        .behind_serial =
            !o->curses && (o->serial.kind == CHAR_STDIO || o->serial.kind == CHAR_MON_STDIO),
    };
    struct monitor_error e;
    int rc;

    memcpy(setup.config, o->monitor, sizeof(setup.config));
    if (setup.n == 0 && !setup.behind_serial)
        return 0;
    rc = monitor_open(&m->monitor, &setup, &e);
    if (rc < 0)
        snprintf(err->text, sizeof(err->text), "%s", e.text);
    else
        events_watch(&m->events, monitor_fd(m->monitor));
    return rc;
}

void operator_poll(struct machine *m)
{
    if (!m->monitor || !events_watch_due(&m->events))
        return;
    monitor_poll(m->monitor);
    events_watch_again(&m->events);
}

void operator_switch(struct machine *m)
{
    if (m->monitor)
        monitor_switch(m->monitor);
}

void operator_event(struct machine *m, const char *name, const char *data)
{
    if (m->monitor)
        monitor_event(m->monitor, name, data);
}

void operator_stalled(struct machine *m, const struct monitor_drive *d, int why)
{
    char text[768];

    snprintf(text, sizeof(text),
             "{\"device\": \"%s\", \"node-name\": \"\", \"operation\": \"write\", "
             "\"action\": \"stop\", \"nospace\": true, \"reason\": \"%s\"}",
             d->id, strerror(why));
    operator_event(m, "BLOCK_IO_ERROR", text);
    snprintf(text, sizeof(text), "dragoman: %s%s: %s; the guest is paused until %s\n",
             block_name(d->blk), d->snapshot ? "'s temporary file (-snapshot)" : "", strerror(why),
             m->opt->nmonitors ? "the monitor's cont: make room first" : "there is room");
    if (!m->monitor || !monitor_tell(m->monitor, text))
        fputs(text, stderr);
}

void operator_close(struct machine *m)
{
    if (m->monitor)
        events_watch(&m->events, -1);
    monitor_close(m->monitor);
    m->monitor = NULL;
}
