"""Numbers as they are printed."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kmc_transport.report import format_estimate


@pytest.mark.parametrize(
    ("value", "stderr", "text"),
    [
        (1.36726e-5, 1.3e-7, "1.367(13)e-05"),
        (0.24206, 0.00028, "0.24206(28)"),
        (50.552, 0.561, "50.55(56)"),
        (3.762, 0.035, "3.762(35)"),
        (-1.36726e-5, 1.3e-7, "-1.367(13)e-05"),
        (12.3, 4.5, "12.3(4.5)"),
        (0.0, 0.0, "0"),
        (1.5, 0.0, "1.5"),
        (0.0, 0.012, "0.000(12)"),
        (9.9999e-5, 9.96e-7, "1.000(10)e-04"),
        (math.nan, 1.0, "–"),
    ],
)
def test_two_digits_of_the_error(value: float, stderr: float, text: str) -> None:
    assert format_estimate(value, stderr) == text


def test_a_missing_error_bar_is_said() -> None:
    assert "no error bar" in format_estimate(1.0, math.nan)


@given(
    st.floats(-1e30, 1e30).filter(lambda x: abs(x) > 1e-30),
    st.floats(1e-6, 2).flatmap(lambda r: st.just(r)),
)
def test_what_is_printed_reads_back(value: float, relative: float) -> None:
    stderr = abs(value) * relative
    text = format_estimate(value, stderr)
    match = re.fullmatch(r"(-?[\d.]+)\(([\d.]+)\)(e[+-]\d+)?", text)
    assert match, text
    mantissa, error, exponent = match.group(1), match.group(2), match.group(3) or ""
    decimals = len(mantissa.partition(".")[2])
    scale = 1.0 if "." in error else 10.0**-decimals
    assert float(mantissa + exponent) == pytest.approx(
        value, abs=0.51 * 10.0**-decimals * float("1" + exponent)
    )
    assert float(error) * scale * float("1" + exponent) == pytest.approx(stderr, rel=0.06)
