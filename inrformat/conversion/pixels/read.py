"""One image file, open file, picture or array to pixels."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, UnidentifiedImageError

from inrformat.container.layout import MAX_SIDE
from inrformat.container.limits import DEFAULT_LIMITS
from inrformat.conversion.pixels.depth import is_deep, rounded_up, stated_white, to_eight_bits
from inrformat.conversion.pixels.note import Note
from inrformat.conversion.pixels.options import Alpha, ReadOptions
from inrformat.conversion.pixels.profile import ProfileError, converted_to_srgb
from inrformat.decoding.output_size import output_size
from inrformat.encoding.record import Image as Pixels
from inrformat.errors import SourceError

__all__ = ["IMAGE_SUFFIXES", "ImageFile", "ReadImage", "highest_value", "load_image", "read_image", "read_size"]

ImageFile = Path | BinaryIO | Image.Image | NDArray[Any]
"""A file, an open one, a picture of Pillow's, or an array: uint8, uint16, bool, or float in [0, 1], ``(H, W)`` or
``(H, W, C)`` with 1, 3 or 4 channels."""

_SUFFIXES = {
    "JPEG": "jpg jpeg jpe jfif",
    "PNG": "png apng",
    "PPM": "ppm pgm pbm pnm pfm",
    "BMP": "bmp dib",
    "TIFF": "tif tiff",
    "WEBP": "webp",
    "GIF": "gif",
    "AVIF": "avif",
    "MPO": "mpo",
    "PSD": "psd",
    "JPEG2000": "jp2 j2k j2c jpx",
    "TGA": "tga",
    "ICO": "ico",
    "ICNS": "icns",
    "DDS": "dds",
    "PCX": "pcx",
    "QOI": "qoi",
    "SGI": "sgi",
}
"""Raster formats. Vector formats, which run interpreters, and films are left to others."""
_FORMATS = [name for name in _SUFFIXES if name != "MPO"]  # which is opened as JPEG
IMAGE_SUFFIXES = frozenset(f".{suffix}" for suffixes in _SUFFIXES.values() for suffix in suffixes.split())
_TURNS = {
    2: [Image.Transpose.FLIP_LEFT_RIGHT],
    3: [Image.Transpose.ROTATE_180],
    4: [Image.Transpose.FLIP_TOP_BOTTOM],
    5: [Image.Transpose.TRANSPOSE],
    6: [Image.Transpose.ROTATE_270],
    7: [Image.Transpose.TRANSVERSE],
    8: [Image.Transpose.ROTATE_90],
}
"""By EXIF orientation."""
_NEARLY_BLACK = 8
_EXCHANGES_SIDES = frozenset({5, 6, 7, 8})
_GREY, _WITH_ALPHA = frozenset({"1", "L", "LA", "La"}), frozenset({"LA", "La", "PA", "RGBA", "RGBa"})


@dataclass(frozen=True, slots=True, eq=False)
class ReadImage:
    """An image as it was read.

    Attributes:
        pixels: uint8 ``(height, width, channels)``; 3 channels, or 1 or 4 where the options ask for that.
        notes: what was done to it.
    """

    pixels: Pixels
    notes: tuple[Note, ...] = ()


def read_image(image: ImageFile, options: ReadOptions, *, name: str, upright: bool = True) -> ReadImage:
    """Decode an image.

    Of several pictures in a file the first is taken; colour profiles are converted to sRGB.

    Args:
        name: of the image, for messages. upright: apply its EXIF orientation.

    Raises:
        SourceError: it cannot be read, or is larger than an .inrd may hold.
    """
    notes: list[Note] = []
    with _errors_named(name), _opened(image) as picture:
        _check_size(picture, options)
        white = stated_white(picture) if is_deep(picture) else None
        picture.load()  # before metadata are asked for: that may load as well, and hide that it failed
        if getattr(picture, "is_animated", False):
            notes.append(Note.FIRST_FRAME)
        turns = _turns(picture, notes) if upright else []
        plain = _in_channels(_in_eight_bits(picture, white or options.white, notes), options, notes)
        for turn in turns:
            plain = plain.transpose(turn)
        if options.size is not None:
            height, width = _resized(plain.height, plain.width, options.size)
            plain = plain.resize((width, height), Image.Resampling.LANCZOS)
        pixels = np.asarray(plain, np.uint8)
    return ReadImage(pixels if pixels.ndim == 3 else pixels[..., None], tuple(notes))


def load_image(image: ImageFile | str, *, size: int | None = None) -> Pixels:
    """The pixels alone, uint8 ``(height, width, 3)``, with default options. Raises: as `read_image`."""
    file = Path(image) if isinstance(image, str) else image
    return read_image(file, ReadOptions(size=size), name=str(file) if isinstance(file, Path) else "image").pixels


def read_size(image: ImageFile, options: ReadOptions, *, upright: bool = True) -> tuple[int, int] | None:
    """(height, width) of what `read_image` gives, from the file's header alone; None where that cannot be read."""
    try:
        with _errors_named("image"), _opened(image) as picture:
            return _size_of(picture, options, upright=upright)
    except SourceError:
        return None


