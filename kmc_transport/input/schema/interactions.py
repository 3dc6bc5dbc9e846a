"""Energies of interacting carriers, and what surrounds a hop."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from pydantic import BeforeValidator, Discriminator, Field, Tag

from .base import (
    CellOffset,
    Energy,
    FiniteFloat,
    Flag,
    Name,
    Position,
    Quantity,
    Section,
    Text,
    Vector,
    Whole,
    by_shape,
    exactly_one,
    key_error,
)

__all__ = [
    "ClusterInput",
    "CoulombInput",
    "CounterInput",
    "EnvironmentRow",
    "ExpansionTerm",
    "InteractionsInput",
    "Labels",
    "MemberInput",
    "PairInput",
    "PlaceInput",
    "ShellTerm",
    "SurroundingsInput",
]

Reach = Annotated[float, Quantity(dimension="length", ge=0.01, le=200)]
Window = Annotated[
    Annotated[Reach, Tag("value")]
    | Annotated[
        list[Annotated[float, Quantity(dimension="length", ge=0, le=200)]],
        Field(min_length=2, max_length=2),
        Tag("window"),
    ],
    by_shape(value=(int, float, str), window=list),
]
Labels = Annotated[list[Name], Field(min_length=1)]
_TOLERANCE = "With a single `distance`: how far a pair may be off it, in Å."


class PairInput(Section):
    """Energy of two carriers on sites at some distance, by shell or by class of pairs."""

    model_config = exactly_one("distance", "shell")

    between: Annotated[list[Name], Field(min_length=2, max_length=2)] = Field(
        description="The two carriers; twice the same name for a species with itself.",
        examples=[["ion", "polaron"]],
    )
    sites: Annotated[list[Name], Field(min_length=2, max_length=2)] | None = Field(
        None,
        description="Labels of the sites that the first and the second carrier sit on; needed where a carrier may sit "
        "on several.",
        examples=[["Na", "Mn"]],
    )
    distance: Window | None = Field(
        None,
        description="Distance of the two sites, or a window [shortest, longest], in Å. Give `distance` or `shell`.",
        examples=[3.28, [3.4, 3.7]],
    )
    tolerance: Annotated[float, Quantity(dimension="length", ge=1e-9, le=5)] = Field(
        0.02, description=_TOLERANCE, examples=[0.05]
    )
    shell: Annotated[int, Whole(1, 100)] | None = Field(
        None,
        description="Number of the distance shell, 1 is the nearest; distances within 1e-3 Å are one shell.",
        examples=[1],
    )
    energy: Energy | None = Field(
        None,
        description="Energy of each such pair, in eV; negative attracts. Give `energy` or `classes`.",
        examples=["-80 meV"],
    )
    classes: (
        Annotated[
            Annotated[Literal["all"], Tag("word")] | Annotated[dict[Text, Energy], Tag("by_class")],
            by_shape(word=str, by_class=dict),
        ]
        | None
    ) = Field(
        None,
        description="Pairs that symmetry does not relate, of equal length or in one window, are classes 1, 2, ... as "
        "`check` and the error message list them: class -> energy (0 for those left out), or `all` to give "
        "`energy` to all of them.",
        examples=["all", {"1": "-80 meV", "2": "-60 meV"}],
    )


class PlaceInput(Section):
    """A site: by label and index, or by its fractional position."""

    model_config = exactly_one("site", "position")

    site: Name | None = Field(None, description="Label of the site.", examples=["Na"])
    index: Annotated[int, Whole()] = Field(
        0, description="Index among the sites of this label in the cell, from 0.", examples=[1]
    )
    cell: CellOffset = Field(
        [0, 0, 0], description="Cell that the site lies in, counted along a, b, c.", examples=[[1, 0, 0]]
    )
    position: Position | None = Field(
        None,
        description="Instead of `site`: fractional position of the site, in any cell, within 0.05 Å.",
        examples=[[1, 0, "1/2"]],
    )


class MemberInput(PlaceInput):
    """One site of a cluster with the carrier that must sit on it."""

    carrier: Name = Field(description="Name of the carrier.", examples=["ion"])


class ClusterInput(Section):
    """A cluster of sites that adds its energy when all its members are there; the space group repeats it."""

    name: Name | None = Field(
        None,
        description="Name of the orbit, for tables; made from its carriers when left out.",
        examples=["triplet_1"],
    )
    members: Annotated[list[MemberInput], Field(min_length=2, max_length=12)] = Field(
        description="Sites and carriers of one cluster of the orbit, two or more.",
        examples=[
            [{"carrier": "ion", "site": "Na"}, {"carrier": "ion", "site": "Na", "cell": [1, 0, 0]}],
        ],
    )
    energy: Energy = Field(
        description="Coefficient of the product of occupations (0 or 1), for each cluster of the orbit, in eV: the "
        "effective cluster interaction, not multiplied by a multiplicity.",
        examples=["20 meV"],
    )
    multiplicity: Annotated[int, Whole(1)] | None = Field(
        None,
        description="Clusters of the orbit per cell, as another code says; a different number is refused.",
        examples=[6],
    )


_WEAKEST, _STRONGEST = 1e-3, 1e9
"""Bounds of a relative permittivity."""
_Permittivity = Annotated[float, Field(ge=_WEAKEST, le=_STRONGEST)]


def _is_number(given: object) -> bool:
    return isinstance(given, int | float) and not isinstance(given, bool)


def _permittivity(given: object) -> object:
    diagonal = given if isinstance(given, list) else [given] * 3
    if len(diagonal) == 3 and all(map(_is_number, diagonal)):
        given = [[float(x) if i == j else 0.0 for j in range(3)] for i, x in enumerate(diagonal)]
    if not (
        isinstance(given, list)
        and len(given) == 3
        and all(isinstance(r, list) and len(r) == 3 and all(map(_is_number, r)) for r in given)
    ):
        raise key_error(
            "must be a relative permittivity",
            "a number, three numbers (diagonal) or a symmetric 3 x 3 tensor",
        )

    tensor = np.array(given, float)
    allowed = f"{_WEAKEST:g} to {_STRONGEST:g}, 1 in vacuum"
    if not (np.abs(tensor) <= _STRONGEST).all():
        raise key_error("this is no relative permittivity", allowed)
    if not np.allclose(tensor, tensor.T, rtol=1e-6, atol=1e-9):
        raise key_error("a permittivity tensor is symmetric", "the same numbers above and below the diagonal")
    if np.linalg.eigvalsh(tensor).min() < _WEAKEST:
        raise key_error("a permittivity tensor has positive eigenvalues", allowed)
    return tensor.tolist()


Permittivity = Annotated[
    list[list[FiniteFloat]],
    BeforeValidator(
        _permittivity,
        json_schema_input_type=_Permittivity
        | Annotated[list[_Permittivity], Field(min_length=3, max_length=3)]
        | Annotated[list[Vector], Field(min_length=3, max_length=3)],
    ),
]


class CoulombInput(Section):
    """Coulomb energy of the carriers' charges, screened by the crystal."""

    method: Literal["ewald", "cutoff"] = Field(
        "ewald",
        description="`ewald`: all periodic images, tin-foil boundary, a neutralising background when the carriers' "
        "charges do not add up to zero. `cutoff`: pairs up to `cutoff`, shifted so that the energy is zero there.",
        examples=["cutoff"],
    )
    permittivity: Permittivity = Field(
        description="Relative permittivity of what is left of the crystal (electrons, and ions that are no carriers): "
        "a number, three numbers (diagonal tensor along x, y, z), or a symmetric 3 x 3 tensor, Cartesian.",
        examples=[10, [[12, 0, 0], [0, 12, 0], [0, 0, 8]]],
    )
    cutoff: Reach | None = Field(
        None, description="With `method: cutoff`: largest distance, in Å.", examples=["12 Å"]
    )
    accuracy: Annotated[float, Quantity(dimension="energy", ge=1e-13, le=1e-3)] = Field(
        1e-10,
        description="With `method: ewald`: largest error of the energy of two unit charges at permittivity 1, in eV.",
        examples=[1e-8],
    )
    neutral: Flag = Field(
        False,
        description="True: refuse carriers whose charges do not add up to zero; otherwise a note says so.",
        examples=[True],
    )


