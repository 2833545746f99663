/* hostwalk.h - Dragoman's decoder against the host CPU over the same walk: validity and length. */
#ifndef DRAGOMAN_TESTS_DECODE_HOSTWALK_H
#define DRAGOMAN_TESTS_DECODE_HOSTWALK_H

#include "view.h"

/* Every n-th encoding of the modes (a bit each). Returns an exit status: 0, 1 when something
 * differs that should not, 77 when children can't be traced here. What only one of them has for
 * reasons of CPUID or privilege is counted and listed, and is no failure. */
int hostwalk_run(struct decoders *d, unsigned modes, unsigned every);

#endif
