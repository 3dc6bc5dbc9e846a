"""Structures of every format: one frame for one crystal, elements that the file names, sound cells only."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from kmc_transport.errors import InputError
from kmc_transport.input import load_model_text
from kmc_transport.sources import match_atoms, read_born_charges, read_structure
from kmc_transport.sources.cell import lattice_from_parameters, unsound
from kmc_transport.sources.structures.crystals import read_crystal
from kmc_transport.sources.structures.qe import bravais_cell
from tests.fuzz.mutate import in_child
from tests.input.model_inputs import document, hop

CIF = """data_skew
_cell_length_a {a}
_cell_length_b 5.1
_cell_length_c 6.3
_cell_angle_alpha 90
_cell_angle_beta {beta}
_cell_angle_gamma 90
loop_
_symmetry_equiv_pos_as_xyz
'x,y,z'
'-x,-y,-z'
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
_atom_site_occupancy
Li1 Li {x} 0.25 0 {occupancy}
O1 O 0.5 0.5 0.5 1
"""
GOOD = {"a": "7.2", "beta": "110", "x": "0.1", "occupancy": "1"}
CELL = lattice_from_parameters(7.2, 5.1, 6.3, 90, 110, 90)
POSCAR = "{comment}\n{scale}\n4 0 0\n0 5 0\n0 0 6\n{named}1 2\n{mode}\n0 0 0\n0.5 0.5 0\n0 0.5 0.5\n"
PLAIN = {"comment": "a b", "scale": "1.0", "named": "Na O\n", "mode": "Direct"}


def refused(file: Path, match: str) -> None:
    with pytest.raises(InputError, match=match) as error:
        read_structure(file)
    assert all(p.remedy for p in error.value.problems)


def written(file: Path, text: str | bytes) -> Path:
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    return file


# ---- one frame


def test_one_frame_for_one_crystal(tmp_path: Path) -> None:
    assert CELL is not None
    text = CIF.format(**GOOD).encode()
    names = {"x.cif": text, "x.mcif": text, "X.CIF": text, "x.cif.gz": gzip.compress(text)}
    names |= {
        "x.cif.xz": lzma.compress(text),
        "x.cif.bz2": bz2.compress(text),
        "bom.cif": b"\xef\xbb\xbf" + text,
    }
    for name, content in names.items():
        np.testing.assert_allclose(read_structure(written(tmp_path / name, content)).cell, CELL, atol=1e-12)
        entry = {
            **document("chain", [hop(("Li", "Li"), distance=5.1)]),
            "structure": {"file": name},
            "supercell": [4, 4, 4],
        }
        entry["hops"] = [{**entry["hops"][0], "carrier": "v"}]
        entry["carriers"] = {"v": {"charge": 1, "sites": ["Li"], "count": 1}}
        model = load_model_text(json.dumps(entry), base=tmp_path)
        np.testing.assert_allclose(model.structure.lattice, CELL, atol=1e-12)
        again = load_model_text(model.source.text, files=dict(model.source.files))  # as kept with results
        np.testing.assert_array_equal(again.structure.lattice, model.structure.lattice)


def test_formats_that_hold_vectors_keep_them(tmp_path: Path) -> None:
    from pymatgen.core import Lattice, Structure

    turned = Structure(
        lattice=Lattice.from_parameters(7.2, 5.1, 6.3, 90, 110, 90),
        species=["Li", "O"],
        coords=[[0.1, 0.2, 0], [0.5] * 3],
    )
    assert not np.allclose(turned.lattice.matrix, CELL)
    written(tmp_path / "POSCAR", turned.to(fmt="poscar"))
    written(tmp_path / "a.json", json.dumps(turned.as_dict()))
    written(tmp_path / "a.xsf", turned.to(fmt="xsf"))
    for name in ("POSCAR", "a.json", "a.xsf"):
        found = read_structure(tmp_path / name)
        np.testing.assert_allclose(found.cell, turned.lattice.matrix, atol=1e-6)
        np.testing.assert_allclose(found.positions, turned.cart_coords, atol=1e-6)
        assert found.symbols == ("Li", "O")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        written(tmp_path / "a.cssr", turned.to(fmt="cssr"))
        written(tmp_path / "a.res", turned.to(fmt="res"))
    for name in ("a.cssr", "a.res"):  # lengths and angles, as a CIF
        np.testing.assert_allclose(read_structure(tmp_path / name).cell, CELL, atol=1e-3)


# ---- CIF


@pytest.mark.parametrize("occupancy", ["1.003", "1.0", "0.998"])
def test_refined_occupancies_near_one_are_full(tmp_path: Path, occupancy: str) -> None:
    file = written(tmp_path / "a.cif", CIF.format(**{**GOOD, "occupancy": occupancy}))
    assert read_structure(file).symbols.count("Li") == 2


def test_shared_sites_that_add_up_to_a_little_more_than_one(tmp_path: Path) -> None:
    shared = CIF.format(**{**GOOD, "occupancy": "0.603"}) + "Na1 Na 0.1 0.25 0 0.400\n"
    crystal = read_crystal(written(tmp_path / "a.cif", shared))
    assert [sorted(s) for s in crystal.species].count(["Li", "Na"]) == 2
    assert all(sum(s.values()) == pytest.approx(1) for s in crystal.species)
    refused(tmp_path / "a.cif", "several species")
    refused(written(tmp_path / "b.cif", shared.replace("0.400", "0.800")), r"ccupanc.*1\.403")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (k, v)
        for k in ("a", "beta", "x")
        for v in ("nan", "inf", "1e999", "9" * 400, "-1e308", "1e-300", "1e30")
    ],
)
def test_cifs_that_libraries_must_not_see(tmp_path: Path, key: str, value: str) -> None:
    """Not finite or absurd: an error, where spglib used to die of a segmentation fault."""
    file = written(tmp_path / "a.cif", CIF.format(**{**GOOD, key: value}))
    text = json.dumps({**document("chain", [hop(distance=2)]), "structure": {"file": "a.cif"}})

    def refused_by(call: Callable[[], object]) -> None:
        with pytest.raises(InputError):
            call()

    for call in (lambda: read_structure(file), lambda: load_model_text(text, base=tmp_path)):
        sound = (key, value) == ("x", "1e-300") and "read_structure" in call.__code__.co_names
        assert in_child(call if sound else lambda call=call: refused_by(call), seconds=20) == ""


# ---- POSCAR


@pytest.mark.parametrize(
    ("change", "row"),
    [({"scale": v}, "") for v in ("nan", "inf", "1e999", "1e-300", "0", "x")]
    + [({}, v) for v in ("nan", "1e999", "-inf", "9" * 400, "1e30")]
    + [({"named": "Na O\n" + "9" * 400 + " "}, ""), ({"named": "Na O\n1000000000 "}, "")],
)
def test_poscars_that_libraries_must_not_see(tmp_path: Path, change: dict[str, str], row: str) -> None:
    text = POSCAR.format(**{**PLAIN, **change})
    file = written(tmp_path / "POSCAR", text.replace("0.5 0.5 0\n", f"0.5 {row or '0.5'} 0\n"))
    assert in_child(lambda: refused(file, "."), seconds=20) == ""


def test_three_scale_factors(tmp_path: Path) -> None:
    plain = read_structure(written(tmp_path / "POSCAR", POSCAR.format(**{**PLAIN, "mode": "Cartesian"})))
    found = read_structure(
        written(tmp_path / "POSCAR", POSCAR.format(**{**PLAIN, "mode": "Cartesian", "scale": "2.0 0.5 3.0"}))
    )
    np.testing.assert_allclose(found.cell, plain.cell * [2, 0.5, 3])
    np.testing.assert_allclose(found.positions, plain.positions * [2, 0.5, 3])
    direct = read_structure(written(tmp_path / "POSCAR", POSCAR.format(**{**PLAIN, "scale": "2.0 0.5 3.0"})))
    np.testing.assert_allclose(direct.positions[1], [4, 1.25, 0])
    refused(
        written(tmp_path / "POSCAR", POSCAR.format(**{**PLAIN, "scale": "2.0 -0.5 3.0"})), "must be positive"
    )


def test_comments_of_any_encoding(tmp_path: Path) -> None:
    for encoding in ("latin-1", "utf-8-sig", "cp1252", "utf-16"):
        text = POSCAR.format(**{**PLAIN, "comment": "Grüße: 5 Å"})
        assert read_structure(written(tmp_path / "POSCAR", text.encode(encoding))).symbols == ("Na", "O", "O")


VASP4 = {**PLAIN, "named": ""}


@pytest.mark.parametrize("comment", ["Na O", "NaO2", "NaO2 relaxed in 2018", "Na  O "])
def test_elements_of_vasp_4_are_those_of_the_comment(tmp_path: Path, comment: str) -> None:
    file = written(tmp_path / "POSCAR", POSCAR.format(**{**VASP4, "comment": comment}))
    crystal = read_crystal(file)
    assert read_structure(file).symbols == ("Na", "O", "O")
    assert any("comment line" in n for n in crystal.notes)
    assert read_crystal(file, crystal.text).species == crystal.species  # the kept text names them


@pytest.mark.parametrize("comment", ["my crystal", "Na", "Na O Mg", "Na2O", "", "H He Li", "Xx Yy"])
def test_elements_that_nobody_names_are_asked_for(tmp_path: Path, comment: str) -> None:
    file = written(tmp_path / "POSCAR", POSCAR.format(**{**VASP4, "comment": comment}))
    refused(file, "does not name its elements")
    text = json.dumps({**document("chain", [hop(distance=2)]), "structure": {"file": "POSCAR"}})
    with pytest.raises(InputError, match="does not name its elements"):
        load_model_text(text, base=tmp_path)


def test_the_remedies_for_elements_help(tmp_path: Path) -> None:
    """ "write the elements as a line above the numbers of atoms, or as the comment, or put the POTCAR beside it"."""
    file = written(tmp_path / "POSCAR", POSCAR.format(**{**VASP4, "comment": "my crystal"}))
    refused(file, "write the elements as a line above the numbers of atoms")
    written(tmp_path / "POTCAR", "   VRHFIN =Na: s1p0\n   VRHFIN =O: s2p4\n")
    assert read_structure(file).symbols == ("Na", "O", "O")
    (tmp_path / "POTCAR").write_text("   VRHFIN =Na: s1p0\n")  # of another calculation
    refused(file, "does not name its elements")
    for change in ({"named": "Na O\n"}, {"comment": "Na O"}):
        text = POSCAR.format(**{**VASP4, "comment": "my crystal", **change})
        assert read_structure(written(tmp_path / "POSCAR", text)).symbols == ("Na", "O", "O")


def test_symbols_behind_the_positions_and_flags(tmp_path: Path) -> None:
    text = POSCAR.format(**{**VASP4, "comment": "my crystal"})
    behind = text.rstrip("\n").rsplit("\n", 3)
    named = (
        "\n".join([behind[0], *(f"{r} {s}" for r, s in zip(behind[1:], ("Na", "O", "O"), strict=True))])
        + "\n"
    )
    assert read_structure(written(tmp_path / "POSCAR", named)).symbols == ("Na", "O", "O")
    flags = (
        "\n".join([behind[0].replace("Direct", "Selective\nDirect"), *(f"{r} F F F" for r in behind[1:])])
        + "\n"
    )
    refused(written(tmp_path / "POSCAR", flags), "does not name its elements")  # F is no fluorine here
    hashed = POSCAR.format(**{**PLAIN, "named": "Na_pv/f474ac0d O/79d9987ad87\n"})
    assert read_structure(written(tmp_path / "CONTCAR", hashed)).symbols == ("Na", "O", "O")


# ---- Quantum ESPRESSO

PW = """
     Program PWSCF v.6.0 starts on  1Jan2024
     lattice parameter (alat)  =       {alat:.4f}  a.u.
     celldm(1)=  {alat:.6f}  celldm(2)=   0.000000  celldm(3)=   0.000000
     crystal axes: (cart. coord. in units of alat)
               a(1) = (   1.000000   0.000000   0.000000 )
               a(2) = (   0.000000   1.500000   0.000000 )
               a(3) = (   0.000000   0.000000   2.000000 )
     site n.     atom                  positions (alat units)
         1           Na  tau(   1) = (   0.0000000   0.0000000   0.0000000  )
         2           O1  tau(   2) = (   0.5000000   0.7500000   1.0000000  )
   Crystallographic axes
     site n.     atom                  positions (cryst. coord.)
         1           Na  tau(   1) = (  0.0000000  0.0000000  0.0000000  )
         2           O1  tau(   2) = (  0.5000000  0.5000000  0.5000000  )
