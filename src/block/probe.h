/* probe.h - image formats by their first bytes. */
#ifndef DRAGOMAN_BLOCK_PROBE_H
#define DRAGOMAN_BLOCK_PROBE_H

#include "base/types.h"

/* `head` holds the first sector. */
static inline bool block_is_qcow2(const uint8_t *head)
{
    return head[0] == 'Q' && head[1] == 'F' && head[2] == 'I' && head[3] == 0xfb;
}

#endif
