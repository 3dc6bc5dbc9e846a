"""What stands below a table of results: how the numbers came about, and what is doubtful about them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from ..store import FROM_SAMPLING
from ..units import K_B

__all__ = ["result_notes", "sample_notes"]

_MOST_TOLD = 6
"""Points of which it is told what was slowed."""
Arrays = Mapping[str, np.ndarray]


def result_notes(d: Arrays, contradicting: int) -> list[str]:
    """Notes of a dataset's arrays. contradicting : mobilities (without charge, diffusivities) more than 5 standard
    errors from the exact ones."""
    parts = [
        _classical(d),
        _across(d),
        _how(d),
        _scaled(d),
        _contradictions(d, contradicting),
        _restless(d),
        _quenched(d),
        _single_file(d),
        _clamped(d),
    ]
    return [note for part in [*parts, _linear_response(d), _einstein(d)] for note in part]


def sample_notes(d: Arrays, samples: int) -> list[str]:
    """How sure a mean over samples is, and what would make it surer."""
    if samples < 2:
        return []
    name = "mobility" if np.any(d["carrier_charge"] != 0) else "tracer_diffusivity"
    if name == "mobility":
        driven = (d["field"] != 0)[None, :, None, None]
        value, total, sampling = (
            np.where(driven, d[f"mobility{e}"], d[f"mobility_einstein{e}"])
            for e in ("", "_stderr", FROM_SAMPLING)
        )
    else:
        value, total, sampling = (
            np.trace(d[f"{name}{e}"], axis1=-2, axis2=-1) for e in ("", "_stderr", FROM_SAMPLING)
        )
    with np.errstate(invalid="ignore", divide="ignore"):
        relative = np.where(np.isfinite(value) & (value != 0), total / np.abs(value), 0.0)
    worst = np.unravel_index(int(np.nan_to_num(relative).argmax()), relative.shape)
    error, share = float(relative[worst]), float(np.nan_to_num((sampling / total) ** 2)[worst])
    said = (
        f"Means over {samples} samples; errors contain their spread (and are themselves known to "
        f"{100 / math.sqrt(2 * (samples - 1)):.2g} %)."
    )
    if not error > 0:
        return [said]
    better = (
        "longer runs of each help as much as more samples"
        if share > 0.5
        else "longer runs of each would not help"
    )
    return [
        f"{said} The largest relative error of the {name.replace('_', ' ')} is {100 * error:.2g} %, of its square "
        f"{100 * share:.0f} % from sampling and {100 * (1 - share):.0f} % from the samples: half of it takes about "
        f"{4 * samples} samples, 1 % about {max(2, math.ceil(samples * (error / 0.01) ** 2))}; {better}."
    ]


def _scaled(d: Arrays) -> Iterator[str]:
    """What was slowed, and what the numbers are worth."""
    told = d.get("scaling_note")
    if told is None or not (told != "").any():
        return
    for t, f in list(np.ndindex(*told.shape[:2]))[:_MOST_TOLD]:
        if told[t, f, 0]:
            yield f"{d['temperature'][t]:g} K, {d['field'][f]:.3g} V/m: {told[t, f, 0]}"
    verdict = d["scaling_verdict"]
    for a, name in enumerate(d["carrier"]):
        worst = verdict[..., a].max(axis=(0, 1, 2))
        said = [
            f"{text} {', '.join(str(n).replace('_', ' ') for n in d['observable'][which])}"
            for which, text in (
                (worst == 1, "valid:"),
                (worst == 2, "valid, with an error for the extrapolation:"),
                (worst == 3, "refused:"),
            )
            if which.any()
        ]
        if said:
            yield f"{name}, by the worst of the points: {'; '.join(said)}."


def _quenched(d: Arrays) -> Iterator[str]:
    if "quenched" in d and d["quenched"].any():
        yield (
            "The replicas differ in what hops never change (carriers in parts that nothing joins, or a species that "
            "stands still): the errors contain the scatter between replicas, and sampling.replicas makes them smaller."
        )


def _single_file(d: Arrays) -> Iterator[str]:
    length = d["single_file_length"] if "single_file_length" in d else np.zeros(len(d["carrier"]))
    for a in np.flatnonzero(length):
        name = d["carrier"][a]
        yield (
            f"Single file: carriers {name} cannot pass each other in channels that close into rings of "
            f"{1e10 * length[a]:.4g} Å in this supercell. Their tracer diffusivity and Haven ratio are those of such "
            "rings: at a given composition both fall as 1/length, to zero in the endless crystal. Mobility, "
            "conductivity and D collective do not."
        )


def _is_classical(d: Arrays) -> bool:
    return bool((d["hop_class_response"] == "classical").any())


def _classical(d: Arrays) -> Iterator[str]:
    if _is_classical(d):
        yield (
            "Classical response: a diagnostic, not a model of the material. No check of the field's work holds for "
            "it."
        )


def _across(d: Arrays) -> Iterator[str]:
    """Whether the carriers drift at an angle to the field, where that is certain."""
    velocity, stderr, unit = d["drift_velocity"], d["drift_velocity_stderr"], d["direction_vector"]
    along = np.einsum("tfdai,di->tfda", velocity, unit)
    across = velocity - along[..., None] * unit[None, None, :, None, :]
    size = np.linalg.norm(across, axis=-1)
    error = np.sqrt(np.einsum("tfdai,tfdai->tfda", across**2, stderr**2)) / np.maximum(size, 1e-300)
    certain = np.flatnonzero(np.nan_to_num((size > 5 * error) & (size > 0.01 * np.abs(along))))
    if not len(certain):
        return
    share = (size / np.abs(along)).reshape(-1)[certain]
    worst = np.unravel_index(certain[np.argmax(share)], size.shape)
    vector = ", ".join(f"{x:.3g}" for x in velocity[worst])
    yield (
        f"The drift is not along the field: at {d['temperature'][worst[0]]:g} K and {d['field'][worst[1]]:.3g} V/m "
        f"along {d['direction'][worst[2]]}, {d['carrier'][worst[3]]} drifts with ({vector}) m/s."
    )


def _how(d: Arrays) -> Iterator[str]:
    charged = bool(np.any(d["carrier_charge"] != 0))
    if charged and (d["field"] == 0).any():
        yield "Mobility at zero field: Einstein relation, from the fluctuations."
    if charged and not {"linear response", "combined"}.isdisjoint(np.ravel(d.get("mobility_method", []))):
        yield (
            "From linear response: the field is so weak that the run without field serves it; combined: with the drift "
            "in the field, by their errors. A bound of the bias is part of the error (column mobility_bias)."
        )
    yield (
        "D tracer along: component of the tracer's diffusion tensor along that direction. In parentheses: standard "
        "error of the last digits, without the barriers' uncertainty."
    )
    yield _barriers(d)
    algorithms = sorted({str(a) for a in np.ravel(d.get("algorithm", [])) if a})
    hops, seconds = d["executed_hops"].astype(float), d["wall_time"]
    counted = (np.nan_to_num(seconds) > 0) & (hops > 0)
    speed = ""
    if counted.any():
        median = np.median(hops[counted] / seconds[counted])
        speed = f"; {median:.2g} hops per second of wall time (median of the points)"
    if algorithms:
        yield f"Algorithm: {', '.join(algorithms)}{speed}."
    yield from _absorbing(d)


def _absorbing(d: Arrays) -> Iterator[str]:
    """Whether absorbing chains gain, where they were asked for."""
    if not {"hops_per_step", "algorithm"} <= set(d):
        return
    used = np.ravel(d["algorithm"]) == "absorbing"
    gain, asked = np.ravel(d["hops_per_step"]), np.isfinite(np.ravel(d["hops_per_step"]))
    if (used & asked).any():
        low, high = gain[used & asked].min(), gain[used & asked].max()
        text = f"{low:.2g}" if f"{low:.2g}" == f"{high:.2g}" else f"{low:.2g} to {high:.2g}"
        gains = "" if high >= 2 else "; they do not gain here"
        yield f"Absorbing chains: {text} hops for each stay or hop that was drawn{gains}."
    if (asked & ~used).any():
        kelvin = np.broadcast_to(d["temperature"][:, None, None], d["hops_per_step"].shape).ravel()[
            asked & ~used
        ]
        yield (
            f"Absorbing chains do not gain at {', '.join(f'{t:g}' for t in sorted(set(kelvin)))} K: carriers stay too "
            "shortly in basins of few configurations. These points were simulated hop by hop; the law is the same."
        )


def _barriers(d: Arrays) -> str:
    """What the barriers' uncertainty does beside the sampling error."""
    coldest = int(np.argmin(d["temperature"]))
    kelvin, factor = float(d["temperature"][coldest]), d["barrier_error_factor"][coldest]
    if np.isfinite(factor).any():
        what = "mobility" if np.any(d["carrier_charge"] != 0) else "diffusivity"
        whose = "" if d["carrier_count"].sum() == 1 else " of one carrier alone (dilute limit)"
        return (
            f"The barriers' own uncertainty makes the {what}{whose} uncertain by a factor of "
            f"{np.nanmax(factor):.3g} at {kelvin:g} K."
        )
    return (
        "The input gives no uncertainty of the barriers; 50 meV would be a factor of "
        f"{math.exp(0.05 / (K_B * kelvin)):.2g} at {kelvin:g} K."
    )


