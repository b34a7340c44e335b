"""The promises of README and guides: commands and options exist, links lead somewhere, the example runs."""

import re
import runpy
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from vedette.cli import vedette

ROOT = Path(__file__).parents[1]


PAGES = [
    "README.md",
    "docs/README.md",
    *(f"docs/guides/{p.name}" for p in (ROOT / "docs/guides").glob("*.md")),
]


def commands(text: str) -> list[list[str]]:
    """The words after `vedette` on each line of the shell blocks, comments left out."""
    lines = "\n".join(re.findall(r"```sh\n(.*?)```", text, re.S)).splitlines()
    typed = [re.search(r"vedette ([a-z].*)", line.split(" #")[0]) for line in lines]
    return [found[1].split() for found in typed if found]


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page):
    path = ROOT / page
    links = [link for link in re.findall(r"\]\(([^)]+)\)", path.read_text()) if "://" not in link]
    assert [link for link in links if not (path.parent / link.partition("#")[0]).exists()] == []


@pytest.mark.parametrize("page", [page for page in PAGES if page != "docs/README.md"])
def test_commands_and_their_options_exist(page):
    found = commands((ROOT / page).read_text())
    assert found
    for words in found:
        command: click.Command = vedette
        while isinstance(command, click.Group):
            command = command.get_command(click.Context(command), words.pop(0))
            assert command is not None, words
        known = {name for option in command.params for name in option.opts}
        assert {word for word in words if word.startswith("-")} <= known
        assert CliRunner().invoke(command, ["--help"]).exit_code == 0


def test_the_first_example_runs(capsys):
    runpy.run_path(str(ROOT / "examples" / "01_compress_a_scene.py"))
    assert capsys.readouterr().out.count("bpp") == 3


def test_the_second_example_runs(capsys, monkeypatch):
    monkeypatch.setattr("sys.argv", ["02_wavelet_layers.py", "--steps", "2"])
    runpy.run_path(str(ROOT / "examples" / "02_wavelet_layers.py"), run_name="__main__")
    printed = capsys.readouterr().out
    assert printed.count("M parameters") == 5 and printed.count("after 2 steps") == 2


def test_the_third_example_runs(capsys, monkeypatch):
    monkeypatch.setattr("sys.argv", ["03_find_small_objects.py"])
    runpy.run_path(str(ROOT / "examples" / "03_find_small_objects.py"), run_name="__main__")
    assert capsys.readouterr().out.count("trees, the surest") == 3
