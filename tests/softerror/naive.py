"""A simulator for tests, as plain as can be: one fault, one cycle, one operation after the other."""

import numpy as np

from vedette.softerror.design import Design, FlipFlop, Kind, Operation, Port, Reset, Table
from vedette.softerror.faults import FaultKind
from vedette.softerror.outcomes import Outcomes

AND = 0b1000
XOR = 0b0110


def and_gate() -> Design:
    """y = a & b, one LUT2."""
    lut = Operation(Kind.TABLE, 4, (2, 3), 0)
    table = Table("u.lut", "LUT2", AND, 2, 0, "and.v:3.5-3.9")
    return Design(
        "gate", 5, (Port("a", (2,)), Port("b", (3,))), (Port("y", (4,)),), (lut,), (table,), (), (), 4
    )


def counter() -> Design:
    """Two bits that count while `en`: outputs q (2 bits) and `odd`, which copies bit 0 through a table.

    The last table has its pins tied together, so that half of its bits are unreachable.
    """
    operations = (
        Operation(Kind.TABLE, 6, (4, 3), 0),  # q0 ^ en
        Operation(Kind.TABLE, 7, (5, 4, 3), 1),  # q1 ^ (q0 & en)
        Operation(Kind.TABLE, 8, (4, 4), 2),  # q0, twice
    )
    tables = (
        Table("low.lut", "LUT2", XOR, 2, 0, "c.v:5.3-5.9"),
        Table("high.lut", "LUT3", 0b01101010, 3, 4, "c.v:6.3-6.9|/usr/share/yosys/x.v:1.1-1.2"),
        Table("tied", "LUT2", 0b1000, 2, 12, "c.v:7.3-7.9"),
    )
    flip_flops = (
        FlipFlop("low.q", "FDCE", 4, 6, reset=2, kind=Reset.ASYNC, source="c.v:5.1-5.2"),
        FlipFlop("high.q", "FDCE", 5, 7, reset=2, kind=Reset.ASYNC, source="c.v:6.1-6.2"),
    )
    inputs = (Port("rst", (2,)), Port("en", (3,)))
    outputs = (Port("q", (4, 5)), Port("odd", (8,)))
    return Design("counter", 9, inputs, outputs, operations, tables, flip_flops, (), 16, "clk")


def random_bits(design: Design, cycles: int, seed: int = 1) -> np.ndarray:
    """A stimulus; its first input is 1 in the first two cycles and 0 after, as a reset is."""
    bits = np.random.default_rng(seed).integers(0, 2, (cycles, len(design.input_bits)), dtype=np.uint8)
    bits[:, 0] = np.arange(cycles) < 2
    return bits


class Naive:
    """An engine; it remembers how many faults it was given."""

    def __init__(self) -> None:
        self.faults = 0

    def __call__(self, design, stimulus, faults, *, compare, enable, alarms) -> Outcomes:
        self.faults += len(faults)
        golden, state, visits = trace(design, stimulus, None)
        found = []
        for fault in faults:
            bad, bad_state, _ = trace(design, stimulus, fault)
            stop = len(stimulus) if fault.stop is None else fault.stop
            if fault.kind is FaultKind.CONFIGURATION:
                seen = [c for bit in fault.bits for c in visits.get(bit, []) if fault.start <= c < stop]
            elif fault.kind is FaultKind.STATE:
                seen = [fault.start]
            else:
                seen = np.flatnonzero((bad_state != state).any(1) | (bad != golden).any(1)).tolist()
            differ = (bad != golden)[:, list(compare)].any(1)
            if enable >= 0:
                differ &= golden[:, enable] == 1
            wrong, alarm = np.flatnonzero(differ), np.flatnonzero((bad != golden)[:, list(alarms)].any(1))
            found.append(
                (
                    len(wrong),
                    wrong[0] if len(wrong) else -1,
                    wrong[-1] if len(wrong) else -1,
                    min(seen, default=-1),
                    alarm[0] if len(alarm) else -1,
                )
            )
        columns = np.array(found, np.int32).reshape(-1, 5).T
        return Outcomes(len(stimulus), *(np.ascontiguousarray(column) for column in columns))


def trace(design, stimulus, fault):
    """Every bit in every cycle, every state after it, the cycles in which each configuration bit was read."""
    inverted = fault is not None and fault.kind is FaultKind.INITIAL
    state = [f.initial ^ (inverted and i == fault.flip_flop) for i, f in enumerate(design.flip_flops)]
    bits, states, visits = [], [], {}
    for cycle, row in enumerate(stimulus.tolist()):
        active = fault is not None and fault.start <= cycle and (fault.stop is None or cycle < fault.stop)
        value = [0] * design.bits
        value[1] = 1
        for bit, given in zip(design.input_bits, row, strict=True):
            value[bit] = given
        for i, flip_flop in enumerate(design.flip_flops):
            flip = active and fault.kind is FaultKind.RESET and fault.flip_flop == i
            if flip_flop.kind is Reset.ASYNC and value[flip_flop.reset]:
                state[i] = flip_flop.reset_value ^ flip
            value[flip_flop.q] = state[i]
        for i, operation in enumerate(design.operations):
            pins = list(operation.inputs)
            if active and fault.kind is FaultKind.PIN and fault.operation == i:
                pins[fault.pin] = fault.source
            table = design.tables[operation.table]
            address = sum(value[pin] << weight for weight, pin in enumerate(pins))
            read = table.first_bit + address
            visits.setdefault(read, []).append(cycle)
            hit = active and fault.kind is FaultKind.CONFIGURATION and read in fault.bits
            value[operation.out] = (table.content >> address & 1) ^ hit
        bits.append(value)
        for i, flip_flop in enumerate(design.flip_flops):
            held = flip_flop.kind is not Reset.NONE and value[flip_flop.reset]
            if held:
                flip = active and fault.kind is FaultKind.RESET and fault.flip_flop == i
                state[i] = flip_flop.reset_value ^ flip
            elif value[flip_flop.enable]:
                state[i] = value[flip_flop.d]
            if (
                fault is not None
                and fault.kind is FaultKind.STATE
                and fault.flip_flop == i
                and fault.start == cycle
            ):
                state[i] ^= 1
        states.append(list(state))
    return np.array(bits), np.array(states).reshape(len(stimulus), -1), visits
