#include "block/file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "block/node.h"

/* QEMU locks single bytes: 100 + n by who uses permission n, 200 + n by who does not share it (its
 * docs/interop; permission 0 is reading, 1 writing). A writer of ours locks everything, a reader
 * says that it reads and shares no writing. */
enum { QEMU_READS = 100, QEMU_WRITES = 101, QEMU_SHARES_NO_WRITE = 201 };

static int lock_bytes(int fd, short type, off_t start, off_t len)
{
    struct flock l = {.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = len};

    return fcntl(fd, F_OFD_SETLK, &l) < 0 ? -errno : 0;
}

static int written_by_others(int fd)
{
    struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = QEMU_WRITES, .l_len = 1};

    if (fcntl(fd, F_OFD_GETLK, &l) < 0)
        return -errno;
    return l.l_type == F_UNLCK ? 0 : -EAGAIN;
}

static int lock_image(int fd, bool read_only)
{
    int err;

    if (!read_only)
        return lock_bytes(fd, F_WRLCK, 0, 0);
    err = lock_bytes(fd, F_RDLCK, QEMU_READS, 1);
    if (err == 0)
        err = lock_bytes(fd, F_RDLCK, QEMU_SHARES_NO_WRITE, 1);
    return err < 0 ? err : written_by_others(fd);
}

static int measure(struct block_file *f, const char *path, struct block_error *err)
{
    struct stat st;

    if (fstat(f->fd, &st) < 0)
        return block_fail(err, -errno, "%s: %s", path, strerror(errno));
    if (S_ISREG(st.st_mode)) {
        f->bytes = (uint64_t)st.st_size;
        return 0;
    }
    if (!S_ISBLK(st.st_mode))
        return block_fail(err, -EINVAL, "%s: neither a file nor a block device", path);
    if (ioctl(f->fd, BLKGETSIZE64, &f->bytes) < 0)
        return block_fail(err, -errno, "%s: size of the device: %s", path, strerror(errno));
    return 0;
}

int block_file_open(struct block_file *f, const char *path, bool read_only, struct block_error *err)
{
    int e;

    /* A FIFO would block open() for good; on files and disks O_NONBLOCK means nothing. */
    f->fd = open(path, (read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NONBLOCK);
    if (f->fd < 0) {
        e = -errno;
        return block_fail(err, e, "%s: %s%s", path, strerror(-e),
                          !read_only && (e == -EACCES || e == -EROFS || e == -EPERM)
                              ? " (needs to be writable; readonly=on or -snapshot do without)"
                              : "");
    }
    e = measure(f, path, err);
    if (e < 0)
        goto fail;
    e = lock_image(f->fd, read_only);
    if (e == -EAGAIN || e == -EACCES)
        block_fail(err, e, "%s: in use: another program has this image open%s", path,
                   read_only ? " for writing" : "");
    else if (e < 0)
        block_fail(err, e, "%s: locking the image: %s", path, strerror(-e));
    if (e < 0)
        goto fail;
    return 0;
fail:
    close(f->fd);
    f->fd = -1;
    return e;
}

void block_file_close(struct block_file *f)
{
    if (f->fd >= 0)
        close(f->fd);
    f->fd = -1;
}

int block_file_read(struct block_file *f, uint64_t offset, void *buf, size_t len)
{
    uint8_t *at = buf;

    while (len) {
        ssize_t n = pread(f->fd, at, len, (off_t)offset);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            return -EIO;
        at += n;
        offset += (size_t)n;
        len -= (size_t)n;
    }
    return 0;
}

int block_file_write(struct block_file *f, uint64_t offset, const void *buf, size_t len)
{
    const uint8_t *at = buf;

    while (len) {
        ssize_t n = pwrite(f->fd, at, len, (off_t)offset);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            return -EIO;
        at += n;
        offset += (size_t)n;
        len -= (size_t)n;
        if (offset > f->bytes)
            f->bytes = offset;
    }
    return 0;
}

int block_file_extend(struct block_file *f, uint64_t bytes)
{
    if (bytes <= f->bytes)
        return 0;
    if (ftruncate(f->fd, (off_t)bytes) < 0)
        return -errno;
    f->bytes = bytes;
    return 0;
}

int block_file_flush(struct block_file *f)
{
    return fdatasync(f->fd) < 0 ? -errno : 0;
}
