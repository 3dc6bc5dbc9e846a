"""What the runners of `peers.py` share. Standard library only: each peer runs in an environment of its own."""

from __future__ import annotations

import argparse
import json
import random
import resource
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

__all__ = ["ENERGY", "MARK", "STEPS", "Job", "measure", "read_job", "report"]

ENERGY = -0.5
"""Energy of a pair of neighbours in kT (job ``pairs``, rates min(1, exp(-dE/kT)); the job ``gas`` has none)."""

STEPS = ((1, 0, 0), (-1, 0, 0), (0, 1, 0), (0, -1, 0), (0, 0, 1), (0, 0, -1))
"""Hops of the simple cubic lattice, each at unit rate."""

MARK = "RESULT "
"""Begins the line with the result, as some programs print lines of their own."""


@dataclass(frozen=True)
class Job:
    """One measurement: ``size``³ sites, periodic; site (x, y, z) has the number (x size + y) size + z."""

    name: str
    """``gas`` or ``pairs``."""
    variant: str
    """What the runner makes of it."""
    size: int
    n_carriers: int
    sites: list[int]
    """Occupied at the start, sorted; empty: at random (`occupied`)."""
    mean_rate: float
    """Expected hops per carrier and unit of time."""
    seconds: float
    """Time to measure for."""
    started: float
    """When the process was started, s since the epoch."""
    work: Path
    """Folder for files that may be used again."""

    @property
    def n_sites(self) -> int:
        return self.size**3

    def occupied(self) -> list[int]:
        """Occupied sites at the start."""
        return self.sites or sorted(random.Random(1).sample(range(self.n_sites), self.n_carriers))

    def place(self, site: int) -> tuple[int, int, int]:
        """Coordinates of a site."""
        return site // self.size**2, site // self.size % self.size, site % self.size

    def number(self, x: int, y: int, z: int) -> int:
        """Site at these coordinates, modulo the size."""
        n = self.size
        return (x % n * n + y % n) * n + z % n

    def neighbours(self, site: int) -> Iterator[int]:
        """In the order of `STEPS`."""
        x, y, z = self.place(site)
        return (self.number(x + a, y + b, z + c) for a, b, c in STEPS)


def read_job() -> Job:
    """The job from the command line: its file, and when the process was started."""
    parser = argparse.ArgumentParser()
    parser.add_argument("job", help="JSON")
    parser.add_argument("started", type=float)
    options = parser.parse_args()
    given = json.loads(Path(options.job).read_text(encoding="utf-8"))
    return Job(**{**given, "work": Path(given["work"])}, started=options.started)


def measure(run: Callable[[int], int], seconds: float, slices: int = 5) -> dict[str, float]:
    """Call ``run`` (hops wanted -> hops executed) for about so long: hops, seconds, and the best slice's hops/s."""
    clock = time.perf_counter
    n, last = 1, clock()
    while True:  # how many hops make a slice; also warms everything up
        done = run(n)
        took, last = clock() - last, clock()
        if took > 0.25 * seconds / slices:
            break
        n *= 2 if took > 1e-3 else 8
    n = max(1, int(done * seconds / slices / took))
    hops, total, best = 0, 0.0, 0.0
    while total < 0.99 * seconds and (hops == 0 or total * (1 + n / hops) < 1.5 * seconds):
        start = clock()
        done = run(n)
        took = clock() - start
        hops, total, best = hops + done, total + took, max(best, done / took)
    return {"hops": hops, "seconds": total, "rate": best}


def peak_bytes() -> int:
    """Largest memory of this process so far; rusage alone would count what the parent held when it forked."""
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM"):
                return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def report(job: Job, result: dict[str, object], packages: tuple[str, ...]) -> None:
    """Print the result: what `measure` gave, ``startup`` (s to the first hop), and what else is known."""
    versions = {}
    for name in packages:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = "?"
    common = {"sites": job.n_sites, "peak_bytes": peak_bytes(), "versions": versions}
    print(f"\n{MARK}{json.dumps({**common, **result})}")
    sys.stdout.flush()
