"""What the vasprun.xml of one image says; only what a path needs, so that damage elsewhere does not matter."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError
from ..ndarrays import FloatArray
from .common import fail, numbers, whole_number
from .files import read_packed_text
from .settings import KPoints, Settings
from .settings_vasp import (
    DEFAULTS,
    NOT_SELF_CONSISTENT,
    Run,
    finite,
    force_limit,
    functional_of,
    whose,
)
from .vasp_xml import last_structure, parse_vasprun, species, vector

__all__ = ["vasprun_run"]

_REMEDY = "this run is not finished or damaged: give its OUTCAR, or repeat it"
_NUMBERS = ("NELECT", "ISPIN", "NUPDOWN", "AEXX", "HFSCREEN", "IVDW", "IDIPOL", "ISMEAR", "SIGMA")
_WORDS = ("LNONCOLLINEAR", "LSORBIT", "LHFCALC", "LASPH", "LSOL", "LREAL")


def vasprun_run(file: Path) -> Run:
    """Energy (sigma -> 0) and structure of the last ionic step, and how they were computed.

    Raises
    ------
    InputError : not a vasprun.xml, cut off, no energy or structure, numbers that are none (such as stars).
    """
    text = read_packed_text(file, "a vasprun.xml of VASP")
    root = parse_vasprun(file, text)
    if root.tag != "modeling":
        raise fail(file, "this is not a vasprun.xml of VASP", _REMEDY, value=f"<{root.tag}>")
    steps = root.findall("calculation")
    if not steps:
        raise fail(file, "this cannot be read as a vasprun.xml of VASP (no ionic step)", _REMEDY)
    values, tags = _values(root)
    structure = last_structure(file, root)
    if structure is None:
        raise fail(file, "this vasprun.xml has no structure", _REMEDY)
    cell, places = structure[0], structure[1] @ structure[0]
    symbols = tuple(species(root))
    values["NIONS"] = float(len(symbols))
    energy, entropy = _energy(file, steps[-1])
    forces = None
    if steps[-1].find("varray[@name='forces']") is not None:
        with suppress(InputError):  # stars where a force did not fit: the energy stands without it
            forces = _vectors(file, steps[-1], "varray[@name='forces']")
    limit = whole_number(tags.get("NELM"))
    # the last step of those that were allowed; before it the loop ended by its criterion
    loops = len(steps[-1].findall("scstep"))
    doubts = (NOT_SELF_CONSISTENT,) if 1 < limit <= loops else ()
    asked = whole_number(tags.get("NSW"))
    relaxes = asked > 0 and tags.get("IBRION") in ("1", "2", "3")
    return Run(
        file=file,
        energy=energy,
        slope=None,
        settings=Settings(
            where=whose(file),
            file=file,
            values=values,
            kpoints=_kpoints(file, root),
            cell=cell,
            entropy=entropy,
            doubts=doubts,
        ),
        finished=True,
        images=whole_number(tags.get("IMAGES")) or None,
        positions=places,
        cell=cell,
        symbols=symbols,
        forces=forces,
        force_limit=force_limit(tags.get("EDIFFG")),
        reached=len(steps) < asked if relaxes else None,
    )


def _values(root: ET.Element) -> tuple[dict[str, Any], dict[str, str]]:
    """Settings, and every tag as text: of the INCAR, then as used."""
    tags: dict[str, str] = {}
    # the first of a name counts (NELM comes again, of linear response); LDAUU as used is cut to one number
    for part in ("incar", "parameters"):
        found: dict[str, str] = {}
        for element in root.findall(f"./{part}//*[@name]"):
            if element.tag in ("i", "v"):
                found.setdefault(element.get("name", ""), " ".join((element.text or "").split()))
        tags |= {k: v for k, v in found.items() if not (k in tags and k.startswith("LDAU"))}
    values: dict[str, Any] = {"code": "VASP", **DEFAULTS}
    version = root.findtext("generator/i[@name='version']")
    values["version"] = (version or "").strip() or None
    for name in ("ENCUT", "ENMAX", *_NUMBERS):
        try:
            values["ENCUT" if name == "ENMAX" else name] = float(tags[name])
        except (KeyError, ValueError):
            continue
    for name in _WORDS:
        if told := tags.get(name):
            values[name] = told.strip(".").upper()[:1]
    values["PREC"] = tags["PREC"].upper()[:6] if tags.get("PREC") else None
    rows = root.findall("atominfo/array[@name='atomtypes']/set/rc")
    titles = sorted({" ".join((row[-1].text or "").split()) for row in rows if len(row)})
    values["pseudopotentials"] = titles or None
    values["functional"] = functional_of(tags.get("GGA"), None, titles)
    meta = tags.get("METAGGA", "--").upper()
    values["METAGGA"] = "none" if meta in ("", "--", "F", "NONE") else meta
    disperses = values["IVDW"] > 0 or tags.get("LUSE_VDW", "F").startswith("T")
    values["dispersion"] = "yes" if disperses else "no"
    values["+U"] = _hubbard(tags)
    return values, tags


def _hubbard(tags: dict[str, str]) -> str:
    if not tags.get("LDAU", "F").strip(".").upper().startswith("T"):
        return "none"
    told = [(name, tags[name]) for name in ("LDAUTYPE", "LDAUL", "LDAUU", "LDAUJ") if name in tags]
    return ", ".join(f"{name} = " + " ".join(f"{float(x):g}" for x in text.split()) for name, text in told)


def _energy(file: Path, step: ET.Element) -> tuple[float, float | None]:
    """(eV, -T S). VASP 5 writes a wrong e_0_energy at the end of a step; that of the electronic step is right."""
    total = {n: step.findtext(f"energy/i[@name='{n}']") for n in ("e_fr_energy", "e_0_energy")}
    loops = step.findall("scstep")
    if total["e_0_energy"] is None and total["e_fr_energy"] is None:
        raise fail(file, "this cannot be read as a vasprun.xml of VASP (no energy of the last step)", _REMEDY)
    last = {
        n: loops[-1].findtext(f"energy/i[@name='{n}']") if loops else None
        for n in ("e_fr_energy", "e_0_energy", "e_wo_entrp")
    }
    if None in (total["e_fr_energy"], last["e_fr_energy"], last["e_0_energy"]):
        return finite(file, total["e_0_energy"] or total["e_fr_energy"]), None
    free, smooth = finite(file, last["e_fr_energy"]), finite(file, last["e_0_energy"])
    entropy = None if last["e_wo_entrp"] is None else free - finite(file, last["e_wo_entrp"])
    return finite(file, total["e_fr_energy"]) + smooth - free, entropy


def _kpoints(file: Path, root: ET.Element) -> KPoints | None:
    if root.find("kpoints/varray[@name='kpointlist']") is None:
        return None
    points = _vectors(file, root, "kpoints/varray[@name='kpointlist']")
    weights = root.findall("kpoints/varray[@name='weights']/v")
    if len(weights) != len(points):
        return KPoints(len(points))
    weight = np.array([numbers((w.text or "").split()[:1], file) for w in weights])
    return KPoints(len(points), np.hstack([points, weight])) if weight.sum() > 0 else KPoints(len(points))


def _vectors(file: Path, place: ET.Element, path: str) -> FloatArray:
    rows = [vector(file, v) for v in place.findall(f"{path}/v")]
    if not rows or any(len(row) != 3 for row in rows):
        raise fail(file, f"this cannot be read as a vasprun.xml of VASP (broken vectors at {path})", _REMEDY)
    return np.array(rows)
