"""FPGA devices: what there is of each resource, how much of it a design can count on, and where that is said.

Counts are the makers'. `usable` is a rule of thumb for designs that route without hand placement (PROPOSED,
specification B7), and so is the clock, which depends on the design.
"""

from dataclasses import dataclass

from vedette.errors import InputError, UnknownNameError


@dataclass(frozen=True, kw_only=True)
class Device:
    """An FPGA on its board.

    Args:
        luts: lookup tables of 6 inputs (4 for `lut_inputs` 4).
        bram18: block RAMs of 18 kbit; a RAMB36 counts as two. Of iCE40: EBR of 4 kbit, see `bram_kbit`.
        uram: UltraRAMs of 288 kbit; of iCE40: single-port RAMs of 256 kbit.
        dsps: multipliers.
        dsp_ports: bits of the two factors of a DSP's signed product.
        dsp_acc_bits: of its accumulator.
        clock_mhz: what designs of this kind reach without hand placement.
        ddr_gb_s: peak of the memory beside it, GB/s; 0 without.
        family: for `synth_xilinx -family`, or "ice40".
        source: documents with the counts.
    """

    name: str
    part: str
    luts: int
    ffs: int
    bram18: int
    uram: int
    dsps: int
    dsp_ports: tuple[int, int]
    dsp_acc_bits: int
    clock_mhz: float
    ddr_gb_s: float
    family: str
    source: str
    lut_inputs: int = 6
    bram_kbit: int = 18
    usable: tuple[float, float, float] = (0.70, 0.85, 0.85)  # LUT, BRAM, DSP

    def __post_init__(self) -> None:
        counts = (self.luts, self.ffs, self.bram18, self.uram, self.dsps)
        if min(counts) < 0 or not 0 < self.clock_mhz < 2000 or self.ddr_gb_s < 0:
            raise InputError(
                f"a device {self.name!r} with a count below 0, or a clock of {self.clock_mhz} MHz",
                hint="give counts from 0 and a clock up to 2,000 MHz",
            )

    def roof_gmac_s(self, per_dsp: int = 2, clock_mhz: float | None = None) -> float:
        """Multiply-adds a second with every DSP busy in every cycle, in billions.

        >>> round(DEVICES["zcu102"].roof_gmac_s(clock_mhz=150))
        756
        """
        return self.dsps * per_dsp * (clock_mhz or self.clock_mhz) / 1000


DEVICES = {
    "zcu102": Device(
        name="zcu102",
        part="XCZU9EG",
        luts=274_080,
        ffs=548_160,
        bram18=1_824,
        uram=0,
        dsps=2_520,
        dsp_ports=(27, 18),
        dsp_acc_bits=48,
        clock_mhz=200,
        ddr_gb_s=19.2,
        family="xcup",
        source="AMD DS891 (part), UG1182 (board: 64-bit DDR4-2400 of the processing system)",
    ),
    "kv260": Device(
        name="kv260",
        part="XCK26",
        luts=117_120,
        ffs=234_240,
        bram18=288,
        uram=64,
        dsps=1_248,
        dsp_ports=(27, 18),
        dsp_acc_bits=48,
        clock_mhz=200,
        ddr_gb_s=19.2,
        family="xcup",
        source="AMD DS987 (Kria K26: 64-bit DDR4-2400)",
    ),
    "vck190": Device(
        name="vck190",
        part="XCVC1902",
        luts=899_840,
        ffs=1_799_680,
        bram18=1_934,
        uram=463,
        dsps=1_968,
        dsp_ports=(27, 24),
        dsp_acc_bits=58,
        clock_mhz=300,
        ddr_gb_s=25.6,
        family="xcup",
        source="AMD DS950 (part; its AI engines are not used), UG1366 (board: 64-bit DDR4-3200)",
    ),
    "artix7-35t": Device(
        name="artix7-35t",
        part="XC7A35T",
        luts=20_800,
        ffs=41_600,
        bram18=100,
        uram=0,
        dsps=90,
        dsp_ports=(25, 18),
        dsp_acc_bits=48,
        clock_mhz=100,
        ddr_gb_s=1.3,
        family="xc7",
        source="AMD DS180 (part), Arty A7 reference manual (16-bit DDR3L at 667 MT/s)",
    ),
    "ice40-up5k": Device(
        name="ice40-up5k",
        part="iCE40UP5K",
        luts=5_280,
        ffs=5_280,
        bram18=30,
        uram=4,
        dsps=8,
        dsp_ports=(16, 16),
        dsp_acc_bits=32,
        clock_mhz=24,
        ddr_gb_s=0.0,
        family="ice40",
        lut_inputs=4,
        bram_kbit=4,
        source="Lattice FPGA-DS-02008",
    ),
}


def device(name: str) -> Device:
    """The device called `name`.

    >>> device("zcu102").dsps
    2520
    """
    if name not in DEVICES:
        raise UnknownNameError("device", name, DEVICES)
    return DEVICES[name]
