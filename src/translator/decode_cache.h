/* decode_cache.h - decoded instructions by their shape: all bytes but displacement and immediate
 * (private to the translator).
 *
 * Programs repeat a few thousand shapes. Which bytes are the shape depends on these bytes alone
 * (SDM 2A chapter 2), so equal shapes have displacement and immediate in the same place and mean
 * the same; the two are taken from the bytes at hand. Only plain legacy encodings of 32- and
 * 64-bit code are kept, and only when decode_insn() agrees on where the fields are. What comes out
 * is what decode_insn() gives.
 */
#ifndef DRAGOMAN_TRANSLATOR_DECODE_CACHE_H
#define DRAGOMAN_TRANSLATOR_DECODE_CACHE_H

#include "translator/decode.h"

struct decode_cache;

/* NULL: no memory. */
struct decode_cache *decode_cache_create(void);
void decode_cache_destroy(struct decode_cache *dc);
uint64_t decode_cache_hits(const struct decode_cache *dc);

/* As decode_insn(). */
enum decode_status decode_cached(struct decode_cache *dc, const uint8_t *bytes, size_t len,
                                 unsigned bits, struct insn *i);

#endif
