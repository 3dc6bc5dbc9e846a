"""The crystal and its carriers."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, Tag

from .amounts import Count, Fraction
from .base import (
    Angle,
    Area,
    FileName,
    Flag,
    Length,
    Name,
    Position,
    Quantity,
    Section,
    Text,
    Vector,
    Whole,
    by_shape,
    exactly_one,
)
from .disorder import ArrangementInput

__all__ = ["CarrierInput", "LatticeInput", "StructureInput"]


class LatticeInput(Section):
    """Cell: lengths and angles (a along x, b in the xy plane), or its three vectors."""

    a: Length | None = Field(
        None, description="Length of the first cell vector.", examples=[2.665, "4.165 Å"]
    )
    b: Length | None = Field(
        None,
        description="Length of the second cell vector. May be left out where the space group fixes it, or "
        "along an axis that is not periodic.",
        examples=[6.01],
    )
    c: Length | None = Field(None, description="Length of the third cell vector, as for b.", examples=[4.70])
    alpha: Angle | None = Field(None, description="Angle between b and c; 90 by default.", examples=[90])
    beta: Angle | None = Field(None, description="Angle between a and c; 90 by default.", examples=[101.5])
    gamma: Angle | None = Field(
        None,
        description="Angle between a and b; 90 by default (120 in hexagonal space groups).",
        examples=[120],
    )
    vectors: Annotated[list[Vector], Field(min_length=3, max_length=3)] | None = Field(
        None,
        description="The three cell vectors, Cartesian, in Å; instead of lengths and angles.",
        examples=[[[4.2, 0, 0], [0, 4.2, 0], [0, 0, 4.2]]],
    )


LabelChoice = Annotated[
    Annotated[Literal["element", "orbit", "file"], Tag("word")]
    | Annotated[dict[Name, list[Annotated[int, Whole(0, 10**6)]]], Tag("mapping")],
    by_shape(word=str, mapping=dict),
]


class StructureInput(Section):
    """Crystal and its labelled sites: a file, or a space group with a basis, or an explicit cell."""

    model_config = ConfigDict(
        json_schema_extra={
            "anyOf": [
                {"required": ["file"], "properties": {"file": {"type": "string"}}},
                {
                    "required": ["lattice", "sites"],
                    "properties": {"lattice": {"type": "object"}, "sites": {"type": "object"}},
                },
            ]
        }
    )

    file: FileName | None = Field(
        None,
        description="Structure file that pymatgen reads (CIF, POSCAR, ...), relative to the input file. "
        "A CIF cell is placed with a along x and b in the xy plane; other files keep their vectors.",
        examples=["LiFePO4.cif"],
    )
    labels: LabelChoice | None = Field(
        None,
        description="With `file`: what the sites are called. `element`: by element (default); `orbit`: element "
        "and number of the set of symmetry-equivalent sites (O1, O2, ...); `file`: labels of the file; or a "
        "mapping from a label to site indices in the file (from 0), all others keep their element.",
        examples=["orbit", {"Fe_a": [4, 5]}],
    )
    spacegroup: (
        Annotated[
            Annotated[Text, Tag("symbol")] | Annotated[Annotated[int, Whole(1, 230)], Tag("number")],
            by_shape(symbol=str, number=int),
        ]
        | None
    ) = Field(
        None,
        description="International symbol or number of the space group; `sites` then list one site per "
        "orbit. A setting may follow a colon (`Fd-3m:1`, `R-3m:R`); without it the standard setting holds, "
        "origin choice 2 and hexagonal axes.",
        examples=["Fm-3m", 225, "Fd-3m:1"],
    )
    lattice: LatticeInput | None = Field(
        None, description="The cell; not with `file`.", examples=[{"a": 4.165}]
    )
    sites: dict[Name, Annotated[list[Position], Field(min_length=1)]] | None = Field(
        None,
        description="Label -> list of fractional positions; fractions such as 1/3 are allowed. Not with `file`.",
        examples=[{"Mg": [[0, 0, 0]], "O": [[0.5, 0.5, 0.5]]}],
    )
    periodic: Annotated[list[Flag], Field(min_length=3, max_length=3)] = Field(
        [True, True, True],
        description="Whether the crystal repeats along a, b, c: three true for a crystal, two for a layer, one "
        "for a chain.",
        examples=[[True, False, False]],
    )
    cross_section: Area | None = Field(
        None, description="For a chain: area per chain, needed for a conductivity only.", examples=["52 Å^2"]
    )
    thickness: Length | None = Field(
        None, description="For a layer: its thickness, needed for a conductivity only.", examples=[3.35]
    )
    symmetry: Flag = Field(
        True,
        description="Whether hops are grouped with the space group of the labelled sites. False: each pair of "
        "sites is a class of its own.",
        examples=[False],
    )
    symprec: Annotated[float, Quantity(dimension="length", ge=1e-9, le=1)] = Field(
        1e-3,
        description="Tolerance of the symmetry search. Raise it for relaxed structures that are slightly off.",
        examples=[0.01],
    )


class CarrierInput(Section):
    """A species of carrier: an ion, a vacancy or a polaron. Give `count` or `fraction`."""

    model_config = exactly_one("count", "fraction")

    charge: Annotated[float, Quantity(dimension="charge", ge=-100, le=100)] = Field(
        description="Charge that one carrier transports, in e; 0 for a neutral one, which feels no field.",
        examples=[1, -1, 0],
    )
    sites: Annotated[list[Name], Field(min_length=1)] = Field(
        description="Labels of the sites that the carrier may occupy.", examples=[["O"]]
    )
    count: Count | None = Field(
        None,
        description="Number of carriers in the supercell; or an expression of the names of "
        "`conditions.composition`.",
        examples=[1, "2*n"],
    )
    fraction: Fraction | None = Field(
        None,
        description="Share of its sites in the supercell that are occupied; rounded to a whole number, at "
        "least 1. Or an expression of the names of `conditions.composition`.",
        examples=[0.001, "0.1 %", "x/4"],
    )
    immobile: Flag = Field(
        False,
        description="True for a species that never hops, a dopant say: it takes its sites, counts in energies and in "
        "`surroundings`, and has no transport coefficients.",
        examples=[True],
    )
    arrangement: ArrangementInput | None = Field(
        None,
        description="Where an immobile species sits, or one that `freeze` holds still, the same in all replicas and at "
        "all points: `random` (default), `{random: {salt: 7}}`, `{given: ...}`, `{ordered: ...}`, or "
        "`{annealed: {temperature: ...}}`.",
        examples=[{"annealed": {"temperature": "1500 K"}}, {"random": {"salt": 7}}],
    )
    site_dipoles: Literal["solve"] | dict[Name, Vector] | None = Field(
        None,
        description="Dipole of the carrier on its sites, in e·Å, Cartesian, by label: that of the label's first site; "
        "others by symmetry. It moves the charge centre by dipole/charge. `solve`: from the hops' saddle dipoles.",
        examples=["solve", {"O": [0.1, 0, 0]}],
    )
