"""Cycles that the engine takes for each step of a program: closed forms of all its control does.

A step costs its descriptor (8 beats and a cycle to read it), its tables, and then what the unit needs. A
product loads a tile's weights while it sums the tile before, so that the slower of the two counts; rows
leave one a cycle, so that a group of rows takes no less than its rows. Norm and softmax take a slot a row.
Held to the engine in Verilator: every step of the golden network exactly.
"""

from dataclasses import dataclass

from vedette.hardware.engine import GEMM, LANES, LOAD, NORM, ROW_BIAS, SOFTMAX, TABLE_SECOND, Engine
from vedette.hardware.program import Program, Step

HEADER = 9  # 8 beats, and a cycle to decode
LEAVE = 1  # from a unit's last cycle to the next descriptor
NORM_SLOT, SOFTMAX_SLOT = 7, 4  # cycles of a slot beyond the row's words
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


def step_cycles(step: Step, engine: Engine) -> Cycles:
    """Cycles from the descriptor's first beat to the next one's."""
    rows, words = step.header[1], step.header[2]
    match step.op:
        case x if x == LOAD:
            return Cycles(HEADER + LEAVE + rows * words, 0)
        case x if x == NORM:
            tables = 16 + 8 * words
            return Cycles(HEADER + tables + LEAVE + (rows + 1) * (words + NORM_SLOT), 0)
        case x if x == SOFTMAX:
            return Cycles(HEADER + 20 + LEAVE + (rows + 2) * (words + SOFTMAX_SLOT), 0)
        case x if x == GEMM:
            return _product(step, engine)
    raise AssertionError(step.op)


def program_cycles(program: Program) -> list[Cycles]:
    """Of every step."""
    return [step_cycles(step, program.engine) for step in program.steps]


def _product(step: Step, engine: Engine) -> Cycles:
    rows, chunks, tiles = (step.header[at] for at in (1, 2, 3))
    mode, from_memory, transposed = (
        step.header[0] >> 8 & 15,
        step.header[0] >> 12 & 1,
        step.header[0] >> 13 & 1,
    )
    groups, tokens = -(-rows // engine.tokens), engine.tokens
    tables = 4 if mode <= TABLE_SECOND else 0
    parts = 1 if transposed else LANES // tokens  # of a word that is fetched from memory
    load = chunks * parts + 1 if from_memory else 4 + 8 * chunks
    products = tiles * groups * chunks
    last = rows - (groups - 1) * tokens
    late = max(0, last - (tokens - 2))  # rows that are still being finished when the last place is empty
    if mode == ROW_BIAS:  # nothing is loaded ahead, and rows wait for their biases
        leaving = last * BEATS_PER_ROW_BIAS + (tokens - last)
        between = (groups - 1) * max(chunks, tokens * BEATS_PER_ROW_BIAS + 3)
        return Cycles(HEADER + tables + tiles * (load + chunks + between + leaving + 3) + 2 + late, products)
    # time at which tile n is loaded, and at which its last chunk is issued
    loaded, issued, earlier = -1, 0, -1
    for tile in range(tiles):
        loaded = max(loaded, earlier) + load + 1
        first = max(issued, loaded) + chunks
        if tile:  # the group before must have left
            first = max(first, issued + tokens)
        earlier, issued = issued, first + (groups - 1) * max(chunks, tokens)
    return Cycles(HEADER + tables + issued + tokens + PIPELINE + late, products)