def highest_value(image: ImageFile) -> int | None:
    """Of an image of more than 8 bits that does not say what is white: its highest value; None for all others.

    Raises:
        SourceError: it cannot be read.
    """
    with _errors_named("image"), _opened(image) as picture:
        if not is_deep(picture) or stated_white(picture) is not None:
            return None
        return int(np.asarray(picture).max())


@contextmanager
def _errors_named(name: str) -> Iterator[None]:
    """Whatever a decoder raises is the fault of the image it was given."""
    try:
        yield
    except SourceError as error:
        raise SourceError(f"{name}: {error}") from error
    except UnidentifiedImageError as error:
        raise SourceError(f"{name}: not an image in a format that is read here") from error
    except Exception as error:
        reason = next(iter(str(error).splitlines()), "") or type(error).__name__
        raise SourceError(f"{name}: unreadable image ({reason})") from error


@contextmanager
def _opened(image: ImageFile) -> Iterator[Image.Image]:
    if isinstance(image, Image.Image):
        yield image
    elif isinstance(image, np.ndarray):
        yield _of_array(image)
    else:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of odd metadata; what cannot be decoded raises
            with Image.open(image, formats=_FORMATS) as opened:
                yield opened


def _of_array(array: NDArray[Any]) -> Image.Image:
    squeezed = array[..., 0] if array.ndim == 3 and array.shape[2] == 1 else array
    if squeezed.ndim not in {2, 3} or (squeezed.ndim == 3 and squeezed.shape[2] not in {3, 4}) or not squeezed.size:
        raise SourceError(f"an array {array.shape}, expected (H, W) or (H, W, C) with 1, 3 or 4 channels")
    if squeezed.dtype == np.bool_:
        squeezed = squeezed.astype(np.uint8) * np.uint8(255)
    elif squeezed.dtype.kind == "f":
        squeezed = _of_unit_range(squeezed)
    if squeezed.dtype == np.uint16 and squeezed.ndim == 3:
        squeezed = to_eight_bits(squeezed, (1 << 16) - 1)
    if squeezed.dtype not in {np.dtype(np.uint8), np.dtype(np.uint16)}:
        raise SourceError(f"an array of {array.dtype}, expected uint8, uint16, bool or float in [0, 1]")
    return Image.fromarray(np.ascontiguousarray(squeezed))


def _of_unit_range(values: NDArray[Any]) -> NDArray[np.uint8]:
    if not (np.isfinite(values).all() and values.min() >= 0 and values.max() <= 1):
        raise SourceError(f"floating point values from {values.min():g} to {values.max():g}, expected 0 to 1")
    rounded: NDArray[np.uint8] = (values * 255 + 0.5).astype(np.uint8)
    return rounded


def _check_size(picture: Image.Image, options: ReadOptions) -> None:
    """Refuse what an .inrd may not hold, and what would take gigabytes on the way there, before it is decoded."""
    width, height = picture.size
    if height * width > DEFAULT_LIMITS.max_pixels:
        raise SourceError(f"{width} x {height} px are more than {DEFAULT_LIMITS.max_pixels:,}; make it smaller first")
    longest = max(_resized(height, width, options.size))
    if longest > MAX_SIDE:
        fitting = MAX_SIDE * min(width, height) // max(width, height)
        remedy = f"resize with --size {fitting} or less" if fitting else "cut it into pieces"
        raise SourceError(f"a side of {longest} px, {MAX_SIDE} are allowed; {remedy}")


