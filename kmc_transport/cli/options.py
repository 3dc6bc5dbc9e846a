"""Options that several commands share, and what they mean."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import InputError
from .terminal import tell

if TYPE_CHECKING:
    from ..model.model import Model

__all__ = [
    "AnyWhere",
    "Classical",
    "Csv",
    "FieldVector",
    "Input",
    "Json",
    "Replace",
    "Run",
    "Settings",
    "Show",
    "Temperature",
    "Units",
    "Where",
    "at_least",
    "at_values",
    "check_target",
    "field_vector",
    "load",
    "one_system",
    "say_damaged",
    "this_command",
    "values_of",
]


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
        help="Show this column too, such as conductivity or haven_ratio, or `all`; or the table of an observable that "
        "the input asked for, such as occupation. May be given again; a wrong name lists them.",
        metavar="COLUMN",
    ),
]
Where = Annotated[
    list[str] | None,
    typer.Option(
        "--where",
        help="Only this value on an axis of composition or samples, such as x=0.1; may be given again.",
        metavar="NAME=VALUE",
    ),
]
AnyWhere = Annotated[
    list[str] | None,
    typer.Option(
        "--where",
        help="Only this value of an axis, such as temperature=300 (K), field=1e7 (V/m) or carrier=NAME. May be given "
        "again.",
        metavar="AXIS=VALUE",
    ),
]
Units = Annotated[
    list[str] | None,
    typer.Option(
        "--units",
        help="Unit of a quantity and of all with the same, such as 'mobility=m²/(V s)' or field=MV/cm. May be given "
        "again.",
        metavar="NAME=UNIT",
    ),
]
Csv = Annotated[bool, typer.Option("--csv", help="Print all columns as CSV.")]
Replace = Annotated[
    bool, typer.Option("--overwrite", help="Replace what is there even if kmc-transport did not write it.")
]
Json = Annotated[bool, typer.Option("--json", help="Print plain data as JSON instead of tables.")]
Temperature = Annotated[
    float | None, typer.Option("-T", "--temperature", help="K. Default: the first of the input.")
]
FieldVector = Annotated[
    tuple[float, float, float] | None,
    typer.Option(help="Field vector, Cartesian, V/m. Default: none.", metavar="EX EY EZ"),
]
Run = Annotated[
    Path,
    typer.Argument(metavar="RUN", help="Result file, or folder of points (NAME.points).", show_default=False),
]


def at_least(smallest: int, *names: str, **more: Any) -> Any:
    """Option for a whole number; typer's own says of a wrong one neither what was given nor what is allowed."""

    def read(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = smallest - 1
        if number < smallest:
            raise typer.BadParameter(f"given: {text!r}, allowed: a whole number, at least {smallest}")
        return number

    return typer.Option(*names, parser=read, metavar="N", **more)


def one_system(model: Model, where: list[str] | None) -> Model:
    """The model at the composition and sample that --where names. InputError where that is not one alone."""
    values = values_of(where)
    if several := next((name for name, found in values.items() if len(found) > 1), None):
        raise InputError("one value is wanted", key="--where", value=several, remedy="give it once")
    return model.system(**{name: found[0] for name, found in values.items()})


def load(path: Path, classical: bool = False, settings: list[str] | None = None) -> Model:
    from ..input.document import read_text

    text = read_text(path)  # a file that is not there is told before anything heavy is loaded
    from ..input import load_model_text
    from ..input.settings import with_settings
    from ..model import classical_model

    if settings:
        text = with_settings(text, settings)
    model = load_model_text(text, str(path), path.parent)
    return classical_model(model) if classical else model


def values_of(where: list[str] | None) -> dict[str, list[float]]:
    """``["x=0.1"]`` by name."""
    found: dict[str, list[float]] = {}
    for text in where or ():
        name, equals, value = text.partition("=")
        try:
            found.setdefault(name.strip(), []).append(float(value))
        except ValueError:
            equals = ""
        if not equals:
            raise InputError(
                "is not a place on an axis",
                key="--where",
                value=text,
                allowed="NAME=VALUE, a name of conditions.composition or `sample`, and a number",
                remedy="for example --where x=0.1",
            )
    return found


def field_vector(given: tuple[float, float, float] | None) -> list[float]:
    """V/m, as options have it, in V/Å; none is zero."""
    return [1e-10 * x for x in given or (0.0, 0.0, 0.0)]


def at_values(texts: list[str]) -> dict[str, list[str]]:
    """``["temperature=300", "temperature=400"]`` as dimension → values, still texts."""
    found: dict[str, list[str]] = {}
    for text in texts:
        name, equals, value = (part.strip() for part in text.partition("="))
        if not (name and equals and value):
            raise InputError(
                "is not AXIS=VALUE",
                key="--where",
                value=text,
                allowed="such as temperature=300 or carrier=NAME",
            )
        found.setdefault(name, []).append(value)
    return found


def this_command() -> str:
    """As it was typed, for the records."""
    return shlex.join(["kmc-transport", *sys.argv[1:]])


def check_target(target: Path) -> None:
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


def say_damaged(path: Path) -> None:
    tell(f"damaged, or of another point: {path}: run the input again, and it is simulated anew")
