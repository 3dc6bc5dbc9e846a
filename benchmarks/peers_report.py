"""Table and figure of `peers.py`."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

__all__ = ["CODES", "Outcome", "write_report"]

CODES: dict[tuple[str, str], tuple[str, str, str]] = {
    ("bare", "table"): ("bare loop, neighbour table", "yes", "0.6"),
    ("bare", "bits"): ("bare loop, bit set", "yes", "0.35"),
    ("kmc_transport", ""): ("kmc_transport", "yes", "tab:red"),
    ("kmcos", ""): ("kmcos", "no", "tab:blue"),
    ("lattice_mc", ""): ("lattice_mc", "yes", "tab:green"),
    ("kmcpy", "by hand"): ("kMCpy, events by hand", "yes", "tab:purple"),
    ("kmcpy", "generator"): ("kMCpy, its own events", "yes", "tab:pink"),
}
"""Code and variant: name, whether it follows displacements, colour."""


@dataclass
class Outcome:
    """What came out of one case."""

    peer: str
    variant: str
    job: str
    size: int
    percent: int
    reason: str = ""
    """Why there is no number."""
    rate: float = 0.0
    """Executed hops per second."""
    hops: int = 0
    startup: float = 0.0
    built: float = 0.0
    """Time to build the model, not part of ``startup``."""
    peak_bytes: float = 0.0
    at_start: float | None = None
    """Total rate of the common start over the expected one."""
    by_clock: float | None = None
    """Hops per simulated time over the expected number."""
    clock_hops: int = 0
    first_start: bool = False
    """With no compiled kernels at hand."""
    note: str = ""
    versions: dict[str, str] = field(default_factory=dict)

    def take(self, result: dict[str, Any], start: dict[str, Any]) -> None:
        """Fill in what a runner gave; ``start`` is the common start."""
        for key in ("rate", "hops", "startup", "built", "peak_bytes", "note", "versions", "clock_hops"):
            setattr(self, key, result.get(key, getattr(self, key)))
        if result.get("clock"):
            expected = start["mean_rate"] * start["n_carriers"]
            self.by_clock = result["clock_hops"] / result["clock"] / expected
        if result.get("start_rate") and start["start_rate"]:
            self.at_start = result["start_rate"] / start["start_rate"]

    def better(self, other: Outcome) -> Outcome:
        """The faster of two rounds, with the quicker start."""
        if not (self.rate and other.rate):
            return self if self.rate else other
        best = max(self, other, key=lambda o: o.rate)
        best.startup = min(self.startup, other.startup)
        best.note = self.note or other.note
        best.built = max(self.built, other.built)
        return best

    @property
    def code(self) -> tuple[str, str]:
        return self.peer, self.variant

    def __str__(self) -> str:
        what = f"{self.job:5} {self.size:>3}³ {self.percent} %  {CODES[self.code][0]:27}"
        if self.reason:
            return f"{what} {self.reason}"
        cost = f"start {self.startup:5.1f} s  {self.peak_bytes / 2**20:6.0f} MiB"
        return f"{what} {self.rate:10.3g} hops/s  {cost}  {self.check}"

    @property
    def check(self) -> str:
        """Rates of the start and pace of the clock beside what is expected."""
        parts = []
        if self.at_start is not None:
            parts.append(f"start {self.at_start:.4f}")
        if self.by_clock is not None and self.clock_hops:
            error = self.by_clock / self.clock_hops**0.5
            parts.append(
                f"clock {self.by_clock:.3f}" if error < 0.002 else f"clock {self.by_clock:.2f} ± {error:.2g}"
            )
        return ", ".join(parts)


def write_report(outcomes: list[Outcome], folder: Path, command: str) -> None:
    """Write ``benchmarks.md`` and ``benchmarks.png``."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "benchmarks.md").write_text(page(outcomes, command), encoding="utf-8")
    figure(outcomes, folder / "benchmarks.png")


