"""Payloads and batches of more than 4 GB, of which the system gives memory only for what is touched."""

import dataclasses

import pytest
import torch

from inrformat.decoding import reference
from inrformat.decoding.arena import Arena, measuring_arena
from inrformat.decoding.canvas import Canvas
from inrformat.decoding.pixels import PixelFormat
from inrformat.decoding.triton.launch import decode, read
from inrformat.decoding.triton.plan import plan_of

from .small_files import CELL_SIZES, DEVICE

GAP_BYTES = (1 << 32) + (1 << 20)
BYTES = PixelFormat()


@pytest.fixture
def nothing_touched(monkeypatch):
    """The interpreter does not copy a tensor onto itself when a kernel is done, which would touch all of it."""
    copy = torch.UntypedStorage.copy_

    def copied(to, of, *rest):
        return to if to.data_ptr() == of.data_ptr() else copy(to, of, *rest)

    monkeypatch.setattr(torch.UntypedStorage, "copy_", copied)


@pytest.fixture
def far(mixed):
    """The mixed file with all of its records behind the first 4 GB of the payload."""
    words = torch.empty(GAP_BYTES // 2 + len(mixed.words), dtype=torch.int16, device=DEVICE)
    words[GAP_BYTES // 2 :] = mixed.words
    return dataclasses.replace(mixed, words=words, offsets=mixed.offsets + GAP_BYTES)


@pytest.mark.slow
def test_records_behind_4_gb_are_read(far, mixed, nothing_touched):
    rows, scratches = torch.tensor([0, 4], device=DEVICE), []
    for records in (far, mixed):
        plan = plan_of(records)
        needed = measuring_arena()
        plan.allocate(len(rows), needed)
        # Zeros, also where only larger images of the file would write.
        memory = torch.zeros(needed.used_bytes, dtype=torch.uint8, device=DEVICE)
        scratches.append(plan.allocate(len(rows), Arena(memory)))
        read(plan, records, rows=rows, scratch=scratches[-1])
    assert [scratch.status.tolist() for scratch in scratches] == [[0, 0]] * 2
    (cells, siren), (near_cells, near_siren) = (scratch.families for scratch in scratches)
    for name in ("classes", "node_means", "steps"):
        assert torch.equal(getattr(cells, name)[0], getattr(near_cells, name)[0])
    assert cells.node_means[0].any()
    assert torch.equal(siren.parameters[1], near_siren.parameters[1]) and siren.parameters[1].any()


def test_the_reference_reads_them_as_well(far, mixed):
    rows, canvas = torch.tensor([0]), Canvas.of(*([side] for side in CELL_SIZES[0])).resize(8, 8)
    expected = reference.decode(mixed, rows, canvas.geometry().to(DEVICE))
    assert torch.equal(reference.decode(far, rows, canvas.geometry().to(DEVICE)), expected)


@pytest.mark.slow
def test_samples_of_a_batch_may_lie_4_gb_apart(mixed, nothing_touched):
    rows = torch.tensor([0, 3], device=DEVICE)
    height, width = mixed.shapes[rows, 1:].unbind(1)
    geometry = Canvas.of(height, width).crop(0, 0, 8, 8).geometry()
    memory = torch.empty(GAP_BYTES + 3 * 8 * 8, dtype=torch.uint8, device=DEVICE)
    out = memory.as_strided((2, 3, 8, 8), (GAP_BYTES, 64, 8, 1))
    decode(mixed, rows, geometry, BYTES, out=out)
    assert torch.equal(out.clone(), decode(mixed, rows, geometry, BYTES))
