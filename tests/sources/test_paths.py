"""Migration paths of several codes: the same hop read alike, and every kind of damage said clearly."""

from __future__ import annotations

import gzip
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kmc_transport.errors import InputError
from kmc_transport.sources import PATH_KINDS, read_path
from tests.sources import path_fixtures as fx
from tests.sources.real import DATA, real_files


def small_traj(path: Path, energies: list[float], symbols: str = "Cu2Au2", **how: Any) -> Path:
    """Four atoms in a box of 6 Å; atom 3 walks 0.4 Å along x for each image."""
    from ase import Atoms
    from ase.calculators.singlepoint import SinglePointCalculator

    images = []
    for k, energy in enumerate(energies):
        places = np.array([[0.0, 0, 0], [0, 3, 0], [3, 3, 3], [2 + 0.4 * k, 0, 3]])
        atoms = Atoms(symbols, places, cell=[6, 6, 6], pbc=True)
        atoms.calc = SinglePointCalculator(atoms, energy=energy)
        images.append(atoms)
    if change := how.get("change"):
        change(images)
    return fx.write_traj(path, images)


def table(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


# --- the same hop from every code -------------------------------------------------------------------------------

WRITERS: dict[str, Callable[[Path, list[Any]], Path]] = {
    "traj": lambda p, b: fx.write_traj(p / "hop.traj", b),
    "extxyz": lambda p, b: fx.write_traj(p / "hop.xyz", b),
    "db": lambda p, b: fx.write_db(p / "hop.db", b),
    "json database": lambda p, b: fx.write_db(p / "hop.json", b),
    "VASP folders": lambda p, b: fx.write_vasp(p / "neb", b),
    "VASP vasprun.xml": lambda p, b: fx.write_vasp(p / "neb", b, xml=True),
    "NEBAnalysis": lambda p, b: fx.write_neb_analysis(p / "neb.json", b),
    "neb.x .dat": lambda p, b: fx.write_qe(p, b),
    "neb.x .path": lambda p, b: fx.write_qe(p, b).with_suffix(".path"),
    "neb.x .axsf": lambda p, b: fx.write_qe(p, b).with_suffix(".axsf"),
    "table": lambda p, b: fx.write_table(p / "hop.csv", b),
}


@pytest.mark.parametrize("name", WRITERS)
def test_the_same_hop_from_every_code(name: str, tmp_path: Path) -> None:
    images = fx.band()
    saddle = fx.energies(images)[3] - fx.energies(images)[0]
    path = read_path(WRITERS[name](tmp_path, images))
    assert path.barrier_forward == pytest.approx(saddle, abs=2e-5)  # a climbing image stands on the saddle
    assert path.barrier_reverse == pytest.approx(saddle, abs=2e-5)
    assert path.energy_difference == pytest.approx(0, abs=2e-5)
    assert path.energy[0] == 0
    assert len(path.energy) == 7
    assert path.path_length == pytest.approx(fx.steps(images).sum(), abs=1e-5)
    if name == "table":
        assert path.displacement is None
        assert path.migrating_atom is None
        return
    assert path.displacement is not None
    assert path.migrating_atom == fx.MIGRATING
    assert set(path.symbols or ()) == {"Cu"}
    expected = images[3].positions[fx.MIGRATING] - images[0].positions[fx.MIGRATING]
    # the median of the atoms far away, in so small a cell some thousandths of an Å, is taken off
    np.testing.assert_allclose(path.displacement[fx.MIGRATING], expected, atol=0.01)
    reference = read_path(fx.write_traj(tmp_path / "reference.traj", images)).displacement
    np.testing.assert_allclose(path.displacement, reference, atol=1e-5)
    assert not path.displacement.flags.writeable


@pytest.mark.parametrize("name", WRITERS)
def test_the_maximum_lies_between_images(name: str, tmp_path: Path) -> None:
    """Without the image at the saddle every interpolation still finds it, within a few hundredths of an eV."""
    images = fx.band()
    saddle = fx.energies(images)[3] - fx.energies(images)[0]
    del images[3]
    path = read_path(WRITERS[name](tmp_path, images))
    assert path.energy.max() < saddle - 0.1
    assert path.barrier_forward == pytest.approx(saddle, abs=0.04)
    assert any("above the highest image" in n for n in path.notes)
    assert path.saddle_coordinate == pytest.approx(path.coordinate[-1] / 2, rel=1e-3)


def test_ase_interpolation_is_that_of_nebtools(tmp_path: Path) -> None:
    from ase.mep import NEBTools

    images = fx.band()
    del images[3]
    barrier, difference = NEBTools(images).get_barrier()
    path = read_path(fx.write_traj(tmp_path / "hop.traj", images))
    assert path.barrier_forward == pytest.approx(
        barrier, abs=1e-3
    )  # NEBTools looks at 20 points for each step
    assert path.barrier_forward >= barrier - 1e-9
    assert path.energy_difference == pytest.approx(difference, abs=1e-9)
    assert "Hermite" in path.interpolation


def test_vasp_interpolation_is_that_of_pymatgen(tmp_path: Path) -> None:
    from pymatgen.analysis.transition_state import NEBAnalysis

    images = fx.band()
    del images[4]
    file = fx.write_neb_analysis(tmp_path / "neb.json", images)
    highest = max(e for _, e in NEBAnalysis.from_dict(json.loads(file.read_text())).get_extrema()[1])
    for source in (file, fx.write_vasp(tmp_path / "neb", images)):
        path = read_path(source)
        assert 1e3 * path.barrier_forward == pytest.approx(highest, abs=0.2)
        assert "spline" in path.interpolation


def test_neb_x_interpolation_is_used_and_agrees_with_forces(tmp_path: Path) -> None:
    from scipy.interpolate import CubicHermiteSpline

    images = fx.band()
    del images[3]
    dat = fx.write_qe(tmp_path, images)
    from_forces = read_path(dat)
    x, e, _ = np.loadtxt(dat, unpack=True)
    slope = -fx.tangential_forces(images) * fx.steps(images).sum()
    fine = np.linspace(0, 1, 251)
    curve = CubicHermiteSpline(x, e, slope)(fine)
    np.savetxt(dat.with_suffix(".int"), np.column_stack([fine, curve]), fmt="%16.10f")
    path = read_path(dat)
    assert path.interpolation == "interpolation by the code"
    assert path.barrier_forward == pytest.approx(from_forces.barrier_forward, abs=1e-5)
    np.testing.assert_allclose(path.force_error, 0.03)
    assert path.energy_error is None
    # the interpolation of another run
    np.savetxt(dat.with_suffix(".int"), np.column_stack([fine, 0.5 * curve]), fmt="%16.10f")
    with pytest.raises(InputError, match="misses the energies"):
        read_path(dat)


# --- atoms across the boundary, drift, order --------------------------------------------------------------------


def test_wrapped_atoms_are_followed(tmp_path: Path) -> None:
    images = fx.band()
    expected = read_path(fx.write_traj(tmp_path / "plain.traj", images))
    for image in images:
        image.wrap()
    wrapped = read_path(fx.write_traj(tmp_path / "wrapped.traj", images))
    assert any("followed across the cell boundary" in n for n in wrapped.notes)
    assert expected.displacement is not None
    np.testing.assert_allclose(wrapped.displacement, expected.displacement, atol=1e-9)
    assert wrapped.barrier_forward == pytest.approx(expected.barrier_forward, abs=1e-9)


def test_rigid_drift_is_taken_out(tmp_path: Path) -> None:
    images = fx.band()
    expected = read_path(fx.write_traj(tmp_path / "plain.traj", images))
    for k, image in enumerate(images):
        image.positions += 0.1 * k * np.array([1, 0.5, 0])
    path = read_path(fx.write_traj(tmp_path / "drift.traj", images))
    assert any("drifts by up to 0.67" in n for n in path.notes)
    assert not any("drifts" in n for n in expected.notes)
    assert expected.displacement is not None
    assert path.displacement is not None
    np.testing.assert_allclose(path.displacement, expected.displacement, atol=1e-9)
    assert path.migrating_atom == fx.MIGRATING
    assert path.path_length == pytest.approx(expected.path_length, rel=0.03)


def test_told_migrating_atom(tmp_path: Path) -> None:
    file = fx.write_traj(tmp_path / "hop.traj", fx.band())
    path = read_path(file, migrating_atom=7)
    assert path.migrating_atom == 7
    assert any("atom 7 (Cu, counted from 0) as told" in n for n in path.notes)
    with pytest.raises(InputError, match="allowed: 0 to 30"):
        read_path(file, migrating_atom=31)
    with pytest.raises(InputError, match="no positions here"):
        read_path(fx.write_table(tmp_path / "t.csv", fx.band()), migrating_atom=0)


def swap_atoms(images: list[Any]) -> None:
    images[2].positions[[0, 1]] = images[2].positions[[1, 0]]


def other_element(images: list[Any]) -> None:
    images[2].set_chemical_symbols(["Cu", "Au", "Cu", "Au"])


def fewer_atoms(images: list[Any]) -> None:
    del images[1][0]


def other_cell(images: list[Any]) -> None:
    images[1].set_cell([6, 6, 6.1])


def swap_images(images: list[Any]) -> None:
    images[1].positions, images[2].positions = images[2].positions.copy(), images[1].positions.copy()


def doubled(images: list[Any]) -> None:
    images[2].positions = images[1].positions


def no_energy(images: list[Any]) -> None:
    images[2].calc = None


def nan_energy(images: list[Any]) -> None:
    images[2].calc.results["energy"] = np.nan


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (swap_atoms, r"atoms 0 \(Cu\), 1 \(Cu\) have changed places between image 1 and image 2"),
        (other_element, r"atom 1 \(counted from 0\) is Au in image 2 but Cu in image 0"),
        (fewer_atoms, "image 1 has 3 atoms, image 0 has 4"),
        (other_cell, r"cell of image 1 differs from that of image 0 by 0\.100"),
        (swap_images, "turns back at image"),
        (doubled, "image 1 and image 2 have the same positions"),
        (no_energy, "image 2 has no energy"),
        (nan_energy, "energy of image 2 is not a finite number"),
    ],
)
def test_images_that_do_not_match(change: Callable[[list[Any]], None], said: str, tmp_path: Path) -> None:
    energies = [0.0, 0.2, 0.5, 0.2, 0.1]
    assert read_path(small_traj(tmp_path / "good.traj", energies)).migrating_atom == 3
    with pytest.raises(InputError, match=said) as caught:
        read_path(small_traj(tmp_path / "bad.traj", energies, change=change))
    assert caught.value.problems[0].remedy
    assert caught.value.problems[0].file.endswith("bad.traj")


