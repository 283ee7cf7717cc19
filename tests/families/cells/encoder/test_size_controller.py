"""Step scales that spend what a file of a wanted size has for records, on records of known sizes."""

import numpy as np
import pytest

from inrformat.families.cells.encoder.size_controller import SizeController
from inrformat.families.cells.record import SCALE_LIMIT

BYTES_PER_SCALE = 0.88


def controller(bytes_left, *, expected_bytes=1000.0, finest_scale=-12):
    return SizeController(bytes_left, expected_bytes, 50, BYTES_PER_SCALE, finest_scale)


def taken(scales, *, mean_bytes):
    return round(sum(mean_bytes * BYTES_PER_SCALE**scale for scale in scales))


@pytest.mark.parametrize("mean_bytes", [700, 1000, 1400])
def test_what_the_measured_part_got_wrong_is_made_good_while_encoding(mean_bytes):
    images, batch = 4000, 100
    control = controller(900_000 * images / 1000)
    for done in range(0, images, batch):
        scales = control.next_scales(batch, images_left=images - done)
        control.spend(scales, taken(scales, mean_bytes=mean_bytes))
    assert abs(control.bytes_left) < 0.01 * 900_000 * images / 1000


def test_whole_scales_average_the_fitting_one_and_are_its_neighbours():
    control = controller(450_000)
    fitting = control.fitting_scale(500)
    scales = control.next_scales(400, images_left=500)
    assert set(scales) == {int(np.floor(fitting)), int(np.ceil(fitting))}
    assert np.mean(scales) == pytest.approx(fitting, abs=1 / 400)


@pytest.mark.parametrize("bytes_left,scale", [(0, SCALE_LIMIT), (1e12, -12)])
def test_scales_stay_within_their_bounds(bytes_left, scale):
    control = controller(bytes_left)
    assert control.fitting_scale(10) == scale
    assert control.next_scales(10, images_left=10) == [scale] * 10


def test_the_last_images_are_tried_until_they_nearly_fill_what_is_left():
    control = controller(90_000)
    scale, tries = control.fitting_scale(100), 0
    while scale is not None:
        size, tries = taken([scale] * 100, mean_bytes=1300), tries + 1
        scale = control.better_scale(scale, size)
    assert 0.995 * 90_000 < size <= 90_000
    assert tries == 2


def test_no_better_scale_beyond_the_finest():
    control = controller(1e9)
    assert control.better_scale(-12, 1000) is None
