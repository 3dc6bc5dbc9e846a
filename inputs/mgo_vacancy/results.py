#!/usr/bin/env python3
"""Writes results.md from summary.json: the numbers of this folder, and which of them were not computed.

Run by the last stage of make.py, or alone: `python results.py`. Plain Python.
"""

import json
import math
from pathlib import Path

HERE = Path(__file__).resolve().parent
TITLES = {"start": "start", "saddle": "saddle", "end": "end (start, inverted through the saddle)"}


def nearest(vector, cell):
    """The shortest periodic image of a vector of the cubic cell."""
    return [x - cell * round(x / cell) for x in vector]


def trace(tensor):
    """A third of the trace."""
    return sum(tensor[a][a] for a in range(3)) / 3


def isotropic(tensor):
    """The tensor's average over directions."""
    return [[trace(tensor) * (a == b) for b in range(3)] for a in range(3)]


def spread(charges, charge):
    """Tensors with the violation of the sum rule taken off evenly, so that they add up to the cell's charge."""
    excess = [[sum(z[a][b] for z in charges) - charge * (a == b) for b in range(3)] for a in range(3)]
    count = len(charges)
    return [[[z[a][b] - excess[a][b] / count for b in range(3)] for a in range(3)] for z in charges]


def dipole(charges, shifts, along):
    """Sum of tensor times displacement (e·Å) along a direction, atom by atom."""
    return [
        sum(along[a] * z[a][b] * d[b] for a in range(3) for b in range(3)) for z, d in zip(charges, shifts)
    ]


def energies(summary):
    """Lines of the section on energies."""
    yield "| state | total energy, eV | above the start, eV | largest force, eV/Å | operations | wall time, s |"
    yield "|---|---|---|---|---|---|"
    states = summary["states"]
    for name, state in states.items():
        above = state["energy_eV"] - states["start"]["energy_eV"]
        yield (
            f"| {TITLES[name]} | {state['energy_eV']:.5f} | {above:.5f} | {state['largest_force_eV_per_A']:.4f} "
            f"| {state['symmetry_operations']} | {state['wall_s']:.0f} |"
        )
    yield ""
    if "barrier_eV" in summary:
        yield f"**Barrier, Gamma: {summary['barrier_eV']:.3f} eV.**"
    shifted = summary.get("barrier_shifted_mesh_eV")
    yield (
        "Barrier of the same two structures with the shifted 2 x 2 x 2 mesh: "
        + ("not computed." if shifted is None else f"{shifted:.3f} eV.")
    )


def tensors(summary):
    """Lines of the section on Born charges."""
    cell = summary["cell_A"]
    migrating = summary["migrating_atom"]
    for name in ("start", "saddle"):
        state = summary["states"].get(name, {})
        charges = state.get("born_charges_e")
        yield ""
        if charges is None:
            yield f"**{name.capitalize()}: Born charges not computed.**"
            continue
        total, epsilon = state["sum_rule_e"], state["dielectric_tensor"]
        yield (
            f"**{name.capitalize()}** (ph.x: {state['born_wall_s'] / 60:.0f} min). Sum over the atoms: "
            f"xx {total[0][0]:.3f}, yy {total[1][1]:.3f}, zz {total[2][2]:.3f}, xy {total[0][1]:.3f} e, against the "
            f"cell's {summary['charge_e']} e: {(total[0][0] - summary['charge_e']) / len(charges):.4f} e an atom too "
            f"much (xx). Dielectric tensor: xx {epsilon[0][0]:.3f}, zz {epsilon[2][2]:.3f}, xy {epsilon[0][1]:.3f}."
        )
        yield ""
        yield "| atom, from 0 | distance from the migrating site, Å | xx | yy | zz | xy | yx | xz | yz | Tr/3 |"
        yield "|---|---|---|---|---|---|---|---|---|---|"
        positions = state["positions_A"]
        distance = [
            math.hypot(*nearest([p - q for p, q in zip(x, positions[migrating])], cell)) for x in positions
        ]
        chosen = sorted(range(len(charges)), key=lambda k: (round(distance[k], 4), k))[:13]
        for k in chosen:
            z = charges[k]
            parts = [z[0][0], z[1][1], z[2][2], z[0][1], z[1][0], z[0][2], z[1][2], trace(z)]
            numbers = " | ".join(f"{round(x, 3) + 0.0:.3f}" for x in parts)
            label = f"{summary['symbols'][k]} {k}" + (" (migrating)" if k == migrating else "")
            yield f"| {label} | {distance[k]:.3f} | {numbers} |"


