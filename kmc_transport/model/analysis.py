"""What an input asks to be counted of how species move together: the section `analysis`, resolved.

Units are Å and s; species are indices into `Model.species`.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Analysis", "BindingSettings", "EnvironmentSettings", "FlipPairSettings", "ProfileSettings"]


@dataclass(frozen=True)
class FlipPairSettings:
    """carriers : indices of species. lags : (W,) ends of the windows of time, ascending, s; the first begins at 0.
    distances : (D + 1,) borders of the windows of distance, ascending, Å."""

    carriers: tuple[int, ...]
    lags: tuple[float, ...]
    distances: tuple[float, ...]


@dataclass(frozen=True)
class BindingSettings:
    """between : indices of two species, which may be one. contact : Å, pairs nearer than that are bound.
    reach : Å, how far the pair correlation goes."""

    between: tuple[int, int]
    contact: float
    reach: float


@dataclass(frozen=True)
class EnvironmentSettings:
    """carrier : whose flips. by : whose carriers around make the environment. shells : borders of distances, Å.
    arrangement : whether the distances between those carriers tell environments apart, beside their numbers."""

    carrier: int
    by: int
    shells: tuple[tuple[float, float], ...]
    arrangement: bool


@dataclass(frozen=True)
class ProfileSettings:
    """axis : 0, 1, 2 of the cell. layers : of equal width, in each cell."""

    axis: int
    layers: int


@dataclass(frozen=True)
class Analysis:
    """Nothing is asked for where an entry is None or empty."""

    flip_pairs: FlipPairSettings | None = None
    binding: tuple[BindingSettings, ...] = ()
    environments: tuple[EnvironmentSettings, ...] = ()
    profile: ProfileSettings | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Of the entries that are asked for; modules of `kmc_transport.analysis.coupling` are called like them."""
        return tuple(name for name, value in vars(self).items() if value)
