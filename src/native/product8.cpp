// Products of 8-bit matrices: VNNI where there is AVX-512, 16-bit products in AVX2, and plain C++.
#include "product8.h"

#include "memory.h"
#include "threads.h"

#include <cstring>

#if defined(__x86_64__) && defined(__GNUC__)
#define PRODUCT8_X86 1
#include <immintrin.h>
#pragma GCC diagnostic ignored "-Wuninitialized" // gcc 12 warns of its own header
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

namespace {

using Task = Product8Task;

// A stretch of the inner dimension, before which the sums may be doubled.
struct Part {
    int64_t begin, end;
    bool doubles;
};

// The parts of begin..end.
std::vector<Part> parts_of(const Task &t, int64_t begin, int64_t end) {
    std::vector<Part> parts;
    bool doubles = false;
    for (int64_t i = 0; i < t.doubling_count; ++i) {
        const int64_t at = t.doublings[i];
        if (at < begin || at >= end) continue;
        if (at > begin || doubles) parts.push_back({begin, at, doubles});
        begin = at;
        doubles = true;
    }
    parts.push_back({begin, end, doubles});
    return parts;
}

inline int64_t place(const Task &t, int64_t at) {
    if (t.order) return t.order[at];
    return at < t.k ? at : -1;
}

// Patch `row` of the image, k values.
void patch(const Product8Patches &p, const int8_t *image, int64_t row, int8_t *to) {
    const int64_t x0 = row % p.out_w * p.stride - p.pad_w, y0 = row / p.out_w % p.out_h * p.stride - p.pad_h;
    const int8_t *frame = image + row / (p.out_w * p.out_h) * p.height * p.width * p.channels;
    const int64_t wide = p.kernel_w * p.channels;
    for (int64_t ky = 0; ky < p.kernel_h; ++ky, to += wide) {
        int64_t y = y0 + ky * p.dilation;
        if (y < 0 || y % p.up || (y /= p.up) >= p.height) {
            std::memset(to, 0, static_cast<size_t>(wide));
            continue;
        }
        const int8_t *line = frame + y * p.width * p.channels;
        if (p.dilation == 1 && p.up == 1 && x0 >= 0 && x0 + p.kernel_w <= p.width) {
            std::memcpy(to, line + x0 * p.channels, static_cast<size_t>(wide));
            continue;
        }
        for (int64_t kx = 0; kx < p.kernel_w; ++kx) {
            int64_t x = x0 + kx * p.dilation;
            int8_t *const pixel = to + kx * p.channels;
            if (x < 0 || x % p.up || (x /= p.up) >= p.width)
                std::memset(pixel, 0, static_cast<size_t>(p.channels));
            else
                std::memcpy(pixel, line + x * p.channels, static_cast<size_t>(p.channels));
        }
    }
}

// Row `outer` of an operand in the order of the inner dimension, `length` values and zeros up to `padded`.
void row_of(const Task &t, const int8_t *data, Product8Kind kind, int64_t outers, int64_t outer, int64_t length,
            int64_t padded, int8_t *to, int8_t *scratch) {
    const int8_t *from = data + outer * t.k;
    if (kind == PATCHES) {
        int8_t *const whole = t.order ? scratch : to;
        patch(t.patches, data, outer, whole);
        from = whole;
    }
    if (kind == INNER) {
        for (int64_t at = 0; at < length; ++at) {
            const int64_t inner = place(t, at);
            to[at] = inner < 0 ? int8_t{0} : data[inner * outers + outer];
        }
    } else if (t.order) {
        for (int64_t at = 0; at < length; ++at) to[at] = t.order[at] < 0 ? int8_t{0} : from[t.order[at]];
    } else if (from != to) {
        std::memcpy(to, from, static_cast<size_t>(length));
    }
    std::memset(to + length, 0, static_cast<size_t>(padded - length));
}

void put(const Task &t, int64_t row, int64_t column, uint32_t bits) {
    const int64_t at = row * t.n + column;
    const int32_t sum = static_cast<int32_t>(bits);
    if (t.sums) t.sums[at] = sum;
    if (t.values) {
        const float scaled = static_cast<float>(sum) * t.rows[row] * t.columns[column];
        t.values[at] = t.bias ? scaled + t.bias[column] : scaled;
    }
}

using Dot = uint32_t (*)(const int8_t *, const int8_t *, int64_t);

uint32_t dot_plain(const int8_t *x, const int8_t *y, int64_t k) {
    uint32_t sum = 0;
    for (int64_t i = 0; i < k; ++i) sum += static_cast<uint32_t>(x[i] * y[i]);
    return sum;
}

// An operand with every row laid out, for the targets that multiply row by row.
Bytes laid_out(const Task &t, const int8_t *data, Product8Kind kind, int64_t outers) {
    Bytes whole = bytes(outers * t.length);
    int8_t *const to = reinterpret_cast<int8_t *>(whole.get());
    std::vector<int8_t> scratch(static_cast<size_t>(std::max(t.k, outers)));
    if (kind == INNER_PATCHES) {
        for (int64_t at = 0; at < t.length; ++at) {
            const int64_t inner = place(t, at);
            if (inner >= 0) patch(t.patches, data, inner, scratch.data());
            for (int64_t outer = 0; outer < outers; ++outer)
                to[outer * t.length + at] = inner < 0 ? int8_t{0} : scratch[static_cast<size_t>(outer)];
        }
        return whole;
    }
    for (int64_t outer = 0; outer < outers; ++outer)
        row_of(t, data, kind, outers, outer, t.length, t.length, to + outer * t.length, scratch.data());
    return whole;
}

void by_rows(const Task &t, int32_t threads, Dot dot) {
    constexpr int64_t ROWS = 32, COLUMNS = 64; // both blocks stay in the first cache for k to 256
    const Bytes left = laid_out(t, t.a, t.a_kind, t.m), right = laid_out(t, t.b, t.b_kind, t.n);
    const int8_t *const a = reinterpret_cast<int8_t *>(left.get()), *const b = reinterpret_cast<int8_t *>(right.get());
    const std::vector<Part> parts = parts_of(t, 0, t.length);
    in_threads(t.m, ROWS, threads, [&](int64_t begin, int64_t end) {
        for (int64_t row0 = begin; row0 < end; row0 += ROWS)
            for (int64_t column0 = 0; column0 < t.n; column0 += COLUMNS)
                for (int64_t row = row0; row < std::min(end, row0 + ROWS); ++row)
                    for (int64_t column = column0; column < std::min(t.n, column0 + COLUMNS); ++column) {
                        uint32_t sum = 0;
                        for (const Part &part : parts)
                            sum = (part.doubles ? 2 * sum : sum) + dot(a + row * t.length + part.begin,
                                                                       b + column * t.length + part.begin,
                                                                       part.end - part.begin);
                        put(t, row, column, sum);
                    }
    });
}

#if PRODUCT8_X86
// 16 values at a time as 16-bit numbers; a pair of products is at most 2^15, so nothing saturates.
__attribute__((target("avx2"))) uint32_t dot_avx2(const int8_t *x, const int8_t *y, int64_t k) {
    __m256i total = _mm256_setzero_si256();
    int64_t i = 0;
    for (; i + 16 <= k; i += 16) {
        const __m256i u = _mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i *>(x + i)));
        const __m256i v = _mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i *>(y + i)));
        total = _mm256_add_epi32(total, _mm256_madd_epi16(u, v));
    }
    const __m128i half = _mm_add_epi32(_mm256_castsi256_si128(total), _mm256_extracti128_si256(total, 1));
    const __m128i pair = _mm_add_epi32(half, _mm_shuffle_epi32(half, 0x4E));
    return static_cast<uint32_t>(_mm_cvtsi128_si32(_mm_add_epi32(pair, _mm_shuffle_epi32(pair, 0xB1)))) +
           dot_plain(x + i, y + i, k - i);
}

