"""What needs a GPU, on fake tensors: random parameters and geometry stay on the device and are never read back."""

import pytest
import torch
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensorMode
from torchvision.transforms import InterpolationMode, v2

from inrformat.data.randomness import CounterGenerator, permutation
from inrformat.data.transforms.plan import Frame, plan_of

BILINEAR = InterpolationMode.BILINEAR
CUDA = torch.device("cuda", 0)
PIPELINES = {
    "crop and flip": [v2.RandomResizedCrop(24), v2.RandomHorizontalFlip(), v2.RandomVerticalFlip()],
    "resize and crop": [v2.Resize(40), v2.RandomCrop(32, padding=4), v2.CenterCrop(20)],
    "rotation": [v2.Resize((32, 32)), v2.RandomRotation(20, BILINEAR)],
    "affine": [v2.Resize((32, 32)), v2.RandomAffine(20, (0.1, 0.1), (0.8, 1.2), 5, BILINEAR)],
    "perspective": [v2.Resize((32, 32)), v2.RandomPerspective(0.4)],
    "elastic": [v2.Resize((32, 32)), v2.ElasticTransform()],
    "choices": [v2.RandomResizedCrop(24), v2.RandomApply([v2.RandomVerticalFlip(1.0)]), v2.Pad(2)],
    "pixels": [v2.CenterCrop(24), v2.ToDtype(torch.float32, scale=True), v2.Normalize([0.5] * 3, [0.5] * 3)],
}


@pytest.mark.parametrize("name", PIPELINES)
def test_geometry_is_drawn_on_the_device_without_reading_from_it(name):
    plan = plan_of(v2.Compose(PIPELINES[name]))
    assert not plan.batch_transforms
    with FakeTensorMode():  # reading a value from such a tensor is an error
        numbers = torch.arange(6, device=CUDA)
        sides = torch.full((6,), 48, device=CUDA)
        generator = CounterGenerator(numbers, seed=1, epoch=2, occurrences=torch.zeros_like(numbers), view=1)
        geometry = plan.canvas(Frame().canvas(sides, sides), generator).geometry()
        footprints = geometry.footprints()
    for tensor in (geometry.matrices, geometry.windows, geometry.feather, footprints):
        assert tensor.device == CUDA and len(tensor) == 6
    assert geometry.displacement is None or geometry.displacement.device == CUDA
    assert geometry.size == plan.size


def test_an_order_is_drawn_on_the_device():
    with FakeTensorMode():
        assert permutation(100, seed=1, epoch=0, device=CUDA).device == CUDA


def test_these_tests_notice_a_value_that_is_read():
    with FakeTensorMode(), pytest.raises(DataDependentOutputException):
        int(torch.arange(3, device=CUDA).sum())
