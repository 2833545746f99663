/* medium.h - is a file that was named without an option a disk or a CD, for the firmware to boot,
 * or something the loader knows? By content: only the first 36 KiB are read.
 */
#ifndef DRAGOMAN_LOADER_MEDIUM_H
#define DRAGOMAN_LOADER_MEDIUM_H

#include "base/types.h"

enum medium {
    MEDIUM_OTHER, /* a kernel, or anything else, or unreadable */
    MEDIUM_DISK,
    MEDIUM_CDROM,
};

enum medium medium_of(const char *path);

#endif
