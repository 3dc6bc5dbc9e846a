"""What the commands show, as tables that print and as the same numbers for ``--json``."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, SupportsFloat

import numpy as np

from .errors import InputError, Problem
from .model.model import Model, Sampling
from .units import ANGSTROM, K_B

if TYPE_CHECKING:
    import xarray

    from .exact import ExactTransport, Sensitivity
    from .rates import Candidate, HopRegime, RateCatalog

__all__ = [
    "Table",
    "arrhenius_table",
    "candidates_table",
    "carrier_table",
    "catalog_rows",
    "catalog_table",
    "class_table",
    "exact_table",
    "format_estimate",
    "regime_table",
    "results_table",
    "select_results",
    "sensitivity_table",
    "summary",
]

CM2 = 1e4  # cm² per m²


@dataclass
class Table:
    """Columns (header, unit), cells as text, and the same rows as plain data."""

    title: str
    columns: list[tuple[str, str]]
    cells: list[list[str]] = field(default_factory=list)
    data: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, cells: Iterable[str], data: dict[str, Any]) -> None:
        self.cells.append(list(cells))
        self.data.append(data)


def format_estimate(value: SupportsFloat, stderr: SupportsFloat) -> str:
    """Value with the uncertainty of its last digits in parentheses: ``1.3673(42)e-05``; two digits of error."""
    value, stderr = float(value), float(stderr)
    if not math.isfinite(value):
        return "–"
    if not math.isfinite(stderr):
        return f"{value:.4g} (no error bar)"
    if stderr == 0:
        return f"{value:.5g}"
    last = math.floor(math.log10(stderr)) - 1  # power of ten of the last digit shown
    if round(stderr / 10.0**last) == 100:
        last += 1
    digits, error = round(value / 10.0**last), round(stderr / 10.0**last)
    exponent = len(str(max(abs(digits), error))) - 1 + last
    if -4 < exponent < 4 and last <= 0:
        shown = str(error) if last + 1 < 0 else f"{error * 10.0**last:.{-last}f}"
        return f"{digits * 10.0**last:.{-last}f}({shown})"
    decimals = exponent - last
    shown = str(error) if decimals > 1 else f"{error * 10.0**-decimals:.{decimals}f}"
    return f"{digits * 10.0**-decimals:.{decimals}f}({shown})e{exponent:+03d}"


def _number(x: SupportsFloat, digits: int = 5) -> str:
    return f"{float(x):.{digits}g}" if math.isfinite(x) else "–"


def _plain(x: Any) -> Any:
    """For JSON: not-a-number becomes null."""
    if isinstance(x, np.ndarray):
        return [_plain(v) for v in x]
    if isinstance(x, (np.floating, float)):
        return float(x) if math.isfinite(x) else None
    return x.item() if isinstance(x, np.generic) else x


def select_results(
    dataset: xarray.Dataset,
    *,
    temperature: Sequence[float] | None = None,
    field: Sequence[float] | None = None,
    direction: Sequence[str] | None = None,
    carrier: Sequence[str] | None = None,
) -> xarray.Dataset:
    """Only some conditions: temperatures in K, field strengths in V/m, directions and carriers by name.

    Raises InputError for one that is not there.
    """
    kept = {}
    numbers = {"temperature": temperature, "field": field}
    for name, wanted in {**numbers, "direction": direction, "carrier": carrier}.items():
        if not wanted:
            continue
        there = dataset[name].values
        rows = []
        for value in wanted:
            same = np.isclose(there, float(value), rtol=1e-9) if name in numbers else there == str(value)
            if not same.any():
                raise InputError(
                    Problem(
                        f"there is no such {name}", f"--{name}", value, ", ".join(f"{v}" for v in there[:20])
                    )
                )
            rows.append(int(np.flatnonzero(same)[0]))
        kept[name] = sorted(set(rows))
        if name == "carrier":
            kept["carrier_2"] = kept[name]
    return dataset.isel(kept)


def results_table(dataset: xarray.Dataset) -> Table:
    """Mobility (along the field) and charge diffusivity at every condition, beside the exact values."""
    table = Table(
        str(dataset.attrs.get("title", "")),
        [
            ("T", "K"),
            ("field", "V/m"),
            ("along", ""),
            ("carrier", ""),
            ("mobility", "cm²/(V s)"),
            ("exact", "cm²/(V s)"),
            ("dev.", "s.e."),
            ("drift velocity", "m/s"),
            ("D tracer", "cm²/s"),
            ("hops", ""),
            ("", ""),
        ],
    )
    d = {str(n): v.values for n, v in dataset.variables.items()}
    nan = np.full(d["mobility"].shape, np.nan)
    contradicting = 0
    for t, f, e, a in np.ndindex(*d["mobility"].shape):
        zero = d["field"][f] == 0
        name = "mobility_einstein" if zero else "mobility"
        at = (t, f, e, a)
        unit = d["direction_vector"][e]
        value, stderr = d[name][at], d[f"{name}_stderr"][at]
        exact = d.get(f"{name}_exact", nan)[at]
        z = (value - exact) / stderr if stderr > 0 else math.nan
        velocity, v_stderr = float(value * d["field"][f]), float(stderr * d["field"][f])
        tracer = float(unit @ d["tracer_diffusivity"][at] @ unit)
        # the components' errors may be correlated: for a direction between the axes this is their upper bound
        tracer_stderr = float(np.abs(unit) @ d["tracer_diffusivity_stderr"][at] @ np.abs(unit))
        state = "" if d["converged"][t, f, e] else str(d["exit_reason"][t, f, e] or "missing")
        if d["clamped_share"][t, f, e] > 0:
            state = ", ".join(x for x in (state, "clamped") if x)
        if abs(z) > 5:
            contradicting += 1
        table.add(
            [
                _number(d["temperature"][t]),
                _number(d["field"][f], 3),
                str(d["direction"][e]),
                str(d["carrier"][a]),
                format_estimate(value * CM2, stderr * CM2),
                _number(exact * CM2),
                f"{z:+.1f}" if math.isfinite(z) else "–",
                "–" if zero else format_estimate(velocity, v_stderr),
                format_estimate(tracer * CM2, tracer_stderr * CM2),
                f"{float(d['executed_hops'][t, f, e]):.1e}",
                state,
            ],
            {
                "temperature_K": _plain(d["temperature"][t]),
                "field_V_per_m": _plain(d["field"][f]),
                "direction": str(d["direction"][e]),
                "carrier": str(d["carrier"][a]),
                "mobility_m2_per_Vs": _plain(value),
                "mobility_stderr": _plain(stderr),
                "mobility_exact": _plain(exact),
                "mobility_from": "Einstein relation" if zero else "drift velocity",
                "drift_velocity_m_per_s": _plain(d["drift_velocity"][at]),
                "drift_velocity_stderr": _plain(d["drift_velocity_stderr"][at]),
                "differential_mobility_m2_per_Vs": _plain(d["differential_mobility"][at]),
                "differential_mobility_stderr": _plain(d["differential_mobility_stderr"][at]),
                "mobility_tensor_m2_per_Vs": _plain(d["mobility_tensor"][at]),
                "mobility_tensor_stderr": _plain(d["mobility_tensor_stderr"][at]),
                "tracer_diffusivity_m2_per_s": _plain(d["tracer_diffusivity"][at]),
                "tracer_diffusivity_stderr": _plain(d["tracer_diffusivity_stderr"][at]),
                "converged": bool(d["converged"][t, f, e]),
                "exit_reason": str(d["exit_reason"][t, f, e]),
                "executed_hops": _plain(d["executed_hops"][t, f, e]),
                "clamped_share": _plain(d["clamped_share"][t, f, e]),
                "barrier_error_factor": _plain(d["barrier_error_factor"][t, e, a]),
            },
        )
    classical = bool((d["hop_class_response"] == "classical").any())
    _note_across(d, table)
    if (d["field"] == 0).any():
        table.notes.append("Mobility at zero field: Einstein relation, from the fluctuations.")
    table.notes.append(
        "In parentheses: standard error of the last digits, of the sampling alone. " + _barrier_note(d)
    )
    if contradicting:
        table.notes.append(
            f"Warning: {contradicting} mobilities lie more than 5 standard errors from the exact answer: their "
            "error bars are too small. Run longer (smaller relative_error) or with more replicas."
        )
    restless = np.maximum(d["restless_starts"], 0)
    if restless.any():
        t, f, _ = np.unravel_index(int(restless.argmax()), restless.shape)
        table.notes.append(
            f"Warning: annealed starts had not come to equilibrium ({restless.max()} of the replicas at "
            f"{d['temperature'][t]:g} K, {d['field'][f]:.3g} V/m): raise initial.annealed.sweeps, or "
            "sampling.equilibration."
        )
    clamped = d["clamped_share"]
    if np.nanmax(clamped, initial=0.0) > 0:
        t, f, _ = np.unravel_index(int(np.nanargmax(clamped)), clamped.shape)
        why = (
            "the field is too strong for linear response"
            if d["field"][f] > 0
            else "the energies of some surroundings differ by more than the barrier rule can follow"
        )
        table.notes.append(
            f"Warning: up to {100 * np.nanmax(clamped):.3g} % of the executed hops (at {d['temperature'][t]:g} K, "
            f"{d['field'][f]:.3g} V/m) used a barrier that would have been negative (clamped): {why}."
        )
        shares = [f"{name} {100 * share:.3g} %" for name, share in _clamped_shares(d, t, f) if share > 0]
        table.notes.append("Clamped there, of the hops of each class: " + ", ".join(shares[:6]) + ".")
    _note_linear_response(d, table)
    deviation = d["einstein_deviation"]
    if np.isfinite(deviation).any():
        worst = float(np.nanmax(np.abs(deviation)))
        table.notes.append(
            f"Einstein check: mobility at the weakest field and from fluctuations differ by at most "
            f"{worst:.1f} standard errors."
        )
        if worst > 5:
            table.notes.append(
                "Warning: the Einstein relation fails between them."
                + (
                    " So it must for a classical response."
                    if classical
                    else " The field may be too strong for it."
                )
            )
    if classical:
        table.notes.insert(
            0,
            "Classical response: a diagnostic, not a model of the material. No check of the field's work holds for it.",
        )
    return table


def _note_across(d: dict[str, np.ndarray], table: Table) -> None:
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
    table.notes.append(
        f"The drift is not along the field: at {d['temperature'][worst[0]]:g} K and {d['field'][worst[1]]:.3g} V/m "
        f"along {d['direction'][worst[2]]}, {d['carrier'][worst[3]]} drifts with ({vector}) m/s."
    )


def _clamped_shares(d: dict[str, np.ndarray], t: Any, f: Any) -> list[tuple[str, float]]:
    """Share of the executed hops of each class that were clamped, largest first, all directions together."""
    clamped = d["clamped_hops_by_class"][t, f].sum(axis=0)
    executed = np.maximum(1, d["executed_hops_by_class"][t, f].sum(axis=0))
    shares = zip(d["hop_class"].tolist(), (clamped / executed).tolist(), strict=True)
    return sorted(shares, key=lambda item: -item[1])


def _note_linear_response(d: dict[str, np.ndarray], table: Table) -> None:
    """Where a barrier that changes linearly with the field is no longer good, by kT/10 of a sinusoidal one."""
    error = d["linear_response_error"]
    doubtful = np.nan_to_num(error) > 0.1 * K_B * d["temperature"][:, None, None, None]
    if not doubtful.any():
        return
    weakest = float(d["field"][np.flatnonzero(doubtful.any(axis=(0, 2, 3)))[0]])
    finite = error[np.isfinite(error)]
    table.notes.append(
        f"From {weakest:.3g} V/m on, barriers that are linear in the field are in doubt by more than kT/10 (up to "
        f"{1e3 * finite.max():.3g} meV for a sinusoidal barrier, W²/(2 pi² E0))."
    )


def _barrier_note(d: dict[str, np.ndarray]) -> str:
    """What the barriers' uncertainty does beside the sampling error."""
    coldest = int(np.argmin(d["temperature"]))
    kelvin, factor = float(d["temperature"][coldest]), d["barrier_error_factor"][coldest]
    if np.isfinite(factor).any():
        return (
            "The barriers' own uncertainty makes the mobility uncertain by a factor of "
            f"{np.nanmax(factor):.3g} at {kelvin:g} K."
        )
    return (
        "The input gives no uncertainty of the barriers; 50 meV would be a factor of "
        f"{math.exp(0.05 / (K_B * kelvin)):.2g} at {kelvin:g} K."
    )


