"""The engine's estimate beside published designs: images a second, per DSP, and how much of the device works.

    python benchmarks/hardware/published.py [--json] [--clock-mhz 200]

Ours is an ESTIMATE in one sense: cycles are exact (the engine in Verilator takes them, tests hold that), but
the clock is assumed and nothing was routed. Published figures are quoted (shared anchors; HeatViT's from its
paper as others report it) with their own clock and bits. `roof` is what all DSPs of the device would give,
two 8-bit products each, in every cycle; a share above 90 % would be an error of the model. The pruned row has
the tokens that SPViT's ratios (0.70, 0.39, 0.21) leave before blocks 3, 6 and 9, and a score of one output.
"""

import argparse
import json
from typing import Any

import numpy as np

from vedette.hardware.cycles import total_cycles
from vedette.hardware.devices import device
from vedette.hardware.network import Network
from vedette.hardware.program import Program, engine_for
from vedette.hardware.pruned import Scorer, with_selection
from vedette.hardware.vit import SHAPES, shaped

RATIOS = {3: 0.70, 6: 0.39, 9: 0.21}
SIZES = ((8, 8), (16, 8), (16, 16))  # rows and terms at once
# design, network, device, bits, images/s, with fewer tokens
PUBLISHED = (
    ("HeatViT, before", "deit-tiny", "zcu102", "16", 78.3, False),
    ("HeatViT", "deit-tiny", "zcu102", "8", 271.2, True),
    ("HeatViT", "deit-small", "zcu102", "8", 109.2, True),
    ("HeatViT", "deit-base", "zcu102", "8", 54.8, True),
    ("Auto-ViT-Acc", "deit-base", "zcu102", "mixed", 56.8, False),
    ("VAQF", "deit-base", "zcu102", "W1A8", 24.0, False),
    ("HG-PIPE", "deit-tiny", "vck190", "3", 7118.0, False),
)


def pruned(name: str) -> tuple[Network, list[int]]:
    """A shape with selections, and the tokens that they leave: the class, those kept, the package."""
    network, width = shaped(name), SHAPES[name].embed_dim
    scorer = Scorer(
        weight=np.zeros(width, dtype=np.int64),
        bias=0,
        table=np.zeros(64, dtype=np.int64),
        offset=0,
        shift=0,
        threshold=64,
    )
    for block in RATIOS:
        network = with_selection(network, f"stream{2 * block}", scorer)
    return network, [2 + round(ratio * (SHAPES[name].tokens - 1)) for ratio in RATIOS.values()]


def ours(name: str, sizes: tuple[int, int], clock_mhz: float, *, fewer: bool) -> dict[str, Any]:
    """A row of the engine."""
    network, kept = pruned(name) if fewer else (shaped(name), [])
    program = Program(network, engine_for(network, tokens=sizes[0], terms=sizes[1]))
    cycles = total_cycles(program, kept)
    rate, dsps = clock_mhz * 1e6 / cycles, program.engine.multipliers // 2
    roof = device("zcu102").roof_gmac_s(clock_mhz=clock_mhz) * 1e9 / SHAPES[name].macs
    return {
        "design": "vedette, estimate",
        "network": name,
        "device": "zcu102",
        "bits": "8",
        "fewer_tokens": fewer,
        "clock_mhz": clock_mhz,
        "cycles": cycles,
        "images_a_second": rate,
        "dsp_of_products": dsps,
        "images_a_second_per_dsp": rate / dsps,
        "roof_images_a_second": None if fewer else roof,
        "of_the_roof": None if fewer else rate / roof,
        "multipliers_busy": None if fewer else SHAPES[name].macs / program.engine.multipliers / cycles,
    }


def table(rows: list[dict[str, Any]]) -> str:
    """The rows in Markdown."""
    lines = [
        "| design | network | device | bits | fewer tokens | MHz | images/s | DSP of products | per DSP "
        "| roof | of it | multipliers busy |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        share = [row.get("of_the_roof"), row.get("multipliers_busy")]
        cells = [
            row["design"],
            row["network"],
            row["device"],
            row["bits"],
            "yes" if row["fewer_tokens"] else "",
            f"{row['clock_mhz']:g}" if row.get("clock_mhz") else "",
            f"{row['images_a_second']:,.1f}",
            f"{row['dsp_of_products']:,}" if row.get("dsp_of_products") else "",
            f"{row['images_a_second_per_dsp']:.3f}" if row.get("images_a_second_per_dsp") else "",
            f"{row['roof_images_a_second']:,.0f}" if row.get("roof_images_a_second") else "",
            *("" if value is None else f"{100 * value:.0f} %" for value in share),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Compute and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clock-mhz", type=float, default=200.0)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rows: list[dict[str, Any]] = [
        {
            "design": design,
            "network": network,
            "device": where,
            "bits": bits,
            "images_a_second": rate,
            "fewer_tokens": fewer,
        }
        for design, network, where, bits, rate, fewer in PUBLISHED
    ]
    for name in ("deit-tiny", "deit-small", "deit-base"):
        rows += [ours(name, sizes, options.clock_mhz, fewer=False) for sizes in SIZES]
        rows += [ours(name, SIZES[-1], clock, fewer=False) for clock in (150.0,)]
        rows.append(ours(name, SIZES[-1], options.clock_mhz, fewer=True))
    print(json.dumps(rows, indent=1) if options.json else table(rows))


if __name__ == "__main__":
    main()
