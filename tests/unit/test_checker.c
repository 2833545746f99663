/* The jail checker against an attacker who writes host code: blocks that must be refused, each for
 * its reason, and what the translator emits, which must pass.
 *
 * A block is hexadecimal bytes with places to fill in: @exit, @insn and @bad are eight bytes (the
 * block's exit, a kept instruction, neither); @direct, @indirect, @word, @callout.. are the rel32
 * of a stub, @mid of the middle of one, @out of an address that is nobody's; @load is an
 * instruction that loads FS.
 */
#include <check.h>

#include "bt_rig.h"
#include "checker_segmented.h"

static const struct block good[] = {
    {NULL, "an exit", "49b8 @exit e9 @direct"},
    {NULL, "loads and stores of the window",
     "65678b848b78563412656701042500100000656741877424fc49b8 @exit e9 @direct"},
    {NULL, "no base, wraps, all of it in the window",
     "65678a0425ffffffff65670fab97010000806567f00fc14cf50049b8 @exit e9 @direct"},
    {NULL, "implicit operands under 65 67", "6567d765670ff7c16567660ff7c149b8 @exit e9 @direct"},
    {NULL, "a gather: every element is cut to 32 bits",
     "6567c4e26d9004886567c4e2d1935ce01049b8 @exit e9 @direct"},
    {NULL, "vector, x87 and BMI instructions",
     "c5f458c26567d900d9fe660f38dccac4e263f5c10f44c30f38cbca49b8 @exit e9 @direct"},
    {NULL, "FS: linear address and window base",
     "67448d4308458b8f80000000478d04084d8b4f60438b0401430fab0c01c4817c100c0149b8 @exit e9 @direct"},
    {NULL, "the base by address",
     "67448d03c44213f7c84d8b5f18470fb60c0b4f8b4ccf204389140149b8 @exit e9 @direct"},
    {NULL, "strings on host pointers",
     "4d8b4f384a8d340e4d8b4f384a8d3c0ff3a589f689ff49b8 @exit e9 @direct"},
    {NULL, "LODS and SCAS", "4d8b4f384a8d340e66ad89f64a8d3c0ff2ae89ff49b8 @exit e9 @direct"},
    {NULL, "an indirect branch", "4189c04d8b8fc0000000664589c142ff24cd00000000"},
    {NULL, "the word of a page",
     "4d8b1f4989ca418b8b048401008d494d67e30e4c89d141b800100000e9 @word 4c89d149b8 @exit e9 "
     "@direct"},
    {NULL, "a callout in the middle",
     "49b8 @insn 41b934120000e8 @callout ffc049b8 @exit e9 @direct"},
    {NULL, "a callout at the end", "49b8 @insn 41b934120000e8 @callout 0f0b"},
    {NULL, "a look at INTR", "4d8b4710450fb60049b8 @exit e9 @direct"},
    {NULL, "flags of the monitor",
     "41c687d800000001fd41c6869400000000450fb697d8000000410f92869400000049b8 @exit e9 @direct"},
    {NULL, "guest words of the hot structure",
     "418b8788000000458b87a0000000656745894424fc458d6424fc49b8 @exit e9 @direct"},
    {NULL, "two ways that agree", "4d8b4f384189c074034189d8438b0c0149b8 @exit e9 @direct"},
    {NULL, "SYSENTER", "49b8 @insn 41b901000000e8 @sysenter 0f0b"},
    {NULL, "IRET: a frame and a descriptor",
     "6567458b04244d8987b8020000458b8f9802000065674d8b014d8987e002000049b8 @insn 41b901000000e8 "
     "@iret 0f0b"},
    {NULL, "the time-stamp counter",
     "0f31c463fbf0c2204d8d4400004d8b8f100300004f8d4408004489c0c443fbf0c0204489c249b8 @exit e9 "
     "@direct"},
    {NULL, "the window by way of R13, from before it to behind it",
     "418b440def438984a5ef0f0000410fb695452301004183847dffffff7f05438b8425effffffe410fa34c05ef"
     "49b8 @exit e9 @direct"},
    {NULL, "a saved register", "4989c19f0f90c04c89c849b8 @exit e9 @direct"},
};

