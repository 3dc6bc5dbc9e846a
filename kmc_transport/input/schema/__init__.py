"""Shape of the input file (pydantic). Every key with its meaning, unit, bounds and an example.

What one key alone can tell is checked here; whatever needs several keys is checked in `build`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Strict, Tag

from ...arrays import ON_REQUEST
from .base import (
    Angle,
    Area,
    CellOffset,
    Directions,
    Duration,
    Energy,
    FieldStrength,
    FileName,
    FiniteFloat,
    Flag,
    Frequency,
    FrequencyOrEyring,
    Length,
    Measured,
    Name,
    PlainBarrier,
    Position,
    Quantity,
    Section,
    Temperature,
    Text,
    UncertainBarrier,
    Vector,
    Whole,
    exactly_one,
    quantity_texts,
)
from .base import by_shape as _shape
from .base import key_error as _error
from .interactions import DisorderInput, InitialInput, InteractionsInput, SurroundingsInput

__all__ = [
    "AttemptFromEyring",
    "AttemptFromKoettgen",
    "AttemptFromVineyard",
    "BarrierFromRule",
    "BarrierPair",
    "BarrierPath",
    "CarrierInput",
    "ClassNumbers",
    "ConditionsInput",
    "FieldDipole",
    "FieldEquivalentCharge",
    "FieldInput",
    "FieldRange",
    "FrequencyPair",
    "HopInput",
    "HopNumbers",
    "HopVectorCartesian",
    "HopVectorSites",
    "Input",
    "LatticeInput",
    "Measured",
    "PolaronInput",
    "SaddleInput",
    "SamplingInput",
    "StructureInput",
    "TemperatureRange",
    "expanded",
    "input_schema",
]

FORMAT = 1
MAX_GRID = 100_000

# --------------------------------------------------------------------------------------------- structure


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
    _shape(word=str, mapping=dict),
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
            _shape(symbol=str, number=int),
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
        None,
        description="For a chain: area per chain, needed for a conductivity only.",
        examples=["52 Å^2"],
    )
    thickness: Length | None = Field(
        None,
        description="For a layer: its thickness, needed for a conductivity only.",
        examples=[3.35],
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


# --------------------------------------------------------------------------------------------- carriers


class CarrierInput(Section):
    """A species of carrier: an ion, a vacancy or a polaron. Give `count` or `fraction`."""

    model_config = exactly_one("count", "fraction")

    charge: Annotated[float, Quantity(dimension="charge", ge=-100, le=100)] = Field(
        description="Charge that one carrier transports, in e; not zero.", examples=[1, -1, 2]
    )
    sites: Annotated[list[Name], Field(min_length=1)] = Field(
        description="Labels of the sites that the carrier may occupy.", examples=[["O"]]
    )
    count: Annotated[int, Whole(1, 10**12)] | None = Field(
        None, description="Number of carriers in the supercell.", examples=[1]
    )
    fraction: Annotated[float, Quantity(dimension="fraction", ge=1e-30, le=1)] | None = Field(
        None,
        description="Share of its sites in the supercell that are occupied; rounded to a whole number, at "
        "least 1.",
        examples=[0.001, "0.1 %"],
    )
    site_dipoles: Literal["solve"] | dict[Name, Vector] | None = Field(
        None,
        description="Dipole of the carrier on its sites, in e·Å, Cartesian, by label: that of the label's first site; "
        "others by symmetry. It moves the charge centre by dipole/charge. `solve`: from the hops' saddle dipoles.",
        examples=["solve", {"O": [0.1, 0, 0]}],
    )


# --------------------------------------------------------------------------------------------- hops


class BarrierPair(Section):
    """Barriers of the two directions of `between: [from, to]`."""

    forward: UncertainBarrier = Field(
        description="Barrier of the hop from the first label to the second, in eV; its uncertainty holds for "
        "both directions.",
        examples=["0.30 ± 0.05 eV"],
    )
    reverse: PlainBarrier = Field(description="Barrier of the reverse hop, in eV.", examples=["0.20 eV"])


class FrequencyPair(Section):
    """Attempt frequencies of the two directions of `between: [from, to]`."""

    forward: Frequency = Field(description="Attempt frequency of the forward hop, in Hz.", examples=["6 THz"])
    reverse: Frequency = Field(description="Attempt frequency of the reverse hop, in Hz.", examples=["5 THz"])


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
        raise _error("must be a parameter of the rule", "a number, or a text with a unit")
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
        description="Name of the rule: kra, metropolis, heat_bath, marcus_adiabatic, marcus_adiabatic_approximate, "
        "marcus_nonadiabatic, landau_zener, or one registered by another package.",
        examples=["marcus_adiabatic"],
    )


Barrier = Annotated[
    Annotated[UncertainBarrier, Tag("value")]
    | Annotated[BarrierPair, Tag("pair")]
    | Annotated[BarrierPath, Tag("from_path")]
    | Annotated[BarrierFromRule, Tag("from_rule")],
    Discriminator(lambda given: _keyed(given, {"path": "from_path", "rule": "from_rule"}, "pair")),
]


def _keyed(given: object, tags: dict[str, str], otherwise: str) -> str:
    """Member of a union of one value and several mappings, by a key that tells them apart."""
    if not isinstance(given, dict):
        return "value"
    return next((tag for key, tag in tags.items() if key in given), otherwise)


SpectrumSource = Annotated[
    Annotated[FileName, Tag("file")] | Annotated[list[FiniteFloat], Field(min_length=1), Tag("list")],
    _shape(file=str, list=list),
]


class VibrationsInput(Section):
    """Phonon spectra of the ends and the saddle of a hop."""

    initial: SpectrumSource = Field(
        description="Initial state: mesh.yaml, mesh.hdf5, phonopy_params.yaml or phonopy_disp.yaml of phonopy, "
        "relative to the input file, or a list of frequencies in THz (imaginary ones negative).",
        examples=["ground_state/mesh.hdf5", [5, 8, 10]],
    )
    saddle: SpectrumSource = Field(description="Saddle, likewise.", examples=["saddle/mesh.hdf5", [6, 9]])
    final: SpectrumSource | None = Field(
        None,
        description="End state, where it is not equivalent to the initial one.",
        examples=["end/mesh.hdf5"],
    )
    mesh: Annotated[list[Annotated[int, Whole(1, 10**4)]], Field(min_length=3, max_length=3)] | None = Field(
        None,
        description="q-mesh, Gamma-centred; computed by phonopy from force constants.",
        examples=[[8, 8, 8]],
    )
    cell: Literal["primitive", "unit"] = Field(
        "primitive",
        description="Cell whose phonons phonopy computes from force constants. `unit` where the states have "
        "primitive cells of different size.",
        examples=["unit"],
    )
    acoustic_limit: Frequency | None = Field(
        None,
        description="Highest frequency, in Hz, of the three modes at Gamma that are taken for acoustic ones. "
        "0.5 THz when not given.",
        examples=["1 THz"],
    )
    imaginary: Literal["raise", "pair-drop", "floor", "abs"] = Field(
        "raise",
        description="What to do with imaginary modes other than the reaction mode: an error; drop each with the "
        "lowest mode of the other side; set it to `floor`; or take its magnitude. Logged in the catalog.",
        examples=["pair-drop"],
    )
    floor: Frequency | None = Field(
        None, description="Frequency that `floor` sets, in Hz.", examples=["0.5 THz"]
    )
    reaction_mode: Literal["remove", "lowest"] = Field(
        "remove",
        description="`remove`: the saddle's one imaginary branch; `lowest`: its lowest mode, for a saddle that is a "
        "constrained minimum.",
        examples=["lowest"],
    )


class KoettgenInput(VibrationsInput):
    """Koettgen's attempt frequency from all modes of the mesh."""

    form: Literal["full", "approximate"] = Field(
        "full",
        description="`full` (sinh) holds the zero-point energy and needs a bare barrier; `approximate` dropped it "
        "and needs a barrier that includes it.",
        examples=["approximate"],
    )
    frozen_at: Temperature | None = Field(
        None, description="Take the value at this temperature at all others too.", examples=["298 K"]
    )


