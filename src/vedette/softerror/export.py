"""A design as Verilog that any simulator reads, in the three forms that a fault can take there.

`copy` is the netlist with one fault in it, the paper's way: one model a fault. `select` has two more
ports, `fsel` and `fbit`, that name the configuration bit to invert: one model serves all of them. `cfg` has
every configuration bit as an input. The text says in Verilog what `design` defines and is the same for
the same design, byte for byte; names of the netlist follow as comments.
"""

from dataclasses import dataclass, replace

from vedette.errors import InputError
from vedette.softerror.design import Design, Operation, Table
from vedette.softerror.faults import Fault, FaultKind
from vedette.softerror.verilog import Form, bit_name, hex_literal, module_text


@dataclass(frozen=True)
class Group:
    """Tables that share configuration bits: one lookup table of the device, a LUT6_2 with both outputs."""

    first_bit: int
    size: int  # configuration bits
    tables: tuple[int, ...]


def groups(design: Design) -> tuple[Group, ...]:
    """The device's lookup tables, by their first bit. `fsel` is a place in this list.

    >>> from vedette.softerror.design import Design, Table
    >>> pair = (Table("o6", "LUT6_2", 0, 6, 0), Table("o5", "LUT6_2", 0, 5, 0))
    >>> groups(Design("top", 2, (), (), (), pair, ()))
    (Group(first_bit=0, size=64, tables=(0, 1)),)
    """
    found: list[Group] = []
    for index in sorted(range(len(design.tables)), key=lambda t: (design.tables[t].first_bit, t)):
        table = design.tables[index]
        end = table.first_bit + 2**table.width
        if found and table.first_bit < found[-1].first_bit + found[-1].size:
            last = found.pop()
            size = max(last.size, end - last.first_bit)
            found.append(Group(last.first_bit, size, (*last.tables, index)))
        else:
            found.append(Group(table.first_bit, end - table.first_bit, (index,)))
    return tuple(found)


def place(design: Design, bit: int) -> tuple[int, int]:
    """`fsel` and `fbit` of a configuration bit.

    Raises:
        InputError: no table has this bit.
    """
    for number, group in enumerate(groups(design)):
        if group.first_bit <= bit < group.first_bit + group.size:
            return number, bit - group.first_bit
    raise InputError(
        f"no table has configuration bit {bit}",
        hint=f"the design has bits 0 to {design.configuration_bits - 1}",
    )


def configuration(design: Design) -> int:
    """All configuration bits as one number, bit 0 lowest: the fault-free value of the port `cfg`."""
    value = 0
    for table in design.tables:
        value |= table.content << table.first_bit
    return value


def select_widths(design: Design) -> tuple[int, int]:
    """Bits of the ports `fsel` and `fbit`. `fsel` = number of groups selects no fault."""
    known = groups(design)
    largest = max((group.size for group in known), default=1)
    return max(1, len(known).bit_length()), max(1, (largest - 1).bit_length())


def copy(design: Design, fault: Fault | None = None, *, edge_resets: bool = False, keep: bool = False) -> str:
    """The netlist with one fault in it, or without any.

    A fault that acts in some cycles only (a flip-flop's upset, a scrubbed bit) adds an input `upset`,
    which whoever drives the model holds at 1 in those cycles.

    Args:
        edge_resets: write an asynchronous reset as synthesis tools want it (`always @(posedge clk or posedge
            reset)`) and not as a level, which is what `design` defines and what no event order can change.
        keep: mark every flip-flop, and make every table, inverter, XOR and multiplexer a marked instance, for
            synthesis tools would make one of equal copies. `keep` is Yosys' word, `DONT_TOUCH` Vivado's.

    Raises:
        InputError: a fault that this design does not have, or ports named like ours.
    """
    if fault is None:
        return module_text(design, Form(note="no fault", edge_resets=edge_resets, keep=keep))
    _known(design, fault)
    if timed(fault):
        return module_text(design, replace(_timed(design, fault), edge_resets=edge_resets, keep=keep))
    return module_text(
        _persistent(design, fault), Form(note=_describe(fault), edge_resets=edge_resets, keep=keep)
    )


def select(design: Design) -> str:
    """The netlist with the ports `fsel` and `fbit`: `O = content[address] ^ (fsel and fbit name this bit)`.

    `place` gives their values for a bit; `fsel` = number of groups is no fault.
    """
    fsel, fbit = select_widths(design)
    home = {t: (number, g) for number, g in enumerate(groups(design)) for t in g.tables}

    def flip(operation: Operation, address: str) -> str:
        number, group = home[operation.table]
        offset = design.tables[operation.table].first_bit - group.first_bit
        shifted = f"{address} + {fbit}'d{offset}" if offset else address
        return f" ^ (fsel == {fsel}'d{number} && fbit == {shifted})"

    ports = (f"input [{fsel - 1}:0] fsel", f"input [{fbit - 1}:0] fbit")
    return module_text(design, Form(note="fault select", ports=ports, flip=flip))


