#!/usr/bin/env python3
"""Doubly charged oxygen vacancy in MgO from first principles: makes every data file of this folder.

Needs `pw.x` and `ph.x` (Quantum ESPRESSO 6.7) on the PATH, the pseudopotentials named in `PSEUDO`, and nothing but
Python's standard library:

    python make.py --pseudo /usr/share/espresso/pseudo --work /tmp/mgo_vacancy            # all stages, in order
    python make.py --pseudo ... --work ... --stages relax_start relax_saddle summary      # some of them
    python make.py --pseudo ... --work ... --launch "mpirun -np 4"                        # in parallel

Stages (each reads what the earlier ones left in the work folder; finished ones are not run again):

    bulk          primitive cell: energy against lattice constant; Born charges with a dense mesh and with the
                  k-points to which the meshes of the 64-site cell unfold
    relax_start   vacancy at the origin, full cubic point group kept
    relax_saddle  migrating oxygen held by symmetry (mmm) at the midpoint of the two oxygen sites
    born_start    self-consistent run and ph.x: Born charges, electronic dielectric tensor
    scf_end       the start state seen from the other end (inversion through the saddle), one run without relaxation
    born_saddle   as born_start, at the saddle
    scf_saddle    energy of the relaxed saddle with the k-points of born_start: does Gamma do for the barrier?
    summary       summary.json (energies, structures, Born charges) and results.md

Geometry. Conventional cell of rock salt, a = 4.165 Å, doubled along each axis: 64 sites. All structures share one frame
and one order of atoms: 32 Mg, then 31 O, the first of which (atom 32, counted from 0) migrates from (a/2, a/2, 0) to the vacant
site (0, 0, 0). The symmetry centres, (0, 0, 0) for the start, (a/4, a/4, 0) for the saddle, (a/2, a/2, 0) for the
end, hold the structures against rigid shifts, so no alignment is needed between them.
"""

import argparse
import gzip
import itertools
import json
import math
import re
import shutil
import subprocess
import sys
from pathlib import Path

import results

HERE = Path(__file__).resolve().parent
PSEUDO = {"Mg": "Mg.pz-n-vbc.UPF", "O": "O.pz-van_ak.UPF"}
MASS = {"Mg": 24.305, "O": 15.999}
A = 4.165  # Å, lattice constant of MgO in LDA (Salles et al. 2020 used LDA as well)
CELL = 2 * A
ECUTWFC, ECUTRHO = 30.0, 200.0  # Ry
CHARGE = 2  # e
RYDBERG = 13.605693122994  # eV
# Born charges want more than Gamma. Start: the shifted 2 x 2 x 2 mesh, one irreducible point of m-3m. Saddle: that mesh
# has two irreducible points of mmm, and the time of ph.x goes with their number; a single point was chosen that gives
# the bulk's Born charges nearly as well (stage bulk compares all of them). So that pw.x does not complete its star by
# the operations of the cubic lattice, the cell is called tetragonal, with c/a = 1.00001.
SHIFTED = "K_POINTS automatic\n2 2 2 1 1 1"
SINGLE_POINT = (0.25, 0.0, 0.25)  # units of 2 pi / cell
SINGLE = "K_POINTS tpiba\n1\n{} {} {} 1.0".format(*SINGLE_POINT)
STRETCH = 1.00001
MIGRATING = 32  # zero-based index of the migrating oxygen
STAGES = (
    "bulk",
    "relax_start",
    "relax_saddle",
    "born_start",
    "scf_end",
    "born_saddle",
    "scf_saddle",
    "summary",
)


# --- structures -------------------------------------------------------------------------------------------------


