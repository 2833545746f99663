#include <errno.h>
#include <zstd.h>

#include "loader/unpack.h"

int unpack_zstd(const uint8_t *in, size_t in_len, uint8_t *out, size_t out_len)
{
    size_t frame = ZSTD_findFrameCompressedSize(in, in_len);

    if (ZSTD_isError(frame))
        return -EBADMSG;
    return ZSTD_decompress(out, out_len, in, frame) == out_len ? 0 : -EBADMSG;
}
