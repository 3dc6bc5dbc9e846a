"""The command line: load, one call, show. Heavy modules are imported by the command that needs them."""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from ..errors import InputError, KmcTransportError, Problem
from .stopping import stopped_by_signals
from .terminal import finish, interruptible, print_csv, print_json, tell
from .terminal import print_plain as print  # whatever is printed here may come from a file or an argument

if TYPE_CHECKING:
    import numpy as np
    import xarray

    from ..model.model import Model

__all__ = ["app", "main"]

FRAMED = 80
"""Columns of the terminal from which the help of commands has frames."""
app = typer.Typer(
    name="kmc-transport",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    help="From first-principles barriers to mobilities of ions and small polarons, "
    "by kinetic Monte Carlo and exactly.",
    epilog="Exit codes: 0 done, 1 ran but did not reach the asked accuracy or points failed, 2 bad input, "
    "130 interrupted (Ctrl-C, SIGTERM or SIGHUP; what was done is saved).",
)

Input = Annotated[Path, typer.Argument(metavar="INPUT", help="Input file (YAML).", show_default=False)]
Classical = Annotated[
    bool,
    typer.Option(
        "--classical",
        help="Take the classical response of every hop (nominal charge times the migrating atom's displacement): a "
        "diagnostic.",
    ),
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        help="Replace a value of the input, such as sampling.seed=8; the value is YAML. May be given again.",
        metavar="KEY=VALUE",
    ),
]
Show = Annotated[
    list[str] | None,
    typer.Option(
        "--show",
        help="Show this column too, such as conductivity or haven_ratio, or `all`. May be given again; a wrong name "
        "lists them.",
        metavar="COLUMN",
    ),
]
Csv = Annotated[bool, typer.Option("--csv", help="Print all columns as CSV.")]
Replace = Annotated[
    bool, typer.Option("--overwrite", help="Replace what is there even if kmc-transport did not write it.")
]
Json = Annotated[bool, typer.Option("--json", help="Print plain data as JSON instead of tables.")]


def main(arguments: list[str] | None = None) -> None:
    """Entry point; turns errors of this package and of the system into one screen of text and an exit code."""
    try:
        _check_arguments(sys.argv[1:] if arguments is None else arguments)
        app.rich_markup_mode = _markup(sys.argv[1:] if arguments is None else arguments)
        try:
            app(args=arguments)
        finally:
            finish()
    except KmcTransportError as e:
        tell(e)
        sys.exit(e.exit_code)
    except KeyboardInterrupt:
        tell("interrupted")
        sys.exit(130)
    except BrokenPipeError:  # whoever read the output has seen enough
        sys.exit(1)
    except OSError as e:
        where = e.filename if e.filename is not None else "the output cannot be written"
        tell(
            Problem(
                e.strerror or str(e),
                str(where),
                remedy="make room, close other programs, or choose another place",
            )
        )
        sys.exit(2)
    except MemoryError:
        tell(
            Problem(
                "there is not enough memory",
                remedy="use a smaller supercell, fewer replicas or fewer --workers",
            )
        )
        sys.exit(2)


def _markup(arguments: list[str]) -> Literal["rich"] | None:
    """Frames round the help, but where they would cut the options of a command short: in a narrow terminal."""
    of_command = any(not a.startswith("-") for a in arguments)
    return None if of_command and shutil.get_terminal_size().columns < FRAMED else "rich"


def _check_arguments(arguments: list[str]) -> None:
    """Names that are no text would be refused by the files that they are written into, after all the work."""
    for argument in arguments:
        try:
            argument.encode()
        except UnicodeEncodeError:
            raise InputError(
                "this argument is not UTF-8 text", value=argument, remedy="rename the file or folder"
            ) from None


