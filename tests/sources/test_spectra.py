"""Phonon readers: every kind gives the same numbers as phonopy, and damaged or mixed-up files are refused."""

from __future__ import annotations

import gzip
import lzma
import re
import shutil
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

from kmc_transport.errors import InputError
from kmc_transport.sources import Spectrum, read_spectrum
from kmc_transport.sources.vibrations import koettgen, prepare_pair, zero_point_difference
from tests.sources.real import DATA, real_files
from tests.sources.spectra import refused, salt, write_all

COMPUTED = [
    "phonopy_params.yaml",
    "constants_inside.yaml",
    "sets/phonopy_disp.yaml",
    "constants/phonopy_disp.yaml",
    "hdf5/phonopy_disp.yaml",
]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("phonopy")
    write_all(folder)
    return folder


def mean(spectrum: Spectrum) -> np.ndarray:
    """(n_modes,) weighted mean of each branch: the same however symmetry reduced the mesh."""
    return spectrum.weight @ spectrum.frequency


# ---- what is read


@pytest.mark.parametrize("name", ["mesh.yaml", "mesh.hdf5", "mesh_eigenvectors.yaml"])
def test_mesh_files_hold_what_phonopy_computed(files: Path, name: str) -> None:
    phonon = salt()
    mesh = phonon.run_mesh([4, 4, 4], is_gamma_center=True, is_mesh_symmetry=name != "mesh_eigenvectors.yaml")
    got = read_spectrum(files / name)
    np.testing.assert_allclose(got.frequency, mesh.frequencies, atol=6e-6)
    np.testing.assert_allclose(got.weight, mesh.weights / 64)
    assert got.qpoint is not None
    np.testing.assert_allclose(got.qpoint, mesh.qpoints, atol=1e-7)
    assert (got.mesh, got.n_atoms, got.without_acoustic) == ((4, 4, 4), 2, False)
    assert got.gamma is not None
    assert np.abs(got.qpoint[got.gamma]).max() == 0
    if name.endswith("yaml"):
        np.testing.assert_allclose(got.cell, phonon.primitive.cell)


def test_mesh_yaml_agrees_with_a_general_parser(files: Path) -> None:
    from phonopy.interface.phonopy_yaml import load_yaml

    parsed = load_yaml(files / "mesh_eigenvectors.yaml")
    got = read_spectrum(files / "mesh_eigenvectors.yaml")
    expected = [[band["frequency"] for band in point["band"]] for point in parsed["phonon"]]
    assert got.frequency.tolist() == expected
    assert got.qpoint is not None
    assert got.qpoint.tolist() == [point["q-position"] for point in parsed["phonon"]]
    assert got.cell is not None
    assert got.cell.tolist() == parsed["lattice"]


@pytest.mark.parametrize("name", COMPUTED)
def test_phonopy_computes_the_mesh(files: Path, name: str) -> None:
    got = read_spectrum(files / name, mesh=(4, 4, 4))
    np.testing.assert_allclose(mean(got), mean(read_spectrum(files / "mesh.hdf5")), atol=1e-6)
    assert (got.mesh, got.n_atoms, got.gamma, len(got.weight)) == ((4, 4, 4), 2, 0, 36)
    assert not got.frequency.flags.writeable


def test_a_mesh_of_odd_and_unequal_numbers(files: Path) -> None:
    got = read_spectrum(files / "phonopy_params.yaml", mesh=(3, 4, 1))
    full = salt().run_mesh([3, 4, 1], is_gamma_center=True, is_mesh_symmetry=False)
    np.testing.assert_allclose(mean(got), full.weights @ full.frequencies / 12, atol=1e-6)


def test_the_files_beside_are_taken_not_those_of_the_current_folder(
    files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "FORCE_SETS").write_text("1\n1\n")
    (tmp_path / "FORCE_CONSTANTS").write_text("1\n")
    monkeypatch.chdir(tmp_path)
    for name in ("phonopy_params.yaml", "sets/phonopy_disp.yaml"):
        assert read_spectrum(files / name, mesh=(1, 1, 1)).frequency.shape == (1, 6)


def test_without_a_mesh_one_is_chosen_and_said(files: Path) -> None:
    got = read_spectrum(files / "phonopy_params.yaml")
    assert got.mesh == (21, 21, 21)  # 50 Å; planes of the fcc cell 2.42 Å apart
    assert any("21 x 21 x 21 chosen by the program" in n for n in got.notes)


