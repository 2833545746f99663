/* The command line: what it means, and that every mistake gets a sentence that names it. */
#include "machine/options.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "machine/exit_status.h"

static struct options o;
static struct options_error e;

/* Splits at blanks; '~' stands for a blank inside a word, '@' for an empty word. */
static int parse(const char *line)
{
    static char words[1024];
    static char program[] = "dragoman";
    char *argv[64] = {program};
    int argc = 1;

    snprintf(words, sizeof(words), "%s", line);
    for (char *w = strtok(words, " "); w; w = strtok(NULL, " ")) {
        argv[argc++] = strcmp(w, "@") == 0 ? strchr(w, '\0') : w;
        for (char *c = w; *c; c++)
            if (*c == '~')
                *c = ' ';
    }
    memset(&o, 0xEE, sizeof(o));
    memset(&e, 0, sizeof(e));
    return options_parse(&o, argc, argv, &e);
}

START_TEST(defaults)
{
    ck_assert_int_eq(parse("vmlinuz"), 0);
    ck_assert_int_eq(o.action, OPTIONS_RUN);
    ck_assert_str_eq(o.image, "vmlinuz");
    ck_assert_ptr_null(o.initrd);
    ck_assert_ptr_null(o.append);
    ck_assert_ptr_null(o.cpu);
    ck_assert_ptr_null(o.log_file);
    ck_assert_uint_eq(o.ram_bytes, 512 * MIB);
    ck_assert_int_eq(o.engine, ENGINE_BT);
    ck_assert_int_eq(o.serial.kind, CHAR_MON_STDIO);
    ck_assert_int_eq(o.debugcon.kind, CHAR_NONE);
    ck_assert(!o.flat && !o.kaslr && !o.no_unpack_cache && !o.no_reboot && !o.debug_exit);
    ck_assert_uint_eq(o.timeout_ns, 0);
    ck_assert_uint_eq(o.log_items, 0);
}
END_TEST

START_TEST(a_qemu_line)
{
    ck_assert_int_eq(
        parse(
            "-M pc -cpu qemu32,+sse3 -m 1G -smp 1 -kernel k -initrd i -append console=ttyS0~quiet "
            "-nographic -no-reboot -no-unpack-cache -no-shutdown -nodefaults -serial mon:stdio "
            "-serial file:/tmp/com2 -parallel file:/tmp/lpt -display none "
            "-vga none -net none -nic none -monitor none -rtc base=utc -name test "
            "-device isa-debug-exit,iobase=0xf4,iosize=0x04 -debugcon file:/tmp/x "
            "-d int,mmu -D log --timeout 1.25 -accel kvm:interp"),
        0);
    ck_assert_str_eq(o.image, "k");
    ck_assert_str_eq(o.initrd, "i");
    ck_assert_str_eq(o.append, "console=ttyS0 quiet");
    ck_assert_str_eq(o.cpu, "qemu32,+sse3");
    ck_assert_str_eq(o.name, "test");
    ck_assert_str_eq(o.log_file, "log");
    ck_assert_str_eq(o.debugcon.path, "/tmp/x");
    ck_assert_str_eq(o.com2.path, "/tmp/com2");
    ck_assert_str_eq(o.parallel.path, "/tmp/lpt");
    ck_assert_uint_eq(o.ram_bytes, GIB);
    ck_assert_uint_eq(o.log_items, LOG_INT | LOG_MMU);
    ck_assert_uint_eq(o.timeout_ns, 1250000000);
    ck_assert_int_eq(o.engine, ENGINE_INTERP);
    ck_assert(o.no_reboot && o.no_unpack_cache && o.debug_exit);
    ck_assert_uint_eq(o.debug_exit_iobase, 0xF4);
    ck_assert_uint_eq(o.debug_exit_iosize, 4);
}
END_TEST

