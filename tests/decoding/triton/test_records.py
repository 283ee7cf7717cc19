"""Records of any family on the device: harmless and reported where they are damaged."""

import dataclasses

import numpy as np
import pytest
import torch

from inrformat.decoding.canvas import Canvas
from inrformat.decoding.pixels import PixelFormat
from inrformat.decoding.triton.launch import read, render
from inrformat.decoding.triton.plan import Plan

from .small_files import in_frames


def test_sound_records_are_not_reported(weights):
    assert weights[1].status.tolist() == [0, 0, 0, 0, 0]


def damaged(records, change):
    """The same file with what ``change`` makes of its words and lengths."""
    words, lengths = change(records.words.cpu().numpy().copy(), records.lengths.cpu().numpy().copy())
    words, lengths = (torch.from_numpy(array).to(records.device) for array in (words, lengths))
    return dataclasses.replace(records, words=words, lengths=lengths)


DAMAGES = {
    "random bytes": lambda w, n: (np.random.default_rng(5).integers(-32768, 32768, len(w)).astype(np.int16), n),
    "cut off": lambda w, n: (w, n // 4 * 2),
    "said to reach beyond the payload": lambda w, n: (w, n + (1 << 40)),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_damaged_records_stay_inside_their_memory_are_reported_and_decode_to_numbers(mixed, name):
    records = damaged(mixed, DAMAGES[name])
    numbers = [0, 4]
    rows = torch.tensor(numbers, device=records.device)
    plan = Plan.of(records.file)
    scratch = plan.scratch(len(rows))
    intact = in_frames(scratch)
    read(plan, records, rows=rows, scratch=scratch)
    assert intact() and (scratch.status != 0).all()
    height, width = mixed.shapes[numbers, 1:].unbind(1)
    form = PixelFormat(torch.float32)
    small = Canvas.of(height, width).resize(16, 16)
    enlarged = Canvas.of(height, width).crop(2, 3, 4, 4).resize(16, 16)
    for canvas in (small, enlarged, enlarged.rotate(20.0)):
        frame = torch.full((len(rows), 5, 18, 20), -9.0, device=mixed.device)
        out = frame[:, 1:4, 1:17, 2:18]
        render(
            plan,
            records,
            rows=rows,
            scratch=scratch,
            geometry=canvas.geometry(),
            pixels=form,
            out=out,
            precision="fast",
        )
        assert ((out >= 0) & (out <= 1)).all()
        assert (frame == -9).sum() == frame.numel() - out.numel()