#define VNNI __attribute__((target("avx512f,avx512bw,avx512vnni")))
constexpr int64_t PANEL = 64, ROWS = 6; // 24 sums of 16 lanes, 4 vectors of b, one of a: 29 of 32 registers
constexpr int64_t STRIP = 48;           // rows of a packed side by side where its memory is [inner][outer]
constexpr int64_t CHUNK = 96;           // rows of a laid out at a time where they are not
constexpr int64_t DEEP = 2048;           // of the inner dimension at a time, where a is packed

// Columns of b, 64 a panel, in steps of 4 along k, each value plus 128: VPDPBUSD multiplies unsigned by signed.
VNNI void pack_rows(const Task &t, int64_t padded, uint8_t *panels, int64_t begin, int64_t end) {
    const __m512i flip = _mm512_set1_epi8(static_cast<char>(0x80));
    const __m512i lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    const bool gathers = 16 * t.k <= INT32_MAX && !t.order;
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
                    for (int64_t i = 0; i < 4; ++i) {
                        const int64_t inner = k + i < t.length ? place(t, k + i) : -1;
                        to[4 * j + i] = first + j < t.n && inner >= 0
                                            ? static_cast<uint8_t>(t.b[(first + j) * t.k + inner] ^ 0x80)
                                            : 0x80;
                    }
            }
        }
}

