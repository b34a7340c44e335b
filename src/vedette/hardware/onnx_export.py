"""An integer network as an ONNX file whose outputs equal the executor's, bit for bit, without Vedette.

Inputs are int8 and outputs int64, of the network's shapes: one image a run. Weights are 4 or 8 bits, row by
row (DequantizeLinear, axis 0, scale 1); `carried` says why the arithmetic is exact. The number of tokens is
free up to `tokens_most` where no operator has numbers of its own for each; the runtime refuses more.
"""

import json
import statistics
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vedette.errors import InputError, MissingExtraError
from vedette.hardware.carried import FixedTokensError, Graph, Size, Value
from vedette.hardware.executor import Step, execute
from vedette.hardware.network import Network, Operator
from vedette.hardware.onnx_operators import lower
from vedette.images import check_output, write_atomically

OPSET, IR = 21, 10  # the first with 4-bit integers
TOKENS_MOST = 512  # of a free count: 8-bit probabilities times 8-bit values then still fit 2^24
BYTES_MOST = (1 << 31) - (1 << 20)  # of a protobuf


class Lowering:
    """A network's operators as nodes, one after another.

    Args:
        free: the number of tokens of the one input is the runtime's.
    """

    def __init__(self, network: Network, *, free: bool) -> None:
        self.network, self.free = network, free
        own = max((shape[0] for shape in network.inputs.values() if shape), default=0)
        self.tokens_most = max(TOKENS_MOST, own) if free else own
        before = sum(operator.op == "prepend" for operator in network.operators)
        self.graph = Graph(self.tokens_most + before)
        self.inputs: dict[str, tuple[Size, ...]] = {}
        self.values: dict[str, Value] = {}
        self.fixed_by = "" if free else "inputs of one shape"  # why the number of tokens is not free
        for name, shape in network.inputs.items():
            sizes: tuple[Size, ...] = ("tokens", *shape[1:]) if free else shape
            self.inputs[name] = sizes
            self.values[name] = self._input(Value(name, -128, 127, "int8", sizes), free)

    def _input(self, x: Value, free: bool) -> Value:
        """An input; where its tokens are free, plus a zero that is there up to the greatest number."""
        if not free:
            return x
        graph = self.graph
        graph.of = x.name
        zeros = graph.plain(np.zeros(self.tokens_most + 1, dtype=np.int8))
        zero = graph.node("Gather", zeros, graph.node("Shape", x.name, start=0, end=1), axis=0)
        return graph.add(x, Value(zero, 0, 0, "int8", (1,)))

    def operator(self, operator: Operator) -> None:
        """The nodes of the next one.

        Raises:
            InputError: as `onnx_operators.lower` has them.
        """
        step = Step(operator, self.network.weights)
        self.values[operator.output] = lower(self.graph, step, *(self.values[x] for x in operator.inputs))


def lower_network(network: Network, refused: dict[str, InputError] | None = None) -> Lowering:
    """All operators, with free tokens where they allow it.

    Args:
        refused: gets the error of each value that cannot be made; those after it are left out. None: the
            first is raised.

    Raises:
        InputError: a network that hangs together badly, or an operator without a way.
    """
    network.check()
    free = len(network.inputs) == 1 and all(len(shape) == 2 for shape in network.inputs.values())
    try:
        return _all(Lowering(network, free=free), refused)
    except FixedTokensError as error:
        if refused is not None:
            refused.clear()
        lowering = _all(Lowering(network, free=False), refused)
        lowering.fixed_by = str(error)
        return lowering


def _all(lowering: Lowering, refused: dict[str, InputError] | None) -> Lowering:
    for operator in lowering.network.operators:
        if not all(name in lowering.values for name in operator.inputs):
            continue  # what it takes was refused
        try:
            lowering.operator(operator)
        except FixedTokensError:
            raise
        except InputError as error:
            if refused is None:
                raise InputError(f"{operator.op} to {operator.output!r}: {error}", hint=error.hint) from error
            refused[operator.output] = error
    return lowering


@dataclass(frozen=True, kw_only=True)
class Exported:
    """What a file holds.

    Attributes:
        size, size_int8: of the file, bytes; and if its rows of 4 bits took 8.
        size_float32: of all integers of the network as floats, bytes.
        rows_4, rows_8: of weights.
        tokens: which numbers of them the file takes, in words.
    """

    size: int
    size_int8: int
    size_float32: int
    rows_4: int
    rows_8: int
    nodes: int
    tokens: str