@pytest.mark.parametrize("name", [n for n in WRITERS if n != "table"])
def test_a_cut_file_is_refused_or_read_alike(name: str, tmp_path: Path) -> None:
    """Cut anywhere, a file never gives another barrier and never an error of a library."""
    source = WRITERS[name](tmp_path, fx.band())
    file = source
    if source.is_dir():
        file = source / "03" / ("vasprun.xml" if "xml" in name else "OUTCAR")
    expected, whole = read_path(source).barrier_forward, file.read_bytes()
    refused: list[InputError] = []
    for share in np.linspace(0, 0.97, 15):
        file.write_bytes(whole[: int(share * len(whole))])
        try:
            assert read_path(source).barrier_forward == pytest.approx(expected, abs=1e-3)
        except InputError as error:
            refused.append(error)
    assert len(refused) >= 5
    assert all(e.problems[0].file and e.problems[0].remedy for e in refused)


# --- the saddle ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "energies", [[0, 0.1, 0.2, 0.3], [0.3, 0.2, 0.1, 0], [0, 0, 0, 0], [0.5, 0.2, 0.3, 0.1]]
)
def test_a_path_without_saddle(energies: list[float], tmp_path: Path) -> None:
    rows = "\n".join(f"{i} {e}" for i, e in enumerate(energies))
    with pytest.raises(InputError, match="no saddle: the highest image is an end") as caught:
        read_path(table(tmp_path / "t.txt", rows))
    assert "saddle_by_symmetry" in caught.value.problems[0].remedy


