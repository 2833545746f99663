/* Code that is about data: memory, floating point, vectors, ciphers. */
#include <emmintrin.h>

#include "kernels.h"
#include "program.h"

uint64_t work_memory(unsigned long amount)
{
    enum { BYTES = 16 << 20 };
    uint8_t *a = must_allocate(BYTES), *b = must_allocate(BYTES);
    uint64_t sum = 0;

    memset(a, 1, BYTES);
    memset(b, 2, BYTES);
    for (unsigned long round = 0; round < amount; round++) {
        memcpy(round & 1 ? a : b, round & 1 ? b : a, BYTES);
        for (size_t i = 0; i < BYTES; i += 64)
            sum += a[i] + b[i + 32]++;
    }
    free(b);
    free(a);
    return sum;
}

/* A random cycle through 8 MiB: each load waits for the one before. */
uint64_t work_chase(unsigned long amount)
{
    enum { NODES = 1 << 17, LINE = 16 };
    uint32_t *next = must_allocate((size_t)NODES * LINE * sizeof(*next));
    uint64_t seed = 777;
    uint32_t at = 0;

    for (uint32_t i = 0; i < NODES; i++)
        next[(size_t)i * LINE] = i;
    for (uint32_t i = NODES - 1; i > 0; i--) { /* Sattolo: one cycle through all */
        uint32_t j = (uint32_t)(next_random(&seed) % i), t = next[(size_t)i * LINE];

        next[(size_t)i * LINE] = next[(size_t)j * LINE];
        next[(size_t)j * LINE] = t;
    }
    for (unsigned long i = 0; i < amount * (NODES / 2); i++)
        at = next[(size_t)at * LINE];
    free(next);
    return at;
}

struct body {
    double x, y, z, vx, vy, vz, mass;
};

static void attract(struct body *a, struct body *b, double dt)
{
    double dx = a->x - b->x, dy = a->y - b->y, dz = a->z - b->z;
    double d2 = dx * dx + dy * dy + dz * dz + 0.01, root = d2;

    for (int i = 0; i < 4; i++)
        root = 0.5 * (root + d2 / root);
    double pull = dt / (d2 * root);
    a->vx -= dx * b->mass * pull;
    a->vy -= dy * b->mass * pull;
    a->vz -= dz * b->mass * pull;
    b->vx += dx * a->mass * pull;
    b->vy += dy * a->mass * pull;
    b->vz += dz * a->mass * pull;
}

/* Five bodies under gravity: additions, multiplications, divisions, hardly any memory. */
uint64_t work_double(unsigned long amount)
{
    enum { N = 5 };
    struct body bodies[N] = {{.mass = 40},
                             {.x = 5, .vy = 2, .mass = 0.04},
                             {.x = 8, .vz = 2, .mass = 0.01},
                             {.y = 13, .vx = 1, .mass = 0.002},
                             {.z = 15, .vy = 1, .mass = 0.002}};

    for (unsigned long step = 0; step < amount; step++) {
        for (int i = 0; i < N; i++)
            for (int j = i + 1; j < N; j++)
                attract(&bodies[i], &bodies[j], 0.001);
        for (int i = 0; i < N; i++) {
            bodies[i].x += 0.001 * bodies[i].vx;
            bodies[i].y += 0.001 * bodies[i].vy;
            bodies[i].z += 0.001 * bodies[i].vz;
        }
    }
    return (uint64_t)(bodies[0].x * 1000);
}

/* SSE2, which every column has: a filter over single precision and sums of absolute differences. */
__attribute__((target("sse2"))) uint64_t work_simd(unsigned long amount)
{
    enum { FLOATS = 4096 };
    static float in[FLOATS + 4], out[FLOATS + 4];
    static uint8_t bytes[2 * FLOATS];
    __m128i differences = _mm_setzero_si128();
    uint64_t lanes[2];

    for (int i = 0; i < FLOATS; i++) {
        in[i] = (float)(i & 15);
        bytes[i] = (uint8_t)i;
    }
    for (unsigned long round = 0; round < amount; round++) {
        __m128 gain = _mm_set1_ps((float)(round & 3));

        for (int i = 0; i < FLOATS; i += 4) {
            __m128 here = _mm_loadu_ps(in + i), there = _mm_loadu_ps(in + i + 1);
            _mm_storeu_ps(out + i, _mm_add_ps(_mm_mul_ps(here, gain), _mm_max_ps(here, there)));
        }
        for (int i = 0; i < FLOATS; i += 16) {
            __m128i a = _mm_loadu_si128((const __m128i *)(bytes + i));
            __m128i b = _mm_loadu_si128((const __m128i *)((const uint8_t *)out + i));
            differences = _mm_add_epi64(differences, _mm_sad_epu8(a, b));
        }
    }
    _mm_storeu_si128((__m128i *)lanes, differences);
    return lanes[0] + lanes[1];
}

