"""The golden DeiT-Tiny through the engine in Verilator: bits, cycles, seconds.

    python benchmarks/hardware/engine.py --data DATA [--json] [--quick]

DATA holds deit-tiny-w3a3. Every stored value of every step is compared with the executor, the logits with the
package's, the cycles of every step with the closed form. `--quick`: the smallest engine only.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np

from vedette.hardware.cycles import program_cycles, total_cycles
from vedette.hardware.program import Program, engine_for
from vedette.hardware.rtl.engine import EngineModel, differences
from vedette.hardware.vit import deit

SIZES = ((8, 8), (16, 8), (16, 16))  # rows and terms at once


def run(folder: Path, tokens: int, terms: int) -> dict[str, Any]:
    """A row: one size of the engine."""
    network = deit(dict(np.load(folder / "weights.npz")))
    vectors = np.load(folder / "vectors.npz")
    inputs = {"patches": vectors["network_input"]}
    program = Program(network, engine_for(network, tokens=tokens, terms=terms))
    start = time.perf_counter()
    with EngineModel(program.engine) as model:
        built = time.perf_counter() - start
        done = model.run(program, inputs)
    counts = program_cycles(program)
    wrong = sum(a != b.total for a, b in zip(done.step_cycles, counts, strict=True))
    return {
        "rows": tokens,
        "terms": terms,
        "multipliers": program.engine.multipliers,
        "steps": len(program.steps),
        "steps_that_differ": len(differences(program, done, inputs)),
        "logits_equal": bool(np.array_equal(done.values[-1][0], vectors["logits"])),
        "cycles": done.cycles,
        "cycles_predicted": total_cycles(program),
        "steps_of_other_cycles": wrong,
        "multipliers_with_work": sum(count.products for count in counts) / done.cycles,
        "build_s": built,
        "simulation_s": done.seconds,
    }


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of deit-tiny-w3a3")
    parser.add_argument("--quick", action="store_true", help="the smallest engine only")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    folder = options.data / "deit-tiny-w3a3"
    found = [run(folder, *sizes) for sizes in (SIZES[:1] if options.quick else SIZES)]
    if options.json:
        print(json.dumps(found, indent=1))
        return
    for row in found:
        print(
            f"{row['multipliers']:,} multipliers: "
            f"{row['cycles']:,} cycles, predicted {row['cycles_predicted']:,}; "
            f"{row['steps_that_differ']} of {row['steps']} steps differ, "
            f"logits {'equal' if row['logits_equal'] else 'DIFFER'}; "
            f"multipliers with work in {100 * row['multipliers_with_work']:.0f} % of cycles; "
            f"built in {row['build_s']:.0f} s, ran {row['simulation_s']:.1f} s"
        )


if __name__ == "__main__":
    main()
