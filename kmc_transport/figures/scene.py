"""What a picture of the lattice holds: cells, sites, hops, and how they lie to whoever looks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from ..errors import InputError
from ..model.model import Model
from ..model.ways import find_ways
from ..ndarrays import BoolArray, FloatArray, IntArray

__all__ = ["Scene", "make_scene", "supercell_scene"]

MOST_SITES = 4000
"""More would be a grey field."""
_USUAL_CELLS = {1: 6, 2: 3, 3: 1}
"""Cells along each direction that the hops lead through, by the number of such directions."""
_OBLIQUE = (25.0, 14.0)
"""Degrees: turn about the vertical, and height of the eye, of a picture of three dimensions."""


_NEAR = 0.3
"""Å: sites that lie nearer in the picture hide each other."""


def _tilted(turn: float, height: float) -> FloatArray:
    """Rotation that turns the top towards the eye, after a turn about the vertical; degrees."""
    (c, s), (ch, sh) = ((np.cos(np.radians(x)), np.sin(np.radians(x))) for x in (turn, height))
    return np.array([[1, 0, 0], [0, ch, sh], [0, -sh, ch]]) @ np.array([[c, 0, -s], [0, 1, 0], [s, 0, c]])


_TILT = _tilted(12.0, 38.0)
"""Of layers whose sites would hide each other."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Scene:
    """Positions in Å, Cartesian. view : (3, 3) rows are the directions right, up and towards the eye.

    sites : (n, 3); label : (n,) index into ``labels``; ghost : (n,) a site beyond the cells, that a hop reaches.
    segments : (m, 2, 3) ends of the hops, one of each pair of directions; hop_class : (m,). corners : (k, 2, 3) edges
    of the cells. dimensions : in how many the hops lead through the crystal.
    """

    view: FloatArray
    labels: tuple[str, ...]
    sites: FloatArray
    label: IntArray
    ghost: BoolArray
    segments: FloatArray
    hop_class: IntArray
    corners: FloatArray
    dimensions: int

    def flat(self, positions: FloatArray) -> FloatArray:
        """(..., 2) as they lie in the picture, Å."""
        return np.asarray(positions @ self.view[:2].T)

    def depth(self, positions: FloatArray) -> FloatArray:
        """(...,) distance towards the eye, Å."""
        return np.asarray(positions @ self.view[2])


def make_scene(
    model: Model, cells: Sequence[int] | None = None, view: tuple[float, float] | None = None
) -> Scene:
    """Cells of a model with its sites and all hops that begin in them.

    cells : along the three cell vectors; some by default. view : degrees about the vertical and of height; by default
    one looks straight at layers and along no chain. Raises InputError for too many cells.
    """
    span = _span(model)
    rank = round(float(np.trace(span)))
    numbers = tuple(cells) if cells is not None else _cells(model, span, rank)
    return _scene(model, numbers, _view(model, span, rank, view), rank, hops=True)


def supercell_scene(model: Model, view: tuple[float, float] | None = None) -> Scene:
    """All sites of the supercell, in the order of their numbers, for carriers on them.

    Raises InputError where they are too many.
    """
    span = _span(model)
    rank = round(float(np.trace(span)))
    return _scene(model, model.supercell, _view(model, span, rank, view), rank, hops=False)


def _scene(model: Model, numbers: Sequence[int], view: FloatArray, rank: int, *, hops: bool) -> Scene:
    s, net = model.structure, model.network
    count = math.prod(numbers) * s.n_sites
    if count > MOST_SITES or min(numbers) < 1:
        raise InputError(
            "these are too many sites for a picture"
            if count > MOST_SITES
            else "a picture has one cell at least",
            key="--cells" if hops else "supercell",
            value=" ".join(map(str, numbers)),
            allowed=f"1 to {MOST_SITES} sites ({s.n_sites} in a cell)",
            remedy="draw fewer cells"
            if hops
            else "draw an input with a smaller supercell, by --set supercell=...",
        )
    labels = tuple(dict.fromkeys(s.labels))
    number = np.array([labels.index(one) for one in s.labels])
    places = np.array(list(product(*(range(n) for n in numbers))))
    sites = (places @ s.lattice)[:, None] + s.cart[None]
    known = {(*p, i): None for p in map(tuple, places.tolist()) for i in range(s.n_sites)}
    ghosts: dict[tuple[int, ...], None] = {}
    segments, classes = [], []
    for h in np.flatnonzero(net.orientation > 0) if hops else ():
        for place in places:
            target = (*(place + net.cell[h]).tolist(), int(net.target[h]))
            if target not in known:
                ghosts[target] = None
            start = place @ s.lattice + s.cart[net.origin[h]]
            end = np.array(target[:3]) @ s.lattice + s.cart[target[3]]
            segments.append((start, end))
            classes.append(int(net.hop_class[h]))
    extra = [np.array(g[:3]) @ s.lattice + s.cart[g[3]] for g in ghosts]
    own = sites.reshape(-1, 3)
    return Scene(
        view=view,
        labels=labels,
        sites=np.concatenate([own, np.reshape(extra, (-1, 3))]),
        label=np.concatenate([np.tile(number, len(places)), [number[g[3]] for g in ghosts]]).astype(np.int64),
        ghost=np.concatenate([np.zeros(len(own), bool), np.ones(len(extra), bool)]),
        segments=np.reshape(segments, (-1, 2, 3)),
        hop_class=np.array(classes, np.int64),
        corners=_edges(s.lattice, numbers, rank),
        dimensions=rank,
    )


