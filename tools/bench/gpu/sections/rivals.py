"""What others do with the same photographs on the same device, images already in memory as JPEG or as bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from decode import MEAN, STD, View, grids, theirs_raw
from torch import Tensor
from torchvision import io as torchvision_io
from torchvision.transforms.v2 import functional as F

from gpu.setting import FORM, USUAL, Setting
from gpu.timing import seconds

__all__ = ["measure"]


def measure(setting: Setting) -> Iterator[dict[str, Any]]:
    """Images per second of each; of one that fails, its error."""
    jpegs = setting.jpegs()
    batch = [jpegs[k % len(jpegs)] for k in range(setting.scale.batch)]
    side = setting.pixels().shape[-1]
    records = setting.records("cells")
    (view,) = (each for each in setting.views(records) if each.name == USUAL)
    ways: dict[str, Callable[[], Callable[[], Any]]] = {
        "torchvision decode_jpeg alone": lambda: _torchvision(setting, batch),
        "torchvision decode_jpeg and v2": lambda: _torchvision_and_v2(setting, batch, view),
        "torchcodec decode_jpeg": lambda: _torchcodec(setting, batch),
        "DALI, decoding and random resized crop": lambda: _dali(setting, batch, view.size),
        "uint8 on the device and grid_sample": lambda: _raw(setting, view, side),
    }
    for name, prepare in ways.items():
        try:
            taken = seconds(prepare(), setting.device, passes=max(setting.scale.passes // 4, 1))
        except Exception as error:  # whatever befalls another library is a finding
            yield {"what": name, "error": f"{type(error).__name__}: {error}"}
        else:
            yield {"what": name, "batch": len(batch), "images_per_second": len(batch) / taken}


def _tensors(jpegs: list[bytes]) -> list[Tensor]:
    return [torch.frombuffer(bytearray(data), dtype=torch.uint8) for data in jpegs]


def _torchvision(setting: Setting, jpegs: list[bytes]) -> Callable[[], list[Tensor]]:
    data = _tensors(jpegs)
    if setting.on_gpu:
        return lambda: list(torchvision_io.decode_jpeg(data, device=setting.device))
    return lambda: [torchvision_io.decode_jpeg(each) for each in data]


def _torchvision_and_v2(setting: Setting, jpegs: list[bytes], view: View) -> Callable[[], Tensor]:
    decoded = _torchvision(setting, jpegs)

    def batch() -> Tensor:
        images = torch.stack([view.torchvision(image, k) for k, image in enumerate(decoded())])
        normalised: Tensor = F.normalize(F.to_dtype(images, torch.float32, scale=True), MEAN, STD).as_subclass(Tensor)
        return normalised.to(FORM.dtype, memory_format=torch.channels_last)

    return batch


def _torchcodec(setting: Setting, jpegs: list[bytes]) -> Callable[[], Any]:
    from torchcodec import decoders

    return lambda: decoders.decode_jpeg(_tensors(jpegs), device=setting.device)


def _dali(setting: Setting, jpegs: list[bytes], size: int) -> Callable[[], Any]:
    """Its usual pipeline of training: decoding on the device, crop, flip, normalisation."""
    from nvidia.dali import fn, pipeline_def, types

    source = [np.frombuffer(data, np.uint8) for data in jpegs]

    @pipeline_def(batch_size=len(jpegs), num_threads=8, device_id=0)  # type: ignore[untyped-decorator]
    def pipeline() -> Any:
        data = fn.external_source(source=lambda: source, batch=True)
        images = fn.decoders.image_random_crop(data, device="mixed", output_type=types.RGB)
        images = fn.resize(images, size=[size, size], antialias=True)
        return fn.crop_mirror_normalize(
            images,
            dtype=types.FLOAT16,
            output_layout="HWC",
            mean=[255 * m for m in MEAN],
            std=[255 * s for s in STD],
            mirror=fn.random.coin_flip(),
        )

    built = pipeline()
    built.build()
    return built.run  # type: ignore[no-any-return]


def _raw(setting: Setting, view: View, side: int) -> Callable[[], Tensor]:
    pixels = setting.pixels().to(setting.device)
    raw = pixels[torch.arange(setting.scale.batch, device=setting.device) % len(pixels)]
    grid = grids(view.geometry(side), side).to(setting.device)
    return lambda: theirs_raw(raw, view, grid).to(FORM.dtype, memory_format=torch.channels_last)
