"""Every remedy that names a key, an option or a command names one that exists; the important ones are followed."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import kmc_transport.sources as readers
import kmc_transport.sources.polarization as polarization
from kmc_transport.cli.app import parser
from kmc_transport.errors import InputError, Problem
from kmc_transport.input import input_schema, load_model_text
from kmc_transport.input.settings import with_settings
from kmc_transport.rules import rule_names
from tests.processes import call
from tests.runs.sweeps import INPUT

PACKAGE = Path(__file__).parents[2] / "kmc_transport"
HELPERS = {"fail", "wrong", "refuse", "_wrong", "_fail", "_refuse"}
"""Functions of the package that make a `Problem` of (file, message, remedy)."""

MAKERS = re.compile(rf"\bremedy=|\b(Problem|{'|'.join(sorted(HELPERS))})\(")
"""Stands in every file that gives a remedy; the others need not be parsed."""

# ---- what the sources say


def text_of(node: ast.expr) -> str:
    """A text in the source; what is filled in is a space."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=parts):
            return "".join(text_of(v) if isinstance(v, ast.Constant) else " " for v in parts)
        case ast.BinOp(left=left, right=right):
            return text_of(left) + text_of(right)
        case ast.IfExp(body=body, orelse=other):
            return f"{text_of(body)}\n{text_of(other)}"
        case ast.BoolOp(values=values):
            return "\n".join(map(text_of, values))
    return ""


@cache
def remedies() -> tuple[tuple[str, str], ...]:
    """(module, text) of every remedy in the package."""
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        source = path.read_text(encoding="utf-8")
        if not MAKERS.search(source):
            continue
        tree = ast.parse(source)
        constants = {
            target.id: text_of(node.value)
            for node in tree.body
            if isinstance(node, ast.Assign)
            for target in node.targets
            if isinstance(target, ast.Name)
        }

        def text(node: ast.expr, known: dict[str, str] = constants) -> str:
            return known.get(node.id, "") if isinstance(node, ast.Name) else text_of(node)

        for node in ast.walk(tree):
            if not isinstance(node, ast.Call):
                continue
            name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            given = [text(k.value) for k in node.keywords if k.arg == "remedy"]
            if name == "Problem" and len(node.args) > 4:
                given.append(text(node.args[4]))
            if name in HELPERS and len(node.args) > 2:
                given.append(text(node.args[2]))
            found += [(path.relative_to(PACKAGE).as_posix(), t) for t in given if t]
    return tuple(found)


@cache
def options() -> frozenset[str]:
    commands = parser().commands.values()
    return frozenset(o for c in commands for p in c.params for o in (*p.opts, *p.secondary_opts))


@cache
def keys() -> frozenset[str]:
    """Names of keys, choices and parameters that a user can write."""

    def of(node: Any) -> Iterator[str]:
        if isinstance(node, dict):
            yield from (p for p in node.get("properties", {}) if isinstance(p, str))
            yield from (str(c) for c in (node.get("const"), *node.get("enum", ())) if c is not None)
            for value in node.values():
                yield from of(value)
        elif isinstance(node, list):
            for value in node:
                yield from of(value)

    functions = [getattr(m, n) for m in (readers, polarization) for n in m.__all__]
    parameters = {p for f in functions if inspect.isfunction(f) for p in inspect.signature(f).parameters}
    named = {*readers.PATH_KINDS, *readers.BORN_KINDS, *rule_names()}
    return frozenset({*of(input_schema()), *parameters, *named})


def test_enough_is_found() -> None:
    assert len(remedies()) > 250
    assert {"--overwrite", "-o", "--dilute", "--set"} <= options()
    assert {"hops", "tolerance", "migrating_atom", "neb_folder"} & keys() >= {
        "hops",
        "tolerance",
        "migrating_atom",
    }


OPTION = re.compile(r"(?<![\w-])(--[a-z][a-z-]+|-[a-zA-Z](?![\w-]))")
COMMAND = re.compile(r"kmc-transport ([a-z]+)")
KEY = re.compile(
    r"\b([a-z][a-z_]+)(?: = |: (?=[\d\[{]))|'([a-z_]+)'|(?<!\()\b((?:[a-z_]+\.)+[a-z_]+)\b(?!\()"
)
"""``key: [...]``, ``key = value``, 'key', a.dotted.key; not the call of a function."""
FOREIGN = {"--factor", "--mesh", "--nomeshsym", "--scheduler-file"}
"""Options of phonopy and dask."""
OTHERS = {"atoms", "coordinate", "end", "epsil", "three"}
"""A tag of ph.x, headings of tables, words before a number or a list."""
FILES = re.compile(
    r"\.(axsf|csv|dat|dyn|h5|hdf5|in|int|json|md|npy|out|path|png|py|toml|txt|x|xml|xyz|yaml|points)$"
)