def _contradictions(d: Arrays, number: int) -> Iterator[str]:
    if number:
        what = "mobilities" if np.all(d["carrier_charge"] != 0) else "mobilities or diffusivities"
        yield (
            f"Warning: {number} {what} lie more than 5 standard errors from the exact answer: their "
            "error bars are too small. Run longer (smaller relative_error) or with more replicas."
        )


def _restless(d: Arrays) -> Iterator[str]:
    restless = np.maximum(d["restless_starts"], 0)
    if restless.any():
        t, f, _ = np.unravel_index(int(restless.argmax()), restless.shape)
        yield (
            f"Warning: carriers had not come to equilibrium ({restless.max()} of the replicas at "
            f"{d['temperature'][t]:g} K, {d['field'][f]:.3g} V/m): anneal them (initial: annealed), raise "
            "initial.annealed.sweeps, let pairs move (initial: {annealed: {moves: pairs}}), or raise "
            "sampling.equilibration."
        )


def _clamped(d: Arrays) -> Iterator[str]:
    clamped = d["clamped_share"]
    if not np.nanmax(clamped, initial=0.0) > 0:
        return
    t, f, _ = np.unravel_index(int(np.nanargmax(clamped)), clamped.shape)
    why = (
        "the field is too strong for linear response"
        if d["field"][f] > 0
        else "the energies of some surroundings differ by more than the barrier rule can follow"
    )
    yield (
        f"Warning: up to {100 * np.nanmax(clamped):.3g} % of the executed hops (at {d['temperature'][t]:g} K, "
        f"{d['field'][f]:.3g} V/m) used a barrier that would have been negative (clamped): {why}."
    )
    shares = [f"{name} {100 * share:.3g} %" for name, share in _clamped_shares(d, t, f) if share > 0]
    yield "Clamped there, of the hops of each class: " + ", ".join(shares[:6]) + "."


