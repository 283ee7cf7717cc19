"""Statistics as a picture."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

from inrformat.files.statistics import Histogram, Statistics

__all__ = ["draw_statistics"]

_WIDTH, _PLOT_HEIGHT, _MARGIN = 760, 200, 44
_BAR, _AXIS, _TEXT, _GROUND = "#3b75af", "#9aa0a6", "#202124", "#ffffff"
_MOST_CLASSES = 24


def draw_statistics(statistics: Statistics, *, title: str) -> Image.Image:
    """Histograms of bits per pixel and PSNR, one below the other, and bars of the classes."""
    plots = [
        (label, _bars_of(histogram), [f"{edge:.3g}" for edge in histogram.edges])
        for label, histogram in (
            ("bits per pixel of each record", statistics.rate_bpp),
            ("PSNR of each image, dB", statistics.psnr_db),
        )
        if histogram is not None
    ]
    classes = sorted(statistics.class_counts.items(), key=lambda pair: -pair[1])[:_MOST_CLASSES]
    if classes:
        plots.append(
            (
                "images or objects of each class, the most frequent first",
                [n for _, n in classes],
                [n for n, _ in classes],
            )
        )
    height = _MARGIN + len(plots) * (_PLOT_HEIGHT + 2 * _MARGIN)
    picture = Image.new("RGB", (_WIDTH, height), _GROUND)
    draw = ImageDraw.Draw(picture)
    draw.text((_MARGIN, 14), f"{title}: {statistics.samples:,} images, {statistics.bytes:,} bytes", _TEXT, _font(16))
    for number, (label, counts, names) in enumerate(plots):
        _plot(draw, _MARGIN + number * (_PLOT_HEIGHT + 2 * _MARGIN), label, counts, names)
    return picture


def _bars_of(histogram: Histogram) -> list[int]:
    counts: list[int] = histogram.counts.tolist()
    return counts


def _plot(draw: ImageDraw.ImageDraw, top: int, label: str, counts: Sequence[int], names: Sequence[str]) -> None:
    """Bars with names between them (edges) or below them (classes)."""
    base, width = top + 24 + _PLOT_HEIGHT, (_WIDTH - 2 * _MARGIN) / len(counts)
    draw.text((_MARGIN, top + 2), label, _TEXT, _font(14))
    draw.line((_MARGIN, base, _WIDTH - _MARGIN, base), _AXIS)
    highest = max(*counts, 1)
    for k, count in enumerate(counts):
        left = _MARGIN + k * width
        bar = count / highest * (_PLOT_HEIGHT - 22)
        draw.rectangle((left + 1, base - bar, left + width - 2, base), _BAR)
        if count:
            draw.text((left + width / 2, base - bar - 2), f"{count:,}", _TEXT, _font(10), anchor="mb")
    at_edges = len(names) > len(counts)
    for k, name in enumerate(names):
        if at_edges and k % 2:
            continue
        x = _MARGIN + (k if at_edges else k + 0.5) * width
        draw.text((x, base + 4 + (0 if at_edges else 12 * (k % 2))), name[:14], _TEXT, _font(10), anchor="mt")


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
