"""Contact sheets: decoded images with their targets drawn, beside the originals and what differs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageColor, ImageDraw, ImageFont
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms.v2 import functional as F
from torchvision.utils import draw_bounding_boxes, draw_keypoints, draw_segmentation_masks

from inrformat.container.reader import InrdReader
from inrformat.container.targets import BOXES_FIELD, KEYPOINTS_FIELD, NAME_FIELD, SEMANTIC_FIELD
from inrformat.data.dataset import InrdDataset
from inrformat.data.targets import TargetColumn, default_kind, read_targets

__all__ = ["AMPLIFICATION", "Sheet", "choose_rows", "colour_of", "draw_sheet"]

AMPLIFICATION = 8
"""Differences are drawn so many times as large, around grey."""
_SIDE, _GAP, _TEXT_HEIGHT = 224, 6, 30
_LINE_CHARACTERS = 42
_GOLDEN_ANGLE = 137  # degrees: hues of numbers that follow each other are far apart
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
    drawn = _columns_drawn(dataset.reader)
    tiles = [tile for row in sheet.rows for tile in _tiles(dataset, row, sheet.original, [c[row] for c in drawn])]
    columns = 3 if sheet.original is not None else min(4, len(tiles))
    rows = -(-len(tiles) // columns)
    cell_width, cell_height = _SIDE + _GAP, _SIDE + _GAP + _TEXT_HEIGHT
    picture = Image.new("RGB", (columns * cell_width + _GAP, rows * cell_height + _GAP), _GROUND)
    draw = ImageDraw.Draw(picture)
    for k, (tile, lines) in enumerate(tiles):
        x, y = _GAP + k % columns * cell_width, _GAP + k // columns * cell_height
        picture.paste(tile, (x + (_SIDE - tile.width) // 2, y + _SIDE - tile.height))
        for n, line in enumerate(lines):
            draw.text((x, y + _SIDE + 2 + 13 * n), line, _INK, ImageFont.load_default(11))
    return picture


Tile = tuple[Image.Image, tuple[str, ...]]
"""A picture, and the lines below it."""


def _columns_drawn(reader: InrdReader) -> list[TargetColumn]:
    """Targets that lie in images, what covers most of them first."""
    kinds = {SEMANTIC_FIELD: "semantic", BOXES_FIELD: "detection", KEYPOINTS_FIELD: "keypoints"}
    return [read_targets(reader, kind) for field, kind in kinds.items() if field in reader.field_names]


def _tiles(dataset: InrdDataset, row: int, original: Original | None, targets: Sequence[Any]) -> list[Tile]:
    array = _as_array(dataset[row][0])
    names = dataset.reader.text_field(NAME_FIELD)
    name = f"{row}" if names is None else names[row]
    decoded = (_with_targets(_fitted(array), targets, dataset.classes), (_short(name), _figures(dataset, row)))
    if original is None:
        return [decoded]
    source = original(name, array.shape[:2])
    if source is None:
        nothing = (Image.new("RGB", (_SIDE, _SIDE), _GROUND), ("no original",))
        return [nothing, decoded, nothing]
    difference = (128 + AMPLIFICATION * (array.astype(np.int64) - source)).clip(0, 255).astype(np.uint8)
    return [
        (_fitted(source), ("original",)),
        decoded,
        (_fitted(difference), (f"difference x {AMPLIFICATION}",)),
    ]


def _figures(dataset: InrdDataset, row: int) -> str:
    """PSNR, rate and what the image shows."""
    index = dataset.reader.index
    rate_bpp = 8 * int(index.lengths_bytes[row]) / (int(index.heights[row]) * int(index.widths[row]))
    psnr = [] if index.psnr_db is None else [f"{index.psnr_db[row]:.2f} dB"]
    line = ", ".join([*psnr, f"{rate_bpp:.2f} bpp", *_words(dataset, row)])
    return line if len(line) <= _LINE_CHARACTERS else f"{line[: _LINE_CHARACTERS - 3]}..."


def _words(dataset: InrdDataset, row: int) -> list[str]:
    """Classes of the image as a whole, or of its pixels, the largest areas first; or its caption."""
    target = dataset.column[row]
    match default_kind(dataset.reader):
        case "class" if target >= 0:
            return _names(dataset.classes, [target])
        case "multilabel":
            return _names(dataset.classes, target.nonzero().flatten().tolist())
        case "semantic":
            numbers, areas = target.as_subclass(Tensor).unique(return_counts=True)
            return _names(dataset.classes, [k for k in numbers[areas.argsort(descending=True)].tolist() if k])
        case "caption":
            return [str(target).partition("\n")[0]]
    return []


def _names(classes: Sequence[str], numbers: Sequence[int]) -> list[str]:
    return [classes[k] if k < len(classes) else str(k) for k in numbers]


def _as_array(image: Tensor) -> NDArray[np.uint8]:
    array: NDArray[np.uint8] = image[:3].expand(3, -1, -1).permute(1, 2, 0).cpu().numpy()
    return array


def _with_targets(tile: Image.Image, targets: Sequence[Any], classes: Sequence[str]) -> Image.Image:
    """A tile with boxes, masks and keypoints drawn into it in its own pixels: lines and letters stay readable."""
    drawn, size = torch.from_numpy(np.array(tile)).permute(2, 0, 1), [tile.height, tile.width]
    for target in targets:
        if isinstance(target, dict):
            parts = {k: F.resize(v, size) if isinstance(v, tv_tensors.TVTensor) else v for k, v in target.items()}
            drawn = _with_objects(drawn, {k: v.as_subclass(Tensor) for k, v in parts.items()}, classes)
        else:
            numbers = F.resize(target, size).as_subclass(Tensor)
            shown = [k for k in numbers.unique().tolist() if k]  # 0 is what has no class
            drawn = _with_masks(drawn, [numbers == k for k in shown], shown)
    return Image.fromarray(drawn.permute(1, 2, 0).numpy())


def _with_objects(drawn: Tensor, target: Mapping[str, Tensor], classes: Sequence[str]) -> Tensor:
    """Objects in a colour each: masks, boxes with their classes, and keypoints."""
    if len(target.get("masks", ())):
        drawn = _with_masks(drawn, list(target["masks"].bool()), range(len(target["masks"])))
    if len(target.get("boxes", ())):
        names = _names(classes, target["labels"].tolist())
        drawn = draw_bounding_boxes(drawn, target["boxes"], names, colors=_colours(range(len(names))))
    if len(target.get("keypoints", ())):
        seen = target["keypoints"][target["visible"] > 0]
        drawn = draw_keypoints(drawn, seen[None], colors="red", radius=2)
    return drawn


def _with_masks(drawn: Tensor, masks: Sequence[Tensor], numbers: Sequence[int]) -> Tensor:
    if not masks:
        return drawn
    result: Tensor = draw_segmentation_masks(drawn, torch.stack(list(masks)), alpha=0.5, colors=_colours(numbers))
    return result


def colour_of(number: int) -> tuple[int, int, int]:
    """Red, green and blue, 0 to 255, of a number: far from the colours of those next to it."""
    red, green, blue = ImageColor.getrgb(f"hsl({number * _GOLDEN_ANGLE % 360}, 90%, 55%)")[:3]
    return red, green, blue


def _colours(numbers: Sequence[int]) -> list[str | tuple[int, int, int]]:
    return [colour_of(number) for number in numbers]


def _fitted(array: NDArray[np.uint8]) -> Image.Image:
    """An image ``(H, W, 3)`` with its longer side that of a tile."""
    picture = Image.fromarray(array)
    scale = _SIDE / max(picture.size)
    size = (max(round(picture.width * scale), 1), max(round(picture.height * scale), 1))
    return picture.resize(size, Image.Resampling.LANCZOS if scale < 1 else Image.Resampling.NEAREST)


def _short(name: str) -> str:
    return name if len(name) <= 34 else f"...{name[-31:]}"
