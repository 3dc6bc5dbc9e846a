"""The point-charge picture of a model, for comparison (Salles 2020, eq 1)."""

from __future__ import annotations

from dataclasses import replace

from ..errors import InputError, Problem
from .model import Model

__all__ = ["classical_model", "marked"]


def classical_model(model: Model) -> Model:
    """``model`` with the classical response of every hop: nominal charge times the migrating atom's displacement.

    A diagnostic: the work of the whole hop is taken as twice that up to the saddle, which is no state function, so that
    the Einstein relation between mobility and diffusion fails wherever the picture does.

    Raises
    ------
    InputError : a hop class without ``classical_response``, or with a rule whose field response lies in dH.
    """
    missing = [c for c in model.hop_classes if c.classical_dipole is None]
    if missing:
        raise InputError(
            [
                Problem(
                    message=f"{c.name} has no classical response to take",
                    key=c.source,
                    value=None,
                    allowed="a nominal charge and a displacement",
                    remedy="add, for example,  classical_response: {charge: -2, d_ma: 1.4}  to the hop",
                )
                for c in missing
            ]
        )
    return marked(
        replace(model, hop_classes=tuple(replace(c, response="classical") for c in model.hop_classes))
    )


def marked(model: Model) -> Model:
    """The model, with title and notes that say so where some hop has the classical response."""
    if not any(c.response == "classical" for c in model.hop_classes) or NOTE in model.notes:
        return model
    return replace(
        model, title=f"{model.title} [classical response: a diagnostic]", notes=(*model.notes, NOTE)
    )


NOTE = (
    "classical response: nominal charge times the displacement of the migrating atom, for both halves of a hop. A "
    "diagnostic: mobilities from it need not agree with the diffusion"
)
"""Stands below every table of such a model."""
