"""Where each operator of a network goes, on the engine and in ONNX, and why where it goes nowhere."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from vedette.errors import InputError
from vedette.hardware.cycles import program_cycles
from vedette.hardware.engine import LOAD, SIZES, Engine
from vedette.hardware.network import Network, Operator
from vedette.hardware.onnx_export import Lowering, lower_network, tokens_of
from vedette.hardware.program import MOST, Program, Step, engine_for

UNITS = {
    "linear": "products",
    "matmul": "products, second factor from memory",
    "matmul_transposed": "products, second factor from memory",
    "layer_norm": "layer norm",
    "softmax": "softmax",
    "lookup": "table",
    "residual": "sum with the stream",
    "prepend": "bias of each row",
    "shift": "shift",
    "split_heads": "addresses only",
    "merge_heads": "addresses only",
    "take": "addresses only",
}
OWN = ("linear", "matmul", "matmul_transposed", "layer_norm", "softmax")  # what has steps of its own
MADE, REFUSED, NOT_REACHED = "engine", "refused", "not reached"


@dataclass(frozen=True, kw_only=True)
class Place:
    """An operator's.

    Attributes:
        state: MADE, REFUSED or NOT_REACHED on the engine.
        engine: the unit and what it goes with; or the reason.
        memory: of the engine, where the value lies; "" where it never lies anywhere.
        cycles: of its steps; 0 of what goes with another.
        low, high: what the value cannot leave, proved for inputs of 8 bits; None where ONNX has no way.
        onnx: its operators and how many of each; or the reason.
        carrier: the widest type on the way, and of the value.
        weights: bits and rows.
    """

    number: int
    op: str
    value: str
    state: str
    engine: str
    memory: str
    cycles: int
    low: int | None
    high: int | None
    onnx: str
    carrier: str
    weights: str

    @property
    def most(self) -> int:
        """The largest magnitude that the value could have; 0 where it is not known."""
        return max(abs(self.low or 0), abs(self.high or 0))


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What `ask` found; `whole` where the engine takes all of it."""

    places: list[Place]
    whole: bool
    input_cycles: int
    onnx_nodes: int
    onnx_tokens: str


def ask(network: Network, *, multipliers: int) -> Asked:
    """Ask about every operator of `network`, and go on after one that has no way.

    Args:
        multipliers: of `vedette.hardware.engine.SIZES`.

    Raises:
        InputError: a network that hangs together badly.
    """
    network.check()
    refused: dict[str, InputError] = {}
    tokens, terms = SIZES[multipliers]
    lowering = lower_network(network, refused)
    try:
        engine, fits = engine_for(network, tokens=tokens, terms=terms), True
    except (LookupError, ValueError):
        engine, fits = _large(tokens, terms), False
    program = _Tolerant(network, engine)
    cycles = _cycles(program)
    places = [
        _place(number, operator, program, cycles, lowering, refused)
        for number, operator in enumerate(network.operators)
    ]
    return Asked(
        places=places,
        whole=fits and all(place.state == MADE for place in places),
        input_cycles=sum(cycles[name] for name in network.inputs),
        onnx_nodes=len(lowering.graph.nodes),
        onnx_tokens=tokens_of(lowering),
    )


def _large(tokens: int, terms: int) -> Engine:
    """An engine that no network is refused by for its size."""
    return Engine(
        tokens=tokens,
        terms=terms,
        first=MOST,
        second=MOST,
        chances=MOST,
        wide=MOST,
        chunks_most=MOST,
        words_most=MOST,
    )


class _Tolerant(Program):
    """A program that goes on after what it has no way for, and keeps the reason."""

    def __init__(self, network: Network, engine: Engine) -> None:
        self.reasons: dict[int, str] = {}
        self.lost: dict[int, str] = {}  # the value that was missing
        self.leaders: dict[int, int] = {}  # the operator that one goes with
        super().__init__(network, engine)

    def _lower(self, number: int, operator: Operator) -> Iterator[Step]:
        there = {*self._places, *self.network.inputs}
        missing = [name for name in operator.inputs if name not in there]
        if missing:
            self.lost[number] = missing[0]
            return
        before = set(self._done)
        steps: list[Step] = []
        try:
            steps = list(super()._lower(number, operator))
        except InputError as error:
            self.reasons[number] = _words(error)
        except (LookupError, ValueError) as error:  # of a description that lacks something
            self.reasons[number] = f"it lacks {error}" if isinstance(error, KeyError) else str(error)
        self.leaders |= dict.fromkeys(self._done - before, number)
        yield from steps

    def memory_of(self, value: str) -> str:
        """Where it lies."""
        if value in self._places:
            return self._places[value].memory
        for step in self.steps:
            if step.value == value:
                return {"wide": "wide, by head", "out": "output port"}.get(step.kind, "chances, by head")
        return ""


def _words(error: InputError) -> str:
    return f"{error} ({error.hint})" if error.hint else str(error)


def _cycles(program: _Tolerant) -> Counter[str]:
    """Of each value's operator: a step's belong to the product, norm or softmax that it begins with."""
    makers = {operator.output: operator for operator in program.network.operators}
    total: Counter[str] = Counter()
    for step, count in zip(program.steps, program_cycles(program), strict=True):
        value = step.value
        while step.op != LOAD and makers[value].op not in OWN:
            value = makers[value].inputs[-1]
        total[value] += count.total
    return total


def _place(
    number: int,
    operator: Operator,
    program: _Tolerant,
    cycles: Counter[str],
    lowering: Lowering,
    refused: dict[str, InputError],
) -> Place:
    value, graph = operator.output, lowering.graph
    state, engine = _on_engine(number, operator, program)
    nodes = [node for node in graph.nodes if node.of == value]
    made = lowering.values.get(value)
    counts = Counter(node.op for node in nodes)
    onnx = ", ".join(f"{op} x{count}" if count > 1 else op for op, count in counts.items())
    carrier = ""
    if made is None:
        onnx = f"refused: {_words(refused[value])}" if value in refused else NOT_REACHED
    else:
        wide = [str(node.attributes["to"]) for node in nodes if node.attributes.get("to") in _WIDE]
        widest = max([made.carrier, *wide], key=["float32", *_WIDE].index)
        carrier = made.carrier if widest == made.carrier else f"{made.carrier}, inside {widest}"
    rows = [(bits, graph.constants.get(f"{value}/weight_{bits}_bits")) for bits in (4, 8)]
    return Place(
        number=number,
        op=operator.op,
        value=value,
        state=state,
        engine=engine,
        memory=program.memory_of(value) if state == MADE else "",
        cycles=cycles[value],
        low=None if made is None else made.low,
        high=None if made is None else made.high,
        onnx=onnx,
        carrier=carrier,
        weights=", ".join(f"{len(w)} rows of {bits} bits" for bits, w in rows if w is not None),
    )


_WIDE = ("float64", "int64")


def _on_engine(number: int, operator: Operator, program: _Tolerant) -> tuple[str, str]:
    """State, and the unit or the reason."""
    leader = program.leaders.get(number)
    if number in program.reasons:
        return REFUSED, program.reasons[number]
    if number in program.lost:
        return NOT_REACHED, f"not reached: takes {program.lost[number]!r}, which is not there"
    if leader in program.reasons:
        return NOT_REACHED, f"not reached: goes with operator {leader}"
    unit = UNITS[operator.op]
    return MADE, unit if leader is None or operator.op in OWN else f"{unit}, with operator {leader}"
