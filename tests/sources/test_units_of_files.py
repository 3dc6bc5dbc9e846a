"""What files of phonons say about units, signs and kinds is obeyed, or the file is refused."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import warnings
from pathlib import Path

import numpy as np
import pytest

from kmc_transport.errors import InputError
from kmc_transport.input import load_model_text
from kmc_transport.sources import read_spectrum
from tests.input.model_inputs import document, hop
from tests.sources.spectra import SUPERCELL, A, forces, refused, salt, write_all

BOHR = 0.529177207423948  # as phonopy has it


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("phonopy")
    write_all(folder)
    return folder


@pytest.fixture(scope="module")
def in_bohr(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """phonopy.yaml and mesh.yaml of the same salt as Quantum ESPRESSO has it: bohr and Ry/bohr."""
    folder = tmp_path_factory.mktemp("bohr")
    phonopy = pytest.importorskip("phonopy")
    from phonopy.structure.atoms import PhonopyAtoms

    ours = salt()
    cell = PhonopyAtoms(
        symbols=ours.unitcell.symbols,
        cell=np.eye(3) * A / BOHR,
        scaled_positions=ours.unitcell.scaled_positions,
    )
    fcc = [[0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]]
    theirs = phonopy.Phonopy(cell, SUPERCELL, primitive_matrix=fcc, calculator="qe", log_level=0)
    theirs.force_constants = ours.force_constants / (13.605699115443999 / BOHR**2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs.run_mesh([2, 2, 2], is_gamma_center=True).write_yaml(folder / "mesh.yaml")
        theirs.save(folder / "phonopy.yaml", settings={"force_constants": True})
    return folder


def volume(spectrum) -> float:
    return abs(float(np.linalg.det(spectrum.cell)))


def test_cells_in_bohr_come_as_angstrom(in_bohr: Path, tmp_path: Path) -> None:
    """Told by the phonopy.yaml beside it; told by the distances where the mesh stands alone; and by its header."""
    beside = read_spectrum(in_bohr / "mesh.yaml")
    assert volume(beside) == pytest.approx(A**3 / 4, rel=1e-6)
    assert any("bohr, as phonopy.yaml says" in n for n in beside.notes)
    computed = read_spectrum(in_bohr / "phonopy.yaml", mesh=(2, 2, 2))
    assert volume(computed) == pytest.approx(A**3 / 4, rel=1e-6)
    assert computed.frequency.max() == pytest.approx(beside.frequency.max(), rel=1e-6)
    alone = tmp_path / "mesh.yaml"
    alone.write_bytes((in_bohr / "mesh.yaml").read_bytes())
    assert volume(read_spectrum(alone)) == pytest.approx(A**3 / 4, rel=1e-6)
    assert any("taken to be in bohr" in n for n in read_spectrum(alone).notes)
    alone.write_text('physical_unit:\n  length: "angstrom"\n' + alone.read_text())
    assert volume(read_spectrum(alone)) == pytest.approx(A**3 / 4 / BOHR**3, rel=1e-6)
    alone.write_text(alone.read_text().replace("angstrom", "furlong"))
    refused(alone, "unit of length 'furlong' is not known")


def test_a_phonopy_yaml_of_another_crystal_says_nothing(in_bohr: Path, files: Path, tmp_path: Path) -> None:
    (tmp_path / "mesh.yaml").write_bytes((files / "mesh.yaml").read_bytes())
    (tmp_path / "phonopy.yaml").write_bytes((in_bohr / "phonopy.yaml").read_bytes())
    assert volume(read_spectrum(tmp_path / "mesh.yaml")) == pytest.approx(A**3 / 4, rel=1e-6)


def test_a_factor_of_frequencies_is_obeyed(files: Path, tmp_path: Path) -> None:
    """phonopy --factor: mesh.yaml in other units, the phonopy.yaml of the run says which."""
    phonon, right = salt(), read_spectrum(files / "mesh.yaml")
    for factor in (521.471, 15.633302 * 4.135667):
        phonon.unit_conversion_factor = factor
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            phonon.run_mesh([4, 4, 4], is_gamma_center=True).write_yaml(tmp_path / "mesh.yaml")
            phonon.mesh.write_hdf5(tmp_path / "mesh.hdf5")
            phonon.save(tmp_path / "phonopy.yaml", settings={"force_constants": True})
        if "frequency_unit_conversion_factor" not in (tmp_path / "phonopy.yaml").read_text():
            pytest.skip("this phonopy does not write the factor")
        for name in ("mesh.yaml", "mesh.hdf5"):
            got = read_spectrum(tmp_path / name)
            np.testing.assert_allclose(got.frequency, right.frequency, rtol=2e-5, atol=1e-5)
            assert any("as phonopy.yaml says" in n for n in got.notes)
        computed = read_spectrum(tmp_path / "phonopy.yaml", mesh=(4, 4, 4))
        assert computed.frequency.max() == pytest.approx(right.frequency.max(), rel=1e-4)
    (tmp_path / "phonopy.yaml").unlink()
    (tmp_path / "mesh.yaml").write_text("# frequency unit: meV\n" + (tmp_path / "mesh.yaml").read_text())
    np.testing.assert_allclose(
        read_spectrum(tmp_path / "mesh.yaml").frequency, right.frequency, rtol=2e-5, atol=1e-5
    )


def test_frequencies_that_such_atoms_cannot_have(files: Path, tmp_path: Path) -> None:
    """Wave numbers of a soft crystal of heavy atoms stay below what hydrogen reaches in THz."""
    text = (files / "mesh.yaml").read_text()
    for light, heavy in (("mass: 15.999", "mass: 126.90"), ("mass: 24.305", "mass: 132.90")):
        assert light in text
        text = text.replace(light, heavy)
    (tmp_path / "mesh.yaml").write_text(text)
    assert read_spectrum(tmp_path / "mesh.yaml").frequency.max() < 23
    scaled = [
        f"    frequency: {5 * float(x.split()[1]):.10f}" if "  frequency:" in x else x
        for x in text.split("\n")
    ]
    (tmp_path / "mesh.yaml").write_text("\n".join(scaled))
    refused(tmp_path / "mesh.yaml", "too high to be THz")


def test_forces_are_no_frequencies_whatever_heads_them(files: Path, tmp_path: Path) -> None:
    sources = [files / "sets" / "FORCE_SETS", files / "constants" / "FORCE_CONSTANTS"]
    random = tmp_path / "rows"
    rng = np.random.default_rng(1)
    random.write_text("\n".join(" ".join(f"{x:.8f}" for x in row) for row in rng.normal(0, 0.05, (16, 6))))
    for source in (*sources, random):
        for head in ("", "# unit: THz\n", "unit: cm^-1\n# acoustic: included\n"):
            for name in (source.name, "modes.txt"):
                (tmp_path / name).write_text(head + source.read_text())
                refused(tmp_path / name, "not frequencies")
    control = tmp_path / "modes.txt"
    control.write_text(
        "# unit: THz\n" + "\n".join(f"{x} {x + 1} {x + 2}" for x in range(1, 9)) + "\n-0.3 -0.2\n"
    )
    assert read_spectrum(control).frequency.shape == (1, 26)


def test_the_remedy_for_forces_helps(files: Path, tmp_path: Path) -> None:
    """ "give the phonopy_disp.yaml of the calculation; this file is read from beside it"."""
    for name in ("FORCE_SETS", "phonopy_disp.yaml"):
        (tmp_path / name).write_bytes((files / "sets" / name).read_bytes())
    refused(tmp_path / "FORCE_SETS", "holds forces")
    assert read_spectrum(tmp_path / "phonopy_disp.yaml", mesh=(1, 1, 1)).frequency.max() > 10


OUTCAR = """ vasp.6.4.2 01Jan23
   VRHFIN =Na:
   1 f  =   12.500000 THz    78.539816 2PiTHz  416.955000 cm-1    51.694000 meV
   2 f  =    8.000000 THz    50.265482 2PiTHz  266.851000 cm-1    33.085000 meV
   3 f/i=    2.000000 THz    12.566371 2PiTHz   66.713000 cm-1     8.271000 meV
