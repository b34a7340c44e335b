"""Resources: the memory rule, the list of blocks, the fits against Yosys; a device of one's own."""

import json
from dataclasses import asdict

import numpy as np
import pytest
from click.testing import CliRunner
from needs import yosys

from vedette.cli.hardware import hardware
from vedette.errors import InputError, ToolError, UnknownNameError
from vedette.hardware.characterize import Cache, fit_block
from vedette.hardware.coefficients import read_coefficients
from vedette.hardware.device_file import device_or_file
from vedette.hardware.devices import DEVICES, device
from vedette.hardware.engine import Engine
from vedette.hardware.memory_cost import memory_cells
from vedette.hardware.resources import parts, resources
from vedette.hardware.rtl.simulate import FOLDER
from vedette.tools import yosys as tool
from vedette.tools.cells import Cells, count, own_cells

SMALL = Engine(tokens=8, first=512, second=128, chances=64, wide=2048, chunks_most=32, words_most=16)


def test_cells_count_as_the_vendor_has_them():
    assert count({"LUT2": 1, "INV": 2, "RAM32M": 1, "CARRY4": 9, "MUXF8": 3}) == Cells(luts=7)
    assert count({"FDSE": 2, "DSP48E1": 3, "RAMB18E1": 1, "RAMB36E1": 2}) == Cells(ffs=2, dsps=3, bram18=5)
    with pytest.raises(ToolError, match="GTXE2"):
        count({"GTXE2_CHANNEL": 1})


def test_a_memory_never_takes_fewer_bits_than_it_holds():
    r = np.random.default_rng(2)
    for width, depth in zip(r.integers(1, 600, 200), 2 ** r.uniform(3, 16, 200), strict=True):
        for family in ("xcup", "xc7"):
            found = memory_cells(int(width), int(depth), family)
            there = found.bram18 * 18 * 1024 + found.luts * 64
            assert there >= int(width) * int(depth)


def test_an_engine_is_the_sum_of_its_parts_and_packing_halves_its_products():
    found = resources(SMALL, device("zcu102"))
    assert found.total == sum(found.by_block.values(), Cells())
    plain = resources(Engine(**{**asdict(SMALL), "packed": False}), device("zcu102"))
    assert found.by_block["products"].dsps == 512 and plain.by_block["products"].dsps == 1024
    assert found.bram18 > 0 and 0 < found.shares()["luts"] < 1


def test_more_memory_takes_more_block_ram_and_nothing_else_than_tables_to_choose():
    larger = Engine(**{**asdict(SMALL), "first": 4096})
    one, other = (resources(engine, device("zcu102")) for engine in (SMALL, larger))
    assert other.bram18 - one.bram18 == 8 * (30 - 4)  # 15 RAMB36 of 4096 x 9, against 2 of 512 x 72
    assert other.dsps == one.dsps


def test_a_family_that_was_not_measured_is_refused_by_name():
    with pytest.raises(InputError, match="ice40") as caught:
        resources(SMALL, device("ice40-up5k"))
    assert "xcup" in caught.value.hint
    with pytest.raises(UnknownNameError):
        memory_cells(8, 8, "ice40")


def test_fits_are_exact_where_blocks_are_linear_and_refuse_dsps_that_are_not():
    points = [{"LANES": lanes} for lanes in (4, 8, 16)]
    made = [Cells(luts=100 + 7 * p["LANES"], ffs=3 * p["LANES"]) for p in points]
    found = fit_block("lookup", points, made, "xcup")
    assert found["luts"] == pytest.approx({"one": 100, "lanes": 7}, abs=0.01)
    points = [{"N": n, "PACKED": 1} for n in (1, 2, 3)]
    with pytest.raises(ToolError, match="DSPs of dot"):
        fit_block("dot", points, [Cells(dsps=n) for n in (1, 2, 5)], "xcup")


def test_coefficients_say_what_made_them():
    found = read_coefficients()
    assert found["yosys"].startswith("Yosys ")
    assert "dot" in found["families"]["xcup"]


@pytest.mark.sim
@yosys
def test_small_blocks_are_predicted_as_yosys_makes_them():
    drawn = ((20, 96), (30, 600), (9, 5000), (36, 32768))
    sizes = [{"WIDTH": width, "DEPTH": depth} for width, depth in drawn]
    made = own_cells(FOLDER, "memory", sizes, family="xcup")
    assert made == [memory_cells(p["WIDTH"], p["DEPTH"], "xcup") for p in sizes]


