"""Hops: where they lead, and their numbers."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag

from .barriers import BARRIER, BARRIER_EXAMPLES, Barrier
from .base import (
    CellOffset,
    Flag,
    Frequency,
    Name,
    PlainBarrier,
    Quantity,
    Section,
    Text,
    Vector,
    Whole,
    by_shape,
    exactly_one,
)
from .frequencies import FREQUENCY, FREQUENCY_EXAMPLES, AttemptFrequencyInput
from .interactions import SurroundingsInput
from .response import ClassicalResponse, FieldResponse

__all__ = [
    "ClassNumbers",
    "HopInput",
    "HopNumbers",
    "HopVectorCartesian",
    "HopVectorSites",
    "PolaronInput",
    "SaddleInput",
]

Channels = Annotated[int, Whole(1, 1000)]
SaddlePlace = Annotated[float, Quantity(dimension="fraction", ge=0, le=1)]
_CHANNELS = "Number of equivalent saddles that join the same two sites; multiplies the rate."
_SADDLE = "Place of the saddle's charge centre along the forward hop, 0 to 1; the midpoint 0.5 is right \
whenever symmetry swaps the two ends."


class PolaronInput(Section):
    """What tells whether a small polaron's hop is adiabatic; reported, not used for the rate."""

    V_AB: PlainBarrier | None = Field(
        None,
        description="Electronic coupling of the two diabatic states, in eV; or give `dE_12`.",
        examples=["0.2 eV"],
    )
    dE_12: PlainBarrier | None = Field(
        None,
        description="Splitting of the adiabatic states at the crossing, in eV: V_AB = dE_12/2 (Mulliken-Hush).",
        examples=["1.73 eV"],
    )
    reorganisation_energy: PlainBarrier | None = Field(
        None,
        alias="lambda",
        description="Reorganisation energy, in eV. Left out, it is derived from the barrier and V_AB.",
        examples=["1.0 eV"],
    )
    phonon_frequency: Frequency | None = Field(
        None,
        description="Frequency of the phonon that drives the hop, in Hz; by default the attempt frequency.",
        examples=["15 THz"],
    )


class HopNumbers(Section):
    """Numbers of a hop; what is left out is taken from the hop entry that it belongs to."""

    barrier: Barrier | None = Field(None, description=BARRIER, examples=BARRIER_EXAMPLES)
    attempt_frequency: AttemptFrequencyInput | None = Field(
        None, description=FREQUENCY, examples=FREQUENCY_EXAMPLES
    )
    zero_point: Literal["bare", "included", "add"] | None = Field(
        None,
        description="Whether the barrier holds the zero-point energy: `bare`, `included`, or `add`: it is bare and "
        "the program adds the difference (with the approximate form of koettgen). A barrier read from a path is "
        "bare unless this says otherwise.",
        examples=["bare"],
    )
    channels: Channels | None = Field(None, description=_CHANNELS + " Default 1.", examples=[2])
    field_response: FieldResponse | None = Field(
        None,
        description="Work of the field up to the saddle: `midpoint` (default), `{dipole}`, `{q_eqv, d_ma}`, "
        "`{magnitude}`, `{start, saddle, born or berry}` to read it, or `classical`. It turns with symmetry and never "
        "enters the work of the whole hop.",
        examples=[{"q_eqv": -2.07, "d_ma": [0, -0.99, -0.99]}],
    )
    classical_response: ClassicalResponse | None = Field(
        None,
        description="The point-charge picture of the hop, for comparison with `--classical`.",
        examples=[{"charge": -2, "d_ma": 1.4}],
    )
    polaron: PolaronInput | None = Field(
        None,
        description="For small polarons: coupling and phonons, from which the regime of the hop is reported.",
        examples=[{"dE_12": "1.73 eV", "phonon_frequency": "15 THz"}],
    )
    saddle: SaddlePlace | None = Field(None, description=_SADDLE + " Default 0.5.", examples=[0.4])
    surroundings: SurroundingsInput | None = Field(
        None,
        description="With the rule kra: how the barrier depends on the carriers round the hop.",
        examples=[
            {
                "count": [{"carrier": "polaron", "distance": 3.2}],
                "table": [{"counts": [0], "E_kra": 0.3}, {"counts": [1], "E_kra": 0.26}],
                "unlisted": "nearest",
            }
        ],
    )


