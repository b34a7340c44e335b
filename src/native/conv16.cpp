// Convolutions of 16-bit integers: pairs of channels multiplied and added by one instruction (VNNI's
// vpdpwssd, AVX2's vpmaddwd), twice as many as float32 has.
//
// A row of the image, its channels filled up to an even number, is one run of memory in which the columns of
// the kernel and their channels follow one another: each row of the kernel is a dot product over such a run.
#include "conv16.h"

#include "memory.h"
#include "threads.h"

#include <cstring>

#if defined(__x86_64__) && defined(__GNUC__)
#define CONV16_X86 1
#include <immintrin.h>
#pragma GCC diagnostic ignored "-Wuninitialized" // gcc 12 warns of its own header
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#define CLONES __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define CLONES
#endif

namespace {

using Task = Conv16Task;

constexpr int64_t LANES = 16;   // outputs of a vector
constexpr int64_t VECTORS = 3;  // vectors of a block, at most
constexpr int64_t CHUNK = 512;  // pairs whose weights stay in the second cache while pixels pass
constexpr int64_t PIXELS = 256; // whose sums stay there, too
constexpr int64_t TURNED = 16;  // pixels at a time where planes become pixels

int64_t rounded(int64_t count, int64_t step) { return (count + step - 1) / step * step; }

// Outputs are dealt out to blocks of one to three vectors, as evenly as can be.
struct Blocks {
    int64_t vectors, count;
    explicit Blocks(int64_t outputs)
        : vectors(rounded(outputs, LANES) / LANES), count((vectors + VECTORS - 1) / VECTORS) {}
    int64_t first(int64_t block) const { return vectors * block / count; }
    int64_t width(int64_t block) const { return first(block + 1) - first(block); }
};

int64_t pairs_of(int64_t inputs) { return (inputs + 1) / 2; }

// What a block's tile needs to know; `pixels` in one row of the image.
struct Tile {
    const int16_t *x;     // of the first pixel, at the first pair
    int64_t step;         // values from a pixel to the next
    const int16_t *w;     // block's weights at the first pair
    int64_t pairs;
    int32_t *sums;        // of the first pixel: width x LANES, pixel after pixel
    bool begin;           // the sums so far are zero
};

using Run = void (*)(const Tile &, int64_t pixels);

template <int NV> void run_plain(const Tile &t, int64_t pixels) {
    for (int64_t m = 0; m < pixels; ++m) {
        uint32_t sums[NV * LANES];
        int32_t *to = t.sums + m * NV * LANES;
        for (int64_t i = 0; i < NV * LANES; ++i) sums[i] = t.begin ? 0 : static_cast<uint32_t>(to[i]);
        const int16_t *x = t.x + m * t.step;
        for (int64_t p = 0; p < t.pairs; ++p) {
            const int16_t *w = t.w + p * NV * LANES * 2;
            const int32_t a = x[2 * p], b = x[2 * p + 1];
            for (int64_t i = 0; i < NV * LANES; ++i)
                sums[i] += static_cast<uint32_t>(a * w[2 * i]) + static_cast<uint32_t>(b * w[2 * i + 1]);
        }
        std::memcpy(to, sums, sizeof(sums));
    }
}

#ifdef CONV16_X86
inline int32_t pair_at(const int16_t *x) {
    int32_t pair;
    std::memcpy(&pair, x, 4);
    return pair;
}

// Fully, and early: else gcc keeps the sums in memory.
#define UNROLL _Pragma("GCC unroll 8")
#define AVX2 __attribute__((target("avx2")))
template <int NV, int MR> AVX2 inline void tile_avx2(const Tile &t, int64_t at) {
    constexpr int HALVES = 2 * NV; // vectors of eight outputs
    __m256i sums[MR][HALVES];
    int32_t *to = t.sums + at * NV * LANES;
    UNROLL for (int m = 0; m < MR; ++m)
        UNROLL for (int v = 0; v < HALVES; ++v)
            sums[m][v] = t.begin ? _mm256_setzero_si256()
                                 : _mm256_loadu_si256(reinterpret_cast<__m256i *>(to + m * NV * LANES + 8 * v));
    const int16_t *x = t.x + at * t.step, *w = t.w;
    for (int64_t p = 0; p < t.pairs; ++p, w += NV * LANES * 2) {
        __m256i pair[MR];
        UNROLL for (int m = 0; m < MR; ++m) pair[m] = _mm256_set1_epi32(pair_at(x + m * t.step + 2 * p));
        UNROLL for (int v = 0; v < HALVES; ++v) {
            const __m256i weights = _mm256_loadu_si256(reinterpret_cast<const __m256i *>(w + 16 * v));
            UNROLL for (int m = 0; m < MR; ++m)
                sums[m][v] = _mm256_add_epi32(sums[m][v], _mm256_madd_epi16(pair[m], weights));
        }
    }
    UNROLL for (int m = 0; m < MR; ++m)
        UNROLL for (int v = 0; v < HALVES; ++v)
            _mm256_storeu_si256(reinterpret_cast<__m256i *>(to + m * NV * LANES + 8 * v), sums[m][v]);
}

template <int NV> AVX2 void run_avx2(const Tile &t, int64_t pixels) {
    int64_t m = 0;
    for (; m + 2 <= pixels; m += 2) tile_avx2<NV, 2>(t, m);
    for (; m < pixels; ++m) tile_avx2<NV, 1>(t, m);
}

#define VNNI __attribute__((target("avx512f,avx512bw,avx512vnni")))
template <int NV, int MR> VNNI inline void tile_vnni(const Tile &t, int64_t at) {
    __m512i sums[MR][NV];
    int32_t *to = t.sums + at * NV * LANES;
    UNROLL for (int m = 0; m < MR; ++m)
        UNROLL for (int v = 0; v < NV; ++v)
            sums[m][v] = t.begin ? _mm512_setzero_si512() : _mm512_loadu_si512(to + (m * NV + v) * LANES);
    const int16_t *x = t.x + at * t.step, *w = t.w;
    for (int64_t p = 0; p < t.pairs; ++p, w += NV * LANES * 2) {
        __m512i weights[NV];
        UNROLL for (int v = 0; v < NV; ++v) weights[v] = _mm512_loadu_si512(w + 2 * v * LANES);
        UNROLL for (int m = 0; m < MR; ++m) {
            const __m512i pair = _mm512_set1_epi32(pair_at(x + m * t.step + 2 * p));
            UNROLL for (int v = 0; v < NV; ++v) sums[m][v] = _mm512_dpwssd_epi32(sums[m][v], pair, weights[v]);
        }
    }
    UNROLL for (int m = 0; m < MR; ++m)
        UNROLL for (int v = 0; v < NV; ++v) _mm512_storeu_si512(to + (m * NV + v) * LANES, sums[m][v]);
}

template <int NV> VNNI void run_vnni(const Tile &t, int64_t pixels) {
    int64_t m = 0;
    for (; m + 8 <= pixels; m += 8) tile_vnni<NV, 8>(t, m);
    if (m + 4 <= pixels) tile_vnni<NV, 4>(t, m), m += 4;
    for (; m < pixels; ++m) tile_vnni<NV, 1>(t, m);
}
#endif

// The kernel of a target for blocks of 1, 2 and 3 vectors.
Run run_of(int32_t target, int64_t vectors) {
#ifdef CONV16_X86
    static constexpr Run vnni[] = {run_vnni<1>, run_vnni<2>, run_vnni<3>};
    static constexpr Run avx2[] = {run_avx2<1>, run_avx2<2>, run_avx2<3>};
    if (target == 2) return vnni[vectors - 1];
    if (target == 1) return avx2[vectors - 1];
#endif
    (void)target;
    static constexpr Run plain[] = {run_plain<1>, run_plain<2>, run_plain<3>};
    return plain[vectors - 1];
}

// Images with `margin` zeros around, channels an even number, rows begin..end of all images' padded rows.
CLONES void widen_rows(const Task &task, int64_t margin, int16_t *wide, int64_t begin, int64_t end) {
    const int64_t channels = 2 * pairs_of(task.inputs), columns = task.width + 2 * margin;
    const int64_t rows = task.height + 2 * margin;
    for (int64_t row = begin; row < end; ++row) {
        int16_t *to = wide + row * columns * channels;
        const int64_t image = row / rows, y = row % rows - margin;
        if (y < 0 || y >= task.height) {
            std::memset(to, 0, static_cast<size_t>(columns * channels) * 2);
            continue;
        }
        std::memset(to, 0, static_cast<size_t>(margin * channels) * 2);
        int16_t *at = to + margin * channels;
        const int64_t own = task.inputs;
        if (task.planes) {
            const int64_t plane = task.height * task.width;
            const float *from = task.x + image * own * plane + y * task.width;
            for (int64_t first = 0; first < task.width; first += TURNED) {
                const int64_t count = std::min(TURNED, task.width - first);
                for (int64_t c = 0; c < own; ++c)
                    for (int64_t k = first; k < first + count; ++k)
                        at[k * channels + c] = static_cast<int16_t>(static_cast<int32_t>(from[c * plane + k]));
            }
        } else {
            const float *from = task.x + (image * task.height + y) * task.width * own;
            for (int64_t k = 0; k < task.width; ++k)
                for (int64_t c = 0; c < own; ++c)
                    at[k * channels + c] = static_cast<int16_t>(static_cast<int32_t>(from[k * own + c]));
        }
        if (channels > own)
            for (int64_t k = 0; k < task.width; ++k) at[k * channels + own] = 0;
        at += task.width * channels;
        std::memset(at, 0, static_cast<size_t>(margin * channels) * 2);
    }
}

// Sums of a block to its outputs.
CLONES void finish(const Task &task, const int32_t *sums, int64_t pixels, int64_t first, int64_t lanes, float *out) {
    const int64_t count = std::min(lanes, task.outputs - first);
    const int32_t low = task.low, high = task.high;
    for (int64_t m = 0; m < pixels; ++m) {
        const int32_t *__restrict from = sums + m * lanes, *__restrict bias = task.bias + first;
        const int32_t *__restrict shifts = task.shifts + first;
        float *__restrict to = out + m * task.outputs;
        for (int64_t i = 0; i < count; ++i) {
            const uint32_t sum = static_cast<uint32_t>(from[i]) + static_cast<uint32_t>(bias[i]);
            int32_t value = static_cast<int32_t>(sum) >> shifts[i];
            value = std::max(value, low);
            value = std::min(value, high);
            to[i] = static_cast<float>(value);
        }
    }
}

// Rows begin..end of all images.
void convolve(const Task &task, const int16_t *wide, int32_t target, int64_t begin, int64_t end) {
    const int64_t pairs = pairs_of(task.inputs), kernel = task.kernel, margin = kernel / 2;
    const int64_t row_step = (task.width + 2 * margin) * 2 * pairs, run = kernel * pairs;
    const Blocks blocks(task.outputs);
    const int64_t together = std::max<int64_t>(1, PIXELS / std::max<int64_t>(1, task.width));
    static thread_local Kept kept;
    int32_t *sums = reinterpret_cast<int32_t *>(kept.take(together * task.width * VECTORS * LANES * 4));
    for (int64_t top = begin; top < end; top += together) {
        const int64_t rows = std::min(together, end - top);
        const int16_t *w = task.packed;
        for (int64_t block = 0; block < blocks.count; ++block) {
            const int64_t vectors = blocks.width(block), lanes = vectors * LANES;
            const Run tile = run_of(target, vectors);
            for (int64_t ky = 0; ky < kernel; ++ky)
                for (int64_t pair = 0; pair < run; pair += CHUNK) {
                    const int64_t count = std::min(CHUNK, run - pair);
                    for (int64_t row = 0; row < rows; ++row) {
                        const int64_t image = (top + row) / task.height, y = (top + row) % task.height;
                        const int64_t padded = image * (task.height + 2 * margin) + y + ky;
                        tile({wide + padded * row_step + 2 * pair, 2 * pairs, w, count,
                              sums + row * task.width * lanes, ky == 0 && pair == 0},
                             task.width);
                    }
                    w += count * lanes * 2;
                }
            const int64_t first = blocks.first(block) * LANES;
            finish(task, sums, rows * task.width, first, lanes, task.out + top * task.width * task.outputs + first);
        }
    }
    kept.leave();
}

} // namespace

