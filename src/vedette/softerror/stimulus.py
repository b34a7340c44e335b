"""What the inputs do: one array of bits that drives every engine and the oracle alike.

A stimulus is an array of 0 and 1, a row a cycle, a column an input bit in the order of
`Design.input_bits`. It is drawn (PCG64), or made by a Python function; files are read by `vectors`.
"""

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from vedette.errors import InputError, UnknownNameError
from vedette.softerror.design import Design, Port, Reset

Stimulus = UInt8[np.ndarray, "cycles inputs"]
RESET_CYCLES = 2
STEPS = 1 << 16  # of a probability
_WORD = re.compile(r"(?P<low>n_?)?(?:[ais]_?)?(?:reset|rst)(?P<tail>_?(?:n|ni|b|bar|l))?(?:_?(?:i|in))?")


@dataclass(frozen=True)
class Random:
    """Every bit is 1 with this probability, in steps of 2^-16, in each cycle anew."""

    probability: float = 0.5

    def __post_init__(self) -> None:
        if not 0 <= self.probability <= 1:
            raise InputError(f"a probability of {self.probability}", hint="give one from 0 to 1")


@dataclass(frozen=True)
class Hold:
    """The port has this value in every cycle."""

    value: int


@dataclass(frozen=True)
class Pulse:
    """All bits are 1 for `length` cycles out of `period`, first at cycle `start`."""

    period: int
    length: int = 1
    start: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.length <= self.period or self.start < 0:
            raise InputError(
                f"a pulse of {self.length} cycles out of {self.period}", hint="1 <= length <= period"
            )


@dataclass(frozen=True)
class HeldReset:
    """All bits are active in the first `cycles` cycles, and never again."""

    cycles: int = RESET_CYCLES
    active_high: bool = True

    def __post_init__(self) -> None:
        if self.cycles < 0:
            raise InputError(f"a reset of {self.cycles} cycles", hint="give 0 or more")


Drive = Random | Hold | Pulse | HeldReset


def random_stimulus(
    design: Design,
    cycles: int,
    *,
    seed: int = 1,
    reset_cycles: int = RESET_CYCLES,
    drives: Mapping[str, Drive] | None = None,
) -> Stimulus:
    """Random inputs, the resets held first; a shorter run is the beginning of a longer one.

    Args:
        reset_cycles: how long the resets that `resets_of` finds are held.
        drives: of ports by name, before any default.

    Raises:
        InputError: no cycle, or a held value that does not fit its port.
        UnknownNameError: `drives` names a port that is no input.

    >>> from vedette.softerror.samples import sample
    >>> random_stimulus(sample("counter"), 4, drives={"enable": Hold(1)})[:, :2].T.tolist()
    [[1, 1, 0, 0], [1, 1, 1, 1]]
    """
    if cycles < 1:
        raise InputError(f"a stimulus of {cycles} cycles", hint="simulate at least one")
    chosen: dict[str, Drive] = {
        name: HeldReset(reset_cycles, active_high) for name, active_high in resets_of(design).items()
    }
    for name, drive in (drives or {}).items():
        chosen[_input(design, name).name] = drive
    draws = np.random.Generator(np.random.PCG64(seed))
    columns = [(port, chosen.get(port.name, Random())) for port in design.inputs]
    limits = np.array([_limit(drive) for port, drive in columns for _ in port.bits], np.uint32)
    stimulus = np.empty((cycles, len(limits)), np.uint8)
    for first in range(0, cycles, 4096):  # in parts, to save memory
        rows = stimulus[first : first + 4096]
        rows[:] = draws.integers(0, STEPS, rows.shape, dtype=np.uint32) < limits
    column = 0
    for port, drive in columns:
        width = len(port.bits)
        _drive(stimulus[:, column : column + width], port, drive)
        column += width
    return stimulus


def from_function(design: Design, cycles: int, function: Callable[[int], Mapping[str, int]]) -> Stimulus:
    """What `function` says: for each cycle, from 0, the value of every input port.

    Raises:
        InputError: a port is missing, unknown, or its value does not fit.

    >>> from vedette.softerror.samples import sample
    >>> walk = from_function(sample("delay"), 3, lambda cycle: {"valid": 1, "in": cycle & 1})
    >>> walk.tolist()
    [[1, 0], [1, 1], [1, 0]]
    """
    return from_values(design, [function(cycle) for cycle in range(cycles)], where="cycle")


def from_values(
    design: Design, rows: Sequence[Mapping[str, int]], *, where: str = "row", first: int = 0
) -> Stimulus:
    """A stimulus of port values, a mapping a cycle; the clock may be among them.

    Args:
        where, first: how a complaint counts rows.

    Raises:
        InputError: as of `from_function`.
    """
    if not rows:
        raise InputError("a stimulus without a cycle", hint="give at least one row")
    known = {port.name for port in design.inputs}
    stimulus = np.zeros((len(rows), len(design.input_bits)), np.uint8)
    for index, row in enumerate(rows):
        strange = [name for name in row if name not in known and name != design.clock]
        if strange:
            raise UnknownNameError("input port", strange[0], known)
        column = 0
        for port in design.inputs:
            if port.name not in row:
                raise InputError(
                    f"{where} {index + first} has no value of {port.name}",
                    hint=f"inputs are {', '.join(sorted(known))}",
                )
            bits = _bits(port, row[port.name], f"{where} {index + first}")
            stimulus[index, column : column + len(bits)] = bits
            column += len(bits)
    return stimulus


