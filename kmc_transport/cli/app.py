"""The command line. A command loads, makes one call and shows; what is heavy it imports itself."""

from __future__ import annotations

import shutil
import sys
from copy import copy
from functools import cache
from typing import Annotated, Literal

import typer
import typer.core
import typer.main

from ..errors import InputError, KmcTransportError, Problem
from .analyze import analyze
from .exact import exact
from .export import export
from .inputs import check, new, schema
from .picture import picture
from .plot import plot
from .points import merge, verify
from .polarization import polarization
from .rates import catalog
from .report import report
from .results import results, status
from .run import run
from .terminal import finish, tell
from .terminal import print_plain as print
from .trajectory import trajectory

__all__ = ["app", "main", "parser"]

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

_COMMANDS = (
    run,
    check,
    catalog,
    exact,
    trajectory,
    analyze,
    results,
    status,
    merge,
    verify,
    plot,
    report,
    export,
    picture,
    polarization,
    new,
    schema,
)
for _command in _COMMANDS:
    app.command()(_command)


def main(arguments: list[str] | None = None) -> None:
    """Entry point; turns errors of this package and of the system into one screen of text and an exit code."""
    try:
        given = sys.argv[1:] if arguments is None else arguments
        _check_arguments(given)
        called = next((c.__name__ for c in _COMMANDS if given[:1] == [c.__name__]), None)
        program = parser(_markup(given), called)
        try:
            program(args=arguments)
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


@cache
def parser(markup: Literal["rich"] | None = "rich", command: str | None = None) -> typer.core.TyperGroup:
    """All commands with their options, or one; Typer takes as long to read the others off their functions.

    Cached, since it would read them again at every call.
    """
    app.rich_markup_mode = markup
    chosen = copy(app)
    if command is not None:
        chosen.registered_commands = [
            c for c in app.registered_commands if c.callback is not None and c.callback.__name__ == command
        ]
    made = typer.main.get_command(chosen)
    assert isinstance(made, typer.core.TyperGroup)
    return made


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
