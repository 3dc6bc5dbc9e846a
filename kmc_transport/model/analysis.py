"""What an input asks to be counted of how species move together: the section `analysis`, resolved. Å and s."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Analysis", "FlipPairSettings"]


@dataclass(frozen=True)
class FlipPairSettings:
    """carriers : indices of species. lags : (W,) ends of the windows of time, ascending, s; the first begins at 0.
    distances : (D + 1,) borders of the windows of distance, ascending, Å."""

    carriers: tuple[int, ...]
    lags: tuple[float, ...]
    distances: tuple[float, ...]


@dataclass(frozen=True)
class Analysis:
    """Nothing is asked for where an entry is None or empty."""

    flip_pairs: FlipPairSettings | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Of the entries that are asked for; modules of `kmc_transport.analysis.coupling` are called like them."""
        return tuple(name for name, value in vars(self).items() if value)
