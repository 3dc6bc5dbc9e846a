"""What is done with the points of runs: the commands `merge` and `verify`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from .options import Json, Run, at_least, check_target, load, say_damaged
from .terminal import interruptible, print_json, tell
from .terminal import print_plain as print

__all__ = ["merge", "verify"]


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
        check_target(output)
    merged = merge_runs(runs, output, overwrite=overwrite)
    print(f"Results: {merged.path}   {merged.found} of {merged.points} points")
    if merged.kept:
        tell(f"the file was left as it is: {merged.kept}")
    for path in merged.damaged:
        say_damaged(path)
    if merged.found < merged.points or merged.damaged or merged.kept:
        raise typer.Exit(1)


def verify(
    run: Run,
    points: Annotated[int, at_least(0, help="Points to simulate again, drawn at random.")] = 1,
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

    def announce(record: Any) -> None:
        print(
            f"simulating {record.temperature:g} K again (it took {float(record.values['wall_time']):.3g} s)",
            file=sys.stderr,
        )

    found = verify_run(run, repeat=points, model=None if input is None else load(input), on_repeat=announce)
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
