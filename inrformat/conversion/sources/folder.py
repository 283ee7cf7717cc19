"""Folders laid out as ``torchvision.datasets.ImageFolder`` wants them, and flat ones."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from inrformat.container.fields import Field, FieldType
from inrformat.container.targets import LABEL_FIELD
from inrformat.conversion.pixels.read import IMAGE_SUFFIXES
from inrformat.conversion.sources.listed import ListedSource
from inrformat.errors import SourceError

__all__ = ["Found", "images_below", "scan_folder", "stored_name"]


def scan_folder(root: str | os.PathLike[str]) -> ListedSource:
    """List the images of a folder: one class a sub-folder, or no classes where the images lie directly in it.

    Links to folders are followed as ``ImageFolder`` does, but for those that lead back to where they are.

    Raises:
        SourceError: no such folder, no images, a class without images, or images at both levels.
    """
    folder = Path(root).expanduser()
    if not folder.is_dir():
        raise SourceError(f"{folder}: {'not a folder' if folder.exists() else 'no such folder'}")
    found = images_below(folder)
    direct = [path for path in found.images if "/" not in path]
    if direct and len(direct) < len(found.images):
        raise SourceError(
            f"{folder}: images both in it ({direct[0]}, ...) and in its sub-folders; convert one of the two"
        )
    if not found.images:
        raise SourceError(f"{folder}: no images found (looked for {', '.join(sorted(IMAGE_SUFFIXES))})")
    if direct:
        return found.listed(found.images)
    folders = sorted(p.name for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))
    members: dict[str, list[str]] = {name: [] for name in folders}
    for path in found.images:
        members.setdefault(path.partition("/")[0], []).append(path)
    if empty := [name for name, paths in members.items() if not paths]:
        raise SourceError(f"{folder / empty[0]}: a class folder without images; add some or remove it")
    labels = [number for number, paths in enumerate(members.values()) for _ in paths]
    return found.listed(
        [path for paths in members.values() for path in paths],
        classes=tuple(map(stored_name, members)),
        fields=(Field(LABEL_FIELD, FieldType.INT64, labels),),
    )


@dataclass(slots=True)
class Found:
    """What lies below a folder.

    Attributes:
        folder: the folder. images: paths relative to it, with forward slashes, in the order of ``ImageFolder``.
        others: suffixes of files that are no images. hidden: images whose names start with a dot.
        loops: links that lead back to a folder they lie in.
    """

    folder: Path
    images: list[str] = field(default_factory=list)
    others: Counter[str] = field(default_factory=Counter)
    hidden: int = 0
    loops: list[str] = field(default_factory=list)

    def listed(
        self, paths: list[str], *, classes: tuple[str, ...] = (), fields: tuple[Field, ...] = ()
    ) -> ListedSource:
        """A source of some of the images."""
        names = tuple(map(stored_name, paths))
        if len(set(names)) < len(names):
            twice = next(name for name, count in Counter(names).items() if count > 1)
            raise SourceError(f"{self.folder}: two files are named {twice!r} once bytes outside UTF-8 are escaped")
        renamed = {name: path for name, path in zip(names, paths, strict=True) if name != path}
        return ListedSource(
            place=stored_name(str(self.folder)),
            names=names,
            image=lambda name: self.folder / renamed.get(name, name),
            classes=classes,
            fields=fields,
            remarks=self.remarks(renamed),
        )

    def remarks(self, renamed: dict[str, str]) -> tuple[str, ...]:
        """What was left out, and what has another name in the file."""
        lines = [f"left out {loop}: a link to a folder that it lies in" for loop in self.loops]
        if self.others:
            kinds = ", ".join(f"{count} {suffix or 'without suffix'}" for suffix, count in self.others.most_common(8))
            lines.append(f"left out {self.others.total()} files that are no images by their suffix: {kinds}")
        if self.hidden:
            lines.append(f"left out {self.hidden} images whose names start with a dot")
        if renamed:
            lines.append(
                f"{len(renamed)} names that are not UTF-8 are stored escaped, the first as {next(iter(renamed))}"
            )
        return tuple(lines)


def images_below(folder: Path) -> Found:
    """Look for images, hidden files and folders left out.

    Raises:
        SourceError: a folder cannot be read.
    """
    found = Found(folder)
    for path in _files_below(folder, found.loops):
        is_image = path.suffix.lower() in IMAGE_SUFFIXES
        if path.name.startswith("."):
            found.hidden += is_image
        elif is_image:
            found.images.append(path.relative_to(folder).as_posix())
        else:
            found.others[stored_name(path.suffix.lower())] += 1
    return found


def _files_below(folder: Path, loops: list[str]) -> Iterator[Path]:
    """Files in the order of ``ImageFolder``: of sorted folders, each before those inside it, sorted by name."""
    inside: dict[str, frozenset[tuple[int, int]]] = {}
    walks = []
    for parent, folders, names in os.walk(folder, followlinks=True, onerror=_unreadable):
        above = inside.get(str(Path(parent).parent), frozenset()) if parent != str(folder) else frozenset()
        here = Path(parent).stat()
        inside[parent] = above | {(here.st_dev, here.st_ino)}
        for name in sorted(folders):
            known = (Path(parent) / name).stat()
            if name.startswith(".") or (known.st_dev, known.st_ino) in inside[parent]:
                folders.remove(name)
                if not name.startswith("."):
                    loops.append(stored_name((Path(parent) / name).relative_to(folder).as_posix()))
        walks.append((parent, sorted(names)))
    for parent, names in sorted(walks):
        # Links that lead nowhere are taken for images, which cannot be read; sockets and the like are nothing to read.
        yield from (p for p in (Path(parent) / n for n in names) if p.is_file() or not p.exists())


def _unreadable(error: OSError) -> NoReturn:
    raise SourceError(f"{error.filename}: a folder that cannot be read ({error.strerror})") from error


def stored_name(name: str) -> str:
    """A file's name as text that UTF-8 can hold: bytes that are none are written as %XX."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return "".join(f"%{ord(c) & 0xFF:02X}" if 0xDC80 <= ord(c) <= 0xDCFF else c for c in name)
    return name
