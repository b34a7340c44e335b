// Quantizers in plain loops that the compiler turns into vectors, once for each instruction set.
#include "quantize8.h"

#include "threads.h"

#include <cmath>
#include <cstring>
#include <new>

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && defined(__gnu_linux__)
#pragma GCC optimize("no-trapping-math") // else floor is not made a vector instruction; the results are the same
#define CLONES __attribute__((target_clones("default", "avx2", "arch=x86-64-v4"), flatten))
#else
#define CLONES
#endif

namespace {

inline int32_t magnitude_bits(float x) { // rises with |x|; NaN is above infinity
    int32_t bits;
    std::memcpy(&bits, &x, 4);
    return bits & 0x7FFFFFFF;
}

CLONES int32_t row_range(const float *__restrict x, int64_t n) {
    int32_t most = 0;
    for (int64_t i = 0; i < n; ++i) {
        const int32_t bits = magnitude_bits(x[i]);
        most = most > bits ? most : bits;
    }
    return most;
}

CLONES int32_t scaled_row_range(const float *__restrict x, int64_t n, const float *__restrict factors) {
    int32_t most = 0;
    for (int64_t i = 0; i < n; ++i) {
        const int32_t bits = magnitude_bits(x[i] * factors[i]);
        most = most > bits ? most : bits;
    }
    return most;
}

CLONES void column_ranges(const float *__restrict x, int64_t n, float factor, int32_t *__restrict most) {
    for (int64_t i = 0; i < n; ++i) {
        const int32_t bits = magnitude_bits(x[i] * factor);
        most[i] = most[i] > bits ? most[i] : bits;
    }
}

CLONES int32_t both_ranges(const float *__restrict x, int64_t n, int32_t *__restrict columns) {
    int32_t most = 0;
    for (int64_t i = 0; i < n; ++i) {
        const int32_t bits = magnitude_bits(x[i]);
        columns[i] = columns[i] > bits ? columns[i] : bits;
        most = most > bits ? most : bits;
    }
    return most;
}

inline uint32_t mixed(uint32_t x) { // numerics/counter.py
    x ^= x >> 16;
    x *= 0x7FEB352Du;
    x ^= x >> 15;
    x *= 0x846CA68Bu;
    return x ^ x >> 16;
}

constexpr int64_t HALF = 512;    // elements of the flattened matrix that take the low 16 bits of as many draws; the
                                 // next ones take the high bits
constexpr int64_t NARROW = 128;  // columns below which rows are worked on together

inline int8_t clamped(float z, float q, int32_t shift) {
    z = z < -q ? -q : z;
    return static_cast<int8_t>(static_cast<int32_t>(z > q ? q : z) << shift);
}

inline float rounded(float z) { return __builtin_rintf(z); }
inline float rounded(float z, uint32_t bits) {
    const float floor = __builtin_floorf(z), u = static_cast<float>(static_cast<int32_t>(bits & 0xFFFF)) * 0x1p-16f;
    return floor + __builtin_ceilf(z - floor - u); // one more where u is below the fraction
}

struct Stretch { // of a row
    const float *x, *columns;
    const int8_t *shifts;
    int8_t *out;
    int64_t n;
};

struct Factors {
    float inverse, q;
    int32_t shift;
};

template <bool COLUMNS, bool SHIFTS, bool STOCHASTIC>
inline void round_row(const Stretch &s, const Factors f, const uint32_t *__restrict draws, int32_t right) {
    const float *__restrict x = s.x, *__restrict columns = s.columns;
    const int8_t *__restrict shifts = s.shifts;
    int8_t *__restrict out = s.out;
    for (int64_t j = 0; j < s.n; ++j) {
        const float z = (COLUMNS ? x[j] * columns[j] : x[j]) * f.inverse;
        out[j] = clamped(STOCHASTIC ? rounded(z, draws[j] >> right) : rounded(z), f.q, SHIFTS ? shifts[j] : f.shift);
    }
}

// Of a narrow matrix: a factor, a second one and a shift for every element.
template <bool STOCHASTIC>
inline void round_flat(const Stretch &s, const float *__restrict inverse, float q, const uint32_t *__restrict draws,
                       int32_t right) {
    const float *__restrict x = s.x, *__restrict columns = s.columns;
    const int8_t *__restrict shifts = s.shifts;
    int8_t *__restrict out = s.out;
    for (int64_t j = 0; j < s.n; ++j) {
        const float z = x[j] * columns[j] * inverse[j];
        out[j] = clamped(STOCHASTIC ? rounded(z, draws[j] >> right) : rounded(z), q, shifts[j]);
    }
}

struct Draws { // of the stretch of 2 HALF elements that was worked on last
    uint32_t bits[HALF];
    int64_t held = -1;
    void hold(int64_t stretch, uint32_t seed) {
        if (stretch == held) return;
        held = stretch;
        const uint32_t first = seed * 0x9E3779B9u + static_cast<uint32_t>(stretch * HALF);
        for (int64_t j = 0; j < HALF; ++j) bits[j] = mixed(mixed(first + static_cast<uint32_t>(j)) ^ seed);
    }
};

// Elements begin..end of the flattened matrix, in pieces that lie in one half of a stretch.
template <bool STOCHASTIC, class Piece>
inline void pieces(const Quantize8Task &t, int64_t begin, int64_t end, const Piece &piece) {
    Draws draws;
    for (int64_t at = begin; at < end;) {
        const int64_t within = at % (2 * HALF), stop = std::min(end, at - within % HALF + HALF);
        if (STOCHASTIC) draws.hold(at / (2 * HALF), t.seed);
        piece(at, stop, draws.bits + within % HALF, within < HALF ? 0 : 16);
        at = stop;
    }
}

template <bool COLUMNS, bool SHIFTS, bool STOCHASTIC>
inline void wide(const Quantize8Task &t, int64_t begin, int64_t end) {
    const float q = static_cast<float>(t.q);
    pieces<STOCHASTIC>(t, begin, end, [&](int64_t at, int64_t stop, const uint32_t *draws, int32_t right) {
        while (at < stop) {
            const int64_t row = at / t.n, column = at - row * t.n, count = std::min(stop - at, t.n - column);
            const Factors f{t.inverse[t.inverse_per_row ? row : 0], q, t.row_shifts ? t.row_shifts[row] : 0};
            round_row<COLUMNS, SHIFTS, STOCHASTIC>({t.x + at, COLUMNS ? t.columns + column : nullptr,
                                                    SHIFTS ? t.column_shifts + column : nullptr, t.out + at, count},
                                                   f, draws, right);
            at += count, draws += count;
        }
    });
}

template <bool STOCHASTIC> inline void narrow(const Quantize8Task &t, int64_t begin, int64_t end) {
    const float q = static_cast<float>(t.q);
    float columns[HALF + NARROW], inverse[HALF];
    int8_t column_shifts[HALF + NARROW], row_shifts[HALF];
    for (int64_t i = 0; i < HALF + NARROW; ++i) {
        columns[i] = t.columns ? t.columns[i % t.n] : 1.0f;
        column_shifts[i] = t.column_shifts ? t.column_shifts[i % t.n] : int8_t{0};
    }
    for (int64_t i = 0; i < HALF; ++i) inverse[i] = t.inverse[0];
    pieces<STOCHASTIC>(t, begin, end, [&](int64_t at, int64_t stop, const uint32_t *draws, int32_t right) {
        const int64_t column = at % t.n;
        for (int64_t from = at; (t.inverse_per_row || t.row_shifts) && from < stop;) {
            const int64_t row = from / t.n, count = std::min(stop, (row + 1) * t.n) - from;
            if (t.inverse_per_row)
                for (int64_t i = 0; i < count; ++i) inverse[from - at + i] = t.inverse[row];
            if (t.row_shifts) std::memset(row_shifts + (from - at), t.row_shifts[row], static_cast<size_t>(count));
            from += count;
        }
        round_flat<STOCHASTIC>({t.x + at, columns + column, t.row_shifts ? row_shifts : column_shifts + column,
                                t.out + at, stop - at},
                               inverse, q, draws, right);
    });
}

#define KIND(NAME, CALL) \
    CLONES void NAME(const Quantize8Task &t, int64_t begin, int64_t end) { CALL(t, begin, end); }
KIND(nearest, (wide<false, false, false>))
KIND(nearest_shifts, (wide<false, true, false>))
KIND(nearest_columns, (wide<true, false, false>))
KIND(nearest_columns_shifts, (wide<true, true, false>))
KIND(stochastic, (wide<false, false, true>))
KIND(stochastic_shifts, (wide<false, true, true>))
KIND(stochastic_columns, (wide<true, false, true>))
KIND(stochastic_columns_shifts, (wide<true, true, true>))
KIND(narrow_nearest, narrow<false>)
KIND(narrow_stochastic, narrow<true>)
#undef KIND
using Kind = void (*)(const Quantize8Task &, int64_t, int64_t);
constexpr Kind WIDE[2][2][2] = {{{nearest, nearest_shifts}, {nearest_columns, nearest_columns_shifts}},
                                {{stochastic, stochastic_shifts}, {stochastic_columns, stochastic_columns_shifts}}};

} // namespace

