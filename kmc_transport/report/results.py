"""Results of a run as tables: one row for each carrier at each condition."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arrays import ARRAYS, base_name
from ..records import Missing
from ..store import FROM_SAMPLES, FROM_SAMPLING
from .numbers import enough_digits, format_beside
from .result_notes import result_notes, sample_notes
from .systems import in_each_system
from .table import Column, Table

if TYPE_CHECKING:
    import xarray

__all__ = ["results_table"]

CM2, S_PER_CM = 1e4, 1e-2
"""cm² in a m², S/cm in S/m."""
AXES = "xyz"


@dataclass(frozen=True, eq=False, kw_only=True)
class _Row:
    """One carrier (index ``a``) at one temperature, field and direction (``t``, ``f``, ``e``) of the arrays ``d``."""

    d: Mapping[str, np.ndarray]
    t: int
    f: int
    e: int
    a: int

    def of_point(self, name: str) -> Any:
        return self.d[name][self.t, self.f, self.e]

    def of_carrier(self, name: str) -> Any:
        """NaN for an array that the run has not."""
        return self.d[name][self.t, self.f, self.e, self.a] if name in self.d else math.nan

    def of_species(self, name: str) -> Any:
        """Of a run with axes of composition."""
        which = int(np.flatnonzero(self.d["species"] == self.d["carrier"][self.a])[0])
        return self.d[f"species_{name}"][which]

    def tensor(self, name: str, other: int | None = None) -> Any:
        """Components of a vector or tensor of this carrier (with itself or another), or of all.

        NaN where the run has none.
        """
        dims = _dimensions(name)
        if name not in self.d:
            return np.full((3,) * sum(d.startswith("axis") for d in dims), math.nan)
        values = self.of_point(name)
        if "carrier" in dims:
            values = values[self.a]
        return values[:, self.a if other is None else other] if "carrier_2" in dims else values

    def why(self, name: str) -> str:
        """Why an estimate has no number for this carrier; empty where it has one, or nobody knows."""
        elsewhere, name = name in _LIKE and self.d["field"][self.f] != 0, _LIKE.get(name, name)
        if "missing" not in self.d or name not in self.d["observable"]:
            return ""
        if not self.of_point("complete"):
            return Missing.NOT_SIMULATED.text
        if elsewhere:
            return Missing.OTHER_FIELD.text
        which = int(np.flatnonzero(self.d["observable"] == name)[0])
        code = Missing(int(self.of_point("missing")[which, self.a]))
        if code is Missing.STILL:
            rate, size = self.of_carrier("hop_rate_limit"), self.of_carrier("diffusivity_limit")
            if not np.isfinite(rate):
                return f"{code.text}: after each of its few hops it came back before the sample ended"
            return f"{code.text}: fewer than {rate:.2g} hops/s, D below {size * CM2:.2g} cm²/s (95 %)"
        return "" if code is Missing.NOT_SIMULATED else code.text  # a point of an older version

    @property
    def why_no_slope(self) -> str:
        """Why there is no differential mobility; empty where there is one."""
        if np.isfinite(self.of_carrier("differential_mobility")):
            return ""
        if not np.isfinite(self.mobility()):
            return self.why(self.mobility_name)
        return "the fields of the grid are too few, or too far apart, to tell the slope"

    @property
    def mobility_name(self) -> str:
        return "mobility" if self.driven else "mobility_einstein"

    def along(self, name: str, other: int | None = None) -> float:
        """Component of a vector or tensor along the direction of the row.

        Errors of the components may be correlated: between the axes, theirs is an upper bound.
        """
        unit, values = self.d["direction_vector"][self.e], self.tensor(name, other)
        if name.endswith(("_stderr", FROM_SAMPLES, FROM_SAMPLING)):
            unit = np.abs(unit)
        on = np.flatnonzero(unit)  # components that are missing elsewhere do no harm
        for _ in range(values.ndim):
            values = values[..., on] @ unit[on]
        return float(values)

    @property
    def driven(self) -> bool:
        return bool(self.d["field"][self.f] != 0)

    def mobility(self, suffix: str = "") -> float:
        """m²/(V s): of the drift, at zero field from the fluctuations."""
        return float(self.of_carrier(self.mobility_name + suffix))

    @property
    def method(self) -> str:
        """Where the mobility comes from."""
        if told := str(self.of_point("mobility_method")) if "mobility_method" in self.d else "":
            return told
        return "drift velocity" if self.driven else "Einstein relation"

    @property
    def deviation(self) -> float:
        """Mobility minus exact mobility, in standard errors; where nothing has a charge, of the tracer's D."""
        charged = _charged(self.d)
        value, stderr, exact = (
            self.mobility(s) if charged else self.along(f"tracer_diffusivity{s}")
            for s in ("", "_stderr", "_exact")
        )
        return (value - exact) / stderr if stderr > 0 else math.nan

    def drift(self, suffix: str = "") -> float:
        """m/s along the field; NaN without one."""
        if not self.driven:
            return math.nan
        if self.d["carrier_charge"][self.a] == 0:
            return self.along(f"drift_velocity{suffix}")
        return self.mobility(suffix) * float(self.d["field"][self.f])

    @property
    def state(self) -> str:
        reason = "" if self.of_point("converged") else str(self.of_point("exit_reason") or "missing")
        return ", ".join(x for x in (reason, "clamped" if self.of_point("clamped_share") > 0 else "") if x)

    @property
    def speed(self) -> float:
        """Hops per second of wall time."""
        seconds = float(self.of_point("wall_time"))
        return float(self.of_point("executed_hops")) / seconds if seconds > 0 else math.nan


