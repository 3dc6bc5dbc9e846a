"""Who may import whom: data flows one way only. And heavy libraries stay out of the quick commands."""

from __future__ import annotations

import ast
import subprocess
import sys
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "kmc_transport"

# a file imports its own room and rooms further up in this list, and no others
ROOMS = [
    *("_version", "_lazy", "_moved", "ndarrays", "records", "errors", "units", "seeds", "arrays"),
    *("rules", "sources", "model", "energies", "input", "rates", "exact", "jit"),
    *(
        "engine",
        "analysis",
        "store",
        "runs",
        "trajectory",
        "report",
        "figures",
        "html",
        "export",
        "cli",
        "__main__",
    ),
]
# a saved file is analysed without running anything
NEVER = {room: {"engine", "runs"} for room in ("analysis", "store", "report", "figures", "html", "export")}
# third-party libraries and the only rooms that may import them
CONFINED: dict[str, set[str]] = {
    "numba": {"jit", "engine"},
    "pymatgen": {"model", "input", "sources"},
    "ase": {"sources"},
    "phonopy": {"sources"},
    "spglib": {"model"},
    "pydantic": {"input"},
    "ruamel": {"input", "sources"},
    "pint": {"units"},
    "h5py": {"sources", "store", "trajectory"},
    "h5netcdf": {"store", "trajectory"},
    "xarray": {"store"},
    "matplotlib": {"figures"},
    "jinja2": {"html"},
    "openpyxl": {"report"},
    "typer": {"cli"},
    "rich": {"cli", "report"},
    "dask": {"runs"},
    "distributed": {"runs"},
    "loky": {"runs"},
}

MOST_BY_PLACE = 4
"""Arguments of a record."""


@cache
def telling_nodes(path: Path) -> tuple[ast.AST, ...]:
    """Of a file, the nodes that the tests below look at, in the order of `ast.walk`."""
    kinds = ast.Import | ast.ImportFrom | ast.ClassDef | ast.If
    return tuple(
        n
        for n in ast.walk(ast.parse(path.read_text()))
        if isinstance(n, kinds) or (isinstance(n, ast.Call) and len(n.args) > MOST_BY_PLACE)
    )


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path) -> list[tuple[str, str]]:
    """(kind, name) of all imports of a file, those inside functions too; kind is "own" or "other"."""
    found = []
    nodes = telling_nodes(path)
    blocks = [n for n in nodes if isinstance(n, ast.If) and ast.unparse(n.test) == "TYPE_CHECKING"]
    for_types_only = {id(n) for block in blocks for n in ast.walk(block)}
    package = ["kmc_transport", *path.relative_to(PACKAGE).parts[:-1]]
    for node in nodes:
        if isinstance(node, ast.ImportFrom):
            if node.level:
                parts = package[: len(package) - node.level + 1] + (
                    node.module.split(".") if node.module else []
                )
                names = [[*parts, a.name] for a in node.names] if not node.module else [parts]
            else:
                names = [(node.module or "").split(".")]
        elif isinstance(node, ast.Import):
            names = [a.name.split(".") for a in node.names]
        else:
            continue
        for parts in names:
            if parts[0] == "kmc_transport":
                found.append(
                    ("own", "__init__" if len(parts) == 1 or parts[1].startswith("__") else parts[1])
                )
            elif id(node) not in for_types_only:
                found.append(("other", parts[0]))
    return found


def allowed(here: str) -> set[str]:
    return set(ROOMS[: ROOMS.index(here) + 1]) - NEVER.get(here, set())


def wrong_imports(path: Path) -> list[str]:
    here, wrong = room(path), []
    for kind, name in imports(path):
        if kind == "own" and "__init__" not in (here, name) and name not in allowed(here):
            wrong.append(f"{path.relative_to(PACKAGE)} imports {name}")
        if kind == "other" and name in CONFINED and here not in CONFINED[name]:
            wrong.append(f"{path.relative_to(PACKAGE)} imports {name}")
    return wrong


def test_every_module_has_a_room() -> None:
    assert {room(p) for p in PACKAGE.rglob("*.py")} - {"__init__"} == set(ROOMS)


def test_imports_point_one_way() -> None:
    assert [w for p in sorted(PACKAGE.rglob("*.py")) for w in wrong_imports(p)] == []


def test_a_wrong_arrow_is_seen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "rates").mkdir()
    bad = tmp_path / "rates" / "bad.py"
    bad.write_text("def f():\n    from ..engine import Replica\n    import numba\n    from .. import store\n")
    monkeypatch.setitem(globals(), "PACKAGE", tmp_path)
    assert len(wrong_imports(bad)) == 3


