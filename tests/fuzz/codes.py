"""Damaged files of other codes, given to the readers in processes with limits:

    python -m tests.fuzz.codes [--n 5000] [--seed 1] [--only NAME] [--show CASE]

Small valid files of each format are written by the libraries or by the fixtures of the tests; mutants of them must be
read or refused with this package's own error that names a file. A defect is any other exception, a hang, a crash, or
much memory. Exit code 0 only without a defect.
"""

from __future__ import annotations

import argparse
import bz2
import gzip
import json
import lzma
import random
import re
import resource
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kmc_transport.errors import InputError
from kmc_transport.input import load_model_text
from kmc_transport.sources import (
    Snapshot,
    read_born_charges,
    read_path,
    read_polarization_path,
    read_spectrum,
    read_structure,
)
from tests.fuzz.mutate import in_child, mutate
from tests.input.model_inputs import document, hop
from tests.sources import path_fixtures, polarization_data
from tests.sources.test_born import WRITERS
from tests.sources.test_crystals import CIF, GOOD, POSCAR, PW, VASP4

SECONDS, MEMORY = 20, 1 << 30
"""Processor time (a busy machine is no defect) and bytes of one reading."""
LONGEST = 20_000
"""Characters of a message."""


@dataclass(frozen=True)
class Case:
    """file : the one that is damaged. read : reads it, directly or through a file beside it."""

    file: Path
    read: Callable[[], object]


def cases(folder: Path) -> dict[str, Case]:
    """Every file that `write_all` wrote, by name."""
    return {**_structures(folder), **_spectra(folder), **_charges(folder), **_paths(folder)}


