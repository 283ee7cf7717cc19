"""Rules of the house that a machine can check (CONTRIBUTING.md says them in words)."""

from __future__ import annotations

import ast
import graphlib
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

import inrformat
from inrformat import errors
from inrformat.families.registry import all_rules, family_names

PACKAGE = Path(inrformat.__file__).parent
TESTS = Path(__file__).parent
SOURCES = sorted(PACKAGE.rglob("*.py"))

LAYERS = [
    "errors",
    "jit",
    "storage",
    "container",
    "coding",
    "families",
    "decoding",
    "encoding",
    "families.NAME",
    "data",
    "conversion",
    "files",
    "integrations",
    "cli",
]
"""From the bottom up: a module imports from its own layer and those before it, a family never from another family."""


def module_name(path: Path) -> str:
    """The dotted name of a source file."""
    parts = ["inrformat", *path.relative_to(PACKAGE).with_suffix("").parts]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in SOURCES}
FOLDERS_OF_FAMILIES = {f"inrformat.families.{name}" for name in family_names()}
NAMES_MODULES_IN_STRINGS = {"inrformat", "inrformat.families.registry", *FOLDERS_OF_FAMILIES}
"""Modules that load others on use, by name."""


class Import(NamedTuple):
    """One module of the package asking for another."""

    importer: str
    imported: str


def imports_of(module: str) -> Iterator[Import]:
    """What a module imports from the package: at its top, inside functions and for type checkers alike."""
    for node in ast.walk(ast.parse(MODULES[module].read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: imports are absolute"
            inner = [f"{node.module}.{alias.name}" for alias in node.names]
            names = [name if name in MODULES else str(node.module) for name in inner]
        else:
            continue
        yield from (Import(module, name) for name in dict.fromkeys(names) if name in MODULES)


def family_of(module: str) -> str | None:
    """The family whose folder a module lies in; None outside of them."""
    return next((name for name in family_names() if f"{module}.".startswith(f"inrformat.families.{name}.")), None)


def layer_of(module: str) -> str | None:
    """The layer of a module; None for what stands above all layers: the package itself and ``__main__``."""
    if family_of(module) is not None:
        return "families.NAME"
    part = module.split(".")[1] if "." in module else ""
    return part if part in LAYERS else None


@pytest.mark.parametrize("module", MODULES)
def test_imports_point_downward(module: str):
    own = layer_of(module)
    if own is None:
        assert module in {"inrformat", "inrformat.__main__"}, f"{module} is in no layer"
        return
    for _, other in imports_of(module):
        layer = layer_of(other)
        if layer is None:
            assert other == "inrformat", f"{module} imports {other}, which stands above all layers"
            continue
        assert LAYERS.index(layer) <= LAYERS.index(own), f"{module} imports {other}: {layer} is above {own}"
        if layer == "families.NAME" == own:
            assert family_of(other) == family_of(module), f"{module} imports {other}, of another family"


@pytest.mark.parametrize("module", MODULES)
def test_only_families_and_the_registry_name_modules_in_strings(module: str):
    constants = [n.value for n in ast.walk(ast.parse(MODULES[module].read_text())) if isinstance(n, ast.Constant)]
    named = [c for c in constants if isinstance(c, str) and c != "inrformat" and c in MODULES]
    assert not named or module in NAMES_MODULES_IN_STRINGS, f"{module} names {named}: import them, or ask the registry"
    if family_of(module) is not None:
        assert all(family_of(name) == family_of(module) for name in named), f"{module} names {named}"


def test_there_are_no_import_circles():
    graph = {
        module: {other for _, other in imports_of(module) if other != module}
        for module in MODULES
        if module != "inrformat"  # loads its public names on use
    }
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        pytest.fail("imports run in a circle: " + " <- ".join(error.args[1]))


def test_only_families_the_registry_and_the_list_of_public_names_name_families():
    word = re.compile(rf"\b({'|'.join(family_names())})\b", re.IGNORECASE)
    found = [
        f"{path.relative_to(PACKAGE)}:{number}: {line.strip()}"
        for module, path in MODULES.items()
        if family_of(module) is None and module not in {"inrformat.families.registry", "inrformat"}
        for number, line in enumerate(path.read_text().splitlines(), start=1)
        if word.search(line)
    ]
    assert found == []


@pytest.mark.parametrize(
    "module", ["inrformat", "inrformat.cli.main", "inrformat.container.reader", "inrformat.families.codebook"]
)
def test_starting_and_validating_do_not_load_torch(module: str):
    code = f"import sys, {module}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_every_rule_that_code_raises_is_documented_and_every_documented_rule_is_raised():
    text = "\n".join(p.read_text() for p in SOURCES if p.name != "rules.py")
    raised = set(re.findall(r'"((?:[A-Z][A-Z0-9]*-)+[A-Z0-9]+|SIGNATURE)"', text))
    assert raised == set(all_rules())


def test_public_names():
    assert set(errors.__all__) <= set(inrformat.__all__)
    with pytest.raises(AttributeError):
        _ = inrformat.nonsense


def test_no_public_name_is_that_of_a_module():
    # Importing a module sets its name in the package, over whatever had that name.
    assert set(inrformat.__all__) & {module.split(".")[1] for module in MODULES if "." in module} == set()


def test_all_lists_what_can_be_imported_and_nothing_else():
    members = {
        name
        for name in dir(inrformat)
        if not name.startswith("_")
        and str(getattr(getattr(inrformat, name), "__module__", "")).startswith("inrformat.")
    }
    assert members == set(inrformat.__all__)


def test_type_checkers_and_python_find_public_names_in_the_same_modules():
    tree = ast.parse((PACKAGE / "__init__.py").read_text())
    imported = {
        alias.name: node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("inrformat.")
        for alias in node.names
    }
    assert imported == {name: getattr(getattr(inrformat, name), "__module__", "") for name in inrformat.__all__}


def test_error_tree_names_the_documented_exit_codes():
    codes = {name: getattr(errors, name).exit_code for name in errors.__all__}
    assert {
        codes[n] for n in ("InvalidFileError", "NotInrdError", "TruncatedFileError", "ChecksumError", "LimitError")
    } == {3}
    assert (codes["UnsupportedVersionError"], codes["SourceError"], codes["OutputExistsError"]) == (5, 4, 4)


def test_tests_lie_where_what_they_test_lies():
    # What tests the whole (this file, test_spec.py) lies at the top, what tests the scripts of tools/ in tools/.
    folders = {path.parent.relative_to(TESTS) for path in TESTS.rglob("test_*.py")}
    assert folders - {path.parent.relative_to(PACKAGE) for path in SOURCES} == {Path("tools")}
