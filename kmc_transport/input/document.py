"""YAML text to plain data, with the line and column of every node."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from itertools import accumulate
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from ..errors import InputError, Problem
from ..sources.files import check_file

__all__ = ["Document", "KeyPath", "dotted", "nearest", "parse_yaml", "read_text"]

KeyPath = tuple[str | int, ...]
"""Keys and list indices from the top of the file down to a node."""

_MAX_NODES = 100_000
_MAX_BYTES = 4 << 20
_MAX_DIGITS = 100
_MAX_TEXT = 20_000
_MAX_DEPTH, _MAX_BRACKETS = 40, 500
_WILD = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters, marks that turn the direction of writing, halves of characters."""
_TAG = "tag:yaml.org,2002:"


def dotted(path: KeyPath) -> str:
    """``("hops", 0, "barrier")`` as ``hops[0].barrier``."""
    text = ""
    for key in path:
        text += f"[{key}]" if isinstance(key, int) else f".{key}" if text else str(key)
    return text


def nearest(word: str, known: Sequence[str]) -> str:
    """Remedy that names the known word nearest to ``word``, or nothing."""
    match = get_close_matches(word, known, 1, 0.6) or [
        k for k in known if len(word) > 1 and (word.lower() in k.lower() or k.lower() in word.lower())
    ]
    return f"did you mean '{match[0]}'?" if match else ""


@dataclass(kw_only=True)
class Document:
    """The parsed file: plain data, where each node stands, and the problems and notes found so far."""

    path: str
    text: str
    data: Any = None
    positions: dict[KeyPath, tuple[int, int]] = field(default_factory=dict)
    """Line and column (from 1) of the key of a mapping entry, or of the list item."""
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def position(self, path: KeyPath) -> tuple[int | None, int | None]:
        """Line and column of the deepest node on ``path`` that the file has."""
        for n in range(len(path), -1, -1):
            if path[:n] in self.positions:
                return self.positions[path[:n]]
        return None, None

    def value(self, path: KeyPath) -> Any:
        """What the file has at ``path``; None where it has nothing."""
        node = self.data
        for key in path:
            try:
                node = node[key]
            except (KeyError, IndexError, TypeError):
                return None
        return node

    def add(
        self, path: KeyPath, message: str, *, value: object = None, allowed: str = "", remedy: str = ""
    ) -> None:
        """Note a problem with the node at ``path``."""
        line, column = self.position(path)
        self.problems.append(
            Problem(
                message=message,
                key=dotted(path),
                value=value,
                allowed=allowed,
                remedy=remedy,
                file=self.path,
                line=line,
                column=column,
            )
        )

    @contextmanager
    def at(self, path: KeyPath) -> Iterator[None]:
        """What raises `InputError` inside becomes problems of the node at ``path``."""
        try:
            yield
        except InputError as error:
            for p in error.problems:
                self.add(path, p.message, value=p.value, allowed=p.allowed, remedy=p.remedy)

    def note(self, text: str) -> None:
        """A remark for the reader, kept once."""
        if text not in self.notes:
            self.notes.append(text)

    def raise_problems(self) -> None:
        """Raise `InputError` with all problems, in the order of the file, if there are any."""
        if self.problems:
            unique = {(p.key, p.message): p for p in reversed(self.problems)}
            raise InputError(sorted(unique.values(), key=lambda p: (p.line or 0, p.column or 0)))

    def source(self, path: KeyPath) -> str:
        """``mgo.yaml:14 hops[0].barrier``."""
        line, _ = self.position(path)
        name = Path(self.path).name if self.path else ""
        return f"{name}:{line} {dotted(path)}" if line else f"{name} {dotted(path)}"


