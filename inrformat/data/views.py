"""Views of samples: what a pipeline makes of an image, once or several times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from inrformat.data.transforms.plan import Frame, Plan, plan_of
from inrformat.data.transforms.resizing import resized
from inrformat.decoding.output_size import Size
from inrformat.decoding.pixels import PixelFormat
from inrformat.errors import UsageError

__all__ = ["View", "pipelines_of"]

_MOST = 256


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """How one image is made of a sample.

    Attributes:
        plan: the transform in two halves. pixels: the form in which the decoder hands images over.
        dtype: to be brought about behind the transforms that run on decoded images; None where there is nothing to do.
    """

    plan: Plan
    pixels: PixelFormat
    dtype: torch.dtype | None = None

    @classmethod
    def of(
        cls,
        transform: Any,
        frame: Frame,
        *,
        size: Size = None,
        dtype: torch.dtype | None = None,
        memory_format: torch.memory_format = torch.contiguous_format,
    ) -> View:
        """The view that ``transform`` makes of images that ``frame`` describes, decoded at ``size``."""
        plan = plan_of(transform, frame, start=resized(size))
        pixels = replace(plan.pixels, channels_last=memory_format == torch.channels_last)
        if dtype is None or plan.batch_transforms:
            return cls(plan, pixels, dtype)
        return cls(plan, replace(pixels, dtype=dtype))


def pipelines_of(transform: Any, views: int | None) -> tuple[list[Any], bool]:
    """The pipeline of each view, and whether samples have several: a list or tuple of pipelines has one for each.

    Args:
        views: how many draws of one pipeline, or as many as there are pipelines; None where nobody asked for views.

    Raises:
        UsageError: the two contradict each other.
    """
    several: Sequence[Any] | None = transform if isinstance(transform, list | tuple) else None
    if several is None and views is None:
        return [transform], False
    pipelines = list(several) if several is not None else [transform] * (views or 0)
    if not 1 <= len(pipelines) <= _MOST:
        raise UsageError(f"{len(pipelines)} views of a sample: expected 1 to {_MOST}")
    if views is not None and views != len(pipelines):
        raise UsageError(f"views={views}, but {len(pipelines)} transforms are given: leave views out")
    return pipelines, True
