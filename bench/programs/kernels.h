/* The pieces of user-mode work, each in the file that its kind of code belongs to. */
#ifndef BENCH_KERNELS_H
#define BENCH_KERNELS_H

#include <stdint.h>

uint64_t work_integer(unsigned long amount);
uint64_t work_memory(unsigned long amount);
uint64_t work_chase(unsigned long amount);
uint64_t work_double(unsigned long amount);
uint64_t work_simd(unsigned long amount);
uint64_t work_sha256(unsigned long amount);
uint64_t work_chacha(unsigned long amount);
uint64_t work_bytecode(unsigned long amount);
uint64_t work_recursion(unsigned long amount);
uint64_t work_sort(unsigned long amount);
uint64_t work_pack(unsigned long amount);
uint64_t work_strings(unsigned long amount);

#endif
