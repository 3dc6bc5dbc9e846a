"""Numbers and tables as they are printed, and the plain data of the same columns."""

from __future__ import annotations

import io
import math
import re
import sys
from typing import Any

import numpy as np
import pandas
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kmc_transport.errors import InputError
from kmc_transport.input import load_model_text
from kmc_transport.report import (
    Column,
    Table,
    format_beside,
    format_estimate,
    results_table,
    table_lines,
)
from kmc_transport.report.layout import page_width, print_tables
from kmc_transport.report.numbers import enough_digits
from kmc_transport.runs.pipeline import run


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


def test_an_error_of_rounding_is_none() -> None:
    assert format_estimate(0.9999999999999147, 6.7e-15) == "1"


@pytest.mark.parametrize(
    ("exact", "value", "stderr", "text"),
    [
        (3.6690e-4, 3.694e-4, 3.3e-6, "3.6690e-04"),  # the estimate prints as 3.694(33)e-04
        (9.87e-5, 1.012e-4, 1.2e-6, "0.9870e-04"),
        (50.2, 50.552, 0.561, "50.200"),
        (1.2345678e-9, 3.6e-4, 3e-6, "1.23457e-09"),  # far away: in its own notation
        (3.6690e-4, math.nan, math.nan, "3.66900e-04"),
        (3.6690e-4, 3.694e-4, math.nan, "3.66900e-04"),
        (0.0, 1.0, 0.1, "0"),
        (math.nan, 1.0, 0.1, "–"),
    ],
)
def test_an_exact_number_has_the_notation_of_the_estimate_beside_it(
    exact: float, value: float, stderr: float, text: str
) -> None:
    assert format_beside(exact, value, stderr) == text


def test_different_fields_look_different() -> None:
    assert enough_digits([0, 1e7, 1e8], 3) == 3
    assert enough_digits([1.0001e8, 1.0002e8], 3) == 5


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


# tables ------------------------------------------------------------------------------------------------

Row = dict[str, Any]


def number_column(name: str, **more: Any) -> Column[Row]:
    return Column(name, lambda r: r[name], "cm²/(V s)", name, stderr=lambda r: r[name] / 30, **more)


def word_column(name: str, **more: Any) -> Column[Row]:
    return Column(name, lambda r: r[name], key=name, **more)


