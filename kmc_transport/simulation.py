"""The pipeline: model → points of the grid → replicas → estimates → records → one dataset and one file."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .errors import InputError, KmcTransportError
from .exact import exact_values, sensitivity
from .model import load_model
from .model.model import Model
from .observables import Evaluation, fit_arrhenius, target_name
from .point import PointSimulation, Progress
from .rates import build_catalog
from .records import ExitReason
from .seeds import draw_root
from .store import (
    PointRecord,
    PointStore,
    Provenance,
    begin_run,
    build_dataset,
    check_output,
    lock_output,
    point_key,
    points_folder,
    start_over,
    write_results,
)

if TYPE_CHECKING:
    import xarray

__all__ = ["GridPoint", "PointProgress", "grid_points", "model_identity", "run"]

FloatArray = npt.NDArray[np.float64]

EXACT_STATES = 2000
"""Largest Markov chain that is solved beside each simulated point."""
CONTRADICTION = 6.0
"""Deviation from the exact answer, in standard errors, that no honest simulation shows."""


@dataclass(frozen=True, eq=False)
class GridPoint:
    """One temperature (K) and field vector ((3,) V/Å) to simulate, and the key its record is found by."""

    temperature: float
    field: FloatArray
    key: str


@dataclass(frozen=True)
class PointProgress:
    """What a worker reports: number of the point in the grid, whether it is done, and how it stands."""

    point: int
    n_points: int
    done: bool
    state: Progress


def grid_points(model: Model, root: int) -> list[GridPoint]:
    """Points of the grid: every temperature x field x direction; zero field once for all directions."""
    c = model.conditions
    sampling = asdict(model.sampling)
    del sampling["wall_time"], sampling["seed"]
    points = []
    for temperature in c.temperature:
        for size in c.field:
            for vector in [np.zeros(3)] if size == 0 else list(c.direction * size):
                serves = {"directions": c.direction.tolist()} if size == 0 else {}
                key = point_key(temperature, vector, root=str(root), sampling=sampling, **serves)
                points.append(GridPoint(float(temperature), vector, key))
    return points


def model_identity(model: Model) -> str:
    """Fingerprint of the physics: structure, carriers, hops and their numbers; not of conditions or wording."""
    s, net = model.structure, model.network
    content = {
        "lattice": s.lattice.tolist(),
        "periodic": s.periodic.tolist(),
        "labels": s.labels,
        "frac": s.frac.tolist(),
        "cross_section": s.cross_section,
        "supercell": model.supercell,
        "carriers": [asdict(c) for c in model.carriers],
        "site_energy": [[None if np.isnan(e) else e for e in row] for row in model.site_energy],
        "hop_classes": [
            {k: v for k, v in vars(c).items() if k not in ("source", "read_from", "log")}
            for c in model.hop_classes
        ],
        "network": {name: getattr(net, name).tolist() for name in vars(net) if name != "operation"},
        "seed": model.sampling.seed,
    }
    text = json.dumps(content, sort_keys=True, default=_plain)
    return hashlib.sha256(text.encode()).hexdigest()


def _plain(value: object) -> object:
    """Arrays and records (modes behind an attempt frequency) as JSON holds them."""
    return value.tolist() if isinstance(value, np.ndarray) else vars(value)


def run(
    model: Model | str | os.PathLike[str],
    *,
    output: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    workers: int | None = None,
    on_progress: Callable[[PointProgress], None] | None = None,
    command: str = "",
) -> xarray.Dataset:
    """Simulate every condition of a model; points run on threads, and their number changes no result.

    Parameters
    ----------
    model : a `Model`, or the path of an input file.
    output : result file (``.h5``); finished points are kept in ``NAME.points`` beside it. Running the same
        input again takes up what is missing. None keeps nothing.
    overwrite : start over, deleting what an earlier run left at ``output``.
    workers : threads; default: the processors this process may use.
    on_progress : called from the worker threads.

    Returns
    -------
    Dataset in SI units, names in `kmc_transport.arrays.ARRAYS`; ``converged`` tells where the asked accuracy
    was reached.

    Raises
    ------
    InputError, StoreError
        Before anything long starts. KeyboardInterrupt after what was done is on disk.
    """
    if not isinstance(model, Model):
        model = load_model(Path(model))
    catalogs = [build_catalog(model, temperature=float(t)) for t in model.conditions.temperature]
    for point in grid_points(model, 0):
        build_catalog(model, temperature=point.temperature, field=point.field)  # all errors before any work
    with ExitStack() as stack:
        store, root = None, model.sampling.seed
        if output is not None:
            path = Path(output)
            stack.enter_context(lock_output(path))
            if overwrite:
                start_over(path)
            identity = model_identity(model)
            earlier = check_output(path, identity).run
            if root is None and earlier is not None:
                root = earlier.seed
            root = draw_root() if root is None else root
            provenance = Provenance(
                identity, model.source.text, root, model.source.path, command, dict(model.source.files)
            )
            if earlier is None:
                begin_run(path, provenance)
            store = PointStore(points_folder(path))
        root = draw_root() if root is None else root
        points = grid_points(model, root)
        try:
            records = _simulate(model, points, root, store, workers or _processors(), on_progress)
        except BaseException:
            if store is not None:  # whatever ends the run, the result file holds all finished points
                found = [r for r in map(store.get, (p.key for p in points)) if r is not None]
                write_results(path, _dataset(model, found), provenance=provenance, catalogs=catalogs)
            raise
        dataset = _dataset(model, records)
        if store is not None:
            write_results(path, dataset, provenance=provenance, catalogs=catalogs)
        return dataset.assign_attrs(seed=str(root))


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _simulate(
    model: Model,
    points: Sequence[GridPoint],
    root: int,
    store: PointStore | None,
    workers: int,
    on_progress: Callable[[PointProgress], None] | None,
) -> list[PointRecord]:
    """Records of all points, from the store or simulated now. KeyboardInterrupt once partial points are safe."""
    stopping = threading.Event()
    records: dict[int, PointRecord] = {}
    for i, point in enumerate(points):
        record = None if store is None else store.get(point.key)
        if record is not None and not _may_go_on(model, record):
            records[i] = record
    missing = [i for i in range(len(points)) if i not in records]
    if not missing:
        return [records[i] for i in range(len(points))]
    with ExitStack() as stack:
        pool = stack.enter_context(ThreadPoolExecutor(min(workers, len(missing))))
        # with fewer points than processors, the replicas of a point run side by side
        inner = stack.enter_context(ThreadPoolExecutor(workers)) if workers > len(missing) else None

        def work(i: int) -> PointRecord | None:
            def report(state: Progress, done: bool = False) -> None:
                if on_progress is not None:
                    on_progress(PointProgress(i, len(points), done, state))

            return _simulate_point(model, points[i], root, store, inner, stopping.is_set, report)

        futures: dict[Future[PointRecord | None], int] = {pool.submit(work, i): i for i in missing}
        pending = set(futures)
        try:
            while pending:
                done, pending = wait(pending, timeout=0.2, return_when=FIRST_COMPLETED)
                for future in done:
                    record = future.result()
                    if record is not None:
                        records[futures[future]] = record
        except BaseException:
            stopping.set()
            for future in pending:
                future.cancel()
            wait(pending)
            raise
    return [records[i] for i in range(len(points))]


def _may_go_on(model: Model, record: PointRecord) -> bool:
    """Whether a stored point ran into a limit on wall time that is longer now, or gone."""
    if record.values["exit_reason"] != ExitReason.TIME_LIMIT.value:
        return False
    limit = model.sampling.wall_time
    return limit is None or limit > float(record.values["wall_time"])


def _simulate_point(
    model: Model,
    point: GridPoint,
    root: int,
    store: PointStore | None,
    pool: ThreadPoolExecutor | None,
    should_stop: Callable[[], bool],
    report: Callable[..., None],
) -> PointRecord | None:
    """One point from start, or from its snapshot, to its record; None when told to stop."""
    if should_stop():
        return None
    state = None if store is None else store.load_partial(point.key)
    if state is None:
        simulation = PointSimulation(model, point.temperature, point.field, root=root)
    else:
        simulation = PointSimulation.restore(model, point.temperature, point.field, state, root=root)
    reason = simulation.run(should_stop=should_stop, on_progress=report, pool=pool)
    if reason is ExitReason.INTERRUPTED:
        if store is not None:
            store.save_partial(point.key, simulation.snapshot())
        return None
    record = make_record(model, simulation, reason, root)
    if store is not None:
        store.save(point.key, record, replace=True)
        if reason is ExitReason.TIME_LIMIT:  # a longer limit takes it up again
            store.save_partial(point.key, simulation.snapshot())
    report(simulation.progress(), done=True)
    return record


def make_record(model: Model, simulation: PointSimulation, reason: ExitReason, root: int) -> PointRecord:
    """What is kept of a finished point. Numbers whose statistics are too weak are left out, not guessed."""
    evaluation, last = simulation.evaluation, simulation.last
    tallies = simulation.tallies()
    exacts = exact_values(simulation.catalog, simulation.system.direction, EXACT_STATES)
    values: dict[str, Any] = {}
    stderrs: dict[str, Any] = {}
    how: dict[str, Any] = {}
    if evaluation is not None:
        for name, estimate in evaluation.estimates.items():
            how[name] = {"method": estimate.method, "effective_samples": estimate.effective_samples}
            if _trusted(name, evaluation):
                values[name], stderrs[name] = estimate.value, estimate.stderr
    by_hop = sum((t.events.sum(axis=0) for t in tallies), np.zeros(model.network.n_hops, np.int64))
    executed = int(by_hop.sum())
    values |= {
        "effective_samples": _effective_samples(model, evaluation),
        "executed_hops": executed,
        "executed_hops_by_class": _by_class(model, by_hop),
        "clamped_hops_by_class": _by_class(model, np.where(simulation.catalog.clamped, by_hop, 0)),
        "linear_response_error": [
            float(simulation.catalog.linear_response_error[model.network.hop_class == c].max(initial=0.0))
            for c in range(len(model.hop_classes))
        ],
        "simulated_time": sum(t.time for t in tallies),
        "wall_time": simulation.seconds,
        "clamped_share": float(by_hop[simulation.catalog.clamped].sum() / executed) if executed else 0.0,
        "exit_reason": reason.value,
        "converged": _converged(model, simulation, reason, exacts),
    }
    system = simulation.system
    return PointRecord(
        system.temperature,
        system.field,
        values,
        stderrs,
        exacts,
        system.direction,
        {
            "seed": str(root),
            "algorithm": simulation.replicas[0].algorithm,
            "estimates": how,
            "batches": 0 if evaluation is None else evaluation.batches,
            "plateau": evaluation is not None
            and {"collective": evaluation.collective_plateau, "tracer": evaluation.tracer_plateau},
            "accuracy": None if last is None else {"ratio": last.ratio, "relative": last.relative_error},
        },
        tuple(tallies),
    )


def _by_class(model: Model, by_hop: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    return np.bincount(model.network.hop_class, by_hop, len(model.hop_classes)).astype(np.int64)


def _trusted(name: str, evaluation: Evaluation) -> bool:
    try:
        evaluation.require(name)
    except KmcTransportError:
        return False
    return True


def _converged(model: Model, simulation: PointSimulation, reason: ExitReason, exacts: dict[str, Any]) -> bool:
    """Whether what was asked was reached: the accuracy, or for a run of fixed length a number to trust."""
    evaluation = simulation.evaluation
    name = target_name(model.sampling.target, simulation.system)
    if evaluation is None or not _trusted(name, evaluation):
        return False
    if name in exacts:
        estimate = evaluation.estimates[name]
        known = np.isfinite(exacts[name]) & (estimate.stderr > 0)
        if np.any(np.abs((estimate.value - exacts[name])[known]) > CONTRADICTION * estimate.stderr[known]):
            return False
    s = model.sampling
    no_target = s.relative_error is None and s.absolute_error is None
    return reason is ExitReason.ACCURACY_REACHED or (reason is ExitReason.DONE and no_target)


def _effective_samples(model: Model, evaluation: Evaluation | None) -> float:
    target = model.sampling.target
    if evaluation is None:
        return 0.0
    names = (target, "mobility_einstein") if target in ("mobility", "drift_velocity") else (target,)
    found = [evaluation.estimates[n].effective_samples for n in names if n in evaluation.estimates]
    return float(found[0]) if found else 0.0


def _dataset(model: Model, records: Sequence[PointRecord]) -> xarray.Dataset:
    extra = _arrhenius(model, build_dataset(model, records)) | {
        "barrier_error_factor": _barrier_error_factor(model)
    }
    return build_dataset(model, records, extra=extra)


def _barrier_error_factor(model: Model) -> FloatArray:
    """(n_temperatures, n_directions, S): what the barriers' own uncertainty does to the weak-field mobility."""
    c = model.conditions
    factor = np.full((len(c.temperature), len(c.direction), len(model.carriers)), np.nan)
    if all(h.barrier_stderr is None for h in model.hop_classes):
        return factor
    for t, d in np.ndindex(*factor.shape[:2]):
        with contextlib.suppress(KmcTransportError):  # no single answer for one carrier alone
            factor[t, d] = sensitivity(
                model, temperature=float(c.temperature[t]), direction=c.direction[d], dilute=True
            ).error_factor
    return factor


