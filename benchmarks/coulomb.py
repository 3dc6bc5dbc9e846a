"""Speed with many carriers that feel each other: ions and polarons of LixFePO4 at half filling, 300 K, random start.

    python benchmarks/coulomb.py                               # all jobs
    python benchmarks/coulomb.py ewald-1280 --beside ../before # in turns with the code of another working tree

Executed hops per second of processor time on one core, tallies included, each job in a process of its own; beside it
nanoseconds of a random read from 8 MB in the same process, which say how quiet the machine was. With ``--beside`` both
trees take turns; the median of the rounds' ratios is printed with the least and the largest. Jobs are named by energies
and carriers.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CUT = "{{coulomb: {{method: cutoff, cutoff: {} Å, permittivity: 10, neutral: true}}}}"
# up to 5 Å, about what a Coulomb energy that is cut off there and shifted gives
PAIRS = """{pairs: [
  {between: [Li, Li], distance: [2.9, 3.1], energy: 191 meV},
  {between: [Li, Li], distance: [4.6, 5.0], energy: 18 meV, classes: all},
  {between: [Li, polaron], distance: [3.0, 3.4], energy: -151 meV, classes: all},
  {between: [Li, polaron], distance: [3.4, 5.0], energy: -90 meV, classes: all},
  {between: [polaron, polaron], distance: [3.8, 4.0], energy: 84 meV},
  {between: [polaron, polaron], distance: [4.6, 5.0], energy: 18 meV, classes: all}]}"""
ENERGIES = {
    "pairs5": PAIRS,
    "cut5": CUT.format(5),
    "cut9": CUT.format(9),
    "ewald": "{coulomb: {permittivity: 10}}",
}
CELLS = {"256": "[4, 4, 4]", "1280": "[5, 8, 8]", "4032": "[7, 12, 12]"}
JOBS = [f"{e}-{n}" for e in ENERGIES for n in CELLS if n != "1280" or e == "ewald"]
TEXT = """
format: 1
structure:
  spacegroup: Pnma
  lattice: {a: 10.33, b: 6.01, c: 4.70}
  sites: {Li: [[0, 0, 0]], Fe: [[0.282, 0.25, 0.975]]}
supercell: CELLS
carriers:
  Li: {charge: 1, sites: [Li], fraction: 0.5}
  polaron: {charge: -1, sites: [Fe], fraction: 0.5}
hops:
  - {carrier: Li, between: [Li, Li], distance: 3.005, barrier: {rule: kra, E_kra: 0.25 eV}, attempt_frequency: 5.9 THz}
  - {carrier: polaron, between: [Fe, Fe], distance: 3.8716, barrier: {rule: kra, E_kra: 0.175 eV},
     attempt_frequency: 6.95 THz}
interactions: ENERGIES
initial: random
conditions: {temperature: 300}
sampling: {target: charge_diffusivity, relative_error: 5 %, seed: 1}
"""


def measure(name: str, seconds: float) -> tuple[float, float, float]:
    """Hops a second, attempts a hop, nanoseconds of a random read; of the package on the path."""
    import numba
    import numpy as np

    from kmc_transport.engine import Replica
    from kmc_transport.input import load_model_text
    from kmc_transport.rates import build_catalog

    energies, carriers = name.split("-")
    model = load_model_text(TEXT.replace("CELLS", CELLS[carriers]).replace("ENERGIES", ENERGIES[energies]))
    r = Replica(
        build_catalog(model, temperature=300.0),
        seed=np.random.SeedSequence(1),
        sample_interval=1e-15,
        algorithm="rejection_free",
    )
    r.advance(1)
    for _ in range(4):  # as the carriers settle
        r.reset(sample_interval=r.n_carriers / r.total_rate())
        r.advance(4)
    hops, attempts, start = r.executed, r.attempted, time.process_time()
    while (spent := time.process_time() - start) < seconds:
        r.advance(1)
    hops, attempts = r.executed - hops, r.attempted - attempts

    def reads(where: np.ndarray, n: int) -> int:
        at = 0
        for _ in range(n):
            at = where[at]
        return at

    loop, size = numba.njit(reads), 1 << 20
    where, order = np.zeros(size, np.int64), np.random.default_rng(1).permutation(size)
    where[order] = np.roll(order, -1)
    loop(where, size)
    start = time.process_time()
    loop(where, 2 * size)
    return hops / spent, attempts / hops, (time.process_time() - start) / (2 * size) * 1e9


def child(tree: Path, name: str, seconds: float) -> tuple[float, float, float]:
    """`measure` of the package in a working tree."""
    command = [sys.executable, __file__, name, "--tree", str(tree), "--seconds", str(seconds)]
    found = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    return float(found[0]), float(found[1]), float(found[2])


def main() -> None:
    """Print a line for each job."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("jobs", nargs="*", help=f"{', '.join(JOBS)}; all if none is named")
    parser.add_argument("--beside", type=Path, help="another working tree")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2.0, help="of one job and round")
    parser.add_argument("--tree", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if wrong := [name for name in options.jobs if name not in JOBS]:
        parser.error(f"{wrong[0]!r} is none of {', '.join(JOBS)}")
    if options.tree:
        sys.path.insert(0, str(options.tree.resolve()))
        print(*measure(options.jobs[0], options.seconds))
        return
    trees = ([options.beside] if options.beside else []) + [ROOT]
    print(
        "thousand hops/s (attempts a hop, ns a random read)"
        + ("; beside, here, ratio" if options.beside else "")
    )
    for name in options.jobs or JOBS:
        rounds = [[child(tree, name, options.seconds) for tree in trees] for _ in range(options.rounds)]
        line = f"{name:>12}"
        for one in zip(*rounds, strict=True):
            speed, tries, read = (statistics.median(x) for x in zip(*one, strict=True))
            line += f"  {speed / 1e3:8.1f} ({tries:.2f}, {read:.1f})"
        if options.beside:
            ratios = sorted(here[0] / there[0] for there, here in rounds)
            line += f"  {statistics.median(ratios):.2f} ({ratios[0]:.2f}-{ratios[-1]:.2f})"
        print(line, flush=True)


if __name__ == "__main__":
    main()
