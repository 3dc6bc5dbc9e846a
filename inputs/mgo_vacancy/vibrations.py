#!/usr/bin/env python3
"""Vibrations at Gamma of the start and the saddle of this folder: finite displacements, pw.x and phonopy.

    python vibrations.py --pseudo /usr/share/espresso/pseudo --work /tmp/mgo_vacancy

Needs `pw.x`, phonopy and ASE. Reads the relaxed structures of this folder. Every displaced cell is one run with
the settings of make.py at Gamma; runs that are finished in the work folder are not run again. Writes, for each state,

    vibrations/STATE_NNN.in.gz, .out.gz    the runs
    vibrations/STATE_phonopy.yaml.gz       structure, displacements, forces (phonopy can go on from it)
    vibrations/STATE_mesh.yaml             frequencies at Gamma, what attempt frequencies are made of
"""

import argparse
import gzip
from pathlib import Path

import ase.io
import make
import numpy as np
from phonopy import Phonopy
from phonopy.structure.atoms import PhonopyAtoms

HERE = Path(__file__).resolve().parent
FOLDER = HERE / "vibrations"
DISPLACEMENT = 0.02  # Å, both signs where symmetry does not make them equal
RELAXED = {"start": "start_relax.out.gz", "saddle": "saddle_relax.out.gz"}


def displaced(state):
    """phonopy's object with displaced cells; the cell is the supercell."""
    atoms = ase.io.read(HERE / RELAXED[state], format="espresso-out", index=-1)
    cell = PhonopyAtoms(
        symbols=atoms.get_chemical_symbols(),
        cell=np.eye(3) * make.CELL,
        scaled_positions=atoms.get_scaled_positions(),
    )
    phonon = Phonopy(cell, np.eye(3, dtype=int), primitive_matrix="P", symprec=1e-3)
    phonon.generate_displacements(distance=DISPLACEMENT)
    return phonon


def forces(args, state, number, cell):
    """(63, 3) eV/Å of one displaced cell."""
    name = f"{state}_{number:03d}"
    text = make.pw_input(name, "scf", cell.symbols, cell.positions.tolist(), args, conv=1e-10)
    make.run(args, "pw.x", name, text)
    for end in ("in", "out"):
        (HERE / f"{name}.{end}.gz").rename(FOLDER / f"{name}.{end}.gz")
    atoms = ase.io.read(FOLDER / f"{name}.out.gz", format="espresso-out", index=-1)
    return atoms.get_forces()


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pseudo", required=True, type=Path, help="folder of the pseudopotentials")
    parser.add_argument("--work", required=True, type=Path, help="work folder")
    parser.add_argument("--states", nargs="+", choices=tuple(RELAXED), default=tuple(RELAXED))
    parser.add_argument("--launch", default="", help="what stands before pw.x")
    parser.add_argument("--options", default="", help="options behind it")
    args = parser.parse_args()
    args.work, args.pseudo = args.work.resolve(), args.pseudo.resolve()
    args.work.mkdir(parents=True, exist_ok=True)
    FOLDER.mkdir(exist_ok=True)
    for state in args.states:
        phonon = displaced(state)
        cells = phonon.supercells_with_displacements
        print(f"{state}: {len(cells)} displaced cells", flush=True)
        phonon.forces = [forces(args, state, k, cell) for k, cell in enumerate(cells, 1)]
        phonon.produce_force_constants()
        phonon.symmetrize_force_constants()
        phonon.run_mesh([1, 1, 1], with_eigenvectors=False)
        phonon.mesh.write_yaml(filename=str(FOLDER / f"{state}_mesh.yaml"))
        phonon.save(args.work / f"{state}_phonopy.yaml", settings={"force_sets": True, "displacements": True})
        packed = (args.work / f"{state}_phonopy.yaml").read_bytes()
        with (
            open(FOLDER / f"{state}_phonopy.yaml.gz", "wb") as raw,
            gzip.GzipFile("", "wb", 9, raw, mtime=0) as file,
        ):
            file.write(packed)
        frequencies = np.sort(phonon.mesh.frequencies[0])
        print(state, "THz:", np.round(frequencies[:8], 3), "...", np.round(frequencies[-3:], 3), flush=True)


if __name__ == "__main__":
    main()
