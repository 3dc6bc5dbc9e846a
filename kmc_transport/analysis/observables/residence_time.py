"""Residence time: how long a carrier stays on a site of each kind between two hops, on average."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from ...model.model import Model
from ...ndarrays import FloatArray, IntArray
from ...records import HopChunk
from .occupation import Occupation, by_kind

if TYPE_CHECKING:
    from ...exact.flow import StationaryFlow

__all__ = ["OBSERVABLE", "ResidenceTime"]


class ResidenceTime(Occupation):
    """ticks : (S, kinds) time of all carriers on each kind of site. hops : (S, kinds) hops that left it."""

    def count(self, chunk: HopChunk) -> dict[str, IntArray]:
        return {**super().count(chunk), "hops": leaving(self.catalog.model, chunk.often)}

    def estimate(self, sums: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
        return {"residence_time": _ratio(sums["ticks"], sums["hops"]) * self.tick_seconds}

    @classmethod
    def exact(cls, flow: StationaryFlow) -> dict[str, FloatArray]:
        model = flow.catalog.model
        out = leaving(model, np.bincount(flow.hop, flow.rate, model.network.n_hops))
        return {"residence_time": _ratio(by_kind(model, flow.carriers), out)}


def leaving(model: Model, often: np.ndarray) -> np.ndarray:
    """(S, kinds) hops from each kind of site; often : of the first directed hops."""
    net, known = model.network, slice(0, len(often))
    total = np.zeros((len(model.carriers), model.structure.n_sites), often.dtype)
    np.add.at(total, (net.carrier[known], net.origin[known]), often)
    return by_kind(model, total)


def _ratio(time: FloatArray, hops: FloatArray) -> FloatArray:
    return np.divide(time, hops, out=np.full(time.shape, np.nan), where=hops > 0)


OBSERVABLE = ResidenceTime
