/* fuzz_options.c - the command line: words separated by newlines. What is accepted goes on to the
 * CPU model. */
#include "cpu/model.h"
#include "fuzz.h"
#include "machine/options.h"

enum { MAX_WORDS = 64, MAX_BYTES = 4096 };

static void try_cpu(const char *spec)
{
    struct cpu_model m;
    char err[512] = "";

    if (cpu_model_init(&m, spec, err, sizeof(err)) < 0)
        FUZZ_CHECK(err[0] && memchr(err, 0, sizeof(err)), "no message for -cpu %s", spec);
}

static bool has_drive(const struct options *o)
{
    bool any = false;

    for (unsigned i = 0; i < OPTIONS_DRIVES; i++)
        any |= o->drive[i].present;
    for (unsigned i = 0; i < OPTIONS_FLOPPIES; i++)
        any |= o->floppy[i].present;
    return any;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char text[MAX_BYTES + 1];
    char *argv[MAX_WORDS + 2] = {(char *)"dragoman"};
    struct options o;
    struct options_error err;
    int argc = 1, rc;

    if (size > MAX_BYTES)
        size = MAX_BYTES;
    memcpy(text, data, size);
    text[size] = 0;
    for (char *p = text, *next; p && argc <= MAX_WORDS; p = next) {
        next = strchr(p, '\n');
        if (next)
            *next++ = 0;
        argv[argc++] = p;
    }
    memset(&err, 0, sizeof(err));
    rc = options_parse(&o, argc, argv, &err);
    if (rc < 0) {
        FUZZ_CHECK(err.text[0] && memchr(err.text, 0, sizeof(err.text)), "no message, rc %d", rc);
        FUZZ_CHECK(!strchr(err.text, '\n'), "a message of two lines");
        return 0;
    }
    if (o.action == OPTIONS_RUN)
        FUZZ_CHECK((o.image || o.bios || has_drive(&o)) && o.ram_bytes && o.ram_bytes % 4096 == 0,
                   "ram %llx", (unsigned long long)o.ram_bytes);
    if (o.cpu)
        try_cpu(o.cpu);
    return 0;
}
