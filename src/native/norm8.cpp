// Normalization in plain loops that the compiler turns into vectors, once for each instruction set.
#include "norm8.h"

#include "threads.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && defined(__gnu_linux__)
#pragma GCC optimize("no-trapping-math") // rounding then becomes a vector instruction; the results are the same
#define CLONES __attribute__((target_clones("default", "avx2", "arch=x86-64-v4"), flatten))
#define NORM8_X86 1
#pragma GCC diagnostic ignored "-Wuninitialized" // gcc 12 warns of its own header
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#include <immintrin.h>
#else
#define CLONES
#endif

namespace {

constexpr int64_t WIDE = 512; // columns at a time, whose sums stay in the first cache
constexpr int64_t DEEP = 128; // rows whose 8-bit values sum to 16 bits

template <class Sum, class One>
inline void by_columns(int64_t m, int64_t n, int64_t deep, int64_t *sums, const One &one) {
    Sum part[WIDE];
    for (int64_t c0 = 0; c0 < n; c0 += WIDE) {
        const int64_t wide = std::min(WIDE, n - c0);
        for (int64_t c = 0; c < wide; ++c) sums[c0 + c] = 0;
        for (int64_t r0 = 0; r0 < m; r0 += deep) {
            for (int64_t c = 0; c < wide; ++c) part[c] = 0;
            for (int64_t r = r0; r < std::min(m, r0 + deep); ++r) one(r, c0, wide, part);
            for (int64_t c = 0; c < wide; ++c) sums[c0 + c] += part[c];
        }
    }
}

inline int32_t sign(float d) { return (d > 0) - (d < 0); }

CLONES void sums_any(const int8_t *x, int64_t m, int64_t n, bool rows, int64_t *sums, int8_t *least,
                              int8_t *most) {
    if (rows) {
        for (int64_t r = 0; r < m; ++r) {
            const int8_t *__restrict from = x + r * n;
            int32_t sum = 0;
            int8_t low = 127, high = -128;
            for (int64_t c = 0; c < n; ++c) sum += from[c];
            for (int64_t c = 0; c < n; ++c) low = std::min(low, from[c]), high = std::max(high, from[c]);
            sums[r] = sum, least[r] = low, most[r] = high;
        }
        return;
    }
    std::fill(least, least + n, int8_t{127});
    std::fill(most, most + n, int8_t{-128});
    by_columns<int16_t>(m, n, DEEP, sums, [&](int64_t r, int64_t c0, int64_t wide, int16_t *__restrict part) {
        const int8_t *__restrict from = x + r * n + c0;
        int8_t *__restrict low = least + c0, *__restrict high = most + c0;
        for (int64_t c = 0; c < wide; ++c) {
            part[c] = static_cast<int16_t>(part[c] + from[c]);
            low[c] = std::min(low[c], from[c]);
            high[c] = std::max(high[c], from[c]);
        }
    });
}

CLONES void deviations_any(const int8_t *x, int64_t m, int64_t n, bool rows, bool squared, const int8_t *centers,
                           int64_t *sums) {
    if (rows) {
        for (int64_t r = 0; r < m; ++r) {
            const int8_t *__restrict from = x + r * n;
            const int16_t center = centers[r];
            int32_t sum = 0;
            if (squared) {
                for (int64_t c = 0; c < n; ++c) {
                    const int16_t d = static_cast<int16_t>(from[c] - center);
                    sum += d * d;
                }
            } else {
                // as unsigned bytes, whose differences one instruction sums
                const uint8_t own = static_cast<uint8_t>(center ^ 0x80);
                for (int64_t c = 0; c < n; ++c) sum += std::abs(static_cast<uint8_t>(from[c] ^ 0x80) - own);
            }
            sums[r] = sum;
        }
        return;
    }
    if (squared)
        by_columns<int32_t>(m, n, 1 << 14, sums, [&](int64_t r, int64_t c0, int64_t wide, int32_t *__restrict part) {
            const int8_t *__restrict from = x + r * n + c0, *__restrict center = centers + c0;
            for (int64_t c = 0; c < wide; ++c) {
                const int32_t d = from[c] - center[c];
                part[c] += d * d;
            }
        });
    else
        by_columns<uint16_t>(m, n, DEEP, sums, [&](int64_t r, int64_t c0, int64_t wide, uint16_t *__restrict part) {
            const int8_t *__restrict from = x + r * n + c0, *__restrict center = centers + c0;
            for (int64_t c = 0; c < wide; ++c) {
                const uint8_t up = static_cast<uint8_t>(std::max(from[c], center[c])),
                              down = static_cast<uint8_t>(std::min(from[c], center[c]));
                part[c] = static_cast<uint16_t>(part[c] + static_cast<uint8_t>(up - down));
            }
        });
}

#if NORM8_X86
#define WITH_512 __attribute__((target("arch=x86-64-v4")))

bool has_512() { return __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl"); }

inline WITH_512 __m512i load(const int8_t *from, int64_t left) {
    if (left >= 64) return _mm512_loadu_si512(from);
    return _mm512_maskz_loadu_epi8((__mmask64{1} << left) - 1, from);
}

WITH_512 void row_sums_512(const int8_t *x, int64_t m, int64_t n, int64_t *sums, int8_t *least, int8_t *most) {
    const __m512i flip = _mm512_set1_epi8(static_cast<char>(0x80)), zero = _mm512_setzero_si512();
    for (int64_t r = 0; r < m; ++r) {
        __m512i sum = zero, low = _mm512_set1_epi8(127), high = flip;
        int64_t c = 0;
        for (; c + 64 <= n; c += 64) {
            const __m512i v = _mm512_loadu_si512(x + r * n + c);
            sum = _mm512_add_epi64(sum, _mm512_sad_epu8(_mm512_xor_si512(v, flip), zero));
            low = _mm512_min_epi8(low, v);
            high = _mm512_max_epi8(high, v);
        }
        if (c < n) {
            const __mmask64 mask = (__mmask64{1} << (n - c)) - 1;
            const __m512i v = _mm512_maskz_loadu_epi8(mask, x + r * n + c);
            sum = _mm512_add_epi64(sum, _mm512_sad_epu8(_mm512_maskz_mov_epi8(mask, _mm512_xor_si512(v, flip)), zero));
            low = _mm512_mask_min_epi8(low, mask, low, v);
            high = _mm512_mask_max_epi8(high, mask, high, v);
        }
        alignas(64) int8_t ends[2][64];
        _mm512_store_si512(ends[0], low);
        _mm512_store_si512(ends[1], high);
        int8_t one = 127, other = -128;
        for (int i = 0; i < 64; ++i) {
            one = ends[0][i] < one ? ends[0][i] : one;
            other = ends[1][i] > other ? ends[1][i] : other;
        }
        sums[r] = _mm512_reduce_add_epi64(sum) - 128 * n;
        least[r] = one, most[r] = other;
    }
}

inline WITH_512 void widen_to(int64_t *sums, __m512i low, __m512i high, int64_t wide) { // 64 sums of 16 bits
    alignas(64) int16_t part[64];
    _mm512_store_si512(part, low);
    _mm512_store_si512(part + 32, high);
    for (int64_t i = 0; i < wide; ++i) sums[i] += part[i];
}

WITH_512 void column_sums_512(const int8_t *x, int64_t m, int64_t n, int64_t *sums, int8_t *least, int8_t *most) {
    for (int64_t c = 0; c < n; c += 64) {
        const int64_t left = n - c, wide = left < 64 ? left : 64;
        const __mmask64 mask = wide == 64 ? ~__mmask64{0} : (__mmask64{1} << wide) - 1;
        __m512i low = _mm512_set1_epi8(127), high = _mm512_set1_epi8(-128);
        for (int64_t i = 0; i < wide; ++i) sums[c + i] = 0;
        for (int64_t r0 = 0; r0 < m; r0 += DEEP) {
            __m512i one = _mm512_setzero_si512(), other = one;
            for (int64_t r = r0; r < m && r < r0 + DEEP; ++r) {
                const __m512i v = load(x + r * n + c, left);
                one = _mm512_add_epi16(one, _mm512_cvtepi8_epi16(_mm512_castsi512_si256(v)));
                other = _mm512_add_epi16(other, _mm512_cvtepi8_epi16(_mm512_extracti64x4_epi64(v, 1)));
                low = _mm512_min_epi8(low, v);
                high = _mm512_max_epi8(high, v);
            }
            widen_to(sums + c, one, other, wide);
        }
        _mm512_mask_storeu_epi8(least + c, mask, low);
        _mm512_mask_storeu_epi8(most + c, mask, high);
    }
}

WITH_512 void column_deviations_512(const int8_t *x, int64_t m, int64_t n, const int8_t *centers, int64_t *sums) {
    const __m512i zero = _mm512_setzero_si512();
    for (int64_t c = 0; c < n; c += 64) {
        const int64_t left = n - c, wide = left < 64 ? left : 64;
        const __m512i center = load(centers + c, left);
        for (int64_t i = 0; i < wide; ++i) sums[c + i] = 0;
        for (int64_t r0 = 0; r0 < m; r0 += DEEP) {
            __m512i even = zero, odd = zero; // sums of 16 bits of the even and of the odd columns
            for (int64_t r = r0; r < m && r < r0 + DEEP; ++r) {
                const __m512i v = load(x + r * n + c, left);
                const __m512i d = _mm512_sub_epi8(_mm512_max_epi8(v, center), _mm512_min_epi8(v, center));
                even = _mm512_add_epi16(even, _mm512_and_si512(d, _mm512_set1_epi16(0xFF)));
                odd = _mm512_add_epi16(odd, _mm512_srli_epi16(d, 8));
            }
            alignas(64) uint16_t part[2][32];
            _mm512_store_si512(part[0], even);
            _mm512_store_si512(part[1], odd);
            for (int64_t i = 0; i < wide; ++i) sums[c + i] += part[i % 2][i / 2];
        }
    }
}
#endif

} // namespace

static void sums_of(const int8_t *x, int64_t m, int64_t n, bool rows, int64_t *sums, int8_t *least, int8_t *most) {
#if NORM8_X86
    if (has_512()) return rows ? row_sums_512(x, m, n, sums, least, most) : column_sums_512(x, m, n, sums, least, most);
#endif
    sums_any(x, m, n, rows, sums, least, most);
}

static void deviations_of(const int8_t *x, int64_t m, int64_t n, bool rows, bool squared, const int8_t *centers,
                             int64_t *sums) {
#if NORM8_X86
    if (has_512() && !rows && !squared) return column_deviations_512(x, m, n, centers, sums);
#endif
    deviations_any(x, m, n, rows, squared, centers, sums);
}

namespace {

// Not std::min and std::max, which gcc 12 does not inline into a function with other options than its own.
inline float grid(float z) {
    z = __builtin_rintf(z);
    z = z < -127.0f ? -127.0f : z;
    return z > 127.0f ? 127.0f : z;
}

template <bool ROWS, bool GAIN, bool INTEGERS>
inline void apply(const int8_t *x, int64_t m, int64_t n, const float *a, const float *b, const float *gain,
                  const float *offset, float step, int8_t *out, float *values) {
    for (int64_t r = 0; r < m; ++r) {
        const int8_t *__restrict from = x + r * n;
        const float *__restrict ca = a, *__restrict cb = b, *__restrict cg = gain, *__restrict co = offset;
        const float ra = ROWS ? a[r] : 0, rb = ROWS ? b[r] : 0, rg = GAIN && !ROWS ? gain[r] : 0,
                    ro = GAIN && !ROWS ? offset[r] : 0;
        int8_t *__restrict to = out + (INTEGERS ? r * n : 0);
        float *__restrict floats = values + (INTEGERS ? 0 : r * n);
        for (int64_t c = 0; c < n; ++c) {
            float z = static_cast<float>(from[c]) * (ROWS ? ra : ca[c]) + (ROWS ? rb : cb[c]);
            if (GAIN) z = z * (ROWS ? cg[c] : rg) + (ROWS ? co[c] : ro);
            if (INTEGERS) to[c] = static_cast<int8_t>(static_cast<int32_t>(grid(z)));
            else floats[c] = grid(z) * step;
        }
    }
}

template <bool ROWS>
inline void gradient(const int8_t *g, const int8_t *x, int64_t m, int64_t n, bool linear, const float *means,
                     const float *p, const float *q, const float *r, float *out) {
    for (int64_t row = 0; row < m; ++row) {
        const int8_t *__restrict gs = g + row * n, *__restrict xs = x + row * n;
        const float *__restrict cm = means, *__restrict cp = p, *__restrict cq = q, *__restrict cr = r;
        float *__restrict to = out + row * n;
        const int64_t own = ROWS ? row : 0;
        const float mean = means[own], rp = p[own], rq = q[own], rr = r[own];
        if (linear)
            for (int64_t c = 0; c < n; ++c)
                to[c] = static_cast<float>(gs[c]) * (ROWS ? rp : cp[c]) + (ROWS ? rq : cq[c]) +
                        static_cast<float>(xs[c]) * (ROWS ? rr : cr[c]);
        else
            for (int64_t c = 0; c < n; ++c) {
                const float d = static_cast<float>(xs[c]) - (ROWS ? mean : cm[c]);
                const float s = static_cast<float>(sign(d));
                to[c] = static_cast<float>(gs[c]) * (ROWS ? rp : cp[c]) + (ROWS ? rq : cq[c]) + s * (ROWS ? rr : cr[c]);
            }
    }
}

} // namespace

#define APPLY(ROWS, GAIN, INTEGERS) apply<ROWS, GAIN, INTEGERS>(x, m, n, a, b, gain, offset, step, out, values)
namespace {

CLONES void apply_any(const int8_t *x, int64_t m, int64_t n, bool rows, const float *a, const float *b,
                      const float *gain, const float *offset, float step, int8_t *out, float *values) {
    if (rows && gain && out) APPLY(true, true, true);
    else if (rows && gain) APPLY(true, true, false);
    else if (rows && out) APPLY(true, false, true);
    else if (rows) APPLY(true, false, false);
    else if (gain && out) APPLY(false, true, true);
    else if (gain) APPLY(false, true, false);
    else if (out) APPLY(false, false, true);
    else APPLY(false, false, false);
}
#undef APPLY

#if NORM8_X86
// To integers, 64 at a time. No value may reach 2^31; what is beyond 127 is clamped by the narrowing.
template <bool ROWS, bool GAIN>
WITH_512 void apply_512(const int8_t *x, int64_t m, int64_t n, const float *a, const float *b, const float *gain,
                        const float *offset, int8_t *out) {
    const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    const __m512i least = _mm512_set1_epi8(-127);
    for (int64_t r = 0; r < m; ++r) {
        const __m512 ra = _mm512_set1_ps(a[ROWS ? r : 0]), rb = _mm512_set1_ps(b[ROWS ? r : 0]);
        const __m512 rg = _mm512_set1_ps(GAIN && !ROWS ? gain[r] : 0), ro = _mm512_set1_ps(GAIN && !ROWS ? offset[r] : 0);
        for (int64_t c = 0; c < n; c += 64) {
            const int64_t left = n - c;
            const __m512i bytes = load(x + r * n + c, left);
            const auto sixteen = [&](__m128i part, int64_t at) WITH_512 {
                const auto some = [&](const float *from) WITH_512 {
                    if (left >= 64) return _mm512_loadu_ps(from + c + at);
                    const int64_t count = left - at;
                    const int32_t mask = count >= 16 ? 0xFFFF : count <= 0 ? 0 : (1 << count) - 1;
                    return _mm512_maskz_loadu_ps(static_cast<__mmask16>(mask), from + c + at);
                };
                __m512 z = _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(part));
                z = _mm512_add_ps(_mm512_mul_ps(z, ROWS ? ra : some(a)), ROWS ? rb : some(b));
                if (GAIN) z = _mm512_add_ps(_mm512_mul_ps(z, ROWS ? some(gain) : rg), ROWS ? some(offset) : ro);
                return _mm512_cvtps_epi32(z);
            };
            const __m512i one = _mm512_packs_epi32(sixteen(_mm512_castsi512_si128(bytes), 0),
                                                   sixteen(_mm512_extracti32x4_epi32(bytes, 1), 16));
            const __m512i other = _mm512_packs_epi32(sixteen(_mm512_extracti32x4_epi32(bytes, 2), 32),
                                                     sixteen(_mm512_extracti32x4_epi32(bytes, 3), 48));
            const __m512i mixed = _mm512_packs_epi16(one, other);
            const __m512i found = _mm512_max_epi8(_mm512_permutexvar_epi32(order, mixed), least);
            if (left >= 64) _mm512_storeu_si512(out + r * n + c, found);
            else _mm512_mask_storeu_epi8(out + r * n + c, (__mmask64{1} << left) - 1, found);
        }
    }
}

float largest(const float *from, int64_t count) {
    float most = 0;
    for (int64_t i = 0; i < count; ++i) most = !(std::fabs(from[i]) <= most) ? std::fabs(from[i]) : most;
    return most;
}
#endif

} // namespace

