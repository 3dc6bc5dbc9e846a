"""Barriers that almost close their loops, adjusted within what the user allows (``reconcile``)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..model.model import Carrier, Structure
from ..model.reconcile import Link, Loop, close_loops, worst_loop
from .document import Document
from .hops import HopGroup
from .saddles import Saddle
from .schema.barriers import BarrierPair, ReconcileInput
from .schema.base import Measured

__all__ = ["reconcile"]

CLOSED = 1e-6
"""eV; loops that gain less are closed already."""
_SHOWN = 12


@dataclass(frozen=True, kw_only=True)
class _Change:
    """One number of the input and what it becomes, eV."""

    name: str
    given: float
    change: float
    stderr: float

    def __str__(self) -> str:
        return (
            f"{self.name} {1e3 * self.given:.4g} -> {1e3 * (self.given + self.change):.4g} meV "
            f"({self.change / self.stderr:+.2f} standard uncertainties)"
        )


@dataclass(frozen=True)
class _Entry:
    """A saddle with barriers both ways."""

    group: HopGroup
    saddle: Saddle
    name: str

    @property
    def pair(self) -> BarrierPair:
        assert isinstance(self.saddle.barrier, BarrierPair)
        return self.saddle.barrier

    def link(self, node: np.ndarray, uncertainty: float) -> Link:
        bonds = [(int(node[i]), int(node[j])) for i, j, _ in self.group.bonds.forward]
        return Link(
            bonds=bonds,
            difference=self.pair.forward.value - self.pair.reverse,
            stderr=np.sqrt(2) * self.stderr(uncertainty),  # of the difference of two barriers
            fixed=self.group.bonds.own_reverse or bonds[0][0] == bonds[0][1],
        )

    def stderr(self, uncertainty: float) -> float:
        return self.pair.forward.stderr or uncertainty


def reconcile(
    asked: ReconcileInput | None,
    groups: Sequence[HopGroup],
    energies: Sequence[dict[str, float]],
    carriers: Sequence[Carrier],
    structure: Structure,
    doc: Document,
) -> tuple[list[HopGroup], list[dict[str, float]], list[str]]:
    """Groups and given site energies whose forward and reverse barriers close every loop.

    They are the nearest in the sense of weighted least squares: each barrier and each given site energy moves by as
    few of its standard uncertainties as possible, the two barriers of a hop by the same amount against each other.
    Nothing moves where all loops close. Moves beyond ``asked.within`` are a problem of the input.

    Returns
    -------
    groups, energies : adjusted, or as they were without ``asked``.
    hints : for each carrier what adjusting would change, for the message that refuses its loops; empty when nothing.
    """
    groups, energies = list(groups), [dict(e) for e in energies]
    hints = ["" for _ in carriers]
    for index, carrier in enumerate(carriers):
        entries = [
            _Entry(g, s, f"{g.name}:{s.name}" if s.name else g.name)
            for g in groups
            for s in g.saddles
            if g.carrier == index and isinstance(s.barrier, BarrierPair)
        ]
        uncertainty = 0.03 if asked is None else asked.uncertainty
        node, labels = _nodes(structure, energies[index])
        n_nodes = len(labels) + structure.n_sites
        links = [e.link(node, uncertainty) for e in entries]
        known = [(k, energies[index][label], uncertainty) for k, label in enumerate(labels)]
        # a given energy is a measurement too: a tree of links from one zero would hide what it contradicts
        loop = worst_loop([*links, *_given(known, n_nodes)])
        if loop is None or abs(loop.gain) <= CLOSED:
            continue
        values, differences = close_loops(links, n_nodes, known)
        changes = [
            _Change(
                name=f"{e.name} {way}",
                given=given,
                change=sign * (d - link.difference) / 2,
                stderr=e.stderr(uncertainty),
            )
            for e, link, d in zip(entries, links, differences, strict=True)
            for way, given, sign in (("forward", e.pair.forward.value, 1), ("reverse", e.pair.reverse, -1))
            if d != link.difference
        ] + [
            _Change(name=f"site energy of {label}", given=e, change=float(values[k] - e), stderr=uncertainty)
            for k, (label, (_, e, _)) in enumerate(zip(labels, known, strict=True))
            if abs(values[k] - e) > 1e-12
        ]
        worst = max(changes, key=lambda c: abs(c.change))
        if asked is None:
            hints[index] = (
                f", or let the barriers be adjusted:  reconcile: {{within: {_round_up(abs(worst.change))} meV}}  would "
                f"change {len(changes)} numbers, the largest: {worst}"
            )
            continue
        told = _told(loop, entries, labels)
        if abs(worst.change) > asked.within * (1 + 1e-9):
            doc.add(
                ("reconcile", "within"),
                f"{carrier.name}: closing the loops would change {worst}; the loop that is farthest from closed gains "
                f"{1e3 * loop.gain:.4g} meV: {told}",
                value=f"{1e3 * asked.within:.4g} meV",
                allowed=f">= {_round_up(abs(worst.change))} meV for these barriers",
                remedy="correct the barriers of that loop, or allow more if their errors are that large",
            )
        negative = [c for c in changes if c.given >= 0 > c.given + c.change and not c.name.startswith("site")]
        if negative:
            doc.add(
                ("reconcile",),
                f"{carrier.name}: closing the loops would make a barrier negative: {negative[0]}",
                remedy="correct the barriers of the loop: " + told,
            )
        listing = "; ".join(str(c) for c in sorted(changes, key=lambda c: -abs(c.change / c.stderr))[:_SHOWN])
        more = f"; and {len(changes) - _SHOWN} smaller ones" if len(changes) > _SHOWN else ""
        doc.note(
            f"{carrier.name}: reconciled (the worst loop gained {1e3 * loop.gain:.4g} meV): {listing}{more}"
        )
        energies[index] = {
            label: float(values[k])
            if abs(values[k] - energies[index][label]) > 1e-12
            else energies[index][label]
            for k, label in enumerate(labels)
        }
        _adjust(groups, entries, links, differences)
    return groups, energies, hints


def _nodes(structure: Structure, given: dict[str, float]) -> tuple[np.ndarray, list[str]]:
    """(n_sites,) node of each site: sites of a label with a given energy share one, which come first."""
    labels = list(given)
    own = iter(range(len(labels), len(labels) + structure.n_sites))
    return np.array([labels.index(x) if x in given else next(own) for x in structure.labels]), labels


def _given(known: Sequence[tuple[int, float, float]], n: int) -> list[Link]:
    """Given energies as links from one more node, for `worst_loop`."""
    return [Link(bonds=[(n, k)], difference=e, stderr=s) for k, e, s in known]


def _told(loop: Loop, entries: Sequence[_Entry], labels: Sequence[str]) -> str:
    names = [e.name for e in entries] + [f"site energy of {label}" for label in labels]
    return ", ".join(
        f"{names[s.link]} {'forward' if s.sign > 0 else 'backward'}" for s in loop.steps[:_SHOWN]
    )


def _round_up(change: float) -> str:
    """meV, with two digits, not below ``change`` (eV)."""
    mev = 1e3 * change
    step = 10.0 ** (np.floor(np.log10(mev)) - 1)
    return f"{np.ceil(mev / step - 1e-9) * step:.4g}"


def _adjust(
    groups: list[HopGroup], entries: Sequence[_Entry], links: Sequence[Link], differences: np.ndarray
) -> None:
    new: dict[int, Saddle] = {}
    for e, link, difference in zip(entries, links, differences, strict=True):
        if difference == link.difference:
            continue
        half = (float(difference) - link.difference) / 2
        forward, reverse = e.pair.forward, e.pair.reverse
        pair = e.pair.model_copy(
            update={
                "forward": Measured(forward.value + half, forward.stderr),
                "reverse": forward.value + half - float(difference),
            }
        )
        log = (
            f"barriers reconciled: given {forward.value:.6g} and {reverse:.6g} eV, used {pair.forward.value:.6g} and "
            f"{pair.reverse:.6g} eV"
        )
        new[id(e.saddle)] = replace(
            e.saddle, barrier=pair, given=(forward.value, reverse), log=(*e.saddle.log, log)
        )
    for k, group in enumerate(groups):
        if any(id(s) in new for s in group.saddles):
            groups[k] = replace(group, saddles=tuple(new.get(id(s), s) for s in group.saddles))
