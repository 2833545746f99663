/* aml.h - writes ACPI Machine Language and resource descriptors into a buffer.
 *
 * Objects are written in order; what has a length (scopes, devices, packages, resource templates)
 * is opened with aml_begin_*() and closed with aml_end() in LIFO order, which patches the length.
 * Running out of room or of nesting sets `failed` and stops writing: check once, at the end.
 * Names are written as given: segments of exactly four characters, "\\" first when absolute.
 */
#ifndef DRAGOMAN_DEVICES_AML_H
#define DRAGOMAN_DEVICES_AML_H

#include "base/types.h"

enum { AML_MAX_DEPTH = 8 };

struct aml {
    uint8_t *buf;
    size_t len, max;
    bool failed;
    unsigned depth;
    struct {
        size_t at;     /* of the length */
        bool template; /* a resource template: end tag and buffer size too */
    } open[AML_MAX_DEPTH];
};

void aml_init(struct aml *a, uint8_t *buf, size_t max);
void aml_bytes(struct aml *a, const void *bytes, size_t len);

void aml_begin_scope(struct aml *a, const char *name);
void aml_begin_device(struct aml *a, const char *name);
void aml_begin_package(struct aml *a, uint8_t elements);
void aml_begin_resources(struct aml *a); /* Name (_CRS, ResourceTemplate () {...}) */
void aml_end(struct aml *a);

void aml_name(struct aml *a, const char *name); /* Name (name, <next object>) */
void aml_integer(struct aml *a, uint32_t val);
void aml_name_integer(struct aml *a, const char *name, uint32_t val);
void aml_hid(struct aml *a, const char *pnp_id); /* Name (_HID, EisaId (pnp_id)), "PNP0A03" */

/* Resource descriptors (ACPI 2.0, 6.4), inside aml_begin_resources(). */
void aml_io(struct aml *a, uint16_t first, uint8_t len);
void aml_irq(struct aml *a, unsigned irq); /* edge-triggered, active high */
void aml_memory(struct aml *a, uint32_t first, uint32_t len);
void aml_bus_numbers(struct aml *a, uint8_t first, uint8_t last);
void aml_io_window(struct aml *a, uint16_t first, uint16_t last);
void aml_memory_window(struct aml *a, uint32_t first, uint32_t last);

#endif
