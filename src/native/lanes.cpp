// The bit-parallel fault engine and the fault-free run, in C++17; AVX-512 and AVX2 are chosen when it runs.
#include "lanes.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <vector>

#if defined(__x86_64__) && defined(__GNUC__)
#define LANES_X86 1
#include <immintrin.h>
#pragma GCC diagnostic ignored "-Wpsabi" // vectors are passed by always_inline functions alone
#endif

namespace {

enum Code { NODE = 256, READ, RESET, COMPARE, WRITE };
enum NodeKind { TABLE, NOT, XOR, MUX, NODE_READ };
enum MarkKind { CONTENT, PIN, RESET_VALUE };
constexpr int COUNTER_BITS = 31, ADDRESS_BITS_MOST = 24;
constexpr int64_t BLOCK = 64; // cycles between two tallies

struct Op {
    int32_t jump;          // truth table, SPECIAL or END
    uint32_t out, a, b, c; // offsets of rows, in words; of a special one its code and its number
};
constexpr int32_t SPECIAL = 256, END = 257;

struct Machine;

struct Kernel {
    void (*execute)(Machine &, const Op *);
    void (*reset)(Machine &, const int32_t *group);
    void (*shift)(uint64_t *rows, int64_t depth, uint64_t *data, uint64_t *enable, int64_t words);
    void (*differ)(uint64_t *nets, const int32_t *bits, int64_t count, const uint8_t *right, int64_t words,
                   uint64_t *wrong);
    void (*count)(uint64_t *history, int64_t words, uint64_t *planes);
};

struct Free {
    void operator()(void *p) const { std::free(p); }
};
using Words = std::unique_ptr<uint64_t, Free>;

Words zeros(int64_t count) {
    const size_t bytes = (static_cast<size_t>(std::max<int64_t>(count, 1)) * 8 + 63) / 64 * 64;
    void *p = std::aligned_alloc(64, bytes);
    if (!p) throw std::bad_alloc();
    std::memset(p, 0, bytes);
    return Words(static_cast<uint64_t *>(p));
}

// The first of equal values in an ascending list, and one past the last.
struct Range {
    int32_t begin, end;
};

struct Machine {
    const LanesProgram *program;
    const LanesRun *run;
    const Kernel *kernel;
    uint64_t *nets, *memory;
    int64_t words;
    std::vector<Range> node_marks, reset_ranges; // of each node, of each flip-flop
    std::vector<uint8_t> marked;                 // whether a node has any

    void special(int32_t code, int32_t index) {
        if (code == NODE) inject(index);
        else if (code == READ) read_all(index);
        else if (code == RESET) kernel->reset(*this, program->groups + 3 * int64_t{index});
        else if (code == WRITE) write(program->writes + 5 * int64_t{index});
    }

    uint64_t *row(int32_t net) const { return nets + net * words; }

    void inject(int32_t node) {
        const int32_t *shape = program->nodes + 5 * int64_t{node}, *inputs = program->node_inputs + shape[2];
        uint64_t *out = row(shape[1]);
        for (int32_t i = node_marks[node].begin; i < node_marks[node].end; ++i) {
            const LanesMark &mark = run->marks[i];
            if (mark.kind == PIN) {
                i = rewire(shape, inputs, out, i) - 1;
                continue;
            }
            uint64_t hit = mark.mask;
            for (int32_t p = 0; p < shape[3]; ++p) hit &= ~(row(inputs[p])[mark.word] ^ mark.pattern[p]);
            out[mark.word] ^= hit;
        }
    }