int32_t vedette_ranges(const float *x, int64_t m, int64_t n, const float *column_factors, const float *row_factors,
                       float *rows, float *columns, int32_t threads) try {
    const int32_t parts = static_cast<int32_t>(std::max<int64_t>(1, std::min<int64_t>(threads, m * n >> 16)));
    std::vector<int32_t> most(columns ? static_cast<size_t>(parts * n) : 0);
    const bool plain = !column_factors && !row_factors;
    in_threads(parts, 1, parts, [&](int64_t part, int64_t part_end) {
        for (; part < part_end; ++part) {
            int32_t *const own = most.data() + part * n;
            for (int64_t i = m * part / parts; i < m * (part + 1) / parts; ++i) {
                const float *const from = x + i * n;
                int32_t found = 0;
                if (plain && columns && rows) found = both_ranges(from, n, own);
                else {
                    if (columns) column_ranges(from, n, row_factors ? row_factors[i] : 1.0f, own);
                    if (rows) found = column_factors ? scaled_row_range(from, n, column_factors) : row_range(from, n);
                }
                if (rows) std::memcpy(rows + i, &found, 4);
            }
        }
    });
    if (!columns) return 0;
    for (int32_t part = 1; part < parts; ++part) {
        const int32_t *const other = most.data() + part * n;
        for (int64_t i = 0; i < n; ++i) most[static_cast<size_t>(i)] = std::max(most[static_cast<size_t>(i)], other[i]);
    }
    std::memcpy(columns, most.data(), static_cast<size_t>(4 * n));
    return 0;
} catch (const std::exception &) {
    return 2;
}

