"""Instructions of the kernels that families share."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

REPORT = Path(__file__).resolve().parents[3] / "tools" / "kernel_report.py"


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("triton.backends.nvidia") is None, reason="Triton has no NVIDIA backend")
@pytest.mark.parametrize("sm", [80, 90])
def test_a_symbol_of_each_lane_takes_few_instructions_three_loads_and_one_reduction(sm):
    environment = {k: v for k, v in os.environ.items() if k != "TRITON_INTERPRET"}
    environment["PYTHONPATH"] = str(REPORT.parents[1])
    command = [sys.executable, str(REPORT), str(sm), "--only", "bodies", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if "the kernels need Triton" in done.stderr:
        pytest.skip(done.stderr)
    assert done.returncode == 0, done.stderr
    (taken,) = json.loads(done.stdout)["kernels"]
    (step,) = taken["loops"]
    assert step["instructions"] <= 60
    assert {kind: step["classes"].get(kind, 0) for kind in ("load_global", "store_global", "shuffle", "local")} == {
        "load_global": 3,  # a later symbol's table, the slot, the word
        "store_global": 1,
        "shuffle": 1,
        "local": 0,
    }
