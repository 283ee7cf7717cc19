"""What the Triton kernels of siren can decode, at the ends of what a file may hold."""

import numpy as np
import pytest
import torch

from inrformat.coding.tables import SymbolTable, TableSet
from inrformat.decoding import reference
from inrformat.decoding.canvas import Canvas
from inrformat.decoding.pixels import PixelFormat
from inrformat.decoding.records import join_records
from inrformat.decoding.triton.backend import PRECISIONS
from inrformat.decoding.triton.launch import decode
from inrformat.decoding.triton.plan import plan_of
from inrformat.errors import DeviceError
from inrformat.families.codebook import Codebook
from inrformat.families.siren.descriptor import Siren
from inrformat.families.siren.record import write_records

from ....decoding.triton.small_files import DEVICE, siren_network


@pytest.mark.parametrize(("units", "refused"), [(64, False), (65, True)])
def test_layers_wider_than_a_multiprocessor_holds_are_refused(units, refused):
    tables = TableSet.of([SymbolTable.from_values(np.arange(-8, 9), complete=False)] * 3)
    codebook = Codebook(tables, (siren_network((2, units, units, 3), 0, based=False),))
    records = join_records([bytes(4)], codebook, shapes=np.array([(0, 8, 8)]), device=DEVICE)
    if refused:
        with pytest.raises(DeviceError, match="a siren of 65 units"):
            plan_of(records)
    else:
        assert len(plan_of(records).families) == 1


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_siren_without_hidden_layers_decodes_to_what_the_reference_says(precision):
    tables = TableSet.of([SymbolTable.from_values(np.arange(-8, 9), complete=False)] * 3)
    network = Siren((2, 3), 20.0, (0.05, 0.02), (0, 1), 2)
    symbols = np.random.default_rng(0).integers(-8, 9, (1, network.parameter_count))
    codebook = Codebook(tables, (network,))
    records = join_records(
        write_records(network, symbols, np.array([0]), tables), codebook, shapes=np.array([(0, 8, 9)]), device=DEVICE
    )
    rows, form = torch.tensor([0], device=DEVICE), PixelFormat(torch.float32)
    geometry = Canvas.of([8], [9]).resize(8, 9).geometry().to(DEVICE)
    expected = form.of(reference.decode(records, rows, geometry))
    assert expected.std() > 0.05
    found = decode(records, rows, geometry, form, precision=precision)
    torch.testing.assert_close(found, expected, rtol=0, atol=1 / 255)
