"""Energy along each hop: start, saddle, end, with and without field."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..ndarrays import FloatArray
from .chart import Axis, Chart, Panel, Series

if TYPE_CHECKING:
    from ..rates import RateCatalog

__all__ = ["chart_profile"]

_MOST = 8


def chart_profile(without: RateCatalog, driven: RateCatalog) -> Chart:
    """Of each class the hop that gains most in the field: its energy at start, saddle and end, from the catalogs.

    The curve between the three is drawn to guide the eye. Where carriers interact, it is that of one carrier alone.
    Both catalogs are of one model.
    """
    model, net = without.model, without.model.network
    strength = float(np.linalg.norm(driven.field)) * 1e10
    series = []
    for k, hop_class in enumerate(model.hop_classes[:_MOST]):
        own = np.flatnonzero(net.hop_class == k)
        hop = int(own[np.argmax(driven.work[own])])
        place = hop_class.saddle_fraction if net.orientation[hop] > 0 else 1 - hop_class.saddle_fraction
        for catalog, field in ((without, 0.0), (driven, strength)):
            if field == 0 and catalog is driven:
                continue
            back = int(net.reverse[hop])
            barrier = float(catalog.effective_barrier[hop])
            end = barrier - float(catalog.effective_barrier[back])
            label = hop_class.name.split(":", 1)[-1] + (f", {field:.3g} V/m" if field else ", no field")
            where = {"hop_class": hop_class.name, "field": field}
            x, y = _curve(min(max(place, 0.1), 0.9), barrier, end)
            series += [
                Series(label=label, x=x, y=y, kind="line", hue=k, mark=1 if field else 0, where=where),
                Series(
                    label="",
                    x=np.array([0.0, place, 1.0]),
                    y=np.array([0.0, barrier, end]),
                    kind="dots",
                    hue=k,
                    mark=k,
                    filled=not field,
                    where=where,
                ),
            ]
    panel = Panel(
        x=Axis("way of the charge from site to site", key="progress"),
        y=Axis("energy", "eV", "energy"),
        series=series,
        title=f"{without.temperature:g} K",
    )
    notes = ["the curves between start, saddle and end guide the eye"]
    if len(model.hop_classes) > _MOST:
        notes.append(f"the first {_MOST} of {len(model.hop_classes)} classes of hops are drawn")
    if model.interactions is not None:
        notes.append("carriers interact: this is the energy of one carrier alone")
    return Chart(panels=[panel], notes=notes)


def _curve(place: float, barrier: float, end: float) -> tuple[FloatArray, FloatArray]:
    """Through (0, 0), (place, barrier), (1, end), level at each of them."""
    t = np.linspace(0, 1, 30)
    rise = 3 * t**2 - 2 * t**3
    x = np.concatenate([place * t, place + (1 - place) * t[1:]])
    return x, np.concatenate([barrier * rise, barrier + (end - barrier) * rise[1:]])
