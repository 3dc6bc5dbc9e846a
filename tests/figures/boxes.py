"""Whether anything in a picture covers anything else, by the boxes of its texts."""

from __future__ import annotations

import itertools

from matplotlib.figure import Figure
from matplotlib.text import Text


def overlaps(figure: Figure) -> list[str]:
    """Pairs of texts whose boxes meet, and a legend that covers axes."""
    figure.draw_without_rendering()
    beyond = _beyond_the_axes(figure)
    boxes = []
    for text in figure.findobj(Text):
        assert isinstance(text, Text)
        if text.get_visible() and text.get_text().strip() and text not in beyond:
            box = text.get_window_extent()
            if box.width > 0:
                boxes.append((text.get_text(), box))
    smaller = [(text, box.padded(-1)) for text, box in boxes]
    found = [f"{a!r} on {b!r}" for (a, x), (b, y) in itertools.combinations(smaller, 2) if x.overlaps(y)]
    for legend, ax in itertools.product(figure.legends, figure.axes):
        if legend.get_window_extent().padded(-1).overlaps(ax.get_window_extent()):
            found.append("the legend covers an axis")
    box = figure.bbox.padded(1)
    found += [f"{text!r} is cut off" for text, own in boxes if not (box.x0 <= own.x0 and own.x1 <= box.x1)]
    return found


def _beyond_the_axes(figure: Figure) -> set[Text]:
    """Labels of ticks that are hidden or beyond the ends of an axis: they are not drawn."""
    found = set()
    for ax in figure.axes:
        for axis in (ax.xaxis, ax.yaxis, *(a.xaxis for a in ax.child_axes)):
            low, high = sorted(axis.get_view_interval())
            gap = 1e-9 * (high - low)
            for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks()):
                if not (tick.get_visible() and low - gap <= tick.get_loc() <= high + gap):
                    found |= {tick.label1, tick.label2}
    return found
