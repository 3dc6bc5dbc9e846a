"""Bands without their ends, histories cut off, files of VTST and of neb.x at constant potential, packed files,
and every remedy that names a key or a file followed."""

from __future__ import annotations

import bz2
import gzip
import lzma
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kmc_transport.errors import InputError
from kmc_transport.sources import read_path
from tests.sources import output_fixtures as out
from tests.sources import path_fixtures as fx
from tests.sources.path_fixtures import refused

ENERGIES = [0.0, 0.1, 0.3, 0.4, 0.3, 0.1, 0.0]


def band(folder: Path, **told: Any) -> Path:
    """Folders 00 to 06 with the highest image in the middle."""
    for k, energy in enumerate(ENERGIES):
        place = folder / f"{k:02d}"
        place.mkdir(parents=True)
        inside = {"tangent": 0.2} if told.pop("tangents", None) or (0 < k < 6 and told.get("vtst")) else {}
        (place / "OUTCAR").write_text(
            out.outcar(k, energy - 20, **inside, **{k: v for k, v in told.items() if k != "vtst"})
        )
        rows = "\n".join(" ".join(f"{x:.8f}" for x in row) for row in walk(k) / out.CELL)
        head = f"hop\n{out.CELL}\n1 0 0\n0 1 0\n0 0 1\nLi F\n3 1\nDirect\n"
        (place / "CONTCAR").write_text(head + rows + "\n")
    return folder


def walk(k: int) -> np.ndarray:
    return np.array([[0.0, 0, 0], [0, 3, 0], [2 + 0.4 * k, 0, 3], [3, 3, 3]])


# --- a band without its ends ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("gone", "said"),
    [
        (["00", "06"], "image folder 00, the start, is missing"),
        (["00"], "image folder 00, the start, is missing"),
        (["00", "01"], "image folders 00, 01, the start, are missing"),
        (["02", "03"], "image folders 02, 03 are missing"),
    ],
)
def test_numbers_that_are_missing(gone: list[str], said: str, tmp_path: Path) -> None:
    whole = band(tmp_path)
    assert read_path(whole).barrier_forward == pytest.approx(0.4, abs=1e-6)
    for name in gone:
        shutil.rmtree(whole / name)
    refused(whole, said)


@pytest.mark.parametrize(
    "where", ["INCAR", "01/INCAR", "INCAR in small letters", "INCAR.gz", "OUTCAR", "vasprun.xml"]
)
def test_images_tells_of_a_missing_end(where: str, tmp_path: Path) -> None:
    whole = band(tmp_path, **({"IMAGES": 5} if where == "OUTCAR" else {}))
    text = "SYSTEM = hop\nNSW = 100; IMAGES = 5 ! between the ends\n"
    if where == "INCAR.gz":
        (whole / where).write_bytes(gzip.compress(text.encode()))
    elif where == "01/INCAR":
        (whole / where).write_text(text)
    elif where.startswith("INCAR"):
        (whole / "INCAR").write_text(text if where == "INCAR" else "# IMAGES = 9\n  images=5\n")
    elif where == "vasprun.xml":
        for k, energy in enumerate(ENERGIES):
            (whole / f"{k:02d}" / "OUTCAR").unlink()
            (whole / f"{k:02d}" / "vasprun.xml").write_text(out.vasprun(k, energy - 20, IMAGES=5))
    assert read_path(whole).barrier_forward == pytest.approx(0.4, abs=1e-6)
    shutil.rmtree(whole / "06")
    error = refused(
        whole, r"IMAGES = 5, so the band has 7 images with its ends, but there are 6.*end of the band"
    )
    assert "whole band" in error.problems[0].remedy
    # folders of a longer band that were left behind
    shutil.copytree(whole / "05", whole / "06")
    shutil.copytree(whole / "05", whole / "07")
    refused(whole, "there are 8 image folders.*another band")


@pytest.mark.parametrize("as_list", [False, True])
def test_a_force_along_the_band_is_that_of_an_inner_image(as_list: bool, tmp_path: Path) -> None:
    whole = band(tmp_path, vtst=True)
    files = [whole / f"{k:02d}" / "OUTCAR" for k in range(7)]
    assert read_path(files if as_list else whole).barrier_forward == pytest.approx(0.4, abs=0.02)
    shutil.rmtree(whole / "06")
    error = refused(files[:6] if as_list else whole, "05 is no end of a band: it has a force along the band")
    if as_list:  # the remedy: the relaxed end in the place of the last
        assert "relaxed end" in error.problems[0].remedy
        refused(files[1:6], "01 is no end of a band")


