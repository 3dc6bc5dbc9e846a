"""`read_spectrum`: phonon frequencies from whatever file they are in."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path

from ...errors import InputError
from ..files import bare_name, check_file, decode, read_content
from ..records import Spectrum
from .freeze import wrong
from .kinds import other_kind
from .listed import read_inline, read_list
from .mesh import read_mesh_hdf5, read_mesh_yaml
from .phonopy_output import read_force_constants

__all__ = ["read_spectrum"]

_KINDS = (
    "mesh.yaml, mesh.hdf5, phonopy_params.yaml, phonopy_disp.yaml (FORCE_SETS beside it), list of frequencies"
)
_WHAT = "a file of phonons"
MOST_POINTS = 1_000_000
"""Points of a mesh that phonopy is asked to compute."""


def read_spectrum(
    source: str | Path | Sequence[float],
    *,
    mesh: Sequence[int] | None = None,
    cell: str = "primitive",
    born: bool | str | Path = False,
    nac_direction: Sequence[float] | None = None,
    acoustic: bool | None = None,
    name: str = "inline list",
) -> Spectrum:
    """Phonon frequencies of one configuration.

    Parameters
    ----------
    source : path of a mesh.yaml or mesh.hdf5 of phonopy (read without phonopy), of a phonopy_params.yaml or
        phonopy_disp.yaml (phonopy computes the mesh), of a text file with a list of Gamma frequencies and a line
        ``# unit: THz``; or the frequencies themselves, THz. The content tells the kind, not the name. Text may be
        compressed (gz, xz, bz2).
    mesh : three numbers of q-points, Gamma-centred, for phonopy to compute; chosen by length, with a note,
        when None. A file that holds a mesh must hold this one.
    cell : ``primitive`` (as phonopy has it) or ``unit``, whose phonons are computed. Two configurations need cells of
        the same atoms.
    born : use the Born charges in the file or in BORN beside it, or those of the file named here.
    nac_direction : direction (reciprocal, fractional) along which Gamma is approached; with ``born`` only.
    acoustic : whether a plain list contains the three acoustic modes; False when neither this nor the file says.
    name : what to call an inline list in messages.

    Returns
    -------
    Spectrum : THz, imaginary frequencies negative.

    Raises
    ------
    InputError : no such file, unknown kind, cut off or mixed-up content, a unit that is missing, phonopy missing.
    """
    if cell not in ("primitive", "unit"):
        raise InputError(
            "no such cell",
            key="cell",
            value=cell,
            allowed="primitive, unit",
            remedy="say whose phonons are wanted",
        )
    if mesh is not None and (
        len(mesh) != 3 or any(int(m) != m or m < 1 for m in mesh) or math.prod(mesh) > MOST_POINTS
    ):
        allowed = f"three integers >= 1, at most {MOST_POINTS} points"
        raise InputError(
            "is not a mesh", key="mesh", value=list(mesh), allowed=allowed, remedy="give e.g. [4, 4, 4]"
        )
    if not isinstance(source, str | Path):
        return read_inline(source, acoustic=bool(acoustic), name=name)
    path, file = Path(source), str(source)
    if path.is_dir():
        held = sorted(p.name for p in path.iterdir() if p.suffix in (".yaml", ".hdf5"))
        raise wrong(file, "is a folder", "name the file in it", value=", ".join(held) or None, allowed=_KINDS)
    check_file(path, _WHAT)
    with path.open("rb") as f:
        first = f.read(8)
    if first == b"\x89HDF\r\n\x1a\n":
        return _with_mesh(read_mesh_hdf5(path, file), mesh, file)
    text = decode(read_content(path, _WHAT), path, _WHAT)
    data = text.encode()
    kind = _kind(data[:65536])
    if kind == "mesh":
        return _with_mesh(read_mesh_yaml(data, path, file), mesh, file)
    if kind == "phonopy":
        return read_force_constants(path, file, mesh=mesh, cell=cell, born=born, nac_direction=nac_direction)
    if kind:
        raise wrong(file, kind, f"give one of: {_KINDS}")
    if (other := other_kind(bare_name(path), text)) is not None:
        what, remedy = other
        raise wrong(file, what, remedy, allowed=_KINDS)
    return read_list(text, file, acoustic=acoustic)


def _kind(head: bytes) -> str:
    """``mesh``, ``phonopy``, "" for a list, or what is wrong with this kind of file."""

    def has(key: bytes) -> bool:
        return re.search(rb"^" + key + rb":", head, re.M) is not None

    if has(b"mesh"):
        return "mesh"
    if has(b"segment_nqpoint") or has(b"npath"):
        return "holds a band structure, whose q-points have no weights"
    if has(b"phonopy") or has(b"unit_cell"):
        return "phonopy"
    if has(b"nqpoint") or has(b"phonon"):
        return "holds phonons at q-points without weights"
    if has(b"(?:displacements|thermal_properties|frequency_step|natom)"):
        return "holds no phonon frequencies"
    return ""


def _with_mesh(spectrum: Spectrum, mesh: Sequence[int] | None, file: str) -> Spectrum:
    if mesh is not None and spectrum.mesh != tuple(int(m) for m in mesh):
        raise wrong(
            file,
            "holds another mesh than the one asked for",
            "leave the mesh out, or give the phonopy_params.yaml so that phonopy can compute it",
            value=" x ".join(map(str, spectrum.mesh or ())),
            allowed=" x ".join(map(str, mesh)),
        )
    return spectrum
