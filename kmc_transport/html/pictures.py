"""Charts as SVG inside a page."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError
from ..figures.against import INVERSE, chart_against, chart_map
from ..figures.chart import Chart
from ..figures.drawing import draw
from ..figures.einstein import chart_einstein
from ..figures.lattice import draw_lattice
from ..figures.profile import chart_profile
from ..figures.style import Size
from ..figures.svg import svg_of
from ..rates import build_catalog

if TYPE_CHECKING:
    import xarray

    from ..model.model import Model

__all__ = ["WebPicture", "result_pictures"]

_SIZE = Size(160.0)


@dataclass(frozen=True)
class WebPicture:
    """svg : the element. caption : what it shows. notes : what it leaves out."""

    svg: str
    caption: str
    notes: tuple[str, ...] = ()


def result_pictures(dataset: xarray.Dataset, model: Model | None) -> Iterator[WebPicture]:
    """The pictures that the numbers of a run allow."""
    run = [("", dataset)]
    if model is not None:
        caption = "The lattice: sites by label, classes of hops by number"
        yield WebPicture(svg_of(draw_lattice(model, size=_SIZE), "lattice", caption), caption)
    several_fields = (dataset["field"].values > 0).sum() > 1
    wanted: list[tuple[str, str, Any]] = [
        (
            "mobility",
            "Mobility against temperature, with the Arrhenius fit",
            lambda: chart_against(run, "mobility", against=INVERSE),
        ),
        ("tracer_diffusivity", "Tracer diffusivity", lambda: _weak(dataset, "tracer_diffusivity")),
        ("conductivity", "Conductivity", lambda: _weak(dataset, "conductivity")),
    ]
    if dataset.sizes["temperature"] < 2:
        wanted = wanted[1:] if not several_fields else []
    if several_fields:
        wanted += [
            (
                "drift_velocity",
                "Drift velocity against field",
                lambda: chart_against(run, "drift_velocity", against="field"),
            ),
            (
                "mobility-field",
                "Mobility against field",
                lambda: chart_against(run, "mobility", against="field"),
            ),
        ]
    others = [
        str(d)
        for d in dataset.dims
        if d in dataset.coords and dataset[d].dtype.kind == "f" and dataset.sizes[d] > 1
    ]
    for dim in others:
        if dim in dataset["mobility"].dims and dim not in ("temperature", "field"):
            wanted.append(
                (
                    f"mobility-{dim}",
                    f"Mobility against {dim}",
                    lambda dim=dim: chart_against(run, "mobility", against=dim),
                )
            )
    if several_fields and dataset.sizes["temperature"] > 2:
        wanted.append(
            (
                "map",
                "Mobility over temperature and field",
                lambda: chart_map(run, "mobility", against=["temperature", "field"]),
            )
        )
    if (dataset["field"].values > 0).any() and (dataset["field"].values == 0).any():
        wanted.append(
            (
                "einstein",
                "Einstein check: mobility in a field over that from fluctuations",
                lambda: chart_einstein(run),
            )
        )
    if model is not None:
        wanted.append(("profile", "Energy along each hop, with and without field", lambda: _profile(model)))
    for name, caption, make in wanted:
        try:
            chart = make()
        except InputError:  # the run has no number for it
            continue
        yield WebPicture(svg_of(draw(chart, size=_SIZE), name, caption), caption, tuple(chart.notes))


def _weak(dataset: xarray.Dataset, name: str) -> Chart:
    """At the weakest field."""
    return chart_against([("", dataset.isel(field=[int(np.argmin(dataset["field"].values))]))], name)


def _profile(model: Model) -> Chart:
    c = model.conditions
    kelvin = float(c.temperature.min())
    field = float(c.field.max()) * c.direction[0]
    return chart_profile(
        build_catalog(model, temperature=kelvin), build_catalog(model, temperature=kelvin, field=field)
    )