def _span(model: Model) -> FloatArray:
    """(3, 3) projector on the directions that the hops of any species lead through."""
    total = find_ways(model).span.sum(axis=0)
    _, size, axes = np.linalg.svd(total)
    axes = axes[size > 1e-9]
    return np.asarray(axes.T @ axes)


def _cells(model: Model, span: FloatArray, rank: int) -> tuple[int, ...]:
    unit = model.structure.lattice / np.linalg.norm(model.structure.lattice, axis=1)[:, None]
    along = np.einsum("ki,ij,kj->k", unit, span, unit) > 0.3
    few = max(1, round(_USUAL_CELLS.get(rank, 2) / max(1, model.structure.n_sites / 8) ** (1 / max(rank, 1))))
    return tuple(few if a and p else 1 for a, p in zip(along, model.structure.periodic, strict=True))


def _view(model: Model, span: FloatArray, rank: int, angles: tuple[float, float] | None) -> FloatArray:
    a = model.structure.lattice[0] / np.linalg.norm(model.structure.lattice[0])
    if angles is None and rank in (1, 2):
        _, axes = np.linalg.eigh(span)  # ascending: what no hop leads along comes first
        if rank == 1:
            right = axes[:, 2] * np.sign(axes[np.argmax(abs(axes[:, 2])), 2])
            other = model.structure.lattice[int(np.argmin(abs(model.structure.lattice @ right)))]
            up = other - (other @ right) * right
        else:
            right = span @ a
            if np.linalg.norm(right) < 0.3:
                right = span @ model.structure.lattice[1]
            up = np.cross(axes[:, 0] * np.sign(axes[np.argmax(abs(axes[:, 0])), 0]), right)
        right, up = right / np.linalg.norm(right), up / np.linalg.norm(up)
        straight = np.stack([right, up, np.cross(right, up)])
        return _TILT @ straight if rank == 2 and _hidden(model, straight) else straight
    turn, height = np.radians(angles or _OBLIQUE)
    # a to the right, the third vector up as far as may be
    up = np.cross(a, model.structure.lattice[1])
    up /= np.linalg.norm(up)
    frame = np.stack([a, np.cross(up, a), up])
    right = np.array([np.cos(turn), np.sin(turn), 0.0])
    eye = np.array([np.sin(turn) * np.cos(height), -np.cos(turn) * np.cos(height), np.sin(height)])
    return np.stack([right, np.cross(eye, right), eye]) @ frame


def _hidden(model: Model, view: FloatArray) -> bool:
    """Whether a site lies behind another."""
    flat = model.structure.cart @ view[:2].T
    apart = np.linalg.norm(flat[:, None] - flat[None], axis=2)
    return bool((apart[np.triu_indices(len(flat), 1)] < _NEAR).any())


def _edges(lattice: FloatArray, numbers: Sequence[int], rank: int) -> FloatArray:
    """Edges of the first cell, and of all cells together."""
    edges = []
    for size in ((1, 1, 1), tuple(numbers)):
        for axis in range(3):
            others = [k for k in range(3) if k != axis]
            for ends in product((0, 1), repeat=2):
                start = sum(
                    (e * size[k] * lattice[k] for e, k in zip(ends, others, strict=True)), np.zeros(3)
                )
                edges.append((start, start + size[axis] * lattice[axis]))
    return np.array(edges)
