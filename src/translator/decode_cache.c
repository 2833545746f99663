#include "translator/decode_cache.h"

#include <sys/mman.h>

#include "base/bits.h"

enum { SLOT_BITS = 14, MAX_SHAPE = 7 }; /* the eighth byte of a key is length and code size */

struct slot {
    uint64_t key; /* 0: empty */
    struct insn_fields fields;
    struct insn insn;
};

struct decode_cache {
    uint64_t hits;
    struct slot slot[1 << SLOT_BITS];
};

/* One large page, if the host has one: slots are used in no order. */
enum { CACHE_BYTES = 2 << 20 };
_Static_assert(sizeof(struct decode_cache) <= CACHE_BYTES, "one large page");

struct decode_cache *decode_cache_create(void)
{
    void *p = mmap(NULL, CACHE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (p == MAP_FAILED)
        return NULL;
    madvise(p, CACHE_BYTES, MADV_HUGEPAGE);
    return p;
}

void decode_cache_destroy(struct decode_cache *dc)
{
    if (dc)
        munmap(dc, CACHE_BYTES);
}

uint64_t decode_cache_hits(const struct decode_cache *dc)
{
    return dc->hits;
}

/* Opcodes with a ModR/M byte, a bit each: SDM 2D tables. A wrong bit would only mean
 * that the instruction is not kept. */
static const uint16_t modrm_1[16] = {0x0f0f, 0x0f0f, 0x0f0f, 0x0f0f, 0x0000, 0x0000,
                                     0x0a0c, 0x0000, 0xffff, 0x0000, 0x0000, 0x0000,
                                     0x00f3, 0xff0f, 0x0000, 0xc0c0};
static const uint16_t modrm_0f[16] = {0x200f, 0xffff, 0xff0f, 0x0000, 0xffff, 0xffff,
                                      0xffff, 0xff7f, 0x0000, 0xffff, 0xf838, 0xffff,
                                      0x00ff, 0xffff, 0xffff, 0xffff};

static bool is_legacy_prefix(uint8_t b)
{
    return b == 0x66 || b == 0x67 || (b & 0xfe) == 0xf2 || b == 0xf0 || (b & 0xe7) == 0x26 ||
           (b & 0xfe) == 0x64;
}

/* Bytes before displacement and immediate; 0: not of a kind that is kept. Looks at these bytes
 * only, of which MAX_INSN can be read. */
static unsigned shape_length(const uint8_t *b, unsigned bits)
{
    const uint16_t *modrm = modrm_1;
    unsigned n = 0;
    uint8_t op;

    for (; is_legacy_prefix(b[n]); n++)
        if (n == 3 || (b[n] == 0x67 && bits != 64)) /* no SIB with 16-bit addresses */
            return 0;
    if (bits == 64 && (b[n] & 0xf0) == 0x40)
        n++;
    op = b[n++];
    if (op == 0x0f) {
        op = b[n++];
        modrm = modrm_0f;
    }
    if (modrm[op >> 4] >> (op & 15) & 1) {
        uint8_t m = b[n++];

        n += m < 0xc0 && (m & 7) == 4; /* SIB */
    }
    return n <= MAX_SHAPE ? n : 0;
}

static uint64_t sign_extended(const uint8_t *p, unsigned size)
{
    switch (size) {
    case 1:
        return (uint64_t)(int8_t)*p;
    case 2:
        return (uint64_t)(int16_t)ld16(p);
    case 4:
        return (uint64_t)(int32_t)ld32(p);
    default:
        return ld64(p);
    }
}

static uint64_t immediate(const struct insn_fields *f, const uint8_t *bytes)
{
    uint64_t v = sign_extended(bytes + f->imm_at, f->imm_size);

    return f->imm_signed || f->imm_size == 8 ? v : v & ((UINT64_C(1) << 8 * f->imm_size) - 1);
}

/* A shift by 0 leaves the flags: other flags_read than by any other count. */
static bool is_shift_by_0(const struct insn_fields *f, const struct insn *i)
{
    return f->shift && !(i->imm & (i->opsize == 8 ? 63 : 31));
}

static void fill(struct slot *s, uint64_t key, unsigned shape, const struct insn_fields *f,
                 const struct insn *i)
{
    unsigned fields = shape;

    if (!f->plain || is_shift_by_0(f, i) || (f->disp_size && f->disp_at != fields))
        return;
    fields += f->disp_size;
    if (f->imm_size && f->imm_at != fields)
        return;
    fields += f->imm_size;
    if (fields != i->len ||
        (f->disp_size && i->disp != (int64_t)sign_extended(i->bytes + f->disp_at, f->disp_size)) ||
        (f->imm_size && i->imm != immediate(f, i->bytes)))
        return;
    *s = (struct slot){.key = key, .fields = *f, .insn = *i};
}

enum decode_status decode_cached(struct decode_cache *dc, const uint8_t *bytes, size_t len,
                                 unsigned bits, struct insn *i)
{
    unsigned shape = len >= MAX_INSN && bits != 16 ? shape_length(bytes, bits) : 0;
    struct insn_fields f;
    enum decode_status st;
    struct slot *s;
    uint64_t key;

    if (!shape)
        return decode_insn(bytes, len, bits, i);
    key = (ld64(bytes) & ((UINT64_C(1) << 8 * shape) - 1)) | (uint64_t)(shape | bits) << 56;
    s = &dc->slot[key * UINT64_C(0x9e3779b97f4a7c15) >> (64 - SLOT_BITS)];
    if (s->key == key) {
        *i = s->insn;
        for (unsigned k = shape; k < i->len; k++)
            i->bytes[k] = bytes[k];
        if (s->fields.disp_size)
            i->disp = (int64_t)sign_extended(bytes + s->fields.disp_at, s->fields.disp_size);
        if (s->fields.imm_size)
            i->imm = immediate(&s->fields, bytes);
        dc->hits++;
        if (!is_shift_by_0(&s->fields, i))
            return DECODE_OK;
    }
    st = decode_fields(bytes, len, bits, i, &f);
    if (st == DECODE_OK)
        fill(s, key, shape, &f, i);
    return st;
}
