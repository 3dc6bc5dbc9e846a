"""Physical constants and quantities with units.

Inside the package: eV, Å, s, K, e, and so V/Å, Å²/s, Å²/(V s). Whatever has another unit enters through
`parse_quantity`. pint is imported only for units that the table below does not know.
"""

from __future__ import annotations

import contextlib
import math
import re
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import Any

__all__ = [
    "ANGSTROM",
    "DIMENSIONS",
    "E_CHARGE",
    "HBAR",
    "K_B",
    "MAX_QUANTITY",
    "Dimension",
    "H",
    "QuantityError",
    "conversion",
    "parse_quantity",
    "quantity_pattern",
]

# CODATA 2018/2022: these are exact by the definition of the SI of 2019.
E_CHARGE = 1.602176634e-19
"""Elementary charge, C."""
K_B = 1.380649e-23 / E_CHARGE
"""Boltzmann constant, eV/K."""
H = 6.62607015e-34 / E_CHARGE
"""Planck constant, eV s."""
HBAR = H / (2 * math.pi)
"""Reduced Planck constant, eV s."""

ANGSTROM = 1e-10
"""Å in m."""


class QuantityError(ValueError):
    """A value that is no quantity of the wanted dimension. Holds what is allowed and what to do."""

    def __init__(self, message: str, allowed: str = "", remedy: str = "") -> None:
        self.message, self.allowed, self.remedy = message, allowed, remedy
        super().__init__(message)


@dataclass(frozen=True, kw_only=True)
class Dimension:
    """A kind of quantity: the unit of a bare number, and the units known without pint.

    ``per_internal``: how many documented units make one internal unit (1e10 V/m are 1 V/Å).
    """

    name: str
    unit: str
    units: dict[str, Decimal]
    example: str
    per_internal: Decimal = Decimal(1)
    offsets: tuple[tuple[str, Decimal], ...] = ()
    """Units whose zero is elsewhere: (unit, its zero in the documented unit)."""

    @property
    def described(self) -> str:
        """The dimension with its article, for messages."""
        return f"{'an' if self.name[0] in 'aeiou' else 'a'} {self.name}"


def _units(**factors: str) -> dict[str, Decimal]:
    """``name="factor"`` for each unit; a name may hold several spellings separated by ``_or_``."""
    return {name: Decimal(f) for names, f in factors.items() for name in names.split("_or_")}


_E = Decimal("1.602176634e-19")
_MOLE = Decimal("6.02214076e23")

DIMENSIONS: dict[str, Dimension] = {
    d.name: d
    for d in (
        Dimension(
            name="energy",
            unit="eV",
            units=_units(
                eV="1",
                meV="1e-3",
                keV="1e3",
                Ha_or_hartree="27.211386245981",
                Ry_or_rydberg="13.605693122990",
            )
            | {
                "J": 1 / _E,
                "kJ/mol": 1000 / (_E * _MOLE),
                "kcal/mol": 4184 / (_E * _MOLE),
            },
            example="242 meV",
        ),
        Dimension(
            name="length",
            unit="Å",
            units=_units(
                Å_or_angstrom_or_Angstrom="1",
                nm="10",
                pm="1e-2",
                um_or_μm="1e4",
                mm="1e7",
                cm="1e8",
                m="1e10",
            )
            | _units(bohr_or_a0="0.529177210544"),
            example="2.665 Å",
        ),
        Dimension(
            name="area",
            unit="Å^2",
            units={"Å^2": Decimal(1), "angstrom^2": Decimal(1), "nm^2": Decimal(100), "cm^2": Decimal("1e16")}
            | {"m^2": Decimal("1e20")},
            example="52 Å^2",
        ),
        Dimension(
            name="frequency",
            unit="Hz",
            units=_units(Hz="1", kHz="1e3", MHz="1e6", GHz="1e9", THz="1e12", PHz="1e15")
            | {"1/s": Decimal(1), "s^-1": Decimal(1), "1/ps": Decimal("1e12"), "ps^-1": Decimal("1e12")}
            | {"cm^-1": Decimal("29979245800"), "1/cm": Decimal("29979245800")},
            example="6.12 THz",
        ),
        Dimension(
            name="time",
            unit="s",
            units=_units(
                s="1", ms="1e-3", us_or_μs="1e-6", ns="1e-9", ps="1e-12", fs="1e-15", min="60", h="3600"
            )
            | _units(d_or_day="86400"),
            example="10 ns",
        ),
        Dimension(
            name="temperature",
            unit="K",
            units=_units(K_or_kelvin="1", mK="1e-3", degC_or_celsius="1") | {"°C": Decimal(1)},
            example="298 K",
            offsets=(("degC", Decimal("273.15")), ("celsius", Decimal("273.15")), ("°C", Decimal("273.15"))),
        ),
        Dimension(
            name="field",
            unit="V/m",
            units={
                "V/m": Decimal(1),
                "kV/m": Decimal("1e3"),
                "MV/m": Decimal("1e6"),
                "GV/m": Decimal("1e9"),
                "V/cm": Decimal("1e2"),
                "kV/cm": Decimal("1e5"),
                "MV/cm": Decimal("1e8"),
                "V/um": Decimal("1e6"),
                "V/μm": Decimal("1e6"),
                "V/nm": Decimal("1e9"),
                "mV/nm": Decimal("1e6"),
                "V/Å": Decimal("1e10"),
                "V/angstrom": Decimal("1e10"),
                "mV/Å": Decimal("1e7"),
            },
            example="1 MV/cm",
            per_internal=Decimal("1e10"),
        ),
        Dimension(name="charge", unit="e", units=_units(e="1") | {"C": 1 / _E}, example="2 e"),
        Dimension(
            name="angle",
            unit="deg",
            units={"deg": Decimal(1), "°": Decimal(1), "degree": Decimal(1)},
            example="120 deg",
        ),
        Dimension(
            name="fraction",
            unit="",
            units={"%": Decimal("0.01"), "ppm": Decimal("1e-6"), "‰": Decimal("0.001")},
            example="1 %",
        ),
    )
}
"""Every dimension of the input, by name."""

