"""Runner of `peers.py`: this package, from an input as a user writes it, with all displacements and tallies."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np
from peers_job import ENERGY, Job, measure, read_job, report

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from kmc_transport.engine import Replica
from kmc_transport.input import load_model_text
from kmc_transport.rates import build_catalog
from kmc_transport.units import K_B

HOPS_PER_CARRIER, HOPS = 2.0, 1024
"""Executed hops between samples: so many per carrier, and at least so many in all."""


def document(job: Job) -> dict[str, object]:
    """The input: unit rates (in THz)."""
    pairs = job.name == "pairs"
    hop = {
        "carrier": "p",
        "between": ["A", "A"],
        "distance": 3.0,
        "barrier": {"rule": "metropolis"} if pairs else 0.0,
        "attempt_frequency": "1 THz",
    }
    energy = {"between": ["p", "p"], "shell": 1, "energy": ENERGY * K_B * 300}
    return {
        "structure": {"lattice": {"a": 3.0, "b": 3.0, "c": 3.0}, "sites": {"A": [[0, 0, 0]]}},
        "supercell": [job.size] * 3,
        "carriers": {"p": {"charge": 1, "sites": ["A"], "count": job.n_carriers}},
        "hops": [hop],
        "conditions": {"temperature": 300},
        **({"interactions": {"pairs": [energy]}} if pairs else {}),
    }


def main(job: Job) -> None:
    """Variants: an algorithm of the engine."""
    catalog = build_catalog(load_model_text(json.dumps(document(job))), temperature=300.0)
    per_sample = max(HOPS_PER_CARRIER * job.n_carriers, HOPS)
    interval = per_sample / (job.n_carriers * job.mean_rate) * 1e-12
    replica = Replica(
        catalog, seed=np.random.SeedSequence(1), sample_interval=interval, algorithm=job.variant or "auto"
    )
    replica.advance(1)
    startup = time.time() - job.started

    samples = 0

    def run(hops: int) -> int:
        nonlocal samples
        before = replica.executed
        n = max(1, round(hops / per_sample))
        replica.advance(n)
        samples += n
        return replica.executed - before

    end = time.perf_counter() + (3 if job.name == "pairs" else 0)  # towards equilibrium
    while time.perf_counter() < end and replica.executed < 30 * job.n_carriers:
        replica.advance(1)
    replica.reset()
    before = replica.executed
    found = measure(run, job.seconds)
    clock = {"clock_hops": replica.executed - before, "clock": samples * interval * 1e12}
    note = f"{replica.algorithm}, {replica.layout}, {replica.nbytes / job.n_sites:.1f} bytes a site"
    report(job, {**found, **clock, "startup": startup, "note": note}, ("numba", "numpy"))


if __name__ == "__main__":
    main(read_job())
