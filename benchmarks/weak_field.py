"""What a mobility costs at any field: executed hops over those of the run without field, from weak to strong.

    python benchmarks/weak_field.py [RELATIVE_ERROR]

W/kT is the work of the field over the hop with the largest one. Of a combined row the run without field is counted
too; of linear response it is all there is. A drift alone would take (2kT/W)²/error² hops: the last column.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from kmc_transport import load_model, run
from kmc_transport.model import Model
from kmc_transport.model.model import frozen_array
from kmc_transport.rates import build_catalog
from kmc_transport.units import K_B
from tests.reference.networks import lattice_gas
from tests.statistical.test_weak_fields import bound_pair, excluding

WORKS = np.array([0, 1e-8, 1e-6, 1e-4, 1e-3, 1e-2, 0.03, 0.06, 0.1, 0.2, 0.3, 0.5, 1, 3, 10])


def namn3o7() -> Model:
    model = load_model(Path(__file__).resolve().parents[1] / "inputs" / "namn3o7.yaml")
    return replace(model, conditions=replace(model.conditions, temperature=frozen_array([298.0], np.float64)))


CASES = {
    "polaron of NaMn3O7, 298 K": namn3o7,
    "lattice gas, 10 % of 10³ sites": lambda: lattice_gas("sc", 10, 100),
    "two species that exclude each other": excluding,
    "two species that attract each other": bound_pair,
}


def table(name: str, model: Model, error: float) -> None:
    """Print the costs of one system."""
    temperature = float(model.conditions.temperature[0])
    catalog = build_catalog(model, temperature=temperature, field=model.conditions.direction[0])
    field = WORKS * K_B * temperature / float(np.abs(catalog.work).max())
    given = replace(
        model,
        conditions=replace(model.conditions, field=frozen_array(field, np.float64)),
        sampling=replace(model.sampling, relative_error=error, seed=1),
    )
    data = run(given).isel(temperature=0, direction=0)
    hops = data["executed_hops"].values.astype(float)
    print(f"\n{name}, {100 * error:g} %: {hops[0]:.2g} hops without field")
    print(
        f"{'W/kT':>8} {'V/m':>9} {'mobility from':>16} {'error':>7} {'bias':>8} {'cost':>6} {'drift alone':>12}"
    )
    for k, work in enumerate(WORKS):
        at = data.isel(field=k)
        suffix = "_einstein" if work == 0 else ""
        mobility, stderr = (np.abs(at[f"mobility{suffix}{s}"].values) for s in ("", "_stderr"))
        method = str(at["mobility_method"].values)
        cost = (hops[k] + hops[0] * (method == "combined")) / hops[0]
        bias = float(np.nanmax(np.nan_to_num(at["mobility_bias"].values) / mobility))
        alone = f"{(2 / work) ** 2 / error**2 / hops[0]:12.2g}" if work else ""
        print(
            f"{work:8.3g} {field[k] * 1e10:9.2g} {method:>16} {100 * float((stderr / mobility).max()):6.2f}% "
            f"{100 * bias:7.2g}% {cost:6.2f} {alone}"
        )


if __name__ == "__main__":
    for title, make in CASES.items():
        table(title, make(), float(sys.argv[1]) if len(sys.argv) > 1 else 0.01)