def test_the_unit_cell_has_all_its_modes_folded_to_gamma(files: Path) -> None:
    unit = read_spectrum(files / "phonopy_params.yaml", mesh=(1, 1, 1), cell="unit")
    assert (unit.n_atoms, unit.frequency.shape) == (8, (1, 24))
    folded = read_spectrum(files / "phonopy_params.yaml", mesh=(2, 2, 2))
    # of the 2 x 2 x 2 points of the fcc cell, Gamma and the three X points are Gamma of the cubic cell
    assert folded.qpoint is not None
    parity = (np.rint(2 * folded.qpoint).astype(int)).sum(axis=1) % 2 == 0
    np.testing.assert_allclose(np.sort(folded.frequency[parity].ravel()), unit.frequency[0], atol=1e-5)


@pytest.mark.parametrize("name", ["sets/phonopy_disp.yaml", "charges_inside.yaml"])
def test_born_charges_are_used_only_when_asked_for(files: Path, name: str) -> None:
    plain = read_spectrum(files / name, mesh=(1, 1, 1))
    assert any("not used" in n for n in plain.notes)
    assert np.ptp(plain.frequency[0, 3:]) < 1e-4
    with_charges = read_spectrum(files / name, mesh=(1, 1, 1), born=True)
    np.testing.assert_allclose(with_charges.frequency[0, 3:], plain.frequency[0, 3:], atol=1e-4)
    assert any("not split at Gamma" in n for n in with_charges.notes)
    split = read_spectrum(files / name, mesh=(2, 2, 2), born=True, nac_direction=(1, 0, 0))
    assert split.gamma is not None
    top = split.frequency[split.gamma]
    np.testing.assert_allclose(top[3:5], plain.frequency[0, 3:5], atol=1e-4)
    assert top[5] == pytest.approx(24.531, abs=2e-3)
    # 4 pi Z² e²/(V eps m) of the two-ion crystal, with the same 14.4 eV Å as phonopy's own factor
    volume, reduced = 4.2**3 / 4, 24.305 * 15.999 / (24.305 + 15.999)
    omega2 = 4 * np.pi * 14.4 * 1.9**2 / (volume * 3.0 * reduced)  # eV/(Å² u)
    assert top[5] ** 2 - top[4] ** 2 == pytest.approx(omega2 * 15.633302**2, rel=1e-4)


@pytest.mark.parametrize(("opener", "suffix"), [(gzip.open, "gz"), (lzma.open, "xz")])
@pytest.mark.parametrize("name", ["mesh.yaml", "phonopy_params.yaml"])
def test_compressed_files(files: Path, tmp_path: Path, name: str, opener, suffix: str) -> None:
    packed = tmp_path / f"{name}.{suffix}"
    with opener(packed, "wb") as f:
        f.write((files / name).read_bytes())
    mesh = None if name == "mesh.yaml" else (2, 2, 2)
    np.testing.assert_array_equal(
        read_spectrum(packed, mesh=mesh).frequency, read_spectrum(files / name, mesh=mesh).frequency
    )
    packed.write_bytes(packed.read_bytes()[:-200])
    refused(packed, "cannot be read", mesh=mesh)


# ---- plain lists


def test_inline_numbers_are_terahertz_at_gamma() -> None:
    got = read_spectrum([5.0, -0.24, 8])
    assert got.frequency.tolist() == [[5.0, -0.24, 8.0]]
    assert (got.gamma, got.without_acoustic, got.n_atoms, got.mesh) == (0, True, None, None)
    assert not read_spectrum([0, 0, 0, 5], acoustic=True).without_acoustic


@pytest.mark.parametrize(
    ("unit", "factor"), [("THz", 1.0), ("cm^-1", 0.0299792458), ("meV", 0.2417989242), ("Hz", 1e-12)]
)
def test_a_list_names_its_unit(tmp_path: Path, unit: str, factor: float) -> None:
    scale = 1.0 if unit != "Hz" else 1e12
    path = tmp_path / "modes.txt"
    path.write_text(f"# of a defect\n# unit: {unit}\n{5 * scale}, {8.5 * scale} # two\n\n{2 * scale}i\n")
    np.testing.assert_allclose(
        read_spectrum(path).frequency, [np.array([5, 8.5, -2]) * scale * factor], rtol=1e-9
    )


