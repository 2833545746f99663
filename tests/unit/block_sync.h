/* block_sync.h - one request to a disk, carried out at once, for tests. */
#ifndef DRAGOMAN_TESTS_BLOCK_SYNC_H
#define DRAGOMAN_TESTS_BLOCK_SYNC_H

#include <check.h>

#include "block/block.h"

static inline void transfer_done(struct block_request *req, int result)
{
    *(int *)req->opaque = result;
}

/* The request's result. */
static inline int transfer(struct block *b, enum block_op op, uint64_t sector, uint32_t count,
                           uint8_t *buf)
{
    int result = 1;
    struct block_request req = {.op = op,
                                .sector = sector,
                                .count = count,
                                .buf = buf,
                                .done = transfer_done,
                                .opaque = &result};

    block_submit(b, &req);
    ck_assert_int_eq(block_drain(b), 0);
    return result;
}

#endif
