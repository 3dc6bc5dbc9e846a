"""What pilots foretell against what the points then take."""

from __future__ import annotations

import math
import time
from dataclasses import replace

import numpy as np
import pytest

from kmc_transport.model.interactions import Initial, Interactions
from kmc_transport.model.model import Model, Sampling
from kmc_transport.records import ExitReason
from kmc_transport.runs import pilots
from kmc_transport.runs.forecast import hop_frequencies
from kmc_transport.runs.pilots import Pilot, forecast
from kmc_transport.runs.point import PointSimulation
from tests.reference.interacting_models import ion_and_polaron
from tests.reference.networks import T0, chain, lattice_gas, make_model


def _asked(model: Model, field: float = 0.0, **sampling: object) -> Model:
    conditions = replace(
        model.conditions,
        temperature=np.array([T0]),
        field=np.array([field]),
        direction=np.array([[1.0, 0.0, 0.0]]),
        direction_label=("x",),
    )
    return replace(model, conditions=conditions, sampling=Sampling(seed=1, **sampling))  # type: ignore[arg-type]


def _whole(model: Model) -> tuple[PointSimulation, float]:
    """The point run to its end, and its processor seconds."""
    c = model.conditions
    begun = time.process_time()
    point = PointSimulation(model, float(c.temperature[0]), c.field[0] * c.direction[0], root=1)
    assert point.run() in (ExitReason.ACCURACY_REACHED, ExitReason.DONE)
    return point, time.process_time() - begun


CASES = {
    "alone": _asked(lattice_gas("sc", 5, 1), relative_error=0.006),
    "crowded": _asked(lattice_gas("square", 6, 30), relative_error=0.01),
    "tracers": _asked(lattice_gas("square", 6, 30), relative_error=0.004, target="tracer_diffusivity"),
    "driven": _asked(lattice_gas("sc", 5, 4), field=0.05, relative_error=0.002),
    "bound": _asked(ion_and_polaron(6), relative_error=0.03, target="tracer_diffusivity"),
}


@pytest.mark.parametrize("name", CASES)
def test_hops_and_time_within_a_factor_of_three(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = CASES[name]
    forecast(replace(model, sampling=replace(model.sampling, relative_error=0.5)), 1)  # compiles
    monkeypatch.setattr(pilots, "LONGEST", 0.15)
    told = forecast(model, 1)
    (pilot,) = told.pilots
    point, seconds = _whole(model)
    assert point.events / 3 < pilot.hops.likely < 3 * point.events
    assert pilot.hops.low < pilot.hops.likely < pilot.hops.high < 12 * pilot.hops.low
    low, high = told.processor
    assert seconds / 3 < math.sqrt(low * high) < 3 * seconds
    assert told.wall == told.processor


def test_an_error_that_falls_as_the_number_of_hops_would_be_seen() -> None:
    """The square of the ratio counts: what a pilot of a thousandth of the run says is off by 30 otherwise."""
    model = _asked(lattice_gas("sc", 5, 1), relative_error=0.001)
    simulation = PointSimulation(model, T0, np.zeros(3), root=1)
    simulation.run(should_stop=lambda: simulation.events > 400_000)
    simulation.sampling = replace(simulation.sampling, wall_time=0.0)
    simulation.run()
    seen = pilots._Seen(simulation)
    hops = pilots._of_accuracy(seen, reached=False).likely
    assert 480 / 0.001**2 / 3 < hops < 3 * 480 / 0.001**2
    assert not 480 / 0.001**2 / 3 < seen.counted * seen.worst < 3 * 480 / 0.001**2


def test_a_length_is_what_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pilots, "LONGEST", 0.05)
    model = _asked(lattice_gas("sc", 5, 4), relative_error=None, events=1_000_000)
    (pilot,) = forecast(model, 2).pilots
    point, _ = _whole(model)
    assert pilot.hops.low == 1_000_000
    assert pilot.hops.low <= point.events <= pilot.hops.high
    assert point.evaluation is not None
    found = point.evaluation.estimates["mobility_einstein"].relative_error.max()
    assert found / 2 < pilot.error < 2 * found
    span = 1000 / point.replicas[0].total_rate()
    longer = forecast(_asked(lattice_gas("sc", 5, 4), relative_error=None, time=span), 1)
    assert longer.pilots[0].hops.low == pytest.approx(4 * 1000, rel=0.2)  # four replicas


