/* fw_cfg.h - the firmware configuration device: what the machine tells its firmware (interface:
 * QEMU, docs/specs/fw_cfg).
 *
 * Ports 510h (selector), 511h (data), 514h (DMA address, big-endian, 8 bytes). Items are numbered;
 * those from FW_CFG_FIRST_FILE on are files, named in a directory (item 19h). All are read-only for
 * the guest: a DMA write fails. Contents are copied and live until fw_cfg_fini(); reading beyond an
 * item's end gives zeros.
 */
#ifndef DRAGOMAN_DEVICES_FW_CFG_H
#define DRAGOMAN_DEVICES_FW_CFG_H

#include "bus/bus.h"
#include "bus/device.h"
#include "bus/physmem.h"

enum {
    FW_CFG_PORT = 0x510,
    FW_CFG_DMA_PORT = 0x514,
    FW_CFG_SIGNATURE = 0x00,
    FW_CFG_ID = 0x01,
    FW_CFG_RAM_SIZE = 0x03,
    FW_CFG_NOGRAPHIC = 0x04,
    FW_CFG_CPUS = 0x05,
    FW_CFG_BOOT_MENU = 0x0e,
    FW_CFG_MAX_CPUS = 0x0f,
    FW_CFG_DIRECTORY = 0x19,
    FW_CFG_FIRST_FILE = 0x20,
    FW_CFG_ITEMS = 32,
    FW_CFG_NAME_BYTES = 56,
    FW_CFG_FILE_BYTES = 64, /* of the directory, per file */
};

struct fw_cfg_item {
    uint16_t key;
    uint8_t *bytes;
    uint32_t len;
    char name[FW_CFG_NAME_BYTES]; /* of a file */
};

struct fw_cfg {
    uint16_t selected;
    uint32_t at; /* next byte of the selected item */
    uint32_t dma_high;

    struct fw_cfg_item item[FW_CFG_ITEMS];
    unsigned nitems, nfiles;
    uint8_t directory[4 + FW_CFG_ITEMS * FW_CFG_FILE_BYTES];
    struct physmem *mem;
};

extern const struct dev_class fw_cfg_class;

void fw_cfg_init(struct fw_cfg *f, struct physmem *mem);
void fw_cfg_fini(struct fw_cfg *f);
int fw_cfg_attach(struct fw_cfg *f, struct bus *ports) MUST_CHECK;

/* 0, -ENOMEM or -ENOSPC. An item or file that is there already gets the new contents. */
int fw_cfg_add(struct fw_cfg *f, uint16_t key, const void *bytes, uint32_t len) MUST_CHECK;
/* The value in `size` bytes, little-endian. */
int fw_cfg_add_number(struct fw_cfg *f, uint16_t key, uint64_t val, unsigned size) MUST_CHECK;
int fw_cfg_add_file(struct fw_cfg *f, const char *name, const void *bytes, uint32_t len) MUST_CHECK;

#endif
