"""How much acceleration gains.

    python -m benchmarks.acceleration [--hops 1e6]

Absorbing chains: processor time for the same simulated time, beside the engine that goes hop by hop (whose time, where
there would be too many hops, is that of a shorter run, by proportion).

Reversible scaling: processor time of points of inputs/lifepo4/slow_pair.yaml, beside what a run hop by hop would take
for the same error: the slow hops that this needs, by those of the first of the three runs and its error, times the
quick hops for each, times the time of a hop.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np

from kmc_transport import load_model
from kmc_transport.engine import Replica
from kmc_transport.exact import solve_exact
from kmc_transport.model.model import Model
from kmc_transport.rates import build_catalog
from kmc_transport.runs.scaled import ScaledSimulation
from kmc_transport.units import ANGSTROM
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


def scaling(most_hops: float) -> None:
    """One slow ion and one polaron in olivine."""
    model = load_model(Path(__file__).resolve().parents[1] / "inputs" / "lifepo4" / "slow_pair.yaml")
    print(
        f"\n{'K':>5}{'quick/slow':>12}{'D, m²/s':>11}{'error':>8}{'exact':>11}{'s':>7}{'hop by hop, s':>15}"
    )
    for temperature in map(float, model.conditions.temperature):
        start = time.process_time()
        point = ScaledSimulation(model, temperature, [0, 0, 0], root=1)
        point.run()
        taken = time.process_time() - start
        assert point.evaluation is not None
        assert point.separation is not None
        estimate = point.evaluation.estimates["tracer_diffusivity"]
        error = float(estimate.relative_error[0, 1, 1])
        first = point.runs[0]
        assert first.evaluation is not None
        slow = model.network.carrier == 0
        hops = sum(int(t.events[:, slow].sum()) for t in first.tallies())
        own = float(first.evaluation.estimates["tracer_diffusivity"].relative_error[0, 1, 1])
        needed = hops * (own / error) ** 2 * point.separation.ratio
        plain = Replica(point.catalog, seed=np.random.SeedSequence(1), levels=0)
        plain.reset(sample_interval=most_hops / 64 / plain.total_rate())
        plain.advance(1)
        before, begun = plain.executed, time.process_time()
        plain.advance(64)
        of_hop = (time.process_time() - begun) / (plain.executed - before)
        exact = solve_exact(point.catalog).collective_diffusivity[0, 1, 0, 1] * ANGSTROM**2
        print(
            f"{temperature:5g}{point.separation.ratio:12.2g}{estimate.value[0, 1, 1]:11.3g}{error:8.1%}{exact:11.3g}"
            f"{taken:7.1f}{needed * of_hop:15.2g}",
            flush=True,
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--hops", type=float, default=1e6, help="of runs hop by hop, at the most")
    parser.add_argument("--only", choices=["absorbing", "scaling"], help="one of the two")
    given = parser.parse_args()
    if given.only != "scaling":
        absorbing(given.hops)
    if given.only != "absorbing":
        scaling(given.hops)
