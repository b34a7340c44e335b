"""`vedette softerror` as a user types it, on circuits that ship with the package."""

import csv
import json
import re

import needs
import pytest
from click.testing import CliRunner

from vedette.cli import vedette
from vedette.cli.softerror_options import Percent
from vedette.errors import InputError, UnknownNameError, VedetteError
from vedette.hardware import netlist
from vedette.softerror.samples import sample, sample_source

CRC = sample_source("crc").with_name("crc.json.gz")
DELAY = CRC.with_name("delay.json.gz")  # it has no reset


def call(*words, code: int = 0) -> str:
    result = CliRunner().invoke(vedette, ["softerror", *map(str, words)], catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result.stdout


def refused(*words) -> VedetteError:
    with pytest.raises(VedetteError) as caught:
        CliRunner().invoke(vedette, ["softerror", *map(str, words)], catch_exceptions=False)
    assert "\n" not in str(caught.value) and caught.value.hint
    return caught.value


@pytest.fixture(scope="module")
def campaign(tmp_path_factory):
    folder = tmp_path_factory.mktemp("campaign") / "out"
    return folder, json.loads(call("run", CRC, "--cycles", 120, "-o", folder, "--json"))


def test_a_campaign_writes_rows_summary_and_page(campaign):
    folder, summary = campaign
    with (folder / "faults.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == sample("crc").configuration_bits == summary["faults"]["init"]["run"]
    assert {row["class"] for row in rows} <= {"unreachable", "not_activated", "masked", "propagated"}
    assert sum(float(row["score"]) for row in rows) / len(rows) == pytest.approx(summary["mean_score"])
    assert "<svg" in (folder / "report.html").read_text()
    kept = json.loads((folder / "summary.json").read_text())
    assert kept == {name: value for name, value in summary.items() if name != "seconds"}
    assert re.fullmatch("[0-9a-f]{64}", kept["netlist_sha256"]) and kept["seed"] == 1


def test_the_same_command_goes_on_and_another_seed_is_refused(campaign):
    folder, summary = campaign
    before = (folder / "faults.csv").read_bytes()
    again = json.loads(call("run", CRC, "--cycles", 120, "-o", folder, "--json"))
    assert again["classes"] == summary["classes"] and (folder / "faults.csv").read_bytes() == before
    assert "another campaign" in str(refused("run", CRC, "--cycles", 120, "--seed", 2, "-o", folder))


def test_threads_and_pruning_change_no_byte(campaign, tmp_path):
    folder, _ = campaign
    call("run", CRC, "--cycles", 120, "-o", tmp_path / "b", "--threads", 2, "--no-prune")
    for name in ("faults.csv", "summary.json", "design.json.gz", "stimulus.npz"):
        assert (tmp_path / "b" / name).read_bytes() == (folder / name).read_bytes()


def test_a_report_is_printed_and_written_again(campaign, tmp_path):
    folder, summary = campaign
    text = call("report", folder, "-o", tmp_path / "page.html")
    assert "propagate %" in text and "Scope" in text
    assert (tmp_path / "page.html").read_text().startswith("<!DOCTYPE html>")
    assert json.loads(call("report", folder, "--json"))["classes"] == summary["classes"]


def test_every_class_of_faults_runs_with_a_window_and_several_stimuli(tmp_path):
    words = ["--faults", "init,state,attributes,pins,pairs", "--sample", 25, "--strike", "random"]
    words += ["--scrub-after", 30, "--seeds", 2, "--by-module", "--drive", "enable=p0.9"]
    counter = sample_source("counter").with_name("counter.json.gz")
    found = json.loads(call("run", counter, "--cycles", 100, *words, "-o", tmp_path / "o", "--json"))
    assert {name: entry["run"] <= 25 for name, entry in found["faults"].items()} == dict.fromkeys(
        ("init", "state", "attributes", "pins", "pairs"), True
    )
    assert found["spread"]["runs"] == 2
    assert "Other stimuli" in (tmp_path / "o/report.html").read_text()


def test_pins_of_flip_flops_have_rows_and_go_with_harden_and_export(tmp_path):
    counter, out = sample_source("counter").with_name("counter.json.gz"), tmp_path / "out"
    call("run", counter, "--cycles", 60, "--faults", "init,pins", "-o", out)
    with (out / "faults.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["kind"] == "pins" and row["bit"][0] != "I"]
    names = {flip_flop.name for flip_flop in sample("counter").flip_flops}
    assert {row["cell"] for row in rows} == names and {"D=0", "D=1"} <= {row["bit"] for row in rows}
    call("export", out, "--fault", rows[0]["id"], "-o", tmp_path / "copy.v")
    assert "reads bit" in (tmp_path / "copy.v").read_text()
    found = json.loads(call("harden", out, "--full", "-o", tmp_path / "tmr", "--json"))
    assert found["protected_bits_that_propagate"] == 0
    with (tmp_path / "tmr/faults.csv").open() as file:
        copies = [row for row in csv.DictReader(file) if "_tmr" in row["cell"] and row["bit"][0] != "I"]
    struck = [row for row in copies if row["kind"] == "pins"]
    assert len(struck) == 3 * len(rows) and {row["score"] for row in struck} == {"0.00000000"}


def test_vectors_alarms_and_fit(tmp_path):
    design = sample("crc")
    header = [port.name for port in design.inputs]
    lines = [",".join(header)]
    lines += [",".join(str((7 * c + i) >> 1 & 1) for i in range(len(header))) for c in range(60)]
    (tmp_path / "v.csv").write_text("\n".join(lines) + "\n")
    outputs = [port.name for port in design.outputs]
    words = ["--vectors", tmp_path / "v.csv"]
    if len(outputs) > 1:
        words += ["--alarm", outputs[-1]]
    found = json.loads(call("run", CRC, *words, "-o", tmp_path / "o", "--json"))
    assert found["cycles"] == 60
    text = call("fit", tmp_path / "o", "--cross-section", 7e-15, "--flux", 13, "--source", "a beam test")
    assert "a beam test" in text and "9 %" in text
    assert ("SPFM" in text) == (len(outputs) > 1)
    total = json.loads(call("fit", tmp_path / "o", "--fit-per-mbit", 2**20, "--json"))["total"]
    assert total["upsets_fit"] == design.configuration_bits  # one FIT a bit


def test_the_page_and_fit_count_the_same_alarms(tmp_path):
    counter = sample_source("counter").with_name("counter.json.gz")
    alarm = sample("counter").outputs[-1].name
    words = ["--cycles", 100, "--faults", "init", "--alarm", alarm]
    metrics = []
    for name, more in (("any", []), ("soon", ["--tolerated-cycles", 0])):
        found = json.loads(call("run", counter, *words, *more, "-o", tmp_path / name, "--json"))["coverage"]
        table = json.loads(call("fit", tmp_path / name, "--fit-per-mbit", 1, "--json"))["safety"]
        for metric in ("spfm", "lfm", "diagnostic_coverage"):
            assert found[metric] == pytest.approx(table[metric])
        assert found["late"] == table["late"]
        metrics.append(found)
    assert metrics[0]["late"] == 0 < metrics[1]["late"] and metrics[0]["spfm"] > metrics[1]["spfm"]
    assert "alarm comes later" in (tmp_path / "soon/report.html").read_text()
    assert "tolerated" in str(refused("run", counter, "--tolerated-cycles", 3, "-o", tmp_path / "none"))


def test_hardening_everything_leaves_the_output_voters_alone(campaign, tmp_path):
    folder, _ = campaign
    found = json.loads(call("harden", folder, "--full", "-o", tmp_path / "tmr", "--json"))
    assert found["protected_bits_that_propagate"] == 0 < found["protected_bits"]
    assert found["score_sum_after"] == len(sample("crc").output_bits)  # spec 3.12: exactly 1.0 per output bit
    assert "module" in (tmp_path / "tmr/hardened.v").read_text()
    assert json.loads((tmp_path / "tmr/summary.json").read_text())["hardened_from"]


def test_hardening_within_a_budget_stays_within_it(campaign, tmp_path):
    folder, _ = campaign
    found = json.loads(call("harden", folder, "--budget", "250%", "-o", tmp_path / "part", "--json"))
    assert found["overhead_percent"] <= 250
    assert found["score_sum_after"] <= found["score_sum_before"]
    assert (tmp_path / "part/curve.csv").read_text().startswith("lut_overhead_percent")
    assert len((tmp_path / "part/cells.txt").read_text().splitlines()) == found["triplicated_cells"]


def test_a_fault_is_exported_by_its_id(campaign, tmp_path):
    folder, _ = campaign
    call("export", folder, "--fault", 3, "-o", tmp_path / "copy.v")
    assert "configuration bits 3 inverted" in (tmp_path / "copy.v").read_text()
    text = call("export", folder, "--fault", 3, "-o", tmp_path / "select.v", "--form", "select")
    assert re.search(r"fbit +3", text) and "fsel" in (tmp_path / "select.v").read_text()
    assert "no fault 99999" in str(refused("export", folder, "--fault", 99999, "-o", tmp_path / "x.v"))


@pytest.mark.sim
@needs.yosys
@needs.verilator
def test_verilog_goes_in_and_verilator_agrees(tmp_path):
    netlist = tmp_path / "fsm.json"
    made = json.loads(call("synth", sample_source("fsm"), "--top", "fsm", "-o", netlist, "--json"))
    assert made["made_by"].startswith("Yosys")
    call("run", netlist, "--cycles", 200, "-o", tmp_path / "out")
    found = json.loads(call("check", tmp_path / "out", "--sample", 40, "--json"))
    assert found["agree"] and found["faults"] == 40 and found["distinct_output_streams"] > 5


@pytest.mark.parametrize(
    ("words", "error", "message"),
    [
        (["--faults", "inits"], UnknownNameError, "fault class"),
        (["--compare", "nothing"], UnknownNameError, "output port"),
        (["--drive", "nothing=1"], UnknownNameError, "input port"),
        (["--backend", "gpu"], UnknownNameError, "back end"),
        (["--until-interval", "3"], InputError, "interval"),
        (["--vectors", "none.csv"], InputError, "none.csv"),
        (["--strike", "5000"], InputError, "cycle 5000"),
        (["--until-interval", "nan"], InputError, "interval of nan"),
        (["--family", "xcup"], InputError, "--family would have no effect beside the netlist"),
        (["--structural", "--no-blocks"], InputError, "--structural, --no-blocks would have no effect"),
        (["--by-module"], InputError, "--by-module would have no effect beside every fault"),
        (["--faults", "state", "--scrub-after", "3"], InputError, "--scrub-after would have no effect"),
        (["--reset", "valid", "--drive", "valid=1"], InputError, "valid is driven in 2 ways"),
        (["--compare", "crc", "--alarm", "crc"], InputError, "crc is to be compared, and an alarm"),
        (["--enable", "valid", "--drive", "valid=0"], InputError, "valid is 0 in all 50 cycles"),
    ],
)
def test_a_wrong_option_is_one_line_and_a_hint(tmp_path, words, error, message):
    cycles = [] if "--vectors" in words else ["--cycles", "50"]
    caught = refused("run", CRC, *cycles, *words, "-o", tmp_path / "o")
    assert isinstance(caught, error) and message in str(caught)


@pytest.mark.parametrize(
    "command", [["report"], ["check"], ["harden", "-o", "x"], ["fit", "--fit-per-mbit", "1"]]
)
def test_a_folder_without_a_campaign_is_refused(tmp_path, command):
    name, *rest = command
    assert "holds no" in str(refused(name, tmp_path, *rest))


@pytest.mark.parametrize(
    "words",
    [
        ["run", "a.json", "--seed", "-1", "-o", "x"],
        ["run", "a.json", "--strike", "-1", "-o", "x"],
        ["harden", "x", "-o", "y", "--budget", "much"],
    ],
)
def test_wrong_usage_exits_with_two(tmp_path, monkeypatch, words):
    monkeypatch.chdir(tmp_path)
    assert CliRunner().invoke(vedette, ["softerror", *words]).exit_code == 2


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["run", "a.txt", "-o", "x"], "a.txt: neither Verilog nor a netlist"),
        (["run", "a.v", "-o", "x"], "without its top module"),
        (["run", "a.v", "--top", "a", "--structural", "--family", "xcu", "-o", "x"], "--family would have"),
        (["synth", "a.v", "--top", "a", "--structural", "--no-blocks", "-o", "x"], "--no-blocks would have"),
        (["run", "a.json", "--vectors", "v.csv", "--seeds", "2", "-o", "x"], "--seeds would have no effect"),
        (["run", "a.json", "--vectors", "v.csv", "--reset-cycles", "2", "-o", "x"], "--reset-cycles would"),
        (["run", DELAY, "--reset-cycles", "3", "-o", "x"], "no effect beside delay: no input"),
        (["fit", "x", "--flux", "1"], "not --flux"),
        (["fit", "x"], "not none"),
        (["fit", "x", "--fit-per-mbit", "1", "--preset", "a"], "--fit-per-mbit with --preset"),
        (["fit", "x", "--preset", "7-series-new-york", "--source", "us"], "--source would have no effect"),
        (["fit", "x", "--fit-per-mbit", "-1"], "FIT per Mbit of -1"),
        (["fit", "x", "--fit-per-mbit", "nan"], "FIT per Mbit of nan"),
        (["harden", "x", "--full", "--budget", "30%", "-o", "y"], "--budget would have no effect"),
        (["run", "a.v", "--top", "a", "--scheduler", "locale:2", "-o", "x"], "'locale:2' names no scheduler"),
    ],
)
def test_what_contradicts_itself_is_refused_before_any_file_is_read(tmp_path, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    assert message in str(refused(*words))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "words", [["run", "none.json"], ["run", "none.v", "--top", "none"], ["harden", "none", "--full"]]
)
def test_an_output_folder_that_cannot_be_written_is_found_first(tmp_path, monkeypatch, words):
    (tmp_path / "file").touch()
    assert "file is a file" in str(refused(*words, "-o", tmp_path / "file" / "deep" / "out"))
    monkeypatch.setattr("vedette.images.files.os.access", lambda *_: False)  # root may write everywhere
    assert f"the folder {tmp_path} is read-only" in str(refused(*words, "-o", tmp_path / "out"))


