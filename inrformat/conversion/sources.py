"""Where images come from: folders laid out as ``torchvision.datasets.ImageFolder`` wants them, flat ones, or others."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from inrformat.container.fields import Field
from inrformat.conversion.annotations import Annotations
from inrformat.decoding.output_size import output_size
from inrformat.encoding.record import Image as Pixels
from inrformat.errors import SourceError

__all__ = ["IMAGE_SUFFIXES", "ImageSource", "load_image", "scan_folder", "stored_size"]

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp"})
"""Those of ``torchvision.datasets.folder.IMG_EXTENSIONS``."""
_TURNED = frozenset({5, 6, 7, 8})
"""EXIF orientations that exchange width and height."""


@dataclass(frozen=True, slots=True)
class ImageSource:
    """The images of a folder, or of something else that can give their files.

    Attributes:
        root: the folder, or the name of what else it is. names: of the images, each once; of a folder's, paths relative
            to it, with forward slashes, in order of class and then name.
        classes: class names, sorted. labels: class number of each image, or None where there are no classes.
        annotations: boxes and other targets of the images. fields: further columns, a value for each image.
        read: the image file of a name, or where it is; None: in the folder.
    """

    root: Path
    names: tuple[str, ...]
    classes: tuple[str, ...]
    labels: tuple[int, ...] | None
    annotations: Annotations | None = None
    fields: tuple[Field, ...] = ()
    read: Callable[[str], Path | BinaryIO] | None = None

    def file(self, name: str) -> Path | BinaryIO:
        """The image file of that name."""
        return self.root / name if self.read is None else self.read(name)

    def __len__(self) -> int:
        return len(self.names)

    def limited(self, limit: int | None) -> ImageSource:
        """At most ``limit`` images, spread evenly over the source so that no class is lost first."""
        if limit is None or limit >= len(self):
            return self
        chosen = [i * len(self) // limit for i in range(limit)]
        return self.subset(chosen)

    def subset(self, chosen: list[int]) -> ImageSource:
        """The images at those positions, with all classes kept."""
        labels = None if self.labels is None else tuple(self.labels[i] for i in chosen)
        fields = tuple(field._replace(values=[field.values[i] for i in chosen]) for field in self.fields)
        return replace(self, names=tuple(self.names[i] for i in chosen), labels=labels, fields=fields)

    def annotated(self, annotations: Annotations) -> ImageSource:
        """The same images with targets; their classes take the place of folders.

        Raises:
            SourceError: none of the images is annotated.
        """
        if not any(Path(name).stem in annotations.by_stem for name in self.names):
            raise SourceError(f"{self.root}: none of its images has an annotation of the same file name")
        return replace(self, classes=annotations.classes, labels=None, annotations=annotations)


def scan_folder(root: str | os.PathLike[str]) -> ImageSource:
    """List the images of a folder: one class a sub-folder, or no classes where the images lie directly in it.

    Raises:
        SourceError: no such folder, no images, a class without images, or images at both levels.
    """
    folder = Path(root)
    if not folder.is_dir():
        raise SourceError(f"{folder}: {'not a folder' if folder.exists() else 'no such folder'}")
    direct = tuple(p.name for p in sorted(folder.iterdir()) if _is_image(p))
    classes = tuple(sorted(p.name for p in folder.iterdir() if p.is_dir() and not p.name.startswith(".")))
    inside = {name: _images_below(folder / name) for name in classes}
    if direct and any(inside.values()):
        raise SourceError(
            f"{folder}: images both in it ({direct[0]}, ...) and in its sub-folders; convert one of the two"
        )
    if direct:
        return ImageSource(folder, direct, (), None)
    if not any(inside.values()):
        raise SourceError(f"{folder}: no images found (looked for {', '.join(sorted(IMAGE_SUFFIXES))})")
    if empty := [name for name, found in inside.items() if not found]:
        raise SourceError(f"{folder / empty[0]}: a class folder without images; add some or remove it")
    names = tuple(f"{name}/{path}" for name in classes for path in inside[name])
    labels = tuple(k for k, name in enumerate(classes) for _ in inside[name])
    return ImageSource(folder, names, classes, labels)


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in IMAGE_SUFFIXES and path.is_file() and not path.name.startswith(".")


def _images_below(folder: Path) -> tuple[str, ...]:
    # os.walk in sorted order, links followed: the order of ImageFolder.
    walk = sorted(os.walk(folder, followlinks=True))
    return tuple(
        (Path(parent) / name).relative_to(folder).as_posix()
        for parent, _, names in walk
        for name in sorted(names)
        if _is_image(Path(parent) / name)
    )


def load_image(
    file: str | os.PathLike[str] | BinaryIO, *, size: int | None = None, name: str | os.PathLike[str] | None = None
) -> Pixels:
    """Decode one image file to RGB: uint8 ``(height, width, 3)``.

    The EXIF orientation is applied, 16-bit images are scaled to 8 bits, transparency is dropped (as ImageFolder does),
    and of an animation the first frame is taken. ``size`` makes the short side that many pixels, with a Lanczos filter.
    ``name`` stands in errors for an open file.

    Raises:
        SourceError: the file cannot be read as an image.
    """
    place = file if name is None else name
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of odd metadata; what cannot be decoded raises
            with Image.open(file) as opened:
                image = _to_rgb(ImageOps.exif_transpose(opened))
    except UnidentifiedImageError as error:
        raise SourceError(f"{place}: not an image in a format Pillow knows") from error
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as error:
        raise SourceError(f"{place}: unreadable image ({error})") from error
    height, width = _resized(image.height, image.width, size)
    if size is not None:
        image = image.resize((width, height), Image.Resampling.LANCZOS)
    return np.asarray(image, np.uint8)


def stored_size(file: str | os.PathLike[str] | BinaryIO, *, size: int | None = None) -> tuple[int, int] | None:
    """(height, width) that ``load_image`` gives, from the file's header alone; None where that cannot be read."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(file) as opened:
                width, height = opened.size
                turned = opened.getexif().get(ExifTags.Base.Orientation, 1) in _TURNED
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError):
        return None
    return _resized(width, height, size) if turned else _resized(height, width, size)


def _resized(height: int, width: int, size: int | None) -> tuple[int, int]:
    height, width = output_size((height, width), size)
    return max(height, 1), max(width, 1)


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):  # 16-bit grey, which Pillow's own conversion clips instead of scaling
        wide = np.asarray(image).astype(np.int64)
        shift = 8 if wide.max(initial=0) > 255 or image.mode != "I" else 0
        image = Image.fromarray(np.clip(wide >> shift, 0, 255).astype(np.uint8))
    return image.convert("RGB")
