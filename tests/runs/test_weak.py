"""Weak fields in a sweep: one run without field serves them, in the grid or not, in shards and after interruptions."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kmc_transport import run
from kmc_transport.analysis import LinearResponse
from kmc_transport.runs import merge, rounds
from kmc_transport.runs.grid import of_shard
from kmc_transport.runs.job import Job, simulate_point
from kmc_transport.runs.pipeline import Shard, grid_points
from kmc_transport.runs.table import load_table
from kmc_transport.runs.verify import verify
from kmc_transport.runs.weak import good_enough
from kmc_transport.store import read_status
from tests.runs.sweeps import INPUT, assert_same_table, change_row, points_of, sweep_model

TEXT = INPUT.replace("[300, 350, 400, 450, 500, 550]", "[300, 500]")
WEAK = TEXT.replace("[0, 1e8]", "[1e2, 1e4, 2e9]")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path]:
    path = tmp_path_factory.mktemp("weak") / "whole.h5"
    return run(sweep_model(WEAK), output=path, executor="threads"), path


def test_a_grid_of_weak_fields_alone(whole: tuple[Any, Path]) -> None:
    """The run without field is simulated though the grid has no row for it; v = mu E at all weak fields."""
    data, path = whole
    assert data.sizes["field"] == 3
    method = data["mobility_method"].values[:, :, 0]
    assert (method == ["linear response", "linear response", "drift velocity"]).all()
    assert bool(data["complete"].all())
    assert bool(data["converged"].all())
    mobility = data["mobility"].values[:, :, 0, 0]
    np.testing.assert_array_equal(mobility[:, 0], mobility[:, 1])
    np.testing.assert_allclose(
        data["drift_velocity"].values[:, :2, 0, 0, 0], mobility[:, :2] * [1e2, 1e4], rtol=1e-12
    )
    assert np.isnan(data["mobility_einstein"].values).all()
    assert np.isnan(data["einstein_deviation"].values).all()
    np.testing.assert_array_equal(data["differential_mobility"].values[:, :2], data["mobility"].values[:, :2])
    assert (data["executed_hops"].values[:, 0] == data["executed_hops"].values[:, 1]).all()
    assert len(points_of(path.with_suffix(".points"))) == 2 * 4
    assert read_status(path).outside == 0
    assert_same_table(load_table(path.with_suffix(".points")), data.drop_attrs())


def test_the_same_numbers_with_a_row_at_zero_field(whole: tuple[Any, Path]) -> None:
    data = run(sweep_model(WEAK.replace("[1e2,", "[0, 1e2,")), executor="threads")
    for name in ("mobility", "mobility_stderr", "drift_velocity", "tracer_diffusivity", "mobility_bias"):
        np.testing.assert_array_equal(data[name].values[:, 1:], whole[0][name].values, err_msg=name)
    np.testing.assert_array_equal(
        data["mobility"].values[:, 1], data["mobility_einstein"].values[:, 0]
    )  # the field is so weak that the bias is nothing


def test_shards_merged_and_a_lost_point(whole: tuple[Any, Path], tmp_path: Path) -> None:
    model, path = sweep_model(WEAK), tmp_path / "a.h5"
    points = grid_points(model, 3)
    parts = [of_shard(points, Shard(i, 2)) for i in (1, 2)]
    assert sorted(p.key for part in parts for p in part) == sorted(p.key for p in points)
    for part in parts:  # what a weak field needs is in its own shard
        assert {p.zero for p in part if p.zero} <= {p.key for p in part}
    for i in (1, 2):
        last = run(model, output=path, shard=(i, 2), executor="threads")
    assert_same_table(whole[0], last)
    copy = merge.merge([path], tmp_path / "b.h5")
    assert copy.points == copy.found == 8
    assert_same_table(whole[0], copy.dataset)
    lost = next(p for p in points if p.zero)
    change_row(path.with_suffix(".points"), lost.key, "DELETE")
    before = points_of(path.with_suffix(".points"))
    assert_same_table(whole[0], run(model, output=path, executor="threads"))
    assert {k: t for k, t in points_of(path.with_suffix(".points")).items() if k in before} == before
    # a run without field that is made again takes what rests on it along
    change_row(path.with_suffix(".points"), lost.zero, "DELETE")
    assert_same_table(whole[0], run(model, output=path, executor="threads"))
    again = points_of(path.with_suffix(".points"))
    assert sum(again[k] != t for k, t in before.items() if k in again) == 2


def test_processes_give_the_same(whole: tuple[Any, Path]) -> None:
    assert_same_table(whole[0], run(sweep_model(WEAK), workers=2, executor="processes"))


def test_points_are_verified(whole: tuple[Any, Path]) -> None:
    found = verify(whole[1], repeat=8)
    assert found.good
    assert len(found.repeated) == 8
    folder = whole[1].with_suffix(".points")
    zero = next(p.zero for p in grid_points(sweep_model(WEAK), 3) if p.zero)
    change_row(folder, zero, "SET key = 'away'")
    try:  # what a weak field rests on is simulated again
        assert verify(whole[1], repeat=7).good
    finally:
        change_row(folder, "away", f"SET key = '{zero}'")


def test_a_table_with_an_error_counts_rows() -> None:
    """A run without field that serves two more rows gets more hops than one that serves none."""
    text = WEAK.replace("events: 2000", "relative_error: 10 %, table_error: 3 %")
    data = run(sweep_model(text), executor="threads")
    assert (data["mobility_method"].values[:, :2] == "linear response").all()
    error = (data["mobility_stderr"] / data["mobility"]).values.ravel()
    assert np.sqrt(np.mean(error**2)) <= 0.03
    standings = rounds.Standings(
        keys=("a", "b", "c"),
        error=np.array([0.1, 0.1, 0.1]),
        hops=np.full(3, 1e4),
        history=((),) * 3,
        open=np.array([True, True, False]),
        rows=np.array([4.0, 1.0, 0.0]),
    )
    targets = rounds.next_targets(standings, 0.06, 1.0)
    assert targets["a"] < targets["b"]
    assert "c" not in targets


def test_a_limit_on_wall_time_is_told(tmp_path: Path) -> None:
    text = TEXT.replace("[0, 1e8]", "[1e2]").replace(
        "events: 2000", "relative_error: 1e-5 %, wall_time: 0.2 s"
    )
    data = run(sweep_model(text), output=tmp_path / "a.h5")
    assert set(data["exit_reason"].values.ravel()) == {"time limit"}
    assert not data["converged"].values.any()


def test_other_targets_take_linear_response_too() -> None:
    text = TEXT.replace("[0, 1e8]", "[0, 1e3]").replace(
        "events: 2000", "relative_error: 10 %, target: tracer_diffusivity"
    )
    data = run(sweep_model(text), executor="threads").isel(direction=0, carrier=0)
    assert set(data["mobility_method"].values[:, 1]) == {"linear response"}
    zero, weak = (data["tracer_diffusivity"].values[:, k, 0, 0] for k in (0, 1))
    np.testing.assert_array_equal(zero, weak)


def test_a_run_without_field_of_an_earlier_version_serves() -> None:
    model = sweep_model(WEAK)
    zero_point, weak = grid_points(model, 3)[:2]
    zero = simulate_point(Job(model=model, root=3), zero_point).record
    assert zero is not None
    old = replace(
        zero,
        values={n: v for n, v in zero.values.items() if n != "mobility_vector"},
        stderrs={n: v for n, v in zero.stderrs.items() if n != "mobility_vector"},
        meta={n: v for n, v in zero.meta.items() if n != "memory"},
    )
    new, same = (
        simulate_point(Job(model=model, root=3), replace(weak, without_field=z)).record for z in (zero, old)
    )
    assert new is not None
    assert same is not None
    for part in ("values", "stderrs"):
        a, b = getattr(new, part), getattr(same, part)
        np.testing.assert_allclose(a["drift_velocity"], b["drift_velocity"], rtol=1e-9)
        np.testing.assert_array_equal(a["mobility"], b["mobility"])


def linear(bias: float) -> LinearResponse:
    one = np.ones(1)
    return LinearResponse(
        field=np.array([1e5, 0, 0]),
        velocity=1e5 * np.ones((1, 3)),
        velocity_stderr=np.ones((1, 3)),
        mobility=one,
        mobility_stderr=0.02 * one,
        bias=bias * one,
        effective_samples=100.0,
    )


def test_when_linear_response_stands_alone() -> None:
    """A tenth of the error asked for, as a fraction or absolute; of the error there is in a run of fixed length."""
    s = sweep_model(TEXT).sampling
    asked = replace(s, events=None, relative_error=0.01)
    assert good_enough(linear(0.0009), asked)
    assert not good_enough(linear(0.0011), asked)
    assert not good_enough(
        linear(0.0009), replace(asked, target="tracer_diffusivity")
    )  # three times the bias
    absolute = replace(asked, relative_error=None, absolute_error=0.05)
    assert good_enough(linear(0.0049), absolute)
    assert not good_enough(linear(0.0051), absolute)
    assert good_enough(linear(0.0049), replace(absolute, target="drift_velocity", absolute_error=5000.0))
    assert good_enough(linear(0.0019), s)
    assert not good_enough(linear(0.0021), s)
