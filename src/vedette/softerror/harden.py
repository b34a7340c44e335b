"""Which part of a design to triplicate for a budget of lookup tables, from the scores of its faults.

Triplication moves what can fail: the copies are safe, and a single voter stands wherever three bits
become one. Such a voter is about as critical as the bit it drives, so that tripling one table alone gains
nothing; tripling a cone behind a narrow exit gains the cone. `advise` grows the choice by cones, greedily by
score removed per table added, and estimates what remains. The estimate is checked by running the campaign
again on the hardened design.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from vedette.errors import InputError
from vedette.softerror.design import Design, Kind
from vedette.softerror.export import groups
from vedette.softerror.outcomes import Outcomes
from vedette.softerror.triplicate import Choice, Hardened, closed, excluded, triplicate

OUTPUT_RESIDUE = 1.0  # score of a single output voter: in each cycle exactly one of its bits is read
TRIED = 6  # cones whose exact estimate is taken at each step, the best by a bound first


@dataclass(frozen=True)
class Step:
    """One point of the curve: a choice, what it costs, what it is estimated to leave.

    Attributes:
        overhead: lookup tables added, as a fraction of those there were.
        remaining: estimated sum of scores left, as a fraction of the sum before.
    """

    choice: Choice
    overhead: float
    remaining: float


@dataclass(frozen=True)
class Advice:
    """What to triplicate within a budget.

    Attributes:
        curve: the steps tried, the first without any triplication.
        best: the least estimate within the budget.
        cells: names of the tables, flip-flops and memories to triplicate.
        state_voters: as for `triplicate`.
    """

    curve: tuple[Step, ...]
    best: Step
    cells: tuple[str, ...]
    state_voters: bool = True

    def harden(self, design: Design) -> Hardened:
        """The design with the advice followed."""
        return triplicate(design, self.best.choice, state_voters=self.state_voters)


def table_scores(design: Design, bits: Sequence[int], outcomes: Outcomes) -> Float[np.ndarray, " tables"]:
    """Sum of the scores of each table's configuration bits; shared ones count for the first table.

    Args:
        bits: the configuration bit of each row of the outcomes.
    """
    owner = np.full(design.configuration_bits, -1)
    for index in reversed(range(len(design.tables))):
        table = design.tables[index]
        owner[table.first_bit : table.first_bit + 2**table.width] = index
    scores = np.zeros(len(design.tables))
    np.add.at(scores, owner[np.asarray(bits, int)], outcomes.mismatches / outcomes.cycles)
    return scores


def advise(
    design: Design,
    scores: Float[np.ndarray, " tables"],
    budget: float,
    *,
    exclude: Sequence[str] = (),
    state_voters: bool = True,
) -> Advice:
    """Choose what to triplicate so that little score remains and few tables are added.

    Args:
        scores: of each table, the sum over its configuration bits, as `table_scores` gives it.
        budget: tables that may be added, as a fraction of those there are: 0.3 for 30 %.
        exclude: patterns of cell names that stay single, as in `triplicate.excluded`.
        state_voters: as for `triplicate`; without them the same budget goes further.

    Raises:
        InputError: a negative budget, other scores than tables, a pattern that names nothing.
    """
    if len(scores) != len(design.tables) or not budget >= 0:
        raise InputError(
            f"{len(scores)} scores and a budget of {budget} for {len(design.tables)} tables",
            hint="give one score a table and a budget of 0 or more, 0.3 for 30 %",
        )
    model = _Model(design, scores, 3 if state_voters else 0)
    out = excluded(design, exclude)
    steps = tuple(_grow(model, list(_cones(design, out)), budget))
    best = min(steps, key=lambda step: (step.remaining, step.overhead))
    return Advice(steps, best, names(design, best.choice), state_voters)


def same_outputs(design: Design, hardened: Design, stimulus: np.ndarray) -> bool:
    """Whether both give the same outputs in every cycle without a fault; by the engine's golden run."""
    from vedette.softerror import engine

    return np.array_equal(engine.stream(design, stimulus), engine.stream(hardened, stimulus))


