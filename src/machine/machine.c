/* Building a machine from options and taking it apart again. */
#include "machine/machine.h"

#include "base/bits.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "cpu/control.h"
#include "loader/firmware.h"
#include "machine/chars.h"
#include "machine/drives.h"
#include "machine/exit_status.h"
#include "machine/operator.h"
#include "machine/pause.h"
#include "machine/screen.h"
#include "shadowmmu/smmu.h"
#include "translator/x_host.h"

/* The torture build flushes, drops mappings and checks everywhere; a prime, so as not to beat with
 * loops. */
#ifdef DRAGOMAN_TORTURE
enum { TORTURE = 1 };
#else
enum { TORTURE = 0 };
#endif

static int fail(struct machine_error *err, int code, const char *what)
{
    snprintf(err->text, sizeof(err->text), "%s: %s", what, strerror(-code));
    return code;
}

static int open_log(struct machine *m, struct machine_error *err)
{
    m->log.mask = m->opt->log_items;
    m->log.out = stderr;
    if (!m->opt->log_file)
        return 0;
    m->log.out = fopen(m->opt->log_file, "we");
    if (m->log.out)
        return 0;
    m->log.out = stderr;
    return fail(err, -errno, m->opt->log_file);
}

static bool has_vga(const struct machine *m)
{
    return m->opt->vga == VGA_STD || (m->opt->vga == VGA_DEFAULT && !m->kernel);
}

/* Guest RAM can't shrink under the windows (SIGBUS), so the memfd is sealed. */
static int make_ram(struct machine *m, struct machine_error *err)
{
    uint64_t ram = m->opt->ram_bytes, vram = has_vga(m) ? VGA_VRAM_BYTES : 0, size = ram + vram;

    m->ram_fd = memfd_create("dragoman-ram", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (m->ram_fd < 0 || ftruncate(m->ram_fd, (off_t)size) < 0)
        return fail(err, -errno, "guest RAM (-m)");
    if (fcntl(m->ram_fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) < 0)
        return fail(err, -errno, "sealing guest RAM");
    m->ram = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, m->ram_fd, 0);
    if (m->ram == MAP_FAILED) {
        m->ram = NULL;
        return fail(err, -errno, "guest RAM (-m)");
    }
    madvise(m->ram, size, MADV_DONTDUMP);
    bus_init(&m->mmio, "mmio", &m->log);
    physmem_init(&m->mem, m->ram, m->ram_fd, ram, &m->mmio);
    if (vram)
        physmem_add_area(&m->mem, vram);
    return 0;
}

static uint64_t clock_since_start(void *opaque)
{
    const struct machine *m = opaque;

    if (m->time)
        return m->time->now(m->time->opaque);
    return (machine_paused(m) ? m->pause.at : events_now()) - m->started;
}

void machine_set_deadline(struct machine *m)
{
    uint64_t at = clock_deadline(&m->clock);

    events_set_deadline(&m->events, at == CLOCK_NEVER ? UINT64_MAX : at + m->started);
}

static void deadline_changed(void *opaque, uint64_t deadline)
{
    struct machine *m = opaque;

    (void)deadline;
    if (m->events.running && !machine_paused(m))
        machine_set_deadline(m);
}

static int64_t realtime(void *opaque)
{
    const struct machine *m = opaque;

    return m->time ? m->time->realtime(m->time->opaque) : (int64_t)time(NULL);
}

static uint64_t wallclock(void *opaque)
{
    const struct machine *m = opaque;
    struct timespec ts;

    if (m->time)
        return (uint64_t)m->time->realtime(m->time->opaque) * NS_PER_SEC;
    clock_gettime(CLOCK_REALTIME, &ts);
    return (uint64_t)ts.tv_sec * NS_PER_SEC + (uint64_t)ts.tv_nsec;
}

static void set_intr(void *dst, int pin, bool level)
{
    (void)pin;
    ((struct cpu *)dst)->intr = level;
}

static void set_ignne(void *dst, int pin, bool level)
{
    (void)pin;
    ((struct cpu *)dst)->ignne = level;
}

