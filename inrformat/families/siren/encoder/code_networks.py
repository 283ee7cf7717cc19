"""The network of each image as it will be written: dense, or pruned where that was asked for or is better."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from inrformat.families.siren.encoder.batches import FittedBatch, QuantizedBatch
from inrformat.families.siren.encoder.codebook import NetworkKind, SirenCodebook
from inrformat.families.siren.encoder.options import Pruning, SirenOptions
from inrformat.families.siren.encoder.prune import PruningMethod, prune_as_asked
from inrformat.families.siren.encoder.pruning_criteria import criteria_for, prune_where_better
from inrformat.families.siren.encoder.quantize import Quantizer
from inrformat.families.siren.encoder.rate_control import choose_scales, gain_db

__all__ = ["CodedNetwork", "code_networks"]


@dataclass(frozen=True, slots=True, eq=False)
class CodedNetwork:
    """One image's network, ready to be written.

    Attributes:
        kind: which descriptor it is written under. scale: of its quantization steps. symbols: int32 ``(P,)``.
        steps: of the optimiser, fine-tuning included. diverged: it is the image's mean colour.
        saved_bytes, gain_db: as ``EncodedRecord`` reports them of pruning.
    """

    kind: NetworkKind
    scale: int
    symbols: NDArray[np.int32]
    steps: int
    diverged: bool
    saved_bytes: int = 0
    gain_db: float = 0.0

    def to_map(self) -> dict[str, Any]:
        """Plain types, exactly."""
        return {**asdict(self), "kind": int(self.kind), "symbols": self.symbols.astype("<i4").tobytes()}

    @classmethod
    def from_map(cls, stored: Mapping[str, Any]) -> Self:
        """Undo `to_map`."""
        symbols = np.frombuffer(stored["symbols"], "<i4").astype(np.int32)
        return cls(**{**stored, "kind": NetworkKind(stored["kind"]), "symbols": symbols})


def _coded(fitted: FittedBatch, quantized: QuantizedBatch, kind: NetworkKind) -> list[CodedNetwork]:
    """The networks of a batch, all as that kind."""
    return [
        CodedNetwork(kind, int(scale), symbols, int(steps), diverged=bool(diverged))
        for scale, symbols, steps, diverged in zip(
            quantized.scales,
            quantized.symbols,
            fitted.steps + quantized.fine_tuning_steps,
            fitted.diverged,
            strict=True,
        )
    ]


def code_networks(
    options: SirenOptions, quantizer: Quantizer, codebook: SirenCodebook, fitted: FittedBatch, dense: QuantizedBatch
) -> list[CodedNetwork]:
    """Each image's network, from ``fitted`` networks and the same quantized without pruning."""
    if codebook.pruned is None:
        return _coded(fitted, dense, NetworkKind.DENSE)
    if options.pruning is Pruning.AUTO:
        return _pruned_where_better(options, quantizer, codebook, fitted, dense)
    return _pruned_as_asked(options, quantizer, codebook, fitted, dense)


def _pruned_as_asked(
    options: SirenOptions, quantizer: Quantizer, codebook: SirenCodebook, fitted: FittedBatch, dense: QuantizedBatch
) -> list[CodedNetwork]:
    """All images pruned, with what that saved and lost against ``dense``."""
    method = PruningMethod.of(options, quantizer.network.group_sizes)
    coder = codebook.coder(NetworkKind.PRUNED)
    pruned = choose_scales(options, quantizer, prune_as_asked(options, method, quantizer.fine_tuning, fitted), coder)
    before = codebook.coder(NetworkKind.DENSE).write(dense.symbols, dense.scales)
    after = coder.write(pruned.symbols, pruned.scales)
    return [
        replace(network, saved_bytes=len(b) - len(a), gain_db=float(gain))
        for network, b, a, gain in zip(
            _coded(fitted, pruned, NetworkKind.PRUNED), before, after, gain_db(dense.mse, pruned.mse), strict=True
        )
    ]


def _pruned_where_better(
    options: SirenOptions, quantizer: Quantizer, codebook: SirenCodebook, fitted: FittedBatch, dense: QuantizedBatch
) -> list[CodedNetwork]:
    """Of each image the better network, with the bytes that pruning saved."""

    def record_bytes(quantized: QuantizedBatch, kind: NetworkKind) -> NDArray[np.float64]:
        return codebook.coder(kind).expected_bytes(quantized.symbols)

    criteria = criteria_for(options, quantizer, codebook, record_bytes=record_bytes)
    method = PruningMethod.of(options, quantizer.network.group_sizes)
    choice = prune_where_better(quantizer.fine_tuning, fitted, dense, method=method, criteria=criteria)
    saved = record_bytes(dense, NetworkKind.DENSE) - record_bytes(choice.best, NetworkKind.PRUNED)
    unpruned, pruned = (_coded(fitted, choice.best, kind) for kind in (NetworkKind.DENSE, NetworkKind.PRUNED))
    return [
        replace(pruned[i], saved_bytes=round(saved[i])) if is_pruned else unpruned[i]
        for i, is_pruned in enumerate(choice.pruned.tolist())
    ]