def _arrhenius(model: Model, dataset: xarray.Dataset) -> dict[str, FloatArray]:
    """Arrhenius fits of mobility x temperature at zero field, for each direction and carrier."""
    c = model.conditions
    shape = (len(c.direction), len(model.carriers))
    names = ("activation_energy", "prefactor")
    out = {f"arrhenius_{n}{s}": np.full(shape, np.nan) for n in names for s in ("", "_stderr")}
    out |= {f"arrhenius_{n}": np.full(shape, np.nan) for n in ("covariance", "chi2")}
    zero = np.flatnonzero(c.field == 0)
    if not len(zero):
        return out
    value = dataset["mobility_einstein"].values[:, zero[0]]
    stderr = dataset["mobility_einstein_stderr"].values[:, zero[0]]
    t = c.temperature
    for d, a in np.ndindex(*shape):
        try:
            fit = fit_arrhenius(t, value[:, d, a] * t, stderr[:, d, a] * t)
        except InputError:
            continue  # too few temperatures, or no transport along this direction
        sign = np.sign(np.nansum(value[:, d, a]))
        out["arrhenius_activation_energy"][d, a] = fit.activation_energy
        out["arrhenius_activation_energy_stderr"][d, a] = fit.activation_energy_stderr
        out["arrhenius_prefactor"][d, a] = sign * fit.prefactor
        out["arrhenius_prefactor_stderr"][d, a] = fit.prefactor_stderr
        out["arrhenius_covariance"][d, a] = fit.covariance[0, 1]
        if fit.points > 2:
            out["arrhenius_chi2"][d, a] = fit.chi2 / (fit.points - 2)
    return out
