#include <errno.h>
#include <lzma.h>

#include "loader/unpack.h"

/* Kernels are packed with dictionaries of up to 128 MiB (scripts/xz_wrap.sh). */
#define MEMORY_LIMIT (UINT64_C(256) << 20)

int unpack_xz(const uint8_t *in, size_t in_len, uint8_t *out, size_t out_len)
{
    uint64_t limit = MEMORY_LIMIT;
    size_t in_pos = 0, out_pos = 0;

    switch (
        lzma_stream_buffer_decode(&limit, 0, NULL, in, &in_pos, in_len, out, &out_pos, out_len)) {
    case LZMA_OK:
        return out_pos == out_len ? 0 : -EBADMSG;
    case LZMA_MEM_ERROR:
        return -ENOMEM;
    case LZMA_MEMLIMIT_ERROR:
    case LZMA_OPTIONS_ERROR:
        return -ENOTSUP;
    default:
        return -EBADMSG;
    }
}
