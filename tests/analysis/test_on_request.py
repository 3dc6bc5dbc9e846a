"""Observables on request: against the master equation, and the same to the last bit whoever runs them and how often."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kmc_transport.analysis.observables import Observable, kind_of
from kmc_transport.analysis.observables.barriers import WIDTH, histogram
from kmc_transport.arrays import ARRAYS, ON_REQUEST
from kmc_transport.cli.app import main
from kmc_transport.engine import Replica
from kmc_transport.errors import InputError, Unconverged
from kmc_transport.exact import stationary_flow
from kmc_transport.input import load_model_text
from kmc_transport.input.settings import with_settings
from kmc_transport.model.model import Model
from kmc_transport.rates import RateCatalog, build_catalog
from kmc_transport.records import TICKS, HopChunk
from kmc_transport.report import observable_tables, table_lines
from kmc_transport.runs.pipeline import run
from kmc_transport.runs.point import PointSimulation
from kmc_transport.units import K_B
from tests.input.interacting import built as interacting
from tests.input.interacting import chain
from tests.reference.interacting_models import coulomb, with_interactions, with_rule
from tests.reference.networks import KT0, lattice_gas, make_model
from tests.runs.sweeps import INPUT, assert_same_table, sweep_model


def traps() -> Model:
    """Two species that share sites of two kinds and cannot pass each other there."""
    edges = [(0, 1, (0, 0, 0), 2.0), (1, 0, (1, 0, 0), 1.0), (0, 0, (0, 1, 0), 0.3)]
    other = [(0, 1, (0, 0, 0), 0.5), (1, 0, (1, 0, 0), 4.0), (1, 1, (0, 1, 0), 1.0)]
    return make_model(
        [[3.0, 0, 0], [0, 3.0, 0], [0, 0, 9.0]],
        [[0, 0, 0], [0.4, 0, 0]],
        [edges, other],
        counts=(2, 1),
        charges=(1.0, -2.0),
        supercell=(2, 2, 1),
        periodic=(True, True, False),
        site_energy=[[0.0, KT0], [0.5 * KT0, 0.0]],
    )


def charged() -> Model:
    """Charges that feel each other, so that every hop has an energy of its own."""
    model = with_rule(lattice_gas("honeycomb", 3, 2), E_kra=0.1)
    return with_interactions(model, coulomb=coulomb(model, 0.2))


CASES = {
    "plain": (traps, "null_event", 300.0, (0.0, 0.0, 0.0)),
    "plain, driven": (traps, "rejection_free", 300.0, (0.01, 0.005, 0.0)),
    "codes": (lambda: interacting(chain(8, 3, 0.03)), "rejection_free", 300.0, (0.0, 0.0, 0.0)),
    "codes, driven": (lambda: interacting(chain(8, 3, 0.03)), "null_event", 300.0, (0.02, 0.0, 0.0)),
    "energies": (charged, "null_event", 300.0, (0.0, 0.0, 0.0)),
    "energies, driven": (charged, "rejection_free", 300.0, (0.0, 0.01, 0.0)),
}


def observed(catalog: RateCatalog, algorithm: str, seed: int = 5, rows: int = 64) -> dict[str, Observable]:
    """Of two replicas with ``rows`` windows of about 600 hops each."""
    parts: dict[str, list[Observable]] = {name: [] for name in ON_REQUEST}
    interval = 0.0
    for number in range(2):
        r = Replica(catalog, seed=np.random.SeedSequence([seed, number]), algorithm=algorithm, levels=3)
        interval = interval or 75 / r.total_rate()
        r.reset(sample_interval=interval)
        r.advance(64)
        r.reset(sample_interval=interval)
        own = {name: kind_of(name)(catalog) for name in ON_REQUEST}
        r.advance(8 * rows, on_hops=lambda chunk, own=own: [o.add(chunk) for o in own.values()])
        for name, observable in own.items():
            parts[name].append(observable)
    return {name: kind_of(name).merge(found) for name, found in parts.items()}


def deviations(found: dict[str, Observable], catalog: RateCatalog) -> dict[str, np.ndarray]:
    """In standard errors, of what is neither missing nor certain; what is certain must be right."""
    flow, z = stationary_flow(catalog), {}
    for name, observable in found.items():
        exact = kind_of(name).exact(flow)
        for array, estimate in observable.result().items():
            known = np.isfinite(exact[array]) & (estimate.stderr > 1e-9 * np.abs(exact[array]))
            sure = np.isfinite(exact[array]) & ~known & (exact[array] * 600 * 128 > 20)
            np.testing.assert_allclose(estimate.value[sure], exact[array][sure], rtol=1e-9)
            z[array] = ((estimate.value - exact[array])[known]) / estimate.stderr[known]
            assert known.any() or sure.any()
    return z


@pytest.mark.parametrize("case", CASES)
def test_against_master_equation(case: str) -> None:
    make, algorithm, temperature, field = CASES[case]
    catalog = build_catalog(make(), temperature=temperature, field=field)
    found = observed(catalog, algorithm)
    z = deviations(found, catalog)
    assert {s.name for s in ARRAYS.values() if s.observable and s.origin == "point"} == set(z)
    assert max(np.abs(v).max(initial=0.0) for v in z.values()) < 4
    # negative control: the same system at another temperature is told apart by each array that can tell
    other = build_catalog(make(), temperature=1.3 * temperature, field=field)
    flow = stationary_flow(other)
    wrong = kind_of("residence_time").exact(flow)["residence_time"]
    estimate = found["residence_time"].result()["residence_time"]
    assert np.nanmax(np.abs(estimate.z(wrong))) > 8


def test_sums_of_chunks() -> None:
    """Two hops of one carrier, by hand: 1/4 of the time on the first kind of site, 3/4 on the second."""
    catalog = build_catalog(traps(), temperature=300.0)
    net = catalog.model.network
    there = int(np.flatnonzero((net.origin == 0) & (net.target == 1) & (net.carrier == 0))[0])
    carriers = np.array([[1, 0], [0, 0]])
    chunk = HopChunk(
        window=1,
        length=4 * TICKS,
        tick_seconds=1e-9,
        carriers=carriers,
        tick=np.array([TICKS, 4 * TICKS]),
        carrier=np.zeros(2, np.int64),
        hop=np.array([there, net.reverse[there]]),
        measure=lambda: (np.zeros(2), np.zeros(2)),
    )
    found = kind_of("residence_time")(catalog)
    found.add(chunk)
    np.testing.assert_array_equal(found.sums["ticks"], [np.zeros((2, 2)), [[TICKS, 3 * TICKS], [0, 0]]])
    np.testing.assert_array_equal(found.sums["hops"][1], [[1, 1], [0, 0]])
    stay = found.estimate({n: v[1:] for n, v in found.sums.items()})["residence_time"]
    np.testing.assert_allclose(stay[0], [[TICKS * 1e-9, 3 * TICKS * 1e-9], [np.nan, np.nan]])
    again = kind_of("residence_time")(catalog)
    again.load(found.save())
    found.add(replace(chunk, window=2))
    found.coarsen()
    assert found.sums["hops"][:, 0, 0].tolist() == [1, 1]
    again.coarsen()
    again.add(replace(chunk, window=1))  # an odd window goes on
    np.testing.assert_array_equal(found.sums["ticks"], again.sums["ticks"])
    with pytest.raises(Unconverged, match="windows are too few"):
        found.result()


def test_bins() -> None:
    model = traps()
    energy = np.array([0.305, 0.305 - 1e-12, 0.3049, 99.0, 0.0])
    counts = histogram(model, np.zeros(5, np.int64), energy, "barrier")
    assert {int(i): int(counts[0, i]) for i in np.flatnonzero(counts[0])} == {0: 1, 30: 1, 31: 2, 300: 1}
    assert WIDTH == 0.01


ASK = [
    "sampling.observe=[occupation, residence_time, barriers, hop_rates]",
    "conditions.temperature=[300, 400]",
]
TEXT = with_settings(INPUT, ["conditions.temperature=[300, 400]", "sampling.events=6000"])
ASKING = with_settings(TEXT, ASK)


def test_same_numbers_for_all_workers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And in a run that nobody observes, to the last bit, but for what was not asked for."""
    one = run(sweep_model(ASKING), workers=1)
    two = run(sweep_model(ASKING), workers=2, output=tmp_path / "two.h5", checkpoint=0.01)
    assert_same_table(one, two)
    silent = run(sweep_model(TEXT), workers=1)
    more = {n for s in ARRAYS.values() if s.observable for n in s.names} | {
        "site_kind",
        "barrier_bin",
        "difference_bin",
    }
    assert set(one.variables) - set(silent.variables) == more
    assert_same_table(one.drop_vars(more), silent)
    for rate in ("hop_rate", "flip_rate"):  # a fit of two temperatures goes through both
        value, inverse = one[rate].isel(field=0).values, 1 / (K_B * one.temperature.values)
        energy = -np.diff(np.log(value), axis=0)[0] / np.diff(inverse)
        np.testing.assert_allclose(one[f"{rate}_activation_energy"], energy, atol=1e-3)
        assert np.isfinite(one[f"{rate}_prefactor_stderr"]).all()
    z = np.abs((one.occupation - one.occupation_exact) / one.occupation_stderr).values
    assert np.isfinite(z).all()
    assert z.max() < 4

    # shown on request, and only then
    with pytest.raises(SystemExit, match="0"):
        main(["results", str(tmp_path / "two.h5"), "--show", "occupation", "--json"])
    shown = json.loads(capsys.readouterr().out)["observed"]["share of the time on a kind of site"]
    assert [row["occupation"] for row in shown] == one["occupation"].values.reshape(-1).tolist()
    assert [row["site_kind"] for row in shown[:2]] == ["A", "B"]
    with pytest.raises(SystemExit):
        main(["results", str(tmp_path / "two.h5"), "--show", "residense"])
    assert "residence_time" in capsys.readouterr().err  # among what may be asked for
    text = "\n".join(line for t in observable_tables(one, ON_REQUEST) for line in table_lines(t, 200))
    assert "barrier" in text
    with pytest.raises(InputError, match=r"sampling\.observe"):
        observable_tables(silent, ["occupation"])
    with pytest.raises(InputError, match="occupation, residence_time"):
        load_model_text(with_settings(TEXT, ["sampling.observe=[colour]"]))


