/* User-mode work of one kind each. */
#include "kernels.h"
#include "program.h"

static const struct work works[] = {
    {"integer", work_integer, 80},
    {"memory", work_memory, 30},
    {"chase", work_chase, 25},
    {"double", work_double, 600000},
    {"simd", work_simd, 50000},
    {"sha256", work_sha256, 480},
    {"chacha", work_chacha, 800},
    {"bytecode", work_bytecode, 1000000},
    {"recursion", work_recursion, 200},
    {"sort", work_sort, 800000},
    {"pack", work_pack, 60},
    {"strings", work_strings, 30},
};

int main(int argc, char **argv)
{
    return run_work(works, sizeof(works) / sizeof(works[0]), argc, argv);
}
