/* bt_rig.h - a translator without a guest: blocks are made from bytes and looked at, never entered.
 *
 * Included by the tests of the checker and of translations, and by the fuzz target that feeds it.
 */
#ifndef DRAGOMAN_TESTS_BT_RIG_H
#define DRAGOMAN_TESTS_BT_RIG_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/bits.h"
#include "cpu/model.h"
#include "translator/xlate.h"

enum { BT_RIG_RAM = 2 << 20, BT_RIG_CODE = 4 << 20 };

/* The flat 32-bit protected mode that translations are usually made for. */
enum {
    BT_RIG_MODE = MODE_PE | MODE_CS32 | MODE_SS32 | MODE_PG | MODE_FLAT_CS | MODE_FLAT_SS |
                  MODE_FLAT_DS | MODE_FLAT_ES | MODE_IOPL_OK | MODE_WP,
};

struct bt_rig {
    struct log log;
    struct bus mmio;
    struct physmem pm;
    struct cpu_model model;
    struct cpu *c;
    struct smmu *m;
    struct engine *e;
    int fd;
};

/* 0, or what the host refused. */
static inline int bt_rig_open(struct bt_rig *r)
{
    static const struct smmu_config mcfg = {.max_maps = 1000};
    static const struct engine_config ecfg = {
        .kind = ENGINE_BT, .code_bytes = BT_RIG_CODE, .host_tsc = true};
    char err[256];
    hva_t ram;
    int rc;

    memset(r, 0, sizeof(*r));
    r->log.out = stderr;
    r->fd = memfd_create("bt-rig", 0);
    if (r->fd < 0 || ftruncate(r->fd, BT_RIG_RAM) < 0)
        return -errno;
    ram = mmap(NULL, BT_RIG_RAM, PROT_READ | PROT_WRITE, MAP_SHARED, r->fd, 0);
    r->c = aligned_alloc(64, align_up(sizeof(*r->c), 64));
    if (ram == MAP_FAILED || !r->c)
        return -ENOMEM;
    memset(r->c, 0, sizeof(*r->c));
    bus_init(&r->mmio, "mmio", NULL);
    physmem_init(&r->pm, ram, r->fd, BT_RIG_RAM, &r->mmio);
    rc = cpu_model_init(&r->model, "max", err, sizeof(err));
    if (rc < 0)
        return rc;
    r->c->model = &r->model;
    r->c->log = &r->log;
    rc = smmu_create(&r->m, &r->pm, &mcfg, &r->log);
    if (rc < 0)
        return rc;
    smmu_attach(r->m, r->c);
    return engine_create(&r->e, r->c, r->m, &r->pm, &ecfg, &r->log);
}

static inline void bt_rig_close(struct bt_rig *r)
{
    engine_destroy(r->e);
    smmu_destroy(r->m);
    munmap(r->pm.hva, BT_RIG_RAM);
    close(r->fd);
    free(r->c);
}

static inline void bt_rig_sites(struct bt_rig *r, uint64_t frame, unsigned off, enum bt_adapt adapt)
{
    static const enum smmu_verdict verdict[] = {[ADAPT_NONE] = SMMU_MAPPED,
                                                [ADAPT_VIEW] = SMMU_VIEW,
                                                [ADAPT_SIMULATE] = SMMU_MMIO,
                                                [ADAPT_WRAP] = SMMU_MAPPED};

    if (adapt == ADAPT_WRAP)
        (void)bt_adapt_wraps(r->e, frame, off);
    for (unsigned n = 0; n < 16 && bt_adapt_of(r->e, frame, off) != adapt; n++)
        bt_adapt_count(r->e, frame, off, verdict[adapt]);
}

/* 64-bit kernel code. */
enum { BT_RIG_LONG = BT_RIG_MODE | MODE_LMA | MODE_CS64 };

/* The translation of bytes at rip, a key (the first instruction may straddle: then the rest is on
 * another page). NULL: not translatable. */
static inline struct bt_block *bt_rig_translate(struct bt_rig *r, uint64_t rip, uint32_t mode,
                                                const uint8_t *bytes, unsigned n, bool straddles)
{
    struct bt_block *b = NULL;
    bool interpret = false;

    for (unsigned attempt = 0; attempt < 2 && !b && !interpret; attempt++) {
        uint64_t vpn = bt_linear(rip, mode) >> PAGE_SHIFT;
        struct bt_page *page = bt_page_get(r->e, vpn, 16);
        struct bt_page *page2 = straddles ? bt_page_get(r->e, vpn + 1, 17) : NULL;

        if (page && (page2 || !straddles))
            b = bt_translate(r->e, rip, mode, page, page2, bytes, n, &interpret);
        if (!b && !interpret)
            bt_flush(r->e);
    }
    return b;
}

#endif
