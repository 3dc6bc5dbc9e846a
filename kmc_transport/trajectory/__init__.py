"""Trajectories as files: formats, parts on the way to them, and reading them back. Nothing here simulates."""

from .block import FrameBlock
from .files import SUFFIXES, check_request, open_trajectory, write_file
from .options import parse_elements, parse_time
from .parts import Parts
from .xyz import write_host_xyz

__all__ = [
    "SUFFIXES",
    "FrameBlock",
    "Parts",
    "check_request",
    "open_trajectory",
    "parse_elements",
    "parse_time",
    "write_file",
    "write_host_xyz",
]
