"""What can be upset: the five fault classes of the specification (3.4) as lists of faults.

F1 one configuration bit of a lookup table; F2 one flip-flop at one cycle; F3 a flip-flop's initial or
reset value; F4 a pin that is stuck or reads another net, which stands for routing; F5 two configuration
bits. A fault acts in cycles `start` to `stop`: from 0 to the end it is persistent, up to a later
`stop` it was scrubbed.
"""

from dataclasses import dataclass
from enum import Enum


class FaultKind(Enum):
    """What a fault changes."""

    CONFIGURATION = "configuration"  # F1, F5: `bits` are inverted
    STATE = "state"  # F2: `flip_flop` is inverted after the edge that ends cycle `start`
    INITIAL = "initial"  # F3: initial value of `flip_flop` inverted
    RESET = "reset"  # F3: reset value of `flip_flop` inverted
    PIN = "pin"  # F4: pin `pin` of operation `operation` reads bit `source`


@dataclass(frozen=True)
class Fault:
    """One fault of a design.

    Attributes:
        number: its place in the campaign's list; rows are written in this order.
        kind: what it changes.
        bits: configuration bits, by their number in the design.
        flip_flop: index in `Design.flip_flops`.
        operation, pin, source: index in `Design.operations`, index in its inputs, and the bit read instead.
        start, stop: cycles; `stop` None is the end of the run.
    """

    number: int
    kind: FaultKind
    bits: tuple[int, ...] = ()
    flip_flop: int = -1
    operation: int = -1
    pin: int = -1
    source: int = -1
    start: int = 0
    stop: int | None = None