!    total energy              =     -50.0 Ry
"""
BOHR = 0.529177210903


@pytest.mark.parametrize(
    ("card", "rows", "last"),
    [
        ("", "", [0.5, 0.75, 1.0]),
        ("ATOMIC_POSITIONS (alat)", "0.4 0.7 0.9", [0.4, 0.7, 0.9]),
        ("ATOMIC_POSITIONS", "0.4 0.7 0.9", [0.4, 0.7, 0.9]),
        ("ATOMIC_POSITIONS (crystal)", "0.4 0.4 0.4", [0.4, 0.6, 0.8]),
        ("ATOMIC_POSITIONS (bohr)", "4.0 7.0 9.0", [0.4, 0.7, 0.9]),
        ("ATOMIC_POSITIONS (angstrom)", f"{4 * BOHR} {7 * BOHR} {9 * BOHR}", [0.4, 0.7, 0.9]),
    ],
)
def test_positions_of_pw_outputs(tmp_path: Path, card: str, rows: str, last: list[float]) -> None:
    step = f"{card}\nNa 0.0 0.0 0.0\nO1 {rows} 0 0 0\n!    total energy = -51 Ry\n" if card else ""
    found = read_structure(written(tmp_path / "relax.out", PW.format(alat=10.0) + step))
    assert found.symbols == ("Na", "O")
    np.testing.assert_allclose(found.cell, np.diag([1, 1.5, 2]) * 10 * BOHR, rtol=1e-9)
    np.testing.assert_allclose(found.positions[1], np.array(last) * 10 * BOHR, rtol=1e-9)


def test_no_atom_of_an_output_is_lost_where_numbers_run_together(tmp_path: Path) -> None:
    told = "     number of atoms/cell      =            2\n     crystal axes"
    text = PW.format(alat=10.0).replace("     crystal axes", told)
    glued = text.replace(
        "(   0.5000000   0.7500000   1.0000000  )", "( -10.5000000-100.7500000-10.5000000  )"
    )
    found = read_structure(written(tmp_path / "pw.out", glued))
    np.testing.assert_allclose(found.positions[1], np.array([-10.5, -100.75, -10.5]) * 10 * BOHR)
    step = "ATOMIC_POSITIONS (alat)\nNa 0.0 0.0 0.0\nO1 -10.400000000-100.700000000 0.900000000\n"
    step += "! total energy = -51 Ry\n"
    found = read_structure(written(tmp_path / "relax.out", text + step))
    np.testing.assert_allclose(found.positions[1], np.array([-10.4, -100.7, 0.9]) * 10 * BOHR)
    for bad in ("( 0.5000000 ********* 1.0000000 )", "( 0.5000000 0.7500000 )"):
        broken = text.replace("(   0.5000000   0.7500000   1.0000000  )", bad)
        refused(written(tmp_path / "pw.out", broken), "number")
    lost = text.replace("         2           O1  tau(   2) =", "         2           O1  tau    2  =")
    refused(written(tmp_path / "pw.out", lost), "1 of 2 atoms")


def test_a_step_that_has_no_energy_is_not_the_last(tmp_path: Path) -> None:
    begun = PW.format(alat=10.0) + "ATOMIC_POSITIONS (alat)\nNa 0 0 0\nO1 0.3 0.3 0.3\n"
    found = read_structure(written(tmp_path / "relax.out", begun))
    np.testing.assert_allclose(found.positions[1], np.array([0.5, 0.75, 1.0]) * 10 * BOHR)
    cell = "CELL_PARAMETERS (alat= 10.0)\n2 0 0\n0 2 0\n0 0 2\n"
    ended = begun.replace("ATOMIC", "Begin final coordinates\n" + cell + "ATOMIC") + "End final coordinates\n"
    found = read_structure(written(tmp_path / "relax.out", ended))
    np.testing.assert_allclose(found.cell, np.eye(3) * 20 * BOHR)
    np.testing.assert_allclose(found.positions[1], np.full(3, 3.0) * BOHR)
    refused(written(tmp_path / "relax.out", begun.replace("(alat)\nNa", "(parsec)\nNa")), "unit 'parsec'")


# celldm(2) to (6); space group of one atom in the cell; volume of the primitive cell, in units of a³
BRAVAIS = {
    1: ([0, 0, 0, 0, 0], 221, 1), 2: ([0, 0, 0, 0, 0], 225, 1 / 4), 3: ([0, 0, 0, 0, 0], 229, 1 / 2),
    -3: ([0, 0, 0, 0, 0], 229, 1 / 2), 4: ([0, 1.6, 0, 0, 0], 191, 1.6 * 0.75**0.5),
    5: ([0, 0, 0.3, 0, 0], 166, (1 + 2 * 0.3**3 - 3 * 0.3**2) ** 0.5),
    -5: ([0, 0, 0.3, 0, 0], 166, (1 + 2 * 0.3**3 - 3 * 0.3**2) ** 0.5),
    6: ([0, 1.2, 0, 0, 0], 123, 1.2), 7: ([0, 1.2, 0, 0, 0], 139, 0.6), 8: ([1.1, 1.3, 0, 0, 0], 47, 1.43),
    9: ([1.1, 1.3, 0, 0, 0], 65, 1.43 / 2), -9: ([1.1, 1.3, 0, 0, 0], 65, 1.43 / 2),
    91: ([1.1, 1.3, 0, 0, 0], 65, 1.43 / 2), 10: ([1.1, 1.3, 0, 0, 0], 69, 1.43 / 4),
    11: ([1.1, 1.3, 0, 0, 0], 71, 1.43 / 2), 12: ([1.1, 1.3, 0.2, 0, 0], 10, 1.43 * 0.96**0.5),
    -12: ([1.1, 1.3, 0, -0.3, 0], 10, 1.43 * 0.91**0.5), 13: ([1.1, 1.3, 0.2, 0, 0], 12, 1.43 / 2 * 0.96**0.5),
    -13: ([1.1, 1.3, 0, -0.3, 0], 12, 1.43 / 2 * 0.91**0.5),
    14: ([1.1, 1.3, 0.1, -0.2, 0.3], 2, 1.43 * (1 + 2 * 0.1 * -0.2 * 0.3 - 0.14) ** 0.5),
}  # fmt: skip


@pytest.mark.parametrize("ibrav", BRAVAIS)
def test_bravais_lattices_are_those_of_pw(ibrav: int, tmp_path: Path) -> None:
    """spglib finds the lattice that pw.x documents, and the charges have a cell for every ibrav."""
    import spglib

    more, group, volume = BRAVAIS[ibrav]
    found = bravais_cell(ibrav, [10.0, *more])
    assert found is not None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about its own ways of error handling
        dataset = spglib.get_symmetry_dataset((found, [[0, 0, 0]], [1]), symprec=1e-6)
    assert (dataset["number"] if isinstance(dataset, dict) else dataset.number) == group
    assert np.linalg.det(found) == pytest.approx(volume)  # right-handed
    written(tmp_path / "dyn", dyn(ibrav, [10.0, *more]))
    np.testing.assert_allclose(read_born_charges(tmp_path / "dyn").cell, found * 10 * BOHR, atol=1e-6)


def test_axes_of_monoclinic_and_triclinic_cells() -> None:
    """Which angle is meant, and which axis is unique."""
    a, b, c = bravais_cell(12, [1, 1.1, 1.3, 0.2, 0, 0])
    assert (a @ b / 1.1, a @ c, b @ c) == pytest.approx((0.2, 0, 0))
    a, b, c = bravais_cell(-12, [1, 1.1, 1.3, 0, -0.3, 0])
    assert (a @ b, a @ c / 1.3, b @ c) == pytest.approx((0, -0.3, 0))
    a, b, c = bravais_cell(14, [1, 1.1, 1.3, 0.1, -0.2, 0.3])
    assert (b @ c / 1.43, a @ c / 1.3, a @ b / 1.1) == pytest.approx((0.1, -0.2, 0.3))
    a, b, c = bravais_cell(13, [1, 1.1, 1.3, 0.2, 0, 0])
    np.testing.assert_allclose([a + c, c - a, b], [[1, 0, 0], [0, 0, 1.3], [0.22, 1.1 * 0.96**0.5, 0]])
    a, b, c = bravais_cell(-13, [1, 1.1, 1.3, 0, -0.3, 0])
    np.testing.assert_allclose([a - b, a + b, c], [[1, 0, 0], [0, 1.1, 0], [-0.39, 0, 1.3 * 0.91**0.5]])


def dyn(ibrav: int, celldm: list[float]) -> str:
    """Text dynamical matrix of ph.x, of which only what is read is there."""
    numbers = "".join(f"{x:11.7f}" for x in celldm)
    z = "   2.0 0.0 0.0\n   0.0 2.0 0.0\n   0.0 0.0 2.0\n"
    return (
        f"Dynamical matrix file\n\n  2    2  {ibrav:3d}{numbers}\n"
        "           1  'Mg  '    22151.2\n           2  'O   '    14582.2\n"
        "    1    1      0.0000000000      0.0000000000      0.0000000000\n"
        "    2    2      0.5000000000      0.5000000000      0.5000000000\n"
        f"\n     Effective Charges E-U: Z_{{alpha}}{{s,beta}}\n\n     atom #    1\n{z}"
        f"     atom #    2\n{z.replace('2.0', '-2.0')}"
    )


def test_a_bravais_lattice_that_is_none_is_refused(tmp_path: Path) -> None:
    for ibrav, celldm in (
        (15, [10.0, 1, 1, 0, 0, 0]),
        (5, [10.0, 0, 0, 1.5, 0, 0]),
        (14, [10.0, 1, 1, 0.9, -0.9, 0.9]),
    ):
        with pytest.raises(InputError, match="is no cell"):
            read_born_charges(written(tmp_path / "dyn", dyn(ibrav, celldm)))


# ---- VASP


def test_numbers_that_run_together(tmp_path: Path) -> None:
    """-11.0 beside 19.05, and 100.0 beside 100.0: both fill the columns of VASP's format."""
    from kmc_transport.sources.columns import split_columns

    assert split_columns("    19.052558883-11.000000000  0.5") == ["19.052558883", "-11.000000000", "0.5"]
    assert split_columns("100.000000000100.000000000") == ["100.000000000", "100.000000000"]
    assert split_columns("-1.5E-05 1-2 abc-d 1.0") == ["-1.5E-05", "1-2", "abc-d", "1.0"]
    assert split_columns("12.00000000-10.50000000***") == ["12.00000000-10.50000000***"]


