"""The main job: split-hole polaron of NaMn3O7 (Lei & Abate) with the paper's numbers."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kmc_transport.input import load_model_text
from kmc_transport.runs.pipeline import run

pytestmark = pytest.mark.statistical

INPUT = (Path(__file__).parents[2] / "inputs" / "namn3o7.yaml").read_text(encoding="utf-8")
CM2 = 1e4


@pytest.fixture(scope="module")
def results() -> Any:
    return run(load_model_text(INPUT))


def test_mobility_and_diffusivity_of_the_paper(results: Any) -> None:
    zero = results.sel(field=0).isel(direction=0, carrier=0)
    for kelvin, mobility in ((298, 1.3673e-5), (500, 3.6690e-4)):
        at = zero.sel(temperature=kelvin)
        value, stderr = float(at["mobility_einstein"]) * CM2, float(at["mobility_einstein_stderr"]) * CM2
        assert stderr / value <= 0.01
        assert abs(value - mobility) < 3.5 * stderr
    at = zero.sel(temperature=298)
    value, stderr = (float(at[f"tracer_diffusivity{s}"][0, 0]) * CM2 for s in ("", "_stderr"))
    assert abs(value - 3.5111e-7) < 3.5 * stderr


def test_activation_energy(results: Any) -> None:
    energy, stderr = (float(results[f"arrhenius_activation_energy{s}"][0, 0]) for s in ("", "_stderr"))
    assert stderr < 5e-4
    assert abs(energy - 0.242) < 3.5 * stderr


def test_all_points_reach_their_accuracy_and_agree_with_the_exact_answer(results: Any) -> None:
    assert bool(results["converged"].all())
    z = []
    for name in ("mobility", "mobility_einstein"):
        value, stderr, exact = (results[f"{name}{s}"].values for s in ("", "_stderr", "_exact"))
        known = np.isfinite(exact)
        z.extend((value - exact)[known] / stderr[known])
    assert len(z) == 30
    assert np.max(np.abs(z)) < 4
    assert 0.6 < np.sqrt(np.mean(np.square(z))) < 1.4


def test_both_diagonal_channels_double_the_diffusivity() -> None:
    """Two 3NN saddles for each of the two neighbours, as explicit alternatives."""
    two = load_model_text(INPUT.replace("- {name: 3NN}", "- {name: 3NN_a}\n      - {name: 3NN_b}"))
    conditions = dataclasses.replace(two.conditions, temperature=np.array([298.0]), field=np.array([0.0]))
    data = run(dataclasses.replace(two, conditions=conditions)).isel(
        temperature=0, field=0, direction=0, carrier=0
    )
    value, stderr = (float(data[f"mobility_einstein{s}"]) * CM2 for s in ("", "_stderr"))
    assert abs(value - 2 * 1.3673e-5) < 3.5 * stderr
    assert abs(value - 1.3673e-5) > 20 * stderr  # negative control
    by_class = data["executed_hops_by_class"].values
    assert len(by_class) == 2
    assert abs(by_class[0] - by_class[1]) < 4 * np.sqrt(by_class.sum())