int32_t vedette_conv16_targets(void) {
#ifdef CONV16_X86
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512vnni"))
        return 3;
    if (__builtin_cpu_supports("avx2")) return 2;
#endif
    return 1;
}

int64_t vedette_conv16_packed(int64_t outputs, int64_t inputs, int64_t kernel) {
    return rounded(outputs, LANES) * kernel * kernel * 2 * pairs_of(inputs);
}

void vedette_conv16_pack(const int16_t *weight, int64_t outputs, int64_t inputs, int64_t kernel, int16_t *packed) {
    const Blocks blocks(outputs);
    const int64_t pairs = pairs_of(inputs);
    for (int64_t block = 0; block < blocks.count; ++block) {
        const int64_t first = blocks.first(block) * LANES, lanes = blocks.width(block) * LANES;
        for (int64_t ky = 0; ky < kernel; ++ky)
            for (int64_t kx = 0; kx < kernel; ++kx)
                for (int64_t pair = 0; pair < pairs; ++pair)
                    for (int64_t i = 0; i < lanes; ++i)
                        for (int64_t c = 2 * pair; c < 2 * pair + 2; ++c) {
                            const bool there = first + i < outputs && c < inputs;
                            const int64_t at = (((first + i) * inputs + c) * kernel + ky) * kernel + kx;
                            *packed++ = there ? weight[at] : int16_t{0};
                        }
    }
}

int32_t vedette_conv16(const Conv16Task *task, int32_t threads, int32_t target) {
    const int32_t fastest = vedette_conv16_targets() - 1;
    const int32_t chosen = target < 0 || target > fastest ? fastest : target;
    const int64_t margin = task->kernel / 2, rows = task->batch * (task->height + 2 * margin);
    if (task->batch * task->height * task->width * task->outputs == 0) return 0;
    try {
        static thread_local Kept kept;
        const int64_t values = rows * (task->width + 2 * margin) * 2 * pairs_of(task->inputs);
        int16_t *wide = reinterpret_cast<int16_t *>(kept.take(2 * values));
        in_threads(rows, 1, threads, [&](int64_t begin, int64_t end) { widen_rows(*task, margin, wide, begin, end); });
        in_threads(task->batch * task->height, 1, threads,
                   [&](int64_t begin, int64_t end) { convolve(*task, wide, chosen, begin, end); });
        kept.leave();
    } catch (const std::bad_alloc &) {
        return 2;
    } catch (const std::system_error &) {
        return 2;
    }
    return 0;
}
