"""Axes of composition in the input: expressions, rounding to whole carriers, refusals."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kmc_transport.errors import InputError
from kmc_transport.input import load_model_text
from kmc_transport.input.expressions import is_expression, parse_expression
from kmc_transport.input.rounding import Amount, whole_numbers
from kmc_transport.model import Model
from kmc_transport.runs.grid import grid_points
from kmc_transport.seeds import system_root

INPUT = """
structure:
  lattice: {a: 4, b: 4, c: 4}
  sites: {A: [[0, 0, 0]], B: [[0.5, 0.5, 0.5]]}
supercell: [4, 4, 4]
carriers:
  ion: {charge: 1, sites: [A], fraction: x}
  hole: {charge: -2, sites: [B], fraction: x/2}
hops:
  - {carrier: ion, between: [A, A], distance: 4, barrier: 0.3 eV, attempt_frequency: 1 THz}
  - {carrier: hole, between: [B, B], distance: 4, barrier: 0.3 eV, attempt_frequency: 1 THz}
conditions:
  temperature: [300, 400]
  composition: {x: [0.1, 0.25]}
"""


def model(*changes: tuple[str, str]) -> Model:
    text = INPUT
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return load_model_text(text, "a.yaml")


def counts(found: Model) -> list[list[int]]:
    return [[c.count for c in s.carriers] for s in found.systems]


@pytest.mark.parametrize(
    ("text", "value"),
    [("x/4", 0.05), ("2*(x + y)", 2.4), ("1 - x", 0.8), ("-y + 3", 2.0), ("x", 0.2), ("1/4", 0.25)],
)
def test_expressions(text: str, value: float) -> None:
    assert is_expression(text)
    assert parse_expression(text).value({"x": 0.2, "y": 1.0}) == pytest.approx(value, rel=1e-15)


@pytest.mark.parametrize(
    "text", ["x**2", "f(x)", "x.real", "x if x else 1", "x[0]", "(x", "x +", "x y", "__import__('os')"]
)
def test_nothing_else_is_an_expression(text: str) -> None:
    with pytest.raises(ValueError, match=r"it has|it breaks off|none of them"):
        parse_expression(text)


@pytest.mark.parametrize("number", ["0.1", "1e-3", "0.1 %", "5 eV", 0.1])
def test_numbers_are_no_expressions(number: object) -> None:
    assert not is_expression(number)


def test_every_composition_is_a_system_with_whole_neutral_carriers() -> None:
    found = model()
    assert found.axes == {"x": (0.1, 0.25)}
    assert counts(found) == [[6, 3], [16, 8]]  # of 6.4 and 3.2; 16 and 8
    assert [c.count for c in found.carriers] == [6, 3]
    assert found.system(x=0.25) is found.systems[1]
    two = model(("x/2", "x/2*z"), ("x: [0.1, 0.25]", "x: 0.25, z: {from: 1, to: 2, points: 3}"))
    assert list(two.axes) == ["x", "z"]
    assert [s.coordinates for s in two.systems] == [(("x", 0.25), ("z", z)) for z in (1.0, 1.5, 2.0)]
    assert counts(two) == [[16, 8], [16, 12], [16, 16]]  # charged ones are rounded by themselves


def test_counts_and_the_automatic_supercell() -> None:
    fixed = model(
        ("fraction: x}", "count: 2*n}"), ("fraction: x/2", "count: n"), ("x: [0.1, 0.25]", "n: [3, 5]")
    )
    assert counts(fixed) == [[6, 3], [10, 5]]
    grown = model(("supercell: [4, 4, 4]\n", ""))
    assert all(
        c.count / grown.n_cells == pytest.approx(f * x, rel=0.02)
        for s, x in zip(grown.systems, (0.1, 0.25), strict=True)
        for c, f in zip(s.carriers, (1, 0.5), strict=True)
    )


def test_points_of_a_composition_have_keys_of_their_own_and_grow_with_the_axis() -> None:
    keys = {p.key for p in grid_points(model(), 7)}
    more = {p.key for p in grid_points(model(("[0.1, 0.25]", "[0.05, 0.1, 0.25]")), 7)}
    assert len(keys) == 4
    assert keys < more
    other = {p.key for p in grid_points(model(("fraction: x/2", "fraction: x/2 + 2/64")), 7)}
    assert not keys & other


@given(
    exact=st.lists(st.floats(1, 300), min_size=1, max_size=3),
    charges=st.lists(st.sampled_from([1, 2, 3, -1, -2, 0.5, 1.5]), min_size=3, max_size=3),
    counter=st.sampled_from([1, 2, 3, 4]),
    shared=st.booleans(),
)
@settings(max_examples=150, deadline=None)
def test_rounding_keeps_charge_and_sums(
    exact: list[float], charges: list[float], counter: int, shared: bool
) -> None:
    amounts = [
        Amount(n, q, frozenset("A" if shared else f"A{k}"))
        for k, (n, q) in enumerate(zip(exact, charges, strict=False))
    ]
    charge = sum(a.exact * a.charge for a in amounts)
    if abs(charge) < counter:
        return
    amounts.append(Amount(abs(charge) / counter, -counter if charge > 0 else counter, frozenset("Z")))
    numbers = whole_numbers(amounts)
    assert numbers is not None
    assert sum(n * a.charge for n, a in zip(numbers, amounts, strict=True)) == 0
    assert all(n >= 1 and abs(n - a.exact) <= 9 for n, a in zip(numbers, amounts, strict=True))


@given(x=st.floats(0.01, 0.99), sites=st.integers(20, 500))
@settings(max_examples=100, deadline=None)
def test_rounding_keeps_a_lattice_filled(x: float, sites: int) -> None:
    """Parts x and 1 - x of the same sites, and charges that balance a third species elsewhere."""
    parts = [Amount(x * sites, 0.0, frozenset("A")), Amount((1 - x) * sites, 0.0, frozenset("A"))]
    assert sum(whole_numbers(parts) or []) == sites
    doped = [Amount(x * sites, -1.0, frozenset("A")), Amount((1 - x) * sites, 0.0, frozenset("A"))]
    doped.append(Amount(x * sites / 2, 2.0, frozenset("O")))
    numbers = whole_numbers(doped)
    assert numbers is not None
    assert numbers[0] + numbers[1] == sites
    assert numbers[0] == 2 * numbers[2]


def test_rounding_takes_the_nearest() -> None:
    """Against all whole numbers near the exact ones."""
    for exact in (3.3, 7.5, 12.5, 31.25):
        amounts = [Amount(exact, 2.0, frozenset("A")), Amount(2 * exact / 3, -3.0, frozenset("B"))]
        best = min(
            ((a - exact) ** 2 + (b - 2 * exact / 3) ** 2, a, b)
            for a in range(1, 60)
            for b in range(1, 60)
            if 2 * a == 3 * b
        )
        assert whole_numbers(amounts) == list(best[1:])


@pytest.mark.parametrize(
    ("old", "new", "key", "message", "remedy"),
    [
        ("fraction: x}", "fraction: y}", "carriers.ion.fraction", "'y' has no value", "y: [0.02, 0.05]"),
        ("fraction: x/2", "fraction: X/2", "carriers.hole.fraction", "'X' has no value", ""),
        ("x/2", "x/(2", "carriers.hole.fraction", "cannot be read", "for example x"),
        ("x/2", "x**2", "carriers.hole.fraction", "cannot be read", "for example x"),
        ("[0.1, 0.25]", "[0.001, 0.25]", "carriers.ion.fraction", "at x = 0.001 the number of 'ion' rounds to",
         "larger supercell"),
        ("[0.1, 0.25]", "[0, 0.25]", "carriers.ion.fraction", "is 0, and only species that do not move",
         "leave this composition out"),
        ("[0.1, 0.25]", "[0.1, 1.5]", "carriers.ion.fraction", "more than the 64 sites", "change the expression"),
        ("x/2", "x/2 - 1", "carriers.hole.fraction", "is negative", "change the expression"),
        ("x/2", "1/(x - 0.1)", "carriers.hole.fraction", "no finite number", "change the expression"),
        ("[0.1, 0.25]}", "[0.1, 0.25], z: 2}", "conditions.composition.z", "names 'z'", "remove it"),
        ("{x: [0.1, 0.25]}", "{x: [0.1, 0.25], temperature: 2}", "conditions.composition.temperature",
         "of this name", "x_temperature"),
        ("{x: [0.1, 0.25]}", "{x: [0.1, 0.25], x-1: 2}", "conditions.composition.x-1", "letters", "rename"),
        ("fraction: x}", "count: 3}", "conditions.composition", "cannot be neutral", "change the composition"),
        ("[300, 400]", "[300, 400]\n  samples: 4", "conditions.samples", "nothing is quenched", "replicas"),
    ],
)  # fmt: skip
def test_refused_before_the_run(old: str, new: str, key: str, message: str, remedy: str) -> None:
    changes = [(old, new)]
    if message == "cannot be neutral":
        changes += [("fraction: x/2", "fraction: x"), ("[0.1, 0.25]", "[0.0234375]")]  # 3 of +1, 1.5 of -2
    with pytest.raises(InputError) as caught:
        model(*changes)
    found = [p for p in caught.value.problems if p.key == key and message in p.message]
    assert found, caught.value
    assert remedy in found[0].remedy
    assert found[0].line
    assert found[0].file == "a.yaml"


def test_a_full_lattice_is_refused_with_its_composition() -> None:
    with pytest.raises(InputError, match="at x = 1 all 128 sites A, B are occupied"):
        model(("[0.1, 0.25]", "[0.1, 1]"), ("x/2", "x"))


DOPED = (
    ("hole: {charge: -2, sites: [B], fraction: x/2}", "hole: {charge: -1, sites: [B], fraction: x, immobile: true}"),
    ("  - {carrier: hole, between: [B, B], distance: 4, barrier: 0.3 eV, attempt_frequency: 1 THz}\n", ""),
    ("fraction: x}", "count: 3}"),
    ("[0.1, 0.25]", "[0, 0.25]"),
)  # fmt: skip


def test_immobile_species_may_be_absent() -> None:
    found = model(*DOPED)
    assert [[c.count for c in s.species] for s in found.systems] == [[3, 0], [3, 16]]
    assert [s.arrangement[0].sites.tolist() == [] for s in found.systems] == [True, False]  # type: ignore[union-attr]
    grown = model(*DOPED, ("count: 3}", "fraction: 0.05}"), ("supercell: [4, 4, 4]\n", ""))
    assert [s.species[1].count for s in grown.systems] == [0, round(grown.n_cells / 4)]
    with pytest.raises(InputError, match="rounds to no carrier at all"):
        model(*DOPED, ("[0, 0.25]", "[0.001, 0.25]"))
    with pytest.raises(InputError, match="all 64 sites A are occupied, so nothing can move"):
        model(*DOPED, ("count: 3", "count: 64"))


def test_a_charge_is_missed_at_the_composition_without_dopants() -> None:
    with pytest.raises(InputError, match=r"at x = 0 the carriers' charges add up to \+3 e"):
        model(*DOPED, ("[0, 0.25]", "[0.046875, 0]"),
              ("conditions:", "interactions: {coulomb: {permittivity: 20, neutral: true}}\nconditions:"),
              ("barrier: 0.3 eV", "barrier: {rule: kra, E_kra: 0.3 eV}"))  # fmt: skip


@pytest.mark.parametrize("x", ["[0, 0.25]", "[0.25, 0]"])
def test_what_is_analysed_must_always_be_there(x: str) -> None:
    binding = "analysis: {binding: [{between: [ion, hole], contact: 3.5 Å}]}\nconditions:"
    with pytest.raises(InputError, match="no carriers 'hole' in this supercell, or not at every composition"):
        model(*DOPED, ("[0, 0.25]", x), ("conditions:", binding))


@pytest.mark.parametrize("x", ["[0.015625, 0.25]", "[0.25, 0.015625]"])
def test_environments_of_the_richest_composition_have_to_be_listed(x: str) -> None:
    """One dopant fills no more than one of the places at x = 1/64; the table needs more at x = 0.25."""
    barrier = (
        "{rule: kra, E_kra: 0.3 eV}, surroundings: {count: [{carrier: hole, distance: [2.7, 3]}], "
        "table: [{counts: [0], E_kra: 0.3 eV}, {counts: [1], E_kra: 0.4 eV}]}"
    )
    with pytest.raises(InputError, match="does not list"):
        model(*DOPED, ("[0, 0.25]", x), ("barrier: 0.3 eV", f"barrier: {barrier}"))


def test_inputs_without_axes_are_what_they_were() -> None:
    plain = model(
        ("fraction: x}", "fraction: 0.1}"),
        ("fraction: x/2", "fraction: 0.05"),
        ("\n  composition: {x: [0.1, 0.25]}", ""),
    )
    assert plain.systems == (plain,)
    assert plain.axes == {}
    assert counts(plain) == [[6, 3]]
    keys = ["ebe8fa0481299f02cfd5", "ca2c4d022de48dd159dd"]  # of a version without such axes
    assert [p.key for p in grid_points(plain, 7)] == keys
    assert system_root(7, plain.coordinates) == 7
