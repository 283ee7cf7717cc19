"""Several views of the same samples, as contrastive learning takes them."""

from typing import Any

import pytest
import torch
from torch.utils.data import default_collate
from torchvision.transforms import v2

from inrformat import InrdDataset, InrdLoader
from inrformat.errors import UsageError

AUGMENT = v2.Compose(
    [
        v2.RandomResizedCrop(24, scale=(0.2, 1)),
        v2.RandomHorizontalFlip(),
        v2.RandomGrayscale(0.5),
        v2.ToDtype(torch.float32, scale=True),
    ]
)
LOCAL = v2.RandomResizedCrop(10, scale=(0.05, 0.3))


def loaded(source, batch_size=5, **options):
    return InrdLoader(source, batch_size, device="cpu", **options)


def test_views_of_one_pipeline_have_draws_of_their_own(tile_file):
    (first, second, third), labels = next(iter(loaded(tile_file, 12, transform=AUGMENT, views=3)))
    assert first.shape == second.shape == third.shape == (12, 3, 24, 24)
    assert labels.tolist() == InrdDataset(tile_file).targets
    assert all((a.flatten(1) != b.flatten(1)).any(1).all() for a, b in ((first, second), (second, third)))


def test_the_first_view_is_that_of_a_loader_without_views(tile_file):
    for batch_size in (4, 12):
        batches = list(loaded(tile_file, batch_size, transform=AUGMENT, views=2, seed=7))
        once = list(loaded(tile_file, 12, transform=AUGMENT, seed=7))
        assert torch.equal(torch.cat([views[0] for views, _ in batches]), once[0][0])


def test_each_pipeline_of_a_list_makes_a_view_of_its_own_size(tile_file):
    loader = loaded(tile_file, transform=[AUGMENT, AUGMENT, LOCAL, LOCAL, LOCAL], shuffle=True)
    images, labels = next(iter(loader))
    assert [tuple(view.shape) for view in images] == [(5, 3, 24, 24)] * 2 + [(5, 3, 10, 10)] * 3
    assert [view.dtype for view in images] == [torch.float32] * 2 + [torch.uint8] * 3
    assert labels.shape == (5,)
    assert len(loader.plans) == 5 and repr(loader).count("on the decoded batch") == 2
    assert not torch.equal(images[3], images[4])


def test_boxes_go_with_each_view(box_file):
    still, flipped = v2.CenterCrop(32), v2.Compose([v2.CenterCrop(32), v2.RandomHorizontalFlip(1.0)])
    images, (as_is, mirrored) = next(iter(loaded(box_file, 3, transform=[still, flipped])))
    assert torch.equal(images[0].flip(-1), images[1])
    for one, other in zip(as_is, mirrored, strict=True):
        left, _, right, _ = one["boxes"].unbind(1)
        assert torch.equal(torch.stack([32 - right, 32 - left], 1), other["boxes"][:, [0, 2]])


def test_samples_of_a_collate_function_hold_their_views(tile_file):
    def together(samples: list[Any]) -> Any:
        return default_collate(samples)

    (first, second), labels = next(iter(loaded(tile_file, 4, transform=AUGMENT, views=2, collate_fn=together)))
    (expected, _), _ = next(iter(loaded(tile_file, 4, transform=AUGMENT, views=2)))
    assert torch.equal(first, expected) and first.shape == second.shape and labels.shape == (4,)


def test_views_of_unlike_size_come_in_lists(unlike_file):
    images, targets = next(iter(loaded(unlike_file, 7, views=2, transform=v2.RandomHorizontalFlip(), collate="list")))
    assert [len(view) for view in images] == [7, 7] and len(targets) == 7
    assert len({tuple(image.shape) for image in images[1]}) > 1


def test_views_can_be_changed_between_epochs(tile_file):
    loader = loaded(tile_file, transform=AUGMENT)
    assert isinstance(next(iter(loader))[0], torch.Tensor)
    loader.transform = [LOCAL, LOCAL]
    images, _ = next(iter(loader))
    assert [view.shape[2] for view in images] == [10, 10]


@pytest.mark.parametrize("options", [{"views": 0}, {"views": 3, "transform": [LOCAL, LOCAL]}, {"transform": []}])
def test_views_that_contradict_each_other_are_named(tile_file, options):
    with pytest.raises(UsageError, match="views"):
        loaded(tile_file, **options)


def test_one_view_asked_for_by_number_still_comes_in_a_list(tile_file):
    images, _ = next(iter(loaded(tile_file, transform=AUGMENT, views=1)))
    assert isinstance(images, list) and len(images) == 1
