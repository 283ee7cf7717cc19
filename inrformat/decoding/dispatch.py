"""One entry to all decoders: chooses a backend, says which and why."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import cache, lru_cache

import torch
from torch import Tensor

from inrformat.decoding import reference
from inrformat.decoding.availability import BACKENDS, Backend, backends
from inrformat.decoding.canvas import Canvas
from inrformat.decoding.geometry import Geometry
from inrformat.decoding.output_size import Size, output_size
from inrformat.decoding.pixels import PixelFormat
from inrformat.decoding.records import DeviceRecords
from inrformat.errors import DeviceError, GeometryError, UsageError

__all__ = ["backend_for", "decode", "decode_images", "decode_views"]

_LOG = logging.getLogger(__name__)
_BYTES = PixelFormat()
_BATCH_PIXELS = 1 << 21


def backend_for(device: torch.device, *, wanted: str = "auto") -> Backend:
    """The backend that decodes on ``device``.

    Raises:
        DeviceError: ``wanted`` names one that does not exist, cannot run here or not on that device.
    """
    known = {b.name: b for b in backends()}
    if wanted != "auto":
        if wanted not in known:
            raise DeviceError(f"unknown decoder {wanted!r}: use auto, {', '.join(BACKENDS)}")
        backend = known[wanted]
        if backend.missing:
            raise DeviceError(f"decoder {wanted} cannot run here: {backend.missing}")
        if backend.device not in {"any", device.type}:
            raise DeviceError(f"decoder {wanted} works on {backend.device}, the records are on {device.type}")
        return backend
    return _choose(device.type)


def decode(
    records: DeviceRecords,
    rows: Tensor | Sequence[int],
    geometry: Geometry,
    pixels: PixelFormat = _BYTES,
    *,
    backend: str = "auto",
) -> Tensor:
    """Decode a batch of records under a geometry (spec section 8).

    Args:
        rows: int64 ``(B,)``, or a list: which of ``records``; their range is not checked. geometry: of these samples.
        pixels: dtype, normalisation and memory format of the result.
        backend: auto, or the name of one.

    Returns:
        ``(B, channels, height, width)`` in the form ``pixels`` says, on the records' device.

    Raises:
        InvalidFileError: the symbols of a record do not add up. On CUDA, where waiting for the answer would stall, such
            records give pixels without meaning, within the range; ``triton.launch.decode(status=)`` reports them.
        GeometryError, UsageError: geometry or pixel format do not fit the batch. DeviceError: see ``backend_for``.
    """
    return decode_views(records, rows, [geometry], [pixels], backend=backend)[0]


def decode_views(
    records: DeviceRecords,
    rows: Tensor | Sequence[int],
    geometries: Sequence[Geometry],
    pixels: Sequence[PixelFormat],
    *,
    backend: str = "auto",
) -> list[Tensor]:
    """Decode several views of a batch of records, each of which is read once and evaluated for every view.

    Args:
        rows: as in ``decode``. geometries: of these samples; they may differ in size, kind and all else.
        pixels: form of each view.

    Returns:
        For each geometry what ``decode`` gives for it.

    Raises:
        UsageError: there is not one pixel format for each geometry. Further what ``decode`` raises.
    """
    if len(geometries) != len(pixels):
        raise UsageError(f"{len(geometries)} geometries with {len(pixels)} pixel formats: expected one for each")
    if not geometries:
        return []
    rows = torch.as_tensor(rows, dtype=torch.int64, device=records.device)
    for geometry, form in zip(geometries, pixels, strict=True):
        if len(rows) != len(geometry):
            raise GeometryError(f"a geometry of {len(geometry)} samples for a batch of {len(rows)}")
        geometry.fills(records.channels)
        form.scale_shift(records.channels)
    try:
        return _runner(backend_for(records.device, wanted=backend).name)(records, rows, geometries, pixels)
    except DeviceError as error:
        # A file can be beyond what the kernels were made for; nobody asked for them by name.
        if backend != "auto":
            raise
        _warn_once(f"decoding with reference: {error}")
        return _decode_reference(records, rows, geometries, pixels)


def decode_images(
    records: DeviceRecords, rows: Sequence[int], *, size: Size = None, backend: str = "auto"
) -> list[Tensor]:
    """Decode any records upright and whole, each at its native size or at ``size``.

    Returns:
        One uint8 ``(channels, height, width)`` per row, in order, on the records' device.
    """
    chosen = torch.as_tensor(rows, dtype=torch.int64, device=records.device)
    groups: dict[tuple[int, int], list[int]] = defaultdict(list)
    for place, (_, height, width) in enumerate(records.shapes[chosen].tolist()):
        groups[height, width].append(place)
    images: dict[int, Tensor] = {}
    for native, places in groups.items():
        view = _whole(native, size).to(records.device)
        at_once = max(_BATCH_PIXELS // (view.size[0] * view.size[1]), 1)
        for first in range(0, len(places), at_once):
            part = places[first : first + at_once]
            same = view[torch.zeros(len(part), dtype=torch.int64, device=records.device)]
            images.update(zip(part, decode(records, chosen[part], same, backend=backend), strict=True))
    return [images[place] for place in range(len(chosen))]


@lru_cache(maxsize=1024)
def _whole(native: tuple[int, int], size: Size) -> Geometry:
    """One image of ``native`` (height, width), upright and whole at ``size``."""
    return Canvas.of(*native).resize(*output_size(native, size)).geometry()


@cache
def _choose(device: str) -> Backend:
    passed: list[str] = []
    for backend in backends():
        if backend.device in {"any", device} and not backend.missing:
            why = "; ".join(passed) or "the fastest for this device"
            _LOG.log(
                logging.INFO if not passed else logging.WARNING,
                "decoding on %s with %s (%s)",
                device,
                backend.name,
                why,
            )
            return backend
        if backend.device == device:
            passed.append(f"{backend.name}: {backend.missing}")
    raise DeviceError(f"no decoder for device {device}")


@cache
def _warn_once(text: str) -> None:
    _LOG.warning(text)


@cache
def _runner(
    name: str,
) -> Callable[[DeviceRecords, Tensor, Sequence[Geometry], Sequence[PixelFormat]], list[Tensor]]:
    if name == "cpu":
        from inrformat.decoding.cpu.launch import decode_views as decode_cpu

        return decode_cpu
    if name == "triton":
        from inrformat.decoding.triton.launch import decode_views as decode_triton

        return decode_triton
    return _decode_reference


def _decode_reference(
    records: DeviceRecords, rows: Tensor, geometries: Sequence[Geometry], pixels: Sequence[PixelFormat]
) -> list[Tensor]:
    views = reference.decode_views(records, rows, geometries)
    return [form.of(colours) for colours, form in zip(views, pixels, strict=True)]