static const struct block bad[] = {
    {"instruction of a forbidden kind", "syscall", "0f0549b8 @exit e9 @direct"},
    {"instruction of a forbidden kind", "sysenter", "0f3449b8 @exit e9 @direct"},
    {"instruction of a forbidden kind", "int 0x80", "cd8049b8 @exit e9 @direct"},
    {"instruction of a forbidden kind", "int3", "cc49b8 @exit e9 @direct"},
    {"instruction of a forbidden kind", "int1", "f149b8 @exit e9 @direct"},
    {"instruction of a forbidden kind", "hlt", "f449b8 @exit e9 @direct"},
    {"instruction of a forbidden kind", "in al,0x60", "e46049b8 @exit e9 @direct"},
    {"instruction of a forbidden kind", "out dx,eax", "ef49b8 @exit e9 @direct"},
    {"instruction of a forbidden kind", "rep insb", "f36c49b8 @exit e9 @direct"},
    {"instruction of a forbidden kind", "outsd", "6f49b8 @exit e9 @direct"},
    {"instruction of a forbidden kind", "wrgsbase rax", "f3480faed849b8 @exit e9 @direct"},
    {"instruction of a forbidden kind", "rdgsbase rax", "f3480faec849b8 @exit e9 @direct"},
    {"instruction of a forbidden kind", "wrfsbase eax", "f30faed049b8 @exit e9 @direct"},
    {"instruction of a forbidden kind", "rdfsbase rax", "f3480faec049b8 @exit e9 @direct"},
    {"instruction of a forbidden kind", "swapgs", "0f01f849b8 @exit e9 @direct"},
    {"instruction of a forbidden kind", "lar eax,ebx", "0f02c349b8 @exit e9 @direct"},
    {"instruction of a forbidden kind", "lsl eax,ebx", "0f03c349b8 @exit e9 @direct"},
    {"instruction of a forbidden kind", "verr ax", "0f00e049b8 @exit e9 @direct"},
    {"instruction of a forbidden kind", "verw ax", "0f00e849b8 @exit e9 @direct"},
    {"instruction of a forbidden kind", "sgdt [rsp]", "0f01042449b8 @exit e9 @direct"},
    {"instruction of a forbidden kind", "sidt [rsp]", "0f010c2449b8 @exit e9 @direct"},
    {"instruction of a forbidden kind", "sldt eax", "0f00c049b8 @exit e9 @direct"},
    {"instruction of a forbidden kind", "smsw eax", "0f01e049b8 @exit e9 @direct"},
    {"instruction of a forbidden kind", "str eax", "0f00c849b8 @exit e9 @direct"},
    {"instruction of a forbidden kind", "lgdt [rax]", "0f011049b8 @exit e9 @direct"},
    {"instruction of a forbidden kind", "lidt [rax]", "0f011849b8 @exit e9 @direct"},
    {"instruction of a forbidden kind", "lldt ax", "0f00d049b8 @exit e9 @direct"},
    {"instruction of a forbidden kind", "ltr ax", "0f00d849b8 @exit e9 @direct"},
    {"instruction of a forbidden kind", "lmsw ax", "0f01f049b8 @exit e9 @direct"},
    {"instruction of a forbidden kind", "clts", "0f0649b8 @exit e9 @direct"},
    {"instruction of a forbidden kind", "cpuid", "0fa249b8 @exit e9 @direct"},
    {"instruction of a forbidden kind", "rdtscp", "0f01f949b8 @exit e9 @direct"},
    {"instruction of a forbidden kind", "rdpmc", "0f3349b8 @exit e9 @direct"},
    {"instruction of a forbidden kind", "rdmsr", "0f3249b8 @exit e9 @direct"},
    {"instruction of a forbidden kind", "wrmsr", "0f3049b8 @exit e9 @direct"},
    {"instruction of a forbidden kind", "rdpid rax", "f30fc7f849b8 @exit e9 @direct"},
    {"instruction of a forbidden kind", ".byte 0x0f,0x01,0xfd", "0f01fd49b8 @exit e9 @direct"},
    {"instruction of a forbidden kind", "rdpkru", "0f01ee49b8 @exit e9 @direct"},
    {"instruction of a forbidden kind", "wrpkru", "0f01ef49b8 @exit e9 @direct"},
    {"instruction of a forbidden kind", "xgetbv", "0f01d049b8 @exit e9 @direct"},
    {"instruction of a forbidden kind", "xsetbv", "0f01d149b8 @exit e9 @direct"},
    {"instruction of a forbidden kind", "xbegin .+8", "c7f80200000049b8 @exit e9 @direct"},
    {"instruction of a forbidden kind", "xend", "0f01d549b8 @exit e9 @direct"},
    {"instruction of a forbidden kind", "xabort 1", "c6f80149b8 @exit e9 @direct"},
    {"instruction of a forbidden kind", "xtest", "0f01d649b8 @exit e9 @direct"},
    {"instruction of a forbidden kind", "umonitor rax", "f30faef049b8 @exit e9 @direct"},
    {"instruction of a forbidden kind", "umwait eax", "f20faef049b8 @exit e9 @direct"},
    {"instruction of a forbidden kind", "tpause eax", "660faef049b8 @exit e9 @direct"},
    {"instruction of a forbidden kind", "monitor", "0f01c849b8 @exit e9 @direct"},
    {"instruction of a forbidden kind", "mwait", "0f01c949b8 @exit e9 @direct"},
    {"instruction of a forbidden kind", "monitorx", "0f01fa49b8 @exit e9 @direct"},
    {"instruction of a forbidden kind", "mwaitx", "0f01fb49b8 @exit e9 @direct"},
    {"instruction of a forbidden kind", "clzero", "0f01fc49b8 @exit e9 @direct"},
    {"instruction of a forbidden kind", "movdir64b rax,[rbx]", "660f38f80349b8 @exit e9 @direct"},
    {"instruction of a forbidden kind", "enqcmd rax,[rbx]", "f20f38f80349b8 @exit e9 @direct"},
    {"instruction of a forbidden kind", "movdiri [rax],ebx", "0f38f91849b8 @exit e9 @direct"},
    {"instruction of a forbidden kind", "xsave gs:[eax]", "65670fae2049b8 @exit e9 @direct"},
    {"instruction of a forbidden kind", "xrstor gs:[eax]", "65670fae2849b8 @exit e9 @direct"},
    {"instruction of a forbidden kind", "xsaveopt gs:[eax]", "65670fae3049b8 @exit e9 @direct"},
    {"instruction of a forbidden kind", "xsavec gs:[eax]", "65670fc72049b8 @exit e9 @direct"},
    {"instruction of a forbidden kind", "fxsave gs:[eax]", "65670fae0049b8 @exit e9 @direct"},
    {"instruction of a forbidden kind", "fxrstor gs:[eax]", "65670fae0849b8 @exit e9 @direct"},
    {"instruction of a forbidden kind", "fnsave gs:[eax]", "6567dd3049b8 @exit e9 @direct"},
    {"instruction of a forbidden kind", "frstor gs:[eax]", "6567dd2049b8 @exit e9 @direct"},
    {"instruction of a forbidden kind", "fnstenv gs:[eax]", "6567d93049b8 @exit e9 @direct"},
    {"instruction of a forbidden kind", "fldenv gs:[eax]", "6567d92049b8 @exit e9 @direct"},
    {"instruction of a forbidden kind", "push rax", "5049b8 @exit e9 @direct"},
    {"instruction of a forbidden kind", "pop rax", "5849b8 @exit e9 @direct"},
    {"instruction of a forbidden kind", "pushfq", "9c49b8 @exit e9 @direct"},
    {"instruction of a forbidden kind", "popfq", "9d49b8 @exit e9 @direct"},
    {"instruction of a forbidden kind", "enter 8,0", "c808000049b8 @exit e9 @direct"},
    {"instruction of a forbidden kind", "leave", "c949b8 @exit e9 @direct"},
    {"instruction of a forbidden kind", "ret", "c349b8 @exit e9 @direct"},
    {"instruction of a forbidden kind", "ret 8", "c2080049b8 @exit e9 @direct"},
    {"instruction of a forbidden kind", "retf", "cb49b8 @exit e9 @direct"},
    {"instruction of a forbidden kind", "iretq", "48cf49b8 @exit e9 @direct"},
    {"instruction of a forbidden kind", "cli", "fa49b8 @exit e9 @direct"},
    {"instruction of a forbidden kind", "sti", "fb49b8 @exit e9 @direct"},
    {"instruction of a forbidden kind", "stac", "0f01cb49b8 @exit e9 @direct"},
    {"instruction of a forbidden kind", "clac", "0f01ca49b8 @exit e9 @direct"},
    {"instruction of a forbidden kind", "loop .+4", "e20249b8 @exit e9 @direct"},
    {"instruction of a forbidden kind", "loope .+4", "e10249b8 @exit e9 @direct"},
    {"instruction of a forbidden kind", "clflush gs:[eax]", "65670fae3849b8 @exit e9 @direct"},
    {"instruction of a forbidden kind", "clflushopt gs:[eax]", "6567660fae3849b8 @exit e9 @direct"},
    {"instruction of a forbidden kind", "cldemote gs:[eax]", "65670f1c0049b8 @exit e9 @direct"},
    {"instruction of a forbidden kind", "vmcall", "0f01c149b8 @exit e9 @direct"},
    {"instruction of a forbidden kind", "vmmcall", "0f01d949b8 @exit e9 @direct"},
    {"instruction of a forbidden kind", "vmrun", "0f01d849b8 @exit e9 @direct"},
    {"instruction of a forbidden kind", "invlpg [rax]", "0f013849b8 @exit e9 @direct"},
    {"instruction of a forbidden kind", "wbinvd", "0f0949b8 @exit e9 @direct"},
    {"instruction of a forbidden kind", "invd", "0f0849b8 @exit e9 @direct"},
    {"instruction of a forbidden kind", "senduipi rax", "f30fc7f049b8 @exit e9 @direct"},
    {"instruction of a forbidden kind", "stui", "f30f01ef49b8 @exit e9 @direct"},
    {"instruction of a forbidden kind", "uiret", "f30f01ec49b8 @exit e9 @direct"},
    {"instruction of a forbidden kind", "wrssd [rax],ebx", "0f38f61849b8 @exit e9 @direct"},
    {"instruction of a forbidden kind", "incsspd eax", "f30faee849b8 @exit e9 @direct"},
    {"instruction of a forbidden kind", "rdsspq rax", "f3480f1ec849b8 @exit e9 @direct"},
    {"instruction of a forbidden kind", "endbr64", "f30f1efa49b8 @exit e9 @direct"},
    {"instruction of a forbidden kind", "hreset 0", "f30f3af0c00049b8 @exit e9 @direct"},
    {"instruction of a forbidden kind", "serialize", "0f01e849b8 @exit e9 @direct"},
    {"instruction of a forbidden kind", "ptwrite eax", "f30faee049b8 @exit e9 @direct"},
    {"instruction of a forbidden kind", "lss eax,[rbx]", "0fb20349b8 @exit e9 @direct"},
    {"instruction of a forbidden kind", "lfs eax,[rbx]", "0fb40349b8 @exit e9 @direct"},
    {"instruction of a forbidden kind", "ud1 eax,ebx", "0fb9c349b8 @exit e9 @direct"},
    {"instruction of a forbidden kind", "vaddps zmm0,zmm1,zmm2",
     "62f1744858c249b8 @exit e9 @direct"},
    {"instruction of a forbidden kind", "kmovw k1,eax", "c5f892c849b8 @exit e9 @direct"},
    {"instruction of a forbidden kind", "xstore-rng", "0fa7c049b8 @exit e9 @direct"},
    {"instruction of a forbidden kind", "bndmk bnd0,[rax]", "f30f1b0049b8 @exit e9 @direct"},
    {"instruction of a forbidden kind", "pconfig", "0f01c549b8 @exit e9 @direct"},
    {"instruction of a forbidden kind", "encls", "0f01cf49b8 @exit e9 @direct"},
    {"instruction of a forbidden kind", "tlbsync", "0f01ff49b8 @exit e9 @direct"},
    {"instruction of a forbidden kind", "llwpcb rax", "8fe9f812c049b8 @exit e9 @direct"},
    {"instruction of a forbidden kind", "pfadd mm0,mm1", "0f0fc19e49b8 @exit e9 @direct"},
    {"instruction of a forbidden kind", "femms", "0f0e49b8 @exit e9 @direct"},
    {"instruction of a forbidden kind", "vfrczpd xmm0,xmm1", "8fe97881c149b8 @exit e9 @direct"},
    {"system register", "MOV to a segment register", "8ed849b8 @exit e9 @direct"},
    {"system register", "MOV from a segment register", "8ce049b8 @exit e9 @direct"},
    {"system register", "MOV to CR3", "0f22d849b8 @exit e9 @direct"},
    {"system register", "MOV to DR7", "0f23f849b8 @exit e9 @direct"},
    {"no allowed form", "a 64-bit address", "8b0349b8 @exit e9 @direct"},
    {"32-bit address outside GS", "67h without GS", "678b0349b8 @exit e9 @direct"},
    {"32-bit address outside GS", "FS with 67h", "64678b0349b8 @exit e9 @direct"},
    {"64-bit address with a segment", "GS without 67h", "658b0349b8 @exit e9 @direct"},
    {"64-bit address with a segment", "FS", "648b04252800000049b8 @exit e9 @direct"},
    {"no allowed form", "RIP-relative", "8b050010000049b8 @exit e9 @direct"},
    {"host's EIP", "EIP-relative in the window", "65678b050800000049b8 @exit e9 @direct"},
    {"no allowed form", "an absolute address", "8b04250010000049b8 @exit e9 @direct"},
    {"no allowed form", "moffs64", "a100100000007f000049b8 @exit e9 @direct"},
    {"host value", "gs:[esp]", "65678b042449b8 @exit e9 @direct"},
    {"monitor memory through a segment", "gs:[r15d]", "6567418b0749b8 @exit e9 @direct"},
    {"host value", "gs:[r9d] with half a window base", "4d8b4f386567418b0149b8 @exit e9 @direct"},
    {"host value goes", "a window base stored", "4d8b4f38656744890849b8 @exit e9 @direct"},
    {"host value goes", "a context pointer added", "4d8b1f65674c011849b8 @exit e9 @direct"},
    {"no allowed form", "XLAT", "d749b8 @exit e9 @direct"},
    {"no allowed form", "MASKMOVQ", "0ff7c149b8 @exit e9 @direct"},
    {"no allowed form", "MASKMOVDQU", "660ff7c149b8 @exit e9 @direct"},
    {"64-bit address with a segment", "XLAT with GS only", "65d749b8 @exit e9 @direct"},
    {"without a window", "STOS on guest EDI", "f3aa49b8 @exit e9 @direct"},
    {"without a window", "MOVS, only RSI made", "4d8b4f384a8d340ea489f649b8 @exit e9 @direct"},
    {"host segment", "MOVS with GS adds the base twice",
     "4d8b4f384a8d340e4a8d3c0f65a489f689ff49b8 @exit e9 @direct"},
    {"truncated address", "MOVS with 67h",
     "4d8b4f384a8d340e4a8d3c0f67a489f689ff49b8 @exit e9 @direct"},
    {"upper half", "a window that is none", "4d8b8f800000004a8d3c0faa89ff49b8 @exit e9 @direct"},
    {"upper half", "the base twice", "4d8b4f384a8d3c0f4a8d3c0faa89ff49b8 @exit e9 @direct"},
    {"upper half", "base and displacement", "4d8b4f384a8d7c0f10aa89ff49b8 @exit e9 @direct"},
    {"upper half", "an index that is scaled", "4d8b4f384a8d3c4faa89ff49b8 @exit e9 @direct"},
    {"upper half", "a pointer moved in 64 bits",
     "4d8b4f384a8d3c0f4801c7aa89ff49b8 @exit e9 @direct"},
    {"upper half", "a pointer changed in its low byte",
     "4d8b4f384a8d3c0f4000c7aa89ff49b8 @exit e9 @direct"},
    {"host pointer", "a string pointer taken out", "4d8b4f384a8d3c0faa49b8 @exit e9 @direct"},
    {"host pointer", "a guest access with RDI a pointer",
     "4d8b4f384a8d3c0f65678b07aa89ff49b8 @exit e9 @direct"},
    {"host pointer", "a branch with RDI a pointer",
     "4d8b4f384a8d3c0f7401aa89ff49b8 @exit e9 @direct"},
    {"forbidden kind", "64-bit strings", "4d8b4f384a8d3c0f48ab89ff49b8 @exit e9 @direct"},
    {"no allowed form", "no base loaded", "67448d03438b040149b8 @exit e9 @direct"},
    {"not base and register", "displacement",
     "67448d034d8b4f38438b8401000000fe49b8 @exit e9 @direct"},
    {"not base and register", "scale", "67448d034d8b4f38438b04c149b8 @exit e9 @direct"},
    {"not base and register", "the base alone", "4d8b4f38418b0149b8 @exit e9 @direct"},
    {"not base and register", "a gather from 64-bit elements",
     "4d8b4f38c4c2ed91040949b8 @exit e9 @direct"},
    {"more than 32 bits", "64-bit index", "4d8b4f384c8d04c3438b040149b8 @exit e9 @direct"},
    {"more than 32 bits", "index with both halves",
     "4d8b4f384d8b87b8000000438b040149b8 @exit e9 @direct"},
    {"more than 32 bits", "BSF of zero leaves the upper half",
     "4d8b4f384d8b87b8000000440fbcc0438b040149b8 @exit e9 @direct"},
    {"more than 32 bits", "CMPXCHG may not write",
     "4d8b4f384d8b87b8000000410fb1d8438b040149b8 @exit e9 @direct"},
    {"more than 32 bits", "XCHG EAX,EAX is a NOP",
     "4d8b4f3849b8bc9a78563412000087c0438b040149b8 @exit e9 @direct"},
    {"further than the gap", "64-bit bit string",
     "67448d034d8b4f384b0fab040149b8 @exit e9 @direct"},
    {"no allowed form", "a base from before a callout",
     "67448d034d8b4f3849b8 @insn 41b901000000e8 @callout 438b040149b8 @exit e9 @direct"},
    {"no allowed form", "a base on one path only",
     "4189d874044d8b4f38438b040149b8 @exit e9 @direct"},
    {"more than 32 bits", "a truncation jumped over",
     "4d8b4f3849b8bc9a78563412000067e3034189d8438b040149b8 @exit e9 @direct"},
    {"more than 32 bits", "two bases", "4d8b4f384d8b4738438b040149b8 @exit e9 @direct"},
    {"no allowed form", "a base changed in 8 bits",
     "67448d034d8b4f3841b101438b040149b8 @exit e9 @direct"},
    {"write to monitor", "a hot word", "4989470849b8 @exit e9 @direct"},
    {"write to monitor", "the window base", "49c747380000000049b8 @exit e9 @direct"},
    {"beyond a structure", "past the hot structure", "458b870010000049b8 @exit e9 @direct"},
    {"beyond a structure", "before it", "458b47f849b8 @exit e9 @direct"},
    {"beyond a structure", "a wide load over its end", "c4c17c1087e70b000049b8 @exit e9 @direct"},
    {"bit string in monitor", "BTS", "410fab87d800000049b8 @exit e9 @direct"},
    {"bit string in monitor", "BT", "490fa387d800000049b8 @exit e9 @direct"},
    {"indexed access", "a guest index", "4d8b4cc72049b8 @exit e9 @direct"},
    {"CPU state", "read RIP", "458b868000000049b8 @exit e9 @direct"},
    {"CPU state", "write a register", "41890649b8 @exit e9 @direct"},
    {"CPU state", "four bytes of IF and CPL", "41c786940000000000000049b8 @exit e9 @direct"},
    {"through a segment", "gs:[r15+..]", "65458b470849b8 @exit e9 @direct"},
    {"write to monitor", "a context", "4d8b1f4989830080000049b8 @exit e9 @direct"},
    {"without a bound", "a guest index into the context", "4d8b1f458b048349b8 @exit e9 @direct"},
    {"beyond a structure", "a bounded index, a large scale",
     "4d8b1fc46213f7c84f8b84cb00001f0049b8 @exit e9 @direct"},
    {"beyond a structure", "past the view table",
     "4d8b5f18c46213f7c8478b040b49b8 @exit e9 @direct"},
    {"without a bound", "a count other than R13",
     "4d8b5f18c46273f7c8470fb6040b49b8 @exit e9 @direct"},
    {"a poll of more", "a poll with an offset", "4d8b4710450fb6400149b8 @exit e9 @direct"},
    {"a poll of more", "a poll that writes", "4d8b471041c6000149b8 @exit e9 @direct"},
    {"register of the monitor", "R13", "41bd0100000049b8 @exit e9 @direct"},
    {"pointer of the monitor", "R14", "4531f649b8 @exit e9 @direct"},
    {"pointer of the monitor", "R15", "4983c70849b8 @exit e9 @direct"},
    {"pointer of the monitor", "RSP", "89c449b8 @exit e9 @direct"},
    {"pointer of the monitor", "RSP by LEA", "488d240449b8 @exit e9 @direct"},
    {"pointer of the monitor", "RSP read", "89e049b8 @exit e9 @direct"},
    {"pointer of the monitor", "XCHG with R15", "499749b8 @exit e9 @direct"},
    {"upper half", "add rax,rbx", "4801d849b8 @exit e9 @direct"},
    {"upper half", "movabs rax,0x100000000", "48b8000000000100000049b8 @exit e9 @direct"},
    {"upper half", "mov rax,-1", "48c7c0ffffffff49b8 @exit e9 @direct"},
    {"upper half", "popcnt rax,rbx", "f3480fb8c349b8 @exit e9 @direct"},
    {"upper half", "movq rax,xmm0", "66480f7ec049b8 @exit e9 @direct"},
    {"upper half", "cdqe", "489849b8 @exit e9 @direct"},
    {"upper half", "cqo", "489949b8 @exit e9 @direct"},
    {"upper half", "lea rax,[rbx+rcx*8]", "488d04cb49b8 @exit e9 @direct"},
    {"upper half", "cvttsd2si rax,xmm1", "f2480f2cc149b8 @exit e9 @direct"},
    {"upper half", "pextrq rax,xmm1,1", "66480f3a16c80149b8 @exit e9 @direct"},
    {"upper half", "shl rdx,4", "48c1e20449b8 @exit e9 @direct"},
    {"upper half", "mul rbx", "48f7e349b8 @exit e9 @direct"},
    {"upper half", "movsxd rbx,ecx", "4863d949b8 @exit e9 @direct"},
    {"upper half", "bswap r12", "490fcc49b8 @exit e9 @direct"},
    {"upper half", "mulx rax,rbx,rcx", "c4e2e3f6c149b8 @exit e9 @direct"},
    {"upper half", "cmpxchg16b gs:[eax]", "6567480fc70849b8 @exit e9 @direct"},
    {"upper half", "crc32 rax,bl", "f2480f38f0c349b8 @exit e9 @direct"},
    {"upper half", "rdrand rax", "480fc7f049b8 @exit e9 @direct"},
    {"upper half", "mov rax,gs:[ebx]", "6567488b0349b8 @exit e9 @direct"},
    {"upper half", "xadd rax,rcx", "480fc1c849b8 @exit e9 @direct"},
    {"upper half", "lea r12,[r12-4]", "4d8d6424fc49b8 @exit e9 @direct"},
    {"host value where control leaves", "half a pointer", "4d8b4f384489c849b8 @exit e9 @direct"},
    {"host value where control leaves", "half a pointer, computed",
     "4d8b1f418d530149b8 @exit e9 @direct"},
    {"host value where control leaves", "a word of the monitor", "418b4f3849b8 @exit e9 @direct"},
    {"host value where control leaves", "a word of the monitor, added",
     "41034f3849b8 @exit e9 @direct"},
    {"host value where control leaves", "what a callout left in R10",
     "49b8 @insn 41b901000000e8 @callout 4489d049b8 @exit e9 @direct"},
    {"host value where control leaves", "RCX not given back",
     "4d8b1f4989ca418b8b048001008d494d67e30b41b800100000e9 @word 4c89d149b8 @exit e9 @direct"},
    {"beyond the gaps", "R13 and eight times a register", "418b44cd0049b8 @exit e9 @direct"},
    {"beyond the gaps", "R13 and too far down", "418b840deefffffe49b8 @exit e9 @direct"},
    {"from a host value", "R13 and a window base", "4d8b4f38438b440d0049b8 @exit e9 @direct"},
    {"upper half", "mov rax,r13", "4c89e849b8 @exit e9 @direct"},
    {"no allowed form", "R13 in another register", "4d89e9418b040949b8 @exit e9 @direct"},
    {"host value goes to the guest", "R13 stored", "4d896c0def49b8 @exit e9 @direct"},
    {"reaches further", "bt [r13+rax-17],rcx", "490fa34c05ef49b8 @exit e9 @direct"},
    {"upper half", "mov rax,[r13+rcx-17]", "498b440def49b8 @exit e9 @direct"},
    {"with a segment", "gs:[r13+rcx]", "65418b440d0049b8 @exit e9 @direct"},
    {"from a host value", "[r13+r14]", "438b44350049b8 @exit e9 @direct"},
    {"register of the monitor", "mov r13d,eax", "4189c549b8 @exit e9 @direct"},
    {"not through the landings", "jmp [r13+rcx]", "41ff640d0049b8 @exit e9 @direct"},
    {"beyond the gaps", "a gather by way of R13", "c4c26990440d0049b8 @exit e9 @direct"},
    {"from a host value", "R13 and a word of the monitor", "458b07438b44050049b8 @exit e9 @direct"},
    {"RSI or RDI is a host pointer", "R13 between the pointers of a string",
     "4d8b4f384a8d340e418b440def49b8 @exit e9 @direct"},
    {"from a host value", "R13 and 64 bits of the guest's",
     "4d8b440d00438b44050049b8 @exit e9 @direct"},
    {"branch through a register", "JMP", "ffe0"},
    {"branch through a register", "CALL", "41ffd049b8 @exit e9 @direct"},
    {"not through the landings", "JMP of guest memory", "6567ff20"},
    {"not through the landings", "CALL through the context",
     "4d8b1f41ff930080000049b8 @exit e9 @direct"},
    {"not through the landings", "a landing of no index", "4189c04d8b8fc000000042ff24cd00000000"},
    {"not through the landings", "the landing of another target",
     "4189c04d8b8fc0000000664589c14189d842ff24cd00000000"},
    {"not through the landings", "16 bits of another register",
     "4189c04d8b8fc0000000664189d942ff24cd00000000"},
    {"not through the landings", "landings of nobody",
     "4189c04d8b8fb8000000664589c142ff24cd00000000"},
    {"not through the landings", "half a landing's place",
     "4189c0458b8fc0000000664589c142ff24cd00000000"},
    {"not through the landings", "another scale", "4189c04d8b8fc0000000664589c142ff248d00000000"},
    {"not through the landings", "the next landing",
     "4189c04d8b8fc0000000664589c142ff24cd08000000"},
    {"not through the landings", "a truncated address",
     "4189c04d8b8fc0000000664589c16742ff24cd00000000"},
    {"not through the landings", "CALL of a landing",
     "4189c04d8b8fc0000000664589c142ff14cd0000000049b8 @exit e9 @direct"},
    {"not through the landings", "a landing on one way",
     "4189c04d8b8fc00000007404664589c142ff24cd00000000"},
    {"not through the landings", "a pointer as target",
     "4d8b074d8b8fc0000000664589c142ff24cd00000000"},
    {"not through the landings", "the jump cache",
     "4189c04d8b1f4589e9f24d0f38f1c8c44213f7c94989ca438b8ccb00000800428d0c0167e3084c89d1e9 "
     "@indirect 4c89d143ffa4cb00000c00"},
    {"host value where control leaves", "a landing while ECX is the monitor's",
     "4189c0418b4f384d8b8fc0000000664589c142ff24cd00000000"},
    {"did not land", "a stray of a block's own", "4189c0e9 @stray"},
    {"out of the block", "JMP elsewhere", "e9 @out"},
    {"out of the block", "a loop", "ffc075fc49b8 @exit e9 @direct"},
    {"into an instruction", "JMP into an instruction", "7401b80f05909049b8 @exit e9 @direct"},
    {"into an instruction", "JMP into the last instruction", "740c49b8 @exit e9 @direct"},
    {"branch into a stub", "the middle of a stub", "49b8 @exit e9 @mid"},
    {"upper half", "the time-stamp counter in RAX", "0f31c4e3fbf0c22049b8 @exit e9 @direct"},
    {"host value where control leaves", "the upper half of a window's address",
     "4d8b4738c443fbf0c0204489c049b8 @exit e9 @direct"},
    {"host value where control leaves", "half of a sum with a window's address",
     "4d8b47384d8d4400004489c049b8 @exit e9 @direct"},
    {"callouts are CALLed", "JMP to SYSENTER", "49b8 @insn 41b901000000e9 @sysenter"},
    {"runs off", "a SYSENTER that returns", "49b8 @insn 41b901000000e8 @sysenter"},
    {"without its instruction", "SYSENTER of no instruction",
     "49b8 @bad 41b901000000e8 @sysenter 0f0b"},
    {"not a load of a segment register", "a segment register loaded by another instruction",
     "440fb7d0c4437bf0da03450fb7db458b8f1c03000065674f8b1cd949b8 @insn 41b901000000e8 @loadseg "
     "49b8 @exit e9 @direct"},
    {"a selector that is the monitor's", "half a pointer for a selector",
     "4d8b57384589d249b8 @load 41b901000000e8 @loadseg 49b8 @exit e9 @direct"},
    {"host value where control leaves", "what a load of a segment register left in R11",
     "440fb7d0c4437bf0da03450fb7db458b8f1c03000065674f8b1cd949b8 @load 41b901000000e8 @popseg "
     "4489d849b8 @exit e9 @direct"},
    {"write to monitor memory", "a pointer for IRET",
     "4d8b47384d8987b802000049b8 @exit e9 @direct"},
    {"write to monitor memory", "behind what IRET finds",
     "6567458b04244d89870003000049b8 @exit e9 @direct"},
    {"write to monitor memory", "in front of it",
     "6567458b04244d8987b402000049b8 @exit e9 @direct"},
    {"write to monitor memory", "a sum", "6567458b04244d0187b802000049b8 @exit e9 @direct"},
    {"CPU state", "the limit of TR", "418b865c01000049b8 @exit e9 @direct"},
    {"callout without", "CPUID of nobody", "49b8 @bad 41b901000000e8 @cpuid 49b8 @exit e9 @direct"},
    {"CPU state", "CR8", "418b8eb001000049b8 @exit e9 @direct"},
    {"CPU state", "a write to CR0", "41898e9001000049b8 @exit e9 @direct"},
    {"a stub of 64-bit code", "SYSCALL", "49b8 @insn 41b901000000e9 @syscall"},
    {"callouts are CALLed", "JMP to the callout", "49b8 @insn 41b901000000e9 @callout"},
    {"callouts are CALLed", "CALL of an exit", "49b8 @exit e8 @direct 49b8 @exit e9 @direct"},
    {"callouts are CALLed", "CALL inside", "e80000000049b8 @exit e9 @direct"},
    {"66h", "JMP with 66h", "49b8 @exit 66e9 @direct"},
    {"66h", "Jcc with 66h", "660f840000000049b8 @exit e9 @direct"},
    {"far branch", "far JMP", "ff2b"},
    {"undecodable", "far JMP of 32-bit mode", "ea000000000800"},
    {"direct exit", "an exit of nobody", "49b8 @bad e9 @direct"},
    {"direct exit", "R8 from the guest", "4189c0e9 @direct"},
    {"direct exit", "R8 not set", "e9 @direct"},
    {"direct exit", "R8 on one path", "740a49b8 @exit e9 @direct"},
    {"without its instruction", "an instruction of nobody",
     "49b8 @bad 41b901000000e8 @callout 49b8 @exit e9 @direct"},
    {"without its instruction", "R8 from the guest",
     "4189c041b901000000e8 @callout 49b8 @exit e9 @direct"},
    {"without its instruction", "no EIP", "49b8 @insn e8 @callout 49b8 @exit e9 @direct"},
    {"without a guest address", "a pointer as EIP", "4d8b07e9 @indirect"},
    {"runs off", "no end", "ffc0"},
    {"runs off", "a conditional end", "49b8 @exit 0f84 @direct"},
    {"runs off", "a callout that returns", "49b8 @insn 41b901000000e8 @callout"},
    {"nothing leads to", "dead code", "49b8 @exit e9 @direct ffc049b8 @exit e9 @direct"},
    {"undecodable", "half an instruction", "0f"},
    {"undecodable", "PUSHA of 32-bit mode", "6049b8 @exit e9 @direct"},
};

