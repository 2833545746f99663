/* A perf map: one line per block, so that `perf report` names guest addresses. */
#include "translator/bt_priv.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

int bt_perf_map_open(struct engine *e)
{
    const char *path = e->cfg.perf_map;
    char where[64];

    if (!path)
        return 0;
    if (strcmp(path, "auto") == 0) { /* where perf report looks */
        snprintf(where, sizeof(where), "/tmp/perf-%d.map", (int)getpid());
        path = where;
    }
    e->perf_map = fopen(path, "we");
    return e->perf_map ? 0 : -errno;
}

void bt_perf_map_add(struct engine *e, const struct bt_block *b)
{
    if (!e->perf_map)
        return;
    fprintf(e->perf_map, "%" PRIxPTR " %x guest_%s_%08" PRIx64 "\n", (uintptr_t)b->code,
            b->code_len, b->mode & MODE_CPL3 ? "user" : "kernel", b->rip);
}

void bt_perf_map_close(struct engine *e)
{
    if (e->perf_map)
        fclose(e->perf_map);
}
