"""Speed of the engine with interactions, beside bare loops written for one case.

    python benchmarks/interacting.py                     # all parts
    python benchmarks/interacting.py pairs --sizes 20 64 254
    python benchmarks/interacting.py drift --events 1e8
    python benchmarks/interacting.py frozen              # a gas beside frozen and beside blocked sites

Parts: ``pairs`` (neighbour energy -0.5 kT, null events), ``frozen`` (a fifth of the sites taken by an immobile species,
beside the same sites blocked: no less than 0.8 of that speed), ``cold`` (-5 kT, rejection-free), ``coulomb`` (1,000
carriers on 27,000 sites; many charges: `coulomb.py`), ``species`` (ions and polarons whose rates are 1e4 apart),
``decades`` (rates over 15 decades), ``threads`` (replicas side by side), ``drift`` (energies kept up to date against
those counted anew).

Simple cubic lattice, Metropolis rates, executed hops per second of processor time on one core, displacements and
tallies included, a sample every two hops per carrier. Jobs take turns and the best round counts.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numba
import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

from bare_loops import PairsBits, PairsTable, PairsTree  # noqa: E402

from kmc_transport.engine import Replica  # noqa: E402
from kmc_transport.model.interactions import Arrangement, Disorder, Interactions  # noqa: E402
from kmc_transport.model.model import Carrier, Model  # noqa: E402
from kmc_transport.rates import build_catalog  # noqa: E402
from tests.reference.interacting_models import clusters, coulomb, nearest_pairs, with_interactions, with_rule  # noqa: E402
from tests.reference.networks import KT0, T0, lattice_gas, make_model  # noqa: E402

Job = Callable[[float], int]
"""About so many hops, returns how many they were."""


def metropolis(model: Model) -> Model:
    """Rates of at most 1/s: the attempt frequency of `lattice_gas` times exp(-1 eV/kT)."""
    return with_rule(model, "metropolis")


def gas(size: int, n: int, energy: float) -> Model:
    """Carriers with a neighbour energy in kT."""
    model = metropolis(lattice_gas("sc", size, n, rate=math.exp(-1 / KT0)))
    return with_interactions(model, clusters=nearest_pairs(energy * KT0))


def replica(model: Model, algorithm: str, **kw: object) -> Replica:
    catalog = build_catalog(model, temperature=T0)
    return Replica(
        catalog,
        seed=np.random.SeedSequence(1),
        sample_interval=kw.pop("sample_interval", 1.0),  # type: ignore[arg-type]
        algorithm=algorithm,
        **kw,  # type: ignore[arg-type]
    )


def job(r: Replica, hops: float = 2.0) -> Job:
    """Runs of a replica whose sample interval follows its rates for the first calls, as the carriers settle."""
    calls, per_sample = 0, 1.0

    def run(wanted: float) -> int:
        nonlocal calls, per_sample
        if calls in (0, 2, 4):
            r.reset(sample_interval=hops * r.n_carriers / r.total_rate())
            before = r.executed
            r.advance(1)
            per_sample = max(1.0, r.executed - before)
        calls += 1
        before = r.executed
        r.advance(max(1, round(wanted / per_sample)))
        done = r.executed - before
        per_sample = max(1.0, done / max(1, round(wanted / per_sample)))
        return done

    return run


def rates(jobs: dict[str, Job], seconds: float, first: float = 1e4, rounds: int = 9) -> dict[str, float]:
    """Best hops per second of processor time of each job, over the second half of the rounds; they take turns."""
    best, hops = dict.fromkeys(jobs, 0.0), dict.fromkeys(jobs, first)
    for number in range(rounds):
        for name, run in jobs.items():
            start = time.process_time()
            done = run(hops[name])
            spent = time.process_time() - start
            if number >= rounds // 2:
                best[name] = max(best[name], done / spent)
            hops[name] *= min(10.0, seconds / spent)
    return best


def pairs(options: argparse.Namespace) -> None:
    """Null events at weak coupling."""
    print("Neighbour energy -0.5 kT, null events (Mhops/s)")
    print(
        f"{'size':>5} {'carriers':>8} {'bare table':>11} {'bare bits':>10} {'engine':>8} {'ratio':>6} {'B/site':>7}"
    )
    for size in options.sizes:
        for fraction in (0.1, 0.5):
            n = round(fraction * size**3)
            r = replica(gas(size, n, -0.5), "null_event")
            bare = {"bits": PairsBits(size, n, -0.5)} | (
                {"table": PairsTable(size, n, -0.5)} if size <= 128 else {}
            )
            jobs: dict[str, Job] = {name: lambda hops, b=b: b.run(int(hops)) for name, b in bare.items()}
            m = rates(jobs | {"engine": job(r)}, options.seconds, 1e4 if size < 100 else 1e6)
            m = {name: rate / 1e6 for name, rate in m.items()}
            better = max(m["bits"], m.get("table", 0.0))
            print(
                f"{size:>4}³ {fraction:>8.0%} {m.get('table', math.nan):>11.1f} {m['bits']:>10.1f} {m['engine']:>8.1f}"
                f" {m['engine'] / better:>6.2f} {r.nbytes / size**3:>7.1f}",
                flush=True,
            )


def cold(options: argparse.Namespace) -> None:
    """Listed hops at strong coupling."""
    print("\nNeighbour energy -5 kT, 20³ sites (Mhops/s)")
    print(f"{'carriers':>8} {'bare tree':>10} {'rej.-free':>10} {'sum tree':>9} {'rej.-free / bare':>17}")
    for fraction in (0.1, 0.5):
        n = round(fraction * 8000)
        tree = PairsTree(20, n, -5.0)
        jobs: dict[str, Job] = {"bare": lambda hops, t=tree: t.run(int(hops))}
        for name in ("rejection_free", "sum_tree"):
            jobs[name] = job(replica(gas(20, n, -5.0), name))
        m = {name: rate / 1e6 for name, rate in rates(jobs, options.seconds).items()}
        print(
            f"{fraction:>8.0%} {m['bare']:>10.2f} {m['rejection_free']:>10.2f} {m['sum_tree']:>9.2f}"
            f" {m['rejection_free'] / m['bare']:>17.2f}",
            flush=True,
        )


@numba.njit(nogil=True, error_model="numpy")
def _all_potentials(n: int, phi: np.ndarray, pair: np.ndarray, cells: np.ndarray) -> None:
    """What updating the potential of every site alone costs, hop by hop."""
    size = phi.shape[0]
    for hop in range(n):
        x0, y0, z0 = cells[hop % len(cells)]
        x1 = x0 + 1 if x0 < size - 1 else 0
        for x in range(size):
            dx, ex = (x - x0) % size, (x - x1) % size
            for y in range(size):
                dy = (y - y0) % size
                row, lost = phi[x, y], pair[dx, dy, size - z0 : 2 * size - z0]
                gained = pair[ex, dy, size - z0 : 2 * size - z0]
                for z in range(size):
                    row[z] += gained[z] - lost[z]


def charges(options: argparse.Namespace) -> None:
    """A gas of like charges on a neutralising background."""
    print("\nCoulomb, 1000 carriers on 30³ sites (thousand hops/s), by the energy of two neighbours")
    plain = with_rule(lattice_gas("sc", 30, 1000))
    cells = np.random.default_rng(1).integers(0, 30, (1000, 3))
    for strength in (1.0, 5.0, 15.0):
        long_range = coulomb(plain, strength * KT0, screening=0.05)
        model = with_interactions(plain, coulomb=long_range)
        r = replica(model, "rejection_free")
        phi, pair = np.zeros((30, 30, 30)), np.concatenate([long_range.potential[0, 0]] * 2, axis=2)

        def bare(hops: float, phi: np.ndarray = phi, pair: np.ndarray = pair) -> int:
            _all_potentials(int(hops), phi, pair, cells)
            return int(hops)

        m = rates({"bare": bare, "engine": job(r)}, options.seconds, 1e3)
        print(
            f"{strength:>5.0f} kT: {m['engine'] / 1e3:>7.1f}, potentials of all sites alone {m['bare'] / 1e3:.1f}, "
            f"attempts kept {r.executed / r.attempted:.2f}",
            flush=True,
        )


def two_species(fast: float) -> Model:
    """Ions and polarons on sublattices of their own, with a short-range attraction of 1 kT."""
    size = 20
    steps = [(1, 0, 0), (0, 1, 0), (0, 0, 1)]
    unit = math.exp(-1 / KT0)
    model = make_model(
        np.eye(3),
        [[0, 0, 0], [0.5, 0.5, 0.5]],
        [[(0, 0, c, unit) for c in steps], [(1, 1, c, fast * unit) for c in steps]],
        counts=(800, 800),
        charges=(1.0, -1.0),
        supercell=(size, size, size),
        allowed=[[True, False], [False, True]],
    )
    corners = [(i, j, k) for i in (0, -1) for j in (0, -1) for k in (0, -1)]
    bound = clusters([(-KT0, [(0, 0, (0, 0, 0)), (1, 1, c)]) for c in corners])
    return replace(metropolis(model), interactions=Interactions(clusters=bound))


def species(options: argparse.Namespace) -> None:
    """Own bounds for each species: fast polarons do not spoil slow ions."""
    print("\nIons and polarons, 800 each on 2 x 20³ sites (Mhops/s)")
    for algorithm in ("null_event", "rejection_free"):
        jobs = {f"{ratio:g}": job(replica(two_species(ratio), algorithm)) for ratio in (1.0, 1e4)}
        m = rates(jobs, options.seconds)
        print(
            f"{algorithm:>15}: rates alike {m['1'] / 1e6:.2f}, 1e4 apart {m['10000'] / 1e6:.2f},"
            f" cost {m['1'] / m['10000']:.2f}",
            flush=True,
        )


def decades(options: argparse.Namespace) -> None:
    """Barriers at random over 15 decades of rates, with a neighbour energy on top."""
    print("\nRates over 15 decades, 800 carriers on 20³ sites, -0.5 kT (Mhops/s)")
    rng = np.random.default_rng(1)
    model = with_interactions(with_rule(lattice_gas("sc", 20, 800)), clusters=nearest_pairs(-0.5 * KT0))
    net, size = model.network, model.supercell
    spread = 15 * math.log(10) * KT0
    barrier = np.zeros((model.n_cells, net.n_hops))
    cells = np.indices(size).reshape(3, -1).T
    for h in range(0, net.n_hops, 2):
        shift = rng.uniform(0, spread, model.n_cells)
        there = np.ravel_multi_index(((cells + net.cell[h]) % size).T, size)
        barrier[:, h] = shift
        barrier[there, net.reverse[h]] = shift
    rough = replace(model, disorder=Disorder(None, barrier, None))
    flat = replace(model, disorder=Disorder(None, 0 * barrier, None))
    for name in ("rejection_free", "sum_tree"):
        jobs = {"one rate": job(replica(flat, name)), "15 decades": job(replica(rough, name))}
        m = rates(jobs, options.seconds)
        print(f"{name:>15}: " + ", ".join(f"{k} {v / 1e6:.2f}" for k, v in m.items()), flush=True)


def threads(options: argparse.Namespace) -> None:
    """Two replicas on two threads, wall time; and what the bare loops make of two processors."""
    print("\nOn two threads, wall time (Mhops/s together)")
    jobs: dict[str, Callable[[], Job]] = {
        "null_event": lambda: job(replica(gas(20, 800, -0.5), "null_event")),
        "rejection_free": lambda: job(replica(gas(20, 800, -5.0), "rejection_free")),
        "bare table": lambda: bare(PairsTable(20, 800, -0.5)),
        "bare tree": lambda: bare(PairsTree(20, 800, -5.0)),
    }
    for name, make in jobs.items():
        runs = [make() for _ in range(2)]
        hops = 1e5
        for run in runs * 5:
            start = time.perf_counter()
            run(hops)
            hops *= min(10.0, 2 * options.seconds / (time.perf_counter() - start))
        best = [0.0, 0.0]
        for _ in range(15):
            start = time.perf_counter()
            alone = runs[0](hops)
            best[0] = max(best[0], alone / (time.perf_counter() - start))
            with ThreadPoolExecutor(2) as pool:
                start = time.perf_counter()
                both = sum(pool.map(lambda run, hops=hops: run(hops), runs))
                best[1] = max(best[1], both / (time.perf_counter() - start))
        print(
            f"{name:>15}: one {best[0] / 1e6:.2f}, two {best[1] / 1e6:.2f}, ratio {best[1] / best[0]:.2f}",
            flush=True,
        )


def bare(loop: PairsTable) -> Job:
    return lambda hops: loop.run(int(hops))


def drift(options: argparse.Namespace) -> None:
    """Total energy and open rates, kept up to date hop by hop, against the same counted anew."""
    print(f"\nBookkeeping after {options.events:g} hops (eV)")
    small = with_rule(lattice_gas("sc", 6, 20))
    models = {
        "pairs, null events": (gas(20, 800, -0.5), "null_event"),
        "pairs, listed": (gas(20, 800, -0.5), "rejection_free"),
        "Coulomb, 20 carriers": (
            with_interactions(small, coulomb=coulomb(small, 3 * KT0)),
            "rejection_free",
        ),
    }
    for name, (model, algorithm) in models.items():
        r = replica(model, algorithm)
        r.reset(sample_interval=20 * r.n_carriers / r.total_rate())
        while r.executed < options.events:
            r.advance(2000)
        print(
            f"{name:>22}: {r.executed:.3g} hops, drift {r.energy_drift:.2g}, open hops {r.check():.2g}",
            flush=True,
        )


def frozen(options: argparse.Namespace) -> None:
    """A tenth of the sites with carriers, a fifth blocked or taken by an immobile species that is felt or not."""
    print(
        "\nGas of 10 % carriers (-0.5 kT) beside 20 % of the sites, executed Mhops/s; in parentheses over blocked"
    )
    print(f"{'size':>5} {'algorithm':>15} {'blocked':>8} {'frozen':>15} {'frozen, -0.5 kT':>16}")
    for size in options.sizes[:2]:
        base, sites = gas(size, size**3 // 10, -0.5), size**3
        held = np.sort(np.random.default_rng(1).choice(sites, sites // 5, replace=False))
        closed = np.isin(np.arange(sites), held)
        blocked = replace(base, disorder=Disorder(None, None, closed))
        stone = replace(
            base,
            immobile=(Carrier("stone", -1.0, base.carriers[0].sites, len(held)),),
            arrangement=(Arrangement(kind="given", sites=held),),
            site_energy=np.zeros((2, 1)),
        )
        steps = [tuple(sign * (k == a) for k in range(3)) for a in range(3) for sign in (1, -1)]
        energy = -0.5 * KT0
        beside = [(energy, [(0, 0, (0, 0, 0)), (0, 0, s)]) for s in steps[::2]]
        beside += [(energy, [(0, 0, (0, 0, 0)), (1, 0, s)]) for s in steps]
        felt = with_interactions(stone, clusters=clusters(beside))
        models = {"blocked": blocked, "frozen": stone, "felt": felt}
        for algorithm in ("null_event", "rejection_free"):
            m = rates({n: job(replica(x, algorithm)) for n, x in models.items()}, options.seconds)
            share = {n: x / m["blocked"] for n, x in m.items()}
            print(
                f"{size:>4}³ {algorithm:>15} {m['blocked'] / 1e6:>8.2f}"
                f" {m['frozen'] / 1e6:>8.2f} ({share['frozen']:.2f}) {m['felt'] / 1e6:>9.2f} ({share['felt']:.2f})",
                flush=True,
            )


PARTS: dict[str, Callable[[argparse.Namespace], None]] = {
    "frozen": frozen,
    "pairs": pairs,
    "cold": cold,
    "coulomb": charges,
    "species": species,
    "decades": decades,
    "threads": threads,
    "drift": drift,
}


def part(name: str) -> str:
    """A name out of `PARTS`."""
    if name not in PARTS:
        raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join(PARTS)}")
    return name


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    # no list of choices: Python 3.11 refuses the empty list with it
    parser.add_argument("parts", nargs="*", type=part, help=f"{', '.join(PARTS)}; all if none is named")
    parser.add_argument("--sizes", type=int, nargs="+", default=[20, 64, 254], help="cells along each axis")
    parser.add_argument("--seconds", type=float, default=0.2, help="of one job")
    parser.add_argument("--events", type=float, default=1e8, help="hops of the part ``drift``")
    options = parser.parse_args()
    for name in options.parts or PARTS:
        PARTS[name](options)


if __name__ == "__main__":
    main()
