/* LZ4's legacy frame, which is what `lz4 -l` makes for kernels (lz4_Frame_format.md): after the
 * magic number, blocks of a length in four bytes and the data, each of 8 MiB but for the last. */
#include <errno.h>
#include <lz4.h>

#include "base/bits.h"
#include "loader/unpack.h"

enum { MAGIC_SIZE = 4, LENGTH_SIZE = 4, BLOCK = 8 << 20 };

int unpack_lz4(const uint8_t *in, size_t in_len, uint8_t *out, size_t out_len)
{
    size_t at = MAGIC_SIZE, filled = 0;

    while (filled < out_len) {
        size_t room = out_len - filled < BLOCK ? out_len - filled : BLOCK;
        size_t len;
        int n;

        if (in_len - at < LENGTH_SIZE)
            return -EBADMSG;
        len = ld32(in + at);
        at += LENGTH_SIZE;
        if (len == 0 || len > in_len - at || len > INT32_MAX)
            return -EBADMSG;
        n = LZ4_decompress_safe((const char *)in + at, (char *)out + filled, (int)len, (int)room);
        if (n <= 0 || (n < BLOCK && (size_t)n < room))
            return -EBADMSG;
        at += len;
        filled += (size_t)n;
    }
    return 0;
}
