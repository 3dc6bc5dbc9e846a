"""Runs whose carriers begin at random sites and first have to find where they like to be."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kmc_transport.analysis.batches import has_fallen
from kmc_transport.input import load_model_text
from kmc_transport.model.interactions import Initial
from kmc_transport.records import ExitReason
from kmc_transport.runs import point
from kmc_transport.runs.point import PointSimulation
from kmc_transport.runs.record import make_record

INPUT = """
format: 1
structure:
  lattice: {a: 3, b: 10, c: 10}
  periodic: [true, false, false]
  cross_section: 100
  sites: {A: [[0, 0, 0]]}
supercell: [20, 1, 1]
carriers: {ion: {charge: 1, sites: [A], count: 8}}
hops:
  - {carrier: ion, between: [A, A], distance: 3, attempt_frequency: 10 THz, barrier: {rule: kra, E_kra: 0.3 eV}}
interactions:
  pairs: [{between: [ion, ion], distance: 3, energy: -30 meV}]
conditions: {temperature: 600}
sampling: {target: charge_diffusivity, relative_error: 10 %, seed: 2}
"""


def test_has_fallen() -> None:
    rng = np.random.default_rng(0)
    alike = [has_fallen(*rng.normal(size=(2, 4))) for _ in range(4000)]
    assert 60 <= sum(alike) <= 140  # one in forty
    assert has_fallen(rng.normal(size=4), rng.normal(size=4) - 9)
    assert not has_fallen(rng.normal(size=4) - 9, rng.normal(size=4))
    assert not has_fallen([0.0], [-9.0])
    assert not has_fallen(np.zeros(4), np.zeros(4))


def simulated(monkeypatch: pytest.MonkeyPatch, fallen: list[bool]) -> tuple[PointSimulation, ExitReason]:
    """A point whose energies are said to have fallen, look by look; the last word is repeated."""
    asked = iter(fallen)
    monkeypatch.setattr(point, "has_fallen", lambda before, after: next(asked, fallen[-1]))
    simulation = PointSimulation(load_model_text(INPUT), 600.0, np.zeros(3), root=2)
    return simulation, simulation.run()


def test_energies_that_fall_are_no_production(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows on the way to equilibrium are dropped; where they never end, the result says so."""
    calm, reason = simulated(monkeypatch, [False])
    assert reason is ExitReason.ACCURACY_REACHED
    again, _ = simulated(monkeypatch, [True, True, False])
    assert again.pilots == calm.pilots + 2
    assert again.events > calm.events
    record = make_record(again.model, again, ExitReason.ACCURACY_REACHED, 2)
    assert record.values["restless_starts"] == 0
    never, reason = simulated(monkeypatch, [True])
    assert reason is ExitReason.ACCURACY_REACHED
    assert never.pilots == point.MAX_PILOTS
    assert make_record(never.model, never, reason, 2).values["restless_starts"] == len(never.replicas)


def test_energies_survive_a_stop() -> None:
    whole = PointSimulation(load_model_text(INPUT), 600.0, np.zeros(3), root=2)
    whole.run()
    part = PointSimulation(load_model_text(INPUT), 600.0, np.zeros(3), root=2)
    part.build()
    assert part.run(should_stop=lambda: part.stage == "production") is ExitReason.INTERRUPTED
    assert part.energy.any()
    back = PointSimulation.restore(part.model, 600.0, np.zeros(3), part.snapshot(), root=2)
    np.testing.assert_array_equal(back.energy, part.energy)
    back.run()
    assert back.events == whole.events
    np.testing.assert_array_equal(back.energy, whole.energy)


def test_check_says_how_carriers_start() -> None:
    assert any("start annealed" in note for note in load_model_text(INPUT).notes)
    assert load_model_text(INPUT).initial == Initial("annealed", sweeps=100_000, moves="pairs")
    random = load_model_text(INPUT.replace("conditions:", "initial: random\nconditions:"))
    assert any("may not reach equilibrium" in note for note in random.notes)
    calm = load_model_text(INPUT.replace("conditions:", "initial: annealed\nconditions:"))
    assert not any("start" in note for note in calm.notes)
    assert calm.initial == Initial("annealed")
    alone = load_model_text(
        INPUT.replace("interactions:\n  pairs: [{between: [ion, ion], distance: 3, energy: -30 meV}]\n", "")
    )
    assert alone.initial == Initial()
    axis = INPUT.replace("count: 8", "fraction: x").replace(
        "{temperature: 600}", "{temperature: 600, composition: {x: [0.2, 0.4]}}"
    )
    assert {s.initial.kind for s in load_model_text(axis).systems} == {"annealed"}


def test_short_runs_of_bound_carriers_are_right() -> None:
    """Runs that ask for 20 % and do not say where vacancies start, against a longer one that is annealed by name."""
    text = (Path(__file__).parents[2] / "inputs/published/yttrium_doped_ceria.yaml").read_text(
        encoding="utf-8"
    )
    text = text.replace("[6, 6, 6]", "[3, 3, 3]").replace("[773, 1000, 1273]", "773")
    text = text.replace("[0.02, 0.05, 0.08, 0.12, 0.16, 0.20, 0.25]", "0.08")

    def diffusivity(text: str, error: str, seed: int) -> tuple[float, float]:
        model = load_model_text(
            text.replace("error: 5 %", f"error: {error}").replace("seed: 1", f"seed: {seed}")
        )
        simulation = PointSimulation(model.systems[0], 773.0, np.zeros(3), root=seed)
        assert simulation.run() is ExitReason.ACCURACY_REACHED
        assert all(replica.starts_at_rest and replica.annealing for replica in simulation.replicas)
        assert simulation.evaluation is not None
        found = simulation.evaluation.estimates["charge_diffusivity"]
        return float(np.trace(found.value)), float(np.linalg.norm(np.diag(np.asarray(found.stderr))))

    wanted, error = diffusivity(text, "4 %", 99)
    silent = text.replace("initial: annealed\n", "")
    assert silent != text
    runs = np.array([diffusivity(silent, "20 %", seed) for seed in range(1, 9)])
    z = (runs[:, 0] - wanted) / np.hypot(runs[:, 1], error)
    assert np.abs(z).max() < 4
    assert abs(z.mean()) < 4 / np.sqrt(len(z))
