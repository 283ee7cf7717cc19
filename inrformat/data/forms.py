"""In what form a data set's images reach its transforms: tensors, Pillow images or arrays."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torchvision import transforms as v1, tv_tensors
from torchvision.transforms import v2

from inrformat.data.transforms.choices import flattened
from inrformat.errors import UsageError

__all__ = ["Form", "form_for", "in_form", "takes_pil"]

_TAKE_PIL = (v1.ToTensor, v1.PILToTensor, v2.ToTensor)
"""The first two take nothing else; the last would leave a tensor as it is, its range 0 to 255 too."""
_TAKE_PIL_FROM = ("timm.",)
"""Packages whose transforms are made for Pillow images."""


class Form(StrEnum):
    """Of an image ``(3, height, width)``."""

    TENSOR = "tensor"
    """``tv_tensors.Image``, uint8 ``(3, height, width)``."""
    PIL = "pil"
    """``PIL.Image.Image``."""
    NUMPY = "numpy"
    """uint8 ``(height, width, 3)``, as albumentations takes it."""


def form_for(transform: Any, output: str | None) -> Form:
    """The form that ``output`` names; where it is None, Pillow images for what takes no others, else tensors.

    Raises:
        UsageError: there is no such form.
    """
    if output is None:
        return Form.PIL if any(takes_pil(t) for t in flattened(transform)) else Form.TENSOR
    try:
        return Form(output)
    except ValueError as error:
        raise UsageError(f"output {output!r}: choose one of {', '.join(Form)}") from error


def takes_pil(transform: Any) -> bool:
    """Whether a transform is made for Pillow images and does nothing right with tensors."""
    return type(transform) in _TAKE_PIL or type(transform).__module__.startswith(_TAKE_PIL_FROM)


def in_form(image: Tensor, form: Form) -> Any:
    """A decoded image ``(channels, height, width)`` in ``form``. What is not uint8 any more stays a tensor."""
    if form is Form.TENSOR or image.dtype != torch.uint8:
        return tv_tensors.Image(image)
    planes = image.cpu().numpy()
    if form is Form.NUMPY:
        return np.stack(list(planes), axis=2)
    pictures = [Image.fromarray(plane) for plane in planes]
    return Image.merge("RGB", pictures) if len(pictures) == 3 else pictures[0]
