"""What compiled functions promise of their arithmetic."""

import numpy as np

from inrformat.jit import exact, fma


@exact
def fused(a, b, c):
    return fma(a, b, c)


def test_a_multiply_add_is_rounded_once():
    x = np.float32(1 + 2**-12)
    # The square is 1 + 2**-11 + 2**-24, of which a rounded product would lose the last term.
    assert fused(x, x, np.float32(-1 - 2**-11)) == np.float32(2**-24)
