"""Observables on request: counted from the hops as they happen, each in a module of its own.

An input asks for them by name (``sampling.observe``; those that need numbers of their own: ``analysis.NAME``).
`kmc_transport.arrays` says which arrays each of them makes, and its module, here or in `..coupling`, is called like it.
`base.Observable` says what one of your own must do.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module

import numpy as np

from ...arrays import ANALYSES
from ...model.model import Model
from .base import Observable

__all__ = ["Observable", "coordinates_of", "kind_of"]


def kind_of(name: str) -> type[Observable]:
    """The class in the module of that name."""
    package = f"{__name__.rpartition('.')[0]}.coupling" if name in ANALYSES else __name__
    kind: type[Observable] = import_module(f"{package}.{name}").OBSERVABLE
    return kind


def coordinates_of(names: Iterable[str], model: Model) -> dict[str, np.ndarray]:
    """Coordinates in the result file that these observables need, by name."""
    return {key: values for name in names for key, values in kind_of(name).coordinates(model).items()}
