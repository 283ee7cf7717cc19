"""Images of a source with the targets that annotations hold for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from inrformat.container.targets import LABEL_FIELD
from inrformat.conversion.annotations.annotation import Annotation
from inrformat.conversion.annotations.annotation_set import AnnotationSet
from inrformat.conversion.annotations.matching import match
from inrformat.conversion.sources.listed import ListedSource
from inrformat.errors import SourceError

__all__ = ["annotated"]


def annotated(source: ListedSource, *sets: AnnotationSet) -> ListedSource:
    """The same images with targets; their classes take the place of folders.

    Raises:
        SourceError: a set is of none of the images, fits them in more ways than one, or sets number classes unlike.
    """
    of_images = list(source.annotations) or [Annotation()] * len(source.names)
    remarks = list(source.remarks)
    for one in sets:
        keys = list(one.by_path)
        matches = match(source.names, keys, own_suffixes=one.own_suffixes, place=one.place)
        if not matches.annotated:
            raise SourceError(
                f"{source.place}: none of its images has {one.kind} in {one.place} (matched by file name)"
            )
        for number, key in enumerate(matches.of_image):
            if key is not None:
                of_images[number] = _joined(of_images[number], one.by_path[keys[key]])
        remarks.append(f"{matches.annotated} of {len(source.names)} images annotated ({one.kind} of {one.place})")
        if matches.by_name_alone:
            remarks.append(f"{one.place}: its folders are not those of the images, so bare file names were compared")
        if matches.absent:
            first = keys[matches.absent[0]]
            remarks.append(f"{len(matches.absent)} annotations are of images that are not here, the first of {first}")
        remarks += one.remarks
    return replace(
        source,
        classes=_classes(source, sets),
        fields=tuple(f for f in source.fields if f.name != LABEL_FIELD),
        annotations=tuple(of_images),
        origin=repr([source.origin, *(one.origin for one in sets)]),
        remarks=tuple(remarks),
    )


def _joined(one: Annotation, other: Annotation) -> Annotation:
    return Annotation(
        instances=one.instances + other.instances,
        keypoints=one.keypoints + other.keypoints,
        captions=one.captions + other.captions,
        mask=one.mask if other.mask is None else other.mask,
        size=one.size or other.size,
    )


def _classes(source: ListedSource, sets: Sequence[AnnotationSet]) -> tuple[str, ...]:
    """Class names that all sets agree on, and the source's own if these are of annotations too."""
    named = [(one.place, one.classes) for one in sets if one.classes]
    if source.annotations and source.classes:
        named.insert(0, (source.place, source.classes))
    for place, classes in named[1:]:
        if classes != named[0][1]:
            raise SourceError(f"{place} and {named[0][0]} number classes unlike; convert one of them")
    return named[0][1] if named else ()
