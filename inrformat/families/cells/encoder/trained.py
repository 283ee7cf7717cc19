"""Encoding, once the codebook and its step are known."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from inrformat.encoding.encoder import OnProgress
from inrformat.encoding.record import EncodedRecord, Image
from inrformat.errors import UsageError
from inrformat.families.cells.encoder.codebook import CellsCodebook
from inrformat.families.cells.encoder.engine import Engine, on_threads
from inrformat.families.cells.encoder.numba_engine import encode_to_psnr
from inrformat.families.cells.encoder.rate_control import payload_bytes
from inrformat.families.cells.encoder.size_controller import SizeController
from inrformat.families.cells.record import SCALE_LIMIT
from inrformat.families.codebook import Codebook

__all__ = ["SizeTargetedEncoder", "TrainedCellsEncoder"]

_LAST_TRIES = 8


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class TrainedCellsEncoder:
    """Encodes images under a codebook: every image alone, whatever came before.

    Attributes:
        cells: the codebook, and its network and model. engine: where images are encoded.
        psnr_floor_db: PSNR that each image is to reach with a step scale of its own; None: all have step scale 0.
        threads: of that search. on_progress: called with the images done since its last call.
    """

    cells: CellsCodebook
    engine: Engine
    threads: int
    psnr_floor_db: float | None = None
    on_progress: OnProgress = lambda _images: None

    @property
    def codebook(self) -> Codebook:
        """See ``encoding.encoder.TrainedEncoder``."""
        return self.cells.codebook

    def learned(self) -> dict[str, Any]:
        """See ``encoding.encoder.TrainedEncoder``: the codebook is all."""
        return {"codebook": self.codebook.to_map()}

    def progress(self) -> dict[str, Any]:
        """See ``encoding.encoder.TrainedEncoder``: nothing."""
        return {}

    def encode(self, images: Sequence[Image], *, following: int = 0) -> list[EncodedRecord]:
        """See ``encoding.encoder.TrainedEncoder``; what follows makes no difference."""
        done = []
        for record in self._records(images):
            done.append(record)
            self.on_progress(1)
        return done

    def _records(self, images: Sequence[Image]) -> Iterable[EncodedRecord]:
        floor_db = self.psnr_floor_db
        if floor_db is None:
            return self.engine.encode(self.cells, images, [0] * len(images))
        return on_threads(lambda image: encode_to_psnr(self.cells, image, floor_db), images, threads=self.threads)


class _Attempt(NamedTuple):
    """Images at some step scales: their records, and what these take of the payload."""

    scales: list[int]
    records: list[EncodedRecord]
    payload_bytes: int


@dataclass(frozen=True, slots=True, eq=False)
class SizeTargetedEncoder:
    """Encodes images so that a file of a wanted size is filled: each at the step scale that the bytes left allow.

    Attributes:
        trained: encodes them. controller: what is left; the one part that changes from call to call.
    """

    trained: TrainedCellsEncoder
    controller: SizeController

    @property
    def codebook(self) -> Codebook:
        """See ``encoding.encoder.TrainedEncoder``."""
        return self.trained.codebook

    def learned(self) -> dict[str, Any]:
        """See ``encoding.encoder.TrainedEncoder``."""
        return self.trained.learned()

    def progress(self) -> dict[str, Any]:
        """See ``encoding.encoder.TrainedEncoder``: what is left, and what was seen."""
        return asdict(self.controller)

    def encode(self, images: Sequence[Image], *, following: int = 0) -> list[EncodedRecord]:
        """See ``encoding.encoder.TrainedEncoder``. Images have to come in their order, each once.

        Raises:
            UsageError: what is left does not suffice for the last images.
        """
        if following:
            scales = self.controller.next_scales(len(images), images_left=len(images) + following)
            attempt = self._attempt(images, scales)
        else:
            attempt = self._fill(images)
        self.controller.spend(attempt.scales, attempt.payload_bytes)
        self.trained.on_progress(len(images))
        return attempt.records

    def _fill(self, images: Sequence[Image]) -> _Attempt:
        """The last images at the finest tried scale that fits; the last try is the coarsest there is."""
        fitting: list[_Attempt] = []
        scale: float | None = self.controller.fitting_scale(len(images))
        for tries_left in reversed(range(_LAST_TRIES)):
            if scale is None:
                break
            if not fitting and tries_left == 0:
                scale = SCALE_LIMIT
            attempt = self._attempt(images, self.controller.last_scales(scale, len(images)))
            if attempt.payload_bytes <= self.controller.bytes_left:
                fitting.append(attempt)
            scale = self.controller.better_scale(scale, attempt.payload_bytes)
        if not fitting:
            missing = attempt.payload_bytes - self.controller.bytes_left
            raise UsageError(
                f"the last {len(images)} images take {attempt.payload_bytes:,} bytes at the coarsest step where "
                f"{self.controller.bytes_left:,.0f} are left: ask for a file at least {missing:,.0f} bytes larger"
            )
        return max(fitting, key=lambda attempt: attempt.payload_bytes)

    def _attempt(self, images: Sequence[Image], scales: list[int]) -> _Attempt:
        records = list(self.trained.engine.encode(self.trained.cells, images, scales))
        return _Attempt(scales, records, payload_bytes(records))
