"""Reading a run for export, and what every format has in common."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import pytest
import xarray

from kmc_transport.errors import InputError, StoreError
from kmc_transport.export import FORMATS, export_run, get_format, read_record
from kmc_transport.export.drift import drift_data
from tests.export.lattice_gas import activated, with_diffusivity
from tests.store.results import X, Y, dataset


@pytest.fixture(scope="module")
def run() -> xarray.Dataset:
    return dataset([300.0, 350.0, 400.0], [0.0, 1e7, 3e7], charges=(1.0, -1.0), directions=(X, Y))


def test_a_record_has_the_numbers_of_the_file_in_its_units(run: xarray.Dataset) -> None:
    record = read_record(run, direction="[0, 1, 0]")
    assert record.carriers == ("hole_polaron", "sodium_ion")
    assert record.charges == (1.0, -1.0)
    assert [a.name for a in record.axes] == ["temperature", "field"]
    weak = record.at_zero_field("mobility", "sodium_ion")
    there = run["mobility_einstein"].values[:, 0, 1, 1]
    np.testing.assert_allclose(weak.value, there, rtol=1e-15)
    np.testing.assert_allclose(weak.stderr, run["mobility_einstein_stderr"].values[:, 0, 1, 1], rtol=1e-15)
    assert weak.unit == "m2 V-1 s-1"
    tracer = record.at_zero_field("tracer_diffusivity", "hole_polaron")
    np.testing.assert_allclose(tracer.value, run["tracer_diffusivity"].values[:, 0, 1, 0, 1, 1], rtol=1e-15)
    full = record.quantity("mobility", "hole_polaron")
    np.testing.assert_allclose(full.value[:, 1:], run["mobility"].values[:, 1:, 1, 0], rtol=1e-15)
    assert full.caveat == ""


def test_choices_are_asked_for(run: xarray.Dataset) -> None:
    with pytest.raises(InputError, match="one direction"):
        read_record(run)
    with pytest.raises(InputError, match="no such direction"):
        read_record(run, direction="[0, 0, 1]")
    record = read_record(run, direction="[1, 0, 0]")
    with pytest.raises(InputError, match="holds one carrier"):
        record.one_carrier()
    with pytest.raises(InputError, match="no such carrier"):
        record.one_carrier("lithium")
    assert read_record(run.isel(carrier=[1], carrier_2=[1], direction=[0])).one_carrier() == "sodium_ion"


def test_incomplete_and_inaccurate_points_are_refused_unless_allowed(run: xarray.Dataset) -> None:
    partial = run.copy(deep=True)
    partial["complete"].values[1, 0, 0] = False
    partial["converged"].values[2, 0, 0] = False
    record = read_record(partial, direction="[1, 0, 0]")
    with pytest.raises(InputError, match=r"1 of 3 points have no number, 1 of 3 .* not as accurate"):
        record.at_zero_field("mobility", "hole_polaron")
    allowed = read_record(partial, direction="[1, 0, 0]", allow_partial=True)
    weak = allowed.at_zero_field("mobility", "hole_polaron")
    assert np.isnan(weak.value[1])
    assert "1 of 3" in weak.caveat
    # a point elsewhere does no harm
    assert not read_record(partial, direction="[0, 1, 0]").at_zero_field("mobility", "hole_polaron").caveat
    partial["complete"].values[:] = False
    with pytest.raises(StoreError, match="no point"):
        read_record(partial, direction="[1, 0, 0]")


def test_a_quantity_that_the_run_has_not_is_refused_with_the_way_to_get_it(run: xarray.Dataset) -> None:
    record = read_record(run, direction="[1, 0, 0]")
    with pytest.raises(InputError, match=r"tracer diffusivity is no substitute"):
        record.at_zero_field("chemical_diffusivity")
    driven = read_record(run.isel(field=[1, 2]), direction="[1, 0, 0]")
    with pytest.raises(InputError, match=r"add 0 to conditions\.field"):
        driven.at_zero_field("tracer_diffusivity", "hole_polaron")


def test_formats_are_found_by_name() -> None:
    for name, one in FORMATS.items():
        assert one.name == name
        assert callable(one.function)
    with pytest.raises(InputError, match="no such format"):
        get_format("xlsx")


def test_targets_and_options_are_checked_first(tmp_path: Path) -> None:
    csv_format = get_format("csv")
    for bad, why in (("a.txt", "not the name"), ("none/a.csv", "does not exist")):
        with pytest.raises(InputError, match=why):
            csv_format.check_target(tmp_path / bad)
    (tmp_path / "b.csv").mkdir()
    with pytest.raises(InputError, match="is a folder"):
        csv_format.check_target(tmp_path / "b.csv")
    with pytest.raises(InputError, match="no option of the format csv"):
        csv_format.read_options(["electrode=negative"])
    with pytest.raises(InputError, match="NAME=VALUE"):
        csv_format.read_options(["electrode"])


def test_nothing_is_replaced_silently(run: xarray.Dataset, tmp_path: Path) -> None:
    record, target = read_record(run, direction="[1, 0, 0]"), tmp_path / "a.csv"
    target.write_text("mine")
    with pytest.raises(StoreError, match="there already"):
        export_run(record, target, "csv")
    assert target.read_text() == "mine"
    assert export_run(record, target, "csv", overwrite=True) == [target]
    assert target.read_text().startswith("# title")


def test_csv_has_every_row_with_units_and_errors(run: xarray.Dataset, tmp_path: Path) -> None:
    export_run(read_record(run, direction="[1, 0, 0]"), tmp_path / "a.csv", "csv")
    text = (tmp_path / "a.csv").read_text()
    rows = list(csv.DictReader(io.StringIO("".join(x for x in text.splitlines(True) if x[0] != "#"))))
    assert len(rows) == 3 * 3 * 2
    for row in rows:
        at = {
            "temperature": float(row["temperature [K]"]),
            "field": float(row["field [V m-1]"]),
            "carrier": row["carrier"],
        }
        there = run.isel(direction=0).sel(at)
        weak = at["field"] == 0
        name = "mobility_einstein" if weak else "mobility"
        assert float(row["mobility [m2 V-1 s-1]"]) == pytest.approx(float(there[name]), rel=1e-14)
        assert float(row["mobility_stderr [m2 V-1 s-1]"]) == pytest.approx(
            float(there[f"{name}_stderr"]), rel=1e-14
        )
        assert (row["drift_velocity [m s-1]"] == "") == weak
    one = tmp_path / "b.csv"
    export_run(read_record(run, direction="[1, 0, 0]"), one, "csv", carrier="sodium_ion")
    assert "hole_polaron" not in one.read_text()


def test_a_composition_that_was_chosen_is_no_axis_any_more() -> None:
    run = with_diffusivity([0.1, 0.2, 0.3], [300.0, 350.0], activated)
    assert [a.name for a in read_record(run).axes] == ["x", "temperature", "field"]
    one = read_record(run.isel(x=[1]))
    assert [a.name for a in one.axes] == ["temperature", "field"]
    assert one.provenance["at x"] == "0.2"
    np.testing.assert_array_equal(
        one.at_zero_field("chemical_diffusivity").value,
        read_record(run).at_zero_field("chemical_diffusivity").value[1],
    )


def test_a_file_says_which_compositions_were_simulated(tmp_path: Path) -> None:
    run = with_diffusivity([0.12, 0.33], [300.0, 350.0], activated)
    counts = np.array([[1, 2], [3, 4]])
    run = run.drop_dims("species").assign_coords(
        species=["hole_polaron", "sodium_ion"],
        species_count=(("x", "species"), counts),
        species_fraction=(("x", "species"), counts / 10),
    )
    for to, name in (("csv", "a.csv"), ("json", "a.json"), ("pybamm", "p.py"), ("comsol", "a.txt")):
        export_run(read_record(run), tmp_path / name, to, carrier="hole_polaron")
        text = (tmp_path / name).read_text()
        for x, (hole, sodium) in zip((0.12, 0.33), counts, strict=True):
            assert f"simulated composition at x = {x}" in text
            assert (
                f"{hole} hole_polaron on 0.{hole} of its sites, {sodium} sodium_ion on 0.{sodium} of" in text
            )
    # the one that was taken
    one = read_record(run.isel(x=[1])).provenance
    assert one["simulated composition"].startswith("3 hole_polaron")


@pytest.mark.parametrize("where", ["", "one sample"])
def test_samples_are_averaged_with_their_spread_as_error(
    run: xarray.Dataset, tmp_path: Path, where: str
) -> None:
    one = run.isel(direction=[0])
    varying = [n for n in one.data_vars if "temperature" in one[n].dims]
    sampled = one.assign({n: one[n].expand_dims(sample=np.arange(3)).copy(deep=True) for n in varying})
    sampled["sample"].attrs = {"units": "1", "long_name": "sample", "kmc_transport_axis": "sample"}
    for name in ("mobility", "mobility_einstein"):
        factor = np.array([0.7, 1.0, 1.6])[:, None, None, None, None]
        sampled[name].values *= factor.reshape(-1, *[1] * (sampled[name].ndim - 1))
    if where:
        sampled = sampled.isel(sample=[2])
    there = sampled["mobility"].values[:, :, 1:, 0, 1]
    record = read_record(sampled)
    assert [a.name for a in record.axes] == ["temperature", "field"]
    found = record.quantity("mobility", "sodium_ion")
    np.testing.assert_allclose(found.value[:, 1:], there.mean(axis=0), rtol=1e-13)
    if not where:
        np.testing.assert_allclose(found.stderr[:, 1:], there.std(axis=0, ddof=1) / np.sqrt(3), rtol=1e-12)
        assert "mean over 3 samples" in record.provenance["samples"]
    # device formats read more arrays than that
    weak = drift_data(record, carrier="sodium_ion").mobility[:, 0]
    own = sampled["mobility_einstein"].values[:, :, 0, 0, 1]
    np.testing.assert_allclose(weak, own.mean(axis=0), rtol=1e-13)
    # a mean without one of its samples is none
    sampled["complete"].values[0, 1, 0] = False
    with pytest.raises(InputError, match="1 of 9 points have no number"):
        read_record(sampled).quantity("mobility", "sodium_ion")


def test_a_file_says_how_hops_were_made(run: xarray.Dataset) -> None:
    """As they are, unless the run was accelerated."""

    def kinetics(dataset: xarray.Dataset) -> str:
        return read_record(dataset, direction="[1, 0, 0]").provenance["kinetics"]

    assert "nothing accelerated" in kinetics(run)
    dims = run["algorithm"].dims
    one = np.ones(run["algorithm"].shape)
    assert "nothing accelerated" in kinetics(run.assign(scaling_factor=(dims, one)))
    one[0, 0, 0] = 1e-3
    assert "were slowed" in kinetics(run.assign(scaling_factor=(dims, one)))
    assert "absorbing chains" in kinetics(run.assign(algorithm=(dims, np.full(one.shape, "absorbing"))))
