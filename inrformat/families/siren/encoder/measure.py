"""The last stage of encoding: write each network, read back what was written, and report how good it is."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import torch

from inrformat.encoding.record import EncodedRecord, Image, Outcome, psnr_db
from inrformat.families.siren.encoder.code_networks import CodedNetwork
from inrformat.families.siren.encoder.codebook import SirenCodebook
from inrformat.families.siren.encoder.options import SirenOptions
from inrformat.families.siren.encoder.render import render_record

__all__ = ["measured_records"]


def measured_records(
    networks: Sequence[CodedNetwork],
    images: Sequence[Image],
    codebook: SirenCodebook,
    *,
    options: SirenOptions,
) -> list[EncodedRecord]:
    """Write each network, read back what was written, and report whether that is what ``options`` ask for."""
    with ThreadPoolExecutor(torch.get_num_threads()) as pool:
        return list(pool.map(partial(_measured, codebook=codebook, options=options), networks, images))


def _measured(network: CodedNetwork, image: Image, *, codebook: SirenCodebook, options: SirenOptions) -> EncodedRecord:
    coder = codebook.coder(network.kind)
    (data,) = coder.write(network.symbols[None], np.array([network.scale]))
    decoded = render_record(coder, data, height=image.shape[0], width=image.shape[1])
    return _report(data, network, image, psnr_db(decoded, image), options)


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
