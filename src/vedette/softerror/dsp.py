"""DSP48E1 and DSP48E2 as operations and flip-flops: pre-adder, multiplier, multiplexers, ALU, registers.

After AMD's user guides UG479 and UG579. Where OPMODE, ALUMODE and INMODE are constant, what they leave
out costs nothing: a plain 25 x 18 multiplication is 1,816 operations. Refused by name: SIMD, wide XOR,
pattern detection, carries between blocks, MACC extension, and what depends on them.
"""

from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

from vedette.errors import InputError
from vedette.hardware.netlist import Bit, Cell
from vedette.softerror.gates import Bits, Gates, extended

WIDTH = 48  # of the ALU
KINDS = {"DSP48E1": (25, 7), "DSP48E2": (27, 9)}  # bits of the multiplier's A side, of OPMODE
UNMODELED = (
    "CARRYOUT",
    "CARRYCASCOUT",
    "MULTSIGNOUT",
    "OVERFLOW",
    "UNDERFLOW",
    "PATTERNDETECT",
    "PATTERNBDETECT",
    "XOROUT",
)
STAGES = ("A", "B", "C", "D", "AD", "M", "P", "INMODE", "OPMODE", "ALUMODE", "CARRYIN", "CARRYINSEL")
CARRIES = {0: "CARRYIN", 1: "not PCIN[47]", 3: "PCIN[47]", 5: "not P[47]", 7: "P[47]"}


@runtime_checkable
class Pins(Protocol):
    """What a cell needs of the lowering that it is part of."""

    def read(self, pin: str, index: int) -> Bit:
        """The net at an input pin; "0" where nothing is connected."""

    def register(self, name: str, d: Bit, enable: Bit, reset: Bit) -> Bit:
        """The output of a new flip-flop with a synchronous reset to 0, which starts with 0."""

    def later(self, name: str) -> tuple[Bit, Callable[[Bit, Bit, Bit], None]]:
        """The output of such a flip-flop whose D, enable and reset are told afterwards."""

    def drive(self, pin: str, index: int, source: Bit) -> None:
        """Let an output pin show a bit."""

    def is_read(self, pin: str) -> bool:
        """Whether anything reads an output pin."""


def lower(cell: Cell, pins: Pins, gates: Gates) -> None:
    """Write a DSP block.

    Raises:
        InputError: it uses what is not modeled.
    """
    _Block(cell, pins, gates).write()


def clocked(cell: Cell) -> bool:
    """Whether a block has any register (AREG, BREG, ...); the clock of one without may be a constant."""
    return any(cell.parameters.get(f"{name}REG", 1) not in (0, "0") for name in STAGES)


