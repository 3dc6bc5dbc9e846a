"""What one species does to another one: its diffusivity with the partner free, over that with the partner held still or
left out, from the results of two runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ...errors import InputError, Problem
from ...ndarrays import FloatArray
from ...records import Estimate

__all__ = ["speed_up"]

GRID = ("temperature", "field", "direction_vector")


def speed_up(
    free: Mapping[str, Any], other: Mapping[str, Any], carrier: str, *, quantity: str = "tracer_diffusivity"
) -> Estimate:
    """Diffusivity of ``carrier`` in a run over that in another one: above 1 the partner speeds it up, below it drags.

    Parameters
    ----------
    free, other : datasets of two runs of one grid (`kmc_transport.open_results`): with the partner free, and with the
        partner held still (``freeze``) or left out.
    quantity : ``tracer_diffusivity``, or ``collective_diffusivity`` of the species with itself.

    Returns
    -------
    Estimate of (..., temperature, field, direction, axis): along x, y, z, with the errors of both runs. NaN where
    one of them has no number.

    Raises
    ------
    InputError : for grids that differ, a carrier that one of them has not, another quantity.
    """
    for name in GRID:
        a, b = (np.asarray(run[name]) for run in (free, other))
        if a.shape != b.shape or not np.allclose(a, b, rtol=1e-9, atol=0):
            raise InputError(
                Problem(
                    "the two runs have other values",
                    name,
                    b.tolist(),
                    str(a.tolist()),
                    remedy="run the same grid twice",
                )
            )
    value, stderr = _diagonal(free, carrier, quantity)
    other_value, other_stderr = _diagonal(other, carrier, quantity)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(other_value > 0, value / other_value, np.nan)
        relative = np.hypot(stderr / value, other_stderr / other_value)
    return Estimate(
        value=ratio, stderr=np.abs(ratio) * relative, effective_samples=np.nan, method=f"ratio of {quantity}"
    )


def _diagonal(run: Mapping[str, Any], carrier: str, quantity: str) -> tuple[FloatArray, FloatArray]:
    """(..., temperature, field, direction, axis) value and standard error."""
    names = np.asarray(run["carrier"]).tolist()
    if carrier not in names:
        raise InputError(Problem("a run has no such mobile carrier", "carrier", carrier, ", ".join(names)))
    k = names.index(carrier)
    pattern = {"tracer_diffusivity": "...aii->...ai", "collective_diffusivity": "...aiai->...ai"}
    if quantity not in pattern:
        raise InputError(Problem("cannot be compared so", "quantity", quantity, ", ".join(pattern)))
    value, stderr = (
        np.einsum(pattern[quantity], np.asarray(run[f"{quantity}{s}"], float))[..., k, :]
        for s in ("", "_stderr")
    )
    return value, stderr