def ideal_sites():
    """Symbols and positions (Å) of the 63 atoms on lattice sites; vacancy at the origin, atom 32 (counted from 0) migrates."""
    grid = list(itertools.product(range(4), repeat=3))  # in units of a/2
    magnesium = [p for p in grid if sum(p) % 2 == 1]
    oxygen = [p for p in grid if sum(p) % 2 == 0 and p not in ((0, 0, 0), (1, 1, 0))]
    points = magnesium + [(1, 1, 0)] + oxygen
    symbols = ["Mg"] * len(magnesium) + ["O"] * (1 + len(oxygen))
    return symbols, [tuple(x * A / 2 for x in p) for p in points]


def nearest(vector):
    """The shortest periodic image of a vector of the cubic cell."""
    return tuple(x - CELL * round(x / CELL) for x in vector)


def push(symbols, positions, centre, shifts):
    """Radial shifts (Å) round a centre: {(symbol, distance): outward shift}; a mere first guess."""
    moved = []
    for symbol, position in zip(symbols, positions):
        arm = nearest(tuple(p - c for p, c in zip(position, centre)))
        radius = math.dist(arm, (0, 0, 0))
        shift = sum(s for (who, at), s in shifts.items() if who == symbol and abs(radius - at) < 0.05)
        scale = shift / radius if shift else 0.0
        moved.append(tuple(p + scale * x for p, x in zip(position, arm)))
    return moved


def guess_start():
    """Cations beside the vacancy outward, oxygen neighbours inward."""
    symbols, positions = ideal_sites()
    return symbols, push(symbols, positions, (0, 0, 0), {("Mg", A / 2): 0.17, ("O", A / math.sqrt(2)): -0.07})


def guess_saddle():
    """Migrating oxygen at the midpoint, the two cations of the bottleneck apart."""
    symbols, positions = ideal_sites()
    middle = (A / 4, A / 4, 0)
    positions[MIGRATING] = middle
    return symbols, push(symbols, positions, middle, {("Mg", A / math.sqrt(8)): 0.35})


def end_from_start(positions):
    """Inversion of the start through the saddle's centre, atoms relabelled so that each one stays at its site."""
    symbols, sites = ideal_sites()
    sites = list(sites)
    sites[MIGRATING] = (0.0, 0.0, 0.0)  # where the migrating atom has arrived
    images = [tuple(m - p for m, p in zip((A / 2, A / 2, 0), position)) for position in positions]
    result = []
    for symbol, site in zip(symbols, sites):
        offsets = [nearest(tuple(i - s for i, s in zip(image, site))) for image in images]
        best = min(
            (k for k in range(len(images)) if symbols[k] == symbol),
            key=lambda k: math.dist(offsets[k], (0, 0, 0)),
        )
        result.append(tuple(s + o for s, o in zip(site, offsets[best])))
    return symbols, result


# --- input files --------------------------------------------------------------------------------------------------


def pw_input(name, calculation, symbols, positions, args, kpoints="K_POINTS gamma", conv=1e-9):
    """Text of a pw.x input of the charged cell; k-points as the text of the card."""
    lattice = f"ibrav = 1, A = {CELL:.6f}"
    if kpoints == SINGLE:
        lattice = f"ibrav = 6, A = {CELL:.6f}, C = {CELL * STRETCH:.6f}"
    lines = [
        "&CONTROL",
        f"  calculation = '{calculation}'",
        f"  prefix = '{name}', outdir = './tmp_{name}', pseudo_dir = '{args.pseudo}'",
        "  tprnfor = .true., etot_conv_thr = 1.0d-5, forc_conv_thr = 3.0d-4, nstep = 60",
        "/",
        "&SYSTEM",
        f"  {lattice}, nat = {len(symbols)}, ntyp = 2",
        f"  ecutwfc = {ECUTWFC}, ecutrho = {ECUTRHO}, tot_charge = {CHARGE}, occupations = 'fixed'",
        "/",
        "&ELECTRONS",
        f"  conv_thr = {conv:.1e}".replace("e", "d"),
        "/",
        "&IONS",
        "/",
        "ATOMIC_SPECIES",
        *(f"{s} {MASS[s]} {PSEUDO[s]}" for s in ("Mg", "O")),
        "ATOMIC_POSITIONS angstrom",
        *(f"{s:2s} {x:14.9f} {y:14.9f} {z:14.9f}" for s, (x, y, z) in zip(symbols, positions)),
        kpoints,
        "",
    ]
    return "\n".join(lines)


