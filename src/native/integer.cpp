// Integer operators of the networks that decide bytes, in C++17 that means the same on every processor.
// The references are numerics/integer.py, tables.py and lifting.py; limits are checked before any sum.
#include "integer.h"

#include <algorithm>
#include <cmath>

static const int64_t ROOT_MAX = int64_t{1} << 62; // the largest integer whose root is taken
static const int64_t SAMPLE_MAX = int64_t{1} << 40, BAND_MAX = int64_t{1} << 45;

// floor(value / 2^shift): what >> does with a negative number is only promised from C++20 on.
static inline int64_t shift_down(int64_t value, int32_t shift) {
    return value < 0 ? ~(~value >> shift) : value >> shift;
}

// floor(value / 2^shift + 1/2), with no intermediate that could overflow.
static inline int64_t shift_round(int64_t value, int32_t shift) {
    return shift ? shift_down(value, shift) + (shift_down(value, shift - 1) & 1) : value;
}

static inline uint64_t magnitude(int64_t value) {
    return value < 0 ? 0 - static_cast<uint64_t>(value) : static_cast<uint64_t>(value);
}

static uint64_t largest(const int32_t *x, int64_t count) {
    int32_t low = 0, high = 0;
    for (int64_t i = 0; i < count; ++i) low = std::min(low, x[i]), high = std::max(high, x[i]);
    return std::max(magnitude(low), magnitude(high));
}

// Whether taps * most + start <= limit, without forming it.
static inline bool fits(uint64_t taps, uint64_t most, uint64_t start, uint64_t limit) {
    return start <= limit && (most == 0 || taps <= (limit - start) / most);
}

static bool shifts_allowed(const int32_t *shifts, int32_t channels) {
    return std::all_of(shifts, shifts + channels, [](int32_t shift) { return shift >= 0 && shift <= 62; });
}

// The root is at most one off, whatever the processor's square root rounds to: two comparisons put it right.
static inline int64_t root_of(int64_t n) {
    int64_t root = static_cast<int64_t>(std::sqrt(static_cast<double>(n)));
    root -= root * root > n;
    return root + ((root + 1) * (root + 1) <= n);
}

// Where a tap's samples come from: outputs first .. end - 1 see the image, at stride * output + offset.
struct Reach {
    int64_t first, end, offset;
    Reach(int64_t tap, int64_t size, int64_t outputs, int64_t stride, int64_t padding) : offset(tap - padding) {
        first = std::min(outputs, offset < 0 ? (stride - 1 - offset) / stride : 0);
        end = offset < size ? std::min(outputs, (size - 1 - offset) / stride + 1) : 0;
    }
};

static void add_tap(const int32_t *plane, int64_t width, int64_t weight, const Reach &rows, const Reach &columns,
                    int64_t stride, int64_t out_width, int64_t *sums) {
    for (int64_t row = rows.first; row < rows.end; ++row) {
        const int32_t *source = plane + (row * stride + rows.offset) * width;
        int64_t *target = sums + row * out_width;
        if (stride == 1) // said apart so that it becomes vector code
            for (int64_t c = columns.first; c < columns.end; ++c) target[c] += weight * source[c + columns.offset];
        else
            for (int64_t c = columns.first; c < columns.end; ++c)
                target[c] += weight * source[c * stride + columns.offset];
    }
}

int32_t vedette_conv2d(const int32_t *x, int32_t height, int32_t width, const IntegerConv2d *conv, int64_t *sums) {
    const int64_t stride = conv->stride, padding = conv->padding, pixels = int64_t{height} * width;
    if (stride < 1 || padding < 0 || height < 0 || width < 0) return 1;
    const int64_t spare_rows = height + 2 * padding - conv->kernel_height;
    const int64_t spare_columns = width + 2 * padding - conv->kernel_width;
    if (spare_rows < 0 || spare_columns < 0) return 1;
    const int64_t out_height = spare_rows / stride + 1, out_width = spare_columns / stride + 1;
    const int64_t kernel = int64_t{conv->kernel_height} * conv->kernel_width, taps = conv->inputs * kernel;
    const uint64_t most = largest(x, conv->inputs * pixels);
    for (int32_t o = 0; o < conv->outputs; ++o) {
        uint64_t total = 0;
        for (int64_t i = 0; i < taps; ++i) total += magnitude(conv->weight[o * taps + i]);
        if (!fits(total, most, conv->bias ? magnitude(conv->bias[o]) : 0, INT64_MAX)) return 1;
    }
    for (int32_t o = 0; o < conv->outputs; ++o) {
        int64_t *plane = sums + o * out_height * out_width;
        std::fill(plane, plane + out_height * out_width, conv->bias ? conv->bias[o] : 0);
        for (int32_t i = 0; i < conv->inputs; ++i)
            for (int32_t u = 0; u < conv->kernel_height; ++u) {
                const Reach rows(u, height, out_height, stride, padding);
                for (int32_t v = 0; v < conv->kernel_width; ++v) {
                    const Reach columns(v, width, out_width, stride, padding);
                    const int64_t weight = conv->weight[o * taps + i * kernel + u * conv->kernel_width + v];
                    add_tap(x + i * pixels, width, weight, rows, columns, stride, out_width, plane);
                }
            }
    }
    return 0;
}

int32_t vedette_requantize(const int64_t *sums, int32_t channels, int64_t pixels, const int32_t *shifts, int32_t low,
                           int32_t high, int32_t *out) {
    if (low > high || !shifts_allowed(shifts, channels)) return 1;
    for (int32_t c = 0; c < channels; ++c)
        for (int64_t i = c * pixels; i < (c + 1) * pixels; ++i) {
            const int64_t value = shift_round(sums[i], shifts[c]);
            out[i] = static_cast<int32_t>(std::min<int64_t>(std::max<int64_t>(value, low), high));
        }
    return 0;
}

