/* input_queue.h - what a viewer's thread collects for the vCPU thread: keys, movement, and that it
 * is over.
 *
 * Any thread puts, the vCPU thread takes. Full, it loses what is put: a guest that takes nothing
 * for so long has no use for it.
 */
#ifndef DRAGOMAN_DISPLAY_INPUT_QUEUE_H
#define DRAGOMAN_DISPLAY_INPUT_QUEUE_H

#include <pthread.h>

#include "base/types.h"

enum input_kind {
    INPUT_KEYSYM,  /* code: X11's */
    INPUT_KEY,     /* code: as in devices/ps2_keys.h */
    INPUT_POINTER, /* x, y: where it is; buttons: VNC's */
    INPUT_MOTION,  /* x, y, z: by how much; buttons: input_sink's */
    INPUT_GONE,    /* nobody holds anything any more */
    INPUT_CLOSE,   /* the user wants the machine to end */
};

struct input_event {
    enum input_kind kind;
    uint32_t code;
    bool down;
    int x, y, z;
    unsigned buttons;
};

enum { INPUT_QUEUE_EVENTS = 256 };

struct input_queue {
    pthread_mutex_t lock;
    struct input_event event[INPUT_QUEUE_EVENTS];
    unsigned head, tail;
};

void input_queue_init(struct input_queue *q);
void input_queue_put(struct input_queue *q, const struct input_event *e);
/* False: there is none. */
bool input_queue_take(struct input_queue *q, struct input_event *e);
void input_queue_free(struct input_queue *q);

#endif
