"""Compiling ahead of time for GPUs that need not be there."""

import importlib
import json
import os
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest
import triton

from inrformat.decoding.triton import bodies, taps
from inrformat.families.registry import family_named, family_names

ROOT = Path(__file__).parents[3]


def backends():
    """The Triton backend of every family that has one."""
    loads = [family_named(name).triton for name in family_names()]
    return [load() for load in loads if load is not None]


@pytest.mark.parametrize("backend", backends(), ids=lambda backend: backend.__name__)
def test_a_backend_lists_every_kernel_of_its_family(backend):
    package = importlib.import_module(backend.__package__)
    modules = [importlib.import_module(f"{package.__name__}.{m.name}") for m in pkgutil.iter_modules(package.__path__)]
    written = {id(value) for module in modules for name, value in vars(module).items() if name.endswith("_kernel")}
    assert {id(variant.kernel) for variant in backend.kernels()} == written


@pytest.mark.parametrize("sm", [80, 90])
def test_every_kernel_compiles_and_the_report_says_what_it_takes(kernel_report, sm):
    report = kernel_report(sm)
    assert report["triton"] == triton.__version__ and report["ptxas"]
    names = [variant.name for listed in (bodies, taps, *backends()) for variant in listed.kernels()]
    assert len(names) == len(set(names)) and [taken["kernel"] for taken in report["kernels"]] == names
    for taken in report["kernels"]:
        assert taken["sm"] == sm and taken["warps"] > 0 and taken["registers"] > 0
        assert taken["spilled_bytes"] >= 0 and taken["shared_bytes"] >= 0
        assert taken["occupancy"]["warps"] >= taken["warps"]
        assert taken["instructions"] == sum(taken["classes"].values()) > 100
        assert taken["loops"] or taken["kernel"] == "taps", "every other one goes through records, layers or taps"
        assert sum(loop["instructions"] for loop in taken["loops"]) < taken["instructions"]


@pytest.mark.slow
@pytest.mark.usefixtures("nvidia_compiler")
def test_kernels_are_compiled_once_whatever_the_sizes_of_batches_files_and_payloads():
    environment = {k: v for k, v in os.environ.items() if k != "TRITON_INTERPRET"}
    command = [sys.executable, "-m", f"{__package__}.compile_as_launched", "90"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    kernels = json.loads(done.stdout)["kernels"]
    assert len(kernels) >= 5
    for name, made in kernels.items():
        assert made["variants"] == made["constants"], f"{name} is compiled anew for numbers that follow the batch"
        assert made["launches"] > 4 * made["variants"], name
