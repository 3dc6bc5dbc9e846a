"""What to count of how species move together."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from .base import Duration, Flag, Length, Name, Section, Whole

__all__ = [
    "AnalysisInput",
    "BindingInput",
    "EnvironmentInput",
    "FlipPairsInput",
    "ProfileInput",
]

Borders = Annotated[list[Length], Field(min_length=2, max_length=2)]


class FlipPairsInput(Section):
    """Pairs of flips (a site gains or loses a carrier) by the time and the distance between them."""

    carriers: Annotated[list[Name], Field(min_length=1)] | None = Field(
        None,
        description="Species whose flips are paired, with their own and with each other's; all by default.",
        examples=[["polaron"]],
    )
    lags: Annotated[list[Duration], Field(min_length=1, max_length=40)] = Field(
        description="Ends of the windows of time lag, ascending, in s; the first window begins at 0.",
        examples=[["1 ps", "3 ps", "10 ps"]],
    )
    distances: Annotated[list[Length], Field(min_length=2, max_length=40)] = Field(
        description="Borders of the windows of distance between the two sites, ascending, in Å.",
        examples=[["3.5 Å", "4.3 Å"]],
    )


class BindingInput(Section):
    """How two species stay together: pair correlation, bound fraction, lifetime of a pair."""

    between: Annotated[list[Name], Field(min_length=2, max_length=2)] = Field(
        description="The two species; one name twice for pairs of one species.", examples=[["Li", "polaron"]]
    )
    contact: Length = Field(description="Two carriers nearer than this, in Å, are bound.", examples=["3.4 Å"])
    reach: Length | None = Field(
        None,
        description="How far the pair correlation goes, in Å; three times `contact` by default.",
        examples=["10 Å"],
    )


class EnvironmentInput(Section):
    """Flips of one species by the carriers of another one that are around."""

    carrier: Name = Field(description="Species whose flips are counted.", examples=["polaron"])
    by: Name = Field(description="Species whose carriers around make the environment.", examples=["Li"])
    shells: Annotated[list[Borders], Field(min_length=1, max_length=6)] = Field(
        description="Windows of distance, in Å; an environment is the number of carriers in each of them.",
        examples=[[["3.2 Å", "3.4 Å"], ["3.4 Å", "3.7 Å"]]],
    )
    arrangement: Flag = Field(
        False,
        description="Tell apart equal numbers whose carriers stand at other distances from each other, too.",
        examples=[True],
    )


class ProfileInput(Section):
    """Occupation and flip rate along an axis of the supercell, and where an interface is."""

    axis: Literal["a", "b", "c"] = Field(description="Axis of the cell.", examples=["a"])
    layers_per_cell: Annotated[int, Whole(1, 100)] = Field(
        1, description="Layers of equal width in each cell.", examples=[2]
    )


class AnalysisInput(Section):
    """What to count of how species move together, hop by hop, while it runs."""

    flip_pairs: FlipPairsInput | None = Field(
        None,
        description="Opposite and same flips by time lag and distance.",
        examples=[{"lags": ["1 ps", "10 ps"], "distances": [3.5, 4.3]}],
    )
    binding: list[BindingInput] = Field(
        default_factory=list,
        description="Pair correlation, bound fraction, binding free energy, lifetimes.",
        examples=[[{"between": ["Li", "polaron"], "contact": "3.4 Å"}]],
    )
    environments: list[EnvironmentInput] = Field(
        default_factory=list,
        description="Flip rates by local environment.",
        examples=[[{"carrier": "polaron", "by": "Li", "shells": [[3.2, 3.4]]}]],
    )
    profile: ProfileInput | None = Field(
        None, description="Layers along an axis.", examples=[{"axis": "a", "layers_per_cell": 2}]
    )
