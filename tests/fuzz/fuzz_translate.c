/* fuzz_translate.c - any bytes as 16-bit, 32-bit or 64-bit guest code in any mode, translated; the
 * jail checker must accept every block.
 *
 *   bytes 0-3 mode bits and rip, 4 how sites are adapted, 64-bit or not, rest: code
 */
#include <inttypes.h>

#include "../unit/bt_rig.h"
#include "fuzz.h"

enum { FRAME = 16, MAX_CODE = 1024 };

enum how { HOW_STRADDLES = 8, HOW_LONG = 16 };

/* Real mode, 16-bit protected mode, a code segment of an odd limit. */
static uint32_t segmented(uint32_t mode, uint32_t bits)
{
    const uint32_t flat =
        MODE_CS32 | MODE_SS32 | MODE_FLAT_CS | MODE_FLAT_SS | MODE_FLAT_DS | MODE_FLAT_ES;

    if (bits >> 14 & 3)
        mode &= ~flat;
    if (bits >> 15 & 1)
        mode &= ~(uint32_t)(MODE_PE | MODE_PG);
    return bits >> 6 & 1 && bt_segmented(mode) && !(mode & MODE_FLAT_CS) ? mode | MODE_ODD_CS
                                                                         : mode;
}

static uint32_t mode_of(uint32_t bits, uint32_t how)
{
    static const uint32_t may[] = {MODE_CPL3,  MODE_NOFPU, MODE_NOSSE,
                                   MODE_NOAVX, MODE_TSD,   MODE_PG};
    static const uint32_t may_lack[] = {MODE_FLAT_CS, MODE_FLAT_SS, MODE_FLAT_DS,
                                        MODE_FLAT_ES, MODE_SS32,    MODE_IOPL_OK};
    uint32_t mode = how & HOW_LONG ? BT_RIG_LONG : BT_RIG_MODE;

    for (unsigned i = 0; i < ARRAY_SIZE(may); i++) {
        mode ^= bits >> i & 1 ? may[i] : 0;
        /* rarely: the dispatcher never asks for it */
        mode ^= (bits >> (8 + i) & 1) && (bits >> 7 & 1) ? may_lack[i] : 0;
    }
    return how & HOW_LONG ? mode : segmented(mode, bits);
}

/* User code, the kernel's text, a module, the edges. */
static uint64_t rip_of(uint32_t where, uint32_t how, uint32_t mode)
{
    static const uint64_t high[] = {0,
                                    0x7fff00000000,
                                    0xffffffff00000000,
                                    0xffff800000000000,
                                    0xfffffffff0000000,
                                    0x7ffffffff000,
                                    0x100000000,
                                    0x555500000000};
    uint64_t rip = (where & 0xf000) << 16;

    if (!(mode & (MODE_FLAT_CS | MODE_CS64)))
        rip = (uint64_t)(where & 0xf000) << 36; /* CS.base = .. << 4 */

    rip |= how & HOW_STRADDLES ? PAGE_SIZE - 1 : where & 0x7ff;
    return how & HOW_LONG ? rip | high[how >> 5] : rip;
}

static void adapt_sites(struct bt_rig *r, uint64_t rip, uint32_t how, size_t n)
{
    if (!(how & 3))
        return;
    for (unsigned off = 0; off < n && off < 64; off++)
        bt_rig_sites(r, FRAME, (unsigned)(rip + off) & PAGE_MASK,
                     how & 4 && off % 3 ? ADAPT_NONE : (enum bt_adapt)(how & 3) % 3);
}

static void check_map(const struct bt_block *b)
{
    FUZZ_CHECK(b->nmap && b->map[0].host == 0, "%u entries", b->nmap);
    for (uint32_t k = 0; k < b->nmap; k++) {
        FUZZ_CHECK(b->map[k].host <= b->code_len && b->map[k].guest <= b->guest_len, "entry %u", k);
        FUZZ_CHECK(k == 0 || b->map[k].host >= b->map[k - 1].host, "entry %u", k);
    }
}

static void refuse(struct bt_rig *r, const struct bt_block *b, const char *why, uint64_t where)
{
    r->log.mask = LOG_IN_ASM | LOG_OUT_ASM;
    bt_list_block(r->e, b);
    fprintf(stderr, "%s at %" PRIx64 "\n", why, where);
    abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct bt_rig r;
    struct fuzz_bytes in = {data, size};
    uint32_t bits = (uint32_t)fuzz_take(&in, 2), where = (uint32_t)fuzz_take(&in, 2);
    uint32_t how = (uint32_t)fuzz_take(&in, 1), mode = mode_of(bits, how);
    unsigned n = in.left < MAX_CODE ? (unsigned)in.left : MAX_CODE;
    bool straddles = how & HOW_STRADDLES;
    uint64_t rip = rip_of(where, how, mode);
    struct bt_block *b;
    const char *why;
    uint64_t at;

    if (!r.e)
        FUZZ_CHECK(bt_rig_open(&r) == 0, "rig");
    r.c->seg[SEG_CS].limit = 0x1234;
    adapt_sites(&r, rip, how, n);
    memcpy(r.pm.hva + (FRAME << PAGE_SHIFT) + (rip & PAGE_MASK), in.p, n);
    b = bt_rig_translate(&r, rip, mode, in.p, n, straddles);
    if (how & 3)
        memset(r.e->sites, 0, SITE_HASH * sizeof(*r.e->sites));
    if (!b)
        return 0;
    FUZZ_CHECK(b->code_len <= BT_BLOCK_ROOM && b->guest_len <= n + MAX_INSN, "%u bytes",
               b->code_len);
    check_map(b);
    if (!bt_block_in_jail(r.e, b, &why, &at))
        refuse(&r, b, why, at);
    return 0;
}