@pytest.mark.parametrize("tangent", [0.0, 0.3])
def test_an_inner_image_at_rest_is_no_end_either(tangent: float, tmp_path: Path) -> None:
    """At the saddle of a symmetric band the force along it is zero."""
    whole = band(tmp_path)
    file = whole / "03" / "OUTCAR"
    file.write_text(out.outcar(3, ENERGIES[3] - 20, tangent=tangent))
    for name in ("04", "05", "06"):
        shutil.rmtree(whole / name)
    refused(whole, "03 is no end of a band")


def test_a_list_of_inner_images_alone(tmp_path: Path) -> None:
    whole = band(tmp_path, IMAGES=5)
    files = [whole / f"{k:02d}" / "OUTCAR" for k in range(7)]
    assert read_path(files).barrier_forward == pytest.approx(0.4, abs=1e-6)
    for wrong, name in ((files[1:6], "01"), (files[:6], "05"), ([files[0], files[3]], "03")):
        remedy = refused(wrong, f"{name} is no end of a band: its run has IMAGES = 5").problems[0].remedy
        assert "relaxed start" in remedy
    # the remedy
    assert read_path([files[0], *files[1:6], files[6]]).barrier_forward == pytest.approx(0.4, abs=1e-6)


@pytest.mark.parametrize("name", ["{}", "{:03d}", "image_{:02d}", "image{}", "img-{:02d}", "neb{:02d}"])
def test_names_of_image_folders(name: str, tmp_path: Path) -> None:
    whole = band(tmp_path)
    for k in range(7):
        (whole / f"{k:02d}").rename(whole / f"to{k}")
    for k in range(7):
        (whole / f"to{k}").rename(whole / name.format(k))
    assert read_path(whole).barrier_forward == pytest.approx(0.4, abs=1e-6)
    shutil.rmtree(whole / name.format(0))
    refused(whole, "image folder 00, the start, is missing")


def test_start_and_saddle_alone_need_no_end(tmp_path: Path) -> None:
    whole = band(tmp_path / "band", vtst=True, IMAGES=5)
    files = [whole / "00" / "OUTCAR", whole / "03" / "OUTCAR"]
    assert read_path(files, saddle_by_symmetry=True).barrier_forward == pytest.approx(0.4, abs=1e-6)
    for k, name in enumerate(("00", "03")):
        shutil.copytree(whole / name, tmp_path / "half" / f"{k:02d}")
    assert read_path(tmp_path / "half", saddle_by_symmetry=True).barrier_forward == pytest.approx(
        0.4, abs=1e-6
    )


def test_a_list_is_the_way_out_for_folders_of_other_names(tmp_path: Path) -> None:
    whole = band(tmp_path)
    for k in reversed(range(7)):
        (whole / f"{k:02d}").rename(whole / f"{k + 1:02d}")
    remedy = refused(whole, "00, the start").problems[0].remedy
    assert "[start/OUTCAR, ..., end/OUTCAR]" in remedy
    path = read_path([whole / f"{k + 1:02d}" / "OUTCAR" for k in range(7)])
    assert path.barrier_forward == pytest.approx(0.4, abs=1e-6)


def test_an_analysis_that_begins_inside(tmp_path: Path) -> None:
    import json

    file = fx.write_neb_analysis(tmp_path / "neb.json", fx.band())
    data = json.loads(file.read_text())
    for key in ("r", "energies", "forces", "structures"):
        data[key] = data[key][1:]
    file.write_text(json.dumps(data))
    refused(file, "'r' starts at .* Å: the images before it, with the start, are missing")


def test_rows_of_images_that_are_missing(tmp_path: Path) -> None:
    file = tmp_path / "t.csv"
    file.write_text("image, energy [eV]\n0, 0\n1, 0.2\n3, 0.2\n4, 0\n")
    remedy = refused(file, "rows of image 2 are missing").problems[0].remedy
    assert "'coordinate'" in remedy
    file.write_text("coordinate, energy [eV]\n0, 0\n1, 0.2\n3, 0.2\n4, 0\n")
    assert read_path(file).barrier_forward > 0.2
    database = tmp_path / "hop.db"
    for k, image in enumerate(fx.band()):
        if k != 5:
            fx.write_db(database, [image], image=k)
    refused(database, "rows of image 5 are missing")


# --- histories of ASE -----------------------------------------------------------------------------------------


