"""Contact sheets: decoded images with their targets drawn, beside the originals and what differs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from torchvision import tv_tensors
from torchvision.transforms.v2 import functional as F
from torchvision.utils import draw_bounding_boxes, draw_keypoints, draw_segmentation_masks

from inrformat.container.targets import NAME_FIELD
from inrformat.data.dataset import InrdDataset
from inrformat.data.targets import KINDS, default_kind

__all__ = ["AMPLIFICATION", "Sheet", "choose_rows", "draw_sheet"]

AMPLIFICATION = 8
"""Differences are drawn so many times as large, around grey."""
_SIDE, _GAP, _TEXT_HEIGHT = 224, 6, 30
_MOST_MASKS = 32
_GROUND, _INK = "#f1f3f4", "#202124"

Original = Callable[[str, tuple[int, int]], NDArray[np.uint8] | None]
"""The original of a name as uint8 ``(H, W, 3)`` of a size (H, W); None where there is none."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """What to draw. rows: records. original: finds originals; None: decoded images alone."""

    rows: Sequence[int]
    original: Original | None = None


def choose_rows(dataset: InrdDataset, count: int, *, worst: bool) -> list[int]:
    """Records spread over the file, or those of the lowest PSNR, the worst first."""
    total, psnr_db = len(dataset), dataset.reader.index.psnr_db
    count = min(count, total)
    if worst and psnr_db is not None:
        rows: list[int] = np.argsort(psnr_db, kind="stable")[:count].tolist()
        return rows
    return [k * total // count for k in range(count)]


def draw_sheet(dataset: InrdDataset, sheet: Sheet) -> Image.Image:
    """Tiles of 224 pixels: decoded images, or rows of original, decoded and difference."""
    tiles = [tile for row in sheet.rows for tile in _tiles(dataset, row, sheet.original)]
    columns = 3 if sheet.original is not None else min(4, len(tiles))
    rows = -(-len(tiles) // columns)
    cell_width, cell_height = _SIDE + _GAP, _SIDE + _GAP + _TEXT_HEIGHT
    picture = Image.new("RGB", (columns * cell_width + _GAP, rows * cell_height + _GAP), _GROUND)
    draw = ImageDraw.Draw(picture)
    for k, (tile, lines) in enumerate(tiles):
        x, y = _GAP + k % columns * cell_width, _GAP + k // columns * cell_height
        picture.paste(tile, (x + (_SIDE - tile.width) // 2, y + (_SIDE - tile.height) // 2))
        for n, line in enumerate(lines):
            draw.text((x, y + _SIDE + 2 + 13 * n), line, _INK, ImageFont.load_default(11))
    return picture


Tile = tuple[Image.Image, tuple[str, ...]]


def _tiles(dataset: InrdDataset, row: int, original: Original | None) -> list[Tile]:
    reader = dataset.reader
    image, _ = dataset[row]
    names = reader.text_field(NAME_FIELD)
    name = f"{row}" if names is None else names[row]
    psnr_db = "" if reader.index.psnr_db is None else f"{reader.index.psnr_db[row]:.2f} dB, "
    rate_bpp = 8 * int(reader.index.lengths_bytes[row]) / (image.shape[-2] * image.shape[-1])
    target = _target_of(dataset, row)
    words = f", {dataset.classes[target]}" if isinstance(target, int) and 0 <= target < len(dataset.classes) else ""
    decoded = (
        _fitted(_with_targets(image, target, dataset.classes)),
        (_short(name), f"{psnr_db}{rate_bpp:.2f} bpp{words}"),
    )
    if original is None:
        return [decoded]
    array = _as_array(image)
    source = original(name, array.shape[:2])
    if source is None:
        nothing = (Image.new("RGB", (_SIDE, _SIDE), _GROUND), ("no original",))
        return [nothing, decoded, nothing]
    difference = (128 + AMPLIFICATION * (array.astype(np.int64) - source)).clip(0, 255).astype(np.uint8)
    return [
        (_fitted(Image.fromarray(source)), ("original",)),
        decoded,
        (_fitted(Image.fromarray(difference)), (f"difference x {AMPLIFICATION}",)),
    ]


def _target_of(dataset: InrdDataset, row: int) -> Any:
    kind = default_kind(dataset.reader)
    return KINDS[kind](dataset.reader).one(row) if dataset.reader.metadata.fields else None


def _as_array(image: torch.Tensor) -> NDArray[np.uint8]:
    array: NDArray[np.uint8] = image[:3].expand(3, -1, -1).permute(1, 2, 0).cpu().numpy()
    return array


def _with_targets(image: torch.Tensor, target: Any, classes: Sequence[str]) -> Image.Image:
    """The image in the size of a tile, with boxes, masks or keypoints drawn into it."""
    height, width = image.shape[-2:]
    size = [max(round(side * _SIDE / max(height, width)), 1) for side in (height, width)]
    drawn = F.resize(image[:3].as_subclass(torch.Tensor).expand(3, -1, -1).contiguous().cpu(), size)
    if isinstance(target, dict):
        parts = {k: F.resize(v, size) if isinstance(v, tv_tensors.TVTensor) else v for k, v in target.items()}
        if len(parts.get("masks", ())):
            drawn = draw_segmentation_masks(drawn, parts["masks"].as_subclass(torch.Tensor).bool(), alpha=0.4)
        if len(parts.get("boxes", ())):
            labels = [classes[k] if k < len(classes) else str(k) for k in parts["labels"].tolist()]
            drawn = draw_bounding_boxes(drawn, parts["boxes"].as_subclass(torch.Tensor), labels, colors="#ffd60a")
        if len(parts.get("keypoints", ())):
            points = parts["keypoints"].as_subclass(torch.Tensor)[None]
            drawn = draw_keypoints(drawn, points, colors="#ff375f", radius=2)
    elif isinstance(target, tv_tensors.Mask):
        numbers = F.resize(target, size).as_subclass(torch.Tensor)
        planes = [numbers == number for number in numbers.unique() if number]
        drawn = draw_segmentation_masks(drawn, torch.stack(planes[:_MOST_MASKS]), alpha=0.5) if planes else drawn
    return Image.fromarray(drawn.permute(1, 2, 0).numpy())


def _fitted(picture: Image.Image) -> Image.Image:
    scale = _SIDE / max(picture.size)
    size = (max(round(picture.width * scale), 1), max(round(picture.height * scale), 1))
    return picture.resize(size, Image.Resampling.LANCZOS if scale < 1 else Image.Resampling.NEAREST)


def _short(name: str) -> str:
    return name if len(name) <= 34 else f"...{name[-31:]}"
