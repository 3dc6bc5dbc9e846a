"""Pairs of flips by the time and the distance between them: what one hop does to the hops around it.

Source of the quantity: Xie et al., arXiv:2507.05626 (2025), ratio of opposite-sign to same-sign flips of Fe.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from ...energies.supercell import Supercell
from ...model.analysis import FlipPairSettings
from ...model.model import Model
from ...ndarrays import FloatArray, IntArray
from ...rates.catalog import RateCatalog
from ...records import HopChunk
from ..observables.base import Observable
from .kernels_pairs import Flips, chain, count_pairs, walk
from .lattice import links_of, n_flat, over, plain, sites_of_species, species_of_carriers, steps_of

if TYPE_CHECKING:
    from ...exact.flow import StationaryFlow

__all__ = ["OBSERVABLE", "FlipPairs"]


FEWEST, MOST = 2**10, 2**20
"""Flips that the ring holds, 40 bytes each. Where windows of lag hold more than the most, they get no numbers."""


class FlipPairs(Observable):
    """pairs : (S, S, 2, W + 1, D) earlier and later species; same, opposite; window of lag (0: one hop), of distance.

    flips : (S,). ticks, lost : (W + 1,) time in which pairs of each window were counted; how often a window was longer
    than what is remembered.
    """

    def __init__(self, catalog: RateCatalog) -> None:
        model, wanted = catalog.model, asked(catalog.model)
        self.windows = list(pairwise(wanted.distances))
        self.tracked = np.isin(np.arange(len(model.carriers)), wanted.carriers)
        self.species, self.steps = species_of_carriers(model), steps_of(model)
        self.shells = links_of(model, wanted.carriers, wanted.carriers, self.windows)
        self.links = plain(self.shells)
        super().__init__(catalog)

    def clear(self) -> None:
        super().clear()
        self.since: int | None = None
        self.flips = self._ring(FEWEST)

    def _ring(self, room: int) -> Flips:
        tick, code, site, before = np.zeros((4, room), np.int64)
        last = np.full(n_flat(self.catalog.model), -1)
        total = np.zeros(1, np.int64)
        return Flips(tick=tick, code=code, site=site, before=before, last=last, total=total)

    def _edges(self) -> IntArray:
        """(W + 1,) ticks"""
        return np.rint(np.array([0.0, *asked(self.catalog.model).lags]) / self.tick_seconds).astype(np.int64)

    def _remembered(self, begin: int) -> tuple[IntArray, IntArray, IntArray]:
        """Tick, code and site of the flips that are near enough to pair with later ones, in the order of time."""
        f = self.flips
        total, room = int(f.total[0]), len(f.tick)
        order = np.arange(max(0, total - room), total) % room
        order = order[f.tick[order] >= begin - self._edges()[-1]]
        return f.tick[order], f.code[order], f.site[order]

    def _make_room(self, begin: int, more: int) -> None:
        """Let the ring hold ``more`` flips beside those that matter, if it may be so large."""
        room = len(self.flips.tick)
        if int(self.flips.total[0]) + more <= room or room == MOST:
            return
        kept = self._remembered(begin)
        wanted = FEWEST
        while wanted < min(MOST, len(kept[0]) + more):
            wanted *= 2
        self.flips = self._ring(max(room, wanted))
        chain(self.flips, *kept)

    def count(self, chunk: HopChunk) -> dict[str, IntArray]:
        n_species, n_lags = len(self.tracked), len(asked(self.catalog.model).lags)
        if self.since is None:
            self.since = chunk.begin
        pairs = np.zeros((n_species, n_species, 2, n_lags + 1, len(self.windows)), np.int64)
        lost, edges = np.zeros(n_lags + 1, np.int64), self._edges()
        self._make_room(chunk.begin, 2 * len(chunk.hop))
        of_hop = self.species[chunk.carrier]
        ends = walk(chunk.sites.copy(), chunk.carrier, chunk.hop, self.steps)
        begin = self.since
        count_pairs(
            *(ends, of_hop, chunk.drawn, self.tracked, edges, begin, self.steps, self.links, self.flips),
            pairs,
            lost,
        )
        end = chunk.begin + chunk.length
        return {
            "pairs": pairs,
            "flips": 2 * np.bincount(of_hop, minlength=n_species),
            "ticks": np.maximum(0, end - np.maximum(chunk.begin, begin + edges)),
            "lost": lost,
        }

    def save(self) -> dict[str, Any]:
        none = -1 if self.since is None else self.since
        end = int(self.flips.tick.max(initial=0))
        tick, code, site = self._remembered(end) if self.since is not None else (np.zeros(0, np.int64),) * 3
        return {**super().save(), "since": none, "tick": tick, "code": code, "site": site}

    def load(self, state: Mapping[str, Any]) -> None:
        own = ("since", "tick", "code", "site")
        self.clear()
        super().load({n: v for n, v in state.items() if n not in own})
        since, tick, code, site = (np.asarray(state[n]) for n in own)
        self.since = None if since < 0 else int(since)
        room = FEWEST
        while room < len(tick):
            room *= 2
        self.flips = self._ring(room)
        chain(self.flips, *(np.array(x, np.int64) for x in (tick, code, site)))

    def estimate(self, sums: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
        model = self.catalog.model
        sites, lags = sites_of_species(model)[: len(self.tracked)], asked(model).lags
        time = sums["ticks"] * self.tick_seconds
        good = (time > 0) & (sums["lost"] == 0)
        time = np.where(good, time, np.nan)
        rate = sums["pairs"] / time[:, None, None, None, :, None] / sites[None, None, :, None, None, None]
        rate[:, ~self.tracked] = np.nan
        rate[:, :, ~self.tracked] = np.nan
        same, opposite = rate[:, :, :, 0], rate[:, :, :, 1]
        independent = self._independent(sums["flips"] / (time[:, :1] * sites), np.diff([0.0, *lags]))
        apart = [
            np.concatenate([np.full_like(x[..., :1, :], np.nan), x[..., 1:, :]], axis=-2)
            for x in (opposite, same)
        ]
        return {
            "flip_pairs_opposite": opposite,
            "flip_pairs_same": same,
            "flip_pair_ratio": over(*apart),
            "flip_pair_ratio_from_zero": over(np.cumsum(opposite, axis=-2), np.cumsum(same, axis=-2)),
            "flip_correlation": over(opposite + same, independent),
        }

    def _independent(self, flips: FloatArray, lengths: FloatArray) -> FloatArray:
        """(n, S, S, W + 1, D) pairs of flips that know nothing of each other, 1/s; NaN at lag 0. flips : (n, S) 1/s."""
        model, around = self.catalog.model, self.shells
        allowed = np.asarray(model.allowed_sites)
        of_site = np.repeat(np.arange(model.structure.n_sites), np.diff(around.first))
        neighbours = np.zeros((len(allowed), len(allowed), len(self.windows)))
        for a, b in np.ndindex(*neighbours.shape[:2]):
            here = allowed[a][around.site] & allowed[b][of_site]
            found = np.bincount(around.window[here], minlength=len(self.windows))
            neighbours[a, b] = found / max(1, allowed[b].sum())
        window = np.concatenate([[np.nan], lengths])
        both = flips[:, :, None] * flips[:, None, :]
        return both[:, :, :, None, None] * (window[:, None] * neighbours[:, :, None, :])

    @classmethod
    def coordinates(cls, model: Model) -> dict[str, np.ndarray]:
        wanted = asked(model)
        return {
            "lag_window": np.array([0.0, *wanted.lags]),
            "distance_window": np.array([f"{low:g}-{high:g} Å" for low, high in pairwise(wanted.distances)]),
        }

    @classmethod
    def exact(cls, flow: StationaryFlow) -> dict[str, FloatArray]:
        from ...exact.lags import LAG_STATES

        whole = flow.of_all_places(LAG_STATES)
        return {} if whole is None else cls(flow.catalog)._expected(whole)

    def _expected(self, flow: StationaryFlow) -> dict[str, FloatArray]:
        from scipy.sparse import csr_array

        from ...exact.lags import pairs_within

        model, n_species = self.catalog.model, len(self.tracked)
        lattice, lags = Supercell(model), asked(model).lags
        species, (left, reached) = model.network.carrier[flow.hop], flow.ends
        seen = np.flatnonzero(self.tracked[species] & (left != reached))
        sites = np.unique(flow.ends[:, seen])
        number = np.full(n_flat(model), -1)
        number[sites] = np.arange(len(sites))
        # a flip: species, site, down or up; a hop is two of them
        ends = np.concatenate([2 * number[left[seen]], 2 * number[reached[seen]] + 1])
        flips = csr_array(
            (np.ones(2 * len(seen)), (np.tile(seen, 2), np.tile(2 * len(sites) * species[seen], 2) + ends)),
            shape=(len(flow.hop), 2 * n_species * len(sites)),
        )
        joint = pairs_within(flow, flips, flips, (0.0, *lags))
        joint = joint.reshape(-1, *(n_species, len(sites), 2) * 2)
        pairs = np.zeros((n_species, n_species, 2, len(lags) + 1, len(self.windows)))
        basis = np.repeat(np.arange(model.structure.n_sites), np.diff(self.links.first))
        for cell in lattice.cells:
            here = number[lattice.flat(basis, cell)]
            there = number[lattice.flat(self.links.site, cell + self.links.cell)]
            for k in np.flatnonzero((here >= 0) & (there >= 0)):
                both, window = joint[:, :, there[k], :, :, here[k], :], self.links.window[k]
                same = np.einsum("waibi->abw", both)
                pairs[:, :, 0, 1:, window] += same
                pairs[:, :, 1, 1:, window] += np.einsum("waibj->abw", both) - same
                one = seen[(number[reached[seen]] == here[k]) & (number[left[seen]] == there[k])]
                np.add.at(pairs[:, :, 1, 0, window], (species[one], species[one]), flow.rate[one])
        self.tick_seconds = 1.0
        often = 2 * np.bincount(species, flow.rate, n_species)
        no_loss = np.zeros(len(lags) + 1)
        sums = {"pairs": pairs, "flips": often, "ticks": no_loss + 1, "lost": no_loss}
        found = self.estimate({name: np.asarray(value, float)[None] for name, value in sums.items()})
        return {name: value[0] for name, value in found.items()}


def asked(model: Model) -> FlipPairSettings:
    """What the input asks for. ValueError where it does not."""
    if model.analysis.flip_pairs is None:
        raise ValueError("the input has no analysis.flip_pairs")
    return model.analysis.flip_pairs


OBSERVABLE = FlipPairs
