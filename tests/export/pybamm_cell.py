"""Run in a process of its own: discharges in PyBaMM with exported diffusivities; prints JSON.

    python pybamm_cell.py MODULE.py[,CELL.json] ...

With `MODULE.py,` no cell is read; without a comma, single particles alone. One answer for each argument.
"""

from __future__ import annotations

import importlib.util
import json
import logging
import os
import sys
import warnings
from pathlib import Path

import numpy as np

os.environ["PYBAMM_DISABLE_TELEMETRY"] = "true"
warnings.filterwarnings("ignore")
import pybamm  # noqa: E402

pybamm.set_logging_level(logging.ERROR)
KELVIN = (275.0, 298.15, 320.0)
START = 0.1
"""Stoichiometry of the positive electrode."""
TIMES = np.linspace(0, 3000, 31)


def module(path):
    spec = importlib.util.spec_from_file_location("exported", path)
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


def lfp(diffusivity, start=START):
    parameters = pybamm.ParameterValues("Prada2013")
    parameters.update(diffusivity)
    top = parameters["Maximum concentration in positive electrode [mol.m-3]"]
    parameters["Initial concentration in positive electrode [mol.m-3]"] = start * top
    return parameters


def discharges(model, parameters, c_rate, points, kelvins=KELVIN, times=TIMES):
    """(temperature, solution) of a model that is built once."""
    parameters["Ambient temperature [K]"] = parameters["Initial temperature [K]"] = "[input]"
    var_pts = {"x_n": 10, "x_s": 5, "x_p": 10, "r_n": 10, "r_p": points}
    solver = pybamm.IDAKLUSolver(rtol=1e-8, atol=1e-10)
    simulation = pybamm.Simulation(
        model, parameter_values=parameters, C_rate=c_rate, var_pts=var_pts, solver=solver
    )
    for kelvin in kelvins:
        inputs = {"Ambient temperature [K]": kelvin, "Initial temperature [K]": kelvin}
        yield kelvin, simulation.solve([times[0], times[-1]], t_interp=times, inputs=inputs)


def surface(solution):
    """(n_times,) over the thickness of the electrode."""
    return np.mean(solution["Positive particle surface stoichiometry"].entries, axis=0)


def main(path, cell=None):
    made = module(path)
    out = {"times": TIMES.tolist(), "spm": {}, "dfn": {}, "kelvin": KELVIN}
    p = lfp(made.parameter_values)
    out["flux"] = {
        k: float(p[k])
        for k in (
            "Nominal cell capacity [A.h]",
            "Electrode width [m]",
            "Electrode height [m]",
            "Number of electrodes connected in parallel to make a cell",
            "Positive electrode thickness [m]",
            "Positive electrode active material volume fraction",
            "Positive particle radius [m]",
            "Maximum concentration in positive electrode [mol.m-3]",
        )
    }
    for kelvin, solution in discharges(pybamm.lithium_ion.SPM(), lfp(made.parameter_values), 1.0, 80):
        made.check(solution)
        out["spm"][str(kelvin)] = surface(solution).tolist()
    if cell is None:
        return out
    for kelvin, solution in discharges(pybamm.lithium_ion.DFN(), lfp(made.parameter_values), 1.0, 60):
        made.check(solution)
        out["dfn"][str(kelvin)] = {  # (n_x, n_times)
            "surface": solution["Positive particle surface stoichiometry"].entries.tolist(),
            "current": solution["Positive electrode interfacial current density [A.m-2]"].entries.tolist(),
        }
    # the table beside it, as PyBaMM's own reader takes it
    table = Path(path).with_suffix(".csv")
    _, (nodes, values) = pybamm.parameters.process_2D_data_csv(table.stem, str(table.parent))
    out["csv"] = {"sto": nodes[0].tolist(), "kelvin": nodes[1].tolist(), "value": values.tolist()}
    # what PyBaMM makes of the function, at, between and beyond the nodes
    sto = np.array([0.0, nodes[0][0], 0.2345, nodes[0][5], 0.777, nodes[0][-1], 1.0])
    out["read"] = {"sto": sto.tolist(), "value": {}}
    for kelvin in (250.0, *KELVIN, 350.0, nodes[1][0], nodes[1][-1]):
        symbol = made.diffusivity(pybamm.Vector(sto), kelvin * pybamm.Vector(np.ones_like(sto)))
        out["read"]["value"][str(kelvin)] = np.ravel(symbol.evaluate()).tolist()
    # beyond the range in composition: check says so
    empty = lfp(made.parameter_values, 0.01)
    ((_, solution),) = discharges(pybamm.lithium_ion.SPM(), empty, 1.0, 20, (298.15,), TIMES[:5])
    try:
        made.check(solution)
        out["beyond"] = ""
    except ValueError as e:
        out["beyond"] = str(e)
    if cell:
        out["bpx"] = of_bpx(cell)
    return out


def of_bpx(cell):
    """Parsed by bpx, then discharged by PyBaMM from the start of the positive electrode's window."""
    import bpx

    parsed = bpx.parse_bpx_file(cell)
    part = parsed.parameterisation.positive_electrode
    out = {
        "x": part.diffusivity.x,
        "y": part.diffusivity.y,
        "energy": part.diffusivity_activation_energy,
        "spm": {},
        "version": parsed.header.bpx,
    }
    parameters = pybamm.ParameterValues.create_from_bpx(cell)
    top = parameters["Maximum concentration in positive electrode [mol.m-3]"]
    parameters["Initial concentration in positive electrode [mol.m-3]"] = START * top
    for kelvin, solution in discharges(pybamm.lithium_ion.SPM(), parameters, 1.0, 80):
        out["spm"][str(kelvin)] = surface(solution).tolist()
    return out


print(json.dumps([main(*job.split(",")) for job in sys.argv[1:]]))