def names_in(text: str) -> set[str]:
    """Keys that a remedy names, dotted ones split."""
    found = {n for groups in KEY.findall(text) for n in groups if n and not FILES.search(n)}
    return {part for name in found for part in name.split(".") if len(part) > 1}


def test_options_and_commands_exist() -> None:
    commands = set(parser().commands)
    missing = [
        (place, word) for place, text in remedies() for word in {*OPTION.findall(text)} - options() - FOREIGN
    ]
    missing += [(p, w) for p, text in remedies() for w in COMMAND.findall(text) if w not in commands]
    assert missing == []


def test_keys_exist() -> None:
    missing = [(p, sorted(n), t) for p, t in remedies() if (n := names_in(t) - keys() - OTHERS)]
    assert missing == []


def test_names_that_do_not_exist_are_seen() -> None:
    assert names_in("set kind = neb_analysis, 'celll', or sampling.relativ_error") - keys() == {
        "celll",
        "neb_analysis",
        "relativ_error",
    } - set(readers.PATH_KINDS)
    assert names_in("give prefix.dat, or call json.dump(x)") == set()


def test_atoms_are_counted_from_0_in_every_text() -> None:
    one_based = re.compile(r"\b(?:atoms?|ions?) \{[^{}]*\+ 1\}")
    assert [p.name for p in PACKAGE.rglob("*.py") if one_based.search(p.read_text(encoding="utf-8"))] == []
    assert one_based.search('f"atom {i + 1} is missing"')


def test_extras_are_installed_as_one_can() -> None:
    """The package is on no index: its extras are installed from its folder."""
    root = PACKAGE.parent
    texts = [
        p
        for pattern in ("*.md", "docs/**/*.md", "inputs/**/*", "kmc_transport/**/*.py")
        for p in root.glob(pattern)
    ]
    readable = [p for p in texts if p.suffix in (".md", ".py", ".yaml")]
    assert [p.name for p in readable if 'install "kmc_transport[' in p.read_text(encoding="utf-8")] == []


# ---- remedies that are followed

