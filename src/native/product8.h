// Products of 8-bit matrices with exact 32-bit sums; no Python. The reference is numerics/product8.py.
#pragma once
#include <cstdint>

// What becomes of a sum: it is kept, or times rows[m] times columns[n] plus bias[n] in float32.
struct Product8Out {
    int32_t *sums;                      // m, n; or null
    float *values;                      // m, n; or null
    const float *rows, *columns, *bias; // of `values`; bias may be null
};

extern "C" {
// How many targets this processor has: 1 plain, 2 with AVX2, 3 with AVX-512 VNNI.
int32_t vedette_product8_targets(void);

// sums[m][n] = sum over k of a[m][k] b[n][k]; k below 2^17, so that no sum overflows. Some threads share
// the rows. Target -1 is the fastest. 0, or 2: no memory or no thread to be had.
int32_t vedette_product8(const int8_t *a, const int8_t *b, int64_t m, int64_t n, int64_t k, const Product8Out *out,
                         int32_t threads, int32_t target);
}
