"""What the OUTCAR of one image says: its energy, how it was computed, whether it is converged."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..ndarrays import FloatArray
from .columns import split_columns
from .common import fail, whole_number
from .settings import KPoints, Settings

__all__ = [
    "DEFAULTS",
    "NOT_SELF_CONSISTENT",
    "Run",
    "finite",
    "force_limit",
    "functional_of",
    "outcar_run",
    "outcar_settings",
    "whose",
]

# Two blanks after "energy": the summary of an ionic step. With one blank it is an electronic step on its way,
# which pymatgen's Outcar.read_neb takes as well; a killed run would then give the energy of a bad density.
_ENERGY = re.compile(r"energy  without entropy\s*=\s*(\S+)\s+energy\(sigma->0\)\s*=\s*(\S+)")
_FREE = re.compile(r"free  energy\s+TOTEN\s*=\s*(\S+)")
_TANGENT = re.compile(
    r"(?:NEB: projections on to tangent \(spring, REAL\)\s+\S+|tangential force \(eV/A\))\s+(\S+)"
)
_LOOP = re.compile(
    r"aborting loop (because EDIFF is reached|EDIFF was not reached|because hard stop)|Iteration\s+\d+\(\s*(\d+)\)"
)
_NUMBERS = (
    "NIONS",
    "NELECT",
    "ENCUT",
    "ISPIN",
    "NUPDOWN",
    "AEXX",
    "HFSCREEN",
    "IVDW",
    "IDIPOL",
    "ISMEAR",
    "SIGMA",
)
_WORDS = ("LNONCOLLINEAR", "LSORBIT", "LHFCALC", "LASPH", "LSOL", "PREC", "LREAL")
DEFAULTS: dict[str, Any] = {"ISPIN": 1.0, "NUPDOWN": -1.0, "AEXX": 0.0, "IVDW": 0.0, "IDIPOL": 0.0}
DEFAULTS |= {"LNONCOLLINEAR": "F", "LSORBIT": "F", "LHFCALC": "F", "LSOL": "F", "METAGGA": "none"}
"""What VASP takes where a file does not tell."""

NOT_SELF_CONSISTENT = (
    "the electronic loop is not converged (it stopped at its limit NELM): the energy is not final"
)
_LDAU = ("LDAUTYPE", "LDAUL", "LDAUU", "LDAUJ")
_LEXCH = {"2": "CA", "8": "PE"}  # codes of what POTCAR names by letters
_DECIMAL = re.compile(r"-?\d+\.\d+\Z")
_ROW = re.compile(r"\s*" + r"\s*(-?\d+\.\d+)" * 4 + r"\s*$")


@dataclass(kw_only=True)
class Run:
    """One image.

    slope : dE/ds along the band, eV/Å, which only an image between others has. images : how many lie between the
        ends, as the run was told, or None. positions, cell, symbols : of the structure the energy belongs to.
    forces : (n_atoms, 3) eV/Å or None. force_limit : largest one allowed, eV/Å, or None. reached : whether the
        relaxation ended by its criterion; None where the file does not tell, as that of a single point.
    """

    file: Path
    energy: float
    slope: float | None
    settings: Settings
    finished: bool
    images: int | None = None
    positions: FloatArray | None = None
    cell: FloatArray | None = None
    symbols: tuple[str, ...] | None = None
    forces: FloatArray | None = None
    force_limit: float | None = None
    reached: bool | None = None


def whose(file: Path) -> str:
    """What a run is called in messages: the folder of an OUTCAR, else its file."""
    usual = file.name.startswith(("OUTCAR", "vasprun"))
    return file.absolute().parent.name if usual else file.name


def finite(file: Path, text: str | None) -> float:
    """The number that a file gives as an energy or a force."""
    try:
        value = float(text or "")
    except ValueError:
        value = float("nan")
    if not np.isfinite(value):
        raise fail(file, "the energy or force is not a number", "this image failed: repeat it", value=text)
    return value


def outcar_run(file: Path, text: str) -> Run:
    """Energy (sigma -> 0) of the last finished ionic step, and what belongs to it.

    Raises
    ------
    InputError : no energy of a finished step, or one that is not a number.
    """
    summaries = list(_ENERGY.finditer(text))
    if not summaries:
        begun = "sigma->0" in text
        why = "it breaks off inside the first electronic relaxation" if begun else "it breaks off before"
        raise fail(
            file,
            f"the OUTCAR of image {whose(file)} has no final energy (energy(sigma->0)): {why}",
            "repeat this image",
        )
    found = summaries[-1]
    # what is printed after the last summary belongs to a step that never ended, but for the forces along the band
    upto = text[: found.end()]
    free = _last(_FREE, upto, "free  energy")
    tangent = _last(_TANGENT, text, "NEB: projections", "tangential force")
    header = _header(text)
    entropy = None if free is None else finite(file, free) - finite(file, found[1])
    settings = replace(
        outcar_settings(file, text), entropy=entropy, doubts=tuple(_electronic_doubts(upto, header))
    )
    reached, limit = _rest(text, header)
    positions, forces = _last_table(upto)
    return Run(
        file=file,
        energy=finite(file, found[2]),
        slope=None if tangent is None else -finite(file, tangent),
        settings=settings,
        finished="General timing and accounting" in text,
        images=whole_number(_tag(header, "IMAGES")) or None,
        positions=positions,
        forces=forces,
        force_limit=limit,
        reached=reached,
    )


def outcar_settings(file: Path, text: str) -> Settings:
    """How a run was computed, whether or not it came to an energy."""
    header = _header(text)
    doubts = tuple(_electronic_doubts(text, header))
    return Settings(
        where=whose(file),
        file=file,
        values=_values(text),
        kpoints=_kpoints(header),
        cell=_cell(text),
        entropy=None,
        doubts=doubts,
    )


def _backwards(pattern: re.Pattern[str], text: str, *words: str) -> Iterator[re.Match[str]]:
    """Matches from the last one on, each of which begins with one of these words.

    An OUTCAR is long, and a search for plain words is a hundred times quicker than one for a pattern.
    """
    at = len(text)
    while (at := max(text.rfind(word, 0, at) for word in words)) >= 0:
        if found := pattern.match(text, at):
            yield found


def _last(pattern: re.Pattern[str], text: str, *words: str) -> str | None:
    return next((found[1] for found in _backwards(pattern, text, *words)), None)


def _header(text: str) -> str:
    """Everything before the first electronic step: settings as read and as used."""
    for mark in (" Iteration ", "aborting loop", "FREE ENERGIE"):
        if (at := text.find(mark)) > 0:
            return text[:at]
    return text


def _tag(header: str, name: str) -> str | None:
    """The last value of a tag: that in use stands after that of the INCAR."""
    return _last(re.compile(rf"(?<![A-Z_]){name}\s*=\s*([^\s;]+)"), header, name)


def _values(text: str) -> dict[str, Any]:
    header = _header(text)
    values: dict[str, Any] = {"code": "VASP", **DEFAULTS}
    if version := re.search(r"vasp\.(\d\S*)", header[:2000]):
        values["version"] = version[1]
    for name in _NUMBERS:
        if (told := _tag(header, name)) is not None:
            try:
                values[name] = float(told)
            except ValueError:
                continue  # stars where a number did not fit
    for name in _WORDS:
        if (told := _tag(header, name)) is not None:
            values[name] = told.strip(".").upper()[: 6 if name == "PREC" else 1]
    titles = {" ".join(t.split()) for t in re.findall(r"TITEL\s*=\s*(\S[^\n]*)", header)}
    values["pseudopotentials"] = sorted(titles) or None
    exchange = _tag(header, "LEXCH")
    gga = _last(re.compile(r"(?<![A-Z_])GGA\s*=\s*(\S+)"), header, "GGA")
    values["functional"] = functional_of(gga, _LEXCH.get(exchange or "", exchange), sorted(titles))
    meta = [m.upper() for m in re.findall(r"METAGGA\s*=\s*(\S+)", header)]
    values["METAGGA"] = next((m for m in meta if m not in ("F", "--", "NONE", ".FALSE.")), "none")
    disperses = "Edisp (eV)" in text or values["IVDW"] > 0 or _tag(header, "LUSE_VDW") in ("T", ".TRUE.")
    values["dispersion"] = "yes" if disperses else "no"
    values["+U"] = _hubbard(header)
    return values


def functional_of(gga: str | None, exchange: str | None, titles: list[str]) -> str:
    """The tag GGA, or what POTCAR says where it is not set."""
    if gga and gga != "--":
        return gga.upper()
    if exchange:
        return exchange
    kind = titles[0].split(" ")[0] if titles else ""
    return {"PAW_PBE": "PE", "PAW": "CA", "PAW_GGA": "91"}.get(kind, kind) or "that of POTCAR"


def _hubbard(header: str) -> str:
    """All of LDA+U in one text; its block is missing where there is none."""
    told = []
    for name in _LDAU:
        pattern = re.compile(rf"(?<![A-Z_]){name}\s*=((?:[ \t]+-?[\d.]+)+)")
        if found := _last(pattern, header, name):
            told.append(f"{name} = " + " ".join(f"{float(x):g}" for x in found.split()))
    off = _backwards(re.compile(r"(?<![A-Z_])LDAU\s*=\s*\.?F"), header, "LDAU")
    switched_off = "LDA+U is selected" not in header and any(off)
    return "none" if switched_off or not told else ", ".join(told)


def _cell(text: str) -> FloatArray | None:
    at = text.rfind("direct lattice vectors")
    rows = [r.split() for r in text[at:].split("\n")[1:4]] if at >= 0 else []
    try:
        cell = np.array([[float(x) for x in row[:3]] for row in rows])
    except ValueError:
        return None
    usable = cell.shape == (3, 3) and np.isfinite(cell).all() and abs(np.linalg.det(cell)) > 1e-3
    return cell if usable else None


def _kpoints(header: str) -> KPoints | None:
    told = re.search(r"NKPTS\s*=\s*(\d+)", header)
    groups = re.findall(r"Found\s+(\d+) space group operations", header)
    symmetries = whole_number(groups[-1]) if groups else None
    points: list[list[float]] = []
    # whole weights where VASP made the mesh, else three digits
    for heading in ("Following reciprocal coordinates:", "k-points in reciprocal lattice and weights"):
        if points or heading not in header:
            continue
        for line in header[header.index(heading) :].split("\n")[1:]:
            if row := _ROW.match(line):
                points.append([float(x) for x in row.groups()])
            elif points or "Coordinates" not in line:
                break
    if points and sum(p[3] for p in points) > 0:
        return KPoints(len(points), np.array(points), symmetries)
    return None if told is None else KPoints(whole_number(told[1]), None, symmetries)


def _electronic_doubts(upto: str, header: str) -> list[str]:
    limit = whole_number(_tag(header, "NELM"))
    last = next(_backwards(_LOOP, upto, "aborting loop", "Iteration"), None)
    ended, step = (last[1] or "", whole_number(last[2])) if last else ("", 0)
    at_limit = not ended and step >= limit > 0
    if at_limit or ended not in ("", "because EDIFF is reached"):
        return [NOT_SELF_CONSISTENT]
    return []


def _rest(text: str, header: str) -> tuple[bool | None, float | None]:
    """Whether a relaxation reached its criterion (None: a single point that does not say), and that of the force."""
    steps, motion, criterion = (_tag(header, t) for t in ("NSW", "IBRION", "EDIFFG"))
    reached: bool | None = "reached required accuracy" in text
    if not reached and not (whole_number(steps) and motion in ("1", "2", "3")):
        reached = None
    return reached, force_limit(criterion)


def force_limit(criterion: str | None) -> float | None:
    """Largest force that EDIFFG allows, eV/Å; None where it is one of energy."""
    try:
        value = float(criterion or "")
    except ValueError:
        return None
    return -value if value < 0 else None


def _last_table(upto: str) -> tuple[FloatArray | None, FloatArray | None]:
    """Positions (Å) and forces (eV/Å), (n_atoms, 3) each, of the last step; their numbers may run together."""
    at = upto.rfind("TOTAL-FORCE")
    rows = []
    for line in upto[at:].split("\n")[2:] if at >= 0 else []:
        words = [w for w in split_columns(line) if _DECIMAL.match(w)]
        if len(words) < 6:
            break
        rows.append([float(x) for x in words[:6]])
    if not rows:
        return None, None
    table = np.array(rows)
    return table[:, :3], table[:, 3:]
