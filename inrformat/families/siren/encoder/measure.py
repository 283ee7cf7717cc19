"""The last stage of encoding: write each network, decode what was written, and report how good it is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from inrformat.decoding.dispatch import decode_images
from inrformat.decoding.records import join_records
from inrformat.encoding.record import EncodedRecord, Image, Outcome, psnr_db
from inrformat.families.siren.encoder.code_networks import CodedNetwork
from inrformat.families.siren.encoder.codebook import SirenCodebook
from inrformat.families.siren.encoder.options import SirenOptions

__all__ = ["measured_records"]


def measured_records(
    networks: Sequence[CodedNetwork],
    images: Sequence[Image],
    codebook: SirenCodebook,
    *,
    options: SirenOptions,
    device: torch.device,
) -> list[EncodedRecord]:
    """Write each network, decode what was written, and report whether that is what ``options`` ask for."""
    records = [
        codebook.coder(network.kind).write(network.symbols[None], np.array([network.scale]))[0] for network in networks
    ]
    shapes = np.array([(n.kind, *image.shape[:2]) for n, image in zip(networks, images, strict=True)], np.int64)
    joined = join_records(records, codebook.to_codebook(), shapes=shapes, device=device)
    decoded = decode_images(joined, range(len(images)), backend="reference")
    return [
        _report(data, network, image, psnr_db(pixels.permute(1, 2, 0).cpu().numpy(), image), options)
        for data, network, image, pixels in zip(records, networks, images, decoded, strict=True)
    ]


def _report(
    data: bytes, network: CodedNetwork, image: Image, reached_db: float, options: SirenOptions
) -> EncodedRecord:
    missed = options.psnr_db is not None and round(reached_db, 2) < options.psnr_db
    missed |= options.bytes_per_image is not None and len(data) > options.bytes_per_image
    return EncodedRecord(
        data,
        image.shape[0],
        image.shape[1],
        network=int(network.kind),
        psnr_db=reached_db,
        steps=network.steps,
        sparsity=float((network.symbols == 0).mean()),
        pruning_saved_bytes=network.saved_bytes,
        pruning_gain_db=network.gain_db,
        outcome=Outcome.DIVERGED if network.diverged else Outcome.TARGET_MISSED if missed else Outcome.OK,
    )
