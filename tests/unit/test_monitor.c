/* The monitors without their wires: numbers, lines, JSON, what commands do, what clients may not.
 */
#include <check.h>
#include <unistd.h>

#include "bus/clock.h"
#include "monitor/address.h"
#include "monitor/expr.h"
#include "monitor_rig.h"

static struct monitor_rig *r;
static struct mon_session s;

static void begin(enum monitor_kind kind)
{
    r = monitor_rig_start();
    mon_session_init(&s, kind, &r->machine, &r->keys);
}

static void end(void)
{
    mon_session_fini(&s);
    monitor_rig_end(r);
}

/* What comes of these bytes; valid until the next call. */
static const char *say(const char *bytes)
{
    mon_drop(&s.out, s.out.len);
    ck_assert_uint_eq(mon_session_feed(&s, (const uint8_t *)bytes, strlen(bytes)), strlen(bytes));
    return s.out.len ? s.out.data : "";
}

static void expect(const char *bytes, const char *part)
{
    const char *got = say(bytes);

    ck_assert_msg(strstr(got, part) != NULL, "%s: not '%s' but: %s", bytes, part, got);
}

/* ---- expressions ---- */

static const struct {
    const char *text;
    uint64_t value;
    const char *rest;
} numbers[] = {
    {"1", 1, ""},
    {"0x10 + 2 * 3", 22, ""},
    {"2 * 3 + 0x10", 22, ""},
    {"1 + 6 & 3", 3, ""}, /* & binds tighter than +, as in QEMU */
    {"6 & 3 * 2", 6, ""},
    {"(1 + 6) & 3", 3, ""},
    {"8 | 1 ^ 3", 10, ""},
    {"-1", UINT64_MAX, ""},
    {"~0 / 2", UINT64_MAX / 2, ""},
    {"7 % 4 - -1", 4, ""},
    {"'A'", 65, ""},
    {"$eax", 0x89abcdef, ""},
    {"$rax", 0x0123456789abcdef, ""},
    {"$r8 + $eip", 8 + 0x1234, ""},
    {"$cs", 0xf000, ""},
    {"$cs.base", 0xffff0000, ""},
    {"$eflags", 2, ""},
    {"1 2", 1, "2"},
};

START_TEST(values)
{
    const char *rest, *bad;
    uint64_t v;

    begin(MONITOR_HMP);
    r->cpu.gpr[RAX] = 0x0123456789abcdef;
    r->cpu.gpr[R8] = 8;
    r->cpu.rip = 0x1234;
    ck_assert_int_eq(mon_expr(numbers[_i].text, &r->cpu, &v, &rest, &bad), 0);
    ck_assert_uint_eq(v, numbers[_i].value);
    ck_assert_str_eq(rest, numbers[_i].rest);
    end();
}
END_TEST

static const char *const no_numbers[] = {
    "",       "x",     "1 +",    "(1",  ")", "1 / 0", "1 % 0", "$", "$nothing",
    "$eflag", "'A",    "''",     "+",   "~", "0x",    "(",     "*", "18446744073709551616",
    "$e",     "$eaxx", "1 + (2", "- -",
};

START_TEST(no_values)
{
    const char *rest, *bad = NULL;
    uint64_t v;

    begin(MONITOR_HMP);
    if (strcmp(no_numbers[_i], "0x") == 0) { /* strtoull() takes the 0 */
        ck_assert_int_eq(mon_expr("0x", &r->cpu, &v, &rest, &bad), 0);
        ck_assert_str_eq(rest, "x");
    } else {
        ck_assert_int_eq(mon_expr(no_numbers[_i], &r->cpu, &v, &rest, &bad), -EINVAL);
        ck_assert_ptr_nonnull(bad);
    }
    end();
}
END_TEST

START_TEST(deep_values)
{
    char text[4096];
    const char *rest, *bad;
    uint64_t v;

    memset(text, _i ? '(' : '-', sizeof(text) - 2);
    strcpy(text + sizeof(text) - 2, "1");
    ck_assert_int_eq(mon_expr(text, NULL, &v, &rest, &bad), -EINVAL);
    ck_assert_str_eq(bad, "that is too deep");
    ck_assert_int_eq(mon_expr("$eax", NULL, &v, &rest, &bad), -EINVAL);
}
END_TEST