def file_arrows(package: Path) -> dict[str, set[str]]:
    """Module -> modules of the package whose files it imports, inside functions and for types too."""
    files = {}
    for path in package.rglob("*.py"):
        parts = path.relative_to(package.parent).with_suffix("").parts
        files[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    arrows: dict[str, set[str]] = {}
    for module, path in files.items():
        inside = path.relative_to(package.parent).parts[:-1]
        arrows[module] = set()
        for node in telling_nodes(path):
            if isinstance(node, ast.ImportFrom):
                base = (*inside[: len(inside) - node.level + 1],) if node.level else ()
                origin = ".".join((*base, *(node.module.split(".") if node.module else ())))
                # a name may be a module of the package or something that its __init__ holds
                named = [
                    f"{origin}.{a.name}" if f"{origin}.{a.name}" in files else origin for a in node.names
                ]
            elif isinstance(node, ast.Import):
                named = [a.name for a in node.names]
            else:
                continue
            arrows[module] |= {n for n in named if n in files} - {module}
    return arrows


def circle(arrows: dict[str, set[str]]) -> list[str]:
    """Modules that import each other in a circle; empty when there is none."""
    try:
        tuple(TopologicalSorter(arrows).static_order())
    except CycleError as error:
        return list(error.args[1])
    return []


def test_no_file_imports_itself_in_a_circle() -> None:
    assert circle(file_arrows(PACKAGE)) == []


def test_a_circle_is_seen(tmp_path: Path) -> None:
    package = tmp_path / "toy"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "a.py").write_text("def f():\n    from .b import g\n")
    (package / "b.py").write_text("from . import c\n")
    (package / "c.py").write_text("import toy.a\n")
    assert set(circle(file_arrows(package))) == {"toy.a", "toy.b", "toy.c"}


def modules_after(statement: str) -> set[str]:
    code = f"{statement}\nimport sys\nprint(*sorted(m.split('.')[0] for m in sys.modules))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    return set(out.split())


HEAVY = {"numba", "pymatgen", "xarray", "matplotlib", "pint", "scipy", "h5py", "h5netcdf", "loky"}


def test_importing_the_package_is_light() -> None:
    assert modules_after("import kmc_transport") & (HEAVY | {"numpy", "pydantic"}) == set()


CHAIN = str(PACKAGE.parent / "inputs" / "namn3o7.yaml")


@pytest.mark.parametrize(
    ("words", "code", "spared"),
    [
        (["check", CHAIN], 0, HEAVY - {"scipy"}),
        (["exact", CHAIN], 0, HEAVY - {"scipy"}),
        (["run", "not-there.yaml"], 2, HEAVY | {"numpy"}),
        (["run", CHAIN, "--set", "hops.0.barier=1"], 2, HEAVY),
    ],
)
def test_commands_leave_alone_what_they_do_not_need(words: list[str], code: int, spared: set[str]) -> None:
    """Errors come before the compiler and the libraries of files are loaded."""
    loaded = modules_after(
        "import contextlib, io\nfrom kmc_transport.cli.app import main\n"
        "with contextlib.redirect_stdout(io.StringIO()):\n    try:\n"
        f"        main({words!r})\n    except SystemExit as e:\n        assert (e.code or 0) == {code}, e.code"
    )
    assert loaded & spared == set()


def positional(path: Path, records: set[str]) -> list[str]:
    """Constructions of records with more than `MOST_BY_PLACE` arguments by position."""
    calls = [n for n in telling_nodes(path) if isinstance(n, ast.Call)]
    return [f"{path.name}:{n.lineno} {ast.unparse(n.func)}" for n in calls if ast.unparse(n.func) in records]


def record_names(package: Path) -> set[str]:
    """Dataclasses and named tuples."""
    classes = [n for p in package.rglob("*.py") for n in telling_nodes(p) if isinstance(n, ast.ClassDef)]
    return {
        c.name
        for c in classes
        if any("dataclass" in ast.unparse(d) for d in c.decorator_list)
        or any("NamedTuple" in ast.unparse(b) for b in c.bases)
    }


def test_records_are_built_by_name(tmp_path: Path) -> None:
    records = record_names(PACKAGE)
    assert [w for p in sorted(PACKAGE.rglob("*.py")) for w in positional(p, records)] == []
    (tmp_path / "bad.py").write_text("EventList(a, b, c, d, e, f)\n")
    assert positional(tmp_path / "bad.py", records) == ["bad.py:1 EventList"]


LONGEST = 500
"""Lines of a module."""


def too_long(package: Path) -> set[str]:
    files = ((p.relative_to(package).as_posix(), p) for p in package.rglob("*.py"))
    return {name for name, p in files if len(p.read_text().splitlines()) > LONGEST}


def test_modules_are_short(tmp_path: Path) -> None:
    assert too_long(PACKAGE) == set()
    (tmp_path / "long.py").write_text("pass\n" * (LONGEST + 1))
    assert too_long(tmp_path) == {"long.py"}
