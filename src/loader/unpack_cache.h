/* unpack_cache.h - what payloads of kernels unpack to, kept from one start to the next. Private to
 * src/loader.
 *
 * Owns the files of one directory of the user's: a file per payload, named by a hash of it, of at
 * most 512 MiB in all; the ones used least recently go first. A file holds the payload itself,
 * which is compared byte for byte, so that no payload can stand for another, and a checksum of what
 * it unpacks to. Whatever is wrong with a file or the directory means that the payload is unpacked;
 * what comes out is checked as that of a kernel's file is. Files appear complete (rename), and only
 * the user can read them. A directory that is somebody else's, or that others may write to, is not
 * used.
 */
#ifndef DRAGOMAN_LOADER_UNPACK_CACHE_H
#define DRAGOMAN_LOADER_UNPACK_CACHE_H

#include "base/types.h"

/* As unpack_payload(). dir: made when it is not there; NULL: nothing is kept. */
int unpack_cached(const char *dir, const uint8_t *data, size_t size, uint64_t limit, uint8_t **out,
                  size_t *out_len) MUST_CHECK;

#endif
