"""``bpx``: a cell in Battery Parameter eXchange format with the chemical diffusivity put in.

A BPX file is a whole cell, so that one has to be there; the diffusivity of one electrode and its activation energy are
replaced. BPX knows one table over the stoichiometry and one activation energy: D(x, T) has to factor.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError
from ..ndarrays import FloatArray
from ..units import E_CHARGE, K_B
from .electrode import Electrode, electrode
from .files import head_lines, write_files
from .pybamm import OPTIONS as _ELECTRODE_OPTIONS
from .record import TransportRecord
from .surface import REFUSED, chi2_probability, monotone

__all__ = ["OPTIONS", "Factored", "export_bpx", "factored"]

OPTIONS = {
    "base": "BPX file (.json) of the cell, whose diffusivity is replaced; it has to be given",
    **_ELECTRODE_OPTIONS,
    "residual": "`accept` writes the file though one activation energy does not serve all compositions; it then says "
    "how far off it is",
}
_DIFFUSIVITY, _ENERGY = "Diffusivity [m2.s-1]", "Diffusivity activation energy [J.mol-1]"
_REFERENCE = "Reference temperature [K]"
_USUAL_REFERENCE = 298.15
_JOULE_PER_MOL = E_CHARGE * 6.02214076e23
"""In an eV."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Factored:
    """``D = table(x) exp(E/k (1/T_ref - 1/T))``.

    x : (n,) rising; value : (n,) m²/s at the reference temperature, to be joined by lines. activation_energy,
    activation_energy_stderr : eV. chi2, degrees_of_freedom, p_value : of the fit to the points of the run.
    worst_residual : relative, of a point. table_error : relative, of the lines.
    """

    x: FloatArray
    value: FloatArray
    activation_energy: float
    activation_energy_stderr: float
    chi2: float
    degrees_of_freedom: int
    p_value: float
    worst_residual: float
    table_error: float


def factored(found: Electrode, reference: float) -> Factored:
    """Weighted least squares of ln D with one activation energy; reference : K.

    The unknowns are ln D at the reference temperature for each composition, and the energy.
    """
    quantity = found.surface.quantity
    t = quantity.axis("temperature").values
    value, stderr = (np.reshape(a, (-1, len(t))) for a in (quantity.value, quantity.stderr))
    weight = value / stderr
    y = np.log(value) + 0.5 / weight**2  # the error of ln D is not symmetric
    b = 1 / (K_B * reference) - 1 / (K_B * t)
    w2 = weight**2
    mean_b = (w2 @ b) / w2.sum(axis=1)
    mean_y = (w2 * y).sum(axis=1) / w2.sum(axis=1)
    db = b - mean_b[:, None]
    information = float((w2 * db**2).sum())
    energy = float((w2 * db * (y - mean_y[:, None])).sum() / information)
    at_reference = mean_y - energy * mean_b
    chi2 = float((w2 * (y - at_reference[:, None] - energy * b) ** 2).sum())
    dof = y.size - len(y) - 1
    if found.sto is None:
        x, table, error = np.zeros(1), np.exp(at_reference), 0.0
    else:
        assert found.surface.x is not None
        nodes = found.sto_of(found.surface.x.values)
        order = np.argsort(nodes)
        curve = monotone(nodes[order], at_reference[order])
        x = found.sto
        table = np.exp(curve(x))
        error = 0.0
        for f in (0.25, 0.5, 0.75):
            line, between = (1 - f) * table[:-1] + f * table[1:], (1 - f) * x[:-1] + f * x[1:]
            error = max(error, float(np.abs(line / np.exp(curve(between)) - 1).max()))
    residual = np.exp(at_reference[:, None] + energy * b) / value - 1
    return Factored(
        x=x,
        value=table,
        activation_energy=energy,
        activation_energy_stderr=information**-0.5,
        chi2=chi2,
        degrees_of_freedom=dof,
        p_value=chi2_probability(chi2, dof),
        worst_residual=float(np.abs(residual).max()),
        table_error=error,
    )


