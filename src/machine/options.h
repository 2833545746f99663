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

struct options {
    enum options_action action;
    const char *image;  /* -kernel or the positional argument; never NULL with OPTIONS_RUN */
    const char *initrd; /* NULL: none */
    const char *append; /* NULL: none */
    bool flat;          /* the image is a flat binary for flat_addr */
    uint64_t flat_addr;
    bool kaslr; /* a bzImage unpacks itself, which is when Linux randomizes its address */
    uint64_t ram_bytes;
    const char *cpu;  /* "MODEL[,+feature][,-feature].."; NULL: the default model */
    const char *name; /* of the machine, for messages; NULL: none */
    enum engine_kind engine;
    struct char_target serial;   /* COM1 */
    struct char_target debugcon; /* port E9h */
    bool debug_exit;             /* -device isa-debug-exit */
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
