"""A hop's attempt frequency: numbers, or phonon spectra."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from .barriers import keyed
from .base import FileName, FiniteFloat, Frequency, FrequencyOrEyring, Section, Temperature, Whole, by_shape

__all__ = [
    "FREQUENCY",
    "FREQUENCY_EXAMPLES",
    "AttemptFrequencyInput",
    "AttemptFromEyring",
    "AttemptFromKoettgen",
    "AttemptFromVineyard",
    "FrequencyPair",
]


class FrequencyPair(Section):
    """Attempt frequencies of the two directions of `between: [from, to]`."""

    forward: Frequency = Field(description="Attempt frequency of the forward hop, in Hz.", examples=["6 THz"])
    reverse: Frequency = Field(description="Attempt frequency of the reverse hop, in Hz.", examples=["5 THz"])


SpectrumSource = Annotated[
    Annotated[FileName, Tag("file")] | Annotated[list[FiniteFloat], Field(min_length=1), Tag("list")],
    by_shape(file=str, list=list),
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
        lambda given: keyed(
            given, {"koettgen": "from_koettgen", "vineyard": "from_vineyard", "eyring": "from_eyring"}
        )
    ),
]

FREQUENCY = "Attempt frequency in Hz, `eyring` for kT/h, `{forward, reverse}`, or `{koettgen: ...}`, \
`{vineyard: ...}`, `{eyring: ...}`. None beside a rule that has its own prefactor."
FREQUENCY_EXAMPLES: list[Any] = [
    "6.12 THz",
    "eyring",
    {"koettgen": {"initial": "gs/mesh.hdf5", "saddle": "ts/mesh.hdf5"}},
]
