// Floats to integers of up to 8 bits, and two 4-bit numbers to a byte; no Python. The reference is
// numerics/quantize8.py.
#pragma once
#include <cstdint>

extern "C" {
// The largest magnitude of each row of x (m, n), each column times a factor; and of each column, each row times a
// factor; NaN or infinity where there is one. Each pointer but x may be null. 0, or 2: no memory or no thread.
int32_t vedette_ranges(const float *x, int64_t m, int64_t n, const float *column_factors, const float *row_factors,
                       float *rows, float *columns, int32_t threads);

struct Quantize8Task {
    const float *x;                // m, n
    int64_t m, n;
    const float *columns;          // a factor for each column; or null
    const float *inverse;          // then one for each row; or one in all
    bool inverse_per_row;
    const int8_t *column_shifts;   // left shift of each column's integers; or null
    const int8_t *row_shifts;      // of each row's; or null
    int32_t q;                     // clamped to -q..q before the shift
    bool stochastic;
    uint32_t seed;
    int8_t *out;                   // m, n
};
int32_t vedette_quantize8(const Quantize8Task *task, int32_t threads);

// For each of so many steps: the squared error of x rounded to multiples of it, at most q of them either way.
void vedette_clip_errors(const float *x, int64_t count, const float *steps, int64_t step_count, int32_t q, float *errors);

// out[i] = low nibble of x[i], high nibble x[i + half], half = (count + 1) / 2; and back.
void vedette_pack4(const int8_t *x, int64_t count, uint8_t *out);
void vedette_unpack4(const uint8_t *x, int64_t count, int8_t *out);
}