def _version(value: bool) -> None:
    if value:
        from .. import __version__

        print(f"kmc-transport {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    pass


@app.command()
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
        typer.Option(min=1, help="Threads or processes. Default: all processors. Changes no result."),
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
    model = _load(input, classical, settings)
    target = output or Path(f"{input.stem}-classical.h5" if classical else f"{input.stem}.h5")
    _check_target(target)
    picture = target.with_suffix(".png")
    from ..runs.pipeline import run as simulate
    from ..store import check_free, points_folder, read_provenance
    from .live import Live

    if plot:
        check_free(
            picture, "picture", remedy="choose another -o, leave it out with --no-plot, or move it away"
        )
    folder = points_folder(target)
    if target.exists() and not folder.exists() and not overwrite:
        read_provenance(target)  # another's file is refused
        print(
            f"kmc-transport: {folder} is gone: all points are simulated again; {target} stays until they are done",
            file=sys.stderr,
        )
    part = _shard(shard)
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
                command=shlex.join(["kmc-transport", *sys.argv[1:]]),
            )
    except KeyboardInterrupt:
        print(
            f"kmc-transport: interrupted; what was done is in {folder}: run again to go on",
            file=sys.stderr,
        )
        raise typer.Exit(130) from None
    if part is not None and not dataset["complete"].all():
        _end_of_shard(target, quiet)
        return
    converged = bool(dataset["converged"].all())
    if as_json or not quiet:
        from ..rates import hop_regimes
        from ..report import arrhenius_table, print_tables, results_table

        tables = [results_table(dataset), arrhenius_table(dataset)]
        shown = [t for t in tables if t is not None]
        if as_json:
            print_json(
                {
                    "title": model.title,
                    "output": str(target),
                    "seed": dataset.attrs["seed"],
                    "converged": converged,
                    "results": shown[0].data,
                    "arrhenius": shown[1].data if len(shown) > 1 else [],
                    "notes": [*model.notes, *shown[0].notes],
                }
            )
        else:
            shown[0].notes.extend(f"Note: {note}" for note in model.notes)
            coldest = float(model.conditions.temperature.min())
            shown[0].notes.extend(
                f"Warning: {r.hop_class}: {r.warning}" for r in hop_regimes(model, coldest) if r.warning
            )
            print_tables(*shown)
            print(f"\nResults: {target}")
            print(f"More columns: kmc-transport results {shlex.quote(str(target))} --show all")
    if plot:  # last, so that the numbers are shown whatever becomes of it
        _draw(dataset, picture, quiet or as_json)
    if not converged:
        failed = int(sum(str(r).startswith("failed") for r in dataset["exit_reason"].values.flat))
        n = int((~dataset["converged"]).sum()) - failed
        if n:
            print(f"kmc-transport: {n} of the conditions did not reach the asked accuracy", file=sys.stderr)
        if failed:
            print(
                f"kmc-transport: {failed} of the conditions could not be simulated; why: "
                f"kmc-transport status {shlex.quote(str(target))}",
                file=sys.stderr,
            )
        raise typer.Exit(1)


def _draw(dataset: xarray.Dataset, picture: Path, quiet: bool) -> None:
    """The picture of a run, where there is something to draw."""
    from ..figures.results import can_draw, plot_results

    if can_draw(dataset):
        plot_results(dataset, picture)
    if not quiet:
        print(f"Picture: {picture}" if can_draw(dataset) else "No picture: nothing has a mobility yet.")