    // All moved pins of one node and word; the first mark of another.
    int32_t rewire(const int32_t *shape, const int32_t *inputs, uint64_t *out, int32_t i) {
        const int32_t word = run->marks[i].word, end = node_marks[run->marks[i].place].end;
        uint64_t seen[ADDRESS_BITS_MOST], all = 0;
        for (int32_t p = 0; p < shape[3]; ++p) seen[p] = row(inputs[p])[word];
        for (; i < end && run->marks[i].kind == PIN && run->marks[i].word == word; ++i) {
            const LanesMark &mark = run->marks[i];
            seen[mark.pin] ^= (seen[mark.pin] ^ row(mark.source)[word]) & mark.mask;
            all |= mark.mask;
        }
        if (all) out[word] ^= (out[word] ^ evaluate(shape, seen, word)) & all;
        return i;
    }

    uint64_t evaluate(const int32_t *shape, const uint64_t *seen, int32_t word) const {
        switch (shape[0]) {
        case NOT: return ~seen[0];
        case XOR: return seen[0] ^ seen[1];
        case MUX: return (seen[1] & ~seen[0]) | (seen[2] & seen[0]);
        case NODE_READ: return read_word(program->memories + 2 * int64_t{shape[4]}, seen, shape[3], word);
        }
        uint64_t level[64];
        const int64_t node = (shape - program->nodes) / 5;
        for (int32_t i = 0; i < 1 << shape[3]; ++i) level[i] = 0 - (program->contents[node] >> i & 1);
        for (int32_t p = 0, size = 1 << shape[3]; p < shape[3]; ++p, size /= 2)
            for (int32_t i = 0; i < size / 2; ++i)
                level[i] = (level[2 * i] & ~seen[p]) | (level[2 * i + 1] & seen[p]);
        return level[0];
    }

    static int64_t lane_address(const uint64_t *seen, int32_t count, int32_t lane) {
        int64_t address = 0;
        for (int32_t p = 0; p < count; ++p) address |= static_cast<int64_t>(seen[p] >> lane & 1) << p;
        return address;
    }

    // Lanes whose address is not that of lane `lane`.
    static uint64_t elsewhere(const uint64_t *seen, int32_t count, int32_t lane) {
        uint64_t found = 0;
        for (int32_t p = 0; p < count; ++p) found |= seen[p] ^ (0 - (seen[p] >> lane & 1));
        return found;
    }

    uint64_t read_word(const int32_t *shape, const uint64_t *seen, int32_t count, int64_t word) const {
        const uint64_t *rows = memory + shape[1] * words + word;
        const int64_t last = shape[0] - 1;
        uint64_t value = rows[(lane_address(seen, count, 0) & last) * words];
        for (uint64_t other = elsewhere(seen, count, 0); other; other &= other - 1) {
            const int32_t lane = __builtin_ctzll(other);
            const uint64_t bit = uint64_t{1} << lane;
            value = (value & ~bit) | (rows[(lane_address(seen, count, lane) & last) * words] & bit);
        }
        return value;
    }

    void read_all(int32_t node) {
        const int32_t *shape = program->nodes + 5 * int64_t{node}, *inputs = program->node_inputs + shape[2];
        const int32_t *from = program->memories + 2 * int64_t{shape[4]};
        uint64_t seen[ADDRESS_BITS_MOST];
        for (int64_t w = 0; w < words; ++w) {
            for (int32_t p = 0; p < shape[3]; ++p) seen[p] = row(inputs[p])[w];
            row(shape[1])[w] = read_word(from, seen, shape[3], w);
        }
    }

    void write(const int32_t *port) {
        const int32_t *into = program->memories + 2 * int64_t{port[0]}, count = port[4];
        uint64_t *rows = memory + into[1] * words, *data = row(port[1]), *enable = row(port[2]);
        if (count == 0) return kernel->shift(rows, into[0], data, enable, words);
        const int64_t last = into[0] - 1;
        uint64_t seen[ADDRESS_BITS_MOST];
        for (int64_t w = 0; w < words; ++w) {
            uint64_t left = enable[w];
            for (int32_t p = 0; left && p < count; ++p) seen[p] = row(program->write_addresses[port[3] + p])[w];
            while (left) { // all lanes that write to one address at once
                const int32_t lane = __builtin_ctzll(left);
                const uint64_t same = left & ~elsewhere(seen, count, lane);
                uint64_t &target = rows[(lane_address(seen, count, lane) & last) * words + w];
                target ^= (target ^ data[w]) & same;
                left &= ~same;
            }
        }
    }

