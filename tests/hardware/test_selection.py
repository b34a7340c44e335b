"""Token selection: the twin against fractions and the contract's rules, the unit against the twin."""

from fractions import Fraction
from math import floor

import numpy as np
import pytest
from needs import verilator, yosys

from vedette.errors import InputError
from vedette.hardware.rtl.simulate import FOLDER, Model, Port, lanes_of, words_of
from vedette.hardware.rtl.units import select_cycles
from vedette.numerics.selection import select
from vedette.tools import verilator as verilator_tool
from vedette.tools import yosys as yosys_tool

SOURCES = ("select.sv", "slots.sv")


def job(r, rows, words=3, **more):
    """A selection of random tokens; `more` overrides what is random."""
    made = {
        "tokens": r.integers(-32768, 32768, (rows, words * 16)),
        "scores": r.integers(0, 256, rows),
        "threshold": int(r.integers(0, 256)),
        "most": int(r.integers(0, rows + 1)),
        "fixed": int(r.integers(0, min(3, rows) + 1)),
    }
    made["merged"] = bool(made["fixed"] < rows and r.integers(2))
    return made | more


def by_hand(tokens, scores, threshold, most, fixed, merged):
    """The same by sorting pairs and adding fractions."""
    rows = len(tokens)
    free = range(fixed, rows - merged)
    best = sorted((-int(scores[t]), t) for t in free if scores[t] >= threshold)[:most]
    kept = [t for t in range(rows) if t < fixed or t in {t for _, t in best}]
    rest = [t for t in range(rows) if t not in kept]
    weights = [int(scores[t]) for t in rest]
    if not rest:
        return kept, None
    weights = weights if any(weights) else [1] * len(rest)
    sums = (sum(w * int(v) for w, v in zip(weights, column, strict=True)) for column in tokens[rest].T)
    return kept, [floor(Fraction(total, sum(weights)) + Fraction(1, 2)) for total in sums]


@pytest.mark.parametrize("seed", range(20))
def test_the_package_is_the_weighted_mean_and_the_best_stay_in_order(seed):
    r = np.random.default_rng(seed)
    case = job(r, int(r.integers(1, 30)), words=1)
    if seed % 3 == 0:
        case["scores"] //= 64  # many equal ones
    chosen = select(**case)
    kept, means = by_hand(**case)
    assert chosen.kept.tolist() == kept
    assert np.array_equal(chosen.tokens[: len(kept)], case["tokens"][kept])
    assert chosen.packaged == (means is not None) and len(chosen.tokens) == len(kept) + chosen.packaged
    assert means is None or chosen.tokens[-1].tolist() == means
    assert len(chosen.tokens) <= len(case["tokens"])


def test_the_papers_threshold_keeps_equality_and_an_earlier_package_is_never_a_token_again():
    tokens, scores = np.arange(8).reshape(4, 2) * 10, np.array([0, 128, 127, 255])
    chosen = select(tokens, scores, threshold=128, merged=True)
    assert chosen.kept.tolist() == [0, 1]
    assert chosen.tokens[-1].tolist() == [floor((127 * v + 255 * (v + 20)) / 382 + 0.5) for v in (40, 50)]
    alone = select(tokens, np.full(4, 255), threshold=128, merged=True)
    assert np.array_equal(alone.tokens, tokens)  # it is its own mean


def test_weights_of_0_give_the_plain_mean_and_say_so():
    chosen = select(np.array([[9], [1], [4]]), np.zeros(3, np.int64), threshold=1)
    assert chosen.plain and chosen.tokens.tolist() == [[9], [3]]


def test_what_is_no_selection_is_refused():
    tokens = np.zeros((3, 2), np.int64)
    for bad in (np.array([0, 1, 256]), np.array([0, -1, 5])):
        with pytest.raises(InputError, match="scores"):
            select(tokens, bad, threshold=128)
    with pytest.raises(InputError, match="3 tokens that stay of 3"):
        select(tokens, np.zeros(3, np.int64), threshold=128, fixed=3, merged=True)
    with pytest.raises(InputError, match="63 bits"):
        select(tokens + 2**54, np.zeros(3, np.int64), threshold=128)


IN = {
    "reset": 1, "rows": 9, "words": 7, "fixed": 9, "merged": 1, "threshold": 8, "most": 9,
    "score_valid": 1, "score_row": 8, "score": 8, "start": 1, "values": 256,
}  # fmt: skip
OUT = {
    "busy": 1, "read_row": 16, "read_word": 6, "valid": 1, "row": 16, "word": 6, "result": 256,
    "kept": 16, "packaged": 1, "plain": 1,
}  # fmt: skip


@pytest.fixture(scope="module")
def model():
    inputs, outputs = (tuple(Port(name, width) for name, width in table.items()) for table in (IN, OUT))
    with Model("select", SOURCES, {}, inputs, outputs) as built:
        yield built


