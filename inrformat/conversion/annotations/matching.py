"""Which image an annotation belongs to: by its path, never by a guess."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from inrformat.errors import SourceError

__all__ = ["Matches", "match"]

_REMEDY = "name annotations with their folders, as the images lie"


@dataclass(frozen=True, slots=True)
class Matches:
    """Annotations and images brought together.

    Attributes:
        of_image: of each image the number of its annotation, or None. absent: annotations whose image is not there.
    """

    of_image: tuple[int | None, ...]
    absent: tuple[int, ...]

    @property
    def annotated(self) -> int:
        """How many images have one."""
        return sum(number is not None for number in self.of_image)


@dataclass(frozen=True, slots=True)
class _Name:
    """A path with forward slashes in parts, from the file up; the suffix apart."""

    parts: tuple[str, ...]
    suffix: str

    @classmethod
    def of(cls, text: str) -> _Name:
        path = PurePosixPath(text)
        parts = [p for p in path.parts if p not in {"/", "."}]
        return cls((path.stem, *reversed(parts[:-1])), path.suffix.lower())

    def is_tail_of(self, other: _Name) -> bool:
        return other.parts[: len(self.parts)] == self.parts


def match(images: Sequence[str], annotations: Sequence[str], *, own_suffixes: bool, place: str) -> Matches:
    """Give each annotation to the image it names.

    Args:
        images: names of the images. annotations: what each annotation calls its image: a path with forward slashes, in
            the same folders or with more or fewer of them in front. own_suffixes: whether the suffixes of those paths
            are of annotation files, and say nothing of the image's. place: where annotations come from, for messages.

    A path that is the end of the other one belongs to it; the equal one comes before all others, then the one that
    shares more folders. Where no path fits, a file's bare name decides if it occurs once on either side.

    Raises:
        SourceError: an annotation fits several images, or an image several annotations.
    """
    names = [_Name.of(name) for name in images]
    by_stem: dict[str, list[int]] = defaultdict(list)
    for number, name in enumerate(names):
        by_stem[name.parts[0]].append(number)
    keys = [_Name.of(key) for key in annotations]
    stems = Counter(key.parts[0] for key in keys)
    found: list[int | None] = [None] * len(images)
    absent = []
    for number, key in enumerate(keys):
        candidates = by_stem.get(key.parts[0], [])
        fitting = _fitting(key, candidates, names, own_suffixes=own_suffixes)
        if not fitting and len(candidates) == 1 and stems[key.parts[0]] == 1:
            fitting = candidates
        if len(fitting) > 1:
            several = " and ".join(images[k] for k in fitting[:2])
            raise SourceError(f"{place}: {annotations[number]} may belong to {several}; {_REMEDY}")
        if not fitting:
            absent.append(number)
            continue
        (image,) = fitting
        other = found[image]
        if other is not None:
            raise SourceError(
                f"{place}: both {annotations[other]} and {annotations[number]} may belong to {images[image]}; {_REMEDY}"
            )
        found[image] = number
    return Matches(tuple(found), tuple(absent))


def _fitting(key: _Name, candidates: Sequence[int], names: Sequence[_Name], *, own_suffixes: bool) -> Sequence[int]:
    """Of images of that file name those whose path goes with an annotation's best."""
    fitting = [k for k in candidates if names[k].is_tail_of(key) or key.is_tail_of(names[k])]
    if not own_suffixes:  # a suffix tells a.jpg from a.png; where none is equal, the images were saved anew
        fitting = [k for k in fitting if names[k].suffix == key.suffix] or fitting
    equal = [k for k in fitting if names[k].parts == key.parts]
    if equal or not fitting:
        return equal
    longest = max(_shared(names[k], key) for k in fitting)
    return [k for k in fitting if _shared(names[k], key) == longest]


def _shared(a: _Name, b: _Name) -> int:
    return min(len(a.parts), len(b.parts))
