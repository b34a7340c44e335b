// Codes the golden symbols of test_rans.py with the kernels alone, no Python, and prints the parts of
// the stream: states, words, escapes, all as hexadecimal numbers; then decodes them again.
#include <cstdio>
#include <vector>

#include "../../src/native/rans.h"

int main() {
    const std::vector<int32_t> cdf = {0, 40000, 60000, 65535, 65536, 0, 10, 30000, 65000, 65536};
    const std::vector<int32_t> starts = {0, 5, 10}, firsts = {0, -2};
    const std::vector<int32_t> symbols = {0, -1, -2, 5, 1000, -1, 0, -2147483647 - 1, 2, 2147483647, 0};
    const std::vector<int32_t> ids = {0, 1, 1, 0, 1, 1, 0, 1, 0, 1, 0};
    const int64_t n = static_cast<int64_t>(symbols.size());
    std::vector<uint16_t> buckets(2 * 256);
    for (int table = 0; table < 2; ++table)
        for (int bucket = 0; bucket < 256; ++bucket) {
            uint16_t bin = 0;
            while (cdf[starts[table] + bin + 1] <= bucket * 256) ++bin;
            buckets[table * 256 + bucket] = bin;
        }
    const RansTables tables = {cdf.data(), starts.data(), firsts.data(), buckets.data(), 2};
    for (int32_t lanes : {1, 8}) {
        std::vector<uint64_t> states(lanes);
        std::vector<uint16_t> words(n);
        std::vector<int32_t> escapes(n), decoded(n);
        int64_t escaped = 0, cursor[4] = {};
        const int64_t written = vedette_rans_encode(symbols.data(), ids.data(), n, &tables, lanes, states.data(),
                                                    words.data(), escapes.data(), &escaped);
        if (written < 0) return 1;
        // Written last first, read first to last.
        const std::vector<uint16_t> in_order(words.rend() - written, words.rend());
        const std::vector<int32_t> values(escapes.rend() - escaped, escapes.rend());
        for (uint64_t state : states)
            for (int byte = 0; byte < 5; ++byte) std::printf("%02x", static_cast<unsigned>(state >> 8 * byte & 0xff));
        for (uint16_t word : in_order) std::printf("%02x%02x", word & 0xff, word >> 8);
        std::printf("\n");
        if (vedette_rans_decode(decoded.data(), ids.data(), n, &tables, lanes, states.data(), in_order.data(), written,
                                values.data(), escaped, cursor) != 0 || decoded != symbols)
            return 2;
        if (vedette_rans_decode(decoded.data(), ids.data(), 1, &tables, lanes, states.data(), in_order.data(), written,
                                values.data(), escaped, cursor) != 1) // nothing is left to read
            return 3;
    }
    return 0;
}
