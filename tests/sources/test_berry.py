"""Berry-phase dipoles: one branch whatever the order of the images, or a refusal; never a wrong branch."""

from __future__ import annotations

import random
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kmc_transport.errors import InputError
from kmc_transport.sources import Snapshot, berry_path, polarization_path, read_polarization_path
from tests.sources.polarization_data import SYMBOLS, Hop, hop, write_outcar
from tests.sources.real import DATA, real_files

TIMES = [0.0, 0.1, 0.25, 0.4, 0.5, 0.65, 0.8, 0.9, 1.0]


def outcars(folder: Path, h: Hop, times: list[float], **more: Any) -> list[Path]:
    """Dipoles folded back into the cell, as codes print them; ``more``: a list for each image of what is told."""
    files = []
    for k, t in enumerate(times):
        (folder / f"{k}").mkdir(parents=True)
        fold = np.array([[2, -1, 0], [0, 3, 1], [-2, 0, 0], [1, 1, 1]])[k % 4] @ h.cell
        files.append(
            write_outcar(
                folder / f"{k}" / "OUTCAR",
                h.snapshot(t),
                dipole=h.dipole(t) + fold,
                n_electrons=64 - h.charge,
                **{key: values[k] for key, values in more.items()},
            )
        )
    return files


@given(seed=st.integers(0, 2**32), neutral=st.booleans())
@settings(max_examples=15, deadline=None)
def test_any_order_and_any_branch_of_the_images(seed: int, neutral: bool) -> None:
    rng = np.random.default_rng(seed)
    h = hop(charge=0.0 if neutral else 2.0)
    times = [TIMES[i] for i in rng.permutation(len(TIMES))]
    branches = rng.integers(-4, 5, (len(times), 3)) @ h.cell
    path = polarization_path(
        np.array([h.dipole(t) for t in times]) + branches,
        np.array([h.snapshot(t).positions for t in times]),
        h.cell,
        SYMBOLS,
        cell_charge=h.charge,
        start=times.index(0.0),
    )
    assert [times[i] for i in path.order] == TIMES
    expected = np.array([h.dipole(t) for t in TIMES])
    np.testing.assert_allclose(path.dipole - path.dipole[0], expected - expected[0], atol=1e-9)
    assert path.largest_jump < 0.5


def test_outcars_in_any_order(tmp_path: Path) -> None:
    h = hop()
    files = outcars(tmp_path, h, TIMES)
    for seed in range(3):
        mixed = files[:]
        random.Random(seed).shuffle(mixed)
        path = read_polarization_path(mixed, start=mixed.index(files[0]))
        assert path.sources == tuple(map(str, files))
        assert path.cell_charge == 2
        np.testing.assert_allclose(path.change, h.dipole(1.0), atol=1e-4)
    back = read_polarization_path([f.parent for f in files[::-1]])
    np.testing.assert_allclose(back.change, -h.dipole(1.0), atol=1e-4)
    # the last source is an end, so the other end is where it starts
    first_inside = [files[3], *files[:3], *files[4:]]
    np.testing.assert_allclose(read_polarization_path(first_inside).change, h.dipole(1.0), atol=1e-4)


def test_a_hop_in_two_images_is_refused_and_born_charges_foretell_it(tmp_path: Path) -> None:
    """7.1 e·Å in a cell of 8.4 Å look like a small change on the next branch."""
    h = hop()
    files = outcars(tmp_path, h, [0.0, 0.5])
    with pytest.raises(InputError, match="more than half a quantum"):
        read_polarization_path(files)
    path = read_polarization_path(files, born=h.born(0.0))
    np.testing.assert_allclose(path.change, h.dipole(0.5), atol=1e-4)


def test_images_given_in_a_wrong_order(tmp_path: Path) -> None:
    h = hop()
    files = outcars(tmp_path, h, TIMES)
    wrong = [files[0], *files[1:-1][::-1], files[-1]]
    with pytest.raises(InputError, match="branch is not sure"):
        read_polarization_path(wrong, order="given")
    np.testing.assert_allclose(read_polarization_path(wrong).change, h.dipole(1.0), atol=1e-4)