def arrhenius_table(dataset: xarray.Dataset) -> Table | None:
    """Activation energies of mobility x temperature at zero field, or None where there is no fit."""
    d = {str(n): v.values for n, v in dataset.variables.items()}
    if not np.isfinite(d["arrhenius_activation_energy"]).any():
        return None
    table = Table(
        "Arrhenius fit of mobility x temperature at zero field",
        [
            ("along", ""),
            ("carrier", ""),
            ("activation energy", "eV"),
            ("prefactor", "K cm²/(V s)"),
            ("correlation", ""),
            ("chi²/dof", ""),
        ],
    )
    for e, a in np.ndindex(*d["arrhenius_activation_energy"].shape):
        energy, s_energy = (d[f"arrhenius_activation_energy{s}"][e, a] for s in ("", "_stderr"))
        prefactor, s_prefactor = (d[f"arrhenius_prefactor{s}"][e, a] for s in ("", "_stderr"))
        if not math.isfinite(energy):
            continue
        correlation = d["arrhenius_covariance"][e, a] / (s_energy * s_prefactor / abs(prefactor))
        table.add(
            [
                str(d["direction"][e]),
                str(d["carrier"][a]),
                format_estimate(energy, s_energy),
                format_estimate(prefactor * CM2, s_prefactor * CM2),
                f"{correlation:.3f}",
                _number(d["arrhenius_chi2"][e, a], 2),
            ],
            {
                "direction": str(d["direction"][e]),
                "carrier": str(d["carrier"][a]),
                "activation_energy_eV": _plain(energy),
                "activation_energy_stderr": _plain(s_energy),
                "chi2_per_degree_of_freedom": _plain(d["arrhenius_chi2"][e, a]),
                "prefactor_K_m2_per_Vs": _plain(prefactor),
                "prefactor_stderr": _plain(s_prefactor),
                "covariance_energy_log_prefactor_eV": _plain(d["arrhenius_covariance"][e, a]),
            },
        )
    return table


