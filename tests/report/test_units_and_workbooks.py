"""Tables in other units, and as workbooks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kmc_transport.errors import InputError, StoreError
from kmc_transport.report import ask_units, results_table, write_workbook
from kmc_transport.report.display import unit_slug
from kmc_transport.runs.table import table_of
from kmc_transport.units import QuantityError, conversion
from tests.store.results import grid_model, records


@pytest.fixture(scope="module")
def table():  # type: ignore[no-untyped-def]
    model = grid_model([300, 400], [0, 1e7])
    return results_table(table_of(model, records(model), error_factor=np.full((2, 1, 1), np.nan)))


@pytest.mark.parametrize(
    ("unit", "into", "number", "wanted"),
    [
        ("m2 V-1 s-1", "cm²/(V s)", 1.0, 1e4),
        ("m2 V-1 s-1", "cm^2/V/s", 1.0, 1e4),
        ("K", "°C", 300.0, 26.85),
        ("°C", "K", 26.85, 300.0),
        ("V m-1", "MV/cm", 1e8, 1.0),
        ("eV", "kJ/mol", 1.0, 96.48533),
        ("eV", "meV", 0.242, 242.0),
        ("S m-1", "mS/cm", 1.0, 10.0),
        ("1", "1", 0.5, 0.5),
    ],
)
def test_conversion(unit: str, into: str, number: float, wanted: float) -> None:
    factor, zero = conversion(unit, into)
    assert number * factor + zero == pytest.approx(wanted)


@pytest.mark.parametrize("into", ["m", "furlongs per fortnight", "m**m**m", "(((", "import os", ""])
def test_what_is_no_unit_of_the_quantity(into: str) -> None:
    with pytest.raises(QuantityError):
        conversion("m2 V-1 s-1", into)


def test_a_table_in_other_units(table) -> None:  # type: ignore[no-untyped-def]
    other = table.in_units(ask_units(["mobility=m²/(V s)", "temperature=°C", "drift_velocity=nm/ns"]))
    for old, new in zip(table.data, other.data, strict=True):
        assert new["mobility_m2_per_Vs"] == pytest.approx(1e-4 * old["mobility_cm2_per_Vs"])
        assert new["mobility_stderr_m2_per_Vs"] == pytest.approx(1e-4 * old["mobility_stderr_cm2_per_Vs"])
        assert new["temperature_degC"] == pytest.approx(old["temperature_K"] - 273.15)
        assert new["field_V_per_m"] == old["field_V_per_m"]
        if old["drift_velocity_m_per_s"] is not None:
            assert new["drift_velocity_nm_per_ns"] == pytest.approx(old["drift_velocity_m_per_s"])
    # the exact value keeps the digits of its neighbour
    units = [c.unit for c in other.shown]
    mobility, exact = units.index("m²/(V s)"), units.index("m²/(V s)") + 1
    for row in other.cells:
        assert row[mobility].partition("e")[2] == row[exact].partition("e")[2]
    assert unit_slug("cm²/(V s)") == "cm2_per_Vs"
    assert unit_slug("1/s") == "per_s"


def test_a_workbook(table, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    openpyxl = pytest.importorskip("openpyxl")
    path = tmp_path / "a.xlsx"
    write_workbook(path, [("results", table)], {"input": "title: a\n=1+1\n"})
    book = openpyxl.load_workbook(path)
    assert book.sheetnames == ["results", "origin"]
    head, *rows = list(book["results"].values)
    data = table.data
    assert list(head) == list(data[0])
    for row, wanted in zip(rows, data, strict=False):
        assert row[head.index("mobility_cm2_per_Vs")] == pytest.approx(wanted["mobility_cm2_per_Vs"])
    assert table.notes[0] in [cell for row in rows for cell in row if cell]
    assert ("input", "title: a") in list(book["origin"].values)
    assert all(cell.data_type != "f" for row in book["origin"].iter_rows() for cell in row)
    write_workbook(path, [("results", table)], {})
    path.write_bytes(b"mine")
    with pytest.raises(StoreError, match="no workbook"):
        write_workbook(path, [("results", table)], {})


def test_a_workbook_without_openpyxl(table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    import sys

    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(InputError, match=r"\.\[xlsx\]"):
        write_workbook(tmp_path / "a.xlsx", [("results", table)], {})
    with pytest.raises(InputError, match=r"NAME\.xlsx"):
        write_workbook(tmp_path / "a.xls", [("results", table)], {})
