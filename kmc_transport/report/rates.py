"""Rates as tables: catalogs, candidate saddles, regimes of small polarons."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .table import Column, Table

if TYPE_CHECKING:
    from ..rates import Candidate, HopRegime, RateCatalog

__all__ = ["candidates_table", "catalog_rows", "catalog_table", "regime_table"]


def catalog_rows(catalog: RateCatalog) -> list[dict[str, Any]]:
    """Every directed hop of a catalog as plain data: eV, Å, Hz, 1/s."""
    model, net = catalog.model, catalog.model.network
    labels = model.structure.labels
    operations = {int(o): model.structure.operation_text(int(o)) for o in np.unique(net.operation)}
    rows = []
    for h in range(net.n_hops):
        c = model.hop_classes[net.hop_class[h]]
        rows.append(
            {
                "class": c.name,
                "carrier": model.carriers[net.carrier[h]].name,
                "from": f"{labels[net.origin[h]]}[{net.origin[h]}]",
                "to": f"{labels[net.target[h]]}[{net.target[h]}]",
                "cell": [int(x) for x in net.cell[h]],
                "vector_angstrom": [float(x) for x in net.vector[h]],
                "direction": "forward" if net.orientation[h] > 0 else "reverse",
                "barrier_eV": float(catalog.barrier[h]),
                "barrier_given_eV": c.given_from(int(net.orientation[h])),
                "effective_barrier_eV": float(catalog.effective_barrier[h]),
                "work_eV": float(catalog.work[h]),
                "saddle_work_eV": float(catalog.saddle_work[h]),
                "saddle_dipole_e_angstrom": [float(x) for x in catalog.saddle_dipole[h]],
                "clamped": bool(catalog.clamped[h]),
                "attempt_frequency_Hz": float(catalog.attempt_frequency[h]),
                "slowing": float(catalog.slowing[h]),
                "channels": c.channels,
                "rule": c.rule,
                "rate_per_s": float(catalog.rate[h]),
                "symmetry_operation": operations[int(net.operation[h])],
                "temperature_K": catalog.temperature,
                "field_V_per_m": [float(f"{1e10 * x:.12g}") for x in catalog.field],
                "source": c.source,
                "read_from": c.read_from,
            }
        )
    return rows


def catalog_table(catalog: RateCatalog) -> Table[Any]:
    """Directed hops, those with the same class, barrier and rate on one line. `catalog_rows` are the plain data."""
    strength = float(np.linalg.norm(catalog.field)) * 1e10
    groups: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for row in catalog_rows(catalog):
        hop = f"{row['from'].split('[')[0]} → {row['to'].split('[')[0]}"
        numbers = (
            f"{row['effective_barrier_eV']:.9f}",
            f"{row['rate_per_s']:.9e}",
            str(row["barrier_given_eV"]),
        )
        groups.setdefault((row["class"], hop, *numbers), []).append({**row, "hop": hop})
    columns: list[Column[list[dict[str, Any]]]] = [
        Column("class", lambda r: r[0]["class"], names=True),
        Column("hop", lambda r: r[0]["hop"], names=True),
        Column("number", len),
        Column("length", lambda r: math.hypot(*r[0]["vector_angstrom"]), "Å", text=".4f"),
        Column("barrier", lambda r: r[0]["barrier_eV"], "eV", text=".5g"),
        Column(
            header="given",
            value=lambda r: r[0]["barrier_given_eV"],
            unit="eV",
            text=".5g",
            shown=any(c.given for c in catalog.model.hop_classes),
        ),
        Column(
            "with field",
            lambda r: r[0]["effective_barrier_eV"],
            "eV",
            text=lambda r: f"{r[0]['effective_barrier_eV']:.5g}" + (" (clamped)" if r[0]["clamped"] else ""),
        ),
        Column("attempt frequency", lambda r: r[0]["attempt_frequency_Hz"], "Hz", text=".5g"),
        Column(
            "of it slowed by", lambda r: r[0]["slowing"], text=".4g", shown=bool((catalog.slowing != 1).any())
        ),
        Column("channels", lambda r: r[0]["channels"]),
        Column("rate", lambda r: r[0]["rate_per_s"], "1/s", text=".5g"),
        Column("from", lambda r: "; ".join(t for t in (r[0]["source"], r[0]["read_from"]) if t)),
    ]
    table = Table(
        f"Rates at {catalog.temperature:g} K" + (f" and {strength:.3g} V/m" if strength else ", no field"),
        columns,
        list(groups.values()),
    )
    for c in catalog.model.hop_classes:
        table.notes += [f"{c.name}: {line}" for line in c.log]
    return table


def candidates_table(candidates: Sequence[Candidate], temperature: float) -> Table[Any]:
    """Saddles of each hop that has several, by falling rate."""

    def rate(c: Candidate) -> str:
        decades = c.log_rate / math.log(10)
        return f"{10 ** (decades % 1):.4g}e{math.floor(decades):+03d}"

    columns: list[Column[Candidate]] = [
        Column("hop", lambda c: c.group, key="group", names=True),
        Column("saddle", lambda c: c.name, key="name", names=True),
        Column(header="barrier", value=lambda c: c.barrier, unit="eV", key="barrier", text=".5g"),
        Column(
            header="attempt frequency",
            value=lambda c: c.attempt_frequency,
            unit="Hz",
            key="attempt_frequency",
            text=".5g",
        ),
        Column("channels", lambda c: c.channels, key="channels"),
        Column("rate", lambda c: c.log_rate, "1/s", text=rate),
        Column("", lambda c: c.log_rate, key="log_rate", shown=False),
        Column("share of the rate used", lambda c: c.share, key="share", text=".3g"),
        Column("used", lambda c: c.used, key="used", text=lambda c: "yes" if c.used else "no"),
        Column("from", lambda c: c.source, key="source"),
        Column("T", lambda _: temperature, "K", "temperature", shown=False),
    ]
    return Table(f"Candidate saddles at {temperature:g} K, no field", columns, list(candidates))


def regime_table(regimes: Sequence[HopRegime], temperature: float) -> Table[Any]:
    """Whether the hops of small polarons are adiabatic."""
    columns: list[Column[HopRegime]] = [
        Column("class", lambda r: r.hop_class, key="class", names=True),
        Column("regime", lambda r: r.regime.name, key="name"),
        Column("P", lambda r: r.regime.probability, key="probability", text=".4g"),
        Column(
            header="V_AB",
            value=lambda r: r.regime.electronic_coupling,
            unit="eV",
            key="electronic_coupling",
            text=".4g",
        ),
        Column(
            header="lambda",
            value=lambda r: r.regime.reorganisation_energy,
            unit="eV",
            key="reorganisation_energy",
            text=lambda r: (
                f"{r.regime.reorganisation_energy:.4g}" + (" (derived)" if r.regime.derived else "")
            ),
        ),
        Column(
            header="phonons",
            value=lambda r: r.regime.phonon_frequency,
            unit="Hz",
            key="phonon_frequency",
            text=".4g",
        ),
        Column("", lambda r: r.regime.derived, key="derived", shown=False),
        Column("", lambda r: r.warning, key="warning", shown=False),
    ]
    table = Table(f"Small-polaron regimes at {temperature:g} K", columns, list(regimes))
    for r in regimes:
        if r.regime.derived:
            table.notes.append(f"{r.hop_class}: lambda is derived, {r.regime.derived}.")
        if r.warning:
            table.notes.append(f"Warning: {r.hop_class}: {r.warning}.")
    return table