def test_an_outcar_whose_atoms_are_counted_too_late_is_refused(tmp_path: Path) -> None:
    """Positions before "ions per type" belong to no number of atoms."""
    text = " VRHFIN =Na:\n position of ions in cartesian coordinates\n 0 0 0\n   ions per type =   1\n"
    cell = "  direct lattice vectors     reciprocal lattice vectors\n" + " 4.0 0.0 0.0 0.2 0.0 0.0\n" * 3
    refused(written(tmp_path / "OUTCAR", text + cell), "has no structure")


VASPRUN = """<?xml version="1.0" encoding="ISO-8859-1"?>
<modeling><incar><i type="int" name="IBRION">{ibrion}</i></incar><atominfo><array name="atoms"><set>
<rc><c>Na</c><c>1</c></rc><rc><c>O </c><c>2</c></rc></set></array><array name="atomtypes"><set>
<rc><c>1</c><c>Na</c><c>22.9</c><c>{valence}</c><c>7</c></rc><rc><c>1</c><c>O </c><c>16</c><c>6.0</c><c>PAW</c></rc>
</set></array></atominfo><parameters><i name="NELECT">13.0</i><i name="X">{other}</i></parameters>
<structure name="initialpos">{first}</structure>
<calculation><structure>{last}</structure><varray name="forces"><v>******* ******* 1.0</v></varray></calculation>
<structure name="finalpos">{first}</structure></modeling>
"""


