"""The reference simulator against truth tables, hand-made traces and arithmetic."""

import numpy as np
import pytest

from vedette.softerror.design import ONE, Design, FlipFlop, Kind, Memory, Operation, Port, Reset, Table, Write
from vedette.softerror.faults import Fault, FaultKind
from vedette.softerror.reference import simulate
from vedette.softerror.samples import sample
from vedette.softerror.stimulus import Hold, from_function, random_stimulus

ROWS = np.array([[0, 0], [1, 0], [0, 1], [1, 1]], np.uint8)


def gate():
    """y = a & b in one LUT2."""
    operation = Operation(Kind.TABLE, 4, (2, 3), 0)
    table = Table("and", "LUT2", 0b1000, 2, 0)
    return Design(
        "gate", 5, (Port("a", (2,)), Port("b", (3,))), (Port("y", (4,)),), (operation,), (table,), (), (), 4
    )


def register(**of):
    """q takes d; inputs are d, enable, reset."""
    flip_flop = FlipFlop("r", "FDRE", 5, 2, **of)
    ports = Port("d", (2,)), Port("e", (3,)), Port("r", (4,))
    return Design("register", 6, ports, (Port("q", (5,)),), (), (), (flip_flop,), (), 0, "clk")


def number(bits):
    return bits @ (1 << np.arange(bits.shape[1]))


def test_an_and_gate_and_its_four_faults():
    assert simulate(gate(), ROWS)[:, 0].tolist() == [0, 0, 0, 1]
    for bit in range(4):
        wrong = simulate(gate(), ROWS, Fault(0, FaultKind.CONFIGURATION, bits=(bit,))) ^ simulate(
            gate(), ROWS
        )
        assert wrong[:, 0].tolist() == [int(address == bit) for address in range(4)]


def test_a_fault_acts_from_start_to_stop_only():
    rows = np.ones((6, 2), np.uint8)
    fault = Fault(0, FaultKind.CONFIGURATION, bits=(3,), start=2, stop=4)
    assert simulate(gate(), rows, fault)[:, 0].tolist() == [1, 1, 0, 0, 1, 1]


def test_the_same_bit_twice_is_no_fault():
    fault = Fault(0, FaultKind.CONFIGURATION, bits=(3, 3))
    assert np.array_equal(simulate(gate(), ROWS, fault), simulate(gate(), ROWS))


def test_a_pin_may_read_another_bit():
    fault = Fault(0, FaultKind.PIN, operation=0, pin=1, source=ONE)
    assert simulate(gate(), ROWS, fault)[:, 0].tolist() == [0, 1, 0, 1]


@pytest.mark.parametrize(
    ("kind", "q"),
    [(Reset.NONE, [0, 1, 1, 0, 1]), (Reset.SYNC, [0, 1, 1, 0, 0]), (Reset.ASYNC, [0, 1, 1, 0, 0])],
)
def test_enable_holds_and_reset_wins_over_it(kind, q):
    rows = np.array([[1, 1, 0], [0, 0, 0], [0, 1, 0], [1, 1, 1], [0, 0, 0]], np.uint8)
    assert simulate(register(enable=3, reset=4, kind=kind), rows)[:, 0].tolist() == q


def test_an_asynchronous_reset_is_seen_in_its_own_cycle():
    rows = np.array([[1, 1, 0], [1, 1, 0], [1, 1, 1], [1, 1, 0], [1, 1, 0]], np.uint8)
    asynchronous = register(enable=3, reset=4, kind=Reset.ASYNC)
    assert simulate(asynchronous, rows)[:, 0].tolist() == [0, 1, 0, 0, 1]
    synchronous = register(enable=3, reset=4, kind=Reset.SYNC)
    assert simulate(synchronous, rows)[:, 0].tolist() == [0, 1, 1, 0, 1]


def test_state_is_inverted_after_the_edge_of_its_cycle():
    rows = np.zeros((4, 3), np.uint8)
    hold = register(enable=3, initial=1)
    assert simulate(hold, rows)[:, 0].tolist() == [1, 1, 1, 1]
    fault = Fault(0, FaultKind.STATE, flip_flop=0, start=1, stop=2)
    assert simulate(hold, rows, fault)[:, 0].tolist() == [1, 1, 0, 0]


