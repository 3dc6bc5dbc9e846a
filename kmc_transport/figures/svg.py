"""A picture as an SVG element inside a page."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from .style import file_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["svg_of"]

_TAG = re.compile(r"<[a-z][^>]*>")
_LONG = re.compile(r"(\d+\.\d{2})\d+")
_ID = re.compile(r'(?<=[ <])id="([^"]+)"|xlink:href="#([^"]+)"|url\(#([^)]+)\)')


def svg_of(figure: Figure, name: str, label: str) -> str:
    """A picture as an SVG element: its names do not meet those of others on the page, its text stays text."""
    import matplotlib

    editable: Any = {"svg.fonttype": "none", "svg.hashsalt": name}
    with matplotlib.rc_context(editable):
        text = file_of(figure, "svg", {"Date": None, "Creator": None}, figure.dpi).decode()
    text = text[text.index("<svg") :]

    def own(match: re.Match[str]) -> str:
        found = next(g for g in match.groups() if g)
        return match[0].replace(found, f"{name}-{found}")

    text = _ID.sub(own, text)
    text = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", text, flags=re.S)
    text = re.sub(
        r'(<svg[^>]*?) width="[^"]*"',
        r"\1",
        re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", text, count=1),
        count=1,
    )
    text = re.sub(r"\n\s*", "\n", text)
    # hundredths of a point are enough on any screen; text is no tag
    text = _TAG.sub(lambda tag: _LONG.sub(r"\1", tag[0]), text)
    return text.replace("<svg", f'<svg role="img" aria-label="{label}"', 1)
