"""The SIREN encoder: fit, quantize, entropy-code, and measure what the decoder will give back."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from inrformat.coding.tables import SymbolTable, TableSet
from inrformat.decode.records import join_records
from inrformat.decode.reference import decode_images
from inrformat.encode.record import EncodedRecord, Image, psnr_db
from inrformat.encode.siren.fit import fit_images
from inrformat.encode.siren.quantize import choose_steps, quantize_within
from inrformat.networks.codebook import Codebook
from inrformat.networks.siren import Siren

__all__ = ["SirenEncoder", "SirenOptions"]

_OMEGA = 30.0
_WORST_TO_MEAN_DROP = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class SirenOptions:
    """What to fit and how long.

    Attributes:
        hidden: (hidden layers, width of each), or None to choose by image size: the paper's 3x15 at 32 px,
            5x28 up to 128 px, 10x28 beyond.
        steps: of the optimiser, for each image.
        learning_rate: of Adam at the start.
        max_drop_db: what quantization may cost on average; no image may lose more than four times that.
        seed: of every random choice.
    """

    hidden: tuple[int, int] | None = None
    steps: int = 1000
    learning_rate: float = 3e-3
    max_drop_db: float = 0.2
    seed: int = 0


class SirenEncoder:
    """Encodes images as records of one ``Siren`` descriptor."""

    def __init__(
        self,
        options: SirenOptions,
        *,
        device: torch.device,
        progress: Callable[[float], None] = lambda _images: None,
    ) -> None:
        """``progress`` is called with the images' worth of work done since its last call."""
        self.options = options
        self._device = device
        self._progress = progress
        self._fitted: dict[bytes, Tensor] = {}

    def options_map(self) -> dict[str, Any]:
        """What the encoder was asked for: plain types for the metadata."""
        return {"network": Siren.family, **asdict(self.options)}

    def train(self, sample: Sequence[Image], *, complete: bool) -> Codebook:
        """Choose the shape, fit the sample, and learn steps and symbol tables from it."""
        layers, width = self.options.hidden or _shape_for(sample)
        groups = 2 * (layers + 1)
        network = Siren((2, *[width] * layers, 3), _OMEGA, (1.0,) * groups, tuple(range(groups)), groups)
        parameters = self._fit(network, sample)
        self._fitted = {_key(image): row for image, row in zip(sample, parameters, strict=True)}
        self._network = choose_steps(
            network, parameters, sample, max_drop_db=self.options.max_drop_db, seed=self.options.seed
        )
        scales, symbols = self._quantize(parameters, sample)
        values = [*np.split(symbols, np.cumsum(network.group_sizes)[:-1], axis=1), scales]
        tables = TableSet.of([SymbolTable.from_values(v, complete=complete) for v in values])
        self._codebook = Codebook(tables, (self._network,))
        return self._codebook

    def encode(self, images: Sequence[Image]) -> list[EncodedRecord]:
        """Encode images, in order; those of the training sample are not fitted again."""
        fresh = iter(self._fit(self._network, [image for image in images if _key(image) not in self._fitted]))
        known = [self._fitted.get(_key(image)) for image in images]
        parameters = torch.stack([next(fresh) if row is None else row for row in known])
        scales, symbols = self._quantize(parameters, images)
        tables = self._codebook.tables
        records = self._network.encode_records(symbols, scales, tables)
        shapes = np.array([(0, *image.shape[:2]) for image in images], np.int64)
        joined = join_records(records, tables, device=self._device)
        decoded = decode_images(self._codebook.networks, joined, range(len(images)), shapes=shapes)
        return [
            EncodedRecord(
                data,
                image.shape[0],
                image.shape[1],
                network=0,
                psnr_db=psnr_db(pixels.permute(1, 2, 0).cpu().numpy(), image),
            )
            for data, image, pixels in zip(records, images, decoded, strict=True)
        ]

    def _fit(self, network: Siren, images: Sequence[Image]) -> Tensor:
        return fit_images(
            network,
            images,
            steps=self.options.steps,
            learning_rate=self.options.learning_rate,
            seed=self.options.seed,
            device=self._device,
            progress=self._progress,
        )

    def _quantize(self, parameters: Tensor, images: Sequence[Image]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        worst = _WORST_TO_MEAN_DROP * self.options.max_drop_db
        scales, symbols = quantize_within(self._network, parameters, images, max_drop_db=worst)
        return scales.cpu().numpy(), symbols.cpu().numpy()


def _shape_for(sample: Sequence[Image]) -> tuple[int, int]:
    """The paper's (hidden layers, width) for the sample's median short side."""
    side = float(np.median([min(image.shape[:2]) for image in sample]))
    return (3, 15) if side <= 48 else (5, 28) if side <= 128 else (10, 28)


def _key(image: Image) -> bytes:
    return hashlib.sha256(repr(image.shape).encode() + image.tobytes()).digest()