def test_saddle_by_symmetry(tmp_path: Path) -> None:
    images = fx.band()
    whole = read_path(fx.write_traj(tmp_path / "whole.traj", images))
    file = fx.write_traj(tmp_path / "half.traj", [images[0], images[3]])
    path = read_path(file, saddle_by_symmetry=True)
    assert path.barrier_forward == path.barrier_reverse == pytest.approx(whole.barrier_forward, abs=1e-6)
    assert path.energy_difference == 0
    assert path.coordinate[1] * 2 == path.coordinate[2]
    assert path.displacement is not None
    assert path.positions is not None
    np.testing.assert_allclose(path.displacement, path.positions[1] - path.positions[0])
    np.testing.assert_allclose(path.positions[2] - path.positions[1], path.displacement)
    assert whole.displacement is not None
    np.testing.assert_allclose(path.displacement, whole.displacement, atol=1e-6)
    assert any("known by symmetry" in n or "mirrors" in n for n in path.notes)
    # also from folders and from a table
    assert read_path(
        fx.write_vasp(tmp_path / "v", [images[0], images[3]]), saddle_by_symmetry=True
    ).barrier_forward == pytest.approx(whole.barrier_forward, abs=1e-5)
    two = table(tmp_path / "two.txt", "image, energy [eV], error [eV]\n0, -1.0, 0.02\n1, -0.6, 0.03\n")
    row = read_path(two, saddle_by_symmetry=True)
    assert row.barrier_forward == pytest.approx(0.4)
    np.testing.assert_allclose(row.energy_error, [0.02, 0.03, 0.02])
    with pytest.raises(InputError, match="three images at least") as caught:
        read_path(two)
    assert "saddle_by_symmetry" in str(caught.value)
    with pytest.raises(InputError, match="2 images"):
        read_path(tmp_path / "whole.traj", saddle_by_symmetry=True)
    with pytest.raises(InputError, match="not higher than the start"):
        read_path(table(tmp_path / "down.txt", "0 0.4\n1 0\n"), saddle_by_symmetry=True)


