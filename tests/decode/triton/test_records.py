"""Records to symbols on the device: exact for sound records, harmless and reported for the others."""

import numpy as np
import pytest
import torch

from inrformat.decode.canvas import Canvas
from inrformat.decode.pixels import PixelFormat
from inrformat.decode.records import DeviceRecords


def test_symbols_of_cells_are_the_reference_s(mixed, weights):
    plan, scratch = weights
    for place, row in ((4, 2), (2, 1), (1, 0)):
        number, height, width = mixed.shapes[row].tolist()
        network = mixed.networks[number]
        lanes = network.lanes(height=height, width=width)
        decoder = mixed.decoder(torch.tensor([row], device=mixed.device), lanes=lanes)
        expected = network.read(decoder, height=height, width=width)
        rows, columns = expected.sides.shape[1:]
        cover = scratch.cover[place].reshape(-1, plan.plane_width // 8)[:rows, :columns] & 255
        assert torch.equal(cover, expected.sides[0].int())
        step = float(scratch.steps[place])
        stored = scratch.area[place, plan.plane :][: 3 * plan.plane_size].reshape(3, -1, plan.plane_width)
        means = scratch.dc[place].reshape(3, -1, plan.plane_width // 8)
        for side, planes in expected.planes.items():
            here = (cover == side).repeat_interleave(8, 0).repeat_interleave(8, 1)
            wanted = planes[0, :, : 8 * rows, : 8 * columns]
            y, x = torch.where(here)
            mean = (y % side == 0) & (x % side == 0)
            coded = torch.zeros(0) if mean.all() else wanted[:, y[~mean], x[~mean]] / step
            assert torch.equal(stored[:, y[~mean], x[~mean]].float(), coded.reshape(3, -1).round())
            assert torch.allclose(means[:, y[mean] // 8, x[mean] // 8], wanted[:, y[mean], x[mean]], rtol=1e-6)


def test_parameters_of_sirens_are_the_reference_s(mixed, weights):
    plan, scratch = weights
    for place, row in ((0, 3), (3, 4)):
        number, height, width = mixed.shapes[row].tolist()
        network = mixed.networks[number]
        lanes = network.lanes(height=height, width=width)
        decoder = mixed.decoder(torch.tensor([row], device=mixed.device), lanes=lanes)
        expected = network.read(decoder, height=height, width=width)[0]
        pad, layers, at = plan.pad, plan.layers, 0
        squares = scratch.parameters[place, : layers * pad * pad].reshape(layers, pad, pad)
        biases = scratch.parameters[place, layers * pad * pad :].reshape(layers, pad)
        for layer, (inputs, outputs) in enumerate(zip(network.widths, network.widths[1:], strict=False)):
            w = expected[at : at + inputs * outputs].reshape(outputs, inputs)
            b = expected[at + inputs * outputs :][:outputs]
            if layer < len(network.widths) - 2:  # sines are taken of half turns
                w, b = w * network.omega / torch.pi, b * network.omega / torch.pi
            assert torch.allclose(squares[layer, :outputs, :inputs], w, rtol=1e-5, atol=1e-6)
            assert torch.allclose(biases[layer, :outputs], b, rtol=1e-5, atol=1e-6)
            assert squares[layer, outputs:].abs().max() == 0 and squares[layer, :, inputs:].abs().sum() == 0
            at += (inputs + 1) * outputs


def test_sound_records_are_not_reported(weights):
    assert weights[1].status.tolist() == [0, 0, 0, 0, 0]


def damaged(records, change):
    """The same file with what ``change`` makes of its words and lengths."""
    words, lengths = change(records.words.cpu().numpy().copy(), records.lengths.cpu().numpy().copy())
    return DeviceRecords(
        torch.from_numpy(words).to(records.device), records.offsets, torch.from_numpy(lengths).to(records.device),
        records.shapes, records.tables, records.codebook,
    )  # fmt: skip


DAMAGES = {
    "random bytes": lambda w, n: (np.random.default_rng(5).integers(-32768, 32768, len(w)).astype(np.int16), n),
    "cut off": lambda w, n: (w, n // 4 * 2),
    "said to reach beyond the payload": lambda w, n: (w, n + (1 << 40)),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_damaged_records_stay_inside_their_memory_are_reported_and_decode_to_numbers(mixed, framed, name):
    from inrformat.decode.triton.launch import read, render
    from inrformat.decode.triton.plan import Plan

    records = damaged(mixed, DAMAGES[name])
    rows = [0, 4]
    plan = Plan.of(records)
    scratch = plan.scratch(len(rows))
    intact = framed(scratch)
    read(plan, records, torch.tensor(rows, device=records.device), scratch)
    assert intact() and (scratch.status != 0).all()
    height, width = mixed.shapes[rows, 1:].unbind(1)
    form = PixelFormat(torch.float32)
    small = Canvas.of(height, width).resize(16, 16)
    enlarged = Canvas.of(height, width).crop(2, 3, 4, 4).resize(16, 16)
    for canvas in (small, enlarged, enlarged.rotate(20.0)):
        frame = torch.full((len(rows), 5, 18, 20), -9.0, device=mixed.device)
        out = frame[:, 1:4, 1:17, 2:18]
        render(
            plan, records, torch.tensor(rows, device=mixed.device), canvas.geometry(), form, scratch,
            out=out, precision="fast",
        )  # fmt: skip
        assert ((out >= 0) & (out <= 1)).all()
        assert (frame == -9).sum() == frame.numel() - out.numel()
