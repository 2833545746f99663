#include "machine/option_rows.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "base/log.h"

#define RAM_MIN MIB
#define RAM_MAX (64 * GIB)

int option_fail(struct option_parse *p, const char *fmt, ...)
{
    size_t len = 0;
    va_list ap;

    if (p->row) {
        snprintf(p->err->text, sizeof(p->err->text), "-%s: ", p->row->name);
        len = strlen(p->err->text);
    }
    va_start(ap, fmt);
    vsnprintf(p->err->text + len, sizeof(p->err->text) - len, fmt, ap);
    va_end(ap);
    return -EINVAL;
}

/* ---- values ---- */

static int digit_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return 16;
}

/* A number, decimal or 0x..; *end is what follows. False: there is none, or it is too large.
 * (strtoull() would take signs and blanks.) */
bool option_number(const char *s, uint64_t *n, const char **end)
{
    bool hex = s[0] == '0' && (s[1] == 'x' || s[1] == 'X');
    uint64_t base = hex ? 16 : 10;
    const char *at = hex ? s + 2 : s;
    const char *first = at;

    *n = 0;
    for (; (uint64_t)digit_of(*at) < base; at++)
        if (__builtin_mul_overflow(*n, base, n) ||
            __builtin_add_overflow(*n, (uint64_t)digit_of(*at), n))
            return false;
    *end = at;
    return at != first;
}

static bool parse_whole(const char *s, uint64_t *n)
{
    const char *end;

    return option_number(s, n, &end) && *end == '\0';
}

/* "512", "512M", "2G", "0x200M": MiB when no unit is given. */
static bool parse_size(const char *s, uint64_t *bytes)
{
    static const struct {
        char unit;
        uint64_t bytes;
    } units[] = {{'\0', MIB}, {'B', 1}, {'K', KIB}, {'M', MIB}, {'G', GIB}, {'T', GIB * 1024}};
    const char *end;
    uint64_t n;

    /* In hexadecimal, B is a digit. */
    if (!option_number(s, &n, &end) || (end[0] != '\0' && end[1] != '\0'))
        return false;
    for (unsigned i = 0; i < ARRAY_SIZE(units); i++)
        if (*end == units[i].unit || (*end && *end == (units[i].unit | 0x20)))
            return !__builtin_mul_overflow(n, units[i].bytes, bytes);
    return false;
}

bool option_has_prefix(const char *s, const char *prefix)
{
    return strncmp(s, prefix, strlen(prefix)) == 0;
}

bool option_is_word(const char *s, size_t len, const char *word)
{
    return strlen(word) == len && memcmp(s, word, len) == 0;
}

/* ---- one function per option ---- */

static int set_memory(struct option_parse *p, const char *value)
{
    const char *size = option_has_prefix(value, "size=") ? value + 5 : value;
    uint64_t bytes;

    if (!parse_size(size, &bytes))
        return option_fail(p, "'%s' is no amount of memory; write for example 512M or 2G", value);
    if (bytes < RAM_MIN || bytes > RAM_MAX)
        return option_fail(
            p,
            "'%s' is out of range: the guest can have 1M to 64G of RAM (a number without "
            "unit means MiB)",
            value);
    if (bytes & PAGE_MASK)
        return option_fail(p, "'%s' is no multiple of 4K", value);
    p->o->ram_bytes = bytes;
    return 0;
}

static int set_image(struct option_parse *p, const char *value)
{
    if (p->o->image && !p->image_by_option)
        return option_fail(p, "the image is already given: '%s'; name one image only", p->o->image);
    p->o->image = value;
    p->o->image_is_kernel = true;
    p->image_by_option = true;
    return 0;
}

static int set_initrd(struct option_parse *p, const char *value)
{
    p->o->initrd = value;
    return 0;
}

static int set_append(struct option_parse *p, const char *value)
{
    p->o->append = value;
    return 0;
}

static int set_flat(struct option_parse *p, const char *value)
{
    p->o->flat = true;
    if (!parse_whole(value, &p->o->flat_addr))
        return option_fail(p, "'%s' is no address; write for example 0x100000", value);
    return 0;
}

static int set_kaslr(struct option_parse *p, const char *value)
{
    (void)value;
    p->o->kaslr = true;
    return 0;
}

