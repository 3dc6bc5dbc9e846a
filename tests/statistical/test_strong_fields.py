"""The shipped oxides from zero field to clamping: simulation against the exact answer, and what the run says of it."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from kmc_transport import load_model, run
from kmc_transport.model import Model, classical_model
from kmc_transport.model.model import frozen_array
from kmc_transport.report import results_table

pytestmark = pytest.mark.statistical

INPUTS = Path(__file__).parents[2] / "inputs"
FIELDS = np.array([0, 1e7, 1e8, 3e8, 5e8, 1e9])  # V/m


@cache
def shipped(name: str) -> Model:
    return load_model(INPUTS / f"{name}.yaml")


def model(name: str, temperature: float = 500) -> Model:
    full = shipped(name)
    c = full.conditions
    return replace(
        full,
        conditions=replace(
            c,
            temperature=frozen_array([temperature], np.float64),
            field=frozen_array(FIELDS * 1e-10, np.float64),
        ),
    )


@pytest.mark.parametrize("classical", [False, True])
@pytest.mark.parametrize("name", ["mgo_vacancy", "sio2_oxygen_vacancy", "sio2_oxygen_interstitial"])
def test_drift_velocity_is_exact_at_every_field(name: str, classical: bool) -> None:
    given = model(name)
    data = run(classical_model(given) if classical else given)
    assert bool(data["converged"].all())
    v, s, exact = (data[f"drift_velocity{x}"].values[0, 1:, 0, 0] for x in ("", "_stderr", "_exact"))
    moving = s > 0
    z = (v - exact)[moving] / s[moving]
    assert z.size >= 2 * (len(FIELDS) - 1)
    assert np.abs(z).max() < 4
    assert np.sqrt(np.mean(z**2)) < 1.6
    mobility, einstein = (
        data["mobility_exact"].values[0, 1, 0, 0],
        data["mobility_einstein_exact"].values[0, 0, 0, 0],
    )
    if classical:
        ratio = {
            "mgo_vacancy": 2 * 2.8 / 5.89,
            "sio2_oxygen_interstitial": None,
            "sio2_oxygen_vacancy": None,
        }[name]
        assert abs(mobility / einstein - 1) > 0.04
        assert ratio is None or mobility / einstein == pytest.approx(ratio, abs=0.01)
    else:
        # E d/kT is 0.03 at the weakest field: what is left is of second order
        assert mobility == pytest.approx(einstein, rel=2e-3)
        # and linear response serves: nothing is compared with itself
        assert data["mobility_method"].values[0, 1, 0] == "linear response"
        assert np.isnan(float(data["einstein_deviation"].values[0, 0, 0]))
        tensor, error = (
            data["mobility_tensor"].values[0, 0, 0, 0],
            data["mobility_tensor_stderr"].values[0, 0, 0, 0],
        )
        exact_tensor = data["mobility_tensor_exact"].values[0, 0, 0, 0]
        assert np.abs((tensor - exact_tensor)[error > 0] / error[error > 0]).max() < 4


def test_differential_mobility_follows_the_exact_slope() -> None:
    """Between neighbouring fields of a fine grid; negative where clamping lets the velocity fall."""
    fields = np.concatenate([[0], np.geomspace(1e8, 4e8, 9)])
    given = model("mgo_vacancy")
    given = replace(
        given, conditions=replace(given.conditions, field=frozen_array(fields * 1e-10, np.float64))
    )
    data = run(given)
    slope, error, exact = (
        data[f"differential_mobility{x}"].values[0, :, 0, 0] for x in ("", "_stderr", "_exact")
    )
    assert np.isfinite(slope).all()
    assert np.all(error > 0)
    assert np.abs((slope - exact)[:-1] / np.hypot(error, 0.01 * exact)[:-1]).max() < 4
    assert exact[-1] > 1.5 * data["mobility_exact"].values[0, -1, 0, 0]  # the law is convex


def test_clamped_hops_are_counted_class_by_class_and_told() -> None:
    data = run(model("sio2_oxygen_interstitial"))
    clamped, executed = (data[f"{x}_hops_by_class"].values[0, :, 0] for x in ("clamped", "executed"))
    assert np.all(clamped <= executed)
    assert np.all(clamped[:3] == 0)
    assert clamped[-1].sum() > 0.5 * executed[-1].sum()
    share = data["clamped_share"].values[0, :, 0]
    np.testing.assert_allclose(share, clamped.sum(axis=1) / executed.sum(axis=1), atol=1e-12)
    # W²/(2 pi² E0), at most W_S = W/2; W from the charge centres
    net = model("sio2_oxygen_interstitial").network
    work = 2 * 0.1 * np.abs(net.vector[:, 2])
    wanted = np.minimum(work**2 / (2 * np.pi**2 * 0.1), work / 2)
    for c, error in enumerate(data["linear_response_error"].values[0, -1, 0]):
        assert error == pytest.approx(wanted[net.hop_class == c].max(), rel=1e-6)
    assert np.all(data["linear_response_error"].values[0, 0] == 0)
    notes = " ".join(results_table(data).notes)
    assert "clamped" in notes
    assert "Clamped there, of the hops of each class: oxygen_interstitial:O-O#" in notes
    assert "in doubt by more than kT/10" in notes


def test_a_wrong_saddle_is_caught() -> None:
    """Negative control: 10 % more saddle dipole is within sight at strong field, and unseen in a weak one."""
    given = model("mgo_vacancy")
    c = given.hop_classes[0]
    half = 0.55 * given.carriers[0].charge * given.network.vector[0]
    wrong = replace(given, hop_classes=(replace(c, saddle_dipole=tuple(half), response="dipole"),))
    data, other = (run(m) for m in (given, wrong))
    v, s = (data[f"drift_velocity{x}"].values[0, :, 0, 0] for x in ("", "_stderr"))
    exact = other["drift_velocity_exact"].values[0, :, 0, 0]
    z = np.divide(v - exact, s, out=np.zeros_like(v), where=s > 0)
    assert np.abs(z[-1]).max() > 5
    assert np.abs(z[1]).max() < 4
