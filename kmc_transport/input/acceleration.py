"""Whether fast species can be slowed as the input asks (`sampling.acceleration`)."""

from __future__ import annotations

from collections.abc import Sequence

from ..model.acceleration import ReversibleScaling
from ..model.model import Carrier
from .document import Document, KeyPath, nearest
from .schema.conditions import AccelerationInput, ReversibleScalingInput, SamplingInput

__all__ = ["build_acceleration"]

_PATH: KeyPath = ("sampling", "acceleration")
_OF_ALL = ("charge_diffusivity",)


def build_acceleration(
    given: SamplingInput, species: Sequence[Carrier], mobile: int, counts: bool, doc: Document
) -> ReversibleScaling | None:
    """What is asked for; problems go to ``doc``.

    species : the carriers that hop, ``mobile`` of them, then those that do not. counts : whether something is to be
    counted hop by hop (`analysis`).
    """
    if given.acceleration in (None, "absorbing"):
        return None
    asked = ReversibleScalingInput.model_validate({})
    if isinstance(given.acceleration, AccelerationInput):
        asked = given.acceleration.reversible_scaling
    names, moving = [c.name for c in species], [c.name for c in species[:mobile]]
    path = (*_PATH, "reversible_scaling")
    if len(moving) < 2:
        doc.add(
            _PATH,
            "only one species hops, so that there are no two time scales to bring together",
            value=", ".join(moving),
            remedy="remove sampling.acceleration",
        )
        return None
    for k, name in enumerate(asked.species or []):
        if name not in names:
            doc.add(
                (*path, "species", k), f"there is no carrier '{name}'", value=name, allowed=", ".join(moving),
                remedy=nearest(name, moving) or "use the names under carriers"
            )  # fmt: skip
        elif name not in moving:
            doc.add(
                (*path, "species", k), f"'{name}' is immobile: it has no hops that could be slowed", value=name,
                allowed=", ".join(moving), remedy="name the species that hop too often"
            )  # fmt: skip
    if asked.species and set(moving) <= set(asked.species):
        doc.add(
            (*path, "species"), "all species that hop would be slowed, which only changes the unit of time",
            value=", ".join(asked.species), allowed="at least one that hops is left out",
            remedy="name the fast ones alone; the answer is that of the slow ones"
        )  # fmt: skip
    if given.target in _OF_ALL:
        doc.add(
            ("sampling", "target"),
            "reversible scaling gives no number for it: it depends on the species that are slowed",
            value=given.target,
            allowed="tracer_diffusivity, collective_diffusivity, mobility, drift_velocity of the slow species",
            remedy="choose one of these, or remove sampling.acceleration",
        )
    if given.table_error is not None:
        doc.add(
            ("sampling", "table_error"),
            "an error of the whole table cannot be reached together with reversible scaling",
            value=given.table_error,
            remedy="use sampling.relative_error, which holds for each point",
        )
    if given.observe or counts:
        doc.add(
            ("sampling", "observe") if given.observe else ("analysis",),
            "what is counted hop by hop would be that of slowed hops, and reversible scaling refuses it",
            remedy=f"remove {'sampling.observe' if given.observe else 'analysis'} here, and count it in a run without "
            "sampling.acceleration",
        )
    return ReversibleScaling(tuple(dict.fromkeys(asked.species or [])), float(asked.separation))
