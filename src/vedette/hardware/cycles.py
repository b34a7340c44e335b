"""Cycles that the engine takes for each step of a program: closed forms of all its control does.

A step costs its descriptor (8 beats and a cycle to read it), its tables, and then what the unit needs. A
product loads a tile's weights while it sums the tile before, so that the slower of the two counts; rows
leave one a cycle, so that a group of rows takes no less than its rows. Norm and softmax take a slot a row;
a softmax runs beside the products that follow, and what needs its end waits for it.
Held to the engine in Verilator: every step of the golden network exactly.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vedette.hardware.engine import (
    BESIDE,
    FROM_MEMORY,
    GEMM,
    LANES,
    LOAD,
    NORM,
    ROW_BIAS,
    SCORE,
    SELECT,
    SOFTMAX,
    TABLE_SECOND,
    TRANSPOSED,
    Engine,
)
from vedette.hardware.program import Program, Step
from vedette.hardware.rtl.units import select_cycles

HEADER = 9  # 8 beats, and a cycle to decode
LEAVE = 1  # from a unit's last cycle to the next descriptor
NORM_SLOT, SOFTMAX_SLOT = 7, 4  # cycles of a slot beyond the row's words
STARTED = 2  # of a step that the next does not wait for
DECODED = 8  # a descriptor is whole, and may wait for a softmax
END_CYCLES = 9  # the last descriptor
PIPELINE = 5  # of a product, from its first operands to its last row, beside the rows
BEATS_PER_ROW_BIAS = 5  # 4 to come, 1 to go


@dataclass(frozen=True)
class Cycles:
    """A step's cycles, and those of them in which the multipliers had work."""

    total: int
    products: int

    @property
    def busy(self) -> float:
        """Share of the cycles in which the multipliers had work."""
        return self.products / self.total


def program_cycles(program: Program, kept: Sequence[int] = ()) -> list[Cycles]:
    """Of every step, from its descriptor's first beat to the next one's, or to the end.

    Args:
        kept: tokens that each selection leaves, packages counted; by default all.
    """
    engine, counts = program.engine, []
    now, idle = 0, 0  # idle: when the softmax that runs beside will have ended
    left = iter(kept)
    live: int | None = None
    for step in program.steps:
        header = _sizes(step, engine, live)
        total, products = _step(step, header, engine)
        wait = 0 if header[0] & BESIDE else max(0, idle - (now + DECODED))
        counts.append(Cycles(wait + total, products))
        now += wait + total
        if step.op == SOFTMAX:
            idle = now - STARTED + (header[1] + 2) * (header[2] + SOFTMAX_SLOT)
        elif step.op == SELECT:
            live = next(left, live)
    return counts


def total_cycles(program: Program, kept: Sequence[int] = ()) -> int:
    """Of the whole program, from its start."""
    return sum(step.total for step in program_cycles(program, kept)) + END_CYCLES


def _sizes(step: Step, engine: Engine, live: int | None) -> dict[int, int]:
    """The descriptor as the engine takes it, with `live` tokens."""
    header = {0: 0, **step.header}
    if not step.live or live is None:
        return header
    header[1] = live
    if step.op == SOFTMAX:
        header[2] = -(-live // LANES)
    elif step.op == GEMM and header[0] & TRANSPOSED:
        header[2] = -(-live // engine.terms)
    elif step.op == GEMM and header[0] & FROM_MEMORY:
        header[3] = -(-live // LANES)
    return header


def _step(step: Step, header: Mapping[int, int], engine: Engine) -> tuple[int, int]:
    """Cycles of a step that waits for nothing, and those in which the multipliers have work."""
    rows, words = header[1], header[2]
    match step.op:
        case x if x == LOAD:
            return HEADER + LEAVE + rows * words, 0
        case x if x == NORM:
            tables = 16 + 8 * words
            return HEADER + tables + LEAVE + (rows + 1) * (words + NORM_SLOT), 0
        case x if x == SOFTMAX:
            return HEADER + 20 + STARTED, 0
        case x if x == SELECT:
            return HEADER + LEAVE + select_cycles(rows, words), 0
        case x if x == GEMM:
            return _product(header, engine)
    raise AssertionError(step.op)


def _product(header: Mapping[int, int], engine: Engine) -> tuple[int, int]:
    rows, chunks, tiles = (header[at] for at in (1, 2, 3))
    mode = header[0] >> 8 & 15
    from_memory, transposed = header[0] & FROM_MEMORY, header[0] & TRANSPOSED
    groups, tokens = -(-rows // engine.tokens), engine.tokens
    tables = 4 if mode <= TABLE_SECOND or mode == SCORE else 0
    parts = 1 if transposed else LANES // tokens  # of a word that is fetched from memory
    load = chunks * parts + 1 if from_memory else 2 + engine.terms // 2 * chunks
    products = tiles * groups * chunks
    last = rows - (groups - 1) * tokens
    late = max(0, last - (tokens - 2))  # rows that are still being finished when the last place is empty
    if mode == ROW_BIAS:  # nothing is loaded ahead, and rows wait for their biases
        leaving = last * BEATS_PER_ROW_BIAS + (tokens - last)
        between = (groups - 1) * max(chunks, tokens * BEATS_PER_ROW_BIAS + 3)
        return HEADER + tables + tiles * (load + chunks + between + leaving + 3) + 2 + late, products
    # time at which tile n is loaded, and at which its last chunk is issued
    loaded, issued, earlier = -1, 0, -1
    for tile in range(tiles):
        loaded = max(loaded, earlier) + load + 1
        first = max(issued, loaded) + chunks
        if tile:  # the group before must have left
            first = max(first, issued + tokens)
        earlier, issued = issued, first + (groups - 1) * max(chunks, tokens)
    return HEADER + tables + issued + tokens + PIPELINE + late, products