@app.command()
def check(
    input: Input, settings: Settings = None, classical: Classical = False, as_json: Json = False
) -> None:
    """Say what would be simulated, and everything that is wrong with the input, before anything long starts."""
    from ..rates import build_catalog, foretell, hop_regimes, rank_candidates
    from ..report import carrier_table, class_table, print_tables, print_text, summary
    from ..report.interactions import interaction_tables

    model = _load(input, classical, settings)
    c = model.conditions
    lowest, highest = float(c.temperature.min()), float(c.temperature.max())
    # the strongest field and the extreme temperatures show every error that a rate can have
    spans = []
    for temperature in dict.fromkeys((lowest, highest)):
        for direction in c.direction:
            rate = build_catalog(model, temperature=temperature, field=direction * c.field.max()).rate
            spans.append((temperature, float(rate.min()), float(rate.max())))
    facts = summary(model)
    rank_candidates(model, lowest)  # those that are not simulated must be sound too
    warnings = [f"{r.hop_class}: {r.warning}" for r in hop_regimes(model, lowest) if r.warning]
    tables = [carrier_table(model), class_table(model)]
    coldest = build_catalog(model, temperature=lowest)
    between, foretold = interaction_tables(coldest), foretell(coldest)
    if as_json:
        more = {"interactions": {t.title: t.data for t in between}} if between else {}
        print_json(
            {
                **facts,
                "warnings": warnings,
                "foretold": foretold,
                "carriers": tables[0].data,
                "hop_classes": tables[1].data,
                **more,
            }
        )
        return
    tables += between
    print(model.title or "No title")
    for reference in model.references:
        print(f"  {reference}")
    rows = {
        "space group": facts["spacegroup"],
        "periodic along": ", ".join(x for x, p in zip("abc", facts["periodic"], strict=True) if p),
        "sites per cell": ", ".join(f"{n} {label}" for label, n in facts["sites_per_cell"].items()),
        "supercell": f"{' x '.join(map(str, facts['supercell']))} cells, {facts['sites']} sites",
        "temperature": _listing(facts["temperatures_K"], "K"),
        "field": _listing(facts["fields_V_per_m"], "V/m") + " along " + "; ".join(facts["directions"]),
        "points": str(facts["points"]),
        "sampling": ", ".join(f"{k} {v}" for k, v in facts["sampling"].items()),
        "rates": "; ".join(f"{a:.3g} to {b:.3g} 1/s at {t:g} K" for t, a, b in dict.fromkeys(spans)),
    }
    print()
    for key, text in rows.items():
        print_text(text, f"{key:>15}: ")
    print()
    print_tables(*tables)
    print()
    for note in [*model.notes, *foretold]:
        print_text(note, "note: ")
    for line in dict.fromkeys(f"{c.name}: {told}" for c in model.hop_classes for told in c.log):
        print_text(line)
    for warning in warnings:
        print_text(f"{warning}.", "Warning: ")
    rules = "detailed balance and the loop rule hold"
    if any(c.response == "classical" for c in model.hop_classes):
        rules = "detailed balance holds; the loop rule cannot, with a classical response"
    print()
    print_text(f"The input is sound: {rules}. Nothing was simulated.")


@app.command()
def catalog(
    input: Input,
    temperature: Annotated[
        float | None, typer.Option("-T", "--temperature", help="K. Default: the first of the input.")
    ] = None,
    field: Annotated[
        tuple[float, float, float] | None,
        typer.Option(help="Field vector, Cartesian, V/m. Default: none.", metavar="EX EY EZ"),
    ] = None,
    settings: Settings = None,
    classical: Classical = False,
    csv: Annotated[bool, typer.Option("--csv", help="Print every directed hop as CSV.")] = False,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            help="Save the catalog as .csv or .h5, at all temperatures of the input (or at -T).",
        ),
    ] = None,
    overwrite: Replace = False,
    as_json: Json = False,
) -> None:
    """Show every rate, with the barrier and attempt frequency behind it and where they come from."""
    from ..rates import build_catalog, hop_regimes, rank_candidates
    from ..report import candidates_table, catalog_rows, catalog_table, print_tables, regime_table
    from ..report.interactions import interaction_tables

    model = _load(input, classical, settings)
    kelvin = float(model.conditions.temperature[0]) if temperature is None else temperature
    vector = [1e-10 * x for x in field or (0.0, 0.0, 0.0)]
    built = build_catalog(model, temperature=kelvin, field=vector)
    if output is not None:
        from ..store import save_catalog

        whole = [kelvin] if temperature is not None else model.conditions.temperature.tolist()
        interruptible()
        rates = [build_catalog(model, temperature=t, field=vector) for t in whole]
        save_catalog(output, rates, overwrite=overwrite)
        print(f"Catalog: {output}")
        return
    if csv:
        print_csv(catalog_rows(built))
        return
    candidates, regimes = rank_candidates(model, kelvin), hop_regimes(model, kelvin)
    if as_json:
        print_json(
            {
                "hops": catalog_rows(built),
                "candidates": candidates_table(candidates, kelvin).data,
                "regimes": regime_table(regimes, kelvin).data,
                "interactions": {t.title: t.data for t in interaction_tables(built)},
            }
        )
        return
    tables = [catalog_table(built)]
    if candidates:
        tables.append(candidates_table(candidates, kelvin))
    if regimes:
        tables.append(regime_table(regimes, kelvin))
    print_tables(*tables, *interaction_tables(built))


