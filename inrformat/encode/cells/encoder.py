"""The ``cells`` encoder: train a codebook on a sample, then encode images under it, on all cores."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from inrformat.encode.cells.model import Model, decode_ready, symbols_of
from inrformat.encode.cells.train import ClassCounts, colour_basis, to_codebook, train
from inrformat.encode.cells.transform import Fit, fit, inverse
from inrformat.encode.record import EncodedRecord, Image, psnr_db
from inrformat.errors import UsageError
from inrformat.networks.cells import Cells
from inrformat.networks.cells_layout import CELL_SIDES, grid
from inrformat.networks.cells_record import SCALE_LIMIT, CellSymbols, write_record
from inrformat.networks.cells_render import OFFSET, step_of
from inrformat.networks.codebook import Codebook

__all__ = ["CellsEncoder", "CellsOptions", "step_of_quality"]

_ROUNDS, _RETARGET_ROUNDS, _RETARGETS = 8, 3, 5
_SAMPLE_PIXELS = 6 << 20
_TARGET_PIXELS = 2 << 20
_STEP_LEAST, _STEP_MOST = 2.0, 400.0
_DB_PER_OCTAVE = 4.5
_BPP_PER_OCTAVE = 0.75

Given = TypeVar("Given")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class CellsOptions:
    """What to aim at: one of the four, ``quality`` where none is given.

    Attributes:
        quality: 0..100; the quantization step halves with every ten. 70 is about 38 dB on photographs of 256 px.
        psnr_db: mean over the data set. psnr_floor_db: at least, for each image. rate_bpp: of records.
        threads: 0 for one a core.
    """

    quality: float = 70.0
    psnr_db: float | None = None
    psnr_floor_db: float | None = None
    rate_bpp: float | None = None
    threads: int = 0

    def __post_init__(self) -> None:
        if sum(x is not None for x in (self.psnr_db, self.psnr_floor_db, self.rate_bpp)) > 1:
            raise UsageError("choose one of a mean PSNR, a PSNR of each image and a rate")
        if not 0 <= self.quality <= 100:
            raise UsageError(f"quality {self.quality} is not in 0..100")


def step_of_quality(quality: float) -> float:
    """Quantization step for a quality 0..100, in units of 1/255: 2 at 100, twice as much for every 10 less."""
    return min(_STEP_LEAST * math.exp2((100 - quality) / 10), _STEP_MOST)


class CellsEncoder:
    """Encodes images as records of one ``Cells`` descriptor."""

    def __init__(
        self,
        options: CellsOptions,
        *,
        codebook: Codebook | None = None,
        progress: Callable[[float], None] = lambda _images: None,
    ) -> None:
        """``codebook`` of another file is used as it is. ``progress`` is called with the images done since."""
        self.options = options
        self._progress = progress
        self._threads = options.threads or os.cpu_count() or 1
        self._given = codebook
        if codebook is not None:
            self._use(codebook)

    def options_map(self) -> dict[str, Any]:
        """What the encoder was asked for: plain types for the metadata."""
        return {"network": Cells.family, **{k: v for k, v in asdict(self.options).items() if k != "threads"}}

    def train(self, sample: Sequence[Image], *, complete: bool) -> Codebook:
        """Learn colours, classes, tables and, for a target, the step."""
        if self._given is not None:
            return self._given
        chosen = _within(sample, _SAMPLE_PIXELS)
        colour = colour_basis(chosen)
        fits = self._map(lambda image: fit(image, colour), chosen)
        counts = ClassCounts.suited(sum(i.shape[0] * i.shape[1] for i in chosen))
        step = step_of_quality(self.options.quality)
        floor = self.options.psnr_floor_db is not None
        if self._aim() is not None:
            step = _STEP_LEAST * 2.0**3
        model = train(fits, step, counts, rounds=_ROUNDS, on_round=self._alive)
        self._use(to_codebook(model, fits, step, colour, any_scale=floor))
        checked = _within(chosen, _TARGET_PIXELS)
        for _ in range(_RETARGETS if self._aim() is not None else 0):
            octaves = self._octaves_off(checked, fits)
            if abs(octaves) < 0.004:
                break
            step = min(max(step * 2.0**octaves, _STEP_LEAST), _STEP_MOST)
            model = train(fits, step, counts, rounds=_RETARGET_ROUNDS, model=model, on_round=self._alive)
            self._use(to_codebook(model, fits, step, colour, any_scale=floor))
        return self._codebook

    def encode(self, images: Sequence[Image]) -> list[EncodedRecord]:
        """Encode images, in order."""
        return self._map(self._encode_and_count, images)

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

    def _aim(self) -> float | None:
        o = self.options
        return next((x for x in (o.psnr_db, o.psnr_floor_db, o.rate_bpp) if x is not None), None)

    def _octaves_off(self, sample: Sequence[Image], fits: Sequence[Fit]) -> float:
        """How far the step is from what the aim needs, in octaves, by a typical slope."""
        pairs = list(zip(sample, fits[: len(sample)], strict=True))
        results = self._map(lambda pair: self._at_scale(pair[0], pair[1], 0), pairs)
        aim = self._aim() or 0.0
        if self.options.rate_bpp is not None:
            rate = 8 * sum(len(r.data) for r in results) / sum(r.height * r.width for r in results)
            return math.log2(rate / aim) / _BPP_PER_OCTAVE
        return (float(np.mean([r.psnr_db for r in results])) - aim) / _DB_PER_OCTAVE

    def _encode_one(self, image: Image) -> EncodedRecord:
        if image.shape[2] != self._network.channels:
            raise UsageError(f"image of {image.shape[2]} channels, the codebook is for {self._network.channels}")
        fitted = fit(image, self._network.colour)
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
            jump = round((record.psnr_db - floor) / (_DB_PER_OCTAVE / 4))
            guess = min(max(guess + jump, low + 1), high)
        return best if best is not None else self._at_scale(image, fitted, low)

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


def _within(images: Sequence[Image], pixels: int) -> list[Image]:
    """The first images that together have at most so many pixels; at least one."""
    totals = np.cumsum([i.shape[0] * i.shape[1] for i in images])
    return list(images[: max(int(np.searchsorted(totals, pixels, side="right")), 1)])
