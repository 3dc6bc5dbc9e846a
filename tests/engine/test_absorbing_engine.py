"""The engine of absorbing chains: how its runs are cut, saved and gone on with; what is a basin and what is none."""

from __future__ import annotations

import inspect
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kmc_transport.engine import Replica
from kmc_transport.engine.absorbing import backend
from kmc_transport.engine.absorbing.backend import Absorbing
from kmc_transport.engine.absorbing.kernels_basins import STATES
from kmc_transport.engine.absorbing.kernels_stays import STAYS
from kmc_transport.engine.backend import Backend
from kmc_transport.engine.choice import make_backend
from kmc_transport.model.model import Model
from kmc_transport.rates import build_catalog
from kmc_transport.records import ExitReason
from tests.reference.basins import BASINS, cages, charged_pair, held_pair, traps
from tests.reference.engine import make_reference
from tests.reference.interacting_models import random_model
from tests.reference.networks import KT0, T0, chain, lattice_gas


def replica(model: Model, **options: Any) -> Replica:
    options = {"algorithm": "absorbing", "sample_interval": 0.3, "levels": 2} | options
    return Replica(build_catalog(model, temperature=T0), seed=np.random.SeedSequence(4), **options)


def assert_equal(a: Replica, b: Replica) -> None:
    for name in ("events", "attempts", "displacement", "collective", "tracer"):
        np.testing.assert_array_equal(getattr(a.tallies, name), getattr(b.tallies, name), err_msg=name)
    np.testing.assert_array_equal(a.positions(), b.positions())
    assert (a.executed, a.attempted, a.samples) == (b.executed, b.attempted, b.samples)


def kept(r: Replica) -> list[int]:
    """Numbers of states of the basins that are kept."""
    assert isinstance(r._backend, Absorbing)
    return sorted(int(n) for n in r._backend["directory"][: r._backend["used"][0], STATES])


def test_it_fills_the_protocol() -> None:
    r = replica(traps())
    assert type(r._backend) is Absorbing
    assert isinstance(r._backend, Backend)
    for name, wanted in vars(Backend).items():
        if inspect.isfunction(wanted) and not name.startswith("_"):
            found = inspect.signature(getattr(Absorbing, name))
            assert list(found.parameters) == list(inspect.signature(wanted).parameters), name


@pytest.mark.parametrize(
    ("name", "states"), [("traps", 2), ("cages", 4), ("held pair", 2), ("charged pair", 2)]
)
def test_basins(name: str, states: int) -> None:
    """What hops quickly is one; each is kept once, from wherever it is found."""
    r = replica(BASINS[name]())
    assert r.advance(400) is ExitReason.DONE
    assert set(kept(r)) == {states}
    assert r.executed > 10 * r.attempted
    if name == "traps":
        assert len(kept(r)) == 3
    if name == "cages":
        assert len(kept(r)) == 4
    assert r.check() == 0.0


def test_what_is_no_basin() -> None:
    """Hops that are all alike, and quick ones that wind round the cell, are made one by one."""
    for model in (lattice_gas("sc", 3, 2), chain([300.0, 300.0], supercell=(1, 1, 1)), traps(5.0)):
        r = replica(model, sample_interval=0.1)
        r.advance(200)
        assert kept(r) == []
        assert r.executed == r.attempted > 20


