"""Differences that do not close their loops: the nearest ones that do."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from kmc_transport.model.reconcile import Link, close_loops, worst_loop


def residual(links: list[Link], differences: np.ndarray, n: int) -> float:
    """Largest sum round a loop, from an independent null space of the incidence matrix."""
    rows = [(i, j, d) for link, d in zip(links, differences, strict=True) for i, j in link.bonds]
    incidence = np.zeros((len(rows), n))
    for r, (i, j, _) in enumerate(rows):
        incidence[r, j] += 1
        incidence[r, i] -= 1
    d = np.array([d for *_, d in rows])
    return float(np.abs(d - incidence @ np.linalg.lstsq(incidence, d, rcond=None)[0]).max(initial=0))


@st.composite
def graphs(draw: st.DrawFn) -> tuple[list[Link], int]:
    n = draw(st.integers(2, 7))
    sites = st.integers(0, n - 1)
    energies = st.floats(-1, 1).map(lambda x: round(x, 6))
    links = [
        Link(
            bonds=[(draw(sites), draw(sites))],
            difference=draw(energies),
            stderr=draw(st.floats(0.005, 0.2)),
        )
        for _ in range(draw(st.integers(1, 12)))
    ]
    return [
        link if link.bonds[0][0] != link.bonds[0][1] else Link(**{**vars(link), "fixed": True})
        for link in links
    ], n


@settings(max_examples=80, deadline=None)
@given(graphs())
def test_loops_close_and_stay_closed(graph: tuple[list[Link], int]) -> None:
    links, n = graph
    energies, differences = close_loops(links, n)
    assert residual(links, differences, n) < 1e-12
    again = [Link(**{**vars(x), "difference": d}) for x, d in zip(links, differences, strict=True)]
    np.testing.assert_array_equal(close_loops(again, n)[1], differences)
    loop = worst_loop(again)
    assert loop is None or abs(loop.gain) < 1e-12
    assert energies.min() == 0


@settings(max_examples=60, deadline=None)
@given(graphs(), st.lists(st.floats(-1, 1), min_size=7, max_size=7))
def test_nothing_changes_where_nothing_is_wrong(graph: tuple[list[Link], int], energy: list[float]) -> None:
    links, n = graph
    right = [Link(**{**vars(x), "difference": energy[x.bonds[0][1]] - energy[x.bonds[0][0]]}) for x in links]
    np.testing.assert_array_equal(close_loops(right, n)[1], [x.difference for x in right])


@settings(max_examples=60, deadline=None)
@given(graphs())
def test_the_worst_loop_is_one(graph: tuple[list[Link], int]) -> None:
    links, n = graph
    loop = worst_loop(links)
    if loop is None:
        assert residual(links, close_loops(links, n)[1], n) < 1e-12
        return
    if not links[loop.steps[0].link].fixed:
        ends = [links[s.link].bonds[0][:: s.sign] for s in loop.steps]
        assert all(a[1] == b[0] for a, b in zip(ends, ends[1:] + ends[:1], strict=True))
    gain = sum(s.sign * links[s.link].difference for s in loop.steps)
    assert gain == pytest.approx(loop.gain, abs=1e-12)


def test_the_changes_are_the_smallest_in_units_of_their_uncertainties() -> None:
    links = [
        Link(bonds=[(0, 1)], difference=0.03, stderr=0.01),
        Link(bonds=[(0, 1)], difference=0.05, stderr=0.02),
        Link(bonds=[(1, 2)], difference=0.10, stderr=0.01),
        Link(bonds=[(2, 0)], difference=-0.10, stderr=0.03),
    ]
    known = [(0, 0.0, 0.01), (2, 0.2, 0.05)]

    def cost(x: np.ndarray) -> float:
        steps = sum(
            ((x[x_.bonds[0][1]] - x[x_.bonds[0][0]] - x_.difference) / x_.stderr) ** 2 for x_ in links
        )
        return steps + sum(((x[i] - e) / s) ** 2 for i, e, s in known)

    best = minimize(cost, np.zeros(3), tol=1e-14, method="BFGS").x
    energies, differences = close_loops(links, 3, known)
    np.testing.assert_allclose(energies, best, atol=1e-7)
    np.testing.assert_allclose(differences[:2], best[1] - best[0], atol=1e-7)


def test_a_class_of_many_bonds_counts_once() -> None:
    ring = [(0, 1), (2, 1), (2, 3), (0, 3)]
    links = [
        Link(bonds=ring, difference=0.1, stderr=0.01),
        Link(bonds=ring, difference=0.2, stderr=0.01),
    ]
    _, differences = close_loops(links, 4)
    np.testing.assert_allclose(differences, 0.15, atol=1e-14)
