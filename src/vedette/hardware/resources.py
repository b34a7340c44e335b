"""LUT, FF, DSP and block RAM of an engine on a device, from coefficients: no Yosys is needed.

An engine is a sum of blocks, since each is mapped on its own (hierarchy kept). Figures are estimates of what
Yosys makes; benchmarks/hardware/resources.py compares. A vendor's tool packs tables closer.
"""

from dataclasses import dataclass, fields

from vedette.errors import InputError
from vedette.hardware.coefficients import FILE, Parameters, bits, block_cells, read_coefficients
from vedette.hardware.devices import Device
from vedette.hardware.engine import LANES, Engine
from vedette.tools.cells import Cells


@dataclass(frozen=True)
class Part:
    """So many instances of a block, all with the same parameters; `name` says what for."""

    name: str
    block: str
    parameters: Parameters
    instances: int = 1


@dataclass(frozen=True, kw_only=True)
class Resources:
    """Of a whole engine, and of its parts by name.

    >>> from vedette.hardware.devices import device
    >>> resources(Engine(), device("zcu102")).dsps >= 512
    True
    """

    device: Device
    total: Cells
    by_block: dict[str, Cells]

    @property
    def luts(self) -> int:
        """Lookup tables, those used as memory among them."""
        return self.total.luts

    @property
    def ffs(self) -> int:
        """Flip-flops."""
        return self.total.ffs

    @property
    def dsps(self) -> int:
        """DSP blocks."""
        return self.total.dsps

    @property
    def bram18(self) -> int:
        """Block RAMs of 18 kbit."""
        return self.total.bram18

    def shares(self) -> dict[str, float]:
        """Of what the device has; inf where it has none and some is needed."""
        has = {field.name: getattr(self.device, field.name) for field in fields(Cells)}
        return {name: _share(getattr(self.total, name), count) for name, count in has.items()}

    def short(self) -> list[str]:
        """Names of what goes beyond the usable part of the device, see `Device`."""
        lut, bram, dsp = self.device.usable
        most = {"luts": lut, "ffs": lut, "dsps": dsp, "bram18": bram}
        return [name for name, share in self.shares().items() if share > most[name]]


def parts(engine: Engine) -> list[Part]:
    """The blocks of rtl/engine.sv at these sizes; a test holds the list to Yosys' own hierarchy."""
    bank, packed = LANES * 8, int(engine.packed)
    weights = LANES * engine.terms * 8
    word_bits, row_bits = bits(engine.words_most), bits(engine.rows_most)
    sizes = {"TOKENS": engine.tokens, "TERMS": engine.terms, "CHUNKS_MOST": engine.chunks_most}
    selection = {"WORDS_MOST": engine.words_most, "ROWS_MOST": engine.rows_most}
    dots = engine.tokens * (LANES // 2) * (engine.terms // 8)
    return [
        Part("products", "dot", {"N": 8, "PACKED": packed}, dots),
        Part("sums and control of products", "gemm", sizes | {"PACKED": packed}),
        Part("memory of weights", "memory", {"WIDTH": weights, "DEPTH": 2 * engine.chunks_most}),
        Part("memory first", "memory", {"WIDTH": bank, "DEPTH": engine.first}, engine.tokens),
        Part("memory second", "memory", {"WIDTH": bank, "DEPTH": engine.second}, engine.tokens),
        Part("memory chances", "memory", {"WIDTH": bank, "DEPTH": engine.chances}, engine.tokens),
        Part("memory wide", "memory", {"WIDTH": 16 * LANES, "DEPTH": engine.wide}),
        Part("table of a function", "lookup", {"LANES": LANES}),
        Part("softmax", "softmax", {"LANES": LANES, "WORDS_MOST": 16}),
        Part("turns of softmax", "slots", {"W": 4, "LATENCY": 4, "MORE": 2}),
        Part("layer norm", "layer_norm", {"LANES": LANES, "WORDS_MOST": engine.words_most}),
        Part("turns of layer norm", "slots", {"W": word_bits, "LATENCY": 7, "MORE": 1}),
        Part("token selection", "select", selection | {"LANES": LANES}),
        Part("passes of token selection", "slots", {"W": row_bits - bits(LANES), "LATENCY": 3, "MORE": 0}),
        Part("turns of token selection", "slots", {"W": row_bits, "LATENCY": 3, "MORE": 1}),
        Part("window of the stream", "window", {}),
        Part("sequencer and rows", "engine", sizes | {"WORDS_MOST": engine.words_most}),
    ]


def resources(engine: Engine, device: Device) -> Resources:
    """What the engine takes of the device.

    Raises:
        InputError: a device of a family that was not characterized, or sizes that were not.
    """
    known = read_coefficients(FILE)["families"]
    if device.family not in known:
        raise InputError(
            f"{device.name} is of family {device.family}, which is not characterized",
            hint=f"characterized: {', '.join(sorted(known))}; an engine needs tables of 6 inputs",
        )
    by_block: dict[str, Cells] = {}
    for part in parts(engine):
        one = block_cells(part.block, part.parameters, device.family)
        by_block[part.name] = by_block.get(part.name, Cells()) + one * part.instances
    return Resources(device=device, total=sum(by_block.values(), Cells()), by_block=by_block)


def _share(used: int, there: int) -> float:
    return used / there if there else float("inf") if used else 0.0
