"""Small circuits of our own, in Verilog, and the netlists that Yosys made of them.

counter, fsm, crc, fifo (distributed RAM), mac (two modules and a carry chain), delay (a shift register).
"""

from functools import cache
from importlib.resources import as_file, files
from pathlib import Path

from vedette.errors import UnknownNameError
from vedette.hardware import netlist
from vedette.softerror.design import Design
from vedette.softerror.lower import lower

SAMPLES = ("counter", "crc", "delay", "fifo", "fsm", "mac")


@cache
def sample(name: str) -> Design:
    """The design called `name`; it needs no synthesizer.

    Raises:
        UnknownNameError: there is no such sample.

    >>> sample("counter").input_bits
    (2, 3, 4, 5, 6, 7, 8)
    """
    with as_file(files(__name__) / f"{_known(name)}.json.gz") as path:
        return lower(netlist.read(path))


def sample_source(name: str) -> Path:
    """Path of the Verilog of a sample; its top module is called like it.

    Raises:
        UnknownNameError: there is no such sample.
    """
    return Path(str(files(__name__) / f"{_known(name)}.v"))


def _known(name: str) -> str:
    if name not in SAMPLES:
        raise UnknownNameError("sample circuit", name, SAMPLES)
    return name
