"""Histograms of the barriers and the energy differences of executed hops."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from ...model.model import Model
from ...ndarrays import FloatArray, IntArray
from ...records import HopChunk
from .base import Observable
from .occupation import share

if TYPE_CHECKING:
    from ...exact.flow import StationaryFlow

__all__ = ["OBSERVABLE", "BarrierHistogram"]

WIDTH = 0.01
"""eV, of a bin; the middles of the bins are whole multiples of it."""
BINS = {"barrier": range(301), "difference": range(-150, 151)}
"""Numbers of the bins. The first and the last hold what is beyond them too."""
TIE = 1e-6
"""Part of a bin below which an energy at the border counts as the bin above: rounding must not decide."""


class BarrierHistogram(Observable):
    """barrier, difference : (S, bins) executed hops of each species."""

    def count(self, chunk: HopChunk) -> dict[str, IntArray]:
        difference, barrier = chunk.energies
        model = self.catalog.model
        return {
            "barrier": histogram(model, chunk.hop, barrier, "barrier"),
            "difference": histogram(model, chunk.hop, difference, "difference"),
        }

    def estimate(self, sums: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
        return {
            "barrier_share": share(sums["barrier"]),
            "energy_difference_share": share(sums["difference"]),
        }

    @classmethod
    def coordinates(cls, model: Model) -> dict[str, np.ndarray]:
        return {f"{name}_bin": np.round(WIDTH * np.array(bins), 9) for name, bins in BINS.items()}

    @classmethod
    def exact(cls, flow: StationaryFlow) -> dict[str, FloatArray]:
        model = flow.catalog.model
        return {
            "barrier_share": share(histogram(model, flow.hop, flow.barrier, "barrier", flow.rate)),
            "energy_difference_share": share(
                histogram(model, flow.hop, flow.difference, "difference", flow.rate)
            ),
        }


def histogram(
    model: Model, hop: IntArray, energy: FloatArray, name: str, weight: FloatArray | None = None
) -> np.ndarray:
    """(S, bins) number of hops, or their weight."""
    bins, n_species = BINS[name], len(model.carriers)
    # from the middle of the first bin on, so that cutting off is rounding down
    number = (energy.clip(bins[0] * WIDTH, bins[-1] * WIDTH) / WIDTH + (0.5 + TIE - bins[0])).astype(np.int64)
    place = number if n_species == 1 else model.network.carrier[hop] * len(bins) + number
    return np.bincount(place, weight, n_species * len(bins)).reshape(n_species, -1)


OBSERVABLE = BarrierHistogram
