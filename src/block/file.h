/* file.h - an image file or block device of the host: opened, locked, read and written whole. */
#ifndef DRAGOMAN_BLOCK_FILE_H
#define DRAGOMAN_BLOCK_FILE_H

#include "base/types.h"
#include "block/block.h"

struct block_file {
    int fd;
    uint64_t bytes; /* when opened, and since then grown by our writes */
};

int block_file_open(struct block_file *f, const char *path, bool read_only,
                    struct block_error *err) MUST_CHECK;
void block_file_close(struct block_file *f);

/* All of it or -errno. Past the end of the file: -EIO. */
int block_file_read(struct block_file *f, uint64_t offset, void *buf, size_t len) MUST_CHECK;
int block_file_write(struct block_file *f, uint64_t offset, const void *buf, size_t len) MUST_CHECK;
/* Makes the file longer, with zeros. */
int block_file_extend(struct block_file *f, uint64_t bytes) MUST_CHECK;
int block_file_flush(struct block_file *f) MUST_CHECK;

#endif
