#include "loader/unpack.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"

enum { LENGTH_BYTES = 4, MAGIC_BYTES = 6 };

/* The formats in CMakeLists.txt, as far as their libraries were found. The empty row ends it. */
static const struct format {
    uint8_t magic[MAGIC_BYTES];
    uint8_t magic_len;
    int (*unpack)(const uint8_t *in, size_t in_len, uint8_t *out, size_t out_len);
} formats[] = {
#ifdef DRAGOMAN_UNPACK_GZIP
    {{0x1F, 0x8B}, 2, unpack_gzip},
#endif
#ifdef DRAGOMAN_UNPACK_XZ
    {{0xFD, '7', 'z', 'X', 'Z', 0}, 6, unpack_xz},
#endif
#ifdef DRAGOMAN_UNPACK_LZ4
    {{0x02, 0x21, 0x4C, 0x18}, 4, unpack_lz4},
#endif
#ifdef DRAGOMAN_UNPACK_ZSTD
    {{0x28, 0xB5, 0x2F, 0xFD}, 4, unpack_zstd},
#endif
    {{0}, 0, NULL},
};

static const struct format *recognise(const uint8_t *data, size_t size)
{
    const struct format *f = formats;

    while (f->unpack && (size < f->magic_len || memcmp(data, f->magic, f->magic_len) != 0))
        f++;
    return f->unpack ? f : NULL;
}

int unpack_payload(const uint8_t *data, size_t size, uint64_t limit, uint8_t **out, size_t *out_len)
{
    const struct format *f = recognise(data, size);
    int rc;

    *out = NULL;
    if (!f || size < MAGIC_BYTES + LENGTH_BYTES)
        return -ENOTSUP;
    *out_len = ld32(data + size - LENGTH_BYTES);
    if (*out_len == 0 || *out_len > limit)
        return -ENOTSUP;
    *out = malloc(*out_len);
    if (!*out)
        return -ENOMEM;
    rc = f->unpack(data, size, *out, *out_len);
    if (rc < 0) {
        free(*out);
        *out = NULL;
    }
    return rc;
}