KRA = "hops[0].barrier={rule: kra, E_kra: 0.3}"
TWO = "carriers.ion.count=2"
FOLLOWED: list[tuple[Sequence[str], str, Sequence[str]]] = [
    # settings that are refused, what the remedy says, settings that follow it
    (
        ["conditions.field.magnitude={from: 0, to: 1e8, points: 3, scale: log}"],
        "start above 0, or",
        ["conditions.field.magnitude.from=1e6"],
    ),
    (
        ["conditions.field.magnitude={from: 0, to: 1e8, points: 3, scale: log}"],
        "scale: linear",
        ["conditions.field.magnitude.scale=linear"],
    ),
    (
        ["conditions.temperature={from: 500, to: 300, points: 3}"],
        "swap them",
        ["conditions.temperature.from=300", "conditions.temperature.to=500"],
    ),
    (["conditions.temperature={from: 300, to: 500, step: 70}"], "'step'", ["conditions.temperature.step=50"]),
    (
        ["conditions.temperature={from: 300, to: 500, step: 70}"],
        "'points'",
        ["conditions.temperature={from: 300, to: 500, points: 3}"],
    ),
    (
        ["conditions.temperature={from: 300, to: 500, step: 50, scale: log}"],
        "points instead of step",
        ["conditions.temperature={from: 300, to: 500, points: 3, scale: log}"],
    ),
    (["supercell=[10, 2, 1]"], "set it to 1", ["supercell=[10, 1, 1]"]),
    (["supercell=null"], r"supercell: \[10, 10, 10\]", ["supercell=[10, 1, 1]"]),
    (["supercell=null"], "have a 'fraction'", ["carriers.ion={charge: 1, sites: [A, B], fraction: 0.1}"]),
    (["carriers.ion.count=50"], "fewer carriers", ["carriers.ion.count=5"]),
    (["carriers.ion.count=50"], "larger supercell", ["supercell=[100, 1, 1]"]),
    (["carriers.ion={charge: 1, sites: [A, B]}"], "count: 1", ["carriers.ion.count=1"]),
    (
        ["carriers.ion={charge: 1, sites: [A, B]}"],
        "fraction: 0.001",
        ["carriers.ion.fraction=0.001", "supercell=[1000, 1, 1]"],
    ),
    (
        ["carriers.ion.charge=0", "carriers.ion.site_dipoles=solve"],
        "the charge that the carrier transports",
        ["carriers.ion.charge=1", "carriers.ion.site_dipoles=null"],
    ),
    (
        ["carriers.ion.charge=0", "sampling.target=mobility"],
        "the default",
        ["sampling.target=tracer_diffusivity"],
    ),
    (
        ["hops[0].attempt_frequency=null"],
        "attempt_frequency: 6.12 THz",
        ["hops[0].attempt_frequency=6.12 THz"],
    ),
    (
        ["hops[0].saddle=0.4", "hops[0].field_response={dipole: [0.7, 0, 0]}"],
        "leave 'saddle' out",
        ["hops[0].saddle=0.5"],
    ),
    (
        ["hops[0].field_response={dipole: [0.76, 0.1, 0]}"],
        "tolerance",
        ["hops[0].field_response.tolerance=0.2"],
    ),
    (["conditions.field.along=[0, 1, 0]"], "turn the field", ["conditions.field.along=[1, 0, 0]"]),
    (
        ["interactions.pairs=[{between: [ion, ion], distance: 3.0, energy: 0.01}]", KRA, TWO],
        r"sites: \[A, A\]",
        ["interactions.pairs[0].sites=[A, A]"],
    ),
    (
        ["interactions.pairs=[{between: [ion, ion], sites: [A, A], distance: 2.9, energy: 0.01}]", KRA, TWO],
        r"distance: 3\.0",
        ["interactions.pairs[0].distance=3.0"],
    ),
    (
        ["interactions.pairs=[{between: [ion, ion], sites: [A, A], distance: 3.0}]", KRA, TWO],
        "energy: -80 meV",
        ["interactions.pairs[0].energy=-80 meV"],
    ),
    (
        ["interactions.pairs=[{between: [ion, ion], sites: [A, A], distance: 3.0, energy: 0.01}]", TWO],
        "rule: kra",
        [KRA],
    ),
    (
        ["interactions.coulomb={permittivity: 10}", KRA, TWO],
        "method: cutoff",
        ["interactions.coulomb.method=cutoff", "interactions.coulomb.cutoff=6 Å"],
    ),
    (
        ["interactions.coulomb={permittivity: 10, method: cutoff}", KRA, TWO],
        "cutoff: 12 Å",
        ["interactions.coulomb.cutoff=12 Å"],
    ),
    (
        ["disorder.blocked=[{sites: [A]}]"],
        "fraction: 2 %, salt: 7",
        ["disorder.blocked=[{sites: [A], fraction: 2 %, salt: 7}]"],
    ),
    (
        ["disorder.blocked=[{sites: [A]}]"],
        "places: ",
        ["disorder.blocked=[{places: [{site: A, index: 0, cell: [3, 0, 0]}]}]"],
    ),
    (
        ["disorder.blocked=[{sites: [A, B], fraction: 99 %}]"],
        "block fewer sites",
        ["disorder.blocked[0].fraction=10 %"],
    ),
    (
        ["structure.periodic=[true, true, false]"],
        "'thickness' instead",
        ["structure.cross_section=null", "structure.thickness=10"],
    ),
    (
        [
            "hops[0].surroundings={count: [{carrier: ion, distance: 2.25}], table: [{counts: [0], E_kra: 0.3}]}",
            KRA,
            TWO,
        ],
        "unlisted: nearest",
        ["hops[0].surroundings.unlisted=nearest"],
    ),
    (
        [
            "hops[0].surroundings={count: [{carrier: ion, distance: 2.25}], table: [{counts: [0], E_kra: 0.3}]}",
            KRA,
            TWO,
        ],
        "unlisted: default",
        ["hops[0].surroundings.unlisted=default"],
    ),
    (["carriers.ion.sites=[A, C]"], "labels of the structure", ["carriers.ion.sites=[A, B]"]),
    (
        ["structure.sites={A: [[0, 0, 0]], B: [[0, 0, 0]]}"],
        "list each site once",
        ["structure.sites={A: [[0, 0, 0]], B: [[0.5, 0, 0]]}"],
    ),
]


