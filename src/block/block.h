/* block.h - a disk of the guest's: sectors of 512 bytes, read, written and flushed beside the vCPU.
 *
 *   block_open -> block_start -> block_submit .. block_poll .. -> block_close
 *
 * A device fills in a struct block_request and submits it; the request and its buffer then belong
 * to this module until done() was called or block_cancel() returned. done() runs on the vCPU
 * thread, from block_poll(), never from block_submit(). Requests of one block are carried out in
 * the order they were submitted, by one worker thread; without block_start() block_poll() does the
 * work itself, so that tests and stepped machines are deterministic.
 *
 * A finished write may still be in the host's cache; what was written before a flush is on the
 * medium when the flush is done. When the host's disk is full the request is not failed: it is
 * tried again, every second or, with block_hold(), when block_retry() says so; block_stalled()
 * tells why meanwhile. The machine then stops the guest's clock.
 *
 * Two writers of one image are locked out, and readers beside a writer (OFD locks; QEMU's bytes).
 */
#ifndef DRAGOMAN_BLOCK_BLOCK_H
#define DRAGOMAN_BLOCK_BLOCK_H

#include "base/types.h"

enum { BLOCK_SECTOR = 512 };

enum block_op { BLOCK_READ, BLOCK_WRITE, BLOCK_FLUSH };
enum block_format { BLOCK_FORMAT_PROBE, BLOCK_FORMAT_RAW, BLOCK_FORMAT_QCOW2 };

struct block_options {
    const char *path;         /* of a file, or the URI of an NBD server's disk */
    enum block_format format; /* PROBE: by content; a guest can then not make a raw image a qcow2 */
    bool read_only;
    bool snapshot; /* writes go to a temporary file and are lost at the end */
};

struct block_error {
    char text[640];
};

struct block_request {
    enum block_op op;
    bool fua;        /* a write that is on the medium when it is done */
    uint64_t sector; /* [sector, sector + count) must lie inside the disk */
    uint32_t count;
    uint8_t *buf;
    void (*done)(struct block_request *req, int result); /* 0 or -errno */
    void *opaque;

    /* the block layer's */
    struct block_request *next;
    uint64_t submitted; /* events_now() */
    enum { BLOCK_IDLE, BLOCK_QUEUED, BLOCK_RUNNING, BLOCK_DONE } state;
    int result;
};

struct block_stats {
    uint64_t requests[3], bytes[3], errors[3], ns[3]; /* by enum block_op; ns: from submission on */
    uint64_t highest_write;                           /* where the last byte written ends */
    uint64_t stalls;
};

struct block;
struct block_node;

/* Does the path name an NBD server's disk? Its format is the server's business: here it is raw. */
bool block_is_uri(const char *path);
/* 0, or -errno with a sentence in err. */
int block_open(struct block **out, const struct block_options *opt,
               struct block_error *err) MUST_CHECK;
/* A disk on a node of the caller's making (block/node.h); the node is closed with it. */
int block_create(struct block **out, struct block_node *node, const char *name) MUST_CHECK;
/* Finishes what was submitted (without done()), flushes. Returns the flush's -errno or 0. */
int block_close(struct block *b);

/* Starts the worker; `notify` is called on it when block_poll() has something to do. */
int block_start(struct block *b, void (*notify)(void *opaque), void *opaque) MUST_CHECK;

uint64_t block_sectors(const struct block *b);
bool block_read_only(const struct block *b);
const char *block_name(const struct block *b);
bool block_is_snapshot(const struct block *b);
/* Of the image: "raw", "qcow2". */
const char *block_format_name(const struct block *b);

void block_submit(struct block *b, struct block_request *req);
/* Calls done() of what has finished. vCPU thread. */
void block_poll(struct block *b);
/* Waits until the request is nobody's; done() is not called for it any more. */
void block_cancel(struct block *b, struct block_request *req);
/* Waits until everything submitted is done and calls done() of it; requests that done() submits
 * too. Returns early, with -errno, while the host's disk is full. */
int block_drain(struct block *b);

/* Of a block opened with `snapshot`, which nobody uses meanwhile (block_drain): what was written
 * goes to the image, and the snapshot begins anew. 0, or -errno with *err: what is read stays the
 * same, unless the image itself can't be opened any more. */
int block_commit(struct block *b, struct block_error *err) MUST_CHECK;
/* The -errno (full disk) for which the first request waits, or 0. */
int block_stalled(struct block *b);
/* Held: a request that found the disk full waits for block_retry(). Not held: for a second. */
void block_hold(struct block *b, bool held);
/* Tries the stalled request again; one that fails again stalls anew. */
void block_retry(struct block *b);
/* A message for the user, once: why a request failed (a corrupt image, say). */
bool block_take_report(struct block *b, struct block_error *out);
void block_get_stats(struct block *b, struct block_stats *out);

#endif
