"""One bit at a time: the definition of `design` read aloud, and random designs that use all of it."""

import random

import numpy as np

from vedette.softerror.design import Design, FlipFlop, Kind, Memory, Operation, Port, Reset, Table, Write
from vedette.softerror.faults import Fault, FaultKind
from vedette.softerror.outcomes import Outcomes


def outputs(design: Design, stimulus: np.ndarray, fault: Fault | None = None) -> np.ndarray:
    """Outputs of every cycle, (cycles, outputs)."""
    kind = fault.kind if fault else None
    state = [ff.initial for ff in design.flip_flops]
    memories = [[m.initial >> i & 1 for i in range(m.depth)] for m in design.memories]
    if kind is FaultKind.INITIAL:
        state[fault.flip_flop] ^= 1
    rows = []
    for cycle, row in enumerate(stimulus.tolist()):
        active = fault and fault.start <= cycle and (fault.stop is None or cycle < fault.stop)
        value = {0: 0, 1: 1, **dict(zip(design.input_bits, row, strict=True))}
        resets = [
            ff.reset_value ^ bool(active and kind is FaultKind.RESET and fault.flip_flop == i)
            for i, ff in enumerate(design.flip_flops)
        ]
        for i, ff in enumerate(design.flip_flops):
            if ff.kind is Reset.ASYNC and value[ff.reset]:
                state[i] = resets[i]
            value[ff.q] = state[i]
        for i, operation in enumerate(design.operations):
            pins = list(operation.inputs)
            if active and kind is FaultKind.PIN and fault.operation == i:
                pins[fault.pin] = fault.source
            read = [value[pin] for pin in pins]
            address = sum(bit << weight for weight, bit in enumerate(read))
            if operation.kind is Kind.TABLE:
                table = design.tables[operation.table]
                hit = active and kind is FaultKind.CONFIGURATION and table.first_bit + address in fault.bits
                result = (table.content >> address & 1) ^ bool(hit)
            elif operation.kind is Kind.READ:
                result = memories[operation.table][address]
            elif operation.kind is Kind.MUX:
                result = read[2] if read[0] else read[1]
            else:
                result = 1 - read[0] if operation.kind is Kind.NOT else read[0] ^ read[1]
            value[operation.out] = result
        rows.append([value[bit] for bit in design.output_bits])
        for i, ff in enumerate(design.flip_flops):
            if ff.kind is not Reset.NONE and value[ff.reset]:
                state[i] = resets[i]
            elif value[ff.enable]:
                state[i] = value[ff.d]
            if kind is FaultKind.STATE and fault.flip_flop == i and fault.start == cycle:
                state[i] ^= 1
        for content, memory in zip(memories, design.memories, strict=True):
            for write in memory.writes:
                if value[write.enable] and memory.shifts:
                    content[:] = [value[write.d], *content[:-1]]
                elif value[write.enable]:
                    content[sum(value[bit] << i for i, bit in enumerate(write.address))] = value[write.d]
    return np.array(rows, np.uint8).reshape(len(stimulus), -1)


def outcomes(design: Design, stimulus: np.ndarray, faults: list[Fault]) -> tuple[Outcomes, list[np.ndarray]]:
    """Rows of the faults (`activated` and `alarmed` left at -1) and the outputs of each."""
    golden = outputs(design, stimulus)
    streams = [outputs(design, stimulus, fault) for fault in faults]
    wrong = [np.flatnonzero((stream != golden).any(axis=1)) for stream in streams]
    columns = [
        [len(cycles) for cycles in wrong],
        [cycles[0] if len(cycles) else -1 for cycles in wrong],
        [cycles[-1] if len(cycles) else -1 for cycles in wrong],
        [-1] * len(faults),
        [-1] * len(faults),
    ]
    return Outcomes(len(stimulus), *(np.array(column, np.int32) for column in columns)), streams


def random_design(seed: int, *, memories: bool = True) -> Design:
    """A design with every kind of operation and reset; its last two tables share their bits."""
    draw = random.Random(seed)
    bit = 2
    inputs = (Port("rst", (2,)), Port("a.b[1]", tuple(range(3, 3 + draw.randint(1, 5)))))
    bit = inputs[-1].bits[-1] + 1
    states = list(range(bit, bit + draw.randint(1, 6)))
    known = [0, 1, *range(2, bit), *states]
    bit += len(states)
    operations, tables, first = [], [], 0

    def result(kind: Kind, pins: int, table: int = -1) -> None:
        nonlocal bit
        recent = known[-12:] if draw.random() < 0.7 else known
        operations.append(Operation(kind, bit, tuple(draw.choice(recent) for _ in range(pins)), table))
        known.append(bit)
        bit += 1

    depths = [16, 8] if memories else []
    for number in range(draw.randint(6, 14)):
        width = draw.randint(1, 5)
        result(Kind.TABLE, width, len(tables))
        name = f"u{number % 3}.lut{number}"
        tables.append(Table(name, f"LUT{width}", draw.getrandbits(2**width), width, first))
        first += 2**width
        kind = draw.choice([Kind.NOT, Kind.XOR, Kind.MUX])
        result(kind, {Kind.NOT: 1, Kind.XOR: 2, Kind.MUX: 3}[kind])
    for index, depth in enumerate(depths):
        result(Kind.READ, depth.bit_length() - 1, index)
    content = draw.getrandbits(64)
    for width, primitive in ((6, "LUT6_2"), (5, "LUT6_2")):
        result(Kind.TABLE, width, len(tables))
        tables.append(Table("both", primitive, content & (1 << 2**width) - 1, width, first))
    first += 64
    flip_flops = []
    for index, q in enumerate(states):
        kind = draw.choice(list(Reset))
        flip_flops.append(
            FlipFlop(
                f"u{index % 3}.q{index}",
                "FD",
                q,
                draw.choice(known),
                enable=draw.choice([1, 1, draw.choice(known)]),
                reset=0 if kind is Reset.NONE else 2 if kind is Reset.ASYNC else draw.choice(known),
                kind=kind,
                reset_value=draw.randint(0, 1),
                initial=draw.randint(0, 1),
            )
        )
    ports = (Port("y", tuple(known[-draw.randint(2, 6) :])), Port("or", (draw.choice(known), states[0])))
    held = ()
    if memories:
        shift = Write(draw.choice(known), draw.choice(known))
        writes = tuple(
            Write(draw.choice(known), enable, tuple(draw.choices(known, k=3)))
            for enable in (1, draw.choice(known))
        )
        held = (
            Memory("u0.srl", "SRL16E", 16, (shift,), draw.getrandbits(16)),
            Memory("u1.ram", "RAM", 8, writes, 5),
        )
    return Design(
        "top",
        bit,
        inputs,
        ports,
        tuple(operations),
        tuple(tables),
        tuple(flip_flops),
        held,
        first,
        "clk",
        names={states[0]: "first\\"},
    )


def stimulus(design: Design, cycles: int, seed: int = 1) -> np.ndarray:
    """Random inputs; the first of them, the reset, is 1 in the first two cycles and seldom after."""
    rng = np.random.default_rng(seed)
    bits = rng.integers(0, 2, (cycles, len(design.input_bits)), dtype=np.uint8)
    bits[:, 0] = (np.arange(cycles) < 2) | (rng.random(cycles) < 0.03)
    return bits


def every_bit(design: Design) -> list[Fault]:
    """All configuration faults."""
    return [Fault(i, FaultKind.CONFIGURATION, bits=(i,)) for i in range(design.configuration_bits)]