def summary(model: Model) -> dict[str, Any]:
    """What would be simulated, in plain data."""
    s, c = model.structure, model.conditions
    n_sites = model.n_cells * s.n_sites
    n_zero = int((c.field == 0).sum())
    points = len(c.temperature) * (n_zero + (len(c.field) - n_zero) * len(c.direction))
    return {
        "title": model.title,
        "references": list(model.references),
        "input": model.source.path,
        "spacegroup": s.spacegroup,
        "lattice_angstrom": s.lattice.tolist(),
        "periodic": [bool(p) for p in s.periodic],
        "sites_per_cell": {label: s.labels.count(label) for label in dict.fromkeys(s.labels)},
        "supercell": list(model.supercell),
        "sites": n_sites,
        "volume_angstrom3": model.volume,
        "directed_hops_per_cell": model.network.n_hops,
        "temperatures_K": c.temperature.tolist(),
        "fields_V_per_m": [float(f"{1e10 * f:.12g}") for f in c.field],
        "directions": list(c.direction_label),
        "points": points,
        "sampling": {
            k: v
            for k, v in vars(model.sampling).items()
            if k in ("target", "seed", "replicas") or v != getattr(Sampling(relative_error=None), k)
        },
        "notes": list(model.notes),
    }


def carrier_table(model: Model) -> Table:
    """Carriers with charge, number and concentration."""
    table = Table(
        "Carriers",
        [
            ("carrier", ""),
            ("charge", "e"),
            ("sites", ""),
            ("number", ""),
            ("share of sites", ""),
            ("per cm³", ""),
        ],
    )
    for a, carrier in enumerate(model.carriers):
        sites = int(model.allowed_sites[a].sum()) * model.n_cells
        density = carrier.count / model.volume * 1e24 if model.volume else math.nan
        table.add(
            [
                carrier.name,
                f"{carrier.charge:+g}",
                ", ".join(carrier.sites),
                str(carrier.count),
                f"{carrier.count / sites:.4g}",
                _number(density, 4),
            ],
            {
                "carrier": carrier.name,
                "charge_e": carrier.charge,
                "sites": list(carrier.sites),
                "count": carrier.count,
                "fraction": carrier.count / sites,
                "per_cm3": _plain(density),
            },
        )
    return table