static uint32_t rotate(uint32_t x, int n)
{
    return x << n | x >> (32 - n);
}

/* The constants are the fractions of the cube roots of the primes (FIPS 180-4 section 4.2.2). */
static void sha256_constants(uint32_t *k)
{
    unsigned n = 0;

    for (unsigned p = 2; n < 64; p++) {
        unsigned d = 2;

        while (d * d <= p && p % d != 0)
            d++;
        if (d * d <= p)
            continue;
        uint64_t root = 0; /* floor(2^32 * cbrt(p)), by bits */
        for (int bit = 35; bit >= 0; bit--) {
            uint64_t r = root | 1ull << bit;
            if ((long double)r * r * r <= p * 0x1p96L)
                root = r;
        }
        k[n++] = (uint32_t)root;
    }
}

static void sha256_block(uint32_t *h, const uint32_t *k, const uint32_t *message)
{
    uint32_t w[64], s[8];

    memcpy(w, message, 64);
    for (int i = 16; i < 64; i++) {
        uint32_t a = w[i - 15], b = w[i - 2];
        w[i] = w[i - 16] + w[i - 7] + (rotate(a, 25) ^ rotate(a, 14) ^ a >> 3) +
               (rotate(b, 15) ^ rotate(b, 13) ^ b >> 10);
    }
    memcpy(s, h, sizeof(s));
    for (unsigned i = 0; i < 64; i++) { /* the names move instead of the values: A is s[-i] */
        uint32_t a = s[-i & 7], e = s[(4 - i) & 7];
        uint32_t t1 = s[(7 - i) & 7] + (rotate(e, 26) ^ rotate(e, 21) ^ rotate(e, 7)) +
                      ((e & s[(5 - i) & 7]) ^ (~e & s[(6 - i) & 7])) + k[i] + w[i];
        uint32_t t2 =
            (rotate(a, 30) ^ rotate(a, 19) ^ rotate(a, 10)) +
            ((a & s[(1 - i) & 7]) ^ (a & s[(2 - i) & 7]) ^ (s[(1 - i) & 7] & s[(2 - i) & 7]));

        s[(3 - i) & 7] += t1;
        s[(7 - i) & 7] = t1 + t2;
    }
    for (int i = 0; i < 8; i++)
        h[i] += s[i];
}

uint64_t work_sha256(unsigned long amount)
{
    uint32_t k[64], h[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                            0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    uint32_t message[16] = {0x80000000};

    sha256_constants(k);
    for (unsigned long i = 0; i < amount * 1024; i++) {
        sha256_block(h, k, message);
        memcpy(message, h, sizeof(h));
    }
    return (uint64_t)h[0] << 32 | h[1];
}

static void quarter(uint32_t *s, int a, int b, int c, int d)
{
    s[a] += s[b];
    s[d] = rotate(s[d] ^ s[a], 16);
    s[c] += s[d];
    s[b] = rotate(s[b] ^ s[c], 12);
    s[a] += s[b];
    s[d] = rotate(s[d] ^ s[a], 8);
    s[c] += s[d];
    s[b] = rotate(s[b] ^ s[c], 7);
}

/* ChaCha20 (RFC 8439 section 2.3), one state after the other. */
uint64_t work_chacha(unsigned long amount)
{
    uint32_t state[16] = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574, 1, 2, 3, 4, 5, 6, 7, 8};
    uint64_t sum = 0;

    for (unsigned long i = 0; i < amount * 1024; i++) {
        uint32_t s[16];

        memcpy(s, state, sizeof(s));
        for (int round = 0; round < 10; round++) {
            for (int j = 0; j < 4; j++)
                quarter(s, j, 4 + j, 8 + j, 12 + j);
            for (int j = 0; j < 4; j++)
                quarter(s, j, 4 + (j + 1) % 4, 8 + (j + 2) % 4, 12 + (j + 3) % 4);
        }
        sum += s[0] + state[0];
        state[12]++;
    }
    return sum;
}
