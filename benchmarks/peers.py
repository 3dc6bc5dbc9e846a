"""This package beside other lattice codes and beside loops written by hand: the same jobs, one core, one command.

    python benchmarks/peers.py --work DIR [--quick] [--only NAME ...] [--out FOLDER]

Makes an environment per peer in DIR (kept for later runs), runs everything, writes ``benchmarks.md`` and
``benchmarks.png`` and, in DIR, ``results.json``. A peer that cannot be installed or run is listed with the reason.

Jobs, on a simple cubic lattice with site exclusion and periodic boundaries: ``gas`` (hops at unit rate) and ``pairs``
(nearest neighbours attract by 0.5 kT, Metropolis rates); 10 % and 50 % of the sites occupied. All codes but those on
the largest lattice start from the same configuration, at equilibrium; its rates and the pace of the simulated clock
tell whether a code does the same job. Bare loops and engine take turns, and the best slice of time counts.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from bare_loops import PairsTable
from peers_job import ENERGY, MARK
from peers_report import CODES, Outcome, write_report

HERE = Path(__file__).resolve().parent
DOCS = HERE.parent / "docs" / "development"

STATE_SIZE = 64
"""Lattices up to this size start from a common configuration."""


SHAPES = {
    "gas": ((10, 10), (20, 10), (20, 50), (64, 10), (64, 50), (254, 10), (254, 50)),
    "pairs": ((10, 10), (20, 10), (20, 50), (64, 10), (64, 50), (254, 10)),
}
"""Cells along each axis and occupied sites in per cent."""


@dataclass(frozen=True)
class Peer:
    """A program and how to get it; no requirements: it runs in the present environment."""

    runner: str
    requirements: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()
    """Programs that must be there."""


PEERS = {
    "bare": Peer("peers_bare.py"),
    "kmc_transport": Peer("peers_kmc_transport.py"),
    "kmcos": Peer(
        "peers_kmcos.py",
        # it asks for neither ase nor lxml, though it imports them; distutils of numpy are gone from 1.26 on
        ("kmcos==1.1.0", "numpy==1.24.4", "setuptools==59.8.0", "wheel", "ase==3.23.0", "lxml"),
        ("gfortran",),
    ),
    "lattice_mc": Peer("peers_lattice_mc.py", ("lattice_mc==1.0.4",)),
    "kmcpy": Peer("peers_kmcpy.py", ("kmcpy==0.3.0",)),
}


@dataclass(frozen=True)
class Case:
    """One point of the table."""

    peer: str
    variant: str
    job: str
    size: int
    percent: int
    seconds: float
    rounds: int = 1


@dataclass
class Bench:
    """Environments and common starts, kept in a folder."""

    work: Path
    python: dict[str, str] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)

    def install(self, name: str) -> None:
        """Find or make the environment of a peer; what is wrong goes to ``missing``."""
        peer = PEERS[name]
        if not peer.requirements:
            self.python[name] = sys.executable
            return
        for command in peer.commands:
            if shutil.which(command) is None:
                self.missing[name] = f"needs {command}"
                return
        folder, wanted = self.work / "environments" / name, "\n".join(peer.requirements)
        python, stamp = folder / "bin" / "python", folder / "requirements.txt"
        if not (stamp.exists() and stamp.read_text(encoding="utf-8") == wanted):
            print(f"installing {name} ...", flush=True)
            shutil.rmtree(folder, ignore_errors=True)
            steps = [
                [sys.executable, "-m", "venv", str(folder)],
                [
                    str(python),
                    "-m",
                    "pip",
                    "install",
                    "-q",
                    "--disable-pip-version-check",
                    *peer.requirements,
                ],
            ]
            for step in steps:
                done = subprocess.run(step, capture_output=True, text=True, check=False)
                if done.returncode:
                    self.missing[name] = f"does not install: {last_line(done.stderr)}"
                    return
            stamp.write_text(wanted, encoding="utf-8")
        self.python[name] = str(python)

    def start(self, job: str, size: int, percent: int) -> dict[str, Any]:
        """Configuration at equilibrium (none on large lattices), its total rate, and the mean rate of a carrier."""
        path = self.work / "starts" / f"{job}-{size}-{percent}.json"
        if path.exists():
            return dict(json.loads(path.read_text(encoding="utf-8")))
        n_sites = size**3
        n = n_sites * percent // 100
        start: dict[str, Any] = {"sites": [], "start_rate": None, "n_carriers": n}
        start["mean_rate"] = 6 * (n_sites - n) / (n_sites - 1)
        loop = PairsTable(size, n, ENERGY if job == "pairs" else 0.0) if size <= STATE_SIZE else None
        if loop is not None:
            loop.run(600 * n)
            start["sites"] = np.sort(loop.site).tolist()
            start["start_rate"] = total_rate(loop.occupied.reshape((size,) * 3), job)
        if job == "pairs":
            if size == 20 and loop is not None:
                attempts = 40_000_000
                start["mean_rate"] = 6 * loop.run(attempts) / attempts
            else:
                start["mean_rate"] = self.start(job, 20, percent)["mean_rate"]
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(start), encoding="utf-8")
        return start

    def run(self, case: Case, environment: dict[str, str] | None = None) -> Outcome:
        """Measure one case in a process of its own."""
        outcome = Outcome(case.peer, case.variant, case.job, case.size, case.percent)
        if case.peer in self.missing:
            outcome.reason = self.missing[case.peer]
            return outcome
        start = self.start(case.job, case.size, case.percent)
        job = {
            "name": case.job,
            "variant": case.variant,
            "size": case.size,
            "seconds": case.seconds,
            "work": str(self.work),
            **{k: start[k] for k in ("sites", "n_carriers", "mean_rate")},
        }
        path = self.work / "job.json"
        path.write_text(json.dumps(job), encoding="utf-8")
        script = str(HERE / PEERS[case.peer].runner)
        command = [self.python[case.peer], script, str(path), repr(time.time())]
        try:
            done = subprocess.run(
                command,
                cwd=self.work,
                env={**os.environ, **(environment or {})},
                capture_output=True,
                text=True,
                check=False,
                timeout=300,
            )
        except subprocess.TimeoutExpired:
            outcome.reason = "took more than 300 s"
            return outcome
        results = [line for line in done.stdout.splitlines() if line.startswith(MARK)]
        if done.returncode or not results:
            outcome.reason = f"fails: {last_line(done.stderr) or f'exit status {done.returncode}'}"
            (self.work / f"{case.peer}.log").write_text(done.stdout + done.stderr, encoding="utf-8")
            return outcome
        outcome.take(json.loads(results[-1][len(MARK) :]), start)
        return outcome


def last_line(text: str) -> str:
    """Last line that says something."""
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("WARNING")]
    return lines[-1][:200] if lines else ""


def total_rate(occupied: np.ndarray, job: str) -> float:
    """Sum of all rates of a configuration (size, size, size)."""
    here = occupied.astype(int)
    near = sum(np.roll(here, s, axis) for axis in range(3) for s in (1, -1))
    total = 0.0
    for axis in range(3):
        for s in (1, -1):
            there, near_there = np.roll(here, s, axis), np.roll(near, s, axis)
            gain = (near_there - 1) - near
            rate = np.exp(np.minimum(0.0, -ENERGY * gain)) if job == "pairs" else 1.0
            total += float(np.sum(here * (1 - there) * rate))
    return total


def cases(quick: bool) -> Iterable[Case]:
    """What is measured: about seven minutes on a quiet machine, two with ``quick``."""
    short, long = (0.4, 1.0) if quick else (0.7, 4.0)
    for job in ("gas", "pairs"):
        for size, percent in ((10, 10), (20, 10), (20, 50)) if quick else SHAPES[job]:
            # several, as it matters to small lattices where their pages lie in memory
            rounds = 1 if quick else {20: 3, 64: 2}.get(size, 1)
            for peer, variant in (("bare", "table"), ("bare", "bits"), ("kmc_transport", "")):
                if variant != "table" or size <= 64 or (job, percent) == ("gas", 10):
                    yield Case(peer, variant, job, size, percent, short, rounds)
            if size <= 64:
                yield Case("kmcos", "", job, size, percent, long / 2)
            if size <= 20 or (job, size, percent) == ("gas", 64, 10):
                yield Case("lattice_mc", "", job, size, percent, long)
            # its list of events takes half a minute at 20³
            if size <= 10 or (size == 20 and (job, percent) != ("pairs", 50) and not quick):
                yield Case("kmcpy", "by hand", job, size, percent, long)
    yield Case("kmcpy", "generator", "gas", 10, 10, long)


def first_starts(bench: Bench, quick: bool) -> list[Outcome]:
    """The engine with no compiled kernels at hand."""
    found = []
    for job in ("gas",) if quick else ("gas", "pairs"):
        folder = bench.work / "numba-empty"
        shutil.rmtree(folder, ignore_errors=True)
        case = Case("kmc_transport", "", job, 20, 10, 0.2)
        found.append(bench.run(case, {"NUMBA_CACHE_DIR": str(folder)}))
        found[-1].first_start = True
    return found


def main() -> None:
    """Measure and write the report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--work", type=Path, required=True, metavar="DIR", help="environments, starts, results"
    )
    parser.add_argument("--quick", action="store_true", help="small lattices, short times; writes to DIR")
    parser.add_argument("--only", nargs="+", choices=list(PEERS), help="these codes alone; writes to DIR")
    parser.add_argument(
        "--out", type=Path, metavar="FOLDER", help="where table and figure go (docs/development)"
    )
    options = parser.parse_args()
    work: Path = options.work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    out: Path = options.out or (work if options.quick or options.only else DOCS)
    os.environ |= {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")}

    begin = time.perf_counter()
    bench = Bench(work)
    names = options.only or list(PEERS)
    for name in names:
        bench.install(name)
    outcomes: list[Outcome] = []
    if "kmc_transport" in names:
        outcomes += first_starts(bench, options.quick)
    todo = [case for case in cases(options.quick) if case.peer in names]
    groups: dict[tuple[object, ...], list[Case]] = {}
    for case in todo:
        groups.setdefault((case.job, case.size, case.percent), []).append(case)
    for group in groups.values():
        best: dict[tuple[str, str], Outcome] = {}
        for turn in range(max(case.rounds for case in group)):
            for case in group:
                if turn < case.rounds:
                    outcome = bench.run(case)
                    key = case.peer, case.variant
                    best[key] = outcome.better(best[key]) if key in best else outcome
        for outcome in best.values():
            print(outcome, flush=True)
        outcomes += best.values()

    (work / "results.json").write_text(json.dumps([vars(o) for o in outcomes], indent=1), encoding="utf-8")
    shown = " ".join(["python benchmarks/peers.py --work DIR", *(["--quick"] if options.quick else [])])
    write_report(outcomes, out, f"{shown} --only {' '.join(options.only)}" if options.only else shown)
    print(f"{time.perf_counter() - begin:.0f} s; {out / 'benchmarks.md'}, {out / 'benchmarks.png'}")


assert {name for name, _ in CODES} == set(PEERS)

if __name__ == "__main__":
    main()