def crystal_xml(x: str) -> str:
    rows = "<v>4.0 0.0 0.0</v><v>0.0 5.0 0.0</v><v>0.0 0.0 6.0</v>"
    return (
        f'<crystal><varray name="basis">{rows}</varray></crystal>'
        f'<varray name="positions"><v>0 0 0</v><v>{x}</v></varray>'
    )


def test_a_vasprun_needs_only_its_structure_whole(tmp_path: Path) -> None:
    keys = {
        "first": crystal_xml("0.5 0.5 0.5"),
        "last": crystal_xml("0.4 0.5 0.5"),
        "valence": "*****",
        "other": "x",
    }
    found = read_structure(written(tmp_path / "vasprun.xml", VASPRUN.format(ibrion=2, **keys)))
    assert found.symbols == ("Na", "O")
    np.testing.assert_allclose(found.positions[1], [1.6, 2.5, 3.0])
    shaken = read_structure(written(tmp_path / "vasprun.xml", VASPRUN.format(ibrion=6, **keys)))
    np.testing.assert_allclose(shaken.positions[1], [2.0, 2.5, 3.0])  # not the last displacement
    cut = VASPRUN.format(ibrion=2, **keys).replace("<c>O </c><c>2", "<c>Z </c><c>2")
    refused(written(tmp_path / "vasprun.xml", cut), "'Z' is no element")
    xenon = VASPRUN.format(ibrion=2, **keys).replace("<c>O </c><c>2", "<c>X </c><c>2")
    assert read_structure(written(tmp_path / "vasprun.xml", xenon)).symbols == ("Na", "Xe")
    keys["last"] = crystal_xml("******** 0.5 0.5")
    refused(written(tmp_path / "vasprun.xml", VASPRUN.format(ibrion=2, **keys)), "not a number")