def class_table(model: Model) -> Table:
    """Hop classes as the input gives them."""
    table = Table(
        "Hop classes",
        [
            ("class", ""),
            ("hops/cell", ""),
            ("length", "Å"),
            ("one of its hops", "Å"),
            ("barrier", "eV"),
            ("reverse", "eV"),
            ("attempt frequency", ""),
            ("saddle dipole", "e·Å"),
            ("channels", ""),
            ("from", ""),
        ],
    )
    count = np.bincount(model.network.hop_class, minlength=len(model.hop_classes))
    for k, c in enumerate(model.hop_classes):
        barrier = f"{c.barrier_forward:.6g}" if c.given_barriers else c.rule
        if c.barrier_stderr:
            barrier += f" ± {c.barrier_stderr:.2g}"
        first = int(np.argmax((model.network.hop_class == k) & (model.network.orientation > 0)))
        origin = f"{model.structure.labels[model.network.origin[first]]}[{model.network.origin[first]}]"
        net, structure = model.network, model.structure
        way = structure.cart[net.target[first]] - structure.cart[net.origin[first]]
        way = way + net.cell[first] @ structure.lattice
        vector = ", ".join(f"{x + 0.0:.4g}" for x in np.round(way, 6))
        charge = model.carriers[c.carrier].charge
        dipole = np.array(c.saddle_dipole or charge * c.saddle_fraction * net.vector[first])
        if c.response == "classical":
            dipole = np.array(c.classical_dipole)
        nu = "in the rule" if c.attempt_frequency is None else c.attempt_frequency.label
        table.add(
            [
                c.name,
                str(count[k]),
                f"{c.distance:.4f}",
                f"{origin} + ({vector})",
                barrier,
                f"{c.barrier_reverse:.6g}" if c.given_barriers else "",
                nu,
                f"{np.linalg.norm(dipole):.4g} ({c.response})",
                str(c.channels),
                "; ".join(t for t in (c.source, c.read_from) if t),
            ],
            {
                "class": c.name,
                "carrier": model.carriers[c.carrier].name,
                "directed_hops_per_cell": int(count[k]),
                "length_angstrom": c.distance,
                "first_hop_origin": origin,
                "first_hop_vector_angstrom": way.tolist(),
                "first_hop_charge_displacement_angstrom": net.vector[first].tolist(),
                "saddle_dipole_e_angstrom": dipole.tolist(),
                "field_response": c.response,
                "rule": c.rule,
                "rule_parameters": dict(c.rule_parameters),
                "barrier_eV": _plain(c.barrier_forward),
                "barrier_stderr_eV": c.barrier_stderr,
                "barrier_reverse_eV": _plain(c.barrier_reverse),
                "attempt_frequency": None if c.attempt_frequency is None else c.attempt_frequency.label,
                "zero_point": c.zero_point,
                "read_from": c.read_from,
                "log": list(c.log),
                "channels": c.channels,
                "saddle_fraction": c.saddle_fraction,
                "source": c.source,
            },
        )
    return table


