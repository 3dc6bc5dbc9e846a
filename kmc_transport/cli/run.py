"""The command `run`."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import InputError
from .options import Classical, Input, Json, Settings, at_least, check_target, load, this_command
from .stopping import stopped_by_signals
from .terminal import interruptible, print_json, tell
from .terminal import print_plain as print

if TYPE_CHECKING:
    import xarray

    from ..model.model import Model

__all__ = ["run"]


def run(
    input: Input,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", help="Result file. Default: the input's name with .h5 (-classical.h5), here."
        ),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Start over: delete what an earlier run left at the output.")
    ] = False,
    workers: Annotated[
        int | None,
        at_least(
            1,
            help="Threads or processes. Default: all processors. Changes no result.",
        ),
    ] = None,
    executor: Annotated[
        str | None,
        typer.Option(
            help="threads or processes. Default: threads, then processes where many short points are left.",
            metavar="threads|processes",
        ),
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(help="Address of a running Dask scheduler, whose workers simulate.", metavar="ADDRESS"),
    ] = None,
    scheduler_file: Annotated[
        Path | None, typer.Option(help="File that the Dask scheduler wrote, instead of its address.")
    ] = None,
    shard: Annotated[
        str | None,
        typer.Option(
            help="Only the i-th of N shares of the points, for batch arrays. All write to the same output.",
            metavar="i/N",
        ),
    ] = None,
    settings: Settings = None,
    classical: Classical = False,
    plot: Annotated[bool, typer.Option(help="Draw mobility and drift velocity to NAME.png.")] = True,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="No progress and no table.")] = False,
    as_json: Json = False,
) -> None:
    """Simulate every condition of the input: a table, an HDF5 file, a picture.

    Running it again goes on where it was stopped, or does nothing when all is there.
    """
    model = load(input, classical, settings)
    target = output or Path(f"{input.stem}-classical.h5" if classical else f"{input.stem}.h5")
    check_target(target)
    part, picture = _shard(shard), target.with_suffix(".png")
    from ..store import check_free, points_folder, read_provenance

    if plot:
        check_free(
            picture, "picture", remedy="choose another -o, leave it out with --no-plot, or move it away"
        )
    folder = points_folder(target)
    if target.exists() and not folder.exists() and not overwrite:
        read_provenance(target)  # another's file is refused
        tell(f"{folder} is gone: all points are simulated again; {target} stays until they are done")
    from ..engine.canonical.settle import settled
    from ..runs.pipeline import run as simulate
    from .live import Live

    model = settled(model)
    try:
        interruptible()
        with stopped_by_signals(), Live(quiet or as_json) as live:
            dataset = simulate(
                model,
                output=target,
                overwrite=overwrite,
                workers=workers,
                executor=executor,
                scheduler=scheduler,
                scheduler_file=scheduler_file,
                shard=part,
                on_progress=live.update,
                command=this_command(),
            )
    except KeyboardInterrupt:
        tell(f"interrupted; what was done is in {folder}: run again to go on")
        raise typer.Exit(130) from None
    if part is not None and not dataset["complete"].all():
        _end_of_shard(target, quiet)
        return
    if as_json or not quiet:
        _show(dataset, model, target, as_json)
    if plot:  # last, so that the numbers are shown whatever becomes of it
        _draw(dataset, picture, quiet or as_json)
    if not dataset["converged"].all():
        failed = int(sum(str(r).startswith("failed") for r in dataset["exit_reason"].values.flat))
        n = int((~dataset["converged"]).sum()) - failed
        if n:
            tell(f"{n} of the conditions did not reach the asked accuracy")
        if failed:
            tell(f"{failed} of the conditions could not be simulated; why: {_ask_status(target)}")
        raise typer.Exit(1)


def _show(dataset: xarray.Dataset, model: Model, target: Path, as_json: bool) -> None:
    from ..rates import hop_regimes
    from ..report import (
        arrhenius_tables,
        composition_tables,
        print_tables,
        results_table,
        thermodynamics_tables,
    )

    table, fits = results_table(dataset), arrhenius_tables(dataset)
    chemistry = thermodynamics_tables(dataset)
    compositions = composition_tables(dataset)
    if as_json:
        print_json(
            {
                "title": model.title,
                "output": str(target),
                "seed": dataset.attrs["seed"],
                "converged": bool(dataset["converged"].all()),
                "results": table.data,
                "arrhenius": [row for fit in fits for row in fit.data],
                "thermodynamics": [row for one in chemistry for row in one.data],
                "compositions": [row for one in compositions for row in one.data],
                "notes": [*model.notes, *table.notes],
            }
        )
        return
    regimes = hop_regimes(model, float(model.conditions.temperature.min()))
    table.notes.extend(f"Note: {note}" for note in model.notes)
    table.notes.extend(f"Warning: {r.hop_class}: {r.warning}" for r in regimes if r.warning)
    print_tables(table, *fits, *chemistry, *compositions)
    print(f"\nResults: {target}")
    print(f"More columns: kmc-transport results {shlex.quote(str(target))} --show all")


def _draw(dataset: xarray.Dataset, picture: Path, quiet: bool) -> None:
    """The picture of a run, where there is something to draw."""
    from ..figures.results import can_draw, plot_results

    if can_draw(dataset):
        with stopped_by_signals():
            plot_results(dataset, picture)
    if not quiet:
        print(f"Picture: {picture}" if can_draw(dataset) else "No picture: nothing has a mobility yet.")


def _shard(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    number, slash, of = text.partition("/")
    if not (slash and number.isdecimal() and of.isdecimal() and 1 <= int(number) <= int(of)):
        raise InputError(
            "is not a share of a sweep",
            key="--shard",
            value=text,
            allowed="i/N with 1 <= i <= N",
            remedy="for the second of three: 2/3",
        )
    return int(number), int(of)


def _end_of_shard(target: Path, quiet: bool) -> None:
    """What a shard says that was not the last: its own failures decide the exit code."""
    from ..store import read_status

    found = read_status(target)
    if not quiet:
        print(
            f"This shard is done: {found.done} of {found.points} points of the sweep are there. {target} is written "
            "when all are; before that: kmc-transport merge"
        )
    if found.failed:
        tell(f"{found.failed} points could not be simulated; why: {_ask_status(target)}")
        raise typer.Exit(1)


def _ask_status(target: Path) -> str:
    return f"kmc-transport status {shlex.quote(str(target))}"