# ---- what is sound, and what is another file


def test_what_is_sound() -> None:
    good, atoms = np.diag([4.0, 5.0, 6.0]), np.zeros((1, 3))
    assert unsound(good, atoms) == ""
    assert "finite" in unsound(np.full((3, 3), np.nan), atoms)
    assert "0.1" in unsound(good * 1e-3, atoms)
    assert "volume" in unsound(np.array([[4.0, 0, 0], [0, 5, 0], [4, 5, 1e-5]]), atoms)
    assert "no atoms" in unsound(good, np.zeros((0, 3)))
    assert "more than" in unsound(good, np.zeros((100_001, 3)))
    assert "counted from 0" in unsound(good, np.array([[0, np.nan, 0]]))
    assert "cells away" in unsound(good, np.array([[0, 1e30, 0]]))


@pytest.mark.parametrize("name", ["a.gpw", "a.py", "a.db", "a.png", "nothing", "a.json", "a.yaml", "a.xml"])
def test_other_files_are_refused(tmp_path: Path, name: str) -> None:
    pytest.importorskip("ase")
    refused(
        written(tmp_path / name, "import os\nprint('x')\n"),
        "not known|not read|cannot be read|not whole|no structure|kind",
    )


def test_start_and_saddle_keep_their_atoms(tmp_path: Path) -> None:
    """Images as CIF, one of them packed, fit on each other."""
    a = read_structure(written(tmp_path / "a.cif", CIF.format(**GOOD)))
    b = read_structure(
        written(tmp_path / "b.cif.gz", gzip.compress(CIF.format(**{**GOOD, "x": "0.12"}).encode()))
    )
    _, moved = match_atoms(a.cell, a.positions, a.symbols, b.positions, b.symbols)
    assert np.linalg.norm(moved, axis=1).max() == pytest.approx(0.02 * 7.2)