// Four rows of the inner dimension woven together: to[4 j + i] = rows[i][j] ^ flip, `count` of them and zeros
// up to `width`.
VNNI void weave(const int8_t *const rows[4], int64_t count, int64_t width, uint8_t flip, uint8_t *to) {
    const __m512i flips = _mm512_set1_epi8(static_cast<char>(flip));
    int64_t j = 0;
    for (; j + 16 <= count; j += 16) {
        const auto load = [&](int i) { return _mm_loadu_si128(reinterpret_cast<const __m128i *>(rows[i] + j)); };
        const __m128i a = load(0), b = load(1), c = load(2), d = load(3);
        const __m128i low = _mm_unpacklo_epi8(a, b), high = _mm_unpackhi_epi8(a, b);
        const __m128i low2 = _mm_unpacklo_epi8(c, d), high2 = _mm_unpackhi_epi8(c, d);
        __m512i four = _mm512_castsi128_si512(_mm_unpacklo_epi16(low, low2));
        four = _mm512_inserti32x4(four, _mm_unpackhi_epi16(low, low2), 1);
        four = _mm512_inserti32x4(four, _mm_unpacklo_epi16(high, high2), 2);
        four = _mm512_inserti32x4(four, _mm_unpackhi_epi16(high, high2), 3);
        _mm512_storeu_si512(to + 4 * j, _mm512_xor_si512(four, flips));
    }
    for (; j < count; ++j)
        for (int i = 0; i < 4; ++i) to[4 * j + i] = static_cast<uint8_t>(rows[i][j]) ^ flip;
    if (width > count) std::memset(to + 4 * count, flip, static_cast<size_t>(4 * (width - count)));
}

// Steps from..to of an operand whose memory is [inner][outer], as `pack_inner` lays them out.
void pack_steps(const Task &t, const int8_t *data, bool patches, int64_t outers, int64_t width, uint8_t flip,
                int64_t begin, int64_t deep, int64_t from, int64_t end, uint8_t *to, int8_t *scratch) {
    for (int64_t k = from; k < end; k += 4) {
        const int8_t *rows[4];
        for (int64_t i = 0; i < 4; ++i) {
            const int64_t inner = k + i < t.length ? place(t, k + i) : -1;
            int8_t *const own = scratch + i * outers;
            rows[i] = own;
            if (inner < 0)
                std::memset(own, 0, static_cast<size_t>(outers));
            else if (patches)
                patch(t.patches, data, inner, own);
            else
                rows[i] = data + inner * outers;
        }
        for (int64_t first = 0; first < outers; first += width) {
            const int64_t count = std::min(width, outers - first);
            weave(rows, count, width, flip, to + first * deep + (k - begin) * width);
            for (const int8_t *&row : rows) row += count;
        }
    }
}

