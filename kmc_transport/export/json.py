"""``json``: the full grid with errors, fits with covariance and validity range; its schema is versioned."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ..analysis import LAWS, fit_arrhenius, fit_field_law
from ..errors import InputError
from ..units import K_B
from .csv import QUANTITIES
from .files import write_files
from .record import GridQuantity, TransportRecord
from .surface import REFUSED, chi2_probability

__all__ = ["FORMAT", "VERSION", "export_json", "json_schema"]

FORMAT, VERSION = "kmc_transport_export", 1
"""Value of the key ``format``, and version of the schema."""
ACTIVATED = {
    "mobility": "mobility x temperature",
    "tracer_diffusivity": "tracer_diffusivity",
    "collective_diffusivity": "collective_diffusivity",
    "charge_diffusivity": "charge_diffusivity",
    "jump_diffusivity": "jump_diffusivity",
    "chemical_diffusivity": "chemical_diffusivity",
}
"""Quantities with an Arrhenius law, and what of them has it."""


def json_schema() -> dict[str, Any]:
    """JSON Schema of what `export_json` writes."""
    return dict(json.loads(Path(__file__).with_name("export.schema.json").read_text(encoding="utf-8")))


def export_json(
    record: TransportRecord, path: Path, *, carrier: str = "", overwrite: bool = False
) -> list[Path]:
    """Write the record; `json_schema` tells the keys. No number is ``null``.

    Fits that chi squared refuses are there too, with ``accepted: false``. Raises as `TransportRecord.quantity`.
    """
    names = [record.one_carrier(carrier)] if carrier else list(record.carriers)
    found = [
        q
        for n in QUANTITIES
        if record.has(n)
        for q in {q.carrier: q for q in (record.quantity(n, c) for c in names)}.values()
    ]
    some = found[0]
    document = {
        "format": FORMAT,
        "version": VERSION,
        "title": record.title,
        "provenance": dict(record.provenance),
        "direction": {"label": record.direction, "vector": list(record.direction_vector)},
        "carriers": [{"name": n, "charge_e": record.charge(n)} for n in names],
        "caveat": next((q.caveat for q in found if q.caveat), ""),
        "axes": [{"name": a.name, "unit": a.unit, "values": a.values.tolist()} for a in record.axes],
        "complete": some.complete.tolist(),
        "converged": some.converged.tolist(),
        "quantities": [_quantity(q) for q in found],
        "fits": [*_arrhenius_fits(record, found), *_field_fits(record, found)],
    }
    text = json.dumps(document, indent=1, allow_nan=False, ensure_ascii=False)
    return write_files({path: text + "\n"}, overwrite=overwrite)


def _quantity(q: GridQuantity) -> dict[str, Any]:
    return {
        "name": q.name,
        "carrier": q.carrier or None,
        "unit": q.unit,
        "meaning": q.meaning,
        "definition": q.definition,
        "axes": list(q.axis_names),
        "value": _numbers(q.value),
        "stderr": _numbers(q.stderr),
        "exact": _numbers(q.exact) if np.isfinite(q.exact).any() else None,
    }


def _numbers(array: np.ndarray) -> Any:
    """Nested lists, None for what is no number."""
    known = array.astype(object)
    known[~np.isfinite(array)] = None
    return known.tolist()


def _compositions(q: GridQuantity) -> Iterator[tuple[dict[str, float], GridQuantity]]:
    """Each composition, and the quantity there."""
    axes = q.composition
    for index in np.ndindex(*(len(a.values) for a in axes)):
        one = q
        for axis, i in zip(axes, index, strict=True):
            one = one.take(axis.name, i)
        yield {a.name: float(a.values[i]) for a, i in zip(axes, index, strict=True)}, one


def _arrhenius_fits(record: TransportRecord, found: list[GridQuantity]) -> Iterator[dict[str, Any]]:
    zero = np.flatnonzero(record.axis("field").values == 0)
    if not len(zero):
        return
    for q in found:
        if q.name not in ACTIVATED:
            continue
        for at, one in _compositions(q.take("field", int(zero[0]))):
            t = one.axis("temperature").values
            factor = t if q.name == "mobility" else np.ones_like(t)
            try:
                fit = fit_arrhenius(t, one.value * factor, one.stderr * factor)
            except InputError:
                continue  # fewer than two temperatures with numbers, or both signs
            used = np.isfinite(one.value) & (one.stderr > 0) & (one.value != 0)
            model = np.exp(fit.log_prefactor - fit.activation_energy / (K_B * t[used]))
            dof = fit.points - 2
            yield _fit(
                q,
                at,
                law="arrhenius",
                of=ACTIVATED[q.name],
                formula="sign * exp(log_prefactor - activation_energy/(k T))",
                sign=float(fit.sign),
                parameters={
                    "activation_energy": ("eV", fit.activation_energy),
                    "log_prefactor": (f"ln({q.unit}{' K' * (q.name == 'mobility')})", fit.log_prefactor),
                },
                covariance=fit.covariance,
                chi2=fit.chi2,
                degrees_of_freedom=dof,
                p_value=chi2_probability(fit.chi2, dof),
                worst_residual=float(np.abs(model / (fit.sign * one.value * factor)[used] - 1).max()),
                ranges={"temperature": _range(t[used]), "field": [0.0, 0.0]},
            )


def _field_fits(record: TransportRecord, found: list[GridQuantity]) -> Iterator[dict[str, Any]]:
    """Laws of the field, of points that are independent of each other."""
    for q in found:
        if q.name != "mobility":
            continue
        served = record.dataset.get("mobility_method")
        order = [a.name for a in q.axes]
        own = np.ones(q.value.shape, bool)
        if served is not None:
            linear = served == "linear response"
            gone = [d for d in linear.dims if d not in order]
            own = ~linear.any(gone).transpose(*order).values
        value = np.where(own, q.value, np.nan)
        for at, one in _compositions(replace(q, value=value)):
            t, e = np.meshgrid(one.axis("temperature").values, one.axis("field").values, indexing="ij")
            for law in LAWS:
                try:
                    fit = fit_field_law(t, e, one.value, one.stderr, law=law)
                except InputError:
                    continue  # too few or too weak fields
                third = ("field_parameter", "e angstrom" if law == "sinh" else "eV (m/V)^(1/2)")
                yield _fit(
                    q,
                    at,
                    law=law,
                    of="mobility x temperature",
                    formula=_FIELD_LAWS[law],
                    sign=fit.sign,
                    parameters={
                        "activation_energy": ("eV", fit.activation_energy),
                        "log_prefactor": ("ln(m2 V-1 s-1 K)", fit.log_prefactor),
                        third[0]: (third[1], fit.field_parameter),
                    },
                    covariance=fit.covariance,
                    chi2=fit.chi2,
                    degrees_of_freedom=fit.degrees_of_freedom,
                    p_value=fit.p_value,
                    worst_residual=fit.worst_residual,
                    ranges={"temperature": list(fit.temperature_range), "field": list(fit.field_range)},
                )


_FIELD_LAWS = {
    "sinh": "sign * exp(log_prefactor - activation_energy/(k T)) * sinh(z)/z, z = field_parameter*E/(2 k T)",
    "poole-frenkel": "sign * exp(log_prefactor - (activation_energy - field_parameter*sqrt(E))/(k T))",
}


def _range(values: np.ndarray) -> list[float]:
    return [float(values.min()), float(values.max())]


def _fit(
    q: GridQuantity,
    at: Mapping[str, float],
    *,
    law: str,
    of: str,
    formula: str,
    sign: float,
    parameters: Mapping[str, tuple[str, float]],
    covariance: np.ndarray,
    chi2: float,
    degrees_of_freedom: int,
    p_value: float,
    worst_residual: float,
    ranges: Mapping[str, list[float]],
) -> dict[str, Any]:
    judged = degrees_of_freedom > 0
    return {
        "of": of,
        "carrier": q.carrier or None,
        "composition": dict(at),
        "law": law,
        "formula": formula,
        "sign": sign,
        "parameters": [
            {"name": n, "unit": u, "value": v, "stderr": float(np.sqrt(covariance[k, k]))}
            for k, (n, (u, v)) in enumerate(parameters.items())
        ],
        "covariance": covariance.tolist(),
        "chi2": chi2,
        "degrees_of_freedom": degrees_of_freedom,
        "p_value": p_value if judged else None,
        "accepted": bool(p_value >= REFUSED) if judged else None,
        "worst_residual": worst_residual,
        "ranges": dict(ranges),
    }