START_TEST(displays)
{
    ck_assert_int_eq(parse("-hda d"), 0);
    ck_assert(!o.curses && !o.vnc.on && o.vga == VGA_DEFAULT);
    ck_assert_int_eq(parse("-hda d -display curses"), 0);
    ck_assert(o.curses);
    ck_assert_int_eq(o.vga, VGA_STD);
    ck_assert_int_eq(o.serial.kind, CHAR_NULL); /* the screen has the terminal */
    ck_assert_int_eq(parse("-hda d -display curses -serial file:s -vnc 0.0.0.0:2"), 0);
    ck_assert(o.curses && o.vnc.on);
    ck_assert_int_eq(o.serial.kind, CHAR_FILE);
    ck_assert_uint_eq(o.vnc.port, 5902);
    ck_assert_int_eq(parse("-hda d -display vnc=:1,password-file=p -screendump s.png"), 0);
    ck_assert_str_eq(o.vnc.password_file, "p");
    ck_assert_str_eq(o.screendump, "s.png");
    ck_assert_int_eq(o.serial.kind, CHAR_MON_STDIO);
    ck_assert_int_eq(parse("-hda d -display sdl"), 0);
    ck_assert(o.sdl && !o.curses && o.vga == VGA_STD);
    ck_assert_int_eq(parse("-hda d -display sdl -nographic"), 0);
    ck_assert(!o.sdl);
    ck_assert_int_eq(parse("-hda d -display web=8080"), 0);
    ck_assert(o.vnc.on && o.vnc.page_wanted && o.vga == VGA_STD);
    ck_assert_uint_eq(o.vnc.web_port, 8080);
    ck_assert_int_eq(parse("-hda d -vnc :1 -nographic"), 0);
    ck_assert(!o.vnc.on);
}
END_TEST

START_TEST(monitors)
{
    ck_assert_int_eq(parse("k"), 0);
    ck_assert_uint_eq(o.nmonitors, 0);
    ck_assert(!o.start_paused && !o.no_shutdown && !o.monitor_stdio);
    ck_assert_int_eq(parse("k -S -no-shutdown -qmp unix:q,server,nowait -monitor stdio -qmp-pretty "
                           "tcp:127.0.0.1:4444 -monitor none"),
                     0);
    ck_assert_uint_eq(o.nmonitors, 3);
    ck_assert(o.start_paused && o.no_shutdown && o.monitor_stdio);
    ck_assert_int_eq(o.monitor[0].kind, MONITOR_QMP);
    ck_assert_str_eq(o.monitor[0].at.path, "q");
    ck_assert(o.monitor[0].at.server && !o.monitor[0].at.wait && !o.monitor[0].pretty);
    ck_assert_int_eq(o.monitor[1].kind, MONITOR_HMP);
    ck_assert_int_eq(o.monitor[1].at.kind, MONITOR_STDIO);
    ck_assert(o.monitor[2].pretty && o.monitor[2].kind == MONITOR_QMP);
    ck_assert_uint_eq(o.monitor[2].at.port, 4444);
    ck_assert_int_eq(o.serial.kind, CHAR_NULL); /* the monitor has the terminal */
    ck_assert_int_eq(parse("k -chardev socket,id=charmonitor,path=/run/x,server=on,wait=off -mon "
                           "chardev=charmonitor,id=monitor,mode=control -chardev "
                           "socket,id=b,host=127.0.0.1,port=99,server -mon b,mode=readline"),
                     0);
    ck_assert_uint_eq(o.nmonitors, 2);
    ck_assert_int_eq(o.monitor[0].kind, MONITOR_QMP);
    ck_assert_str_eq(o.monitor[0].at.path, "/run/x");
    ck_assert(o.monitor[0].at.server && !o.monitor[0].at.wait);
    ck_assert(o.monitor[1].kind == MONITOR_HMP && o.monitor[1].at.port == 99);
}
END_TEST

