"""Results with a composition axis and made-up chemical diffusivities, for tests of battery exports."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import xarray

from tests.store.results import dataset

K_B = 8.617333262e-5


def with_diffusivity(
    x: Sequence[float],
    temperature: Sequence[float],
    law: Callable[[np.ndarray, np.ndarray], np.ndarray],
    *,
    error: float = 0.01,
    noise: bool = False,
    seed: int = 5,
) -> xarray.Dataset:
    """A run over a composition ``x`` whose chemical diffusivity is a law of x and temperature, alike along all axes."""
    one = dataset(list(temperature), [0.0])
    run = one.expand_dims(x=np.array(x, float)).copy(deep=True)
    same = [n for n in one.coords if n in run and "x" in run[n].dims and n != "x"]
    run = run.assign_coords({n: one[n] for n in same})
    count = np.round(20 * np.array(x))[:, None] * np.ones(one.sizes["carrier"])
    run = run.assign_coords(
        species=one["carrier"].values,
        species_count=(("x", "species"), count.astype(int)),
        species_fraction=(("x", "species"), count / 20),
    )
    run["x"].attrs = {"units": "1", "long_name": "x", "kmc_transport_axis": "composition"}
    values = law(np.array(x)[:, None], np.array(temperature)[None, :])
    if noise:
        values = values * (1 + error * np.random.default_rng(seed).normal(size=values.shape))
    tensor = values[:, :, None, None, None, None] * np.eye(3)
    dims = ("x", "temperature", "field", "direction", "axis", "axis_2")
    attrs = {"units": "m2 s-1", "long_name": "chemical diffusivity"}
    run["chemical_diffusivity"] = (dims, tensor, attrs)
    run["chemical_diffusivity_stderr"] = (dims, np.abs(error * tensor), attrs)
    return run


def activated(x: np.ndarray, temperature: np.ndarray) -> np.ndarray:
    """Falls with x, more so in the cold: does not factor."""
    return 2e-7 * np.exp(-(0.3 + 0.08 * x) / (K_B * temperature)) * (1.2 - x)
