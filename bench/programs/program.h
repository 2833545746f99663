/* What the programs of the benchmark share: a table of named pieces of work, one of which main()
 * runs.
 *
 * usage: PROGRAM WORK [SCALE]   SCALE divides the amount of work
 *
 * Each piece prints what it computed, so that no compiler leaves it out and the columns can be
 * compared. */
#ifndef BENCH_PROGRAM_H
#define BENCH_PROGRAM_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct work {
    const char *name;
    uint64_t (*run)(unsigned long amount); /* of 1 .. full */
    unsigned long full;
};

/* xorshift64: the same numbers everywhere, without a libc's rand(). */
static inline uint64_t next_random(uint64_t *state)
{
    uint64_t x = *state;

    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return *state = x;
}

static inline void *must_allocate(size_t bytes)
{
    void *p = malloc(bytes);

    if (!p) {
        fprintf(stderr, "out of memory\n");
        exit(1);
    }
    return p;
}

static inline int run_work(const struct work *works, size_t n, int argc, char **argv)
{
    unsigned long scale = argc > 2 ? strtoul(argv[2], NULL, 10) : 1;

    for (size_t i = 0; argc > 1 && i < n; i++) {
        if (strcmp(works[i].name, argv[1]) != 0)
            continue;
        unsigned long amount = works[i].full / (scale ? scale : 1);
        printf("%s %llx\n", argv[1], (unsigned long long)works[i].run(amount ? amount : 1));
        return 0;
    }
    fprintf(stderr, "usage: %s WORK [SCALE], WORK one of:", argv[0]);
    for (size_t i = 0; i < n; i++)
        fprintf(stderr, " %s", works[i].name);
    fprintf(stderr, "\n");
    return 2;
}

#endif
