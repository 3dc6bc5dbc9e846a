"""Where hops lead: axes, channels, carriers that can never pass each other."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from kmc_transport.model.interactions import Disorder, Initial
from kmc_transport.model.model import Model
from kmc_transport.model.ways import find_ways, single_file_lengths
from tests.reference.networks import chain, lattice_gas, make_model


def channels(edges: list, sites: int, supercell: tuple[int, int, int], **kw: object) -> Model:
    frac = [[0, 0.2 * i, 0] for i in range(sites)]
    return make_model(np.diag([3.0, 9, 9]), frac, edges, counts=(3,), supercell=supercell, **kw)  # type: ignore[arg-type]


ALONG = (0, 0, (1, 0, 0), 1.0)


@pytest.mark.parametrize(
    ("model", "ordered"),
    [
        (chain([1.0, 2.0, 3.0], counts=(3,), supercell=(4, 1, 1)), True),
        (channels([ALONG], 1, (9, 1, 1)), True),
        (channels([ALONG], 1, (9, 2, 1)), False),  # two channels
        (channels([ALONG, (0, 1, (0, 0, 0), 1.0)], 2, (9, 1, 1)), False),  # one may wait beside the way
        (channels([ALONG, (1, 1, (1, 0, 0), 1.0)], 2, (9, 1, 1)), False),  # two channels of a cell
        (channels([ALONG, (0, 0, (2, 0, 0), 1.0)], 1, (9, 1, 1)), False),  # jumps over the next one
        (channels([ALONG], 2, (9, 1, 1)), False),  # a place that no hop leads to
        (lattice_gas("square", 4, 3), False),
    ],
    ids=["chain", "one", "two cells", "pocket", "two in a cell", "long hops", "lonely site", "square"],
)
def test_only_carriers_of_one_bare_channel_keep_their_order(model: Model, ordered: bool) -> None:
    assert find_ways(model).ordered.tolist() == [ordered]


@pytest.mark.parametrize(
    ("model", "length"),
    [
        (channels([ALONG], 1, (9, 1, 1)), 27.0),
        (channels([ALONG], 1, (9, 2, 1)), 27.0),  # two channels
        (channels([ALONG, (1, 1, (1, 0, 0), 1.0)], 2, (9, 1, 1)), 27.0),
        (channels([(0, 0, (1, 1, 0), 1.0)], 1, (4, 6, 1)), 12 * np.hypot(3, 9)),  # closes after both
        (channels([ALONG, (0, 1, (0, 0, 0), 1.0)], 2, (9, 1, 1)), 0.0),  # a place to let others pass
        (channels([ALONG, (0, 0, (2, 0, 0), 1.0)], 1, (9, 1, 1)), 0.0),
        (lattice_gas("square", 4, 3), 0.0),
        (chain([1.0, 2.0], counts=(1,), supercell=(4, 1, 1)), 0.0),  # alone
    ],
    ids=["one", "two cells", "two in a cell", "diagonal", "pocket", "long hops", "square", "alone"],
)
def test_rings_of_a_single_file(model: Model, length: float) -> None:
    assert single_file_lengths(model) == pytest.approx([length])


def test_one_carrier_in_each_channel_is_no_file() -> None:
    model = channels([ALONG], 1, (4, 3, 1))
    for start, length in (
        (Initial(), 12.0),
        (Initial(equal_networks=True), 0.0),
        (Initial("given", ((0, 1, 2),)), 0.0),
        (Initial("given", ((0, 1, 3),)), 12.0),
    ):
        assert single_file_lengths(dataclasses.replace(model, initial=start)) == pytest.approx([length])


def test_a_carrier_alone_sees_the_cell_several_see_the_supercell() -> None:
    alone, several = (chain([1.0, 2.0], counts=(n,), supercell=(10, 1, 1)) for n in (1, 2))
    assert np.allclose(find_ways(alone).repeat, np.diag([1 / 2, 0, 0]))
    assert np.allclose(find_ways(several).repeat, np.diag([1 / 20, 0, 0]))
    quenched = dataclasses.replace(alone, disorder=Disorder(None, None, np.arange(20) == 3))
    assert np.allclose(find_ways(quenched).repeat, np.diag([1 / 20, 0, 0]))


def test_reciprocal_vectors_of_a_skew_cell() -> None:
    lattice = np.array([[3.0, 0, 0], [1.0, 2.0, 0], [0.5, 0.3, 4.0]])
    model = make_model(lattice, [[0, 0, 0]], [ALONG], counts=(2,), supercell=(2, 3, 4))
    repeat = find_ways(model).repeat
    assert np.allclose(repeat @ (lattice * [[2], [3], [4]]).T, np.eye(3))
