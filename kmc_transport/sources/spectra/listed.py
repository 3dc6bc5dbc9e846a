"""Plain lists of frequencies: numbers given inline, or a text file that names their unit."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ...units import H, QuantityError, parse_quantity
from ..records import Spectrum
from .freeze import freeze_spectrum, wrong

__all__ = ["in_thz", "read_inline", "read_list"]

_HEADER = re.compile(r"#?\s*(unit|acoustic|atoms)\s*[:=]\s*(\S+)\s*\Z", re.I)
_UNIT = "add a first line '# unit: THz' (or cm^-1, meV, ...)"


def in_thz(unit: str, file: str, line: int) -> float:
    """THz of one ``unit``: of a frequency, a wave number, or the energy of a quantum."""
    try:
        return parse_quantity(f"1 {unit}", "frequency")[0] / 1e12
    except QuantityError as error:
        try:
            return parse_quantity(f"1 {unit}", "energy")[0] / H / 1e12
        except QuantityError:
            raise wrong(
                file,
                f"'{unit}' is not a unit of frequency",
                _UNIT,
                line=line,
                allowed="THz, cm^-1, Hz, meV, ...",
            ) from error


def _number(word: str) -> float:
    """A frequency; ``0.24i`` and VASP's ``f/i`` mark stand for imaginary ones, kept as negative."""
    return -abs(float(word[:-1])) if word[-1:] in "ij" else float(word)


def read_inline(values: Sequence[float], *, acoustic: bool, name: str) -> Spectrum:
    """Gamma frequencies in THz, imaginary ones negative; ``acoustic``: whether acoustic modes are among them."""
    try:
        numbers = [float(v) for v in values]
    except (TypeError, ValueError) as error:
        raise wrong(name, "is not a list of frequencies", "give numbers in THz", value=str(values)) from error
    if not numbers:
        raise wrong(name, "is an empty list", "give at least one frequency in THz")
    source = f"{name} ({len(numbers)} frequencies)"
    return freeze_spectrum([numbers], file=name, source=source, without_acoustic=not acoustic)


def read_list(text: str, file: str, *, acoustic: bool | None) -> Spectrum:
    """Gamma frequencies from a text: header lines ``# unit: cm^-1``, ``# acoustic: included``, then numbers.

    Numbers are separated by blanks, commas or lines; other lines that start with # are comments.

    Raises
    ------
    InputError : no unit, no number, a word that is no number, an unknown header value.
    """
    factor: float | None = None
    included, n_atoms = acoustic, None
    numbers: list[float] = []
    for at, line in enumerate(text.splitlines(), 1):
        header = _HEADER.match(line.strip())
        if header:
            key, value = header[1].lower(), header[2]
            if key == "unit":
                factor = in_thz(value, file, at)
            elif key == "atoms":
                if not value.isdecimal() or int(value) < 1:
                    raise wrong(
                        file, "'atoms' is not a number of atoms", "write '# atoms: 64'", value=value, line=at
                    )
                n_atoms = int(value)
            elif value.lower() not in ("included", "removed"):
                raise wrong(
                    file,
                    "'acoustic' is not understood",
                    "write '# acoustic: included'",
                    value=value,
                    line=at,
                    allowed="included, removed",
                )
            elif acoustic is None:
                included = value.lower() == "included"
            continue
        for word in re.split(r"[,\s]+", line.split("#")[0].strip()):
            if not word:
                continue
            try:
                numbers.append(_number(word))
            except ValueError as error:
                raise wrong(
                    file,
                    "a word is no frequency",
                    "give numbers, imaginary ones as -0.24 or 0.24i",
                    value=word[:60],
                    line=at,
                ) from error
    if not numbers:
        raise wrong(file, "holds no frequencies", "write the unit line and the numbers below it")
    if factor is None:
        raise wrong(file, "does not say in which unit its frequencies are", _UNIT)
    source = f"{file} ({len(numbers)} frequencies)"
    return freeze_spectrum(
        [[factor * n for n in numbers]],
        file=file,
        source=source,
        n_atoms=n_atoms,
        without_acoustic=not included,
    )