START_TEST(spellings)
{
    ck_assert_int_eq(parse("--kernel=k --append=a=b --m=64 -engine=interp"), 0);
    ck_assert_str_eq(o.image, "k");
    ck_assert_str_eq(o.append, "a=b");
    ck_assert_uint_eq(o.ram_bytes, 64 * MIB);
    ck_assert_int_eq(o.engine, ENGINE_INTERP);
    ck_assert_int_eq(parse("-append=-nographic k"), 0);
    ck_assert_str_eq(o.append, "-nographic");
    ck_assert_int_eq(parse("-append @ k"), 0);
    ck_assert_str_eq(o.append, "");
    ck_assert_int_eq(parse("-m 32M -- -m"), 0);
    ck_assert_str_eq(o.image, "-m");
    ck_assert_int_eq(parse("-kernel a -kernel b"), 0); /* the last one wins, as with QEMU */
    ck_assert_str_eq(o.image, "b");
    ck_assert_int_eq(parse("k -accel kvm -accel bt -accel interp"), 0); /* the first that exists */
    ck_assert_int_eq(o.engine, ENGINE_BT);
    ck_assert_int_eq(parse("k -machine pc,accel=tcg:interp"), 0);
    ck_assert_int_eq(o.engine, ENGINE_INTERP);
    ck_assert(!o.no_hpet);
    ck_assert_int_eq(parse("k -M pc,hpet=off"), 0);
    ck_assert(o.no_hpet);
    ck_assert_int_eq(parse("k -M pc,hpet=off,hpet=on"), 0);
    ck_assert(!o.no_hpet);
    ck_assert_int_eq(parse("k -no-hpet"), 0);
    ck_assert(o.no_hpet);
}
END_TEST

START_TEST(sizes)
{
    static const struct {
        const char *line;
        uint64_t bytes;
    } good[] = {
        {"-m 1 k", MIB},          {"-m 1M k", MIB},
        {"-m 64G k", 64 * GIB},   {"-m 2g k", 2 * GIB},
        {"-m 2048K k", 2 * MIB},  {"-m 0x200 k", 512 * MIB},
        {"-m 0x10M k", 16 * MIB}, {"-m size=128M k", 128 * MIB},
        {"-m 1048576b k", MIB},
    };
    static const char *const bad[] = {"-m 0 k",
                                      "-m 65G k",
                                      "-m 1T k",
                                      "-m 1023K k",
                                      "-m -1 k",
                                      "-m +1 k",
                                      "-m G k",
                                      "-m 1GB k",
                                      "-m 1.5G k",
                                      "-m 0x k",
                                      "-m 1026K2 k",
                                      "-m 1x k",
                                      "-m 99999999999999999999 k",
                                      "-m 18446744073709551615G k",
                                      "-m 1025k k",
                                      "-m @ k"};

    for (unsigned i = 0; i < ARRAY_SIZE(good); i++) {
        ck_assert_msg(parse(good[i].line) == 0, "%s: %s", good[i].line, e.text);
        ck_assert_uint_eq(o.ram_bytes, good[i].bytes);
    }
    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
        ck_assert_msg(parse(bad[i]) == -EINVAL, "%s was taken", bad[i]);
        ck_assert_msg(strncmp(e.text, "-m: ", 4) == 0, "%s: %s", bad[i], e.text);
    }
}
END_TEST

START_TEST(timeouts)
{
    static const char *const bad[] = {"0", "0.0", "-1", ".5", "x", "1s", "1.5.", "99999999999999"};
    char line[64];

    ck_assert_int_eq(parse("-timeout 30 k"), 0);
    ck_assert_uint_eq(o.timeout_ns, 30 * NS_PER_SEC);
    ck_assert_int_eq(parse("-timeout 0.000000001999 k"), 0);
    ck_assert_uint_eq(o.timeout_ns, 1);
    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
        snprintf(line, sizeof(line), "-timeout %s k", bad[i]);
        ck_assert_msg(parse(line) == -EINVAL, "%s was taken", bad[i]);
    }
}
END_TEST

