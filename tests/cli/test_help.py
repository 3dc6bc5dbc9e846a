"""The help of every command, and the page that is made from the same texts, are for people."""

from __future__ import annotations

import re
from types import ModuleType

import pytest

from kmc_transport.cli.app import app, main
from tests.test_docs import generate

__all__ = ["generate"]

COMMANDS = [c.name or c.callback.__name__ for c in app.registered_commands if c.callback]
INNARDS = re.compile(
    r"<class|<function|<object|object at 0x|_empty|Parameter|Undefined|UNSET|Sentinel|\bNone\b|\.\.\.\]"
)
"""What a program says of itself where it has nothing to say to its user."""


@pytest.mark.parametrize("command", [(), *((name,) for name in COMMANDS)], ids=" ".join)
@pytest.mark.parametrize("width", [60, 80, 200])
def test_help(
    command: tuple[str, ...], width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setattr("typer.rich_utils.MAX_WIDTH", None)  # what it was when typer was imported
    with pytest.raises(SystemExit) as caught:
        main([*command, "--help"])
    assert not caught.value.code
    out = capsys.readouterr().out
    assert "Usage" in out
    assert INNARDS.findall(out) == []
    assert "…" not in out  # nothing is cut short
    assert max(map(len, out.splitlines())) <= width


def test_the_page_of_commands(generate: ModuleType) -> None:
    page = generate.cli_page()
    assert INNARDS.findall(page) == []
    assert "`-n N`, `--frames N` | Number of frames. Required." in page
    for name in COMMANDS:
        assert f"## `kmc-transport {name}`" in page


def test_innards_are_seen() -> None:
    assert INNARDS.search("Number of frames. Default: <class 'inspect._empty'>.")
