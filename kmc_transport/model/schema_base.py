"""What the parts of the input's schema are made of: quantities with units and bounds, names, vectors, sections."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from ..units import DIMENSIONS, QuantityError, parse_quantity

__all__ = [
    "Angle",
    "Area",
    "CellOffset",
    "Coordinate",
    "Directions",
    "Duration",
    "Energy",
    "FieldStrength",
    "FiniteFloat",
    "Frequency",
    "FrequencyOrEyring",
    "Length",
    "Measured",
    "Name",
    "PlainBarrier",
    "Position",
    "Quantity",
    "Section",
    "Temperature",
    "UncertainBarrier",
    "Vector",
    "by_shape",
    "coordinate",
    "is_nested",
    "key_error",
]


class Measured(NamedTuple):
    """A value with its standard uncertainty (None: not given), internal units."""

    value: float
    stderr: float | None


@dataclass(frozen=True)
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
        if given in self.words:
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
            sign = "negative" if shown < 0 and low == 0 else "outside the allowed range"
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
        text = {"type": "string", "examples": [dim.example, *self.words]}
        return {"anyOf": [number, text], "unit": dim.unit or "1"}


def key_error(message: str, allowed: str = "", remedy: str = "") -> PydanticCustomError:
    # the words travel in the context: pydantic's own template would read braces in them
    return PydanticCustomError(
        "input", "{message}", {"message": message, "allowed": allowed, "remedy": remedy}
    )


def coordinate(given: object) -> float:
    """A number, or a fraction such as ``1/3``."""
    if isinstance(given, str):
        try:
            return float(Fraction(given.replace(" ", "")))
        except (ValueError, ZeroDivisionError):
            pass
    elif isinstance(given, int | float) and not isinstance(given, bool) and math.isfinite(given):
        return float(given)
    raise key_error("must be a fractional coordinate", "a number or a fraction such as 1/3")


Energy = Annotated[float, Quantity("energy", ge=-50, le=50)]
UncertainBarrier = Annotated[Measured, Quantity("energy", ge=0, le=50, uncertain=True)]
PlainBarrier = Annotated[float, Quantity("energy", ge=0, le=50)]
Frequency = Annotated[float, Quantity("frequency", gt=1e3, le=1e17)]
FrequencyOrEyring = Annotated[
    float | Literal["eyring"], Quantity("frequency", gt=1e3, le=1e17, words=("eyring",))
]
Length = Annotated[float, Quantity("length", gt=0, le=1e5)]
Area = Annotated[float, Quantity("area", gt=0, le=1e10)]
Angle = Annotated[float, Quantity("angle", gt=0, le=179.999)]
Temperature = Annotated[float, Quantity("temperature", gt=0, le=1e5)]
FieldStrength = Annotated[float, Quantity("field", ge=0, le=1e12)]
Duration = Annotated[float, Quantity("time", gt=0)]
Coordinate = Annotated[
    float,
    BeforeValidator(coordinate, json_schema_input_type=float | Annotated[str, Field(examples=["1/3"])]),
]
Position = Annotated[list[Coordinate], Field(min_length=3, max_length=3)]
CellOffset = Annotated[list[int], Field(min_length=3, max_length=3)]
FiniteFloat = Annotated[float, Field(allow_inf_nan=False)]
Vector = Annotated[list[FiniteFloat], Field(min_length=3, max_length=3)]
Name = Annotated[str, Field(pattern=r"^[^\s:#\[\]]+$", min_length=1, max_length=64)]


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


class Section(BaseModel):
    """Base: unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_by_alias=True, validate_by_name=False)
