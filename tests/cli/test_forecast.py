"""How often species hop, as `check` tells it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from kmc_transport.cli.advice import span
from kmc_transport.runs import pilots
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
    # a mobility drowns in the current of the other species: 240 hops of its own for an error of 1, and one to be seen
    assert lithium["hops_needed_at_least"] == pytest.approx(241 / 0.02**2 * (1 + lithium["slower"]), rel=1e-4)
    assert polaron["hops_needed_at_least"] == pytest.approx(481 / 0.02**2, rel=1e-4)
    assert lithium["hops_stderr_per_s"] == 0


def test_the_same_numbers_on_a_screen(two: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("check", two()) == 0
    out = capsys.readouterr().out
    table = out[out.index("Hops per second") :]
    assert "1.4e+07" in table
    assert "> 8e+12" in table
    assert len(out.splitlines()) < 60


def test_a_species_that_cannot_move(two: Any, capsys: pytest.CaptureFixture[str]) -> None:
    lithium, polaron = told(capsys, two(16))["hop_rates"][:2]
    assert polaron["hops_per_s"] == 0
    assert polaron["slower"] is None
    assert polaron["hops_needed_at_least"] is None
    assert lithium["hops_needed_at_least"] == pytest.approx(481 / 0.02**2)


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


def test_years_are_told(
    two: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lithium over 0.8 eV beside polarons at 300 K: nothing is wrong with the input."""
    monkeypatch.setattr(pilots, "LONGEST", 0.2)
    path = two()
    path.write_text(
        path.read_text(encoding="utf-8").replace("barrier: 0.6", "barrier: 0.8"), encoding="utf-8"
    )
    assert call("check", path, "--time", "--workers", "2") == 0
    out = capsys.readouterr().out
    assert re.search(r"Time: 2 points take at least [\d.e+]+ years on 2 processors", out)
    assert "by their limits" in out
    assert "the run waits for lithium" in out
    assert "lithium is all that is asked for, sampling.acceleration: reversible_scaling" in " ".join(
        out.split()
    )
    assert "sampling.target: charge_diffusivity is as accurate after some" in out
    assert "Nothing was kept" in out
    assert len(out.splitlines()) < 70


def test_json_has_the_numbers_of_the_screen(
    two: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pilots, "LONGEST", 0.2)
    data = told(capsys, two(), "--time", "--workers", "2", "--set", "sampling.target=charge_diffusivity")[
        "time"
    ]
    assert data["points"] == 2
    assert data["workers"] == 2
    assert len(data["pilots"]) == 2
    row = data["pilots"][0]
    assert row["decided_by"] == "charge diffusivity"
    assert row["hops_needed_low"] < row["hops_needed"] < row["hops_needed_high"]
    assert row["processor_time_low_s"] < row["processor_time_high_s"]
    assert data["wall_time_s"][1] < 60
    assert data["remedies"] == []


def test_plain_check_tries_nothing_out(two: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert "time" not in told(capsys, two())


@pytest.mark.parametrize(
    ("low", "high", "at_least", "text"),
    [
        (1.2, 3.4, False, "some 1.2 to 3.4 s"),
        (120, 300, False, "some 2 to 5 min"),
        (7200, 7200, False, "about 2 h"),
        (4e5, 1e12, True, "at least 4.6 d"),
        (9e7, 2e8, False, "some 2.9 to 6.3 years"),
        (1e15, 1e16, False, "more than a million years"),
    ],
)
def test_times_in_words(low: float, high: float, at_least: bool, text: str) -> None:
    assert span(low, high, at_least) == text


def test_absorbing_chains_are_quicker_than_a_trial(
    two: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pilots, "LONGEST", 0.1)
    settings = "--set", "sampling.acceleration=absorbing", "--set", "conditions.temperature=300"
    assert call("check", two(), "--time", "--workers", "2", *settings) == 0
    assert "Likely less: a trial" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("old", "new", "waits"),
    [
        ("seed: 1", "seed: 1, acceleration: reversible_scaling", False),
        ("seed: 1", "seed: 1, observe: [hop_rates]", True),
        ("relative_error", "table_error", True),
        ("barrier: 0.6 eV", "barrier: 0.3 eV", True),  # a hundred times more rarely
    ],
)
def test_slowing_is_no_remedy_where_it_is_refused_or_asked_for(
    old: str,
    new: str,
    waits: bool,
    two: Any,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pilots, "LONGEST", 0.05)
    path = two()
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(
        text.replace(old, new).replace("[300, 400]", "300").replace("2 %", "0.03 %"), encoding="utf-8"
    )
    assert call("check", path, "--time", "--workers", "2") == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "all that is asked for, sampling.acceleration" not in out
    assert ("the run waits for lithium" in out) == waits
    assert ("those of a run hop by hop" in out) != waits
    assert waits or "target: charge_diffusivity is" not in out  # which scaling refuses
