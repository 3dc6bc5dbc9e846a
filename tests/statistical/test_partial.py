"""Partial answers: what one species lacks takes nothing from the others; replicas that differ for ever."""

import dataclasses

import numpy as np
import pytest

from kmc_transport.analysis import evaluate
from kmc_transport.model.interactions import Disorder
from kmc_transport.model.model import Model, Sampling
from kmc_transport.records import ExitReason, Missing
from kmc_transport.runs import record as record_module
from kmc_transport.runs.point import PointSimulation
from kmc_transport.runs.record import make_record
from kmc_transport.store import PointRecord, build_dataset
from tests.reference.networks import T0, chain, lattice_gas, make_model

LENGTH, CARRIERS, CHANNELS = 8, 6, 3


def channels(**keys: object) -> Model:
    """Three rings of eight sites without way from one to the other, six carriers among them, exclusion."""
    cube = [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
    return make_model(
        cube,
        [[0, 0, 0]],
        [[(0, 0, (1, 0, 0), 1.0)]],
        counts=(CARRIERS,),
        supercell=(LENGTH, CHANNELS, 1),
        **keys,
    )


def sampled(model: Model, seed: int, **how: object) -> PointSimulation:
    keys = {"seed": seed, "relative_error": None, "target": "collective_diffusivity", **how}
    point = PointSimulation(dataclasses.replace(model, sampling=Sampling(**keys)), T0, [0, 0, 0], root=seed)
    point.run()
    return point


def exact_mean() -> float:
    """D of all carriers together, mean over placements; exclusion in a ring of L sites: w a² n (L - n)/(L - 1)."""
    from itertools import product
    from math import comb

    total = weight = 0.0
    for n in product(range(LENGTH + 1), repeat=CHANNELS):
        if sum(n) == CARRIERS:
            ways = np.prod([comb(LENGTH, k) for k in n])
            weight += ways
            total += ways * sum(k * (LENGTH - k) / (LENGTH - 1) for k in n) / CARRIERS
    return total / weight * 1e-20


def test_errors_between_quenched_replicas_cover() -> None:
    """Each replica keeps its numbers per channel; 95 % intervals hold the mean over placements, without bias.

    Negative control: the errors within the replicas alone are too small.
    """
    exact, z, within = exact_mean(), [], []
    for seed in range(50):
        point = sampled(channels(), seed, events=90_000, replicas=3)
        assert point.evaluation is not None
        differ = len({tuple(sorted(row)) for row in numbers(point)}) > 1
        assert point.evaluation.quenched is differ
        estimate = point.evaluation.require("collective_diffusivity")
        z.append(float(estimate.z(exact)[0, 0, 0, 0]))
        if differ:
            inner = point.evaluation.within["collective_diffusivity"][0, 0, 0, 0]
            within.append((estimate.value[0, 0, 0, 0] - exact) / inner)
    assert abs(np.mean(z)) < 0.4
    assert np.mean(np.abs(z) < 1.96) > 0.87
    assert np.mean(np.abs(z) < 0.3) < 0.5  # nor absurdly wide
    assert np.mean(np.abs(within) < 1.96) < 0.85


def numbers(point: PointSimulation) -> list[list[int]]:
    """Carriers in each channel, replica by replica."""
    return [np.bincount(r.occupation() % CHANNELS, minlength=CHANNELS).tolist() for r in point.replicas]


def test_more_rows_do_not_help_replicas_that_differ() -> None:
    point = sampled(channels(), 3, relative_error=0.03, replicas=4)
    assert point.events < 1e7
    assert point.last is not None
    assert point.last.needs_replicas
    record = make_record(point.model, point, ExitReason.DONE, 1)
    assert record.values["quenched"]
    assert not record.values["converged"]


def test_one_part_is_not_quenched() -> None:
    point = sampled(lattice_gas("square", 4, 5), 1, events=20_000)
    assert point.evaluation is not None
    assert not point.evaluation.quenched
    alone = dataclasses.replace(channels(), carriers=(dataclasses.replace(channels().carriers[0], count=1),))
    point = sampled(alone, 1, events=20_000)  # one carrier: whichever channel it is in
    assert point.evaluation is not None
    assert not point.evaluation.quenched


def test_blocked_sites_make_islands() -> None:
    """A chain cut in two parts of 3 and 7 sites: one carrier stays where it is, the parts differ."""
    blocked = np.zeros(12, np.bool_)
    blocked[[0, 4]] = True
    model = dataclasses.replace(chain([1.0], supercell=(12, 1, 1)), disorder=Disorder(None, None, blocked))
    points = [sampled(model, seed, events=20_000) for seed in range(4)]
    for point in points:
        assert point.evaluation is not None
        sides = {bool(r.occupation()[0] < 4) for r in point.replicas}
        assert point.evaluation.quenched is (len(sides) == 2)
    assert any(p.evaluation and p.evaluation.quenched for p in points)


def slow_and_fast(slow: float = 1e-9) -> Model:
    """A species that hops, and one that hardly ever does."""
    cube = [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
    return make_model(
        cube,
        [[0, 0, 0], [0.5, 0.5, 0.5]],
        [[(0, 0, (1, 0, 0), 1.0)], [(1, 1, (1, 0, 0), slow)]],
        counts=(2, 2),
        charges=(1.0, 1.0),
        supercell=(8, 1, 1),
        allowed=[[True, False], [False, True]],
    )


def test_a_species_that_has_not_moved_takes_nothing_from_the_other() -> None:
    point = sampled(slow_and_fast(), 1, events=100_000, target="tracer_diffusivity")
    record = make_record(point.model, point, ExitReason.DONE, 1)
    for name in ("tracer_diffusivity", "collective_diffusivity", "mobility_einstein"):
        value = record.values[name] if name != "mobility_einstein" else record.values[name].T
        value = value[:, :, 0] if name == "collective_diffusivity" else value
        assert np.isfinite(value[0]).all(), name
        assert np.isnan(value[1]).all(), name
    assert not record.values["converged"]  # the target asks for both
    dataset = build_dataset(point.model, [record])
    why = dataset["missing"].sel(observable="tracer_diffusivity").values.reshape(-1)
    assert why.tolist() == [Missing.NOTHING, Missing.STILL]
    limit = dataset["hop_rate_limit"].values.reshape(-1)
    assert np.isnan(limit[0])
    time = sum(t.time for t in point.tallies())
    assert limit[1] == pytest.approx(3.0 / (2 * time), rel=0.01)
    assert limit[1] > 1e-9
    assert dataset["diffusivity_limit"].values.reshape(-1)[1] == pytest.approx(limit[1] / 2 * 1e-20)


def test_hops_that_were_taken_back_are_no_diffusion() -> None:
    """A species that hopped, and was back as each sample ended, has no number, rather than 0 ± 0."""
    point = sampled(slow_and_fast(), 1, events=20_000, target="tracer_diffusivity")
    tallies = []
    for t in point.tallies():
        events = t.events.copy()
        events[:, point.system.hop_carrier == 1] += 1
        tallies.append(dataclasses.replace(t, events=events))
    found = evaluate(point.system, tallies)
    assert found.why("tracer_diffusivity") == (Missing.NOTHING, Missing.STILL)
    value = found.estimates["tracer_diffusivity"].value
    assert np.isfinite(value[0]).all()
    assert np.isnan(value[1]).all()


def test_limits_hold_in_nineteen_of_twenty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of runs in which a species of rate 2 w may or may not move, at most 5 % claim a limit below its rate."""
    monkeypatch.setattr(record_module, "_is_small", lambda model: False)  # no exact answers
    wrong = 0
    for seed in range(40):
        point = sampled(slow_and_fast(2.5e-4), seed, time=500.0, replicas=1)
        limit = make_record(point.model, point, ExitReason.DONE, 1).values["hop_rate_limit"][1]
        wrong += bool(limit < 2 * 2.5e-4)  # chance of no hop: exp(-2 x 5e-4 x 500) = 0.61, limit 3e-3
    assert wrong <= 4


def test_one_memory_does_not_hide_the_other() -> None:
    """Where one species' blocks are too short, the other's numbers stand."""
    point = sampled(slow_and_fast(0.1), 1, events=400_000)
    assert point.evaluation is not None
    half = dataclasses.replace(
        point.evaluation, tracer_settled=np.array([True, False]), agree=np.array([True, True])
    )
    assert half.why("tracer_diffusivity") == (Missing.NOTHING, Missing.MEMORY)
    estimate = half.trustworthy("tracer_diffusivity")
    assert estimate is not None
    assert np.isfinite(estimate.value[0]).all()
    assert np.isnan(estimate.value[1]).all()
    assert half.why("drift_velocity") == (Missing.NOTHING, Missing.NOTHING)
    contradicting = dataclasses.replace(point.evaluation, agree=np.array([False, True]))
    assert contradicting.why("mobility_einstein") == (Missing.CONTRADICTION, Missing.NOTHING)
    assert contradicting.why("charge_diffusivity") == (Missing.CONTRADICTION,) * 2


def test_nothing_counted_is_said() -> None:
    point = sampled(lattice_gas("square", 4, 5), 1, events=10**9, wall_time=1e-9)
    record: PointRecord = make_record(point.model, point, ExitReason.TIME_LIMIT, 1)
    assert set(record.values["missing"].ravel()) == {Missing.NO_ROWS, Missing.OTHER_FIELD}
