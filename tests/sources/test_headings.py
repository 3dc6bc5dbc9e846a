"""Headings of tables of paths: units in every spelling, decimal commas, and columns that are no energies."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kmc_transport.errors import InputError
from kmc_transport.sources import read_path
from kmc_transport.sources.paths.units import units_of_comment

HOP = np.array([0, 0.05, 0.18, 0.31, 0.18, 0.05, 0])
PLACE = np.linspace(0, 2.4, 7)
FORCE = np.array([0.006, 0.021, 0.034, 0.048, 0.031, 0.024, 0.007])
IMAGE = np.arange(7.0)
PER_EV = {
    "eV": 1,
    "meV": 1e3,
    "kJ": 96.4853321,
    "kcal": 23.0605480,
    "Ha": 1 / 27.2113862,
    "Ry": 1 / 13.6056931,
}
PER_EV |= {"mRy": 1e3 / 13.6056931}


def table(
    tmp_path: Path, heading: str, *columns: np.ndarray, separator: str = ",", comma: bool = False
) -> Path:
    rows = [separator.join(f"{v:.9f}" for v in row) for row in np.array(columns).T]
    rows = [r.replace(".", ",") for r in rows] if comma else rows
    file = tmp_path / "hop.csv"
    file.write_text("\n".join([heading, *rows]) + "\n")
    return file


@pytest.mark.parametrize(
    ("heading", "unit"),
    [
        ("image,E [kJ mol^-1]", "kJ"),
        ("image,ΔE (kJ mol⁻¹)", "kJ"),
        ("image,E / kJ mol-1", "kJ"),
        ("image,E (kJ·mol−1)", "kJ"),
        ("image,energy_kJmol", "kJ"),
        ("image,energy_kJ_mol", "kJ"),
        ("image,energy kJ/mol", "kJ"),
        ("image\tenergy; kcal/mol".replace(";", ","), "kcal"),
        ("image,Energy (Hartree)", "Ha"),
        ("image,energy_hartree", "Ha"),
        ("image,E (Ryd)", "Ry"),
        ("image,E_mRy", "mRy"),
        ("image,E/mRy", "mRy"),
        ("image,RelEnergy(meV)", "meV"),
        ("image,E(sigma->0) [meV]", "meV"),
        ("image,E w/o entropy (meV)", "meV"),
        ("image,energy\n-,meV", "meV"),
        ("image,energy\n[],[meV]", "meV"),
        ("# PBE, 520 eV; energies in meV\nimage,energy", "meV"),
        ("# energies in meV\n# image energy", "meV"),
        ("image,energy\n# units: meV", "meV"),
        ("image,energy  # meV", "meV"),
        ("# ecutwfc = 60 Ry, kT = 0.02 Ry\nimage,energy", "eV"),
    ],
)
def test_units_are_obeyed_however_they_are_written(heading: str, unit: str, tmp_path: Path) -> None:
    separator = " " if "\t" in heading or heading.startswith("# energies") else ","
    file = table(tmp_path, heading, IMAGE, PER_EV[unit] * HOP, separator=separator)
    assert read_path(file).barrier_forward == pytest.approx(0.31, abs=1e-5)


@pytest.mark.parametrize(
    ("heading", "said"),
    [
        ("image,energy_kcal", "'kcal' is not a unit"),
        ("image,E cm-1", "'cm-1' is not a unit"),
        ("image,E/kT", "'kT' is not a unit"),
        ("image,E (K)", "'K' is not a unit"),
        ("image,E (a.u.)", "'a.u.' is not a unit"),
        ("image,E (milli-eV)", "is not a unit"),
        ("image,1/E (eV^-1)", "is not a unit"),
        ("image,E (eV/atom)", "'/atom' is not a unit"),
        ("image,energy per atom (eV)", "'per atom' is not a unit"),
        ("image,E [meV/f.u.]", "'/f.u.' is not a unit"),
        ("image,100 x energy (eV)", "'100 x' is not a unit"),
        ("image,energy (10^-3 eV)", "'10\\^' is not a unit"),
        ("# energies in Ry, later in eV\nimage,energy", "comments name several"),
        ("image,zero-point energy (eV)", "no column is named as an energy"),
        ("image,band gap (eV)", "no column is named as an energy"),
        ("image,Fermi energy (eV)", "no column is named as an energy"),
        ("image,dE/ds", "none of them is an energy"),
        ("# Bild Kraft", "none of them is an energy"),
        ("# image separation", "no column is named as an energy"),
        ("# image whatever", "no column is named as an energy"),
        ("image,energy,fmax", "the heading names 3 columns, the rows have 2"),
    ],
)
def test_other_units_and_other_columns_are_refused(heading: str, said: str, tmp_path: Path) -> None:
    separator = " " if heading.startswith("# ") and "," not in heading else ","
    with pytest.raises(InputError, match=said) as caught:
        read_path(table(tmp_path, heading, IMAGE, HOP, separator=separator))
    remedy = caught.value.problems[0].remedy or ""
    assert "energy [" in remedy or "semicolons" in remedy
    # as the remedy says
    assert read_path(table(tmp_path, "image,energy [eV]", IMAGE, HOP)).barrier_forward == pytest.approx(0.31)


@pytest.mark.parametrize("separator", [";", "\t", "  "])
def test_decimal_commas(separator: str, tmp_path: Path) -> None:
    heading = separator.join(["image", "distance[Å]", "energy[eV]"])
    file = table(tmp_path, heading, IMAGE, PLACE, HOP, separator=separator, comma=True)
    path = read_path(file)
    assert path.barrier_forward == pytest.approx(0.31)
    assert path.path_length == pytest.approx(2.4)


def test_decimal_commas_between_commas_are_refused(tmp_path: Path) -> None:
    file = table(tmp_path, "image,energy (eV)", IMAGE, HOP, comma=True)
    with pytest.raises(InputError, match="the heading names 2 columns, the rows have 4"):
        read_path(file)


@pytest.mark.parametrize(
    "heading",
    [
        "image,fmax eV/Å,energy eV",
        "image,fmax (eV.Å^-1),E (eV)",
        "image,max_force_eV/A,energy_eV",
        "image,wall time (s),energy (eV)",
        "image,ZPE (eV),energy (eV)",
        "image,kinetic energy (eV),energy (eV)",
        ",fmax,energy",
    ],
)
def test_the_energy_is_found_beside_other_columns(heading: str, tmp_path: Path) -> None:
    path = read_path(table(tmp_path, heading, IMAGE, FORCE, HOP))
    assert path.barrier_forward == pytest.approx(0.31)
    assert path.coordinate_unit == "image"


@pytest.mark.parametrize(
    "heading", ["image,No. of k-points,E", "image,cutoff energy (eV),E", "image,electrons,E"]
)
def test_settings_in_columns_of_other_names(heading: str, tmp_path: Path) -> None:
    same, other = np.full(7, 64.0), np.array([64.0] * 6 + [10.0])
    assert read_path(table(tmp_path, heading, IMAGE, same, HOP)).barrier_forward == pytest.approx(0.31)
    with pytest.raises(InputError, match="cannot be compared"):
        read_path(table(tmp_path, heading, IMAGE, other, HOP))


def test_a_third_column_that_is_no_error_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the third is no error"):
        read_path(table(tmp_path, "# energies in eV", IMAGE, FORCE, HOP, separator=" "))


@pytest.mark.parametrize("n_images", [5, 7, 9])
def test_neb_dat_without_its_last_image(n_images: int, tmp_path: Path) -> None:
    place = np.linspace(0, 2.4, n_images)
    energy = 0.31 * np.sin(np.pi * place / 2.4) ** 2
    force = -0.31 * np.pi / 2.4 * np.sin(2 * np.pi * place / 2.4)
    force[[0, -1]] = 0.004, -0.006  # what relaxations leave
    rows = [
        f"{i:3d} {s:12.6f} {e:12.6f} {f:12.6f} {i:3d}"
        for i, (s, e, f) in enumerate(zip(place, energy, force, strict=True))
    ]
    file = tmp_path / "neb.dat"
    file.write_text("\n".join(rows))
    assert read_path(file).barrier_forward == pytest.approx(0.31, abs=1e-3)
    file.write_text("\n".join(rows[:-1]))
    with pytest.raises(InputError, match=f"image {n_images - 2} is no end of a band"):
        read_path(file)


def test_values_with_units_are_not_the_unit_of_the_energies() -> None:
    assert units_of_comment("# cutoff 520 eV, energies in Ry") == {"Ry"}
    assert units_of_comment("# forces in eV/Å") == set()
    assert units_of_comment("kT = 0.025 eV") == set()