static void apply_of(const int8_t *x, int64_t m, int64_t n, bool rows, const float *a, const float *b,
                        const float *gain, const float *offset, float step, int8_t *out, float *values) {
#if NORM8_X86
    const int64_t groups = rows ? m : n, others = rows ? n : m;
    double most = out && m ? 128.0 * largest(a, groups) + largest(b, groups) : INFINITY;
    if (gain) most = most * largest(gain, others) + largest(offset, others);
    if (most < 1e9 && has_512()) {
        if (rows && gain) apply_512<true, true>(x, m, n, a, b, gain, offset, out);
        else if (rows) apply_512<true, false>(x, m, n, a, b, gain, offset, out);
        else if (gain) apply_512<false, true>(x, m, n, a, b, gain, offset, out);
        else apply_512<false, false>(x, m, n, a, b, gain, offset, out);
        return;
    }
#endif
    apply_any(x, m, n, rows, a, b, gain, offset, step, out, values);
}

static CLONES void gradient_sums_of(const int8_t *g, const int8_t *x, int64_t m, int64_t n, bool rows,
                                       const float *means, int64_t *sums_g, int64_t *sums_gx, int64_t *sums_sign) {
    if (rows) {
        for (int64_t r = 0; r < m; ++r) {
            const int8_t *__restrict gs = g + r * n, *__restrict xs = x + r * n;
            const float mean = means[r];
            int32_t sum_g = 0, sum_gx = 0, signs = 0;
            for (int64_t c = 0; c < n; ++c) sum_g += gs[c];
            for (int64_t c = 0; c < n; ++c) sum_gx += static_cast<int16_t>(gs[c]) * static_cast<int16_t>(xs[c]);
            for (int64_t c = 0; c < n; ++c) signs += sign(static_cast<float>(xs[c]) - mean);
            sums_g[r] = sum_g, sums_gx[r] = sum_gx, sums_sign[r] = signs;
        }
        return;
    }
    by_columns<int16_t>(m, n, DEEP, sums_g, [&](int64_t r, int64_t c0, int64_t wide, int16_t *__restrict part) {
        const int8_t *__restrict gs = g + r * n + c0;
        for (int64_t c = 0; c < wide; ++c) part[c] = static_cast<int16_t>(part[c] + gs[c]);
    });
    by_columns<int32_t>(m, n, 1 << 14, sums_gx, [&](int64_t r, int64_t c0, int64_t wide, int32_t *__restrict part) {
        const int8_t *__restrict gs = g + r * n + c0, *__restrict xs = x + r * n + c0;
        for (int64_t c = 0; c < wide; ++c) part[c] += static_cast<int32_t>(gs[c]) * static_cast<int32_t>(xs[c]);
    });
    by_columns<int32_t>(m, n, int64_t{1} << 30, sums_sign,
                        [&](int64_t r, int64_t c0, int64_t wide, int32_t *__restrict part) {
                            const int8_t *__restrict xs = x + r * n + c0;
                            const float *__restrict mean = means + c0;
                            for (int64_t c = 0; c < wide; ++c) part[c] += sign(static_cast<float>(xs[c]) - mean[c]);
                        });
}

