"""The ``cells`` encoder: a codebook for the set, the step that gives what was asked for, then record after record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import torch

from inrformat.encoding.cores import core_count
from inrformat.encoding.corpus import Corpus
from inrformat.encoding.encoder import OnProgress
from inrformat.families.cells.descriptor import Cells
from inrformat.families.cells.encoder.builtin import builtin_codebooks, cheapest, choose_builtin
from inrformat.families.cells.encoder.calibrate import calibrate
from inrformat.families.cells.encoder.codebook import BUILTIN, CellsCodebook, read_codebook
from inrformat.families.cells.encoder.engine import Engine
from inrformat.families.cells.encoder.lanes import with_suited_lanes
from inrformat.families.cells.encoder.numba_engine import NumbaEngine
from inrformat.families.cells.encoder.options import CellsOptions, initial_step, step_of_quality
from inrformat.families.cells.encoder.rate_control import FileSizeTarget, RateTarget, target_of
from inrformat.families.cells.encoder.size_controller import SizeController
from inrformat.families.cells.encoder.torch_engine import TorchEngine
from inrformat.families.cells.encoder.train import Sample, images_to_check, learn_codebook, pixels_of, retarget
from inrformat.families.cells.encoder.trained import SizeTargetedEncoder, TrainedCellsEncoder
from inrformat.families.codebook import Codebook

__all__ = ["CellsEncoder", "make_encoder", "read_codebook"]

_BUILTIN_PIXELS = 1 << 20
"""Up to so many pixels in the whole set a built-in codebook may make a smaller file than one of its own."""


class CellsEncoder:
    """Learns a codebook for a set of images, or takes another file's or a built-in one."""

    def __init__(
        self,
        options: CellsOptions,
        *,
        codebook: Codebook | None = None,
        device: torch.device | None = None,
        on_progress: OnProgress = lambda _images: None,
    ) -> None:
        """An encoder that has seen no image yet.

        Args:
            codebook: takes the place of the one the options name. Only its step is changed, for a quality or a target.
            device: encode batches in torch there; None for compiled code on the CPU's cores, image by image.
                A PSNR that each image is to reach is searched for by the latter in any case.
            on_progress: called with the images done since its last call.
        """
        threads = options.threads or core_count()
        self.options = options
        self._given = read_codebook(options.codebook) if codebook is None else codebook
        self._threads = threads
        self._engine: Engine = NumbaEngine(threads) if device is None else TorchEngine(device, threads)
        self._on_progress = on_progress

    def options_map(self) -> dict[str, Any]:
        """What the encoder was asked for: plain types for the metadata."""
        asked = asdict(self.options)
        return {"network": Cells.family, **{k: v for k, v in asked.items() if k not in ("threads", "codebook")}}

    def train(self, corpus: Corpus) -> TrainedCellsEncoder | SizeTargetedEncoder:
        """Choose the codebook, and the step that gives what was asked for.

        Raises:
            UsageError: the file cannot be as small as asked for; no built-in codebook is for such images.
        """
        target = target_of(self.options, corpus)
        codebook = self._codebook_for(corpus, target)
        if target is None or self.options.psnr_floor_db is not None:
            return self._trained(codebook)
        calibration = calibrate(codebook, corpus.batches, target, engine=self._engine, on_batch=self._still_learning)
        trained = self._trained(calibration.codebook)
        if isinstance(target, FileSizeTarget):
            return SizeTargetedEncoder(trained, SizeController.of(calibration, target))
        return trained

    def restore(
        self, learned: Mapping[str, Any], progress: Mapping[str, Any]
    ) -> TrainedCellsEncoder | SizeTargetedEncoder:
        """See ``encoding.encoder.Encoder``."""
        trained = self._trained(CellsCodebook.of(Codebook.from_map(learned["codebook"])))
        return SizeTargetedEncoder(trained, SizeController(**progress)) if progress else trained

    def _codebook_for(self, corpus: Corpus, target: RateTarget | None) -> CellsCodebook:
        """The given codebook, the best built-in one, or one that is learned from the sample."""
        options = self.options
        if self._given is not None:
            given = CellsCodebook.of(self._given)
            return given if options.quality is None else given.with_step(step_of_quality(options.quality))
        if options.codebook == BUILTIN:
            return choose_builtin(images_to_check(corpus.sample), initial_step(options), target, engine=self._engine)
        return self._learned_codebook(corpus, target)

    def _learned_codebook(self, corpus: Corpus, target: RateTarget | None) -> CellsCodebook:
        """The codebook that is learned; for a small set a built-in one where that makes a cheaper file."""
        spread, threads, on_round = self.options.scale_spread, self._threads, self._still_learning
        sample = Sample.of(corpus.sample, threads=threads)
        step = initial_step(self.options)
        learned = learn_codebook(sample, step, scale_spread=spread, threads=threads, on_round=on_round)
        if target is not None:
            learned = retarget(learned, sample, target, scale_spread=spread, threads=threads, on_round=on_round)
        checked = sample.fits[: len(images_to_check(sample.images))]
        codebook = with_suited_lanes(learned.codebook, checked, threads=threads)
        if not corpus.complete or pixels_of(corpus.sample) > _BUILTIN_PIXELS:
            return codebook
        others = builtin_codebooks(learned.step, channels=learned.codebook.network.channels)
        candidates = [codebook, *(CellsCodebook.of(other) for other in others)]
        return cheapest(candidates, corpus.sample, engine=self._engine).codebook

    def _trained(self, codebook: CellsCodebook) -> TrainedCellsEncoder:
        return TrainedCellsEncoder(
            cells=codebook,
            engine=self._engine,
            psnr_floor_db=self.options.psnr_floor_db,
            threads=self._threads,
            on_progress=self._on_progress,
        )

    def _still_learning(self) -> None:
        """Shows a progress bar before any image is done."""
        self._on_progress(0)


def make_encoder(options: CellsOptions | None, *, device: torch.device, on_progress: OnProgress) -> CellsEncoder:
    """See ``encoding.encoder.EncoderModule``: compiled code on the CPU, torch on CUDA.

    Raises:
        UsageError: the file whose codebook is to be used is not of this family.
    """
    return CellsEncoder(
        options or CellsOptions(), device=device if device.type == "cuda" else None, on_progress=on_progress
    )
