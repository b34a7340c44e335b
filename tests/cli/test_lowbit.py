"""`vedette lowbit` as a user types it."""

import json

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from vedette.cli.lowbit import lowbit
from vedette.errors import VedetteError


@pytest.fixture(scope="module")
def tiles(tmp_path_factory):
    """Bright and dark tiles with noise, 16 pixels a side."""
    folder = tmp_path_factory.mktemp("tiles") / "tiles"
    random = np.random.default_rng(0)
    for label, level in (("bright", 180), ("dark", 60)):
        (folder / label).mkdir(parents=True)
        for index in range(28):
            pixels = np.clip(random.normal(level, 25, (32, 32, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / label / f"{index:02}.png")
    return folder


@pytest.fixture(scope="module")
def trained(tiles, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run") / "run"
    result = run("train", "--recipe", "smoke", "--images", str(tiles), "-o", str(folder), "--steps", "12")
    return folder, result


def run(*arguments: str, code: int = 0):
    result = CliRunner().invoke(lowbit, list(arguments))
    assert result.exit_code == code, result.output
    return result


def test_train_prints_the_plan_and_writes_a_classifier(trained, tiles):
    folder, result = trained
    assert "blocks.0.conv1" in result.output and "first or last layer" in result.output
    assert {p.name for p in folder.iterdir()} == {
        "run.json", "metrics.jsonl", "checkpoint.safetensors", "classifier.safetensors"
    }  # fmt: skip
    assert json.loads((folder / "run.json").read_text())["classes"] == ["bright", "dark"]
    found = json.loads(
        run("evaluate", str(tiles), "--weights", str(folder / "classifier.safetensors"), "--json").output
    )
    assert found["images"] == 8 and 0 <= found["accuracy_percent"] <= 100


def test_adapt_keeps_its_budgets_and_learns(trained, tiles, tmp_path):
    weights = str(trained[0] / "classifier.safetensors")
    out = tmp_path / "mine.safetensors"
    arguments = [
        "adapt",
        str(tiles),
        "--weights",
        weights,
        "-o",
        str(out),
        "--seconds",
        "4",
        "--memory",
        "60MB",
    ]
    found = json.loads(run(*arguments, "--learning-rate", "0.05", "--json").output)
    assert found["seconds"] < 12 and found["steps"] >= 1 and out.exists()
    assert found["memory_bytes"] <= 60e6
    assert found["kept_bytes_per_image"] < 0.4 * found["float_bytes_per_image"]
    assert found["accuracy_after_percent"] >= 75
    run("evaluate", str(tiles), "--weights", str(out))


def test_adapt_to_other_classes_begins_a_new_last_layer(trained, tiles, tmp_path):
    other = tmp_path / "three"
    for label in ("x", "y", "z"):
        (other / label).mkdir(parents=True)
        for index, file in enumerate(sorted((tiles / "dark").iterdir())[:8]):
            (other / label / f"{index}.png").write_bytes(file.read_bytes())
    weights = str(trained[0] / "classifier.safetensors")
    out = str(tmp_path / "three.safetensors")
    found = json.loads(
        run(
            "adapt", str(other), "--weights", weights, "-o", out, "--seconds", "1", "--bits", "4", "--json"
        ).output
    )
    assert found["classes"] == 3


def test_adapt_says_when_there_is_nothing_to_test_on(trained, tiles, tmp_path):
    for label in ("bright", "dark"):
        (tmp_path / "few" / label).mkdir(parents=True)
        (tmp_path / "few" / label / "0.png").write_bytes((tiles / label / "00.png").read_bytes())
    weights = str(trained[0] / "classifier.safetensors")
    arguments = ["adapt", str(tmp_path / "few"), "--weights", weights, "-o", str(tmp_path / "x.safetensors")]
    result = CliRunner().invoke(lowbit, arguments)
    assert "too few images" in str(result.exception)


def test_report_has_every_layer_and_the_optimum_is_never_worse(trained, tiles):
    weights = str(trained[0] / "classifier.safetensors")
    rows = json.loads(run("report", str(tiles), "--weights", weights, "--batch", "8", "--json").output)
    assert len(rows) == 2 * 20
    for row in rows:
        assert row["bound"]["optimal"] <= min(row["bound"][w] for w in ("shift", "uniform", "tensor")) * 1.001
        assert row["bound"]["channel"] <= row["bound"]["optimal"] * 1.001
        assert row["variance"]["shift"] <= 4 * row["bound"]["channel"] + 1
    text = run("report", str(tiles), "--weights", weights, "--batch", "8").output
    assert "median" in text and "grad_weight" in text


def test_bench_times_one_layer():
    rows = json.loads(run("bench", "--rows", "64", "--columns", "32", "--inner", "32", "--json").output)
    assert rows[0]["milliseconds"].keys() == {"integers", "bf16", "fp32"}
    assert rows[0]["over_bf16"] > 0


def test_recipes_are_listed():
    assert "resnet20-444" in run("recipes").output
    assert json.loads(run("recipes", "--json").output)["vit-666"]["precision"]["grad_bits"] == 6


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["train", "--recipe", "nothing"], "nothing"),
        (["adapt", "--memory", "1MB"], "two images need"),
        (["adapt", "--seconds", "0"], "0.0 seconds"),
        (["adapt", "--seconds", "nan"], "nan seconds"),
        (["adapt", "--weights", "nothing"], "nothing"),
        (["evaluate", "--weights", "nothing"], "nothing"),
    ],
)
def test_mistakes_get_one_clear_error(trained, tiles, tmp_path, arguments, message):
    command, *rest = arguments
    if command == "train":
        rest += ["--images", str(tiles), "-o", str(tmp_path / "run")]
    else:
        rest = [str(tiles), *rest]
    if "--weights" not in rest and command != "train":
        rest += ["--weights", str(trained[0] / "classifier.safetensors")]
    if command == "adapt":
        rest += ["-o", str(tmp_path / "out.safetensors")]
    result = CliRunner().invoke(lowbit, [command, *rest])
    assert isinstance(result.exception, VedetteError), result.output
    assert message in str(result.exception) and result.exception.hint
    assert not (tmp_path / "out.safetensors").exists()


@pytest.mark.parametrize("bits", ["1", "9", "4/4", "4/x/4", "4/4/4/4"])
def test_bits_that_are_none_are_a_usage_error(bits):
    assert "number of bits" in run("bench", "--bits", bits, code=2).output


def test_evaluate_refuses_other_classes(trained, tiles, tmp_path):
    other = tmp_path / "other"
    for label in ("x", "y"):
        (other / label).mkdir(parents=True)
        for index in range(7):
            (other / label / f"{index}.png").write_bytes((tiles / "dark" / "00.png").read_bytes())
    result = CliRunner().invoke(
        lowbit, ["evaluate", str(other), "--weights", str(trained[0] / "classifier.safetensors")]
    )
    assert "classes x, y" in str(result.exception)
