"""Whatever torchvision has that is not lifted runs on the decoded samples, with their targets."""

from typing import Any

import pytest
import torch
from torchvision import models, transforms as v1, tv_tensors
from torchvision.transforms import InterpolationMode, _presets as presets, v2

from inrformat import InrdDataset, InrdLoader, explain
from inrformat.errors import UsageError

FLOATS = v2.ToDtype(torch.float32, scale=True)

ON_PIXELS = {
    "RandomPhotometricDistort": v2.RandomPhotometricDistort(),
    "JPEG": v2.JPEG((40, 90)),
    "GaussianBlur": v2.GaussianBlur(3),
    "GaussianNoise": v2.Compose([FLOATS, v2.GaussianNoise()]),
    "AugMix": v2.AugMix(),
    "AutoAugment": v2.AutoAugment(),
    "RandAugment": v2.RandAugment(),
    "TrivialAugmentWide": v2.TrivialAugmentWide(),
    "RandomErasing": v2.RandomErasing(p=1.0),
    "RandomPosterize": v2.RandomPosterize(3),
    "RandomSolarize": v2.RandomSolarize(100),
    "RandomEqualize": v2.RandomEqualize(),
    "RandomInvert": v2.RandomInvert(),
    "RandomAutocontrast": v2.RandomAutocontrast(),
    "RandomAdjustSharpness": v2.RandomAdjustSharpness(2),
    "RandomChannelPermutation": v2.RandomChannelPermutation(),
    "RandomGrayscale": v2.RandomGrayscale(),
    "ColorJitter": v2.ColorJitter(0.4, 0.4, 0.4, 0.1),
    "LinearTransformation": v2.Compose(
        [v2.Resize((4, 4)), FLOATS, v2.LinearTransformation(torch.eye(48), torch.zeros(48)), v2.Resize((32, 32))]
    ),
    "Lambda": v2.Lambda(lambda image: image.flip(0)),
    "a function": lambda image: image.flip(0),
    "ToPureTensor": v2.ToPureTensor(),
    "RandomOrder": v2.RandomOrder([v2.ColorJitter(0.4), v2.RandomInvert()]),
    "v1 jitter": v1.ColorJitter(0.4),
}


@pytest.mark.parametrize("name", ON_PIXELS)
def test_it_runs_on_every_sample_in_loaders_and_data_sets(tile_file, name):
    transform = ON_PIXELS[name]
    images, labels = next(iter(InrdLoader(tile_file, 4, transform=transform, device="cpu")))
    assert images.shape == (4, 3, 32, 32) and labels.shape == (4,)
    assert name in {"LinearTransformation"} or "on the decoded batch:\n    nothing" not in explain(transform)
    for lift in (False, True):
        assert InrdDataset(tile_file, transform, lift=lift)[0][0].shape == (3, 32, 32)


ON_TARGETS = {
    "RandomIoUCrop": [v2.RandomIoUCrop(), v2.SanitizeBoundingBoxes()],
    "RandomZoomOut": [v2.RandomZoomOut(p=1.0), v2.SanitizeBoundingBoxes()],
    "ConvertBoundingBoxFormat": [v2.ConvertBoundingBoxFormat(tv_tensors.BoundingBoxFormat.CXCYWH)],
    "ClampBoundingBoxes": [v2.RandomHorizontalFlip(1.0), v2.ClampBoundingBoxes()],
    "SanitizeBoundingBoxes": [v2.CenterCrop(12), v2.SanitizeBoundingBoxes()],
}


@pytest.mark.parametrize("name", ON_TARGETS)
def test_boxes_go_through_it_with_their_images(box_file, name):
    pipeline = v2.Compose(ON_TARGETS[name])
    images, targets = next(iter(InrdLoader(box_file, 3, transform=pipeline, collate="list", device="cpu")))
    for image, target in zip(images, targets, strict=True):
        assert target["boxes"].canvas_size == tuple(image.shape[1:])
        assert len(target["boxes"]) == len(target["labels"])
        if name != "ConvertBoundingBoxFormat":
            x1, y1, x2, y2 = target["boxes"].as_subclass(torch.Tensor).unbind(1)
            height, width = image.shape[1:]
            assert bool(((x1 >= 0) & (y1 >= 0) & (x2 <= width) & (y2 <= height) & (x1 <= x2) & (y1 <= y2)).all())
        else:
            assert target["boxes"].format is tv_tensors.BoundingBoxFormat.CXCYWH


