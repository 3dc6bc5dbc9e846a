"""Exact answers as tables; each says of which system."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..model.model import HopClass, Model
from ..units import ANGSTROM
from .numbers import enough_digits, format_beside, number
from .table import Column, Table

if TYPE_CHECKING:
    from ..exact import ExactTransport, Sensitivity
    from ..rates import RateCatalog

__all__ = ["exact_table", "sensitivity_table"]

CM2 = ANGSTROM**2 * 1e4
"""cm² in a Å²."""


@dataclass(frozen=True, eq=False, kw_only=True)
class _Answer:
    """Of carrier ``a`` at one temperature and field."""

    catalog: RateCatalog
    direction: str
    unit: np.ndarray
    exact: ExactTransport
    a: int

    @property
    def strength(self) -> float:
        """V/m."""
        return float(np.linalg.norm(self.catalog.field)) * 1e10

    def along(self, tensor: np.ndarray | None) -> float:
        return math.nan if tensor is None else float(self.unit @ tensor @ self.unit)

    @property
    def mobility(self) -> float:
        """cm²/(V s); NaN without charge."""
        if not self.exact.charge[self.a]:
            return math.nan
        if self.exact.mobility is None:
            return self.along(self.exact.mobility_einstein[self.a]) * CM2
        return float(self.exact.mobility[self.a] @ self.unit) * CM2

    @property
    def drift(self) -> float:
        """m/s."""
        return float(self.exact.drift_velocity[self.a] @ self.unit) * ANGSTROM if self.strength else math.nan

    def with_other(self, b: int) -> float:
        """D of what this carrier and species ``b`` do together, along the direction, Å²/s."""
        return self.along(self.exact.collective_diffusivity[self.a, :, b])

    def correlation(self, b: int) -> float:
        """D_ab/√(D_aa D_bb) along the direction; NaN with itself, and where one of them does not diffuse."""
        own, other = (self.along(self.exact.collective_diffusivity[c, :, c]) for c in (self.a, b))
        return math.nan if b == self.a or not own * other > 0 else self.with_other(b) / math.sqrt(own * other)

    @property
    def tracer(self) -> np.ndarray | None:
        tensor = self.exact.tracer_diffusivity
        return None if tensor is None else tensor[self.a]


def exact_table(
    model: Model, solved: Sequence[tuple[RateCatalog, str, np.ndarray, ExactTransport]]
) -> Table[Any]:
    """Exact mobilities and diffusivities; one row per condition, direction and carrier."""
    rows = [
        _Answer(catalog=catalog, direction=direction, unit=unit, exact=exact, a=a)
        for catalog, direction, unit, exact in solved
        for a in range(len(model.carriers))
    ]
    systems = dict.fromkeys(r.exact.method for r in rows)
    table = Table(
        f"{model.title or 'No title'}: exact, {' / '.join(systems)} (master equation, no simulation)",
        list(_exact_columns(model, rows)),
        rows,
    )
    if any(r.exact.is_other_system for r in rows):
        numbers = ", ".join(f"{c.count} {c.name}" for c in model.carriers)
        table.notes.append(
            f"Warning: these are not the answers for the system of the input ({numbers} in "
            f"{' x '.join(map(str, model.supercell))} cells), but for one carrier alone, without any other."
        )
    return table


def _exact_columns(model: Model, rows: Sequence[_Answer]) -> Iterator[Column[_Answer]]:
    strength = enough_digits((r.strength for r in rows), 3)
    yield Column(
        header="T", value=lambda r: r.catalog.temperature, unit="K", key="temperature", text=".5g", names=True
    )
    yield Column(
        header="field", value=lambda r: r.strength, unit="V/m", key="field", text=f".{strength}g", names=True
    )
    yield Column("along", lambda r: r.direction, key="direction", names=True)
    yield Column("carrier", lambda r: model.carriers[r.a].name, key="carrier", names=True)
    charged = any(c.charge for c in model.carriers)
    if charged:
        yield _number("mobility", lambda r: r.mobility, "cm²/(V s)", "mobility")
        yield _number("drift velocity", lambda r: r.drift, "m/s", "drift_velocity")
    yield _number(
        "D collective along",
        lambda r: r.along(r.exact.collective_diffusivity[r.a, :, r.a]) * CM2,
        "cm²/s",
        "collective_diffusivity",
    )
    yield _number(
        "D tracer along", lambda r: r.along(r.tracer) * CM2, "cm²/s", "tracer_diffusivity", shown=not charged
    )
    if charged:
        yield _number(
            "D charge along",
            lambda r: r.along(r.exact.charge_diffusivity) * CM2,
            "cm²/s",
            "charge_diffusivity",
            shown=False,
        )
        yield _number(
            "conductivity along",
            lambda r: math.nan if r.strength else r.along(r.exact.conductivity(model.volume)) * 1e-2,
            "S/cm",
            "conductivity",
            shown=False,
        )
    for b, other in enumerate(model.carriers if len(model.carriers) > 1 else ()):
        yield _number(
            f"D collective along, with {other.name}",
            lambda r, b=b: r.with_other(b) * CM2,
            "cm²/s",
            f"collective_diffusivity_with_{other.name}",
            shown=False,
        )
        yield _number(
            f"correlation with {other.name}",
            lambda r, b=b: r.correlation(b),
            "",
            f"correlation_with_{other.name}",
            shown=False,
        )
    for i, axis in enumerate("xyz"):
        yield _number(
            f"drift velocity {axis}",
            lambda r, i=i: r.exact.drift_velocity[r.a, i] * ANGSTROM,
            "m/s",
            f"drift_velocity_{axis}",
            shown=False,
        )
    yield Column("states", lambda r: r.exact.n_states, key="n_states")
    yield Column("system", lambda r: r.exact.method, key="system")


def _number(header: str, value: Any, unit: str, key: str, *, shown: bool = True) -> Column[_Answer]:
    return Column(
        header=header, value=value, unit=unit, key=key, text=lambda r: format_beside(value(r)), shown=shown
    )


@dataclass(frozen=True, eq=False, kw_only=True)
class _Share:
    """Of one class of hops, at one temperature and field."""

    temperature: float
    strength: float
    direction: str
    result: Sensitivity
    model: Model
    k: int

    @property
    def it(self) -> HopClass:
        return self.model.hop_classes[self.k]

    @property
    def a(self) -> int:
        return self.it.carrier

    @property
    def share(self) -> float:
        return float(self.result.share[self.a, self.k])

    @property
    def limits(self) -> bool:
        return bool(self.result.limiting[self.a] == self.k and abs(self.share) > 1e-3)

    @property
    def factor(self) -> float:
        return float(self.result.error_factor[self.a])


def sensitivity_table(results: Iterable[tuple[float, float, str, Sensitivity]], model: Model) -> Table[Any]:
    """d ln(mobility)/d barrier of each class, and what the barriers' own uncertainty does to the mobility."""
    rows = [
        _Share(
            temperature=temperature, strength=strength, direction=direction, result=result, model=model, k=k
        )
        for temperature, strength, direction, result in results
        for a in range(len(model.carriers))
        for k, c in enumerate(model.hop_classes)
        if c.carrier == a
    ]
    systems = dict.fromkeys(r.result.method for r in rows)
    strength = enough_digits((r.strength for r in rows), 3)

    def limit(row: _Share) -> str:
        other = " of one carrier alone" if row.result.is_other_system else ""
        return f" (limits transport{other})" if row.limits else ""

    columns: list[Column[_Share]] = [
        Column(
            header="T", value=lambda r: r.temperature, unit="K", key="temperature", text=".5g", names=True
        ),
        Column(
            header="field",
            value=lambda r: r.strength,
            unit="V/m",
            key="field",
            text=f".{strength}g",
            names=True,
        ),
        Column("along", lambda r: r.direction, key="direction", names=True),
        Column("carrier", lambda r: model.carriers[r.a].name, key="carrier", names=True),
        Column("class", lambda r: r.it.name, key="class", text=lambda r: r.it.name + limit(r), names=True),
        Column(
            header="d ln µ/d barrier",
            value=lambda r: r.result.dlnmu_dbarrier[r.a, r.k],
            unit="1/eV",
            key="dlnmu_dbarrier",
            text=lambda r: number(r.result.dlnmu_dbarrier[r.a, r.k]),
        ),
        Column("share", lambda r: r.share, key="share", text=".3f"),
        Column("", lambda r: r.limits, key="limits_transport", shown=False),
        Column(
            header="barrier's uncertainty",
            value=lambda r: r.it.barrier_stderr,
            unit="eV",
            key="barrier_stderr",
            text=lambda r: "not given" if r.it.barrier_stderr is None else f"{r.it.barrier_stderr:.3g}",
        ),
        Column(
            "mobility uncertain by a factor",
            lambda r: r.factor,
            key="mobility_error_factor",
            text=lambda r: f"{r.factor:.3g}" if math.isfinite(r.factor) else "not known",
        ),
        Column("system", lambda r: r.result.method, key="system"),
    ]
    return Table(f"Sensitivity of the mobility to the barriers, {' / '.join(systems)}", columns, rows)
