/* qcow2_rig.h - small qcow2 images made by hand, for tests and the fuzz target. */
#ifndef DRAGOMAN_TESTS_QCOW2_RIG_H
#define DRAGOMAN_TESTS_QCOW2_RIG_H

#include <string.h>

#include "base/bits.h"

/* Version 3, clusters of 4 KiB, refcounts of 16 bits, a disk of 1 MiB:
 * header | refcount table | refcount block | L1 table | L2 table | data of guest cluster 0 */
enum {
    Q_BITS = 12,
    Q_CLUSTER = 1 << Q_BITS,
    Q_RT = 1 * Q_CLUSTER,
    Q_BLOCK = 2 * Q_CLUSTER,
    Q_L1 = 3 * Q_CLUSTER,
    Q_L2 = 4 * Q_CLUSTER,
    Q_DATA = 5 * Q_CLUSTER,
    Q_BYTES = 6 * Q_CLUSTER,
    Q_DISK = 1 << 20,
};

#define Q_COPIED (UINT64_C(1) << 63)

static inline void qcow2_make(uint8_t *p)
{
    memset(p, 0, Q_BYTES);
    st32be(p, 0x514649fb);
    st32be(p + 4, 3);
    st32be(p + 20, Q_BITS);
    st64be(p + 24, Q_DISK);
    st32be(p + 36, 1);
    st64be(p + 40, Q_L1);
    st64be(p + 48, Q_RT);
    st32be(p + 56, 1);
    st32be(p + 96, 4);
    st32be(p + 100, 104);
    st64be(p + Q_RT, Q_BLOCK);
    for (unsigned i = 0; i < Q_BYTES / Q_CLUSTER; i++)
        st16be(p + Q_BLOCK + 2 * i, 1);
    st64be(p + Q_L1, Q_L2 | Q_COPIED);
    st64be(p + Q_L2, Q_DATA | Q_COPIED);
    memset(p + Q_DATA, 0xd1, Q_CLUSTER);
}

#endif