def page(outcomes: list[Outcome], command: str) -> str:
    """The page in Markdown."""
    usual = [o for o in outcomes if not o.first_start]
    versions = {name: v for o in usual if o.peer != "bare" for name, v in versions_of(o).items()}
    lines = [
        "# Benchmarks",
        "",
        f"{date.today()}, one core of {machine()}; written by `{command}`.",
        f"Versions: {', '.join(f'{n} {v}' for n, v in sorted(versions.items()))}.",
        "",
        "Executed hops per second on a simple cubic lattice with site exclusion, periodic boundaries and hops to the",
        "six neighbours. *Gas*: unit rates. *Pairs*: neighbours attract by 0.5 kT, Metropolis rates. The bare loops",
        "are written by hand for this one job (`benchmarks/bare_loops.py`; winding numbers, no samples);",
        "kmc_transport keeps all displacements and tallies and takes a sample every two hops per carrier (1024 in all",
        "at least). They take turns, and the best slice of time counts.",
        "",
        "![Hops per second, memory and start-up](benchmarks.png)",
        "",
    ]
    for job, title in (("gas", "Gas"), ("pairs", "Pairs")):
        lines += [f"## {title}", "", *speeds([o for o in usual if o.job == job]), ""]
    lines += [
        "## Start-up, memory and whether it is the same job",
        "",
        *others(outcomes),
        "",
        *remarks(outcomes),
    ]
    return "\n".join(lines).rstrip() + "\n"


def versions_of(outcome: Outcome) -> dict[str, str]:
    """Versions of a peer's own package, and numba here."""
    own = {"kmc_transport": ("numba", "numpy")}.get(outcome.peer, (outcome.peer,))
    return {name: v for name, v in outcome.versions.items() if name in own}


def machine() -> str:
    """Processor and number of cores."""
    name = platform.processor() or platform.machine()
    cpu = Path("/proc/cpuinfo")
    if cpu.exists():
        models = [s.split(":")[1].strip() for s in cpu.read_text().splitlines() if s.startswith("model name")]
        name = models[0] if models else name
    return f"a machine with {os.cpu_count()} × {name}, Python {platform.python_version()}"


def speeds(outcomes: list[Outcome]) -> list[str]:
    """Hops per second, codes down, lattices across."""
    columns = sorted({(o.size, o.percent) for o in outcomes})
    at = {(o.code, o.size, o.percent): o for o in outcomes}
    lines = ["| | " + " | ".join(f"{size}³, {percent} %" for size, percent in columns) + " |"]
    lines += ["| --- |" + " ---: |" * len(columns)]
    for code, (name, *_) in CODES.items():
        row = [at.get((code, *c)) for c in columns]
        if any(row):
            lines.append(f"| {name} | " + " | ".join(speed(o) for o in row) + " |")
    ours, bare = ("kmc_transport", ""), [c for c in CODES if c[0] == "bare"]
    peers = [c for c in CODES if c[0] not in ("bare", "kmc_transport")]
    for name, others_ in (("better bare loop", bare), ("fastest peer", peers)):
        row_ = []
        for column in columns:
            mine = at.get((ours, *column))
            best = max((at[(c, *column)].rate for c in others_ if (c, *column) in at), default=0.0)
            row_.append(f"{float(f'{mine.rate / best:.2g}'):g}" if mine and mine.rate and best else "")
        if any(row_):
            lines.append(f"| *kmc_transport / {name}* | " + " | ".join(row_) + " |")
    return lines


def speed(outcome: Outcome | None) -> str:
    """Hops per second with three figures."""
    if outcome is None or not outcome.rate:
        return "" if outcome is None else "–"
    for unit, factor in (("M", 1e6), ("k", 1e3)):
        if outcome.rate >= factor:
            return f"{outcome.rate / factor:.3g} {unit}"
    return f"{outcome.rate:.3g}"


def others(outcomes: list[Outcome]) -> list[str]:
    """Start-up, memory and rates of each code, in the case nearest to 20³ at 10 %."""
    lines = [
        "| | job | displacements | start-up, s | first time, s | peak memory, MiB | rates beside the expected |",
        "| --- | --- | --- | ---: | ---: | ---: | --- |",
    ]
    for code, (name, displacements, _) in CODES.items():
        for job in ("gas", "pairs"):
            mine = [o for o in outcomes if o.code == code and o.job == job]
            usual = sorted((o for o in mine if not o.first_start and o.rate), key=near_20)
            if not usual:
                if mine and job == "gas":
                    lines.append(f"| {name} | {mine[0].reason} |" + " |" * 5)
                continue
            o = usual[0]
            first = max((x.startup for x in mine if x.first_start), default=0.0)
            first = max([first, *(x.built for x in mine if x.built > 1)])
            cells = (
                *(
                    name,
                    f"{job}, {o.size}³",
                    displacements,
                    f"{o.startup:.1f}",
                    f"{first:.0f}" if first else "",
                ),
                *(f"{o.peak_bytes / 2**20:.0f}", o.check),
            )
            lines.append(f"| {' | '.join(cells)} |")
    return lines


