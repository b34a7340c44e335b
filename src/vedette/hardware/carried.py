"""Exact integer arithmetic as a graph of ONNX operators: every value has a range, and a type that holds it.

A value is carried in float32 while no sum on the way to it can reach 2^24, in float64 below 2^53, in int64 up
to 63 bits; what could exceed that is refused. Within those limits a float is an integer without error, in
whatever order a runtime adds, so that its fast matrix product is an exact one. ONNX's own integer product is
not used: onnxruntime's saturates pairs of products in 16 bits on processors without VNNI.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from vedette.errors import InputError
from vedette.numerics.integer import largest
from vedette.numerics.scaling import SHIFT_MOST

LIMITS = {"float32": 1 << 24, "float64": 1 << 53, "int64": (1 << 63) - 1}
Size = int | str  # a string where the runtime says how many
Attribute = int | str | Sequence[int]


class FixedTokensError(InputError):
    """The graph holds for one token count only; the message says why."""


@dataclass(frozen=True)
class Value:
    """A tensor of integers, none below `low` or above `high`, stored as `carrier`, a NumPy type's name."""

    name: str
    low: int
    high: int
    carrier: str
    shape: tuple[Size, ...]

    @property
    def most(self) -> int:
        """The largest magnitude."""
        return max(abs(self.low), abs(self.high))


@dataclass(frozen=True)
class Node:
    """An ONNX operator, made for the network's value `of`."""

    op: str
    inputs: tuple[str, ...]
    output: str
    of: str
    attributes: dict[str, Attribute] = field(default_factory=dict)