    void reset_marks(int32_t flip_flop, const uint64_t *asserted, uint64_t *target) const {
        for (int32_t i = reset_ranges[flip_flop].begin; i < reset_ranges[flip_flop].end; ++i)
            target[run->marks[i].word] ^= asserted[run->marks[i].word] & run->marks[i].mask;
    }
};

namespace plain {
#define LANES_TARGET
#define LANES_VECTOR 2
#define LANES_TERNARY 0
#include "lanes_kernel.h"
#undef LANES_TARGET
#undef LANES_VECTOR
#undef LANES_TERNARY
} // namespace plain

#if LANES_X86
namespace avx2 {
#define LANES_TARGET __attribute__((target("avx2")))
#define LANES_VECTOR 4
#define LANES_TERNARY 0
#include "lanes_kernel.h"
#undef LANES_TARGET
#undef LANES_VECTOR
#undef LANES_TERNARY
} // namespace avx2

namespace avx512 {
#define LANES_TARGET __attribute__((target("avx512f,avx512vl")))
#define LANES_VECTOR 4 // 8 was not clearly faster on the one processor tried, and its rows would need 8 words
#define LANES_TERNARY 1
#include "lanes_kernel.h"
#undef LANES_TARGET
#undef LANES_VECTOR
#undef LANES_TERNARY
} // namespace avx512
#endif

const Kernel &kernel_for(int32_t target) {
    const int32_t most = vedette_lanes_targets() - 1;
    const int32_t chosen = target < 0 || target > most ? most : target;
#if LANES_X86
    if (chosen == 2) return avx512::KERNEL;
    if (chosen == 1) return avx2::KERNEL;
#endif
    (void)chosen;
    return plain::KERNEL;
}

// Mismatches of the last cycles, and what of them is known of each lane.
class Tally {
  public:
    Tally(const LanesRun *run, const Kernel *kernel)
        : run(run), kernel(kernel), words(run->words), history(zeros(BLOCK * words)), alarms(zeros(words)),
          planes(zeros(COUNTER_BITS * words)), seen(zeros(words)), alarmed(zeros(words)) {}

    void take(uint64_t *nets, int64_t cycle) {
        uint64_t *wrong = history.get() + cycle % BLOCK * words;
        if (run->counted[cycle])
            kernel->differ(nets, run->compare, run->compare_count, run->right + cycle * run->compare_count, words, wrong);
        if (run->alarm_count) {
            kernel->differ(nets, run->alarms, run->alarm_count, run->quiet + cycle * run->alarm_count, words,
                           alarms.get());
            for (int64_t w = 0; w < words; ++w) {
                write(alarms.get()[w] & ~alarmed.get()[w], w, 3, cycle);
                alarmed.get()[w] |= alarms.get()[w];
            }
        }
        if (cycle % BLOCK == BLOCK - 1 || cycle == run->cycles - 1) close(cycle - cycle % BLOCK);
    }

    void finish() {
        for (int64_t lane = 0; lane < 64 * words; ++lane) {
            int64_t total = 0;
            for (int p = 0; p < COUNTER_BITS; ++p)
                total |= static_cast<int64_t>(planes.get()[p * words + lane / 64] >> (lane % 64) & 1) << p;
            run->counts[lane] = static_cast<int32_t>(total);
        }
    }

  private:
    void write(uint64_t lanes, int64_t word, int64_t row, int64_t cycle) {
        for (; lanes; lanes &= lanes - 1)
            run->counts[64 * (row * words + word) + __builtin_ctzll(lanes)] = static_cast<int32_t>(cycle);
    }

