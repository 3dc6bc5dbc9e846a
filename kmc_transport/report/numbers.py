"""Numbers as people read them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, SupportsFloat

import numpy as np

__all__ = ["MISSING", "enough_digits", "format_beside", "format_estimate", "number", "plain"]

MISSING = "–"


def number(x: SupportsFloat, digits: int = 5) -> str:
    """``digits`` significant ones, or a dash."""
    return f"{float(x):.{digits}g}" if math.isfinite(x) else MISSING


def enough_digits(values: Iterable[SupportsFloat], least: int) -> int:
    """Significant digits, ``least`` to 15, that keep different values different."""
    numbers = {float(v) for v in values}
    return next((n for n in range(least, 15) if len({f"{v:.{n}g}" for v in numbers}) == len(numbers)), 15)


def plain(x: Any) -> Any:
    """For JSON and CSV: Python's own types; not-a-number becomes None."""
    if isinstance(x, np.ndarray):
        return [plain(v) for v in x]
    if isinstance(x, (np.floating, float)):
        return float(x) if math.isfinite(x) else None
    return x.item() if isinstance(x, np.generic) else x


def format_estimate(value: SupportsFloat, stderr: SupportsFloat) -> str:
    """Value with the uncertainty of its last digits in parentheses: ``1.3673(42)e-05``; two digits of error.

    An error below a billionth is none of sampling: the numbers agree by construction, up to rounding.
    """
    value, stderr = float(value), float(stderr)
    if not math.isfinite(value):
        return MISSING
    if not math.isfinite(stderr):
        return f"{value:.4g} (no error bar)"
    if stderr <= 1e-9 * abs(value):
        return f"{value:.5g}"
    last, exponent = _notation(value, stderr)
    if exponent is None:
        error = _digits(stderr, last)
        shown = str(error) if last + 1 < 0 else f"{error * 10.0**last:.{-last}f}"
        return f"{_digits(value, last) * 10.0**last:.{-last}f}({shown})"
    decimals, error = exponent - last, _digits(stderr, last)
    shown = str(error) if decimals > 1 else f"{error * 10.0**-decimals:.{decimals}f}"
    return f"{_digits(value, last) * 10.0**-decimals:.{decimals}f}({shown})e{exponent:+03d}"


def format_beside(
    exact: SupportsFloat, value: SupportsFloat = math.nan, stderr: SupportsFloat = math.nan
) -> str:
    """A number without error, in the notation of the estimate that it stands beside and with one digit more.

    Five digits where there is no estimate, or one so far away that its notation does not suit.
    """
    exact, value, stderr = float(exact), float(value), float(stderr)
    if not math.isfinite(exact) or exact == 0:
        return MISSING if exact else "0"
    last, exponent = _notation(exact, 1e-3 * abs(exact))
    if math.isfinite(value) and math.isfinite(stderr) and stderr > 0:
        other, other_exponent = _notation(value, stderr)
        if abs(exact) > 100 * 10.0**other and abs(exact) < 100 * max(abs(value), stderr):
            last, exponent = other, other_exponent
    if exponent is None:
        return f"{exact:.{max(0, 1 - last)}f}"
    return f"{exact * 10.0**-exponent:.{exponent - last + 1}f}e{exponent:+03d}"


def _digits(x: float, last: int) -> int:
    return round(x / 10.0**last)


def _notation(value: float, stderr: float) -> tuple[int, int | None]:
    """Power of ten of the last digit (two digits of error), and the exponent shown; None for plain decimals."""
    last = math.floor(math.log10(stderr)) - 1
    if _digits(stderr, last) == 100:
        last += 1
    exponent = len(str(max(abs(_digits(value, last)), _digits(stderr, last)))) - 1 + last
    return last, None if -4 < exponent < 4 and last <= 0 else exponent