int32_t vedette_quantize8(const Quantize8Task *task, int32_t threads) try {
    Quantize8Task t = *task;
    if (!t.columns && !t.column_shifts && !t.row_shifts && !t.inverse_per_row) t.n *= t.m, t.m = 1; // one row
    if (!t.m || !t.n) return 0;
    Kind work = WIDE[t.stochastic][t.columns != nullptr][t.column_shifts != nullptr];
    if (t.n < NARROW) work = t.stochastic ? narrow_stochastic : narrow_nearest;
    constexpr int64_t GRAIN = 1 << 16; // elements worth a thread, whole stretches
    in_threads(t.m * t.n, GRAIN, threads, [&](int64_t begin, int64_t end) { work(t, begin, end); });
    return 0;
} catch (const std::exception &) {
    return 2;
}

CLONES void vedette_clip_errors(const float *x, int64_t count, const float *steps, int64_t step_count, int32_t q,
                               float *errors) {
    constexpr int64_t LANES = 16; // partial sums, so that the order of the additions is the same for every target
    for (int64_t k = 0; k < step_count; ++k) {
        const float step = steps[k], most = static_cast<float>(q);
        float sums[LANES] = {};
        for (int64_t i = 0; i + LANES <= count; i += LANES)
            for (int64_t j = 0; j < LANES; ++j) {
                float z = __builtin_rintf(x[i + j] / step);
                z = z < -most ? -most : z;
                const float error = (z > most ? most : z) * step - x[i + j];
                sums[j] += error * error;
            }
        float sum = 0;
        for (const float part : sums) sum += part;
        errors[k] = sum;
    }
}

CLONES void vedette_pack4(const int8_t *x, int64_t count, uint8_t *out) {
    const int64_t half = (count + 1) / 2, rest = count - half;
    for (int64_t i = 0; i < rest; ++i)
        out[i] = static_cast<uint8_t>((x[i] & 15) | (static_cast<uint8_t>(x[i + half]) << 4));
    if (rest < half) out[rest] = static_cast<uint8_t>(x[rest] & 15);
}

CLONES void vedette_unpack4(const uint8_t *x, int64_t count, int8_t *out) {
    const int64_t half = (count + 1) / 2, rest = count - half;
    for (int64_t i = 0; i < rest; ++i) {
        out[i] = static_cast<int8_t>(static_cast<int8_t>(x[i] << 4) >> 4);
        out[i + half] = static_cast<int8_t>(static_cast<int8_t>(x[i]) >> 4);
    }
    if (rest < half) out[rest] = static_cast<int8_t>(static_cast<int8_t>(x[rest] << 4) >> 4);
}
