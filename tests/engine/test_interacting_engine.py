"""The engine with interactions: snapshots, starts, choice of the algorithm, diagnostics, refusals."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from kmc_transport.cli.app import main
from kmc_transport.engine import Replica, compiled
from kmc_transport.engine.interacting import coupling
from kmc_transport.engine.interacting.halo import GHOST, HAS_GHOSTS, Halo, linked
from kmc_transport.errors import RateError
from kmc_transport.model.interactions import Disorder, Initial
from kmc_transport.model.model import Model
from kmc_transport.rates import build_catalog
from kmc_transport.records import ExitReason
from kmc_transport.rules import BarrierRule, register_rule
from kmc_transport.rules.base import Activation, as_arrays, parameter
from tests.input.interacting import chain as chain_input
from tests.reference.engine import make_reference
from tests.reference.interacting_models import (
    coulomb,
    nearest_pairs,
    site_disorder,
    with_interactions,
    with_rule,
)
from tests.reference.networks import KT0, T0, chain, lattice_gas

ALGORITHMS = ("null_event", "rejection_free", "sum_tree")


def gas(energy: float = -1.0, size: int = 4, n: int = 20) -> Model:
    return with_interactions(with_rule(lattice_gas("sc", size, n)), clusters=nearest_pairs(energy * KT0))


def charged(size: int = 4, n: int = 8, rule: str = "kra") -> Model:
    model = with_rule(lattice_gas("sc", size, n), rule)
    return with_interactions(model, coulomb=coulomb(model, 2 * KT0))


def replica(model: Model, algorithm: str = "auto", *, field=(0.0, 0.0, 0.0), seed: int = 1, **kw) -> Replica:
    kw.setdefault("sample_interval", 0.5)
    kw.setdefault("levels", 2)
    catalog = build_catalog(model, temperature=T0, field=field)
    return Replica(catalog, seed=np.random.SeedSequence(seed), algorithm=algorithm, **kw)


def assert_same(a: Replica, b: Replica) -> None:
    for name in ("events", "attempts", "displacement", "collective", "tracer"):
        np.testing.assert_array_equal(getattr(a.tallies, name), getattr(b.tallies, name), err_msg=name)
    np.testing.assert_array_equal(a.positions(), b.positions())
    np.testing.assert_array_equal(a.clamped_events, b.clamped_events)
    assert (a.executed, a.attempted, a.energy_drift) == (b.executed, b.attempted, b.energy_drift)


MODELS = {"codes": gas, "coulomb": charged}


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_snapshots_go_on_bit_for_bit(algorithm: str, kind: str) -> None:
    if kind == "coulomb" and algorithm == "null_event":
        model = charged(rule="metropolis")
        a = replica(model, algorithm, sample_interval=0.5 * math.exp(-1 / KT0))
    else:
        a = replica(MODELS[kind](), algorithm)
    a.advance(7)
    saved = a.snapshot()
    assert all(isinstance(v, np.ndarray | int | float | str) for v in saved.values())
    b = Replica.restore(a.catalog, saved)
    assert_same(a, b)
    for r in (a, b):
        r.advance(9)
    assert_same(a, b)
    assert a.executed > 50
    whole = replica(a.catalog.model, algorithm, sample_interval=a.sample_interval)
    for _ in range(16):  # how a run is split changes nothing, looking at it neither
        whole.advance(1)
        whole.occupation(), whole.positions(), whole.check(), whole.total_rate()
    assert_same(a, whole)


def test_initial_sites() -> None:
    """Carriers start where the model or the argument says, blocked sites stay empty."""
    model = gas(n=4)
    sites = (3, 10, 17, 40)
    given = replace(model, initial=Initial(kind="given", sites=(sites,)))
    np.testing.assert_array_equal(replica(given).occupation(), sites)
    r = replica(model, initial=Initial(kind="given", sites=((0, 1, 2, 3),)))
    np.testing.assert_array_equal(r.occupation(), [0, 1, 2, 3])
    assert r.energy() == pytest.approx(-4 * KT0)  # a ring along z
    blocked = np.zeros(64, np.bool_)
    blocked[::2] = True
    r = replica(replace(gas(n=8), disorder=Disorder(None, None, blocked)))
    r.advance(20)
    assert np.all(r.occupation() % 2 == 1)


def test_choice_of_the_algorithm() -> None:
    """Null events where most attempts succeed, listed hops where few do; a reset looks again."""
    assert replica(gas(-0.2)).algorithm == "null_event"
    assert replica(charged()).algorithm == "rejection_free"
    cold = replica(gas(-4.0, size=6, n=100))
    assert cold.algorithm == "rejection_free"
    assert cold.acceptance_estimate < 0.05


def test_reset_looks_again() -> None:
    """A run with another algorithm than the present acceptance asks for goes on with the better one."""
    block = np.ravel_multi_index(np.indices((6, 6, 3)).reshape(3, -1), (6, 6, 6))
    model = gas(-4.0, size=6, n=len(block))
    model = replace(model, initial=Initial(kind="given", sites=(tuple(block.tolist()),)))
    hot = build_catalog(model, temperature=40 * T0)
    r = Replica(hot, seed=np.random.SeedSequence(2), sample_interval=1e-17, levels=2, algorithm="auto")
    assert r.algorithm == "null_event"
    r._backend = r._backend.with_algorithm("rejection_free")
    r._begin(200 * r.n_carriers / r.total_rate(), 1)
    r.advance(3)
    positions, energy, executed = r.positions(), r.energy(), r.executed
    r.reset(sample_interval=r.sample_interval / 100)
    assert r.algorithm == "null_event"
    np.testing.assert_allclose(r.positions(), positions)
    assert (r.energy(), r.executed) == (energy, executed)
    r.advance(20)
    assert r.executed > executed
    assert abs(r.energy_drift) < 1e-12
    r.check()


def test_explicit_choice_is_kept() -> None:
    r = replica(gas(-4.0), "null_event", sample_interval=0.1)
    r.advance(400)
    r.reset()
    assert r.algorithm == "null_event"
    with pytest.raises(ValueError, match="algorithm"):
        replica(gas(), "fastest")
    with pytest.raises(ValueError, match="layout"):
        replica(gas(), layout="rows")


def test_sum_tree_without_interactions() -> None:
    """The tree serves models without interactions too: 6 N_c (N - N_c)/(N - 1) hops per unit time."""
    r = replica(lattice_gas("sc", 4, 13), "sum_tree", sample_interval=0.1, levels=0)
    r.advance(120)
    t = r.tallies
    rate = t.events.sum(axis=1) / t.row_time
    expected = 6 * 13 * (64 - 13) / 63
    assert abs(rate.mean() - expected) < 4 * rate.std() / np.sqrt(len(rate))
    assert r.open_rates().sum() > 0


def test_blocked_lattice() -> None:
    """All neighbours blocked: the run says so."""
    blocked = np.ones(64, np.bool_)
    blocked[[0, 22]] = False
    for algorithm in ALGORITHMS:
        model = replace(gas(n=2), disorder=Disorder(None, None, blocked))
        assert replica(model, algorithm).advance(1) is ExitReason.BLOCKED_LATTICE


def test_clamped_hops_are_counted() -> None:
    """Pairs of 3 eV: leaving a neighbour is clamped at dH, and so is joining one, hop by hop."""
    model = with_interactions(
        with_rule(lattice_gas("square", 4, 2), E_kra=0.02), clusters=nearest_pairs(0.06, axes=2)
    )
    model = replace(model, supercell=(4, 4, 1))
    seen = {}
    for algorithm in ALGORITHMS:
        r = replica(model, algorithm, sample_interval=0.5 * math.exp(-0.98 / KT0))
        r.advance(200)
        seen[algorithm] = r.clamped_events.sum() / r.executed
        assert 0 < r.clamped_events.sum() < r.executed
        twin = replica(model, algorithm, sample_interval=0.5 * math.exp(-0.98 / KT0), backend=make_reference)
        twin.advance(3)
        short = replica(model, algorithm, sample_interval=0.5 * math.exp(-0.98 / KT0))
        short.advance(3)
        np.testing.assert_array_equal(short.clamped_events, twin.clamped_events)
    assert np.ptp(list(seen.values())) < 0.15


def test_fixed_barriers_are_refused() -> None:
    """A barrier given both ways cannot follow energies that change."""
    model = with_interactions(lattice_gas("sc", 3, 4), clusters=nearest_pairs(-KT0))
    with pytest.raises(RateError, match="fixed"):
        replica(model)
    # disorder of the barrier alone is no such thing
    plain = lattice_gas("sc", 3, 4)
    barriers = site_disorder(plain, np.random.default_rng(1), 0.0, 0.02).barrier
    r = replica(replace(plain, disorder=Disorder(None, barriers, None)), "rejection_free")
    r.advance(10)
    assert r.executed > 0


@register_rule
class Bumpy(BarrierRule):
    """Not monotonic between the points at which bounds are found."""

    name = "bumpy"
    formula = "E = max(dH, 0) + 0.1 eV, without it close to dH = 0"
    references = ("for tests",)
    takes_saddle_dipole = False

    def activation_energy(self, energy_difference, work=0.0, saddle_work=0.0) -> Activation:  # type: ignore[no-untyped-def]
        (dE,) = as_arrays(energy_difference)
        bump = np.where(np.abs(dE) < 1e-5, 0.0, 0.2)
        return Activation(np.maximum(dE, 0.0) + bump, np.zeros(dE.shape, np.bool_))

    @staticmethod
    def scalar(energy_difference, work, saddle_work, p):  # type: ignore[no-untyped-def]
        bump = 0.0 if abs(energy_difference) < 1e-5 else 0.2
        return max(energy_difference, 0.0) + bump, False


def test_a_bound_that_is_exceeded_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A rule of the user's that is not monotonic, by energies: the run ends with an error, not with a wrong result."""
    from kmc_transport.engine.interacting import coupling

    monkeypatch.setattr(coupling, "MOST_CODES", 0)
    model = with_rule(lattice_gas("sc", 4, 20), "bumpy")
    model = with_interactions(model, clusters=nearest_pairs(-0.033))
    # few energies: one of them is 0, which the grid of energies misses
    monkeypatch.setattr(coupling, "GRID", 4)
    r = replica(model, "null_event", sample_interval=math.exp(-0.9 / KT0))
    with pytest.raises(RuntimeError, match="exceeded"):
        r.advance(200)


