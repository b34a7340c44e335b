"""The fault-free run: every bit in every cycle.

Bits are packed over time, 64 cycles a word, so that a design of a hundred thousand bits and ten thousand
cycles takes 125 MB.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int32, UInt8, UInt64

from vedette.errors import InputError
from vedette.softerror.design import Design
from vedette.softerror.program import Code, NodeKind, Program

CHECKPOINT_BYTES = 1 << 25  # of memory contents, at most


@dataclass(frozen=True, eq=False)
class Golden:
    """A fault-free run.

    Attributes:
        cycles: simulated.
        trace: each bit after settling; bit c % 64 of word c // 64 is cycle c.
        state: each flip-flop before resets act, packed likewise.
        memory: contents of all memories every `memory_every` cycles, a byte a bit.
        visits: for each operation and address the first cycle in which the address was read; -1: never.
    """

    cycles: int
    trace: UInt64[np.ndarray, "bits words"]
    state: UInt64[np.ndarray, "flip_flops words"]
    memory: UInt8[np.ndarray, "checkpoints memory_bits"]
    memory_every: int
    visits: Int32[np.ndarray, "nodes 64"]

    def bit(self, number: int) -> UInt8[np.ndarray, " cycles"]:
        """One bit over all cycles."""
        return _unpacked(self.trace[number], self.cycles)

    def bits(self, numbers: Sequence[int]) -> UInt8[np.ndarray, "cycles n"]:
        """Some bits over all cycles."""
        rows = [self.bit(number) for number in numbers]
        return np.ascontiguousarray(np.array(rows, np.uint8).reshape(len(rows), self.cycles).T)

    def state_at(self, cycle: int) -> UInt8[np.ndarray, " flip_flops"]:
        """The flip-flops as cycle `cycle` finds them."""
        return (self.state[:, cycle // 64] >> np.uint64(cycle % 64) & np.uint64(1)).astype(np.uint8)

    def start_for(self, cycle: int) -> int:
        """The last cycle up to `cycle` whose whole state is known."""
        return cycle - cycle % self.memory_every if self.memory.shape[1] else cycle

    def memory_at(self, cycle: int) -> UInt8[np.ndarray, " memory_bits"]:
        """Contents at the beginning of a cycle that `start_for` gave."""
        return self.memory[cycle // self.memory_every]


def checkpoint_distance(memory_bits: int, cycles: int) -> int:
    """Cycles between two stored contents of the memories: 64, or more where that takes too many bytes."""
    every = 64
    while memory_bits * (cycles // every + 1) > CHECKPOINT_BYTES:
        every *= 2
    return every


def check_stimulus(design: Design, stimulus: np.ndarray) -> UInt8[np.ndarray, "cycles inputs"]:
    """The stimulus, contiguous, or a complaint.

    Raises:
        InputError: another width than the design's inputs, no cycle, or a value beside 0 and 1.
    """
    inputs = len(design.input_bits)
    if stimulus.ndim != 2 or stimulus.shape[1] != inputs:
        raise InputError(
            f"a stimulus of shape {stimulus.shape} for {inputs} input bits",
            hint=f"give an array of shape (cycles, {inputs})",
        )
    if not len(stimulus):
        raise InputError("a stimulus without a cycle", hint="give at least one row")
    if stimulus.size and (stimulus.min() < 0 or stimulus.max() > 1):
        raise InputError("a stimulus with values beside 0 and 1", hint="`x` is no input value: choose one")
    return np.ascontiguousarray(stimulus, np.uint8)


def run_reference(program: Program, stimulus: UInt8[np.ndarray, "cycles inputs"]) -> Golden:
    """The fault-free run in Python; slow, and what the compiled module is compared with."""
    design, cycles = program.design, len(stimulus)
    values = bytearray(program.rows)
    values[1] = 1
    trace = np.zeros((cycles, design.bits), np.uint8)
    state = np.zeros((cycles, len(design.flip_flops)), np.uint8)
    visits = np.full((len(design.operations), 64), -1, np.int32)
    memory = [[m.initial >> i & 1 for i in range(m.depth)] for m in design.memories]
    every = checkpoint_distance(program.memory_bits, cycles)
    checkpoints: list[list[int]] = []
    for q, flip_flop in zip(program.flip_flops.tolist(), design.flip_flops, strict=True):
        values[q] = flip_flop.initial
    stream = [entry for entry in program.stream.tolist()]
    settled = next(i for i, entry in enumerate(stream) if entry[0] == Code.COMPARE)
    inputs, qs = program.inputs.tolist(), program.flip_flops.tolist()
    for cycle in range(cycles):
        state[cycle] = [values[q] for q in qs]
        if cycle % every == 0:
            checkpoints.append([bit for content in memory for bit in content])
        for bit, value in zip(inputs, stimulus[cycle].tolist(), strict=True):
            values[bit] = value
        for code, _, a, _, _ in stream[:settled]:
            if code == Code.NODE:
                _evaluate(program, a, values, memory, visits, cycle)
            elif code == Code.RESET:
                _reset(program, a, values)
        trace[cycle] = np.frombuffer(values, np.uint8, design.bits)
        for code, out, a, b, c in stream[settled + 1 :]:
            if code < 256:
                values[out] = code >> (values[a] << 2 | values[b] << 1 | values[c]) & 1
            elif code == Code.RESET:
                _reset(program, a, values)
            elif code == Code.WRITE:
                _write(program, a, values, memory)
    return Golden(
        cycles,
        _packed(trace),
        _packed(state),
        np.array(checkpoints, np.uint8).reshape(len(checkpoints), program.memory_bits),
        every,
        visits,
    )


def _address(inputs: Sequence[int], values: bytearray) -> int:
    return sum(values[bit] << place for place, bit in enumerate(inputs))


def _evaluate(
    program: Program, node: int, values: bytearray, memory: list[list[int]], visits: np.ndarray, cycle: int
) -> None:
    kind, out, first, count, which = program.nodes[node].tolist()
    address = _address(program.node_inputs[first : first + count].tolist(), values)
    if kind == NodeKind.TABLE:
        values[out] = int(program.contents[node]) >> address & 1
        if visits[node, address] < 0:
            visits[node, address] = cycle
    elif kind == NodeKind.NOT:
        values[out] = 1 - address
    elif kind == NodeKind.XOR:
        values[out] = (0b0110 >> address) & 1
    elif kind == NodeKind.MUX:
        values[out] = (0b11100100 >> address) & 1
    else:
        values[out] = memory[which][address % len(memory[which])]


def _reset(program: Program, group: int, values: bytearray) -> None:
    bit, start, end = program.groups[group].tolist()
    if values[bit]:
        for _, row, value in program.members[start:end].tolist():
            values[row] = value


def _write(program: Program, port: int, values: bytearray, memory: list[list[int]]) -> None:
    which, d, enable, first, count = program.writes[port].tolist()
    if not values[enable]:
        return
    if count == 0:
        memory[which] = [values[d], *memory[which][:-1]]
    else:
        address = _address(program.write_addresses[first : first + count].tolist(), values)
        memory[which][address % len(memory[which])] = values[d]


def _packed(values: UInt8[np.ndarray, "cycles n"]) -> UInt64[np.ndarray, "n words"]:
    cycles, count = values.shape
    padded = np.zeros((count, (cycles + 63) // 64 * 64), np.uint8)
    padded[:, :cycles] = values.T
    return np.packbits(padded, axis=1, bitorder="little").view("<u8").astype(np.uint64)


def _unpacked(words: UInt64[np.ndarray, " words"], cycles: int) -> UInt8[np.ndarray, " cycles"]:
    return np.unpackbits(words.astype("<u8").view(np.uint8), bitorder="little")[:cycles]