class InteractionsInput(Section):
    """Energies of carriers with each other. All parts add up; each adds to the site energies."""

    pairs: list[PairInput] = Field(
        default_factory=list,
        description="Energies of pairs of carriers. With `coulomb` they are corrections on top of it.",
        examples=[[{"between": ["ion", "ion"], "shell": 1, "energy": "30 meV"}]],
    )
    clusters: list[ClusterInput] = Field(
        default_factory=list,
        description="Energies of two or more carriers on given sites: a cluster expansion in products of occupations.",
        examples=[
            [
                {
                    "members": [{"carrier": "ion", "site": "Na"}, {"carrier": "polaron", "site": "Mn"}],
                    "energy": "-20 meV",
                }
            ]
        ],
    )
    coulomb: CoulombInput | None = Field(
        None,
        description="Coulomb energy between all carriers.",
        examples=[{"method": "ewald", "permittivity": 10}],
    )


class CounterInput(Section):
    """Counts the carriers of one species on the sites of a shell round the hop; its two ends never count."""

    carrier: Name = Field(description="Name of the carrier that is counted.", examples=["polaron"])
    sites: Labels | None = Field(
        None,
        description="Labels of the sites; all that the carrier may occupy by default.",
        examples=[["Mn"]],
    )
    distance: Window = Field(
        description="Sites within this distance of the hop, or a window [shortest, longest], in Å.",
        examples=[3.2, [0, 3.5]],
    )
    from_: Literal["midpoint", "ends"] = Field(
        "midpoint",
        alias="from",
        description="Distance from the middle of the hop, or from the nearer of its ends.",
        examples=["ends"],
    )