def test_headers_of_a_list(tmp_path: Path) -> None:
    path = tmp_path / "modes.txt"
    path.write_text("unit: THz\nacoustic: included\natoms: 2\n0 0 0 5 6 7\n")
    got = read_spectrum(path)
    assert (got.without_acoustic, got.n_atoms) == (False, 2)
    assert read_spectrum(path, acoustic=False).without_acoustic


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("5 8 10\n", "does not say in which unit"),
        ("# unit: parsec\n5 8\n", "not a unit of frequency"),
        ("# unit: THz\n", "holds no frequencies"),
        ("# unit: THz\n5 eight\n", "no frequency"),
        ("# unit: THz\n5 nan\n", "not finite"),
        ("# unit: THz\n# acoustic: perhaps\n5\n", "'acoustic' is not understood"),
        ("# unit: THz\n# atoms: many\n5\n", "not a number of atoms"),
        ("# unit: THz\n# atoms: 2\n# acoustic: included\n5 6 7\n", "do not fit 2 atoms"),
        ("# unit: THz\n500 600\n", "too high to be THz"),
        ("", "is empty"),
        (" \n", "is empty"),
    ],
)
def test_bad_lists_are_refused(tmp_path: Path, text: str, match: str) -> None:
    path = tmp_path / "modes.txt"
    path.write_text(text)
    refused(path, match)


def test_bad_inline_lists_are_refused() -> None:
    refused([], "empty list")
    refused([5, "x"], "not a list of frequencies")
    refused([5, float("inf")], "not finite")


# ---- files that are something else


def test_other_files_of_phonopy_are_named_as_such(files: Path, tmp_path: Path) -> None:
    phonon = salt()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        phonon.run_band_structure([[[0, 0, 0], [0.25, 0, 0.25], [0.5, 0, 0.5]]])
        phonon.band_structure.write_yaml(filename=tmp_path / "band.yaml")
    refused(tmp_path / "band.yaml", "band structure")
    refused(files / "hdf5" / "force_constants.hdf5", "is not a mesh.hdf5")
    refused(tmp_path, "is a folder")
    refused(tmp_path / "absent.yaml", "no such file")
    refused(files / "sets" / "FORCE_SETS", "holds forces, not frequencies")
    (tmp_path / "bytes").write_bytes(bytes(range(128, 256)))
    refused(tmp_path / "bytes", "not a text file")


def test_bad_choices_are_refused(files: Path) -> None:
    refused(files / "mesh.yaml", "another mesh", mesh=(8, 8, 8))
    refused(files / "mesh.hdf5", "another mesh", mesh=(2, 2, 2))
    refused(files / "phonopy_params.yaml", "is not a mesh", mesh=(2, 2))
    refused(files / "phonopy_params.yaml", "is not a mesh", mesh=(2, 0, 2))
    refused(files / "phonopy_params.yaml", "no such cell", cell="conventional")
    refused(files / "phonopy_params.yaml", "no such file of Born charges", born=True)
    refused(files / "phonopy_params.yaml", "needs Born charges", nac_direction=(1, 0, 0))


def test_phonopy_missing_names_the_extra(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "phonopy", None)
    refused(files / "phonopy_params.yaml", r"pip install phonopy")
    assert read_spectrum(files / "mesh.yaml").n_atoms == 2  # needs no phonopy
    assert read_spectrum(files / "mesh.hdf5").n_atoms == 2


# ---- damaged and mixed-up files


def test_a_mesh_yaml_cut_off_anywhere_is_refused(files: Path, tmp_path: Path) -> None:
    whole = (files / "mesh.yaml").read_bytes()
    path = tmp_path / "mesh.yaml"
    path.write_bytes(whole[:-1])  # only the last new line is gone
    assert read_spectrum(path).mesh == (4, 4, 4)
    for end in (*range(8, len(whole) - 1, 37), *range(len(whole) - 20, len(whole) - 1)):
        path.write_bytes(whole[:end])
        with pytest.raises(InputError):
            read_spectrum(path)


def test_a_mesh_yaml_whose_parts_are_mixed_is_refused(files: Path, tmp_path: Path) -> None:
    whole = (files / "mesh.yaml").read_text()
    path = tmp_path / "mesh.yaml"
    blocks = whole.split("- q-position:")
    cases = {
        "8 q-points are announced, 7": "- q-position:".join(blocks[:3] + blocks[4:]),
        "is not complete": whole.replace("    frequency:", "    nothing:", 1),
        "without natom": whole.replace("natom:", "n_atom:"),
        "Gamma point is there 2 times": "- q-position:".join([*blocks[:2], blocks[1], *blocks[3:]]),
        "a mesh of 8 x 8 x 8 has 512 points": whole.replace(
            "mesh: [     4,     4,     4", "mesh: [     8,     8,     8"
        ),
        "too high to be THz": re.sub("frequency: +-?", "frequency: 1000", whole, count=1),
    }
    for match, text in cases.items():
        path.write_text(text)
        with pytest.raises(InputError, match="weights add up|" + match):
            read_spectrum(path)
        assert text != whole, match
    path.write_text(whole.replace("    frequency:", "    nothing:", 1))
    with pytest.raises(InputError) as error:
        read_spectrum(path)
    line = error.value.problems[0].line
    assert line is not None
    assert whole.splitlines()[line - 1].startswith("- q-position:")