class EyringInput(Section):
    """kT/h."""

    frozen_at: Temperature | None = Field(
        None, description="Take the value at this temperature at all others too.", examples=["298 K"]
    )


class AttemptFromKoettgen(Section):
    """Koettgen's attempt frequency."""

    koettgen: KoettgenInput = Field(
        description="Spectra and form.", examples=[{"initial": "gs/mesh.hdf5", "saddle": "ts/mesh.hdf5"}]
    )


class AttemptFromVineyard(Section):
    """Vineyard's attempt frequency from the Gamma modes."""

    vineyard: VibrationsInput = Field(
        description="Spectra.", examples=[{"initial": [5, 8, 10], "saddle": [6, 9]}]
    )


class AttemptFromEyring(Section):
    """kT/h, perhaps frozen."""

    eyring: EyringInput = Field(description="At which temperature.", examples=[{"frozen_at": "298 K"}])


AttemptFrequencyInput = Annotated[
    Annotated[FrequencyOrEyring, Tag("value")]
    | Annotated[FrequencyPair, Tag("pair")]
    | Annotated[AttemptFromKoettgen, Tag("from_koettgen")]
    | Annotated[AttemptFromVineyard, Tag("from_vineyard")]
    | Annotated[AttemptFromEyring, Tag("from_eyring")],
    Discriminator(
        lambda given: _keyed(
            given,
            {"koettgen": "from_koettgen", "vineyard": "from_vineyard", "eyring": "from_eyring"},
            "pair",
        )
    ),
]
Channels = Annotated[int, Whole(1, 1000)]
SaddlePlace = Annotated[float, Quantity(dimension="fraction", ge=0, le=1)]

