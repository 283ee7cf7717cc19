"""Instructions of the kernels that families share."""

import pytest


@pytest.mark.slow
@pytest.mark.parametrize("sm", [80, 90])
def test_a_symbol_of_each_lane_takes_few_instructions_three_loads_and_one_reduction(kernel_report, sm):
    (taken,) = kernel_report(sm, only="bodies")["kernels"]
    (step,) = taken["loops"]
    assert step["instructions"] <= 60
    assert {kind: step["classes"].get(kind, 0) for kind in ("load_global", "store_global", "shuffle", "local")} == {
        "load_global": 3,  # a later symbol's table, the slot, the word
        "store_global": 1,
        "shuffle": 1,
        "local": 0,
    }