def catalog_rows(catalog: RateCatalog) -> list[dict[str, Any]]:
    """Every directed hop of a catalog as plain data: eV, Å, Hz, 1/s."""
    model, net = catalog.model, catalog.model.network
    labels = model.structure.labels
    operations = {int(o): model.structure.operation_text(int(o)) for o in np.unique(net.operation)}
    rows = []
    for h in range(net.n_hops):
        c = model.hop_classes[net.hop_class[h]]
        rows.append(
            {
                "class": c.name,
                "carrier": model.carriers[net.carrier[h]].name,
                "from": f"{labels[net.origin[h]]}[{net.origin[h]}]",
                "to": f"{labels[net.target[h]]}[{net.target[h]}]",
                "cell": [int(x) for x in net.cell[h]],
                "vector_angstrom": [float(x) for x in net.vector[h]],
                "direction": "forward" if net.orientation[h] > 0 else "reverse",
                "barrier_eV": float(catalog.barrier[h]),
                "effective_barrier_eV": float(catalog.effective_barrier[h]),
                "work_eV": float(catalog.work[h]),
                "saddle_work_eV": float(catalog.saddle_work[h]),
                "saddle_dipole_e_angstrom": [float(x) for x in catalog.saddle_dipole[h]],
                "clamped": bool(catalog.clamped[h]),
                "attempt_frequency_Hz": float(catalog.attempt_frequency[h]),
                "channels": c.channels,
                "rule": c.rule,
                "rate_per_s": float(catalog.rate[h]),
                "symmetry_operation": operations[int(net.operation[h])],
                "temperature_K": catalog.temperature,
                "field_V_per_m": [float(f"{1e10 * x:.12g}") for x in catalog.field],
                "source": c.source,
                "read_from": c.read_from,
            }
        )
    return rows


