"""Triplication of a design, whole or in part, with voters that are tables and can be upset themselves.

What is chosen stands three times. Behind each chosen flip-flop and each read of a chosen memory stand three
voters (LUT3, content 0xE8), one for each copy, so that no single upset passes: neither in a copy nor in one
of these voters. Where a bit of three copies leaves for what stands once, a single voter joins them, one for
each output bit and one for each bit that logic inside reads; those remain points of failure.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum
from fnmatch import fnmatchcase

from vedette.errors import InputError
from vedette.softerror.design import Design, FlipFlop, Kind, Memory, Operation, Port, Table, Write
from vedette.softerror.export import groups

MAJORITY = 0xE8  # of three: 1 where two or three are 1
COPIES = 3


class Role(Enum):
    """What a table of a hardened design is for."""

    UNTOUCHED = "untouched"  # stands once, as before
    COPY = "copy"  # one of three
    VOTER = "voter"  # one of three behind a flip-flop or a memory
    BOUNDARY = "boundary voter"  # single, for logic that stands once
    OUTPUT = "output voter"  # single, for one output bit


# An upset of these can show; of the others it cannot, whatever the design.
EXPOSED = (Role.UNTOUCHED, Role.BOUNDARY, Role.OUTPUT)


@dataclass(frozen=True)
class Hardened:
    """A design after triplication.

    Attributes:
        design: the new design; its configuration bits are numbered anew.
        roles: of each of its tables.
        origins: for each of its tables the index of the table it came from; -1 for voters.
        luts_before, luts_after: lookup tables of the device, a LUT6_2 counted once.
    """

    design: Design
    roles: tuple[Role, ...]
    origins: tuple[int, ...]
    luts_before: int
    luts_after: int

    @property
    def overhead(self) -> float:
        """Lookup tables added, as a fraction of those there were."""
        return self.luts_after / max(self.luts_before, 1) - 1

    def bits(self, *roles: Role) -> tuple[int, ...]:
        """Configuration bits of the tables with one of these roles, each once."""
        found = {
            table.first_bit + i
            for table, role in zip(self.design.tables, self.roles, strict=True)
            if role in roles
            for i in range(2**table.width)
        }
        return tuple(sorted(found))


@dataclass(frozen=True)
class Choice:
    """What is to stand three times: indices of the design's operations, flip-flops and memories."""

    operations: frozenset[int] = frozenset()
    flip_flops: frozenset[int] = frozenset()
    memories: frozenset[int] = frozenset()


def everything(design: Design, *, exclude: Sequence[str] = ()) -> Choice:
    """All of the design but what the patterns name, as `excluded` reads them."""
    out = excluded(design, exclude)
    return Choice(
        frozenset(range(len(design.operations))) - out.operations,
        frozenset(range(len(design.flip_flops))) - out.flip_flops,
        frozenset(range(len(design.memories))) - out.memories,
    )


def excluded(design: Design, patterns: Sequence[str]) -> Choice:
    """What the patterns name: synchronizers, clock logic, what must stay as it is.

    Args:
        patterns: of hierarchical cell names, `*` and `?` as in file names: "sync_*", "*.cdc.*".

    Raises:
        InputError: a pattern names nothing.
    """
    hit: set[str] = set()

    def named(name: str) -> bool:
        matching = [pattern for pattern in patterns if fnmatchcase(name, pattern)]
        hit.update(matching)
        return bool(matching)

    tables = {i for i, table in enumerate(design.tables) if named(table.name)}
    flip_flops = frozenset(i for i, ff in enumerate(design.flip_flops) if named(ff.name))
    memories = frozenset(i for i, memory in enumerate(design.memories) if named(memory.name))
    for pattern in patterns:
        if pattern not in hit:
            raise InputError(
                f"no cell of {design.name} is called {pattern!r}",
                hint="patterns are of whole hierarchical names: '*sync*', 'top.cdc.*'",
            )
    tables |= {t for group in groups(design) if tables & set(group.tables) for t in group.tables}
    operations = frozenset(
        i
        for i, operation in enumerate(design.operations)
        if (operation.kind is Kind.TABLE and operation.table in tables)
        or (operation.kind is Kind.READ and operation.table in memories)
    )
    return Choice(operations, flip_flops, memories)


def closed(design: Design, choice: Choice) -> Choice:
    """The choice with what cannot be separated: both outputs of a LUT6_2, a memory and all its reads."""
    chosen = {
        design.operations[i].table for i in choice.operations if design.operations[i].kind is Kind.TABLE
    }
    chosen |= {t for group in groups(design) if chosen & set(group.tables) for t in group.tables}
    memories = set(choice.memories)
    memories |= {
        design.operations[i].table for i in choice.operations if design.operations[i].kind is Kind.READ
    }
    operations = set(choice.operations)
    for i, operation in enumerate(design.operations):
        if operation.table in (chosen if operation.kind is Kind.TABLE else memories) and operation.kind in (
            Kind.TABLE,
            Kind.READ,
        ):
            operations.add(i)
    return Choice(frozenset(operations), choice.flip_flops, frozenset(memories))


