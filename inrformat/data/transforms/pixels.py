"""Changes of dtype and normalisation, fused into the decoder's output, and what leaves decoded pixels as they are."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torchvision import transforms as v1, tv_tensors
from torchvision.transforms import v2

from inrformat.data.transforms.lifting import NotLiftable, State, Step, always, lifts
from inrformat.decoding.pixels import PixelFormat
from inrformat.errors import UsageError

__all__: list[str] = []


@lifts(v2.ToImage, v2.PILToTensor, v1.PILToTensor, v2.Identity, torch.nn.Identity)
def _nothing(_transform: Any, _state: State) -> Step:
    return Step(instructions=always())


@lifts(v2.ToDtype)
def _to_dtype(transform: Any, state: State) -> Step:
    wanted = transform.dtype
    if isinstance(wanted, dict):
        others = [k for k, v in wanted.items() if v is not None and k not in (tv_tensors.Image, "others")]
        if others:
            raise NotLiftable("it also changes the dtype of targets")
        wanted = wanted.get(tv_tensors.Image, wanted.get("others"))
    return _converted(wanted, state, scale=transform.scale)


@lifts(v2.ConvertImageDtype, v1.ConvertImageDtype)
def _convert_image_dtype(transform: Any, state: State) -> Step:
    return _converted(transform.dtype, state, scale=True)


@lifts(v1.ToTensor, v2.ToTensor)
def _to_tensor(_transform: Any, state: State) -> Step:
    return _converted(torch.float32, state, scale=True)


def _converted(dtype: torch.dtype | None, state: State, *, scale: bool) -> Step:
    pixels = state.pixels
    if dtype is None or dtype == pixels.dtype:
        return Step(instructions=always())
    if not scale and torch.uint8 in (dtype, pixels.dtype):
        raise NotLiftable("scale=False keeps the range 0 to 255: pass scale=True to have it fused")
    if dtype == torch.uint8 and pixels.mean is not None:
        raise NotLiftable("normalised pixels do not fit in uint8")
    return _formed(replace_dtype(pixels, dtype))


def replace_dtype(pixels: PixelFormat, dtype: torch.dtype) -> PixelFormat:
    """``pixels`` with another dtype.

    Raises:
        NotLiftable: decoders do not write that dtype.
    """
    try:
        return replace(pixels, dtype=dtype)
    except UsageError as error:
        raise NotLiftable(str(error)) from error


def _formed(pixels: PixelFormat) -> Step:
    return Step(state=State(pixels), instructions=always())


@lifts(v2.Normalize, v1.Normalize)
def _normalize(transform: Any, state: State) -> Step:
    if state.pixels.dtype == torch.uint8 or state.pixels.mean is not None:
        raise NotLiftable("pixels are not floats in [0, 1] here: put ToDtype(torch.float32, scale=True) before it")
    mean, std = (tuple(float(v) for v in given) for given in (transform.mean, transform.std))
    try:
        return _formed(replace(state.pixels, mean=mean, std=std))
    except UsageError as error:
        raise NotLiftable(str(error)) from error
