// Fault lanes: the plain interface of the bit-parallel engine and of the fault-free run. No Python.
// The references are softerror/lanes.py and softerror/golden.py; arrays are as softerror/program.py and
// softerror/batch.py describe them, and `vedette_lanes_valid` has checked every number in them.
#pragma once
#include <cstdint>

struct LanesProgram {
    const int32_t *stream;      // entries of 5
    const int32_t *nodes;       // rows of 5
    const uint64_t *contents;   // one for each node
    const int32_t *node_inputs;
    const int32_t *groups;      // rows of 3
    const int32_t *members;     // rows of 3
    const int32_t *memories;    // rows of 2
    const int32_t *writes;      // rows of 5
    const int32_t *write_addresses;
    const int32_t *flip_flops, *inputs, *outputs; // nets
    int64_t entries, node_count, edge_count, group_count, member_count, memory_count, write_count, address_count;
    int64_t flip_flop_count, input_count, output_count;
    int64_t rows, bits;
};

struct LanesMark {
    int32_t kind, place, word, pin, source, spare;
    uint64_t mask, pattern[6];
};

struct LanesToggle {
    int32_t cycle, mark;
    uint64_t mask;
};

struct LanesFlip {
    int32_t cycle, row, word, spare;
    uint64_t mask;
};

// Part of a stream as softerror/generated.py compiles it; `call` does what is no three-input operation.
using LanesPart = void (*)(uint64_t *nets, const uint8_t *marked, void *context,
                           void (*call)(void *context, int32_t code, int32_t index));

struct LanesRun {
    int64_t cycles, start, words;
    const uint8_t *stimulus;           // cycles, inputs
    const uint8_t *state, *contents;   // flip-flops and memory bits at the start
    LanesMark *marks;                  // those of nodes first, by node and word; masks change
    const LanesToggle *toggles;        // sorted by cycle
    const LanesFlip *flips;            // sorted by cycle
    int64_t mark_count, toggle_count, flip_count;
    const int32_t *compare, *alarms;
    int64_t compare_count, alarm_count;
    const uint8_t *right, *quiet, *counted;
    int32_t *counts;        // 4 rows of 64 words lanes: mismatches, first, last, alarmed
    uint64_t *outputs;      // cycles, outputs, words; or null
    const int32_t *stop;    // another thread ends the run by writing here
    int32_t target;         // see vedette_lanes_targets; -1 is the fastest
    LanesPart settle, edge; // or null: interpret
};

struct LanesGolden {
    int64_t cycles, every;
    const uint8_t *stimulus, *state, *contents;
    uint64_t *trace, *flip_flops; // bits (flip-flops) rows of ceil(cycles / 64) words, zero at first
    uint8_t *checkpoints;
    int32_t *visits;              // 64 for each node, -1 at first
};

extern "C" {
// How many targets this processor has: 1 plain, 2 with AVX2, 3 with AVX-512.
int32_t vedette_lanes_targets(void);

// Whether every number in the arrays points inside them.
int32_t vedette_lanes_valid(const LanesProgram *program);
int32_t vedette_lanes_run_valid(const LanesProgram *program, const LanesRun *run);

// 0, or 1: stopped, 2: no memory.
int32_t vedette_lanes_run(const LanesProgram *program, const LanesRun *run);
int32_t vedette_lanes_golden(const LanesProgram *program, const LanesGolden *run);
}
