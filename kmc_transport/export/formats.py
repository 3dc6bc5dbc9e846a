"""Formats by name. One module for each consumer; it is imported when the format is asked for."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from ..errors import InputError
from .record import TransportRecord

__all__ = ["FORMATS", "ExportFormat", "export_run", "get_format"]


@dataclass(frozen=True, kw_only=True)
class ExportFormat:
    """A format, and where it is written.

    suffixes : endings that the main file may have. summary : for help and documentation. module : of this package;
    its function ``export_NAME(record, path, *, carrier, overwrite, ...) -> list of the files written`` does the
    work, and what other keyword arguments it has are the options of the format, told in its ``OPTIONS``.
    """

    name: str
    suffixes: tuple[str, ...]
    summary: str
    module: str

    @property
    def function(self) -> Any:
        return getattr(self._loaded, f"export_{self.name.replace('-', '_')}")

    @property
    def options(self) -> Mapping[str, str]:
        """Name → meaning, of the options beside carrier and overwrite."""
        return getattr(self._loaded, "OPTIONS", {})

    @property
    def _loaded(self) -> Any:
        return import_module(f".{self.module}", __package__)

    def check_target(self, path: Path) -> None:
        """Before any work: InputError when no file of this format can be written there."""
        wrong = None
        if path.suffix not in self.suffixes:
            wrong = (
                f"is not the name of a file of the format {self.name}",
                f"a name ending in {' or '.join(self.suffixes)}",
            )
        elif path.is_dir():
            wrong = ("is a folder", "a file name")
        elif not path.parent.is_dir():
            wrong = ("lies in a folder that does not exist", "an existing folder")
        if wrong:
            raise InputError(
                wrong[0], key="-o", value=str(path), allowed=wrong[1], remedy="choose another -o"
            )

    def read_options(self, texts: Sequence[str]) -> dict[str, Any]:
        """``["electrode=negative"]`` as keyword arguments, of the types that the function's defaults have.

        Raises InputError for an unknown option or a value of another type.
        """
        defaults = {n: p.default for n, p in inspect.signature(self.function).parameters.items()}
        told = "; ".join(f"{n}: {m}" for n, m in self.options.items()) or "this format has no options"
        found: dict[str, Any] = {}
        for text in texts:
            name, equals, value = (part.strip() for part in text.partition("="))
            if not equals or name not in self.options:
                raise InputError(
                    f"is no option of the format {self.name}" if equals else "is not NAME=VALUE",
                    key="--option",
                    value=text,
                    allowed=told,
                )
            found[name] = _read(name, value, defaults[name], told)
        return found


def _read(name: str, text: str, default: Any, told: str) -> Any:
    if isinstance(default, bool):
        if text not in ("yes", "no"):
            raise InputError("must be yes or no", key=f"--option {name}", value=text, allowed="yes, no")
        return text == "yes"
    if isinstance(default, float):
        try:
            return float(text)
        except ValueError:
            raise InputError("must be a number", key=f"--option {name}", value=text, allowed=told) from None
    return text


_ALL: tuple[ExportFormat, ...] = (
    ExportFormat(
        name="csv",
        suffixes=(".csv",),
        summary="long table of every quantity with its errors, for pandas and spreadsheets",
        module="csv",
    ),
    ExportFormat(
        name="json",
        suffixes=(".json",),
        summary="full grid with errors, fits with covariance and validity range, schema versioned",
        module="json",
    ),
    ExportFormat(
        name="python",
        suffixes=(".py",),
        summary="module with mobility(T, E), drift_velocity(T, E), diffusivity(x, T) and derivatives, needs numpy",
        module="python",
    ),
    ExportFormat(
        name="pybamm",
        suffixes=(".py",),
        summary="chemical diffusivity of an electrode's particles as parameter values of PyBaMM, and its table as CSV",
        module="pybamm",
    ),
    ExportFormat(
        name="bpx",
        suffixes=(".json",),
        summary="a cell in Battery Parameter eXchange format with the chemical diffusivity put in",
        module="bpx",
    ),
    ExportFormat(
        name="comsol",
        suffixes=(".txt",),
        summary="table of one quantity for an interpolation function from a file of type Spreadsheet",
        module="comsol",
    ),
    ExportFormat(
        name="devsim",
        suffixes=(".py",),
        summary="mobility in field and temperature with its derivatives, for DEVSIM",
        module="devsim",
    ),
    ExportFormat(
        name="ngspice",
        suffixes=(".lib", ".sub", ".inc"),
        summary="ionic-drift memristor as a subcircuit, with a law or a table",
        module="ngspice",
    ),
    ExportFormat(
        name="verilog-a",
        suffixes=(".va",),
        summary="ionic-drift memristor as a compact model",
        module="verilog_a",
    ),
    ExportFormat(
        name="jart",
        suffixes=(".va", ".inc"),
        summary="parameters of the JART VCM v1b model that the hops determine",
        module="jart",
    ),
    ExportFormat(
        name="sentaurus",
        suffixes=(".par",),
        summary="parameters of a Poole-Frenkel mobility; written after the manual, not run",
        module="sentaurus",
    ),
)
FORMATS: Mapping[str, ExportFormat] = {f.name: f for f in _ALL}
"""By name."""


def get_format(name: str) -> ExportFormat:
    """InputError for an unknown one."""
    if name not in FORMATS:
        listed = "; ".join(f"{f.name} ({f.summary})" for f in FORMATS.values())
        raise InputError("there is no such format", key="--to", value=name, allowed=listed)
    return FORMATS[name]


def export_run(
    record: TransportRecord,
    path: str | Path,
    to: str,
    *,
    carrier: str = "",
    overwrite: bool = False,
    **options: Any,
) -> list[Path]:
    """Write a run in a format, by its name; the files written.

    carrier : where the format holds one and the run has several. overwrite : replace what is there.

    Raises InputError for a format, name of a file or carrier that there is not, and where the run cannot be written in
    this format (`TransportRecord.quantity`); StoreError where a file is there already.
    """
    chosen, target = get_format(to), Path(path)
    chosen.check_target(target)
    return list(chosen.function(record, target, carrier=carrier, overwrite=overwrite, **options))
