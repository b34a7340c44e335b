"""The bit-parallel engine in NumPy: one fault a lane, exact, and what the compiled engines answer to.

A net is a row of W 64-bit words, one bit for each faulty machine. The stream of a `Program` is executed
each cycle on all rows at once.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int32, UInt8, UInt64

from vedette.softerror.batch import Batch, MarkKind
from vedette.softerror.golden import Golden
from vedette.softerror.program import Code, NodeKind, Program

ALL = np.uint64(0xFFFF_FFFF_FFFF_FFFF)
SHALLOW = 32  # words; memories of more are read lane by lane, which takes the same time for any depth


@dataclass(frozen=True, eq=False)
class Question:
    """What a run compares, and with what.

    Attributes:
        stimulus: input values.
        compare: bits that count as wrong where they differ.
        alarms: bits whose first difference is kept.
        right, quiet: their values in the fault-free run.
        counted: 1 in cycles that count for `compare`.
    """

    stimulus: UInt8[np.ndarray, "cycles inputs"]
    compare: Int32[np.ndarray, " compared"]
    alarms: Int32[np.ndarray, " alarms"]
    right: UInt8[np.ndarray, "cycles compared"]
    quiet: UInt8[np.ndarray, "cycles alarms"]
    counted: UInt8[np.ndarray, " cycles"]


# mismatches, first, last, alarmed of each lane; and the outputs' rows in each cycle, if asked for
Answer = tuple[Int32[np.ndarray, "4 lanes"], UInt64[np.ndarray, "cycles outputs words"]]


def run_reference(
    program: Program, batch: Batch, golden: Golden, question: Question, *, keep_outputs: bool = False
) -> Answer:
    """Run a batch to the end."""
    machine = _Machine(program, batch, golden)
    cycles, lanes = golden.cycles, 64 * batch.words
    counts = np.zeros((4, lanes), np.int32)
    counts[1:] = -1
    outputs = np.zeros((cycles if keep_outputs else 0, len(program.outputs), batch.words), np.uint64)
    for cycle in range(batch.start, cycles):
        machine.begin(cycle, question.stimulus[cycle])
        machine.settle()
        nets = machine.nets
        if keep_outputs:
            outputs[cycle] = nets[program.outputs]
        wrong = np.zeros(batch.words, np.uint64)
        if question.counted[cycle]:
            wrong = _differ(nets[question.compare], question.right[cycle])
        hit = _bits(wrong)
        counts[0] += hit
        counts[1] = np.where(hit & (counts[1] < 0), cycle, counts[1])
        counts[2] = np.where(hit, cycle, counts[2])
        alarm = _bits(_differ(nets[question.alarms], question.quiet[cycle]))
        counts[3] = np.where(alarm & (counts[3] < 0), cycle, counts[3])
        machine.edge()
    return counts, outputs


def _differ(rows: np.ndarray, right: np.ndarray) -> np.ndarray:
    wanted = np.where(right != 0, ALL, np.uint64(0))[:, None]
    return np.bitwise_or.reduce(rows ^ wanted, axis=0, initial=np.uint64(0))


def _bits(words: np.ndarray) -> np.ndarray:
    """The lanes of words, as booleans."""
    return np.unpackbits(words.astype("<u8").view(np.uint8), bitorder="little").astype(bool)


class _Machine:
    """Nets and memories of all lanes."""

    def __init__(self, program: Program, batch: Batch, golden: Golden) -> None:
        self.program, self.batch = program, batch
        self.nets = np.zeros((program.rows, batch.words), np.uint64)
        self.nets[1] = ALL
        self.nets[program.flip_flops] = _spread(golden.state_at(batch.start), batch.words)
        contents = golden.memory_at(batch.start) if program.memory_bits else np.zeros(0, np.uint8)
        self.memory = _spread(contents, batch.words)
        self.marks = batch.marks.copy()
        self.marked: dict[tuple[bool, int], list[int]] = {}  # (of a reset, place) -> marks
        for i, mark in enumerate(batch.marks):
            key = (bool(mark["kind"] == MarkKind.RESET), int(mark["place"]))
            self.marked.setdefault(key, []).append(i)
        stream = program.stream.tolist()
        split = next(i for i, entry in enumerate(stream) if entry[0] == Code.COMPARE)
        self.before, self.after = stream[:split], stream[split + 1 :]

    def begin(self, cycle: int, stimulus: np.ndarray) -> None:
        """Drive the inputs; what the faults change at this moment changes."""
        for toggle in self.batch.toggles[self.batch.toggles["cycle"] == cycle]:
            self.marks["mask"][toggle["mark"]] ^= toggle["mask"]
        for flip in self.batch.flips[self.batch.flips["cycle"] == cycle]:
            self.nets[flip["row"], flip["word"]] ^= flip["mask"]
        self.nets[self.program.inputs] = _spread(stimulus, self.batch.words)

    def settle(self) -> None:
        self._execute(self.before)

    def edge(self) -> None:
        self._execute(self.after)

    def _execute(self, stream: list[list[int]]) -> None:
        nets = self.nets
        for code, out, a, b, c in stream:
            if code < 256:
                nets[out] = ternary(code, nets[a], nets[b], nets[c])
            elif code == Code.NODE:
                self._apply_marks(a)
            elif code == Code.READ:
                first = self.program.nodes[a, 2]
                inputs = nets[self.program.node_inputs[first : first + self.program.nodes[a, 3]]]
                nets[out] = self._read(int(self.program.nodes[a, 4]), inputs)
            elif code == Code.RESET:
                self._reset(a)
            else:
                self._write(a)

    def _apply_marks(self, node: int) -> None:
        """Injection behind a node."""
        moved: dict[int, list[np.void]] = {}
        _, out, first, count, _ = self.program.nodes[node].tolist()
        inputs = self.program.node_inputs[first : first + count]
        for i in self.marked.get((False, node), ()):
            mark = self.marks[i]
            word = int(mark["word"])
            if mark["kind"] == MarkKind.PIN:
                moved.setdefault(word, []).append(mark)
                continue
            hit = mark["mask"]
            for place, bit in enumerate(inputs.tolist()):
                hit = hit & ~(self.nets[bit, word] ^ mark["pattern"][place])
            self.nets[out, word] ^= hit
        for word, marks in moved.items():
            seen, any_ = self.nets[inputs, word].copy(), np.uint64(0)
            for mark in marks:
                pin, mask = int(mark["pin"]), mark["mask"]
                seen[pin] = (seen[pin] & ~mask) | (self.nets[mark["source"], word] & mask)
                any_ |= mask
            value = self._evaluate(node, seen[:, None], word)
            self.nets[out, word] = (self.nets[out, word] & ~any_) | (value & any_)

    def _evaluate(self, node: int, seen: np.ndarray, word: int) -> np.uint64:
        """One word of a node's output, from its inputs."""
        kind, memory = int(self.program.nodes[node, 0]), int(self.program.nodes[node, 4])
        if kind == NodeKind.READ:
            return self._read(memory, seen, slice(word, word + 1))[0]
        content = int(self.program.contents[node])
        if kind != NodeKind.TABLE:
            content = {NodeKind.NOT: 0b01, NodeKind.XOR: 0b0110, NodeKind.MUX: 0b11100100}[NodeKind(kind)]
        rows = [np.full(1, ALL if content >> i & 1 else 0, np.uint64) for i in range(1 << len(seen))]
        return _select(np.array(rows), seen)[0]

    def _rows(self, memory: int) -> np.ndarray:
        depth, first = self.program.memories[memory, :2].tolist()
        return self.memory[first : first + depth]

    def _read(self, memory: int, address: np.ndarray, words: slice = slice(None)) -> np.ndarray:
        rows = self._rows(memory)[:, words]
        if len(rows) <= SHALLOW:
            return _select(rows, address)
        lanes = np.arange(64 * rows.shape[1])
        seen = rows[_addresses(address) % len(rows), lanes // 64] >> (lanes % 64).astype(np.uint64)
        return _words(seen & np.uint64(1))

    def _reset(self, group: int) -> None:
        bit, start, end = self.program.groups[group].tolist()
        asserted = self.nets[bit].copy()
        for flip_flop, row, value in self.program.members[start:end].tolist():
            self.nets[row] = self.nets[row] | asserted if value else self.nets[row] & ~asserted
            for i in self.marked.get((True, flip_flop), ()):
                word = self.marks[i]["word"]
                self.nets[row, word] ^= asserted[word] & self.marks[i]["mask"]

    def _write(self, port: int) -> None:
        which, d, enable, first, count = self.program.writes[port].tolist()
        rows, data, write = self._rows(which), self.nets[d], self.nets[enable]
        if count == 0:
            rows[:] = (rows & ~write) | (np.concatenate([data[None], rows[:-1]]) & write)
            return
        lanes = np.flatnonzero(_bits(write))
        address = self.nets[self.program.write_addresses[first : first + count]]
        cells = _addresses(address)[lanes] % len(rows), lanes // 64
        bit = np.uint64(1) << (lanes % 64).astype(np.uint64)
        np.bitwise_and.at(rows, cells, ~bit)
        np.bitwise_or.at(rows, cells, bit & data[lanes // 64])


def _spread(values: np.ndarray, words: int) -> np.ndarray:
    """A row of words for each bit, all lanes alike."""
    return np.repeat(np.where(values != 0, ALL, np.uint64(0))[:, None], words, axis=1)


def _addresses(rows: np.ndarray) -> np.ndarray:
    """Address bits, lowest first, as a number for each lane."""
    bits = np.unpackbits(rows.astype("<u8").view(np.uint8), axis=1, bitorder="little")
    return np.asarray((1 << np.arange(len(rows))) @ bits.astype(np.int64))


def _words(values: np.ndarray) -> np.ndarray:
    """Lanes, 0 or 1 each, as words."""
    return np.packbits(values.astype(np.uint8), bitorder="little").view("<u8").astype(np.uint64)


def _select(rows: np.ndarray, address: np.ndarray) -> np.ndarray:
    """The row that the address names, lane by lane; the address' first row is its lowest bit."""
    for bit in address:
        if len(rows) == 1:
            break
        rows = (rows[::2] & ~bit) | (rows[1::2] & bit)
    return rows[0]


_PAIRS: tuple[Callable[[np.ndarray, np.ndarray], np.ndarray], ...] = (
    lambda b, c: np.zeros_like(b),
    lambda b, c: ~(b | c),
    lambda b, c: ~b & c,
    lambda b, c: ~b,
    lambda b, c: b & ~c,
    lambda b, c: ~c,
    lambda b, c: b ^ c,
    lambda b, c: ~(b & c),
    lambda b, c: b & c,
    lambda b, c: ~(b ^ c),
    lambda b, c: c,
    lambda b, c: c | ~b,
    lambda b, c: b,
    lambda b, c: b | ~c,
    lambda b, c: b | c,
    lambda b, c: ~np.zeros_like(b),
)  # by truth table, bit 2 b + c


def ternary(truth: int, a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    """Any function of three inputs, bit by bit; bit 4 a + 2 b + c of `truth`.

    >>> ternary(0xCA, np.array([0b1100], np.uint8), np.array([0b1010], np.uint8), np.array([3], np.uint8))
    array([11], dtype=uint8)
    """
    low, high = truth & 15, truth >> 4
    if low == high:
        return _PAIRS[low](b, c)
    return (_PAIRS[low](b, c) & ~a) | (_PAIRS[high](b, c) & a)
