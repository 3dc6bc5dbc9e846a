"""The systems of an input: the model at each composition and for each sample of its quenched disorder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ..model.model import Carrier, Model, Variant
from .composition import Composition, text_of
from .disorder import check_capacity
from .document import Document
from .energetics import check_charges
from .immobile import places

if TYPE_CHECKING:
    from .validation import Sections

__all__ = ["with_systems"]


def with_systems(
    model: Model,
    sections: Sections,
    points: Sequence[Composition],
    counts: Sequence[Sequence[Carrier]],
    doc: Document,
) -> Model | None:
    """The model with its `Variant`s, where the input has axes. None when one of them is not sound.

    counts : the carriers at each composition; the model has those of the first.
    """
    if points == [()]:
        return model
    before, variants = len(doc.problems), []
    coulomb = None if sections.interactions is None else sections.interactions.coulomb
    for point, carriers in zip(points, counts, strict=True):
        silent = replace(doc, notes=[])  # what was noted of the first composition is of no use again
        if coulomb is not None:
            check_charges(coulomb, carriers, silent, ("interactions", "coulomb"), text_of(point))
        if model.disorder is not None and model.disorder.blocked is not None:
            blocked = model.disorder.blocked.reshape(model.n_cells, -1)
            check_capacity(blocked, carriers, model.structure, silent, ("disorder", "blocked"))
        mobile = len(model.carriers)
        initial, arrangement = places(
            sections, carriers, mobile, model.structure, model.supercell, model.disorder, silent
        )
        variants.append(
            Variant(
                coordinates=point,
                carriers=tuple(carriers[:mobile]),
                disorder=model.disorder,
                initial=initial,
                immobile=tuple(carriers[mobile:]),
                arrangement=arrangement,
            )
        )
        if len(doc.problems) > before:
            return None
    return replace(model, variants=tuple(variants))
