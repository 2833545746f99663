#include "base/field.h"

#include <string.h>

size_t field_bytes(const struct field *list)
{
    size_t total = 0;

    for (; list->name; list++)
        total += list->size;
    return total;
}

void field_save(const struct field *list, const void *obj, uint8_t *buf)
{
    for (; list->name; list++) {
        memcpy(buf, (const uint8_t *)obj + list->offset, list->size);
        buf += list->size;
    }
}

void field_load(const struct field *list, void *obj, const uint8_t *buf)
{
    for (; list->name; list++) {
        memcpy((uint8_t *)obj + list->offset, buf, list->size);
        buf += list->size;
    }
}