def test_vectors_shorter_than_the_cycles_asked_for_are_refused(tmp_path):
    path = tmp_path / "v.csv"
    path.write_text(",".join(port.name for port in sample("delay").inputs) + "\n" + "1,0\n" * 30)
    words = ["run", DELAY, "--vectors", path, "-o", tmp_path / "o", "--json", "--cycles"]
    assert "has 30 cycles" in str(refused(*words, 31))
    assert json.loads(call(*words, 29))["cycles"] == 29


def test_late_alarms_need_alarms(campaign):
    words = ["--fit-per-mbit", 1, "--tolerated-cycles", 3]
    assert "has no alarm outputs" in str(refused("fit", campaign[0], *words))


def test_a_damaged_row_says_how_to_go_on(tmp_path):
    words = ["run", DELAY, "--cycles", 20, "-o", tmp_path / "o"]
    call(*words)
    path = tmp_path / "o/faults.csv"
    whole = path.read_bytes()
    path.write_bytes(whole[:-9])
    assert "delete that file" in refused(*words).hint
    path.unlink()
    call(*words)
    assert path.read_bytes() == whole


@pytest.mark.timeout(180)
@needs.dask
def test_run_on_local_workers_writes_the_same_bytes(campaign, tmp_path):
    folder, _ = campaign
    call("run", CRC, "--cycles", 120, "-o", tmp_path / "out", "--scheduler", "local:2")
    for name in ("faults.csv", "summary.json"):
        assert (tmp_path / "out" / name).read_bytes() == (folder / name).read_bytes()


