"""A slab with one mobile carrier in DEVSIM; run as a program of its own, for DEVSIM keeps its state for good.

    python devsim_cell.py MODULE < settings.json > answer.json

settings: length (m), permittivity (relative), temperature (K), boundary (density at both electrodes, 1/m³),
voltages (V, one after the other), edges (number); or, for a transient between blocking electrodes, density (1/m³,
even at the start) and times (s), at one voltage.
answer: currents (A/m²) and fields (V/m, each edge) for each voltage; or densities for each time.
"""

import importlib.util
import json
import os
import sys
from math import cos, log, pi


def main(path: str, s: dict) -> dict:
    import devsim as d

    spec = importlib.util.spec_from_file_location("exported", path)
    exported = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(exported)
    exported.register(device_lengths_in="m")

    at = {"device": "slab", "region": "film"}
    mesh, length, edges = {"mesh": "m"}, s["length"], s["edges"]
    d.create_1d_mesh(**mesh)
    for k in range(edges + 1):  # fine at the electrodes, where carriers pile up
        position = length * (1 - cos(pi * k / edges)) / 2
        d.add_1d_mesh_line(**mesh, pos=position, ps=length, tag={0: "left", edges: "right"}.get(k, f"n{k}"))
    for side in ("left", "right"):
        d.add_1d_contact(**mesh, name=side, tag=side, material="metal")
    d.add_1d_region(**mesh, material="film", region="film", tag1="left", tag2="right")
    d.finalize_mesh(**mesh)
    d.create_device(**mesh, device="slab")

    charge = exported.CHARGE * 1.602176634e-19
    thermal = 1.380649e-23 * s["temperature"] / charge
    transient = "times" in s
    start = s["density"] if transient else s["boundary"]
    for name, value in {"q": charge, "eps": 8.8541878128e-12 * s["permittivity"], "V_t": thermal,
                        "T": s["temperature"], "n_0": start, "hold": float(transient)}.items():  # fmt: skip
        d.set_parameter(**at, name=name, value=value)
    for name, value in (("Potential", 0.0), ("Ions", start)):
        d.node_solution(**at, name=name)
        d.set_node_values(**at, name=name, values=[value] * (edges + 1))
        d.edge_from_node_model(**at, node_model=name)

    def edge(name: str, equation: str, *variables: str) -> None:
        d.edge_model(**at, name=name, equation=equation)
        for v in variables:
            for n in ("@n0", "@n1"):
                d.edge_model(**at, name=f"{name}:{v}{n}", equation=f"diff({equation}, {v}{n})")

    def node(name: str, equation: str, *variables: str) -> None:
        d.node_model(**at, name=name, equation=equation)
        for v in variables:
            d.node_model(**at, name=f"{name}:{v}", equation=f"diff({equation}, {v})")

    background = "n_0" if transient else "0"  # a slab between blocking electrodes is neutral
    node("SpaceCharge", f"-q*(Ions - {background})", "Ions")
    node("Content", "q*Ions", "Ions")
    node("Hold", "q*hold*(Ions - n_0)", "Ions")  # between blocking electrodes nothing else fixes their number
    edge("Field", "(Potential@n0 - Potential@n1)*EdgeInverseLength", "Potential")
    edge("Displacement", "eps*Field", "Potential")
    step = "((Potential@n0 - Potential@n1)/V_t)"
    edge("Mobility", "kmc_mobility((Potential@n0 - Potential@n1)*EdgeInverseLength, T)", "Potential")
    # Scharfetter-Gummel
    flux = f"(Ions@n0*(B({step}) + {step}) - Ions@n1*B({step}))"
    edge("Current", f"q*Mobility*V_t*EdgeInverseLength*{flux}", "Ions")
    for n in ("@n0", "@n1"):  # the mobility depends on the potential too
        d.edge_model(
            **at,
            name=f"Current:Potential{n}",
            equation=f"q*V_t*EdgeInverseLength*(Mobility:Potential{n}*{flux} + Mobility*diff({flux}, Potential{n}))",
        )
    d.equation(**at, name="Poisson", variable_name="Potential", node_model="SpaceCharge", edge_model="Displacement",
               variable_update="default")  # fmt: skip
    d.equation(**at, name="Continuity", variable_name="Ions", edge_model="Current", node_model="Hold",
               time_node_model="Content", variable_update="positive")  # fmt: skip
    for side in ("left", "right"):
        contact = {"device": "slab", "contact": side}
        d.set_parameter(device="slab", name=f"bias_{side}", value=0.0)
        d.contact_node_model(**contact, name=f"fixed_{side}", equation=f"Potential - bias_{side}")
        d.contact_node_model(**contact, name=f"fixed_{side}:Potential", equation="1")
        d.contact_equation(**contact, name="Poisson", node_model=f"fixed_{side}")
        if not transient:
            d.contact_node_model(**contact, name=f"held_{side}", equation="Ions - n_0")
            d.contact_node_model(**contact, name=f"held_{side}:Ions", equation="1")
            d.contact_equation(**contact, name="Continuity", node_model=f"held_{side}")

    def solve(**more: object) -> None:
        d.solve(
            **(
                {"type": "dc", "absolute_error": 1e40, "relative_error": 1e-9, "maximum_iterations": 60}
                | more
            )
        )

    temperatures = [s["temperature"]]

    def fields() -> list[float]:
        values = list(d.get_edge_model_values(**at, name="Field"))
        exported.check(values, temperatures)
        return values

    if transient:
        solve(type="transient_dc")  # even and neutral
        d.set_parameter(**at, name="hold", value=0.0)
        d.set_parameter(device="slab", name="bias_left", value=s["voltage"])
        answer: dict = {"x": list(d.get_node_model_values(**at, name="x")), "densities": [], "fields": []}
        now = 0.0
        for time in s["times"]:
            steps = max(10, round(20 * log(1 + time / max(now, 0.05 * time))))
            for _ in range(steps):
                solve(type="transient_bdf1", tdelta=(time - now) / steps, charge_error=1e10)
            now = time
            answer["densities"].append(list(d.get_node_model_values(**at, name="Ions")))
            answer["fields"].append(fields())
        return answer
    answer = {"currents": [], "fields": [], "spread": []}
    for voltage in s["voltages"]:
        d.set_parameter(device="slab", name="bias_left", value=voltage)
        solve()
        current = list(d.get_edge_model_values(**at, name="Current"))
        answer["currents"].append(sum(current) / len(current))
        answer["spread"].append((max(current) - min(current)) / abs(current[0]))
        answer["fields"].append(fields())
    return answer


if __name__ == "__main__":
    os.environ.setdefault("DEVSIM_MATH_LIBS", "libopenblas.so:libopenblas.so.0:liblapack.so.3:libblas.so.3")
    out = os.dup(1)
    os.dup2(2, 1)  # DEVSIM talks
    answer = main(sys.argv[1], json.load(sys.stdin))
    with os.fdopen(out, "w") as file:
        json.dump(answer, file)
