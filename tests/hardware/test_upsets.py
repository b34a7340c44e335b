"""Blocks of rtl/ through `vedette softerror`, 7 series: each is synthesized and has bits that matter."""

import json
import re

import pytest
from click.testing import CliRunner
from needs import yosys

from vedette.cli.softerror import softerror
from vedette.hardware.rtl.simulate import FOLDER

pytestmark = [pytest.mark.sim, pytest.mark.slow, pytest.mark.timeout(1200), yosys]
BLOCKS = {
    "dot": ((), {"N": 4}, "init"),
    "memory": ((), {}, "state"),  # one block RAM: no table to upset
    "slots": ((), {}, "init"),
    "lookup": ((), {"LANES": 4}, "init"),
    "softmax": (("slots",), {"LANES": 2}, "init"),
    "layer_norm": (("slots",), {"LANES": 1, "WORDS_MOST": 16}, "init"),
}


@pytest.mark.parametrize("block", BLOCKS)
def test_a_block_goes_through_a_campaign(block, tmp_path):
    children, sizes, faults = BLOCKS[block]
    text = (FOLDER / f"{block}.sv").read_text()
    for name, value in sizes.items():  # the top module is taken with its defaults
        text, found = re.subn(rf"(parameter int {name}) = \d+", rf"\1 = {value}", text)
        assert found == 1
    (tmp_path / f"{block}.sv").write_text(text)
    sources = [str(tmp_path / f"{block}.sv"), *(str(FOLDER / f"{child}.sv") for child in children)]
    words = ["run", *sources, "--top", block, "--faults", faults]
    words += ["--cycles", "50", "--sample", "300", "-o", str(tmp_path / "out"), "--json"]
    done = CliRunner().invoke(softerror, words, catch_exceptions=False)
    assert done.exit_code == 0
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["design"]["tables"] + summary["design"]["memories"] > 0
    assert (tmp_path / "out" / "faults.csv").read_text().count("\n") > 300