@app.command()
def exact(
    input: Input,
    sensitivity: Annotated[
        bool,
        typer.Option(
            "--sensitivity", help="Also which hop limits transport, and what the barriers' errors do."
        ),
    ] = False,
    dilute: Annotated[
        bool | None,
        typer.Option(
            "--dilute/--all-carriers",
            help="One carrier alone in the crystal, or all configurations of the supercell. "
            "Default: all configurations where there are few enough.",
        ),
    ] = None,
    max_states: Annotated[
        int, typer.Option(min=1, help="Largest number of configurations to solve.")
    ] = 20_000,
    settings: Settings = None,
    classical: Classical = False,
    show: Show = None,
    csv: Csv = False,
    as_json: Json = False,
) -> None:
    """Solve the same conditions by linear algebra on the master equation, without simulation.

    Every table says which system it is of: all configurations of the carriers, or one carrier alone.
    """
    from ..exact import applies, solve_exact
    from ..exact import sensitivity as sensitivity_of
    from ..rates import build_catalog
    from ..report import exact_table, print_tables, sensitivity_table

    model = _load(input, classical, settings)
    exact_table(model, []).showing(show or ())
    alone = dilute
    if alone is None and applies(model, max_states) is None:
        alone = True
        print(
            f"note: the supercell has more than {max_states} configurations; shown is one carrier alone "
            "(dilute limit)",
            file=sys.stderr,
        )
    solved, sensitivities = [], []
    for kelvin, size, label, unit in _conditions(model):
        built = build_catalog(model, temperature=kelvin, field=unit * size)
        solved.append((built, label, unit, solve_exact(built, dilute=alone, max_states=max_states)))
        if sensitivity:
            result = sensitivity_of(
                model, temperature=kelvin, field=size, direction=unit, dilute=alone, max_states=max_states
            )
            sensitivities.append((kelvin, size * 1e10, label, result))
    tables = [exact_table(model, solved).showing(show or ())]
    if sensitivity:
        tables.append(sensitivity_table(sensitivities, model))
    if csv:
        print_csv(tables[-1].data)
    elif as_json:
        print_json(
            {
                "title": tables[0].title,
                "results": tables[0].data,
                "sensitivity": tables[1].data if sensitivity else [],
                "notes": tables[0].notes,
            }
        )
    else:
        print_tables(*tables)


