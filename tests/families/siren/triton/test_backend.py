"""What the Triton kernels of siren cannot decode."""

import numpy as np
import pytest

from inrformat.coding.tables import SymbolTable, TableSet
from inrformat.decoding.records import join_records
from inrformat.decoding.triton.plan import plan_of
from inrformat.errors import DeviceError
from inrformat.families.codebook import Codebook

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
