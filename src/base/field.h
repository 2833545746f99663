/* field.h - saved state as a list of fields (style.md habit 9).
 *
 * A device lists what the guest can see; derived things are re-armed in the
 * class's restored() hook. The list drives save, restore and the round-trip test.
 */
#ifndef DRAGOMAN_BASE_FIELD_H
#define DRAGOMAN_BASE_FIELD_H

#include "base/types.h"

struct field {
    const char *name; /* NULL ends the list */
    uint32_t offset;
    uint32_t size; /* bytes; arrays are one field */
};

#define FIELD(type, member)                                                                        \
    {                                                                                              \
#member, offsetof(type, member), sizeof(((type *)0)->member)                               \
    }
#define FIELD_END                                                                                  \
    {                                                                                              \
        NULL, 0, 0                                                                                 \
    }

/* Bytes that field_save() writes for `list`. */
size_t field_bytes(const struct field *list);
/* Copies the fields of `obj`, in list order, to or from `buf` (field_bytes() long). */
void field_save(const struct field *list, const void *obj, uint8_t *buf);
void field_load(const struct field *list, void *obj, const uint8_t *buf);

#endif
