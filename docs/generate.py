"""Write the pages of docs/reference from the code: input.md, results.md, cli.md, rules.md.

Run it after a change of the input schema, the array registry, the commands or the rules:

    python docs/generate.py

tests/test_docs.py fails while a committed page differs from what this script writes.
"""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, get_args, get_type_hints

import typer

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # works without an installed package too
FOLDER = Path(__file__).resolve().parent / "reference"
GENERATED = "<!-- Written by docs/generate.py. Change the code, then run: python docs/generate.py -->"

INPUT_SECTIONS = {
    "StructureInput": "`structure`",
    "LatticeInput": "`structure.lattice`",
    "CarrierInput": "`carriers.NAME`",
    "HopInput": "`hops[]`",
    "BarrierPair": "Barriers of both directions",
    "BarrierPath": "Barrier from a path",
    "BarrierFromRule": "Barrier from a rule",
    "FrequencyPair": "Attempt frequencies of both directions",
    "AttemptFromKoettgen": "Koettgen's attempt frequency",
    "KoettgenInput": "`koettgen`",
    "AttemptFromVineyard": "Vineyard's attempt frequency",
    "VibrationsInput": "`vineyard`",
    "AttemptFromEyring": "Eyring's attempt frequency",
    "EyringInput": "`eyring`",
    "PolaronInput": "`polaron`",
    "HopVectorSites": "`hops[].vectors[]`, between two sites",
    "HopVectorCartesian": "`hops[].vectors[]`, Cartesian",
    "SaddleInput": "`saddles[]`",
    "ClassNumbers": "`hops[].classes.CLASS`",
    "SurroundingsInput": "`surroundings`",
    "CounterInput": "`surroundings.count[]`",
    "EnvironmentRow": "`surroundings.table[]`",
    "ShellTerm": "`surroundings.expansion[]`, a shell",
    "ExpansionTerm": "`surroundings.expansion[]`, a cluster",
    "InteractionsInput": "`interactions`",
    "PairInput": "`interactions.pairs[]`",
    "ClusterInput": "`interactions.clusters[]`",
    "MemberInput": "Members of a cluster",
    "CoulombInput": "`interactions.coulomb`",
    "DisorderInput": "`disorder`",
    "SiteDisorderInput": "`disorder.site_energies[]`",
    "BarrierDisorderInput": "`disorder.barriers[]`",
    "BlockedInput": "`disorder.blocked[]`",
    "PlaceInput": "A site",
    "AnnealedInput": "`initial`, annealed",
    "NetworksInput": "`initial`, networks",
    "AnnealingInput": "`initial.annealed`",
    "GivenInput": "`initial`, given",
    "OrderedInput": "`initial`, ordered",
    "OrderedPattern": "`initial.ordered`",
    "ConditionsInput": "`conditions`",
    "TemperatureRange": "Range of temperatures",
    "FieldInput": "`conditions.field`",
    "FieldRange": "Range of field magnitudes",
    "SamplingInput": "`sampling`",
    "ReconcileInput": "`reconcile`",
    "AnalysisInput": "`analysis`",
    "FlipPairsInput": "`analysis.flip_pairs`",
    "BindingInput": "`analysis.binding`",
    "EnvironmentInput": "`analysis.environments`",
    "ProfileInput": "`analysis.profile`",
    "RandomSitesInput": "`carriers.NAME.arrangement`, random",
    "GivenSitesInput": "`carriers.NAME.arrangement`, given",
    "SitePatternInput": "`carriers.NAME.arrangement`, ordered",
    "FrozenInput": "`carriers.NAME.arrangement`, annealed",
    "CompositionRange": "`conditions.composition.AXIS`, a range",
}
"""Headings of the parts of the schema, in the order of the page; parts not named here follow at the end."""


def pages() -> dict[str, str]:
    """File name in docs/reference → text of the page."""
    return {
        "input.md": input_page(),
        "results.md": results_page(),
        "cli.md": cli_page(),
        "rules.md": rules_page(),
    }


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
        print(f"wrote {FOLDER / name}")


def table(header: Iterable[str], rows: Iterable[Iterable[str]]) -> list[str]:
    """Lines of a Markdown table."""
    lines = ["| " + " | ".join(header) + " |"]
    lines.append("|" + " --- |" * (lines[0].count("|") - 1))
    for row in rows:
        lines.append("| " + " | ".join(cell.replace("\n", " ").replace("|", "\\|") for cell in row) + " |")
    return lines


def anchor(heading: str) -> str:
    """GitHub's anchor of a heading."""
    kept = "".join(c for c in heading.lower() if c.isalnum() or c in " -_")
    return "#" + kept.replace(" ", "-")


# ------------------------------------------------------------------------------------------------- input


