"""Quenched disorder, and where immobile species sit."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Annotated, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag

from .base import Name, Position, Quantity, Section, Temperature, Whole, by_shape, exactly_one, key_error
from .interactions import Labels, PlaceInput

__all__ = [
    "ArrangementInput",
    "BarrierDisorderInput",
    "BlockedInput",
    "DisorderInput",
    "FrozenInput",
    "GivenSitesInput",
    "PlaceList",
    "SiteDisorderInput",
    "SitePatternInput",
    "keys_among",
]

Salt = Annotated[int, Whole(0, 2**63 - 1)]
_SALT = (
    "Names one realisation of the disorder: the same site and salt always give the same number, another salt gives "
    "another sample."
)


class SiteDisorderInput(Section):
    """Quenched random energies of sites."""

    carriers: Annotated[list[Name], Field(min_length=1)] | None = Field(
        None, description="Carriers that feel them, all alike; every carrier by default.", examples=[["hole"]]
    )
    sites: Labels | None = Field(None, description="Labels of the sites; all by default.", examples=[["O"]])
    distribution: Literal["gaussian", "uniform", "exponential"] = Field(
        "gaussian",
        description="`gaussian`: mean 0. `uniform`: centred at 0. `exponential`: energies below 0, density "
        "proportional to exp(energy/width), a tail of traps.",
        examples=["exponential"],
    )
    width: Annotated[float, Quantity(dimension="energy", ge=1e-12, le=10)] = Field(
        description="Standard deviation of `gaussian`, full width of `uniform`, decay of `exponential`, in eV.",
        examples=["50 meV"],
    )
    salt: Salt = Field(0, description=_SALT, examples=[7])


class BarrierDisorderInput(Section):
    """Quenched random shifts of barriers, the same for a hop and its reverse."""

    carriers: Annotated[list[Name], Field(min_length=1)] | None = Field(
        None, description="Carriers whose hops are shifted; every carrier by default.", examples=[["hole"]]
    )
    distribution: Literal["gaussian", "uniform"] = Field(
        "gaussian", description="As for site energies; the mean is 0.", examples=["uniform"]
    )
    width: Annotated[float, Quantity(dimension="energy", ge=1e-12, le=10)] = Field(
        description="Standard deviation of `gaussian`, full width of `uniform`, in eV.", examples=["30 meV"]
    )
    salt: Salt = Field(0, description=_SALT, examples=[7])


class BlockedInput(Section):
    """Sites that no carrier may enter: a random share, or a list."""

    model_config = exactly_one("fraction", "places")

    sites: Labels | None = Field(
        None, description="With `fraction`: labels of the sites; all by default.", examples=[["Na"]]
    )
    fraction: Annotated[float, Quantity(dimension="fraction", ge=1e-30, le=1)] | None = Field(
        None,
        description="Probability of each site to be blocked; the number that results is noted.",
        examples=["2 %"],
    )
    salt: Salt = Field(0, description=_SALT, examples=[7])
    places: Annotated[list[PlaceInput], Field(min_length=1)] | None = Field(
        None,
        description="Blocked sites of the supercell, one by one; instead of `fraction`.",
        examples=[[{"site": "Na", "index": 0, "cell": [3, 0, 0]}]],
    )


class DisorderInput(Section):
    """Quenched disorder of the supercell: a function of the site and a salt, the same in every run and replica."""

    site_energies: list[SiteDisorderInput] = Field(
        default_factory=list,
        description="Random energies added to the site energies; several entries add up.",
        examples=[[{"width": "50 meV", "salt": 7}]],
    )
    barriers: list[BarrierDisorderInput] = Field(
        default_factory=list,
        description="Random shifts of barriers; several entries add up.",
        examples=[[{"width": "30 meV"}]],
    )
    blocked: list[BlockedInput] = Field(
        default_factory=list,
        description="Sites that no carrier may enter.",
        examples=[[{"fraction": "2 %", "salt": 7}]],
    )


PlaceList = Annotated[
    list[
        Annotated[
            Annotated[PlaceInput, Tag("place")] | Annotated[Position, Tag("fractional")],
            by_shape(place=dict, fractional=list),
        ]
    ],
    Field(min_length=1),
]


def keys_among(*known: str, together: tuple[set[str], ...] = ()) -> BeforeValidator:
    """Refuses a mapping none of whose keys is known, or that has several which do not go ``together``, with one message
    in place of those of a member of the union."""

    def check(given: object) -> object:
        if not isinstance(given, dict):
            return given
        found = [k for k in known if k in given]
        if len(found) > 1 and not any(set(found) <= some for some in together):
            pairs = "".join(f", or {' with '.join(sorted(some))}" for some in together)
            raise key_error(
                f"{' and '.join(found)} do not go together",
                f"one of {', '.join(known)}{pairs}",
                "keep one of them",
            )
        if not found:
            word = next(iter(given), "")
            match = get_close_matches(str(word), known, 1, 0.6)
            raise key_error(
                f"unknown key '{word}'" if given else "the mapping is empty",
                ", ".join(known),
                f"did you mean '{match[0]}'?" if match else "",
            )
        return given

    return BeforeValidator(check)


class RandomSites(Section):
    """Which of the random arrangements."""

    salt: Salt = Field(0, description=_SALT.replace("the disorder", "randomness"), examples=[7])


class RandomSitesInput(Section):
    """Random sites, a function of site and salt."""

    random: RandomSites = Field(description="Which of them.", examples=[{"salt": 7}])


class GivenSitesInput(Section):
    """Sites one by one."""

    given: PlaceList = Field(
        description="Its sites: `{site, index, cell}`, or fractional positions in units of the cell.",
        examples=[[[0, 0, 0], [2, 0, 0]]],
    )


class SitePattern(Section):
    """A pattern of sites in a block of cells, repeated over the supercell."""

    block: Annotated[list[Annotated[int, Whole(1)]], Field(min_length=3, max_length=3)] = Field(
        description="Cells of the block along a, b, c; the supercell holds a whole number of blocks.",
        examples=[[2, 1, 1]],
    )
    places: PlaceList = Field(description="Its sites in a block, as under `given`.", examples=[[[0, 0, 0]]])


class SitePatternInput(Section):
    """An ordered pattern."""

    ordered: SitePattern = Field(
        description="The pattern.", examples=[{"block": [2, 1, 1], "places": [[0, 0, 0]]}]
    )


class FreezingInput(Section):
    """Lattice Monte Carlo of all species with the model's energies at a stated temperature, then frozen."""

    temperature: Temperature = Field(
        description="Temperature at which the species froze in, that of sintering say; not that of the points.",
        examples=["1500 K"],
    )
    start_temperature: Temperature | None = Field(
        None, description="Annealing begins here; ten times `temperature` when left out.", examples=["5000 K"]
    )
    sweeps: Annotated[int, Whole(1)] = Field(
        10_000,
        description="Monte Carlo trials per carrier at each temperature at most; equilibration is detected.",
        examples=[10_000],
    )
    salt: Salt = Field(0, description=_SALT.replace("the disorder", "randomness"), examples=[7])


