/* mmu_rig.h - a machine with nothing but RAM, a CPU's paging state and a shadow MMU: for the tests
 * of shadowmmu.
 *
 * Page tables are written by the test through physmem, as a guest's stores would arrive.
 */
#ifndef DRAGOMAN_TESTS_MMU_RIG_H
#define DRAGOMAN_TESTS_MMU_RIG_H

#include <check.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/bits.h"
#include "cpu/exception.h"
#include "shadowmmu/access.h"
#include "shadowmmu/smmu.h"
#include "shadowmmu/walk.h"

enum { P = 1, W = 2, U = 4, A = 1 << 5, D = 1 << 6, PS = 1 << 7, RIG_RAM = 64 << 20 };
#define NX (UINT64_C(1) << 63)

/* Of a guest access. */
enum outcome { OUT_OK, OUT_PF, OUT_MMIO, OUT_ERR };

struct rig {
    struct physmem pm;
    struct bus mmio;
    struct log log;
    struct cpu *c;
    struct smmu *m;
    int fd;
};

static inline void rig_open(struct rig *r)
{
    memset(r, 0, sizeof(*r));
    r->fd = memfd_create("ram", 0);
    ck_assert_int_ge(r->fd, 0);
    ck_assert_int_eq(ftruncate(r->fd, RIG_RAM), 0);
    r->log.out = stderr;
    bus_init(&r->mmio, "mmio", NULL);
    physmem_init(&r->pm, mmap(NULL, RIG_RAM, PROT_READ | PROT_WRITE, MAP_SHARED, r->fd, 0), r->fd,
                 RIG_RAM, &r->mmio);
    r->c = aligned_alloc(64, sizeof(*r->c));
    memset(r->c, 0, sizeof(*r->c));
    r->c->cr0 = CR0_PE | CR0_WP;
}

static inline void rig_start(struct rig *r, const struct smmu_config *cfg)
{
    ck_assert_int_eq(smmu_create(&r->m, &r->pm, cfg, &r->log), 0);
    r->pm.written = smmu_guest_written;
    r->pm.map_changed = smmu_map_changed;
    r->pm.opaque = r->m;
    smmu_attach(r->m, r->c);
}

static inline void rig_close(struct rig *r)
{
    smmu_destroy(r->m);
    munmap(r->pm.hva, RIG_RAM);
    close(r->fd);
    free(r->c);
}

static inline void rig_paging(struct rig *r, uint64_t cr0, uint64_t cr4, uint64_t efer,
                              uint64_t cr3)
{
    r->c->cr0 = cr0 | CR0_PE;
    r->c->cr4 = cr4;
    r->c->efer = efer;
    r->c->cr3 = cr3;
    if ((cr0 & CR0_PG) && (cr4 & CR4_PAE) && r->m)
        ck_assert(smmu_load_pdptes(r->m, r->c));
    if (r->m)
        smmu_paging_changed(r->m, r->c);
}

static inline void rig_cr3(struct rig *r, uint64_t cr3)
{
    r->c->cr3 = cr3;
    if (r->c->cr4 & CR4_PAE)
        ck_assert(smmu_load_pdptes(r->m, r->c));
    smmu_cr3_written(r->m, r->c);
}

static inline void put32(struct rig *r, gpa_t pa, uint32_t val)
{
    ck_assert_int_eq(physmem_write(&r->pm, pa, &val, 4), 0);
}

static inline void put64(struct rig *r, gpa_t pa, uint64_t val)
{
    ck_assert_int_eq(physmem_write(&r->pm, pa, &val, 8), 0);
}

static inline uint32_t peek32(struct rig *r, gpa_t pa)
{
    return ld32(physmem_ptr(&r->pm, pa));
}

static inline uint64_t peek64(struct rig *r, gpa_t pa)
{
    return ld64(physmem_ptr(&r->pm, pa));
}

static inline int rig_main(const char *name, TCase *tc)
{
    Suite *suite = suite_create(name);
    SRunner *runner;
    int failed;

    suite_add_tcase(suite, tc);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

#endif
