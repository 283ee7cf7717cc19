"""The journal: what was appended comes back, a torn end is cut off, and another conversion's is refused."""

from io import FileIO

import pytest
from hypothesis import given, strategies as st

from inrformat.conversion.journal import Journal
from inrformat.errors import SourceError

WHOSE = {"source": "a", "options": {"quality": 70}}
PIECES = [{"next": 3, "rows": b"\0\1", "names": ["ü"]}, {"next": 5, "psnr": 0.1, "skipped": []}]


def opened(path):
    return FileIO(str(path), "r+" if path.exists() else "w+")


def filled(path):
    with opened(path) as file:
        journal = Journal(file, WHOSE)
        assert journal.learned is None and list(journal.pieces()) == []
        journal.append({"codebook": [1.5, 2]})
        for piece in PIECES:
            journal.append(piece)


def test_what_was_appended_comes_back(tmp_path):
    filled(tmp_path / "j")
    with opened(tmp_path / "j") as file:
        journal = Journal(file, WHOSE)
        assert journal.learned == {"codebook": [1.5, 2]}
        assert list(journal.pieces()) == PIECES


@given(data=st.data())
def test_a_journal_cut_anywhere_goes_on_with_its_whole_frames(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("cut") / "j"
    filled(path)
    whole = path.read_bytes()
    kept = data.draw(st.integers(0, len(whole)))
    garbage = data.draw(st.binary(max_size=20))
    path.write_bytes(whole[:kept] + garbage)
    with opened(path) as file:
        journal = Journal(file, WHOSE)
        before = [journal.learned, *journal.pieces()]
        journal.append({"new": 1})
    with opened(path) as file:
        journal = Journal(file, WHOSE)
        after = [journal.learned, *journal.pieces()]
    assert [f for f in before if f] == [{"codebook": [1.5, 2]}, *PIECES][: len([f for f in before if f])]
    assert [f for f in after if f] == [*(f for f in before if f), {"new": 1}]


def test_the_journal_of_another_conversion_is_refused_and_the_difference_named(tmp_path):
    filled(tmp_path / "j")
    with (
        opened(tmp_path / "j") as file,
        pytest.raises(SourceError, match=r"another conversion: options differ.*--resume"),
    ):
        Journal(file, {**WHOSE, "options": {"quality": 80}})
