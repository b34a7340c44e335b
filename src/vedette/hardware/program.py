"""An integer transformer as the engine's program: descriptors, tables, weights, in the order they are used.

Every operator of the network becomes one descriptor, or one for each head, or goes into another's: a table
after a product, the sum with the stream, what splits and merges heads. Values get places in the engine's
memories for as long as they are needed. What cannot be mapped is refused by name.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import UInt8

from vedette.errors import InputError
from vedette.hardware.encode import check_weights, descriptor, joined, padded, tiles_of
from vedette.hardware.engine import (
    BEAT,
    BESIDE,
    BETA_BITS,
    END,
    FROM_MEMORY,
    GAMMA_BITS,
    GEMM,
    LANES,
    LIVE,
    LOAD,
    NORM,
    OF_CHANCES,
    OUT,
    RESIDUAL,
    ROW_BIAS,
    SCORE,
    SELECT,
    SOFTMAX,
    TABLE_FIRST,
    TABLE_SECOND,
    TRANSPOSED,
    WIDE,
    Engine,
)
from vedette.hardware.network import Network, Operator

MOST = 1 << 16  # words of a memory


@dataclass(frozen=True)
class Place:
    """Where a value lies: a memory, its first word, words from one row (group) to the next."""

    memory: str
    base: int
    stride: int

    def at(self, words: int) -> "Place":
        """So many words further on."""
        return Place(self.memory, self.base + words, self.stride)


@dataclass(frozen=True)
class Step:
    """A descriptor and what follows it in the stream.

    Args:
        beats: makes what follows; weights are laid out only when they are wanted.
        beats_bytes: how long that is.
        value: of the network, that it makes or a part of it; `head` says which.
        kind: "bytes", "wide" or "out": how it is shown at the engine's ports.
        rows, columns: of the value, or of a head of it.
    """

    op: int
    header: Mapping[int, int]
    beats: Callable[[], bytes]
    beats_bytes: int
    value: str
    kind: str
    rows: int
    columns: int
    head: int | None = None

    @property
    def live(self) -> bool:
        """Whether it takes the rows that the last selection left, of which `rows` is the most."""
        return bool(self.header.get(0, 0) & LIVE)

    @property
    def rows_vary(self) -> bool:
        """Whether `rows` is but the most that it makes."""
        return self.live or self.op == SELECT


@dataclass
class _Memory:
    """First fit, by lifetimes."""

    words: int
    taken: list[tuple[int, int, int]] = field(default_factory=list)  # first word, last, free after step
    used: int = 0

    def take(self, words: int, born: int, dies: int, name: str) -> int:
        self.taken = [t for t in self.taken if t[2] >= born]
        base = 0
        for first, last, _ in sorted(self.taken):
            if base + words <= first:
                break
            base = max(base, last)
        if base + words > self.words:
            raise InputError(
                f"no room for {name!r}: {words} words beside {base} of {self.words}",
                hint="build the engine with more memory",
            )
        self.taken.append((base, base + words, dies))
        self.used = max(self.used, base + words)
        return base

    def keep(self, base: int, dies: int) -> None:
        """What begins at `base` lives on."""
        self.taken = [(f, last, dies if f == base else d) for f, last, d in self.taken]


class Program:
    """The steps of a network on an engine.

    Raises:
        InputError: an operator, or a size, that the engine has no way for.
    """

    def __init__(self, network: Network, engine: Engine) -> None:
        self.network, self.engine = network, engine
        self._by_input: dict[str, list[tuple[int, Operator]]] = {}
        for number, operator in enumerate(network.operators):
            for name in operator.inputs:
                self._by_input.setdefault(name, []).append((number, operator))
        self._memories = {
            "first": _Memory(engine.first),
            "second": _Memory(engine.second),
            "chances": _Memory(engine.chances),
            "wide": _Memory(engine.wide),
        }
        self._places: dict[str, Place] = {}
        self._shapes: dict[str, tuple[int, int]] = {}  # rows, columns
        self._heads: dict[str, int] = {}
        self._live: set[str] = set()  # values whose rows are those that a selection left
        self._done: set[int] = set()
        self.steps: list[Step] = []
        for number, operator in enumerate(network.operators):
            if number in self._done:
                continue
            try:
                self.steps += self._lower(number, operator)
            except KeyError as error:
                raise InputError(
                    f"{operator.op} to {operator.output!r} has no {error}", hint="check network.json"
                ) from error

    @property
    def memory_used(self) -> dict[str, int]:
        """Words of each memory that the program touches."""
        return {name: memory.used for name, memory in self._memories.items()}

    def data(self, inputs: Mapping[str, np.ndarray]) -> UInt8[np.ndarray, " bytes"]:
        """The stream: every step, its input where it loads one, and the end."""
        parts = []
        for step in self.steps:
            parts.append(descriptor(step.op, step.header))
            if step.op == LOAD:
                parts.append(self._loaded(inputs[step.value], step).tobytes())
            parts.append(step.beats())
        return np.frombuffer(b"".join([*parts, descriptor(END, {})]), dtype=np.uint8)

    def _loaded(self, value: np.ndarray, step: Step) -> np.ndarray:
        rows: np.ndarray = np.zeros((step.rows, step.header[2] * LANES), dtype=np.int8)
        rows[step.rows - len(value) :, : value.shape[1]] = value  # a token before them has zeros
        return rows

    # --- operators

    def _lower(self, number: int, operator: Operator) -> Iterator[Step]:
        match operator.op:
            case "linear":
                yield from self._linear(number, operator)
            case "layer_norm":
                yield from self._norm(number, operator)
            case "matmul_transposed":
                yield from self._attention(number, operator)
            case "select":
                yield self._select(number, operator)
            case "packaged":  # the engine keeps it
                self._put(operator.output, self._places[operator.inputs[0]], (1, 1))
            case "take":
                place = self._places[operator.inputs[0]]
                _, columns = self._shapes[operator.inputs[0]]
                moved = place.at(operator.numbers["token"] * place.stride)
                self._put(operator.output, moved, (1, columns))
                self._live.discard(operator.output)
            case "split_heads":
                self._alias(operator)
                self._heads[operator.output] = operator.numbers["heads"]
            case _:
                raise InputError(f"the engine has no way for {operator.op} here", hint="see docs/concepts")

    def _linear(self, number: int, operator: Operator) -> Iterator[Step]:
        source = operator.inputs[0]
        weight = self.network.weights[operator.tensors["weight"]]  # as it is stored: it may be large
        bias = self._tensor(operator, "bias")
        follower, after = self._next(operator.output)
        row_bias: np.ndarray | None = None
        first = 0
        if source in self.network.inputs:
            first = int(after is not None and after.op == "prepend")
            yield self._load(source, number, first)
        rows, inner = self._shapes[source]
        chunks, tiles = -(-inner // self.engine.terms), -(-len(weight) // LANES)
        header = self._product(self._places[source], rows, chunks, tiles)
        table = b""
        if after is None:
            if operator.output not in self.network.outputs:
                raise InputError(f"nothing uses {operator.output!r}", hint="name it as an output")
            mode, value, kind = OUT, operator.output, "out"
            self._shapes[value] = (rows, len(weight))
        elif after.op == "lookup":
            mode, value, kind = self._table(after, number, follower, rows, len(weight), header)
            table = self._entries(after)
        elif after.op == "residual" and after.inputs[1] == operator.output:
            mode, value, kind = RESIDUAL, after.output, "wide"
            self._skip(follower)
            place = self._places[after.inputs[0]]
            if self._dies(after.inputs[0]) <= follower:  # the sum may take its place, row by row
                self._memories["wide"].keep(place.base, self._dies(value))
                self._put(value, place, (rows, len(weight)))
                header |= {8: place.base, 9: place.stride}
            else:
                self._wide(value, rows, len(weight), number, header)
            header |= {14: place.base, 15: place.stride} | {
                12: after.numbers["multiplier"],
                13: after.numbers["shift"],
            }
        elif after.op == "prepend":
            further, shift = self._next(after.output)
            if shift is None or shift.op != "shift":
                raise InputError("a token before others without a shift after", hint="see docs/concepts")
            mode, value, kind = ROW_BIAS, shift.output, "wide"
            self._skip(follower, further)
            self._wide(value, rows, len(weight), number, header)
            header[13] = shift.numbers["shift"]
            row_bias = np.concatenate([self._tensor(after, "token")[None], bias])
            bias = np.zeros(len(weight), dtype=np.int64)
        else:
            raise InputError(f"{after.op} after a linear layer", hint="a table, a residual, or an output")
        header[0] = mode << 8 | self._is_live(source, value)
        check_weights(weight, bias, self.engine)
        per_tile = 4 * LANES * (1 if row_bias is None else 1 + rows) + LANES * chunks * self.engine.terms

        def beats() -> bytes:
            return table + tiles_of(weight, bias, chunks, tiles, row_bias, rows, self.engine)

        yield Step(GEMM, header, beats, len(table) + tiles * per_tile, value, kind, rows, len(weight))

    def _norm(self, number: int, operator: Operator) -> Iterator[Step]:
        place = self._places[operator.inputs[0]]
        rows, columns = self._shapes[operator.inputs[0]]
        words = -(-columns // LANES)
        numbers = operator.numbers
        live = self._is_live(operator.inputs[0], operator.output)
        header = {0: live, 1: rows, 2: words, 3: columns, 4: place.base, 5: place.stride}
        header |= {10: numbers["mean_multiplier"], 11: numbers["mean_shift"], 12: numbers["rsqrt_offset"]}
        roots = self._tensor(operator, "rsqrt")
        header |= {
            13: numbers["rsqrt_shift"] | (len(roots) - 1) << 8,
            16: numbers["shift"] | numbers["bits"] << 8,
        }
        self._bytes(operator.output, rows, columns, number, header)
        gamma, beta = (padded(self._tensor(operator, name), words * LANES) for name in ("gamma", "beta"))
        affine = b"".join(
            (
                joined(gamma[at : at + LANES], GAMMA_BITS)
                | joined(beta[at : at + LANES], BETA_BITS) << LANES * GAMMA_BITS
            ).to_bytes(8 * BEAT, "little")
            for at in range(0, words * LANES, LANES)
        )
        beats = padded(roots, 128).astype("<i2").tobytes() + affine
        yield Step(NORM, header, lambda: beats, len(beats), operator.output, "bytes", rows, columns)

    def _attention(self, number: int, operator: Operator) -> Iterator[Step]:
        """Scores, probabilities, what they weigh, head by head; a head's softmax runs beside products.

        Those are the scores of the head after it and what the head before it weighs, so that scores and
        probabilities of two heads are there at a time.
        """
        q, k = operator.inputs
        soft_number, soft = self._next(operator.output)
        if soft is None or soft.op != "softmax":
            raise InputError("queries and keys without a softmax after", hint="see docs/concepts")
        weigh_number, weigh = self._next(soft.output)
        if weigh is None or weigh.op != "matmul" or weigh.inputs[0] != soft.output:
            raise InputError("a softmax that weighs nothing", hint="multiply its result with the values")
        merge_number, merge = self._next(weigh.output)
        if merge is None or merge.op != "merge_heads":
            raise InputError("heads that are not merged", hint="merge them after the product")
        follower, after = self._next(merge.output)
        if after is None or after.op != "lookup":
            raise InputError("merged heads without a table after", hint="see docs/concepts")
        self._skip(soft_number, weigh_number, merge_number)
        v, heads = weigh.inputs[1], self._heads[q]
        (rows, columns), (keys, _) = self._shapes[q], self._shapes[k]
        each, words, groups = columns // heads, -(-keys // LANES), -(-rows // self.engine.tokens)
        if each % LANES:
            raise InputError(f"heads of {each} channels", hint=f"a multiple of {LANES} is needed")
        wide, chances = self._memories["wide"], self._memories["chances"]
        turns = min(heads, 2)
        scores = Place("wide", wide.take(turns * rows * words, number, number, "scores"), words)
        weights = Place("chances", chances.take(turns * groups * words, number, number, "softmax"), words)
        target: dict[int, int] = {}
        mode, value, kind = self._table(after, number, follower, rows, columns, target)
        table, (soft_header, soft_tables) = self._entries(after), self._softmax(soft, rows, keys)
        live = self._is_live(q, value)

        def score(head: int, flags: int) -> Step:
            moved, base = head * each // LANES, scores.base + head % 2 * rows * words
            place = self._places[k].at(moved)
            header = self._product(self._places[q].at(moved), rows, -(-each // self.engine.terms), words)
            header |= {
                0: WIDE << 8 | FROM_MEMORY | live | flags,
                6: place.base,
                7: place.stride,
                8: base,
                9: words,
            }
            return Step(GEMM, header, bytes, 0, operator.output, "wide", rows, keys, head)

        def softmax(head: int) -> Step:
            source, to = (
                place.base + head % 2 * size * words for place, size in ((scores, rows), (weights, groups))
            )
            header = {0: live, 1: rows, 2: words, 3: keys, 4: source, 5: words, 8: to, 9: words}
            header |= soft_header
            size = len(soft_tables)
            return Step(SOFTMAX, header, lambda: soft_tables, size, soft.output, "bytes", rows, keys, head)

        def weighed(head: int, flags: int) -> Step:
            moved, place = head * each // LANES, self._places[v].at(head * each // LANES)
            terms = -(-keys // self.engine.terms)
            header = target | self._product(weights.at(head % 2 * groups * words), rows, terms, each // LANES)
            flags |= mode << 8 | FROM_MEMORY | TRANSPOSED | OF_CHANCES | live
            header |= {0: flags, 6: place.base, 7: place.stride, 8: target[8] + moved}
            return Step(GEMM, header, lambda: table, len(table), value, kind, rows, each, head)

        yield score(0, 0)
        for head in range(heads):
            yield softmax(head)
            if head:
                yield weighed(head - 1, BESIDE)
            if head + 1 < heads:
                yield score(head + 1, BESIDE)
        yield weighed(heads - 1, 0)

    def _select(self, number: int, operator: Operator) -> Step:
        source, value = operator.inputs[0], operator.output
        place, (rows, columns) = self._places[source], self._shapes[source]
        if rows > self.engine.rows_most:
            raise InputError(f"a selection of {rows} tokens", hint=f"up to {self.engine.rows_most}")
        words, numbers = -(-columns // LANES), operator.numbers
        header = {0: LIVE if source in self._live else 0, 1: rows, 2: words, 3: columns}
        header |= {4: place.base, 5: place.stride, 10: numbers["threshold"], 11: numbers["fixed"]}
        header |= {12: numbers.get("most", rows), 13: int(len(operator.inputs) > 2)}
        if self._dies(source) <= number:  # rows go together where they are
            self._memories["wide"].keep(place.base, self._dies(value))
            self._put(value, place, (rows, columns))
            header |= {8: place.base, 9: place.stride}
        else:
            self._wide(value, rows, columns, number, header)
        self._live.add(value)
        return Step(SELECT, header, bytes, 0, value, "wide", rows, columns)

    def _softmax(self, operator: Operator, rows: int, keys: int) -> tuple[dict[int, int], bytes]:
        """What its descriptor says of tables, and the tables."""
        n = operator.numbers
        tables = [self._tensor(operator, key) for key in ("exp", "reciprocal_near", "reciprocal_far")]
        exp, near, far = (len(table) - 1 << 8 for table in tables)
        header = {10: n["exp_offset"], 11: n["exp_shift"] | exp, 12: n["near_offset"], 17: n["far_offset"]}
        header |= {13: n["near_shift"] | near | n["near_product_shift"] << 16, 16: n["near_half"]}
        header |= {18: n["far_shift"] | far | n["far_product_shift"] << 16, 19: n["far_half"]}
        padded_tables = (padded(table, size) for table, size in zip(tables, (32, 64, 64), strict=True))
        beats = b"".join(table.astype("<u2").tobytes() for table in padded_tables)
        return header | {20: (1 << n["bits"]) - 1}, beats

    # --- places

    def _load(self, name: str, number: int, first: int) -> Step:
        tokens, columns = self.network.inputs[name]
        rows, words = tokens + first, -(-columns // LANES)
        header = {1: rows, 2: words}
        self._bytes(name, rows, columns, number, header)
        return Step(LOAD, header, bytes, 0, name, "bytes", rows, columns)

    def _product(self, place: Place, rows: int, chunks: int, tiles: int) -> dict[int, int]:
        if chunks > self.engine.chunks_most:
            raise InputError(
                f"products of {chunks * self.engine.terms} terms",
                hint=f"up to {self.engine.chunks_most * self.engine.terms}",
            )
        return {1: rows, 2: chunks, 3: tiles, 4: place.base, 5: place.stride}

    def _table(
        self, after: Operator, number: int, follower: int, rows: int, columns: int, header: dict[int, int]
    ) -> tuple[int, str, str]:
        """Mode, value and kind of a product that ends in a table."""
        self._skip(follower)
        name = after.output
        header |= {
            10: after.numbers["offset"],
            11: after.numbers["shift"] | (len(self._tensor(after, "table")) - 1) << 8,
        }
        memory = "second" if self._is_second(name) else "first"
        groups, words = -(-rows // self.engine.tokens), -(-columns // LANES)
        base = self._memories[memory].take(groups * words, number, self._dies(name), name)
        self._put(name, Place(memory, base, words), (rows, columns))
        header |= {8: base, 9: words}
        if any(user.op == "select" and user.inputs[1] == name for _, user in self._by_input.get(name, ())):
            table = self._tensor(after, "table")
            if memory == "second" or columns != 1 or table.min() < 0:
                raise InputError(f"scores from {table.min()}, {columns} a token", hint="one from 0 to 127")
            return SCORE, name, "bytes"
        return (TABLE_SECOND if memory == "second" else TABLE_FIRST), name, "bytes"

    def _entries(self, after: Operator) -> bytes:
        table = self._tensor(after, "table")
        if len(table) > 64 or table.min() < -128 or table.max() > 127:
            raise InputError(
                f"a table of {len(table)} entries to {table.max()}", hint="64 of 8 bits are taken"
            )
        return padded(table, 64).astype(np.int8).tobytes()

    def _is_second(self, name: str) -> bool:
        """Whether a product of two values takes this one as its second."""
        for _, user in self._by_input.get(name, ()):
            if user.op == "split_heads":
                return self._is_second(user.output)
            if user.op in ("matmul", "matmul_transposed") and user.inputs[1] == name:
                return True
        return False

    def _bytes(self, name: str, rows: int, columns: int, number: int, header: dict[int, int]) -> None:
        groups, words = -(-rows // self.engine.tokens), -(-columns // LANES)
        base = self._memories["first"].take(groups * words, number, self._dies(name), name)
        self._put(name, Place("first", base, words), (rows, columns))
        header |= {8: base, 9: words}

    def _wide(self, name: str, rows: int, columns: int, number: int, header: dict[int, int]) -> None:
        words = -(-columns // LANES)
        base = self._memories["wide"].take(rows * words, number, self._dies(name), name)
        self._put(name, Place("wide", base, words), (rows, columns))
        header |= {8: base, 9: words}

    def _is_live(self, source: str, value: str) -> int:
        """The flag of a descriptor that makes `value`, whose rows are those of `source`."""
        if source not in self._live:
            return 0
        self._live.add(value)
        return LIVE

    def _put(self, name: str, place: Place, shape: tuple[int, int]) -> None:
        self._places[name], self._shapes[name] = place, shape

    def _alias(self, operator: Operator) -> None:
        source = operator.inputs[0]
        self._put(operator.output, self._places[source], self._shapes[source])
        if source in self._live:
            self._live.add(operator.output)

    def _dies(self, name: str) -> int:
        """Number of the last operator that reads the value, by whatever name."""
        last = 0
        for number, user in self._by_input.get(name, ()):
            last = max(last, number)
            if user.op in ("split_heads", "merge_heads", "take", "lookup", "prepend", "shift"):
                last = max(last, self._dies(user.output))
        return last

    def _next(self, name: str) -> tuple[int, Operator | None]:
        users = self._by_input.get(name, [])
        if len(users) > 1:
            raise InputError(f"{name!r} is used {len(users)} times", hint="sums leave the engine once")
        return users[0] if users else (-1, None)

    def _skip(self, *numbers: int) -> None:
        self._done.update(numbers)

    def _tensor(self, operator: Operator, name: str) -> np.ndarray:
        return self.network.weights[operator.tensors[name]].astype(np.int64)


def engine_for(network: Network, *, tokens: int = 8, terms: int = 8, packed: bool = True) -> Engine:
    """The smallest engine that the network fits, its memories powers of two.

    Raises:
        InputError: a network that no engine of ours runs.
    """
    large = Engine(
        tokens=tokens,
        terms=terms,
        packed=packed,
        first=MOST,
        second=MOST,
        chances=MOST,
        wide=MOST,
        chunks_most=1024,
        rows_most=1 << 15,
    )
    program = Program(network, large)
    sizes = {name: 1 << max(6, (used - 1).bit_length()) for name, used in program.memory_used.items()}
    words_most = max((step.header[2] for step in program.steps if step.op in (NORM, SELECT)), default=2)
    selected = max((step.header[1] for step in program.steps if step.op == SELECT), default=32)
    chunks_most = max((step.header[2] for step in program.steps if step.op == GEMM), default=2)
    return Engine(
        tokens=tokens,
        terms=terms,
        packed=packed,
        chunks_most=1 << (chunks_most - 1).bit_length(),
        words_most=1 << (words_most - 1).bit_length(),
        rows_most=1 << max(5, (selected - 1).bit_length()),
        **sizes,
    )
