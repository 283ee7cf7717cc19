"""From the host to a device, which is pretended."""

import torch

from inrformat.decoding.transfer import sent, sent_together

from ..fake_cuda import CUDA, fake_cuda

TENSORS = [torch.arange(5), torch.zeros(0, 4), torch.tensor(3.5), torch.ones(2, 3, dtype=torch.bool)]


def test_on_the_host_everything_stays_where_it_is():
    assert [a is b for a, b in zip(sent_together(TENSORS, torch.device("cpu")), TENSORS, strict=True)] == [True] * 4


def test_many_tensors_take_one_copy():
    with fake_cuda() as cuda:
        moved = sent_together(TENSORS, CUDA)
    assert cuda.operations == ["_to_copy"]
    assert [(m.device, m.shape, m.dtype) for m in moved] == [(CUDA, t.shape, t.dtype) for t in TENSORS]


def test_what_is_packed_arrives_unchanged(monkeypatch):
    monkeypatch.setattr("inrformat.decoding.transfer.sent", lambda tensor, device: tensor.clone())
    for moved, tensor in zip(sent_together(TENSORS, CUDA), TENSORS, strict=True):
        assert moved.dtype == tensor.dtype and torch.equal(moved, tensor)


def test_nothing_waits_for_what_is_sent():
    with fake_cuda() as cuda:
        on = sent(torch.ones(3), CUDA)
        assert sent(on, CUDA) is on
        assert cuda.operations == ["_to_copy"]
