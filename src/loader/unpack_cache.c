#include "loader/unpack_cache.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bits.h"
#include "loader/unpack.h"

/* A file: this head, the payload, what it unpacks to. */
struct head {
    char magic[8];
    uint64_t size, out_len, out_hash;
};

static const char magic[8] = "DGunpk2";

#define MAX_TOTAL (UINT64_C(512) * MIB)
enum { NAME_DIGITS = 16, NAME_ROOM = 64, CHUNK = 64 * KIB };

static uint64_t mix(uint64_t h, uint64_t v)
{
    h = (h ^ v) * UINT64_C(0x9e3779b97f4a7c15);
    return h ^ h >> 32;
}

/* Against damage, and for names: not against malice. Four at a time, as a product takes a while. */
static uint64_t hash_bytes(const uint8_t *p, size_t n)
{
    uint64_t h[4] = {n, 1, 2, 3};

    for (; n >= 32; n -= 32, p += 32)
        for (unsigned k = 0; k < 4; k++)
            h[k] = mix(h[k], ld64(p + 8 * k));
    for (; n; n--, p++)
        h[0] = mix(h[0], *p);
    return mix(mix(mix(h[0], h[1]), h[2]), h[3]);
}

/* Of what is long: chunk by chunk, so that reading and hashing can take turns. */
static uint64_t hash_chunks(const uint8_t *p, size_t n)
{
    uint64_t h = 0;

    for (size_t at = 0; at < n; at += CHUNK)
        h = mix(h, hash_bytes(p + at, n - at < CHUNK ? n - at : CHUNK));
    return h;
}

/* ---- the directory ---- */

static bool make_dirs(const char *dir)
{
    char path[PATH_MAX];

    if (strlen(dir) >= sizeof(path))
        return false;
    strcpy(path, dir);
    for (char *at = strchr(path + 1, '/'); at; at = strchr(at + 1, '/')) {
        *at = '\0';
        if (mkdir(path, 0700) < 0 && errno != EEXIST)
            return false;
        *at = '/';
    }
    return mkdir(path, 0700) == 0 || errno == EEXIST;
}

static bool is_mine(int fd, mode_t kind, struct stat *st)
{
    return fstat(fd, st) == 0 && (st->st_mode & S_IFMT) == kind && st->st_uid == geteuid() &&
           !(st->st_mode & (S_IWGRP | S_IWOTH));
}

static int open_dir(const char *dir)
{
    int fd = -1;
    struct stat st;

    if (make_dirs(dir))
        fd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd >= 0 && !is_mine(fd, S_IFDIR, &st)) {
        close(fd);
        fd = -1;
    }
    return fd;
}

/* ---- reading ---- */

static bool read_exactly(int fd, void *buf, size_t len)
{
    for (size_t have = 0; have < len;) {
        ssize_t n = read(fd, (uint8_t *)buf + have, len - have);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        have += (size_t)n;
    }
    return true;
}

static bool same_payload(int fd, const uint8_t *data, size_t size)
{
    uint8_t buf[CHUNK];

    for (size_t at = 0; at < size; at += CHUNK) {
        size_t n = size - at < CHUNK ? size - at : CHUNK;

        if (!read_exactly(fd, buf, n) || memcmp(buf, data + at, n) != 0)
            return false;
    }
    return true;
}

static bool right_head(int fd, struct head *h, size_t size, uint64_t limit)
{
    struct stat st;

    return is_mine(fd, S_IFREG, &st) && read_exactly(fd, h, sizeof(*h)) &&
           memcmp(h->magic, magic, sizeof(magic)) == 0 && h->size == size && h->out_len > 0 &&
           h->out_len <= limit && (uint64_t)st.st_size - sizeof(*h) - size == h->out_len;
}

/* Tens of megabytes: a fault for each page would cost more than reading them. */
static uint8_t *large_alloc(size_t len)
{
    const size_t large = 2 * MIB;
    uint8_t *p = len < large ? malloc(len) : aligned_alloc(large, align_up(len, large));

    if (p && len >= large)
        madvise(p, len, MADV_HUGEPAGE);
    return p;
}