def test_two_hops_in_a_row_are_noted(tmp_path: Path) -> None:
    path = read_path(table(tmp_path / "t.txt", "0 0\n1 0.4\n2 0.1\n3 0.5\n4 0.05\n"))
    assert any("row 3 (line 3) is a minimum inside the path, 300 meV deep" in n for n in path.notes)
    single = read_path(table(tmp_path / "s.txt", "0 0\n1 0.4\n2 0.5\n3 0.4\n4 0.05\n"))
    assert not any("minimum inside" in n for n in single.notes)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.floats(-1, 1), min_size=2, max_size=7),
    st.floats(0.05, 3),
    st.floats(0.1, 10),
    st.integers(0, 6),
)
def test_barriers_of_any_table(
    tmp_path_factory: pytest.TempPathFactory, rest: list[float], height: float, step: float, where: int
) -> None:
    """Forward minus reverse is the energy difference; no barrier lies below its highest image."""
    place = min(max(where, 1), len(rest) - 1)
    energies = [*rest[:place], 1 + height, *rest[place:]]
    file = tmp_path_factory.mktemp("t") / "t.txt"
    file.write_text("\n".join(f"{i * step!r} {e!r}" for i, e in enumerate(energies)))
    path = read_path(file)
    assert path.barrier_forward - path.barrier_reverse == pytest.approx(path.energy_difference, abs=1e-9)
    assert path.barrier_forward >= max(energies) - energies[0] - 1e-9
    assert 0 < path.saddle_coordinate < path.coordinate[-1]


# --- VASP -------------------------------------------------------------------------------------------------


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    return fx.write_vasp(tmp_path / "neb", fx.band())


def test_ends_beside_the_images_and_packed_files(folders: Path) -> None:
    expected = read_path(folders)
    for place, image in (("initial", "00"), ("final", "06")):
        (folders / place).mkdir()
        shutil.move(folders / image / "OUTCAR", folders / place / "OUTCAR")
    middle = folders / "03" / "OUTCAR"
    middle.with_suffix(".gz").write_bytes(gzip.compress(middle.read_bytes()))
    middle.unlink()
    path = read_path(folders)
    assert path.barrier_forward == expected.barrier_forward
    (folders / "final" / "OUTCAR").unlink()
    with pytest.raises(InputError, match=r"image 06 has neither OUTCAR nor vasprun\.xml"):
        read_path(folders)


def test_an_electronic_step_is_no_final_energy(folders: Path) -> None:
    file = folders / "03" / "OUTCAR"
    whole = file.read_text()
    file.write_text(fx.outcar(-100.0, 31, finished=False))
    with pytest.raises(InputError, match=r"no final energy.*first electronic relaxation"):
        read_path(folders)
    # killed in a later step: the last finished one counts, and is said
    file.write_text(whole.replace(" General timing", " ") + fx.outcar(-100.0, 31, finished=False))
    path = read_path(folders)
    assert path.barrier_forward == pytest.approx(0.7764, abs=1e-3)
    assert any("03/OUTCAR breaks off" in n for n in path.notes)


