"""Batches from .inrd files: contents, order, state, and what is left behind (nothing)."""

import gc
import signal
import subprocess
import sys
import threading
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import BatchSampler, ConcatDataset, RandomSampler, SequentialSampler, Subset
from torchvision.transforms import InterpolationMode, v2

from inrformat import InrdDataset, InrdLoader, explain
from inrformat.errors import GeometryError, UsageError

RANDOM = v2.Compose(
    [
        v2.RandomResizedCrop(24, scale=(0.3, 1)),
        v2.RandomHorizontalFlip(),
        v2.RandomApply([v2.RandomRotation(20, InterpolationMode.BILINEAR)]),
        v2.ColorJitter(0.4, 0.4, 0.4),
        v2.ToDtype(torch.float32, scale=True),
        v2.RandomErasing(p=0.5),
    ]
)


@pytest.fixture
def dataset(tile_file):
    return InrdDataset(tile_file)


def loaded(dataset, batch_size=5, **options):
    return InrdLoader(dataset, batch_size, device="cpu", **options)


def everything(loader):
    """Images and targets of an epoch, end to end."""
    batches = list(loader)
    return torch.cat([images for images, _ in batches]), torch.cat([targets for _, targets in batches])


def threads():
    return [t for t in threading.enumerate() if t.name.startswith("inrformat-prefetch")]


def test_batches_are_the_samples_of_the_data_set(dataset):
    images, labels = everything(loaded(dataset))
    assert (images.dtype, images.shape) == (torch.uint8, (12, 3, 32, 32))
    assert labels.tolist() == dataset.targets and labels.dtype == torch.int64
    expected = torch.stack([image for image, _ in dataset])
    assert (images.int() - expected.int()).abs().max() <= 1


