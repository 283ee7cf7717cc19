"""Every kind of image becomes the right pixels, or is refused by name and reason."""

import csv
import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms

from inrformat.container.layout import MAX_SIDE
from inrformat.conversion.pixels.note import Note
from inrformat.conversion.pixels.options import Alpha, AlphaPolicy, ReadOptions
from inrformat.conversion.pixels.read import IMAGE_SUFFIXES, read_image, read_size
from inrformat.errors import SourceError, UsageError


def read(image, name="x", **options):
    return read_image(image, ReadOptions(**options), name=name)


def png_of(pixels, **options):
    file = io.BytesIO()
    (pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)).save(file, "PNG", **options)
    file.seek(0)
    return file


def with_chunk(png, kind, data):
    """A PNG file with one more chunk behind its header."""
    content = png.getvalue()
    end = 8 + 12 + 13
    chunk = struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    return io.BytesIO(content[:end] + chunk + content[end:])


def test_grey_images_have_equal_channels_or_one():
    grey = np.arange(64, dtype=np.uint8).reshape(8, 8)
    for image in (png_of(grey), png_of(Image.fromarray(grey).convert("LA")), grey):
        pixels = read(image).pixels
        assert pixels.shape == (8, 8, 3) and (pixels == grey[..., None]).all()
    assert np.array_equal(read(png_of(grey), grey=True).pixels[..., 0], grey)
    assert read(np.zeros((4, 5, 3), np.uint8), grey=True).notes == (Note.COLOUR_DROPPED,)


def test_deep_images_say_what_is_white_or_take_it_from_the_set_or_from_themselves(tmp_path):
    twelve = np.array([[0, 2048, 4095]], np.uint16)
    guessed = read(png_of(twelve))
    assert guessed.pixels[0, :, 0].tolist() == [0, 128, 255] and guessed.notes == (Note.DEPTH_GUESSED,)
    of_a_set = read(png_of(twelve), white=65535)
    assert of_a_set.pixels[0, :, 0].tolist() == [0, 8, 16] and of_a_set.notes == ()
    stated = read(with_chunk(png_of(twelve << 4), b"sBIT", b"\x0c"), white=4095)
    assert stated.pixels[0, :, 0].tolist() == [0, 128, 255] and stated.notes == ()
    Image.fromarray(twelve).save(tmp_path / "x.tif", tiffinfo={281: 4095})
    assert read(tmp_path / "x.tif").pixels[0, :, 0].tolist() == [0, 128, 255]
    assert Note.NEARLY_BLACK in read(png_of(np.array([[0, 30]], np.uint16)), white=65535).notes


@pytest.mark.parametrize("highest,white", [(200, 255), (900, 1023), (20000, 65535)])
def test_a_guess_of_white_is_the_range_of_a_usual_depth(highest, white):
    pixels = read(np.array([[0, highest]], np.uint16)).pixels
    assert pixels[0, 1, 0] == round(highest * 255 / white)


def test_transparency_is_dropped_matted_or_kept_and_that_is_said():
    rgba = np.full((2, 2, 4), 100, np.uint8)
    rgba[0, 0, 3] = 0
    rgba[1, 1, 3] = 255
    assert read(rgba).pixels[0, 0].tolist() == [100] * 3 and read(rgba).notes == (Note.ALPHA_DROPPED,)
    matted = read(rgba, alpha=AlphaPolicy.of("matte=#ff0000"))
    assert matted.pixels[0, 0].tolist() == [255, 0, 0] and matted.pixels[1, 1].tolist() == [100] * 3
    assert matted.notes == (Note.ALPHA_MATTED,)
    keep = AlphaPolicy.of("keep")
    assert np.array_equal(read(rgba, alpha=keep).pixels, rgba)
    assert read(rgba[..., :3], alpha=keep).pixels[0, 0].tolist() == [100, 100, 100, 255]
    palette = Image.fromarray(rgba[..., :3]).convert("P")
    palette.info["transparency"] = palette.getpixel((0, 0))
    assert read(png_of(palette, transparency=palette.info["transparency"])).notes == (Note.ALPHA_DROPPED,)
    opaque = rgba.copy()
    opaque[..., 3] = 255
    assert read(opaque).notes == ()


