"""Born charges of several codes: one convention of indices, the sum rule, and damage said clearly."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import re
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from kmc_transport.errors import InputError
from kmc_transport.sources import BornCharges, Snapshot, read_born_charges, spread_sum_rule
from tests.sources.polarization_data import write_outcar, write_poscar
from tests.sources.real import DATA, real_files

BOHR = 0.529177210544

CELL = np.array([[4.0, 0.0, 0.0], [0.5, 4.4, 0.0], [0.2, 0.3, 5.0]])
FRACTIONS = np.array([[0.0, 0.0, 0.0], [0.31, 0.42, 0.57], [0.72, 0.11, 0.2]])
THREE = Snapshot(CELL, FRACTIONS @ CELL, ("Mg", "O", "O"), "three atoms without symmetry")
# no two entries alike, so that each wrong order of indices shows
TENSORS = np.array([2.0 * np.eye(3), -np.eye(3), -np.eye(3)]) + np.arange(27).reshape(3, 3, 3) / 100


def rows(matrix: np.ndarray, form: str = "{:15.5f}") -> list[str]:
    return ["".join(form.format(x) for x in row) for row in matrix]


def vasprun(path: Path) -> Path:
    def vectors(matrix: np.ndarray) -> str:
        return "".join("<v>" + " ".join(f"{x:.10f}" for x in row) + "</v>" for row in matrix)

    charges = "".join(f"<set>{vectors(z)}</set>" for z in TENSORS)
    atoms = "".join(f"<rc><c>{s} </c><c>1</c></rc>" for s in THREE.symbols)
    path.write_text(
        '<?xml version="1.0" encoding="ISO-8859-1"?><modeling>'
        f'<atominfo><array name="atoms"><set>{atoms}</set></array><array name="atomtypes"><set>'
        "<rc><c>1</c><c>Mg</c><c>24.3</c><c>2.0</c></rc><rc><c>2</c><c>O</c><c>16.0</c><c>6.0</c></rc>"
        '</set></array></atominfo><parameters><i name="NELECT">14.0</i></parameters>'
        f'<calculation><array name="born_charges"><dimension dim="1">ion</dimension><set/>{charges}</array>'
        f'</calculation><structure name="finalpos"><crystal><varray name="basis">{vectors(CELL)}</varray></crystal>'
        f'<varray name="positions">{vectors(FRACTIONS)}</varray></structure></modeling>'.replace("<set/>", "")
    )
    return path


def fortran(matrix: np.ndarray) -> str:
    """As Fortran writes an array: first index fastest, three numbers a line."""
    flat = matrix.ravel(order="F").reshape(3, 3)
    return "\n".join(" ".join(f"{x:.12E}" for x in row) for row in flat)


def qe_xml(path: Path, *, old: bool = False) -> Path:
    alat = 4.0
    text = '<?xml version="1.0"?>\n<Root><GEOMETRY_INFO><NUMBER_OF_ATOMS>3</NUMBER_OF_ATOMS>'
    text += f"<CELL_DIMENSIONS>{alat / BOHR} 0 0 0 0 0</CELL_DIMENSIONS><AT>{fortran(CELL.T / alat)}</AT>"
    text += "<TYPE_NAME.1>Mg </TYPE_NAME.1><TYPE_NAME.2>O1 </TYPE_NAME.2>"
    for i, (s, r) in enumerate(zip(THREE.symbols, THREE.positions / alat, strict=True), start=1):
        x, y, z = (f"{v:.12E}" for v in r)
        place = f'TAU="{x} {y} {z}"' if old else f'TAUX="{x}" TAUY="{y}" TAUZ="{z}"'
        text += f'<ATOM.{i} SPECIES="{s} " INDEX="{1 if s == "Mg" else 2}" {place}/>'
    text += "</GEOMETRY_INFO><DIELECTRIC_PROPERTIES><ZSTAR>"
    text += "".join(f"<Z_AT_.{i + 1}>{fortran(z)}</Z_AT_.{i + 1}>" for i, z in enumerate(TENSORS))
    path.write_text(text + "</ZSTAR></DIELECTRIC_PROPERTIES></Root>")
    return path


def qe_dyn(path: Path) -> Path:
    alat = 4.0
    lines = [
        "Dynamical matrix file",
        "",
        f"  2    3   0  {alat / BOHR:.7f}  0.0 0.0 0.0 0.0 0.0",
        "Basis vectors",
    ]
    lines += rows(CELL / alat, "{:15.9f}")
    lines += ["           1  'Mg  '    22000.0", "           2  'O   '    14000.0"]
    for i, (s, r) in enumerate(zip(THREE.symbols, THREE.positions / alat, strict=True), start=1):
        lines.append(f"{i:5d}{1 if s == 'Mg' else 2:5d}" + "".join(f"{x:18.10f}" for x in r))
    lines += ["", "     Dielectric Tensor:", "", *rows(np.eye(3)), ""]
    lines += ["     Effective Charges E-U: Z_{alpha}{s,beta}", ""]
    for i, z in enumerate(TENSORS, start=1):
        lines += [f"     atom # {i:4d}", *rows(z, "{:24.12f}")]
    path.write_text("\n".join(lines) + "\n")
    return path


def qe_output(path: Path) -> Path:
    alat = 4.0
    lines = [
        "     Program PHONON v.7.2 starts",
        f"     lattice parameter (alat)  = {alat / BOHR:12.6f}  a.u.",
    ]
    for i, v in enumerate(CELL / alat, start=1):
        lines.append(f"               a({i}) = ( " + " ".join(f"{x:.6f}" for x in v) + " )")
    lines.append("     site n.  atom      mass           positions (alat units)")
    for i, (s, r) in enumerate(zip(THREE.symbols, THREE.positions / alat, strict=True), start=1):
        lines.append(f"  {i:5d}  {s}  24.3000   tau({i:5d}) = (" + "".join(f"{x:14.7f}" for x in r) + "  )")
    for heading, factor in (
        ("Effective charges (d Force / dE) in cartesian axis without acoustic sum rule applied (asr)", 1.0),
        ("Effective charges (d Force / dE) in cartesian axis with asr applied:", 9.0),
        ("Effective charges (d P / du) in cartesian axis", 7.0),
    ):
        lines += ["", f"          {heading}", ""]
        for i, (s, z) in enumerate(zip(THREE.symbols, TENSORS, strict=True), start=1):
            lines.append(f"           atom {i:6d}   {s} Mean Z*:   1.97")
            for name, row in zip("xyz", z * factor, strict=True):
                lines.append(f"      E{name}  (" + "".join(f"{x:15.5f}" for x in row) + " )")
    path.write_text("\n".join(lines) + "\n")
    return path


def phonopy_born(folder: Path) -> Path:
    write_poscar(folder / "POSCAR-unitcell", THREE)
    lines = ["14.4", " ".join(map(str, np.eye(3).ravel()))]
    lines += [" ".join(f"{x:.8f}" for x in z.ravel()) for z in TENSORS]
    (folder / "BORN").write_text("\n".join(lines) + "\n")
    return folder / "BORN"


def save_npy(path: Path) -> Path:
    np.save(path, TENSORS)
    return path


def text(path: Path, content: str) -> Path:
    path.write_text(content)
    return path


def nine(z: np.ndarray) -> str:
    return " ".join(f"{x:.5f}" for x in z.ravel())


WRITERS: dict[str, Callable[[Path], Path]] = {
    "OUTCAR": lambda p: write_outcar(p / "OUTCAR", THREE, tensors=TENSORS),
    "vasprun.xml": lambda p: vasprun(p / "vasprun.xml"),
    "ph.x XML": lambda p: qe_xml(p / "mgo.dyn.xml"),
    "ph.x XML of old": lambda p: qe_xml(p / "mgo.dyn1.xml", old=True),
    "ph.x matrix": lambda p: qe_dyn(p / "mgo.dyn1"),
    "ph.x output": lambda p: qe_output(p / "ph.out"),
    "BORN": phonopy_born,
    "npy": lambda p: save_npy(p / "z.npy"),
    "text, 9 a line": lambda p: text(p / "z.txt", "# Z\n" + "\n".join(nine(z) for z in TENSORS)),
    "text with elements": lambda p: text(
        p / "z.dat", "".join(f"{s} {nine(z)}\n" for s, z in zip(THREE.symbols, TENSORS, strict=True))
    ),
    "text, 3 a line": lambda p: text(p / "z.txt", "\n".join(r for z in TENSORS for r in rows(z))),
    "YAML": lambda p: text(p / "z.yaml", f"symbols: [Mg, O, O]\ntensors: {TENSORS.tolist()}\n"),
    "JSON the other way round": lambda p: text(
        p / "z.json",
        json.dumps(
            {"tensors": np.swapaxes(TENSORS, 1, 2).tolist(), "index_order": "displacement, polarization"}
        ),
    ),
}


@pytest.mark.parametrize("name", WRITERS)
def test_one_convention_for_every_code(name: str, tmp_path: Path) -> None:
    born = read_born_charges(WRITERS[name](tmp_path))
    np.testing.assert_allclose(born.tensors, TENSORS, atol=1e-5)
    if born.symbols is not None:
        assert born.symbols == THREE.symbols
    if born.positions is not None:
        assert born.cell is not None
        np.testing.assert_allclose(born.positions, THREE.positions, atol=2e-6)
        np.testing.assert_allclose(born.cell, CELL, atol=5e-6)
    assert not born.tensors.flags.writeable


def test_indices_are_exchanged_when_told(tmp_path: Path) -> None:
    file = WRITERS["npy"](tmp_path)
    born = read_born_charges(file, transpose=True)
    np.testing.assert_allclose(born.tensors, np.swapaxes(TENSORS, 1, 2))
    assert np.abs(born.tensors - TENSORS).max() > 0.01
    assert any("exchanged" in n for n in born.notes)


@pytest.mark.parametrize(("ending", "opener"), [(".gz", gzip.open), (".xz", lzma.open), (".bz2", bz2.open)])
def test_packed_files(ending: str, opener: Callable[..., object], tmp_path: Path) -> None:
    plain = WRITERS["OUTCAR"](tmp_path)
    packed = tmp_path / f"OUTCAR{ending}"
    with opener(packed, "wt") as file:  # type: ignore[attr-defined]
        file.write(plain.read_text())
    np.testing.assert_allclose(read_born_charges(packed).tensors, TENSORS, atol=1e-5)
    packed.write_bytes(packed.read_bytes()[:-20])
    with pytest.raises(InputError, match="unpacked"):
        read_born_charges(packed)


def test_born_file_is_spread_by_symmetry(tmp_path: Path) -> None:
    """Two atoms O swapped by a two-fold axis along z: their tensors turn with it, also the asymmetric parts."""
    pytest.importorskip("phonopy")
    cell = np.diag([4.0, 4.4, 5.0])
    f = np.array([[0, 0, 0], [0.21, 0.13, 0.3], [-0.21, -0.13, 0.3]])
    write_poscar(tmp_path / "POSCAR", Snapshot(cell, f @ cell, ("Mg", "O", "O"), ""))
    mg = np.array([[2.0, 0.3, 0], [-0.1, 2.1, 0], [0, 0, 1.9]])
    o = np.array([[-1.0, 0.2, 0.3], [0.4, -1.1, 0.5], [0.6, 0.7, -0.9]])
    (tmp_path / "BORN").write_text(f"14.4\n{nine(np.eye(3))}\n{nine(mg)}\n{nine(o)}\n")
    born = read_born_charges(tmp_path / "BORN", structure=tmp_path / "POSCAR")
    turn = np.diag([-1.0, -1.0, 1.0])
    np.testing.assert_allclose(born.tensors, [mg, o, turn @ o @ turn.T], atol=1e-6)
    (tmp_path / "BORN").write_text(f"14.4\n{nine(np.eye(3))}\n{nine(mg)}\n{nine(o)}\n{nine(o)}\n")
    with pytest.raises(InputError, match=r"equivalent to it differ by 1\.40 e"):
        read_born_charges(tmp_path / "BORN")  # one line an atom, but not turned
    (tmp_path / "BORN").write_text(f"14.4\n{nine(np.eye(3))}\n{nine(mg)}\n")
    with pytest.raises(
        InputError, match="1 lines of charges for a cell of 3 atoms, of which 2 are independent"
    ):
        read_born_charges(tmp_path / "BORN")


def test_born_file_with_a_line_for_each_atom(tmp_path: Path) -> None:
    cell = np.diag([4.0, 4.4, 5.0])
    f = np.array([[0, 0, 0], [0.21, 0.13, 0.3], [-0.21, -0.13, 0.3]])
    write_poscar(tmp_path / "POSCAR", Snapshot(cell, f @ cell, ("Mg", "O", "O"), ""))
    mg = np.array([[2.0, 0.3, 0], [-0.1, 2.1, 0], [0, 0, 1.9]])
    o = np.array([[-1.0, 0.2, 0.3], [0.4, -1.1, 0.5], [0.6, 0.7, -0.9]])
    turned = o * np.outer([-1, -1, 1], [-1, -1, 1]) + 0.01  # as computed, with its small noise
    (tmp_path / "BORN").write_text(
        f"# of all atoms\n{nine(np.eye(3))}\n{nine(mg)}\n{nine(o)}\n{nine(turned)}\n"
    )
    np.testing.assert_allclose(read_born_charges(tmp_path / "BORN").tensors, [mg, o, turned], atol=1e-6)


def test_phonopy_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = WRITERS["BORN"](tmp_path)
    monkeypatch.setitem(sys.modules, "phonopy", None)
    with pytest.raises(InputError, match="pip install phonopy"):
        read_born_charges(file)


def test_sum_rule_is_reported_and_spread(tmp_path: Path) -> None:
    file = write_outcar(tmp_path / "OUTCAR", THREE, tensors=TENSORS, n_electrons=12.0)
    born = read_born_charges(file)
    assert born.cell_charge == 2.0
    np.testing.assert_allclose(born.sum_rule_violation, TENSORS.sum(axis=0) - 2 * np.eye(3), atol=1e-4)
    assert any("acoustic sum rule violated by up to" in n for n in born.notes)
    spread = spread_sum_rule(born)
    np.testing.assert_allclose(spread.tensors.sum(axis=0), 2 * np.eye(3), atol=1e-12)
    np.testing.assert_allclose(
        spread.tensors - born.tensors, (spread.tensors - born.tensors)[:1].repeat(3, 0)
    )
    assert not any("violated" in n for n in spread.notes)
    # phonopy's way, a sum of 0, is another answer here
    assert (
        np.abs(spread_sum_rule(read_born_charges(WRITERS["npy"](tmp_path))).tensors.sum(axis=0)).max() < 1e-12
    )


def test_structure_of_the_last_step_of_a_relaxation(tmp_path: Path) -> None:
    file = WRITERS["OUTCAR"](tmp_path)
    content = file.read_text().replace("IBRION =     -1", "IBRION =      2")
    moved = "\n".join("".join(f"{x:13.5f}" for x in (*r, 0, 0, 0)) for r in THREE.positions + 0.1)
    file.write_text(content + " POSITION          TOTAL-FORCE (eV/Angst)\n ------\n" + moved + "\n")
    born = read_born_charges(file)
    assert born.positions is not None
    np.testing.assert_allclose(born.positions, THREE.positions + 0.1, atol=1e-4)


WITH, WITHOUT, RPA = (
    f"({text}) (in |e|, cummulative output)"
    for text in (
        "including local field effects",
        "excluding local field effects",
        "including local field effects in RPA (Hartree)",
    )
)


@pytest.mark.parametrize(
    "order", [[WITHOUT, WITH], [WITH, WITHOUT], [WITHOUT, RPA, WITH], ["(in e, cummulative output)", WITHOUT]]
)
def test_the_table_with_local_fields_counts(order: list[str], tmp_path: Path) -> None:
    """Whichever stands last; and it is said."""
    right = WITH if WITH in order else order[0]
    blocks = []
    for heading in order:
        tensors = TENSORS if heading == right else 0.8 * TENSORS
        file = write_outcar(tmp_path / "OUTCAR", THREE, tensors=tensors, born_heading=heading)
        blocks.append(file.read_text())
    begin = blocks[0].index(" BORN EFFECTIVE")
    file.write_text(blocks[0][:begin] + "".join(b[b.index(" BORN EFFECTIVE") :] for b in blocks))
    born = read_born_charges(file)
    np.testing.assert_allclose(born.tensors, TENSORS, atol=1e-5)
    assert any(f"{len(order)} tables" in n and "including local field" in n for n in born.notes)


def test_charges_without_local_fields_say_so(tmp_path: Path) -> None:
    for heading, said in ((WITHOUT, "excluding local field effects"), (RPA, "Hartree potential alone")):
        file = write_outcar(tmp_path / "OUTCAR", THREE, tensors=TENSORS, born_heading=heading)
        assert any(said in n for n in read_born_charges(file).notes)
    plain = read_born_charges(write_outcar(tmp_path / "OUTCAR", THREE, tensors=TENSORS))
    assert not any("local field" in n for n in plain.notes)


@pytest.mark.parametrize(
    "unit", ["(in e, cummulative output)", "(in |e|, cummulative output)", "(in electrons)"]
)
def test_the_unit_of_charges_is_obeyed_or_refused(unit: str, tmp_path: Path) -> None:
    heading = f"(including local field effects){unit}"
    file = write_outcar(tmp_path / "OUTCAR", THREE, tensors=TENSORS, born_heading=heading)
    if "|" in unit or "e," in unit:
        np.testing.assert_allclose(read_born_charges(file).tensors, TENSORS, atol=1e-5)
        return
    with pytest.raises(InputError, match="unit of these Born charges is not known"):
        read_born_charges(file)


def test_two_arrays_of_one_name_are_refused(tmp_path: Path) -> None:
    file = vasprun(tmp_path / "vasprun.xml")
    text = file.read_text()
    (array,) = re.findall(r"<array name=.born_charges.>.*?</array>", text)
    other = array.replace("2.0000000000", "1.6000000000", 1)
    assert other != array
    file.write_text(text.replace(array, other + array))
    with pytest.raises(InputError, match="several arrays of Born charges that differ") as caught:
        read_born_charges(file)
    assert "OUTCAR" in caught.value.problems[0].remedy
    file.write_text(text.replace(array, array + array))
    np.testing.assert_allclose(read_born_charges(file).tensors, TENSORS, atol=1e-8)


@pytest.mark.parametrize("count", ["3 *", "1" * 5000, "-1 2", ""])
def test_broken_counts_of_atoms(count: str, tmp_path: Path) -> None:
    file = write_outcar(tmp_path / "OUTCAR", THREE, tensors=TENSORS)
    file.write_text(re.sub(r"ions per type =.*", f"ions per type = {count}", file.read_text()))
    with pytest.raises(InputError):
        read_born_charges(file)


def test_remedies_are_followed(tmp_path: Path) -> None:
    strange = text(tmp_path / "charges.foo", "Born charges of all atoms: see the paper\n")
    with pytest.raises(InputError, match="kind of this file cannot be told") as caught:
        read_born_charges(strange)
    assert "9 a line" in caught.value.problems[0].remedy
    strange.write_text("\n".join(nine(z) for z in TENSORS))
    np.testing.assert_allclose(read_born_charges(strange).tensors, TENSORS, atol=1e-5)
    born = phonopy_born(tmp_path)
    cell = born.with_name("POSCAR-unitcell").rename(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="no structure, and none lies beside it") as caught:
        read_born_charges(born)
    assert "POSCAR-unitcell" in caught.value.problems[0].remedy
    cell.rename(born.with_name("POSCAR-unitcell"))
    assert read_born_charges(born).positions is not None


def damaged(name: str, change: Callable[[str], str]) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        file = WRITERS[name](folder)
        file.write_text(change(file.read_text()))
        return file

    return write


DAMAGE: dict[str, tuple[Callable[[Path], Path], str]] = {
    "OUTCAR without": (lambda p: write_outcar(p / "OUTCAR", THREE), "no Born charges"),
    "OUTCAR broken off": (damaged("OUTCAR", lambda t: t[:-60]), "breaks off"),
    "OUTCAR of another run": (damaged("OUTCAR", lambda t: t.replace("VRHFIN", "")), "no structure"),
    "vasprun.xml broken off": (damaged("vasprun.xml", lambda t: t[:-30]), "damaged or breaks off"),
    "vasprun.xml without": (
        damaged("vasprun.xml", lambda t: t.replace("born_charges", "x")),
        "no Born charges",
    ),
    "XML without": (damaged("ph.x XML", lambda t: t.replace("ZSTAR", "X")), "no Born charges"),
    "XML lacks an atom": (damaged("ph.x XML", lambda t: t.replace("Z_AT_.3", "X")), "Z_AT_.3 is missing"),
    "matrix broken off": (damaged("ph.x matrix", lambda t: t[:-60]), "breaks off"),
    "matrix without": (damaged("ph.x matrix", lambda t: t.split("     Effective")[0]), "no Born charges"),
    "output broken off": (
        damaged("ph.x output", lambda t: "\n".join(t.splitlines()[:16])),
        "of 3 atoms",
    ),
    "output without": (damaged("ph.x output", lambda t: t.replace("Effective", "x")), "no Born charges"),
    "half a table": (damaged("text, 3 a line", lambda t: "\n".join(t.splitlines()[:-1])), "whole tensors"),
    "not a number": (damaged("text, 9 a line", lambda t: t.replace("2.0", "nan", 1)), "kind of this file"),
    "an odd row": (damaged("text, 9 a line", lambda t: t + "\n1 2 3 4\n"), "no row of a Born charge"),
    "unknown key": (damaged("YAML", lambda t: t.replace("symbols", "simbols")), "unknown key simbols"),
    "other elements": (damaged("YAML", lambda t: t.replace("O, O]", "O]")), "3 tensors, but 2 elements"),
    "absurd": (damaged("YAML", lambda t: t.replace("2.0", "2e6", 1)), "not sound"),
    "wrong shape": (lambda p: text(p / "z.yaml", "[[1, 2], [3, 4]]"), "no Born charges"),
    "nothing": (lambda p: text(p / "OUTCAR", "\n"), "empty"),
    "something else": (lambda p: text(p / "notes.txt", "see the other folder\n"), "cannot be told"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_said(name: str, tmp_path: Path) -> None:
    write, message = DAMAGE[name]
    with pytest.raises(InputError, match=message) as caught:
        read_born_charges(write(tmp_path))
    assert caught.value.problems[0].file


def test_what_is_told_must_fit(tmp_path: Path) -> None:
    file = WRITERS["OUTCAR"](tmp_path)
    with pytest.raises(InputError, match="has a charge of"):
        read_born_charges(file, cell_charge=2)
    with pytest.raises(InputError, match="its own structure"):
        read_born_charges(file, structure=file)
    with pytest.raises(InputError, match="no such kind"):
        read_born_charges(file, kind="abinit")
    with pytest.raises(InputError, match="no such file"):
        read_born_charges(tmp_path / "none")
    (tmp_path / "alone").mkdir()
    alone = text(tmp_path / "alone" / "BORN", "14.4\n")
    with pytest.raises(InputError, match="no structure"):
        read_born_charges(alone)


# --- files of real codes ----------------------------------------------------------------------------------------


def real(name: str, **how: object) -> BornCharges:
    return read_born_charges(Path(DATA) / name, **how)  # type: ignore[arg-type]


@real_files
def test_real_vasp() -> None:
    outcar = real("vasp_born/OUTCAR.lepsilon.gz")
    assert outcar.symbols == ("Si", "C")
    assert outcar.cell_charge == 0
    assert np.diag(outcar.sum_rule_violation) == pytest.approx([0.195] * 3, abs=1e-3)
    # the response to a field along y, printed on its own in the file, is row y
    assert outcar.tensors[0, 1] == pytest.approx([-0.38500, 2.54981, -0.38500])
    sno2 = real("vasp_born/SnO2_vasprun.xml-born.xz")
    assert sno2.symbols == ("Sn",) * 2 + ("O",) * 4
    assert sno2.tensors[2, 0] == pytest.approx([-2.04720419, 0.71761807, 0])
    assert np.abs(sno2.sum_rule_violation).max() < 1e-4


@real_files
def test_real_espresso() -> None:
    born = real("qe_born/alas.dyn1.xml")
    assert born.symbols == ("Al", "As")
    assert born.isotropic == pytest.approx([1.88, -3.23], abs=5e-3)
    assert any("violated by up to 1.351 e" in n for n in born.notes)
    assert born.positions is not None
    assert born.positions[1] == pytest.approx([10.5 * BOHR / 4] * 3)


@real_files
def test_real_phonopy() -> None:
    pytest.importorskip("phonopy")
    mgo = real("phonopy_MgO/BORN")
    assert mgo.symbols == ("Mg", "O")
    assert mgo.isotropic == pytest.approx([1.972, -1.972], abs=1e-3)
    conventional = real("phonopy_MgO/BORN", structure=Path(DATA) / "phonopy_MgO" / "POSCAR-unitcell")
    assert conventional.isotropic == pytest.approx([1.972] * 4 + [-1.972] * 4, abs=1e-3)
    sio2 = real("phonopy_SiO2_HP/BORN")
    assert sio2.symbols == ("Si",) * 2 + ("O",) * 4
    # in rutile, each second atom is turned by 90 degrees: the anisotropy changes its sign
    assert sio2.tensors[:2, 0, 1] == pytest.approx([0.30201, -0.30201])
    assert sio2.tensors[2:, 0, 1] == pytest.approx([-0.52709, -0.52709, 0.52709, 0.52709])
