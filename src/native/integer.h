// The integer operators' plain interface: no Python, no allocation. Each gives, to the bit, what its
// reference in vedette.numerics gives; whatever the values, nothing overflows and no float is trusted.
// Activations and weights are int32, sums int64; planes stand one after the other, row by row. Each
// function returns 0, or 1 where the reference would refuse the input; outputs then hold nothing.
#pragma once
#include <cstdint>

struct IntegerConv2d {
    const int32_t *weight; // outputs, inputs, kernel_height, kernel_width
    const int64_t *bias;   // one for each output, or null
    int32_t inputs, outputs, kernel_height, kernel_width, stride, padding;
};

// Adds (factor * (left + right) + offset) >> shift, shift 0..62, to every second sample.
struct LiftingStep {
    int64_t factor, offset;
    int32_t shift;
};

extern "C" {
// Cross-correlation of one image, zeros around it, into sums: outputs planes of
// (height + 2 padding - kernel_height) / stride + 1 rows, columns likewise.
int32_t vedette_conv2d(const int32_t *x, int32_t height, int32_t width, const IntegerConv2d *conv, int64_t *sums);

// floor(sum / 2^shift + 1/2), clamped to low..high; one shift, 0..62, for each channel.
int32_t vedette_requantize(const int64_t *sums, int32_t channels, int64_t pixels, const int32_t *shifts, int32_t low,
                           int32_t high, int32_t *out);

// floor(a * b / 2^shift + 1/2); one shift, 0..62, for each channel.
int32_t vedette_product(const int32_t *a, const int32_t *b, int32_t channels, int64_t pixels, const int32_t *shifts,
                        int64_t *out);

// table[x - first]; beyond either end the end's entry.
int32_t vedette_lookup(const int64_t *x, int64_t count, const int64_t *table, int64_t size, int64_t first,
                       int64_t *out);

// floor(sqrt(n)) of 0 .. 2^62.
int32_t vedette_isqrt(const int64_t *n, int64_t count, int64_t *roots);

// With root_i = isqrt(beta_i + sum_j gamma_ij x_j^2): x_i 2^shift / root_i, or x_i root_i / 2^shift where
// inverse; ties upward. Shift 0..30, beta from 1, gamma (channels, channels) from 0.
int32_t vedette_gdn(const int32_t *x, int32_t channels, int64_t pixels, const int64_t *beta, const int32_t *gamma,
                    int32_t shift, int32_t inverse, int64_t *out);

// One signal through the steps, in place: its low band ends up at even places, its high band at odd ones;
// where inverse, they become the signal again. Samples up to 2^40 cannot overflow with numerics' wavelets,
// nor can bands up to 2^45 on the way back; larger ones are refused.
int32_t vedette_lift(int64_t *x, int64_t length, const LiftingStep *steps, int32_t count, int32_t inverse);
}
