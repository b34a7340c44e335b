"""The report of a campaign: what was run, what became of the faults, where they hurt, how sure it is."""

from collections.abc import Sequence
from itertools import pairwise
from textwrap import fill
from typing import Any

import numpy as np

from vedette.report.bars import Bars
from vedette.report.chart import Chart, Line
from vedette.report.findings_page import Heat, Section, Table, findings_report, text_table
from vedette.softerror import score
from vedette.softerror.campaign import Campaign
from vedette.softerror.figures import histogram_bars
from vedette.softerror.fit import SCOPE
from vedette.softerror.rows import Rows

ORIGIN = (
    "The fault model, one configuration bit of a lookup table inverted for the whole run, and the histogram "
    "of scores follow arXiv 2303.12269, of which only the abstract and the first lines could be read. The "
    "score's formula, the bins, the classes and the stimulus are this program's own."
)
MEANINGS = {
    "unreachable": "proved: no input and no state makes the table's address",
    "not_activated": "this stimulus never made it; another one may",
    "masked": "activated, and no compared output was ever wrong",
    "propagated": "a compared output was wrong in some cycle",
    "detected": "a compared output was wrong, and an alarm was raised",
    "undetected": "a compared output was wrong, and no alarm was raised",
    "latent": "activated without a wrong output and without an alarm",
    "alarm_only": "an alarm without a wrong output",
}
TOP = "(top)"  # the module of cells without a hierarchy
DELAY_EDGES = (0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 100_000)


def page(campaign: Campaign, *, title: str, commands: Sequence[str] = ()) -> str:
    """One HTML page of a campaign.

    Args:
        title: heading, such as the design's name.
        commands: what was typed, and what may be typed next.
    """
    rows, summary = campaign.rows, campaign.summary
    sections = [
        Section("What was run", parts=[_run_table(summary)]),
        Section(
            "What became of the faults",
            "Shares carry the 95 % interval for all faults of the class; where every one was run it is "
            "closed. It says nothing about other stimuli.",
            parts=[verdict_table(rows), class_table(summary)],
        ),
        *_histogram_sections(rows),
        _convergence(summary),
        _latency(rows),
        _ranked("Modules", rows, "module", 30),
        _outputs(summary),
        _ranked("Source lines", rows, "line", 30),
        _ranked("Most vulnerable cells", rows, "cell", 25),
    ]
    if "coverage" in summary:
        sections.append(_coverage(summary["coverage"]))
    if "spread" in summary:
        sections.append(_spread(summary["spread"]))
    sections.append(
        Section("Made by", ORIGIN, parts=[_identity_table(summary)], code="\n".join(commands), wide=True)
    )
    return findings_report(sections, title=title, caveats=[SCOPE])


def text(campaign: Campaign, *, most: int = 8) -> str:
    """The same in short, for a terminal."""
    rows, summary = campaign.rows, campaign.summary
    histogram = score.histograms(rows)
    bins = Table(
        ["score", "faults", "cells", "modules"],
        [
            [label, *values]
            for label, *values in zip(
                histogram["fault"].labels(),
                *((h.zero, *h.bins) for h in histogram.values()),
                strict=True,
            )
        ],
    )
    ranked = Table(
        ["cell", "score sum", "mean", "faults", "propagate"],
        [
            [g.name, round(g.total, 4), round(g.mean, 4), g.faults, g.propagated]
            for g in score.ranking(rows, most=most)
        ],
    )
    parts = [
        text_table(_run_table(summary)),
        text_table(verdict_table(rows)),
        text_table(class_table(summary)),
    ]
    return "\n\n".join([*parts, text_table(bins), text_table(ranked), fill(SCOPE, 100)])


def verdict_table(rows: Rows) -> Table:
    """Counts and shares of the verdicts."""
    n = max(len(rows), 1)
    return Table(
        ["faults that are", "count", "%", "meaning"],
        [
            [name.replace("_", " "), count, round(100 * count / n, 2), MEANINGS[name]]
            for name, count in score.verdicts(rows).items()
        ],
    )


def class_table(summary: dict[str, Any]) -> Table:
    """What was run of each fault class, and the share that propagates."""
    return Table(
        ["class", "faults", "run", "propagate %", "95 % interval", "mean score"],
        [
            [
                name,
                found["population"],
                found["run"],
                round(100 * found["share"], 2),
                "exhaustive"
                if found["run"] >= found["population"]
                else "{:.2f} to {:.2f}".format(*(100 * end for end in found["interval_95"])),
                round(found["mean_score"], 5),
            ]
            for name, found in summary["faults"].items()
        ],
    )


def _run_table(summary: dict[str, Any]) -> Table:
    design = summary["design"]
    plan = summary["plan"]
    lines: list[list[object]] = [
        ["design", design["name"]],
        ["lookup tables", design["tables"]],
        ["configuration bits", design["configuration_bits"]],
        ["flip-flops", design["flip_flops"]],
        ["cycles N", summary["cycles"]],
        ["seed", summary.get("seed", plan["seed"])],
        ["mean score", summary["mean_score"]],
    ]
    if design["memories"]:
        lines.insert(4, ["memories", design["memories"]])
    if plan["scrub_cycles"]:
        lines.append(["scrubbed after, cycles", plan["scrub_cycles"]])
    if plan["start"] != 0:
        lines.append(["strikes at cycle", "drawn" if plan["start"] is None else plan["start"]])
    for key, name in (("compare", "compared outputs"), ("alarms", "alarm outputs")):
        if plan[key]:
            lines.append([name, ", ".join(plan[key])])
    if plan["enable"]:
        lines.append(["compared while", plan["enable"]])
    if design["unknown_constants"]:
        lines.append(["x or z read as 0", design["unknown_constants"]])
    return Table(["", "value"], lines)


