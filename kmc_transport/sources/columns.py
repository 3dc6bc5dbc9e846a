"""Columns of Fortran, which run together where a number fills its width."""

from __future__ import annotations

import re

__all__ = ["split_columns"]

_POINTS = re.compile(r"\.\d+")


def split_columns(line: str) -> list[str]:
    """Words of a line; ``-10.5000-100.0000`` and ``100.0000100.0000`` are two each.

    All columns of a format have equally many decimals: those of the last number of the word.
    """
    words: list[str] = []
    for word in line.split():
        if len(_POINTS.findall(word)) < 2 and "-" not in word[1:]:
            words.append(word)
            continue
        decimals = len(word.rpartition(".")[2])
        parts = re.findall(rf"[-+]?\d*\.\d{{{decimals}}}", word) if decimals else []
        words += parts if "".join(parts) == word else [word]
    return words
