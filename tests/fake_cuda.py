"""A CUDA device that is not there: tensors without memory, kernels that are noted instead of launched.

Everything that waits for the device or that it would have to wait for is an error, as are tensors of two devices in one
operation. What is left to a real device is whether kernels are right.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode
from triton.runtime.jit import KernelInterface

from inrformat.decoding.device_file import DeviceFile
from inrformat.decoding.records import DeviceRecords

__all__ = ["CUDA", "FakeCuda", "Launch", "SyncError", "fake_cuda", "on_fake_cuda"]

CUDA = torch.device("cuda", 0)
_READS = {"_local_scalar_dense", "nonzero", "masked_select", "unique_dim", "_unique2", "equal", "item"}
"""Operations whose result's size or value the host needs."""
_COPIES = {"_to_copy", "copy_"}


class SyncError(AssertionError):
    """The host would wait for the device."""


@dataclass(frozen=True)
class Launch:
    """A kernel that would have been launched: the jitted function, its grid, and arguments by name."""

    kernel: Any
    grid: tuple[int, ...]
    arguments: dict[str, Any]


@dataclass
class FakeCuda:
    """What happened on the device.

    Attributes:
        launches: kernels of Triton. operations: torch's, by name, views apart. allowed: whether waiting is no error.
    """

    launches: list[Launch] = field(default_factory=list)
    operations: list[str] = field(default_factory=list)
    allowed: bool = False

    @contextmanager
    def loading(self) -> Iterator[None]:
        """What is done once, when a file is loaded, may wait."""
        self.allowed = True
        try:
            yield
        finally:
            self.allowed = False

    def forget(self) -> None:
        """Begin to count anew."""
        self.launches.clear()
        self.operations.clear()


class _Watching(TorchDispatchMode):
    """Runs what is on the host, and pretends to run what is on the device."""

    def __init__(self, cuda: FakeCuda) -> None:
        super().__init__()
        self._cuda, self._pretending = cuda, FakeTensorMode(allow_non_fake_inputs=True)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = func.overloadpacket.__name__
        if not self._cuda.allowed:
            _check(name, args, kwargs)
        devices = {t.device.type for t in _tensors((args, kwargs))}
        devices |= {leaf.type for leaf in pytree.tree_leaves((args, kwargs)) if isinstance(leaf, torch.device)}
        if "cuda" not in devices:
            return func(*args, **kwargs)
        if func.namespace == "aten" and not func.is_view:
            self._cuda.operations.append(name)
        with self._pretending:
            return func(*args, **kwargs)


def _check(name: str, args: Any, kwargs: Any) -> None:
    tensors = _tensors((args, kwargs))
    if name in _READS and any(t.device.type == "cuda" for t in tensors):
        raise SyncError(f"{name} reads from the device")
    if name in _COPIES:
        to = kwargs.get("device") or args[0].device
        of = args[1] if name == "copy_" else args[0]
        if {torch.device(to).type, of.device.type} == {"cpu", "cuda"} and not (
            kwargs.get("non_blocking") or (len(args) > 2 and args[2] is True)
        ):
            raise SyncError(f"a copy from {of.device} to {to} that waits")
    elif {t.device.type for t in tensors if t.ndim > 0} == {"cpu", "cuda"}:
        raise SyncError(f"{name} of tensors on the host and on the device")
    if name in {"index", "index_put_", "index_put"} and any(t.dtype == torch.bool for t in _tensors(args[1])):
        raise SyncError(f"{name} by a mask: how many there are is read from the device")


def _tensors(tree: Any) -> list[torch.Tensor]:
    return [leaf for leaf in pytree.tree_leaves(tree) if isinstance(leaf, torch.Tensor)]


def _pinned(tensor: torch.Tensor) -> torch.Tensor:
    if tensor.device.type != "cpu":
        raise SyncError("pinning what is on the device")
    return tensor


def on_fake_cuda(records: DeviceRecords) -> Callable[[], DeviceRecords]:
    """Made outside of `fake_cuda`, called inside: the same records on ``CUDA``."""
    columns = {name: getattr(records, name).cpu() for name in ("words", "offsets", "lengths", "shapes")}
    shapes = columns["shapes"].numpy()

    def moved() -> DeviceRecords:
        file = DeviceFile.of(records.codebook, shapes=shapes, device=CUDA)
        return DeviceRecords(**{name: column.to(CUDA) for name, column in columns.items()}, file=file)

    return moved


@contextmanager
def fake_cuda() -> Iterator[FakeCuda]:
    """Within, ``CUDA`` is a device of torch's and Triton's."""
    cuda = FakeCuda()
    properties = SimpleNamespace(multi_processor_count=132)
    stream = SimpleNamespace(wait_event=lambda event: None, cuda_stream=0)
    event = SimpleNamespace(record=lambda stream: None, synchronize=lambda: None)

    def noted(kernel: Any, grid: Any) -> Any:
        def launch(*values: Any, **arguments: Any) -> None:
            named = dict(zip(kernel.arg_names, values, strict=False)) | arguments
            cuda.launches.append(Launch(kernel, grid, named))

        return launch

    patches: list[Any] = [
        patch.object(KernelInterface, "__getitem__", noted),
        patch.object(torch.Tensor, "pin_memory", _pinned),
        patch.object(torch.Tensor, "record_stream", lambda tensor, stream: None),
        patch.object(torch.cuda, "current_stream", lambda device=None: stream),
        patch.object(torch.cuda, "Event", lambda **options: event),
        patch.object(torch.cuda, "is_current_stream_capturing", lambda: False),
        patch.object(torch.cuda, "_lazy_init", lambda: None),
        patch.object(torch.cuda.device, "__enter__", lambda context: None),
        patch.object(torch.cuda.device, "__exit__", lambda context, *error: False),
        patch.object(torch.cuda, "mem_get_info", lambda device=None: (64 << 30, 80 << 30)),
        patch.object(torch.cuda, "get_device_properties", lambda device: properties),
    ]
    if torch.cuda.is_available():
        torch.cuda.init()  # before torch takes the pretended initialization for the real one
    with ExitStack() as stack:
        for one in patches:
            stack.enter_context(one)
        stack.enter_context(_Watching(cuda))
        yield cuda