def steps(n: int, lower: float = 0.1) -> list[Any]:
    """``n`` bands, each with a barrier lower by ``lower``."""
    found = []
    for step in range(n):
        images = fx.band()
        for image in images[1:-1]:
            image.calc.results["energy"] = image.calc.results["energy"] + lower * (n - 1 - step)
        found += images
    return found


@pytest.mark.parametrize("ending", [".traj", ".xyz"])
@pytest.mark.parametrize("left", [1, 3, 6])
def test_a_history_cut_off_in_its_last_band(ending: str, left: int, tmp_path: Path) -> None:
    frames = steps(3)
    file = fx.write_traj(tmp_path / f"neb{ending}", frames[: 14 + left])
    path = read_path(file)
    assert path.barrier_forward == pytest.approx(0.7764 + 0.1, abs=0.01)
    assert any(
        f"cut off after {left} of 7 images: the last whole one is taken, number 2" in n for n in path.notes
    )
    assert path.barrier_forward == pytest.approx(read_path(file, key="7:14").barrier_forward)


def test_a_history_cut_off_inside_a_frame(tmp_path: Path) -> None:
    file = fx.write_traj(tmp_path / "neb.xyz", steps(3))
    text = file.read_text()
    file.write_text(text[: int(0.9 * len(text))])
    path = read_path(file)
    assert path.barrier_forward == pytest.approx(0.8764, abs=0.01)
    assert any("is cut off" in n for n in path.notes)
    assert read_path(file, key="7:14").barrier_forward == pytest.approx(path.barrier_forward)
    refused(file, "cannot be read as an ASE extxyz", key="-7:")
    # with one band alone nothing tells how long it should be
    file.write_text(text[: int(0.3 * len(text))])
    refused(file, "cannot be read as an ASE extxyz")


def test_a_start_that_comes_back_is_asked_for(tmp_path: Path) -> None:
    """A closed path, or the second band of a history: the two keys that are offered tell."""
    images = fx.band()
    file = fx.write_traj(tmp_path / "closed.traj", [*images, images[0].copy()])
    images[0].calc.results["energy"] = images[0].calc.results["energy"]
    from ase.io import read, write

    frames = read(file, index=":")
    frames[-1].calc = frames[0].calc
    write(file, frames)
    remedy = refused(file, "closed path, or a history cut off").problems[0].remedy
    keys = re.findall(r"key = '([^']*)'", remedy)
    assert keys == [":", ":7"]
    assert read_path(file, key=keys[1]).barrier_forward == pytest.approx(0.7764, abs=1e-3)


def test_the_key_that_is_offered_works(tmp_path: Path) -> None:
    frames = steps(3)
    file = fx.write_traj(tmp_path / "odd.traj", frames[:13] + frames[14:])
    remedy = refused(file, "not at equal distances").problems[0].remedy
    (key,) = re.findall(r"key = '([^']*)'", remedy)
    with pytest.raises(InputError, match=r"no saddle|turns back|same positions"):
        read_path(file, key="-9:")
    assert read_path(file, key=key).barrier_forward > 0.7


# --- neb.x at constant potential ------------------------------------------------------------------------------


def with_charges(path: Path, lines_each: int = 1) -> None:
    """Number of electrons, Fermi energy and density of states after each energy, as neb.x writes them with FCP."""
    rows, after = [], False
    for line in path.read_text().splitlines():
        if line.startswith("ENERGIES"):
            rows += ["APPLY CONSTANT BIAS" if lines_each > 1 else "APPLY FCP", "T"]
        rows.append(line)
        if after and len(line.split()) == 1:
            rows += lines_each * ["    341.0123456789     -0.1234567890      0.5000000000"]
        after = line.startswith("Image:")
    path.write_text("\n".join(rows[:-3]) + "\n")


@pytest.mark.parametrize("lines_each", [1, 2])
def test_constant_potential(lines_each: int, tmp_path: Path) -> None:
    dat = fx.write_qe(tmp_path, fx.band())
    expected = read_path(dat)
    with_charges(dat.with_suffix(".path"), lines_each)
    for file in (dat, dat.with_suffix(".path")):
        path = read_path(file)
        assert path.barrier_forward == pytest.approx(expected.barrier_forward, abs=1e-6)
        assert any("constant potential" in n for n in path.notes)
        assert path.migrating_atom == fx.MIGRATING
    dat.unlink()
    assert read_path(dat.with_suffix(".path")).barrier_forward == pytest.approx(
        expected.barrier_forward, abs=1e-3
    )