def number(value: float) -> str:
    """1e+07 as 1e7."""
    return f"{value:g}".replace("e+0", "e").replace("e+", "e").replace("e-0", "e-")


def flow(value: Any) -> str:
    """``value`` as one line of YAML."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k}: {flow(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(flow(v) for v in value) + "]"
    if isinstance(value, float):
        return number(value)
    if isinstance(value, str):
        return (
            value
            if value and not set(value) & set("#%{}[],:&*!|>'\"@`")
            else json.dumps(value, ensure_ascii=False)
        )
    return json.dumps(value)


def bounds(node: dict[str, Any]) -> str:
    """Allowed range in words; what only keeps absurd numbers out is left to the page on writing an input."""
    words = {"exclusiveMinimum": ">", "minimum": "≥", "exclusiveMaximum": "<", "maximum": "≤"}
    told = {key: sign for key, sign in words.items() if abs(node.get(key, 1e6)) < 1e6}
    return ", ".join(f"{sign} {number(node[key])}" for key, sign in told.items())


def described(name: str, node: dict[str, Any]) -> str:
    text = bounds(node)
    return f"{name}, {text}" if text else name


def kind(node: dict[str, Any]) -> str:
    """What a value may be, in words."""
    if "$ref" in node:
        heading = INPUT_SECTIONS.get(name := node["$ref"].rpartition("/")[2], name)
        return f"[{heading}]({anchor(heading)})"
    if "const" in node:
        return f"`{flow(node['const'])}`"
    if "enum" in node:
        return ", ".join(f"`{flow(v)}`" for v in node["enum"])
    members = [m for m in node.get("anyOf", node.get("oneOf", [])) if m.get("type") != "null"]
    if "unit" in node:
        unit = f" in {node['unit']}" if node["unit"] != "1" else ""
        words = members[2]["enum"] if len(members) > 2 else []
        return " or ".join([described(f"quantity{unit}", members[0]), *(f"`{w}`" for w in words)])
    if members:
        return " or ".join(dict.fromkeys(kind(m) for m in members))
    match node.get("type"):
        case "array":
            low, high = node.get("minItems"), node.get("maxItems")
            count = f"{low} × " if low is not None and low == high else ""
            return f"list of {count}{kind(node.get('items', {}))}"
        case "object":
            patterns = list(node.get("patternProperties", {}).values())
            inner: Any = node.get("additionalProperties") or (patterns[0] if patterns else {})
            return f"name → {kind(inner)}" if isinstance(inner, dict) else "mapping"
        case "integer":
            return described("whole number", node)
        case "number":
            return described("number", node)
        case "boolean":
            return "`true` or `false`"
        case "string":
            return "text"
    return "anything"


def key_rows(part: dict[str, Any], name: str) -> Iterable[list[str]]:
    """Rows of one mapping; ``name`` is its class in the schema (which keeps the order within examples)."""
    from kmc_transport.input import schema

    model = next(getattr(m, name) for m in (schema, *vars(schema).values()) if hasattr(m, name))
    fields = {f.alias or n: f for n, f in model.model_fields.items()}
    required = part.get("required", [])
    for key, node in part["properties"].items():
        default = node.get("default")
        examples = ", ".join(f"`{flow(e)}`" for e in fields[key].examples or [])
        if key in required:
            said = "required"
        elif default in (None, "", [], {}) and default is not False and default != 0:
            said = ""
        else:
            said = f"`{flow(default)}`"
        yield [f"`{key}`", kind(node), said, node.get("description", ""), examples]


def input_page() -> str:
    from kmc_transport.input import input_schema
    from kmc_transport.units import DIMENSIONS

    schema = input_schema()
    header = ["key", "value", "default", "meaning", "examples"]
    lines = [
        "# The input file",
        "",
        GENERATED,
        "",
        "YAML 1.2, in UTF-8. Unknown and repeated keys are errors. `kmc-transport new NAME` writes a commented "
        "starter, `kmc-transport check INPUT` says what an input means, and `kmc-transport schema` prints the JSON "
        "schema that this page is made from. How to write one: [how-to](../how-to/write-an-input.md).",
        "",
        "A *quantity* is a number in the unit shown, or a text with a unit, such as `242 meV`; "
        "[units](#units) lists those known.",
        "",
        "## The whole file",
        "",
        *table(header, key_rows(schema, "Input")),
    ]
    parts = {name: part for name, part in schema["$defs"].items() if "properties" in part}
    for name in [*INPUT_SECTIONS, *sorted(set(parts) - set(INPUT_SECTIONS))]:
        part = parts[name]
        lines += ["", f"## {INPUT_SECTIONS.get(name, name)}", "", part.get("description", ""), ""]
        lines += table(header, key_rows(part, name))
    lines += [
        "",
        "## Units",
        "",
        "A bare number is in the first unit. Other spellings and units are tried with pint.",
        "",
        *table(
            ["quantity", "unit of a number", "also", "example"],
            [
                [d.name, d.unit or "1", ", ".join(f"`{u}`" for u in d.units if u != d.unit), f"`{d.example}`"]
                for d in DIMENSIONS.values()
            ],
        ),
    ]
    return "\n".join(lines) + "\n"


# ----------------------------------------------------------------------------------------------- results

RESULTS_TEXT = """\
# The result file