static CLONES void gradient_of(const int8_t *g, const int8_t *x, int64_t m, int64_t n, bool rows, bool linear,
                                  const float *means, const float *p, const float *q, const float *r, float *out) {
    if (rows) gradient<true>(g, x, m, n, linear, means, p, q, r, out);
    else gradient<false>(g, x, m, n, linear, means, p, q, r, out);
}

namespace {

constexpr int64_t SHARE = 1 << 16; // values that are worth a thread

// work(first row, rows after the last) by some threads.
template <class Work> int32_t share(int64_t m, int64_t n, int32_t threads, const Work &work) {
    try {
        in_threads(m, std::max<int64_t>(1, SHARE / std::max<int64_t>(1, n)), threads, work);
    } catch (const std::bad_alloc &) {
        return 2;
    } catch (const std::system_error &) {
        return 2;
    }
    return 0;
}

// Sums of groups that are columns: each thread's own, added up. `work` fills COUNT sums of its rows.
template <size_t COUNT, class Work>
int32_t share_columns(int64_t m, int64_t n, int32_t threads, int64_t *const (&sums)[COUNT], const Work &work) {
    std::mutex guard;
    for (int64_t *sum : sums) std::fill(sum, sum + n, 0);
    return share(m, n, threads, [&](int64_t begin, int64_t end) {
        std::vector<int64_t> own(COUNT * static_cast<size_t>(n));
        int64_t *parts[COUNT];
        for (size_t i = 0; i < COUNT; ++i) parts[i] = own.data() + static_cast<int64_t>(i) * n;
        work(begin, end, parts, guard);
        const std::lock_guard<std::mutex> held(guard);
        for (size_t i = 0; i < COUNT; ++i)
            for (int64_t c = 0; c < n; ++c) sums[i][c] += parts[i][c];
    });
}

} // namespace

