"""The registry of stored arrays, its check and its page."""

from __future__ import annotations

import re

import numpy as np
import pytest

from kmc_transport.arrays import (
    ARRAYS,
    CATALOG_ARRAYS,
    ArraySpec,
    attributes,
    base_name,
    check_dataset,
    render_markdown_table,
)
from kmc_transport.errors import StoreError
from tests.store.results import dataset

BOTH = [*ARRAYS.values(), *CATALOG_ARRAYS.values()]


@pytest.mark.parametrize("spec", BOTH, ids=lambda s: s.name)
def test_every_array_says_what_it_is(spec: ArraySpec) -> None:
    assert spec.unit
    assert spec.long_name
    assert spec.meaning.endswith(".") or spec.name.startswith("axis")
    assert spec.dtype in ("float", "int", "bool", "str")
    assert re.fullmatch(r"[a-z][a-z0-9_]*", spec.name)


@pytest.mark.parametrize("registry", [ARRAYS, CATALOG_ARRAYS], ids=["results", "catalog"])
def test_dimensions_of_results_are_coordinates(registry: dict[str, ArraySpec]) -> None:
    for spec in registry.values():
        for dim in spec.dims:
            assert dim == "hop" or registry[dim].origin == "coordinate"
            assert dim == "hop" or registry[dim].dims == (dim,)


def test_catalog_does_not_shadow_the_coordinates_of_the_root() -> None:
    """A group inherits them: a column of the same name would be hidden."""
    shared = {n for n, s in ARRAYS.items() if s.origin == "coordinate"} & set(CATALOG_ARRAYS)
    assert all(ARRAYS[n].dims == CATALOG_ARRAYS[n].dims for n in shared)


def test_units_convert_to_si() -> None:
    """Every unit is SI (eV apart): its dimensions follow from its definition."""
    known = {
        "1",
        "K",
        "s",
        "s-1",
        "m",
        "m s-1",
        "m2 s-1",
        "m2 V-1 s-1",
        "K m2 V-1 s-1",
        "S m-1",
        "V m-1",
        "C",
        "C m",
        "eV",
    }
    assert {s.unit for s in BOTH} <= known


def test_dimensions_in_a_point() -> None:
    assert ARRAYS["drift_velocity"].point_dims == ("carrier", "axis")
    assert ARRAYS["mobility_einstein"].point_dims == ("direction", "carrier")
    assert ARRAYS["executed_hops"].point_dims == ()


def test_attributes_of_companions() -> None:
    assert attributes("mobility")["ancillary_variables"] == "mobility_stderr"
    stderr, exact = attributes("mobility_stderr"), attributes("mobility_exact")
    assert stderr["units"] == exact["units"] == "m2 V-1 s-1"
    assert stderr["long_name"] == "standard error of the mobility"
    assert "ancillary_variables" not in stderr
    assert base_name("mobility_einstein_exact") == "mobility_einstein"
    for name in ("wall_time_stderr", "velocity", "_stderr"):
        with pytest.raises(KeyError):
            attributes(name)


def test_check_accepts_what_is_built() -> None:
    check_dataset(dataset([300, 400], [0, 1e7]))


def test_check_lists_everything_that_is_wrong() -> None:
    wrong = dataset([300, 400], [0, 1e7]).drop_vars("drift_velocity_stderr")
    wrong["velocity"] = ("temperature", np.zeros(2))
    wrong["wall_time"] = ("temperature", np.zeros(2), attributes("wall_time"))
    wrong["executed_hops"] = wrong["executed_hops"].astype(float)
    wrong["mobility"].attrs["units"] = "cm2 V-1 s-1"
    with pytest.raises(StoreError) as e:
        check_dataset(wrong)
    found = {(p.key, p.message) for p in e.value.problems}
    assert found == {
        ("velocity", "is not in the registry of arrays"),
        ("wall_time", "has other dimensions"),
        ("executed_hops", "has another type"),
        ("mobility", "has another attribute units"),
        ("drift_velocity", "has no standard error beside it"),
    }


@pytest.mark.parametrize("registry", [ARRAYS, CATALOG_ARRAYS], ids=["results", "catalog"])
def test_page_has_a_row_for_each(registry: dict[str, ArraySpec]) -> None:
    lines = render_markdown_table(registry).splitlines()
    assert len(lines) == len(registry) + 2
    columns = {len(re.findall(r"(?<!\\)\|", line)) for line in lines}
    assert columns == {6}
    for name in registry:
        assert any(line.startswith(f"| `{name}` |") for line in lines)
