"""Rounds: effort goes where it lowers the error of the table, the same whatever happens on the way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kmc_transport.errors import InputError
from kmc_transport.runs.grid import grid_points
from kmc_transport.runs.pipeline import Progress, run
from kmc_transport.runs.rounds import GROWTH, Standings, next_targets
from kmc_transport.runs.verify import verify
from kmc_transport.store import PointStore, open_results, points_folder
from tests.runs.sweeps import INPUT, assert_same_table, sweep_model

TEXT = INPUT.replace("[300, 350, 400, 450, 500, 550]", "[300, 450]").replace("[0, 1e8]", "[0, 5e7, 1e8]")
TEXT = TEXT.replace("events: 2000", "table_error: 1.6 %, relative_error: 40 %")


def standings(error: list[float], hops: list[float], can: list[bool] | None = None) -> Standings:
    keys = tuple(f"k{i}" for i in range(len(error)))
    going = np.ones(len(error), bool) if can is None else np.array(can)
    return Standings(
        keys=keys, error=np.array(error), hops=np.array(hops), history=((),) * len(error), open=going
    )


def test_effort_is_shared_as_lagrange_says() -> None:
    """Hops proportional to the root of variance times cost, when growth and largest error do not interfere."""
    now = standings([0.02, 0.01, 0.015], [1e4, 1e4, 1e4])
    goal = 0.0099
    targets = next_targets(now, goal, 1.0)
    variance = now.error**2 * now.hops
    scale = np.sqrt(variance).sum() / (3 * goal**2)
    hops = scale * np.sqrt(variance)
    assert hops.max() < GROWTH * 1e4
    assert (hops > 1e4).all()
    np.testing.assert_allclose([targets[k] for k in now.keys], 0.98 * np.sqrt(variance / hops), rtol=1e-6)
    assert hops.sum() < (variance / goal**2).sum()  # less than the same error everywhere would need


def test_no_point_grows_too_fast_is_left_behind_or_is_tried_in_vain() -> None:
    now = standings([0.5, 0.01, np.nan, 0.3], [100, 1e6, 50, 70], [True, True, False, False])
    targets = next_targets(now, 0.01, 0.05)
    assert set(targets) == {"k0"}  # the accurate one has enough, the others cannot go on
    assert targets["k0"] == pytest.approx(0.98 * 0.5 / GROWTH**0.5)
    assert next_targets(standings([0.01, 0.012], [1, 1]), 0.02, 0.1) == {}
    assert set(next_targets(standings([0.001, 0.2], [1e4, 1e4]), 0.2, 0.1)) == {"k1"}  # above the largest
    assert next_targets(standings([], []), 0.1, 0.4) == {}
    assert next_targets(standings([0.5], [10], [False]), 0.1, 0.4) == {}


@pytest.fixture(scope="module")
def whole() -> Any:
    return run(sweep_model(TEXT), executor="threads", workers=1)


def test_the_table_gets_the_error_that_was_asked_for(whole: Any) -> None:
    error = (whole["mobility_stderr"] / np.abs(whole["mobility"])).values.ravel()
    zero = (whole["mobility_einstein_stderr"] / np.abs(whole["mobility_einstein"])).values.ravel()
    every = np.concatenate([error[np.isfinite(error)], zero[np.isfinite(zero)]])
    assert len(every) == 6
    rms = np.sqrt(np.mean(every**2))
    assert 0.5 * 0.016 < rms <= 0.016
    assert every.max() > 1.2 * rms  # effort is shared, not errors
    assert bool(whole["converged"].all())
    for name in ("mobility", "mobility_einstein"):
        z = (whole[name] - whole[f"{name}_exact"]) / whole[f"{name}_stderr"]
        assert np.nanmax(np.abs(z)) < 4


def test_interruptions_threads_and_lost_states_change_nothing(tmp_path: Path, whole: Any) -> None:
    path, model = tmp_path / "a.h5", sweep_model(TEXT)
    stages: list[str] = []

    def interrupt(progress: Progress) -> None:
        if progress.stage and progress.stage not in stages and progress.done >= 1 and len(stages) < 3:
            stages.append(progress.stage)
            raise KeyboardInterrupt

    for _ in range(50):
        try:
            data = run(model, output=path, executor="threads", workers=2, on_progress=interrupt)
            break
        except KeyboardInterrupt:
            store = PointStore(points_folder(path))
            for key in store.partial_keys()[
                ::2
            ]:  # without its state a point is simulated through all its rounds
                store.drop_partial(key)
    assert len(stages) >= 2
    assert_same_table(data, whole)
    assert_same_table(open_results(path), whole)
    again = run(model, output=path, executor="threads")
    assert_same_table(again, whole)
    assert verify(path, repeat=2).good


def test_a_shard_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="whole table"):
        run(sweep_model(TEXT), output=tmp_path / "a.h5", shard=(1, 2))


def test_keys_stay_what_they_are() -> None:
    """Points on disk are found again by later versions."""
    keys = [p.key for p in grid_points(sweep_model(), 3)]
    assert keys[:2] == KNOWN
    assert len(set(keys) | {p.key for p in grid_points(sweep_model(TEXT), 3)}) == len(keys) + 6


KNOWN = ["7c7074944ce099311479", "ac7af93ac7b777c1b683"]
