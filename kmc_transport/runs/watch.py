"""The observables that an input asks for, at the side of each replica."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..analysis import MIN_BATCHES
from ..analysis.observables import Observable, kind_of
from ..rates import RateCatalog
from ..records import Estimate, HopChunk

__all__ = ["Watch", "watched"]


class Watch:
    """Those of one replica, by name. It is false where nothing was asked for."""

    def __init__(self, catalog: RateCatalog) -> None:
        self.observables: dict[str, Observable] = {
            name: kind_of(name)(catalog) for name in catalog.model.observed
        }

    def __bool__(self) -> bool:
        return bool(self.observables)

    def add(self, chunk: HopChunk) -> None:
        """Count the hops of a chunk."""
        for observable in self.observables.values():
            observable.add(chunk)

    def coarsen(self) -> None:
        """Rows twice as long from now on."""
        for observable in self.observables.values():
            observable.coarsen()

    def clear(self) -> None:
        """Drop what was counted."""
        for observable in self.observables.values():
            observable.clear()

    def save(self) -> dict[str, Any]:
        """Everything that `load` needs."""
        return {f"{n}/{key}": v for n, o in self.observables.items() for key, v in o.save().items()}

    def load(self, state: Mapping[str, Any]) -> None:
        """Take over what `save` gave. Raises KeyError for a state of other observables."""
        for name, observable in self.observables.items():
            prefix = f"{name}/"
            observable.load({k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)})


def watched(replicas: Sequence[Watch], rows: int, quenched: bool) -> dict[str, Estimate]:
    """Arrays of all observables from the first ``rows`` of each replica; empty where they are too few."""
    found: dict[str, Estimate] = {}
    if rows * len(replicas) >= MIN_BATCHES:
        for name in replicas[0].observables:
            whole = kind_of(name).merge([r.observables[name] for r in replicas], rows)
            if whole.sums:
                found |= whole.result(quenched=quenched)
    return found
