// Products of 8-bit matrices: VNNI where there is AVX-512, 16-bit products in AVX2, and plain C++.
#include "product8.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <system_error>
#include <thread>
#include <vector>

#if defined(__x86_64__) && defined(__GNUC__)
#define PRODUCT8_X86 1
#include <immintrin.h>
#pragma GCC diagnostic ignored "-Wuninitialized" // gcc 12 warns of its own header
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

namespace {

struct Free {
    void operator()(void *p) const { std::free(p); }
};
using Bytes = std::unique_ptr<uint8_t, Free>;

Bytes bytes(int64_t count) {
    void *p = std::aligned_alloc(64, static_cast<size_t>((std::max<int64_t>(count, 1) + 63) / 64 * 64));
    if (!p) throw std::bad_alloc();
    return Bytes(static_cast<uint8_t *>(p));
}

struct Task {
    const int8_t *a, *b;
    int64_t m, n, k;
    const Product8Out *out;
};

void put(const Task &t, int64_t row, int64_t column, int32_t sum) {
    const int64_t at = row * t.n + column;
    if (t.out->sums) t.out->sums[at] = sum;
    if (t.out->values) {
        const float scaled = static_cast<float>(sum) * t.out->rows[row] * t.out->columns[column];
        t.out->values[at] = t.out->bias ? scaled + t.out->bias[column] : scaled;
    }
}

// Calls work(begin, end) for parts of 0..count, multiples of `grain`, each on a thread of its own.
template <class Work> void in_threads(int64_t count, int64_t grain, int32_t threads, const Work &work) {
    const int64_t grains = (count + grain - 1) / grain, parts = std::min<int64_t>(threads, grains);
    if (parts < 2) return work(int64_t{0}, count);
    std::vector<std::thread> others;
    const auto edge = [&](int64_t part) { return std::min(count, grains * part / parts * grain); };
    try {
        for (int64_t part = 1; part < parts; ++part)
            others.emplace_back([&, part] { work(edge(part), edge(part + 1)); });
    } catch (const std::system_error &) {
        for (std::thread &one : others) one.join();
        throw;
    }
    work(int64_t{0}, edge(1));
    for (std::thread &one : others) one.join();
}

void plain(const Task &t, int32_t threads) {
    in_threads(t.m, 1, threads, [&](int64_t begin, int64_t end) {
        for (int64_t row = begin; row < end; ++row)
            for (int64_t column = 0; column < t.n; ++column) {
                const int8_t *x = t.a + row * t.k, *y = t.b + column * t.k;
                int32_t sum = 0;
                for (int64_t i = 0; i < t.k; ++i) sum += x[i] * y[i];
                put(t, row, column, sum);
            }
    });
}

#if PRODUCT8_X86
// 16 values at a time as 16-bit numbers; a pair of products is at most 2^15, so nothing saturates.
__attribute__((target("avx2"))) int32_t dot_avx2(const int8_t *x, const int8_t *y, int64_t k) {
    __m256i total = _mm256_setzero_si256();
    int64_t i = 0;
    for (; i + 16 <= k; i += 16) {
        const __m256i u = _mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i *>(x + i)));
        const __m256i v = _mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i *>(y + i)));
        total = _mm256_add_epi32(total, _mm256_madd_epi16(u, v));
    }
    const __m128i half = _mm_add_epi32(_mm256_castsi256_si128(total), _mm256_extracti128_si256(total, 1));
    const __m128i pair = _mm_add_epi32(half, _mm_shuffle_epi32(half, 0x4E));
    int32_t sum = _mm_cvtsi128_si32(_mm_add_epi32(pair, _mm_shuffle_epi32(pair, 0xB1)));
    for (; i < k; ++i) sum += x[i] * y[i];
    return sum;
}