START_TEST(drives)
{
    ck_assert_int_eq(parse("-hda a.img -hdb=b.img -cdrom c.iso -boot order=dc,menu=on -snapshot -L "
                           "fw -bios mine.bin"),
                     0);
    ck_assert_ptr_null(o.image);
    ck_assert_str_eq(o.drive[0].path, "a.img");
    ck_assert_str_eq(o.drive[1].path, "b.img");
    ck_assert_str_eq(o.drive[2].path, "c.iso");
    ck_assert(o.drive[2].present && o.drive[2].cdrom && !o.drive[0].cdrom);
    ck_assert(!o.drive[3].present);
    ck_assert_str_eq(o.boot, "dc");
    ck_assert(o.boot_menu && o.snapshot);
    ck_assert_str_eq(o.bios, "mine.bin");
    ck_assert_str_eq(o.dir[0], "fw");
    ck_assert_uint_eq(o.ndirs, 1);
    ck_assert_int_eq(parse("-fda f.img -fdb g.img"), 0);
    ck_assert_str_eq(o.floppy[0].path, "f.img");
    ck_assert_str_eq(o.floppy[1].path, "g.img");
    ck_assert_int_eq(parse("-boot d -hda a"), 0);
    ck_assert_str_eq(o.boot, "d");
}
END_TEST

START_TEST(drive_properties)
{
    ck_assert_int_eq(parse("-drive file=a,,b.img,format=raw,if=ide,cache=none,id=x "
                           "-drive media=cdrom,file=c.iso,readonly=on "
                           "-drive file=d,bus=0,unit=1,format=qcow2,snapshot=on "
                           "-drive index=3,media=cdrom"),
                     0);
    ck_assert_str_eq(o.drive[0].path, "a,b.img");
    ck_assert_int_eq(o.drive[0].format, DRIVE_RAW);
    ck_assert(!o.drive[0].read_only && !o.drive[0].snapshot);
    ck_assert_str_eq(o.drive[2].path, "c.iso");
    ck_assert(o.drive[2].cdrom && o.drive[2].read_only);
    ck_assert_str_eq(o.drive[1].path, "d");
    ck_assert_int_eq(o.drive[1].format, DRIVE_QCOW2);
    ck_assert(o.drive[1].snapshot);
    ck_assert(o.drive[3].present && o.drive[3].cdrom && !o.drive[3].path[0]);
}
END_TEST

