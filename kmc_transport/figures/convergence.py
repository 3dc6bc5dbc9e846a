"""How a point came to its number: the estimate as it grew, and the displacements that it was read from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..analysis import evaluate
from ..analysis.diffusion import block_means
from ..errors import InputError
from ..ndarrays import FloatArray
from ..records import Tallies
from ..report.display import Units, shown_unit
from .chart import Axis, Chart, Panel, Series

if TYPE_CHECKING:
    from ..analysis import System
    from ..store import PointRecord

__all__ = ["chart_convergence"]


_STEPS, _FEWEST = 14, 8
"""Points of the running estimate; rows of the first one, all replicas together."""


def chart_convergence(
    record: PointRecord, system: System, carriers: Sequence[str], direction: int, asked: Units | None = None
) -> Chart:
    """The mobility as the rows of one point came in, each estimate by itself from the rows so far, and the mean squared
    displacement with the blocks behind the result.

    record : of a point, with its tallies. system : what the estimators must know of it. direction : which of the
    directions. Raises InputError where the point kept nothing to look at.
    """
    if not record.tallies or min(t.n_rows for t in record.tallies) < 2:
        raise InputError(
            "this point kept too few rows to look at",
            key="--what",
            value="convergence",
            remedy="choose a point of smaller error with --where",
        )
    name = "mobility" if system.driven else "mobility_einstein"
    unit = shown_unit("m2 V-1 s-1", asked)
    rows = min(t.n_rows for t in record.tallies)
    first = max(2, -(-_FEWEST // len(record.tallies)))
    counts = sorted({round(n) for n in np.geomspace(min(first, rows), rows, _STEPS)})
    times, values, errors = [], [], []
    for n in counts:
        parts = [t.rows(slice(0, n)) for t in record.tallies]
        found = evaluate(system, parts).estimates[name]
        value, error = np.asarray(found.value), np.asarray(found.stderr)
        if not system.driven:
            value, error = value[direction], error[direction]
        times.append(sum(t.time for t in parts))
        values.append(unit.of(value))
        errors.append(unit.error(error))
    series = []
    for a, carrier in enumerate(carriers):
        value, error = np.array(values)[:, a], np.array(errors)[:, a]
        good = np.isfinite(value) & np.isfinite(error)
        label = carrier.replace("_", " ")
        x, where = np.array(times), {"carrier": carrier}
        series.append(
            Series(label=label, x=x[good], y=value[good], error=error[good], hue=a, mark=a, where=where)
        )
        exact = record.exacts.get(name)
        if exact is not None:
            truth = float(unit.of(exact[a] if system.driven else exact[direction, a]))
            if np.isfinite(truth):
                ends = np.array([x[0], x[-1]])
                series.append(
                    Series(
                        label=f"{label}, exact", x=ends, y=np.full(2, truth), kind="level", hue=a, where=where
                    )
                )
    running = Panel(
        x=Axis("simulated time, all replicas", "s", "simulated_time", "log"),
        y=Axis("running mobility", unit.name, "mobility"),
        series=series,
        title="running estimate, ± 1 standard error",
    )
    whole = evaluate(system, record.tallies)
    return Chart(
        panels=[running, _squares(record.tallies, carriers, system.direction[direction], whole.block)]
    )


def _squares(tallies: Sequence[Tallies], carriers: Sequence[str], along: FloatArray, block: float) -> Panel:
    """Mean squared displacement along the direction, per carrier, without the drift."""
    whole = Tallies.concatenate(list(tallies))
    velocity, collective, tracer = block_means(whole)
    lag = whole.sample_interval * 2.0 ** np.arange(whole.levels + 1)
    n = len(velocity)
    series: list[Series] = []
    for a, carrier in enumerate(carriers):
        number = float(whole.number[a])
        speed = velocity[:, a] @ along
        drift = 2 * speed.mean() * speed[:, None] * lag**2 - (speed.mean() * lag) ** 2
        for kind, squares, scale, way in (
            ("one carrier", tracer[:, :, a], 1.0, drift / number**2),
            ("all together, per carrier", collective[:, :, a, :, a, :], 1 / number, drift / number),
        ):
            of_row = np.einsum("nlij,i,j->nl", squares, along, along) * scale - way
            y, error = of_row.mean(axis=0), of_row.std(axis=0, ddof=1) / np.sqrt(n)
            good = y > 0
            series.append(
                Series(
                    label=f"{carrier.replace('_', ' ')}: {kind}" if number > 1 else carrier.replace("_", " "),
                    x=lag[good],
                    y=y[good],
                    error=np.minimum(error, 0.9 * y)[good],
                    hue=len(series),
                    mark=len(series),
                    where={"carrier": carrier, "displacement": kind},
                )
            )
            if number == 1:
                break
    return Panel(
        x=Axis("time", "s", "lag", "log"),
        y=Axis("mean squared displacement", "Å²", "mean_square_displacement", "log"),
        series=series,
        title="displacement along the field",
        span=(block, 2 * block, "slope used") if block > 0 else None,
    )