    void close(int64_t first_cycle) {
        uint64_t *rows = history.get();
        for (int64_t w = 0; w < words; ++w) {
            uint64_t hit = 0;
            for (int64_t i = 0; i < BLOCK; ++i) hit |= rows[i * words + w];
            uint64_t fresh = hit & ~seen.get()[w];
            seen.get()[w] |= hit;
            for (int64_t i = 0; fresh; ++i) {
                write(rows[i * words + w] & fresh, w, 1, first_cycle + i);
                fresh &= ~rows[i * words + w];
            }
            for (int64_t i = BLOCK - 1; hit; --i) {
                write(rows[i * words + w] & hit, w, 2, first_cycle + i);
                hit &= ~rows[i * words + w];
            }
        }
        kernel->count(rows, words, planes.get());
        std::memset(rows, 0, static_cast<size_t>(BLOCK * words) * 8);
    }

    const LanesRun *run;
    const Kernel *kernel;
    int64_t words;
    Words history, alarms, planes, seen, alarmed;
};

void call_special(void *context, int32_t code, int32_t index) { static_cast<Machine *>(context)->special(code, index); }

// The stream as offsets for this many words; nodes without a mark are left out.
void link(const Machine &machine, std::vector<Op> &before, std::vector<Op> &after) {
    std::vector<Op> *part = &before;
    for (int64_t i = 0; i < machine.program->entries; ++i) {
        const int32_t *entry = machine.program->stream + 5 * i;
        if (entry[0] == COMPARE) part = &after;
        else if (entry[0] >= NODE) {
            if (entry[0] != NODE || machine.marked[entry[2]])
                part->push_back({SPECIAL, static_cast<uint32_t>(entry[0]), static_cast<uint32_t>(entry[2]), 0, 0});
        } else {
            uint32_t offset[4];
            for (int k = 0; k < 4; ++k) offset[k] = static_cast<uint32_t>(entry[1 + k] * machine.words);
            part->push_back({entry[0], offset[0], offset[1], offset[2], offset[3]});
        }
    }
    before.push_back({END, 0, 0, 0, 0});
    after.push_back({END, 0, 0, 0, 0});
}

void fill(uint64_t *row, int64_t words, bool value) { std::fill(row, row + words, value ? ~uint64_t{0} : 0); }

int32_t simulate(const LanesProgram *program, const LanesRun *run) {
    const int64_t words = run->words;
    int64_t memory_bits = 0;
    for (int64_t i = 0; i < program->memory_count; ++i) memory_bits += program->memories[2 * i];
    const Words nets = zeros(program->rows * words), memory = zeros(memory_bits * words);
    const Kernel &kernel = kernel_for(run->target);
    Machine machine{program, run, &kernel, nets.get(), memory.get(), words, {}, {}, {}};
    machine.node_marks.assign(program->node_count, {0, 0});
    machine.reset_ranges.assign(program->flip_flop_count, {0, 0});
    machine.marked.assign(program->node_count, 0);
    for (int32_t i = 0; i < run->mark_count; ++i) {
        const LanesMark &mark = run->marks[i];
        Range &range = mark.kind == RESET_VALUE ? machine.reset_ranges[mark.place] : machine.node_marks[mark.place];
        if (range.end == 0) range.begin = i;
        range.end = i + 1;
        if (mark.kind != RESET_VALUE) machine.marked[mark.place] = 1;
    }
    std::vector<Op> before, after;
    link(machine, before, after);
    fill(nets.get() + words, words, true);
    for (int64_t i = 0; i < program->flip_flop_count; ++i)
        fill(machine.row(program->flip_flops[i]), words, run->state[i] != 0);
    for (int64_t i = 0; i < memory_bits; ++i) fill(memory.get() + i * words, words, run->contents[i] != 0);
    const LanesToggle *toggle = run->toggles, *toggles_end = toggle + run->toggle_count;
    const LanesFlip *flip = run->flips, *flips_end = flip + run->flip_count;
    Tally tally(run, &kernel);
    for (int64_t cycle = run->start; cycle < run->cycles; ++cycle) {
        if (cycle % BLOCK == 0 && *static_cast<const volatile int32_t *>(run->stop)) return 1;
        for (; toggle < toggles_end && toggle->cycle <= cycle; ++toggle)
            if (toggle->cycle == cycle) run->marks[toggle->mark].mask ^= toggle->mask;
        for (; flip < flips_end && flip->cycle <= cycle; ++flip)
            if (flip->cycle == cycle) machine.row(flip->row)[flip->word] ^= flip->mask;
        const uint8_t *now = run->stimulus + cycle * program->input_count;
        for (int64_t i = 0; i < program->input_count; ++i)
            if (cycle == run->start || now[i] != now[i - program->input_count])
                fill(machine.row(program->inputs[i]), words, now[i] != 0);
        if (run->settle) run->settle(nets.get(), machine.marked.data(), &machine, call_special);
        else kernel.execute(machine, before.data());
        tally.take(nets.get(), cycle);
        if (run->outputs)
            for (int64_t o = 0; o < program->output_count; ++o)
                std::memcpy(run->outputs + (cycle * program->output_count + o) * words,
                            machine.row(program->outputs[o]), static_cast<size_t>(words) * 8);
        if (run->edge) run->edge(nets.get(), machine.marked.data(), &machine, call_special);
        else kernel.execute(machine, after.data());
    }
    tally.finish();
    return 0;
}

// One machine, a byte a net.
class Single {
  public:
    Single(const LanesProgram *program, const LanesGolden *run)
        : program(program), run(run), values(program->rows, 0), packed(program->bits, 0),
          packed_state(program->flip_flop_count, 0) {
        int64_t bits = 0;
        for (int64_t i = 0; i < program->memory_count; ++i) bits += program->memories[2 * i];
        memory.assign(run->contents, run->contents + bits);
        values[1] = 1;
        for (int64_t i = 0; i < program->flip_flop_count; ++i) values[program->flip_flops[i]] = run->state[i];
    }

