/* checker_segmented.h - what test_checker.c asks about blocks of segmented code, in its language.
 */
#ifndef DRAGOMAN_TESTS_CHECKER_SEGMENTED_H
#define DRAGOMAN_TESTS_CHECKER_SEGMENTED_H

#include "translator/bt_priv.h"

struct block {
    const char *why, *what, *hex;
};

/* Real mode: CS is at F0000h. */
enum { REAL_MODE = MODE_IOPL_OK };

static const struct block good_segmented[] = {
    {NULL, "a 16-bit offset",
     "67448d0433450fb7c0468d0c4502000000c44213f7c94f8b8ccf50030000664389040149b8 @exit e9 "
     "@direct"},
    {NULL, "a 32-bit offset",
     "67448d04884e8d0c45060000004989cac4c293f7c94d8b8f50030000e3074d8b8f580300004c89d14303"
     "040149b8 @exit e9 @direct"},
    {NULL, "a constant offset",
     "4d8b8f2003000066418b8134120000410fb681ffff000049b8 @exit e9 @direct"},
    {NULL, "AH by way of R10",
     "4d8b8f50030000c4637bf0d0084502511086c44488d086c449b8 @exit e9 @direct"},
    {NULL, "16 bits of SP",
     "67448d0433450fb7c0468d0c4502000000c44213f7c94f8b8ccf500300006643890401458d4424fe6645"
     "89c449b8 @exit e9 @direct"},
    {NULL, "a probe", "4d8b8780030000450fb60049b8 @exit e9 @direct"},
    {NULL, "the jump cache, with the segment",
     "4189c049b90000000000000f004f8d04084d8b1f4589e9f24d0f38f1c8c44213f7c94989ca4b8b8ccb000008004a"
     "8d0c01e3084c89d1e9 @indirect 4c89d143ffa4cb00000c00"},
    {NULL, "a bit of a constant number",
     "67448d0433450fb7c0468d0c4502000000c44213f7c94f8b8ccf5003000066430fba2c010949b8 "
     "@exit e9 @direct"},
    {NULL, "a load of DS",
     "440fb7d845899f940000006645899ef8000000468d04dd00000000478d04004d8986000100004d8b4f38"
     "4f8d0c014d898f5003000049b8 @exit e9 @direct"},
    {NULL, "the jump cache, with another segment",
     "4189d8c443fbf0c8204189c04f8d04084d8b1f4589e9f24d0f38f1c8c44213f7c94989ca4b8b8ccb000008004a8d"
     "0c01e3084c89d1e9 @indirect 4c89d143ffa4cb00000c00"},
};

