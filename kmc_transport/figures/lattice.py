"""Pictures of the lattice: sites by label, hop classes with numbers, carriers; a short trajectory as an animation."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import StoreError
from ..store import check_free, write_parts
from .scene import Scene, make_scene, supercell_scene
from .style import MARKERS, PALETTE, Size, literal, save_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ..model.model import Model
    from ..records import Trajectory

__all__ = ["ANIMATIONS", "animate", "draw_carriers", "draw_lattice"]

ANIMATIONS = ("gif", "mp4")
_FRAMES_PER_SECOND = 8
_GREYS = ("#555555", "#999999", "#222222", "#BBBBBB", "#777777")
_DASHES: Any = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (8, 2)))
_MOST_CLASSES = 12
"""Of hops in a legend."""


def draw_lattice(
    model: Model,
    path: str | Path | None = None,
    *,
    scene: Scene | None = None,
    size: Size | None = None,
    dpi: float = 200,
    overwrite: bool = False,
) -> Figure:
    """The cells with their sites and hops: sites differ by label, hops by class, whose number stands on one of them.

    Raises StoreError where the picture cannot be written.
    """
    import matplotlib
    from matplotlib.lines import Line2D

    scene = scene or make_scene(model)
    size = size or Size()
    with matplotlib.rc_context(size.style):
        figure, ax = _figure(scene, size)
        handles: list[Any] = _draw_sites(ax, scene, size)
        ends, taken = scene.flat(scene.segments), [scene.flat(scene.sites)]
        for k in dict.fromkeys(scene.hop_class.tolist()):
            own = np.flatnonzero(scene.hop_class == k)
            colour, dashes = PALETTE[k % len(PALETTE)], _DASHES[k % len(_DASHES)]
            for j in own:
                start, end = ends[j]
                depth = float(scene.depth(scene.segments[j].mean(axis=0)))
                ax.plot(
                    [start[0], end[0]],
                    [start[1], end[1]],
                    color=colour,
                    linestyle=dashes,
                    zorder=_z(scene, depth) - 0.5,
                )
            middle = ends[own].mean(axis=1)
            there = np.concatenate(taken)
            free = np.linalg.norm(middle[:, None] - there[None], axis=2).min(axis=1)
            spot = middle[int(np.argmax(free - 0.05 * np.linalg.norm(middle - there.mean(axis=0), axis=1)))]
            taken.append(spot[None])
            ax.text(
                *spot,
                str(k + 1),
                color=colour,
                ha="center",
                va="center",
                fontweight="bold",
                zorder=1e4,
                bbox={
                    "boxstyle": "circle,pad=0.15",
                    "facecolor": "white",
                    "edgecolor": colour,
                    "linewidth": 0.8,
                },
            )
            if k < _MOST_CLASSES:
                c = model.hop_classes[k]
                barrier = f", {c.barrier_forward:.4g} eV" if c.given_barriers else f", {c.rule}"
                name = f"{k + 1}: {c.name}, {c.distance:.4g} Å{barrier}"
                handles.append(Line2D([], [], color=colour, linestyle=dashes, label=literal(name)))
        _finish(figure, ax, scene, handles, size)
        if path is not None:
            save_figure(figure, path, dpi, overwrite=overwrite)
    return figure


def draw_carriers(
    model: Model,
    trajectory: Trajectory,
    frame: int,
    path: str | Path | None = None,
    *,
    scene: Scene | None = None,
    size: Size | None = None,
    dpi: float = 200,
    overwrite: bool = False,
) -> Figure:
    """All sites of the supercell and the carriers of one frame on them. Raises StoreError as `draw_lattice` does."""
    import matplotlib

    size = size or Size()
    with matplotlib.rc_context(size.style):
        figure, _ = _carriers(model, trajectory, frame, scene or supercell_scene(model), size)
        if path is not None:
            save_figure(figure, path, dpi, overwrite=overwrite)
    return figure


def animate(
    model: Model,
    trajectory: Trajectory,
    path: str | Path,
    *,
    scene: Scene | None = None,
    size: Size | None = None,
    dpi: float = 100,
    overwrite: bool = False,
) -> int:
    """Carriers hopping, frame by frame: .gif, or .mp4 where ffmpeg is installed. Returns the number of frames.

    Raises StoreError for another ending, without ffmpeg, or where something else lies there.
    """
    import matplotlib

    kind = Path(path).suffix[1:].lower()
    if kind not in ANIMATIONS:
        raise StoreError(
            "is no name of an animation", file=str(path), allowed=", ".join(f".{k}" for k in ANIMATIONS)
        )
    check_free(path, "animation", overwrite=overwrite)
    size = size or Size()
    with matplotlib.rc_context(size.style):
        images = list(_frames(model, trajectory, scene or supercell_scene(model), size, dpi))
    data = _gif(images) if kind == "gif" else _mp4(images, str(path))
    write_parts(os.path.realpath(path), [data])
    return len(images)


def _frames(model: Model, trajectory: Trajectory, scene: Scene, size: Size, dpi: float) -> Iterator[Any]:
    """(height, width, 3) pictures, an even number of points wide and high, as films want it."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    figure, move = _carriers(model, trajectory, 0, scene, size)
    figure.set_dpi(dpi)
    canvas = FigureCanvasAgg(figure)
    for frame in range(trajectory.n_frames):
        move(frame)
        canvas.draw()
        image = np.asarray(canvas.buffer_rgba())[..., :3]
        yield image[: image.shape[0] // 2 * 2, : image.shape[1] // 2 * 2].copy()


def _gif(images: list[Any]) -> bytes:
    from PIL import Image

    pictures = [Image.fromarray(i).quantize(64) for i in images]
    out = io.BytesIO()
    pictures[0].save(
        out,
        format="GIF",
        save_all=True,
        append_images=pictures[1:],
        duration=1000 // _FRAMES_PER_SECOND,
        loop=0,
        comment=b"kmc_transport",
    )
    return out.getvalue()


def _mp4(images: list[Any], path: str) -> bytes:
    import shutil
    import subprocess
    import tempfile

    if shutil.which("ffmpeg") is None:
        raise StoreError(
            "a film needs ffmpeg, which is not installed",
            file=path,
            remedy="install ffmpeg with your system's package manager, or choose a name that ends in .gif",
        )
    height, width = images[0].shape[:2]
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "film.mp4"
        command = (
            f"ffmpeg -loglevel error -f rawvideo -pix_fmt rgb24 -s {width}x{height} -r {_FRAMES_PER_SECOND} -i - "
            "-pix_fmt yuv420p -metadata comment=kmc_transport"
        )
        done = subprocess.run(
            [*command.split(), str(target)], input=b"".join(i.tobytes() for i in images), capture_output=True
        )
        if done.returncode:
            raise StoreError("ffmpeg failed: " + done.stderr.decode(errors="replace")[-300:], file=path)
        return target.read_bytes()


def _carriers(
    model: Model, trajectory: Trajectory, frame: int, scene: Scene, size: Size
) -> tuple[Figure, Any]:
    """The figure, and how to move its carriers to another frame."""
    from matplotlib.lines import Line2D

    figure, ax = _figure(scene, size)
    handles: list[Any] = _draw_sites(ax, scene, size, pale=True)
    header = trajectory.header
    flat = scene.flat(scene.sites)
    drawn = []
    for a, name in enumerate(header.names):
        own = header.species == a
        style: Any = {
            "marker": MARKERS[a % len(MARKERS)],
            "color": PALETTE[a % len(PALETTE)],
            "markeredgecolor": "black",
            "markeredgewidth": 0.6,
            "linestyle": "none",
            "markersize": 1.3 * _marker(scene, size),
        }
        (points,) = ax.plot([], [], zorder=1e4, **style)
        drawn.append((own, points))
        handles.append(Line2D([], [], label=literal(name.replace("_", " ")), **style))
    clock = ax.set_title(" ", loc="left", fontsize="small")

    def move(k: int) -> None:
        for own, points in drawn:
            places = flat[trajectory.occupation[k][own]]
            points.set_data(places[:, 0], places[:, 1])
        clock.set_text(f"{header.temperature:g} K,  t = {trajectory.time[k]:.3e} s")

    move(frame)
    _finish(figure, ax, scene, handles, size)
    return figure, move


def _figure(scene: Scene, size: Size) -> tuple[Figure, Any]:
    from matplotlib.figure import Figure

    flat = scene.flat(np.concatenate([scene.sites, scene.corners.reshape(-1, 3)]))
    if scene.dimensions == 1:
        flat = scene.flat(scene.sites)
    wide, high = np.ptp(flat, axis=0) + 1e-6
    width, _ = size.inches()
    height = min(max(width * (high + 1.0) / (wide + 1.0), 0.16 * width), 1.2 * width)
    figure = Figure(figsize=(width, size.inches()[1] if size.height else height), layout="constrained")
    ax = figure.subplots()
    edges = scene.flat(scene.corners)
    for k, (start, end) in enumerate(edges if scene.dimensions > 1 else ()):
        first = k < len(edges) // 2
        ax.plot(
            *zip(start, end, strict=True),
            color="0.35" if first else "0.8",
            linewidth=1.2 if first else 0.7,
            zorder=0,
        )
    return figure, ax


def _marker(scene: Scene, size: Size) -> float:
    """Points: so that neighbours do not touch."""
    flat = scene.flat(scene.sites)
    wide = float(max(np.ptp(flat[:, 0]), 1e-6))
    return float(np.clip(0.28 * size.width / 25.4 * 72 / max(len(flat) ** 0.5, wide / 2.5), 2.5, 9.0))


def _z(scene: Scene, depth: float) -> float:
    low, high = np.percentile(scene.depth(scene.sites), (0, 100))
    return 10.0 + 100.0 * (depth - float(low)) / max(float(high - low), 1e-9)


def _draw_sites(ax: Any, scene: Scene, size: Size, *, pale: bool = False) -> list[Any]:
    from matplotlib.lines import Line2D

    flat, depth = scene.flat(scene.sites), scene.depth(scene.sites)
    handles = []
    for k, name in enumerate(scene.labels):
        grey, marker = _GREYS[k % len(_GREYS)], MARKERS[k % len(MARKERS)]
        style: Any = {
            "marker": marker,
            "linestyle": "none",
            "color": grey,
            "markerfacecolor": "white" if pale else grey,
            "markersize": _marker(scene, size) * (0.7 if pale else 1.0),
        }
        for ghost in (False, True):
            own = np.flatnonzero((scene.label == k) & (scene.ghost == ghost))
            if pale or scene.dimensions < 3:
                ax.plot(flat[own, 0], flat[own, 1], zorder=60, **style | ({"alpha": 0.35} if ghost else {}))
                continue
            for j in own[np.argsort(depth[own])]:
                ax.plot(
                    *flat[j], zorder=_z(scene, float(depth[j])), **style | ({"alpha": 0.35} if ghost else {})
                )
        handles.append(Line2D([], [], label=literal(name), **style))
    return handles


def _finish(figure: Figure, ax: Any, scene: Scene, handles: list[Any], size: Size) -> None:
    ax.set_aspect("equal")
    ax.set_axis_off()
    ax.margins(0.06 if scene.dimensions > 1 else 0.02)
    if scene.dimensions == 1:
        middle = float(scene.flat(scene.sites)[:, 1].mean())
        high = max(float(np.ptp(scene.flat(scene.sites)[:, 1])), 1.0)
        ax.set_ylim(middle - 0.9 * high, middle + 0.9 * high)
    longest = max(len(h.get_label()) for h in handles)
    columns = int(max(1, min(len(handles), size.width / 25.4 * 72 / (0.55 * size.font) // (longest + 7))))
    rows = -(-len(handles) // columns)
    width, height = figure.get_size_inches()
    figure.set_size_inches(width, height + 1.5 * rows * size.font / 72 + 0.1)
    figure.legend(
        handles=handles, loc="outside lower center", ncols=columns, handlelength=2.4, columnspacing=1.4
    )
