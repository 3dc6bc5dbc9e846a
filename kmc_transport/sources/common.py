"""What the readers of migration paths share: the raw path, the way errors are said, quiet calls of libraries."""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np

from ..errors import InputError
from ..ndarrays import FloatArray
from .files import read_packed_text as read_text

__all__ = [
    "AT_REST",
    "UNKNOWN",
    "RawPath",
    "Residual",
    "fail",
    "library",
    "missing_numbers",
    "numbers",
    "read_text",
    "require_ase",
    "stack",
    "whole_number",
]

_COUNT = re.compile(r"\d{1,9}", re.ASCII)
_HUGE = 1e30  # in any unit of these files
AT_REST = 0.1
"""eV/Å; an end state with more force left is no minimum by any usual criterion."""
UNKNOWN = "X"
"""The element of an atom when the file does not say it."""


@dataclass(frozen=True, eq=False)
class Residual:
    """Forces left on an image, (n_atoms, 3) eV/Å, and the largest that was allowed, or None."""

    force: FloatArray
    limit: float | None


@dataclass(kw_only=True)
class RawPath:
    """A path as a code wrote it, before atoms are followed and the saddle is looked for.

    energy : (n,) eV, any zero. coordinate : (n,) of the file, used where there are no positions.
    positions : (n, n_atoms, 3) Å, wrapped or not. cell : (3, 3) Å. periodic : of each cell vector.
    symbols : of each image, so that a different order is seen. forces : (n, n_atoms, 3) eV/Å.
    slope : (n,) dE/ds along the path, eV/Å, where the code gives the force along its tangent.
    curve : (m, 2) interpolation by the code itself: fraction of the path, energy in eV from the first image.
    hermite : whether slopes shape the interpolation (else they only serve as a comparison).
    """

    file: Path
    kind: str
    energy: FloatArray
    coordinate: FloatArray | None = None
    coordinate_unit: str = ""
    positions: FloatArray | None = None
    cell: FloatArray | None = None
    periodic: tuple[bool, bool, bool] = (True, True, True)
    symbols: list[tuple[str, ...]] | None = None
    forces: FloatArray | None = None
    slope: FloatArray | None = None
    hermite: bool = False
    flat_ends: bool = False
    """Whether a Hermite interpolation takes the slope at both ends as 0 (as neb.x does)."""
    curve: FloatArray | None = None
    energy_error: FloatArray | None = None
    force_error: FloatArray | None = None
    what: str = ""
    """Which part of the file, for ``MigrationPath.source``."""
    labels: tuple[str, ...] = ()
    residual: list[Residual | None] = field(default_factory=list)
    """Of each image that does not say it came to rest, or empty."""
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.labels = self.labels or tuple(f"image {i}" for i in range(len(self.energy)))


def fail(
    file: str | Path,
    message: str,
    remedy: str = "",
    *,
    value: object = None,
    allowed: str = "",
    line: int | None = None,
    key: str = "",
) -> InputError:
    """The error to raise: what is wrong with ``file`` and what to do about it."""
    return InputError(
        message, key=key, value=value, allowed=allowed, remedy=remedy, file=str(file), line=line
    )


@contextmanager
def library(file: Path, what: str, remedy: str) -> Iterator[None]:
    """Around one call of a library: its warnings stay inside, its errors become an `InputError` on ``file``."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except InputError:
        raise
    except Exception as error:  # a reader meets anything in a damaged file, and libraries raise anything
        said = str(error).strip().split("\n")[0][:200]
        told = f"{type(error).__name__}{f': {said}' if said else ''}"
        raise fail(file, f"this cannot be read as {what} ({told})", remedy) from error


def numbers(words: Sequence[str], file: Path, line: int | None = None) -> list[float]:
    """The words as finite numbers (Fortran exponents too), or an error on the line."""
    values = []
    for word in words:
        try:
            value = float(word.replace("D", "e").replace("d", "e"))
        except ValueError:
            raise fail(file, f"'{word}' is not a number", "repair or remove this line", line=line) from None
        if not abs(value) < _HUGE:
            raise fail(
                file,
                "not a finite number" if not math.isfinite(value) else "this number is beyond all measure",
                "the calculation of this image failed: repeat it",
                value=word,
                line=line,
            )
        values.append(value)
    return values


def whole_number(text: str | None) -> int:
    """A count as text; 0 where it is none, or beyond all measure."""
    return int(text) if text and _COUNT.fullmatch(text) else 0


def missing_numbers(found: Iterable[float], first: int) -> list[int]:
    """Up to eight whole numbers from ``first`` to the largest found that are not among them."""
    have = {int(x) for x in found}
    return list(islice((n for n in range(first, max(have)) if n not in have), 8))


def require_ase(file: Path) -> None:
    """Raise an `InputError` that says how to install ASE, when it is missing."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import ase  # noqa: F401
    except ModuleNotFoundError as error:
        raise fail(file, "reading this needs ASE, which is not installed", "pip install ase") from error


def stack(images: Sequence[FloatArray]) -> FloatArray | None:
    """Images as one array, or None when they differ in the number of atoms (said later, with the atom)."""
    return np.array(images, dtype=float) if len({np.shape(i) for i in images}) == 1 else None
