#include "host/host_check.h"

#include <cpuid.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

static uint64_t real_hwcap2(void *opaque)
{
    (void)opaque;
    return getauxval(AT_HWCAP2);
}

static struct host_regs real_cpuid(void *opaque, uint32_t leaf, uint32_t subleaf)
{
    struct host_regs r = {0};

    (void)opaque;
    __get_cpuid_count(leaf, subleaf, &r.eax, &r.ebx, &r.ecx, &r.edx);
    return r;
}

static int real_read_text(void *opaque, const char *path, char *buf, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n;

    (void)opaque;
    if (fd < 0)
        return -errno;
    do
        n = read(fd, buf, size - 1);
    while (n < 0 && errno == EINTR);
    n = n < 0 ? -errno : n;
    close(fd);
    if (n < 0)
        return (int)n;
    buf[n] = '\0';
    return 0;
}

static int real_try_memfd(void *opaque)
{
    int fd = memfd_create("dragoman-check", MFD_CLOEXEC);

    (void)opaque;
    if (fd < 0)
        return -errno;
    close(fd);
    return 0;
}

const struct host_probe host_probe_real = {
    .hwcap2 = real_hwcap2,
    .cpuid = real_cpuid,
    .read_text = real_read_text,
    .try_memfd = real_try_memfd,
};

static int PRINTF_LIKE(3, 4) fail(struct host_error *err, int code, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(err->text, sizeof(err->text), fmt, ap);
    va_end(ap);
    return code;
}

static int check_cpu(const struct host_probe *p, struct host_error *err)
{
    enum { HWCAP2_FSGSBASE_BIT = 1 << 1 }; /* Documentation/arch/x86/elf_auxvec.rst */
    enum { CPUID_1_ECX_SSE42 = 1 << 20, CPUID_1_ECX_OSXSAVE = 1 << 27, CPUID_7_EBX_BMI2 = 1 << 8 };

    if (!(p->hwcap2(p->opaque) & HWCAP2_FSGSBASE_BIT))
        return fail(err, -ENODEV,
                    "this host does not let programs use WRGSBASE (FSGSBASE), which carries the "
                    "guest's memory. It needs Linux 5.9 or later, not booted with 'nofsgsbase', on "
                    "an Intel Ivy Bridge, AMD Excavator/Zen or later CPU");
    if (!(p->cpuid(p->opaque, 7, 0).ebx & CPUID_7_EBX_BMI2) ||
        !(p->cpuid(p->opaque, 1, 0).ecx & CPUID_1_ECX_SSE42))
        return fail(
            err, -ENODEV,
            "this host's CPU has no BMI2 and SSE4.2 instructions, which translated code uses; an "
            "Intel Haswell, AMD Excavator/Zen or later CPU is needed. In a virtual machine, "
            "let the host's CPU model pass through");
    if (!(p->cpuid(p->opaque, 1, 0).ecx & CPUID_1_ECX_OSXSAVE))
        return fail(err, -ENODEV,
                    "this host has no XSAVE, or its kernel was booted with 'noxsave'; the guest's "
                    "vector state needs it");
    return 0;
}

static int check_mappings(const struct host_probe *p, struct host_limits *limits,
                          struct host_error *err)
{
    const char *path = "/proc/sys/vm/max_map_count";
    char text[64];
    int rc = p->read_text(p->opaque, path, text, sizeof(text));
    char *end;

    if (rc < 0)
        return fail(err, rc, "cannot read %s (%s); is /proc mounted?", path, strerror(-rc));
    errno = 0;
    limits->max_mappings = strtoull(text, &end, 10);
    if (errno != 0 || end == text)
        return fail(err, -EINVAL, "%s holds no number", path);
    if (limits->max_mappings < HOST_MIN_MAPPINGS)
        return fail(err, -ENOMEM,
                    "this host allows a process %llu memory mappings, at least %d are needed (each "
                    "run of guest pages is one). Raise it: sudo sysctl vm.max_map_count=65530",
                    (unsigned long long)limits->max_mappings, HOST_MIN_MAPPINGS);
    return 0;
}

static int check_memfd(const struct host_probe *p, struct host_error *err)
{
    int rc = p->try_memfd(p->opaque);

    if (rc == 0)
        return 0;
    return fail(err, rc,
                "cannot create the memory object that holds the guest's RAM (memfd_create: %s)%s",
                strerror(-rc),
                rc == -EMFILE || rc == -ENFILE ? "; too many files are open (ulimit -n)"
                                               : "; a sandbox or an old kernel may forbid it");
}

/* Present in a build with AddressSanitizer, which keeps its shadow at fixed low addresses; windows
 * are then placed around it. */
extern void __asan_init(void) __attribute__((weak));

/* /proc/self/maps is sorted: its first line says it all. */
static int check_layout(const struct host_probe *p, struct host_error *err)
{
    const char *path = "/proc/self/maps";
    char text[64];
    int rc = p->read_text(p->opaque, path, text, sizeof(text));
    uint64_t first;
    char *end;

    if (rc < 0)
        return fail(err, rc, "cannot read %s (%s); is /proc mounted?", path, strerror(-rc));
    first = strtoull(text, &end, 16);
    if (end == text || *end != '-')
        return fail(err, -EINVAL, "%s is not in a known format", path);
    if (first < HOST_WINDOWS_END && !__asan_init)
        return fail(err, -EADDRINUSE,
                    "something of this process lies at %#llx, but addresses below %#llx belong to "
                    "the guest. Build dragoman as a position-independent executable (the default), "
                    "and run it without tools that map low memory (wine preloaders, some "
                    "debuggers and sanitizers)",
                    (unsigned long long)first, (unsigned long long)HOST_WINDOWS_END);
    return 0;
}

int host_check(const struct host_probe *probe, struct host_limits *limits, struct host_error *err)
{
    int rc = check_cpu(probe, err);

    if (rc == 0)
        rc = check_mappings(probe, limits, err);
    if (rc == 0)
        rc = check_memfd(probe, err);
    if (rc == 0)
        rc = check_layout(probe, err);
    return rc;
}