MAX_QUANTITY = 200
"""Characters of a text with a unit."""
_SPACE = "[ \\t\u00a0\u2009\u202f]*"
_NUMBER = r"[-+−]?(?:[0-9]{1,50}(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+−]?[0-9]{1,2})?"
_PM = r"(?:±|\+ ?/ ?[-−]|\+[-−])"
_LONG = _NUMBER.replace("{1,2}", "{1,5}")  # so that 1e999 is told to be too large, not to be no number
_TERM = re.compile(rf"{_SPACE}(?P<number>{_LONG}){_SPACE}(?P<unit>.*?){_SPACE}\Z")
_BRACKET = re.compile(rf"{_SPACE}\({_SPACE}(?P<inner>[^()]*)\){_SPACE}(?P<unit>.*?){_SPACE}\Z")
_PLUS_MINUS = re.compile(_PM)
# products of names with small exponents; pint would work out a tower of powers for ever
_LETTER = "A-Za-z°\u00c0-\u024f\u0370-\u03ff\u212b"
_NAME = rf"[{_LETTER}_][{_LETTER}_0-9]*(?:(?:\^|\*\*)-?[0-9]|²|⁻¹)?"
_PINT_TEXT = rf"(?![eE][0-9])(?:1 ?/ ?)?{_NAME}(?: ?[*/· ] ?{_NAME})*"
_PLAIN = str.maketrans({"²": "^2", "⁻": "^-", "¹": "1", "−": "-", "\u212b": "Å", "µ": "μ"})
_ALIKE = {"Å": "(?:[Å\u212b]|A\u030a)", "μ": "[μµ]", "^2": r"(?:\^2|\*\*2|²)", "^-1": r"(?:\^-1|\*\*-1|⁻¹)"}
"""Other spellings of parts of units."""


def _spellings(unit: str) -> str:
    """Pattern of the ways in which a known unit may be written."""
    parts = re.split(r"(\^-1|\^2|[/Åμ])", unit)
    return "".join(_ALIKE.get(p, " ?/ ?" if p == "/" else re.escape(p)) for p in parts)


