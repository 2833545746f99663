/* unpack.h - the payload of a bzImage, unpacked with the host's libraries. Private to src/loader.
 *
 * "payload_offset" in Documentation/arch/x86/boot.rst: compressed data, told apart by its magic
 * number, whose last four bytes are the length of what comes out (arch/x86/boot/compressed,
 * mkpiggy.c). Which formats are known depends on the libraries found at build time.
 */
#ifndef DRAGOMAN_LOADER_UNPACK_H
#define DRAGOMAN_LOADER_UNPACK_H

#include "base/types.h"

/* Into *out, which the caller frees. Returns 0; -ENOTSUP when nothing here knows the format, or
 * when what comes out has no length in [1, limit]; -EBADMSG when the data is damaged; -ENOMEM. */
int unpack_payload(const uint8_t *data, size_t size, uint64_t limit, uint8_t **out,
                   size_t *out_len) MUST_CHECK;

/* One format each: exactly out_len bytes or -EBADMSG, -ENOMEM, -ENOTSUP. What follows the
 * compressed data is ignored. */
int unpack_gzip(const uint8_t *in, size_t in_len, uint8_t *out, size_t out_len) MUST_CHECK;
int unpack_xz(const uint8_t *in, size_t in_len, uint8_t *out, size_t out_len) MUST_CHECK;
int unpack_lz4(const uint8_t *in, size_t in_len, uint8_t *out, size_t out_len) MUST_CHECK;
int unpack_zstd(const uint8_t *in, size_t in_len, uint8_t *out, size_t out_len) MUST_CHECK;

#endif
