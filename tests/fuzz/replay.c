/* replay.c - a fuzz target as a test, without libFuzzer.
 *
 *   fuzz_NAME CORPUS-DIRECTORY [seconds [first]]
 *
 * Every file of the corpus is run once, then mutants of them until the time is up. Mutant n depends
 * on the corpus and n only, so a failure is repeated with "fuzz_NAME CORPUS 0 n". The runs happen
 * in a child: this process lives to say which input it was.
 */
#include <dirent.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "fuzz.h"

enum { MAX_FILES = 512, MAX_SAMPLE = 1 << 16 };

struct sample {
    uint8_t *data;
    size_t size;
    char name[256];
};

struct corpus {
    struct sample s[MAX_FILES];
    unsigned n;
};

/* Written by the child. */
struct progress {
    volatile uint64_t mutant;
    volatile unsigned file;
};

struct rng {
    uint64_t x;
};

static uint32_t rnd(struct rng *r, uint32_t below)
{
    r->x ^= r->x << 13;
    r->x ^= r->x >> 7;
    r->x ^= r->x << 17;
    return below ? (uint32_t)(r->x >> 32) % below : 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct sample *)a)->name, ((const struct sample *)b)->name);
}

static void read_sample(struct corpus *c, const char *dir, const char *name)
{
    struct sample *s = &c->s[c->n];
    char path[1024];
    FILE *f;

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    f = fopen(path, "re");
    if (!f)
        return;
    s->data = malloc(MAX_SAMPLE);
    s->size = fread(s->data, 1, MAX_SAMPLE, f);
    snprintf(s->name, sizeof(s->name), "%s", name);
    fclose(f);
    c->n++;
}

static void read_corpus(struct corpus *c, const char *dir)
{
    DIR *d = opendir(dir);
    struct dirent *e;

    while (d && (e = readdir(d)) != NULL && c->n < MAX_FILES)
        if (e->d_name[0] != '.')
            read_sample(c, dir, e->d_name);
    if (d)
        closedir(d);
    qsort(c->s, c->n, sizeof(c->s[0]), by_name);
}

/* One small change. */
static size_t mutate_once(struct rng *r, uint8_t *p, size_t size)
{
    static const uint8_t nasty[] = {0,    1,    0x7f, 0x80, 0xff, 0x66,
                                    0x67, 0x0f, 0xf0, 0xf3, 0x65, 0xc4};
    uint32_t at = rnd(r, (uint32_t)size), len;

    if (size == 0 || (rnd(r, 8) == 0 && size < MAX_SAMPLE)) { /* insert */
        memmove(p + at + 1, p + at, size - at);
        p[at] = (uint8_t)rnd(r, 256);
        return size + 1;
    }
    switch (rnd(r, 5)) {
    case 0:
        p[at] ^= (uint8_t)(1u << rnd(r, 8));
        return size;
    case 1:
        p[at] = nasty[rnd(r, ARRAY_SIZE(nasty))];
        return size;
    case 2:
        len = 1 + rnd(r, (uint32_t)(size - at < 4 ? size - at : 4));
        for (uint32_t i = 0; i < len; i++)
            p[at + i] = (uint8_t)rnd(r, 256);
        return size;
    case 3:
        len = rnd(r, (uint32_t)(size - at)) + 1;
        memmove(p + at, p + at + len, size - at - len);
        return size - len;
    default:
        len = rnd(r, (uint32_t)(size - at)) + 1;
        memmove(p + rnd(r, (uint32_t)(size - len + 1)), p + at, len);
        return size;
    }
}

static size_t make_mutant(const struct corpus *c, uint64_t n, uint8_t *p)
{
    struct rng r = {(n + 1) * UINT64_C(0x9e3779b97f4a7c15)};
    const struct sample *s = c->n ? &c->s[rnd(&r, c->n)] : NULL;
    size_t size = s ? s->size : rnd(&r, 64);

    for (size_t i = 0; i < size; i++)
        p[i] = s ? s->data[i] : (uint8_t)rnd(&r, 256);
    for (unsigned k = 1 + rnd(&r, 8); k > 0; k--)
        size = mutate_once(&r, p, size);
    return size;
}

/* A copy of exact size: a sanitizer sees a read past its end. */
static void run(const uint8_t *p, size_t size)
{
    uint8_t *copy = malloc(size ? size : 1);

    memcpy(copy, p, size);
    LLVMFuzzerTestOneInput(copy, size);
    free(copy);
}

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int child(const struct corpus *c, struct progress *at, double seconds, uint64_t first)
{
    uint8_t *p = malloc(MAX_SAMPLE + 64);
    double end = now() + seconds;

    if (first == 0)
        for (unsigned i = 0; i < c->n; i++) {
            at->file = i;
            run(c->s[i].data, c->s[i].size);
        }
    at->file = c->n;
    at->mutant = first;
    do {
        size_t size = make_mutant(c, at->mutant, p);

        alarm(20); /* no input takes that long: a hang ends as a failure too */
        run(p, size);
        at->mutant++;
    } while (now() < end);
    free(p);
    return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    static struct corpus c;
    struct progress *at =
        mmap(NULL, sizeof(*at), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int status;
    pid_t pid;

    if (argc < 2 || at == MAP_FAILED)
        return EXIT_FAILURE;
    read_corpus(&c, argv[1]);
    pid = fork();
    if (pid == 0)
        _exit(
            child(&c, at, argc > 2 ? atof(argv[2]) : 2, argc > 3 ? strtoull(argv[3], NULL, 0) : 0));
    if (pid < 0 || waitpid(pid, &status, 0) < 0)
        return EXIT_FAILURE;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        printf("%u files, %llu mutants\n", c.n, (unsigned long long)at->mutant);
        return EXIT_SUCCESS;
    }
    if (at->file < c.n)
        printf("died (status %x) in %s/%s\n", status, argv[1], c.s[at->file].name);
    else
        printf("died (status %x); again: %s %s 0 %llu\n", status, argv[0], argv[1],
               (unsigned long long)at->mutant);
    return EXIT_FAILURE;
}
