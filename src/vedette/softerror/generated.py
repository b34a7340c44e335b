"""The stream of a design as C, compiled for this machine: no operation is looked up while it runs.

Functions hold some operations of the design each: one large function takes gcc minutes, these take seconds.
Within a function results stay in variables, so that most are never loaded again, and each is there twice:
one looks for marks behind every operation, the other runs where none of its operations is marked. (b12 of
ITC'99 went from 400 to 530 million fault-cycles a second by the two.) Marks, memories and resets call back
into the interpreter. Libraries are kept in a folder, named after the hash of source and compiler.
"""

import ctypes
import hashlib
import os
from collections.abc import Sequence
from functools import cache, lru_cache
from pathlib import Path

from vedette.softerror.program import Code, Program
from vedette.tools import compiler

NODES_A_FUNCTION = 24
OPTIONS = ("-O2", "-march=native")

_HEAD = """#include <stdint.h>
typedef uint64_t V __attribute__((vector_size({bytes}), aligned({bytes}), may_alias));
typedef uint64_t U __attribute__((aligned(1), may_alias));
typedef void (*Call)(void *, int32_t, int32_t);
#define P uint64_t *n, const uint8_t *marked, void *context, Call call
#define A n, marked, context, call
#define N(i) (*(V *)(n + {words}ULL * (i)))
"""
_PAIR_TEXT = (
    "(b^b)", "~(b|c)", "(~b&c)", "~b", "(b&~c)", "~c", "(b^c)", "~(b&c)",
    "(b&c)", "~(b^c)", "c", "(c|~b)", "b", "(b|~c)", "(b|c)", "~(b^b)",
)  # fmt: skip


def cache_folder() -> Path:
    """Where libraries are kept: `VEDETTE_CACHE`, or `vedette` in the user's cache folder."""
    named = os.environ.get("VEDETTE_CACHE")
    if named:
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "vedette"


def functions(program: Program, words: int, *, folder: Path | None = None) -> tuple[int, int]:
    """Addresses of the two compiled parts of a cycle, for rows of so many lane words.

    Raises:
        MissingExtraError: there is no C compiler.
        ToolError: it failed.
    """
    return _functions(program, words, folder or cache_folder())


@lru_cache(maxsize=8)
def _functions(program: Program, words: int, folder: Path) -> tuple[int, int]:
    library = _load(build(program, words, folder))
    parts = (ctypes.cast(getattr(library, name), ctypes.c_void_p).value for name in ("settle", "edge"))
    settle, edge = (address or 0 for address in parts)
    return settle, edge


def build(program: Program, words: int, folder: Path) -> Path:
    """The library for a program, compiled unless the folder has it."""
    text = source(program, words)
    key = hashlib.sha256("\0".join((text, compiler.version(), *OPTIONS, _processor())).encode()).hexdigest()[
        :24
    ]
    folder.mkdir(parents=True, exist_ok=True)
    library = folder / f"lanes-{key}.so"
    if not library.exists():
        text_file = folder / f"lanes-{key}.{os.getpid()}.c"
        text_file.write_text(text)
        try:
            compiler.shared_library(text_file, library, OPTIONS)
        finally:
            text_file.unlink()
    return library