/* ---- addresses ---- */

START_TEST(addresses)
{
    struct monitor_address a;
    const char *bad;

    ck_assert_int_eq(monitor_parse_address(&a, "none", &bad), 0);
    ck_assert_int_eq(a.kind, MONITOR_NONE);
    ck_assert_int_eq(monitor_parse_address(&a, "stdio", &bad), 0);
    ck_assert_int_eq(a.kind, MONITOR_STDIO);
    ck_assert_int_eq(monitor_parse_address(&a, "unix:/tmp/a b", &bad), 0);
    ck_assert_str_eq(a.path, "/tmp/a b");
    ck_assert(a.kind == MONITOR_UNIX && !a.server && a.wait);
    ck_assert_int_eq(monitor_parse_address(&a, "unix:x,server,nowait", &bad), 0);
    ck_assert(a.server && !a.wait);
    ck_assert_int_eq(monitor_parse_address(&a, "tcp:127.0.0.1:65535,server=on,wait=off", &bad), 0);
    ck_assert(a.kind == MONITOR_TCP && a.port == 65535 && a.server && !a.wait);
    ck_assert_int_eq(monitor_parse_address(&a, "tcp::4444,server", &bad), 0);
    ck_assert(a.port == 4444 && a.wait);
    ck_assert_int_eq(monitor_parse_address(&a, "tcp:localhost:1", &bad), 0);
}
END_TEST

static const char *const no_addresses[] = {
    "",
    "unix:",
    "unix:,server",
    "unix:x,",
    "unix:x,serve",
    "tcp:0.0.0.0:1,server",
    "tcp:10.0.0.1:1",
    "tcp:127.0.0.1",
    "tcp:127.0.0.1:",
    "tcp:127.0.0.1:0",
    "tcp:127.0.0.1:65536",
    "tcp:127.0.0.1:99999999999999999999",
    "tcp:127.0.0.1:1x",
    "tcp:localhost.example:1",
    "udp:127.0.0.1:1",
    "stdio,server",
    "unix:"
    "123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890"
    "123456789012345678",
};

START_TEST(mistaken_addresses)
{
    struct monitor_address a;
    const char *bad = NULL;

    ck_assert_int_eq(monitor_parse_address(&a, no_addresses[_i], &bad), -EINVAL);
    ck_assert_ptr_nonnull(bad);
}
END_TEST

/* ---- text ---- */

START_TEST(text_has_a_limit)
{
    struct mon_text t = {.limit = 10};

    mon_puts(&t, "12345");
    mon_printf(&t, "%d", 678);
    ck_assert(!t.cut);
    mon_puts(&t, "9012");
    ck_assert(t.cut);
    ck_assert_str_eq(t.data, "1234567890");
    mon_drop(&t, 8);
    ck_assert_str_eq(t.data, "90");
    mon_drop(&t, 2);
    mon_puts(&t, "abc");
    ck_assert_str_eq(t.data, "abc");
    mon_free(&t);
}
END_TEST

/* ---- lines ---- */

START_TEST(lines)
{
    begin(MONITOR_HMP);
    expect("", "");
    mon_session_greet(&s);
    ck_assert_ptr_nonnull(strstr(s.out.data, "(dragoman) "));
    ck_assert_str_eq(say("info na"), "");
    ck_assert_str_eq(say("me\n"), "rig\n(dragoman) ");
    ck_assert_str_eq(say("info name\r\ninfo name\n"), "rig\n(dragoman) rig\n(dragoman) ");
    ck_assert_str_eq(say("  info   name  \n"), "rig\n(dragoman) ");
    expect("p \"\n", "Error: p: val: that is no number: '\"'");
    end();
}
END_TEST