def curve_csv(advice: Advice) -> str:
    """The curve as text: LUT overhead and estimated remaining score, both in percent."""
    lines = [f"{100 * step.overhead:.2f},{100 * step.remaining:.2f}\n" for step in advice.curve]
    return "lut_overhead_percent,estimated_remaining_percent\n" + "".join(lines)


def names(design: Design, choice: Choice) -> tuple[str, ...]:
    tables = {
        design.operations[i].table for i in choice.operations if design.operations[i].kind is Kind.TABLE
    }
    names = {design.tables[t].name for t in tables}
    names |= {design.flip_flops[i].name for i in choice.flip_flops}
    names |= {design.memories[i].name for i in choice.memories}
    return tuple(sorted(names))


def _grow(model: "_Model", cones: list[Choice], budget: float) -> Iterator[Step]:
    """Steps from nothing to the budget, each by the cone that removes most score per table added."""
    chosen = Choice()
    cost: float
    cost, left = model.estimate(chosen)
    yield Step(chosen, 0.0, 1.0)
    limit = budget * model.luts
    total = max(left, 1e-12)
    while cones:
        ranked = sorted(cones, key=lambda cone: -model.bound(cone, chosen))
        found: tuple[float, Choice, float, float] | None = None
        for tried, cone in enumerate(ranked):
            if model.bound(cone, chosen) <= 0 or (tried >= TRIED and found is not None):
                break
            union = closed(model.design, _union(chosen, cone))
            new_cost, new_left = model.estimate(union)
            if new_cost > limit:
                continue
            rate = (left - new_left) / max(new_cost - cost, 1e-9)
            if new_left < left - 1e-9 and (found is None or rate > found[0]):
                found = rate, union, new_cost, new_left
        if found is None:
            return
        _, chosen, cost, left = found
        cones = [cone for cone in cones if not _within(cone, chosen)]
        yield Step(chosen, cost / max(model.luts, 1), left / total)


def _union(a: Choice, b: Choice) -> Choice:
    return Choice(a.operations | b.operations, a.flip_flops | b.flip_flops, a.memories | b.memories)


def _within(a: Choice, b: Choice) -> bool:
    return a.operations <= b.operations and a.flip_flops <= b.flip_flops and a.memories <= b.memories


def _cones(design: Design, out: Choice) -> Iterator[Choice]:
    """Candidates: for each bit the logic that only it needs, and all its logic; with the flip-flop if any.

    Groups of flip-flops that feed each other are candidates too, so that a state machine can be closed, and
    at last the whole design.
    """
    driver = {operation.out: i for i, operation in enumerate(design.operations)}
    users: dict[int, set[int]] = {}
    for i, operation in enumerate(design.operations):
        for bit in operation.inputs:
            users.setdefault(bit, set()).add(i)
    held = {b for ff in design.flip_flops for b in (ff.d, ff.enable, ff.reset)} | set(design.output_bits)
    held |= {b for memory in design.memories for b in memory.reads}

    def allowed(index: int) -> bool:
        return index not in out.operations and design.operations[index].kind is not Kind.READ

    def whole(roots: Sequence[int]) -> frozenset[int]:
        found: set[int] = set()
        stack = [driver[bit] for bit in roots if bit in driver]
        while stack:
            index = stack.pop()
            if index not in found and allowed(index):
                found.add(index)
                stack += [driver[bit] for bit in design.operations[index].inputs if bit in driver]
        return frozenset(found)

    def alone(root: int) -> frozenset[int]:
        """The fanout-free cone: what nothing but `root` needs."""
        if root not in driver or not allowed(driver[root]):
            return frozenset()
        found, fresh = {driver[root]}, [driver[root]]
        while fresh:
            for bit in design.operations[fresh.pop()].inputs:
                index = driver.get(bit, -1)
                fits = index >= 0 and index not in found and allowed(index) and bit not in held
                if fits and users[bit] <= found:
                    found.add(index)
                    fresh.append(index)
        return frozenset(found)

    seen: set[Choice] = set()
    for choice in _raw_cones(design, out, whole, alone):
        if choice not in seen and (choice.operations or choice.flip_flops):
            seen.add(choice)
            yield choice