class Graph:
    """Nodes in the order they run, and their constants.

    Args:
        tokens_most: the greatest number that a size given as a string stands for.
    """

    def __init__(self, tokens_most: int) -> None:
        self.tokens_most = tokens_most
        self.nodes: list[Node] = []
        self.constants: dict[str, np.ndarray] = {}
        self.nibbles: set[str] = set()  # constants that are stored in 4 bits
        self.of = ""
        self._cast: dict[tuple[str, str], Value] = {}
        self._plain: dict[tuple[str, tuple[int, ...], bytes], str] = {}

    def node(self, op: str, *inputs: str, **attributes: Attribute) -> str:
        """Add one; the name of what it makes."""
        output = f"{self.of}/{op}_{len(self.nodes)}"
        self.nodes.append(Node(op, inputs, output, self.of, attributes))
        return output

    def plain(self, array: np.ndarray) -> str:
        """A constant as it stands, once for equal ones."""
        key = (array.dtype.name, array.shape, array.tobytes())
        if key not in self._plain:
            self._plain[key] = f"{self.of}/constant_{len(self.constants)}"
            self.constants[self._plain[key]] = array
        return self._plain[key]

    def constant(self, array: np.ndarray | int) -> Value:
        """Integers, stored in the narrowest type that holds them."""
        whole = np.asarray(array, dtype=np.int64)
        low, high = int(whole.min()), int(whole.max())
        kinds = (np.int8, np.int16, np.int32, np.int64)
        kind = next(k for k in kinds if np.iinfo(k).min <= low and high <= np.iinfo(k).max)
        return Value(self.plain(whole.astype(kind)), low, high, np.dtype(kind).name, whole.shape)

    def cast(self, x: Value, carrier: str) -> Value:
        """The same integers in another type, whose range they do not leave."""
        if x.carrier == carrier:
            return x
        if x.name in self.constants and self.constants[x.name].size == 1:
            return replace(x, name=self.plain(self.constants[x.name].astype(carrier)), carrier=carrier)
        if (x.name, carrier) not in self._cast:
            name = self.node("Cast", x.name, to=carrier)
            self._cast[x.name, carrier] = replace(x, name=name, carrier=carrier)
        return self._cast[x.name, carrier]

    def output(self, x: Value, name: str) -> Value:
        """The same integers in int64, under a name of their own."""
        self.nodes.append(Node("Cast", (x.name,), name, name, {"to": "int64"}))
        return replace(x, name=name, carrier="int64")

    def add(self, a: Value, b: Value) -> Value:
        """a + b."""
        return self._pair("Add", a, b, a.low + b.low, a.high + b.high)

    def subtract(self, a: Value, b: Value) -> Value:
        """a - b."""
        return self._pair("Sub", a, b, a.low - b.high, a.high - b.low)

    def multiply(self, a: Value, b: Value) -> Value:
        """a b, element by element."""
        return self._pair("Mul", a, b, *_corners(a, b))

    def shift(self, x: Value, by: int, offset: int = 0) -> Value:
        """(x + offset) >> by: the floor."""
        moved = self._moved(x, offset)
        if not by:
            return moved
        name = self.node("Floor", self._scaled(moved, by)) if _is_float(moved) else self._quotient(moved, by)
        return replace(moved, name=name, low=moved.low >> by, high=moved.high >> by)

    def shift_either(self, x: Value, condition: str, a: int, b: int) -> Value:
        """x >> a where the condition holds, else x >> b."""
        if a == b:
            return self.shift(x, a)
        _check_shift(a, b)
        x = self._fitting(x)
        whole = not _is_float(x)
        powers = (self.scalar(1 << by if whole else 2.0**-by, x.carrier) for by in (a, b))
        power = self.node("Where", condition, *powers)
        name = self._divided(x, power) if whole else self.node("Floor", self.node("Mul", x.name, power))
        limits = [limit >> by for limit in (x.low, x.high) for by in (a, b)]
        return replace(x, name=name, low=min(limits), high=max(limits))

    def lookup(self, table: np.ndarray, x: Value, offset: int, by: int) -> Value:
        """table[clip((x + offset) >> by, 0, last)]."""
        moved = self._moved(x, offset)
        last = len(table) - 1
        scaled = self._scaled(moved, by) if _is_float(moved) else self._quotient(moved, by)
        limits = (self.scalar(0, moved.carrier), self.scalar(last, moved.carrier))
        index = self.node("Cast", self.node("Clip", scaled, *limits), to="int32")  # from 0 up: the floor
        entries = self._fitting(self.constant(table))
        # GatherElements takes a tenth of Gather's time in onnxruntime, but wants equal ranks
        flat = self.node("Reshape", index, self.plain(np.array([-1], dtype=np.int64)))
        found = self.node("GatherElements", entries.name, flat, axis=0)
        return replace(entries, name=self.node("Reshape", found, self.node("Shape", index)), shape=x.shape)

    def clip(self, x: Value, low: int, high: int) -> Value:
        """The nearest integers in low..high."""
        x = self._fitting(x, max(abs(low), abs(high)))
        name = self.node("Clip", x.name, self.scalar(low, x.carrier), self.scalar(high, x.carrier))
        return replace(x, name=name, low=min(max(x.low, low), high), high=max(min(x.high, high), low))

    def highest(self, x: Value) -> Value:
        """Of each row."""
        axis = self.plain(np.array([-1], dtype=np.int64))
        x = self._fitting(x)
        return replace(x, name=self.node("ReduceMax", x.name, axis, keepdims=1), shape=(*x.shape[:-1], 1))

    def total(self, x: Value) -> Value:
        """Of each row."""
        count = self.count(x.shape[-1])
        x = self._fitting(x, count * x.most)
        axis = self.plain(np.array([-1], dtype=np.int64))
        name = self.node("ReduceSum", x.name, axis, keepdims=1)
        return replace(x, name=name, low=count * x.low, high=count * x.high, shape=(*x.shape[:-1], 1))

    def product(self, a: Value, b: Value) -> Value:
        """a @ b."""
        *before, rows, inner = a.shape
        *others, also, columns = b.shape
        if inner != also:
            raise InputError(f"a product of {a.shape} and {b.shape}", hint="the inner sizes must be equal")
        count = self.count(inner)
        carrier = carrier_of(max(count * a.most * b.most, a.most, b.most))
        low, high = _corners(a, b)
        name = self.node("MatMul", self.cast(a, carrier).name, self.cast(b, carrier).name)
        return Value(
            name,
            count * low,
            count * high,
            carrier,
            (*self._shared(tuple(before), tuple(others)), rows, columns),
        )

    def linear(self, x: Value, weight: np.ndarray, bias: np.ndarray) -> Value:
        """x W' + bias, bias for all rows or for each: weights of rows of 4 and of 8 bits, scale 1."""
        outputs, inner = weight.shape
        if self.fixed(x.shape[-1]) != inner:
            raise InputError(f"{x.shape} times weights for {inner} channels", hint="check the shapes")
        if inner * largest(weight) * x.most + largest(bias) >= 1 << 63:
            raise InputError("a sum could exceed 63 bits", hint="use narrower weights or activations")
        most = int((np.abs(weight).sum(axis=1) * x.most + np.abs(bias)).max())
        above, below = np.maximum(weight, 0).sum(axis=1), np.minimum(weight, 0).sum(axis=1)
        low = int((above * x.low + below * x.high + bias).min())
        high = int((above * x.high + below * x.low + bias).max())
        carrier = carrier_of(max(most, x.most, largest(weight)))
        x = self.cast(x, carrier)
        w, b = self.cast(self._rows(weight), carrier), self.cast(self.constant(bias), carrier)
        shape = self._shared((*x.shape[:-1], outputs), b.shape)
        if len(x.shape) == 2 and carrier != "int64":
            return Value(self.node("Gemm", x.name, w.name, b.name, transB=1), low, high, carrier, shape)
        turned = self.node("Transpose", w.name, perm=(1, 0))
        name = self.node("Add", self.node("MatMul", x.name, turned), b.name)
        return Value(name, low, high, carrier, shape)

    def moved(
        self, x: Value, op: str, shape: tuple[Size, ...], *inputs: str, **attributes: Attribute
    ) -> Value:
        """The same integers at other places."""
        return replace(x, name=self.node(op, x.name, *inputs, **attributes), shape=shape)

    def joined(self, first: Value, then: Value) -> Value:
        """The rows of one before those of the other."""
        rows, more = first.shape[0], then.shape[0]
        if first.shape[1:] != then.shape[1:] or not isinstance(rows, int):
            raise InputError(f"rows of {first.shape} before {then.shape}", hint="check the shapes")
        carrier = carrier_of(max(first.most, then.most))
        parts = (self.cast(x, carrier).name for x in (first, then))
        size = rows + more if isinstance(more, int) else f"{more} + {rows}"
        low, high = min(first.low, then.low), max(first.high, then.high)
        return Value(self.node("Concat", *parts, axis=0), low, high, carrier, (size, *then.shape[1:]))

    def choose(self, condition: str, a: Value, b: Value) -> Value:
        """a where it holds, else b."""
        carrier = carrier_of(max(a.most, b.most))
        name = self.node("Where", condition, self.cast(a, carrier).name, self.cast(b, carrier).name)
        return Value(name, min(a.low, b.low), max(a.high, b.high), carrier, self._shared(a.shape, b.shape))

    def is_at_least(self, x: Value, least: int) -> str:
        """A condition."""
        x = self._fitting(x, abs(least))
        return self.node("GreaterOrEqual", x.name, self.scalar(least, x.carrier))

    def scalar(self, number: float, carrier: str) -> str:
        """A constant without a range, such as 1 / 2^shift."""
        return self.plain(np.array(number, dtype=carrier))

    def count(self, size: Size) -> int:
        """The greatest a size can be."""
        return self.tokens_most if isinstance(size, str) else size

    def fixed(self, size: Size) -> int:
        """A size that must be known.

        Raises:
            FixedTokensError: it is not.
        """
        if isinstance(size, str):
            raise FixedTokensError(f"{self.of!r} has {size} for channels")
        return size

    def _rows(self, weight: np.ndarray) -> Value:
        """Weights, rows of few bits and of more; where both are there, put back in order by an index."""
        low, high = int(weight.min()), int(weight.max())
        if low < -128 or high > 127:
            return self.constant(weight)
        narrow = (weight.min(axis=1) >= -8) & (weight.max(axis=1) <= 7)
        parts = []
        for rows, bits in ((np.flatnonzero(narrow), 4), (np.flatnonzero(~narrow), 8)):
            if not len(rows):
                continue
            stored = f"{self.of}/weight_{bits}_bits"
            self.constants[stored] = weight[rows].astype(np.int8)
            if bits == 4:
                self.nibbles.add(stored)
            ones = self.plain(np.ones(len(rows), dtype=np.float32))
            parts.append(self.node("DequantizeLinear", stored, ones, axis=0))
        name = parts[0]
        if len(parts) == 2:
            order = np.argsort(np.argsort(~narrow, kind="stable")).astype(np.int32)
            name = self.node("Gather", self.node("Concat", *parts, axis=0), self.plain(order), axis=0)
        return Value(name, low, high, "float32", weight.shape)

    def _pair(self, op: str, a: Value, b: Value, low: int, high: int) -> Value:
        carrier = carrier_of(max(a.most, b.most, abs(low), abs(high)))
        name = self.node(op, self.cast(a, carrier).name, self.cast(b, carrier).name)
        return Value(name, low, high, carrier, self._shared(a.shape, b.shape))

    def _fitting(self, x: Value, most: int = 0) -> Value:
        """In the type that holds it, and magnitudes up to `most`."""
        return self.cast(x, carrier_of(max(x.most, most)))

    def _moved(self, x: Value, offset: int) -> Value:
        return self.add(x, self.constant(offset)) if offset else self._fitting(x)

    def _scaled(self, x: Value, by: int) -> str:
        """x / 2^by, exact in a float."""
        _check_shift(by)
        return self.node("Mul", x.name, self.scalar(2.0**-by, x.carrier)) if by else x.name

    def _quotient(self, x: Value, by: int) -> str:
        """x >> by in int64."""
        _check_shift(by)
        return self._divided(x, self.scalar(1 << by, x.carrier)) if by else x.name

    def _divided(self, x: Value, power: str) -> str:
        """The floor: ONNX's integer division cuts towards 0, but is exact of a multiple."""
        return self.node("Div", self.node("Sub", x.name, self.node("Mod", x.name, power)), power)

    def _shared(self, a: tuple[Size, ...], b: tuple[Size, ...]) -> tuple[Size, ...]:
        """The shape of two that go together element by element."""
        length = max(len(a), len(b))
        pairs = zip((1,) * (length - len(a)) + a, (1,) * (length - len(b)) + b, strict=True)
        shape: list[Size] = []
        for one, other in pairs:
            if one != other and 1 not in (one, other):
                if isinstance(one, str) or isinstance(other, str):
                    raise FixedTokensError(f"{self.of!r} has a number of its own for each of {other} tokens")
                raise InputError(f"{a} beside {b}", hint="check the shapes")
            shape.append(other if one == 1 else one)
        return tuple(shape)


def carrier_of(most: int) -> str:
    """The type that holds integers of magnitudes up to `most`, and all their sums up to there.

    Raises:
        InputError: beyond 63 bits.

    >>> carrier_of(1000), carrier_of(1 << 24), carrier_of(1 << 53)
    ('float32', 'float64', 'int64')
    """
    for carrier, limit in LIMITS.items():
        if most < limit:
            return carrier
    raise InputError("a sum could exceed 63 bits", hint="use narrower weights or activations")


def _check_shift(*shifts: int) -> None:
    if min(shifts) < 0 or max(shifts) > SHIFT_MOST:
        raise InputError(f"shifts of {shifts}", hint=f"use 0 to {SHIFT_MOST}")


def _is_float(x: Value) -> bool:
    return x.carrier.startswith("float")


def _corners(a: Value, b: Value) -> tuple[int, int]:
    """Least and greatest product."""
    products = [i * j for i in (a.low, a.high) for j in (b.low, b.high)]
    return min(products), max(products)