_BARRIER = "Barrier without field, in eV: one number for the forward hop (the reverse follows from the site \
energies), or `{forward, reverse}`, or `{path: ...}` to read it, or `{rule: ...}` with the rule's parameters. An \
uncertainty (`242 ± 30 meV`) moves both directions together."
_FREQUENCY = "Attempt frequency in Hz, `eyring` for kT/h, `{forward, reverse}`, or `{koettgen: ...}`, \
`{vineyard: ...}`, `{eyring: ...}`. None beside a rule that has its own prefactor."
_CHANNELS = "Number of equivalent saddles that join the same two sites; multiplies the rate."
_SADDLE = "Place of the saddle's charge centre along the forward hop, 0 to 1; the midpoint 0.5 is right \
whenever symmetry swaps the two ends."
_BARRIER_EXAMPLES: list[Any] = [
    "242 meV",
    "242 ± 30 meV",
    {"forward": 0.3, "reverse": 0.2},
    {"path": "neb/"},
    {"rule": "marcus_adiabatic", "lambda": "1.0 eV", "V_AB": "0.2 eV"},
]
_FREQUENCY_EXAMPLES: list[Any] = [
    "6.12 THz",
    "eyring",
    {"koettgen": {"initial": "gs/mesh.hdf5", "saddle": "ts/mesh.hdf5"}},
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
            raise _error(
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

    barrier: Barrier | None = Field(None, description=_BARRIER, examples=_BARRIER_EXAMPLES)
    attempt_frequency: AttemptFrequencyInput | None = Field(
        None, description=_FREQUENCY, examples=_FREQUENCY_EXAMPLES
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
            _shape(value=(int, float, str), window=list),
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
        None,
        description=_SADDLES,
        examples=[[{"name": "3NN_a"}, {"name": "3NN_b"}]],
    )
    classes: dict[Text, ClassNumbers] | None = Field(
        None,
        description="Numbers for single classes when the pairs fall into several: key 1 is the shortest of this "
        "entry, or the full name that `check` shows.",
        examples=[{"1": {"barrier": 0.2}, "2": {"barrier": 0.3}}],
    )


# --------------------------------------------------------------------------------------------- conditions


def _grid(low: float, high: float, step: float | None, points: int | None, scale: str) -> list[float]:
    """Points from ``low`` to ``high``, both included. Raises PydanticCustomError."""
    if (step is None) == (points is None):
        raise _error("give either 'step' or 'points'", "one of the two")
    if not high > low:
        raise _error("'to' must be greater than 'from'", remedy="swap them")
    if scale == "log":
        if points is None:
            raise _error("a log range needs 'points'", remedy="give points instead of step")
        if low <= 0:
            raise _error("a log range must start above 0", remedy="start above 0, or use scale: linear")
        values = np.geomspace(low, high, points)
    elif points is not None:
        values = np.linspace(low, high, points)
    else:
        assert step is not None
        count = (high - low) / step
        if count > MAX_GRID:
            raise _error(f"the range has more than {MAX_GRID} points", remedy="use a larger step")
        if abs(count - round(count)) > 1e-6 * max(1.0, count):
            raise _error(
                "the step does not lead from 'from' to 'to'", remedy="change 'to' or 'step', or use 'points'"
            )
        values = np.linspace(low, high, round(count) + 1)
    return [float(f"{v:.12g}") for v in values]


Points = Annotated[int, Whole(2, MAX_GRID)]
_FROM, _TO = "First value.", "Last value, included."
_STEP, _POINTS = "Distance of neighbouring values; or give `points`.", "Number of values, both ends included."
_SCALE = "Whether the values are spaced evenly (`linear`) or by a constant factor (`log`)."


class TemperatureRange(Section):
    """Range of temperatures."""

    model_config = exactly_one("step", "points")

    from_: Temperature = Field(alias="from", description=_FROM, examples=["200 K"])
    to: Temperature = Field(description=_TO, examples=["500 K"])
    step: Annotated[float, Quantity(dimension="temperature", ge=1e-12, le=1e5)] | None = Field(
        None, description=_STEP, examples=[25]
    )
    points: Points | None = Field(None, description=_POINTS, examples=[13])
    scale: Literal["linear", "log"] = Field("linear", description=_SCALE, examples=["log"])

    def values(self) -> list[float]:
        return _grid(self.from_, self.to, self.step, self.points, self.scale)


class FieldRange(Section):
    """Range of field magnitudes."""

    model_config = exactly_one("step", "points")

    from_: FieldStrength = Field(alias="from", description=_FROM, examples=["1e6 V/m"])
    to: FieldStrength = Field(description=_TO, examples=["1 MV/cm"])
    step: Annotated[float, Quantity(dimension="field", ge=1e-12, le=1e12)] | None = Field(
        None, description=_STEP, examples=[1e7]
    )
    points: Points | None = Field(None, description=_POINTS, examples=[5])
    scale: Literal["linear", "log"] = Field("linear", description=_SCALE, examples=["log"])

    def values(self) -> list[float]:
        return _grid(self.from_, self.to, self.step, self.points, self.scale)


def expanded(given: Any) -> list[float]:
    """One value, a list or a range as a list of floats."""
    if isinstance(given, TemperatureRange | FieldRange):
        return given.values()
    return list(given) if isinstance(given, list) else [given]


Temperatures = Annotated[
    Annotated[Temperature, Tag("value")]
    | Annotated[list[Temperature], Field(min_length=1), Tag("list")]
    | Annotated[TemperatureRange, Tag("range")],
    _shape(value=(int, float, str), list=list, range=dict),
]
FieldMagnitudes = Annotated[
    Annotated[FieldStrength, Tag("value")]
    | Annotated[list[FieldStrength], Field(min_length=1), Tag("list")]
    | Annotated[FieldRange, Tag("range")],
    _shape(value=(int, float, str), list=list, range=dict),
]


class FieldInput(Section):
    """Electric field: every magnitude along every direction."""

    along: Directions | None = Field(
        None,
        description="Direction of the field, a Cartesian vector of any length, or a list of them.",
        examples=[[1, 0, 0], [[1, 0, 0], [0, 0, 1]]],
    )
    along_crystal: Directions | None = Field(
        None,
        description="Direction u a + v b + w c along lattice vectors, [u, v, w], or a list of them.",
        examples=[[1, 1, 0]],
    )
    magnitude: FieldMagnitudes = Field(
        description="Magnitudes in V/m: one, a list, or a range `{from, to, step}` or "
        "`{from, to, points, scale: log}`.",
        examples=[[0, 1e7, 1e8], {"from": "1e6 V/m", "to": "1 MV/cm", "points": 5, "scale": "log"}],
    )


class ConditionsInput(Section):
    """Grid of conditions: every temperature with every field."""

    temperature: Temperatures = Field(
        description="Temperatures in K: one, a list, or a range `{from, to, step}` or `{from, to, points}`.",
        examples=["298 K", [200, 300, 400], {"from": 200, "to": 500, "step": 50}],
    )
    field: FieldInput | None = Field(
        None,
        description="Electric field; none by default.",
        examples=[{"along": [1, 0, 0], "magnitude": [0, 1e7]}],
    )


# --------------------------------------------------------------------------------------------- sampling


class SamplingInput(Section):
    """How long to simulate each point. Without any goal: until the target has 1 % error."""

    target: Literal[
        "mobility",
        "drift_velocity",
        "tracer_diffusivity",
        "collective_diffusivity",
        "charge_diffusivity",
    ] = Field("mobility", description="Observable that the errors apply to.", examples=["charge_diffusivity"])
    relative_error: Annotated[float, Quantity(dimension="fraction", ge=1e-9, le=1)] | None = Field(
        None, description="Stop at this relative standard error of the target.", examples=["1 %"]
    )
    table_error: Annotated[float, Quantity(dimension="fraction", ge=1e-9, le=1)] | None = Field(
        None,
        description="Stop when the root mean square of the relative errors of all points is this: effort goes where it "
        "lowers that most. No point's error is then larger than `relative_error`, or four times this where that is not "
        "given.",
        examples=["2 %"],
    )
    absolute_error: Annotated[float, Strict(), Field(ge=1e-100, le=1e100, allow_inf_nan=False)] | None = (
        Field(
            None,
            description="Stop at this standard error of the target, in its SI unit; needed when symmetry makes the "
            "target zero.",
            examples=[1e-12],
        )
    )
    events: Annotated[int, Whole(1, 10**18)] | None = Field(
        None, description="Stop after this many executed hops per point.", examples=[1e8]
    )
    time: Duration | None = Field(
        None, description="Stop after this simulated time per replica, in s.", examples=["1 us"]
    )
    min_effective_samples: Annotated[int, Whole(2)] = Field(
        64,
        description="Never stop on an error with fewer independent samples than this: stopping early on a "
        "lucky error estimate makes intervals too narrow.",
        examples=[64],
    )
    equilibration: Annotated[float, Strict(), Field(ge=0, le=1e12, allow_inf_nan=False)] | None = Field(
        None,
        description="Executed hops per carrier that are thrown away first; chosen by the program when left "
        "out.",
        examples=[100],
    )
    replicas: Annotated[int, Whole(1, 10_000)] = Field(
        4, description="Independent simulations of each point; they run on threads.", examples=[4]
    )
    seed: Annotated[int, Whole(0, 2**63 - 1)] | None = Field(
        None, description="Root of all random numbers; drawn and recorded when left out.", examples=[7]
    )
    wall_time: Duration | None = Field(
        None, description="Stop each point after this wall-clock time, in s.", examples=["10 min"]
    )
    algorithm: Literal["auto", "null_event", "rejection_free", "sum_tree"] = Field(
        "auto",
        description="How hops are selected; all are exact, `auto` takes the fastest.",
        examples=["rejection_free"],
    )
    observe: list[Literal[ON_REQUEST]] = Field(  # type: ignore[valid-type]
        default_factory=list,
        description="What else to count while it runs, hop by hop, which takes time; the arrays that each gives are in "
        "the reference of results.",
        examples=[["occupation"]],
    )


# --------------------------------------------------------------------------------------------- the whole

SiteEnergy = Annotated[
    Annotated[Energy, Tag("value")] | Annotated[dict[Name, Energy], Tag("per_carrier")],
    _shape(value=(int, float, str), per_carrier=dict),
]


def _known_format(given: object) -> object:
    if given != FORMAT or isinstance(given, bool):
        raise _error(
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
        description="Where carriers start: `random` (default), `annealed` (lattice Monte Carlo down to the temperature "
        "of the point), `{annealed: ...}`, `{given: ...}` or `{ordered: ...}`.",
        examples=["annealed", {"ordered": {"block": [2, 1, 1], "places": {"hole": [[0, 0, 0]]}}}],
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
