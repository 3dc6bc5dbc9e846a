"""What a sweep costs beyond its physics, how well it fills the processors, and how a folder of 100,000 points behaves.

    python benchmarks/sweep.py                       all of it, some minutes
    python benchmarks/sweep.py overhead efficiency compilation dask folder
    python benchmarks/sweep.py efficiency --milliseconds 20

Each figure is the best of several rounds, beside a bare loop over the same points in the same round, because other
people's work on the machine comes and goes. ``cpu`` counts the processor time of this process and its workers: it does
not see waiting for the disk, but neither does it see the neighbours.

The *ideal* of ``efficiency``: the processor time of the points, simulated one after the other by a bare loop in one
process (nothing saved, nothing handed over), shared evenly by two processors. "Of ideal" is that over the wall time of
the sweep, from when the points are known until the last one is on disk, start of workers included. "Of two bare loops"
puts two such loops at once, in processes that know nothing of one another, in place of the ideal: where two processors
share a core, caches or a power budget, nobody can have more. "Went into points" is counted within the sweep itself: the
processor time of the points, over twice the wall time of the sweep. A bare loop before and after it may have found
another machine; this figure has not, so it is the one to compare.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from kmc_transport.input import load_model_text
from kmc_transport.model import Model
from kmc_transport.runs import job as job_module
from kmc_transport.runs import pools
from kmc_transport.runs.grid import grid_points, model_identity, plan_of
from kmc_transport.runs.job import Job, simulate_point
from kmc_transport.runs.pipeline import run
from kmc_transport.runs.point import PointSimulation
from kmc_transport.store import (
    Outline,
    PointStore,
    Provenance,
    begin_run,
    database,
    owner_mark,
    points_folder,
    write_outline,
    write_plan,
)

INPUT = """
format: 1
title: points of a sweep
structure:
  lattice: {a: 3.0, b: 10, c: 10}
  periodic: [true, false, false]
  cross_section: 100
  sites: {A: [[0, 0, 0]]}
supercell: [3000, 1, 1]
carriers: {ion: {charge: 1, sites: [A], count: CARRIERS}}
hops:
  - {carrier: ion, between: [A, A], distance: 3.0, barrier: 0.3 eV, attempt_frequency: 5 THz}
