"""Rules of the house that a machine can check."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import inrformat
from inrformat import errors
from inrformat.container.rules import RULES

PACKAGE = Path(inrformat.__file__).parent
LAYERS = ["errors", "container", "coding", "networks", "decode", "encode", "data", "convert", "cli"]
SOURCES = sorted(PACKAGE.rglob("*.py"))


def layer_of(dotted):
    parts = dotted.split(".")
    return parts[1] if len(parts) > 1 and parts[1] in LAYERS else None


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_point_downward(path):
    dotted = ".".join(["inrformat", *path.relative_to(PACKAGE).with_suffix("").parts])
    own = layer_of(dotted)
    if own is None:
        return
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("inrformat."):
            other = layer_of(node.module)
            assert other is None or LAYERS.index(other) <= LAYERS.index(own), f"{dotted} imports {node.module}"


@pytest.mark.parametrize(
    "module", ["inrformat", "inrformat.cli.main", "inrformat.container.reader", "inrformat.families.codebook"]
)
def test_starting_and_validating_do_not_load_torch(module):
    code = f"import sys, {module}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_every_rule_that_code_raises_is_documented_and_every_documented_rule_is_raised():
    text = "\n".join(p.read_text() for p in SOURCES if p.name != "rules.py")
    raised = set(re.findall(r'"((?:[A-Z][A-Z0-9]*-)+[A-Z0-9]+|SIGNATURE)"', text))
    assert raised == set(RULES)


def test_public_names():
    assert inrformat.__all__ == sorted(inrformat.__all__)
    assert all(getattr(inrformat, name) is not None for name in inrformat.__all__)
    assert set(errors.__all__) <= set(inrformat.__all__)
    with pytest.raises(AttributeError):
        _ = inrformat.nonsense


def test_error_tree_names_the_documented_exit_codes():
    codes = {name: getattr(errors, name).exit_code for name in errors.__all__}
    assert {
        codes[n] for n in ("InvalidFileError", "NotInrdError", "TruncatedFileError", "ChecksumError", "LimitError")
    } == {3}
    assert (codes["UnsupportedVersionError"], codes["SourceError"], codes["OutputExistsError"]) == (5, 4, 4)