def bulk_input(name, lattice, kpoints, args):
    """Text of a pw.x input of the primitive cell of MgO; k-points as the text of the card."""
    return f"""&CONTROL
  calculation = 'scf'
  prefix = '{name}', outdir = './tmp_{name}', pseudo_dir = '{args.pseudo}'
/
&SYSTEM
  ibrav = 2, A = {lattice:.6f}, nat = 2, ntyp = 2
  ecutwfc = {ECUTWFC}, ecutrho = {ECUTRHO}, occupations = 'fixed'
/
&ELECTRONS
  conv_thr = 1.0d-11
/
ATOMIC_SPECIES
Mg {MASS["Mg"]} {PSEUDO["Mg"]}
O  {MASS["O"]} {PSEUDO["O"]}
ATOMIC_POSITIONS crystal
Mg 0.0 0.0 0.0
O  0.5 0.5 0.5
{kpoints}
"""


def ph_input(name, threshold):
    """Text of a ph.x input: response to an electric field only (Born charges, dielectric tensor)."""
    return f"""Born charges of {name}
&INPUTPH
  prefix = '{name}', outdir = './tmp_{name}'
  epsil = .true., zeu = .true., trans = .false.
  tr2_ph = {threshold:.1e}
/
0.0 0.0 0.0
""".replace("e-", "d-")


# --- running and saving ---------------------------------------------------------------------------------------


def run(args, program, name, text):
    """Run a program in the work folder unless its output is finished; save input and cleaned output here."""
    (args.work / f"{name}.in").write_text(text)
    output = args.work / f"{name}.out"
    if not (output.exists() and "JOB DONE" in output.read_text()):
        with open(args.work / f"{name}.in") as stdin, open(output, "w") as stdout:
            command = [*args.launch.split(), program, *args.options.split()]
            code = subprocess.run(
                command, stdin=stdin, stdout=stdout, stderr=subprocess.STDOUT, cwd=args.work
            )
        if code.returncode or "JOB DONE" not in output.read_text():
            sys.exit(f"{program} failed: see {output}")
    save(args, f"{name}.in", text)
    save(args, f"{name}.out", output.read_text())
    return output.read_text()


def save(args, filename, text):
    """Gzip a text into this folder, with the folders of the machine made relative."""
    text = text.replace(str(args.work), ".").replace(str(args.pseudo), "./pseudo")
    with open(HERE / f"{filename}.gz", "wb") as raw, gzip.GzipFile("", "wb", 9, raw, mtime=0) as packed:
        packed.write(text.encode())


# --- reading ------------------------------------------------------------------------------------------------------


def energy(output):
    """Last total energy, eV."""
    return float(re.findall(r"^!\s+total energy\s+=\s+(\S+) Ry", output, re.M)[-1]) * RYDBERG


def final_positions(output):
    """Positions (Å) of the last ATOMIC_POSITIONS card printed by a relaxation."""
    if "End of BFGS Geometry Optimization" not in output:
        sys.exit("the relaxation did not converge")
    card = output.split("ATOMIC_POSITIONS (angstrom)")[-1].split("End final coordinates")[0]
    rows = [line.split() for line in card.strip().splitlines()]
    return [tuple(float(x) for x in row[1:4]) for row in rows if len(row) >= 4]


def born_charges(output):
    """Effective charges printed by ph.x with acoustic sum rule *not* applied: [atom][field][displacement], e.

    ph.x prints for each atom the rows Ex, Ey, Ez: force on the atom in direction (column) per field (row), which is
    Z_ab = dP_a/dr_b with a the row.
    """
    block = output.split("Effective charges (d Force / dE)")[1].split("\n\n\n")[0]
    rows = re.findall(r"E\*?[xyz]\s*\(\s*(\S+)\s+(\S+)\s+(\S+)\s*\)", block)
    rows = [[float(x) for x in row] for row in rows]
    return [rows[k : k + 3] for k in range(0, len(rows), 3)]


