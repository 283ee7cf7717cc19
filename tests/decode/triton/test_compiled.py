"""Compiling ahead of time for GPUs that need not be there."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

REPORT = Path(__file__).parents[3] / "tools" / "kernel_report.py"


@pytest.mark.parametrize(("sm", "only"), [(80, "fast"), (90, "")])
def test_kernels_compile_and_keep_what_they_work_on_in_registers(sm, only):
    if importlib.util.find_spec("triton.backends.nvidia") is None:
        # Without NVIDIA's backend there is no assembler to ask.
        pytest.skip("this Triton has no NVIDIA backend")
    environment = {k: v for k, v in os.environ.items() if k != "TRITON_INTERPRET"}
    environment["PYTHONPATH"] = str(REPORT.parents[1])
    command = [sys.executable, str(REPORT), str(sm), "--only", only, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    taken = json.loads(done.stdout)
    assert len(taken) >= 8
    # A few words may spill where that lets twice the programs run.
    assert [t for t in taken if t["spilled_bytes"] > 128] == []
