"""What the parts of the input's schema are made of: quantities with units and bounds, names, vectors, sections."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Strict, Tag
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from ...units import DIMENSIONS, MAX_QUANTITY, QuantityError, parse_quantity, quantity_pattern

__all__ = [
    "Angle",
    "Area",
    "CellOffset",
    "Coordinate",
    "Directions",
    "Duration",
    "Energy",
    "FieldStrength",
    "FileName",
    "FiniteFloat",
    "Flag",
    "Frequency",
    "FrequencyOrEyring",
    "Length",
    "Measured",
    "Name",
    "PlainBarrier",
    "Position",
    "Quantity",
    "Section",
    "SmallEnergy",
    "Temperature",
    "Text",
    "UncertainBarrier",
    "Vector",
    "Whole",
    "by_shape",
    "coordinate",
    "exactly_one",
    "is_nested",
    "key_error",
    "quantity_texts",
]


class Measured(NamedTuple):
    """A value with its standard uncertainty (None: not given), internal units."""

    value: float
    stderr: float | None


@dataclass(frozen=True, kw_only=True)
class Quantity:
    """Annotation: a number in the documented unit or a text with a unit, kept in internal units.

    Bounds are in the documented unit (V/m for fields). ``uncertain`` keeps ``± ...`` and gives `Measured`.
    """

    dimension: str
    gt: float | None = None
    ge: float | None = None
    le: float | None = None
    uncertain: bool = False
    words: tuple[str, ...] = ()
    """Texts that are allowed instead of a quantity."""

    @property
    def allowed(self) -> str:
        unit = DIMENSIONS[self.dimension].unit
        low = f"> {self.gt:g}" if self.gt is not None else f">= {self.ge:g}" if self.ge is not None else ""
        high = f"<= {self.le:g}" if self.le is not None else ""
        text = " and ".join(t for t in (low, high) if t) + (f" {unit}" if unit else "")
        return " or ".join([text, *(f"'{w}'" for w in self.words)])

    def parse(self, given: object) -> object:
        if isinstance(given, str) and given in self.words:
            return given
        dim = DIMENSIONS[self.dimension]
        try:
            value, stderr = parse_quantity(given, self.dimension)
        except QuantityError as error:
            allowed = " or ".join([error.allowed, *(f"'{w}'" for w in self.words)])
            raise key_error(error.message, allowed, error.remedy) from None
        shown = value * float(dim.per_internal)
        if (
            (self.gt is not None and not shown > self.gt)
            or (self.ge is not None and not shown >= self.ge)
            or (self.le is not None and not shown <= self.le * (1 + 1e-12))
        ):
            low = self.gt if self.gt is not None else self.ge
            sign = "negative" if shown < 0 <= (-1 if low is None else low) else "outside the allowed range"
            remedy = "" if shown <= 0 else f"write the unit with the number, such as '{dim.example}'"
            if self.dimension == "temperature" and shown <= 0:
                remedy = f"write '{shown:g} degC' if degrees Celsius are meant"
            raise key_error(f"the {dim.name} is {sign}", self.allowed, remedy)
        if self.uncertain:
            return Measured(value, stderr)
        if stderr is not None:
            raise key_error(
                "an uncertainty is not used here, so it would be lost",
                self.allowed,
                "uncertainties belong to barriers; write the value alone",
            )
        return value

    def __get_pydantic_core_schema__(self, source: Any, handler: Callable[[Any], CoreSchema]) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self.parse)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: Callable[..., Any]) -> dict[str, Any]:
        dim = DIMENSIONS[self.dimension]
        number: dict[str, Any] = {"type": "number"}
        for key, bound in (("exclusiveMinimum", self.gt), ("minimum", self.ge), ("maximum", self.le)):
            if bound is not None:
                number[key] = bound
        members = [number, {"quantity": self.dimension}]  # `schema.input_schema` makes it a reference
        if self.words:
            members.append({"enum": list(self.words)})
        return {"anyOf": members, "unit": dim.unit or "1"}


def key_error(message: str, allowed: str = "", remedy: str = "") -> PydanticCustomError:
    # the words travel in the context: pydantic's own template would read braces in them
    return PydanticCustomError(
        "input", "{message}", {"message": message, "allowed": allowed, "remedy": remedy}
    )


def quantity_texts() -> dict[str, Any]:
    """JSON schemas of texts with a unit, ``energy_text`` and so on."""
    return {
        f"{name}_text": {
            "type": "string",
            "maxLength": MAX_QUANTITY,
            "pattern": quantity_pattern(name),
            "examples": [d.example],
        }
        for name, d in DIMENSIONS.items()
    }


_COORDINATE = r"^[-+]?[0-9]{1,15}(?:\.[0-9]{0,20})?(?:[eE][-+]?[0-9]{1,2})?(?: ?/ ?[0-9]{1,9})?$"
_FARTHEST = 1e6
"""Largest fractional coordinate."""


def coordinate(given: object) -> float:
    """A number, or a fraction such as ``1/3``."""
    value = math.nan
    if isinstance(given, str) and re.match(_COORDINATE, given):
        top, _, bottom = given.replace(" ", "").partition("/")
        value = float(Fraction(top) / int(bottom or "1")) if int(bottom or "1") else math.nan
    elif isinstance(given, int | float) and not isinstance(given, bool):
        value = float(given)
    if not abs(value) <= _FARTHEST:
        raise key_error(
            "must be a fractional coordinate",
            f"a number or a fraction such as 1/3, of at most {_FARTHEST:g} in magnitude",
        )
    return value


def _whole(given: object) -> object:
    """2.0 and 1e6 are whole numbers; texts and truth values are none."""
    return int(given) if isinstance(given, float) and given.is_integer() else given


@dataclass(frozen=True)
class Whole:
    """Annotation: a whole number from ``low`` to ``high``."""

    low: int = 0
    high: int = 10**9

    def __get_pydantic_core_schema__(self, source: Any, handler: Callable[[Any], CoreSchema]) -> CoreSchema:
        number = core_schema.int_schema(strict=True, ge=self.low, le=self.high)
        return core_schema.no_info_before_validator_function(_whole, number)


LARGEST = 1e12
"""Largest magnitude of a plain number (charges, dipoles, vectors in Å, frequencies in THz)."""
MAX_TEXT = 20_000

# no control characters (escape sequences), no marks that turn the direction of writing: `inputfile` refuses them
_CLEAN = {"pattern": r"^[^\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]*$"}
Flag = Annotated[bool, Strict()]
Text = Annotated[str, Field(max_length=MAX_TEXT, json_schema_extra=_CLEAN)]
FileName = Annotated[str, Field(min_length=1, max_length=1000, json_schema_extra=_CLEAN)]
Energy = Annotated[float, Quantity(dimension="energy", ge=-50, le=50)]
UncertainBarrier = Annotated[Measured, Quantity(dimension="energy", ge=0, le=50, uncertain=True)]
PlainBarrier = Annotated[float, Quantity(dimension="energy", ge=0, le=50)]
SmallEnergy = Annotated[float, Quantity(dimension="energy", gt=0, le=1)]
Frequency = Annotated[float, Quantity(dimension="frequency", gt=1e3, le=1e17)]
FrequencyOrEyring = Annotated[
    float | Literal["eyring"], Quantity(dimension="frequency", gt=1e3, le=1e17, words=("eyring",))
]
Length = Annotated[float, Quantity(dimension="length", ge=0.1, le=1e5)]
Area = Annotated[float, Quantity(dimension="area", ge=1e-2, le=1e10)]
Angle = Annotated[float, Quantity(dimension="angle", ge=1e-3, le=179.999)]
Temperature = Annotated[float, Quantity(dimension="temperature", ge=1e-3, le=1e5)]
FieldStrength = Annotated[float, Quantity(dimension="field", ge=0, le=1e12)]
Duration = Annotated[float, Quantity(dimension="time", ge=1e-30, le=1e30)]
Coordinate = Annotated[
    float,
    BeforeValidator(
        coordinate,
        json_schema_input_type=Annotated[float, Field(ge=-_FARTHEST, le=_FARTHEST)]
        | Annotated[str, Field(pattern=_COORDINATE, examples=["1/3"])],
    ),
]
Position = Annotated[list[Coordinate], Field(min_length=3, max_length=3)]
CellOffset = Annotated[list[Annotated[int, Whole(-(10**6), 10**6)]], Field(min_length=3, max_length=3)]
FiniteFloat = Annotated[float, Strict(), Field(allow_inf_nan=False, ge=-LARGEST, le=LARGEST)]
Vector = Annotated[list[FiniteFloat], Field(min_length=3, max_length=3)]
_NAME = r"^[^\x00-\x20\x7f-\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000:#\[\]]+$"
Name = Annotated[str, Field(pattern=_NAME, min_length=1, max_length=64)]


def by_shape(**tags: type | tuple[type, ...]) -> Discriminator:
    """Chooses the member of a union by the shape of what was given, so that one error is reported, not many."""

    def choose(given: object) -> str | None:
        for tag, kinds in tags.items():
            if isinstance(given, kinds) and not isinstance(given, bool):
                return tag
        return next(iter(tags))  # its own message says what is wrong

    return Discriminator(choose)


def is_nested(given: object) -> str:
    nested = isinstance(given, list) and bool(given) and isinstance(given[0], list)
    return "several_vectors" if nested else "one_vector"


Directions = Annotated[
    Annotated[Vector, Tag("one_vector")]
    | Annotated[list[Vector], Field(min_length=1), Tag("several_vectors")],
    Discriminator(is_nested),
]


def exactly_one(*keys: str) -> ConfigDict:
    """Configuration of a section of which the JSON schema says that one of these keys is given, not several."""
    given: list[Any] = [{"required": [k], "properties": {k: {"not": {"type": "null"}}}} for k in keys]
    return ConfigDict(json_schema_extra={"oneOf": given})


class Section(BaseModel):
    """Base: unknown keys are errors."""

    model_config = ConfigDict(
        extra="forbid", defer_build=True, frozen=True, validate_by_alias=True, validate_by_name=False
    )
