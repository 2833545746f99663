#include "display/input_queue.h"

void input_queue_init(struct input_queue *q)
{
    pthread_mutex_init(&q->lock, NULL);
    q->head = q->tail = 0;
}

void input_queue_put(struct input_queue *q, const struct input_event *e)
{
    pthread_mutex_lock(&q->lock);
    if (q->head - q->tail < INPUT_QUEUE_EVENTS)
        q->event[q->head++ % INPUT_QUEUE_EVENTS] = *e;
    pthread_mutex_unlock(&q->lock);
}

bool input_queue_take(struct input_queue *q, struct input_event *e)
{
    bool any;

    pthread_mutex_lock(&q->lock);
    any = q->tail != q->head;
    if (any)
        *e = q->event[q->tail++ % INPUT_QUEUE_EVENTS];
    pthread_mutex_unlock(&q->lock);
    return any;
}

void input_queue_free(struct input_queue *q)
{
    pthread_mutex_destroy(&q->lock);
}