static const struct block bad_for_user[] = {
    {"a stub of kernels", "IRET", "49b8 @insn 41b901000000e8 @iret 0f0b"},
    {"write to monitor memory", "a frame for IRET",
     "6567458b04244d8987b802000049b8 @exit e9 @direct"},
    {"a stub of kernels", "SYSEXIT", "49b8 @insn 41b901000000e8 @sysexit 0f0b"},
    {"a stub of kernels", "CLTS", "49b8 @insn 41b901000000e8 @clts 49b8 @exit e9 @direct"},
    {"a stub of kernels", "MOV CR0", "49b8 @insn 41b901000000e8 @movcr0 49b8 @exit e9 @direct"},
    {"a stub of kernels", "LGDT", "49b8 @insn 41b901000000e8 @lgdt 49b8 @exit e9 @direct"},
    {"a stub of kernels", "LIDT", "49b8 @insn 41b901000000e8 @lidt 49b8 @exit e9 @direct"},
    {"a stub of kernels", "RDMSR", "49b8 @insn 41b901000000e8 @rdmsr 49b8 @exit e9 @direct"},
    {"a stub of kernels", "STORE", "49b8 @insn 41b901000000e8 @store 49b8 @exit e9 @direct"},
    {"a stub of kernels", "WRMSR", "49b8 @insn 41b901000000e8 @wrmsr 49b8 @exit e9 @direct"},
    {"CPU state", "the selector of TR", "410fb7865801000049b8 @exit e9 @direct"},
    {"a stub of kernels", "a load of a segment register",
     "440fb7d0c4437bf0da03450fb7db458b8f1c03000065674f8b1cd949b8 @load 41b901000000e8 @loadseg "
     "49b8 @exit e9 @direct"},
    {"a stub of kernels", "a POP of one",
     "440fb7d0c4437bf0da03450fb7db458b8f1c03000065674f8b1cd949b8 @load 41b901000000e8 @popseg 49b8 "
     "@exit e9 @direct"},
    {"CPU state", "CR3", "418b8ea001000049b8 @exit e9 @direct"},
    {"IF without", "CLI of user code", "41c686940000000049b8 @exit e9 @direct"},
    {"no allowed form", "the kernel window", "67448d034d8b4f20438b040149b8 @exit e9 @direct"},
    {"upper half", "the private window, for a string",
     "4d8b4f304a8d3c0faa89ff49b8 @exit e9 @direct"},
    {"no allowed form", "the view table",
     "67448d03c44213f7c84d8b5f18470fb60c0b4f8b4ccf20438b040149b8 @exit e9 @direct"},
};

