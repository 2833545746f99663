/* drives.h - the machine's disks and CDs: which there are, their images, and their I/O beside the
 * CPU. Private to src/machine.
 */
#ifndef DRAGOMAN_MACHINE_DRIVES_H
#define DRAGOMAN_MACHINE_DRIVES_H

#include "machine/machine.h"

/* Decides whether m->opt->image is a disk, and opens all images. 0, or -errno with err->text. */
int drives_open(struct machine *m, struct machine_error *err) MUST_CHECK;
/* Tells the board what hangs where. */
void drives_wire(const struct machine *m, struct pc_config *cfg);
/* From here on I/O runs on threads. 0 or -errno. */
int drives_start(struct machine *m) MUST_CHECK;
/* vCPU thread: finished requests go to their devices, complaints to stderr. */
void drives_poll(struct machine *m);
/* Waits until they have done what they were asked, or find the host's disk full. */
void drives_settle(struct machine *m);
/* What waits for room on the host is tried again. */
void drives_retry(struct machine *m);
/* As monitor_ops has these. */
bool drives_find(const struct machine *m, unsigned n, struct monitor_drive *out);
int drives_change(struct machine *m, unsigned n, const struct monitor_medium *medium,
                  struct monitor_error *err) MUST_CHECK;
int drives_commit(struct machine *m, unsigned n, struct monitor_error *err) MUST_CHECK;
void drives_close(struct machine *m);

#endif