conditions: {temperature: 300 K}
sampling: {events: EVENTS, seed: 3, replicas: 1}
"""


FOLDER = ""
"""Where everything is saved."""
MILLISECONDS = 10.0
"""Processor time of a point of `efficiency`."""


def model_of(n: int, events: int, carriers: int = 100) -> Model:
    """A line of n temperatures; some milliseconds each."""
    model = load_model_text(INPUT.replace("EVENTS", str(events)).replace("CARRIERS", str(carriers)))
    conditions = replace(model.conditions, temperature=np.linspace(300.0, 400.0, n))
    return replace(model, conditions=conditions)


def new_folder() -> Path:
    """For points; it stays until all is measured, as ext4 spends up to half a millisecond on each new file where many
    were deleted within the last minutes."""
    return Path(tempfile.mkdtemp(dir=FOLDER))


def cpu() -> float:
    """Processor seconds of this process and of its children that have ended."""
    own, others = (resource.getrusage(w) for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return own.ru_utime + own.ru_stime + others.ru_utime + others.ru_stime


def idle() -> float:
    """Seconds that the processors of this machine have idled, all together; nan where the system does not say."""
    try:
        fields = Path("/proc/stat").read_text().splitlines()[0].split()
    except OSError:
        return float("nan")
    return (int(fields[4]) + int(fields[5])) / os.sysconf("SC_CLK_TCK")


def bare(model: Model, n: int) -> tuple[float, float]:
    """Wall and processor seconds of a point in a loop without sweep, store or other threads; n points of the grid."""
    points, job = grid_points(model, 3), Job(model=model, root=3)
    points = points[:: max(1, len(points) // n)][:n]
    start, start_cpu = time.perf_counter(), cpu()
    for point in points:
        simulate_point(job, point)
    return (time.perf_counter() - start) / len(points), (cpu() - start_cpu) / len(points)


@dataclass(frozen=True)
class Sweep:
    """From the beginning of the first point to the end of the last one, all in seconds.

    cpu : of the processor, start of workers included. idle : of the whole machine.
    """

    wall: float
    cpu: float
    idle: float


def swept(model: Model, **how: Any) -> Sweep:
    """A sweep that is saved; the result file is not counted."""
    marks: list[tuple[float, float, float]] = []

    def note(progress: Any) -> None:
        used = resource.getrusage(resource.RUSAGE_SELF)
        marks.append((progress.seconds, used.ru_utime + used.ru_stime, idle()))

    def children() -> float:
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return used.ru_utime + used.ru_stime

    before = children()
    run(model, output=new_folder() / "a.h5", on_progress=note, **how)
    workers = children() - before
    # the first note comes before the first point, the last but one with the last point, the last after the result file
    first, last = marks[0], marks[-2]
    return Sweep(last[0] - first[0], last[1] - first[1] + workers, last[2] - first[2])


class Physics:
    """Counts the time of this process in what a point costs without any sweep: set-up, simulation, evaluation."""

    def __init__(self) -> None:
        self.wall = self.cpu = 0.0

    def __enter__(self) -> Physics:
        self._real = (
            job_module._simulation,
            PointSimulation.build,
            PointSimulation.run,
            job_module.make_record,
        )
        self._put(*map(self._counted, self._real))
        return self

    def __exit__(self, *_: object) -> None:
        self._put(*self._real)

    @staticmethod
    def _put(simulation: Any, build: Any, simulate: Any, record: Any) -> None:
        job_module._simulation, job_module.make_record = simulation, record
        PointSimulation.build, PointSimulation.run = build, simulate  # type: ignore[method-assign]

    def _counted(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*args: Any, **how: Any) -> Any:
            wall, used = time.perf_counter(), time.thread_time()
            try:
                return function(*args, **how)
            finally:
                self.wall += time.perf_counter() - wall
                self.cpu += time.thread_time() - used

        return counted


def overhead(rounds: int) -> None:
    """Milliseconds that a point takes beyond its simulation, on one thread; both counted in the same run."""
    n, model = 300, model_of(300, 500)
    bare(model, 20)
    for kept in (True, False):
        wall, used = [], []
        for _ in range(rounds):
            last: list[Any] = []
            with Physics() as physics:
                marks: list[float] = []

                def note(progress: Any, marks: list[float] = marks, last: list[Any] = last) -> None:
                    marks.append(cpu())
                    last.append(progress)

                output = new_folder() / "a.h5" if kept else None
                run(model, output=output, executor="threads", workers=1, on_progress=note)
            # the last note comes after the result file, the one before it with the last point
            wall.append((last[-2].seconds - physics.wall) / n)
            used.append((marks[-2] - marks[0] - physics.cpu) / n)
        where_to = "saved" if kept else "not saved"
        print(
            f"{where_to:>10}: {1e3 * min(wall):6.2f} ms a point beyond its simulation, {1e3 * min(used):5.2f} ms of "
            f"the processor (simulation: {1e3 * physics.wall / n:.1f} ms)"
        )


def efficiency(rounds: int) -> None:
    """1,000 points on two processors, against the ideal (see above)."""
    n, carriers = 1000, 10
    events = events_for(MILLISECONDS / 1e3, carriers)
    model = model_of(n, events, carriers=carriers)
    for kind in ("processes", None, "threads"):
        shares, times = [], []
        for _ in range(rounds):
            before, two = bare(model, 100)[1], two_at_once(n, events, carriers)
            with counted_points() as seconds:
                sweep = swept(model, executor=kind, workers=2)
            two = (two + two_at_once(n, events, carriers)) / 2
            ideal = n * (before + bare(model, 100)[1]) / 4
            shares.append((ideal / sweep.wall, two / sweep.wall, seconds.value / (2 * sweep.wall)))
            times.append((2 * ideal, seconds.value, sweep.cpu - seconds.value, sweep.idle))
        of_ideal, of_two, points = (
            ", ".join(f"{100 * s:.0f}" for s in sorted(of)) for of in zip(*shares, strict=True)
        )
        alone, within, beyond, idle_time = 1e3 / n * np.median(times, axis=0)
        print(
            f"{kind or 'by itself':>10}: {points} % went into points; {of_ideal} % of ideal, {of_two} % of two bare "
            f"loops (medians: a point {alone:.1f} ms in a bare loop, {within:.1f} in the sweep, {beyond:.2f} of the "
            f"processors beyond, {idle_time:.2f} idle)"
        )


@contextmanager
def counted_points() -> Iterator[Any]:
    """Processor seconds of the points of a sweep, by threads and by workers that are forked; nan by others."""
    real, seconds = pools.simulate_point, multiprocessing.get_context("fork").Value("d", 0.0)

    def counted(*args: Any, **how: Any) -> Any:
        start = time.thread_time()
        try:
            return real(*args, **how)
        finally:
            with seconds.get_lock():
                seconds.value += time.thread_time() - start

    pools.simulate_point = counted
    try:
        yield seconds
    finally:
        pools.simulate_point = real
        if seconds.value == 0.0:
            seconds.value = float("nan")


def two_at_once(n: int, events: int, carriers: int) -> float:
    """Wall seconds of n points in two processes that do half of them each, by bare loops over some."""
    context = multiprocessing.get_context("spawn")
    together, answers = context.Barrier(2), context.SimpleQueue()
    loops = [
        context.Process(target=_bare_loop, args=(n, events, carriers, together, answers)) for _ in range(2)
    ]
    for loop in loops:
        loop.start()
    each = [answers.get() for _ in loops]
    for loop in loops:
        loop.join()
    return n / sum(1 / wall for wall in each)


def _bare_loop(n: int, events: int, carriers: int, together: Any, answers: Any) -> None:
    model = model_of(n, events, carriers=carriers)
    bare(model, 10)
    together.wait()
    answers.put(bare(model, 150)[0])


def events_for(seconds: float, carriers: int) -> int:
    """Hops that a point of so many processor seconds makes."""

    def cost(events: int) -> float:
        model = model_of(20, events, carriers=carriers)
        return min(bare(model, 20)[1] for _ in range(4))

    few, many = 500, 200_000
    least = cost(few)
    return max(few, int((seconds - least) * (many - few) / (cost(many) - least)))


def compilation(rounds: int) -> None:
    """How often the kernels are compiled with an empty cache and two worker processes."""
    del rounds
    code = (
        "import sys; sys.path.insert(0, 'benchmarks'); import sweep; from kmc_transport.runs.pipeline import run; "
        "run(sweep.model_of(12, 500), executor='processes', workers=2)"
    )
    with tempfile.TemporaryDirectory() as cache:
        env = {**os.environ, "NUMBA_CACHE_DIR": cache, "NUMBA_DEBUG_CACHE": "1"}
        root = Path(__file__).resolve().parents[1]
        done = subprocess.run(
            [sys.executable, "-c", code], check=True, cwd=root, env=env, capture_output=True, text=True
        )
    lines = (done.stdout + done.stderr).splitlines()
    saved = [line for line in lines if "data saved" in line]
    loaded = [line for line in lines if "data loaded" in line]
    print(
        f"{'compilation':>10}: {len(saved)} kernels compiled, {len(set(saved))} different ones; read from the cache "
        f"{len(loaded)} times by two workers"
    )


def dask(rounds: int) -> None:
    """The same with a Dask LocalCluster of two processes."""
    from distributed import Client, LocalCluster

    n, model = 500, model_of(500, 500)
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        executor = client.get_executor(pure=False)
        swept(model_of(20, 500), executor=executor)
        wall = []
        for _ in range(rounds):
            physics, _ = bare(model, 100)
            wall.append(2 * swept(model, executor=executor).wall / n - physics)
    print(
        f"{'Dask':>10}: {1e3 * min(wall):6.2f} ms a point and worker beyond its simulation ({1e3 * physics:.1f} ms)"
    )


def folder(rounds: int) -> None:
    """100,000 points in a folder: writing them, `status`, `merge`."""
    del rounds
    model = model_of(1000, 500)
    conditions = replace(model.conditions, field=np.linspace(1e-3, 1e-2, 100))
    model = replace(model, conditions=conditions)
    points = grid_points(model, 3)
    path = new_folder() / "a.h5"
    provenance = begin_run(
        path, Provenance(identity=model_identity(model), input_text=model.source.text, seed=3)
    )
    from kmc_transport.rates import build_catalog

    catalogs = [build_catalog(model, temperature=float(t)) for t in conditions.temperature]
    write_outline(path, Outline.of_model(model), provenance, np.full((1000, 1, 1), np.nan), catalogs)
    write_plan(path, plan_of(points))
    store = PointStore(points_folder(path), owner_mark(provenance))
    pattern = simulate_point(Job(model=model, root=3), points[0]).record
    assert pattern is not None
    database.SYNCHRONOUS = "OFF"
    start = time.perf_counter()
    for point in points:
        store.save(
            point.key, replace(pattern, temperature=point.temperature, field=point.field), replace=True
        )
    print(f"{'folder':>10}: {len(points)} points written in {time.perf_counter() - start:.0f} s, not synced")
    for command, limit in (("status", 1), ("merge", 30)):
        best = min(_timed([sys.executable, "-m", "kmc_transport", command, str(path)]) for _ in range(2))
        print(f"{command:>10}: {best:.1f} s (at most {limit} are wanted)")


def _timed(command: list[str]) -> float:
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[1])}
    start = time.perf_counter()
    subprocess.run(command, check=True, env=env, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


PARTS: dict[str, Callable[[int], None]] = {
    "overhead": overhead,
    "efficiency": efficiency,
    "compilation": compilation,
    "dask": dask,
    "folder": folder,
}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], default=[])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--milliseconds", type=float, default=MILLISECONDS, help="of a point of `efficiency`")
    chosen = parser.parse_args()
    MILLISECONDS = chosen.milliseconds
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCHMARK_FOLDER")) as FOLDER:
        for name in chosen.parts or PARTS:
            PARTS[name](chosen.rounds)
