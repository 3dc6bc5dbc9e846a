"""Values of an input replaced in its text."""

from __future__ import annotations

import pytest

from kmc_transport.errors import InputError
from kmc_transport.input import load_model_text
from kmc_transport.input.settings import with_settings
from tests.runs.sweeps import INPUT, sweep_model


def test_values_are_replaced_and_comments_stay() -> None:
    text = INPUT.replace("supercell:", "# the cell\nsupercell:")
    made = with_settings(
        text,
        [
            "conditions.temperature={from: 300, to: 600, points: 4}",
            "conditions.field.magnitude=[0, 1 MV/cm]",
            "sampling.replicas=8",
            "sampling.min_effective_samples=100",
            "hops[0].barrier=0.31 eV",
        ],
    )
    assert "# the cell" in made
    model = load_model_text(made)
    assert model.conditions.temperature.tolist() == [300, 400, 500, 600]
    assert model.conditions.field.tolist() == [0, 0.01]
    assert (model.sampling.replicas, model.sampling.min_effective_samples) == (8, 100)
    assert model.hop_classes[0].barrier_forward == 0.31
    assert model.source.text == made
    assert with_settings(text, []) is text
    same = load_model_text(with_settings(INPUT, ["sampling.seed=3"]))
    assert same.sampling == sweep_model().sampling


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("sampling.replicas", "no setting"),
        ("=8", "no setting"),
        ("sampling.replicas=[1", "not YAML"),
        ("hops[3].barrier=1", r"no item \[3\]"),
        ("title.x=1", "nothing below"),
        ("hops.x=1", "nothing below"),
    ],
)
def test_wrong_settings(setting: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        with_settings(INPUT, [setting])
    assert "--set" in str(caught.value)


def test_an_unknown_key_is_named_by_the_checks_of_the_input() -> None:
    with pytest.raises(InputError, match="replica"):
        load_model_text(with_settings(INPUT, ["sampling.replica=8"]))
    assert with_settings("{", ["a=1"]) == "{"  # is said by them too