/* A terminal in raw mode: what is typed is shown, and can be changed. */
START_TEST(editing)
{
    begin(MONITOR_HMP);
    s.echo = true;
    ck_assert_str_eq(say("info namx"), "info namx");
    ck_assert_str_eq(say("\x7f"), "\b \b");
    ck_assert_str_eq(say("e\r"), "e\nrig\n(dragoman) ");
    expect("p 1\r", "0x1");
    ck_assert_str_eq(say("\033[A"), "\r\033[K(dragoman) p 1");
    ck_assert_str_eq(say("\033[A"), "\r\033[K(dragoman) info name");
    ck_assert_str_eq(say("\033[A"), "");
    ck_assert_str_eq(say("\033[B"), "\r\033[K(dragoman) p 1");
    ck_assert_str_eq(say("\x15"), "\r\033[K(dragoman) ");
    ck_assert_str_eq(say("\x7f\x7f"), "");
    ck_assert_str_eq(say("\033[5~\033OP"), ""); /* keys without a meaning */
    expect("p 2\r", "0x2");
    for (unsigned i = 0; i < 2 * MON_HISTORY; i++) {
        char line[32];

        snprintf(line, sizeof(line), "p %u\r", i);
        say(line);
    }
    for (unsigned i = 0; i < MON_HISTORY - 1; i++)
        say("\033[A");
    expect("\033[A", "p 16");
    end();
}
END_TEST

START_TEST(limits_of_lines)
{
    char line[MON_LINE_BYTES + 100];

    begin(MONITOR_HMP);
    memset(line, 'x', sizeof(line) - 2);
    strcpy(line + sizeof(line) - 2, "\n");
    expect(line, "a line has at most 4095 bytes");
    expect("info name\n", "rig");
    memcpy(line, "eject ", 6);
    strcpy(line + 2000, "\n");
    expect(line, "device is too long");
    expect("GET / HTTP/1.1\n", "no web server");
    ck_assert(s.closing);
    ck_assert_uint_eq(mon_session_feed(&s, (const uint8_t *)"quit\n", 5), 0);
    ck_assert_uint_eq(r->quits, 0);
    end();
}
END_TEST

/* Who does not read is not answered for ever. */
START_TEST(much_output)
{
    static const char line[] = "x /65536xb 0\n";
    unsigned fed = 0;

    begin(MONITOR_HMP);
    while (mon_session_feed(&s, (const uint8_t *)line, strlen(line)) == strlen(line))
        ck_assert_uint_lt(++fed, 4);
    ck_assert_uint_gt(s.out.len, MON_OUT_BUSY);
    ck_assert_uint_lt(s.out.len, MON_OUT_LIMIT);
    end();
}
END_TEST

/* ---- commands ---- */

START_TEST(commands)
{
    begin(MONITOR_HMP);
    say("stop\n");
    ck_assert_int_eq(r->state, MONITOR_PAUSED);
    expect("info status\n", "VM status: paused\n");
    say("c\n");
    ck_assert_int_eq(r->state, MONITOR_RUNNING);
    r->state = MONITOR_IO_ERROR;
    expect("info status\n", "VM status: paused (io-error)\n");
    r->state = MONITOR_SHUTDOWN;
    expect("cont\n", "Resetting the Virtual Machine is required");
    ck_assert_int_eq(r->state, MONITOR_SHUTDOWN);
    say("system_reset\nsystem_powerdown\nq\n");
    ck_assert_uint_eq(r->resets, 1);
    ck_assert_uint_eq(r->buttons, 1);
    ck_assert_uint_eq(r->quits, 1);
    expect("screendump x.png\n", "There is no console");
    expect("info jit\n", "counters");
    memset(r->cpu.fpu + 160 + 16 * 3, 0xab, 8);
    expect("info registers\n", "XMM03=0000000000000000abababababababab\n");
    expect("info registers\n", "FCW=0040 FSW=0000 FTW=ff MXCSR=00001f80\n");
    r->cpu.fpu[512] = 0; /* both in their first state, whatever the image holds */
    expect("info registers\n", "FCW=037f FSW=0000 FTW=00");
    expect("info registers\n", "XMM03=00000000000000000000000000000000\n");
    expect("info irq\n", "no interrupt yet");
    r->interrupts[0x30] = 7;
    expect("info irq\n", "vector 30: 7\n");
    end();
}
END_TEST

