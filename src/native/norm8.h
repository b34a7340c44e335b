// Normalization of 8-bit matrices: integer statistics, float32 maps; no Python. The reference is
// numerics/norm8.py. Groups are the rows of x (m, n), or its columns.
#pragma once
#include <cstdint>

// Some threads share the rows; the results do not depend on how many. 0, or 2: no memory or no thread to be had.
extern "C" {
// Of each group: its sum, its least and largest value.
int32_t vedette_norm_sums(const int8_t *x, int64_t m, int64_t n, bool rows, int64_t *sums, int8_t *least, int8_t *most, int32_t threads);

// Of each group: the sum of |x - center|, or of its square.
int32_t vedette_norm_deviations(const int8_t *x, int64_t m, int64_t n, bool rows, bool squared, const int8_t *centers,
                             int64_t *sums, int32_t threads);

// out = x * a[group] + b[group], then, if there is a `gain`, * gain[other] + offset[other]; rounded to nearest
// and clamped to -127..127. As integers, or times `step` as floats.
int32_t vedette_norm_apply(const int8_t *x, int64_t m, int64_t n, bool rows, const float *a, const float *b,
                        const float *gain, const float *offset, float step, int8_t *out, float *values, int32_t threads);

// Of each group: sums of g, of g x, and of the sign of x - mean.
int32_t vedette_norm_gradient_sums(const int8_t *g, const int8_t *x, int64_t m, int64_t n, bool rows, const float *means,
                                int64_t *sums_g, int64_t *sums_gx, int64_t *sums_sign, int32_t threads);

// out = p[group] g + q[group] + r[group] s, s the sign of x - mean[group], or, if `linear`, x.
int32_t vedette_norm_gradient(const int8_t *g, const int8_t *x, int64_t m, int64_t n, bool rows, bool linear,
                           const float *means, const float *p, const float *q, const float *r, float *out, int32_t threads);
}
