"""What to count of how species move together."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from .base import Duration, Length, Name, Section

__all__ = [
    "AnalysisInput",
    "FlipPairsInput",
]


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


class AnalysisInput(Section):
    """What to count of how species move together, hop by hop, while it runs."""

    flip_pairs: FlipPairsInput | None = Field(
        None,
        description="Opposite and same flips by time lag and distance.",
        examples=[{"lags": ["1 ps", "10 ps"], "distances": [3.5, 4.3]}],
    )
