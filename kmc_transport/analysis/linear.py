"""Weak fields: the linear response of a run without field, alone or put together with a drift.

The fluctuations without field give ``v = mu E`` with an error that does not depend on E; a drift velocity has an
error of 2 kT/W over the square root of the number of hops, W the work of the field on a hop. Each has its own best
fields; between them both are taken, weighted with their inverse variances, the bias of linear response among them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..ndarrays import FloatArray
from ..records import Estimate
from .evaluate import Evaluation

__all__ = ["SMALL_BIAS", "LinearResponse", "combined"]

SMALL_BIAS = 0.1
"""Linear response stands alone where the bound of its bias is below this part of the error asked for."""


@dataclass(frozen=True, eq=False, kw_only=True)
class LinearResponse:
    """What a run without field says of a weak field E, for S species; SI.

    field : (3,) V/m. velocity, velocity_stderr : (S, 3) m/s. mobility, mobility_stderr : (S,) along the field. bias :
    (S,) bound of the difference to the mobility at this field. effective_samples : behind the mobility.
    """

    field: FloatArray
    velocity: FloatArray
    velocity_stderr: FloatArray
    mobility: FloatArray
    mobility_stderr: FloatArray
    bias: FloatArray
    effective_samples: float

    @property
    def mobility_error(self) -> FloatArray:
        """(S,) sampling error and bound of the bias."""
        return np.hypot(self.mobility_stderr, self.bias)

    @property
    def velocity_error(self) -> FloatArray:
        """(S, 3) the same of the velocity; components that are exactly zero stay so."""
        bias = (self.bias * np.linalg.norm(self.field))[:, None]
        return np.where(self.velocity_stderr > 0, np.hypot(self.velocity_stderr, bias), self.velocity_stderr)


def combined(evaluation: Evaluation, linear: LinearResponse) -> Evaluation:
    """The same with mobility and drift velocity from both estimators, which come from independent runs."""
    drift, mobility = evaluation.estimates["drift_velocity"], evaluation.estimates["mobility"]
    own, other = mobility.stderr**2, linear.mobility_error**2
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(own + other > 0, own / (own + other), 1.0)
        share = np.where(np.isfinite(mobility.value), share, 1.0)
        share = np.where(np.isfinite(linear.mobility), share, 0.0)
        deviation = (mobility.value - linear.mobility) / np.sqrt(own + other)
    samples = mobility.effective_samples + linear.effective_samples
    method = f"{mobility.method}, with linear response"

    def put(estimate: Estimate, value: FloatArray, stderr: FloatArray, part: FloatArray) -> Estimate:
        mean = np.where(part > 0, part * value, 0.0) + np.where(part < 1, (1 - part) * estimate.value, 0.0)
        error = np.hypot(
            np.where(part > 0, part * stderr, 0.0), np.where(part < 1, (1 - part) * estimate.stderr, 0.0)
        )
        return replace(estimate, value=mean, stderr=error, effective_samples=samples, method=method)

    estimates = dict(evaluation.estimates)
    estimates["mobility"] = put(mobility, linear.mobility, linear.mobility_error, share)
    estimates["drift_velocity"] = put(drift, linear.velocity, linear.velocity_error, share[:, None])
    return replace(
        evaluation, estimates=estimates, response_deviation=deviation, mobility_bias=share * linear.bias
    )
