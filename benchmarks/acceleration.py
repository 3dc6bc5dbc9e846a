"""How much acceleration gains.

    python -m benchmarks.acceleration [--hops 1e6]

Absorbing chains: processor time for the same simulated time, beside the engine that goes hop by hop (whose time, where
there would be too many hops, is that of a shorter run, by proportion).

Reversible scaling: how far exact answers at a separation are off; processor time of points of a small ring and of the
slow pair (inputs/lifepo4), beside the least that a run hop by hop takes for the same error (1/error² slow hops, as if
each were independent of the others), and what it took, where that is short.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from kmc_transport import load_model
from kmc_transport.analysis.scaling import fit_separations
from kmc_transport.engine import Replica
from kmc_transport.exact import solve_exact
from kmc_transport.model.acceleration import ReversibleScaling
from kmc_transport.model.model import Model
from kmc_transport.rates import build_catalog
from kmc_transport.runs.point import PointSimulation
from kmc_transport.runs.scaled import ScaledSimulation
from kmc_transport.runs.separation import STEPS
from kmc_transport.units import ANGSTROM
from tests.reference.basins import cages, charged_pair, traps
from tests.reference.interacting_models import ion_and_polaron
from tests.reference.networks import T0

STAYS = 3000.0
"""Slow hops of a run, about."""
SHORT = 100.0
"""Least seconds of a run hop by hop up to which it is made."""


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


def asked(model: Model) -> Model:
    """The ring's polaron slowed to 20, 40, 80, for 3 % of the ion's diffusivity."""
    how = ReversibleScaling((model.carriers[1].name,), 20)
    return replace(
        model,
        sampling=replace(
            model.sampling, acceleration=how, target="tracer_diffusivity", relative_error=0.03, replicas=2
        ),
    )


def scaling(most_hops: float) -> None:
    """One slow ion and one polaron: in a ring of six cells, and in olivine."""
    olivine = load_model(Path(__file__).resolve().parents[1] / "inputs" / "lifepo4" / "slow_pair.yaml")
    cases = [("ring", asked(ion_and_polaron(6, quicker=q)), T0, 0) for q in (1e3, 1e4, 1e5)]
    cases += [("olivine", olivine, float(t), 1) for t in olivine.conditions.temperature]
    print(
        f"\n{'case':8}{'K':>5}{'quick/slow':>12}{'D, m²/s':>11}{'error':>8}{'exact':>11}{'s':>7}"
        f"{'hop by hop >':>15}{'made, s':>9}"
    )
    for name, model, temperature, axis in cases:
        start = time.process_time()
        point = ScaledSimulation(model, temperature, [0, 0, 0], root=1)
        point.run()
        taken = time.process_time() - start
        assert point.evaluation is not None
        assert point.separation is not None
        estimate = point.evaluation.estimates["tracer_diffusivity"]
        error = float(estimate.relative_error[0, axis, axis])
        plain = Replica(point.catalog, seed=np.random.SeedSequence(1), levels=0)
        plain.reset(sample_interval=most_hops / 64 / plain.total_rate())
        plain.advance(1)
        before, begun = plain.executed, time.process_time()
        plain.advance(64)
        hop_by_hop = (
            point.separation.ratio / error**2 * (time.process_time() - begun) / (plain.executed - before)
        )
        exact = solve_exact(point.catalog).collective_diffusivity[0, axis, 0, axis] * ANGSTROM**2
        made = f"{in_truth(model, temperature, error):9.2g}" if hop_by_hop < SHORT else f"{'-':>9}"
        print(
            f"{name:8}{temperature:5g}{point.separation.ratio:12.2g}{estimate.value[0, axis, axis]:11.3g}{error:8.1%}"
            f"{exact:11.3g}{taken:7.1f}{hop_by_hop:15.2g}{made}",
            flush=True,
        )


def in_truth(model: Model, temperature: float, error: float) -> float:
    """Processor seconds of a run hop by hop for that error, its equilibration included."""
    exactly = replace(model, sampling=replace(model.sampling, acceleration=None, relative_error=error))
    start = time.process_time()
    PointSimulation(exactly, temperature, [0, 0, 0], root=1).run()
    return time.process_time() - start


def errors() -> None:
    """Of the ion's diffusivity and its cross term in the ring, without noise: at s, and of s, 2s, 4s extrapolated."""
    quicker = 1e7
    model = ion_and_polaron(6, quicker=quicker)

    def exact(factor: float) -> np.ndarray:
        catalog = build_catalog(replace(model, slowing=(1.0, factor)), temperature=T0)
        return solve_exact(catalog).collective_diffusivity[0, 0, :, 0]

    truth = exact(1.0)
    print(f"\n{'s':>8}{'D':>10}{'cross':>10}{'D, extrapolated':>17}{'cross, extrapolated':>21}")
    for s in (10.0, 100.0, 1e3, 1e4):
        factors = [k * s / quicker for k in STEPS]
        values = np.array([exact(f) for f in factors])
        fit = fit_separations(values, 1e-9 * np.abs(values), factors)
        one, three = (np.abs(x / truth - 1) for x in (values[0], fit.value))
        print(f"{s:8g}{one[0]:10.2g}{one[1]:10.2g}{three[0]:17.2g}{three[1]:21.2g}", flush=True)


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
        errors()
        scaling(given.hops)
