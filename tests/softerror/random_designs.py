"""Small random designs with every kind of operation and state, and every kind of fault for them."""

import random

import numpy as np

from vedette.softerror.design import Design, FlipFlop, Kind, Memory, Operation, Port, Reset, Table, Write
from vedette.softerror.faults import Fault, FaultKind

INPUTS = 4


def design(seed: int, *, nodes: int = 14, flip_flops: int = 5, memories: int = 2, outputs: int = 4) -> Design:
    """A design; pins are constant, doubled, or flip-flops directly, now and then, and tables share bits."""
    draw = random.Random(seed)
    inputs = list(range(2, 2 + INPUTS))
    qs = list(range(2 + INPUTS, 2 + INPUTS + flip_flops))
    known, next_bit = [0, 1, *inputs, *qs], 2 + INPUTS + flip_flops
    depths = [draw.choice([2, 4, 8]) for _ in range(memories)]
    tables: list[Table] = []
    operations: list[Operation] = []
    configuration = 0

    def pins(count: int) -> tuple[int, ...]:
        return tuple(draw.choice(known[2:] if draw.random() < 0.9 else known) for _ in range(count))

    for number in range(nodes):
        kind = draw.choice([Kind.TABLE] * 5 + [Kind.NOT, Kind.XOR, Kind.MUX] + [Kind.READ] * min(2, memories))
        which = -1
        if kind is Kind.TABLE:
            which, width = len(tables), draw.randint(1, 6)
            if tables and draw.random() < 0.2:  # as the two outputs of a LUT6_2
                last = tables[-1]
                width = draw.randint(1, last.width)
                content, first = last.content & ((1 << (1 << width)) - 1), last.first_bit
            else:
                content, first = draw.getrandbits(1 << width), configuration
                configuration += 1 << width
            tables.append(Table(f"m.t{number}", f"LUT{width}", content, width, first))
        elif kind is Kind.READ:
            which = draw.randrange(memories)
            width = depths[which].bit_length() - 1
        else:
            width = {Kind.NOT: 1, Kind.XOR: 2, Kind.MUX: 3}[kind]
        operations.append(Operation(kind, next_bit, pins(width), which))
        known.append(next_bit)
        next_bit += 1

    def any_bit() -> int:
        return draw.choice(known[2:])

    state = []
    for number, q in enumerate(qs):
        kind_ = draw.choice(list(Reset))
        reset = {Reset.NONE: 0, Reset.ASYNC: draw.choice(inputs), Reset.SYNC: any_bit()}[kind_]
        enable = draw.choice([1, any_bit()])
        values = draw.randint(0, 1), draw.randint(0, 1)
        state.append(FlipFlop(f"m.f{number}", "FDRE", q, any_bit(), enable, reset, kind_, *values))
    held = []
    for depth in depths:
        width = depth.bit_length() - 1
        ports = draw.choice([0, 1, 2])  # none: a shift register
        writes = [
            Write(any_bit(), any_bit(), tuple(any_bit() for _ in range(width))) for _ in range(ports)
        ] or [Write(any_bit(), any_bit())]
        held.append(Memory("m.m", "RAM", depth, tuple(writes), draw.getrandbits(depth)))
    return Design(
        "random",
        next_bit,
        (Port("i", tuple(inputs)),),
        (Port("o", tuple(any_bit() for _ in range(outputs))),),
        tuple(operations),
        tuple(tables),
        tuple(state),
        tuple(held),
        configuration,
    )


def faults(design: Design, cycles: int, seed: int) -> list[Fault]:
    """Every configuration bit, pairs, upsets, attributes and moved pins, with all kinds of windows."""
    draw = random.Random(seed)
    found: list[dict[str, object]] = []

    def add(kind: FaultKind, **fields: object) -> None:
        found.append({"kind": kind, **fields})

    def window() -> dict[str, int | None]:
        start = draw.choice([0, 0, draw.randrange(cycles)])
        return {"start": start, "stop": draw.choice([None, min(start + draw.randint(1, 20), cycles)])}

    for bit in range(design.configuration_bits):
        add(FaultKind.CONFIGURATION, bits=(bit,), **window())
    for bit in range(0, design.configuration_bits - 1, 3):
        add(FaultKind.CONFIGURATION, bits=(bit, bit + 1), **window())
    for index in range(len(design.flip_flops)):
        for cycle in {0, cycles - 1, draw.randrange(cycles)}:
            add(FaultKind.STATE, flip_flop=index, start=cycle, stop=cycle + 1)
        add(FaultKind.INITIAL, flip_flop=index)
        add(FaultKind.RESET, flip_flop=index, **window())
    start_bits = [*design.input_bits, *(f.q for f in design.flip_flops)]
    for index, operation in enumerate(design.operations):
        for pin in range(len(operation.inputs)):
            settled = start_bits + [before.out for before in design.operations[:index]]
            source = draw.choice([0, 1, draw.choice(settled)])
            add(FaultKind.PIN, operation=index, pin=pin, source=source, **window())
    draw.shuffle(found)
    return [Fault(number, **fields) for number, fields in enumerate(found)]  # type: ignore[arg-type]


def stimulus(cycles: int, seed: int, inputs: int = INPUTS) -> np.ndarray:
    """Random input values."""
    return np.random.default_rng(seed).integers(0, 2, (cycles, inputs)).astype(np.uint8)