static struct bt_rig rig;

struct made {
    struct bt_block b;
    struct bt_map map;
    uint8_t *rw;
    struct insn *insn, *load;
};

/* The block is at 1234h. */
#define BEGIN                                                                                      \
    "4d8b1f4989ca418b8b048401008d494d67e3204c89d141b800100000e9 @word "                            \
    "@landing 4989ca418d88ccedffff67e305e9 @stray 4c89d1 @entry "

/* Without BEGIN. */
static const struct block landings[] = {
    {NULL, "its address",
     "4d8b1f4989ca418b8b048401008d494d67e3204c89d141b800100000e9 @word "
     "@landing 4989ca418d88ccedffff67e305e9 @stray 4c89d1 @entry 49b8 @exit e9 @direct"},
    {"not looked for", "another address",
     "4d8b1f4989ca418b8b048401008d494d67e3204c89d141b800100000e9 @word "
     "@landing 4989ca418d88cdedffff67e305e9 @stray 4c89d1 @entry 49b8 @exit e9 @direct"},
    {"not looked for", "another register",
     "4d8b1f4989ca418b8b048401008d494d67e3204c89d141b800100000e9 @word "
     "@landing 4989ca8d8bccedffff9067e305e9 @stray 4c89d1 @entry 49b8 @exit e9 @direct"},
    {"not looked for", "a target of its own",
     "4d8b1f4989ca418b8b048401008d494d67e3264c89d141b800100000e9 @word "
     "@landing 4989ca41b834120000418d88ccedffff67e305e9 @stray 4c89d1 @entry 49b8 @exit e9 "
     "@direct"},
    {"upper half", "64 bits",
     "4d8b1f4989ca418b8b048401008d494d67e3204c89d141b800100000e9 @word "
     "@landing 4989ca498d88ccedffff67e305e9 @stray 4c89d1 @entry 49b8 @exit e9 @direct"},
    {"not looked for", "another condition",
     "4d8b1f4989ca418b8b048401008d494d67e3204c89d141b800100000e9 @word "
     "@landing 4989ca418d88ccedffff907405e9 @stray 4c89d1 @entry 49b8 @exit e9 @direct"},
    {"runs into the block", "no end",
     "4d8b1f4989ca418b8b048401008d494d67e3204c89d141b800100000e9 @word "
     "@landing 4989ca418d88ccedffff67e30590909090904c89d1 @entry 49b8 @exit e9 @direct"},
    {"did not land here", "another target",
     "4d8b1f4989ca418b8b048401008d494d67e3234c89d141b800100000e9 @word "
     "@landing 4989ca418d88ccedffff67e3084189d8e9 @stray 4c89d1 @entry 49b8 @exit e9 @direct"},
    {"did not land here", "RCX is lost",
     "4d8b1f4989ca418b8b048401008d494d67e31d4c89d141b800100000e9 @word "
     "@landing 418d88ccedffff67e305e9 @stray 4c89d1 @entry 49b8 @exit e9 @direct"},
    {"the block runs into", "a word that was not left for",
     "4d8b1f4989ca418b8b048401008d494d67e312"
     "@landing 4989ca418d88ccedffff67e305e9 @stray 4c89d1 @entry 49b8 @exit e9 @direct"},
    {"without a landing", "none",
     "4d8b1f4989ca418b8b048401008d494d67e30e4c89d141b800100000e9 @word 4c89d1 @entry 49b8 @exit e9 "
     "@direct"},
};

