"""The pipeline: reproducible whatever the threads, the order and the interruptions; nothing lost."""

from __future__ import annotations

import dataclasses
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kmc_transport.errors import StoreError
from kmc_transport.input import load_model_text
from kmc_transport.model import Model, Sampling
from kmc_transport.records import ExitReason
from kmc_transport.runs import schedule
from kmc_transport.runs.pipeline import grid_points, model_identity, run
from kmc_transport.runs.point import PointSimulation
from kmc_transport.store import open_results, points_folder, read_catalog, read_provenance
from tests.processes import command_line, started, wait_until
from tests.reference.networks import T0, chain, lattice_gas
from tests.runs.sweeps import points_of

INPUT = """
format: 1
title: test chain
structure:
  lattice: {a: 3.0, b: 10, c: 10}
  periodic: [true, false, false]
  cross_section: 100
  sites: {A: [[0, 0, 0]], B: [[0.5, 0, 0]]}
site_energies: {B: 50 meV}
supercell: [20, 1, 1]
carriers: {ion: {charge: 1, sites: [A, B], count: 2}}
hops:
  - {carrier: ion, between: [A, B], distance: 1.5, barrier: 0.3 eV, attempt_frequency: 5 THz}
conditions:
  temperature: [300, 400]
  field: {along: [1, 0, 0], magnitude: [0, 1e8]}
sampling: {relative_error: 10 %, seed: 3, replicas: 2}
"""
"""Finished points in a folder."""
SAME = (
    "executed_hops",
    "mobility",
    "mobility_stderr",
    "mobility_einstein",
    "tracer_diffusivity",
    "drift_velocity",
)


def model_of(text: str = INPUT) -> Model:
    return load_model_text(text)


def assert_same(a: Any, b: Any) -> None:
    for name in SAME:
        np.testing.assert_array_equal(a[name].values, b[name].values, err_msg=name)


@pytest.fixture(scope="module")
def whole() -> Any:
    return run(model_of(), workers=1)


def test_all_conditions_agree_with_the_exact_answer(whole: Any) -> None:
    assert bool(whole["converged"].all())
    assert bool(whole["complete"].all())
    for name in ("mobility", "mobility_einstein", "charge_diffusivity", "tracer_diffusivity", "conductivity"):
        value, stderr, exact = (whole[f"{name}{s}"].values for s in ("", "_stderr", "_exact"))
        known = np.isfinite(exact) & (stderr > 0)
        assert known.any(), name
        assert np.all(np.abs((value - exact)[known] / stderr[known]) < 4), name
    assert np.isnan(whole["mobility"].sel(field=0).values).all()
    assert np.isnan(whole["mobility_einstein"].sel(field=1e8).values).all()
    assert np.nanmax(np.abs(whole["einstein_deviation"].values)) < 4
    fit = whole["arrhenius_activation_energy"]
    assert float(whole["arrhenius_activation_energy_stderr"][0, 0]) < 0.05
    assert abs(float(fit[0, 0]) - 0.3) < 0.05 + 4 * float(whole["arrhenius_activation_energy_stderr"][0, 0])


@pytest.mark.parametrize("workers", [2, 7])
def test_threads_change_nothing(whole: Any, workers: int) -> None:
    assert_same(whole, run(model_of(), workers=workers))


def test_a_point_depends_on_its_conditions_not_on_its_place(whole: Any) -> None:
    alone = run(model_of(INPUT.replace("[300, 400]", "[400]").replace("[0, 1e8]", "[1e8]")))
    for name in SAME:
        np.testing.assert_array_equal(
            alone[name].values[0, 0], whole[name].sel(temperature=400, field=1e8).values, err_msg=name
        )


def test_another_seed_gives_other_numbers(whole: Any) -> None:
    other = run(model_of(INPUT.replace("seed: 3", "seed: 4")))
    assert np.all(other["mobility"].values[:, 1] != whole["mobility"].values[:, 1])


def test_without_a_seed_one_is_drawn_recorded_and_kept(tmp_path: Path) -> None:
    model = model_of(INPUT.replace("seed: 3, ", "").replace("[300, 400]", "[300]"))
    first = run(model, output=tmp_path / "a.h5")
    again = run(model, output=tmp_path / "a.h5")
    assert_same(first, again)
    assert first.attrs["seed"] == again.attrs["seed"] == str(read_provenance(tmp_path / "a.h5").seed)
    assert run(model).attrs["seed"] != first.attrs["seed"]


def test_the_file_holds_enough_to_run_it_again(tmp_path: Path, whole: Any) -> None:
    path = tmp_path / "a.h5"
    run(model_of(INPUT.replace("seed: 3, ", "")), output=path)
    stored = open_results(path)
    kept = read_provenance(path)
    model = load_model_text(kept.input_text, files=dict(kept.files))
    model = dataclasses.replace(model, sampling=dataclasses.replace(model.sampling, seed=kept.seed))
    assert_same(run(model), stored)
    catalog = read_catalog(path)
    assert list(catalog["temperature"].values) == [300, 400]
    assert set(kept.versions) >= {"numpy", "numba", "python"}


