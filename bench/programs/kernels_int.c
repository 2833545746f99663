/* Integer code: loops and branches, calls, indirect jumps and calls, bytes. */
#include "kernels.h"
#include "program.h"

/* Sieve of Eratosthenes, then the steps of Collatz' sequence for the primes found. */
uint64_t work_integer(unsigned long amount)
{
    enum { LIMIT = 200000 };
    static uint8_t composite[LIMIT];
    uint64_t sum = 0;

    for (unsigned long round = 0; round < amount; round++) {
        memset(composite, 0, sizeof(composite));
        for (unsigned i = 2; i * i < LIMIT; i++)
            for (unsigned j = i * i; !composite[i] && j < LIMIT; j += i)
                composite[j] = 1;
        for (unsigned i = 2; i < LIMIT; i += 8) {
            if (composite[i + 1])
                continue;
            for (uint64_t n = i + 1; n != 1; sum++)
                n = n & 1 ? 3 * n + 1 : n / 2;
        }
    }
    return sum;
}

static unsigned fibonacci(unsigned n)
{
    return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2);
}

static unsigned ackermann(unsigned m, unsigned n)
{
    if (m == 0)
        return n + 1;
    return ackermann(m - 1, n == 0 ? 1 : ackermann(m, n - 1));
}

uint64_t work_recursion(unsigned long amount)
{
    volatile unsigned n = 27; /* not known to the compiler */
    uint64_t sum = 0;

    for (unsigned long round = 0; round < amount; round++)
        sum += fibonacci(n) + ackermann(2, n * 12);
    return sum;
}

enum opcode {
    OP_PUSH,
    OP_ADD,
    OP_MUL,
    OP_DUP,
    OP_SWAP,
    OP_XOR,
    OP_LOAD,
    OP_STORE,
    OP_LOOP,
    OP_END
};

/* A stack machine whose program has a loop of a dozen instructions, as interpreters of languages
 * have them. */
static uint64_t interpret(const uint8_t *code, uint32_t turns)
{
    uint32_t stack[16] = {0}, memory[16] = {0};
    unsigned sp = 0, pc = 0;

    for (;;) {
        uint8_t op = code[pc++];

        switch (op) {
        case OP_PUSH:
            stack[sp++] = code[pc++];
            break;
        case OP_ADD:
            sp--;
            stack[sp - 1] += stack[sp];
            break;
        case OP_MUL:
            sp--;
            stack[sp - 1] *= stack[sp];
            break;
        case OP_DUP:
            stack[sp] = stack[sp - 1];
            sp++;
            break;
        case OP_SWAP: {
            uint32_t top = stack[sp - 1];
            stack[sp - 1] = stack[sp - 2];
            stack[sp - 2] = top;
            break;
        }
        case OP_XOR:
            sp--;
            stack[sp - 1] ^= stack[sp];
            break;
        case OP_LOAD:
            stack[sp++] = memory[code[pc++] & 15];
            break;
        case OP_STORE:
            memory[code[pc++] & 15] = stack[--sp];
            break;
        case OP_LOOP:
            pc = --turns ? 0 : pc + 1;
            break;
        default:
            return memory[0];
        }
    }
}

uint64_t work_bytecode(unsigned long amount)
{
    static const uint8_t code[] = {OP_LOAD, 0,       OP_PUSH, 31,      OP_MUL, OP_LOAD, 1,
                                   OP_ADD,  OP_DUP,  OP_PUSH, 7,       OP_XOR, OP_SWAP, OP_STORE,
                                   0,       OP_DUP,  OP_ADD,  OP_PUSH, 3,      OP_ADD,  OP_STORE,
                                   1,       OP_LOOP, 0,       OP_END};
    volatile uint32_t turns = (uint32_t)amount * 5;

    return interpret(code, turns);
}

static int compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

uint64_t work_sort(unsigned long amount)
{
    uint32_t *values = must_allocate(amount * sizeof(*values));
    uint64_t seed = 88172645463325252ull, sum = 0;

    for (unsigned long i = 0; i < amount; i++)
        values[i] = (uint32_t)next_random(&seed);
    qsort(values, amount, sizeof(*values), compare);
    for (unsigned long i = 0; i < amount; i += 1000)
        sum = sum * 31 + values[i];
    free(values);
    return sum;
}

/* A small LZ77: the last place of each hash of three bytes, greedy matches. Returns the packed
 * length. */
static size_t pack(const uint8_t *in, size_t n, uint8_t *out)
{
    static uint32_t last[1 << 14];
    size_t o = 0;

    memset(last, 0, sizeof(last));
    for (size_t i = 0; i + 4 < n;) {
        uint32_t h = ((in[i] << 16 | in[i + 1] << 8 | in[i + 2]) * 2654435761u) >> 18;
        size_t from = last[h], length = 0;

        last[h] = (uint32_t)i;
        while (from < i && i + length < n && length < 255 && in[from + length] == in[i + length])
            length++;
        if (length >= 4) {
            out[o++] = 0;
            out[o++] = (uint8_t)length;
            out[o++] = (uint8_t)(i - from);
            i += length;
        } else {
            out[o++] = in[i++];
        }
    }
    return o;
}

uint64_t work_pack(unsigned long amount)
{
    enum { BYTES = 400000 };
    uint8_t *text = must_allocate(BYTES), *packed = must_allocate(2 * BYTES);
    uint64_t seed = 42, sum = 0;

    for (size_t i = 0; i < BYTES; i++)
        text[i] = (uint8_t)("etaoin shrdlu"[next_random(&seed) % 13 & next_random(&seed) % 13]);
    for (unsigned long round = 0; round < amount; round++)
        sum += pack(text, BYTES, packed);
    free(packed);
    free(text);
    return sum;
}

/* Words into a hash table of chains: copies, comparisons, allocations. */
struct word {
    struct word *next;
    unsigned count;
    char text[16];
};

uint64_t work_strings(unsigned long amount)
{
    enum { BUCKETS = 4096, WORDS = 40000 };
    static struct word *table[BUCKETS];
    uint64_t seed = 1234567, distinct = 0;

    for (unsigned long i = 0; i < amount * WORDS; i++) {
        char text[16];
        unsigned hash = 5381;

        snprintf(text, sizeof(text), "w%u", (unsigned)(next_random(&seed) % 6000));
        for (const char *p = text; *p; p++)
            hash = hash * 33 + (unsigned char)*p;
        struct word **link = &table[hash % BUCKETS];
        while (*link && strcmp((*link)->text, text) != 0)
            link = &(*link)->next;
        if (!*link) {
            *link = must_allocate(sizeof(**link));
            memset(*link, 0, sizeof(**link));
            strcpy((*link)->text, text);
            distinct++;
        }
        (*link)->count++;
    }
    return distinct;
}
