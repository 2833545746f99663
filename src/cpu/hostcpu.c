/* hostcpu.c - see hostcpu.h. */
#include "cpu/hostcpu.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static void cpuid(uint32_t leaf, uint32_t sub, uint32_t out[4])
{
    __asm__ volatile("cpuid"
                     : "=a"(out[0]), "=b"(out[1]), "=c"(out[2]), "=d"(out[3])
                     : "0"(leaf), "2"(sub));
}

void hostcpu_id(uint32_t leaf, uint32_t sub, uint32_t out[4])
{
    uint32_t top[4];

    cpuid(leaf & 0xc0000000, 0, top);
    if (top[0] < leaf || top[0] - (leaf & 0xc0000000) > 0xffff)
        memset(out, 0, 4 * sizeof(out[0]));
    else
        cpuid(leaf, sub, out);
}

uint64_t hostcpu_xcr0(void)
{
    uint32_t id[4], lo, hi;

    hostcpu_id(1, 0, id);
    if (!(id[2] >> 27 & 1))
        return 0;
    __asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
    return (uint64_t)hi << 32 | lo;
}

static uint64_t rdtsc(void)
{
    uint32_t lo, hi;

    __asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi) : : "memory");
    return (uint64_t)hi << 32 | lo;
}

static uint64_t now_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * NS_PER_SEC + (uint64_t)ts.tv_nsec;
}

struct sample {
    uint64_t ns, tsc;
};

/* A clock reading and the TSC at its middle: the pair of several that was least disturbed. */
static struct sample take_sample(void)
{
    struct sample best = {0, 0};
    uint64_t width = UINT64_MAX;

    for (int i = 0; i < 16; i++) {
        uint64_t before = rdtsc();
        uint64_t ns = now_ns();
        uint64_t after = rdtsc();

        if (after - before < width) {
            width = after - before;
            best = (struct sample){ns, before + (after - before) / 2};
        }
    }
    return best;
}

static uint32_t measure_khz(void)
{
    /* A sample is right to some 20 ns: this makes 10 millionths. */
    const struct timespec wait = {.tv_nsec = 4 * 1000 * 1000};
    struct sample a = take_sample();
    struct sample b;

    nanosleep(&wait, NULL);
    b = take_sample();
    return (uint32_t)((b.tsc - a.tsc) * 1000000 / (b.ns - a.ns));
}

/* Leaf 15h, else the timing leaf 40000010h that KVM and VMware offer, else a measurement. */
uint32_t hostcpu_tsc_khz(bool *exact)
{
    uint32_t id[4];

    *exact = true;
    hostcpu_id(0x15, 0, id);
    if (id[0] && id[1] && id[2])
        return (uint32_t)((uint64_t)id[2] * id[1] / id[0] / 1000);
    hostcpu_id(1, 0, id);
    if (id[2] >> 31) {
        hostcpu_id(0x40000010, 0, id);
        if (id[0] > 100000)
            return id[0];
    }
    *exact = false;
    return measure_khz();
}

/* A guest's user code runs in a window in which supervisor pages are never mapped, so it has no
 * address for Meltdown or L1TF to read through: RDCL_NO holds on every host. The other bits
 * describe flaws that work between guest contexts on one core just as they do natively; they are
 * promised only when the host's kernel says that this processor is not affected. */
static const struct {
    const char *file, *phrase;
    uint64_t bits;
} claims[] = {
    {"l1tf", "Not affected", 1 << 3 /* SKIP_L1DFL_VMENTRY */},
    {"spec_store_bypass", "Not affected", 1 << 4 /* SSB_NO */},
    {"mds", "Not affected", 1 << 5 /* MDS_NO */},
    {"itlb_multihit", "Not affected", 1 << 6 /* IF_PSCHANGE_MC_NO */},
    {"tsx_async_abort", "Not affected", 1 << 8 /* TAA_NO */},
    {"mmio_stale_data", "Not affected", 7 << 13 /* SBDR_SSDP_NO, FBSDP_NO, PSDP_NO */},
    {"spectre_v2", "BHI: Not affected", 1 << 20 /* BHI_NO */},
    {"spectre_v2", "PBRSB-eIBRS: Not affected", 1 << 24 /* PBRSB_NO */},
    {"gather_data_sampling", "Not affected", 1 << 26 /* GDS_NO */},
    {"reg_file_data_sampling", "Not affected", 1 << 27 /* RFDS_NO */},
};

/* An unreadable file contains nothing: no claim. */
static bool host_says(const char *file, const char *phrase)
{
    char path[96], line[256] = "";
    FILE *f;

    snprintf(path, sizeof(path), "/sys/devices/system/cpu/vulnerabilities/%s", file);
    f = fopen(path, "re");
    if (!f)
        return false;
    if (!fgets(line, sizeof(line), f))
        line[0] = '\0';
    fclose(f);
    return strstr(line, phrase);
}

uint64_t hostcpu_arch_capabilities(void)
{
    uint64_t caps = 1; /* RDCL_NO */

    for (unsigned i = 0; i < ARRAY_SIZE(claims); i++)
        if (host_says(claims[i].file, claims[i].phrase))
            caps |= claims[i].bits;
    return caps;
}

void hostcpu_brand(char *brand, size_t size)
{
    uint32_t text[13] = {0};
    const char *s = (const char *)text;
    size_t len;

    for (unsigned i = 0; i < 3; i++)
        hostcpu_id(0x80000002 + i, 0, text + 4 * i);
    s += strspn(s, " ");
    len = strlen(s);
    while (len && s[len - 1] == ' ')
        len--;
    snprintf(brand, size, "%.*s", (int)len, s);
}
