/* features.h - the feature table: CPUID bit, name, and whether we emulate it. For model.c and
 * cpuid.c. */
#ifndef DRAGOMAN_CPU_FEATURES_H
#define DRAGOMAN_CPU_FEATURES_H

#include "cpu/model.h"

enum cpuid_reg { R_EAX, R_EBX, R_ECX, R_EDX };

/* Who provides it. */
enum feature_source {
    BY_US,    /* emulated in software: offered on every host        */
    BY_HOST,  /* runs on the host's units: offered when the host has it */
    IF_ASKED, /* emulated, but slow: offered when -cpu names it       */
    NOT_YET,  /* known, not offered to guests                        */
};

struct feature_row {
    const char *name; /* as in -cpu and in Linux' /proc/cpuinfo */
    enum cpu_feature feature;
    uint32_t leaf;
    uint8_t sub, reg, bit;
    enum feature_source source;
};

extern const struct feature_row feature_rows[];
extern const unsigned feature_row_count;

/* One feature is nothing without another. */
struct feature_need {
    enum cpu_feature feature, needs;
};

extern const struct feature_need feature_needs[];
extern const unsigned feature_need_count;

#endif