static int set_no_unpack_cache(struct option_parse *p, const char *value)
{
    (void)value;
    p->o->no_unpack_cache = true;
    return 0;
}

static int set_bios(struct option_parse *p, const char *value)
{
    p->o->bios = value;
    return 0;
}

static int set_dir(struct option_parse *p, const char *value)
{
    if (p->o->ndirs == OPTIONS_DIRS)
        return option_fail(p, "'%s': that is one folder too many; %d are enough", value,
                           OPTIONS_DIRS);
    p->o->dir[p->o->ndirs++] = value;
    return 0;
}

static int set_snapshot(struct option_parse *p, const char *value)
{
    (void)value;
    p->o->snapshot = true;
    return 0;
}

static int set_cpu(struct option_parse *p, const char *value)
{
    if (strcmp(value, "help") == 0 || strcmp(value, "?") == 0)
        p->o->action = OPTIONS_CPU_HELP;
    p->o->cpu = value;
    return 0;
}

static int set_vga(struct option_parse *p, const char *value)
{
    if (strcmp(value, "std") != 0 && strcmp(value, "none") != 0)
        return option_fail(p, "there is no VGA '%s'; give std or none", value);
    p->o->vga = strcmp(value, "std") == 0 ? VGA_STD : VGA_NONE;
    return 0;
}

static int set_pid_file(struct option_parse *p, const char *value)
{
    p->o->pid_file = value;
    return 0;
}

static int set_name(struct option_parse *p, const char *value)
{
    p->o->name = value;
    return 0;
}

const char option_engines[] = "Dragoman's engines are 'bt' (binary translation, the default) and "
                              "'interp' (interpreter, slow)";

static const struct {
    const char *name;
    enum engine_kind kind;
} engine_names[] = {{"bt", ENGINE_BT}, {"interp", ENGINE_INTERP}};

static bool is_foreign_engine(const char *s, size_t len)
{
    static const char *const names[] = {"tcg", "kvm", "hvf", "whpx", "hax", "xen", "nvmm"};

    for (unsigned i = 0; i < ARRAY_SIZE(names); i++)
        if (option_is_word(s, len, names[i]))
            return true;
    return false;
}

static int choose_engine(struct option_parse *p, const char *word, size_t len)
{
    for (unsigned i = 0; i < ARRAY_SIZE(engine_names); i++) {
        if (!option_is_word(word, len, engine_names[i].name))
            continue;
        if (!p->engine_chosen)
            p->o->engine = engine_names[i].kind;
        p->engine_chosen = true;
        return 0;
    }
    if (!is_foreign_engine(word, len))
        return option_fail(p, "there is no engine '%.*s'. %s", (int)len, word, option_engines);
    if (!p->foreign_engine)
        p->foreign_engine = word;
    return 0;
}

/* "kvm:bt" and repeated -accel name alternatives: the first that exists is taken. */
static int set_engine(struct option_parse *p, const char *value)
{
    const char *props = strchr(value, ',');
    const char *word = value;
    int rc = 0;

    if (option_has_prefix(word, "accel="))
        word += 6;
    while (rc == 0) {
        size_t len = strcspn(word, ":,");

        rc = choose_engine(p, word, len);
        if (word[len] != ':')
            break;
        word += len + 1;
    }
    if (rc == 0 && props && !p->foreign_engine)
        return option_fail(
            p, "'%s': engines have no properties; leave out everything from the comma on", value);
    return rc;
}

static int set_enable_kvm(struct option_parse *p, const char *value)
{
    (void)value;
    return option_fail(
        p,
        "Dragoman runs guests without KVM, that is what it is for; leave the option out. "
        "%s",
        option_engines);
}

/* "accel=kvm:bt": the first that exists. */
static int set_machine_accel(struct option_parse *p, const char *word, size_t len)
{
    size_t at = 6;
    int rc = 0;

    while (rc == 0 && at < len) {
        size_t n = strcspn(word + at, ":,");

        rc = choose_engine(p, word + at, n);
        at += n + 1;
    }
    return rc;
}

