"""Instructions of the compiled kernels: what decoding speed is made of, where there is no GPU to time them."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

REPORT = Path(__file__).resolve().parents[4] / "tools" / "kernel_report.py"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        importlib.util.find_spec("triton.backends.nvidia") is None, reason="this Triton has no NVIDIA backend"
    ),
]


def layer_of(loops):
    """The loop that multiplies matrices."""
    for loop in loops:
        if "mma" in loop["classes"]:
            return loop
        inner = layer_of(loop["inner"])
        if inner is not None:
            return inner
    return None


@pytest.mark.parametrize(
    ("kernel", "pixels_per_warp", "most"), [("siren points 32 fast", 64, 400), ("siren general 32 fast", 32, 250)]
)
@pytest.mark.parametrize("sm", [80, 90])
def test_a_layer_of_28_units_takes_few_instructions_and_one_sine_per_activation(kernel, pixels_per_warp, most, sm):
    environment = {k: v for k, v in os.environ.items() if k != "TRITON_INTERPRET"}
    environment["PYTHONPATH"] = str(REPORT.parents[1])
    command = [sys.executable, str(REPORT), str(sm), "--only", kernel, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if "the kernels need Triton" in done.stderr:
        pytest.skip(done.stderr)
    assert done.returncode == 0, done.stderr
    (taken,) = json.loads(done.stdout)["kernels"]
    layer = layer_of(taken["loops"])
    assert layer["instructions"] <= most
    assert layer["classes"]["mufu"] == pixels_per_warp
    assert "local" not in layer["classes"]
