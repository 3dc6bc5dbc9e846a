"""Barrier rules of another package are judged by what their classes say, never by their names."""

from __future__ import annotations

from pathlib import Path

import pytest

from kmc_transport.rates import ConfigurationRates, build_catalog, check_configurations
from kmc_transport.rules import registry
from tests.input.interacting import LAYER, built, chain, kra, random_occupation, refused

RULES = '''
import numpy as np
from kmc_transport.rules import Activation, BarrierRule, parameter
from kmc_transport.rules.field import effective_barrier


class Tilted(BarrierRule):
    """The barrier follows half of the energy difference."""

    name = "their_tilted"
    formula = "E = E0 + dE/2 - W_S"
    references = ("nobody",)
    intrinsic_barrier = "height"
    height = parameter("energy", key="E0", at_least=0, at_most=10, default=0.3, meaning="E0", source="a test")

    def activation_energy(self, energy_difference, work=0.0, saddle_work=0.0):
        dE = np.asarray(energy_difference, dtype=float)
        back = self.height - 0.5 * dE
        return Activation(*effective_barrier(self.height + 0.5 * dE, back, np.asarray(saddle_work), np.asarray(work)))

    @staticmethod
    def scalar(energy_difference, work, saddle_work, p):
        ahead = p[0] + 0.5 * energy_difference
        back = p[0] - 0.5 * energy_difference
        linear = ahead - saddle_work
        floor = max(ahead - back - work, 0.0)
        return max(linear, floor), linear < floor


class Relaxing(BarrierRule):
    """Leads to equilibrium; its saddle follows from dH."""

    name = "their_relaxing"
    formula = "E = max(dH, 0)"
    references = ("nobody",)
    takes_saddle_dipole = False
    physical = False

    def activation_energy(self, energy_difference, work=0.0, saddle_work=0.0):
        dH = self.difference_in_field(energy_difference, work, saddle_work)
        return Activation(np.maximum(dH, 0.0), np.zeros(dH.shape, bool))

    @staticmethod
    def scalar(energy_difference, work, saddle_work, p):
        return max(energy_difference - work, 0.0), False
'''


@pytest.fixture
def theirs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package that offers both rules, as pip would install it; nothing of it stays behind."""
    (tmp_path / "their_barriers.py").write_text(RULES, encoding="utf-8")
    info = tmp_path / "their_barriers-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: their-barriers\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[kmc_transport.rules]\n"
        "their_tilted = their_barriers:Tilted\n"
        "their_relaxing = their_barriers:Relaxing\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(registry, "_REGISTERED", dict(registry._REGISTERED))
    monkeypatch.delitem(__import__("sys").modules, "their_barriers", raising=False)


def surrounded(barrier: dict[str, object], unlisted: str = "nearest") -> dict[str, object]:
    ion = {"carrier": "ion", "between": ["Na", "Na"], "distance": 2.9, "barrier": barrier}
    ion |= {"attempt_frequency": 5e12}
    ion["surroundings"] = {
        "count": [{"carrier": "ion", "distance": 2.6}],
        "table": [{"counts": [0], "E_kra": 0.30}, {"counts": [1], "E_kra": 0.22}],
        "unlisted": unlisted,
    }
    return {
        "structure": LAYER,
        "supercell": [3, 3, 1],
        "carriers": {"ion": {"charge": 1, "sites": ["Na"], "count": 3}},
        "hops": [ion],
        "conditions": {"temperature": 300},
    }


@pytest.mark.usefixtures("theirs")
@pytest.mark.parametrize("given", [{"E0": "350 meV"}, {}])
def test_surroundings_replace_the_barrier_that_the_class_names(given: dict[str, str]) -> None:
    ours = built(surrounded(kra(0.35 if given else 0.3), "default"))
    model = built(surrounded({"rule": "their_tilted", **given}, "default"))
    rates = [ConfigurationRates(build_catalog(m, temperature=300, field=[1e-3, 0, 0])) for m in (ours, model)]
    seen = set()
    for seed in range(20):
        occupation = random_occupation(model, seed)
        for hop in range(model.network.n_hops):
            a, b = (r.log_rate(occupation, hop, [0, 0, 0]) for r in rates)
            assert a == b
            seen.add(round(a, 6))
    assert len(seen) > 2
    check_configurations(build_catalog(model, temperature=300))


@pytest.mark.usefixtures("theirs")
def test_surroundings_of_a_rule_without_such_a_barrier_are_refused() -> None:
    (problem,) = refused(surrounded({"rule": "their_relaxing"}))
    assert "'their_relaxing'" in problem.message


@pytest.mark.usefixtures("theirs")
def test_a_saddle_that_follows_from_the_ends_is_not_shifted() -> None:
    disorder = {"barriers": [{"width": 0.02}]}
    (problem,) = refused(chain(6, 2, 0.05, rule={"rule": "their_relaxing"}, disorder=disorder))
    assert "'their_relaxing'" in problem.message
    built(chain(6, 2, 0.05, rule={"rule": "their_tilted"}, disorder=disorder))


@pytest.mark.usefixtures("theirs")
def test_dynamics_that_only_lead_to_equilibrium_are_noted() -> None:
    said = [n for n in built(chain(6, 2, 0.05, rule={"rule": "their_relaxing"})).notes if "not physical" in n]
    assert len(said) == 1
    assert "'their_relaxing'" in said[0]
    assert not any("not physical" in n for n in built(chain(6, 2, rule={"rule": "their_tilted"})).notes)
