"""From what ``convert`` is asked for to a plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from inrformat.conversion.own_error import own_psnr_db
from inrformat.conversion.pixels.options import AlphaPolicy, ReadOptions
from inrformat.conversion.plan import ConversionPlan
from inrformat.conversion.reading import ErrorPolicy
from inrformat.conversion.settings import Settings
from inrformat.conversion.sources.items import TargetChoice
from inrformat.conversion.sources.opening import SourceQuestion, open_source
from inrformat.conversion.survey import white_of
from inrformat.encoding.encoder import EncoderOptions
from inrformat.encoding.flag_types import AUTO
from inrformat.errors import UsageError
from inrformat.families.registry import DEFAULT_FAMILY, family_named

__all__ = ["plan_conversion"]


def plan_conversion(
    source: Any,
    options: EncoderOptions | None = None,
    *,
    network: str | None = None,
    size: int | None = None,
    alpha: str = "drop",
    grey: bool = False,
    split: str | None = None,
    class_names: Sequence[str] = (),
    targets: Mapping[str, TargetChoice] | None = None,
    storage_options: Mapping[str, Any] | None = None,
    on_error: str = "raise",
    device: str | torch.device = "auto",
    seed: int = 0,
    sample_images: int = 256,
    jobs: int = 0,
    **asked: Any,
) -> ConversionPlan:
    """Open the source and check what is asked for; the arguments are those of ``convert``.

    Raises:
        SourceError, UsageError: as ``convert``.
    """
    if options is not None and (asked or network):
        raise UsageError(f"{', '.join([*asked, *([network] if network else [])])}: part of the options already")
    question = SourceQuestion(
        split=split,
        class_names=tuple(class_names),
        targets=dict(targets or {}),
        storage_options=dict(storage_options or {}),
    )
    opened = open_source(source, question)
    reading = ReadOptions(size=size, alpha=AlphaPolicy.of(alpha), grey=grey, white=white_of(opened))
    if asked.get("quality") == AUTO:
        asked = {**asked, "quality": None, "psnr_db": round(own_psnr_db(opened, reading), 2)}
    if options is None:
        options = _options_of(family_named(network or DEFAULT_FAMILY), asked)
    settings = Settings(
        reading=reading,
        on_error=ErrorPolicy.of(on_error),
        seed=seed,
        sample_images=sample_images,
        jobs=jobs,
    )
    return ConversionPlan(source=opened, options=options, device=str(device), settings=settings)


def _options_of(family: Any, asked: Mapping[str, Any]) -> EncoderOptions:
    """The family's options from keywords."""
    kind = family.options()
    known = list(kind.__dataclass_fields__)
    if unknown := [name for name in asked if name not in known]:
        raise UsageError(f"{family.name} has no option {unknown[0]!r}: choose among {', '.join(known)}")
    options: EncoderOptions = kind(**asked)
    return options
