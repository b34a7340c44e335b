"""Every error that Vedette raises on purpose, drawn as a tree.

VedetteError
├── InputError (also ValueError)     an argument or a file the user can change
│   ├── UnknownNameError             a name that no table knows
│   ├── ImageReadError               not an image, empty, or of a kind we refuse
│   ├── LimitError                   larger than a declared limit
│   └── BudgetError                  no product fits the budget
├── CorruptProductError              a product file, or a chunk of it, is damaged
├── FormatVersionError               a product from a later version of the format
├── WeightsMismatchError             a product made with other weights
├── MissingExtraError                an optional dependency is not installed
├── ClusterError                     a scheduler or its workers are missing, lost or of other versions
└── ToolError                        an outside program failed
"""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any


class VedetteError(Exception):
    """What was got and what is needed, in one line; `hint` says what to do.

    >>> VedetteError("the file is empty", hint="copy it again").hint
    'copy it again'
    """

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint

    def __reduce__(self) -> tuple[Any, ...]:
        """Rebuilt from what it says, not from what it was made of: every class survives pickle."""
        return _rebuild, (type(self), self.args), self.__dict__


def _rebuild(kind: type[VedetteError], arguments: tuple[Any, ...]) -> VedetteError:
    return kind.__new__(kind, *arguments)


class InputError(VedetteError, ValueError):
    """An argument or an input file that the user can change."""


class UnknownNameError(InputError):
    """A name that no table knows; the hint offers the nearest one.

    >>> UnknownNameError("codec model", "charm-lit", ["charm-lite", "charm"]).hint
    "did you mean 'charm-lite'?"
    """

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        names = sorted(known)
        near = get_close_matches(name, names, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(names)}"
        super().__init__(f"no {kind} is called {name!r}", hint=hint)


class ImageReadError(InputError):
    """A file that is not an image, holds no pixels, or is of a kind that is refused."""


class LimitError(InputError):
    """Something larger than a declared limit on size, time or memory."""


class BudgetError(InputError):
    """No product fits the budget; the message names the least that would do."""


class CorruptProductError(VedetteError):
    """A product file, or a chunk of it, is damaged."""


class FormatVersionError(VedetteError):
    """A product written by a later version of the format than this reader knows."""


class WeightsMismatchError(VedetteError):
    """A product that was made with other weights than the ones at hand."""


class MissingExtraError(VedetteError):
    """An optional dependency is not installed; the hint is the command that installs it."""


class ClusterError(VedetteError):
    """A scheduler or its workers are missing, were lost, or run other versions."""


class ToolError(VedetteError):
    """An outside program failed; the message carries command, exit code and last lines."""
