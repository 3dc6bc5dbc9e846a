"""Energies are compared only when the files tell the same settings; what did not converge is said."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kmc_transport.errors import InputError
from kmc_transport.sources import MigrationPath, read_path
from tests.sources import output_fixtures as fx
from tests.sources import path_fixtures

U = " LDA+U is selected, type is set to LDAUTYPE =  2\n   angular momentum for each species LDAUL =  -1 1\n"
U2 = f"{U}   U (eV)           for each species LDAUU =   0.0  2.0"
U4 = f"{U}   U (eV)           for each species LDAUU =   0.0  4.0"
HUBBARD = "     Hubbard parameters of DFT+U (Dudarev formulation) in eV:\n     U(F-2p) =  4.0000\n"
OLD_HUBBARD = (
    "     Simplified LDA+U calculation (l_max = 2) with parameters (eV):\n     atomic species    L          U    "
    "alpha       J0     beta\n        F              1     4.0000   0.0000   0.0000   0.0000\n"
)
FOUR, THREE = fx.mesh((4, 4, 4)), fx.mesh((3, 3, 3))

# form: name of a difference: (changes of the saddle, of the others, what is said)
DIFFERENCES: dict[str, dict[str, tuple[dict[str, Any], dict[str, Any], str]]] = {
    "OUTCAR": {
        "cutoff": ({"ENCUT": "550.0 eV"}, {}, r"ENCUT \(cutoff\) is 550 in 01 but 400 in 00"),
        "electrons": ({"NELECT": 21.0}, {}, "NELECT.* 21 in 01 but 22"),
        "k-points": ({"kpoints": THREE}, {}, "k-points: 27 in 01 but 1 in 00"),
        "functional": ({"GGA": "PS"}, {}, "functional is PS in 01 but PE"),
        "meta-GGA": ({"METAGGA": "R2SCAN"}, {}, "METAGGA.* R2SCAN in 01 but none"),
        "hybrid": ({"LHFCALC": "T", "AEXX": 0.25}, {}, "LHFCALC"),
        "dispersion": ({"IVDW": 12}, {}, "(IVDW|dispersion).* in 01 but (0|no) in 00"),
        "U": ({"hubbard": U4}, {}, r"\+U.* is LDAUTYPE = 2.*0 4 in 01 but none in 00"),
        "another U": ({"hubbard": U4}, {"hubbard": U2}, r"LDAUU = 0 4 in 01 but .*LDAUU = 0 2 in 00"),
        "spin": ({"ISPIN": 2}, {}, "ISPIN.* 2 in 01 but 1"),
        "spin-orbit": ({"LSORBIT": "T"}, {}, "LSORBIT"),
        "potential": ({"titel": "PAW_PBE Li_sv 10Sep2004"}, {}, "pseudopotentials"),
        "smearing": ({"SIGMA": 0.2}, {}, r"SIGMA \(width of the smearing\) is 0.2"),
    },
    "vasprun.xml": {
        "cutoff": ({"ENMAX": 550.0}, {}, r"ENCUT \(cutoff\) is 550 in 01 but 400 in 00"),
        "electrons": ({"NELECT": 21.0}, {}, "NELECT"),
        "k-points": ({"kpoints": THREE}, {}, "k-points: 27 in 01 but 1"),
        "functional": ({"GGA": "PS"}, {}, "functional"),
        "meta-GGA": ({"METAGGA": "SCAN"}, {}, "METAGGA"),
        "dispersion": ({"IVDW": 11}, {}, "dispersion"),
        "U": ({"LDAU": "T", "LDAUU": [0.0, 4.0]}, {}, r"\+U"),
        "spin": ({"ISPIN": 2}, {}, "ISPIN"),
        "potential": ({"titel": "PAW_PBE Li_sv 10Sep2004"}, {}, "pseudopotentials"),
    },
    "pw.out": {
        "cutoff": ({"kinetic-energy cutoff": "40.0 Ry"}, {}, r"ecutwfc \(cutoff\) is 40 in .*01/pw.out but 60"),
        "density cutoff": ({"charge density cutoff": "480.0 Ry"}, {"charge density cutoff": "240.0 Ry"}, "ecutrho"),
        "electrons": ({"number of electrons": 9.0}, {}, "electrons"),
        "k-points": ({"kpoints": THREE}, {}, "k-points: 27 in .* but 1"),
        "k-points not listed": ({"kpoints": THREE, "listed": False}, {"listed": False}, "k-points: 27 in .* but 1"),
        "functional": ({"exchange": "PBESOL ( 1 4 10 8 0 0 0)"}, {}, "functional is PBESOL in .* but PBE in"),
        "exact exchange": ({"more": "     EXX-fraction              =        0.25"}, {}, "EXX-fraction"),
        "dispersion": ({"more": "     DFT-D3 Dispersion Correction (no 3-body):"}, {}, "dispersion .*is DFT-D3"),
        "U": ({"more": HUBBARD}, {}, r"\+U .* is U\(F-2p\) = 4.0000"),
        "U, old": ({"more": OLD_HUBBARD}, {}, r"\+U .* is F 1 4.0000"),
        "spin": ({"more": "     Starting magnetic structure"}, {}, "spin .*is polarized in .* but not polarized"),
        "potential": ({"md5": "0" * 32}, {}, "pseudopotentials"),
        "smearing": ({"occupations": "Gaussian smearing, width (Ry)=  0.0200"}, {}, "smearing"),
    },
}  # fmt: skip
CASES = [(form, name, False) for form, found in DIFFERENCES.items() for name in found]
CASES += [(form, name, True) for form in ("OUTCAR", "vasprun.xml") for name in ("cutoff", "k-points", "U")]


def read(tmp_path: Path, form: str, changes: list[dict[str, Any]], *, folders: bool) -> MigrationPath:
    if folders:
        return read_path(fx.write_folders(tmp_path, form, changes))
    return read_path(fx.write_list(tmp_path, form, changes))


@pytest.mark.parametrize(("form", "name", "folders"), CASES)
def test_other_settings_are_refused(form: str, name: str, folders: bool, tmp_path: Path) -> None:
    saddle, others, said = DIFFERENCES[form][name]
    with pytest.raises(
        InputError, match=f"{said}.*energies of different calculations cannot be compared"
    ) as caught:
        read(tmp_path, form, [others, saddle, others], folders=folders)
    assert "same settings" in caught.value.problems[0].remedy
    # what is the same everywhere is no reason to refuse
    path = read(tmp_path, form, [saddle, saddle, saddle], folders=folders)
    assert path.barrier_forward == pytest.approx(0.4, abs=1e-6)
    assert not any("is not converged" in n for n in path.notes)


@pytest.mark.parametrize("form", DIFFERENCES)
def test_versions_of_a_program_are_noted(form: str, tmp_path: Path) -> None:
    change = {"version": "5.4.4"} if form != "vasprun.xml" else {"PREC": "Normal"}
    other = {} if form != "vasprun.xml" else {"PREC": "Accurate"}
    path = read(tmp_path, form, [other, change, other], folders=False)
    assert path.barrier_forward == pytest.approx(0.4, abs=1e-6)
    assert any("version" in n or "PREC" in n for n in path.notes)


def test_smearing_without_entropy_is_noted(tmp_path: Path) -> None:
    """In an insulator the width changes nothing: no entropy in any energy."""
    changes = [{"entropy": 0.0}, {"entropy": 0.0, "SIGMA": 0.2}, {"entropy": 0.0}]
    path = read(tmp_path, "OUTCAR", changes, folders=True)
    assert any("SIGMA" in n for n in path.notes)
    changes[0]["entropy"] = -0.02
    with pytest.raises(InputError, match="SIGMA"):
        read(tmp_path, "OUTCAR", changes, folders=True)


@pytest.mark.parametrize("form", DIFFERENCES)
def test_one_mesh_reduced_by_different_symmetries(form: str, tmp_path: Path) -> None:
    """The start has the symmetry of the cube, 10 points; the saddle none, 36 of the same mesh."""
    few, many = fx.reduced(FOUR, cubic=True), fx.reduced(FOUR, cubic=False)
    assert (len(few), len(many)) == (10, 36)
    path = read(tmp_path, form, [{"kpoints": few}, {"kpoints": many}, {"kpoints": few}], folders=False)
    assert path.barrier_forward == pytest.approx(0.4, abs=1e-6)


@pytest.mark.parametrize(
    "other",
    [
        fx.mesh((4, 4, 2)),
        fx.mesh((3, 3, 3)),
        fx.mesh((4, 4, 4), shift=0.5),
        fx.mesh((8, 8, 8)),
        fx.mesh((1, 1, 1)),
    ],
    ids=["4 4 2", "3 3 3", "shifted", "8 8 8", "Gamma"],
)
def test_another_mesh_is_refused(other: np.ndarray, tmp_path: Path) -> None:
    few = {"kpoints": fx.reduced(FOUR, cubic=True)}
    for cubic in (True, False):
        changed = {"kpoints": fx.reduced(other, cubic=cubic)}
        with pytest.raises(InputError, match="k-points"):
            read(tmp_path, "pw.out", [few, changed, few], folders=False)


def test_outputs_of_two_programs(tmp_path: Path) -> None:
    files = fx.write_list(tmp_path, "OUTCAR")
    files[1] = fx.write_list(tmp_path, "pw.out")[1]
    with pytest.raises(InputError, match=r"code .* is Quantum ESPRESSO in .* but VASP in 00"):
        read_path(files)


def test_the_outer_loop_of_exact_exchange_counts(tmp_path: Path) -> None:
    """The inner loops print total energies, too, of which the first lies far off."""
    path = read(tmp_path, "pw.out", [{"outer": e + d} for e, d in zip(fx.ENERGIES, (0.1, 0.3, 0.1), strict=True)],
                folders=False)  # fmt: skip
    assert path.barrier_forward == pytest.approx(0.6, abs=1e-6)


# --- convergence ----------------------------------------------------------------------------------------------

UNCONVERGED: dict[str, tuple[str, dict[str, Any], str]] = {
    "VASP 6 says so": ("OUTCAR", {"end": "aborting loop EDIFF was not reached (unconverged)"}, "electronic loop"),
    "VASP 5 stops at NELM": ("OUTCAR", {"end": "", "steps": 60}, "electronic loop"),
    "hard stop": ("OUTCAR", {"end": "aborting loop because hard stop was set"}, "electronic loop"),
    "loops of vasprun.xml": ("vasprun.xml", {"loops": 60}, "electronic loop"),
    "pw.x": ("pw.out", {"converged": False}, "electronic loop"),
    "band stopped": ("OUTCAR", {"reached": False}, "band not converged: 01 stopped before the forces reached"),
    "force above EDIFFG": ("OUTCAR", {"reached": False, "force": 0.3}, r"force of 0\.300 eV/Å is left"),
    "force, single point": (
        "OUTCAR", {"reached": False, "NSW": 0, "IBRION": -1, "force": 0.3}, r"force of 0\.300 eV/Å is left"),
    "force in vasprun.xml": ("vasprun.xml", {"force": 0.3}, r"force of 0\.300 eV/Å is left"),
}  # fmt: skip


@pytest.mark.parametrize("name", UNCONVERGED)
def test_what_did_not_converge_is_said(name: str, tmp_path: Path) -> None:
    form, change, said = UNCONVERGED[name]
    path = read(tmp_path, form, [{}, change, {}], folders=False)
    assert path.barrier_forward == pytest.approx(0.4, abs=1e-6)
    found = [n for n in path.notes if re.search(said, n)]
    assert found
    assert "01" in found[0]
    # control: the same without the change
    assert not any("not converged" in n for n in read(tmp_path, form, [{}, {}, {}], folders=False).notes)


def test_forces_along_the_path_are_no_lack_of_convergence(tmp_path: Path) -> None:
    """Between the ends only the part across the path must vanish; here the path runs along x."""
    from kmc_transport.sources.common import RawPath, Residual
    from kmc_transport.sources.paths.build import build_path

    places = np.array([[[0.0, 0, 0], [3, 0, 0]], [[0.5, 0, 0], [3, 0, 0]], [[1.0, 0, 0], [3, 0, 0]]])
    for force, said in (((0.5, 0, 0), False), ((0, 0.5, 0), True)):
        left = np.array([force, (0, 0, 0)])
        raw = RawPath(
            file=tmp_path,
            kind="vasp",
            energy=np.array([0, 0.4, 0]),
            positions=places,
            symbols=[("Li", "F")] * 3,
        )
        raw.residual = [None, Residual(left, 0.02), None]
        assert any("is not converged" in n for n in build_path(raw).notes) == said


def test_neb_x_force_column(tmp_path: Path) -> None:
    dat = path_fixtures.write_qe(tmp_path, path_fixtures.band())
    assert not any("not converged" in n for n in read_path(dat).notes)
    lines = dat.read_text().splitlines()
    lines[2] = lines[2].rsplit(None, 1)[0] + "   0.4100000000"
    dat.write_text("\n".join(lines))
    assert any("a force of 0.410 eV/Å is left on image 3" in n for n in read_path(dat).notes)


# --- ASE, tables ----------------------------------------------------------------------------------------------


def images(**parameters: Any) -> list[Any]:
    """Three images; each parameter is a list of three values."""
    from ase import Atoms
    from ase.calculators.singlepoint import SinglePointCalculator

    found = []
    for k, energy in enumerate(fx.ENERGIES):
        atoms = Atoms(fx.SYMBOLS, fx.positions(k), cell=3 * [fx.CELL], pbc=True)
        atoms.calc = SinglePointCalculator(atoms, energy=energy)
        atoms.calc.name = "vasp"
        atoms.calc.parameters = {key: values[k] for key, values in parameters.items()}
        found.append(atoms)
    return found


def written(file: Path, found: list[Any]) -> Path:
    from ase.io import write

    write(file, found)
    return file


def in_trajectory(folder: Path, told: dict[str, list[Any]]) -> Path:
    return written(folder / "hop.traj", images(**told))


def in_rows(ending: str) -> Callable[[Path, dict[str, list[Any]]], Path]:
    def write(folder: Path, told: dict[str, list[Any]]) -> Path:
        file = folder / f"hop{ending}"
        file.unlink(missing_ok=True)
        for k, image in enumerate(images()):
            path_fixtures.write_db(file, [image], **{key: values[k] for key, values in told.items()})
        return file

    return write


def in_calculators_of_rows(folder: Path, told: dict[str, list[Any]]) -> Path:
    (folder / "calc.db").unlink(missing_ok=True)
    return path_fixtures.write_db(folder / "calc.db", images(**told))


def in_frames(folder: Path, told: dict[str, list[Any]]) -> Path:
    found = images()
    for k, image in enumerate(found):
        image.info.update({key: values[k] for key, values in told.items()})
    return written(folder / "hop.extxyz", found)


def in_table(folder: Path, told: dict[str, list[Any]]) -> Path:
    rows = [f"{k}, {e}, " + ", ".join(str(v[k]) for v in told.values()) for k, e in enumerate(fx.ENERGIES)]
    (folder / "hop.csv").write_text("\n".join([f"image, energy [eV], {', '.join(told)}", *rows]))
    return folder / "hop.csv"


PLACES = {
    "trajectory": in_trajectory,
    "rows of .db": in_rows(".db"),
    "rows of .json": in_rows(".json"),
    "calculators in .db": in_calculators_of_rows,
    "extxyz": in_frames,
    "table": in_table,
}


BESIDE = [(place, "encut", 400, 550) for place in PLACES]
BESIDE += [
    ("trajectory", "xc", "PBE", "PBEsol"),
    ("rows of .db", "kpts", "4x4x4", "2x2x2"),
    ("extxyz", "nelect", 22, 21),
    ("table", "ldauu", 4, 2),
    ("table", "xc", "PBE", "PBEsol"),
    ("calculators in .db", "ispin", 1, 2),
]


@pytest.mark.parametrize(("place", "key", "value", "other"), BESIDE)
def test_what_is_told_beside_the_images(place: str, key: str, value: Any, other: Any, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"{key}.* is {other} in .* but {value} in"):
        read_path(PLACES[place](tmp_path, {key: [value, other, value]}))
    path = read_path(PLACES[place](tmp_path, {key: [value, value, value]}))
    assert path.barrier_forward == pytest.approx(0.4, abs=1e-6)


def test_calculators_of_two_kinds(tmp_path: Path) -> None:
    mixed = images()
    mixed[1].calc.name = "emt"
    with pytest.raises(InputError, match=r"code .* is emt in image 1 but vasp in image 0"):
        read_path(written(tmp_path / "hop.traj", mixed))


CASTEP = """
 using functional                               : Perdew Burke Ernzerhof
 plane wave basis set cut-off                   :   330.0000   eV
 number of  electrons                           :  16.00
 treating system as non-spin-polarized
                       MP grid size for SCF calculation is  4  4  4