def _clamped_shares(d: Arrays, t: Any, f: Any) -> list[tuple[str, float]]:
    """Share of the executed hops of each class that were clamped, largest first, all directions together."""
    clamped = d["clamped_hops_by_class"][t, f].sum(axis=0)
    executed = np.maximum(1, d["executed_hops_by_class"][t, f].sum(axis=0))
    shares = zip(d["hop_class"].tolist(), (clamped / executed).tolist(), strict=True)
    return sorted(shares, key=lambda item: -item[1])


def _linear_response(d: Arrays) -> Iterator[str]:
    """Where a barrier that changes linearly with the field is no longer good, by kT/10 of a sinusoidal one."""
    error = d["linear_response_error"]
    doubtful = np.nan_to_num(error) > 0.1 * K_B * d["temperature"][:, None, None, None]
    if not doubtful.any():
        return
    weakest = float(d["field"][np.flatnonzero(doubtful.any(axis=(0, 2, 3)))[0]])
    finite = error[np.isfinite(error)]
    yield (
        f"From {weakest:.3g} V/m on, barriers that are linear in the field are in doubt by more than kT/10 (up to "
        f"{1e3 * finite.max():.3g} meV for a sinusoidal barrier, W²/(2 pi² E0))."
    )


def _einstein(d: Arrays) -> Iterator[str]:
    deviation = d["einstein_deviation"]
    if not np.isfinite(deviation).any():
        return
    worst = float(np.nanmax(np.abs(deviation)))
    yield (
        f"Einstein check: mobility at the weakest field and from fluctuations differ by at most "
        f"{worst:.1f} standard errors."
    )
    if worst > 5:
        why = (
            "So it must for a classical response"
            if _is_classical(d)
            else "The field may be too strong for it"
        )
        yield f"Warning: the Einstein relation fails between them. {why}."
