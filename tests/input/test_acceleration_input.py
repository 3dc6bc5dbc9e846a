"""`sampling.acceleration: absorbing`: what it means, and what is refused before a run, with the way out."""

from __future__ import annotations

from pathlib import Path

import pytest

from kmc_transport.errors import InputError
from kmc_transport.input import load_model_text
from kmc_transport.input.settings import with_settings
from kmc_transport.trajectory.recording import write_trajectory

INPUT = """
format: 1
structure:
  lattice: {a: 4.0, b: 4.0, c: 4.0}
  sites: {A: [[0, 0, 0], [0.3, 0, 0]]}
supercell: [10, 10, 10]
carriers:
  ion: {charge: 1, sites: [A], count: 6}
hops:
  - {carrier: ion, between: [A, A], distance: 1.2, barrier: 0.1, attempt_frequency: 5 THz}
  - {carrier: ion, between: [A, A], distance: 2.8, barrier: 0.4, attempt_frequency: 5 THz}
conditions: {temperature: 300}
sampling: {events: 1000, seed: 1, acceleration: absorbing}
"""

REFUSED = {
    "sampling.algorithm=null_event": ("sampling.algorithm", "remove 'algorithm', or 'acceleration'"),
    "sampling.observe=[hop_rates]": ("sampling.acceleration", "hops within a stay are not made"),
    "analysis.binding=[{between: [ion, ion], contact: 1.3}]": (
        "sampling.acceleration",
        "remove 'observe' and 'analysis'",
    ),
    "carriers.ion.count=500": ("sampling.acceleration", "up to 400 carriers"),
    "sampling.acceleration=absorb": ("sampling.acceleration", "absorbing"),
}


def test_what_it_means() -> None:
    assert load_model_text(INPUT).sampling.algorithm == "absorbing"
    assert load_model_text(with_settings(INPUT, ["sampling.acceleration=null"])).sampling.algorithm == "auto"


@pytest.mark.parametrize("setting", REFUSED)
def test_what_is_refused(setting: str) -> None:
    key, text = REFUSED[setting]
    with pytest.raises(InputError) as caught:
        load_model_text(with_settings(INPUT, [setting]))
    assert key in str(caught.value)
    assert text in str(caught.value)
    assert len(caught.value.problems) == 1


def test_events_are_refused_frames_are_not(tmp_path: Path) -> None:
    model = load_model_text(with_settings(INPUT, ["supercell=[3, 1, 1]", "carriers.ion.count=1"]))
    with pytest.raises(InputError, match="record frames alone"):
        write_trajectory(model, tmp_path / "hops.csv", frames=2)
    assert not list(tmp_path.iterdir())
    found = write_trajectory(model, tmp_path / "frames.h5md", frames=3, every=1e-7)
    assert found.hops > 1000