static void set_nmi(void *dst, int pin, bool level)
{
    (void)pin;
    if (level)
        ((struct cpu *)dst)->nmi_pending = 1;
}

static void tpr_changed(void *opaque, uint8_t tpr)
{
    ((struct machine *)opaque)->cpu->cr8 = tpr >> 4;
}

static uint64_t guest_tsc(void *opaque)
{
    return cpu_tsc(((struct machine *)opaque)->cpu);
}

static void set_power(void *dst, int pin, bool level)
{
    struct machine *m = dst;

    (void)pin;
    if (!level)
        return;
    if (!m->opt->no_shutdown) {
        machine_stop(m, EXIT_POWER_OFF);
        return;
    }
    m->powered_off = true;
    engine_kick(m->engine);
}

static void set_reset(void *dst, int pin, bool level)
{
    struct machine *m = dst;

    (void)pin;
    if (!level)
        return;
    m->reset_asked = true;
    engine_kick(m->engine);
}

static void guest_exit(void *opaque, int code)
{
    machine_stop(opaque, code & 0xff);
}

static uint32_t cpuid_features(const struct cpu *c)
{
    uint32_t out[4];

    cpu_cpuid(c, 1, 0, out);
    return out[3];
}

/* Where CPUID shows a crystal, guests take it for the APIC timer's clock (SDM 3A 11.5.4). */
static struct pc_cpu board_cpu(struct machine *m)
{
    enum { APIC_HZ = 1000000000, CRYSTAL = 2 };
    const struct cpu_model *model = &m->model;

    return (struct pc_cpu){
        .has_apic = model_has(model, FEAT_APIC),
        .has_tsc_deadline = model_has(model, FEAT_TSC_DEADLINE),
        .has_kvmclock = model_has(model, FEAT_KVMCLOCK),
        .kvmclock_stable = model_has(model, FEAT_KVMCLOCK_STABLE),
        .apic_hz = model->leaf15[CRYSTAL] ? model->leaf15[CRYSTAL] : APIC_HZ,
        .tsc_khz = model->tsc_khz,
        .signature = model->signature,
        .features = cpuid_features(m->cpu),
        .vendor = model->vendor,
        .brand = model->brand,
        .tsc = guest_tsc,
        .tpr_changed = tpr_changed,
        .nmi = {set_nmi, m->cpu, 0},
    };
}

/* What the board's ROMs hold, when firmware starts. */
static int read_firmware(struct machine *m, struct machine_error *err)
{
    struct firmware_dirs dirs = {.n = m->opt->ndirs};
    struct load_error le;
    int e = 0;

    memcpy(dirs.dir, m->opt->dir, sizeof(dirs.dir));
    if (!m->kernel)
        e = firmware_read_bios(&m->bios, m->opt->bios ? m->opt->bios : FIRMWARE_BIOS, &dirs, &le);
    if (e == 0 && !m->kernel && has_vga(m))
        e = firmware_read_rom(&m->vga_bios, FIRMWARE_VGA, &dirs, &le);
    if (e < 0)
        snprintf(err->text, sizeof(err->text), "%s", le.text);
    return e;
}

/* Letters of -boot order= as the firmware has them. */
static void boot_order(const char *letters, uint8_t boot[RTC_BOOT_DEVICES])
{
    static const uint8_t codes[] = {
        ['a'] = RTC_BOOT_FLOPPY,
        ['c'] = RTC_BOOT_DISK,
        ['d'] = RTC_BOOT_CDROM,
        ['n'] = RTC_BOOT_NETWORK,
    };

    for (unsigned i = 0; i < RTC_BOOT_DEVICES && letters[i]; i++)
        boot[i] = codes[(uint8_t)letters[i]];
}

