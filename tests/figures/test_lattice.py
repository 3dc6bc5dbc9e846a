"""Pictures of the lattice: what is in them, in one, two and three dimensions; animations."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kmc_transport import load_model
from kmc_transport.cli.app import main
from kmc_transport.errors import InputError, StoreError
from kmc_transport.figures.lattice import animate, draw_carriers, draw_lattice
from kmc_transport.figures.scene import make_scene, supercell_scene
from kmc_transport.trajectory import open_trajectory
from kmc_transport.trajectory.recording import write_trajectory
from tests.figures.boxes import overlaps

INPUTS = Path(__file__).parents[2] / "inputs"
CHAIN, LAYERS, CRYSTAL = (
    load_model(INPUTS / f"{name}.yaml") for name in ("namn3o7", "p2_naxmno2", "sio2_oxygen_vacancy")
)


@pytest.mark.parametrize(("model", "dimensions"), [(CHAIN, 1), (LAYERS, 2), (CRYSTAL, 3)])
def test_all_sites_and_hops_of_the_cells(model, dimensions) -> None:  # type: ignore[no-untyped-def]
    scene = make_scene(model)
    assert scene.dimensions == dimensions
    assert scene.view @ scene.view.T == pytest.approx(np.eye(3))
    cells = int((~scene.ghost).sum()) // model.structure.n_sites
    pairs = int((model.network.orientation > 0).sum())
    assert len(scene.segments) == cells * pairs
    lengths = np.linalg.norm(scene.segments[:, 1] - scene.segments[:, 0], axis=1)
    wanted = np.array([c.distance for c in model.hop_classes])[scene.hop_class]
    assert lengths == pytest.approx(wanted, abs=1e-3)
    ends = scene.segments.reshape(-1, 3)
    nearest = np.linalg.norm(ends[:, None] - scene.sites[None], axis=2).min(axis=1)
    assert nearest.max() < 1e-9  # every hop ends on a site


def test_one_looks_along_no_chain_and_straight_at_layers() -> None:
    assert abs(make_scene(CHAIN).view[0]) == pytest.approx([1, 0, 0])
    assert make_scene(LAYERS, view=(0, 90)).view[2] == pytest.approx([0, 0, 1])
    scene = make_scene(LAYERS)  # sites of P2 would hide each other
    shown = scene.flat(LAYERS.structure.cart)
    apart = np.linalg.norm(shown[:, None] - shown[None], axis=2)[np.triu_indices(len(shown), 1)]
    assert apart.min() > 0.2


@pytest.mark.parametrize("model", [CHAIN, LAYERS, CRYSTAL])
def test_classes_have_numbers_and_nothing_covers_anything(model) -> None:  # type: ignore[no-untyped-def]
    figure = draw_lattice(model)
    numbers = {t.get_text() for t in figure.axes[0].texts}
    assert numbers == {str(k + 1) for k in range(len(model.hop_classes))}
    told = [t.get_text() for t in figure.legends[0].get_texts()]
    assert set(model.structure.labels) <= set(told)
    assert all(any(c.name in t for t in told) for c in model.hop_classes)
    assert overlaps(figure) == []


def test_carriers_and_their_animation(tmp_path: Path) -> None:
    write_trajectory(LAYERS, tmp_path / "a.h5md", frames=4, seed=3)
    found = open_trajectory(tmp_path / "a.h5md")
    figure = draw_carriers(LAYERS, found, 2)
    scene = supercell_scene(LAYERS)
    drawn = [
        line.get_xydata()
        for line in figure.axes[0].lines
        if len(line.get_xdata()) == 8 and line.get_zorder() > 1e3
    ]
    for a, points in enumerate(drawn):
        sites = found.occupation[2][found.header.species == a]
        assert points == pytest.approx(scene.flat(scene.sites[sites]))
        # the numbers of sites are those of the trajectory
        away = found.wrapped[2][found.header.species == a] - scene.sites[sites]
        frac = away @ np.linalg.inv(found.header.cell)
        assert np.abs(frac - frac.round()).max() < 1e-6
    assert len(drawn) == 2
    assert animate(LAYERS, found, tmp_path / "a.gif") == 4
    with Image.open(tmp_path / "a.gif") as gif:
        assert gif.n_frames == 4  # type: ignore[attr-defined]
    animate(LAYERS, found, tmp_path / "a.gif")  # ours may be replaced
    (tmp_path / "b.gif").write_bytes(b"GIF89a of mine")
    with pytest.raises(StoreError, match="is there already"):
        animate(LAYERS, found, tmp_path / "b.gif")
    with pytest.raises(StoreError, match="no name of an animation"):
        animate(LAYERS, found, tmp_path / "a.avi")
    if shutil.which("ffmpeg"):
        animate(LAYERS, found, tmp_path / "a.mp4")
        assert b"ftyp" in (tmp_path / "a.mp4").read_bytes()[:16]


def test_a_film_without_ffmpeg_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_trajectory(CHAIN, tmp_path / "a.h5md", frames=2, seed=3)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(StoreError, match="ffmpeg"):
        animate(CHAIN, open_trajectory(tmp_path / "a.h5md"), tmp_path / "a.mp4")


def test_too_many_sites() -> None:
    with pytest.raises(InputError, match="too many sites"):
        make_scene(CRYSTAL, cells=(50, 50, 50))
    with pytest.raises(InputError, match="one cell"):
        make_scene(CRYSTAL, cells=(0, 1, 1))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["-o", "a.gif"], "--frames"),
        (["-o", "a.bmp"], "names no format"),
        (["--frames", "3", "-o", "a.png"], "animated"),
        (["--cells", "90", "90", "90"], "too many sites"),
        (["--trajectory", "none.h5md"], "none.h5md"),
    ],
)
def test_wrong_options(
    options: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as code:
        main(["picture", str(INPUTS / "p2_naxmno2.yaml"), *options])
    assert code.value.code == 2
    assert said in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as code:
        main(["picture", str(INPUTS / "sio2_oxygen_vacancy.yaml"), "--size", "column"])
    assert not code.value.code
    assert [p.name for p in tmp_path.iterdir()] == ["sio2_oxygen_vacancy-lattice.png"]
