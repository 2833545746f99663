/* The disks as data. Members that QEMU's schema demands (qapi/block-core.json) are all there, since
 * clients with types refuse an answer that lacks one: also of what this machine does not do. */
#include "monitor/qmp_priv.h"

static int64_t disk_bytes(const struct monitor_drive *d)
{
    return (int64_t)(block_sectors(d->blk) * BLOCK_SECTOR);
}

static json_t *image(const struct monitor_drive *d)
{
    return json_pack("{s:s,s:s,s:I}", "filename", block_name(d->blk), "format", mon_drive_format(d),
                     "virtual-size", (json_int_t)disk_bytes(d));
}

/* QMP's BlockDeviceInfo. A drive's medium is the node of its name. */
static json_t *medium(const struct monitor_drive *d)
{
    static const char *const unlimited[] = {"bps",     "bps_rd",  "bps_wr",         "iops",
                                            "iops_rd", "iops_wr", "write_threshold"};
    json_t *v = json_pack("{s:s,s:b,s:s,s:b,s:i,s:s,s:o*,s:s,s:{s:b,s:b,s:b}}", "drv",
                          mon_drive_format(d), "ro", block_read_only(d->blk), "node-name", d->id,
                          "encrypted", 0, "backing_file_depth", block_is_snapshot(d->blk) ? 1 : 0,
                          "file", block_name(d->blk), "image", image(d), "detect_zeroes", "off",
                          "cache", "writeback", 1, "direct", 0, "no-flush", 0);

    for (unsigned i = 0; v && i < ARRAY_SIZE(unlimited); i++)
        json_object_set_new(v, unlimited[i], json_integer(0));
    return v;
}

static json_t *drive(const struct monitor_drive *d)
{
    json_t *v = json_pack("{s:s,s:s,s:b,s:b}", "device", d->id, "type", "unknown", "removable",
                          d->removable, "locked", d->locked);

    if (v && d->removable)
        json_object_set_new(v, "tray_open", json_boolean(d->tray_open));
    if (v && d->blk) {
        json_object_set_new(v, "io-status", json_string(block_stalled(d->blk) ? "nospace" : "ok"));
        json_object_set_new(v, "inserted", medium(d));
    }
    return v;
}

static json_t *stats(const struct monitor_drive *d)
{
    static const char *const names[3] = {
        [BLOCK_READ] = "rd", [BLOCK_WRITE] = "wr", [BLOCK_FLUSH] = "flush"};
    static const char *const never[] = {"unmap_bytes",
                                        "unmap_operations",
                                        "unmap_total_time_ns",
                                        "rd_merged",
                                        "wr_merged",
                                        "unmap_merged",
                                        "invalid_rd_operations",
                                        "invalid_wr_operations",
                                        "invalid_flush_operations",
                                        "invalid_unmap_operations",
                                        "failed_unmap_operations"};
    struct block_stats s;
    json_t *v =
        json_pack("{s:b,s:b,s:[]}", "account_invalid", 0, "account_failed", 1, "timed_stats");

    block_get_stats(d->blk, &s);
    for (unsigned i = 0; v && i < ARRAY_SIZE(names); i++) {
        char name[40];

        snprintf(name, sizeof(name), "%s_bytes", names[i]);
        if (i != BLOCK_FLUSH)
            json_object_set_new(v, name, json_integer((json_int_t)s.bytes[i]));
        snprintf(name, sizeof(name), "%s_operations", names[i]);
        json_object_set_new(v, name, json_integer((json_int_t)s.requests[i]));
        snprintf(name, sizeof(name), "%s_total_time_ns", names[i]);
        json_object_set_new(v, name, json_integer((json_int_t)s.ns[i]));
        snprintf(name, sizeof(name), "failed_%s_operations", names[i]);
        json_object_set_new(v, name, json_integer((json_int_t)s.errors[i]));
    }
    for (unsigned i = 0; v && i < ARRAY_SIZE(never); i++)
        json_object_set_new(v, never[i], json_integer(0));
    if (v)
        json_object_set_new(v, "wr_highest_offset", json_integer((json_int_t)s.highest_write));
    return json_pack("{s:s,s:s,s:o}", "device", d->id, "node-name", d->id, "stats", v);
}

/* Of each drive, or only of those with a medium. */
static int list(struct qmp_call *q, json_t *(*of)(const struct monitor_drive *d), bool all)
{
    const struct monitor_machine *m = q->call.machine;
    struct monitor_drive d;

    q->result = json_array();
    for (unsigned n = 0; n < MONITOR_DRIVES; n++)
        if (m->ops->drive(m->opaque, n, &d) && (all || d.blk))
            json_array_append_new(q->result, of(&d));
    return 0;
}

int qmp_query_block(struct qmp_call *q)
{
    return list(q, drive, true);
}

int qmp_query_blockstats(struct qmp_call *q)
{
    return list(q, stats, false);
}

int qmp_query_block_nodes(struct qmp_call *q)
{
    return list(q, medium, false);
}
