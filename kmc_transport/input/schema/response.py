"""How a hop answers the field: dipoles, files, the point-charge picture."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag

from .barriers import Files
from .base import FileName, FiniteFloat, Flag, Quantity, Section, Vector, Whole, key_error

__all__ = [
    "ClassicalResponse",
    "FieldDipole",
    "FieldEquivalentCharge",
    "FieldFiles",
    "FieldMagnitude",
    "FieldResponse",
]


class FieldGiven(Section):
    """What every response to the field may say."""

    hop: Vector | None = Field(
        None,
        description="The hop it belongs to, Cartesian, in Å; by default the one that `check` shows for the class.",
        examples=[[0, 2.0825, 2.0825]],
    )
    from_: Annotated[int, Whole()] | None = Field(
        None,
        alias="from",
        description="Site that this hop starts from, as `check` counts them; needed where the same vector leaves "
        "sites that are not turned alike.",
        examples=[4],
    )
    tolerance: Annotated[float, Quantity(dimension="fraction", ge=0, le=1)] = Field(
        0.05,
        description="Largest correction by symmetry, relative to the dipole; beyond it the response is refused.",
        examples=["5 %"],
    )


class FieldDipole(FieldGiven):
    """Response to the field: the dipole change up to the saddle."""

    dipole: Vector = Field(description="p_S - p_i, Cartesian, in e·Å.", examples=[[0, 1.45, 1.45]])


class FieldEquivalentCharge(FieldGiven):
    """Response to the field: equivalent charge times the migrating atom's displacement to the saddle."""

    q_eqv: FiniteFloat = Field(description="Q_eqv along d_ma, in e (Salles 2020, eq 8).", examples=[-2.07])
    d_ma: Vector = Field(
        description="Displacement of the migrating atom to the saddle, Cartesian, in Å; a vacancy moves the other way.",
        examples=[[0, -0.99, -0.99]],
    )


class FieldMagnitude(FieldGiven):
    """Response to the field: size of the dipole change up to the saddle, along the way of the charge."""

    magnitude: Annotated[FiniteFloat, Field(ge=1e-9)] = Field(
        description="|p_S - p_i| in e·Å, along the displacement of the charge centre; half the whole hop where that "
        "agrees within the tolerance. Beside `site_dipoles: solve` it is what they are solved for.",
        examples=[2.4],
    )


class FieldFiles(FieldGiven):
    """Response to the field, read from Born charges or Berry phases of the hop's images."""

    start: FileName = Field(
        description="Structure of the start of the hop, a file relative to the input.",
        examples=["start/CONTCAR"],
    )
    saddle: FileName = Field(description="Structure of the saddle.", examples=["saddle/CONTCAR"])
    path: Files | None = Field(
        None,
        description="Structures of all images from the start to the end of the hop, for more than two of them.",
        examples=[["00/POSCAR", "01/CONTCAR", "02/POSCAR"]],
    )
    born: Files | None = Field(
        None,
        description="Files with Born charges of the start (eq 5) and of further images (eq 4).",
        examples=[["start/OUTCAR", "saddle/OUTCAR"]],
    )
    berry: Files | None = Field(
        None,
        description="OUTCARs with Berry-phase dipoles of the images, in any order.",
        examples=[["00/OUTCAR", "01/OUTCAR"]],
    )
    level: Literal["best", "berry", "path_integral", "constant", "isotropic", "migrating_atom"] = Field(
        "best",
        description="Level of approximation; `best` is the first of the others that the files allow.",
        examples=["path_integral"],
    )
    spread_sum_rule: Flag = Field(
        False,
        description="Make the Born charges of each image sum to the charge of the cell.",
        examples=[True],
    )
    cell_charge: FiniteFloat | None = Field(
        None, description="Charge of the files' cell, in e, where they do not say it.", examples=[2]
    )
    migrating_atom: Annotated[int, Whole()] | None = Field(
        None,
        description="Atom that migrates, counted from 0; by default the one that moves farthest.",
        examples=[32],
    )


LengthOrVector = Annotated[
    Annotated[float, Quantity(dimension="length", ge=1e-6, le=100), Tag("length")]
    | Annotated[Vector, Tag("vector")],
    Discriminator(lambda given: "vector" if isinstance(given, list) else "length"),
]


class ClassicalResponse(Section):
    """The point-charge picture, for comparison: nominal charge times the migrating atom's displacement to the saddle.

    It is taken for both halves of the hop, W = 2 W_S (Salles 2020, eq 1). Used with `--classical` or
    `field_response: classical` alone; no check of symmetry, loops or the Einstein relation can hold for it.
    """

    charge: FiniteFloat = Field(
        description="Nominal charge (oxidation number) of the migrating atom, in e.", examples=[-2]
    )
    d_ma: LengthOrVector = Field(
        description="Displacement of the migrating atom to the saddle: its length in Å (taken along the hop), or the "
        "Cartesian vector.",
        examples=[1.4],
    )
    hop: Vector | None = Field(
        None,
        description="With a vector: the hop it belongs to, Cartesian, in Å; by default the one that `check` shows.",
        examples=[[0, 2.0825, 2.0825]],
    )
    from_: Annotated[int, Whole()] | None = Field(
        None,
        alias="from",
        description="Site that this hop starts from, as `check` counts them; needed where the same vector leaves "
        "sites that are not turned alike.",
        examples=[4],
    )


_FORMS = {
    "dipole": {"dipole"},
    "q_eqv": {"q_eqv", "d_ma"},
    "magnitude": {"magnitude"},
    "files": {"start", "saddle", "path"},
}


def _one_response(given: object) -> object:
    """Refuse keys of two forms before the form is chosen."""
    if isinstance(given, dict):
        named = [name for name, own in _FORMS.items() if own & set(given)]
        if len(named) > 1:
            raise key_error(
                f"this mixes {' and '.join(named)}",
                "one of {dipole}, {q_eqv, d_ma}, {magnitude}, {start, saddle, born or berry}, midpoint, classical",
                "give one of them",
            )
    return given


def _which_response(given: object) -> str:
    if isinstance(given, str):
        return "named"
    keys = set(given) if isinstance(given, dict) else set()
    for tag, own in (
        ("from_q_eqv", {"q_eqv", "d_ma"}),
        ("from_files", {"born", "berry", "start", "path"}),
        ("from_magnitude", {"magnitude"}),
    ):
        if keys & own:
            return tag
    return "from_dipole"


FieldResponse = Annotated[
    Annotated[FieldDipole, Tag("from_dipole")]
    | Annotated[FieldEquivalentCharge, Tag("from_q_eqv")]
    | Annotated[FieldMagnitude, Tag("from_magnitude")]
    | Annotated[FieldFiles, Tag("from_files")]
    | Annotated[Literal["midpoint", "classical"], Tag("named")],
    Discriminator(_which_response),
    BeforeValidator(_one_response),
]
