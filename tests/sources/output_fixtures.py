"""Outputs of a made-up hop in three images, as VASP and pw.x would print them; every setting can be changed."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations, product
from pathlib import Path
from typing import Any

import numpy as np

CELL = 6.0
SYMBOLS = ("Li", "Li", "Li", "F")
RYDBERG, BOHR = 13.605693122990, 0.529177210544
ENERGIES = (-20.0, -19.6, -20.0)
GAMMA = ((0.0, 0.0, 0.0, 1.0),)


def positions(image: int) -> np.ndarray:
    """Atom 2 walks 1.2 Å along x and rises on its way."""
    return np.array([[0.0, 0, 0], [0, 3, 0], [2 + 0.6 * image, 0.3 * (image == 1), 3], [3, 3, 3]])


def mesh(n: Sequence[int], shift: float = 0.0) -> np.ndarray:
    """(n, 4) all points of a mesh, with weight 1 each."""
    axes = [(np.arange(k) + shift) / k for k in n]
    return np.array([(*k, 1.0) for k in product(*axes)])


def reduced(points: np.ndarray, *, cubic: bool) -> np.ndarray:
    """One of each set of equivalent points with the sum of their weights: of the cube, or of time reversal alone."""
    operations = [np.eye(3), -np.eye(3)]
    if cubic:
        operations = [
            np.array([[s[i] * (p[i] == j) for j in range(3)] for i in range(3)])
            for p in permutations(range(3))
            for s in product((1, -1), repeat=3)
        ]
    kept: dict[tuple[int, ...], list[float]] = {}
    for point in points:
        orbit = {tuple(np.round((op @ point[:3]) % 1.0 * 720).astype(int) % 720) for op in operations}
        known = next((o for o in orbit if o in kept), None)
        if known is None:
            kept[min(orbit)] = [*point[:3], 0.0]
            known = min(orbit)
        kept[known][3] += point[3]
    return np.array(list(kept.values()))


def outcar(image: int, energy: float, **told: Any) -> str:
    """``told``: tags, and kpoints, steps (electronic, of the last ionic step), end (of the loop), reached, entropy."""
    points = np.array(told.pop("kpoints", GAMMA))
    end = told.pop("end", "aborting loop because EDIFF is reached")
    steps, reached = told.pop("steps", 12), told.pop("reached", True)
    force, tangent = told.pop("force", 0.0), told.pop("tangent", None)
    entropy = told.pop("entropy", -0.04)
    hubbard = told.pop("hubbard", "")
    version, titel = told.pop("version", "6.4.2"), told.pop("titel", "PAW_PBE Li 17Jan2003")
    tags: dict[str, Any] = {
        "PREC": "accura", "ISPIN": 1, "LNONCOLLINEAR": "F", "LSORBIT": "F", "LASPH": "T", "METAGGA": "F",
        "ENCUT": "400.0 eV", "NELM": 60, "LREAL": "F", "EDIFFG": "-.2E-01", "NSW": 100, "IBRION": 3,
        "NELECT": 22.0, "NUPDOWN": -1.0, "ISMEAR": 0, "SIGMA": 0.05, "GGA": "--", "LEXCH": 8, "LHFCALC": "F",
        "AEXX": 0.0,
    } | told  # fmt: skip
    lines = [f" vasp.{version} 20Oct23 complex", " INCAR:", f"   TITEL  = {titel}"]
    lines += ["   TITEL  = PAW_PBE F 08Apr2002", "   VRHFIN =Li: s1p0", "   VRHFIN =F: s2p5"]
    lines += ["   ions per type =  3   1", " Subroutine IBZKPT returns following result:", ""]
    lines += [f" Found {len(points):6d} irreducible k-points:", "", " Following reciprocal coordinates:"]
    lines += ["            Coordinates               Weight"]
    lines += ["".join(f"{x:10.6f}" for x in p[:3]) + f"{p[3]:14.6f}" for p in points]
    lines += [
        "",
        f"   k-points           NKPTS = {len(points):6d}   k-points in BZ",
        "  number of ions     NIONS =      4",
    ]
    lines += [f"   {key} = {value}" for key, value in tags.items()] + ([hubbard] if hubbard else [])
    lines += ["      direct lattice vectors                 reciprocal lattice vectors"]
    lines += ["".join(f"{x:13.9f}" for x in (*row, *row)) for row in CELL * np.eye(3)]
    lines += [" position of ions in cartesian coordinates  (Angst):"]
    lines += ["".join(f"{x:13.8f}" for x in row) for row in positions(image)]
    for k in range(1, steps + 1):
        lines.append(f"----------------------------------------- Iteration    1({k:4d})  ------------------")
    lines += [f"------------------------ {end} ----------"] if end else []
    lines += [" POSITION                                       TOTAL-FORCE (eV/Angst)", " " + 83 * "-"]
    for atom, row in enumerate(positions(image)):
        pull = (0.0, 0.0, force if atom == 2 else 0.0)
        lines.append("".join(f"{x:13.5f}" for x in row) + "   " + "".join(f"{x:14.6f}" for x in pull))
    lines += [" " + 83 * "-", "  FREE ENERGIE OF THE ION-ELECTRON SYSTEM (eV)"]
    lines += [f"  free  energy   TOTEN  = {energy + entropy / 2:18.8f} eV"]
    lines += [f"  energy  without entropy= {energy - entropy / 2:18.8f}  energy(sigma->0) = {energy:18.8f}"]
    if tangent is not None:
        lines.append(f" NEB: projections on to tangent (spring, REAL)   -0.001  {tangent:12.6f}")
    lines += [" reached required accuracy - stopping structural energy minimisation"] if reached else []
    lines.append(" General timing and accounting informations for this job:")
    return "\n".join(lines) + "\n"


def vasprun(image: int, energy: float, **told: Any) -> str:
    points = np.array(told.pop("kpoints", GAMMA))
    loops, force = told.pop("loops", 5), told.pop("force", 0.0)
    titel = told.pop("titel", "PAW_PBE Li 17Jan2003")
    tags: dict[str, Any] = {
        "ENMAX": 400.0,
        "NELECT": 22.0,
        "ISPIN": 1,
        "ISMEAR": 0,
        "SIGMA": 0.05,
        "GGA": "--",
    }
    tags |= {"METAGGA": "--", "NELM": 60, "NSW": 0, "IBRION": -1, "EDIFFG": -0.02, "LHFCALC": "F"} | told

    def vectors(rows: Any) -> str:
        return "".join("<v>" + " ".join(f"{x:.8f}" for x in row) + "</v>" for row in rows)

    structure = f'<structure><crystal><varray name="basis">{vectors(CELL * np.eye(3))}</varray></crystal>'
    structure += f'<varray name="positions">{vectors(positions(image) / CELL)}</varray></structure>'
    energies = "".join(f'<i name="{n}">{energy:.8f}</i>' for n in ("e_fr_energy", "e_wo_entrp", "e_0_energy"))
    pulls = [(0, 0, force if k == 2 else 0) for k in range(4)]
    listed = {k: v for k, v in tags.items() if isinstance(v, list)}
    scalars = "".join(f'<i name="{k}">{v}</i>' for k, v in tags.items() if k not in listed)
    scalars += "".join(f'<v name="{k}">{" ".join(map(str, v))}</v>' for k, v in listed.items())
    return (
        '<?xml version="1.0" encoding="ISO-8859-1"?><modeling>'
        '<generator><i name="version" type="string">6.4.2</i></generator>'
        f'<kpoints><varray name="kpointlist">{vectors(points[:, :3])}</varray>'
        f'<varray name="weights">{vectors(points[:, 3:] / points[:, 3].sum())}</varray></kpoints>'
        f"<parameters>{scalars}</parameters>"
        '<atominfo><array name="atoms"><set>'
        + "".join(f"<rc><c>{s} </c><c>1</c></rc>" for s in SYMBOLS)
        + f'</set></array><array name="atomtypes"><set><rc><c>3</c><c>Li</c><c>7.0</c><c>5.0</c><c>{titel}</c></rc>'
        "<rc><c>1</c><c>F</c><c>19.0</c><c>7.0</c><c>PAW_PBE F 08Apr2002</c></rc></set></array></atominfo>"
        "<calculation>" + loops * f"<scstep><energy>{energies}</energy></scstep>" + f"{structure}"
        f'<varray name="forces">{vectors(pulls)}</varray><energy>{energies}</energy></calculation></modeling>'
    )


def pw(image: int, energy: float, **told: Any) -> str:
    """``told``: what stands in the summary, and kpoints (fractions), converged, listed (whether k-points are)."""
    points = np.array(told.pop("kpoints", GAMMA))
    converged, listed = told.pop("converged", True), told.pop("listed", True)
    exchange, more = told.pop("exchange", "PBE ( 1 4 3 4 0 0 0)"), told.pop("more", "")
    occupations, outer = told.pop("occupations", ""), told.pop("outer", None)
    version, md5 = told.pop("version", "7.2"), told.pop("md5", "e912e257baa3777c20ea3d68f190483c")
    summary = {"number of electrons": 10.0, "kinetic-energy cutoff": "60.0000  Ry"} | told
    alat = CELL / BOHR
    lines = ["", f"     Program PWSCF v.{version} starts on  1Jan2024 at 12: 0: 0", ""]
    lines += [
        "     bravais-lattice index     =            0",
        f"     lattice parameter (alat)  = {alat:12.6f}  a.u.",
    ]
    lines += [
        "     number of atoms/cell      =            4",
        "     number of atomic types    =            2",
    ]
    lines += [f"     {key:26}=     {value}" for key, value in summary.items()]
    lines += [f"     Exchange-correlation= {exchange}", ""] + ([more] if more else [])
    lines += [
        f"     celldm(1)={alat:11.6f}  celldm(2)=   0.000000",
        "",
        "     crystal axes: (cart. coord. in units of alat)",
    ]
    for i, row in enumerate(np.eye(3)):
        lines.append(f"               a({i + 1}) = (" + "".join(f"{x:11.6f}" for x in row) + "  )")
    lines += [
        "",
        "     PseudoPot. # 1 for Li read from file:",
        "     ./Li.upf",
        f"     MD5 check sum: {md5}",
        "",
    ]
    lines += ["   Cartesian axes", "", "     site n.     atom                  positions (alat units)"]
    for i, (symbol, row) in enumerate(zip(SYMBOLS, positions(image) / CELL, strict=True), start=1):
        lines.append(
            f"     {i:5d}           {symbol:2}  tau({i:4d}) = (" + "".join(f"{x:12.7f}" for x in row) + "  )"
        )
    lines += ["", f"     number of k points={len(points):6d}  {occupations}"]
    if listed:
        lines.append("                       cart. coord. in units 2pi/alat")
        for i, p in enumerate(points, start=1):
            place = "".join(f"{x:12.7f}" for x in p[:3])
            lines.append(f"        k({i:5d}) = ({place}), wk ={2 * p[3] / points[:, 3].sum():12.7f}")
    lines += ["", "     Self-consistent Calculation", "     iteration #  1     ecut=    60.00 Ry", ""]
    if converged:
        lines += [f"!    total energy              = {energy / RYDBERG:17.8f} Ry", ""]
        lines += [f"!!   total energy              = {outer / RYDBERG:17.8f} Ry"] if outer is not None else []
        lines += ["     convergence has been achieved in  11 iterations"]
    else:
        lines += [f"!    total energy              = {energy / RYDBERG:17.8f} Ry", ""]
        lines += ["     convergence NOT achieved after 100 iterations: stopping"]
    lines += ["", "     Forces acting on atoms (cartesian axes, Ry/au):", ""]
    for i in range(4):
        lines.append(f"     atom {i + 1:4d} type  1   force =     0.00000000    0.00000000    0.00000000")
    lines += ["", "   JOB DONE.", ""]
    return "\n".join(lines)


def write_list(folder: Path, form: str, changes: Sequence[dict[str, Any]] = ({}, {}, {})) -> list[Path]:
    """One output for each image; ``changes`` of its settings."""
    writers = {"OUTCAR": outcar, "vasprun.xml": vasprun, "pw.out": pw}
    files = []
    for k, (energy, change) in enumerate(zip(ENERGIES, changes, strict=True)):
        (folder / f"{k:02d}").mkdir(parents=True, exist_ok=True)
        files.append(folder / f"{k:02d}" / form)
        files[-1].write_text(writers[form](k, energy, **change))
    return files


def write_folders(folder: Path, form: str, changes: Sequence[dict[str, Any]] = ({}, {}, {})) -> Path:
    """Image folders of VASP."""
    for k, file in enumerate(write_list(folder, form, changes)):
        rows = "\n".join(" ".join(f"{x:.8f}" for x in row) for row in positions(k) / CELL)
        head = f"hop\n{CELL}\n1 0 0\n0 1 0\n0 0 1\nLi F\n3 1\nDirect\n"
        (file.parent / "CONTCAR").write_text(head + rows + "\n")
    return folder