class FrozenInput(Section):
    """Sites where annealing left the species."""

    annealed: FreezingInput = Field(description="How to anneal.", examples=[{"temperature": "1500 K"}])


def _arrangement_kind(given: object) -> str:
    if isinstance(given, dict):
        return next((k for k in ("ordered", "annealed", "given") if k in given), "random")
    return "word"


def _known_word(given: object) -> object:
    if isinstance(given, str) and given in ("annealed", "given", "ordered"):
        raise key_error(
            f"'{given}' needs to say more",
            "random, {random: ...}, {given: ...}, {ordered: ...}, {annealed: ...}",
            {
                "annealed": "annealed at which temperature:  arrangement: {annealed: {temperature: 1500 K}}",
                "given": "list its sites:  arrangement: {given: [[0, 0, 0], [2, 0, 0]]}",
                "ordered": "give the pattern:  arrangement: {ordered: {block: [2, 1, 1], places: [[0, 0, 0]]}}",
            }[given],
        )
    return given


ArrangementInput = Annotated[
    Annotated[Literal["random"], BeforeValidator(_known_word), Tag("word")]
    | Annotated[RandomSitesInput, Tag("random")]
    | Annotated[GivenSitesInput, Tag("given")]
    | Annotated[SitePatternInput, Tag("ordered")]
    | Annotated[FrozenInput, Tag("annealed")],
    Discriminator(_arrangement_kind),
    keys_among("random", "given", "ordered", "annealed"),
]
