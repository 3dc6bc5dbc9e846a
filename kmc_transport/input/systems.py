"""The systems of an input: the model at each composition and for each sample of its quenched disorder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ..arrays import SAMPLE
from ..model.interactions import Disorder
from ..model.model import Carrier, Model, Variant
from .composition import Composition, text_of
from .disorder import build_disorder, check_capacity
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
    samples: int = sections.conditions.samples
    if points == [()] and samples == 1:
        return model
    if samples > 1 and not _is_quenched(sections, model):
        doc.add(
            ("conditions", "samples"),
            "nothing is quenched in this input, so that all samples would be the same",
            value=samples,
            allowed="1 without disorder and without immobile species that are placed at random",
            remedy="use sampling.replicas for more statistics, or add a section 'disorder'",
        )
        return None
    before, variants, mobile = len(doc.problems), [], len(model.carriers)
    disorders = [_disorder(model, sections, number, doc) for number in range(samples)]
    coulomb = None if sections.interactions is None else sections.interactions.coulomb
    energies = model.interactions
    felt = energies is not None and (energies.clusters is not None or energies.coulomb is not None)
    for point, carriers in zip(points, counts, strict=True):
        silent = replace(doc, notes=[])  # what was noted of the first composition is of no use again
        if coulomb is not None:
            check_charges(coulomb, carriers, silent, ("interactions", "coulomb"), text_of(point))
        for number, disorder in enumerate(disorders):
            if disorder is not None and disorder.blocked is not None:
                blocked = disorder.blocked.reshape(model.n_cells, -1)
                check_capacity(blocked, carriers, model.structure, silent, ("disorder", "blocked"))
            initial, arrangement = places(
                sections,
                carriers,
                mobile,
                model.structure,
                model.supercell,
                disorder,
                None if model.interactions is None else model.interactions.coulomb,
                silent,
                number,
                felt=felt,
            )
            variants.append(
                Variant(
                    coordinates=(*point, (SAMPLE, float(number))) if samples > 1 else point,
                    carriers=tuple(carriers[:mobile]),
                    disorder=disorder,
                    initial=initial,
                    immobile=tuple(carriers[mobile:]),
                    arrangement=arrangement,
                )
            )
            if len(doc.problems) > before:
                return None
    return replace(model, variants=tuple(variants))


def _is_quenched(sections: Sections, model: Model) -> bool:
    """Whether something is drawn at random once and for all."""
    d = sections.disorder
    drawn = d is not None and (
        d.site_energies or d.barriers or any(b.fraction is not None for b in d.blocked)
    )
    return bool(drawn) or any(place.kind != "given" for place in model.arrangement)


def _disorder(model: Model, sections: Sections, number: int, doc: Document) -> Disorder | None:
    """Of one sample; sample 0 is the disorder of an input without samples."""
    if number == 0 or sections.disorder is None:
        return model.disorder
    silent = replace(doc, notes=[])
    return build_disorder(
        sections.disorder, model.species, model.structure, model.network, model.supercell, silent, number
    )
