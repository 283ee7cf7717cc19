"""Quantization of fitted networks under given scales, with fine-tuning through the rounding.

A record's scale multiplies all quantization steps of its descriptor by ``2**(scale / 8)``: the image's own point on the
rate-distortion curve.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from inrformat.families.siren.descriptor import SCALES_PER_OCTAVE, Siren
from inrformat.families.siren.encoder.batches import FittedBatch, QuantizedBatch
from inrformat.families.siren.encoder.optimizer import Optimizer

__all__ = ["Quantizer", "round_to_symbols", "weight_steps"]

_SYMBOL_LIMIT = 32767
# 2**(k / 8) by square roots and products alone: those are the same on every processor, and exponentials are not.
_PARTS_OF_AN_OCTAVE = np.multiply.accumulate([1.0, *[math.sqrt(math.sqrt(math.sqrt(2.0)))] * (SCALES_PER_OCTAVE - 1)])


@dataclass(frozen=True, slots=True, eq=False)
class Quantizer:
    """Rounds networks to the steps of a descriptor and fine-tunes them through the rounding."""

    network: Siren
    fine_tuning: Optimizer

    def quantize(
        self, fitted: FittedBatch, scales: NDArray[np.int32], *, target_mse: NDArray[np.float64] | None = None
    ) -> QuantizedBatch:
        """The networks at ``scales (B,)``, never worse than rounding alone, measured on all pixels.

        Args:
            target_mse: float64 ``(B,)``; fine-tuning ends where it is reached.
        """
        quantization_steps = weight_steps(self.network, scales)
        initialization = fitted.initialization(quantization_steps=quantization_steps, target_mse=target_mse)
        fit = self.fine_tuning.fit(fitted.images, initialization)
        return QuantizedBatch(
            symbols=_as_symbols(np.rint(fit.differences.astype(np.float64) / quantization_steps)),
            scales=scales,
            mse=fit.mse,
            fine_tuning_steps=fit.steps,
        )

    def without_fine_tuning(self) -> Quantizer:
        """The same by rounding alone."""
        return replace(self, fine_tuning=self.fine_tuning.with_steps(0))


def round_to_symbols(network: Siren, differences: NDArray[np.float32], *, scale: int) -> NDArray[np.int32]:
    """Symbols of networks at one common scale, without fine-tuning: int32 ``(B, P)`` of float32 ``(B, P)``."""
    quantization_steps = weight_steps(network, np.full(len(differences), scale, np.int32))
    return _as_symbols(np.rint(differences / quantization_steps))


def weight_steps(network: Siren, scales: NDArray[np.int32]) -> NDArray[np.float32]:
    """Quantization step of each weight at ``scales (B,)``: float32 ``(B, P)``."""
    octaves, parts = np.divmod(scales, SCALES_PER_OCTAVE)
    factors = np.ldexp(_PARTS_OF_AN_OCTAVE[parts], octaves).astype(np.float32)
    quantization_steps: NDArray[np.float32] = network.step_vector * factors[:, None]
    return quantization_steps


def _as_symbols(multiples: NDArray[np.floating]) -> NDArray[np.int32]:
    symbols: NDArray[np.int32] = np.clip(multiples, -_SYMBOL_LIMIT, _SYMBOL_LIMIT).astype(np.int32)
    return symbols
