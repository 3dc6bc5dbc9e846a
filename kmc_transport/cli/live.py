"""How far a sweep is, as text: a live picture on a terminal, the same words for `status`."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..errors import plain
from ..report import Column, Table
from ..report.numbers import MISSING
from .terminal import tell

if TYPE_CHECKING:
    from ..runs.pipeline import Progress

__all__ = ["Live", "duration", "progress_text", "worst_table"]

ROWS = 6
"""Points in the live table."""


def duration(seconds: float) -> str:
    """A time as people say it: ``3.2 s``, ``4 min 10 s``, ``2 h 5 min``, ``3 d 4 h``."""
    if seconds < 60:
        return f"{seconds:.2g} s" if seconds < 10 else f"{seconds:.0f} s"
    for size, unit, below in ((86400, "d", "h"), (3600, "h", "min"), (60, "min", "s")):
        if seconds >= size:
            rest = int(seconds % size // {"h": 3600, "min": 60, "s": 1}[below])
            return f"{int(seconds // size)} {unit}" + (f" {rest} {below}" if rest else "")
    return ""


def progress_text(p: Mapping[str, Any]) -> str:
    """One line: points done, failed and at work, rate, time left. p : `Progress.as_json`."""
    parts = [f"{p['done']}/{p['points']} points"]
    if p["kept"]:
        parts.append(f"{p['kept']} of them from earlier")
    if p["failed"]:
        parts.append(f"{p['failed']} failed")
    if p["inaccurate"]:
        parts.append(f"{p['inaccurate']} not accurate")
    if p["running"]:
        parts.append(f"{len(p['running'])} running")
    if p["seconds"] > 0.5 and p["hops"]:
        parts.append(f"{p['hops'] / p['seconds'] / 1e6:.3g} million hops/s")
    if p["rate"] > 0:
        parts.append(
            f"{p['rate']:.3g} points/s" if p["rate"] >= 1 else f"{duration(1 / p['rate'])} per point"
        )
    if p["finished"]:
        parts.append(f"finished in {duration(p['seconds'])}")
    elif p["seconds_left"] is not None:
        parts.append(f"about {duration(p['seconds_left'])} left")
    return (f"{p['stage']}: " if p["stage"] else "") + ", ".join(parts)


def worst_table(standings: Sequence[Mapping[str, Any]]) -> Table[Any]:
    """Points farthest from the accuracy asked for."""

    def error(s: Mapping[str, Any], per_ratio: bool) -> str:
        error, ratio = s["relative_error"], s["ratio"]
        if error is None or ratio is None or not (math.isfinite(error) and math.isfinite(ratio)):
            return MISSING
        if per_ratio and not ratio > 0:
            return MISSING
        return f"{100 * (error / ratio if per_ratio else error):.2g} %"

    def axis(name: str) -> Column[Mapping[str, Any]]:
        return Column(name, lambda s: dict(s["coordinates"]).get(name, math.nan), text="g", names=True)

    names = dict.fromkeys(name for s in standings for name, _ in s.get("coordinates") or ())
    columns: list[Column[Mapping[str, Any]]] = [
        *map(axis, names),
        Column("T", lambda s: s["temperature"], "K", text=".5g", names=True),
        Column("field", lambda s: math.hypot(*s["field"]) * 1e10, "V/m", text=".3g", names=True),
        Column("error", lambda s: error(s, per_ratio=False)),
        Column("asked", lambda s: error(s, per_ratio=True)),
        Column("hops", lambda s: s["events"], text=".1e"),
        Column("", lambda s: s["exit_reason"] or "running"),
    ]
    return Table("Farthest from the accuracy asked for", columns, list(standings))


class Live:
    """Progress of a run on standard error: a bar and the worst points on a terminal, else what is worth a line."""

    def __init__(self, quiet: bool) -> None:
        self.quiet = quiet
        self.shown = not quiet and sys.stderr.isatty()
        self._said = False
        self._drawn = -1.0

    def __enter__(self) -> Live:
        if self.shown:
            from rich.console import Console
            from rich.live import Live as RichLive

            self._live = RichLive(console=Console(stderr=True), transient=True, auto_refresh=False)
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.shown:
            self._live.stop()

    def update(self, progress: Progress) -> None:
        """What `kmc_transport.run` calls."""
        if not self._said:
            self._said = True
            self._say_what_is_there(progress)
        if not self.shown or (time.monotonic() - self._drawn < 0.25 and not progress.finished):
            return
        self._drawn = time.monotonic()
        self._live.update(self._picture(progress.as_json()), refresh=True)

    def _say_what_is_there(self, p: Progress) -> None:
        for path in p.damaged:
            tell(f"damaged, or of another point: {path}: simulated anew")
        if self.quiet or not (p.kept or p.outside):
            return
        missing = p.points - p.kept
        text = f"{p.kept} of {p.points} points are there already, {missing or 'none'} to simulate"
        if p.outside:
            text += f"; {p.outside} of another grid or sampling stay in the folder, outside this table"
        tell(text)

    def _picture(self, p: Mapping[str, Any]) -> Any:
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table as RichTable
        from rich.text import Text

        bar = ProgressBar(max(1, p["points"]), p["done"] + p["failed"])
        parts: list[Any] = [Text(progress_text(p)), bar, Text("")]  # a bar does not end its line
        worst = worst_table(p["worst"][:ROWS])
        if worst.rows:
            shown = RichTable(box=None, pad_edge=False)
            for column in worst.shown:
                shown.add_column(Text(f"{column.header} {column.unit}".strip()), justify="right")
            for row in worst.cells:
                shown.add_row(*(Text(plain(cell)) for cell in row))
            parts += [Text(worst.title, style="italic"), shown]
        return Group(*parts)
