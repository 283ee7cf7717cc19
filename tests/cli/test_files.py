"""Commands that work with files: whatever is wrong is one line with a remedy, and nothing is left behind."""

import json
import shutil

import pytest

from inrformat.cli.main import main


@pytest.fixture
def home(tmp_path, monkeypatch, photo_file):
    """A home folder with a file in it and a list of names that is no text."""
    monkeypatch.setenv("HOME", str(tmp_path))
    shutil.copy(photo_file, tmp_path / "a.inrd")
    (tmp_path / "names.txt").write_bytes(b"\xff\xfe\xff")
    return tmp_path


@pytest.mark.parametrize(
    "command,code,message",
    [
        ("subset ~/a.inrd ~/o.inrd --names ~/names.txt", 2, "names.txt: expected UTF-8 text"),
        ("subset ~/a.inrd ~/o.inrd --indices ::0", 2, "step 0"),
        ("subset ~/a.inrd ~/none/o.inrd --sample 3", 4, "none: no such folder for o.inrd; create it first"),
        ("subset ~/a.inrd ~/a.inrd --sample 3", 4, "exists: remove it first"),
        ("merge ~/a.inrd ~/none/o.inrd", 4, "none: no such folder for o.inrd; create it first"),
        ("merge ~/a.inrd ~/b.inrd ~/o.inrd", 4, "b.inrd: No such file"),
        ("split ~/a.inrd ~/parts --fractions a=nan,b=0.1", 2, "expected numbers above 0"),
        ("split ~/a.inrd ~/parts --fractions ../a=0.5,b=0.1", 2, "without folders"),
        ("split ~/a.inrd ~/parts --fractions a=0.5,a=0.1", 2, "two parts of the same name"),
        ("preview ~/a.inrd ~/o.xyz", 2, "a name that ends in .png"),
        ("preview ~/a.inrd ~/none/o.png", 4, "no such folder for o.png"),
        ("preview ~/a.inrd ~/o.png --original ~/none", 4, "none: no such folder"),
        ("stats ~/a.inrd --picture ~/o", 2, "a name that ends in .png"),
        ("stats ~/a.inrd --picture ~/none/o.png", 4, "no such folder for o.png"),
        ("stats ~/names.txt", 3, "names.txt"),
        ("export ~/a.inrd ~/names.txt", 4, "exists and is not empty"),
        ("export ~/a.inrd ~/out --quality 50", 2, "not for png"),
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_written(home, capsys, command, code, message):
    before = sorted(home.rglob("*"))
    assert main(command.split()) == code
    said = capsys.readouterr().err
    assert message in said and said.count("\n") == 1
    assert sorted(home.rglob("*")) == before


@pytest.mark.parametrize("command", ["subset ~/a.inrd ~/o.inrd --sample 3 --seed -1", "split ~/a.inrd ~/p --parts 0"])
def test_numbers_out_of_range_are_refused(home, capsys, command):
    with pytest.raises(SystemExit, match="2"):
        main(command.split())
    assert "expected a whole number" in capsys.readouterr().err


def test_json_says_which_records_went_where(home, capsys):
    assert main(["subset", "~/a.inrd", "~/s.inrd", "--indices", "1:12:4", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["rows"] == [1, 5, 9]
    assert main(["split", "~/a.inrd", "~/p", "--fractions", "x=0.5,y=0.25", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["parts"] == {"x": list(range(6)), "y": [6, 7, 8]}
    assert sorted(path.name for path in (home / "p").iterdir()) == ["x.inrd", "y.inrd"]


@pytest.mark.parametrize("command", ["info", "stats", "preview", "validate", "merge", "split", "subset", "export"])
def test_help_ends_with_three_examples_of_the_command(capsys, command):
    with pytest.raises(SystemExit, match="0"):
        main([command, "--help"])
    last = capsys.readouterr().out.rstrip().splitlines()[-4:]
    assert last[0] == "examples:" and all(line.startswith(f"  inrformat {command} ") for line in last[1:])