@pytest.mark.timeout(180)
@needs.dask
def test_harden_on_local_workers_writes_the_same_bytes(tmp_path):
    call("run", DELAY, "--cycles", 50, "-o", tmp_path / "out")
    for name, words in (("here", []), ("there", ["--scheduler", "local:2"])):
        call("harden", tmp_path / "out", "--full", "-o", tmp_path / name, *words)
    for name in ("faults.csv", "summary.json", "hardened.v"):
        assert (tmp_path / "there" / name).read_bytes() == (tmp_path / "here" / name).read_bytes()


@pytest.mark.sim
@needs.yosys
def test_without_blocks_a_product_is_made_of_tables(tmp_path):
    source = tmp_path / "product.v"  # 8 x 8 bits: a DSP block, where one may be used
    source.write_text(
        "module product(input clk, input [7:0] a, b, output reg [15:0] p);\n"
        "  always @(posedge clk) p <= a * b;\nendmodule\n"
    )
    call("run", source, "--top", "product", "--no-blocks", "--cycles", 10, "-o", tmp_path / "o")
    kinds = {cell.type for cell in netlist.read(tmp_path / "o/netlist.json").cells}
    assert "LUT6" in kinds and "DSP48E1" not in kinds


@pytest.mark.sim
@needs.yosys
def test_verilog_that_is_no_netlist_is_refused_as_structural(tmp_path):
    words = ["--top", "fsm", "--structural", "-o", tmp_path / "o"]
    caught = refused("run", sample_source("fsm"), *words)
    assert "not modeled" in str(caught) and "--structural" in caught.hint
    assert not (tmp_path / "o").exists()  # nor would a netlist that is there be replaced


def test_a_missing_netlist_is_named(tmp_path):
    assert "none.json" in str(refused("run", tmp_path / "none.json", "-o", tmp_path / "o"))


@pytest.mark.parametrize(("text", "share"), [("30%", 0.3), ("0.3", 0.3), ("250 %", 2.5), ("0", 0.0)])
def test_shares_are_read_both_ways(text, share):
    assert Percent().convert(text, None, None) == pytest.approx(share)


@pytest.mark.parametrize("name", ["synth", "run", "report", "check", "harden", "export", "fit"])
def test_every_command_shows_an_example(name):
    assert f"vedette softerror {name} " in call(name, "--help")