@pytest.mark.parametrize("count,drop_last", [(5, False), (5, True), (4, False), (4, True), (12, True), (13, False)])
def test_len_is_the_number_of_batches(dataset, count, drop_last):
    loader = loaded(dataset, count, drop_last=drop_last)
    sizes = [len(images) for images, _ in loader]
    assert len(sizes) == len(loader)
    assert sum(sizes) == (12 // count * count if drop_last else 12)


def test_shuffled_epochs_hold_every_sample_once_and_differ(dataset):
    transformless = loaded(dataset, shuffle=True, seed=3)
    expected = sorted(int(image.int().sum()) for image, _ in loaded(dataset, 1))
    epochs = [[int(i.int().sum()) for images, _ in transformless for i in images] for _ in range(3)]
    assert all(sorted(epoch) == expected for epoch in epochs)
    assert epochs[0] != epochs[1] != epochs[2]
    transformless.set_epoch(1)
    assert [int(i.int().sum()) for images, _ in transformless for i in images] == epochs[1]


@pytest.mark.parametrize("prefetch", [0, 1, 4])
def test_pixels_do_not_depend_on_batch_size_or_prefetching(dataset, prefetch):
    images, _ = everything(loaded(dataset, 12, transform=RANDOM, prefetch=0))
    for batch_size in (1, 5):
        other, _ = everything(loaded(dataset, batch_size, transform=RANDOM, prefetch=prefetch))
        assert torch.equal(other, images)


def test_a_sample_can_be_replayed_alone(dataset):
    loader = loaded(dataset, 12, transform=RANDOM, seed=9)
    loader.set_epoch(4)
    images, _ = everything(loader)
    alone = loaded(dataset, 1, transform=RANDOM, seed=9, indices=[7])
    alone.set_epoch(4)
    assert torch.equal(next(iter(alone))[0][0], images[7])
    other = loaded(dataset, 1, transform=RANDOM, seed=9, indices=[7])
    assert not torch.equal(next(iter(other))[0][0], images[7])


def test_torchs_own_random_numbers_are_left_alone(dataset):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    everything(loaded(dataset, transform=RANDOM))
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize("sizes", [(2, 2), (2, 5), (4, 1)])
def test_a_resumed_epoch_goes_on_with_any_batch_size(dataset, sizes):
    before, after = sizes
    images, labels = everything(loaded(dataset, 12, shuffle=True, transform=RANDOM, prefetch=0))
    first = loaded(dataset, before, shuffle=True, transform=RANDOM)
    batches = iter(first)
    seen = [next(batches), next(batches)]
    state = first.state_dict()
    batches.close()
    second = loaded(dataset, after, shuffle=True, transform=RANDOM)
    second.load_state_dict(state)
    second.set_epoch(0)  # as training loops do; the epoch that was left goes on
    rest = list(second)
    assert torch.equal(torch.cat([i for i, _ in seen + rest]), images)
    assert torch.equal(torch.cat([t for _, t in seen + rest]), labels)
    assert second.state_dict()["epoch"] == 1


def test_stopping_early_and_starting_anew_is_the_next_epoch(dataset):
    loader = loaded(dataset, shuffle=True)
    for _ in loader:
        break
    assert loader.state_dict() == {"epoch": 0, "position": 5, "seed": 0}
    next_epoch = [t for _, labels in loader for t in labels.tolist()]
    reference = loaded(dataset, shuffle=True)
    reference.set_epoch(1)
    assert next_epoch == [t for _, labels in reference for t in labels.tolist()]


def test_a_state_of_another_seed_is_refused(dataset):
    with pytest.raises(UsageError, match="seed"):
        loaded(dataset, seed=1).load_state_dict(loaded(dataset).state_dict())


def test_nothing_runs_after_break_error_or_end(dataset):
    before = len(threads())
    loader = loaded(dataset, 2, prefetch=3)
    for _ in loader:
        assert len(threads()) == before + 1
        break
    gc.collect()
    assert len(threads()) == before
    try:
        for _ in loader:
            raise KeyboardInterrupt
    except KeyboardInterrupt:
        pass
    gc.collect()
    assert len(threads()) == before
    list(loader)
    assert len(threads()) == before


FOREVER = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a test run in the background ignores it
from inrformat import InrdDataset, InrdLoader
loader = InrdLoader(InrdDataset(sys.argv[1]), 2, device="cpu", prefetch=3)
while True:
    for batch in loader:
        print("batch", flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_an_interrupt_ends_the_process(tile_file):
    with subprocess.Popen(
        [sys.executable, "-c", FOREVER, str(tile_file)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        for _ in range(9):
            assert process.stdout.readline() == "batch\n"
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=120)
    assert "KeyboardInterrupt" in errors
    assert process.returncode in (1, 130, -signal.SIGINT)


LEFT = """
import sys
from inrformat import InrdLoader
batches = iter(InrdLoader(sys.argv[1], 2, device="cpu", prefetch=3))
next(batches)
"""


def test_a_program_may_end_in_the_middle_of_an_epoch(tile_file):
    ended = subprocess.run([sys.executable, "-c", LEFT, str(tile_file)], capture_output=True, text=True, check=True)
    assert ended.stderr == ""


def test_errors_in_the_background_come_out_where_the_batch_would(dataset, monkeypatch):
    loader = loaded(dataset, 4)
    make = loader._maker.make

    def failing(drawn):
        if 8 in drawn.samples:
            raise RuntimeError("broken record")
        return make(drawn)

    monkeypatch.setattr(loader._maker, "make", failing)
    batches = iter(loader)
    next(batches), next(batches)
    with pytest.raises(RuntimeError, match="broken record"):
        next(batches)
    assert not threads()


def test_a_sampler_is_not_asked_for_more_than_is_prefetched(dataset):
    asked = []

    def numbers():
        for number in range(12):
            asked.append(number)
            yield number

    next(iter(loaded(dataset, 2, sampler=numbers(), prefetch=0)))
    assert asked == [0, 1]


def test_samplers_decide_about_the_order(dataset):
    backwards = list(range(11, -1, -1))
    _, labels = everything(loaded(dataset, 5, sampler=backwards))
    assert labels.tolist() == dataset.targets[::-1]
    loader = loaded(dataset, 1, batch_sampler=BatchSampler(SequentialSampler(dataset), 7, drop_last=False))
    assert [len(i) for i, _ in loader] == [7, 5] and len(loader) == 2
    assert len(loaded(dataset, 5, sampler=backwards)) == 3
    batches = iter(loader)
    next(batches)
    resumed = loaded(dataset, 1, batch_sampler=BatchSampler(SequentialSampler(dataset), 7, drop_last=False))
    resumed.load_state_dict(loader.state_dict())
    assert [t.tolist() for _, t in resumed] == [dataset.targets[7:]]


@pytest.mark.parametrize(
    "options",
    [
        {"sampler": [1], "shuffle": True},
        {"sampler": [1], "indices": [1]},
        {"batch_size": 0},
        {"batch_sampler": [[1]], "sampler": [1]},
        {"batch_sampler": [[1]], "batch_size": 4},
        {"residency": "ram"},
        {"residency": "mmap", "budget_bytes": 5},
        {"dtype": torch.float64},
    ],
)
def test_arguments_that_do_not_go_together_are_named(dataset, options):
    with pytest.raises(UsageError):
        loaded(dataset, options.pop("batch_size", 1), **options)
    with pytest.raises(IndexError):
        loaded(dataset, indices=[12])


def test_images_of_unlike_size_need_a_crop_or_a_size(unlike_file):
    dataset = InrdDataset(unlike_file)
    with pytest.raises(GeometryError, match="unlike size"):
        loaded(dataset)
    bicubic = v2.Resize(16, InterpolationMode.BICUBIC)  # not lifted
    by_the_rest = v2.Compose([bicubic, v2.CenterCrop(8)])
    assert next(iter(loaded(dataset, transform=by_the_rest)))[0].shape == (5, 3, 8, 8)
    with pytest.raises(UsageError, match="differ in size"):
        next(iter(loaded(dataset, transform=bicubic)))
    assert next(iter(loaded(dataset, size=(8, 9))))[0].shape == (5, 3, 8, 9)
    images, _ = everything(loaded(dataset, transform=v2.Compose([v2.Resize(16), v2.CenterCrop(16)])))
    one_by_one = [v2.Compose([v2.Resize(16), v2.CenterCrop(16)])(image) for image, _ in dataset]
    error = (images.double() - torch.stack(one_by_one).double()).square().mean().sqrt()
    assert float(error) < 4


def test_dtype_layout_and_normalisation(dataset):
    tail = [v2.ToDtype(torch.float32, scale=True), v2.Normalize([0.5] * 3, [0.25] * 3)]
    plain, _ = everything(loaded(dataset, dtype=torch.float32))
    assert plain.min() >= 0 and plain.max() <= 1
    fused, _ = everything(
        loaded(dataset, transform=v2.Compose(tail), dtype=torch.bfloat16, memory_format=torch.channels_last)
    )
    assert fused.dtype == torch.bfloat16
    assert (fused.float() - (plain - 0.5) * 4).abs().max() < 0.02
    images = next(iter(loaded(dataset, memory_format=torch.channels_last)))[0]
    assert images.is_contiguous(memory_format=torch.channels_last)
    erased, _ = everything(loaded(dataset, transform=v2.RandomErasing(p=1.0), dtype=torch.float16))
    assert erased.dtype == torch.float16


def test_mixing_takes_the_batch(dataset):
    loader = loaded(
        dataset,
        6,
        transform=v2.Compose([v2.RandomCrop(24), v2.ToDtype(torch.float32, scale=True), v2.MixUp(num_classes=2)]),
    )
    images, labels = next(iter(loader))
    assert images.shape == (6, 3, 24, 24) and labels.shape == (6, 2)
    assert torch.allclose(labels.sum(1), torch.ones(6))
    loader.set_epoch(0)
    again, _ = next(iter(loader))
    assert torch.equal(images, again)


def test_the_data_sets_own_transforms_are_used(tile_file):
    own = InrdDataset(tile_file, transform=v2.CenterCrop(10), target_transform=lambda t: t + 5)
    images, labels = everything(loaded(own))
    assert images.shape[2:] == (10, 10)
    assert labels.tolist() == [t + 5 for t in own.targets]
    joint = InrdDataset(tile_file, transforms=v2.CenterCrop(9))
    assert everything(loaded(joint))[0].shape[2:] == (9, 9)
    with pytest.raises(UsageError, match="give transform="):
        loaded(InrdDataset(tile_file, transforms=lambda image, target: (image, target)))
    assert everything(loaded(InrdDataset(tile_file, size=16)))[0].shape[2:] == (16, 16)


def test_functions_run_on_single_images_of_the_decoded_batch(dataset):
    loader = loaded(
        dataset,
        transform=v2.Compose(
            [v2.CenterCrop(8), v2.ToDtype(torch.float32, scale=True), lambda image: image.mean(0, keepdim=True)]
        ),
    )
    assert next(iter(loader))[0].shape == (5, 1, 8, 8)
    assert "CenterCrop" in str(loader.plan) and str(loader.plan) != explain(None)
    ragged = loaded(dataset, transform=v2.RandomRotation((10, 80), expand=True))
    with pytest.raises(UsageError, match="differ in size"):
        next(iter(ragged))


def test_several_files_are_one_set(tile_file, second_file):
    parts = [InrdDataset(tile_file), InrdDataset(second_file)]
    joined: ConcatDataset[Any] = ConcatDataset(
        [Subset(parts[0], [3, 1]), parts[1], Subset(ConcatDataset(parts), [20, 2, 13])]
    )
    images, labels = everything(loaded(joined, 7))
    expected = [joined[k] for k in range(len(joined))]
    assert labels.tolist() == [t for _, t in expected]
    assert (images.int() - torch.stack([i for i, _ in expected]).int()).abs().max() <= 1
    by_path, _ = everything(loaded([tile_file, second_file], 7))
    assert torch.equal(by_path, everything(loaded(ConcatDataset(parts), 4))[0])
    for wrong in ([1], []):
        with pytest.raises(UsageError, match=r"expected InrdDataset|no data set"):
            loaded(wrong)


def test_random_samplers_of_torch_work(dataset):
    sampler = RandomSampler(dataset, generator=torch.Generator().manual_seed(0))
    _, labels = everything(loaded(dataset, 4, sampler=sampler))
    assert sorted(labels.tolist()) == sorted(dataset.targets)
    assert np.asarray(labels).shape == (12,)


def test_a_sample_that_comes_again_in_an_epoch_looks_different(dataset):
    augment = v2.Compose([v2.RandomResizedCrop(24, scale=(0.3, 0.6)), v2.RandomErasing(p=1.0)])
    repeated = loaded(dataset, 4, transform=augment, sampler=[7, 7, 2, 7, 2, 5], seed=3)
    images, labels = everything(repeated)
    assert labels.tolist() == [dataset.targets[k] for k in (7, 7, 2, 7, 2, 5)]
    sevens, twos = images[[0, 1, 3]], images[[2, 4]]
    assert all(not torch.equal(a, b) for a, b in ((sevens[0], sevens[1]), (sevens[1], sevens[2]), (twos[0], twos[1])))
    # The first of each is what it is without repetition, and the same again in any other batches.
    once, _ = everything(loaded(dataset, 6, transform=augment, sampler=[5, 2, 7], seed=3))
    assert torch.equal(images[[5, 2, 0]], once)
    indices = loaded(dataset, 2, transform=augment, indices=[7, 7, 2, 7, 2, 5], seed=3)
    assert torch.equal(everything(indices)[0], images)


@pytest.mark.parametrize("kind", ["sampler", "batch_sampler", "indices"])
def test_occurrences_are_counted_on_after_a_resume(dataset, kind):
    order = [3, 3, 1, 3, 1, 1, 3, 8]
    options: dict[str, Any] = {
        "sampler": {"sampler": order, "batch_size": 2},
        "batch_sampler": {"batch_sampler": [order[k : k + 2] for k in range(0, 8, 2)], "batch_size": 1},
        "indices": {"indices": order, "batch_size": 2},
    }[kind]
    whole = list(loaded(dataset, transform=RANDOM, seed=1, **options))
    begun, rest = (loaded(dataset, transform=RANDOM, seed=1, **options) for _ in range(2))
    batches = iter(begun)
    next(batches), next(batches)
    rest.load_state_dict(begun.state_dict())
    for (image, _), (expected, _) in zip(rest, whole[2:], strict=True):
        assert torch.equal(image, expected)


def test_the_loaders_data_set_is_a_data_set_whatever_was_given(tile_file, second_file):
    assert len(loaded(tile_file).dataset) == len(loaded(str(tile_file)).dataset) == 12
    assert loaded(tile_file).dataset.classes == ["astronaut", "coffee"]
    several = loaded([tile_file, second_file])
    assert len(several.dataset) == 24 and isinstance(several.dataset, ConcatDataset)
    given = InrdDataset(tile_file)
    assert loaded(given).dataset is given


def test_transform_and_size_can_be_changed_between_epochs(dataset):
    loader = loaded(dataset, 4, shuffle=True, seed=5)
    labels = everything(loader)[1]
    loader.transform = v2.RandomResizedCrop(16)
    images, other_labels = everything(loader)
    assert images.shape[2:] == (16, 16) and other_labels.tolist() != labels.tolist()
    loader.transform = None
    loader.size = 24
    loader.set_epoch(0)
    images, again = everything(loader)
    assert images.shape[2:] == (24, 24) and again.tolist() == labels.tolist()
    before = loader.plan
    with pytest.raises(GeometryError):
        loader.transform = v2.RandomApply([v2.CenterCrop(8)])
    assert loader.plan is before


def test_a_transform_set_on_the_data_set_reaches_the_next_epoch(dataset):
    loader = loaded(dataset)
    assert everything(loader)[0].shape[2:] == (32, 32)
    dataset.transform = v2.CenterCrop(20)
    assert everything(loader)[0].shape[2:] == (20, 20)
    assert "CenterCrop" in repr(loader) and "12 samples in order, batches of 5 on cpu" in repr(loader)