def luts(design: Design) -> int:
    """Lookup tables of the device; a LUT6_2 is one, carry logic and wide multiplexers are none."""
    return len(groups(design))


def triplicate(design: Design, choice: Choice | None = None, *, state_voters: bool = True) -> Hardened:
    """The design with what is chosen three times; None: all of it.

    The fault-free outputs are the same in every cycle. Clock and inputs are not triplicated, and each
    output bit has one voter, whose two addresses 000 and 111 remain.

    Args:
        state_voters: put three voters behind each flip-flop and memory read. Without them a single upset is
            still outvoted, for three tables a flip-flop less, but a copy that went astray stays so until
            it is reset, and a second upset in another copy shows.

    >>> from vedette.softerror.design import Design
    >>> triplicate(Design("empty", 2, (), (), (), (), ())).luts_after
    0
    """
    chosen = closed(design, everything(design) if choice is None else choice)
    return _Triplication(design, chosen, state_voters).result()


# The new design as it grows; bits of the old one are looked up in `copies`.
class _Triplication:
    def __init__(self, design: Design, choice: Choice, state_voters: bool) -> None:
        self.old, self.choice, self.state_voters = design, choice, state_voters
        self.bits = 2 + len(design.input_bits)
        self.copies: dict[int, tuple[int, ...]] = {0: (0,), 1: (1,)}  # one, or one for each copy
        self.joined: dict[int, int] = {}  # a single bit where there are three
        self.operations: list[Operation] = []
        self.tables: list[Table] = []
        self.memories: list[Memory] = []
        self.roles: list[Role] = []
        self.origins: list[int] = []
        self.names: dict[int, str] = {}
        self.first_bit = 0
        self.moved: dict[tuple[int, int], int] = {}  # (group, copy) -> its first bit
        self.home = {t: g for g, group in enumerate(groups(design)) for t in group.tables}
        self.groups = groups(design)

    def result(self) -> Hardened:
        old = self.old
        inputs = self._inputs()
        raw = {i: self._new(3 if i in self.choice.flip_flops else 1) for i in range(len(old.flip_flops))}
        places = self._memories()
        single = self._read_by_single()
        for i, ff in enumerate(old.flip_flops):
            self._name(ff.q, raw[i])
            self.copies[ff.q] = self._vote(raw[i], ff.name, ff.source) if len(raw[i]) > 1 else raw[i]
            self._join(ff.q, ff.name, ff.source, single)
        for i, operation in enumerate(old.operations):
            self._operation(i, operation, places, single)
        flip_flops = tuple(
            self._flip_flop(ff, q, c, len(raw[i]))
            for i, ff in enumerate(old.flip_flops)
            for c, q in enumerate(raw[i])
        )
        outputs = tuple(self._output(port) for port in old.outputs)
        for (index, c, many), place in zip(
            self._copies_of_memories(), range(len(self.memories)), strict=True
        ):
            memory = old.memories[index]
            self.memories[place] = replace(
                memory,
                name=_copy_name(memory.name, c, many),
                writes=tuple(self._write(write, c, many) for write in memory.writes),
            )
        design = Design(
            old.name,
            self.bits,
            inputs,
            outputs,
            tuple(self.operations),
            tuple(self.tables),
            flip_flops,
            tuple(self.memories),
            self.first_bit,
            old.clock,
            old.unknown_constants,
            self.names,
        )
        return Hardened(design, tuple(self.roles), tuple(self.origins), luts(old), luts(design))

    def _new(self, count: int) -> tuple[int, ...]:
        self.bits += count
        return tuple(range(self.bits - count, self.bits))

    def _inputs(self) -> tuple[Port, ...]:
        following, ports = 2, []
        for port in self.old.inputs:
            bits = tuple(range(following, following + len(port.bits)))
            following += len(bits)
            for old, new in zip(port.bits, bits, strict=True):
                self.copies[old] = (new,)
                self._name(old, (new,))
            ports.append(Port(port.name, bits))
        return tuple(ports)

    def _copies_of_memories(self) -> list[tuple[int, int, int]]:
        many = [COPIES if i in self.choice.memories else 1 for i in range(len(self.old.memories))]
        return [(i, c, n) for i, n in enumerate(many) for c in range(n)]

    def _memories(self) -> dict[tuple[int, int], int]:
        """Places for the memories; their pins are known at the end."""
        places = {}
        for place, (index, c, _) in enumerate(self._copies_of_memories()):
            places[index, c] = place
            self.memories.append(self.old.memories[index])
        return places

    def _read_by_single(self) -> set[int]:
        """Old bits that logic inside, standing once, reads."""
        old, choice = self.old, self.choice
        read = {b for i, o in enumerate(old.operations) if i not in choice.operations for b in o.inputs}
        for i, ff in enumerate(old.flip_flops):
            if i not in choice.flip_flops:
                read |= {ff.d, ff.enable, ff.reset}
        for i, memory in enumerate(old.memories):
            if i not in choice.memories:
                read |= set(memory.reads)
        return read

    def _operation(
        self, index: int, operation: Operation, places: dict[tuple[int, int], int], single: set[int]
    ) -> None:
        many = COPIES if index in self.choice.operations else 1
        made = []
        for c in range(many):
            (out,) = self._new(1)
            inputs = tuple(self._see(bit, c, many) for bit in operation.inputs)
            table = -1
            if operation.kind is Kind.TABLE:
                table = self._copy_table(operation.table, c, many)
            elif operation.kind is Kind.READ:
                table = places[operation.table, c]
            self.operations.append(Operation(operation.kind, out, inputs, table))
            made.append(out)
        self._name(operation.out, tuple(made))
        name, source = self._cell(operation)
        voted = many > 1 and operation.kind is Kind.READ
        self.copies[operation.out] = self._vote(tuple(made), name, source) if voted else tuple(made)
        self._join(operation.out, name, source, single)

    def _cell(self, operation: Operation) -> tuple[str, str]:
        if operation.kind is Kind.TABLE:
            table = self.old.tables[operation.table]
            return table.name, table.source
        if operation.kind is Kind.READ:
            memory = self.old.memories[operation.table]
            return memory.name, memory.source
        return self.old.names.get(operation.out, f"bit{operation.out}"), ""

    def _copy_table(self, index: int, c: int, many: int) -> int:
        table, home = self.old.tables[index], self.home[index]
        group = self.groups[home]
        if (home, c) not in self.moved:
            self.moved[home, c] = self.first_bit
            self.first_bit += group.size
        first = self.moved[home, c] + table.first_bit - group.first_bit
        self.tables.append(replace(table, name=_copy_name(table.name, c, many), first_bit=first))
        self.roles.append(Role.COPY if many > 1 else Role.UNTOUCHED)
        self.origins.append(index)
        return len(self.tables) - 1

    def _voter(self, bits: tuple[int, ...], name: str, source: str, role: Role) -> int:
        (out,) = self._new(1)
        self.operations.append(Operation(Kind.TABLE, out, bits, len(self.tables)))
        self.tables.append(Table(name, "LUT3", MAJORITY, 3, self.first_bit, source))
        self.roles.append(role)
        self.origins.append(-1)
        self.first_bit += 8
        return out

    def _vote(self, raw: tuple[int, ...], name: str, source: str) -> tuple[int, ...]:
        if not self.state_voters:
            return raw
        return tuple(self._voter(raw, f"{name}_vote{c}", source, Role.VOTER) for c in range(COPIES))

    def _join(self, bit: int, name: str, source: str, single: set[int]) -> None:
        if len(self.copies[bit]) > 1 and bit in single:
            self.joined[bit] = self._voter(self.copies[bit], f"{name}_join", source, Role.BOUNDARY)

    def _output(self, port: Port) -> Port:
        bits = []
        for place, bit in enumerate(port.bits):
            copies = self.copies[bit]
            name = f"{port.name}_{place}_out"
            bits.append(self._voter(copies, name, "", Role.OUTPUT) if len(copies) > 1 else copies[0])
        return Port(port.name, tuple(bits))

    def _see(self, bit: int, c: int, many: int) -> int:
        """What copy `c` of `many` reads for an old bit."""
        copies = self.copies[bit]
        if len(copies) == 1:
            return copies[0]
        return copies[c] if many > 1 else self.joined[bit]

    def _write(self, write: Write, c: int, many: int) -> Write:
        d, enable, *address = (self._see(bit, c, many) for bit in write.bits)
        return Write(d, enable, tuple(address))

    def _flip_flop(self, ff: FlipFlop, q: int, c: int, many: int) -> FlipFlop:
        return replace(
            ff,
            name=_copy_name(ff.name, c, many),
            q=q,
            d=self._see(ff.d, c, many),
            enable=self._see(ff.enable, c, many),
            reset=self._see(ff.reset, c, many),
        )

    def _name(self, old: int, new: tuple[int, ...]) -> None:
        if name := self.old.names.get(old):
            self.names.update({bit: _copy_name(name, c, len(new)) for c, bit in enumerate(new)})


def _copy_name(name: str, c: int, many: int) -> str:
    return f"{name}_tmr{c}" if many > 1 else name
