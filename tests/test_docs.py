"""The documentation is true: its Python runs, its inputs load, its links lead somewhere, its reference is current."""

from __future__ import annotations

import importlib.util
import json
import math
import re
import shlex
import shutil
import sys
from pathlib import Path
from types import ModuleType

import pytest

import kmc_transport
from kmc_transport.cli.app import main as command
from kmc_transport.errors import InputError
from kmc_transport.export.formats import FORMATS
from kmc_transport.input import load_model_text
from kmc_transport.input.document import parse_yaml

from .export.devices import devsim_is_missing, with_blas

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *DOCS.rglob("*.md")])
RUNNABLE = [
    ROOT / "README.md",
    *sorted((DOCS / "tutorials").glob("*.md")),
    *sorted((DOCS / "how-to").glob("*.md")),
    *sorted((DOCS / "published").glob("*.md")),
]

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)
INPUT = re.compile(r"^<!-- (input|part of an input) -->\n```yaml\n(.*?)^```$", re.M | re.S)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def python_blocks(text: str) -> list[tuple[int, str]]:
    """(line before the first of the block, code) of the ```python blocks."""
    return [(text[: m.start()].count("\n") + 1, m[2]) for m in FENCE.finditer(text) if m[1] == "python"]


NEEDS = re.compile(r"^<!-- needs: (.*) -->$", re.M)


def missing_for(text: str) -> list[str]:
    """Programs and packages that the page says it needs and that are not there."""
    names = " ".join(NEEDS.findall(text)).split()
    missing = [n for n in names if shutil.which(n) is None and importlib.util.find_spec(n) is None]
    if "devsim" in names and not missing and devsim_is_missing():
        missing = ["BLAS and LAPACK for DEVSIM"]
    return missing


def printed_blocks(text: str) -> list[str]:
    """The ```text blocks of a tutorial: what its Python prints."""
    return [m[2].rstrip() for m in FENCE.finditer(text) if m[1] == "text"]