def test_alpha_policies_are_read_from_text():
    assert AlphaPolicy.of("matte") == AlphaPolicy(Alpha.MATTE, (255, 255, 255))
    for text in ("", "no", "matte=nocolour", "matte="):
        with pytest.raises(UsageError, match="choose drop, keep or matte=COLOUR"):
            AlphaPolicy.of(text)


def test_colour_profiles_are_converted_to_srgb():
    lab = ImageCms.createProfile("LAB")
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    pixels = np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)
    assert read(png_of(pixels, icc_profile=srgb)).notes == ()
    assert np.array_equal(read(png_of(pixels, icc_profile=srgb)).pixels, pixels)
    broken = read(png_of(pixels, icc_profile=b"no profile"))
    assert broken.notes == (Note.PROFILE_BROKEN,) and np.array_equal(broken.pixels, pixels)
    to_lab = ImageCms.buildTransform(ImageCms.createProfile("sRGB"), lab, "RGB", "LAB")
    picture = to_lab.apply(Image.fromarray(pixels))
    file = io.BytesIO()
    picture.save(file, "TIFF")
    assert np.abs(read(file).pixels.astype(int) - pixels).max() < 30  # as near as 8 bits of L, a and b come


def test_photographs_with_a_wide_profile_change_as_the_profile_says(shared_data):
    files = sorted((shared_data / "odd/exif_samples").glob("orientation_landscape_[3571].jpg"))
    plain, *converted = (read(file) for file in files)
    assert plain.notes == () and all(c.notes == (Note.PROFILE_CONVERTED,) for c in converted)


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied_or_left_alone(tmp_path, suffix, orientation):
    pixels = np.zeros((24, 40, 3), np.uint8)
    pixels[:12, :20] = 255
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"x.{suffix}"
    Image.fromarray(pixels).save(path, exif=exif)
    upright = read(path).pixels
    assert upright.shape[:2] == ((24, 40) if orientation < 5 else (40, 24)) == read_size(path, ReadOptions())
    corners = {(0, 0): "left top", (0, -1): "right top", (-1, 0): "left bottom", (-1, -1): "right bottom"}
    bright = next(name for (y, x), name in corners.items() if upright[y, x, 0] > 128)
    # Where the 0th row and the 0th column of the file belong (Exif 2.32, tag 274).
    expected = [
        "left top",
        "right top",
        "right bottom",
        "left bottom",
        "left top",
        "right top",
        "right bottom",
        "left bottom",
    ]
    assert bright == expected[orientation - 1]
    lying = read_image(path, ReadOptions(), name="x", upright=False).pixels
    if suffix != "tif":  # which Pillow turns by itself, for everybody
        assert lying.shape == (24, 40, 3) and lying[0, 0, 0] > 128


def test_broken_exif_data_does_not_cost_the_picture(monkeypatch):
    def broken(self):
        raise struct.error("unpack requires a buffer of 2 bytes")

    monkeypatch.setattr(Image.Image, "getexif", broken)
    found = read(png_of(np.full((3, 3, 3), 7, np.uint8)))
    assert found.notes == (Note.EXIF_BROKEN,) and (found.pixels == 7).all()


@pytest.mark.parametrize(
    "error", [struct.error("x"), AssertionError(), RecursionError("deep"), MemoryError(), KeyError(1)]
)
def test_whatever_a_decoder_raises_is_the_image_s_fault(monkeypatch, error):
    def load(self):
        raise error

    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", load)
    with pytest.raises(SourceError, match=r"^a/b\.png: unreadable image \(.+\)$"):
        read(png_of(np.zeros((2, 2, 3), np.uint8)), name="a/b.png")