def _raw_cones(
    design: Design,
    out: Choice,
    whole: Callable[[Sequence[int]], frozenset[int]],
    alone: Callable[[int], frozenset[int]],
) -> Iterator[Choice]:
    """Candidates, some of them twice."""
    for operation in design.operations:
        yield Choice(alone(operation.out))
    for bit in design.output_bits:
        yield Choice(whole([bit]))
    states = {ff.q: i for i, ff in enumerate(design.flip_flops) if i not in out.flip_flops}
    for i, ff in enumerate(design.flip_flops):
        if i not in out.flip_flops:
            pins = [ff.d, ff.enable]
            yield Choice(frozenset().union(*(alone(bit) for bit in pins)), frozenset({i}))
            yield Choice(whole(pins), frozenset({i}))
    modules: dict[str, list[int]] = {}
    for i, ff in enumerate(design.flip_flops):
        if i not in out.flip_flops:
            stem = ff.name.rstrip("0123456789_[]")  # bits of one register, modules of a hierarchy
            modules.setdefault(stem, []).append(i)
            modules.setdefault(ff.name.rpartition(".")[0] + ".", []).append(i)
    for members in modules.values():
        pins = [bit for i in members for bit in (design.flip_flops[i].d, design.flip_flops[i].enable)]
        yield Choice(whole(pins), frozenset(members))
    everything = frozenset(i for i in range(len(design.operations)) if i not in out.operations)
    memories = frozenset(range(len(design.memories))) - out.memories
    yield Choice(everything, frozenset(states.values()), memories)


# Cost and remaining score of a choice, without building it.
class _Model:
    def __init__(self, design: Design, scores: Float[np.ndarray, " tables"], voters: int) -> None:
        self.design, self.scores = design, scores
        self.voters = voters  # tables that a flip-flop or a read adds
        known = groups(design)
        self.luts = len(known)
        self.home = {t: g for g, group in enumerate(known) for t in group.tables}
        self.flow = self._flow()

    def _flow(self) -> dict[int, float]:
        """About how critical a bit is: the score of the table behind it, through what has no table."""
        flow: dict[int, float] = {}
        for operation in self.design.operations:
            if operation.kind is Kind.TABLE:
                flow[operation.out] = float(self.scores[operation.table])
            else:
                flow[operation.out] = max((flow.get(bit, 0.0) for bit in operation.inputs), default=0.0)
        for ff in self.design.flip_flops:
            flow[ff.q] = flow.get(ff.d, 1.0)
        return flow

    def bound(self, cone: Choice, chosen: Choice) -> float:
        """Score that the cone adds to what is triplicated, per table: no estimate can be better."""
        fresh = cone.operations - chosen.operations
        tables = {self.design.operations[i].table for i in fresh if self._is_table(i)}
        voters = self.voters * len(cone.flip_flops - chosen.flip_flops)
        return float(sum(self.scores[t] for t in tables)) / max(2 * len(tables) + voters, 1)

    def _is_table(self, index: int) -> bool:
        return self.design.operations[index].kind is Kind.TABLE

    def estimate(self, choice: Choice) -> tuple[int, float]:
        """Tables added, and the sum of scores that is left: of what stands once and of single voters."""
        design = self.design
        copied = {design.operations[i].table for i in choice.operations if self._is_table(i)}
        left = float(sum(score for t, score in enumerate(self.scores) if t not in copied))
        reads = sum(1 for i in choice.operations if design.operations[i].kind is Kind.READ)
        cost = 2 * len({self.home[t] for t in copied}) + self.voters * (len(choice.flip_flops) + reads)
        tripled = {design.operations[i].out for i in choice.operations}
        tripled |= {design.flip_flops[i].q for i in choice.flip_flops}
        single: set[int] = set()
        for i, operation in enumerate(design.operations):
            if i not in choice.operations:
                single.update(operation.inputs)
        for i, ff in enumerate(design.flip_flops):
            if i not in choice.flip_flops:
                single.update((ff.d, ff.enable, ff.reset))
        for i, memory in enumerate(design.memories):
            if i not in choice.memories:
                single.update(memory.reads)
        joined = tripled & single
        outputs = sum(1 for bit in design.output_bits if bit in tripled)
        left += sum(self.flow[bit] for bit in joined) + OUTPUT_RESIDUE * outputs
        return cost + len(joined) + outputs, left
