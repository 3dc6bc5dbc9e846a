"""What an output of pw.x says: energy, forces, how they were computed, whether they are converged."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from ..ndarrays import FloatArray
from ..units import DIMENSIONS
from .common import fail, numbers, whole_number
from .settings import KPoints, Settings

__all__ = ["is_pw_output", "pw_energy", "pw_forces", "pw_settings"]

_RYDBERG = float(DIMENSIONS["energy"].units["Ha"]) / 2
_BOHR = float(DIMENSIONS["length"].units["bohr"])
_REMEDY = "give the output of a finished calculation"
_NUMBER = r"\s*(-?\d+\.\d+)"
_ENERGY = re.compile(r"^(!{1,2})\s+total energy\s+=\s*(\S+)\s*Ry", re.MULTILINE)
_FORCE = re.compile(r"atom\s+\d+\s+type\s+\d+\s+force =\s*(\S+)\s+(\S+)\s+(\S+)")
_KPOINT = re.compile(r"k\(\s*\d+\) = \(" + _NUMBER * 3 + r"\s*\), wk =\s*(\S+)")
_AXIS = re.compile(r"a\([123]\) = \(" + _NUMBER * 3)
_TOLD = {
    "NIONS": r"number of atoms/cell\s*=\s*(\d+)",
    "electrons": r"number of electrons\s*=\s*([\d.]+)",
    "ecutwfc": r"kinetic-energy cutoff\s*=\s*([\d.]+)",
    "ecutrho": r"charge density cutoff\s*=\s*([\d.]+)",
    "EXX-fraction": r"EXX-fraction\s*=\s*([\d.]+)",
}


def is_pw_output(text: str) -> bool:
    """Whether a text is what pw.x prints."""
    return re.search(r"Program PWSCF", text[:20_000], re.IGNORECASE) is not None


def pw_energy(file: Path, text: str) -> float:
    """eV, of the last converged step; with exact exchange that of its outer loop ("!!")."""
    found = [(m[1], m[2]) for m in _ENERGY.finditer(text)]
    outer = [value for mark, value in found if mark == "!!"]
    values = outer or [value for _, value in found]
    if not values:
        raise fail(file, "this output of pw.x has no final energy (!    total energy)", _REMEDY)
    return numbers(values[-1:], file)[0] * _RYDBERG


def pw_forces(file: Path, text: str, n_atoms: int) -> FloatArray | None:
    """(n_atoms, 3) eV/Å of the last step, or None. With high verbosity its parts follow: only the sum is taken."""
    at = text.rfind("Forces acting on atoms")
    rows = [m.groups() for m in _FORCE.finditer(text[at:])][:n_atoms] if at >= 0 else []
    if len(rows) != n_atoms:
        return None
    return np.array([numbers(row, file) for row in rows]) * (_RYDBERG / _BOHR)


def pw_settings(file: Path, text: str, where: str) -> Settings:
    """As far as the output tells."""
    header = text[: text.find("iteration #")] if "iteration #" in text else text
    values: dict[str, Any] = {"code": "Quantum ESPRESSO"}
    if version := re.search(r"Program PWSCF\s+v\.?(\S+)", header, re.IGNORECASE):
        values["version"] = version[1]
    for name, pattern in _TOLD.items():
        if found := re.findall(pattern, header):
            values[name] = float(found[-1])
    values.setdefault("EXX-fraction", 0.0)
    if found := re.findall(r"Exchange-correlation\s*=\s*([^(\n]*)", header):
        values["functional"] = " ".join(found[-1].split()) or None
    disperses = re.findall(r"(DFT-D\d?|Tkatchenko|Many-body|XDM)\b[^\n]*(?:[Dd]isp|[Cc]orr)", header)
    values["dispersion"] = disperses[0] if disperses else "none"
    values["+U"] = _hubbard(header)
    values["spin"] = _spin(header)
    if points := re.search(r"number of k points=\s*\d+([^\n]*)", header):
        values["smearing"] = " ".join(points[1].split()) or "none"
    values["pseudopotentials"] = _pseudopotentials(header)
    entropy = re.findall(r"smearing contrib\. \(-TS\)\s*=\s*(\S+)\s*Ry", text)
    left = numbers(entropy[-1:], file)[0] * _RYDBERG if entropy else None
    cell, kpoints = _kpoints(file, header)
    return Settings(
        where=where,
        file=file,
        values=values,
        kpoints=kpoints,
        cell=cell,
        entropy=left,
        doubts=tuple(_doubts(text)),
    )


def _hubbard(header: str) -> str:
    """U, V and J of all species in one text: lines of QE 7, or the table of QE 6 and before."""
    lines = re.findall(r"^\s*([UVJ]\w*\([^)=]*\))\s*=\s*(\S+)", header, re.MULTILINE)
    if lines:
        return ", ".join(f"{name} = {value}" for name, value in lines)
    table = re.search(r"LDA\+U calculation[^\n]*\n((?:[ \t]+\S[^\n]*\n)+)", header)
    rows = [" ".join(r.split()) for r in table[1].split("\n")] if table else []
    return ", ".join(r for r in rows if re.match(r"[A-Z][a-z]?\w* ", r) and re.search(r"\d\.\d", r)) or "none"


def _spin(header: str) -> str:
    if re.search("noncollinear calculation|non magnetic calculation", header, re.IGNORECASE):
        return "noncollinear" + (", spin-orbit" if "with spin-orbit" in header else "")
    return "polarized" if "Starting magnetic structure" in header else "not polarized"


def _pseudopotentials(header: str) -> list[str] | None:
    """Element and check sum of each, or the name of the file where there is no sum."""
    found = re.findall(
        r"PseudoPot\. #\s*\d+ for\s+(\S+)\s+read from file:?\s+(\S+)(?:\s+MD5 check sum:\s*(\w+))?", header
    )
    return sorted(f"{element} {md5 or Path(name).name}" for element, name, md5 in found) or None


def _kpoints(file: Path, header: str) -> tuple[FloatArray | None, KPoints | None]:
    """(cell, points); they are listed in Cartesian axes, 2 pi/alat."""
    axes = np.array([numbers(m.groups(), file) for m in _AXIS.finditer(header)][:3])
    alat = re.search(r"lattice parameter \(a(?:lat|_0)\)\s*=\s*([\d.]+)", header)
    usable = axes.shape == (3, 3) and abs(np.linalg.det(axes)) > 1e-6 and alat is not None
    cell = axes * (float(alat[1]) * _BOHR) if usable and alat is not None else None
    told = re.search(r"number of k points=\s*(\d+)", header)
    if told is None:
        return cell, None
    number = whole_number(told[1])
    groups = re.search(r"(\d+) Sym\. ?Ops\.", header)
    symmetries = 1 if "No symmetry found" in header else whole_number(groups[1]) if groups else None
    rows = [numbers(m.groups(), file) for m in _KPOINT.finditer(header)][:number]
    if len(rows) != number or cell is None or sum(r[3] for r in rows) <= 0:
        return cell, KPoints(number, None, symmetries)
    points = np.array(rows)
    points[:, :3] = points[:, :3] @ axes.T
    return cell, KPoints(number, points, symmetries)


def _doubts(text: str) -> list[str]:
    doubts = []
    failed, done = text.rfind("convergence NOT achieved"), text.rfind("convergence has been achieved")
    if failed > done:
        doubts.append(
            "the electronic loop is not converged (convergence NOT achieved): the energy is not final"
        )
    if "BFGS Geometry Optimization" in text or "Damped Dynamics" in text:
        stopped = re.search(
            r"maximum number of steps has been reached|bfgs failed after|history already reset", text
        )
        ended = re.search(r"bfgs converged in|End of (BFGS|damped dynamics)|Begin final coordinates", text)
        if stopped or not ended:
            doubts.append("not converged: the relaxation stopped before its forces reached the criterion")
    if "JOB DONE" not in text:
        doubts.append("the output breaks off: energy of its last finished step")
    return doubts
