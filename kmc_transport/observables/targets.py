"""When a run has been long enough."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .batches import MIN_BATCHES
from .evaluate import Evaluation, System

__all__ = ["TARGETS", "Accuracy", "accuracy"]

FloatArray = npt.NDArray[np.float64]

TARGETS: dict[str, str] = {
    "mobility": "drift velocity over field along the field; at zero field the Einstein mobility along each direction",
    "drift_velocity": "along the field; at zero field as mobility",
    "tracer_diffusivity": "its diagonal components",
    "collective_diffusivity": "the diagonal components of each species",
    "charge_diffusivity": "its diagonal components",
}
"""Observables that an error target can apply to."""


@dataclass(frozen=True)
class Accuracy:
    """How far an evaluation is from the errors asked for.

    reached : all error bars are small enough and the statistics behind them strong enough. ratio : largest
    error over the error asked for (inf if there is none yet). relative_error : largest relative error.
    """

    reached: bool
    ratio: float
    relative_error: float


def accuracy(
    evaluation: Evaluation,
    system: System,
    target: str,
    relative_error: float | None,
    absolute_error: float | None,
    min_effective_samples: int,
) -> Accuracy:
    """Compare the errors of ``target`` with those asked for; a component passes by either of the two.

    Components that no hop can move along are exact zeros and always pass. relative_error : as a fraction.
    absolute_error : SI unit of the target.
    """
    value, stderr = _components(evaluation, system, target)
    alive = stderr > 0
    if not alive.any():
        # nothing moved yet, or nothing can move along the directions asked for
        done = evaluation.batches >= MIN_BATCHES and bool(np.all(value == 0))
        return Accuracy(done, 0.0 if done else np.inf, 0.0 if done else np.inf)
    value, stderr = np.abs(value[alive]), stderr[alive]
    allowed = np.zeros_like(value)
    if relative_error is not None:
        allowed = np.maximum(allowed, relative_error * value)
    if absolute_error is not None:
        allowed = np.maximum(allowed, absolute_error)
    with np.errstate(divide="ignore"):
        ratio = float((stderr / allowed).max())
        worst = float((stderr / value).max())
    estimate = evaluation.estimates[_name(target, system)]
    from_fluctuations = _name(target, system) not in ("mobility", "drift_velocity")
    strong = (
        evaluation.batches >= 2 * MIN_BATCHES
        and estimate.effective_samples >= min_effective_samples
        and (evaluation.plateau or not from_fluctuations)
    )
    return Accuracy(strong and ratio <= 1, ratio, worst)


def _name(target: str, system: System) -> str:
    if target in ("mobility", "drift_velocity"):
        return target if system.driven else "mobility_einstein"
    return target


def _components(evaluation: Evaluation, system: System, target: str) -> tuple[FloatArray, FloatArray]:
    """The numbers that the target looks at, flat, with their errors."""
    name = _name(target, system)
    estimate = evaluation.estimates[name]
    value, stderr = estimate.value, estimate.stderr
    if name == "drift_velocity":
        mobility = evaluation.estimates["mobility"]  # the component along the field, with its own error
        size = float(np.linalg.norm(system.field)) * 1e10
        value, stderr = mobility.value * size, mobility.stderr * size
    elif name == "tracer_diffusivity":
        value, stderr = np.einsum("aii->ai", value), np.einsum("aii->ai", stderr)
    elif name == "collective_diffusivity":
        value, stderr = np.einsum("aiai->ai", value), np.einsum("aiai->ai", stderr)
    elif name == "charge_diffusivity":
        value, stderr = np.diagonal(value), np.diagonal(stderr)
    return np.ravel(value), np.ravel(stderr)
