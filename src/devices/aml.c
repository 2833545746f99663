#include "devices/aml.h"

#include <assert.h>
#include <string.h>

#include "base/bits.h"

enum { /* opcodes (ACPI 2.0, 17.2) */
       OP_ZERO = 0x00,
       OP_ONE = 0x01,
       OP_NAME = 0x08,
       OP_BYTE = 0x0a,
       OP_WORD = 0x0b,
       OP_DWORD = 0x0c,
       OP_SCOPE = 0x10,
       OP_BUFFER = 0x11,
       OP_PACKAGE = 0x12,
       OP_EXT = 0x5b,
       OP_EXT_DEVICE = 0x82,
};

enum { /* resource descriptor tags (6.4.2, 6.4.3) */
       RES_IO = 0x47,
       RES_IRQ = 0x22,
       RES_END = 0x79,
       RES_FIXED_MEMORY32 = 0x86,
       RES_DWORD_SPACE = 0x87,
       RES_WORD_SPACE = 0x88,
       SPACE_MEMORY = 0,
       SPACE_IO = 1,
       SPACE_BUS = 2,
       SPACE_FIXED = 0x0c, /* minimum and maximum are fixed; producer */
       IO_DECODE16 = 1,
       IO_ENTIRE_RANGE = 3,
       MEMORY_READ_WRITE = 1,
};

/* Package lengths always take their three-byte form, buffer sizes their word form: they can be
 * patched in place when the end is known. */
enum { PKG_LENGTH_BYTES = 3, BUFFER_SIZE_BYTES = 3 };

void aml_init(struct aml *a, uint8_t *buf, size_t max)
{
    memset(a, 0, sizeof(*a));
    a->buf = buf;
    a->max = max;
}

void aml_bytes(struct aml *a, const void *bytes, size_t len)
{
    if (a->failed || len > a->max - a->len) {
        a->failed = true;
        return;
    }
    memcpy(a->buf + a->len, bytes, len);
    a->len += len;
}

static void put8(struct aml *a, unsigned val)
{
    uint8_t byte = (uint8_t)val;

    aml_bytes(a, &byte, 1);
}

static void put16(struct aml *a, unsigned val)
{
    uint8_t bytes[2];

    st16(bytes, (uint16_t)val);
    aml_bytes(a, bytes, sizeof(bytes));
}

static void put32(struct aml *a, uint32_t val)
{
    uint8_t bytes[4];

    st32(bytes, val);
    aml_bytes(a, bytes, sizeof(bytes));
}

static void put_name(struct aml *a, const char *name)
{
    assert(strlen(name) == (name[0] == '\\' ? 5 : 4));
    aml_bytes(a, name, strlen(name));
}

static void begin(struct aml *a, bool template)
{
    static const uint8_t room[PKG_LENGTH_BYTES];

    if (a->depth == AML_MAX_DEPTH) {
        a->failed = true;
        return;
    }
    a->open[a->depth].at = a->len;
    a->open[a->depth].template = template;
    a->depth++;
    aml_bytes(a, room, sizeof(room));
}

void aml_begin_scope(struct aml *a, const char *name)
{
    put8(a, OP_SCOPE);
    begin(a, false);
    put_name(a, name);
}

void aml_begin_device(struct aml *a, const char *name)
{
    put8(a, OP_EXT);
    put8(a, OP_EXT_DEVICE);
    begin(a, false);
    put_name(a, name);
}

void aml_begin_package(struct aml *a, uint8_t elements)
{
    put8(a, OP_PACKAGE);
    begin(a, false);
    put8(a, elements);
}

void aml_begin_resources(struct aml *a)
{
    aml_name(a, "_CRS");
    put8(a, OP_BUFFER);
    begin(a, true);
    put8(a, OP_WORD);
    put16(a, 0);
}

