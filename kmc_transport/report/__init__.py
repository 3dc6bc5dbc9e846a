"""What the commands show: tables that print at any width, and the same numbers for ``--json`` and ``--csv``."""

from .arrhenius import arrhenius_tables
from .chemistry import thermodynamics_tables
from .compositions import composition_tables
from .display import ask_units
from .exact import exact_table, sensitivity_table
from .inputs import carrier_table, class_table, summary
from .layout import page_width, print_tables, print_text, table_lines
from .numbers import format_beside, format_estimate
from .observables import observable_tables
from .rates import candidates_table, catalog_rows, catalog_table, regime_table
from .results import results_table
from .selection import select_results
from .spreadsheet import write_workbook
from .table import Column, Table

__all__ = [
    "Column",
    "Table",
    "arrhenius_tables",
    "ask_units",
    "candidates_table",
    "carrier_table",
    "catalog_rows",
    "catalog_table",
    "class_table",
    "composition_tables",
    "exact_table",
    "format_beside",
    "format_estimate",
    "observable_tables",
    "page_width",
    "print_tables",
    "print_text",
    "regime_table",
    "results_table",
    "select_results",
    "sensitivity_table",
    "summary",
    "table_lines",
    "thermodynamics_tables",
    "write_workbook",
]
