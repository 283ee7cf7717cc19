"""Data sets to folders of images, with COCO annotations beside them where that is asked for."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from inrformat.data.dataset import InrdDataset
from inrformat.errors import OutputExistsError
from inrformat.files.export.coco import CocoAnnotations
from inrformat.files.export.image_format import Encoding
from inrformat.files.export.names import image_names, source_names

__all__ = ["BATCH_IMAGES", "appearing_folder", "export_folder"]

BATCH_IMAGES = 64


def export_folder(
    dataset: InrdDataset,
    folder: Path,
    *,
    encoding: Encoding | None = None,
    with_coco: bool = False,
    on_images: Callable[[int], None] = lambda _count: None,
) -> None:
    """Write every image of ``dataset`` (opened without transforms) below ``folder``.

    Args:
        encoding: of the images; PNG by default. with_coco: put images in ``images``, and beside it
            ``annotations/instances.json`` of COCO's form and semantic masks in ``masks``.
        on_images: called with how many were written since its last call.

    Raises:
        OutputExistsError: ``folder`` exists and is not empty. InvalidFileError: a stored name would leave the folder.
    """
    encoding = encoding or Encoding()
    names = image_names(source_names(dataset), suffix=encoding.suffix)
    annotations = CocoAnnotations(dataset.reader) if with_coco else None
    with appearing_folder(folder) as partial:
        images = partial / "images" if with_coco else partial
        for first in range(0, len(dataset), BATCH_IMAGES):
            numbers = range(first, min(first + BATCH_IMAGES, len(dataset)))
            for number, (image, _) in zip(numbers, dataset.__getitems__(numbers), strict=True):
                target = images / names[number]
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(encoding.encode(image))
                if annotations is not None:
                    annotations.add(number, names[number], masks=partial / "masks")
            on_images(len(numbers))
        if annotations is not None:
            file = partial / "annotations" / "instances.json"
            file.parent.mkdir()
            file.write_text(json.dumps(annotations.to_map(), ensure_ascii=False), encoding="utf-8")


@contextmanager
def appearing_folder(folder: Path) -> Iterator[Path]:
    """A folder to write in that takes the name ``folder`` when the block ends well, and goes when it does not.

    Raises:
        OutputExistsError: ``folder`` exists and is not empty.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise OutputExistsError(f"{folder} exists and is not empty: remove it first or choose another folder")
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)  # of an export that was killed
    partial.mkdir(parents=True)
    try:
        yield partial
        if folder.exists():
            folder.rmdir()
        partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