_LIKE = dict.fromkeys(("transference", "jump_diffusivity"), "charge_diffusivity")
_LIKE["onsager"] = "collective_diffusivity"
"""Estimates at zero field that lack a number for the reason that another one does."""


@cache
def _dimensions(name: str) -> tuple[str, ...]:
    return ARRAYS[base_name(name.removesuffix(FROM_SAMPLES).removesuffix(FROM_SAMPLING))].dims


def results_table(dataset: xarray.Dataset) -> Table[Any]:
    """Mobility (along the field) and tracer diffusivity at every condition, beside the exact values.

    Other quantities are columns that are not shown: `Table.showing`, and in the data.
    """
    return in_each_system(dataset, lambda one: [_table(one)])[0]


def _table(dataset: xarray.Dataset) -> Table[Any]:
    """Of one composition."""
    d = {str(n): v.values for n, v in dataset.variables.items()}
    rows = [_Row(d=d, t=t, f=f, e=e, a=a) for t, f, e, a in np.ndindex(*d["mobility"].shape)]
    table = Table(str(dataset.attrs.get("title", "")), list(_columns(d)), rows)
    table.notes += sample_notes(d, int(dataset.attrs.get("samples", 1)))
    table.notes += result_notes(d, contradicting=sum(abs(r.deviation) > 5 for r in rows))
    return table


def _columns(d: Mapping[str, np.ndarray]) -> Iterator[Column[_Row]]:
    kelvin, strength = enough_digits(d["temperature"], 5), enough_digits(d["field"], 3)
    charged = _charged(d)
    known = ("mobility_exact", "mobility_einstein_exact") if charged else ("tracer_diffusivity_exact",)
    judged = any(np.isfinite(d[n]).any() for n in known if n in d)
    yield Column(
        header="T",
        value=lambda r: r.d["temperature"][r.t],
        unit="K",
        key="temperature",
        text=f".{kelvin}g",
        names=True,
    )
    yield Column(
        header="field",
        value=lambda r: r.d["field"][r.f],
        unit="V/m",
        key="field",
        text=f".{strength}g",
        names=True,
    )
    yield Column("along", lambda r: str(r.d["direction"][r.e]), key="direction", names=True)
    yield Column("carrier", lambda r: str(r.d["carrier"][r.a]), key="carrier", names=True)
    if "species_fraction" in d:
        yield Column("number", lambda r: r.of_species("count"), key="count", shown=False)
        yield Column("of its sites", lambda r: r.of_species("fraction"), key="fraction", text=".4g")
    if charged:
        yield from _mobility(d, judged)
    yield from _along(
        "D tracer along", "tracer_diffusivity", "cm²/s", CM2, shown=True, exact=judged and not charged
    )
    if not charged:
        yield _deviation("tracer_diffusivity_deviation", judged)
    elif "transference" in d:
        several = len(d["carrier"]) > 1 and bool((d["field"] == 0).any())
        yield from _number("transference", "transference", shown=several)
    yield from _parts_of_errors(d, charged)
    yield Column(
        header="hops", value=lambda r: r.of_point("executed_hops"), unit="", key="executed_hops", text=".1e"
    )
    yield Column("", lambda r: r.state, key="state")
    yield from _on_request(d)


def _parts_of_errors(d: Mapping[str, np.ndarray], charged: bool) -> Iterator[Column[_Row]]:
    """What the simulations and the spread of the samples are of the standard error of a mean over samples."""
    if f"mobility{FROM_SAMPLES}" not in d:
        return
    for header, end in (("error from sampling", FROM_SAMPLING), ("from samples", FROM_SAMPLES)):
        yield Column(
            header=header,
            value=lambda r, end=end: r.mobility(end) * CM2,  # type: ignore[misc]
            unit="cm²/(V s)",
            key=f"mobility{end}",
            text=".2g",
            shown=charged,
        )
        yield Column(
            header=header,
            value=lambda r, end=end: r.along(f"tracer_diffusivity{end}") * CM2,  # type: ignore[misc]
            unit="cm²/s",
            key=f"tracer_diffusivity{end}",
            text=".2g",
            shown=not charged,
        )


