"""The primitives of 7-series and UltraScale+ devices that are modeled, and how each is told apart.

Semantics after AMD's library guides UG953 and UG974; tables as data, so that what is refused can be listed.
"""

from dataclasses import dataclass

LUTS = {f"LUT{k}": k for k in range(1, 7)}
BUFFERS = frozenset({"BUF", "IBUF", "OBUF", "BUFG", "IBUFG", "BUFH"})
MUXES = frozenset({"MUXF7", "MUXF8", "MUXF9"})
CARRIES = {"CARRY4": 4, "CARRY8": 8}
CONSTANTS = {"GND": ("G", 0), "VCC": ("P", 1)}


@dataclass(frozen=True)
class FlipFlopType:
    """A kind of flip-flop: its reset pin, the value it sets, and whether it waits for the clock."""

    reset: str
    value: int
    asynchronous: bool


FLIP_FLOPS = {
    "FDCE": FlipFlopType("CLR", 0, True),
    "FDPE": FlipFlopType("PRE", 1, True),
    "FDRE": FlipFlopType("R", 0, False),
    "FDSE": FlipFlopType("S", 1, False),
}


@dataclass(frozen=True)
class MemoryBit:
    """One bit of a primitive's words: a memory of its own.

    Attributes:
        data: pin and index of the bit written.
        content: parameter that holds the initial content, its first bit, and the step from word to word.
        reads: (output pin, its index, address pins) of each port that reads it.
    """

    data: tuple[str, int]
    content: tuple[str, int, int]
    reads: tuple[tuple[str, int, tuple[tuple[str, int], ...]], ...]


@dataclass(frozen=True)
class MemoryType:
    """A shift register (no write address) or a distributed RAM."""

    depth: int
    clock: str
    enable: str
    write: tuple[tuple[str, int], ...]
    bits: tuple[MemoryBit, ...]


Pins = tuple[tuple[str, int], ...]


def _single(name: str, width: int) -> Pins:
    return tuple((f"{name}{i}", 0) for i in range(width))


def _bus(name: str, width: int) -> Pins:
    return tuple((name, i) for i in range(width))


def _shift(width: int, address: Pins, last: str | None) -> MemoryType:
    """A shift register of 2^width bits; `last` is the pin that shows its end whatever the address."""
    reads: list[tuple[str, int, Pins]] = [("Q", 0, address)]
    if last:
        reads.append((last, 0, (("1", 0),) * width))
    return MemoryType(1 << width, "CLK", "CE", (), (MemoryBit(("D", 0), ("INIT", 0, 1), tuple(reads)),))


def _ram(width: int, reads: tuple[tuple[str, Pins], ...]) -> MemoryType:
    """A RAM one bit wide, written at the address of its first port."""
    bit = MemoryBit(("D", 0), ("INIT", 0, 1), tuple((pin, 0, address) for pin, address in reads))
    return MemoryType(1 << width, "WCLK", "WE", reads[0][1], (bit,))


def _wide(width: int, ports: str, data_bits: int) -> MemoryType:
    """RAM32M and its like: a port a letter, all written at the address of the last."""
    write = _bus(f"ADDR{ports[-1]}", width)
    bits = tuple(
        MemoryBit((f"DI{p}", j), (f"INIT_{p}", j, data_bits), ((f"DO{p}", j, _bus(f"ADDR{p}", width)),))
        for p in ports
        for j in range(data_bits)
    )
    return MemoryType(1 << width, "WCLK", "WE", write, bits)


MEMORIES = {
    "SRL16E": _shift(4, _single("A", 4), None),
    "SRLC16E": _shift(4, _single("A", 4), "Q15"),
    "SRLC32E": _shift(5, _bus("A", 5), "Q31"),
    "RAM16X1S": _ram(4, (("O", _single("A", 4)),)),
    "RAM32X1S": _ram(5, (("O", _single("A", 5)),)),
    "RAM64X1S": _ram(6, (("O", _single("A", 6)),)),
    "RAM128X1S": _ram(7, (("O", _single("A", 7)),)),
    "RAM256X1S": _ram(8, (("O", _bus("A", 8)),)),
    "RAM16X1D": _ram(4, (("SPO", _single("A", 4)), ("DPO", _single("DPRA", 4)))),
    "RAM32X1D": _ram(5, (("SPO", _single("A", 5)), ("DPO", _single("DPRA", 5)))),
    "RAM64X1D": _ram(6, (("SPO", _single("A", 6)), ("DPO", _single("DPRA", 6)))),
    "RAM128X1D": _ram(7, (("SPO", _bus("A", 7)), ("DPO", _bus("DPRA", 7)))),
    "RAM256X1D": _ram(8, (("SPO", _bus("A", 8)), ("DPO", _bus("DPRA", 8)))),
    "RAM32M": _wide(5, "ABCD", 2),
    "RAM64M": _wide(6, "ABCD", 1),
    "RAM32M16": _wide(5, "ABCDEFGH", 2),
    "RAM64M8": _wide(6, "ABCDEFGH", 1),
}

BEHAVIORAL = frozenset({"DSP48E1", "DSP48E2", "RAMB18E1", "RAMB36E1", "RAMB18E2", "RAMB36E2"})
KNOWN = frozenset(
    {*LUTS, "LUT6_2", "INV", *BUFFERS, *MUXES, *CARRIES, *CONSTANTS, *FLIP_FLOPS, *MEMORIES, *BEHAVIORAL}
)
REFUSALS = {
    "LD": "latches have no clock edge: describe a flip-flop, or cover every case of the process",
    "DSP": "synthesize without DSP blocks (--no-blocks)",
    "RAMB": "synthesize without block RAM (--no-blocks)",
    "URAM": "leave UltraRAM out (no -uram)",
    "FD": "this flip-flop works on the falling edge: use one edge of one clock",
    "BUFGCE": "a gated clock is a second clock: use the clock enable of the flip-flops",
    "BUFGCTRL": "a switched clock is a second clock: use the clock enable of the flip-flops",
    "MMCM": "leave clock generation out: analyze one clock domain",
    "PLL": "leave clock generation out: analyze one clock domain",
    "$": "this cell was not mapped to primitives: run synth_xilinx, or leave --structural out",
}


def advice(kind: str) -> str:
    """What to do about a primitive that is not modeled."""
    return next((text for start, text in REFUSALS.items() if kind.startswith(start)), "flatten the design")
