"""Units in which people read results: those of the field by default, others on request."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..arrays import ARRAYS, base_name
from ..errors import InputError
from ..units import E_CHARGE, QuantityError, conversion

__all__ = ["USUAL", "ShownUnit", "Units", "ask_units", "shown_unit", "unit_slug"]


@dataclass(frozen=True)
class ShownUnit:
    """``shown = stored * factor + zero``, in the unit ``name``."""

    name: str
    factor: float = 1.0
    zero: float = 0.0

    def of(self, stored: Any) -> Any:
        """A number, or an array of them."""
        return stored * self.factor + self.zero

    def error(self, stored: Any) -> Any:
        """A difference: the zero of the scale drops out."""
        return stored * self.factor


USUAL = {
    "m2 V-1 s-1": ShownUnit("cm²/(V s)", 1e4),
    "K m2 V-1 s-1": ShownUnit("K cm²/(V s)", 1e4),
    "m2 s-1": ShownUnit("cm²/s", 1e4),
    "S m-1": ShownUnit("S/cm", 1e-2),
    "m s-1": ShownUnit("m/s"),
    "V m-1": ShownUnit("V/m"),
    "s-1": ShownUnit("1/s"),
    "C m": ShownUnit("e Å", 1e10 / E_CHARGE),
    "m": ShownUnit("Å", 1e10),
    "C": ShownUnit("e", 1 / E_CHARGE),
    "1": ShownUnit(""),
}
"""Unit of a file → that of tables and pictures, where it is another."""

Units = Mapping[str, str]
"""Unit of a file → the one asked for."""


def ask_units(texts: Sequence[str]) -> Units:
    """``["mobility=m²/(V s)"]`` as units of the file → units wanted: of a quantity, and of all with its unit.

    Raises InputError for a quantity that there is not, or a unit that does not suit it.
    """
    asked: dict[str, str] = {}
    for text in texts:
        name, equals, unit = (part.strip() for part in text.partition("="))
        spec = ARRAYS.get(base_name(name))
        if not equals or spec is None or spec.dtype != "float":
            raise InputError(
                "is no quantity with a unit" if equals else "is not QUANTITY=UNIT",
                key="--units",
                value=text,
                allowed=", ".join(n for n, s in ARRAYS.items() if s.dtype == "float" and s.unit != "1"),
                remedy="write, for example, --units 'mobility=m²/(V s)'",
            )
        try:
            conversion(spec.unit, unit)
        except QuantityError as e:
            raise InputError(
                e.message,
                key="--units",
                value=text,
                allowed=f"a unit of {spec.long_name}, such as {shown_unit(spec.unit).name}",
                remedy="choose another unit",
            ) from None
        asked[spec.unit] = unit
    return asked


def shown_unit(stored: str, asked: Units | None = None) -> ShownUnit:
    """In which unit an array stored in ``stored`` is shown."""
    name = (asked or {}).get(stored)
    if name is None:
        return USUAL.get(stored, ShownUnit(stored))
    return ShownUnit(name, *conversion(stored, name))


_LETTERS = {"²": "2", "³": "3", "Å": "angstrom", "μ": "u", "°": "deg"}


def unit_slug(unit: str) -> str:
    """A unit as it ends the name of a column: ``cm²/(V s)`` is ``cm2_per_Vs``."""
    plain = unit
    for sign, letters in _LETTERS.items():
        plain = plain.replace(sign, letters)
    head, slash, rest = plain.partition("/")
    head = re.sub(r"^1$", "", head.strip())
    parts = [re.sub(r"\W+", "_", head).strip("_"), "per" * bool(slash), re.sub(r"\W+", "", rest)]
    return "_".join(p for p in parts if p)