@app.command()
def trajectory(
    input: Input,
    frames: Annotated[
        int, typer.Option("-n", "--frames", min=1, help="Number of frames.", show_default=False)
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
    temperature: Annotated[
        float | None, typer.Option("-T", "--temperature", help="K. Default: the first of the input.")
    ] = None,
    field: Annotated[
        tuple[float, float, float] | None,
        typer.Option(help="Field vector, Cartesian, V/m. Default: none.", metavar="EX EY EZ"),
    ] = None,
    events: Annotated[bool, typer.Option("--events", help="Keep the list of hops too.")] = False,
    equilibrate: Annotated[
        str | None, typer.Option(help="Time that is simulated before the first frame. Default: none.")
    ] = None,
    replica: Annotated[int, typer.Option(min=0, help="Number of the random stream.")] = 0,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Root seed. Default: the input's, or a fresh one.")
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

    model = _load(input, classical, settings)
    try:
        with stopped_by_signals():
            done = write_trajectory(
                model,
                output,
                frames=frames,
                every=None if every is None else parse_time(every, "--every"),
                temperature=temperature,
                field=[1e-10 * x for x in field or (0.0, 0.0, 0.0)],
                events=events,
                equilibration=0.0 if equilibrate is None else parse_time(equilibrate, "--equilibrate"),
                replica=replica,
                seed=seed,
                host=host,
                elements=parse_elements(element or []),
                overwrite=overwrite,
                on_progress=None if quiet or not sys.stderr.isatty() else _frames_done,
                command=shlex.join(["kmc-transport", *sys.argv[1:]]),
            )
    except KeyboardInterrupt:
        print(
            f"kmc-transport: interrupted; the frames so far are in {output}.points: run again to go on, or read "
            "them with open_trajectory",
            file=sys.stderr,
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


Run = Annotated[
    Path,
    typer.Argument(metavar="RUN", help="Result file, or folder of points (NAME.points).", show_default=False),
]


@app.command()
def results(
    run: Run,
    temperature: Annotated[
        list[float] | None, typer.Option("-T", "--temperature", help="Only this one, K; may be given again.")
    ] = None,
    field: Annotated[
        list[float] | None, typer.Option("--field", help="Only this strength, V/m; may be given again.")
    ] = None,
    direction: Annotated[
        list[str] | None, typer.Option("--direction", help="Only this direction, as the input wrote it.")
    ] = None,
    carrier: Annotated[list[str] | None, typer.Option("--carrier", help="Only this species.")] = None,
    unfinished: Annotated[
        bool, typer.Option("--unfinished", help="Only what is missing, failed or not accurate.")
    ] = False,
    show: Show = None,
    csv: Csv = False,
    as_json: Json = False,
) -> None:
    """Show the table of a run, finished or not."""
    from ..report import arrhenius_table, print_tables, results_table, select_results
    from ..runs.table import load_table

    dataset = load_table(run, on_damaged=_say_damaged)
    chosen = select_results(
        dataset, temperature=temperature, field=field, direction=direction, carrier=carrier
    )
    table = results_table(chosen).showing(show or ())
    if unfinished:
        table = table.only(not row["converged"] for row in table.data)
    if csv:
        print_csv(table.data)
        return
    fit = arrhenius_table(dataset)
    if as_json:
        print_json(
            {"results": table.data, "arrhenius": [] if fit is None else fit.data, "notes": table.notes}
        )
        return
    print_tables(table, *([] if fit is None or unfinished else [fit]))


@app.command()
def status(run: Run, as_json: Json = False) -> None:
    """Say how far a run is, from another terminal too, and what failed."""
    from ..report import print_tables
    from ..store import read_status
    from .live import progress_text, worst_table

    found = read_status(run)
    facts = {
        "points": found.points,
        "done": found.done,
        "failed": found.failed,
        "missing": found.missing,
        "started": found.started,
        "outside": found.outside,
        "running": found.alive,
        "result_file": found.has_result,
        "folder": found.has_folder,
        "progress": list(found.notes),
        "failures": [vars(f) for f in found.failures],
    }
    if as_json:
        print_json(facts)
        return
    print(
        f"{found.path}: {found.done} of {found.points} points done, {found.failed} failed, {found.missing} missing"
        + (f" ({found.started} of them begun)" if found.started else "")
    )
    if found.outside:
        print(f"{found.outside} points of another grid or sampling are in the folder too")
    for note in found.notes:
        if found.alive and not note["finished"]:
            print(f"process {note['process']} on {note['host']}, {note['time']}: {progress_text(note)}")
            worst = worst_table(note["worst"])
            if worst.rows:
                print_tables(worst)
    if not found.has_folder:
        print("the folder of points is gone: counted in the result file")
    elif not found.alive:
        print("no run is at work" + ("" if not found.missing else "; running the input again goes on"))
    for failure in found.failures:
        strength = sum(x * x for x in failure.field) ** 0.5 * 1e10
        print(f"failed: {failure.temperature:g} K, {strength:.3g} V/m: {failure.reason}")


@app.command()
def merge(
    runs: Annotated[
        list[Path],
        typer.Argument(metavar="RUN...", help="Result files, or folders of points.", show_default=False),
    ],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Result file. Default: that of the first run.")
    ] = None,
    overwrite: Annotated[
        bool,
        typer.Option("--overwrite", help="Write it even where it holds results of which there is no point."),
    ] = False,
) -> None:
    """Write a result file from points: of one run, or of several of one input (shards, grids that grew apart)."""
    from ..runs.merge import merge as merge_runs

    interruptible()

    if output is not None:
        _check_target(output)
    merged = merge_runs(runs, output, overwrite=overwrite)
    print(f"Results: {merged.path}   {merged.found} of {merged.points} points")
    if merged.kept:
        print(f"kmc-transport: the file was left as it is: {merged.kept}", file=sys.stderr)
    for path in merged.damaged:
        _say_damaged(path)
    if merged.found < merged.points or merged.damaged or merged.kept:
        raise typer.Exit(1)


@app.command()
def verify(
    run: Run,
    points: Annotated[int, typer.Option(min=0, help="Points to simulate again, drawn at random.")] = 1,
    input: Annotated[
        Path | None, typer.Option("--input", help="The input, where the recorded one is not enough.")
    ] = None,
    discard: Annotated[
        bool, typer.Option("--discard-damaged", help="Delete damaged points; `run` simulates them anew.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Check all files of a run, and whether random points come out the same, bit for bit, when simulated again."""
    from ..runs.verify import discard_damaged
    from ..runs.verify import verify as verify_run

    interruptible()

    def tell(record: Any) -> None:
        print(
            f"simulating {record.temperature:g} K again (it took {float(record.values['wall_time']):.3g} s)",
            file=sys.stderr,
        )

    found = verify_run(run, repeat=points, model=None if input is None else _load(input), on_repeat=tell)
    gone = discard_damaged(found) if discard else []
    if as_json:
        print_json(
            {
                "points": found.points,
                "damaged": [str(p) for p in found.damaged],
                "misplaced": [str(p) for p in found.misplaced],
                "result_file_differs": found.stale,
                "repeated": [
                    {"temperature_K": t, "field_V_per_angstrom": list(f), "different": list(d)}
                    for t, f, d in found.repeated
                ],
                "versions": found.versions,
                "note": found.note,
                "skipped": dict(found.skipped),
                "good": found.good,
            }
        )
    else:
        print(f"{found.path}: {found.points} points, {len(found.damaged)} damaged")
        for path in found.damaged:
            print(f"damaged: {path}" + (" (deleted)" if path in gone else ""))
        for path in found.misplaced:
            print(
                f"holds another point, or one of another run: {path}: move it away; run makes what belongs there"
            )
        if found.stale:
            print("the result file differs from its points: kmc-transport merge makes it anew")
        for t, f, names in found.repeated:
            strength = sum(x * x for x in f) ** 0.5 * 1e10
            verdict = "the same bit for bit" if not names else f"DIFFERENT: {', '.join(names)}"
            print(f"{t:g} K, {strength:.3g} V/m simulated again: {verdict}")
        for name, (then, now) in found.versions.items():
            print(f"note: {name} was {then}, is {now}")
        if found.note:
            print(f"note: {found.note}")
        for reason, n in found.skipped.items():
            print(f"note: points that cannot be compared: {n} ({reason})")
    if not found.good:
        raise typer.Exit(1)


@app.command()
def plot(
    results: Annotated[Path, typer.Argument(metavar="RESULTS.h5", help="Result file.", show_default=False)],
    other: Annotated[
        Path | None,
        typer.Argument(
            metavar="OTHER.h5",
            help="A second one, for comparison: the same input with --classical, say.",
            show_default=False,
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="Picture (.png, .pdf, .svg). Default: NAME.png, here."),
    ] = None,
    overwrite: Replace = False,
) -> None:
    """Draw mobility and drift velocity against temperature and field; of two runs, side by side with their ratio."""
    from ..store import open_results

    interruptible()
    if other is None:
        from ..figures.results import plot_results

        picture = output or Path(results.with_suffix(".png").name)
        plot_results(open_results(results), picture, overwrite=overwrite)
    else:
        from ..figures.comparison import plot_comparison

        picture = output or Path(f"{results.stem}-and-{other.stem}.png")
        pair = (open_results(results), open_results(other))
        plot_comparison([pair], picture, labels=(results.stem, other.stem), overwrite=overwrite)
    print(f"Picture: {picture}")


@app.command()
def polarization(
    start: Annotated[
        Path, typer.Argument(metavar="START", help="Structure of the start of the hop.", show_default=False)
    ],
    saddle: Annotated[
        Path, typer.Argument(metavar="SADDLE", help="Structure of the saddle.", show_default=False)
    ],
    born: Annotated[
        list[Path] | None,
        typer.Option("--born", help="Born charges of the start; again for each further image."),
    ] = None,
    path: Annotated[
        list[Path] | None,
        typer.Option("--path", help="Structures from the start to the end of the hop, one option each."),
    ] = None,
    berry: Annotated[
        list[Path] | None,
        typer.Option("--berry", help="OUTCARs with Berry-phase dipoles, one option each, in any order."),
    ] = None,
    charge: Annotated[
        float | None, typer.Option("--charge", help="Nominal charge of the migrating atom, e, for eq. 1.")
    ] = None,
    transported: Annotated[
        float | None,
        typer.Option(help="Charge carried along the migrating atom's way, e; checked against a whole path."),
    ] = None,
    cell_charge: Annotated[
        float | None, typer.Option(help="Charge of the cell, e, where the files do not say it.")
    ] = None,
    atom: Annotated[
        int | None, typer.Option(help="Migrating atom, from 0. Default: the one that moves farthest.")
    ] = None,
    spread_sum_rule: Annotated[
        bool, typer.Option("--spread-sum-rule", help="Make the Born charges sum to the charge of the cell.")
    ] = False,
    field: Annotated[float, typer.Option(help="Field of the verdict, V/m.")] = 1e8,
    plot: Annotated[
        Path | None, typer.Option(help="Draw the dipole along the path (.png, .pdf, .svg).")
    ] = None,
    overwrite: Replace = False,
    as_json: Json = False,
) -> None:
    """Dipole change up to a saddle, from Born charges and Berry phases, at all levels of approximation."""
    from ..sources import berry_path, read_born_charges
    from ..sources import spread_sum_rule as spread
    from ..sources.polarization import hop_images, saddle_dipole_levels

    images = hop_images(start, saddle, path=path, migrating_atom=atom)
    charges = [read_born_charges(f, cell_charge=cell_charge) for f in born or ()]
    if spread_sum_rule:
        charges = [spread(c) for c in charges]
    table = saddle_dipole_levels(
        images,
        charges or None,
        berry=berry_path(berry, charges) if berry else None,
        nominal_charge=charge,
        transported_charge=transported,
        cell_charge=cell_charge,
        field=field * 1e-10,
    )
    if plot is not None:
        from ..figures.polarization import plot_dipole_path

        interruptible()
        plot_dipole_path(table, plot, overwrite=overwrite)
    if as_json:
        print_json(table.as_dict())
        return
    from ..report import print_tables
    from ..report.polarization import polarization_table

    print_tables(polarization_table(table))
    if plot is not None:
        print(f"Picture: {plot}")


@app.command()
def new(
    name: Annotated[
        str, typer.Argument(help="Name of the study; NAME.yaml is written here.", show_default=False)
    ],
) -> None:
    """Write a commented starter input."""
    from importlib.resources import files

    path = Path(name if name.endswith((".yaml", ".yml")) else f"{name}.yaml")
    text = files("kmc_transport.input").joinpath("starter.yaml").read_text(encoding="utf-8")
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise InputError(
            "exists already", file=str(path), remedy="choose another name, or move it away"
        ) from None
    except OSError as e:
        raise InputError(
            f"cannot be written: {e.strerror}", file=str(path), remedy="choose another place"
        ) from None
    print(f"Wrote {path}. Next: kmc-transport check {shlex.quote(str(path))}")


@app.command()
def schema() -> None:
    """Print the JSON schema of the input file, for editors."""
    from ..input import input_schema

    print_json(input_schema())


def _check_target(target: Path) -> None:
    """Before any work: can a result file be written there?"""
    wrong = None
    if target.suffix != ".h5":
        wrong = ("is not the name of a result file", "a name ending in .h5")
    elif target.is_dir():
        wrong = ("is a folder", "a file name")
    elif not target.parent.is_dir():
        wrong = ("lies in a folder that does not exist", "an existing folder")
    if wrong:
        raise InputError(wrong[0], key="-o", value=str(target), allowed=wrong[1], remedy="choose another -o")


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


def _say_damaged(path: Path) -> None:
    text = f"damaged, or of another point: {path}: run the input again, and it is simulated anew"
    print(f"kmc-transport: {text}", file=sys.stderr)


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
        print(
            f"kmc-transport: {found.failed} points could not be simulated; why: "
            f"kmc-transport status {shlex.quote(str(target))}",
            file=sys.stderr,
        )
        raise typer.Exit(1)


def _load(path: Path, classical: bool = False, settings: list[str] | None = None) -> Model:
    from ..input import load_model, load_model_text
    from ..input.document import read_text
    from ..input.settings import with_settings
    from ..model import classical_model

    if settings:
        model = load_model_text(with_settings(read_text(path), settings), str(path), path.parent)
    else:
        model = load_model(path)
    return classical_model(model) if classical else model


def _conditions(model: Model) -> list[tuple[float, float, str, np.ndarray]]:
    """(temperature K, field V/Å, label, unit vector) of the grid."""
    c = model.conditions
    return [
        (float(t), float(f), label, unit)
        for t in c.temperature
        for f in c.field
        for label, unit in zip(c.direction_label, c.direction, strict=True)
    ]


def _listing(values: list[float], unit: str) -> str:
    text = ", ".join(f"{v:g}" for v in values[:12])
    return f"{text}{', …' if len(values) > 12 else ''} {unit}"


def _frames_done(done: int, wanted: int) -> None:
    end = "\n" if done == wanted else ""
    sys.stderr.write(f"\r{done} of {wanted} frames{end}")
    sys.stderr.flush()