static int make_board(struct machine *m, struct machine_error *err)
{
    const struct options *o = m->opt;
    struct pc_config cfg = {
        .ports = &m->ports,
        .mmio = &m->mmio,
        .clock = &m->clock,
        .mem = &m->mem,
        .intr = {set_intr, m->cpu, 0},
        .ignne = {set_ignne, m->cpu, 0},
        .power = {set_power, m, 0},
        .reset = {set_reset, m, 0},
        .cpu = board_cpu(m),
        .realtime = realtime,
        .wallclock = wallclock,
        .opaque = m,
        .bios = {m->bios.data, (uint32_t)m->bios.size},
        .boot_menu = o->boot_menu,
        .has_vga = has_vga(m),
        .vga_rom = {m->vga_bios.data, (uint32_t)m->vga_bios.size},
        .has_hpet = !o->no_hpet,
        .has_debug_exit = o->debug_exit,
        .debug_exit_base = o->debug_exit_iobase,
        .debug_exit_ports = o->debug_exit_iosize,
        .exit_hook = {guest_exit, m},
    };
    bool console = o->serial.kind == CHAR_STDIO || o->serial.kind == CHAR_MON_STDIO || o->curses ||
                   o->monitor_stdio;
    int e;

    terminal_init(&m->console, console ? STDIN_FILENO : -1, STDOUT_FILENO,
                  o->serial.kind == CHAR_MON_STDIO || (console && isatty(STDIN_FILENO)));
    e = chars_open(m, &cfg, err);
    if (e < 0)
        return e;
    bus_init(&m->ports, "ports", &m->log);
    drives_wire(m, &cfg);
    cfg.serial_screen = cfg.com[0] != NULL && !o->curses;
    boot_order(o->boot[0] ? o->boot : "cda", cfg.boot);
    e = pc_init(&m->pc, &cfg);
    return e < 0 ? fail(err, e, "isa-debug-exit: its ports are taken by another device") : 0;
}

static uint32_t io_read(void *opaque, uint16_t port, unsigned size)
{
    struct machine *m = opaque;

    if (!bus_is_light(&m->ports, port, size))
        cpu_fpu_sync(m->cpu);
    return (uint32_t)bus_read(&m->ports, port, size);
}

static void io_write(void *opaque, uint16_t port, unsigned size, uint32_t val)
{
    struct machine *m = opaque;

    if (!bus_is_light(&m->ports, port, size))
        cpu_fpu_sync(m->cpu);
    bus_write(&m->ports, port, size, val);
}

static int intr_ack(void *opaque)
{
    struct machine *m = opaque;
    int vector = pc_intr_ack(&m->pc);

    m->interrupts[vector & 0xff]++;
    return vector;
}

static uint64_t time_stamp(void *opaque)
{
    const struct machine *m = opaque;

    if (m->time)
        return m->time->tsc(m->time->opaque);
    return machine_paused(m) ? m->pause.tsc : __builtin_ia32_rdtsc();
}

static void tsc_moved(void *opaque)
{
    pc_tsc_moved(&((struct machine *)opaque)->pc);
}

static void cr8_written(void *opaque, uint8_t cr8)
{
    pc_cr8_written(&((struct machine *)opaque)->pc, cr8);
}

static uint64_t msr_read(void *opaque, uint32_t index)
{
    return pc_msr_read(&((struct machine *)opaque)->pc, index);
}

static void msr_written(void *opaque, uint32_t index, uint64_t val)
{
    pc_msr_written(&((struct machine *)opaque)->pc, index, val);
}

static void paging_changed(void *opaque, struct cpu *c)
{
    smmu_paging_changed(((struct machine *)opaque)->mmu, c);
}

static void cr3_written(void *opaque, struct cpu *c)
{
    smmu_cr3_written(((struct machine *)opaque)->mmu, c);
}

static bool load_pdptes(void *opaque, struct cpu *c)
{
    return smmu_load_pdptes(((struct machine *)opaque)->mmu, c);
}

static void invlpg(void *opaque, struct cpu *c, gva_t lin)
{
    smmu_invlpg(((struct machine *)opaque)->mmu, c, lin);
}

static void ferr(void *opaque, bool level)
{
    struct line l = fpu_error_ferr(&((struct machine *)opaque)->pc.fpu_error);

    line_set(&l, level);
}

