"""How all pictures look, and how they are written."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError, StoreError
from ..store import PICTURE_MARK, check_free, write_parts

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "INACCURATE",
    "MARKERS",
    "PALETTE",
    "STYLE",
    "Size",
    "add_legend",
    "check_picture",
    "file_of",
    "literal",
    "mark_of",
    "mark_scale",
    "parse_size",
    "save_figure",
]

PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
"""Okabe and Ito's colours, told apart by colour-blind readers."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
STYLE: Any = {
    "font.size": 9.0,
    "axes.labelsize": 10.0,
    "legend.fontsize": 8.0,
    "axes.linewidth": 0.8,
    "xtick.direction": "in",
    "ytick.direction": "in",
    "ytick.right": True,
    "legend.edgecolor": "none",
    "legend.framealpha": 0.85,
    "lines.linewidth": 1.2,
    "lines.markersize": 5.0,
    "errorbar.capsize": 2.5,
}
INACCURATE: dict[str, Any] = {"marker": "x", "linestyle": "none", "color": "black", "markersize": 4.0}
"""What marks a point that is not as accurate as asked."""
_EDITABLE: Any = {"svg.fonttype": "none", "pdf.fonttype": 42, "ps.fonttype": 42}
"""Text stays text in the file, for whoever edits the picture."""
_MM = 1 / 25.4
_NARROWEST, _LOWEST = 70.0, 58.0
"""mm: of a panel."""
_WIDTHS = {"column": 86.0, "page": 178.0, "slide": 240.0}
"""mm: a column and a page of most journals."""
_SIZE = re.compile(r"(\d+(?:\.\d+)?)(?: ?x ?(\d+(?:\.\d+)?))?(?: ?mm)?")


@dataclass(frozen=True)
class Size:
    """Of a picture, mm. height : None follows from the width and the number of panels."""

    width: float = 150.0
    height: float | None = None

    @property
    def font(self) -> float:
        """Points."""
        return 7.0 if self.width < 100 else 9.0 if self.width <= 200 else 12.0

    def columns(self, panels: int) -> int:
        """How many panels stand side by side."""
        return max(1, min(panels, 3, int(self.width // _NARROWEST)))

    def inches(self, columns: int = 1, rows: int = 1) -> tuple[float, float]:
        """Width and height, without the legend."""
        height = self.height or rows * max(_LOWEST, 0.72 * self.width / columns)
        return self.width * _MM, height * _MM

    @property
    def style(self) -> Any:
        """Settings of matplotlib that suit the size."""
        fonts = {
            "font.size": self.font,
            "axes.labelsize": self.font + 0.5,
            "legend.fontsize": self.font - 0.5,
        }
        return STYLE | fonts | {"axes.titlesize": self.font, "legend.title_fontsize": self.font - 0.5}


def mark_of(group: int, groups: int, rank: int) -> int:
    """Number of the marker of a line on a scale of colours: without colours its neighbours in rank have other markers,
    and each group of lines has its own, as far as the markers go.
    """
    return group + groups * (rank % max(1, len(MARKERS) // groups))


def mark_scale(bar: Axes, place: float, marker: str, places: int) -> None:
    """The marker of a line beside its colour on the scale, which has this number of places."""
    size = min(4.0, 110.0 / places)
    bar.plot(0.5, place, marker, color="white", markeredgecolor="black", markersize=size, markeredgewidth=0.5)


def parse_size(text: str) -> Size:
    """``column``, ``page``, ``slide``, or a width or width x height in mm. InputError for anything else."""
    if text in _WIDTHS:
        return Size(_WIDTHS[text])
    found = _SIZE.fullmatch(text.strip())
    numbers = [float(x) for x in found.groups() if x] if found else []
    if not numbers or not all(40 <= x <= 1000 for x in numbers):
        raise InputError(
            "is no size of a picture",
            key="--size",
            value=text,
            allowed=f"{', '.join(_WIDTHS)}, or a width or WIDTHxHEIGHT in mm from 40 to 1000, such as 86x70",
        )
    return Size(*numbers)


def literal(text: str) -> str:
    """A text of the user's for a picture: its dollar signs begin no formula."""
    return text.replace("$", r"\$")


def add_legend(ax: Axes, handles: Iterable[Any], **more: Any) -> None:
    """A legend that survives additions: ``ax.legend()`` afterwards finds these handles again, and what was added."""
    handles = list(handles)
    for handle in handles:
        ax.add_line(handle)
    ax.legend(handles=handles, **more)


def check_picture(path: str | Path, *, overwrite: bool = False, kinds: Iterable[str] = PICTURE_MARK) -> None:
    """Before any work: StoreError where the name tells no format, or writing would replace what is not ours."""
    check_free(path, "picture", overwrite=overwrite)
    if Path(path).suffix[1:].lower() not in (kinds := list(kinds)):
        # in another format nobody could tell later who drew it
        raise StoreError(
            "could not be written: its ending names no format of a picture that can be marked",
            file=str(path),
            allowed=", ".join(f".{k}" for k in kinds),
            remedy="choose another name, NAME.png say",
        )


def save_figure(figure: Figure, path: str | Path, dpi: float, *, overwrite: bool = False) -> None:
    """Write a figure in the format of its name; StoreError where that would replace what is not our picture."""
    import matplotlib

    check_picture(path, overwrite=overwrite)
    kind = Path(path).suffix[1:].lower()
    field, text = PICTURE_MARK[kind]
    with matplotlib.rc_context(_EDITABLE):
        image = file_of(figure, kind, {field: text}, dpi)
    write_parts(os.path.realpath(path), [image])


def file_of(figure: Figure, kind: str, metadata: dict[str, Any], dpi: float) -> bytes:
    """What a file of this format holds of the figure.

    ``figure.savefig`` draws a figure with a layout twice, the first time unseen; the layout itself is enough.
    """
    from matplotlib.backend_bases import get_registered_canvas_class

    before, own, layout = figure.canvas, figure.dpi, figure.get_layout_engine()
    image = io.BytesIO()
    try:
        canvas: Any = get_registered_canvas_class(kind)(figure)
        figure.dpi = dpi
        if layout is not None:
            layout.execute(figure)
            figure.set_layout_engine("none")
        figure.dpi = dpi  # vector formats change it while the layout measures texts
        getattr(canvas, f"print_{kind}")(image, metadata=metadata)
    finally:
        figure.dpi = own
        figure.set_layout_engine(layout or "none")
        figure.set_canvas(before)
    return image.getvalue()
