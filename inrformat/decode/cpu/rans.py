"""What records of all families have in common: their heads, and what can be wrong with them (spec section 7), compiled.

A status is 0 or the number of a fault. Families number their own faults from ``FIRST_FAMILY_FAULT`` on.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from inrformat.jit import relaxed_inline

__all__ = ["FAULTS", "FIRST_FAMILY_FAULT", "LENGTH", "OK", "STATE", "SYMBOLS", "first_states"]

OK, LENGTH, SYMBOLS, STATE, FIRST_FAMILY_FAULT = range(5)
FAULTS = {
    LENGTH: ("RECORD-LENGTH", "a record is too short for its rANS lanes, or of odd length"),
    SYMBOLS: ("RECORD-SYMBOLS", "a record has more or fewer words than its symbols need"),
    STATE: ("RECORD-STATE", "a rANS lane did not end in its initial state"),
}
"""Rule and text of each status above 0."""


@relaxed_inline
def first_states(words: Any, lanes: int) -> tuple[Any, Any]:
    """The lanes' states at a record's head, uint32, and the words behind them."""
    states = np.empty(lanes, np.uint32)
    for i in range(lanes):
        states[i] = np.uint32(words[2 * i]) | np.uint32(words[2 * i + 1]) << np.uint32(16)
    return states, words[2 * lanes :]
