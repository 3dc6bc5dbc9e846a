"""The kernels against the plain-Python twin: same random numbers, same trajectory, same tallies."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kmc_transport.engine import Replica
from kmc_transport.engine.choice import make_backend
from kmc_transport.engine.plain import backend as plain
from kmc_transport.model.model import Model
from kmc_transport.rates import build_catalog
from tests.reference.engine import Xoshiro, make_reference
from tests.reference.networks import T0, lattice_gas, make_model

ALGORITHMS = ("null_event", "rejection_free")


def replica(model: Model, algorithm: str, *, field=(0.0, 0.0, 0.0), seed=3, **kw) -> Replica:
    catalog = build_catalog(model, temperature=T0, field=field)
    kw.setdefault("sample_interval", 0.7)
    kw.setdefault("levels", 2)
    return Replica(catalog, seed=np.random.SeedSequence(seed), algorithm=algorithm, **kw)


def assert_equal(a: Replica, b: Replica) -> None:
    for name in ("events", "attempts", "displacement", "collective", "tracer"):
        np.testing.assert_array_equal(getattr(a.tallies, name), getattr(b.tallies, name), err_msg=name)
    np.testing.assert_array_equal(a.positions(), b.positions())
    np.testing.assert_array_equal(a.occupation(), b.occupation())
    np.testing.assert_array_equal(a.clamped_events, b.clamped_events)
    assert (a.executed, a.attempted, a.n_rows) == (b.executed, b.attempted, b.n_rows)


@st.composite
def networks(draw: st.DrawFn) -> Model:
    """Small networks: several species and sites, parallel links, links to the own image, traps."""
    n_sites, n_species = draw(st.integers(1, 3)), draw(st.integers(1, 2))
    supercell = draw(st.tuples(*[st.integers(1, 3)] * 3))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    few_rates = draw(st.booleans())  # many hops of the same rate, or all different
    allowed = rng.random((n_species, n_sites)) < 0.7
    allowed[np.arange(n_species), rng.integers(n_sites, size=n_species)] = True
    edges, counts = [], []
    free = int(np.prod(supercell)) * allowed.any(axis=0).sum()
    for own in allowed:
        sites = np.flatnonzero(own)
        hops = [(sites[0], sites[0], (1, 0, 0), 0.1)]
        for _ in range(rng.integers(0, 6)):
            i, j, cell = *rng.choice(sites, 2), rng.integers(-1, 2, size=3)
            if i != j or cell.any():
                hops.append(
                    (i, j, cell, rng.choice([0.1, 2.0]) if few_rates else 10 ** rng.uniform(-1.5, 0.7))
                )
        edges.append(hops)
        room = int(np.prod(supercell)) * len(sites) - sum(counts)
        counts.append(int(rng.integers(0, max(1, min(room, free) + 1))))
    energy = rng.uniform(0, 0.0 if few_rates else 0.08, (n_species, n_sites))
    return make_model(
        np.eye(3) + rng.uniform(-0.2, 0.2, (3, 3)),
        rng.random((n_sites, 3)),
        edges,
        counts=counts,
        charges=[1.0, -2.0][:n_species],
        supercell=supercell,
        site_energy=energy,
        allowed=allowed,
        saddle_fraction=0.4,
    )


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@settings(max_examples=40, deadline=None, derandomize=True)
@given(model=networks(), seed=st.integers(0, 2**32), field=st.sampled_from([0.0, 0.02]))
def test_random_networks(algorithm: str, model: Model, seed: int, field: float) -> None:
    kw = {"field": (field, -0.5 * field, field), "seed": seed, "windows_per_row": 2}
    twin = replica(model, algorithm, backend=make_reference, **kw)
    reason = twin.advance(19)
    layouts = ("table", "bitset") if algorithm == "null_event" else ("auto",)
    for layout in layouts:
        kernel = replica(model, algorithm, layout=layout, **kw)
        assert kernel.advance(19) is reason
        assert_equal(kernel, twin)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_events_one_by_one(algorithm: str) -> None:
    model = lattice_gas("honeycomb", 3, 7)
    a, b = (
        replica(model, algorithm, field=(0.03, 0.01, 0), backend=b) for b in (make_backend, make_reference)
    )
    x, y = a.record_events(13), b.record_events(13)
    np.testing.assert_array_equal(x.carrier, y.carrier)
    np.testing.assert_array_equal(x.hop, y.hop)
    np.testing.assert_array_equal(x.time, y.time)
    assert len(x.time) == a.executed > 50
    assert np.all(np.diff(x.time) > 0)
    assert x.time[0] > 0
    assert x.time[-1] < a.time
    assert_equal(a, b)
    # recording changes nothing
    silent = replica(model, algorithm, field=(0.03, 0.01, 0))
    silent.advance(13)
    assert_equal(a, silent)


def test_generator_reference() -> None:
    """First outputs of the authors' C code for the state 1, 2, 3, 4."""
    random = Xoshiro([1, 2, 3, 4])
    expected = [41943041, 58720359, 3588806011781223, 3591011842654386, 9228616714210784205]
    assert [random() for _ in expected] == expected


