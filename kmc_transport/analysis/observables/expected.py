"""What observables find on average: counted once in every configuration and at every jump between two."""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np

from ...ndarrays import FloatArray, IntArray
from ...records import HopChunk

if TYPE_CHECKING:
    from ...exact.flow import StationaryFlow
    from ...exact.states import StateSpace
    from .base import Observable

__all__ = ["MOST_JUMPS", "expected"]

Counts = dict[str, IntArray]

MOST_JUMPS = 30_000
"""Each takes some hundred microseconds, once for all temperatures and fields."""


def expected(kind: type[Observable], flow: StationaryFlow) -> dict[str, FloatArray]:
    """Arrays of an observable in the stationary state; empty where there are too many jumps.

    For those that need no past: what they count in a stretch is a sum over its hops and over the times between them.
    And for those that do not ask in which cell of the supercell something happens, unless the configurations of
    ``flow`` tell that (`StationaryFlow.of_all_places`).
    """
    if len(flow.hop) > MOST_JUMPS:
        return {}
    observable = kind(flow.catalog)
    observable.tick_seconds = 1.0
    kept = _known.setdefault(flow.space, {})
    if kind not in kept:
        kept[kind] = _counted(observable, flow)
    at_rest, jumping = kept[kind]
    sums = {
        name: np.tensordot(flow.law, at_rest[name], 1) + np.tensordot(flow.rate, jumping[name], 1)
        for name in at_rest
    }
    found = observable.estimate({name: np.asarray(value)[None] for name, value in sums.items()})
    return {name: value[0] for name, value in found.items()}


_known: WeakKeyDictionary[StateSpace, dict[type[Observable], tuple[Counts, Counts]]] = WeakKeyDictionary()
"""They depend on neither temperature nor field."""


def _counted(observable: Observable, flow: StationaryFlow) -> tuple[Counts, Counts]:
    """(n_states, ...) in one tick in each configuration; (n, ...) at each jump, which takes no time."""
    model, rows = flow.catalog.model, flow.space.configurations()
    species, n_sites = range(len(model.carriers)), model.structure.n_sites
    sites = [np.concatenate([np.flatnonzero(row == a + 1) for a in species]) for row in rows]
    none = np.zeros(0, np.int64)

    def chunk(state: int, carrier: IntArray, hop: IntArray, length: int) -> HopChunk:
        carriers = np.stack(
            [np.bincount(np.flatnonzero(rows[state] == a + 1) % n_sites, minlength=n_sites) for a in species]
        )
        return HopChunk(
            window=0,
            length=length,
            tick_seconds=1.0,
            carriers=carriers,
            tick=np.zeros(len(hop), np.int64),
            carrier=carrier,
            hop=hop,
            measure=lambda: (np.zeros(len(hop)), np.zeros(len(hop))),
            locate=lambda: sites[state],
        )

    at_rest = [observable.count(chunk(state, none, none, 1)) for state in range(len(rows))]
    jumping = [
        observable.count(chunk(state, np.flatnonzero(sites[state] == left), np.array([hop]), 0))
        for state, left, hop in zip(
            flow.space.origin.tolist(), flow.ends[0].tolist(), flow.hop.tolist(), strict=True
        )
    ]
    return _stacked(at_rest), _stacked(jumping, at_rest)


def _stacked(counts: list[Counts], like: list[Counts] | None = None) -> Counts:
    """With a leading axis; of no counts at all as many as there are, none."""
    return {
        name: np.array([c[name] for c in counts], np.int64).reshape(len(counts), *np.shape(value))
        for name, value in (like or counts)[0].items()
    }