"""


def test_the_remedy_for_an_outcar_helps(tmp_path: Path) -> None:
    (tmp_path / "OUTCAR").write_text(OUTCAR)
    refused(tmp_path / "OUTCAR", "is an OUTCAR of VASP, no list of frequencies")
    (tmp_path / "modes").write_text("# unit: THz\n12.5\n8.0\n2.0i\n")  # as the remedy says
    assert read_spectrum(tmp_path / "modes").frequency.tolist() == [[12.5, 8.0, -2.0]]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("<?xml version='1.0'?>\n<modeling>\n</modeling>\n", "vasprun.xml"),
        ("Dynamical matrix file\n\n 2 2 2 10.6 0 0 0 0 0\n", "dynamical matrix"),
        ("\n     Program PHONON v.7.0 starts\n", "output of Quantum ESPRESSO"),
        (" &plot nbnd=   6, nks=  10 /\n", "no weights"),
        ("data_x\n_cell_length_a 4\n", "is a CIF"),
        ('{"a": 1}', "is JSON"),
    ],
)
def test_other_files_are_named_as_what_they_are(tmp_path: Path, text: str, kind: str) -> None:
    (tmp_path / "given").write_text(text)
    refused(tmp_path / "given", kind)


# ---- random displacements, tolerance, units of force constants


def random_set(n: int):
    """phonopy object of the salt with ``n`` sets of random displacements."""
    phonon = salt()
    right = phonon.force_constants.copy()
    phonon.generate_displacements(distance=0.02, number_of_snapshots=n, random_seed=3)
    phonon.forces = np.array([forces(s, phonon.supercell) for s in phonon.supercells_with_displacements])
    return phonon, right


def test_random_displacements_give_what_finite_ones_give(files: Path, tmp_path: Path) -> None:
    pytest.importorskip("symfc")
    phonon, _ = random_set(2)
    phonon.save(tmp_path / "phonopy_params.yaml", settings={"force_constants": False})
    got = read_spectrum(tmp_path / "phonopy_params.yaml", mesh=(2, 2, 2))
    right = read_spectrum(files / "phonopy_params.yaml", mesh=(2, 2, 2))
    np.testing.assert_allclose(got.frequency, right.frequency, atol=2e-3)
    assert any("2 sets of random displacements" in n for n in got.notes)
    from phonopy.file_IO import write_FORCE_SETS

    write_FORCE_SETS(phonon.dataset, tmp_path / "FORCE_SETS")  # rows of displacement and force
    (tmp_path / "phonopy_disp.yaml").write_bytes((files / "sets" / "phonopy_disp.yaml").read_bytes())
    beside = read_spectrum(tmp_path / "phonopy_disp.yaml", mesh=(2, 2, 2))
    np.testing.assert_allclose(beside.frequency, right.frequency, atol=2e-3)


def test_too_few_random_displacements_are_refused(tmp_path: Path) -> None:
    """One set of a crystal without symmetry leaves force constants open, which a fit would hide."""
    pytest.importorskip("symfc")
    phonopy = pytest.importorskip("phonopy")
    from phonopy.structure.atoms import PhonopyAtoms

    rng = np.random.default_rng(5)
    cell = PhonopyAtoms(
        symbols=["Cu"] * 6, cell=np.diag([4.0, 4.4, 5.0]), scaled_positions=rng.random((6, 3))
    )
    phonon = phonopy.Phonopy(cell, np.eye(3, dtype=int), primitive_matrix=np.eye(3), log_level=0)
    for n, good in ((1, False), (12, False), (15, True)):
        u = rng.normal(0, 0.02, (n, 6, 3))
        centred = u - u.mean(axis=1, keepdims=True)
        phonon.dataset = {"displacements": u, "forces": -5.0 * centred}
        phonon.save(tmp_path / "p.yaml", settings={"force_constants": False})
        if good:
            top = read_spectrum(tmp_path / "p.yaml", mesh=(1, 1, 1)).frequency[0]
            np.testing.assert_allclose(top[3:], np.sqrt(5 / 63.546) * 15.633302, rtol=1e-3)
        else:
            refused(tmp_path / "p.yaml", "too few to fix the force constants", mesh=(1, 1, 1))


def test_the_tolerance_of_the_file_is_used(tmp_path: Path) -> None:
    """A cell that is cubic within --tolerance only has fewer displacements than its strict symmetry asks for."""
    phonopy = pytest.importorskip("phonopy")
    from phonopy.structure.atoms import PhonopyAtoms

    cell = PhonopyAtoms(symbols=["Cu"], cell=np.diag([2.5, 2.5004, 2.4997]), scaled_positions=[[0, 0, 0]])
    phonon = phonopy.Phonopy(
        cell, np.eye(3, dtype=int) * 2, primitive_matrix=np.eye(3), symprec=1e-2, log_level=0
    )
    phonon.generate_displacements(distance=0.01)
    assert len(phonon.displacements) == 1
    u = phonon.supercells_with_displacements[0].positions - phonon.supercell.positions
    phonon.forces = [-4.0 * (u - u.mean(axis=0))]
    file = tmp_path / "p.yaml"
    phonon.save(file, settings={"force_constants": False})
    assert read_spectrum(file, mesh=(1, 1, 1)).frequency.shape == (1, 3)
    text = file.read_text()
    file.write_text(text.replace("symmetry_tolerance: 1.00000e-02", "symmetry_tolerance: 1.00000e-05"))
    refused(file, "not displaced in every direction", mesh=(1, 1, 1))
    file.write_text(text.replace("symmetry_tolerance: 1.00000e-02", "symmetry_tolerance: nan"))
    refused(file, "symmetry_tolerance is not sound", mesh=(1, 1, 1))


def test_the_unit_of_force_constants_is_obeyed(files: Path, tmp_path: Path) -> None:
    from phonopy.file_IO import write_force_constants_to_hdf5

    right = read_spectrum(files / "hdf5" / "phonopy_disp.yaml", mesh=(1, 1, 1))
    (tmp_path / "phonopy_disp.yaml").write_bytes((files / "hdf5" / "phonopy_disp.yaml").read_bytes())
    constants, name = salt().force_constants, tmp_path / "force_constants.hdf5"
    write_force_constants_to_hdf5(constants, name, physical_unit="eV/angstrom^2")
    np.testing.assert_allclose(
        read_spectrum(tmp_path / "phonopy_disp.yaml", mesh=(1, 1, 1)).frequency, right.frequency, atol=1e-6
    )
    write_force_constants_to_hdf5(constants / (13.605699 / BOHR**2), name, physical_unit="Ry/au^2")
    got = read_spectrum(tmp_path / "phonopy_disp.yaml", mesh=(1, 1, 1))
    np.testing.assert_allclose(got.frequency, right.frequency, atol=1e-4)
    assert any("Ry/au^2" in n for n in got.notes)
    write_force_constants_to_hdf5(constants, name, physical_unit="N/m")
    refused(tmp_path / "phonopy_disp.yaml", "its unit 'N/m' is not known", mesh=(1, 1, 1))


@pytest.mark.parametrize(
    ("name", "beside", "ending", "pack"),
    [
        ("sets", ("FORCE_SETS", "BORN"), "gz", gzip.compress),
        ("constants", ("FORCE_CONSTANTS",), "xz", lzma.compress),
    ],
)
def test_every_file_may_be_packed(
    files: Path, tmp_path: Path, name: str, beside: tuple[str, ...], ending: str, pack
) -> None:
    for file in ("phonopy_disp.yaml", *beside):
        (tmp_path / f"{file}.{ending}").write_bytes(pack((files / name / file).read_bytes()))
    got = read_spectrum(tmp_path / f"phonopy_disp.yaml.{ending}", mesh=(1, 1, 1), born="BORN" in beside)
    plain = read_spectrum(files / name / "phonopy_disp.yaml", mesh=(1, 1, 1), born="BORN" in beside)
    np.testing.assert_array_equal(got.frequency, plain.frequency)
    (tmp_path / "modes").write_bytes(bz2.compress(b"# unit: THz\n1 2\n"))
    assert read_spectrum(tmp_path / "modes").frequency.tolist() == [[1, 2]]


# ---- remedies of the input file


def test_remedies_that_name_keys_of_the_input_help(files: Path, tmp_path: Path) -> None:
    """States whose primitive cells differ: "say cell: unit"; acoustic modes off zero: "raise acoustic_limit"."""
    phonopy = pytest.importorskip("phonopy")
    ours = salt()
    whole = phonopy.Phonopy(ours.unitcell, SUPERCELL, primitive_matrix=np.eye(3), log_level=0)
    whole.dataset = ours.dataset
    whole.save(tmp_path / "saddle.yaml", settings={"force_constants": False})
    (tmp_path / "initial.yaml").write_bytes((files / "phonopy_params.yaml").read_bytes())
    numbers = {
        "initial": "initial.yaml",
        "saddle": "saddle.yaml",
        "mesh": [1, 1, 1],
        "reaction_mode": "lowest",
    }

    def load(**more: object):
        entry = hop(distance=2.665, barrier="0.5 eV", attempt_frequency={"vineyard": {**numbers, **more}})
        return load_model_text(json.dumps(document("chain", [entry])), base=tmp_path)

    with pytest.raises(InputError, match="say cell: unit"):
        load()
    assert load(cell="unit").hop_classes
    with pytest.raises(InputError, match="raise acoustic_limit"):
        load(cell="unit", acoustic_limit="2e3 Hz")
    assert load(cell="unit", acoustic_limit="1 THz").hop_classes
