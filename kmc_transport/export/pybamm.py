"""``pybamm``: the chemical diffusivity in the particles of an electrode, as parameter values of PyBaMM."""

from __future__ import annotations

from pathlib import Path

from ..errors import InputError
from .electrode import ELECTRODES, Electrode, electrode
from .files import head_lines, write_files
from .record import TransportRecord

__all__ = ["OPTIONS", "export_pybamm"]

OPTIONS = {
    "electrode": f"whose particles: {' or '.join(ELECTRODES)} (default positive)",
    "stoichiometry": "what PyBaMM calls sto, as an expression of the run's axis of composition, such as 1-x (default: "
    "the axis itself)",
}


def export_pybamm(
    record: TransportRecord,
    path: Path,
    *,
    carrier: str = "",
    overwrite: bool = False,
    electrode: str = "positive",
    stoichiometry: str = "",
) -> list[Path]:
    """Write a module NAME.py, and beside it NAME.csv for ``pybamm.parameters.process_2D_data_csv``.

    The module has ``diffusivity(sto, T)``, ``parameter_values`` (a dictionary for ``ParameterValues.update``) and
    ``check(solution)``, which raises where a simulation left the range. ``carrier`` does not matter: a chemical
    diffusivity belongs to the composition.

    Raises InputError where the run does not know its chemical diffusivity, as `fit_surface`, and for an unknown
    electrode or a stoichiometry that does not rise or fall with the composition, or leaves 0 to 1.
    """
    found = _electrode(record, electrode, stoichiometry)
    if found.sto is None:
        raise InputError(
            "PyBaMM wants the diffusivity over the stoichiometry, and this run has one composition",
            key="RUN",
            remedy="sweep a composition: conditions.composition",
        )
    table = path.with_suffix(".csv")
    head = head_lines(
        record,
        [found.surface.quantity],
        beyond="the value at the nearest end of the range; check(solution) raises an error then",
        more=found.describe(),
    )
    text = _MODULE.format(
        head="\n".join(head).replace("\\", "/").replace('"""', "'''"),
        electrode=electrode.capitalize(),
        where=electrode,
        sto=found.sto.tolist(),
        temperature=found.temperature.tolist(),
        log=[row.tolist() for row in found.log_value],
    )
    return write_files({path: text, table: _csv(found)}, overwrite=overwrite)


_electrode = electrode


def _csv(found: Electrode) -> str:
    """Three columns, the first one slowest, one line above them."""
    import numpy as np

    assert found.sto is not None
    lines = ["stoichiometry,temperature [K],diffusivity [m2.s-1]"]
    for i, sto in enumerate(found.sto):
        lines += [
            f"{sto!r},{t!r},{d!r}"
            for t, d in zip(found.temperature.tolist(), np.exp(found.log_value[i]).tolist(), strict=True)
        ]
    return "\n".join(lines).replace("np.float64(", "").replace(")", "") + "\n"


_MODULE = '''"""{electrode} particle diffusivity for PyBaMM, written by kmc_transport.

    parameters = pybamm.ParameterValues("Prada2013")
    parameters.update(parameter_values)
    solution = pybamm.Simulation(model, parameter_values=parameters).solve(...)
    check(solution)

{head}
"""

import numpy as np
import pybamm

STOICHIOMETRY = np.array({sto})
TEMPERATURE = np.array({temperature})  # K
LOG_DIFFUSIVITY = np.array({log})  # ln of m2 s-1, one row for each stoichiometry


def diffusivity(sto, T):
    """Chemical diffusivity, m2 s-1: logarithms joined linearly; at its nearest end beyond the range."""
    sto = pybamm.minimum(pybamm.maximum(sto, STOICHIOMETRY[0]), STOICHIOMETRY[-1])
    T = pybamm.minimum(pybamm.maximum(T, TEMPERATURE[0]), TEMPERATURE[-1])
    axes = (STOICHIOMETRY, TEMPERATURE)
    name = "{electrode} particle diffusivity"
    return pybamm.exp(pybamm.Interpolant(axes, LOG_DIFFUSIVITY, [sto, T], name=name, extrapolate=False))


parameter_values = {{"{electrode} particle diffusivity [m2.s-1]": diffusivity}}


def check(solution):
    """ValueError where a solution went beyond the range in which the diffusivity was simulated."""
    wanted = (
        ("{electrode} particle stoichiometry", STOICHIOMETRY),
        ("X-averaged cell temperature [K]", TEMPERATURE),
    )
    for name, nodes in wanted:
        values = solution[name].entries
        low, high = float(np.min(values)), float(np.max(values))
        if low < nodes[0] * (1 - 1e-9) or high > nodes[-1] * (1 + 1e-9):
            raise ValueError(
                f"{{name}} went from {{low:.6g}} to {{high:.6g}}, the diffusivity is known from {{nodes[0]:.6g}} to "
                f"{{nodes[-1]:.6g}}"
            )
'''
