"""A netlist lowered to what the engines run: bits, operations in topological order, state.

Every engine, the exporters and the hardening work on this form, and simulate it by one definition
(specification, section 3.6). In each cycle: the inputs are driven; asynchronous resets set their
flip-flops; the operations settle in order; the outputs are sampled; the clock edge updates all state at
once. There are two values, 0 and 1; `x` and `z` of the netlist were read as 0.

Bits are numbered: 0 and 1 are the constants, then come the inputs, the states, and the results of
operations in any order. A fault of the configuration is a number too: bit `i` of table `t` is
`t.first_bit + i`.
"""

from dataclasses import dataclass, field
from enum import Enum

ZERO, ONE = 0, 1  # the constant bits


class Kind(Enum):
    """What an operation computes from its inputs a, b, c, ..."""

    TABLE = "table"  # a lookup table: bit number (... c b a) of its content
    NOT = "not"  # 1 - a
    XOR = "xor"  # a ^ b
    MUX = "mux"  # b where a, the selector, is 0; c where it is 1
    READ = "read"  # memory `table` at the address (... c b a)


@dataclass(frozen=True)
class Operation:
    """One combinational operation.

    Attributes:
        kind: what it computes.
        out: the bit it drives.
        inputs: bits, the least significant address first.
        table: index in `Design.tables` of a TABLE, in `Design.memories` of a READ; else -1.
    """

    kind: Kind
    out: int
    inputs: tuple[int, ...]
    table: int = -1


@dataclass(frozen=True)
class Table:
    """A lookup table: 2^k configuration bits.

    Attributes:
        name: the cell's hierarchical name, "a.b.c".
        primitive: "LUT4", ...; the two outputs of a LUT6_2 are two tables that share bits.
        content: the configuration, bit i for address i.
        width: k, the address bits.
        first_bit: number of the design's configuration bit that is its bit 0.
        source: file and line in the HDL, "b03.v:17.3-20.6", or "".
    """

    name: str
    primitive: str
    content: int
    width: int
    first_bit: int
    source: str = ""

    @property
    def module(self) -> str:
        """The part of the name before the last dot; "" at the top."""
        return self.name.rpartition(".")[0]


class Reset(Enum):
    """When a flip-flop's reset acts."""

    NONE = "none"
    SYNC = "sync"  # on the edge, before clock enable is looked at
    ASYNC = "async"  # at once


@dataclass(frozen=True)
class FlipFlop:
    """One bit of state.

    Attributes:
        name, source: as of a table.
        q: the bit it drives.
        d, enable, reset: bits; `enable` is ONE and `reset` ZERO where there is none.
        kind: when reset acts.
        reset_value, initial: 0 or 1.
    """

    name: str
    primitive: str
    q: int
    d: int
    enable: int = ONE
    reset: int = ZERO
    kind: Reset = Reset.NONE
    reset_value: int = 0
    initial: int = 0
    source: str = ""


@dataclass(frozen=True)
class Write:
    """A port through which a memory changes, on the edge, where `enable` is 1.

    Attributes:
        d, enable: bits.
        address: bits, least significant first; () for a shift register.
    """

    d: int
    enable: int
    address: tuple[int, ...] = ()

    @property
    def bits(self) -> tuple[int, ...]:
        """All that the port reads."""
        return (self.d, self.enable, *self.address)


@dataclass(frozen=True)
class Memory:
    """State of many bits, one bit wide: a shift register (SRL16E, SRLC32E), or a bit of every word of a RAM.

    Reads are operations of kind READ. On the edge a shift register moves every bit one address up and takes
    `d` at address 0; a RAM stores the `d` of each port that is enabled at its address. Where two ports
    write to one address at once, the later in `writes` wins.

    Attributes:
        depth: bits, a power of two.
        writes: ports; one for a shift register, any number for a RAM, none for a ROM.
        initial: content at the start, bit i for address i.
    """

    name: str
    primitive: str
    depth: int
    writes: tuple[Write, ...]
    initial: int = 0
    source: str = ""

    @property
    def shifts(self) -> bool:
        return bool(self.writes) and not self.writes[0].address

    @property
    def reads(self) -> tuple[int, ...]:
        """Bits that its write ports read."""
        return tuple(bit for write in self.writes for bit in write.bits)


@dataclass(frozen=True)
class Port:
    """A port of the top module, least significant bit first."""

    name: str
    bits: tuple[int, ...]


@dataclass(frozen=True)
class Design:
    """A whole design with one clock, which is not among its inputs.

    Attributes:
        name: of the top module.
        bits: how many bits there are, the constants included.
        operations: in an order in which every input is known before it is used.
        configuration_bits: how many configuration bits its tables have, shared ones counted once.
        clock: name of the clock port, "" where there is no state.
        unknown_constants: how many `x` or `z` were read as 0.
    """

    name: str
    bits: int
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    operations: tuple[Operation, ...]
    tables: tuple[Table, ...]
    flip_flops: tuple[FlipFlop, ...]
    memories: tuple[Memory, ...] = ()
    configuration_bits: int = 0
    clock: str = ""
    unknown_constants: int = 0
    names: dict[int, str] = field(default_factory=dict)  # of bits, where the netlist has one

    @property
    def input_bits(self) -> tuple[int, ...]:
        """Every input bit, port after port: the order of a stimulus' columns."""
        return tuple(bit for port in self.inputs for bit in port.bits)

    @property
    def output_bits(self) -> tuple[int, ...]:
        """Every output bit, port after port."""
        return tuple(bit for port in self.outputs for bit in port.bits)