/* Each mistake, and a word that its message must contain. */
static const struct {
    const char *line, *says;
} mistakes[] = {
    {"-monitor nowhere k", "nowhere"},
    {"-chardev pty,id=a k", "socket,id=ID"},
    {"-chardev socket,path=x k", "id is missing"},
    {"-chardev socket,id=a,host=10.0.0.1,port=1 k", "this host only"},
    {"-chardev socket,id=a,path=x,telnet=on k", "nowait"},
    {"-mon chardev=a,mode=control k", "no -chardev before it"},
    {"-monitor tcp:0.0.0.0:4444,server k", "this host only"},
    {"-qmp unix:q,sever k", "nowait"},
    {"-monitor stdio -qmp stdio k", "one terminal"},
    {"-monitor stdio -serial mon:stdio k", "terminal"},
    {"-monitor stdio -display curses -hda d", "terminal"},
    {"-qmp unix:1 -qmp unix:2 -qmp unix:3 -qmp unix:4 -qmp unix:5 k", "4 are enough"},
    {"", "nothing to boot"},
    {"-m 64", "nothing to boot"},
    {"-kernal k", "did you mean -kernel"},
    {"-inird k", "did you mean -initrd"},
    {"--time-out 3 k", "did you mean -timeout"},
    {"-nographics k", "did you mean -nographic"},
    {"-noreboot k", "did you mean -no-reboot"},
    {"-apend=x k", "did you mean -append"},
    {"-zzzzzzzz k", "unknown option '-zzzzzzzz'"},
    {"-an-option-with-a-name-longer-than-any-of-ours=1 k", "--help"},
    {"-fda a -fda b", "there is a floppy fda already"},
    {"-hda a -hda b", "there is a drive hda already"},
    {"-hdc a -cdrom b", "there is a drive hdc already"},
    {"-drive format=raw", "needs a file"},
    {"-drive file=a,format=vdi", "'format=vdi' is not understood"},
    {"-drive file=a,index=4", "no such place"},
    {"-drive file=a,index=x", "not understood"},
    {"-drive file=a,if=virtio", "not understood"},
    {"-boot x -hda a", "no order"},
    {"-boot cc -hda a", "each once"},
    {"-boot order= -hda a", "one to 3"},
    {"-L a -L b -L c -L d -L e -L f -L g -L h -L i -hda a", "too many"},
    {"-gdb tcp::1234 k", "debugger"},
    {"-kernel", "needs a value: -kernel FILE"},
    {"-kernel -initrd i", "the option '-initrd' follows"},
    {"-kernel @", "it is empty"},
    {"-nographic=1 k", "takes no value"},
    {"a b", "a second image"},
    {"-kernel a b", "a second image"},
    {"a -kernel b", "already given"},
    {"@", "empty"},
    {"-accel kvm k", "Dragoman's engines"},
    {"-accel tcg,thread=multi k", "'tcg'"},
    {"-accel foo k", "no engine 'foo'"},
    {"-accel bt:foo k", "no engine 'foo'"},
    {"-accel bt,x=y k", "no properties"},
    {"-accel : k", "no engine ''"},
    {"-enable-kvm k", "without KVM"},
    {"-M q35 k", "only machine is 'pc'"},
    {"-machine pc,usb=off k", "usb=off"},
    {"-machine pc,hpet=maybe k", "hpet=maybe"},
    {"-smp 2 k", "one CPU"},
    {"-smp 0 k", "no number"},
    {"-smp x k", "no number"},
    {"-serial pty k", "file:PATH"},
    {"-serial file: k", "path"},
    {"-debugcon @ k", "empty"},
    {"-device e1000 k", "no device 'e1000'"},
    {"-serial null -serial stdio k", "can't have the terminal"},
    {"-serial null -serial null -serial null k", "two serial ports"},
    {"-parallel /dev/lp0 k", "'/dev/lp0'"},
    {"-device isa-debug-exit,foo=1 k", "'foo=1'"},
    {"-device isa-debug-exit,iobase=0x10000 k", "iobase"},
    {"-device isa-debug-exit,iosize=3 k", "iosize"},
    {"-device isa-debug-exit,iobase=1x k", "iobase=1x"},
    {"-device isa-debug-exit,iobase=0xffff,iosize=4 k", "beyond 0xffff"},
    {"-device isa-debug-exit, k", "isa-debug-exit"},
    {"-d foo k", "-d help"},
    {"-d int,foo,mmu k", "'foo'"},
    {"-flat zzz k", "no address"},
    {"-flat 0x10000000000000000 k", "no address"},
    {"-rtc base=localtime k", "UTC"},
    {"-display gtk k", "no display 'gtk'"},
    {"-display vnc=x k", "[host]:N"},
    {"-display web=x k", "web[=PORT]"},
    {"-vnc host:1 k", "no IPv4 address"},
    {"-display curses -serial stdio k", "needs the terminal"},
    {"-debugcon stdio -display curses k", "needs the terminal"},
    {"-vga none -vnc :1 k", "nothing to show"},
    {"-vga cirrus k", "no VGA"},
};

START_TEST(mistake)
{
    ck_assert_msg(parse(mistakes[_i].line) == -EINVAL, "'%s' was taken", mistakes[_i].line);
    ck_assert_msg(strstr(e.text, mistakes[_i].says) != NULL, "'%s' says: %s", mistakes[_i].line,
                  e.text);
    ck_assert_ptr_null(strchr(e.text, '\n'));
}
END_TEST

