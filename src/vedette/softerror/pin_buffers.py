"""Pins of flip-flops made visible to pin faults: an operation in front of each that passes its bit on.

A pin fault lets an operation read another bit, and a flip-flop is no operation. So that class `pins` reaches
D, CE and the synchronous reset of flip-flops, `buffered` puts a multiplexer in front of each, whose two data
pins read the same bit: nothing changes without a fault, and a fault of its pin 1 is one of the flip-flop's
pin. Left out are pins that the netlist does not connect, and asynchronous resets: stuck or rewired they would
be resets that are computed, which the engines refuse.
"""

from collections import Counter
from dataclasses import replace

from vedette.softerror.design import ONE, ZERO, Design, FlipFlop, Kind, Operation, Reset
from vedette.softerror.primitives import FLIP_FLOPS

PIN = 1  # of the multiplexer (selector 0, data, data): the one that is read


def buffered(design: Design) -> Design:
    """The design with a buffer in front of each of these pins; one that has them already comes back as it is.

    >>> from vedette.softerror.samples import sample
    >>> design = buffered(sample("counter"))
    >>> len(pins_of(design)), plain(design) == sample("counter")
    (6, True)
    """
    if pins_of(design):
        return design
    operations, bits = list(design.operations), design.bits
    flip_flops = []
    for flip_flop in design.flip_flops:
        read = {"d": flip_flop.d, "enable": flip_flop.enable, "reset": flip_flop.reset}
        for field in _pins(flip_flop):
            operations.append(Operation(Kind.MUX, bits, (ZERO, read[field], read[field])))
            read[field] = bits
            bits += 1
        flip_flops.append(replace(flip_flop, d=read["d"], enable=read["enable"], reset=read["reset"]))
    return replace(design, bits=bits, operations=tuple(operations), flip_flops=tuple(flip_flops))


def plain(design: Design) -> Design:
    """The design that `buffered` was given."""
    pins = pins_of(design)
    behind = {design.operations[i].out: design.operations[i].inputs[PIN] for i in pins}
    return replace(
        design,
        bits=design.bits - len(pins),
        operations=design.operations[: len(design.operations) - len(pins)],
        flip_flops=tuple(
            replace(
                flip_flop,
                d=behind.get(flip_flop.d, flip_flop.d),
                enable=behind.get(flip_flop.enable, flip_flop.enable),
                reset=behind.get(flip_flop.reset, flip_flop.reset),
            )
            for flip_flop in design.flip_flops
        ),
    )


def pins_of(design: Design) -> dict[int, tuple[int, str]]:
    """For each buffer, an index of `operations`, the flip-flop's index and its pin: "D", "CE", "R" or "S"."""
    reads = Counter(bit for operation in design.operations for bit in operation.inputs)
    reads.update(design.output_bits)
    reads.update(bit for memory in design.memories for bit in memory.reads)
    owner: dict[int, tuple[int, str]] = {}
    for index, flip_flop in enumerate(design.flip_flops):
        names = ("D", "CE", "S" if flip_flop.reset_value else "R")
        for bit, name in zip((flip_flop.d, flip_flop.enable, flip_flop.reset), names, strict=True):
            reads[bit] += 1
            owner[bit] = index, name
    found: dict[int, tuple[int, str]] = {}
    for index in reversed(range(len(design.operations))):  # they stand last
        operation = design.operations[index]
        doubled = operation.kind is Kind.MUX and operation.inputs[0] == ZERO
        if not (doubled and operation.inputs[1] == operation.inputs[2]):
            break
        if operation.out not in owner or reads[operation.out] != 1:
            break
        found[index] = owner[operation.out]
    return dict(sorted(found.items()))


def _pins(flip_flop: FlipFlop) -> list[str]:
    """Fields of the flip-flop whose pins are buffered."""
    fields = ["d"]
    if flip_flop.enable != ONE:
        fields.append("enable")
    known = FLIP_FLOPS.get(flip_flop.primitive)
    waits = known is None or not known.asynchronous  # not one that was lowered to a synchronous reset
    if flip_flop.kind is Reset.SYNC and flip_flop.reset != ZERO and waits:
        fields.append("reset")
    return fields
