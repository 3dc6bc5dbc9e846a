"""The command `trajectory`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from .options import (
    Classical,
    FieldVector,
    Input,
    Settings,
    Temperature,
    Where,
    at_least,
    field_vector,
    load,
    one_system,
    this_command,
)
from .stopping import stopped_by_signals
from .terminal import interruptible, tell
from .terminal import print_plain as print

__all__ = ["trajectory"]


def trajectory(
    input: Input,
    frames: Annotated[
        int,
        at_least(1, "-n", "--frames", help="Number of frames.", show_default=False),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "-o",
            "--output",
            help=".nc, .ncdf or .h5md (OVITO, MDAnalysis, open_trajectory), .xyz or .extxyz, or .csv "
            "(the event list alone).",
            show_default=False,
        ),
    ],
    every: Annotated[
        str | None,
        typer.Option(help="Time between frames, such as '5 ns'. Default: about one hop of each carrier."),
    ] = None,
    temperature: Temperature = None,
    field: FieldVector = None,
    events: Annotated[bool, typer.Option("--events", help="Keep the list of hops too.")] = False,
    equilibrate: Annotated[
        str | None, typer.Option(help="Time that is simulated before the first frame. Default: none.")
    ] = None,
    replica: Annotated[int, at_least(0, help="Number of the random stream.")] = 0,
    seed: Annotated[
        int | None,
        at_least(0, help="Root seed. Default: the input's, or a fresh one."),
    ] = None,
    host: Annotated[
        Path | None,
        typer.Option(
            help="Also write the sites that no carrier visits, as extended XYZ.", metavar="FILE.xyz"
        ),
    ] = None,
    element: Annotated[
        list[str] | None,
        typer.Option(
            help="Symbol of a carrier in XYZ files, one option each; default: from its name.",
            metavar="CARRIER=SYMBOL",
        ),
    ] = None,
    where: Where = None,
    settings: Settings = None,
    classical: Classical = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what is there.")] = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Print nothing.")] = False,
) -> None:
    """Write where the carriers are at uniform times, or their hops, for viewers and your own analysis.

    A run that was stopped goes on when it is called again.
    """
    from ..trajectory import parse_elements, parse_time
    from ..trajectory.recording import write_trajectory

    interruptible()

    model = one_system(load(input, classical, settings), where)
    try:
        with stopped_by_signals():
            done = write_trajectory(
                model,
                output,
                frames=frames,
                every=None if every is None else parse_time(every, "--every"),
                temperature=temperature,
                field=field_vector(field),
                events=events,
                equilibration=0.0 if equilibrate is None else parse_time(equilibrate, "--equilibrate"),
                replica=replica,
                seed=seed,
                host=host,
                elements=parse_elements(element or []),
                overwrite=overwrite,
                on_progress=None if quiet or not sys.stderr.isatty() else _frames_done,
                command=this_command(),
            )
    except KeyboardInterrupt:
        tell(
            f"interrupted; the frames so far are in {output}.points: run again to go on, or read "
            "them with open_trajectory"
        )
        raise typer.Exit(130) from None
    if quiet:
        return
    print(f"Trajectory: {output}   {done.frames} frames, {done.hops} hops, {done.time:.3g} s")
    if host is not None:
        print(f"Host: {host}   {done.host_sites} sites")
    if done.note:
        print(f"note: the annealed start is {done.note}: raise initial.annealed.sweeps", file=sys.stderr)
    if done.blocked:
        print("note: no carrier can hop, all frames are the same", file=sys.stderr)


def _frames_done(done: int, wanted: int) -> None:
    end = "\n" if done == wanted else ""
    sys.stderr.write(f"\r{done} of {wanted} frames{end}")
    sys.stderr.flush()
