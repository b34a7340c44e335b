// How the test programs and pytest exchange arrays: the bytes of one as int64, then them.
#pragma once
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

template <typename T> static std::vector<T> take(FILE *file) {
    int64_t bytes = 0;
    if (std::fread(&bytes, 8, 1, file) != 1 || bytes < 0) std::exit(2);
    const size_t count = static_cast<size_t>(bytes) / sizeof(T);
    std::vector<T> values(count + 1); // one spare: data() is then never null
    if (std::fread(values.data(), 1, count * sizeof(T), file) != static_cast<size_t>(bytes)) std::exit(2);
    values.resize(count);
    return values;
}

template <typename T> static void put(FILE *file, const std::vector<T> &values) {
    const int64_t bytes = static_cast<int64_t>(values.size() * sizeof(T));
    std::fwrite(&bytes, 8, 1, file);
    if (bytes) std::fwrite(values.data(), 1, static_cast<size_t>(bytes), file);
}
