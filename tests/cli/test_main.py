"""The command group: quick, lazy, and plain about what went wrong."""

import importlib
import json
import os
import resource
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from vedette import __version__
from vedette.cli import COMMANDS, main, vedette
from vedette.errors import VedetteError

HELP_MOST_S = 0.3


def children_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def test_help_costs_less_than_its_limit():
    # processor time of the best of five: the wall clock of a shared machine says little
    command = [sys.executable, "-m", "vedette", "--help"]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    spent = []
    for _ in range(5):
        before = children_s()
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
        spent.append(children_s() - before)
    assert "Commands:" in done.stdout
    assert min(spent) < HELP_MOST_S


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["run", "--help"], ["codec", "--help"]])
def test_help_loads_neither_torch_nor_numpy(words):
    program = (
        f"import sys; sys.argv = ['vedette', *{words!r}]\n"
        "from vedette.cli import main\n"
        "try:\n    main()\n"
        "finally:\n    print('loaded', sorted({'torch', 'numpy', 'PIL'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "loaded []"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_of_the_table_exists_and_explains_itself(name):
    module, attribute, summary = COMMANDS[name]
    command = getattr(importlib.import_module(module), attribute)
    assert isinstance(command, click.Command)
    assert command.name == name and command.help
    assert summary.endswith(".")
    assert CliRunner().invoke(vedette, [name, "--help"]).exit_code == 0


def test_help_lists_every_command():
    lines = CliRunner().invoke(vedette, ["--help"]).output.splitlines()
    listed = [line.split()[0] for line in lines[lines.index("Commands:") + 1 :]]
    assert listed == list(COMMANDS)


def test_the_version_is_printed():
    assert CliRunner().invoke(vedette, ["--version"]).output.split()[-1] == __version__


def test_wrong_usage_exits_with_two():
    result = CliRunner().invoke(vedette, ["fly"])
    assert result.exit_code == 2
    assert "No such command 'fly'" in result.stderr


@pytest.mark.parametrize("hint", ["turn it off and on", ""])
def test_our_errors_go_to_stderr_and_exit_with_one(monkeypatch, capsys, hint):
    @click.command()
    def failing() -> None:
        raise VedetteError("the shutter is stuck", hint=hint)

    monkeypatch.setitem(vedette.commands, "failing", failing)
    monkeypatch.setattr(vedette, "get_command", lambda context, name: failing)
    monkeypatch.setattr(sys, "argv", ["vedette", "failing"])
    with pytest.raises(SystemExit) as caught:
        main()
    out, err = capsys.readouterr()
    assert caught.value.code == 1
    assert out == ""
    assert err.splitlines() == ["error: the shutter is stuck", *([f"hint: {hint}"] if hint else [])]


def test_doctor_names_every_extra_that_the_package_declares():
    import tomllib
    from pathlib import Path

    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    row = json.loads(CliRunner().invoke(vedette, ["doctor", "--json"]).stdout)
    declared = set(project["optional-dependencies"]) - {"dev"}
    assert {name.removeprefix("extra_") for name in row if name.startswith("extra_")} == declared
    assert row["vedette"] == __version__