def export_bpx(
    record: TransportRecord,
    path: Path,
    *,
    carrier: str = "",
    overwrite: bool = False,
    base: str = "",
    electrode: str = "positive",
    stoichiometry: str = "",
    residual: str = "",
) -> list[Path]:
    """Write the cell of ``base`` with the diffusivity of the record; below and above the composition's range it is
    held at its ends.

    Raises InputError as `export_pybamm`; without a base, for one that is no BPX file or whose reference temperature
    was not simulated; and where D(x, T) does not factor, unless ``residual`` is ``accept``.
    """
    if residual not in ("", "accept"):
        raise InputError("is no choice", key="--option residual", value=residual, allowed="accept")
    found = _electrode(record, electrode, stoichiometry)
    cell, part = _read_base(base, electrode)
    parameters = cell["Parameterisation"].setdefault("Cell", {})
    reference = float(parameters.setdefault(_REFERENCE, _USUAL_REFERENCE))
    low, high = found.surface.temperature_range
    if not low <= reference <= high:
        raise InputError(
            "the reference temperature of the cell was not simulated",
            key=_REFERENCE,
            value=reference,
            allowed=f"{low:g} to {high:g} K",
            remedy="sweep temperatures on both sides of it, or choose another one in the base file",
        )
    fit = factored(found, reference)
    if fit.degrees_of_freedom and fit.p_value < REFUSED and not residual:
        raise InputError(
            f"D(x, T) of this run is no table times one Arrhenius law, which is all that BPX can hold: chi squared "
            f"{fit.chi2:.4g} with {fit.degrees_of_freedom} degrees of freedom, a point is off by "
            f"{fit.worst_residual:.1%}",
            key="--to bpx",
            allowed=f"a chi squared that a true law reaches with probability {REFUSED:g} or more",
            remedy="export to pybamm, which holds D(x, T); or write it nevertheless, with this said in the file: "
            "--option residual=accept",
        )
    if found.sto is None:
        part[_DIFFUSIVITY] = float(fit.value[0])
    else:
        ends_x = ([0.0] if fit.x[0] > 0 else [], [1.0] if fit.x[-1] < 1 else [])
        ends_y = ([float(fit.value[0])] * len(ends_x[0]), [float(fit.value[-1])] * len(ends_x[1]))
        part[_DIFFUSIVITY] = {
            "x": [*ends_x[0], *fit.x.tolist(), *ends_x[1]],
            "y": [*ends_y[0], *fit.value.tolist(), *ends_y[1]],
        }
    part[_ENERGY] = fit.activation_energy * _JOULE_PER_MOL
    head = cell["Header"]
    head["BPX"] = str(head["BPX"])
    told = head_lines(
        record,
        [found.surface.quantity],
        beyond="the value at the nearest end of the stoichiometry's range; "
        "nothing stops a simulation at other temperatures",
        more=_told(found, fit, electrode, base),
    )
    head["Description"] = "\n".join([*filter(None, [head.get("Description")]), *told])
    return write_files({path: json.dumps(cell, indent=2, ensure_ascii=False) + "\n"}, overwrite=overwrite)


_electrode = electrode


def _told(found: Electrode, fit: Factored, name: str, base: str) -> dict[str, str]:
    judged = f"chi squared {fit.chi2:.4g} with {fit.degrees_of_freedom} degrees of freedom" + (
        f" (probability {fit.p_value:.2g})" if fit.degrees_of_freedom else ""
    )
    refused = fit.degrees_of_freedom and fit.p_value < REFUSED
    stoichiometry = {} if found.sto is None else {"stoichiometry": found.range_text()}
    return {
        "diffusivity of": f"{name} electrode; the other parameters are those of {Path(base).name}",
        **stoichiometry,
        "activation energy": f"{fit.activation_energy:.6g} +- {fit.activation_energy_stderr:.2g} eV, {judged}",
        "WARNING" if refused else "law": (
            "one activation energy does not serve all compositions; written on request, "
            f"worst residual {fit.worst_residual:.2%}"
            if refused
            else f"table times one Arrhenius law, worst residual {fit.worst_residual:.2%}"
        ),
        "table": f"{len(fit.x)} nodes; lines between them add at most {fit.table_error:.2%}",
    }


def _read_base(base: str, electrode: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The cell, and the mapping of the electrode in it."""
    key = "--option base"
    if not base:
        raise InputError(
            "a BPX file is a whole cell, and this run knows one diffusivity of it",
            key=key,
            remedy="give the BPX file of the cell, whose diffusivity is to be replaced: --option base=CELL.json",
        )
    try:
        cell = json.loads(Path(base).read_text(encoding="utf-8"))
        part = cell["Parameterisation"][f"{electrode.capitalize()} electrode"]
        version = cell["Header"]["BPX"]
    except OSError as e:
        raise InputError(
            f"cannot be read: {e.strerror}", key=key, value=base, remedy="give a file that is there"
        ) from None
    except (ValueError, KeyError, TypeError) as e:
        raise InputError(
            f"is no BPX file with a {electrode} electrode ({type(e).__name__}: {e})", key=key, value=base
        ) from None
    if not isinstance(part, dict) or not isinstance(version, str | float | int) or "Particle" in part:
        raise InputError(
            f"has no {electrode} electrode of one active material",
            key=key,
            value=base,
            remedy="put the table into a blended electrode by hand, from another export",
        )
    return cell, part
