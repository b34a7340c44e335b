"""What a run of faults starts from: its arguments checked, the design compiled, the fault-free run.

Both are kept for the next call: the parts of a campaign, its curve and its shares simulate one design with
one stimulus again and again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import UInt8

from vedette.errors import InputError, UnknownNameError
from vedette.softerror import golden as golden_reference
from vedette.softerror import native
from vedette.softerror.activation import Users
from vedette.softerror.design import Design
from vedette.softerror.faults import Fault, FaultColumns, FaultKind
from vedette.softerror.golden import Golden, check_stimulus
from vedette.softerror.program import Program, compile_design

BACKENDS = ("auto", "numpy", "native", "generated")


def prepare(design: Design) -> Program:
    """Compile a design, once: the next runs of this very object find it."""
    return _compiled(_Same(design)).program


@dataclass(frozen=True, eq=False)
class _Compiled:
    """What depends on the design alone."""

    program: Program
    users: Users


@dataclass(frozen=True, eq=False)
class Bench:
    """What every run starts from."""

    program: Program
    users: Users
    stimulus: UInt8[np.ndarray, "cycles inputs"]
    golden: Golden
    faults: FaultColumns


class _Same:
    """A design as the key of a cache: equal to itself alone, for comparing two takes as long as compiling."""

    def __init__(self, design: Design) -> None:
        self.design = design

    def __hash__(self) -> int:
        return id(self.design)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.design is self.design


@lru_cache(maxsize=4)
def _compiled(key: _Same) -> _Compiled:
    return _Compiled(compile_design(key.design), Users.of(key.design))


@lru_cache(maxsize=1)
def golden_run(key: _Same, stimulus: bytes, inputs: int, reference: bool) -> Golden:
    """The fault-free run; parts of one campaign share it."""
    values = np.frombuffer(stimulus, np.uint8).reshape(-1, inputs)
    program = _compiled(key).program
    if reference:
        return golden_reference.run_reference(program, values)
    return native.run_golden(program, values)


def begin(
    design: Design, stimulus: np.ndarray, faults: Sequence[Fault] | FaultColumns, backend: str
) -> Bench:
    """Arguments checked, the design compiled, the fault-free run."""
    if backend not in BACKENDS:
        raise UnknownNameError("back end", backend, BACKENDS)
    columns = faults if isinstance(faults, FaultColumns) else FaultColumns.of(faults)
    _check_faults(design, columns)
    stimulus = check_stimulus(design, stimulus)
    compiled = _compiled(_Same(design))
    golden = golden_run(_Same(design), stimulus.tobytes(), stimulus.shape[1], backend == "numpy")
    return Bench(compiled.program, compiled.users, stimulus, golden, columns)


def _check_faults(design: Design, faults: FaultColumns) -> None:
    """Refuse what points outside the design."""
    good = np.ones(len(faults), bool)
    pins = np.array([len(operation.inputs) for operation in design.operations], np.int64)
    struck = faults.where(FaultKind.PIN)
    operation, pin, source = faults.operation[struck], faults.pin[struck], faults.source[struck]
    known = (operation >= 0) & (operation < len(pins))
    width = np.append(pins, 0)[np.where(known, operation, len(pins))]
    good[struck] = known & (pin >= 0) & (pin < width) & (source >= 0) & (source < design.bits)
    struck = faults.where(FaultKind.CONFIGURATION)
    owner, bits = faults.bits_of(struck)
    good[struck] = np.bincount(owner, minlength=len(struck)) > 0
    good[struck[owner[bits < 0]]] = False
    for kind in (FaultKind.STATE, FaultKind.INITIAL, FaultKind.RESET):
        struck = faults.where(kind)
        which = faults.flip_flop[struck]
        good[struck] = (which >= 0) & (which < len(design.flip_flops))
    if not good.all():
        place = int(np.argmin(good))
        kind = list(FaultKind)[faults.kind[place]].value
        raise InputError(
            f"fault {place} of the list, of kind {kind}, points outside {design.name}",
            hint=f"it has {len(design.flip_flops)} flip-flops, {len(pins)} operations, {design.bits} bits",
        )