def test_running_again_does_nothing_and_a_larger_grid_keeps_its_points(tmp_path: Path, whole: Any) -> None:
    path = tmp_path / "a.h5"
    run(model_of(INPUT.replace("[300, 400]", "[300]")), output=path)
    points = points_of(points_folder(path))
    assert len(points) == 2
    assert_same(run(model_of(), output=path), whole)
    after = points_of(points_folder(path))
    assert len(after) == 4
    assert points.items() <= after.items()
    assert_same(open_results(path), whole)


def test_another_input_is_refused_until_told_to_overwrite(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    run(model_of(INPUT.replace("[300, 400]", "[300]")), output=path)
    before = path.read_bytes()
    other = model_of(INPUT.replace("[300, 400]", "[300]").replace("0.3 eV", "0.31 eV"))
    with pytest.raises(StoreError, match="different input") as caught:
        run(other, output=path)
    assert "--overwrite" in str(caught.value)
    assert path.read_bytes() == before
    run(other, output=path, overwrite=True)
    assert read_provenance(path).identity == model_identity(other)
    assert len(points_of(points_folder(path))) == 2


def test_the_identity_is_that_of_the_physics() -> None:
    model = model_of()
    assert model_identity(model) == model_identity(model_of(INPUT.replace("test chain", "another title")))
    assert model_identity(model) == model_identity(model_of(INPUT.replace("[300, 400]", "[300, 500]")))
    for change in (
        ("0.3 eV", "0.3001 eV"),
        ("count: 2", "count: 3"),
        ("50 meV", "51 meV"),
        ("seed: 3", "seed: 4"),
    ):
        assert model_identity(model) != model_identity(model_of(INPUT.replace(*change)))


@pytest.mark.parametrize("algorithm", ["null_event", "rejection_free"])
def test_half_a_run_and_the_rest_equal_the_whole(algorithm: str) -> None:
    sampling = Sampling(relative_error=0.03, seed=5, algorithm=algorithm, replicas=2)
    model = dataclasses.replace(lattice_gas("square", 4, 5), sampling=sampling)
    undisturbed = PointSimulation(model, T0, [0, 0, 0], root=5)
    assert undisturbed.run() is ExitReason.ACCURACY_REACHED
    stops = 0
    point = PointSimulation(model, T0, [0, 0, 0], root=5)
    chunks = iter(range(10**9))
    while point.run(should_stop=lambda: next(chunks) % 9 == 8) is ExitReason.INTERRUPTED:
        stops += 1
        point = PointSimulation.restore(model, T0, [0, 0, 0], point.snapshot(), root=5)
    assert stops >= 20
    assert point.events == undisturbed.events
    for a, b in zip(point.tallies(), undisturbed.tallies(), strict=True):
        np.testing.assert_array_equal(a.tracer, b.tracer)
        np.testing.assert_array_equal(a.events, b.events)
    np.testing.assert_array_equal(point.replicas[0].positions(), undisturbed.replicas[0].positions())


def test_ctrl_c_keeps_what_was_done(tmp_path: Path, whole: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    real, calls = schedule._some, iter(range(10**9))

    def interrupted(ended: Any, spare: int) -> Any:
        done = list(real(ended, 0))
        if done and next(calls) == 1:
            raise KeyboardInterrupt
        return done

    path = tmp_path / "a.h5"
    monkeypatch.setattr(schedule, "_some", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(model_of(), output=path, workers=1)
    partly = open_results(path)
    assert 0 < int(partly["complete"].sum()) < partly["complete"].size
    monkeypatch.undo()
    assert_same(run(model_of(), output=path), whole)


def test_a_killed_run_is_taken_up_again(tmp_path: Path, whole: Any) -> None:
    """SIGKILL once a point is on disk: the next run keeps it and ends with the same numbers."""
    (tmp_path / "in.yaml").write_text(INPUT)
    path = tmp_path / "in.h5"
    command = command_line("run", "in.yaml", "-q", "--no-plot", "--workers", "1")
    with started(command, cwd=tmp_path) as process:
        wait_until(lambda: points_of(points_folder(path)) or process.poll() is not None)
        process.send_signal(signal.SIGKILL)
        process.wait()
    kept = points_of(points_folder(path))
    assert kept
    assert_same(run(model_of(), output=path), whole)
    after = points_of(points_folder(path))
    assert kept.items() <= after.items()


def test_a_time_limit_gives_what_there_is_and_says_so() -> None:
    model = model_of(INPUT.replace("relative_error: 10 %", "relative_error: 0.001 %, wall_time: 0.2 s"))
    data = run(model, workers=4)
    assert set(data["exit_reason"].values.ravel()) == {"time limit"}
    assert not data["converged"].any()
    assert bool(data["complete"].all())
    value, stderr = (data[f"mobility{s}"].sel(field=1e8).values for s in ("", "_stderr"))
    assert np.all((stderr > 0) | (np.isnan(value) & np.isnan(stderr)))  # an error bar, or no number


def test_fixed_lengths() -> None:
    by_events = run(model_of(INPUT.replace("relative_error: 10 %", "events: 200000")))
    assert bool(by_events["converged"].all())
    np.testing.assert_allclose(by_events["executed_hops"].values, 200000, rtol=0.1)
    by_time = run(model_of(INPUT.replace("relative_error: 10 %", "time: 1e-4 s")))
    np.testing.assert_allclose(by_time["simulated_time"].values, 2e-4, rtol=1e-12)


def test_length_beside_an_error_target_is_a_cap() -> None:
    data = run(model_of(INPUT.replace("relative_error: 10 %", "relative_error: 0.01 %, events: 300000")))
    assert not data["converged"].any()
    assert np.all(data["executed_hops"].values < 5_000_000)


def test_a_blocked_lattice_is_recorded_not_simulated_for_ever() -> None:
    model = dataclasses.replace(lattice_gas("square", 2, 4), sampling=Sampling(seed=1))
    data = run(model)
    assert data["exit_reason"].values.ravel().tolist() == ["blocked lattice"]
    assert not data["converged"].any()
    assert np.isnan(data["mobility_einstein"].values).all()


def test_slow_memory_lengthens_the_sample_interval() -> None:
    """Fast rattling between two sites, rare escapes: the first blocks are far too short."""
    model = dataclasses.replace(
        chain([1000.0, 1.0]), sampling=Sampling(seed=2, relative_error=0.05, target="tracer_diffusivity")
    )
    data = run(model)
    z = (data["tracer_diffusivity"] - data["tracer_diffusivity_exact"]) / data["tracer_diffusivity_stderr"]
    assert abs(float(z[0, 0, 0, 0, 0, 0])) < 4
    assert bool(data["converged"].all())
    assert (
        float(data["correlation_factor_exact"][0, 0, 0, 0, 0]) < 0.01
    )  # it takes some hundred hops to get on


def test_zero_field_serves_every_direction() -> None:
    text = INPUT.replace("along: [1, 0, 0]", "along: [[1, 0, 0], [-1, 0, 0]]")
    model = model_of(text)
    assert len(grid_points(model, 1)) == 2 * (1 + 2)
    data = run(model)
    zero = data["mobility_einstein"].sel(field=0).values
    np.testing.assert_allclose(zero[:, 0], zero[:, 1], rtol=1e-12)
    assert np.all(data["drift_velocity"].sel(field=1e8).values[:, 1, :, 0] < 0)
    assert np.all(data["mobility"].sel(field=1e8).values > 0)


def test_a_longer_time_limit_goes_on_from_where_the_shorter_one_stopped(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    text = INPUT.replace("[300, 400]", "[300]").replace("[0, 1e8]", "[1e8]")
    short = model_of(text.replace("relative_error: 10 %", "relative_error: 0.2 %, wall_time: 0.05 s"))
    first = run(short, output=path)
    assert first["exit_reason"].values.ravel().tolist() == ["time limit"]
    again = run(short, output=path)  # the same limit: nothing to do
    assert int(again["executed_hops"][0, 0, 0]) == int(first["executed_hops"][0, 0, 0])
    free = model_of(text.replace("relative_error: 10 %", "relative_error: 0.2 %"))
    resumed = run(free, output=path)
    assert bool(resumed["converged"].all())
    assert_same(resumed, run(free))


def test_uncertain_barriers_are_shown_apart_from_the_sampling_error() -> None:
    data = run(model_of(INPUT.replace("barrier: 0.3 eV", "barrier: 0.3 ± 0.05 eV")))
    factor = data["barrier_error_factor"].values[:, 0, 0]
    np.testing.assert_allclose(factor, np.exp(0.05 / (8.617333262e-5 * np.array([300, 400]))), rtol=1e-6)


def test_a_very_long_run_is_cut_into_windows_that_the_counters_hold() -> None:
    model = dataclasses.replace(
        chain([1.0]), sampling=Sampling(seed=1, relative_error=None, time=1e12, replicas=1, wall_time=0.1)
    )
    point = PointSimulation(model, T0, [0, 0, 0], root=1)
    assert point.run() is ExitReason.TIME_LIMIT
    assert point.stage == "production"
    assert point.windows_per_row > 1
    assert point.interval * point.windows_per_row * 64 * 2**7 == pytest.approx(1e12)