def resets_of(design: Design) -> dict[str, bool]:
    """Input ports that are resets, each with whether it is active high.

    Those that set flip-flops at once, and those that are called so: reset, rst, with an `n` before or
    behind where they are active low.

    >>> from vedette.softerror.samples import sample
    >>> resets_of(sample("fsm"))
    {'rst_n': False}
    """
    at_once = {ff.reset for ff in design.flip_flops if ff.kind is Reset.ASYNC}
    found = {}
    for port in design.inputs:
        named = reset_polarity(port.name) if len(port.bits) == 1 else None
        if any(bit in at_once for bit in port.bits):
            found[port.name] = True
        elif named is not None:
            found[port.name] = named
    return found


def reset_polarity(name: str) -> bool | None:
    """Whether a port of this name is a reset that is active high (True) or low (False); None: no reset.

    >>> [reset_polarity(name) for name in ("rst", "aresetn", "i_rst_n", "first", "burst")]
    [True, False, False, None, None]
    """
    found = _WORD.fullmatch(re.sub("^i_", "", name.lower()))
    if found is None:
        return None
    return not (found["low"] or found["tail"])


def drive_of(text: str) -> tuple[str, Drive]:
    """A drive in words: NAME=VALUE holds, NAME=p0.1 draws, NAME=pulse:PERIOD[:LENGTH[:START]] pulses,
    NAME=reset:CYCLES[:low] holds a reset first.

    Raises:
        InputError: it says none of these.

    >>> drive_of("enable=p0.9"), drive_of("go=pulse:16:2")
    (('enable', Random(probability=0.9)), ('go', Pulse(period=16, length=2, start=0)))
    """
    name, _, said = text.partition("=")
    kind, *numbers = said.split(":")
    try:
        if kind == "pulse" and 1 <= len(numbers) <= 3:
            return name, Pulse(*map(int, numbers))
        if kind == "reset" and numbers and numbers[1:] in ([], ["low"], ["high"]):
            return name, HeldReset(int(numbers[0]), numbers[1:] != ["low"])
        if kind.startswith("p") and not numbers:
            return name, Random(float(kind[1:]))
        return name, Hold(int(said, 0))
    except InputError:
        raise
    except ValueError as error:
        raise InputError(
            f"an input is to be driven by {text!r}",
            hint="say NAME=1, NAME=p0.1, NAME=pulse:16, NAME=reset:2 or NAME=reset:2:low",
        ) from error


def save(stimulus: Stimulus, path: Path | str) -> None:
    """Write a stimulus as .npy.

    Raises:
        InputError: the file cannot be written.
    """
    try:
        with Path(path).open("wb") as file:
            np.save(file, stimulus)
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}", hint="check the folder") from error


def load(path: Path | str, design: Design) -> Stimulus:
    """Read a stimulus of `design` from .npy.

    Raises:
        InputError: the file cannot be read, or was made for inputs of another width.
    """
    try:
        stimulus = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"{path} cannot be read as .npy: {error}", hint="give what save wrote") from error
    width = len(design.input_bits)
    if stimulus.dtype != np.uint8 or stimulus.ndim != 2 or stimulus.shape[1] != width or stimulus.max() > 1:
        raise InputError(
            f"{path} holds {stimulus.dtype} of shape {stimulus.shape}",
            hint=f"{design.name} needs uint8 of 0 and 1, of shape (cycles, {width})",
        )
    return stimulus


def sha256(stimulus: Stimulus) -> str:
    """Hexadecimal hash of shape and values.

    >>> sha256(np.zeros((2, 3), np.uint8))[:8] == sha256(np.zeros((3, 2), np.uint8))[:8]
    False
    """
    digest = hashlib.sha256(repr(stimulus.shape).encode())
    digest.update(np.ascontiguousarray(stimulus).tobytes())
    return digest.hexdigest()


def _input(design: Design, name: str) -> Port:
    for port in design.inputs:
        if port.name == name:
            return port
    if name and name == design.clock:
        raise InputError(f"{name} is the clock", hint="the clock is not driven: a row is a cycle")
    raise UnknownNameError("input port", name, [port.name for port in design.inputs])


def _limit(drive: Drive) -> int:
    return round(drive.probability * STEPS) if isinstance(drive, Random) else 0


def _drive(columns: np.ndarray, port: Port, drive: Drive) -> None:
    cycle = np.arange(len(columns))[:, None]
    match drive:
        case Hold(value):
            columns[:] = _bits(port, value, "every cycle")
        case Pulse(period, length, start):
            columns[:] = (cycle >= start) & ((cycle - start) % period < length)
        case HeldReset(held, active_high):
            columns[:] = (cycle < held) == active_high
        case Random():
            pass


def _bits(port: Port, value: int, where: str) -> list[int]:
    width = len(port.bits)
    if not 0 <= value < 1 << width:
        raise InputError(
            f"{port.name} is {value} in {where}", hint=f"it has {width} bits: give 0 to {(1 << width) - 1}"
        )
    return [int(value) >> i & 1 for i in range(width)]
