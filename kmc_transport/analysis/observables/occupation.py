"""Occupation: the share of its time that a carrier spends on each kind of site."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from ...model.model import Model
from ...ndarrays import BoolArray, FloatArray, IntArray
from ...records import HopChunk
from .base import Observable

if TYPE_CHECKING:
    from ...exact.flow import StationaryFlow

__all__ = ["OBSERVABLE", "Occupation", "by_kind"]


def kinds(model: Model) -> list[str]:
    """Labels of the sites that carriers may be on, in the order of the structure."""
    used = np.any(model.allowed_sites, axis=0).tolist()
    return list(dict.fromkeys(label for label, u in zip(model.structure.labels, used, strict=True) if u))


def by_kind(model: Model, values: np.ndarray) -> np.ndarray:
    """(..., n_sites) summed over the sites of each kind: (..., kinds)."""
    return values @ _members(model).astype(values.dtype)


@lru_cache(maxsize=4)
def _members(model: Model) -> BoolArray:
    """(n_sites, kinds)"""
    labels = np.array(model.structure.labels)
    return np.stack([labels == kind for kind in kinds(model)], axis=1)


class Occupation(Observable):
    """ticks : (S, kinds) time of all carriers on each kind of site."""

    def count(self, chunk: HopChunk) -> dict[str, IntArray]:
        net, left = self.catalog.model.network, chunk.ticks_left
        known = slice(0, len(left))
        ticks = chunk.carriers * chunk.length
        # what is left of the time after a hop is spent on its target instead of its origin
        np.add.at(ticks, (net.carrier[known], net.target[known]), left)
        np.subtract.at(ticks, (net.carrier[known], net.origin[known]), left)
        return {"ticks": by_kind(self.catalog.model, ticks)}

    def estimate(self, sums: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
        return {"occupation": share(sums["ticks"])}

    @classmethod
    def coordinates(cls, model: Model) -> dict[str, np.ndarray]:
        return {"site_kind": np.array(kinds(model), dtype=str)}

    @classmethod
    def exact(cls, flow: StationaryFlow) -> dict[str, FloatArray]:
        return {"occupation": share(by_kind(flow.catalog.model, flow.carriers))}


def share(values: FloatArray) -> FloatArray:
    """Parts of the sum along the last axis; NaN where that is zero."""
    total = values.sum(axis=-1, keepdims=True)
    return np.divide(values, total, out=np.full(values.shape, np.nan), where=total > 0)


OBSERVABLE = Occupation
