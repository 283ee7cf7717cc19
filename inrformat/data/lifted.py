"""Samples of a data set whose transform's geometry is evaluated in the decoder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torchvision import transforms as v1
from torchvision.datasets.vision import StandardTransform
from torchvision.transforms import v2

from inrformat.data.forms import Form, form_for, in_form
from inrformat.data.mapping import mapped_batch
from inrformat.data.randomness import CounterGenerator
from inrformat.data.transforms.plan import Frame, Plan, plan_of
from inrformat.data.transforms.resizing import resized
from inrformat.decoding.dispatch import decode
from inrformat.decoding.output_size import Size
from inrformat.decoding.records import DeviceRecords
from inrformat.decoding.same_size import same_size_groups

__all__ = ["Lifted"]

_TO_PURE_TENSORS = (v1.ToTensor, v1.PILToTensor, v2.ToTensor, v2.PILToTensor)
"""What makes plain tensors of Pillow images, instead of ``tv_tensors.Image``."""


@dataclass(frozen=True, slots=True, eq=False)
class Lifted:
    """A data set's transforms, split.

    Attributes:
        plan: of the images. frame: what is known of them before one is decoded.
        joint: whether targets go through the same transforms as their images.
        form: in which images reach what is left of the transforms. pure: whether the lifted ones end in plain tensors.
    """

    plan: Plan
    frame: Frame
    joint: bool
    form: Form
    pure: bool

    @classmethod
    def of(cls, transforms: Any, frame: Frame, *, size: Size, output: str | None) -> Lifted:
        """Split ``transforms``, those of a torchvision data set, for images decoded at ``size``."""
        alone = isinstance(transforms, StandardTransform) or transforms is None
        pipeline = transforms.transform if isinstance(transforms, StandardTransform) else transforms
        plan = plan_of(pipeline, frame, start=resized(size))
        form = form_for(list(plan.batch_transforms), output)
        pure = any(isinstance(transform, _TO_PURE_TENSORS) for transform in plan.lifted)
        return cls(plan, frame, joint=not alone, form=form, pure=pure)

    def samples(
        self, records: DeviceRecords, rows: Sequence[int], targets: Sequence[Any], *, target_transform: Any = None
    ) -> list[tuple[Any, Any]]:
        """Image and target of the records ``rows``, after the transforms.

        Random parameters follow from one number of torch's default generator, which a worker process has of its own.
        ``targets`` are in native pixels.
        """
        chosen = torch.as_tensor(rows, device=records.device)
        heights, widths = records.shapes[chosen, 1:].unbind(1)
        seed = int(torch.empty((), dtype=torch.int64).random_())
        generator = CounterGenerator(torch.arange(len(chosen), device=records.device), seed=seed, epoch=0)
        images: dict[int, Tensor] = {}
        groups = same_size_groups(self.plan.canvas(self.frame.canvas(heights, widths), generator))
        for group in groups:
            batch = decode(records, chosen[group.places], group.geometry, self.plan.pixels)
            images.update(zip(group.places.tolist(), batch, strict=True))
        moved = mapped_batch(targets, groups) if self.joint else targets
        samples = [self._rest(self._formed(images[k]), moved[k]) for k in range(len(rows))]
        if target_transform is None:
            return samples
        return [(image, target_transform(target)) for image, target in samples]

    def _formed(self, image: Tensor) -> Any:
        return image if self.pure and self.form is Form.TENSOR else in_form(image, self.form)

    def _rest(self, image: Any, target: Any) -> tuple[Any, Any]:
        """A sample after what is left of the transforms."""
        for transform in self.plan.batch_transforms:
            if self.joint:
                image, target = transform(image, target)
            else:
                image = transform(image)
        return image, target