static int set_machine(struct option_parse *p, const char *value)
{
    const char *word = value;
    int rc = 0;

    for (;;) {
        size_t len = strcspn(word, ",");
        const char *type = option_has_prefix(word, "type=") ? word + 5 : word;
        size_t type_len = len - (size_t)(type - word);

        if (len > 6 && option_has_prefix(word, "accel=")) {
            rc = set_machine_accel(p, word, len);
            if (rc < 0)
                return rc;
        } else if (option_is_word(word, len, "hpet=off") || option_is_word(word, len, "hpet=on")) {
            p->o->no_hpet = option_is_word(word, len, "hpet=off");
        } else if (!option_is_word(type, type_len, "pc") &&
                   !option_has_prefix(type, "pc-i440fx-")) {
            return option_fail(p, "'%.*s' does not exist here; the only machine is 'pc'", (int)len,
                               word);
        }
        if (word[len] == '\0')
            return 0;
        word += len + 1;
    }
}

static int set_no_hpet(struct option_parse *p, const char *value)
{
    (void)value;
    p->o->no_hpet = true;
    return 0;
}

static int set_smp(struct option_parse *p, const char *value)
{
    const char *s = option_has_prefix(value, "cpus=") ? value + 5 : value;
    const char *end;
    uint64_t n;

    if (!option_number(s, &n, &end) || (*end != '\0' && *end != ',') || n == 0)
        return option_fail(p, "'%s' is no number of CPUs; write 1", value);
    if (n != 1)
        return option_fail(
            p,
            "'%s': the machine has one CPU; several are not supported yet. Leave the "
            "option out",
            value);
    return 0;
}

static int set_char(struct option_parse *p, const char *value, struct char_target *t)
{
    static const struct {
        const char *name;
        enum char_kind kind;
    } kinds[] = {{"none", CHAR_NONE},
                 {"null", CHAR_NULL},
                 {"stdio", CHAR_STDIO},
                 {"mon:stdio", CHAR_MON_STDIO}};

    for (unsigned i = 0; i < ARRAY_SIZE(kinds); i++) {
        if (strcmp(value, kinds[i].name) == 0) {
            *t = (struct char_target){.kind = kinds[i].kind};
            return 0;
        }
    }
    if (!option_has_prefix(value, "file:"))
        return option_fail(
            p, "'%s' is not supported; use stdio, mon:stdio, file:PATH, null or none", value);
    if (value[5] == '\0')
        return option_fail(p, "file: needs a path behind the colon");
    *t = (struct char_target){.kind = CHAR_FILE, .path = value + 5};
    return 0;
}

static int set_serial(struct option_parse *p, const char *value)
{
    int rc;

    if (!p->serial_chosen) {
        p->serial_chosen = true;
        return set_char(p, value, &p->o->serial);
    }
    if (p->com2_chosen)
        return option_fail(p, "'%s': there are two serial ports, and both were given", value);
    p->com2_chosen = true;
    rc = set_char(p, value, &p->o->com2);
    if (rc == 0 && (p->o->com2.kind == CHAR_STDIO || p->o->com2.kind == CHAR_MON_STDIO))
        return option_fail(p,
                           "'%s': the second serial port can't have the terminal; use "
                           "file:PATH, null or none",
                           value);
    return rc;
}

static int set_parallel(struct option_parse *p, const char *value)
{
    return set_char(p, value, &p->o->parallel);
}

static int set_debugcon(struct option_parse *p, const char *value)
{
    return set_char(p, value, &p->o->debugcon);
}

static int set_debug_exit_property(struct option_parse *p, const char *word, size_t len)
{
    uint64_t n = 0;
    const char *end;
    const char *eq = memchr(word, '=', len);

    if (!eq || !option_number(eq + 1, &n, &end) || end != word + len)
        return option_fail(p, "isa-debug-exit: '%.*s' is not of the form iobase=0xf4 or iosize=4",
                           (int)len, word);
    if (option_is_word(word, (size_t)(eq - word), "iobase") && n <= 0xFFFF) {
        p->o->debug_exit_iobase = (uint16_t)n;
        return 0;
    }
    if (option_is_word(word, (size_t)(eq - word), "iosize") && (n == 1 || n == 2 || n == 4)) {
        p->o->debug_exit_iosize = (uint16_t)n;
        return 0;
    }
    return option_fail(
        p,
        "isa-debug-exit: '%.*s' cannot be: iobase is a port (0 to 0xffff), iosize 1, 2 "
        "or 4",
        (int)len, word);
}