    void all() {
        const int64_t stride = (run->cycles + 63) / 64;
        for (int64_t cycle = 0; cycle < run->cycles; ++cycle) {
            if (cycle % run->every == 0 && !memory.empty())
                std::memcpy(run->checkpoints + cycle / run->every * static_cast<int64_t>(memory.size()), memory.data(),
                            memory.size());
            const int shift = static_cast<int>(cycle % 64);
            for (size_t i = 0; i < packed_state.size(); ++i)
                packed_state[i] |= static_cast<uint64_t>(values[program->flip_flops[i]]) << shift;
            for (int64_t i = 0; i < program->input_count; ++i)
                values[program->inputs[i]] = run->stimulus[cycle * program->input_count + i];
            step(cycle, shift);
            if (shift == 63 || cycle == run->cycles - 1) {
                for (size_t i = 0; i < packed.size(); ++i) run->trace[i * stride + cycle / 64] = packed[i];
                for (size_t i = 0; i < packed_state.size(); ++i)
                    run->flip_flops[i * stride + cycle / 64] = packed_state[i];
                std::fill(packed.begin(), packed.end(), 0);
                std::fill(packed_state.begin(), packed_state.end(), 0);
            }
        }
    }

  private:
    void step(int64_t cycle, int shift) {
        bool settling = true;
        for (int64_t i = 0; i < program->entries; ++i) {
            const int32_t *entry = program->stream + 5 * i;
            if (entry[0] < NODE) {
                if (!settling)
                    values[entry[1]] =
                        entry[0] >> (values[entry[2]] << 2 | values[entry[3]] << 1 | values[entry[4]]) & 1;
            } else if (entry[0] == NODE) node(entry[2], cycle);
            else if (entry[0] == RESET) reset(program->groups + 3 * int64_t{entry[2]});
            else if (entry[0] == WRITE) write(program->writes + 5 * int64_t{entry[2]});
            else if (entry[0] == COMPARE) {
                settling = false;
                for (size_t b = 0; b < packed.size(); ++b) packed[b] |= static_cast<uint64_t>(values[b]) << shift;
            }
        }
    }

