"""Instructions of the compiled kernels: what decoding speed is made of, where there is no GPU to time them."""

import pytest


def layer_of(loops):
    """The loop that multiplies matrices."""
    for loop in loops:
        if "mma" in loop["classes"]:
            return loop
        inner = layer_of(loop["inner"])
        if inner is not None:
            return inner
    return None


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kernel", "pixels_per_warp", "most"), [("siren points 32 fast", 64, 400), ("siren general 32 fast", 32, 250)]
)
@pytest.mark.parametrize("sm", [80, 90])
def test_a_layer_of_28_units_takes_few_instructions_and_one_sine_per_activation(
    kernel_report, kernel, pixels_per_warp, most, sm
):
    (taken,) = kernel_report(sm, only=kernel)["kernels"]
    layer = layer_of(taken["loops"])
    assert layer["instructions"] <= most
    assert layer["classes"]["mufu"] == pixels_per_warp
    assert "local" not in layer["classes"]