def source(program: Program, words: int) -> str:
    """The C text."""
    vector_words = min(words, 8)
    lines = [_HEAD.format(bytes=8 * vector_words, words=words)]
    stream = program.stream.tolist()
    split = next(i for i, entry in enumerate(stream) if entry[0] == Code.COMPARE)
    for name, part in (("settle", stream[:split]), ("edge", stream[split + 1 :])):
        calls = []
        for number, chunk in enumerate(_chunks(part)):
            nodes = [entry[2] for entry in chunk if entry[0] == Code.NODE]
            for suffix in ("", "_marked") if nodes else ("",):
                lines.append(f"static __attribute__((noinline)) void {name}_{number}{suffix}(P) {{")
                if words == vector_words and nodes:
                    lines += _in_locals(chunk, program.design.bits, marks=suffix != "")
                else:
                    lines += [
                        _statement(entry, words // vector_words, vector_words, words) for entry in chunk
                    ]
                lines.append("}")
            clean = f"{name}_{number}(A);"
            test = _any_marked(nodes[0], nodes[-1] + 1) if nodes else ""
            calls.append(f"if ({test}) {name}_{number}_marked(A); else {clean}" if nodes else clean)
        lines.append("\n".join([f"void {name}(P) {{", *calls, "}"]))
    return "\n".join(lines) + "\n"


def _chunks(part: Sequence[list[int]]) -> list[list[list[int]]]:
    """Functions: some operations of the design, or as many steps of an edge; they end between operations."""
    settling = any(entry[0] == Code.NODE for entry in part)
    chunks: list[list[list[int]]] = [[]]
    ends = 0
    for entry in part:
        chunks[-1].append(entry)
        ends += entry[0] == Code.NODE if settling else 1
        if ends >= NODES_A_FUNCTION:
            chunks.append([])
            ends = 0
    return [chunk for chunk in chunks if chunk]


def _any_marked(begin: int, end: int) -> str:
    """Whether a byte of `marked` in this range is set: eight at a time, the last eight overlapping."""
    if end - begin < 8:
        return " | ".join(f"marked[{i}]" for i in range(begin, end))
    starts = [*range(begin, end - 8, 8), end - 8]
    return " | ".join(f"(*(const U *)(marked + {start}))" for start in starts)


def _in_locals(chunk: Sequence[list[int]], bits: int, *, marks: bool) -> list[str]:
    """Statements that keep what they compute in variables: scratch rows are never written to memory.

    Rows of the design are, since marks and later functions read them there; behind a mark the variable
    is read again.
    """
    lines, local = [], dict[int, str]()
    for number, (code, out, a, b, c) in enumerate(chunk):
        if code < 256:
            value = _expression(code, *(local.get(row, f"N({row})") for row in (a, b, c)))
            keep = f" N({out}) = t{number};" if out < bits else ""
            lines.append(f"V t{number} = {value};{keep}")
            local[out] = f"t{number}"
        elif code != Code.NODE:
            lines.append(f"call(context, {code}, {a});")
        elif marks:
            again = f" {local[out]} = N({out});" if out in local else ""
            lines.append(f"if (marked[{a}]) {{ call(context, {code}, {a});{again} }}")
    return lines


def _statement(entry: list[int], vectors: int, vector_words: int, words: int) -> str:
    code, out, a, b, c = entry
    if code == Code.NODE:
        return f"if (__builtin_expect(marked[{a}], 0)) call(context, {code}, {a});"
    if code >= 256:
        return f"call(context, {code}, {a});"
    if vectors == 1:
        return f"N({out}) = {_expression(code, f'N({a})', f'N({b})', f'N({c})')};"
    rows = [f"(*(V *)(n + {words}ULL * {row} + w))" for row in (a, b, c, out)]
    body = f"{rows[3]} = {_expression(code, *rows[:3])};"
    return f"for (int w = 0; w < {words}; w += {vector_words}) {body}"


def _expression(truth: int, a: str, b: str, c: str) -> str:
    """The function of three operands; the compiler finds VPTERNLOG by itself where there is one."""

    def pair(which: int) -> str:
        text = _PAIR_TEXT[which].replace("b", "\1").replace("c", "\2")
        return text.replace("\1", b).replace("\2", c)

    low, high = truth & 15, truth >> 4
    if low == high:
        return pair(low)
    if low == 0:
        return f"{a} & {pair(high)}"
    if high == 0:
        return f"~{a} & {pair(low)}"
    if low == 15:
        return f"~{a} | {pair(high)}"
    if high == 15:
        return f"{a} | {pair(low)}"
    if low ^ high == 15:
        return f"{a} ^ {pair(low)}"
    return f"({a} & {pair(high)}) | (~{a} & {pair(low)})"


@cache
def _load(path: Path) -> ctypes.CDLL:
    return ctypes.CDLL(str(path))


@cache
def _processor() -> str:
    """What -march=native depends on: a library of another processor in a shared folder is not taken."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        import platform

        return platform.processor()
    return next((line for line in lines if line.startswith(("flags", "Features"))), "")
