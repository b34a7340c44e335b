// What of the engine is worth a vector unit; included once a target, with LANES_TARGET its attribute,
// LANES_VECTOR its words a vector, and LANES_TERNARY 1 where the processor has three-input operations.
// A net's row is a multiple of 4 words, aligned to 32 bytes.

typedef uint64_t Vector __attribute__((vector_size(8 * LANES_VECTOR), aligned(8 * LANES_VECTOR), may_alias));

LANES_TARGET static inline Vector &at(uint64_t *words) { return *reinterpret_cast<Vector *>(words); }

LANES_TARGET static inline bool any(const uint64_t *row, int64_t words) {
    for (int64_t w = 0; w < words; ++w)
        if (row[w]) return true;
    return false;
}

#if LANES_TERNARY
template <int T> LANES_TARGET static inline __attribute__((always_inline)) Vector apply(Vector a, Vector b, Vector c) {
    return (Vector)_mm256_ternarylogic_epi64((__m256i)a, (__m256i)b, (__m256i)c, T);
}
#else
template <int T> LANES_TARGET static inline __attribute__((always_inline)) Vector pair(Vector b, Vector c) {
    if constexpr (T == 0) return b ^ b;
    if constexpr (T == 1) return ~(b | c);
    if constexpr (T == 2) return ~b & c;
    if constexpr (T == 3) return ~b;
    if constexpr (T == 4) return b & ~c;
    if constexpr (T == 5) return ~c;
    if constexpr (T == 6) return b ^ c;
    if constexpr (T == 7) return ~(b & c);
    if constexpr (T == 8) return b & c;
    if constexpr (T == 9) return ~(b ^ c);
    if constexpr (T == 10) return c;
    if constexpr (T == 11) return c | ~b;
    if constexpr (T == 12) return b;
    if constexpr (T == 13) return b | ~c;
    if constexpr (T == 14) return b | c;
    return ~(b ^ b);
}

template <int T> LANES_TARGET static inline __attribute__((always_inline)) Vector apply(Vector a, Vector b, Vector c) {
    constexpr int low = T & 15, high = T >> 4;
    if constexpr (low == high) return pair<low>(b, c);
    else if constexpr (low == 0) return a & pair<high>(b, c);
    else if constexpr (high == 0) return ~a & pair<low>(b, c);
    else if constexpr (low == 15) return ~a | pair<high>(b, c);
    else if constexpr (high == 15) return a | pair<low>(b, c);
    else if constexpr (low == (high ^ 15)) return a ^ pair<low>(b, c);
    else return (pair<low>(b, c) & ~a) | (pair<high>(b, c) & a);
}
#endif

// Operands that the function does not depend on are not loaded.
template <int T>
LANES_TARGET static inline __attribute__((always_inline)) void ternary(uint64_t *nets, const Op &op, int64_t words) {
    constexpr bool on_a = ((T ^ T >> 4) & 15) != 0, on_b = ((T ^ T >> 2) & 0x33) != 0, on_c = ((T ^ T >> 1) & 0x55) != 0;
    uint64_t *out = nets + op.out, *a = nets + op.a, *b = nets + op.b, *c = nets + op.c;
    int64_t w = 0;
    do {
        Vector x{}, y{}, z{};
        if constexpr (on_a) x = at(a + w);
        if constexpr (on_b) y = at(b + w);
        if constexpr (on_c) z = at(c + w);
        at(out + w) = apply<T>(x, y, z);
        w += LANES_VECTOR;
    } while (w < words);
}