START_TEST(media)
{
    begin(MONITOR_HMP);
    expect("eject ide0-hd0\n", "Device 'ide0-hd0' is not removable");
    expect("eject nothing\n", "Device 'nothing' not found");
    expect("eject\n", "device is missing");
    ck_assert_uint_eq(r->changes, 0);
    say("eject ide1-cd0\n");
    ck_assert(r->changes == 1 && !r->medium.path && !r->medium.force);
    say("eject -f ide1-cd0\n");
    ck_assert(r->changes == 2 && r->medium.force);
    say("change ide1-cd0 \"a \\\"b\\\".iso\" raw read-only\n");
    ck_assert_str_eq(r->path, "a \"b\".iso");
    ck_assert_int_eq(r->medium.format, BLOCK_FORMAT_RAW);
    ck_assert_int_eq(r->medium.mode, MEDIUM_READ_ONLY);
    expect("change ide1-cd0 nothing\n", "Error: no such file");
    expect("change ide1-cd0 x vmdk\n", "raw and qcow2");
    ck_assert_str_eq(say("commit ide0-hd0\n"), "(dragoman) ");
    expect("commit ide1-cd0\n", "there is no snapshot");
    expect("commit nothing\n", "not found");
    ck_assert_uint_eq(r->commits, 3);
    r->commits = 0;
    ck_assert_str_eq(say("commit all\n"), "(dragoman) ");
    ck_assert_uint_eq(r->commits, 1);
    end();
}
END_TEST

START_TEST(keys)
{
    begin(MONITOR_HMP);
    say("sendkey ctrl-alt-delete 50\n");
    ck_assert_uint_eq(r->nkeys, 3);
    ck_assert(r->key[0] == 0x1d && r->key[1] == 0x38 && r->key[2] == 0xd3);
    r->now = 49999999;
    clock_run(&r->clock);
    ck_assert_uint_eq(r->nkeys, 3);
    r->now = 50000000;
    clock_run(&r->clock);
    ck_assert_uint_eq(r->nkeys, 6);
    ck_assert(r->key[3] == -0xd3 && r->key[4] == -0x38 && r->key[5] == -0x1d);
    say("sendkey a\nsendkey b\n"); /* a is let go first */
    ck_assert(r->nkeys == 9 && r->key[7] == -0x1e && r->key[8] == 0x30);
    r->deaf = true;
    expect("sendkey c\n", "no key fits in");
    ck_assert_uint_eq(r->nkeys, 10);
    say("mouse_button 5\nmouse_move 10 -20 1\n");
    ck_assert(r->mouse[0] == 10 && r->mouse[1] == -20 && r->mouse[2] == 1);
    ck_assert_uint_eq(r->mouse_buttons, 5);
    expect("mouse_move 10001 0\n", "-10000 to 10000");
    end();
}
END_TEST

/* ---- memory ---- */

static void map(unsigned at, uint32_t entry)
{
    memcpy(r->ram + at, &entry, sizeof(entry));
}

START_TEST(memory)
{
    begin(MONITOR_HMP);
    memcpy(r->ram + 0x2000, "\x11\x22\x33\x44\x55\x66\x77\x88", 8);
    expect("xp /2xw 0x2000\n", "0000000000002000: 0x44332211 0x88776655\n");
    expect("xp /1dh 0x2006\n", ": -30601\n");
    expect("xp /1ub 0x2007\n", ": 136\n");
    expect("xp /1ob 0x2000\n", ": 021\n");
    expect("xp /1xg 0x2000\n", ": 0x8877665544332211\n");
    expect("xp /2xw 0x3ffffc\n", ": 0x00000000 Cannot access memory\n");
    expect("xp 0x2000\n", "0x44332211");
    memcpy(r->ram + 0x3000, "\x90\xeb\xfe", 3);
    expect("xp /2i 0x3000\n", "0x00003000:  nop \n0x00003001:  jmp 0x3001\n");
    r->cpu.cr0 |= CR0_PE | CR0_PG;
    r->cpu.cr3 = 0x10000;
    map(0x10000 + 4 * 1, 0x11000 | 7); /* 400000h */
    map(0x11000 + 4 * 2, 0x2000 | 7);
    map(0x11000 + 4 * 3, 0x5000 | 7);
    map(0x11000 + 4 * 5, 0x6000 | 1);
    cpu_update_mode(&r->cpu);
    expect("x /1xw 0x402000\n", "0000000000402000: 0x44332211\n");
    expect("x /1xw 0x401000\n", "Cannot access memory");
    expect("info mem\n", "0000000000402000-0000000000404000 0000000000002000 urw\n"
                         "0000000000405000-0000000000406000 0000000000001000 -r-\n");
    expect("info tlb\n", "0000000000403000: 0000000000005000 -------UW\n");
    r->cpu.cr4 |= CR4_PSE;
    map(0x10000 + 4 * 2, 0x80 | 0xc0000000 | 3 << 13 | 7);
    expect("info tlb\n", "0000000000800000: 00000003c0000000 --P----UW\n");
    end();
}
END_TEST