static bool word(const char *p, const char *w)
{
    return strncmp(p, w, strlen(w)) == 0;
}

static uint64_t place8(const struct made *m, const char *p)
{
    if (word(p, "@exit"))
        return (uint64_t)(uintptr_t)&m->b.exits[0];
    if (word(p, "@load"))
        return (uint64_t)(uintptr_t)m->load;
    return word(p, "@insn") ? (uint64_t)(uintptr_t)m->insn : (uint64_t)(uintptr_t)&rig;
}

static const uint8_t *place4(const char *p)
{
    static const char *const stub[NSTUBS] = {
        [STUB_DIRECT] = "@direct",    [STUB_INDIRECT] = "@indirect", [STUB_WORD] = "@word",
        [STUB_STRAY] = "@stray",      [STUB_CALLOUT] = "@callout",   [STUB_SYSENTER] = "@sysenter",
        [STUB_SYSEXIT] = "@sysexit",  [STUB_IRET] = "@iret",         [STUB_LOAD_SEG] = "@loadseg ",
        [STUB_POP_SEG] = "@popseg",   [STUB_CLTS] = "@clts",         [STUB_MOV_CR0] = "@movcr0",
        [STUB_LGDT] = "@lgdt",        [STUB_LIDT] = "@lidt",         [STUB_RDMSR] = "@rdmsr",
        [STUB_WRMSR] = "@wrmsr",      [STUB_CPUID] = "@cpuid",       [STUB_STORE] = "@store",
        [STUB64_SYSCALL] = "@syscall"};

    for (unsigned s = 0; s < ARRAY_SIZE(stub); s++)
        if (stub[s] && word(p, stub[s]))
            return rig.e->code.rx + s * STUB_BYTES;
    return rig.e->code.rx + (word(p, "@mid") ? STUB_BYTES / 2 : (1 << 20));
}

