"""Data sets to tar shards as WebDataset reads them: for each sample an image, ``.cls``, ``.txt`` and ``.json``."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from inrformat.container.fields import FieldType
from inrformat.container.targets import CAPTION_FIELD, LABEL_FIELD, NAME_FIELD
from inrformat.data.dataset import InrdDataset
from inrformat.files.export.folder import BATCH_IMAGES, appearing_folder
from inrformat.files.export.image_format import Encoding
from inrformat.files.export.names import image_names, source_names

__all__ = ["export_webdataset"]


def export_webdataset(
    dataset: InrdDataset,
    folder: Path,
    *,
    encoding: Encoding | None = None,
    shard_images: int = 1000,
    on_images: Callable[[int], None] = lambda _count: None,
) -> int:
    """Write ``folder/shard-000000.tar`` and so on; ``classes.txt`` beside them names the classes.

    Args:
        shard_images: in each of them. encoding, on_images: as in ``export_folder``.

    Returns:
        The number of shards.

    Raises:
        OutputExistsError: ``folder`` exists and is not empty. InvalidFileError: a stored name is unsafe.
    """
    encoding = encoding or Encoding()
    keys = _keys(image_names(source_names(dataset), suffix=encoding.suffix))
    columns = {
        spec.name: dataset.reader.field(spec.name)
        for spec in dataset.reader.metadata.fields
        if spec.type is not FieldType.BYTES and spec.name != NAME_FIELD
    }
    shards = -(-len(dataset) // shard_images)
    with appearing_folder(folder) as partial:
        for shard in range(shards):
            numbers = range(shard * shard_images, min((shard + 1) * shard_images, len(dataset)))
            with tarfile.open(partial / f"shard-{shard:06}.tar", "w") as tar:
                for first in range(numbers.start, numbers.stop, BATCH_IMAGES):
                    batch = range(first, min(first + BATCH_IMAGES, numbers.stop))
                    for number, (image, _) in zip(batch, dataset.__getitems__(batch), strict=True):
                        _add(tar, keys[number] + encoding.suffix, encoding.encode(image))
                        for suffix, data in _targets(columns, number).items():
                            _add(tar, f"{keys[number]}.{suffix}", data)
                    on_images(len(batch))
        if dataset.classes:
            (partial / "classes.txt").write_text("".join(f"{name}\n" for name in dataset.classes), encoding="utf-8")
    return shards


def _keys(names: list[str]) -> list[str]:
    """Names without suffix; a key ends at its first dot, so there are none in it."""
    plain = [str(PurePosixPath(name).with_suffix("")) for name in names]
    keys = [key.replace(".", "_") for key in plain]
    distinct = len(set(keys)) == len(keys)
    return keys if distinct else [f"{number:08}_{key}" for number, key in enumerate(keys)]


def _targets(columns: dict[str, Any], number: int) -> dict[str, bytes]:
    values = {name: _plain(column[number]) for name, column in columns.items()}
    found = {}
    if LABEL_FIELD in values:
        found["cls"] = str(values.pop(LABEL_FIELD)).encode()
    if CAPTION_FIELD in values:
        found["txt"] = values.pop(CAPTION_FIELD).encode()
    if values:
        found["json"] = json.dumps(values, ensure_ascii=False).encode()
    return found


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else value


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(data)
    tar.addfile(entry, io.BytesIO(data))
