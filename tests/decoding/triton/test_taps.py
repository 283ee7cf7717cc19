import pytest
import torch

from inrformat.decoding.canvas import Canvas
from inrformat.decoding.triton.taps import filter_taps

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")


def geometries():
    """Of forty samples: turned and shrunk, turned and enlarged, sheared, in perspective; and without a filter."""
    count = 40
    canvas = Canvas.of(torch.full((count,), 300), torch.full((count,), 200))
    turn, share = torch.linspace(-180, 180, count), torch.linspace(0.3, 3, count)
    for frame in (canvas.resize(40, 50), canvas.resize(900, 300), canvas.resize(300, 200)):
        yield frame.affine(turn, scale=share, shear=(10, 5)).geometry()
    corners = torch.tensor([[0, 0], [49, 0], [49, 39], [0, 39]]).expand(count, 4, 2)
    moved = corners + (torch.arange(8).reshape(4, 2) % 5) * share[:, None, None]
    yield canvas.resize(40, 50).perspective(corners, moved).geometry()
    yield canvas.resize(40, 50).rotate(turn).geometry(antialias=False)


@pytest.mark.slow
def test_the_kernel_gives_the_taps_of_the_geometry():
    for geometry in (given.to(DEVICE) for given in geometries()):
        counts, reach = geometry.taps()
        taps = filter_taps(geometry)
        assert taps.dtype == torch.float32 and torch.equal(taps[:, :2], counts.float())
        assert torch.allclose(taps[:, 2:], reach.float(), rtol=1e-6, atol=1e-6)
