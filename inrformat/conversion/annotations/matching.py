"""Which image an annotation belongs to: by its path, never by a guess."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import PurePosixPath
from typing import NoReturn

from inrformat.errors import SourceError

__all__ = ["Matches", "match"]


@dataclass(frozen=True, slots=True)
class Matches:
    """Annotations and images brought together.

    Attributes:
        of_image: of each image the number of its annotation, or None. absent: annotations whose image is not there.
        by_name_alone: whether the folders of the two have nothing in common, so that bare file names decided.
    """

    of_image: tuple[int | None, ...]
    absent: tuple[int, ...]
    by_name_alone: bool = False

    @property
    def annotated(self) -> int:
        """How many images have one."""
        return sum(number is not None for number in self.of_image)


@dataclass(frozen=True, slots=True)
class _Name:
    """A path in parts, from the file's name up; the suffix apart."""

    parts: tuple[str, ...]
    suffix: str

    @classmethod
    def of(cls, text: str) -> _Name:
        path = PurePosixPath(text if "/" in text else text.replace("\\", "/"))
        folders = [p for p in path.parts[:-1] if p not in {"/", "."}]
        return cls((path.stem, *reversed(folders)), path.suffix.lower())

    def tail(self, depth: int) -> tuple[str, ...] | None:
        """The file's name and the folders next to it, ``depth`` parts; None where there are fewer."""
        return self.parts[:depth] if len(self.parts) >= depth else None


def match(images: Sequence[str], annotations: Sequence[str], *, own_suffixes: bool, place: str) -> Matches:
    """Give each annotation to the image it names.

    Args:
        images: names of the images. annotations: what each annotation calls its image: a path, in the same folders or
            with more or fewer of them in front. own_suffixes: whether the suffixes of those paths are of annotation
            files, and say nothing of the image's. place: where annotations come from, for messages.

    A path that is the end of the other one belongs to it: equal ones first, then those that share most folders; what
    found its partner is out of the question for others. A suffix tells a.jpg from a.png; where none is equal, the
    images were saved anew. Only where no path at all fits, bare file names decide, if they occur once on either side.

    Raises:
        SourceError: an annotation fits several images, or an image several annotations.
    """
    pairing = _Pairing(images, annotations, own_suffixes=own_suffixes, place=place)
    pairing.pair_by_paths()
    by_name_alone = not pairing.image_of
    if by_name_alone:
        pairing.pair_by_bare_names()
    annotation_of = {image: annotation for annotation, image in pairing.image_of.items()}
    return Matches(
        of_image=tuple(annotation_of.get(k) for k in range(len(images))),
        absent=tuple(k for k in range(len(annotations)) if k not in pairing.image_of),
        by_name_alone=by_name_alone,
    )


@dataclass(frozen=True, slots=True)
class _Group:
    """Numbers of images and of annotations that go with each other."""

    images: list[int]
    annotations: list[int]


class _Pairing:
    """Images and annotations, and which of them found each other. image_of: numbers of images by annotations'."""

    def __init__(self, images: Sequence[str], annotations: Sequence[str], *, own_suffixes: bool, place: str) -> None:
        self._images, self._annotations = images, annotations
        self._own_suffixes, self._place = own_suffixes, place
        self._names = [_Name.of(text) for text in images]
        self._keys = [_Name.of(text) for text in annotations]
        self._free_images = set(range(len(images)))
        self.image_of: dict[int, int] = {}

    def pair_by_paths(self) -> None:
        """Pair those of which one path is the end of the other."""
        for group in self._groups(lambda name: name.parts):
            self._pair(group)
        depths = {len(name.parts) for name in [*self._names, *self._keys]}
        for depth in sorted(depths, reverse=True):
            for group in self._groups(partial(_Name.tail, depth=depth)):
                self._pair(self._with_an_end(group, depth))

    def pair_by_bare_names(self) -> None:
        """Pair those whose file names, without suffix, occur once on either side."""
        for group in self._groups(lambda name: name.parts[0]):
            if len(group.images) == len(group.annotations) == 1:
                self._pair(group)

    def _groups(self, key: Callable[[_Name], Hashable | None]) -> list[_Group]:
        """Free images and annotations of equal keys; None: in no group."""
        groups: dict[Hashable, _Group] = defaultdict(lambda: _Group([], []))
        for number in sorted(self._free_images):
            groups[key(self._names[number])].images.append(number)
        for number, name in enumerate(self._keys):
            if number not in self.image_of:
                groups[key(name)].annotations.append(number)
        groups.pop(None, None)
        return [group for group in groups.values() if group.images and group.annotations]

    def _with_an_end(self, group: _Group, depth: int) -> _Group:
        """Of those that share the last ``depth`` parts, the ones that go together because one side has no more parts.

        Not both sides: equal paths found each other before.
        """
        if keys := [k for k in group.annotations if len(self._keys[k].parts) == depth]:
            return _Group(group.images, keys)
        return _Group([k for k in group.images if len(self._names[k].parts) == depth], group.annotations)

    def _pair(self, group: _Group) -> None:
        if not self._own_suffixes and len(group.images) + len(group.annotations) > 2:
            group = self._after_equal_suffixes(group)
        if not group.images or not group.annotations:
            return
        if len(group.images) > 1:
            self._refuse(self._annotations[group.annotations[0]], [self._images[k] for k in group.images])
        if len(group.annotations) > 1:
            self._refuse(self._images[group.images[0]], [self._annotations[k] for k in group.annotations])
        self.image_of[group.annotations[0]] = group.images[0]
        self._free_images.remove(group.images[0])

    def _after_equal_suffixes(self, group: _Group) -> _Group:
        """Pair those that their suffixes single out; what is left of the group."""
        for suffix in {self._keys[k].suffix for k in group.annotations}:
            images = [k for k in group.images if self._names[k].suffix == suffix]
            keys = [k for k in group.annotations if self._keys[k].suffix == suffix]
            if len(images) == len(keys) == 1:
                self._pair(_Group(images, keys))
        return _Group(
            [k for k in group.images if k in self._free_images],
            [k for k in group.annotations if k not in self.image_of],
        )

    def _refuse(self, one: str, others: Sequence[str]) -> NoReturn:
        first, second = sorted(others)[:2]
        raise SourceError(
            f"{self._place}: {one} may belong to {first} or to {second}; give both the folders that tell them apart, "
            "or convert the folder above"
        )