def _charged(d: Mapping[str, np.ndarray]) -> bool:
    """Whether any carrier has a charge: else there are no mobilities."""
    return bool(np.any(d["carrier_charge"] != 0))


def _deviation(key: str, shown: bool) -> Column[_Row]:
    return Column(
        header="dev.",
        value=lambda r: r.deviation,
        unit="s.e.",
        key=key,
        text="+.1f",
        shown=shown,
    )


def _mobility(d: Mapping[str, np.ndarray], judged: bool) -> Iterator[Column[_Row]]:
    yield Column(
        "mobility",
        lambda r: r.mobility() * CM2,
        "cm²/(V s)",
        "mobility",
        stderr=lambda r: r.mobility("_stderr") * CM2,
        reason=lambda r: r.why(r.mobility_name),
    )
    yield Column(
        "exact",
        lambda r: r.mobility("_exact") * CM2,
        "cm²/(V s)",
        "mobility_exact",
        text=lambda r: format_beside(*(r.mobility(s) * CM2 for s in ("_exact", "", "_stderr"))),
        shown=judged,
    )
    yield _deviation("mobility_deviation", judged)
    mixed = not {"linear response", "combined"}.isdisjoint(np.ravel(d.get("mobility_method", [])))
    yield Column("from", lambda r: r.method, key="mobility_from", shown=mixed)
    yield Column(
        "drift velocity",
        lambda r: r.drift(),
        "m/s",
        "drift_velocity",
        stderr=lambda r: r.drift("_stderr"),
        shown=bool((d["field"] > 0).any()),
        reason=lambda r: r.why("drift_velocity") if r.driven else "",
    )


def _on_request(d: Mapping[str, np.ndarray]) -> Iterator[Column[_Row]]:
    """What is in the data, and in the text when asked for."""
    charged = _charged(d)
    yield from _along("D collective along", "collective_diffusivity", "cm²/s", CM2)
    if charged:
        yield from _along("D charge along", "charge_diffusivity", "cm²/s", CM2)
    if "conductivity" in d:
        yield from _along("conductivity along", "conductivity", "S/cm", S_PER_CM)
    if "jump_diffusivity" in d:
        yield from _along("D jump along", "jump_diffusivity", "cm²/s", CM2)
    if "onsager" in d:
        yield from _along("e² L along", "onsager", "S/cm", S_PER_CM)
    yield from _haven()
    if charged:
        yield from _differential()
    for name, unit, factor in (
        ("drift_velocity", "m/s", 1.0),
        *((("mobility_tensor", "cm²/(V s)", CM2),) if charged else ()),
        ("tracer_diffusivity", "cm²/s", CM2),
        ("haven_ratio", "", 1.0),
        ("correlation_factor", "", 1.0),
    ):
        rank = sum(x.startswith("axis") for x in ARRAYS[name].dims)
        for at in np.ndindex(*(3,) * rank):
            yield _component(name, at, unit, factor)
    others = d["carrier"].tolist()
    for b, other in enumerate(others if len(others) > 1 else []):
        yield _cross(b, other, "D collective along", "collective_diffusivity", "cm²/s", CM2)
        if "onsager" in d:
            yield _cross(b, other, "e² L along", "onsager", "S/cm", S_PER_CM)
    for header, name, unit, factor in (
        ("hop rate below", "hop_rate_limit", "1/s", 1.0),
        ("D below", "diffusivity_limit", "cm²/s", CM2),
    ):
        yield _limit(header, name, unit, factor)
    if "quenched" in d:
        yield _of_point("quenched", "quenched", "")
    if "single_file_length" in d:
        yield Column(
            header="single file",
            value=lambda r: r.d["single_file_length"][r.a] * 1e10,
            unit="Å",
            key="single_file_length",
            text=".4g",
            shown=False,
        )
    yield _of_point("effective samples", "effective_samples", ".3g")
    yield _of_point("clamped share", "clamped_share", ".3g")
    yield Column(
        header="barriers' factor",
        value=lambda r: r.d["barrier_error_factor"][r.t, r.e, r.a],
        unit="",
        key="barrier_error_factor",
        text=".3g",
        shown=False,
    )
    if charged:
        yield Column(
            header="bias at most",
            value=lambda r: r.of_carrier("mobility_bias") * CM2,
            unit="cm²/(V s)",
            key="mobility_bias",
            text=".2g",
            shown=False,
        )
    if "algorithm" in d:
        yield _of_point("algorithm", "algorithm", "")
    yield Column(
        header="hops/s", value=lambda r: r.speed, unit="", key="hops_per_second", text=".2g", shown=False
    )
    yield _of_point("wall time", "wall_time", ".3g", "s")
    yield _of_point("converged", "converged", "")
    yield _of_point("exit", "exit_reason", "")


