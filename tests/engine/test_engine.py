"""The replica: chunks, snapshots, layouts, tallies, blocked lattices, limits."""

import ctypes
import pickle
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import numba
import numpy as np
import pytest

from kmc_transport import jit as accelerate
from kmc_transport.engine import Replica, compiled, expected_hop_rate
from kmc_transport.engine.tables import NULL, alias_table, build_tables
from kmc_transport.model.model import Model, frozen_array
from kmc_transport.rates import RateCatalog, build_catalog
from kmc_transport.records import ExitReason
from tests.reference.networks import T0, chain, lattice_gas, make_model

CASES = [("null_event", "table"), ("null_event", "bitset"), ("rejection_free", "auto")]


def catalog_of(model: Model, field=(0.0, 0.0, 0.0)) -> RateCatalog:
    return build_catalog(model, temperature=T0, field=field)


def replica(model: Model, algorithm: str = "auto", layout: str = "auto", *, field=(0, 0, 0), **kw) -> Replica:
    kw.setdefault("sample_interval", 0.5)
    kw.setdefault("levels", 2)
    kw.setdefault("seed", np.random.SeedSequence(11))
    return Replica(catalog_of(model, field), algorithm=algorithm, layout=layout, **kw)


def mixture() -> Model:
    """Two species on overlapping sublattices of a three-site cell."""
    return make_model(
        [[3, 0, 0], [0.5, 2, 0], [0, 0, 4]],
        [[0, 0, 0], [0.4, 0.5, 0], [0.7, 0.1, 0.5]],
        [
            [(0, 1, (0, 0, 0), 2.0), (1, 0, (1, 0, 0), 0.3), (0, 0, (0, 1, 0), 0.7), (0, 1, (0, 0, 0), 0.4)],
            [(1, 2, (0, 0, 0), 5.0), (2, 1, (0, 0, 1), 1.0), (2, 2, (1, 0, 0), 0.2)],
        ],
        counts=(4, 3),
        charges=(1.0, -2.0),
        supercell=(3, 2, 2),
        site_energy=[[0, 0.03, 0], [0, 0, 0.02]],
        allowed=[[True, True, False], [False, True, True]],
    )


def tallies_equal(a: Replica, b: Replica) -> bool:
    names = ("events", "attempts", "displacement", "collective", "tracer")
    return all(
        np.array_equal(getattr(a.tallies, n), getattr(b.tallies, n)) for n in names
    ) and np.array_equal(a.positions(), b.positions())


@pytest.mark.parametrize(("algorithm", "layout"), CASES)
def test_chunks_and_snapshot(algorithm: str, layout: str) -> None:
    """How a run is cut into chunks, or stopped and resumed anywhere, changes no bit."""
    kw = {"field": (0.02, 0, 0.01), "windows_per_row": 3}
    whole = replica(mixture(), algorithm, layout, **kw)
    parts = replica(mixture(), algorithm, layout, **kw)
    whole.advance(61)
    parts.advance(3)
    parts.advance(26)
    snapshot = parts.snapshot()
    assert all(isinstance(v, (np.ndarray, int, float, str)) for v in snapshot.values())
    resumed = Replica.restore(parts.catalog, snapshot)
    for r in (parts, resumed):
        r.advance(0)
        r.advance(32)
        assert tallies_equal(whole, r)
        assert (whole.executed, whole.attempted, whole.time) == (r.executed, r.attempted, r.time)
    np.testing.assert_array_equal(parts.record_events(5).time, resumed.record_events(5).time)
    with pytest.raises(ValueError, match="version"):
        Replica.restore(parts.catalog, {**snapshot, "version": 99})


def test_layouts_are_equal_on_a_larger_lattice() -> None:
    kw = {"sample_interval": 0.3, "levels": 4, "field": (0.02, 0, 0)}
    table, bits = (replica(lattice_gas("diamond", 7, 90), "null_event", x, **kw) for x in ("table", "bitset"))
    table.advance(64)
    bits.advance(64)
    assert table.executed > 1000
    assert tallies_equal(table, bits)


