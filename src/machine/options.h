/* options.h - the command line as data.
 *
 * `dragoman [options] [image]`, with QEMU's spellings. options_parse() only looks at
 * the words: no file is opened, nothing is printed. Strings in struct options point
 * into argv. Both -opt and --opt, `-opt value` and `-opt=value` are understood.
 */
#ifndef DRAGOMAN_MACHINE_OPTIONS_H
#define DRAGOMAN_MACHINE_OPTIONS_H

#include <stdio.h>

#include "base/types.h"
#include "display/vnc.h"
#include "monitor/monitor.h"
#include "translator/engine_kind.h"

enum options_action {
    OPTIONS_RUN,
    OPTIONS_HELP,
    OPTIONS_VERSION,
    OPTIONS_LOG_HELP, /* -d help   */
    OPTIONS_CPU_HELP, /* -cpu help: the caller lists the models */
};

enum char_kind {
    CHAR_NONE,      /* no such device                                                  */
    CHAR_NULL,      /* a device whose output is thrown away                            */
    CHAR_STDIO,     /* Ctrl-A keys only when stdin is a terminal: a pipe passes as is  */
    CHAR_MON_STDIO, /* Ctrl-A keys always                                              */
    CHAR_FILE,      /* output to `path`, no input                                      */
};

struct char_target {
    enum char_kind kind;
    const char *path; /* CHAR_FILE */
};

/* Where an IDE drive sits: hda to hdd are the master and the slave of the two channels. */
enum {
    OPTIONS_DRIVES = 4,
    OPTIONS_FLOPPIES = 2,
    OPTIONS_CDROM_DRIVE = 2,
    OPTIONS_BOOT_DEVICES = 3,
    OPTIONS_DIRS = 8
};

/* DEFAULT: with firmware, which shows something on it. */
enum vga_kind { VGA_DEFAULT, VGA_NONE, VGA_STD };

enum drive_format { DRIVE_PROBE, DRIVE_RAW, DRIVE_QCOW2 };

struct drive_option {
    bool present;
    bool cdrom;
    bool read_only, snapshot;
    enum drive_format format;
    char path[1024]; /* empty: a CD-ROM drive without a medium */
};

struct options {
    enum options_action action;
    const char *image;             /* -kernel or the positional argument; NULL: firmware boots */
    bool image_is_kernel;          /* -kernel; else the content decides whether it is a disk */
    const char *bios;              /* NULL: the default one */
    const char *dir[OPTIONS_DIRS]; /* -L */
    unsigned ndirs;
    struct drive_option drive[OPTIONS_DRIVES];
    struct drive_option floppy[OPTIONS_FLOPPIES];
    bool snapshot; /* for all drives */
    enum vga_kind vga;
    bool curses; /* the screen in the terminal */
    bool sdl;    /* in a window */
    struct vnc_config vnc;
    struct monitor_config monitor[MONITOR_MAX];
    unsigned nmonitors;
    bool monitor_stdio;                  /* one of them has the terminal */
    bool start_paused;                   /* -S */
    bool no_shutdown;                    /* a guest that powers off is kept */
    const char *screendump;              /* NULL: none */
    char boot[OPTIONS_BOOT_DEVICES + 1]; /* letters of -boot order=; "": the default */
    bool boot_menu;
    const char *initrd; /* NULL: none */
    const char *append; /* NULL: none */
    bool flat;          /* the image is a flat binary for flat_addr */
    uint64_t flat_addr;
    bool kaslr; /* a bzImage unpacks itself, which is when Linux randomizes its address */
    bool no_unpack_cache;
    uint64_t ram_bytes;
    const char *cpu;      /* "MODEL[,+feature][,-feature].."; NULL: the default model */
    const char *name;     /* of the machine, for messages; NULL: none */
    const char *pid_file; /* NULL: none */
    enum engine_kind engine;
    struct char_target serial, com2; /* COM1, COM2 */
    struct char_target parallel;     /* LPT1 */
    struct char_target debugcon;     /* port E9h */
    bool debug_exit;                 /* -device isa-debug-exit */
    uint16_t debug_exit_iobase, debug_exit_iosize;
    bool no_hpet;
    bool no_reboot;
    uint64_t timeout_ns;  /* 0: none */
    uint32_t log_items;   /* enum log_item */
    const char *log_file; /* NULL: stderr */
    const char *perf_map; /* where to list translated code for perf; NULL: nowhere */
    bool check_blocks;    /* the jail checker looks at every block */
};

struct options_error {
    char text[512]; /* one or two sentences, no newline: which word, what is wrong, what to do */
};

/* Returns 0, or -EINVAL with err->text. argv[0] is skipped. */
int options_parse(struct options *o, int argc, char **argv, struct options_error *err) MUST_CHECK;

void options_print_help(FILE *out);
void options_print_version(FILE *out);

#endif
