"""How a run bridges very different rates, where its input asks for that (`sampling.acceleration`)."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ReversibleScaling"]


@dataclass(frozen=True)
class ReversibleScaling:
    """Fast species slowed by one factor, the same both ways and in all surroundings (`docs/theory/acceleration.md`).

    species : names of the fast ones; empty: the rates that are measured tell. separation : hops of a fast carrier
    between two hops of a slow one that the first of three runs keeps; the others keep twice and four times as many.
    """

    species: tuple[str, ...]
    separation: float

    def __str__(self) -> str:
        who = ", ".join(self.species) or "the fast species"
        return f"reversible scaling of {who} to {', '.join(f'{k * self.separation:g}' for k in (1, 2, 4))}"
