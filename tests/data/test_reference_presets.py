"""The pipelines of torchvision's reference training scripts, as those build them, through an InrdLoader.

https://github.com/pytorch/vision/tree/main/references: ``presets.py`` of classification, detection and segmentation,
with their v2 transforms and the backends "pil" and "tensor".
"""

from collections import defaultdict
from typing import Any

import numpy as np
import pytest
import torch
from torchvision import tv_tensors
from torchvision.transforms import InterpolationMode, autoaugment, v2 as T
from torchvision.transforms.v2 import functional as F

from inrformat import InrdDataset, InrdLoader, InrdReader, InrdWriter
from inrformat.container.fields import FieldType
from inrformat.container.masks import pack_instances, pack_semantic
from inrformat.container.metadata import Metadata

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
BILINEAR = InterpolationMode.BILINEAR
BACKENDS = ("pil", "tensor")


def classification_train(backend: str, policy: str | None, erase: float = 0.1) -> T.Compose:
    steps: list[Any] = [T.PILToTensor()] if backend == "tensor" else []
    steps.append(T.RandomResizedCrop(24, interpolation=BILINEAR, antialias=True))
    steps.append(T.RandomHorizontalFlip(0.5))
    if policy == "ra":
        steps.append(T.RandAugment(interpolation=BILINEAR, magnitude=9))
    elif policy == "ta_wide":
        steps.append(T.TrivialAugmentWide(interpolation=BILINEAR))
    elif policy == "augmix":
        steps.append(T.AugMix(interpolation=BILINEAR, severity=3))
    elif policy is not None:
        steps.append(T.AutoAugment(policy=autoaugment.AutoAugmentPolicy(policy), interpolation=BILINEAR))
    if backend == "pil":
        steps.append(T.PILToTensor())
    steps += [T.ToDtype(torch.float, scale=True), T.Normalize(mean=MEAN, std=STD)]
    if erase > 0:
        steps.append(T.RandomErasing(p=erase))
    return T.Compose([*steps, T.ToPureTensor()])


def classification_eval(backend: str) -> T.Compose:
    steps: list[Any] = [T.PILToTensor()] if backend == "tensor" else []
    steps += [T.Resize(28, interpolation=BILINEAR, antialias=True), T.CenterCrop(24)]
    if backend == "pil":
        steps.append(T.PILToTensor())
    return T.Compose([*steps, T.ToDtype(torch.float, scale=True), T.Normalize(mean=MEAN, std=STD), T.ToPureTensor()])


class FixedSizeCrop(T.Transform):
    """What the detection recipe's "lsj" adds of its own, in short: a random crop, padded where the image is smaller."""

    def __init__(self, size: int, fill: Any) -> None:
        super().__init__()
        self.crop = T.RandomCrop(size, pad_if_needed=True, fill=fill)

    def forward(self, *inputs: Any) -> Any:
        return self.crop(*inputs)


def detection_train(backend: str, policy: str) -> T.Compose:
    no_masks = {tv_tensors.Mask: 0, "others": 0}
    fill: Any = defaultdict(lambda: tuple(255 * m for m in MEAN), {tv_tensors.Mask: 0})
    steps: list[Any] = [T.PILToTensor()] if backend == "tensor" else []
    flip = T.RandomHorizontalFlip(p=0.5)
    steps += {
        "hflip": [flip],
        "lsj": [
            T.ScaleJitter(target_size=(48, 48), antialias=True),
            FixedSizeCrop(48, no_masks),
            flip,
        ],
        "multiscale": [T.RandomShortestSize(min_size=(20, 24, 28, 32, 36), max_size=60), flip],
        "ssd": [T.RandomPhotometricDistort(), T.RandomZoomOut(fill=fill), T.RandomIoUCrop(), flip],
        "ssdlite": [T.RandomIoUCrop(), flip],
    }[policy]
    if backend == "pil":
        steps.append(T.PILToTensor())
    steps.append(T.ToDtype(torch.float, scale=True))
    boxes = [T.ConvertBoundingBoxFormat(tv_tensors.BoundingBoxFormat.XYXY), T.SanitizeBoundingBoxes()]
    return T.Compose([*steps, *boxes, T.ToPureTensor()])


def detection_eval(backend: str) -> T.Compose:
    steps: list[Any] = [T.ToImage() if backend == "pil" else T.PILToTensor(), T.ToDtype(torch.float, scale=True)]
    return T.Compose([*steps, T.ToPureTensor()])


class PadIfSmaller(T.Transform):
    """The segmentation recipe's own transform (``v2_extras.py``)."""

    def __init__(self, size: int, fill: dict[Any, int]) -> None:
        super().__init__()
        self.size, self.fill = size, fill

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        height, width = F.get_size(flat_inputs[0])
        padding = [0, 0, max(self.size - width, 0), max(self.size - height, 0)]
        return {"padding": padding, "needs_padding": any(padding)}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        if not params["needs_padding"]:
            return inpt
        fill = self.fill[tv_tensors.Mask] if isinstance(inpt, tv_tensors.Mask) else self.fill["others"]
        return F.pad(inpt, padding=params["padding"], fill=fill)


