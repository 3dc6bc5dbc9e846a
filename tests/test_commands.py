"""Every command that a page, a docstring or an input quotes is one that the program takes."""

from __future__ import annotations

import argparse
import re
import runpy
import shlex
import sys
from pathlib import Path

import pytest

from kmc_transport.cli.app import parser

ROOT = Path(__file__).parent.parent
TEXTS = sorted(
    p
    for pattern in (
        "*.md",
        "docs/**/*.md",
        "inputs/**/*.md",
        "inputs/**/*.yaml",
        "benchmarks/*.py",
        "kmc_transport/**/*.py",
    )
    for p in ROOT.glob(pattern)
    if "reference" not in p.parts  # written from the code
)
# words are one space apart, or a line's end behind a backslash; what follows more of it, or a #, explains
COMMAND = re.compile(
    r"(?:^[ \t#]*|`|&& |\bsrun )(?:\.venv/bin/)?(kmc-transport|python (?:benchmarks|docs)/[\w/]+\.py)"
    r"((?:(?: | \\\n[ \t#]*)(?:'[^'\n]*'|\"[^\"\n]*\"|[^\s`#;>|{'\"\\]+))*)",
    re.M,
)


def quoted(text: str) -> list[tuple[str, list[str]]]:
    """(program, arguments) of the commands that a text quotes."""
    found = []
    for program, rest in COMMAND.findall(text):
        arguments = shlex.split(rest.replace("\\\n", " "))
        if program.startswith("python") or (arguments and arguments[0].islower()):
            found.append((program, arguments))
    return found


CASES = sorted(
    {
        (program, tuple(arguments))
        for text in TEXTS
        for program, arguments in quoted(text.read_text(encoding="utf-8"))
    }
)
OURS = [arguments for program, arguments in CASES if program == "kmc-transport"]
SCRIPTS = [(program.split()[1], arguments) for program, arguments in CASES if program != "kmc-transport"]


def parse(arguments: tuple[str, ...]) -> None:
    """Parse a command of the program as far as one can without its files; an error of the parser when it is none."""
    group = parser()
    with group.make_context("kmc-transport", list(arguments)) as context:
        name, command, rest = group.resolve_command(context, [*context._protected_args, *context.args])
        command.make_parser(type(context)(command, info_name=name)).parse_args(rest)


def test_enough_is_looked_at() -> None:
    assert {a[0] for a in OURS} >= {"run", "check", "catalog", "exact", "plot", "results", "status", "merge"}
    assert len({script for script, _ in SCRIPTS}) >= 6


@pytest.mark.parametrize("arguments", OURS, ids=" ".join)
def test_quoted_commands_are_taken(arguments: tuple[str, ...]) -> None:
    parse(arguments)


@pytest.mark.parametrize("wrong", ["run INPUT --tepid", "simulate INPUT", "results RUN --xml"])
def test_commands_that_do_not_exist_are_noticed(wrong: str) -> None:
    with pytest.raises(Exception, match=r"[Nn]o such (option|command)"):
        parse(tuple(wrong.split()))


class Parsed(Exception):
    """The script has read its arguments; the rest would take minutes."""


@pytest.mark.parametrize(
    ("script", "arguments"), SCRIPTS, ids=lambda x: x if isinstance(x, str) else " ".join(x)
)
def test_scripts_take_what_their_first_lines_say(
    script: str, arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    real = argparse.ArgumentParser.parse_args

    def only(self: argparse.ArgumentParser, *args: object) -> object:
        real(self, *args)  # type: ignore[arg-type]
        raise Parsed

    path = ROOT / script
    assert path.is_file()
    if "argparse" not in path.read_text(encoding="utf-8"):
        return  # takes none
    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", only)
    given = [a for a in " ".join(arguments).replace("[", "").replace("]", "").replace("...", "").split()]
    given = ["kmcos" if a == "NAME" else str(tmp_path) if a in ("DIR", "FOLDER") else a for a in given]
    monkeypatch.setattr(sys, "argv", [str(path), *given])
    monkeypatch.syspath_prepend(path.parent)
    with pytest.raises(Parsed):
        runpy.run_path(str(path), run_name="__main__")
