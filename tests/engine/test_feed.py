"""Hops as chunks: who listens changes nothing, and no hop is lost, whatever the speed of the machine."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from kmc_transport.engine import Replica, pace
from kmc_transport.rates import build_catalog
from kmc_transport.records import TICKS, HopChunk
from tests.reference.engine import make_reference
from tests.reference.interacting_models import random_model
from tests.reference.networks import KT0, lattice_gas

SCALE = math.exp(
    -0.9 / KT0
)  # barriers of random models are 0.1 eV instead of the 1 eV that gives rates near 1/s
CASES = [
    *((None, "null_event"), (None, "rejection_free")),
    *(("codes", a) for a in ("null_event", "rejection_free", "sum_tree")),
    *(("energies", a) for a in ("null_event", "rejection_free")),
]
SAMPLES = 18


def replica(kind: str | None, algorithm: str, **options: Any) -> Replica:
    model = lattice_gas("honeycomb", 3, 7)
    if kind is not None:
        model = random_model(11, charged=kind == "energies", disordered=kind == "energies")
    catalog = build_catalog(model, temperature=300.0, field=(0.02, -0.01, 0.02))
    return Replica(
        catalog,
        seed=np.random.SeedSequence(3),
        algorithm=algorithm,
        levels=1,
        windows_per_row=3,
        sample_interval=3.0 if kind is None else 10.0 * SCALE,
        **options,
    )


def heard(
    r: Replica, work: int, *, stopping: bool = False, samples: int = SAMPLES
) -> tuple[Replica, list[HopChunk]]:
    """All chunks of calls of so many attempts; the replica is saved and restored after five of them if ``stopping``."""
    chunks: list[HopChunk] = []

    def keep(chunk: HopChunk) -> None:
        assert len(chunk.energies[0]) == len(chunk.hop)
        chunks.append(chunk)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pace, "FEWEST", work)
        patch.setattr(pace, "MOST", work)
        r._pace = pace.Pace()
        while r.samples < samples:
            asked = iter([False] * 5)
            r.advance(
                samples - r.samples,
                on_hops=keep,
                should_stop=lambda asked=asked: stopping and next(asked, True),
            )
            if stopping:
                r = Replica.restore(r.catalog, r.snapshot())
    return r, chunks


def joined(chunks: list[HopChunk]) -> dict[str, np.ndarray]:
    """Hops of all chunks, with their ticks since the first one began, and ends of the windows."""
    begin = np.cumsum([0, *(c.length for c in chunks)])
    window = np.repeat([c.window for c in chunks], [len(c.hop) for c in chunks])
    return {
        "window": window,
        "tick": np.concatenate([c.tick + b for c, b in zip(chunks, begin, strict=False)]),
        "total": begin[-1:],
        **{name: np.concatenate([getattr(c, name) for c in chunks]) for name in ("carrier", "hop")},
        "difference": np.concatenate([c.energies[0] for c in chunks]),
        "barrier": np.concatenate([c.energies[1] for c in chunks]),
    }


@pytest.mark.parametrize(("kind", "algorithm"), CASES)
def test_no_hop_is_lost(kind: str | None, algorithm: str) -> None:
    silent = replica(kind, algorithm)
    silent.advance(SAMPLES)
    start = replica(kind, algorithm)
    whole, chunks = heard(start, 10**6)
    all_hops = joined(chunks)
    for r, name in ((whole, "at once"), (silent, "silent")):
        np.testing.assert_array_equal(r.occupation(), whole.occupation(), err_msg=name)
        np.testing.assert_array_equal(r.tallies.collective, silent.tallies.collective, err_msg=name)
    # the tallies count the same hops in the same rows
    counted = np.zeros_like(silent.tallies.events)
    np.add.at(counted, (all_hops["window"], all_hops["hop"]), 1)
    np.testing.assert_array_equal(counted, silent.tallies.events)
    assert counted.sum() == silent.executed > 30
    assert all_hops["total"] == SAMPLES * TICKS
    assert (np.diff(all_hops["tick"]) >= 0).all()
    # calls that are too short for a sample, and interruptions, cut the same hops otherwise
    part = int(start._backend._mean_attempts / 3) if algorithm == "null_event" else 0
    for work, stopping in ((max(32, part), False), (max(40, part), True)):
        r, parts = heard(replica(kind, algorithm), work, stopping=stopping)
        assert len(parts) > len(chunks)
        for name, values in joined(parts).items():
            np.testing.assert_array_equal(values, all_hops[name], err_msg=f"{name} {work} {stopping}")
        np.testing.assert_array_equal(r.tallies.collective, silent.tallies.collective)


@pytest.mark.parametrize(("kind", "algorithm"), CASES)
def test_energies_of_hops(kind: str | None, algorithm: str) -> None:
    """Differences add up to the change of the energy; the twin, which counts each anew, agrees."""
    r = replica(kind, algorithm)
    before = r.energy()
    r, chunks = heard(r, 10**6)
    hops = joined(chunks)
    assert hops["difference"].sum() == pytest.approx(r.energy() - before, abs=1e-6)
    c = r.catalog
    if kind is None:
        np.testing.assert_array_equal(hops["barrier"], c.effective_barrier[hops["hop"]])
    else:
        assert len(np.unique(hops["barrier"])) > c.model.network.n_hops
    _, few = heard(replica(kind, algorithm), 10**6, samples=2)
    _, same = heard(replica(kind, algorithm, backend=make_reference), 10**6, samples=2)
    few_hops = joined(few)
    for name, values in joined(same).items():
        np.testing.assert_allclose(values, few_hops[name], atol=1e-9, err_msg=name)
    assert len(few_hops["hop"]) > 3


@pytest.mark.parametrize(("kind", "algorithm"), CASES)
def test_carriers_on_sites(kind: str | None, algorithm: str) -> None:
    r, chunks = heard(replica(kind, algorithm), 200)
    net, last = r.catalog.model.network, chunks[-1]
    now = last.carriers.copy()
    np.add.at(now, (net.carrier[last.hop], net.target[last.hop]), 1)
    np.subtract.at(now, (net.carrier[last.hop], net.origin[last.hop]), 1)
    there = np.zeros_like(now)
    np.add.at(there, (r.species, r.occupation() % r.catalog.model.structure.n_sites), 1)
    np.testing.assert_array_equal(now, there)
