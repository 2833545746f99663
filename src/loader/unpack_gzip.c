#include <errno.h>
#include <zlib.h>

#include "loader/unpack.h"

enum { GZIP_WRAPPER = 16 }; /* added to windowBits: zlib.h, inflateInit2() */

int unpack_gzip(const uint8_t *in, size_t in_len, uint8_t *out, size_t out_len)
{
    z_stream z = {
        .next_in = (Bytef *)in,
        .avail_in = (uInt)in_len,
        .next_out = out,
        .avail_out = (uInt)out_len,
    };
    int rc;

    if (in_len > UINT32_MAX || out_len > UINT32_MAX)
        return -ENOTSUP;
    if (inflateInit2(&z, MAX_WBITS + GZIP_WRAPPER) != Z_OK)
        return -ENOMEM;
    rc = inflate(&z, Z_FINISH);
    inflateEnd(&z);
    return rc == Z_STREAM_END && z.avail_out == 0 ? 0 : -EBADMSG;
}
