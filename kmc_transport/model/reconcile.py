"""Energy differences that almost close their loops, and the nearest ones that do.

Barriers from first principles carry errors, so that round a closed loop of hops forward minus reverse barriers sum to
some meV instead of zero. The nearest consistent set in the sense of weighted least squares are the differences of site
energies that minimise ``sum (change / uncertainty)²``: the normal equations of a weighted graph.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..ndarrays import FloatArray

__all__ = ["Link", "Loop", "close_loops", "worst_loop"]


@dataclass(frozen=True, kw_only=True)
class Link:
    """A class of bonds that asks for one energy difference.

    bonds : (origin, target) sites of each bond; equivalent by symmetry, so that the class counts once.
    difference : energy of the target minus that of the origin, eV. stderr : its standard uncertainty, eV, > 0.
    fixed : the difference is zero by symmetry (a bond that is its own reverse).
    """

    bonds: Sequence[tuple[int, int]]
    difference: float
    stderr: float
    fixed: bool = False


class Step(NamedTuple):
    """One bond of a loop; sign : -1 when it is walked from its target to its origin."""

    link: int
    sign: int


class Loop(NamedTuple):
    """A closed walk along bonds and the energy that is gained on it, eV."""

    steps: tuple[Step, ...]
    gain: float


def close_loops(
    links: Sequence[Link], n_sites: int, known: Sequence[tuple[int, float, float]] = ()
) -> tuple[FloatArray, FloatArray]:
    """Site energies whose differences are nearest to those asked for.

    Parameters
    ----------
    known : (site, energy, standard uncertainty) of energies that are given, eV.

    Returns
    -------
    energies : (n_sites,) eV; the lowest site of a connected part without a given energy lies at 0.
    differences : (n_links,) what each link becomes; those that need no change (to 1e-12 eV) are returned as they were.
    """
    matrix, right = np.zeros((n_sites, n_sites)), np.zeros(n_sites)
    for link in links:
        difference = 0.0 if link.fixed else link.difference
        weight = 1 / (link.stderr**2 * len(link.bonds))
        for i, j in link.bonds:
            if i == j:
                continue
            matrix[[i, j], [i, j]] += weight
            matrix[[i, j], [j, i]] -= weight
            right[j] += weight * difference
            right[i] -= weight * difference
    for site, energy, stderr in known:
        matrix[site, site] += 1 / stderr**2
        right[site] += energy / stderr**2
    given = {site for site, _, _ in known}
    energies = np.zeros(n_sites)
    for part in _parts(links, n_sites):
        members = np.array(sorted(part))
        rest = members[1:] if given.isdisjoint(part) else members  # the first at 0
        if rest.size:
            energies[rest] = np.linalg.solve(matrix[np.ix_(rest, rest)], right[rest])
        if given.isdisjoint(part):
            energies[members] -= energies[members].min()
    differences = np.array([_difference(link, energies) for link in links])
    asked = np.array([link.difference for link in links])
    return energies, np.where(np.abs(differences - asked) <= 1e-12, asked, differences)


def _difference(link: Link, energies: FloatArray) -> float:
    if link.fixed:
        return 0.0
    return float(np.mean([energies[j] - energies[i] for i, j in link.bonds]))


def _parts(links: Sequence[Link], n_sites: int) -> list[set[int]]:
    """Connected parts of the graph, single sites included."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    bonds = np.array([b for link in links for b in link.bonds], dtype=np.int64).reshape(-1, 2)
    graph = coo_array((np.ones(len(bonds)), (bonds[:, 0], bonds[:, 1])), shape=(n_sites, n_sites))
    count, label = connected_components(graph, directed=False)
    parts: list[set[int]] = [set() for _ in range(count)]
    for site, part in enumerate(label):
        parts[part].add(site)
    return parts


def worst_loop(links: Sequence[Link]) -> Loop | None:
    """The loop with the largest gain of those that one bond closes with a spanning tree; None without loops.

    Fixed links and bonds between equal sites are loops of one or two steps of their own.
    """
    neighbours: dict[int, list[tuple[int, int, int]]] = {}  # site -> (other end, link, sign)
    for k, link in enumerate(links):
        for i, j in link.bonds:
            neighbours.setdefault(i, []).append((j, k, 1))
            neighbours.setdefault(j, []).append((i, k, -1))
    value: dict[int, float] = {}
    above: dict[int, tuple[int, Step]] = {}
    for start in sorted(neighbours):
        if start in value:
            continue
        value[start] = 0.0
        queue = deque([start])
        while queue:
            site = queue.popleft()
            for end, k, sign in neighbours[site]:
                if end not in value:
                    value[end] = value[site] + sign * _asked(links[k])
                    above[end] = site, Step(k, sign)
                    queue.append(end)
    loops = [
        (abs(_asked(link) - (value[j] - value[i])), k, i, j)
        for k, link in enumerate(links)
        for i, j in link.bonds
    ]
    fixed = [(abs(link.difference), k, -1, -1) for k, link in enumerate(links) if link.fixed]
    if not loops + fixed:
        return None
    size, k, i, j = max(loops + fixed)
    if size == 0:
        return None
    if i == -1:
        return Loop((Step(k, 1),), links[k].difference)
    back, there = _to_root(j, above), _to_root(i, above)
    while back and there and back[-1] == there[-1]:
        back.pop()
        there.pop()
    # i -> j by the bond, j -> meeting site against the tree's steps, meeting site -> i along them
    walk = [Step(k, 1), *(Step(s.link, -s.sign) for _, s in back), *(s for _, s in reversed(there))]
    return Loop(tuple(walk), _asked(links[k]) - (value[j] - value[i]))


def _asked(link: Link) -> float:
    return 0.0 if link.fixed else link.difference


def _to_root(site: int, above: dict[int, tuple[int, Step]]) -> list[tuple[int, Step]]:
    """(site, step that led to it) from ``site`` up to the root of its tree."""
    steps = []
    while site in above:
        parent, step = above[site]
        steps.append((site, step))
        site = parent
    return steps