__attribute__((target("avx2"))) void avx2(const Task &t, int32_t threads) {
    constexpr int64_t ROWS = 32, COLUMNS = 64; // both blocks stay in the first cache for k to 256
    in_threads(t.m, ROWS, threads, [&](int64_t begin, int64_t end) {
        for (int64_t row0 = begin; row0 < end; row0 += ROWS)
            for (int64_t column0 = 0; column0 < t.n; column0 += COLUMNS)
                for (int64_t row = row0; row < std::min(end, row0 + ROWS); ++row)
                    for (int64_t column = column0; column < std::min(t.n, column0 + COLUMNS); ++column)
                        put(t, row, column, dot_avx2(t.a + row * t.k, t.b + column * t.k, t.k));
    });
}

#define VNNI __attribute__((target("avx512f,avx512bw,avx512vnni")))
constexpr int64_t PANEL = 64, ROWS = 6; // 24 sums of 16 lanes, 4 vectors of b, one of a: 29 of 32 registers

// Columns of b, 64 a panel, in steps of 4 along k, each value plus 128: VPDPBUSD multiplies unsigned by signed.
VNNI void pack(const Task &t, int64_t padded, uint8_t *panels, int64_t begin, int64_t end) {
    const __m512i flip = _mm512_set1_epi8(static_cast<char>(0x80));
    const __m512i lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    const bool gathers = 16 * t.k <= INT32_MAX;
    const __m512i offsets = _mm512_mullo_epi32(lanes, _mm512_set1_epi32(static_cast<int32_t>(t.k)));
    for (int64_t panel = begin; panel < end; ++panel)
        for (int64_t group = 0; group < PANEL; group += 16) {
            const int64_t first = panel * PANEL + group;
            for (int64_t k = 0; k < padded; k += 4) {
                uint8_t *to = panels + panel * PANEL * padded + k * PANEL + 4 * group;
                if (gathers && first + 16 <= t.n && k + 4 <= t.k) {
                    const __m512i four = _mm512_i32gather_epi32(offsets, t.b + first * t.k + k, 1);
                    _mm512_store_si512(to, _mm512_xor_si512(four, flip));
                    continue;
                }
                for (int64_t j = 0; j < 16; ++j)
                    for (int64_t i = 0; i < 4; ++i)
                        to[4 * j + i] = first + j < t.n && k + i < t.k
                                            ? static_cast<uint8_t>(t.b[(first + j) * t.k + k + i] ^ 0x80)
                                            : 0x80;
            }
        }
}

// 128 times the sum of each row of a: what the offset of b added.
VNNI int32_t added(const int8_t *row, int64_t padded) {
    const __m512i ones = _mm512_set1_epi8(1);
    __m512i total = _mm512_setzero_si512();
    int64_t k = 0;
    for (; k + 64 <= padded; k += 64) total = _mm512_dpbusd_epi32(total, ones, _mm512_loadu_si512(row + k));
    int32_t sum = _mm512_reduce_add_epi32(total);
    for (; k < padded; ++k) sum += row[k];
    return 128 * sum;
}

template <int R>
VNNI void block(const Task &t, const int8_t *a, int64_t stride, const uint8_t *panel, int64_t padded, int64_t row,
                int64_t column, const int32_t *extra) {
    __m512i sum[R][4];
#pragma GCC unroll 6 // or the sums are kept in memory
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
        for (int j = 0; j < 4; ++j) sum[r][j] = _mm512_setzero_si512();
    for (int64_t k = 0; k < padded; k += 4) {
        const uint8_t *from = panel + k * PANEL;
        __m512i b[4];
#pragma GCC unroll 4
        for (int j = 0; j < 4; ++j) b[j] = _mm512_load_si512(from + 64 * j);
#pragma GCC unroll 6
        for (int r = 0; r < R; ++r) {
            int32_t four;
            std::memcpy(&four, a + r * stride + k, 4);
            const __m512i x = _mm512_set1_epi32(four);
#pragma GCC unroll 4
            for (int j = 0; j < 4; ++j) sum[r][j] = _mm512_dpbusd_epi32(sum[r][j], b[j], x);
        }
    }
#pragma GCC unroll 6
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
        for (int j = 0; j < 4; ++j) {
            const int64_t left = t.n - column - 16 * j, at = (row + r) * t.n + column + 16 * j;
            if (left <= 0) break;
            const __mmask16 mask = static_cast<__mmask16>(left >= 16 ? 0xFFFF : (1 << left) - 1);
            const __m512i exact = _mm512_sub_epi32(sum[r][j], _mm512_set1_epi32(extra[r]));
            if (t.out->sums) _mm512_mask_storeu_epi32(t.out->sums + at, mask, exact);
            if (!t.out->values) continue;
            const __m512 columns = _mm512_maskz_loadu_ps(mask, t.out->columns + column + 16 * j);
            const __m512 scaled =
                _mm512_mul_ps(_mm512_mul_ps(_mm512_cvtepi32_ps(exact), _mm512_set1_ps(t.out->rows[row + r])), columns);
            const __m512 bias = t.out->bias ? _mm512_maskz_loadu_ps(mask, t.out->bias + column + 16 * j)
                                            : _mm512_setzero_ps();
            _mm512_mask_storeu_ps(t.out->values + at, mask, t.out->bias ? _mm512_add_ps(scaled, bias) : scaled);
        }
}