def read_text(path: Path) -> str:
    """Text of an input file. Raises `InputError` when it cannot be read."""
    try:
        check_file(path, "the input", _MAX_BYTES)
        return path.read_bytes().decode("utf-8-sig")
    except InputError as error:
        if os.path.isdir(path):
            raise InputError(replace(error.problems[0], remedy="name the YAML file in it")) from None
        if os.path.exists(path) or not os.path.isdir(path.parent):
            raise
        names = sorted(p.name for p in path.parent.iterdir() if p.is_file())
        close = nearest(path.name, names) or f"files there: {', '.join(names[:8])}" * bool(names)
        raise InputError(replace(error.problems[0], remedy=close or "check the path")) from None
    except UnicodeDecodeError as error:
        line = path.read_bytes()[: error.start].count(b"\n") + 1
        problem = Problem(
            "the file is not UTF-8 text", file=str(path), line=line, remedy="save the file as UTF-8"
        )
    except OSError as error:
        problem = Problem(f"the file cannot be read: {error.strerror}", file=str(path))
    raise InputError(problem)


def parse_yaml(text: str, path: str = "<string>") -> Document:
    """Parse YAML 1.2 into plain data: dict (text keys), list, str, int, float, bool, None.

    Nothing but these is ever constructed; tags, merge keys and further documents are refused.

    Raises
    ------
    InputError : not YAML, or an empty file, duplicate keys, tags … (all of these at once).
    """
    doc = Document(path=path, text=text)
    # before the parser, which takes its time
    if len(text) > _MAX_BYTES or sum(map(text.count, ",\n")) > _MAX_NODES:
        raise InputError(_too_long(path))
    if _brackets(text) > _MAX_BRACKETS:
        raise InputError("the file is nested too deeply", file=path)
    yaml = YAML(typ="safe", pure=True)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # re-used anchors: the last one holds, as YAML says
            root = yaml.compose(text)
    except MarkedYAMLError as error:
        raise InputError(_syntax_problem(error, path)) from None
    except YAMLError as error:
        place = getattr(error, "position", None)
        line = text[:place].count("\n") + 1 if isinstance(place, int) else None
        character = getattr(error, "character", None)
        what = f"the character {character!r} is not allowed" if character is not None else str(error)
        raise InputError(
            what, file=path, line=line, remedy="remove control characters from the file"
        ) from None
    except RecursionError:
        raise InputError("the file is nested too deeply", file=path) from None
    except (ValueError, OverflowError) as error:  # numbers of escapes and directives
        raise InputError(f"this is not YAML: {error}", file=path) from None
    if root is None:
        raise InputError("the file is empty", file=path, remedy="`kmc-transport new NAME` writes a starter")
    reader = _Reader(doc, yaml)
    try:
        doc.data = reader.read(root, ())
    except RecursionError:
        raise InputError("the file is nested too deeply", file=path) from None
    if not isinstance(doc.data, dict):
        doc.add((), "the file must be a mapping `key: value`", remedy="see `kmc-transport new NAME`")
    doc.raise_problems()
    return doc


def _brackets(text: str) -> int:
    """Most brackets open at once, those in comments and texts included: the parser's time grows as their square."""
    steps = (1 if c in "[{" else -1 for c in text if c in "[{]}")
    return max(accumulate(steps), default=0)


def _too_long(path: str) -> Problem:
    return Problem(
        "the file has too many entries",
        file=path,
        allowed=f"at most {_MAX_NODES} keys and values, {_MAX_BYTES >> 20} MiB",
        remedy="an input names long tables as files; repeat patterns with 'ordered', ranges with from, to and step",
    )


def _syntax_problem(error: MarkedYAMLError, path: str) -> Problem:
    mark = error.problem_mark or error.context_mark
    message = " ".join(str(t) for t in (error.context, error.problem) if t)
    line = mark.line + 1 if mark else None
    remedy = "check indentation, brackets, quotes and colons near this line"
    if "'\\t'" in message:
        remedy = "indent with spaces, never with tabs"
    elif "mapping values are not allowed" in message:
        remedy = "check the indentation, or put quotes around a text that contains ': '"
    elif "undefined alias" in message:
        remedy = "define the anchor first (&name), or put quotes around a text that starts with *"
    elif "single document" in message:
        remedy = "keep one document per file: remove the line ---"
    return Problem(
        message=f"this is not YAML: {message}",
        key="",
        value=None,
        allowed="",
        remedy=remedy,
        file=path,
        line=line,
        column=mark and mark.column + 1,
    )


