"""What one block of rtl/ takes: measured coefficients times the sizes it grows with, and memories by rule.

coefficients.json is what `vedette hardware characterize` wrote. A block's children count apart.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from vedette.errors import InputError, UnknownNameError
from vedette.hardware.memory_cost import memory_cells
from vedette.tools.cells import Cells

FILE = Path(__file__).with_name("coefficients.json")
Parameters = Mapping[str, int]
Terms = dict[str, float]
KINDS = ("luts", "ffs", "dsps")
_AGAIN = "run `vedette hardware characterize`; sizes are in vedette/hardware/characterize.py"


def bits(count: int) -> int:
    """Verilog's $clog2.

    >>> bits(64), bits(65)
    (6, 7)
    """
    return (count - 1).bit_length()


def _no_memories(_: Parameters) -> list[tuple[int, int]]:
    return []


@dataclass(frozen=True, kw_only=True)
class Block:
    """How a block grows.

    Args:
        terms: of its tables and flip-flops, each with a coefficient.
        dsp_terms: of its DSPs.
        memories: width and depth of each memory in it.
        children: blocks that it instantiates.
    """

    terms: Callable[[Parameters], Terms]
    dsp_terms: Callable[[Parameters], Terms] = lambda p: {}
    memories: Callable[[Parameters], list[tuple[int, int]]] = _no_memories
    children: tuple[str, ...] = ()

    def of(self, kind: str, parameters: Parameters) -> Terms:
        """The terms of "luts", "ffs" or "dsps"."""
        return self.dsp_terms(parameters) if kind == "dsps" else self.terms(parameters)


def _dot(p: Parameters) -> Terms:
    form = "packed" if p["PACKED"] else "plain"
    return {form: 1, f"{form} terms": p["N"], f"{form} terms squared": p["N"] ** 2}


def _slots(p: Parameters) -> Terms:
    return {f"latency {p['LATENCY']}, {p['MORE']} more": 1, "word bits": p["W"]}


def _softmax_memories(p: Parameters) -> list[tuple[int, int]]:
    return 2 * [(16 * p["LANES"], 2 * p["WORDS_MOST"])]


def _norm_memories(p: Parameters) -> list[tuple[int, int]]:
    lanes, words = p["LANES"], p["WORDS_MOST"]
    return [(16 * lanes, 2 * words), (20 * lanes, words), (44 * lanes, words)]


def _sum_bits(p: Parameters) -> int:
    return bits(p["WORDS_MOST"]) + bits(p["LANES"])


BLOCKS = {
    "dot": Block(terms=_dot, dsp_terms=lambda p: {"packed terms" if p["PACKED"] else "plain terms": p["N"]}),
    "memory": Block(terms=lambda p: {}, memories=lambda p: [(p["WIDTH"], p["DEPTH"])]),
    "slots": Block(terms=_slots),
    "window": Block(terms=lambda p: {"one": 1}),
    "lookup": Block(terms=lambda p: {"one": 1, "lanes": p["LANES"]}),
    "softmax": Block(
        terms=lambda p: {"one": 1, "lanes": p["LANES"]},
        dsp_terms=lambda p: {"lanes": p["LANES"]},
        memories=_softmax_memories,
        children=("slots",),
    ),
    "layer_norm": Block(
        terms=lambda p: {"one": 1, "lanes": p["LANES"], "sum bits": _sum_bits(p)},
        dsp_terms=lambda p: {"lanes": p["LANES"], f"sum of {_sum_bits(p)} bits": 1},
        memories=_norm_memories,
        children=("slots",),
    ),
    "select": Block(
        terms=lambda p: {
            "one": 1,
            "lanes": p["LANES"],
            "row bits": bits(p["ROWS_MOST"]),
        },
        dsp_terms=lambda p: {"one": 1, "lanes": p["LANES"]},
        memories=lambda p: p["LANES"] * [(8, p["ROWS_MOST"] // p["LANES"])],
        children=("slots",),
    ),
    "gemm": Block(
        terms=lambda p: {
            "one": 1,
            "tokens": p["TOKENS"],
            "terms": p["TERMS"],
            "tokens times terms": p["TOKENS"] * p["TERMS"],
        },
        dsp_terms=lambda p: {"one": 1},
        children=("dot", "memory"),
    ),
    "engine": Block(
        terms=lambda p: {"one": 1, "tokens": p["TOKENS"]},
        dsp_terms=lambda p: {"one": 1},
        children=("window", "gemm", "dot", "memory", "lookup", "softmax", "layer_norm", "select", "slots"),
    ),
}


@cache
def read_coefficients(path: Path = FILE) -> dict[str, Any]:
    """The file, by family, block, kind and term.

    Raises:
        InputError: no such file.
    """
    try:
        found: dict[str, Any] = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path} cannot be read: {error}", hint="make it with `vedette hardware characterize`"
        ) from error
    return found


def memories_of(block: str, parameters: Parameters, family: str) -> Cells:
    """What the memories in a block take."""
    return sum((memory_cells(*size, family) for size in BLOCKS[block].memories(parameters)), Cells())


def block_cells(block: str, parameters: Parameters, family: str, path: Path = FILE) -> Cells:
    """What a block takes, its children not among it.

    Raises:
        UnknownNameError: a block, or a family, that was not characterized.
        InputError: sizes beyond those that were measured.
    """
    if block not in BLOCKS:
        raise UnknownNameError("block", block, BLOCKS)
    families = read_coefficients(path)["families"]
    if family not in families:
        raise UnknownNameError("characterized device family", family, families)
    if BLOCKS[block].terms(parameters) and block not in families[family]:
        raise InputError(f"{block} was not measured for {family}", hint=_AGAIN)
    found = {}
    for kind in KINDS:
        known = families[family].get(block, {}).get(kind, {})
        total = 0.0
        for term, times in BLOCKS[block].of(kind, parameters).items():
            if term not in known:
                raise InputError(f"{block} with a {term} was not measured", hint=_AGAIN)
            total += known[term] * times
        found[kind] = max(0, round(total))
    return Cells(**found) + memories_of(block, parameters, family)
