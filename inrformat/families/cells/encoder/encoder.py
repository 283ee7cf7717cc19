"""The ``cells`` encoder: train a codebook on a sample, then encode images under it, on all cores."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from inrformat.container.packing import compress, pack_map
from inrformat.container.reader import InrdReader
from inrformat.encode.corpus import Corpus, SizeBudget
from inrformat.encode.record import EncodedRecord, Image, Outcome, psnr_db, psnr_of_mse_db
from inrformat.errors import UsageError
from inrformat.families.cells.descriptor import Cells
from inrformat.families.cells.encoder.builtin import builtin_codebooks, file_cost_bytes
from inrformat.families.cells.encoder.fit import Fit, fit, inverse
from inrformat.families.cells.encoder.model import Model, decode_ready, symbols_of
from inrformat.families.cells.encoder.options import STEP_LEAST, STEP_MOST, CellsOptions, step_of_quality
from inrformat.families.cells.encoder.rate_control import SCALES_PER_OCTAVE, Measured
from inrformat.families.cells.encoder.size_budget import ByteBudget
from inrformat.families.cells.encoder.torch_engine import BatchedCells
from inrformat.families.cells.encoder.train import ClassCounts, colour_basis, to_codebook, train
from inrformat.families.cells.nodes import CELL_SIDES, grid
from inrformat.families.cells.record import SCALE_LIMIT, CellSymbols, write_record
from inrformat.families.cells.reference import OFFSET, step_of
from inrformat.families.codebook import Codebook

__all__ = ["CellsEncoder", "make_encoder", "read_codebook"]

_ROUNDS, _RETARGET_ROUNDS, _RETARGETS = 8, 3, 5
_SAMPLE_PIXELS = 6 << 20
_BUILTIN_PIXELS = 1 << 20
_TARGET_PIXELS = 2 << 20
_DB_PER_SCALE = 4.5 / 4
_PAIR_EVERY = 4
_SETTLE_PIXELS = 1 << 29
_BATCH_PIXELS = 1 << 24
_SETTLED_OCTAVES = 0.06
_SETTLE_PASSES = 4
_SPREAD_FLOOR, _SPREAD_BUDGET = 8.0, 1.0

Given = TypeVar("Given")
Result = TypeVar("Result")


class CellsEncoder:
    """Encodes images as records of one ``Cells`` descriptor."""

    def __init__(
        self,
        options: CellsOptions,
        *,
        codebook: Codebook | None = None,
        learn: bool = True,
        device: torch.device | None = None,
        progress: Callable[[float], None] = lambda _images: None,
    ) -> None:
        """``codebook`` of another file is used; only its step may be changed by an aim.

        Args:
            learn: False to take the best built-in codebook instead of learning one.
            device: encode large batches in torch there; None for compiled code on the CPU's cores, one image each.
                A PSNR for each image is searched for by the latter in any case.
            progress: called with the images done since.
        """
        self.options = options
        self._images = 0
        self._room: SizeBudget | None = None
        self._budget: ByteBudget | None = None
        self._device = device
        self._progress = progress
        self._threads = options.threads or os.cpu_count() or 1
        self._given = codebook
        self._learns = learn
        if codebook is not None:
            self._use(codebook)
            if options.quality is not None:
                self._restep(step_of_quality(options.quality))

    def options_map(self) -> dict[str, Any]:
        """What the encoder was asked for: plain types for the metadata."""
        return {
            "network": Cells.family,
            **{k: v for k, v in asdict(self.options).items() if k not in ("threads", "codebook")},
        }

    @property
    def codebook(self) -> Codebook:
        return self._codebook

    def train(self, corpus: Corpus) -> CellsEncoder:
        """Learn from a corpus."""
        self._images = corpus.length
        if self.options.target_bytes is not None:
            self._room = corpus.size_budget(self.options.target_bytes)
        self._train(corpus.sample, complete=corpus.complete)
        if self.settles:
            self.settle(corpus.batches)
        return self

    def _train(self, sample: Sequence[Image], *, complete: bool) -> Codebook:
        """Learn colours, classes, tables and, for a target, the step."""
        if self._given is not None:
            return self._codebook
        chosen = _within(sample, _SAMPLE_PIXELS)
        step = step_of_quality(70 if self.options.quality is None else self.options.quality)
        if self._has_aim:
            step = STEP_LEAST * 2.0**3
        if not self._learns:
            return self._train_builtin(_within(chosen, _TARGET_PIXELS), step)
        colour = colour_basis(chosen)
        fits = self._map(lambda image: fit(image, colour), chosen)
        counts = ClassCounts.suited(sum(i.shape[0] * i.shape[1] for i in chosen))
        model = train(fits, step, counts, rounds=_ROUNDS, on_round=self._alive)
        self._use(to_codebook(model, fits, step, colour, scale_spread=self._scale_spread))
        checked = list(zip(_within(chosen, _TARGET_PIXELS), fits, strict=False))
        for _ in range(_RETARGETS if self._has_aim else 0):
            measured = Measured()
            measured.add(self._map(lambda pair: self._at_scale(*pair, 0), checked), coarser={})
            octaves = self._octaves_off(measured)
            if abs(octaves) < _SETTLED_OCTAVES:
                break
            step = min(max(step * 2.0**octaves, STEP_LEAST), STEP_MOST)
            model = train(fits, step, counts, rounds=_RETARGET_ROUNDS, model=model, on_round=self._alive)
            self._use(to_codebook(model, fits, step, colour, scale_spread=self._scale_spread))
        if complete and sum(i.shape[0] * i.shape[1] for i in sample) <= _BUILTIN_PIXELS:
            self._use_cheapest([self._codebook, *builtin_codebooks(step, channels=len(colour))], sample)
        return self._codebook

    def _train_builtin(self, sample: Sequence[Image], step: float) -> Codebook:
        """The best built-in codebook, and the step for a target."""
        for _ in range(_RETARGETS):
            candidates = builtin_codebooks(step, channels=sample[0].shape[2])
            if not candidates:
                raise UsageError(f"no built-in codebook is for images of {sample[0].shape[2]} channels: learn one")
            self._use_cheapest(candidates, sample)
            measured = Measured()
            if self._has_aim:
                measured.add(self._encode_at(sample, [0] * len(sample)), coarser={})
            octaves = self._octaves_off(measured) if self._has_aim else 0.0
            if abs(octaves) < _SETTLED_OCTAVES:
                break
            step = min(max(step * 2.0**octaves, STEP_LEAST), STEP_MOST)
        return self._codebook

    def _use_cheapest(self, candidates: Sequence[Codebook], images: Sequence[Image]) -> None:
        """Use the codebook under which a file of ``images`` costs least, its distortion counted in bytes."""
        costs = []
        for codebook in candidates:
            self._use(codebook)
            records = self._encode_at(images, [0] * len(images))
            costs.append(file_cost_bytes(records, codebook, channels=self._network.channels, step=self._network.step))
        self._use(candidates[costs.index(min(costs))])

    @property
    def settles(self) -> bool:
        """Whether ``settle`` has anything to do: there is an aim that the step must meet over the whole set."""
        return self._has_aim and self.options.psnr_floor_db is None

    def settle(self, batches: Callable[[], Iterable[Sequence[Image]]]) -> Codebook:
        """Correct the step by encoding much more of the data set than a codebook is learned from.

        Args:
            batches: gives a random part of the data set, or all of it, each time the same.

        Raises:
            UsageError: the file cannot be as small as asked for.
        """
        for _ in range(_SETTLE_PASSES):
            measured = self._measure(batches())
            octaves = self._octaves_off(measured)
            step = self._network.step
            self._restep(min(max(step * 2.0**octaves, STEP_LEAST), STEP_MOST))
            if abs(octaves) < _SETTLED_OCTAVES or self._network.step == step:
                break
        if self.options.target_bytes is not None:
            self._budget = self._budget_for(measured, self._network.step / step)
        return self._codebook

    def encode(self, images: Sequence[Image], *, following: int = 0) -> list[EncodedRecord]:
        """Encode images, in order."""
        if self._budget is not None:
            self._budget.images_left = len(images) + following
            records = self._budget.encode(images, self._encode_at)
        elif self._device is not None and self.options.psnr_floor_db is None:
            records = self._encode_at(images, [0] * len(images))
        else:
            return self._map(self._encode_and_count, images)
        self._progress(len(images))
        return records

    def _encode_at(self, images: Sequence[Image], scales: Sequence[int]) -> list[EncodedRecord]:
        pairs = list(zip(images, scales, strict=True))
        if self._device is None:
            return self._map(lambda pair: self._at_scale(pair[0], self._fit(pair[0]), pair[1]), pairs)
        batched = BatchedCells(self._network, self._model, device=self._device)
        records: dict[int, EncodedRecord] = {}
        for batch in _batches(images):
            chosen, at = [images[n] for n in batch], [scales[n] for n in batch]
            self._check_channels(chosen[0])
            coded = batched.symbols(chosen, at, self._map)
            records.update(zip(batch, self._map(lambda pair: self._record(*pair), coded), strict=True))
        return [records[n] for n in range(len(images))]

    def _record(self, symbols: CellSymbols, mse: float) -> EncodedRecord:
        data = write_record(self._network, symbols, self._codebook.tables)
        return EncodedRecord(data, symbols.height, symbols.width, self._number, psnr_of_mse_db(mse))

    def _measure(self, batches: Iterable[Sequence[Image]]) -> Measured:
        measured = Measured()
        for images in batches:
            records = self._encode_at(images, [0] * len(images))
            pairs = range(0, len(images), _PAIR_EVERY)
            coarser = self._encode_at([images[n] for n in pairs], [1] * len(pairs))
            measured.add(records, coarser=dict(zip(pairs, coarser, strict=True)))
            self._alive()
            if measured.pixels >= _SETTLE_PIXELS:
                break
        return measured

    def _restep(self, step: float) -> None:
        """The same codebook with another step."""
        networks = tuple(
            replace(n, step=float(np.float32(step))) if n is self._network else n for n in self._codebook.networks
        )
        self._use(replace(self._codebook, networks=networks))

    def _record_bytes(self) -> int:
        """Bytes a file of the asked size has for records."""
        codebook_bytes = len(compress(pack_map(self._codebook.to_map())))
        return 0 if self._room is None else self._room(codebook_bytes)

    def _budget_for(self, measured: Measured, restep: float) -> ByteBudget:
        left = self._record_bytes()
        factor = measured.bytes_per_scale
        expected = measured.mean_bytes * factor ** (SCALES_PER_OCTAVE * math.log2(restep))
        asked = self.options.target_bytes or 0
        if self._network.step >= STEP_MOST and expected * self._images > left:
            least = math.ceil(asked - left + expected * self._images)
            raise UsageError(
                f"{asked:,} bytes are too few for these images, whose targets, names and tables take {asked - left:,}: "
                f"the smallest file is about {least:,} bytes"
            )
        finest = math.ceil(SCALES_PER_OCTAVE * math.log2(STEP_LEAST / self._network.step))
        return ByteBudget(left, self._images, expected, measured.images, factor, finest)

    def _encode_and_count(self, image: Image) -> EncodedRecord:
        record = self._encode_one(image)
        self._progress(1)
        return record

    def _alive(self) -> None:
        """Shows a progress bar while the codebook is learned, before any image is done."""
        self._progress(0)

    def _use(self, codebook: Codebook) -> None:
        network = next((n for n in codebook.networks if isinstance(n, Cells)), None)
        if network is None:
            raise UsageError("the codebook given has no cells network: take one from a file of that family")
        self._codebook, self._network = codebook, network
        self._number = codebook.networks.index(network)
        self._model: Model = decode_ready(network, codebook.tables)

    @property
    def _has_aim(self) -> bool:
        o = self.options
        return any(x is not None for x in (o.psnr_db, o.psnr_floor_db, o.rate_bpp, o.target_bytes))

    @property
    def _scale_spread(self) -> float:
        if self.options.psnr_floor_db is not None:
            return _SPREAD_FLOOR
        return _SPREAD_BUDGET if self.options.target_bytes is not None else 0.0

    def _octaves_off(self, measured: Measured) -> float:
        """How far the step is from what the aim needs, in octaves."""
        o = self.options
        if o.rate_bpp is not None:
            return measured.octaves_for_rate(o.rate_bpp)
        if o.target_bytes is not None:
            return measured.octaves_for_bytes(max(self._record_bytes() / self._images, 1))
        return measured.octaves_for_psnr(o.psnr_db or o.psnr_floor_db or 0.0)

    def _fit(self, image: Image) -> Fit:
        self._check_channels(image)
        return fit(image, self._network.colour)

    def _check_channels(self, image: Image) -> None:
        if image.shape[2] != self._network.channels:
            raise UsageError(f"image of {image.shape[2]} channels, the codebook is for {self._network.channels}")

    def _encode_one(self, image: Image) -> EncodedRecord:
        fitted = self._fit(image)
        floor = self.options.psnr_floor_db
        if floor is None:
            return self._at_scale(image, fitted, 0)
        low, high = -SCALE_LIMIT, SCALE_LIMIT  # scale `low` is taken to meet the floor
        guess = 0
        best: EncodedRecord | None = None
        while low < high:
            record = self._at_scale(image, fitted, guess)
            if record.psnr_db >= floor:
                low, best = guess, record
            else:
                high = guess - 1
            jump = round((record.psnr_db - floor) / _DB_PER_SCALE)
            guess = min(max(guess + jump, low + 1), high)
        record = best if best is not None else self._at_scale(image, fitted, low)
        return record if record.psnr_db >= floor else replace(record, outcome=Outcome.TARGET_MISSED)

    def _at_scale(self, image: Image, fitted: Fit, scale: int) -> EncodedRecord:
        symbols, means = symbols_of(fitted, self._network, self._model, scale=scale)
        data = write_record(self._network, symbols, self._codebook.tables)
        decoded = _pixels(self._network, symbols, means)
        return EncodedRecord(data, symbols.height, symbols.width, self._number, psnr_db(decoded, image))

    def _map(self, function: Callable[[Given], Result], items: Iterable[Given]) -> list[Result]:
        with ThreadPoolExecutor(self._threads) as pool:
            return list(pool.map(function, items))


def _pixels(network: Cells, symbols: CellSymbols, means: dict[int, NDArray[np.float32]]) -> NDArray[np.uint8]:
    """What the decoder gives back at native size: uint8 ``(H, W, C)``."""
    height, width = symbols.height, symbols.width
    rows, columns = grid(height, width, CELL_SIDES[0])
    planes = np.zeros((network.channels, rows * CELL_SIDES[0], columns * CELL_SIDES[0]), np.float32)
    for side in CELL_SIDES:
        classes = symbols.classes[side]
        cells = ((classes >= 0) & (classes < len(network.level(side).kept))).ravel()
        weights = symbols.weights[side].astype(np.float32) * step_of(network, symbols.scale)
        weights[:, :, 0] = means[side].reshape(network.channels, -1)[:, cells].T
        inverse(weights, np.flatnonzero(cells), side, columns=classes.shape[1], planes=planes)
    colours = np.moveaxis(planes[:, :height, :width], 0, 2) @ network.colour + np.float32(OFFSET)
    pixels: NDArray[np.uint8] = np.floor(np.clip(colours, 0, 255) + np.float32(0.5)).astype(np.uint8)
    return pixels


def _batches(images: Sequence[Image]) -> list[list[int]]:
    """Positions of images of one size, together no more than fit on a device comfortably."""
    batches: list[list[int]] = []
    by_size = sorted(range(len(images)), key=lambda n: images[n].shape)
    for n in by_size:
        shape = images[n].shape
        full = batches and (len(batches[-1]) + 1) * shape[0] * shape[1] > _BATCH_PIXELS
        if not batches or full or images[batches[-1][0]].shape != shape:
            batches.append([])
        batches[-1].append(n)
    return batches


def _within(images: Sequence[Image], pixels: int) -> list[Image]:
    """The first images that together have at most so many pixels; at least one."""
    totals = np.cumsum([i.shape[0] * i.shape[1] for i in images])
    return list(images[: max(int(np.searchsorted(totals, pixels, side="right")), 1)])


def make_encoder(
    options: CellsOptions | None, *, device: torch.device, on_progress: Callable[[float], None]
) -> CellsEncoder:
    """See ``encode.encoder.EncoderModule``."""
    options = options or CellsOptions()
    return CellsEncoder(
        options,
        codebook=read_codebook(options.codebook),
        learn=options.codebook != "builtin",
        device=device if device.type == "cuda" else None,
        progress=on_progress,
    )


def read_codebook(path: str | os.PathLike[str] | None) -> Codebook | None:
    """The codebook of another file; None where there is none, or a built-in one is meant."""
    if path is None or path == "builtin":
        return None
    with InrdReader(path) as reader:
        codebook = Codebook.from_map(reader.codebook, limits=reader.limits)
    if not codebook.networks or not isinstance(codebook.networks[0], Cells):
        raise UsageError(f"--codebook {path}: not a file of cells")
    return codebook
