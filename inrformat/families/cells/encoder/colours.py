"""The colour channels that networks are fitted in."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from inrformat.encoding.record import Image

__all__ = ["colour_basis"]

_MAX_SAMPLES = 3 << 20


def colour_basis(images: Sequence[Image]) -> NDArray[np.float32]:
    """Principal axes of the images' colours: float32 ``(C, C)``, orthonormal rows, most variance first."""
    channels = images[0].shape[2]
    stride = max(sum(i.size for i in images) // _MAX_SAMPLES, 1)
    pixels = np.concatenate([i.reshape(-1, channels)[::stride] for i in images]).astype(np.float64)
    centred = pixels - pixels.mean(0)
    # A little of a neutral prior keeps the axes of grey or tiny samples well defined: grey, then opponents.
    prior = np.eye(channels) + 3 * np.ones((channels, channels))
    _, vectors = np.linalg.eigh(centred.T @ centred + prior)
    axes = vectors.T[::-1]
    strongest = np.argmax(np.abs(axes), axis=1)
    axes = axes * np.sign(axes[np.arange(channels), strongest])[:, None]
    basis: NDArray[np.float32] = axes.astype(np.float32)
    return basis