@cache
def quantity_pattern(dimension: str) -> str:
    """Regular expression (of Python and of ECMA) that every text passes which `parse_quantity` takes.

    It names the units known here and leaves open those that only pint knows.
    """
    mine = "|".join(map(_spellings, DIMENSIONS[dimension].units))
    known = set(DIMENSIONS[dimension].units)
    others = "|".join(_spellings(u) for d in DIMENSIONS.values() for u in d.units if u not in known)
    unit = f"(?:{mine}|(?!(?:{others}){_SPACE}(?:$|[±+)])){_PINT_TEXT})"
    term = f"{_SPACE}{_NUMBER}{_SPACE}(?:{unit}{_SPACE})?"
    bare = f"{_SPACE}{_NUMBER}{_SPACE}"
    bracket = rf"{_SPACE}\({bare}(?:{_PM}{bare})?\){_SPACE}{unit}{_SPACE}"
    return f"^(?:{term}(?:{_PM}{term})?|{bracket})$"


def parse_quantity(value: object, dimension: str) -> tuple[float, float | None]:
    """Value and standard uncertainty of a quantity, in internal units.

    Parameters
    ----------
    value : a number in the documented unit of the dimension (temperature K, field V/m, energy eV, length Å,
        area Å², frequency Hz, time s, charge e, angle deg, fraction 1), or a string such as ``"242 meV"``,
        ``"242 ± 30 meV"``, ``"242 +/- 30 meV"``, ``"1 MV/cm"``, ``"25 degC"``, ``"1 %"``.
    dimension : a key of `DIMENSIONS`.

    Returns
    -------
    (value, stderr) : in eV, Å, Å², Hz, s, K, V/Å, e, deg or 1; ``stderr`` is None when none was given.

    Raises
    ------
    QuantityError : not a finite number, an unknown unit, or a unit of another dimension.
    """
    dim = DIMENSIONS[dimension]
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise _wrong(dim, f"must be {dim.described}, not {_kind(value)}")
    if not isinstance(value, str):
        if isinstance(value, float) and not math.isfinite(value):
            raise _wrong(dim, "must be a finite number")
        try:
            return _internal(Decimal(repr(float(value))), dim), None
        except OverflowError as error:
            raise _wrong(dim, "must be a finite number") from error

    if len(value) > MAX_QUANTITY:
        raise _wrong(dim, f"must be {dim.described}, not a text of {len(value)} characters")
    text = value.replace("A\u030a", "Å").translate(_PLAIN)
    bracket = _BRACKET.match(text)
    shared_unit = ""
    if bracket:
        text, shared_unit = bracket["inner"], bracket["unit"]
    parts = _PLUS_MINUS.split(text)
    terms = [_TERM.match(p) for p in parts]
    if len(terms) > 2 or not all(terms) or (shared_unit and any(t and t["unit"] for t in terms)):
        raise _wrong(dim, f"'{value}' is not {dim.described}")
    numbers = [Decimal(t["number"]) for t in terms if t]
    units = [t["unit"] or shared_unit for t in terms if t]
    fallback = next((u for u in reversed(units) if u), "")
    result = _convert(numbers[0], units[0] or fallback, dim)
    if not re.search(quantity_pattern(dimension), value):
        raise _wrong(dim, f"'{value}' is not {dim.described}")
    if len(numbers) == 1:
        return result, None
    unit = units[1] or fallback
    # an uncertainty is a difference: the zero of the scale drops out
    stderr = _convert(numbers[1], unit, dim) - _convert(Decimal(0), unit, dim)
    if stderr < 0:
        raise _wrong(dim, f"the uncertainty of '{value}' must not be negative")
    return result, stderr


def _kind(value: object) -> str:
    if value is None:
        return "empty"
    names: dict[type, str] = {bool: "true/false", list: "a list", dict: "a mapping", tuple: "a list"}
    return names.get(type(value), type(value).__name__)


def _wrong(dim: Dimension, message: str) -> QuantityError:
    unit = f" in {dim.unit}" if dim.unit else ""
    return QuantityError(message, f"a number{unit}, or a text such as '{dim.example}'", "")


def _internal(number: Decimal, dim: Dimension) -> float:
    try:
        result = float(number / dim.per_internal)
    except (OverflowError, InvalidOperation) as error:
        raise _wrong(dim, "must be a finite number") from error
    if not math.isfinite(result):
        raise _wrong(dim, "must be a finite number")
    return result


def _convert(number: Decimal, unit: str, dim: Dimension) -> float:
    unit = re.sub(r" ?([/^*·]) ?", r"\1", unit.replace("**", "^"))
    if not unit:
        return _internal(number, dim)
    if unit in dim.units:
        return _internal(number * dim.units[unit] + dict(dim.offsets).get(unit, Decimal(0)), dim)
    for other in DIMENSIONS.values():
        if unit in other.units:
            raise _wrong_dimension(unit, other.name, dim)
    return _convert_by_pint(float(number), unit, dim)


