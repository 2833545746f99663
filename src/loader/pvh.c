/* PVH: the ELF file names a 32-bit entry point in a note, EBX points to hvm_start_info
 * (xen/include/public/arch-x86/hvm/start_info.h; the state of the CPU: Xen, docs/misc/pvh.pandoc).
 */
#include "loader/load_job.h"

#include <errno.h>

#include "base/bits.h"

#define START_MAGIC 0x336EC578u

/* Offsets in hvm_start_info, version 1. */
enum {
    S_MAGIC = 0,
    S_VERSION = 4,
    S_NR_MODULES = 12,
    S_MODLIST = 16,
    S_CMDLINE = 24,
    S_RSDP = 32,
    S_MEMMAP = 40,
    S_MEMMAP_ENTRIES = 48,
    S_SIZE = 56,
    VERSION = 1,
};

/* hvm_modlist_entry and hvm_memmap_table_entry. The types of the memory map are those of E820h. */
enum {
    M_ADDRESS = 0,
    M_BYTES = 8,
    M_SIZE = 32,
    E_ADDRESS = 0,
    E_BYTES = 8,
    E_TYPE = 16,
    E_SIZE = 24,
};

static int place_module(struct load_job *job, const struct elf_info *info, uint8_t *start)
{
    uint8_t entry[M_SIZE] = {0};
    uint64_t size;
    gpa_t at;
    int rc = load_initrd(job, info->end, INITRD_END_DEFAULT, &at, &size);

    if (rc < 0 || size == 0)
        return rc;
    st64(entry + M_ADDRESS, at);
    st64(entry + M_BYTES, size);
    rc = load_table(job, entry, sizeof(entry), "the PVH module list", &at);
    st32(start + S_NR_MODULES, 1);
    st64(start + S_MODLIST, at);
    return rc;
}

static int place_memmap(struct load_job *job, uint8_t *start)
{
    uint8_t table[MEMMAP_MAX * E_SIZE] = {0};
    gpa_t at;
    int rc;

    for (unsigned i = 0; i < job->map.n; i++) {
        uint8_t *e = table + i * E_SIZE;

        st64(e + E_ADDRESS, job->map.entry[i].base);
        st64(e + E_BYTES, job->map.entry[i].len);
        st32(e + E_TYPE, job->map.entry[i].type);
    }
    rc = load_table(job, table, (uint64_t)job->map.n * E_SIZE, "the PVH memory map", &at);
    st64(start + S_MEMMAP, at);
    st32(start + S_MEMMAP_ENTRIES, job->map.n);
    return rc;
}

static int place_start_info(struct load_job *job, const struct elf_info *info, gpa_t *at)
{
    uint8_t start[S_SIZE] = {0};
    const char *args = job->cfg->cmdline ? job->cfg->cmdline : "";
    gpa_t cmdline = 0;
    int rc = load_string(job, args, "the command line", &cmdline);

    if (rc == 0)
        rc = place_module(job, info, start);
    if (rc == 0)
        rc = place_memmap(job, start);
    if (rc < 0)
        return rc;
    st32(start + S_MAGIC, START_MAGIC);
    st32(start + S_VERSION, VERSION);
    st64(start + S_CMDLINE, cmdline);
    st64(start + S_RSDP, job->cfg->acpi_rsdp);
    return load_table(job, start, sizeof(start), "the PVH start information", at);
}

int load_pvh(struct load_job *job, const struct elf_info *info)
{
    gpa_t start;
    int rc;

    if (info->pvh_entry < info->base || info->pvh_entry >= info->end ||
        info->pvh_entry > UINT32_MAX)
        return load_fail(job->err, -ENOEXEC, job->img.path,
                         "the PVH entry point %#llx lies outside of the image; the ELF note is "
                         "damaged",
                         (unsigned long long)info->pvh_entry);
    rc = load_elf_segments(job, &job->img, 0);
    if (rc == 0)
        rc = place_start_info(job, info, &start);
    if (rc == 0)
        rc = load_enter_flat(job, (uint32_t)info->pvh_entry);
    if (rc == 0)
        job->bs->gpr[BOOT_BX] = start;
    return rc;
}