void aml_end(struct aml *a)
{
    size_t at, len;

    if (a->failed)
        return;
    assert(a->depth > 0);
    a->depth--;
    at = a->open[a->depth].at;
    if (a->open[a->depth].template) {
        put8(a, RES_END);
        put8(a, 0); /* checksum 0: not computed (6.4.2.8) */
        if (a->failed)
            return;
        st16(a->buf + at + PKG_LENGTH_BYTES + 1,
             (uint16_t)(a->len - at - PKG_LENGTH_BYTES - BUFFER_SIZE_BYTES));
    }
    len = a->len - at; /* includes the length itself (17.2.4) */
    a->buf[at] = (uint8_t)((PKG_LENGTH_BYTES - 1) << 6 | (len & 0xf));
    a->buf[at + 1] = (uint8_t)(len >> 4);
    a->buf[at + 2] = (uint8_t)(len >> 12);
}

void aml_name(struct aml *a, const char *name)
{
    put8(a, OP_NAME);
    put_name(a, name);
}

void aml_integer(struct aml *a, uint32_t val)
{
    if (val <= 1) {
        put8(a, val ? OP_ONE : OP_ZERO);
    } else if (val <= 0xff) {
        put8(a, OP_BYTE);
        put8(a, val);
    } else if (val <= 0xffff) {
        put8(a, OP_WORD);
        put16(a, val);
    } else {
        put8(a, OP_DWORD);
        put32(a, val);
    }
}

void aml_name_integer(struct aml *a, const char *name, uint32_t val)
{
    aml_name(a, name);
    aml_integer(a, val);
}

static unsigned hex_digit(char c)
{
    return c <= '9' ? (unsigned)(c - '0') : (unsigned)(c - 'A' + 10);
}

/* Three letters of five bits and four hexadecimal digits, most significant byte first. */
void aml_hid(struct aml *a, const char *pnp_id)
{
    uint32_t id = 0;

    assert(strlen(pnp_id) == 7);
    for (unsigned i = 0; i < 3; i++)
        id = id << 5 | ((unsigned)pnp_id[i] & 0x1f);
    for (unsigned i = 3; i < 7; i++)
        id = id << 4 | hex_digit(pnp_id[i]);
    aml_name(a, "_HID");
    put8(a, OP_DWORD);
    put32(a, __builtin_bswap32(id));
}

void aml_io(struct aml *a, uint16_t first, uint8_t len)
{
    put8(a, RES_IO);
    put8(a, IO_DECODE16);
    put16(a, first);
    put16(a, first);
    put8(a, 1);
    put8(a, len);
}

void aml_irq(struct aml *a, unsigned irq)
{
    put8(a, RES_IRQ);
    put16(a, 1u << irq);
}

void aml_memory(struct aml *a, uint32_t first, uint32_t len)
{
    put8(a, RES_FIXED_MEMORY32);
    put16(a, 9);
    put8(a, MEMORY_READ_WRITE);
    put32(a, first);
    put32(a, len);
}

static void word_space(struct aml *a, unsigned type, unsigned flags, uint16_t first, uint16_t last)
{
    put8(a, RES_WORD_SPACE);
    put16(a, 13);
    put8(a, type);
    put8(a, SPACE_FIXED);
    put8(a, flags);
    put16(a, 0); /* granularity */
    put16(a, first);
    put16(a, last);
    put16(a, 0); /* translation */
    put16(a, last - first + 1u);
}

void aml_bus_numbers(struct aml *a, uint8_t first, uint8_t last)
{
    word_space(a, SPACE_BUS, 0, first, last);
}

void aml_io_window(struct aml *a, uint16_t first, uint16_t last)
{
    word_space(a, SPACE_IO, IO_ENTIRE_RANGE, first, last);
}

void aml_memory_window(struct aml *a, uint32_t first, uint32_t last)
{
    put8(a, RES_DWORD_SPACE);
    put16(a, 23);
    put8(a, SPACE_MEMORY);
    put8(a, SPACE_FIXED);
    put8(a, MEMORY_READ_WRITE);
    put32(a, 0);
    put32(a, first);
    put32(a, last);
    put32(a, 0);
    put32(a, last - first + 1);
}