@pytest.mark.parametrize("crops,count", [(v2.FiveCrop(16), 5), (v2.TenCrop(16), 10), (v1.FiveCrop(16), 5)])
def test_several_crops_of_a_sample_stand_behind_the_batch(tile_file, crops, count):
    pipeline = v2.Compose([crops, FLOATS, v2.Normalize([0.5] * 3, [0.5] * 3)])
    images, _ = next(iter(InrdLoader(tile_file, 4, transform=pipeline, device="cpu")))
    assert images.shape == (4, count, 3, 16, 16) and images.dtype == torch.float32
    stacked = v1.Compose([v1.FiveCrop(16), v1.Lambda(lambda parts: torch.stack(list(parts)))])
    images, _ = next(iter(InrdLoader(tile_file, 4, transform=stacked, device="cpu")))
    assert images.shape == (4, 5, 3, 16, 16)
    whole, _ = next(iter(InrdLoader(tile_file, 4, device="cpu")))
    assert torch.equal(images[:, 0], whole[..., :16, :16]) and torch.equal(images[:, 4], whole[..., 8:24, 8:24])


@pytest.mark.parametrize("back", [v1.ToTensor(), v2.Compose([v2.ToImage(), FLOATS])], ids=["ToTensor", "ToImage"])
def test_pillow_steps_in_the_middle_get_pillow_images(tile_file, back):
    seen: list[Any] = []

    def look(picture):
        seen.append(picture.size)
        return picture

    pipeline = v1.Compose([v1.CenterCrop(20), v1.ToPILImage(), look, v1.ColorJitter(0.2), back])
    images, _ = next(iter(InrdLoader(tile_file, 4, transform=pipeline, device="cpu")))
    assert seen == [(20, 20)] * 4 and images.dtype == torch.float32 and images.max() <= 1


def test_a_step_that_takes_only_pillow_images_gets_them_behind_one_that_is_not_lifted(tile_file):
    pipeline = v1.Compose([v1.CenterCrop(20), v1.ColorJitter(0.1), v1.ToTensor()])
    images, _ = next(iter(InrdLoader(tile_file, 4, transform=pipeline, device="cpu")))
    assert images.shape == (4, 3, 20, 20) and images.min() >= 0 and images.max() <= 1


WEIGHTS = {
    "classification": (models.ResNet18_Weights.DEFAULT.transforms(), (224, 224)),
    "detection": (models.detection.FasterRCNN_ResNet50_FPN_Weights.DEFAULT.transforms(), (32, 32)),
    "segmentation": (models.segmentation.FCN_ResNet50_Weights.DEFAULT.transforms(), (520, 520)),
}


@pytest.mark.parametrize("task", WEIGHTS)
def test_the_presets_of_weights_are_lifted_whole(tile_file, task):
    preset, size = WEIGHTS[task]
    loader = InrdLoader(tile_file, 2, transform=preset, device="cpu")
    assert not loader.plan.batch_transforms
    images, _ = next(iter(loader))
    assert images.shape == (2, 3, *size) and images.dtype == torch.float32
    expected = torch.stack([preset(image) for image, _ in InrdDataset(tile_file).__getitems__([0, 1])])
    assert images.mean(dim=(0, 2, 3)) == pytest.approx(expected.mean(dim=(0, 2, 3)), abs=0.05)


def test_presets_for_video_are_refused(tile_file):
    preset = presets.VideoClassification(crop_size=(112, 112), resize_size=(128, 171))
    with pytest.raises(UsageError, match="made for video"):
        InrdLoader(tile_file, 2, transform=preset, device="cpu")


def test_a_bicubic_resize_runs_on_the_decoded_sample(unlike_file):
    resize = v2.Resize((16, 16), InterpolationMode.BICUBIC)
    images, _ = next(iter(InrdLoader(unlike_file, 7, transform=resize, device="cpu")))
    expected = torch.stack([resize(image) for image, _ in InrdDataset(unlike_file)])
    assert (images.int() - expected.int()).abs().max() <= 2
    assert "bicubic" in explain(resize)
