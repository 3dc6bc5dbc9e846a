"""A hop's barrier: numbers, a path that a code wrote, a rule."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag

from .base import (
    FileName,
    Flag,
    Name,
    PlainBarrier,
    Section,
    SmallEnergy,
    Text,
    UncertainBarrier,
    Whole,
    key_error,
)

__all__ = [
    "BARRIER",
    "BARRIER_EXAMPLES",
    "Barrier",
    "BarrierFromRule",
    "BarrierPair",
    "BarrierPath",
    "Files",
    "ReconcileInput",
    "keyed",
]


class BarrierPair(Section):
    """Barriers of the two directions of `between: [from, to]`."""

    forward: UncertainBarrier = Field(
        description="Barrier of the hop from the first label to the second, in eV; its uncertainty holds for "
        "both directions.",
        examples=["0.30 ± 0.05 eV"],
    )
    reverse: PlainBarrier = Field(description="Barrier of the reverse hop, in eV.", examples=["0.20 eV"])


class ReconcileInput(Section):
    """Adjust forward and reverse barriers so that they close every loop of hops, as detailed balance asks."""

    within: SmallEnergy = Field(
        description="Largest change of a barrier or a given site energy, in eV; larger ones are refused.",
        examples=["30 meV"],
    )
    uncertainty: SmallEnergy = Field(
        0.03,
        description="Standard uncertainty, in eV, of barriers that state none (`0.30 ± 0.05 eV` does) and of given "
        "site energies. Numbers change in proportion to the squares of their uncertainties.",
        examples=["20 meV"],
    )


Files = Annotated[
    list[FileName],
    BeforeValidator(
        lambda given: [given] if isinstance(given, str) else given,
        json_schema_input_type=FileName | list[FileName],
    ),
    Field(min_length=1),
]
"""One file, or a list of them."""


class BarrierPath(Section):
    """Barriers of both directions read from a path (NEB or interpolated) that a code wrote."""

    path: Files = Field(
        description="File or folder, relative to the input file: VASP image folders, a NEBAnalysis JSON, neb.x "
        "of Quantum ESPRESSO, an ASE trajectory or database, a table; or a list of outputs, one for each image.",
        examples=["neb/", "pwscf.path", ["start.out", "saddle.out", "end.out"]],
    )
    kind: Literal["auto", "vasp", "neb_analysis", "qe", "ase", "table"] = Field(
        "auto", description="What wrote it; told from the content by default.", examples=["vasp"]
    )
    key: Text | None = Field(
        None, description="Which images of an ASE file: a slice or a selection.", examples=["path=hop1"]
    )
    saddle_by_symmetry: Flag = Field(
        False, description="The images are start and saddle alone; symmetry tells the rest.", examples=[True]
    )
    migrating_atom: Annotated[int, Whole()] | None = Field(
        None,
        description="Index of the migrating atom, from 0; by default the one that moves most.",
        examples=[12],
    )
    uncertainty: PlainBarrier | None = Field(
        None, description="Standard uncertainty of the barrier, in eV.", examples=["30 meV"]
    )


def _rule_parameter(given: object) -> object:
    if isinstance(given, bool) or not isinstance(given, int | float | str):
        raise key_error("must be a parameter of the rule", "a number, or a text with a unit")
    return given


RuleParameter = Annotated[Any, BeforeValidator(_rule_parameter, json_schema_input_type=float | str)]


class BarrierFromRule(BaseModel):
    """A barrier rule by name, with its parameters beside it (see the theory page on barrier rules)."""

    model_config = ConfigDict(
        extra="allow",
        frozen=True,
        json_schema_extra={"not": {"required": ["path"]}},  # that is a `BarrierPath`
    )
    __pydantic_extra__: dict[str, RuleParameter]

    rule: Name = Field(
        description="Name of the rule: kra, miller_abrahams, metropolis, heat_bath, marcus_adiabatic, "
        "marcus_adiabatic_approximate, marcus_nonadiabatic, landau_zener, or one registered by another package.",
        examples=["marcus_adiabatic"],
    )


Barrier = Annotated[
    Annotated[UncertainBarrier, Tag("value")]
    | Annotated[BarrierPair, Tag("pair")]
    | Annotated[BarrierPath, Tag("from_path")]
    | Annotated[BarrierFromRule, Tag("from_rule")],
    Discriminator(lambda given: keyed(given, {"path": "from_path", "rule": "from_rule"})),
]


def keyed(given: object, tags: dict[str, str]) -> str:
    """Member of a union of one value, several mappings with a key that tells them apart, and a pair."""
    if not isinstance(given, dict):
        return "value"
    return next((tag for key, tag in tags.items() if key in given), "pair")


BARRIER = "Barrier without field, in eV: one number for the forward hop (the reverse follows from the site \
energies), or `{forward, reverse}`, or `{path: ...}` to read it, or `{rule: ...}` with the rule's parameters. An \
uncertainty (`242 ± 30 meV`) moves both directions together."
BARRIER_EXAMPLES: list[Any] = [
    "242 meV",
    "242 ± 30 meV",
    {"forward": 0.3, "reverse": 0.2},
    {"path": "neb/"},
    {"rule": "marcus_adiabatic", "lambda": "1.0 eV", "V_AB": "0.2 eV"},
]