class _Reader:
    """Walks the node tree; aliases are expanded, up to a limit."""

    def __init__(self, doc: Document, yaml: YAML) -> None:
        self.doc, self.yaml = doc, yaml
        self.open: set[int] = set()
        self.count = 0

    def read(self, node: Node, path: KeyPath, mark: Any = None) -> Any:
        mark = mark or node.start_mark
        self.doc.positions[path] = (mark.line + 1, mark.column + 1)
        self.count += 1
        if self.count > _MAX_NODES:
            raise InputError(_too_long(self.doc.path))
        if len(path) > _MAX_DEPTH:
            raise InputError("the file is nested too deeply", file=self.doc.path)
        if id(node) in self.open:
            self.doc.add(path, "an alias that contains itself cannot be read")
            self.doc.raise_problems()
        if isinstance(node, ScalarNode):
            return self.scalar(node, path)
        self.open.add(id(node))
        try:
            if isinstance(node, SequenceNode):
                self.check_tag(node, "seq", path)
                return [self.read(item, (*path, i)) for i, item in enumerate(node.value)]
            if isinstance(node, MappingNode):
                self.check_tag(node, "map", path)
                return self.mapping(node, path)
        finally:
            self.open.discard(id(node))
        raise AssertionError(f"unknown node {node!r}")

    def check_tag(self, node: Node, wanted: str, path: KeyPath) -> None:
        if node.tag != _TAG + wanted:
            self.doc.add(
                path, f"the tag '{node.tag}' is not allowed", remedy="write the plain value, without a tag"
            )

    def mapping(self, node: MappingNode, path: KeyPath) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            at = key_node.start_mark
            if not isinstance(key_node, ScalarNode):
                self.doc.positions[(*path, "?")] = (at.line + 1, at.column + 1)
                self.doc.add((*path, "?"), "a key must be a plain text", remedy="put quotes round {…} or […]")
                continue
            key = str(key_node.value)
            here = (*path, key)
            if wrong := _unreadable(key):
                self.doc.positions[here] = (at.line + 1, at.column + 1)
                self.doc.add(here, f"a key {wrong}", remedy="use letters and digits")
                continue
            if key in result:
                first = self.doc.positions[here][0]
                self.doc.positions[here] = (at.line + 1, at.column + 1)
                self.doc.add(
                    here, f"the key '{key}' is given twice (first in line {first})", remedy="keep one of them"
                )
                continue
            if key == "<<":
                self.doc.positions[here] = (at.line + 1, at.column + 1)
                self.doc.add(
                    here, "merge keys are not part of YAML 1.2", remedy="repeat the keys, or alias one value"
                )
                continue
            result[key] = self.read(value_node, here, at)
        return result

    def scalar(self, node: ScalarNode, path: KeyPath) -> Any:
        kind = str(node.tag).removeprefix(_TAG)
        text = str(node.value)
        if wrong := _unreadable(text):
            self.doc.add(path, f"the text {wrong}", value=text, remedy="write plain text")
            return None
        if kind in ("str", "timestamp", "value"):
            return text
        if len(text) > _MAX_DIGITS:
            self.doc.add(path, f"a number of {len(text)} characters", allowed=f"at most {_MAX_DIGITS}")
            return None
        if kind == "null":
            return None
        if kind in ("int", "float", "bool"):
            try:
                return self.yaml.constructor.construct_object(node)
            except (ValueError, KeyError, IndexError, TypeError, ArithmeticError, YAMLError):
                pass
        self.doc.add(
            path,
            f"the value '{text}' with the tag '{kind}' cannot be read",
            remedy="write a plain number or text",
        )
        return None


def _unreadable(text: str) -> str:
    """What keeps a text from being kept and printed, or nothing."""
    if len(text) > _MAX_TEXT:
        return f"has {len(text)} characters, at most {_MAX_TEXT} are read"
    found = _WILD.search(text)
    return (
        f"holds the character U+{ord(found[0]):04X}, which controls a terminal or is no text" if found else ""
    )