def remove_folder(d: Path) -> None:
    shutil.rmtree(d / "02")


def doubled_folder(d: Path) -> None:
    shutil.copytree(d / "02", d / "2")


def empty_outcar(d: Path) -> None:
    (d / "02" / "OUTCAR").write_text("")


def stars(d: Path) -> None:
    file = d / "02" / "OUTCAR"
    file.write_text(file.read_text().replace("energy(sigma->0) = ", "energy(sigma->0) = *****", 2))


def no_structure(d: Path) -> None:
    (d / "02" / "CONTCAR").write_text("")


def broken_structure(d: Path) -> None:
    file = d / "02" / "CONTCAR"
    file.write_text("\n".join(file.read_text().splitlines()[:20]))


def other_run(d: Path) -> None:
    (d / "02" / "OUTCAR").write_text(fx.outcar(-90.0, 30))


def other_cutoff(d: Path) -> None:
    file = d / "00" / "OUTCAR"
    file.write_text(file.read_text().replace("400.0 eV", "520.0 eV"))


def shuffled(d: Path) -> None:
    for a, b in (("02", "x"), ("05", "02"), ("x", "05")):
        (d / a).rename(d / b)


def broken_xml(d: Path) -> None:
    (d / "02" / "OUTCAR").unlink()
    (d / "02" / "vasprun.xml").write_text(fx.vasprun(-1.0, fx.band()[2])[:900])


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (remove_folder, "image folder 02 is missing"),
        (doubled_folder, "two image folders have the number 2"),
        (empty_outcar, "OUTCAR of image 02 is empty"),
        (stars, "is not a number"),
        (no_structure, "image 02 has neither CONTCAR nor POSCAR"),
        (broken_structure, "cannot be read as a structure of VASP"),
        (other_run, "NELECT.* is 330 in 02 but 341 in 00"),
        (other_cutoff, "ENCUT.* is 400 in 01 but 520 in 00"),
        (shuffled, "turns back at image 0"),
        (broken_xml, "vasprun.xml is damaged or breaks off"),
    ],
)
def test_broken_vasp_folders(damage: Callable[[Path], None], said: str, folders: Path) -> None:
    assert read_path(folders).barrier_forward > 0
    damage(folders)
    with pytest.raises(InputError, match=said) as caught:
        read_path(folders)
    assert caught.value.problems[0].remedy


# --- NEBAnalysis ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: d.pop("structures"), "neither a NEBAnalysis|lacks structures"),
        (lambda d: d["energies"].pop(), "differ in length"),
        (lambda d: d.update(r=[], energies=[], forces=[], structures=[]), "has no images"),
        (lambda d: d.update(r=d["r"][::-1]), "does not ascend"),
        (lambda d: d.update(r=[2 * r for r in d["r"]]), "do not belong together"),
        (lambda d: d["structures"].insert(1, d["structures"].pop(4)), "do not belong together"),
        (lambda d: d["energies"].__setitem__(2, None), "not finite|no number"),
        (lambda d: d["structures"].__setitem__(2, {"sites": []}), "structure of image 2"),
    ],
)
def test_broken_neb_analysis(change: Callable[[dict[str, Any]], object], said: str, tmp_path: Path) -> None:
    file = fx.write_neb_analysis(tmp_path / "neb.json", fx.band())
    data = json.loads(file.read_text())
    change(data)
    file.write_text(json.dumps(data))
    with pytest.raises(InputError, match=said):
        read_path(file)