def test_initial_and_reset_values_are_inverted():
    rows = np.array([[0, 0, 0], [0, 0, 1], [0, 0, 0]], np.uint8)
    design = register(enable=3, reset=4, kind=Reset.SYNC, reset_value=1)
    assert simulate(design, rows)[:, 0].tolist() == [0, 0, 1]
    initial = Fault(0, FaultKind.INITIAL, flip_flop=0)
    assert simulate(design, rows, initial)[:, 0].tolist() == [1, 1, 1]
    assert simulate(design, rows, Fault(0, FaultKind.RESET, flip_flop=0))[:, 0].tolist() == [0, 0, 0]


def test_a_ram_stores_at_the_edge_and_reads_at_once():
    memory = Memory("m", "RAM16X1S", 16, (Write(2, 3, (4, 5, 6, 7)),), initial=0b100)
    ports = Port("d", (2,)), Port("we", (3,)), Port("a", (4, 5, 6, 7))
    read = Operation(Kind.READ, 8, (4, 5, 6, 7), 0)
    design = Design("ram", 9, ports, (Port("o", (8,)),), (read,), (), (), (memory,), 0, "clk")
    walk = [(0, 0, 2), (1, 1, 5), (0, 0, 5), (0, 1, 2), (0, 0, 2), (0, 0, 5)]
    rows = from_function(design, len(walk), lambda c: dict(zip(("d", "we", "a"), walk[c], strict=True)))
    assert simulate(design, rows)[:, 0].tolist() == [1, 0, 1, 1, 0, 1]


def test_the_counter_counts():
    design = sample("counter")
    drives = {"enable": Hold(1), "load": Hold(0), "start": Hold(0)}
    count = number(simulate(design, random_stimulus(design, 30, drives=drives))[:, :4])
    assert count.tolist() == [0, 0] + [cycle % 10 for cycle in range(28)]


def test_the_crc_is_that_of_the_check_string():
    text = b"123456789"  # the catalog's check value of CRC-8 (SMBus) is 0xf4
    design = sample("crc")
    rows = from_function(
        design, 11, lambda c: {"reset": c == 0, "valid": c > 0, "data": text[c - 1] if 0 < c < 10 else 0}
    )
    assert number(simulate(design, rows))[10] == 0xF4


def test_the_fifo_gives_back_what_it_took():
    design = sample("fifo")
    stimulus = random_stimulus(design, 400, seed=3)
    out = simulate(design, stimulus)
    words, count = [], 0
    for row, shown in zip(stimulus.tolist(), out.tolist(), strict=True):
        reset, put, take, word = row[0], row[1], row[2], row[3:]
        assert (shown[4], shown[5]) == (not words, len(words) == 16)
        if words:
            count += 1
            assert shown[:4] == words[0]
        words = [] if reset else words[(take and bool(words)) :] + ([word] if put and len(words) < 16 else [])
    assert count > 100


def test_the_mac_adds_products():
    design = sample("mac")
    stimulus = random_stimulus(design, 300, seed=5)
    sums = number(simulate(design, stimulus))
    total = 0
    for row, shown in zip(stimulus, sums.tolist(), strict=True):
        assert shown == total
        reset, valid, clear = row[:3].tolist()
        product = int(number(row[None, 3:7])[0] * number(row[None, 7:])[0])
        if reset or valid:
            total = 0 if reset else ((0 if clear else total) + product) % 1024


def test_the_delay_compares_with_eleven_valid_bits_ago():
    design = sample("delay")
    stimulus = random_stimulus(design, 200, seed=7)
    past, equal = [0] * 11, 0
    for (valid, bit), shown in zip(stimulus.tolist(), simulate(design, stimulus)[:, 0].tolist(), strict=True):
        assert shown == equal
        if valid:
            equal = int(past[10] == bit)
            past = [bit, *past[:10]]


def test_the_handshake_fails_after_twelve_cycles():
    design = sample("fsm")
    rows = from_function(design, 20, lambda c: {"rst_n": c > 1, "request": c > 1, "done": 0})
    out = simulate(design, rows)
    assert out[:, 0].tolist() == [0] * 3 + [1] * 12 + [0] * 5
    assert out[:, 2].tolist() == [0] * 16 + [1] * 4
