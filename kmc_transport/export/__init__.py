"""Runs in the formats of device and battery simulators; from result files alone, nothing is simulated."""

from .formats import FORMATS, ExportFormat, export_run, get_format
from .record import GridAxis, GridQuantity, TransportRecord, read_record

__all__ = [
    "FORMATS",
    "ExportFormat",
    "GridAxis",
    "GridQuantity",
    "TransportRecord",
    "export_run",
    "get_format",
    "read_record",
]