def segmentation_train(backend: str) -> T.Compose:
    steps: list[Any] = [T.PILToTensor()] if backend == "tensor" else []
    steps += [
        T.RandomResize(min_size=16, max_size=64, antialias=True),
        T.RandomHorizontalFlip(0.5),
        PadIfSmaller(28, fill={tv_tensors.Mask: 255, "others": 0}),
        T.RandomCrop(28),
    ]
    if backend == "pil":
        steps.append(T.PILToTensor())
    dtypes: dict[Any, Any] = {tv_tensors.Image: torch.float32, tv_tensors.Mask: torch.int64, "others": None}
    return T.Compose([*steps, T.ToDtype(dtypes, scale=True), T.Normalize(mean=MEAN, std=STD), T.ToPureTensor()])


def pairs(samples: list[Any]) -> tuple[Any, ...]:
    """``utils.collate_fn`` of the detection recipe."""
    return tuple(zip(*samples, strict=True))


@pytest.fixture(scope="module")
def objects_file(tile_file, tmp_path_factory):
    """Six photographs with boxes and masks of objects, and a class number for each pixel."""
    random = np.random.default_rng(3)
    path = tmp_path_factory.mktemp("objects") / "objects.inrd"
    boxes, masks = [], []
    for _ in range(6):
        low = random.uniform(0, 16, (3, 2))
        boxes.append(np.concatenate([low, low + random.uniform(6, 15, (3, 2))], axis=1).ravel().tolist())
        masks.append(random.random((3, 32, 32)) < 0.5)
    with InrdReader(tile_file) as source, InrdWriter(path) as writer:
        for k in range(6):
            writer.add(source.record(k), height=32, width=32, network=int(source.index.networks[k]), psnr_db=30)
        writer.add_field("boxes", FieldType.FLOAT64_LIST, boxes)
        writer.add_field("box_labels", FieldType.INT64_LIST, [[0, 1, 2]] * 6)
        writer.add_field("instances", FieldType.BYTES, [pack_instances(m) for m in masks])
        classes = random.integers(0, 3, (6, 32, 32)).astype(np.uint8)
        writer.add_field("semantic", FieldType.BYTES, [pack_semantic(m) for m in classes])
        writer.finish(codebook=source.codebook, metadata=Metadata(classes=("a", "b", "c")))
    return path


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("policy", [None, "ra", "ta_wide", "augmix", "imagenet"])
def test_classification_training(tile_file, backend, policy):
    pipeline = classification_train(backend, policy)
    loader = InrdLoader(tile_file, 4, transform=pipeline, shuffle=True, device="cpu")
    lifted = {type(t).__name__ for t in loader.plan.lifted}
    assert {"RandomResizedCrop", "RandomHorizontalFlip"} <= lifted
    assert ("Normalize" in lifted) is (policy is None)
    for images, labels in loader:
        assert images.shape == (4, 3, 24, 24) and images.dtype == torch.float32 and labels.shape == (4,)
        assert type(images) is torch.Tensor
    image, _ = InrdDataset(tile_file, pipeline)[0]
    assert type(image) is torch.Tensor and image.shape == (3, 24, 24)


@pytest.mark.parametrize("backend", BACKENDS)
def test_classification_evaluation_is_that_of_the_data_set(tile_file, backend):
    pipeline = classification_eval(backend)
    loader = InrdLoader(tile_file, 12, transform=pipeline, device="cpu")
    images, _ = next(iter(loader))
    expected = torch.stack([image for image, _ in InrdDataset(tile_file, pipeline)])
    assert (images - expected).square().mean().sqrt() < 0.1


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("policy", ["hflip", "lsj", "multiscale", "ssd", "ssdlite"])
def test_detection_training(objects_file, backend, policy):
    dataset = InrdDataset(objects_file, transforms=detection_train(backend, policy))
    for _ in range(3):
        for images, targets in InrdLoader(dataset, 3, shuffle=True, collate_fn=pairs, device="cpu"):
            for image, target in zip(images, targets, strict=True):
                assert image.dtype == torch.float32 and image.min() >= 0 and image.max() <= 1
                assert type(target["boxes"]) is torch.Tensor
                assert len(target["boxes"]) == len(target["labels"]) == len(target["masks"])
                assert target["masks"].shape[1:] == image.shape[1:]
                height, width = image.shape[1:]
                x1, y1, x2, y2 = target["boxes"].unbind(1)
                assert bool(((x1 >= 0) & (y1 >= 0) & (x2 <= width) & (y2 <= height) & (x1 < x2) & (y1 < y2)).all())
            if policy == "lsj":
                assert {tuple(image.shape) for image in images} == {(3, 48, 48)}


@pytest.mark.parametrize("backend", BACKENDS)
def test_detection_evaluation(objects_file, backend):
    dataset = InrdDataset(objects_file, transforms=detection_eval(backend))
    images, targets = next(iter(InrdLoader(dataset, 6, collate_fn=pairs, device="cpu")))
    native = InrdDataset(objects_file)
    for k, (image, target) in enumerate(zip(images, targets, strict=True)):
        assert target["boxes"].tolist() == native[k][1]["boxes"].tolist()
        assert (image - native[k][0].float() / 255).abs().max() < 0.01


@pytest.mark.parametrize("backend", BACKENDS)
def test_segmentation_training(objects_file, backend):
    dataset = InrdDataset(objects_file, transforms=segmentation_train(backend), target="semantic")
    for images, masks in InrdLoader(dataset, 3, shuffle=True, device="cpu"):
        assert images.shape == (3, 3, 28, 28) and images.dtype == torch.float32
        assert masks.shape == (3, 28, 28) and masks.dtype == torch.int64
        assert set(masks.unique().tolist()) <= {0, 1, 2, 255}
