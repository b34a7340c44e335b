"""From scores to failures in time, and the metrics of ISO 26262-5 where there are alarm outputs.

A score is the fraction of time that an upset bit makes the outputs wrong; times the rate at which a bit is
upset it is a rate of wrong outputs. 1 FIT is one failure in 10^9 device hours. No rate is built in without
the name of its source, and the caveat of `SCOPE` belongs beside every figure.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from vedette.errors import InputError, UnknownNameError
from vedette.softerror.outcomes import Outcomes

HOURS = 1e9  # of one FIT
BITS_PER_MBIT = 2**20
SCOPE = (
    "Scope: these figures count upsets of lookup-table content only. That is a minority of an FPGA's "
    "configuration memory (about 9 % on a small Artix-7); most essential bits are routing. Use the pin "
    "faults for a view of routing by net, and essential-bit counts of the vendor's tool for an absolute rate."
)


@dataclass(frozen=True, kw_only=True)
class BitRate:
    """How often one configuration bit is upset.

    Attributes:
        fit_per_bit: upsets in 10^9 hours.
        source: who says so; printed beside every figure.
        verified: the figures were looked up in their source, or are the user's own.
    """

    fit_per_bit: float
    source: str
    verified: bool = True

    def __post_init__(self) -> None:
        if not 0 <= self.fit_per_bit < np.inf or not self.source:
            raise InputError(
                f"a rate of {self.fit_per_bit} FIT a bit from {self.source!r}",
                hint="the rate is 0 or more, and its source must be named",
            )


def from_cross_section(cross_section_cm2: float, flux_per_cm2_h: float, *, source: str) -> BitRate:
    """The rate from the cross-section of a bit, cm2, and the flux of particles, 1/(cm2 h).

    >>> f"{from_cross_section(1e-14, 13.0, source='an example').fit_per_bit:.2e}"
    '1.30e-04'
    """
    _check("cross-section", cross_section_cm2)
    _check("flux", flux_per_cm2_h)
    return BitRate(fit_per_bit=cross_section_cm2 * flux_per_cm2_h * HOURS, source=source)


def from_fit_per_mbit(fit_per_mbit: float, *, source: str) -> BitRate:
    """The rate from a device report's figure, FIT per 2^20 bits.

    >>> from_fit_per_mbit(2**20, source="an example").fit_per_bit
    1.0
    """
    _check("FIT per Mbit", fit_per_mbit)
    return BitRate(fit_per_bit=fit_per_mbit / BITS_PER_MBIT, source=source)


def _check(name: str, value: float) -> None:
    if not 0 <= value < np.inf:
        raise InputError(f"a {name} of {value:g}", hint="give a number of 0 or more")


PRESETS = {
    "7-series-new-york": replace(
        from_cross_section(
            6.99e-15,
            13.0,
            source="7-series configuration memory 6.99e-15 cm2/bit (AMD UG116) at sea level in New York, "
            "13 n/cm2/h (JESD89A)",
        ),
        verified=False,
    ),
}
UNVERIFIED = (
    "UNVERIFIED: these two figures were recalled, not looked up. Check them against the current documents "
    "and give them by --cross-section and --flux."
)


def preset(name: str) -> BitRate:
    """The preset of this name.

    Raises:
        UnknownNameError: there is none.
    """
    if name not in PRESETS:
        raise UnknownNameError("rate", name, PRESETS)
    return PRESETS[name]


@dataclass(frozen=True)
class ModuleFit:
    """One line of the table; "" is the top itself.

    Attributes:
        bits: configuration bits that were run.
        upsets_fit: rate at which one of them is upset.
        any_fit: rate of upsets that make an output wrong at all within the run.
        time_fit: the same, each weighted by the fraction of cycles that it makes wrong.
    """

    module: str
    bits: int
    upsets_fit: float
    any_fit: float
    time_fit: float


@dataclass(frozen=True)
class Fit:
    """The table, by falling `any_fit`, and its total. `str` prints it with source and scope."""

    modules: tuple[ModuleFit, ...]
    total: ModuleFit
    rate: BitRate

    def __str__(self) -> str:
        head = f"{'module':<32}{'bits':>9}{'upsets FIT':>14}{'any wrong FIT':>15}{'time-weighted':>15}"
        lines = [
            f"{row.module or '(top)':<32}{row.bits:>9,}{row.upsets_fit:>14.4g}"
            f"{row.any_fit:>15.4g}{row.time_fit:>15.4g}"
            for row in (*self.modules, self.total)
        ]
        said = [f"Rate: {self.rate.fit_per_bit:.4g} FIT/bit. {self.rate.source}."]
        said += [] if self.rate.verified else [UNVERIFIED]
        return "\n".join([head, *lines, *said, SCOPE])


def fit(
    outcomes: Outcomes, modules: list[str], rate: BitRate, *, population: Mapping[str, int] | None = None
) -> Fit:
    """Rates of a campaign by module.

    Args:
        outcomes: rows of single configuration bits.
        modules: the module of each row.
        population: configuration bits of each module where the rows are a sample; None: they are all.

    Raises:
        InputError: as many names as rows are needed; a sampled module without rows.
    """
    if len(modules) != len(outcomes.mismatches):
        raise InputError(
            f"{len(modules)} module names for {len(outcomes.mismatches)} rows",
            hint="name the module of each row",
        )
    names, which = np.unique(np.array(modules, dtype=str), return_inverse=True)
    ran = np.bincount(which, minlength=len(names))
    wrong = np.bincount(which, weights=outcomes.mismatches > 0, minlength=len(names))
    score = np.bincount(which, weights=outcomes.mismatches, minlength=len(names)) / outcomes.cycles
    sizes = dict(zip(names.tolist(), ran.tolist(), strict=True)) if population is None else dict(population)
    missing = sorted(set(sizes) ^ set(names.tolist()))
    if missing:
        raise InputError(
            f"module {missing[0]!r} has rows or a size, not both", hint="draw faults of every module"
        )
    rows = []
    for index, name in enumerate(names.tolist()):
        each = rate.fit_per_bit * sizes[name] / ran[index]
        upsets = rate.fit_per_bit * sizes[name]
        rows.append(
            ModuleFit(name, sizes[name], upsets, float(each * wrong[index]), float(each * score[index]))
        )
    rows.sort(key=lambda row: (-row.any_fit, row.module))
    total = ModuleFit(
        "total",
        sum(row.bits for row in rows),
        sum(row.upsets_fit for row in rows),
        sum(row.any_fit for row in rows),
        sum(row.time_fit for row in rows),
    )
    return Fit(tuple(rows), total, rate)


# Targets of ISO 26262-5 for an ASIL, recalled: SPFM and LFM.
ASIL_TARGETS = {"B": (0.90, 0.60), "C": (0.97, 0.80), "D": (0.99, 0.90)}


@dataclass(frozen=True)
class SafetyTable:
    """Rates of the fault classes and the metrics of ISO 26262-5 (annex C), each bit alike.

    Attributes:
        safe_fit: neither an output nor an alarm ever differs, and the fault was never active.
        detected_fit: an output differs and an alarm does, within the tolerated time.
        residual_fit: an output differs and no alarm does, or too late (single-point and residual faults).
        perceived_fit: an alarm differs and no output.
        latent_fit: active, and nothing differs.
        late: faults that are residual only because their alarm comes too late.
    """

    safe_fit: float
    detected_fit: float
    residual_fit: float
    perceived_fit: float
    latent_fit: float
    late: int

    @property
    def total_fit(self) -> float:
        return self.safe_fit + self.detected_fit + self.residual_fit + self.perceived_fit + self.latent_fit

    @property
    def diagnostic_coverage(self) -> float:
        """Detected of those that make an output wrong; 1 where none does."""
        dangerous = self.detected_fit + self.residual_fit
        return self.detected_fit / dangerous if dangerous else 1.0

    @property
    def spfm(self) -> float:
        """Single-point fault metric: 1 - residual / all."""
        return 1 - self.residual_fit / self.total_fit if self.total_fit else 1.0

    @property
    def lfm(self) -> float:
        """Latent fault metric: 1 - latent / (all - residual)."""
        rest = self.total_fit - self.residual_fit
        return 1 - self.latent_fit / rest if rest else 1.0

    def asil(self) -> str:
        """The highest level whose two targets are met, "" for none; the targets were recalled."""
        met = [level for level, (spfm, lfm) in ASIL_TARGETS.items() if self.spfm >= spfm and self.lfm >= lfm]
        return met[-1] if met else ""

    def __str__(self) -> str:
        rows = {
            "safe": self.safe_fit,
            "detected": self.detected_fit,
            "residual": self.residual_fit,
            "alarm only": self.perceived_fit,
            "latent": self.latent_fit,
            "all": self.total_fit,
        }
        lines = [f"{name:<12}{value:>12.4g} FIT" for name, value in rows.items()]
        metrics = (
            f"diagnostic coverage {self.diagnostic_coverage:.2%}, SPFM {self.spfm:.2%}, LFM {self.lfm:.2%}"
        )
        return "\n".join([*lines, metrics, SCOPE])


def safety(outcomes: Outcomes, rate: BitRate, *, tolerated_cycles: int | None = None) -> SafetyTable:
    """The table from a campaign with alarm outputs.

    Args:
        tolerated_cycles: the fault-tolerant time from the first wrong output to the alarm; None: any alarm
            counts. An alarm before the wrong output always counts.
    """
    wrong, alarm = outcomes.first >= 0, outcomes.alarmed >= 0
    late = np.zeros(len(wrong), bool)
    if tolerated_cycles is not None:
        late = wrong & alarm & (outcomes.alarmed.astype(np.int64) - outcomes.first > tolerated_cycles)
    active = outcomes.activated >= 0
    counts = {
        "detected_fit": wrong & alarm & ~late,
        "residual_fit": wrong & (~alarm | late),
        "perceived_fit": ~wrong & alarm,
        "latent_fit": ~wrong & ~alarm & active,
        "safe_fit": ~wrong & ~alarm & ~active,
    }
    rates = {name: float(mask.sum()) * rate.fit_per_bit for name, mask in counts.items()}
    return SafetyTable(**rates, late=int(late.sum()))