def execute(page: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run the page's Python in order, in one namespace, in a folder that has the shipped inputs."""
    shutil.copytree(ROOT / "inputs", folder / "inputs")
    monkeypatch.setenv("DEVSIM_MATH_LIBS", with_blas()["DEVSIM_MATH_LIBS"])  # as the page on DEVSIM says
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(folder)  # as for who starts Python there
    namespace: dict[str, object] = {"__name__": "docs"}
    for line, code in python_blocks(page.read_text(encoding="utf-8")):
        # the line numbers of a traceback are those of the page
        exec(compile("\n" * line + code, str(page), "exec"), namespace)


@pytest.mark.parametrize("page", RUNNABLE, ids=name)
def test_python_of_the_page_runs(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if missing := missing_for(page.read_text(encoding="utf-8")):
        pytest.skip(f"not there: {', '.join(missing)}; the page says how to get it")
    execute(page, tmp_path, monkeypatch)
    if page.parent.name == "tutorials":
        printed = capsys.readouterr().out
        for block in printed_blocks(page.read_text(encoding="utf-8")):
            assert block in printed


WALK = re.compile(r"<!-- walk(?: file: (\S+))? -->\n```\w+\n(.*?)```", re.S)


def walk(page: Path, folder: Path) -> list[str]:
    """Files of a page written down, its commands run, in order; the commands."""
    done = []
    for name, text in WALK.findall(page.read_text(encoding="utf-8")):
        if name:
            (folder / name).write_text(text, encoding="utf-8")
            continue
        for line in text.splitlines():
            program, *arguments = shlex.split(line)
            assert program == "kmc-transport"
            with pytest.raises(SystemExit) as code:
                command(arguments)
            assert not code.value.code, line
            done.append(arguments[0])
    return done


def test_from_three_numbers_to_a_figure_and_a_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What a newcomer does, to the letter, and what comes out."""
    monkeypatch.chdir(tmp_path)
    page = DOCS / "tutorials" / "three-numbers.md"
    assert walk(page, tmp_path) == ["check", "picture", "run", "plot", "report"]
    printed = capsys.readouterr().out
    assert "The input is sound" in printed
    results = kmc_transport.open_results("polaron.h5").sel(temperature=300, field=0).squeeze()
    value, stderr = (1e4 * float(results[f"mobility_einstein{s}"]) for s in ("", "_stderr"))
    kt = 8.617333262e-5 * 300
    assert abs(value - (3e-8) ** 2 * 1e13 * math.exp(-0.25 / kt) / kt) < 4 * stderr
    assert (tmp_path / "figure.pdf").read_bytes().startswith(b"%PDF")
    assert "measured" in (tmp_path / "figure.csv").read_text(encoding="utf-8")
    report = (tmp_path / "polaron.html").read_text(encoding="utf-8")
    assert "Small polaron from three numbers" in report
    assert report.count("<svg") >= 4


def test_compositions_and_samples(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    page = DOCS / "how-to" / "compositions-and-samples.md"
    assert walk(page, tmp_path) == ["check", "run", "results", "results", "plot"]
    printed = capsys.readouterr().out
    assert "Compositions: asked for, and simulated in whole carriers" in printed
    assert "Means over 2 samples" in printed
    assert kmc_transport.open_results("doped.h5")["mobility"].dims[:2] == ("x", "sample")


def test_how_long_to_simulate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Rates of species as the page prints them; times are those of another machine."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("kmc_transport.runs.pilots.LONGEST", 0.05)
    page = DOCS / "how-to" / "how-long-to-simulate.md"
    assert walk(page, tmp_path) == ["check"]
    printed = capsys.readouterr().out
    rates = next(
        b for b in printed_blocks(page.read_text(encoding="utf-8")) if b.startswith("Hops per second")
    )
    assert rates in printed
    assert "the run waits for lithium, which hops 1e+07 times more rarely than polaron" in printed


def test_the_borders_between_algorithms_are_those_of_the_code() -> None:
    from kmc_transport.engine.interacting.selection import WORTHWHILE_INTERACTING
    from kmc_transport.engine.selection import ALGORITHMS, WORTHWHILE_ACCEPTANCE

    alone, together = f"{100 * WORTHWHILE_ACCEPTANCE:g} %", f"{100 * WORTHWHILE_INTERACTING:g} %"
    for page in (
        "theory/kinetic-monte-carlo.md",
        "how-to/choose-a-strategy.md",
        "development/performance.md",
    ):
        text = " ".join((DOCS / page).read_text(encoding="utf-8").split())
        assert re.search(rf"\b{alone}.*\b{together}", text), page
    assert len(ALGORITHMS) == 3
    assert "## Three algorithms" in (DOCS / "theory" / "kinetic-monte-carlo.md").read_text(encoding="utf-8")


def test_python_that_fails_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "page.md"
    page.write_text("```python\nx = 1\n```\n\n```text\nno python\n```\n\n```python\nassert x == 2\n```\n")
    with pytest.raises(AssertionError):
        execute(page, tmp_path, monkeypatch)


def test_a_page_that_needs_what_is_not_there_is_noticed() -> None:
    text = "# Page\n<!-- needs: numpy no-such-program -->\n"
    assert missing_for(text) == ["no-such-program"]
    assert missing_for("# Page\n") == []


def inputs_of(text: str) -> list[str]:
    """Inputs of a page: whole ones, and parts put in place of the same keys of the last whole one before them.

    A page without a whole one speaks of the NaMn3O7 job.
    """
    whole: dict[str, object] = parse_yaml((ROOT / "inputs" / "namn3o7.yaml").read_text(encoding="utf-8")).data
    found = []
    for match in INPUT.finditer(text):
        data = parse_yaml(match[2]).data
        if match[1] == "input":
            whole = data
        found.append(json.dumps({**whole, **data}))
    return found


@pytest.mark.parametrize("page", [p for p in PAGES if INPUT.search(p.read_text(encoding="utf-8"))], ids=name)
def test_inputs_of_the_page_load(page: Path) -> None:
    for text in inputs_of(page.read_text(encoding="utf-8")):
        assert load_model_text(text).network.n_hops > 0


def test_a_part_that_does_not_fit_is_noticed() -> None:
    text = (DOCS / "how-to" / "write-an-input.md").read_text(encoding="utf-8")
    bad = inputs_of(text + "\n<!-- part of an input -->\n```yaml\nsampling: {relative_eror: 1 %}\n```\n")[-1]
    with pytest.raises(InputError, match="relative_error"):
        load_model_text(bad)


def anchors(text: str) -> set[str]:
    """Anchors that GitHub gives the headings of a page."""
    found: set[str] = set()
    for heading in re.findall(r"^#+ (.*)$", FENCE.sub("", text), re.M):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        base = "".join(c for c in plain if c.isalnum() or c in " -_").replace(" ", "-")
        label, n = base, 0
        while label in found:
            n += 1
            label = f"{base}-{n}"
        found.add(label)
    return found


def dead_links(page: Path) -> list[str]:
    dead = []
    for target in LINK.findall(FENCE.sub("", page.read_text(encoding="utf-8"))):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        if not file.exists() or (anchor and anchor not in anchors(file.read_text(encoding="utf-8"))):
            dead.append(f"{name(page) if page.is_relative_to(ROOT) else page.name}: {target}")
    return dead


def test_links_lead_somewhere() -> None:
    assert [link for page in PAGES for link in dead_links(page)] == []


def test_dead_links_are_noticed(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# One `two`\n[a](page.md) [b](#one-two) [c](none.md) [d](page.md#three) [e](https://x.org)\n"
    )
    assert dead_links(page) == ["page.md: none.md", "page.md: page.md#three"]


def repeated_headings(text: str) -> list[str]:
    """Main headings that a page has more than once: something was merged twice."""
    found = re.findall(r"^##? .*$", re.sub(r"```.*?```", "", text, flags=re.DOTALL), re.MULTILINE)
    return sorted({h for h in found if found.count(h) > 1})


def test_no_page_has_a_part_twice() -> None:
    assert {p.name: repeated_headings(p.read_text()) for p in PAGES if repeated_headings(p.read_text())} == {}
    assert repeated_headings("## A\n## B\n```\n## B\n```\n## A\n") == ["## A"]


def test_every_page_is_on_the_map() -> None:
    index = (DOCS / "index.md").read_text(encoding="utf-8")
    linked = {(DOCS / target.partition("#")[0]).resolve() for target in LINK.findall(index)}
    assert set(DOCS.rglob("*.md")) - linked == {DOCS / "index.md"}


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_generate", DOCS / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_the_reference_is_current(generate: ModuleType) -> None:
    stale = [
        page
        for page, text in generate.pages().items()
        if (DOCS / "reference" / page).read_text(encoding="utf-8") != text
    ]
    assert not stale, f"docs/reference is out of date ({', '.join(stale)}); run: python docs/generate.py"


def named_in_the_reference() -> list[tuple[str, str]]:
    """(module, name) of everything that the page on Python is made from."""
    module, found = "", []
    for line in (DOCS / "reference" / "python.md").read_text(encoding="utf-8").splitlines():
        if match := re.match(r"\.\. (currentmodule|auto\w+):: (\S+)$", line):
            if match[1] == "currentmodule":
                module = match[2]
            else:
                found.append((module, match[2]))
    return found


def test_the_reference_names_what_there_is_and_all_that_is_public() -> None:
    named = named_in_the_reference()
    assert [
        (m, n) for m, n in named if not getattr(getattr(importlib.import_module(m), n), "__doc__", "")
    ] == []
    assert {n for n in kmc_transport.__all__ if n != "__version__"} <= {n for _, n in named}


def test_the_reference_has_every_key_of_the_input(generate: ModuleType) -> None:
    page = generate.input_page()

    def keys(node: object) -> set[str]:
        if isinstance(node, dict):
            own = set(node["properties"]) if isinstance(node.get("properties"), dict) else set()
            return own.union(*map(keys, node.values()))
        return set().union(*map(keys, node)) if isinstance(node, list) else set()

    from kmc_transport.input import input_schema

    assert {k for k in keys(input_schema()) if f"| `{k}` |" not in page} == set()


def test_the_page_on_exports_has_every_format() -> None:
    table = (
        (DOCS / "reference" / "exports.md").read_text(encoding="utf-8").split("## Formats")[1].split("##")[0]
    )
    assert sorted(re.findall(r"^\| `([\w-]+)` \|", table, re.M)) == sorted(FORMATS)


def test_the_page_on_the_architecture_has_the_order_that_is_tested() -> None:
    from .test_architecture import NEVER, ROOMS

    text = (DOCS / "development" / "architecture.md").read_text(encoding="utf-8")
    text = text[text.index("## Who may import whom") : text.index("## How a point runs")]
    assert (
        re.findall(r"\w+", "".join(re.findall(r"^    .*$", text, re.M))) == ROOMS[:-1]
    )  # __main__ calls cli
    assert set(re.findall(r"`(\w+)`", text[: text.index("never see")].rpartition("\n\n")[2])) == set(NEVER)
