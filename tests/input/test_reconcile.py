"""`reconcile`: barriers that almost close their loops are adjusted, listed, or refused with the loop named."""

from __future__ import annotations

import json

import numpy as np
import pytest

from kmc_transport.errors import InputError
from kmc_transport.exact import solve_exact
from kmc_transport.input import load_model_text
from kmc_transport.rates import build_catalog
from tests.input.model_inputs import document

TRIANGLE = {
    "lattice": {"a": 9.0},
    "periodic": [True, False, False],
    "sites": {"A": [[0, 0, 0]], "B": [["1/3", 0, 0]], "C": [["2/3", 0, 0]]},
    "symmetry": False,
}


def pair(between: str, forward: object, reverse: object) -> dict:
    return {
        "carrier": "p",
        "between": list(between),
        "distance": 3.0,
        "barrier": {"forward": forward, "reverse": reverse},
        "attempt_frequency": "10 THz",
    }


MISSES = [pair("AB", "0.30 ± 0.01 eV", 0.28), pair("BC", "0.35 ± 0.02 eV", 0.30), pair("CA", 0.30, 0.36)]
"""0.02 + 0.05 - 0.06 eV: 10 meV are gained round the loop."""


def text(hops: list[dict], **keys: object) -> str:
    return json.dumps(document(TRIANGLE, hops, **keys))


def test_refused_without_the_key_and_the_text_says_what_it_would_change() -> None:
    with pytest.raises(InputError, match="closed loop") as refused:
        load_model_text(text(MISSES))
    message = str(refused.value)
    assert "reconcile: {within: " in message
    within = message.split("reconcile: {within: ")[1].split(" meV")[0]
    load_model_text(text(MISSES, reconcile={"within": f"{within} meV"}))


def test_the_changes_share_the_gap_by_their_variances() -> None:
    model = load_model_text(text(MISSES, reconcile={"within": "30 meV", "uncertainty": "20 meV"}))
    gap, variances = 0.01, 2 * np.array([0.01, 0.02, 0.02]) ** 2
    for c, given, variance in zip(
        model.hop_classes, ((0.3, 0.28), (0.35, 0.3), (0.3, 0.36)), variances, strict=True
    ):
        change = -gap * variance / variances.sum()
        assert c.given == pytest.approx(given)
        assert c.barrier_forward == pytest.approx(given[0] + change / 2, abs=1e-12)
        assert c.barrier_reverse == pytest.approx(given[1] - change / 2, abs=1e-12)
    assert sum(c.barrier_forward - c.barrier_reverse for c in model.hop_classes) == pytest.approx(
        0, abs=1e-12
    )
    assert any("reconciled" in note and "standard uncertainties" in note for note in model.notes)
    solve_exact(build_catalog(model, temperature=300))


def test_again_changes_nothing() -> None:
    model = load_model_text(text(MISSES, reconcile={"within": "30 meV"}))
    hops = [
        pair(b, c.barrier_forward, c.barrier_reverse)
        for b, c in zip(("AB", "BC", "CA"), model.hop_classes, strict=True)
    ]
    again = load_model_text(text(hops, reconcile={"within": "30 meV"}))
    assert [c.given for c in again.hop_classes] == [None] * 3
    for before, after in zip(model.hop_classes, again.hop_classes, strict=True):
        assert (before.barrier_forward, before.barrier_reverse) == (
            after.barrier_forward,
            after.barrier_reverse,
        )


def test_nothing_wrong_nothing_changed() -> None:
    right = [pair("AB", 0.30, 0.28), pair("BC", 0.35, 0.30), pair("CA", 0.30, 0.37)]
    model, plain = load_model_text(text(right, reconcile={"within": "1 meV"})), load_model_text(text(right))
    assert [c.given for c in model.hop_classes] == [None] * 3
    np.testing.assert_array_equal(model.site_energy, plain.site_energy)
    assert not any("reconciled" in note for note in model.notes)


def test_beyond_the_tolerance_the_worst_loop_is_named() -> None:
    with pytest.raises(InputError, match="farthest from closed gains 10 meV") as refused:
        load_model_text(text(MISSES, reconcile={"within": "0.5 meV"}))
    (problem,) = refused.value.problems
    assert problem.key == "reconcile.within"
    assert all(name in problem.message for name in ("p:A-B#1", "p:B-C#1", "p:C-A#1"))


def test_a_wrong_tolerance_is_the_only_problem() -> None:
    with pytest.raises(InputError, match="negative") as refused:
        load_model_text(text(MISSES, reconcile={"within": "-3 meV"}))
    assert [p.key for p in refused.value.problems] == ["reconcile.within"]


def test_two_links_of_one_pair_of_sites() -> None:
    """As beta-Ga2O3's, with 29 and 42 meV between the same two sites."""
    hops = [pair("AB", 0.300, 0.271), {**pair("BA", 0.442, 0.400), "distance": 6.0}, pair("BC", 0.3, 0.3)]
    hops[1]["barrier"] = {"forward": 0.400, "reverse": 0.442}
    with pytest.raises(InputError, match="reconcile"):
        load_model_text(text(hops))
    model = load_model_text(text(hops, reconcile={"within": "4 meV"}))
    assert model.site_energy[0, 1] - model.site_energy[0, 0] == pytest.approx(0.0355, abs=1e-9)


def test_given_site_energies_are_measurements_too() -> None:
    hops = [pair("AB", 0.30, 0.28), pair("BC", 0.30, 0.30)]
    keys = {"site_energies": {"A": 0, "B": 0.03}}
    with pytest.raises(InputError, match="reconcile"):
        load_model_text(text(hops, **keys))
    model = load_model_text(text(hops, reconcile={"within": "10 meV", "uncertainty": "10 meV"}, **keys))
    # one difference of variance 2 s² from the barriers, one of 2 s² from the energies: they meet in the middle
    assert model.site_energy[0, 1] - model.site_energy[0, 0] == pytest.approx(0.025, abs=1e-12)
    assert model.hop_classes[0].barrier_forward - model.hop_classes[0].barrier_reverse == pytest.approx(0.025)


def test_a_hop_that_is_its_own_reverse_gets_equal_barriers() -> None:
    chain = {"lattice": {"a": 3.0}, "periodic": [True, False, False], "sites": {"A": [[0, 0, 0]]}}
    hops = [pair("AA", 0.300, 0.304)]
    with pytest.raises(InputError, match=r"within: 2 meV"):
        load_model_text(json.dumps(document(chain, hops)))
    model = load_model_text(json.dumps(document(chain, hops, reconcile={"within": "2 meV"})))
    assert (
        model.hop_classes[0].barrier_forward == model.hop_classes[0].barrier_reverse == pytest.approx(0.302)
    )


def test_a_barrier_never_becomes_negative() -> None:
    hops = [pair("AB", 0.001, 0.05), pair("BC", 0.05, 0.001), pair("CA", 0.05, 0.15)]
    with pytest.raises(InputError, match="negative"):
        load_model_text(text(hops, reconcile={"within": "100 meV"}))
