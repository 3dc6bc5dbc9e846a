"""Options of the command line as numbers."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import InputError
from ..units import QuantityError, parse_quantity

__all__ = ["parse_elements", "parse_time"]


def parse_time(text: str, option: str) -> float:
    """Seconds of a time such as ``5 ns``. InputError when it is none."""
    try:
        return parse_quantity(text, "time")[0]
    except QuantityError as e:
        raise InputError(e.message, key=option, value=text, allowed=e.allowed, remedy=e.remedy) from e


def parse_elements(texts: Sequence[str]) -> dict[str, str]:
    """``["hole=H"]`` as ``{"hole": "H"}``. InputError for anything else."""
    found = {}
    for text in texts:
        name, equals, symbol = text.partition("=")
        if not equals:
            raise InputError(
                "is no name with a symbol",
                key="--element",
                value=text,
                allowed="CARRIER=SYMBOL",
                remedy="for example  hole=H",
            )
        found[name.strip()] = symbol.strip()
    return found