def refusal(settings: Sequence[str]) -> tuple[Problem, ...]:
    with pytest.raises(InputError) as caught:
        load_model_text(with_settings(INPUT, settings))
    return caught.value.problems


@pytest.mark.parametrize(
    ("broken", "remedy", "mended"), FOLLOWED, ids=lambda x: x if isinstance(x, str) else ""
)
def test_a_remedy_that_is_followed_helps(broken: Sequence[str], remedy: str, mended: Sequence[str]) -> None:
    said = " ".join(p.remedy + p.allowed for p in refusal(broken))
    assert re.search(remedy, said), said
    load_model_text(with_settings(INPUT, [*broken, *mended]))


@pytest.mark.parametrize(
    ("key", "wrong"),
    [
        ("hops[0].distance", "1.4"),
        ("hops[0].distance", "6.1"),
        ("sampling.target", "mobilty"),
        ("hops[0].carrier", "ions"),
        ("sampling.algorithm", "rejection-free"),
        ("conditions.field.magnitude.scale", "logg"),
    ],
)
def test_a_value_that_is_proposed_is_taken(key: str, wrong: str) -> None:
    """The program proposes a number or a name; written at the place that was wrong, it is accepted."""
    ranges = ["conditions.field.magnitude={from: 1e6, to: 1e8, points: 2, scale: log}"]
    (problem,) = refusal([*ranges, f"{key}={wrong}"])
    proposed = re.search(r"did you mean '([^']+)'|distance: ([\d.]+)", problem.remedy)
    assert proposed, problem.remedy
    load_model_text(with_settings(INPUT, [*ranges, f"{key}={proposed[1] or proposed[2]}"]))


def test_remedies_of_commands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("chain.yaml").write_text(INPUT, encoding="utf-8")

    def refused(*arguments: str, told: str) -> None:
        assert call(*arguments) == 2
        assert re.search(told, capsys.readouterr().err)

    few = ("--set", "conditions.temperature=300", "--set", "conditions.field.magnitude=[0, 1e8]")
    refused("results", "chain.h5", told="kmc-transport run INPUT")
    assert call("run", "chain.yaml", "-q", "--no-plot", *few) == 0
    assert call("results", "chain.h5") == 0
    refused(
        "run",
        "chain.yaml",
        "-q",
        "--no-plot",
        "--set",
        "hops[0].barrier=0.31",
        told="choose another -o.*--overwrite",
    )
    assert (
        call("run", "chain.yaml", "-q", "--no-plot", *few, "--set", "hops[0].barrier=0.31", "-o", "b.h5") == 0
    )
    assert (
        call("run", "chain.yaml", "-q", "--no-plot", *few, "--set", "hops[0].barrier=0.31", "--overwrite")
        == 0
    )
    refused("run", "chain.yaml", "-q", "-o", "chain.txt", told="choose another -o")
    refused("run", "chain.yaml", "-q", "--shard", "3", told="2/3")
    refused("run", "chain.yaml", "-q", "--set", "sampling.replicas", told="--set sampling.replicas=8")
    assert call("check", "chain.yaml", "--set", "sampling.replicas=8") == 0
    refused("results", "chain.h5", "-T", "301", told="300")
    refused("results", "chain.h5", "--show", "haven", told="haven_ratio")
    assert call("results", "chain.h5", "--show", "haven_ratio") == 0
    capsys.readouterr()
    refused(
        "exact",
        "chain.yaml",
        "--set",
        "carriers.ion.count=9",
        "--all-carriers",
        "--max-states",
        "100",
        told="--dilute",
    )
    assert call("exact", "chain.yaml", "--set", "carriers.ion.count=9", "--dilute") == 0
    refused("check", "chain.yaml", "--set", "conditions.temperature=2", told="raise the temperature")
    assert call("check", "chain.yaml", "--set", "conditions.temperature=300") == 0
    assert call("new", "chain") == 2
    assert "choose another name" in capsys.readouterr().err
    assert call("new", "other") == 0
