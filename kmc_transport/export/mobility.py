"""The mobility as a function of field and temperature."""

from __future__ import annotations

from dataclasses import replace

from ..errors import InputError
from .record import TransportRecord
from .surface import FittedSurface, fit_surface

__all__ = ["mobility_surface"]


def mobility_surface(record: TransportRecord, carrier: str = "") -> FittedSurface:
    """Mobility times temperature of one carrier, over field and temperature: activated, with one energy at each field.

    Raises InputError for several compositions, a neutral carrier, and as `TransportRecord.quantity` and `fit_surface`.
    """
    name = record.one_carrier(carrier)
    if not record.charge(name):
        raise InputError("has no charge, hence no mobility", key="--carrier", value=name)
    full = record.quantity("mobility", name)
    for axis in full.composition:
        raise InputError(
            f"the mobility is wanted at one {axis.name}",
            key="--where",
            remedy=f"take one value: --where {axis.name}={axis.values[0]:g}",
        )
    t = full.axis("temperature").values[:, None]
    return fit_surface(
        replace(
            full,
            value=(full.value * t).T,
            stderr=(full.stderr * t).T,
            exact=(full.exact * t).T,
            complete=full.complete.T,
            converged=full.converged.T,
            axes=full.axes[::-1],
        )
    )
