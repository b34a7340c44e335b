"""The exported text: forms, ports, names; what it means is asked of simulators in test_oracle."""

import re

import pytest
from softerror.naive import and_gate, counter
from softerror.scalar import random_design

from vedette.errors import InputError
from vedette.softerror import export
from vedette.softerror.design import Design, Port
from vedette.softerror.faults import Fault, FaultKind


def test_the_text_of_an_and_gate_never_changes():
    assert export.copy(and_gate()) == (
        "// gate: no fault\nmodule gate(\n  input a,\n  input b,\n  output y\n);\n"
        "wire n2 = a;\nwire n3 = b;\n"
        "localparam [3:0] c4 = 4'h8;  // LUT2 u.lut and.v:3.5-3.9\n"
        "wire n4 = c4[{n3, n2}];\n"
        "assign y = {n4};\nendmodule\n"
    )


def test_a_copy_has_one_bit_inverted():
    text = export.copy(and_gate(), Fault(0, FaultKind.CONFIGURATION, bits=(0,)))
    assert "c4 = 4'h9" in text and "configuration bits 0 inverted" in text
    twice = export.copy(and_gate(), Fault(0, FaultKind.CONFIGURATION, bits=(0, 3)))
    assert "c4 = 4'h1" in twice


def test_a_scrubbed_fault_adds_a_port():
    fault = Fault(0, FaultKind.CONFIGURATION, bits=(1,), stop=7)
    assert "input upset" in export.copy(and_gate(), fault)
    assert "input upset" not in export.copy(and_gate(), Fault(0, FaultKind.CONFIGURATION, bits=(1,)))


def test_the_select_form_numbers_lookup_tables_and_their_bits():
    design = random_design(1)
    assert [export.place(design, table.first_bit) for table in design.tables[:3]] == [(0, 0), (1, 0), (2, 0)]
    shared = design.tables[-1]  # the 5-input half of a LUT6_2 shares its bits with the 6-input one
    assert export.place(design, shared.first_bit + 3) == export.place(design, design.tables[-2].first_bit + 3)
    assert len(export.groups(design)) == len(design.tables) - 1


def test_the_configuration_is_every_table_at_its_place():
    assert export.configuration(counter()) == 0b1000 << 12 | 0b01101010 << 4 | 0b0110
    assert "input [15:0] cfg" in export.cfg(counter())


def test_an_asynchronous_reset_is_a_level_or_an_edge():
    assert "wire n4 = n2 ? 1'b0 : s4;" in export.copy(counter())
    assert "always @(posedge clk or posedge n2) if (n2) n4 <= 1'b0; else n4 <= n6;" in export.copy(
        counter(), edge_resets=True
    )


@pytest.mark.parametrize("form", [export.copy, export.select, export.cfg])
def test_equal_designs_give_equal_text(form):
    assert form(random_design(3)) == form(random_design(3))


def test_names_that_verilog_cannot_take_are_escaped_and_clashes_refused():
    assert "\\a.b[1] " in export.copy(random_design(1))
    clash = Design("top", 3, (Port("fsel", (2,)),), (Port("y", (2,)),), (), (), ())
    with pytest.raises(InputError, match="fsel"):
        export.select(clash)
    export.copy(clash)


def test_faults_of_another_design_are_refused():
    with pytest.raises(InputError, match="configuration bit 99"):
        export.copy(and_gate(), Fault(0, FaultKind.CONFIGURATION, bits=(99,)))
    with pytest.raises(InputError, match="fault 4"):
        export.copy(and_gate(), Fault(4, FaultKind.STATE, flip_flop=0))


def test_marked_text_has_a_mark_at_every_flip_flop_and_every_table():
    text = export.copy(counter(), keep=True, edge_resets=True)
    mark = '(* keep, DONT_TOUCH = "yes" *)'
    design = counter()
    for ff in design.flip_flops:
        assert f"{mark} reg n{ff.q} " in text
    for operation in design.operations:
        assert re.search(rf"^{re.escape(mark)} vedette_table\d #.* t{operation.out}\(", text, re.MULTILINE)
    assert "always" not in text.replace(f"{mark} always", "")
    assert mark not in export.copy(counter())