def interrupted(model: Model, work: int) -> PointSimulation:
    """A point that is stopped, saved and taken up again after each few looks at the clock."""
    point = PointSimulation(model, 300.0, (0.01, 0.0, 0.0), root=3)
    while True:
        looks = iter(range(work))
        reason = point.run(should_stop=lambda looks=looks: next(looks, None) is None)
        if reason.value != "interrupted":
            return point
        if point.built:
            state: dict[str, Any] = point.snapshot()
            point = PointSimulation.restore(model, 300.0, (0.01, 0.0, 0.0), state, root=3)


def test_stopped_and_taken_up_again() -> None:
    model = sweep_model(ASKING)
    whole = PointSimulation(model, 300.0, (0.01, 0.0, 0.0), root=3)
    whole.run()
    parts = interrupted(model, 7)
    assert parts.events == whole.events
    expected, found = whole.observed(), parts.observed()
    assert len(expected) == 6
    for name, estimate in expected.items():
        assert estimate.value.tobytes() == found[name].value.tobytes(), name
        assert estimate.stderr.tobytes() == found[name].stderr.tobytes(), name
    # memory: a bounded number of windows, however long the run
    for watch in whole.watching:
        for observable in watch.observables.values():
            assert all(len(rows) <= 128 for rows in observable.sums.values())
