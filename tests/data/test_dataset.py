import copy
import pickle
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader
from torchvision import tv_tensors
from torchvision.datasets import ImageFolder, VisionDataset
from torchvision.transforms import v2

import inrformat
from inrformat import InrdDataset
from inrformat.container.writer import InrdWriter
from inrformat.decoding.canvas import Canvas
from inrformat.decoding.dispatch import decode
from inrformat.errors import DeviceError, InvalidFileError, UsageError


@pytest.fixture
def dataset(photo_file):
    return InrdDataset(photo_file)


def test_it_is_the_torchvision_data_set_of_the_same_folder(dataset, photo_folder):
    folder = ImageFolder(photo_folder)
    assert isinstance(dataset, VisionDataset)
    assert len(dataset) == len(folder)
    assert dataset.classes == folder.classes
    assert dataset.class_to_idx == folder.class_to_idx
    assert dataset.targets == folder.targets


def test_samples_are_uint8_images_that_look_like_the_photographs(dataset, photo_folder):
    folder = ImageFolder(photo_folder)
    for k in range(len(dataset)):
        image, target = dataset[k]
        assert type(image) is tv_tensors.Image
        assert (image.dtype, image.shape) == (torch.uint8, (3, 32, 32))
        assert type(target) is int
        source, expected = folder[k]
        assert target == expected
        error = image.permute(1, 2, 0).numpy().astype(float) - np.asarray(source)
        assert 20 * np.log10(255 / np.sqrt((error**2).mean())) > 24


def test_indices_behave_like_a_sequence(dataset):
    assert torch.equal(dataset[-1][0], dataset[len(dataset) - 1][0])
    assert torch.equal(dataset[np.int64(3)][0], dataset[torch.tensor(3)][0])
    assert len(list(dataset)) == len(dataset)
    for bad in (len(dataset), -len(dataset) - 1):
        with pytest.raises(IndexError):
            dataset[bad]
    with pytest.raises(TypeError):
        dataset["0"]


def test_transforms_follow_torchvisions_rules(photo_file):
    both = InrdDataset(photo_file, transform=lambda image: image.float().mean(), target_transform=lambda t: -t)
    image, target = both[len(both) - 1]
    assert (image.ndim, target) == (0, -1)
    joint = InrdDataset(photo_file, transforms=lambda image, target: (target, image.shape))
    assert joint[0] == (0, (3, 32, 32))
    with pytest.raises(ValueError, match="Only transforms or transform/target_transform"):
        InrdDataset(photo_file, transform=len, transforms=len)


def test_v2_pipelines_run_on_it(photo_file):
    pipeline = v2.Compose([v2.RandomResizedCrop(24), v2.RandomHorizontalFlip(), v2.ToDtype(torch.float32, scale=True)])
    image, _ = InrdDataset(photo_file, transform=pipeline)[0]
    assert (image.shape, image.dtype) == ((3, 24, 24), torch.float32)


@pytest.mark.parametrize("workers", [0, pytest.param(2, marks=pytest.mark.slow)])
def test_a_data_loader_gives_every_sample_once(photo_file, workers):
    dataset = InrdDataset(photo_file, transform=v2.ToDtype(torch.float32, scale=True))
    context = "spawn" if workers else None
    loader: DataLoader[Any] = DataLoader(dataset, batch_size=5, num_workers=workers, multiprocessing_context=context)
    images, targets = zip(*loader, strict=True)
    assert torch.cat(targets).tolist() == dataset.targets
    expected = torch.stack([dataset[k][0] for k in range(len(dataset))])
    assert (torch.cat(images) - expected).abs().max() < 1.01 / 255


def test_copies_and_pickles_work(dataset):
    for clone in (pickle.loads(pickle.dumps(dataset)), copy.copy(dataset)):
        assert torch.equal(clone[2][0], dataset[2][0])
        assert clone.targets == dataset.targets


def test_resident_bytes_decode_without_reading_the_file(photo_file, tmp_path):
    path = tmp_path / "moved.inrd"
    path.write_bytes(photo_file.read_bytes())
    dataset = InrdDataset(path).to("cpu")
    expected = [image for image, _ in InrdDataset(path).__getitems__(range(len(dataset)))]
    dataset.reader.close()
    path.unlink()
    images = [image for image, _ in dataset.__getitems__(range(len(dataset)))]
    assert torch.equal(torch.stack(images), torch.stack(expected))
    assert dataset.device == torch.device("cpu")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device here")
def test_a_missing_device_is_named(dataset):
    with pytest.raises(DeviceError, match="no CUDA device"):
        dataset.to("cuda")


def test_an_unknown_device_is_named(dataset):
    with pytest.raises(DeviceError, match="'gpu'"):
        dataset.to("gpu")


def test_repr_says_what_it_holds(dataset):
    assert "Number of datapoints: 12" in repr(dataset)
    assert "Classes: 2" in repr(dataset)


