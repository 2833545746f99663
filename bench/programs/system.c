/* What programs ask of a kernel: processes, pipes, page faults, mappings, signals, files. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "program.h"

extern char **environ;

enum { PAGE = 4096 };

static void must(int ok, const char *what)
{
    if (ok)
        return;
    perror(what);
    exit(1);
}

static void wait_for(pid_t child)
{
    int status;

    must(child > 0 && waitpid(child, &status, 0) == child && status == 0, "child");
}

static uint64_t work_getpid(unsigned long amount)
{
    uint64_t sum = 0;

    for (unsigned long i = 0; i < amount; i++)
        sum += syscall(SYS_getppid) > 0;
    return sum;
}

static uint64_t work_fork(unsigned long amount)
{
    for (unsigned long i = 0; i < amount; i++) {
        pid_t child = fork();

        if (child == 0)
            _exit(0);
        wait_for(child);
    }
    return amount;
}

/* NAME lies beside this program. */
static uint64_t spawn(const char *name, unsigned long amount)
{
    char path[PAGE];
    ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 64);

    must(n > 0, "/proc/self/exe");
    path[n] = '\0';
    strcpy(strrchr(path, '/') + 1, name);
    char *argv[] = {path, NULL};
    for (unsigned long i = 0; i < amount; i++) {
        pid_t child = fork();

        if (child == 0) {
            execve(path, argv, environ);
            _exit(127);
        }
        wait_for(child);
    }
    return amount;
}

static uint64_t work_exec(unsigned long amount)
{
    return spawn("nothing-static", amount);
}

static uint64_t work_exec_dynamic(unsigned long amount)
{
    return spawn("nothing-dynamic", amount);
}

/* A byte goes round a ring of processes, which are all asleep but one: two make a ping-pong. */
static uint64_t ring(unsigned processes, unsigned long turns)
{
    int pipes[16][2];
    pid_t children[16];
    char byte = 0;

    for (unsigned i = 0; i < processes; i++)
        must(pipe(pipes[i]) == 0, "pipe");
    for (unsigned i = 1; i < processes; i++) {
        children[i] = fork();
        for (unsigned long t = 0; children[i] == 0 && t < turns; t++)
            must(read(pipes[i - 1][0], &byte, 1) == 1 && write(pipes[i][1], &byte, 1) == 1, "ring");
        if (children[i] == 0)
            _exit(0);
    }
    for (unsigned long t = 0; t < turns; t++)
        must(write(pipes[0][1], &byte, 1) == 1 && read(pipes[processes - 1][0], &byte, 1) == 1,
             "ring");
    for (unsigned i = 1; i < processes; i++)
        wait_for(children[i]);
    return turns;
}

static uint64_t work_pingpong(unsigned long amount)
{
    return ring(2, amount);
}

static uint64_t work_ring(unsigned long amount)
{
    return ring(12, amount);
}

/* 64 KiB at a time from one process to another. */
static uint64_t work_stream(unsigned long amount)
{
    enum { BYTES = 65536 };
    static char buffer[BYTES];
    int ends[2];
    uint64_t sum = 0;

    must(pipe(ends) == 0, "pipe");
    pid_t child = fork();
    if (child == 0) {
        for (unsigned long i = 0; i < amount; i++)
            must(write(ends[1], buffer, BYTES) == BYTES, "write");
        _exit(0);
    }
    close(ends[1]);
    for (ssize_t n; (n = read(ends[0], buffer, BYTES)) > 0;)
        sum += (uint64_t)n;
    close(ends[0]);
    wait_for(child);
    return sum;
}

static uint8_t *map_anonymous(size_t bytes)
{
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    must(p != MAP_FAILED, "mmap");
    return p;
}

/* Every page of 16 MiB touched for the first time. */
static uint64_t work_faults(unsigned long amount)
{
    enum { BYTES = 16 << 20 };

    for (unsigned long round = 0; round < amount; round++) {
        uint8_t *p = map_anonymous(BYTES);

        madvise(p, BYTES, MADV_NOHUGEPAGE);
        for (size_t i = 0; i < BYTES; i += PAGE)
            p[i] = 1;
        munmap(p, BYTES);
    }
    return amount;
}

