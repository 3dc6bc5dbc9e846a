"""The input file: the commands `check`, `new` and `schema`."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import InputError
from .options import Classical, Input, Json, Settings, at_least, load
from .terminal import print_json
from .terminal import print_plain as print

if TYPE_CHECKING:
    from ..model.model import Model
    from ..runs.forecast import HopFrequencies
    from ..runs.pilots import Forecast

__all__ = ["check", "new", "schema"]


def check(
    input: Input,
    settings: Settings = None,
    classical: Classical = False,
    time: Annotated[
        bool, typer.Option("--time", help="Try out for some seconds how long a run takes, and what helps.")
    ] = False,
    workers: Annotated[
        int | None, at_least(1, help="With --time: processors of the run. Default: all of this machine.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Say what would be simulated, and everything that is wrong with the input, before anything long starts."""
    from ..rates import build_catalog, foretell, hop_regimes, rank_candidates
    from ..report import (
        carrier_table,
        class_table,
        composition_tables,
        print_tables,
        print_text,
        summary,
    )
    from ..report.interactions import interaction_tables
    from ..runs.forecast import hop_frequencies
    from .forecast import forecast_data, forecast_line, frequency_table, pilot_table

    model = load(input, classical, settings)
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
    compositions = composition_tables(model)
    between, foretold = interaction_tables(coldest), foretell(coldest)
    frequencies = hop_frequencies(model)
    often = frequency_table(model, frequencies)
    told, remedies = _tried(model, frequencies, workers) if time else (None, [])
    if as_json:
        more = {"interactions": {t.title: t.data for t in between}} if between else {}
        print_json(
            {
                **facts,
                "warnings": warnings,
                "foretold": foretold,
                "compositions": [row for one in compositions for row in one.data],
                "carriers": tables[0].data,
                "hop_classes": tables[1].data,
                "hop_rates": often.data,
                **more,
                **({} if told is None else {"time": forecast_data(model, told, remedies)}),
            }
        )
        return
    tables = [*compositions, *tables, *between, often]
    if told is not None:
        tables.append(pilot_table(model, told))
    print(model.title or "No title")
    for reference in model.references:
        print(f"  {reference}")
    rows = {
        "space group": facts["spacegroup"],
        "periodic along": ", ".join(x for x, p in zip("abc", facts["periodic"], strict=True) if p),
        "sites per cell": ", ".join(f"{n} {label}" for label, n in facts["sites_per_cell"].items()),
        "supercell": f"{' x '.join(map(str, facts['supercell']))} cells, {facts['sites']} sites",
        "net charge": f"{facts['net_charge_e']:+g} e",
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
    if told is not None:
        line = forecast_line(told)
        if model.sampling.algorithm == "absorbing":
            line += (
                " Likely less: a trial of seconds cuts the stays short that absorbing chains draw at once."
            )
        print_text(line, "Time: ")
        for remedy in remedies:
            print_text(f"{remedy}.", "Remedy: ")
    nothing = "Nothing was simulated." if told is None else "Nothing was kept."
    print_text(f"The input is sound: {rules}. {nothing}")


def _tried(
    model: Model, frequencies: list[HopFrequencies], workers: int | None
) -> tuple[Forecast, list[str]]:
    """How long a run takes, and what helps."""
    from ..exact import applies
    from ..runs.pilots import forecast
    from ..runs.pools import processors
    from .advice import advice

    told = forecast(model, workers or processors())
    return told, list(advice(model, frequencies, told, applies(model)))


def _listing(values: list[float], unit: str) -> str:
    text = ", ".join(f"{v:g}" for v in values[:12])
    return f"{text}{', …' if len(values) > 12 else ''} {unit}"


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


def schema() -> None:
    """Print the JSON schema of the input file, for editors."""
    from ..input import input_schema

    print_json(input_schema())
