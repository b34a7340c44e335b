"""What a campaign is beside its design and stimulus, and the faults that follow from it.

A fault's id is its place among *all* faults of the classes asked for, drawn or not, so that the id alone
finds it again.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Int64, UInt8

from vedette.errors import InputError, UnknownNameError
from vedette.softerror.confidence import draw_order, proportional, sample_size
from vedette.softerror.design import Design
from vedette.softerror.faults import Fault
from vedette.softerror.outcomes import Outcomes
from vedette.softerror.population import CLASSES, Population, Window, population

STATE_ERROR = 0.01  # flip-flops times cycles are drawn from, to this half width, where not told otherwise
Bits = UInt8[np.ndarray, "cycles inputs"]  # of a stimulus, 0 or 1


@runtime_checkable
class Engine(Protocol):
    """What runs faults: rows in the order of `faults`."""

    def __call__(
        self,
        design: Design,
        stimulus: Bits,
        faults: Sequence[Fault],
        *,
        compare: Sequence[int],
        enable: int,
        alarms: Sequence[int],
    ) -> Outcomes: ...


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a campaign is, beside its design and its stimulus.

    Attributes:
        faults: classes, by the names of `population.CLASSES`.
        seed: of the faults drawn and of what `start` and F4 draw.
        start: the cycle in which configuration faults strike; None: drawn for each.
        scrub_cycles: after so many cycles the configuration is right again; None: never.
        draw: most faults of each class; None: all, but of `state` a sample known to 1 %.
        by_module: draw from each module in proportion to its faults.
        until: draw until the share that propagates is known to this half width, 95 %; None: do not.
        compare: output ports that are compared; () for all that are no alarms.
        alarms: output ports that report an error instead of being one.
        tolerated_cycles: for the safety metrics, an alarm counts up to so long after the first wrong output;
            None: any does.
        enable: port whose bit 0 says, in the golden run, which cycles are compared; "" for all.
    """

    faults: tuple[str, ...] = ("init",)
    seed: int = 1
    start: int | None = 0
    scrub_cycles: int | None = None
    draw: int | None = None
    by_module: bool = False
    until: float | None = None
    compare: tuple[str, ...] = ()
    alarms: tuple[str, ...] = ()
    tolerated_cycles: int | None = None
    enable: str = ""

    def __post_init__(self) -> None:
        for name in self.faults:
            if name not in CLASSES:
                raise UnknownNameError("fault class", name, CLASSES)
        if not self.faults or len(set(self.faults)) < len(self.faults):
            raise InputError(f"fault classes {self.faults}", hint="name at least one, each once")
        if self.until is not None and not 0 < self.until < 1:
            raise InputError(f"an interval of {self.until}", hint="give a half width such as 0.01")
        if self.draw is not None and self.draw < 1:
            raise InputError(f"a sample of {self.draw} faults", hint="draw at least one")
        if self.tolerated_cycles is not None and not (self.alarms and self.tolerated_cycles >= 0):
            raise InputError(
                f"{self.tolerated_cycles} tolerated cycles with {len(self.alarms)} alarm outputs",
                hint="name the outputs that report errors with --alarm, and give 0 cycles or more",
            )


def faults_of_ids(design: Design, plan: Plan, cycles: int, ids: Iterable[int]) -> list[Fault]:
    """The faults whose rows have these ids in a campaign of this plan; their numbers are the ids.

    Raises:
        InputError: there is none of such an id.
    """
    window = Window(cycles, plan.start, plan.scrub_cycles, plan.seed)
    populations = [population(name, design, window) for name in plan.faults]
    found = []
    for number in ids:
        rest = number
        for these in populations:
            if 0 <= rest < these.size:
                found.append(these.fault(number, rest))
                break
            rest -= these.size
        else:
            raise InputError(f"the campaign has no fault {number}", hint="take an id of faults.csv")
    return found


def renumbered(faults: Sequence[Fault]) -> list[Fault]:
    """The same faults, numbered by their place in this list."""
    return [replace(fault, number=place) for place, fault in enumerate(faults)]


@dataclass(frozen=True)
class Compared:
    """The bits behind the port names of a plan; `enable` is -1 for none."""

    outputs: tuple[int, ...]
    alarms: tuple[int, ...]
    enable: int


def compared(design: Design, plan: Plan) -> Compared:
    """Which bits a plan compares.

    Raises:
        UnknownNameError: a name is no output port (no port, for `enable`).
        InputError: nothing is left to compare, or an alarm is to be.
    """
    outputs = {port.name: port.bits for port in design.outputs}
    every = outputs | {port.name: port.bits for port in design.inputs}
    for name in (*plan.compare, *plan.alarms):
        if name not in outputs:
            raise UnknownNameError("output port", name, outputs)
    if plan.enable and plan.enable not in every:
        raise UnknownNameError("port", plan.enable, every)
    both = [name for name in plan.compare if name in plan.alarms]
    if both:
        raise InputError(
            f"{both[0]} is to be compared, and an alarm",
            hint="alarms are not compared: name it once, with --compare or --alarm",
        )
    names = plan.compare or tuple(name for name in outputs if name not in plan.alarms)
    if not names:
        raise InputError(
            f"{design.name} has no output to compare", hint="a design needs outputs besides alarms"
        )
    return Compared(
        tuple(bit for name in names for bit in outputs[name]),
        tuple(bit for name in plan.alarms for bit in outputs[name]),
        every[plan.enable][0] if plan.enable else -1,
    )


@dataclass(frozen=True, eq=False)
class Drawn:
    """Faults of one class to run: the whole population in order, or a random sequence from it."""

    source: Population
    base: int  # id of its fault 0
    indices: Int64[np.ndarray, " n"]


def drawn_faults(design: Design, plan: Plan, cycles: int) -> list[Drawn]:
    """What each class of the plan contributes; with `until` the most that could be needed, as drawn.

    Raises:
        InputError: there is no such fault at all.
    """
    window = Window(cycles, plan.start, plan.scrub_cycles, plan.seed)
    result, base = [], 0
    for name in plan.faults:
        these = population(name, design, window)
        most = these.size
        if plan.until is not None:
            most = sample_size(these.size, error=plan.until)
        elif plan.draw is None and name == "state":
            most = sample_size(these.size, error=STATE_ERROR)
        most = min(most, plan.draw or most)
        result.append(Drawn(these, base, _indices(these, most, plan)))
        base += these.size
    if not any(len(drawn.indices) for drawn in result):
        raise InputError(
            f"{design.name} has no fault of class {', '.join(plan.faults)}",
            hint="is everything of it synthesized away? try other classes with --faults",
        )
    return result


def _indices(these: Population, most: int, plan: Plan) -> Int64[np.ndarray, " n"]:
    if most >= these.size and plan.until is None:
        return np.arange(these.size)
    if not plan.by_module:
        return draw_order(these.size, seed=plan.seed, most=most)
    if these.size > 1 << 22:
        raise InputError(
            f"{these.size:,} faults of class {these.name} are too many to sort by module",
            hint="leave --by-module away, or run fewer cycles",
        )
    strata: dict[str, list[int]] = {}
    for index in draw_order(these.size, seed=plan.seed).tolist():
        strata.setdefault(these.place(index).module, []).append(index)
    names = sorted(strata)
    counts = proportional([len(strata[name]) for name in names], most)
    # in turn by the share of its stratum that has been taken, so that every beginning is proportional too
    order = sorted(
        ((place + 0.5) / count, name, index)
        for name, count in zip(names, counts, strict=True)
        for place, index in enumerate(strata[name][:count])
    )
    return np.array([index for _, _, index in order], np.int64)