    int64_t address(const int32_t *bits, int32_t count) const {
        int64_t found = 0;
        for (int32_t p = 0; p < count; ++p) found |= int64_t{values[bits[p]]} << p;
        return found;
    }

    void node(int32_t number, int64_t cycle) {
        const int32_t *shape = program->nodes + 5 * int64_t{number};
        const int64_t seen = address(program->node_inputs + shape[2], shape[3]);
        uint64_t content = 0;
        switch (shape[0]) {
        case TABLE: {
            content = program->contents[number];
            int32_t &visit = run->visits[64 * int64_t{number} + seen];
            if (visit < 0) visit = static_cast<int32_t>(cycle);
            break;
        }
        case NOT: content = 1; break;
        case XOR: content = 6; break;
        case MUX: content = 0xE4; break;
        default: {
            const int32_t *from = program->memories + 2 * int64_t{shape[4]};
            values[shape[1]] = memory[from[1] + (seen & (from[0] - 1))];
            return;
        }
        }
        values[shape[1]] = content >> seen & 1;
    }

    void reset(const int32_t *group) {
        if (!values[group[0]]) return;
        for (int32_t i = group[1]; i < group[2]; ++i)
            values[program->members[3 * int64_t{i} + 1]] = static_cast<uint8_t>(program->members[3 * int64_t{i} + 2]);
    }

    void write(const int32_t *port) {
        if (!values[port[2]]) return;
        const int32_t *into = program->memories + 2 * int64_t{port[0]};
        uint8_t *bits = memory.data() + into[1];
        if (port[4] == 0) {
            std::memmove(bits + 1, bits, static_cast<size_t>(into[0] - 1));
            bits[0] = values[port[1]];
        } else
            bits[address(program->write_addresses + port[3], port[4]) & (into[0] - 1)] = values[port[1]];
    }

    const LanesProgram *program;
    const LanesGolden *run;
    std::vector<uint8_t> values, memory;
    std::vector<uint64_t> packed, packed_state;
};

bool inside(const int32_t *values, int64_t count, int64_t limit) {
    return std::all_of(values, values + count, [limit](int32_t v) { return v >= 0 && v < limit; });
}

bool slice(int64_t first, int64_t count, int64_t size) { return first >= 0 && count >= 0 && first + count <= size; }

} // namespace

int32_t vedette_lanes_targets(void) {
#if LANES_X86
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl")) return 3;
    if (__builtin_cpu_supports("avx2")) return 2;
#endif
    return 1;
}

