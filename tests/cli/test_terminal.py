"""Streams that are closed, full or ASCII only, texts that control terminals, Ctrl-C, and code beside the input."""

from __future__ import annotations

import codecs
import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from kmc_transport.cli import terminal
from kmc_transport.cli.app import main
from kmc_transport.cli.stopping import stopped_by_signals
from tests.runs.sweeps import INPUT

ROOT = Path(__file__).parents[2]
ENV = {**os.environ, "PYTHONPATH": str(ROOT)}
PROGRAM = [sys.executable, "-m", "kmc_transport"]


def shell(command: str, folder: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """A command line in which KMC stands for the program."""
    line = command.replace("KMC", " ".join(PROGRAM))
    (folder / "a.yaml").write_text(INPUT)
    done = subprocess.run(
        ["bash", "-c", line], cwd=folder, env=ENV | env, capture_output=True, text=True, timeout=120
    )
    assert "Traceback" not in done.stderr, done.stderr
    assert "Exception ignored" not in done.stderr, done.stderr
    return done


@pytest.mark.parametrize(
    ("command", "code", "said"),
    [
        ("KMC check a.yaml > /dev/full", 2, "the output cannot be written: No space left on device"),
        ("KMC check a.yaml >&-", 2, "standard output is closed"),
        ("KMC check none.yaml 2>&-", 2, ""),
        ("KMC check none.yaml 2>/dev/full", 2, ""),
        ("KMC check a.yaml <&- 2>&-", 0, ""),
        ("KMC schema > /dev/full", 2, "No space left"),
        ("KMC check a.yaml | true; exit ${PIPESTATUS[0]}", 1, ""),
    ],
)
def test_streams_that_cannot_be_written(command: str, code: int, said: str, tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    done = shell(command, tmp_path)
    assert (done.returncode, said in done.stderr) == (code, True), done.stderr


def test_a_terminal_that_knows_ascii_alone(tmp_path: Path) -> None:
    command = "KMC check a.yaml && KMC check a.yaml --set title=Ångström --json"
    done = shell(command, tmp_path, PYTHONIOENCODING="ascii")
    assert done.returncode == 0
    assert done.stdout.isascii()
    told = json.loads(done.stdout[done.stdout.index("\n{") :])
    assert told["title"] == "Ångström"


def test_characters_that_an_encoding_lacks_are_spelled() -> None:
    codecs.register_error("spelled", terminal._spelled)
    assert "2.9 Å² ± 1 – x → \u6f22".encode("ascii", "spelled") == b"2.9 A^2 +/- 1 - x -> \\u6f22"
    assert "Å – 1".encode("latin-1", "spelled") == b"\xc5 - 1"


def test_a_name_that_is_no_text_is_refused_before_anything_is_simulated(tmp_path: Path) -> None:
    done = shell("KMC run a.yaml -o $'\\xff.h5'", tmp_path)
    assert done.returncode == 2
    assert "not UTF-8" in done.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["a.yaml"]


def test_nothing_controls_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Escape sequences in titles, keys, labels of structure files and file names."""
    monkeypatch.chdir(tmp_path)
    evil = "\x1b[31m\x9b5m"
    Path("evil\x1b[2J.yaml").write_text(INPUT.replace("supercell", "super\x1b[2Jcell"))
    Path("key.yaml").write_text(INPUT + f"{json.dumps('a' + evil)}: 1\n")
    Path("title.yaml").write_text(INPUT + f"title: {json.dumps(evil)}\n")
    for name in ("evil\x1b[2J.yaml", "key.yaml", "title.yaml", "no\x1b[2J.yaml"):
        with pytest.raises(SystemExit) as ended:
            main(["check", name])
        assert ended.value.code == 2
    said = capsys.readouterr()
    assert "\x1b" not in said.out + said.err
    assert "\\x1b" in said.err


def test_what_is_printed_is_plain(capsys: pytest.CaptureFixture[str]) -> None:
    data: dict[str, Any] = {"a\x9b": "b\x1b[31m\u202e", "n": [1.5, "Å"]}
    terminal.print_json(data)
    out = capsys.readouterr().out
    assert json.loads(out) == data
    terminal.print_csv([{"a": "x\x1b[2J", "b": [1.0, 2.0]}])
    terminal.print_plain("y\x9b2J")
    out += capsys.readouterr().out
    assert not [c for c in out if c != "\n" and not c.isprintable()]
    assert "x\\x1b[2J,1.0 2.0\n" in out


def test_lone_surrogates_can_be_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.TextIOWrapper(io.BytesIO(), "utf-8")
    monkeypatch.setattr(sys, "stdout", out)
    terminal.print_json({"a": "\ud800"})
    out.flush()
    assert json.loads(out.buffer.getvalue()) == {"a": "\ud800"}  # type: ignore[attr-defined]


def test_code_beside_the_input_is_not_imported(tmp_path: Path) -> None:
    """Not as a module, and not as an installed package that offers a rule."""
    names = ["typing", "typer", "numpy", "json", "re", "signal", "pydantic", "ruamel", "rich", "csv", "shlex"]
    names += ["pathlib", "scipy", "numba", "pint", "yaml"]
    for name in (*names, "evil"):
        (tmp_path / f"{name}.py").write_text(f"open('ran', 'a').write('{name}\\n')\n")
    offer = tmp_path / "evil-1.0.dist-info"
    offer.mkdir()
    (offer / "METADATA").write_text("Metadata-Version: 2.1\nName: evil\nVersion: 1.0\n")
    (offer / "entry_points.txt").write_text("[kmc_transport.rules]\nevil = evil:Rule\n")
    assert shell("KMC check a.yaml", tmp_path).returncode == 0
    rule = INPUT.replace("barrier: 0.3 eV", "barrier: {rule: evil, x: 1}")
    assert rule != INPUT
    (tmp_path / "rule.yaml").write_text(rule)
    done = shell("KMC check rule.yaml", tmp_path)
    assert done.returncode == 2
    assert "there is no rule 'evil'" in done.stderr
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("delay", [0.1, 0.4, 0.8])
def test_ctrl_c_at_any_moment(delay: float, tmp_path: Path) -> None:
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        pytest.skip("SIGINT is ignored here")
    (tmp_path / "a.yaml").write_text(INPUT)
    ready = "import sys; sys.argv = ['kmc-transport', 'check', 'a.yaml']; print('up', flush=True); "
    program = [sys.executable, "-c", ready + "from kmc_transport.__main__ import main; main()"]
    process = subprocess.Popen(
        program, cwd=tmp_path, env=ENV, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(delay)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode in (0, 130)  # 0: it was done before
    assert "Traceback" not in err


@pytest.mark.parametrize("becomes", [None, RuntimeError])
def test_an_interrupt_that_a_library_swallows(becomes: type[Exception] | None) -> None:
    """Or turns into an error of its own: it is one all the same."""

    def library() -> None:
        try:
            signal.raise_signal(signal.SIGTERM)
        except KeyboardInterrupt:
            if becomes:
                raise becomes from None

    with pytest.raises(KeyboardInterrupt), stopped_by_signals():
        library()


def test_a_wrong_whole_number_is_told_what_is_allowed(capsys: pytest.CaptureFixture[str]) -> None:
    for wrong in ("zero", "0", "1.5"):
        with pytest.raises(SystemExit) as caught:
            main(["run", "a.yaml", "--workers", wrong])
        assert caught.value.code == 2
        told = " ".join(capsys.readouterr().err.replace("│", " ").split())
        assert f"'--workers': given: '{wrong}', allowed: a whole number, at least 1" in told