// An operand whose memory is [inner][outer], begin..end of the inner dimension: strips of `width` outers, in
// steps of 4 along the inner dimension.
void pack_inner(const Task &t, const int8_t *data, bool patches, int64_t outers, int64_t width, uint8_t flip,
                int64_t begin, int64_t end, uint8_t *to, int32_t threads) {
    const int64_t deep = end - begin;
    in_threads(deep / 4, 16, threads, [&](int64_t first_step, int64_t last_step) {
        const Bytes room = bytes(4 * outers);
        pack_steps(t, data, patches, outers, width, flip, begin, deep, begin + 4 * first_step, begin + 4 * last_step,
                   to, reinterpret_cast<int8_t *>(room.get()));
    });
}

// What the offset of b added to the sums of a row of a: 128 times the sum of the row, with its doublings.
VNNI uint32_t added(const int8_t *row, const std::vector<Part> &parts) {
    const __m512i ones = _mm512_set1_epi8(1);
    uint32_t sum = 0;
    for (const Part &part : parts) {
        __m512i total = _mm512_setzero_si512();
        int64_t k = part.begin;
        for (; k + 64 <= part.end; k += 64)
            total = _mm512_dpbusd_epi32(total, ones, _mm512_loadu_si512(row + k));
        sum = (part.doubles ? 2 * sum : sum) + static_cast<uint32_t>(_mm512_reduce_add_epi32(total));
        for (; k < part.end; ++k) sum += static_cast<uint32_t>(row[k]);
    }
    return 128 * sum;
}

// The same of a packed strip, added to `sums`, one for each of its rows.
VNNI void added_to(const uint8_t *strip, const std::vector<Part> &parts, uint32_t *sums) {
    static_assert(STRIP == 48);
    const __m512i ones = _mm512_set1_epi8(1);
    __m512i total[3];
    for (int j = 0; j < 3; ++j) total[j] = _mm512_loadu_si512(sums + 16 * j);
    for (const Part &part : parts) {
        if (part.doubles)
            for (__m512i &one : total) one = _mm512_slli_epi32(one, 1);
        __m512i own[3] = {_mm512_setzero_si512(), _mm512_setzero_si512(), _mm512_setzero_si512()};
        for (int64_t k = part.begin; k < part.end; k += 4)
            for (int j = 0; j < 3; ++j)
                own[j] = _mm512_dpbusd_epi32(own[j], ones, _mm512_loadu_si512(strip + k * STRIP + 64 * j));
        for (int j = 0; j < 3; ++j) total[j] = _mm512_add_epi32(total[j], _mm512_slli_epi32(own[j], 7));
    }
    for (int j = 0; j < 3; ++j) _mm512_storeu_si512(sums + 16 * j, total[j]);
}

// R rows by 16 J columns of one panel. Words of a: row r at r * row_bytes, step k at k / 4 * step_bytes.
struct Block {
    const int8_t *a;
    int64_t row_bytes, step_bytes;
    const uint8_t *panel;
    int64_t row, column;
    uint32_t *partial; // sums of what came before and what is still to come; null if this is all
    bool first, last;
    const uint32_t *extra; // of each row
};

