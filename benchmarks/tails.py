"""Bias and coverage where D(t) falls for long: many seeds of small systems against their exact answers.

    python -m benchmarks.tails [--seeds 100] [--only WORD]

Prints the mean and the root mean square of z = (estimate - exact)/(standard error), the share of 95 % intervals that
hold the exact value, the share of converged runs, and the hops and seconds of a run.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass

import numpy as np

from kmc_transport.analysis import target_name
from kmc_transport.exact import exact_values
from kmc_transport.records import ExitReason
from kmc_transport.runs.point import PointSimulation
from tests.reference.networks import T0
from tests.reference.tails import FLAT, SLOW, SMALL, Case

NO_FIELD = [0.0, 0.0, 0.0]


@dataclass(frozen=True)
class Study:
    """What the seeds of a case gave; runs that did not converge have no z."""

    z: np.ndarray
    converged: float
    hops: float
    seconds: float
    excess: float
    """Mean of estimate/exact - 1."""

    def __str__(self) -> str:
        n, z = len(self.z), self.z
        if not n:
            return f"no run converged ({self.hops:.2g} hops, {self.seconds:.2f} s)"
        return (
            f"mean z {z.mean():+5.2f} ± {1 / np.sqrt(n):.2f}  rms z {np.sqrt((z**2).mean()):4.2f}  "
            f"covered {np.mean(np.abs(z) < 1.98):4.0%}  bias {self.excess:+6.2%}  converged {self.converged:4.0%}  "
            f"{self.hops:.2g} hops  {self.seconds:.2f} s"
        )


def study(case: Case, seeds: int) -> Study:
    """Run ``seeds`` seeds of a case to their accuracy."""
    model = case.model()
    z, hops, excess, exact = [], [], [], None
    start = time.process_time()
    for seed in range(seeds):
        point = PointSimulation(model, T0, NO_FIELD, root=seed)
        name = target_name(case.target, point.system)
        reason = point.run()
        hops.append(point.events)
        if exact is None:
            exact = truth(case, point, name)
        if reason is ExitReason.ACCURACY_REACHED and point.evaluation is not None:
            estimate = point.evaluation.estimates[name]
            z.append(component(estimate.z(exact)))
            excess.append(component(estimate.value / np.where(exact == 0, np.nan, exact)) - 1)
    seconds = (time.process_time() - start) / seeds
    return Study(
        np.array(z), len(z) / seeds, float(np.mean(hops)), seconds, float(np.mean(excess or [np.nan]))
    )


def component(values: np.ndarray) -> float:
    """The first component: the first species along x."""
    return float(np.ravel(values)[0])


def truth(case: Case, point: PointSimulation, name: str) -> np.ndarray:
    if case.exact is not None:
        return np.full(point.evaluation.estimates[name].value.shape, case.exact)
    values = exact_values(point.catalog, point.model.conditions.direction, max_states=20_000)
    return values[name]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--only", default="")
    asked = parser.parse_args()
    for case in (*SLOW, *SMALL, *FLAT):
        if asked.only in case.name:
            print(f"{case.name:34}{study(case, asked.seeds)}", flush=True)


if __name__ == "__main__":
    main()
