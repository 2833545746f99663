#include "loader/medium.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "loader/image.h"

enum { HEAD_BYTES = 0x9000, BOOT_SIGNATURE = 0x1fe, ISO_IDENTIFIER = 0x8001 };

static bool has(const struct image *img, size_t off, const char *magic, size_t len)
{
    return img->size >= off + len && memcmp(img->data + off, magic, len) == 0;
}

/* A CD may begin with a boot sector (hybrid images), and so does a bzImage. GRUB's core image,
 * behind the boot sector of a disk, has a multiboot header: that is not looked for. */
static enum medium judge(const struct image *head)
{
    if (has(head, ISO_IDENTIFIER, "CD001", 5))
        return MEDIUM_CDROM;
    if (has(head, 0, "QFI\xfb", 4))
        return MEDIUM_DISK;
    if (image_is_elf(head) || image_is_linux(head))
        return MEDIUM_OTHER;
    return has(head, BOOT_SIGNATURE, "\x55\xaa", 2) ? MEDIUM_DISK : MEDIUM_OTHER;
}

enum medium medium_of(const char *path)
{
    uint8_t buf[HEAD_BYTES];
    struct image head = {.path = path, .data = buf};
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    ssize_t n = 1;

    if (fd < 0)
        return MEDIUM_OTHER;
    while (n > 0 && head.size < sizeof(buf)) {
        n = pread(fd, buf + head.size, sizeof(buf) - head.size, (off_t)head.size);
        head.size += n > 0 ? (size_t)n : 0;
    }
    close(fd);
    return judge(&head);
}
