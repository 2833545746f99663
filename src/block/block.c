/* The queue of one disk and the thread that empties it. */
#include "block/block.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "block/node.h"
#include "host/events.h"
#include "host/thread.h"

enum { RETRY_SECONDS = 1 }; /* a full disk of the host is looked at again this often */

struct queue {
    struct block_request *first, *last;
};

struct block {
    struct block_node *node;
    char *name;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t work;     /* the worker: something was queued, or close */
    pthread_cond_t finished; /* the vCPU thread: the running request is done, or stalled */
    void (*notify)(void *opaque);
    void *opaque;
    bool threaded;
    bool unflushed; /* of whoever works: something may be in the host's cache only */

    /* under the lock */
    struct queue todo, done;
    struct block_request *running;
    bool closing, giving_up; /* giving_up: the running request must not be tried again */
    bool held, retry;
    int stalled;
    struct block_error report;
    struct block_stats stats;
};

static void push(struct queue *q, struct block_request *req)
{
    req->next = NULL;
    if (q->first)
        q->last->next = req;
    else
        q->first = req;
    q->last = req;
}

static struct block_request *pop(struct queue *q)
{
    struct block_request *req = q->first;

    if (req)
        q->first = req->next;
    return req;
}

static void unlink_request(struct queue *q, struct block_request *req)
{
    struct queue rest = {NULL, NULL};

    for (struct block_request *at = pop(q); at; at = pop(q))
        if (at != req)
            push(&rest, at);
    *q = rest;
}

/* Of the lower nodes too: the one that failed knows why. */
static void collect_report(struct block *b)
{
    for (struct block_node *n = b->node; n; n = n->below) {
        if (!n->report.text[0])
            continue;
        b->report = n->report;
        n->report.text[0] = '\0';
    }
}

/* Guests flush twice where they want one write on the medium (Linux: for REQ_FUA and for O_DSYNC);
 * the host's fdatasync() empties its disk's cache each time, whether anything is in there or not.
 */
static int flush(struct block *b)
{
    int err = b->unflushed ? b->node->ops->flush(b->node) : 0;

    b->unflushed = b->unflushed && err < 0;
    return err;
}

static int perform(struct block *b, const struct block_request *req)
{
    struct block_node *n = b->node;
    uint64_t offset = req->sector * BLOCK_SECTOR;
    size_t len = (size_t)req->count * BLOCK_SECTOR;
    int err;

    if (req->op == BLOCK_READ)
        return n->ops->read(n, offset, req->buf, len);
    if (req->op == BLOCK_FLUSH)
        return flush(b);
    if (n->read_only)
        return -EROFS;
    b->unflushed = true;
    err = n->ops->write(n, offset, req->buf, len);
    return err == 0 && req->fua ? flush(b) : err;
}

static bool is_full(int err)
{
    return err == -ENOSPC || err == -EDQUOT;
}

/* Lock held: counts, and hands the request back. */
static void finish(struct block *b, struct block_request *req, int result)
{
    struct block_stats *s = &b->stats;
    uint64_t end = (req->sector + req->count) * BLOCK_SECTOR;

    b->running = NULL;
    b->stalled = 0;
    s->requests[req->op]++;
    s->bytes[req->op] += (uint64_t)req->count * BLOCK_SECTOR;
    s->errors[req->op] += result < 0;
    s->ns[req->op] += events_now() - req->submitted;
    if (req->op == BLOCK_WRITE && end > s->highest_write)
        s->highest_write = end;
    req->result = result;
    req->state = BLOCK_DONE;
    push(&b->done, req);
    collect_report(b);
    pthread_cond_broadcast(&b->finished);
}

/* Lock held. */
static void wait_for_room(struct block *b, int err)
{
    struct timespec until;

    if (!b->stalled) {
        b->stalled = err;
        b->stats.stalls++;
        pthread_cond_broadcast(&b->finished);
        b->notify(b->opaque);
    }
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += RETRY_SECONDS;
    if (!b->held && !b->closing && !b->giving_up && !b->retry)
        pthread_cond_timedwait(&b->work, &b->lock, &until);
    while (b->held && !b->closing && !b->giving_up && !b->retry)
        pthread_cond_wait(&b->work, &b->lock);
    b->retry = false;
}

