// Runs integer networks that arrive as data: lists of operations on registers, as test_decode.py writes them.
#pragma once
#include <algorithm>
#include <map>

#include "arrays.h"
#include "integer.h"

[[noreturn]] static inline void fail(const char *why) {
    std::fprintf(stderr, "%s\n", why);
    std::exit(1);
}

using Integers = std::vector<int32_t>;
using Wides = std::vector<int64_t>;

struct Planes {
    int32_t channels = 0, height = 0, width = 0;
    Integers values{}; // plane after plane
    int64_t pixels() const { return int64_t{height} * width; }
};

// What an operation makes of its source; a and b are its last two numbers, [r] is register r.
enum Kind : int32_t {
    CONV,    // layer a
    SHUFFLE, // pixel shuffle by a
    JOIN,    // the channels of [a] behind its own
    CUT,     // part a of b equal parts of the channels
    CROP,    // to the size of [a]
    LOOKUP,  // table a, whose middle is 0
    SCALE,   // times a / 2^b
    LEAK,    // negative values times a / 2^b
    ADD,     // plus [a], clamped to -b..b
    IGDN,    // normalization a, clamped to -b..b
};
struct Operation {
    int32_t kind, target, source, a, b;
};

struct Layer {
    Integers shape, weight, shifts, limits; // shape: outputs, inputs, kernel height and width
    Wides bias;
};
struct Normalization {
    Wides beta;
    Integers gamma, shift;
};

struct Networks {
    std::vector<Layer> layers;
    std::vector<Wides> lookups;
    std::vector<Normalization> normalizations;

    explicit Networks(FILE *file) {
        layers.resize(static_cast<size_t>(take<int32_t>(file).at(0)));
        for (Layer &layer : layers) {
            layer.shape = take<int32_t>(file), layer.weight = take<int32_t>(file), layer.bias = take<int64_t>(file);
            layer.shifts = take<int32_t>(file), layer.limits = take<int32_t>(file);
        }
        lookups.resize(static_cast<size_t>(take<int32_t>(file).at(0)));
        for (Wides &table : lookups) table = take<int64_t>(file);
        normalizations.resize(static_cast<size_t>(take<int32_t>(file).at(0)));
        for (Normalization &n : normalizations)
            n.beta = take<int64_t>(file), n.gamma = take<int32_t>(file), n.shift = take<int32_t>(file);
    }

    void run(const std::vector<Operation> &operations, std::map<int32_t, Planes> &registers) const {
        for (const Operation &op : operations) {
            Planes y = result(op, registers.at(op.source), registers);
            registers[op.target] = std::move(y);
        }
    }

  private:
    static int32_t clamped(int64_t value, int64_t most) {
        return static_cast<int32_t>(std::min(std::max(value, -most), most));
    }

    Planes result(const Operation &op, const Planes &x, const std::map<int32_t, Planes> &registers) const {
        switch (op.kind) {
        case CONV: return conv(x, layers.at(static_cast<size_t>(op.a)));
        case SHUFFLE: return shuffle(x, op.a);
        case CUT: {
            const int32_t count = x.channels / op.b;
            const auto first = x.values.begin() + op.a * count * x.pixels();
            return {count, x.height, x.width, Integers(first, first + count * x.pixels())};
        }
        case CROP: return crop(x, registers.at(op.a).height, registers.at(op.a).width);
        case LOOKUP: return look_up(x, lookups.at(static_cast<size_t>(op.a)));
        case SCALE:
        case LEAK: return scale(x, op.a, op.b, op.kind == LEAK);
        case IGDN: return igdn(x, normalizations.at(static_cast<size_t>(op.a)), op.b);
        default: break;
        }
        if (op.kind != JOIN && op.kind != ADD) fail("an unknown operation");
        const Planes &other = registers.at(op.a);
        if (other.pixels() != x.pixels()) fail("planes of different sizes");
        Planes y = x;
        if (op.kind == JOIN) {
            y.channels += other.channels;
            y.values.insert(y.values.end(), other.values.begin(), other.values.end());
        } else {
            for (size_t i = 0; i < y.values.size(); ++i)
                y.values[i] = clamped(int64_t{y.values[i]} + other.values.at(i), op.b);
        }
        return y;
    }

    static Planes conv(const Planes &x, const Layer &layer) {
        const Integers &s = layer.shape;
        if (x.channels != s.at(1)) fail("a layer does not fit what it is given");
        const IntegerConv2d conv{layer.weight.data(), layer.bias.data(), s[1], s[0], s[2], s[3], 1, s[2] / 2};
        Wides sums(static_cast<size_t>(s[0] * x.pixels()));
        Planes y{s[0], x.height, x.width, Integers(sums.size())};
        if (vedette_conv2d(x.values.data(), x.height, x.width, &conv, sums.data()) ||
            vedette_requantize(sums.data(), s[0], x.pixels(), layer.shifts.data(), layer.limits.at(0),
                               layer.limits.at(1), y.values.data()))
            fail("a layer was refused");
        return y;
    }

    static Planes shuffle(const Planes &x, int32_t r) {
        Planes y{x.channels / (r * r), x.height * r, x.width * r, {}};
        for (int32_t c = 0; c < y.channels; ++c)
            for (int32_t row = 0; row < y.height; ++row)
                for (int32_t column = 0; column < y.width; ++column) {
                    const int64_t plane = (int64_t{c} * r + row % r) * r + column % r;
                    const int64_t place = (plane * x.height + row / r) * x.width + column / r;
                    y.values.push_back(x.values.at(static_cast<size_t>(place)));
                }
        return y;
    }

    static Planes crop(const Planes &x, int32_t height, int32_t width) {
        if (height > x.height || width > x.width) fail("planes too small to crop");
        Planes y{x.channels, height, width, {}};
        for (int32_t row = 0; row < x.channels * height; ++row) {
            const auto line = x.values.begin() + (int64_t{row / height} * x.height + row % height) * x.width;
            y.values.insert(y.values.end(), line, line + width);
        }
        return y;
    }

    static Planes look_up(const Planes &x, const Wides &table) {
        const Wides wide(x.values.begin(), x.values.end());
        const int64_t count = static_cast<int64_t>(wide.size()), size = static_cast<int64_t>(table.size());
        Wides found(wide.size());
        if (vedette_lookup(wide.data(), count, table.data(), size, -(size / 2), found.data()))
            fail("a table was refused");
        return {x.channels, x.height, x.width, Integers(found.begin(), found.end())};
    }

    static Planes scale(const Planes &x, int32_t factor, int32_t shift, bool negative_only) {
        const Integers factors(x.values.size(), factor);
        Wides scaled(x.values.size());
        const int64_t count = static_cast<int64_t>(scaled.size());
        if (vedette_product(x.values.data(), factors.data(), 1, count, &shift, scaled.data()))
            fail("a product was refused");
        Planes y = x;
        for (size_t i = 0; i < scaled.size(); ++i)
            if (!negative_only || x.values[i] < 0) y.values[i] = static_cast<int32_t>(scaled[i]);
        return y;
    }

    static Planes igdn(const Planes &x, const Normalization &n, int32_t most) {
        Wides wide(x.values.size());
        if (x.channels != static_cast<int32_t>(n.beta.size()) ||
            vedette_gdn(x.values.data(), x.channels, x.pixels(), n.beta.data(), n.gamma.data(),
                        n.shift.at(0), 1, wide.data()))
            fail("a normalization was refused");
        Planes y{x.channels, x.height, x.width, {}};
        for (int64_t value : wide) y.values.push_back(clamped(value, most));
        return y;
    }
};