template <int R, int J> VNNI void block(const Task &t, const Block &own, const std::vector<Part> &parts) {
    __m512i sum[R][J];
    const auto mask = [&](int j) {
        const int64_t left = t.n - own.column - 16 * j;
        return static_cast<__mmask16>(left >= 16 ? 0xFFFF : left <= 0 ? 0 : (1 << left) - 1);
    };
    const int64_t at = own.row * t.n + own.column;
    if (own.first) {
#pragma GCC unroll 6 // or the sums are kept in memory
        for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
            for (int j = 0; j < J; ++j) sum[r][j] = _mm512_setzero_si512();
    } else {
#pragma GCC unroll 6
        for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
            for (int j = 0; j < J; ++j)
                sum[r][j] = _mm512_maskz_loadu_epi32(mask(j), own.partial + at + r * t.n + 16 * j);
    }
    for (const Part &part : parts) {
        if (part.doubles) {
#pragma GCC unroll 6
            for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
                for (int j = 0; j < J; ++j) sum[r][j] = _mm512_slli_epi32(sum[r][j], 1);
        }
        const uint8_t *from = own.panel + part.begin * PANEL;
        const int8_t *words = own.a + part.begin / 4 * own.step_bytes;
        for (int64_t k = part.begin; k < part.end; k += 4, from += 4 * PANEL, words += own.step_bytes) {
            __m512i b[J];
#pragma GCC unroll 4
            for (int j = 0; j < J; ++j) b[j] = _mm512_load_si512(from + 64 * j);
#pragma GCC unroll 6
            for (int r = 0; r < R; ++r) {
                int32_t four;
                std::memcpy(&four, words + r * own.row_bytes, 4);
                const __m512i x = _mm512_set1_epi32(four);
#pragma GCC unroll 4
                for (int j = 0; j < J; ++j) sum[r][j] = _mm512_dpbusd_epi32(sum[r][j], b[j], x);
            }
        }
    }
#pragma GCC unroll 6
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
        for (int j = 0; j < J; ++j) {
            const int64_t here = at + r * t.n + 16 * j;
            if (!own.last) {
                _mm512_mask_storeu_epi32(own.partial + here, mask(j), sum[r][j]);
                continue;
            }
            const int32_t extra = static_cast<int32_t>(own.extra[r]);
            const __m512i exact = _mm512_sub_epi32(sum[r][j], _mm512_set1_epi32(extra));
            if (t.sums) _mm512_mask_storeu_epi32(t.sums + here, mask(j), exact);
            if (!t.values) continue;
            const __m512 columns = _mm512_maskz_loadu_ps(mask(j), t.columns + own.column + 16 * j);
            const __m512 rows = _mm512_set1_ps(t.rows[own.row + r]);
            __m512 value = _mm512_mul_ps(_mm512_mul_ps(_mm512_cvtepi32_ps(exact), rows), columns);
            if (t.bias) value = _mm512_add_ps(value, _mm512_maskz_loadu_ps(mask(j), t.bias + own.column + 16 * j));
            _mm512_mask_storeu_ps(t.values + here, mask(j), value);
        }
}

using BlockOf = void (*)(const Task &, const Block &, const std::vector<Part> &);
#define OF(R) {block<R, 1>, block<R, 2>, block<R, 3>, block<R, 4>}
constexpr BlockOf BLOCKS[ROWS][4] = {OF(1), OF(2), OF(3), OF(4), OF(5), OF(6)};
#undef OF

// Rows begin..end, whose words begin at `a` (strips: at that of row 0), against every panel.
void blocks(const Task &t, Block own, const int8_t *a, bool strips, int64_t deep, const uint8_t *panels,
            int64_t panel_deep, int64_t begin, int64_t end, const uint32_t *extra, const std::vector<Part> &parts) {
    for (int64_t column = 0; column < t.n; column += PANEL) {
        own.panel = panels + column * panel_deep;
        own.column = column;
        const int64_t wide = (std::min(PANEL, t.n - column) + 15) / 16;
        for (int64_t row = begin; row < end; row += ROWS) {
            own.row = row;
            own.a = strips ? a + row / STRIP * STRIP * deep + row % STRIP * 4 : a + (row - begin) * own.row_bytes;
            own.extra = extra + row;
            BLOCKS[std::min(ROWS, end - row) - 1][wide - 1](t, own, parts);
        }
    }
}