class SaddleInput(HopNumbers):
    """One of several saddles that join the same two sites; their rates add up."""

    name: Name = Field(description="Name of the saddle, part of the hop class's name.", examples=["3NN_a"])
    use: Flag = Field(
        True,
        description="False: a candidate that is not simulated, but ranked beside the others by `catalog`.",
        examples=[False],
    )


Saddles = Annotated[list[SaddleInput], Field(min_length=1)]
_SADDLES = "Alternative saddles between the same two sites, each with what differs from the entry."


class ClassNumbers(HopNumbers):
    """What differs for one of several symmetry-distinct classes of a hop entry."""

    saddles: Saddles | None = Field(None, description=_SADDLES, examples=[[{"name": "a", "barrier": 0.3}]])
    omit: Flag = Field(False, description="Leave this class out; it is listed in the notes.", examples=[True])


HopLength = Annotated[float, Quantity(dimension="length", ge=0.01, le=50)]


class HopVectorSites(Section):
    """A hop between two named sites of the cell."""

    from_: Annotated[int, Whole()] = Field(
        0, alias="from", description="Index of the site among those of the first label, from 0.", examples=[0]
    )
    to: Annotated[int, Whole()] = Field(
        0, description="Index of the site among those of the second label, from 0.", examples=[1]
    )
    cell: CellOffset = Field(
        [0, 0, 0], description="Cell of the target, counted from the origin's.", examples=[[1, 0, 0]]
    )


class HopVectorCartesian(Section):
    """A hop along a Cartesian vector; a site of the second label must lie at its end."""

    from_: Annotated[int, Whole()] = Field(
        0, alias="from", description="Index of the site among those of the first label, from 0.", examples=[0]
    )
    cartesian: Vector = Field(
        description="Vector from the first site to the second, in Å.", examples=[[0, 2.945, 0]]
    )


def _vector_shape(given: object) -> str:
    if isinstance(given, dict):
        return "cartesian_vector" if "cartesian" in given else "site_to_site"
    return "cell_offset"


HopVector = Annotated[
    Annotated[CellOffset, Tag("cell_offset")]
    | Annotated[HopVectorSites, Tag("site_to_site")]
    | Annotated[HopVectorCartesian, Tag("cartesian_vector")],
    Discriminator(_vector_shape),
]


class HopInput(HopNumbers):
    """Hops of one carrier between two labels, and how the pairs of sites are found."""

    model_config = exactly_one("distance", "vectors")

    carrier: Name = Field(description="Name of the carrier.", examples=["oxygen_vacancy"])
    between: Annotated[list[Name], Field(min_length=2, max_length=2)] = Field(
        description="Labels [from, to] of the forward hop. The reverse hop is always made too.",
        examples=[["O", "O"]],
    )
    distance: (
        Annotated[
            Annotated[HopLength, Tag("value")]
            | Annotated[list[HopLength], Field(min_length=2, max_length=2), Tag("window")],
            by_shape(value=(int, float, str), window=list),
        ]
        | None
    ) = Field(
        None,
        description="Length of the hops, or a window [shortest, longest], in Å. All periodic images within it "
        "are found and grouped into classes by symmetry. Give `distance` or `vectors`.",
        examples=[2.945, [2.6, 2.7]],
    )
    tolerance: Annotated[float, Quantity(dimension="length", ge=1e-9, le=5)] = Field(
        0.02, description="With a single `distance`: how far a hop may be off it, in Å.", examples=[0.05]
    )
    vectors: Annotated[list[HopVector], Field(min_length=1)] | None = Field(
        None,
        description="Explicit hops: a cell offset [i, j, k] between the first sites of the two labels, or "
        "`{from, to, cell}` with site indices within the labels, or `{from, cartesian}`. They are taken as they "
        "stand, symmetry adds none.",
        examples=[[[1, 0, 0]], [{"from": 0, "to": 1, "cell": [0, 0, 0]}]],
    )
    saddles: Saddles | None = Field(
        None, description=_SADDLES, examples=[[{"name": "3NN_a"}, {"name": "3NN_b"}]]
    )
    classes: dict[Text, ClassNumbers] | None = Field(
        None,
        description="Numbers for single classes when the pairs fall into several: key 1 is the shortest of this "
        "entry, or the full name that `check` shows.",
        examples=[{"1": {"barrier": 0.2}, "2": {"barrier": 0.3}}],
    )