def write_all(folder: Path) -> None:
    """Valid files of every format. In a child: threads of libraries must not run in a process that is forked later."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for write in (_write_structures, _write_spectra, _write_charges, _write_paths):
            write(folder)
        for name, case in cases(folder).items():
            try:
                case.read()
            except InputError as error:
                if not name.startswith("model"):
                    raise AssertionError(f"the valid {name} is refused: {error}") from error


def _write_structures(folder: Path) -> None:
    from pymatgen.core import Lattice, Structure

    crystal = Structure(
        lattice=Lattice.from_parameters(5, 6, 7, 90, 110, 90),
        species=["Li", "O"],
        coords=[[0.1, 0.2, 0], [0.5] * 3],
    )
    step = "ATOMIC_POSITIONS (crystal)\nNa 0 0 0\nO1 0.5 0.5 0.4\n!    total energy = -1 Ry\n"
    xyz = '2\nLattice="4 0 0 0 4 0 0 0 4" Properties=species:S:1:pos:R:3 pbc="T T T"\nMg 0 0 0\nO 2 2 2\n'
    cards = "CELL_PARAMETERS angstrom\n4 0 0\n0 4 0\n0 0 4\nATOMIC_POSITIONS angstrom\nMg 0.0 0.1 0.0\n"
    named = {
        "POSCAR": POSCAR.format(comment="a", scale="1.0", named="Na O\n", mode="Cartesian"),
        "POSCAR_three": POSCAR.format(comment="a", scale="1.0 1.1 0.9", named="Na O\n", mode="Direct"),
        "POSCAR_vasp4": POSCAR.format(**{**VASP4, "comment": "Na O"}),
        "a.cif": CIF.format(**GOOD),
        "a.json": json.dumps(crystal.as_dict()),
        "a.yaml": json.dumps(crystal.as_dict()),
        "a.xsf": crystal.to(fmt="xsf"),
        "a.cssr": crystal.to(fmt="cssr"),
        "a.res": crystal.to(fmt="res"),
        "relax.out": PW.format(alat=10.0) + step,
        "a.extxyz": xyz,
        "relax.in": f"&SYSTEM\n ibrav = 0, nat = 1, ntyp = 1\n/\nATOMIC_SPECIES\nMg 24.3 Mg.UPF\n{cards}",
    }
    place = folder / "structures"
    place.mkdir()
    for name, content in named.items():
        (place / name).write_text(content)
    for pack, ending in ((gzip.compress, "gz"), (bz2.compress, "bz2"), (lzma.compress, "xz")):
        (place / f"b.cif.{ending}").write_bytes(pack(named["a.cif"].encode()))


def _structures(folder: Path) -> dict[str, Case]:
    place, found = folder / "structures", {}
    for file in sorted(place.iterdir()):
        found[f"structure {file.name}"] = Case(file, lambda file=file: read_structure(file))
    for name in ("a.cif", "POSCAR", "a.json"):
        entry = document("chain", [hop(("Li", "Li"), distance=2)])
        text = json.dumps({**entry, "structure": {"file": name}, "supercell": [2, 2, 2]})
        found[f"model {name}"] = Case(place / name, lambda text=text: load_model_text(text, base=place))
    return found


def _write_spectra(folder: Path) -> None:
    """A small crystal: mesh, yaml with forces, with force constants, and forces of every kind beside a yaml."""
    import phonopy
    from phonopy.file_IO import write_FORCE_CONSTANTS, write_force_constants_to_hdf5, write_FORCE_SETS
    from phonopy.structure.atoms import PhonopyAtoms

    place = folder / "spectra"
    cell = PhonopyAtoms(symbols=["Cs", "Cl"], cell=np.eye(3) * 4.1, scaled_positions=[[0, 0, 0], [0.5] * 3])
    phonon = phonopy.Phonopy(cell, np.diag([2, 1, 1]), primitive_matrix=np.eye(3), log_level=0)
    phonon.generate_displacements(distance=0.01)
    forces = []
    for moved in phonon.supercells_with_displacements:
        u = moved.positions - phonon.supercell.positions
        forces.append(-3.0 * (u - u.mean(axis=0)))
    phonon.forces = forces
    phonon.produce_force_constants(show_drift=False)
    phonon.nac_params = {
        "born": np.array([np.eye(3), -np.eye(3)]),
        "dielectric": np.eye(3) * 2,
        "factor": 14.4,
    }
    without = {"force_sets": False, "displacements": True, "force_constants": False}
    for name in ("sets", "constants", "hdf5"):
        (place / name).mkdir(parents=True)
        phonon.save(place / name / "phonopy_disp.yaml", settings=without)
    write_FORCE_SETS(phonon.dataset, place / "sets" / "FORCE_SETS")
    write_FORCE_CONSTANTS(phonon.force_constants, place / "constants" / "FORCE_CONSTANTS")
    write_force_constants_to_hdf5(phonon.force_constants, place / "hdf5" / "force_constants.hdf5")
    born = "14.4\n2 0 0 0 2 0 0 0 2\n1 0 0 0 1 0 0 0 1\n-1 0 0 0 -1 0 0 0 -1\n"
    (place / "sets" / "BORN").write_text(born)
    phonon.run_mesh([2, 2, 2], is_gamma_center=True).write_yaml(place / "mesh.yaml")
    phonon.mesh.write_hdf5(place / "mesh.hdf5")
    phonon.save(place / "phonopy_params.yaml", settings={"force_constants": False})
    phonon.save(place / "phonopy.yaml", settings={"force_constants": True})
    (place / "modes.txt").write_text("# unit: THz\n# acoustic: included\n# atoms: 2\n1 2 3\n4, 5.5 0.2i\n")


def _spectra(folder: Path) -> dict[str, Case]:
    place, found = folder / "spectra", {}
    for name in ("mesh.yaml", "mesh.hdf5", "modes.txt"):
        found[f"spectrum {name}"] = Case(place / name, lambda name=name: read_spectrum(place / name))
    for name in ("phonopy_params.yaml", "phonopy.yaml"):
        read = lambda name=name: read_spectrum(place / name, mesh=(1, 1, 2), born=True)  # noqa: E731
        found[f"spectrum {name}"] = Case(place / name, read)
    found["spectrum beside mesh.yaml"] = Case(
        place / "phonopy.yaml", lambda: read_spectrum(place / "mesh.yaml")
    )
    beside = {
        "sets": ("FORCE_SETS", "BORN"),
        "constants": ("FORCE_CONSTANTS",),
        "hdf5": ("force_constants.hdf5",),
    }
    for where, names in beside.items():
        yaml = place / where / "phonopy_disp.yaml"
        for name in names:
            read = lambda yaml=yaml, name=name: read_spectrum(yaml, mesh=(1, 1, 1), born=name == "BORN")  # noqa: E731
            found[f"spectrum {name}"] = Case(yaml.with_name(name), read)
    return found


def _write_charges(folder: Path) -> None:
    for i, write in enumerate(WRITERS.values()):
        place = folder / "charges" / str(i)
        place.mkdir(parents=True)
        write(place)
    for i in range(3):
        cell = np.diag([4.0, 4.0, 5.0])
        positions = np.array([[0, 0, 0], [0.5, 0.5, 0.5 + 0.01 * i]]) @ cell
        place = folder / "berry" / str(i)
        place.mkdir(parents=True)
        atoms = Snapshot(cell, positions, ("Mg", "O"), "")
        polarization_data.write_outcar(place / "OUTCAR", atoms, dipole=np.array([0.0, 0.0, 0.1 * i]))


def _charges(folder: Path) -> dict[str, Case]:
    found = {}
    for i, name in enumerate(WRITERS):
        file = next(f for f in (folder / "charges" / str(i)).iterdir() if not f.name.startswith("POSCAR"))
        found[f"charges {name}"] = Case(file, lambda file=file: read_born_charges(file))
        if name in ("OUTCAR", "vasprun.xml"):
            found[f"structure {name}"] = Case(file, lambda file=file: read_structure(file))
    images = [folder / "berry" / str(i) / "OUTCAR" for i in range(3)]
    found["berry OUTCAR"] = Case(images[1], lambda: read_polarization_path(images))
    return found


def _write_paths(folder: Path) -> None:
    from ase.io import write

    band, place = path_fixtures.band(), folder / "paths"
    place.mkdir()
    path_fixtures.write_neb_analysis(place / "neb.json", band)
    path_fixtures.write_traj(place / "neb.traj", band)
    path_fixtures.write_db(place / "neb.db", band)
    path_fixtures.write_table(place / "neb.csv", band)
    path_fixtures.write_qe(place, band, "cu")
    write(place / "neb.extxyz", band, format="extxyz")
    for name in ("outcar", "vasprun"):
        (place / name).mkdir()
        path_fixtures.write_vasp(place / name, band, xml=name == "vasprun")


def _paths(folder: Path) -> dict[str, Case]:
    place, found = folder / "paths", {}
    for name in ("neb.json", "neb.traj", "neb.db", "neb.csv", "neb.extxyz"):
        found[f"path {name}"] = Case(place / name, lambda name=name: read_path(place / name))
    for ending in (".dat", ".path", ".axsf"):
        found[f"path {ending}"] = Case(place / f"cu{ending}", lambda: read_path(place / "cu.dat"))
    images = {"outcar": ("OUTCAR", "CONTCAR"), "vasprun": ("vasprun.xml",)}
    for where, names in images.items():
        for name in names:
            read = lambda where=where: read_path(place / where)  # noqa: E731
            found[f"path {name}"] = Case(place / where / "02" / name, read)
    return found


# ---- judging


def load_everything() -> None:
    """Import what readers import late, so that not each child does."""
    import h5py  # noqa: F401
    import spglib  # noqa: F401
    import symfc  # noqa: F401


def made(folder: Path, only: str = "") -> dict[str, Case]:
    """Cases whose name holds ``only``, their files written."""
    load_everything()
    if wrong := in_child(lambda: write_all(folder), seconds=300, memory=4 << 30):
        raise AssertionError(wrong)
    return {k: c for k, c in cases(folder).items() if only in k}


def judge(case: Case) -> None:
    """Raises what is a defect."""
    try:
        case.read()
    except InputError as error:
        said = str(error)
        if len(said) > LONGEST or re.search(r"[\x00-\x08\x0b-\x1f\x7f]", said):
            raise AssertionError(
                f"a message of {len(said)} characters, or with control characters"
            ) from error
        if not all(p.file or p.key for p in error.problems):
            raise AssertionError(f"a message that names no file: {said}") from error


def judge_within(case: Case) -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS + 5))
    judge(case)


def mutant(case: Case, name: str, number: int, seed: int) -> bytes:
    return mutate(case.file.read_bytes(), random.Random(f"{seed} {number} {name}"))


def run(
    n: int, seed: int, only: str = "", first: int = 0, tell: Callable[[int], None] = lambda i: None
) -> dict[int, tuple[str, str]]:
    """Defects by number: name of the file and what happened."""
    defects: dict[int, tuple[str, str]] = {}
    with tempfile.TemporaryDirectory() as folder:
        known = made(Path(folder), only)
        names = sorted(known)
        for i in range(first, first + n):
            case = known[name := names[i % len(names)]]
            whole = case.file.read_bytes()
            case.file.write_bytes(mutant(case, name, i, seed))
            fault = in_child(lambda case=case: judge_within(case), seconds=15 * SECONDS, memory=MEMORY)
            case.file.write_bytes(whole)
            if fault:
                defects[i] = (name, fault)
            tell(i)
    return defects


def kind(fault: str) -> str:
    """The last line of a traceback and the innermost place in this package."""
    places = re.findall(r'kmc_transport/(\S+)", line \d+, in (\w+)', fault)
    return fault.splitlines()[-1][:100] + (f"   in {': '.join(places[-1])}" if places else "")


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--n", type=int, default=5000)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--first", type=int, default=0, help="number of the first mutant")
    options.add_argument("--only", default="", help="files whose name holds this")
    options.add_argument("--show", type=int, help="read this mutant here and show what happens")
    given = options.parse_args()
    if given.show is not None:
        show(given.show, given.seed, given.only)
        return
    started = time.monotonic()
    defects = run(
        given.n, given.seed, given.only, given.first, lambda i: print(f"\r{i}", end="", file=sys.stderr)
    )
    kinds = Counter(kind(fault) for _, fault in defects.values())
    print(
        f"{given.n} mutants, {len(defects)} defects of {len(kinds)} kinds, {time.monotonic() - started:.0f} s"
    )
    for what, number in kinds.most_common():
        of = [f"{i} ({name})" for i, (name, fault) in defects.items() if kind(fault) == what]
        print(f"{number:5d}  {what}   cases {', '.join(of[:4])}")
    sys.exit(1 if defects else 0)


def show(number: int, seed: int, only: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        known = made(Path(folder), only)
        name = sorted(known)[number % len(known)]
        damaged = mutant(known[name], name, number, seed)
        known[name].file.write_bytes(damaged)
        sys.stdout.buffer.write(damaged[:5000] + b"\n")
        sys.stdout.flush()
        print(name, known[name].read())


if __name__ == "__main__":
    main()
