// Interleaved rANS with 40-bit states, 16-bit words and 16-bit tables (J. Duda, arXiv 1311.2540).
// The bytes are those of the reference in bitstream/rans.py. States of 32 bits would cost 0.17 % of
// the stream: at 16-bit precision their quotient is too often a small number.
#include "rans.h"

static const uint64_t LOW = 1u << 24; // states live in [LOW, 2^40)

// floor(state / freq), exact: for state < 2^53 a rounded quotient never reaches the next integer.
// Doubles divide in a fraction of the time that 64-bit integers take.
static inline uint64_t divide(uint64_t state, uint64_t freq) {
    return static_cast<uint64_t>(static_cast<int64_t>(static_cast<double>(static_cast<int64_t>(state)) /
                                                      static_cast<double>(static_cast<int64_t>(freq))));
}

int64_t vedette_rans_encode(const int32_t *symbols, const int32_t *ids, int64_t n, const RansTables *tables,
                            int32_t lanes, uint64_t *states, uint16_t *words, int32_t *escapes, int64_t *escaped) {
    int64_t out = 0, extra = 0;
    for (int32_t lane = 0; lane < lanes; ++lane) states[lane] = LOW;
    for (int64_t i = n - 1; i >= 0; --i) {
        const int32_t id = ids[i];
        if (id < 0 || id >= tables->count) return -1;
        const int32_t *cdf = tables->cdf + tables->starts[id];
        const int64_t last = tables->starts[id + 1] - tables->starts[id] - 2; // the escape bin
        int64_t bin = static_cast<int64_t>(symbols[i]) - tables->firsts[id];
        if (bin < 0 || bin >= last) {
            escapes[extra++] = symbols[i];
            bin = last;
        }
        const uint64_t start = cdf[bin], freq = cdf[bin + 1] - cdf[bin];
        uint64_t state = states[i & (lanes - 1)];
        if (state >= freq << 24) {
            words[out++] = static_cast<uint16_t>(state);
            state >>= 16;
        }
        const uint64_t quotient = divide(state, freq);
        states[i & (lanes - 1)] = (quotient << 16) + start + (state - quotient * freq);
    }
    *escaped = extra;
    return out;
}

int32_t vedette_rans_decode(int32_t *symbols, const int32_t *ids, int64_t n, const RansTables *tables, int32_t lanes,
                            uint64_t *states, const uint16_t *words, int64_t word_count, const int32_t *escapes,
                            int64_t escape_count, int64_t *cursor) {
    int64_t index = cursor[0], next = cursor[1], extra = cursor[2];
    for (int64_t i = 0; i < n; ++i, ++index) {
        const int32_t id = ids[i];
        if (id < 0 || id >= tables->count) return 3;
        const int32_t *cdf = tables->cdf + tables->starts[id];
        const int32_t last = tables->starts[id + 1] - tables->starts[id] - 2;
        uint64_t state = states[index & (lanes - 1)];
        const int32_t slot = static_cast<int32_t>(state & 0xffff);
        int32_t bin = tables->buckets[static_cast<int64_t>(id) * 256 + (slot >> 8)];
        while (cdf[bin + 1] <= slot) ++bin;
        state = static_cast<uint64_t>(cdf[bin + 1] - cdf[bin]) * (state >> 16) + (slot - cdf[bin]);
        if (state < LOW) {
            if (next >= word_count) return 1;
            state = state << 16 | words[next++];
        }
        states[index & (lanes - 1)] = state;
        if (bin < last) {
            symbols[i] = tables->firsts[id] + bin;
        } else {
            if (extra >= escape_count) return 2;
            symbols[i] = escapes[extra++];
        }
    }
    cursor[0] = index, cursor[1] = next, cursor[2] = extra;
    return 0;
}