def test_other_json(tmp_path: Path) -> None:
    file = tmp_path / "x.json"
    whole = fx.write_neb_analysis(tmp_path / "neb.json", fx.band()).read_text()
    for text, said in [
        (whole[: len(whole) // 2], "not whole JSON"),
        ("[1, 2]", "neither a NEBAnalysis of pymatgen nor a database"),
        ('{"@class": "Structure"}', "neither a NEBAnalysis"),
        ("", "is empty"),
    ]:
        file.write_text(text)
        with pytest.raises(InputError, match=said):
            read_path(file)
    # however deep the stack may be: other libraries raise its limit, and the parser would not come back
    limit = sys.getrecursionlimit()
    try:
        sys.setrecursionlimit(1_000_000)
        for text in ("[" * 100_000, '{"a":' * 100_000, "[" * 100_000 + "]" * 100_000):
            file.write_text(text)
            with pytest.raises(InputError, match="nested too deeply"):
                read_path(file)
    finally:
        sys.setrecursionlimit(limit)
    file.write_text('{"@class": "Structure"}')
    with pytest.raises(InputError, match="is not a NEBAnalysis"):
        read_path(file, kind="neb_analysis")


# --- neb.x ------------------------------------------------------------------------------------------------


def test_neb_x_files_alone(tmp_path: Path) -> None:
    whole = read_path(fx.write_qe(tmp_path, fx.band()))
    alone = tmp_path / "alone"
    for suffix in (".dat", ".path", ".axsf"):
        shutil.rmtree(alone, ignore_errors=True)
        alone.mkdir()
        file = Path(shutil.copy(tmp_path / f"cu{suffix}", alone))
        if suffix == ".axsf":
            with pytest.raises(InputError, match="alone has no energies"):
                read_path(file)
            continue
        path = read_path(file)
        assert path.barrier_forward == pytest.approx(whole.barrier_forward, abs=1e-4)
        assert path.cell is None
        assert path.symbols is None
        assert path.migrating_atom == (fx.MIGRATING if suffix == ".path" else None)


def other_energy(d: Path) -> None:
    lines = (d / "cu.dat").read_text().splitlines()
    x, e, f = lines[2].split()
    lines[2] = f"  {x} {float(e) + 0.01} {f}"
    (d / "cu.dat").write_text("\n".join(lines))


def other_place(d: Path) -> None:
    images = fx.band()
    images[2].positions[5] += [0, 0, 0.1]
    from ase.io import write

    write(d / "cu.axsf", images, format="xsf")


def fewer_images(d: Path) -> None:
    from ase.io import write

    write(d / "cu.axsf", fx.band()[:6], format="xsf")


def cut(suffix: str, share: float) -> Callable[[Path], None]:
    def change(d: Path) -> None:
        file = d / f"cu{suffix}"
        file.write_text(file.read_text()[: int(share * file.stat().st_size)])

    return change


def replace(suffix: str, old: str, new: str) -> Callable[[Path], None]:
    def change(d: Path) -> None:
        file = d / f"cu{suffix}"
        assert old in file.read_text()
        file.write_text(file.read_text().replace(old, new, 1))

    return change


def reordered_dat(d: Path) -> None:
    lines = (d / "cu.dat").read_text().splitlines()
    (d / "cu.dat").write_text("\n".join(lines[::-1]))
    (d / "cu.path").unlink()


def shorter_dat(d: Path) -> None:
    file = d / "cu.dat"
    file.write_text("\n".join(file.read_text().splitlines()[:5]))
    (d / "cu.path").unlink()
    (d / "cu.axsf").unlink()


def stale_geometry(d: Path) -> None:
    """Positions of another path, with no .path file that would show it."""
    (d / "cu.path").unlink()
    images = fx.band()
    images[3].positions = 0.9 * images[3].positions + 0.1 * images[2].positions
    from ase.io import write

    write(d / "cu.axsf", images, format="xsf")


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (other_energy, "energy of image 3 differs by 10 meV from that in cu.path"),
        (other_place, r"atom 5 \(counted from 0\) of image 3 is 0\.100 Å away"),
        (fewer_images, "6 images here, 7 in the files beside"),
        (stale_geometry, "the positions put image"),
        (cut(".path", 0.5), "breaks off|damaged|atoms"),
        (cut(".path", 0.001), "not a .path file"),
        (cut(".axsf", 0.5), "cannot be read as an .axsf file"),
        (cut(".axsf", 0), "is empty"),
        (cut(".dat", 0.5), r"images here, 7 in|not one of a \.dat|not a number"),
        (replace(".dat", "0.0000000000", "NaN"), "not a finite number"),
        (replace(".path", "Image:    3", "Image:    5"), "where image 3 is due"),
        (reordered_dat, "does not ascend"),
        (shorter_dat, "does not run from 0 to 1: the file breaks off"),
    ],
)
def test_broken_neb_x_files(damage: Callable[[Path], None], said: str, tmp_path: Path) -> None:
    file = fx.write_qe(tmp_path, fx.band())
    assert read_path(file).barrier_forward > 0
    damage(tmp_path)
    with pytest.raises(InputError, match=said) as caught:
        read_path(file, kind="qe")
    assert caught.value.problems[0].remedy


