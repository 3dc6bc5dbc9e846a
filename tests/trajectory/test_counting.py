"""Observables counted in a recorded list of hops: the numbers of the run, whatever was asked for then."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from kmc_transport import open_trajectory, write_trajectory
from kmc_transport.cli.app import main
from kmc_transport.engine import Replica
from kmc_transport.errors import InputError, StoreError
from kmc_transport.input import load_model_text
from kmc_transport.rates import build_catalog
from kmc_transport.runs.watch import Watch, watched
from kmc_transport.seeds import replica_stream
from kmc_transport.trajectory.counting import count_hops, model_of

TEXT = """
format: 1
title: ions and holes
structure:
  lattice: {a: 3.0, b: 8.0, c: 8.0}
  sites: {A: [[0, 0, 0]], B: [[0.5, 0.3, 0]]}
supercell: [6, 1, 1]
carriers:
  ion: {charge: 1, sites: [A], count: 2}
  hole: {charge: -1, sites: [B], count: 1}
hops:
  - {carrier: ion, between: [A, A], distance: 3.0, barrier: {rule: kra, E_kra: 0.2 eV}, attempt_frequency: 5 THz}
  - {carrier: hole, between: [B, B], distance: 3.0, barrier: {rule: kra, E_kra: 0.17 eV}, attempt_frequency: 5 THz}
interactions:
  pairs: [{between: [ion, hole], distance: 2.83, energy: -60 meV}]
analysis:
  flip_pairs: {lags: [5 ps, 20 ps], distances: [2.5, 3.5, 7.0]}
  binding: [{between: [ion, hole], contact: 3.0, reach: 8.0}]
  environments: [{carrier: hole, by: ion, shells: [[2.5, 3.0]]}]
  profile: {axis: a, layers_per_cell: 2}
conditions:
  temperature: 500
sampling: {algorithm: rejection_free, events: 1000, seed: 4, observe: [hop_rates, occupation, residence_time]}
"""
FIELD = (1e-2, 0.0, 0.0)


@pytest.fixture(scope="module", params=["20 ps", "2 ns"])
def recorded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Frames of a few hops, and of more than fit one call of the engine."""
    path = tmp_path_factory.mktemp("recorded") / "run.nc"
    every = {"20 ps": 20e-12, "2 ns": 2e-9}[request.param]
    frames = 301 if every < 1e-10 else 41
    write_trajectory(load_model_text(TEXT), path, frames=frames, every=every, field=FIELD, events=True)
    return path


def test_the_same_numbers_as_while_running(recorded: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trajectory = open_trajectory(recorded)
    model = model_of(trajectory)
    found = count_hops(trajectory, model)
    # once more, with somebody who listens
    catalog = build_catalog(model, temperature=500.0, field=FIELD)
    stream = replica_stream(4, 500.0, catalog.field, 0)
    r = Replica(catalog, seed=stream, algorithm="rejection_free", levels=0, windows_per_row=2**40)
    samples = int(trajectory.header.provenance["samples_per_frame"])
    n = trajectory.n_frames - 1
    per = -(-n // 256)
    r.reset(sample_interval=trajectory.header.every / samples, windows_per_row=per * samples)
    watch = Watch(catalog)
    r.advance(n * samples, on_hops=watch.add)
    other = watched([watch], n // per, False)
    assert len(found) == len(other) > 15
    for name, estimate in other.items():
        assert estimate.value.tobytes() == found[name].value.tobytes(), name
        assert estimate.stderr.tobytes() == found[name].stderr.tobytes(), name
    assert np.nanmax(found["flip_pairs_same"].value) > 0
    assert np.isfinite(found["pair_lifetime"].value).all()


def test_other_questions(recorded: Path) -> None:
    """What was not asked for when it ran; and what would be another model."""
    trajectory = open_trajectory(recorded)
    asked = model_of(
        trajectory, ["sampling.observe=[hop_rates]", "analysis={profile: {axis: a, layers_per_cell: 2}}"]
    )
    some, every = (count_hops(trajectory, m) for m in (asked, model_of(trajectory)))
    assert {"hop_rate", "flip_rate", "layer_occupation"} <= set(some) < set(every)
    for name, estimate in some.items():
        assert estimate.value.tobytes() == every[name].value.tobytes()
    with pytest.raises(InputError, match="another model"):
        model_of(trajectory, ["carriers.ion.count=1"])
    with pytest.raises(InputError, match="nothing is asked for"):
        count_hops(trajectory, model_of(trajectory, ["sampling.observe=[]", "analysis={}"]))
    with pytest.raises(InputError, match="carriers around each hop"):
        count_hops(trajectory, model_of(trajectory, ["sampling.observe=[barriers]"]))
    events = trajectory.events
    assert events is not None
    short = replace(trajectory, time=trajectory.time[:20], occupation=trajectory.occupation[:20])
    lost = replace(events, **{name: value[:-30] for name, value in vars(events).items()})
    for changed, error, match in (
        (short, InputError, "too short"),
        (replace(trajectory, events=None), StoreError, "--events"),
        (replace(trajectory, events=lost), StoreError, "one frame to the next"),
        (
            replace(trajectory, events=replace(events, hop=events.hop ^ 1)),
            StoreError,
            "not those of this model",
        ),
    ):
        with pytest.raises(error, match=match):
            count_hops(changed, asked)


def test_part_of_a_trajectory(recorded: Path) -> None:
    """Hops of later frames count from where these begin."""
    later = open_trajectory(recorded, slice(5, 39))
    model = model_of(later, ["sampling.observe=[hop_rates]", "analysis={}"])
    found = count_hops(later, model)
    assert later.events is not None
    hops = np.bincount(later.header.species[later.events.carrier], minlength=2)
    time = later.time[-1] - later.time[0]
    np.testing.assert_allclose(np.diag(found["hop_rate"].value), hops / time / [2, 1], rtol=1e-6)


def test_from_the_command_line(recorded: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match=r"^0$"):
        main(["analyze", str(recorded), "--set", "analysis={}", "--json"])
    tables = json.loads(capsys.readouterr().out)["observed"]
    rows = tables["hops per carrier and time"]
    assert [(r["carrier"], r["site_kind"]) for r in rows] == [("ion", "A"), ("hole", "B")]
    for r in rows:
        value, exact, stderr = (r[f"hop_rate{x}_s_1"] for x in ("", "_exact", "_stderr"))
        assert abs(value - exact) < 4 * stderr
    with pytest.raises(SystemExit, match=r"^0$"):
        main(["analyze", str(recorded)])
    assert "lifetime of a pair" in capsys.readouterr().out
    with pytest.raises(SystemExit, match=r"^2$"):
        main(["analyze", str(recorded.with_name("none.nc"))])
    assert "kmc-transport trajectory" in capsys.readouterr().err
