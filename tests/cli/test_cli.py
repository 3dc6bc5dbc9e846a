"""The commands as a person meets them: what they print, what they write, how they end."""

from __future__ import annotations

import csv
import io
import json
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from kmc_transport.store import open_results
from tests.processes import HANGS, call, command_line, started, wait_until

INPUTS = Path(__file__).parents[2] / "inputs"
QUICK = (
    (INPUTS / "namn3o7.yaml")
    .read_text(encoding="utf-8")
    .replace("[200, 225, 250, 275, 298, 325, 350, 400, 450, 500]", "[298, 500]")
    .replace("[0, 1e7, 1e8]", "[0, 1e8]")
    .replace("relative_error: 1 %", "relative_error: 5 %")
)


@pytest.fixture
def chain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("chain.yaml").write_text(QUICK, encoding="utf-8")
    return Path("chain.yaml")


def test_run_prints_a_table_and_writes_file_and_picture(
    chain: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("run", chain) == 0
    out, err = capsys.readouterr()
    assert err == ""  # quiet when not a terminal
    assert "1.3673e-05" in out
    assert "cm²/(V s)" in out
    assert "activation energy" in out
    assert Path("chain.h5").exists()
    assert Path("chain.png").read_bytes().startswith(b"\x89PNG")
    assert open_results("chain.h5").attrs["command"].startswith("kmc-transport")
    assert call("plot", "chain.h5", "-o", "again.pdf") == 0
    assert Path("again.pdf").read_bytes().startswith(b"%PDF")


def test_run_as_json(chain: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("run", chain, "--json", "--no-plot", "-o", "x.h5") == 0
    data = json.loads(capsys.readouterr().out)
    assert data["converged"] is True
    assert data["output"] == "x.h5"
    assert len(data["results"]) == 4
    row = data["results"][0]
    assert row["mobility_from"] == "Einstein relation"
    difference = row["mobility_cm2_per_Vs"] - row["mobility_exact_cm2_per_Vs"]
    assert abs(difference) < 5 * row["mobility_stderr_cm2_per_Vs"]
    assert difference / row["mobility_stderr_cm2_per_Vs"] == pytest.approx(
        row["mobility_deviation_in_stderr"]
    )
    assert data["arrhenius"][0]["activation_energy_eV"] == pytest.approx(0.242, abs=0.02)
    assert not Path("x.png").exists()


def test_accuracy_not_reached_is_exit_code_1(chain: Path, capsys: pytest.CaptureFixture[str]) -> None:
    chain.write_text(QUICK.replace("relative_error: 5 %", "relative_error: 0.01 %, events: 1e5"))
    assert call("run", chain, "--no-plot") == 1
    out, err = capsys.readouterr()
    assert "4 of the conditions did not reach" in err
    assert "done" in out


def test_bad_input_is_exit_code_2_on_one_screen(chain: Path, capsys: pytest.CaptureFixture[str]) -> None:
    chain.write_text(QUICK.replace("barrier: 242 meV", "barier: 242 meV").replace("count: 1", "count: 5000"))
    assert call("run", chain) == 2
    err = capsys.readouterr().err
    assert "chain.yaml:" in err
    assert "barrier" in err
    assert "5000" in err  # all problems at once
    assert "Traceback" not in err
    assert len(err.splitlines()) < 24
    assert not Path("chain.h5").exists()


def test_another_input_on_the_same_output(chain: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("run", chain, "-q", "--no-plot") == 0
    chain.write_text(QUICK.replace("242 meV", "250 meV"))
    assert call("run", chain, "-q", "--no-plot") == 2
    assert "--overwrite" in capsys.readouterr().err
    assert call("run", chain, "-q", "--no-plot", "--overwrite") == 0


@pytest.mark.parametrize("command", ["run", "check", "catalog", "exact", "plot"])
def test_a_missing_file_is_named(command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(command, tmp_path / "none.yaml") == 2
    assert "none.yaml" in capsys.readouterr().err


def test_check_says_what_would_be_simulated(chain: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("check", chain) == 0
    out = capsys.readouterr().out
    for text in ("hole_polaron", "1000 sites", "298, 500 K", "0.242", "6.12e+12", "chain.yaml:"):
        assert text in out
    assert call("check", chain, "--json") == 0
    data = json.loads(capsys.readouterr().out)
    assert data["points"] == 4
    assert data["hop_classes"][0]["barrier_eV"] == 0.242


def test_check_finds_a_rate_out_of_range(chain: Path, capsys: pytest.CaptureFixture[str]) -> None:
    chain.write_text(QUICK.replace("[298, 500]", "[2, 500]"))
    assert call("check", chain) == 2
    assert "out of range at 2 K" in capsys.readouterr().err


def test_catalog_in_three_forms(chain: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("catalog", chain, "-T", "298", "--field", "1e8", "0", "0") == 0
    out = capsys.readouterr().out
    assert "298 K and 1e+08 V/m" in out
    assert "hops[0].barrier" in out
    assert call("catalog", chain, "-T", "298", "--csv") == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert len(rows) == 2
    assert float(rows[0]["rate_per_s"]) == pytest.approx(4.9437e8, rel=1e-4)
    assert call("catalog", chain, "-T", "298", "--json") == 0
    data = json.loads(capsys.readouterr().out)["hops"]
    assert [float(x) for x in rows[0]["vector_angstrom"].split()] == data[0]["vector_angstrom"]


def test_exact_with_sensitivity(chain: Path, capsys: pytest.CaptureFixture[str]) -> None:
    chain.write_text(QUICK.replace("barrier: 242 meV", "barrier: 242 ± 50 meV"))
    assert call("exact", chain, "--sensitivity", "--json") == 0
    data = json.loads(capsys.readouterr().out)
    assert data["results"][0]["mobility_cm2_per_Vs"] == pytest.approx(1.36726e-5, rel=1e-4)
    assert data["results"][0]["system"] == "single carrier"
    row = data["sensitivity"][0]
    assert row["share"] == pytest.approx(1)
    assert row["mobility_error_factor"] == pytest.approx(7.0, rel=0.01)  # exp(0.05 eV / kT) at 298 K
    assert call("exact", chain, "--sensitivity") == 0
    assert "limits transport" in capsys.readouterr().out


def test_exact_falls_back_to_one_carrier_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    crowded = tmp_path / "crowded.yaml"
    text = (INPUTS / "mgo_vacancy.yaml").read_text(encoding="utf-8")
    crowded.write_text(text.replace("count: 1", "count: 4"), encoding="utf-8")
    assert call("exact", crowded) == 0
    out, err = capsys.readouterr()
    assert "dilute limit" in err
    assert "oxygen_vacancy" in out
    assert "one carrier alone (dilute limit)" in out.splitlines()[0]
    assert "not the answers for the system of the input" in out
    assert call("exact", crowded, "--sensitivity", "--json") == 0
    data = json.loads(capsys.readouterr().out)
    assert "dilute limit" in data["title"]
    assert any("not the answers" in note for note in data["notes"])
    for row in (*data["results"], *data["sensitivity"]):
        assert row["system"] == "one carrier alone (dilute limit)"
    assert call("exact", crowded, "--sensitivity") == 0
    out = capsys.readouterr().out
    assert "(limits transport of one carrier alone)" in " ".join(out.split())
    assert call("exact", crowded, "--csv") == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert {row["system"] for row in rows} == {"one carrier alone (dilute limit)"}
    assert call("exact", crowded, "--all-carriers") == 2
    err = capsys.readouterr().err
    assert "too many to solve exactly" in err
    assert "--dilute" in err
    assert call("exact", crowded, "--dilute") == 0
    assert "(dilute limit)" in capsys.readouterr().out


def test_exact_of_all_configurations_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = (INPUTS / "namn3o7.yaml").read_text(encoding="utf-8")
    (tmp_path / "chain.yaml").write_text(text, encoding="utf-8")
    few = ("--set", "carriers.hole_polaron.count=2", "--set", "supercell=[6, 1, 1]")
    assert call("exact", tmp_path / "chain.yaml", *few, "--set", "conditions.temperature=298", "--json") == 0
    data = json.loads(capsys.readouterr().out)
    assert {row["system"] for row in data["results"]} == {"all configurations"}
    alone = 1.36726e-5
    row = data["results"][0]  # of two in six sites the other blocks: (N - n)/(N - 1)
    assert row["mobility_cm2_per_Vs"] == pytest.approx(alone * 4 / 5, rel=1e-4)
    assert row["charge_diffusivity_cm2_per_s"] == pytest.approx(3.51107e-7 * 4 / 5, rel=1e-4)
    assert "Warning" not in " ".join(data["notes"])


def test_exact_conductivity_is_that_without_field(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from tests.runs.sweeps import INPUT

    (tmp_path / "chain.yaml").write_text(INPUT, encoding="utf-8")
    assert call("exact", tmp_path / "chain.yaml", "--set", "conditions.temperature=300", "--json") == 0
    rest, driven = json.loads(capsys.readouterr().out)["results"]
    density = 1 / (10 * 3e-8 * 100e-16)  # one carrier in 10 cells of 3 Å x 100 Å², per cm³
    sigma = 1.602176634e-19 * density * rest["mobility_cm2_per_Vs"]
    assert rest["conductivity_S_per_cm"] == pytest.approx(sigma, rel=1e-6)
    assert driven["conductivity_S_per_cm"] is None


def test_new_writes_an_input_that_checks_and_never_overwrites(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert call("new", "study") == 0
    assert "kmc-transport check study.yaml" in capsys.readouterr().out
    assert call("check", "study.yaml") == 0
    Path("study.yaml").write_text("mine")
    assert call("new", "study") == 2
    assert Path("study.yaml").read_text() == "mine"


def test_schema_is_json_schema(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("schema") == 0
    schema = json.loads(capsys.readouterr().out)
    assert {"structure", "carriers", "hops", "conditions", "sampling"} <= set(schema["properties"])


@pytest.mark.parametrize("shipped", sorted(INPUTS.glob("*.yaml")), ids=lambda p: p.name)
def test_shipped_inputs_check(shipped: Path) -> None:
    assert call("check", shipped) == 0


def test_ctrl_c_ends_with_130_and_a_rerun_goes_on(chain: Path) -> None:
    chain.write_text(QUICK.replace("relative_error: 5 %", "relative_error: 0.001 %"))
    program = shutil.which("kmc-transport")
    command = [program] if program else command_line()
    progress = Path("chain.points/progress.json")
    with started([*command, "run", "chain.yaml", "--no-plot"], stderr=subprocess.PIPE) as process:
        wait_until(lambda: progress.exists() and json.loads(progress.read_text())["running"], process)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=HANGS)
    assert process.returncode == 130
    assert "run again to go on" in err
    assert "Traceback" not in err
    assert list(Path("chain.points").glob("*.partial.npz"))
    assert Path("chain.h5").exists()