def catalog_table(catalog: RateCatalog) -> Table:
    """Directed hops, those with the same class, barrier and rate on one line."""
    strength = float(np.linalg.norm(catalog.field)) * 1e10
    table = Table(
        f"Rates at {catalog.temperature:g} K" + (f" and {strength:.3g} V/m" if strength else ", no field"),
        [
            ("class", ""),
            ("hop", ""),
            ("number", ""),
            ("length", "Å"),
            ("barrier", "eV"),
            ("with field", "eV"),
            ("attempt frequency", "Hz"),
            ("channels", ""),
            ("rate", "1/s"),
            ("from", ""),
        ],
    )
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    every = catalog_rows(catalog)
    for row in every:
        hop = f"{row['from'].split('[')[0]} → {row['to'].split('[')[0]}"
        key = (
            row["class"],
            hop,
            f"{row['effective_barrier_eV']:.9f}",
            f"{row['rate_per_s']:.9e}",
        )
        groups.setdefault(key, []).append(row)
    for (name, hop, _, _), rows in groups.items():
        first = rows[0]
        table.add(
            [
                name,
                hop,
                str(len(rows)),
                f"{math.hypot(*first['vector_angstrom']):.4f}",
                f"{first['barrier_eV']:.5g}",
                f"{first['effective_barrier_eV']:.5g}" + (" (clamped)" if first["clamped"] else ""),
                f"{first['attempt_frequency_Hz']:.5g}",
                str(first["channels"]),
                f"{first['rate_per_s']:.5g}",
                "; ".join(t for t in (first["source"], first["read_from"]) if t),
            ],
            {},
        )
    table.data = every
    for c in catalog.model.hop_classes:
        table.notes += [f"{c.name}: {line}" for line in c.log]
    return table


def candidates_table(candidates: Sequence[Candidate], temperature: float) -> Table:
    """Saddles of each hop that has several, by falling rate."""
    table = Table(
        f"Candidate saddles at {temperature:g} K, no field",
        [
            ("hop", ""),
            ("saddle", ""),
            ("barrier", "eV"),
            ("attempt frequency", "Hz"),
            ("channels", ""),
            ("rate", "1/s"),
            ("share of the rate used", ""),
            ("used", ""),
            ("from", ""),
        ],
    )
    for c in candidates:
        rate = f"{10 ** (c.log_rate / math.log(10) % 1):.4g}e{math.floor(c.log_rate / math.log(10)):+03d}"
        table.add(
            [
                c.group,
                c.name,
                f"{c.barrier:.5g}",
                f"{c.attempt_frequency:.5g}",
                str(c.channels),
                rate,
                f"{c.share:.3g}",
                "yes" if c.used else "no",
                c.source,
            ],
            {**vars(c), "temperature_K": temperature},
        )
    return table


def regime_table(regimes: Sequence[HopRegime], temperature: float) -> Table:
    """Whether the hops of small polarons are adiabatic."""
    table = Table(
        f"Small-polaron regimes at {temperature:g} K",
        [
            ("class", ""),
            ("regime", ""),
            ("P", ""),
            ("V_AB", "eV"),
            ("lambda", "eV"),
            ("phonons", "Hz"),
        ],
    )
    for r in regimes:
        g = r.regime
        table.add(
            [
                r.hop_class,
                g.name,
                f"{g.probability:.4g}",
                f"{g.electronic_coupling:.4g}",
                f"{g.reorganisation_energy:.4g}" + (" (derived)" if g.derived else ""),
                f"{g.phonon_frequency:.4g}",
            ],
            {"class": r.hop_class, "warning": r.warning, **vars(g)},
        )
        if g.derived:
            table.notes.append(f"{r.hop_class}: lambda is derived, {g.derived}.")
        if r.warning:
            table.notes.append(f"Warning: {r.hop_class}: {r.warning}.")
    return table