def test_a_file_without_classes_has_unlabelled_targets(tmp_path, photo_tiles):
    from inrformat.conversion.pipeline import convert
    from inrformat.families.siren.encoder.options import SirenOptions

    folder = tmp_path / "flat"
    folder.mkdir()
    Image.fromarray(photo_tiles["coffee"][0][:20]).save(folder / "a.png")
    Image.fromarray(photo_tiles["coffee"][1]).save(folder / "b.png")
    convert(folder, tmp_path / "flat.inrd", SirenOptions(hidden=(2, 8), steps=5), device="cpu")
    dataset = InrdDataset(tmp_path / "flat.inrd")
    assert (dataset.classes, dataset.targets) == ([], [-1, -1])
    assert [image.shape for image, _ in dataset] == [(3, 20, 32), (3, 32, 32)]


def test_a_codebook_that_does_not_fit_the_records_is_refused_with_the_files_name(tmp_path):
    with InrdWriter(tmp_path / "x.inrd") as writer:
        writer.add(b"12345678", height=1, width=1, network=0, psnr_db=1)
        writer.finish(codebook={"tables": [], "networks": []}, metadata=inrformat.container.metadata.Metadata())
    with pytest.raises(InvalidFileError, match=r"x\.inrd.*INDEX-NETWORK"):
        InrdDataset(tmp_path / "x.inrd")


def test_resident_records_decode_under_any_geometry(photo_file):
    dataset = InrdDataset(photo_file)
    with pytest.raises(UsageError, match="call to"):
        _ = dataset.resident
    records = dataset.to("cpu").resident
    rows = torch.tensor([3, 0])
    canvas = Canvas.of(*records.shapes[rows, 1:].unbind(1)).resize(32, 32)
    pixels = decode(records, rows, canvas.geometry())
    assert torch.equal(pixels, torch.stack([dataset[3][0], dataset[0][0]]))


def test_transforms_set_later_hold_from_then_on(photo_file, photo_folder):
    dataset, folder = InrdDataset(photo_file), ImageFolder(photo_folder)
    for one in (dataset, folder):
        one.transform = v2.Resize((8, 9))
        one.target_transform = lambda label: 10 + label
    assert dataset[7][0].shape[1:] == (8, 9) and folder[7][0].size == (9, 8)
    assert dataset[7][1] == folder[7][1] == 11
    assert "Resize" in repr(dataset)
    dataset.transforms = v2.RandomHorizontalFlip(1.0)
    assert dataset.transform is None and dataset.target_transform is None
    plain = InrdDataset(photo_file)[7]
    assert torch.equal(dataset[7][0], plain[0].flip(-1)) and dataset[7][1] == plain[1]
    dataset.transform = None
    assert torch.equal(dataset[7][0], plain[0])


def test_a_transform_set_later_reaches_worker_processes(photo_file):
    dataset = InrdDataset(photo_file)
    dataset.transform = v2.Resize((8, 9))
    images, _ = next(iter(DataLoader(dataset, 4, num_workers=1)))
    assert images.shape == (4, 3, 8, 9)


def test_samples_are_names_and_targets(dataset, photo_folder):
    folder = ImageFolder(photo_folder)
    assert [label for _, label in dataset.samples] == [label for _, label in folder.samples]
    assert all(path.endswith(name) for (name, _), (path, _) in zip(dataset.samples, folder.imgs, strict=True))
    assert dataset.imgs == dataset.samples


def test_a_path_may_begin_with_the_home_folder(photo_file, monkeypatch):
    monkeypatch.setenv("HOME", str(photo_file.parent))
    assert len(InrdDataset(f"~/{photo_file.name}")) == 12


def test_classes_and_images_are_found_as_in_an_image_folder(dataset, photo_folder):
    folder = ImageFolder(photo_folder)
    assert dataset.find_classes(str(photo_folder)) == folder.find_classes(str(photo_folder))
    name, _ = dataset.samples[7]
    picture = dataset.loader(name)
    assert picture.size == (32, 32) and np.array_equal(np.asarray(picture), dataset[7][0].permute(1, 2, 0).numpy())
    with pytest.raises(UsageError, match="0 images are named 'no such'"):
        dataset.loader("no such")


def test_class_numbers_become_a_list_when_that_is_asked_for_and_not_by_reading_samples(photo_file):
    dataset = InrdDataset(photo_file)
    label = dataset[3][1]
    assert "targets" not in vars(dataset)
    assert isinstance(dataset.targets, list) and dataset.targets[3] == label


def test_targets_that_were_set_are_those_of_samples(photo_file):
    dataset = InrdDataset(photo_file)
    dataset.targets = [7] * len(dataset)
    assert dataset[3][1] == 7 and pickle.loads(pickle.dumps(dataset))[3][1] == 7