def test_wrong_bookkeeping_is_found() -> None:
    """Negative control of `Replica.check`: a value that is off by 2e-9 eV."""
    r = replica(charged(), "rejection_free")
    r.advance(5)
    r.check()
    assert r.largest_deviation < 1e-9
    r._backend["kept"][:] += 2**16
    with pytest.raises(RuntimeError, match="counted anew"):
        r.check()


@register_rule
class Peaked(BarrierRule):
    """Rate with a maximum at no energy difference, of a width that the parameter says."""

    name = "peaked"
    formula = "E = E0 + 0.2 eV (|dE| > width)"
    references = ("test",)
    takes_saddle_dipole = False
    width = parameter("energy", meaning="of the maximum", source="test")

    def activation_energy(self, energy_difference, work=0.0, saddle_work=0.0):  # type: ignore[no-untyped-def]
        energy, _ = as_arrays(energy_difference, work)
        high = np.maximum(energy, 0) + 0.3 + np.where(np.abs(energy) < self.width, 0.0, 0.2)
        return Activation(high, np.zeros(energy.shape, np.bool_))

    @staticmethod
    def scalar(energy, work, saddle_work, p):  # type: ignore[no-untyped-def]
        return max(energy, 0.0) + 0.3 + (0.0 if abs(energy) < p[0] else 0.2), False