@pytest.mark.parametrize("make", [traps, cages, held_pair, charged_pair])
def test_cut_saved_and_taken_up(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bit for bit, whether a run is cut, saved within a stay, or forgets its basins now and then."""
    whole, cut = replica(make()), replica(make())
    whole.advance(300)
    cut.advance(37)
    assert cut._backend["memory"][STAYS]  # type: ignore[attr-defined]
    again = Replica.restore(cut.catalog, cut.snapshot())
    assert kept(again) == []
    monkeypatch.setattr(backend, "MOST_BASINS", 1)
    small = replica(make())
    small.advance(300)
    assert len(kept(small)) == 1
    for r in (cut, again):
        while r.samples < 300:
            r._run(min(7, 300 - r.samples), 3)
        assert_equal(r, whole)
    assert_equal(small, whole)
    for r in (whole, again):
        r.coarsen()
        r.advance(50)
        r.reset(0.7)
        r.advance(100)
    assert_equal(again, whole)


def test_hops_are_not_listed() -> None:
    r = replica(traps())
    with pytest.raises(ValueError, match="cannot be listed"):
        r.record_events(1)
    with pytest.raises(ValueError, match="cannot be listed"):
        r.advance(1, on_hops=lambda chunk: None)


def test_one_long_stay() -> None:
    """An interval of 1e18 hops is drawn in parts."""
    r = replica(traps(1e16), sample_interval=300.0, levels=0)
    r.advance(2)
    assert r.executed > 1e18
    assert r.attempted < 1e5
    assert 1 < np.abs(r.positions()).max() < 1e3


def paired(model: Model, **options: Any) -> tuple[Replica, Replica]:
    return replica(model, **options), replica(model, backend=make_reference, **options)


@pytest.mark.parametrize(
    ("name", "quick", "samples"), [("traps", 300.0, 60), ("shallow", 300.0, 40), ("cages", 150.0, 24)]
)
def test_kernel_and_twin(name: str, quick: float, samples: int) -> None:
    """The same hops and stays as the readable reference, to the last bit."""
    kernel, twin = paired(BASINS[name](quick))
    for r in (kernel, twin):
        r.advance(samples)
    assert kernel.executed > 3 * kernel.attempted
    assert_equal(kernel, twin)


@settings(max_examples=8, deadline=None, derandomize=True)
@given(
    name=st.sampled_from(["held pair", "charged pair", "traps"]),
    field=st.sampled_from([0.0, 0.001]),
    seed=st.integers(0, 2**32),
)
def test_kernel_and_twin_with_interactions(name: str, field: float, seed: int) -> None:
    catalog = build_catalog(BASINS[name](), temperature=T0, field=(field, 0.0, 0.0))
    kernel, twin = (
        Replica(
            catalog,
            seed=np.random.SeedSequence(seed),
            algorithm="absorbing",
            sample_interval=0.1,
            levels=1,
            backend=make,
        )
        for make in (make_backend, make_reference)
    )
    for r in (kernel, twin):
        r.advance(8)
    assert_equal(kernel, twin)
    assert kernel.energy() == twin.energy()
    np.testing.assert_array_equal(kernel.clamped_events, twin.clamped_events)


@pytest.mark.parametrize("interacting", [False, True])
def test_hop_by_hop_where_stays_do_not_pay(interacting: bool) -> None:
    """After the first rows carriers and random numbers go on in the engine that the model needs otherwise."""
    r = replica(held_pair(3.0) if interacting else lattice_gas("sc", 3, 2), sample_interval=1.0)
    r.advance(4)
    r.reset()
    assert r.algorithm == "absorbing"  # too early to tell
    r.advance(2000 if interacting else 300)
    where, hops, clamped = r.positions(), r.executed, r.clamped_events
    r.reset()
    assert r.algorithm in ("null_event", "rejection_free")
    np.testing.assert_array_equal(r.positions(), where)
    np.testing.assert_array_equal(r.clamped_events + clamped, clamped)
    assert r.executed == hops
    r.advance(100)
    assert r.executed > hops
    assert r.check() == 0.0
    again = Replica.restore(r.catalog, r.snapshot())
    for each in (r, again):
        each.advance(100)
    assert_equal(again, r)


def test_stays_that_pay_go_on() -> None:
    """Foretold from the mean hops of stays, however short the samples are that cut them."""
    r = replica(traps(1e4), sample_interval=1e-3)
    r.advance(20_000)
    assert r.executed < 20 * r.attempted
    r.reset(1.0)
    assert r.algorithm == "absorbing"


@settings(max_examples=12, deadline=None, derandomize=True)
@given(
    number=st.integers(0, 2**32),
    seed=st.integers(0, 2**32),
    charged=st.booleans(),
    disordered=st.booleans(),
    held=st.booleans(),
    field=st.sampled_from([0.0, 0.01, 0.2]),
)
def test_random_models(
    number: int, seed: int, charged: bool, disordered: bool, held: bool, field: float
) -> None:
    """Hop by hop, with disorder, clusters, Coulomb energies, immobile species and clamped hops."""
    model = random_model(number, charged=charged, disordered=disordered, held=held)
    catalog = build_catalog(model, temperature=T0, field=(field, -0.5 * field, field))
    kernel, twin = (
        Replica(
            catalog,
            seed=np.random.SeedSequence(seed),
            algorithm="absorbing",
            sample_interval=0.3 * math.exp(-0.9 / KT0),
            levels=1,
            backend=make,
        )
        for make in (make_backend, make_reference)
    )
    assert kernel.advance(2) is twin.advance(2)
    assert_equal(kernel, twin)
    np.testing.assert_array_equal(kernel.clamped_events, twin.clamped_events)
    assert kernel.check() == 0.0
