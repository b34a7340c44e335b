"""Measure blocks of rtl/ with Yosys and fit their coefficients; what has not changed is not measured twice.

A block is synthesized alone, its children as empty boxes, at a few sizes. Tables and flip-flops are fitted by
least squares of the relative error, without what the memory rule says of the memories in it; DSPs must be
met exactly. Several points go through one run of Yosys where they can.
"""

import hashlib
import itertools
import json
from collections.abc import Callable, Sequence
from dataclasses import astuple
from pathlib import Path
from typing import Any

import numpy as np

from vedette.errors import ToolError
from vedette.hardware.coefficients import BLOCKS, KINDS, Parameters, memories_of
from vedette.hardware.rtl.simulate import FOLDER
from vedette.images import write_atomically
from vedette.tools.cells import Cells, mapper, own_cells

CHARACTERIZED = ("xcup", "xc7")


def _norms() -> list[Parameters]:
    """Sizes of layer norm: three widths, and one lane for other sums' widths, whose products differ."""
    wide = [{"LANES": lanes, "WORDS_MOST": words} for lanes, words in ((4, 16), (4, 64), (8, 16))]
    return [*wide, *({"LANES": 1, "WORDS_MOST": 1 << sum_bits} for sum_bits in (6, 9, 10, 11))]


# fewer than 4 lanes would not do: Yosys keeps the tables of lookup and softmax in RAMs there, not flip-flops
POINTS: dict[str, list[Parameters]] = {
    "dot": [{"N": n, "PACKED": packed} for packed in (1, 0) for n in (1, 2, 4, 6, 8)],
    "slots": [
        {"W": w, "LATENCY": latency, "MORE": more}
        for w, latency, more in (
            (3, 4, 2),
            (4, 4, 2),
            (6, 4, 2),
            (4, 7, 1),
            (6, 7, 1),
            (8, 7, 1),
            (4, 3, 0),
            (8, 3, 1),
        )
    ],
    "window": [{}],
    "lookup": [{"LANES": lanes} for lanes in (4, 8)],
    "softmax": [{"LANES": lanes, "WORDS_MOST": 16} for lanes in (4, 8)],
    "layer_norm": _norms(),
    "select": [
        {"LANES": lanes, "WORDS_MOST": words, "ROWS_MOST": rows}
        for lanes, words, rows in ((4, 64, 256), (8, 64, 256), (4, 64, 64))
    ],
    # four rows are no engine, but made as eight are, in half the time
    "gemm": [{"TOKENS": tokens, "TERMS": terms, "CHUNKS_MOST": 16} for tokens in (4, 8) for terms in (8, 16)],
    "engine": [{"TOKENS": tokens, "WORDS_MOST": 64} for tokens in (8, 16)],
}


class Cache:
    """Measured cells in a JSON file, by the hash of Yosys' version, the sources, and the sizes.

    Args:
        path: of the file; None keeps nothing beyond this object.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._known: dict[str, list[int]] = {}
        if path is not None and path.is_file():
            self._known = json.loads(path.read_text())

    def measure(
        self, folder: Path, block: str, each: Sequence[Parameters], family: str
    ) -> tuple[list[Cells], int]:
        """The block's cells at every point, and how many of them had to be synthesized."""
        keys = [self._key(folder, block, parameters, family) for parameters in each]
        missing = [number for number, key in enumerate(keys) if key not in self._known]
        if missing:
            some = [each[number] for number in missing]
            children = BLOCKS[block].children
            for number, cells in zip(
                missing, own_cells(folder, block, some, family=family, children=children), strict=True
            ):
                self._known[keys[number]] = list(astuple(cells))
            if self._path is not None:
                write_atomically(self._path, json.dumps(self._known, indent=0).encode())
        return [Cells(*self._known[key]) for key in keys], len(missing)

    @staticmethod
    def _key(folder: Path, block: str, parameters: Parameters, family: str) -> str:
        digest = hashlib.sha256(f"{mapper()} {family} {block} {sorted(parameters.items())}".encode())
        for name in (block, *BLOCKS[block].children):
            digest.update((folder / f"{name}.sv").read_bytes())
        return digest.hexdigest()[:32]


def characterize(
    families: Sequence[str] = CHARACTERIZED,
    *,
    folder: Path = FOLDER,
    cache: Cache | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> dict[str, Any]:
    """The contents of coefficients.json: for each family and block, what a term of its size costs.

    Args:
        folder: with the SystemVerilog of the blocks.
        progress: told blocks done, and all.

    Raises:
        MissingExtraError: pyosys is not installed.
        InputError, ToolError: Yosys refuses a source, or DSPs do not follow the terms.
    """
    cache = cache or Cache()
    found: dict[str, dict[str, Any]] = {family: {} for family in families}
    work = list(itertools.product(families, POINTS))
    for done, (family, block) in enumerate(work):
        progress(done, len(work))
        # one point a run for blocks that take long: a stop loses one
        runs = [[point] for point in POINTS[block]] if BLOCKS[block].children else [POINTS[block]]
        measured = [cells for run in runs for cells in cache.measure(folder, block, run, family)[0]]
        found[family][block] = fit_block(block, POINTS[block], measured, family)
    progress(len(work), len(work))
    return {"yosys": mapper(), "families": found}


def fit_block(
    block: str, points: Sequence[Parameters], measured: Sequence[Cells], family: str
) -> dict[str, dict[str, float]]:
    """Coefficients of a block's terms, for each kind of resource.

    Raises:
        ToolError: the terms do not give the DSPs exactly.
    """
    rest = [cells + memories_of(block, p, family) * -1 for cells, p in zip(measured, points, strict=True)]
    found = {}
    for kind in KINDS:
        rows = [BLOCKS[block].of(kind, parameters) for parameters in points]
        values = np.array([getattr(cells, kind) for cells in rest], dtype=float)
        found[kind] = _least_squares(rows, values)
        if kind == "dsps":
            said = [round(sum(found[kind][term] * times for term, times in row.items())) for row in rows]
            if said != values.astype(int).tolist():
                raise ToolError(
                    f"DSPs of {block} are {values.astype(int).tolist()}, and its terms give {said}",
                    hint="give the block other dsp_terms in vedette/hardware/coefficients.py",
                )
    return found


def _least_squares(rows: Sequence[dict[str, float]], values: np.ndarray) -> dict[str, float]:
    """A coefficient for each term, of least relative error."""
    terms = list(dict.fromkeys(term for row in rows for term in row))
    if not terms:
        return {}
    weights = 1 / np.maximum(np.abs(values), 1)
    table = np.array([[row.get(term, 0.0) for term in terms] for row in rows])
    solved, _, rank, _ = np.linalg.lstsq(table * weights[:, None], values * weights, rcond=None)
    if rank < len(terms):
        raise ToolError(
            f"{len(rows)} points do not tell {', '.join(terms)} apart", hint="measure more sizes in POINTS"
        )
    return {term: round(float(value), 4) for term, value in zip(terms, solved, strict=True)}