def _size_of(picture: Image.Image, options: ReadOptions, *, upright: bool) -> tuple[int, int]:
    width, height = picture.size
    if upright and _orientation(picture) in _EXCHANGES_SIDES:
        height, width = width, height
    return _resized(height, width, options.size)


def _resized(height: int, width: int, size: int | None) -> tuple[int, int]:
    height, width = output_size((height, width), size)
    return max(height, 1), max(width, 1)


def _orientation(picture: Image.Image) -> int | None:
    """By its EXIF data, 1 where there is none; None where it cannot be read."""
    if picture.format == "TIFF":  # Pillow turns these by itself
        return 1
    try:
        return int(picture.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # parsers of broken metadata raise whatever they please; the picture may be whole
        return None


def _turns(picture: Image.Image, notes: list[Note]) -> list[Image.Transpose]:
    orientation = _orientation(picture)
    if orientation is None:
        notes.append(Note.EXIF_BROKEN)
        return []
    return _TURNS.get(orientation, [])


def _in_eight_bits(picture: Image.Image, white: int | None, notes: list[Note]) -> Image.Image:
    if picture.mode == "F":
        return Image.fromarray(_of_unit_range(np.asarray(picture)))
    if not is_deep(picture):
        return picture
    values = np.asarray(picture)
    if white is None:
        white = rounded_up(int(values.max()))
        notes.append(Note.DEPTH_GUESSED)
    scaled = to_eight_bits(values, white)
    if scaled.max() < _NEARLY_BLACK:
        notes.append(Note.NEARLY_BLACK)
    deep = Image.fromarray(scaled)
    deep.info = {key: value for key, value in picture.info.items() if key == "icc_profile"}
    return deep


def _in_channels(picture: Image.Image, options: ReadOptions, notes: list[Note]) -> Image.Image:
    """RGB, or what else the options ask for; from here on colours are sRGB."""
    is_grey = picture.mode in _GREY
    alpha = _alpha_of(picture)
    colours = _in_srgb(picture, notes, is_grey=is_grey)
    if alpha is not None:
        if options.alpha.kind is Alpha.MATTE:
            ground = Image.new("RGB", colours.size, options.alpha.matte)
            colours = Image.composite(colours, ground, alpha)
            notes.append(Note.ALPHA_MATTED)
        elif options.alpha.kind is Alpha.DROP:
            notes.append(Note.ALPHA_DROPPED)
    if options.grey:
        notes += [] if is_grey else [Note.COLOUR_DROPPED]
        return colours.convert("L")
    if options.alpha.kind is Alpha.KEEP:
        colours.putalpha(255 if alpha is None else alpha)
    return colours


def _alpha_of(picture: Image.Image) -> Image.Image | None:
    """Its transparency, where any of it is not opaque."""
    if picture.mode not in _WITH_ALPHA and "transparency" not in picture.info:
        return None
    alpha = picture.convert("RGBA").getchannel("A")
    lowest, _ = alpha.getextrema()
    return alpha if lowest != 255 else None


def _in_srgb(picture: Image.Image, notes: list[Note], *, is_grey: bool) -> Image.Image:
    """Its colours without transparency."""
    profile = picture.info.get("icc_profile")
    plain = picture if picture.mode in {"RGB", "CMYK", "LAB"} else picture.convert("L" if is_grey else "RGB")
    if profile:
        try:
            converted = converted_to_srgb(plain, profile)
            if converted is not None:
                notes.append(Note.PROFILE_CONVERTED)
                # Rounding may leave a level between the channels of a grey picture.
                return converted.getchannel("G").convert("RGB") if is_grey else converted
        except (ProfileError, OSError, ValueError):
            notes.append(Note.PROFILE_BROKEN)
    return plain.convert("RGB")