# --- ASE --------------------------------------------------------------------------------------------------


def test_every_step_of_a_band_takes_the_last(tmp_path: Path) -> None:
    early = fx.band()
    for image in early[1:-1]:
        image.calc.results["energy"] = image.calc.results["energy"] + 0.1
    file = fx.write_traj(tmp_path / "steps.traj", early + fx.band())
    path = read_path(file)
    assert path.barrier_forward == pytest.approx(0.7764, abs=1e-3)
    assert any("2 bands of 7 images" in n for n in path.notes)
    assert read_path(file, key=":7").barrier_forward == pytest.approx(0.8764, abs=1e-2)
    with pytest.raises(InputError, match="start appears 3 times among 20 images, not at equal distances"):
        read_path(fx.write_traj(tmp_path / "odd.traj", early + fx.band()[:-1] + fx.band()))
    for key in ("last seven", "-:", "1:2:0", "9" * 5000 + ":"):
        with pytest.raises(InputError, match="not a slice"):
            read_path(file, key=key)


def test_rows_of_a_database_by_key(tmp_path: Path) -> None:
    file = tmp_path / "hops.db"
    images = fx.band()
    for k in (3, 0, 6, 1, 5, 2, 4):
        fx.write_db(file, [images[k]], path="hop1", image=k)
    fx.write_db(file, [images[0], images[0]], path="other")
    path = read_path(file, key="path=hop1")
    assert path.barrier_forward == pytest.approx(0.7764, abs=1e-3)
    assert any("key 'image'" in n for n in path.notes)
    with pytest.raises(InputError, match="missing in some"):
        read_path(file)
    with pytest.raises(InputError, match="no row of 9 fits"):
        read_path(file, key="path=hop2")


