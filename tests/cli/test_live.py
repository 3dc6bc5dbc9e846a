"""What a person sees of a run."""

from __future__ import annotations

import io
import json
import sys
from dataclasses import replace
from typing import Any

import pytest

from kmc_transport.cli.live import Live, duration, progress_text, worst_table
from kmc_transport.runs.job import Standing
from kmc_transport.runs.pipeline import Progress, run
from tests.runs.sweeps import INPUT, sweep_model


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def progress(**changed: Any) -> Progress:
    running = (
        Standing(
            key="a" * 20,
            temperature=300.0,
            field=(0.0, 0.0, 0.01),
            events=2_000_000,
            seconds=3.0,
            ratio=2.0,
            relative_error=0.02,
        ),
    )
    worst = (
        *running,
        Standing(
            key="b" * 20,
            temperature=400.0,
            field=(0.0, 0.0, 0.0),
            events=10,
            seconds=1.0,
            ratio=float("inf"),
            relative_error=float("inf"),
            exit_reason="done",
        ),
    )
    content: dict[str, Any] = {
        "points": 40,
        "kept": 4,
        "done": 12,
        "inaccurate": 1,
        "failed": 2,
        "outside": 3,
        "running": running,
        "worst": worst,
        "hops": 5_000_000,
        "seconds": 10.0,
        "rate": 0.8,
        "seconds_left": 3725.0,
    }
    return Progress(**content | changed)


def test_durations() -> None:
    seconds = (0.25, 9.6, 59.4, 60, 250, 7500, 200_000)
    assert [duration(s) for s in seconds] == [
        *("0.25 s", "9.6 s", "59 s", "1 min", "4 min 10 s", "2 h 5 min", "2 d 7 h"),
    ]


def test_one_line_says_it() -> None:
    assert progress_text(progress().as_json()) == (
        "12/40 points, 4 of them from earlier, 2 failed, 1 not accurate, 1 running, 0.5 million hops/s, "
        "1.2 s per point, about 1 h 2 min left"
    )
    text = progress_text(progress(finished=True, rate=3.0, stage="round 2").as_json())
    assert text.startswith("round 2: 12/40")
    assert "3 points/s" in text
    assert text.endswith("finished in 10 s")


def test_the_worst_points_and_what_was_asked_of_them() -> None:
    table = worst_table(progress().as_json()["worst"])
    assert table.cells[0] == ["300", "1e+08", "2 %", "1 %", "2.0e+06", "running"]
    assert table.cells[1] == ["400", "0", "–", "–", "1.0e+01", "done"]


def test_a_terminal_shows_a_table_and_a_pipe_only_what_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.setenv("TERM", "xterm")
    with Live(quiet=False) as live:
        live.update(progress())
    seen = terminal.getvalue()
    for text in (
        "4 of 40 points are there already, 36 to simulate",
        "3 of another grid",
        "12/40",
        "Farthest from",
    ):
        assert text in seen
    pipe = io.StringIO()
    monkeypatch.setattr(sys, "stderr", pipe)
    with Live(quiet=False) as live:
        live.update(progress())
        live.update(progress())
    assert pipe.getvalue().count("\n") == 1
    with Live(quiet=True) as live:
        live.update(progress())
    assert pipe.getvalue().count("\n") == 1


def test_a_real_run_feeds_it(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with Live(quiet=False) as live:
        run(
            sweep_model(INPUT.replace("events: 2000", "events: 2000, relative_error: 0.1 %")),
            on_progress=live.update,
        )
    assert "12/12 points" in terminal.getvalue()
    assert "not accurate" in terminal.getvalue()


def test_the_worst_points_are_named_by_composition_and_sample() -> None:
    """As they are reported, and as `status` reads them from the file."""
    first = progress().running[0]
    p = progress(worst=(replace(first, coordinates=(("x", 0.25), ("sample", 3.0))),)).as_json()
    for worst in (p["worst"], json.loads(json.dumps(p["worst"]))):
        table = worst_table(worst)
        assert [c.header for c in table.shown][:3] == ["x", "sample", "T"]
        assert table.cells[0][:3] == ["0.25", "3", "300"]
    assert next(c.header for c in worst_table(progress().as_json()["worst"]).shown) == "T"
