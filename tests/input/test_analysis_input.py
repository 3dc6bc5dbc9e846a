"""The section `analysis`: what it means, and what is refused, with the way out."""

from __future__ import annotations

import pytest

from kmc_transport.errors import InputError
from kmc_transport.input import load_model_text
from kmc_transport.input.settings import with_settings
from kmc_transport.runs.grid import grid_points, model_identity

INPUT = """
format: 1
structure:
  lattice: {a: 4.0, b: 4.0, c: 4.0}
  sites: {A: [[0, 0, 0]], B: [[0.5, 0.5, 0.5]]}
supercell: [4, 4, 4]
carriers:
  ion: {charge: 1, sites: [A], count: 6}
  hole: {charge: -1, sites: [B], count: 6}
hops:
  - {carrier: ion, between: [A, A], distance: 4.0, barrier: 0.3, attempt_frequency: 5 THz}
  - {carrier: hole, between: [B, B], distance: 4.0, barrier: 0.2, attempt_frequency: 5 THz}
analysis:
  flip_pairs: {lags: [1 ps, 10 ps], distances: [3.5, 4.5, 6.0]}
  binding: [{between: [ion, hole], contact: 3.6}, {between: [hole, hole], contact: 4.5, reach: 7}]
  environments: [{carrier: hole, by: ion, shells: [[3.4, 3.6]], arrangement: false}]
  profile: {axis: c, layers_per_cell: 1}
conditions: {temperature: 300}
sampling: {events: 1000, seed: 1}
"""


def test_what_it_means() -> None:
    model = load_model_text(INPUT)
    pairs = model.analysis.flip_pairs
    assert pairs is not None
    assert (pairs.carriers, pairs.lags, pairs.distances) == ((0, 1), (1e-12, 1e-11), (3.5, 4.5, 6.0))
    assert model.observed == ("flip_pairs", "binding", "environments", "profile")
    binding, environment = model.analysis.binding, model.analysis.environments[0]
    assert [(b.between, b.contact, b.reach) for b in binding] == [((0, 1), 3.6, 10.8), ((1, 1), 4.5, 7.0)]
    assert (environment.carrier, environment.by, environment.shells) == (1, 0, ((3.4, 3.6),))
    assert model.analysis.profile is not None
    assert (model.analysis.profile.axis, model.analysis.profile.layers) == (2, 1)
    # it is part of what a point is found by, not of the physics
    other = load_model_text(with_settings(INPUT, ["analysis.flip_pairs.lags=[1 ps]"]))
    assert model_identity(other) == model_identity(model)
    assert grid_points(other, 1)[0].key != grid_points(model, 1)[0].key


REFUSED = {
    "analysis.flip_pairs.carriers=[holes]": "did you mean 'hole'",
    "analysis.flip_pairs.distances=[4.1, 5.0]": "shortest: 4, 5.657",
    "analysis.flip_pairs.distances=[6.0, 3.0]": "ascend",
    "analysis.flip_pairs.distances=[3.5, 100.0]": "<= 60",
    "analysis.flip_pairs.lags=[2 ps, 1 ps]": "ascend",
    "analysis.flip_pairs.lags=[]": "at least 1",
    "analysis={flip_pear: {}}": "flip_pairs",
    "analysis.binding=[{between: [ion, ions], contact: 3.6}]": "did you mean 'ion'",
    "analysis.binding=[{between: [ion], contact: 3.6}]": "at least 2",
    "analysis.binding=[{between: [ion, hole], contact: 3.0}]": "shortest: 3.464",
    "analysis.binding=[{between: [ion, hole], contact: 3.6, reach: 2}]": ">= 3.6",
    "analysis.environments=[{carrier: hole, by: ion, shells: [[3.6, 3.4]]}]": "ascend",
    "analysis.environments=[{carrier: hole, by: ion, shells: [[3.4, 3.6], [3.5, 7]]}]": "overlap",
    "analysis.environments=[{carrier: hole, by: ion, shells: [[3.4, 7]]}]": "at most 14",
    "analysis.environments=[{carrier: hole, by: ion, shells: [[1, 2]]}]": "shortest: 3.464",
    "analysis.environments=[{carrier: hole, by: ion}]": "shells",
    "analysis.profile.axis=x": "a, b, c",
    "analysis.profile={axis: a, layers_per_cell: 0}": ">= 1",
    "supercell=[4, 4, 3]": "four layers",
}


@pytest.mark.parametrize("setting", REFUSED)
def test_refused(setting: str) -> None:
    with pytest.raises(InputError, match="analysis") as caught:
        load_model_text(with_settings(INPUT, [setting]))
    assert REFUSED[setting] in str(caught.value)


def test_species_that_stand_still() -> None:
    """They may surround and bind others; they do not flip."""
    held = with_settings(INPUT, ["freeze=[ion]", "analysis.flip_pairs.carriers=[hole]"])
    model = load_model_text(held)
    assert [c.name for c in model.species] == ["hole", "ion"]
    assert model.analysis.environments[0].by == 1
    assert model.analysis.binding[0].between == (1, 0)
    for setting, said in (
        ("analysis.flip_pairs.carriers=[ion]", "never flip"),
        ("analysis.environments=[{carrier: ion, by: hole, shells: [[3.4, 3.6]]}]", "never flip"),
        ("analysis.binding=[{between: [ion, ion], contact: 4.5}]", "neither of them hops"),
    ):
        with pytest.raises(InputError, match=said):
            load_model_text(with_settings(held, [setting]))
