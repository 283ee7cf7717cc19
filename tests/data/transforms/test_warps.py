"""Elastic displacements are as small as they can be: they are by far the largest thing that is drawn for a batch."""

import torch
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode
from torchvision.transforms import v2

from inrformat.data import randomness
from inrformat.data.randomness import CounterGenerator
from inrformat.data.transforms.plan import Frame, plan_of
from inrformat.decoding.canvas import Canvas

SIDE, BATCH = 96, 8


class LargestResult(TorchDispatchMode):
    """Remembers the largest tensor that an operation made, in bytes."""

    bytes = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        sizes = [
            leaf.untyped_storage().nbytes() for leaf in pytree.tree_leaves(result) if isinstance(leaf, torch.Tensor)
        ]
        self.bytes = max([self.bytes, *sizes])
        return result


def elastic_canvas():
    plan = plan_of(v2.ElasticTransform(sigma=2.0), Frame((SIDE, SIDE), SIDE))
    generator = CounterGenerator(torch.arange(BATCH), seed=1, epoch=2, occurrences=torch.arange(BATCH) % 2)
    return plan.canvas(Canvas.of([SIDE] * BATCH, [SIDE] * BATCH).resize(SIDE, SIDE), generator)


def test_displacements_are_float32_as_kernels_read_them(monkeypatch):
    monkeypatch.setitem(randomness._FIELD_AT_ONCE, "cpu", 1)
    with LargestResult() as largest:
        displacement = elastic_canvas().displacement
    assert displacement is not None
    assert displacement.dtype == torch.float32 and displacement.is_contiguous()
    assert displacement.data_ptr() == displacement.float().contiguous().data_ptr()
    assert largest.bytes == displacement.nbytes == 4 * 2 * BATCH * SIDE * SIDE


def test_a_field_does_not_depend_on_how_much_of_it_is_drawn_at_once(monkeypatch):
    together = elastic_canvas().displacement
    for at_once in (1, 3 * 2 * SIDE * SIDE, 1 << 30):
        monkeypatch.setitem(randomness._FIELD_AT_ONCE, "cpu", at_once)
        apart = elastic_canvas().displacement
        assert together is not None and apart is not None and torch.equal(apart, together)
