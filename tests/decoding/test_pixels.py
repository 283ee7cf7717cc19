import pytest
import torch

from inrformat.decoding.pixels import PixelFormat
from inrformat.errors import UsageError


def test_bytes_round_half_up_and_clamp():
    values = torch.tensor([-1.0, 0.0, 0.5 / 255, 1.49 / 255, 1.0, 2.0]).reshape(1, 1, 1, -1)
    assert PixelFormat().of(values).flatten().tolist() == [0, 0, 1, 1, 255, 255]


def test_normalisation_is_torchvisions_and_the_layout_is_the_one_asked_for():
    form = PixelFormat(torch.float32, (0.4, 0.5, 0.6), (0.2, 0.3, 0.4), channels_last=True)
    colours = torch.rand(2, 3, 5, 7)
    done = form.of(colours)
    assert done.is_contiguous(memory_format=torch.channels_last) and done.shape == colours.shape
    expected = (colours - torch.tensor(form.mean)[:, None, None]) / torch.tensor(form.std)[:, None, None]
    assert torch.allclose(done, expected, atol=1e-6)
    assert form.empty((2, 3, 5, 7), torch.device("cpu")).stride() == done.stride()


@pytest.mark.parametrize(
    "arguments",
    [
        {"dtype": torch.int32},
        {"dtype": torch.float32, "mean": (0.5,)},
        {"dtype": torch.uint8, "mean": (0.5,), "std": (0.5,)},
        {"dtype": torch.float32, "mean": (0.5,), "std": (0.0,)},
    ],
)
def test_forms_that_cannot_be_are_refused(arguments):
    with pytest.raises(UsageError):
        PixelFormat(**arguments)


def test_means_for_other_channel_counts_are_refused():
    with pytest.raises(UsageError, match="3 channels"):
        PixelFormat(torch.float32, (0.5, 0.5), (0.5, 0.5)).of(torch.zeros(1, 3, 2, 2))


def test_one_mean_stands_for_all_channels_as_in_torchvision():
    one, three = (PixelFormat(torch.float32, (0.4,) * n, (0.5,) * n) for n in (1, 3))
    colours = torch.rand(1, 3, 2, 2)
    assert torch.equal(one.of(colours), three.of(colours))