class EnvironmentRow(Section):
    """One environment and its barrier."""

    counts: Annotated[list[Annotated[int, Whole()]], Field(min_length=1)] = Field(
        description="Number of carriers that each counter finds, in the order of `count`.", examples=[[1, 0]]
    )
    E_kra: Annotated[float, Quantity(dimension="energy", ge=0, le=50)] = Field(
        description="Kinetically resolved barrier in this environment, in eV.", examples=["0.28 eV"]
    )


class ExpansionTerm(Section):
    """Term of a local cluster expansion of the barrier: given sites round the first hop of the class."""

    members: Annotated[list[MemberInput], Field(min_length=1, max_length=12)] = Field(
        description="Sites and carriers; none is an end of the hop. They are placed relative to the hop that `check` "
        "shows for the class, whose origin lies in cell [0, 0, 0]; symmetry takes them to the other hops.",
        examples=[[{"carrier": "polaron", "position": [0.5, 0.25, 0]}]],
    )
    energy: Energy = Field(
        description="What the barrier gains when all members are there, in eV, the same both ways.",
        examples=["-15 meV"],
    )


class ShellTerm(CounterInput):
    """Term of a local cluster expansion of the barrier: each carrier in a shell round the hop adds its energy."""

    energy: Energy = Field(
        description="What the barrier gains for each carrier in the shell, in eV, the same both ways.",
        examples=["-15 meV"],
    )


LocalTerm = Annotated[
    Annotated[ExpansionTerm, Tag("cluster_term")] | Annotated[ShellTerm, Tag("shell_term")],
    Discriminator(
        lambda given: "cluster_term" if isinstance(given, dict) and "members" in given else "shell_term"
    ),
]


class SurroundingsInput(Section):
    """How the kinetically resolved barrier depends on the carriers round the hop: a table, an expansion, or both."""

    count: list[CounterInput] = Field(
        default_factory=list,
        description="What the table counts.",
        examples=[[{"carrier": "polaron", "distance": 3.2}]],
    )
    table: list[EnvironmentRow] = Field(
        default_factory=list,
        description="Barriers of the environments that are known; they replace E_kra.",
        examples=[[{"counts": [0], "E_kra": 0.30}, {"counts": [1], "E_kra": 0.26}]],
    )
    unlisted: Literal["error", "nearest", "default"] = Field(
        "error",
        description="Environments that the table does not list. `error`: refused when the input is read, naming those "
        "that can occur. `nearest`: the listed one with the least sum of differences of the counts, the mean of "
        "those equally near. `default`: E_kra of the rule.",
        examples=["nearest"],
    )
    expansion: list[LocalTerm] = Field(
        default_factory=list,
        description="Local cluster expansion: terms added to E_kra, or to the table's barrier.",
        examples=[[{"carrier": "polaron", "distance": 3.2, "energy": "-15 meV"}]],
    )