def test_a_damaged_mesh_hdf5_is_refused(files: Path, tmp_path: Path) -> None:
    import h5py

    whole = (files / "mesh.hdf5").read_bytes()
    path = tmp_path / "mesh.hdf5"
    for share in (0.01, 0.3, 0.7, 0.95):
        path.write_bytes(whole[: int(len(whole) * share)])
        refused(path, "HDF5 cannot read it|is not a mesh.hdf5")
    path.write_bytes(b"")
    refused(path, "is empty")

    def change(key: str, values: object) -> None:
        shutil.copy(files / "mesh.hdf5", path)
        with h5py.File(path, "a") as f:
            del f[key]
            f[key] = values

    change("weight", np.ones(7))
    refused(path, "do not fit together")
    change("weight", np.ones(8))
    refused(path, "weights add up to 8")
    change("weight", -np.ones(8))
    refused(path, "not positive")
    change("frequency", np.ones(8))
    refused(path, "other shapes")
    change("frequency", np.full((8, 6), np.nan))
    refused(path, "not finite")
    change("frequency", np.ones((8, 7)))
    assert read_spectrum(path).n_atoms is None
    assert "no multiple of three" in read_spectrum(path).notes[0]


def copy_of(files: Path, name: str, folder: Path) -> Path:
    shutil.copytree(files / name, folder / name)
    return folder / name


def test_forces_cut_off_are_refused(files: Path, tmp_path: Path) -> None:
    folder = copy_of(files, "sets", tmp_path)
    lines = (folder / "FORCE_SETS").read_text().splitlines(keepends=True)
    for n in (0, 1, 2, 5, 12, 21, len(lines) - 1):  # 21: the first of two sets
        (folder / "FORCE_SETS").write_text("".join(lines[:n]))
        refused(
            folder / "phonopy_disp.yaml",
            "FORCE_SETS.*(cannot be read|is not|are not|is empty)",
            mesh=(1, 1, 1),
        )
    text = (files / "phonopy_params.yaml").read_text()
    path = tmp_path / "phonopy_params.yaml"
    second = text.index("\n- atom:", text.index("displacements:") + 20)
    for end in (
        30,
        len(text) // 3,
        text.index("supercell_matrix") + 40,
        second,
        second + 400,
        len(text) - 30,
    ):
        path.write_text(text[:end])
        with pytest.raises(InputError):
            read_spectrum(path, mesh=(1, 1, 1))


def test_a_direction_that_was_not_displaced_is_noticed(tmp_path: Path) -> None:
    """phonopy itself accepts these forces and puts zeros."""
    phonopy = pytest.importorskip("phonopy")
    from phonopy.structure.atoms import PhonopyAtoms

    cell = PhonopyAtoms(
        symbols=["Cu"] * 2, cell=np.diag([3.0, 3.2, 3.4]), scaled_positions=[[0, 0, 0], [0.5, 0.5, 0.5]]
    )
    phonon = phonopy.Phonopy(cell, np.eye(3, dtype=int), primitive_matrix=np.eye(3), log_level=0)
    moves = np.eye(3) * 0.01
    full = [{"number": 0, "displacement": m, "forces": np.outer([-1.0, 1.0], m)} for m in moves]
    for kept, good in ((full, True), (full[:2], False)):
        phonon.dataset = {"natom": 2, "first_atoms": kept}
        phonon.save(tmp_path / "params.yaml", settings={"force_constants": False})
        if good:
            assert read_spectrum(tmp_path / "params.yaml", mesh=(1, 1, 1)).frequency.shape == (1, 6)
        else:
            refused(tmp_path / "params.yaml", "not displaced in every direction", mesh=(1, 1, 1))


