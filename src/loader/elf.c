/* ELF executables for i386 and x86-64, read through libelf. Each PT_LOAD goes to its p_paddr. */
#include "loader/load_job.h"

#include <errno.h>
#include <gelf.h>
#include <libelf.h>
#include <string.h>

#include "base/bits.h"

enum {
    MAX_SEGMENTS = 64,
    XEN_ELFNOTE_PHYS32_ENTRY = 18, /* xen/include/public/elfnote.h */
};

static const struct {
    uint16_t machine;
    const char *name;
} machines[] = {
    {EM_ARM, "arm"},         {EM_AARCH64, "arm64"},
    {EM_RISCV, "riscv"},     {EM_PPC, "powerpc"},
    {EM_PPC64, "ppc64"},     {EM_MIPS, "mips"},
    {EM_S390, "s390"},       {EM_SPARC, "sparc"},
    {EM_SPARCV9, "sparc64"}, {EM_68K, "m68k"},
    {EM_SH, "sh"},           {EM_PARISC, "hppa"},
    {EM_IA_64, "ia64"},      {EM_LOONGARCH, "loongarch"},
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

static int check_machine(struct load_job *job, const GElf_Ehdr *eh)
{
    unsigned class = eh->e_ident[EI_CLASS];

    for (unsigned i = 0; i < ARRAY_SIZE(machines); i++)
        if (eh->e_machine == machines[i].machine)
            return load_fail(job->err, -ENOEXEC, job->img.path,
                             "this ELF file is for another CPU: %s; give one for x86",
                             machines[i].name);
    if ((eh->e_machine != EM_386 && eh->e_machine != EM_X86_64) ||
        eh->e_ident[EI_DATA] != ELFDATA2LSB)
        return load_fail(job->err, -ENOEXEC, job->img.path,
                         "this ELF file is for another CPU (machine %u); give one for x86",
                         eh->e_machine);
    if (class != (eh->e_machine == EM_386 ? ELFCLASS32 : ELFCLASS64))
        return fail(job, "this ELF file is neither ELF32 for i386 nor ELF64 for x86-64 (damaged, "
                         "or the x32 ABI)");
    return 0;
}

static int check_header(struct load_job *job, Elf *elf, GElf_Ehdr *eh)
{
    int rc;

    if (elf_kind(elf) != ELF_K_ELF || !gelf_getehdr(elf, eh))
        return fail(job, "the ELF header is truncated or damaged; copy the file again");
    rc = check_machine(job, eh);
    if (rc < 0)
        return rc;
    /* Static programs of glibc are marked so (for IFUNC); no kernel is. */
    if (eh->e_ident[EI_OSABI] == ELFOSABI_GNU)
        return fail(job, linux_program);
    return check_type(job, eh->e_type);
}

static int check_segment(struct load_job *job, const struct image *img, const GElf_Phdr *ph)
{
    if (ph->p_type == PT_INTERP)
        return fail(job, linux_program);
    if (ph->p_type != PT_LOAD)
        return 0;
    if (ph->p_filesz > ph->p_memsz)
        return fail(job, "the ELF file is damaged: a segment is larger in the file than in memory");
    if (ph->p_offset > img->size || ph->p_filesz > img->size - ph->p_offset)
        return load_fail(job->err, -ENOEXEC, job->img.path,
                         "the ELF file is truncated: a segment ends at byte %llu, the file at %zu; "
                         "copy it again",
                         (unsigned long long)(ph->p_offset + ph->p_filesz), img->size);
    if (ph->p_memsz > UINT64_MAX - ph->p_paddr)
        return fail(job, "the ELF file is damaged: a segment wraps around the address space");
    return 0;
}

/* e_entry may be virtual (a kernel linked to the higher half) although the ELF is entered with
 * paging off; like GRUB, translate it through the segment it lies in. */
static bool find_entry(const GElf_Phdr *ph, uint64_t e_entry, uint64_t *entry, bool *physical)
{
    if (e_entry >= ph->p_paddr && e_entry - ph->p_paddr < ph->p_memsz) {
        *entry = e_entry;
        *physical = true;
        return true;
    }
    if (!*physical && e_entry >= ph->p_vaddr && e_entry - ph->p_vaddr < ph->p_memsz) {
        *entry = e_entry - ph->p_vaddr + ph->p_paddr;
        return true;
    }
    return false;
}

static int open_elf(struct load_job *job, const struct image *img, Elf **elf)
{
    if (elf_version(EV_CURRENT) == EV_NONE)
        return fail(job, "the installed libelf is too old");
    *elf = elf_memory((char *)img->data, img->size);
    return *elf ? 0 : fail(job, "the ELF header is truncated or damaged; copy the file again");
}

static int count_phdrs(struct load_job *job, Elf *elf, size_t *n)
{
    if (elf_getphdrnum(elf, n) < 0)
        return fail(job, "the ELF program headers are truncated or damaged; copy the file again");
    return 0;
}

static int read_phdr(struct load_job *job, const struct image *img, Elf *elf, size_t i,
                     GElf_Phdr *ph)
{
    if (!gelf_getphdr(elf, (int)i, ph))
        return fail(job, "the ELF program headers lie beyond the end of the file; it is "
                         "truncated, copy it again");
    return check_segment(job, img, ph);
}

/* The notes of one PT_NOTE. What is damaged there hides the rest of them and nothing else. */
static void scan_notes(const struct image *img, Elf *elf, const GElf_Phdr *ph,
                       struct elf_info *info)
{
    Elf_Data *data = elf_getdata_rawchunk(elf, (int64_t)ph->p_offset, ph->p_filesz,
                                          ph->p_align == 8 ? ELF_T_NHDR8 : ELF_T_NHDR);
    size_t next = 0, name, desc;
    GElf_Nhdr nh;

    if (!data)
        return;
    while ((next = gelf_getnote(data, next, &nh, &name, &desc)) > 0) {
        const uint8_t *p = img->data + ph->p_offset;

        if (nh.n_type != XEN_ELFNOTE_PHYS32_ENTRY || nh.n_namesz != 4 ||
            memcmp(p + name, "Xen", 4) != 0 || nh.n_descsz < 4)
            continue;
        info->has_pvh = true;
        info->pvh_entry = nh.n_descsz >= 8 ? ld64(p + desc) : ld32(p + desc);
    }
}

static int scan_phdrs(struct load_job *job, const struct image *img, Elf *elf, uint64_t e_entry,
                      struct elf_info *info)
{
    bool found = false, physical = false;
    unsigned loads = 0;
    size_t n = 0;
    int rc = count_phdrs(job, elf, &n);

    for (size_t i = 0; rc == 0 && i < n; i++) {
        GElf_Phdr ph;

        rc = read_phdr(job, img, elf, i, &ph);
        if (rc < 0)
            return rc;
        if (ph.p_type == PT_NOTE)
            scan_notes(img, elf, &ph, info);
        if (ph.p_type != PT_LOAD || ph.p_memsz == 0)
            continue;
        if (++loads > MAX_SEGMENTS)
            return fail(job, "the ELF file has more than 64 segments to load");
        info->base = loads == 1 || ph.p_paddr < info->base ? ph.p_paddr : info->base;
        info->end = ph.p_paddr + ph.p_memsz > info->end ? ph.p_paddr + ph.p_memsz : info->end;
        info->higher_half |= ph.p_vaddr != ph.p_paddr;
        found |= find_entry(&ph, e_entry, &info->entry, &physical);
    }
    if (rc == 0 && loads == 0)
        return fail(job, "the ELF file has nothing to load (no PT_LOAD segment)");
    if (rc == 0 && !found)
        return load_fail(job->err, -ENOEXEC, job->img.path,
                         "the ELF entry point %#llx lies outside of all segments",
                         (unsigned long long)e_entry);
    return rc;
}

int load_elf_scan(struct load_job *job, const struct image *img, struct elf_info *info)
{
    GElf_Ehdr eh;
    Elf *elf;
    int rc = open_elf(job, img, &elf);

    if (rc < 0)
        return rc;
    *info = (struct elf_info){0};
    rc = check_header(job, elf, &eh);
    if (rc == 0) {
        info->is64 = eh.e_ident[EI_CLASS] == ELFCLASS64;
        rc = scan_phdrs(job, img, elf, eh.e_entry, info);
    }
    elf_end(elf);
    return rc;
}

static int load_phdrs(struct load_job *job, const struct image *img, Elf *elf, uint64_t shift)
{
    size_t n = 0;
    int rc = count_phdrs(job, elf, &n);

    for (size_t i = 0; rc == 0 && i < n; i++) {
        GElf_Phdr ph;

        rc = read_phdr(job, img, elf, i, &ph);
        if (rc == 0 && ph.p_type == PT_LOAD)
            rc = load_segment(job, ph.p_paddr + shift, img->data + ph.p_offset, ph.p_filesz,
                              ph.p_memsz, "an ELF segment");
    }
    return rc;
}

int load_elf_segments(struct load_job *job, const struct image *img, uint64_t shift)
{
    Elf *elf;
    int rc = open_elf(job, img, &elf);

    if (rc < 0)
        return rc;
    rc = load_phdrs(job, img, elf, shift);
    elf_end(elf);
    return rc;
}

int load_need_long_mode(struct load_job *job)
{
    if (job->cfg->cpu_has_long_mode)
        return 0;
    return fail(job, "this image is for another CPU: x86-64. The guest's CPU is 32-bit; give an "
                     "image for i386, or the guest another -cpu");
}

static int load_plain(struct load_job *job, const struct elf_info *info)
{
    int rc;

    if (info->is64)
        return fail(job, "this ELF64 file is no Linux kernel and has neither a PVH note nor a "
                         "multiboot header, so nothing says how it wants to be entered; add one "
                         "of them, or link it as ELF32");
    if (job->cfg->initrd)
        return fail(job, "a plain ELF file has no boot protocol that could take an -initrd (a "
                         "multiboot header would)");
    rc = load_elf_segments(job, &job->img, 0);
    return rc < 0 ? rc : load_enter_flat(job, (uint32_t)info->entry);
}

/* A kernel with a PVH entry point has it for loaders like this one; it needs no guesses about what
 * the file is. */
int load_elf(struct load_job *job)
{
    struct elf_info info;
    int rc = load_elf_scan(job, &job->img, &info);

    if (rc == 0 && info.is64)
        rc = load_need_long_mode(job);
    if (rc < 0)
        return rc;
    job->bs->format = info.has_pvh ? LOAD_PVH : LOAD_ELF;
    if (info.has_pvh)
        return load_pvh(job, &info);
    if (!info.higher_half || !image_has_linux_banner(&job->img))
        return load_plain(job, &info);
    job->bs->format = LOAD_VMLINUX;
    return load_vmlinux(job, &info);
}
