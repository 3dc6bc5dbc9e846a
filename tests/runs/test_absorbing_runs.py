"""A run with absorbing chains, from the input to the notes under its table."""

from __future__ import annotations

import numpy as np

from kmc_transport import run
from kmc_transport.input import load_model_text
from kmc_transport.report.result_notes import result_notes

INPUT = """
format: 1
structure:
  lattice: {a: 4.0, b: 8.0, c: 8.0}
  sites: {A: [[0, 0, 0], [0.3, 0, 0]]}
supercell: [6, 1, 1]
carriers:
  ion: {charge: 1, sites: [A], count: 1}
hops:
  - {carrier: ion, between: [A, A], distance: 1.2, barrier: 0.1, attempt_frequency: 5 THz}
  - {carrier: ion, between: [A, A], distance: 2.8, barrier: 0.4, attempt_frequency: 5 THz}
conditions: {temperature: [300, 3000]}
sampling: {relative_error: 30 %, min_effective_samples: 16, seed: 1, replicas: 2, acceleration: absorbing}
"""


def test_it_says_where_it_gains() -> None:
    data = run(load_model_text(INPUT))
    assert data["algorithm"].values.ravel()[0] == "absorbing"
    assert data["algorithm"].values.ravel()[1] != "absorbing"
    gain = data["hops_per_step"].values.ravel()
    assert gain[0] > 30
    assert gain[1] <= 1
    assert data["converged"].values.all()
    z = (data["mobility_einstein"] - data["mobility_einstein_exact"]) / data["mobility_einstein_stderr"]
    assert np.abs(z.values).max() < 3
    notes = " ".join(result_notes({name: data[name].values for name in data.variables}, 0))
    assert f"Absorbing chains: {gain[0]:.2g} hops for each stay" in notes
    assert "do not gain at 3000 K" in notes