def _differential() -> Iterator[Column[_Row]]:
    yield Column(
        "differential mobility",
        lambda r: r.of_carrier("differential_mobility") * CM2,
        "cm²/(V s)",
        "differential_mobility",
        stderr=lambda r: r.of_carrier("differential_mobility_stderr") * CM2,
        shown=False,
        reason=lambda r: r.why_no_slope,
    )
    yield Column(
        "differential mobility, exact",
        lambda r: r.of_carrier("differential_mobility_exact") * CM2,
        "cm²/(V s)",
        "differential_mobility_exact",
        text=lambda r: format_beside(
            *(r.of_carrier(f"differential_mobility{s}") * CM2 for s in ("_exact", "", "_stderr"))
        ),
        shown=False,
    )


def _of_point(header: str, name: str, text: str, unit: str = "") -> Column[_Row]:
    return Column(
        header=header, value=lambda r: r.of_point(name), unit=unit, key=name, text=text, shown=False
    )


def _along(
    header: str, name: str, unit: str, factor: float, *, shown: bool = False, exact: bool = False
) -> Iterator[Column[_Row]]:
    """A tensor's component along the direction of the row, and its exact value."""
    yield Column(
        header,
        lambda r: r.along(name) * factor,
        unit,
        name,
        stderr=lambda r: r.along(f"{name}_stderr") * factor,
        shown=shown,
        reason=lambda r: r.why(name),
    )
    yield Column(
        f"{header}, exact",
        lambda r: r.along(f"{name}_exact") * factor,
        unit,
        f"{name}_exact",
        text=lambda r: format_beside(*(r.along(name + s) * factor for s in ("_exact", "", "_stderr"))),
        shown=exact,
    )


def _component(name: str, at: tuple[int, ...], unit: str, factor: float) -> Column[_Row]:
    """One Cartesian component."""
    label = "".join(AXES[i] for i in at)
    return Column(
        f"{name.replace('_', ' ').replace('haven', 'Haven')} {label}",
        lambda r: r.tensor(name)[at] * factor,
        unit,
        f"{name}_{label}",
        stderr=lambda r: r.tensor(f"{name}_stderr")[at] * factor,
        shown=False,
    )


def _limit(header: str, name: str, unit: str, factor: float) -> Column[_Row]:
    """95 % upper limit of a species that has not moved."""
    return Column(
        header=header,
        value=lambda r: r.of_carrier(name) * factor,
        unit=unit,
        key=name,
        text=".2g",
        shown=False,
    )


def _cross(b: int, other: str, header: str, name: str, unit: str, factor: float) -> Column[_Row]:
    """What joins two species."""
    return Column(
        f"{header}, with {other}",
        lambda r: r.along(name, b) * factor,
        unit,
        f"{name}_with_{other}",
        stderr=lambda r: r.along(f"{name}_stderr", b) * factor,
        shown=False,
        reason=lambda r: r.why(name),
    )


def _number(header: str, name: str, *, shown: bool = False) -> Iterator[Column[_Row]]:
    """A number of each carrier, and its exact value."""
    yield Column(
        header,
        lambda r: r.of_carrier(name),
        key=name,
        stderr=lambda r: r.of_carrier(f"{name}_stderr"),
        shown=shown,
        reason=lambda r: r.why(name),
    )
    yield Column(
        f"{header}, exact",
        lambda r: r.of_carrier(f"{name}_exact"),
        key=f"{name}_exact",
        text=lambda r: format_beside(*(r.of_carrier(f"{name}{s}") for s in ("_exact", "", "_stderr"))),
        shown=False,
    )


def _haven() -> Iterator[Column[_Row]]:
    def ratio(row: _Row, suffix: str = "") -> float:
        unit = np.abs(row.d["direction_vector"][row.e])
        axis = int(unit.argmax())
        if unit[axis] > 1 - 1e-9:
            return float(row.tensor(f"haven_ratio{suffix}")[axis])
        if suffix:
            return math.nan  # the errors of the two are correlated
        collective = row.along("collective_diffusivity")
        return row.along("tracer_diffusivity") / collective if collective > 0 else math.nan

    yield Column(
        "Haven ratio along",
        ratio,
        "",
        "haven_ratio",
        stderr=lambda r: ratio(r, "_stderr"),
        shown=False,
        reason=lambda r: r.why("haven_ratio"),
    )
