"""A design as Verilog that any simulator reads, in the three forms that a fault can take there.

`copy` is the netlist with one fault in it, the paper's way: one model a fault. `select` has two more
ports, `fsel` and `fbit`, that name the configuration bit to invert: one model serves all of them. `cfg` has
every configuration bit as an input. The text says in Verilog what `design` defines and is the same for
the same design, byte for byte; names of the netlist follow as comments.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from vedette.errors import InputError
from vedette.softerror.design import ONE, ZERO, Design, FlipFlop, Kind, Operation, Port, Reset, Table
from vedette.softerror.faults import Fault, FaultKind

_WORDS = frozenset(
    [
        "always",
        "and",
        "assign",
        "begin",
        "buf",
        "case",
        "default",
        "else",
        "end",
        "endcase",
        "endmodule",
        "event",
        "for",
        "force",
        "function",
        "if",
        "initial",
        "inout",
        "input",
        "integer",
        "logic",
        "module",
        "nand",
        "negedge",
        "nor",
        "not",
        "or",
        "output",
        "parameter",
        "posedge",
        "real",
        "reg",
        "repeat",
        "signed",
        "table",
        "task",
        "time",
        "tri",
        "unsigned",
        "wait",
        "while",
        "wire",
        "xnor",
        "xor",
    ]
)


KEPT = '(* keep, DONT_TOUCH = "yes" *) '
TABLE = "vedette_table"  # and its width: the module of a table that must stay


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
        return _module(design, _Form(note="no fault", edge_resets=edge_resets, keep=keep))
    _known(design, fault)
    if timed(fault):
        return _module(design, replace(_timed(design, fault), edge_resets=edge_resets, keep=keep))
    return _module(
        _persistent(design, fault), _Form(note=_describe(fault), edge_resets=edge_resets, keep=keep)
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
    return _module(design, _Form(note="fault select", ports=ports, flip=flip))


def cfg(design: Design) -> str:
    """The netlist with the port `cfg`, all configuration bits; `configuration` gives its fault-free value."""
    width = max(1, design.configuration_bits)
    contents = {
        t: f"cfg[{table.first_bit + 2**table.width - 1}:{table.first_bit}]"
        for t, table in enumerate(design.tables)
    }
    return _module(
        design, _Form(note="configuration port", ports=(f"input [{width - 1}:0] cfg",), contents=contents)
    )


def timed(fault: Fault) -> bool:
    """Whether the fault acts in some cycles only, so that its copy has the port `upset`.

    A changed initial value acts at the start and nowhere else: it is not timed.
    """
    if fault.kind is FaultKind.INITIAL:
        return False
    return fault.kind is FaultKind.STATE or fault.start > 0 or fault.stop is not None


def identifier(name: str) -> str:
    """The name as Verilog takes it, escaped where it must be; an escaped one ends in a blank.

    >>> identifier("clk"), identifier("a.b[3]")
    ('clk', '\\\\a.b[3] ')
    """
    plain = re.fullmatch(r"[A-Za-z_][A-Za-z0-9_$]*", name) and name not in _WORDS
    return name if plain else f"\\{re.sub(r'[^!-~]', '_', name)} "


# What stands in a form instead of the plain netlist.
@dataclass(frozen=True)
class _Form:
    note: str
    ports: tuple[str, ...] = ()
    flip: Callable[[Operation, str], str] | None = None  # joined to what a table gives
    contents: dict[int, str] = field(default_factory=dict)  # of a table, when it is no constant
    pins: dict[tuple[int, int], str] = field(default_factory=dict)  # (operation, pin)
    states: dict[int, str] = field(default_factory=dict)  # joined to a flip-flop's next state
    resets: dict[int, str] = field(default_factory=dict)  # a flip-flop's reset value
    edge_resets: bool = False
    keep: bool = False


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


def _timed(design: Design, fault: Fault) -> _Form:
    form = _Form(note=f"{_describe(fault)} while upset is 1", ports=("input upset",))
    if fault.kind is FaultKind.CONFIGURATION:
        contents = {}
        for index, table in enumerate(design.tables):
            if mask := _flipped(table, fault.bits):
                size = 2**table.width
                contents[index] = f"{_hex(size, table.content)} ^ ({{{size}{{upset}}}} & {_hex(size, mask)})"
        return replace(form, contents=contents)
    if fault.kind is FaultKind.PIN:
        normal = _bit(design.operations[fault.operation].inputs[fault.pin])
        pin = f"(upset ? {_bit(fault.source)} : {normal})"
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


def _hex(width: int, value: int) -> str:
    return f"{width}'h{value:x}"


def _bit(bit: int) -> str:
    return f"1'b{bit}" if bit in (ZERO, ONE) else f"n{bit}"


def _comment(*parts: str) -> str:
    text = " ".join(re.sub(r"[^ -~]", "?", part) for part in parts if part)
    return f"  // {text} ." if text.endswith("\\") else f"  // {text}" if text else ""


def _range(width: int) -> str:
    return "" if width == 1 else f"[{width - 1}:0] "


def _module(design: Design, form: _Form) -> str:
    _no_clash(design, form)
    ports = [f"input {identifier(design.clock)}"] if design.clock else []
    ports += [f"input {_range(len(port.bits))}{identifier(port.name)}" for port in design.inputs]
    ports += [f"output {_range(len(port.bits))}{identifier(port.name)}" for port in design.outputs]
    ports += form.ports
    lines = [
        f"// {_comment(design.name)[5:]}: {form.note}",
        f"module {identifier(design.name)}(",
        *(f"  {port}{',' if place < len(ports) - 1 else ''}" for place, port in enumerate(ports)),
        ");",
    ]
    for port in design.inputs:
        lines += [f"wire n{bit} = {_element(port, i)};" for i, bit in enumerate(port.bits)]
    lines += _states(design, form)
    for index, operation in enumerate(design.operations):
        lines += _operation(design, form, index, operation)
    lines += _edge(design, form)
    for port in design.outputs:
        bits = ", ".join(_bit(bit) for bit in reversed(port.bits))
        lines.append(f"assign {identifier(port.name)} = {{{bits}}};")
    return "\n".join([*lines, "endmodule", *(_tables(design) if form.keep else []), ""])


def _no_clash(design: Design, form: _Form) -> None:
    ours = {port.rsplit(" ", 1)[1] for port in form.ports}
    names = {design.clock, *(port.name for port in (*design.inputs, *design.outputs))}
    clash = [name for name in sorted(names) if name in ours or re.fullmatch(r"[ncasmt][0-9]+", name)]
    if clash:
        raise InputError(
            f"port {clash[0]!r} of {design.name} has a name that the exported text uses itself",
            hint="rename the port in the HDL",
        )


def _element(port: Port, index: int) -> str:
    return identifier(port.name) if len(port.bits) == 1 else f"{identifier(port.name)}[{index}]"


def _is_level(form: _Form, ff: FlipFlop) -> bool:
    return ff.kind is Reset.ASYNC and not form.edge_resets


def _reset_value(form: _Form, index: int, ff: FlipFlop) -> str:
    return form.resets.get(index, f"1'b{ff.reset_value}")


def _marked(form: _Form) -> str:
    return KEPT if form.keep else ""


def _states(design: Design, form: _Form) -> list[str]:
    """Declarations: a flip-flop is `n<bit>`, or `s<bit>` behind the level of its reset."""
    lines = []
    for ff in design.flip_flops:
        name = f"s{ff.q}" if _is_level(form, ff) else f"n{ff.q}"
        lines.append(
            f"{_marked(form)}reg {name} = 1'b{ff.initial};{_comment(ff.primitive, ff.name, ff.source)}"
        )
    for index, memory in enumerate(design.memories):
        value = _hex(memory.depth, memory.initial)
        said = _comment(memory.primitive, memory.name, memory.source)
        lines.append(f"reg [{memory.depth - 1}:0] m{index} = {value};{said}")
    for index, ff in enumerate(design.flip_flops):
        if _is_level(form, ff):
            value = _reset_value(form, index, ff)
            lines.append(f"wire n{ff.q} = {_bit(ff.reset)} ? {value} : s{ff.q};")
    return lines


def _operation(design: Design, form: _Form, index: int, operation: Operation) -> list[str]:
    pins = [form.pins.get((index, pin), _bit(bit)) for pin, bit in enumerate(operation.inputs)]
    out, address = operation.out, f"{{{', '.join(reversed(pins))}}}"
    said = _comment(design.names.get(out, ""))
    if form.keep and operation.kind is not Kind.READ:
        return _instance(design, operation, address, said)
    if operation.kind is Kind.NOT:
        return [f"wire n{out} = ~{pins[0]};{said}"]
    if operation.kind is Kind.XOR:
        return [f"wire n{out} = {pins[0]} ^ {pins[1]};{said}"]
    if operation.kind is Kind.MUX:
        return [f"wire n{out} = {pins[0]} ? {pins[2]} : {pins[1]};{said}"]
    if operation.kind is Kind.READ:
        return [f"wire n{out} = m{operation.table}[{address}];{said}"]
    table = design.tables[operation.table]
    size = 2**table.width
    content = form.contents.get(operation.table)
    plain = f"localparam [{size - 1}:0] c{out} = {_hex(size, table.content)};"
    declared = f"wire [{size - 1}:0] c{out} = {content};" if content else plain
    lines = [declared + _comment(table.primitive, table.name, table.source)]
    flip = ""
    if form.flip:
        lines.append(f"wire [{table.width - 1}:0] a{out} = {address};")
        address = f"a{out}"
        flip = form.flip(operation, address)
    return [*lines, f"wire n{out} = c{out}[{address}]{flip};{said}"]


def _instance(design: Design, operation: Operation, address: str, said: str) -> list[str]:
    """A table, or a gate as one, as an instance that no synthesis tool looks into."""
    content, width = _content(design, operation)
    out = operation.out
    given = f"#(.CONTENT({_hex(2**width, content)})) t{out}(.address({address}), .y(n{out}))"
    return [f"wire n{out};{said}", f"{KEPT}{TABLE}{width} {given};"]


def _content(design: Design, operation: Operation) -> tuple[int, int]:
    """Content and width of an operation as a table; its first pin is bit 0 of the address."""
    gates = {Kind.NOT: (0x1, 1), Kind.XOR: (0x6, 2), Kind.MUX: (0xE4, 3)}  # MUX: select, at 0, at 1
    if operation.kind in gates:
        return gates[operation.kind]
    table = design.tables[operation.table]
    return table.content, table.width


def _tables(design: Design) -> list[str]:
    """The modules of those instances."""
    widths = {_content(design, op)[1] for op in design.operations if op.kind is not Kind.READ}
    lines = []
    for width in sorted(widths):
        lines += [
            '(* keep_hierarchy, DONT_TOUCH = "yes" *)',
            f"module {TABLE}{width} #(parameter [{2**width - 1}:0] CONTENT = 0) "
            f"(input [{width - 1}:0] address, output y);",
            "assign y = CONTENT[address];",
            "endmodule",
        ]
    return lines


def _edge(design: Design, form: _Form) -> list[str]:
    """What the clock edge does, all at once; asynchronous resets in blocks of their own where asked for."""
    clock = identifier(design.clock)
    common, apart = [], []
    for index, ff in enumerate(design.flip_flops):
        name = f"s{ff.q}" if _is_level(form, ff) else f"n{ff.q}"
        upset = form.states.get(index)
        following = _bit(ff.d) if ff.enable == ONE else f"({_bit(ff.enable)} ? {_bit(ff.d)} : {name})"
        if form.edge_resets and ff.kind is Reset.ASYNC:
            reset, value = _bit(ff.reset), _reset_value(form, index, ff)
            following += f" ^ {upset}" if upset else ""
            apart.append(
                f"{_marked(form)}always @(posedge {clock} or posedge {reset}) "
                f"if ({reset}) {name} <= {value}; else {name} <= {following};"
            )
            continue
        if ff.kind is not Reset.NONE:
            following = f"({_bit(ff.reset)} ? {_reset_value(form, index, ff)} : {following})"
        common.append(f"  {name} <= {following}{f' ^ {upset}' if upset else ''};")
    for index, memory in enumerate(design.memories):
        for write in memory.writes:  # of two writes to one address the later counts, in Verilog as here
            enable = _bit(write.enable)
            if memory.shifts:
                kept = f"m{index}[{memory.depth - 2}:0], " if memory.depth > 1 else ""
                common.append(f"  if ({enable}) m{index} <= {{{kept}{_bit(write.d)}}};")
            else:
                address = f"{{{', '.join(_bit(bit) for bit in reversed(write.address))}}}"
                common.append(f"  if ({enable}) m{index}[{address}] <= {_bit(write.d)};")
    block = [f"{_marked(form)}always @(posedge {clock}) begin", *common, "end"] if common else []
    return block + apart