@given(
    words=st.lists(
        st.sampled_from(["ion", "polaron", "oxygen_vacancy_doubly_charged", "a b c d"]), min_size=1
    ),
    numbers=st.integers(1, 12),
    width=st.integers(40, 220),
    seed=st.integers(0, 5),
)
def test_no_number_is_broken_and_none_is_lost(words: list[str], numbers: int, width: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    names = [f"quantity {k}" for k in range(numbers)]
    rows = [{"carrier": w, **{n: 10.0 ** random.uniform(-30, 30) for n in names}} for w in words]
    table = Table("Title", [word_column("carrier", names=True), *map(number_column, names)], rows)
    lines = table_lines(table, width)
    assert max(map(len, lines)) <= width
    printed = " ".join(lines).split()
    for row in table.cells:
        for cell in row[1:]:
            assert cell in printed
    for header in names:
        assert set(header.split()) <= set(printed)
    assert "\N{NO-BREAK SPACE}" not in "".join(lines)
    assert sum(line.count("cm²/(V s)") for line in lines) == numbers  # no unit is broken either


def test_a_wide_terminal_gets_one_table_and_a_narrow_one_a_stack() -> None:
    names = [f"quantity {k}" for k in range(6)]
    rows = [
        {"carrier": c, "along": "[1, 0, 0]", **dict.fromkeys(names, 1.2345e-5 * f)}
        for f, c in enumerate("abcde", 1)
    ]
    columns = [
        word_column("along", names=True),
        word_column("carrier", names=True),
        *map(number_column, names),
    ]
    table = Table("Title", columns, rows)
    wide, narrow = table_lines(table, 200), table_lines(table, 80)
    assert sum("───" in line for line in wide) == 1
    assert "along: [1, 0, 0]" not in wide
    assert sum("───" in line for line in narrow) == 2
    assert narrow[1] == "along: [1, 0, 0]"  # it is the same in all rows
    assert sum(line.startswith("a ") for line in narrow) == 2  # what names a row is in each part
    one = table_lines(Table("Title", columns, rows[:1]), 60)  # turned on its side
    assert [line.split("   ")[0] for line in one[1:4]] == ["along", "─" * one[2].count("─"), "carrier"]


def test_a_column_without_a_header_that_says_the_same_everywhere() -> None:
    """The state of points that all hit their limit."""
    rows = [{"carrier": c, "D": 1e-5, "state": "time limit"} for c in "ab"]
    state: Column[Row] = Column("", lambda r: r["state"])
    table = Table("Title", [word_column("carrier"), *[number_column("D")] * 4, state], rows)
    assert table_lines(table, 60)[1] == "time limit"


def test_why_a_number_is_missing() -> None:
    reasons = {"a": "it has not moved", "b": "", "c": "it has not moved", "d": "no time"}
    column = number_column("D", reason=lambda r: reasons[r["carrier"]])
    rows = [{"carrier": c, "D": 1.0 if c == "b" else math.nan} for c in "abcd"]
    table = Table("Title", [word_column("carrier"), column], rows)
    assert [row[1] for row in table.cells] == ["–[1]", "1.000(33)", "–[1]", "–[2]"]
    text = "\n".join(table_lines(table, 80))
    assert "[1] it has not moved" in text
    assert "[2] no time" in text
    assert [row["D_missing"] for row in table.data] == ["it has not moved", "", "it has not moved", "no time"]
    assert table.data[0]["D_cm2_per_Vs"] is None


def test_columns_on_request() -> None:
    table = Table(
        "Title",
        [word_column("carrier"), number_column("haven_ratio", shown=False)],
        [{"carrier": "a", "haven_ratio": 1.0}],
    )
    assert table.cells == [["a"]]
    assert table.showing(["haven_ratio"]).cells == table.showing(["all"]).cells == [["a", "1.000(33)"]]
    with pytest.raises(InputError, match="haven_ratio"):
        table.showing(["haven"])


@pytest.mark.parametrize("columns", ["80", "120", "200", "", "rubbish"])
def test_the_width_of_the_page(
    columns: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    assert page_width() == (int(columns) if columns.isdecimal() else 200)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    assert page_width() >= 40
    print_tables(Table("Title", [word_column("carrier")], [{"carrier": "ion"}]))
    assert "ion" in capsys.readouterr().out


TWO_SPECIES = """
format: 1
title: two species on a square lattice
structure:
  lattice: {a: 3.0, b: 3.0, c: 10}
  periodic: [true, true, false]
  thickness: 10
  sites: {A: [[0, 0, 0]], B: [[0.5, 0.5, 0]]}
supercell: [4, 4, 1]
carriers:
  oxygen_vacancy_doubly_charged: {charge: 2, sites: [A], count: 3}
  small_polaron: {charge: -1, sites: [B], count: 2}
hops:
  - {carrier: oxygen_vacancy_doubly_charged, between: [A, A], distance: 3, barrier: 0.3 eV, attempt_frequency: 5 THz}
  - {carrier: small_polaron, between: [B, B], distance: 3, barrier: 0.29 eV, attempt_frequency: 5 THz}
conditions:
  temperature: [300, 350]
  field: {along: [[1, 0, 0], [1, 1, 0]], magnitude: [0, 3.16227766e7, 1e8]}
sampling: {events: 40000, seed: 3, replicas: 2}
"""


@pytest.fixture(scope="module")
def dataset() -> Any:
    return run(load_model_text(TWO_SPECIES), workers=1)


@pytest.mark.parametrize("width", [40, 60, 80, 120, 200])
@pytest.mark.parametrize("show", [(), ("conductivity", "haven_ratio", "algorithm"), ("all",)])
def test_results_fit_a_terminal(dataset: Any, width: int, show: tuple[str, ...]) -> None:
    table = results_table(dataset).showing(show)
    assert len(table.rows) == 2 * 3 * 2 * 2
    lines = table_lines(table, width)
    assert max(map(len, lines)) <= width
    printed = set(" ".join(lines).split())
    numbers = {c for row in table.cells for c in row if re.match(r"[-+]?\d", c) and " " not in c}
    assert numbers <= printed


def test_results_as_csv(dataset: Any) -> None:
    """One scalar a column, with its unit, in the units of the table."""
    rows = results_table(dataset).data
    assert all(set(row) == set(rows[0]) for row in rows)
    assert all(
        value is None or isinstance(value, str | float | int) for row in rows for value in row.values()
    )
    text = io.StringIO()
    pandas.DataFrame(rows).to_csv(text, index=False)
    frame = pandas.read_csv(io.StringIO(text.getvalue()))
    zero = frame[frame["field_V_per_m"] == 0]
    first = zero.iloc[0]
    at = {"temperature": 300, "field": 0, "direction": "[1, 0, 0]"}
    there = dataset.sel(at)
    assert first["mobility_cm2_per_Vs"] == pytest.approx(1e4 * float(there["mobility_einstein"][0]))
    assert first["conductivity_S_per_cm"] == pytest.approx(1e-2 * float(there["conductivity"][0, 0]))
    assert first["charge_diffusivity_cm2_per_s"] == pytest.approx(
        1e4 * float(there["charge_diffusivity"][0, 0])
    )
    collective = there["collective_diffusivity"].values
    assert first["collective_diffusivity_cm2_per_s"] == pytest.approx(1e4 * collective[0, 0, 0, 0])
    assert first["collective_diffusivity_with_small_polaron_cm2_per_s"] == pytest.approx(
        1e4 * collective[0, 0, 1, 0]
    )
    assert first["haven_ratio"] == pytest.approx(float(there["haven_ratio"][0, 0]))
    assert first["haven_ratio_stderr"] == pytest.approx(float(there["haven_ratio_stderr"][0, 0]))
    assert first["tracer_diffusivity_yy_cm2_per_s"] == pytest.approx(
        1e4 * float(there["tracer_diffusivity"][0, 1, 1])
    )
    diagonal = zero[zero["direction"] == "[1, 1, 0]"].iloc[0]
    tensor = there["tracer_diffusivity"].values[0]
    assert diagonal["tracer_diffusivity_cm2_per_s"] == pytest.approx(1e4 * tensor[:2, :2].sum() / 2)
    assert set(frame["algorithm"]) == {"null_event"}
    assert (frame["hops_per_second"] > 0).all()
    driven = frame[frame["field_V_per_m"] > 0]
    assert np.allclose(
        driven["drift_velocity_m_per_s"], 1e-4 * driven["mobility_cm2_per_Vs"] * driven["field_V_per_m"]
    )


def test_the_algorithm_and_the_speed_are_told(dataset: Any) -> None:
    notes = " ".join(results_table(dataset).notes)
    assert "Algorithm: null_event" in notes
    assert "hops per second" in notes
    assert "component of the tracer's diffusion tensor along that direction" in notes


def test_a_slope_that_the_grid_does_not_tell_has_a_reason(dataset: Any) -> None:
    without = dataset.assign(differential_mobility=np.nan * dataset["differential_mobility"])
    table = results_table(without).showing(["differential_mobility"])
    assert any("too few, or too far apart" in line for line in table_lines(table, 120))
    said = {row["differential_mobility_missing"] for row in results_table(without).data}
    assert any("too few" in s for s in said)
    kept = results_table(dataset).data
    assert all(
        row["differential_mobility_missing"] == "" or row["differential_mobility_cm2_per_Vs"] is None
        for row in kept
    )


def test_a_run_of_an_earlier_version_has_its_table_too(dataset: Any) -> None:
    later = ("algorithm", "missing", "observable", "quenched", "hop_rate_limit", "diffusivity_limit")
    later += (
        "mobility_method",
        "mobility_bias",
        "mobility_vector",
        "response_deviation",
        "arrhenius_inaccurate",
    )
    old = results_table(dataset.drop_vars(later, errors="ignore"))
    assert old.cells[0][:5] == results_table(dataset).cells[0][:5]
    assert old.data[0]["mobility_from"] == "Einstein relation"
    assert "algorithm" not in old.data[0]


def test_rows_whose_names_fill_the_page_have_numbers(dataset: Any) -> None:
    lines = table_lines(results_table(dataset), 80)
    assert sum(line.startswith(" 1. ") for line in lines) == 2
    assert not any("oxygen_vacancy_doubly_charge " in line for line in lines)  # no word is broken


def test_columns_that_no_row_has_are_not_shown(dataset: Any) -> None:
    assert "dev." not in {c.header for c in results_table(dataset).shown}
    with_exact = dataset.assign(mobility_exact=dataset["mobility"])
    assert "dev." in {c.header for c in results_table(with_exact).shown}
