/* dragoman [options] [image] */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cpu/model.h"
#include "machine/exit_status.h"
#include "machine/machine.h"

static int complain(const char *text)
{
    fprintf(stderr, "dragoman: %s\n", text);
    return EXIT_BAD_INPUT;
}

static void say_hello(const struct options *o)
{
    if (isatty(STDERR_FILENO) && isatty(STDIN_FILENO))
        fprintf(stderr, "dragoman: engine %s, %llu MiB; leave with Ctrl-A x, keys: Ctrl-A h\n",
                engine_name(o->engine), (unsigned long long)(o->ram_bytes / MIB));
}

/* Yours to read only, as whoever can write it can have others killed. */
static int write_pid(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    int err = 0;

    if (fd < 0)
        return -errno;
    if (dprintf(fd, "%ld\n", (long)getpid()) < 0)
        err = -errno;
    close(fd);
    return err;
}

static int run_machine(struct machine *m, const struct options *o)
{
    int err = o->pid_file ? write_pid(o->pid_file) : 0, status;

    if (err < 0) {
        fprintf(stderr, "dragoman: -pidfile %s: %s\n", o->pid_file, strerror(-err));
        return EXIT_BAD_INPUT;
    }
    say_hello(o);
    status = machine_run(m);
    if (o->pid_file)
        unlink(o->pid_file);
    return status;
}

static int run(const struct options *o)
{
    struct host_limits limits;
    struct host_error host;
    struct machine_error err;
    struct machine *m;
    int status;

    if (host_check(&host_probe_real, &limits, &host) < 0)
        return complain(host.text);
    if (machine_create(&m, o, &limits, &err) < 0)
        return complain(err.text);
    status = run_machine(m, o);
    machine_destroy(m);
    return status;
}

int main(int argc, char **argv)
{
    struct options o;
    struct options_error err;

    if (options_parse(&o, argc, argv, &err) < 0)
        return complain(err.text);
    switch (o.action) {
    case OPTIONS_HELP:
        options_print_help(stdout);
        return EXIT_POWER_OFF;
    case OPTIONS_VERSION:
        options_print_version(stdout);
        return EXIT_POWER_OFF;
    case OPTIONS_LOG_HELP:
        log_print_items(stdout);
        return EXIT_POWER_OFF;
    case OPTIONS_CPU_HELP:
        cpu_model_print_known(stdout);
        return EXIT_POWER_OFF;
    case OPTIONS_RUN:
        break;
    }
    return run(&o);
}
