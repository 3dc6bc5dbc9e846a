"""The point-charge picture: a diagnostic that every output names and the Einstein check exposes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from kmc_transport import run
from kmc_transport.cli.app import main
from kmc_transport.errors import InputError, StoreError
from kmc_transport.exact import solve_exact
from kmc_transport.figures.comparison import plot_comparison
from kmc_transport.input import load_model, load_model_text
from kmc_transport.model import classical_model
from kmc_transport.rates import build_catalog
from kmc_transport.report import results_table
from tests.input.model_inputs import hop

INPUTS = Path(__file__).parents[2] / "inputs"
CHAIN = {
    "structure": {"lattice": {"a": 3.0}, "periodic": [True, False, False], "sites": {"A": [[0, 0, 0]]}},
    "supercell": [16, 1, 1],
    "carriers": {"ion": {"charge": 1, "sites": ["A"], "count": 1}},
    "hops": [
        hop(
            ["A", "A"],
            carrier="ion",
            distance=3.0,
            barrier=0.3,
            classical_response={"charge": 2, "d_ma": 0.6},
        )
    ],
    "conditions": {"temperature": [500], "field": {"along": [1, 0, 0], "magnitude": [0, 3e7, 1e8]}},
    "sampling": {"relative_error": 0.02, "seed": 5},
}


def test_interstitial_fails_the_einstein_relation_by_the_ratio_of_the_works() -> None:
    """One class alone, I_O(2-) with 0.45 Å: W_classical/W = 2 * 2 * 0.45/(2 * 2.4) = 0.375."""
    text = (INPUTS / "sio2_oxygen_interstitial.yaml").read_text()
    text = text.replace("d_ma: 0.47", "d_ma: 0.45")
    # the two-fold links alone: class 1 leads along the helices, so classes 2 and 4 go, and class 3 with them
    text = text.replace("      3: {field_response: {magnitude: 2.4}}", "      2: {omit: true}\n      4: {omit: true}\n"
                        "      3: {field_response: {magnitude: 2.4}}")  # fmt: skip
    model = load_model_text(text)
    weak = np.array([0, 0, 1e-6])
    right = solve_exact(build_catalog(model, temperature=700, field=weak), dilute=True).drift_velocity[0, 2]
    wrong = solve_exact(
        build_catalog(classical_model(model), temperature=700, field=weak), dilute=True
    ).drift_velocity[0, 2]
    einstein = solve_exact(build_catalog(model, temperature=700), dilute=True).mobility_einstein[0, 2, 2]
    assert right / 1e-6 == pytest.approx(einstein, rel=1e-5)
    assert wrong / right == pytest.approx(0.375, abs=1e-6)


def test_work_of_the_picture() -> None:
    """W = 2 W_S both ways, local detailed balance with that W, and the mark in every place."""
    model = classical_model(load_model_text(json.dumps(CHAIN)))
    catalog = build_catalog(model, temperature=500, field=[0.01, 0, 0])
    np.testing.assert_allclose(catalog.saddle_work, np.sign(model.network.vector[:, 0]) * 2 * 0.6 * 0.01)
    np.testing.assert_allclose(catalog.work, 2 * catalog.saddle_work)
    assert catalog.classical.all()
    assert "classical response: a diagnostic" in model.title
    assert any("classical response" in note for note in model.notes)
    again = load_model_text(
        json.dumps(CHAIN | {"hops": [CHAIN["hops"][0] | {"field_response": "classical"}]})
    )
    np.testing.assert_array_equal(
        build_catalog(again, temperature=500, field=[0.01, 0, 0]).rate, catalog.rate
    )
    assert again.title == model.title


def test_vectors_of_the_migrating_atom() -> None:
    hop = CHAIN["hops"][0] | {"classical_response": {"charge": -2, "d_ma": [-0.6, 0, 0], "hop": [3, 0, 0]}}
    with_vector = classical_model(load_model_text(json.dumps(CHAIN | {"hops": [hop]})))
    with_length = classical_model(load_model_text(json.dumps(CHAIN)))
    field = [0.01, 0, 0]
    np.testing.assert_allclose(
        build_catalog(with_vector, temperature=500, field=field).work,
        build_catalog(with_length, temperature=500, field=field).work,
    )


def test_run_says_so_and_the_einstein_check_fails(tmp_path: Path) -> None:
    model = load_model_text(json.dumps(CHAIN))
    right = run(model, output=tmp_path / "right.h5")
    wrong = run(classical_model(model), output=tmp_path / "wrong.h5")
    assert set(wrong["hop_class_response"].values.tolist()) == {"classical"}
    assert set(right["hop_class_response"].values.tolist()) == {"midpoint"}
    notes = " ".join(results_table(wrong).notes)
    assert "Classical response: a diagnostic" in notes
    assert "Einstein relation fails" in notes
    assert "must for a classical response" in notes
    fine = " ".join(results_table(right).notes)
    assert "fails" not in fine
    assert "diagnostic" not in fine
    # W_classical/W = 2 * 2 * 0.6/3
    ratio = wrong["mobility"].values[0, 1, 0, 0] / right["mobility"].values[0, 1, 0, 0]
    assert ratio == pytest.approx(0.8, abs=0.08)
    assert abs(float(wrong["einstein_deviation"].values[0, 0, 0])) > 5
    # linear response holds for the right work alone, where it would be compared with itself
    assert np.isnan(float(right["einstein_deviation"].values[0, 0, 0]))
    assert right["mobility_method"].values[0, 1, 0] == "linear response"
    assert wrong["mobility_method"].values[0, 1, 0] == "drift velocity"
    figure = plot_comparison([(right, wrong)], tmp_path / "both.png", temperatures=[500])
    assert (tmp_path / "both.png").stat().st_size > 10_000
    drawn = [np.asarray(c.lines[0].get_ydata(), float) for c in figure.axes[0].containers]
    for data in (right, wrong):
        at = data.sel(temperature=500).isel(direction=0, carrier=0)
        speed = np.abs(at["drift_velocity"].values[at["field"].values > 0, 0])
        assert any(len(y) == len(speed) and np.allclose(y, speed) for y in drawn)
    texts = [t.get_text() for t in figure.axes[0].get_legend().get_texts()]
    assert any("classical" in t for t in texts)
    two = [d.isel(carrier=[0, 0], direction=[0]).assign_coords(carrier=["a", "b"]) for d in (right, wrong)]
    columns = plot_comparison([(two[0], two[1])]).axes[:2]
    assert [ax.get_title().splitlines()[-1].split(",")[0] for ax in columns] == ["a", "b"]
    with pytest.raises(StoreError, match="no such temperature"):
        plot_comparison([(right, wrong)], temperatures=[123])
    with pytest.raises(StoreError, match="not the same"):
        plot_comparison([(right, wrong.isel(field=slice(0, 2)))])


def test_commands(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("chain.yaml").write_text(json.dumps(CHAIN))

    def call(*arguments: str) -> int:
        try:
            main(list(arguments))
        except SystemExit as stop:
            return int(stop.code or 0)
        return 0

    assert call("check", "chain.yaml", "--classical") == 0
    assert "diagnostic" in capsys.readouterr().out
    assert call("catalog", "chain.yaml", "--classical", "--field", "1e8", "0", "0") == 0
    assert call("exact", "chain.yaml", "--classical") == 0
    assert call("run", "chain.yaml", "-q", "--no-plot") == 0
    assert call("run", "chain.yaml", "-q", "--no-plot", "--classical") == 0
    assert Path("chain-classical.h5").exists()
    assert call("plot", "chain.h5", "chain-classical.h5") == 0
    assert Path("chain-and-chain-classical.png").exists()
    plain = {**CHAIN, "hops": [{k: v for k, v in CHAIN["hops"][0].items() if k != "classical_response"}]}
    Path("plain.yaml").write_text(json.dumps(plain))
    capsys.readouterr()
    assert call("check", "plain.yaml", "--classical") == 2
    assert "has no classical response" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"field_response": "classical", "classical_response": None}, "no classical response to take"),
        ({"classical_response": {"charge": 2}}, "d_ma"),
        ({"classical_response": {"charge": 2, "d_ma": -1}}, "d_ma"),
        (
            {"classical_response": {"charge": 2, "d_ma": [0.6, 0, 0], "hop": [1, 0, 0]}},
            "no hop along this vector",
        ),
        ({"field_response": "point charge"}, "field_response"),
    ],
)
def test_wrong_inputs_are_named(change: dict[str, object], message: str) -> None:
    hop = {k: v for k, v in (CHAIN["hops"][0] | change).items() if v is not None}
    with pytest.raises(InputError, match=message):
        load_model_text(json.dumps(CHAIN | {"hops": [hop]}))


def test_a_polaron_of_two_states_has_no_classical_response() -> None:
    hop = CHAIN["hops"][0] | {
        "barrier": {"rule": "marcus_adiabatic", "lambda": 1.0, "V_AB": 0.1},
        "field_response": "classical",
    }
    model = load_model_text(json.dumps(CHAIN | {"hops": [hop]}))
    with pytest.raises(InputError, match="field acts through dH alone"):
        build_catalog(model, temperature=500, field=[0.01, 0, 0])


def test_q_eqv_cannot_be_the_transported_charge() -> None:
    """The charge of W is the carrier's; whatever Q_eqv a response states, the work of the whole hop stays."""
    base = load_model(INPUTS / "mgo_vacancy.yaml")
    field = [0.01, 0.02, -0.03]
    work = build_catalog(base, temperature=1000, field=field).work
    text = (INPUTS / "mgo_vacancy.yaml").read_text()
    d = geometric_first(base)
    for q in (2.07, 2.10, 2.14):
        vector = (1.40 * d / np.linalg.norm(d)).tolist()
        model = load_model_text(
            text.replace("field_response: midpoint", f"field_response: {{q_eqv: {q}, d_ma: {vector}}}")
        )
        np.testing.assert_array_equal(build_catalog(model, temperature=1000, field=field).work, work)


def geometric_first(model) -> np.ndarray:
    return np.array(model.network.vector[0])
