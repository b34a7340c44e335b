"""The README's promises: its commands exist, its links lead somewhere, the example runs."""

import re
import runpy
from pathlib import Path

from click.testing import CliRunner

from vedette.cli import vedette

ROOT = Path(__file__).parents[1]


def test_links_of_the_readme_lead_somewhere():
    text = (ROOT / "README.md").read_text()
    links = [link for link in re.findall(r"\]\(([^)]+)\)", text) if "://" not in link]
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_commands_of_the_readme_exist():
    text = (ROOT / "README.md").read_text()
    names = set(
        re.findall(r"vedette ((?:codec )?[a-z]+)", "\n".join(re.findall(r"```sh(.*?)```", text, re.S)))
    )
    assert "run" in names
    for name in names:
        assert CliRunner().invoke(vedette, [*name.split(), "--help"]).exit_code == 0


def test_the_first_example_runs(capsys):
    runpy.run_path(str(ROOT / "examples" / "01_compress_a_scene.py"))
    assert capsys.readouterr().out.count("bpp") == 3