def test_a_break_of_the_trend_is_refused() -> None:
    """Small steps of the atoms, but a dipole that leaps: a code that missed, or a change of the electrons."""
    h = hop()
    times = list(np.linspace(0, 0.5, 11))
    dipoles = np.array([h.dipole(t) for t in times])
    places = np.array([h.snapshot(t).positions for t in times])
    dipoles[6:] += 0.45 * h.cell[0]
    with pytest.raises(InputError, match="branch is not sure"):
        polarization_path(dipoles, places, h.cell, SYMBOLS, cell_charge=2.0)
    dipoles[6:] -= 0.45 * h.cell[0] - h.cell[0]
    path = polarization_path(dipoles, places, h.cell, SYMBOLS, cell_charge=2.0)
    np.testing.assert_allclose(path.change, h.dipole(0.5), atol=1e-9)


def test_what_is_wrong_is_said(tmp_path: Path) -> None:
    h = hop()
    files = outcars(tmp_path, h, [0.0, 0.1, 0.2])
    with pytest.raises(InputError, match="one image is no path"):
        read_polarization_path(files[:1])
    with pytest.raises(InputError, match="has the structure of"):
        read_polarization_path([*files, files[1]])
    with pytest.raises(InputError, match="does not start here"):
        read_polarization_path(files, start=1)
    with pytest.raises(InputError, match="no such order"):
        read_polarization_path(files, order="alphabetical")
    with pytest.raises(InputError, match="is no OUTCAR here"):
        read_polarization_path([*files, tmp_path])
    without = write_outcar(tmp_path / "OUTCAR", h.snapshot(0.3), n_electrons=62)
    with pytest.raises(InputError, match="no Berry-phase dipole"):
        read_polarization_path([*files, without])
    neutral = write_outcar(tmp_path / "OUTCAR", h.snapshot(0.3), dipole=h.dipole(0.3))
    with pytest.raises(InputError, match="same number of electrons"):
        read_polarization_path([*files, neutral])


def test_atoms_in_another_order(tmp_path: Path) -> None:
    h = hop()
    order = np.concatenate([np.arange(8)[::-1], 8 + np.array([3, 1, 0, 2, 7, 5, 6, 4])])
    files = outcars(tmp_path, h, [0.0, 0.1, 0.2, 0.3])
    write_outcar(files[2], h.snapshot(0.2, order=order), dipole=h.dipole(0.2), n_electrons=62)
    path = read_polarization_path(files)
    assert any("atoms put into the order" in n for n in path.notes)
    np.testing.assert_allclose(path.change, h.dipole(0.3), atol=1e-4)


# --- what a file says of its dipole -----------------------------------------------------------------------------


def test_the_unit_tells_the_sign(tmp_path: Path) -> None:
    """VASP counts the charge of electrons positive, since 6.3 that of protons; each file says which."""
    h = hop()
    n = len(TIMES)
    units = {
        "old": n * ["electrons Angst"],
        "new": n * ["|e| Angst"],
        "mixed": [("electrons Angst", "|e| Angst")[k % 2] for k in range(n)],
    }
    for name, unit in units.items():
        path = read_polarization_path(outcars(tmp_path / name, h, TIMES, unit=unit))
        np.testing.assert_allclose(path.change, h.dipole(1.0), atol=1e-4)
    # control: a unit taken for the other
    wrong = outcars(tmp_path / "wrong", h, [0.0, 0.1, 0.2], unit=3 * ["|e| Angst"])
    for file in wrong:
        file.write_text(file.read_text().replace("|e| Angst", "electrons Angst"))
    try:
        change = read_polarization_path(wrong).change
    except InputError:
        return
    assert np.linalg.norm(change - h.dipole(0.2)) > 0.3


