"""Where carriers start."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag

from .base import FiniteFloat, Name, Section, Temperature, Whole, by_shape
from .disorder import GivenSitesInput, PlaceList, SitePatternInput, keys_among

__all__ = [
    "AnnealedInput",
    "EachInput",
    "GivenInput",
    "InitialInput",
    "NetworksInput",
    "OrderedInput",
    "StartInput",
    "TwoPhaseInput",
    "TwoPhases",
]

Places = dict[Name, PlaceList]
_PLACES = "Carrier -> its sites: `{site, index, cell}`, or fractional positions in units of the cell."


class GivenInput(Section):
    """Carriers start on the sites that are listed."""

    given: Places = Field(description=_PLACES, examples=[{"ion": [[0, 0, 0], [2, 0, 0]]}])


class OrderedPattern(Section):
    """A pattern of carriers in a block of cells, repeated over the supercell."""

    block: Annotated[list[Annotated[int, Whole(1)]], Field(min_length=3, max_length=3)] = Field(
        description="Cells of the block along a, b, c; the supercell holds a whole number of blocks.",
        examples=[[2, 1, 1]],
    )
    places: Places = Field(description=_PLACES, examples=[{"ion": [[0, 0, 0]]}])


class OrderedInput(Section):
    """Carriers start in an ordered pattern."""

    ordered: OrderedPattern = Field(
        description="The pattern.", examples=[{"block": [2, 1, 1], "places": {"ion": [[0, 0, 0]]}}]
    )


class AnnealingInput(Section):
    """Lattice Monte Carlo with the model's energies, cooled to the temperature of each point."""

    start_temperature: Temperature | None = Field(
        None,
        description="Annealing begins here; ten times the temperature of the point when left out.",
        examples=["2000 K"],
    )
    sweeps: Annotated[int, Whole(1)] = Field(
        10_000,
        description="Monte Carlo trials per carrier at each temperature at most; equilibration is detected.",
        examples=[10_000],
    )
    moves: Literal["single", "pairs"] = Field(
        "single",
        description="What is tried: carriers go anywhere, unlike carriers swap (`single`); or carriers hop too, and "
        "pairs that are bound move together (`pairs`), which brings bound carriers to equilibrium much sooner.",
        examples=["pairs"],
    )


EqualNetworks = Literal["equal"]
_NETWORKS = (
    "`equal`: equal numbers of a carrier in all parts of the supercell that its hops do not join (channels, layers), "
    "in every replica. Where the number of carriers is no multiple of the number of parts, the input is refused."
)


class AnnealedInput(Section):
    """Carriers start in a configuration that was annealed."""

    annealed: AnnealingInput = Field(description="How to anneal.", examples=[{"start_temperature": "2000 K"}])
    networks: EqualNetworks | None = Field(
        None, description=_NETWORKS + " Annealing keeps them.", examples=["equal"]
    )


class NetworksInput(Section):
    """Carriers start on random sites, as many in each network."""

    networks: EqualNetworks = Field(description=_NETWORKS, examples=["equal"])


def _start_kind(given: object) -> str:
    if isinstance(given, dict):
        return next((k for k in ("ordered", "annealed", "given", "networks") if k in given), "given")
    return "word"


StartInput = Annotated[
    Annotated[Literal["random", "annealed"], Tag("word")]
    | Annotated[GivenSitesInput, Tag("given")]
    | Annotated[SitePatternInput, Tag("ordered")]
    | Annotated[AnnealedInput, Tag("annealed")]
    | Annotated[NetworksInput, Tag("networks")],
    Discriminator(_start_kind),
    keys_among("ordered", "annealed", "given", "networks", together=({"annealed", "networks"},)),
]
Starts = Annotated[dict[Name, StartInput], Field(min_length=1)]
_EACH = (
    "Carrier -> its own start: `random`, `annealed` (with the others held where they start), `{annealed: ...}`, "
    "`{given: [...]}`, `{ordered: {block, places: [...]}}` or `{networks: equal}`."
)


class EachInput(Section):
    """Each carrier has a start of its own."""

    carriers: Starts = Field(
        description=_EACH + " Every carrier that hops is named.",
        examples=[{"ion": {"ordered": {"block": [1, 1, 1], "places": [[0, 0, 0]]}}, "polaron": "annealed"}],
    )


class TwoPhases(Section):
    """One part of the supercell holds all carriers, the other none; two planes part them."""

    normal: Annotated[
        Annotated[Literal["a", "b", "c"], Tag("axis")]
        | Annotated[list[Annotated[int, Whole(-9, 9)]], Field(min_length=3, max_length=3), Tag("indices")],
        by_shape(axis=str, indices=list),
    ] = Field(
        description="Miller indices of the planes, or a, b, c for [1, 0, 0], [0, 1, 0], [0, 0, 1].",
        examples=["a", [1, 0, 0]],
    )
    cut: Annotated[
        Annotated[Literal["nonpolar", "cells"], Tag("word")] | Annotated[FiniteFloat, Tag("height")],
        by_shape(word=str, height=(int, float)),
    ] = Field(
        "nonpolar",
        description="Where the full part begins. `nonpolar`: where its dipole along the normal is smallest, and of "
        "such cuts where the Coulomb energy is lowest. `cells`: at the origin of a cell. A number: so many spacings of "
        "the planes (cells along the axis) from the origin.",
        examples=["nonpolar", 0.25],
    )
    split: Name | None = Field(
        None,
        description="With `cut: nonpolar`: the carrier whose layers at both borders are filled in part, those of the "
        "others whole.",
        examples=["ion"],
    )


class TwoPhaseInput(Section):
    """A full phase beside an empty one. How thick the full one is follows from the numbers of the carriers."""

    two_phase: TwoPhases = Field(
        description="The planes between them. It places all carriers that hop and those that are frozen, but those "
        "under `carriers`.",
        examples=[{"normal": "a", "cut": "nonpolar"}],
    )
    carriers: Starts | None = Field(None, description=_EACH, examples=[{"polaron": "annealed"}])


_KEYS = ("two_phase", "ordered", "annealed", "given", "networks", "carriers")


def _initial_kind(given: object) -> str:
    if isinstance(given, dict):
        return next((k for k in _KEYS if k in given), "given")
    return "word"


InitialInput = Annotated[
    Annotated[Literal["random", "annealed"], Tag("word")]
    | Annotated[GivenInput, Tag("given")]
    | Annotated[OrderedInput, Tag("ordered")]
    | Annotated[AnnealedInput, Tag("annealed")]
    | Annotated[NetworksInput, Tag("networks")]
    | Annotated[TwoPhaseInput, Tag("two_phase")]
    | Annotated[EachInput, Tag("carriers")],
    Discriminator(_initial_kind),
    keys_among(*_KEYS, together=({"annealed", "networks"}, {"carriers", "two_phase"})),
]
