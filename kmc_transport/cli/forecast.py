"""How often species hop and what a run will take, as tables and words of `check`."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..report import Column, Table
from ..report.numbers import MISSING, plain
from .advice import long_time, span

if TYPE_CHECKING:
    from ..model.model import Model
    from ..runs.forecast import HopFrequencies
    from ..runs.pilots import Forecast, Pilot

__all__ = ["forecast_data", "forecast_line", "frequency_table", "pilot_table"]

FEW_SWEEPS = 50
"""Sweeps of Monte Carlo after which carriers are hardly in equilibrium yet."""
SEEN = 0.3
"""Relative error of a rate from which its digits mean nothing."""


@dataclass(frozen=True)
class _Species:
    """One species (index ``a``) at one condition."""

    at: HopFrequencies
    name: str
    a: int

    @property
    def rate(self) -> float:
        return float(self.at.rate[self.a])

    @property
    def stderr(self) -> float:
        return float(self.at.stderr[self.a])

    @property
    def number(self) -> int:
        return int(self.at.number[self.a])

    @property
    def slower(self) -> float:
        return float(self.at.slower[self.a])

    @property
    def needed(self) -> float:
        return float(self.at.needed[self.a])


def frequency_table(model: Model, found: list[HopFrequencies]) -> Table[Any]:
    """Hops of each species per second of physical time, and how many the asked accuracy needs at least."""
    names = [c.name for c in model.carriers]
    first, sampling = found[0], model.sampling
    axes = [_axis(n) for n, _ in first.coordinates]
    error = sampling.table_error or sampling.relative_error
    columns: list[Column[_Species]] = [
        *axes,
        Column("T", lambda r: r.at.temperature, "K", "temperature", text=".5g", names=True),
        Column("carrier", lambda r: r.name, key="carrier", names=True),
        Column(
            header="one carrier",
            value=lambda r: r.rate / r.number if r.number else math.nan,
            unit="1/s",
            key="hops_per_carrier",
            text=lambda r: _number(r.rate / r.number if r.number else math.nan, r.stderr / max(1, r.number)),
        ),
        Column(
            header="all",
            value=lambda r: r.rate,
            unit="1/s",
            key="hops",
            text=lambda r: _number(r.rate, r.stderr),
        ),
        Column("", lambda r: r.stderr, "1/s", "hops_stderr", shown=False),
        Column(
            header="times slower",
            value=lambda r: r.slower,
            key="slower",
            text=lambda r: "" if r.slower == 1 else f"{r.slower:.2g}" if math.isfinite(r.slower) else MISSING,
            shown=len(names) > 1,
        ),
        Column(
            header="hops needed",
            value=lambda r: r.needed,
            key="hops_needed_at_least",
            text=lambda r: f"> {r.needed:.0e}" if math.isfinite(r.needed) else MISSING,
            shown=error is not None,
        ),
    ]
    rows = [_Species(one, name, a) for one in found for a, name in enumerate(names)]
    place = "without a field" if not first.field else f"at {1e10 * first.field:.3g} V/m"
    table = Table(f"Hops per second of physical time, {place}", columns, rows)
    if first.sweeps:
        sweeps = sorted({one.sweeps for one in found})
        table.notes.append(
            f"Means over sampled configurations of equilibrium ({sweeps[0]} Monte Carlo sweeps before), with the "
            "scatter between four starts as error."
        )
        if sweeps[0] < FEW_SWEEPS:
            table.notes.append(
                "That is too short for equilibrium: the rates may be ten times too high. Smaller cells tell more."
            )
    else:
        table.notes.append("Exact: means over all configurations in equilibrium.")
    if error is not None and any(math.isfinite(r.needed) for r in rows):
        table.notes.append(
            f"Hops needed: of all carriers together, for {100 * error:.3g} % of the "
            f"{sampling.target.replace('_', ' ')} of this species, if hops did not remember each other; jumps back and "
            "forth make it more."
        )
    return table


def pilot_table(model: Model, told: Forecast) -> Table[Any]:
    """What single points take, from the pilots."""
    columns: list[Column[Pilot]] = [
        *(_axis(n) for n, _ in told.pilots[0].coordinates),
        Column("T", lambda p: p.temperature, "K", "temperature", text=".5g", names=True),
        Column("field", lambda p: 1e10 * math.hypot(*p.field), "V/m", "field", text=".3g", names=True),
        Column("decided by", lambda p: _decides(model, p), key="decided_by"),
        Column(header="hops", value=lambda p: p.speed, unit="1/s", key="hops_simulated", text=".1e"),
        Column("hops needed", lambda p: p.hops.likely, key="hops_needed", text=_hops),
        Column("", lambda p: p.hops.low, key="hops_needed_low", shown=False),
        Column("", lambda p: p.hops.high, key="hops_needed_high", shown=False),
        Column("", lambda p: p.hops.at_least, key="at_least", shown=False),
        Column("", lambda p: p.seconds[0], "s", "processor_time_low", shown=False),
        Column("", lambda p: p.seconds[1], "s", "processor_time_high", shown=False),
        Column("processor time", lambda p: span(*p.seconds, p.hops.at_least)),
        Column(
            header="error",
            value=lambda p: p.error,
            key="relative_error_foretold",
            text=lambda p: (
                f"{100 * p.error:.{0 if p.error > 0.1 else 1}f} %" if math.isfinite(p.error) else MISSING
            ),
            shown=told.pilots[0].decides is None,
        ),
    ]
    return Table("What a point takes, tried out for a second or two", columns, list(told.pilots))


def _decides(model: Model, pilot: Pilot) -> str:
    if pilot.decides is None:
        return "the length asked for"
    target, still = (
        model.sampling.target.replace("_", " "),
        ", ".join(model.carriers[a].name for a in pilot.rare),
    )
    if still:
        return f"{still}: hardly a hop"
    return (
        f"{target}" if target == "charge diffusivity" else f"{target} of {model.carriers[pilot.decides].name}"
    )


def _hops(pilot: Pilot) -> str:
    return (
        f"> {pilot.hops.low:.0e}" if pilot.hops.at_least else f"{pilot.hops.low:.1e} to {pilot.hops.high:.1e}"
    )


def forecast_line(told: Forecast) -> str:
    """The whole run in a sentence."""
    machine = "one processor" if told.workers == 1 else f"{told.workers} processors"
    points = "1 point" if told.points == 1 else f"{told.points} points"
    text = f"{points} take {span(*told.wall, told.at_least)} on {machine} that do nothing else"
    if told.spent[1] < 0.7 * told.wall[1]:
        text += f", and end after {long_time(told.spent[1])} at the latest, by their limits"
    return f"{text}."


def forecast_data(model: Model, told: Forecast, remedies: list[str]) -> dict[str, Any]:
    """For ``--json``."""
    return {
        "points": told.points,
        "workers": told.workers,
        "wall_time_s": [plain(x) for x in told.wall],
        "wall_time_with_limits_s": [plain(x) for x in told.spent],
        "processor_time_s": [plain(x) for x in told.processor],
        "at_least": told.at_least,
        "pilots": pilot_table(model, told).data,
        "remedies": remedies,
    }


def _axis(name: str) -> Column[Any]:
    """A place on an axis of composition or samples; of rows with ``coordinates``, or ``at`` something that has some."""
    return Column(name, lambda r: dict(getattr(r, "at", r).coordinates)[name], key=name, text="g", names=True)


def _number(value: float, stderr: float) -> str:
    """With two digits, or with the error that sampling leaves."""
    if not math.isfinite(value):
        return MISSING
    if not stderr:
        return f"{value:.3g}"
    return f"{value:.1e} ± {100 * stderr / value:.0f} %" if stderr < SEEN * value else f"about {value:.0e}"