int32_t vedette_product(const int32_t *a, const int32_t *b, int32_t channels, int64_t pixels, const int32_t *shifts,
                        int64_t *out) {
    if (!shifts_allowed(shifts, channels)) return 1;
    for (int32_t c = 0; c < channels; ++c)
        for (int64_t i = c * pixels; i < (c + 1) * pixels; ++i)
            out[i] = shift_round(int64_t{a[i]} * b[i], shifts[c]); // at most 2^62
    return 0;
}

int32_t vedette_lookup(const int64_t *x, int64_t count, const int64_t *table, int64_t size, int64_t first,
                       int64_t *out) {
    if (size < 1) return 1;
    const uint64_t last = static_cast<uint64_t>(size - 1);
    for (int64_t i = 0; i < count; ++i) { // x - first could leave int64, but as an unsigned distance it cannot
        const uint64_t distance = static_cast<uint64_t>(x[i]) - static_cast<uint64_t>(first);
        out[i] = table[x[i] < first ? 0 : std::min(distance, last)];
    }
    return 0;
}

int32_t vedette_isqrt(const int64_t *n, int64_t count, int64_t *roots) {
    if (std::any_of(n, n + count, [](int64_t value) { return value < 0 || value > ROOT_MAX; })) return 1;
    for (int64_t i = 0; i < count; ++i) roots[i] = root_of(n[i]);
    return 0;
}

// numerics.integer.check_gdn: the norms stay within 2^62, and so does all that comes of them.
static bool gdn_allowed(uint64_t most, int32_t channels, const int64_t *beta, const int32_t *gamma, int32_t shift) {
    if (shift < 0 || shift > 30 || most << (shift + 1) >= uint64_t{1} << 62) return false;
    for (int32_t i = 0; i < channels; ++i) {
        uint64_t total = 0;
        for (int32_t j = 0; j < channels; ++j) {
            const int64_t factor = gamma[int64_t{i} * channels + j];
            if (factor < 0) return false;
            total += static_cast<uint64_t>(factor);
        }
        if (beta[i] < 1 || !fits(total, most * most, static_cast<uint64_t>(beta[i]), ROOT_MAX)) return false;
        // x root reaches 2^62 only where both are at their ends, and x can only beside a gamma of zeros
        if (most == uint64_t{1} << 31 && beta[i] == ROOT_MAX) return false;
    }
    return true;
}

int32_t vedette_gdn(const int32_t *x, int32_t channels, int64_t pixels, const int64_t *beta, const int32_t *gamma,
                    int32_t shift, int32_t inverse, int64_t *out) {
    if (!gdn_allowed(largest(x, channels * pixels), channels, beta, gamma, shift)) return 1;
    for (int32_t i = 0; i < channels; ++i) {
        int64_t *norms = out + i * pixels;
        std::fill(norms, norms + pixels, beta[i]);
        for (int32_t j = 0; j < channels; ++j) {
            const int64_t factor = gamma[int64_t{i} * channels + j];
            const int32_t *plane = x + j * pixels;
            for (int64_t p = 0; p < pixels; ++p) norms[p] += factor * (int64_t{plane[p]} * plane[p]);
        }
        for (int64_t p = 0; p < pixels; ++p) {
            const int64_t root = root_of(norms[p]), value = x[i * pixels + p];
            const int64_t dividend = value * (int64_t{1} << (shift + 1)) + root, divisor = 2 * root;
            const int64_t toward_zero = dividend / divisor;
            norms[p] = inverse ? shift_round(value * root, shift) : toward_zero - (dividend % divisor < 0);
        }
    }
    return 0;
}

// One step on the samples from `start` on, every second; the signal is mirrored at its ends. Sums are
// formed without a sign, where wrapping around is defined.
static void lift_step(int64_t *x, int64_t length, const LiftingStep &step, int64_t start, bool inverse) {
    for (int64_t i = start; i < length; i += 2) {
        const uint64_t left = static_cast<uint64_t>(x[i > 0 ? i - 1 : 1]);
        const uint64_t right = static_cast<uint64_t>(x[i + 1 < length ? i + 1 : i - 1]);
        const uint64_t total = static_cast<uint64_t>(step.factor) * (left + right) + static_cast<uint64_t>(step.offset);
        const uint64_t change = static_cast<uint64_t>(shift_down(static_cast<int64_t>(total), step.shift));
        const uint64_t sample = static_cast<uint64_t>(x[i]);
        x[i] = static_cast<int64_t>(inverse ? sample - change : sample + change);
    }
}

int32_t vedette_lift(int64_t *x, int64_t length, const LiftingStep *steps, int32_t count, int32_t inverse) {
    if (std::any_of(steps, steps + count, [](const LiftingStep &s) { return s.shift < 0 || s.shift > 62; })) return 1;
    if (!inverse && length < 1) return 1;
    const int64_t most = inverse ? BAND_MAX : SAMPLE_MAX;
    if (std::any_of(x, x + length, [most](int64_t v) { return v > most || v < -most; })) return 1;
    if (length < 2) return 0;
    for (int32_t k = 0; k < count; ++k) {
        const int32_t number = inverse ? count - 1 - k : k;
        lift_step(x, length, steps[number], number % 2 ? 0 : 1, inverse != 0);
    }
    return 0;
}
