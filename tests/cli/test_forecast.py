"""How often species hop, as `check` tells it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.test_cli import INPUTS, call

TWO = """
format: 1
title: two species that do not feel each other
structure:
  lattice: {a: 3, b: 3, c: 10}
  sites: {ion: [[0, 0, 0]], metal: [[0.5, 0.5, 0.5]]}
supercell: [4, 4, 1]
carriers:
  lithium: {charge: 1, sites: [ion], count: 4}
  polaron: {charge: -1, sites: [metal], count: COUNT}
hops:
  - {carrier: lithium, between: [ion, ion], distance: 3.0 Å, barrier: 0.6 eV, attempt_frequency: 6 THz}
  - {carrier: polaron, between: [metal, metal], distance: 3.0 Å, barrier: 0.175 eV, attempt_frequency: 6 THz}
conditions:
  temperature: [300, 400]
  field: {along: [1, 0, 0], magnitude: 0}
sampling: {relative_error: 2 %, seed: 1}
"""


@pytest.fixture
def two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(tmp_path)

    def write(count: int = 4, extra: str = "") -> Path:
        Path("two.yaml").write_text(TWO.replace("COUNT", str(count)) + extra, encoding="utf-8")
        return Path("two.yaml")

    return write


def told(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> Any:
    assert call("check", *arguments, "--json") == 0
    return json.loads(capsys.readouterr().out)


def test_rates_of_species_that_do_not_feel_each_other(two: Any, capsys: pytest.CaptureFixture[str]) -> None:
    rows = told(capsys, two())["hop_rates"]
    assert [(r["temperature_K"], r["carrier"]) for r in rows] == [
        (t, c) for t in (300, 400) for c in ("lithium", "polaron")
    ]
    lithium, polaron = rows[:2]
    # 4 ways, of which 12 of the other 15 sites are free
    assert polaron["hops_per_carrier_per_s"] == pytest.approx(4 * 12 / 15 * 6e12 * 1.1496e-3, rel=1e-3)
    assert polaron["hops_per_s"] == pytest.approx(4 * polaron["hops_per_carrier_per_s"])
    assert lithium["slower"] == pytest.approx(polaron["hops_per_s"] / lithium["hops_per_s"])
    assert lithium["slower"] == pytest.approx(1.38e7, rel=0.01)
    # 480 hops of its own for an error of 1, of 14 million of the other each
    assert lithium["hops_needed_at_least"] == pytest.approx(480 / 0.02**2 * (1 + lithium["slower"]), rel=1e-6)
    assert lithium["hops_stderr_per_s"] == 0


def test_the_same_numbers_on_a_screen(two: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("check", two()) == 0
    out = capsys.readouterr().out
    table = out[out.index("Hops per second") :]
    assert "1.4e+07" in table
    assert "> 2e+13" in table
    assert len(out.splitlines()) < 60


def test_a_species_that_cannot_move(two: Any, capsys: pytest.CaptureFixture[str]) -> None:
    lithium, polaron = told(capsys, two(16))["hop_rates"][:2]
    assert polaron["hops_per_s"] == 0
    assert polaron["slower"] is None
    assert polaron["hops_needed_at_least"] is None
    assert lithium["hops_needed_at_least"] == pytest.approx(480 / 0.02**2)


def test_what_is_frozen_does_not_hop(two: Any, capsys: pytest.CaptureFixture[str]) -> None:
    rows = told(capsys, two(4, "freeze: [polaron]\n"))["hop_rates"]
    assert {r["carrier"] for r in rows} == {"lithium"}


def test_lithium_beside_polarons_in_olivine(capsys: pytest.CaptureFixture[str]) -> None:
    """30 times slower at 300 K, 5 times at 1000 K; its rate is that of the simulation, 1.1e-4 hops per Li and ps."""
    rows = told(capsys, INPUTS / "lifepo4" / "solid_solution.yaml")["hop_rates"]
    cold, hot = (
        next(r for r in rows if r["carrier"] == "Li" and r["temperature_K"] == t) for t in (300, 1000)
    )
    assert 20 < cold["slower"] < 45
    assert 3.5 < hot["slower"] < 6.5
    assert cold["hops_per_carrier_per_s"] == pytest.approx(1.1e8, rel=0.4)
    assert 0 < cold["hops_stderr_per_s"] < 0.3 * cold["hops_per_s"]