static const struct block bad_segmented[] = {
    {"indexed access", "an index from 32 bits",
     "67448d0433468d0c4502000000c44213f7c94f8b8ccf50030000664389040149b8 @exit e9 @direct"},
    {"indexed access", "an index up to 8",
     "67448d0433450fb7c0468d0c4500000800c44213f7c94f8b8ccf50030000664389040149b8 @exit e9 "
     "@direct"},
    {"indexed access", "a shift of its own",
     "67448d0433450fb7c0468d0c4502000000c44263f7c94f8b8ccf50030000664389040149b8 @exit e9 "
     "@direct"},
    {"indexed access", "between two segments",
     "67448d0433450fb7c0468d0c4502000000c44213f7c94f8b8ccf58030000664389040149b8 @exit e9 "
     "@direct"},
    {"indexed access", "a seventh segment",
     "67448d0433450fb7c0468d0c4502000000c44213f7c94f8b8ccf80030000664389040149b8 @exit e9 "
     "@direct"},
    {"base and offset", "a scale",
     "67448d0433450fb7c0468d0c4502000000c44213f7c94f8b8ccf50030000664389044149b8 @exit e9 "
     "@direct"},
    {"base and offset", "a displacement, too",
     "67448d0433450fb7c0468d0c4502000000c44213f7c94f8b8ccf5003000066438944010149b8 @exit "
     "e9 @direct"},
    {"base and offset", "below the segment", "4d8b8f50030000418a41ff49b8 @exit e9 @direct"},
    {"base and offset", "a constant of 17 bits",
     "4d8b8f50030000418a810000010049b8 @exit e9 @direct"},
    {"more than 32 bits", "two segments",
     "67448d0433450fb7c0468d0c4502000000c44213f7c94f8b8ccf500300004d8b87200300006643890401"
     "49b8 @exit e9 @direct"},
    {"a bit string", "BTS",
     "67448d0433450fb7c0468d0c4502000000c44213f7c94f8b8ccf50030000430fab040149b8 @exit e9 "
     "@direct"},
    {"host value where control leaves", "the base",
     "67448d0433450fb7c0468d0c4502000000c44213f7c94f8b8ccf500300004489c849b8 @exit e9 "
     "@direct"},
    {"upper half", "the whole base",
     "67448d0433450fb7c0468d0c4502000000c44213f7c94f8b8ccf500300004c89c849b8 @exit e9 "
     "@direct"},
    {"a host value goes to", "the base, stored",
     "67448d0433450fb7c0468d0c4502000000c44213f7c94f8b8ccf500300004f890c0149b8 @exit e9 "
     "@direct"},
    {"write to monitor", "the base of SS",
     "440fb7d845899f940000006645899ef8000000468d04dd00000000478d04004d8986000100004d8b4f38"
     "4f8d0c014d898f4003000049b8 @exit e9 @direct"},
    {"write to monitor", "SS",
     "440fb7d845899f900000006645899ef8000000468d04dd00000000478d04004d8986000100004d8b4f38"
     "4f8d0c014d898f5003000049b8 @exit e9 @direct"},
    {"write to monitor", "where a segment goes on",
     "440fb7d845899f940000006645899ef8000000468d04dd00000000478d04004d8986000100004d8b4f38"
     "4f8d0c014d898f5803000049b8 @exit e9 @direct"},
    {"write to monitor", "a window as a segment",
     "440fb7d845899f940000006645899ef8000000468d04dd00000000478d04004d8986000100004d8b4f38"
     "4d898f5003000049b8 @exit e9 @direct"},
    {"write to monitor", "a number as a segment", "4d89875003000049b8 @exit e9 @direct"},
    {"write to monitor", "a selector of the monitor",
     "458b47384589879400000049b8 @exit e9 @direct"},
    {"CPU state", "the selector, 32 bits",
     "440fb7d845899f9400000045899ef8000000468d04dd00000000478d04004d8986000100004d8b4f384f"
     "8d0c014d898f5003000049b8 @exit e9 @direct"},
    {"CPU state", "attributes",
     "440fb7d845899f940000006645899efa000000468d04dd00000000478d04004d8986000100004d8b4f38"
     "4f8d0c014d898f5003000049b8 @exit e9 @direct"},
    {"CPU state", "half a base",
     "440fb7d845899f940000006645899ef8000000468d04dd00000000478d0400458986000100004d8b4f38"
     "4f8d0c014d898f5003000049b8 @exit e9 @direct"},
    {"CPU state", "a base of the monitor", "458b47384d89860001000049b8 @exit e9 @direct"},
    {"CPU state", "the base of LDTR",
     "440fb7d845899f940000006645899ef8000000468d04dd00000000478d04004d8986480100004d8b4f38"
     "4f8d0c014d898f5003000049b8 @exit e9 @direct"},
    {"upper half", "a sum of 64 bits",
     "4d8b8f500300004e8d0ccd18000000c4c293f7c949b8 @exit e9 @direct"},
    {"upper half", "a sum shifted less",
     "67448d04884e8d0c45060000004989cac4c2e3f7c94d8b8f50030000e3074d8b8f580300004c89d149b8"
     " @exit e9 @direct"},
    {"host value where control leaves", "RCX not given back",
     "4189c049b90000000000000f004f8d04084d8b1f4589e9f24d0f38f1c8c44213f7c94989ca4b8b8ccb000008004a"
     "8d0c01e305e9 @indirect 4c89d143ffa4cb00000c00"},
    {"upper half", "a base that is in the way of EIP",
     "4189c049b90010000000000f004f8d04084d8b1f4589e9f24d0f38f1c8c44213f7c94989ca4b8b8ccb000008004a"
     "8d0c01e3084c89d1e9 @indirect 4c89d143ffa4cb00000c00"},
    {"upper half", "a base turned by less",
     "4189d8c443fbf0c8214189c04f8d04084d8b1f4589e9f24d0f38f1c8c44213f7c94989ca4b8b8ccb000008004a8d"
     "0c01e3084c89d1e9 @indirect 4c89d143ffa4cb00000c00"},
    {"before its tag", "no tag compared",
     "4189c049b90000000000000f004f8d04084d8b1f4589e9f24d0f38f1c8c44213f7c94989ca4b8b8ccb000008004a"
     "8d0c014c89d14c89d143ffa4cb00000c00"},
    {"before its tag", "half a tag compared",
     "4189c049b90000000000000f004f8d04084d8b1f4589e9f24d0f38f1c8c44213f7c94989ca4b8b8ccb000008004a"
     "8d0c0167e3084c89d1e9 @indirect 4c89d143ffa4cb00000c00"},
    {"not through the jump cache", "another target than the tag was for",
     "4189c049b90000000000000f004f8d04084d8b1f4589e9f24d0f38f1c8c44213f7c94989ca4b8b8ccb00"
     "0008004a8d0c01e3084c89d1e9 @indirect 4c89d14189d843ffa4cb00000c00"},
    {"not through the jump cache", "another index",
     "4189c049b90000000000000f004f8d04084d8b1f4589e9f24d0f38f1c8c44213f7c94989ca4b8b8ccb00"
     "0008004a8d0c01e3084c89d1e9 @indirect 4c89d1c46213f7c843ffa4cb00000c00"},
    {"before its tag", "another context",
     "4189c049b90000000000000f004f8d04084d8b1f4589e9f24d0f38f1c8c44213f7c94989ca4b8b8ccb00"
     "0008004a8d0c01e3084c89d1e9 @indirect 4c89d14d8b1f43ffa4cb00000c00"},
    {"not through the jump cache", "hosts at another place",
     "4189c049b90000000000000f004f8d04084d8b1f4589e9f24d0f38f1c8c44213f7c94989ca4b8b8ccb00"
     "0008004a8d0c01e3084c89d1e9 @indirect 4c89d143ffa4cb08000d00"},
    {"not through the jump cache", "a context of nobody",
     "4189c049b90000000000000f004f8d04084d8b1f4589e9f24d0f38f1c8c44213f7c94989ca4b8b8ccb00"
     "0008004a8d0c01e3084c89d1e9 @indirect 4c89d14d8b9fb800000043ffa4cb00000c00"},
    {"upper half", "an unhashed index",
     "4189c049b90000000000000f004f8d04084d8b1fc44213f7c84989ca4b8b8ccb000008004a8d0c01e308"
     "4c89d1e9 @indirect 4c89d143ffa4cb00000c00"},
    {"before its tag", "the compare on one path",
     "4189c049b90000000000000f004f8d04084d8b1f4589e9f24d0f38f1c8c44213f7c94989ca74164b8b8c"
     "cb000008004a8d0c01e3084c89d1e9 @indirect 4c89d143ffa4cb00000c00"},
    {"not through the jump cache", "landings in segmented code",
     "4189c04d8b8fc0000000664589c142ff24cd00000000"},
    {"a poll of more", "a probe that writes", "4d8b878003000041c6000149b8 @exit e9 @direct"},
};

