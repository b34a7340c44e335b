"""What a network takes on the engine: cycles, images a second, resources, bandwidth, and what bounds it."""

from collections import Counter
from dataclasses import asdict, dataclass

from vedette.errors import InputError
from vedette.hardware.cycles import program_cycles
from vedette.hardware.devices import Device
from vedette.hardware.engine import GEMM, LANES, LOAD, NORM, SELECT, SIZES, SOFTMAX, Engine
from vedette.hardware.network import Network
from vedette.hardware.program import Program, engine_for
from vedette.hardware.resources import Resources, resources

NAMES = {"luts": "LUT", "ffs": "FF", "dsps": "DSP", "bram18": "BRAM18"}
KINDS = {LOAD: "input", NORM: "layer norm", SOFTMAX: "softmax", GEMM: "products", SELECT: "selection"}


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """Figures of one image; cycles are the engine's own, exactly, the rest follows from sizes.

    Args:
        resources: None where the device's family was not characterized; `why_not` says so then.
    """

    network: str
    device: Device
    engine: Engine
    clock_mhz: float
    cycles: int
    cycles_by_kind: dict[str, int]
    macs: int
    stream_bytes: int
    memory_bits: int
    resources: Resources | None
    why_not: str = ""

    @property
    def frames_per_s(self) -> float:
        """Images a second."""
        return self.clock_mhz * 1e6 / self.cycles

    @property
    def utilization(self) -> float:
        """Of the multipliers, over the whole image."""
        return self.macs / self.engine.multipliers / self.cycles

    def row(self) -> dict[str, object]:
        """The table of the command line."""
        device, gb_s = self.device, self.stream_bytes * self.frames_per_s / 1e9
        roof = device.roof_gmac_s(clock_mhz=self.clock_mhz) * 1e9 / self.macs
        bits = self.memory_there
        row: dict[str, object] = {
            "network": self.network,
            "device": f"{device.name} ({device.part}) at {self.clock_mhz:g} MHz",
            "engine": f"{self.engine.multipliers:,} products: {self.engine.tokens} rows, "
            f"{LANES} outputs, {self.engine.terms} terms",
            "cycles": self.cycles,
            "images_a_second": round(self.frames_per_s, 1),
            "multipliers_busy": f"{100 * self.utilization:.1f} %",
            "device_roof": f"{roof:,.0f} images/s, two products a DSP",
            "of_the_roof": f"{100 * self.frames_per_s / roof:.1f} %",
            "memories": f"{self.memory_bits / 8e3:,.0f} kB of {bits / 8e3:,.0f}",
            "stream": f"{self.stream_bytes / 1e6:.2f} MB an image, {gb_s:.2f} of {device.ddr_gb_s:g} GB/s",
        }
        for kind, cycles in self.cycles_by_kind.items():
            row[f"cycles_{kind}"] = f"{cycles:,} ({100 * cycles / self.cycles:.1f} %)"
        row |= self._resource_rows()
        row["bound_by"] = self.bound(gb_s)
        row["sure"] = f"cycles exact (Verilator); {self._sure()}; clock assumed; bandwidth from sizes"
        return row

    def _resource_rows(self) -> dict[str, object]:
        if self.resources is None:
            return {"resources": self.why_not}
        rows: dict[str, object] = {}
        for name, share in self.resources.shares().items():
            used, there = getattr(self.resources.total, name), getattr(self.device, name)
            rows[NAMES[name]] = f"{used:,} of {there:,} ({100 * share:.1f} %)"
        return rows

    def _sure(self) -> str:
        if self.resources is None:
            return "LUT, FF, DSP, BRAM18 not characterized"
        return (
            "DSP and BRAM18 as Yosys has them; LUT and FF within 15 % of it at 28 of 29 points that were not "
            "fitted; an engine is the sum of its blocks, and was never mapped in one piece"
        )

    def blocks(self) -> dict[str, dict[str, int]]:
        """LUT, FF, DSP and BRAM18 of every part of the engine; none where it was not characterized."""
        if self.resources is None:
            return {}
        return {
            name: {NAMES[kind]: many for kind, many in asdict(cells).items()}
            for name, cells in self.resources.by_block.items()
        }

    def block_texts(self) -> dict[str, str]:
        """The same in words."""
        return {
            part: ", ".join(f"{many:,} {name}" for name, many in counts.items() if many)
            for part, counts in self.blocks().items()
        }

    @property
    def memory_there(self) -> int:
        """Bits of the device's block RAMs and UltraRAMs."""
        return self.device.bram18 * self.device.bram_kbit * 1024 + self.device.uram * 288 * 1024

    def bound(self, gb_s: float) -> str:
        """What stands in the way: a resource that is short, or the largest share of the cycles."""
        if self.resources is not None and (short := self.resources.short()):
            over = [name for name in short if self.resources.shares()[name] > 1]
            said = "does not fit" if over else "beyond what usually routes"
            beside = "; its UltraRAM is not counted" if self.device.uram and "bram18" in short else ""
            return f"{said}: {', '.join(NAMES[name] for name in over or short)}{beside}"
        if self.resources is None and self.engine.multipliers // 2 > self.device.dsps * self.device.usable[2]:
            return "does not fit: DSP"
        if self.memory_bits > self.memory_there * self.device.usable[1]:
            return "does not fit: memory"
        if gb_s > 0.7 * self.device.ddr_gb_s:
            return "bandwidth to memory beside it"
        return max(self.cycles_by_kind, key=lambda kind: self.cycles_by_kind[kind])


def estimate(
    network: Network, device: Device, multipliers: int | None = None, clock_mhz: float | None = None
) -> Estimate:
    """The figures of `network` on the smallest engine that holds it.

    Args:
        multipliers: of `SIZES`; by default as many as the device's DSPs hold.

    Raises:
        InputError: a network that the engine has no way for.
    """
    tokens, terms = SIZES[multipliers or Engine.largest(device)]
    engine = engine_for(network, tokens=tokens, terms=terms)
    program = Program(network, engine)
    cycles = program_cycles(program)
    kinds: Counter[str] = Counter()
    for step, count in zip(program.steps, cycles, strict=True):
        kinds[KINDS[step.op]] += count.total
    macs = sum(
        step.header[1] * step.header[2] * engine.terms * step.columns
        for step in program.steps
        if step.op == GEMM
    )
    stream = sum(128 + step.beats_bytes for step in program.steps)
    stream += sum(step.header[1] * step.header[2] * 16 for step in program.steps if step.op == LOAD)
    banks = engine.tokens * 128 * (engine.first + engine.second + engine.chances) + 256 * engine.wide
    try:
        taken, why_not = resources(engine, device), ""
    except InputError as error:
        taken, why_not = None, str(error)
    return Estimate(
        network=network.name,
        device=device,
        engine=engine,
        clock_mhz=clock_mhz or device.clock_mhz,
        cycles=sum(count.total for count in cycles) + 9,
        cycles_by_kind=dict(kinds),
        macs=macs,
        stream_bytes=stream + 128,
        memory_bits=banks + 2 * engine.chunks_most * LANES * engine.terms * 8,
        resources=taken,
        why_not=why_not,
    )