void vnni(const Task &t, int32_t threads) {
    static thread_local Kept kept_panels, kept_strips, kept_partial;
    const int64_t padded = (t.length + 3) / 4 * 4, panels = (t.n + PANEL - 1) / PANEL;
    const bool strips = t.a_kind == INNER, straight = t.a_kind == OUTER && !t.order && t.k % 4 == 0;
    const int64_t deep = strips && padded > DEEP ? DEEP : std::max<int64_t>(padded, 4);
    const int64_t strip_rows = (t.m + STRIP - 1) / STRIP * STRIP;
    const bool whole = t.b_kind == OUTER; // packed once for all depths
    uint8_t *const packed = kept_panels.take(panels * PANEL * (whole ? padded : deep));
    int8_t *const stripped = strips ? reinterpret_cast<int8_t *>(kept_strips.take(strip_rows * deep)) : nullptr;
    std::vector<uint32_t> extra(static_cast<size_t>(strip_rows));
    uint32_t *const partial =
        deep < padded ? reinterpret_cast<uint32_t *>(kept_partial.take(4 * t.m * t.n)) : nullptr;
    for (int64_t k0 = 0; k0 == 0 || k0 < padded; k0 += deep) {
        const int64_t k1 = std::min(padded, k0 + deep), own_deep = k1 - k0;
        std::vector<Part> parts = parts_of(t, k0, k1);
        for (Part &part : parts) part.begin -= k0, part.end -= k0;
        if (whole && k0 == 0)
            in_threads(panels, 1, threads,
                       [&](int64_t begin, int64_t end) { pack_rows(t, padded, packed, begin, end); });
        if (!whole)
            pack_inner(t, t.b, t.b_kind == INNER_PATCHES, t.n, PANEL, 0x80, k0, k1, packed, threads);
        if (strips)
            pack_inner(t, t.a, false, t.m, STRIP, 0, k0, k1, reinterpret_cast<uint8_t *>(stripped), threads);
        const uint8_t *const panel = packed + (whole ? k0 * PANEL : 0);
        const int64_t panel_deep = whole ? padded : own_deep;
        Block own{};
        own.row_bytes = strips ? 4 : straight ? t.k : padded;
        own.step_bytes = strips ? 4 * STRIP : 4;
        own.partial = partial;
        own.first = k0 == 0;
        own.last = k1 == padded;
        in_threads(t.m, strips ? STRIP : ROWS, threads, [&](int64_t begin, int64_t end) {
            if (strips) {
                for (int64_t row = begin; row < end; row += STRIP)
                    added_to(reinterpret_cast<uint8_t *>(stripped) + row * own_deep, parts,
                             extra.data() + row);
                return blocks(t, own, stripped, true, own_deep, panel, panel_deep, begin, end, extra.data(), parts);
            }
            if (straight) {
                for (int64_t row = begin; row < end; ++row)
                    extra[static_cast<size_t>(row)] = added(t.a + row * t.k, parts);
                return blocks(t, own, t.a + begin * t.k, false, own_deep, panel, panel_deep, begin, end, extra.data(), parts);
            }
            const Bytes room = bytes(CHUNK * padded), spare = bytes(t.k);
            int8_t *const laid = reinterpret_cast<int8_t *>(room.get());
            for (int64_t from = begin; from < end; from += CHUNK) {
                const int64_t to = std::min(end, from + CHUNK);
                for (int64_t row = from; row < to; ++row) {
                    int8_t *const line = laid + (row - from) * padded;
                    row_of(t, t.a, t.a_kind, t.m, row, t.length, padded, line,
                           reinterpret_cast<int8_t *>(spare.get()));
                    extra[static_cast<size_t>(row)] = added(line, parts);
                }
                blocks(t, own, laid, false, own_deep, panel, panel_deep, from, to, extra.data(), parts);
            }
        });
    }
    for (Kept *kept : {&kept_panels, &kept_strips, &kept_partial}) kept->leave();
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

int32_t vedette_product8(const Product8Task *task, int32_t threads, int32_t target) {
    const int32_t most = vedette_product8_targets() - 1, chosen = target < 0 || target > most ? most : target;
    if (!task->m || !task->n) return 0;
    try {
#if PRODUCT8_X86
        if (chosen == 2) return vnni(*task, threads), 0;
        if (chosen == 1) return by_rows(*task, threads, dot_avx2), 0;
#endif
        (void)chosen;
        by_rows(*task, threads, dot_plain);
        return 0;
    } catch (const std::bad_alloc &) {
        return 2;
    } catch (const std::system_error &) {
        return 2;
    }
}