START_TEST(asking_for_text)
{
    ck_assert_int_eq(parse("--help"), 0);
    ck_assert_int_eq(o.action, OPTIONS_HELP);
    ck_assert_int_eq(parse("-h --nonsense"), 0);
    ck_assert_int_eq(o.action, OPTIONS_HELP);
    ck_assert_int_eq(parse("-version"), 0);
    ck_assert_int_eq(o.action, OPTIONS_VERSION);
    ck_assert_int_eq(parse("-d help"), 0);
    ck_assert_int_eq(o.action, OPTIONS_LOG_HELP);
    ck_assert_int_eq(parse("-cpu ?"), 0);
    ck_assert_int_eq(o.action, OPTIONS_CPU_HELP);
}
END_TEST

START_TEST(help_teaches)
{
    static const char *const wanted[] = {"-kernel",    "-append", "-m SIZE",     "-accel",
                                         "Ctrl-A x",   "-device", "Exit status", "-timeout",
                                         "-flat ADDR", "-D FILE"};
    char *text = NULL;
    size_t size;
    FILE *f = open_memstream(&text, &size);

    options_print_help(f);
    options_print_version(f);
    fclose(f);
    for (unsigned i = 0; i < ARRAY_SIZE(wanted); i++)
        ck_assert_msg(strstr(text, wanted[i]) != NULL, "help lacks %s", wanted[i]);
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
        ck_assert_msg(strlen(line) <= 100, "too wide: %s", line);
    free(text);
}
END_TEST

/* A message that quotes very long words is cut, not overrun; odd bytes are just bytes. */
START_TEST(long_words)
{
    static const char *const opts[] = {"-m",   "-serial", "-device", "-d",    "-accel",
                                       "-M",   "-smp",    "-rtc",    "-flat", "-timeout",
                                       "-vga", "-zz",     "-cpu"};
    char program[] = "dragoman", image[] = "k", opt[32];
    char *word = malloc(100001);

    for (unsigned i = 0; i < ARRAY_SIZE(opts); i++) {
        for (unsigned c = 1; c < 256; c += 5) {
            char *argv[] = {program, opt, word, image, NULL};

            snprintf(opt, sizeof(opt), "%s", opts[i]);
            memset(word, (int)c, 100000);
            word[100000] = '\0';
            (void)!options_parse(&o, 4, argv, &e);
            ck_assert_uint_lt(strlen(e.text), sizeof(e.text));
        }
    }
    free(word);
}
END_TEST

START_TEST(statuses_are_distinct)
{
    static const int ours[] = {EXIT_POWER_OFF,    EXIT_BAD_INPUT, EXIT_TIMED_OUT,
                               EXIT_TRIPLE_FAULT, EXIT_USER_STOP, EXIT_GUEST_HALTED,
                               EXIT_MONITOR_BUG};

    for (unsigned v = 0; v < 1000; v++)
        for (unsigned i = 0; i < ARRAY_SIZE(ours); i++)
            ck_assert_int_ne(exit_status_of_guest(v), ours[i]);
    ck_assert_int_eq(exit_status_of_guest(0x10), 0x21);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("options");
    TCase *tc = tcase_create("options");
    SRunner *sr;
    int failed;

    tcase_add_test(tc, defaults);
    tcase_add_test(tc, drives);
    tcase_add_test(tc, drive_properties);
    tcase_add_test(tc, a_qemu_line);
    tcase_add_test(tc, displays);
    tcase_add_test(tc, monitors);
    tcase_add_test(tc, spellings);
    tcase_add_test(tc, sizes);
    tcase_add_test(tc, timeouts);
    tcase_add_loop_test(tc, mistake, 0, ARRAY_SIZE(mistakes));
    tcase_add_test(tc, asking_for_text);
    tcase_add_test(tc, help_teaches);
    tcase_add_test(tc, long_words);
    tcase_add_test(tc, statuses_are_distinct);
    suite_add_tcase(s, tc);
    sr = srunner_create(s);
    srunner_run_all(sr, CK_ENV);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? 1 : 0;
}
