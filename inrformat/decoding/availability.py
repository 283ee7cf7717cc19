"""Which decoders run on this machine, and what the others lack."""

from __future__ import annotations

import importlib.util
import subprocess
from dataclasses import dataclass
from enum import StrEnum
from functools import cache

import torch

__all__ = ["BACKENDS", "OLDEST_TRITON", "Backend", "Lack", "Missing", "backends", "triton_version"]

OLDEST_TRITON = (3, 5)
"""The first whose ``range`` can keep what is cheap to make again out of registers (``disable_licm``)."""

BACKENDS = ("triton", "cpu", "reference")
"""Names, fastest first."""


class Lack(StrEnum):
    """What a decoder can be without."""

    CUDA = "no CUDA device"
    NVIDIA = "not an NVIDIA GPU"
    CAPABILITY = "the GPU is too old"
    TRITON = "Triton is not installed"
    TRITON_VERSION = "Triton is too old"
    COMPILER = "Triton cannot build its launcher"
    NUMBA = "numba is not installed"


@dataclass(frozen=True, slots=True)
class Missing:
    """Why a decoder cannot run here: of what kind, and in words, with the remedy. Its text is ``reason``."""

    lack: Lack
    reason: str

    def __str__(self) -> str:
        return self.reason


@dataclass(frozen=True, slots=True)
class Backend:
    """One way to decode, on this machine.

    Attributes:
        name: triton, cpu or reference. device: the kind of device it decodes on, or "any".
        missing: why it cannot run here; None where it can.
    """

    name: str
    device: str
    missing: Missing | None = None


@cache
def backends() -> tuple[Backend, ...]:
    """All backends, fastest first, and what each lacks here; found once a process."""
    return (
        Backend("triton", "cuda", _triton_missing()),
        Backend("cpu", "cpu", _cpu_missing()),
        Backend("reference", "any"),
    )


def triton_version() -> tuple[int, int]:
    """Of the Triton that is installed: major and minor."""
    import triton

    major, minor = triton.__version__.split(".")[:2]
    return int(major), int(minor)


def _cpu_missing() -> Missing | None:
    return None if _installed("numba") else Missing(Lack.NUMBA, "numba is not installed: pip install numba")


def _triton_missing() -> Missing | None:
    if not torch.cuda.is_available():
        return Missing(Lack.CUDA, "torch finds no CUDA device")
    if torch.version.hip is not None:
        return Missing(Lack.NVIDIA, "the kernels are compiled for NVIDIA GPUs alone")
    if torch.cuda.get_device_capability() < (8, 0):
        return Missing(Lack.CAPABILITY, "the GPU is older than compute capability 8.0")
    if not _installed("triton"):
        return Missing(Lack.TRITON, "triton is not installed: pip install triton")
    if triton_version() < OLDEST_TRITON:
        found, oldest = (".".join(map(str, v)) for v in (triton_version(), OLDEST_TRITON))
        reason = f"Triton {found} is older than {oldest}: pip install -U triton, or torch 2.9 or newer"
        return Missing(Lack.TRITON_VERSION, reason)
    return _launch_fault()


def _launch_fault() -> Missing | None:
    """What keeps Triton from launching a kernel, for which it builds a launcher with the system's C compiler."""
    from inrformat.decoding.triton.probe import launch

    try:
        launch(torch.device("cuda"))
    except (RuntimeError, OSError, ImportError, AssertionError, subprocess.SubprocessError) as error:
        remedy = "install a C compiler and Python's headers (apt install gcc python3-dev), or name one in CC"
        return Missing(Lack.COMPILER, f"Triton cannot launch a kernel ({_first_line(error)}): {remedy}")
    return None


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def _installed(module: str) -> bool:
    return importlib.util.find_spec(module) is not None