def jobs():
    """Odd sizes, every corner of the contract, and chance; each starts at once after the one before."""
    r = np.random.default_rng(5)
    equal = np.full(40, 90)
    yield job(r, 1, fixed=1, merged=False)  # the class token alone
    yield job(r, 1, fixed=0, merged=True)  # a package alone
    yield job(r, 1, fixed=0, merged=False, most=0)
    yield job(r, 197, words=12, fixed=1, merged=False, most=197, threshold=128)  # DeiT-Tiny's first
    yield job(r, 103, words=12, fixed=1, merged=True, most=103, threshold=128)  # and its second
    yield job(r, 60, threshold=0, most=60, fixed=1, merged=False)  # none goes
    yield job(r, 60, threshold=0, most=60, fixed=1, merged=True)  # but the package
    yield job(r, 60, most=0, fixed=1, merged=False)  # all go
    yield job(r, 60, scores=np.full(60, 7), threshold=8, fixed=0, merged=False, most=60)
    for most in (0, 1, 17, 38, 39, 40):  # all on the threshold
        yield job(r, 40, scores=equal, threshold=90, most=most, fixed=1, merged=most % 2 == 0)
    yield job(r, 40, scores=equal * 0, threshold=1, most=40, fixed=2)  # the plain mean
    yield job(r, 40, scores=equal * 0, threshold=0, most=5, fixed=2, merged=True)
    yield job(r, 40, scores=np.full(40, 255), threshold=255, most=20, fixed=0)
    low, high = np.full((256, 16), -32768), np.full((256, 16), 32767)
    for tokens in (low, high):  # the widest sums
        yield job(r, 256, 1, tokens=tokens, scores=np.full(256, 255), most=0, fixed=0, merged=False)
    yield job(r, 256, words=1, most=100, threshold=3, fixed=1)
    yield job(r, 3, words=64)
    for rows in (2, 15, 16, 17, 18, 19, 31, 32, 33, 255, *r.integers(1, 256, 12)):
        yield job(r, int(rows), words=int(r.integers(1, 6)))
    for _ in range(12):  # few different scores: ties
        rows = int(r.integers(2, 80))
        yield job(r, rows, scores=r.integers(0, 4, rows) * 60, threshold=60)


@verilator
@pytest.mark.sim
def test_one_unit_selects_from_any_number_of_tokens_to_the_bit_and_to_the_cycle(model):
    every = list(jobs())
    driven = {name: [] for name in IN if name not in ("reset", "values")}
    spans = []  # of cycles, for each job: loading, a cycle to start, running
    for case in every:
        rows, words = len(case["tokens"]), case["tokens"].shape[1] // 16
        begin, cycles = rows, rows + 1 + select_cycles(rows, words)
        held = {name: int(case[name]) for name in ("fixed", "merged", "threshold", "most")}
        for name, value in (held | {"rows": rows, "words": words}).items():
            driven[name].append(np.full(cycles, value))
        at = np.arange(cycles)
        driven["score_valid"].append(at < rows)
        driven["score_row"].append(np.minimum(at, rows - 1))
        driven["score"].append(case["scores"][np.minimum(at, rows - 1)])
        driven["start"].append(at == begin)
        spans.append(cycles)
    fed = {name: words_of(np.concatenate(parts)[:, None], IN[name]) for name, parts in driven.items()}
    ends = np.cumsum(spans)
    asked = model.run(int(ends[-1]), **fed)  # which words it reads depends on no value
    values = np.zeros((ends[-1] + 1, 16), np.int64)
    for case, end, cycles in zip(every, ends, spans, strict=True):
        memory = np.zeros((257, 65, 16), np.int64)
        memory[: len(case["tokens"]), : case["tokens"].shape[1] // 16] = case["tokens"].reshape(
            len(case["tokens"]), -1, 16
        )
        reads = slice(end - cycles, end)
        values[end - cycles + 1 : end + 1] = memory[asked["read_row"][reads, 0], asked["read_word"][reads, 0]]
    found = model.run(int(ends[-1]), **fed, values=words_of(values[:-1], 16))
    assert np.array_equal(found["read_row"], asked["read_row"])
    results = lanes_of(found["result"], 16, 16)
    for case, end, cycles in zip(every, ends, spans, strict=True):
        run = slice(end - cycles + len(case["tokens"]) + 1, end)
        assert found["busy"][run].all() and not found["busy"][end - cycles : run.start].any()
        wanted = select(**case)
        count, words = len(wanted.tokens), case["tokens"].shape[1] // 16
        ok = found["valid"][run, 0] == 1
        rows, at = found["row"][run][ok, 0], found["word"][run][ok, 0]
        assert len(rows) == count * words and not found["valid"][end - cycles : run.start].any()
        got = np.full((count, words, 16), 1 << 20)
        got[rows, at] = results[run][ok]
        assert np.array_equal(got.reshape(count, -1), wanted.tokens)
        said = [int(found[name][end - 1, 0]) for name in ("kept", "packaged", "plain")]
        assert said == [count, wanted.packaged, wanted.plain]
        slot = max(len(case["tokens"]), 16) + 3
        read = end - words * slot - 19 + np.arange(words) * slot + np.arange(len(case["tokens"]))[:, None]
        assert np.array_equal(
            found["read_row"][read, 0], np.broadcast_to(np.arange(len(read))[:, None], read.shape)
        )
        assert np.array_equal(found["read_word"][read, 0], np.broadcast_to(np.arange(words), read.shape))
        assert (np.flatnonzero(ok) + run.start > read[rows, at]).all()  # a place is written after it is read


@yosys
@pytest.mark.sim
def test_the_unit_is_clean_in_verilator_and_yosys():
    files = [FOLDER / name for name in SOURCES]
    verilator_tool.find().lint(files, "select")
    read = [f"read_verilog -sv -defer {file}" for file in files]
    small = "chparam -set LANES 2 -set ROWS_MOST 32 select"  # so that it takes a second
    steps = ["hierarchy -check -top select", "proc", "flatten", "opt -fast", "memory -nomap", "check -assert"]
    yosys_tool.run([*read, small, *steps])