def test_a_broken_picture_is_never_taken_half():
    content = png_of(np.random.default_rng(1).integers(0, 256, (64, 64, 3), np.uint8)).getvalue()
    middle = len(content) // 2
    for damaged in (content[:middle], content[:middle] + bytes(64) + content[middle + 64 :]):
        with pytest.raises(SourceError, match="unreadable"):
            read(io.BytesIO(damaged))


def test_sides_beyond_the_format_s_are_refused_with_a_remedy():
    strip = np.zeros((20, MAX_SIDE + 1), np.uint8)
    with pytest.raises(
        SourceError, match=rf"a side of {MAX_SIDE + 1} px, {MAX_SIDE} are allowed; resize with --size 19"
    ):
        read(strip)
    assert read(strip, size=19).pixels.shape == (19, 19 * (MAX_SIDE + 1) // 20, 3)


def test_a_bomb_is_refused_before_it_is_decoded():
    header = png_of(np.zeros((1, 1), np.uint8)).getvalue()
    ihdr = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 0, 0, 0, 0)
    chunk = struct.pack(">I", 13) + b"IHDR" + ihdr + struct.pack(">I", zlib.crc32(b"IHDR" + ihdr))
    with pytest.raises(SourceError, match="10000000000 pixels|10,000,000,000|more than"):
        read(io.BytesIO(header[:8] + chunk + header[8 + 25 :]))


@pytest.mark.parametrize(
    "array,message",
    [
        (np.zeros((4, 4, 2), np.uint8), "expected .H, W. or"),
        (np.zeros((4,), np.uint8), "expected .H, W. or"),
        (np.zeros((0, 4), np.uint8), "expected .H, W. or"),
        (np.zeros((4, 4), np.int64), "an array of int64"),
        (np.full((4, 4), 1.5), "from 1.5 to 1.5, expected 0 to 1"),
        (np.full((4, 4), np.nan), "expected 0 to 1"),
    ],
)
def test_arrays_that_are_no_images_are_refused(array, message):
    with pytest.raises(SourceError, match=f"^x: .*{message}"):
        read(array)


def test_arrays_and_pictures_are_images_too(photo_tiles):
    tile = photo_tiles["coffee"][0]
    for image in (tile, Image.fromarray(tile), tile / 255, tile.astype(np.float32) / 255, tile.astype(np.uint16) * 257):
        assert np.array_equal(read(image).pixels, tile)
    assert (read(np.array([[False, True]])).pixels == [[[0] * 3, [255] * 3]]).all()


def test_every_odd_file_is_right_or_named(shared_data):
    """Right is what Pillow's plain conversion gives, where that has no profile, depth or orientation to heed."""
    refused, compared = [], 0
    with (shared_data / "odd/INDEX.csv").open() as index:
        rows = list(csv.DictReader(index))
    for row in rows:
        path = shared_data / "odd" / row["file"]
        try:
            found = read(path, name=row["file"])
        except SourceError as error:
            assert str(error).startswith(row["file"]) and "\n" not in str(error)
            refused.append(path.name)
            continue
        assert path.suffix.lower() in IMAGE_SUFFIXES and found.pixels.shape[2] == 3
        with Image.open(path) as opened:
            plain = not opened.mode.startswith("I") and opened.getexif().get(0x0112, 1) == 1
            if plain and Note.PROFILE_CONVERTED not in found.notes:
                assert np.array_equal(found.pixels, np.asarray(opened.convert("RGB"))), path
                compared += 1
    assert compared > 130
    assert sorted(refused) == [
        "broken_data_stream.png",
        "decompression_bomb.gif",
        "oom-225817ca0f8c663be7ab4b9e717b02c661e66834.tif",
        "p_8.tga",
        "truncated_end_chunk.png",
        "truncated_image.png",
        "xc9n2c08.png",
        "xd3n2c08.png",
        "xdtn0g01.png",
        "xlfn0g04.png",
        "xs2n0g01.png",
        "xs7n0g01.png",
    ]
