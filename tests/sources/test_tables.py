"""Paths from tables: columns by their names, files of VTST's scripts, and what is no energy."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import numpy as np
import pytest

from kmc_transport.errors import InputError
from kmc_transport.sources import read_path
from tests.sources.path_fixtures import refused


def table(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("text", "barrier", "unit"),
    [
        ("0 0\n1 0.5\n2 0\n", 0.5, "image"),
        ("# image  E (meV)\n0 0\n1 500\n2 0\n", 0.5, "image"),
        ("image;energy_meV\n1;-1000\n2;-500\n3;-1000\n", 0.5, "image"),
        ("s [Å], E [kJ/mol], error [meV]\n0, 0, 10\n0.7, 48.2427, 20\n2, 0, 10\n", 0.5, "Å"),
        ("# by hand\n\n0.0\t0.0\n0.5\t0.5 # saddle\n1.0\t0.0\n", 0.5, "fraction of the path"),
        ("% energies in meV\n0 0\n0.5 500\n1 0\n", 0.5, "fraction of the path"),
        ("# energies in meV\n0 0 10\n0.5 500 20\n1 0 10\n", 0.5, "fraction of the path"),
        ("# energies in meV, errors too\n0 0\n0.5 500\n1 0\n", 0.5, "fraction of the path"),
        ("0 0\n0.5 5.0D-1\n1 0\n", 0.5, "fraction of the path"),
    ],
)
def test_tables(text: str, barrier: float, unit: str, tmp_path: Path) -> None:
    path = read_path(table(tmp_path / "t.csv", text))
    assert path.barrier_forward == pytest.approx(barrier, abs=0.05)
    assert path.energy.max() == pytest.approx(0.5, abs=1e-5)
    assert path.coordinate_unit == unit
    assert path.coordinate[0] == 0
    if " 10\n" in text:
        np.testing.assert_allclose(path.energy_error, [0.01, 0.02, 0.01])


def test_a_shuffled_table_is_sorted_and_says_so(tmp_path: Path) -> None:
    path = read_path(table(tmp_path / "t.csv", "0 0\n2 0.5\n1 0.2\n3 0.1\n"))
    np.testing.assert_allclose(path.energy, [0, 0.2, 0.5, 0.1])
    assert any("sorted" in n for n in path.notes)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty"),
        ("# nothing\n", "no numbers"),
        ("0\n1\n2\n", "two or three columns"),
        ("0 0 0.1\n1 0.5 0.1\n2 0 0.1\n", "3 columns without names"),
        ("0 0\n1 0.5\n2\n", "two or three columns"),
        ("0 0\n1 nan\n2 0\n", r"t\.csv:2: not a finite number"),
        ("0 0\n1 x\n2 0\n", r"t\.csv:2: 'x' is not a number"),
        ("2 0\n1 0.5\n0 0.1\n", "descends"),
        ("0 0\n1 0.5\n1 0.4\n2 0\n", "stands on two lines"),
        ("# energies in meV, were eV\n0 0\n1 0.5\n2 0\n", "two units of energy"),
        ("energy [eV], image\n0, 0\n0.5, 1\n0.1, 2\n", "first column is an energy"),
        ("image, energy [furlong]\n0, 0\n1, 1\n2, 0\n", "'furlong' is not a unit of energy"),
        ("0 0\n1 500\n2 0\n", "barrier is too large"),
    ],
)
def test_broken_tables(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=said) as caught:
        read_path(table(tmp_path / "t.csv", text))
    assert caught.value.problems[0].remedy


# --- VTST, tables ---------------------------------------------------------------------------------------------

PLACES = np.linspace(0, 2.4, 7)
HOP = np.array([0, 0.05, 0.18, 0.31, 0.18, 0.05, 0])
PULL = np.array([0, -0.2, -0.3, 0, 0.3, 0.2, 0])


def neb_dat(rows: range = range(7)) -> str:
    return "\n".join(f"{k:3d} {PLACES[k]:15.6f} {HOP[k]:15.6f} {PULL[k]:15.6f} {k:3d}" for k in rows) + "\n"


def nebef_dat(rows: range = range(7), force: float = 0.03) -> str:
    return "\n".join(f"{k:4d} {force:15.8f} {HOP[k] - 100:17.8f} {HOP[k]:17.8f}" for k in rows) + "\n"


def spline_dat() -> str:
    """As nebspline.pl: ten places between neighbouring images, of the cubic through energies and forces."""
    from scipy.interpolate import CubicHermiteSpline

    curve = CubicHermiteSpline(PLACES, HOP, -PULL)
    place = np.linspace(0, 2.4, 61)
    rows = zip(np.linspace(0, 6, 61), place, curve(place), -curve(place, 1), strict=True)
    return "\n".join("".join(f"{x:15.6f}" for x in row) for row in rows) + "\n"


VTST = {"neb.dat": neb_dat(), "nebef.dat": nebef_dat(), "spline.dat": spline_dat()}


@pytest.mark.parametrize("name", VTST)
@pytest.mark.parametrize("packed", ["", ".gz"])
def test_tables_of_vtst(name: str, packed: str, tmp_path: Path) -> None:
    file = tmp_path / f"{name}{packed}"
    content = VTST[name].encode()
    file.write_bytes(gzip.compress(content) if packed else content)
    path = read_path(file)
    assert path.barrier_forward == pytest.approx(0.31, abs=1e-5)
    assert name in path.source
    if name != "nebef.dat":
        assert path.path_length == pytest.approx(2.4)
        assert "Hermite" in path.interpolation


def test_tables_of_vtst_without_an_end(tmp_path: Path) -> None:
    file = tmp_path / "neb.dat"
    for text in (neb_dat(range(1, 7)), nebef_dat(range(1, 7)), neb_dat(range(7)).replace("\n  3", "\n# 3")):
        file.write_text(text)
        refused(file, "missing|columns without names")
    file.write_text(nebef_dat(force=0.4))
    assert any("a force of 0.400 eV/Å is left" in n for n in read_path(file).notes)
    file.write_text("\n".join(r.rsplit(None, 1)[0] for r in nebef_dat().splitlines()))
    for kind in ("auto", "table"):
        refused(file, "three columns|3 columns", kind=kind)


IMAGE, FORCE = np.arange(7.0), np.full(7, 0.03)


@pytest.mark.parametrize(
    ("heading", "columns", "unit"),
    [
        ("image,max force (eV/Å),energy (eV)", (IMAGE, FORCE, HOP), "image"),
        ("image,distance (Å),energy (eV)", (IMAGE, PLACES, HOP), "Å"),
        (
            "image,distance (bohr),energy (meV),fmax (eV/Å)",
            (IMAGE, PLACES / 0.529177210544, 1e3 * HOP, FORCE),
            "Å",
        ),
        ("s/Å,F/(eV/Å),E/eV", (PLACES, PULL, HOP), "Å"),
        ("# image  fmax  energy", (IMAGE, FORCE, HOP), "image"),
        ("image;force [eV/Ang];E [kJ/mol]", (IMAGE, FORCE, 96.4853321 * HOP), "image"),
        ("id dist_cum(Å) energy_rel(eV) force_b(eV/Å) image", (IMAGE, PLACES, HOP, PULL, IMAGE), "Å"),
        ('"image","energy (meV)"', (IMAGE, 1e3 * HOP), "image"),
        ("image,energy (meV) of the band", (IMAGE, 1e3 * HOP), "image"),
        ("image,TOTEN (eV),E-E0 (meV)", (IMAGE, HOP - 55, 1e3 * HOP), "image"),
    ],
)
def test_columns_are_known_by_their_names(
    heading: str, columns: tuple[np.ndarray, ...], unit: str, tmp_path: Path
) -> None:
    separator = ";" if ";" in heading else "," if "," in heading else " "
    rows = [separator.join(f"{v:.8f}" for v in row) for row in np.array(columns).T]
    file = tmp_path / "hop.csv"
    file.write_text("\n".join([heading, *rows]))
    path = read_path(file)
    assert path.barrier_forward == pytest.approx(0.31, abs=1e-5)
    assert path.coordinate_unit == unit
    if unit == "Å":
        assert path.path_length == pytest.approx(2.4, abs=1e-5)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("image,force (eV/Å)\n0,0.01\n1,0.05\n2,0.01\n", "none of them is an energy"),
        ("image,distance (Å)\n0,0\n1,0.4\n2,0.2\n", "no column is named as an energy"),
        ("# image max_force\n0 0.01\n1 0.05\n2 0.01\n", "none of them is an energy"),
        ("# largest forces in eV/Å of all images\n0 0.01\n1 0.05\n2 0.01\n", "something else than an energy"),
        ("# distances of the images\n0 0.0\n1 0.5\n2 0.1\n", "something else than an energy"),
        ("0 0.01 0\n1 0.05 0.3\n2 0.01 0\n", "3 columns without names"),
        ("# by hand\n0 0.01 0\n1 0.05 0.3\n2 0.01 0\n", "3 columns without names"),
        ("0 5 0 0\n1 2 0.3 9\n2 3 0 0\n", "4 columns without names"),
        ("image,E1 (eV),E2 (eV)\n0,0,0\n1,0.3,0.5\n2,0,0\n", "two columns are energies and differ"),
        ("image,volume (Å)\n0,0\n1,0.3\n2,0\n", "no column is named as an energy"),
    ],
)  # fmt: skip
def test_what_is_no_energy_is_refused(text: str, said: str, tmp_path: Path) -> None:
    file = tmp_path / "hop.csv"
    file.write_text(text)
    remedy = refused(file, said).problems[0].remedy
    assert "energy [eV]" in remedy or "error [eV]" in remedy
    # the remedy: the last column is the energy, and named so
    rows = [r for r in text.splitlines() if r[0].isdigit()]
    n = len(re.split("[, ]", rows[0]))
    names = ["image", *(f"other{i}" for i in range(n - 2)), "energy [eV]"]
    file.write_text("\n".join([", ".join(names), *(", ".join(re.split("[, ]", r)) for r in rows)]))
    if n > 2 and "9" not in text:
        assert read_path(file).barrier_forward > 0.2


def test_absurd_numbers_of_images_end_at_once(tmp_path: Path) -> None:
    file = table(tmp_path / "t.csv", "image, energy [eV]\n0, 0\n1, 0.3\n99999999999999999999, 0\n")
    refused(file, "rows of images 2, 3, 4, 5, 6, 7, 8, 9 are missing")
    file = table(tmp_path / "nebef.dat", nebef_dat().replace("   6  ", "999999999999999  ", 1))
    refused(file, "missing: not a whole band")
