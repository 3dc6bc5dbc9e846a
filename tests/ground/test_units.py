"""Quantities: values, uncertainties, errors."""

import math
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kmc_transport.units import (
    DIMENSIONS,
    E_CHARGE,
    HBAR,
    K_B,
    H,
    QuantityError,
    parse_quantity,
)

FINITE = st.floats(1e-20, 1e20)
UNITS = [(d.name, unit) for d in DIMENSIONS.values() for unit in d.units]


def test_constants_are_those_of_codata():
    assert pytest.approx(8.617333262e-5, rel=1e-10) == K_B
    assert pytest.approx(4.135667696e-15, rel=1e-10) == H
    assert pytest.approx(6.582119569e-16, rel=1e-10) == HBAR
    assert E_CHARGE == 1.602176634e-19


@pytest.mark.parametrize(
    ("text", "dimension", "value", "stderr"),
    [
        ("242 meV", "energy", 0.242, None),
        ("242 ± 30 meV", "energy", 0.242, 0.03),
        ("242 +/- 30 meV", "energy", 0.242, 0.03),
        ("242+-30meV", "energy", 0.242, 0.03),
        ("(242 ± 30) meV", "energy", 0.242, 0.03),
        ("242 meV ± 0.03 eV", "energy", 0.242, 0.03),
        ("242 meV ± 30", "energy", 0.242, 0.03),
        ("0.242", "energy", 0.242, None),
        (0.242, "energy", 0.242, None),
        (2, "energy", 2.0, None),
        ("23.06054783 kcal/mol", "energy", 1.0, None),
        ("6.12 THz", "frequency", 6.12e12, None),
        ("2 1/ps", "frequency", 2e12, None),
        ("100 cm^-1", "frequency", 2.99792458e12, None),
        ("1 MV/cm", "field", 0.01, None),
        ("1 MV / cm", "field", 0.01, None),
        (1e7, "field", 1e-3, None),
        ("25 degC", "temperature", 298.15, None),
        ("25 ± 2 degC", "temperature", 298.15, 2.0),
        ("−25 °C", "temperature", 248.15, None),
        ("1 %", "fraction", 0.01, None),
        ("2.665 Å", "length", 2.665, None),
        ("2.665 A\u030a", "length", 2.665, None),  # a letter and a combining ring
        ("0.2665 nm", "length", 2.665, None),
        ("52 Å²", "area", 52.0, None),
        ("10 min", "time", 600.0, None),
        ("2 e", "charge", 2.0, None),
    ],
)
def test_values(text, dimension, value, stderr):
    got, got_stderr = parse_quantity(text, dimension)
    assert got == pytest.approx(value, rel=1e-9)
    assert got_stderr == (None if stderr is None else pytest.approx(stderr, rel=1e-9))


def test_decimal_texts_are_exact():
    """No digit is lost to a factor: 242 meV is the same number as 0.242."""
    for n in range(1, 2000):
        assert parse_quantity(f"{n} meV", "energy")[0] == n / 1000
        assert parse_quantity(f"{n} kV/cm", "field")[0] == n / 100000


@given(st.sampled_from(UNITS), FINITE)
def test_every_unit_is_linear(unit, x):
    dimension, name = unit
    if name in dict(DIMENSIONS[dimension].offsets):
        return
    one = parse_quantity(f"1 {name}", dimension)[0]
    assert parse_quantity(f"{x!r} {name}", dimension)[0] == pytest.approx(one * x, rel=1e-12)
    assert parse_quantity(f"-{x!r} {name}", dimension)[0] == pytest.approx(-one * x, rel=1e-12)


@given(FINITE, FINITE)
def test_uncertainty_is_kept(x, dx):
    value, stderr = parse_quantity(f"{x!r} ± {dx!r} meV", "energy")
    assert value == pytest.approx(x / 1000, rel=1e-12)
    assert stderr == pytest.approx(dx / 1000, rel=1e-12)


@settings(deadline=None)  # the first unknown unit imports pint
@given(
    st.text(max_size=30) | st.text("eVJm/^*() 1.-±%", max_size=12).map("3 {}".format),
    st.sampled_from(sorted(DIMENSIONS)),
)
def test_any_text_gives_a_finite_number_or_a_clear_error(text, dimension):
    try:
        value, _ = parse_quantity(text, dimension)
    except QuantityError as error:
        told = bool(error.message and error.allowed)
    else:
        told = math.isfinite(value)
    assert told


@pytest.mark.parametrize(("dimension", "unit"), UNITS)
def test_the_table_agrees_with_pint(dimension, unit):
    pint = pytest.importorskip("pint")
    if unit in (
        "%",
        "ppm",
        "‰",
        "kJ/mol",
        "kcal/mol",
        "cm^-1",
        "1/cm",
        "celsius",
        "°",
        "e",
        "Ha",
        "Angstrom",
    ):
        return  # pint has these per mole, as wave numbers, by other names
    registry = pint.application_registry.get()
    target = {"charge": "elementary_charge", "area": "angstrom^2", "length": "angstrom", "angle": "degree"}
    d = DIMENSIONS[dimension]
    expected = registry.Quantity(3.0, unit).to(target.get(dimension, d.unit)).magnitude / float(
        d.per_internal
    )
    assert parse_quantity(f"3 {unit}", dimension)[0] == pytest.approx(expected, rel=1e-8)


def test_units_beyond_the_table_come_from_pint():
    assert parse_quantity("77 degF", "temperature")[0] == pytest.approx(298.15)
    assert parse_quantity("1 zJ", "energy")[0] == pytest.approx(1e-21 / E_CHARGE)


@pytest.mark.parametrize(
    ("value", "dimension", "message", "remedy"),
    [
        ("298 meV", "temperature", "'meV' is a unit of energy, but a temperature is needed", "298 K"),
        ("3 parsec", "energy", "'parsec' is a unit of", "242 meV"),
        ("3 quux", "energy", "'quux' is not a unit", "242 meV"),
        ("3 m^9^9^9^9^9", "length", "is not a unit", "2.665"),  # never worked out
        ("high", "temperature", "'high' is not a temperature", ""),
        ("1 ± 2 ± 3 eV", "energy", "is not an energy", ""),
        ("5 ± -1 eV", "energy", "must not be negative", ""),
        ("1e999 eV", "energy", "finite", ""),
        (math.nan, "energy", "finite", ""),
        (math.inf, "energy", "finite", ""),
        (True, "energy", "not true/false", ""),
        (None, "energy", "not empty", ""),
        ([1], "energy", "not a list", ""),
        ("9" * 300, "energy", "300 characters", ""),
    ],
)
def test_errors(value, dimension, message, remedy):
    with pytest.raises(QuantityError) as caught:
        parse_quantity(value, dimension)
    assert message in caught.value.message
    assert remedy in caught.value.remedy
    assert caught.value.allowed


def test_pint_is_not_imported_for_common_units():
    code = (
        "import sys; from kmc_transport.units import parse_quantity as p;"
        "p('242 ± 30 meV', 'energy'); p('1 MV/cm', 'field'); p('25 degC', 'temperature');"
        "assert 'pint' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
