"""The door of the program: what an input may hold, and the refusals of what no crystal has, soon and in plain words."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import tracemalloc
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kmc_transport.engine import Replica
from kmc_transport.errors import InputError, Problem, plain
from kmc_transport.input import load_model, load_model_text
from kmc_transport.input.build import check_memory
from kmc_transport.input.memory import needed_memory
from kmc_transport.input.settings import with_settings
from kmc_transport.rates import build_catalog
from tests.input.model_inputs import hop
from tests.runs.sweeps import INPUT

ROOT = Path(__file__).parents[2]


def cube(**keys: Any) -> dict[str, Any]:
    """One species on a simple cubic lattice of 4 Å."""
    return {
        "structure": {"lattice": {"a": 4, "b": 4, "c": 4}, "sites": {"A": [[0, 0, 0]]}},
        "supercell": [8, 8, 8],
        "carriers": {"p": {"charge": 1, "sites": ["A"], "count": 8}},
        "hops": [hop(["A", "A"], distance=4, barrier={"rule": "kra", "E_kra": 0.3})],
        "conditions": {"temperature": 600},
        **deepcopy(keys),
    }


def put(key: str, value: Any) -> dict[str, Any]:
    data = cube()
    place: Any = data
    *way, last = [int(k) if k.isdigit() else k for k in key.split(".")]
    for step in way:
        place = place.setdefault(step, {}) if isinstance(place, dict) else place[step]
    place[last] = value
    return data


def refusal(text: str | dict[str, Any]) -> str:
    with pytest.raises(InputError) as caught:
        load_model_text(text if isinstance(text, str) else json.dumps(text), "a.yaml")
    said = str(caught.value)
    said.encode()
    assert len(said) < 20_000
    return said


# ------------------------------------------------------------------------------------------- scalars


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("sampling.seed", 10**400, "a number of 401 characters"),
        ("sampling.seed", -(10**30), "outside"),
        ("supercell.0", 10**400, "supercell"),
        ("carriers.p.charge", "9" * 400 + " e", "a text of 402 characters"),
        ("conditions.temperature", "1e999999999", "temperature"),
        ("conditions.temperature", "1e999999999 K", "temperature"),
        ("conditions.temperature", "1e99999 K", "finite"),
        ("conditions.temperature", 5e-324, "outside"),
        ("conditions.temperature", "300\nK", "temperature"),
        ("conditions.temperature", "٣٠٠ K", "temperature"),
        ("structure.sites.A.0.0", "1e999999999", "fractional coordinate"),
        ("structure.sites.A.0.0", "1/1e999999999", "fractional coordinate"),
        ("structure.sites.A.0.0", "1/0", "fractional coordinate"),
        ("structure.sites.A.0.0", 1e30, "fractional coordinate"),
        ("structure.lattice.a", 1e-10, "outside"),
        ("structure.lattice.a", 1e-300, "outside"),
        ("structure.lattice", {"vectors": [[1e-300, 0, 0], [0, 4, 0], [0, 0, 4]]}, "cell vectors"),
        ("structure.lattice", {"vectors": [[1e9, 0, 0], [0, 4, 0], [0, 0, 4]]}, "no lengths of a crystal"),
        ("interactions.coulomb.permittivity", 1e300, "permittivity"),
        ("interactions.coulomb.permittivity", 1e-300, "permittivity"),
        ("interactions.coulomb.permittivity", [True, "4", 4.0], "permittivity"),
        ("supercell", [True, "4", 4.0], "must be a whole number"),
        ("structure.periodic", [1, "yes", True], "must be true or false"),
        ("hops.0.vectors", [[1e30, 0, 0]], "vectors"),
        ("title", "x\x1b[31m", "U+001B"),
        ("title", "x\ud800", "U+D800"),
        ("title", "x\u202e", "U+202E"),
        ("title", "x" * 30_000, "30000 characters"),
        ("carriers.\x1b[2J", {}, "U+001B"),
        ("structure.file", "a\x00b", "U+0000"),
    ],
)
def test_values_that_nothing_has(key: str, value: Any, said: str) -> None:
    assert said in refusal(put(key, value))


def test_whole_numbers_may_be_written_as_floats() -> None:
    model = load_model_text(json.dumps(cube(supercell=[8.0, 8, 8], sampling={"events": 1e6})))
    assert model.supercell == (8, 8, 8)
    assert model.sampling.events == 1_000_000


@pytest.mark.parametrize(
    "text",
    [
        "a: !!python/object/apply:os.system ['touch x']",
        "a: !!int 'x'",
        "a: !!float abc",
        'a: "\\U00FFFFFF"',
        "%YAML 99999999999999999999.1\n---\na: 1",
        "[" * 20_000,
        "{a: " * 300 + "1" + "}" * 300,
        "a: &a [*a]",
    ],
)
def test_what_yaml_can_do_beyond_data(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    refusal(text)
    assert not list(tmp_path.iterdir())


def test_aliases_cannot_blow_up() -> None:
    lines = ["a: &a [x, x, x, x, x, x, x, x, x]"]
    lines += [f"{c}: &{c} [{', '.join(['*' + p] * 9)}]" for p, c in zip("abcdefgh", "bcdefghi", strict=True)]
    assert "too many entries" in refusal("\n".join(lines))


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("title=!!python/object/apply:os.system [x]", "tag"),
        ("sampling.seed=!!int x", "cannot be read"),
        ("sampling.seed=" + "9" * 500, "500 characters"),
        ("title=\x1b[31m", "not allowed"),
        ("hops[" + "9" * 5000 + "]=1", "--set"),
        ("sampling.seed=!!timestamp x", "--set"),
    ],
)
def test_settings_are_judged_like_inputs(setting: str, said: str) -> None:
    with pytest.raises(InputError) as caught:
        load_model_text(with_settings(INPUT, [setting]), "--set")
    assert said in str(caught.value)
    assert "\x1b" not in str(caught.value)


# ------------------------------------------------------------------------------------------- size


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"interactions": {"pairs": [{"between": ["p", "p"], "distance": [0, 200], "energy": 1}]}}, "pairs per cell"),
        ({"interactions": {"coulomb": {"method": "cutoff", "cutoff": 200, "permittivity": 9}}}, "too many pairs"),
        ({"structure": {"lattice": {"a": 0.1, "b": 0.1, "c": 0.1}, "sites": {"A": [[0, 0, 0]]}}}, "in this supercell"),
        ({"supercell": [10**18] * 3, "disorder": {"site_energies": [{"width": 0.1}]}}, "would not fit in memory"),
        ({"supercell": [10**5] * 3}, "would not fit in memory"),
        ({"conditions": {"temperature": list(range(1, 300_001))}}, "too many entries"),
        ({"conditions": {"temperature": ["x"] * 20_000}}, "more problems"),
        ({"conditions": {"temperature": ["x"] * 210}}, "temperature[1]"),
        (
            {
                "conditions": {
                    "temperature": {"from": 1, "to": 1e5, "points": 10_000},
                    "field": {"along": [1, 0, 0], "magnitude": {"from": 0, "to": 1e5, "points": 10_000}},
                }
            },
            "the grid has",
        ),
    ],
)  # fmt: skip
def test_what_is_too_large_is_refused_soon(keys: dict[str, Any], said: str) -> None:
    before = time.process_time()
    assert said in refusal(cube(**keys))
    assert time.process_time() - before < 8


def test_a_medium_that_sees_a_needle(monkeypatch: pytest.MonkeyPatch) -> None:
    medium = cube(interactions={"coulomb": {"permittivity": [1, 1, 1e6]}})
    load_model_text(json.dumps(medium))
    monkeypatch.setattr("kmc_transport.input.energetics.MAX_TERMS", 20_000)
    assert "Ewald's sum has" in refusal(medium)


def test_a_shell_of_half_a_million_sites_is_refused() -> None:
    hop = {
        **cube()["hops"][0],
        "surroundings": {"expansion": [{"carrier": "p", "distance": 200, "energy": 0.01}]},
    }
    assert "sites lie there round each" in refusal(cube(hops=[hop]))


def test_many_sites_are_fine() -> None:
    """A cell of some hundred sites, slightly off a lattice, as of a glass, each with its neighbours."""
    rng = np.random.default_rng(1)
    sites = (np.indices((6, 6, 6)).reshape(3, -1).T / 6 + 0.01 * rng.random((216, 3))).tolist()
    structure = {"lattice": {"a": 24, "b": 24, "c": 24}, "sites": {"A": sites}, "symmetry": False}
    hop = {**cube()["hops"][0], "distance": [3.5, 4.5]}
    model = load_model_text(json.dumps(cube(structure=structure, supercell=[1, 1, 1], hops=[hop])))
    assert model.network.n_hops == 6 * 216


MEMORY: dict[str, dict[str, Any]] = {
    "alone": {},
    "lists": {"sampling": {"algorithm": "rejection_free"}},
    "pairs": {"interactions": {"pairs": [{"between": ["p", "p"], "shell": 1, "energy": 0.02}]}},
    "coulomb": {"interactions": {"coulomb": {"permittivity": 10, "accuracy": 1e-4}}},
    "barriers": {"disorder": {"barriers": [{"width": 0.02}]}},
}


@pytest.mark.parametrize("name", MEMORY)
@pytest.mark.parametrize("fill", [0.05, 0.9])
def test_the_estimate_of_memory(name: str, fill: float) -> None:
    """Between half and three times of what the arrays of model and replicas take.

    The estimate holds for the algorithm that needs most, and for three copies of each state (see `memory._COPIES`).
    """
    from kmc_transport.input import build

    carriers = {"p": {"charge": 1, "sites": ["A"], "fraction": fill}}
    side = 12 if name == "coulomb" else 20  # Ewald's sum takes its time
    estimates: list[int] = []

    def estimating(*args: Any) -> bool:
        estimates.append(needed_memory(*args[:5]))
        return check_memory(*args)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(build, "check_memory", estimating)
        algorithm = "auto" if name == "alone" else "rejection_free"
        for cells in (6, side):  # the first, small, imports what it needs
            text = json.dumps(cube(carriers=carriers, supercell=[cells] * 3, **MEMORY[name]))
            tracemalloc.start()
            catalog = build_catalog(load_model_text(text), temperature=600)
            built = tracemalloc.get_traced_memory()[0]
            seed = np.random.SeedSequence(1)
            replica = Replica(catalog, seed=seed, sample_interval=1e-12, algorithm=algorithm)
            added = tracemalloc.get_traced_memory()[0] - built
            tracemalloc.stop()
    taken = built + 3 * 4 * max(added, replica.nbytes)
    assert 0.5 < estimates[-1] / taken < 3, (estimates[-1] / side**3, taken / side**3)


# ------------------------------------------------------------------------------------------- files


def test_pipes_and_devices_are_no_inputs(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for name in (tmp_path / "fifo", Path("/dev/zero"), tmp_path, tmp_path / ("x" * 300), tmp_path / "a\x00b"):
        with pytest.raises(InputError):
            load_model(name)


@pytest.mark.parametrize(
    "keys",
    [
        {"structure.file": "FILE"},
        {"hops.0.barrier": {"path": "FILE"}},
        {"hops.0.barrier": {"path": ["FILE", "FILE"]}},
        {"hops.0.attempt_frequency": {"vineyard": {"initial": "FILE", "saddle": "FILE"}}},
        {"hops.0.field_response": {"start": "FILE", "saddle": "FILE", "born": "FILE"}},
    ],
    ids=str,
)
@pytest.mark.parametrize("file", ["fifo", "/dev/zero", "x" * 300, "no/such"])
def test_every_file_that_an_input_names(keys: dict[str, Any], file: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    ((key, value),) = keys.items()
    text = json.dumps(put(key, value)).replace("FILE", file)
    if key == "structure.file":
        text = text.replace('"lattice": {"a": 4, "b": 4, "c": 4}, "sites": {"A": [[0, 0, 0]]}, ', "")
    with pytest.raises(InputError):
        load_model_text(text, "a.yaml", tmp_path)


# ------------------------------------------------------------------------------------------- messages


def test_messages_are_plain_and_short() -> None:
    problem = Problem(
        message="x" * 100_000,
        key="k\x1b[2J" * 1000,
        value=10**5000,
        allowed="\ud800",
        remedy="\u202e",
        file="f\x9b31m",
        line=3,
    )
    said = str(InputError([problem] * 1000))
    said.encode()
    assert len(said) < 20_000
    assert "more problems" in said
    assert not [c for c in said if c != "\n" and not c.isprintable()]
    assert plain("Å · ± 1\u202f000\n\t²") == "Å · ± 1\u202f000\n\t²"
    assert plain("a\x1b[31mb\x85\ud800") == "a\\x1b[31mb\\x85\\ud800"


def test_mutants_of_the_shipped_inputs() -> None:
    """A short run of ``python -m tests.fuzz.inputs``."""
    out = subprocess.run(
        [sys.executable, "-m", "tests.fuzz.inputs", "--n", "10", "--seed", "7"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=500,
    )
    assert out.returncode == 0, out.stdout
    assert "10 mutants, 0 defects" in out.stdout