static const struct block good_string[] = {
    {NULL, "a repetition",
     "4189f04189f94189ca410fb7f04d8b9f500300004a8d341e410fb7f94d8b9f200300004a8d3c1f410fb7"
     "caf3a489f6f7d6458b9f50030000428d341ef7d6664189f04489c689ff49b8 @exit e9 @direct"},
};

static const struct block bad_string[] = {
    {"upper half", "ESI not kept",
     "4d8b87500300004189f94189ca410fb7f04d8b9f500300004a8d341e410fb7f94d8b9f200300004a8d3c"
     "1f410fb7caf3a489f6f7d6458b9f50030000428d341ef7d6664189f04489c689ff49b8 @exit e9 "
     "@direct"},
    {"a fault would leave", "ECX not kept",
     "4d8b97500300004189f04189f9410fb7f04d8b9f500300004a8d341e410fb7f94d8b9f200300004a8d3c"
     "1ff3a489f6f7d6458b9f50030000428d341ef7d6664189f04489c689ff49b8 @exit e9 @direct"},
    {"a branch while", "a pointer that stays",
     "4189f04189f94189ca410fb7f04d8b9f500300004a8d341e410fb7f94d8b9f200300004a8d3c1f410fb7"
     "caf3a4458b9f50030000664189f089ff49b8 @exit e9 @direct"},
};

#endif
