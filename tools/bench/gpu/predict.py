"""What decoding should reach on a GPU that is not at hand: counted instructions and bytes, and the arithmetic.

The record of median length is decoded in Triton's interpreter under the crop of median area, and it is counted how
often every statement of every kernel is executed; the same kernels are compiled, and each of their machine instructions
counts as often as its statement (``machine_code``). A kernel takes the longest of these times:

- issue: a multiprocessor's 4 schedulers issue one instruction a clock each at best. A warp alone issues one in
  ALONE_CLOCKS, waiting for its own results; that many warps and more hide one another's, up to BEST_RATE.
- special functions: 16 lanes a clock and multiprocessor, 8 clocks an instruction of a warp on its scheduler.
- loads, stores and shuffles: 32 lanes a clock and multiprocessor.
- bytes: records in and pixels out, at the copy bandwidth.

ALONE_CLOCKS, BEST_RATE and the launch time are assumptions; nothing else is. Run after ``prepare``:

    python tools/bench/on_gpu.py predict bundle
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from decode import View, views

__all__ = ["WORKLOADS", "Gpu", "Workload", "predict", "trace"]

ALONE_CLOCKS = 4.5
BEST_RATE = 0.7
LAUNCH_SECONDS = 2e-6
"""Between two kernels of a stream that is full."""
RESULT = Path(__file__).parents[1] / "results" / "gpu_prediction.json"
_CROPS = 63
"""Of which the one in the middle is taken."""
_MEMORY = ("load_global", "store_global", "atomic", "load_shared", "store_shared", "local", "shuffle")


@dataclass(frozen=True, slots=True)
class Gpu:
    """What is known of one.

    Attributes:
        sm: compute capability. clock_hz: while it is busy. copy_bytes_per_second: read and written.
    """

    name: str
    sm: int
    multiprocessors: int
    clock_hz: float
    copy_bytes_per_second: float


@dataclass(frozen=True, slots=True)
class Workload:
    """A row of the table.

    Attributes:
        view: of ``decode.views``. unlike: words in the names of kernels, in ``kernel_report.py``, that are compiled
            from the same functions for other work. first_bar, goal: images per second.
    """

    family: str
    view: str
    unlike: tuple[str, ...]
    first_bar: float
    goal: float


GPU = Gpu("H100 SXM", 90, 132, 1.755e9, 3.0e12)
BATCH = 256
_ALIGNED, _NOT_ALIGNED = ("float32", "64", "general"), ("float32", "64", "points")
WORKLOADS = {
    "cells 256 to 224, random resized crop and flip": Workload(
        "cells", "random resized crop 224, flip", _ALIGNED, first_bar=200e3, goal=1e6
    ),
    "the same with a rotation": Workload(
        "cells", "random resized crop 224, rotate", _NOT_ALIGNED, first_bar=60e3, goal=300e3
    ),
    "siren 10x28 at 224": Workload("siren", "native", _ALIGNED, first_bar=50e3, goal=100e3),
}


def trace(folder: Path, output: Path) -> None:
    """In Triton's interpreter: decode each workload and write down what was executed."""
    import torch
    from machine_code.tracing import traced

    from gpu.setting import FORM, FULL, Setting
    from inrformat.decoding.triton.launch import decode

    setting = Setting(folder, torch.device("cpu"), FULL)
    found = {}
    for name, workload in WORKLOADS.items():
        records = setting.records(workload.family)
        side = int(records.shapes[0, 1])
        (drawn,) = (each for each in views(side, _CROPS) if each.name == workload.view)
        view = _median(drawn)
        rows = records.lengths.argsort()[len(records) // 2, None]
        with traced() as executed:
            decode(records, rows, view.geometry(side), FORM)
        found[name] = {
            "record_bytes": float(records.lengths[rows].double().mean()),
            "pixel_bytes": records.channels * view.size**2 * FORM.dtype.itemsize,
            "kernels": {
                kernel: {
                    "programs": programs,
                    "statements": [
                        [[[at.file, at.line] for at in chain], count]
                        for chain, count in executed.statements[kernel].items()
                    ],
                }
                for kernel, programs in executed.programs.items()
            },
        }
    output.write_text(json.dumps(found))


def _median(view: View) -> View:
    """Its sample of median area alone."""
    k = sorted(range(len(view.boxes)), key=lambda k: view.boxes[k][2] * view.boxes[k][3])[len(view.boxes) // 2]
    return replace(view, boxes=[view.boxes[k]], flips=[view.flips[k]], angles=[view.angles[k]])


def predict(folder: Path) -> None:
    """Trace, compile, calculate; print a table and write RESULT."""
    with tempfile.TemporaryDirectory() as temporary:
        traces = Path(temporary) / "traces.json"
        command = [sys.executable, sys.argv[0], "trace", str(folder), str(traces)]
        subprocess.run(command, check=True, env=os.environ | {"TRITON_INTERPRET": "1"})
        found = json.loads(traces.read_text())
    rows = {name: _predicted(workload, found[name]) for name, workload in WORKLOADS.items()}
    assumptions = {"alone_clocks": ALONE_CLOCKS, "best_rate": BEST_RATE, "launch_seconds": LAUNCH_SECONDS}
    gpu = {name: getattr(GPU, name) for name in GPU.__slots__}
    result = {
        "command": "python tools/bench/on_gpu.py predict BUNDLE",
        "gpu": gpu,
        "batch": BATCH,
        "assumptions": assumptions,
        "workloads": rows,
    }
    RESULT.write_text(json.dumps(result, indent=1) + "\n")
    for name, row in rows.items():
        print("\n".join(_told(name, row)))
    print(f"wrote {RESULT}")


def _told(name: str, row: Mapping[str, Any]) -> Iterator[str]:
    """Lines about a workload."""
    speeds = (f"{label} {row[key]:,.0f}" for label, key in (("first bar", "first_bar"), ("goal", "goal")))
    yield f"{name}: {row['images_per_second']:,.0f} images/s ({', '.join(speeds)})"
    for kernel, part in row["kernels"].items():
        yield (
            f"  {kernel:<24}{1e6 * part['seconds']:8.1f} us by {part['bound']}; "
            f"per image {part['programs_per_image']:.0f} programs of {part['warps']} warps, "
            f"{part['instructions_per_warp']:,.0f} instructions each, {part['instructions_per_image']:,.0f} in all"
        )


def _predicted(workload: Workload, found: Mapping[str, Any]) -> dict[str, Any]:
    import kernel_report
    import triton
    from machine_code.disassembly import instructions_of
    from machine_code.estimate import executed
    from machine_code.lines import Statement, chains_of
    from machine_code.loops import loops_of

    triton.knobs.compilation.always_compile = True  # what is cached names the files of the checkout that compiled it
    kernels = {}
    for function, traced in found["kernels"].items():
        built = kernel_report.compiled(_variant(function, workload, kernel_report.all_kernels()), GPU.sm)
        instructions = instructions_of(built.cubin)
        statements = {tuple(Statement(*at) for at in chain): count for chain, count in traced["statements"]}
        classes = executed(
            instructions,
            loops_of(instructions),
            chains_of(built.cubin),
            statements=statements,
            programs=traced["programs"],
        )
        kernels[built.taken.kernel] = _kernel(built.taken, classes, programs_per_image=traced["programs"])
    moved = BATCH * (found["record_bytes"] + found["pixel_bytes"]) / GPU.copy_bytes_per_second
    seconds = max(sum(part["seconds"] for part in kernels.values()), moved)
    return {
        "images_per_second": BATCH / seconds,
        "first_bar": workload.first_bar,
        "goal": workload.goal,
        "seconds_per_batch": seconds,
        "seconds_of_bytes": moved,
        "record_bytes": found["record_bytes"],
        "pixel_bytes": found["pixel_bytes"],
        "kernels": kernels,
    }


def _variant(function: str, workload: Workload, variants: Iterable[Any]) -> Any:
    """The one of the compiled variants of a function that the workload launches."""
    found = [variant for variant in variants if variant.kernel.__name__ == function]
    like = [variant for variant in found if not any(word in variant.name for word in workload.unlike)]
    if len(like or found) != 1:
        names = [variant.name for variant in found]
        raise SystemExit(
            f"{function} is compiled as {names}: say in WORKLOADS which of them {workload.view!r} launches"
        )
    return (like or found)[0]


def _kernel(taken: Any, classes: Mapping[str, float], *, programs_per_image: float) -> dict[str, Any]:
    """Time of one kernel for a batch, and all that it was made of."""
    schedulers = 4 * GPU.multiprocessors
    per_warp = sum(classes.values())
    warps = BATCH * programs_per_image * taken.warps
    resident = min(warps / schedulers, taken.occupancy.warps / 4)
    rate = min(BEST_RATE, resident / ALONE_CLOCKS)
    clocks = {
        "issue": warps * per_warp / schedulers / rate,
        "special functions": warps * classes.get("mufu", 0.0) * 8 / schedulers,
        "loads, stores and shuffles": warps * sum(classes.get(name, 0.0) for name in _MEMORY) / GPU.multiprocessors,
    }
    bound = max(clocks, key=lambda name: clocks[name])
    return {
        "seconds": clocks[bound] / GPU.clock_hz + LAUNCH_SECONDS,
        "bound": bound,
        "clocks": clocks,
        "programs_per_image": programs_per_image,
        "warps": taken.warps,
        "instructions_per_warp": per_warp,
        "instructions_per_image": per_warp * programs_per_image * taken.warps,
        "classes_per_warp": {name: round(count, 1) for name, count in classes.items()},
        "warps_per_scheduler": resident,
        "issued_per_clock": rate,
        "registers": taken.registers,
        "spilled_bytes": taken.spilled_bytes,
        "shared_bytes": taken.shared_bytes,
    }
