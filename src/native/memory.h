// Aligned memory for kernels, and memory that a thread keeps between calls.
#pragma once
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>

struct Free {
    void operator()(void *p) const { std::free(p); }
};
using Bytes = std::unique_ptr<uint8_t, Free>;

inline Bytes bytes(int64_t count) {
    void *p = std::aligned_alloc(64, static_cast<size_t>((std::max<int64_t>(count, 1) + 63) / 64 * 64));
    if (!p) throw std::bad_alloc();
    return Bytes(static_cast<uint8_t *>(p));
}

// Memory that a thread keeps for the next call, if it is not too much: fresh pages cost as much as the work.
class Kept {
  public:
    uint8_t *take(int64_t count) {
        if (count > size_) {
            bytes_.reset();
            bytes_ = bytes(count);
            size_ = count;
        }
        return bytes_.get();
    }
    void leave() {
        if (size_ > MOST) bytes_.reset(), size_ = 0;
    }

  private:
    static constexpr int64_t MOST = int64_t{1} << 26;
    Bytes bytes_;
    int64_t size_ = 0;
};
