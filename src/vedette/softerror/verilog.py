"""The text of a design in Verilog: one module of tables, gates and flip-flops, as models need it."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from vedette.errors import InputError
from vedette.softerror.design import ONE, ZERO, Design, FlipFlop, Kind, Operation, Port, Reset

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
class Form:
    """What of the text differs from the plain design: a fault's expressions, resets by edge, marks."""

    note: str
    ports: tuple[str, ...] = ()
    flip: Callable[[Operation, str], str] | None = None  # joined to what a table gives
    contents: dict[int, str] = field(default_factory=dict)  # of a table, when it is no constant
    pins: dict[tuple[int, int], str] = field(default_factory=dict)  # (operation, pin)
    states: dict[int, str] = field(default_factory=dict)  # joined to a flip-flop's next state
    resets: dict[int, str] = field(default_factory=dict)  # a flip-flop's reset value
    edge_resets: bool = False
    keep: bool = False


def identifier(name: str) -> str:
    """The name as Verilog takes it, escaped where it must be; an escaped one ends in a blank.

    >>> identifier("clk"), identifier("a.b[3]")
    ('clk', '\\\\a.b[3] ')
    """
    plain = re.fullmatch(r"[A-Za-z_][A-Za-z0-9_$]*", name) and name not in _WORDS
    return name if plain else f"\\{re.sub(r'[^!-~]', '_', name)} "


# What stands in a form instead of the plain netlist.
def hex_literal(width: int, value: int) -> str:
    """A number of `width` bits as Verilog writes it."""
    return f"{width}'h{value:x}"


def bit_name(bit: int) -> str:
    """A bit of the design: a constant, or its wire."""
    return f"1'b{bit}" if bit in (ZERO, ONE) else f"n{bit}"


def comment(*parts: str) -> str:
    """A comment of the parts that say something, in printable ASCII; or nothing."""
    text = " ".join(re.sub(r"[^ -~]", "?", part) for part in parts if part)
    return f"  // {text} ." if text.endswith("\\") else f"  // {text}" if text else ""


def _range(width: int) -> str:
    return "" if width == 1 else f"[{width - 1}:0] "


def module_text(design: Design, form: Form) -> str:
    """The whole module, and the modules of its marked tables."""
    _no_clash(design, form)
    ports = [f"input {identifier(design.clock)}"] if design.clock else []
    ports += [f"input {_range(len(port.bits))}{identifier(port.name)}" for port in design.inputs]
    ports += [f"output {_range(len(port.bits))}{identifier(port.name)}" for port in design.outputs]
    ports += form.ports
    lines = [
        f"// {comment(design.name)[5:]}: {form.note}",
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
        bits = ", ".join(bit_name(bit) for bit in reversed(port.bits))
        lines.append(f"assign {identifier(port.name)} = {{{bits}}};")
    return "\n".join([*lines, "endmodule", *(_tables(design) if form.keep else []), ""])


def _no_clash(design: Design, form: Form) -> None:
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


def _is_level(form: Form, ff: FlipFlop) -> bool:
    return ff.kind is Reset.ASYNC and not form.edge_resets


def _reset_value(form: Form, index: int, ff: FlipFlop) -> str:
    return form.resets.get(index, f"1'b{ff.reset_value}")


def _marked(form: Form) -> str:
    return KEPT if form.keep else ""


def _states(design: Design, form: Form) -> list[str]:
    """Declarations: a flip-flop is `n<bit>`, or `s<bit>` behind the level of its reset."""
    lines = []
    for ff in design.flip_flops:
        name = f"s{ff.q}" if _is_level(form, ff) else f"n{ff.q}"
        lines.append(
            f"{_marked(form)}reg {name} = 1'b{ff.initial};{comment(ff.primitive, ff.name, ff.source)}"
        )
    for index, memory in enumerate(design.memories):
        value = hex_literal(memory.depth, memory.initial)
        said = comment(memory.primitive, memory.name, memory.source)
        lines.append(f"reg [{memory.depth - 1}:0] m{index} = {value};{said}")
    for index, ff in enumerate(design.flip_flops):
        if _is_level(form, ff):
            value = _reset_value(form, index, ff)
            lines.append(f"wire n{ff.q} = {bit_name(ff.reset)} ? {value} : s{ff.q};")
    return lines


def _operation(design: Design, form: Form, index: int, operation: Operation) -> list[str]:
    pins = [form.pins.get((index, pin), bit_name(bit)) for pin, bit in enumerate(operation.inputs)]
    out, address = operation.out, f"{{{', '.join(reversed(pins))}}}"
    said = comment(design.names.get(out, ""))
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
    plain = f"localparam [{size - 1}:0] c{out} = {hex_literal(size, table.content)};"
    declared = f"wire [{size - 1}:0] c{out} = {content};" if content else plain
    lines = [declared + comment(table.primitive, table.name, table.source)]
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
    given = f"#(.CONTENT({hex_literal(2**width, content)})) t{out}(.address({address}), .y(n{out}))"
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


def _edge(design: Design, form: Form) -> list[str]:
    """What the clock edge does, all at once; asynchronous resets in blocks of their own where asked for."""
    clock = identifier(design.clock)
    common, apart = [], []
    for index, ff in enumerate(design.flip_flops):
        name = f"s{ff.q}" if _is_level(form, ff) else f"n{ff.q}"
        upset = form.states.get(index)
        following = (
            bit_name(ff.d) if ff.enable == ONE else f"({bit_name(ff.enable)} ? {bit_name(ff.d)} : {name})"
        )
        if form.edge_resets and ff.kind is Reset.ASYNC:
            reset, value = bit_name(ff.reset), _reset_value(form, index, ff)
            following += f" ^ {upset}" if upset else ""
            apart.append(
                f"{_marked(form)}always @(posedge {clock} or posedge {reset}) "
                f"if ({reset}) {name} <= {value}; else {name} <= {following};"
            )
            continue
        if ff.kind is not Reset.NONE:
            following = f"({bit_name(ff.reset)} ? {_reset_value(form, index, ff)} : {following})"
        common.append(f"  {name} <= {following}{f' ^ {upset}' if upset else ''};")
    for index, memory in enumerate(design.memories):
        for write in memory.writes:  # of two writes to one address the later counts, in Verilog as here
            enable = bit_name(write.enable)
            if memory.shifts:
                kept = f"m{index}[{memory.depth - 2}:0], " if memory.depth > 1 else ""
                common.append(f"  if ({enable}) m{index} <= {{{kept}{bit_name(write.d)}}};")
            else:
                address = f"{{{', '.join(bit_name(bit) for bit in reversed(write.address))}}}"
                common.append(f"  if ({enable}) m{index}[{address}] <= {bit_name(write.d)};")
    block = [f"{_marked(form)}always @(posedge {clock}) begin", *common, "end"] if common else []
    return block + apart