OCCUPIED = """data_x
_cell_length_a 5
_cell_length_b 5
_cell_length_c 5
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
_symmetry_space_group_name_H-M 'P 1'
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
_atom_site_occupancy
A1 {} 0 0 0 {}
O1 O2- .5 .5 .5 1.0
"""


@pytest.mark.parametrize(
    ("symbol", "occupancy", "right"),
    [
        ("Na+", ".", {"Na": 1.0}),
        ("Na", "?", {"Na": 1.0}),
        ("Na1+", "0.75(2)", {"Na": 0.75}),
        ("D", "1", {"H": 1.0}),
        ("Na", "-0.1", None),
        ("Na", "0,9", None),
        ("Na", "full", None),
        ("Vac", "1", None),
        ("Xx", "1", None),
    ],
)
def test_no_atom_of_a_cif_is_lost_or_changed(
    symbol: str, occupancy: str, right: dict[str, float] | None, tmp_path: Path
) -> None:
    """Libraries leave out atoms of occupancy "." and below 0, fill "0,9", and make vanadium of "Vac"."""
    file = written(tmp_path / "x.cif", OCCUPIED.format(symbol, occupancy))
    if right is None:
        refused(file, "_atom_site_occupancy is not sound|is no element")
    else:
        assert read_crystal(file).species == (right, {"O": 1.0})