static void assemble(struct made *m, const char *p)
{
    uint8_t *at = m->rw + m->b.code_len;

    while (*p) {
        if (*p == ' ') {
            p++;
        } else if (word(p, "@landing")) {
            m->b.landing = codemem_to_rx(&rig.e->code, at);
            p += strcspn(p, " ");
        } else if (word(p, "@entry")) {
            m->b.entry = m->b.body = codemem_to_rx(&rig.e->code, at);
            p += strcspn(p, " ");
        } else if (*p == '@') {
            bool eight =
                word(p, "@exit") || word(p, "@insn") || word(p, "@bad") || word(p, "@load ");

            if (eight)
                st64(at, place8(m, p));
            else
                st32(at, (uint32_t)(place4(p) - (codemem_to_rx(&rig.e->code, at) + 4)));
            at += eight ? 8 : 4;
            p += strcspn(p, " ");
        } else {
            unsigned byte;

            ck_assert_int_eq(sscanf(p, "%2x", &byte), 1);
            *at++ = (uint8_t)byte;
            p += 2;
        }
    }
    m->b.code_len = (uint32_t)(at - m->rw);
}

static void make(struct made *m, const char *hex, uint32_t mode, enum bt_site_kind kind)
{
    memset(m, 0, sizeof(*m));
    m->rw = codemem_begin(&rig.e->code, 4096);
    m->insn = bt_alloc(rig.e, sizeof(*m->insn));
    m->load = bt_alloc(rig.e, sizeof(*m->load));
    ck_assert(m->rw && m->insn && m->load);
    *m->load = (struct insn){.op[0] = {.kind = OPND_SEG, .reg = SEG_FS}};
    m->b.code = m->b.entry = m->b.body = m->b.checked = codemem_to_rx(&rig.e->code, m->rw);
    m->b.mode = mode;
    m->b.rip = bt_segmented(mode) ? UINT64_C(0xf000000001234) : 0x1234;
    m->b.nexits = 1;
    m->b.map = &m->map;
    m->b.nmap = 1;
    m->map.kind = (uint8_t)kind;
    if (!bt_segmented(mode) && !strstr(hex, "@entry"))
        assemble(m, BEGIN);
    assemble(m, hex);
}

