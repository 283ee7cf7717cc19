"""A library that is not installed is asked for by the name of its extra."""

import importlib
import sys

import pytest


@pytest.mark.parametrize(
    ("module", "library", "extra"), [("timm", "timm", "timm"), ("huggingface", "datasets", "huggingface")]
)
def test_the_remedy_is_said_where_a_library_is_missing(monkeypatch, module, library, extra):
    for name in [n for n in sys.modules if n == library or n.startswith(f"{library}.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, library, None)  # what Python takes for a module that cannot be imported
    monkeypatch.delitem(sys.modules, f"inrformat.integrations.{module}", raising=False)
    with pytest.raises(ImportError, match=rf'pip install "inrformat\[{extra}\]"'):
        importlib.import_module(f"inrformat.integrations.{module}")