static void *worker(void *arg)
{
    struct block *b = arg;

    pthread_mutex_lock(&b->lock);
    for (;;) {
        struct block_request *req = pop(&b->todo);
        int result;

        if (!req && b->closing)
            break;
        if (!req) {
            pthread_cond_wait(&b->work, &b->lock);
            continue;
        }
        req->state = BLOCK_RUNNING;
        b->running = req;
        for (;;) {
            pthread_mutex_unlock(&b->lock);
            result = perform(b, req);
            pthread_mutex_lock(&b->lock);
            if (!is_full(result) || b->closing || b->giving_up)
                break;
            wait_for_room(b, result);
        }
        finish(b, req, result);
        b->notify(b->opaque);
    }
    pthread_mutex_unlock(&b->lock);
    return NULL;
}

int block_create(struct block **out, struct block_node *node, const char *name)
{
    struct block *b = calloc(1, sizeof(*b));

    if (!b)
        return -ENOMEM;
    b->name = strdup(name);
    if (!b->name) {
        free(b);
        return -ENOMEM;
    }
    b->node = node;
    b->unflushed = true; /* by whoever wrote the image before */
    pthread_mutex_init(&b->lock, NULL);
    pthread_cond_init(&b->work, NULL);
    pthread_cond_init(&b->finished, NULL);
    *out = b;
    return 0;
}

int block_start(struct block *b, void (*notify)(void *opaque), void *opaque)
{
    int err;

    assert(!b->threaded);
    b->notify = notify;
    b->opaque = opaque;
    err = thread_start(&b->thread, worker, b);
    b->threaded = err == 0;
    return err;
}

/* Without a worker: carries out requests until one finds the disk full, which stays first. */
static void work_here(struct block *b)
{
    struct block_request *req;

    while ((req = b->todo.first) != NULL) {
        int result = perform(b, req);

        if (is_full(result) && !b->closing) {
            b->stats.stalls += !b->stalled;
            b->stalled = result;
            break;
        }
        pop(&b->todo);
        finish(b, req, result);
    }
}

int block_close(struct block *b)
{
    int err;

    pthread_mutex_lock(&b->lock);
    b->closing = true;
    pthread_cond_signal(&b->work);
    pthread_mutex_unlock(&b->lock);
    if (b->threaded)
        pthread_join(b->thread, NULL);
    else
        work_here(b);
    err = b->node->ops->flush(b->node);
    block_node_close(b->node);
    pthread_cond_destroy(&b->work);
    pthread_cond_destroy(&b->finished);
    pthread_mutex_destroy(&b->lock);
    free(b->name);
    free(b);
    return err;
}

uint64_t block_sectors(const struct block *b)
{
    return b->node->bytes / BLOCK_SECTOR;
}

bool block_read_only(const struct block *b)
{
    return b->node->read_only;
}

const char *block_name(const struct block *b)
{
    return b->name;
}

bool block_is_snapshot(const struct block *b)
{
    return !b->node->format && b->node->below;
}

const char *block_format_name(const struct block *b)
{
    const struct block_node *n = b->node;

    while (!n->format && n->below)
        n = n->below;
    return n->format ? n->format : "raw";
}

void block_submit(struct block *b, struct block_request *req)
{
    assert(req->state == BLOCK_IDLE);
    assert(req->op == BLOCK_FLUSH ||
           (req->sector <= block_sectors(b) && req->count <= block_sectors(b) - req->sector));
    req->submitted = events_now();
    pthread_mutex_lock(&b->lock);
    req->state = BLOCK_QUEUED;
    push(&b->todo, req);
    pthread_cond_signal(&b->work);
    pthread_mutex_unlock(&b->lock);
}

static struct block_request *take_done(struct block *b)
{
    struct block_request *req;

    pthread_mutex_lock(&b->lock);
    req = pop(&b->done);
    if (req)
        req->state = BLOCK_IDLE;
    pthread_mutex_unlock(&b->lock);
    return req;
}

