/* -boot, -hda to -hdd, -cdrom and -drive. */
#include "machine/option_rows.h"

#include <string.h>

static int set_boot_order(struct option_parse *p, const char *s, size_t len)
{
    if (len == 0 || len > OPTIONS_BOOT_DEVICES)
        return option_fail(p, "'%.*s': give one to %d letters", (int)len, s, OPTIONS_BOOT_DEVICES);
    for (size_t i = 0; i < len; i++)
        if (!strchr("acdn", s[i]) || memchr(s, s[i], i))
            return option_fail(p,
                               "'%.*s' is no order of boot devices: letters are a floppy, c disk, "
                               "d CD-ROM, n network, each once",
                               (int)len, s);
    memcpy(p->o->boot, s, len);
    p->o->boot[len] = '\0';
    return 0;
}

/* "dc", "order=dc", "once=d", "menu=on", with commas between. */
int option_set_boot(struct option_parse *p, const char *value)
{
    const char *word = value;
    int rc = 0;

    for (;;) {
        size_t len = strcspn(word, ",");
        size_t name = option_has_prefix(word, "order=")  ? 6
                      : option_has_prefix(word, "once=") ? 5
                                                         : 0;

        if (option_is_word(word, len, "menu=on") || option_is_word(word, len, "menu=off"))
            p->o->boot_menu = option_is_word(word, len, "menu=on");
        else if (!option_is_word(word, len, "strict=on") &&
                 !option_is_word(word, len, "strict=off"))
            rc = set_boot_order(p, word + name, len - name);
        if (rc < 0 || word[len] == '\0')
            return rc;
        word += len + 1;
    }
}

static int add_floppy(struct option_parse *p, unsigned n, const struct drive_option *d)
{
    struct drive_option *at = &p->o->floppy[n];

    if (at->present)
        return option_fail(p, "'%s': there is a floppy fd%c already ('%s')", d->path, 'a' + n,
                           at->path);
    *at = *d;
    at->present = true;
    return 0;
}

static int add_drive(struct option_parse *p, unsigned n, const struct drive_option *d)
{
    struct drive_option *at = &p->o->drive[n];

    if (at->present)
        return option_fail(p, "'%s': there is a drive hd%c already ('%s')", d->path, 'a' + n,
                           at->path);
    *at = *d;
    at->present = true;
    return 0;
}

/* -hda to -hdd, -fda, -fdb, -cdrom: the option's name says where. */
int option_set_disk(struct option_parse *p, const char *value)
{
    struct drive_option d = {.cdrom = strcmp(p->row->name, "cdrom") == 0};
    unsigned n = d.cdrom ? OPTIONS_CDROM_DRIVE : (unsigned)(p->row->name[2] - 'a');

    if (strlen(value) >= sizeof(d.path))
        return option_fail(p, "the path is too long");
    memcpy(d.path, value, strlen(value) + 1);
    if (option_has_prefix(p->row->name, "fd"))
        return add_floppy(p, n, &d);
    return add_drive(p, n, &d);
}

/* One property of -drive at `s`; ",," in a path is a comma. Returns where the next one begins,
 * NULL: not understood. */
static const char *copy_path(const char *s, char *to, size_t room)
{
    size_t n = 0;

    while (*s && (*s != ',' || s[1] == ',')) {
        s += *s == ',';
        if (n + 1 >= room)
            return NULL;
        to[n++] = *s++;
    }
    to[n] = '\0';
    return s;
}

struct drive_parse {
    struct drive_option d;
    uint64_t index, bus, unit;
    bool has_index, has_place;
};

/* name=value words whose value is one of two. */
static const struct {
    const char *word;
    size_t at; /* a bool of struct drive_option */
    bool value;
} drive_flags[] = {
    {"media=cdrom", offsetof(struct drive_option, cdrom), true},
    {"media=disk", offsetof(struct drive_option, cdrom), false},
    {"readonly=on", offsetof(struct drive_option, read_only), true},
    {"readonly=off", offsetof(struct drive_option, read_only), false},
    {"readonly", offsetof(struct drive_option, read_only), true},
    {"snapshot=on", offsetof(struct drive_option, snapshot), true},
    {"snapshot=off", offsetof(struct drive_option, snapshot), false},
};

/* How QEMU's users tune it; here there is one way. */
static const char *const drive_ignored[] = {
    "cache=", "aio=", "discard=", "detect-zeroes=", "id=", "if=ide", "if=none"};

static bool set_drive_number(struct drive_parse *dp, const char *word, size_t len)
{
    uint64_t *to = option_has_prefix(word, "index=")  ? &dp->index
                   : option_has_prefix(word, "bus=")  ? &dp->bus
                   : option_has_prefix(word, "unit=") ? &dp->unit
                                                      : NULL;
    const char *end;

    if (!to || !option_number(strchr(word, '=') + 1, to, &end) || end != word + len)
        return false;
    dp->has_index |= to == &dp->index;
    dp->has_place |= to != &dp->index;
    return true;
}

static bool set_drive_word(struct drive_parse *dp, const char *word, size_t len)
{
    for (unsigned i = 0; i < ARRAY_SIZE(drive_flags); i++) {
        if (option_is_word(word, len, drive_flags[i].word)) {
            *(bool *)((char *)&dp->d + drive_flags[i].at) = drive_flags[i].value;
            return true;
        }
    }
    if (option_is_word(word, len, "format=raw"))
        dp->d.format = DRIVE_RAW;
    else if (option_is_word(word, len, "format=qcow2"))
        dp->d.format = DRIVE_QCOW2;
    else
        return set_drive_number(dp, word, len);
    return true;
}

static bool drive_word_ignored(const char *word)
{
    for (unsigned i = 0; i < ARRAY_SIZE(drive_ignored); i++)
        if (option_has_prefix(word, drive_ignored[i]))
            return true;
    return false;
}

/* The first free place, CD-ROM drives from hdc on. */
static unsigned free_place(const struct options *o, bool cdrom)
{
    unsigned n = cdrom ? OPTIONS_CDROM_DRIVE : 0;

    while (n < OPTIONS_DRIVES && o->drive[n].present)
        n++;
    return n;
}

int option_set_drive(struct option_parse *p, const char *value)
{
    struct drive_parse dp = {.index = 0};
    const char *word = value;
    uint64_t n;

    for (;;) {
        size_t len = strcspn(word, ",");

        if (option_has_prefix(word, "file=")) {
            word = copy_path(word + 5, dp.d.path, sizeof(dp.d.path));
            if (!word)
                return option_fail(p, "the path is too long");
            len = 0;
        } else if (!set_drive_word(&dp, word, len) && !drive_word_ignored(word)) {
            return option_fail(p,
                               "'%.*s' is not understood; there are file=, format=raw|qcow2, "
                               "media=disk|cdrom, if=ide, index=0..3, readonly=on, snapshot=on",
                               (int)len, word);
        }
        if (word[len] == '\0')
            break;
        word += len + 1;
    }
    if (dp.d.path[0] == '\0' && !dp.d.cdrom)
        return option_fail(p, "a disk needs a file: -drive file=disk.img,format=raw");
    n = dp.has_index   ? dp.index
        : dp.has_place ? dp.bus * 2 + dp.unit
                       : free_place(p->o, dp.d.cdrom);
    if (n >= OPTIONS_DRIVES)
        return option_fail(p, "'%s': there is no such place; IDE has four, index 0 to 3", value);
    return add_drive(p, (unsigned)n, &dp.d);
}
