"""Whether anything in a picture covers anything else, by the boxes of its texts."""

from __future__ import annotations

import itertools

from matplotlib.figure import Figure
from matplotlib.text import Text


def overlaps(figure: Figure) -> list[str]:
    """Pairs of texts whose boxes meet, and a legend that covers axes."""
    figure.draw_without_rendering()
    texts = []
    for text in figure.findobj(Text):
        assert isinstance(text, Text)
        if text.get_visible() and text.get_text().strip() and text.get_window_extent().width > 0:
            texts.append(text)
    inside = [t for t in texts if _shown(t, figure)]
    found = [
        f"{a.get_text()!r} on {b.get_text()!r}"
        for a, b in itertools.combinations(inside, 2)
        if a.get_window_extent().padded(-1).overlaps(b.get_window_extent().padded(-1))
    ]
    for legend, ax in itertools.product(figure.legends, figure.axes):
        if legend.get_window_extent().padded(-1).overlaps(ax.get_window_extent()):
            found.append("the legend covers an axis")
    box = figure.bbox.padded(1)
    found += [
        f"{t.get_text()!r} is cut off"
        for t in inside
        if not (box.x0 <= t.get_window_extent().x0 and t.get_window_extent().x1 <= box.x1)
    ]
    return found


def _shown(text: Text, figure: Figure) -> bool:
    """Tick labels beyond the ends of an axis are not drawn."""
    for ax in figure.axes:
        for axis in (ax.xaxis, ax.yaxis, *(a.xaxis for a in ax.child_axes)):
            low, high = sorted(axis.get_view_interval())
            for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks()):
                if text in (tick.label1, tick.label2):
                    gap = 1e-9 * (high - low)
                    return tick.get_visible() and low - gap <= tick.get_loc() <= high + gap
    return True
