// Decodes the latents of tiles: rANS, integer networks, reconstruction; no Python and no torch.
// Usage: decode_main INPUT OUTPUT. The input says everything about the codec (test_decode.py writes it):
// the format's numbers, tables, coding steps, layers and networks. The output holds one array of int64
// latents for each tile.
#include "networks.h"
#include "rans.h"

enum Register : int32_t { Z, PLANE, CONTEXT, KNOWN }; // what this program gives the networks

struct Step {
    int32_t low, high, parity, context; // parity -1: all positions; context: how many channels it sees
    int32_t stream, mean, scale, correction; // the stream it is in; registers of what the networks find
    bool coded(int64_t position, int32_t width) const {
        return parity < 0 || (position / width + position % width) % 2 == parity;
    }
};

struct Codec {
    int32_t z_block, z_max, known_max, context_max, levels, scale_first, scale_step, quality_first, quality_span;
    int32_t plane_shift, mean_frac, correction_frac, latent_frac, context_frac, gain_frac;
    Integers cdf, starts, firsts, log2_gain;
    std::vector<uint16_t> buckets;
    Wides powers; // 2^(i / 2^gain_frac), 30 fractional bits
    std::vector<Step> steps;
    Networks networks;
    std::vector<std::vector<Operation>> programs; // the features, then of each step prediction and correction
    RansTables tables;

    explicit Codec(FILE *file)
        : z_block(one(file)), z_max(one(file)), known_max(one(file)), context_max(one(file)), levels(one(file)),
          scale_first(one(file)), scale_step(one(file)), quality_first(one(file)), quality_span(one(file)),
          plane_shift(one(file)), mean_frac(one(file)), correction_frac(one(file)), latent_frac(one(file)),
          context_frac(one(file)), gain_frac(one(file)), cdf(take<int32_t>(file)), starts(take<int32_t>(file)),
          firsts(take<int32_t>(file)), log2_gain(take<int32_t>(file)), buckets(take<uint16_t>(file)),
          powers(take<int64_t>(file)), steps(take<Step>(file)), networks(file), programs(1 + 2 * steps.size()),
          tables{cdf.data(), starts.data(), firsts.data(), buckets.data(), static_cast<int32_t>(firsts.size())} {
        for (auto &program : programs) program = take<Operation>(file);
    }
    Codec(const Codec &) = delete; // the tables point into it

    static int32_t one(FILE *file) { return take<int32_t>(file).at(0); }
    int32_t channels() const { return steps.back().high; }
};

// One stream of a tile: the quality, then rANS as bitstream/rans.py describes it.
struct Stream {
    const Codec &codec;
    std::vector<uint8_t> data;
    size_t at = 0;
    int32_t quality = 0, lanes = 0;
    Integers escapes{};
    std::vector<uint64_t> states{};
    std::vector<uint16_t> words{};
    int64_t cursor[4] = {0, 0, 0, 0};

    Stream(const Codec &codec_, std::vector<uint8_t> data_) : codec(codec_), data(std::move(data_)) {
        quality = static_cast<int32_t>(number(2));
        lanes = static_cast<int32_t>(number(1));
        if (lanes < 1 || lanes > 128 || (lanes & (lanes - 1))) fail("an impossible lane count");
        escapes.resize(leb128());
        for (int32_t &escape : escapes) {
            const uint64_t zigzag = leb128();
            const int64_t half = static_cast<int64_t>(zigzag / 2);
            escape = static_cast<int32_t>(zigzag & 1 ? -half - 1 : half);
        }
        for (int32_t lane = 0; lane < lanes; ++lane) states.push_back(number(5));
        while (at < data.size()) words.push_back(static_cast<uint16_t>(number(2)));
    }
    uint64_t number(size_t bytes) {
        uint64_t value = 0;
        for (size_t i = 0; i < bytes; ++i) value |= uint64_t{data.at(at++)} << 8 * i;
        return value;
    }
    uint64_t leb128() {
        uint64_t value = 0;
        for (int32_t shift = 0; shift < 63; shift += 7) {
            const uint64_t byte = number(1);
            value |= (byte & 0x7f) << shift;
            if (byte < 0x80) return value;
        }
        fail("a number does not end");
    }
    Integers decode(const Integers &ids) {
        Integers symbols(ids.size());
        if (vedette_rans_decode(symbols.data(), ids.data(), static_cast<int64_t>(ids.size()), &codec.tables, lanes,
                                states.data(), words.data(), static_cast<int64_t>(words.size()), escapes.data(),
                                static_cast<int64_t>(escapes.size()), cursor))
            fail("a stream ends before its last symbol");
        return symbols;
    }
    void finish() const {
        const bool first = std::all_of(states.begin(), states.end(), [](uint64_t s) { return s == 1 << 24; });
        if (!first || cursor[1] != static_cast<int64_t>(words.size()) ||
            cursor[2] != static_cast<int64_t>(escapes.size()))
            fail("a stream does not end where its symbols do");
    }
};

static int64_t floor_div(int64_t a, int64_t b) { return a / b - (a % b < 0); }
// floor(a / 2^shift + 1/2), of values far from int64's ends.
static int64_t rounded(int64_t a, int32_t shift) {
    return floor_div(2 * a + (int64_t{1} << shift), int64_t{2} << shift);
}
static int64_t clamped(int64_t value, int64_t low, int64_t high) { return std::min(std::max(value, low), high); }

struct Tile {
    const Codec &codec;
    int32_t height, width;
    int64_t pixels;
    std::map<int32_t, Planes> registers{};
    Wides latents, log2_gain{}, inverse_gain{};
    Integers context;

    Tile(const Codec &codec_, int32_t height_, int32_t width_)
        : codec(codec_), height(height_), width(width_), pixels(int64_t{height} * width),
          latents(static_cast<size_t>(codec.channels() * pixels)), context(latents.size()) {}