{generated}

`kmc-transport run INPUT` writes `NAME.h5` (`-o` chooses the name). It is HDF5 in the layout of netCDF4:
`xarray.open_dataset("NAME.h5", engine="h5netcdf")`, h5py and netCDF tools open it without this package;
`kmc_transport.open_results` does the same and checks that the file is ours. All numbers are in SI units, energies
in eV. The file is written under a temporary name, synced and renamed: there is never half a file.

How to work with it: [how-to](../how-to/read-the-results.md). What the observables mean and when they are NaN:
[theory](../theory/observables.md).

```text
NAME.h5
├── (root)              the arrays of the first table, and the attributes below
└── catalog             the hop table: the arrays of the second table
NAME.points/            one file per finished point; running the same input again goes on from here
```

What lies in [`NAME.points`](folder.md) is enough to make the file again. The folder may be deleted when the result
file is complete; a later run of the same input then simulates every point again.

`complete` says which points are there; arrays of the others are NaN (counts 0, texts empty), and where a point could
not be simulated `exit_reason` says why (`failed: …`).

## Arrays

A name with `_stderr` holds the standard error, one with `_exact` the exact answer. `_exact` arrays exist where the
exact solver was applied. `ancillary_variables` of an array names its `_stderr`.

{arrays}
## Hop table

Group `catalog`; one row per directed hop of the cell, at each temperature without field. From Python:
`kmc_transport.store.read_catalog`.

{catalog}
## Attributes of the root

