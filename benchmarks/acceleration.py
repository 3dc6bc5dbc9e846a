"""How much acceleration gains.

    python -m benchmarks.acceleration [--hops 1e6]

Absorbing chains: processor time for the same simulated time, beside the engine that goes hop by hop (whose time, where
there would be too many hops, is that of a shorter run, by proportion).
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from kmc_transport.engine import Replica
from kmc_transport.model.model import Model
from kmc_transport.rates import build_catalog
from tests.reference.basins import cages, charged_pair, traps
from tests.reference.networks import T0

STAYS = 3000.0
"""Slow hops of a run, about."""


def processor_time(model: Model, algorithm: str, seconds: float) -> tuple[float, Replica]:
    """Of so much simulated time, in one window; the replica."""
    replica = Replica(
        build_catalog(model, temperature=T0),
        seed=np.random.SeedSequence(1),
        sample_interval=seconds / 64,
        levels=6,
        algorithm=algorithm,
    )
    replica.advance(1)  # compiled, and the basins found
    start = time.process_time()
    replica.advance(64)
    return time.process_time() - start, replica


def absorbing(most_hops: float) -> None:
    """Traps, cages and a bound pair at rising separations of quick and slow hops."""
    cases = {"traps": traps, "cages": cages, "bound pair, Coulomb": charged_pair}
    print(
        f"{'case':22}{'quick/slow':>11}{'hops a step':>13}{'µs a slow hop':>15}{'hop by hop':>12}{'gain':>9}"
    )
    for name, make in cases.items():
        for separation in (1e2, 1e3, 1e4, 1e5, 1e6):
            model = make(separation)
            taken, replica = processor_time(model, "absorbing", STAYS)
            plain_seconds = min(STAYS, most_hops / separation)
            plain, _ = processor_time(model, "rejection_free", plain_seconds)
            plain *= STAYS / plain_seconds
            gain = replica.executed / replica.attempted
            print(
                f"{name:22}{separation:11.0e}{gain:13.3g}{1e6 * taken / STAYS:15.3g}{1e6 * plain / STAYS:12.3g}"
                f"{plain / taken:9.2g}",
                flush=True,
            )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--hops", type=float, default=1e6, help="of runs hop by hop, at the most")
    absorbing(parser.parse_args().hops)
