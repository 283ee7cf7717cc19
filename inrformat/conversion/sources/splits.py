"""Data sets that come in splits: train, validation, test."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from inrformat.errors import SourceError

__all__ = ["SPLIT_NAMES", "SplitMissingError", "chosen_split"]

SPLIT_NAMES = frozenset({"train", "training", "val", "valid", "validation", "test", "testing", "dev"})
"""Folders of these names are splits, not classes."""


class SplitMissingError(SourceError):
    """A data set in splits, none of which was asked for. ``splits``: their names."""

    def __init__(self, root: Path, splits: list[str]) -> None:
        self.splits = splits
        super().__init__(f"{root}: a data set in splits: choose one with --split ({', '.join(splits)})")


def chosen_split(root: Path, splits: Collection[str], asked: str | None) -> str:
    """The split that was asked for, or the only one.

    Raises:
        SourceError: it is not there, or none was asked for where there are several.
    """
    if asked is not None and asked in splits:
        return asked
    names = ", ".join(sorted(splits))
    if asked is not None:
        raise SourceError(f"{root}: no split {asked!r}; there are {names}")
    if len(splits) == 1:
        return next(iter(splits))
    raise SplitMissingError(root, sorted(splits))
