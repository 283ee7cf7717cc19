"""What the encoder of a network family has to offer: it learns from a corpus, then encodes images.

encoder = family.encoder().make_encoder(options, device=device)
trained = encoder.train(corpus)                 # what all records of the file share
records = trained.encode(images)                # as often as there are images
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Protocol

import torch

from inrformat.encoding.corpus import Corpus
from inrformat.encoding.record import EncodedRecord, Image
from inrformat.families.codebook import Codebook

__all__ = ["Encoder", "EncoderModule", "EncoderOptions", "FlagsModule", "OnProgress", "TrainedEncoder"]

OnProgress = Callable[[float], None]
"""Is called with the images' worth of work done since its last call."""


class EncoderOptions(Protocol):
    """What a conversion asks of a family's encoder: a frozen dataclass that checks its values."""

    family: ClassVar[str]


class TrainedEncoder(Protocol):
    """An encoder that has learned what all records of a set share."""

    @property
    def codebook(self) -> Codebook:
        """What the records refer to."""

    def learned(self) -> dict[str, Any]:
        """All that encoding depends on besides the options, and that stays as it is: plain types of msgpack."""

    def progress(self) -> dict[str, Any]:
        """What encoding changes for the images to come, in plain types; nothing where each image stands alone."""

    def encode(self, images: Sequence[Image], *, following: int = 0) -> list[EncodedRecord]:
        """Encode images, in order.

        Args:
            images: uint8 ``(height, width, channels)`` each. following: so many images of the set come after these.

        Raises:
            UsageError: an image, or what was asked for, does not go with the codebook.
        """


class Encoder(Protocol):
    """An encoder that knows what it is asked for, and no image yet."""

    def options_map(self) -> dict[str, Any]:
        """What it was asked for: plain types for the metadata, the family's name under ``network``."""

    def train(self, corpus: Corpus) -> TrainedEncoder:
        """Learn what all records of the set share."""

    def restore(self, learned: Mapping[str, Any], progress: Mapping[str, Any]) -> TrainedEncoder:
        """A trained encoder as it was, from what it gave: it goes on in another process with the same bytes."""


class EncoderModule(Protocol):
    """How a family makes its encoder; a module of these names is one."""

    def make_encoder(self, options: Any, *, device: torch.device, on_progress: OnProgress) -> Encoder:
        """An encoder that works on ``device``. ``options``: the family's own; None for its defaults."""


class FlagsModule(Protocol):
    """A family's flags of ``inrformat convert``; a module of these names is one. It is loaded without torch."""

    def add_flags(self, group: argparse._ArgumentGroup) -> list[argparse.Action]:
        """Add the family's own flags; returns them, so that the command can refuse them with another family."""

    def read_options(self, arguments: argparse.Namespace) -> EncoderOptions:
        """The family's options from parsed flags, the command's own ``psnr`` and ``seed`` among them.

        Raises:
            UsageError: values that are out of range, or contradict each other.
        """
