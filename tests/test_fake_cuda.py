"""The device that is not there sees what would wait on one that is."""

import pytest
import torch

from .fake_cuda import CUDA, SyncError, fake_cuda

WAITS = {
    "item": lambda on, off: on[0].item(),
    "tolist": lambda on, off: on.tolist(),
    "bool": lambda on, off: bool((on > 0).any()),
    "to the host": lambda on, off: on.cpu(),
    "from the host": lambda on, off: off.to(CUDA),
    "mask": lambda on, off: on[on > 0],
    "assignment by a mask": lambda on, off: on.__setitem__(on > 0, 1.0),
    "index on the host": lambda on, off: on[torch.arange(2)],
    "a tensor of numbers": lambda on, off: torch.tensor([1.0, 2.0], device=CUDA),
    "two devices": lambda on, off: on + off,
    "nonzero": lambda on, off: on.nonzero(),
}


@pytest.mark.parametrize("name", WAITS)
def test_what_waits_is_an_error(name):
    with fake_cuda() as cuda:
        with cuda.loading():
            on, off = torch.ones(4, device=CUDA), torch.ones(4)
        with pytest.raises((SyncError, RuntimeError)):
            WAITS[name](on, off)


def test_what_does_not_wait_is_counted():
    with fake_cuda() as cuda:
        on = torch.ones(4, device=CUDA)
        cuda.forget()
        sent = torch.ones(4).pin_memory().to(CUDA, non_blocking=True)
        on[:2].mul_(2).add_(sent[on.long()[:2]])
        assert cuda.operations == ["_to_copy", "mul_", "_to_copy", "index", "add_"]
