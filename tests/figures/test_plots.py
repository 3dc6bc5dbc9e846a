"""Pictures: what is drawn, against what axes, with what labels."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from kmc_transport.errors import StoreError
from kmc_transport.figures.comparison import plot_comparison
from kmc_transport.figures.results import plot_results
from kmc_transport.store import build_dataset
from tests.store.results import X, Y, dataset, grid_model

TEMPERATURES = [200, 225, 250, 275, 298, 325, 350, 400, 450, 500]


def panels(figure: Figure) -> list[Axes]:
    return [a for a in figure.axes if a.get_xlabel() and a.get_ylabel()]


def legend(ax: Axes) -> list[str]:
    return [t.get_text() for t in ax.get_legend().get_texts()]


def points(ax: Axes) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """(x, y, half length of the error bar) of each set of markers, in the order of drawing."""
    out = []
    for container in ax.containers:
        line, _, (bars,) = container
        x, y = line.get_data()
        half = np.array([np.ptp(s[:, 1]) / 2 for s in bars.get_segments()])
        out.append((np.asarray(x), np.asarray(y), half))
    return out


def test_mobility_and_velocity(tmp_path: Path) -> None:
    data = dataset(TEMPERATURES, [0, 1e7, 1e8])
    path = tmp_path / "a.png"
    figure = plot_results(data, path)
    assert path.read_bytes().startswith(b"\x89PNG")
    mobility, velocity = panels(figure)
    assert "1000" in mobility.get_xlabel()
    assert "cm$^2$ V$^{-1}$ s$^{-1}$" in mobility.get_ylabel()
    assert mobility.get_yscale() == velocity.get_yscale() == velocity.get_xscale() == "log"
    assert "V m$^{-1}$" in velocity.get_xlabel()

    drawn = points(mobility)
    assert len(drawn) == 3
    expected = [("mobility_einstein", 0.0), ("mobility", 1e7), ("mobility", 1e8)]
    for (x, y, half), (name, field) in zip(drawn, expected, strict=True):
        cell = data.sel(field=field).isel(direction=0, carrier=0)
        assert x == pytest.approx(1000 / np.array(TEMPERATURES))
        assert y == pytest.approx(1e4 * cell[name].values)
        assert half == pytest.approx(1e4 * cell[f"{name}_stderr"].values)
    assert legend(mobility)[:2] == ["hole polaron", "zero field (Einstein)"]
    assert legend(mobility)[-1] == "exact"

    drawn = points(velocity)
    assert len(drawn) == len(TEMPERATURES)
    cell = data.isel(temperature=4, direction=0, carrier=0)
    x, y, half = drawn[4]
    assert x == pytest.approx([1e7, 1e8])
    assert y == pytest.approx(cell["mobility"].values[1:] * x)
    assert half == pytest.approx(cell["mobility_stderr"].values[1:] * x)


def test_order_of_the_temperatures_does_not_matter() -> None:
    data = dataset([300, 400, 500], [0])
    mixed = data.isel(temperature=[2, 0, 1])
    for one, other in zip(
        points(panels(plot_results(data))[0]), points(panels(plot_results(mixed))[0]), strict=True
    ):
        assert np.array_equal(one, other)


def test_temperatures_along_the_top_do_not_touch() -> None:
    figure = plot_results(dataset(TEMPERATURES, [0]))
    (ax,) = panels(figure)
    (top,) = ax.child_axes
    labels = [t.get_text() for t in top.get_xticklabels()]
    assert labels[:2] == ["200", "500"]
    figure.draw_without_rendering()
    boxes = sorted((t.get_window_extent().x0, t.get_window_extent().x1) for t in top.get_xticklabels())
    assert len(boxes) >= 5
    assert all(a[1] < b[0] for a, b in pairwise(boxes))


def test_negative_carriers_are_drawn_as_magnitudes_and_marked() -> None:
    figure = plot_results(dataset(TEMPERATURES, [0, 1e7, 1e8], charges=(1, -1)))
    for ax in panels(figure):
        text = " ".join(legend(ax))
        assert "sodium ion (negative)" in text
        assert "hole polaron (negative)" not in text
        assert all((y > 0).all() for _, y, _ in points(ax))
    colors = {c[0].get_color() for c in panels(figure)[0].containers}
    assert len(colors) == 2


def test_a_sign_that_varies_is_said() -> None:
    data = dataset([300, 400], [0, 1e7])
    data["mobility"].loc[{"temperature": 300}] *= -1
    assert any("sign varies" in t for t in legend(panels(plot_results(data))[0]))


def test_one_temperature_is_drawn_against_the_field() -> None:
    mobility, velocity = panels(plot_results(dataset([300], [0, 1e6, 1e7, 1e8])))
    for ax in (mobility, velocity):
        assert "electric field" in ax.get_xlabel()
        assert "300 K" in ax.get_legend().get_title().get_text()
    assert "zero field (Einstein)" in legend(mobility)


def test_both_panels_mark_a_carrier_alike() -> None:
    data = dataset([300], [0, 1e6, 1e7, 1e8], charges=(1, -1), exact=False)
    marks = []
    for ax in panels(plot_results(data)):
        drawn = [c[0].get_marker() for c in ax.containers]
        legend_marks = [h.get_marker() for h in ax.get_legend().legend_handles[:2]]
        assert drawn == legend_marks
        assert len(set(drawn)) == 2
        marks.append(drawn)
    assert marks[0] == marks[1]


def test_one_field_is_drawn_against_temperature() -> None:
    mobility, velocity = panels(plot_results(dataset(TEMPERATURES, [1e7])))
    assert "1000" in mobility.get_xlabel()
    assert "1000" in velocity.get_xlabel()
    assert "velocity" in velocity.get_ylabel()


def test_single_point_and_missing_exact() -> None:
    for field in (0, 1e7):
        figure = plot_results(dataset([300], [field], exact=False))
        assert len(panels(figure)) == (1 if field == 0 else 2)
        for ax in panels(figure):
            assert "exact" not in " ".join(legend(ax))
            ((_, y, half),) = points(ax)
            assert len(y) == 1
            low, high = ax.get_ylim()
            assert low < y[0] - half[0]
            assert high > y[0] + half[0]
            assert ax.get_yscale() == "linear"  # a decade would hide the error bar


def test_directions_are_rows_and_can_be_chosen() -> None:
    data = dataset([300, 400], [0, 1e7, 1e8], charges=(1, -1), directions=(X, Y))
    assert len(panels(plot_results(data))) == 4
    chosen = plot_results(data, directions=[Y[0]], carriers=["sodium_ion"])
    assert len(panels(chosen)) == 2
    assert any("[0, 1, 0]" in a.get_title(loc="right") for a in chosen.axes)
    assert not any("hole" in t for t in legend(panels(chosen)[0]))
    with pytest.raises(StoreError, match="no such direction"):
        plot_results(data, directions=["[0, 0, 1]"])


def test_many_fields_do_not_bury_each_other() -> None:
    mobility, velocity = panels(
        plot_results(dataset(TEMPERATURES, [0, *np.logspace(5, 8, 20)], charges=(1, -1)))
    )
    assert len(mobility.containers) == 2 * 4
    assert r"$E$ = $10^{8}$ V/m" in legend(mobility)
    assert len(velocity.containers) == 2 * len(TEMPERATURES)


def test_a_sweep_of_twenty_temperatures_shows_all_of_them() -> None:
    temperatures = np.linspace(300, 680, 20)
    figure = plot_results(dataset(temperatures, np.logspace(6, 9, 20)))
    _, velocity = panels(figure)
    assert len(velocity.containers) == 20
    assert all(c.has_yerr and len(c.lines[0].get_xdata()) == 20 for c in velocity.containers)
    assert legend(velocity) == ["hole polaron", "exact"]  # colours tell the temperature
    bar = next(a for a in figure.axes if "K" in a.get_ylabel() and a not in panels(figure))
    ticks = [float(t.get_text()) for t in bar.get_yticklabels()]
    assert ticks == temperatures[::2].tolist()
    assert len({tuple(np.ravel(c.lines[0].get_color())) for c in velocity.containers}) == 20


def test_unfinished_points_are_left_out() -> None:
    data = dataset([300, 400, 500], [0, 1e7, 1e8])
    data["mobility"].loc[{"temperature": 400}] = np.nan
    assert len(points(panels(plot_results(data))[0])[1][0]) == 2


def test_nothing_to_draw_and_nowhere_to_write(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no mobility"):
        plot_results(build_dataset(grid_model([300], [0]), []))
    for name in ("missing/a.png", "a.xyz"):
        with pytest.raises(StoreError, match="could not be written"):
            plot_results(dataset([300], [0]), tmp_path / name)


def test_dollar_signs_in_texts_of_the_user_are_no_formulas(tmp_path: Path) -> None:
    name = "a$^$b"  # no formula that matplotlib could read
    data = dataset([300, 400], [0, 1e7]).assign_coords(carrier=[name]).assign_attrs(title="$\\foo$")
    figure = plot_results(data, tmp_path / "a.png")
    assert figure is not None
    other = dataset([300, 400], [0, 1e7]).assign_attrs(title="$\\foo$")
    plot_comparison([(other, other)], tmp_path / "b.png", labels=(name, "$_{"))


@pytest.mark.parametrize("name", ["a.pgf", "a.raw", "a.txt", "a"])
def test_pictures_whose_maker_could_not_be_told_are_not_drawn(tmp_path: Path, name: str) -> None:
    with pytest.raises(StoreError, match="names no format"):
        plot_results(dataset([300], [1e7]), tmp_path / name)
    assert not list(tmp_path.iterdir())
