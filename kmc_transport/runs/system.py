"""What the estimators must know of a point."""

from __future__ import annotations

from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt

from ..analysis import System
from ..model.model import Model
from ..model.ways import Ways, find_ways
from ..rates import RateCatalog, build_catalog

__all__ = ["system_of", "system_of_catalog"]

_WAYS: WeakKeyDictionary[Model, Ways] = WeakKeyDictionary()
"""What `find_ways` found; all points of a sweep share a model."""


def system_of(model: Model, temperature: float, field: npt.ArrayLike) -> System:
    """What the estimators must know of a point at ``temperature`` (K) and ``field`` (3,) in V/Å."""
    return system_of_catalog(build_catalog(model, temperature=temperature, field=field))


def system_of_catalog(catalog: RateCatalog) -> System:
    """Charges, hop vectors and ways of a point's carriers."""
    model, net = catalog.model, catalog.model.network
    if model not in _WAYS:
        _WAYS[model] = find_ways(model)
    ways = _WAYS[model]
    return System(
        temperature=catalog.temperature,
        field=catalog.field,
        charge=np.array([c.charge for c in model.carriers], dtype=np.float64),
        volume=model.volume,
        hop_carrier=net.carrier,
        hop_vector=model.site_vectors,
        clamped=catalog.clamped,
        direction=model.conditions.direction,
        span=ways.span,
        single_file=ways.single_file,
        ordered=ways.ordered,
        repeat=ways.repeat,
        slowed=np.array(model.slowing or [1.0] * len(model.carriers)) != 1,
    )
