import numpy as np
import torch
from torchvision.transforms import v2

from inrformat.data.dataset import InrdDataset


def test_smaller_sizes_are_antialiased_like_v2_resize(photo_file):
    native, small = InrdDataset(photo_file), InrdDataset(photo_file, size=(16, 12))
    resize = v2.Resize((16, 12), antialias=True)
    for k in range(len(native)):
        error = (small[k][0].double() - resize(native[k][0]).double()).square().mean()
        assert 10 * torch.log10(255**2 / error) >= 45  # the native image was rounded and clamped first


def test_larger_sizes_pass_through_the_same_photograph(photo_file, photo_tiles):
    large = InrdDataset(photo_file, size=96)
    source = torch.from_numpy(photo_tiles["astronaut"][0]).permute(2, 0, 1)
    reduced = v2.functional.resize(large[0][0], [32, 32], antialias=True)
    native = InrdDataset(photo_file)[0][0]
    assert large[0][0].shape == (3, 96, 96)

    def error(image):
        return (image.float() - source).square().mean()

    assert error(reduced) < 2 * error(native)


def test_each_axis_is_treated_on_its_own(photo_file):
    assert InrdDataset(photo_file, size=(64, 8))[0][0].shape == (3, 64, 8)


def test_a_batch_decodes_to_what_each_image_decodes_to_alone(photo_file):
    dataset = InrdDataset(photo_file)
    together = [image for image, _ in dataset.__getitems__(range(len(dataset)))]
    alone = [dataset[k][0] for k in range(len(dataset))]
    difference = torch.stack(together).int() - torch.stack(alone).int()
    assert difference.abs().max() <= 1
    assert np.count_nonzero(difference) < 0.001 * difference.numel()
