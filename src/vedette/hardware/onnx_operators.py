"""Every operator of an integer network in exact ONNX arithmetic; `executor` says what each computes."""

from collections.abc import Callable

import numpy as np

from vedette.errors import InputError, UnknownNameError
from vedette.hardware.carried import Graph, Value
from vedette.hardware.executor import Step


def lower(graph: Graph, step: Step, *values: Value) -> Value:
    """The nodes of one operator; the value that it makes.

    Raises:
        InputError: shapes that do not belong together, or a sum that could leave 63 bits.
        FixedTokensError: an operator that goes with one token count only.
        UnknownNameError: an operator that is not known.
    """
    if step.operator.op not in OPERATORS:
        raise UnknownNameError("operator", step.operator.op, OPERATORS)
    graph.of = step.operator.output
    try:
        return OPERATORS[step.operator.op](graph, step, *values)
    except (ValueError, TypeError) as error:
        if isinstance(error, InputError):
            raise
        shapes = ", ".join(str(value.shape) for value in values)
        raise InputError(f"{step.operator.op} cannot take {shapes}: {error}", hint="check shapes") from error


def _linear(graph: Graph, step: Step, x: Value) -> Value:
    return graph.linear(x, step.tensor("weight"), step.tensor("bias"))


def _prepend(graph: Graph, step: Step, x: Value) -> Value:
    return graph.joined(graph.constant(step.tensor("token")[None]), x)


def _shift(graph: Graph, step: Step, x: Value) -> Value:
    return _rounded(graph, x, step.number("shift"))


def _layer_norm(graph: Graph, step: Step, x: Value) -> Value:
    scaled = graph.multiply(graph.total(x), graph.constant(step.number("mean_multiplier")))
    apart = graph.subtract(x, _rounded(graph, scaled, step.number("mean_shift")))
    squares = graph.total(graph.multiply(apart, apart))
    table = step.stepped("rsqrt", "rsqrt_")
    root = graph.lookup(table.table, squares, table.offset, table.shift)
    weighed = graph.multiply(graph.multiply(apart, root), graph.constant(step.tensor("gamma")))
    y = graph.shift(graph.add(weighed, graph.constant(step.tensor("beta"))), step.number("shift"))
    limit = 1 << (step.number("bits") - 1)
    return graph.clip(y, -limit, limit - 1)


def _lookup(graph: Graph, step: Step, x: Value) -> Value:
    table = step.stepped()
    return graph.lookup(table.table, x, table.offset, table.shift)


def _split_heads(graph: Graph, step: Step, x: Value) -> Value:
    tokens, channels = x.shape
    heads, channels = step.number("heads"), graph.fixed(channels)
    if channels % heads:
        raise InputError(f"{channels} channels for {heads} heads", hint="a multiple is needed")
    each = channels // heads
    sizes = graph.plain(np.array([0, heads, each], dtype=np.int64))  # 0: as it is
    apart = graph.moved(x, "Reshape", (tokens, heads, each), sizes)
    return graph.moved(apart, "Transpose", (heads, tokens, each), perm=(1, 0, 2))


def _merge_heads(graph: Graph, step: Step, x: Value) -> Value:
    heads, tokens, each = x.shape
    together = graph.moved(x, "Transpose", (tokens, heads, each), perm=(1, 0, 2))
    channels = graph.fixed(heads) * graph.fixed(each)
    sizes = graph.plain(np.array([0, channels], dtype=np.int64))
    return graph.moved(together, "Reshape", (tokens, channels), sizes)


def _matmul(graph: Graph, step: Step, a: Value, b: Value) -> Value:
    return graph.product(a, b)


def _matmul_transposed(graph: Graph, step: Step, a: Value, b: Value) -> Value:
    *before, rows, columns = b.shape
    many = len(before)
    order = (*range(many), many + 1, many)
    return graph.product(a, graph.moved(b, "Transpose", (*before, columns, rows), perm=order))


def _softmax(graph: Graph, step: Step, x: Value) -> Value:
    exp, near, far = (
        step.stepped(table, prefix)
        for table, prefix in (("exp", "exp_"), ("reciprocal_near", "near_"), ("reciprocal_far", "far_"))
    )
    powers = graph.lookup(exp.table, graph.subtract(graph.highest(x), x), exp.offset, exp.shift)
    total = graph.total(powers)
    beyond = (len(near.table) << near.shift) - near.offset  # the index is above the last from here on
    is_far = graph.is_at_least(total, beyond)
    entry = graph.choose(
        is_far,
        graph.lookup(far.table, total, far.offset, far.shift),
        graph.lookup(near.table, total, near.offset, near.shift),
    )
    halves = (graph.constant(step.number(f"{part}_half")) for part in ("far", "near"))
    shifts = (step.number(f"{part}_product_shift") for part in ("far", "near"))
    y = graph.add(graph.multiply(powers, entry), graph.choose(is_far, *halves))
    return graph.clip(graph.shift_either(y, is_far, *shifts), 0, (1 << step.number("bits")) - 1)


def _residual(graph: Graph, step: Step, x: Value, branch: Value) -> Value:
    scaled = graph.multiply(x, graph.constant(step.number("multiplier")))
    return graph.add(branch, _rounded(graph, scaled, step.number("shift")))


def _take(graph: Graph, step: Step, x: Value) -> Value:
    token, rows = step.number("token"), x.shape[0]
    if isinstance(rows, int) and not -rows <= token < rows:
        raise InputError(f"token {token} of {rows}", hint="they are counted from 0")
    index = graph.plain(np.array([token], dtype=np.int64))
    return graph.moved(x, "Gather", (1, *x.shape[1:]), index, axis=0)


def _rounded(graph: Graph, x: Value, by: int) -> Value:
    """x / 2^by, ties upward."""
    return graph.shift(x, by, 1 << (by - 1) if by else 0)


OPERATORS: dict[str, Callable[..., Value]] = {
    "linear": _linear,
    "prepend": _prepend,
    "shift": _shift,
    "layer_norm": _layer_norm,
    "lookup": _lookup,
    "split_heads": _split_heads,
    "merge_heads": _merge_heads,
    "matmul": _matmul,
    "matmul_transposed": _matmul_transposed,
    "softmax": _softmax,
    "residual": _residual,
    "take": _take,
}