def two_species(slow: float, **sampling: object) -> Model:
    hops = [[(0, 0, (1, 0, 0), slow)], [(1, 1, (1, 0, 0), 1.0)]]
    model = make_model(
        np.diag([3.0, 8.0, 8.0]),
        [[0, 0, 0], [0.5, 0, 0]],
        hops,
        counts=(1, 1),
        charges=(1.0, -1.0),
        supercell=(6, 1, 1),
        allowed=[[True, False], [False, True]],
    )
    return _asked(model, **{"relative_error": 0.02, **sampling})  # type: ignore[arg-type]


def test_a_species_that_has_not_moved(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pilots, "LONGEST", 0.2)
    told = forecast(two_species(1e-9), 1)
    (pilot,) = told.pilots
    assert told.at_least
    assert pilot.rare == (0,)
    assert pilot.hops.low == pytest.approx(241 / 0.02**2 * 1e9, rel=1e-4)
    assert pilot.cap == 1e9  # where a run gives up
    assert told.spent[1] < told.wall[0]
    assert "charge_diffusivity" in pilot.others  # which the other species decides
    assert pilot.others["charge_diffusivity"] < 1e8


@pytest.mark.parametrize("target", ["tracer_diffusivity", "mobility", "charge_diffusivity"])
def test_hops_that_are_told_without_a_pilot(target: str) -> None:
    """Hops without memory, of two species one of which is ten times slower."""
    model = two_species(0.1, target=target, relative_error=0.05)
    least = float(np.nanmax(hop_frequencies(model)[0].needed))
    assert least / 3 < _whole(model)[0].events < 3 * least


def _in_networks(start: Initial) -> Model:
    """Three rings that no hop joins."""
    model = make_model(
        np.diag([3.0, 8.0, 8.0]), [[0, 0, 0]], [(0, 0, (1, 0, 0), 1.0)], counts=(9,), supercell=(6, 3, 1)
    )
    model = replace(model, initial=start, interactions=Interactions())
    return _asked(model, relative_error=0.01, target="collective_diffusivity")


def test_networks_that_never_exchange_carriers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pilots, "LONGEST", 0.4)
    assert forecast(_in_networks(Initial()), 1).pilots[0].scatter > 1
    assert forecast(_in_networks(Initial(equal_networks=True)), 1).pilots[0].scatter == 0


def test_absorbing_chains_are_tried_where_hops_go_back_and_forth(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pilots, "LONGEST", 0.3)
    cages = _asked(chain([1e6, 1.0], supercell=(4, 1, 1)), relative_error=0.01)
    assert forecast(cages, 1).absorbing > 30
    assert math.isnan(forecast(CASES["alone"], 1).absorbing)
    asked = replace(
        cages, sampling=replace(cages.sampling, observe=("occupation",))
    )  # then every hop is made
    assert math.isnan(forecast(asked, 1).absorbing)


def test_points_are_shared_and_lie_between_the_pilots() -> None:
    def at(temperature: float, seconds: float) -> Pilot:
        return Pilot(
            temperature=temperature,
            field=np.zeros(3),
            system=0,
            coordinates=(),
            hops=pilots.Hops(seconds, seconds, seconds),
            cap=1e11,
            decides=0,
            rare=(),
            speed=1.0,
            start=(0.0, 0.0),
            error=math.nan,
            scatter=0.0,
            straight=1.0,
            others={},
            limit=50.0,
        )

    both = (at(300.0, 100.0), at(600.0, 1.0))
    model = _asked(lattice_gas("sc", 3, 1))
    model = replace(
        model,
        conditions=replace(model.conditions, temperature=np.array([300.0, 400.0, 600.0]), field=np.zeros(1)),
    )
    points = pilots.grid_points(model, 1)
    needed = [pilots._between(both, p, limited=False) for p in points]
    np.testing.assert_allclose(needed, [[100, 100], [10, 10], [1, 1]])
    assert pilots._between(both, points[0], limited=True) == pytest.approx((50, 50))
    assert pilots._wall(needed, 1, model.sampling) == pytest.approx((111, 111))
    assert pilots._wall(needed, 2, model.sampling) == pytest.approx((100, 100))  # one point is the longest
    assert pilots._wall(needed[:1], 3, replace(model.sampling, replicas=4)) == pytest.approx(
        (100 / 3, 100 / 3)
    )