"""
AIMS = """
  xc                 pbe
  spin               none
  Found k-point grid:         4         4         4
  The structure contains        2 atoms,  and a total of         28.000 electrons.
"""
GPAW = """
  xc: PBE
  Cutoff energy: 340.000 eV
64 k-points: 4 x 4 x 4 Monkhorst-Pack grid
"""


@pytest.mark.parametrize(("text", "cutoff"), [(CASTEP, True), (AIMS, False), (GPAW, True)])
def test_settings_in_outputs_of_other_codes(text: str, cutoff: bool, tmp_path: Path) -> None:
    from kmc_transport.sources.settings import Settings, compare_settings
    from kmc_transport.sources.settings_printed import printed_settings

    told = printed_settings(text)
    assert told["k-points"] == "4 4 4"
    assert ("cutoff" in told) == cutoff
    assert told["functional"].lower()[:3] in ("per", "pbe")
    changes = [("4  4  4", "2  2  2"), ("4         4", "2         4"), ("4 x 4 x 4", "2 x 2 x 2")]
    changes += [("330.0000", "500.0000"), ("340.000", "500.000"), ("28.000", "27.000"), ("16.00", "15.00")]
    changed = [text.replace(*c) for c in changes if c[0] in text]
    assert len(changed) >= 2
    same = Settings(where="start.out", file=tmp_path, values=told)
    assert compare_settings([same, same]) == []
    for other in changed:
        with pytest.raises(InputError, match="cannot be compared"):
            compare_settings(
                [same, Settings(where="saddle.out", file=tmp_path, values=printed_settings(other))]
            )


def test_frames_in_files_of_their_own(tmp_path: Path) -> None:
    """A list of single frames, whose comments tell the settings."""
    found = images()
    for image, cutoff in zip(found, (400, 550, 400), strict=True):
        image.info["encut"] = cutoff
    files = [written(tmp_path / f"{k}.extxyz", [image]) for k, image in enumerate(found)]
    with pytest.raises(InputError, match=r"encut \(cutoff\) is 550 in 1.extxyz but 400 in 0.extxyz"):
        read_path(files)
    found[1].info["encut"] = 400
    written(files[1], [found[1]])
    assert read_path(files).barrier_forward == pytest.approx(0.4, abs=1e-6)
