// Runs one rANS kernel on the arrays in one file and writes what it gave to another.
// Usage: rans_main encode|decode INPUT OUTPUT. Each array in a file: its bytes as int64, then them.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "rans.h"

template <typename T> static std::vector<T> take(FILE *file) {
    int64_t bytes = 0;
    if (std::fread(&bytes, 8, 1, file) != 1) std::exit(2);
    std::vector<T> values(bytes / sizeof(T) + 1); // one spare: data() is then never null
    if (std::fread(values.data(), 1, bytes, file) != static_cast<size_t>(bytes)) std::exit(2);
    values.resize(bytes / sizeof(T));
    return values;
}

template <typename T> static void put(FILE *file, const std::vector<T> &values) {
    const int64_t bytes = static_cast<int64_t>(values.size() * sizeof(T));
    std::fwrite(&bytes, 8, 1, file);
    std::fwrite(values.data(), 1, bytes, file);
}

int main(int count, char **arguments) {
    if (count != 4) return 2;
    FILE *input = std::fopen(arguments[2], "rb"), *output = std::fopen(arguments[3], "wb");
    if (!input || !output) return 2;
    auto symbols = take<int32_t>(input), ids = take<int32_t>(input), cdf = take<int32_t>(input);
    auto starts = take<int32_t>(input), firsts = take<int32_t>(input);
    auto buckets = take<uint16_t>(input);
    auto states = take<uint64_t>(input);
    auto words = take<uint16_t>(input);
    auto escapes = take<int32_t>(input);
    auto cursor = take<int64_t>(input);
    const RansTables tables{cdf.data(), starts.data(), firsts.data(), buckets.data(), static_cast<int32_t>(firsts.size())};
    const int64_t n = static_cast<int64_t>(ids.size());
    const int32_t lanes = static_cast<int32_t>(states.size());
    std::vector<int64_t> status(2);
    if (!std::strcmp(arguments[1], "encode"))
        status[0] = vedette_rans_encode(symbols.data(), ids.data(), n, &tables, lanes, states.data(), words.data(),
                                        escapes.data(), &status[1]);
    else
        status[0] = vedette_rans_decode(symbols.data(), ids.data(), n, &tables, lanes, states.data(), words.data(),
                                        static_cast<int64_t>(words.size()), escapes.data(),
                                        static_cast<int64_t>(escapes.size()), cursor.data());
    put(output, status), put(output, symbols), put(output, states), put(output, words), put(output, escapes);
    put(output, cursor);
    return std::fclose(output) ? 2 : 0;
}