int32_t vedette_norm_sums(const int8_t *x, int64_t m, int64_t n, bool rows, int64_t *sums, int8_t *least, int8_t *most,
                          int32_t threads) {
    if (rows)
        return share(m, n, threads, [&](int64_t begin, int64_t end) {
            sums_of(x + begin * n, end - begin, n, true, sums + begin, least + begin, most + begin);
        });
    std::fill(least, least + n, int8_t{127});
    std::fill(most, most + n, int8_t{-128});
    int64_t *const all[] = {sums};
    return share_columns(m, n, threads, all, [&](int64_t begin, int64_t end, int64_t **parts, std::mutex &guard) {
        std::vector<int8_t> low(static_cast<size_t>(n)), high(static_cast<size_t>(n));
        sums_of(x + begin * n, end - begin, n, false, parts[0], low.data(), high.data());
        const std::lock_guard<std::mutex> held(guard);
        for (size_t c = 0; c < low.size(); ++c) {
            least[c] = std::min(least[c], low[c]);
            most[c] = std::max(most[c], high[c]);
        }
    });
}

int32_t vedette_norm_deviations(const int8_t *x, int64_t m, int64_t n, bool rows, bool squared, const int8_t *centers,
                                int64_t *sums, int32_t threads) {
    if (rows)
        return share(m, n, threads, [&](int64_t begin, int64_t end) {
            deviations_of(x + begin * n, end - begin, n, true, squared, centers + begin, sums + begin);
        });
    int64_t *const all[] = {sums};
    return share_columns(m, n, threads, all, [&](int64_t begin, int64_t end, int64_t **parts, std::mutex &) {
        deviations_of(x + begin * n, end - begin, n, false, squared, centers, parts[0]);
    });
}