def exact_table(model: Model, solved: Sequence[tuple[RateCatalog, str, np.ndarray, ExactTransport]]) -> Table:
    """Exact mobilities and diffusivities; one row per condition, direction and carrier."""
    table = Table(
        f"{model.title}: exact (master equation, no simulation)",
        [
            ("T", "K"),
            ("field", "V/m"),
            ("along", ""),
            ("carrier", ""),
            ("mobility", "cm²/(V s)"),
            ("drift velocity", "m/s"),
            ("D collective", "cm²/s"),
            ("states", ""),
        ],
    )
    for catalog, label, unit, exact in solved:
        strength = float(np.linalg.norm(catalog.field)) * 1e10
        for a, carrier in enumerate(model.carriers):
            if strength:
                mobility = float(exact.drift_velocity[a] @ unit) * ANGSTROM / strength
            else:
                mobility = float(unit @ exact.mobility_einstein[a] @ unit) * ANGSTROM**2
            velocity = exact.drift_velocity[a] * ANGSTROM
            diffusivity = exact.collective_diffusivity[a, :, a] * ANGSTROM**2
            along = float(unit @ diffusivity @ unit)
            table.add(
                [
                    _number(catalog.temperature),
                    _number(strength, 3),
                    label,
                    carrier.name,
                    _number(mobility * CM2),
                    _number(float(velocity @ unit)) if strength else "–",
                    _number(along * CM2),
                    str(exact.n_states),
                ],
                {
                    "temperature_K": catalog.temperature,
                    "field_V_per_m": _plain(strength),
                    "direction": label,
                    "carrier": carrier.name,
                    "mobility_m2_per_Vs": mobility,
                    "drift_velocity_m_per_s": _plain(velocity),
                    "collective_diffusivity_m2_per_s": _plain(diffusivity),
                    "n_states": exact.n_states,
                    "method": exact.method,
                },
            )
    return table


def sensitivity_table(results: Sequence[tuple[float, float, str, Sensitivity]], model: Model) -> Table:
    """d ln(mobility)/d barrier of each class, and what the barriers' own uncertainty does to the mobility."""
    table = Table(
        "Sensitivity of the mobility to the barriers",
        [
            ("T", "K"),
            ("field", "V/m"),
            ("along", ""),
            ("carrier", ""),
            ("class", ""),
            ("d ln µ/d barrier", "1/eV"),
            ("share", ""),
            ("barrier's uncertainty", "eV"),
            ("mobility uncertain by a factor", ""),
        ],
    )
    for temperature, strength, label, result in results:
        for a, carrier in enumerate(model.carriers):
            for k, c in enumerate(model.hop_classes):
                if c.carrier != a:
                    continue
                limits = result.limiting[a] == k and abs(result.share[a, k]) > 1e-3
                factor = float(result.error_factor[a])
                table.add(
                    [
                        _number(temperature),
                        _number(strength, 3),
                        label,
                        carrier.name,
                        c.name + (" (limits transport)" if limits else ""),
                        _number(float(result.dlnmu_dbarrier[a, k])),
                        f"{float(result.share[a, k]):.3f}",
                        "not given" if c.barrier_stderr is None else f"{c.barrier_stderr:.3g}",
                        f"{factor:.3g}" if math.isfinite(factor) else "not known",
                    ],
                    {
                        "temperature_K": temperature,
                        "field_V_per_m": strength,
                        "direction": label,
                        "carrier": carrier.name,
                        "class": c.name,
                        "dlnmu_dbarrier_per_eV": _plain(result.dlnmu_dbarrier[a, k]),
                        "share": _plain(result.share[a, k]),
                        "limits_transport": bool(limits),
                        "barrier_stderr_eV": c.barrier_stderr,
                        "mobility_error_factor": _plain(factor),
                    },
                )
    return table