def export_onnx(network: Network, path: Path, *, keep: Collection[str] = ()) -> Exported:
    """Write `network` to `path` (.onnx), whole or not at all.

    Args:
        keep: values that are outputs too.

    Raises:
        MissingExtraError: onnx is not installed.
        InputError: an operator that ONNX has no exact way for, a name in `keep` that nothing makes, or a file
            above 2 GB.
    """
    if path.suffix.lower() != ".onnx":
        raise InputError(f"cannot export to {path.name}", hint="name a .onnx file")
    check_output(path)
    try:
        import onnx
    except ImportError as error:
        raise MissingExtraError("export needs onnx", hint="pip install 'vedette[runtime]'") from error
    lowering = lower_network(network)
    graph = lowering.graph
    outputs = [_output(lowering, name) for name in dict.fromkeys((*network.outputs, *keep))]
    stored = sum(c.nbytes for c in graph.constants.values())
    halves = sum(graph.constants[name].size // 2 for name in graph.nibbles)
    if stored - halves > BYTES_MOST:
        raise InputError(f"a file of {stored - halves:,} bytes", hint=f"up to {BYTES_MOST:,}")
    tokens = tokens_of(lowering)
    model = _model(onnx, lowering, outputs, {"tokens": tokens, "image": json.dumps(dict(network.image))})
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise InputError(
            f"shapes do not belong together: {str(error).splitlines()[0]}", hint="check network.json"
        ) from error
    written = model.SerializeToString()
    write_atomically(path, written)
    rows = [(len(c), name in graph.nibbles) for name, c in graph.constants.items() if _is_weight(name)]
    return Exported(
        size=len(written),
        size_int8=len(written) + halves,
        size_float32=4 * sum(tensor.size for tensor in network.weights.values()),
        rows_4=sum(count for count, narrow in rows if narrow),
        rows_8=sum(count for count, narrow in rows if not narrow),
        nodes=len(graph.nodes),
        tokens=tokens,
    )


def _is_weight(name: str) -> bool:
    return name.endswith(("/weight_4_bits", "/weight_8_bits"))


def tokens_of(lowering: Lowering) -> str:
    """Which numbers of them the file takes, in words."""
    if lowering.free:
        return f"any number up to {lowering.tokens_most}"
    return f"{lowering.tokens_most}, {lowering.fixed_by}"


def _output(lowering: Lowering, name: str) -> Value:
    """The value under its own name, int64."""
    if name not in lowering.values:
        raise InputError(f"nothing makes {name!r}", hint="check the names")
    if name in lowering.inputs:
        raise InputError(f"the output {name!r} is an input", hint="leave it out")
    return lowering.graph.output(lowering.values[name], name)


def _model(onnx: Any, lowering: Lowering, outputs: list[Value], says: Mapping[str, str]) -> Any:
    """The protobuf."""
    helper, kinds = onnx.helper, onnx.TensorProto
    graph = lowering.graph

    def typed(attributes: Mapping[str, Any]) -> dict[str, Any]:
        return {
            key: getattr(kinds, _KINDS[value]) if key == "to" else value for key, value in attributes.items()
        }

    def shown(name: str, kind: str, shape: tuple[Size, ...]) -> Any:
        return helper.make_tensor_value_info(name, getattr(kinds, kind), shape)

    model = helper.make_model(
        helper.make_graph(
            [
                helper.make_node(node.op, node.inputs, [node.output], node.output, **typed(node.attributes))
                for node in graph.nodes
            ],
            lowering.network.name,
            [shown(name, "INT8", shape) for name, shape in lowering.inputs.items()],
            [shown(x.name, "INT64", x.shape) for x in outputs],
            [_tensor(onnx, name, array, name in graph.nibbles) for name, array in graph.constants.items()],
        ),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR,
        producer_name="vedette",
        doc_string="integers, exactly: see vedette's docs/concepts/integer-networks.md",
    )
    helper.set_model_props(model, dict(says))
    return model


_KINDS = {name: name.upper() for name in ("int8", "int32", "int64")} | {
    "float32": "FLOAT",
    "float64": "DOUBLE",
}


def _tensor(onnx: Any, name: str, array: np.ndarray, nibbles: bool) -> Any:
    if not nibbles:
        return onnx.numpy_helper.from_array(array, name)
    flat = np.append(array.ravel(), np.zeros(array.size % 2, dtype=np.int8)).astype(np.uint8) & 15
    packed = (flat[0::2] | flat[1::2] << 4).tobytes()  # the first in the lower half
    return onnx.helper.make_tensor(name, onnx.TensorProto.INT4, array.shape, packed, raw=True)


@dataclass(frozen=True, kw_only=True)
class Compared:
    """A run of the file beside the executor's; `different` counts values that are not equal."""

    outputs: dict[str, np.ndarray]
    different: int
    onnx_ms: float
    executor_ms: float


def compare(path: Path, network: Network, inputs: Mapping[str, np.ndarray], *, repeats: int = 5) -> Compared:
    """Run `path` in onnxruntime on one thread, and `network` in the executor; times are medians.

    The executor takes the threads of NumPy's product: set OMP_NUM_THREADS to 1 to compare like with like.

    Raises:
        MissingExtraError: onnxruntime is not installed.
        InputError: an input that does not fit 8 bits or the file.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingExtraError("this needs onnxruntime", hint="pip install 'vedette[runtime]'") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3  # errors
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    expected = execute(network, inputs)  # refuses what does not fit
    for name, value in inputs.items():
        if value.size and (value.min() < -128 or value.max() > 127):
            raise InputError(f"{name!r} from {value.min()} to {value.max()}", hint="inputs have 8 bits")
    fed = {name: inputs[name].astype(np.int8) for name in network.inputs}
    names = list(network.outputs)
    found = dict(zip(names, session.run(names, fed), strict=True))
    return Compared(
        outputs=found,
        different=sum(int(np.sum(found[name] != expected[name])) for name in names),
        onnx_ms=_median_ms(lambda: session.run(names, fed), repeats),
        executor_ms=_median_ms(lambda: execute(network, inputs), repeats),
    )


def _median_ms(run: Any, repeats: int) -> float:
    taken = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        taken.append(1000 * (time.perf_counter() - start))
    return statistics.median(taken)
