"""One family of errors. Each names the place, the key, the value, the allowed range and the way out."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

if TYPE_CHECKING:
    from .records import Estimate

__all__ = [
    "DamagedFile",
    "InputError",
    "KmcTransportError",
    "MisplacedFile",
    "Problem",
    "RateError",
    "StoreError",
    "TooManyStates",
    "Unconverged",
    "plain",
]

_MESSAGE, _PLACE, _PART = 1000, 400, 1500
"""Characters of a problem's message, of its file and key, and of its other lines."""
_TOTAL = 12_000
"""Characters of all problems of an error: beyond, the others are counted."""


def plain(text: object, longest: int | None = None) -> str:
    """Text as a terminal may show it, at most ``longest`` characters of it.

    Control characters (escape sequences begin with one), lone surrogates and marks that turn the direction of writing
    become escapes. What files and arguments bring along passes through here before it is printed.
    """
    try:
        shown = str(text)
    except ValueError:  # Python writes no whole number of more than some thousand digits
        shown = "a number with thousands of digits"
    if longest is not None and len(shown) > longest:
        shown = f"{shown[: longest - 40]}... ({len(shown)} characters)"
    if shown.isprintable():
        return shown
    return "".join(c if c in "\n\t" or _harmless(c) else c.encode("unicode_escape").decode() for c in shown)


def _harmless(character: str) -> bool:
    return character.isprintable() or unicodedata.category(character) == "Zs"


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with what the user gave."""

    message: str
    """What is wrong, in one sentence."""
    key: str = ""
    """Dotted path of the key, such as ``hops[0].barrier``."""
    value: object = None
    """The value that was given."""
    allowed: str = ""
    """The allowed range or choices."""
    remedy: str = ""
    """What to do about it."""
    file: str = ""
    line: int | None = None
    """Line in ``file``, counted from 1."""
    column: int | None = None
    """Column in ``file``, counted from 1."""

    def __str__(self) -> str:
        place = ":".join(plain(p, _PLACE) for p in (self.file, self.line, self.column) if p not in ("", None))
        head = ": ".join(p for p in (place, plain(self.key, _PLACE)) if p)
        message = plain(self.message, _MESSAGE)
        lines = [f"{head}: {message}" if head else message]
        if self.value is not None:
            lines.append(f"    given:   {plain(self.value, _PART)}")
        if self.allowed:
            lines.append(f"    allowed: {plain(self.allowed, _PART)}")
        if self.remedy:
            lines.append(f"    remedy:  {plain(self.remedy, _PART)}")
        return "\n".join(lines)


class _Rest(TypedDict, total=False):
    """What a `Problem` says beside its message."""

    key: str
    value: object
    allowed: str
    remedy: str
    file: str
    line: int | None
    column: int | None


class KmcTransportError(Exception):
    """Base of all errors that this package raises on purpose; ``exit_code`` is the command line's."""

    exit_code = 1


class InputError(KmcTransportError):
    """What the user gave cannot be used. Holds every problem found, not only the first.

    problems : the message of the one problem, its other fields by name; or problems made before.
    """

    exit_code = 2

    def __init__(self, problems: Problem | str | Sequence[Problem], **rest: Unpack[_Rest]) -> None:
        if isinstance(problems, str):
            problems = Problem(problems, **rest)
        self.problems: tuple[Problem, ...] = (problems,) if isinstance(problems, Problem) else tuple(problems)
        super().__init__(_listed(self.problems))

    def __reduce__(self) -> tuple[Any, ...]:  # errors travel from workers, their problems with them
        return _rebuilt, (type(self), self.problems, self.__dict__)


def _listed(problems: Sequence[Problem]) -> str:
    """Every problem on lines of its own, as many as one reads."""
    lines: list[str] = []
    for k, problem in enumerate(problems):
        lines.append(str(problem))
        if sum(map(len, lines)) > _TOTAL and k + 1 < len(problems):
            lines.append(f"... and {len(problems) - k - 1} more problems")
            break
    return "\n".join(lines)


def _rebuilt(cls: type[InputError], problems: tuple[Problem, ...], rest: dict[str, Any]) -> InputError:
    error = cls.__new__(cls)
    InputError.__init__(error, problems)
    error.__dict__.update(rest)
    return error


class RateError(InputError):
    """A rate, a pair of rates (detailed balance) or a loop of hops is not physical."""


class TooManyStates(InputError):
    """The exact solver would have to enumerate more states than allowed. alone : one carrier alone is a way out."""

    def __init__(self, n_states: int, limit: int, what: str, *, alone: bool = False) -> None:
        self.n_states, self.limit = n_states, limit
        other = ", or ask for one carrier alone (exact --dilute; dilute=True)" if alone else ""
        super().__init__(
            Problem(
                f"{what} has {n_states} states, too many to solve exactly",
                value=n_states,
                allowed=f"at most {limit} (--max-states, max_states)",
                remedy=f"use a smaller supercell or fewer carriers, or simulate it{other}",
            )
        )


class StoreError(InputError):
    """A result file does not fit what is asked (other input, damaged, not ours)."""


class DamagedFile(StoreError):
    """The bytes of a file are not those that were written: it is cut off, or its checksum does not fit."""


class MisplacedFile(StoreError):
    """A file is intact but belongs elsewhere: to another run, or to another point."""


class Unconverged(KmcTransportError):
    """Statistics too weak for the number asked; the estimate so far is inside."""

    def __init__(self, message: str, estimate: Estimate | None = None) -> None:
        self.estimate = estimate
        super().__init__(message if estimate is None else f"{message} (so far: {estimate})")
