"""Shape of the input file (pydantic). Every key with its meaning, unit, bounds and an example.

What one key alone can tell is checked here; whatever needs several keys is checked in `build`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, Tag

from .analysis import AnalysisInput
from .barriers import ReconcileInput
from .base import Energy, Name, Section, Text, Whole, by_shape, key_error, quantity_texts
from .conditions import ConditionsInput, SamplingInput
from .disorder import DisorderInput
from .hops import HopInput
from .initial import InitialInput
from .interactions import InteractionsInput
from .structure import CarrierInput, StructureInput

__all__ = ["Input", "input_schema"]

FORMAT = 1

SiteEnergy = Annotated[
    Annotated[Energy, Tag("value")] | Annotated[dict[Name, Energy], Tag("per_carrier")],
    by_shape(value=(int, float, str), per_carrier=dict),
]


def _known_format(given: object) -> object:
    if given != FORMAT or isinstance(given, bool):
        raise key_error(
            f"the format version {given!r} is not known to this release, which reads version {FORMAT}",
            str(FORMAT),
            f"write `format: {FORMAT}`, or install a newer kmc_transport",
        )
    return given


class Input(Section):
    """Input file of kmc_transport, format 1."""

    format: Annotated[Literal[1], BeforeValidator(_known_format)] = Field(
        1, description="Version of this format.", examples=[1]
    )
    title: Text = Field("", description="One line that says what is simulated.", examples=["Li in LiFePO4"])
    references: list[Text] = Field(
        default_factory=list, description="Where the numbers come from.", examples=[["Phys. Rev. B 1, 1"]]
    )
    notes: list[Text] = Field(
        default_factory=list,
        description="Remarks for whoever reads the results; printed below every table.",
        examples=[["The barrier is a placeholder."]],
    )
    structure: StructureInput = Field(
        description="Crystal and its labelled sites.",
        examples=[{"spacegroup": "Fm-3m", "lattice": {"a": 4.165}, "sites": {"O": [[0, 0, 0]]}}],
    )
    supercell: Annotated[list[Annotated[int, Whole(1, 10**18)]], Field(min_length=3, max_length=3)] | None = (
        Field(
            None,
            description="Number of cells along a, b, c; 1 along axes that are not periodic. May be left out when "
            "every carrier is given by `fraction`: a cell of about equal sides that holds the fractions within 1 % "
            "is then chosen.",
            examples=[[10, 10, 10]],
        )
    )
    carriers: Annotated[dict[Name, CarrierInput], Field(min_length=1)] = Field(
        description="Name -> carrier; several species are allowed.",
        examples=[{"hole": {"charge": 1, "sites": ["O"], "count": 1}}],
    )
    site_energies: dict[Name, SiteEnergy] = Field(
        default_factory=dict,
        description="Label -> energy of a carrier on such a site, in eV, for all carriers or by carrier; 0 for "
        "labels left out, unless forward and reverse barriers tell it.",
        examples=[{"O1": 0, "O2": "0.1 eV"}, {"O2": {"hole": 0.1}}],
    )
    hops: Annotated[list[HopInput], Field(min_length=1)] = Field(
        description="The hops of all carriers.",
        examples=[
            [
                {
                    "carrier": "hole",
                    "between": ["O", "O"],
                    "distance": 2.945,
                    "barrier": "242 meV",
                    "attempt_frequency": "6.12 THz",
                }
            ]
        ],
    )
    reconcile: ReconcileInput | None = Field(
        None,
        description="Barriers from first principles miss the closing of loops by some meV: adjust them by weighted "
        "least squares, and list every change. Without it such barriers are refused.",
        examples=[{"within": "30 meV"}],
    )
    interactions: InteractionsInput | None = Field(
        None,
        description="Energies of carriers with each other: pairs, clusters, Coulomb. Without it they only exclude each "
        "other from sites.",
        examples=[{"pairs": [{"between": ["hole", "hole"], "shell": 1, "energy": "50 meV"}]}],
    )
    disorder: DisorderInput | None = Field(
        None,
        description="Quenched disorder of site energies and barriers, blocked sites.",
        examples=[{"site_energies": [{"width": "50 meV", "salt": 7}]}],
    )
    initial: InitialInput | None = Field(
        None,
        description="Where carriers start: `random` (default where they do not feel each other), `annealed` (lattice "
        "Monte Carlo down to the temperature of the point; default, with `moves: pairs`, where `interactions` hold "
        "energies), `{annealed: ...}`, `{given: ...}`, `{ordered: ...}`, `{networks: equal}` (random, as many in "
        "each channel or layer that hops do not join), `{two_phase: ...}` (a full phase beside an empty one) or "
        "`{carriers: ...}` (each carrier has its own).",
        examples=["annealed", {"ordered": {"block": [2, 1, 1], "places": {"hole": [[0, 0, 0]]}}}],
    )
    analysis: AnalysisInput | None = Field(
        None,
        description="What to count of how species move together: pairs of flips, binding, environments, profiles.",
        examples=[{"flip_pairs": {"lags": ["1 ps", "10 ps"], "distances": [3.5, 4.3]}}],
    )
    freeze: list[Name] = Field(
        default_factory=list,
        description="Carriers that are held still in this run, as if they were `immobile`; their hops are left out.",
        examples=[["lithium"]],
    )
    conditions: ConditionsInput = Field(
        description="Temperatures and fields.", examples=[{"temperature": [300, 400]}]
    )
    sampling: SamplingInput = Field(
        default_factory=lambda: SamplingInput.model_validate({}),
        description="When to stop, and how to simulate.",
        examples=[{"relative_error": "1 %", "seed": 7}],
    )


def input_schema() -> dict[str, Any]:
    """JSON schema (draft 2020-12) of the input file, for editors and for the reference page.

    It takes what the loader takes, and refuses what one key alone shows to be wrong. Left to the loader are what needs
    several keys or files, ranges of numbers within texts, and units that only pint knows.
    """
    schema = Input.model_json_schema(by_alias=True)
    _finish(schema)
    schema["$defs"] |= quantity_texts()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _finish(node: Any) -> None:
    """What pydantic leaves open: names that the pattern of a mapping does not fit; references of `Quantity`."""
    for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        _finish(child)
    if isinstance(node, dict) and "patternProperties" in node:
        ((pattern, values),) = node.pop("patternProperties").items()
        node["propertyNames"] = {**node.get("propertyNames", {}), "pattern": pattern}
        node["additionalProperties"] = values
    if isinstance(node, dict) and isinstance(node.get("quantity"), str):
        node["$ref"] = f"#/$defs/{node.pop('quantity')}_text"
