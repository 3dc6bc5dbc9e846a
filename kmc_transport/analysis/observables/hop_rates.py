"""Rates of hops of a carrier and of flips of a site."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from ...model.model import Model
from ...ndarrays import FloatArray, IntArray
from ...records import HopChunk
from .base import Observable
from .occupation import by_kind, kinds
from .residence_time import leaving

if TYPE_CHECKING:
    from ...exact.flow import StationaryFlow

__all__ = ["OBSERVABLE", "HopRates"]


class HopRates(Observable):
    """off, onto : (S, kinds) hops that left each kind of site, that reached it. ticks : () time."""

    def count(self, chunk: HopChunk) -> dict[str, IntArray]:
        model, often = self.catalog.model, chunk.often
        return {
            "off": leaving(model, often),
            "onto": leaving(model, _reversed(model, often)),
            "ticks": np.array(chunk.length),
        }

    def estimate(self, sums: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
        time = sums["ticks"][:, None, None] * self.tick_seconds
        return _rates(self.catalog.model, sums["off"] / time, sums["onto"] / time)

    @classmethod
    def coordinates(cls, model: Model) -> dict[str, np.ndarray]:
        return {"site_kind": np.array(kinds(model), dtype=str)}

    @classmethod
    def exact(cls, flow: StationaryFlow) -> dict[str, FloatArray]:
        model = flow.catalog.model
        often = np.bincount(flow.hop, flow.rate, model.network.n_hops)
        return _rates(model, leaving(model, often), leaving(model, _reversed(model, often)))


def _reversed(model: Model, often: np.ndarray) -> np.ndarray:
    """(n_hops,) as often as each hop's reverse; a hop arrives where its reverse starts."""
    every = np.zeros(model.network.n_hops, often.dtype)
    every[model.network.reverse[: len(often)]] = often
    return every


def _rates(model: Model, off: FloatArray, onto: FloatArray) -> dict[str, FloatArray]:
    """off, onto : (..., S, kinds) hops per second."""
    number = np.array([c.count for c in model.carriers], float)[:, None]
    sites = by_kind(model, np.where(model.allowed_sites, model.n_cells, 0)).astype(float)
    with np.errstate(divide="ignore", invalid="ignore"):
        hops = np.where((sites > 0) & (number > 0), off / number, np.nan)
        flips = np.where(sites > 0, (off + onto) / sites, np.nan)
    return {"hop_rate": hops, "flip_rate": flips}


OBSERVABLE = HopRates
