#include "monitor/command.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

int mon_fail(struct mon_call *c, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(c->error, sizeof(c->error), fmt, ap);
    va_end(ap);
    return -EINVAL;
}

int mon_fail_device(struct mon_call *c, const char *name)
{
    c->class = MON_NO_DEVICE;
    return mon_fail(c, "Device '%s' not found", name);
}

static const char *const state_names[] = {
    [MONITOR_RUNNING] = "running",     [MONITOR_PAUSED] = "paused",
    [MONITOR_PRELAUNCH] = "prelaunch", [MONITOR_IO_ERROR] = "io-error",
    [MONITOR_SHUTDOWN] = "shutdown",
};

const char *mon_state_name(enum monitor_state s)
{
    return state_names[s];
}

bool mon_state_runs(enum monitor_state s)
{
    return s == MONITOR_RUNNING;
}

static int stop(struct mon_call *c)
{
    c->machine->ops->stop(c->machine->opaque);
    return 0;
}

static int cont(struct mon_call *c)
{
    if (c->machine->ops->state(c->machine->opaque) == MONITOR_SHUTDOWN)
        return mon_fail(c, "Resetting the Virtual Machine is required");
    c->machine->ops->cont(c->machine->opaque);
    return 0;
}

static int system_reset(struct mon_call *c)
{
    c->machine->ops->reset(c->machine->opaque);
    return 0;
}

static int system_powerdown(struct mon_call *c)
{
    c->machine->ops->power_button(c->machine->opaque);
    return 0;
}

static int quit(struct mon_call *c)
{
    c->machine->ops->quit(c->machine->opaque);
    return 0;
}

const struct mon_command mon_commands[] = {
    {"stop|s", "stop", {{0}}, stop, "", "pause the guest, its clocks too"},
    {"cont|c", "cont", {{0}}, cont, "", "go on; a write that found the disk full is tried again"},
    {"system_reset", "system_reset", {{0}}, system_reset, "", "as the reset button does"},
    {"system_powerdown",
     "system_powerdown",
     {{0}},
     system_powerdown,
     "",
     "press the power button (ACPI)"},
    {"screendump",
     "screendump",
     {{"filename", MON_WORD, 0}, {"format", MON_WORD, MON_OPTIONAL}},
     mon_screendump,
     "FILE [png|ppm]",
     "the screen to a file; PNG, unless its name ends in .ppm"},
    {"sendkey",
     NULL,
     {{"keys", MON_WORD, 0}, {"hold-time", MON_INT, MON_OPTIONAL}},
     mon_sendkey,
     "KEYS [MS]",
     "press keys together: ctrl-alt-delete, a, shift-f1"},
    {"mouse_move",
     NULL,
     {{"dx", MON_INT, 0}, {"dy", MON_INT, 0}, {"dz", MON_INT, MON_OPTIONAL}},
     mon_mouse_move,
     "DX DY [DZ]",
     "to the right, down, of the wheel towards the user"},
    {"mouse_button",
     NULL,
     {{"state", MON_INT, 0}},
     mon_mouse_button,
     "STATE",
     "buttons that are down: 1 left, 2 right, 4 middle"},
    {"x",
     NULL,
     {{"fmt", MON_FORMAT, MON_OPTIONAL}, {"addr", MON_EXPR, 0}},
     mon_x,
     "[/FMT] ADDR",
     "memory at a linear address; /8xw: count, x d u o c i, b h w g"},
    {"xp",
     NULL,
     {{"fmt", MON_FORMAT, MON_OPTIONAL}, {"addr", MON_EXPR, 0}},
     mon_xp,
     "[/FMT] ADDR",
     "memory at a physical address"},
    {"print|p",
     NULL,
     {{"fmt", MON_FORMAT, MON_OPTIONAL}, {"val", MON_EXPR, 0}},
     mon_print_value,
     "[/FMT] EXPR",
     "the value: print /x $eip + 16"},
    {"memsave",
     "memsave",
     {{"val", MON_EXPR, 0},
      {"size", MON_EXPR, 0},
      {"filename", MON_WORD, 0},
      {"cpu-index", MON_INT, MON_OPTIONAL | MON_QMP_ONLY}},
     mon_memsave,
     "ADDR SIZE FILE",
     "linear memory to a file"},
    {"pmemsave",
     "pmemsave",
     {{"val", MON_EXPR, 0}, {"size", MON_EXPR, 0}, {"filename", MON_WORD, 0}},
     mon_pmemsave,
     "ADDR SIZE FILE",
     "physical memory to a file"},
    {"eject",
     "eject",
     {{"force", MON_FLAG, MON_OPTIONAL},
      {"device", MON_WORD, MON_OPTIONAL},
      {"id", MON_WORD, MON_OPTIONAL | MON_QMP_ONLY}},
     mon_eject,
     "[-f] DEVICE",
     "take the medium out of ide1-cd0, floppy0 ..: info block"},
    {"change",
     "blockdev-change-medium",
     {{"device", MON_WORD, MON_OPTIONAL},
      {"filename", MON_WORD, 0},
      {"format", MON_WORD, MON_OPTIONAL},
      {"read-only-mode", MON_WORD, MON_OPTIONAL},
      {"id", MON_WORD, MON_OPTIONAL | MON_QMP_ONLY},
      {"force", MON_FLAG, MON_OPTIONAL | MON_QMP_ONLY}},
     mon_change,
     "DEVICE FILE [raw|qcow2 [MODE]]",
     "another medium; MODE: retain, read-only, read-write"},
    {"commit",
     NULL,
     {{"device", MON_WORD, 0}},
     mon_commit,
     "DEVICE|all",
     "what -snapshot has kept from the image is written to it"},
    {"quit|q", "quit", {{0}}, quit, "", "leave: stop the machine"},
};

const unsigned mon_ncommands = ARRAY_SIZE(mon_commands);

static bool is_one_of(const char *names, const char *word)
{
    size_t len = strlen(word);

    for (const char *at = names;; at++) {
        size_t n = strcspn(at, "|");

        if (n == len && memcmp(at, word, len) == 0)
            return true;
        at += n;
        if (!*at)
            return false;
    }
}

const struct mon_command *mon_find_hmp(const char *word)
{
    for (unsigned i = 0; i < mon_ncommands; i++)
        if (mon_commands[i].hmp && is_one_of(mon_commands[i].hmp, word))
            return &mon_commands[i];
    return NULL;
}

const struct mon_command *mon_find_qmp(const char *name)
{
    for (unsigned i = 0; i < mon_ncommands; i++)
        if (mon_commands[i].qmp && strcmp(mon_commands[i].qmp, name) == 0)
            return &mon_commands[i];
    return NULL;
}
