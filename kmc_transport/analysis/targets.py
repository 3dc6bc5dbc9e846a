"""When a run has been long enough."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..ndarrays import BoolArray, FloatArray
from .batches import MIN_BATCHES
from .evaluate import Evaluation, System

__all__ = ["TARGETS", "Accuracy", "accuracy", "errors_of_species", "target_name", "wanted"]

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


def errors_of_species(
    evaluation: Evaluation,
    system: System,
    target: str,
    relative_error: float | None,
    absolute_error: float | None,
) -> FloatArray:
    """(S,) largest error over the error asked for (as in `accuracy`) of what the target looks at of each species.

    NaN where that is nothing, inf where it has not moved. Of `charge_diffusivity`, a sum: that of the sum for each.
    Without the scatter between replicas that more rows do not make smaller.
    """
    name, n = target_name(target, system), len(system.charge)
    within = evaluation.within if evaluation.quenched else None
    value, stderr, possible = _components(evaluation, system, name, within)
    allowed = np.maximum((relative_error or 0.0) * np.abs(value), absolute_error or 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(possible, np.where(stderr > 0, stderr / allowed, np.inf), np.nan)
    if name == "charge_diffusivity":
        ratio = np.tile(ratio, (n, 1))
    elif name == "mobility_einstein":
        ratio = ratio.reshape(-1, n).T
    found = np.full(n, np.nan)
    for a, own in enumerate(ratio.reshape(n, -1)):
        if not np.isnan(own).all():
            found[a] = np.nanmax(own)
    return found


def _components(
    evaluation: Evaluation, system: System, name: str, errors: Mapping[str, FloatArray] | None = None
) -> tuple[FloatArray, FloatArray, BoolArray]:
    """The numbers that the target looks at with their errors, and whether each can be other than zero; flat.

    errors : instead of the estimates' own.
    """
    value = evaluation.estimates[name].value
    errors = {n: e.stderr for n, e in evaluation.estimates.items()} if errors is None else errors
    stderr = errors[name]
    if name in ("drift_velocity", "mobility"):
        mobility = evaluation.estimates["mobility"]  # along the field, with its own error
        factor = float(np.linalg.norm(system.field)) * 1e10 if name == "drift_velocity" else 1.0
        value, stderr = mobility.value * factor, errors["mobility"] * factor
    elif name == "tracer_diffusivity":
        value, stderr = np.einsum("aii->ai", value), np.einsum("aii->ai", stderr)
    elif name == "collective_diffusivity":
        value, stderr = np.einsum("aiai->ai", value), np.einsum("aiai->ai", stderr)
    elif name == "charge_diffusivity":
        value, stderr = np.diagonal(value), np.diagonal(stderr)
    return np.ravel(value), np.ravel(stderr), np.ravel(_possible(system, name))


def _possible(system: System, name: str) -> BoolArray:
    """Whether each of the numbers that the target looks at can be other than zero."""
    diagonal = np.einsum("aii->ai", system.span) > 0
    diagonal &= ~system.slowed[:, None]
    charged = (system.charge != 0) & ~system.slowed  # others have no mobility
    if name in ("drift_velocity", "mobility"):
        unit = system.field / float(np.linalg.norm(system.field))
        return np.asarray((np.einsum("i,aij,j->a", unit, system.span, unit) > 1e-12) & charged)
    if name == "mobility_einstein":
        along = np.einsum("di,aij,dj->da", system.direction, system.span, system.direction) > 1e-12
        return np.asarray(along & charged)
    return np.asarray(diagonal.any(axis=0) if name == "charge_diffusivity" else diagonal)


def wanted(system: System, name: str) -> BoolArray:
    """(S,) whether the target (`target_name`) looks at something of a species that can be other than zero."""
    if name == "charge_diffusivity":
        return np.asarray((system.charge != 0) & (np.einsum("aii->ai", system.span) > 0).any(axis=1))
    possible, n = _possible(system, name), len(system.span)
    return np.asarray((possible.T if name == "mobility_einstein" else possible).reshape(n, -1).any(axis=1))
