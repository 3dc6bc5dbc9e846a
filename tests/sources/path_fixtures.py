"""A vacancy hop in copper, computed here with ASE's EMT, and writers of what the codes would have left of it."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kmc_transport.errors import InputError
from kmc_transport.sources import read_path

HARTREE, BOHR = 27.211386245981, 0.529177210544
MIGRATING = 4


@cache
def _band() -> tuple[Any, ...]:
    from ase.build import bulk
    from ase.calculators.emt import EMT
    from ase.calculators.singlepoint import SinglePointCalculator
    from ase.mep import NEB
    from ase.optimize import BFGS, FIRE

    crystal = bulk("Cu", cubic=True, a=3.6) * (2, 2, 2)
    # the atom at (0, 5.4, 1.8) hops into the vacancy at the origin, through the face y = 7.2 = 0 of the cell
    hopping = int(np.flatnonzero(np.linalg.norm(crystal.positions - [0, 5.4, 1.8], axis=1) < 0.1)[0])
    start, end = crystal.copy(), crystal.copy()
    end.positions[hopping] = [0, 7.2, 0]
    del start[0], end[0]
    order = [i for i in range(len(start)) if i != hopping - 1]
    order.insert(MIGRATING, hopping - 1)
    start, end = start[order], end[order]
    images = [start, *(start.copy() for _ in range(5)), end]
    for image in images:
        image.calc = EMT()
    for image in (start, end):
        BFGS(image, logfile=None).run(fmax=0.01)
    band = NEB(images, method="improvedtangent", climb=True)
    band.interpolate()
    FIRE(band, logfile=None).run(fmax=0.03)
    done = []
    for image in images:
        kept = image.copy()
        kept.calc = SinglePointCalculator(
            kept, energy=image.get_potential_energy(), forces=image.get_forces().copy()
        )
        done.append(kept)
    return tuple(done)


def band() -> list[Any]:
    """Seven images of the hop with energies and forces (atom `MIGRATING` hops), copies to change at will."""
    images = []
    for image in _band():
        copy = image.copy()
        copy.calc = type(image.calc)(copy, **{k: np.copy(v) for k, v in image.calc.results.items()})
        images.append(copy)
    return images


def reattached(images: list[Any]) -> list[Any]:
    """The same images after a change of their atoms, which ASE takes as the end of their energies and forces."""
    for image in images:
        if image.calc is not None:
            n, results = len(image), image.calc.results
            kept = {k: v for k, v in results.items() if k != "forces" or len(v) == n}
            image.calc = type(image.calc)(image, **kept)
    return images


def energies(images: list[Any]) -> np.ndarray:
    return np.array([float(i.calc.results["energy"]) for i in images])


def steps(images: list[Any]) -> np.ndarray:
    """Distances between neighbouring images (their atoms not wrapped), Å."""
    d = np.diff([i.positions for i in images], axis=0)
    return np.linalg.norm(d.reshape(len(d), -1), axis=1)


def tangential_forces(images: list[Any]) -> np.ndarray:
    """(n,) eV/Å, 0 at the ends."""
    found = [0.0]
    for before, here, after in zip(images, images[1:], images[2:], strict=False):
        tangent = after.positions - before.positions
        found.append(float((here.calc.results["forces"] * tangent).sum() / np.linalg.norm(tangent)))
    return np.array([*found, 0.0])


def write_traj(path: Path, images: list[Any]) -> Path:
    from ase.io import write

    write(path, reattached(images))
    return path


def write_db(file: Path, images: list[Any], **keys: Any) -> Path:
    from ase.db import connect

    database = connect(str(file), use_lock_file=False)
    for image in images:
        database.write(image, **keys)
    return file


def outcar(energy: float, n_atoms: int, tangent: float | None = None, *, finished: bool = True) -> str:
    """The lines of an OUTCAR that matter: settings, electronic steps, the summary of the ionic step."""
    lines = [
        " vasp.6.3.2 complex",
        f"   number of dos      NEDOS =    301   number of ions     NIONS = {n_atoms:6d}",
        "   ENCUT  =  400.0 eV  29.40 Ry    5.42 a.u.",
        f"   NELECT =  {11 * n_atoms:12.4f}    total number of electrons",
        f"  energy without entropy = {energy + 7:18.8f}  energy(sigma->0) = {energy + 7:18.8f}",
    ]
    if finished:
        lines += [
            "  FREE ENERGIE OF THE ION-ELECTRON SYSTEM (eV)",
            f"  free  energy   TOTEN  = {energy - 0.01:18.8f} eV",
            f"  energy  without entropy= {energy + 0.01:18.8f}  energy(sigma->0) = {energy:18.8f}",
        ]
        if tangent is not None:
            lines.append(f" NEB: projections on to tangent (spring, REAL)   -0.001  {tangent:12.6f}")
        lines.append(" General timing and accounting informations for this job:")
    return "\n".join(lines) + "\n"


def vasprun(energy: float, image: Any) -> str:
    """A vasprun.xml small enough to write, whole enough for pymatgen."""
    rows = "".join(f"<v>{x:.10f} {y:.10f} {z:.10f}</v>" for x, y, z in image.get_scaled_positions())
    basis = "".join(f"<v>{x:.8f} {y:.8f} {z:.8f}</v>" for x, y, z in image.cell)
    forces = "".join(f"<v>{x:.8f} {y:.8f} {z:.8f}</v>" for x, y, z in image.calc.results["forces"])
    structure = (
        f'<crystal><varray name="basis">{basis}</varray></crystal><varray name="positions">{rows}</varray>'
    )
    atoms = "".join(f"<rc><c>{s}</c><c>1</c></rc>" for s in image.get_chemical_symbols())
    step = "".join(f'<i name="{n}">{energy:.8f}</i>' for n in ("e_fr_energy", "e_wo_entrp", "e_0_energy"))
    electronic = "<scstep><energy>" + step + "</energy></scstep>"
    return (
        '<?xml version="1.0" encoding="ISO-8859-1"?><modeling>'
        '<generator><i name="version" type="string">6.3.2</i></generator>'
        '<incar><i type="int" name="NSW">0</i><i name="ENCUT">400.0</i></incar>'
        '<kpoints><varray name="kpointlist"><v>0 0 0</v></varray><varray name="weights"><v>1</v></varray></kpoints>'
        '<parameters><separator name="electronic"><i name="ENCUT">400.0</i><i name="NELECT">341.0</i>'
        '<i type="int" name="NELM">60</i><i type="int" name="NSW">0</i><i type="int" name="IBRION">-1</i>'
        '<i type="int" name="ISPIN">1</i></separator></parameters>'
        f'<atominfo><array name="atoms"><set>{atoms}</set></array><array name="atomtypes"><set><rc><c>{len(image)}'
        "</c><c>Cu</c><c>63.5</c><c>11.0</c><c>PAW_PBE Cu 22Jun2005</c></rc></set></array></atominfo>"
        f'<structure name="initialpos">{structure}</structure>'
        f'<calculation>{electronic}<structure>{structure}</structure><varray name="forces">{forces}</varray>'
        f'<energy>{step}</energy></calculation><structure name="finalpos">{structure}</structure></modeling>'
    )


def write_vasp(folder: Path, images: list[Any], *, xml: bool = False) -> Path:
    """Image folders 00, 01, … with CONTCAR (POSCAR at the ends) and OUTCAR, or vasprun.xml instead of both."""
    from ase.io import write

    tangents = tangential_forces(images)
    for i, (image, energy) in enumerate(zip(images, energies(images), strict=True)):
        inside = folder / f"{i:02d}"
        inside.mkdir(parents=True)
        if xml:
            (inside / "vasprun.xml").write_text(vasprun(energy, image))
            continue
        end = i in (0, len(images) - 1)
        write(inside / ("POSCAR" if end else "CONTCAR"), image, format="vasp")
        (inside / "OUTCAR").write_text(outcar(energy, len(image), None if end else tangents[i]))
    return folder


def write_neb_analysis(path: Path, images: list[Any]) -> Path:
    """By pymatgen itself."""
    from pymatgen.analysis.transition_state import NEBAnalysis
    from pymatgen.core import Structure

    structures = [
        Structure(
            lattice=i.cell.array,
            species=i.get_chemical_symbols(),
            coords=i.positions,
            coords_are_cartesian=True,
        )
        for i in images
    ]
    r = np.concatenate([[0.0], np.cumsum(steps(images))])
    analysis = NEBAnalysis(r, energies(images), tangential_forces(images), structures)
    path.write_text(json.dumps(analysis.as_dict()))
    return path


def write_qe(folder: Path, images: list[Any], prefix: str = "cu") -> Path:
    """prefix.dat, .path and .axsf as neb.x lays them out; the .axsf by ASE. Returns the .dat file."""
    from ase.io import write

    folder.mkdir(parents=True, exist_ok=True)
    along = np.concatenate([[0.0], np.cumsum(steps(images))])
    relative = energies(images) - energies(images)[0]
    rows = [
        f"  {x:16.10f}  {e:16.10f}  {0.03:16.10f}" for x, e in zip(along / along[-1], relative, strict=True)
    ]
    (folder / f"{prefix}.dat").write_text("\n".join(rows) + "\n")
    lines = [
        "RESTART INFORMATION",
        "      13",
        "      20",
        "       0",
        "NUMBER OF IMAGES",
        f"{len(images):4d}",
    ]
    lines.append("ENERGIES, POSITIONS AND GRADIENTS")
    for k, image in enumerate(images):
        lines += [f"Image: {k + 1:4d}", f"{energies([image])[0] / HARTREE:20.10f}"]
        gradient = -image.calc.results["forces"] * BOHR / HARTREE
        for place, slope in zip(image.positions / BOHR, gradient, strict=True):
            flags = "  1  1  1" if k == 0 else ""
            lines.append("".join(f"{v:20.12f}" for v in (*place, *slope)) + flags)
    lines += ["QUASI-NEWTON FIELDS", "Image:    1", "T"]
    (folder / f"{prefix}.path").write_text("\n".join(lines) + "\n")
    write(folder / f"{prefix}.axsf", images, format="xsf")
    return folder / f"{prefix}.dat"


def write_table(path: Path, images: list[Any]) -> Path:
    along = np.concatenate([[0.0], np.cumsum(steps(images))])
    relative = 1e3 * (energies(images) - energies(images)[0])
    rows = [f"{x:.8f}, {e:.6f}" for x, e in zip(along, relative, strict=True)]
    path.write_text("# vacancy hop in Cu\nreaction coordinate [Å], energy [meV]\n" + "\n".join(rows) + "\n")
    return path


def refused(source: Any, said: str, **how: Any) -> InputError:
    """The error with which a path is refused; it says what to do."""
    with pytest.raises(InputError, match=said) as caught:
        read_path(source, **how)
    assert caught.value.problems[0].remedy
    return caught.value
