"""From the weakest fields to strong ones: mobilities within their errors of the exact ones, at the cost of one run.

W is the work of the field over the hop with the largest one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from kmc_transport import run
from kmc_transport.exact import solve_exact
from kmc_transport.model.model import Model, frozen_array
from kmc_transport.rates import build_catalog
from kmc_transport.runs import weak
from kmc_transport.runs.grid import grid_points
from kmc_transport.runs.job import Job, simulate_point
from kmc_transport.store import PointRecord
from tests.reference.interacting_models import clusters, nearest_pairs, with_interactions, with_rule
from tests.reference.networks import KT0, T0, chain, excluding_species, lattice_gas, make_model

pytestmark = pytest.mark.statistical

SHORTEST = 2.2e6
"""Hops of the shortest run with a field; where little accuracy is asked it may be longer than needed."""
WORKS = np.array([0, 1e-8, 1e-4, 0.03, 0.1, 0.3, 1, 10])
"""W/kT."""


def bound_pair(length: int = 6) -> Model:
    """An ion and a faster polaron that attract each other: cross terms as large as the rest."""
    model = make_model(
        np.diag([1.0, 1.0, 10.0]),
        [[0, 0, 0], [0.5, 0.5, 0]],
        [[(0, 0, (1, 0, 0), 1.0)], [(1, 1, (1, 0, 0), 5.0)]],
        counts=(1, 1),
        charges=(1.0, -1.0),
        supercell=(length, 1, 1),
        periodic=(True, False, False),
        allowed=[[1, 0], [0, 1]],
    )
    pair = clusters([(-0.05, [(0, 0, (0, 0, 0)), (1, 1, (0, 0, 0))])])
    return with_interactions(with_rule(model), clusters=pair)


def attracting() -> Model:
    model = with_rule(chain([1.0], counts=(3,), supercell=(10, 1, 1)))
    return with_interactions(model, clusters=nearest_pairs(-0.1, 1))


def slanted() -> Model:
    """Drift at an angle to the field; the saddles are not in the middle."""
    return make_model(
        [[3.0, 0, 0], [1.0, 2.0, 0], [0, 0, 10]],
        [[0, 0, 0], [0.4, 0.3, 0]],
        [(0, 1, (0, 0, 0), 3.0), (1, 0, (1, 0, 0), 1.0), (0, 0, (0, 1, 0), 0.4), (1, 1, (1, 1, 0), 0.7)],
        periodic=(True, True, False),
        site_energy=[0.0, 0.5 * KT0],
        charges=[-2.0],
        saddle_fraction=0.4,
    )


CASES: dict[str, Callable[[], Model]] = {
    "one carrier": lambda: chain([1.0]),
    "slanted": slanted,
    "lattice gas": lambda: lattice_gas("square", 3, 3),
    "two species, exclusion": excluding_species,
    "two species, attraction": bound_pair,
}


def largest_work(model: Model) -> float:
    """W over the field along x, eV Å/V."""
    return float(np.abs(build_catalog(model, temperature=T0, field=[1.0, 0, 0]).work).max())


def with_fields(model: Model, works: np.ndarray, **sampling: Any) -> Model:
    field = works * KT0 / largest_work(model)
    return replace(
        model,
        conditions=replace(model.conditions, field=frozen_array(field, np.float64)),
        sampling=replace(model.sampling, **sampling),
    )


@pytest.mark.parametrize("case", CASES)
def test_mobilities_are_right_at_every_field_at_the_cost_of_one_run(case: str) -> None:
    model = with_fields(CASES[case](), WORKS, relative_error=0.05, seed=11)
    data = run(model).isel(temperature=0, direction=0)
    assert bool(data["converged"].all())
    method, hops = data["mobility_method"].values, data["executed_hops"].values
    assert method[0] == "Einstein relation"
    assert set(method[1:3]) == {"linear response"}
    assert set(method[-2:]) == {"drift velocity"}
    weakest = solve_exact(build_catalog(model, temperature=T0)).mobility_einstein[:, 0, 0] * 1e-20
    for k in range(1, len(WORKS)):
        at = data.isel(field=k)
        value, stderr, exact = (at[f"mobility{s}"].values for s in ("", "_stderr", "_exact"))
        z = (value - np.where(np.isfinite(exact), exact, weakest)) / stderr
        assert np.abs(z).max() < 4, (case, WORKS[k], z)
        assert np.all(stderr <= 0.051 * np.abs(value)), (case, WORKS[k])
        v, dv, ev = (at[f"drift_velocity{s}"].values for s in ("", "_stderr", "_exact"))
        known = np.isfinite(ev) & (dv > 0)
        assert np.abs((v - ev)[known] / dv[known]).max(initial=0.0) < 4, (case, WORKS[k])
        if method[k] == "linear response":
            assert np.all(at["mobility_bias"].values <= 0.1 * 0.05 * np.abs(value))
            assert hops[k] == hops[0]
            assert np.isfinite(at["tracer_diffusivity"].values[:, 0, 0]).all()
        else:
            both = method[k] == "combined"
            assert hops[k] <= max((1 if both else 2) * hops[0], SHORTEST), (case, WORKS[k])
        if method[k] == "combined":
            assert np.abs(at["response_deviation"].values).max() < 4


def test_both_estimators_together_are_honest() -> None:
    """Where linear response is off by as much as its error is: deviations of many seeds scatter as they should."""
    z, methods = [], set()
    for seed in range(12):
        model = with_fields(excluding_species(), np.array([0.15]), relative_error=0.05, seed=seed)
        at = run(model).isel(temperature=0, field=0, direction=0, carrier=0)
        methods.add(str(at["mobility_method"].values))
        z.append(float((at["mobility"] - at["mobility_exact"]) / at["mobility_stderr"]))
    assert methods == {"combined"}
    assert np.abs(z).max() < 4
    assert np.sqrt(np.mean(np.square(z))) < 1.5


def run_without_field(model: Model) -> PointRecord:
    weakest = with_fields(model, np.zeros(1), relative_error=0.2, seed=3)
    (point,) = grid_points(weakest, 3)
    record = simulate_point(Job(model=weakest, root=3), point).record
    assert record is not None
    return record


@pytest.mark.parametrize(
    "make",
    [
        excluding_species,
        bound_pair,
        attracting,
        slanted,
        lambda: lattice_gas("square", 3, 8),
        lambda: bound_pair(12),
    ],
)
def test_the_bound_of_the_bias_holds(make: Callable[[], Model], monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system itself cannot be solved, one carrier alone, or nothing at all."""
    model = make()
    zero, size = run_without_field(model), largest_work(model)
    exact = solve_exact(build_catalog(model, temperature=T0)).mobility_einstein[:, 0, 0]
    solve, factors = weak._solved, []
    for solvable in ((None, True), (True,), ()):

        def solved(catalog: Any, stronger: float, *, dilute: bool | None, may: Any = solvable) -> Any:
            return solve(catalog, stronger, dilute=dilute) if dilute in may else None

        monkeypatch.setattr(weak, "_solved", solved)
        for work in (0.01, 0.1, 0.3):
            field = np.array([work * KT0 / size, 0, 0])
            catalog = build_catalog(model, temperature=T0, field=field)
            off = np.abs(solve_exact(catalog).drift_velocity[:, 0] / field[0] - exact) * 1e-20
            bound = weak.bias_bound(catalog, zero, 0)
            assert np.all(bound >= 0.6 * off)  # the run's own mobility is in it, known to some 20 %
            factors.append(bound / off)
    assert np.all(np.array(factors[:2]) < 1.25)  # solved: the difference itself, even and odd part


def test_linear_response_of_a_field_that_is_not_weak_is_seen() -> None:
    """Negative control: without the bound of its bias linear response would be wrong by many standard errors."""
    model = with_fields(bound_pair(), np.zeros(1), relative_error=0.03, seed=3)
    (point,) = grid_points(model, 3)
    zero = simulate_point(Job(model=model, root=3), point).record
    assert zero is not None
    catalog = build_catalog(model, temperature=T0, field=[KT0 / largest_work(model), 0, 0])
    linear = weak.linear_response(catalog, zero)
    assert linear is not None
    exact = solve_exact(catalog).drift_velocity[:, 0] / catalog.field[0] * 1e-20
    off = np.abs(linear.mobility - exact)
    assert np.all(off > 4 * linear.mobility_stderr)
    assert np.all(off < 2 * linear.mobility_error)
    assert not weak.good_enough(linear, model.sampling)
