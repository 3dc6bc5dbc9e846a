"""Amounts of carriers: a number, or an expression of the names of `conditions.composition`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, get_args

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from ..expressions import ALLOWED, EXPRESSION, Expression, is_expression, parse_expression
from .base import Quantity, Whole, key_error

__all__ = ["Count", "Fraction"]


@dataclass(frozen=True)
class OrExpression:
    """Annotation: what ``plain`` takes, or the text of an expression."""

    plain: Any

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        number = handler.generate_schema(self.plain)
        return core_schema.no_info_wrap_validator_function(_take, number)

    def __get_pydantic_json_schema__(self, schema: Any, handler: Callable[..., Any]) -> dict[str, Any]:
        own = getattr(get_args(self.plain)[1], "__get_pydantic_json_schema__", None)
        number = handler(schema["schema"]) if own is None else own(schema["schema"], handler)
        return {"anyOf": [number, {"type": "string", "pattern": EXPRESSION}]}


def _take(given: Any, number: Callable[[Any], Any]) -> Any:
    if not is_expression(given):
        return number(given)
    try:
        return parse_expression(given)
    except ValueError as error:
        raise key_error(
            f"the expression cannot be read: {error}", ALLOWED, "for example x, 2*x or (1 - x)/4"
        ) from None


Count = Annotated[int | Expression, OrExpression(Annotated[int, Whole(1, 10**12)])]
Fraction = Annotated[
    float | Expression, OrExpression(Annotated[float, Quantity(dimension="fraction", ge=1e-30, le=1)])
]
