"""What decoders lack, on machines that are pretended to have a GPU."""

import logging

import pytest
import torch
from triton.runtime import build

from inrformat.decoding import availability, dispatch
from inrformat.decoding.availability import BACKENDS, Lack, Missing
from inrformat.decoding.triton import probe

SOURCE = "#include <Python.h>\nPyMODINIT_FUNC PyInit_launcher(void) { return NULL; }\n"


@pytest.fixture
def with_gpu(monkeypatch):
    """A machine whose GPU and Triton are good enough, and whose kernels can be launched."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: (9, 0))
    monkeypatch.setattr(probe, "launch", lambda device: None)
    assert availability._triton_missing() is None


def missing() -> Missing:
    """What the Triton decoder lacks."""
    found = availability._triton_missing()
    assert found is not None
    return found


def build_launcher(_device):
    """What Triton does before its first kernel runs."""
    build.compile_module_from_src(src=SOURCE, name="launcher")


def test_each_backend_says_whether_it_runs_here_or_what_it_lacks():
    known = {b.name: b for b in availability.backends()}
    assert tuple(known) == BACKENDS
    assert known["reference"].missing is None
    assert (known["triton"].missing is None) == torch.cuda.is_available()


def test_the_probe_runs_a_kernel():
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    assert probe.launch(device).tolist() == [1]


@pytest.mark.parametrize("version", ["3.4.1", "2.3.0"])
def test_an_old_triton_is_named_with_the_remedy(with_gpu, monkeypatch, version):
    monkeypatch.setattr("triton.__version__", version)
    lacking = missing()
    assert lacking.lack is Lack.TRITON_VERSION
    assert version[:3] in lacking.reason and "pip install -U triton" in lacking.reason


def test_without_triton_the_remedy_is_to_install_it(with_gpu, monkeypatch):
    monkeypatch.setattr(availability, "_installed", lambda module: module != "triton")
    assert missing().lack is Lack.TRITON


def test_gpus_that_kernels_are_not_for_are_told_apart(with_gpu, monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: (7, 5))
    assert missing().lack is Lack.CAPABILITY
    monkeypatch.setattr(torch.version, "hip", "6.3")
    assert missing().lack is Lack.NVIDIA


@pytest.fixture
def fresh_build(monkeypatch, tmp_path):
    """Triton has built nothing yet, and not looked for a compiler."""
    forget = getattr(getattr(build, "_find_compiler", None), "cache_clear", lambda: None)
    forget()
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path / "cache"))
    yield
    forget()


@pytest.mark.parametrize("compiler", [None, "/nowhere/cc", "false"], ids=["none", "not there", "failing"])
def test_a_launcher_that_cannot_be_built_is_reported_with_the_remedy(
    with_gpu, fresh_build, monkeypatch, tmp_path, compiler
):
    if compiler is None:
        monkeypatch.delenv("CC", raising=False)
        monkeypatch.setenv("PATH", str(tmp_path))
    else:
        monkeypatch.setenv("CC", compiler)
    monkeypatch.setattr(probe, "launch", build_launcher)
    lacking = missing()
    assert lacking.lack is Lack.COMPILER
    assert "C compiler" in lacking.reason and "CC" in lacking.reason and "\n" not in lacking.reason


def test_what_cannot_run_is_replaced_by_the_reference_and_logged(with_gpu, monkeypatch, caplog):
    def fail(_device):
        raise RuntimeError("Failed to find C compiler")

    monkeypatch.setattr(probe, "launch", fail)
    monkeypatch.setattr(dispatch, "backends", availability.backends.__wrapped__)
    dispatch._choose.cache_clear()
    with caplog.at_level(logging.WARNING):
        assert dispatch.backend_for(torch.device("cuda")).name == "reference"
    assert "Failed to find C compiler" in caplog.text and "install a C compiler" in caplog.text
    dispatch._choose.cache_clear()
