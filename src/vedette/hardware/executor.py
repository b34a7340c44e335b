"""Runs an integer network, bit-true: the reference that hardware must equal. No torch.

Values are (tokens, channels), or (heads, tokens, channels) between `split_heads` and `merge_heads`. The
token count is that of the input, or what a selection left: nothing in a description fixes it but biases of
their own for each token.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64

from vedette.errors import InputError, UnknownNameError
from vedette.hardware.network import Network, Operator
from vedette.numerics.fixed import shift_round
from vedette.numerics.integer import largest
from vedette.numerics.layer_norm import layer_norm
from vedette.numerics.scaling import Scale, Stepped, rescale
from vedette.numerics.selection import Selection, select
from vedette.numerics.softmax import Reciprocal, Softmax

Array = Int64[np.ndarray, "..."]
EXACT = 1 << 53  # doubles hold every integer to here, so that a product of matrices may run in them


@dataclass(frozen=True)
class Step:
    """An operator with its weights at hand."""

    operator: Operator
    weights: Mapping[str, np.ndarray]

    def tensor(self, name: str) -> Array:
        """The weights called `name`, int64.

        Raises:
            InputError: the operator names none.
        """
        if name not in self.operator.tensors:
            raise InputError(f"{self.operator.op} names no tensor {name!r}", hint="check network.json")
        return self.weights[self.operator.tensors[name]].astype(np.int64)

    def number(self, name: str) -> int:
        """The number called `name`.

        Raises:
            InputError: the operator has none.
        """
        if name not in self.operator.numbers:
            raise InputError(f"{self.operator.op} has no number {name!r}", hint="check network.json")
        return self.operator.numbers[name]

    def stepped(self, table: str = "table", prefix: str = "") -> Stepped:
        """The table with its offset and shift."""
        return Stepped(self.tensor(table), self.number(f"{prefix}offset"), self.number(f"{prefix}shift"))


def matrix_product(a: Array, b: Array) -> Array:
    """a @ b, exact.

    Raises:
        InputError: a sum that could leave int64.
    """
    bound = a.shape[-1] * largest(a) * largest(b)
    if bound < EXACT:
        product: np.ndarray = (a.astype(np.float64) @ b.astype(np.float64)).astype(np.int64)
        return product
    if bound >= 2**63:
        raise InputError("a sum could exceed 63 bits", hint="use narrower weights or activations")
    exact: np.ndarray = a @ b
    return exact


def _linear(step: Step, x: Array) -> Array:
    return matrix_product(x, step.tensor("weight").T) + step.tensor("bias")


def _prepend(step: Step, x: Array) -> Array:
    return np.concatenate([step.tensor("token")[None], x])


def _shift(step: Step, x: Array) -> Array:
    return shift_round(x, step.number("shift"))


def _layer_norm(step: Step, x: Array) -> Array:
    return layer_norm(
        x,
        gamma=step.tensor("gamma"),
        beta=step.tensor("beta"),
        mean=Scale(step.number("mean_multiplier"), step.number("mean_shift")),
        rsqrt=step.stepped("rsqrt", "rsqrt_"),
        shift=step.number("shift"),
        bits=step.number("bits"),
    )


def _lookup(step: Step, x: Array) -> Array:
    return step.stepped()(x)


def _split_heads(step: Step, x: Array) -> Array:
    heads = step.number("heads")
    tokens, channels = x.shape
    if channels % heads:
        raise InputError(f"{channels} channels for {heads} heads", hint="a multiple is needed")
    return x.reshape(tokens, heads, channels // heads).transpose(1, 0, 2)


def _merge_heads(step: Step, x: Array) -> Array:
    return x.transpose(1, 0, 2).reshape(x.shape[1], -1)


def _matmul(step: Step, a: Array, b: Array) -> Array:
    return matrix_product(a, b)


def _matmul_transposed(step: Step, a: Array, b: Array) -> Array:
    return matrix_product(a, b.swapaxes(-1, -2))


def _softmax(step: Step, x: Array) -> Array:
    near, far = (
        Reciprocal(
            step.stepped(f"reciprocal_{part}", f"{part}_"),
            step.number(f"{part}_half"),
            step.number(f"{part}_product_shift"),
        )
        for part in ("near", "far")
    )
    return Softmax(step.stepped("exp", "exp_"), near, far, step.number("bits"))(x)


def _residual(step: Step, x: Array, branch: Array) -> Array:
    return branch + rescale(x, Scale(step.number("multiplier"), step.number("shift")))


def _take(step: Step, x: Array) -> Array:
    return x[step.number("token")][None]


def _selection(step: Step, x: Array, scores: Array, packaged: Array | None = None) -> Selection:
    return select(
        x,
        scores[:, 0],
        threshold=step.number("threshold"),
        most=step.operator.numbers.get("most"),
        fixed=step.number("fixed"),
        merged=packaged is not None and bool(packaged[0, 0]),
    )


def _select(step: Step, *values: Array) -> Array:
    return _selection(step, *values).tokens


def _packaged(step: Step, *values: Array) -> Array:
    return np.array([[_selection(step, *values).packaged]], dtype=np.int64)


OPERATORS: dict[str, Callable[..., Array]] = {
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
    "select": _select,
    "packaged": _packaged,
}


def execute(
    network: Network, inputs: Mapping[str, np.ndarray], *, keep: Collection[str] = ()
) -> dict[str, Array]:
    """The network's outputs, and the values named in `keep`; others are forgotten once they are used up.

    Raises:
        InputError: inputs that are missing or of another shape, or a sum that could leave int64.
        UnknownNameError: an operator that is not known.
    """
    values: dict[str, Array] = {}
    for name, shape in network.inputs.items():
        if name not in inputs:
            raise InputError(f"the input {name!r} is missing", hint=f"its shape is {shape}")
        if inputs[name].shape != shape or inputs[name].dtype.kind != "i":
            raise InputError(
                f"{name!r} is {inputs[name].dtype} of shape {inputs[name].shape}",
                hint=f"integers of shape {shape} are needed",
            )
        values[name] = inputs[name].astype(np.int64)
    last = {name: number for number, step in enumerate(network.operators) for name in step.inputs}
    wanted = {*network.outputs, *keep}
    for number, operator in enumerate(network.operators):
        if operator.op not in OPERATORS:
            raise UnknownNameError("operator", operator.op, OPERATORS)
        step = Step(operator, network.weights)
        arguments = [values[name] for name in operator.inputs]
        try:
            values[operator.output] = OPERATORS[operator.op](step, *arguments)
        except (ValueError, TypeError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(
                f"{operator.op} to {operator.output!r} cannot take "
                f"{', '.join(str(a.shape) for a in arguments)}: {error}",
                hint="check shapes in network.json",
            ) from error
        for name in operator.inputs:
            if last[name] == number and name not in wanted:
                values.pop(name, None)
    return {name: values[name] for name in wanted if name in values}