    // log2 of each channel's gain, between two anchors, and the inverse gain.
    void set_gains(int32_t quality) {
        const int64_t channels = codec.channels(), span = codec.quality_span, whole = int64_t{1} << codec.gain_frac;
        const int64_t anchors = static_cast<int64_t>(codec.log2_gain.size()) / channels;
        const int64_t position = (quality - codec.quality_first) * (anchors - 1);
        const int64_t low = std::min(position / span, anchors - 2), weight = position - low * span;
        for (int64_t c = 0; c < channels; ++c) {
            const int32_t *anchor = codec.log2_gain.data() + low * channels + c;
            const int64_t log2 = floor_div(anchor[0] * (span - weight) + anchor[channels] * weight + span / 2, span);
            const int64_t power = floor_div(-log2, whole), part = -log2 - power * whole;
            const int64_t shift = clamped(30 - codec.latent_frac - power, 0, 62);
            log2_gain.push_back(log2);
            inverse_gain.push_back(std::max<int64_t>(1, codec.powers.at(static_cast<size_t>(part)) >> shift));
        }
    }

    void decode(std::vector<Stream> &streams) {
        const int32_t quality = streams.at(0).quality, block = codec.z_block;
        for (const Stream &stream : streams)
            if (stream.quality != quality) fail("the streams of a tile differ in quality");
        Planes z{codec.tables.count - codec.levels, (height + block - 1) / block, (width + block - 1) / block, {}};
        Integers ids; // z's tables follow those of the scales
        for (int32_t c = 0; c < z.channels; ++c)
            ids.insert(ids.end(), static_cast<size_t>(z.pixels()), codec.levels + c);
        for (int32_t value : streams[0].decode(ids))
            z.values.push_back(static_cast<int32_t>(clamped(value, -codec.z_max, codec.z_max)));
        const int32_t plane = std::min(quality >> codec.plane_shift, codec.context_max);
        registers[Z] = std::move(z);
        registers[PLANE] = {1, height, width, Integers(static_cast<size_t>(pixels), plane)};
        set_gains(quality);
        codec.networks.run(codec.programs[0], registers);
        for (size_t number = 0; number < codec.steps.size(); ++number) {
            const Step &step = codec.steps[number];
            take_step(step, codec.programs[1 + 2 * number], codec.programs[2 + 2 * number],
                      streams.at(static_cast<size_t>(step.stream)));
        }
        for (const Stream &stream : streams) stream.finish();
    }

    void take_step(const Step &step, const std::vector<Operation> &predict, const std::vector<Operation> &correct,
                   Stream &stream) {
        const int32_t count = step.high - step.low;
        const auto known_end = context.begin() + step.context * pixels;
        registers[CONTEXT] = {step.context, height, width, Integers(context.begin(), known_end)};
        codec.networks.run(predict, registers);
        const Integers &mean = registers.at(step.mean).values, &scale = registers.at(step.scale).values;
        std::vector<size_t> places; // the coded positions, plane after plane
        Integers ids;
        const int64_t fine = int64_t{1} << (codec.mean_frac - codec.gain_frac);
        for (int64_t i = 0; i < count * pixels; ++i)
            if (step.coded(i % pixels, width)) {
                const int64_t gain = log2_gain[static_cast<size_t>(step.low + i / pixels)];
                const int64_t log2 = scale.at(static_cast<size_t>(i)) +
                                     fine * (gain - codec.scale_first + codec.scale_step / 2);
                const int64_t level = floor_div(log2, fine * codec.scale_step);
                ids.push_back(static_cast<int32_t>(clamped(level, 0, codec.levels - 1)));
                places.push_back(static_cast<size_t>(i));
            }
        const Integers symbols = stream.decode(ids);
        Planes known{count, height, width, Integers(static_cast<size_t>(count * pixels))};
        for (size_t k = 0; k < places.size(); ++k)
            known.values[places[k]] = static_cast<int32_t>(clamped(symbols[k], -codec.known_max, codec.known_max));
        registers[KNOWN] = std::move(known);
        codec.networks.run(correct, registers);
        const Integers &correction = registers.at(step.correction).values;
        const int64_t unit = int64_t{1} << codec.correction_frac;
        const int64_t wide = int64_t{1} << (codec.latent_frac - codec.mean_frac);
        for (size_t k = 0; k < places.size(); ++k) {
            const size_t i = places[k], place = i + static_cast<size_t>(step.low * pixels);
            const int64_t steps = symbols[k] * unit + correction.at(i);
            const int64_t gain = inverse_gain[place / static_cast<size_t>(pixels)];
            latents[place] = mean.at(i) * wide + rounded(steps * gain, codec.correction_frac);
            const int64_t seen = rounded(latents[place], codec.latent_frac - codec.context_frac);
            context[place] = static_cast<int32_t>(clamped(seen, -codec.context_max, codec.context_max));
        }
    }
};

int main(int count, char **arguments) {
    if (count != 3) return 2;
    FILE *input = std::fopen(arguments[1], "rb"), *output = std::fopen(arguments[2], "wb");
    if (!input || !output) return 2;
    const Codec codec(input);
    const int32_t tiles = Codec::one(input);
    for (int32_t number = 0; number < tiles; ++number) {
        const Integers size = take<int32_t>(input); // positions of y: height, width; how many streams
        std::vector<Stream> streams;
        for (int32_t i = 0; i < size.at(2); ++i) streams.emplace_back(codec, take<uint8_t>(input));
        Tile tile(codec, size[0], size[1]);
        tile.decode(streams);
        put(output, tile.latents);
    }
    return std::fclose(output) ? 2 : 0;
}
