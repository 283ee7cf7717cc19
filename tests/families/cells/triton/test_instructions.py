"""Instructions of the compiled kernels: what decoding speed is made of, where there is no GPU to time them."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

REPORT = Path(__file__).resolve().parents[4] / "tools" / "kernel_report.py"


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("triton.backends.nvidia") is None, reason="Triton has no NVIDIA backend")
@pytest.mark.parametrize("sm", [80, 90])
def test_a_block_of_a_tile_takes_few_instructions_beside_its_products_and_no_cosine(sm):
    environment = {k: v for k, v in os.environ.items() if k != "TRITON_INTERPRET"}
    environment["PYTHONPATH"] = str(REPORT.parents[1])
    command = [sys.executable, str(REPORT), str(sm), "--only", "cells aligned fast", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if "the kernels need Triton" in done.stderr:
        pytest.skip(done.stderr)
    assert done.returncode == 0, done.stderr
    (taken,) = json.loads(done.stdout)["kernels"]
    ((block,),) = (row["inner"] for row in taken["loops"])
    # 32 x 16 by 16 x 16 by 16 x 32 for three channels, 16 x 8 x 16 multiply-adds an instruction.
    assert block["classes"]["mma"] == 3 * (2 * 2 + 2 * 4)
    assert block["instructions"] <= 160
    assert "mufu" not in block["classes"] and "local" not in block["classes"]
