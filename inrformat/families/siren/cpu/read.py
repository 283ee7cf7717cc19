"""A ``siren`` record to the parameters of its network (spec section 6.1), compiled."""

from __future__ import annotations

from typing import Any

import numpy as np

from inrformat.decoding.cpu.batch import Sample
from inrformat.decoding.cpu.rans import OK, TOO_SHORT, decode_symbols, is_too_short, open_record, record_fault
from inrformat.families.siren.cpu.descriptors import FlatSiren
from inrformat.families.siren.descriptor import SCALES_PER_OCTAVE
from inrformat.jit import relaxed

__all__ = ["read_record"]


@relaxed
def read_record(network: FlatSiren, sample: Sample) -> tuple[int, Any]:
    """Decode one record.

    Returns:
        Status, and the padded parameters, float32 ``(padded_count,)``, all zero where it is not 0.
    """
    parameters = np.zeros(network.padded_count, np.float32)
    if is_too_short(sample):
        return TOO_SHORT, parameters
    stream, next_word = open_record(sample)
    scale, next_word = decode_symbols(stream, network.scale_tables, next_word)
    values, next_word = decode_symbols(stream, network.tables, next_word)
    status = record_fault(stream, next_word)
    if status != OK:
        return status, parameters
    factor = np.float32(2.0 ** (scale[0] / SCALES_PER_OCTAVE))
    for i in range(len(values)):
        parameters[network.places[i]] = network.base[i] + values[i] * (network.steps[i] * factor)
    return OK, parameters
