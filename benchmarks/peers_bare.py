"""Runner of `peers.py`: loops written by hand for one job (`bare_loops.py`), null events."""

from __future__ import annotations

import time

from bare_loops import BareBits, BareTable, PairsBits, PairsTable
from peers_job import ENERGY, Job, measure, read_job, report


def main(job: Job) -> None:
    """Variants: ``table`` and ``bits``."""
    loop: BareTable | BareBits
    shape = job.size, job.n_carriers
    if job.name == "gas":
        loop = BareTable(*shape) if job.variant == "table" else BareBits(*shape)
    else:
        loop = PairsTable(*shape, ENERGY) if job.variant == "table" else PairsBits(*shape, ENERGY)
    loop.run(1)
    startup = time.time() - job.started
    attempts = hops = 0

    def run(wanted: int) -> int:
        nonlocal attempts, hops
        n = max(1, round(6 * wanted / job.mean_rate))
        done = loop.run(n)
        attempts, hops = attempts + n, hops + done
        return done

    end = time.perf_counter() + (3 if job.name == "pairs" else 0)  # towards equilibrium
    while time.perf_counter() < end and hops < 30 * job.n_carriers:
        run(job.n_carriers)
    attempts = hops = 0
    found = measure(run, job.seconds)
    clock = {"clock_hops": hops, "clock": attempts / (6 * job.n_carriers)}
    report(job, {**found, **clock, "startup": startup}, ("numba", "numpy"))


if __name__ == "__main__":
    main(read_job())