# The generator's first output is rotl(s0 + s3, 23) + s0: all zeros, or all ones.
ZERO = [0, 0x9E3779B97F4A7C15, 7, 0]
ONES = [0, 0x9E3779B97F4A7C15, 7, 2**64 - 1]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("words", [ZERO, ONES], ids=["u=0", "u->1"])
def test_extreme_random_numbers(algorithm: str, words: list[int]) -> None:
    """u = 0 gives the first carrier and slot, u -> 1 the last ones, and no waiting time; the kernels agree."""
    model = lattice_gas("sc", 3, 5)
    layouts = ("table", "bitset") if algorithm == "null_event" else ("auto",)
    twin = replica(model, algorithm, backend=make_reference)
    twin._backend.random = Xoshiro(words)
    first = twin.record_events(4)
    if algorithm == "null_event":
        assert first.carrier[0] in ((0, 1) if words is ZERO else (3, 4))
    else:
        assert (first.time[0] == 0.0) == (words is ONES)
    for layout in layouts:
        kernel = replica(model, algorithm, layout=layout)
        kernel._backend["rng"][:] = np.array(words, np.uint64)
        events = kernel.record_events(4)
        np.testing.assert_array_equal(events.time, first.time)
        np.testing.assert_array_equal(events.carrier, first.carrier)
        assert_equal(kernel, twin)


def test_twin_catches_a_changed_trajectory() -> None:
    """Negative control: another rate is seen."""
    model = lattice_gas("sc", 3, 5)
    a = replica(model, "null_event")
    b = replica(lattice_gas("sc", 3, 5, rate=1.05), "null_event", backend=make_reference)
    a.advance(40)
    b.advance(40)
    with pytest.raises(AssertionError):
        assert_equal(a, b)


def test_a_random_number_each_for_carrier_and_slot() -> None:
    """Rates too far apart for the left-over of one random number: another one is drawn."""
    model = make_model(
        np.eye(3),
        [[0, 0, 0]],
        [(0, 0, (1, 0, 0), 1.0), (0, 0, (0, 1, 0), 1e-13)],
        counts=(3,),
        supercell=(3, 2, 1),
    )
    twin = replica(model, "null_event", backend=make_reference)
    assert twin._tables.two_draws
    twin.advance(40)
    for layout in ("table", "bitset"):
        kernel = replica(model, "null_event", layout=layout)
        kernel.advance(40)
        assert_equal(kernel, twin)


@pytest.mark.parametrize("layout", ["table", "bitset"])
@pytest.mark.parametrize("field", [0.0, 0.03])
def test_plain_kernel(layout: str, field: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """One species on one kind of site has a simpler kernel: the trajectory is the twin's and the general kernel's."""
    model = lattice_gas("fcc", 3, 11)
    kw = {"field": (field, 0.5 * field, 0.0), "layout": layout}
    twin = replica(model, "null_event", backend=make_reference, **kw)
    assert plain.is_plain(twin._tables)
    uniform = twin._tables.alias.tolist() == list(range(12))
    assert uniform == (field == 0)
    twin.advance(21)
    kernel = replica(model, "null_event", **kw)
    kernel.advance(21)
    assert_equal(kernel, twin)
    monkeypatch.setattr(plain, "is_plain", lambda tables: False)
    general = replica(model, "null_event", **kw)
    general.advance(21)
    assert_equal(general, twin)


def unplain() -> dict[str, Model]:
    """Networks that are not plain, each for another reason."""
    one = {"counts": (4,), "supercell": (5, 2, 2)}
    x, y = (0, 0, (1, 0, 0), 1.0), (0, 0, (0, 1, 0), 0.4)
    return {
        "own image": make_model(np.eye(3), [[0, 0, 0]], [x, y], counts=(4,), supercell=(5, 1, 2)),
        "two hops to one neighbour": make_model(np.eye(3), [[0, 0, 0]], [x, x], **one),
        "two kinds of site": make_model(np.eye(3), [[0, 0, 0], [0.5, 0, 0]], [(0, 1, (0, 0, 0), 1.0), y], **one),
        "two species": make_model(np.eye(3), [[0, 0, 0]], [[x], [y]], counts=(2, 3), supercell=(5, 2, 2),
                                  charges=(1.0, 1.0)),
    }  # fmt: skip


@pytest.mark.parametrize("name", unplain())
def test_plain_kernel_is_not_for_all(name: str) -> None:
    model = unplain()[name]
    twin, kernel = (
        replica(model, "null_event", layout="table", backend=b) for b in (make_reference, make_backend)
    )
    assert not plain.is_plain(twin._tables)
    for r in (twin, kernel):
        r.advance(40)
    assert_equal(kernel, twin)


def test_plain_kernel_forbids_hops_to_the_own_image(monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control: where a network is not plain, the simpler kernel goes another way than the twin."""
    model = unplain()["own image"]
    twin = replica(model, "null_event", backend=make_reference)
    twin.advance(40)
    monkeypatch.setattr(plain, "is_plain", lambda tables: True)
    for layout in ("table", "bitset"):
        wrong = replica(model, "null_event", layout=layout)
        wrong.advance(40)
        with pytest.raises(AssertionError):
            assert_equal(wrong, twin)