def dielectric(output):
    """Electronic dielectric tensor printed by ph.x."""
    block = output.split("Dielectric constant in cartesian axis")[1]
    return [[float(x) for x in row] for row in re.findall(r"\(\s*(\S+)\s+(\S+)\s+(\S+)\s*\)", block)[:3]]


def seconds(output):
    """Wall time from the last timing line of a program, s."""
    found = re.findall(r"(?:PWSCF|PHONON)\s+:.*CPU\s+(.*)WALL", output)[-1]
    units = {"d": 86400, "h": 3600, "m": 60, "s": 1}
    return sum(float(value) * units[unit] for value, unit in re.findall(r"([\d.]+)\s*([dhms])", found))


# --- stages -------------------------------------------------------------------------------------------------------


def unfolded(points):
    """K_POINTS card of the primitive cell: what k-points of the 64-site cell (units of 2 pi / cell) unfold to."""
    translations = []  # of the cell's reciprocal lattice, modulo the primitive one's; units of 2 pi / cell
    for p in itertools.product(range(4), repeat=3):
        if tuple((x + 2) % 4 for x in p) not in translations:
            translations.append(p)
    rows = [
        " ".join(f"{(k + n) / 2:.7f}" for k, n in zip(point, p)) for point in points for p in translations
    ]
    return "\n".join([f"K_POINTS tpiba\n{len(rows)}", *(f"{row} 1" for row in rows)])


def stage_bulk(args):
    dense = "K_POINTS automatic\n8 8 8 0 0 0"
    for lattice in (4.05, 4.10, 4.165, 4.21, 4.26):
        name = f"bulk_{lattice:.3f}".replace(".", "p")
        run(args, "pw.x", name, bulk_input(name, lattice, dense, args))
    q = 0.25
    u, v, w = SINGLE_POINT
    stars = {  # whole stars but for k = -k, since no symmetry is used
        "gamma": [(0, 0, 0)],
        "shifted": [(q, q, q), (q, q, -q), (q, -q, q), (q, -q, -q)],
        "single": [(u, v, w), (v, u, w), (u, v, -w), (v, u, -w)],
    }
    run(args, "pw.x", "bulk_dense", bulk_input("bulk_dense", A, dense, args))
    run(args, "ph.x", "bulk_dense_ph", ph_input("bulk_dense", 1e-12))
    for label, points in stars.items():
        name = f"bulk_{label}"
        text = bulk_input(name, A, unfolded(points), args).replace(
            "occupations", "nosym = .true., occupations"
        )
        run(args, "pw.x", name, text)
        run(args, "ph.x", f"{name}_ph", ph_input(name, 1e-12))


def stage_relax_start(args):
    run(args, "pw.x", "start_relax", pw_input("start_relax", "relax", *guess_start(), args))


def stage_relax_saddle(args):
    run(args, "pw.x", "saddle_relax", pw_input("saddle_relax", "relax", *guess_saddle(), args))


def relaxed(args, which):
    return ideal_sites()[0], final_positions((args.work / f"{which}_relax.out").read_text())


def stage_born(args, which):
    card = SHIFTED if which == "start" else SINGLE
    text = pw_input(which, "scf", *relaxed(args, which), args, kpoints=card, conv=1e-11)
    run(args, "pw.x", f"{which}_scf", text)
    run(args, "ph.x", f"{which}_ph", ph_input(which, args.tr2_ph))
    shutil.rmtree(args.work / f"tmp_{which}", ignore_errors=True)


def stage_scf_saddle(args):
    text = pw_input("saddle_shifted", "scf", *relaxed(args, "saddle"), args, kpoints=SHIFTED)
    run(args, "pw.x", "saddle_shifted_scf", text)