static bool read_hashed(int fd, uint8_t *out, const struct head *head)
{
    uint64_t h = 0;

    for (size_t at = 0; at < head->out_len; at += CHUNK) {
        size_t n = head->out_len - at < CHUNK ? head->out_len - at : CHUNK;

        if (!read_exactly(fd, out + at, n))
            return false;
        h = mix(h, hash_bytes(out + at, n));
    }
    return h == head->out_hash;
}

/* NULL: what it unpacks to is not there. */
static uint8_t *find(int dirfd, const char *name, const uint8_t *data, size_t size, uint64_t limit,
                     size_t *out_len)
{
    int fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    uint8_t *out = NULL;
    struct head h;

    if (fd < 0)
        return NULL;
    if (right_head(fd, &h, size, limit) && same_payload(fd, data, size))
        out = large_alloc(h.out_len);
    if (out && !read_hashed(fd, out, &h)) {
        free(out);
        out = NULL;
    }
    if (out) {
        *out_len = h.out_len;
        futimens(fd, NULL); /* used now */
    }
    close(fd);
    return out;
}

/* ---- writing ---- */

/* Bytes of all files, and which was used first. */
static uint64_t look_around(int dirfd, char oldest[NAME_ROOM])
{
    int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
    struct timespec first = {0};
    const struct dirent *entry;
    uint64_t total = 0;
    struct stat st;

    oldest[0] = '\0';
    if (!d && fd >= 0)
        close(fd);
    while (d && (entry = readdir(d)) != NULL) {
        const struct timespec *t = &st.st_mtim;

        if (strlen(entry->d_name) >= NAME_ROOM ||
            fstatat(dirfd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
            continue;
        total += (uint64_t)st.st_size;
        if (oldest[0] && (t->tv_sec > first.tv_sec ||
                          (t->tv_sec == first.tv_sec && t->tv_nsec >= first.tv_nsec)))
            continue;
        first = *t;
        strcpy(oldest, entry->d_name);
    }
    if (d)
        closedir(d);
    return total;
}

static bool make_room(int dirfd, uint64_t bytes)
{
    char oldest[NAME_ROOM];

    if (bytes > MAX_TOTAL)
        return false;
    while (look_around(dirfd, oldest) > MAX_TOTAL - bytes)
        if (unlinkat(dirfd, oldest, 0) < 0)
            return false;
    return true;
}

static bool write_all(int fd, const void *buf, size_t len)
{
    for (size_t done = 0; done < len;) {
        ssize_t n = write(fd, (const uint8_t *)buf + done, len - done);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        done += (size_t)n;
    }
    return true;
}

static void keep(int dirfd, const char *name, const uint8_t *data, size_t size, const uint8_t *out,
                 size_t out_len)
{
    struct head h = {.size = size, .out_len = out_len, .out_hash = hash_chunks(out, out_len)};
    char temp[NAME_ROOM];
    bool done;
    int fd;

    memcpy(h.magic, magic, sizeof(magic));
    if (!make_room(dirfd, sizeof(h) + size + out_len))
        return;
    snprintf(temp, sizeof(temp), "%s.%ld", name, (long)getpid());
    unlinkat(dirfd, temp, 0); /* of a process that had this number and was killed */
    fd = openat(dirfd, temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return;
    done = write_all(fd, &h, sizeof(h)) && write_all(fd, data, size) && write_all(fd, out, out_len);
    if (close(fd) < 0 || !done || renameat(dirfd, temp, dirfd, name) < 0)
        unlinkat(dirfd, temp, 0);
}

int unpack_cached(const char *dir, const uint8_t *data, size_t size, uint64_t limit, uint8_t **out,
                  size_t *out_len)
{
    int dirfd = dir ? open_dir(dir) : -1, rc = 0;
    char name[NAME_DIGITS + 1];

    if (dirfd < 0)
        return unpack_payload(data, size, limit, out, out_len);
    snprintf(name, sizeof(name), "%016" PRIx64, hash_bytes(data, size));
    *out = find(dirfd, name, data, size, limit, out_len);
    if (!*out) {
        rc = unpack_payload(data, size, limit, out, out_len);
        if (rc == 0)
            keep(dirfd, name, data, size, *out, *out_len);
    }
    close(dirfd);
    return rc;
}
