// Products of 8-bit matrices with exact 32-bit sums; no Python. The reference is numerics/product8.py.
#pragma once
#include <cstdint>

// How an operand lies in memory: [outer][inner], [inner][outer], or as patches of an image, a patch being a
// row of the outer or of the inner dimension.
enum Product8Kind : int32_t { OUTER = 0, INNER = 1, PATCHES = 2, INNER_PATCHES = 3 };

// Patches of an image (batch, height, width, channels) in int8, in the order (kernel row, kernel column,
// channel). With `up` > 1 the image is taken as if up - 1 zeros stood between its pixels.
struct Product8Patches {
    int64_t batch, height, width, channels, kernel_h, kernel_w, stride, pad_h, pad_w, dilation, up, out_h, out_w;
};

struct Product8Task {
    const int8_t *a, *b;
    int64_t m, n, k;
    Product8Kind a_kind;           // any but INNER_PATCHES
    Product8Kind b_kind;           // any but PATCHES; if a is patches, OUTER or INNER
    Product8Patches patches;       // of a or of b
    const int32_t *order;          // the inner dimension in another order, -1 for a zero; or null
    int64_t length;                // of `order`; else k
    const int64_t *doublings;      // ascending places in it, multiples of 4, before which the sums are doubled
    int64_t doubling_count;
    int32_t *sums;                 // m, n; or null
    float *values;                 // m, n; or null
    const float *rows, *columns, *bias; // of `values`: sum * rows[m] * columns[n] + bias[n]; bias may be null
};

extern "C" {
// How many targets this processor has: 1 plain, 2 with AVX2, 3 with AVX-512 VNNI.
int32_t vedette_product8_targets(void);

// sums[m][n] = sum over k of a[m][k] b[n][k], modulo 2^32. Some threads share the rows. Target -1 is the
// fastest. 0, or 2: no memory or no thread to be had.
int32_t vedette_product8(const Product8Task *task, int32_t threads, int32_t target);
}
