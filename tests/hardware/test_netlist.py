"""A netlist is read as Yosys wrote it, and what is wrong in it is named."""

import gzip
import json

import pytest

from vedette.errors import InputError, UnknownNameError
from vedette.hardware import netlist

IN_OUT = {"I": "input", "O": "output"}


def module(cells=None, ports=None, **more):
    ports = ports or {"a": {"direction": "input", "bits": [2]}, "y": {"direction": "output", "bits": [3]}}
    return {"modules": {"top": {"ports": ports, "cells": cells or {}, **more}}}


def inverter(i, o):
    return {"type": "INV", "port_directions": IN_OUT, "connections": {"I": [i], "O": [o]}}


def test_a_compressed_file_reads_the_same(tmp_path):
    data = json.dumps(module({"n": inverter(2, 3)})).encode()
    (tmp_path / "n.json").write_bytes(data)
    (tmp_path / "n.json.gz").write_bytes(gzip.compress(data))
    assert netlist.read(tmp_path / "n.json") == netlist.read(tmp_path / "n.json.gz")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"not JSON", "is not JSON"),
        (b"\x1f\x8bbroken", "is not JSON"),
        (b"[]", "holds no modules"),
        (b'{"modules": {}}', "holds no modules"),
        (b'{"modules": {"a": {}, "b": {}}}', "holds 2 modules: a, b"),
        (b'{"modules": {"a": {}}}', "module a of .* lacks"),
        (b'{"modules": {"a": 3}}', "module a of .* lacks"),
    ],
)
def test_a_file_that_is_no_netlist_is_refused(tmp_path, text, says):
    (tmp_path / "n.json").write_bytes(text)
    with pytest.raises(InputError, match=says):
        netlist.read(tmp_path / "n.json")


def test_a_missing_file_and_a_missing_module_are_named(tmp_path):
    with pytest.raises(InputError, match="cannot be read: No such file"):
        netlist.read(tmp_path / "none.json")
    with pytest.raises(UnknownNameError, match="'tpo'") as caught:
        netlist.parse(module(), top="tpo")
    assert "'top'" in caught.value.hint


def test_parameters_are_numbers_and_text_stays_text():
    cell = inverter(2, 3) | {
        "parameters": {"INIT": "0110", "X": "0x1", "WORD": "DUAL", "DIGITS": "01 ", "N": 5}
    }
    assert netlist.parse(module({"n": cell})).cells[0].parameters == {
        "INIT": 6,
        "X": "0x1",
        "WORD": "DUAL",
        "DIGITS": "01",
        "N": 5,
    }


def test_the_name_of_the_register_goes_before_a_shorter_one():
    names = {
        "$1": {"hide_name": 1, "bits": [3, 4], "attributes": {}},
        "y": {"hide_name": 0, "bits": [3], "attributes": {}},
        "core.q[1]": {"hide_name": 0, "bits": [3], "attributes": {"driver": "$ff", "src": "f.v:3.1-3.9"}},
        "up": {"hide_name": 0, "bits": [5, 6], "upto": 1, "offset": 4, "attributes": {}},
    }
    found = netlist.parse(module(netnames=names))
    assert found.names == {2: "a", 3: "core.q[1]", 4: "$1[1]", 5: "up[5]", 6: "up[4]"}
    assert found.sources == {3: "f.v:3.1-3.9"}


@pytest.mark.parametrize(
    ("cells", "says"),
    [
        ({"n": inverter(2, 3), "m": inverter(2, 3)}, "y is driven by INV m and by INV n"),
        ({"n": inverter(7, 3)}, "net 7 is read by INV n and nothing drives it"),
        ({}, "y is read by port y and nothing drives it"),
        ({"n": inverter(3, 2)}, "a is driven by INV n and by port a"),
        ({"n": inverter(2, "0")}, "INV n drives the constant '0'"),
        ({"n": inverter(2, 3) | {"port_directions": {}}}, "port I of INV n has direction unknown"),
    ],
)
def test_verify_names_what_is_wrong(cells, says):
    with pytest.raises(InputError, match=says):
        netlist.parse(module(cells, netnames={"y": {"bits": [3]}})).verify()


def test_verify_refuses_ports_of_both_directions():
    ports = {"p": {"direction": "inout", "bits": [2]}}
    with pytest.raises(InputError, match="port p is inout"):
        netlist.parse(module(ports=ports)).verify()


def test_verify_tells_what_nothing_reads():
    assert netlist.parse(module({"n": inverter(2, 3), "m": inverter(2, 9)})).verify() == ("net 9",)