int32_t vedette_lanes_valid(const LanesProgram *p) {
    if (p->rows < 2 || p->bits < 2 || p->bits > p->rows) return 0;
    for (int64_t i = 0; i < p->entries; ++i) {
        const int32_t *e = p->stream + 5 * i;
        if (e[0] < 0 || e[0] > WRITE) return 0;
        if (e[0] < NODE && !inside(e + 1, 4, p->rows)) return 0;
        const int64_t limit = e[0] == RESET ? p->group_count : e[0] == WRITE ? p->write_count : p->node_count;
        if (e[0] >= NODE && e[0] != COMPARE && (e[2] < 0 || e[2] >= limit)) return 0;
        if (e[0] == READ && p->nodes[5 * int64_t{e[2]}] != NODE_READ) return 0;
    }
    for (int64_t i = 0; i < p->memory_count; ++i) {
        const int32_t *m = p->memories + 2 * i;
        if (m[0] < 1 || m[0] & (m[0] - 1) || m[1] < 0 || m[0] > 1 << ADDRESS_BITS_MOST) return 0;
        if (m[1] != (i ? m[-1] + m[-2] : 0)) return 0;
    }
    for (int64_t i = 0; i < p->write_count; ++i) {
        const int32_t *w = p->writes + 5 * i;
        if (w[0] < 0 || w[0] >= p->memory_count || !inside(w + 1, 2, p->rows)) return 0;
        if (w[4] > ADDRESS_BITS_MOST || !slice(w[3], w[4], p->address_count)) return 0;
    }
    for (int64_t i = 0; i < p->node_count; ++i) {
        const int32_t *n = p->nodes + 5 * i, needed[] = {0, 1, 2, 3};
        if (n[0] < 0 || n[0] > NODE_READ || n[1] < 0 || n[1] >= p->rows || !slice(n[2], n[3], p->edge_count)) return 0;
        if (n[0] == TABLE ? n[3] > 6 : n[0] == NODE_READ ? n[3] > ADDRESS_BITS_MOST : n[3] != needed[n[0]]) return 0;
        if (n[0] == NODE_READ && (n[4] < 0 || n[4] >= p->memory_count)) return 0;
    }
    for (int64_t i = 0; i < p->group_count; ++i) {
        const int32_t *g = p->groups + 3 * i;
        if (g[0] < 0 || g[0] >= p->rows || g[2] < g[1] || !slice(g[1], g[2] - g[1], p->member_count)) return 0;
    }
    for (int64_t i = 0; i < p->member_count; ++i)
        if (!inside(p->members + 3 * i, 1, p->flip_flop_count) || !inside(p->members + 3 * i + 1, 1, p->rows)) return 0;
    return inside(p->node_inputs, p->edge_count, p->rows) && inside(p->write_addresses, p->address_count, p->rows) &&
           inside(p->flip_flops, p->flip_flop_count, p->rows) && inside(p->inputs, p->input_count, p->rows) &&
           inside(p->outputs, p->output_count, p->rows);
}

int32_t vedette_lanes_run_valid(const LanesProgram *p, const LanesRun *r) {
    if (r->words < 1 || r->words % 4 || r->start < 0 || r->start >= r->cycles || r->cycles > INT32_MAX) return 0;
    if (p->rows * r->words > INT64_C(0xFFFFFFFF)) return 0;
    if (!inside(r->compare, r->compare_count, p->bits) || !inside(r->alarms, r->alarm_count, p->bits)) return 0;
    for (int64_t i = 0; i < r->mark_count; ++i) {
        const LanesMark &m = r->marks[i];
        const int64_t places = m.kind == RESET_VALUE ? p->flip_flop_count : p->node_count;
        if (m.kind < CONTENT || m.kind > RESET_VALUE || m.place < 0 || m.place >= places) return 0;
        if (m.word < 0 || m.word >= r->words) return 0;
        const int32_t *node = p->nodes + 5 * int64_t{m.place};
        if (m.kind == CONTENT && node[0] != TABLE) return 0;
        if (m.kind == PIN && (m.pin < 0 || m.pin >= node[3] || m.source < 0 || m.source >= p->rows)) return 0;
        if (i) { // marks of one node, and of one flip-flop, stand together
            const LanesMark &b = r->marks[i - 1];
            const bool before = b.kind == RESET_VALUE, now = m.kind == RESET_VALUE;
            if (before > now || (before == now && b.place > m.place)) return 0;
        }
    }
    for (int64_t i = 0; i < r->toggle_count; ++i)
        if (r->toggles[i].mark < 0 || r->toggles[i].mark >= r->mark_count) return 0;
    for (int64_t i = 0; i < r->flip_count; ++i)
        if (r->flips[i].row < 0 || r->flips[i].row >= p->rows || r->flips[i].word < 0 || r->flips[i].word >= r->words)
            return 0;
    return 1;
}

int32_t vedette_lanes_run(const LanesProgram *program, const LanesRun *run) {
    try {
        return simulate(program, run);
    } catch (const std::bad_alloc &) {
        return 2;
    }
}

int32_t vedette_lanes_golden(const LanesProgram *program, const LanesGolden *run) {
    try {
        Single(program, run).all();
        return 0;
    } catch (const std::bad_alloc &) {
        return 2;
    }
}