VNNI void blocks(const Task &t, const int8_t *a, int64_t stride, const uint8_t *panels, int64_t padded, int64_t begin,
                 int64_t end, const int32_t *extra) {
    for (int64_t column = 0; column < t.n; column += PANEL) {
        const uint8_t *panel = panels + column * padded;
        int64_t row = begin;
        for (; row + ROWS <= end; row += ROWS)
            block<ROWS>(t, a + row * stride, stride, panel, padded, row, column, extra + row);
        const int8_t *rest = a + row * stride;
        switch (end - row) {
        case 5: block<5>(t, rest, stride, panel, padded, row, column, extra + row); break;
        case 4: block<4>(t, rest, stride, panel, padded, row, column, extra + row); break;
        case 3: block<3>(t, rest, stride, panel, padded, row, column, extra + row); break;
        case 2: block<2>(t, rest, stride, panel, padded, row, column, extra + row); break;
        case 1: block<1>(t, rest, stride, panel, padded, row, column, extra + row); break;
        }
    }
}

void vnni(const Task &t, int32_t threads) {
    const int64_t padded = (t.k + 3) / 4 * 4, panels = (t.n + PANEL - 1) / PANEL;
    const Bytes packed = bytes(panels * PANEL * padded);
    Bytes copy; // rows of a whose length is no multiple of 4
    const int8_t *a = t.a;
    if (padded != t.k) {
        copy = bytes(t.m * padded);
        std::memset(copy.get(), 0, static_cast<size_t>(t.m * padded));
        for (int64_t row = 0; row < t.m; ++row)
            std::memcpy(copy.get() + row * padded, t.a + row * t.k, static_cast<size_t>(t.k));
        a = reinterpret_cast<const int8_t *>(copy.get());
    }
    std::vector<int32_t> extra(static_cast<size_t>(t.m));
    in_threads(panels, 1, threads,
               [&](int64_t begin, int64_t end) { pack(t, padded, packed.get(), begin, end); });
    in_threads(t.m, ROWS, threads, [&](int64_t begin, int64_t end) {
        for (int64_t row = begin; row < end; ++row) extra[static_cast<size_t>(row)] = added(a + row * padded, padded);
        blocks(t, a, padded, packed.get(), padded, begin, end, extra.data());
    });
}
#endif

} // namespace

int32_t vedette_product8_targets(void) {
#if PRODUCT8_X86
    if (__builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vnni")) return 3;
    if (__builtin_cpu_supports("avx2")) return 2;
#endif
    return 1;
}

int32_t vedette_product8(const int8_t *a, const int8_t *b, int64_t m, int64_t n, int64_t k, const Product8Out *out,
                         int32_t threads, int32_t target) {
    const Task task{a, b, m, n, k, out};
    const int32_t most = vedette_product8_targets() - 1, chosen = target < 0 || target > most ? most : target;
    try {
#if PRODUCT8_X86
        if (chosen == 2) return vnni(task, threads), 0;
        if (chosen == 1) return avx2(task, threads), 0;
#endif
        (void)chosen;
        plain(task, threads);
        return 0;
    } catch (const std::bad_alloc &) {
        return 2;
    } catch (const std::system_error &) {
        return 2;
    }
}