static int make_cpu(struct machine *m, struct machine_error *err)
{
    int e = cpu_model_init(&m->model, m->opt->cpu, err->text, sizeof(err->text));

    if (e < 0)
        return e;
    if (m->time) { /* the host's crystal has nothing to do with it */
        m->model.tsc_khz = m->time->tsc_khz;
        memset(m->model.leaf15, 0, sizeof(m->model.leaf15));
    }
    m->cpu = aligned_alloc(64, align_up(sizeof(*m->cpu), 64));
    if (!m->cpu)
        return fail(err, -ENOMEM, "CPU state");
    memset(m->cpu, 0, sizeof(*m->cpu));
    m->cpu->model = &m->model;
    m->cpu->log = &m->log;
    m->cpu->hooks = (struct cpu_hooks){
        .paging_changed = paging_changed,
        .cr3_written = cr3_written,
        .load_pdptes = load_pdptes,
        .invlpg = invlpg,
        .intr_ack = intr_ack,
        .io_read = io_read,
        .io_write = io_write,
        .tsc = time_stamp,
        .tsc_moved = tsc_moved,
        .cr8_written = cr8_written,
        .msr_read = msr_read,
        .msr_written = msr_written,
        .ferr = ferr,
        .opaque = m,
    };
    return 0;
}

static int make_engine(struct machine *m, struct machine_error *err)
{
    const struct smmu_config mcfg = {
        .max_maps = m->limits.max_mappings > 2048 ? m->limits.max_mappings - 1024 : 1024,
        .torture = TORTURE,
    };
    const struct engine_config ecfg = {
        .kind = m->opt->engine,
        .perf_map = m->opt->perf_map,
        .check_blocks = m->opt->check_blocks || TORTURE,
        .flush_every = TORTURE ? 997 : 0,
        .loops_at_once = TORTURE,
        .host_tsc = m->time == NULL,
        .stepped = m->time != NULL,
        .fatal = machine_fatal,
        .fatal_opaque = m,
    };
    int e = smmu_create(&m->mmu, &m->mem, &mcfg, &m->log);

    if (e < 0)
        return fail(err, e, "shadow MMU");
    smmu_attach(m->mmu, m->cpu);
    m->mem.written = smmu_guest_written;
    m->mem.map_changed = smmu_map_changed;
    m->mem.opaque = m->mmu;
    e = engine_create(&m->engine, m->cpu, m->mmu, &m->mem, &ecfg, &m->log);
    return e < 0 ? fail(err, e, "engine") : 0;
}

int machine_create_stepped(struct machine **out, const struct options *opt,
                           const struct host_limits *limits, const struct machine_time *time,
                           struct machine_error *err)
{
    struct machine *m = calloc(1, sizeof(*m));
    int e;

    if (!m)
        return fail(err, -ENOMEM, "machine");
    m->opt = opt;
    m->time = time;
    m->limits = *limits;
    m->ram_fd = -1;
    m->started = events_now();
    m->clock =
        (struct clock){.now = clock_since_start, .deadline_changed = deadline_changed, .opaque = m};
    e = open_log(m, err);
    if (e == 0)
        e = drives_open(m, err);
    if (e == 0)
        e = read_firmware(m, err);
    if (e == 0)
        e = make_ram(m, err);
    if (e == 0)
        e = make_cpu(m, err);
    if (e == 0)
        e = make_board(m, err);
    if (e == 0)
        e = make_engine(m, err);
    if (e == 0)
        e = machine_boot(m, err);
    if (e < 0) {
        machine_destroy(m);
        return e;
    }
    *out = m;
    return 0;
}

int machine_create(struct machine **out, const struct options *opt,
                   const struct host_limits *limits, struct machine_error *err)
{
    return machine_create_stepped(out, opt, limits, NULL, err);
}

void machine_destroy(struct machine *m)
{
    operator_close(m);
    screen_close(m);
    drives_close(m);
    events_stop(&m->events);
    if (m->engine)
        engine_destroy(m->engine);
    if (m->mmu)
        smmu_destroy(m->mmu);
    pc_fini(&m->pc);
    image_free(&m->bios);
    image_free(&m->vga_bios);
    free(m->cpu);
    if (m->ram)
        munmap(m->ram, m->mem.nframes << PAGE_SHIFT);
    if (m->ram_fd >= 0)
        close(m->ram_fd);
    chars_close(m);
    if (m->log.out && m->log.out != stderr)
        fclose(m->log.out);
    free(m);
}
