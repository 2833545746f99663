/* cp437.h - code page 437, the PC's character set, in Unicode. */
#ifndef DRAGOMAN_DISPLAY_CP437_H
#define DRAGOMAN_DISPLAY_CP437_H

#include "base/types.h"

extern const uint16_t cp437[256];

#endif
