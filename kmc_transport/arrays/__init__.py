"""One registry of every array in a result file: name, type, dimensions, unit, one-line meaning.

It feeds the attributes in the file, the check before a file is written, and the reference page.
"""

from .axes import SAMPLE, axes_of, axis_attributes, composition_axes
from .catalog import CATALOG_ARRAYS
from .checking import attributes, base_name, check_dataset, render_markdown_table
from .results import ANALYSES, ARRAYS, OBSERVABLES, ON_REQUEST
from .spec import CONDITIONS, ArraySpec

__all__ = [
    "ANALYSES",
    "ARRAYS",
    "CATALOG_ARRAYS",
    "CONDITIONS",
    "OBSERVABLES",
    "ON_REQUEST",
    "SAMPLE",
    "ArraySpec",
    "attributes",
    "axes_of",
    "axis_attributes",
    "base_name",
    "check_dataset",
    "composition_axes",
    "render_markdown_table",
]