| attribute | meaning |
| --- | --- |
{attributes}
"""

ATTRIBUTES = {
    "title": "title of the input",
    "Conventions": "`CF-1.11`",
    "source": "the program",
    "model_identity": "fingerprint of structure, carriers, hops and their numbers; a run with another one is refused",
    "input": "text of the input file",
    "input_sha256": "its checksum",
    "input_path": "where it was",
    "input_files": "texts of the structure files that the input names, by name (JSON)",
    "seed": "root of all random numbers",
    "command": "command line, empty from Python",
    "package_versions": "Python and packages (JSON)",
    "time": "when the run started, UTC",
}
"""Meaning of the attributes; `results_page` checks that it names those that the code writes."""


def results_page() -> str:
    from kmc_transport.arrays import ARRAYS, CATALOG_ARRAYS, render_markdown_table
    from kmc_transport.store import Provenance, results

    written = set(Provenance(identity="", input_text="", seed=0).to_attributes()) | {
        "title",
        "Conventions",
        "source",
    }
    if missing := written - set(ATTRIBUTES):
        raise SystemExit(f"docs/generate.py does not explain these attributes of the result file: {missing}")
    rows = [f"| `{results.FORMAT}` | version of the format, {results.VERSION} |"]
    rows += [f"| `{name}` | {meaning} |" for name, meaning in ATTRIBUTES.items() if name in written]
    return RESULTS_TEXT.format(
        generated=GENERATED,
        arrays=render_markdown_table(ARRAYS),
        catalog=render_markdown_table(CATALOG_ARRAYS),
        attributes="\n".join(rows),
    )


# -------------------------------------------------------------------------------------------------- cli


def options_of(function: Callable[..., Any]) -> Iterable[tuple[bool, str, str]]:
    """(is an argument, how it is written, meaning) of each parameter of a command, from its annotations."""
    hints = get_type_hints(function, include_extras=True)
    for name, parameter in inspect.signature(function).parameters.items():
        of, info = get_args(hints[name])[:2]
        meaning = " ".join((info.help or "").split())
        if isinstance(info, typer.models.ArgumentInfo):
            yield True, info.metavar or name.upper(), meaning
            continue
        members = [t for t in get_args(of) if t is not type(None)] or [of]
        dashed = "--" + name.replace("_", "-")
        first = (
            [info.default] if isinstance(info.default, str) else []
        )  # typer keeps the first spelling there
        spelled = [*first, *(info.param_decls or [])]
        if members == [bool]:
            if not spelled:
                spelled = [dashed, "--no-" + dashed[2:]]
            if parameter.default is True:
                meaning += f" Default: `{dashed}`."
            value = ""
        else:
            word = {Path: "FILE", int: "N", float: "NUMBER"}.get(members[0], "TEXT")
            value = " " + (info.metavar or word)
            if parameter.default is inspect.Parameter.empty:
                meaning += " Required."
            elif parameter.default is not None and "Default" not in meaning:
                meaning += f" Default: {parameter.default}."
        names = [n for decl in spelled or [dashed] for n in decl.split("/")]
        yield False, ", ".join(f"`{n}{value}`" for n in names), meaning


def cli_page() -> str:
    from kmc_transport.cli.app import app

    callbacks = {(c.name or c.callback.__name__): c.callback for c in app.registered_commands if c.callback}
    texts = {name: inspect.cleandoc(callback.__doc__ or "") for name, callback in callbacks.items()}
    root = app.registered_callback
    assert root is not None
    assert root.callback is not None
    lines = [
        "# The command line",
        "",
        GENERATED,
        "",
        f"{app.info.help} `kmc-transport COMMAND --help` shows the same as this page.",
        "",
        *table(
            ["command", ""],
            [[f"[`{n}`](#kmc-transport-{n})", text.partition("\n\n")[0]] for n, text in texts.items()],
        ),
        "",
        *table(["option", ""], [row[1:] for row in options_of(root.callback)]),
        "",
        "## Exit codes",
        "",
        *table(
            ["code", "meaning"],
            [
                ["0", "done"],
                [
                    "1",
                    "ran, but some condition did not reach the asked accuracy or could not be simulated; `merge` with "
                    "missing points, `verify` with a difference; or a failure that is not the input's",
                ],
                ["2", "bad input or bad arguments"],
                ["130", "interrupted with Ctrl-C or SIGTERM; what was done is kept, running again goes on"],
            ],
        ),
        "",
        "Tables go to standard output, progress and warnings to standard error. The progress bar shows on a terminal "
        "only.",
    ]
    for name, callback in callbacks.items():
        rows = list(options_of(callback))
        usage = ["kmc-transport", name, *(["[OPTIONS]"] if not all(r[0] for r in rows) else [])]
        usage += [written for is_argument, written, _ in rows if is_argument]
        lines += ["", f"## `kmc-transport {name}`", "", "```text", " ".join(usage), "```", "", texts[name]]
        if rows:
            shown = [[f"`{w}`" if is_argument else w, meaning] for is_argument, w, meaning in rows]
            lines += ["", *table(["", "meaning"], shown)]
    return "\n".join(lines) + "\n"


# ------------------------------------------------------------------------------------------------ rules


def rules_page() -> str:
    lines = ["# Barrier rules and kinds of files", "", GENERATED, *rules_table(), "", "## Kinds of files", ""]
    lines += ["What `path:` and `born:` of the input and the readers of `kmc_transport.sources` know."]
    return "\n".join([*lines, *kinds_table()]) + "\n"


def rules_table() -> list[str]:
    """Rules of this package with their parameters; those of other installed packages are left out."""
    from kmc_transport.rules import get_rule, rule_names, rule_parameters

    own = [n for n in rule_names() if get_rule(n).__module__.startswith("kmc_transport.")]
    lines = ["", "How to write one: [how-to](../how-to/write-a-rule.md). "]
    lines[-1] += "What they mean: [theory](../theory/barrier-rules.md)."
    lines += ["", "## Built-in rules", ""]
    lines += table(
        ["rule", "formula", "attempt frequency", "the field acts through"],
        [
            [
                f"`{n}`",
                f"`{get_rule(n).formula}`",
                "in the rule" if get_rule(n).own_prefactor else "given",
                "work to the saddle and of the whole hop" if get_rule(n).takes_saddle_dipole else "dH alone",
            ]
            for n in own
        ],
    )
    lines += [
        "",
        "## Parameters of the rules",
        "",
        "`fixed` is that of barriers given as numbers or read from a path.",
        "",
    ]
    return lines + table(
        ["rule", "parameter", "allowed", "default", "meaning", "source"],
        [
            [
                f"`{n}`",
                f"`{p.key}`" + "".join(f", or `{k}` (times {f:g})" for k, f in p.alternatives.items()),
                p.allowed(),
                "required" if p.default is None else f"{p.default:g}",
                p.meaning,
                p.source,
            ]
            for n in own
            if n != "fixed"
            for p in rule_parameters(n)
        ],
    )


def kinds_table() -> list[str]:
    from kmc_transport.sources import BORN_KINDS, PATH_KINDS

    lines: list[str] = []
    for title, kinds in (("paths", PATH_KINDS), ("Born charges", BORN_KINDS)):
        lines += ["", f"### Kinds of {title}", ""]
        lines += table(["kind", "what"], ([f"`{k}`", v] for k, v in kinds.items()))
    return lines


if __name__ == "__main__":
    main()