#define LANES_ROW(m, h) \
    m(h##0) m(h##1) m(h##2) m(h##3) m(h##4) m(h##5) m(h##6) m(h##7) \
    m(h##8) m(h##9) m(h##A) m(h##B) m(h##C) m(h##D) m(h##E) m(h##F)
#define LANES_ALL(m) \
    LANES_ROW(m, 0x0) LANES_ROW(m, 0x1) LANES_ROW(m, 0x2) LANES_ROW(m, 0x3) \
    LANES_ROW(m, 0x4) LANES_ROW(m, 0x5) LANES_ROW(m, 0x6) LANES_ROW(m, 0x7) \
    LANES_ROW(m, 0x8) LANES_ROW(m, 0x9) LANES_ROW(m, 0xA) LANES_ROW(m, 0xB) \
    LANES_ROW(m, 0xC) LANES_ROW(m, 0xD) LANES_ROW(m, 0xE) LANES_ROW(m, 0xF)
#define LANES_LABEL(t) &&step_##t,
#define LANES_STEP(t) step_##t: ternary<t>(nets, *op, words); ++op; goto *labels[op->jump];

// Every operation jumps to the next one itself, so that each jump has a place of its own to be predicted at.
LANES_TARGET static void execute(Machine &machine, const Op *op) {
    static const void *const labels[] = {LANES_ALL(LANES_LABEL) &&special, &&end};
    uint64_t *const nets = machine.nets;
    const int64_t words = machine.words;
    goto *labels[op->jump];
    LANES_ALL(LANES_STEP)
special:
    machine.special(static_cast<int32_t>(op->out), static_cast<int32_t>(op->a));
    ++op;
    goto *labels[op->jump];
end:;
}

#undef LANES_LABEL
#undef LANES_STEP
#undef LANES_ALL
#undef LANES_ROW

LANES_TARGET static void reset(Machine &machine, const int32_t *group) {
    const int64_t words = machine.words;
    uint64_t *asserted = machine.nets + group[0] * words;
    if (!any(asserted, words)) return;
    for (int32_t i = group[1]; i < group[2]; ++i) {
        const int32_t *member = machine.program->members + 3 * int64_t{i};
        uint64_t *row = machine.nets + member[1] * words;
        if (member[2])
            for (int64_t w = 0; w < words; w += LANES_VECTOR) at(row + w) |= at(asserted + w);
        else
            for (int64_t w = 0; w < words; w += LANES_VECTOR) at(row + w) &= ~at(asserted + w);
        machine.reset_marks(member[0], asserted, row);
    }
}

LANES_TARGET static void shift(uint64_t *rows, int64_t depth, uint64_t *data, uint64_t *enable, int64_t words) {
    if (!any(enable, words)) return;
    for (int64_t i = depth - 1; i >= 0; --i) {
        uint64_t *row = rows + i * words, *before = i ? row - words : data;
        for (int64_t w = 0; w < words; w += LANES_VECTOR)
            at(row + w) ^= (at(row + w) ^ at(before + w)) & at(enable + w);
    }
}

// Lanes in which one of some nets differs from its fault-free value.
LANES_TARGET static void differ(uint64_t *nets, const int32_t *bits, int64_t count, const uint8_t *right,
                                int64_t words, uint64_t *wrong) {
    for (int64_t w = 0; w < words; w += LANES_VECTOR) {
        Vector total{};
        for (int64_t i = 0; i < count; ++i) {
            const Vector value = at(nets + bits[i] * words + w);
            total |= right[i] ? ~value : value;
        }
        at(wrong + w) = total;
    }
}

LANES_TARGET static inline Vector add(Vector &sum, Vector b, Vector c) {
    const Vector u = sum ^ b, carry = (sum & b) | (u & c);
    sum = u ^ c;
    return carry;
}

// 64 cycles of mismatches added to counters that lie one bit a plane; 8 cycles at once by full adders.
LANES_TARGET static void count(uint64_t *history, int64_t words, uint64_t *planes) {
    for (int64_t w = 0; w < words; w += LANES_VECTOR) {
        Vector ones = at(planes + w), twos = at(planes + words + w), fours = at(planes + 2 * words + w);
        for (int64_t cycle = 0; cycle < 64; cycle += 8) {
            uint64_t *h = history + cycle * words + w;
            const Vector t0 = add(ones, at(h), at(h + words)), t1 = add(ones, at(h + 2 * words), at(h + 3 * words));
            const Vector t2 = add(ones, at(h + 4 * words), at(h + 5 * words));
            const Vector t3 = add(ones, at(h + 6 * words), at(h + 7 * words));
            const Vector f0 = add(twos, t0, t1), f1 = add(twos, t2, t3);
            Vector carry = add(fours, f0, f1);
            for (int64_t p = 3; p < COUNTER_BITS && any(reinterpret_cast<uint64_t *>(&carry), LANES_VECTOR); ++p) {
                const Vector plane = at(planes + p * words + w);
                at(planes + p * words + w) = plane ^ carry;
                carry &= plane;
            }
        }
        at(planes + w) = ones;
        at(planes + words + w) = twos;
        at(planes + 2 * words + w) = fours;
    }
}

static constexpr Kernel KERNEL = {execute, reset, shift, differ, count};