/* Pages shared with a parent, copied one by one as they are written. */
static uint64_t work_copy_on_write(unsigned long amount)
{
    enum { BYTES = 4 << 20 };
    uint8_t *p = map_anonymous(BYTES);

    madvise(p, BYTES, MADV_NOHUGEPAGE);
    memset(p, 1, BYTES);
    for (unsigned long round = 0; round < amount; round++) {
        pid_t child = fork();

        for (size_t i = 0; child == 0 && i < BYTES; i += PAGE)
            p[i] = 2;
        if (child == 0)
            _exit(0);
        wait_for(child);
    }
    munmap(p, BYTES);
    return amount;
}

static uint64_t work_mmap(unsigned long amount)
{
    uint64_t sum = 0;

    for (unsigned long i = 0; i < amount; i++) {
        uint8_t *p = map_anonymous(16 * PAGE);

        p[PAGE] = 1;
        p[5 * PAGE] = 1;
        sum += p[PAGE];
        munmap(p, 16 * PAGE);
    }
    return sum;
}

static void on_signal(int number)
{
    (void)number;
}

static uint64_t work_signal(unsigned long amount)
{
    struct sigaction action = {.sa_handler = on_signal};

    must(sigaction(SIGUSR1, &action, NULL) == 0, "sigaction");
    for (unsigned long i = 0; i < amount; i++)
        raise(SIGUSR1);
    return amount;
}

static sigjmp_buf segv_return;

static void on_segv(int number)
{
    (void)number;
    siglongjmp(segv_return, 1);
}

/* A collector's write barrier: a fault that the program handles itself. */
static uint64_t work_segv(unsigned long amount)
{
    struct sigaction action = {.sa_handler = on_segv};
    volatile uint8_t *page = map_anonymous(PAGE);
    volatile unsigned long i = 0;

    must(sigaction(SIGSEGV, &action, NULL) == 0, "sigaction");
    mprotect((void *)page, PAGE, PROT_READ);
    for (i = 0; i < amount; i++)
        if (sigsetjmp(segv_return, 1) == 0)
            *page = 1;
    return i;
}

/* A file of 8 MiB in the page cache, read in pages. */
static uint64_t work_read(unsigned long amount)
{
    enum { BYTES = 8 << 20 };
    static char buffer[PAGE];
    char name[] = "/tmp/bench.XXXXXX";
    const char *dir = getenv("TMPDIR");
    int fd = dir && chdir(dir) == 0 ? mkstemp(name + 5) : mkstemp(name);
    uint64_t sum = 0;

    must(fd >= 0, "mkstemp");
    unlink(dir ? name + 5 : name);
    for (size_t i = 0; i < BYTES; i += PAGE)
        must(write(fd, buffer, PAGE) == PAGE, "write");
    for (unsigned long round = 0; round < amount; round++) {
        must(lseek(fd, 0, SEEK_SET) == 0, "lseek");
        while (read(fd, buffer, PAGE) == PAGE)
            sum++;
    }
    close(fd);
    return sum;
}

static uint64_t work_stat(unsigned long amount)
{
    struct stat st;
    uint64_t sum = 0;

    for (unsigned long i = 0; i < amount; i++)
        sum += stat("/proc/self/exe", &st) == 0;
    return sum;
}

static const struct work works[] = {
    {"getpid", work_getpid, 400000},
    {"fork", work_fork, 600},
    {"exec", work_exec, 300},
    {"exec-dynamic", work_exec_dynamic, 150},
    {"pingpong", work_pingpong, 15000},
    {"ring", work_ring, 2500},
    {"stream", work_stream, 4000},
    {"faults", work_faults, 12},
    {"cow", work_copy_on_write, 25},
    {"mmap", work_mmap, 8000},
    {"signal", work_signal, 40000},
    {"segv", work_segv, 40000},
    {"read", work_read, 30},
    {"stat", work_stat, 50000},
};

int main(int argc, char **argv)
{
    return run_work(works, sizeof(works) / sizeof(works[0]), argc, argv);
}
