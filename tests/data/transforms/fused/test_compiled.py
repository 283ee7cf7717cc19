"""What Triton makes of the compiled step for GPUs that need not be there."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[4]
COMPILE = """
import json, sys
import triton
from torchvision.transforms import v2
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from inrformat.data.transforms.fused import triton_kernel as step
from inrformat.data.transforms.plan import plan_of

crops = [v2.Resize(50), v2.CenterCrop(45), v2.RandomCrop(40, padding=2), v2.RandomResizedCrop(9)]
warps = [v2.RandomHorizontalFlip(), v2.RandomVerticalFlip(), v2.RandomAffine(9, (0.1, 0.1), (0.5, 2), 5)]
pipeline = v2.Compose([*crops, *warps, v2.Resize((8, 8))])
constants = {"ENTRIES": tuple(map(tuple, plan_of(pipeline).program.entries)), "SAMPLES": step.SAMPLES}
types = dict.fromkeys(("key", "samples", "occurrences"), "*i64") | dict.fromkeys(("heights", "widths"), "*i32")
types |= dict.fromkeys(("count", "view"), "i32") | dict.fromkeys(constants, "constexpr")
signature = {name: types.get(name, "*fp64") for name in step.draw_kernel.arg_names}
source = ASTSource(step.draw_kernel, signature, constexprs=constants)
built = triton.compile(source, target=GPUTarget("cuda", int(sys.argv[1]), 32), options=step.OPTIONS)
print(json.dumps(built.asm["ptx"].split()))
"""


@pytest.mark.slow
@pytest.mark.usefixtures("nvidia_compiler")
@pytest.mark.parametrize("sm", [80, 90])
def test_every_operation_is_rounded_by_itself_and_as_ieee_754_says(sm):
    environment = {k: v for k, v in os.environ.items() if k != "TRITON_INTERPRET"} | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", COMPILE, str(sm)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    of_floats = {word for word in json.loads(done.stdout) if word.endswith("f64") and word.count(".") > 1}
    assert {"mul.rn.f64", "add.rn.f64", "div.rn.f64", "sqrt.rn.f64"} <= of_floats
    assert not [word for word in of_floats if word.startswith(("fma", "mad")) or "approx" in word]
