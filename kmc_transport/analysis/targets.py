"""When a run has been long enough."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .batches import MIN_BATCHES
from .evaluate import Evaluation, System

__all__ = ["TARGETS", "Accuracy", "accuracy", "target_name"]

FloatArray = npt.NDArray[np.float64]

SMALL_WITHIN = 0.5
"""Of the error asked for: what is left of the error within replicas when the scatter between them limits."""

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
    error over the error asked for (inf if there is none yet). relative_error : largest relative error. within : as
    ratio, without the scatter between replicas whose quenched parts differ, which more rows do not make smaller.
    """

    reached: bool
    ratio: float
    relative_error: float
    within: float = math.inf

    @property
    def needs_replicas(self) -> bool:
        """Whether only more replicas would help."""
        return self.within <= SMALL_WITHIN and self.ratio > 1


def accuracy(
    evaluation: Evaluation,
    system: System,
    target: str,
    relative_error: float | None,
    absolute_error: float | None,
    min_effective_samples: int,
) -> Accuracy:
    """Compare the errors of ``target`` with those asked for; a component passes by either of the two.

    Components along which the hops lead nowhere are exact zeros and always pass; others must have moved.
    relative_error : as a fraction. absolute_error : SI unit of the target.
    """
    name = target_name(target, system)
    value, stderr, possible = _components(evaluation, system, name)
    value, stderr = np.abs(value[possible]), stderr[possible]
    enough = evaluation.batches >= 2 * MIN_BATCHES and evaluation.consistent
    if not possible.any():  # the hops lead nowhere along what is asked for: exact zeros
        return Accuracy(enough, 0.0, 0.0)
    if not np.all(stderr > 0):  # something that can move has not moved yet
        return Accuracy(False, np.inf, np.inf)
    allowed = np.zeros_like(value)
    if relative_error is not None:
        allowed = np.maximum(allowed, relative_error * value)
    if absolute_error is not None:
        allowed = np.maximum(allowed, absolute_error)
    with np.errstate(divide="ignore"):
        ratio = float((stderr / allowed).max())
        worst = float((stderr / value).max())
    samples = evaluation.estimates[name].effective_samples
    strong = enough and samples >= min_effective_samples and evaluation.settled(name)
    within = ratio
    if evaluation.quenched:
        inner = _components(evaluation, system, name, evaluation.within)[1][possible]
        with np.errstate(divide="ignore"):
            within = float((inner / allowed).max())
    return Accuracy(strong and ratio <= 1, ratio, worst, within)


def target_name(target: str, system: System) -> str:
    """Name of the estimate that a target means at this field."""
    if target in ("mobility", "drift_velocity"):
        return target if system.driven else "mobility_einstein"
    return target


def _components(
    evaluation: Evaluation, system: System, name: str, errors: Mapping[str, FloatArray] | None = None
) -> tuple[FloatArray, FloatArray, npt.NDArray[np.bool_]]:
    """The numbers that the target looks at with their errors, and whether each can be other than zero; flat.

    errors : instead of the estimates' own.
    """
    value = evaluation.estimates[name].value
    errors = {n: e.stderr for n, e in evaluation.estimates.items()} if errors is None else errors
    stderr = errors[name]
    diagonal = np.einsum("aii->ai", system.span) > 0
    charged = system.charge != 0  # others have no mobility
    if name in ("drift_velocity", "mobility"):
        mobility = evaluation.estimates["mobility"]  # along the field, with its own error
        size = float(np.linalg.norm(system.field))
        unit = system.field / size
        factor = size * 1e10 if name == "drift_velocity" else 1.0
        value, stderr = mobility.value * factor, errors["mobility"] * factor
        possible = (np.einsum("i,aij,j->a", unit, system.span, unit) > 1e-12) & charged
    elif name == "mobility_einstein":
        possible = np.einsum("di,aij,dj->da", system.direction, system.span, system.direction) > 1e-12
        possible &= charged
    elif name == "tracer_diffusivity":
        value, stderr, possible = np.einsum("aii->ai", value), np.einsum("aii->ai", stderr), diagonal
    elif name == "collective_diffusivity":
        value, stderr, possible = np.einsum("aiai->ai", value), np.einsum("aiai->ai", stderr), diagonal
    else:
        value, stderr, possible = np.diagonal(value), np.diagonal(stderr), diagonal.any(axis=0)
    return np.ravel(value), np.ravel(stderr), np.ravel(possible)
