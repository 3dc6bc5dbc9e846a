"""Limits: kernels come back soon, wall time holds in every stage, length asked is length run."""

import json
import math
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from kmc_transport import run
from kmc_transport.engine import Replica, pace
from kmc_transport.engine.canonical import anneal
from kmc_transport.engine.canonical.anneal import LatticeMonteCarlo
from kmc_transport.engine.canonical.equilibration import Equilibration
from kmc_transport.engine.pace import Stopped
from kmc_transport.figures.results import plot_results
from kmc_transport.input import load_model_text
from kmc_transport.model.interactions import Initial
from kmc_transport.model.model import Model, Sampling
from kmc_transport.rates import build_catalog
from kmc_transport.records import ExitReason
from kmc_transport.runs.point import PointSimulation
from kmc_transport.runs.record import make_record
from tests.input.interacting import built
from tests.processes import call
from tests.reference.interacting_models import coulomb, nearest_pairs, with_interactions, with_rule
from tests.reference.networks import KT0, T0, chain, lattice_gas, make_model

ALGORITHMS = ("null_event", "rejection_free", "sum_tree")


def mixture() -> Model:
    """Two species on overlapping sublattices of a three-site cell."""
    return make_model(
        [[3, 0, 0], [0.5, 2, 0], [0, 0, 4]],
        [[0, 0, 0], [0.4, 0.5, 0], [0.7, 0.1, 0.5]],
        [
            [(0, 1, (0, 0, 0), 2.0), (1, 0, (1, 0, 0), 0.3), (0, 0, (0, 1, 0), 0.7)],
            [(1, 2, (0, 0, 0), 5.0), (2, 1, (0, 0, 1), 1.0), (2, 2, (1, 0, 0), 0.2)],
        ],
        counts=(4, 3),
        charges=(1.0, -2.0),
        supercell=(3, 2, 2),
        site_energy=[[0, 0.03, 0], [0, 0, 0.02]],
        allowed=[[True, True, False], [False, True, True]],
    )


def gas() -> Model:
    return with_interactions(with_rule(lattice_gas("sc", 4, 20)), clusters=nearest_pairs(-KT0))


def charged(n: int = 8, rule: str = "kra") -> Model:
    model = with_rule(lattice_gas("sc", 4, n), rule)
    return with_interactions(model, coulomb=coulomb(model, 2 * KT0))


CASES = [
    (mixture, "null_event", "table"),
    (mixture, "null_event", "bitset"),
    (mixture, "rejection_free", "auto"),
    *((model, algorithm, "auto") for model in (gas, charged) for algorithm in ALGORITHMS),
]


def replica_of(
    make: Callable[..., Model], algorithm: str, layout: str = "auto", interval: float = 20.0
) -> Replica:
    """Hundreds of attempts a sample."""
    field = (0.02, 0.0, 0.01) if make is mixture else (0.0, 0.0, 0.0)
    model = make(rule="metropolis") if (make, algorithm) == (charged, "null_event") else make()
    if (make, algorithm) == (charged, "null_event"):
        interval *= math.exp(-1 / KT0)
    if (make, algorithm) == (gas, "null_event"):  # thirty attempts a hop
        interval /= 10
    return Replica(
        build_catalog(model, temperature=T0, field=field),
        seed=np.random.SeedSequence(11),
        sample_interval=interval,
        levels=2,
        algorithm=algorithm,
        layout=layout,
    )


def assert_same(a: Replica, b: Replica) -> None:
    for name in ("events", "attempts", "displacement", "collective", "tracer"):
        np.testing.assert_array_equal(getattr(a.tallies, name), getattr(b.tallies, name), err_msg=name)
    np.testing.assert_array_equal(a.positions(), b.positions())
    assert (a.executed, a.attempted, a.energy_drift) == (b.executed, b.attempted, b.energy_drift)


