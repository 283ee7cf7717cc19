"""The reference does not depend on how precise a training script wants its own products."""

import threading
import warnings

import pytest
import torch
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

from inrformat.decoding import float32_products as products, reference
from inrformat.decoding.canvas import Canvas
from inrformat.decoding.float32_products import _precisions, float32_products

PRODUCTS = {"mm", "bmm", "addmm", "baddbmm"}


class TensorCores(TorchDispatchMode):
    """Rounds the factors of float32 products to TF32's 10 bits where the setting for CUDA lets a GPU do so."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func.overloadpacket.__name__ in PRODUCTS and _precisions()[0] not in {"ieee", "none", "highest"}:
            args = pytree.tree_map(truncated, args)
        return func(*args, **(kwargs or {}))


def truncated(leaf):
    if isinstance(leaf, torch.Tensor) and leaf.dtype == torch.float32:
        return (leaf.view(torch.int32) & ~0x1FFF).view(torch.float32)
    return leaf


@pytest.fixture(params=["high", "medium"])
def imprecise(request):
    """A training script's choice."""
    found = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(request.param)
    yield request.param
    torch.set_float32_matmul_precision(found)


@pytest.mark.parametrize("family", ["cells_records", "siren_records"])
def test_tf32_products_change_nothing(imprecise, family, request, monkeypatch):
    records = request.getfixturevalue(family)
    rows = torch.tensor([0])
    _, height, width = records.shapes[0].tolist()
    canvas = Canvas.of([height], [width])
    geometries = [canvas.resize(40, 40).geometry(), canvas.resize(9, 9).geometry()]
    with float32_products():
        expected = reference.decode_views(records, rows, geometries)
    with TensorCores():
        decoded = reference.decode_views(records, rows, geometries)
        monkeypatch.setattr(products, "_set_precisions", lambda names: None)
        unguarded = reference.decode_views(records, rows, geometries)
    assert all(torch.equal(a, b) for a, b in zip(decoded, expected, strict=True))
    assert not torch.equal(unguarded[0], expected[0]), "else this test cannot fail"
    assert torch.get_float32_matmul_precision() == imprecise


def test_autocast_changes_nothing(siren_records):
    geometry = Canvas.of([32], [32]).resize(20, 20).geometry()
    expected = reference.decode(siren_records, torch.tensor([0]), geometry)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(reference.decode(siren_records, torch.tensor([0]), geometry), expected)
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.bfloat16


@pytest.mark.parametrize("how", ["set", "flag", "new flag"])
def test_the_choice_is_as_it_was_afterwards_however_it_was_made(how):
    if how == "new flag" and len(_precisions()) == 1:
        # Newer ones have a flag for each device; the older one is tested by the other cases here.
        pytest.skip("this torch has one flag for both devices")
    found = torch.get_float32_matmul_precision()
    try:
        if how == "set":
            torch.set_float32_matmul_precision("medium")
        elif how == "flag":
            torch.backends.cuda.matmul.allow_tf32 = True
        else:
            torch.backends.cuda.matmul.fp32_precision = "tf32"
        before = _precisions()
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with float32_products(), float32_products():
                assert set(_precisions()) <= {"ieee", "highest"}
        assert _precisions() == before
    finally:
        torch.set_float32_matmul_precision(found)


def test_threads_inside_together_leave_the_choice_as_it_was(imprecise):
    before, inside, out = _precisions(), threading.Event(), threading.Event()

    def work():
        with float32_products():
            inside.set()
            out.wait()

    thread = threading.Thread(target=work)
    with float32_products():
        thread.start()
        inside.wait()
    assert set(_precisions()) <= {"ieee", "highest"}
    out.set()
    thread.join()
    assert _precisions() == before