def near_20(outcome: Outcome) -> tuple[int, int]:
    return abs(outcome.size - 20), outcome.percent


def remarks(outcomes: list[Outcome]) -> list[str]:
    """How to read the table, and what went wrong."""
    lines = [
        "Start-up: from the start of the process to the first hop; the first time with kernels or model to compile.",
        "Rates: *start*, sum of all rates of the common start over the exact one; *clock*, hops per simulated time",
        "over the expected number (gas: 6 N_c (N - N_c)/(N - 1); pairs: a long run of the bare loop); short runs with",
        "their standard error.",
        "",
        "- kmcos keeps no displacements. With pairs it runs its backend `otf`, else `local_smart`.",
        "- kMCpy's own event generator lists every pair of neighbours twice on this lattice, so that all rates are",
        "  doubled; listed by hand, once each, they are right. It finds the executed event again by a search of the",
        "  whole list.",
        "- lattice_mc lists all possible jumps anew, twice, at each hop.",
    ]
    for job in ("gas", "pairs"):
        mine = [
            o for o in outcomes if o.peer == "kmc_transport" and o.job == job and o.note and not o.first_start
        ]
        if mine:
            found = "; ".join(f"{o.size}³ at {o.percent} %: {o.note}" for o in mine)
            lines.append(f"- kmc_transport, {job}: {found}.")
    wrong = {
        f"- {CODES[o.code][0]}, {o.job} {o.size}³ {o.percent} %: {o.reason}" for o in outcomes if o.reason
    }
    return [*lines, *sorted(wrong)]


def figure(outcomes: list[Outcome], path: Path) -> None:
    """Hops per second against sites for both jobs, memory, start-up."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    usual = [o for o in outcomes if not o.first_start and o.rate]
    fig, ((gas, pairs), (memory, start)) = plt.subplots(2, 2, figsize=(10, 8.6), layout="constrained")
    for ax, job, title in ((gas, "gas", "Exclusion gas"), (pairs, "pairs", "Pairs of -0.5 kT")):
        for code, (name, _, colour) in CODES.items():
            for percent, style, marker in ((10, "-", "o"), (50, "--", "s")):
                mine = sorted(
                    (o for o in usual if (o.code, o.job, o.percent) == (code, job, percent)),
                    key=lambda o: o.size,
                )
                if mine:
                    ax.plot(
                        [o.size**3 for o in mine],
                        [o.rate for o in mine],
                        marker + style,
                        color=colour,
                        mfc=colour if percent == 10 else "none",
                        label=name if percent == 10 else None,
                    )
        ax.set(xscale="log", yscale="log", xlabel="sites", ylabel="executed hops per second", title=title)
    gas.plot([], [], "ks--", mfc="none", label="half of the sites occupied")
    for code, (name, _, colour) in CODES.items():
        mine = sorted(
            (o for o in usual if o.code == code and (o.job, o.percent) == ("gas", 10)), key=lambda o: o.size
        )
        if mine:
            memory.plot(
                [o.size**3 for o in mine],
                [o.peak_bytes / 2**20 for o in mine],
                "o-",
                color=colour,
                label=name,
            )
    memory.set(
        xscale="log", yscale="log", xlabel="sites", ylabel="peak memory, MiB", title="Memory (gas, 10 %)"
    )
    names, values, colours = [], [], []
    for code, (name, _, colour) in CODES.items():
        mine = sorted((o for o in usual if o.code == code and o.job == "gas"), key=near_20)
        first = [o.startup for o in outcomes if o.code == code and o.first_start and o.rate]
        if first:
            names, values, colours = [*names, f"{name}, first"], [*values, max(first)], [*colours, colour]
        if mine:
            names, values = [*names, f"{name}, {mine[0].size}³"], [*values, mine[0].startup]
            colours.append(colour)
    start.barh(names, values, color=colours)
    start.bar_label(start.containers[0], fmt="%.1f s", padding=3)
    start.invert_yaxis()
    start.margins(x=0.2)
    start.set(xlabel="seconds to the first hop", title="Start-up (gas, 10 %)")
    start.tick_params(axis="y", labelsize="small")
    fig.legend(*gas.get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize="small")
    for ax in (gas, pairs, memory):
        ax.set_xlim(5e2, 4e7)
        ax.grid(alpha=0.3)
    fig.savefig(path, dpi=110)
    plt.close(fig)
