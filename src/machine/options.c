#include "machine/options.h"

#include <errno.h>
#include <string.h>

#include "base/version.h"
#include "machine/exit_status.h"
#include "machine/option_rows.h"

#define RAM_DEFAULT (512 * MIB)

/* Options of QEMU that somebody will try, and why they are not here. */
static const struct {
    const char *name;
    const char *why;
} absent[] = {
    {"blockdev", "separate block back end; use -drive,"},
    {"pflash", "flash memory"},
    {"netdev", "network"},
    {"usb", "USB"},
    {"usbdevice", "USB"},
    {"audiodev", "sound"},
    {"full-screen", "display"},
    {"s", "debugger stub"},
    {"gdb", "debugger stub"},
    {"daemonize", "daemon mode"},
    {"loadvm", "saved machines"},
    {"incoming", "saved machines"},
    {"icount", "instruction counting"},
    {"fw_cfg", "fw_cfg device"},
    {"virtfs", "shared folders"},
};

/* Edit distance with neighbours swapped counting as one (Damerau), for short words. */
static unsigned distance(const char *a, size_t la, const char *b)
{
    enum { LONGEST = 24 };
    unsigned d[LONGEST + 1][LONGEST + 1];
    size_t lb = strlen(b);

    if (la > LONGEST || lb > LONGEST)
        return LONGEST;
    for (size_t i = 0; i <= la; i++) {
        for (size_t j = 0; j <= lb; j++) {
            unsigned best;

            if (i == 0 || j == 0) {
                d[i][j] = (unsigned)(i + j);
                continue;
            }
            best = d[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
            if (d[i - 1][j] + 1 < best)
                best = d[i - 1][j] + 1;
            if (d[i][j - 1] + 1 < best)
                best = d[i][j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                d[i - 2][j - 2] + 1 < best)
                best = d[i - 2][j - 2] + 1;
            d[i][j] = best;
        }
    }
    return d[la][lb];
}

static const struct option_row *find_row(const char *name, size_t len)
{
    for (unsigned i = 0; i < option_nrows; i++)
        if (option_is_word(name, len, option_rows[i].name))
            return &option_rows[i];
    return NULL;
}

static int fail_unknown(struct option_parse *p, const char *word, const char *name, size_t len)
{
    const char *closest = NULL;
    unsigned best = len < 4 ? 2 : 1 + (unsigned)len / 3; /* worse ones are no help */
    int shown = (int)(len + (size_t)(name - word));

    for (unsigned i = 0; i < ARRAY_SIZE(absent); i++)
        if (option_is_word(name, len, absent[i].name))
            return option_fail(
                p, "%.*s is not supported: there is no %s yet (--help lists what there is)", shown,
                word, absent[i].why);
    for (unsigned i = 0; i < option_nrows; i++) {
        unsigned far = distance(name, len, option_rows[i].name);

        if (far < best) {
            best = far;
            closest = option_rows[i].name;
        }
    }
    if (closest)
        return option_fail(p, "unknown option '%.*s'; did you mean -%s? (--help lists all)", shown,
                           word, closest);
    return option_fail(p, "unknown option '%.*s'; --help lists all", shown, word);
}

/* The name of the option that `word` spells, without dashes; NULL when it spells none. */
static const char *option_name(const char *word, size_t *len)
{
    const char *name = word;

    if (*name != '-' || name[1] == '\0')
        return NULL;
    name += name[1] == '-' ? 2 : 1;
    *len = strcspn(name, "=");
    return name;
}

static bool is_option(const char *word)
{
    size_t len = 0;
    const char *name = option_name(word, &len);

    return name && find_row(name, len);
}

/* Handles argv[*at] and the value behind it, if there is one. */
static int parse_option(struct option_parse *p, int argc, char **argv, int *at)
{
    const char *word = argv[*at];
    size_t len = 0;
    const char *name = option_name(word, &len);
    const struct option_row *row = find_row(name, len);
    const char *value = name[len] == '=' ? name + len + 1 : NULL;

    if (!row)
        return fail_unknown(p, word, name, len);
    p->row = row;
    if (!row->value && value)
        return option_fail(p, "takes no value; leave out '=%s'", value);
    if (row->value && !value) {
        if (*at + 1 >= argc)
            return option_fail(p, "needs a value: -%s %s", row->name, row->value);
        if (is_option(argv[*at + 1]))
            return option_fail(
                p,
                "needs a value (-%s %s), but the option '%s' follows. If that is the "
                "value, write -%s=%s",
                row->name, row->value, argv[*at + 1], row->name, argv[*at + 1]);
        value = argv[++*at];
    }
    if (value && *value == '\0' && !row->may_be_empty)
        return option_fail(p, "needs a value (-%s %s), but it is empty", row->name, row->value);
    return row->set(p, value);
}

static int add_image(struct option_parse *p, const char *word)
{
    if (p->o->image)
        return option_fail(p,
                           "'%s': a second image? '%s' is already given (a value with blanks needs "
                           "quotes: -append \"a b\")",
                           word, p->o->image);
    if (*word == '\0')
        return option_fail(p, "the name of the image is empty");
    p->o->image = word;
    return 0;
}

static bool has_drive(const struct options *o)
{
    for (unsigned i = 0; i < OPTIONS_DRIVES; i++)
        if (o->drive[i].present)
            return true;
    return o->floppy[0].present;
}

static int check_all(struct option_parse *p)
{
    int rc;

    p->row = NULL;
    rc = option_check_monitor(p);
    if (rc == 0)
        rc = option_check_display(p);
    if (rc < 0)
        return rc;
    if (!p->engine_chosen && p->foreign_engine)
        return option_fail(p, "there is no engine '%.*s' here: that is QEMU's. %s",
                           (int)strcspn(p->foreign_engine, ":,"), p->foreign_engine,
                           option_engines);
    if (!p->o->image && !p->o->bios && !has_drive(p->o))
        return option_fail(p, "nothing to boot: name a disk, a CD image or a kernel, for example  "
                              "dragoman disk.img  or  dragoman -kernel vmlinuz -initrd initrd.gz "
                              "-append console=ttyS0  (--help explains)");
    return 0;
}

int options_parse(struct options *o, int argc, char **argv, struct options_error *err)
{
    struct option_parse p = {.o = o, .err = err};
    bool dashes = true; /* until "--" */
    int rc = 0;

    *o = (struct options){.ram_bytes = RAM_DEFAULT,
                          .serial = {.kind = CHAR_MON_STDIO},
                          .debug_exit_iobase = 0x501, /* QEMU's defaults */
                          .debug_exit_iosize = 2};
    for (int i = 1; i < argc && rc == 0 && o->action == OPTIONS_RUN; i++) {
        p.row = NULL;
        if (dashes && strcmp(argv[i], "--") == 0)
            dashes = false;
        else if (dashes && argv[i][0] == '-' && argv[i][1] != '\0')
            rc = parse_option(&p, argc, argv, &i);
        else
            rc = add_image(&p, argv[i]);
    }
    if (rc == 0 && o->action == OPTIONS_RUN)
        rc = check_all(&p);
    return rc;
}

/* ---- help ---- */

static const char help_head[] =
    "usage: dragoman [options] [image]\n"
    "Runs an unmodified x86 operating system, without KVM, as an ordinary process.\n"
    "\n"
    "Examples:\n"
    "  dragoman disk.img\n"
    "  dragoman -hda disk.img -cdrom install.iso -boot d\n"
    "  dragoman -kernel vmlinuz -initrd initrd.gz -append console=ttyS0\n"
    "  dragoman -m 1G -no-reboot --timeout 60 kernel.elf < /dev/null\n"
    "  dragoman -d int,cpu_reset -D trace.log -engine interp vmlinuz\n"
    "  dragoman -flat 0x100000 -device isa-debug-exit,iobase=0xf4,iosize=4 test.bin\n"
    "\n"
    "Keys: Ctrl-A x leaves; Ctrl-A h lists the others. Options can be written -m 1G, --m 1G, "
    "-m=1G.\n";

static const char *const group_titles[OPTION_GROUPS] = {
    [OPTION_BOOT] = "What to boot",    [OPTION_MACHINE] = "The machine",
    [OPTION_DEVICES] = "Devices",      [OPTION_MONITOR] = "Controlling it",
    [OPTION_DEBUG] = "Looking inside", [OPTION_ACCEPTED] = "Accepted for QEMU's sake",
    [OPTION_OTHER] = "Other",
};

static const struct {
    enum exit_status status;
    const char *meaning;
} statuses[] = {
    {EXIT_POWER_OFF,
     "the guest powered off (or asked for a reset under -no-reboot), or the monitor's quit"},
    {EXIT_BAD_INPUT, "bad usage, bad file, or a host that lacks something: see the message"},
    {EXIT_TIMED_OUT, "--timeout ran out"},
    {EXIT_TRIPLE_FAULT, "the guest's CPU shut down (triple fault)"},
    {EXIT_USER_STOP, "stopped with Ctrl-A x"},
    {EXIT_GUEST_HALTED, "the guest halted with interrupts off: nothing can wake it"},
    {EXIT_MONITOR_BUG, "an error in dragoman itself"},
};

static void print_row(FILE *out, const struct option_row *row)
{
    char left[32];
    const char *line = row->help;

    snprintf(left, sizeof(left), "-%s%s%s", row->name, row->value ? " " : "",
             row->value ? row->value : "");
    fprintf(out, "  %-18s ", left);
    for (;;) {
        size_t len = strcspn(line, "\n");

        fprintf(out, "%.*s\n", (int)len, line);
        if (line[len] == '\0')
            return;
        line += len + 1;
        fprintf(out, "%21s", "");
    }
}

void options_print_help(FILE *out)
{
    fputs(help_head, out);
    for (unsigned g = 0; g < OPTION_GROUPS; g++) {
        fprintf(out, "\n%s:\n", group_titles[g]);
        for (unsigned i = 0; i < option_nrows; i++)
            if (option_rows[i].group == g && option_rows[i].help)
                print_row(out, &option_rows[i]);
    }
    fputs("\nExit status:\n", out);
    for (unsigned i = 0; i < ARRAY_SIZE(statuses); i++)
        fprintf(out, "  %-3d %s\n", statuses[i].status, statuses[i].meaning);
    fputs("  odd the guest chose it through isa-debug-exit: (value << 1) | 1\n", out);
}

void options_print_version(FILE *out)
{
    fputs("dragoman " DRAGOMAN_VERSION "\n", out);
}