@pytest.mark.parametrize("unit", ["", "Angst", "e Bohr", "|e| nm"])
def test_an_unknown_unit_is_refused(unit: str, tmp_path: Path) -> None:
    files = outcars(tmp_path, hop(), [0.0, 0.1, 0.2], unit=["electrons Angst", unit, "electrons Angst"])
    with pytest.raises(InputError, match=r"unit of the electronic dipole.* is not known") as caught:
        read_polarization_path(files)
    assert caught.value.problems[0].file == str(files[1])


@pytest.mark.parametrize(
    ("tags", "unit"),
    [
        (
            " e<r>_ev=(     0.00000     0.00000     0.00000 ) e*Angst\n e<r>_bp=( 0.0 0.0 2.1 ) e*Angst",
            "e*Angst",
        ),
        (" e<r>_bp=(     0.00000     0.00000     2.10000 ) e*Angst", "electrons Angst"),
        ("", "e*Angst"),
        ("   lberry = .true.\n   igpar = 1", "electrons Angst"),
        ("   LBERRY =      T\n   IGPAR  =      3", "electrons Angst"),
        (
            "   IGPAR = 2\n   NPPSTR = 8\n   LCALCPOL   =     F    calculate macroscopic polarization",
            "|e| Angst",
        ),
    ],
)
def test_one_component_is_no_vector(tags: str, unit: str, tmp_path: Path) -> None:
    files = outcars(tmp_path, hop(), [0.0, 0.1, 0.2], tags=3 * [tags], unit=3 * [unit])
    with pytest.raises(InputError, match="along one reciprocal lattice vector only") as caught:
        read_polarization_path(files)
    assert "LCALCPOL = .TRUE." in caught.value.problems[0].remedy
    # the remedy: the same images with all components, in which the tags may stand idle
    whole = "   IGPAR = 0\n   LCALCPOL   =     T    calculate macroscopic polarization"
    path = read_polarization_path(outcars(tmp_path / "whole", hop(), [0.0, 0.1, 0.2], tags=3 * [whole]))
    np.testing.assert_allclose(path.change, hop().dipole(0.2), atol=1e-4)


def test_numbers_that_run_together(tmp_path: Path) -> None:
    files = outcars(tmp_path, hop(), [0.0, 0.1, 0.2], unit=3 * ["|e| Angst"])
    glued = 0
    for file in files:
        text = file.read_text()
        together = re.sub(r"(?<=\d) +-", "-", _dipole(text))
        glued += together != _dipole(text)
        file.write_text(text.replace(_dipole(text), together))
    assert glued
    np.testing.assert_allclose(read_polarization_path(files).change, hop().dipole(0.2), atol=1e-4)
    text = files[1].read_text()
    files[1].write_text(text.replace(_dipole(text), " p[elc]=(  1.00000 2.00000 ) |e| Angst\n"))
    with pytest.raises(InputError, match="three components"):
        read_polarization_path(files)


def _table(s: Snapshot) -> str:
    rows = "\n".join("".join(f"{x:13.5f}" for x in (*r, 0, 0, 0)) for r in s.positions)
    return f" POSITION                                       TOTAL-FORCE (eV/Angst)\n {'-' * 80}\n{rows}\n"


def _dipole(text: str) -> str:
    return re.search(r" Total electronic[^\n]*\n", text)[0]  # type: ignore[index]


@pytest.mark.parametrize("ibrion", [0, 1, 2, 3, 5, -1])
@pytest.mark.parametrize("late", [False, True])
def test_the_dipole_of_a_step_belongs_to_the_positions_of_that_step(
    ibrion: int, late: bool, tmp_path: Path
) -> None:
    """Runs of two steps, of which the first is of another image; ``late``: each dipole after its positions."""
    h, times = hop(), [0.0, 0.1, 0.2]
    texts = [f.read_text() for f in outcars(tmp_path, h, times)]
    other = outcars(tmp_path / "other", h, [0.15])[0].read_text()
    files = []
    for k, (t, text) in enumerate(zip(times, texts, strict=True)):
        start = re.sub(r"IBRION =\s*-1", f"IBRION = {ibrion}", other.replace(_dipole(other), ""))
        steps = [(_dipole(other), _table(h.snapshot(0.15))), (_dipole(text), _table(h.snapshot(t)))]
        files.append(tmp_path / f"OUTCAR_{k}")
        files[-1].write_text(start + "".join("".join(s[::-1] if late else s) for s in steps))
    np.testing.assert_allclose(read_polarization_path(files).change, h.dipole(0.2), atol=5e-4)
    if not late:
        files[1].write_text(files[1].read_text()[: files[1].read_text().rindex(" POSITION")])
        with pytest.raises(InputError, match="breaks off after the dipole"):
            read_polarization_path(files)