def test_broken_ase_files(tmp_path: Path) -> None:
    whole = fx.write_traj(tmp_path / "hop.traj", fx.band()).read_bytes()
    database = fx.write_db(tmp_path / "hop.db", fx.band()).read_bytes()
    for name, content, said in [
        ("a.traj", whole[: len(whole) // 2], "cannot be read as an ASE traj"),
        ("b.traj", b"", "empty"),
        ("c.traj", b"no trajectory at all\n", "cannot be read as an ASE traj"),
        ("d.db", b"no database", "not a database of ASE"),
        ("e.db", database[:3000], "database of ASE"),
        ("f.xyz", b"3\n\nCu 0 0\n", "cannot be read as an ASE extxyz"),
    ]:
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match=said):
            read_path(tmp_path / name)


def test_without_ase(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trajectory = fx.write_traj(tmp_path / "hop.traj", fx.band())
    dat = fx.write_qe(tmp_path, fx.band())
    monkeypatch.setitem(sys.modules, "ase", None)
    with pytest.raises(InputError, match="pip install ase"):
        read_path(trajectory)
    # neb.x's text files need no ASE; only cell and elements are missing
    path = read_path(dat)
    assert path.cell is None
    assert path.migrating_atom == fx.MIGRATING
    assert any("needs ASE" in n for n in path.notes)
    with pytest.raises(InputError, match="needs ASE"):
        read_path(dat.with_suffix(".axsf"))


# --- which kind -------------------------------------------------------------------------------------------


def test_kinds(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such kind of path") as caught:
        read_path(tmp_path, kind="castep")
    assert all(kind in str(caught.value) for kind in PATH_KINDS)
    with pytest.raises(InputError, match="no such file or folder"):
        read_path(tmp_path / "missing.traj")
    told = table(tmp_path / "hop.out", "0 0\n1 1\n2 0\n")
    with pytest.raises(InputError, match="kind of path cannot be told"):
        read_path(told)
    assert read_path(told, kind="table").barrier_forward == pytest.approx(1)
    unclear = table(tmp_path / "hop.dat", "0 0 0.01\n0.5 0.4 0.02\n1 0 0.01\n")
    with pytest.raises(InputError, match="may be table or qe"):
        read_path(unclear)
    with pytest.raises(InputError, match="3 columns without names"):
        read_path(unclear, kind="table")
    assert read_path(unclear, kind="qe").force_error is not None
    named = table(
        tmp_path / "named.dat", "s, energy [eV], error [eV]\n0, 0, 0.01\n0.5, 0.4, 0.02\n1, 0, 0.01\n"
    )
    assert read_path(named).energy_error is not None
    assert read_path(table(tmp_path / "two.dat", "0 0\n0.5 0.4\n1 0\n")).source.endswith("(eV)")
    with pytest.raises(InputError, match=r"no image folders.*") as caught:
        read_path(tmp_path)
    assert "hop.dat" in str(caught.value)
    with pytest.raises(InputError, match="one image of a path"):
        read_path(table(tmp_path / "OUTCAR", "x"))
    with pytest.raises(InputError, match="a key picks images of an ASE file"):
        read_path(tmp_path / "two.dat", key="id=1")
    with pytest.raises(InputError, match="is a file, this is a folder"):
        read_path(tmp_path, kind="ase")


# --- files of real codes ----------------------------------------------------------------------------------


@real_files
def test_real_neb_analysis() -> None:
    path = read_path(Path(DATA) / "vasp_neb" / "neb_analysis2.json")
    assert 1e3 * path.barrier_forward == pytest.approx(562.408, abs=0.05)
    assert path.energy_difference == pytest.approx(-0.06825986)
    assert path.barrier_reverse == pytest.approx(path.barrier_forward + 0.06825986)
    assert path.symbols is not None
    assert len(path.energy) == 5
    assert path.path_length == pytest.approx(2.46945, abs=1e-5)
    assert any("34 meV above the highest image" in n for n in path.notes)
    assert any("interpolations disagree" in n for n in path.notes)


@real_files
def test_real_neb_x_files_agree() -> None:
    paths = [read_path(Path(DATA) / "qe_neb" / f"H2+H{s}") for s in (".dat", ".path", ".axsf", ".int")]
    for path in paths:
        assert path.barrier_forward == pytest.approx(0.2042674, abs=1e-6)
        assert path.symbols == ("H", "H", "H")
        assert path.migrating_atom == 0
        assert path.displacement is not None
        assert path.displacement[0, 0] == pytest.approx(1.36401, abs=1e-4)
        assert path.path_length == pytest.approx(2.81097, abs=1e-4)
        assert path.force_error is not None
        assert path.force_error.max() == pytest.approx(0.04547, abs=1e-4)


@real_files
@pytest.mark.parametrize("suffixes", [(".dat",), (".path",), (".dat", ".axsf")])
def test_real_neb_x_files_alone(suffixes: tuple[str, ...], tmp_path: Path) -> None:
    for suffix in suffixes:
        shutil.copy(Path(DATA) / "qe_neb" / f"H2+H{suffix}", tmp_path)
    path = read_path(tmp_path / f"H2+H{suffixes[0]}")
    assert path.barrier_forward == pytest.approx(0.2042674, abs=2e-5)


@real_files
def test_real_neb_x_files_of_another_run(tmp_path: Path) -> None:
    """A .dat file halved by hand beside the .path file it no longer fits."""
    for suffix in (".dat", ".path"):
        shutil.copy(Path(DATA) / "qe_neb" / f"H2+H{suffix}", tmp_path)
    dat = tmp_path / "H2+H.dat"
    np.savetxt(dat, np.loadtxt(dat) * [1, 0.5, 1])
    with pytest.raises(InputError, match="differs by 102 meV"):
        read_path(dat)


@real_files
def test_real_outcar_of_a_single_image() -> None:
    """The energy of the finished ionic step in an OUTCAR of VASP itself, through the folders of a path."""
    from kmc_transport.sources.paths.vasp import _outcar

    run = _outcar(Path(DATA) / "vasp_polarization_BaTiO3" / "polar_polarization" / "OUTCAR.gz")
    assert run.energy == pytest.approx(-39.94310588)
    assert run.finished
    told = run.settings.values
    assert (told["NIONS"], told["ENCUT"], told["NELECT"], told["ISPIN"]) == (5, 520, 38, 2)
    assert told["functional"] == "PE"
    assert run.settings.kpoints is not None
    assert run.settings.kpoints.number == 75
