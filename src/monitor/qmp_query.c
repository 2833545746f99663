/* query-*: the machine as data. */
#include "monitor/qmp_priv.h"

static int version(struct qmp_call *q)
{
    q->result = qmp_version();
    return 0;
}

static enum monitor_state state(const struct qmp_call *q)
{
    return q->call.machine->ops->state(q->call.machine->opaque);
}

static int status(struct qmp_call *q)
{
    enum monitor_state s = state(q);

    q->result = json_pack("{s:b,s:b,s:s}", "running", mon_state_runs(s), "singlestep", 0, "status",
                          mon_state_name(s));
    return 0;
}

static int name(struct qmp_call *q)
{
    const char *text = q->call.machine->name;

    q->result = json_object();
    if (text)
        json_object_set_new(q->result, "name", json_string(text));
    return 0;
}

static int cpus(struct qmp_call *q)
{
    q->result = json_pack("[{s:i,s:s,s:s,s:i,s:{s:i,s:i,s:i}}]", "cpu-index", 0, "qom-path",
                          "/machine/unattached/device[0]", "target", "x86_64", "thread-id",
                          (int)q->call.machine->thread_id, "props", "core-id", 0, "thread-id", 0,
                          "socket-id", 0);
    return 0;
}

static json_t *pci_region(const struct pci_bar *b, unsigned n)
{
    json_t *v = json_pack("{s:i,s:s,s:I,s:I}", "bar", (int)n, "type",
                          b->space == PCI_IO ? "io" : "memory", "size", (json_int_t)b->size,
                          "address", b->mapped ? (json_int_t)b->base : (json_int_t)-1);

    if (v && b->space != PCI_IO) {
        json_object_set_new(v, "prefetch", json_boolean(b->space == PCI_MEMORY_PREFETCH));
        json_object_set_new(v, "mem_type_64", json_false());
    }
    return v;
}

static json_t *pci_device(unsigned devfn, const struct pci_function *fn)
{
    json_t *regions = json_array();

    for (unsigned n = 0; n < PCI_BARS; n++)
        if (fn->bar[n].space != PCI_NO_BAR)
            json_array_append_new(regions, pci_region(&fn->bar[n], n));
    return json_pack(
        "{s:i,s:i,s:i,s:{s:s,s:i},s:{s:i,s:i},s:i,s:i,s:s,s:o}", "bus", 0, "slot",
        (int)(devfn >> PCI_DEVFN_SHIFT), "function", (int)(devfn & 7), "class_info", "desc",
        fn->model->name, "class", fn->model->class, "id", "device", fn->model->device, "vendor",
        fn->model->vendor, "irq", (int)pci_function_read(fn, PCI_INTERRUPT_LINE, 1), "irq_pin",
        (int)pci_function_read(fn, PCI_INTERRUPT_PIN, 1), "qdev_id", "", "regions", regions);
}

static int pci(struct qmp_call *q)
{
    json_t *devices = json_array();

    for (unsigned devfn = 0; devfn < PCI_DEVFNS; devfn++)
        if (q->call.machine->pci->bus0[devfn])
            json_array_append_new(devices, pci_device(devfn, q->call.machine->pci->bus0[devfn]));
    q->result = json_pack("[{s:i,s:o}]", "bus", 0, "devices", devices);
    return 0;
}

static int memory(struct qmp_call *q)
{
    q->result = json_pack("{s:I}", "base-memory", (json_int_t)q->call.machine->mem->size);
    return 0;
}

/* As QEMU says it of a machine that was given none. */
static int uuid(struct qmp_call *q)
{
    q->result = json_pack("{s:s}", "UUID", "00000000-0000-0000-0000-000000000000");
    return 0;
}

/* Of what this machine can't have, there is none. */
static int none(struct qmp_call *q)
{
    q->result = json_array();
    return 0;
}

static int kvm(struct qmp_call *q)
{
    q->result = json_pack("{s:b,s:b}", "enabled", 0, "present", 0);
    return 0;
}

const struct qmp_row qmp_queries[] = {
    {"query-version", {{0}}, version},
    {"query-status", {{0}}, status},
    {"query-name", {{0}}, name},
    {"query-kvm", {{0}}, kvm},
    {"query-cpus-fast", {{0}}, cpus},
    {"query-block", {{"flat", MON_FLAG, MON_OPTIONAL}}, qmp_query_block},
    {"query-blockstats", {{"query-nodes", MON_FLAG, MON_OPTIONAL}}, qmp_query_blockstats},
    {"query-named-block-nodes", {{"flat", MON_FLAG, MON_OPTIONAL}}, qmp_query_block_nodes},
    {"query-block-jobs", {{0}}, none},
    {"query-jobs", {{0}}, none},
    {"query-iothreads", {{0}}, none},
    {"query-memory-devices", {{0}}, none},
    {"query-memory-size-summary", {{0}}, memory},
    {"query-uuid", {{0}}, uuid},
    {"query-pci", {{0}}, pci},
};

const unsigned qmp_nqueries = ARRAY_SIZE(qmp_queries);
