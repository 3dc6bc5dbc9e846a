"""Speed and memory of the engine beside bare loops written for one case (uniform exclusion gas, simple cubic).

    python benchmarks/kernel.py --sizes 20 64 254

Executed hops per second on one core, displacements and all tallies included. Engine and bare loops take turns, and
the best round counts, so that their ratio means something on a machine with other work; of lattices that fit a cache
there are three copies of each, because it matters where the operating system puts their pages. ``sampling`` is the
share of time that the samples take, from a second run that samples 20 times more rarely (up to 64³ sites).
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

from bare_loops import BareBits, BareTable  # noqa: E402

from kmc_transport.engine import Replica  # noqa: E402
from kmc_transport.rates import build_catalog  # noqa: E402
from tests.reference.networks import T0, lattice_gas  # noqa: E402

STARTUP = """
import time, numpy as np
start = time.perf_counter()
from kmc_transport.engine import Replica
imported = time.perf_counter()
from kmc_transport.rates import build_catalog
from tests.reference.networks import T0, lattice_gas
catalog = build_catalog(lattice_gas("sc", 3, 5), temperature=T0)
begin = time.perf_counter()
for algorithm in {algorithms}:
    Replica(catalog, seed=np.random.SeedSequence(1), sample_interval=1.0, algorithm=algorithm).advance(1)
print(imported - start, time.perf_counter() - begin)
"""


def engine(size: int, n_carriers: int, hops: float, **kw: object) -> tuple[Replica, Callable[[float], int]]:
    """A replica that samples every ``hops`` executed hops per carrier, and a job of about so many hops."""
    catalog = build_catalog(lattice_gas("sc", size, n_carriers), temperature=T0)
    executed_rate = 6 * (1 - n_carriers / size**3)
    replica = Replica(
        catalog,
        seed=np.random.SeedSequence(1),
        sample_interval=hops / executed_rate,
        **kw,  # type: ignore[arg-type]
    )
    replica.advance(1)

    def job(wanted: float) -> int:
        before = replica.executed
        replica.advance(max(1, round(wanted / (hops * n_carriers))))
        return replica.executed - before

    return replica, job


def rates(jobs: dict[str, Callable[[float], int]], seconds: float, rounds: int = 6) -> dict[str, float]:
    """Best hops per second of each job over rounds in which they take turns; a name ends at its first space."""
    best, hops = dict.fromkeys(jobs, 0.0), dict.fromkeys(jobs, 1e5)
    for _ in range(rounds + 1):
        for name, job in jobs.items():
            start = time.perf_counter()
            done = job(hops[name])
            best[name] = max(best[name], done / (time.perf_counter() - start))
            hops[name] = best[name] * seconds
    short = {name.split()[0] for name in jobs}
    return {s: max(rate for name, rate in best.items() if name.split()[0] == s) for s in short}


def startup(algorithms: tuple[str, ...]) -> tuple[list[float], list[float]]:
    """(import, first sample) in s, with an empty cache and with a filled one, in processes of their own."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "NUMBA_CACHE_DIR": folder}
        code = STARTUP.format(algorithms=algorithms)

        def once() -> list[float]:
            out = subprocess.run(
                [sys.executable, "-c", code],
                env=environment,
                cwd=ROOT,
                capture_output=True,
                text=True,
                check=True,
            )
            return [float(x) for x in out.stdout.split()]

        return once(), once()


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", type=int, nargs="+", default=[20, 64, 254], help="cells along each axis")
    parser.add_argument("--fraction", type=float, default=0.1, help="share of occupied sites")
    parser.add_argument("--hops", type=float, default=2.0, help="executed hops per carrier between samples")
    parser.add_argument("--seconds", type=float, default=0.2, help="time of one job; there are six rounds")
    parser.add_argument("--rejection-free", action="store_true", help="also the rejection-free kernel")
    parser.add_argument("--no-startup", action="store_true")
    options = parser.parse_args()

    print(
        f"Uniform gas, {options.fraction:.0%} of the sites, {options.hops:g} hops per carrier and sample (Mhops/s)"
    )
    print(f"{'size':>5} {'bare table':>11} {'bare bits':>10} {'engine':>8} {'ratio':>6} {'layout':>7} {'sampling':>9}"
          f" {'B/site':>7}" + (f" {'rej.-free':>10}" if options.rejection_free else ""))  # fmt: skip
    free = 1 - options.fraction
    for size in options.sizes:
        n = round(options.fraction * size**3)
        jobs: dict[str, Callable[[float], int]] = {}
        for copy in range(3 if size <= 64 else 1):
            table, bits = BareTable(size, n), BareBits(size, n)
            replica, job = engine(size, n, options.hops, algorithm="null_event")
            jobs |= {
                f"table {copy}": lambda hops, t=table: t.run(int(hops / free)),
                f"bits {copy}": lambda hops, b=bits: b.run(int(hops / free)),
                f"engine {copy}": job,
            }
            if size <= 64:
                jobs[f"rare {copy}"] = engine(size, n, 20 * options.hops, algorithm="null_event")[1]
        if options.rejection_free:
            jobs["free"] = engine(size, n, options.hops, algorithm="rejection_free")[1]
        m = {name: rate / 1e6 for name, rate in rates(jobs, options.seconds).items()}
        sampling = f"{max(0.0, 1 - m['engine'] / m['rare']):.0%}" if "rare" in m else "-"
        print(
            f"{size:>4}³ {m['table']:>11.1f} {m['bits']:>10.1f} {m['engine']:>8.1f}"
            f" {m['engine'] / max(m['table'], m['bits']):>6.2f} {replica.layout:>7}"
            f" {sampling:>9} {replica.nbytes / size**3:>7.1f}"
            + (f" {m['free']:>10.2f}" if options.rejection_free else ""),
            flush=True,
        )

    print("\nOne carrier on 10³ sites (Mhops/s), by executed hops between samples")
    hops = (16, 64, 256, 1024)
    m = rates({str(h): engine(10, 1, h, algorithm="null_event")[1] for h in hops}, options.seconds)
    print("  ".join(f"{h}: {m[str(h)] / 1e6:.1f}" for h in hops))

    if not options.no_startup:
        print("\nStart-up (s): import, then first sample, compiling / from the cache")
        for algorithms in (("null_event",), ("null_event", "rejection_free")):
            cold, warm = startup(algorithms)
            print(
                f"  {' + '.join(algorithms)}: {cold[0]:.2f} + {cold[1]:.2f} / {warm[0]:.2f} + {warm[1]:.2f}"
            )


if __name__ == "__main__":
    main()
