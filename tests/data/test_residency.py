import gc
import os
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torchvision.transforms import v2

from inrformat import ChecksumError, InrdDataset, InrdLoader
from inrformat.data.residency import RecordStore, Residency, load_resident
from inrformat.decoding.triton.plan import plan_of

CROP = v2.Compose([v2.RandomResizedCrop(16), v2.RandomHorizontalFlip()])


def images(path, **options):
    loader = InrdLoader(InrdDataset(path), 5, device="cpu", transform=CROP, shuffle=True, **options)
    return torch.cat([i for i, _ in loader])


def test_pixels_do_not_depend_on_where_the_bytes_are(tile_file):
    expected = images(tile_file, residency="device")
    for options in (
        {"residency": "pinned"},
        {"residency": "mmap"},
        {"budget_bytes": 0},
        {"budget_bytes": 3000},
        {"budget_bytes": 1 << 30},
        {},
    ):
        assert torch.equal(images(tile_file, **options), expected)


def test_a_budget_keeps_a_prefix(tile_file):
    dataset = InrdDataset(tile_file)
    ends = np.append(dataset.reader.index.offsets_bytes[1:], 1 << 40)
    for budget in (0, int(ends[3]) - 1, int(ends[3]), 1 << 30):
        store = RecordStore(dataset.reader, dataset.codebook, torch.device("cpu"), budget_bytes=budget)
        assert store.resident_bytes <= budget
        assert store.resident in (12, int((ends <= budget).sum()))
    parts = RecordStore(dataset.reader, dataset.codebook, torch.device("cpu"), budget_bytes=int(ends[3])).parts(
        np.array([9, 0, 5, 3]), np.arange(4)
    )
    assert [p.places.tolist() for p in parts] == [[1, 3], [0, 2]]


@pytest.mark.parametrize(
    "options", [{"residency": Residency.PINNED}, {"residency": Residency.MMAP}, {"budget_bytes": 3000}]
)
def test_what_decoders_prepare_of_a_file_serves_every_batch(tile_file, options):
    dataset = InrdDataset(tile_file)
    store = RecordStore(dataset.reader, dataset.codebook, torch.device("cpu"), **options)
    parts = [part for rows in ([0, 9], [5], [11, 2, 3]) for part in store.parts(np.array(rows), np.arange(len(rows)))]
    assert len({id(part.records.words) for part in parts}) >= 3
    assert len({plan_of(part.records) for part in parts}) == 1


def test_a_store_knows_the_greatest_sizes_of_the_whole_file_though_it_holds_few_records(tile_file):
    dataset = InrdDataset(tile_file)
    whole = load_resident(dataset.reader, dataset.codebook, torch.device("cpu"))
    (part,) = RecordStore(dataset.reader, dataset.codebook, torch.device("cpu"), residency=Residency.MMAP).parts(
        np.array([3]), np.array([0])
    )
    sizes = [(f.record_count, f.max_height, f.max_width) for f in (whole.file, part.records.file)]
    assert sizes[0] == sizes[1] == (12, *whole.shapes.amax(0)[1:].tolist())


@pytest.mark.parametrize("residency", [Residency.MMAP])
def test_damage_of_mapped_bytes_is_found_when_they_are_read(tile_file, tmp_path, residency):
    path = tmp_path / "damaged.inrd"
    path.write_bytes(tile_file.read_bytes())
    loader = InrdLoader(InrdDataset(path), 12, device="cpu", residency=residency)
    at = InrdDataset(path).reader.header.section(b"PYLD").offset_bytes
    with path.open("r+b") as file:
        file.seek(at + 8)
        file.write(b"\xff\x00\xff")
    with pytest.raises(ChecksumError, match="record 0"):
        next(iter(loader))


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("residency", ["device", "mmap"])
def test_memory_and_handles_stay_as_they_are_over_many_batches(tile_file, residency):
    def held():
        gc.collect()
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE"), len(os.listdir("/proc/self/fd")), len(os.listdir("/proc/self/task"))

    loader = InrdLoader(InrdDataset(tile_file), 4, device="cpu", transform=CROP, shuffle=True, residency=residency)

    def run(epochs):
        for _ in range(epochs):
            for _ in loader:
                pass
            for _ in loader:
                break

    run(40)
    before = held()
    run(160)
    after = held()
    # Fewer is fine: connections of tests before this one may close meanwhile.
    assert after[1] <= before[1] and after[2] <= before[2]
    assert after[0] - before[0] < 4 << 20