/* False, and a line on stderr, when the verdict is not the expected one. */
static bool check(const struct block *t, uint32_t mode, enum bt_site_kind kind)
{
    struct made m;
    const char *why = NULL;
    uint64_t where;
    bool ok;

    make(&m, t->hex, mode, kind);
    ok = bt_block_in_jail(rig.e, &m.b, &why, &where);
    if (ok == !t->why && (ok || strstr(why, t->why)))
        return true;
    fprintf(stderr, "%s: %s at +%llx, wanted: %s\n", t->what, ok ? "accepted" : why,
            (unsigned long long)(where - (uint64_t)(uintptr_t)m.b.code),
            t->why ? t->why : "accepted");
    return false;
}

static unsigned check_sites(const struct block *t, unsigned n, uint32_t mode,
                            enum bt_site_kind kind)
{
    unsigned wrong = 0;

    for (unsigned i = 0; i < n; i++)
        wrong += !check(&t[i], mode, kind);
    return wrong;
}

static unsigned check_all(const struct block *t, unsigned n, uint32_t mode)
{
    return check_sites(t, n, mode, SITE_STRING);
}

static void setup(void)
{
    ck_assert_int_eq(bt_rig_open(&rig), 0);
}

static void teardown(void)
{
    bt_rig_close(&rig);
}

