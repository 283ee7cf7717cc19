import pytest
import torch

from inrformat.decoding.devices import checked_device
from inrformat.errors import DeviceError


def test_auto_is_cuda_where_there_is_one():
    assert checked_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")


@pytest.mark.parametrize(("name", "said"), [("mps", "mps is not supported.*cpu"), ("gpu", "unknown device 'gpu'")])
def test_what_cannot_decode_is_refused_with_the_remedy(name, said):
    with pytest.raises(DeviceError, match=said):
        checked_device(name)
