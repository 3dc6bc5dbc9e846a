"""What is kept of a finished point."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt

from ..analysis import Evaluation, LinearResponse, target_name
from ..analysis.observables import kind_of
from ..arrays import OBSERVABLES
from ..energies.supercell import depends_on_configuration
from ..engine.canonical.units import UnitThermodynamics
from ..exact import applies, exact_values, stationary_flow
from ..model.model import Model
from ..ndarrays import IntArray
from ..rates import RateCatalog
from ..records import ExitReason, Missing, Tallies
from ..store import PointRecord
from ..units import ANGSTROM
from .chemistry import chemistry_estimates
from .scaled import AnyPoint, ScaledSimulation
from .weak import weak_record

__all__ = ["CONTRADICTION", "EXACT_STATES", "exact_beside", "make_record", "weak_field_record"]

EXACT_STATES = 2000
"""Largest Markov chain that is solved beside each simulated point."""
CONTRADICTION = 6.0
"""Deviation from the exact answer, in standard errors, that no honest simulation shows."""


def make_record(
    model: Model,
    simulation: AnyPoint,
    reason: ExitReason,
    root: int,
    thermodynamics: UnitThermodynamics | None = None,
) -> PointRecord:
    """What is kept of a finished point. Numbers whose statistics are too weak are left out, not guessed."""
    evaluation, last = simulation.evaluation, simulation.last
    tallies = simulation.tallies()
    exacts = exact_beside(simulation.catalog, simulation.system.direction)
    values: dict[str, Any] = {}
    stderrs: dict[str, Any] = {}
    how: dict[str, Any] = {}
    if evaluation is not None:
        for name, estimate in evaluation.estimates.items():
            how[name] = {"method": estimate.method, "effective_samples": estimate.effective_samples}
            good = evaluation.trustworthy(name)
            if good is not None:
                values[name], stderrs[name] = good.value, good.stderr
    for name, estimate in simulation.observed().items():
        values[name], stderrs[name] = estimate.value, estimate.stderr
    if thermodynamics is not None:
        values["thermodynamics_note"] = thermodynamics.why
        for name, estimate in chemistry_estimates(thermodynamics, evaluation).items():
            values[name], stderrs[name] = estimate.value, estimate.stderr
            how[name] = {"method": estimate.method, "effective_samples": estimate.effective_samples}
    by_hop = sum((t.events.sum(axis=0) for t in tallies), np.zeros(model.network.n_hops, np.int64))
    executed = int(by_hop.sum())
    clamped = np.where(simulation.catalog.clamped, by_hop, 0)
    if depends_on_configuration(model):  # then it is not the hop that tells; the last row may be unfinished
        clamped = np.minimum(by_hop, sum(r.clamped_events for r in simulation.replicas))
    doubt = np.zeros(len(model.hop_classes))
    np.maximum.at(doubt, model.network.hop_class, simulation.catalog.linear_response_error)
    values |= {
        "effective_samples": _effective_samples(model, evaluation),
        "missing": _missing(simulation),
        "quenched": evaluation is not None and evaluation.quenched,
        **_limits(simulation, by_hop),
        "executed_hops": executed,
        "executed_hops_by_class": _by_class(model, by_hop),
        "clamped_hops_by_class": _by_class(model, clamped),
        "linear_response_error": doubt,
        "simulated_time": sum(t.time for t in tallies),
        "wall_time": simulation.seconds,
        "restless_starts": _restless(simulation),
        "clamped_share": float(clamped.sum() / executed) if executed else 0.0,
        "algorithm": next((r.algorithm for r in simulation.replicas), ""),
        "exit_reason": reason.value,
        "converged": _converged(model, simulation, reason, exacts),
        "mobility_method": _method(simulation),
    }
    scaled = isinstance(simulation, ScaledSimulation) and simulation.is_scaled
    if isinstance(simulation, ScaledSimulation):
        values |= simulation.told()
    steps = sum(int(t.attempts.sum()) for t in tallies)
    if model.sampling.algorithm == "absorbing" and steps:
        values["hops_per_step"] = executed / steps
    if evaluation is not None and evaluation.response_deviation is not None:
        values["response_deviation"] = evaluation.response_deviation
        values["mobility_bias"] = evaluation.mobility_bias
    system = simulation.system
    memory = {} if system.driven or not simulation.is_evaluated else _memory(simulation)
    return PointRecord(
        temperature=system.temperature,
        field=system.field,
        values=values,
        stderrs=stderrs,
        exacts=exacts,
        directions=system.direction,
        coordinates=dict(model.coordinates),
        meta={
            "seed": str(root),
            "algorithm": next((r.algorithm for r in simulation.replicas), ""),
            "energy_deviation_eV": max((r.largest_deviation for r in simulation.replicas), default=0.0),
            "initial": [r.initial_note for r in simulation.replicas if r.initial_note],
            "estimates": how,
            "batches": 0 if evaluation is None else evaluation.batches,
            "plateau": evaluation is not None
            and {"collective": evaluation.collective_plateau, "tracer": evaluation.tracer_plateau},
            "accuracy": None if last is None else {"ratio": last.ratio, "relative": last.relative_error},
            **memory,
        },
        tallies=() if scaled else tuple(tallies),  # those of slowed carriers are no answers
    )


def weak_field_record(
    catalog: RateCatalog, zero: PointRecord, linear: LinearResponse, key: str
) -> PointRecord:
    """The record of a field that the run without field, found by ``key``, serves."""
    model, exacts = catalog.model, exact_beside(catalog, zero.directions)
    record = weak_record(catalog, zero, linear, exacts, key)
    if "missing" in zero.values:
        record = replace(record, values={**record.values, "missing": _missing_weak(zero.values["missing"])})
    if model.sampling.target not in ("mobility", "drift_velocity") or "mobility" not in exacts:
        return record
    off = np.abs(linear.mobility - exacts["mobility"])
    if np.any(off > CONTRADICTION * linear.mobility_error, where=linear.mobility_stderr > 0):
        return replace(record, values={**record.values, "converged": False})
    return record


def exact_beside(catalog: RateCatalog, directions: npt.ArrayLike) -> dict[str, Any]:
    """What simulations of this point must find; empty where there is no single answer, or too many configurations."""
    if not _is_small(catalog.model):
        return {}
    exacts: dict[str, Any] = exact_values(catalog, directions, EXACT_STATES)
    asked = catalog.model.observed
    if exacts and asked:
        flow = stationary_flow(catalog, EXACT_STATES)
        for name in asked:
            exacts |= kind_of(name).exact(flow)
    return exacts


def _missing_weak(zero: IntArray) -> IntArray:
    """As `_missing`, of a weak field: what linear response needs is missing in it too."""
    at = {name: i for i, name in enumerate(OBSERVABLES)}
    why = np.array(zero)
    why[at["mobility"]] = why[at["drift_velocity"]] = zero[at["mobility_einstein"]]
    why[at["mobility_einstein"]] = why[at["conductivity"]] = Missing.OTHER_FIELD
    return why


def _method(simulation: AnyPoint) -> str:
    if not simulation.system.driven:
        return "Einstein relation"
    return "drift velocity" if simulation.linear is None else "combined"


def _memory(simulation: AnyPoint) -> dict[str, Any]:
    """What the bound of the bias of linear response needs: how far carriers go while they remember each other, Å²."""
    whole = Tallies.concatenate(simulation.tallies())
    assert simulation.evaluation is not None
    level = round(math.log2(simulation.evaluation.block / whole.sample_interval))
    blocks = whole.blocks_per_row(level) * whole.n_rows
    square = whole.tracer[:, level].sum(axis=0) / blocks / np.maximum(whole.number, 1)[:, None, None]
    return {"memory": square.tolist()}


def _missing(simulation: AnyPoint) -> IntArray:
    """(observables, S) why there is no number (`Missing`)."""
    evaluation, n = simulation.evaluation, len(simulation.model.carriers)
    none = Missing.BLOCKED if simulation.blocked else Missing.NO_ROWS
    elsewhere = ("mobility_einstein", "conductivity") if simulation.system.driven else ("mobility",)
    why = [
        (Missing.OTHER_FIELD,) * n
        if name in elsewhere
        else (none,) * n
        if evaluation is None
        else evaluation.why(name)
        for name in OBSERVABLES
    ]
    return np.array(why, np.int64)


def _restless(simulation: AnyPoint) -> int:
    """Replicas that had not come to rest: by their annealing, or all of them by their energies since."""
    if not simulation.at_rest:
        return len(simulation.replicas)
    return sum(not r.starts_at_rest for r in simulation.replicas)


def _limits(simulation: AnyPoint, by_hop: IntArray) -> dict[str, Any]:
    """Upper limits of what has not been seen once: none of N events with a mean of 3 has a chance of 5 %."""
    system, n = simulation.system, len(simulation.model.carriers)
    number = np.array([c.count for c in simulation.model.carriers], float)
    time = number * sum(t.time for t in simulation.tallies())
    longest = np.zeros(n)
    np.maximum.at(longest, system.hop_carrier, np.linalg.norm(system.hop_vector, axis=1))
    still = (np.bincount(system.hop_carrier, by_hop, n) == 0) & (longest > 0) & (time > 0)
    rate = np.divide(-np.log(0.05), time, out=np.full(n, np.nan), where=still)
    return {"hop_rate_limit": rate, "diffusivity_limit": 0.5 * rate * (longest * ANGSTROM) ** 2}


def _by_class(model: Model, by_hop: IntArray) -> IntArray:
    return np.bincount(model.network.hop_class, by_hop, len(model.hop_classes)).astype(np.int64)


_small: WeakKeyDictionary[Model, bool] = WeakKeyDictionary()


def _is_small(model: Model) -> bool:
    """Whether the exact answer takes few enough states; the same for all points of a sweep."""
    if model not in _small:
        _small[model] = applies(model, EXACT_STATES) is not None
    return _small[model]


def _converged(model: Model, simulation: AnyPoint, reason: ExitReason, exacts: dict[str, Any]) -> bool:
    """Whether what was asked was reached: the accuracy, or for a run of fixed length a number to trust."""
    evaluation = simulation.evaluation
    name = target_name(model.sampling.target, simulation.system)
    fine = {Missing.NOTHING, Missing.NO_WAY, Missing.SLOWED}
    if evaluation is None or not set(evaluation.why(name)) <= fine:
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
