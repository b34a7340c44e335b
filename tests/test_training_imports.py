"""Training runs on a bare GPU machine: our code there imports few packages besides the standard library."""

import subprocess
import sys

ALLOWED = ["torch", "numpy", "PIL", "safetensors", "jaxtyping", "click", "rich", "vedette"]
MODULES = [
    "vedette.training",
    "vedette.data",
    "vedette.codec",
    "vedette.codec.recipes",
    "vedette.codec.train",
    "vedette.cli",
    "vedette.cli.codec",
]
# Only what a module of ours asks for is judged: torch may import what it likes.
PROGRAM = """
import builtins, importlib, sys
allowed = set(sys.stdlib_module_names) | set({allowed!r})
plain = builtins.__import__
def judged(name, globals=None, locals=None, fromlist=(), level=0):
    asker = (globals or {{}}).get("__name__", "")
    if level == 0 and asker.split(".")[0] == "vedette" and name.split(".")[0] not in allowed:
        raise ImportError(f"{{asker}} imports {{name}}")
    return plain(name, globals, locals, fromlist, level)
builtins.__import__ = judged
for module in {modules!r}:
    importlib.import_module(module)
{more}
"""


def run(modules: list[str], more: str = "") -> subprocess.CompletedProcess[str]:
    program = PROGRAM.format(allowed=ALLOWED, modules=modules, more=more)
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=200)


def test_training_code_imports_with_few_packages():
    done = run(MODULES)
    assert done.returncode == 0, done.stderr


def test_a_foreign_import_of_ours_is_caught():
    done = run([], 'exec("import hypothesis", {"__name__": "vedette.planted"})')
    assert done.returncode == 1
    assert "vedette.planted imports hypothesis" in done.stderr