def test_a_good_dat_beside_a_strange_path(tmp_path: Path) -> None:
    dat = fx.write_qe(tmp_path, fx.band())
    whole = dat.with_suffix(".path").read_text()
    expected = read_path(dat).barrier_forward
    wider = re.sub(r"(?m)^(( +-?\d+\.\d{12}){6})", r"\1 7.0 8.0 9.0 10.0", whole)
    for strange in ("/opt/pseudo:/home/me/bin\n", wider):
        dat.with_suffix(".path").write_text(strange)
        path = read_path(dat)
        assert path.barrier_forward == pytest.approx(expected, abs=2e-5)
        assert any("cu.path is" in n and "not read" in n for n in path.notes)
        remedy = refused(dat.with_suffix(".path"), "not laid out as neb.x").problems[0].remedy
        assert "cu.dat" in remedy
    # a damaged one of neb.x is still refused
    for damaged in (whole[: len(whole) // 2], whole.replace("Image:    3", "Image:    4")):
        dat.with_suffix(".path").write_text(damaged)
        refused(dat, "breaks off|where image 3 is due|lines")


# --- packed files, formats that are not read ------------------------------------------------------------------

PACKERS: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
}


def pack(file: Path, ending: str) -> Path:
    packed = file.with_name(file.name + ending)
    packed.write_bytes(PACKERS[ending](file.read_bytes()))
    file.unlink()
    return packed


@pytest.mark.parametrize("ending", PACKERS)
def test_every_text_format_may_be_packed(ending: str, tmp_path: Path) -> None:
    images = fx.band()
    for write in (
        lambda: fx.write_traj(tmp_path / "hop.xyz", images),
        lambda: fx.write_traj(tmp_path / "hop.extxyz", images),
        lambda: fx.write_db(tmp_path / "hop.json", images),
        lambda: fx.write_neb_analysis(tmp_path / "neb.json", images),
        lambda: fx.write_table(tmp_path / "hop.csv", images),
    ):
        file = write()
        expected = read_path(file).barrier_forward
        assert read_path(pack(file, ending)).barrier_forward == pytest.approx(expected, abs=1e-9)
    dat = fx.write_qe(tmp_path / "qe", images)
    expected = read_path(dat).barrier_forward
    files = [pack(dat.with_suffix(s), ending) for s in (".dat", ".path", ".axsf")]
    for file in files:
        path = read_path(file)
        assert path.barrier_forward == pytest.approx(expected, abs=1e-9)
        assert path.symbols is not None
    folders = out.write_folders(tmp_path / "vasp", "OUTCAR")
    for k in range(3):
        pack(folders / f"{k:02d}" / "OUTCAR", ending)
        pack(folders / f"{k:02d}" / "CONTCAR", ending)
    assert read_path(folders).barrier_forward == pytest.approx(0.4, abs=1e-6)
    for form in ("OUTCAR", "vasprun.xml", "pw.out"):
        several = [pack(f, ending) for f in out.write_list(tmp_path / f"list {form}", form)]
        assert read_path(several).barrier_forward == pytest.approx(0.4, abs=1e-6)


def test_what_is_not_read_says_what_is(tmp_path: Path) -> None:
    for name, content in (
        ("run.nc", b"CDF\x01" + bytes(200)),
        ("run.gpw", b"- of UlmGPAW" + bytes(99)),
        ("a.foo", b"x\n"),
    ):
        file = tmp_path / name
        file.write_bytes(content)
        error = refused([file, file, file], "format of this file is not known|not a text file")
        assert "No module" not in str(error)
        assert "pw.x" in str(error)
    printed = tmp_path / "hop.out"
    printed.write_text(
        "\n     Program NEB v.7.2 starts on  1Jan2024\n     activation energy (->) =   0.776 eV\n"
    )
    dat = fx.write_qe(tmp_path, fx.band())
    for source in (printed, [printed, printed, printed]):
        remedy = refused(source, "what neb.x prints").problems[0].remedy
        assert "prefix.dat" in remedy
        assert "kind" not in remedy
    assert dat.name in refused(printed, "neb.x").problems[0].remedy
    single = out.write_list(tmp_path / "one", "pw.out")
    assert "as a list" in refused(single[1], "one image of a path").problems[0].remedy
    assert read_path(single).barrier_forward == pytest.approx(0.4, abs=1e-6)
    outcar = out.write_list(tmp_path / "two", "OUTCAR")
    assert "as a list" in refused(outcar[1], "one image of a path").problems[0].remedy
    assert read_path(outcar).barrier_forward == pytest.approx(0.4, abs=1e-6)