def cfg(design: Design) -> str:
    """The netlist with the port `cfg`, all configuration bits; `configuration` gives its fault-free value."""
    width = max(1, design.configuration_bits)
    contents = {
        t: f"cfg[{table.first_bit + 2**table.width - 1}:{table.first_bit}]"
        for t, table in enumerate(design.tables)
    }
    return module_text(
        design, Form(note="configuration port", ports=(f"input [{width - 1}:0] cfg",), contents=contents)
    )


def timed(fault: Fault) -> bool:
    """Whether the fault acts in some cycles only, so that its copy has the port `upset`.

    A changed initial value acts at the start and nowhere else: it is not timed.
    """
    if fault.kind is FaultKind.INITIAL:
        return False
    return fault.kind is FaultKind.STATE or fault.start > 0 or fault.stop is not None


def _known(design: Design, fault: Fault) -> None:
    if fault.kind is FaultKind.CONFIGURATION:
        for bit in fault.bits:
            place(design, bit)
        return
    if fault.kind is FaultKind.PIN:
        valid = 0 <= fault.operation < len(design.operations) and 0 <= fault.source < design.bits
        valid = valid and 0 <= fault.pin < len(design.operations[fault.operation].inputs)
    else:
        valid = 0 <= fault.flip_flop < len(design.flip_flops)
    if not valid:
        raise InputError(
            f"{design.name} has not what fault {fault.number} changes: {_describe(fault)}",
            hint="take the faults of this design",
        )


def _flipped(table: Table, bits: tuple[int, ...]) -> int:
    mask = 0
    for bit in bits:
        if table.first_bit <= bit < table.first_bit + 2**table.width:
            mask ^= 1 << (bit - table.first_bit)
    return mask


def _persistent(design: Design, fault: Fault) -> Design:
    if fault.kind is FaultKind.CONFIGURATION:
        tables = tuple(replace(t, content=t.content ^ _flipped(t, fault.bits)) for t in design.tables)
        return replace(design, tables=tables)
    if fault.kind is FaultKind.PIN:
        operations = list(design.operations)
        old = operations[fault.operation]
        inputs = (*old.inputs[: fault.pin], fault.source, *old.inputs[fault.pin + 1 :])
        operations[fault.operation] = replace(old, inputs=inputs)
        return replace(design, operations=tuple(operations))
    flip_flops = list(design.flip_flops)
    ff = flip_flops[fault.flip_flop]
    if fault.kind is FaultKind.INITIAL:
        flip_flops[fault.flip_flop] = replace(ff, initial=1 - ff.initial)
    else:
        flip_flops[fault.flip_flop] = replace(ff, reset_value=1 - ff.reset_value)
    return replace(design, flip_flops=tuple(flip_flops))


def _timed(design: Design, fault: Fault) -> Form:
    form = Form(note=f"{_describe(fault)} while upset is 1", ports=("input upset",))
    if fault.kind is FaultKind.CONFIGURATION:
        contents = {}
        for index, table in enumerate(design.tables):
            if mask := _flipped(table, fault.bits):
                size = 2**table.width
                contents[index] = (
                    f"{hex_literal(size, table.content)} ^ ({{{size}{{upset}}}} & {hex_literal(size, mask)})"
                )
        return replace(form, contents=contents)
    if fault.kind is FaultKind.PIN:
        normal = bit_name(design.operations[fault.operation].inputs[fault.pin])
        pin = f"(upset ? {bit_name(fault.source)} : {normal})"
        return replace(form, pins={(fault.operation, fault.pin): pin})
    if fault.kind is FaultKind.STATE:
        return replace(form, states={fault.flip_flop: "upset"})
    value = design.flip_flops[fault.flip_flop].reset_value
    return replace(form, resets={fault.flip_flop: f"(1'b{value} ^ upset)"})


def _describe(fault: Fault) -> str:
    what = {
        FaultKind.CONFIGURATION: f"configuration bits {', '.join(map(str, fault.bits))} inverted",
        FaultKind.STATE: f"flip-flop {fault.flip_flop} inverted",
        FaultKind.INITIAL: f"initial value of flip-flop {fault.flip_flop} inverted",
        FaultKind.RESET: f"reset value of flip-flop {fault.flip_flop} inverted",
        FaultKind.PIN: f"pin {fault.pin} of operation {fault.operation} reads bit {fault.source}",
    }
    return what[fault.kind]