/* Tables that point at themselves end. */
START_TEST(endless_tables)
{
    begin(MONITOR_HMP);
    r->cpu.cr0 |= CR0_PE | CR0_PG;
    r->cpu.cr4 |= CR4_PAE;
    r->cpu.efer |= EFER_LMA | EFER_LME;
    r->cpu.cr3 = 0x10000;
    for (unsigned i = 0; i < 512; i++) {
        uint64_t e = 0x10000 | 7;

        memcpy(r->ram + 0x10000 + 8 * i, &e, 8);
    }
    expect("info mem\n", "[the tables go on]");
    expect("info tlb\n", "too much");
    end();
}
END_TEST

START_TEST(saving)
{
    char path[] = "/tmp/dragoman-monitor-XXXXXX", line[128];
    uint8_t got[8192];
    int fd = mkstemp(path);
    FILE *f = fdopen(fd, "rb");

    begin(MONITOR_HMP);
    memset(r->ram + 0x2ff0, 0x5a, 32);
    snprintf(line, sizeof(line), "pmemsave 0x2ff0 32 %s\n", path);
    ck_assert_str_eq(say(line), "(dragoman) ");
    ck_assert_uint_eq(fread(got, 1, sizeof(got), f), 32);
    ck_assert(got[0] == 0x5a && got[31] == 0x5a);
    snprintf(line, sizeof(line), "memsave 0x3ffff0 32 %s\n", path);
    expect(line, "Invalid addr 0x00000000003ffff0/size 32 specified");
    fclose(f);
    unlink(path);
    end();
}
END_TEST

/* ---- QMP ---- */

#ifdef DRAGOMAN_QMP
START_TEST(programs)
{
    begin(MONITOR_QMP);
    expect("{\"execute\": \"stop\"}", "\"class\": \"CommandNotFound\"");
    ck_assert_int_eq(r->state, MONITOR_RUNNING);
    mon_session_event(&s, "STOP", NULL); /* not before the capabilities */
    ck_assert_ptr_null(strstr(s.out.data, "event"));
    ck_assert_str_eq(say("{\"execute\": \"qmp_capabilities\", \"id\": [1]}"),
                     "{\"return\": {}, \"id\": [1]}\r\n");
    ck_assert_str_eq(say("{\"execute\": \"stop\"} "), "{\"return\": {}}\r\n");
    ck_assert_int_eq(r->state, MONITOR_PAUSED);
    expect("{\"execute\": \"query-status\"}", "\"status\": \"paused\"");
    mon_drop(&s.out, s.out.len);
    mon_session_event(&s, "STOP", "{\"a\": 1}");
    ck_assert_ptr_nonnull(strstr(s.out.data, "\"event\": \"STOP\", \"data\": {\"a\": 1}}\r\n"));
    expect("{\"execute\": \"eject\", \"arguments\": {\"device\": \"x\"}}", "DeviceNotFound");
    expect("{\"execute\": \"pmemsave\", \"arguments\": {\"val\": true}}", "expected: integer");
    expect("{\"execute\": \"pmemsave\", \"arguments\": {\"val\": 1}}", "'size' is missing");
    expect("{\"execute\": \"query-block\"}", "\"device\": \"ide1-cd0\"");
    expect("{\"execute\": \"human-monitor-command\", \"arguments\": {\"command-line\": \"p 3\"}}",
           "\"return\": \"0x3\\n\"");
    say("{\"execute\": \"send-key\", \"arguments\": {\"keys\": [{\"type\": \"qcode\", \"data\": "
        "\"f12\"}]}}");
    ck_assert_int_eq(r->key[0], 0x58);
    end();
}
END_TEST

