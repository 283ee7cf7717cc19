"""The same images and options give the same bytes, whatever was compiled before, on any number of threads."""

import platform

import pytest

# Everything that decides about bytes: what is asked for, a base, pruning on trial, parts of the pixels.
FLAGS = {
    "cells, quality": "--quality 60",
    "cells, PSNR": "--psnr 34",
    "cells, PSNR of each image": "--psnr-per-image 33",
    "siren, quality": "--network siren --hidden 2x8 --steps 60",
    "siren, PSNR": "--network siren --hidden 6x8 --steps 20 --psnr 18 --prune dynamic",
    "siren, bytes": "--network siren --hidden 2x8 --steps 20 --bytes-per-image 60 --no-shared-base --prune ratio",
}
pytestmark = [pytest.mark.slow, pytest.mark.parametrize("flags", FLAGS.values(), ids=FLAGS)]


@pytest.fixture(scope="module")
def caches(tmp_path_factory):
    """Folders for what numba compiles, one for each processor: compiled once for all tests."""
    return tmp_path_factory.mktemp("numba")


def test_bytes_do_not_depend_on_what_was_compiled_before_nor_on_threads(digest, flags, tmp_path):
    cold = digest(flags, cache=tmp_path)
    assert cold == digest(flags, cache=tmp_path)
    assert cold == digest(flags, cache=tmp_path, threads=1)


def test_bytes_do_not_depend_on_whether_numba_can_use_its_cache(digest, flags, caches, tmp_path):
    (tmp_path / "file").touch()
    assert digest(flags, cache=caches / "host") == digest(flags, cache=tmp_path / "file" / "no folder")


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="the names are those of x86 processors")
@pytest.mark.parametrize("processor", ["generic", "haswell"])
def test_bytes_do_not_depend_on_the_processor_that_kernels_are_compiled_for(digest, flags, caches, processor):
    other = {"NUMBA_CPU_NAME": processor, "NUMBA_CPU_FEATURES": ""}
    assert digest(flags, cache=caches / "host") == digest(flags, cache=caches / processor, **other)
