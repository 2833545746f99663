/* The cache of L2 tables and refcount blocks, and the order in which they are written. */
#include "block/qcow2.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"

enum { H_REFCOUNT_OFFSET = 48, REFCOUNT_FIELDS = 12 };

#define CACHE_BYTES (8 * MIB)
enum { MIN_SLOTS = 16, MAX_SLOTS = 512 };

int qcow2_cache_init(struct qcow2 *q)
{
    uint64_t n = CACHE_BYTES / q->cluster;

    q->nslots = n < MIN_SLOTS ? MIN_SLOTS : n > MAX_SLOTS ? MAX_SLOTS : (unsigned)n;
    q->slots = calloc(q->nslots, sizeof(q->slots[0]));
    return q->slots ? 0 : -ENOMEM;
}

void qcow2_cache_free(struct qcow2 *q)
{
    for (unsigned i = 0; q->slots && i < q->nslots; i++)
        free(q->slots[i].data);
    free(q->slots);
}

static struct qcow2_slot *find(struct qcow2 *q, uint64_t offset)
{
    for (unsigned i = 0; i < q->nslots; i++)
        if (q->slots[i].offset == offset)
            return &q->slots[i];
    return NULL;
}

/* The least recently used clean one; an empty one first. */
static struct qcow2_slot *victim(struct qcow2 *q)
{
    struct qcow2_slot *best = NULL;

    for (unsigned i = 0; i < q->nslots; i++) {
        struct qcow2_slot *s = &q->slots[i];

        if (!s->dirty && (!best || s->used < best->used))
            best = s;
    }
    return best;
}

/* When most slots are changed, all are written, so that the order needs no more than qcow2_sync().
 */
static int take_slot(struct qcow2 *q, struct qcow2_slot **out)
{
    unsigned clean = 0;
    int err;

    for (unsigned i = 0; i < q->nslots; i++)
        clean += !q->slots[i].dirty;
    if (clean < q->nslots / 4) {
        err = qcow2_sync(q);
        if (err < 0)
            return err;
    }
    *out = victim(q);
    assert(*out);
    if (!(*out)->data)
        (*out)->data = malloc(q->cluster);
    return (*out)->data ? 0 : -ENOMEM;
}

int qcow2_get(struct qcow2 *q, enum qcow2_table kind, uint64_t offset, bool fresh,
              struct qcow2_slot **out)
{
    struct qcow2_slot *s = q->recent[kind];
    int err;

    if (!s || s->offset != offset)
        s = find(q, offset);
    if (s && s->kind != kind)
        return qcow2_corrupt(q, "cluster %#llx is two tables", (unsigned long long)offset);
    if (!s) {
        err = take_slot(q, &s);
        if (err < 0)
            return err;
        s->offset = 0;
        if (!fresh) {
            err = block_file_read(&q->file, offset, s->data, q->cluster);
            if (err < 0)
                return err;
        }
        s->offset = offset;
        s->kind = kind;
    }
    if (fresh) {
        memset(s->data, 0, q->cluster);
        s->dirty = true;
    }
    s->used = ++q->clock;
    q->recent[kind] = s;
    *out = s;
    return 0;
}

void qcow2_forget(struct qcow2 *q, uint64_t offset)
{
    struct qcow2_slot *s = find(q, offset);

    if (s) {
        s->offset = 0;
        s->dirty = false;
        s->used = 0;
    }
}

static bool any_dirty(const struct qcow2 *q, enum qcow2_table kind)
{
    for (unsigned i = 0; i < q->nslots; i++)
        if (q->slots[i].dirty && q->slots[i].kind == kind)
            return true;
    return false;
}

static int write_slots(struct qcow2 *q, enum qcow2_table kind)
{
    for (unsigned i = 0; i < q->nslots; i++) {
        struct qcow2_slot *s = &q->slots[i];
        int err;

        if (!s->dirty || s->kind != kind)
            continue;
        err = block_file_write(&q->file, s->offset, s->data, q->cluster);
        if (err < 0)
            return err;
        s->dirty = false;
    }
    return 0;
}

/* Blocks before the table that points to them; a table that moved before the header does. */
static int write_refcounts(struct qcow2 *q)
{
    uint8_t fields[REFCOUNT_FIELDS];
    int err = write_slots(q, QCOW2_REFCOUNTS);

    if (err < 0 || !q->rt_dirty)
        return err;
    err = block_file_flush(&q->file);
    if (err == 0)
        err = block_file_write(&q->file, q->rt_offset, q->rt, q->rt_entries * 8);
    if (err == 0 && q->rt_moved) {
        st64be(fields, q->rt_offset);
        st32be(fields + 8, (uint32_t)(q->rt_entries * 8 / q->cluster));
        err = block_file_flush(&q->file);
        if (err == 0)
            err = block_file_write(&q->file, H_REFCOUNT_OFFSET, fields, sizeof(fields));
    }
    if (err == 0)
        q->rt_dirty = q->rt_moved = false;
    return err;
}

static int write_l2_and_l1(struct qcow2 *q)
{
    int err = write_slots(q, QCOW2_L2);

    if (err == 0 && q->l1_dirty) {
        err = block_file_flush(&q->file);
        if (err == 0)
            err = block_file_write(&q->file, q->l1_offset, q->l1, q->l1_size * UINT64_C(8));
    }
    if (err == 0)
        err = block_file_flush(&q->file);
    if (err == 0)
        q->l1_dirty = false;
    return err;
}

int qcow2_sync(struct qcow2 *q)
{
    int err = write_refcounts(q);

    if (err == 0)
        err = block_file_flush(&q->file);
    if (err == 0 && (any_dirty(q, QCOW2_L2) || q->l1_dirty))
        err = write_l2_and_l1(q);
    return err == 0 ? qcow2_apply_falls(q) : err;
}
