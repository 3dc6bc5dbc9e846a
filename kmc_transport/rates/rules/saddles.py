"""Candidate saddles of one hop, ranked by what each adds to its rate."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ...errors import InputError, Problem
from ...units import K_B, H

__all__ = ["RankedSaddle", "SaddleRanking", "rank_saddles"]


@dataclass(frozen=True)
class RankedSaddle:
    """One saddle. ``log_rate`` is ln of channels nu exp(-barrier/kT), 1/s; ``share`` of the summed rate."""

    name: str
    barrier: float
    """eV."""
    attempt_frequency: float
    """Hz."""
    channels: int
    log_rate: float
    share: float


@dataclass(frozen=True)
class SaddleRanking:
    """Saddles by falling rate (equal rates in the order given); they add up, as parallel ways of one hop."""

    temperature: float
    """K."""
    saddles: tuple[RankedSaddle, ...]
    log_rate: float
    """ln of the summed rate, 1/s."""

    def __iter__(self) -> Iterator[RankedSaddle]:
        return iter(self.saddles)

    def __len__(self) -> int:
        return len(self.saddles)


def rank_saddles(
    barriers: npt.ArrayLike,
    *,
    temperature: float,
    attempt_frequencies: npt.ArrayLike | None = None,
    channels: npt.ArrayLike = 1,
    names: Sequence[str] | None = None,
) -> SaddleRanking:
    """Saddles that join the same two sites, ranked by rate.

    Parameters
    ----------
    barriers : (n,) eV. temperature : K.
    attempt_frequencies : (n,) or one, Hz; None is kT/h. channels : (n,) or one.
    names : (n,) names; "1", "2", ... by default.

    Raises
    ------
    InputError : numbers that are not usable, or of differing count.
    """
    energy = np.atleast_1d(np.asarray(barriers, dtype=np.float64))
    problems = []
    if not 0 < temperature < math.inf:
        problems.append(Problem("the temperature is not usable", "temperature", temperature, "> 0 K"))
    if energy.ndim != 1 or energy.size == 0 or not np.isfinite(energy).all():
        problems.append(Problem("barriers must be a list of numbers", "barriers", barriers, "finite, eV"))
    attempt = np.asarray(
        K_B * temperature / H if attempt_frequencies is None else attempt_frequencies, dtype=np.float64
    )
    count = np.asarray(channels, dtype=np.float64)
    for key, values, allowed in (
        ("attempt_frequencies", attempt, "> 0 Hz"),
        ("channels", count, "whole numbers >= 1"),
    ):
        if values.shape not in ((), energy.shape):
            problems.append(
                Problem(f"{key} are {values.size}, barriers {energy.size}", key, None, "one, or one for each")
            )
        elif not (np.isfinite(values) & (values > 0)).all() or (
            key == "channels" and (values != np.rint(values)).any()
        ):
            problems.append(Problem(f"{key} are not usable", key, values.tolist(), allowed))
    labels = [str(i + 1) for i in range(energy.size)] if names is None else [str(n) for n in names]
    if len(labels) != energy.size:
        problems.append(Problem(f"names are {len(labels)}, barriers {energy.size}", "names"))
    if problems:
        raise InputError(problems)

    attempt, count = np.broadcast_to(attempt, energy.shape), np.broadcast_to(count, energy.shape)
    log_rate = np.log(count) + np.log(attempt) - energy / (K_B * temperature)
    # relative to the largest, so that nothing overflows
    total = log_rate.max() + np.log(np.exp(log_rate - log_rate.max()).sum())
    share = np.exp(log_rate - total)
    order = np.argsort(-log_rate, kind="stable").tolist()
    return SaddleRanking(
        float(temperature),
        tuple(
            RankedSaddle(
                labels[i],
                float(energy[i]),
                float(attempt[i]),
                int(count[i]),
                float(log_rate[i]),
                float(share[i]),
            )
            for i in order
        ),
        float(total),
    )