@pytest.mark.parametrize(("algorithm", "layout"), CASES)
def test_tallies_by_hand(algorithm: str, layout: str) -> None:
    """Rows against positions read sample by sample, and against one another."""
    levels, per_row = 2, 2
    r = replica(mixture(), algorithm, layout, field=(0.05, 0.02, 0), levels=levels, windows_per_row=per_row)
    n = 2**levels * per_row * 3
    track = [r.positions()]
    for _ in range(n):
        r.advance(1)
        track.append(r.positions())
    x = np.array(track)
    t = r.tallies
    assert t.n_rows == 3
    assert r.executed == t.events.sum() == t.events.sum(axis=1).sum()
    species = r.species
    for row in range(3):
        rows = x[row * n // 3 : (row + 1) * n // 3 + 1]
        for level in range(levels + 1):
            d = np.diff(rows[:: 2**level], axis=0)
            total = np.stack([d[:, species == s].sum(axis=1) for s in range(2)], axis=1)
            np.testing.assert_allclose(
                t.collective[row, level], np.einsum("bsi,btj->sitj", total, total), atol=1e-9
            )
            for s in range(2):
                own = d[:, species == s]
                np.testing.assert_allclose(
                    t.tracer[row, level, s], np.einsum("bci,bcj->ij", own, own), atol=1e-9
                )
        by_hops = np.zeros((2, 3))
        np.add.at(
            by_hops, r.catalog.model.network.carrier, t.events[row][:, None] * r.catalog.model.network.vector
        )
        np.testing.assert_allclose(t.displacement[row], by_hops, atol=1e-9)
        np.testing.assert_allclose(t.displacement[row], total_displacement(rows, species), atol=1e-9)
    assert r.time == n * 0.5


def total_displacement(rows: np.ndarray, species: np.ndarray) -> np.ndarray:
    d = rows[-1] - rows[0]
    return np.array([d[species == s].sum(axis=0) for s in range(2)])


@pytest.mark.parametrize("n_rows", [2, 3])
def test_coarsen(n_rows: int) -> None:
    """Merging rows on the way gives the rows of a run that was coarse from the start."""
    fine, coarse = (replica(mixture(), "null_event", windows_per_row=w) for w in (1, 2))
    fine.advance(4 * n_rows + 3)
    fine.coarsen()
    fine.advance(16)
    coarse.advance(4 * n_rows + 19)
    a, b = fine.tallies, coarse.tallies
    assert (a.windows_per_row, a.n_rows) == (2, b.n_rows)
    np.testing.assert_array_equal(a.events, b.events)
    np.testing.assert_array_equal(a.attempts, b.attempts)
    np.testing.assert_allclose(a.collective, b.collective, rtol=1e-12)
    np.testing.assert_allclose(a.tracer, b.tracer, rtol=1e-12)
    assert fine.executed == coarse.executed


@pytest.mark.parametrize(("algorithm", "layout"), CASES)
def test_reset_keeps_the_state(algorithm: str, layout: str) -> None:
    r = replica(mixture(), algorithm, layout)
    r.advance(7)
    before, executed = r.positions(), r.executed
    r.reset(sample_interval=0.25, windows_per_row=2)
    np.testing.assert_array_equal(before, r.positions())
    assert (r.n_rows, r.time, r.executed) == (0, 0.0, executed)
    r.advance(8)
    assert r.time == 2.0
    np.testing.assert_allclose(
        r.tallies.displacement[0], total_displacement(np.array([before, r.positions()]), r.species), atol=1e-9
    )


@pytest.mark.parametrize(("algorithm", "layout"), CASES)
def test_exclusion_and_wrapping(algorithm: str, layout: str) -> None:
    r = replica(lattice_gas("fcc", 3, 20), algorithm, layout, field=(0.05, 0.03, 0))
    r.advance(200)
    sites = r.occupation()
    assert len(set(sites.tolist())) == 20
    assert set(sites.tolist()) <= set(range(27))
    # unwrapped position modulo the supercell is the occupied site
    model = r.catalog.model
    cell = np.rint(r.positions() @ np.linalg.inv(model.structure.lattice)).astype(int)
    np.testing.assert_array_equal(np.ravel_multi_index(tuple((cell % 3).T), (3, 3, 3)), sites)
    assert np.abs(cell).max() > 3


@pytest.mark.parametrize(("algorithm", "layout"), CASES)
def test_blocked_lattice(algorithm: str, layout: str) -> None:
    """A full lattice cannot move; one with a hole can."""
    full = replica(lattice_gas("sc", 3, 27), algorithm, layout)
    assert full.advance(4) is ExitReason.BLOCKED_LATTICE
    assert (full.total_rate(), full.executed, full.time) == (0.0, 0, 0.0)
    assert len(full.record_events(3).time) == 0
    almost = replica(lattice_gas("sc", 3, 26), algorithm, layout)
    assert almost.total_rate() == pytest.approx(6.0)
    assert almost.advance(4) is ExitReason.DONE
    # a carrier on a supercell of one cell hops onto its own image
    alone = replica(lattice_gas("sc", 1, 1), algorithm, layout)
    assert alone.total_rate() == pytest.approx(6.0)
    assert alone.advance(8) is ExitReason.DONE
    assert alone.executed > 0


def test_total_rate_is_that_of_the_lists() -> None:
    r = replica(mixture(), "rejection_free", field=(0.02, 0, 0))
    for _ in range(20):
        r.advance(1)
        assert r._backend["tree"][1] == pytest.approx(r.total_rate() * r.sample_interval, rel=1e-13)


def test_streams_do_not_depend_on_threads_or_order() -> None:
    seeds = np.random.SeedSequence(4).spawn(3)
    model = lattice_gas("sc", 6, 30)

    def run(seed: np.random.SeedSequence) -> Replica:
        r = replica(model, "null_event", seed=seed)
        r.advance(50)
        return r

    serial = [run(s) for s in seeds]
    with ThreadPoolExecutor(3) as pool:
        threaded = list(pool.map(run, reversed(seeds)))[::-1]
    assert all(tallies_equal(a, b) for a, b in zip(serial, threaded, strict=True))
    assert not tallies_equal(serial[0], serial[1])


def test_rates_over_thirty_decades() -> None:
    """A carrier waits in a deep trap and returns at once after each escape; another one hardly ever hops."""
    model = make_model(
        np.eye(3),
        [[0, 0, 0], [0.5, 0, 0], [0.5, 0.5, 0]],
        [[(0, 1, (0, 0, 0), 1e16)], [(2, 2, (0, 1, 0), 1e-16)]],
        counts=(1, 1),
        supercell=(1, 2, 2),
        site_energy=[[0.9, 0.0, 0.0], [0.0, 0.0, 0.0]],
        allowed=[[True, True, False], [False, False, True]],
    )
    rates = catalog_of(model).rate
    assert rates.max() / rates.min() > 1e30
    n = 400
    r = replica(model, "auto", sample_interval=2 / rates[1], levels=0)
    assert r.algorithm == "rejection_free"
    r.advance(n)
    escapes = r.tallies.events[:, 1].sum()
    assert abs(escapes - 2 * n) < 4 * np.sqrt(2 * n)
    assert r.executed == 2 * escapes


def test_alias_table_is_exact() -> None:
    rates, bound, width = [0.1, 2.0, 1e-9, 0.4], 4.5, 6
    threshold, alias = alias_table(rates, bound, width)
    weight = [Fraction(0)] * width
    for k in range(width):
        keep = Fraction(threshold[k], 2**64) if alias[k] != k else Fraction(1)
        weight[k] += keep / width
        weight[alias[k]] += (1 - keep) / width
    assert sum(weight) == 1
    for w, r in zip(weight, [*rates, bound - sum(rates), 0.0], strict=True):
        assert abs(float(w) - r / bound) < 1e-16


def test_tables() -> None:
    tables = build_tables(catalog_of(mixture()))
    assert tables.basis_site.tolist() == [0, 1, 2]
    assert tables.n_types == 4
    assert not tables.integer_steps
    assert build_tables(catalog_of(lattice_gas("sc", 3, 1))).integer_steps
    # vectors are differences of centres, also for species with their own
    start, end = np.repeat(tables.centre, tables.width, 0), tables.centre[tables.target_type]
    step = end + tables.cell @ mixture().structure.lattice - start
    real = tables.hop != NULL
    np.testing.assert_allclose(step[real], tables.vector[real], atol=1e-12)


def with_vector(model: Model, change: np.ndarray) -> RateCatalog:
    network = replace(model.network, vector=frozen_array(model.network.vector + change, float))
    return replace(catalog_of(model), model=replace(model, network=network))


def test_hop_vectors_may_differ_from_site_distances() -> None:
    """Charge centres off the sites are found; vectors that do not close, such as a wrong sign, are refused."""
    model = mixture()
    net = model.network
    shift = np.array([[0.0, 0, 0], [0.1, 0.2, 0], [0, 0.3, -0.1]])
    moved = with_vector(model, shift[net.target] - shift[net.origin])
    r = Replica(moved, seed=np.random.SeedSequence(1), sample_interval=0.5, levels=0)
    x0 = r.positions()
    r.advance(50)
    np.testing.assert_allclose(
        r.tallies.displacement.sum(axis=0),
        total_displacement(np.array([x0, r.positions()]), r.species),
        atol=1e-9,
    )
    wrong = np.zeros_like(net.vector)
    wrong[0] = -2 * net.vector[0]
    with pytest.raises(ValueError, match="do not close"):
        build_tables(with_vector(model, wrong))


def test_automatic_choices() -> None:
    assert replica(lattice_gas("sc", 5, 12)).algorithm == "null_event"
    assert replica(lattice_gas("sc", 5, 124)).algorithm == "rejection_free"
    assert replica(lattice_gas("sc", 5, 12)).layout == "table"
    assert replica(lattice_gas("sc", 34, 12)).layout == "table"
    assert replica(lattice_gas("sc", 49, 12)).layout == "bitset"
    assert replica(lattice_gas("diamond", 31, 12)).layout == "bitset"
    gas = lattice_gas("sc", 6, 50)
    assert expected_hop_rate(catalog_of(gas)) == pytest.approx(50 * 6 * (1 - 50 / 216))
    assert replica(gas).acceptance_estimate == pytest.approx(1 - 50 / 216)


@pytest.mark.parametrize(
    ("kw", "message"),
    [
        ({"algorithm": "tree"}, "algorithm"),
        ({"layout": "hash"}, "layout"),
        ({"sample_interval": 0.0}, "positive"),
        ({"windows_per_row": 0}, "positive"),
        ({"levels": 31}, "levels"),
        ({"sample_interval": 1e9, "algorithm": "null_event"}, "too long"),
    ],
)
def test_refused_arguments(kw: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replica(lattice_gas("sc", 3, 2), **kw)


def test_folding_of_far_displacements() -> None:
    """Packed counters are emptied before they overflow, in both kernels."""
    for algorithm in ("null_event", "rejection_free"):
        r = replica(chain([1.0]), algorithm, field=(0.3, 0, 0), sample_interval=1e-6, levels=0)
        forward = float(r.catalog.rate.max())
        r.reset(sample_interval=1.2e6 / forward)
        start = r.positions()
        r.advance(1)
        t = r.tallies
        moved = float((r.positions() - start)[0, 0])
        assert abs(moved) > 1.1e6
        assert t.displacement[0, 0, 0] == moved
        assert t.tracer[0, 0, 0, 0, 0] == moved**2


@pytest.fixture
def thrifty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Narrow arrays for few carriers too."""
    monkeypatch.setattr(compiled, "FEW_CARRIERS", 0)


def is_narrow(r: Replica) -> bool:
    names = ("pending", "home", "pending_base", "last_base")
    types = {name: str(r._backend[name].dtype) for name in names}
    narrow = types["pending"] == "int16"
    short, long = ("int16", "int32") if narrow else ("int32", "int64")
    assert types == {"pending": short, "home": long, "pending_base": short, "last_base": short}
    assert r._backend["held"].shape == (3, 0 if narrow else r.n_carriers)
    return narrow


@pytest.mark.parametrize(("algorithm", "layout"), CASES)
def test_narrow_arrays(algorithm: str, layout: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """16 bits for waiting displacements change no number; a snapshot of wide arrays goes on in narrow ones."""
    kw = {"field": (0.02, 0, 0.01), "windows_per_row": 2}
    wide = replica(mixture(), algorithm, layout, **kw)
    wide.advance(7)
    snapshot = wide.snapshot()
    monkeypatch.setattr(compiled, "FEW_CARRIERS", 0)
    narrow = replica(mixture(), algorithm, layout, **kw)
    narrow.advance(7)
    resumed = Replica.restore(wide.catalog, snapshot)
    for r in (wide, narrow, resumed):
        r.advance(20)
    assert [is_narrow(r) for r in (wide, narrow, resumed)] == [False, True, True]
    assert tallies_equal(wide, narrow)
    assert tallies_equal(wide, resumed)
    assert narrow.nbytes < wide.nbytes


@pytest.mark.usefixtures("thrifty")
@pytest.mark.parametrize("algorithm", ["null_event", "rejection_free"])
def test_narrow_arrays_give_way_to_long_intervals(algorithm: str) -> None:
    """Intervals in which a carrier could leave 16 bits make the arrays wide."""
    r = replica(chain([1.0]), algorithm, field=(0.3, 0, 0), sample_interval=1e-6, levels=2)
    assert is_narrow(r)
    forward = float(r.catalog.rate.max())
    r.reset(sample_interval=7e3 / forward)  # half a window: 14 000 hops on average
    r.advance(8)
    assert is_narrow(r)
    start = r.positions()
    r.reset(sample_interval=1.8e4 / forward)  # 36 000
    assert not is_narrow(r)
    r.advance(4)
    moved = float((r.positions() - start)[0, 0])
    assert abs(moved) > 2**16
    t = r.tallies
    assert t.displacement[0, 0, 0] == moved
    assert t.tracer[0, 2, 0, 0, 0] == moved**2
    assert t.tracer[0, 1, 0, 0, 0] > 2 * 2.0**30  # both halves left 16 bits


@pytest.mark.usefixtures("thrifty")
@pytest.mark.parametrize("guarded", [True, False])
def test_unwrapped_cells_beyond_32_bits(guarded: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Arrays are made wide before a cell leaves 32 bits; negative control: unguarded, it comes out wrong."""
    if not guarded:
        monkeypatch.setattr(compiled.Compiled, "_stay_in_range", lambda *_: None)
    r = replica(chain([1.0]), "null_event", field=(-0.3, 0, 0), levels=1, sample_interval=1.0)
    forward = r.catalog.rate.argmax()
    sign = int(r.catalog.model.network.cell[forward, 0])
    r.reset(sample_interval=1000 / float(r.catalog.rate.max()))
    home = r._backend["home"]
    home[0] = sign * (2**31 - 200_000)
    r.advance(2)
    assert is_narrow(r)
    snapshot = r.snapshot()
    start = r.positions()
    for _ in range(30):
        r.advance(20)
    moved = r.positions()[:, 0] - start[:, 0]
    exact = np.sum(r.tallies.displacement[1:], axis=0)[0, 0]
    assert abs(exact) > 500_000
    assert (moved[0] == exact) == guarded
    assert is_narrow(r) != guarded
    if guarded:  # what has gone far is restored as it is, also where the arrays were wide
        assert is_narrow(Replica.restore(r.catalog, snapshot))
        again = Replica.restore(r.catalog, r.snapshot())
        assert not is_narrow(again)
        np.testing.assert_array_equal(again.positions(), r.positions())


def test_bytes_a_site() -> None:
    """At half filling and with 7 levels, 16 + 42 + 12 bytes a carrier and little else."""
    r = replica(lattice_gas("sc", 32, 2**14), "null_event", "bitset", levels=7, sample_interval=0.4)
    assert r.nbytes / 2**15 < 35.5
    assert is_narrow(r)


@pytest.mark.skipif(accelerate.PLAIN, reason="nothing is compiled")
def test_cache_of_another_version_is_not_read() -> None:
    """Kernels on disk may name classes that are gone: another version of the sources must not read on."""

    def double(x: int) -> int:
        return 2 * x

    def hits() -> int:
        compiled: Any = accelerate.jit(double)
        assert compiled(3) == 6
        return sum(compiled.stats.cache_hits.values())

    hits()
    file = accelerate.jit(double)._cache._cache_file  # type: ignore[attr-defined]
    (path,) = Path(file._cache_path).glob(f"{Path(file._index_path).stem}.*.code")
    assert hits() == 1
    gone = b"cno_such_module\nGone\n."
    path.write_bytes(pickle.dumps((numba.__version__, file._source_stamp)) + gone)
    assert hits() == 0
    path.write_bytes(pickle.dumps((file._version, file._source_stamp)) + gone)
    with pytest.raises(ModuleNotFoundError):
        hits()
    path.write_bytes(path.read_bytes()[: -len(gone)])  # damaged
    assert (hits(), hits()) == (0, 1)


@pytest.mark.skipif(accelerate.PLAIN, reason="nothing is compiled")
def test_processes_that_compile_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """For two signatures, neither knowing of the other one: each is kept, and found under its own signature."""

    def half(x: float) -> float:
        return x / 2

    first, second, third = (cast(Any, accelerate.jit(half)) for _ in range(3))
    for kernel in (first, second):
        monkeypatch.setattr(kernel._cache._cache_file, "load", lambda key: None)
    assert first(np.ones(3)).tolist() == [0.5] * 3
    assert second(3) == 1.5
    assert third(4) == 2.0
    assert third(np.ones(2)).tolist() == [0.5, 0.5]
    assert sum(third.stats.cache_hits.values()) == 2


STEEPNESS = 2.0


def steep(dE: float, work: float, saddle_work: float, p: Sequence[float]) -> tuple[float, bool]:
    return max(p[0] + STEEPNESS * (dE - work), 0.0), dE < 0.0


def flat(dE: float, work: float, saddle_work: float, p: Sequence[float]) -> tuple[float, bool]:
    return max(p[0], dE - work, 0.0), False


@pytest.mark.skipif(accelerate.PLAIN, reason="nothing is compiled")
def test_rules_are_kept_on_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each process finds the machine code of each rule, unless a number that the rule takes has changed."""
    kind = ctypes.CFUNCTYPE(*[ctypes.c_double] * 4, ctypes.POINTER(ctypes.c_double))

    def both() -> tuple[list[float], list[int]]:
        monkeypatch.setattr(accelerate, "_COMPILED_RULES", {})  # as in another process
        p = (ctypes.c_double * 16)(0.25)
        called = [kind(accelerate.rule_address(scalar))(0.5, 0.1, 0.0, p) for scalar in (steep, flat)]
        return called, [kept._cache_hits for kept in accelerate._COMPILED_RULES.values()]

    both()
    found, hits = both()
    assert found == [0.25 + 2.0 * 0.4, 0.4]
    assert hits == [1, 1]
    monkeypatch.setattr(sys.modules[__name__], "STEEPNESS", 3.0)
    found, hits = both()
    assert found == [0.25 + 3.0 * 0.4, 0.4]
    assert hits == [0, 1]

    def with_closure(dE: float, work: float, saddle_work: float, p: Sequence[float]) -> tuple[float, bool]:
        return found[0], False

    def with_call(dE: float, work: float, saddle_work: float, p: Sequence[float]) -> tuple[float, bool]:
        return flat(dE, work, saddle_work, p)

    assert accelerate._depends_on(steep) == (("STEEPNESS", 3.0),)
    assert accelerate._depends_on(flat) == ()
    assert accelerate._depends_on(with_closure) is None
    assert accelerate._depends_on(with_call) is None


def test_cache_that_cannot_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def njit(**options):
        seen.append(options.get("cache", False))
        if options.get("cache"):
            raise RuntimeError("cannot cache function: no locator available")
        return lambda function: function

    monkeypatch.setattr(numba, "njit", njit)
    assert accelerate.jit(abs) is abs
    assert seen == [True, False]


def test_lists_have_room_for_the_moment_of_a_hop() -> None:
    """While the lists are brought up to date, hops of the old and of the new site are in them."""
    model = make_model(np.eye(3), [[0, 0, 0], [0.5, 0, 0]], [(0, 0, (0, 1, 0), 0.5), (0, 1, (0, 0, 0), 2.0)])
    r = replica(model, "rejection_free")
    arrays = r._backend._arrays
    own, sentinel = arrays["members"], 123456789
    arrays["members"] = np.concatenate([own, np.full(8, sentinel, np.uint32)])
    r.advance(50)
    assert r.executed > 50
    assert np.all(arrays["members"][len(own) :] == sentinel)
