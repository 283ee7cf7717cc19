"""``siren`` records to the parameters of their networks (spec section 6.1), compiled."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from inrformat.coding.plain_bits_numba import add_low_bits
from inrformat.decoding.cpu.batch import Batch, Sample, sample_of
from inrformat.decoding.cpu.rans import (
    OK,
    TOO_SHORT,
    close_record,
    decode_body,
    is_too_short,
    open_record,
    plain_words,
)
from inrformat.families.siren.cpu.descriptors import FlatSiren
from inrformat.families.siren.descriptor import SCALES_PER_OCTAVE
from inrformat.jit import relaxed, relaxed_inline

__all__ = ["read_records"]


@relaxed
def read_records(
    network: FlatSiren, batch: Batch, members: NDArray[np.int64], _seen: NDArray[np.float64], status: NDArray[np.int64]
) -> NDArray[np.float32]:
    """See ``CpuBackend.read``; ends at the first damaged record.

    Returns:
        Padded parameters, float32 ``(members, padded_count)``.
    """
    parameters = np.zeros((len(members), network.padded_count), np.float32)
    for n in range(len(members)):
        b = members[n]
        status[b] = _read_record(network, sample_of(batch, b), parameters[n])
        if status[b] != OK:
            break
    return parameters


@relaxed_inline
def _read_record(network: FlatSiren, sample: Sample, parameters: Any) -> int:
    """Decode one record to ``parameters (padded_count,)``; returns its status."""
    if is_too_short(sample):
        return TOO_SHORT
    streams = open_record(sample)
    values = decode_body(streams, network.tables)
    plain = plain_words(streams)
    low_end = add_low_bits(values, network.tables, sample.low_bits, 0, len(values), plain, 0)
    status = close_record(streams, values, plain, low_end)
    if status != OK:
        return status
    factor = np.float32(2.0 ** (values[0] / SCALES_PER_OCTAVE))
    for i in range(len(network.places)):
        parameters[network.places[i]] = network.base[i] + values[1 + i] * (network.steps[i] * factor)
    return OK
