"""One family of errors. Each names the place, the key, the value, the allowed range and the way out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .records import Estimate

__all__ = [
    "InputError",
    "KmcTransportError",
    "Problem",
    "RateError",
    "StoreError",
    "TooManyStates",
    "Unconverged",
]


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
        place = ":".join(str(p) for p in (self.file, self.line, self.column) if p not in ("", None))
        head = ": ".join(p for p in (place, self.key) if p)
        lines = [f"{head}: {self.message}" if head else self.message]
        if self.value is not None:
            lines.append(f"    given:   {self.value}")
        if self.allowed:
            lines.append(f"    allowed: {self.allowed}")
        if self.remedy:
            lines.append(f"    remedy:  {self.remedy}")
        return "\n".join(lines)


class KmcTransportError(Exception):
    """Base of all errors that this package raises on purpose; ``exit_code`` is the command line's."""

    exit_code = 1


class InputError(KmcTransportError):
    """What the user gave cannot be used. Holds every problem found, not only the first."""

    exit_code = 2

    def __init__(self, problems: Problem | str | Sequence[Problem]) -> None:
        if isinstance(problems, str):
            problems = Problem(problems)
        self.problems: tuple[Problem, ...] = (problems,) if isinstance(problems, Problem) else tuple(problems)
        super().__init__("\n".join(str(p) for p in self.problems))

    def __reduce__(self) -> tuple[Any, ...]:  # errors travel from workers, their problems with them
        return _rebuilt, (type(self), self.problems, self.__dict__)


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


class Unconverged(KmcTransportError):
    """Statistics too weak for the number asked; the estimate so far is inside."""

    def __init__(self, message: str, estimate: Estimate | None = None) -> None:
        self.estimate = estimate
        super().__init__(message if estimate is None else f"{message} (so far: {estimate})")