POSCAR_3 = (
    "Na2O\n{scale}\n4 0 0\n0 4.4 0.3\n0 0 5\n{elements}2 1{comment}\nDirect\n0 0 0\n.5 .5 .5\n.25 .25 .25\n"
)


@pytest.mark.parametrize("scale", ["1.0", "1.0 ! Angstrom", "1.0D0", "1.0 # 2 3", "1 1 1 ! three"])
@pytest.mark.parametrize("comment", ["", " ! atoms", " # 3 in all"])
@pytest.mark.parametrize("elements", ["", "Na O\n", "Na_pv O_s\n", "Na/5a3f O/77ab\n", "Na\nO\n"])
def test_comments_and_potentials_in_a_poscar(scale: str, comment: str, elements: str, tmp_path: Path) -> None:
    text = POSCAR_3.format(scale=scale, comment=comment, elements=elements)
    if elements == "Na\nO\n":
        text = text.replace("2 1", "2\n1")
    found = read_structure(written(tmp_path / "POSCAR", text))
    assert found.symbols == ("Na", "Na", "O")
    np.testing.assert_allclose(found.cell, [[4, 0, 0], [0, 4.4, 0.3], [0, 0, 5]])


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"scale": "2.0 1.0"}, "one scale factor, or three"),
        ({"elements": "Xx O\n"}, "'Xx' is no element"),
        ({"elements": "r1 r2\n"}, "'r1' is no element"),
    ],
)
def test_what_a_poscar_must_tell(change: dict[str, str], match: str, tmp_path: Path) -> None:
    told = {"scale": "1.0", "elements": "Na O\n", "comment": ""} | change
    refused(written(tmp_path / "POSCAR", POSCAR_3.format(**told)), match)
    whole = POSCAR_3.format(scale="1.0", elements="Na O\n", comment="")
    refused(written(tmp_path / "POSCAR", whole.replace(".25 .25 .25\n", "")), "breaks off in the positions")


@pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress, lzma.compress])
@pytest.mark.parametrize("line", ["   VRHFIN ={}: s1p0\n", "   TITEL  = PAW_PBE {}_pv 17Jan2003\n"])
def test_a_potcar_in_any_packing_names_the_elements(
    line: str, pack: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    ending = {gzip.compress: ".gz", bz2.compress: ".bz2", lzma.compress: ".xz"}.get(pack, "")  # type: ignore[call-overload]
    (tmp_path / f"POTCAR{ending}").write_bytes(pack((line.format("K") + line.format("S")).encode()))
    text = POSCAR_3.format(scale="1.0", elements="", comment="").replace("Na2O", "hop 3")
    assert read_structure(written(tmp_path / "POSCAR", text)).symbols == ("K", "K", "S")