/* The hand-made blocks know these numbers. */
START_TEST(offsets)
{
    ck_assert_uint_eq(offsetof(struct bt_hot, window), 0x38);
    ck_assert_uint_eq(offsetof(struct bt_hot, seg_window), 0x40);
    ck_assert_uint_eq(offsetof(struct bt_hot, seg_base), 0x70);
    ck_assert_uint_eq(offsetof(struct bt_hot, df), 216);
    ck_assert_uint_eq(offsetof(struct bt_hot, seg_mem), 0x320);
    ck_assert_uint_eq(offsetof(struct bt_hot, poison), 0x380);
    ck_assert_uint_eq(offsetof(struct bt_hot, tsc_offset), 0x310);
    ck_assert_uint_eq(offsetof(struct bt_hot, gdt), 0x31c);
    ck_assert_uint_eq(offsetof(struct bt_hot, desc_lin), 664);
    ck_assert_uint_eq(offsetof(struct bt_hot, frame), 696);
    ck_assert_uint_eq(offsetof(struct bt_hot, crossings), 768);
    ck_assert_uint_eq(offsetof(struct cpu, cr0), 0x190);
    ck_assert_uint_eq(offsetof(struct bt_hot, landings), 0xc0);
    ck_assert_uint_eq(offsetof(struct bt_ctx, neg_tag), 0x80000);
    ck_assert_uint_eq(offsetof(struct bt_ctx, host), 0xc0000);
}
END_TEST

START_TEST(accepts_what_is_emitted)
{
    ck_assert_uint_eq(check_all(good, ARRAY_SIZE(good), BT_RIG_MODE), 0);
}
END_TEST

START_TEST(only_the_block_lands)
{
    ck_assert_uint_eq(check_all(landings, ARRAY_SIZE(landings), BT_RIG_MODE), 0);
}
END_TEST

START_TEST(refuses_the_rest)
{
    ck_assert_uint_eq(check_all(bad, ARRAY_SIZE(bad), BT_RIG_MODE), 0);
}
END_TEST

START_TEST(user_code_has_one_window)
{
    const uint32_t user = (BT_RIG_MODE | MODE_CPL3) & ~(uint32_t)MODE_IOPL_OK;

    ck_assert_uint_eq(check_all(bad_for_user, ARRAY_SIZE(bad_for_user), user), 0);
    for (unsigned i = 0; i < ARRAY_SIZE(bad_for_user); i++) {
        struct block kernel = {NULL, bad_for_user[i].what, bad_for_user[i].hex};

        ck_assert(check(&kernel, BT_RIG_MODE, SITE_STRING));
    }
}
END_TEST

/* In flat code what hot.seg_mem holds has no meaning; in protected mode a load is more. */
START_TEST(segments_have_forms_of_their_own)
{
    const uint32_t typed = REAL_MODE | MODE_PE;
    struct block flat = {"no allowed form", "a segment in flat code", good_segmented[2].hex};
    struct block load = {"write to monitor", "a load in protected mode", good_segmented[8].hex};

    ck_assert_uint_eq(check_all(good_segmented, ARRAY_SIZE(good_segmented), REAL_MODE), 0);
    ck_assert_uint_eq(check_all(bad_segmented, ARRAY_SIZE(bad_segmented), REAL_MODE), 0);
    ck_assert(check(&flat, BT_RIG_MODE, SITE_PLAIN));
    ck_assert(check(&load, typed, SITE_PLAIN));
    ck_assert(check(&good_segmented[8], typed | MODE_VM | MODE_CPL3, SITE_PLAIN));
}
END_TEST

START_TEST(strings_of_segments_are_kept)
{
    const enum bt_site_kind kind = SITE_SEG_STRING + SEG_DS;

    ck_assert_uint_eq(check_sites(good_string, ARRAY_SIZE(good_string), REAL_MODE, kind), 0);
    ck_assert_uint_eq(check_sites(bad_string, ARRAY_SIZE(bad_string), REAL_MODE, kind), 0);
}
END_TEST

/* The handler must know that RSI and RDI are host pointers. */
START_TEST(strings_are_marked)
{
    struct block plain = {"a fault would leave", "a string of a plain site", good[8].hex};

    ck_assert(check(&good[8], BT_RIG_MODE, SITE_STRING));
    ck_assert(check(&plain, BT_RIG_MODE, SITE_PLAIN));
}
END_TEST

/* Every one-byte change of a good block is refused or decodes to something that is still in the
 * jail: never a crash of the checker. Cut anywhere, a block is refused. */
START_TEST(damaged_blocks)
{
    for (unsigned i = 0; i < ARRAY_SIZE(good); i++) {
        struct made m;
        const char *why;
        uint64_t where;
        uint32_t len;

        make(&m, good[i].hex, BT_RIG_MODE, SITE_STRING);
        len = m.b.code_len;
        for (m.b.code_len = 0; m.b.code_len < len; m.b.code_len++)
            ck_assert_msg(!bt_block_in_jail(rig.e, &m.b, &why, &where), "%s: %u bytes",
                          good[i].what, m.b.code_len);
        for (uint32_t at = 0; at < len; at++)
            for (unsigned v = 0; v < 256; v++) {
                uint8_t was = m.rw[at];

                m.rw[at] = (uint8_t)v;
                bt_block_in_jail(rig.e, &m.b, &why, &where);
                m.rw[at] = was;
            }
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("checker");
    TCase *t = tcase_create("checker");
    SRunner *r;
    int failed;

    tcase_add_unchecked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, offsets);
    tcase_add_test(t, accepts_what_is_emitted);
    tcase_add_test(t, only_the_block_lands);
    tcase_add_test(t, refuses_the_rest);
    tcase_add_test(t, user_code_has_one_window);
    tcase_add_test(t, segments_have_forms_of_their_own);
    tcase_add_test(t, strings_of_segments_are_kept);
    tcase_add_test(t, strings_are_marked);
    tcase_add_test(t, damaged_blocks);
    suite_add_tcase(s, t);
    r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