START_TEST(input_events)
{
    begin(MONITOR_QMP);
    say("{\"execute\": \"qmp_capabilities\"}");
    expect(
        "{\"execute\": \"input-send-event\", \"arguments\": {\"events\": ["
        "{\"type\": \"key\", \"data\": {\"down\": true, \"key\": {\"type\": \"qcode\", \"data\": "
        "\"a\"}}}, {\"type\": \"rel\", \"data\": {\"axis\": \"x\", \"value\": -7}},"
        "{\"type\": \"btn\", \"data\": {\"down\": true, \"button\": \"middle\"}},"
        "{\"type\": \"btn\", \"data\": {\"down\": true, \"button\": \"wheel-up\"}}]}}",
        "\"return\": {}");
    ck_assert(r->nkeys == 1 && r->key[0] == 0x1e);
    ck_assert(r->mouse[0] == -7 && r->mouse[2] == -1 && r->mouse_buttons == 4);
    /* One that is wrong, and none is done. */
    expect(
        "{\"execute\": \"input-send-event\", \"arguments\": {\"events\": ["
        "{\"type\": \"key\", \"data\": {\"down\": false, \"key\": {\"type\": \"qcode\", "
        "\"data\": \"a\"}}}, {\"type\": \"rel\", \"data\": {\"axis\": \"x\", \"value\": 1e9}}]}}",
        "moves along");
    ck_assert_uint_eq(r->nkeys, 1);
    end();
}
END_TEST
#endif

/* ---- where values end ---- */

static enum json_frame_event frame(struct json_frame *f, const char *bytes)
{
    enum json_frame_event e = JSON_MORE;

    for (; *bytes; bytes++) {
        ck_assert_int_eq(e, JSON_MORE);
        e = json_frame_feed(f, *bytes);
    }
    return e;
}

START_TEST(frames)
{
    struct json_frame f = {0};

    ck_assert_int_eq(frame(&f, " \n\t{\"a\": \"}\\\"{\", \"b\": [{}, []]}"), JSON_VALUE);
    ck_assert_uint_eq(f.len, strlen("{\"a\": \"}\\\"{\", \"b\": [{}, []]}"));
    ck_assert_int_eq(frame(&f, "{\"x\":1"), JSON_MORE);
    ck_assert_int_eq(frame(&f, "}"), JSON_VALUE);
    ck_assert_int_eq(frame(&f, "word"), JSON_MORE);
    ck_assert_int_eq(frame(&f, "\n"), JSON_VALUE);
    ck_assert_int_eq(frame(&f, "}"), JSON_VALUE);
    for (unsigned i = 0; i < JSON_FRAME_DEPTH; i++)
        ck_assert_int_eq(json_frame_feed(&f, '['), JSON_MORE);
    ck_assert_int_eq(json_frame_feed(&f, '['), JSON_TOO_DEEP);
    ck_assert_int_eq(frame(&f, "[[[[ {} }}}\n{}"), JSON_VALUE);
    ck_assert_uint_eq(f.len, 2);
    for (unsigned i = 0; i < JSON_FRAME_BYTES; i++)
        ck_assert_int_eq(json_frame_feed(&f, 'x'), JSON_MORE);
    ck_assert_int_eq(json_frame_feed(&f, 'x'), JSON_TOO_LONG);
    json_frame_free(&f);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("monitor");
    TCase *tc = tcase_create("monitor");
    SRunner *sr;
    int failed;

    tcase_add_loop_test(tc, values, 0, ARRAY_SIZE(numbers));
    tcase_add_loop_test(tc, no_values, 0, ARRAY_SIZE(no_numbers));
    tcase_add_loop_test(tc, deep_values, 0, 2);
    tcase_add_test(tc, addresses);
    tcase_add_loop_test(tc, mistaken_addresses, 0, ARRAY_SIZE(no_addresses));
    tcase_add_test(tc, text_has_a_limit);
    tcase_add_test(tc, lines);
    tcase_add_test(tc, editing);
    tcase_add_test(tc, limits_of_lines);
    tcase_add_test(tc, much_output);
    tcase_add_test(tc, commands);
    tcase_add_test(tc, media);
    tcase_add_test(tc, keys);
    tcase_add_test(tc, memory);
    tcase_add_test(tc, endless_tables);
    tcase_add_test(tc, saving);
    tcase_add_test(tc, frames);
#ifdef DRAGOMAN_QMP
    tcase_add_test(tc, programs);
    tcase_add_test(tc, input_events);
#endif
    suite_add_tcase(suite, tc);
    sr = srunner_create(suite);
    srunner_run_all(sr, CK_ENV);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? 1 : 0;
}