static int set_device(struct option_parse *p, const char *value)
{
    size_t len = strcspn(value, ",");
    const char *word = value + len;

    if (!option_is_word(value, len, "isa-debug-exit"))
        return option_fail(p,
                           "there is no device '%.*s'; the one that can be added is "
                           "isa-debug-exit,iobase=PORT,iosize=BYTES",
                           (int)len, value);
    p->o->debug_exit = true;
    while (*word == ',') {
        int rc;

        word++;
        len = strcspn(word, ",");
        rc = set_debug_exit_property(p, word, len);
        if (rc < 0)
            return rc;
        word += len;
    }
    if (p->o->debug_exit_iobase + p->o->debug_exit_iosize > 0x10000)
        return option_fail(p, "isa-debug-exit: its ports would end beyond 0xffff");
    return 0;
}

static int set_rtc(struct option_parse *p, const char *value)
{
    if (strcmp(value, "base=utc") != 0 && strcmp(value, "base=utc,clock=host") != 0)
        return option_fail(p, "'%s' is not supported; the guest's clock shows UTC: -rtc base=utc",
                           value);
    return 0;
}

static int set_only(struct option_parse *p, const char *value)
{
    if (strcmp(value, p->row->only) != 0)
        return option_fail(p, "'%s' does not exist here; only '%s' is accepted", value,
                           p->row->only);
    return 0;
}

static int set_nothing(struct option_parse *p, const char *value)
{
    (void)p;
    (void)value;
    return 0;
}

static int set_no_reboot(struct option_parse *p, const char *value)
{
    (void)value;
    p->o->no_reboot = true;
    return 0;
}

/* "30", "0.5": to nanoseconds, without floating point. */
static int set_timeout(struct option_parse *p, const char *value)
{
    uint64_t unit = NS_PER_SEC;
    uint64_t seconds;
    const char *at;

    if (!option_number(value, &seconds, &at) || (*at != '\0' && *at != '.') ||
        seconds >= UINT64_MAX / NS_PER_SEC)
        return option_fail(p, "'%s' is no number of seconds; write for example 30 or 0.5", value);
    p->o->timeout_ns = seconds * NS_PER_SEC;
    if (*at == '.')
        at++;
    for (; *at >= '0' && *at <= '9'; at++) {
        unit /= 10;
        p->o->timeout_ns += (uint64_t)(*at - '0') * unit;
    }
    if (*at != '\0' || p->o->timeout_ns == 0)
        return option_fail(p, "'%s' is no number of seconds above 0; write for example 30 or 0.5",
                           value);
    return 0;
}

static int set_log_items(struct option_parse *p, const char *value)
{
    const char *bad;
    uint32_t mask;

    if (strcmp(value, "help") == 0 || strcmp(value, "?") == 0) {
        p->o->action = OPTIONS_LOG_HELP;
        return 0;
    }
    if (log_parse_items(value, &mask, &bad) < 0)
        return option_fail(p, "there is no log item '%.*s'; -d help lists them",
                           (int)strcspn(bad, ","), bad);
    p->o->log_items |= mask;
    return 0;
}

static int set_perf_map(struct option_parse *p, const char *value)
{
    p->o->perf_map = value;
    return 0;
}

static int set_check_blocks(struct option_parse *p, const char *value)
{
    (void)value;
    p->o->check_blocks = true;
    return 0;
}

static int set_log_file(struct option_parse *p, const char *value)
{
    p->o->log_file = value;
    return 0;
}

static int set_help(struct option_parse *p, const char *value)
{
    (void)value;
    p->o->action = OPTIONS_HELP;
    return 0;
}

static int set_version(struct option_parse *p, const char *value)
{
    (void)value;
    p->o->action = OPTIONS_VERSION;
    return 0;
}

/* ---- the options ---- */

