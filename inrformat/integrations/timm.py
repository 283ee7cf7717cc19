"""timm: batches of an `InrdLoader` in place of those of ``timm.data.loader.PrefetchLoader``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from inrformat.data.loader import InrdLoader
from inrformat.errors import UsageError

try:
    from timm.data.constants import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD
    from timm.data.loader import adapt_to_chs
    from timm.data.mixup import Mixup
    from timm.data.random_erasing import RandomErasing
except ImportError as error:
    raise ImportError('this needs timm: pip install "inrformat[timm]"') from error

__all__ = ["TimmLoader"]


class TimmLoader:
    """What timm's training script uses of its ``PrefetchLoader``, with batches decoded on the device.

        TimmLoader(InrdLoader("train.inrd", 256, shuffle=True, drop_last=True, transform=transform), mixup=mixup)

    A batch is images ``(B, 3, height, width)`` and targets, both on the loader's device: mixed, normalised, and erased
    in places, in timm's order.

    Attributes:
        loader: where batches come from. mixup: what mixes them, or None.
    """

    def __init__(
        self,
        loader: InrdLoader,
        *,
        mixup: Mixup | None = None,
        mean: Sequence[float] = IMAGENET_DEFAULT_MEAN,
        std: Sequence[float] = IMAGENET_DEFAULT_STD,
        img_dtype: torch.dtype = torch.float32,
        re_prob: float = 0.0,
        re_mode: str = "const",
        re_count: int = 1,
        re_num_splits: int = 0,
    ) -> None:
        """Arguments that ``PrefetchLoader`` has mean here what they mean there.

        Args:
            loader: of uint8 images in [0, 255]: without ``ToDtype`` and ``Normalize`` in its transform.
            mixup: timm's ``Mixup`` or ``FastCollateMixup``.
            mean, std: of the channels, for images in [0, 1]. img_dtype: of the images handed over.
            re_prob, re_mode, re_count, re_num_splits: random erasing.

        Raises:
            UsageError: a ``FastCollateMixup`` in mode "half", which makes one batch of two.
        """
        if mixup is not None and mixup.mode == "half":
            raise UsageError('mixup in mode "half" makes one batch of two: use "elem", "pair" or "batch"')
        self.loader, self.mixup, self.img_dtype = loader, mixup, img_dtype
        self.mean, self.std = (
            255 * torch.tensor(adapt_to_chs(values, 3), device=loader.device, dtype=img_dtype).reshape(1, 3, 1, 1)
            for values in (mean, std)
        )
        self.random_erasing = None
        if re_prob > 0:
            self.random_erasing = RandomErasing(
                re_prob, mode=re_mode, max_count=re_count, num_splits=re_num_splits, device=loader.device
            )

    def __len__(self) -> int:
        """Batches of an epoch on this rank."""
        return len(self.loader)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        """An epoch.

        Raises:
            UsageError: the loader's images are not uint8.
        """
        for images, targets in self.loader:
            if images.dtype != torch.uint8:
                raise UsageError(
                    f"the loader's images are {images.dtype}: leave ToDtype, Normalize and dtype= to this adapter"
                )
            yield self._finished(images.to(self.img_dtype), targets)

    def _finished(self, images: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        if self.mixup is not None:
            # By the base class: FastCollateMixup overrides it with the same on samples in the memory of the CPU.
            images, targets = Mixup.__call__(self.mixup, images, targets)
        images = images.sub_(self.mean).div_(self.std)
        return images if self.random_erasing is None else self.random_erasing(images), targets

    @property
    def dataset(self) -> Any:
        """That of the loader."""
        return self.loader.dataset

    @property
    def sampler(self) -> Any:
        """That of the loader, which timm tells the epoch."""
        return self.loader.sampler

    @property
    def batch_sampler(self) -> Any:
        """That of the loader."""
        return self.loader.batch_sampler

    @property
    def mixup_enabled(self) -> bool:
        """Whether batches are mixed; timm's training script sets it at ``--mixup-off-epoch``."""
        return self.mixup is not None and bool(self.mixup.mixup_enabled)

    @mixup_enabled.setter
    def mixup_enabled(self, enabled: bool) -> None:
        if self.mixup is not None:
            self.mixup.mixup_enabled = enabled
