"""Speed of oxygen vacancies in a doped fluorite: immobile dopants, barriers tabulated by the cations of the edge.

    python benchmarks/fluorite.py [--dopants 0.1] [--algorithms rejection_free sum_tree]

The shipped input of yttrium-doped ceria, 4,000 formula units: executed hops per second of processor time on one core,
displacements and tallies included, a sample every two hops per vacancy. The best of five rounds of at least one second.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT)]

from kmc_transport.engine import Replica  # noqa: E402
from kmc_transport.input import load_model_text  # noqa: E402
from kmc_transport.model.model import Model  # noqa: E402
from kmc_transport.rates import build_catalog  # noqa: E402

INPUT = ROOT / "inputs" / "published" / "yttrium_doped_ceria.yaml"


def model(dopants: float) -> Model:
    """One composition of the shipped input."""
    text = INPUT.read_text(encoding="utf-8")
    head, _, tail = text.partition("  composition:")
    text = (head + tail.partition("\n")[2]).replace("supercell: [6, 6, 6]", "supercell: [10, 10, 10]")
    text = text.replace("initial: annealed", "initial: random")
    return load_model_text(
        text.replace("fraction: x/4", f"fraction: {dopants / 4}").replace(
            "fraction: x", f"fraction: {dopants}"
        )
    )


def speed(replica: Replica, seconds: float = 1.0) -> float:
    replica.advance(1)
    replica.reset(sample_interval=2 * replica.n_carriers / replica.total_rate())
    rows, rounds = 20, []
    while len(rounds) < 5:
        before, start = replica.executed, time.process_time()
        replica.advance(rows)
        took = time.process_time() - start
        if took < seconds:
            rows *= 2
        else:
            rounds.append((replica.executed - before) / took)
    return max(rounds)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--dopants", type=float, nargs="+", default=[0.02, 0.1, 0.25])
    parser.add_argument("--temperatures", type=float, nargs="+", default=[773.0, 1273.0])
    parser.add_argument("--algorithms", nargs="+", default=["auto"])
    asked = parser.parse_args()
    for dopants in asked.dopants:
        fluorite = model(dopants)
        for kelvin in asked.temperatures:
            for algorithm in asked.algorithms:
                replica = Replica(
                    build_catalog(fluorite, temperature=kelvin),
                    seed=np.random.SeedSequence(1),
                    sample_interval=1e-10,
                    algorithm=algorithm,
                )
                print(
                    f"x {dopants:<5g} {kelvin:5g} K  {algorithm:15s} {speed(replica) / 1e6:.2f} million hops/s",
                    flush=True,
                )


if __name__ == "__main__":
    main()
