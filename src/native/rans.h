// The rANS kernels' plain interface: no Python, no allocation, every bound checked by the kernel.
#pragma once
#include <cstdint>

// Valid tables are the caller's part: vedette.bitstream.tables.Tables checks them once and locks them.
struct RansTables {
    const int32_t *cdf;      // all tables, one after the other, each 0 .. 65536
    const int32_t *starts;   // first entry of each table in cdf; count + 1 values
    const int32_t *firsts;   // the symbol of each table's first bin
    const uint16_t *buckets; // 256 per table: the bin that holds slot 256 * b (decoder only)
    int32_t count;
};

extern "C" {
// Words written (at most n), or -1: a table number out of range. Words come out last first;
// escapes get the values of escaped symbols, last first, and *escaped their number.
int64_t vedette_rans_encode(const int32_t *symbols, const int32_t *ids, int64_t n, const RansTables *tables,
                            int32_t lanes, uint64_t *states, uint16_t *words, int32_t *escapes, int64_t *escaped);

// cursor: [symbols so far, words read, escapes read, spare], kept by the caller between calls.
// Returns 0, or 1: words ran out, 2: escapes ran out, 3: a table number out of range.
int32_t vedette_rans_decode(int32_t *symbols, const int32_t *ids, int64_t n, const RansTables *tables, int32_t lanes,
                            uint64_t *states, const uint16_t *words, int64_t word_count, const int32_t *escapes,
                            int64_t escape_count, int64_t *cursor);
}
