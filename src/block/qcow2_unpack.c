/* Compressed clusters, with the libraries that kernels are unpacked with. */
#include "block/qcow2.h"

#include <errno.h>

#ifdef DRAGOMAN_UNPACK_GZIP
#include <zlib.h>

/* A raw deflate stream with a window of 4 KiB; what follows it in its last sector is not ours. */
static int unpack_deflate(const uint8_t *in, size_t in_len, uint8_t *out, size_t out_len)
{
    enum { WINDOW_BITS = 12 };
    z_stream z = {
        .next_in = (Bytef *)in,
        .avail_in = (uInt)in_len,
        .next_out = out,
        .avail_out = (uInt)out_len,
    };
    int rc;

    if (inflateInit2(&z, -WINDOW_BITS) != Z_OK)
        return -ENOMEM;
    rc = inflate(&z, Z_FINISH);
    inflateEnd(&z);
    return (rc == Z_STREAM_END || rc == Z_BUF_ERROR) && z.avail_out == 0 ? 0 : -EBADMSG;
}
#endif

#ifdef DRAGOMAN_UNPACK_ZSTD
#include <zstd.h>

static int unpack_zstd(const uint8_t *in, size_t in_len, uint8_t *out, size_t out_len)
{
    size_t frame = ZSTD_findFrameCompressedSize(in, in_len);

    if (ZSTD_isError(frame))
        return -EBADMSG;
    return ZSTD_decompress(out, out_len, in, frame) == out_len ? 0 : -EBADMSG;
}
#endif

static int (*const unpackers[])(const uint8_t *in, size_t in_len, uint8_t *out, size_t out_len) = {
#ifdef DRAGOMAN_UNPACK_GZIP
    [QCOW2_DEFLATE] = unpack_deflate,
#endif
#ifdef DRAGOMAN_UNPACK_ZSTD
    [QCOW2_ZSTD] = unpack_zstd,
#endif
    [QCOW2_COMPRESSIONS] = NULL,
};

bool qcow2_can_unpack(enum qcow2_compression how)
{
    return how < QCOW2_COMPRESSIONS && unpackers[how];
}

int qcow2_unpack(enum qcow2_compression how, const uint8_t *in, size_t in_len, uint8_t *out,
                 size_t out_len)
{
    return qcow2_can_unpack(how) ? unpackers[how](in, in_len, out, out_len) : -ENOTSUP;
}
