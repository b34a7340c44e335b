"""What a network takes on the engine: cycles, images a second, memory, bandwidth, and what bounds it."""

from collections import Counter
from dataclasses import dataclass

from vedette.hardware.cycles import program_cycles
from vedette.hardware.devices import Device
from vedette.hardware.engine import GEMM, LOAD, NORM, SOFTMAX, Engine
from vedette.hardware.network import Network
from vedette.hardware.program import Program, engine_for

KINDS = {LOAD: "input", NORM: "layer norm", SOFTMAX: "softmax", GEMM: "products"}


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """Figures of one image; cycles are the engine's own, exactly, the rest follows from sizes."""

    network: str
    device: Device
    engine: Engine
    clock_mhz: float
    cycles: int
    cycles_by_kind: dict[str, int]
    macs: int
    stream_bytes: int
    memory_bits: int

    @property
    def frames_per_s(self) -> float:
        """Images a second."""
        return self.clock_mhz * 1e6 / self.cycles

    @property
    def utilization(self) -> float:
        """Of the multipliers, over the whole image."""
        return self.macs / self.engine.multipliers / self.cycles

    @property
    def multiplier_dsps(self) -> int:
        """DSPs that the products take."""
        return self.engine.multipliers // (2 if self.engine.packed else 1)

    def row(self) -> dict[str, object]:
        """The table of the command line."""
        device, gb_s = self.device, self.stream_bytes * self.frames_per_s / 1e9
        roof = device.roof_gmac_s(clock_mhz=self.clock_mhz) * 1e9 / self.macs
        bits = device.bram18 * device.bram_kbit * 1024 + device.uram * 288 * 1024
        row: dict[str, object] = {
            "network": self.network,
            "device": f"{device.name} ({device.part}) at {self.clock_mhz:g} MHz",
            "engine": f"{self.engine.multipliers:,} products: {self.engine.tokens} rows, 16 outputs, 8 terms",
            "cycles": self.cycles,
            "images_a_second": round(self.frames_per_s, 1),
            "multipliers_busy": f"{100 * self.utilization:.1f} %",
            "device_roof": f"{roof:,.0f} images/s, two products a DSP",
            "of_the_roof": f"{100 * self.frames_per_s / roof:.1f} %",
            "products_dsp": f"{self.multiplier_dsps:,} of {device.dsps:,}",
            "memories": f"{self.memory_bits / 8e3:,.0f} kB of {bits / 8e3:,.0f}",
            "stream": f"{self.stream_bytes / 1e6:.2f} MB an image, {gb_s:.2f} of {device.ddr_gb_s:g} GB/s",
        }
        for kind, cycles in self.cycles_by_kind.items():
            row[f"cycles_{kind}"] = f"{cycles:,} ({100 * cycles / self.cycles:.1f} %)"
        row["bound_by"] = self.bound(gb_s)
        row["sure"] = "cycles exact (Verilator); DSP of the products alone; LUT, FF, clock not synthesized"
        return row

    def bound(self, gb_s: float) -> str:
        """What stands in the way: a resource that is short, or the largest share of the cycles."""
        if self.multiplier_dsps > self.device.dsps * self.device.usable[2]:
            return "does not fit: DSP"
        bits = self.device.bram18 * self.device.bram_kbit * 1024 + self.device.uram * 288 * 1024
        if self.memory_bits > bits * self.device.usable[1]:
            return "does not fit: memory"
        if gb_s > 0.7 * self.device.ddr_gb_s:
            return "bandwidth to memory beside it"
        return max(self.cycles_by_kind, key=lambda kind: self.cycles_by_kind[kind])


def estimate(network: Network, device: Device, tokens: int = 16, clock_mhz: float | None = None) -> Estimate:
    """The figures of `network` on the smallest engine that holds it.

    Raises:
        InputError: a network that the engine has no way for.
    """
    engine = engine_for(network, tokens=tokens)
    program = Program(network, engine)
    cycles = program_cycles(program)
    kinds: Counter[str] = Counter()
    for step, count in zip(program.steps, cycles, strict=True):
        kinds[KINDS[step.op]] += count.total
    macs = sum(
        step.header[1] * step.header[2] * 8 * step.columns for step in program.steps if step.op == GEMM
    )
    stream = sum(128 + len(step.beats) for step in program.steps)
    stream += sum(step.header[1] * step.header[2] * 16 for step in program.steps if step.op == LOAD)
    banks = engine.tokens * 128 * (engine.first + engine.second) + 256 * engine.wide
    return Estimate(
        network=network.name,
        device=device,
        engine=engine,
        clock_mhz=clock_mhz or device.clock_mhz,
        cycles=sum(count.total for count in cycles) + 9,
        cycles_by_kind=dict(kinds),
        macs=macs,
        stream_bytes=stream + 128,
        memory_bits=banks + 2 * engine.chunks_most * 1024,
    )
