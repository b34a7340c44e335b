// Convolutions of 16-bit integers with exact 32-bit sums; no Python. The reference is numerics/conv16.py.
#pragma once
#include <cstdint>

// Stride 1, an odd square kernel, zeros around: the size stays. Images lie as batch, height, width, channels; the
// input may lie as batch, channels, height, width.
struct Conv16Task {
    const float *x;          // integers within 16 bits, `inputs` channels
    const int16_t *packed;   // weights as vedette_conv16_pack lays them
    const int32_t *bias;     // one for each output
    const int32_t *shifts;   // one for each output, 0..31
    int64_t batch, height, width, inputs, outputs, kernel;
    int32_t low, high;
    bool planes; // x lies channel by channel
    float *out; // floor((sum + bias) / 2^shift), within low..high; `outputs` channels
};

extern "C" {
// How many targets this processor has: 1 plain, 2 with AVX2, 3 with AVX-512 VNNI.
int32_t vedette_conv16_targets(void);

// Values of packed weights.
int64_t vedette_conv16_packed(int64_t outputs, int64_t inputs, int64_t kernel);

// Weights outputs, inputs, kernel, kernel to the order the kernels read them in; the same for all targets.
void vedette_conv16_pack(const int16_t *weight, int64_t outputs, int64_t inputs, int64_t kernel, int16_t *packed);

// Sums are modulo 2^32. Some threads share the rows. Target -1 is the fastest. 0, or 2: no memory or no
// thread to be had.
int32_t vedette_conv16(const Conv16Task *task, int32_t threads, int32_t target);
}
