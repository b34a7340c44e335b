"""Pin faults of flip-flops: found by a design that has them by hand, and nothing changed without one."""

from dataclasses import replace

import numpy as np
import pytest
from softerror import random_designs

from vedette.softerror import engine, export, reference
from vedette.softerror.design import ONE, ZERO, Design, FlipFlop, Port, Reset
from vedette.softerror.pin_buffers import buffered, pins_of, plain
from vedette.softerror.population import Window, population
from vedette.softerror.samples import sample
from vedette.softerror.triplicate import triplicate

FIELDS = {"D": "d", "CE": "enable", "R": "reset", "S": "reset"}


def register(primitive: str = "FDRE", kind: Reset = Reset.SYNC) -> Design:
    """q takes d where ce is 1, and 0 or 1 where r is; nothing else."""
    value = int(primitive in ("FDSE", "FDPE"))
    ff = FlipFlop("u.q", primitive, 5, 2, enable=3, reset=4, kind=kind, reset_value=value)
    inputs = tuple(Port(name, (bit,)) for name, bit in (("d", 2), ("ce", 3), ("r", 4)))
    return Design("register", 6, inputs, (Port("q", (5,)),), (), (), (ff,), clock="clk")


@pytest.mark.parametrize("seed", range(8))
def test_buffers_change_no_output_and_can_be_taken_away(seed):
    design = random_designs.design(seed)
    bits = random_designs.stimulus(60, seed)
    wide = buffered(design)
    assert plain(wide) == design and buffered(wide) == wide and not pins_of(design)
    for backend in ("numpy", "auto"):
        assert np.array_equal(engine.stream(wide, bits, backend=backend), engine.stream(design, bits))
    for fault in random_designs.faults(design, 60, seed)[::25]:  # the old numbers mean what they did
        assert np.array_equal(reference.simulate(wide, bits, fault), reference.simulate(design, bits, fault))


@pytest.mark.parametrize("seed", range(8))
def test_a_fault_of_a_flip_flops_pin_is_the_flip_flop_wired_so(seed):
    design = random_designs.design(seed)
    bits = random_designs.stimulus(50, seed)
    wide = buffered(design)
    every = population("pins", wide, Window(50))
    tables = population("pins", design, Window(50)).size
    faults = [every.fault(i, tables + i) for i in range(every.size - tables)]
    assert len(faults) == 3 * len(pins_of(wide)) >= 3 * len(design.flip_flops)
    found = engine.streams(wide, bits, faults)
    for fault, stream in zip(faults, found, strict=True):
        which, pin = pins_of(wide)[fault.operation]
        by_hand = list(design.flip_flops)
        by_hand[which] = replace(by_hand[which], **{FIELDS[pin]: fault.source})
        assert np.array_equal(stream, engine.stream(replace(design, flip_flops=tuple(by_hand)), bits))


def test_rows_name_cell_and_pin():
    every = population("pins", buffered(register()), Window(10))
    places = [every.place(i) for i in range(every.size)]
    assert {place.cell for place in places} == {"u.q"}
    assert [place.bit for place in places][:2] == ["D=0", "D=1"]
    assert [place.bit.partition("=")[0] for place in places] == ["D"] * 3 + ["CE"] * 3 + ["R"] * 3
    assert all(places[i].bit.split("=")[1].startswith("bit ") for i in (2, 5, 8))
    sets = population("pins", buffered(register("FDSE")), Window(10))
    assert "S=1" in {sets.place(i).bit for i in range(sets.size)}


@pytest.mark.parametrize(("primitive", "kind"), [("FDCE", Reset.ASYNC), ("FDPE", Reset.SYNC)])
def test_asynchronous_resets_also_lowered_ones_have_no_pin_faults(primitive, kind):
    assert [pin for _, pin in pins_of(buffered(register(primitive, kind))).values()] == ["D", "CE"]


def test_a_pin_that_is_not_connected_is_none():
    bare = replace(register().flip_flops[0], enable=ONE, reset=ZERO, kind=Reset.NONE)
    design = replace(register(), flip_flops=(bare,))
    assert [pin for _, pin in pins_of(buffered(design)).values()] == ["D"]


def test_copies_of_a_hardened_design_have_pins_of_their_own():
    design = triplicate(sample("counter")).design
    wide = buffered(design)
    assert len(pins_of(wide)) == 3 * len(pins_of(buffered(sample("counter"))))
    bits = np.random.default_rng(0).integers(0, 2, (40, len(design.input_bits)), np.uint8)
    every = population("pins", wide, Window(40))
    faults = [every.fault(i, i) for i in range(every.size - 3 * len(pins_of(wide)), every.size)]
    assert {fault.operation for fault in faults} == set(pins_of(wide))
    assert (engine.run(wide, bits, faults).mismatches == 0).all()


def test_an_exported_copy_says_the_pins_new_source():
    wide = buffered(register())
    every = population("pins", wide, Window(10))
    assert f"n{wide.flip_flops[0].d} = 1'b0 ? n2 : 1'b1;" in export.copy(wide, every.fault(0, 1))