const struct option_row option_rows[] = {
    {"kernel", "FILE", OPTION_BOOT, set_image,
     "Linux bzImage or vmlinux, multiboot 1 or 2, PVH or ELF32 image,\nfound out from its content",
     NULL, false},
    {"hda", "FILE", OPTION_BOOT, option_set_disk,
     "disk image of the first IDE disk; a disk image as the last argument is\nthe same. Also -hdb, "
     "-hdc, -hdd",
     NULL, false},
    {"hdb", "FILE", OPTION_BOOT, option_set_disk, NULL, NULL, false},
    {"hdc", "FILE", OPTION_BOOT, option_set_disk, NULL, NULL, false},
    {"hdd", "FILE", OPTION_BOOT, option_set_disk, NULL, NULL, false},
    {"fda", "FILE", OPTION_BOOT, option_set_disk, "floppy image (1440K, 720K, ..); also -fdb", NULL,
     false},
    {"fdb", "FILE", OPTION_BOOT, option_set_disk, NULL, NULL, false},
    {"cdrom", "FILE", OPTION_BOOT, option_set_disk, "CD or DVD image, as hdc", NULL, false},
    {"drive", "PROPS", OPTION_BOOT, option_set_drive,
     "file=PATH,format=raw|qcow2,media=disk|cdrom,index=0..3,readonly=on,\nsnapshot=on; PATH may "
     "be nbd://HOST/NAME or nbd+unix:///NAME?socket=FILE",
     NULL, false},
    {"snapshot", NULL, OPTION_BOOT, set_snapshot,
     "what is written to disks is thrown away at the end", NULL, false},
    {"boot", "ORDER", OPTION_BOOT, option_set_boot,
     "order=LETTERS: where the firmware looks: c disk, d CD-ROM, a floppy,\nn network; menu=on "
     "asks",
     NULL, false},
    {"bios", "FILE", OPTION_BOOT, set_bios,
     "firmware that starts disks: bios-256k.bin of Debian's seabios is the\ndefault", NULL, false},
    {"L", "DIR", OPTION_BOOT, set_dir, "look for firmware in DIR first", NULL, false},
    {"initrd", "FILE", OPTION_BOOT, set_initrd,
     "initial RAM disk; multiboot: modules \"file args,file2 args\"", NULL, false},
    {"append", "TEXT", OPTION_BOOT, set_append, "kernel command line", NULL, true},
    {"flat", "ADDR", OPTION_BOOT, set_flat,
     "the image is raw 32-bit code: load and enter it at ADDR", NULL, false},
    {"kaslr", NULL, OPTION_BOOT, set_kaslr,
     "a bzImage unpacks itself, at an address it chooses: starts slower", NULL, false},
    {"no-unpack-cache", NULL, OPTION_BOOT, set_no_unpack_cache,
     "do not keep unpacked kernels in ~/.cache/dragoman/unpacked", NULL, false},
    {"m", "SIZE", OPTION_MACHINE, set_memory,
     "guest RAM: 512M (the default), 2G, 64G; no unit means MiB", NULL, false},
    {"cpu", "MODEL", OPTION_MACHINE, set_cpu,
     "host, max, qemu32, pentium3, 486, with ,+feature ,-feature; -cpu help", NULL, false},
    {"accel", "ENGINE", OPTION_MACHINE, set_engine,
     "bt: binary translation (default); interp: interpreter", NULL, false},
    {"engine", "ENGINE", OPTION_MACHINE, set_engine, "the same as -accel", NULL, false},
    {"no-reboot", NULL, OPTION_MACHINE, set_no_reboot,
     "leave, with status 0, when the guest asks for a reset", NULL, false},
    {"timeout", "SECONDS", OPTION_MACHINE, set_timeout,
     "leave, with status 4, after that time (30, 0.5)", NULL, false},
    {"name", "TEXT", OPTION_MACHINE, set_name, "what messages call the machine", NULL, false},
    {"pidfile", "FILE", OPTION_MACHINE, set_pid_file, "the process's number, while it runs", NULL,
     false},
    {"vga", "KIND", OPTION_DEVICES, set_vga, "std: a VGA (with firmware the default); none", NULL,
     false},
    {"display", "KIND", OPTION_DEVICES, option_set_display,
     "who sees the VGA: curses (text, in this terminal), sdl (a window),\n"
     "web[=PORT] (a page for a browser on this host, port 5700),\nvnc=[HOST]:N, none (the default)",
     NULL, false},
    {"vnc", "[HOST]:N", OPTION_DEVICES, option_set_vnc,
     "VNC server on port 5900 + N of this host only, or of HOST's address;\n"
     ",password-file=FILE, ,websocket=on|PORT (page on 5700 + N) and ,keys=places\nmay follow",
     NULL, false},
    {"screendump", "FILE", OPTION_DEVICES, option_set_screendump,
     "when the machine stops, its screen to FILE: text if that ends in .txt, or PNG", NULL, false},
    {"serial", "TO", OPTION_DEVICES, set_serial,
     "COM1: mon:stdio (default), stdio, file:PATH, null, none; the second time COM2", NULL, false},
    {"parallel", "TO", OPTION_DEVICES, set_parallel,
     "LPT1 and a printer: stdio, file:PATH, null, none (default)", NULL, false},
    {"debugcon", "TO", OPTION_DEVICES, set_debugcon,
     "debug console at port E9h: stdio, file:PATH, null", NULL, false},
    {"device", "SPEC", OPTION_DEVICES, set_device,
     "isa-debug-exit[,iobase=0x501][,iosize=2]: the guest chooses\nthe exit status, (value << 1) | "
     "1",
     NULL, false},
    {"monitor", "TO", OPTION_MONITOR, option_set_monitor,
     "for people: stdio, unix:PATH,server,nowait, tcp:127.0.0.1:PORT,server,nowait,\nnone; with "
     "the "
     "serial port on the terminal Ctrl-A c leads to one as well",
     NULL, false},
    {"qmp", "TO", OPTION_MONITOR, option_set_qmp, "for programs (QMP, JSON), there", NULL, false},
    {"qmp-pretty", "TO", OPTION_MONITOR, option_set_qmp_pretty, "the same, indented", NULL, false},
    {"chardev", "PROPS", OPTION_MONITOR, option_set_chardev,
     "socket,id=ID,path=PATH,server=on,wait=off or stdio,id=ID: for -mon", NULL, false},
    {"mon", "PROPS", OPTION_MONITOR, option_set_mon,
     "chardev=ID,mode=control: QMP there; mode=readline: for people", NULL, false},
    {"S", NULL, OPTION_MONITOR, option_set_start_paused, "start paused, until cont", NULL, false},
    {"no-shutdown", NULL, OPTION_MONITOR, option_set_no_shutdown,
     "a guest that powers off is paused; quit leaves", NULL, false},
    {"d", "ITEMS", OPTION_DEBUG, set_log_items, "trace: in_asm,int,..; -d help lists the items",
     NULL, false},
    {"D", "FILE", OPTION_DEBUG, set_log_file, "write the trace to FILE instead of standard error",
     NULL, false},
    {"perf-map", "FILE", OPTION_DEBUG, set_perf_map,
     "list translated code for perf; auto: in /tmp/perf-PID.map, where perf looks", NULL, false},
    {"check-blocks", NULL, OPTION_DEBUG, set_check_blocks,
     "prove for every block of translated code that it can't leave the guest", NULL, false},
    {"nographic", NULL, OPTION_ACCEPTED, option_set_nographic, "the same as -display none", NULL,
     false},
    {"nodefaults", NULL, OPTION_ACCEPTED, set_nothing, "no effect: there is nothing to leave out",
     NULL, false},
    {"machine", "pc", OPTION_ACCEPTED, set_machine,
     "the only machine; ,accel=ENGINE and ,hpet=off may follow", NULL, false},
    {"M", "pc", OPTION_ACCEPTED, set_machine, NULL, NULL, false},
    {"no-hpet", NULL, OPTION_ACCEPTED, set_no_hpet, "the same as -machine hpet=off", NULL, false},
    {"smp", "1", OPTION_ACCEPTED, set_smp, "one CPU", NULL, false},
    {"rtc", "base=utc", OPTION_ACCEPTED, set_rtc, "the guest's clock shows UTC", NULL, false},
    {"net", "none", OPTION_ACCEPTED, set_only, "as are -nic and -parallel none", "none", false},
    {"nic", "none", OPTION_ACCEPTED, set_only, NULL, "none", false},
    {"parallel", "none", OPTION_ACCEPTED, set_only, NULL, "none", false},
    {"enable-kvm", NULL, OPTION_ACCEPTED, set_enable_kvm, NULL, NULL, false},
    {"help", NULL, OPTION_OTHER, set_help, "this text", NULL, false},
    {"h", NULL, OPTION_OTHER, set_help, NULL, NULL, false},
    {"version", NULL, OPTION_OTHER, set_version, "the version", NULL, false},
};

const unsigned option_nrows = ARRAY_SIZE(option_rows);