def dipoles(summary):
    """Lines of the section on the dipole from start to saddle."""
    states, migrating = summary["states"], summary["migrating_atom"]
    if not {"start", "saddle"} <= states.keys():
        return
    shifts = [
        nearest([q - p for p, q in zip(x, y)], summary["cell_A"])
        for x, y in zip(states["start"]["positions_A"], states["saddle"]["positions_A"])
    ]
    step = math.hypot(*shifts[migrating])
    along = [x / step for x in shifts[migrating]]
    have = {
        name: states[name]["born_charges_e"]
        for name in ("start", "saddle")
        if "born_charges_e" in states[name]
    }
    yield f"The migrating atom moves by {step:.4f} Å along ({along[0]:.4f}, {along[1]:.4f}, {along[2]:.4f})."
    exact = summary["charge_e"] * summary["lattice_constant_A"] / math.sqrt(8)
    yield f"By symmetry the dipole changes by exactly -Q a/(2 sqrt 2) = {-exact:.4f} e·Å along that direction."
    yield ""
    yield "| tensors | migrating atom | environment | total | total, sum rule spread |"
    yield "|---|---|---|---|---|"
    rows = {
        f"constant, of the {name}": (charges, spread(charges, summary["charge_e"]))
        for name, charges in have.items()
    }
    if "start" in have:
        rows["constant, of the start, Tr/3"] = tuple(
            [isotropic(z) for z in charges] for charges in rows["constant, of the start"]
        )
    if len(have) == 2:
        rows["mean of start and saddle"] = tuple(
            [[[(x[a][b] + y[a][b]) / 2 for b in range(3)] for a in range(3)] for x, y in zip(first, second)]
            for first, second in zip(rows["constant, of the start"], rows["constant, of the saddle"])
        )
    for label, (raw, evened) in rows.items():
        parts, spread_parts = dipole(raw, shifts, along), dipole(evened, shifts, along)
        own, total = parts[migrating], sum(parts)
        yield f"| {label} | {own:.3f} | {total - own:.3f} | {total:.3f} | {sum(spread_parts):.3f} |"
    yield f"| nominal charge -2 of the migrating atom | {-2 * step:.3f} | | {-2 * step:.3f} | |"


def bulk(summary):
    """Lines of the section on the perfect crystal."""
    yield "| k-points | Z* of Mg, xx and zz | Z* of O, xx and zz | dielectric constant, xx and zz |"
    yield "|---|---|---|---|"
    titles = {
        "dense": "8 x 8 x 8 of the primitive cell",
        "gamma": "Gamma of the 64-site cell",
        "shifted": "shifted 2 x 2 x 2 of the 64-site cell (start)",
        "single": "star of (1/4, 0, 1/4) of the 64-site cell (saddle)",
    }
    for mesh, entry in summary["bulk"].items():
        parts = [entry["born_charges_e"]["Mg"], entry["born_charges_e"]["O"], entry["dielectric_tensor"]]
        columns = " | ".join(f"{z[0][0]:.4f}, {z[2][2]:.4f}" for z in parts)
        yield f"| {titles[mesh]} | {columns} |"


def main():
    summary = json.loads((HERE / "summary.json").read_text())
    lines = [
        "# Results",
        "",
        "Written by results.py from summary.json; README.md tells what the numbers mean.",
    ]
    for title, section in (
        ("Energies", energies),
        ("Born charges", tensors),
        ("Dipole from start to saddle (e·Å, along the migrating atom's displacement)", dipoles),
        ("Perfect crystal: which k-points do for Born charges", bulk),
    ):
        lines += ["", f"## {title}", "", *section(summary)]
    text = "\n".join(lines).replace("\n\n\n", "\n\n")
    (HERE / "results.md").write_text(text + "\n")


if __name__ == "__main__":
    main()