def _identity_table(summary: dict[str, Any]) -> Table:
    lines: list[list[object]] = [[name, version] for name, version in summary["versions"].items()]
    for key in ("netlist_sha256", "design_sha256", "stimulus_sha256"):
        if key in summary:
            lines.append([key.replace("_sha256", ", SHA-256"), summary[key]])
    return Table(["", "what the numbers belong to"], lines)


def _histogram_sections(rows: Rows) -> list[Section]:
    charts = list(histogram_bars(rows).values())
    words = "The zero bin, gray, holds what never propagated; the bin named 0-0.1 is above 0 up to 0.1."
    return [
        Section("Histogram of vulnerability scores", words, parts=charts[:1]),
        Section("By cell and module", parts=charts[1:]),
    ]


def _convergence(summary: dict[str, Any]) -> Section:
    points = summary["convergence"]
    x = tuple(float(np.log10(point["cycles"])) for point in points)
    means = [
        (at, point["mean_score"])
        for at, point in zip(x, points, strict=True)
        if point["mean_score"] is not None
    ]
    lines = [
        Line("propagated", x, tuple(point["propagated"] for point in points)),
        Line("activated", x, tuple(point["activated"] for point in points)),
        Line("mean score", tuple(at for at, _ in means), tuple(mean for _, mean in means)),
    ]
    if any(high > low for low, high in (point["interval_95"] for point in points)):
        lines += [
            Line(name, x, tuple(point["interval_95"][end] for point in points))
            for end, name in enumerate(("95 % from", "95 % to"))
        ]
    chart = Chart(
        title="What shorter runs would have said",
        x_title="cycles, power of ten",
        y_title="share of faults",
        lines=lines,
        width=560,
        height=340,
    )
    last = points[-2:] if len(points) > 1 else points
    rise = last[-1]["propagated"] - last[0]["propagated"]
    words = (
        f"From {last[0]['cycles']:,} to {last[-1]['cycles']:,} cycles the share that propagates rose by "
        f"{100 * rise:.2f} points; a curve that still rises asks for more cycles or another stimulus."
    )
    return Section("Convergence", words, parts=[chart])


def _latency(rows: Rows) -> Section:
    delay = score.latencies(rows)
    if not len(delay):
        return Section("Latency", "No fault propagated.")
    edges = [edge for edge in DELAY_EDGES if edge <= delay.max()]
    edges.append(int(delay.max()) + 1)
    counts, _ = np.histogram(delay, bins=edges)
    labels = [str(a) if b - a == 1 else f"{a}-{b - 1}" for a, b in pairwise(edges)]
    bars = Bars(
        title="From first activation to first wrong output",
        x_title="cycles",
        y_title="faults",
        labels=labels,
        values=counts.tolist(),
        width=max(560, 62 * len(labels)),
    )
    median, most_of_them = np.percentile(delay, [50, 90])
    words = f"Median {median:g}, 90 % within {most_of_them:g}, at most {delay.max()} cycles."
    return Section("Latency", words, parts=[bars])


def _ranked(title: str, rows: Rows, by: str, most: int) -> Section:
    found = score.ranking(rows, by=by, most=most)
    named = [group.name or (TOP if by == "module" else "(not known)") for group in found]
    highest = max((group.mean for group in found), default=0.0) or 1.0
    heat = Heat(
        [by, f"mean score, 0 to {highest:.3g}", "mean", "sum", "highest", "faults", "propagate"],
        named,
        [group.mean for group in found],
        [[round(g.mean, 4), round(g.total, 3), round(g.most, 4), g.faults, g.propagated] for g in found],
        end=highest,
    )
    words = "By the sum of scores, which is what triplicating would remove; color and bar say the mean."
    return Section(title, words, parts=[heat], wide=by != "module")


def _outputs(summary: dict[str, Any]) -> Section:
    found = summary["outputs"]
    ordered = sorted(found, key=lambda output: (-output["share"], output["name"]))
    drawn = ordered[0]["faults"] if ordered else 0
    heat = Heat(
        ["output", "share of propagating faults that reach it", "share", "mean score", "bits"],
        [output["name"] for output in ordered],
        [output["share"] for output in ordered],
        [[round(o["share"], 4), round(o["mean"], 5), o["bits"]] for o in ordered],
    )
    words = f"Measured on {drawn:,} of the propagating faults; a fault can reach several outputs."
    return Section("Outputs", words, parts=[heat])


def _coverage(found: dict[str, Any]) -> Section:
    lines = [
        ["diagnostic coverage", found["diagnostic_coverage"]],
        ["single-point fault metric, SPFM", found["spfm"]],
        ["latent fault metric, LFM", found["lfm"]],
    ]
    if found["tolerated_cycles"] is not None:
        lines.append(["alarms count until, cycles after the error", found["tolerated_cycles"]])
        lines.append(["faults whose alarm comes later", found["late"]])
    words = "ISO 26262-5, every fault taken to be equally frequent; latent in the strictest reading."
    return Section("Diagnostic coverage", words, parts=[Table(["metric", "value"], lines)])


def _spread(found: dict[str, Any]) -> Section:
    ranks = [value for value in found["rank_correlation"] if value is not None]
    lines = [
        ["stimuli", found["runs"]],
        ["mean scores", ", ".join(f"{value:.5f}" for value in found["mean_score"])],
        ["their standard deviation", found["mean_score_sd"]],
        ["propagated, standard deviation", found["propagated_sd"]],
        ["rank correlation of cells with the first, least", min(ranks, default=None)],
    ]
    return Section("Other stimuli", parts=[Table(["", "value"], lines)])
