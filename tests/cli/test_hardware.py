"""`vedette hardware` as a user types it."""

import json

import numpy as np
import pytest
from click.testing import CliRunner
from hardware.networks import random_deit, random_input
from needs import verilator

from vedette.cli.hardware import hardware
from vedette.errors import InputError, VedetteError
from vedette.hardware.network import save_network
from vedette.hardware.picture import patches_of


def run(*words):
    return CliRunner().invoke(hardware, [str(word) for word in words], catch_exceptions=False)


def test_devices_have_their_sources():
    assert "DS891" in run("devices").output
    assert json.loads(run("devices", "--json").output)["zcu102"]["dsps"] == 2520


def test_estimate_of_a_named_shape():
    found = json.loads(run("estimate", "deit-tiny", "--json").output)
    assert found["cycles"] == 637_428 and found["images_a_second"] == pytest.approx(313.8)
    assert "cycles exact" in found["sure"]
    small = json.loads(run("estimate", "deit-tiny", "--device", "artix7-35t", "--json").output)
    assert small["bound_by"].startswith("does not fit")


def test_unknown_networks_and_devices_are_named():
    for words in (["estimate", "deit-tinny"], ["estimate", "deit-tiny", "--device", "zcu"]):
        with pytest.raises(VedetteError) as caught:
            run(*words)
        assert caught.value.hint
    with pytest.raises(InputError, match="npz"):
        run("convert", "nothing.npz", "-o", "out")


@pytest.mark.sim
@verilator
def test_a_network_is_built_and_simulated(tmp_path):
    network = random_deit(2, patches=4)
    save_network(network, tmp_path / "net")
    made = json.loads(
        run("build", tmp_path / "net", "-o", tmp_path / "rtl", "--multipliers", 1024, "--json").output
    )
    assert made["stream_bytes"] == (tmp_path / "rtl" / "stream.bin").stat().st_size
    np.save(tmp_path / "x.npy", random_input(network, 1)["patches"])
    found = json.loads(run("simulate", tmp_path / "rtl", "--input", tmp_path / "x.npy", "--json").output)
    assert found["steps_that_differ"] == 0 and found["cycles"] == found["cycles_predicted"]
    engine = json.loads((tmp_path / "rtl" / "engine.json").read_text())
    stream = bytearray((tmp_path / "rtl" / "stream.bin").read_bytes())
    patches = random_input(network, 1)["patches"]
    begin, row = engine["input"]["first_byte"], engine["input"]["row_bytes"]
    for number, patch in enumerate(patches):  # what engine.json says of where the input goes
        stream[begin + number * row : begin + number * row + len(patch)] = patch.tobytes()
    from vedette.hardware.engine import Engine
    from vedette.hardware.program import Program

    whole = Program(network, Engine(**engine["parameters"])).data({"patches": patches})
    assert bytes(stream) == whole.tobytes()


def test_a_picture_becomes_patches_row_by_row():
    how = {"side": 4, "patch": 2, "mean": [0, 0, 0], "std": [1, 1, 1], "scale": 255, "patches": 3}
    image = np.arange(48, dtype=np.uint8).reshape(3, 4, 4)
    found = patches_of(image, how)
    assert found.shape == (3, 12)
    assert found[0].tolist() == [0, 1, 4, 5, 16, 17, 20, 21, 32, 33, 36, 37]
    assert found[1, :2].tolist() == [2, 3]
    with pytest.raises(InputError, match="picture"):
        patches_of(image, {})
