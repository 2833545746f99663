/* host_check.h - does this host have what Dragoman is built on?
 *
 * Run once at start, before anything is allocated. All knowledge of the host comes
 * through struct host_probe, so that tests can play a host that lacks something.
 */
#ifndef DRAGOMAN_HOST_HOST_CHECK_H
#define DRAGOMAN_HOST_HOST_CHECK_H

#include "base/types.h"

/* The windows of guests end below this address, everything else of the process must lie above
 * (docs/architecture.md): a wrong 64-bit guest address then reaches nothing. */
#define HOST_WINDOWS_END UINT64_C(0x500080000000)

enum { HOST_MIN_MAPPINGS = 4096 };

struct host_regs {
    uint32_t eax, ebx, ecx, edx;
};

struct host_probe {
    uint64_t (*hwcap2)(void *opaque); /* AT_HWCAP2 */
    struct host_regs (*cpuid)(void *opaque, uint32_t leaf, uint32_t subleaf);
    /* Reads the start of a file as a string. Returns 0 or -errno. */
    int (*read_text)(void *opaque, const char *path, char *buf, size_t size);
    int (*try_memfd)(void *opaque); /* creates one and drops it: 0 or -errno */
    void *opaque;
};

/* The host we run on. */
extern const struct host_probe host_probe_real;

struct host_error {
    char text[512]; /* what is missing, why it is needed, what to do; no newline */
};

struct host_limits {
    uint64_t max_mappings; /* vm.max_map_count: the shadow MMU evicts before it */
};

/* Returns 0 with *limits filled in, or -errno with err->text. */
int host_check(const struct host_probe *probe, struct host_limits *limits,
               struct host_error *err) MUST_CHECK;

#endif