def test_files_of_different_calculations_are_refused(files: Path, tmp_path: Path) -> None:
    folder = copy_of(files, "sets", tmp_path)
    sets = folder / "FORCE_SETS"
    text = sets.read_text()
    sets.write_text(text.replace("0.0070710678118655", "0.0212132034355965"))
    assert sets.read_text() != text
    refused(folder / "phonopy_disp.yaml", "its displacements are not those")
    lines = text.splitlines(keepends=True)
    half = (len(lines) - 2) // 2
    sets.write_text("".join(lines[:2] + lines[2 + half :] + lines[2 : 2 + half]))  # reordered
    refused(folder / "phonopy_disp.yaml", "its displacements are not those")
    sets.write_text(text)
    (folder / "FORCE_CONSTANTS").write_text("1 1\n")
    refused(folder / "phonopy_disp.yaml", "not clear which forces")

    constants = copy_of(files, "constants", tmp_path)
    (constants / "FORCE_CONSTANTS").write_text("1 1\n1 1\n" + "1 0 0\n" * 3)
    refused(constants / "phonopy_disp.yaml", "FORCE_CONSTANTS.*not those of this supercell")
    (constants / "FORCE_CONSTANTS").write_text("16 16\n1 1\n")
    refused(constants / "phonopy_disp.yaml", "FORCE_CONSTANTS.*cannot be read")
    refused(files / "nothing" / "phonopy_disp.yaml", "neither forces nor force constants")
    (folder / "FORCE_CONSTANTS").unlink()
    (folder / "BORN").write_text("14.4\n3 0 0\n")
    refused(folder / "phonopy_disp.yaml", "BORN.*0 lines of charges", born=True)


# ---- files of real calculations


@real_files
def test_magnesium_oxide() -> None:
    folder = Path(str(DATA), "phonopy_MgO")
    mesh = read_spectrum(folder / "mesh.hdf5")
    assert (mesh.frequency.shape, mesh.mesh, mesh.gamma) == ((512, 6), (8, 8, 8), None)  # between the points
    plain = [read_spectrum(folder / f, mesh=(2, 2, 2)) for f in ("phonopy_disp.yaml", "phonopy_params.yaml")]
    np.testing.assert_allclose(plain[0].frequency, plain[1].frequency, atol=1e-4)
    assert plain[0].gamma is not None
    assert plain[0].frequency[plain[0].gamma].max() == pytest.approx(11.198, abs=1e-3)
    for name in ("phonopy_disp.yaml", "phonopy_params.yaml"):
        split = read_spectrum(folder / name, mesh=(2, 2, 2), born=True, nac_direction=(1, 0, 0))
        assert split.gamma is not None
        assert split.frequency[split.gamma].max() == pytest.approx(19.97, abs=0.01)
        assert split.frequency[split.gamma, 4] == pytest.approx(11.198, abs=1e-3)
    # the shipped mesh was computed with Born charges; at its q-points nothing depends on a direction
    assert mesh.frequency.max() == pytest.approx(19.97, abs=0.1)


@real_files
def test_silicon_dioxide_at_high_pressure() -> None:
    folder = Path(str(DATA), "phonopy_SiO2_HP")
    got = read_spectrum(folder / "phonopy_disp.yaml", mesh=(2, 2, 2))
    assert got.n_atoms == 6
    assert got.gamma is not None
    assert np.abs(got.frequency[got.gamma, :3]).max() < 1e-4
    assert got.frequency.min() > -1e-4
    assert "BORN" in " ".join(got.notes)
    along = [
        read_spectrum(folder / "phonopy_disp.yaml", mesh=(1, 1, 1), born=True, nac_direction=d).frequency[0]
        for d in ((1, 0, 0), (0, 0, 1))
    ]
    assert np.abs(along[0] - along[1]).max() > 0.5  # the charges are anisotropic


@real_files
def test_real_files_of_two_substances_are_no_hop(tmp_path: Path) -> None:
    oxide, silica = (
        read_spectrum(Path(str(DATA), folder, "phonopy_disp.yaml"), mesh=(2, 2, 2))
        for folder in ("phonopy_MgO", "phonopy_SiO2_HP")
    )
    with pytest.raises(InputError, match="same number of atoms"):
        prepare_pair(oxide, silica)
    forces = Path(str(DATA), "phonopy_SiO2_HP", "FORCE_SETS")
    shutil.copy(Path(str(DATA), "phonopy_MgO", "phonopy_disp.yaml"), tmp_path)
    shutil.copy(forces, tmp_path)
    refused(tmp_path / "phonopy_disp.yaml", "FORCE_SETS")
    # a crystal against itself has no reaction mode: it must be named, and then the lowest optical mode is left out
    with pytest.raises(InputError, match="no imaginary branch"):
        prepare_pair(oxide, oxide)
    pair = prepare_pair(oxide, oxide, reaction_mode="lowest")
    assert zero_point_difference(pair.initial, pair.saddle) < 0
    assert 1e12 < koettgen(pair, 300.0) < 2e13