def test_other_calculations_along_the_path(tmp_path: Path) -> None:
    """Dipoles converge with cutoff and k-points each for itself; another functional is another dipole."""
    h = hop()
    tags = ["   ENCUT  =  400.0 eV", "   ENCUT  =  520.0 eV", "   ENCUT  =  400.0 eV"]
    path = read_polarization_path(outcars(tmp_path / "cutoff", h, [0.0, 0.1, 0.2], tags=tags))
    assert any("ENCUT" in n for n in path.notes)
    tags = ["", "   GGA     =    PS    GGA type", ""]
    with pytest.raises(InputError, match="functional"):
        read_polarization_path(outcars(tmp_path / "functional", h, [0.0, 0.1, 0.2], tags=tags))


def test_the_remedy_of_born_charges_is_followed(tmp_path: Path) -> None:
    """Through the call that input files and the command line make."""
    h = hop()
    files = outcars(tmp_path, h, [0.0, 0.5])
    with pytest.raises(InputError, match="more than half a quantum"):
        berry_path(files)
    np.testing.assert_allclose(berry_path(files, [h.born(0.0)]).change, h.dipole(0.5), atol=1e-4)
    with pytest.raises(InputError, match="one image is no path"):
        berry_path(files[:1], [h.born(0.0)])


# --- files of a real code ---------------------------------------------------------------------------------------


def barium_titanate() -> list[Path]:
    folder = Path(DATA) / "vasp_polarization_BaTiO3"
    names = ["nonpolar", *(f"interpolation_{i}" for i in range(8, 0, -1)), "polar"]
    return [folder / f"{n}_polarization" / "OUTCAR.gz" for n in names]


@real_files
def test_barium_titanate_in_any_order() -> None:
    files = barium_titanate()
    for seed in range(6):
        mixed = files[:]
        random.Random(seed).shuffle(mixed)
        path = read_polarization_path(mixed)
        assert np.linalg.norm(path.polarization_change) == pytest.approx(46.29, abs=5e-3)
        assert path.sources in (tuple(map(str, files)), tuple(map(str, files[::-1])))
    forward = read_polarization_path(sorted(files), start=sorted(files).index(files[0]))
    assert forward.polarization_change[2] == pytest.approx(46.29, abs=5e-3)


@real_files
def test_barium_titanate_never_on_the_wrong_branch() -> None:
    files = barium_titanate()
    with pytest.raises(InputError, match="branch is not sure"):
        read_polarization_path([files[0], *files[1:-1][::-1], files[-1]], order="given")
    with pytest.raises(InputError, match="branch is not sure"):
        read_polarization_path([files[0], files[-1]])


@real_files
def test_barium_titanate_as_pymatgen() -> None:
    from pymatgen.analysis.ferroelectricity.polarization import Polarization
    from pymatgen.core import Structure
    from pymatgen.io.vasp import Outcar

    files = barium_titanate()
    runs, cells = [Outcar(f) for f in files], [Structure.from_file(f.with_name("POSCAR")) for f in files]
    theirs = Polarization.from_outcars_and_structures(runs, cells, calc_ionic_from_zval=True)
    data = theirs.get_same_branch_polarization_data(convert_to_muC_per_cm2=True)
    ours = read_polarization_path(files)
    in_their_unit = (ours.dipole - ours.dipole[0]) / abs(np.linalg.det(ours.quantum)) * 1602.176634
    np.testing.assert_allclose(in_their_unit, data - data[0], atol=5e-3)
