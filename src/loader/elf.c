/* ELF32 executables for i386, read through libelf. Each PT_LOAD goes to its p_paddr. */
#include "loader/load_job.h"

#include <errno.h>
#include <gelf.h>
#include <libelf.h>

enum { MAX_SEGMENTS = 64 };

static const struct {
    uint16_t machine;
    const char *name;
} machines[] = {
    {EM_X86_64, "x86-64"},   {EM_ARM, "arm"},     {EM_AARCH64, "arm64"},
    {EM_RISCV, "riscv"},     {EM_PPC, "powerpc"}, {EM_PPC64, "ppc64"},
    {EM_MIPS, "mips"},       {EM_S390, "s390"},   {EM_SPARC, "sparc"},
    {EM_SPARCV9, "sparc64"}, {EM_68K, "m68k"},    {EM_SH, "sh"},
    {EM_PARISC, "hppa"},     {EM_IA_64, "ia64"},  {EM_LOONGARCH, "loongarch"},
};

static const char linux_program[] = "this is a program for Linux, not a kernel; put it into an "
                                    "initrd and boot a Linux kernel";

static int fail(struct load_job *job, const char *why)
{
    return load_fail(job->err, -ENOEXEC, job->img.path, "%s", why);
}

static int check_type(struct load_job *job, unsigned type)
{
    switch (type) {
    case ET_EXEC:
        return 0;
    case ET_REL:
        return fail(job, "this is an object file (ELF relocatable); link it to an executable "
                         "with fixed addresses first");
    case ET_DYN:
        return fail(job, "this is a position-independent program or library; link the kernel "
                         "with fixed addresses (-no-pie)");
    default:
        return fail(job, "this ELF file is no executable (a core dump?)");
    }
}

static int check_header(struct load_job *job, Elf *elf, GElf_Ehdr *eh)
{
    if (elf_kind(elf) != ELF_K_ELF || !gelf_getehdr(elf, eh))
        return fail(job, "the ELF header is truncated or damaged; copy the file again");
    for (unsigned i = 0; i < ARRAY_SIZE(machines); i++)
        if (eh->e_machine == machines[i].machine)
            return load_fail(job->err, -ENOEXEC, job->img.path,
                             "this ELF file is for another CPU: %s; give one for i386 (32-bit)",
                             machines[i].name);
    if (eh->e_machine != EM_386 || eh->e_ident[EI_DATA] != ELFDATA2LSB)
        return load_fail(job->err, -ENOEXEC, job->img.path,
                         "this ELF file is for another CPU (machine %u); give one for i386",
                         eh->e_machine);
    if (eh->e_ident[EI_CLASS] != ELFCLASS32)
        return fail(job, "this is a 64-bit ELF file; give a 32-bit one (ELF32, i386)");
    /* Static programs of glibc are marked so (for IFUNC); no kernel is. */
    if (eh->e_ident[EI_OSABI] == ELFOSABI_GNU)
        return fail(job, linux_program);
    return check_type(job, eh->e_type);
}

static int check_segment(struct load_job *job, const GElf_Phdr *ph)
{
    if (ph->p_type == PT_INTERP)
        return fail(job, linux_program);
    if (ph->p_type != PT_LOAD)
        return 0;
    if (ph->p_filesz > ph->p_memsz)
        return fail(job, "the ELF file is damaged: a segment is larger in the file than in memory");
    if (ph->p_offset > job->img.size || ph->p_filesz > job->img.size - ph->p_offset)
        return load_fail(job->err, -ENOEXEC, job->img.path,
                         "the ELF file is truncated: a segment ends at byte %llu, the file at %zu; "
                         "copy it again",
                         (unsigned long long)(ph->p_offset + ph->p_filesz), job->img.size);
    return 0;
}

/* e_entry may be virtual (a kernel linked to the higher half) although the ELF is entered with
 * paging off; like GRUB, translate it through the segment it lies in. */
static bool find_entry(const GElf_Phdr *ph, uint64_t e_entry, uint32_t *entry, bool *physical)
{
    if (e_entry >= ph->p_paddr && e_entry - ph->p_paddr < ph->p_memsz) {
        *entry = (uint32_t)e_entry;
        *physical = true;
        return true;
    }
    if (!*physical && e_entry >= ph->p_vaddr && e_entry - ph->p_vaddr < ph->p_memsz) {
        *entry = (uint32_t)(e_entry - ph->p_vaddr + ph->p_paddr);
        return true;
    }
    return false;
}

static int load_phdrs(struct load_job *job, Elf *elf, const GElf_Ehdr *eh, uint32_t *entry)
{
    size_t n = 0;
    unsigned loads = 0;
    bool found = false, physical = false;

    if (elf_getphdrnum(elf, &n) < 0)
        return fail(job, "the ELF program headers are truncated or damaged; copy the file again");
    for (size_t i = 0; i < n; i++) {
        GElf_Phdr ph;
        int rc;

        if (!gelf_getphdr(elf, (int)i, &ph))
            return fail(job, "the ELF program headers lie beyond the end of the file; it is "
                             "truncated, copy it again");
        rc = check_segment(job, &ph);
        if (rc < 0)
            return rc;
        if (ph.p_type != PT_LOAD || ph.p_memsz == 0)
            continue;
        if (++loads > MAX_SEGMENTS)
            return fail(job, "the ELF file has more than 64 segments to load");
        rc = load_segment(job, ph.p_paddr, job->img.data + ph.p_offset, ph.p_filesz, ph.p_memsz,
                          "an ELF segment");
        if (rc < 0)
            return rc;
        found |= find_entry(&ph, eh->e_entry, entry, &physical);
    }
    if (loads == 0)
        return fail(job, "the ELF file has nothing to load (no PT_LOAD segment)");
    if (!found)
        return load_fail(job->err, -ENOEXEC, job->img.path,
                         "the ELF entry point %#llx lies outside of all segments",
                         (unsigned long long)eh->e_entry);
    return 0;
}

int load_elf_segments(struct load_job *job, uint32_t *entry)
{
    GElf_Ehdr eh;
    Elf *elf;
    int rc;

    if (elf_version(EV_CURRENT) == EV_NONE)
        return fail(job, "the installed libelf is too old");
    elf = elf_memory((char *)job->img.data, job->img.size);
    if (!elf)
        return fail(job, "the ELF header is truncated or damaged; copy the file again");
    rc = check_header(job, elf, &eh);
    if (rc == 0)
        rc = load_phdrs(job, elf, &eh, entry);
    elf_end(elf);
    return rc;
}

int load_elf(struct load_job *job)
{
    uint32_t entry = 0;
    int rc;

    if (job->cfg->initrd)
        return fail(job, "a plain ELF file has no boot protocol that could take an -initrd (a "
                         "multiboot header would)");
    rc = load_elf_segments(job, &entry);
    if (rc < 0)
        return rc;
    return load_enter_flat(job, entry);
}
