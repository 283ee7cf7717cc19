"""What is wrong with images before they are converted: the error of their JPEG coding, or the noise of their sensor.

A network need not be nearer to an image than the image is to what was in front of the camera. A coefficient of a JPEG
file that was rounded in steps of q to something other than 0 is off by q^2 / 12 on average; how far those are off that
became 0 the file does not say, and they are not counted. Making an image smaller keeps the part of the error that lies
below the new limit of frequencies. For other files the noise is estimated from the pixels (J. Immerkaer, "Fast Noise
Variance Estimation", 1996; with the median of absolute values in place of their mean, which textures raise).
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from inrformat.conversion.pixels.options import ReadOptions
from inrformat.conversion.pixels.read import ImageFile, read_image
from inrformat.conversion.sources.source import Source
from inrformat.encoding.record import Image as Pixels, psnr_of_mse_db
from inrformat.errors import SourceError

__all__ = ["own_psnr_db"]

_IMAGES = 64
_BLOCK = 8
_MEDIAN_OF_NORMAL = 0.6745
_FREQUENCIES, _PLACES = np.ogrid[:_BLOCK, :_BLOCK]
_COSINES = np.cos(np.pi * _FREQUENCIES * (2 * _PLACES + 1) / (2 * _BLOCK)) * np.where(_FREQUENCIES, 0.5, 0.125**0.5)
"""Orthonormal: rows are frequencies."""
_LAPLACIAN_NORM = 6.0  # of Immerkaer's mask: the root of the sum of its squares


def own_psnr_db(source: Source, options: ReadOptions) -> float:
    """How near images of a source are to what they show, as a mean PSNR of some of them at the size they are read.

    Raises:
        SourceError: none of the images looked at can be read.
    """
    count = len(source.names)
    errors: list[float] = []
    for number in sorted({k * count // _IMAGES for k in range(_IMAGES)}):
        try:
            sample = source.sample(number)
            mse = _mse_of(sample.image, options)
        except SourceError:
            continue  # it will be met again, and named
        errors.append(psnr_of_mse_db(mse))
    if not errors:
        raise SourceError(f"{source.place}: none of the images looked at could be read")
    return float(np.mean(errors))


def _mse_of(image: ImageFile, options: ReadOptions) -> float:
    """Mean squared error of one image, in levels of 255; of JPEG coding where that is more than its noise."""
    noise = noise_deviation(read_image(image, options, name="image").pixels) ** 2
    luma = None if isinstance(image, np.ndarray) else _jpeg_luma(image)
    if luma is None:
        return noise
    table, levels = luma
    scale = min(1.0, options.size / min(levels.shape)) if options.size else 1.0
    return max(noise, jpeg_mse(levels, table, scale))


def _jpeg_luma(image: Path | BinaryIO | Image.Image) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Of a JPEG file: luma's quantization table ``(8, 8)`` and levels ``(H, W)``; None of others."""
    if not isinstance(image, Image.Image | Path):
        image.seek(0)  # it was read before
    try:
        opened = image if isinstance(image, Image.Image) else Image.open(image)
        tables = getattr(opened, "quantization", None)
        if not tables:
            return None
        table = np.array(tables[min(tables)], np.float64).reshape(_BLOCK, _BLOCK)
        return table, np.asarray(opened.convert("L"), np.float64)
    except (OSError, ValueError, SyntaxError):
        return None  # reading it tells


def jpeg_mse(levels: NDArray[np.float64], table: NDArray[np.float64], scale: float) -> float:
    """Mean squared error, at least, of a JPEG file's luma in an image made ``scale`` as large.

    Args:
        levels: float64 ``(H, W)``, decoded, 0 to 255. table: float64 ``(8, 8)``, the quantization steps.
    """
    rows, columns = (side // _BLOCK for side in levels.shape)
    if not rows or not columns:
        return 0.0
    blocks = levels[: rows * _BLOCK, : columns * _BLOCK].reshape(rows, _BLOCK, columns, _BLOCK) - 128
    coefficients = np.einsum("ui,ribj,vj->rbuv", _COSINES, blocks, _COSINES)
    kept = max(math.ceil(_BLOCK * scale), 1)
    rounded = (np.abs(coefficients) > table / 2).mean(axis=(0, 1))
    return float((rounded * table**2)[:kept, :kept].sum()) / 12 / _BLOCK**2


def noise_deviation(pixels: Pixels) -> float:
    """Standard deviation of the noise in an image uint8 ``(H, W, C)``, in levels of 255."""
    if min(pixels.shape[:2]) < 3:
        return 0.0
    p = pixels.astype(np.int32)
    across = p[:, :-2] - 2 * p[:, 1:-1] + p[:, 2:]
    response = across[:-2] - 2 * across[1:-1] + across[2:]
    return float(np.median(np.abs(response))) / _MEDIAN_OF_NORMAL / _LAPLACIAN_NORM
