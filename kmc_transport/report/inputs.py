"""The input as tables: what would be simulated, carriers, classes of hops."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ..arrays import SAMPLE
from ..model.interactions import Initial
from ..model.model import Carrier, HopClass, Model, Sampling
from .table import Column, Table

__all__ = ["carrier_table", "class_table", "summary"]


def summary(model: Model) -> dict[str, Any]:
    """What would be simulated, in plain data."""
    s, c = model.structure, model.conditions
    n_sites = model.n_cells * s.n_sites
    n_zero = int((c.field == 0).sum())
    points = len(model.systems) * len(c.temperature) * (n_zero + (len(c.field) - n_zero) * len(c.direction))
    net = math.fsum(c.charge * c.count for c in model.species)
    return {
        "title": model.title,
        "references": list(model.references),
        "input": model.source.path,
        "spacegroup": s.spacegroup,
        "lattice_angstrom": s.lattice.tolist(),
        "periodic": [bool(p) for p in s.periodic],
        "sites_per_cell": {label: s.labels.count(label) for label in dict.fromkeys(s.labels)},
        "supercell": list(model.supercell),
        "sites": n_sites,
        "volume_angstrom3": model.volume,
        "net_charge_e": net,
        "directed_hops_per_cell": model.network.n_hops,
        "temperatures_K": c.temperature.tolist(),
        "fields_V_per_m": [float(f"{1e10 * f:.12g}") for f in c.field],
        "directions": list(c.direction_label),
        **({"axes": {n: list(v) for n, v in model.axes.items()}} if model.axes else {}),
        "points": points,
        "sampling": {
            k: str(v) if k == "acceleration" else v
            for k, v in vars(model.sampling).items()
            if k in ("target", "seed", "replicas") or v != getattr(Sampling(relative_error=None), k)
        },
        "notes": list(model.notes),
    }


@dataclass(frozen=True)
class _Carriers:
    """One species. index : its place in the model."""

    model: Model
    index: int

    @property
    def it(self) -> Carrier:
        return self.model.species[self.index]

    @property
    def share(self) -> float:
        return self.it.count / (int(self.model.species_sites[self.index].sum()) * self.model.n_cells)

    @property
    def place(self) -> str:
        """Where an immobile species sits; empty for carriers."""
        k = self.index - len(self.model.carriers)
        return str(self.model.arrangement[k]) if k >= 0 else ""

    @property
    def start(self) -> str:
        """How a carrier starts; empty for immobile species."""
        return str(self.model.initial.of(self.index)) if self.index < len(self.model.carriers) else ""

    @property
    def density(self) -> float:
        """Per cm³."""
        return self.it.count / self.model.volume * 1e24 if self.model.volume else math.nan


def carrier_table(model: Model) -> Table[Any]:
    """Carriers with charge, number and concentration; of immobile species also where they sit."""
    columns: list[Column[_Carriers]] = [
        Column("carrier", lambda r: r.it.name, key="carrier", names=True),
        Column(header="charge", value=lambda r: r.it.charge, unit="e", key="charge", text="+g"),
        Column("sites", lambda r: list(r.it.sites), key="sites"),
        Column("number", lambda r: r.it.count, key="count"),
        Column("share of sites", lambda r: r.share, key="fraction", text=".4g"),
        Column("per cm³", lambda r: r.density, key="per_cm3", text=".4g"),
        Column("start", lambda r: r.start, key="start", shown=model.initial != Initial()),
        Column("immobile", lambda r: r.place, key="immobile", shown=bool(model.immobile)),
    ]
    first = model.variants[0].coordinates if model.variants else ()
    where = ", ".join(f"{n} = {v:g}" for n, v in first if n != SAMPLE)
    rows = [_Carriers(model, a) for a in range(len(model.species))]
    return Table(f"Carriers at {where}" if where else "Carriers", columns, rows)


@dataclass(frozen=True)
class _Class:
    """One class of hops. index : its place in the model."""

    model: Model
    index: int

    @property
    def it(self) -> HopClass:
        return self.model.hop_classes[self.index]

    @property
    def hops(self) -> int:
        """Directed hops in a cell."""
        return int(np.count_nonzero(self.model.network.hop_class == self.index))

    @cached_property
    def first(self) -> int:
        """The first forward hop of the class."""
        net = self.model.network
        return int(np.argmax((net.hop_class == self.index) & (net.orientation > 0)))

    @property
    def origin(self) -> str:
        site = self.model.network.origin[self.first]
        return f"{self.model.structure.labels[site]}[{site}]"

    @property
    def way(self) -> np.ndarray:
        """From site to site, Å."""
        net, s = self.model.network, self.model.structure
        way = s.cart[net.target[self.first]] - s.cart[net.origin[self.first]]
        return np.asarray(way + net.cell[self.first] @ s.lattice)

    @property
    def dipole(self) -> np.ndarray:
        """Of the saddle, e·Å."""
        c = self.it
        if c.response == "classical":
            return np.array(c.classical_dipole)
        charge = self.model.carriers[c.carrier].charge
        return np.array(c.saddle_dipole or charge * c.saddle_fraction * self.model.network.vector[self.first])

    @property
    def barrier(self) -> str:
        c = self.it
        text = f"{c.barrier_forward:.6g}" if c.given_barriers else c.rule
        return text + (f" ± {c.barrier_stderr:.2g}" if c.barrier_stderr else "")

    @property
    def attempts(self) -> str | None:
        nu = self.it.attempt_frequency
        return None if nu is None else nu.label


def class_table(model: Model) -> Table[Any]:
    """Hop classes as the input gives them."""
    columns: list[Column[_Class]] = [
        Column("class", lambda r: r.it.name, key="class", names=True),
        Column("carrier", lambda r: r.model.carriers[r.it.carrier].name, key="carrier", shown=False),
        Column("hops/cell", lambda r: r.hops, key="directed_hops_per_cell"),
        Column(header="length", value=lambda r: r.it.distance, unit="Å", key="length", text=".4f"),
        Column("one of its hops", _one_hop, "Å"),
        Column("", lambda r: r.origin, key="first_hop_origin", shown=False),
        Column("", lambda r: r.way.tolist(), "Å", "first_hop_vector", shown=False),
        Column(
            "",
            lambda r: r.model.network.vector[r.first].tolist(),
            "Å",
            "first_hop_charge_displacement",
            shown=False,
        ),
        Column("", lambda r: r.it.rule, key="rule", shown=False),
        Column("", lambda r: dict(r.it.rule_parameters), key="rule_parameters", shown=False),
        Column(
            header="barrier",
            value=lambda r: r.it.barrier_forward,
            unit="eV",
            key="barrier",
            text=lambda r: r.barrier,
        ),
        Column("", lambda r: r.it.barrier_stderr, "eV", "barrier_stderr", shown=False),
        Column("", lambda r: r.it.given, "eV", "barriers_given", shown=False),
        Column(
            header="reverse",
            value=lambda r: r.it.barrier_reverse,
            unit="eV",
            key="barrier_reverse",
            text=lambda r: f"{r.it.barrier_reverse:.6g}" if r.it.given_barriers else "",
        ),
        Column(
            "attempt frequency",
            lambda r: r.attempts,
            key="attempt_frequency",
            text=lambda r: r.attempts or "in the rule",
        ),
        Column(
            header="saddle dipole",
            value=lambda r: r.dipole.tolist(),
            unit="e·Å",
            key="saddle_dipole",
            text=lambda r: f"{np.linalg.norm(r.dipole):.4g} ({r.it.response})",
        ),
        Column("", lambda r: r.it.response, key="field_response", shown=False),
        Column("channels", lambda r: r.it.channels, key="channels"),
        *map(_as_it_is, ("zero_point", "saddle_fraction", "source", "read_from")),
        Column("", lambda r: list(r.it.log), key="log", shown=False),
        Column("from", lambda r: "; ".join(t for t in (r.it.source, r.it.read_from) if t)),
    ]
    return Table("Hop classes", columns, [_Class(model, k) for k in range(len(model.hop_classes))])


def _as_it_is(name: str) -> Column[_Class]:
    return Column("", lambda r: getattr(r.it, name), key=name, shown=False)


def _one_hop(row: _Class) -> str:
    vector = ", ".join(f"{x + 0.0:.4g}" for x in np.round(row.way, 6))
    return f"{row.origin} + ({vector})"
