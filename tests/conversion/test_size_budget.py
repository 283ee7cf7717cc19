"""A file size that was asked for bounds the whole file, whatever else than records is in it."""

import json

import numpy as np
import pytest
from PIL import Image
from skimage import data as photographs

from inrformat.container.layout import PAGE_ALIGNMENT, SectionKind
from inrformat.container.reader import InrdReader
from inrformat.conversion.annotations.masks import read_masks
from inrformat.conversion.annotations.reading import read_annotations
from inrformat.conversion.pipeline import convert
from inrformat.conversion.pixels.options import ReadOptions
from inrformat.conversion.pixels.read import load_image, read_size
from inrformat.conversion.sources.annotated import annotated as with_targets
from inrformat.conversion.sources.folder import scan_folder
from inrformat.errors import UsageError
from inrformat.families.cells.encoder.options import CellsOptions

COUNT = 24
SLACK = 0.95  # what is small may find room in gaps, which cannot be known before


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Pieces of photographs of unlike sizes, COCO annotations and semantic masks that take much room."""
    root = tmp_path_factory.mktemp("annotated")
    rng = np.random.default_rng(0)
    (root / "images").mkdir(), (root / "masks").mkdir()
    images, annotations = [], []
    for n in range(COUNT):
        photo = (photographs.astronaut(), photographs.coffee(), photographs.chelsea())[n % 3]
        height, width = 96 + 8 * (n % 3), 128
        Image.fromarray(photo[7 * n : 7 * n + height, 5 * n : 5 * n + width]).save(root / f"images/{n:02}.png")
        blobs = np.kron(rng.integers(0, 9, (height // 8, width // 8)), np.ones((8, 8)))
        Image.fromarray(blobs.astype(np.uint8)).save(root / f"masks/{n:02}.png")
        images.append({"id": n, "file_name": f"{n:02}.png", "width": width, "height": height})
        annotations.append({"image_id": n, "caption": rng.bytes(60).hex()})
        for _ in range(8):
            outline = (rng.random((12, 2)) * (width, height)).round(2).ravel().tolist()
            box = [*(rng.random(2) * 50).tolist(), 40.5, 30.25]
            annotations.append({"image_id": n, "category_id": 1, "bbox": box, "segmentation": [outline]})
    coco = {"categories": [{"id": 1, "name": "thing"}], "images": images, "annotations": annotations}
    (root / "coco.json").write_text(json.dumps(coco))
    return root


def annotated(folder, kind):
    sets = [read_annotations(folder / "coco.json")] if kind != "masks" else []
    if kind != "coco":
        sets.append(read_masks(folder / "masks", classes=("thing",)))
    return with_targets(scan_folder(folder / "images"), *sets)


def to_size(source, out, target_bytes, *, size=None, on_error="raise"):
    options = CellsOptions(target_bytes=target_bytes)
    return convert(source, out, options, size=size, on_error=on_error)


@pytest.mark.slow
@pytest.mark.parametrize(
    "kind,size,target_bytes", [("coco", None, 120_000), ("masks", None, 90_000), ("both", 64, 80_000)]
)
def test_columns_of_targets_are_inside_the_size_asked_for(folder, tmp_path, kind, size, target_bytes):
    summary = to_size(annotated(folder, kind), tmp_path / "x", target_bytes, size=size)
    assert SLACK * target_bytes - PAGE_ALIGNMENT < summary.bytes <= target_bytes
    with InrdReader(tmp_path / "x") as reader:
        assert sum(s.stored_bytes for s in reader.header.sections if s.kind == SectionKind.FIELD) > 5000


def test_a_size_that_the_targets_alone_exceed_is_refused_and_says_what_they_take(folder, tmp_path):
    with pytest.raises(UsageError, match=r"8,000 bytes are too few.* targets, names and tables take [\d,]+: the smal"):
        to_size(annotated(folder, "both"), tmp_path / "x", 8_000)
    assert not (tmp_path / "x").exists()


@pytest.mark.slow
def test_the_size_holds_where_images_are_left_out_and_the_last_piece_is_small(folder, tmp_path, monkeypatch):
    monkeypatch.setattr("inrformat.conversion.reading.PIECE_IMAGES", 11)
    for path in sorted((folder / "images").iterdir()):
        data = path.read_bytes()
        (tmp_path / path.name).write_bytes(data[: len(data) // 2] if path.stem in {"03", "22", "23"} else data)
    for target_bytes in (60_000, 120_000):
        out = tmp_path / f"{target_bytes}.inrd"
        summary = to_size(scan_folder(tmp_path), out, target_bytes, on_error="skip")
        assert summary.samples == COUNT - 3
        assert SLACK * target_bytes - PAGE_ALIGNMENT < summary.bytes <= target_bytes


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("size", [None, 20])
def test_the_stored_size_is_known_from_the_header(tmp_path, orientation, size):
    exif = Image.Exif()
    exif[0x0112] = orientation
    for suffix in ("jpg", "png", "webp"):
        path = tmp_path / f"x.{suffix}"
        Image.fromarray(photographs.coffee()[:50, :81]).save(path, exif=exif)
        assert read_size(path, ReadOptions(size=size)) == load_image(path, size=size).shape[:2]


def test_a_file_that_is_no_image_has_no_stored_size(tmp_path):
    (tmp_path / "x.png").write_bytes(b"not an image")
    assert read_size(tmp_path / "x.png", ReadOptions()) is None
