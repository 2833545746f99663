/* bt_offsets.h - what assembly and generated code know about C structures.
 * Plain numbers for the assembler; bt.c asserts each against offsetof. */
#ifndef DRAGOMAN_TRANSLATOR_BT_OFFSETS_H
#define DRAGOMAN_TRANSLATOR_BT_OFFSETS_H

#define CPU_GPR    0
#define CPU_RIP    128
#define CPU_RFLAGS 144
#define CPU_IFLAG  148
#define CPU_CPL    149
#define CPU_INTR   150
#define CPU_KICK   152
#define CPU_MODE   156
#define CPU_NMIBLK 164
#define CPU_SEG    176 /* 24 bytes each */
#define CPU_GDTR   368
#define CPU_IDTR   384
#define CPU_CR0    400
#define CPU_CR2    408
#define CPU_CR3    416
#define CPU_CR4    424
#define CPU_CR8    432
#define CPU_SEESP  576
#define CPU_SEEIP  584
#define CPU_LSTAR  600
#define CPU_FMASK  616
#define CPU_KGS    624

#define SEG_BASE   8
#define SEG_USABLE 16

#define CPU_MMU 1168

/* struct softtlb_entry: e[rights][bits 12 to 19 of an address] */
#define TLB_SHIFT  7 /* bit 12 to bit 5 */
#define TLB_MASK   0x1fe0
#define TLB_WRITE  8
#define TLB_STORE  16
#define TLB_ADDEND 24

#define DTABLE_LIMIT 8
#define CR0_TS_BIT   8

#define HOT_CTX        0
#define HOT_IRQ        16
#define HOT_VIEWTAB    24
#define HOT_BASE       32
#define HOT_WINDOW     56
#define HOT_SEGWIN     64
#define HOT_SEGBASE    112
#define HOT_SEL        136
#define HOT_OTHER      160
#define HOT_RSP        168
#define HOT_EXIT_KIND  176
#define HOT_EXIT_ARG   184
#define HOT_LANDINGS   192
#define HOT_BRANCH     200
#define HOT_NOT_LANDED 204
#define HOT_FAULT_RIP  208
#define HOT_DF         216
#define HOT_HOME       224
#define HOT_GRSP       352
#define HOT_RSP_NOT    360
#define HOT_SEGLIN     368
#define HOT_SEGHOST    416
#define HOT_STRSRC     464
#define HOT_STRDST     472
#define HOT_CPU        480
#define HOT_ENGINE     488
#define HOT_SITE       496
#define HOT_LEVEL0     504
#define HOT_LEVEL3     584
#define HOT_DESCLIN    664
#define HOT_FRAME      696
#define HOT_DESC       736
#define HOT_CROSSINGS  768
#define HOT_WAYS       776
#define HOT_TSC_OFF    784
#define HOT_TSC_AUX    792
#define HOT_GDT        796
#define HOT_SEGMEM     800 /* 16 bytes each */
#define HOT_POISON     896
#define HOT_SEGODD     904
#define HOT_SEGROOM    912 /* 8 bytes each */
#define HOT_SEGTYPED   960 /* 16 bytes each */
#define HOT_SEGNULL    1056
#define HOT_SEGLOAD    1064 /* per segment register SEGLOADS entries */
#define HOT_DELTA      2816 /* behind struct bt_light; 8 bytes each */

/* struct bt_light, in a place of its own of the hot structure's page */
#define HOT_LIGHT       2048
#define LIGHT_MSR       HOT_LIGHT
#define LIGHT_MSRS      64 /* 8 bytes each, by (index + (index >> LIGHT_MSR_SHIFT)) % LIGHT_MSRS */
#define LIGHT_MSR_SHIFT 2
#define LIGHT_CPUID     (HOT_LIGHT + 512)
#define LIGHT_CPUIDS    8 /* 24 bytes each, by (leaf + subleaf) % LIGHT_CPUIDS */

#define SEGLOADS           4
#define SEGLOAD_BYTES      40
#define SEGLOAD_SEL        0
#define SEGLOAD_PLAIN      4
#define SEGLOAD_DESCRIPTOR 8
#define SEGLOAD_SEG        16

#define INSN_SEG 18 /* op[0].reg */

#define LEVEL_CTX   0
#define LEVEL_BLOCK 8
#define LEVEL_CS    16
#define LEVEL_SS    40
#define LEVEL_SEL   64
#define LEVEL_MODE  72

#define SITE_NEXT   8
#define SITE_RESUME 16
#define SITE_DONE   24
#define SITE_INSN   32

/* hot.ways: what crossings (cross64.c) are ready. */
#define WAY_FAST_CALL 1 /* SYSCALL, SYSRET */
#define WAY_IRET_OUT  2 /* IRET to CPL 3 */
#define WAY_IRET_SAME 4 /* to CPL 0 */
#define WAY_SYSENTER  8 /* SYSENTER, SYSEXIT of 32-bit code */
#define WAY_IRET32    16

#define CTX_TAGS  524288
#define CTX_HOSTS 786432
#define CTX_WORDS 1048576

#define JCACHE_SHIFT 17

#endif