@pytest.mark.parametrize("width", [1e-5, 0.02])
def test_counters_trust_no_bound(width: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Displacements are counted in 32 bits, however many carriers: whether the grid of energies sees a maximum of the
    rate or not."""
    monkeypatch.setattr(compiled, "FEW_CARRIERS", 0)
    model = with_rule(chain([1.0], counts=(5,), supercell=(40, 1, 1)), "peaked", width=width)
    energy = np.zeros((1, 40))
    energy[0, 12], energy[0, 13] = -0.05, 0.083
    model = replace(model, disorder=Disorder(energy, None, None))
    r = replica(model, "rejection_free", sample_interval=1e-12)
    assert r._backend["pending"].dtype == np.int32
    r.reset(sample_interval=100 / r.total_rate())
    r.advance(5)
    assert r.executed > 300


@pytest.mark.parametrize("algorithm", ["rejection_free", "sum_tree"])
def test_maximum_of_the_rate_within_the_margin(algorithm: str) -> None:
    """Marcus' rule with a reorganisation energy of kT: the bounds of Coulomb energies hold."""
    model = with_rule(
        lattice_gas("sc", 4, 12), "marcus_adiabatic_approximate", **{"lambda": KT0, "V_AB": 1e-6}
    )
    r = replica(with_interactions(model, coulomb=coulomb(model, 4 * KT0)), algorithm, sample_interval=1e-18)
    r.reset(sample_interval=100 / r.total_rate())
    r.advance(1000)
    assert r.executed > 50_000


@pytest.mark.parametrize(
    ("size", "reach"), [((3, 2, 1), (1, 2, 0)), ((1, 1, 2), (2, 1, 3)), ((5, 4, 3), (1, 1, 1))]
)
def test_halo(size: tuple[int, int, int], reach: tuple[int, int, int]) -> None:
    """Every place of the border links to the site that it copies, every site knows its copies."""
    h = Halo(size, reach, 2)
    flags, page, pages, listed = h.copies()
    link = linked(page, pages, np.arange(h.n_places))
    where = {}
    for place in range(h.n_places):
        cell = tuple(int(x[0]) for x in h.cell_index(np.array([place])))
        where[place] = (cell, place % 2)
    real = {where[int(p)]: int(p) for p in h.all_real()}
    assert len(real) == np.prod(size) * 2
    for place in range(h.n_places):
        own = real[where[place]]
        if place == own:
            copies = {p for p in range(h.n_places) if where[p] == where[place] and p != place}
            assert bool(flags[place] & HAS_GHOSTS) == bool(copies)
            if copies:
                start = int(link[place])
                assert set(listed[start + 1 : start + 1 + int(listed[start])].tolist()) == copies
        else:
            assert flags[place] == GHOST
            assert link[place] == own


def test_coulomb_energies_beyond_memory_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    size = 8 * 64 * 8  # 4³ cells, one type, six slots rounded up to eight
    monkeypatch.setattr(coupling, "MOST_GRADIENT", size)
    assert len(replica(charged(), "rejection_free")._backend.coupling.gradient) == size // 8
    monkeypatch.setattr(coupling, "MOST_GRADIENT", size - 1)
    with pytest.raises(RateError, match="take a smaller supercell"):
        replica(charged(), "rejection_free")


def test_starts_that_were_not_in_equilibrium_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One sweep is too few for the statistical test: the table and the trajectory say so; with enough, they do not."""
    for sweeps, restless in ((1, True), (20_000, False)):
        text = chain_input(
            40,
            4,
            -0.02,
            initial={"annealed": {"start_temperature": 320, "sweeps": sweeps}},
            sampling={"events": 20_000, "seed": 3},
        )
        path = tmp_path / f"{sweeps}.json"
        path.write_text(json.dumps(text))
        with pytest.raises(SystemExit):
            main(["run", str(path), "-o", str(tmp_path / f"{sweeps}.h5"), "--no-plot"])
        assert ("had not come to equilibrium (4 of the replicas" in capsys.readouterr().out) == restless
        with pytest.raises(SystemExit):
            main(["trajectory", str(path), "-o", str(tmp_path / f"{sweeps}.nc"), "--frames", "2"])
        told = capsys.readouterr()
        assert "2 frames" in told.out
        assert ("the annealed start is not equilibrated" in told.err) == restless