@pytest.mark.parametrize(("make", "algorithm", "layout"), CASES)
def test_short_calls_change_no_bit(
    make: Callable[..., Model], algorithm: str, layout: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Calls of 64 attempts, stopped and taken up again in the middle of samples, give the run of whole ones."""
    whole = replica_of(make, algorithm, layout)
    whole.advance(6)
    monkeypatch.setattr(pace, "FEWEST", 64)
    monkeypatch.setattr(pace, "MOST", 64)
    parts = replica_of(make, algorithm, layout)
    stops, within = 0, 0
    while True:
        asked = iter(range(10**9))
        if parts.advance(6 - parts.samples, should_stop=lambda: next(asked) >= 2) is ExitReason.DONE:  # noqa: B023
            break
        stops += 1
        counted = parts.executed
        parts = Replica.restore(parts.catalog, parts.snapshot())
        assert parts.executed == counted
        within += bool(parts._backend["counts"].any())
    assert within > 3  # in the middle of a sample
    assert whole.executed > 100
    assert_same(whole, parts)
    parts.advance(2)
    whole.advance(2)
    assert_same(whole, parts)


@pytest.mark.parametrize("algorithm", ["null_event", "rejection_free"])
def test_calls_last_a_fraction_of_a_second(algorithm: str) -> None:
    """One sample of some hundred million hops can be left after moments."""
    r = replica_of(lambda: lattice_gas("square", 4, 5), algorithm, interval=2e7)
    r.advance(1, should_stop=Limit(0.5))  # compiles
    limit = Limit(1.0)
    assert r.advance(1, should_stop=limit) is ExitReason.INTERRUPTED
    assert r.samples == 0
    assert r.executed > 1_000_000
    assert limit.longest < 1.5  # 0.2 s are meant
    resumed = Replica.restore(r.catalog, r.snapshot())
    assert resumed.executed == r.executed
    np.testing.assert_array_equal(resumed.positions(), r.positions())


class Limit:
    """Asks for a stop after some processor seconds, and notes the longest time between two questions."""

    def __init__(self, seconds: float) -> None:
        self.clock = time.process_time
        self.end, self.last, self.longest = self.clock() + seconds, self.clock(), 0.0

    def __call__(self) -> bool:
        now = self.clock()
        self.longest, self.last = max(self.longest, now - self.last), now
        return now > self.end


def annealed(n: int = 30) -> Model:
    model = replace(charged(n), initial=Initial("annealed", None, 4 * T0, 10**8))
    return replace(model, sampling=Sampling(seed=1, relative_error=0.01, wall_time=0.3))


def test_annealing_keeps_the_wall_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be had in time is not there, and the point says so; a stop comes at once."""
    restless = Equilibration(
        equilibrated=False, start=0, mean=0.0, stderr=0.0, autocorrelation_time=1.0, z=0.0
    )
    monkeypatch.setattr(anneal, "judge", lambda series: restless)
    lattice_monte_carlo()  # compiles
    limit = Limit(0.2)
    with pytest.raises(Stopped):
        Replica(build_catalog(annealed(), temperature=T0), seed=np.random.SeedSequence(1), should_stop=limit)
    assert limit.longest < 1.0
    point = PointSimulation(annealed(), T0, [0, 0, 0], root=1)
    assert point.run() is ExitReason.TIME_LIMIT
    assert point.seconds < 3
    assert not point.built
    record = make_record(annealed(), point, ExitReason.TIME_LIMIT, 1)
    assert record.values["executed_hops"] == 0
    assert record.values["exit_reason"] == "time limit"


def test_annealing_in_pieces_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sweeps cut into calls of 7 trials."""
    whole, series = lattice_monte_carlo()
    monkeypatch.setattr(pace, "FEWEST", 7)
    monkeypatch.setattr(pace, "MOST", 7)
    parts, cut = lattice_monte_carlo()
    np.testing.assert_array_equal(series, cut)
    for a, b in zip(whole.sites, parts.sites, strict=True):
        np.testing.assert_array_equal(a, b)
    assert (whole.possible, whole.accepted) == (parts.possible, parts.accepted)


def lattice_monte_carlo() -> tuple[LatticeMonteCarlo, np.ndarray]:
    lattice = LatticeMonteCarlo(charged(30), [np.arange(30)], np.random.default_rng(1))
    return lattice, lattice.run(T0, 40)


# length ------------------------------------------------------------------------------------------------


def sampled(model: Model, **how: object) -> PointSimulation:
    point = PointSimulation(
        replace(model, sampling=Sampling(**{"seed": 1, "relative_error": None, **how})),  # type: ignore[arg-type]
        T0,
        [0, 0, 0],
        root=3,
    )
    point.run()
    return point


@pytest.mark.parametrize("algorithm", ["null_event", "rejection_free"])
@pytest.mark.parametrize("goal", [None, 1e-4])
@pytest.mark.parametrize("make", [mixture, gas])
def test_hops_asked_are_hops_counted(make: Callable[[], Model], goal: float | None, algorithm: str) -> None:
    """Alone or as a cap, within 1.5 %; trial rounds come on top, at most as many again."""
    point = sampled(make(), events=50_000, relative_error=goal, algorithm=algorithm)
    counted = sum(int(t.events.sum()) for t in point.tallies())
    assert counted == pytest.approx(50_000, rel=0.015)
    assert point.events - counted < 60_000


@pytest.mark.parametrize("goal", [None, 1e-4])
def test_time_asked_is_time_simulated(goal: float | None) -> None:
    point = sampled(gas(), time=500.0, relative_error=goal)
    assert [t.time for t in point.tallies()] == pytest.approx([500.0] * 4, rel=0.01)


def test_a_start_that_is_much_slower_than_the_rest() -> None:
    """All replicas begin in a trap (rate 1e-6), among sites with rate 1: the interval follows the hops."""
    n, depth = 50, 14.0
    energy = np.zeros(n)
    energy[0] = -depth * KT0
    rates = np.ones(n)
    rates[0] = np.exp(-depth)
    model = replace(chain(rates.tolist(), site_energy=energy), initial=Initial("given", ((0,),)))
    point = sampled(model, relative_error=0.1, wall_time=20.0)
    assert point.seconds < 15
    hops = point.tallies()[0].events.sum() / (point.tallies()[0].time / point.interval)
    assert hops < 1e4  # a sample; 8e5 by the rate at the start


@pytest.mark.parametrize("moment", [0.0, 1e9], ids=["slow machine", "quick machine"])
def test_who_runs_a_point_and_how_fast_changes_nothing(
    moment: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The interval is chosen anew in the first pilot at rows that neither clock nor threads choose."""
    n, depth = 50, 9.0
    energy = np.zeros(n)
    energy[0] = -depth * KT0
    rates = np.ones(n)
    rates[0] = np.exp(-depth)
    model = replace(chain(rates.tolist(), site_energy=energy), initial=Initial("given", ((0,),)))
    model = replace(model, sampling=replace(model.sampling, relative_error=0.3, events=200_000, replicas=4))
    alone = PointSimulation(model, T0, [0.0, 0.0, 0.0], root=1)
    alone.run()
    monkeypatch.setattr("kmc_transport.runs.point.MOMENT", moment)
    together = PointSimulation(model, T0, [0.0, 0.0, 0.0], root=1)
    with ThreadPoolExecutor(2) as pool:
        together.run(pool=pool)
    assert (alone.interval, alone.pilots, alone.rows) == (together.interval, together.pilots, together.rows)
    for a, b in zip(alone.tallies(), together.tallies(), strict=True):
        np.testing.assert_array_equal(a.events, b.events)


def test_intervals_come_from_configurations() -> None:
    """A barrier of 0.80 eV that the table of surroundings replaces by 0.25 eV wherever one of two sites is empty."""
    document = {
        "structure": {
            "spacegroup": "P-3m1",
            "lattice": {"a": 2.81, "c": 14.0},
            "sites": {"Li": [[0, 0, 0]]},
        },
        "supercell": [4, 4, 1],
        "carriers": {"Li": {"charge": 1, "sites": ["Li"], "count": 10}},
        "hops": [
            {
                "carrier": "Li",
                "between": ["Li", "Li"],
                "distance": 2.81,
                "barrier": {"rule": "kra", "E_kra": "0.80 eV"},
                "attempt_frequency": 1e13,
                "surroundings": {
                    "count": [{"carrier": "Li", "distance": 2.434}],
                    "table": [
                        {"counts": [2], "E_kra": 0.80},
                        {"counts": [1], "E_kra": 0.25},
                        {"counts": [0], "E_kra": 0.25},
                    ],
                },
            }
        ],
        "conditions": {"temperature": 300},
    }
    for algorithm in ("auto", *ALGORITHMS):
        model = replace(built(document), sampling=Sampling(seed=1, relative_error=0.2, algorithm=algorithm))
        point = PointSimulation(model, 300.0, [0, 0, 0], root=1)
        assert point.run() is ExitReason.ACCURACY_REACHED
        assert point.interval < 1e-6  # 25 s by the rule's own barrier


# tables that are always shown, pictures, what check foretells ---------------------------------------------

STILL = """
format: 1
title: a frozen ion beside a polaron
structure:
  lattice: {a: 3.0, b: 5.0, c: 6.0}
  sites: {A: [[0, 0, 0]], B: [[0.5, 0.5, 0.5]]}
supercell: [4, 2, 1]
carriers:
  ion: {charge: 1, sites: [A], count: 3}
  polaron: {charge: -1, sites: [B], count: 3}
hops:
  - {carrier: ion, between: [A, A], distance: 3, barrier: 2.0 eV, attempt_frequency: 5 THz}
  - {carrier: polaron, between: [B, B], distance: 3, barrier: 0.3 eV, attempt_frequency: 5 THz}
conditions:
  temperature: [300, 320, 350]
  field: {along: [[1, 0, 0]], magnitude: [0]}
sampling: {events: 20000, seed: 3}
"""


@pytest.fixture
def still(tmp_path: Path) -> Path:
    path = tmp_path / "still.yaml"
    path.write_text(STILL)
    return path


def test_run_shows_its_table_with_reasons(
    still: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(still.parent)
    assert call("run", str(still)) == 1
    out = capsys.readouterr().out
    assert "[1] the species has not moved: fewer than" in " ".join(out.split())
    assert "Picture: still.png" in out
    assert call("results", "still.h5", "--json") == 0
    rows = json.loads(capsys.readouterr().out)["results"]
    frozen = [r for r in rows if r["carrier"] == "ion"]
    assert all(r["mobility_missing"].startswith("the species has not moved") for r in frozen)
    assert all(r["hop_rate_limit_per_s"] > 0 for r in frozen)
    assert all(r["mobility_missing"] == "" for r in rows if r["carrier"] == "polaron")
    assert {r["quenched"] for r in rows} == {True}


def test_run_without_any_mobility_shows_its_table(
    still: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten hops are too few for anything: no picture, exit code 1, and the reason at each dash."""
    monkeypatch.chdir(still.parent)
    still.write_text(STILL.replace("events: 20000", "relative_error: 1 %, wall_time: 0.001 s"))
    assert call("run", str(still)) == 1
    out = " ".join(capsys.readouterr().out.split())
    assert "polaron" in out
    assert "out of time" in out or "not enough time" in out
    assert "No picture: nothing has a mobility yet." in out
    assert not Path("still.png").exists()


def test_check_foretells_what_will_be_missing(still: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("check", str(still)) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "no hop joins the 2 parts of the supercell in which polaron moves" in out
    assert "times rarer than that of another carrier" in out
    still.write_text(STILL.replace("distance: 3, barrier: 0.3", "distance: 5, barrier: 0.3"))
    assert call("check", str(still)) == 0
    assert "no hop joins the 4 parts" in " ".join(capsys.readouterr().out.split())


def test_points_out_of_time_are_marked() -> None:
    """A cross in the picture, a count beside the fit."""
    model = load_model_text(STILL)
    data = run(model, workers=1)
    assert (
        int(data["arrhenius_inaccurate"].sel(carrier="polaron").item()) == 3
    )  # the target asks for the ion too
    crosses = [line for line in plot_results(data).axes[0].lines if line.get_marker() == "x"]
    assert sum(len(line.get_xdata()) for line in crosses) == 3
    accurate = data.assign(converged=data["converged"] | True)
    assert not [line for line in plot_results(accurate).axes[0].lines if line.get_marker() == "x"]