/* One at a time: done() may submit, and cancel others that are done. */
void block_poll(struct block *b)
{
    struct block_request *req;

    pthread_mutex_lock(&b->lock);
    if (!b->threaded)
        work_here(b);
    pthread_mutex_unlock(&b->lock);
    while ((req = take_done(b)) != NULL)
        req->done(req, req->result);
}

void block_cancel(struct block *b, struct block_request *req)
{
    pthread_mutex_lock(&b->lock);
    if (req->state == BLOCK_QUEUED)
        unlink_request(&b->todo, req);
    if (req->state == BLOCK_RUNNING) {
        b->giving_up = true;
        pthread_cond_signal(&b->work);
        while (req->state == BLOCK_RUNNING)
            pthread_cond_wait(&b->finished, &b->lock);
        b->giving_up = false;
    }
    if (req->state == BLOCK_DONE)
        unlink_request(&b->done, req);
    req->state = BLOCK_IDLE;
    if (!b->todo.first && !b->running)
        b->stalled = 0;
    pthread_mutex_unlock(&b->lock);
}

int block_drain(struct block *b)
{
    bool busy = true;
    int err = 0;

    while (busy && err == 0) {
        block_poll(b);
        pthread_mutex_lock(&b->lock);
        while (b->threaded && (b->running || b->todo.first) && !b->done.first && !b->stalled)
            pthread_cond_wait(&b->finished, &b->lock);
        err = b->stalled;
        busy = b->running || b->todo.first || b->done.first;
        pthread_mutex_unlock(&b->lock);
    }
    return err;
}

int block_stalled(struct block *b)
{
    int err;

    pthread_mutex_lock(&b->lock);
    err = b->stalled;
    pthread_mutex_unlock(&b->lock);
    return err;
}

void block_hold(struct block *b, bool held)
{
    pthread_mutex_lock(&b->lock);
    b->held = held;
    pthread_cond_signal(&b->work);
    pthread_mutex_unlock(&b->lock);
}

void block_retry(struct block *b)
{
    pthread_mutex_lock(&b->lock);
    b->retry = b->threaded && b->stalled;
    b->stalled = 0;
    pthread_cond_signal(&b->work);
    pthread_mutex_unlock(&b->lock);
}

bool block_take_report(struct block *b, struct block_error *out)
{
    bool any;

    pthread_mutex_lock(&b->lock);
    any = b->report.text[0] != '\0';
    *out = b->report;
    b->report.text[0] = '\0';
    pthread_mutex_unlock(&b->lock);
    return any;
}

void block_get_stats(struct block *b, struct block_stats *out)
{
    pthread_mutex_lock(&b->lock);
    *out = b->stats;
    pthread_mutex_unlock(&b->lock);
}

/* The image is open read-only below the overlay, and locked so: it is opened anew for writing. */
static int commit_to_image(struct block *b, const char *format, struct block_error *err)
{
    struct block_node *base;
    int e = block_open_again(&base, b->name, false, err);

    if (e < 0)
        return e;
    if (base->bytes != b->node->bytes || strcmp(base->format, format) != 0)
        e = block_fail(err, -EINVAL, "%s: the image is another one now", b->name);
    else if ((e = block_overlay_commit(b->node, base)) < 0)
        block_fail(err, e, "%s: %s", b->name, strerror(-e));
    block_node_close(base);
    return e;
}

int block_commit(struct block *b, struct block_error *err)
{
    struct block_node *top = b->node, *below = top->below;
    const char *format;
    struct block_error again;
    int e;

    assert(!b->todo.first && !b->running);
    if (top->format || !below)
        return block_fail(err, -ENOTSUP, "%s: there is no snapshot to commit", b->name);
    format = below->format;
    block_node_close(below);
    top->below = NULL;
    e = commit_to_image(b, format, err);
    if (block_open_again(&below, b->name, true, &again) < 0) {
        *err = again;
        return -EIO;
    }
    if (below->bytes < top->bytes) {
        block_node_close(below);
        return block_fail(err, -EIO, "%s: the image has shrunk", b->name);
    }
    top->below = below;
    return e;
}