def _wrong_dimension(unit: str, what: str, dim: Dimension) -> QuantityError:
    return QuantityError(
        f"'{unit}' is a unit of {what}, but {dim.described} is needed",
        f"a number in {dim.unit}, or one with a unit such as '{dim.example}'"
        if dim.unit
        else f"a pure number, or one such as '{dim.example}'",
        f"give {dim.described}, such as '{dim.example}'",
    )


@cache
def _registry() -> Any:
    import pint

    return pint.UnitRegistry()


def _unknown_unit(unit: str, dim: Dimension) -> QuantityError:
    return QuantityError(
        f"'{unit}' is not a unit that is known here",
        f"a number in {dim.unit or '1'}, or one of {', '.join(dim.units)}, or another pint unit",
        f"write {dim.described}, such as '{dim.example}'",
    )


_PINT_UNITS = {
    "area": "angstrom^2",
    "charge": "elementary_charge",
    "field": "V/m",
    "fraction": "dimensionless",
    "length": "angstrom",
}


def _convert_by_pint(number: float, unit: str, dim: Dimension) -> float:
    if not re.fullmatch(_PINT_TEXT, unit):
        raise _unknown_unit(unit, dim)
    registry = _registry()
    target = _PINT_UNITS.get(dim.name, dim.unit)
    try:
        parsed = registry.parse_units(unit)
    except Exception as error:  # pint raises errors of many families on texts that are no units
        raise _unknown_unit(unit, dim) from error
    quantity = registry.Quantity(number, parsed)
    if not quantity.is_compatible_with(target):
        raise _wrong_dimension(unit, str(quantity.dimensionality) or "a pure number", dim)
    try:
        result = float(quantity.to(target).magnitude)
    except (ArithmeticError, ValueError) as error:
        raise _wrong(dim, "must be a finite number") from error
    if not math.isfinite(result):
        raise _wrong(dim, "must be a finite number")
    return result / float(dim.per_internal)


_UNIT_TEXT = re.compile(rf"[{_LETTER}%_0-9²³⁻¹^*/·() −-]{{1,60}}")
_EXPONENT = re.compile(rf"(?<=[{_LETTER}])(-?[0-9])(?![0-9])")


def conversion(unit: str, into: str) -> tuple[float, float]:
    """(factor, zero): a number in ``unit`` times the factor plus the zero is the number in ``into``.

    Units as files have them (``m2 V-1 s-1``, ``1``) or as people write them (``cm²/(V s)``, ``kJ/mol``). Raises
    QuantityError for what is no unit, or one of another dimension.
    """
    if unit == into:
        return 1.0, 0.0
    for dim in DIMENSIONS.values():
        if unit in dim.units and into in dim.units:
            zero = dict(dim.offsets)
            factor = dim.units[unit] / dim.units[into]
            shift = (zero.get(unit, Decimal(0)) - zero.get(into, Decimal(0))) / dim.units[into]
            return float(factor), float(shift)
    source, target = _pint_unit(unit), _pint_unit(into)
    registry = _registry()
    nothing, one = registry.Quantity(0.0, source), registry.Quantity(1.0, source)
    if not one.is_compatible_with(target):
        raise QuantityError(
            f"'{into}' is a unit of another quantity than '{unit}'",
            f"a unit of the dimension of {unit}",
            "choose another unit",
        )
    start = float(nothing.to(target).magnitude)
    return float(one.to(target).magnitude) - start, start


def _pint_unit(text: str) -> Any:
    """A unit of pint; exponents may stand behind the name, products may be written with a space."""
    plain = text.strip().replace("³", "^3").translate(_PLAIN)
    if not plain or plain == "1":
        return _registry().parse_units("dimensionless")
    if _UNIT_TEXT.fullmatch(text.strip()):
        plain = _EXPONENT.sub(r"^\1", re.sub(r" ?([/*()]) ?", r"\1", plain.replace("·", "*")))
        with contextlib.suppress(Exception):  # pint raises errors of many families on texts that are no units
            return _registry().parse_units(plain.replace(" ", "*"))
    raise QuantityError(
        f"'{text}' is not a unit that is known here", "a unit such as cm²/(V s), S/cm or meV", "write it so"
    )