def stage_scf_end(args):
    symbols, positions = end_from_start(relaxed(args, "start")[1])
    run(args, "pw.x", "end_scf", pw_input("end", "scf", symbols, positions, args))


def stage_summary(args):
    def finished(name):
        path = args.work / f"{name}.out"
        text = path.read_text() if path.exists() else ""
        return text if "JOB DONE" in text else None

    summary = {
        "lattice_constant_A": A,
        "cell_A": CELL,
        "charge_e": CHARGE,
        "migrating_atom": MIGRATING,
        "states": {},
    }
    relaxations = {"start": "start_relax", "saddle": "saddle_relax", "end": "end_scf"}
    for state, name in relaxations.items():
        text = finished(name)
        if text is None:
            continue
        entry = {"energy_eV": energy(text), "wall_s": seconds(text)}
        entry["symmetry_operations"] = int(re.findall(r"(\d+) Sym\. Ops", text)[0])
        if state == "end":
            entry["positions_A"] = end_from_start(relaxed(args, "start")[1])[1]
            entry["largest_force_eV_per_A"] = largest_force(text)
        else:
            entry["positions_A"] = final_positions(text)
            entry["largest_force_eV_per_A"] = largest_force(text)
        phonon = finished(f"{state}_ph")
        if phonon:
            charges = born_charges(phonon)
            entry["born_charges_e"] = charges
            entry["sum_rule_e"] = [[sum(z[a][b] for z in charges) for b in range(3)] for a in range(3)]
            entry["dielectric_tensor"] = dielectric(phonon)
            entry["born_wall_s"] = seconds(phonon)
        summary["states"][state] = entry
    summary["symbols"] = ideal_sites()[0]
    if {"start", "saddle"} <= summary["states"].keys():
        summary["barrier_eV"] = (
            summary["states"]["saddle"]["energy_eV"] - summary["states"]["start"]["energy_eV"]
        )
    shifted = [finished("start_scf"), finished("saddle_shifted_scf")]
    if all(shifted):
        summary["barrier_shifted_mesh_eV"] = energy(shifted[1]) - energy(shifted[0])
    summary["bulk"] = {}
    for mesh in ("dense", "gamma", "shifted", "single"):
        if text := finished(f"bulk_{mesh}_ph"):
            charges = born_charges(text)
            summary["bulk"][mesh] = {"born_charges_e": {"Mg": charges[0], "O": charges[1]}}
            summary["bulk"][mesh]["dielectric_tensor"] = dielectric(text)
    (HERE / "summary.json").write_text(json.dumps(summary, indent=1) + "\n")
    results.main()


def largest_force(output):
    """Largest component of the last forces printed by pw.x, eV/Å."""
    block = output.split("Forces acting on atoms")[-1].split("Total force")[0]
    rows = re.findall(r"force =\s+(\S+)\s+(\S+)\s+(\S+)", block.split("The non-local")[0])
    return max(abs(float(x)) for row in rows for x in row) * RYDBERG / 0.529177210903


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pseudo", required=True, type=Path, help="folder of the pseudopotentials")
    parser.add_argument("--work", required=True, type=Path, help="work folder (2 GB while ph.x runs)")
    parser.add_argument("--stages", nargs="+", choices=STAGES, default=STAGES)
    parser.add_argument(
        "--launch", default="", help='what stands before the programs, such as "mpirun -np 4"'
    )
    parser.add_argument("--options", default="", help='options behind them, such as "-ndiag 1"')
    parser.add_argument("--tr2-ph", type=float, default=1e-12, help="threshold of ph.x for the charged cell")
    args = parser.parse_args()
    args.work = args.work.resolve()
    args.pseudo = args.pseudo.resolve()
    args.work.mkdir(parents=True, exist_ok=True)
    for stage in args.stages:
        if stage.startswith("born_"):
            stage_born(args, stage.removeprefix("born_"))
        else:
            globals()[f"stage_{stage}"](args)


if __name__ == "__main__":
    main()