class _Block:
    def __init__(self, cell: Cell, pins: Pins, gates: Gates) -> None:
        self.cell, self.pins, self.gates = cell, pins, gates
        self.width, self.opmode_bits = KINDS[cell.type]

    # parameters and pins

    def number(self, name: str, default: int) -> int:
        value = self.cell.parameters.get(name, default)
        return value if isinstance(value, int) else default

    def word(self, name: str, default: str) -> str:
        value = self.cell.parameters.get(name, default)
        return value.strip() if isinstance(value, str) else default

    def refuse(self, what: str) -> InputError:
        place = f", {self.cell.source}" if self.cell.source else ""
        return InputError(
            f"{self.cell.type} {self.cell.name}{place}: {what} is not modeled",
            hint="synthesize without DSP blocks (--no-blocks), or leave this out of the block",
        )

    def bus(self, pin: str, width: int) -> Bits:
        flips = self.number(f"IS_{pin}_INVERTED", 0)
        bits = [self.pins.read(pin, i) for i in range(width)]
        return [self.gates.not_(bit) if flips >> i & 1 else bit for i, bit in enumerate(bits)]

    def registered(self, name: str, bits: Sequence[Bit], enable: str, reset: str) -> Bits:
        ce, clear = self.bus(enable, 1)[0], self.bus(reset, 1)[0]
        return [self.pins.register(f"{name}[{i}]", bit, ce, clear) for i, bit in enumerate(bits)]

    def staged(self, name: str, bits: Bits, parameter: str, enable: str, reset: str) -> Bits:
        """Behind its register where the parameter says there is one."""
        stages = self.number(parameter, 1)
        return self.registered(name, bits, enable, reset) if stages else bits

    def write(self) -> None:
        self.check()
        pins = self.pins
        inmode = self.staged("INMODE", self.bus("INMODE", 5), "INMODEREG", "CEINMODE", "RSTINMODE")
        opmode_bus = self.bus("OPMODE", self.opmode_bits)
        opmode = self.staged("OPMODE", opmode_bus, "OPMODEREG", "CECTRL", "RSTCTRL")
        alumode = self.staged("ALUMODE", self.bus("ALUMODE", 4), "ALUMODEREG", "CEALUMODE", "RSTALUMODE")
        a1, a2 = self.side("A", 30, inmode[0])
        b1, b2 = self.side("B", 18, inmode[4])
        c = self.staged("C", self.bus("C", WIDTH), "CREG", "CEC", "RSTC")
        product = self.multiplied(a1, a2, b1, b2, inmode)
        later = [pins.later(f"P[{i}]") for i in range(WIDTH)] if self.number("PREG", 1) else []
        # P feeds the multiplexers back; without its register that would be a loop, and P reads 0
        fed: Bits = [q for q, _ in later] or ["0"] * WIDTH
        if not later and self.feeds_back(opmode):
            raise self.refuse("P fed back without PREG")
        result = self.summed(opmode, alumode, product, [*b2, *a2], c, fed)
        enable, reset = self.bus("CEP", 1)[0], self.bus("RSTP", 1)[0]
        for bit, (_, tell) in zip(result, later, strict=False):
            tell(bit, enable, reset)
        shown = fed if later else result
        for i in range(WIDTH):
            pins.drive("P", i, shown[i])
            pins.drive("PCOUT", i, shown[i])
        for pin, first, second in (("ACOUT", a1, a2), ("BCOUT", b1, b2)):
            both = self.number(f"{pin[0]}REG", 1) == 2 and self.number(f"{pin[0]}CASCREG", 1) == 1
            for i, bit in enumerate(first if both else second):
                pins.drive(pin, i, bit)

    def check(self) -> None:
        """Refuse what is not modeled."""
        for name, plain in (
            ("USE_SIMD", "ONE48"),
            ("USE_WIDEXOR", "FALSE"),
            ("PREADDINSEL", "A"),
            ("BMULTSEL", "B"),
            ("AUTORESET_PATDET", "NO_RESET"),
        ):
            if self.word(name, plain) != plain:
                raise self.refuse(f"{name} {self.word(name, plain)}")
        for pin in UNMODELED:
            if self.pins.is_read(pin):
                raise self.refuse(f"output {pin}")
        for side in "AB":
            stages, shown = self.number(f"{side}REG", 1), self.number(f"{side}CASCREG", 1)
            if self.pins.is_read(f"{side}COUT") and shown != stages and (stages, shown) != (2, 1):
                raise self.refuse(f"{side}CASCREG {shown} with {side}REG {stages}")

    def side(self, name: str, width: int, early: Bit) -> tuple[Bits, Bits]:
        """A or B behind its first register and behind both."""
        cascaded = self.word(f"{name}_INPUT", "DIRECT") == "CASCADE"
        bits = self.bus(f"{name}CIN" if cascaded else name, width)
        stages = self.number(f"{name}REG", 1)
        if early != "0" and stages != 2:
            raise self.refuse(f"INMODE that takes {name}1 with {name}REG {stages}")
        first = self.registered(f"{name}1", bits, f"CE{name}1", f"RST{name}") if stages == 2 else bits
        second = self.registered(f"{name}2", first, f"CE{name}2", f"RST{name}") if stages else first
        return first, second

    def multiplied(self, a1: Bits, a2: Bits, b1: Bits, b2: Bits, inmode: Bits) -> Bits:
        """M, 48 bits."""
        gates = self.gates
        if self.word("USE_MULT", "MULTIPLY") == "NONE":
            return ["0"] * WIDTH
        kept = gates.not_(inmode[1])
        a = [gates.and_(kept, x) for x in gates.choose([inmode[0]], [a2, a1])[: self.width]]
        b = gates.choose([inmode[4]], [b2, b1])
        adds = self.word("USE_DPORT", "FALSE") == "TRUE" or self.word("AMULTSEL", "A") == "AD"
        if adds:
            d = self.staged("D", self.bus("D", self.width), "DREG", "CED", "RSTD")
            d = [gates.and_(inmode[2], x) for x in d]
            total = gates.add(d, [gates.xor(x, inmode[3]) for x in a], inmode[3])
            a = self.staged("AD", total, "ADREG", "CEAD", "RSTD")
        product = gates.multiply(a, b)
        return extended(self.staged("M", product, "MREG", "CEM", "RSTM"), WIDTH)

    def feeds_back(self, opmode: Bits) -> bool:
        """Whether a multiplexer may take P."""

        def may(bits: Sequence[Bit], number: int) -> bool:
            return all(bit not in ("0", "1") or int(bit) == number >> i & 1 for i, bit in enumerate(bits))

        wide = len(opmode) > 7 and may(opmode[7:9], 1)
        return wide or may(opmode[:2], 2) or any(may(opmode[4:7], number) for number in (2, 4, 6))

    def summed(self, opmode: Bits, alumode: Bits, m: Bits, ab: Bits, c: Bits, p: Bits) -> Bits:
        """The multiplexers and the ALU."""
        gates = self.gates
        zero, ones = Bits(["0"] * WIDTH), Bits(["1"] * WIDTH)
        pcin = self.bus("PCIN", WIDTH)
        x = gates.choose(opmode[:2], [zero, m, p, ab])
        y = gates.choose(opmode[2:4], [zero, zero, ones, c])  # M is whole in X
        shifted = [extended(word[17:], WIDTH) for word in (pcin, p)]
        self.check_opmode(opmode)
        z = gates.choose(opmode[4:7], [zero, pcin, p, c, p, *shifted, zero])
        if len(opmode) > 7:
            rounding = self.number("RND", 0)
            constant = Bits(["1" if rounding >> i & 1 else "0" for i in range(WIDTH)])
            w = gates.choose(opmode[7:9], [zero, p, constant, c])
        else:
            w = zero
        z = [gates.xor(bit, alumode[0]) for bit in z]
        single = [gates.xor(gates.xor(i, j), k) for i, j, k in zip(x, y, z, strict=True)]
        double = [gates.mux(gates.xor(i, j), i, k) for i, j, k in zip(x, y, z, strict=True)]
        total = gates.add(single, ["0", *double[:-1]], self.carry(pcin, p))
        total = gates.add(total, w)
        logic = gates.choose([alumode[3]], [single, double])
        chosen = gates.choose([alumode[2]], [total, logic])
        return [gates.xor(bit, alumode[1]) for bit in chosen]

    def check_opmode(self, opmode: Bits) -> None:
        """X and Y take M together, and Z has no 4 (MACC extension) and no 7; where they are constant."""
        x, y, z = opmode[:2], opmode[2:4], opmode[4:7]
        if all(bit in ("0", "1") for bit in opmode[:4]) and (x == ["1", "0"]) != (y == ["1", "0"]):
            raise self.refuse("OPMODE that takes half of the product")
        if z[2] == "1" and z[0] == z[1] and z[0] in ("0", "1"):
            raise self.refuse(f"OPMODE[6:4] {4 if z[0] == '0' else 7}")

    def carry(self, pcin: Bits, p: Bits) -> Bit:
        """What CARRYINSEL, which must be constant, adds."""
        select = self.bus("CARRYINSEL", 3)
        given = self.staged("CARRYIN", self.bus("CARRYIN", 1), "CARRYINREG", "CECARRYIN", "RSTALLCARRYIN")[0]
        if any(bit not in ("0", "1") for bit in select):
            raise self.refuse("a CARRYINSEL that changes")
        number = sum(1 << i for i, bit in enumerate(select) if bit == "1")
        if number not in CARRIES:
            raise self.refuse(f"CARRYINSEL {number}")
        if number and self.number("CARRYINSELREG", 1):
            raise self.refuse(f"CARRYINSEL {number} behind its register")
        choices = {0: given, 1: self.gates.not_(pcin[-1]), 3: pcin[-1], 5: self.gates.not_(p[-1]), 7: p[-1]}
        return choices[number]
