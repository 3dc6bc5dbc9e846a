"""Pictures of the lattice: the command `picture`."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import InputError
from .options import FieldVector, Input, Replace, Settings, Temperature, at_least, field_vector, load
from .stopping import stopped_by_signals
from .terminal import print_plain as print

if TYPE_CHECKING:
    from ..model.model import Model
    from ..records import Trajectory

__all__ = ["picture"]


def picture(
    input: Input,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            help="Picture (.png, .svg, .pdf), or with --frames an animation (.gif, .mp4 with ffmpeg). Default: "
            "NAME-lattice.png, here.",
        ),
    ] = None,
    cells: Annotated[
        tuple[int, int, int] | None,
        typer.Option(help="Cells to draw along the three cell vectors.", metavar="A B C"),
    ] = None,
    view: Annotated[
        tuple[float, float] | None,
        typer.Option(
            help="Look from here: degrees about the vertical, and of height. Default: straight at chains and layers, "
            "else 25 14.",
            metavar="TURN HEIGHT",
        ),
    ] = None,
    carriers: Annotated[
        bool, typer.Option("--carriers", help="Draw the supercell with its carriers as a run starts.")
    ] = False,
    frames: Annotated[
        int | None, at_least(2, help="Simulate so many frames and animate them.", show_default=False)
    ] = None,
    trajectory: Annotated[
        Path | None,
        typer.Option(
            "--trajectory",
            help="Carriers of this trajectory (.nc, .ncdf, .h5md) of the same input.",
            metavar="FILE",
        ),
    ] = None,
    frame: Annotated[int, at_least(0, help="Frame of it, from 0; an animation takes all.")] = 0,
    temperature: Temperature = None,
    field: FieldVector = None,
    size: Annotated[
        str | None,
        typer.Option(help="`column`, `page`, `slide`, or WIDTHxHEIGHT in mm. Default: 150 mm wide."),
    ] = None,
    settings: Settings = None,
    overwrite: Replace = False,
) -> None:
    """Draw the lattice of an input: cells, sites by label, classes of hops with their numbers; or its carriers."""
    path = output or Path(f"{input.stem}-lattice.{'gif' if frames else 'png'}")
    moving = path.suffix in (".gif", ".mp4")
    if frames and not moving:
        raise InputError("frames are animated", key="-o", value=str(path), allowed="NAME.gif or NAME.mp4")
    if moving and not (frames or trajectory):
        raise InputError(
            "an animation needs frames", key="--frames", remedy="give --frames 40, or --trajectory FILE"
        )
    model = load(input, False, settings)
    with stopped_by_signals():
        from ..figures.lattice import animate, draw_carriers, draw_lattice
        from ..figures.scene import make_scene, supercell_scene
        from ..figures.style import check_picture, parse_size

        wanted = parse_size(size or "150")
        if not moving:
            check_picture(path, overwrite=overwrite)
        if not (carriers or frames or trajectory):
            draw_lattice(model, path, scene=make_scene(model, cells, view), size=wanted, overwrite=overwrite)
            print(f"Picture: {path}")
            return
        scene = supercell_scene(model, view)
        found = _frames(model, trajectory, frames or 1, temperature, field_vector(field))
        if moving:
            number = animate(model, found, path, scene=scene, size=wanted, overwrite=overwrite)
            print(f"Animation: {path}   {number} frames")
            return
        if frame >= found.n_frames:
            raise InputError(
                "there is no such frame", key="--frame", value=frame, allowed=f"0 to {found.n_frames - 1}"
            )
        draw_carriers(model, found, frame, path, scene=scene, size=wanted, overwrite=overwrite)
    print(f"Picture: {path}")


def _frames(
    model: Model, file: Path | None, frames: int, temperature: float | None, field: list[float]
) -> Trajectory:
    """Those of a file, or simulated here and now."""
    import numpy as np

    from ..trajectory import open_trajectory
    from ..trajectory.recording import write_trajectory

    if file is None:
        with tempfile.TemporaryDirectory() as folder:
            short = Path(folder) / "frames.h5md"
            write_trajectory(model, short, frames=frames, temperature=temperature, field=field)
            return open_trajectory(short)
    found = open_trajectory(file)
    header, s = found.header, model.structure
    same = header.supercell == tuple(model.supercell) and header.site_labels == tuple(s.labels)
    if not same or not np.allclose(header.site_frac, s.frac, atol=1e-6):
        raise InputError(
            "is a trajectory of other cells than the input's",
            file=str(file),
            remedy="give the input that it was made from",
        )
    return found