int32_t vedette_norm_apply(const int8_t *x, int64_t m, int64_t n, bool rows, const float *a, const float *b,
                           const float *gain, const float *offset, float step, int8_t *out, float *values,
                           int32_t threads) {
    return share(m, n, threads, [&](int64_t begin, int64_t end) {
        const int64_t group = rows ? begin : 0, other = rows ? 0 : begin;
        apply_of(x + begin * n, end - begin, n, rows, a + group, b + group, gain ? gain + other : nullptr,
                 gain ? offset + other : nullptr, step, out ? out + begin * n : nullptr,
                 out ? nullptr : values + begin * n);
    });
}

int32_t vedette_norm_gradient_sums(const int8_t *g, const int8_t *x, int64_t m, int64_t n, bool rows,
                                   const float *means, int64_t *sums_g, int64_t *sums_gx, int64_t *sums_sign,
                                   int32_t threads) {
    if (rows)
        return share(m, n, threads, [&](int64_t begin, int64_t end) {
            gradient_sums_of(g + begin * n, x + begin * n, end - begin, n, true, means + begin, sums_g + begin,
                             sums_gx + begin, sums_sign + begin);
        });
    int64_t *const all[] = {sums_g, sums_gx, sums_sign};
    return share_columns(m, n, threads, all, [&](int64_t begin, int64_t end, int64_t **parts, std::mutex &) {
        gradient_sums_of(g + begin * n, x + begin * n, end - begin, n, false, means, parts[0], parts[1], parts[2]);
    });
}

int32_t vedette_norm_gradient(const int8_t *g, const int8_t *x, int64_t m, int64_t n, bool rows, bool linear,
                              const float *means, const float *p, const float *q, const float *r, float *out,
                              int32_t threads) {
    return share(m, n, threads, [&](int64_t begin, int64_t end) {
        const int64_t group = rows ? begin : 0;
        gradient_of(g + begin * n, x + begin * n, end - begin, n, rows, linear, means + group, p + group, q + group,
                    r + group, out + begin * n);
    });
}