@pytest.mark.sim
@yosys
def test_what_was_measured_is_not_measured_again(tmp_path, monkeypatch):
    each = [{"N": 1, "PACKED": 1}]
    cells, synthesized = Cache(tmp_path / "cache.json").measure(FOLDER, "dot", each, "xcup")
    assert synthesized == 1 and cells[0].dsps == 1
    monkeypatch.setattr(tool, "run", lambda *_: pytest.fail("Yosys was started"))
    assert Cache(tmp_path / "cache.json").measure(FOLDER, "dot", each, "xcup") == (cells, 0)


@pytest.mark.sim
@pytest.mark.slow
@yosys
@pytest.mark.parametrize("engine", [SMALL, Engine(tokens=16, terms=16, packed=False, rows_most=512)])
def test_the_list_of_parts_is_the_hierarchy_that_yosys_finds(engine, tmp_path):
    blocks = ("window", "dot", "memory", "slots", "lookup", "softmax", "layer_norm", "select", "gemm")
    sets = {name.upper(): int(value) for name, value in asdict(engine).items()}
    commands = [f"read_verilog -sv {name}.sv" for name in (*blocks, "engine")]
    commands.append("chparam " + " ".join(f"-set {k} {v}" for k, v in sets.items()) + " engine")
    commands += ["hierarchy -check -top engine", "proc", f"write_json {tmp_path / 'h.json'}"]
    tool.run(commands, folder=FOLDER)
    modules = json.loads((tmp_path / "h.json").read_text())["modules"]

    def walk(name, times, found):
        module = modules[name]
        block = next(
            b for b in (*blocks, "engine") if b == module["attributes"].get("hdlname", name).split("\\")[-1]
        )
        values = {k: int(v, 2) for k, v in module.get("parameter_default_values", {}).items()}
        found.append((block, values, times))
        for cell in module["cells"].values():
            if cell["type"] in modules:
                walk(cell["type"], times, found)
        return found

    there = walk(next(n for n, m in modules.items() if "top" in m["attributes"]), 1, [])
    for part in parts(engine):
        same = [v for block, v, _ in there if block == part.block and part.parameters.items() <= v.items()]
        same = same or [v for block, v, _ in there if block == part.block and not v]
        assert len(same) >= part.instances, part
    assert len(there) == sum(part.instances for part in parts(engine))


def written(folder, **changes):
    """A copy of the zcu102 as a file, with other or without fields (None)."""
    fields = {**asdict(DEVICES["zcu102"]), **changes}
    path = folder / "mine.json"
    path.write_text(json.dumps({k: v for k, v in fields.items() if v is not None}))
    return str(path)


def test_a_device_file_is_read_as_it_was_printed(tmp_path):
    assert device_or_file(written(tmp_path)) == DEVICES["zcu102"]
    said = CliRunner().invoke(hardware, ["devices", "kv260", "--json"], catch_exceptions=False).output
    (tmp_path / "kv.json").write_text(said)
    assert device_or_file(str(tmp_path / "kv.json")) == DEVICES["kv260"]
    assert device_or_file(written(tmp_path, lut_inputs=None)).lut_inputs == 6


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"luts": "many"}, 'luts is "many"'),
        ({"luts": 1.5}, "luts is 1.5"),
        ({"uram": True}, "uram is true"),
        ({"dsps": None}, "dsps missing"),
        ({"brams": 3}, "unknown brams"),
        ({"dsp_ports": [27]}, "dsp_ports is"),
        ({"ffs": -1}, "below 0"),
    ],
)
def test_wrong_fields_of_a_device_file_are_named(tmp_path, changes, said):
    with pytest.raises(InputError, match=said) as caught:
        device_or_file(written(tmp_path, **changes))
    assert caught.value.hint


def test_files_that_are_no_device_are_refused(tmp_path):
    for text in ("{", "[]", json.dumps({name: asdict(d) for name, d in DEVICES.items()})):
        (tmp_path / "x.json").write_text(text)
        with pytest.raises(InputError):
            device_or_file(str(tmp_path / "x.json"))
    with pytest.raises(InputError, match="cannot be read"):
        device_or_file(str(tmp_path / "none.json"))


def test_estimate_shows_resources_by_block_on_a_device_of_ones_own(tmp_path):
    words = ["estimate", "deit-tiny", "--device", written(tmp_path, name="mine", luts=100_000), "--json"]
    found = json.loads(CliRunner().invoke(hardware, words, catch_exceptions=False).output)
    assert found["device"].startswith("mine") and "of 100,000" in found["LUT"]
    assert sum(counts["DSP"] for counts in found["by_block"].values()) == int(
        found["DSP"].split()[0].replace(",", "")
    )
    words[3] = "ice40-up5k"
    assert "not characterized" in CliRunner().invoke(hardware, words[:-1], catch_exceptions=False).output
