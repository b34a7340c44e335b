"""A design as the one stream of operations that every bit-parallel engine executes each cycle.

Lanes are faulty machines: a net holds one bit for each of them. The stream of a cycle settles the
design, compares its outputs, and makes the clock edge. A net number is a row of lane words: the design's
bits come first, then scratch rows. Nothing in it depends on the faults, which arrive as marks
(`vedette.softerror.batch`) and act behind the node they belong to.
Asynchronous resets are inputs: `lower` makes what it needs of others.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from jaxtyping import Int32, UInt64

from vedette.errors import InputError, LimitError
from vedette.softerror.design import ONE, ZERO, Design, Kind, Reset
from vedette.softerror.ternary import WIDEST, Step, decompose


class Code(IntEnum):
    """What an entry of the stream does; below 256 it is the truth table of a three-input operation."""

    NODE = 256  # operation a is complete: its marks act now
    READ = 257  # operation a reads its memory
    RESET = 258  # reset group a acts
    COMPARE = 259  # outputs are sampled and compared
    WRITE = 260  # write port a takes its edge; of two ports of a memory the later wins


class NodeKind(IntEnum):
    """`Kind` as a number."""

    TABLE = 0
    NOT = 1
    XOR = 2
    MUX = 3
    READ = 4


_KINDS = {Kind.TABLE: 0, Kind.NOT: 1, Kind.XOR: 2, Kind.MUX: 3, Kind.READ: 4}
_STEPS: dict[Kind, tuple[Step, ...]] = {
    Kind.NOT: ((0x0F, 0, 0, 0),),
    Kind.XOR: ((0x3C, 0, 1, 0),),
    Kind.MUX: ((0xCA, 0, 2, 1),),
}
_SELECT = 0xCA  # a ? b : c
_COPY = 0xF0


@dataclass(frozen=True, eq=False)
class Program:
    """A compiled design.

    Attributes:
        design: what was compiled.
        rows: nets, scratch included.
        stream: code, out, a, b, c of each entry.
        nodes: for each operation: kind, out, first entry in `node_inputs`, inputs, memory (or -1).
        contents: for each operation the table's content; 0 where it is none.
        node_inputs: bits.
        groups: for each reset group: the reset bit, first entry in `members`, one past its last.
        members: flip-flop, row that is set, value.
        memories: depth, first bit among all memories' bits.
        writes: for each write port: memory, d, enable, first entry in `write_addresses`, address bits (none:
            the memory shifts).
        write_addresses: bits.
        flip_flops: q of each.
        inputs, outputs: bits, as columns of stimulus and response.
    """

    design: Design
    rows: int
    stream: Int32[np.ndarray, "n 5"]
    nodes: Int32[np.ndarray, "nodes 5"]
    contents: UInt64[np.ndarray, " nodes"]
    node_inputs: Int32[np.ndarray, " edges"]
    groups: Int32[np.ndarray, "groups 3"]
    members: Int32[np.ndarray, "members 3"]
    memories: Int32[np.ndarray, "memories 2"]
    writes: Int32[np.ndarray, "writes 5"]
    write_addresses: Int32[np.ndarray, " address_bits"]
    flip_flops: Int32[np.ndarray, " flip_flops"]
    inputs: Int32[np.ndarray, " inputs"]
    outputs: Int32[np.ndarray, " outputs"]

    @property
    def memory_bits(self) -> int:
        """Bits of all memories together."""
        return int(self.memories[:, 0].sum())

    @property
    def word_operations(self) -> int:
        """Three-input operations of a cycle."""
        return int((self.stream[:, 0] < 256).sum())


def compile_design(design: Design) -> Program:
    """The program of a design.

    Raises:
        LimitError: a table of more than six inputs.
        InputError: an asynchronous reset is computed.
    """
    for table in design.tables:
        if table.width > WIDEST:
            raise LimitError(
                f"table {table.name} has {table.width} inputs, more than {WIDEST}",
                hint="split it into tables",
            )
    writer = _Writer(design)
    free = {ZERO, ONE, *design.input_bits}
    asynchronous = {
        i: f.q for i, f in enumerate(design.flip_flops) if f.kind is Reset.ASYNC and f.reset != ZERO
    }
    for which in asynchronous:
        if design.flip_flops[which].reset not in free:
            raise InputError(
                f"the asynchronous reset of {design.flip_flops[which].name} is computed",
                hint="lower() turns it into a synchronous one and a multiplexer",
            )
    writer.reset(asynchronous, asynchronous)
    writer.settle()
    writer.emit(Code.COMPARE)
    writer.edge()
    return writer.program()


class _Writer:
    """Collects the stream and the arrays that it points to."""

    def __init__(self, design: Design) -> None:
        self.design = design
        self.steps = [_steps(design, index) for index in range(len(design.operations))]
        self.scratch = design.bits
        self.rows = design.bits + max(map(len, self.steps), default=0)
        self.stream: list[tuple[int, int, int, int, int]] = []
        self.groups: list[tuple[int, int, int]] = []
        self.members: list[tuple[int, int, int]] = []

    def emit(self, code: int, out: int = 0, a: int = 0, b: int = 0, c: int = 0) -> None:
        self.stream.append((code, out, a, b, c))

    def settle(self) -> None:
        """Operations, each with the marks behind it."""
        for node, operation in enumerate(self.design.operations):
            if operation.kind is Kind.READ:
                self.emit(Code.READ, operation.out, node)
            steps, inputs = self.steps[node], operation.inputs
            rows = [*inputs, *(self.scratch + i for i in range(len(steps) - 1)), operation.out]
            for number, (truth, *operands) in enumerate(steps):
                a, b, c = (rows[operand] if rows[:-1] else ZERO for operand in operands)
                self.emit(truth, rows[len(inputs) + number], a, b, c)
            self.emit(Code.NODE, operation.out, node)

    def reset(self, flip_flops: Iterable[int], target: dict[int, int]) -> None:
        """Flip-flops take their reset values where their resets are 1; one group a reset bit."""
        by_bit: dict[int, list[int]] = {}
        for which in flip_flops:
            by_bit.setdefault(self.design.flip_flops[which].reset, []).append(which)
        for bit, members in by_bit.items():
            start = len(self.members)
            self.members += [(m, target[m], self.design.flip_flops[m].reset_value) for m in members]
            self.emit(Code.RESET, 0, len(self.groups))
            self.groups.append((bit, start, len(self.members)))

    def edge(self) -> None:
        """Memories, then flip-flops; those that others read directly change last."""
        for port in range(sum(len(memory.writes) for memory in self.design.memories)):
            self.emit(Code.WRITE, 0, port)
        flip_flops = self.design.flip_flops
        read = {f.reset for f in flip_flops if f.kind is not Reset.NONE}
        read |= {bit for f in flip_flops for bit in (f.d, f.enable) if bit != f.q}
        target: dict[int, int] = {}
        for which, flip_flop in enumerate(flip_flops):
            target[which] = flip_flop.q
            if flip_flop.q in read:
                target[which] = self.rows
                self.rows += 1
            d, enable, q = flip_flop.d, flip_flop.enable, flip_flop.q
            if enable == ONE:
                self.emit(_COPY, target[which], d, d, d)
            else:
                self.emit(_SELECT, target[which], enable, d, q)
        self.reset(
            (i for i, f in enumerate(flip_flops) if f.kind is not Reset.NONE and f.reset != ZERO), target
        )
        for which, row in target.items():
            if row != flip_flops[which].q:
                self.emit(_COPY, flip_flops[which].q, row, row, row)

    def program(self) -> Program:
        design = self.design
        nodes: list[tuple[int, ...]] = []
        inputs: list[int] = []
        for operation in design.operations:
            memory = operation.table if operation.kind is Kind.READ else -1
            nodes.append((_KINDS[operation.kind], operation.out, len(inputs), len(operation.inputs), memory))
            inputs += operation.inputs
        contents = [design.tables[o.table].content if o.kind is Kind.TABLE else 0 for o in design.operations]
        memories: list[tuple[int, ...]] = []
        writes: list[tuple[int, ...]] = []
        addresses: list[int] = []
        first = 0
        for which, memory_ in enumerate(design.memories):
            memories.append((memory_.depth, first))
            first += memory_.depth
            for write in memory_.writes:
                writes.append((which, write.d, write.enable, len(addresses), len(write.address)))
                addresses += write.address
        return Program(
            design,
            self.rows,
            _table(self.stream, 5),
            _table(nodes, 5),
            np.array(contents, np.uint64),
            np.array(inputs, np.int32),
            _table(self.groups, 3),
            _table(self.members, 3),
            _table(memories, 2),
            _table(writes, 5),
            np.array(addresses, np.int32),
            np.array([f.q for f in design.flip_flops], np.int32),
            np.array(design.input_bits, np.int32),
            np.array(design.output_bits, np.int32),
        )


def _table(rows: Sequence[tuple[int, ...]], columns: int) -> Int32[np.ndarray, "n columns"]:
    return np.array(rows, np.int32).reshape(-1, columns)


def _steps(design: Design, index: int) -> tuple[Step, ...]:
    """Steps of one operation; a table's are of what constant and doubled pins leave of it."""
    operation = design.operations[index]
    if operation.kind is not Kind.TABLE:
        return _STEPS.get(operation.kind, ())
    table = design.tables[operation.table]
    content, inputs = table.content, operation.inputs
    if len(set(inputs) | {ZERO, ONE}) < len(inputs) + 2:
        content = _simplified(content, inputs)
    return decompose(content, table.width)


def _simplified(content: int, inputs: tuple[int, ...]) -> int:
    """The content with every impossible address given that of the possible one nearest in meaning.

    A pin that is constant, or repeats a former pin, is read as that; so the function does not depend on it.
    """
    result = 0
    for address in range(1 << len(inputs)):
        known = {ZERO: 0, ONE: 1}
        seen = 0
        for place, bit in enumerate(inputs):
            seen |= known.setdefault(bit, address >> place & 1) << place
        result |= (content >> seen & 1) << address
    return result
