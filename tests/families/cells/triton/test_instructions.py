"""Instructions of the compiled kernels: what decoding speed is made of, where there is no GPU to time them."""

import pytest


@pytest.mark.slow
@pytest.mark.parametrize("sm", [80, 90])
def test_a_block_of_a_tile_takes_few_instructions_beside_its_products_and_no_cosine(kernel_report, sm):
    (taken,) = kernel_report(sm, only="cells aligned fast")["kernels"]
    ((block,),) = (row["inner"] for row in taken["loops"])
    # 32 x 16 by 16 x 16 by 16 x 32 for three channels, 16 x 8 x 16 multiply-adds an instruction.
    assert block["classes"]["mma"] == 3 * (2 * 2 + 2 * 4)
    assert block["instructions"] <= 160
    assert "mufu" not in block["classes"] and "local" not in block["classes"]
