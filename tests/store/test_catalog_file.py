"""Catalogs as CSV and HDF5, read back equal; damaged ones refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kmc_transport.errors import StoreError
from kmc_transport.input import load_model
from kmc_transport.rates import RateCatalog, build_catalog
from kmc_transport.store import load_catalog, save_catalog

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
