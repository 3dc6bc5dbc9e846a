"""Catalogs as CSV and HDF5, read back equal; damaged ones refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kmc_transport.errors import StoreError
from kmc_transport.input import load_model, load_model_text
from kmc_transport.rates import RateCatalog, build_catalog
from kmc_transport.report import catalog_rows, catalog_table
from kmc_transport.runs.pipeline import run
from kmc_transport.store import load_catalog, read_catalog, save_catalog

INPUTS = Path(__file__).parents[2] / "inputs"


def catalogs(
    name: str = "mgo_vacancy.yaml", field: tuple[float, ...] = (0.01, 0.003, 0.0)
) -> list[RateCatalog]:
    model = load_model(INPUTS / name)
    return [build_catalog(model, temperature=float(t), field=field) for t in model.conditions.temperature]


@pytest.mark.parametrize("name", ["mgo_vacancy.yaml", "namn3o7.yaml"])
def test_csv_and_hdf5_read_back_equal(name: str, tmp_path: Path) -> None:
    built = catalogs(name)
    tables = []
    for file in ("a.csv", "a.h5"):
        save_catalog(tmp_path / file, built)
        tables.append(load_catalog(tmp_path / file))
    first, second = tables
    assert set(first.variables) == set(second.variables)
    for variable in first.variables:
        np.testing.assert_array_equal(first[variable].values, second[variable].values, err_msg=str(variable))
        assert first[variable].dims == second[variable].dims
        assert first[variable].attrs == second[variable].attrs
    np.testing.assert_array_equal(first["log_rate"].values, [c.log_rate for c in built])
    np.testing.assert_array_equal(first["barrier"].values, [c.barrier for c in built])
    np.testing.assert_array_equal(first.attrs["field_V_per_m"], second.attrs["field_V_per_m"])
    assert first.attrs["field_V_per_m"][0] == 1e8


def test_each_hop_names_the_operation_that_made_it(tmp_path: Path) -> None:
    save_catalog(tmp_path / "a.csv", catalogs())
    operations = load_catalog(tmp_path / "a.csv")["operation"].values
    assert operations[0] == "x, y, z"
    assert "" not in operations
    assert len(set(operations)) > 5


GIVEN = {
    ("A", "B"): 0.3,
    ("B", "A"): 0.0,
    ("B", "C"): 0.35,
    ("C", "B"): 0.3,
    ("C", "A"): 0.01,
    ("A", "C"): 0.35,
}
"""eV; 0.3 + 0.05 - 0.34 eV round the loop, and the barriers of A-D, which is in no loop, stay."""
RECONCILED = """
structure:
  lattice: {a: 9, b: 10, c: 10}
  periodic: [true, false, false]
  sites: {A: [[0, 0, 0]], B: [["1/3", 0, 0]], C: [["2/3", 0, 0]], D: [[0, 0.3, 0]]}
  symmetry: false
supercell: [4, 1, 1]
carriers: {p: {charge: 1, sites: [A, B, C, D], count: 1}}
reconcile: {within: 30 meV}
hops:
  - {carrier: p, between: [A, B], distance: 3, barrier: {forward: 0.3, reverse: 0}, attempt_frequency: 1 THz}
  - {carrier: p, between: [B, C], distance: 3, barrier: {forward: 0.35, reverse: 0.3}, attempt_frequency: 1 THz}
  - {carrier: p, between: [C, A], distance: 3, barrier: {forward: 0.01, reverse: 0.35}, attempt_frequency: 1 THz}
  - {carrier: p, between: [A, D], distance: 3, barrier: {forward: 0.25, reverse: 0.2}, attempt_frequency: 1 THz}
conditions: {temperature: [300, 400]}
sampling: {events: 200, seed: 1, replicas: 1}
"""


def test_reconciled_barriers_stand_beside_the_given_ones(tmp_path: Path) -> None:
    model = load_model_text(RECONCILED)
    built = [build_catalog(model, temperature=t) for t in (300.0, 400.0)]
    given = np.array([GIVEN.get((r["from"][0], r["to"][0]), np.nan) for r in catalog_rows(built[0])])
    used = np.array([r["barrier_eV"] for r in catalog_rows(built[0])])
    assert np.count_nonzero(np.isnan(given)) == 2
    moved = np.isfinite(given)
    gap = 0.3 + 0.05 - 0.34
    np.testing.assert_allclose(np.abs(used - given)[moved], abs(gap) / 6, atol=1e-12)
    np.testing.assert_array_equal([r["barrier_given_eV"] for r in catalog_rows(built[0])],
                                  [g if m else None for g, m in zip(given.tolist(), moved, strict=True)])  # fmt: skip
    assert "given" in [c.header for c in catalog_table(built[0]).shown]
    for file in ("a.csv", "a.h5"):
        save_catalog(tmp_path / file, built)
        table = load_catalog(tmp_path / file)
        np.testing.assert_array_equal(table["barrier_given"].values, given)
        np.testing.assert_array_equal(table["barrier"].values, [used, used])
    run(model, output=tmp_path / "run.h5")
    np.testing.assert_array_equal(read_catalog(tmp_path / "run.h5")["barrier_given"].values, given)


def test_nothing_is_given_beside_barriers_that_stay(tmp_path: Path) -> None:
    built = catalogs()
    save_catalog(tmp_path / "a.csv", built)
    assert "barrier_given" not in load_catalog(tmp_path / "a.csv")
    assert {r["barrier_given_eV"] for r in catalog_rows(built[0])} == {None}
    assert "given" not in [c.header for c in catalog_table(built[0]).shown]


def test_damaged_or_foreign_files(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    save_catalog(path, catalogs())
    whole = path.read_text(encoding="utf-8")
    lines = whole.splitlines(keepends=True)
    for bad in ("", "a,b\n1,2\n", whole[: len(whole) // 2], "".join(lines[:3] + lines[4:])):
        path.write_text(bad, encoding="utf-8")
        with pytest.raises(StoreError, match=r"a\.csv"):
            load_catalog(path)
    with pytest.raises(StoreError, match="format"):
        save_catalog(tmp_path / "a.txt", catalogs())
    with pytest.raises(StoreError, match=r"b\.h5"):
        load_catalog(tmp_path / "b.h5")
