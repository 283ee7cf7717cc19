"""The SIREN encoder: it learns from a corpus, then fits, quantizes, codes and measures images."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch

from inrformat.encoding.corpus import Corpus
from inrformat.encoding.encoder import OnProgress
from inrformat.encoding.record import EncodedRecord, Image
from inrformat.families.codebook import Codebook
from inrformat.families.siren.descriptor import Siren
from inrformat.families.siren.encoder.code_networks import CodedNetwork, code_networks
from inrformat.families.siren.encoder.codebook import NetworkKind, SirenCodebook, learn_codebook
from inrformat.families.siren.encoder.engine import Engine, Shape, ignore_fits
from inrformat.families.siren.encoder.engines import engine_for
from inrformat.families.siren.encoder.fit import FirstFit
from inrformat.families.siren.encoder.hyperparameters import (
    choose_shape,
    fine_tuning_adam,
    first_fit_adam,
    first_fit_target_mse,
)
from inrformat.families.siren.encoder.initialization import Origin, choose_origin
from inrformat.families.siren.encoder.measure import measured_records
from inrformat.families.siren.encoder.optimizer import Optimizer
from inrformat.families.siren.encoder.options import SirenOptions
from inrformat.families.siren.encoder.pruning_trial import pruned_examples
from inrformat.families.siren.encoder.quantization_steps import allocate_quantization_steps
from inrformat.families.siren.encoder.quantize import Quantizer
from inrformat.families.siren.encoder.rate_control import choose_sample_scales, choose_scales

__all__ = ["SirenEncoder", "TrainedSirenEncoder", "make_encoder"]


class SirenEncoder:
    """Encodes images as records of one ``Siren`` shape, with one descriptor each for dense and for pruned networks."""

    def __init__(
        self,
        options: SirenOptions,
        *,
        device: torch.device,
        engine: Engine | None = None,
        on_progress: OnProgress = ignore_fits,
    ) -> None:
        """Prepare to fit on ``device``.

        Args:
            engine: that fits; None: the fastest for ``device``.
            on_progress: called with the first fits done since its last call; the base and fine-tuning do not count.
        """
        self._options = options
        self._engine = engine_for(device) if engine is None else engine
        self._on_progress = on_progress

    def options_map(self) -> dict[str, Any]:
        """See ``encoding.encoder.Encoder``."""
        return {"network": Siren.family, **asdict(self._options), "pruning": str(self._options.pruning)}

    def train(self, corpus: Corpus) -> TrainedSirenEncoder:
        """Choose the shape, learn the base, fit the sample, and learn quantization steps and symbol tables from it."""
        options, sample = self._options, corpus.sample
        shape = choose_shape(options, sample)
        adam = first_fit_adam(options, shape)
        optimizer = Optimizer(self._engine, shape, adam)
        origin = choose_origin(optimizer, sample, shared_base=options.shared_base)
        first_fit = FirstFit(
            optimizer=optimizer,
            origin=origin,
            target_mse=first_fit_target_mse(options),
            on_fit=self._on_progress,
        )
        fitted = first_fit.fit(sample)
        network = allocate_quantization_steps(options, shape, fitted, base=origin.base)
        quantizer = Quantizer(network, replace(optimizer, adam=fine_tuning_adam(options, adam)))
        dense = choose_sample_scales(options, quantizer, fitted)
        pruned = pruned_examples(options, quantizer, fitted, dense)
        targets_bytes = options.bytes_per_image is not None
        codebook = learn_codebook(network, dense, pruned, complete=corpus.complete and not targets_bytes)
        if targets_bytes:  # sizes follow from the tables: aim again with the final ones
            dense = choose_scales(options, quantizer, fitted, codebook.coder(NetworkKind.DENSE))
        networks = code_networks(options, quantizer, codebook, fitted, dense)
        return TrainedSirenEncoder(
            options=options,
            first_fit=first_fit,
            quantizer=quantizer,
            siren_codebook=codebook,
            sample_networks={_key(image): network for image, network in zip(sample, networks, strict=True)},
        )

    def restore(self, learned: Mapping[str, Any], progress: Mapping[str, Any]) -> TrainedSirenEncoder:
        """See ``encoding.encoder.Encoder``."""
        options, codebook = self._options, SirenCodebook.of(Codebook.from_map(learned["codebook"]))
        shape = Shape(codebook.dense.widths, codebook.dense.omega)
        adam = first_fit_adam(options, shape)
        optimizer = Optimizer(self._engine, shape, adam)
        first_fit = FirstFit(
            optimizer=optimizer,
            origin=Origin.from_map(learned["origin"]),
            target_mse=first_fit_target_mse(options),
            on_fit=self._on_progress,
        )
        return TrainedSirenEncoder(
            options=options,
            first_fit=first_fit,
            quantizer=Quantizer(codebook.dense, replace(optimizer, adam=fine_tuning_adam(options, adam))),
            siren_codebook=codebook,
            sample_networks={bytes.fromhex(key): CodedNetwork.from_map(n) for key, n in learned["sample"].items()},
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TrainedSirenEncoder:
    """See ``encoding.encoder.TrainedEncoder``.

    Attributes:
        options: what is asked for. first_fit: of new images.
        quantizer: with the quantization steps of all networks. siren_codebook: what records refer to.
        sample_networks: of the images learned from, by their digest; they are not fitted again.
    """

    options: SirenOptions
    first_fit: FirstFit
    quantizer: Quantizer
    siren_codebook: SirenCodebook
    sample_networks: Mapping[bytes, CodedNetwork]

    @property
    def codebook(self) -> Codebook:
        """What the records refer to."""
        return self.siren_codebook.to_codebook()

    def learned(self) -> dict[str, Any]:
        """See ``encoding.encoder.TrainedEncoder``; with the networks of the sample, which are not fitted again."""
        return {
            "codebook": self.codebook.to_map(),
            "origin": self.first_fit.origin.to_map(),
            "sample": {key.hex(): network.to_map() for key, network in self.sample_networks.items()},
        }

    def progress(self) -> dict[str, Any]:
        """See ``encoding.encoder.TrainedEncoder``: nothing."""
        return {}

    def encode(self, images: Sequence[Image], *, following: int = 0) -> list[EncodedRecord]:
        """See ``encoding.encoder.TrainedEncoder``; images of the sample are not fitted again."""
        keys = [_key(image) for image in images]
        fresh = [i for i, key in enumerate(keys) if key not in self.sample_networks]
        coded = dict(zip(fresh, self._code([images[i] for i in fresh]), strict=True))
        networks = [coded[i] if i in coded else self.sample_networks[key] for i, key in enumerate(keys)]
        return measured_records(networks, images, self.siren_codebook, options=self.options)

    def _code(self, images: Sequence[Image]) -> list[CodedNetwork]:
        """Fit, quantize and, where it pays, prune new images."""
        if not images:
            return []
        fitted = self.first_fit.fit(images)
        dense = choose_scales(self.options, self.quantizer, fitted, self.siren_codebook.coder(NetworkKind.DENSE))
        return code_networks(self.options, self.quantizer, self.siren_codebook, fitted, dense)


def _key(image: Image) -> bytes:
    return hashlib.sha256(repr(image.shape).encode() + image.tobytes()).digest()


def make_encoder(options: SirenOptions | None, *, device: torch.device, on_progress: OnProgress) -> SirenEncoder:
    """See ``encoding.encoder.EncoderModule``."""
    return SirenEncoder(options or SirenOptions(), device=device, on_progress=on_progress)
